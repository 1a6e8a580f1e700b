"""The spool at real nodes: what agency systems drop arrives at the partners, once, also when node or broker fall over."""

import json
import pathlib
import random
import subprocess

import kurzweg_test
from desk import CITY, POLICE, NodesCase, fresh, numbered
from kurzweg_test import SOURCE, environment, wait_until

SEED = 7


class Spool(NodesCase):
    def setUp(self):
        super().setUp()
        self.spool = self.folder / "spool"
        self.spool.mkdir()
        self.written = 0

    def sender(self, **more):
        return self.start(POLICE, more=f"spool: {self.spool}\n", **more)

    def drop(self, place, text, rename=True):
        """As an agency system does it: written under another name, then renamed."""
        path = self.spool / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if rename:
            self.written += 1
            (path.parent / f".{self.written}.tmp").write_text(text)
            (path.parent / f".{self.written}.tmp").rename(path)
        else:
            path.write_text(text)
        return path

    def put_away(self, end, place):
        try:
            wait_until((self.spool / end / place).exists, what=f"{end}/{place}")
        except AssertionError as missing:
            lie = sorted(str(p.relative_to(self.spool)) for p in self.spool.rglob("*") if p.is_file())
            raise AssertionError(f"{missing}; in the spool lie {lie}") from None

    def sent(self, place):
        """Its notification's id, once it was put away."""
        self.put_away("sent", place)
        self.assertFalse((self.spool / place).exists())
        return (self.spool / "sent" / f"{place}.id").read_text().split()[0]

    def refused(self, place):
        """The reason, once it was put away."""
        self.put_away("failed", place)
        self.assertFalse((self.spool / place).exists())
        return (self.spool / "failed" / f"{place}.reason.txt").read_text()

    def test_what_is_dropped_arrives_at_the_partners_with_its_topic(self):
        self.p.broker()
        self.sender()
        self.start(CITY)
        self.drop("alert/flood/mitte/neckar.cap.xml", self.flood)
        row = self.desks[CITY].row(self.sent("alert/flood/mitte/neckar.cap.xml"), content="cap")
        self.assertEqual((row["topic"], row["type"], row["sender"], row["lane"]), ("alert/flood/mitte", "notice", POLICE, "flash"))
        self.assertIn("<headline>Hochwasser am Neckar", row["content"])
        report = fresh("break-in-report.json")
        self.drop("report/burglary/7.json", report)
        row = self.desks[CITY].row(self.sent("report/burglary/7.json"), content="json")
        self.assertEqual((row["topic"], row["schema"]), ("report/burglary", "report"))
        self.assertEqual(row["content"]["subject"], json.loads(report)["subject"])

    def three(self):
        """An alert, its update and its cancel."""
        first = self.flood
        sender, identifier, when = (first.split(f"<{tag}>")[1].split("<")[0] for tag in ("sender", "identifier", "sent"))
        text = {}
        for kind in "Update", "Cancel":
            text[kind] = first.replace("<msgType>Alert", f"<msgType>{kind}").replace(identifier, f"{identifier}-{kind}")
            text[kind] = text[kind].replace("    <incidents>", "").replace("  <incidents>", f"  <references>{sender},{identifier},{when}</references>\n  <incidents>", 1)
        return first, text["Update"], text["Cancel"]

    def arrive_in_order(self):
        ids = [self.sent(f"alert/flood/{n}.cap.xml") for n in (1, 2, 3)]
        self.desks[CITY].row(ids[2])
        rows = self.desks[CITY].inbox()
        self.assertEqual([(r["id"], r["type"], r.get("about")) for r in rows], [(ids[0], "notice", None), (ids[1], "update", ids[0]), (ids[2], "cancel", ids[0])])
        self.assertEqual((rows[0]["superseded"], rows[0]["cancelled"]), (True, True))

    def test_an_alert_its_update_and_its_cancel_dropped_at_once_arrive_in_that_order(self):
        self.p.broker()
        self.sender()
        self.start(CITY)
        for n, text in enumerate(self.three(), 1):
            self.drop(f"alert/flood/{n}.cap.xml", text)
        self.arrive_in_order()

    def test_what_is_renamed_into_a_folder_does_not_overtake_what_must_still_prove_that_it_is_whole(self):
        self.p.broker()
        self.sender()
        self.start(CITY)
        alert, update, cancel = self.three()
        self.drop("alert/flood/1.cap.xml", alert, rename=False)
        wait_until(lambda: self.desks[POLICE].status()["spool"]["waiting"] == 1, what="the look that found the alert and watches its folder from now on")
        self.drop("alert/flood/2.cap.xml", update)
        self.drop("alert/flood/3.cap.xml", cancel)
        self.arrive_in_order()

    def test_what_cannot_be_published_ends_in_failed_with_a_sentence_and_the_rest_goes_on(self):
        self.p.broker()
        self.sender()
        report = json.loads(fresh("break-in-report.json"))
        wrong = {
            "gossip/a.json": (json.dumps(report), "gossip"),
            "report/b.json": (json.dumps({**report, "shoeSize": 46}), "shoeSize"),
            "report/c.json": ("{", "JSON"),
            "report/d.cap.xml": (self.flood, "report"),
            "report/e.pdf": ("%PDF", "neither in .cap.xml nor in .json"),
            "alert/f.cap.xml": (self.flood.replace("<scope>Public</scope>", ""), "scope"),
            "alert/g.cap.xml": ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + self.flood.replace("Neckarufer", "&e;"), "document type definition"),
            "alert/h.cap.xml": ("", "empty"),
        }
        for place, (text, _) in wrong.items():
            self.drop(place, text)
        self.drop("alert/good.cap.xml", self.flood)
        for place, (_, says) in wrong.items():
            reason = self.refused(place)
            self.assertIn(says, reason)
            self.assertEqual(reason.count("\n"), 1, reason)
        self.sent("alert/good.cap.xml")
        outbox = self.desks[POLICE].status()["outbox"]
        self.assertEqual(outbox["stored"] + outbox["waiting"], 1)
        self.assertIn("spool_failed", self.desks[POLICE].alarms())

    def test_without_a_broker_it_is_taken_and_arrives_later(self):
        self.sender(link=False)
        self.drop("alert/a.cap.xml", self.flood)
        identity = self.sent("alert/a.cap.xml")
        self.p.broker()
        self.start(CITY)
        self.desks[CITY].row(identity)

    def test_though_the_node_is_killed_again_and_again_each_file_is_published_once(self):
        chance = random.Random(SEED)
        self.p.broker()
        node = self.sender()
        self.start(CITY)
        places = []
        for cycle in range(6):
            for i in range(12):
                number = f"{cycle}-{i}"
                places.append(f"alert/flood/{number}.cap.xml")
                self.drop(places[-1], numbered(self.flood, number))
            some = chance.randrange(1, 12)
            wait_until(lambda: len(list((self.spool / "sent").rglob("*.cap.xml"))) >= 12 * cycle + some, what="some of this cycle's files")
            node.kill()
            node.start().wait_for("partner.ready", times=cycle + 2)
        ids = [self.sent(place) for place in places]
        desk = self.desks[CITY]
        wait_until(lambda: len(desk.inbox()) >= len(places), what="every alert at the city")
        self.desk(POLICE).publish("alert/last", numbered(self.flood, "last"))
        wait_until(lambda: desk.inbox()[-1]["topic"] == "alert/last", what="what was published last")
        rows = desk.inbox(content="json")[:-1]
        self.assertEqual(sorted(r["id"] for r in rows), sorted(ids))
        self.assertEqual(sorted(r["content"]["identifier"] for r in rows), sorted(f"test-{pathlib.Path(p).name[:-8]}" for p in places))
        self.assertEqual([str(p) for p in self.spool.rglob("*") if p.is_file() and "sent" not in p.parts], [])

    def test_a_spool_that_is_missing_is_said_and_used_once_it_is_there(self):
        self.p.broker()
        self.spool.rmdir()
        self.sender()
        wait_until(lambda: "spool" in self.desks[POLICE].alarms(), what="the alarm")
        self.assertIn(str(self.spool), self.desks[POLICE].alarms()["spool"])
        self.spool.mkdir()
        self.drop("alert/a.cap.xml", self.flood)
        self.sent("alert/a.cap.xml")
        wait_until(lambda: "spool" not in self.desks[POLICE].alarms(), what="the end of the alarm")

    # ---- examples/drop: how a system that is there already does it ----

    def run_drop(self, topic, file, *options, code=0):
        done = subprocess.run([SOURCE / "examples" / "drop", "--spool", self.spool, *map(str, options), topic, file], capture_output=True, text=True, env=environment(), timeout=200)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_another_system_hears_the_id_of_what_it_dropped(self):
        self.p.broker()
        self.sender()
        self.start(CITY)
        file = self.write("neckar.cap.xml", self.flood)
        first, second = (self.run_drop("alert/flood/mitte", file).stdout.split()[0] for _ in range(2))
        self.assertNotEqual(first, second)
        self.assertEqual(self.desks[CITY].row(second)["topic"], "alert/flood/mitte")
        self.assertEqual(self.desks[POLICE].ask("trace", id=first)["id"], first)
        self.assertEqual([p.name for p in self.spool.iterdir() if p.name.startswith(".drop")], [])

    def test_another_system_hears_why_its_file_was_refused(self):
        self.p.broker()
        self.sender()
        done = self.run_drop("report", self.write("b.json", json.dumps({**json.loads(fresh("break-in-report.json")), "shoeSize": 46})), code=4)
        self.assertIn("shoeSize", done.stderr)
        self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1))

    def test_another_system_hears_that_nobody_took_it_and_it_goes_on_by_itself(self):
        self.p.broker()
        file = self.write("neckar.cap.xml", self.flood)
        self.assertIn("lies there still", self.run_drop("alert/flood", file, "--within", 0, code=3).stderr)
        self.start(CITY)
        self.sender()
        wait_until(lambda: self.desks[CITY].inbox(), what="the alert, when the node is there")

    def test_another_systems_mistakes_are_said_and_nothing_is_written(self):
        file = self.write("neckar.cap.xml", self.flood)
        for topic in ("", "/", "alert/", "/alert", "alert//x", "../alert", "alert/../..", ".hidden", "alert/+", "#", "sent/alert", "failed", "a\nb"):
            with self.subTest(topic=topic):
                self.assertIn("usage: drop", self.run_drop(topic, file, code=2).stderr)
        self.assertIn("neither in .cap.xml nor in .json", self.run_drop("alert", self.write("x.pdf", "%PDF"), code=2).stderr)
        self.assertIn("a number of seconds", self.run_drop("alert", file, "--within", "soon", code=2).stderr)
        self.run_drop("alert", self.folder / "none.json", code=1)
        self.assertEqual(list(self.spool.iterdir()), [])


if __name__ == "__main__":
    kurzweg_test.main()
