"""Several collectors, one aggregator and one gateway."""

import os
import signal
import sys
import time

import pytest

from conftest import ROOT, FakeCollector, Ntc, Process, Record, wait_until

sys.path.append(str(ROOT / "tests/bench"))
from scale import Fleet  # noqa: E402  (it needs the path above)

IDS = ("pi1", "pi2", "pi3")


class ManyNtc(Ntc):
    """Aggregator and gateway with several collectors that make their own traffic."""

    def __init__(self, ids=IDS):
        super().__init__()
        os.mkdir(self.settings["bus.directory"])
        self.settings["bus.collectors"] = "[" + ", ".join(map(self.events_of, ids)) + "]"

    def folder_of(self, collector):
        return os.path.join(self.folder, collector)

    def events_of(self, collector):
        return f"ipc://{self.folder_of(collector)}/events"

    def start_collector(self, place, collector_id=None, rate=100):
        """Start the collector of folder `place`."""
        settings = dict(self.settings)
        self.settings.update({
            "bus.directory": self.folder_of(place), "bus.collector_id": collector_id or place,
            "persistence.path": os.path.join(self.folder_of(place), "lists.json"),
            "bus.collectors": "[]"})
        os.makedirs(self.folder_of(place), exist_ok=True)
        command = self.command("collector", "--mock", "--mock-rate", rate)
        self.settings = settings
        process = Process(place, command, self.folder)
        self.processes[place] = process
        process.wait_log(self.READY["collector"])
        return process

    def start_many(self, ids=IDS):
        for collector in ids:
            self.start_collector(collector)
        self.start("aggregator")
        self.start("gateway")
        self.wait_ready()
        return self

    def results(self, answer):
        """{id: (ok, changed, status)} of a change."""
        return {one["id"]: (one["ok"], one["changed"], one["status"])
                for one in answer.json()["collectors"]}

    def standing(self, name="blacklist", **query):
        """{ip: collectors that have it}."""
        query = "&".join(f"{key}={value}" for key, value in query.items())
        answer = self.get(f"/{name}?{query}")
        assert answer.status == 200, answer.text
        return {entry["ip"]: entry["collectors"] for entry in answer.json()}


@pytest.fixture
def many():
    made = ManyNtc()
    yield made
    made.close()


def test_list_changes_go_to_all_or_to_one(many):
    many.start_many()
    answer = many.post("/blacklist", {"ip": "192.0.2.1", "ttl": 600, "reason": "scan"})
    assert answer.status == 200 and answer.json()["ok"] is True
    assert many.results(answer) == {collector: (True, True, 200) for collector in IDS}
    assert answer.json()["ip"] == "192.0.2.1" and answer.json()["version"] == 4

    answer = many.post("/blacklist", {"ip": "192.0.2.0/28", "collector": "pi2"})
    assert answer.json() == {"ok": True, "ip": "192.0.2.0/28", "version": 4, "collector": "pi2"}
    assert many.standing() == {"192.0.2.0/28": ["pi2"], "192.0.2.1": list(IDS)}
    entries = {entry["ip"]: entry for entry in many.get("/blacklist").json()}
    assert entries["192.0.2.1"]["everywhere"] is True
    assert entries["192.0.2.0/28"]["everywhere"] is False
    assert entries["192.0.2.1"]["differs"] is False
    assert entries["192.0.2.1"]["reason"] == "scan" and 590 < entries["192.0.2.1"]["ttl"] <= 600

    # one collector's own list has the shape that it has where there is one collector
    alone = many.get("/blacklist?collector=pi1").json()
    assert [entry["ip"] for entry in alone] == ["192.0.2.1"] and "collectors" not in alone[0]

    many.post("/blacklist", {"ip": "192.0.2.1", "reason": "other", "collector": "pi3"})
    entry = [entry for entry in many.get("/blacklist").json() if entry["ip"] == "192.0.2.1"][0]
    assert entry["differs"] is True and entry["expires"] is None

    answer = many.delete("/blacklist?ip=192.0.2.0/28")   # two do not have it: nothing to do there
    assert answer.status == 200
    assert many.results(answer) == {"pi1": (True, False, 200), "pi2": (True, True, 200),
                                    "pi3": (True, False, 200)}
    assert many.delete("/blacklist?ip=192.0.2.0/28").status == 404
    assert many.delete("/blacklist?ip=192.0.2.1&collector=pi1").status == 200
    assert many.standing() == {"192.0.2.1": ["pi2", "pi3"]}


