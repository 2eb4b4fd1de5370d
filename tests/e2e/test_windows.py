"""Flows, windows, losses and the ledger, over minutes of record time that pass in milliseconds."""

import itertools
import time

import ntc_pb2
import pytest

from bus import Subscriber, ask, bytes_of, records_of, text_of
from conftest import wait_until
from fake_collector import (ACK, DROP, EGRESS, FIN, ICMP, NS, RST, SYN, TCP, UDP, Record)

IDLE, FLUSHED, FINISHED, RESET, EVICTED = range(1, 6)
SERVER = "198.51.100.80"


def address(ntc, ip):
    """The row of one address, or None."""
    page = ask(ntc.endpoint("queries"),
               ntc_pb2.TableQuery(table=1, addr=bytes_of(ip), addr_bits=128), ntc_pb2.TablePage)
    assert page.error == "" and page.total == len(page.addresses) <= 1
    return page.addresses[0] if page.addresses else None


def table(snapshot, name):
    return next(state for state in snapshot.tables if state.name == name)


# ---- rates ----

def test_33_packets_a_second_from_2000_addresses_are_shown_as_33(fake_ntc):
    collector = fake_ntc.start_fake()
    sources = itertools.cycle([f"10.1.{i // 250}.{i % 250}" for i in range(2000)])
    for _ in range(90):
        collector.clock_ns += NS
        collector.publish([Record(src=next(sources), bytes=100) for _ in range(33)])
    snapshot = fake_ntc.settle()
    assert snapshot.packets_per_second == pytest.approx(33)
    assert snapshot.bytes_per_second == pytest.approx(3300)
    assert snapshot.active_ips == 60 * 33       # each sent one packet
    metrics = wait_metrics(fake_ntc, "ntc_packets_per_second", 33)
    assert metrics["ntc_bytes_per_second"] == pytest.approx(3300)
    assert metrics["ntc_active_ips"] == 60 * 33
    one = next(value for name, value in metrics.items()
               if name.startswith("ntc_ip_packets_per_second{"))
    assert one == pytest.approx(1 / 60, rel=0.01)      # fractions are kept


def wait_metrics(ntc, name, value):
    """The metrics once the gateway shows `value`."""
    return wait_until(lambda: (lambda m: m if m.get(name) == pytest.approx(value) else None)
                      (ntc.metrics()), f"{name} is {value}, not {ntc.metrics().get(name)}")


def test_bursts_with_pauses_give_the_true_rate_of_60_seconds(fake_ntc):
    collector = fake_ntc.start_fake(gateway=False)
    for second in range(75):
        collector.clock_ns += NS
        if second % 15 == 0:
            collector.publish([Record(bytes=1000, packets=100)] * 3)
        if second in (60, 67, 74):
            snapshot = fake_ntc.settle()    # after a burst, in the pause, at its end: always four
            assert snapshot.packets_per_second == pytest.approx(20), second
            assert snapshot.bytes_per_second == pytest.approx(200), second
            assert address(fake_ntc, "192.0.2.1").packets_per_second == pytest.approx(20)
    seconds = address(fake_ntc, "192.0.2.1").packets_by_second
    assert [i for i, packets in enumerate(seconds) if packets] == [0, 15, 30, 45]


def test_a_record_counts_in_the_second_of_its_time_not_of_its_arrival(fake_ntc):
    collector = fake_ntc.start_fake(gateway=False)
    collector.clock_ns += 100 * NS
    late = collector.clock_ns - 20 * NS
    collector.publish([Record(packets=7), Record(packets=5, first_ns=late)])
    fake_ntc.settle()
    row = address(fake_ntc, "192.0.2.1")
    assert row.packets_by_second[59] == 7 and row.packets_by_second[39] == 5
    collector.clock_ns += 45 * NS
    assert fake_ntc.settle().packets_per_second == pytest.approx(7 / 60)


def test_scraping_does_not_keep_idle_addresses_alive(fake_ntc):
    collector = fake_ntc.start_fake()
    collector.publish([Record(src=f"10.0.0.{i}") for i in range(50)])
    assert fake_ntc.settle().active_ips == 50
    for _ in range(6):
        collector.clock_ns += 10 * NS
        collector.status()
        collector.publish([Record(src="10.9.9.9")])
        assert "ntc_ip_packets_per_second" in fake_ntc.get("/metrics").text
        for path in ("/api/ips?limit=1000", "/api/summary", "/api/flows", "/api/ips?ip=10.0.0.7"):
            assert fake_ntc.get(path).status == 200
    snapshot = fake_ntc.settle()
    assert snapshot.active_ips == 1
    assert [text_of(row.addr) for row in snapshot.top_packets] == ["10.9.9.9"]
    wait_metrics(fake_ntc, "ntc_active_ips", 1)
    assert [row["ip"] for row in fake_ntc.get("/api/ips").json()["ips"]] == ["10.9.9.9"]
    assert "10.0.0." not in fake_ntc.get("/metrics").text


