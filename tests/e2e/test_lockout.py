"""Nobody is locked out by mistake: changes that would cut off who is needed, and ways back."""

import contextlib
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import run, wait_until

GATEWAY = "198.51.100.9"


@pytest.fixture
def routed(ntc):
    """NTC on a router whose default gateway is GATEWAY, with DNS of its own."""
    ntc.network.router.run("ip", "route", "add", "default", "via", GATEWAY)
    ntc.network.router.run("ip", "-6", "route", "add", "default", "via", "fe80::9", "dev", "port")
    ntc.settings["server.trusted_proxies"] = "[127.0.0.1]"
    ntc.start_all()
    return ntc


def as_client(ntc, address):
    """Headers of an administrator on another host."""
    token = Path(ntc.folder, "admin.token").read_text().strip()
    return {"X-Forwarded-For": address, "Authorization": f"Bearer {token}"}


def add(ntc, name, ip, client="203.0.113.80", **more):
    return ntc.post(f"/{name}", {"ip": ip, **more}, as_client(ntc, client))


def remove(ntc, name, ip, client="203.0.113.80", **more):
    query = "".join(f"&{key}={value}" for key, value in more.items())
    return ntc.request("DELETE", f"/{name}?ip={ip}{query}", headers=as_client(ntc, client))


def ips(ntc, name="blacklist"):
    return [entry["ip"] for entry in ntc.get(f"/{name}", headers=as_client(ntc, "203.0.113.80"))
            .json()]


@pytest.mark.parametrize("ip, whom", [
    (GATEWAY, f"{GATEWAY} (default gateway)"),
    ("198.51.100.0/24", f"{GATEWAY} (default gateway), 198.51.100.1 (the router itself)"),
    ("fe80::/64", "fe80::9 (default gateway)"),
    ("2001:db8::1", "2001:db8::1 (the router itself)"),
    ("203.0.113.80", "203.0.113.80 (who asks for it)"),
    ("0.0.0.0/0", "203.0.113.80 (who asks for it)"),
])
def test_blocking_who_is_needed_is_refused_with_the_reason_unless_forced(routed, ip, whom):
    answer = add(routed, "blacklist", ip)
    assert answer.status == 409
    assert answer.json()["ok"] is False
    assert answer.json()["code"] == "lock_out"
    assert whom in answer.json()["error"]
    assert ips(routed) == []
    if "/" not in ip:
        assert add(routed, "blacklist", ip, force=True).status == 200
        assert ips(routed) == [ip]


def test_what_protects_somebody_stays_unless_forced(routed):
    assert add(routed, "whitelist", "198.51.100.0/24").status == 200
    assert add(routed, "blacklist", GATEWAY).status == 200      # it is whitelisted: not cut off
    answer = remove(routed, "whitelist", "198.51.100.0/24")
    assert answer.status == 409
    assert answer.json()["code"] == "lock_out"
    assert f"{GATEWAY} (default gateway)" in answer.json()["error"]
    assert add(routed, "whitelist", "198.51.100.0/24", ttl=60).status == 409
    assert ips(routed, "whitelist") == ["198.51.100.0/24"]
    assert remove(routed, "whitelist", "198.51.100.0/24", force="true").status == 200


def test_a_list_that_is_full_says_so_in_another_word(ntc):
    ntc.settings["network.hosts"] = "16"
    ntc.start_all()
    for i in range(16):
        ntc.block(f"192.0.2.{i}")
    answer = ntc.post("/blacklist", {"ip": "192.0.2.99", "force": True})
    assert (answer.status, answer.json()["code"]) == (409, "full")


# ---- changes that undo themselves ----

def unconfirmed(ntc):
    return {change["change"]: change for change in ntc.get("/api/unconfirmed").json()}


def settle(ntc, how, change):
    return ntc.post(f"/api/{how}", {"change": change})


def blocked(ntc):
    """Whether packets of the peer are dropped now."""
    return ntc.network.ping(ntc.network.peer_ip, count=1, timeout=0.5) == 0


