"""/metrics as Prometheus and VictoriaMetrics read it."""

import json
import re
import socket
import subprocess
import time
import urllib.request

import pytest

from conftest import wait_until
from fake_collector import ACK, DROP, EGRESS, ICMP, NS, SKIP, SSH, SYN, TCP, UDP, Record

FAMILIES = {
    # name: (type, labels)
    "ntc_packets_per_second": ("gauge", ()), "ntc_bytes_per_second": ("gauge", ()),
    "ntc_active_ips": ("gauge", ()), "ntc_active_flows": ("gauge", ()),
    "ntc_packets_total": ("counter", ("proto", "direction", "action")),
    "ntc_bytes_total": ("counter", ("proto", "direction", "action")),
    "ntc_ip_packets_per_second": ("gauge", ("ip",)), "ntc_ip_bytes_per_second": ("gauge", ("ip",)),
    "ntc_ip_unique_dst_ports": ("gauge", ("ip",)),
    "ntc_ip_syn_count": ("untyped", ("ip",)), "ntc_ip_ack_count": ("untyped", ("ip",)),
    "ntc_lost_packets_total": ("counter", ("stage",)),
    "ntc_lost_bytes_total": ("counter", ("stage",)),
    "ntc_ledger_difference_packets": ("gauge", ()),
    "ntc_interface_attached": ("gauge", ("interface",)),
    "ntc_list_entries": ("gauge", ("list",)), "ntc_list_hits_total": ("counter", ("list",)),
    "ntc_sse_clients": ("gauge", ()),
    "ntc_process_cpu_seconds_total": ("counter", ("process",)),
    "ntc_process_resident_memory_bytes": ("gauge", ("process",)),
    "ntc_process_open_fds": ("gauge", ("process",)),
}
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)$')


