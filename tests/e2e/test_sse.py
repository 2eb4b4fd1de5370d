"""Live events: what a client gets, how soon, and what those who do not read do to others."""

import contextlib
import json
import re
import resource
import signal
import socket
import statistics
import time

import pytest
from scapy.all import IP, TCP, UDP, Ether, ICMPv6EchoRequest, IPv6, Raw

from conftest import wait_until
from sse import Drain
from fake_collector import (ACK, DROP, EGRESS, FIN, ICMP as ICMP_NUMBER, PSH, SKIP, SSH, SYN, TCP as
                            TCP_NUMBER, UDP as UDP_NUMBER, Record)


def frame(layers):
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:99") / layers


def wait_watching(ntc, stream, send):
    """Call send() until the stream shows something; the gateway has subscribed then."""
    def seen():
        send()
        return not stream.is_silent(0.1)
    wait_until(seen, "the gateway follows the events")
    while not stream.is_silent(0.2):
        pass


def test_the_headers_arrive_at_once_on_an_idle_link(quiet_ntc):
    ntc = quiet_ntc.start_all()
    begin = time.monotonic()
    with ntc.watch() as stream:
        assert time.monotonic() - begin < 0.5
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert "content-length" not in stream.headers
        assert stream.is_silent(0.5)


def test_events_of_real_packets_have_exactly_these_fields(quiet_ntc):
    quiet_ntc.settings["server.timezone"] = "Asia/Kolkata"      # never the same as UTC
    ntc = quiet_ntc.start_all()
    ntc.block("192.0.2.66")
    with ntc.watch() as stream:
        wait_watching(ntc, stream, lambda: ntc.network.send([frame(IP(src="192.0.2.99") / UDP())]))
        begin = time.time()
        ntc.network.send([
            frame(IP(src="192.0.2.1", dst="198.51.100.1") / TCP(sport=1000, dport=80, flags="SA")),
            frame(IP(src="192.0.2.66", dst="198.51.100.1") / UDP(sport=5, dport=53)
                  / Raw(b"x" * 72)),
            frame(IPv6(src="2001:db8:0:0:1::1", dst="2001:db8::6") / ICMPv6EchoRequest())])
        ntc.network.send([frame(IP(src="192.0.2.1", dst="198.51.100.1")
                                / TCP(sport=22, dport=4000, flags="PA"))], "router")
        events = [stream.next() for _ in range(4)]
    seq = events[0]["seq"]
    for i, event in enumerate(events):
        assert event.pop("id") == str(event["seq"]) == str(seq + i)
        shown = event.pop("time")
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d\d\d", shown)
        offset = (int(shown[:2]) * 3600 + int(shown[3:5]) * 60 + float(shown[6:])
                  - (begin + 5.5 * 3600)) % 86400
        assert offset < 5 or offset > 86399
        del event["seq"]
    common = {"packets": 1, "interface": "port"}
    assert events == [
        {"src": "192.0.2.1", "dst": "198.51.100.1", "src_port": 1000, "dst_port": 80,
         "proto": "TCP", "action": "PASS", "direction": "INGRESS", "ip_version": 4, "pkt_size": 40,
         "tcp_flags": "SYN,ACK", **common},
        {"src": "192.0.2.66", "dst": "198.51.100.1", "src_port": 5, "dst_port": 53,
         "proto": "UDP", "action": "DROP", "direction": "INGRESS", "ip_version": 4, "pkt_size": 100,
         "tcp_flags": "", **common},
        {"src": "2001:db8::1:0:0:1", "dst": "2001:db8::6", "src_port": 0, "dst_port": 0,
         "proto": "ICMP", "action": "PASS", "direction": "INGRESS", "ip_version": 6,
         "pkt_size": 48, "tcp_flags": "", **common},
        {"src": "192.0.2.1", "dst": "198.51.100.1", "src_port": 22, "dst_port": 4000,
         "proto": "TCP", "action": "SSH", "direction": "EGRESS", "ip_version": 4, "pkt_size": 40,
         "tcp_flags": "PSH,ACK", **common},
    ]


