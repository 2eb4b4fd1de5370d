"""Many collectors into one aggregator: does every packet arrive or count as lost, and what does it cost?

    make scale                                        200 collectors, 5,000 records/s each, 60 s
    make scale SCALE_ARGS="--collectors 50 --rate 1000 --seconds 30"

One process plays the collectors (tests/bench/many_collectors.c), with the ledger that real ones keep.  The aggregator
is the real one, and so is the gateway, which is asked for its page of metrics in the end.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from conftest import Ntc, Subscriber, wait_until  # noqa: E402

BUILD = ROOT / os.environ.get("NTC_BUILD", "build/release")
PLAYER = BUILD / "tests/bench/many_collectors"
WARM_S = 65         # windows and idle flows have come and gone: from then on memory must stand


def lost_on_the_bus(state):
    return sum(loss.packets for loss in state.losses)


class Fleet(Ntc):
    """Aggregator and gateway, and one process that plays all collectors."""

    def __init__(self, collectors, rate, seconds, flows=65536, addresses=16384):
        super().__init__()
        self.collectors, self.rate, self.seconds = collectors, rate, seconds
        os.mkdir(self.settings["bus.directory"])
        endpoints = ", ".join(f"ipc://{self.folder}/{i}/events" for i in range(collectors))
        self.config = Path(self.folder) / "ntc.yaml"
        self.config.write_text(f"bus:\n  collectors: [{endpoints}]\n")
        self.settings.update({"aggregator.flows": flows, "aggregator.addresses": addresses})
        self.player = None
        self.snapshots = None

    def run(self, watch=lambda snapshot: None):
        """Play to the end; return what came of it.  `watch` sees every snapshot."""
        self.player = subprocess.Popen(
            [PLAYER, self.folder, str(self.collectors), str(self.rate), str(self.seconds)],
            stdout=subprocess.PIPE, text=True)
        assert self.player.stdout.readline() == "ready\n"
        aggregator = self.start("aggregator", "--config", self.config)
        self.snapshots = Subscriber(self.endpoint("snapshots"), b"snapshot")
        self.snapshots.until(lambda one: len(one.collectors) == self.collectors, "all are heard",
                             timeout=60)
        os.set_blocking(self.player.stdout.fileno(), False)
        cpu, began = aggregator.cpu_seconds(), time.monotonic()
        came, memory, played = [], [], None
        while not played:
            snapshot = self.snapshots.next(timeout=20)
            came.append((time.monotonic(), snapshot.seq))
            memory.append((time.monotonic() - began, aggregator.rss_bytes()))
            watch(snapshot)
            line = self.player.stdout.readline()
            played = json.loads(line) if line.strip() else None
        cpu = aggregator.cpu_seconds() - cpu
        last = self.snapshots.until(
            lambda one: sum(state.base_packets + state.accounted_packets + lost_on_the_bus(state)
                            for state in one.collectors) >= played["packets"],
            "the books are closed", timeout=30)
        return self.report(played, cpu, came, memory, last)

    def report(self, played, cpu, came, memory, last):
        states = last.collectors
        settled = [size for when, size in memory if when > WARM_S] or [memory[-1][1]]
        return {
            "collectors": len(states), "records": played["records"],
            "records_per_s": played["records"] / played["seconds"],
            "aggregator_cpu_s": cpu,
            "aggregator_cpu_share": cpu / played["seconds"],
            "cpu_us_per_record": cpu / played["records"] * 1e6,
            "cpu_ms_per_collector_second": cpu / len(states) / played["seconds"] * 1e3,
            "player_cpu_share": played["cpu_s"] / played["seconds"],
            "difference_packets": sum(abs(state.difference_packets) for state in states),
            "lost_packets": sum(lost_on_the_bus(state) for state in states),
            "accounted_packets": sum(state.base_packets + state.accounted_packets
                                     for state in states),
            "published_packets": played["packets"],
            "snapshots_skipped": came[-1][1] - came[0][1] + 1 - len(came),
            "snapshot_interval_max_s": max(b - a for (a, _), (b, _) in zip(came, came[1:])),
            "snapshot_bytes": last.ByteSize(),
            "flows": last.active_flows, "addresses": last.active_ips,
            "evicted": sum(table.evicted for table in last.tables),
            "rss_mib": memory[-1][1] / 2**20,
            "rss_growth_mib": (settled[-1] - settled[0]) / 2**20,
        }

    def close(self):
        if self.player:
            self.player.kill()
            self.player.wait()
            self.player.stdout.close()
        if self.snapshots:
            self.snapshots.socket.close()
        super().close()


def gateway_costs(fleet):
    """What the gateway makes of that many collectors."""
    gateway = fleet.start("gateway", "--config", fleet.config)
    wait_until(lambda: len(fleet.get("/api/summary").json()["collectors"]) == fleet.collectors,
               "the gateway has a snapshot")
    began = time.monotonic()
    page = fleet.get("/metrics", timeout=60).text
    took = time.monotonic() - began
    cpu, began = gateway.cpu_seconds(), time.monotonic()
    time.sleep(5)
    return {"metrics_lines": page.count("\n"), "metrics_bytes": len(page),
            "metrics_ms": took * 1e3, "summary_bytes": len(fleet.get("/api/summary").body),
            "gateway_cpu_share": (gateway.cpu_seconds() - cpu) / (time.monotonic() - began),
            "gateway_rss_mib": gateway.rss_bytes() / 2**20}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--collectors", type=int, default=200)
    options.add_argument("--rate", type=int, default=5000, help="records per second and collector")
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--flows", type=int, default=1 << 20)
    options.add_argument("--addresses", type=int, default=1 << 16)
    chosen = options.parse_args()
    fleet = Fleet(chosen.collectors, chosen.rate, chosen.seconds, chosen.flows, chosen.addresses)
    try:
        result = fleet.run(lambda snapshot: print(
            f"  {snapshot.seq:5d}  {snapshot.packets_per_second_now:10,.0f} packets/s  "
            f"{snapshot.active_flows:8,} flows", file=sys.stderr))
        result.update(gateway_costs(fleet))
    finally:
        fleet.close()
    for name, value in result.items():
        print(f"{name:30} {value:,.3f}" if isinstance(value, float) else f"{name:30} {value:,}")
    failed = [name for name in ("difference_packets", "snapshots_skipped") if result[name]]
    if result["accounted_packets"] + result["lost_packets"] != result["published_packets"]:
        failed.append("accounted + lost is not what was published")
    if failed:
        sys.exit(f"not as it must be: {', '.join(failed)}")


if __name__ == "__main__":
    main()
