"""Why a notification would come or not: by the lines of the agreement"""

import json

import kurzweg_test
from kurzweg_test import FAILED, USAGE, plain

POLICE, ORDER, CRIME, YOUTH, SHELTER = "police/control-room", "city/public-order", "city/crime-prevention", "youth-house/office", "shelter/desk"
NODES = {POLICE: "police", ORDER: "city", CRIME: "city", YOUTH: "civil", SHELTER: "civil"}
TOPICS = """\
  - {filter: "alert/flood/#", schema: alert, purpose: danger-prevention, publish: [city], receive: [police, civil], lane: urgent}
  - filter: "alert/#"
    schema: alert
    publish: [police, city]
    receive: ["*"]
    lane: flash
  - filter: "request/noise/#"
    schema: request
    publish: ["*"]
    receive: [police, city]
    responsible:
      - {who: city/public-order, hours: "Mo-Su 06:00-22:00", take_within: 10m}
      - {who: police/control-room, take_within: 5m}
  - filter: "statement/#"
    schema: statement
    publish: [police, city]
    receive: [police, city]
    release: {approve: [police, city]}
"""


class Rules(kurzweg_test.Shared):
    PARTNERSHIP = {"nodes": NODES, "topics": TOPICS}

    def setUp(self):
        super().setUp()
        self.path = self.folder / "agreement.yaml"
        self.path.write_text(self.p.text().replace("{id: shelter, kind: civil, purposes: [danger-prevention]", "{id: shelter, kind: civil, purposes: [care]"))
        self.lines = self.path.read_text().splitlines()

    def explain(self, topic, node, *more, at="2026-11-24 12:00"):
        answer = self.kurzweg_json("explain", "--topic", topic, "--node", node, "--agreement", self.path, "--at", at, *more)
        for one in answer["answers"]:
            for reason in one["reasons"]:  # the text beside a number is the text that stands there
                if reason["line"]:
                    self.assertTrue(self.lines[reason["line"] - 1].strip().startswith(reason["text"].removesuffix("…")), reason)
        return {one["question"]: one for one in answer["answers"]}

    def line(self, text):
        return next(i for i, line in enumerate(self.lines, 1) if text in line)

    def says(self, answer, line, says):
        self.assertTrue(any(r["line"] == line and says in r["says"] for r in answer["reasons"]), answer)

    def test_the_first_filter_decides_alone_and_its_line_is_named(self):
        answer = self.explain("alert/flood/west", CRIME)["delivered"]
        self.assertFalse(answer["answer"])  # the wider topic behind it would have let the city read
        self.says(answer, self.line('"alert/flood/#"'), 'the filter "alert/flood/#" decides alone')
        self.says(answer, self.line('"alert/flood/#"'), '"receive" does not mean city')
        self.assertIn(f"line {self.line('alert/flood/#')}", answer["change"])
        answer = self.explain("alert/fire", CRIME)["delivered"]
        self.assertTrue(answer["answer"])
        self.says(answer, self.line('receive: ["*"]'), '"receive" means city')

    def test_what_a_civil_partner_has_committed_to_decides_what_it_reads(self):
        answer = self.explain("alert/flood/west", YOUTH)["delivered"]
        self.assertTrue(answer["answer"])
        self.says(answer, self.line('"alert/flood/#"'), f'has committed to the topic\'s purpose "danger-prevention" (line {self.line("id: youth-house")})')
        answer = self.explain("alert/flood/west", SHELTER)["delivered"]
        self.assertFalse(answer["answer"])
        self.says(answer, self.line("id: shelter"), 'has not committed to the topic\'s purpose "danger-prevention"')
        self.assertIn("shelter commits to", answer["change"])
        answer = self.explain("alert/fire", YOUTH)["delivered"]
        self.assertFalse(answer["answer"])
        self.says(answer, self.line('receive: ["*"]'), "the topic names no purpose")

    def test_who_is_responsible_reads_it_and_when_it_has_its_turn(self):
        day, night = (self.explain("request/noise/west", ORDER, at=f"2026-11-24 {hour}") for hour in ("12:00", "23:00"))
        entry = self.line("who: city/public-order")
        self.assertTrue(day["delivered"]["answer"])
        self.says(day["delivered"], entry, "stands in the line that is responsible")
        self.assertTrue(day["responsible"]["answer"])
        self.says(day["responsible"], entry, "its hours count then")
        self.assertIn("turn 1 of 3, for 10 min", day["responsible"]["says"])
        self.assertFalse(night["responsible"]["answer"])
        self.says(night["responsible"], entry, 'its "hours" are others')
        last = self.explain("request/noise/west", CRIME)["responsible"]
        self.says(last, self.line("coordinator:"), "the coordinator")
        self.assertIn("turn 3 of 3", last["says"])

    def test_who_may_publish_in_which_lane_and_what_is_only_a_draft(self):
        self.assertTrue(self.explain("alert/fire", POLICE)["publish"]["answer"])
        answer = self.explain("alert/flood/west", ORDER, "--lane", "flash")["publish"]
        self.assertFalse(answer["answer"])
        self.assertIn("the lane flash is higher than topics of alert/flood/# may use", answer["says"])
        answer = self.explain("alert/flood/west", POLICE)["publish"]
        self.says(answer, self.line('"alert/flood/#"'), '"publish" does not mean police')
        answer = self.explain("statement/mayor", POLICE)
        self.assertTrue(answer["publish"]["answer"])
        self.says(answer["publish"], self.line("approve:"), "a draft until all")
        self.assertTrue(answer["approve"]["answer"])
        own = self.explain("alert/fire", POLICE, "--sender", POLICE)["delivered"]
        self.assertFalse(own["answer"])

    def test_a_topic_of_nobody_and_what_cannot_be_asked(self):
        answer = self.explain("weather/rain", POLICE)
        self.assertEqual(list(answer), ["delivered"])
        self.assertIn("no filter", answer["delivered"]["reasons"][0]["says"])
        at = ("--agreement", self.path)
        self.refuses("explain", "--topic", "alert/x", "--node", "police/nobody", *at, code=FAILED, says='"police/nobody" is no node of the agreement, version 1')
        self.refuses("explain", "--topic", "alert/#", "--node", POLICE, *at, code=USAGE, says="alert/#")
        self.refuses("explain", "--topic", "alert/x", "--node", "police", *at, code=USAGE, says="police")
        self.refuses("explain", "--topic", "alert/x", "--node", POLICE, "--lane", "fast", *at, code=USAGE, says='--lane is "fast", must be flash, urgent or routine')
        self.refuses("explain", "--topic", "alert/x", *at, code=USAGE, says="give an ID, or --topic TOPIC and --node NODE")
        self.refuses("explain", code=USAGE, says="give an ID, or --topic TOPIC and --node NODE")

    def test_it_can_be_read_on_any_terminal(self):
        for columns in 80, 20:
            shown = plain(self.on_terminal("explain", "--topic", "request/noise/west", "--node", ORDER, "--agreement", self.path, "--at", "2026-11-24 12:00", columns=columns))
            self.assertIn("line", shown)
            wide = [line for line in shown.replace("\r", "").split("\n") if len(line) > columns]
            self.assertEqual(wide, [])
        shown = plain(self.on_terminal("explain", "--topic", "request/noise/west", "--node", ORDER, "--agreement", self.path, "--at", "2026-11-24 12:00", LANGUAGE="de"))
        self.assertIn("Zeile", shown)


if __name__ == "__main__":
    kurzweg_test.main()
