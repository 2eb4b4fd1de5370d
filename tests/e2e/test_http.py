"""HTTP as people, scripts, and those who mean harm use it."""

import contextlib
import http.client
import json
import os
import re
import select
import signal
import socket
import stat
import time
import urllib.parse
from pathlib import Path

import pytest

from conftest import Ntc, Process, wait_until

LISTS = ("blacklist", "whitelist")
TOKEN = "a-token-that-is-long-enough"


@pytest.fixture(scope="module")
def shared():
    """One NTC on synthetic traffic for all tests that leave it as it was."""
    made = Ntc()
    made.start_all("--mock")
    yield made
    made.close()


@pytest.fixture
def web(shared):
    """The shared one, with empty lists."""
    for name in LISTS:
        for entry in shared.get(f"/{name}").json():
            shared.delete(f"/{name}?ip={urllib.parse.quote(entry['ip'])}")
    return shared


class Answer:
    """The status, headers and body of an answer on a plain socket."""

    def __init__(self, connection, method="GET"):
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        self.status, self.headers = answer.status, answer.headers
        self.body = answer.read()

    def json(self):
        return json.loads(self.body)


def port_of(ntc):
    return urllib.parse.urlsplit(ntc.url).port


def connect(ntc, timeout=10):
    return socket.create_connection(("127.0.0.1", port_of(ntc)), timeout)


def raw(ntc, text, method="GET"):
    """Send the bytes as they are; return the answer, or None when the server hangs up."""
    with connect(ntc) as connection:
        connection.sendall(text if isinstance(text, bytes) else text.encode())
        try:
            return Answer(connection, method)
        except (http.client.BadStatusLine, ConnectionResetError):
            return None


def request_text(ntc, method, path, headers="", body="", host=None):
    return (f"{method} {path} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{port_of(ntc)}'}\r\n"
            f"{headers}\r\n{body}")


def assert_error(answer, status, *words):
    """The status and a sentence that names all words."""
    assert answer.status == status, answer.body
    body = answer.json()
    assert set(body) == {"ok", "error"} | ({"code"} if status == 409 else set())
    assert body["ok"] is False
    for word in words:
        assert word in body["error"], body["error"]


def saved(ntc):
    """The lists file: {"blacklist": [addresses], ...}."""
    with open(ntc.settings["persistence.path"]) as file:
        lists = json.load(file)
    assert set(lists) - {"clock"} == set(LISTS)
    return {name: [entry if isinstance(entry, str) else entry["ip"] for entry in lists[name]]
            for name in LISTS}


# ---- lists ----

@pytest.mark.parametrize("name", LISTS)
def test_empty_lists_are_empty_arrays(web, name):
    answer = web.get(f"/{name}")
    assert answer.status == 200 and answer.body == b"[]"
    assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("given,canonical,version", [
    ("192.0.2.1", "192.0.2.1", 4),
    ("10.0.0.0/8", "10.0.0.0/8", 4),
    ("0.0.0.0/0", "0.0.0.0/0", 4),
    ("192.0.2.1/32", "192.0.2.1", 4),
    ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", 6),
    ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", 6),        # RFC 5952: one zero is no "::"
    ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1", 6),                 # the longest run
    ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", 6),           # the first of equal ones
    ("2001:0db8::0001", "2001:db8::1", 6),
    ("2001:db8::/32", "2001:db8::/32", 6),
    ("2001:0DB8:0000::/48", "2001:db8::/48", 6),
    ("::/0", "::/0", 6),
    ("::1", "::1", 6),
])
def test_entries_are_added_listed_saved_and_removed(web, name, given, canonical, version):
    other = LISTS[1 - LISTS.index(name)]
    assert web.post(f"/{name}", {"ip": given}).json() \
        == {"ok": True, "ip": canonical, "version": version}
    entries = web.get(f"/{name}").json()
    assert [(entry["ip"], entry["version"]) for entry in entries] == [(canonical, version)]
    assert web.get(f"/{other}").json() == []
    assert saved(web) == {name: [canonical], other: []}
    answer = web.delete(f"/{name}?ip={urllib.parse.quote(given, safe='')}")
    assert answer.json() == {"ok": True, "ip": canonical, "version": version}
    assert web.get(f"/{name}").body == b"[]"
    assert saved(web) == {name: [], other: []}


def test_an_entry_with_ttl_and_reason_tells_both_and_leaves_by_itself(web):
    reason = 'brute force "ssh" \\ päckchen <script>'
    # addresses that the synthetic traffic does not have: no hits
    web.block("240.0.2.0/24", ttl=3600, reason=reason)
    web.block("240.0.2.7", ttl=2)
    kept, brief = web.get("/blacklist").json()
    assert kept["reason"] == reason and 3590 <= kept["ttl"] <= 3600
    assert abs(kept["expires"] - time.time() - 3600) < 10
    assert abs(kept["added"] - time.time()) < 10
    assert kept["hits"] == {"packets": 0, "bytes": 0, "last": None}
    assert (brief["ip"], brief["reason"]) == ("240.0.2.7", "") and brief["ttl"] <= 2
    wait_until(lambda: len(web.get("/blacklist").json()) == 1, "one is gone")
    wait_until(lambda: saved(web)["blacklist"] == ["240.0.2.0/24"], "from the file, too")
    forever = web.post("/blacklist", {"ip": "240.0.2.0/24", "ttl": None, "reason": None})
    assert forever.status == 200            # the same entry gets new values
    entry, = web.get("/blacklist").json()
    assert (entry["ttl"], entry["expires"], entry["reason"]) == (None, None, "")