def test_packets_reach_the_client_soon(quiet_ntc):
    ntc = quiet_ntc.start_all()
    waits = []
    with ntc.watch("proto=udp") as stream:
        wait_watching(ntc, stream, lambda: ntc.network.send([frame(IP() / UDP())]))
        for port in range(1, 101):
            begin = time.monotonic()
            ntc.network.send([frame(IP(src="192.0.2.1") / UDP(sport=port, dport=7))])
            assert stream.next()["src_port"] == port
            waits.append(time.monotonic() - begin)
    assert statistics.quantiles(waits, n=100)[98] < 0.25


FILTERED = [
    Record(src="192.0.2.1", dst="198.51.100.1", src_port=1, dst_port=80, protocol=TCP_NUMBER,
           tcp_flags=SYN),
    Record(src="198.51.100.1", dst="192.0.2.1", src_port=80, dst_port=1, protocol=TCP_NUMBER,
           tcp_flags=SYN | ACK, direction=EGRESS),
    Record(src="192.0.2.2", dst="198.51.100.1", src_port=2, dst_port=53, protocol=UDP_NUMBER,
           action=DROP),
    Record(src="192.0.2.3", dst="198.51.100.2", src_port=3, dst_port=22, protocol=TCP_NUMBER,
           tcp_flags=FIN | PSH, action=SSH),
    Record(src="2001:db8:1::1", dst="2001:db8:2::1", src_port=0, dst_port=0, protocol=58,
           action=SKIP),
    Record(src="192.0.2.4", dst="198.51.100.2", src_port=0, dst_port=0, protocol=ICMP_NUMBER),
    Record(src="192.0.2.4", dst="198.51.100.2", src_port=80, dst_port=9, protocol=132),
]


@pytest.mark.parametrize("query,expected", [
    ("", [0, 1, 2, 3, 4, 5, 6]),
    ("ip=192.0.2.1", [0, 1]),
    ("ip=192.0.2.0/30", [0, 1, 2, 3]),
    ("ip=2001:db8::/32", [4]),
    ("ip=::/0", [4]),
    ("ip=0.0.0.0/0", [0, 1, 2, 3, 5, 6]),
    ("port=80", [0, 1, 6]),
    ("proto=TCP", [0, 1, 3]),
    ("proto=udp", [2]),
    ("proto=ICMP", [4, 5]),
    ("proto=OTHER", [6]),
    ("action=PASS", [0, 1, 5, 6]),
    ("action=drop", [2]),
    ("action=SKIP", [4]),
    ("action=SSH", [3]),
    ("direction=EGRESS", [1]),
    ("direction=ingress&proto=tcp&port=80", [0]),
    ("ip=192.0.2.1&direction=EGRESS&action=PASS&port=&proto=", [1]),
    ("ip=192.0.2.1&action=DROP", []),
])
def test_each_filter_works_at_the_server(filter_ntc, query, expected):
    collector = filter_ntc.collector
    first = collector.next_seq
    with filter_ntc.watch(query) as stream:
        collector.wait_subscribed(2)
        collector.publish(FILTERED)
        got = [int(stream.next()["id"]) - first for _ in expected]
        assert got == expected
        assert stream.is_silent(0.1)
    collector.wait_topics(lambda topics: topics.count(b"packets") == 1, "nobody watches")


@pytest.fixture(scope="module")
def filter_ntc():
    from conftest import FakeCollectorNtc
    made = FakeCollectorNtc()
    made.start_fake()
    yield made
    made.close()


def test_merged_records_say_how_many_packets_they_are(fake_ntc):
    collector = fake_ntc.start_fake()
    with fake_ntc.watch() as stream:
        collector.wait_subscribed(2)
        collector.publish([Record(packets=17, bytes=1700)])
        event = stream.next()
    assert (event["packets"], event["pkt_size"]) == (17, 1700)


