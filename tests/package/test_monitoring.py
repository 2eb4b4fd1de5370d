"""Dashboards and alert rules against a real VictoriaMetrics that scrapes real traffic: every query
returns data, every rule fires when it should and not before."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy/monitoring"
sys.path.insert(0, str(ROOT / "tests/e2e"))

from conftest import Network, Ntc, wait_until  # noqa: E402  (it needs the path above)
from scapy.all import IP, TCP, Ether  # noqa: E402

BOARDS = sorted((MONITORING / "grafana/dashboards").glob("*.json"))
RULES = re.findall(r"(?m)^ +- alert: (\w+)$", (MONITORING / "rules.yml").read_text())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


class Watch:
    """VictoriaMetrics and vmalert on one NTC, with our files; only times and the port differ."""

    def __init__(self, ntc, folder):
        self.folder, self.processes = folder, []
        self.url, self.alerts_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        scrape = (MONITORING / "scrape.yml").read_text()
        assert "127.0.0.1:8086" in scrape and "scrape_interval: 10s" in scrape
        (folder / "scrape.yml").write_text(
            scrape.replace("127.0.0.1:8086", ntc.url.removeprefix("http://"))
            .replace("scrape_interval: 10s", "scrape_interval: 1s"))
        rules = (MONITORING / "rules.yml").read_text()
        (folder / "rules.yml").write_text(re.sub(r"for: \d+[sm]", "for: 1s", rules))
        self.start("victoria-metrics", f"-httpListenAddr={self.url.removeprefix('http://')}",
                   f"-promscrape.config={folder}/scrape.yml", f"-storageDataPath={folder}/data",
                   "-search.latencyOffset=0s", "-search.disableCache")
        wait_until(lambda: self.query("up"), "the first scrape", timeout=60)

    def start(self, program, *options):
        with open(self.folder / f"{program}.log", "wb") as log:
            self.processes.append(subprocess.Popen([program, *options], stdout=log, stderr=log))

    def start_alerts(self):
        self.start("vmalert", f"-httpListenAddr={self.alerts_url.removeprefix('http://')}",
                   f"-rule={self.folder}/rules.yml", "-evaluationInterval=1s",
                   f"-datasource.url={self.url}", f"-notifier.url={self.url}/nobody")
        wait_until(self.rules_evaluated, "the rules have been evaluated", timeout=30)

    def rules_evaluated(self):
        try:
            groups = fetch(f"{self.alerts_url}/api/v1/rules")["data"]["groups"]
        except OSError:
            return False
        rules = [rule for group in groups for rule in group["rules"]]
        assert not [rule["lastError"] for rule in rules if rule["lastError"]]
        return rules and all(not rule["lastEvaluation"].startswith("0001") for rule in rules)

    def query(self, expr, seconds=None):
        """Series of an instant query, or of a range query over the last seconds."""
        path, more = "query", {}
        if seconds:
            path, more = "query_range", {"start": time.time() - seconds, "step": 1}
        more["query"] = expr
        try:
            return fetch(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(more)}")["data"]["result"]
        except OSError:
            return []

    def firing(self):
        alerts = fetch(f"{self.alerts_url}/api/v1/alerts")["data"]["alerts"] or []
        return {alert["name"] for alert in alerts if alert["state"] == "firing"}

    def wait_firing(self, name):
        wait_until(lambda: name in self.firing(), f"{name} fires, not {self.firing()}", timeout=30)

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module", autouse=True)
def tools():
    for tool in ("victoria-metrics", "vmalert", "promtool"):
        assert shutil.which(tool), f"{tool} is missing: make deps-test"


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    """Mock traffic with scans and floods, something on both lists, scraped for a while."""
    ntc = Ntc()
    watch = None
    try:
        ntc.start_all("--mock", "--mock-rate", "2000")
        ntc.block("192.168.1.0/26")
        ntc.allow("192.168.1.64/26")
        watch = Watch(ntc, tmp_path_factory.mktemp("metrics"))
        wait_until(lambda: len(watch.query("ntc_packets_total[1m]")) > 0
                   and watch.query('sum(increase(ntc_packets_total{action="drop"}[10s])) > 0')
                   and watch.query("ntc_ip_unique_dst_ports > 20"), "drops and a scan", timeout=60)
        yield watch
    finally:
        if watch:
            watch.close()
        ntc.close()


def panels():
    for path in BOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield pytest.param(panel, target, id=f"{path.stem}: {panel['title']}: "
                                                     f"{target['refId']}")


def test_there_are_three_dashboards_of_distinct_panels():
    assert [path.stem for path in BOARDS] == ["overview", "security", "top-talkers"]
    for path in BOARDS:
        board = json.loads(path.read_text())
        for field in ("id", "title"):
            values = [panel[field] for panel in board["panels"]]
            assert len(set(values)) == len(values), (path, field)
        cells = [(x, y) for panel in board["panels"] for grid in [panel["gridPos"]]
                 for x in range(grid["x"], grid["x"] + grid["w"])
                 for y in range(grid["y"], grid["y"] + grid["h"])]
        assert len(set(cells)) == len(cells) and all(x < 24 for x, _ in cells), path


@pytest.mark.parametrize("panel, target", panels())
def test_a_panel_has_data(synthetic, panel, target):
    expr = target["expr"].replace("$__range", "1m")
    assert "$" not in expr
    series = synthetic.query(expr, None if target.get("instant") else 30)
    assert series, expr
    numbers = [sample[1] for one in series for sample in one.get("values", [one.get("value")])]
    assert all(number not in ("NaN", "+Inf", "-Inf") for number in numbers), (expr, numbers)
    for label in re.findall(r"{{(\w+)}}", target.get("legendFormat", "")):
        assert all(label in one["metric"] for one in series), (label, series[0]["metric"])


def test_promtool_finds_nothing_to_say():
    for what, name in (("rules", "rules.yml"), ("config", "prometheus.yml")):
        done = subprocess.run(["promtool", "check", what, MONITORING / name], capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_debians_victoria_metrics_takes_the_documented_options_and_our_scrape_file():
    text = (ROOT / "docs/monitoring.md").read_text()
    options = re.search(r'ARGS="([^"]+)"', text).group(1)
    assert "/usr/share/ntc/monitoring/scrape.yml" in options
    options = options.replace("/usr/share/ntc/monitoring", str(MONITORING))
    done = subprocess.run(["victoria-metrics", *options.split(), "-dryRun",
                           "-promscrape.config.strictParse"], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0, done.stderr


def test_the_compose_file_names_files_that_exist():
    text = (MONITORING / "docker-compose.yml").read_text()
    for path in re.findall(r"(?m)^ +- (\./[^:]+):", text):
        assert (MONITORING / path).exists(), path


class TestRules:
    """One attack after the other on a real interface."""

    @pytest.fixture(scope="class")
    def attacked(self, tmp_path_factory):
        network = Network()
        ntc = Ntc(network)
        watch = None
        try:
            ntc.start_all()
            watch = Watch(ntc, tmp_path_factory.mktemp("alerts"))
            watch.start_alerts()
            yield ntc, network, watch
        finally:
            if watch:
                watch.close()
            ntc.close()
            network.close()

    @staticmethod
    def syns(network, source, ports, count=1):
        frame = Ether(dst="ff:ff:ff:ff:ff:ff") / IP(src=source, dst=network.router_ip)
        network.send([frame / TCP(sport=4000 + i % 50000, dport=port, flags="S")
                      for i in range(count) for port in ports])

    def test_every_rule_has_a_test_here(self):
        source = Path(__file__).read_text()
        assert RULES and not [rule for rule in RULES if f'wait_firing("{rule}")' not in source]

    def test_a_quiet_network_raises_no_alarm(self, attacked):
        assert attacked[2].firing() == set()

    def test_a_scan(self, attacked):
        _, network, watch = attacked
        self.syns(network, "198.51.100.77", range(1, 20))
        time.sleep(3)       # two snapshots, scrapes and evaluations
        assert "NtcPortScan" not in watch.firing()
        self.syns(network, "198.51.100.77", range(20, 60))
        watch.wait_firing("NtcPortScan")
        assert "NtcSynFlood" not in watch.firing()

    def test_a_flood(self, attacked):
        _, network, watch = attacked
        self.syns(network, "198.51.100.78", [80], 700)
        watch.wait_firing("NtcSynFlood")

    def test_an_interface_that_vanishes(self, attacked):
        _, network, watch = attacked
        assert not {"NtcInterfaceDetached", "NtcLoss"} & watch.firing()
        network.router.run("ip", "link", "del", "port")
        watch.wait_firing("NtcInterfaceDetached")
        network.cable("port")
        network.router.run("ip", "addr", "add", f"{network.router_ip}/24", "dev", "port")
        wait_until(lambda: "NtcInterfaceDetached" not in watch.firing(), "watched again", 30)

    def test_an_aggregator_that_is_away_and_what_is_lost_meanwhile(self, attacked):
        ntc, network, watch = attacked
        ntc.processes["aggregator"].stop()
        self.syns(network, "198.51.100.79", [443], 50)
        watch.wait_firing("NtcAggregatorAway")
        ntc.start("aggregator")
        ntc.wait_ready()
        watch.wait_firing("NtcLoss")
        assert "NtcLedgerDifference" not in watch.firing()

    @staticmethod
    def made_up(watch, metric, value, name):
        """Claim a value until the alert fires that it must raise."""
        line = f'{metric}{{instance="made up",collector="pi1"}} {value}\n'.encode()
        deadline = time.monotonic() + 30
        while name not in watch.firing() and time.monotonic() < deadline:
            urllib.request.urlopen(f"{watch.url}/api/v1/import/prometheus", line, timeout=10).close()
            time.sleep(0.5)
        watch.wait_firing(name)

    def test_a_ledger_that_does_not_balance(self, attacked):
        """No traffic can do that, so the value is made up."""
        self.made_up(attacked[2], "ntc_ledger_difference_packets", 5, "NtcLedgerDifference")
        attacked[2].wait_firing("NtcLedgerDifference")

    def test_two_collectors_of_one_name_and_a_wrong_clock(self, attacked):
        """tests/e2e/test_many_collectors.py makes both happen; here the values are made up."""
        watch = attacked[2]
        assert not {"NtcCollectorRival", "NtcCollectorClock"} & watch.firing()
        self.made_up(watch, "ntc_collector_rival", 1, "NtcCollectorRival")
        self.made_up(watch, "ntc_collector_clock_error_seconds", -60, "NtcCollectorClock")
        watch.wait_firing("NtcCollectorRival")
        watch.wait_firing("NtcCollectorClock")

    def test_a_collector_that_is_away(self, attacked):
        ntc, _, watch = attacked
        ntc.processes["collector"].stop()
        watch.wait_firing("NtcCollectorAway")

    def test_a_gateway_that_is_away(self, attacked):
        ntc, _, watch = attacked
        ntc.processes["gateway"].stop()
        watch.wait_firing("NtcGatewayAway")
