"""Recorded streams: what is in the file, that a replay is exact, and what a damaged file does."""

import random
import signal
import time

import ntc_pb2
import pytest

from bus import Subscriber, records_of
from conftest import Ntc, run, wait_until
from test_bus import check_sequence


def read_recording(path):
    """[(offset, bytes of the batch)], read without NTC's code."""
    data = path.read_bytes()
    found, at = [], 0
    while at < len(data):
        begin, length, shift = at, 0, 0
        while True:
            length |= (data[at] & 0x7f) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                break
        found.append((begin, data[at:at + length]))
        assert len(found[-1][1]) == length
        at += length
    return found


def record(path, seconds, *options, **settings):
    """Record synthetic traffic for so long."""
    ntc = Ntc()
    try:
        ntc.settings.update({name.replace("__", "."): value for name, value in settings.items()})
        collector = ntc.start("collector", "--mock", "--mock-seed", 7, "--record", path, *options)
        collector.wait_log("running")
        begin = time.monotonic()
        wait_until(lambda: time.monotonic() - begin > seconds, "time passes")
        assert collector.stop()[0] == 0
    finally:
        ntc.close()
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Four seconds at 10,000 packets a second."""
    return record(tmp_path_factory.mktemp("recording") / "stream", 4, "--mock-rate", 10000)


def replay(ntc, path, *options):
    """Start a replay with a listener of our own, which gets all of it; return both."""
    ntc.start("collector", "--replay", path, *options)
    return ntc.processes["collector"], Subscriber(ntc.endpoint("events"), b"packets")


def replayed(collector, events):
    """The batches of a replay, until its process has ended."""
    batches = []
    while True:
        ended = collector.popen.poll() is not None
        while events.socket.poll(20):
            batches.append(events.socket.recv_multipart()[1])
        if ended:
            return batches


# ---- the file ----

def test_a_recording_is_the_stream_that_was_published(mock_ntc, tmp_path):
    path = tmp_path / "stream"
    collector = mock_ntc.start("collector", "--mock", "--mock-rate", 3000, "--record", path)
    with Subscriber(mock_ntc.endpoint("events"), b"packets", b"status") as events:
        bodies = []
        while len(bodies) < 100:
            topic, body = events.frames()
            if topic == b"packets":
                bodies.append(body)
        assert collector.stop()[0] == 0
        while events.socket.poll(100):
            topic, body = events.frames()
            if topic == b"packets":
                bodies.append(body)
    stored = [body for _, body in read_recording(path)]
    assert stored[-len(bodies):] == bodies
    batches = [ntc_pb2.PacketBatch.FromString(body) for body in stored]
    check_sequence(batches)
    assert batches[0].first_seq == 1 and batches[0].packets_before == 0
    records = [record for batch in batches for record in records_of(batch)]
    assert {record["version"] for record in records} == {4, 6}
    assert {record["protocol"] for record in records} >= {1, 6, 17}
    assert {record["action"] for record in records} == {0, 3}       # SSH among it, nothing blocked


def test_the_seed_decides_about_the_traffic(tmp_path):
    """The same packets, though not the same times."""
    def keys(name, *options):
        path = record(tmp_path / name, 0.3, "--mock-rate", "20000", *options)
        batches = [ntc_pb2.PacketBatch.FromString(body) for _, body in read_recording(path)]
        return [tuple(record[field] for field in ("src", "dst", "ports", "protocol", "bytes",
                                                  "tcp_flags", "kind"))
                for batch in batches for record in records_of(batch)][:2000]
    first, same, other = keys("a"), keys("b"), keys("c", "--mock-seed", 8)
    assert len(first) == 2000 and first == same != other


# ---- exactness ----

def columns_of(batches):
    """The columns of all batches one after the other, as bytes."""
    whole = ntc_pb2.FlowBatch()
    for batch in batches:
        for field in batch.DESCRIPTOR.fields:
            if field.number >= 10 and field.type == field.TYPE_BYTES:
                setattr(whole, field.name, getattr(whole, field.name) + getattr(batch, field.name))
            elif field.number >= 10:
                getattr(whole, field.name).extend(getattr(batch, field.name))
    return whole.SerializeToString()


def ended_flows(recording, packets):
    """The flows that an aggregator makes of a replay, until all its packets are in them."""
    ntc = Ntc()
    ntc.settings.update({"aggregator.idle_s": 1, "aggregator.flush_s": 2})
    batches = []
    try:
        ntc.start("aggregator")
        with Subscriber(ntc.endpoint("snapshots"), b"flows", b"snapshot") as ended:
            ended.next(b"snapshot")     # the subscription to flows went before that one
            collector = ntc.start("collector", "--replay", recording, "--replay-speed", "max")
            while sum(sum(batch.packets) for batch in batches) < packets:
                batches.append(ended.next(b"flows", timeout=20))
                records_of(batches[-1])
            assert collector.popen.wait(10) == 0
    finally:
        ntc.close()
    assert sum(sum(batch.packets) for batch in batches) == packets
    return batches


def test_a_replay_gives_the_same_flows_twice_byte_for_byte(recording):
    packets = sum(sum(ntc_pb2.PacketBatch.FromString(body).packets)
                  for _, body in read_recording(recording))
    assert packets > 30000
    first, second = (ended_flows(recording, packets) for _ in range(2))
    assert {reason for batch in first for reason in batch.reason} >= {1, 2, 3}
    assert columns_of(first) == columns_of(second)


def test_a_replay_sends_and_records_exactly_the_same_bytes(mock_ntc, recording, tmp_path):
    again = tmp_path / "again"
    collector, events = replay(mock_ntc, recording, "--replay-speed", "max", "--record", again)
    batches = replayed(collector, events)
    assert collector.popen.returncode == 0, collector.log()
    assert batches == [body for _, body in read_recording(recording)]
    assert again.read_bytes() == recording.read_bytes()


def test_the_statuses_of_a_replay_add_up(mock_ntc, recording):
    mock_ntc.start("collector", "--replay", recording, "--replay-speed", "max")
    statuses, sent = [], [0, 0]
    with Subscriber(mock_ntc.endpoint("events"), b"packets", b"status") as events:
        while mock_ntc.processes["collector"].popen.poll() is None or events.socket.poll(100):
            if not events.socket.poll(20):
                continue
            topic, body = events.frames()
            if topic == b"packets":
                batch = ntc_pb2.PacketBatch.FromString(body)
                sent = [sent[0] + sum(batch.packets), sent[1] + sum(batch.bytes)]
                continue
            statuses.append(ntc_pb2.CollectorStatus.FromString(body))
            assert (statuses[-1].published_packets, statuses[-1].published_bytes) == tuple(sent)
            assert sum(statuses[-1].packets) == statuses[-1].due_high == sent[0]
    assert {status.source for status in statuses} == {"replay"}
    assert [status.clock_ns for status in statuses] == sorted(s.clock_ns for s in statuses)
    assert sent[0] > 30000


# ---- damage ----

@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Few records, one in each batch."""
    path = record(tmp_path_factory.mktemp("small") / "stream", 0.3, "--mock-rate", 100,
                  events__batch=1)
    batches = read_recording(path)
    assert len(batches) > 5
    return path.read_bytes()[:batches[6][0]] if len(batches) > 6 else path.read_bytes()