def test_entries_are_in_order_of_address_and_survive_a_restart(mock_ntc):
    mock_ntc.start_all("--mock")
    for ip in ("192.0.2.9", "10.0.0.0/8", "2001:db8::1", "10.0.0.1", "192.0.2.10"):
        mock_ntc.block(ip, reason=f"reason of {ip}")
    before = mock_ntc.get("/blacklist").json()
    assert [entry["ip"] for entry in before] \
        == ["10.0.0.0/8", "10.0.0.1", "192.0.2.9", "192.0.2.10", "2001:db8::1"]
    mock_ntc.processes["collector"].stop()
    mock_ntc.start("collector", "--mock")
    wait_until(lambda: mock_ntc.get("/blacklist").status == 200, "the lists are back")
    after = mock_ntc.get("/blacklist").json()
    for entry, same in zip(before, after):
        assert abs(entry.pop("added") - same.pop("added")) < 0.002
        assert entry.pop("hits") and same.pop("hits")
    assert after == before


@pytest.mark.parametrize("name", LISTS)
def test_removing_what_is_not_listed_is_404(web, name):
    web.block("192.0.2.0/24")
    for ip in ("192.0.2.1", "192.0.2.0/25", "192.0.0.0/16", "192.0.2.0", "2001:db8::1"):
        assert_error(web.delete(f"/{name}?ip={ip}"), 404, ip)
    assert len(web.get("/blacklist").json()) == 1
    web.delete("/blacklist?ip=192.0.2.0/24")
    assert_error(web.delete("/blacklist?ip=192.0.2.0/24"), 404)


def test_a_full_list_says_so_and_loses_nothing(mock_ntc):
    mock_ntc.settings.update({"network.hosts": 16, "network.prefixes": 16})
    mock_ntc.start_all("--mock")
    for i in range(16):
        mock_ntc.block(f"192.0.2.{i}")
        mock_ntc.block(f"10.{i}.0.0/16")
    assert_error(mock_ntc.post("/blacklist", {"ip": "192.0.2.100"}), 409, "full")
    assert_error(mock_ntc.post("/blacklist", {"ip": "10.99.0.0/16"}), 409, "full")
    assert len(mock_ntc.get("/blacklist").json()) == len(saved(mock_ntc)["blacklist"]) == 32
    mock_ntc.block("192.0.2.3", reason="stands there already")
    assert mock_ntc.delete("/blacklist?ip=192.0.2.3").status == 200
    mock_ntc.block("192.0.2.100")


BAD_BODIES = [
    # body, words of the answer
    (b"", "JSON"),
    (b"{", "JSON"),
    (b'{"ip":"192.0.2.1"', "JSON"),
    (b'{"ip":"192.0.2.1"} x', "JSON"),
    (b'{"ip":"192.0.2.1","ip":"192.0.2.2"}', "JSON"),
    (b'{"ip":"\xff\xfe"}', "JSON"),
    (b'{"ip":"192.0.2.1\\u0000"}', "JSON"),
    (b"[]", "object"),
    (b'"192.0.2.1"', ""),
    (b"null", ""),
    (b"{}", "ip"),
    (b'{"ip":null}', "ip"),
    (b'{"ip":42}', "ip"),
    (b'{"ip":["192.0.2.1"]}', "ip"),
    (b'{"address":"192.0.2.1"}', "address"),
    (b'{"ip":"192.0.2.1","tll":5}', "tll"),
    (b'{"ip":"192.0.2.1","ttl":"5"}', "ttl"),
    (b'{"ip":"192.0.2.1","ttl":5.5}', "ttl"),
    (b'{"ip":"192.0.2.1","ttl":0}', "ttl"),
    (b'{"ip":"192.0.2.1","ttl":-1}', "ttl"),
    (b'{"ip":"192.0.2.1","ttl":99999999999}', "ttl"),
    (b'{"ip":"192.0.2.1","ttl":1e999}', ""),
    (b'{"ip":"192.0.2.1","ttl":99999999999999999999}', ""),
    (b'{"ip":"192.0.2.1","reason":5}', "reason"),
    (b'{"ip":"192.0.2.1","reason":"' + b"x" * 300 + b'"}', "reason"),
    (b'{"ip":"192.0.2.1","reason":"a\\nb"}', "reason"),
    (b"[" * 5000 + b"]" * 5000, "nested"),
    (b'{"ip":' * 40 + b"1" + b"}" * 40, "nested"),
]


