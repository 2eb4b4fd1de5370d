"""The lists as they have been acknowledged, 100 changes a second to them, and what follows for packets."""

import http.client
import json
import random
import threading
import time

PASS, DROP = "pass", "drop"
S = 10 ** 9
TTL_SLACK_NS = S // 2       # around the end of a time to live nothing is demanded
NO_ANSWER, NOT_SENT = "no answer", "not sent"
SETTLE_S = 6                # after an unanswered change its outcome may come late: longer than any stall


class Track:
    """A value over time; None = not known."""

    def __init__(self, value):
        self.changes = [(0, value)]

    def set(self, at_ns, value):
        """From `at_ns` on, whatever was foreseen for later."""
        self.changes = [change for change in self.changes[-32:] if change[0] < at_ns]
        self.changes.append((at_ns, value))

    def foresee(self, at_ns, value):
        self.changes.append((at_ns, value))

    def since(self, ns):
        """When the value at `ns` began."""
        return max(at_ns for at_ns, _ in self.changes if at_ns <= ns)

    def at(self, ns):
        return self.over(ns, ns)

    def over(self, begin_ns, end_ns):
        """The value if it was the same all the time, else None."""
        for at_ns, value in reversed(self.changes):
            if at_ns <= begin_ns:
                return value
            if at_ns <= end_ns:
                return None
        return None


class Entry:
    """One entry that comes and goes, and the address that shows it."""

    def __init__(self, name, prefix, address):
        self.name, self.prefix, self.address = name, prefix, address
        self.listed_means = DROP if name == "blacklist" else PASS
        self.verdict = Track(PASS if name == "blacklist" else DROP)
        self.listed = Track(False)
        self.rest_until = 0.0
        self.has_ttl = False

    def doubt(self):
        now_ns = time.monotonic_ns()
        self.verdict.set(now_ns, None)
        self.listed.set(now_ns, None)
        self.has_ttl = False

    def know(self, is_listed, ttl=0, asked_ns=0):
        now_ns = time.monotonic_ns()
        unlisted_means = PASS if self.listed_means == DROP else DROP
        self.verdict.set(now_ns, self.listed_means if is_listed else unlisted_means)
        self.listed.set(now_ns, is_listed)
        self.has_ttl = is_listed and ttl > 0
        if self.has_ttl:
            begin_ns = max(now_ns + 1, asked_ns + ttl * S - TTL_SLACK_NS)
            self.listed.foresee(begin_ns, None)         # it leaves the file within a second or two
            self.verdict.foresee(begin_ns, None)
            self.verdict.foresee(now_ns + ttl * S + TTL_SLACK_NS, unlisted_means)


class Book:
    """All entries.  Static ones never change: their packets have one fate at every moment."""

    def __init__(self):
        blocked = [f"10.66.0.{i}" for i in range(1, 11)] + [f"10.68.0.{i}" for i in range(1, 6)]
        allowed = [f"10.67.0.{i}" for i in range(1, 11)]
        self.static = {"blacklist": {*blocked, "10.67.0.0/16"},
                       "whitelist": {*allowed, "10.68.0.0/24"}}
        fates = {**{address: DROP for address in blocked}, **{address: PASS for address in allowed},
                 **{f"10.67.200.{i}": DROP for i in range(1, 6)},       # by the prefix alone
                 **{f"10.68.0.{i}": PASS for i in range(1, 11)},        # white wins over black
                 **{f"10.1.0.{i}": PASS for i in range(1, 21)}}
        self.entries = [
            *(Entry("blacklist", f"10.70.0.{i}", f"10.70.0.{i}") for i in range(1, 31)),
            *(Entry("whitelist", f"10.67.1.{i}", f"10.67.1.{i}") for i in range(1, 21)),
            *(Entry("blacklist", f"10.71.{i}.0/28", f"10.71.{i}.5") for i in range(10)),
        ]
        self.verdicts = {**{address: Track(fate) for address, fate in fates.items()},
                         **{entry.address: entry.verdict for entry in self.entries}}
        self.lock = threading.Lock()    # held during a change

    def first_file(self):
        return json.dumps({name: sorted(self.static[name]) for name in ("blacklist", "whitelist")})

    def compare(self, text):
        """What is wrong with the lists file as it is between two changes; None = nothing."""
        found = read_file(text)
        now_ns = time.monotonic_ns()
        for name in ("blacklist", "whitelist"):
            known = self.static[name] | {entry.prefix for entry in self.entries if entry.name == name}
            if missing := self.static[name] - found[name]:
                return f"{name} lacks {sorted(missing)}"
            if strange := found[name] - known:
                return f"{name} has {sorted(strange)}, which nobody added"
        for entry in self.entries:
            wanted = entry.listed.at(now_ns)
            if wanted is not None and wanted != (entry.prefix in found[entry.name]):
                return (f"{entry.prefix} was acknowledged as {'listed' if wanted else 'removed'} and is "
                        f"{'not ' if wanted else ''}in the {entry.name}")
        return None


