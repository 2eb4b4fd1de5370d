"""A blocked address stays blocked: both ways, and while everything of ours dies or is replaced."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from scapy.all import IP, IPv6, TCP, UDP, Ether, IPv6ExtHdrHopByHop, PadN, Raw, fragment

from conftest import BIN, ROOT, Network, run, wait_until
from tc_programs import tc_programs

FOREIGN = ["bpf", "bytecode", "1,6 0 0 0"]     # somebody's filter that matches nothing


@contextlib.contextmanager
def tcp_server(host, port):
    """Accept and greet on `port` inside a namespace."""
    with host.inside():
        listener = socket.create_server(("", port))
    stop = threading.Event()

    def serve():
        listener.settimeout(0.1)
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"hello")
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        listener.close()


def can_connect(host, target, port, source=None, timeout=0.7):
    with host.inside():
        client = socket.socket()
    with client:
        client.settimeout(timeout)
        client.bind((source or "", 0))
        try:
            client.connect((target, port))
            return client.recv(5) == b"hello"
        except OSError:
            return False


class Flood:
    """A ping of 200 packets a second that runs until stopped; counts what came back."""

    def __init__(self, host, target):
        self.process = host.popen("ping", "-n", "-i", "0.005", target, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        output = self.process.communicate(timeout=10)[0]
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received",
                                            output).groups())
        assert sent > 0
        return sent, received


def test_a_blocked_address_is_unreachable_both_ways_and_ssh_is_not(ntc):
    net = ntc.start_all().network
    assert net.ping(net.peer_ip) == 3
    ntc.block(net.peer_ip)
    assert net.ping(net.peer_ip, timeout=0.3) == 0
    assert net.ping(net.router_ip, host=net.peer, timeout=0.3) == 0
    assert net.ping(net.router_ip, host=net.peer, source=net.third_ip) == 3
    with tcp_server(net.router, 80), tcp_server(net.router, 22), tcp_server(net.peer, 22):
        assert not can_connect(net.peer, net.router_ip, 80, net.peer_ip)
        assert can_connect(net.peer, net.router_ip, 80, net.third_ip)
        assert can_connect(net.peer, net.router_ip, 22, net.peer_ip)
        assert can_connect(net.router, net.peer_ip, 22)
    wait_until(lambda: ntc.packets(proto="icmp", action="drop") >= 6, "drops are counted")
    wait_until(lambda: ntc.packets(proto="tcp", action="ssh") >= 6, "SSH is counted")
    ntc.delete(f"/blacklist?ip={net.peer_ip}")
    assert net.ping(net.peer_ip) == 3


def test_a_whitelisted_address_passes_although_its_network_is_blocked(ntc):
    net = ntc.start_all().network
    ntc.block("198.51.100.0/24", force=True)     # the router is in there
    assert net.ping(net.peer_ip, timeout=0.3) == 0
    ntc.allow(net.peer_ip)
    assert net.ping(net.peer_ip) == 3
    wait_until(lambda: ntc.packets(action="skip") >= 6, "whitelisted packets are counted")


def test_an_ipv6_prefix_is_blocked_and_expires_by_itself(ntc):
    net = ntc.start_all().network
    assert net.ping(net.peer_ip6) == 3
    ntc.block("2001:db8::/64", ttl=2, force=True)     # the router is in there
    assert net.ping(net.peer_ip6, timeout=0.2) == 0
    wait_until(lambda: net.ping(net.peer_ip6, count=1, timeout=0.3) == 1, "the entry has expired")
    wait_until(lambda: ntc.get("/blacklist").json() == [], "the entry is gone from the list")
    assert json.loads(open(os.path.join(ntc.folder, "lists.json")).read())["blacklist"] == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_packet_passes_while_the_collector_restarts(ntc, how):
    ntc.settings["network.on_stop"] = "keep"
    net = ntc.start_all().network
    ntc.block(net.peer_ip)
    counted = ntc.packets(proto="icmp", action="drop")
    flood = Flood(net.peer, net.router_ip)
    for _ in range(3):
        before = ntc.packets(proto="icmp", action="drop")
        ntc.processes["collector"].stop(how)
        assert ntc.get("/blacklist").status == 503
        time.sleep(0.2)     # a gap in which packets are counted by the kernel alone
        ntc.start("collector").wait_log("maps of the last collector")
        ntc.wait_ready()
        wait_until(lambda: ntc.packets(proto="icmp", action="drop") > before, "goes on counting")
    sent, received = flood.stop()
    assert sent > 10 and received == 0
    # The packets of the gaps are in the kernel's counters, and nothing was counted twice.
    ntc.wait_packets(counted + sent, proto="icmp", action="drop")
    wait_until(lambda: ntc.metrics()["ntc_ledger_difference_packets"] == 0, "the ledger is even")


def test_an_upgrade_to_another_map_layout_lets_nothing_through(ntc):
    """The next version's maps differ: it builds its own, fills them, and swaps the programs."""
    next_version = ROOT / "build/next-layout/bin/ntc-collector"     # make check-e2e builds it
    ntc.settings["network.on_stop"] = "keep"
    net = ntc.start_all().network
    ntc.block(net.peer_ip)
    ntc.block("203.0.113.0/24", reason="carried over")

    def layouts():
        return [name for name in os.listdir(ntc.settings["network.pin_path"]) if name.startswith("v")]
    this_version = layouts()
    flood = Flood(net.peer, net.router_ip)
    ntc.processes["collector"].stop(signal.SIGKILL)
    ntc.start("collector", binary=next_version)
    ntc.wait_ready()
    wait_until(lambda: len(ntc.get("/blacklist").json()) == 2, "the lists are there")
    assert layouts() == ["v999"] != this_version
    ntc.processes["collector"].stop(signal.SIGKILL)
    ntc.start("collector")      # and back again
    ntc.wait_ready()
    wait_until(lambda: layouts() == this_version, "old maps removed")
    sent, received = flood.stop()
    assert sent > 10 and received == 0
    assert net.ping(net.router_ip, host=net.peer, source=net.third_ip) == 3