@pytest.mark.parametrize("body,word", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_bad_body_is_refused_with_a_sentence(web, body, word):
    assert_error(web.post("/blacklist", body), 400, word)
    assert web.get("/blacklist").body == b"[]"


BAD_ADDRESSES = ["", " ", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.04", "1.2.3.4 ",
                 "0x1.2.3.4", "1.2.3.4/33", "1.2.3.4/", "1.2.3.0/-1", "1.2.3.0/024", "1.2.3.4/24",
                 "10.0.0.1/8", ":::", "2001:db8::1::2", "2001:db8::/129", "2001:db8::1/64",
                 "fe80::1%eth0", "::ffff:192.0.2.1", "::FFFF:c000:201", "::ffff:0:0/96", "12345::",
                 "1:2:3:4:5:6:7", "[::1]", "1.2.3.4:80", "ⅰ.2.3.4", "x" * 3000]


@pytest.mark.parametrize("ip", BAD_ADDRESSES, ids=lambda ip: ip[:30] or "empty")
def test_a_bad_address_is_refused_with_a_sentence(web, ip):
    for answer in (web.post("/blacklist", {"ip": ip}),
                   web.post("/whitelist", {"ip": ip}),
                   web.delete(f"/blacklist?ip={urllib.parse.quote(ip, safe='')}")):
        assert_error(answer, 400)
        assert len(answer.json()["error"]) < 300
    assert web.get("/blacklist").body == web.get("/whitelist").body == b"[]"


def test_the_sentence_says_what_would_be_right(web):
    assert_error(web.post("/blacklist", {"ip": "10.1.2.3/8"}), 400, '"10.1.2.3/8"', "10.0.0.0/8")
    assert_error(web.post("/blacklist", {"ip": "::ffff:192.0.2.1"}), 400, "write 192.0.2.1")
    assert_error(web.post("/blacklist", {"ip": "1.2.3.4/99"}), 400, "/0 to /32")
    assert_error(web.delete("/blacklist"), 400, "?ip=")
    assert_error(web.delete("/blacklist?ip=1.2.3.4&x=1"), 400, '"x"')
    assert_error(web.delete("/blacklist?ip=1.2.3.4&ip=1.2.3.5"), 400, "twice")
    assert_error(web.delete("/blacklist?ip=%zz"), 400, "escape")
    assert_error(web.get("/blacklist?limit=1"), 400, "limit")


def test_the_lists_file_is_whole_after_every_change(web):
    expected = []
    path = Path(web.settings["persistence.path"])
    for i in range(40):
        ip = (f"10.0.{i}.0/24", f"2001:db8::{i:x}", f"192.0.2.{i}")[i % 3]
        before = path.read_text()
        web.block(ip, reason=f"number {i}")
        expected.append(ip)
        assert sorted(saved(web)["blacklist"]) == sorted(expected)
        assert path.with_name(path.name + ".bak").read_text() == before
        if i % 4 == 3:
            gone = expected.pop(i // 2 - i // 4)
            assert web.delete(f"/blacklist?ip={gone}").status == 200
            assert sorted(saved(web)["blacklist"]) == sorted(expected)
    assert sorted(entry["ip"] for entry in web.get("/blacklist").json()) == sorted(expected)
    assert {found.name for found in path.parent.glob("lists.json*")} \
        == {"lists.json", "lists.json.bak"}


# ---- size and type of bodies ----

def test_a_body_of_10_mb_is_refused(web):
    begin = time.monotonic()
    assert_error(web.post("/blacklist", b'{"ip":"' + b"1" * 10_000_000 + b'"}'), 413)
    assert time.monotonic() - begin < 5
    assert_error(web.post("/blacklist", b" " * 70_000), 413)
    assert web.get("/blacklist").body == b"[]"


@pytest.mark.parametrize("content_type", [
    "text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "application/jsonx", "application/octet-stream", ""])
def test_only_json_is_taken_as_a_body(web, content_type):
    """The other types are what a page of another site can send without asking."""
    answer = web.request("POST", "/blacklist", b'{"ip":"192.0.2.1"}',
                         {"Content-Type": content_type})
    assert_error(answer, 415, "application/json")
    assert web.get("/blacklist").body == b"[]"


def test_json_with_a_charset_or_in_chunks_is_taken(web):
    answer = web.request("POST", "/blacklist", b'{"ip":"192.0.2.1"}',
                         {"Content-Type": "application/json; charset=utf-8"})
    assert answer.status == 200
    body = '9\r\n{"ip":"19\r\na\r\n2.0.2.2"} \r\n0\r\n\r\n'
    answer = raw(web, request_text(web, "POST", "/blacklist",
                                   "Content-Type: application/json\r\n"
                                   "Transfer-Encoding: chunked\r\n", body), "POST")
    assert answer.status == 200 and answer.json()["ip"] == "192.0.2.2"


def test_a_body_without_length_is_refused(web):
    answer = raw(web, request_text(web, "POST", "/blacklist", "Content-Type: application/json\r\n"),
                 "POST")
    assert_error(answer, 411)


# ---- methods and paths ----

ROUTES = {
    "/blacklist": "GET, HEAD, POST, DELETE", "/whitelist": "GET, HEAD, POST, DELETE",
    "/events": "GET, HEAD", "/metrics": "GET, HEAD", "/api/summary": "GET, HEAD",
    "/api/flows": "GET, HEAD", "/api/ips": "GET, HEAD", "/api/history": "GET, HEAD",
    "/healthz": "GET, HEAD", "/readyz": "GET, HEAD", "/": "GET, HEAD",
    "/api/login": "POST", "/api/logout": "POST",
}


@pytest.mark.parametrize("path", ROUTES)
def test_another_method_is_405_with_allow(web, path):
    for method in ("PUT", "PATCH", "OPTIONS", "PROPFIND", "GET", "POST", "DELETE"):
        if method in ROUTES[path].split(", "):
            continue
        if method in ("PUT", "PATCH", "POST", "PROPFIND"):
            text = request_text(web, method, path, "Content-Length: 2\r\n", "{}")
            answer = raw(web, text, method)
        else:
            answer = raw(web, request_text(web, method, path), method)
        assert answer.status == 405, (method, answer.status, answer.body)
        assert answer.headers["Allow"] == ROUTES[path], method
        assert_error(answer, 405)


@pytest.mark.parametrize("method", ["BREW", "TRACE", "CONNECT", "get", "G\x01T", "x" * 100])
def test_an_unknown_method_is_refused(web, method):
    answer = raw(web, request_text(web, method, "/healthz"))
    assert answer is None or answer.status in (400, 405, 501)


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/", "/blacklist/", "/blacklistfoo",
                                  "/blacklist/x", "/Blacklist", "/metrics/", "/healthz/x",
                                  "/eventsx", "/api/summary/", "/.htpasswd", "/etc/passwd",
                                  "/index.php"])
def test_unknown_paths_are_404(web, path):
    assert_error(web.get(path), 404)
    assert_error(web.request("POST", path, b"{}", {"Content-Type": "application/json"}), 404)


@pytest.mark.parametrize("path", [
    "/api%2fsummary", "/%62lacklist", "/%2e%2e/healthz", "/..%2fhealthz", "/x/%2e%2e/healthz",
    "/api/..%2f..%2fhealthz", "/healthz%00", "/healthz%0d%0aX-Evil:1", "/%", "/%zz", "/healthz;x",
    "/../healthz", "/x/../healthz", "/./healthz", "//healthz", "/api//summary", "/healthz/.",
    "/..", "/../../../../etc/passwd", "/\\healthz", "/x\\..\\healthz"])
def test_paths_are_taken_as_they_are(web, path):
    """Nothing is decoded, joined or cleaned up on the way to a handler."""
    answer = raw(web, request_text(web, "GET", path))
    assert answer is None or answer.status in (400, 404), answer.body
    assert answer is None or "X-Evil" not in answer.headers


def test_absolute_uris_serve_only_this_host(web):
    answer = raw(web, request_text(web, "GET", "http://evil.example/healthz"))
    assert answer is None or answer.status >= 400


# ---- who may do what ----

@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example",
                                  "127.0.0.1.evil.example", "", "@", "a b", "127.0.0.1:99999999"])
