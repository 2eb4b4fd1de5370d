"""The Debian package on a clean Debian 12 that boots: installed, used, crashed, upgraded, removed.

One machine, one story: the tests run in this order.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from machine import ROOT, WORK, Machine, run, wait_until

VERSION = run("sed", "-n", "s/^VERSION := //p", ROOT / "Makefile").stdout.strip()
ARCH = run("dpkg", "--print-architecture").stdout.strip()
PACKAGE = Path(os.environ.get("NTC_DEB", ROOT / f"build/ntc_{VERSION}_{ARCH}.deb"))
SERVICES = {"ntc-collector": 4.0, "ntc-aggregator": 2.0, "ntc-gateway": 2.0}


@pytest.fixture(scope="module")
def machine():
    assert PACKAGE.exists(), f"{PACKAGE} is missing: make deb"
    made = Machine("package")
    try:
        shutil.copy(PACKAGE, made.root / "root/ntc.deb")
        made.chroot("apt-get", "update", "-q")
        made.chroot("apt-get", "install", "-q", "-y", "--no-install-recommends", "/root/ntc.deb")
        made.boot()
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def journal_on_failure(request, machine):
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        print(machine.run("journalctl", "--no-pager", "-n", "60", "-u", "ntc*", check=False).stdout)


def active(machine, unit):
    return machine.show(f"{unit}.service", "ActiveState") == "active"


def systemctl(machine, verb):
    """For all of NTC; with the target alone, systemctl does not wait for the services."""
    machine.run("systemctl", verb, "ntc.target", *SERVICES)


def wait_ready(machine):
    wait_until(lambda: machine.http("/readyz", "-o", "/dev/null", "-w", "%{http_code}") == "200",
               "/readyz says 200")


def blacklist(machine):
    return [entry["ip"] for entry in json.loads(machine.http("/blacklist"))]


def newer_package(folder):
    """The same package with a higher version, whose collector has other kernel maps."""
    tree, package = folder / "tree", folder / "newer.deb"
    run("dpkg-deb", "-R", PACKAGE, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: (.*)$", r"Version: \1+1", control.read_text()))
    run("strip", "-o", tree / "usr/sbin/ntc-collector", ROOT / "build/next-layout/bin/ntc-collector")
    run("dpkg-deb", "--root-owner-group", "-b", tree, package)
    return package


def test_three_services_run_under_users_of_their_own(machine):
    for unit in SERVICES:
        wait_until(lambda: active(machine, unit), f"{unit} is active")
        pid = machine.show(f"{unit}.service", "MainPID")
        status = machine.run("cat", f"/proc/{pid}/status").stdout
        uid = machine.run("id", "-u", unit).stdout.strip()
        assert re.search(rf"(?m)^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", status)
        wanted = "000000c000001000" if unit == "ntc-collector" else "0000000000000000"
        for field in ("CapEff", "CapPrm", "CapBnd"):
            assert re.search(rf"(?m)^{field}:\t{wanted}$", status), (unit, status)
        assert machine.show(f"{unit}.service", "WatchdogUSec") == "30s"
    wait_ready(machine)


def test_the_machine_boots_without_a_failed_unit_of_ours(machine):
    failed = machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout
    assert "ntc" not in failed


def test_the_collector_is_ready_before_the_network_may_come_up(machine):
    def since(unit):
        return int(machine.show(unit, "ActiveEnterTimestampMonotonic"))

    assert 0 < since("ntc-collector.service") <= since("network-pre.target")
    for manager in ("systemd-networkd.service",):
        assert "network-pre.target" in machine.show(manager, "After")


def test_units_are_right_and_closed(machine):
    units = [f"{unit}.service" for unit in SERVICES] + ["ntc.target", "run-ntc-bpf.mount"]
    verified = machine.run("systemd-analyze", "verify", "--man=no", *units, check=False)
    assert verified.returncode == 0 and "ntc" not in verified.stderr, verified.stderr
    for unit, most in SERVICES.items():
        text = machine.run("systemd-analyze", "security", "--no-pager", unit, check=False).stdout
        found = re.search(r"exposure level for .*: ([0-9.]+)", text)
        assert found and float(found.group(1)) <= most, text


def test_the_default_route_is_watched_and_an_address_blocked(machine):
    machine.plug_in()
    wait_until(lambda: "ntc_ingress" in machine.programs(), "programs on the default route's device")
    assert machine.answers()
    answer = machine.http("/blacklist", "-H", "Content-Type: application/json", "-d",
                          json.dumps({"ip": machine.peer_ip}))
    assert json.loads(answer)["ok"] is True, answer
    assert not machine.answers()
    assert blacklist(machine) == [machine.peer_ip]


def test_the_page_is_served(machine):
    if (PACKAGE.parent.parent / "webui/package.json").exists():
        assert "<script" in machine.http("/") and "/assets/" in machine.http("/")


def test_the_doctor_finds_nothing_wrong(machine):
    done = machine.run("ntc-collector", "--doctor", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def probe(machine, unit, folder, more=()):
    """What sandbox_probe finds when this unit, with more drop-ins, runs it instead of its program."""
    program = folder / "sandbox_probe"
    run("gcc", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-o", program,
        ROOT / "tests/package/sandbox_probe.c")
    shutil.copy(program, machine.root / "root/probe")
    machine.run("chmod", "755", "/root/probe")
    drop_in = machine.root / f"etc/systemd/system/{unit}.service.d"
    drop_in.mkdir()
    (drop_in / "probe.conf").write_text(
        "[Service]\nType=oneshot\nRestart=no\n"
        f"BindReadOnlyPaths=/root/probe:/usr/sbin/{unit}\n"
        "StandardOutput=truncate:/root/found\nStandardError=inherit\n")
    for path in more:
        shutil.copy(machine.root / path, drop_in)
    try:
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "stop", unit)
        machine.run("systemctl", "start", unit)
        return (machine.root / "root/found").read_text()
    finally:
        shutil.rmtree(drop_in)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", unit)


# All that a program that was taken over can do; of what sandbox_probe.c tries nothing else works.
# Folders in /tmp are its own (PrivateTmp).  libbpf 1.5 keeps its maps' numbers with memfd_create,
# so that the collector must have it.
COMMON_POWERS = {"create:/tmp", "create:/var/tmp", "read:/etc/ntc/ntc.yaml", "socket:unix"}
POWERS = {
    "ntc-collector": {"create:/run/ntc", "create:/var/lib/ntc", "read:/var/lib/ntc/lists.json",
                      "socket:netlink", "bpf", "exec:memory"},
    "ntc-aggregator": {"create:/run/ntc"},
    "ntc-gateway": {"create:/var/lib/ntc-gateway", "read:/var/lib/ntc-gateway/admin.token",
                    "socket:inet", "socket:netlink"},
}


def check_cage(found, capabilities, powers):
    found = dict(line.split(None, 1) for line in found.splitlines())
    assert len(found) > 70      # it came to its end
    for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert found[f"{field}:"] == capabilities
    assert found["NoNewPrivs:"] == "1" and found["Seccomp:"] == "2"
    assert {what for what, result in found.items() if result == "yes"} == COMMON_POWERS | powers


@pytest.mark.parametrize("unit", SERVICES)
def test_who_takes_a_program_over_is_in_a_cage(machine, unit, tmp_path):
    capabilities = "000000c000001000" if unit == "ntc-collector" else "0000000000000000"
    check_cage(probe(machine, unit, tmp_path), capabilities, POWERS[unit])


def test_a_unit_for_other_hosts_opens_the_network_and_nothing_else(machine, tmp_path):
    found = probe(machine, "ntc-aggregator", tmp_path, ["usr/share/ntc/remote.conf"])
    check_cage(found, "0000000000000000", POWERS["ntc-aggregator"] | {
        "socket:inet", "socket:inet6", "socket:netlink"})


def test_the_configuration_is_not_for_everybody(machine):
    assert machine.run("stat", "-c", "%U %G %a", "/etc/ntc/ntc.yaml").stdout == "root ntc 640\n"
    assert machine.run("stat", "-c", "%U %a", "/var/lib/ntc-gateway/admin.token").stdout == (
        "ntc-gateway 600\n")


@pytest.mark.parametrize("way", ["KILL", "ABRT", "ntc-collector", "ntc.target"])
def test_nothing_passes_while_the_collector_dies_and_returns(machine, way):
    before = machine.show("ntc-collector.service", "MainPID")
    ping = machine.pings()
    if way.startswith("ntc"):
        machine.run("systemctl", "restart", way)
    else:
        machine.run("systemctl", "kill", f"--signal=SIG{way}", "ntc-collector")
    wait_until(lambda: machine.show("ntc-collector.service", "MainPID") not in ("0", before)
               and active(machine, "ntc-collector"), "another collector")
    wait_ready(machine)
    sent, answered = machine.stop_pings(ping)
    assert sent > 10 and answered == 0
    assert blacklist(machine) == [machine.peer_ip]


def test_wrong_configuration_is_not_tried_again(machine):
    machine.run("sh", "-c", "mkdir -p /run/systemd/system/ntc-aggregator.service.d; printf "
                "'[Service]\\nExecStart=\\nExecStart=/usr/sbin/ntc-aggregator --set server.port=x\\n'"
                " >/run/systemd/system/ntc-aggregator.service.d/wrong.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "ntc-aggregator", check=False)
    wait_until(lambda: machine.show("ntc-aggregator.service", "ActiveState") == "failed", "failed")
    assert machine.show("ntc-aggregator.service", "ExecMainStatus") == "2"
    machine.run("rm", "-r", "/run/systemd/system/ntc-aggregator.service.d")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "ntc-aggregator")
    wait_ready(machine)


def test_units_reach_other_hosts_when_they_are_told_so(machine):
    """The recipe of docs/remote.md, with this machine at both ends."""
    def shell(line):
        return machine.run("sh", "-ec", line).stdout

    kept = shell("cat /etc/ntc/ntc.yaml")
    shell("ntc-collector --make-keys /etc/ntc/keys")
    assert shell("stat -c '%a %U:%G' /etc/ntc/keys/secret.key") == "640 root:ntc\n"
    shell("cd /etc/ntc/keys; cp public.key clients/self.key; cp public.key collectors/127.0.0.1.key;"
          "sed -i 's|^  listen: \"\"$|  listen: tcp://127.0.0.1:7386|;"
          "s|^  collectors: \\[\\]$|  collectors: [tcp://127.0.0.1:7386]|' /etc/ntc/ntc.yaml")
    machine.run("systemctl", "restart", "ntc-collector", check=False)
    wait_until(lambda: "may not use the network before it is told so, see docs/remote.md"
               in shell("journalctl --no-pager -b -u ntc-collector"), "it says what is missing")
    shell("for unit in collector aggregator gateway; do install -Dm644 /usr/share/ntc/remote.conf "
          "/etc/systemd/system/ntc-$unit.service.d/remote.conf; done; systemctl daemon-reload")
    try:
        systemctl(machine, "restart")
        wait_ready(machine)
        assert "127.0.0.1:7386" in shell("ss -Htn state established '( sport = :7386 )' || true")
        answer = machine.http("/blacklist", "-H", "Content-Type: application/json", "-d",
                              json.dumps({"ip": "203.0.113.99"}))
        assert json.loads(answer)["ok"] is True, answer
        machine.http("/blacklist?ip=203.0.113.99", "-X", "DELETE")
    finally:
        (machine.root / "etc/ntc/ntc.yaml").write_text(kept)
        shell("rm -r /etc/systemd/system/ntc-*.service.d; systemctl daemon-reload")
        systemctl(machine, "restart")
    wait_ready(machine)


def test_an_upgrade_keeps_all_and_lets_nothing_through(machine, tmp_path):
    machine.run("sed", "-i", "s/^  timezone: \"\"$/  timezone: Europe\\/Berlin/",
                "/etc/ntc/ntc.yaml")
    shutil.copy(newer_package(tmp_path), machine.root / "root/newer.deb")
    pids = [machine.show(f"{unit}.service", "MainPID") for unit in SERVICES]
    ping = machine.pings()
    machine.run("dpkg", "-i", "/root/newer.deb")
    for unit, pid in zip(SERVICES, pids):
        wait_until(lambda: active(machine, unit), f"{unit} is active")
        assert machine.show(f"{unit}.service", "MainPID") != pid
    wait_ready(machine)
    sent, answered = machine.stop_pings(ping)
    assert sent > 10 and answered == 0
    assert blacklist(machine) == [machine.peer_ip]
    folders = re.findall(r"(?m)^v\d+$", machine.run("ls", "/run/ntc/bpf/ntc").stdout)
    assert folders == ["v999"]      # other maps, and only these
    assert "timezone: Europe/Berlin" in machine.run("cat", "/etc/ntc/ntc.yaml").stdout
    assert machine.run("stat", "-c", "%U %G %a", "/etc/ntc/ntc.yaml").stdout == "root ntc 640\n"


def test_a_stopped_service_stays_stopped_over_an_upgrade(machine):
    machine.run("systemctl", "stop", "ntc-gateway")
    machine.run("dpkg", "-i", "/root/newer.deb")
    assert not active(machine, "ntc-gateway") and active(machine, "ntc-collector")
    machine.run("systemctl", "start", "ntc-gateway")
    wait_ready(machine)


def test_lists_are_enforced_again_after_a_stop(machine):
    systemctl(machine, "stop")
    for unit in SERVICES:
        assert not active(machine, unit)
    assert not machine.programs() and machine.answers()
    systemctl(machine, "start")
    wait_until(lambda: active(machine, "ntc-gateway"), "all run again")
    assert not machine.answers()


# A network that comes up as early as any does: cloud-init configures it before sysinit.target.
EARLY_NETWORK = """[Unit]
DefaultDependencies=no
Wants=network-pre.target
After=network-pre.target
Before=network.target sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/ip addr add {address}/24 dev port
ExecStart=/bin/ip link set port up
[Install]
WantedBy=sysinit.target
"""


def test_a_boot_enforces_the_lists_before_the_network_is_up(machine):
    machine.run("sed", "-i", "s/^  interfaces: .*/  interfaces: [port]/", "/etc/ntc/ntc.yaml")
    (machine.root / "etc/systemd/system/early-network.service").write_text(
        EARLY_NETWORK.format(address=machine.port_ip))
    machine.run("systemctl", "enable", "early-network")
    machine.power_off()
    machine.unplug()
    blocked, free = machine.pings(), machine.pings(machine.other_peer_ip)
    machine.boot()
    wait_until(lambda: machine.answers(machine.other_peer_ip), "the network is up")
    wait_ready(machine)
    sent, answered = machine.stop_pings(blocked)
    assert machine.stop_pings(free)[1] > 0
    assert sent > 10 and answered == 0
    assert "ordering cycle" not in machine.run("journalctl", "-b", "--no-pager").stdout


def test_removing_detaches_even_what_should_stay(machine):
    machine.run("sed", "-i", "s/^  on_stop: detach$/  on_stop: keep/", "/etc/ntc/ntc.yaml")
    systemctl(machine, "restart")
    wait_until(lambda: active(machine, "ntc-gateway"), "all run again")
    systemctl(machine, "stop")
    assert "ntc_ingress" in machine.programs() and not machine.answers()
    systemctl(machine, "start")
    machine.run("dpkg", "-r", "ntc")
    assert not machine.programs() and machine.answers()
    assert not (machine.root / "usr/sbin/ntc-collector").exists()
    for path in ("/run/ntc", "/run/ntc/bpf"):
        assert machine.run("test", "-e", path, check=False).returncode != 0
    assert (machine.root / "var/lib/ntc/lists.json").exists()
    assert (machine.root / "etc/ntc/ntc.yaml").exists()
    assert "ntc" not in machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout


def test_lists_return_when_it_is_installed_again(machine):
    machine.run("dpkg", "-i", "/root/ntc.deb")
    wait_until(lambda: active(machine, "ntc-gateway"), "all run again")
    wait_ready(machine)
    assert blacklist(machine) == [machine.peer_ip] and not machine.answers()


def test_purging_removes_data(machine):
    machine.run("dpkg", "--purge", "ntc")
    assert machine.answers()
    for path in ("etc/ntc", "var/lib/ntc", "var/lib/ntc-gateway", "etc/systemd/system/ntc.target.wants",
                 "etc/systemd/system/multi-user.target.wants/ntc.target"):
        assert not os.path.lexists(machine.root / path), path
    assert machine.run("dpkg", "-s", "ntc", check=False).returncode != 0
