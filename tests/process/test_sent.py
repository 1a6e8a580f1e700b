"""What a node sent, found again: by a piece of its id where a command wants one."""

import json
import re

import kurzweg_test
from kurzweg_test import REFUSED, USAGE, wait_until

POLICE, CITY, YOUTH = "police/control-room", "city/public-order", "youth-house/office"


class Sent(kurzweg_test.Shared):
    def setUp(self):
        super().setUp()
        self.begin(POLICE, CITY, YOUTH)

    def at(self, node, *args, **more):
        return self.kurzweg(*args, "--socket", self.p.socket(node), **more)

    def alert(self, headline="Fire at the school", *how, node=POLICE, stage="delivered"):
        """Its id, once those who are to have it have it."""
        return self.at(node, "publish", "alert/fire/west", "--headline", headline, "--severity", "severe", "--area", "Weststadt", "--lifetime", "2h", "--to", CITY, *how,
                       "--wait", stage).stdout.strip()

    def inbox(self, node):
        return {row["id"]: row for row in map(json.loads, self.at(node, "inbox", "--json").stdout.splitlines())}

    def outbox(self, node):
        """How many rows there are, whatever they are."""
        counts = self.kurzweg_json("status", "--socket", self.p.socket(node))["outbox"]
        return sum(counts[what] for what in ("waiting", "stored", "refused", "expired"))


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
        piece, before = ids[0][:6], self.outbox(POLICE)
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
        for word in "ffffffff", "0000-":
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
