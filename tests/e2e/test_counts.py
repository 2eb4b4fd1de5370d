"""Every packet is counted once: by protocol, direction and action, in /metrics and in /api/flows."""

import fcntl
import json
import os
import struct
import subprocess

import pytest
from scapy.all import (ARP, GRE, ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, Ether, ICMPv6EchoRequest, IPv6,
                       IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN, Raw)
from scapy.layers.sctp import SCTP

from conftest import wait_until

HOST, PEER = "192.0.2.10", "198.51.100.20"
HOST6, PEER6 = "2001:db8:a::10", "2001:db8:b::20"


def frame(layers):
    """To a station that is not there: the hosts' own stacks stay silent."""
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:99") / layers


KINDS = [
    # name, proto label, flow filter, layers, L3 bytes without Ethernet header and tags
    ("tcp", "tcp", "TCP", IP(src=HOST, dst=PEER) / TCP(sport=1000, dport=80, flags="A"), 40),
    ("udp", "udp", "UDP", IP(src=HOST, dst=PEER) / UDP(sport=1001, dport=53) / Raw(b"x" * 100), 128),
    ("icmp", "icmp", "ICMP", IP(src=HOST, dst=PEER) / ICMP() / Raw(b"x" * 56), 84),
    ("sctp", "other", "OTHER", IP(src=HOST, dst=PEER) / SCTP(sport=1002, dport=99), 32),
    ("gre", "other", "OTHER", IP(src=HOST, dst=PEER) / GRE() / Raw(b"x" * 10), 34),
    ("tcp6", "tcp", "TCP", IPv6(src=HOST6, dst=PEER6) / TCP(sport=1003, dport=443, flags="PA"), 60),
    ("udp6 behind options", "udp", "UDP",
     IPv6(src=HOST6, dst=PEER6) / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
     / UDP(sport=1004, dport=123), 56),
    ("icmp6", "icmp", "ICMP", IPv6(src=HOST6, dst=PEER6) / ICMPv6EchoRequest(), 48),
    ("udp6 fragment", "udp", "UDP",
     IPv6(src=HOST6, dst=PEER6) / IPv6ExtHdrFragment(nh=17, offset=100) / Raw(b"x" * 40), 88),
    ("vlan", "udp", "UDP", Dot1Q(vlan=5) / IP(src=HOST, dst=PEER) / UDP(sport=1005, dport=7), 28),
    ("qinq", "udp", "UDP",
     Dot1AD(vlan=6) / Dot1Q(vlan=5) / IP(src=HOST, dst=PEER) / UDP(sport=1006, dport=7), 28),
]


@pytest.mark.parametrize("sender,direction", [("peer", "ingress"), ("router", "egress")])
def test_n_packets_sent_are_n_packets_counted(quiet_ntc, sender, direction):
    ntc = quiet_ntc.start_all()
    counts = {}
    size = {}
    for i, (_, proto, _, layers, l3_bytes) in enumerate(KINDS):
        n = 10 + i
        ntc.network.send([frame(layers)] * n, sender)
        counts[proto] = counts.get(proto, 0) + n
        size[proto] = size.get(proto, 0) + n * l3_bytes
    for proto, count in counts.items():
        ntc.wait_packets(count, proto=proto, direction=direction, action="pass")
        assert ntc.packets(proto=proto, what="bytes") == size[proto], proto
    assert ntc.packets() == sum(counts.values())

    rows = wait_until(lambda: (lambda found: found if sum(f["packets"] for f in found)
                               == sum(counts.values()) else None)(ntc.flows()), "flows of all")
    for i, (name, _, flow_proto, layers, l3_bytes) in enumerate(KINDS):
        port = next((layers[kind].sport for kind in (TCP, UDP, SCTP) if kind in layers), 0)
        found = [row for row in rows if row["src_port"] == port and row["proto"] == flow_proto
                 and row["packets"] == 10 + i]
        assert len(found) == 1, (name, rows)
        assert found[0]["bytes"] == (10 + i) * l3_bytes
        assert found[0]["direction"] == direction.upper()
        assert found[0]["action"] == "PASS"
        assert found[0]["interface"] == "port"
    metrics = ntc.metrics()
    assert metrics["ntc_ledger_difference_packets"] == 0
    assert all(value == 0 for name, value in metrics.items()
               if name.startswith("ntc_lost_packets_total"))


