#!/usr/bin/python3 -B
"""Every byte of a handshake, a publish and a delivery is a place where the network fails: nothing is lost, nothing comes twice.

    tests/process/every_byte.py [--seed SEED] [--victims N] [--every N] [--keep]

Nodes reach the broker through proxy.py. For each byte that goes up or down in a handshake, while something is published and while
something is delivered: the connection is cut behind it, and in another round the byte is changed; then a few resets, delays and
stalls at places drawn from the seed, and each of these once byte by byte. In each round the victim says one thing and is told
one; both must have arrived before its next round. Two other nodes talk all the while and may not notice. In the end history.py
judges the record, no node may know of a gap, an alarm or evidence, and the broker is the process that it was.

Programs are those of $KW_BIN_DIR (build/dev/bin). It takes about half an hour; --every 10 takes each tenth place.
"""

import argparse
import collections
import json
import pathlib
import queue
import random
import signal
import sys
import tempfile
import threading
import time

import zmq

import desk
import kurzweg_test
import proxy
import record
import strangers
from kurzweg_test import Partnership, free_ports, wait_until
from proxy import CORRUPT, CUT, DELAY, DOWN, RESET, SPLIT, STALL, UP, Fault

HANDSHAKE, PUBLISH, DELIVER = "handshake", "publish", "deliver"
TALKERS = ("police/control-room", "city/public-order")
TOPICS = "".join(f'  - {{filter: "{lane}/#", schema: note, publish: ["*"], receive: ["*"], lane: {lane}}}\n' for lane in ("flash", "urgent", "routine"))
ARRIVES = 150.0       # seconds within which all must have arrived: a stall is noticed after 30
UNNOTICED = 20.0      # seconds that the others' messages may take on a busy machine; what waits for a stall to end takes longer
PAUSE = 0.25          # seconds between two things that the others say
FEW = 6               # resets, stalls and delays for each way of each scene
DELAY_MS = 150

Job = collections.namedtuple("Job", "scene kind way at")


class Victim:
    """A node whose connection fails; its daemon, and desks of this thread's own."""

    def __init__(self, bench, node):
        self.bench, self.node = bench, node
        self.daemon = bench.p.node(node)
        self.own, self.partner = desk.Desk(bench.p.socket(node)), desk.Desk(bench.p.socket(TALKERS[0]))
        self.seen, self.rows = 0, set()

    def ready(self):
        """Its connection, once it has one that both sides know of."""
        def there():
            return self.own.status()["link"]["state"] == "ready" and self.bench.proxy.connection(self.bench.address(self.node))

        return wait_until(there, ARRIVES, f"the link of {self.node}")

    def say(self):
        return self.bench.say(self.own, self.node, TALKERS[0])

    def be_told(self):
        return self.bench.say(self.partner, TALKERS[0], self.node)

    def arrived(self, said, told):
        """What it said is stored, and what it was told is in its inbox."""
        if said:
            wait_until(lambda: self.own.ask("trace", id=said)["state"] == "stored", ARRIVES, f"the answer to {self.node}")

        def there():
            got = self.own.ask("inbox", after_seq=self.seen, content="none", wait_ms=200)
            self.seen = got["after"]
            self.rows |= {row["id"] for row in got["rows"]}
            return told in self.rows

        if told:
            wait_until(there, ARRIVES, f"what {self.node} was told")

    def quiet(self):
        """Bytes that its connection has passed, when no more come."""
        one = self.ready()
        while True:
            before = dict(one.passed)
            time.sleep(0.3)
            if one.passed == before:
                return one, before

    def sizes(self):
        """How many bytes go each way in each scene when nothing fails."""
        sizes = {}
        self.ready().end()
        one, passed = self.quiet()
        sizes[HANDSHAKE] = passed
        for scene in (PUBLISH, DELIVER):
            one, before = self.quiet()
            self.arrived(*((self.say(), None) if scene == PUBLISH else (None, self.be_told())))
            one, after = self.quiet()
            sizes[scene] = {way: after[way] - before[way] for way in (UP, DOWN)}
        return sizes

    def round(self, job):
        """Answers the fault. It need not have come about: an exchange may be shorter than the one that was measured."""
        fault = Fault(job.kind, job.way, job.at, DELAY_MS if job.kind == DELAY else 0xFF)
        one = self.ready()
        if job.scene == HANDSHAKE:
            self.bench.proxy.plan(fault)
            one.end()
            said, told = self.say(), self.be_told()
        else:
            one.arm(fault)
            said, told = (self.say(), None) if job.scene == PUBLISH else (None, self.be_told())
        self.arrived(said, told)
        if job.scene != HANDSHAKE:
            one.disarm()
        return fault

    def close(self):
        self.own.close()
        self.partner.close()


