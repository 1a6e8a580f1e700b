"""The disk under a real broker and a real node fails: nobody is told that something is safe which is not, and a new start goes on from what is.

The failing calls come from tests/crash/inject.c, which is loaded in front of the program.
"""

import datetime
import errno
import os

import kurzweg_test
from desk import CITY, POLICE
from kurzweg_test import DONE, SILENT, wait_until

STORE_LOST = 74
INJECT = kurzweg_test.pathlib.Path(os.environ.get("KW_BUILD_DIR", kurzweg_test.SOURCE / "build" / "dev")) / "tests" / "kw-inject.so"


class IoErrors(kurzweg_test.Shared):
    PARTNERSHIP = {"nodes": {POLICE: "police", CITY: "city"}, "topics": '  - {filter: "note/#", schema: note, purpose: danger-prevention, publish: ["*"], receive: ["*"]}\n'
                   '  - {filter: "youth/#", schema: note, purpose: danger-prevention, publish: ["*"], receive: ["*"], reason: required}\n'}

    def setUp(self):
        super().setUp()
        self.p.agreement()
        self.trigger = self.folder / "fail-now"
        self.ids = []

    def failing(self, path, call, error):
        """The environment of a program whose calls on that file fail while the trigger is there."""
        options = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        return {"LD_PRELOAD": INJECT, "KW_INJECT_PATH": path, "KW_INJECT_CALL": call, "KW_INJECT_ERROR": error, "KW_INJECT_WHEN": self.trigger, "ASAN_OPTIONS": options}

    def start(self, broker=None, police=None):
        self.broker = self.p.broker(**(broker or {}))
        self.nodes = {POLICE: self.p.node(POLICE, **(police or {})), CITY: self.p.node(CITY)}
        for node in self.nodes.values():
            node.wait_for("link.up")

    def at(self, node):
        return ("--socket", self.p.socket(node))

    def publish(self, text, *more, code=DONE):
        """Its id; remembered in the order of the texts, where it was taken."""
        (self.folder / "note.json").write_text(f'{{"text": "{text}", "language": "de"}}')
        done = self.kurzweg("publish", "note/x", "--json", self.folder / "note.json", *more, *self.at(POLICE), code=code)
        if done.stdout.strip():
            self.ids.append(done.stdout.strip())
        return done

    def arrived(self):
        return [line.split('"id":"')[1][:36] for line in self.kurzweg("inbox", "--json", *self.at(CITY)).stdout.splitlines()]

    def all_arrive_once(self):
        self.publish("after", "--wait", "delivered", "--timeout", "60s")
        wait_until(lambda: len(self.arrived()) >= len(self.ids), what="all of it at the reader")
        self.assertEqual(self.arrived(), self.ids)

    def broker_loses_its_disk(self, call, error):
        self.start(broker=self.failing("/broker/journal", call, error))
        for i in range(3):
            self.publish(f"before {i}", "--wait", "stored")
        self.trigger.write_text("always")
        done = self.publish("meanwhile", "--wait", "stored", "--timeout", "3s", code=SILENT)  # nothing is acknowledged any more
        self.assertIn("is not stored yet", done.stderr)
        self.assertEqual(self.broker.process.wait(kurzweg_test.DEADLINE), STORE_LOST)
        self.assertIn("the store is lost; start again: what was acknowledged is recovered from disk", self.broker.text())
        self.assertEqual(len(self.arrived()), 3)
        self.broker.process = None
        return call

    def goes_on(self, recovers):
        self.trigger.unlink()
        self.broker.start().wait_for("broker.ready", times=2)
        self.assertEqual("store.recover" in self.broker.text(), recovers)
        self.all_arrive_once()
        self.assertEqual(self.broker.stop(), DONE)

    def test_p7_after_a_failed_sync_the_broker_acknowledges_nothing_ends_with_74_and_goes_on_from_a_verified_copy(self):
        self.broker_loses_its_disk("fdatasync", errno.EIO)
        self.goes_on(recovers=True)

    def test_p7_after_a_failed_write_too(self):
        self.broker_loses_its_disk("pwrite", errno.EIO)
        self.goes_on(recovers=True)

    def test_p7_one_failed_sync_is_enough_although_the_next_would_succeed(self):
        self.start(broker=self.failing("/broker/journal", "fdatasync", errno.EIO))
        self.publish("before", "--wait", "stored")
        self.trigger.write_text("once")
        self.publish("meanwhile", "--wait", "stored", "--timeout", "3s", code=SILENT)
        self.assertEqual(self.broker.process.wait(kurzweg_test.DEADLINE), STORE_LOST)
        self.assertFalse(self.trigger.exists())
        self.broker.process = None
        self.trigger.write_text("always")
        self.broker.env.update({"KW_INJECT_CALL": "none"})
        self.goes_on(recovers=True)

    def test_p7_what_was_answered_before_lmdb_failed_is_there(self):
        for call in ("fdatasync", "pwrite"):
            with self.subTest(call=call):
                self.start(broker=self.failing("/broker/data.mdb", call, errno.EIO))
                self.publish("before", "--wait", "stored")
                self.trigger.write_text("always")
                for i in range(20):
                    if self.broker.process.poll() is not None:
                        break  # by itself, a second behind what was answered
                    self.publish(f"in the journal {i}", "--wait", "stored", "--timeout", "2s", code=None)
                self.assertEqual(self.broker.process.wait(kurzweg_test.DEADLINE), STORE_LOST)
                self.broker.process = None
                self.goes_on(recovers=True)
                self.tearDown()
                self.doCleanups()
                self.setUp()

    def test_a_broker_whose_disk_still_fails_does_not_start(self):
        self.broker_loses_its_disk("fdatasync", errno.EIO)
        self.broker.env.update({"KW_INJECT_CALL": "fsync"})  # which the start asks first
        self.broker.start()
        self.assertEqual(self.broker.process.wait(kurzweg_test.DEADLINE), STORE_LOST)
        self.broker.process = None
        self.broker.env.update({"KW_INJECT_CALL": "none"})
        self.trigger.unlink()
        self.broker.start().wait_for("broker.ready")
        wait_until(lambda: self.broker.text().count("broker.ready") == 2, what="that it is ready again")
        self.all_arrive_once()

    def test_p10_a_node_whose_sync_fails_takes_nothing_ends_with_74_and_has_all_that_it_took(self):
        self.start(police=self.failing("/police-control-room/partner.db-wal", "fdatasync", errno.EIO))
        for i in range(3):
            self.publish(f"before {i}", "--wait", "stored")
        self.trigger.write_text("always")
        self.publish("meanwhile", code=None)
        self.assertEqual(len(self.ids), 3)  # it was not taken
        self.assertEqual(self.nodes[POLICE].process.wait(kurzweg_test.DEADLINE), STORE_LOST)
        self.nodes[POLICE].process = None
        self.trigger.unlink()
        self.nodes[POLICE].start().wait_for("link.up", times=2)
        self.publish("after", "--wait", "delivered", "--timeout", "60s")
        wait_until(lambda: set(self.ids) <= set(self.arrived()), what="all of it at the reader")
        arrived = self.arrived()
        self.assertEqual([i for i in arrived if i in self.ids], self.ids)
        self.assertLessEqual(len(arrived), 5)  # what was under way is whole and came once, or never was

    def no_list_without_a_record_on_disk(self, sender, *command):
        """Headlines on a topic that demands a reason: what is given out is on disk in the trail before, and not a second later."""
        self.start(police=self.failing(f"/police-control-room/audit/{datetime.datetime.now(datetime.timezone.utc).year}.audit", "fdatasync", errno.EIO))
        self.kurzweg("publish", "youth/x", "--text", "Canary4711 was seen", "--reason", "case 7", "--wait", "delivered", *self.at(sender))
        self.assertIn("Canary4711", self.kurzweg(*command, "--reason", "shift change", *self.at(POLICE)).stdout)
        self.trigger.write_text("always")
        self.refuses(*command, "--reason", "shift change", *self.at(POLICE), says="it cannot be recorded, so it was not done")

    def test_u12_what_was_sent_is_not_listed_before_that_is_on_disk_in_the_trail(self):
        self.no_list_without_a_record_on_disk(POLICE, "sent")

    def test_u12_what_came_is_not_listed_before_that_is_on_disk_in_the_trail(self):
        self.no_list_without_a_record_on_disk(CITY, "inbox")


if __name__ == "__main__":
    kurzweg_test.main()