def test_what_is_not_ip_is_counted_but_makes_no_flow(quiet_ntc):
    ntc = quiet_ntc.start_all()
    ntc.network.send([frame(ARP(psrc=HOST, pdst=PEER))] * 7)
    ntc.wait_packets(7, proto="other", action="pass")
    assert ntc.packets(what="bytes") == 7 * 28
    assert ntc.flows() == []
    assert ntc.metrics()["ntc_not_ip_packets_total"] == 7


def test_a_tcp_transfer_matches_the_interface_counters(quiet_ntc):
    """Super-packets of GSO and GRO are counted as the segments that the wire carries."""
    ntc, network = quiet_ntc, quiet_ntc.network
    network.peer.run("ethtool", "-K", "peer", "tso", "off", "gso", "off")   # segments on the wire
    network.router.run("ethtool", "-K", "port", "gro", "on")            # joined before we see them
    ntc.start_all()
    for host, device, ip in ((network.router, "port", network.router_ip), (network.peer, "peer", network.peer_ip)):
        host.run("ip", "addr", "add", f"{ip}/24", "dev", device)
        host.run("ip", "link", "set", device, "arp", "on")

    def on_the_wire():
        """What the peer's end of the cable has sent: packets, and bytes of layer 3 (with GRO, and so
        NAPI, veth counts after the link header has been taken off: drivers/net/veth.c)."""
        link = json.loads(network.peer.run("ip", "-s", "-j", "link", "show", "peer").stdout)[0]
        return link["stats64"]["tx"]["packets"], link["stats64"]["tx"]["bytes"]

    assert on_the_wire() == (0, 0)
    server = network.router.popen("iperf3", "-s", "-1", "-p", "5555", stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: ":5555" in network.router.run("ss", "-ltn").stdout, "iperf3 listens")
        network.peer.run("iperf3", "-c", network.router_ip, "-p", "5555", "-n", "20M")
        server.wait(timeout=30)
    finally:
        server.kill()
        server.wait()
    assert on_the_wire()[0] > 10000

    def all_is_counted():
        """Both sides stand still and agree: a late packet may come between two readings."""
        return on_the_wire() == (ntc.packets(direction="ingress"),
                                 ntc.packets(direction="ingress", what="bytes"))
    wait_until(all_is_counted, "packets and bytes in /metrics are those on the wire")
    wait_until(lambda: ntc.metrics()["ntc_ledger_in_flight_packets"] == 0, "nothing in flight")
    assert ntc.metrics()["ntc_ledger_difference_packets"] == 0


def open_tun(name):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH", name.encode(), 0x1001))    # IFF_TUN, no info
    return tun


def test_a_device_without_link_header_is_read_like_ethernet(quiet_ntc):
    """tun, WireGuard and PPP carry bare IP packets."""
    ntc = quiet_ntc
    ntc.settings["network.interfaces"] = "[tun7]"
    with ntc.network.router.inside():
        tun = open_tun("tun7")
    try:
        ntc.network.router.run("ip", "link", "set", "tun7", "up")
        ntc.start_all()
        ntc.block("192.0.2.66")
        for packet in (IP(src=HOST, dst=PEER) / UDP(sport=5, dport=6) / Raw(b"x" * 72),
                       IPv6(src=HOST6, dst=PEER6) / TCP(sport=5, dport=6),
                       IP(src="192.0.2.66", dst=PEER) / TCP(sport=5, dport=6)):
            os.write(tun, bytes(packet))
        ntc.wait_packets(1, proto="udp", direction="ingress", action="pass")
        ntc.wait_packets(1, proto="tcp", direction="ingress", action="pass")
        ntc.wait_packets(1, proto="tcp", direction="ingress", action="drop")
        assert ntc.packets(what="bytes") == 100 + 60 + 40
        assert {flow["src_port"] for flow in ntc.flows()} == {5}
    finally:
        os.close(tun)
