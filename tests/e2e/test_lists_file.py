"""The lists file: whatever befalls it, nothing is lost, overwritten or let through."""

import json
import os
import time
from pathlib import Path

import pytest

from conftest import run, wait_until


def entries(ntc, name="blacklist"):
    answer = ntc.get(f"/{name}")
    assert answer.status == 200, answer.text
    return [entry["ip"] for entry in answer.json()]


@pytest.fixture
def mock(mock_ntc):
    """NTC without a network that has not been started; `path` is its lists file."""
    mock_ntc.path = Path(mock_ntc.settings["persistence.path"])
    mock_ntc.backup = mock_ntc.path.with_name("lists.json.bak")
    return mock_ntc


def kept_files(ntc):
    """What was put aside: {content: name}."""
    return {path.read_bytes(): path.name for path in ntc.path.parent.glob("lists.json.*")
            if ".broken" in path.name or ".refused" in path.name}


OLDER = '{"blacklist":["192.0.2.1","2001:db8::/32"],"whitelist":["192.0.2.2"]}'
DAMAGED = {
    "empty": b"", "zeros": b"\0" * 4096, "no JSON": b"these are my lists",
    "cut at the start": b"{", "cut in the middle": OLDER[:30].encode(),
    "cut before the end": OLDER[:-1].encode(), "trailing": OLDER.encode() + b"}",
    "an array": b'["192.0.2.1"]', "a text": b'"192.0.2.1"',
    "a list that is none": b'{"blacklist":5}',
    "an object as list": b'{"blacklist":{"ip":"192.0.2.1"},"whitelist":[]}',
    "not UTF-8": b'{"blacklist":["\xff"],"whitelist":[]}',
    "twice the same list": b'{"blacklist":[],"blacklist":["192.0.2.1"],"whitelist":[]}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_put_aside_and_the_version_before_is_used(mock, content):
    """As after a power cut."""
    mock.path.write_bytes(content)
    mock.backup.write_text(OLDER)
    mock.start_all("--mock")
    assert entries(mock) == ["192.0.2.1", "2001:db8::/32"]
    assert entries(mock, "whitelist") == ["192.0.2.2"]
    log = mock.processes["collector"].log()
    assert str(mock.path) in log and "<4>" in log
    assert content in kept_files(mock)
    mock.block("192.0.2.9")
    assert content in kept_files(mock)
    assert "192.0.2.9" in mock.path.read_text() and "192.0.2.1" in mock.path.read_text()
    assert mock.backup.read_text() != "" and "192.0.2.1" in mock.backup.read_text()
    mock.processes["collector"].stop()
    mock.start("collector", "--mock")
    wait_until(lambda: mock.get("/blacklist").status == 200, "the lists are there")
    assert entries(mock) == ["192.0.2.1", "192.0.2.9", "2001:db8::/32"]


def test_a_damaged_file_without_a_version_before_is_kept(mock):
    mock.path.write_bytes(OLDER[:40].encode())
    mock.start_all("--mock")
    assert entries(mock) == []
    mock.block("192.0.2.9")
    assert OLDER[:40].encode() in kept_files(mock)


def test_when_both_versions_are_damaged_both_are_kept(mock):
    mock.path.write_bytes(b"")
    mock.backup.write_bytes(OLDER[:40].encode())
    mock.start_all("--mock")
    mock.block("192.0.2.9")
    everything = [path.read_bytes() for path in mock.path.parent.glob("lists.json*")]
    assert OLDER[:40].encode() in everything
    assert entries(mock) == ["192.0.2.9"]


def test_a_missing_file_is_empty_lists(mock):
    mock.settings["persistence.path"] = os.path.join(mock.folder, "data", "lists.json")
    mock.start("collector", "--mock")
    assert os.path.isdir(os.path.join(mock.folder, "data"))
    mock.start("aggregator")
    mock.start("gateway")
    mock.wait_ready()
    assert entries(mock) == entries(mock, "whitelist") == []
    mock.block("192.0.2.1")
    assert json.loads(Path(mock.settings["persistence.path"]).read_text())["blacklist"]


def test_a_missing_file_with_a_version_before_it_loses_nothing(mock):
    """Somebody was interrupted between two renames."""
    mock.backup.write_text(OLDER)
    mock.start_all("--mock")
    if entries(mock) == []:     # a lists file that was removed on purpose stays removed, but ...
        assert mock.backup.read_text() == OLDER
        mock.block("192.0.2.9")
        assert OLDER in [path.read_text() for path in mock.path.parent.glob("lists.json*")]
    else:
        assert entries(mock) == ["192.0.2.1", "2001:db8::/32"]


def test_older_files_with_strings_alone_are_read(mock):
    mock.path.write_text(OLDER)
    mock.start_all("--mock")
    assert entries(mock) == ["192.0.2.1", "2001:db8::/32"]
    assert entries(mock, "whitelist") == ["192.0.2.2"]
    entry = mock.get("/blacklist").json()[0]
    assert (entry["reason"], entry["expires"], entry["added"]) == ("", None, None)
    assert mock.delete("/blacklist?ip=192.0.2.1").status == 200
    assert kept_files(mock) == {}


def test_single_bad_entries_are_left_out_named_and_kept(mock):
    now = time.time()
    content = json.dumps({"blacklist": [
        "192.0.2.1", "nonsense", 5, None, {}, {"ip": 7}, "10.1.2.3/8", "::ffff:192.0.2.4",
        {"ip": "192.0.2.2", "reason": "good"}, {"ip": "192.0.2.3", "expires": "tomorrow"},
        {"ip": "192.0.2.5", "expires": now - 60}, {"ip": "192.0.2.6", "expires": now + 600},
        {"ip": "192.0.2.7", "colour": "red"}, "192.0.2.1"], "whitelist": []}).encode()
    mock.path.write_bytes(content)
    mock.start_all("--mock")
    assert entries(mock) == ["192.0.2.1", "192.0.2.2", "192.0.2.6", "192.0.2.7"]
    log = mock.processes["collector"].log()
    for words in ('"nonsense"', '"10.1.2.3/8"', "10.0.0.0/8", "entry 3", "entry 10", "colour"):
        assert words in log, words
    assert "192.0.2.5" not in log       # it has expired, nothing is wrong
    assert list(kept_files(mock)) == [content]
    mock.block("192.0.2.9")
    mock.processes["collector"].stop()
    mock.start("collector", "--mock")   # read again, but kept once
    wait_until(lambda: mock.get("/blacklist").status == 200, "the lists are there")
    assert list(kept_files(mock)) == [content]


def test_more_entries_than_there_is_room_for_are_not_lost(mock):
    mock.settings["network.hosts"] = 16
    addresses = [f"192.0.2.{i}" for i in range(30)]
    mock.write_lists(addresses)
    before = mock.path.read_bytes()
    mock.start_all("--mock")
    assert len(entries(mock)) == 16
    log = mock.processes["collector"].log()
    assert "14 entries" in log and "network.hosts" in log
    mock.delete("/blacklist?ip=192.0.2.0")
    assert before in [path.read_bytes() for path in mock.path.parent.glob("lists.json*")]


def test_an_unreadable_file_stops_the_start_and_is_not_touched(mock):
    mock.path.mkdir()
    collector = mock.launch("collector", "--mock")
    assert collector.popen.wait(10) == 1
    assert str(mock.path) in collector.log()
    assert mock.path.is_dir()


# ---- disks that do not take a change ----

@pytest.fixture
def small_disk(ntc):
    """NTC in a namespace with its lists on a tiny disk of their own."""
    disk = Path(ntc.folder, "disk")
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk))
    ntc.settings["persistence.path"] = str(disk / "lists.json")
    ntc.settings["server.token_file"] = os.path.join(ntc.folder, "token")
    ntc.path = disk / "lists.json"
    yield ntc
    run("umount", "-l", str(disk))


