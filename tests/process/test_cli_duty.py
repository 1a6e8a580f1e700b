"""Who is responsible when, the headers of past traffic as the operator reads them, and what a draft would have changed."""

import datetime
import json
import os
import re
import shlex
import stat
import time

import kurzweg_test
from kurzweg_test import FAILED, REFUSED, USAGE, wait_until

POLICE, ORDER, CRIME, YOUTH = "police/control-room", "city/public-order", "city/crime-prevention", "youth-house/office"
ALERTS = '  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police, city], receive: [police, city, civil], lane: flash}\n'
NOTES = '  - {filter: "note/#", schema: note, publish: [police], receive: [police, city], lane: routine}\n'
DAYS = """\
  - filter: "request/noise/#"
    schema: request
    publish: ["*"]
    receive: [police, city]
    acknowledge: {by: [police, city], within: 30m}
    responsible:
      - {who: city/public-order, hours: "Mo-Su 06:00-22:00; PH off", deputies: [city/crime-prevention], take_within: 10m}
      - {who: police/control-room, take_within: 5m}
"""
NIGHTS_OFF = """\
  - filter: "request/noise/#"
    schema: request
    publish: [police, city]
    receive: [police, city]
    responsible:
      - {who: city/public-order, hours: "Mo-Su 06:00-20:00", take_within: 10m}
      - {who: police/control-room, hours: "Fr-Su 18:00-06:00", take_within: 5m}
"""
HOLIDAYS = "holidays: [2026-12-25, 2026-12-26]\n"
ID = "019b0000-0000-7000-8000-{:012x}"