def test_a_forged_host_is_refused(web, host):
    """DNS rebinding: another site's name that points here."""
    for method, path in (("GET", "/api/summary"), ("GET", "/events"), ("GET", "/"),
                         ("DELETE", "/blacklist?ip=192.0.2.1")):
        with connect(web) as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            answer = Answer(connection, method)
        assert answer.status in (400, 403), (method, path)


def test_there_must_be_one_host(web):
    assert_error(raw(web, "GET /healthz HTTP/1.1\r\n\r\n"), 400, "Host")
    assert_error(raw(web, request_text(web, "GET", "/healthz", "Host: localhost\r\n")), 400, "Host")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "127.0.0.1:8086",
                                  "[::1]:80"])
def test_this_host_may_change_lists_without_a_token(web, host):
    answer = raw(web, request_text(web, "DELETE", "/blacklist?ip=192.0.2.1", host=host), "DELETE")
    assert_error(answer, 404)


@pytest.mark.parametrize("headers", [
    "Origin: http://evil.example", "Origin: null", "Origin: http://127.0.0.1:1",
    "Origin: https://127.0.0.1.evil.example", "Sec-Fetch-Site: cross-site",
    "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site"])
def test_a_foreign_page_may_not_change_anything(web, headers):
    for method, path, body in (("POST", "/blacklist", '{"ip":"192.0.2.1"}'),
                               ("DELETE", "/blacklist?ip=192.0.2.1", ""),
                               ("POST", "/api/login", '{"token":"x"}')):
        more = f"{headers}\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n"
        answer = raw(web, request_text(web, method, path, more, body), method)
        assert_error(answer, 403)
    assert web.get("/blacklist").body == b"[]"


def test_our_own_page_may(web):
    own = f"http://127.0.0.1:{port_of(web)}"
    answer = web.post("/blacklist", {"ip": "192.0.2.1"},
                      {"Origin": own, "Sec-Fetch-Site": "same-origin"})
    assert answer.status == 200


