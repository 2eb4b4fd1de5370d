"""A client for live events on a plain socket, so that nothing is buffered or repaired."""

import json
import select
import socket
import threading
import time
from urllib.parse import urlsplit


class EventStream:
    """One connection to /events; the head of the answer has been read when it is made."""

    def __init__(self, url, query="", receive_buffer=None, timeout=15, source="127.0.0.1"):
        at = urlsplit(url)
        self.socket = socket.socket()
        self.socket.bind((source, 0))       # what the caps per address count
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((at.hostname, at.port))
        self.socket.sendall(f"GET /events{query and '?' + query} HTTP/1.1\r\n"
                            f"Host: {at.netloc}\r\n\r\n".encode())
        self.rest = b""
        head = self.read_to(b"\r\n\r\n", timeout).decode().split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = {name.lower(): value for name, value in
                        (line.split(": ", 1) for line in head[1:] if line)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def read_to(self, end, timeout):
        """Bytes up to `end`; EOFError when the server has closed, TimeoutError if it is silent."""
        deadline = time.monotonic() + timeout
        while end not in self.rest:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            got = self.socket.recv(65536)
            if not got:
                raise EOFError(self.rest)
            self.rest += got
        part, self.rest = self.rest.split(end, 1)
        return part

    def block(self, timeout=15):
        """The next block as a dictionary of its fields; comments are under ""."""
        fields = {}
        for line in self.read_to(b"\n\n", timeout).decode().split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        return fields

    def next(self, timeout=15):
        """The next record, with the `id:` of its block."""
        deadline = time.monotonic() + timeout
        while True:
            fields = self.block(max(0.001, deadline - time.monotonic()))
            if "data" in fields and "event" not in fields:
                return {**json.loads(fields["data"]), "id": fields["id"]}

    def read_until(self, condition, count=1, timeout=15):
        """`count` records that meet the condition; others are skipped."""
        found = []
        deadline = time.monotonic() + timeout
        while len(found) < count:
            event = self.next(max(0.001, deadline - time.monotonic()))
            if condition(event):
                found.append(event)
        return found

    def is_silent(self, seconds=0.3):
        """True when no record comes for so long."""
        try:
            self.next(seconds)
        except TimeoutError:
            return True
        return False


class Drain:
    """Reads whatever comes for many streams, in a thread, and throws it away."""

    def __init__(self, streams):
        self.streams = {stream.socket.fileno(): stream.socket for stream in streams}
        self.received = dict.fromkeys(self.streams, 0)      # bytes
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def run(self):
        buffer = bytearray(1 << 20)
        with select.epoll() as poller:
            for descriptor, stream in self.streams.items():
                stream.setblocking(False)
                poller.register(descriptor, select.EPOLLIN)
            while not self.stopping.is_set():
                for descriptor, _ in poller.poll(0.1):
                    self.received[descriptor] += self.streams[descriptor].recv_into(buffer)