def test_events_are_subscribed_to_only_while_somebody_watches(fake_ntc):
    collector = fake_ntc.start_fake()

    def packets_topics(count):
        collector.wait_topics(lambda topics: topics.count(b"packets") == count,
                              f"{count} take packets")

    packets_topics(1)                           # the aggregator
    first = fake_ntc.watch()
    packets_topics(2)
    second = fake_ntc.watch("proto=udp")
    collector.publish([Record()])
    assert first.next() and second.next()
    first.close()
    collector.publish([Record()])
    assert second.next()
    packets_topics(2)                           # one is still watching
    second.close()
    packets_topics(1)
    assert not collector.socket.poll(500)       # and it does not come back
    for _ in range(3):                          # and again
        with fake_ntc.watch() as stream:
            packets_topics(2)
            collector.publish([Record(dst_port=4242)])
            assert stream.next()["dst_port"] == 4242
        packets_topics(1)
    assert fake_ntc.metrics()["ntc_sse_clients"] == 0


def test_a_client_that_comes_later_is_told_nothing_of_what_it_did_not_see(fake_ntc):
    collector = fake_ntc.start_fake()
    for _ in range(2):
        with fake_ntc.watch() as stream:
            collector.wait_subscribed(2)
            collector.publish([Record()] * 10)
            blocks = [stream.block() for _ in range(11)]        # one is the greeting
            assert not [block for block in blocks if block.get("event") == "missed"]
        collector.wait_topics(lambda topics: topics.count(b"packets") == 1, "nobody watches")
        collector.publish([Record()] * 100)


def test_a_gap_on_the_bus_is_told_as_missed(fake_ntc):
    collector = fake_ntc.start_fake()
    with fake_ntc.watch() as stream:
        collector.wait_subscribed(2)
        collector.publish([Record()])
        stream.next()
        collector.lose([Record()] * 33)
        collector.publish([Record(dst_port=4242)])
        block = stream.block()
        assert block == {"event": "missed", "data": '{"count":33}'}
        assert stream.next()["dst_port"] == 4242


def test_a_ping_comes_every_15_seconds(fake_ntc):
    fake_ntc.start_fake()
    with fake_ntc.watch() as stream:
        begin = time.monotonic()
        while "ping" not in stream.block(20).get("", ""):
            pass
        first = time.monotonic() - begin
        assert first < 16.5
        while "ping" not in stream.block(20).get("", ""):
            pass
        assert 13.5 < time.monotonic() - begin - first < 16.5


def test_the_cap_gives_503_and_leaves_the_rest_alone(mock_ntc):
    mock_ntc.settings["server.sse_clients"] = 20
    mock_ntc.start_all("--mock", "--mock-rate", 200)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(mock_ntc.watch()) for _ in range(20)]
        assert {stream.status for stream in streams} == {200}
        assert mock_ntc.metrics()["ntc_sse_clients"] == 20
        over = mock_ntc.get("/events")
        assert over.status == 503 and over.headers["Retry-After"] and "20" in over.json()["error"]
        assert mock_ntc.get("/readyz").status == 200
        mock_ntc.block("192.0.2.1")
        assert all(stream.next() for stream in streams)
        streams[0].close()
        def place_is_free():
            with mock_ntc.watch() as stream:
                return stream.status == 200
        wait_until(place_is_free, "the place of one that left is free")


def test_many_clients_hold_no_threads(mock_ntc):
    mock_ntc.settings.update({"server.sse_clients": 200, "server.connections": 16,
                              "server.connections_per_ip": 16})
    mock_ntc.start_all("--mock", "--mock-rate", 100)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(mock_ntc.watch()) for _ in range(150)]
        assert {stream.status for stream in streams} == {200}
        for path in ("/readyz", "/blacklist", "/metrics"):
            begin = time.monotonic()
            assert mock_ntc.get(path).status == 200
            assert time.monotonic() - begin < 1
        assert len({stream.next()["id"] for stream in streams}) >= 1


