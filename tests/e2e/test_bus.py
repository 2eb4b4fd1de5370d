"""The bus as a stranger sees it: what is published and answered, and what garbage does to it."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import ntc_pb2
import pytest
import zmq
from scapy.all import ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoRequest, IPv6, Raw

import bus
from bus import Subscriber, ask, records_of
from conftest import wait_until
from fake_collector import ACK, DROP, SYN, FakeCollector, Record

NOBODY = 65534
LIST, ADD, REMOVE = range(3)
BLACK, WHITE = range(2)
FLOWS, ADDRESSES, HISTORY = range(3)


def frame(layers):
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:99") / layers


def read_batches(events, records):
    """Batches that hold `records` records together, and the number that follows."""
    batches = []
    while sum(len(batch.packets) for batch in batches) < records:
        batches.append(events.next(b"packets"))
    return batches


def check_sequence(batches):
    """Nothing is missing between batches, neither records nor what they sum up to."""
    for batch, following in zip(batches, batches[1:]):
        assert following.boot_id == batch.boot_id
        assert following.first_seq == batch.first_seq + len(batch.packets)
        assert following.packets_before == batch.packets_before + sum(batch.packets)
        assert following.bytes_before == batch.bytes_before + sum(batch.bytes)


# ---- events ----

def test_records_of_real_packets_say_what_was_sent(quiet_ntc):
    ntc = quiet_ntc
    ntc.start_all()
    ntc.block("192.0.2.66")
    sent = [
        (IP(src="192.0.2.1", dst="198.51.100.1") / TCP(sport=1000, dport=80, flags="S"),
         ("192.0.2.1", "198.51.100.1", 1000, 80, 6, SYN, 40, 0, 4, 0)),
        (IP(src="192.0.2.1", dst="198.51.100.1") / TCP(sport=1000, dport=22, flags="SA"),
         ("192.0.2.1", "198.51.100.1", 1000, 22, 6, SYN | ACK, 40, 3, 4, 0)),
        (IP(src="192.0.2.66", dst="198.51.100.1") / UDP(sport=53, dport=5353) / Raw(b"x" * 72),
         ("192.0.2.66", "198.51.100.1", 53, 5353, 17, 0, 100, 1, 4, 0)),
        (IPv6(src="2001:db8::5", dst="2001:db8::6") / ICMPv6EchoRequest(),
         ("2001:db8::5", "2001:db8::6", 0, 0, 58, 0, 48, 0, 6, 0)),
        (Dot1Q(vlan=77) / IP(src="192.0.2.2", dst="198.51.100.2") / ICMP(),
         ("192.0.2.2", "198.51.100.2", 0, 0, 1, 0, 28, 0, 4, 77)),
    ]
    ifindex = int(ntc.network.router.run("cat", "/sys/class/net/port/ifindex", check=False).stdout
                  or 0) or None
    with Subscriber(ntc.endpoint("events"), b"packets") as events:
        wait_until(lambda: probe(ntc, events), "the subscription stands")
        begin_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        ntc.network.send([frame(layers) for layers, _ in sent])
        batches = read_batches(events, len(sent))
    records = [record for batch in batches for record in records_of(batch)]
    end_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert [(r["src"], r["dst"], r["src_port"], r["dst_port"], r["protocol"], r["tcp_flags"],
             r["bytes"], r["action"], r["version"], r["vlan"]) for r in records] \
        == [expected for _, expected in sent]
    for record in records:
        assert record["packets"] == 1 and record["direction"] == 0
        assert record["ifindex"] == (ifindex or record["ifindex"]) != 0
        assert begin_ns - 1e9 < record["first_ns"] < end_ns
    assert [r["first_ns"] for r in records] == sorted(r["first_ns"] for r in records)
    wall_ns = batches[0].wall_offset_ns + records[0]["first_ns"]
    assert abs(wall_ns - time.time_ns()) < 5e9
    assert batches[0].collector_id == "test"


def probe(ntc, events):
    """Send one packet; true when the subscriber sees it.  Leaves nothing unread."""
    ntc.network.send([frame(IP(src="192.0.2.200", dst="192.0.2.201") / UDP(sport=9, dport=9))])
    seen = False
    while events.socket.poll(200):
        events.next(b"packets")
        seen = True
    return seen


def test_the_mock_stream_has_no_gaps_and_statuses_cover_what_went_before(mock_ntc):
    mock_ntc.start("collector", "--mock", "--mock-rate", 20000)
    mock_ntc.processes["collector"].wait_log("mock")
    batches, statuses = [], []
    with Subscriber(mock_ntc.endpoint("events"), b"packets", b"status") as events:
        while len(statuses) < 4:
            topic, body = events.frames()
            message = bus.MESSAGES[topic].FromString(body)
            if topic == b"packets":
                records_of(message)
                batches.append(message)
                continue
            statuses.append(message)
            if not batches or message.boot_id != batches[-1].boot_id:
                continue
            last = batches[-1]
            assert message.next_seq == last.first_seq + len(last.packets)
            assert message.clock_ns >= max(a + b for a, b in zip(last.first_ns,
                                                                 last.duration_ns or [0] * 4096))
    check_sequence(batches)
    assert sum(len(batch.packets) for batch in batches) > 20000
    covered = [batch for batch in batches if statuses[-2].next_seq <= batch.first_seq
               < statuses[-1].next_seq]
    assert statuses[-1].published_packets - statuses[-2].published_packets \
        == sum(sum(batch.packets) for batch in covered)
    assert statuses[-1].published_bytes - statuses[-2].published_bytes \
        == sum(sum(batch.bytes) for batch in covered)


def check_identity(status):
    """What the kernel counted = what was published + what is known to be lost."""
    known = status.published_packets + sum(loss.packets for loss in status.losses)
    assert status.due_low <= known <= status.due_high
    assert len(status.packets) == len(status.bytes) == 32
    without_record = status.not_ip_packets + status.unparsed_packets
    assert status.due_low <= sum(status.packets) - without_record


@pytest.mark.parametrize("source", ["mock", "tc"])
def test_the_counters_of_a_status_add_up(request, source):
    if source == "mock":
        ntc = request.getfixturevalue("mock_ntc")
        ntc.start("collector", "--mock", "--mock-rate", 5000)
    else:
        ntc = request.getfixturevalue("quiet_ntc")
        ntc.start("collector")
    with Subscriber(ntc.endpoint("events"), b"status") as events:
        first = events.next()
        assert first.source == source and first.collector_id == "test"
        if source == "tc":
            ntc.network.send([frame(IP() / UDP())] * 500 + [frame(IP(src="1.2.3.4") / TCP())] * 300)
            status = events.until(lambda status: sum(status.packets) >= 800, "800 counted")
            assert (sum(status.packets[0:8]), sum(status.packets[8:16])) == (300, 500)
            assert [(i.name, i.attached) for i in status.interfaces] == [("port", True)]
        else:
            status = events.until(lambda status: sum(status.packets) > sum(first.packets), "more")
        check_identity(first)
        check_identity(status)


def test_a_late_subscriber_gets_the_status_and_the_snapshot_at_once(mock_ntc):
    mock_ntc.start_all("--mock")
    in_time = 0
    for attempt in range(6):
        socket, topic = (("events", b"status"), ("snapshots", b"snapshot"))[attempt % 2]
        with Subscriber(mock_ntc.endpoint(socket), topic) as late:
            begin = time.monotonic()
            late.next(topic)
            in_time += time.monotonic() - begin < 0.25
    assert in_time >= 5     # without it each would have to wait half a second, on average


def test_without_a_subscriber_the_collector_rests_and_counts_what_nobody_got(quiet_ntc):
    ntc = quiet_ntc
    collector = ntc.start("collector")
    collector.wait_log("attached|watching")
    before = collector.cpu_seconds()
    ntc.network.send([frame(IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2))] * 20000)
    with Subscriber(ntc.endpoint("events"), b"status") as events:
        status = events.until(lambda status: sum(status.packets) >= 20000
                              and status.due_low == status.due_high, "all counted")
    losses = {loss.stage: loss.packets for loss in status.losses if loss.packets}
    assert losses == {"unsubscribed": 20000}
    assert status.published_packets == 0
    assert collector.cpu_seconds() - before < 0.5
    check_identity(status)


# ---- snapshots ----

def test_a_snapshot_shows_the_mock_traffic(mock_ntc):
    mock_ntc.start_all("--mock", "--mock-rate", 1000)
    with Subscriber(mock_ntc.endpoint("snapshots"), b"snapshot") as snapshots:
        first = snapshots.until(lambda s: s.collectors and s.collectors[0].accounted_packets > 2000,
                                "2000 packets")
        following = snapshots.next()
    assert following.boot_id == first.boot_id and following.seq == first.seq + 1
    state = following.collectors[0]
    assert state.status.collector_id == "test" and not state.away
    assert state.difference_packets == 0
    assert state.accounted_packets + sum(loss.packets for loss in state.losses) \
        == state.status.published_packets - state.base_packets
    assert 0 < following.packets_per_second <= 1500
    assert 0 < len(following.top_packets) <= 10 and 0 < len(following.top_flows) <= 10
    rates = [row.packets_per_second for row in following.top_packets]
    assert rates == sorted(rates, reverse=True) and rates[-1] > 0
    assert {table.name for table in following.tables} == {"flows", "addresses", "ports"}


# ---- queries ----

def test_the_whole_table_can_be_asked_for(fake_ntc):
    collector = fake_ntc.start_fake()
    collector.publish([Record(src=f"10.0.{i // 250}.{i % 250 + 1}", dst_port=i + 1, bytes=100 + i,
                              action=DROP if i % 3 == 0 else 0) for i in range(1500)])
    fake_ntc.settle()
    queries = fake_ntc.endpoint("queries")

    def flows(**query):
        page = ask(queries, ntc_pb2.TableQuery(request_id=7, table=FLOWS, **query),
                   ntc_pb2.TablePage)
        assert page.request_id == 7 and page.error == ""
        return page

    page = flows(limit=1000)
    assert page.total == 1500 and len(page.flows) == 1000
    assert [row.bytes for row in page.flows] == sorted(range(600, 1600), reverse=True)
    assert len(flows().flows) == 100
    assert [row.bytes for row in flows(limit=2, offset=1498).flows] == [101, 100]
    assert [row.bytes for row in flows(limit=2, ascending=True).flows] == [100, 101]
    assert flows(action=1 + DROP).total == 500
    assert flows(port=17).total == 1 and flows(group=1).total == 0
    addr = bus.bytes_of("10.0.1.0")
    page = flows(addr=addr, addr_bits=120, sort="src", ascending=True, limit=3)
    assert page.total == 250
    assert [bus.text_of(row.src_addr) for row in page.flows] == ["10.0.1.1", "10.0.1.2", "10.0.1.3"]

    page = ask(queries, ntc_pb2.TableQuery(table=ADDRESSES, limit=5), ntc_pb2.TablePage)
    assert page.total == 1500 and len(page.addresses) == 5
    assert len(page.addresses[0].packets_by_second) == 60
    assert sum(page.addresses[0].packets_by_second) == page.addresses[0].packets == 1
    page = ask(queries, ntc_pb2.TableQuery(table=HISTORY, seconds=60), ntc_pb2.TablePage)
    assert {len(series.packets) for series in page.history.series} <= {page.total}
    assert "ingress_pass" in {series.name for series in page.history.series}
    assert "cannot sort" in ask(queries, ntc_pb2.TableQuery(sort="nonsense"),
                                ntc_pb2.TablePage).error
    assert ask(queries, ntc_pb2.TableQuery(limit=1000, offset=9999), ntc_pb2.TablePage).error


# ---- commands ----

def command(ntc, **fields):
    return ask(ntc.endpoint("commands"), ntc_pb2.ListRequest(**fields), ntc_pb2.ListReply)


def test_lists_can_be_changed_over_the_bus(mock_ntc):
    mock_ntc.start("collector", "--mock").wait_log("mock")
    added = command(mock_ntc, request_id=1, op=ADD, list=BLACK, prefix="2001:DB8:0::/32", ttl_s=60,
                    reason="known scanner")
    assert (added.code, added.prefix, added.changed) == (0, "2001:db8::/32", True), added.error
    again = command(mock_ntc, request_id=1, op=ADD, list=BLACK, prefix="2001:db8::/32")
    assert again == added                       # answered again, not done again
    entries = command(mock_ntc, request_id=2, op=LIST, list=BLACK).entries
    assert [(e.prefix, e.reason) for e in entries] == [("2001:db8::/32", "known scanner")]
    assert abs(entries[0].expires_unix_ns - time.time_ns() - 60e9) < 10e9

    assert command(mock_ntc, request_id=3, op=REMOVE, list=WHITE, prefix="2001:db8::/32").code == 2
    refused = command(mock_ntc, request_id=4, op=REMOVE, list=BLACK, prefix="2001:db8::/32",
                      expected_version=added.list_version + 7)
    assert refused.code == 6 and refused.error
    assert command(mock_ntc, request_id=5, op=REMOVE, list=BLACK, prefix="2001:db8::/32",
                   expected_version=added.list_version).code == 0
    assert command(mock_ntc, request_id=5, op=REMOVE, list=BLACK, prefix="2001:db8::/32").code == 0
    for prefix in ("", "nonsense", "1.2.3", "192.0.2.1/24", "::ffff:192.0.2.1", "x" * 5000):
        refused = command(mock_ntc, request_id=random.getrandbits(60), op=ADD, prefix=prefix)
        assert refused.code == 1 and refused.error, prefix


def test_a_long_list_is_read_in_pages(mock_ntc):
    mock_ntc.write_lists([f"10.0.{i // 250}.{i % 250}" for i in range(5000)])
    mock_ntc.start("collector", "--mock").wait_log("mock")
    found, after, more = [], "", True
    while more:
        reply = command(mock_ntc, op=LIST, list=BLACK, after=after, limit=1999)
        assert reply.code == 0 and reply.total == 5000
        found += [entry.prefix for entry in reply.entries]
        after, more = found[-1], reply.more
    assert len(found) == len(set(found)) == 5000


FOREIGN = """
import sys
sys.path[:0] = {path!r}
import bus, ntc_pb2
reply = bus.ask({endpoint!r}, ntc_pb2.ListRequest(request_id=9, op=1, prefix="192.0.2.9"),
                ntc_pb2.ListReply, timeout=3)
