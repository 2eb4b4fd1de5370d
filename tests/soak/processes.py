"""NTC's three processes under a supervisor that starts them again, and how soon they serve again."""

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import traffic  # noqa: F401  (it knows where conftest is)
from conftest import BIN, Ntc, run

PROGRAMS = ("collector", "aggregator", "gateway")
READY_S = 3
SANITIZED = 30 if BIN.parent.name == "san" else 1      # the sanitizers' own memory
MEMORY_MIB = 64 * SANITIZED     # of all three: the budget with all tables full
GROWTH_MIB = 8 * SANITIZED      # the queues of the bus alone may take 8 MiB


def load_factor():
    """How much longer things may take on this machine now: runnable tasks per core, 1 to 5."""
    return min(5.0, max(1.0, os.getloadavg()[0] / os.cpu_count()))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class SoakNtc(Ntc):
    """With a small disk for the lists file, and a wall clock of each process's own."""

    def __init__(self, network):
        super().__init__(network)
        self.port = free_port()
        self.disk = Path(self.folder) / "disk"
        self.disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(self.disk))
        self.url = f"http://127.0.0.1:{self.port}"
        self.lists_file = self.disk / "lists.json"
        self.settings |= {"server.port": self.port, "persistence.path": self.lists_file,
                          "network.on_stop": "keep", "events.per_second": 300, "events.ring_mib": 1,
                          "server.sse_clients": 32,
                          # tables that are soon full: what grows then is a leak
                          "aggregator.flows": 4096, "aggregator.addresses": 1024}
        self.give_clocks()

    def close(self):
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.popen.send_signal(signal.SIGCONT)
        run("umount", "-l", str(self.disk), check=False)
        super().close()


class Member:
    """One of the processes, as the supervisor sees it."""

    def __init__(self, name):
        self.name = name
        self.is_running = False     # neither dead nor stopped
        self.since = 0.0            # when it was started or continued
        self.ready_at = None        # when it served again
        self.why = "started"
        self.slowest_s = 0.0
        self.starts = 0


class Supervisor(threading.Thread):
    """Starts again what died, continues what was stopped, and demands that it serves in time."""

    def __init__(self, ntc, on_fail, say):
        super().__init__(daemon=True)
        self.ntc, self.on_fail, self.say = ntc, on_fail, say
        self.members = {name: Member(name) for name in PROGRAMS}
        self.due = []               # (when, function): what happens by itself later
        self.lock = threading.RLock()
        self.ends = threading.Event()

    # ---- what can be done to a process ----

    def launch(self, name):
        with self.lock:
            self.ntc.launch(name)
            member = self.members[name]
            member.is_running, member.ready_at, member.why = True, None, "started"
            member.since = time.monotonic()
            member.starts += 1

    def later(self, seconds, function, *args):
        with self.lock:
            self.due.append((time.monotonic() + seconds, lambda: function(*args)))

    def end(self, name, how, restart_after):
        """Kill or terminate it; it is started again later.  Returns False if it does not run."""
        with self.lock:
            member = self.members[name]
            process = self.ntc.processes[name]
            if not member.is_running:
                return False
            member.is_running = False
        code, seconds = process.stop(how)
        if how == signal.SIGTERM and code != 0:
            self.on_fail("processes", f"{name} ended with {code} at SIGTERM, after {seconds:.1f} s")
        self.later(restart_after, self.launch, name)
        return True

    def freeze(self, name, seconds):
        with self.lock:
            member = self.members[name]
            if not member.is_running:
                return False
            member.is_running = False
            self.ntc.processes[name].popen.send_signal(signal.SIGSTOP)
        self.later(seconds, self.thaw, name)
        return True

    def thaw(self, name):
        with self.lock:
            member = self.members[name]
            self.ntc.processes[name].popen.send_signal(signal.SIGCONT)
            member.is_running, member.ready_at, member.why = True, None, "continued"
            member.since = time.monotonic()

    def settle(self):
        """Do at once what was to happen later; return when all processes serve."""
        with self.lock:
            waiting, self.due = self.due, []
        for _, function in waiting:
            function()
        while not self.ends.is_set() and not all(m.ready_at for m in self.members.values()):
            time.sleep(0.05)

    # ---- what is demanded ----

    def get(self, path):
        """(status, body), or (None, "") without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ntc.port, timeout=2)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return None, ""
        finally:
            connection.close()

    def serves(self, name):
        if name == "gateway":
            return self.get("/healthz")[0] == 200
        status, body = self.get("/readyz")
        if status not in (200, 503) or name in json.loads(body).get("missing", []):
            return False
        return self.get("/blacklist" if name == "collector" else "/api/flows?limit=1")[0] == 200

    def look_at(self, member):
        """Whether it serves again, and in time.  The others can only be seen through the gateway."""
        gateway = self.members["gateway"]
        if member is not gateway and not gateway.ready_at:
            return
        since = max(member.since, gateway.ready_at or 0)
        serves = self.serves(member.name)
        took = time.monotonic() - since
        with self.lock:
            if not member.is_running or member.since > since or (member is not gateway
                                                                 and not gateway.ready_at):
                return      # something happened to it meanwhile
            if serves:
                member.ready_at = time.monotonic()
                member.slowest_s = max(member.slowest_s, took)
            if took > READY_S * load_factor():
                self.on_fail("ready", f"{member.name} does not serve {took:.1f} s after it was "
                             f"{member.why} (load {os.getloadavg()[0]:.1f})")
            elif took > READY_S and serves:
                self.say(f"{member.name} took {took:.1f} s to serve again: the machine's load is "
                         f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")

    def tick(self):
        with self.lock:
            now = time.monotonic()
            ready = [function for when, function in self.due if when <= now]
            self.due = [item for item in self.due if item[0] > now]
            for name, member in self.members.items():
                process = self.ntc.processes.get(name)
                if not member.is_running:
                    member.ready_at = None
                elif process.popen.poll() is not None:
                    self.on_fail("processes", f"{name} ended by itself with {process.popen.returncode}")
        for function in ready:
            function()
        for name in ("gateway", "collector", "aggregator"):
            if self.members[name].is_running and not self.members[name].ready_at:
                self.look_at(self.members[name])

    def run(self):
        try:
            while not self.ends.is_set():
                self.tick()
                time.sleep(0.05)
        except BaseException as error:      # also what pytest.fail() raises
            self.on_fail("test", f"the supervisor ended: {error!r}")

    def cost(self, name):
        """(proportional set size in MiB, open descriptors)."""
        folder = Path(f"/proc/{self.ntc.processes[name].popen.pid}")
        pss = next(line for line in (folder / "smaps_rollup").read_text().splitlines()
                   if line.startswith("Pss:"))
        return int(pss.split()[1]) / 1024, len(os.listdir(folder / "fd"))