# ---- ports ----

def test_a_server_that_answers_500_clients_is_no_scanner(fake_ntc):
    collector = fake_ntc.start_fake(gateway=False)
    for i in range(500):
        client, port = f"10.2.{i // 250}.{i % 250}", 40000 + i
        collector.publish([
            Record(src=client, dst=SERVER, src_port=port, dst_port=443, protocol=TCP,
                   tcp_flags=SYN),
            Record(src=SERVER, dst=client, src_port=443, dst_port=port, protocol=TCP,
                   tcp_flags=SYN | ACK, direction=EGRESS),
            Record(src=client, dst=SERVER, src_port=port, dst_port=443, protocol=TCP,
                   tcp_flags=ACK)])
        collector.clock_ns += NS // 20
    snapshot = fake_ntc.settle()
    server, client = address(fake_ntc, SERVER), address(fake_ntc, "10.2.0.7")
    assert server.unique_dst_ports == 0 and server.syn == 0 and server.ack == 500
    assert client.unique_dst_ports == 1 and (client.syn, client.ack) == (1, 1)
    assert all(row.unique_dst_ports == 1 for row in snapshot.top_ports)


def test_it_is_still_none_when_its_flows_were_flushed_or_its_clients_hang_up(fake_ntc):
    """A long download: the server goes on to speak when the flow is reported for the first time."""
    collector = fake_ntc.start_fake(gateway=False)
    answers = []
    for i in range(50):
        client = f"10.2.0.{i}"
        collector.publish([Record(src=client, dst=SERVER, src_port=50000 + i, dst_port=443,
                                  protocol=TCP, tcp_flags=SYN)])
        answers.append(Record(src=SERVER, dst=client, src_port=443, dst_port=50000 + i,
                              protocol=TCP, tcp_flags=ACK, direction=EGRESS, bytes=1500))
    for _ in range(70):
        collector.clock_ns += NS
        collector.publish(answers)
    fake_ntc.sync()
    assert address(fake_ntc, SERVER).unique_dst_ports == 0
    for answer in answers:          # FIN of the client, then the server's last words
        collector.publish([Record(src=answer.dst, dst=SERVER, src_port=answer.dst_port,
                                  dst_port=443, protocol=TCP, tcp_flags=FIN | ACK)])
    collector.publish(answers)
    fake_ntc.sync()
    assert address(fake_ntc, SERVER).unique_dst_ports == 0


def test_a_scanner_shows_exactly_its_ports_and_they_leave_one_by_one(fake_ntc):
    collector = fake_ntc.start_fake(gateway=False)
    scanner = "203.0.113.9"

    def probe(ports, dst=SERVER):
        collector.publish([Record(src=scanner, dst=dst, src_port=33333, dst_port=port, protocol=TCP,
                                  tcp_flags=SYN, bytes=40) for port in ports])

    for second in range(20):                        # 30 new ports in each of 20 seconds
        probe(range(1000 + second * 30, 1030 + second * 30))
        probe([1000 + second * 30], dst="198.51.100.81")    # a port counts once, whatever the host
        collector.clock_ns += NS
    collector.publish([Record(src=scanner, dst_port=1000, protocol=UDP)])   # again: stays longer
    fake_ntc.sync()
    row = address(fake_ntc, scanner)
    assert row.unique_dst_ports == 600 and row.syn == 620
    collector.clock_ns += 39 * NS                   # the first second is the oldest of the window
    fake_ntc.sync()
    assert address(fake_ntc, scanner).unique_dst_ports == 600
    for gone in range(1, 4):
        collector.clock_ns += NS
        fake_ntc.sync()
        row = address(fake_ntc, scanner)
        assert row.unique_dst_ports == 600 - 30 * gone + 1
        assert row.syn == 620 - 31 * gone
    collector.clock_ns += 16 * NS                   # of all ports only 1000 was used since
    fake_ntc.sync()
    assert address(fake_ntc, scanner).unique_dst_ports == 31
    collector.clock_ns += NS
    fake_ntc.sync()
    assert address(fake_ntc, scanner).unique_dst_ports == 1
    collector.clock_ns += NS
    fake_ntc.sync()
    assert address(fake_ntc, scanner) is None


