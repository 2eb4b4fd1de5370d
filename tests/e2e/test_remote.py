"""A collector on one host, aggregator and gateway on another: keys, encryption, being cut off."""

import contextlib
import os
import random
import re
import signal
import socket
import time
from pathlib import Path

import ntc_pb2
import pytest
import zmq
from zmq.utils import z85

from conftest import BIN, Namespace, Network, Ntc, Process, run, wait_until

PORT = 7386


class RemoteNtc(Ntc):
    """The router has the collector (synthetic traffic), the peer has aggregator and gateway."""

    address = Network.router_ip

    def __init__(self, network):
        super().__init__()
        self.hosts = network
        self.keys = {host: Path(self.folder, f"keys-{host}") for host in ("pi", "server")}
        self.settings["server.listen"] = "127.0.0.1"
        del self.settings["network.interfaces"], self.settings["network.pin_path"]

    def make_keys(self, host):
        """What the recipe says; returns the public key as it is printed."""
        done = run(str(BIN / "ntc-collector"), "--make-keys", str(self.keys[host]))
        return re.search(r"^  ([0-9a-f]{64})$", done.stdout, re.MULTILINE).group(1)

    def introduce(self):
        """Both hosts have keys and know each other's."""
        pi, server = self.make_keys("pi"), self.make_keys("server")
        self.write_key("pi", "clients/server.key", server)
        self.write_key("server", f"collectors/{self.address}.key", pi)
        return self

    def write_key(self, host, name, text):
        """As an editor or scp does it: whole at once."""
        made = self.keys[host] / ".made"
        made.write_text(text + "\n")
        made.rename(self.keys[host] / name)

    def public(self, host):
        return (self.keys[host] / "public.key").read_text().strip()

    @property
    def there(self):
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"tcp://{address}:{PORT}"

    def launch(self, program, *options, binary=None):
        host = "pi" if program == "collector" else "server"
        own = {"bus.directory": os.path.join(self.folder, host), "bus.keys": str(self.keys[host])}
        if host == "pi":
            own["bus.listen"] = f"tcp://0.0.0.0:{PORT}"
        else:
            own["bus.collectors"] = f"['{self.there}']"
        before = self.settings
        self.settings = {**own, **before}
        self.settings["bus.directory"] = own["bus.directory"]
        place = self.hosts.router if host == "pi" else self.hosts.peer
        command = place.command(*self.command(program, *options, binary=binary))
        self.settings = before
        self.processes[program] = Process(program, command, self.folder)
        return self.processes[program]

    def start_collector(self):
        return self.start("collector", "--mock", "--mock-rate", 500)

    def start_server(self):
        self.start("aggregator")
        self.start("gateway")
        return self

    def start_all(self, *_):
        self.start_collector()
        self.start_server()
        self.wait_ready()
        return self

    def request(self, *arguments, **options):
        with self.hosts.peer.inside():
            return super().request(*arguments, **options)

    def watch(self, query="", **options):
        with self.hosts.peer.inside():
            return super().watch(query, **options)

    def is_ready(self):
        return self.get("/readyz").status == 200

    def unheard(self):
        return self.get("/api/summary").json()["unheard"]

    def counted(self):
        return self.get("/api/summary").json()["ledger"]["counted_packets"]


@pytest.fixture
def remote(network):
    made = RemoteNtc(network)
    yield made
    made.close()


@pytest.fixture
def running(remote):
    return remote.introduce().start_all()


class Client:
    """A client of its own, on the server's host: pyzmq, with any key or none."""

    def __init__(self, network, kind, port, server=None, pair=None, host=None):
        self.context = zmq.Context()
        with (host or network.peer).inside():   # also the thread that connects
            self.socket = self.context.socket(kind)
        self.socket.linger = 0
        if server:
            self.socket.curve_serverkey = z85.encode(bytes.fromhex(server))
            self.socket.curve_publickey, self.socket.curve_secretkey = pair
        if kind == zmq.SUB:
            self.socket.subscribe(b"")
        else:
            self.socket.immediate = True
        self.socket.connect(f"tcp://{network.router_ip}:{port}")

    def hears(self, timeout=15):
        """Whether a message comes; what has gathered is thrown away."""
        if not self.socket.poll(timeout * 1000):
            return False
        with contextlib.suppress(zmq.Again):
            while True:
                self.socket.recv_multipart(zmq.NOBLOCK)
        return True

    def ask(self, timeout=15, **fields):
        """The answer to a ListRequest, or None."""
        if not self.socket.poll(timeout * 1000, zmq.POLLOUT):
            return None
        self.socket.send_multipart([b"", ntc_pb2.ListRequest(**fields).SerializeToString()])
        if not self.socket.poll(timeout * 1000):
            return None
        return ntc_pb2.ListReply.FromString(self.socket.recv_multipart()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)