def test_an_unknown_collector_is_named(many):
    many.start_many()
    for answer in (many.post("/whitelist", {"ip": "192.0.2.1", "collector": "attic"}),
                   many.delete("/whitelist?ip=192.0.2.1&collector=attic"),
                   many.get("/whitelist?collector=attic")):
        assert answer.status == 404 and '\\"attic\\"' in answer.text, answer.text
    assert many.post("/whitelist", {"ip": "192.0.2.1", "collector": "x" * 200}).status == 404
    assert many.post("/whitelist", {"ip": "192.0.2.1", "collector": 7}).status == 400
    assert many.standing("whitelist") == {}


def test_a_change_that_one_collector_misses_is_an_error_and_can_be_repeated(many):
    many.start_many()
    many.processes["pi2"].stop()
    for _ in range(2):
        answer = many.post("/blacklist", {"ip": "192.0.2.1"})
        assert answer.status == 503 and answer.headers["Retry-After"]
        assert answer.json()["ok"] is False
        assert "1 of 3 collectors did not do it: " in answer.json()["error"]
        results = {one["endpoint"]: (one["ok"], one["status"])
                   for one in answer.json()["collectors"]}
        assert results == {many.events_of("pi1"): (True, 200), many.events_of("pi2"): (False, 503),
                           many.events_of("pi3"): (True, 200)}

    answer = many.get("/blacklist")
    assert answer.status == 503 and "1 of 3 collectors did not tell" in answer.json()["error"]
    answer = many.get("/blacklist?partial=1")
    assert answer.status == 200 and "1 of 3 collectors" in answer.headers["NTC-Missing"]
    assert answer.json()[0]["collectors"] == ["pi1", "pi3"]

    many.start_collector("pi2")
    many.wait_ready()
    wait_until(lambda: many.post("/blacklist", {"ip": "192.0.2.1"}).status == 200, "all have it")
    assert many.standing() == {"192.0.2.1": list(IDS)}
    assert many.get("/blacklist").headers["NTC-Missing"] is None


def test_a_collector_is_found_by_its_name_wherever_it_is(many):
    """What the gateway knows of endpoints follows the collectors; nothing lands at the wrong one."""
    many.start_many()
    assert many.post("/blacklist", {"ip": "192.0.2.1", "collector": "pi1"}).status == 200
    many.processes["pi1"].stop()
    many.processes["pi2"].stop()
    many.start_collector("pi1", collector_id="pi2")     # they have changed places
    many.start_collector("pi2", collector_id="pi1")

    def add():
        answer = many.post("/blacklist", {"ip": "192.0.2.2", "collector": "pi1"})
        assert answer.status in (200, 400, 503), answer.text
        return answer.status == 200
    wait_until(add, "pi1 is found at its new place")
    assert many.standing() == {"192.0.2.1": ["pi2"], "192.0.2.2": ["pi1"]}


# ---- what belongs to whom


def collectors_of(ntc):
    return {one["id"]: one for one in ntc.get("/api/summary").json()["collectors"]}


