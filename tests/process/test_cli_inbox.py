"""kurzweg inbox at real nodes: the list, one whole, each new one as it comes, and what is marked so that nobody acts on it by mistake."""

import json
import pathlib
import re
import shutil
import subprocess
import time

import kurzweg_test
from kurzweg_test import BIN, FAILED, SOURCE, USAGE, Partnership, plain, wait_until

POLICE, CITY, YOUTH = "police/control-room", "city/public-order", "youth-house/office"
TOPICS = Partnership.TOPICS + """\
  - {filter: "note/#", schema: note, purpose: danger-prevention, publish: ["*"], receive: ["*"], lane: urgent}
"""


class Inbox(kurzweg_test.Shared):
    PARTNERSHIP = {"topics": TOPICS}

    def setUp(self):
        super().setUp()
        self.p.agreement()
        self.broker = self.p.broker()
        self.nodes = {name: self.p.node(name) for name in (POLICE, CITY, YOUTH)}
        for node in self.nodes.values():
            node.wait_for("link.up")

    def at(self, node):
        return ("--socket", self.p.socket(node))

    def publish(self, node, topic, *how):
        """Answers the id when every other of the three has it."""
        done = self.kurzweg("publish", topic, *how, "--to", CITY, "--wait", "delivered", *self.at(node))
        self.name = re.search(r"--update (\S+);", done.stderr)
        return done.stdout.strip()

    def rows(self, *how, node=CITY):
        return [json.loads(line) for line in self.kurzweg("inbox", "--json", *how, *self.at(node)).stdout.splitlines()]

    def flood(self):
        (self.cap,) = self.fresh("flood-neckar.cap.xml")
        return self.publish(POLICE, "alert/flood/mitte", "--cap", self.cap)

    def fire(self, *how):
        return self.publish(POLICE, "alert/fire/west", "--headline", "Fire at the school", "--severity", "severe", "--area", "Weststadt", "--instruction",
                            "Keep windows shut.", *how)

    # list

    def test_a_list_in_a_pipe_is_a_table_with_ids(self):
        self.assertIn("Nothing is there.", self.kurzweg("inbox", *self.at(CITY)).stderr)
        fire, note = self.fire("--lifetime", "2h"), self.publish(YOUTH, "note/x", "--text", "The key lies at the desk.")
        lines = self.kurzweg("inbox", *self.at(CITY)).stdout.splitlines()
        self.assertEqual(lines[0].split(), ["no.", "received", "lane", "severity", "topic", "from", "until", "id", "mark", "headline"])
        self.assertRegex(lines[1], rf"^1 +\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d +flash +severe +alert/fire/west +{POLICE} +.* {fire} +Fire at the school$")
        self.assertRegex(lines[2], rf"^2 .* urgent +note/x +{YOUTH} .* {note} +The key lies at the desk\.$")
        self.assertEqual(len(lines), 3)

    def test_a_list_on_a_terminal_fits_it(self):
        self.flood()
        for columns in 60, 80, 132:
            shown = self.terminal("inbox", *self.at(CITY), columns=columns)
            self.assertEqual(shown.end(), 0)
            lines = plain(shown.text()).splitlines()
            self.assertRegex(lines[0], r"^   1  \d\d:\d\d  flash  severe  Neckar")
            self.assertRegex(lines[1], r"^      alert/flood/mitte  ")
            for line in lines:
                self.assertLessEqual(len(line), columns, line)

    def test_on_a_telephone_nothing_is_cut(self):
        flood = self.flood()
        listed = plain(self.on_terminal("inbox", *self.at(CITY), columns=40)).replace("\r", "")
        self.assertRegex(listed, r"(?s)^   1  \d\d:\d\d  flash  severe\n      Neckar flood: .*basements\n      alert/flood/mitte  from\n      police/control-room  until")
        whole = plain(self.on_terminal("inbox", "1", *self.at(CITY), columns=40)).replace("\r", "")
        self.assertIn(f"\n  {flood}\n", whole)  # in one piece, for who copies it
        self.assertIn("\nSeverity: severe\n", whole)
        self.assertIn("\nCAP identifier:\n  musterstadt-2026-hochwasser-017\n", whole)
        for line in (listed + whole).splitlines():
            self.assertLessEqual(len(line), 40, line)

    def test_a_terminal_without_utf8_gets_its_own_letters(self):
        if shutil.which("localedef") is None or not pathlib.Path("/usr/share/i18n/charmaps/ISO-8859-1.gz").exists():
            self.skipTest("localedef and its tables are not here")
        subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", self.folder / "de_DE.ISO-8859-1"], check=True, timeout=120)
        self.flood()
        latin = {"LC_ALL": "de_DE.ISO-8859-1", "LOCPATH": str(self.folder)}
        terminal = self.terminal("inbox", "1", *self.at(CITY), **latin)
        self.assertEqual(terminal.end(), 0, terminal.shown)
        shown = terminal.shown.decode("iso-8859-1")
        for part in ("-- FLASH  schwer ---", "Hochwasser am Neckar: Uferstraße ab 5:30 Uhr gesperrt, Keller räumen", "öffentliche Sicherheit"):
            self.assertIn(part, plain(shown))
        self.assertNotIn("Ã", shown)
        self.assertIn("Uferstraße", self.kurzweg("inbox", "1", *self.at(CITY), **latin).stdout)  # a pipe gets UTF-8

    def test_topic_since_limit_and_json_choose(self):
        first = self.fire()
        wait_until(lambda: int(time.time() * 1000) > self.rows()[0]["received_ms"] + 1000, what="a second later")
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        second, third = self.publish(YOUTH, "note/a", "--text", "a"), self.publish(YOUTH, "note/b", "--text", "b")
        self.assertEqual([r["id"] for r in self.rows()], [first, second, third])
        self.assertEqual([r["id"] for r in self.rows("--topic", "note/#")], [second, third])
        self.assertEqual([r["id"] for r in self.rows("--topic", "+/b")], [third])
        self.assertEqual([r["id"] for r in self.rows("--since", since)], [second, third])
        self.assertEqual([r["id"] for r in self.rows("--since", "1h")], [first, second, third])
        self.assertEqual([r["id"] for r in self.rows("--limit", "2")], [second, third])
        done = self.kurzweg("inbox", "--limit", "1", *self.at(CITY))
        self.assertIn("Those are the newest 1", done.stderr)
        self.assertNotIn(second, done.stdout)
        self.assertEqual(self.rows()[0]["content"]["info"][0]["instruction"], "Keep windows shut.")
        self.assertEqual({r["type"] for r in self.rows("--receipts", node=POLICE)}, {"delivered"})
        self.assertEqual(self.rows(node=POLICE), [])

    def test_a_long_inbox_shows_its_end(self):
        for i in range(30):
            self.kurzweg("publish", "note/x", "--text", f"number {i}", *self.at(POLICE))
        wait_until(lambda: len(self.rows()) == 30, what="all thirty")
        done = self.kurzweg("inbox", *self.at(CITY))
        self.assertEqual([line.split()[-1] for line in done.stdout.splitlines()[1:]], [str(i) for i in range(5, 30)])
        self.assertIn("Those are the newest 25", done.stderr)
        self.kurzweg("publish", "alert/x", "--headline", "the one", "--severity", "minor", *self.at(POLICE))
        self.assertEqual(len(self.rows("--topic", "note/#", "--limit", "30")), 30)

    # one

    def test_one_is_shown_whole_by_id_or_number(self):
        flood = self.flood()
        for word in flood, "1", flood[-8:], flood[-8:-4]:
            shown = self.kurzweg("inbox", word, *self.at(CITY)).stdout
            for part in ("FLASH  severe", f"Sender +{POLICE}, on alert/flood/mitte", f"Id +{flood}", r"Came as +notice \(alert\)", r"Neckar flood: Uferstraße closed from 5:30, clear basements",
                         "Area: +Neckarvorstadt and Mitte", "What to do: +Stay out of basements", "Contact: +City helpline", "pegel-m = 4.85"):
                self.assertRegex(shown, part)
        shown = self.kurzweg("inbox", flood, *self.at(CITY), LC_ALL="de_DE.UTF-8").stdout
        for part in ("FLASH  schwer", "Hochwasser am Neckar: Uferstraße ab 5:30 Uhr gesperrt", "Was tun: +Gehen Sie nicht in Keller", f"Absender +{POLICE}, zu alert/flood", r"Gekommen als +Meldung \(Warnung\)", f"Kennung +{flood}", "CAP-Kennung: +musterstadt-2026-hochwasser-017"):
            self.assertRegex(shown, part)
        labels = re.findall(r"(?m)^(\S[^:\n]*?)(?::|  ) *\S", shown)
        self.assertEqual([label for label in ("Art", "Gesendet", "Kennung") if labels.count(label) > 1], [], shown)
        for line in plain(self.on_terminal("inbox", "1", *self.at(CITY))).splitlines():
            self.assertLessEqual(len(line), 80, line)
        self.assertEqual(self.kurzweg_json("inbox", "1", *self.at(CITY))["content"]["identifier"], "musterstadt-2026-hochwasser-017")

    def test_where_an_alert_holds_is_drawn_on_a_terminal_alone(self):
        self.flood()
        shown = plain(self.on_terminal("inbox", "1", *self.at(CITY))).replace("\r\n", "\n")
        self.assertRegex(shown, r"\nMap: {14}[⠀-⣿]*[⠁-⣿][⠀-⣿]*\n {18}[⠀-⣿]*[⠁-⣿][⠀-⣿]*\n")
        self.assertRegex(shown, r"\n {18}├─+┤ 500 m  geo:49\.41\d{3},8\.69\d{3}\n")
        for columns in 20, 40:
            narrow = self.terminal("inbox", "1", *self.at(CITY), columns=columns)
            self.assertEqual(narrow.end(), 0)
            for line in plain(narrow.text()).splitlines():
                self.assertTrue(len(line) <= columns or "geo:" in line, line)
        self.assertNotIn("geo:", self.kurzweg("inbox", "1", *self.at(CITY)).stdout)
        self.publish(YOUTH, "note/x", "--text", "a")
        self.assertNotIn("geo:", plain(self.on_terminal("inbox", "2", *self.at(CITY))))

    def test_one_comes_back_as_the_cap_that_went_in(self):
        self.flood()
        cap = self.kurzweg("inbox", "1", "--cap", *self.at(CITY)).stdout
        self.assertEqual(cap.strip(), self.cap.read_text().strip())
        self.publish(YOUTH, "note/x", "--text", "a")
        self.refuses("inbox", "2", "--cap", *self.at(CITY), code=USAGE, says=["no alert", "note"])

    def test_what_is_not_there_or_cannot_be_meant(self):
        for word in "1", "0", "99", "01a210da-947e-7595-95dc-e9704fdc6988":
            self.refuses("inbox", word, *self.at(CITY), code=FAILED, says="is not in the inbox of this node")
        self.refuses("inbox", "no-id", *self.at(CITY), code=FAILED, says="is not in the inbox of this node")
        for more, says in (("1", "--follow"), "one notification"), (("--cap",), "--cap shows one"), (("--follow", "--limit", "3"), "--limit is for a list"), \
                (("--topic", "alert//x"), "--topic"), (("--since", "soon"), "--since is \"soon\""), (("--limit", "0"), "--limit"), (("--folow",), "did you mean --follow"):
            self.refuses("inbox", *more, *self.at(CITY), code=USAGE, says=says)

    # marks

    def test_what_is_cancelled_updated_or_over_is_marked_in_words(self):
        self.fire()
        name = self.name.group(1)
        update = self.publish(POLICE, "alert/fire/west", "--headline", "Fire under control", "--severity", "minor", "--type", "update", "--about", name)
        self.publish(POLICE, "alert/fire/west", "--headline", "All clear", "--severity", "minor", "--type", "cancel", "--about", self.name.group(1))
        over = self.write("over.xml", (SOURCE / "examples" / "missing-child.cap.xml").read_text().replace(">2026-12-", ">2025-12-"))
        self.publish(POLICE, "alert/child", "--cap", over, "--lifetime", "2h")
        first, second, third, fourth = self.kurzweg("inbox", *self.at(CITY)).stdout.splitlines()[1:]
        self.assertRegex(first, r" updated by a later one +Fire at the school$")
        self.assertRegex(second, rf" {update} +cancelled +UPDATES: Fire under control$")
        self.assertRegex(third, r" CANCELS: All clear$")
        self.assertRegex(fourth, r" over +\S.*$")
        self.assertIn("*** cancelled ***", self.kurzweg("inbox", update, *self.at(CITY)).stdout)
        self.assertIn("*** aufgehoben ***", self.kurzweg("inbox", update, *self.at(CITY), LC_ALL="de_DE.UTF-8").stdout)

    # follow

    def test_follow_shows_what_a_person_wants_within_a_second_and_rings_for_flash(self):
        self.publish(YOUTH, "note/x", "--text", "earlier")
        watch = self.terminal("inbox", "--follow", *self.at(CITY))
        watch.wait_for(f"{CITY} of musterstadt: new ones as they come")
        self.flood()
        watch.wait_for("kurzweg inbox 2")
        self.fire("--lifetime", "2h")
        watch.wait_for("kurzweg inbox 3")
        self.publish(POLICE, "alert/fire/west", "--headline", "All clear", "--severity", "minor", "--type", "cancel", "--about", self.name.group(1), "--lane", "urgent")
        watch.wait_for("kurzweg inbox 4")
        watch.press("\x03")
        self.assertEqual(watch.end(), -2)
        self.assertNotIn("earlier", watch.text())
        self.assertEqual(watch.text().count("\a"), 2)  # the two of lane flash
        self.assertRegex(watch.text(), r"\x1b\[1;37;41m── FLASH  severe ")
        self.assertRegex(watch.text(), r"\x1b\[33m── URGENT  minor ")
        shown = plain(watch.text()).replace("\r\n", "\n")
        for line in shown.splitlines():
            self.assertLessEqual(len(line), 80, line)
        flood = shown[shown.index("── FLASH"):]
        self.assertRegex(flood, r"^── FLASH  severe ─+ \d\d:\d\d:\d\d ──\nNeckar flood: Uferstraße closed from 5:30, clear basements\n"
                                rf"Area +Neckarvorstadt and Mitte, Uferstraße 1 to 118\nUntil +.*\nSender +{POLICE}, on alert/flood/mitte\nWhat to do +Stay out of basements")
        self.assertRegex(flood, r"Until +\d\d:\d\d \(in 1 h 5\d min\)|Until +tomorrow \d\d:\d\d \(in 1 h 5\d min\)")
        self.assertRegex(flood, r"CANCELS: All clear\nConcerns +3  Fire at the school\n")

    def test_follow_shows_it_within_a_second(self):
        """The best of some, so that a machine with much else to do does not decide; one that asked every few seconds would seldom be that fast."""
        watch = self.terminal("inbox", "--follow", *self.at(CITY))
        watch.wait_for("new ones as they come")
        took = []
        while len(took) < 8 and (len(took) < 3 or sorted(took)[2] >= 1):
            self.kurzweg("publish", "alert/x", "--headline", f"number {len(took)}", "--severity", "minor", *self.at(POLICE))
            began = time.monotonic()
            watch.wait_for(f"number {len(took)}")
            took.append(time.monotonic() - began)
        self.assertLess(sorted(took)[2], 1, took)

    def test_follow_in_a_pipe_gives_json_lines_at_once_and_no_bell(self):
        process = subprocess.Popen([str(BIN / "kurzweg"), "inbox", "--follow", "--json", "--since", "1h", "--topic", "alert/#", *self.at(CITY)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=kurzweg_test.environment())
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertIn("new ones as they come", process.stderr.readline())
        self.publish(YOUTH, "note/x", "--text", "not asked for")
        for identity in self.flood(), self.fire():
            line = process.stdout.readline()
            self.assertEqual(json.loads(line)["id"], identity)
            self.assertNotIn("\a", line)

    def test_follow_says_when_nothing_can_come_and_when_it_can_again(self):
        watch = self.terminal("inbox", "--follow", *self.at(CITY))
        watch.wait_for("new ones as they come")
        self.broker.stop()
        watch.wait_for("The link to the broker is down: nothing new can come")
        self.broker.start()
        watch.wait_for("The link to the broker is up again.", deadline=60)
        self.nodes[CITY].stop()
        watch.wait_for("The node on this machine does not answer", deadline=60)
        self.nodes[CITY].start()
        watch.wait_for("The node answers again.", deadline=60)
        self.nodes[POLICE].wait_for("link.up", times=2, deadline=60)
        self.fire()
        watch.wait_for("Fire at the school")


if __name__ == "__main__":
    kurzweg_test.main()
