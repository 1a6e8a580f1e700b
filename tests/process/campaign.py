#!/usr/bin/python3 -B
"""The crash campaign: broker and nodes are killed at random moments under load, and nothing that was promised is missing at the end.

    tests/process/campaign.py CYCLES [--only broker|node] [--within SECONDS] [--seed SEED] [--keep]

Four nodes publish in three lanes each, to all or to some, and all read. In each cycle the broker, nodes or both are killed with
SIGKILL at a moment chosen at random, sometimes again while they start; now and then while a new version of the agreement comes
into force. In the end: what a node took stands in the inbox of every reader once, in the order of each sender and lane (but for
what a new version had sealed anew) and in one order of each lane for all; what was not answered stands at all of its readers or
at none; what a reader had shown it never took back; outboxes are empty; there is no gap, no alarm, no evidence; receipts that
were asked for came. Told as well: how long each took from its start until it was ready again. Programs are those of $KW_BIN_DIR
(build/dev/bin; build/bin, as they are installed, for such figures).
"""

import argparse
import collections
import json
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import zmq

import kurzweg_test
import record
from kurzweg_test import Partnership, free_ports, wait_until

NODES = {"police/control-room": "police", "city/public-order": "city", "city/crime-prevention": "city", "youth-house/office": "civil"}
LANES = ("flash", "urgent", "routine")
TOPICS = "".join(f'  - {{filter: "{lane}/#", schema: note, purpose: danger-prevention, publish: ["*"], receive: ["*"], lane: {lane}}}\n' for lane in LANES)
PAUSE = 0.12          # seconds at most between two notifications of one voice
STORED_A_CYCLE = 12   # answers `stored` at least before the next fault: a fault without load proves nothing
VERSIONS = 3          # of the agreement, beside the first
RECEIPTS = 40         # of each voice, newest first, that are asked for their receipts
PROGRESS = 60.0       # seconds within which work must go on after a fault
SETTLE = 120.0        # seconds within which all must have arrived after the last fault


class Gone(Exception):
    """The node was killed before it answered: whether it did what it was asked is unknown."""


class Line:
    """One connection to a node's local socket. It is closed when the node is killed, so that no request outlives the process it was sent to."""

    def __init__(self, context, post):
        self.context, self.post, self.number, self.socket, self.life = context, post, 0, None, None
        post.lines.append(self)

    def hang_up(self):
        if self.socket is not None:
            self.socket.close(linger=0)
        self.socket, self.life = None, None

    def ask(self, verb, document=None, **keys):
        if self.socket is None:
            self.life = self.post.life
            self.socket = self.context.socket(zmq.DEALER)
            self.socket.connect(self.post.endpoint)
        self.number += 1
        self.socket.send_multipart([json.dumps({"request": self.number, "verb": verb, **keys}).encode()] + ([document] if document is not None else []))
        end = time.monotonic() + PROGRESS + keys.get("wait_ms", 0) / 1000
        while self.life == self.post.life:
            if self.socket.poll(20):
                answer = json.loads(self.socket.recv())
                assert answer["request"] == self.number, answer
                return answer
            assert time.monotonic() < end, f"{self.post.node} does not answer {verb}"
        self.hang_up()
        raise Gone


class Post:
    """One node: its daemon, how often it was killed, and who talks to it."""

    def __init__(self, node, endpoint):
        self.node, self.endpoint, self.daemon, self.life, self.lines, self.stored = node, endpoint, None, 0, [], 0

    def kill(self):
        self.daemon.kill()
        self.life += 1
        wait_until(lambda: all(line.life in (None, self.life) for line in self.lines), what=f"the connections of {self.node} to be closed")


class Spoken:
    """What one voice said in its order: the readers it was meant for, and the id, or None where the node was killed before it answered."""

    def __init__(self, readers, at_once):
        self.readers, self.at_once, self.id = readers, at_once, None
        self.last = None  # the id under which it came


KINDS = {"broker": ("broker",), "node": ("node", "nodes"), None: ("broker", "node", "nodes", "broker and nodes")}
WEIGHTS = {"broker": 5, "node": 4, "nodes": 1, "broker and nodes": 2}


