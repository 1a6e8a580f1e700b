"""The rules of one agreement for another city: what goes out, who comes in, and what the next version of an agreement becomes by them."""

import re

import kurzweg_test
from kurzweg_test import FAILED, USAGE, Partnership

TOPICS = """\
  # Herr Schmidt asked for this one.
  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police, town-hall], receive: [police, town-hall, youth-house],
     lane: flash, keep: {content: 14d, proof: 2y}, acknowledge: {by: [youth-house], within: 30m}}
  - filter: "request/noise/#"
    schema: request
    purpose: danger-prevention
    publish: ["*"]
    receive: [police, city]
    onward: [youth-house]
    responsible:
      - {who: town-hall/order, hours: "Mo-Su 06:00-22:00; PH off", area: {level: 3, is: [mitte]}, deputies: [town-hall/prevention], take_within: 10m}
      - {who: police/control-room, take_within: 5m}
  - {filter: "statement/#", schema: statement, publish: [police, city], receive: [police, city], release: {approve: [police, town-hall]}}
"""
NODES = {"police/control-room": "police", "police/east": "police", "town-hall/order": "city", "town-hall/prevention": "city", "youth-house/office": "civil"}
ROLES = {"police-1/node-1": "police/control-room", "city-1/node-1": "town-hall/order", "city-1/node-2": "town-hall/prevention", "civil-1": "youth-house"}


