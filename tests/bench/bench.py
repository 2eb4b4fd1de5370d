"""Measure NTC, and its peers beside it, on the same generated traffic in one run.

    make bench                      everything; a table on stdout, all figures in build/bench.json
    make bench BENCH_ARGS="live"    only some parts: path aggregator mock remote live rates latency memory sse
                                    lists
    make bench-compare OLD=file     what changed against an older build/bench.json
    make bench-floor                fail if the packet path has become slow; part of make test

Ratios within one run count, absolute times belong to the machine.  All traffic stays in namespaces that this
program makes, and ends by itself.
"""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from conftest import Namespace, Ntc, run, wait_until  # noqa: E402

BUILD = ROOT / os.environ.get("NTC_BUILD", "build/release")
EMPTY = BUILD / "tests/bench/empty.bpf.o"
GENERATOR = BUILD / "tests/bench/generator"
ATTACH_EMPTY = BUILD / "tests/bench/attach_empty"
SECONDS = float(os.environ.get("BENCH_S", "3"))
SLICES = int(os.environ.get("BENCH_SLICES", "11"))
SENDERS = os.cpu_count()
HUGE = "100000000"
TICK = os.sysconf("SC_CLK_TCK")
results = {}


class Bench:
    """A sender and a watched router, joined by cables: `port0`, `port1` ... at the router."""

    def __init__(self, cables=1):
        self.router, self.peer = Namespace("bench-r"), Namespace("bench-s")
        for host in (self.router, self.peer):
            host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        for i in range(cables):
            self.router.run("ip", "link", "add", f"port{i}", "type", "veth", "peer", "name", f"peer{i}",
                            "netns", self.peer.name)
            self.router.run("ip", "link", "set", f"port{i}", "arp", "off", "up")
            self.peer.run("ip", "link", "set", f"peer{i}", "arp", "off", "up")

    def generate(self, flows="40", size=60, seconds=SECONDS, rate=0, senders=SENDERS, cable=0):
        """Send; return (packets sent, packets per second)."""
        started = [self.peer.popen(GENERATOR, f"peer{cable}", "--flows", flows, "--bytes", size,
                                   "--seconds", seconds, "--rate", rate / senders, "--seed",
                                   1000 + 7 * i, stdout=subprocess.PIPE, text=True)
                   for i in range(senders)]
        done = [process.communicate()[0].split() for process in started]
        return (sum(int(sent) for sent, _ in done),
                sum(int(sent) / float(took) for sent, took in done))

    def close(self):
        self.router.close()
        self.peer.close()


class BenchNtc(Ntc):
    def cpu(self):
        return {name: cpu_seconds(process.popen.pid) for name, process in self.processes.items()}

    def memory(self):
        """MiB of each: proportional set size, where what several map counts once in all."""
        return {name: proportional_mib(process.popen.pid) for name, process in self.processes.items()}

    def settle(self):
        """Wait until nothing is in flight; return the metrics."""
        last = [-1]

        def steady():
            values = self.metrics()
            total = self.packets()
            same = total == last[0] and values["ntc_ledger_in_flight_packets"] == 0
            last[0] = total
            if not same:
                time.sleep(1.1)
            return values if same else None
        return wait_until(steady, "a quiet ledger", 30)


def started(bench, list_entries=0, cable=0, **settings):
    ntc = BenchNtc(bench)
    ntc.settings.update({"network.interfaces": f"[port{cable}]", **settings})
    if list_entries:
        with open(os.path.join(ntc.folder, "lists.json"), "w") as file:
            json.dump({"blacklist": [f"10.{i >> 8}.{i & 255}.1" for i in range(list_entries)],
                       "whitelist": []}, file)
    ntc.start_all()
    return ntc


def cpu_seconds(pid):
    """CPU time of all threads: the scheduler's nanoseconds, not clock ticks."""
    return sum(int(path.read_text().split()[0])
               for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def proportional_mib(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) / 1024


def softirq_s():
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[7]) / TICK


def show(title, rows):
    """Print rows (dicts with the same keys) as a table, and keep them for the JSON file."""
    results[title] = rows
    print(f"\n{title}")
    if not rows:
        return
    keys = list(rows[0])
    cells = [[f"{row[key]:.3g}" if isinstance(row[key], float) else str(row[key]) for key in keys]
             for row in rows]
    widths = [max(len(key), *(len(line[i]) for line in cells)) for i, key in enumerate(keys)]
    for line in [keys] + cells:
        print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(line, widths))))
    sys.stdout.flush()