def utc(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def header(n, when, topic, sender, type="request", lane="urgent", payload="request", **more):
    """A line of the headers' file, with the times that such a notification has."""
    ms = int(utc(when) * 1000)
    return {"lane": lane, "number": n, "time_ms": ms, "time": when, "id": ID.format(n), "type": type, "topic": topic, "sender": sender, "payload": payload,
            "created_ms": ms, "expires_ms": ms + 86400000, "agreement_version": 1, "to": [], **more}


class Case(kurzweg_test.Shared):
    PARTNERSHIP = {"topics": ALERTS + DAYS + NOTES}

    def setUp(self):
        super().setUp()

    def agreement(self, name="agreement.yaml", **changes):
        path = self.folder / name
        path.write_text(HOLIDAYS + self.p.text(**changes))
        return path

    def signed(self, name="agreement.yaml", after=None, **changes):
        if after is not None:
            changes.update(version=2, previous=self.p.hash_of(after))
        return self.p.sign(self.agreement(name, **changes), previous=after)


class WhoIsResponsible(Case):
    def ask(self, topic, at, *more, agreement=None):
        return self.kurzweg_json("agreement", "who-is-responsible", topic, "--at", at, "--agreement", agreement or self.folder / "agreement.yaml", *more)

    def test_the_line_of_any_time_with_its_hours_deputies_and_the_coordinator_at_last(self):
        self.agreement()
        day = [(ORDER, False, False), (CRIME, True, False), (POLICE, False, False)]
        night = [(POLICE, False, False), (CRIME, False, True)]
        for at, line, until in (
            ("2026-11-24 12:00", day, "2026-11-24T22:00:00+01:00"),
            ("2026-11-24 22:05", night, "2026-11-25T06:00:00+01:00"),
            ("2026-12-24 23:00", night, "2026-12-27T06:00:00+01:00"),   # over two public holidays
            ("2026-12-25 12:00", night, "2026-12-27T06:00:00+01:00"),
            ("2026-03-29 01:59", night, "2026-03-29T06:00:00+02:00"),   # the clocks go forward at two
            ("2026-03-29 03:00", night, "2026-03-29T06:00:00+02:00"),
            ("2026-10-25T02:30:00+02:00", night, "2026-10-25T06:00:00+01:00"),  # and back at three: that half hour comes twice
            ("2026-10-25T02:30:00+01:00", night, "2026-10-25T06:00:00+01:00"),
            ("2026-10-25 06:00", day, "2026-10-25T22:00:00+01:00"),
        ):
            with self.subTest(at=at):
                answer = self.ask("request/noise/west", at)
                self.assertEqual([(t["node"], t["deputy"], t["coordinator"]) for t in answer["turns"]], line)
                self.assertEqual(answer["same_until_ms"], utc(until) * 1000)
        self.assertTrue(self.ask("request/noise/west", "2026-12-25 12:00")["holiday"])
        answer = self.ask("request/noise/west", "2026-11-24 12:00")
        starts = [t["from_ms"] - answer["at_ms"] for t in answer["turns"]]
        self.assertEqual(starts, [0, 600000, 1200000])
        self.assertEqual(answer["acknowledge"], {"within_ms": 1800000, "nodes": [CRIME, ORDER, POLICE]})

    def test_people_read_turns_times_and_lines(self):
        self.agreement()
        done = self.kurzweg("agreement", "who-is-responsible", "request/noise/west", "--at", "2026-11-24 12:00", "--agreement", self.folder / "agreement.yaml")
        self.assertRegex(done.stdout, r"^request/noise/west at Tu 2026-11-24 12:00 \(Europe/Berlin\), version 1\n")
        self.assertRegex(done.stdout, r"(?m)^2 +city/crime-prevention +city +Tu 2026-11-24 12:10 +10 min +line \d+, deputy of city/public-order")
        self.assertIn("The same until Tu 2026-11-24 22:00.", done.stderr)
        self.assertIn("within 30 min", done.stderr)
        done = self.kurzweg("agreement", "who-is-responsible", "request/noise/west", "--at", "2026-12-25 12:00", "--agreement", self.folder / "agreement.yaml", LANGUAGE="de")
        self.assertRegex(done.stdout, r"^request/noise/west am Fr 2026-12-25 12:00, einem Feiertag \(Europe/Berlin\), Fassung 1\n")
        self.assertIn("Koordination, zuletzt", done.stdout)

    def test_a_hole_and_a_topic_without_a_line_are_told(self):
        path = self.agreement("draft.yaml", topics=ALERTS + NIGHTS_OFF)
        done = self.kurzweg("agreement", "who-is-responsible", "request/noise/west", "--at", "2026-11-24 21:00", "--agreement", path)
        self.assertIn("nobody is responsible then; it falls to the coordinator at once", done.stderr)
        done = self.kurzweg("agreement", "who-is-responsible", "alert/flood", "--at", "2026-11-24 21:00", "--agreement", path)
        self.assertIn('name nobody under "responsible"', done.stderr)

    def test_the_version_that_is_valid_then_answers(self):
        first = self.agreement(valid="from: 2026-01-01T00:00:00+01:00, until: 2027-01-01T00:00:00+01:00")
        second = self.agreement("second.yaml", version=2, previous=self.p.hash_of(first), topics=ALERTS + NIGHTS_OFF,
                                valid="from: 2026-12-01T00:00:00+01:00, until: 2027-12-01T00:00:00+01:00")
        both = ("--agreement", second)
        self.assertEqual(self.ask("request/noise/west", "2026-11-24 21:00", *both)["version"], 1)
        self.assertEqual(self.ask("request/noise/west", "2026-11-24 21:00", *both)["turns"][0]["node"], ORDER)
        self.assertEqual(self.ask("request/noise/west", "2026-12-01 00:00", *both)["version"], 2)
        self.assertEqual(self.ask("request/noise/west", "2026-12-01 21:00", *both)["turns"][0]["node"], CRIME)
        ask = ("agreement", "who-is-responsible", "request/noise/west")
        self.refuses(*ask, "--agreement", second, "--at", "2026-11-24 21:00", code=FAILED, says=["version 2 is valid from Tu 2026-12-01 00:00", "--agreement"])
        self.refuses(*ask, "--agreement", second, *both, says="version 2 is named twice")
        self.refuses(*ask, "--agreement", first, "--at", "tomorrow", code=USAGE, says='--at is "tomorrow"')
        self.refuses("agreement", "who-is-responsible", "unheard/of", "--agreement", first, code=REFUSED, says="no topic of the agreement matches")
        self.refuses("agreement", "who-is-responsible", "request/#", "--agreement", first, code=USAGE, says="#")
        late = self.kurzweg(*ask, "--agreement", first, "--at", "2028-01-01 12:00")
        self.assertIn("version 1 ends on Fr 2027-01-01 00:00 and so does its grace", late.stderr)

    def test_the_broker_is_asked_for_the_version_of_then(self):
        """[O-2]"""
        first = self.signed(valid="from: 2026-01-01T00:00:00+01:00, until: 2099-01-01T00:00:00+01:00")
        self.p.broker()
        second = self.signed("second.yaml", after=first, topics=ALERTS + NIGHTS_OFF,
                             valid="from: 2026-03-01T00:00:00+01:00, until: 2099-01-01T00:00:00+01:00")
        control = ("--control", f"ipc://{self.folder}/broker.sock")
        self.kurzweg("agreement", "install", second, *control)
        operator = ("--key", self.p.key("night-desk"), "--agreement", first)
        for way in control, operator:
            ask = ("agreement", "who-is-responsible", "request/noise/west", *way)
            self.assertEqual(self.kurzweg_json(*ask, "--at", "2026-02-24 21:00")["version"], 1)
            self.assertEqual(self.kurzweg_json(*ask, "--at", "2026-02-24 21:00")["turns"][0]["node"], ORDER)
            self.assertEqual(self.kurzweg_json(*ask, "--at", "2026-03-24 21:00")["turns"][0]["node"], CRIME)
            self.assertEqual(self.kurzweg_json(*ask)["version"], 2)
        self.refuses("agreement", "who-is-responsible", "request/noise/west", *control, *operator, code=USAGE, says="give one")

    def test_the_node_knows_from_when_on_a_version_counted(self):
        """[N-10]"""
        first = self.signed(valid="from: 2026-01-01T00:00:00+01:00, until: 2099-01-01T00:00:00+01:00")
        self.p.broker()
        node = self.p.node(POLICE)
        node.wait_for("link.up")
        ask = ("agreement", "who-is-responsible", "request/noise/west", "--socket", self.p.socket(POLICE))
        self.assertEqual(self.kurzweg_json(*ask)["version"], 1)
        second = self.signed("second.yaml", after=first, topics=ALERTS + NIGHTS_OFF, valid="from: 2026-03-01T00:00:00+01:00, until: 2099-01-01T00:00:00+01:00")
        before = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.kurzweg("agreement", "install", second, "--control", f"ipc://{self.folder}/broker.sock")
        node.wait_for("version=2")
        self.assertEqual(self.kurzweg_json(*ask)["version"], 2)
        self.assertEqual(self.kurzweg_json(*ask, "--at", before)["version"], 1)  # although the second is valid from March on
        self.assertEqual(self.kurzweg_json(*ask, "--at", "2026-03-24 21:00")["turns"][0]["node"], ORDER)
        self.assertEqual(self.kurzweg_json(*ask, "--at", "2040-03-20 21:00")["turns"][0]["node"], CRIME)
        self.refuses(*ask, "--at", "2025-03-24 21:00", says="version 1 is valid from")
        self.refuses(*ask, "--at", "once", code=USAGE, says="--at")
        self.refuses(*ask, "--agreement", first, code=USAGE, says="--socket asks the node")
        self.refuses(*ask[:-1], f"ipc://{self.folder}/nobody.sock", code=kurzweg_test.SILENT, says="nobody.sock")


class Headers(Case):
    def start(self, *nodes, spool=""):
        self.agreement_path = self.signed()
        self.broker = self.p.broker()
        self.nodes = {name: self.p.node(name, more=spool if name == POLICE else "") for name in nodes}
        for node in self.nodes.values():
            node.wait_for("link.up")

    def publish(self, topic, *how, node=POLICE):
        return self.kurzweg("publish", topic, *how, "--socket", self.p.socket(node)).stdout.strip()

    def headers(self, *more):
        lines = [json.loads(line) for line in self.kurzweg("broker", "headers", *(more if "--key" in more else (*more, *self.control))).stdout.splitlines()]
        self.assertEqual(lines[0]["form"], "kurzweg headers 1")
        self.assertEqual(lines[-1], {"headers": len(lines) - 2})
        return lines[1:-1]

    def test_an_operator_reads_who_sent_what_and_never_what_was_in_it(self):
        self.start(POLICE, ORDER, CRIME)
        secret = "Krach am Neckarufer"
        begin = time.time()
        request = self.publish("request/noise/west", "--kind", "presence", "--subject", secret, "--purpose", "danger-prevention", "--wait", "delivered", "--to", ORDER)
        note = self.publish("note/desk", "--text", secret, "--wait", "stored")
        for way in self.control, ("--key", self.p.key("night-desk"), "--agreement", self.agreement_path):
            rows = self.headers(*way) if way is not self.control else self.headers()
            self.assertEqual({row["id"] for row in rows}, {request, note})
            row = next(r for r in rows if r["id"] == request)
            self.assertEqual((row["type"], row["topic"], row["sender"], row["lane"], row["payload"]), ("request", "request/noise/west", POLICE, "urgent", "request"))
            self.assertEqual(row["to"], [ORDER])
            self.assertTrue(begin - 2 <= row["time_ms"] / 1000 <= time.time() + 2)
        self.assertNotIn(secret.encode(), b"".join(p.read_bytes() for p in self.folder.rglob("broker/*") if p.is_file()))
        with_receipts = self.headers("--receipts")
        self.assertIn(("delivered", ORDER), [(r["type"], r["sender"]) for r in with_receipts])
        self.assertEqual([r["id"] for r in self.headers("--topic", "note/#")], [note])
        self.assertEqual(self.headers("--to", "1h"), [])
        self.assertEqual(len(self.headers("--from", "1h")), 2)
        self.broker.wait_for("headers.read peer=night-desk")
        self.broker.wait_for("headers.read peer=control")

    def test_only_operators_read_them(self):
        """[O-1]"""
        self.start(POLICE)
        self.refuses("broker", "headers", "--key", self.p.key(POLICE), "--agreement", self.agreement_path, code=REFUSED, says="operators")
        self.p.new_key("stranger", "--operator")
        self.refuses("broker", "headers", "--key", self.p.key("stranger"), "--agreement", self.agreement_path, code=REFUSED, says="does not know the key")
        self.refuses("broker", "headers", *self.control, "--from", "1h", "--to", "2h", code=USAGE, says="--from must lie before --to")
        self.refuses("broker", "headers", *self.control, "--topic", "a/#/b", code=USAGE, says="#")

    def test_a_file_of_them_is_private_and_never_overwritten(self):
        self.start(POLICE)
        path = self.folder / "headers.jsonl"
        self.kurzweg("broker", "headers", *self.control, "--output", path)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        before = path.read_bytes()
        self.refuses("broker", "headers", *self.control, "--output", path, says="exists already")
        self.assertEqual(path.read_bytes(), before)

    def test_many_come_in_pages_whole_and_in_order_from_any_time_on(self):
        """[O-3]"""
        spool = self.folder / "spool"
        (spool / "note" / "desk").mkdir(parents=True)
        self.start(POLICE, spool=f"spool: {spool}\n")
        for i in range(400):
            beside = self.folder / "beside.json"
            beside.write_text(json.dumps({"text": f"note {i}", "language": "de"}))
            os.rename(beside, spool / "note" / "desk" / f"{i:04}.json")
        wait_until(lambda: len(list((spool / "sent").rglob("*.id"))) + len(list((spool / "failed").rglob("*.txt"))) == 400, deadline=120, what="400 notes sent")
        self.assertEqual(list((spool / "failed").rglob("*.txt")), [])
        rows = wait_until(lambda: len(got := self.headers()) == 400 and got, deadline=60, what="400 headers")
        numbers = [r["number"] for r in rows]
        self.assertEqual(numbers, sorted(set(numbers)))
        times = [r["time_ms"] for r in rows]
        self.assertEqual(times, sorted(times))
        middle = times[200]
        text = datetime.datetime.fromtimestamp(middle / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{middle % 1000:03}Z"
        self.assertEqual([r["number"] for r in self.headers("--from", text)], [r["number"] for r in rows if r["time_ms"] >= middle])
        self.assertEqual([r["number"] for r in self.headers("--to", text)], [r["number"] for r in rows if r["time_ms"] < middle])

    def test_what_was_sent_is_run_against_a_draft(self):
        self.start(POLICE, ORDER)
        self.publish("request/noise/west", "--kind", "presence", "--subject", "noise", "--purpose", "danger-prevention", "--wait", "stored")
        draft = self.agreement("draft.yaml", version=2, previous=self.p.hash_of(self.agreement_path), 
                               topics=ALERTS + NIGHTS_OFF.replace("receive: [police, city]", "purpose: danger-prevention\n    receive: [city, police, civil]"))
        export = self.kurzweg("broker", "headers", *self.control).stdout
        told = self.kurzweg_json("agreement", "simulate", draft, "--agreement", self.agreement_path, "--headers", "-", stdin=export)
        self.assertEqual(told["figures"]["accepted"], {"old": 1, "draft": 1})
        gets = {m["id"]: m["gets"] for m in told["nodes"]}
        self.assertEqual(gets[YOUTH], {"old": 0, "draft": 1})
        self.assertEqual(gets[ORDER], {"old": 1, "draft": 1})


class Simulate(Case):
    SENT = (
        header(1, "2026-03-04T10:00:00+01:00", "request/noise/west", POLICE),
        header(2, "2026-03-04T21:00:00+01:00", "request/noise/west", POLICE),                 # a Wednesday: the city's until 22:00, in the draft nobody's
        header(3, "2026-03-29T03:10:00+02:00", "request/noise/west", POLICE),                 # the night of the clock change, a Sunday
        header(4, "2026-03-30T03:10:00+02:00", "request/noise/west", YOUTH),                  # whom the draft does not let publish
        header(5, "2026-03-30T12:00:00+02:00", "alert/flood/mitte", POLICE, type="notice", lane="flash", payload="alert"),
        header(6, "2026-03-30T12:01:00+02:00", "alert/flood/mitte", ORDER, type="opened", payload="receipt", about=ID.format(5), to=[POLICE]),
        header(7, "2026-05-01T12:00:00+02:00", "request/noise/west", POLICE),
    )

    def setUp(self):
        super().setUp()
        self.old = self.agreement()
        self.draft = self.agreement("draft.yaml", version=2, previous=self.p.hash_of(self.old), topics=ALERTS + NIGHTS_OFF)

    def file(self, rows=SENT, name="headers.jsonl", **head):
        first = {"form": "kurzweg headers 1", "partnership": "musterstadt", "kind": "live", "from_ms": 0, "to_ms": int(utc("2026-06-01T00:00:00+02:00") * 1000), **head}
        return self.write(name, "".join(json.dumps(row) + "\n" for row in (first, *rows, {"headers": len(rows)})))

    def simulate(self, path, *more, code=0, **env):
        return self.kurzweg("agreement", "simulate", self.draft, "--agreement", self.old, "--headers", path, *more, code=code, **env)

    def refused(self, path, says):
        self.refuses("agreement", "simulate", self.draft, "--agreement", self.old, "--headers", path, says=says)

    def test_a_committee_reads_what_a_draft_would_have_changed(self):
        march = ("--from", "2026-03-01 00:00", "--to", "2026-04-01 00:00")
        told = json.loads(self.simulate(self.file(), *march, "--json").stdout)
        self.assertEqual((told["notifications"], told["other_headers"], told["outside"]), (5, 1, 1))
        self.assertEqual(told["figures"], {"accepted": {"old": 5, "draft": 4}, "refused": {"old": 0, "draft": 1}, "to_take": {"old": 4, "draft": 3},
                                           "coordinator": {"old": 0, "draft": 1}})
        nodes = {m["id"]: (m["gets"]["old"], m["gets"]["draft"], m["first"]["old"], m["first"]["draft"]) for m in told["nodes"]}
        self.assertEqual(nodes, {ORDER: (5, 4, 2, 1), CRIME: (5, 4, 0, 1), POLICE: (1, 0, 2, 1), YOUTH: (1, 1, 0, 0)})
        partners = {m["id"]: (m["gets"]["old"], m["gets"]["draft"]) for m in told["partners"]}
        self.assertEqual(partners, {"city": (5, 4), "police": (1, 0), "youth-house": (1, 1)})
        self.assertEqual([(m["old"], m["draft"], m["count"], m["time_ms"]) for m in told["moves"]],
                         [(ORDER, CRIME, 1, self.SENT[1]["time_ms"]), (POLICE, "", 1, self.SENT[3]["time_ms"])])
        noise = told["topics"][0]
        self.assertEqual((noise["topic"], noise["count"], noise["moved"]), ("request/noise/west", 4, 2))
        self.assertIn('"youth-house/office" may not publish', noise["refusal"]["text"])
        self.assertIsNone(noise["longest_gap_old"])
        self.assertEqual(noise["longest_gap_draft"], {"from_ms": utc("2026-03-02T20:00:00+01:00") * 1000, "to_ms": utc("2026-03-03T06:00:00+01:00") * 1000})

    def test_people_read_it_in_tables(self):
        shown = self.simulate(self.file(), "--from", "2026-03-01 00:00", "--to", "2026-04-01 00:00").stdout
        self.assertRegex(shown, r"^5 notifications from Su 2026-03-01 00:00 to We 2026-04-01 00:00, under version 1 and under the draft, version 2\n")
        self.assertRegex(shown, r"(?m)^falls to the coordinator at once +0 +1 +\+1$")
        self.assertRegex(shown, r"(?m)^city/public-order +5 +4 +-1 +2 +1 +-1$")
        self.assertRegex(shown, r"(?m)^city/public-order +city/crime-prevention +1 +We 2026-03-04 21:00, request/noise/west$")
        self.assertRegex(shown, r"(?m)^request/noise/west +never +Mo 2026-03-02 20:00, 10 h 00 min$")
        self.assertIn("may not publish on topics of request/noise/#", " ".join(shown.split()))
        german = self.simulate(self.file(), LANGUAGE="de").stdout
        self.assertRegex(german, r"(?m)^fällt sofort an die Koordination +0 +1 +\+1$")

    def test_a_night_that_the_clocks_lengthen_is_as_long_as_it_was(self):
        draft = self.agreement("draft.yaml", version=2, previous=self.p.hash_of(self.old),
                               topics=ALERTS + NIGHTS_OFF.replace("Fr-Su 18:00-06:00", "Mo-Fr 20:00-06:00"))
        path = self.file((header(1, "2026-10-24T10:00:00+02:00", "request/noise/west", POLICE),), to_ms=int(utc("2026-11-01T00:00:00+01:00") * 1000))
        told = self.kurzweg_json("agreement", "simulate", draft, "--agreement", self.old, "--headers", path, "--from", "2026-10-24 12:00", "--to", "2026-10-26 00:00")
        self.assertEqual(told["notifications"], 0)
        told = self.kurzweg_json("agreement", "simulate", draft, "--agreement", self.old, "--headers", path, "--to", "2026-10-25 20:00")
        gap = told["topics"][0]["longest_gap_draft"]
        self.assertEqual((gap["to_ms"] - gap["from_ms"]) / 3600000, 11)  # 20:00 to 06:00, and an hour twice

    def test_what_is_no_such_file_is_refused(self):
        good = self.file().read_text().splitlines()
        self.refused(self.folder / "nothing", "nothing")
        self.refused(self.write("empty", ""), "is empty")
        self.refused(self.write("other", '{"form": "x"}\n'), "holds no headers")
        self.refused(self.write("cut", "\n".join(good[:-1]) + "\n"), "is not whole")
        self.refused(self.write("short", "\n".join(good[:3] + good[-1:]) + "\n"), "counts 7 headers, but here are 2")
        self.refused(self.write("torn", "\n".join(good)[:-4]), "cut off")
        self.refused(self.write("behind", "\n".join(good + good[1:2]) + "\n"), "stands behind the last one")
        self.refused(self.file(partnership="lindau"), ['"lindau"', '"musterstadt"'])
        self.refused(self.file(kind="exercise"), "(exercise)")
        for key, value in (("type", "shout"), ("topic", "a/#"), ("sender", "police"), ("lane", "fast"), ("payload", 7), ("id", "7"), ("to", ["b/b", "a/a"]), ("created_ms", -1),
                           ("time_ms", None), ("take_within_s", "soon")):
            with self.subTest(key=key):
                self.refused(self.file(({**self.SENT[0], key: value},)), ["line 2", f'"{key}" is missing or wrong'])
        self.refuses("agreement", "simulate", self.draft, "--agreement", self.old, code=USAGE, says="--headers FILE is missing")
        self.refuses("agreement", "simulate", self.draft, "--agreement", self.old, "--headers", self.file(), "--from", "yesterday", says="--from")

    def test_many_headers_on_many_topics_are_counted(self):
        ms = int(utc("2026-03-04T10:00:00+01:00") * 1000)
        lines = (json.dumps({**self.SENT[0], "number": i, "id": ID.format(i), "topic": f"request/noise/d{i % 500}", "time_ms": ms + i * 1000}) for i in range(20000))
        path = self.write("many", json.dumps({"form": "kurzweg headers 1", "partnership": "musterstadt", "kind": "live", "from_ms": 0, "to_ms": ms + 86400000}) + "\n"
                          + "\n".join(lines) + '\n{"headers": 20000}\n')
        told = json.loads(self.simulate(path, "--json").stdout)
        self.assertEqual(told["notifications"], 20000)
        self.assertEqual(len(told["topics"]), 500)


class Sample(kurzweg_test.TestCase):
    """deploy/agreement.yaml.sample, with keys in it, and what docs/agreement.md shows of it."""

    @classmethod
    def setUpClass(cls):
        cls.all = kurzweg_test.TestCase()
        cls.all.setUp()
        cls.addClassCleanup(cls.all.doCleanups)
        locked = ("--steering", "--lock", "interactive", "--passphrase-file", cls.all.write("passphrase", kurzweg_test.PASSPHRASE + "\n", 0o600))

        def key(placeholder):
            kind, name = placeholder.groups()
            how = {"kwsteer1": locked, "kwbroker1": ("--broker",), "kwnode1": () if "/" in name else ("--operator",)}[kind]
            return cls.all.kurzweg("key", "new", name, "--out", cls.all.folder / (name.replace("/", "-") + ".key"), *how).stdout.strip()

        cls.text = re.sub(r"(kwsteer1|kwbroker1|kwnode1):the line of ([\w/-]+)", key, (kurzweg_test.SOURCE / "deploy" / "agreement.yaml.sample").read_text())

    def test_it_may_stand_and_nothing_in_it_is_not_meant(self):
        path = self.write("agreement.yaml", self.text)
        told = self.kurzweg_json("agreement", "check", path)
        self.assertEqual((told["ok"], told["warnings"]), (True, []))
        self.refuses("agreement", "check", self.write("raw.yaml", (kurzweg_test.SOURCE / "deploy" / "agreement.yaml.sample").read_text()), says="public key line")

    def test_every_key_of_the_parser_is_given_in_it(self):
        for before, key in (("", "strange: 1\n"), ("valid: {", "strange: 1, "), ("steering:\n", "  strange: 1\n"), ("broker: {", "strange: 1, "), ("operators: [{", "strange: 1, "),
                            ("  - id: police\n", "    strange: 1\n"), ('  - filter: "alert/#"\n', "    strange: 1\n"), ("keep: {", "strange: 1, "), ("acknowledge: {", "strange: 1, "),
                            ("release: {", "strange: 1, "), ("      - {", "strange: 1, "), ("area: {", "strange: 1, ")):
            at = re.search("^ *" + re.escape(before) if before.startswith(("  - ", "      - ")) else re.escape(before) if before else r"\Z", re.sub(r"(?m)^ *#.*$", lambda m: "#" * len(m[0]), self.text),
                           re.M).end()
            with self.subTest(before=before):
                done = self.kurzweg("agreement", "check", self.write("strange.yaml", self.text[:at] + key + self.text[at:]), code=FAILED)
                known = re.search(r'unknown key "strange" in .* known here: ([\w, ]+)', done.stderr)
                self.assertTrue(known, done.stderr)
                for name in known.group(1).strip().split(", "):
                    self.assertTrue(re.search(rf"^ *(# )?(- )?(.*[{{ ])?{name}:( |$)", self.text, re.M), f"{name} is nowhere given")

    def test_the_page_shows_what_the_command_line_says(self):
        path = self.write("agreement.yaml", self.text)
        shown = re.findall(r"^<!-- shown: kurzweg ([^\n]*) -->\n```\n(.*?)^```$", (kurzweg_test.SOURCE / "docs" / "agreement.md").read_text(), re.M | re.S)
        self.assertGreater(len(shown), 1)
        for command, expected in shown:
            self.assertEqual(self.kurzweg(*shlex.split(command)).stdout, expected, command)
        self.assertTrue(path.exists())


if __name__ == "__main__":
    kurzweg_test.main()
