"""A partner comes in: its node set up by three questions, its line put into a draft, and all that may be pasted instead of that line."""

import os
import re
import stat

import kurzweg_test
from kurzweg_test import FAILED, REFUSED, USAGE, BIN, Partnership, free_ports, wait_until

FINGERPRINT = re.compile(r"\A(?:[0-9A-F]{4} ){7}[0-9A-F]{4}\n\Z")


class Init(kurzweg_test.TestCase):
    def test_options_answer_the_questions_and_the_line_stands_alone_on_standard_output(self):
        done = self.kurzweg("partner", "init", "--node", "police/control-room", "--to", ".")
        self.assertRegex(done.stdout, r"\Akwnode1:[A-Za-z0-9_-]+\n\Z")
        self.assertEqual(stat.S_IMODE((self.folder / "node.key").stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE((self.folder / "partner.yaml").stat().st_mode), 0o644)
        self.assertEqual(self.kurzweg("key", "show", "node.key").stdout, done.stdout)
        self.assertIn(self.kurzweg("key", "fingerprint", "node.key").stdout.strip(), done.stderr)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["node.key", "partner.yaml"])
        folder = os.path.realpath(self.folder)
        for line in (f'agreement: "{folder}/agreement.yaml"', f'key: "{folder}/node.key"', f'socket: "ipc://{folder}/partner.sock"', f'state: "{folder}/state"'):
            self.assertIn(line, (self.folder / "partner.yaml").read_text().splitlines())
        self.assertNotIn("spool", (self.folder / "partner.yaml").read_text())

    def test_at_a_terminal_three_questions_are_asked_until_the_answers_may_stand(self):
        (self.folder / "spool").mkdir()
        shown = self.on_terminal("partner", "init", "--to", ".", answers=[
            ("1 of 3", "Police\n"), ("1 of 3", "police/control-room\n"), ("2 of 3", "both\n"), ("2 of 3", "exercise\n"), ("3 of 3", "/nowhere\n"),
            ("3 of 3", f"{self.folder}/spool\n")])
        for part in ("is neither live nor exercise", "/nowhere is no folder that is there", "kwnode1:"):
            self.assertIn(part, shown)
        self.assertIn(f'spool: "{self.folder}/spool"', (self.folder / "partner.yaml").read_text())
        self.assertEqual(self.kurzweg_json("key", "show", "node.key")["mode"], "exercise")

    def test_what_is_usual_is_taken_for_an_empty_answer(self):
        self.on_terminal("partner", "init", "--to", ".", answers=[("1 of 3", "a/b\n"), ("[live]", "\n"), ("[none]", "\n")])
        self.assertEqual(self.kurzweg_json("key", "show", "node.key")["mode"], "live")
        self.assertNotIn("spool", (self.folder / "partner.yaml").read_text())

    def test_input_that_ends_makes_nothing(self):
        self.on_terminal("partner", "init", "--to", ".", answers=[("1 of 3", "a/b\n"), ("2 of 3", "\x04")], code=REFUSED)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_without_a_terminal_the_name_must_be_given(self):
        self.refuses("partner", "init", "--to", ".", code=USAGE, says="--node")
        for args, says in ((["--node", "police"], "police"), (["--node", "a/b", "--use", "both"], "neither live nor exercise"),
                           (["--node", "a/b", "--spool", "relative"], "whole path"), (["--node", "a/b", "--to", "missing"], "no folder that is there"),
                           (["--node", "a/" + "b" * 200], "bytes"), (["--node", "a/b", "--socket", "ipc:///x\ty"], "line")):
            self.refuses("partner", "init", *(["--to", "."] if "--to" not in args else []), *args, says=says)
        self.assertEqual(list(self.folder.iterdir()), [], "a refusal left something behind")

    def test_nothing_is_overwritten(self):
        self.kurzweg("partner", "init", "--node", "a/b", "--to", ".")
        before = {p.name: p.read_bytes() for p in self.folder.iterdir()}
        self.refuses("partner", "init", "--node", "a/b", "--to", ".", says=["node.key is there already", "kurzweg key show"])
        self.assertEqual({p.name: p.read_bytes() for p in self.folder.iterdir()}, before)

    def test_a_configuration_that_is_there_stays_and_says_where_the_key_goes(self):
        self.write("partner.yaml", f"agreement: /x\nkey: {self.folder}/other.key\nsocket: ipc:///x\nstate: /x\n")
        before = (self.folder / "partner.yaml").read_bytes()
        self.refuses("partner", "init", "--node", "a/b", "--to", ".", "--spool", self.folder, says="stays as it is")
        done = self.kurzweg("partner", "init", "--node", "a/b", "--to", ".")
        self.assertIn("was there already", done.stderr)
        self.assertEqual((self.folder / "partner.yaml").read_bytes(), before)
        self.assertEqual(self.kurzweg("key", "show", "other.key").stdout, done.stdout)
        (self.folder / "other.key").unlink()
        self.write("partner.yaml", "strange\n")
        self.refuses("partner", "init", "--node", "a/b", "--to", ".", says="partner.yaml")

    def test_it_speaks_german(self):
        done = self.kurzweg("partner", "init", "--node", "a/b", "--to", ".", LC_ALL="C.UTF-8", LANGUAGE="de", LANG="de_DE.UTF-8")
        self.assertIn("Fingerabdruck", done.stderr)