def test_another_hosts_name_or_a_proxy_in_between_needs_the_token(web):
    """A browser on this host that was led to one of its other addresses; a proxy on this host."""
    for host, headers in (("192.0.2.77", ""), (None, "X-Forwarded-For: 203.0.113.5\r\n"),
                          (None, "Forwarded: for=203.0.113.5\r\n")):
        body = '{"ip":"192.0.2.1"}'
        headers += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        assert_error(raw(web, request_text(web, "POST", "/blacklist", headers, body, host), "POST"),
                     401, "token")
        token = Path(web.folder, "admin.token").read_text().strip()
        headers += f"Authorization: Bearer {token}\r\n"
        assert raw(web, request_text(web, "POST", "/blacklist", headers, body, host),
                   "POST").status == 200


def test_nothing_ever_allows_another_origin(web):
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "DELETE",
             "Access-Control-Request-Headers": "content-type"}
    for method in ("OPTIONS", "GET", "HEAD"):
        for path in (*ROUTES, "/nothing"):
            if path == "/events" and method == "GET":
                continue
            answer = web.request(method, path, headers=asked)
            assert not [name for name in answer.headers if "access-control" in name.lower()]
    with web.watch() as stream:
        assert not [name for name in stream.headers if "access-control" in name]


def test_every_answer_has_the_security_headers(web):
    answers = [web.get(path) for path in ("/", "/healthz", "/metrics", "/blacklist", "/nothing",
                                          "/api/flows?limit=x", "/api/summary")]
    answers += [web.request("PUT", "/blacklist"), web.post("/blacklist", b"{"),
                raw(web, "GET /healthz HTTP/1.1\r\n\r\n"), raw(web, "nonsense\r\n\r\n")]
    for answer in answers:
        if answer is None:
            continue
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in answer.headers
    with web.watch() as stream:
        assert stream.headers["x-content-type-options"] == "nosniff"
        assert "no-store" in stream.headers["cache-control"]


def test_the_admin_token_works_from_another_host_and_nothing_else_does(network, mock_ntc):
    """The gateway in a namespace, its client in another one."""
    mock_ntc.settings.update({"server.listen": "0.0.0.0", "server.read_token": ""})
    mock_ntc.start("collector", "--mock").wait_log("mock")
    mock_ntc.start("aggregator")
    gateway = Process("gateway", network.router.command(*mock_ntc.command("gateway")),
                      mock_ntc.folder)
    mock_ntc.processes["gateway"] = gateway
    port = int(gateway.wait_log(r"http://127\.0\.0\.1:(\d+)").group(1))
    token_file = Path(mock_ntc.folder, "admin.token")
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    token = token_file.read_text().strip()
    assert re.fullmatch(r"[0-9a-f]{64}", token)

    def ask(method, path, host=network.router_ip, body=None, **headers):
        connection = http.client.HTTPConnection(network.router_ip, port, timeout=10)
        with network.peer.inside():
            connection.connect()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Host": f"{host}:{port}", **headers})
        answer = connection.getresponse()
        answer.body = answer.read()
        answer.json = lambda: json.loads(answer.body)
        connection.close()
        return answer

    wait_until(lambda: ask("GET", "/readyz").status == 200, "ready")
    for path in ("/", "/metrics", "/blacklist", "/api/summary"):
        assert ask("GET", path).status == 200, path     # reading is open
    add = dict(body='{"ip":"192.0.2.1"}', Content_Type="application/json")
    for host in (network.router_ip, "127.0.0.1", "localhost"):
        for more in ({}, {"Authorization": "Basic " + token}, {"Cookie": "ntc_session=" + token},
                     {"X_Forwarded_For": "127.0.0.1"}):
            assert ask("POST", "/blacklist", host, **add, **more).status in (401, 403)
            assert ask("DELETE", "/blacklist?ip=192.0.2.1", host, **more).status in (401, 403)
    assert ask("GET", "/api/config").status in (401, 403)
    assert ask("GET", "/blacklist").body == b"[]"
    answer = ask("POST", "/blacklist", **add, Authorization=f"Bearer {token}")
    assert answer.status == 200, answer.body
    assert ask("DELETE", "/blacklist?ip=192.0.2.1", Authorization=f"Bearer {token}").status == 200
    assert token.encode() not in ask("GET", "/api/config", Authorization=f"Bearer {token}").body
    assert ask("POST", "/blacklist", "evil.example", **add,
               Authorization=f"Bearer {token}").status == 403

    wrong = [ask("POST", "/blacklist", **add, Authorization="Bearer " + "0" * 64).status
             for _ in range(12)]
    assert wrong[0] == 401 and wrong[-1] == 429     # guessing becomes slow

    # One host may not take all connections.
    with network.peer.inside():
        silent = [socket.create_connection((network.router_ip, port), 5) for _ in range(60)]
        others = socket.create_connection((network.router_ip, port), 5,
                                          source_address=(network.third_ip, 0))
    others.sendall(f"GET /healthz HTTP/1.1\r\nHost: {network.router_ip}\r\n\r\n".encode())
    assert Answer(others).status == 200
    others.close()
    answered = set()

    def all_above_the_cap_are_told():
        for connection in select.select(silent, [], [], 0)[0]:
            with contextlib.suppress(ConnectionResetError):
                if b" 503 " in connection.recv(4096).split(b"\r\n")[0]:
                    answered.add(connection)
        return len(answered) >= 60 - 32
    wait_until(all_above_the_cap_are_told, "503 for those above the cap", timeout=4)
    assert len(answered) == 60 - 32
    for connection in silent:
        connection.close()