def assert_refused(ntc, expected_word):
    """No change is taken, with the reason; the file and what is enforced stay as they were."""
    net, before = ntc.network, ntc.path.read_text()
    for answer in (ntc.post("/blacklist", {"ip": net.third_ip}),
                   ntc.post("/whitelist", {"ip": net.peer_ip}),
                   ntc.post("/blacklist", {"ip": "203.0.113.0/24"}),
                   ntc.delete(f"/blacklist?ip={net.peer_ip}")):
        assert answer.status == 507 and expected_word in answer.json()["error"], answer.text
    assert entries(ntc) == [net.peer_ip] and entries(ntc, "whitelist") == []
    assert ntc.path.read_text() == before
    assert net.ping(net.router_ip, host=net.peer, source=net.peer_ip, timeout=0.2) == 0
    assert net.ping(net.router_ip, host=net.peer, source=net.third_ip) == 3
    assert sorted(path.name for path in ntc.path.parent.glob("*.tmp*")) == []


def assert_taken(ntc):
    net = ntc.network
    assert ntc.delete(f"/blacklist?ip={net.peer_ip}").status == 200
    assert net.ping(net.router_ip, host=net.peer, source=net.peer_ip) == 3
    assert json.loads(ntc.path.read_text()) == {"blacklist": [], "whitelist": []}


