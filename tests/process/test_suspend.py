"""An operator suspends a node and resumes it (docs/protocol.md [O-9] to [O-13]): what the node, the broker and the other partners say and do."""

import json
import time

import zmq

import kurzweg_test
import strangers
from kurzweg_test import REFUSED, USAGE, wait_until

POLICE, CITY, COORDINATOR = "police/control-room", "city/public-order", "city/crime-prevention"
TOPICS = '  - {filter: "alert/#", schema: alert, publish: [police, city], receive: [police, city], lane: flash}\n'
REASON = "its machine was stolen from a car"


class Suspend(kurzweg_test.Shared):
    def suspend(self, node, *more, way=None):
        return self.kurzweg("suspend", node, "--reason", REASON, *more, *(way or self.operator()))

    def status(self, node):
        return self.kurzweg_json("status", "--socket", self.p.socket(node))

    def alarm(self, node, code):
        return next((a["text"] for a in self.status(node)["alarms"] if a["code"] == code), None)

    def publish(self, node, *more):
        alert = self.fresh("flood-neckar.cap.xml")[0]
        return self.kurzweg("publish", "alert/flood", "--cap", alert, "--socket", self.p.socket(node), *more)

    def state(self, node, id):
        return self.kurzweg_json("trace", id, "--socket", self.p.socket(node))["state"]

    def inbox(self, node):
        return [json.loads(row)["id"] for row in self.kurzweg("inbox", "--json", "--socket", self.p.socket(node)).stdout.splitlines()]

    def test_who_is_suspended_is_out_also_after_a_new_start_and_nothing_is_lost(self):
        police, city = self.begin(POLICE, CITY)
        said = self.suspend(POLICE, "--for", "2h").stderr
        self.assertIn(f"{POLICE} is suspended until ", said)
        police.wait_for("code=suspended")
        alarm = wait_until(lambda: self.alarm(POLICE, "suspended"), what="the node's alarm")
        self.assertRegex(alarm, rf"^this node is suspended until \d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ by the operator night-desk: {REASON};")
        mine = self.publish(POLICE).stdout.strip()
        theirs = self.publish(CITY, "--wait", "stored").stdout.strip()
        self.assertEqual(self.broker.stop(), 0)
        self.broker.start()
        self.broker.wait_for("broker.ready", 2)
        city.wait_for("link.up", 2)
        police.wait_for("code=suspended", 2)
        self.assertEqual(self.state(POLICE, mine), "waiting")
        self.assertEqual(self.inbox(POLICE), [])
        shown = self.kurzweg_json("nodes", POLICE, *self.operator())
        self.assertEqual((shown["connected"], shown["suspended"]["by"], shown["suspended"]["reason"]), (False, "night-desk", REASON))
        self.assertAlmostEqual(shown["suspended"]["until_ms"], (time.time() + 7200) * 1000, delta=600000)
        self.kurzweg("resume", POLICE, *self.operator())
        police.wait_for("link.up", 2)
        wait_until(lambda: self.state(POLICE, mine) == "stored", what="what waited at the suspended node is stored")
        wait_until(lambda: mine in self.inbox(CITY), what="what waited at the suspended node is delivered")
        wait_until(lambda: theirs in self.inbox(POLICE), what="what waited for the suspended node is delivered")
        self.assertIsNone(self.alarm(POLICE, "suspended"))
        self.assertIsNone(self.alarm(POLICE, "held_back"))

    def test_it_ends_by_itself(self):
        police, = self.begin(POLICE)
        self.suspend(POLICE, "--for", "2s", way=self.control)
        self.broker.wait_for("node.suspended")
        self.broker.wait_for("node.suspension_over")
        police.wait_for("link.up", 2)
        self.refuses("resume", POLICE, *self.control, says=f"{POLICE} is not suspended", code=REFUSED)

    def test_what_may_not_be_is_one_sentence_and_changes_nothing(self):
        self.begin(POLICE)
        way = self.operator()
        self.refuses("suspend", "police/nobody", "--reason", "why", *way, says="police/nobody is no node of the agreement in force", code=REFUSED)
        self.refuses("suspend", POLICE, *way, says="--reason TEXT is missing: all partners are told why", code=USAGE)
        self.refuses("suspend", POLICE, "--reason", "", *way, says="a reason is missing", code=USAGE)
        self.refuses("suspend", POLICE, "--reason", "x" * 201, *way, says="the reason has 201 bytes, at most 200 are allowed", code=USAGE)
        self.refuses("suspend", POLICE, "--reason", "two\nlines", *way, says="the reason has at byte 4 what is no text of one line", code=USAGE)
        self.refuses("suspend", POLICE, "--reason", "why", "--for", "73h", *way, says="--for", code=USAGE)
        self.refuses("suspend", "--reason", "why", *way, says="NODE", code=USAGE)
        self.refuses("resume", POLICE, *way, says=f"{POLICE} is not suspended", code=REFUSED)
        self.refuses("suspend", POLICE, "--reason", "why", "--key", self.p.key(CITY), "--agreement", self.first, says="is the key of the node", code=REFUSED)
        self.assertNotIn("node.suspended", self.broker.text())
        self.suspend(POLICE, "--for", "40h")
        self.refuses("suspend", POLICE, "--reason", "why", "--for", "72h", *way, says=["was suspended for", "the committee leaves it out"], code=REFUSED)

    def test_the_broker_itself_looks_at_what_it_is_asked(self):
        self.begin()
        context = zmq.Context()
        self.addCleanup(context.destroy, 0)
        control = strangers.Control(context, self.folder / "broker.sock")
        self.addCleanup(control.close)
        for ask, says in (({}, 'the key "node" is missing'), ({"node": 1}, "node must be a text"), ({"node": POLICE}, "a reason is missing"),
                          ({"node": POLICE, "reason": "why", "for_ms": 72 * 3600000 + 1}, "1 second to 72 hours"),
                          ({"node": POLICE, "reason": "why"}, "1 second to 72 hours"), ({"node": POLICE, "reason": "why", "for_ms": -1}, "for_ms must be a whole number"),
                          ({"node": POLICE, "reason": "a\x1b[2Jb", "for_ms": 5000}, "the reason has at byte 2"),
                          ({"node": POLICE, "reason": "x" * 2000, "for_ms": 5000}, "reason has 2000 bytes"), ({"node": "x" * 100}, "node has 100 bytes"),
                          ({"node": POLICE, "why": "x"}, 'the key "why" is not known'), ([], "no JSON object")):
            done, text = control.ask(strangers.admin(11, text=json.dumps(ask)))
            self.assertFalse(done, ask)
            self.assertIn(says, text)
        done, text = control.ask(strangers.admin(12, text=json.dumps({"node": POLICE, "reason": "x"})))
        self.assertEqual((done, text), (False, 'the key "reason" is not known in a request about a suspension'))

    def test_a_suspended_node_that_goes_on_talking_is_told_so_and_heard_of_nothing(self):
        self.begin()
        context = zmq.Context()
        self.addCleanup(context.destroy, 0)
        agreement_hash = bytes.fromhex(self.p.hash_of(self.first).split(":")[-1])
        node = strangers.Node(context, self.p.endpoint, strangers.Key(self.p.key("haus")).public, strangers.Key(self.p.key(POLICE)))
        self.addCleanup(node.close)
        node.send(strangers.hello(agreement_hash))
        self.assertIsNotNone(node.expect(strangers.WELCOME))
        self.suspend(POLICE, "--for", "1h")
        self.assertEqual(node.expect_refused(), "suspended")
        stored = self.kurzweg_json("status", *self.control)["counters"]["stored"]
        behind = strangers.hello(agreement_hash, cursors=((900, 10**6),) * 3, seen=(10**6, b"x" * 32))
        for message in ((strangers.publish(3), strangers.frame("musterstadt", agreement_hash, POLICE, "alert/x", payload_type=1)), (strangers.ack(1, (1, 1, 1)),),
                        (strangers.agreement_get(1),), (strangers.octets(strangers.BEAT, b""),), (strangers.hello(agreement_hash),), (behind,), (strangers.admin(1),)):
            node.send(*message)
            self.assertEqual(node.expect_refused(), "suspended", message)
        status = self.kurzweg_json("status", *self.control)
        self.assertEqual((status["state"], status["counters"]["stored"]), ("serving", stored))
        self.assertGreaterEqual(status["counters"]["refused"]["suspended"], 8)
        self.kurzweg("resume", POLICE, *self.control)
        node.send(strangers.hello(agreement_hash))
        self.assertIsNotNone(node.expect(strangers.WELCOME))

    def events(self, *way):
        return [(r["event"], r["actor"], r.get("object"), r.get("detail", "")) for r in map(json.loads, self.kurzweg("audit", "--json", *way).stdout.splitlines())]

    def test_all_who_should_know_are_told(self):
        """Broker, operator, the suspended node and every other partner, as people and as monitoring; and everybody's audit trail."""
        police, city, coordinator = self.begin(POLICE, CITY, COORDINATOR)
        said = self.suspend(POLICE, "--for", "2h").stderr
        self.assertRegex(said, rf"Call the steering committee now \(mayor, president, prosecutor\) and say: {POLICE} is suspended until .*, because: {REASON}\.")
        line = rf"{POLICE} is suspended until [^:]*:\d\d \(in [^)]*\) by the operator night-desk: {REASON}\."
        for way in (self.control, self.operator()):
            self.assertRegex(self.kurzweg("status", *way).stdout.replace("\n ", ""), rf'{line} "kurzweg resume {POLICE}" lets it in again')
            self.assertRegex(self.kurzweg("nodes", *way).stdout, rf"(?m)^{POLICE} +suspended until ")
            self.assertRegex(self.kurzweg("nodes", POLICE, *way).stdout, rf"suspended by +night-desk\nreason +{REASON}\n")
            self.assertIn("suspended", self.kurzweg("top", "--once", *way).stdout)
        self.assertRegex(self.kurzweg("status", "--check", *self.control, code=1).stdout, rf"^KURZWEG WARNING - .*{line}")
        for daemon, node in ((city, CITY), (coordinator, COORDINATOR)):
            daemon.wait_for(f"partner.node_suspended peer={POLICE} operator=night-desk")
            told, = self.status(node)["suspended"]
            self.assertEqual((told["node"], told["by"], told["reason"]), (POLICE, "night-desk", REASON))
            self.assertRegex(self.kurzweg("status", "--socket", self.p.socket(node)).stdout.replace("\n ", ""), rf"- {line} It sends nothing and gets nothing")
            self.assertRegex(self.kurzweg("status", "--check", "--socket", self.p.socket(node), code=1).stdout, rf"^KURZWEG WARNING - .*{line}")
            self.assertIn(("suspended", "operator/night-desk", POLICE, f"until {told['until']}: {REASON}"), self.events("--socket", self.p.socket(node), "--reason", "test"))
        self.assertIn(("suspend", "operator/night-desk", POLICE, f"for 7200 s: {REASON}"), self.events(*self.control, "--reason", "test"))
        wait_until(lambda: self.alarm(POLICE, "suspended"), what="the node's own alarm")
        self.assertRegex(self.kurzweg("status", "--check", "--socket", self.p.socket(POLICE), code=2).stdout, r"^KURZWEG CRITICAL - .*this node is suspended until ")
        self.assertNotIn("The broker is not reached", self.kurzweg("status", "--socket", self.p.socket(POLICE)).stdout)
        self.assertIn("this node is suspended by the broker's operator: it waits here", self.publish(POLICE).stderr)
        explained = self.kurzweg("explain", "--topic", "alert/flood", "--node", POLICE, *self.control, "--agreement", self.first)
        self.assertRegex(explained.stdout.replace("\n", " "), rf"{line} Until then it sends nothing")
        explained = self.kurzweg("explain", "--topic", "alert/flood", "--node", POLICE, "--socket", self.p.socket(CITY))
        self.assertRegex(explained.stdout.replace("\n", " "), rf"{line} Until then it sends nothing")
        asked = self.kurzweg_json("explain", "--topic", "alert/flood", "--node", POLICE, "--socket", self.p.socket(CITY))["suspended"]
        self.assertEqual((asked["by"], asked["reason"]), ("night-desk", REASON))
        self.assertAlmostEqual(asked["until_ms"], (time.time() + 7200) * 1000, delta=600000)
        self.assertNotIn("is suspended", self.kurzweg("explain", "--topic", "alert/flood", "--node", CITY, "--socket", self.p.socket(CITY)).stdout)
        theirs = self.publish(CITY, "--wait", "stored").stdout.strip()
        readers = {r["node"]: r["state"] for r in self.kurzweg_json("trace", theirs, *self.control)["readers"]}
        self.assertEqual(readers[POLICE], "suspended")
        self.kurzweg("resume", POLICE, *self.operator())
        city.wait_for(f"partner.node_resumed peer={POLICE} operator=night-desk")
        self.assertEqual(self.status(CITY)["suspended"], [])
        self.assertIn(("resumed", "operator/night-desk", POLICE, ""), self.events("--socket", self.p.socket(CITY), "--reason", "test"))
        self.assertIn(("resume", "operator/night-desk", POLICE, ""), self.events(*self.control, "--reason", "test"))
        self.assertEqual(self.kurzweg_json("status", *self.control)["suspended"], [])

    def test_a_node_that_joins_meanwhile_hears_of_it(self):
        """Its place in the log is behind the entry, so the broker states it again behind the agreement that brings the node."""
        newcomer = "youth-house/office"
        self.first = self.p.agreement(nodes={node: kind for node, kind in self.p.nodes.items() if node != newcomer}, topics=TOPICS)
        self.broker = self.p.broker()
        city = self.p.node(CITY)
        city.wait_for("link.up")
        self.suspend(POLICE, "--for", "2h")
        city.wait_for("partner.node_suspended")
        path = self.p.write("second.yaml", version=2, previous=self.p.hash_of(self.first), topics=TOPICS)
        self.p.sign(path, previous=self.first)
        self.kurzweg("agreement", "install", path, "--running", *self.control)
        fingerprint = f'fingerprint: "{self.kurzweg("agreement", "fingerprint", path).stdout.strip()}"\n'
        self.p.node(newcomer, agreement=path, more=fingerprint).wait_for(f"partner.node_suspended peer={POLICE} operator=night-desk")
        told, = self.status(newcomer)["suspended"]
        self.assertEqual((told["node"], told["by"], told["reason"]), (POLICE, "night-desk", REASON))
        self.broker.wait_for(f"node.suspension_stated peer={POLICE} version=2")
        wait_until(lambda: self.kurzweg_json("status", "--socket", self.p.socket(CITY))["agreement"]["version"] == 2, what="the new version at the others")
        self.assertEqual(city.text().count("partner.node_suspended"), 1)  # who knew it hears nothing twice
        self.assertEqual(self.broker.text().count("node.suspended"), 1)
        self.broker.stop()
        self.broker.start().wait_for("broker.ready", 2)
        self.assertIn("suspended", self.kurzweg("nodes", POLICE, *self.control).stdout)
        self.assertEqual(self.broker.text().count("node.suspension_stated"), 1)

    def test_who_installs_a_version_is_told_that_it_ends_no_suspension(self):
        self.begin(CITY)
        self.suspend(POLICE, "--for", "2h")
        self.suspend("youth-house/office", "--for", "3h")
        path = self.p.write("second.yaml", version=2, previous=self.p.hash_of(self.first), nodes={node: kind for node, kind in self.p.nodes.items() if node != "youth-house/office"})
        self.p.sign(path, previous=self.first)
        lines = self.kurzweg("agreement", "install", path, "--running", *self.control).stderr.splitlines()
        self.assertEqual(len(lines), 3, lines)
        self.assertIn("is in force at the broker", lines[0])
        self.assertRegex(lines[1], rf'^Suspended: {POLICE} until (tomorrow )?\d\d:\d\d\. A version does not end that; "kurzweg resume NODE" does\.$')
        self.assertEqual(lines[2], "youth-house/office was suspended and no longer belongs: it stays out when that ends.")
        shown = self.kurzweg("status", *self.control).stdout
        self.assertIn(f"- {POLICE} is suspended until ", shown)
        self.assertNotIn("resume youth-house/office", shown)  # nobody can
        self.kurzweg("resume", POLICE, *self.control)
        third = self.p.write("third.yaml", version=3, previous=self.p.hash_of(path))
        self.p.sign(third, previous=path)
        lines = self.kurzweg("agreement", "install", third, "--running", *self.control, LC_ALL="de_DE.UTF-8").stderr.splitlines()
        self.assertRegex(lines[1], r"^Gesperrt: youth-house/office bis (morgen )?\d\d:\d\d\. Eine neue Fassung beendet das nicht")
        self.kurzweg("resume", "youth-house/office", *self.control)
        fourth = self.p.write("fourth.yaml", version=4, previous=self.p.hash_of(third))
        self.p.sign(fourth, previous=third)
        self.assertEqual(len(self.kurzweg("agreement", "install", fourth, "--running", *self.control).stderr.splitlines()), 1)

    def test_a_handler_that_wants_them_gets_suspensions_and_no_other_does(self):
        """[N-20] So somebody of the committee is told, by mail or however its node tells."""
        write = ["/bin/sh", "-c", 'printf "%s %s %s %s %s\\n" "$KURZWEG_TYPE" "$KURZWEG_SUSPENSION" "$KURZWEG_SUSPENSION_NODE" "$KURZWEG_SUSPENSION_BY" "$KURZWEG_SUSPENSION_REASON" >> "$0"']
        told, other = self.folder / "told", self.folder / "other"
        self.first = self.p.agreement()
        self.broker = self.p.broker()
        handlers = ("handlers:\n"
                    f"  - {{name: committee, suspensions: yes, as: text, run: {json.dumps([*write, str(told)])}}}\n"
                    f"  - {{name: other, topic: \"#\", run: {json.dumps([*write, str(other)])}}}\n")
        city = self.p.node(CITY, more=handlers)
        city.wait_for("link.up")
        self.suspend(POLICE, "--for", "2h")
        wait_until(lambda: told.exists() and told.read_text(), what="what the handler was given")
        self.assertEqual(told.read_text(), f"suspension begun {POLICE} night-desk {REASON}\n")
        row, = [json.loads(line) for line in self.kurzweg("inbox", "--json", "--socket", self.p.socket(CITY)).stdout.splitlines()]
        self.assertEqual((row["type"], row["topic"], row["sender"], row["suspension"]["node"], row["suspension"]["lifted"]), ("suspension", "", "haus", POLICE, False))
        shown = self.kurzweg("inbox", "--socket", self.p.socket(CITY)).stdout
        self.assertRegex(shown, rf"{POLICE} is SUSPENDED until [^ ]+ by the operator night-desk: {REASON}")
        self.assertRegex(self.kurzweg("inbox", row["id"], "--socket", self.p.socket(CITY)).stdout, rf"{POLICE} is SUSPENDED until")
        self.kurzweg("resume", POLICE, *self.operator())
        wait_until(lambda: len(told.read_text().splitlines()) == 2, what="that it is let in again")
        self.assertEqual(told.read_text().splitlines()[1], f"suspension lifted {POLICE} night-desk ")
        self.assertFalse(other.exists())

    def test_an_operator_who_left_the_agreement_suspends_nobody(self):
        police, = self.begin(POLICE)
        self.p.new_key("day-desk", "--operator")
        second = self.p.text(version=2, previous=self.p.hash_of(self.first)).replace("night-desk", "day-desk").replace(self.p.lines["night-desk"], self.p.lines["day-desk"])
        path = self.write("second.yaml", second)
        self.p.sign(path, previous=self.first)
        self.kurzweg("agreement", "install", path, "--running", *self.control)
        self.refuses("suspend", POLICE, "--reason", "why", *self.operator(), says="night-desk", code=REFUSED)
        self.assertNotIn("node.suspended", self.broker.text())
        self.kurzweg("suspend", POLICE, "--reason", "why", "--key", self.p.key("day-desk"), "--agreement", path)
        self.broker.wait_for("operator=day-desk")


if __name__ == "__main__":
    kurzweg_test.main()