def test_syn_and_ack_counts_slide(fake_ntc):
    collector = fake_ntc.start_fake(gateway=False)
    for flags, packets in ((SYN, 3), (SYN | ACK, 5), (ACK, 7), (FIN | ACK, 11), (RST, 13)):
        collector.publish([Record(protocol=TCP, tcp_flags=flags, packets=packets)])
        collector.clock_ns += 10 * NS
    collector.publish([Record(packets=100, tcp_flags=SYN)])     # UDP has no flags
    expected = [(3, 23), (0, 23), (0, 18), (0, 11), (0, 0)]     # as each of them leaves
    for syn, ack in expected:
        fake_ntc.sync()
        row = address(fake_ntc, "192.0.2.1")
        assert (row.syn, row.ack) == (syn, ack)
        collector.clock_ns += 10 * NS


# ---- bounded memory ----

def test_a_million_spoofed_sources_leave_memory_flat_and_metrics_short(fake_ntc):
    collector = fake_ntc.start_fake()

    def flood(sources):
        for i in range(0, len(sources), 50_000):
            collector.flood(sources[i:i + 50_000])
            collector.clock_ns += NS // 2
            fake_ntc.get("/metrics")
        return fake_ntc.settle()

    flood(range(0x0a000000, 0x0a000000 + 200_000))
    rss = {name: process.rss_bytes() for name, process in fake_ntc.processes.items()}

    def growth():
        return {name: process.rss_bytes() - rss[name]
                for name, process in fake_ntc.processes.items()}
    snapshot = flood(range(0x20000000, 0x20000000 + 1_000_000))
    sent = 1_200_000
    # What a heap has free at its end goes up to 2 MiB and is then given back (heap_limits.c), which
    # a leak is not.
    while max(growth().values()) >= 2 << 20 and sent < 3_000_000:
        snapshot = flood(range(0x20000000 + sent, 0x20000000 + sent + 200_000))
        sent += 200_000
    for name, grown in growth().items():
        assert grown < 2 << 20, name
        assert rss[name] + grown < 48 << 20, name
    assert snapshot.active_ips <= 16384
    assert table(snapshot, "addresses").size == table(snapshot, "addresses").capacity == 16384
    assert table(snapshot, "addresses").evicted == sent - 16384
    assert table(snapshot, "flows").evicted == sent - 65536
    assert table(snapshot, "ports").size <= table(snapshot, "ports").capacity
    state = fake_ntc.state(snapshot)
    assert state.accounted_packets == sent and state.difference_packets == 0
    assert snapshot.packets_per_second == pytest.approx(sent / 60)      # all of 12 to 30 seconds
    wait_metrics(fake_ntc, "ntc_active_ips", snapshot.active_ips)
    begin = time.monotonic()
    text = fake_ntc.get("/metrics").text
    assert time.monotonic() - begin < 0.2
    assert len(text.splitlines()) <= 200
    assert 'ntc_table_evicted_total{table="addresses"}' in text


# ---- losses and the ledger ----

def bus_loss(state):
    return next(((loss.records, loss.packets, loss.bytes) for loss in state.losses
                 if loss.stage == "bus"), (0, 0, 0))


def test_gaps_are_counted_exactly_as_lost_on_the_bus(fake_ntc):
    collector = fake_ntc.start_fake()
    collector.publish([Record(packets=10, bytes=1000)] * 5)
    collector.lose([Record(packets=3, bytes=300)] * 4)
    collector.publish([Record()])
    state = fake_ntc.state()
    assert bus_loss(state) == (4, 12, 1200)
    assert (state.accounted_packets, state.difference_packets) == (51, 0)
    collector.lose([Record(packets=2, bytes=70)])       # nothing follows but a status
    state = fake_ntc.state()
    assert bus_loss(state) == (5, 14, 1270) and state.difference_packets == 0
    collector.publish([Record()] * 3)
    state = fake_ntc.state()
    assert bus_loss(state) == (5, 14, 1270) and state.difference_packets == 0
    metrics = wait_metrics(fake_ntc, 'ntc_lost_packets_total{stage="bus"}', 14)
    assert metrics['ntc_lost_bytes_total{stage="bus"}'] == 1270
    assert metrics["ntc_ledger_difference_packets"] == 0