def test_a_stalled_client_hurts_only_itself_and_is_told_what_it_missed(fake_ntc):
    collector = fake_ntc.start_fake()
    gateway = fake_ntc.processes["gateway"]
    with fake_ntc.watch(receive_buffer=4096) as stalled, fake_ntc.watch() as other, \
            fake_ntc.watch("port=4242") as quiet:
        collector.wait_subscribed(2)
        collector.publish([Record()] * 100)
        for _ in range(100):
            stalled.next()
            other.next()
        rss = gateway.rss_bytes()
        sent = 100
        for number in range(300):           # far more than the socket buffers hold
            collector.publish([Record(src_port=1 + number)] * 300)
            sent += 300
            assert [other.next()["src_port"] for _ in range(300)] == [1 + number] * 300
            assert fake_ntc.get("/healthz").status == 200 if number % 50 == 0 else True
        collector.publish([Record(dst_port=4242)])
        sent += 1
        assert quiet.next(1)["dst_port"] == 4242
        assert gateway.rss_bytes() - rss < 8 << 20
        received, missed, last = 100, 0, 100
        while received + missed < sent:
            block = stalled.block()
            if block.get("event") == "missed":
                missed += json.loads(block["data"])["count"]
            elif "data" in block:
                received += 1
                assert int(block["id"]) == last + 1 or missed
                last = int(block["id"])
        assert missed > 0 and received + missed == sent and last == collector.next_seq - 1
    assert fake_ntc.metrics()["ntc_sse_missed_events_total"] == missed


@pytest.fixture
def many_descriptors():
    """Room for a thousand sockets here; what is started inherits it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, tuple(max(limit, 4096) for limit in before))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_thousand_clients_of_which_a_tenth_stall(fake_ntc, many_descriptors):
    clients, batches, batch = 1000, 12, 300
    fake_ntc.settings["server.sse_clients"] = clients
    collector = fake_ntc.start_fake()
    gateway = fake_ntc.processes["gateway"]
    rss, threads = gateway.rss_bytes(), gateway.threads()
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(fake_ntc.watch(
            receive_buffer=4096 if i % 10 == 0 else None, source=f"127.0.2.{1 + i // 25}"))
            for i in range(clients)]
        stalled, reader, others = streams[0], streams[1], [stream for i, stream in
                                                           enumerate(streams) if i > 1 and i % 10]
        collector.wait_subscribed(2)
        with Drain(others) as drain:
            for number in range(batches):
                collector.publish([Record(src_port=1 + number)] * batch)
                got = [reader.next(30)["src_port"] for _ in range(batch)]
                assert got == [1 + number] * batch      # who reads misses nothing
                assert fake_ntc.get("/healthz").status == 200
            assert gateway.rss_bytes() - rss < 16 << 20
            assert gateway.threads() == threads
            sizes = drain.received
            wait_until(lambda: min(sizes.values()) > batch * 100, "all got events")
        received = missed = 0
        while received + missed < batches * batch:
            block = stalled.block()
            if block.get("event") == "missed":
                missed += json.loads(block["data"])["count"]
            elif "data" in block:
                received += 1
        assert missed > 0 and received + missed == batches * batch
    collector.status()
    wait_until(lambda: fake_ntc.packets() == batches * batch, "every packet is counted")
    assert fake_ntc.metrics()["ntc_ledger_difference_packets"] == 0


def test_a_stop_with_clients_connected_takes_less_than_a_second(mock_ntc):
    mock_ntc.start_all("--mock", "--mock-rate", 1000)
    streams = [mock_ntc.watch(query) for query in ("", "proto=udp", "ip=240.0.0.1")]
    stalled = mock_ntc.watch(receive_buffer=4096)
    idle = socket.create_connection(("127.0.0.1", int(mock_ntc.url.rsplit(":", 1)[1])))
    half = socket.create_connection(("127.0.0.1", int(mock_ntc.url.rsplit(":", 1)[1])))
    half.sendall(b"GET /healthz HTTP/1.1\r\n")
    streams[0].next()
    code, seconds = mock_ntc.processes["gateway"].stop(signal.SIGTERM)
    assert code == 0 and seconds < 1
    with pytest.raises((EOFError, ConnectionResetError)):
        while True:
            streams[2].block(2)
    for client in (*streams, stalled, idle, half):
        client.close()


def test_clients_go_on_when_the_collector_is_started_again(mock_ntc):
    mock_ntc.start_all("--mock", "--mock-rate", 100)
    with mock_ntc.watch() as stream:
        stream.next()
        mock_ntc.processes["collector"].stop(signal.SIGKILL)
        mock_ntc.start("collector", "--mock", "--mock-rate", 100)
        events = [stream.next() for _ in range(50)]
    assert min(int(event["id"]) for event in events) >= 1