class Bench:
    """A broker behind a proxy, two that talk all the while, and victims that take jobs from a queue."""

    def __init__(self, stage, seed, victims):
        self.seed, self.random = seed, random.Random(seed)
        listen, behind = free_ports(2)
        self.proxy = proxy.Proxy(behind, listen)
        stage.addCleanup(self.proxy.close)
        names = [f"house-{i}/desk" for i in range(victims)]
        self.p = Partnership(stage, nodes={**{n: n.split("/")[0] for n in TALKERS}, **{n: "other" for n in names}},
                             endpoint=f"tcp://127.0.0.1:{listen}", topics=TOPICS)
        self.record = record.Record(self.p.agreement())
        self.broker = self.p.broker(listen=f"tcp://127.0.0.1:{behind}")
        self.talkers = {node: self.p.node(node) for node in TALKERS}
        self.victims = [Victim(self, n) for n in names]
        for victim in self.victims:
            stage.addCleanup(victim.close)
        self.over, self.failure, self.slowest, self.talked, self.faults = threading.Event(), None, 0.0, 0, []
        self.control, self.asking = strangers.Control(zmq.Context.instance(), self.p.folder / "broker.sock"), threading.Lock()
        stage.addCleanup(self.control.close)

    def address(self, node):
        """Where the broker sees the node; None while it does not."""
        with self.asking:
            standing = self.control.status()
        return next((n.get("address") for n in standing["nodes"] if n["id"] == node and n["connected"]), None)

    def say(self, at, sender, to):
        """One thing, from the thread that at belongs to; its id."""
        lane = "urgent"
        content = f"{sender} to {to} {time.monotonic_ns()}"
        key = self.record.said(sender, lane, content, [to], order=f"to {to}")
        identity = at.publish(lane, json.dumps({"text": content, "language": "de"}), form="json", to=[to], confirm_at_once=True)
        self.record.taken(key, identity)
        return identity

    # ---- those who may not notice ----

    def talk(self, sender, reader):
        at = desk.Desk(self.p.socket(sender))
        while not self.over.is_set():
            begun = time.monotonic()
            at.ask("state", id=self.say(at, sender, reader), stage="delivered", wait_ms=int(ARRIVES * 400))
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.talked += 1
            self.over.wait(PAUSE)
        at.close()

    # ---- those who are struck ----

    def plan(self, sizes, every):
        """All jobs, in an order from the seed; what takes longest first."""
        jobs, long = [], []
        for scene, ways in sizes.items():
            for way, size in ways.items():
                jobs += [Job(scene, kind, way, at) for at in range(0, size, every) for kind in (CUT, CORRUPT)]
                few = self.random.sample(range(size), min(max(FEW // every, 1), size))
                jobs += [Job(scene, kind, way, at) for at in few for kind in (RESET, DELAY)] + [Job(scene, SPLIT, way, 0)]
                long += [Job(scene, STALL, way, at) for at in few]
        self.random.shuffle(jobs)
        self.random.shuffle(long)
        return long + jobs

    def strike(self, victim, jobs, until):
        while not self.over.is_set() and time.monotonic() < until:
            try:
                job = jobs.get_nowait()
            except queue.Empty:
                return
            try:
                self.faults.append((job, victim.round(job)))
            except Exception as failure:
                raise AssertionError(f"{victim.node}, {job}: {failure}") from failure

    def guarded(self, work, *args):
        try:
            work(*args)
        except BaseException as failure:  # shown by the thread that judges
            self.failure = self.failure or failure
            self.over.set()

    def start(self, work, *args):
        thread = threading.Thread(target=self.guarded, args=(work, *args), daemon=True)
        thread.start()
        return thread

    def run(self, jobs, seconds=float("inf"), tell=print):
        """All jobs, or as many as the seconds allow, and the judgement. Answers how many faults were applied."""
        waiting, total = queue.Queue(), len(jobs)
        for job in jobs:
            waiting.put(job)
        pid, until, told = self.broker.pid, time.monotonic() + seconds, time.monotonic()
        talkers = [self.start(self.talk, *TALKERS), self.start(self.talk, *TALKERS[::-1])]
        strikers = [self.start(self.strike, victim, waiting, until) for victim in self.victims]
        while any(t.is_alive() for t in strikers):
            strikers[0].join(0.2)
            time.sleep(0.05)
            if time.monotonic() - told > 60:
                told = time.monotonic()
                tell(f"{total - waiting.qsize()} of {total} jobs, the others' slowest message took {self.slowest:.1f} s")
        self.over.set()
        for thread in talkers:
            thread.join()
        if self.failure:
            raise self.failure
        assert self.broker.alive() and self.broker.pid == pid, self.broker.text()
        applied = collections.Counter()
        for job, fault in self.faults:
            if fault.applied.is_set():
                applied[f"{job.scene} {job.kind}"] += 1
                self.record.fault(f"{job.scene}: {fault}")
        self.judge(applied.total())
        tell(f"seed {self.seed}: {applied.total()} faults in {len(self.faults)} of {total} jobs, {dict(applied)}; "
             f"meanwhile the others had {self.talked} messages, the slowest took {self.slowest:.1f} s")
        return applied

    def judge(self, applied):
        desks = {node: desk.Desk(self.p.socket(node)) for node in (*TALKERS, *(v.node for v in self.victims))}
        self.record.ways(lambda node, verb, **keys: desks[node].ask(verb, **keys))
        for node, at in desks.items():
            self.record.shown(node, at.inbox(content="json"))
            status = at.status()
            wrong = {key: status[key] for key in ("gaps", "missing_numbers", "alarms", "evidence", "stopped") if status[key]}
            assert not wrong and status["inbox"]["rejected"] == 0, (node, wrong, status["inbox"])
            at.close()
        self.record.judge(self.p.folder, said=applied + 2, faults=max(applied, 1))
        assert self.talked >= 4 and self.slowest < UNNOTICED, f"the others had {self.talked} messages, the slowest took {self.slowest:.1f} s"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="of an earlier run, for the same places in the same order")
    options.add_argument("--victims", type=int, default=8, help="nodes that are struck at a time")
    options.add_argument("--every", type=int, default=1, help="take each Nth byte only")
    options.add_argument("--keep", action="store_true", help="leave the folder with stores, logs and the record")
    wanted = options.parse_args()
    stage = kurzweg_test.TestCase()
    if wanted.keep:
        stage.folder = pathlib.Path(tempfile.mkdtemp(prefix="kurzweg-every-byte-"))
        print(f"stores and logs are in {stage.folder}", flush=True)
    else:
        stage.setUp()
    print(f"seed {wanted.seed}", flush=True)
    try:
        bench = Bench(stage, wanted.seed, wanted.victims)
        sizes = bench.victims[0].sizes()
        print(f"bytes in each scene: {sizes}", flush=True)
        bench.run(bench.plan(sizes, wanted.every), tell=lambda text: print(text, flush=True))
    finally:
        stage.doCleanups()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the daemons are stopped then too
    main()
