"""Packets both ways through a watched interface, each with its number and time, and who got through.

Ingress comes from the peer's namespace to a UDP socket in the router's, egress goes the other way.  The
address that lists may name is the source on ingress and the destination on egress.
"""

import collections
import errno
import ipaddress
import itertools
import json
import random
import socket
import struct
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from conftest import Network, wait_until  # noqa: E402
from tc_programs import tc_programs  # noqa: E402

PORT = 9999
ROUTER_MAC, PEER_MAC = "02:00:00:00:00:aa", "02:00:00:00:00:01"
OTHER_END = "192.0.2.1"         # the end of every packet that no list ever names
BODY = struct.Struct("!4sQ")    # the address, the packet's number
BURST_S = 0.01
Sent = collections.namedtuple("Sent", "number address ingress begin_ns end_ns")


def frame_head(address, ingress):
    """Ethernet, IPv4 and UDP of a packet between `address` and the other end."""
    ends = [ipaddress.ip_address(end).packed for end in (address, OTHER_END)]
    macs = [bytes.fromhex(mac.replace(":", "")) for mac in (ROUTER_MAC, PEER_MAC)]
    if not ingress:
        ends.reverse()
        macs.reverse()
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + BODY.size, 0, 0, 64, 17, 0, *ends)
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xffff) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + ip[12:]
    return b"".join(macs) + b"\x08\x00" + ip + struct.pack("!HHHH", PORT, PORT, 8 + BODY.size, 0)


class Cable(Network):
    """Two hosts that say nothing of their own; the cable between them can vanish and return."""

    def __init__(self):
        super().__init__(quiet=True)
        for host in (self.router, self.peer):
            host.run("sysctl", "-qw", "net.ipv4.conf.default.rp_filter=0")
            host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0")
        self.cut()      # the next one has these settings
        self.cable("port")
        self.router.run("ip", "addr", "add", f"{OTHER_END}/32", "dev", "lo")
        self.peer.run("ip", "route", "add", "local", "10.0.0.0/8", "dev", "lo")

    def cable(self, device):
        self.router.run("ip", "link", "add", device, "address", ROUTER_MAC, "type", "veth", "peer",
                        "name", "peer", "address", PEER_MAC, "netns", self.peer.name)
        self.router.run("ip", "link", "set", device, "arp", "off", "up")
        self.peer.run("ip", "link", "set", "peer", "arp", "off", "up")

    def cut(self):
        self.router.run("ip", "link", "del", "port")

    def wait_carrier(self):
        """Until then the kernel drops what is sent, after the TC program has counted it."""
        for host, name in ((self.router, "port"), (self.peer, "peer")):
            wait_until(lambda: json.loads(host.run("ip", "-j", "link", "show", name).stdout)[0]
                       ["operstate"] == "UP", f"{name} is up")
        time.sleep(0.05)

    def is_watched(self):
        return {"ntc_ingress", "ntc_egress"} <= tc_programs("port", self.router.path)


class Sender(threading.Thread):
    """Sends `rate` packets a second of all addresses in turn, through one end of the cable."""

    def __init__(self, host, device, addresses, ingress, rate):
        super().__init__(daemon=True)
        self.host, self.device, self.ingress = host, device, ingress
        self.heads = [(address, frame_head(address, ingress)) for address in addresses]
        random.Random(len(addresses)).shuffle(self.heads)
        self.burst = max(1, round(rate * BURST_S))
        self.numbers = itertools.count(1 if ingress else 1 << 62)
        self.sent = collections.deque()     # for the judge, who takes from the left
        self.reached = 0                    # packets that the TC program must have seen (egress)
        self.wants_pause, self.is_paused, self.ends = (threading.Event() for _ in range(3))

    def open(self):
        with self.host.inside():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        try:
            raw.bind((self.device, 0))
            return raw
        except OSError:     # the interface is not there
            raw.close()
            return None

    def run(self):
        raw, turn, due = None, itertools.cycle(self.heads), time.monotonic()
        while not self.ends.is_set():
            if self.wants_pause.is_set():
                if raw:
                    raw.close()
                raw = None
                self.is_paused.set()
            else:
                raw = raw or self.open()
                if raw and not self.send_burst(raw, turn):
                    raw.close()
                    raw = None
            due = max(due + BURST_S, time.monotonic() - 0.1)
            time.sleep(max(0, due - time.monotonic()))

    def send_burst(self, raw, turn):
        """Returns False when the interface does not take packets now."""
        for address, head in itertools.islice(turn, self.burst):
            number = next(self.numbers)
            frame = head + BODY.pack(ipaddress.ip_address(address).packed, number)
            begin_ns = time.monotonic_ns()
            try:
                raw.send(frame)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return False
                # the TC program's "drop" comes back to who sends
            self.reached += 1
            self.sent.append(Sent(number, address, self.ingress, begin_ns, time.monotonic_ns()))
        return True

    def pause(self):
        self.is_paused.clear()
        self.wants_pause.set()
        assert self.is_paused.wait(30), "a sender hangs"

    def go_on(self):
        self.wants_pause.clear()


class Receiver(threading.Thread):
    """Takes what gets through to a host."""

    def __init__(self, host):
        super().__init__(daemon=True)
        with host.inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        SO_RCVBUFFORCE = 33
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind(("", PORT))
        self.socket.settimeout(0.2)
        self.arrived = {}           # number -> address
        self.ends = threading.Event()

    def run(self):
        while not self.ends.is_set():
            try:
                packed, number = BODY.unpack(self.socket.recv(256))
            except TimeoutError:
                continue
            self.arrived[number] = socket.inet_ntoa(packed)


class Traffic:
    """Both ways at once."""

    def __init__(self, cable, addresses, rate):
        self.cable = cable
        self.senders = [Sender(cable.peer, "peer", addresses, True, rate),
                        Sender(cable.router, "port", addresses, False, rate)]
        self.receivers = [Receiver(cable.router), Receiver(cable.peer)]
        self.before = 0         # packets that came in over cables that are gone
        self.disturbed = []     # [begin, end] in ns: packets may be lost without NTC's doing

    def start(self):
        for thread in self.senders + self.receivers:
            thread.start()

    def pause(self):
        for sender in self.senders:
            sender.pause()

    def go_on(self):
        for sender in self.senders:
            sender.go_on()

    def begin_disturbance(self):
        self.disturbed.append([time.monotonic_ns(), float("inf")])

    def end_disturbance(self):
        self.disturbed[-1][1] = time.monotonic_ns()

    def is_disturbed(self, sent):
        return any(begin <= sent.end_ns and sent.begin_ns <= end for begin, end in self.disturbed)

    def cut(self):
        """Take the cable away.  Nothing is under way then, so that the sums stay exact."""
        self.before += self.cable.arrivals()[0]
        self.cable.cut()

    def expected(self):
        """Packets that the TC programs must have counted by now: (ingress, egress)."""
        return self.before + self.cable.arrivals()[0], self.senders[1].reached

    def take_arrived(self, sent):
        """Whether this packet got through; tells it once."""
        return self.receivers[0 if sent.ingress else 1].arrived.pop(sent.number, None) is not None

    def stop(self):
        for thread in self.senders + self.receivers:
            thread.ends.set()
        for thread in self.senders + self.receivers:
            if thread.is_alive():
                thread.join()
        for receiver in self.receivers:
            receiver.socket.close()
