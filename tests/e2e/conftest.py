"""Fixtures: NTC's three processes as a user runs them, and networks made of namespaces.

Everything a test starts or makes is taken down by its fixture, also when the test fails; the logs
of the processes are shown with the failure.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("NTC_BIN", ROOT / "build" / "bin"))
# protoc's Python module lies in the build folder of the same mode
PROTO = Path(os.environ.get("NTC_PROTO", next(
    (folder for folder in (BIN.parent / "proto", BIN.parent / "release/proto")
     if (folder / "ntc_pb2.py").exists()), ROOT / "build/release/proto")))
sys.path.append(str(PROTO))

from bus import Subscriber, ask, bytes_of  # noqa: E402  (they need the path above)
from fake_collector import FakeCollector, Record  # noqa: E402
from ntc_pb2 import TablePage, TableQuery  # noqa: E402
from sse import EventStream  # noqa: E402
from tc_programs import inside  # noqa: E402

CLOCK_SHIM = PROTO.parent / "tests/soak/clock_shim.so"      # make check-e2e builds it
GENERATOR = PROTO.parent / "tests/bench/generator"
TIMEOUT_S = 15  # for anything that should happen at once: these machines are busy


def wait_until(condition, what, timeout=TIMEOUT_S):
    """Call `condition` until it returns something true, and return that."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout} s: {what}", pytrace=True)
        time.sleep(0.02)


