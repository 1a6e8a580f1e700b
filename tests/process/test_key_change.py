"""A node's key is replaced by a new version of the agreement: what the node still reads, what it sends, and a key that does not fit its state folder."""

import shutil
import sqlite3
import subprocess

import kurzweg_test
from desk import CITY, POLICE, NodesCase, numbered
from kurzweg_test import BIN, environment, wait_until


class KeyChange(NodesCase):
    def control(self):
        return "--control", f"ipc://{self.folder}/broker.sock"

    def alert(self, node, number):
        return self.desks[node].publish("alert/flood/mitte", numbered(self.flood, number))

    def has(self, node, *ids):
        wait_until(lambda: set(ids) <= {row["id"] for row in self.desks[node].inbox()}, what=f"{len(ids)} notifications at {node}")

    def well(self, *nodes):
        for node in nodes:
            wait_until(lambda: self.desks[node].status()["outbox"]["waiting"] == 0, what=f"an empty outbox of {node}")
            wait_until(lambda: not self.desks[node].status()["gaps"], what=f"no gap at {node}")
            status = self.desks[node].status()
            self.assertEqual((status["missing_numbers"], status["alarms"], status["inbox"]["rejected"]), (0, [], 0), node)

    def contents(self, node):
        """Every alert in the inbox whose content is there, with its identifier."""
        rows = self.desks[node].inbox(content="json")
        return {row["id"]: row["content"]["identifier"] for row in rows if "content" in row}

    def new_key(self, replaces=True):
        """A key of its own in the place of the city's, which moves to old.key."""
        self.p.key(CITY).rename(self.folder / "old.key")
        done = self.kurzweg("key", "new", CITY, "--out", self.p.key(CITY), *(["--replaces", "old.key"] if replaces else []))
        self.p.lines[CITY] = done.stdout.strip()

    def second_version(self):
        """In force at the broker, and in the city's file."""
        first = self.folder / "agreement.yaml"
        for end in ("", ".sig"):
            shutil.copy(f"{first}{end}", f"{self.folder}/first.yaml{end}")
        second = self.p.sign(self.p.write("second.yaml", version=2, previous=self.p.hash_of(first)), previous=first)
        self.kurzweg("agreement", "install", second, *self.control())
        self.kurzweg("agreement", "install", second, "--to", first)

    def change(self, *, waiting=True):
        """Broker and nodes; the city gets an alert, is stopped with one of its own in the outbox, and misses one; then version 2."""
        broker = self.p.broker()
        self.police, city = self.start(POLICE), self.start(CITY)
        before = self.alert(POLICE, 1)
        self.has(CITY, before)
        self.well(POLICE, CITY)
        if waiting:
            self.assertEqual(broker.stop(), 0)
            city.wait_for("link.down")
            self.own = self.alert(CITY, 2)
        self.assertEqual(city.stop(), 0)
        if waiting:
            broker.start().wait_for("broker.ready", times=2)
            self.police.wait_for("link.up", times=2)
        between = self.alert(POLICE, 3)
        self.desks[POLICE].stored(between)
        self.new_key()
        self.second_version()
        self.police.wait_for("version=2")
        return before, between

    def test_a_node_goes_on_under_its_new_key_with_all_that_it_had(self):
        before, between = self.change()
        after = self.alert(POLICE, 4)
        city = self.start(CITY, more=f"key_before: {self.folder}/old.key\n")
        self.has(CITY, before, between, after)
        self.assertEqual(self.contents(CITY), {before: "test-1", between: "test-3", after: "test-4"})
        self.assertIn("Neckar", self.kurzweg("inbox", "--socket", self.p.socket(CITY)).stdout)
        last = self.alert(CITY, 5)
        self.has(POLICE, last)
        wait_until(lambda: sorted(self.contents(POLICE).values()) == ["test-2", "test-5"], what="what waited under the old key, and what came after it")
        self.well(POLICE, CITY)
        self.assertEqual(city.stop(), 0)
        self.p.node(CITY)  # the key before is given up
        self.desk(CITY)
        self.assertEqual(self.contents(CITY), {before: "test-1", between: "test-3", after: "test-4"})

    def test_without_the_key_before_only_what_was_sealed_to_it_is_lost_and_its_sender_is_told(self):
        before, between = self.change(waiting=False)
        self.start(CITY)
        after = self.alert(POLICE, 4)
        self.has(CITY, before, after)
        lost = self.desks[CITY].row(between, rejected=True)
        self.assertIn(f"sealed to the key that {CITY} had in version 1", lost["reason"])
        self.assertEqual(self.contents(CITY), {before: "test-1", after: "test-4"})
        wait_until(lambda: self.desks[POLICE].ask("trace", id=between)["rejected"], what="that the sender hears of it")

    def refused(self, *says):
        """A start that ends with one sentence."""
        done = subprocess.run([BIN / "kurzweg-partner", "--config", self.folder / "city-public-order.yaml"], capture_output=True, text=True,
                              env=environment(), timeout=kurzweg_test.DEADLINE)
        self.assertEqual(done.returncode, 78, done.stderr)  # a new start is no use
        for part in says:
            self.assertIn(part, done.stderr)

    def state(self):
        """Every row of the city's store."""
        with sqlite3.connect(self.folder / "city-public-order" / "partner.db") as db:
            return list(db.iterdump())

    def forget_lock(self):
        """As a version that did not keep it left the store."""
        with sqlite3.connect(self.folder / "city-public-order" / "partner.db") as db:
            db.execute("UPDATE owner SET lock = NULL")

    def test_a_key_that_does_not_open_the_state_folder_is_refused_at_the_start_and_nothing_is_changed(self):
        self.p.broker()
        self.start(POLICE)
        city = self.start(CITY)
        before = self.alert(POLICE, 1)
        self.has(CITY, before)
        self.assertEqual(city.stop(), 0)
        self.new_key(replaces=False)
        self.second_version()
        for forget in (False, True):
            if forget:
                self.forget_lock()
            was = self.state()
            self.refused("city-public-order: what lies there is sealed under another key of city/public-order", f'"kurzweg key new {CITY} --replaces OLD.key"')
            self.assertEqual(self.state(), was)
        shutil.copy(self.folder / "old.key", self.p.key(CITY))
        for end in ("", ".sig"):
            shutil.copy(f"{self.folder}/first.yaml{end}", f"{self.folder}/agreement.yaml{end}")
        self.p.node(CITY)  # the old one opens it still
        self.desk(CITY)
        self.assertEqual(self.contents(CITY), {before: "test-1"})

    def test_a_key_before_of_another_node_is_refused(self):
        self.start(CITY, link=False).stop()
        config = self.folder / "city-public-order.yaml"
        config.write_text(config.read_text() + f"key_before: {self.p.key(POLICE)}\n")
        self.refused("key_before", POLICE, "give the key that this node had before")

    def test_one_content_that_does_not_open_hides_no_other(self):
        self.p.broker()
        self.start(POLICE)
        city = self.start(CITY)
        ids = [self.alert(POLICE, i) for i in range(3)]
        self.has(CITY, *ids)
        self.assertEqual(city.stop(), 0)
        with sqlite3.connect(self.folder / "city-public-order" / "partner.db") as db:
            db.execute("UPDATE inbox SET payload = zeroblob(length(payload)) WHERE id = ?", (bytes.fromhex(ids[1].replace("-", "")),))
        self.p.node(CITY)
        self.desk(CITY)
        self.assertEqual(self.contents(CITY), {ids[0]: "test-0", ids[2]: "test-2"})
        row = self.desks[CITY].row(ids[1], content="json")
        self.assertEqual((row["mark"], row["bare"], "content" in row), ("locked", True, False))
        self.assertIn(ids[1], self.desks[CITY].alarms()["locked"])
        self.assertIn("its content does not open here", self.kurzweg("inbox", "--socket", self.p.socket(CITY)).stdout)
        self.desks[CITY].ask("opened", id=ids[1])
        self.desks[CITY].ask("opened", id=ids[0])
        wait_until(lambda: self.opened(ids[0]), what="that somebody has read the other")
        self.assertFalse(self.opened(ids[1]))

    def opened(self, identity):
        return self.desks[POLICE].ask("trace", id=identity)["opened"]


if __name__ == "__main__":
    kurzweg_test.main()