def test_a_read_token_closes_reading(mock_ntc):
    mock_ntc.settings["server.read_token"] = TOKEN
    mock_ntc.start_all("--mock")

    def status(path, *headers, host="192.0.2.77", method="GET"):
        text = "".join(f"{header}\r\n" for header in headers)
        return raw(mock_ntc, request_text(mock_ntc, method, path, text, host=host), method).status

    for path in ("/metrics", "/blacklist", "/api/summary", "/api/flows", "/events"):
        assert status(path) == 401, path
        assert status(path, "Authorization: Bearer wrong") == 401, path
        if path != "/events":
            assert status(path, f"Authorization: Bearer {TOKEN}") == 200, path
    assert status("/healthz") == status("/") == 200         # the page can show its login
    assert status("/blacklist?ip=1.2.3.4", f"Authorization: Bearer {TOKEN}", method="DELETE") == 401
    with mock_ntc.watch() as stream:
        assert stream.status == 200                         # this host needs none
    shown = mock_ntc.get("/api/config").text
    assert "(set)" in shown and TOKEN not in shown


def test_login_gives_a_session_and_logout_ends_it(mock_ntc):
    mock_ntc.start_all("--mock")
    token = Path(mock_ntc.folder, "admin.token").read_text().strip()
    host = f"192.0.2.77:{port_of(mock_ntc)}"
    own = f"Origin: http://{host}"

    def ask(method, path, body="", *headers):
        lines = ["Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
        headers = "".join(f"{line}\r\n" for line in lines)
        return raw(mock_ntc, request_text(mock_ntc, method, path, headers, body, host), method)

    assert_error(ask("POST", "/api/login", '{"token":"wrong-wrong-wrong"}', own), 401, "wrong")
    assert_error(ask("POST", "/api/login", "{}", own), 400, "token")
    session = ask("GET", "/api/session").json()
    assert session == {"admin": False, "login_required": False, "read": True,
                       "client_ip": "127.0.0.1"}
    answer = ask("POST", "/api/login", json.dumps({"token": token}), own)
    assert answer.status == 200, answer.body
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert token not in cookie
    session = f"Cookie: other=1; {cookie}"
    assert ask("GET", "/api/session", "", session).json()["admin"] is True
    add = '{"ip":"192.0.2.1"}'
    assert ask("POST", "/blacklist", add, session, own).status == 200
    assert ask("POST", "/blacklist", add, session).status == 401        # not sent by our page
    assert ask("POST", "/blacklist", add, session, "Origin: http://evil.example").status == 403
    assert ask("DELETE", "/blacklist?ip=192.0.2.1", "", own, session[:-1] + "x").status == 401
    out = ask("POST", "/api/logout", "", session, own)
    assert out.status == 200
    assert re.search(r"Max-Age=0|Expires=", out.headers["Set-Cookie"])
    assert ask("DELETE", "/blacklist?ip=192.0.2.1", "", session, own).status == 401
    assert ask("GET", "/api/session", "", session).json()["admin"] is False


# ---- malformed and slow requests ----

SMUGGLED = "GET /api/config HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("headers,status", [
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", (400,)),
    ("Content-Length: 5\r\nContent-Length: 5\r\n", (400,)),
    ("Content-Length: 5\r\nContent-Length: 50\r\n", (400,)),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", (400,)),
    ("Content-Length: -5\r\n", (400, 411)),
    ("Content-Length: 99999999999999999999\r\n", (400, 411, 413)),
    ("Transfer-Encoding: gzip\r\n", (400, 411, 501)),
])
def test_a_length_that_can_be_read_in_two_ways_is_refused(web, headers, status):
    text = request_text(web, "POST", "/blacklist", "Content-Type: application/json\r\n" + headers,
                        "0\r\n\r\n" + SMUGGLED)
    answers = b""
    with connect(web) as connection:
        connection.sendall(text.encode())
        try:
            while got := connection.recv(65536):    # until it is closed
                answers += got
        except ConnectionResetError:
            pass
    assert int(answers.split()[1]) in status
    assert answers.count(b"HTTP/1.1 ") == 1         # what follows is no request


def test_too_many_or_too_long_headers_are_refused(web):
    many = "".join(f"X-{i}: y\r\n" for i in range(100))
    assert raw(web, request_text(web, "GET", "/healthz", many)).status in (400, 431)
    for text in (request_text(web, "GET", "/healthz", f"X-Long: {'y' * 17_000}\r\n"),
                 request_text(web, "GET", "/healthz?" + "y" * 17_000)):
        answer = raw(web, text)
        assert answer is None or answer.status in (400, 413, 414, 431)
    assert_error(web.get("/api/flows?ip=" + "1" * 2000), 400)
    assert web.get("/healthz").status == 200


