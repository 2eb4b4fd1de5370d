"""A collector made of Python, so that minutes of record time pass in milliseconds.

It binds `events` as the real one does and keeps the kernel's counters of what it made: what it says
is true, unless a test makes it lie.
"""

import dataclasses
import functools
import time

import bus
import ntc_pb2
import zmq

NS = 1_000_000_000
BATCH = 4096
ICMP, TCP, UDP, SCTP = 1, 6, 17, 132
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
PASS, DROP, SKIP, SSH = range(4)
INGRESS, EGRESS = range(2)
GROUPS = {TCP: 0, UDP: 1, ICMP: 2, 58: 2}   # all others: 3

addr_bytes = functools.lru_cache(maxsize=100_000)(bus.bytes_of)


@dataclasses.dataclass
class Record:
    src: str = "192.0.2.1"
    dst: str = "198.51.100.1"
    src_port: int = 1000
    dst_port: int = 80
    protocol: int = UDP
    packets: int = 1
    bytes: int = 60
    tcp_flags: int = 0
    action: int = PASS
    direction: int = INGRESS
    ifindex: int = 2
    vlan: int = 0
    first_ns: int = None        # None: the collector's clock
    duration_ns: int = 0

    @property
    def kind(self):
        return self.action | self.direction << 2 | (8 if ":" in self.src else 0)

    @property
    def counter(self):
        return GROUPS.get(self.protocol, 3) * 8 + self.direction * 4 + self.action


class FakeCollector:
    def __init__(self, folder, collector_id="test", boot_id=0x1234, name="events"):
        self.socket = zmq.Context.instance().socket(zmq.XPUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        self.socket.bind(f"ipc://{folder}/{name}")
        self.collector_id = collector_id
        self.topics = []                # one entry per subscription, as they stand
        self.clock_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // NS * NS
        self.wall_offset_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.counters = [[0] * 32, [0] * 32]    # packets, bytes
        self.published = [0, 0]
        self.losses = {}                # stage: (records, packets, bytes)
        self.lie_packets = 0            # counted by the "kernel", but in no record and not lost
        self.begin(boot_id)

    def begin(self, boot_id):
        """As a process that has just started; what was counted before stays counted."""
        self.boot_id = boot_id
        self.next_seq = 1
        self.before = [0, 0]

    def close(self):
        self.socket.close()

    def read_subscriptions(self):
        while self.socket.poll(0):
            message = self.socket.recv()
            topic = message[1:]
            if message[:1] == b"\x01":
                self.topics.append(topic)
            elif topic in self.topics:
                self.topics.remove(topic)

    def wait_topics(self, condition, what, timeout=15):
        """Wait until `condition` is true for the list of topics that are subscribed to."""
        deadline = time.monotonic() + timeout
        self.read_subscriptions()
        while not condition(self.topics):
            assert time.monotonic() < deadline, f"{what}: {self.topics}"
            self.socket.poll(50)
            self.read_subscriptions()

    def wait_subscribed(self, count=1):
        """Wait until `count` peers take packets; statuses come with them."""
        self.wait_topics(lambda topics: sum(b"packets".startswith(t) for t in topics) >= count
                         and sum(b"status".startswith(t) for t in topics) >= 1, "subscribers")

    def send(self, topic, body):
        self.socket.send_multipart([topic, body])

    def batch_of(self, records):
        """The next batch; what it holds counts as published."""
        batch = ntc_pb2.PacketBatch(
            collector_id=self.collector_id, boot_id=self.boot_id, first_seq=self.next_seq,
            packets_before=self.before[0], bytes_before=self.before[1],
            wall_offset_ns=self.wall_offset_ns)
        batch.first_ns.extend(self.clock_ns if r.first_ns is None else r.first_ns for r in records)
        batch.duration_ns.extend(r.duration_ns for r in records)
        batch.src_addr = b"".join(addr_bytes(r.src) for r in records)
        batch.dst_addr = b"".join(addr_bytes(r.dst) for r in records)
        batch.ports.extend(r.src_port << 16 | r.dst_port for r in records)
        batch.packets.extend(r.packets for r in records)
        batch.bytes.extend(r.bytes for r in records)
        batch.ifindex.extend(r.ifindex for r in records)
        batch.vlan.extend(r.vlan for r in records)
        batch.protocol = bytes(r.protocol for r in records)
        batch.tcp_flags = bytes(r.tcp_flags for r in records)
        batch.kind = bytes(r.kind for r in records)
        for record in records:
            self.count(record.counter, record.packets, record.bytes)
        self.next_seq += len(records)
        return batch

    def count(self, counter, packets, size):
        for i, value in enumerate((packets, size)):
            self.counters[i][counter] += value
            self.published[i] += value
            self.before[i] += value

    def publish(self, records):
        for i in range(0, len(records), BATCH):
            self.send(b"packets", self.batch_of(records[i:i + BATCH]).SerializeToString())

    def lose(self, records):
        """Published, but the bus drops it."""
        for i in range(0, len(records), BATCH):
            self.batch_of(records[i:i + BATCH])

    def flood(self, sources, dst="198.51.100.1"):
        """One UDP packet of 60 bytes from each of the numbers `sources` as IPv4 address."""
        head = b"\0" * 10 + b"\xff\xff"
        for i in range(0, len(sources), BATCH):
            part = sources[i:i + BATCH]
            n = len(part)
            batch = ntc_pb2.PacketBatch(
                collector_id=self.collector_id, boot_id=self.boot_id, first_seq=self.next_seq,
                packets_before=self.before[0], bytes_before=self.before[1],
                wall_offset_ns=self.wall_offset_ns, dst_addr=addr_bytes(dst) * n,
                src_addr=b"".join(head + number.to_bytes(4, "big") for number in part),
                protocol=bytes([UDP]) * n, kind=bytes(n))
            for column, value in ((batch.first_ns, self.clock_ns), (batch.ports, 1000 << 16 | 53),
                                  (batch.packets, 1), (batch.bytes, 60), (batch.ifindex, 2)):
                column.extend([value] * n)
            self.next_seq += n
            self.count(GROUPS[UDP] * 8, n, 60 * n)
            self.send(b"packets", batch.SerializeToString())

    def status_message(self):
        due = sum(self.counters[0]) + self.lie_packets
        status = ntc_pb2.CollectorStatus(
            collector_id=self.collector_id, boot_id=self.boot_id, version="0.1.0", source="tc",
            next_seq=self.next_seq, clock_ns=self.clock_ns, wall_offset_ns=self.wall_offset_ns,
            started_ns=1, packets=self.counters[0], bytes=self.counters[1],
            due_low=due, due_high=due, published_packets=self.published[0],
            published_bytes=self.published[1], blacklist={}, whitelist={}, list_version=1,
            cost={"cpu_seconds": 0.5, "resident_bytes": 1 << 20, "open_fds": 9})
        status.interfaces.add(name="port", ifindex=2, attached=True)
        for stage, (records, packets, size) in self.losses.items():
            status.losses.add(stage=stage, records=records, packets=packets, bytes=size)
        return status

    def status(self):
        """Say where things stand, as every collector does each second."""
        self.send(b"status", self.status_message().SerializeToString())

    def advance(self, seconds=1):
        """Time passes without packets, with a status each second."""
        for _ in range(seconds):
            self.clock_ns += NS
            self.status()
