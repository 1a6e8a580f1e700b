#!/usr/bin/python3 -B
"""What others notice of an attack: how long an alert takes from one honest node to another, calm and attacked, in turns.

    tests/process/hostile_latency.py [--only WORD] [--rounds N] [--messages N] [--rate N]

A real broker and three real nodes: police/control-room publishes flash alerts at a steady rate, city/public-order has to have each in
its inbox. Beside it mob/a00 is a real node, and the keys of mob/a01 … are used by who says what it likes (hostile_attacks.py). Each
attack has its rounds, calm and attacked in turns. An attack that the broker did not see, by its own counters or descriptors, is a failure
of the run, and so is an alert that does not come. Time is told and not judged. Programs are those of $KW_BIN_DIR (build/bin).
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("KW_BIN_DIR", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "bin"))

import desk  # noqa: E402
import kurzweg_test  # noqa: E402
import strangers  # noqa: E402
from kurzweg_test import BIN, Partnership, free_ports, wait_until  # noqa: E402

MOB = 24  # keys of the mob, the first of them a real node's
POLICE, CITY = "police/control-room", "city/public-order"
TOPICS = """\
  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: ["*"], receive: ["*"], lane: flash}
  - {filter: "mob/#", schema: alert, purpose: danger-prevention, publish: ["*"], receive: ["*"], lane: routine}
"""
TICKS = os.sysconf("SC_CLK_TCK")
LONGEST = 300.0  # seconds of a round
SETTLE = 20.0    # until the broker has seen what was sent
SPARE = 600       # descriptors of broker and attacker that are not for silent connections


def room(most):
    """How many connections of strangers this machine's limits allow."""
    return min(most, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE)


class Kind:
    """An attack and its size; what its process must have done at least before a round may end; and what the broker must have seen of it, by what its
    counters grew: seen(stage, what was done, grew)."""

    def __init__(self, name, method, size, least, seen=lambda stage, did, grew: True):
        self.name, self.method, self.size, self.least, self.seen = name, method, size, least, seen


