"""Clocks that are wrong, and that jump while the programs run (libfaketime, the wall clock alone): nothing is lost, doubled or out of order.

Skipped, aloud, where libfaketime is not installed. The programs are those that are installed: libfaketime and the sanitizers exclude
each other.
"""

import json
import pathlib
import time
import unittest

import desk
import kurzweg_test
import record
from desk import CITY, POLICE
from kurzweg_test import wait_until

FAKETIME = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
TOPICS = '  - {filter: "urgent/#", schema: note, publish: ["*"], receive: [police, city], lane: urgent}\n'
DAY, HOUR = 86400, 3600  # seconds


@unittest.skipIf(FAKETIME is None, "SKIPPED: libfaketime is not installed, so no clock was set (Debian: faketime)")
class Clocks(desk.NodesCase):
    TOPICS = TOPICS

    def setUp(self):
        super().setUp()
        self.record, self.count = record.Record(self.folder / "agreement.yaml"), 0
        for who in ("broker", POLICE, CITY):
            self.set(who, 0)
        self.broker = self.p.broker(**self.clock("broker"))
        self.nodes = {node: self.start(node, **self.clock(node)) for node in (POLICE, CITY)}

    def file(self, who):
        return self.folder / f"clock-of-{who.replace('/', '-')}"

    def set(self, who, seconds):
        """From now on its clock is so far ahead; libfaketime reads the file at every look at the clock."""
        new = self.file(who).with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.file(who))
        if seconds:
            self.record.fault(f"{who}'s clock is set to {seconds:+d} s")

    def clock(self, who):
        return {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.file(who), "FAKETIME_DONT_FAKE_MONOTONIC": 1, "FAKETIME_NO_CACHE": 1}

    def say(self, sender, expires_ms=None):
        self.count += 1
        text, to = f"{sender} {self.count}", [CITY if sender == POLICE else POLICE]
        key = self.record.said(sender, "urgent/x", text, to, order=sender)
        more = {"to": to, **({"expires_ms": expires_ms} if expires_ms else {})}
        identity = self.desks[sender].publish("urgent/x", json.dumps({"text": text, "language": "de"}), form="json", **more)
        self.record.taken(key, identity)
        return identity

    def state(self, sender, identity):
        return self.desks[sender].ask("trace", id=identity)["state"]

    def stored(self, sender, identity):
        wait_until(lambda: self.state(sender, identity) == "stored", what=f"{identity} of {sender} stored")

    def reconnect(self):
        """A node compares its clock with the broker's when it is welcomed."""
        self.broker.stop()
        self.broker.start()
        for node in self.nodes:
            wait_until(lambda: self.desks[node].status()["link"]["state"] == "ready", what=f"the link of {node}")

    def judge(self, said, faults):
        self.record.ways(lambda node, verb, **keys: self.desks[node].ask(verb, **keys))
        for node in self.nodes:
            self.record.shown(node, self.desks[node].inbox(content="json"))
        self.record.judge(self.folder, said, faults)

    def arrived(self, reader, *identities):
        for identity in identities:
            self.desks[reader].row(identity)

    def test_a_node_whose_clock_is_a_day_ahead_is_told_so_and_goes_on_when_it_is_set(self):
        good = self.say(POLICE)
        self.stored(POLICE, good)
        self.set(POLICE, DAY)
        self.reconnect()
        wait_until(lambda: "clock" in self.desks[POLICE].alarms(), what="the alarm about the clock")
        with self.assertRaisesRegex(desk.Refused, "clock is 86[34][0-9]{2} s ahead"):  # [P-4], and before anything is sealed
            self.say(POLICE)
        fine = self.say(CITY)
        self.stored(CITY, fine)
        self.set(POLICE, 0)
        self.reconnect()
        wait_until(lambda: "clock" not in self.desks[POLICE].alarms(), what="the end of the alarm")
        after = self.say(POLICE)
        self.stored(POLICE, after)
        self.arrived(CITY, good, after)
        self.judge(said=2, faults=1)

    def test_clocks_that_jump_while_all_run_lose_and_double_nothing(self):
        said = []
        for who, seconds in (("broker", -300), (POLICE, 240), (CITY, -240), ("broker", 200), (POLICE, -200), ("broker", 0), (CITY, 0), (POLICE, 0)):
            self.set(who, seconds)
            for sender in (POLICE, CITY):
                said.append((sender, self.say(sender)))
        for sender, identity in said:
            self.stored(sender, identity)
            self.arrived(CITY if sender == POLICE else POLICE, identity)
        self.judge(said=len(said), faults=5)

    def test_a_broker_an_hour_back_and_a_day_ahead_keeps_order_and_what_it_stored(self):
        first = self.say(POLICE)
        self.stored(POLICE, first)
        self.set("broker", -HOUR)
        self.reconnect()
        wait_until(lambda: "clock" in self.desks[POLICE].alarms(), what="the alarm about the clock")
        self.set("broker", DAY)
        self.reconnect()
        wait_until(lambda: "clock" in self.desks[POLICE].alarms(), what="the alarm about the clock")
        over = self.say(CITY, expires_ms=int((time.time() + HOUR) * 1000))  # the broker judges by its own clock
        wait_until(lambda: self.state(CITY, over) in ("refused", "expired"), what="the refusal of what was over a day ago")
        late = self.say(CITY)  # made yesterday by the broker's clock: as what waited in an outbox [P-4]
        self.stored(CITY, late)
        self.set("broker", 0)
        self.reconnect()
        wait_until(lambda: "clock" not in self.desks[POLICE].alarms(), what="the end of the alarm")
        last = self.say(POLICE)
        self.stored(POLICE, last)
        self.arrived(CITY, first, last)
        self.arrived(POLICE, late)
        self.assertEqual(len(self.desks[CITY].inbox()), 2)
        self.judge(said=3, faults=2)


if __name__ == "__main__":
    kurzweg_test.main()
