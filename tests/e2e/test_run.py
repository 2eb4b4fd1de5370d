"""`make demo` and `make run` as a user types them, in a copy of the tree of their own."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from conftest import BIN, ROOT, Ntc, run, wait_until
from tc_programs import tc_programs

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
ANY_PORT = "--set server.port=0 --set server.listen=127.0.0.1"


@pytest.fixture(scope="module")
def tree():
    """The sources and what was built of them, as if just now; it belongs to nobody."""
    folder = Path(tempfile.mkdtemp(prefix="ntc-tree-"))
    copy = folder / "tree"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "build", "node_modules"))
    objects = BIN.parent if (BIN.parent / "libcommon.a").exists() else BIN.parent / "release"
    shutil.copytree(objects, copy / "build/release", ignore=shutil.ignore_patterns("bin", "tests"))
    shutil.copytree(BIN, copy / "build/bin")
    # The page has tests of its own: here it is enough that make finds one.
    packages, page = copy / "webui/node_modules/.package-lock.json", copy / "webui/dist/index.html"
    for path in (packages, page):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    for path in [copy, *copy.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    now = time.time()
    for path in (copy / "build").rglob("*"):
        os.utime(path, (now, now))
    os.utime(page, (now, now))
    folder.chmod(0o755)
    yield copy
    shutil.rmtree(folder)


class Make:
    """A make in the foreground of a session of its own."""

    def __init__(self, tree, *arguments, prefix=()):
        self.log = tempfile.NamedTemporaryFile("r", suffix=".log")
        with open(self.log.name, "w") as log:
            self.popen = subprocess.Popen([*prefix, "make", "-C", str(tree), *arguments],
                                          stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=subprocess.STDOUT, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self.log.close()

    def text(self):
        return Path(self.log.name).read_text()

    def wait_text(self, expression, timeout=120):
        def found():
            match = re.search(expression, self.text())
            if not match and self.popen.poll() is not None:
                pytest.fail(f"make ended with {self.popen.returncode}:\n{self.text()}")
            return match
        return wait_until(found, f"{expression!r}", timeout)

    def url(self):
        return self.wait_text(r"serving (http://127\.0\.0\.1:\d+)/").group(1)

    def members(self):
        """Processes of the session that are alive."""
        found = run("ps", "-o", "stat=,pid=,args=", "-s", str(self.popen.pid), check=False).stdout
        return [line for line in found.splitlines() if not line.startswith("Z")]

    def interrupt(self):
        """Ctrl-C: SIGINT to everything in the foreground.  Return the seconds until all is over."""
        begin = time.monotonic()
        os.killpg(self.popen.pid, signal.SIGINT)
        self.popen.wait(15)
        assert self.members() == []
        return time.monotonic() - begin


@contextlib.contextmanager
def client_of(url):
    """The requests of an Ntc for processes that somebody else started."""
    ntc = Ntc()
    ntc.url = url
    try:
        yield ntc
    finally:
        ntc.close()


def test_the_demo_runs_without_privileges_and_ends_with_ctrl_c(tree):
    for attempt in range(2):
        with Make(tree, "demo", f"ARGS={ANY_PORT}", prefix=AS_NOBODY) as make:
            with client_of(make.url()) as ntc:
                wait_until(lambda: ntc.get("/readyz").status == 200, "ready")
                with ntc.watch() as stream:
                    assert {stream.next()["proto"] for _ in range(5)}
                if attempt == 0:
                    ntc.block("192.0.2.1")
                assert [entry["ip"] for entry in ntc.get("/blacklist").json()] == ["192.0.2.1"]
            assert len(make.members()) >= 4
            assert all(f" {program}" in " ".join(make.members()).replace("/", " ")
                       for program in ("ntc-collector", "ntc-aggregator", "ntc-gateway"))
            assert make.interrupt() < 5
            assert "<3>" not in make.text(), make.text()
            if attempt == 1:    # nothing is built or installed twice
                assert not re.search(r"^ +(CC|LD|BPF)|Installing", make.text(), re.M)
    assert os.listdir(tree / "build/demo/bus") == []


def test_when_one_process_ends_the_others_are_stopped(tree):
    with Make(tree, "demo", f"ARGS={ANY_PORT}", prefix=AS_NOBODY) as make:
        make.url()
        victim = next(int(line.split()[1]) for line in make.members()
                      if "bin/ntc-aggregator" in line)
        os.kill(victim, signal.SIGKILL)
        assert make.popen.wait(15) != 0
        assert make.members() == []
        assert "ntc-aggregator has ended" in make.text()


def test_a_mistake_on_the_command_line_ends_all(tree):
    with Make(tree, "demo", "ARGS=--set server.prot=1", prefix=AS_NOBODY) as make:
        assert make.popen.wait(60) != 0
        assert "did you mean server.port?" in make.text()
        assert make.members() == []


def test_a_real_interface_needs_root(tree):
    """As nobody: it cannot touch anything."""
    with Make(tree, "run", "IFACE=lo", f"ARGS={ANY_PORT}", prefix=AS_NOBODY) as make:
        assert make.popen.wait(60) != 0
        assert "sudo make run" in make.text()


def settings_of(ntc):
    """What keeps a run inside a folder of the test."""
    return " ".join(f"--set {key}={ntc.settings[key]}" for key in
                    ("bus.directory", "persistence.path", "network.pin_path"))


@pytest.mark.parametrize("choose", ["by name", "default route"])
def test_run_watches_the_interface_and_leaves_nothing_behind(tree, ntc, choose):
    net = ntc.network
    inside = net.router.command()
    assert inside[0] == "nsenter" and os.path.exists(net.router.path)
    own, router = (os.stat(path).st_ino for path in ("/proc/self/ns/net", net.router.path))
    assert own != router        # never outside of the namespace
    if choose == "by name":
        arguments = ["IFACE=port"]
    else:
        net.router.run("ip", "route", "add", "default", "via", net.peer_ip)
        arguments = []
    # All three are in the namespace, and so is the client.
    arguments.append(f"ARGS={ANY_PORT} {settings_of(ntc)}")
    with Make(tree, "run", *arguments, prefix=inside) as make:
        url = make.url()
        make.wait_text("watching port")

        with client_of(url) as client, net.router.inside():
            wait_until(lambda: client.get("/readyz").status == 200, "ready")
            assert tc_programs("port", net.router.path) == {"ntc_ingress", "ntc_egress"}
            assert net.ping(net.router_ip, host=net.peer) == 3
            wait_until(lambda: client.packets(proto="icmp", direction="ingress") >= 3,
                       "the ping is counted")
        assert make.interrupt() < 5
        assert "<3>" not in make.text(), make.text()
    assert tc_programs("port", net.router.path) == set()
    assert not os.path.exists(ntc.settings["network.pin_path"])
    assert os.listdir(ntc.settings["bus.directory"]) == []
    assert net.ping(net.router_ip, host=net.peer) == 3


def test_at_rest_each_process_wakes_once_a_second(quiet_ntc):
    ntc = quiet_ntc.start_all()
    time.sleep(2)
    seconds = 6
    before = {name: process.sleeps() for name, process in ntc.processes.items()}
    time.sleep(seconds)
    for name, process in ntc.processes.items():
        sleeps = [after - earlier for after, earlier in zip(process.sleeps(), before[name])]
        assert sleeps[0] <= 1.5 * seconds, name     # the others of libzmq and civetweb
        assert sum(sleeps) <= 5 * seconds, name