def pair_of(ntc, host="server"):
    secret = bytes.fromhex((ntc.keys[host] / "secret.key").read_text().strip())
    return z85.encode(bytes.fromhex(ntc.public(host))), z85.encode(secret)


# ---- the right key ----


def test_flows_lists_and_events_work_between_hosts(running):
    wait_until(lambda: running.flows(), "flows")
    wait_until(lambda: running.get("/api/summary").json()["ledger"]["accounted_packets"] > 1000,
               "packets are accounted")
    summary = running.get("/api/summary").json()
    assert [one["state"] for one in summary["collectors"]] == ["live"]
    assert summary["unheard"] == []
    assert summary["ledger"]["difference_packets"] == 0
    assert not [one for one in summary["ledger"]["lost"] if one["stage"] == "bus" and one["packets"]]

    assert running.block("203.0.113.7")["ok"]
    assert "203.0.113.7" in Path(running.settings["persistence.path"]).read_text()
    assert [entry["ip"] for entry in running.get("/blacklist").json()] == ["203.0.113.7"]
    assert running.delete("/blacklist?ip=203.0.113.7").status == 200
    with running.watch() as events:
        assert events.next()["src"]
    running.processes["collector"].wait_log("client server is connected, from 198.51.100.2")


def test_sockets_of_this_host_still_serve(running):
    """The collector's own host keeps its ipc sockets, plain and for its users alone."""
    folder = os.path.join(running.folder, "pi")
    context = zmq.Context()
    events = context.socket(zmq.SUB)
    events.subscribe(b"packets")
    events.connect(f"ipc://{folder}/events")
    commands = context.socket(zmq.REQ)
    commands.connect(f"ipc://{folder}/commands")
    try:
        assert events.poll(15000)
        commands.send(ntc_pb2.ListRequest(request_id=5, op=1, prefix="192.0.2.9")
                      .SerializeToString())
        assert commands.poll(15000)
        assert ntc_pb2.ListReply.FromString(commands.recv()).code == 0
    finally:
        context.destroy(linger=0)
    assert running.is_ready()


class Wire:
    """All frames on the cable, as the server's host sees them."""

    def __init__(self, host, device):
        with host.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((device, 0))
        self.socket.settimeout(0.2)

    def read(self, seconds):
        frames, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                frames.append(self.socket.recv(65536))
        return b"".join(frames)


def test_nothing_on_the_wire_can_be_read(remote):
    remote.introduce()
    remote.settings["bus.collector_id"] = "nameoftherouter"
    wire = Wire(remote.hosts.peer, "peer")
    remote.start_all()
    assert remote.block("203.0.113.7", reason="areasontohide")["ok"]
    seen = wire.read(2)
    wire.socket.close()
    assert seen.count(b"CURVE") >= 2  # the greeting is plain, so this does look at the connections
    assert len(seen) > 20_000
    for word in (b"packets", b"status", b"nameoftherouter", b"areasontohide", b"203.0.113.7",
                 bytes([203, 0, 113, 7])):
        assert word not in seen, word


def test_ipv6(network):
    made = RemoteNtc(network)
    made.address = network.router_ip6
    made.settings["bus.listen"] = f"tcp://[::]:{PORT}"
    try:
        made.introduce().start_all()
        assert made.block("2001:db8::99")["ok"]
    finally:
        made.close()


# ---- other keys ----


@pytest.mark.parametrize("start", ["missing", "garbled", "foreign"])
def test_a_wrong_key_is_kept_out_until_it_is_put_right(remote, start):
    remote.introduce()
    ours = remote.public("server")
    if start == "missing":
        (remote.keys["pi"] / "clients/server.key").unlink()
    else:
        remote.write_key("pi", "clients/server.key", "garbled" if start == "garbled" else "ab" * 32)
    collector = remote.start_collector()
    remote.start_server()
    if start == "garbled":
        collector.wait_log(r"clients/server\.key holds no key")
    collector.wait_log(f"refused 198.51.100.2, whose key {ours} is in no file of ")
    remote.processes["aggregator"].wait_log(f"it refuses our key: put the public key {ours}")
    wait_until(lambda: "refuses our key" in remote.unheard()[0]["problem"], "the summary says why")
    assert remote.unheard()[0]["endpoint"] == remote.there
    assert remote.get("/readyz").json() == {"ok": False, "missing": ["collector"]}
    assert remote.post("/blacklist", {"ip": "203.0.113.7"}).status == 503
    assert not Path(remote.settings["persistence.path"]).exists()
    assert remote.get("/api/summary").json()["collectors"] == []

    remote.write_key("pi", "clients/server.key", ours)
    remote.wait_ready()
    wait_until(lambda: remote.post("/blacklist", {"ip": "203.0.113.7"}).status == 200, "a change")
    logs = remote.logs()
    assert logs.count("it refuses our key") <= 2    # aggregator and gateway, once each
    assert logs.count("refused 198.51.100.2") == 1


