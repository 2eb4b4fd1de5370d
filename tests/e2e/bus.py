"""An independent view of the bus: pyzmq and protobuf's own runtime, none of NTC's code."""

import ipaddress
import time

import ntc_pb2
import zmq

MESSAGES = {
    b"packets": ntc_pb2.PacketBatch,
    b"status": ntc_pb2.CollectorStatus,
    b"snapshot": ntc_pb2.Snapshot,
    b"flows": ntc_pb2.FlowBatch,
}
WAIT_S = 15
COLUMNS = ("first_ns", "duration_ns", "ports", "packets", "bytes", "ifindex", "vlan")
BYTE_COLUMNS = ("protocol", "tcp_flags", "kind")


def connect(kind, endpoint):
    socket = zmq.Context.instance().socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RECONNECT_IVL, 20)
    socket.connect(endpoint)
    return socket


class Subscriber:
    """Reads topics of `events` or `snapshots`; nothing is lost on this side."""

    def __init__(self, endpoint, *topics):
        self.socket = connect(zmq.SUB, endpoint)
        for topic in topics:
            self.socket.setsockopt(zmq.SUBSCRIBE, topic)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def frames(self, timeout=WAIT_S):
        """The next message as it came."""
        assert self.socket.poll(timeout * 1000), f"nothing came within {timeout} s"
        return self.socket.recv_multipart()

    def next(self, topic=None, timeout=WAIT_S):
        """The next message (of `topic`), decoded."""
        deadline = time.monotonic() + timeout
        while True:
            frames = self.frames(max(0, deadline - time.monotonic()))
            assert len(frames) == 2, frames
            if topic in (None, frames[0]):
                return MESSAGES[frames[0]].FromString(frames[1])

    def until(self, condition, what, topic=None, timeout=WAIT_S):
        """The first message for which `condition` is true."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            message = self.next(topic, max(0.001, deadline - time.monotonic()))
            if condition(message):
                return message
        raise AssertionError(f"not within {timeout} s: {what}")


def ask(endpoint, message, answer_type, timeout=5):
    """One question over a REQ socket of its own."""
    socket = connect(zmq.REQ, endpoint)
    try:
        socket.send(message if isinstance(message, bytes) else message.SerializeToString())
        assert socket.poll(timeout * 1000), f"no answer within {timeout} s"
        return answer_type.FromString(socket.recv())
    finally:
        socket.close()


def text_of(addr):
    """16 bytes as people write them."""
    address = ipaddress.IPv6Address(bytes(addr))
    return str(address.ipv4_mapped or address)


def bytes_of(text):
    """An address as the 16 bytes of the bus."""
    address = ipaddress.ip_address(text)
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def records_of(batch):
    """The records of a PacketBatch or FlowBatch as dictionaries; every length is checked."""
    n = len(batch.packets)
    assert 1 <= n <= 4096
    fields = {field.name for field in batch.DESCRIPTOR.fields}
    columns = {}
    for name in fields & {*COLUMNS, *BYTE_COLUMNS, "last_ns", "reason"}:
        column = getattr(batch, name)
        assert len(column) in (n, 0), f"{name} has {len(column)} values, not {n}"
        columns[name] = list(column) or [0] * n
    assert len(batch.src_addr) == len(batch.dst_addr) == 16 * n
    return [{
        **{name: column[i] for name, column in columns.items()},
        "src": text_of(batch.src_addr[16 * i:16 * i + 16]),
        "dst": text_of(batch.dst_addr[16 * i:16 * i + 16]),
        "src_port": columns["ports"][i] >> 16, "dst_port": columns["ports"][i] & 0xffff,
        "action": columns["kind"][i] & 3, "direction": columns["kind"][i] >> 2 & 1,
        "version": 6 if columns["kind"][i] & 8 else 4,
    } for i in range(n)]