class Campaign:
    """only: "broker" or "node", where nothing else is killed."""

    def __init__(self, stage, seed, only=None):
        self.stage, self.seed, self.only, self.random = stage, seed, only, random.Random(seed)
        self.p = Partnership(stage, nodes=NODES, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", topics=TOPICS)
        self.versions = [self.p.agreement()]
        for version in range(2, VERSIONS + 2):
            before = self.versions[-1]
            self.versions.append(self.p.sign(self.p.write(f"version-{version}.yaml", version=version, previous=self.p.hash_of(before)), previous=before))
        self.version = 1
        self.context = zmq.Context.instance()  # never ended: collecting one whose sockets are open blocks the thread that happens to collect it
        self.posts = {node: Post(node, self.p.socket(node)) for node in NODES}
        self.spoken = {(node, lane): [] for node in NODES for lane in LANES}
        self.followed = {node: [] for node in NODES}
        self.rows = {node: [] for node in NODES}  # of each inbox, as far as read
        self.over, self.threads, self.failure = threading.Event(), [], None
        self.faults = collections.Counter()
        self.left = 0  # cycles, with the one under way
        self.record = record.Record(self.versions[0])
        self.ready = {"broker": [], "node": []}  # seconds from each start that was not killed again

    # ---- the load ----

    def guarded(self, work, *args):
        try:
            work(*args)
        except BaseException as failure:  # shown by the thread that judges
            self.failure = self.failure or failure

    def say(self, post, lane, rng, line, said):
        others = [n for n in NODES if n != post.node]
        to = sorted(rng.sample(others, rng.randint(1, 2))) if rng.random() < 0.4 else []
        one = Spoken(to or others, rng.random() < 0.5)
        said.append(one)
        text = f"{post.node} {lane} {len(said) - 1} {'x' * rng.randrange(600)}".strip()
        topic = f"{lane}/{'mitte' if to else 'all'}"
        key = self.record.said(post.node, topic, text, to, order=lane)
        answer = line.ask("publish", json.dumps({"text": text, "language": "de"}).encode(), topic=topic, form="json", to=to, confirm_at_once=one.at_once)
        assert answer["ok"], answer
        one.id = answer["result"]["id"]
        self.record.taken(key, one.id)

    def voice(self, post, lane):
        """Says one thing after the other; now and then it waits until the last was stored."""
        rng, line, said = random.Random(f"{self.seed} {post.node} {lane}"), Line(self.context, post), self.spoken[post.node, lane]
        while not self.over.is_set():
            try:
                self.say(post, lane, rng, line, said)
                if rng.random() < 0.4:
                    answer = line.ask("state", id=said[-1].id, stage="stored", wait_ms=30000)
                    assert answer["ok"] or answer["error"] == "ETIMEOUT", answer
                    post.stored += answer["ok"]
            except Gone:
                pass
            self.over.wait(rng.random() * PAUSE)
        line.hang_up()

    def follower(self, post):
        """Reads on where it was, also after the node was killed: what was shown once must stay as it is."""
        line, after, seen = Line(self.context, post), 0, self.followed[post.node]
        while not self.over.is_set():
            try:
                answer = line.ask("inbox", after_seq=after, content="none", wait_ms=500)
                assert answer["ok"], answer
                seen += [(row["seq"], row["id"]) for row in answer["result"]["rows"]]
                after = answer["result"]["after"]
            except Gone:
                pass
        line.hang_up()

    def begin(self):
        self.broker = self.p.broker()
        for node, post in self.posts.items():
            post.daemon = self.p.node(node)
        for post in self.posts.values():
            for work, *args in [(self.voice, post, lane) for lane in LANES] + [(self.follower, post)]:
                thread = threading.Thread(target=self.guarded, args=(work, *args), daemon=True)
                self.threads.append(thread)
                thread.start()

    # ---- the faults ----

    def check(self):
        if self.failure is not None:
            raise self.failure

    def progress(self, posts, count):
        """Until the load had count more answers `stored` at these nodes together."""
        aim = sum(p.stored for p in posts) + count

        def reached():
            self.check()
            return sum(p.stored for p in posts) >= aim

        wait_until(reached, PROGRESS, f"{count} more answers `stored` at {', '.join(p.node for p in posts)}")

    def strike(self, post):
        """Kills a node, or the broker where post is None, and starts it again; maybe kills it once more before it is up, and again."""
        daemon = self.broker if post is None else post.daemon
        for times in range(3):
            (self.broker if post is None else post).kill()
            time.sleep(self.random.choice((0, 0, self.random.random())))
            said, begun = daemon.log.stat().st_size, time.monotonic()
            daemon.start()
            self.faults["broker" if post is None else post.node] += 1
            self.record.fault("killed " + ("the broker" if post is None else post.node))
            calm = self.random.random() >= 0.25
            if calm and (self.left > 1 or self.faults["while starting"]):  # a campaign of a few cycles has one of these too
                self.await_ready(daemon, said, begun, "broker" if post is None else "node")
                break
            time.sleep(self.random.random() * 0.4)
            self.faults["while starting"] += 1

    def await_ready(self, daemon, said, begun, kind):
        """Until it says so behind the first said bytes of its log; how long that took is kept."""
        word = b" broker.ready " if kind == "broker" else b" partner.ready "
        with open(daemon.log, "rb") as log:
            log.seek(said)
            text = b""
            while word not in text:
                assert daemon.alive(), f"{daemon.argv[0]} ended when it was started again"
                assert time.monotonic() < begun + PROGRESS, f"{daemon.argv[0]} is not ready {PROGRESS:.0f} s after its start"
                time.sleep(0.002)
                text += log.read()
        self.ready[kind].append(time.monotonic() - begun)

    def installed(self):
        """The version that is in force at the broker, 0 while it does not answer."""
        done = self.stage.kurzweg("status", "--json", "--control", f"ipc://{self.p.folder}/broker.sock", code=None)
        return json.loads(done.stdout)["agreement"]["version"] if done.returncode == 0 else 0

    def install(self):
        """The next version comes into force, although the broker is killed meanwhile; whole or not at all, and then once more."""
        path = self.versions[self.version]
        self.version += 1
        args = [str(kurzweg_test.BIN / "kurzweg"), "agreement", "install", str(path), "--control", f"ipc://{self.p.folder}/broker.sock"]
        asked = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=kurzweg_test.environment())
        time.sleep(self.random.random() * 0.5)
        self.strike(None)
        asked.wait()

        def in_force():
            self.check()
            now = self.installed()
            if now == self.version - 1:
                subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=kurzweg_test.environment(), timeout=120)
            return now == self.version

        wait_until(in_force, PROGRESS, f"version {self.version} in force")
        self.record.agreement(path)
        self.faults["while installing"] += 1

    def cycle(self):
        kinds = KINDS[self.only]
        what = self.random.choices(kinds, [WEIGHTS[k] for k in kinds])[0]
        nodes = self.random.sample(list(self.posts.values()), {"broker": 0, "node": 1}.get(what, 2))
        time.sleep(self.random.random() * 0.3)
        struck = nodes + ([None] if what.startswith("broker") else [])
        self.random.shuffle(struck)
        for post in struck:
            self.strike(post)
        self.progress(list(self.posts.values()), STORED_A_CYCLE)
        for post in nodes:
            self.progress([post], 1)

    # ---- the judgement ----

    def ask(self, post, verb, **keys):
        line = Line(self.context, post)
        answer = line.ask(verb, **keys)
        line.hang_up()
        assert answer["ok"], answer
        return answer["result"]

    def read_on(self, post):
        """All rows of its inbox; those that were read before are not asked for again."""
        rows, more = self.rows[post.node], True
        while more:
            got = self.ask(post, "inbox", after_seq=rows[-1]["seq"] if rows else 0, content="json")
            rows += got["rows"]
            more = got["more"]
        return rows

    def settled(self):
        """Every outbox is empty, and every reader has what was taken for it."""
        for post in self.posts.values():
            outbox = self.ask(post, "status")["outbox"]
            if outbox["waiting"] > 0:
                return False
            assert outbox["expired"] == 0, (post.node, outbox)
        for post in self.posts.values():
            there = {tuple(row["content"]["text"].split()[:3]) for row in self.read_on(post)}
            if any(one.id and post.node in one.readers and (sender, lane, str(n)) not in there
                   for (sender, lane), said in self.spoken.items() for n, one in enumerate(said)):
                return False
        return True

    def judge_history(self, cycles):
        """Once each, in order, only what was said and to whom it was: by a checker that shares nothing with the programs."""
        self.record.ways(lambda node, verb, **keys: self.ask(self.posts[node], verb, **keys))
        for node, post in self.posts.items():
            rows = self.read_on(post)
            self.record.shown(node, rows)
            shown = [(row["seq"], row["id"]) for row in rows]
            assert self.followed[node] == shown[:len(self.followed[node])], f"{node} took back what it had shown"
            for row in rows:
                assert row["mark"] == "", row
                sender, lane, number = row["content"]["text"].split()[:3]
                self.spoken[sender, lane][int(number)].last = row["id"]
        self.record.judge(self.p.folder, said=cycles * STORED_A_CYCLE, faults=cycles)

    def judge(self, cycles):
        self.judge_history(cycles)
        for post in self.posts.values():
            status = self.ask(post, "status")
            wrong = {key: status[key] for key in ("gaps", "missing_numbers", "alarms", "evidence", "stopped") if status[key]}
            assert not wrong and status["inbox"]["rejected"] == 0, (post.node, wrong, status["inbox"])
        for (node, lane), said in self.spoken.items():
            for one in [o for o in said if o.id and (o.at_once or lane == "flash")][-RECEIPTS:]:
                self.ask(self.posts[node], "state", id=one.last, stage="delivered", wait_ms=60000)

    def run(self, cycles, tell=print):
        """cycles of it, and the judgement; what fails names the seed, and what the daemons said last."""
        try:
            self.all_of_it(cycles, tell)
        except Exception as failure:
            raise AssertionError(f"seed {self.seed}: {failure}\n{self.logs()}") from failure
        finally:
            self.over.set()

    def all_of_it(self, cycles, tell):
        begun = time.monotonic()
        self.begin()
        self.progress(list(self.posts.values()), STORED_A_CYCLE)
        for i in range(cycles):
            self.left = cycles - i
            if i * (VERSIONS + 1) // cycles > self.version - 1:
                self.install()
            self.cycle()
            if i % 50 == 49:
                tell(f"{i + 1} cycles, {sum(map(len, self.spoken.values()))} notifications, {time.monotonic() - begun:.0f} s")
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.check()
        wait_until(self.settled, SETTLE, "an empty outbox at every sender and everything at every reader")
        self.judge(cycles)
        said = [one for said in self.spoken.values() for one in said]
        struck = {"broker": self.faults["broker"], "node": sum(self.faults[n] for n in NODES)}
        enough = self.faults["while starting"] and all(struck[kind] for kind in ([self.only] if self.only else struck))
        assert enough, f"too few faults: {dict(self.faults)}"
        assert cycles <= VERSIONS or self.version == VERSIONS + 1
        tell(f"seed {self.seed}: {len(said)} notifications, {sum(one.id is None for one in said)} not answered, "
             f"{sum(event['event'] == 'anew' for event in self.record.events)} sealed anew, {dict(self.faults)}, "
             f"{time.monotonic() - begun:.0f} s: nothing is missing, nothing came twice")
        for line in self.times():
            tell(line)
        for daemon in [self.broker, *(post.daemon for post in self.posts.values())]:
            code = daemon.stop()
            assert code == 0, f"{daemon.argv[0]} ended with {code}:\n{daemon.text()[-4000:]}"

    def times(self):
        """How long they took to be ready, in words."""
        for kind, took in self.ready.items():
            if took:
                took = sorted(took)
                at = [took[min(len(took) - 1, int(len(took) * share))] * 1000 for share in (0.5, 0.9, 0.99)]
                yield f"{kind} ready again after {at[0]:.0f} ms (half), {at[1]:.0f} ms (nine of ten), {at[2]:.0f} ms (99 of 100), {took[-1] * 1000:.0f} ms (the longest of {len(took)})"

    def slow(self, seconds):
        return sum(t > seconds for took in self.ready.values() for t in took)

    def logs(self):
        return "\n".join(f"---- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in sorted(self.p.folder.glob("*.log")))


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("cycles", type=int)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="of an earlier run, for the same choices")
    options.add_argument("--only", choices=("broker", "node"), help="what is killed; else both")
    options.add_argument("--within", type=float, help="fails when one in a hundred took more seconds than this to be ready again")
    options.add_argument("--keep", action="store_true", help="leave the folder with stores and logs")
    wanted = options.parse_args()
    stage = kurzweg_test.TestCase()
    if wanted.keep:
        stage.folder = pathlib.Path(kurzweg_test.tempfile.mkdtemp(prefix="kurzweg-crash-"))
        print(f"stores and logs are in {stage.folder}", flush=True)
    else:
        stage.setUp()
    print(f"seed {wanted.seed}", flush=True)
    campaign = Campaign(stage, wanted.seed, wanted.only)
    try:
        campaign.run(wanted.cycles, lambda text: print(text, flush=True))
        if wanted.within and campaign.slow(wanted.within) * 100 > sum(map(len, campaign.ready.values())):
            sys.exit(f"{campaign.slow(wanted.within)} starts took more than {wanted.within} s")
    finally:
        stage.doCleanups()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the daemons are stopped then too
    main()