def test_another_collector_in_its_place_is_not_believed(remote):
    """Whoever answers at the address without the collector's secret gets no word and no list."""
    remote.introduce()
    remote.write_key("server", f"collectors/{remote.address}.key", "cd" * 32)
    remote.start_collector()
    remote.start_server()
    remote.processes["aggregator"].wait_log("it ends the connection before it is encrypted")
    remote.processes["gateway"].wait_log("list commands: .*it ends the connection before")
    assert not remote.is_ready()
    remote.write_key("server", f"collectors/{remote.address}.key", remote.public("pi"))
    remote.wait_ready()


def test_strangers_hear_nothing_and_change_nothing(running):
    server, known = running.public("pi"), pair_of(running)
    foreign = zmq.curve_keypair()
    network = running.hosts
    with Client(network, zmq.SUB, PORT, server, known) as friend, \
            Client(network, zmq.SUB, PORT, server, foreign) as stranger, \
            Client(network, zmq.SUB, PORT) as plain, \
            Client(network, zmq.DEALER, PORT + 1, server, foreign) as commander, \
            Client(network, zmq.DEALER, PORT + 1) as plain_commander, \
            Client(network, zmq.DEALER, PORT + 1, server, known) as known_commander:
        assert friend.hears()
        assert known_commander.ask(request_id=1, op=1, prefix="203.0.113.1").code == 0
        assert not stranger.hears(2)
        assert not plain.hears(0.5)
        assert commander.ask(1, request_id=2, op=1, prefix="203.0.113.2") is None
        assert plain_commander.ask(1, request_id=3, op=1, prefix="203.0.113.3") is None
    assert [entry["ip"] for entry in running.get("/blacklist").json()] == ["203.0.113.1"]
    assert running.is_ready()


def test_a_read_only_client_sees_and_changes_nothing(remote):
    remote.introduce()
    remote.write_key("pi", "clients/server.key", remote.public("server") + " read-only")
    remote.start_all()
    answer = remote.post("/blacklist", {"ip": "203.0.113.7"})
    assert answer.status == 403, answer.text
    assert "read-only" in answer.text
    assert remote.get("/blacklist").json() == []
    remote.write_key("pi", "clients/server.key", remote.public("server"))
    wait_until(lambda: remote.post("/blacklist", {"ip": "203.0.113.7"}).status == 200,
               "it may, without a restart")


GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0CURVE" + bytes(47)


