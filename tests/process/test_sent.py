"""What a node sent, found again: in a list with how far it has come, and by a piece of its id where a command wants one."""

import json
import re

import kurzweg_test
from kurzweg_test import REFUSED, USAGE, Partnership, plain, wait_until

POLICE, CITY, YOUTH = "police/control-room", "city/public-order", "youth-house/office"


ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TOPICS = Partnership.TOPICS + """\
  - {filter: "youth/#", schema: note, purpose: danger-prevention, publish: [police, city], receive: [police, city], lane: urgent, reason: required}
  - {filter: "statement/#", schema: statement, publish: [police, city], receive: ["*"], release: {approve: [police, city]}}
"""


class Sent(kurzweg_test.Shared):
    PARTNERSHIP = {"topics": TOPICS}

    def setUp(self):
        super().setUp()
        self.p.agreement()
        self.broker = self.p.broker()
        self.nodes = {node: self.p.node(node) for node in (POLICE, CITY, YOUTH)}
        for node in self.nodes.values():
            node.wait_for("link.up")

    def at(self, node, *args, **more):
        return self.kurzweg(*args, "--socket", self.p.socket(node), **more)

    def alert(self, headline="Fire at the school", *how, node=POLICE, stage="delivered"):
        """Its id, once those who are to have it have it."""
        return self.at(node, "publish", "alert/fire/west", "--headline", headline, "--severity", "severe", "--area", "Weststadt", "--lifetime", "2h", "--to", CITY, *how,
                       "--wait", stage).stdout.strip()

    def inbox(self, node):
        return {row["id"]: row for row in map(json.loads, self.at(node, "inbox", "--json").stdout.splitlines())}

    def sent(self, *how, node=POLICE, **more):
        """As a program gets it: the newest last."""
        return [json.loads(line) for line in self.at(node, "sent", "--json", *how, **more).stdout.splitlines()]

    def on_screen(self, *how, columns=80, **env):
        return plain(self.on_terminal("sent", *how, "--socket", self.p.socket(POLICE), columns=columns, **env)).replace("\r", "")

    def outbox(self, node):
        """How many rows there are, whatever they are."""
        counts = self.kurzweg_json("status", "--socket", self.p.socket(node))["outbox"]
        return sum(counts[what] for what in ("waiting", "stored", "refused", "expired"))