DRAFT = """\
# What the committee wrote stays as it is.
partnership: musterstadt
version: 1
valid: {{from: 2020-01-01T00:00:00Z, until: 2099-01-01T00:00:00Z}}
kind: live
steering:
  threshold: 2
  members: [{members}]
broker: {{name: haus, endpoints: ["tcp://127.0.0.1:{port}"], key: "{haus}"}}
coordinator: city/desk
partners:
  - id: city         # the town hall, Straße 1
    kind: city
    title: "Stadt Mühlbach"
    nodes: [{{id: desk, key: "{desk}"}}, {{id: night, key: "{night}"}}]   # more are to come

# nothing but rules from here on
topics:
  - {{filter: "alert/#", schema: alert, publish: ["*"], receive: ["*"], lane: flash}}
"""


class AddPartner(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        self.p = Partnership(self, nodes={"city/desk": "city", "city/night": "city", "police/control-room": "police", "police/east": "police", "youth-house/office": "civil"})
        self.port = free_ports()[0]
        members = ", ".join(f'{{name: {m}, key: "{self.p.lines[m]}"}}' for m in self.p.MEMBERS)
        self.text = DRAFT.format(members=members, haus=self.p.lines["haus"], desk=self.p.lines["city/desk"], night=self.p.lines["city/night"],
                                 port=self.port)
        self.draft = self.write("draft.yaml", self.text)
        self.kurzweg("agreement", "check", self.draft)

    def add(self, node, *more, **how):
        return self.kurzweg("agreement", "add-partner", self.p.lines[node], "--to", self.draft, *more, **how)

    def stays(self, *args, says, code=FAILED, **how):
        """Refused, and the draft is what it was to the last byte."""
        before = self.draft.read_bytes()
        done = self.refuses("agreement", "add-partner", *args, "--to", self.draft, says=says, code=code, **how)
        self.assertEqual(self.draft.read_bytes(), before)
        self.assertEqual([p.name for p in self.folder.iterdir() if p.name.startswith("draft.yaml")], ["draft.yaml"])
        return done

    def test_a_new_partner_comes_behind_the_last_one_and_nothing_else_changes(self):
        done = self.add("youth-house/office", "--kind", "civil", "--title", 'Jugendhaus "Mitte"', "--purpose", "care", "--purpose", "danger-prevention")
        self.assertRegex(done.stdout, FINGERPRINT)
        self.assertEqual(done.stdout, self.kurzweg("key", "fingerprint", self.p.lines["youth-house/office"]).stdout)
        self.assertIn("+ youth-house/office may now publish on alert/#", done.stderr)
        added = ('  - id: youth-house\n    kind: civil\n    title: "Jugendhaus \\"Mitte\\""\n    purposes: [care, danger-prevention]\n'
                 f'    nodes: [{{id: office, key: "{self.p.lines["youth-house/office"]}"}}]\n')
        self.assertEqual(self.draft.read_text(), self.text.replace("# more are to come\n", "# more are to come\n" + added))
        self.kurzweg("agreement", "check", self.draft)

    def test_one_more_node_comes_to_its_partner(self):
        self.add("police/control-room")
        self.add("police/east")
        text = self.draft.read_text()
        self.assertIn(f'nodes: [{{id: control-room, key: "{self.p.lines["police/control-room"]}"}}, {{id: east, key: "{self.p.lines["police/east"]}"}}]', text)
        self.assertEqual(text.count("id: police"), 1)
        self.stays(self.p.lines["police/east"], says="this very line of police/east stands there already")

    def test_lists_in_one_line_and_an_empty_list_take_it_as_well(self):
        head, _, rest = self.text.partition("partners:\n")
        topics = rest.partition("\ntopics:")[2]
        for partners in ("partners: []", f'partners: [{{id: city, kind: city, nodes: [{{id: desk, key: "{self.p.lines["city/desk"]}"}}]}}]',
                         f'partners:\n- {{id: city, kind: city, nodes: [{{id: desk, key: "{self.p.lines["city/desk"]}"}}, ]}} # ö',
                         f'partners: [ # ä\n  {{id: city, kind: city, nodes: [{{id: desk, key: "{self.p.lines["city/desk"]}"}}]}}, # ü\n ]'):
            with self.subTest(partners=partners[:30]):
                self.draft.write_text(f"{head}{partners}\ntopics:{topics}")
                for node in ("city/desk", "police/control-room", "police/east"):
                    if self.p.lines[node] not in self.draft.read_text():
                        self.add(node)
                self.assertIn("3 nodes", self.kurzweg("agreement", "check", self.draft).stdout)

    def test_a_draft_without_a_last_line_end_and_one_that_is_not_finished(self):
        self.draft.write_text("kind: live\npartners:\n  - {id: x, kind: city, nodes: []}")
        done = self.add("police/control-room")
        self.assertIn("may not stand yet", done.stderr)
        line = self.p.lines["police/control-room"]
        self.assertEqual(self.draft.read_text(), f'kind: live\npartners:\n  - {{id: x, kind: city, nodes: []}}\n  - {{id: police, kind: police, nodes: [{{id: control-room, key: "{line}"}}]}}')

    def test_a_fingerprint_that_does_not_match_is_refused(self):
        line = self.p.lines["police/control-room"]
        right = self.kurzweg("key", "fingerprint", line).stdout.strip()
        wrong = ("B" if right[0] == "A" else "A") + right[1:]
        self.stays(line, "--fingerprint", wrong, code=REFUSED, says=[f"is {right}, not {wrong}", "nothing is added"])
        self.stays(line, "--fingerprint", right[:-5], code=REFUSED, says="nothing is added")
        self.add("police/control-room", "--fingerprint", right.lower().replace(" ", ""))

    def test_a_wrong_line(self):
        line = self.p.lines["police/control-room"]
        for wrong, says in ((line[:-4], "public key line"), (line[1:], "is none, since it does not begin with kwnode1:"), (line[:60] + "?" + line[61:], "base64"),
                            (line + "A" * 300, "longer than"), (line + " " + self.p.lines["police/east"], "one line at a time"),
                            (self.p.lines["haus"], "a broker's key"), (self.p.lines["mayor"], "a steering key"), (self.p.lines["night-desk"], "an operator's key"),
                            ("kwfoo1:abc", "kwnode1:")):
            with self.subTest(wrong=wrong[:20]):
                self.stays(wrong, says=says)
        for at in (40, 120, -2):  # one letter that was typed wrong: in a key, or in what the line is signed with
            changed = line[:at] + ("A" if line[at] != "A" else "B") + line[at + 1:]
            self.stays(changed, says=["changed on the way", "ask for it again"], code=REFUSED)

    def test_a_line_that_was_broken_on_its_way_is_put_together_or_refused(self):
        line = self.p.lines["police/control-room"]
        broken = f"{line[:76]}\r\n{line[76:152]}\r\n  {line[152:]}\r\n"
        self.stays("-", stdin=broken.replace(line[80:90], ""), says="public key line")
        self.kurzweg("agreement", "add-partner", "-", "--to", self.draft, stdin=broken)
        self.assertIn(line, self.draft.read_text())
        saved = self.write("line.txt", self.p.lines["police/east"] + "\n")
        self.kurzweg("agreement", "add-partner", saved, "--to", self.draft)

    def test_a_secret_key_is_refused_and_never_shown(self):
        path = self.p.key("police/control-room")
        whole = path.read_text()
        secrets = re.findall(r"^(?:sign|seal|curve|local) (\S+)$", whole, re.M)
        self.assertEqual(len(secrets), 4)
        rows = [row for row in whole.splitlines() if row.split()[0] in ("sign", "seal", "curve", "local")]
        for args, how in (([path], {}), (["-"], {"stdin": whole}), ([whole], {}), *(([row], {}) for row in rows)):
            done = self.stays(*args, says=["this is a secret key", "make a new one"], code=REFUSED, **how)
            for secret in secrets:
                self.assertNotIn(secret[:12], done.stderr)
        done = self.stays(secrets[0], says="is none")
        self.assertNotIn(secrets[0][:12], done.stderr)

    def test_the_same_name_with_another_key(self):
        self.add("police/control-room")
        other = self.kurzweg("key", "new", "police/control-room", "--out", "other.key").stdout.strip()
        self.stays(other, says=["draft.yaml: line ", "police/control-room stands there already with another key"])
        self.draft.write_text(self.text.replace(self.p.lines["city/desk"], "kwnode1:comes later"))
        self.stays(self.p.lines["city/desk"], says="the node city/desk stands there already")

    def test_live_and_exercise_do_not_mix(self):
        line = self.kurzweg("key", "new", "fire/desk", "--exercise").stdout.strip()
        self.stays(line, says=["kind is live", "made for exercise"])

    def test_what_a_new_partner_is_must_be_said(self):
        line = self.p.lines["youth-house/office"]
        self.stays(line, says=["youth-house is new in", "--kind", "civil"])
        self.stays(line, "--kind", "club", says=["--kind is \"club\"", "police, city"])
        self.stays(line, "--kind", "other", "--purpose", "care", says="only civil partners")
        self.stays(line, "--kind", "civil", "--purpose", "No Word", says="--purpose")
        self.stays(line, "--kind", "civil", "--title", "a\u202eb", says="line")
        self.stays(line, "--kind", "civil", "--title", "x" * 128, says=["the draft may not stand", "title"])
        self.add("police/control-room")
        self.stays(self.p.lines["police/east"], "--title", "Ost", says="leave --title and --purpose away")
        self.stays(self.p.lines["police/east"], "--kind", "fire", says="is of kind police")

    def test_a_draft_that_is_none_or_signed_or_not_there(self):
        line = self.p.lines["police/control-room"]
        self.refuses("agreement", "add-partner", line, code=USAGE, says="--to DRAFT is missing")
        self.refuses("agreement", "add-partner", line, "--to", "missing.yaml", says=["missing.yaml does not exist", "agreement draft"])
        self.refuses("agreement", "add-partner", line, "--to", "-", says="does not exist")
        for text, says in (("partners:\n\t- x\n", "tab"), ("kind: live\n", "no list \"partners\""), ("kind: live\npartners: {}\n", "no list \"partners\""),
                           ("a: [\n", "no YAML"), ("partners:\n  - {id: police, kind: police}\n", "has no list \"nodes\"")):
            self.draft.write_text(text)
            self.stays(line, says=says)
        self.draft.write_text(self.text)
        self.p.sign(self.draft)
        before = self.draft.read_bytes()
        self.refuses("agreement", "add-partner", line, "--to", self.draft, says=["signed already", "void"])
        self.assertEqual(self.draft.read_bytes(), before)

    def test_a_partner_called_as_a_kind_that_others_are_of_is_refused(self):
        line = self.kurzweg("key", "new", "police/a").stdout.strip()
        self.stays(line, "--kind", "city", says="the draft may not stand")


class Whole(kurzweg_test.TestCase):
    """From nothing to a notification that arrived: broker, two partners, by the commands that enrol them."""

    def test_two_partners_come_in_and_one_alert_arrives(self):
        p = Partnership(self, nodes={"city/desk": "city"})
        port = free_ports()[0]
        lines = {}
        for name in ("city", "police"):
            (self.folder / name).mkdir()
            lines[name] = self.kurzweg("partner", "init", "--node", f"{name}/desk", "--to", name).stdout.strip()
        members = ", ".join(f'{{name: {m}, key: "{p.lines[m]}"}}' for m in p.MEMBERS)
        text = DRAFT.format(members=members, haus=p.lines["haus"], desk="x", night="x", port=port)
        draft = self.write("draft.yaml", text.partition("partners:\n")[0] + "partners: []\ntopics:" + text.partition("topics:")[2])
        for name in ("city", "police"):
            fingerprint = self.kurzweg("key", "fingerprint", f"{name}/node.key").stdout.strip()
            self.kurzweg("agreement", "add-partner", lines[name], "--to", draft, "--fingerprint", fingerprint)
        p.sign(draft)
        fingerprint = p.fingerprint_of(draft)
        for name in ("city", "police", "."):
            self.kurzweg("agreement", "install", draft, "--to", f"{name}/agreement.yaml", "--fingerprint", fingerprint)
        p.endpoint = f"tcp://127.0.0.1:{port}"
        p.broker()
        for name in ("city", "police"):
            node = self.daemon("kurzweg-partner", "--config", self.folder / name / "partner.yaml", log=self.folder / f"{name}.log")
            node.wait_for("link.up")
        alert, = self.fresh("flood-neckar.cap.xml")
        self.kurzweg("publish", "alert/flood/mitte", "--cap", alert, "--socket", f"ipc://{self.folder}/police/partner.sock")
        wait_until(lambda: "Neckar" in self.kurzweg("inbox", "--socket", f"ipc://{self.folder}/city/partner.sock").stdout, what="the alert in the city's inbox")


if __name__ == "__main__":
    kurzweg_test.main()