def test_an_unconfirmed_block_is_undone_and_a_confirmed_one_stays(ntc):
    ntc.start_all()
    peer, third = ntc.network.peer_ip, ntc.network.third_ip
    stays = ntc.block(third, confirm_s=2, ttl=3600)
    ends = ntc.block(peer, confirm_s=2)
    assert 0 < ends["unconfirmed_until"] - time.time() <= 2
    assert blocked(ntc)
    assert {change["ip"] for change in unconfirmed(ntc).values()} == {peer, third}
    entry = next(entry for entry in ntc.get("/blacklist").json() if entry["ip"] == third)
    assert entry["unconfirmed_until"] == pytest.approx(stays["unconfirmed_until"], abs=0.1)
    assert entry["ttl"] > 3000
    assert settle(ntc, "confirm", stays["change"]).status == 200
    wait_until(lambda: not blocked(ntc), "the block has ended")
    wait_until(lambda: unconfirmed(ntc) == {}, "nothing waits")
    assert [entry["ip"] for entry in ntc.get("/blacklist").json()] == [third]
    assert settle(ntc, "confirm", ends["change"]).status == 404
    assert "undone" in ntc.processes["collector"].log()


def test_a_removal_comes_back_unless_it_is_confirmed(ntc):
    ntc.start_all()
    peer = ntc.network.peer_ip
    ntc.block(peer, reason="mine")
    answer = ntc.delete(f"/blacklist?ip={peer}&confirm_s=1").json()
    assert unconfirmed(ntc)[answer["change"]]["action"] == "remove"
    assert not blocked(ntc)
    wait_until(lambda: blocked(ntc), "it is blocked again")
    assert ntc.get("/blacklist").json()[0]["reason"] == "mine"
    answer = ntc.delete(f"/blacklist?ip={peer}&confirm_s=3600").json()
    assert settle(ntc, "undo", answer["change"]).status == 200
    assert blocked(ntc)
    answer = ntc.delete(f"/blacklist?ip={peer}&confirm_s=3600").json()
    assert settle(ntc, "confirm", answer["change"]).status == 200
    assert not blocked(ntc)
    assert unconfirmed(ntc) == {}


def test_the_kernel_ends_an_unconfirmed_block_when_all_of_ntc_is_dead(ntc):
    ntc.start_all()
    peer = ntc.network.peer_ip
    ntc.allow(ntc.network.third_ip)
    ntc.block(peer, confirm_s=3)
    gone = ntc.delete(f"/whitelist?ip={ntc.network.third_ip}&confirm_s=3").json()
    assert gone["change"]
    for name in ("gateway", "aggregator", "collector"):
        ntc.processes[name].stop(signal.SIGKILL)
    assert blocked(ntc)
    wait_until(lambda: not blocked(ntc), "the kernel has ended it")
    ntc.start("collector").wait_log("nobody confirmed in time")
    ntc.start("gateway")
    wait_until(lambda: ntc.get("/blacklist").status == 200, "the lists are there")
    assert ntc.get("/blacklist").json() == []
    assert [entry["ip"] for entry in ntc.get("/whitelist").json()] == [ntc.network.third_ip]
    assert unconfirmed(ntc) == {}


def test_changes_wait_over_a_restart_of_the_collector(ntc):
    ntc.start_all()
    peer = ntc.network.peer_ip
    answer = ntc.block(peer, confirm_s=600)
    ntc.processes["collector"].stop(signal.SIGKILL)
    ntc.start("collector")
    wait_until(lambda: ntc.get("/blacklist").status == 200, "the lists are there")
    assert list(unconfirmed(ntc)) == [answer["change"]]
    assert blocked(ntc)
    assert settle(ntc, "undo", answer["change"]).status == 200
    assert not blocked(ntc)