def kinds(scale=1.0, mob=MOB):
    """scale: a part of it, where it is not about time; mob: keys."""
    def part(n):
        return max(1, int(n * scale))

    silent, loris = room(part(15000)), part(1000)
    return [
        Kind("connections without handshake", "silent", silent, {"opened": silent}, lambda s, did, grew: s.descriptors >= min(silent, part(3000))),
        Kind("slow-loris frames", "loris", loris, {"bytes one at a time": 10 * loris}, lambda s, did, grew: s.descriptors >= loris),
        Kind("unknown keys", "knocking", 1, {"knocks": part(300)}, lambda s, did, grew: grew["unknown_keys"] >= did["knocks"]),
        Kind("subscribers that never read", "deaf", 1, {"subscribers": mob - 1}, lambda s, did, grew: did["that did not read"] == mob - 1),
        Kind("ten times the rate", "ten_times", 0, {"published": part(500)},
             lambda s, did, grew: did["published"] >= 9 * scale * s.said and grew["stored"] >= did["published"] // 2),
        Kind("frame counts and sizes", "sizes", 16, {"too large": part(30)}, lambda s, did, grew: grew["malformed"] + grew["dropped"] >= did["too large"]),
        Kind("forged and replayed", "storm", 512, {"replayed": part(500)},
             lambda s, did, grew: grew["messages"] >= 2 * did["replayed"] and min(grew["stored"], grew["duplicates"]) > 0),  # of the rest many are put off
        Kind("garbage after login", "garbage", part(100), {"messages": part(2000)}, lambda s, did, grew: grew["malformed"] + grew["dropped"] >= did["messages"] // 2),
    ]


class Stage:
    """Broker and nodes; what one round says and how long each alert took."""

    def __init__(self, test, rate, mob=MOB):
        port, names = free_ports()[0], [f"mob/a{i:02}" for i in range(mob)]
        nodes = {POLICE: "police", CITY: "city"} | {name: "civil" for name in names}
        self.p = Partnership(test, nodes=nodes, endpoint=f"tcp://127.0.0.1:{port}", topics=TOPICS)
        path = self.p.agreement()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.broker = self.p.broker()
        self.honest = (POLICE, CITY, names[0])
        for name in self.honest:
            self.p.node(name).wait_for("link.up")
        self.sender, self.reader = desk.Desk(self.p.socket(POLICE)), desk.Desk(self.p.socket(CITY))
        test.addCleanup(self.sender.close)
        test.addCleanup(self.reader.close)
        self.text, self.rate, self.number, self.after, self.said, self.descriptors = desk.fresh("flood-neckar.cap.xml"), rate, 0, 0, 0, 0
        self.control = strangers.Control(self.sender.context, self.p.folder / "broker.sock")
        self.told = {"port": port, "public": strangers.Key(self.p.key("haus")).public.hex(), "hash": self.p.hash_of(path).split(":")[-1],
                     "partnership": "musterstadt", "keys": {name: str(self.p.key(name)) for name in names[1:]}, "node": self.p.socket(names[0]), "text": self.text,
                     "wraps": len(nodes) - 1, "victim": POLICE}

    def counters(self):
        got = self.control.status()
        assert got is not None, "the broker does not answer its operator"
        return collections.Counter({name: n for name, n in got["counters"].items() if isinstance(n, int)})

    def open_now(self):
        return len(os.listdir(f"/proc/{self.broker.pid}/fd"))

    def burnt(self):
        """Seconds of processor that the broker has used."""
        with open(f"/proc/{self.broker.pid}/stat") as stat:
            return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / TICKS

    def one(self):
        """Seconds from the call that publishes until the alert stands in the other node's inbox."""
        self.number += 1
        began = time.monotonic()
        identity = self.sender.publish("alert/x", desk.numbered(self.text, f"honest-{self.number}"))
        while True:
            got = self.reader.ask("inbox", topic="alert/x", content="none", after_seq=self.after, wait_ms=30000)
            self.after = got["after"]
            if any(row["id"] == identity for row in got["rows"]):
                return time.monotonic() - began
            assert time.monotonic() - began < 60, f"an alert did not come within a minute: {self.reader.status()}"

    def round(self, messages, enough=lambda: True):
        """Each one's seconds, and how much of a processor the broker took; so many, and until it is enough."""
        took, began, burnt, self.descriptors = [], time.monotonic(), self.burnt(), 0
        while len(took) < messages or not enough():
            time.sleep(max(0.0, began + len(took) / self.rate - time.monotonic()))  # the rate is the measure's own
            if len(took) % 5 == 0:
                self.descriptors = max(self.descriptors, self.open_now())
            took.append(self.one())
            assert time.monotonic() - began < LONGEST, "the attack does not come about"
        self.said = len(took)
        return took, (self.burnt() - burnt) / (time.monotonic() - began)

    def settled(self):
        """Nothing of an attack is left: its connections are closed, and what it stored was delivered."""
        wait_until(lambda: self.open_now() < 100, what="the attacker's connections to be closed")
        wait_until(lambda: not any(lane["behind"] for node in self.control.status()["nodes"] if node["id"] in self.honest for lane in node["lanes"].values()),
                   300, "the honest nodes to have all")


class Attacker:
    def __init__(self, kind, stage):
        told = stage.told | {"attack": kind.method, "size": kind.size or 10 * stage.rate, "least": kind.least}
        self.process = subprocess.Popen([sys.executable, "-B", pathlib.Path(__file__).with_name("hostile_attacks.py"), json.dumps(told)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=kurzweg_test.environment())
        self.done = False
        assert self.line() == b"there\n", f"{kind.name}: the attacker ended"

    def line(self):
        """A whole one, or what was said before the end: a pipe may give it in pieces. Not a byte more, since select() looks at the pipe."""
        said = b""
        while not said.endswith(b"\n") and (more := os.read(self.process.stdout.fileno(), 1)):
            said += more
        return said

    def enough(self):
        """It has done what it must at least; an attacker that ended has not."""
        if not self.done and select.select([self.process.stdout], [], [], 0)[0]:
            said = self.line()
            self.done = said == b"enough\n"
            assert self.done, f"the attacker ended: {said}"
        return self.done

    def stop(self):
        """What it counted."""
        said, _ = self.process.communicate(timeout=120)
        return collections.Counter(json.loads(said.splitlines()[-1]))


class Result:
    def __init__(self, kind):
        self.kind, self.calm, self.attacked, self.ratios, self.cpu, self.did = kind, [], [], [], [[], []], collections.Counter()


def must_have_seen(stage, kind, did, before):
    """What is under way to the broker is waited for."""
    end = time.monotonic() + SETTLE
    while not kind.seen(stage, did, stage.counters() - before):
        assert time.monotonic() < end, f"{kind.name}: the broker did not see this attack: {dict(did)}, {dict(stage.counters() - before)}, {stage.descriptors} descriptors"
        time.sleep(0.1)


def measure(stage, kind, rounds, messages):
    """Calm and attacked in turns; fails where the broker saw no attack."""
    result = Result(kind)
    for _ in range(rounds):
        calm, cpu = stage.round(messages)
        result.cpu[0].append(cpu)
        before, attacker = stage.counters(), Attacker(kind, stage)
        try:
            attacked, cpu = stage.round(messages, attacker.enough)
            result.cpu[1].append(cpu)
        finally:
            did = attacker.stop()
        must_have_seen(stage, kind, did, before)
        for what, n in did.items():
            result.did[what] = max(n, result.did[what]) if what == "at a time" else n + result.did[what]
        result.calm += calm
        result.attacked += attacked
        result.ratios.append(statistics.median(attacked) / statistics.median(calm))
        stage.settled()
    assert stage.broker.alive(), stage.broker.text()[-3000:]
    return result


def ms(seconds, part):
    return 1000 * sorted(seconds)[min(len(seconds) - 1, int(part * len(seconds)))]


def line(r):
    did = ", ".join(f"{n:,} {what}" for what, n in r.did.items())
    calm, attacked = [(ms(s, 0.5), ms(s, 0.95)) for s in (r.calm, r.attacked)]
    return (f"| {r.kind.name} | {did} | {calm[0]:.0f} / {calm[1]:.0f} | {attacked[0]:.0f} / {attacked[1]:.0f} | "
            f"{attacked[0] / calm[0]:.2f} ({min(r.ratios):.2f}–{max(r.ratios):.2f}) | {attacked[1] / calm[1]:.2f} | "
            f"{100 * statistics.mean(r.cpu[0]):.0f} / {100 * statistics.mean(r.cpu[1]):.0f} |")


HEAD = ("| attack | what was done, all rounds | calm: p50 / p95, ms | attacked | ratio p50 (by round) | ratio p95 | broker's processor, %: calm / attacked |\n"
        "|---|---|---|---|---|---|---|")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="", help="attacks with this word in their name")
    options.add_argument("--rounds", type=int, default=3, help="pairs of a calm and an attacked one")
    options.add_argument("--messages", type=int, default=100, help="alerts a round")
    options.add_argument("--rate", type=int, default=10, help="alerts a second")
    wanted = options.parse_args()
    test = kurzweg_test.TestCase()
    test.setUp()
    try:
        stage = Stage(test, wanted.rate)
        stage.round(10)  # what a first one costs is not measured
        print(f"{BIN}; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {wanted.rounds} rounds of {wanted.messages} alerts at {wanted.rate} a second\n{HEAD}", flush=True)
        for kind in kinds():
            if wanted.only in kind.name:
                print(line(measure(stage, kind, wanted.rounds, wanted.messages)), flush=True)
    finally:
        test.doCleanups()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the daemons are stopped then too
    main()