def promtool(text):
    """What `promtool check metrics` has to say."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          text=True, timeout=30)
    return (done.stdout + done.stderr).strip()


def samples(text):
    """[(name, {label: value}, number)] of a page."""
    found = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, number = SAMPLE.match(line).groups()
        found.append((name, dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or "")),
                      float(number)))
    return found


def busy(collector):
    """Something of every kind."""
    for protocol in (TCP, UDP, ICMP, 58, 47):
        for direction in (0, EGRESS):
            for action in (0, DROP, SKIP, SSH) if protocol == TCP else (0, DROP, SKIP):
                collector.publish([Record(src=f"2001:db8::{i:x}", dst="2001:db8::ffff", dst_port=i,
                                          protocol=protocol, direction=direction, action=action,
                                          tcp_flags=SYN if i % 2 else ACK) for i in range(1, 30)])
    collector.counters[0][0] += 8
    collector.counters[1][0] += 800
    collector.losses = {"ring": (1, 3, 300), "unsubscribed": (5, 5, 500)}
    collector.lose([Record()] * 7)


def test_promtool_finds_nothing_to_say(fake_ntc):
    collector = fake_ntc.start_fake()
    assert promtool(fake_ntc.get("/metrics").text) == ""        # all is zero
    busy(collector)
    fake_ntc.settle()
    wait_until(lambda: fake_ntc.packets(action="ssh") > 0, "it shows")
    answer = fake_ntc.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert promtool(answer.text) == ""
    for name, labels, number in samples(answer.text):
        assert not (labels.get("proto") == "tcp") or number >= 0
    assert promtool("ntc_x 1\n") != ""          # it would have said something


def test_all_names_and_labels_of_the_contract_are_there(fake_ntc):
    collector = fake_ntc.start_fake()
    busy(collector)
    fake_ntc.settle()
    wait_until(lambda: fake_ntc.packets(action="ssh") > 0, "it shows")
    text = fake_ntc.get("/metrics").text
    found = {}
    for name, labels, _ in samples(text):
        found.setdefault(name, set()).add(tuple(labels))
    for name, (kind, labels) in FAMILIES.items():
        assert f"# TYPE {name} {kind}" in text, name
        assert name in found, name
        assert {tuple(sorted(keys)) for keys in found[name]} == {tuple(sorted(labels))}, name
    values = {key: {labels[key] for name, labels, _ in samples(text) if name == "ntc_packets_total"}
              for key in ("proto", "direction", "action")}
    assert values == {"proto": {"tcp", "udp", "icmp", "other"}, "direction": {"ingress", "egress"},
                      "action": {"pass", "drop", "skip", "ssh"}}
    assert {labels["list"] for name, labels, _ in samples(text) if name == "ntc_list_entries"} \
        == {"blacklist", "whitelist"}
    assert {labels["process"] for name, labels, _ in samples(text)
            if name == "ntc_process_open_fds"} == {"collector", "aggregator", "gateway"}
    for name in (name for name in FAMILIES if name.startswith("ntc_ip_")):
        rows = [number for found, _, number in samples(text) if found == name]
        assert len(rows) >= 5 and rows == sorted(rows, reverse=True), name


def test_the_top_lists_have_ten_rows_each_by_its_own_value(fake_ntc):
    collector = fake_ntc.start_fake()
    for i in range(1, 31):      # the more packets, the fewer bytes, ports, SYN, ACK
        collector.publish([Record(src=f"10.0.0.{i}", packets=i, bytes=10 * i, dst_port=1)])
        collector.publish([Record(src=f"10.0.1.{i}", bytes=1000 * i)])
        collector.publish([Record(src=f"10.0.2.{i}", dst_port=2 + port) for port in range(i)])
        collector.publish([Record(src=f"10.0.3.{i}", protocol=TCP, tcp_flags=SYN)] * i)
        collector.publish([Record(src=f"10.0.4.{i}", protocol=TCP, tcp_flags=ACK)] * i)
    fake_ntc.settle()
    wait_until(lambda: fake_ntc.metrics()["ntc_active_ips"] == 150, "all are shown")
    rows = {}
    for name, labels, number in samples(fake_ntc.get("/metrics").text):
        if name.startswith("ntc_ip_"):
            rows.setdefault(name, []).append((labels["ip"], number))
    assert rows["ntc_ip_bytes_per_second"] \
        == [(f"10.0.1.{i}", pytest.approx(1000 * i / 60)) for i in range(30, 20, -1)]
    for name, network in (("unique_dst_ports", 2), ("syn_count", 3), ("ack_count", 4)):
        assert rows[f"ntc_ip_{name}"] == [(f"10.0.{network}.{i}", i) for i in range(30, 20, -1)]
    assert [number for _, number in rows["ntc_ip_packets_per_second"]] \
        == pytest.approx([0.5] * 4 + [29 / 60] * 4 + [28 / 60] * 2)


def test_a_second_collector_adds_a_label(fake_ntc):
    from fake_collector import FakeCollector
    folder = fake_ntc.settings["bus.directory"]
    fake_ntc.settings["bus.collectors"] = f"[ipc://{folder}/events, ipc://{folder}/other]"
    collector = fake_ntc.start_fake()
    collector.publish([Record()] * 3)
    other = FakeCollector(folder, collector_id='o"ther\\', boot_id=5, name="other")
    try:
        other.wait_subscribed()
        other.publish([Record()] * 4)
        other.status()
        fake_ntc.settle()
        name = 'ntc_packets_total{proto="udp",direction="ingress",action="pass",collector="%s"}'
        wait_until(lambda: fake_ntc.metrics().get(name % 'o\\"ther\\\\') == 4, "the other shows")
        assert fake_ntc.metrics()[name % "test"] == 3
        text = fake_ntc.get("/metrics").text
        assert promtool(text) == ""
        for metric, labels, _ in samples(text):
            if metric in ("ntc_interface_attached", "ntc_lost_packets_total", "ntc_list_entries",
                          "ntc_ledger_difference_packets"):
                assert "collector" in labels, metric
    finally:
        other.close()


def test_the_page_stays_short_with_16384_active_addresses(fake_ntc):
    collector = fake_ntc.start_fake()
    collector.flood(range(0x0a000000, 0x0a000000 + 16384))
    busy(collector)
    snapshot = fake_ntc.settle()
    assert snapshot.active_ips == 16384
    wait_until(lambda: fake_ntc.metrics()["ntc_active_ips"] == 16384, "they show")
    times = []
    for _ in range(20):
        begin = time.monotonic()
        text = fake_ntc.get("/metrics").text
        times.append(time.monotonic() - begin)
    assert len(text.splitlines()) <= 200
    assert sorted(times)[10] < 0.05
    assert promtool(text) == ""


def test_list_sizes_and_hits_are_shown(quiet_ntc):
    from scapy.all import IP, UDP as UDP_LAYER, Ether
    ntc = quiet_ntc.start_all()
    ntc.block("192.0.2.66")
    ntc.block("198.51.100.0/24")
    ntc.allow("192.0.2.77")
    wait_until(lambda: ntc.metrics()['ntc_list_entries{list="blacklist"}'] == 2, "two entries")
    assert ntc.metrics()['ntc_list_entries{list="whitelist"}'] == 1
    eth = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:99")
    ntc.network.send([eth / IP(src="192.0.2.66", dst="192.0.2.1") / UDP_LAYER()] * 5)
    ntc.network.send([eth / IP(src="192.0.2.77", dst="198.51.100.1") / UDP_LAYER()] * 3)
    ntc.network.send([eth / IP(src="192.0.2.5", dst="198.51.100.1") / UDP_LAYER()] * 2)
    wait_until(lambda: ntc.metrics()['ntc_list_hits_total{list="blacklist"}'] == 7, "seven hits")
    assert ntc.metrics()['ntc_list_hits_total{list="whitelist"}'] == 3
    hits = {entry["ip"]: entry["hits"] for entry in ntc.get("/blacklist").json()}
    assert hits["192.0.2.66"]["packets"] == 5 and hits["192.0.2.66"]["bytes"] == 5 * 28
    assert hits["198.51.100.0/24"]["packets"] == 2
    assert abs(hits["192.0.2.66"]["last"] - time.time()) < 10


@pytest.fixture
def victoria(tmp_path, fake_ntc):
    """A VictoriaMetrics that scrapes `fake_ntc`; gives a function that queries it."""
    collector = fake_ntc.start_fake()
    collector.publish([Record(src="192.0.2.1", packets=60, bytes=6000)])
    fake_ntc.settle()
    wait_until(lambda: fake_ntc.packets() == 60, "the gateway shows it")
    config = tmp_path / "scrape.yaml"
    target = fake_ntc.url.removeprefix("http://")
    config.write_text(json.dumps({"scrape_configs": [{
        "job_name": "ntc", "scrape_interval": "2s", "static_configs": [{"targets": [target]}]}]}))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["victoria-metrics", f"-storageDataPath={tmp_path / 'data'}",
         f"-httpListenAddr=127.0.0.1:{port}", f"-promscrape.config={config}",
         "-search.latencyOffset=0s", "-memory.allowedBytes=64MB"],
        stdout=subprocess.DEVNULL, stderr=open(tmp_path / "log", "w"))

    def query(expression):
        url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.request.quote(expression)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            return []
    yield query
    process.terminate()
    process.wait(timeout=20)


def test_a_real_victoriametrics_scrapes_it(fake_ntc, victoria):
    wait_until(lambda: victoria('up{job="ntc"}'), "the first scrape", timeout=30)
    assert victoria('up{job="ntc"}')[0]["value"][1] == "1"
    wait_until(lambda: victoria("ntc_packets_total"), "the series", timeout=30)
    passed = victoria('ntc_packets_total{proto="udp",direction="ingress",action="pass"}')
    assert [row["value"][1] for row in passed] == ["60"]
    rate, = victoria("ntc_ip_packets_per_second")
    assert rate["metric"]["ip"] == "192.0.2.1" and float(rate["value"][1]) == pytest.approx(1)
    for name in FAMILIES:
        if not name.startswith(("ntc_ip_syn", "ntc_ip_ack")):       # nothing of TCP was sent
            assert victoria(name), name
    fake_ntc.collector.clock_ns += NS
    fake_ntc.collector.publish([Record(packets=40)])
    fake_ntc.settle()
    wait_until(lambda: [row["value"][1] for row in victoria(
        'ntc_packets_total{proto="udp",direction="ingress",action="pass"}')] == ["100"], "it grows")
    # Every scrape went well at the first attempt: a connection that we close unannounced costs the
    # scraper a second.
    assert float(victoria("min_over_time(up[1m])")[0]["value"][1]) == 1
    assert float(victoria("max_over_time(scrape_duration_seconds[1m])")[0]["value"][1]) < 0.7
