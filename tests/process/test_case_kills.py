"""The broker is killed between any two receipts of a case's whole life, and in the middle of each: the same owner, the same limit [M-17]."""

import os
import random
import subprocess
import time

import kurzweg_test
import strangers
from kurzweg_test import DONE, wait_until
from test_cases import ORDER, POLICE, PREVENTION, YOUTH, CaseTest

# The life of a case by its receipts: who, with which words, and how the case stands then. The line is order, police; prevention is the coordinator.
LIFE = (
    (ORDER, ("decline", "--reason", "nobody here at night"), dict(state="offered", owner=POLICE, next="")),
    (POLICE, ("take",), dict(state="taken", owner=POLICE, next="")),
    (POLICE, ("hand-over", "--to", ORDER, "--note", "yours in the morning"), dict(state="taken", owner=POLICE, next=ORDER)),
    (ORDER, ("take",), dict(state="taken", owner=ORDER, next="")),
    (ORDER, ("hand-over", "--to", PREVENTION, "--note", "yours after all"), dict(state="taken", owner=ORDER, next=PREVENTION)),
    (PREVENTION, ("decline", "--reason", "not ours"), dict(state="taken", owner=ORDER, next="")),
    (ORDER, ("return", "--note", "no time"), dict(state="offered", owner=POLICE, next="")),
    (POLICE, ("decline", "--reason", "nor here"), dict(state="escalated", owner=PREVENTION, next="")),
    (PREVENTION, ("take",), dict(state="taken", owner=PREVENTION, next="")),
    (PREVENTION, ("done", "--outcome", "quiet again"), dict(state="done", owner=PREVENTION, next="")),
    (YOUTH, ("reopen", "--note", "it began again"), dict(state="offered", owner=PREVENTION, next="")),
    (PREVENTION, ("take",), dict(state="taken", owner=PREVENTION, next="")),
    (PREVENTION, ("done", "--outcome", "quiet at last"), dict(state="done", owner=PREVENTION, next="")),
)
SAME = ("state", "owner", "next", "until_ms", "alarms", "entries")


class Killed(CaseTest):
    def setUp(self):
        super().setUp()
        self.shift = int(os.environ.get("KW_SEED", random.randrange(3)))
        self.kills = 0

    def broker_status(self):
        context = strangers.zmq.Context()
        control = strangers.Control(context, self.p.folder / "broker.sock")
        try:
            return control.status(2)
        finally:
            control.close()
            context.destroy(linger=0)

    def after_entries(self, count, started):
        """Returns when the broker has committed so many more than now, or the command has ended: the closest that one can come from outside."""
        context = strangers.zmq.Context()
        control = strangers.Control(context, self.p.folder / "broker.sock")
        end = time.monotonic() + 20
        try:
            first = control.status()["counters"]["stored"]
            command = started()
            while command.poll() is None and time.monotonic() < end and control.status()["counters"]["stored"] < first + count:
                pass
            return command
        finally:
            control.close()
            context.destroy(linger=0)

    def kill_the_broker(self):
        """kill -9, and up again; when this returns all four nodes are with it."""
        self.kills += 1
        self.broker.kill()
        self.broker.start()
        self.broker.wait_for("broker.ready", self.kills + 1)
        wait_until(lambda: (self.broker_status() or {"sessions": 0})["sessions"] == len(self.nodes), what="all nodes are back")

    def seen(self, id):
        return {node: {k: self.case(node, id).get(k) for k in SAME} for node in self.nodes}

    def say(self, node, id, words, **more):
        return [str(a) for a in (kurzweg_test.BIN / "kurzweg", words[0], id, *words[1:], "--socket", self.p.socket(node), "--timeout", "60s")]

    def move_and_kill_in_the_middle(self, node, id, words, entries):
        """When so many entries were committed: 0 before the receipt, 1 between it and the broker's statement, 2 right behind that, before any snapshot."""
        said = open(self.folder / "said", "w+")
        self.addCleanup(said.close)
        command = self.after_entries(entries, lambda: subprocess.Popen(self.say(node, id, words), stdout=said, stderr=said))
        self.kill_the_broker()
        self.assertEqual(command.wait(timeout=60), DONE, f"{words} at {node}: {(self.folder / 'said').read_text()}")

    def stays(self, id, what, until_ms=None):
        """As it was before, at the nodes and in what the broker counts. until_ms: of a limit that runs out in a moment, then nothing is compared."""
        before, counts = self.seen(id), self.broker_status()["cases"]
        self.kill_the_broker()
        if until_ms is not None and time.time() * 1000 > until_ms - 3000:
            return
        self.assertEqual(self.broker_status()["cases"], counts, f"KW_SEED={self.shift}, {what}")
        self.assertEqual(self.seen(id), before, f"KW_SEED={self.shift}, {what}")

    def test_between_any_two_receipts_and_in_the_middle_of_each(self):
        self.partnership()
        id = self.request()
        self.everywhere(id, state="offered", owner=ORDER, next="")
        self.stays(id, "opened")
        for n, (node, words, stands) in enumerate(LIFE):
            self.move_and_kill_in_the_middle(node, id, words, (n + self.shift) % 3)
            self.everywhere(id, **stands)
            self.stays(id, words)
        entries = self.case(YOUTH, id)["entries"]
        self.assertEqual([e["move"].replace("_", "-") for e in entries if "move" in e], [words[0] for _, words, _ in LIFE])
        self.assertTrue(all(e["verdict"] == "ok" for e in entries if "move" in e), entries)

    def test_a_limit_that_runs_while_the_broker_is_killed_is_over_when_it_was_said_to_be(self):
        self.partnership(first="20s", second="20s", last="20s")
        id = self.request()
        limit = 0
        for owner, state in ((ORDER, "offered"), (POLICE, "offered"), (PREVENTION, "escalated")):
            self.everywhere(id, state=state, owner=owner)
            self.assertGreaterEqual(time.time() * 1000, limit, owner)
            limit = self.case(YOUTH, id)["until_ms"]
            if state == "offered":
                self.stays(id, f"offered to {owner}, with 20 s", limit)
        opened, first, second = self.case(YOUTH, id)["entries"][:3]
        self.assertEqual([e["cause"] for e in (opened, first, second)], ["opened", "timeout", "timeout"])
        for before, after in ((opened, first), (first, second)):
            self.assertGreaterEqual(after["at_ms"], before["until_ms"])  # never early, and late by no more than nodes need to come back
            self.assertLess(after["at_ms"], before["until_ms"] + 60000)


if __name__ == "__main__":
    kurzweg_test.main()