def test_on_a_read_only_disk_changes_are_refused_and_enforcement_goes_on(small_disk):
    ntc = small_disk
    ntc.start_all()
    ntc.block(ntc.network.peer_ip)
    run("mount", "-o", "remount,ro", str(ntc.path.parent))
    assert_refused(ntc, "Read-only file system")
    run("mount", "-o", "remount,rw", str(ntc.path.parent))
    assert_taken(ntc)


def test_on_a_full_disk_changes_are_refused_and_enforcement_goes_on(small_disk):
    ntc = small_disk
    ntc.start_all()
    ntc.block(ntc.network.peer_ip)
    filler = ntc.path.parent / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            pass
    assert_refused(ntc, "No space left on device")
    filler.unlink()
    assert_taken(ntc)


def test_an_entry_that_expires_while_the_disk_is_read_only_is_let_through_all_the_same(small_disk):
    ntc = small_disk
    net = ntc.network
    ntc.start_all()
    ntc.block(net.peer_ip, ttl=2)
    run("mount", "-o", "remount,ro", str(ntc.path.parent))
    assert net.ping(net.router_ip, host=net.peer, source=net.peer_ip, count=1, timeout=0.2) == 0
    wait_until(lambda: net.ping(net.router_ip, host=net.peer, source=net.peer_ip, count=1,
                                timeout=0.3) == 1, "it has expired")
    wait_until(lambda: entries(ntc) == [], "it is gone from the list")
    run("mount", "-o", "remount,rw", str(ntc.path.parent))


def test_a_collector_that_starts_on_a_read_only_disk_enforces_what_is_there(small_disk):
    ntc = small_disk
    net = ntc.network
    ntc.write_lists([net.peer_ip])
    run("mount", "-o", "remount,ro", str(ntc.path.parent))
    ntc.start_all()
    assert_refused(ntc, "Read-only file system")
    run("mount", "-o", "remount,rw", str(ntc.path.parent))


# ---- size ----

def test_50000_entries_load_fast_and_change_fast(mock):
    addresses = [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(40000)]
    prefixes = [f"100.{i >> 8}.{i & 255}.0/24" for i in range(10000)]
    mock.write_lists([{"ip": address, "reason": "imported"} for address in addresses] + prefixes)
    begin = time.monotonic()
    mock.start("collector", "--mock")
    assert time.monotonic() - begin < 2
    mock.start("aggregator")
    mock.start("gateway")
    mock.wait_ready()
    begin = time.monotonic()
    assert mock.post("/blacklist", {"ip": "192.0.2.1"}).status == 200
    assert mock.post("/blacklist", {"ip": "192.0.0.0/16"}).status == 200
    assert mock.delete("/blacklist?ip=10.0.0.7").status == 200
    assert time.monotonic() - begin < 3
    found = entries(mock)
    assert len(found) == 50001 and "192.0.2.1" in found and "10.0.0.7" not in found
    assert len(json.loads(mock.path.read_text())["blacklist"]) == 50001