class Listed(Sent):
    def test_who_lost_the_id_finds_it_traces_it_and_takes_it_back(self):
        self.assertIn("Nothing was sent.", self.at(POLICE, "sent").stderr)
        self.alert("Smoke in the yard")
        id = self.alert()
        self.at(CITY, "inbox", id)
        wait_until(lambda: self.sent()[-1]["opened"] == 1, what="the receipt of who opened it")
        shown = self.on_screen()
        self.assertRegex(shown, r"(?s)^[0-9a-f]{8}  \d\d:\d\d  flash  Smoke in the yard\n          delivered to 1 of 1  until (tomorrow )?\d\d:\d\d  alert/fire/west\n"
                                r"[0-9a-f]{8}  \d\d:\d\d  flash  Fire at the school\n          delivered to 1 of 1, opened at 1  until (tomorrow )?\d\d:\d\d  alert/fire/west\n"
                                r"Who has one of them: kurzweg trace ID\n$")
        eight = re.findall(r"(?m)^([0-9a-f]{8})  ", shown)[-1]
        self.assertEqual(json.loads(self.at(POLICE, "trace", eight, "--json").stdout)["id"], id)
        self.at(POLICE, "recall", eight, "--reason", "wrong school")
        wait_until(lambda: self.sent()[-1]["recalled"], what="the recall in the log")
        self.assertRegex(self.on_screen(), rf"(?m)^{eight}  \d\d:\d\d  flash  alert/fire/west\n          recalled  until ")
        self.assertEqual([row["headline"] for row in self.sent()], ["Smoke in the yard", ""])
        self.assertEqual(self.sent(node=CITY), [], "what came there was not sent there")

    def test_a_pipe_gets_a_table_and_a_program_whole_ids(self):
        ids = [self.alert(f"Alert {n}") for n in (1, 2)]
        ids.append(self.alert("All clear", "--cancel", ids[1]))
        lines = self.at(POLICE, "sent").stdout.splitlines()
        self.assertEqual(lines[0].split("  ")[0], "published")
        self.assertEqual(len(lines), 4)
        for line, id, title in zip(lines[1:], ids, ("Alert 1", "Alert 2", "CANCELS: All clear")):
            self.assertRegex(line, rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\S*  flash  alert/fire/west  \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\S*  {id}  delivered to 1 of 1 +{title}$")
        rows = self.sent()
        self.assertEqual([row["id"] for row in rows], ids)
        self.assertEqual([(row["type"], row["state"], row["readers"], row["delivered"], row["rejected"], row["recalled"], row["bare"]) for row in rows[1:]],
                         [("notice", "stored", 1, 1, 0, False, False), ("cancel", "stored", 1, 1, 0, False, False)])
        self.assertEqual(rows[2]["about"], ids[1])

    def test_topic_since_and_limit_choose(self):
        ids = [self.alert(f"Alert {n}", stage="stored") for n in range(3)]
        self.assertEqual([row["id"] for row in self.sent("--limit", "2")], ids[1:])
        self.assertEqual([row["id"] for row in self.sent("--limit", "3")], ids)
        self.assertEqual(self.sent("--topic", "request/#"), [])
        self.assertEqual(len(self.sent("--topic", "+/fire/#")), 3)
        self.assertEqual(len(self.sent("--since", "1h")), 3)
        self.assertEqual(self.sent("--since", "2020-01-01T00:00:00Z")[0]["id"], ids[0])
        self.assertIn("Those are the newest 1; --limit and --since show others.", self.at(POLICE, "sent", "--limit", "1").stderr)
        self.assertNotIn("newest", self.at(POLICE, "sent", "--limit", "3").stderr)
        self.refuses("sent", "--topic", "a//b", "--socket", self.p.socket(POLICE), code=USAGE, says="--topic: ")
        self.refuses("sent", "0a1b", "--socket", self.p.socket(POLICE), code=USAGE, says="one word too many")
        self.refuses("sent", "--limit", "0", "--socket", self.p.socket(POLICE), code=USAGE, says="--limit")

    def test_what_waits_or_never_went_is_told_as_that(self):
        self.nodes[CITY].stop()
        self.alert(stage="stored")
        self.assertIn("delivered to 0 of 1  ", self.on_screen())
        self.broker.stop()
        self.at(POLICE, "publish", "alert/fire/west", "--headline", "Short", "--severity", "minor", "--lifetime", "2s")
        self.at(POLICE, "publish", "alert/fire/west", "--headline", "Long", "--severity", "minor", "--lifetime", "2h")
        wait_until(lambda: self.sent()[-2]["state"] == "expired", what="its end")
        self.assertRegex(self.on_screen(), r"(?s)Short\n          expired before the broker stored it  .*Long\n          waits in the outbox  until ")

    def test_on_a_telephone_nothing_is_cut(self):
        self.alert("A headline that is too long for the width of a telephone held upright")
        shown = self.on_screen(columns=40)
        self.assertIn("upright", shown)
        for line in shown.splitlines()[:-1]:
            self.assertLessEqual(len(line), 40, line)

    def test_where_a_reason_is_demanded_no_headline_is_shown_without_and_the_trail_tells_of_the_list(self):
        self.at(POLICE, "publish", "youth/case", "--text", "Canary4711 was seen", "--reason", "handover", "--wait", "stored")
        self.assertEqual([(row["headline"], row["mark"]) for row in self.sent()], [("", "reason needed")])
        self.assertRegex(self.on_screen(), r"youth/case\n          reason needed  delivered to \d of 2  until ")
        self.assertIn("  reason needed  delivered to ", self.at(POLICE, "sent").stdout)
        self.assertIn("Canary4711", self.at(POLICE, "sent", "--as", "Duty officer 7", "--reason", "shift change").stdout)
        told = [json.loads(line) for line in self.at(POLICE, "audit", "--event", "listed", "--persons", "--json").stdout.splitlines()]
        self.assertEqual({(row["detail"], row["count"]) for row in told}, {("sent", 1)})
        self.assertEqual((told[-1]["as"], told[-1]["reason"]), ("Duty officer 7", "shift change"))

    def test_a_draft_is_in_the_list_and_what_was_released_too(self):
        statement = self.fresh("press-statement.json")[0]
        draft = self.at(POLICE, "publish", "statement/press", "--json", statement, "--wait", "stored").stdout.strip()
        self.assertEqual([(row["id"], row["type"]) for row in self.sent()], [(draft, "draft")])
        self.assertIn("DRAFT: ", self.on_screen())
        wait_until(lambda: draft in self.inbox(CITY), what="the draft at who is to approve it")
        self.at(CITY, "approve", draft[-8:])
        wait_until(lambda: [row["type"] for row in self.sent()] == ["draft", "released"], what="the release in the list")
        self.assertEqual(self.sent()[1]["about"], draft)

    def test_in_german_too(self):
        self.alert()
        shown = self.on_screen(LC_ALL="de_DE.UTF-8")
        self.assertRegex(shown, r"zugestellt an 1 von 1  bis (morgen )?\d\d:\d\d  alert/fire/west")


class Pieces(Sent):
    def test_what_was_sent_is_traced_by_the_last_eight_of_its_id(self):
        id = self.alert()
        for piece in id[-8:], id[-8:].upper(), id[-8:-1], id[-14:], id[:-2]:
            self.assertIn(f"{CITY}", self.at(POLICE, "trace", piece).stdout)
            self.assertEqual(json.loads(self.at(POLICE, "trace", piece, "--json").stdout)["id"], id)
        self.assertEqual(json.loads(self.at(CITY, "trace", id[-8:], "--json").stdout)["direction"], "received")
        self.assertIn(f"{CITY}: has it", self.at(POLICE, "explain", id[-8:]).stdout)
        self.assertEqual(json.loads(self.at(POLICE, "receipt", "export", id[-8:]).stdout)["id"], id)
        self.assertEqual(json.loads(self.at(CITY, "receipt", "export", id[-8:]).stdout)["id"], id)
        self.assertIn(id[-8:], self.at(POLICE, "audit", "--id", id[-8:], "--event", "publish").stdout)

    def test_it_is_corrected_taken_back_and_recalled_by_a_piece(self):
        id = self.alert()
        update = self.alert("Fire in the gym", "--update", id[-8:])
        cancel = self.alert("All clear", "--type", "cancel", "--about", id[-8:])
        rows = self.inbox(CITY)
        self.assertEqual([(rows[i]["type"], rows[i]["about"]) for i in (update, cancel)], [("update", id), ("cancel", id)])
        self.assertTrue(rows[update]["content"]["references"])
        trace = json.loads(self.at(POLICE, "trace", id, "--json").stdout)
        again = self.alert("Again", "--cancel", trace["cap"])
        self.assertEqual(self.inbox(CITY)[again]["about"], id, "CAP's own name is no piece")
        self.at(POLICE, "recall", id[-8:], "--reason", "wrong school")
        wait_until(lambda: self.inbox(CITY)[id]["mark"] == "recalled", what="the recall")
        wait_until(lambda: f"{CITY} has deleted it" in self.at(POLICE, "recall-status", id[-8:]).stdout, what="its receipt")
        self.assertEqual(self.at(POLICE, "recall-status", id[-8:], "--json").stdout, self.at(POLICE, "recall-status", id, "--json").stdout)

    def test_what_means_several_is_refused_with_them_and_nothing_is_done(self):
        ids = [self.alert(f"Alert {n}") for n in (1, 2)]
        if ids[0][:8] != ids[1][:8]:  # a minute and a bit share them
            ids = [ids[1], self.alert("Alert 3")]
        piece, before = ids[0][:8], self.outbox(POLICE)
        for command in (["trace", piece], ["recall", piece, "--reason", "x"], ["recall-status", piece], ["receipt", "export", piece], ["explain", piece],
                        ["publish", "alert/fire/west", "--headline", "x", "--severity", "minor", "--cancel", piece],
                        ["publish", "alert/fire/west", "--headline", "x", "--severity", "minor", "--update", piece]):
            done = self.at(POLICE, *command, code=REFUSED)
            self.assertEqual(done.stdout, "", command)
            self.assertIn(f'several ids begin or end with "{piece}"; give more of it', done.stderr)
            for id in ids:
                self.assertRegex(done.stderr, rf"(?m)^  {id}  \d\d:\d\d  alert/fire/west$")
        done = self.at(POLICE, "audit", "--id", piece, code=REFUSED)
        self.assertIn("--id begins or ends several ids", done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(self.outbox(POLICE), before)
        self.assertFalse([row for row in self.inbox(CITY).values() if row["bare"] or row["cancelled"]])

    def test_four_characters_are_too_few_to_change_something(self):
        id = self.alert()
        before = self.outbox(POLICE)
        self.assertIn(CITY, self.at(POLICE, "trace", id[-4:]).stdout)
        for piece in id[-4:], id[-7:]:
            for command in (["recall", piece, "--reason", "x"], ["publish", "alert/fire/west", "--headline", "x", "--severity", "minor", "--cancel", piece],
                            ["publish", "alert/fire/west", "--headline", "x", "--severity", "minor", "--update", piece]):
                said = self.at(POLICE, *command, code=USAGE).stderr
                self.assertIn(f'"{piece}" is too little of an id to change something by it; give at least the 8 characters that lists show', said)
        self.assertEqual(self.outbox(POLICE), before)
        self.at(POLICE, "recall", id[-8:], "--reason", "wrong school")

    def test_the_beginning_of_an_id_says_only_when_and_changes_nothing(self):
        """Its first eight characters are those of everything that was published within a minute, here and elsewhere: who copied them from another one must not hit this."""
        id = self.alert()
        before = self.outbox(POLICE)
        for piece in id[:8], id[:13], id[:-1]:
            self.assertIn(CITY, self.at(POLICE, "trace", piece).stdout)
            for command in (["recall", piece, "--reason", "x"], ["publish", "alert/fire/west", "--headline", "x", "--severity", "minor", "--cancel", piece],
                            ["publish", "alert/fire/west", "--headline", "x", "--severity", "minor", "--update", piece]):
                said = self.at(POLICE, *command, code=REFUSED).stderr
                self.assertIn(f'"{piece}" is the beginning of an id, and all that is published within a minute begins alike; to change something give its end', said)
                self.assertRegex(said, rf"(?m)^  {id}  \d\d:\d\d  alert/fire/west$")
        self.assertEqual(self.outbox(POLICE), before)
        self.at(POLICE, "recall", id[-12:], "--reason", "wrong school")

    def test_what_only_came_is_looked_at_and_not_acted_on(self):
        id = self.alert()
        before = self.outbox(CITY)
        self.assertIn(POLICE, self.at(CITY, "trace", id[-8:]).stdout)
        for command in ["recall", id[-8:], "--reason", "x"], ["publish", "alert/fire/west", "--headline", "x", "--severity", "minor", "--cancel", id[-8:]]:
            done = self.at(CITY, *command, code=REFUSED)
            self.assertIn(f'nothing that this node sent has an id that begins or ends with "{id[-8:]}"', done.stderr)
        self.assertEqual(self.outbox(CITY), before)
        self.assertIn("only the first sender", self.at(CITY, "recall", id, "--reason", "x", code=REFUSED).stderr, "a whole id is the node's to judge")

    def test_what_means_nothing_or_is_no_piece_is_told(self):
        self.alert()
        for word in "ffffffff", "0000-0000":
            self.assertIn(f'ends with "{word}"; ', self.at(POLICE, "trace", word, code=REFUSED).stderr)
            self.assertIn(f'ends with "{word}"; ', self.at(POLICE, "recall", word, "--reason", "x", code=REFUSED).stderr)
        for word in "abc", "flood", "1":
            for command in ["trace", word], ["recall", word, "--reason", "x"], ["explain", word], ["receipt", "export", word], ["recall-status", word]:
                self.assertIn(f'"{word}" is no notification\'s id, nor 4 characters or more of its beginning or end', self.at(POLICE, *command, code=USAGE).stderr)
        german = self.at(POLICE, "trace", "ffffffff", code=REFUSED, LC_ALL="de_DE.UTF-8").stderr
        self.assertIn("ffffffff", german)
        self.assertNotIn("nothing", german)


if __name__ == "__main__":
    kurzweg_test.main()