def test_everything_can_be_seen_by_collector_and_in_sum(many):
    many.start_many()

    def flowing():
        seen = collectors_of(many)
        return len(seen) == 3 and all(one["active_flows"] > 5 for one in seen.values())
    wait_until(flowing, "all have flows")

    assert {flow["collector"] for flow in many.flows()} == set(IDS)
    assert {flow["collector"] for flow in many.flows(collector="pi2")} == {"pi2"}
    alone = many.get("/api/summary?collector=pi2").json()
    assert alone["collector"] == "pi2" and 0 < alone["active_flows"]
    assert {flow["collector"] for flow in alone["top_flows"]} == {"pi2"}
    assert alone["ledger"]["difference_packets"] == 0
    assert {one["id"] for one in alone["collectors"]} == set(IDS)
    everything = many.get("/api/summary").json()
    assert "collector" not in everything
    counted = [one["ledger"]["counted_packets"] for one in everything["collectors"]]
    assert sum(counted) == everything["ledger"]["counted_packets"] and min(counted) > 0

    # all three make the same traffic, so an address that one has seen the others see, too
    def packets(**query):
        query = "&".join(f"{key}={value}" for key, value in {"limit": 1000, **query}.items())
        return {row["ip"]: row["packets"] for row in many.get(f"/api/ips?{query}").json()["ips"]}
    one = packets(collector="pi1")
    together = packets()
    assert one and all(together[ip] >= count for ip, count in one.items())

    def histories():
        parts = [sum(many.get(f"/api/history?seconds=60&collector={collector}")
                     .json()["series"]["tcp"]["packets"]) for collector in IDS]
        return min(parts) > 0
    wait_until(histories, "each has a history")

    for path in ("/api/summary", "/api/flows", "/api/ips", "/api/history", "/events"):
        answer = many.get(f"{path}?collector=attic")
        assert answer.status == 404 and '\\"attic\\"' in answer.text, path
        assert many.get(f"{path}?collector=" + "x" * 64).status == 400, path

    with many.watch("collector=pi3") as stream:
        assert {stream.next()["collector"] for _ in range(50)} == {"pi3"}
    with many.watch() as stream:
        seen = set()
        for _ in range(2000):
            seen.add(stream.next()["collector"])
            if len(seen) == 3:
                break
        assert seen == set(IDS)


def test_one_collector_looks_as_if_there_could_be_no_other(mock_ntc):
    mock_ntc.start_all("--mock")
    assert mock_ntc.get("/readyz").json() == {"ok": True}
    only, = mock_ntc.get("/api/summary").json()["collectors"]
    assert "ledger" not in only and "now" not in only and only["state"] == "live"
    assert "collector=" not in mock_ntc.get("/metrics").text
    mock_ntc.block("192.0.2.1")
    assert "collectors" not in mock_ntc.get("/blacklist").json()[0]
    with mock_ntc.watch() as stream:
        assert "collector" not in stream.next()
    assert mock_ntc.get("/api/flows?collector=test").json()["total"] \
        <= mock_ntc.get("/api/flows").json()["total"]


# ---- states


@pytest.fixture
def played():
    """An aggregator and a gateway that listen to two collectors, both played by the test."""
    made = ManyNtc(("pi1", "pi2"))
    fakes = []
    for number, collector in enumerate(("pi1", "pi2")):
        os.mkdir(made.folder_of(collector))
        fakes.append(FakeCollector(made.folder_of(collector), collector_id=collector,
                                   boot_id=100 + number))
    made.fakes = fakes
    made.start("aggregator")
    for fake in fakes:
        fake.wait_subscribed()
    made.start("gateway")
    yield made
    for fake in fakes:
        fake.close()
    made.close()


def tell(fake, packets=0):
    """A status of now, as a real collector sends it."""
    fake.clock_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    if packets:
        fake.publish([Record()] * packets)
    fake.status()


def state_of(ntc, collector):
    """(state, notes) as /readyz and the summary tell it."""
    ready = {one["id"]: (one["state"], one["notes"])
             for one in ntc.get("/readyz").json().get("collectors", [])}
    return ready.get(collector)


def wait_state(ntc, collector, state, notes, packets=(1, 1), timeout=30):
    """Both talk each half second, with that many packets (None: silent), until `collector` is so."""
    def arrived():
        for fake, count in zip(ntc.fakes, packets):
            if count is not None:
                tell(fake, count)
        time.sleep(0.25)
        return state_of(ntc, collector) == (state, notes)
    wait_until(arrived, f"{collector} is {state} {notes}, not {state_of(ntc, collector)}", timeout)