def test_what_the_collector_knows_to_be_lost_is_shown_by_stage(fake_ntc):
    collector = fake_ntc.start_fake()
    collector.counters[0][8] += 30          # udp, ingress, pass: counted by the kernel, but ...
    collector.counters[1][8] += 3000
    collector.losses = {"ring": (20, 25, 2500), "unsubscribed": (5, 5, 500)}
    collector.publish([Record()])
    state = fake_ntc.state()
    assert state.difference_packets == 0 and bus_loss(state) == (0, 0, 0)
    metrics = wait_metrics(fake_ntc, 'ntc_lost_packets_total{stage="ring"}', 25)
    assert metrics['ntc_lost_bytes_total{stage="ring"}'] == 2500
    assert metrics['ntc_lost_packets_total{stage="unsubscribed"}'] == 5
    assert metrics['ntc_packets_total{proto="udp",direction="ingress",action="pass"}'] == 31
    assert metrics['ntc_bytes_total{proto="udp",direction="ingress",action="pass"}'] == 3060


def test_a_collector_that_lies_makes_a_difference(fake_ntc):
    collector = fake_ntc.start_fake()
    collector.publish([Record(packets=4)] * 10)
    assert fake_ntc.state().difference_packets == 0
    collector.lie_packets = 5               # counted by the kernel, never published, not lost
    wait_until(lambda: fake_ntc.state().difference_packets == 5, "two statuses in a row say so")
    wait_metrics(fake_ntc, "ntc_ledger_difference_packets", 5)
    collector.lie_packets = 0
    assert fake_ntc.state().difference_packets == 0
    collector.publish([Record()])
    collector.published[0] += 3             # says to have published what it did not
    collector.counters[0][8] += 3
    assert fake_ntc.state().difference_packets == 3
    wait_metrics(fake_ntc, "ntc_ledger_difference_packets", 3)


def test_a_collector_that_was_started_again_is_followed_from_its_first_record(fake_ntc):
    collector = fake_ntc.start_fake()
    collector.publish([Record(src="10.0.0.1")] * 10)
    fake_ntc.settle()
    collector.begin(boot_id=77)
    collector.counters[0][8] += 6           # passed while it was away: the kernel counted on
    collector.losses = {"unsubscribed": (6, 6, 360)}
    collector.publish([Record(src="10.0.0.2")] * 20)
    state = fake_ntc.state()
    assert state.status.boot_id == 77 and state.difference_packets == 0
    assert bus_loss(state) == (0, 0, 0)
    assert address(fake_ntc, "10.0.0.1").packets == 10
    assert address(fake_ntc, "10.0.0.2").packets == 20
    collector.begin(boot_id=78)
    collector.lose([Record()] * 5)          # the first it hears of this one is not the first record
    collector.publish([Record(src="10.0.0.3")] * 2)
    assert fake_ntc.state().difference_packets == 0
    metrics = wait_metrics(fake_ntc, 'ntc_packets_total{proto="udp",direction="ingress",'
                           'action="pass"}', 43)
    assert metrics["ntc_ledger_difference_packets"] == 0


def test_a_collector_that_goes_away_is_missed_and_welcome_back(fake_ntc):
    collector = fake_ntc.start_fake()
    collector.publish([Record()] * 5)
    fake_ntc.settle()
    wait_until(lambda: fake_ntc.get("/readyz").status == 200, "ready")
    begin = time.monotonic()
    snapshot = fake_ntc.snapshots.until(lambda s: s.collectors[0].away, "it is away")
    assert 1.5 < time.monotonic() - begin < 6
    assert snapshot.collectors[0].age_s >= 3
    answer = wait_until(lambda: (lambda got: got if got.status == 503 else None)
                        (fake_ntc.get("/readyz")), "not ready")
    assert answer.json()["missing"] == ["collector"]
    assert fake_ntc.packets() == 5          # what it said last is still shown
    collector.publish([Record()])
    state = fake_ntc.state()
    assert not state.away and state.difference_packets == 0
    wait_until(lambda: fake_ntc.get("/readyz").status == 200, "ready again")


# ---- flows that ended ----

class EndedFlows:
    """What is published on the topic `flows`."""

    def __init__(self, ntc):
        self.ntc = ntc
        self.subscriber = Subscriber(ntc.endpoint("snapshots"), b"flows", b"snapshot")
        self.subscriber.next(b"snapshot")   # the subscription to flows went before that one

    def take(self):
        """Flows that have ended since the last call, in order."""
        self.ntc.sync()
        return self.read()

    def read(self):
        """Those that have been published by now."""
        found = []
        while self.subscriber.socket.poll(50):
            topic, body = self.subscriber.frames()
            if topic == b"flows":
                found += records_of(ntc_pb2.FlowBatch.FromString(body))
        return [flow for flow in found if flow["src"] != "240.0.0.2"]   # sync() made that