def test_at_start_the_lists_are_enforced_before_the_first_packet_is_seen(ntc):
    net = ntc.network
    entries = [f"10.{i >> 8 & 255}.{i & 255}.1" for i in range(20000)] + [net.peer_ip]
    with open(os.path.join(ntc.folder, "lists.json"), "w") as file:
        json.dump({"blacklist": entries, "whitelist": []}, file)
    flood = Flood(net.peer, net.router_ip)
    ntc.start_all()
    wait_until(lambda: ntc.packets(proto="icmp", action="drop") > 5, "drops")
    flood.stop()
    # Whatever our programs saw of this address they dropped.
    assert {flow["action"] for flow in ntc.flows(ip=net.peer_ip)} == {"DROP"}


@pytest.mark.parametrize("way", ["auto", "clsact"])
def test_a_foreign_filter_survives_start_restart_and_stop(ntc, way):
    net = ntc.network
    ntc.settings["network.attach"] = way
    net.router.run("tc", "qdisc", "add", "dev", "port", "clsact")
    net.router.run("tc", "filter", "add", "dev", "port", "ingress", *FOREIGN)

    def foreign_stands():
        return "bytecode" in net.router.run("tc", "filter", "show", "dev", "port", "ingress").stdout

    ntc.start_all()
    assert foreign_stands()
    assert tc_programs("port", net.router.path) == {"ntc_ingress", "ntc_egress"}
    ntc.processes["collector"].stop(signal.SIGKILL)
    ntc.start("collector")
    ntc.wait_ready()
    assert foreign_stands()
    assert ntc.processes["collector"].stop()[0] == 0
    assert foreign_stands()
    assert "ntc_ingress" not in tc_programs("port", net.router.path)


@pytest.mark.parametrize("way", ["auto", "clsact"])
def test_a_clean_stop_detaches_or_keeps_as_configured(ntc, way):
    ntc.settings["network.attach"] = way
    net = ntc.start_all().network
    ntc.block(net.peer_ip)
    ntc.processes["collector"].stop()
    assert net.ping(net.peer_ip) == 3
    assert not os.path.exists(ntc.settings["network.pin_path"])
    ntc.settings["network.on_stop"] = "keep"
    ntc.start("collector")
    ntc.wait_ready()
    ntc.processes["collector"].stop()
    assert net.ping(net.peer_ip, timeout=0.2) == 0


def test_an_interface_that_is_deleted_and_made_again_is_watched_within_a_second(ntc):
    net = ntc.start_all().network
    ntc.block("192.0.2.66")
    attached = 'ntc_interface_attached{interface="port"}'
    assert ntc.metrics()[attached] == 1
    net.router.run("ip", "link", "del", "port")
    wait_until(lambda: ntc.metrics()[attached] == 0, "detached is shown")
    net.cable("port")
    begin = time.monotonic()
    wait_until(lambda: "ntc_ingress" in tc_programs("port", net.router.path), "attached again")
    assert time.monotonic() - begin < 1
    wait_until(lambda: ntc.metrics()[attached] == 1, "attached is shown")
    net.send([Ether() / IP(src="192.0.2.66", dst="192.0.2.1") / UDP()] * 5)
    wait_until(lambda: ntc.packets(proto="udp", action="drop") == 5, "blocked there too")