print("code", reply.code)
listed = bus.ask({endpoint!r}, ntc_pb2.ListRequest(op=0), ntc_pb2.ListReply, timeout=3)
print("listed", listed.code)
"""


def run_as_nobody(ntc):
    path = [folder for folder in sys.path if folder]
    script = FOREIGN.format(path=path, endpoint=ntc.endpoint("commands"))
    return subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                           sys.executable, "-c", script], capture_output=True, text=True,
                          timeout=30, cwd="/")


def test_commands_of_a_foreign_user_are_refused(mock_ntc):
    mock_ntc.start("collector", "--mock").wait_log("mock")
    os.chmod(mock_ntc.folder, 0o755)
    assert "no answer" in run_as_nobody(mock_ntc).stderr        # he cannot open the socket at all
    bus_folder = Path(mock_ntc.settings["bus.directory"])
    assert bus_folder.stat().st_mode & 0o007 == 0
    assert (bus_folder / "commands").stat().st_mode & 0o007 == 0
    bus_folder.chmod(0o755)
    (bus_folder / "commands").chmod(0o777)
    done = run_as_nobody(mock_ntc)
    assert done.stdout.split("\n")[:2] == ["code 5", "listed 0"], done.stderr
    assert command(mock_ntc, op=LIST).total == 0


def test_a_user_of_the_configuration_may_change_the_lists(mock_ntc):
    mock_ntc.settings["bus.command_uids"] = f"[{NOBODY}]"
    mock_ntc.start("collector", "--mock").wait_log("mock")
    os.chmod(mock_ntc.folder, 0o755)
    os.chmod(mock_ntc.settings["bus.directory"], 0o755)
    os.chmod(Path(mock_ntc.settings["bus.directory"]) / "commands", 0o777)
    done = run_as_nobody(mock_ntc)
    assert done.stdout.split("\n")[0] == "code 0", done.stderr
    assert command(mock_ntc, op=LIST).total == 1


# ---- garbage ----

def flipped(rng, body):
    """The message with a few bytes changed, cut, or repeated."""
    body = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    kind = rng.randrange(4)
    if kind == 0:
        del body[rng.randrange(len(body)):]
    elif kind == 1:
        body += bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
    return bytes(body)


def garbage(rng, good, count=600):
    """Single frames that are no message, or hardly one."""
    yield from (b"", b"\0", b"\xff" * 1000, b"\x08" * 5000, b"\n" + b"\xff" * 9, b"x" * 900_000)
    for _ in range(count):
        yield rng.randbytes(rng.randrange(200))
    for i in range(0, len(good), max(1, len(good) // 100)):
        yield good[:i]
    for _ in range(count):
        yield flipped(rng, good)


def send_requests(endpoint, messages):
    """Send without waiting for answers: each as REQ frames it, and some as no REQ would."""
    socket = bus.connect(zmq.DEALER, endpoint)
    for number, message in enumerate(messages):
        socket.send_multipart([b"", message])
        if number % 50 == 0:
            socket.send_multipart([message])
            socket.send_multipart([b"", message, b"", message])
            socket.send_multipart([b"a", b"b", b"c"])
            socket.send_multipart([b"", b""])
    while socket.poll(500):     # until it has answered whatever it answers
        socket.recv_multipart()
    socket.close()


def send_oversized(endpoint, kind=zmq.DEALER):
    """2 MiB: the peer cuts the connection."""
    socket = bus.connect(kind, endpoint)
    socket.send_multipart([b"", b"x" * (2 << 20)])
    socket.poll(200)
    socket.close()


def test_garbage_on_the_command_socket_changes_nothing(mock_ntc):
    process = mock_ntc.start("collector", "--mock")
    process.wait_log("mock")
    command(mock_ntc, request_id=1, op=ADD, list=WHITE, prefix="192.0.2.1")
    rss = process.rss_bytes()
    rng = random.Random(1)
    # A LIST of the blacklist that was tampered with may be a fine LIST, but never a change of the
    # whitelist.
    good = ntc_pb2.ListRequest(request_id=2 ** 60, list=BLACK, after="192.0.2.7",
                               limit=7).SerializeToString()
    send_requests(mock_ntc.endpoint("commands"), garbage(rng, good))
    send_oversized(mock_ntc.endpoint("commands"))
    assert process.popen.poll() is None, process.log()
    reply = command(mock_ntc, op=LIST, list=WHITE)
    assert [entry.prefix for entry in reply.entries] == ["192.0.2.1"]
    assert process.rss_bytes() - rss < 8 << 20


def test_garbage_on_the_query_socket_is_answered_or_dropped(fake_ntc):
    collector = fake_ntc.start_fake()
    process = fake_ntc.processes["aggregator"]
    rng = random.Random(2)
    good = ntc_pb2.TableQuery(request_id=2 ** 60, sort="bytes", limit=7, addr=b"\0" * 16,
                              addr_bits=3).SerializeToString()
    rss = process.rss_bytes()
    send_requests(fake_ntc.endpoint("queries"), garbage(rng, good))
    send_oversized(fake_ntc.endpoint("queries"))
    assert process.popen.poll() is None, process.log()
    assert process.rss_bytes() - rss < 8 << 20
    collector.publish([Record()])
    assert fake_ntc.settle().bad_messages > 200
    assert ask(fake_ntc.endpoint("queries"), ntc_pb2.TableQuery(request_id=5),
               ntc_pb2.TablePage).total == 1


def bad_frames():
    """Whole messages of a publisher whose frames are not a topic and one body."""
    return [[b"packets"], [b""], [b"packets", b"a", b"b"], [b"packets" * 30, b"x"],
            [b"packets\0", b"x"], [b"status"], [b"status", b"", b"", b""], [b"snapshot"],
            [b"packetsnot", b"x"], [b"statusnot", b"x"], [b"snapshots", b"x"]]


def test_garbage_from_a_collector_is_counted_and_the_good_goes_on(fake_ntc):
    """At the aggregator, and at the gateway while somebody watches live events."""
    collector = fake_ntc.start_fake()
    rng = random.Random(3)
    with fake_ntc.watch() as stream:
        collector.wait_subscribed(2)
        rss = {name: process.rss_bytes() for name, process in fake_ntc.processes.items()}
        scratch = FakeCollector(fake_ntc.folder, boot_id=99, name="scratch")
        good = {b"packets": scratch.batch_of([Record()] * 50).SerializeToString(),
                b"status": scratch.status_message().SerializeToString()}
        scratch.close()
        bad = 0
        for frames in bad_frames():
            collector.socket.send_multipart(frames)
        for topic, message in good.items():
            for body in garbage(rng, message.replace(b"test", b"evil"), count=300):
                collector.send(topic, body)
                bad += 1
        collector.publish([Record(dst_port=4242)] * 3)
        snapshot = fake_ntc.settle()
        assert snapshot.bad_messages > bad / 3      # some tampered ones are still valid
        events = stream.read_until(lambda event: event["dst_port"] == 4242, count=3)
        assert len(events) == 3
        for name, process in fake_ntc.processes.items():
            assert process.popen.poll() is None, process.log()
            assert process.rss_bytes() - rss[name] < 16 << 20, name
    own = [state for state in snapshot.collectors if state.status.collector_id == "test"]
    assert own[0].difference_packets == 0
    assert fake_ntc.flows(port=4242)[0]["packets"] == 3
    assert len(snapshot.collectors) <= 64


def test_an_oversized_message_of_a_collector_is_cut_off_and_the_next_one_heard(fake_ntc):
    collector = fake_ntc.start_fake()
    collector.send(b"packets", b"x" * (2 << 20))
    collector.wait_topics(lambda topics: not topics, "the aggregator hangs up")
    collector.wait_subscribed()         # and is back
    collector.publish([Record(dst_port=4242)])
    fake_ntc.settle()
    assert fake_ntc.flows(port=4242)[0]["packets"] == 1


def test_garbage_from_an_aggregator_does_not_end_the_gateway(mock_ntc):
    os.mkdir(mock_ntc.settings["bus.directory"])
    fake = FakeCollector(mock_ntc.settings["bus.directory"], name="snapshots")
    gateway = mock_ntc.start("gateway")
    fake.wait_topics(lambda topics: topics, "the gateway listens")
    rng = random.Random(4)
    snapshot = ntc_pb2.Snapshot(version="0.1.0", boot_id=1, seq=1, unix_ns=time.time_ns(),
                                packets_per_second=12.5, active_ips=3)
    snapshot.collectors.add(status=fake.status_message())
    snapshot.top_packets.add(addr=b"\0" * 16, packets_per_second=12.5)
    good = snapshot.SerializeToString()
    rss = gateway.rss_bytes()
    for frames in bad_frames():
        fake.socket.send_multipart(frames)
    for body in garbage(rng, good):
        fake.send(b"snapshot", body)
    fake.send(b"snapshot", good)

    def shown():
        fake.send(b"snapshot", good)
        return mock_ntc.metrics().get("ntc_packets_per_second") == 12.5
    wait_until(shown, "the good snapshot is shown")
    assert gateway.popen.poll() is None and gateway.rss_bytes() - rss < 16 << 20
    fake.send(b"snapshot", b"x" * (2 << 20))
    fake.wait_topics(lambda topics: not topics, "the gateway hangs up")
    fake.wait_topics(lambda topics: topics, "and is back")
    snapshot.packets_per_second = 13.5
    good = snapshot.SerializeToString()
    wait_until(lambda: fake.send(b"snapshot", good)
               or mock_ntc.metrics()["ntc_packets_per_second"] == 13.5, "the next one is shown")
    fake.close()
