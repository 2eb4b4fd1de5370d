"""Everything that can befall NTC at random and at once, under real traffic, and what must hold all along.

    make soak SOAK_MIN=10               ten minutes
    make soak SOAK_SEED=4711            the same order of events again

docs/testing.md says what is done, what is checked and how to read a failure.
"""

import argparse
import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

import zmq

from lists import DROP, PASS, Book, Churn, read_file
from processes import GROWTH_MIB, MEMORY_MIB, PROGRAMS, SoakNtc, Supervisor, load_factor
from traffic import Cable, Traffic
from conftest import GENERATOR, EventStream

RATE = 1000                     # packets/s each way
CHANGES = 100                   # of the lists, per second
ROUND_S = 10                    # between two checkpoints
ATTACH_S = 1
LATE_NS = 2 * 10 ** 9           # a packet that has not arrived by then was dropped
SETTLE_S = 5
GROWTH_FDS = 8
SPARED_ROUNDS = 4               # at least: so long nothing ends one of the processes


class Broken(Exception):
    """An invariant does not hold."""


class Soak:
    def __init__(self, seed, minutes):
        self.seed, self.minutes = seed, minutes
        self.plan = random.Random(seed)
        self.begin = time.monotonic()
        self.history = collections.deque(maxlen=25)
        self.failure = None
        self.broke = threading.Event()
        self.counts = collections.Counter()
        self.spared, self.spared_rounds, self.spared_cost = None, 0, None
        self.cable = Cable()
        self.ntc = SoakNtc(self.cable)
        self.book = Book()
        self.supervisor = Supervisor(self.ntc, self.fail, self.say)
        self.traffic = Traffic(self.cable, sorted(self.book.verdicts), RATE)
        self.churn = Churn(self.book, self.ntc.port, CHANGES, seed + 1, self.fail)
        self.judge = threading.Thread(target=self.judge_all, daemon=True)
        self.judged = threading.Event()     # set to end the judge
        self.late = collections.deque()     # packets that have not arrived so far

    # ---- telling ----

    def now(self):
        return time.monotonic() - self.begin

    def say(self, what):
        self.history.append(f"{self.now():7.2f} s  {what}")
        print(self.history[-1], flush=True)

    def fail(self, invariant, what):
        if not self.failure:
            self.failure = (invariant, self.now(), what)
            self.broke.set()

    def check(self, holds, invariant, what):
        if not holds:
            self.fail(invariant, what)
        if self.failure:
            raise Broken

    def sleep(self, seconds):
        if self.broke.wait(seconds):
            raise Broken

    # ---- the judge: looks at every packet, and at the lists file at random moments ----

    def judge_packet(self, sent, arrived):
        verdict = self.book.verdicts[sent.address].over(sent.begin_ns, sent.end_ns)
        way = "ingress" if sent.ingress else "egress"
        if arrived and verdict == DROP:
            blocked_ns = sent.begin_ns - self.book.verdicts[sent.address].since(sent.begin_ns)
            self.fail("blocked", f"a packet of {sent.address} passed ({way}) {blocked_ns / 1e9:.3f} s "
                      "after that was acknowledged as blocked")
        if not arrived and verdict == PASS and not self.traffic.is_disturbed(sent):
            self.fail("allowed", f"a packet of {sent.address} was dropped ({way}), which is not blocked")
        self.counts["judged" if verdict else "not judged"] += 1

    def judge_packets(self):
        now_ns = time.monotonic_ns()
        for sender in self.traffic.senders:
            while sender.sent and sender.sent[0].end_ns < now_ns - 10 ** 8:
                sent = sender.sent.popleft()
                if self.traffic.take_arrived(sent):
                    self.judge_packet(sent, True)
                else:
                    self.late.append(sent)
        for _ in range(len(self.late)):
            sent = self.late.popleft()
            arrived = self.traffic.take_arrived(sent)
            if arrived or sent.end_ns < now_ns - LATE_NS:
                self.judge_packet(sent, arrived)
            else:
                self.late.append(sent)

    def judge_file(self, between_changes):
        with self.book.lock if between_changes else contextlib.nullcontext():
            text = self.ntc.lists_file.read_text()
            wrong = None
            try:
                wrong = self.book.compare(text) if between_changes else read_file(text) and None
            except (ValueError, KeyError, TypeError) as error:
                wrong = f"it is not whole: {error}; it begins {text[:80]!r}, {len(text)} bytes"
        if wrong:
            self.fail("lists file", wrong)
        self.counts["file looks"] += 1

    def judge_all(self):
        draw = random.Random(self.seed + 2)
        try:
            while not self.judged.wait(draw.uniform(0.02, 0.2)):
                self.judge_packets()
                self.judge_file(draw.random() < 0.3)
        except Exception as error:
            self.fail("test", f"the judge ended: {error!r}")

    # ---- what befalls ----

    def act_kill(self):
        self.end_one(signal.SIGKILL, "kill -9")

    def act_terminate(self):
        self.end_one(signal.SIGTERM, "SIGTERM to")

    def end_one(self, how, words):
        name, after = self.plan.choice(PROGRAMS), self.plan.uniform(0, 1.5)
        if name == self.spared:
            return
        self.say(f"{words} {name}, again after {after:.2f} s")
        self.supervisor.end(name, how, after)

    def act_freeze(self):
        name, seconds = self.plan.choice(PROGRAMS), self.plan.uniform(0.2, 4)
        self.say(f"SIGSTOP {name} for {seconds:.2f} s")
        self.supervisor.freeze(name, seconds)

    def act_link_down(self):
        seconds = self.plan.uniform(0.05, 1)
        end = self.plan.choice(("port", "peer"))
        host = self.cable.router if end == "port" else self.cable.peer
        self.say(f"link {end} down for {seconds:.2f} s")
        self.traffic.begin_disturbance()
        self.traffic.pause()
        host.run("ip", "link", "set", end, "down")
        self.traffic.go_on()
        self.sleep(seconds)
        self.traffic.pause()
        host.run("ip", "link", "set", end, "up")
        self.cable.wait_carrier()
        self.traffic.go_on()
        self.traffic.end_disturbance()

    def act_link_vanishes(self):
        seconds = self.plan.uniform(0, 1)
        self.say(f"the interface vanishes for {seconds:.2f} s")
        self.traffic.begin_disturbance()
        self.traffic.pause()
        self.traffic.cut()
        self.sleep(seconds)
        self.cable.cable("port")
        begin = time.monotonic()
        collector = self.supervisor.members["collector"]
        while not self.cable.is_watched():
            since = max(begin, collector.since if collector.is_running and collector.ready_at
                        else time.monotonic())
            late = time.monotonic() - since
            self.check(late < ATTACH_S * load_factor() + 0.2, "attached",
                       f"the interface returned {late:.2f} s ago and is not watched")
            self.sleep(0.01)
        self.counts["attach ms, worst"] = max(self.counts["attach ms, worst"],
                                              int((time.monotonic() - begin) * 1000))
        self.cable.wait_carrier()
        self.traffic.go_on()
        self.traffic.end_disturbance()

    def act_disk_fills(self):
        seconds = self.plan.uniform(0.2, 2)
        filler = self.ntc.disk / "filler"
        if filler.exists():
            return
        self.say(f"the disk is full for {seconds:.2f} s")
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        self.supervisor.later(seconds, filler.unlink)

    def act_subscriber_stalls(self):
        endpoint = self.plan.choice(("events", "snapshots"))
        seconds = self.plan.uniform(0.5, 3)
        self.say(f"a subscriber to {endpoint} reads nothing for {seconds:.2f} s")
        stalled = zmq.Context.instance().socket(zmq.SUB)
        for option, value in ((zmq.LINGER, 0), (zmq.RCVHWM, 1), (zmq.RCVBUF, 4096)):
            stalled.setsockopt(option, value)
        stalled.setsockopt(zmq.SUBSCRIBE, b"")
        stalled.connect(self.ntc.endpoint(endpoint))
        self.supervisor.later(seconds, stalled.close)

    def act_clock_jumps(self):
        names = self.plan.choice([*PROGRAMS, PROGRAMS])
        seconds = self.plan.choice((-1, 1)) * 10 ** self.plan.uniform(-1, 6)
        self.say(f"the wall clock of {names if isinstance(names, str) else 'all'} is "
                 f"{seconds:+.1f} s from ours")
        for name in (names,) if isinstance(names, str) else names:
            self.ntc.set_clock(name, seconds)

    def act_flood(self):
        seconds, flows = self.plan.uniform(0.05, 0.4), self.plan.choice(("40", "5000", "random"))
        self.say(f"a flood of {flows} flows for {seconds:.2f} s")
        self.traffic.begin_disturbance()        # the kernel's backlog may overflow
        dropped = self.cable.arrivals()[1]
        done = self.cable.peer.popen(GENERATOR, "peer", "--flows", flows, "--seconds", f"{seconds:.3f}",
                                     "--seed", self.plan.randrange(1, 1 << 30),
                                     stdout=subprocess.PIPE, text=True).communicate()[0].split()
        self.traffic.end_disturbance()
        if self.cable.arrivals()[1] == dropped:
            self.traffic.disturbed.pop()
        self.counts["flood packets"] += int(done[0])

    def act_events_stall(self):
        clients, seconds = self.plan.randint(1, 8), self.plan.uniform(0.5, 3)
        self.say(f"{clients} clients for live events read nothing for {seconds:.2f} s")
        for _ in range(clients):
            with contextlib.suppress(OSError, EOFError, IndexError):
                stream = EventStream(self.ntc.url, receive_buffer=4096, timeout=0.5)
                self.supervisor.later(seconds, stream.close)

    ACTIONS = {act_kill: 4, act_terminate: 1, act_freeze: 3, act_link_down: 2, act_link_vanishes: 2,
               act_disk_fills: 2, act_subscriber_stalls: 1, act_clock_jumps: 3, act_flood: 2,
               act_events_stall: 1}

    # ---- checkpoints: when nothing befalls, all sums are exact ----

    def ledger(self):
        values = self.ntc.metrics()
        counted = tuple(int(sum(value for name, value in values.items()
                                if name.startswith("ntc_packets_total{")
                                and f'direction="{way}"' in name)) for way in ("ingress", "egress"))
        return (counted, values.get("ntc_ledger_difference_packets"),
                values.get("ntc_ledger_in_flight_packets"))

    def checkpoint(self):
        self.supervisor.settle()
        self.sleep(0)
        self.traffic.pause()
        wanted = self.traffic.expected()
        deadline = time.monotonic() + SETTLE_S * load_factor()
        while True:
            counted, difference, in_flight = self.ledger()
            if (counted, difference, in_flight) == (wanted, 0, 0):
                break
            late = time.monotonic() > deadline
            self.check(not late or counted == wanted, "counted",
                       f"(ingress, egress) packets that came through: {wanted}, counted: {counted}")
            self.check(not late, "ledger", f"difference {difference}, in flight {in_flight}")
            self.sleep(0.1)
        self.check_cost()
        self.traffic.go_on()
        self.counts["checkpoints"] += 1

    def check_cost(self):
        """Memory and descriptors of all, and their growth in the one that nothing ends for a while."""
        costs = {name: self.supervisor.cost(name) for name in PROGRAMS}
        total = sum(mib for mib, _ in costs.values())
        self.check(total <= MEMORY_MIB, "memory", f"{total:.1f} MiB in all: {costs}")
        self.counts["MiB in all, worst"] = max(self.counts["MiB in all, worst"], round(total))
        if self.spared and self.spared_rounds > 0:
            now, before = costs[self.spared], self.spared_cost
            self.check(now[0] <= before[0] + GROWTH_MIB, "memory",
                       f"{self.spared} had {before[0]:.1f} MiB and has {now[0]:.1f}")
            self.check(now[1] <= before[1] + GROWTH_FDS, "descriptors",
                       f"{self.spared} had {before[1]} open and has {now[1]}")
        self.spared_rounds -= 1
        if self.spared_rounds <= 0:
            self.spared = self.plan.choice(PROGRAMS)
            self.spared_rounds = max(SPARED_ROUNDS, int(self.minutes * 60 / ROUND_S / 6))
            self.spared_cost = costs[self.spared]

    # ---- all of it ----

    def start(self):
        self.ntc.lists_file.write_text(self.book.first_file())
        for name in PROGRAMS:
            self.supervisor.launch(name)
        self.supervisor.start()
        while not all(member.ready_at for member in self.supervisor.members.values()):
            self.sleep(0.05)
        self.traffic.start()
        self.churn.start()
        self.judge.start()
        self.sleep(1)
        self.checkpoint()

    def round(self):
        end = time.monotonic() + ROUND_S
        while time.monotonic() < end:
            action = self.plan.choices(list(self.ACTIONS), list(self.ACTIONS.values()))[0]
            action(self)
            self.counts["actions"] += 1
            self.sleep(self.plan.expovariate(1 / 0.4))
        self.checkpoint()

    def run(self):
        self.start()
        self.begin_rounds = time.monotonic()
        while time.monotonic() < self.begin_rounds + self.minutes * 60:
            self.round()
        self.traffic.pause()
        self.sleep(LATE_NS / 1e9 + 0.5)     # the judge looks at the last ones

    def close(self):
        self.churn.ends.set()
        self.supervisor.ends.set()
        self.judged.set()
        for thread in (self.churn, self.judge, self.supervisor):
            if thread.is_alive():
                thread.join(timeout=10)
        self.traffic.stop()
        self.ntc.close()
        self.cable.close()

    def report(self):
        print(f"list changes: {self.churn.answers}")
        print("slowest to serve again: " + ", ".join(
            f"{member.name} {member.slowest_s:.2f} s in {member.starts} starts"
            for member in self.supervisor.members.values()))
        print(", ".join(f"{name}: {value}" for name, value in sorted(self.counts.items())))
        if self.failure:
            invariant, when, what = self.failure
            print(f"\nBROKEN after {when:.2f} s, seed {self.seed}: {invariant}: {what}")
            print("The last actions:\n" + "\n".join(self.history))
            print("The logs' ends:\n" + self.ntc.logs()[-6000:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("soak: TC programs and network namespaces need root: sudo make soak", file=sys.stderr)
        return 2
    print(f"soak: seed {options.seed}, {options.minutes:g} minutes", flush=True)
    soak = Soak(options.seed, options.minutes)
    try:
        soak.run()
    except Broken:
        pass
    except BaseException as error:      # also what pytest.fail() raises
        soak.fail("test", repr(error))
        if isinstance(error, KeyboardInterrupt):
            raise
    finally:
        soak.report()
        soak.close()
    print(f"{0 if soak.failure else 1} passed, {1 if soak.failure else 0} failed in {soak.now():.1f}s")
    return 1 if soak.failure else 0


if __name__ == "__main__":
    sys.exit(main())