def test_each_process_may_die_while_the_others_serve(ntc):
    net = ntc.start_all().network
    ntc.block(net.peer_ip)

    assert net.ping(net.peer_ip, timeout=0.2) == 0
    wait_until(lambda: ntc.packets(action="drop") >= 3, "drops are counted")
    ntc.processes["aggregator"].stop(signal.SIGKILL)
    assert net.ping(net.peer_ip, timeout=0.2) == 0
    ntc.block("192.0.2.7")
    wait_until(lambda: ntc.get("/api/summary").json()["aggregator"]["state"] == "stale", "stale")
    answer = ntc.get("/readyz")
    assert answer.status == 503 and answer.json()["missing"] == ["aggregator"]
    assert ntc.get("/healthz").status == 200
    before = ntc.packets(action="drop")
    net.ping(net.peer_ip, timeout=0.2)
    ntc.start("aggregator")
    begin = time.monotonic()
    wait_until(lambda: ntc.packets(action="drop") >= before + 3, "totals right again")
    assert time.monotonic() - begin < 2
    ntc.wait_ready()

    ntc.processes["gateway"].stop(signal.SIGKILL)
    assert net.ping(net.peer_ip, timeout=0.2) == 0
    assert net.ping(net.router_ip, host=net.peer, source=net.third_ip) == 3
    ntc.start("gateway")
    ntc.wait_ready()
    assert {entry["ip"] for entry in ntc.get("/blacklist").json()} == {net.peer_ip, "192.0.2.7"}

    ntc.processes["collector"].stop(signal.SIGKILL)
    assert net.ping(net.peer_ip, timeout=0.2) == 0
    answer = ntc.post("/blacklist", {"ip": "192.0.2.8"})
    assert answer.status == 503 and answer.headers["Retry-After"]
    wait_until(lambda: ntc.get("/readyz").status == 503, "the collector is missed")
    assert ntc.get("/readyz").json()["missing"] == ["collector"]
    assert ntc.get("/api/flows").status == 200
    ntc.start("collector")
    ntc.wait_ready()
    assert net.ping(net.peer_ip, timeout=0.2) == 0


# ---- ways around the blacklist that worked on the predecessor ----

def sent_and_dropped(ntc, frames, **labels):
    before = ntc.packets(action="drop", **labels)
    ntc.network.send(frames)
    wait_until(lambda: ntc.packets(action="drop", **labels) >= before + len(frames),
               f"all of {len(frames)} dropped")
    assert ntc.packets(action="pass") == 0 and ntc.packets(action="ssh") == 0


def test_ways_around_the_blacklist_are_closed(quiet_ntc):
    ntc = quiet_ntc.start_all()
    ntc.block("192.0.2.66")
    ntc.block("2001:db8:bad::1")
    bad, ok = "192.0.2.66", "198.51.100.1"
    eth = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:99")
    # from port 22 to another port
    sent_and_dropped(ntc, [eth / IP(src=bad, dst=ok) / TCP(sport=22, dport=8080, flags="S")] * 5,
                     proto="tcp")
    # the TCP header in fragments of 8 bytes
    whole = IP(src=bad, dst=ok) / TCP(sport=22, dport=22, flags="A") / Raw(b"x" * 40)
    tiny = fragment(whole, fragsize=8)
    assert len(tiny) > 3
    sent_and_dropped(ntc, [eth / piece for piece in tiny], proto="tcp")
    # behind IPv6 hop-by-hop options
    sent_and_dropped(ntc, [eth / IPv6(src="2001:db8:bad::1", dst="2001:db8::1")
                           / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
                           / TCP(sport=5, dport=80, flags="S")] * 3, proto="tcp")


def test_later_fragments_do_not_read_payload_as_ports(quiet_ntc):
    ntc = quiet_ntc.start_all()
    eth = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:99")
    payload = b"\x00\x16\x00\x16" * 100      # port 22 everywhere
    pieces = fragment(IP(src="192.0.2.5", dst="192.0.2.6") / UDP(sport=1, dport=2) / Raw(payload),
                      fragsize=104)
    assert len(pieces) == 4
    ntc.network.send([eth / piece for piece in pieces])
    ntc.wait_packets(4, proto="udp")
    ports = wait_until(lambda: (lambda rows: rows if sum(r["packets"] for r in rows) == 4 else None)
                       ([(r) for r in ntc.flows()]), "flows")
    assert {(row["src_port"], row["dst_port"]) for row in ports} == {(1, 2), (0, 0)}
