#!/usr/bin/python3 -B
"""Each process is stopped for a while and goes on (SIGSTOP, SIGCONT), as a machine that swaps or a virtual one that moves: nothing is lost.

    tests/process/pauses.py [SECONDS]

The broker, the node that sends, the node that reads, then all of them, one after the other; 40 seconds each unless told
otherwise, which is longer than the silence after which a connection is given up ([C-6]). Meanwhile those that run are given
things to say. In the end history.py judges: everything once, in order. Programs are those of $KW_BIN_DIR (build/dev/bin).
"""

import json
import signal
import sys
import time

import desk
import kurzweg_test
import record
from desk import CITY, POLICE
from kurzweg_test import Partnership, free_ports, wait_until

TOPICS = '  - {filter: "urgent/#", schema: note, publish: ["*"], receive: [police, city], lane: urgent}\n'
SILENT = 30  # seconds, [C-6]
ARRIVES = 90.0


class Pauses:
    def __init__(self, stage, seconds):
        self.seconds = seconds
        self.p = Partnership(stage, nodes={POLICE: "police", CITY: "city"}, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", topics=TOPICS)
        self.record, self.count = record.Record(self.p.agreement()), 0
        self.daemons = {"the broker": self.p.broker(), **{node: self.p.node(node) for node in (POLICE, CITY)}}
        for name in self.daemons:
            stage.addCleanup(self.go_on, name)  # or it would not end
        self.desks = {node: desk.Desk(self.p.socket(node)) for node in (POLICE, CITY)}
        for at in self.desks.values():
            stage.addCleanup(at.close)

    def go_on(self, name):
        if self.daemons[name].alive():
            self.daemons[name].process.send_signal(signal.SIGCONT)

    def state(self, name):
        with open(f"/proc/{self.daemons[name].pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]

    def say(self, sender):
        self.count += 1
        text, to = f"{sender} {self.count}", CITY if sender == POLICE else POLICE
        key = self.record.said(sender, "urgent/x", text, [to], order=sender)
        identity = self.desks[sender].publish("urgent/x", json.dumps({"text": text, "language": "de"}), form="json", to=[to], confirm_at_once=True)
        self.record.taken(key, identity)
        return sender, identity

    def pause(self, *names):
        """What is awake goes on saying things; afterwards all of it arrives."""
        said = [self.say(POLICE), self.say(CITY)]
        for name in names:
            self.daemons[name].process.send_signal(signal.SIGSTOP)
            wait_until(lambda: self.state(name) == "T", what=f"{name} to stand still")
            self.record.fault(f"{name} stopped for {self.seconds} s")
        awake, end = [node for node in self.desks if node not in names], time.monotonic() + self.seconds
        while time.monotonic() < end:
            said += [self.say(node) for node in awake]
            time.sleep(min(1.0, self.seconds / 4))
        for name in names:
            self.go_on(name)
        said += [self.say(POLICE), self.say(CITY)]
        for sender, identity in said:
            self.desks[sender].ask("state", id=identity, stage="delivered", wait_ms=int(min(ARRIVES, 60) * 1000))

    def run(self, tell=print):
        for names in (["the broker"], [POLICE], [CITY], list(self.daemons)):
            begun = time.monotonic()
            self.pause(*names)
            tell(f"{', '.join(names)} stood still for {self.seconds} s; {time.monotonic() - begun - self.seconds:.1f} s later all had arrived")
        self.record.ways(lambda node, verb, **keys: self.desks[node].ask(verb, **keys))
        for node, at in self.desks.items():
            self.record.shown(node, at.inbox(content="json"))
            status = at.status()
            wrong = {key: status[key] for key in ("gaps", "missing_numbers", "alarms", "evidence", "stopped") if status[key]}
            assert not wrong and status["inbox"]["rejected"] == 0, (node, wrong, status["inbox"])
            assert self.seconds <= SILENT or self.daemons[node].text().count("link.up") > 1, f"{node} did not notice a silence of {self.seconds} s"
        self.record.judge(self.p.folder, said=self.count, faults=6)
        tell(f"{self.count} notifications: nothing is missing, nothing came twice")


def main():
    if len(sys.argv) > 2 or sys.argv[1:] and not sys.argv[1].isdigit():
        sys.exit(__doc__)
    stage = kurzweg_test.TestCase()
    stage.setUp()
    try:
        Pauses(stage, int(sys.argv[1]) if len(sys.argv) > 1 else 40).run(lambda text: print(text, flush=True))
    finally:
        stage.doCleanups()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the daemons are stopped then too
    main()