def test_bad_conditions_are_told(mock_ntc):
    mock_ntc.start_all("--mock")
    for body, word in (({"confirm_s": 0}, "confirm_s"), ({"confirm_s": 3601}, "confirm_s"),
                       ({"confirm_s": "60"}, "confirm_s"),
                       ({"confirm_s": 60, "ttl": 60}, "less than ttl")):
        answer = mock_ntc.post("/blacklist", {"ip": "192.0.2.1", **body})
        assert (answer.status, word in answer.json()["error"]) == (400, True), answer.text
    for change in ("", "xyz", "0123456789ABCDEF", "5f0c6d1be2a94c0"):
        assert settle(mock_ntc, "confirm", change).status == 400
    assert settle(mock_ntc, "confirm", "5f0c6d1be2a94c03").status == 404
    assert mock_ntc.get("/blacklist").json() == []


# ---- ntc-collector --flush ----

def flush(ntc):
    """Run it as a person on the router would: its exit code and what it says."""
    done = subprocess.run(ntc.network.router.command(*ntc.command("collector", "--flush")),
                          capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def flushed(ntc):
    return [path for path in Path(ntc.folder).iterdir() if ".flushed" in path.name]


def test_flush_gives_the_network_back_while_all_runs(ntc):
    ntc.start_all()
    peer = ntc.network.peer_ip
    ntc.block(peer)
    ntc.block("192.0.2.0/24", confirm_s=600)
    ntc.allow("203.0.113.0/24")
    assert blocked(ntc)
    code, said = flush(ntc)
    assert code == 0, said
    assert "3 entries removed" in said
    assert not blocked(ntc)
    assert ntc.get("/blacklist").json() == ntc.get("/whitelist").json() == []
    assert unconfirmed(ntc) == {}
    (kept,) = flushed(ntc)
    assert str(kept) in said
    assert peer in kept.read_text()
    ntc.block(peer)                         # it goes on as ever
    assert blocked(ntc)
    assert peer in Path(ntc.settings["persistence.path"]).read_text()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_flush_needs_no_other_part(ntc, how):
    ntc.settings["network.on_stop"] = "keep"
    ntc.start_all()
    ntc.block(ntc.network.peer_ip)
    collector = ntc.processes["collector"]
    if how == signal.SIGKILL:
        collector.stop(how)
    else:
        collector.popen.send_signal(how)
    path = Path(ntc.settings["persistence.path"])
    if how == signal.SIGKILL:
        path.write_text("{ broken")
    code, said = flush(ntc)
    assert not blocked(ntc)
    assert code == (0 if how == signal.SIGKILL else 1), said     # it may come back: that is told
    assert not path.exists() and flushed(ntc)
    if how == signal.SIGSTOP:
        assert "restart it" in said
        collector.stop(signal.SIGKILL)
    ntc.start("collector")
    wait_until(lambda: ntc.get("/blacklist").status == 200, "the lists are there")
    assert ntc.get("/blacklist").json() == []
    assert not blocked(ntc)


def test_flush_works_on_a_full_disk(ntc):
    folder = Path(ntc.folder, "small")
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    try:
        ntc.settings["persistence.path"] = str(folder / "lists.json")
        ntc.start_all()
        ntc.block(ntc.network.peer_ip)
        with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        assert ntc.post("/blacklist", {"ip": "192.0.2.1"}).status == 507
        code, said = flush(ntc)
        assert code == 0, said
        assert not blocked(ntc)
        assert ntc.get("/blacklist").json() == []
        assert [path.name for path in folder.glob("lists.json.flushed*")]
    finally:
        ntc.processes["collector"].stop(signal.SIGKILL)
        run("umount", "-l", str(folder))


def test_flush_detaches_when_the_maps_cannot_be_reached(ntc):
    ntc.start_all()
    ntc.block(ntc.network.peer_ip)
    ntc.processes["collector"].stop(signal.SIGKILL)
    assert blocked(ntc)
    run("umount", "-l", ntc.bpffs)
    code, said = flush(ntc)
    assert code == 0, said
    assert not blocked(ntc)
