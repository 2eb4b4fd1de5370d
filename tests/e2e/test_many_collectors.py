"""Several collectors, one aggregator and one gateway."""

import os

import pytest

from conftest import Ntc, Process, wait_until

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