# ---- parts ----

def path():
    for name, extra in (("every packet a record", []), ("merged", ["merged"])):
        figures = json.loads(run(str(BUILD / "tests/bench/bench_packet_path"), str(EMPTY),
                                 *extra).stdout)
        show(f"TC program, ns per packet by test_run, {name}",
             [{"case": case, "ns": ns, "over empty": ns - figures["empty"]}
              for case, ns in figures.items()])


def aggregator():
    print("\nAggregator alone")
    text = run(str(BUILD / "tests/bench/bench_aggregator")).stdout
    results["aggregator alone"] = text
    print("  " + text.strip().replace("\n", "\n  "))


def mock():
    ntc = BenchNtc()
    try:
        ntc.start_all("--mock", "--mock-rate", "max")
        begin, cpu0, count0 = time.monotonic(), ntc.cpu(), ntc.packets()
        time.sleep(5)
        took = time.monotonic() - begin
        cpu, count = ntc.cpu(), ntc.packets() - count0
        show("Synthetic traffic as fast as the bus takes it", [
            {"process": name, "records/s": int(count / took),
             "CPU-s per million": (cpu[name] - cpu0[name]) / count * 1e6,
             "MiB": ntc.memory()[name]} for name in cpu])
    finally:
        ntc.close()


def free_ports():
    """A port that is free, as is the next."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


def listen_to_itself(ntc):
    """The recipe of docs/remote.md on one host: aggregator and gateway come in over tcp://."""
    keys = Path(ntc.folder, "keys")
    run(ntc.command("collector")[0], "--make-keys", str(keys))
    for place in ("clients/self.key", "collectors/127.0.0.1.key"):
        shutil.copy(keys / "public.key", keys / place)
    endpoint = f"tcp://127.0.0.1:{free_ports()}"
    ntc.settings.update({"bus.keys": str(keys), "bus.listen": endpoint,
                         "bus.collectors": f"[{endpoint}]"})


def cost_of_line(is_remote, rate, seconds):
    """CPU-seconds per million records of each process."""
    ntc = BenchNtc()
    try:
        if is_remote:
            listen_to_itself(ntc)
        ntc.start_all("--mock", "--mock-rate", rate)
        cpu0, count0 = ntc.cpu(), ntc.packets()
        time.sleep(seconds)
        cpu, count = ntc.cpu(), ntc.packets() - count0
        return {name: (cpu[name] - cpu0[name]) / count * 1e6 for name in cpu}
    finally:
        ntc.close()


def remote():
    runs = {name: [] for name in ("ipc://", "tcp://, CURVE")}
    for _ in range(3):      # in turns: the machine has other work, too
        for name, taken in runs.items():
            taken.append(cost_of_line(name != "ipc://", 200_000, 5))
    show("Between hosts: 200,000 records/s, CPU-s per million", [
        {"line": name, **{process: statistics.median(one[process] for one in taken)
                          for process in taken[0]}} for name, taken in runs.items()])


class Unwatched:
    """A cable without an agent: what the machine does by itself."""

    processes = ()

    def __init__(self, bench, cable):
        self.bench, self.cable = bench, cable

    def cpu(self):
        """CPU seconds of user space so far."""
        return sum(cpu_seconds(pid) for pid in self.processes)

    def totals(self, sent):
        """What the agent says of itself when all has been sent."""
        return {}

    def close(self):
        pass


class EmptyProgram(Unwatched):
    """A program that does nothing, attached as NTC's are."""

    def __init__(self, bench, cable):
        super().__init__(bench, cable)
        self.bpffs = tempfile.mkdtemp(prefix="ntc-empty-")
        run("mount", "-t", "bpf", "bpf", self.bpffs)
        bench.router.run(ATTACH_EMPTY, EMPTY, f"port{cable}", self.bpffs)

    def close(self):
        run("umount", "-l", self.bpffs, check=False)
        os.rmdir(self.bpffs)