def read_file(text):
    """{"blacklist": set, "whitelist": set}; raises ValueError when the file is not whole."""
    lists = json.loads(text)
    return {name: {entry if isinstance(entry, str) else entry["ip"] for entry in lists[name]}
            for name in ("blacklist", "whitelist")}


class Churn(threading.Thread):
    """Changes the lists over HTTP, and writes into the book what was answered."""

    def __init__(self, book, port, rate, seed, on_fail):
        super().__init__(daemon=True)
        self.book, self.port, self.rate, self.on_fail = book, port, rate, on_fail
        self.random = random.Random(seed)
        self.connection = None
        self.answers = {}       # status -> how often
        self.ends = threading.Event()

    def run(self):
        try:
            self.change_all()
        except Exception as error:
            self.on_fail("test", f"the list changes ended: {error!r}")

    def change_all(self):
        due = time.monotonic()
        while not self.ends.is_set():
            entry = self.random.choice(self.book.entries)
            ttl = self.random.choice((0, 0, 0, 2, 3))
            wants_listed = self.random.random() < 0.5
            if time.monotonic() >= entry.rest_until:
                with self.book.lock:
                    self.change(entry, wants_listed, ttl)
            due = max(due + 1 / self.rate, time.monotonic() - 0.5)
            time.sleep(max(0, due - time.monotonic()))

    def change(self, entry, wants_listed, ttl):
        asked_ns = time.monotonic_ns()
        was_listed = None if entry.has_ttl else entry.listed.at(asked_ns)
        entry.doubt()
        status, text = self.request(entry, wants_listed, ttl)
        self.answers[status] = self.answers.get(status, 0) + 1
        if status == 200:
            entry.know(wants_listed, ttl, asked_ns)
        elif status == 404 and not wants_listed:
            if was_listed:
                self.on_fail("lists", f"{entry.prefix} was acknowledged in the {entry.name}, "
                             f"removing it says: {text}")
            entry.know(False)
            if was_listed is None:      # it may have ended while the disk was full
                entry.listed.set(time.monotonic_ns(), None)
        elif status in (507, NOT_SENT):     # refused, or never asked: nothing has changed
            if was_listed is not None:
                entry.know(was_listed)
        elif status in (NO_ANSWER, 503):
            entry.rest_until = time.monotonic() + SETTLE_S
        else:
            self.on_fail("lists", f"changing {entry.prefix} in the {entry.name}: {status} {text}")

    def request(self, entry, wants_listed, ttl):
        """Returns (status, body)."""
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
            if wants_listed:
                body = {"ip": entry.prefix, "reason": "soak", **({"ttl": ttl} if ttl else {})}
                self.connection.request("POST", f"/{entry.name}", json.dumps(body),
                                        {"Content-Type": "application/json"})
            else:
                self.connection.request("DELETE", f"/{entry.name}?ip={entry.prefix}")
            answer = self.connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.connection = None
            return NOT_SENT if isinstance(error, ConnectionRefusedError) else NO_ANSWER, repr(error)
