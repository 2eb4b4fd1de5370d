"""What must happen when a part fails: clocks that jump, queues that are full.

Processes that die, interfaces that vanish: test_enforcement.  Disks that are full: test_lists_file.  Tables
that are full: test_windows.  Clients that stall: test_sse.  All at once: tests/soak.
"""

import contextlib
import json
import signal
import time

import pytest
from scapy.all import IP, UDP, Ether

from conftest import GENERATOR, wait_until

JUMP_S = 3 * 24 * 3600


def frames(source, count, to="192.0.2.1"):
    return [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:99") / IP(src=source, dst=to)
            / UDP(sport=5, dport=6)] * count


def generate(net, packets):
    """Send at least so many, in bursts; returns how many came out of the cable at the router."""
    before = net.arrivals()[0]

    def burst():
        net.peer.run(GENERATOR, "peer", "--flows", "40", "--seconds", "0.2")
        return net.arrivals()[0] - before >= packets
    wait_until(burst, f"{packets} packets", timeout=60)
    return net.arrivals()[0] - before


@contextlib.contextmanager
def stopped(process):
    """Stalled, as by a debugger or a swapping disk."""
    process.popen.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.popen.send_signal(signal.SIGCONT)


def wait_even(ntc, packets):
    """All packets are counted, and the ledger explains where each one is."""
    ntc.wait_packets(packets)
    wait_until(lambda: (lambda metrics: metrics["ntc_ledger_difference_packets"] == 0
                        and metrics["ntc_ledger_in_flight_packets"] == 0)(ntc.metrics()),
               "the ledger is even")


# ---- clocks ----

def entry_of(ntc, ip):
    return next(entry for entry in ntc.get("/blacklist").json() if entry["ip"] == ip)


@pytest.mark.parametrize("jump_s", [JUMP_S, -JUMP_S], ids=["forward", "back"])
def test_an_expiry_does_not_care_about_a_clock_that_jumps(quiet_ntc, jump_s):
    ntc = quiet_ntc
    ntc.give_clocks()
    ntc.settings["network.on_stop"] = "keep"
    ntc.start_all()
    ntc.block("192.0.2.66", ttl=600)
    ntc.block("192.0.2.67", ttl=3)
    begin = time.monotonic()
    ntc.set_clock("collector", jump_s)
    ntc.network.send(frames("192.0.2.66", 5))
    ntc.wait_packets(5, action="drop")
    wait_until(lambda: abs(entry_of(ntc, "192.0.2.66")["expires"] - time.time() - jump_s - 600) < 30,
               "the end is told by the new clock")

    # The file says so too: after the next boot nothing else tells when it ends.
    def saved():
        lists = json.loads(open(ntc.settings["persistence.path"]).read())
        return next(entry["expires"] for entry in lists["blacklist"] if entry["ip"] == "192.0.2.66")
    wait_until(lambda: abs(saved() - time.time() - jump_s - 600) < 30, "the file has the new clock")
    # And a clock that is set while no collector runs moves nothing either, within one boot.
    ntc.processes["collector"].stop(signal.SIGKILL)
    ntc.set_clock("collector", 0)
    ntc.start("collector")
    ntc.wait_ready()
    assert abs(entry_of(ntc, "192.0.2.66")["expires"] - time.time() - 600) < 30
    ntc.network.send(frames("192.0.2.66", 5))
    ntc.wait_packets(10, action="drop")

    wait_until(lambda: len(ntc.get("/blacklist").json()) == 1, "the other one ends in its time")
    assert time.monotonic() - begin > 2.5
    ntc.network.send(frames("192.0.2.67", 5))
    ntc.wait_packets(5, action="pass")


@pytest.mark.parametrize("jump_s", [JUMP_S, -JUMP_S], ids=["forward", "back"])
def test_windows_and_the_ledger_do_not_care_about_clocks_that_jump(quiet_ntc, jump_s):
    ntc = quiet_ntc
    ntc.give_clocks()
    ntc.start_all()
    ntc.network.send(frames("192.0.2.5", 60))
    wait_until(lambda: ntc.packets() == 60, "all are counted")

    def row():
        rows = [row for row in ntc.get("/api/ips").json()["ips"] if row["ip"] == "192.0.2.5"]
        return rows[0] if rows else {"packets": 0}
    wait_until(lambda: row()["packets"] == 60, "the window has all")
    for program in ("collector", "aggregator", "gateway"):
        ntc.set_clock(program, jump_s)
    ntc.network.send(frames("192.0.2.5", 60))
    wait_even(ntc, 120)
    wait_until(lambda: row()["packets"] == 120, "the window has them all, before and after")
    assert row()["packets_per_second"] == pytest.approx(2, abs=0.01)
    assert abs(row()["last"] - time.time() - jump_s) < 30       # only displayed times change
    assert ntc.get("/readyz").status == 200


# ---- queues ----

def test_a_full_ring_is_counted_and_nothing_else_slows_down(quiet_ntc):
    ntc = quiet_ntc
    ntc.settings |= {"events.ring_mib": 1, "events.per_second": 100000000}
    net = ntc.start_all().network
    ntc.block("192.0.2.66")
    with stopped(ntc.processes["collector"]):
        sent = generate(net, 20000)             # a ring of 1 MiB has room for 10,000
        net.send(frames("192.0.2.66", 7))       # enforced all the same
    wait_even(ntc, sent + 7)
    ntc.wait_packets(7, action="drop")
    lost = ntc.metrics()['ntc_lost_packets_total{stage="ring"}']
    assert 0 < lost < sent
    # what comes later is shown again
    net.send(frames("192.0.2.5", 9))
    wait_even(ntc, sent + 16)
    assert ntc.metrics()['ntc_lost_packets_total{stage="ring"}'] == lost


def test_a_full_bus_is_counted_and_the_collector_does_not_wait_for_it(quiet_ntc):
    ntc = quiet_ntc
    ntc.settings |= {"bus.queue": 16, "events.per_second": 100000000, "events.batch": 16}
    net = ntc.start_all().network
    with stopped(ntc.processes["aggregator"]):
        sent = generate(net, 20000)
        began = time.monotonic()
        ntc.block("192.0.2.66")         # the collector serves
        assert time.monotonic() - began < 1
        net.send(frames("192.0.2.66", 7))
    wait_even(ntc, sent + 7)
    ntc.wait_packets(7, action="drop")
    assert 0 < ntc.metrics()['ntc_lost_packets_total{stage="bus"}'] < sent