class Watching(Unwatched):
    """NTC, with so many listed addresses and these settings."""

    def __init__(self, bench, cable, list_entries=0, **settings):
        super().__init__(bench, cable)
        self.ntc = started(bench, list_entries, cable, **settings)
        self.processes = [process.popen.pid for process in self.ntc.processes.values()]

    def totals(self, sent):
        values = self.ntc.settle()
        lost = sum(value for name, value in values.items() if name.startswith("ntc_lost_packets_total"))
        return {"accounted %": round(100 * self.ntc.packets(proto="udp") / sent, 4),
                "MiB": sum(self.ntc.memory().values()), "not in events": int(lost),
                "ledger": int(values["ntc_ledger_difference_packets"])}

    def close(self):
        self.ntc.processes["collector"].stop()
        self.ntc.close()


class Peer(Unwatched):
    """Another tool on the same interface, with its own count of packets."""

    COMMANDS = {
        "tcpdump": ["tcpdump", "-i", "{port}", "-n", "-w", "/dev/null", "-s", "96"],
        "softflowd": ["softflowd", "-d", "-i", "{port}", "-n", "127.0.0.1:9995", "-c", "{folder}/ctl",
                      "-p", "{folder}/pid"],
        "pmacctd": ["pmacctd", "-i", "{port}", "-P", "memory", "-p", "{folder}/pipe",
                    "-c", "src_host,dst_host,src_port,dst_port,proto"],
    }

    def __init__(self, bench, cable, name):
        super().__init__(bench, cable)
        self.name, self.folder = name, tempfile.mkdtemp(prefix="ntc-peer-")
        command = [part.format(folder=self.folder, port=f"port{cable}") for part in self.COMMANDS[name]]
        self.log = open(os.path.join(self.folder, name + ".log"), "w+")
        self.process = bench.router.popen(*command, stdout=self.log, stderr=self.log)
        time.sleep(1)       # none of them says when it listens

    @property
    def processes(self):
        children = run("pgrep", "-P", str(self.process.pid), check=False).stdout.split()
        return [self.process.pid, *map(int, children)]

    def counted(self):
        """Packets that the tool says it has seen."""
        if self.name == "softflowd":
            text = self.bench.router.run("softflowctl", "-c", f"{self.folder}/ctl", "statistics",
                                         check=False).stdout
            found = re.search(r"Packets processed: (\d+)", text)
        elif self.name == "pmacctd":
            time.sleep(2)
            text = self.bench.router.run("pmacct", "-s", "-p", f"{self.folder}/pipe", check=False).stdout
            return sum(int(line.split()[-2]) for line in text.splitlines()
                       if re.match(r"^\d+\.\d+\.\d+\.\d+", line))
        else:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=10)
            self.log.seek(0)
            found = re.search(r"(\d+) packets captured", self.log.read())
        return int(found.group(1)) if found else 0

    def totals(self, sent):
        memory = sum(proportional_mib(pid) for pid in self.processes)
        return {"accounted %": round(100 * self.counted() / sent, 2), "MiB": memory}

    def close(self):
        run("pkill", "-P", str(self.process.pid), check=False)
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


AGENTS = {
    "none": Unwatched,
    "empty TC program": EmptyProgram,
    "NTC, every packet a record": lambda *at: Watching(*at, **{"events.per_second": HUGE}),
    "NTC, default": Watching,
    "NTC, 1000 listed": lambda *at: Watching(*at, list_entries=1000),
    "softflowd": lambda *at: Peer(*at, "softflowd"),
    "pmacctd": lambda *at: Peer(*at, "pmacctd"),
    "tcpdump": lambda *at: Peer(*at, "tcpdump"),
}
AFTER_S = 0.2       # for an agent to finish what it has seen, before the next one's turn