@pytest.fixture
def played(fake_ntc):
    fake_ntc.start_fake(gateway=False)
    fake_ntc.ended = EndedFlows(fake_ntc)
    yield fake_ntc
    fake_ntc.ended.subscriber.socket.close()


def test_an_idle_flow_ends_once_with_its_sums(played):
    collector, begin_ns = played.collector, played.collector.clock_ns
    for i in range(10):
        collector.publish([Record(packets=2, bytes=200, vlan=7, action=DROP if i == 9 else 0)])
        collector.clock_ns += NS
    assert played.ended.take() == []
    collector.clock_ns += 28 * NS
    assert played.ended.take() == []        # 29 s of silence, whole seconds
    collector.clock_ns += 3 * NS
    flows = played.ended.take()
    assert len(flows) == 1
    expected = dict(src="192.0.2.1", dst="198.51.100.1", src_port=1000, dst_port=80, protocol=UDP,
                    packets=20, bytes=2000, first_ns=begin_ns, last_ns=begin_ns + 9 * NS,
                    ifindex=2, action=DROP, direction=0, version=4, reason=IDLE, tcp_flags=0)
    assert {name: flows[0][name] for name in expected} == expected
    collector.clock_ns += 100 * NS
    assert played.ended.take() == []


def test_a_flow_ends_with_fin_or_rst(played):
    collector = played.collector
    tcp = dict(protocol=TCP, src="2001:db8::1", dst="2001:db8::2")
    collector.publish([Record(src_port=1, tcp_flags=SYN, **tcp),
                       Record(src_port=1, tcp_flags=ACK, **tcp),
                       Record(src_port=2, tcp_flags=ACK, **tcp),
                       Record(src_port=1, tcp_flags=FIN | ACK, **tcp),
                       Record(src_port=2, tcp_flags=RST, **tcp)])
    flows = played.ended.take()
    assert [(f["src_port"], f["reason"], f["packets"], f["tcp_flags"], f["version"])
            for f in flows] == [(1, FINISHED, 3, SYN | ACK | FIN, 6), (2, RESET, 2, ACK | RST, 6)]
    collector.publish([Record(src_port=1, tcp_flags=ACK, **tcp)])   # the last ACK is counted, too
    collector.clock_ns += 40 * NS
    flows = played.ended.take()
    assert sum(flow["packets"] for flow in flows) == 1
    assert played.state().difference_packets == 0


def test_a_long_flow_is_flushed_every_minute_and_goes_on(played):
    collector = played.collector
    for _ in range(150):
        collector.publish([Record(bytes=10)])
        collector.clock_ns += NS
    flows = played.ended.take()
    assert [flow["reason"] for flow in flows] == [FLUSHED, FLUSHED]
    collector.clock_ns += 40 * NS
    flows += played.ended.take()
    assert [flow["reason"] for flow in flows] == [FLUSHED, FLUSHED, IDLE]
    assert sum(flow["packets"] for flow in flows) == 150
    assert all(50 <= flow["packets"] <= 62 for flow in flows[:2])
    for one, following in zip(flows, flows[1:]):
        assert one["last_ns"] < following["first_ns"]


def test_a_full_table_ends_the_idlest_flow(fake_ntc):
    fake_ntc.settings["aggregator.flows"] = 16
    collector = fake_ntc.start_fake(gateway=False)
    fake_ntc.ended = ended = EndedFlows(fake_ntc)
    for port in range(1, 17):
        collector.publish([Record(src_port=port)])
        collector.clock_ns += NS
    collector.publish([Record(src_port=1)])         # so that 2 is the idlest
    collector.clock_ns += NS
    collector.publish([Record(src_port=port) for port in (101, 102, 103)])
    snapshot = fake_ntc.settle()
    flows = ended.read()
    ended.subscriber.socket.close()
    assert [(f["src_port"], f["reason"]) for f in flows] \
        == [(2, EVICTED), (3, EVICTED), (4, EVICTED)]
    assert table(snapshot, "flows").size == 16 and table(snapshot, "flows").evicted == 3
    assert fake_ntc.state(snapshot).difference_packets == 0


def test_flows_of_one_direction_or_protocol_do_not_mix(played):
    collector = played.collector
    collector.publish([Record(), Record(direction=EGRESS), Record(protocol=TCP, tcp_flags=ACK),
                       Record(protocol=ICMP, src_port=0, dst_port=0), Record(src_port=1001)])
    collector.clock_ns += 40 * NS
    flows = played.ended.take()
    assert len(flows) == 5 and {flow["packets"] for flow in flows} == {1}
