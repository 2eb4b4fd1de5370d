"""Nobody is locked out by mistake: changes that would cut off who is needed, and ways back."""

from pathlib import Path

import pytest

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