class Lane:
    """One agent on a cable of its own, and what was measured there, slice by slice."""

    def __init__(self, name, bench, cable):
        self.name, self.cable, self.bench = name, cable, bench
        self.agent = AGENTS[name](bench, cable)
        self.sent = 0
        self.softirq_per_million = []
        self.rates = []
        self.cost = {}

    def slice(self, seconds, **traffic):
        softirq = softirq_s()
        sent, per_second = self.bench.generate(seconds=seconds, cable=self.cable, **traffic)
        self.softirq_per_million.append((softirq_s() - softirq) / sent * 1e6)
        time.sleep(AFTER_S)
        self.sent += sent
        self.rates.append(per_second)

    def measure_cost(self, **traffic):
        """What the agent's processes need, in one run that is longer than what it allows at once."""
        cpu = self.agent.cpu()
        sent, _ = self.bench.generate(seconds=SECONDS, cable=self.cable, **traffic)
        time.sleep(AFTER_S)
        cpu = self.agent.cpu() - cpu
        self.sent += sent
        self.cost = {"user CPU-s/M": cpu / sent * 1e6, "of a core %": 100 * cpu / SECONDS}

    def against(self, other):
        """The rate beside that of another lane: the median over slices that followed each other."""
        return statistics.median(own / its for own, its in zip(self.rates, other.rates))

    def row(self, lanes):
        empty = next((lane for lane in lanes if lane.name == "empty TC program"), None)
        row = {"agent": self.name, "Mpps": statistics.median(self.rates) / 1e6,
               "of none": self.against(lanes[0]) if lanes[0].name == "none" else "-",
               "of empty": self.against(empty) if empty else "-",
               "user CPU-s/M": "-", "of a core %": "-",
               "softirq s/M": statistics.median(self.softirq_per_million),
               "accounted %": "-", "MiB": "-", "not in events": "-", "ledger": "-"}
        return {**row, **self.cost, **self.agent.totals(self.sent)}


def compare(title, traffic, agents=None, seconds=0.5, slices=SLICES):
    """All agents side by side, each on its own cable, in short slices that take turns: what else the
    machine does then falls on all of them, and the median of the ratios leaves it out."""
    agents = agents or list(AGENTS)
    agents = [agent for agent in agents if agent not in Peer.COMMANDS or shutil.which(agent)]
    bench = Bench(len(agents))
    lanes = []
    try:
        for i, agent in enumerate(agents):
            lanes.append(Lane(agent, bench, i))
        for turn in range(slices):
            for i in range(len(lanes)):     # nobody always follows the same neighbour
                lanes[(i + turn) % len(lanes)].slice(seconds, **traffic)
        for lane in lanes:
            if lane.agent.processes:
                lane.measure_cost(**traffic)
        rows = [lane.row(lanes) for lane in lanes]
        show(title, rows)
        return rows
    finally:
        for lane in lanes:
            lane.agent.close()
        bench.close()


def live():
    compare("Full speed, 40 flows of 60 bytes", {"flows": "40"})
    compare("Full speed, 1 flow of 60 bytes", {"flows": "1"})
    compare("Full speed, 4096 flows of 60 bytes", {"flows": "4096"})
    compare("Full speed, random sources, 60 bytes", {"flows": "random"})
    compare("Full speed, 40 flows of 1514 bytes", {"flows": "40", "size": 1514})


# What a machine busy with other things still reaches, in ratios of one run; the aims are in
# docs/performance.md.  (agent, figure, least, most)
FLOORS = (
    ("NTC, 1000 listed", "of empty", 0.75, None),
    ("NTC, 1000 listed", "user of sending", None, 0.1),
    ("NTC, every packet a record", "of empty", 0.45, None),
    ("NTC, every packet a record", "user of sending", None, 0.5),
    ("NTC, 1000 listed", "accounted %", 100, 100),
    ("NTC, every packet a record", "accounted %", 100, 100),
    ("NTC, 1000 listed", "ledger", 0, 0),
    ("NTC, every packet a record", "ledger", 0, 0),
)


def floor():
    """Fail when NTC has become slow beside an empty program and the cost of sending itself."""
    rows = compare("Regression floor: full speed, 40 flows of 60 bytes", {"flows": "40"},
                   ["none", "empty TC program", "NTC, every packet a record", "NTC, 1000 listed"], 0.3, 11)
    found = {row["agent"]: row for row in rows}
    sending = SENDERS / found["none"]["Mpps"]       # CPU seconds per million packets
    failures = []
    for agent, figure, least, most in FLOORS:
        row = found[agent]
        value = row["user CPU-s/M"] / sending if figure == "user of sending" else row[figure]
        if (least is not None and value < least) or (most is not None and value > most):
            failures.append(f"{agent}: {figure} is {value:.4g}, "
                            + (f"at least {least}" if least is not None and value < least
                               else f"at most {most}") + " is asked")
    print("\n".join(failures) or f"{len(FLOORS)} passed, 0 failed")
    if failures:
        sys.exit(1)