def assert_damaged(ntc, path, whole, offset):
    """All whole batches are sent, then it ends with 1 and says where the damage begins."""
    collector, events = replay(ntc, path, "--replay-speed", "max")
    batches = replayed(collector, events)
    events.socket.close()
    assert collector.popen.returncode == 1, collector.log()
    assert batches == whole
    last = [line for line in collector.log().splitlines() if line.startswith("<3>")]
    assert len(last) == 1 and str(path) in last[0] and f"byte {offset}" in last[0], collector.log()
    collector.log_file.close()


def test_a_file_cut_at_any_byte_of_its_last_batch_says_where(mock_ntc, small, tmp_path):
    path = tmp_path / "cut"
    path.write_bytes(small)
    batches = read_recording(path)
    last = batches[-1][0]
    whole = [body for _, body in batches[:-1]]
    for cut in range(last + 1, len(small)):
        path.write_bytes(small[:cut])
        assert_damaged(mock_ntc, path, whole, last)


def test_a_file_cut_anywhere_says_where(mock_ntc, recording, tmp_path):
    path, data = tmp_path / "cut", recording.read_bytes()
    batches = read_recording(recording)
    rng = random.Random(5)
    starts = [begin for begin, _ in batches]
    for _ in range(6):
        cut = rng.randrange(starts[1] + 1, len(data))
        while cut in starts:
            cut += 1
        number = max(i for i, begin in enumerate(starts) if begin < cut)
        path.write_bytes(data[:cut])
        assert_damaged(mock_ntc, path, [body for _, body in batches[:number]], starts[number])