@pytest.mark.parametrize("text", [
    "\r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\0" * 100, "GET /\0 HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost localhost\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "x" * 9000])
def test_what_is_no_http_is_refused(web, text):
    with connect(web, timeout=8) as connection:
        try:
            connection.sendall(text.encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        except OSError:         # hung up on
            answer = b""
    assert answer == b"" or int(answer.split()[1]) >= 400
    assert web.get("/healthz").status == 200


def test_a_connection_serves_one_request_and_an_unread_body_is_none(web):
    with connect(web) as connection:
        connection.sendall(request_text(web, "GET", "/healthz",
                                        f"Content-Length: {len(SMUGGLED)}\r\n", SMUGGLED).encode())
        assert Answer(connection).json() == {"ok": True}
        connection.settimeout(3)
        try:
            assert b"interfaces" not in connection.recv(65536)
        except (TimeoutError, ConnectionResetError):
            pass


@pytest.mark.parametrize("begin", [
    b"", b"GET /healthz HTTP/1.1\r\nHost: loc",
    b"POST /blacklist HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 50\r\n\r\n{"])
def test_40_silent_connections_do_not_starve_others(web, begin):
    silent = [connect(web) for _ in range(40)]
    for connection in silent:
        connection.sendall(begin)
    times = []
    for path in ("/readyz", "/api/summary", "/blacklist", "/metrics"):
        start = time.monotonic()
        assert web.get(path).status == 200
        times.append(time.monotonic() - start)
    for connection in silent:
        connection.close()
    assert max(times) < 1


def test_silent_connections_are_closed_after_a_while(web):
    with connect(web, timeout=12) as silent:
        silent.sendall(b"GET /healthz HTTP/1.1\r\n")
        begin = time.monotonic()
        try:
            silent.recv(4096)
        except ConnectionResetError:
            pass
        assert time.monotonic() - begin < 10


# ---- the other rows ----

def test_summary_flows_addresses_and_history_answer_with_data(shared):
    wait_until(lambda: shared.get("/api/summary").json()["active_flows"] > 3, "some flows")
    summary = shared.get("/api/summary").json()
    assert abs(summary["time"] - time.time()) < 5
    assert set(summary["now"]) == set(summary["minute"]) \
        == {"packets_per_second", "bytes_per_second"}
    assert summary["ledger"]["difference_packets"] == 0
    assert summary["aggregator"]["state"] == "live" and summary["collectors"][0]["state"] == "live"
    assert summary["collectors"][0]["id"] == "test" and summary["collectors"][0]["source"] == "mock"
    assert {"proto", "direction", "action", "packets", "bytes"} == set(summary["totals"][0])
    counted = sum(row["packets"] for row in summary["totals"])
    assert counted == summary["ledger"]["counted_packets"] > 0

    page = shared.get("/api/flows?limit=2&sort=packets").json()
    assert len(page["flows"]) == 2 < page["total"]
    assert page["flows"][0]["packets"] >= page["flows"][1]["packets"]
    assert {"src", "dst", "src_port", "dst_port", "proto", "direction", "action", "ip_version",
            "tcp_flags", "interface", "first", "last", "packets", "bytes"} <= set(page["flows"][0])
    one = page["flows"][0]
    for query in (f"ip={one['src']}", f"port={one['dst_port']}" if one["dst_port"] else "",
                  f"proto={one['proto']}", f"proto={one['proto'].lower()}",
                  f"action={one['action']}", f"direction={one['direction']}"):
        rows = shared.get(f"/api/flows?limit=1000&{query}").json()["flows"]
        assert one["src"] in [row["src"] for row in rows], query
        name, _, value = query.partition("=")
        if name in ("proto", "action", "direction"):
            assert {row[name] for row in rows} == {value.upper()}
    assert shared.get("/api/flows?ip=240.1.2.3").json()["flows"] == []

    ips = shared.get("/api/ips?sort=bytes_per_second&limit=3").json()
    rates = [row["bytes_per_second"] for row in ips["ips"]]
    assert rates == sorted(rates, reverse=True) and len(rates) == 3
    assert len(ips["ips"][0]["packets_by_second"]) == 60
    history = shared.get("/api/history?seconds=60").json()
    assert abs(history["end"] - time.time()) < 5 and history["step"] == 1
    lengths = {len(series[column]) for series in history["series"].values()
               for column in ("packets", "bytes")}
    assert len(lengths) == 1 and 1 <= lengths.pop() <= 60


@pytest.mark.parametrize("query,word", [
    ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"),
    ("limit=99999999999999999999", "limit"), ("offset=10000", "offset"), ("sort=nonsense", "sort"),
    ("order=up", "order"), ("ip=nonsense", "ip"), ("ip=10.0.0.1/8", "10.0.0.0/8"),
    ("port=0", "port"), ("port=65536", "port"), ("proto=ICMP6", "proto"),
    ("action=ALLOW", "action"),
    ("direction=IN", "direction"), ("nonsense=1", "nonsense"), ("limit=1&limit=2", "twice"),
    ("ip=%00", ""), ("ip=%f", "")])
def test_a_bad_query_is_refused_with_a_sentence(web, query, word):
    assert_error(web.get(f"/api/flows?{query}"), 400, word)
    if query.split("=")[0] in ("ip", "port", "proto", "action", "direction", "nonsense"):
        assert_error(web.get(f"/events?{query}"), 400, word)


def test_head_answers_like_get_without_a_body(web):
    for path in ("/", "/healthz", "/blacklist", "/metrics", "/events", "/nothing"):
        with connect(web) as connection:
            connection.sendall(request_text(web, "HEAD", path, "Connection: close\r\n").encode())
            answer = b""
            while got := connection.recv(65536):
                answer += got
        assert answer.startswith(b"HTTP/1.1 404" if path == "/nothing" else b"HTTP/1.1 200"), path
        assert answer.endswith(b"\r\n\r\n") and answer.count(b"\r\n\r\n") == 1, path
    assert web.request("HEAD", "/healthz").headers["Content-Length"] \
        == web.get("/healthz").headers["Content-Length"]


def test_the_page_is_there_and_needs_nothing_from_elsewhere(web):
    page = web.get("/")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    for link in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert not link.startswith(("http:", "https:", "//", "/"))      # works below a base path
        assert web.get(urllib.parse.urljoin("/", link)).status == 200, link


def test_everything_moves_below_a_base_path(mock_ntc):
    mock_ntc.settings["server.base_path"] = "/ntc/"
    mock_ntc.start("collector", "--mock")
    mock_ntc.start("aggregator")
    mock_ntc.start("gateway")
    mock_ntc.url += "/ntc"
    mock_ntc.wait_ready()
    mock_ntc.block("192.0.2.1")
    assert mock_ntc.get("/").status == 200
    assert mock_ntc.get("/blacklist").json()[0]["ip"] == "192.0.2.1"
    mock_ntc.url = mock_ntc.url.removesuffix("/ntc")
    for path in ("/", "/healthz", "/blacklist", "/ntcx/healthz"):
        assert mock_ntc.get(path).status == 404
    answer = raw(mock_ntc, request_text(mock_ntc, "GET", "/ntc"))
    assert answer.status in (301, 308) and answer.headers["Location"] == "/ntc/"


# ---- peers that are away ----

def test_lists_answer_503_while_the_collector_is_away_or_hangs(mock_ntc):
    mock_ntc.start_all("--mock")
    mock_ntc.block("192.0.2.1")

    def all_503(within):
        for answer in (lambda: mock_ntc.get("/blacklist"), lambda: mock_ntc.get("/whitelist"),
                       lambda: mock_ntc.post("/blacklist", {"ip": "192.0.2.2"}),
                       lambda: mock_ntc.delete("/blacklist?ip=192.0.2.1")):
            begin = time.monotonic()
            answer = answer()
            assert_error(answer, 503, "collector")
            assert int(answer.headers["Retry-After"]) > 0
            assert time.monotonic() - begin < within
        assert mock_ntc.get("/healthz").status == 200

    collector = mock_ntc.processes["collector"]
    collector.popen.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    assert_error(mock_ntc.get("/blacklist"), 503, "collector")
    assert time.monotonic() - begin < 2.5
    collector.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: mock_ntc.get("/blacklist").status == 200, "it is back")
    collector.stop(signal.SIGKILL)
    all_503(within=2)
    mock_ntc.start("collector", "--mock")
    wait_until(lambda: mock_ntc.get("/blacklist").status == 200, "it is back")
    assert "192.0.2.1" in [entry["ip"] for entry in mock_ntc.get("/blacklist").json()]


def test_tables_answer_503_and_the_rest_is_stale_while_the_aggregator_is_away(mock_ntc):
    mock_ntc.start_all("--mock")
    packets = mock_ntc.packets()
    mock_ntc.processes["aggregator"].stop(signal.SIGKILL)
    for path in ("/api/flows", "/api/ips", "/api/history"):
        answer = mock_ntc.get(path)
        assert_error(answer, 503, "aggregator")
        assert answer.headers["Retry-After"]
    answer = wait_until(lambda: (lambda got: got if got.status == 503 else None)
                        (mock_ntc.get("/readyz")), "not ready")
    assert answer.json() == {"ok": False, "missing": ["aggregator"]}
    assert mock_ntc.get("/api/summary").json()["aggregator"]["state"] == "stale"
    assert mock_ntc.packets() >= packets
    assert mock_ntc.metrics()["ntc_snapshot_age_seconds"] > 2
    mock_ntc.block("192.0.2.1")


def test_a_gateway_alone_says_what_is_missing(mock_ntc):
    mock_ntc.start("gateway")
    assert mock_ntc.get("/healthz").json() == {"ok": True}
    answer = mock_ntc.get("/readyz")
    assert answer.status == 503
    assert answer.json() == {"ok": False, "missing": ["collector", "aggregator"]}
    assert mock_ntc.get("/api/summary").json()["aggregator"]["state"] == "away"
    assert mock_ntc.get("/metrics").status == 200
    assert mock_ntc.get("/blacklist").status == mock_ntc.get("/api/flows").status == 503
    assert os.listdir(mock_ntc.folder)