class Template(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        self.p = Partnership(self, nodes=NODES, topics=TOPICS)
        self.p.coordinator = "town-hall/prevention"
        self.p.more = "holidays: [2026-12-25]\ncoordinator_within: 20m\n"
        self.old = self.p.write("old.yaml")
        self.old.write_text(self.old.read_text().replace("id: town-hall, kind: city,", 'id: town-hall, kind: city, title: "Stadt Mühlbach",'))
        self.kurzweg("agreement", "template", self.old, "--to", "template.yaml")
        self.template = self.folder / "template.yaml"

    def draft(self, *more, roles=None, **how):
        given = [word for role, node in (ROLES if roles is None else roles).items() for word in ("--role", f"{role}={node}")]
        return self.kurzweg("agreement", "draft", "--template", "template.yaml", *more, *given, **how)

    def next(self, *more, **how):
        return self.draft("--previous", self.old, *more, **how)

    def stays(self, says, *more, code=FAILED, **how):
        done = self.next("--to", "draft.yaml", *more, code=code, **how)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, done.stderr)
        self.assertFalse((self.folder / "draft.yaml").exists())

    def test_names_keys_titles_and_comments_go_and_rules_stay(self):
        text = self.template.read_text()
        for word in ("Schmidt", "Stadt", "musterstadt", "town-hall", "youth-house", "control-room", "haus", "mayor", "night-desk", "kwnode1", "kwsteer1", "b2:", "127.0.0.1"):
            self.assertNotIn(word, text)
        for line in ("coordinator: city-1/node-2", "holidays: [2026-12-25]", "coordinator_within: 20m", "  - {id: police-1, kind: police, nodes: [node-1]}", "  - {id: civil-1, kind: civil, nodes: []}",
                     "    receive: [police, city-1, civil-1]", '      - {who: city-1/node-1, hours: "Mo-Su 06:00-22:00; PH off", area: {level: 3, is: [mitte]}, deputies: [city-1/node-2], take_within: 10m}',
                     "    release: {approve: [police, city-1]}", "    acknowledge: {by: [civil-1], within: 30m}"):
            self.assertIn(line, text.splitlines())
        self.assertEqual(self.kurzweg("agreement", "template", self.old).stdout, text)
        before = text
        self.kurzweg("agreement", "template", self.old, "--to", "template.yaml", code=FAILED)
        self.assertEqual(self.template.read_text(), before)

    def test_put_back_where_it_came_from_nobody_gains_or_loses_anything(self):
        done = self.next("--to", "draft.yaml")
        self.assertEqual(done.stdout, "nobody gains or loses anything\n")
        self.assertIn("city-1/node-2 is town-hall/prevention.", done.stderr)
        text = (self.folder / "draft.yaml").read_text()
        self.assertIn('title: "Stadt Mühlbach"', text)
        self.assertIn("version: 2\n", text)
        self.p.sign(self.old)
        self.p.sign(self.folder / "draft.yaml", previous=self.old)
        self.kurzweg("agreement", "verify", "draft.yaml", "--previous", self.old)

    def test_what_other_rules_change_is_told_in_words(self):
        self.template.write_text(self.template.read_text().replace("    lane: flash\n", "    lane: urgent\n").replace("receive: [police, city-1, civil-1]", "receive: [police, city-1]")
                                 .replace("    acknowledge: {by: [civil-1], within: 30m}\n", ""))
        done = self.next("--to", "draft.yaml")
        self.assertRegex(done.stdout, r"(?m)^- youth-house/office may no longer read alert/#$")
        self.assertEqual(self.kurzweg("agreement", "diff", self.old, "draft.yaml").stdout, done.stdout)

    def test_another_city_begins_with_the_same_rules(self):
        lines = {name: self.kurzweg("key", "new", name, *kind, "--out", f"other-{name.replace('/', '-')}.key").stdout.strip()
                 for name, kind in (("relay", ("--broker",)), ("revier/wache", ()), ("rathaus/amt", ()), ("rathaus/hilfe", ()), ("verein/buero", ()))}
        rows = [f"{self.p.lines[m]};;;;" for m in self.p.MEMBERS] + [f"{lines['relay']};;;;relay:7411", f"{lines['revier/wache']};police;;;", f"{lines['rathaus/amt']};city;Rathaus Köln;;",
                                                                     f"{lines['rathaus/hilfe']};;;;", f"{lines['verein/buero']};civil;;danger-prevention;"]
        self.write("partners.csv", "Schlüssel;Art;Titel;Zwecke;Adresse\n" + "\n".join(rows) + "\n")
        done = self.draft("--from", "partners.csv", "--partnership", "koeln", "--to", "draft.yaml", roles={"city-1/node-1": "rathaus/amt", "city-1/node-2": "rathaus/hilfe"})
        for sentence in ("police-1 is revier.", "police-1/node-1 is revier/wache.", "civil-1 is verein."):
            self.assertIn(sentence, done.stderr, "there is but one of that kind")
        self.kurzweg("agreement", "check", "draft.yaml")
        draft, template = ((self.folder / name).read_text() for name in ("draft.yaml", "template.yaml"))
        topics = re.search(r"(?ms)^topics:.*", template).group()
        for role, actor in (("police-1/node-1", "revier/wache"), ("city-1/node-1", "rathaus/amt"), ("city-1/node-2", "rathaus/hilfe"), ("city-1", "rathaus"), ("civil-1", "verein")):
            topics = topics.replace(role, actor)
        self.assertTrue(draft.endswith(topics), "line by line the same, with other names")
        self.assertIn("coordinator: rathaus/hilfe\n", draft)
        self.assertIn("holidays: [2026-12-25]\n", draft)

    def test_who_is_who_is_asked_for_and_never_guessed_among_several(self):
        self.stays(["who is city-1/node-1, city-1/node-2?", "--role"], roles={"police-1/node-1": "police/east"})
        self.stays("who is police-1/node-1?", roles={r: n for r, n in ROLES.items() if r != "police-1/node-1"})
        for roles, says in (({"police-1/node-7": "police/east"}, "did you mean \"police-1/node-1\""), ({"police-1": "town-hall"}, "town-hall is of kind city, but police-1 must be of kind police"),
                            ({"city-1/node-1": "town-hall/order", "city-1/node-2": "town-hall/order"}, "town-hall/order cannot be city-1/node-1 and city-1/node-2 at once"),
                            ({"city-1/node-1": "town-hall"}, "town-hall is no node that is there"), ({"city-1": "town-hall/order"}, "town-hall/order is no partner that is there"),
                            ({"police-1/node-1": "police/west"}, "police/west is no node that is there"), ({"police-1/node-1": ""}, "must be ROLE=NODE"), ({"x": "y=z"}, "no role"),
                            ({"police-1/node-1": "town-hall/order"}, "town-hall is of kind city")):
            with self.subTest(says=says):
                self.stays(says, roles=roles)
        self.stays("must be ROLE=NODE", "--role", "police", roles={})

    def test_what_is_no_template(self):
        good = self.template.read_text()
        for text, says in ((self.old.read_text(), "this is an agreement and no template"), (good.replace("template: 1", "template: 2"), "template"), (good + "strange: 1\n", "unknown key \"strange\""),
                           (good.replace("roles:", "rolls:"), "roles"), (re.sub(r"(?ms)^roles:.*?(?=^coord)", "", good), "no list \"roles\""), (good.replace("coordinator: city-1/node-2", "coordinator: city-1"), "no role of a node"),
                           (good.replace("kind: police,", "kind: club,"), "no role that can be filled"), (good.replace("nodes: [node-1]", "nodes: node-1"), "no list \"nodes\""),
                           (good.replace("id: civil-1", "id: city-1"), "no role that can be filled"), (good.replace("  - filter: \"alert/#\"", "  - plain\n  - filter: \"alert/#\""), "a topic must be keys"),
                           (good.replace("lane: flash", "lane: slow"), ["the draft could not stand", "slow"]), ("template: [", "no YAML")):
            with self.subTest(says=says):
                self.template.write_text(text)
                self.stays(says)
        self.refuses("agreement", "check", self.write("template.yaml", good), says="unknown key \"template\"")
        self.refuses("agreement", "template", "missing.yaml", says="missing.yaml does not exist")
        self.refuses("agreement", "template", self.write("broken.yaml", "partnership: x\n"), says="broken.yaml")

    def test_options_that_do_not_go_together(self):
        for args, says in ((["--from", "x", "--previous", "y"], "give one of them"), ([], "give one of them"), (["--previous", "y"], "--template FILE is missing"),
                           (["--previous", "y", "--template", "t", "--partnership", "x"], "are for a first agreement"), (["--from", "x", "--template", "t"], "--partnership NAME is missing"),
                           (["--from", "x", "--partnership", "x"], "--coordinator NODE is missing"),
                           (["--from", "x", "--partnership", "x", "--coordinator", "a/b", "--role", "r=n"], "--role is for the roles of a template")):
            self.refuses("agreement", "draft", *args, code=USAGE, says=says)


if __name__ == "__main__":
    kurzweg_test.main()