def test_a_file_damaged_inside_says_where(mock_ntc, small, tmp_path):
    path = tmp_path / "damaged"
    path.write_bytes(small)
    batches = read_recording(path)
    at = batches[3][0]
    for damage in (b"\xff" * 10, b"\x00", b"\x05garbage", b"\x80\x80\x80\x80\x80"):
        path.write_bytes(small[:at] + damage + small[at:])
        assert_damaged(mock_ntc, path, [body for _, body in batches[:3]], at)


@pytest.mark.parametrize("content,words", [
    (b"", "is empty"), (b"not a recording", "byte 0"), (b"\0" * 5000, "byte 0"),
    (b"\xff" * 5000, "byte 0"), (b"\x03abc", "byte 0"), (None, "No such file")])
def test_what_is_no_recording_is_refused(mock_ntc, tmp_path, content, words):
    path = tmp_path / "stream"
    if content is not None:
        path.write_bytes(content)
    collector = mock_ntc.launch("collector", "--replay", path)
    assert collector.popen.wait(10) == 1
    assert str(path) in collector.log() and words in collector.log()


def test_a_folder_is_no_recording(mock_ntc, tmp_path):
    collector = mock_ntc.launch("collector", "--replay", tmp_path)
    assert collector.popen.wait(10) == 1
    assert "director" in collector.log().lower()


def test_recording_goes_on_until_the_disk_is_full_and_ends_with_a_whole_batch(mock_ntc, tmp_path):
    run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path)
    try:
        path = tmp_path / "stream"
        collector = mock_ntc.start("collector", "--mock", "--mock-rate", 50000, "--record", path)
        collector.wait_log("recording has stopped: No space left")
        stored = [ntc_pb2.PacketBatch.FromString(body) for _, body in read_recording(path)]
        check_sequence(stored)
        assert len(stored) > 3
        with Subscriber(mock_ntc.endpoint("events"), b"packets") as events:
            assert events.next()                # the traffic goes on
        assert collector.stop()[0] == 0
    finally:
        run("umount", "-l", tmp_path)


# ---- pace ----

@pytest.mark.parametrize("speed,low,high", [("1", 2.5, 4.0), ("10", 0.2, 1.2), ("max", 0, 1.0)])
def test_a_replay_keeps_the_recorded_pace(mock_ntc, three_seconds, speed, low, high):
    collector, events = replay(mock_ntc, three_seconds, "--replay-speed", speed)
    first = events.next()
    begin = time.monotonic()
    rest = replayed(collector, events)
    took = time.monotonic() - begin
    assert collector.popen.returncode == 0
    span = ntc_pb2.PacketBatch.FromString(rest[-1]).first_ns[-1] - first.first_ns[0]
    assert 2.8e9 < span < 3.6e9
    assert low < took < high


@pytest.fixture(scope="module")
def three_seconds(tmp_path_factory):
    return record(tmp_path_factory.mktemp("pace") / "stream", 3, "--mock-rate", 500)


def test_a_replay_can_be_stopped(mock_ntc, recording):
    collector, events = replay(mock_ntc, recording, "--replay-speed", "0.1")
    events.next()
    code, seconds = collector.stop(signal.SIGINT)
    assert code == 0 and seconds < 3
    events.socket.close()
