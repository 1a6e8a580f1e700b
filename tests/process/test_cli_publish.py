"""kurzweg publish, trace and status at real nodes: what is taken and how far it comes, what is refused with which sentence."""

import base64
import json
import grp
import os
import re
import socket
import subprocess

import kurzweg_test
from kurzweg_test import BIN, FAILED, REFUSED, SILENT, SOURCE, USAGE, Partnership, free_ports, wait_until

EXAMPLES = SOURCE / "examples"
REJECT = SOURCE.parent / "shared" / "cap" / "reject"

TOPICS = Partnership.TOPICS + """\
  - {filter: "note/#", schema: note, purpose: danger-prevention, publish: ["*"], receive: ["*"], lane: urgent}
  - {filter: "document/#", schema: document, purpose: danger-prevention, publish: [police, city], receive: [police, city], lane: routine}
  - {filter: "siren/#", schema: note, purpose: danger-prevention, publish: ["*"], receive: ["*"], lane: flash, deliver_within: 2s}
  - {filter: "desk/#", schema: note, publish: [police, youth-house], receive: [police]}
  - {filter: "statement/#", schema: statement, publish: [police, city], receive: ["*"], release: {approve: [police, city]}}
"""
POLICE, CITY, CRIME, YOUTH = "police/control-room", "city/public-order", "city/crime-prevention", "youth-house/office"
ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