def run(*command, check=True):
    """Run a command; its output is shown when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done


class Namespace:
    """A network namespace, gone when closed."""

    count = 0

    def __init__(self, label):
        Namespace.count += 1
        self.name = f"ntc{os.getpid()}-{Namespace.count}-{label}"
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def path(self):
        return f"/run/netns/{self.name}"

    def command(self, *command):
        """The command as it runs inside; unlike `ip netns exec` this leaves /sys alone."""
        return ["nsenter", f"--net={self.path}", *map(str, command)]

    def run(self, *command, check=True):
        return run(*self.command(*command), check=check)

    def popen(self, *command, **options):
        return subprocess.Popen(self.command(*command), **options)

    def inside(self):
        """This thread is in the namespace: sockets made here stay there."""
        return inside(self.path)

    def close(self):
        for pid in run("ip", "netns", "pids", self.name, check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "del", self.name, check=False)


class Network:
    """Two hosts and one cable: `router` (NTC watches its `port`) and `peer`."""

    router_ip, peer_ip, third_ip = "198.51.100.1", "198.51.100.2", "198.51.100.3"
    router_ip6, peer_ip6 = "2001:db8::1", "2001:db8::2"

    def __init__(self, quiet=False):
        self.router, self.peer = Namespace("router"), Namespace("peer")
        if quiet:  # nothing but what the test sends: no ARP, no IPv6 of the hosts' own
            for host in (self.router, self.peer):
                host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        self.cable("port")
        for host, device, ip, ip6 in (
            (self.router, "port", self.router_ip, self.router_ip6),
            (self.peer, "peer", self.peer_ip, self.peer_ip6),
        ):
            if not quiet:
                host.run("ip", "addr", "add", f"{ip}/24", "dev", device)
                host.run("ip", "addr", "add", f"{ip6}/64", "dev", device, "nodad")
            else:
                host.run("ip", "link", "set", device, "arp", "off")
        if not quiet:
            self.peer.run("ip", "addr", "add", f"{self.third_ip}/24", "dev", "peer")

    def cable(self, device):
        self.router.run("ip", "link", "add", device, "type", "veth", "peer", "name", "peer",
                        "netns", self.peer.name)
        self.router.run("ip", "link", "set", device, "up")
        self.peer.run("ip", "link", "set", "peer", "up")

    def arrivals(self):
        """Packets that came out of the cable at the router, and those that did not, since it is there."""
        link = json.loads(self.peer.run("ip", "-s", "-j", "link", "show", "peer").stdout)[0]
        return link["stats64"]["tx"]["packets"], link["stats64"]["tx"]["dropped"]

    def send(self, frames, sender="peer"):
        """Send scapy packets as they are: from the peer (ingress) or the router (egress)."""
        host, device = (self.peer, "peer") if sender == "peer" else (self.router, "port")
        with host.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((device, 0))
            for frame in frames:
                raw.send(bytes(frame))

    def ping(self, target, count=3, interval=0.05, host=None, timeout=1, source=None):
        """Packets that came back."""
        extra = ["-I", source] if source else []
        done = (host or self.router).run("ping", "-n", "-q", "-c", str(count), "-i", str(interval),
                                         "-W", str(timeout), *extra, target, check=False)
        return int(re.search(r"(\d+) received", done.stdout).group(1))

    def close(self):
        self.router.close()
        self.peer.close()


class Process:
    """One of the programs, with its log in a file."""

    def __init__(self, name, command, folder):
        self.name = name
        self.log_path = Path(folder) / f"{name}.log"
        self.log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        self.log_file = open(self.log_path, "ab")
        self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log_file,
                                      stderr=self.log_file, cwd=folder)

    def log(self):
        return self.log_path.read_bytes()[self.log_start:].decode(errors="replace")

    def wait_log(self, text):
        """Wait for a line that matches the expression; return the match."""
        def find():
            found = re.search(text, self.log())
            if not found and self.popen.poll() is not None:
                pytest.fail(f"{self.name} ended with {self.popen.returncode}:\n{self.log()}")
            return found
        return wait_until(find, f"{self.name} logs {text!r}; it says:\n{self.log()}")

    def stop(self, how=signal.SIGTERM):
        """End it; return (exit code, seconds it took)."""
        begin = time.monotonic()
        if self.popen.poll() is None:
            self.popen.send_signal(how)
        try:
            code = self.popen.wait(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            pytest.fail(f"{self.name} did not stop:\n{self.log()}")
        self.log_file.close()
        return code, time.monotonic() - begin

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def threads(self):
        return len(os.listdir(f"/proc/{self.popen.pid}/task"))

    def sleeps(self):
        """How often each thread has gone to sleep, the main one first."""
        folder = Path(f"/proc/{self.popen.pid}/task")
        texts = [(folder / task / "status").read_text()
                 for task in sorted(os.listdir(folder), key=int)]
        return [int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M).group(1))
                for text in texts]

    def rss_bytes(self):
        pages = int(Path(f"/proc/{self.popen.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Ntc:
    """A whole NTC in a folder of its own, on a free port."""

    def __init__(self, network=None):
        self.folder = tempfile.mkdtemp(prefix="ntc-")
        self.network = network
        self.bpffs = os.path.join(self.folder, "bpf")
        self.settings = {
            "server.port": "0", "server.listen": "127.0.0.1",
            "bus.directory": os.path.join(self.folder, "bus"), "bus.collector_id": "test",
            "persistence.path": os.path.join(self.folder, "lists.json"),
            "network.pin_path": os.path.join(self.bpffs, "ntc"),
            "network.interfaces": "[port]",
        }
        self.processes = {}
        self.url = None
        self.has_own_clocks = False
        if network:
            os.mkdir(self.bpffs)
            run("mount", "-t", "bpf", "bpf", self.bpffs)

    def command(self, program, *options, binary=None):
        command = [str(binary or BIN / f"ntc-{program}")]
        for key, value in self.settings.items():
            command += ["--set", f"{key}={value}"]
        if self.has_own_clocks:
            command = ["env", "ASAN_OPTIONS=verify_asan_link_order=0", f"LD_PRELOAD={CLOCK_SHIM}",
                       f"NTC_CLOCK_OFFSET={self.clock_file(program)}", *command]
        return command + list(map(str, options))

    def clock_file(self, program):
        return Path(self.folder) / f"{program}.clock"

    def give_clocks(self):
        """Each program that is started from now on has a wall clock of its own."""
        self.has_own_clocks = True
        for program in self.READY:
            self.set_clock(program, 0)

    def set_clock(self, program, seconds):
        """Set the wall clock of a program to the machine's plus `seconds`, while it runs."""
        path = self.clock_file(program)
        with open(path, "r+b" if path.exists() else "wb") as file:
            file.write(struct.pack("=q", int(seconds * 1e9)))

    READY = {"collector": "running: ", "aggregator": "ready in ",
             "gateway": r"serving http://127\.0\.0\.1:(\d+)"}

    def launch(self, program, *options, binary=None):
        """Start one of the three, which may well refuse."""
        command = self.command(program, *options, binary=binary)
        if program == "collector" and self.network:
            command = self.network.router.command(*command)
        self.processes[program] = Process(program, command, self.folder)
        return self.processes[program]

    def start(self, program, *options, binary=None):
        """Start one of the three and wait until it says that it is at work."""
        process = self.launch(program, *options, binary=binary)
        found = process.wait_log(self.READY[program])
        if program == "gateway":
            self.url = "http://127.0.0.1:" + found.group(1)
        return process

    def start_all(self, *collector_options):
        """Start the three and wait until they see each other."""
        self.start("collector", *collector_options)
        self.start("aggregator")
        self.start("gateway")
        self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            for process in self.processes.values():
                if process.popen.poll() is not None:
                    pytest.fail(f"{process.name} ended:\n{process.log()}")
            return self.get("/readyz").status == 200
        wait_until(ready, "ready")

    def request(self, method, path, body=None, headers=None, timeout=10):
        request = urllib.request.Request(self.url + path, data=body, method=method,
                                         headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Response(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Response(error.code, error.headers, error.read())

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, value, headers=None):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.request("POST", path, body, {"Content-Type": "application/json",
                                                 **(headers or {})})

    def delete(self, path):
        return self.request("DELETE", path)

    def block(self, ip, **more):
        answer = self.post("/blacklist", {"ip": ip, **more})
        assert answer.status == 200, answer.text
        return answer.json()

    def allow(self, ip, **more):
        answer = self.post("/whitelist", {"ip": ip, **more})
        assert answer.status == 200, answer.text
        return answer.json()

    def metrics(self):
        """{'name{label="value"}': number} of /metrics."""
        values = {}
        for line in self.get("/metrics").text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def packets(self, proto=None, direction=None, action=None, what="packets"):
        """Sum of ntc_packets_total (or bytes) over the labels that are not given."""
        total = 0
        for name, value in self.metrics().items():
            if not name.startswith(f"ntc_{what}_total{{"):
                continue
            labels = dict(re.findall(r'(\w+)="([^"]*)"', name))
            if all(wanted in (None, labels[key]) for key, wanted in
                   (("proto", proto), ("direction", direction), ("action", action))):
                total += value
        return total

    def wait_packets(self, count, **labels):
        wait_until(lambda: self.packets(**labels) >= count,
                   f"{count} packets of {labels}, not {self.packets(**labels)}")
        assert self.packets(**labels) == count

    def flows(self, **query):
        query = "&".join(f"{key}={value}" for key, value in {"limit": 1000, **query}.items())
        answer = self.get(f"/api/flows?{query}")
        assert answer.status == 200, answer.text
        return answer.json()["flows"]

    def endpoint(self, name):
        """Address of one of the bus sockets: events, commands, snapshots, queries."""
        return f"ipc://{self.settings['bus.directory']}/{name}"

    def write_lists(self, blacklist=(), whitelist=()):
        """Make the lists file, before the collector reads it."""
        with open(self.settings["persistence.path"], "w") as file:
            json.dump({"blacklist": list(blacklist), "whitelist": list(whitelist)}, file)

    def watch(self, query="", **options):
        """A client for live events."""
        return EventStream(self.url, query, **options)

    def logs(self):
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')}"
                         for path in sorted(Path(self.folder).glob("*.log")))

    def close(self):
        for process in self.processes.values():
            if process.popen.poll() is None:
                process.popen.kill()
                process.popen.wait()
        if self.network:
            run("umount", "-l", self.bpffs, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class FakeCollectorNtc(Ntc):
    """Aggregator and gateway with a collector that the test plays."""

    collector = None
    markers = 0

    def start_fake(self, gateway=True):
        """Start them; return the collector when both listen."""
        os.mkdir(self.settings["bus.directory"])
        self.collector = FakeCollector(self.settings["bus.directory"])
        self.start("aggregator")
        self.snapshots = Subscriber(self.endpoint("snapshots"), b"snapshot")
        self.collector.wait_subscribed()
        self.collector.status()
        if gateway:
            self.start("gateway")
        self.settle()
        return self.collector

    def settle(self):
        """Send a status; return a snapshot that was made after it."""
        sent = self.collector.status_message()
        self.collector.send(b"status", sent.SerializeToString())
        return self.snapshots.until(
            lambda snapshot: any(state.status == sent for state in snapshot.collectors),
            "a snapshot with the last status")

    def sync(self):
        """Send a status; return when all that was published before it has been taken.

        Quicker than settle(); leaves one packet of 240.0.0.2 behind.
        """
        self.markers += 1
        self.collector.status()
        self.collector.publish([Record(src="240.0.0.2", src_port=self.markers)])
        question = TableQuery(port=self.markers, addr=bytes_of("240.0.0.2"), addr_bits=128)
        wait_until(lambda: ask(self.endpoint("queries"), question, TablePage).total == 1, "in sync")

    def state(self, snapshot=None):
        """What the snapshot says of our collector."""
        return next(state for state in (snapshot or self.settle()).collectors
                    if state.status.collector_id == self.collector.collector_id)

    def close(self):
        if self.collector:
            self.snapshots.socket.close()
            self.collector.close()
        super().close()


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Ntc):
                report.sections.append(("logs of the processes", value.logs()[-20000:]))


@pytest.fixture
def network():
    made = Network()
    yield made
    made.close()


@pytest.fixture
def quiet_network():
    made = Network(quiet=True)
    yield made
    made.close()


@pytest.fixture
def ntc(network):
    """NTC on the router of `network`; the test starts what it needs."""
    made = Ntc(network)
    yield made
    made.close()


@pytest.fixture
def quiet_ntc(quiet_network):
    made = Ntc(quiet_network)
    yield made
    made.close()


@pytest.fixture
def mock_ntc():
    """NTC without a network, for --mock, --replay and fake peers."""
    made = Ntc()
    yield made
    made.close()


@pytest.fixture
def fake_ntc():
    """Aggregator and gateway; `start_fake()` gives the collector to be played."""
    made = FakeCollectorNtc()
    yield made
    made.close()