def rates():
    quiet = [agent for agent in AGENTS if agent.startswith("NTC") or agent == "softflowd"]
    for rate in (1000, 10000, 200000):
        for flows in ("40", "4096") if rate == 200000 else ("40",):
            compare(f"{rate} packets/s, {flows} flows", {"flows": flows, "senders": 1, "rate": rate},
                    quiet, 0.5, 1)
    bench = Bench()
    rows = []
    try:
        for rate in (200000, 400000, 600000, 800000, 1000000, 0):
            ntc = started(bench, **{"events.per_second": HUGE})
            try:
                sent, per_second = bench.generate(rate=rate)
                values = ntc.settle()
                lost = {name.split('"')[1]: int(value) for name, value in values.items()
                        if name.startswith("ntc_lost_packets_total") and value}
                rows.append({"asked": rate or "full", "packets/s": int(per_second),
                             "counted %": 100 * ntc.packets(proto="udp") / sent,
                             "lost as events": str(lost or "nothing"),
                             "ledger": int(values["ntc_ledger_difference_packets"])})
            finally:
                ntc.processes["collector"].stop()
                ntc.close()
    finally:
        bench.close()
    show("Every packet its own record: the rate without loss", rows)


def latency():
    """From the moment a packet is sent to the moment an SSE client has its event."""
    import socket
    import threading
    bench = Bench()
    ntc = None
    try:
        ntc = started(bench)
        host, port = ntc.url.removeprefix("http://").split(":")
        client = socket.create_connection((host, int(port)))
        client.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in client.recv(4096)
        arrived = {}

        def read():
            rest = b""
            while True:
                data = client.recv(65536)
                if not data:
                    return
                now = time.monotonic()
                lines = (rest + data).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    found = re.search(rb'"src_port":(\d+)', line)
                    if found:
                        arrived.setdefault(int(found.group(1)), now)
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        sent = {}
        with bench.peer.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("peer0", 0))
            from scapy.all import IP, UDP, Ether
            frame = bytearray(bytes(Ether(dst="02:00:00:00:00:99") / IP(src="192.0.2.1",
                                                                         dst="192.0.2.2") / UDP()))
            for i in range(2000):
                source = 10000 + i
                frame[34:36] = source.to_bytes(2, "big")
                sent[source] = time.monotonic()
                raw.send(frame)
                time.sleep(0.0005 + (i * 7919 % 100) * 5e-5)
        wait_until(lambda: len(arrived) >= len(sent), "all events arrive", 10)
        client.shutdown(socket.SHUT_RDWR)
        reader.join()
        waits = sorted((arrived[source] - at) * 1000 for source, at in sent.items())
        show("Wire to SSE client, ms", [{"packets": len(waits), "p50": waits[len(waits) // 2],
                                         "p99": waits[len(waits) * 99 // 100], "max": waits[-1]}])
    finally:
        if ntc:
            ntc.close()
        bench.close()


def memory():
    bench = Bench()
    ntc = None
    try:
        ntc = started(bench)
        time.sleep(3)
        before, begin = ntc.cpu(), time.monotonic()
        time.sleep(20)
        idle = {name: 100 * (cpu - before[name]) / (time.monotonic() - begin)
                for name, cpu in ntc.cpu().items()}
        rest = ntc.memory()
        bench.generate(flows="random", seconds=5)
        ntc.settle()
        begin = time.monotonic()
        page = ntc.get("/metrics").text
        took = time.monotonic() - begin
        full = ntc.memory()
        show("Memory, MiB, and CPU at rest, % of a core", [
            {"process": name, "at rest": rest[name], "after 5 s of random sources": full[name],
             "idle CPU %": idle[name]} for name in rest] + [
            {"process": "all", "at rest": sum(rest.values()),
             "after 5 s of random sources": sum(full.values()), "idle CPU %": sum(idle.values())}])
        show("/metrics with full tables", [{"lines": len(page.splitlines()), "ms": took * 1000}])
    finally:
        if ntc:
            ntc.close()
        bench.close()


def sse(clients=1000, rate=100000):
    """Live events for many clients of which a tenth stall, every packet its own record."""
    import resource
    import threading
    from sse import Drain, EventStream
    most = max(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, most))
    bench = Bench()
    ntc, streams, sent = None, [], []
    try:
        ntc = started(bench, **{"server.sse_clients": clients, "events.per_second": HUGE})
        time.sleep(2)
        rest = sum(ntc.memory().values())
        streams = [EventStream(ntc.url, receive_buffer=4096 if i % 10 == 0 else None,
                               source=f"127.0.2.{1 + i // 25}") for i in range(clients)]
        before, peak, slowest = ntc.cpu(), 0, 0
        sender = threading.Thread(target=lambda: sent.append(
            bench.generate(rate=rate, senders=1, seconds=5)[0]))
        with Drain([stream for i, stream in enumerate(streams) if i % 10]) as drain:
            sender.start()
            while sender.is_alive():
                begin = time.monotonic()
                ntc.get("/metrics")
                slowest = max(slowest, time.monotonic() - begin)
                peak = max(peak, sum(ntc.memory().values()))
                time.sleep(0.2)
            cpu = {name: used - before[name] for name, used in ntc.cpu().items()}
            values = ntc.settle()
        readers = drain.received.values()
        show(f"{clients} SSE clients, a tenth stalled, {rate} packets/s, every packet a record", [{
            "counted %": 100 * ntc.packets(proto="udp") / sent[0],
            "lost as events": int(sum(value for name, value in values.items()
                                      if name.startswith("ntc_lost_packets_total"))),
            "ledger": int(values["ntc_ledger_difference_packets"]),
            "MiB more": peak - rest, "slowest /metrics, ms": 1000 * slowest,
            "gateway CPU-s": cpu["gateway"], "the others CPU-s": sum(cpu.values()) - cpu["gateway"],
            "MB of a reader": f"{min(readers) / 1e6:.2f} to {max(readers) / 1e6:.2f}"}])
    finally:
        for stream in streams:
            stream.close()
        if ntc:
            ntc.processes["collector"].stop()
            ntc.close()
        bench.close()


def lists():
    bench = Bench()
    ntc = None
    try:
        empty = BenchNtc(bench)
        try:
            begin = time.monotonic()
            empty.start("collector")
            start_empty = time.monotonic() - begin
        finally:
            empty.processes["collector"].stop()
            empty.close()
        ntc = started(bench, 50000)
        ntc.processes["collector"].stop()
        begin = time.monotonic()
        ntc.start("collector")
        start_full = time.monotonic() - begin
        ntc.wait_ready()
        changes = []
        for i in range(20):
            before = time.monotonic()
            ntc.block(f"192.0.2.{i}")
            changes.append((time.monotonic() - before) * 1000)
        changes.sort()
        show("A list of 50,000 entries", [{
            "start of the collector, ms": int(start_full * 1000),
            "without list, ms": int(start_empty * 1000),
            "one change, median ms": changes[10], "slowest ms": changes[-1]}])
    finally:
        if ntc:
            ntc.close()
        bench.close()


PARTS = {part.__name__: part for part in (path, aggregator, mock, remote, live, rates, latency, memory, sse,
                                           lists)}


def compare_files(old, new):
    """Print what differs by more than a tenth between two result files."""
    before, after = (json.loads(Path(name).read_text()) for name in (old, new))
    for title, rows in after.items():
        if title == "machine" or not isinstance(rows, list):
            continue
        for row, earlier in zip(rows, before.get(title, [])):
            name = next(iter(row.values()))
            for key, value in row.items():
                was = earlier.get(key)
                if isinstance(value, (int, float)) and isinstance(was, (int, float)) and was \
                        and abs(value / was - 1) > 0.1:
                    print(f"{title}, {name}: {key} {was:.4g} -> {value:.4g} ({value / was:.2f} x)")


def main(arguments):
    if arguments[:1] == ["--compare"]:
        return compare_files(arguments[1], ROOT / "build/bench.json")
    if arguments == ["floor"]:
        return floor()
    unknown = [name for name in arguments if name not in PARTS]
    if unknown:
        sys.exit(f"no part {unknown[0]!r}; there are: {' '.join(PARTS)}")
    if os.geteuid() != 0:
        sys.exit("the benchmarks load TC programs and make network namespaces: sudo make bench")
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), os.uname().machine)
    results["machine"] = f"{SENDERS} x {model}, Linux {os.uname().release}"
    print(results["machine"])
    for name in arguments or PARTS:
        PARTS[name]()
    (ROOT / "build/bench.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
