"""A clean Debian with systemd as PID 1 in a container with a network of its own, and a peer on a
cable.  Nothing of the host's network is touched.  The network outlives a shutdown, as a cable does."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/e2e"))

from tc_programs import tc_programs  # noqa: E402  (it needs the path above)

WORK = ROOT / "build" / "test-package"
PACKAGES = "systemd,systemd-sysv,dbus,iproute2,iputils-ping,curl,ca-certificates"
CAPABILITIES = "CAP_BPF,CAP_NET_ADMIN,CAP_PERFMON"


def run(*command, check=True, timeout=600, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=timeout, **options)
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done


def wait_until(condition, what, timeout=30):
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout} s: {what}")
        time.sleep(0.05)


def debian_root(suite="bookworm", include=PACKAGES):
    """The archive of a clean Debian root, made once."""
    WORK.mkdir(parents=True, exist_ok=True)
    archive = WORK / f"{suite}.tar"
    if not archive.exists():
        fresh = archive.with_suffix(".new.tar")
        run("mmdebstrap", "--variant=minbase", f"--include={include}", suite, fresh, timeout=1800)
        fresh.rename(archive)
    return archive


class Machine:
    """A container that boots like a computer.  Its cable `port` ends at `peer`, another host."""

    port_ip, peer_ip, other_peer_ip = "198.51.100.1", "198.51.100.2", "198.51.100.3"

    def __init__(self, name):
        self.root = WORK / f"{name}-{os.getpid()}"
        self.network, self.peer = f"ntcpack{os.getpid()}", f"ntcpeer{os.getpid()}"
        self.console = WORK / f"{name}.log"
        self.nspawn = self.leader = None
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        run("tar", "-xpf", debian_root(), "-C", self.root)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        for name in (self.network, self.peer):
            run("ip", "netns", "add", name)

    def chroot(self, *command, **options):
        return run("chroot", self.root, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8",
                   "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command, **options)

    def boot(self):
        with open(self.console, "ab") as console:
            self.nspawn = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.network}", "systemd-nspawn", "--register=no", "--keep-unit",
                 "-q", "-D", str(self.root), "-b", "--console=pipe",
                 f"--capability={CAPABILITIES}", "--system-call-filter=bpf"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.leader = wait_until(self.find_init, "the container's PID 1")
        wait_until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip()
                   in ("running", "degraded"), "the machine is up", timeout=60)

    def find_init(self):
        for pid in run("pgrep", "-P", self.nspawn.pid, check=False).stdout.split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    return int(pid)
        return None

    def command(self, *command):
        return ["nsenter", "-a", "-t", str(self.leader), "env", "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive", *map(str, command)]

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def plug_in(self):
        """Connect the cable, as a network manager would: the link, then its address."""
        run("ip", "link", "add", "port", "netns", self.network, "type", "veth", "peer", "name",
            "peer", "netns", self.peer)
        for address in (self.peer_ip, self.other_peer_ip):
            self.in_peer("ip", "addr", "add", f"{address}/24", "dev", "peer")
        self.in_peer("ip", "link", "set", "peer", "up")
        self.run("ip", "addr", "add", f"{self.port_ip}/24", "dev", "port")
        self.run("ip", "link", "set", "port", "up")
        self.run("ip", "route", "add", "default", "via", self.other_peer_ip)

    def in_peer(self, *command, **options):
        return run("ip", "netns", "exec", self.peer, *command, **options)

    def unplug(self):
        """What a shutdown does to the network: the link goes down and forgets its address."""
        run("ip", "-n", self.network, "link", "set", "port", "down")
        run("ip", "-n", self.network, "addr", "flush", "dev", "port")

    def answers(self, source=peer_ip):
        """Does the machine answer the peer's ping?"""
        return self.in_peer("ping", "-c", "1", "-W", "1", "-I", source, self.port_ip,
                            check=False).returncode == 0

    def pings(self, source=peer_ip):
        """Ping without a pause, until stop_pings()."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.peer, "ping", "-i", "0.005", "-I", source, self.port_ip],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    @staticmethod
    def stop_pings(ping):
        """Returns how many were sent and how many answered."""
        ping.send_signal(2)
        words = ping.communicate(timeout=10)[0].rsplit("---", 1)[-1].split()
        return int(words[0]), int(words[words.index("received,") - 1])

    def http(self, path, *options):
        return self.run("curl", "-sS", "--max-time", "5", *options,
                        f"http://127.0.0.1:8086{path}", check=False).stdout

    def show(self, unit, field):
        return self.run("systemctl", "show", "-P", field, unit).stdout.strip()

    def programs(self):
        """Names of the TC programs on the port."""
        return tc_programs("port", f"/run/netns/{self.network}")

    def power_off(self):
        if self.nspawn and self.nspawn.poll() is None:
            if self.leader:
                self.run("systemctl", "poweroff", check=False)
            try:
                self.nspawn.wait(timeout=15 if self.leader else 0)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()  # the container dies with it
                self.nspawn.wait()
        self.nspawn = self.leader = None

    def close(self):
        self.power_off()
        for name in (self.network, self.peer):
            run("ip", "netns", "del", name, check=False)
        shutil.rmtree(self.root, ignore_errors=True)