class Publishing(kurzweg_test.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.all = kurzweg_test.TestCase()
        cls.all.setUp()
        cls.addClassCleanup(cls.all.doCleanups)
        cls.shared = Partnership(cls.all, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", topics=TOPICS)

    def setUp(self):
        super().setUp()
        self.p = self.shared.copy(self, f"tcp://127.0.0.1:{free_ports()[0]}")
        self.p.agreement()

    def start(self, *nodes, broker=True):
        if broker:
            self.broker = self.p.broker()
        self.nodes = {name: self.p.node(name) for name in nodes}
        for node in self.nodes.values():
            if broker:
                node.wait_for("link.up")

    def at(self, node):
        return ("--socket", self.p.socket(node))

    def publish(self, node, topic, *how, **more):
        """Answers the id, the only thing on standard output."""
        out = self.kurzweg("publish", topic, *how, *self.at(node), **more).stdout
        self.assertRegex(out, rf"^{ID}\n$")
        return out.strip()

    def inbox(self, node, *how):
        out = self.kurzweg("inbox", "--json", *how, *self.at(node)).stdout
        return [json.loads(line) for line in out.splitlines()]

    def arrived(self, node, identity):
        return wait_until(lambda: [row for row in self.inbox(node) if row["id"] == identity], what=f"{identity} at {node}")[0]

    def trace(self, node, identity):
        return self.kurzweg_json("trace", identity, *self.at(node))


class Published(Publishing):
    """All nodes run, once for all tests."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared.agreement()
        cls.shared.broker()
        for name in cls.shared.nodes:
            cls.shared.node(name).wait_for("link.up")

    def setUp(self):
        kurzweg_test.TestCase.setUp(self)
        self.p = self.shared

    def test_a_cap_file_arrives_at_every_reader_and_the_sender_knows_it(self):
        done = self.kurzweg("publish", "alert/flood/mitte", "--cap", *self.fresh("flood-neckar.cap.xml"), "--wait", "delivered", *self.at(POLICE))
        identity = done.stdout.strip()
        self.assertIn("Every reader's node has it and has confirmed it.", done.stderr)
        trace = self.trace(POLICE, identity)
        self.assertEqual({r["node"] for r in trace["delivered"]}, {CITY, CRIME, YOUTH})
        self.assertEqual((trace["missing"], trace["rejected"], trace["state"]), ([], [], "stored"))
        for node in CITY, CRIME, YOUTH:
            row = self.arrived(node, identity)
            self.assertEqual((row["sender"], row["topic"], row["lane"], row["severity"]), (POLICE, "alert/flood/mitte", "flash", "Severe"))
            self.assertEqual(row["content"]["info"][0]["headline"], "Hochwasser am Neckar: Uferstraße ab 5:30 Uhr gesperrt, Keller räumen")
        shown = self.kurzweg("trace", identity, *self.at(POLICE)).stdout
        self.assertRegex(shown, r"^All 3 nodes have it\.\n")
        self.assertRegex(shown, r"(?m)^headline +Neckar flood: .*\n.* in lane flash \(notice\)$")
        german = self.kurzweg("trace", identity, *self.at(POLICE), LC_ALL="de_DE.UTF-8").stdout
        self.assertIn("Hochwasser am Neckar: Uferstraße ab 5:30 Uhr gesperrt", german)
        self.assertIn("(Meldung)", german)
        for node in CITY, CRIME, YOUTH:
            self.assertRegex(shown, rf"(?m)^{node} +yes +\d\d:\d\d:\d\d +{ID}$")
        self.assertIn("It came and all checks held", self.kurzweg("trace", identity, *self.at(CITY)).stdout)

    def test_json_from_standard_input_to_one_node_alone(self):
        note = (EXAMPLES / "handover-note.json").read_text()
        identity = self.publish(POLICE, "note/handover", "--json", "-", "--to", CITY, "--lane", "routine", "--lifetime", "2h", "--wait", "delivered", stdin=note)
        row = self.arrived(CITY, identity)
        self.assertEqual((row["lane"], row["to"], row["content"]), ("routine", [CITY], json.loads(note)))
        self.assertAlmostEqual(row["expires_ms"] - row["created_ms"], 7200_000, delta=60_000)
        later = self.publish(POLICE, "note/handover", "--json", "-", "--to", CRIME, "--lane", "routine", stdin=note)
        self.arrived(CRIME, later)
        self.assertNotIn(identity, [row["id"] for row in self.inbox(CRIME)])

    def test_options_make_an_alert_a_request_a_report_a_note_and_a_document(self):
        alert = self.kurzweg("publish", "alert/fire/west", "--headline", "Fire at the school", "--severity", "severe", "--area", "Weststadt",
                             "--instruction", "Keep windows shut.", "--lifetime", "2h", *self.at(POLICE))
        name = re.search(r"--update (\S+);", alert.stderr).group(1)
        self.assertEqual(name, alert.stdout.strip())
        got = self.arrived(YOUTH, alert.stdout.strip())
        info = got["content"]["info"][0]
        self.assertEqual((got["content"]["status"], got["content"]["scope"], info["severity"], info["event"], info["language"]),
                         ("Actual", "Restricted", "Severe", "Fire at the school", "en"))
        self.assertEqual((info["area"], info["category"]), ([{"areaDesc": "Weststadt"}], ["Safety"]))
        self.assertAlmostEqual(got["until_ms"] - got["created_ms"], 7200_000, delta=60_000)

        cap = self.trace(POLICE, name)["cap"]
        self.assertIn(cap, self.kurzweg("trace", name, *self.at(POLICE)).stdout)
        update = self.publish(POLICE, "alert/fire/west", "--headline", "Fire under control", "--severity", "minor", "--update", cap)
        self.assertEqual(self.arrived(YOUTH, update)["content"]["references"], cap)
        cancel = self.publish(POLICE, "alert/fire/west", "--headline", "All clear", "--severity", "minor", "--cancel", name)
        self.assertEqual(self.arrived(YOUTH, cancel)["type"], "cancel")
        self.assertEqual(self.arrived(YOUTH, cancel)["content"]["references"], cap)
        self.assertTrue(self.arrived(YOUTH, alert.stdout.strip())["cancelled"])

        request = self.publish(YOUTH, "request/noise/mitte", "--kind", "presence", "--subject", "Loud music", "--text", "Thirty people",
                               "--area", "Neckarwiese", "--purpose", "danger-prevention", "--needed-by", "2h")
        got = self.arrived(CITY, request)
        self.assertEqual((got["type"], got["headline"], got["area"]), ("request", "Loud music", "Neckarwiese"))
        self.assertEqual(got["content"]["handling"], {"mark": "Internal", "purpose": "danger-prevention", "onward": "WithConsent"})

        report = self.publish(CITY, "report/break-in", "--subject", "Break-in", "--category", "security", "--severity", "minor", "--purpose", "crime-prevention")
        got = self.arrived(POLICE, report)
        self.assertEqual(got["content"]["grading"]["content"], "NotAssessable")

        note = self.publish(YOUTH, "note/handover", "--text", "The key lies at the desk.", LC_ALL="de_DE.UTF-8")
        self.assertEqual(self.arrived(POLICE, note)["content"], {"text": "The key lies at the desk.", "language": "de"})

        plan = self.write("plan.pdf", "%PDF-1.4 a plan\n")
        document = self.publish(POLICE, "document/plan", "--file", plan, "--purpose", "danger-prevention", "--mark", "personal", "--delete-by", "3d")
        got = self.arrived(CITY, document)["content"]
        self.assertEqual((got["title"], got["fileName"], got["mediaType"]), ("plan.pdf", "plan.pdf", "application/pdf"))
        self.assertEqual((base64.b64decode(got["content"]), got["handling"]["mark"]), (plan.read_bytes(), "Personal"))

    def test_a_cap_file_that_was_mended_is_taken_with_a_warning(self):
        text = self.fresh("flood-neckar.cap.xml")[0].read_text().replace("<urgency>Immediate</urgency>", "<urgency>immediate</urgency>", 1)
        done = self.kurzweg("publish", "alert/flood", "--cap", self.write("odd.xml", text), *self.at(POLICE))
        self.assertRegex(done.stderr, r"(?m)^warning: .*odd\.xml: .*line \d+.*urgency")
        self.assertRegex(done.stdout, rf"^{ID}\n$")

    def test_a_terminal_shows_how_far_it_is(self):
        shown = self.on_terminal("publish", "note/x", "--text", "a", "--wait", "delivered", *self.at(POLICE))
        self.assertRegex(shown, r"of 3 nodes have it|not yet at the broker")
        self.assertIn("Every reader's node has it", shown)


class Away(Publishing):
    """Each test has a broker and nodes of its own, and somebody is not there."""

    def test_without_the_broker_it_waits_in_the_outbox_and_the_user_is_told(self):
        self.start(POLICE, broker=False)
        how = ("alert/flood", "--cap", *self.fresh("flood-neckar.cap.xml"))
        done = self.kurzweg("publish", *how, *self.at(POLICE))
        self.assertIn("It lies in the outbox and is sent by itself", done.stderr)
        done = self.kurzweg("publish", "note/x", "--text", "a", *self.at(POLICE), LC_ALL="de_DE.UTF-8")
        self.assertIn("Sie liegt im Ausgang", done.stderr)
        done = self.kurzweg("publish", "note/x", "--text", "a", "--wait", "stored", "--timeout", "1s", *self.at(POLICE), code=SILENT)
        self.assertRegex(done.stdout, rf"^{ID}\n$")
        self.assertIn("waits in the outbox", done.stderr)
        shown = self.kurzweg("trace", done.stdout.strip(), *self.at(POLICE)).stdout
        self.assertRegex(shown, r"^It waits in the outbox of this node")
        shown = self.kurzweg("status", *self.at(POLICE)).stdout
        self.assertRegex(shown, rf"^{POLICE} of musterstadt  1 thing does not work\n! The (broker is not reached|link to the broker)")
        self.assertRegex(shown, r"(?m)^outbox +3 waiting")
        self.start(CITY)
        self.assertEqual(len(wait_until(lambda: len(rows := self.inbox(CITY)) == 3 and rows, deadline=60, what="all at the other node")), 3)
        wait_until(lambda: self.trace(POLICE, done.stdout.strip())["state"] == "stored", what="the sender's knowledge of it")

    def test_waiting_for_somebody_who_is_away_ends_in_time_and_names_him(self):
        self.start(POLICE, CITY)
        done = self.kurzweg("publish", "note/x", "--text", "a", "--wait", "delivered", "--timeout", "2s", *self.at(POLICE), code=SILENT)
        self.assertIn(YOUTH, done.stderr)
        wait_until(lambda: self.trace(POLICE, done.stdout.strip())["delivered"], what="the receipt of who is there")
        shown = self.kurzweg("trace", done.stdout.strip(), *self.at(POLICE)).stdout
        self.assertRegex(shown, r"^The broker has it, and 1 of 3 nodes; 2 have not confirmed")
        self.assertRegex(shown, rf"(?m)^{YOUTH} +not confirmed yet")
        self.kurzweg("publish", "note/x", "--text", "b", "--wait", "stored", *self.at(POLICE))

    def test_what_expires_in_the_outbox_is_told_as_that_and_never_sent(self):
        self.start(POLICE, broker=False)
        done = self.kurzweg("publish", "note/x", "--text", "a", "--lifetime", "2s", "--wait", "stored", *self.at(POLICE), code=REFUSED)
        identity = done.stdout.strip()
        self.assertIn("expired", done.stderr)
        self.assertRegex(self.kurzweg("trace", identity, *self.at(POLICE)).stdout, r"^It expired before the broker stored it\. Nobody has it\.\n")
        self.assertRegex(self.kurzweg("status", *self.at(POLICE)).stdout, r"(?m)^outbox +1 waiting, .*; 0 stored, 0 refused, 1 expired$")  # a void tells the readers that its number is not missing
        self.start(CITY)
        later = self.publish(POLICE, "note/x", "--text", "b")
        self.arrived(CITY, later)
        self.assertEqual([row["id"] for row in self.inbox(CITY)], [later])

    def test_status_names_who_has_not_confirmed_in_time(self):
        self.start(POLICE, CITY, CRIME)  # the coordinator is told of what is late in this lane
        identity = self.publish(POLICE, "siren/x", "--text", "a", "--to", YOUTH, "--to", CITY)
        late = f"! siren/x of yours is not confirmed by {YOUTH}, due "
        shown = wait_until(lambda: (out := self.kurzweg("status", *self.at(POLICE)).stdout) and late in out and out, what="the complaint")
        self.assertIn(f"call them ({identity})", " ".join(shown.split()))
        self.p.node(YOUTH)
        wait_until(lambda: "all is well" in self.kurzweg("status", *self.at(POLICE)).stdout, what="its end", deadline=90)  # confirmed within a minute

    def test_an_exercise_says_so(self):
        self.p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", topics=TOPICS, exercise=True, folder=self.made("exercise"))
        self.p.agreement()
        self.start(POLICE, CITY)
        identity = self.publish(POLICE, "alert/fire", "--headline", "Fire", "--severity", "severe")
        self.assertEqual(self.arrived(CITY, identity)["status"], "Exercise")
        self.assertIn("(EXERCISE)", self.kurzweg("status", *self.at(POLICE)).stdout)
        self.assertIn("*** exercise ***", self.kurzweg("inbox", identity, *self.at(CITY)).stdout)
        real, = self.fresh("flood-neckar.cap.xml")  # [N-7]
        self.refuses("publish", "alert/flood", "--cap", real, *self.at(POLICE), code=REFUSED, says="its status is Actual, but this partnership is an exercise")

    def made(self, name):
        (self.folder / name).mkdir()
        return self.folder / name


class Refused(Publishing):
    """Nothing of it is in the outbox afterwards."""

    @classmethod
    def setUpClass(cls):
        """Two nodes and no broker serve all, since nothing is taken."""
        super().setUpClass()
        cls.shared.agreement()
        for name in POLICE, YOUTH:
            cls.shared.node(name)

    def setUp(self):
        kurzweg_test.TestCase.setUp(self)
        self.p = self.shared
        self.flood, self.noise, self.report, self.statement = self.fresh("flood-neckar.cap.xml", "noise-request.json", "break-in-report.json", "flood-statement.json")

    def refuse(self, node, topic, *how, says, code=REFUSED, **more):
        done = self.refuses("publish", topic, *how, *self.at(node), says=says, code=code, **more)
        for name in POLICE, YOUTH:
            self.assertEqual(self.kurzweg_json("status", *self.at(name))["outbox"]["waiting"], 0)
        return done

    def test_by_the_agreement(self):
        self.refuse(YOUTH, "alert/flood", "--cap", self.flood, says=["may not publish", YOUTH])
        self.refuse(POLICE, "report/x", "--json", self.report, "--lane", "flash", says=["lane", "flash", "routine"])
        self.refuse(POLICE, "nowhere/x", "--text", "a", says=["no topic of the agreement", "nowhere/x"])
        self.refuse(POLICE, "note/x", "--text", "a", "--to", "police/nobody", says="police/nobody")
        self.refuse(POLICE, "report/x", "--json", self.report, "--to", YOUTH, says=YOUTH)
        self.refuse(POLICE, "note/x", "--text", "a", "--to", POLICE, says="leave it out")
        self.refuse(POLICE, "desk/x", "--text", "a", says=["nobody", "desk/"])
        self.refuse(POLICE, "statement/flood", "--json", self.statement, "--to", CITY, says=["released", "leave out to whom"])
        self.refuse(POLICE, "note/x", "--text", "a", "--type", "cancel", says="must name what it is about")
        self.refuse(POLICE, "note/x", "--text", "a", "--update", "x", "--cancel", "x", says="ways to say one thing", code=USAGE)
        self.refuse(POLICE, "note/x", "--text", "a", "--update", "x", "--type", "update", says="ways to say one thing", code=USAGE)
        self.refuse(POLICE, "note/x", "--text", "a", "--type", "cancel", "--about", "01a210da-947e-7595-95dc-e9704fdc6988", says="neither in the inbox nor in the outbox")

    def test_by_time(self):
        self.refuse(POLICE, "note/x", "--text", "a", "--expires", "2020-01-01T00:00:00Z", says="it expired already")
        self.refuse(POLICE, "note/x", "--text", "a", "--lifetime", "400d", says="at most")
        self.refuse(POLICE, "note/x", "--text", "a", "--expires", "tomorrow", code=USAGE, says=["--expires is \"tomorrow\"", "22:15"])
        self.refuse(POLICE, "note/x", "--text", "a", "--expires", "22:15", "--lifetime", "2h", code=USAGE, says="give one")

    def test_by_size(self):
        big = self.write("big.json", json.dumps({"text": base64.b64encode(os.urandom(300_000)).decode()}))
        self.refuse(POLICE, "note/x", "--json", big, says=["262144", "bytes"])
        huge = self.write("huge.json", json.dumps({"text": "a" * (8 << 20)}))
        self.refuse(POLICE, "note/x", "--json", huge, code=FAILED, says=["huge.json", "8388608"])

    def test_by_the_topics_name(self):
        for topic in "alert/#", "alert/+/x", "alert//x", "/alert", "alert/ x", "":
            self.refuse(POLICE, topic, "--text", "a", code=USAGE, says="topic")
        self.refuse(POLICE, "a" * 256, "--text", "a", code=USAGE, says=["256", "255"])
        self.refuse(POLICE, "note/" + "a" * 250, "--text", "a", "--lane", "flash", says="lane")  # 255 bytes are a topic

    def test_by_the_schema_with_the_fields_path(self):
        self.refuse(POLICE, "note/x", "--json", "-", stdin='{"txt": "a"}', says="txt")
        self.refuse(POLICE, "note/x", "--json", "-", stdin='{"text": 7}', says="text")
        self.refuse(POLICE, "note/x", "--json", "-", stdin="no json", says="line 1")
        self.refuse(POLICE, "report/x", "--json", self.noise, says="Report.neededBy: there is no such field")
        report = json.loads(self.report.read_text())
        report["grading"]["asOf"] = "yesterday"
        self.refuse(POLICE, "report/x", "--json", "-", stdin=json.dumps(report), says="Report.grading.asOf")
        self.refuse(POLICE, "note/x", "--cap", self.flood, says=["schema", "note", "CAP"])
        self.refuse(POLICE, "alert/x", "--headline", "a", "--severity", "awful", says=["info[0].severity", "Extreme, Severe, Moderate, Minor, Unknown"])
        self.refuse(POLICE, "alert/x", "--cap", self.write("cut.xml", self.flood.read_text()[:900]), says="cut.xml: line")
        odd = self.write("odd.xml", self.flood.read_text().replace("<severity>Severe", "<severity>Sever", 1))
        self.refuse(POLICE, "alert/x", "--cap", odd, says=["odd.xml: line 18: <severity>", "Extreme, Severe, Moderate, Minor, Unknown"])
        self.refuse(POLICE, "alert/x", "--cap", self.folder / "nowhere.xml", code=FAILED, says=["nowhere.xml", "does not exist"])

    def test_every_broken_cap_file_of_the_collection(self):
        if not REJECT.is_dir():
            self.skipTest(f"{REJECT} is not there")
        files = sorted(REJECT.iterdir())
        self.assertGreater(len(files), 0)
        for file in files:
            with self.subTest(file=file.name):
                self.refuse(POLICE, "alert/x", "--cap", file, says="kurzweg: ")

    def test_options_that_make_no_content_or_two(self):
        usage = dict(code=USAGE)
        self.refuse(POLICE, "note/x", says=["--cap FILE", "--headline"], **usage)
        self.refuse(POLICE, "note/x", "--text", "a", "--json", "-", stdin="{}", says="three ways to one content", **usage)
        self.refuse(POLICE, "note/x", "--area", "here", says="the content is missing", **usage)
        self.refuse(POLICE, "note/x", "--text", "a", "--area", "here", says=["--area", "a note"], **usage)
        self.refuse(POLICE, "request/noise", "--subject", "a", says=["--kind", "--category"], **usage)
        self.refuse(POLICE, "request/noise", "--subject", "a", "--kind", "presence", says=["--purpose is missing", "a request"], **usage)
        self.refuse(POLICE, "alert/x", "--headline", "a", says=["--severity is missing", "an alert"], **usage)
        self.refuse(POLICE, "alert/x", "--headline", "a", "--severity", "minor", "--type", "cancel", "--about", "01a210da-947e-7595-95dc-e9704fdc6988",
                    says=["which alert", "sender,identifier,sent"], **usage)
        self.refuse(POLICE, "note/x", "--text", "a\x1b[2J", says="--text holds characters", **usage)
        self.refuse(POLICE, "alert/x", "--headline", "a", "--severity", "minor", "--area", "", says="--area is empty", **usage)

    def test_options_that_make_what_the_topic_does_not_take(self):
        self.refuse(POLICE, "alert/x", "--text", "a", says=["the options make a note", "alert/x", "Alert", "--headline TEXT --severity WORD"])
        self.refuse(POLICE, "note/x", "--headline", "a", "--severity", "minor", says=["the options make an alert", "Note", "--text TEXT"])
        self.refuse(POLICE, "report/x", "--headline", "a", "--severity", "minor", says="--subject TEXT --category WORD --severity WORD")

    def test_words_that_are_none(self):
        usage = dict(code=USAGE)
        self.refuse(POLICE, "note/x", "--text", "a", "--lane", "fast", says=["fast", "flash, urgent or routine"], **usage)
        self.refuse(POLICE, "note/x", "--text", "a", "--type", "void", says="must be notice, update, cancel or request", **usage)
        self.refuse(POLICE, "note/x", "--text", "a", "--wait", "read", says="stored or delivered", **usage)
        self.refuse(POLICE, "note/x", "--text", "a", "--timeout", "3s", says="--wait", **usage)
        self.refuse(POLICE, "note/x", "--text", "a", "--lanes", "flash", says="did you mean --lane", **usage)
        self.refuse(POLICE, "note/x", "y", "--text", "a", says='"y" is one word too many', **usage)

    def test_in_german_too(self):
        german = dict(LC_ALL="de_DE.UTF-8")
        self.refuse(YOUTH, "alert/flood", "--cap", self.flood, says="darf zu Themen von alert/# nichts senden", **german)
        self.refuse(POLICE, "alert/x", "--headline", "a", says="--severity fehlt", code=USAGE, **german)
        odd = self.write("odd.xml", self.flood.read_text().replace("<severity>Severe", "<severity>Sever", 1))
        self.refuse(POLICE, "alert/x", "--cap", odd, says="odd.xml: Zeile 18: <severity>: „Sever“ ist keiner seiner Werte, muss einer von diesen sein: Extreme", **german)
        self.refuse(POLICE, "note/x", "--json", "-", stdin='{"text": 7}', says="Note.text: ist eine Zahl, muss aber sein: ein Text", **german)
        self.refuse(POLICE, "alert/x", "--text", "a", says="beginnen Sie mit --headline", **german)


class NoNode(kurzweg_test.TestCase):
    def test_nobody_is_there(self):
        for command in ("publish", "note/x", "--text", "a"), ("inbox", "--follow"), ("trace", "01a210da-947e-7595-95dc-e9704fdc6988"):
            self.refuses(*command, "--socket", f"ipc://{self.folder}/none.sock", code=SILENT, says=["no node is at", "none.sock", "systemctl status kurzweg-partner"])
        self.refuses("status", code=SILENT, says="env.sock", KURZWEG_SOCKET=f"ipc://{self.folder}/env.sock")
        self.refuses("status", "--socket", "tcp://127.0.0.1:1", code=USAGE, says="ipc://")

    def test_nobody_listens_at_a_socket_that_is_left_over(self):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(f"{self.folder}/left.sock")
        self.refuses("inbox", "--socket", f"ipc://{self.folder}/left.sock", code=SILENT, says=["no node is at", "left.sock"])

    def test_who_listens_and_never_answers_is_given_up_in_time(self):
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(f"{self.folder}/mute.sock")
            mute.listen()
            self.refuses("status", "--timeout", "1s", "--socket", f"ipc://{self.folder}/mute.sock", code=SILENT, says=["mute.sock", "does not answer"])

    def test_the_group_that_may_open_the_socket_is_named(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody who may not")
        group = grp.getgrnam("audio")
        self.folder.chmod(0o755)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"{self.folder}/node.sock")
            other.listen()
            os.chown(self.folder / "node.sock", 0, group.gr_gid)
            os.chmod(self.folder / "node.sock", 0o660)
            done = subprocess.run([BIN / "kurzweg", "inbox", "--socket", f"ipc://{self.folder}/node.sock"], env=kurzweg_test.environment(), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertIn("usermod --append --groups audio NAME", done.stderr)

    def test_a_socket_that_the_user_may_not_open_is_told_as_that(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody who may not")
        (self.folder / "closed").mkdir(mode=0o700)
        done = subprocess.run([BIN / "kurzweg", "inbox", "--socket", f"ipc://{self.folder}/closed/node.sock"], env=kurzweg_test.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertIn("you may not open the node's socket", done.stderr)


if __name__ == "__main__":
    kurzweg_test.main()
