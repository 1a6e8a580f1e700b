"""Broker and readers that were away, a broker from an old copy, a node that the agreement left out: what each of them gets, and when."""

import shutil

import kurzweg_test
from desk import CITY, POLICE, YOUTH, NodesCase, Refused
from kurzweg_test import Partnership, wait_until

LANES = ("flash", "urgent", "routine")
TOPICS = "".join(f'  - {{filter: "{lane}/#", schema: note, purpose: danger-prevention, publish: ["*"], receive: ["*"], lane: {lane}}}\n' for lane in LANES)


class Outages(NodesCase):
    TOPICS = Partnership.TOPICS + TOPICS

    def note(self, node, lane, text, **keys):
        return self.desks[node].publish(f"{lane}/mitte", f'{{"text": "{text}", "language": "de"}}', form="json", **keys)

    def control(self):
        return "--control", f"ipc://{self.folder}/broker.sock"

    def again(self, daemon, what="broker.ready"):
        daemon.start().wait_for(what, times=daemon.text().count(what) + 1)
        return daemon

    def state(self):
        return self.kurzweg_json("status", *self.control())["state"]

    def has(self, node, *ids):
        """Until all of them stand in its inbox."""
        wait_until(lambda: set(ids) <= {row["id"] for row in self.desks[node].inbox()}, what=f"{len(ids)} notifications at {node}")

    def well(self, node, anew=False):
        """Nothing is missing or strange at it, and its outbox is empty in the end; anew: some may have been sealed anew."""
        wait_until(lambda: self.desks[node].status()["outbox"]["waiting"] == 0, what=f"an empty outbox of {node}")
        wait_until(lambda: not self.desks[node].status()["gaps"], what=f"no gap at {node}")  # the outboxes of others may not be empty yet
        status = self.desks[node].status()
        wrong = {key: status[key] for key in ("gaps", "missing_numbers", "alarms", "evidence", "stopped") if status[key]}
        self.assertEqual((wrong, status["inbox"]["rejected"], status["outbox"]["refused"] if not anew else 0), ({}, 0, 0), node)

    # ---- away ----

    def test_what_is_published_while_the_broker_is_away_arrives_when_it_is_back(self):
        broker = self.p.broker()
        sender, reader = self.start(POLICE), self.start(CITY)
        self.assertEqual(broker.stop(), 0)
        sender.wait_for("link.down")
        identity = self.desks[POLICE].publish("alert/flood/mitte", self.flood)
        with self.assertRaisesRegex(Refused, "not stored yet; it waits in the outbox"):
            self.desks[POLICE].ask("state", id=identity, stage="stored", wait_ms=0)
        self.assertEqual(sender.stop(), 0)
        self.again(sender, "partner.ready")
        self.again(broker)
        self.assertEqual(self.desks[CITY].row(identity)["sender"], POLICE)
        self.desk(POLICE).stored(identity)
        self.assertTrue(reader.alive())
        self.well(POLICE)
        self.well(CITY)

    def test_a_reader_that_was_away_gets_its_whole_backlog_in_order_flash_before_routine(self):
        self.p.broker()
        self.start(POLICE)
        reader = self.start(CITY)
        self.assertEqual(reader.stop(), 0)
        sent = {lane: [] for lane in LANES}
        for i in range(40):
            for lane in reversed(LANES):
                sent[lane].append(self.note(POLICE, lane, f"{lane} {i}"))
        for lane in LANES:
            self.desks[POLICE].stored(sent[lane][-1])
        self.again(reader, "partner.ready")
        self.desk(CITY)
        self.has(CITY, *sum(sent.values(), []))
        self.assertEqual([row["id"] for row in self.desks[CITY].inbox()], sent["flash"] + sent["urgent"] + sent["routine"])
        self.well(CITY)

    # ---- a broker from an old copy ----

    def begin(self):
        """A broker and three nodes, of which each said something that all have."""
        self.broker = self.p.broker()
        self.nodes = {node: self.start(node) for node in (POLICE, CITY, YOUTH)}
        self.early = [self.note(node, lane, "early") for node in self.nodes for lane in LANES]
        for node in self.nodes:
            self.has(node, *[i for k, i in enumerate(self.early) if k // 3 != list(self.nodes).index(node)])

    def copy(self):
        """What a backup holds: the store of a broker that was stopped."""
        self.assertEqual(self.broker.stop(), 0)
        shutil.copytree(self.folder / "broker", self.folder / "copy")
        self.again(self.broker)
        for node in self.nodes.values():
            node.wait_for("link.up", times=2)

    def restore(self, told=True):
        """That copy in the store's place; the broker runs on it, and nodes that have seen more said so (told)."""
        self.assertEqual(self.broker.stop(), 0)
        shutil.rmtree(self.folder / "broker")
        (self.folder / "copy").rename(self.folder / "broker")
        self.again(self.broker)
        if told:
            wait_until(lambda: self.state() == "behind", what="the broker's own verdict")

    def new_epoch(self):
        self.kurzweg("broker", "new-epoch", *self.control(), "--yes")
        self.assertEqual(self.state(), "serving")

    def in_order(self, node, sender, ids):
        """ids, as sent in this order by sender, stand once each and in this order in the inbox of node, lane by lane."""
        rows = self.desks[node].inbox()
        for lane in LANES:
            there = [row["id"] for row in rows if row["sender"] == sender and row["lane"] == lane and row["id"] in set(ids)]
            self.assertEqual(there, [i for i in ids if i in set(there)])
        self.assertEqual(sorted(row["id"] for row in rows if row["id"] in set(ids)), sorted(ids))

    def test_a_broker_from_an_old_copy_serves_nobody_until_a_new_epoch_and_then_nothing_is_missing(self):
        self.begin()
        self.copy()
        self.assertEqual(self.nodes[YOUTH].stop(), 0)
        lost = {node: [self.note(node, lane, f"lost {i}") for i in range(5) for lane in LANES] for node in (POLICE, CITY)}
        for reader, sender in ((POLICE, CITY), (CITY, POLICE)):
            self.has(reader, *lost[sender])
            self.desks[sender].stored(lost[sender][-1])
        self.restore()
        self.again(self.nodes[YOUTH], "partner.ready")
        self.desk(YOUTH)
        waiting = self.note(POLICE, "flash", "while it is behind")
        for node in (POLICE, YOUTH):
            wait_until(lambda: "refused" in self.desks[node].alarms(), what=f"that {node} is not served")
        self.assertIn("behind", self.desks[YOUTH].alarms()["refused"])
        self.assertFalse({row["id"] for row in self.desks[YOUTH].inbox()} & {waiting, *lost[POLICE], *lost[CITY]})
        self.new_epoch()
        self.has(YOUTH, waiting, *lost[POLICE], *lost[CITY])
        self.has(CITY, waiting)
        self.in_order(YOUTH, POLICE, lost[POLICE] + [waiting])
        self.in_order(YOUTH, CITY, lost[CITY])
        self.in_order(CITY, POLICE, lost[POLICE] + [waiting])
        self.in_order(POLICE, CITY, lost[CITY])
        for node in self.nodes:
            self.well(node)
            self.assertEqual(self.nodes[node].stop(), 0)
        self.assertEqual(self.broker.stop(), 0)
        self.again(self.broker)  # and it stays so: nobody names what is of the epoch before
        for node, daemon in self.nodes.items():
            times = daemon.text().count("link.up")
            self.again(daemon, "partner.ready").wait_for("link.up", times=times + 1)
            self.desk(node)
        after = self.note(YOUTH, "routine", "after all that")
        self.has(POLICE, after)
        self.assertEqual(self.state(), "serving")
        for node in self.nodes:
            self.well(node)

    def test_a_version_of_the_agreement_that_the_copy_lacks_is_installed_again_and_nothing_is_missing(self):
        self.begin()
        self.copy()
        second = self.p.sign(self.p.write("second.yaml", version=2, previous=self.p.hash_of(self.folder / "agreement.yaml")),
                             previous=self.folder / "agreement.yaml")
        self.kurzweg("agreement", "install", second, *self.control())
        for node in self.nodes.values():
            node.wait_for("version=2")
        self.assertEqual(self.nodes[YOUTH].stop(), 0)
        lost = [self.note(POLICE, lane, "under version 2") for lane in LANES]
        self.has(CITY, *lost)
        self.restore()
        self.new_epoch()
        self.nodes[POLICE].wait_for("link.new_epoch")
        wait_until(lambda: "agreement_behind" in self.desks[POLICE].alarms(), what="that the broker has the version before")
        self.kurzweg("agreement", "install", second, *self.control())
        self.again(self.nodes[YOUTH], "partner.ready")
        self.desk(YOUTH)
        self.has(YOUTH, *lost)
        self.in_order(YOUTH, POLICE, lost)
        self.in_order(CITY, POLICE, lost)
        for node in self.nodes:
            wait_until(lambda: not self.desks[node].alarms(), what=f"no alarm at {node}")
            self.well(node)

    def test_what_the_broker_has_under_an_older_version_comes_no_second_time(self):
        self.begin()
        self.copy()
        lost = self.note(POLICE, "flash", "lost, under version 1", to=[YOUTH])
        self.has(YOUTH, lost)
        for node in self.nodes.values():
            self.assertEqual(node.stop(), 0)
        self.restore(told=False)
        self.new_epoch()
        second = self.p.sign(self.p.write("second.yaml", version=2, previous=self.p.hash_of(self.folder / "agreement.yaml")),
                             previous=self.folder / "agreement.yaml")
        self.kurzweg("agreement", "install", second, *self.control())
        for node, daemon in self.nodes.items():
            self.again(daemon, "partner.ready").wait_for("version=2")
            self.desk(node)
        after = self.note(POLICE, "routine", "after")
        for node in self.nodes:
            self.well(node, anew=True)
        self.assertEqual(self.desks[POLICE].ask("trace", id=lost)["state"], "refused")
        self.has(CITY, after)
        for k, node in enumerate(self.nodes):
            early = [i for j, i in enumerate(self.early) if j // 3 != k]
            rows = [row["id"] for row in self.desks[node].inbox()]
            more = {CITY: [after], POLICE: [], YOUTH: [after, lost, self.desks[POLICE].ask("trace", id=lost)["sealed_anew_as"]]}[node]
            self.assertEqual(sorted(rows), sorted(early + more), node)

    def test_what_expired_before_a_new_epoch_was_stored_and_stays_so(self):
        self.begin()
        self.copy()
        times = [self.nodes[node].text().count("link.up") for node in (POLICE, CITY)]
        short = self.note(POLICE, "flash", "short", to=[CITY], expires_ms=self.soon())
        self.desks[POLICE].ask("state", id=short, stage="delivered", wait_ms=30000)
        self.note(POLICE, "flash", "long")
        trace = self.desks[POLICE].ask("trace", id=short)
        wait_until(lambda: self.now_ms() > self.expires, what="its end")
        self.restore()
        self.new_epoch()
        for node, before in zip((POLICE, CITY), times):
            self.nodes[node].wait_for("link.up", times=before + 1)
        later = self.note(POLICE, "flash", "later")
        self.has(YOUTH, later)
        self.has(CITY, later)
        now = self.desks[POLICE].ask("trace", id=short)
        self.assertEqual((now["state"], now["delivered"]), ("stored", trace["delivered"]))
        for node in self.nodes:
            self.well(node)

    def now_ms(self):
        return kurzweg_test.time.time() * 1000

    def soon(self):
        self.expires = int(self.now_ms() + 5000)
        return self.expires

    # ---- left out ----

    def test_a_node_that_the_agreement_left_out_is_out_at_its_next_message_though_its_connection_lives(self):
        self.p.broker()
        nodes = {node: self.start(node) for node in (POLICE, CITY, YOUTH)}
        left = {node: kind for node, kind in self.p.nodes.items() if node != YOUTH}
        second = self.p.sign(self.p.write("second.yaml", version=2, previous=self.p.hash_of(self.folder / "agreement.yaml"), nodes=left),
                             previous=self.folder / "agreement.yaml")
        self.kurzweg("agreement", "install", second, *self.control())
        nodes[CITY].wait_for("version=2")
        kept = self.note(POLICE, "flash", "not for the youth house any more")
        self.has(CITY, kept)
        self.assertNotIn("link.down", nodes[YOUTH].text())
        refused = self.note(YOUTH, "flash", "one message more")
        nodes[YOUTH].wait_for("link.down")
        wait_until(lambda: "refused" in self.desks[YOUTH].alarms(), what="that it is told")
        self.assertIn("denied", self.desks[YOUTH].alarms()["refused"])
        self.assertEqual(self.desks[YOUTH].inbox(), [])
        after = self.note(POLICE, "flash", "after it")
        self.has(CITY, after)
        self.assertEqual([row["id"] for row in self.desks[CITY].inbox()], [kept, after])
        self.assertNotIn(refused, {row["id"] for row in self.desks[POLICE].inbox()})


if __name__ == "__main__":
    kurzweg_test.main()