def test_states_of_collectors_are_told_apart(played):
    pi1, pi2 = played.fakes
    wait_state(played, "pi1", "live", [])
    wait_state(played, "pi2", "live", [])
    assert played.get("/readyz").status == 200

    wait_state(played, "pi2", "live", ["idle"], packets=(1, 0))     # heard, but no packets
    assert played.get("/readyz").status == 200
    assert state_of(played, "pi1") == ("live", [])
    wait_state(played, "pi2", "live", [])

    wait_state(played, "pi2", "away", [], packets=(1, None))
    answer = played.get("/readyz")
    assert answer.status == 503 and answer.json()["missing"] == ["collector"]
    assert played.metrics()['ntc_collector_up{collector="pi2"}'] == 0
    wait_state(played, "pi2", "live", ["returned"])
    assert played.get("/readyz").status == 200

    pi2.begin(0x777)
    wait_state(played, "pi2", "live", ["restarted", "returned"])
    assert collectors_of(played)["pi2"]["restarts"] == 1
    assert collectors_of(played)["pi2"]["returns"] == 1

    pi1.wall_offset_ns += 3600 * 10**9
    wait_state(played, "pi1", "live", ["clock"])
    assert collectors_of(played)["pi1"]["clock_error_s"] == pytest.approx(3600, abs=3)
    assert played.metrics()['ntc_collector_clock_error_seconds{collector="pi1"}'] \
        == pytest.approx(3600, abs=3)
    pi1.wall_offset_ns -= 3600 * 10**9
    wait_state(played, "pi1", "live", [])


def test_a_rival_is_told_and_refused_and_forgotten(played):
    """Two processes use one id: one is heard, the other refused and told of."""
    pi1, pi2 = played.fakes
    wait_state(played, "pi1", "live", [])
    pi2.collector_id = "pi1"
    wait_state(played, "pi1", "live", ["restarted", "rival"])
    assert played.metrics()['ntc_collector_rival{collector="pi1"}'] == 1
    assert "two collectors call themselves" in played.processes["aggregator"].log()
    for _ in range(10):
        tell(pi1, 3)
        tell(pi2, 3)
    assert collectors_of(played)["pi1"]["ledger"]["difference_packets"] == 0
    pi2.collector_id = "pi2"
    wait_state(played, "pi1", "live", ["restarted"], timeout=40)
    wait_state(played, "pi2", "live", [])


def test_a_collector_that_is_killed_and_started_again(many):
    many.start_many()
    many.processes["pi2"].stop(signal.SIGKILL)
    wait_until(lambda: state_of(many, "pi2") == ("away", []), "pi2 is away")
    assert state_of(many, "pi1") == ("live", []) and state_of(many, "pi3") == ("live", [])
    many.start_collector("pi2")
    wait_until(lambda: state_of(many, "pi2") == ("live", ["restarted", "returned"]),
               f"pi2 is back: {state_of(many, 'pi2')}")
    assert many.get("/readyz").status == 200
    many.processes["pi3"].popen.send_signal(signal.SIGSTOP)
    wait_until(lambda: state_of(many, "pi3") == ("away", []), "pi3 is away")
    many.processes["pi3"].popen.send_signal(signal.SIGCONT)
    wait_until(lambda: state_of(many, "pi3") == ("live", ["returned"]), "pi3 is back")
    summary = many.get("/api/summary").json()
    assert all(one["ledger"]["difference_packets"] == 0 for one in summary["collectors"])


def test_a_collector_that_was_never_heard_is_missing(many):
    many.start_collector("pi1")
    many.start_collector("pi2")
    many.start("aggregator")
    many.start("gateway")
    answer = wait_until(lambda: (lambda a: a if len(a.json().get("collectors", [])) == 2 else None)(
        many.get("/readyz")), "two are heard")
    assert answer.status == 503 and answer.json()["unheard"] == [many.events_of("pi3")]
    many.start_collector("pi3")
    many.wait_ready()
    assert "unheard" not in many.get("/readyz").json()


# ---- two hundred of them


def test_two_hundred_collectors_lose_nothing_unseen():
    """The short form of `make scale`: ten seconds at 200 records/s each."""
    made = Fleet(collectors=200, rate=200, seconds=10)
    try:
        result = made.run()
        made.start("gateway", "--config", made.config)
        made.wait_ready()
        assert len(made.get("/readyz").json()["collectors"]) == 200
        summary = made.get("/api/summary?collector=c137").json()
        assert summary["collector"] == "c137" and summary["ledger"]["difference_packets"] == 0
        page = made.get("/metrics", timeout=60).text
        assert page.count("\n") < 200 * 70
    finally:
        made.close()
    assert result["published_packets"] > 0.5 * 200 * 200 * 10
    assert result["difference_packets"] == 0
    assert result["accounted_packets"] + result["lost_packets"] == result["published_packets"]
    assert result["snapshots_skipped"] == 0
    assert result["snapshot_bytes"] < 1 << 20
    # what a record costs may vary with the machine, but not by this much
    assert result["cpu_us_per_record"] < 20