def molest(running, noise, stack):
    """Connections with garbage, and twice as many silent ones, until `stack` closes."""
    for i in range(600):
        strange = stack.enter_context(socket.socket())
        strange.bind((running.hosts.third_ip, 0))
        strange.connect((running.hosts.router_ip, PORT + i % 2))
        if i % 3 == 0:
            with contextlib.suppress(OSError):
                strange.sendall((noise.randbytes(200), b"GET / HTTP/1.1\r\n\r\n",
                                 GREETING + b"\4" + noise.randbytes(300),
                                 GREETING + b"\6\xff" + noise.randbytes(7))[i // 3 % 4])


def test_garbage_and_floods_at_the_ports_disturb_nobody(running):
    collector, noise = running.processes["collector"], random.Random(1)
    assert running.block("203.0.113.1")["ok"]
    before = collector.rss_bytes()

    def is_ended():
        with contextlib.ExitStack() as stack, running.hosts.peer.inside():
            molest(running, noise, stack)
            begin = time.monotonic()
            assert running.block("203.0.113.2")["ok"]
            assert time.monotonic() - begin < 1
            time.sleep(0.5)     # silent ones are let go after two seconds
        return "too many connections from one address: ended " in collector.log()

    wait_until(is_ended, "the flood is ended")
    assert running.is_ready()
    assert collector.rss_bytes() - before < 8 << 20


# ---- being cut off ----


def test_removing_the_file_cuts_the_running_connection(running):
    with Client(running.hosts, zmq.SUB, PORT, running.public("pi"), pair_of(running)) as friend:
        assert friend.hears()
        (running.keys["pi"] / "clients/server.key").unlink()
        running.processes["collector"].wait_log("1 key is gone from .*/clients: cut off")
        friend.hears(0.5)       # what was under way
        assert not friend.hears(3)
    wait_until(lambda: not running.is_ready(), "the collector is away")
    assert running.post("/blacklist", {"ip": "203.0.113.7"}).status == 503
    wait_until(lambda: [one["state"] for one in running.get("/api/summary").json()["collectors"]]
               == ["away"], "the summary says so")
    running.processes["aggregator"].wait_log("it refuses our key")

    running.write_key("pi", "clients/server.key", running.public("server"))
    running.wait_ready()
    assert running.block("203.0.113.7")["ok"]


def test_others_stay_when_one_is_cut_off(running):
    other = zmq.curve_keypair()
    running.write_key("pi", "clients/other.key", z85.decode(other[0]).hex())
    with Client(running.hosts, zmq.SUB, PORT, running.public("pi"), other) as friend:
        assert friend.hears()
        (running.keys["pi"] / "clients/other.key").unlink()
        running.processes["collector"].wait_log("1 key is gone")
        friend.hears(0.5)
        assert not friend.hears(3)
    running.wait_ready()
    before = running.counted()
    wait_until(lambda: running.counted() > before, "the aggregator goes on")


# ---- faults ----


@pytest.mark.parametrize("program", ["collector", "aggregator", "gateway"])
def test_each_side_may_be_killed_and_come_back(running, program):
    running.processes[program].stop(signal.SIGKILL)
    if program == "collector":
        wait_until(lambda: not running.is_ready(), "the collector is away")
        running.start_collector()
    else:
        running.start(program)
    running.wait_ready()
    before = running.counted()
    wait_until(lambda: running.counted() > before, "packets come again")
    wait_until(lambda: running.post("/blacklist", {"ip": "203.0.113.7"}).status == 200, "a change")


def test_a_cable_that_is_pulled_is_noticed_and_mended(running):
    running.hosts.router.run("ip", "link", "set", "port", "down")
    wait_until(lambda: not running.is_ready(), "the collector is away")
    wait_until(lambda: running.unheard(), "nothing is heard there")
    running.hosts.router.run("ip", "link", "set", "port", "up")
    running.wait_ready()
    wait_until(lambda: running.post("/blacklist", {"ip": "203.0.113.7"}).status == 200, "a change")


# ---- the start ----


def test_without_keys_nothing_starts(remote):
    for program, options in (("collector", ["--mock"]), ("aggregator", []), ("gateway", [])):
        process = remote.launch(program, *options)
        assert process.popen.wait(15) == 2
        assert re.search(r"<3>\w+: tcp:// needs keys, and there is no .*/secret\.key: make a pair "
                         "with ntc-collector --make-keys ", process.log()), process.log()


def test_a_secret_that_everybody_may_read_is_refused(remote):
    remote.introduce()
    (remote.keys["pi"] / "secret.key").chmod(0o644)
    process = remote.launch("collector", "--mock")
    assert process.popen.wait(15) == 2
    assert "secret.key can be read by everybody" in process.log()


@pytest.mark.parametrize("port", [PORT, PORT + 1])
def test_a_port_that_is_taken_is_told(remote, port):
    remote.introduce()
    with remote.hosts.router.inside():
        taken = socket.create_server(("0.0.0.0", port))
    with taken:
        process = remote.launch("collector", "--mock")
        assert process.popen.wait(15) == 1
    assert f":{port}: another program has the port, see bus.listen" in process.log()


def test_an_address_that_comes_later_is_listened_on(remote):
    remote.introduce()
    remote.settings["bus.listen"] = f"tcp://198.51.100.77:{PORT}"
    remote.address = "198.51.100.77"
    remote.write_key("server", "collectors/198.51.100.77.key", remote.public("pi"))
    process = remote.start_collector()
    process.wait_log("198.51.100.77:7386 is no address of this host yet: waiting for it")
    remote.hosts.router.run("ip", "addr", "add", "198.51.100.77/32", "dev", "port")
    process.wait_log("listening on tcp://198.51.100.77:7386 and tcp://198.51.100.77:7387")
    remote.start_server()
    remote.wait_ready()


def test_keys_are_never_overwritten(remote):
    remote.make_keys("pi")
    before = (remote.keys["pi"] / "secret.key").read_text()
    assert (remote.keys["pi"] / "secret.key").stat().st_mode & 0o777 == 0o600
    done = run(str(BIN / "ntc-collector"), "--make-keys", str(remote.keys["pi"]), check=False)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert (remote.keys["pi"] / "secret.key").read_text() == before
