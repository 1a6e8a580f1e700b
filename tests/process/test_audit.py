"""The audit at broker and node: who did what, why, and who read that; checked offline, also against what nodes have seen (docs/protocol.md, "Audit")."""

import datetime
import json
import signal

import kurzweg_test
import strangers
from kurzweg_test import FAILED, REFUSED, USAGE, Partnership, plain, wait_until

POLICE, CITY = "police/control-room", "city/public-order"
ADMIN_STOP = 5
YEAR = datetime.datetime.now(datetime.timezone.utc).year
TOPICS = Partnership.TOPICS + """\
  - {filter: "youth/#", schema: note, purpose: danger-prevention, publish: [police, city], receive: [police, city], lane: urgent, reason: required}
  - {filter: "duty/#", schema: request, purpose: danger-prevention, publish: [police, city], receive: [police, city], lane: urgent, reason: required,
     responsible: [{who: city/public-order, take_within: 10m}]}
  - {filter: "note/#", schema: note, purpose: danger-prevention, publish: [police, city], receive: [police, city], lane: urgent}
"""


class Audit(kurzweg_test.Shared):
    PARTNERSHIP = {"topics": TOPICS}

    def setUp(self):
        super().setUp()
        self.agreement = self.p.agreement()
        self.broker = self.p.broker()
        self.nodes = {name: self.p.node(name) for name in (POLICE, CITY)}
        for node in self.nodes.values():
            node.wait_for("link.up")

    def at(self, node):
        return ("--socket", self.p.socket(node))

    def publish(self, topic, text, *how):
        return self.kurzweg("publish", topic, "--text", text, "--to", CITY, "--wait", "delivered", *how, *self.at(POLICE)).stdout.strip()

    def rows(self, *how):
        return [json.loads(line) for line in self.kurzweg("audit", "--json", *how).stdout.splitlines()]

    def events(self, *how):
        return [(r["event"], r["actor"]) for r in self.rows(*how)]

    def operator(self, *more):
        return ("--key", self.p.key("night-desk"), "--agreement", self.agreement, "--broker", self.p.endpoint, *more)

    def fingerprint(self):
        """Of the broker's key."""
        return self.kurzweg("key", "fingerprint", self.p.lines["haus"]).stdout.strip()

    def trail(self, node=CITY):
        return self.folder / node.replace("/", "-") / "audit" / f"{YEAR}.audit"

    # at a node: [U-11]

    def test_a_node_tells_who_published_and_read_and_why(self):
        identity = self.publish("note/x", "The key lies at the desk.", "--as", "Duty officer 3", "--reason", "shift hand-over")
        self.kurzweg("inbox", identity, "--as", "Duty officer 7", "--reason", "on the board", *self.at(CITY))
        sent, = [r for r in self.rows("--persons", "--id", identity, *self.at(POLICE)) if r["event"] == "publish"]
        self.assertEqual((sent["actor"], sent["topic"], sent["to"], sent["as"], sent["reason"]), ("local", "note/x", CITY, "Duty officer 3", "shift hand-over"))
        read, = [r for r in self.rows("--persons", "--id", identity, *self.at(CITY)) if r["event"] == "read"]
        self.assertEqual((read["topic"], read["as"], read["reason"]), ("note/x", "Duty officer 7", "on the board"))
        for node in POLICE, CITY:  # names and reasons stand sealed
            self.assertNotIn("Duty", self.trail(node).read_text())
        sealed, = [r for r in self.rows("--id", identity, *self.at(CITY)) if r["event"] == "read"]
        self.assertTrue(sealed["sealed"])
        self.assertNotIn("as", sealed)

    def test_only_what_was_shown_counts_as_read(self):
        first = self.publish("note/x", "one")
        second = self.publish("note/x", "two")
        self.kurzweg("inbox", "1", *self.at(CITY))
        self.assertEqual([r["object"] for r in self.rows("--event", "read", *self.at(CITY))], [first])
        self.kurzweg("inbox", *self.at(CITY))
        self.assertTrue(any(r["event"] == "listed" and r["count"] == 2 for r in self.rows(*self.at(CITY))))
        self.kurzweg("inbox", second, *self.at(CITY))
        self.assertEqual([r["object"] for r in self.rows("--event", "read", *self.at(CITY))], [first, second])

    def test_reading_the_audit_is_recorded_before_it_is_shown(self):  # [U-9]
        self.assertEqual(self.events(*self.at(CITY))[-1], ("audit_read", "local"))
        self.kurzweg("audit", "--as", "DPO", "--reason", "yearly check", *self.at(CITY))
        reads = self.rows("--persons", "--event", "audit_read", *self.at(CITY))
        self.assertEqual((reads[-2]["as"], reads[-2]["reason"]), ("DPO", "yearly check"))

    def test_a_topic_may_demand_a_reason(self):  # [U-12]
        self.refuses("publish", "youth/x", "--text", "A name", *self.at(POLICE), code=REFUSED, says=["demands a reason", "youth/#", "--reason"])
        identity = self.publish("youth/x", "A name", "--reason", "case 7")
        self.refuses("inbox", identity, *self.at(CITY), code=REFUSED, says=["demands a reason", "youth/#"])
        shown = json.loads(self.kurzweg("inbox", "--json", *self.at(CITY)).stdout.splitlines()[-1])
        self.assertEqual(shown["mark"], "reason needed")
        self.assertNotIn("A name", json.dumps(shown))
        self.assertIn("A name", self.kurzweg("inbox", identity, "--reason", "case 7", *self.at(CITY)).stdout)
        self.assertEqual([r["event"] for r in self.rows("--id", identity, *self.at(CITY)) if r["event"] == "read"], ["read"])
        for node, what in (POLICE, "publish: EDENIED"), (CITY, "read: EDENIED"):
            self.assertEqual([r["detail"] for r in self.rows("--event", "refused", *self.at(node))], [what])

    def test_nothing_shows_a_headline_without_the_reason_that_is_demanded(self):  # [U-12]
        ask = ("--kind", "presence", "--subject", "Canary4711 waits", "--area", "Canary4711 street", "--purpose", "danger-prevention", "--reason", "case 7")
        identity = self.kurzweg("publish", "duty/x", *ask, "--wait", "stored", *self.at(POLICE)).stdout.strip()
        wait_until(lambda: self.kurzweg_json("case", "list", *self.at(CITY)), what="the case")
        for node, command, says in ((POLICE, ("trace", identity), "kurzweg sent --reason TEXT"), (POLICE, ("case", "list"), ""), (CITY, ("case", "list"), ""),
                                    (CITY, ("case", "show", identity), "kurzweg inbox ID --reason TEXT")):
            for form in (), ("--json",):
                shown = self.kurzweg(*command, *form, *self.at(node))
                self.assertIn("duty/x", shown.stdout, command)
                self.assertNotIn("Canary", shown.stdout + shown.stderr, command)
            self.assertIn("reason needed", shown.stdout)
            self.assertIn(says, self.kurzweg(*command, *self.at(node)).stdout)
        self.assertIn("Canary", self.kurzweg("inbox", identity, "--reason", "case 7", *self.at(CITY)).stdout)
        self.kurzweg("take", identity, *self.at(CITY))
        self.kurzweg("recall", identity, "--reason", "wrong street", *self.at(POLICE))  # then nothing is withheld any more, and no reason would show it
        for command in ("trace", identity), ("case", "show", identity):
            wait_until(lambda: self.kurzweg_json(*command, *self.at(POLICE))["mark"] == "", what=f"that {command} asks for no reason")

    def test_moves_and_their_refusals_are_recorded(self):
        self.kurzweg("publish", "request/noise/x", "--kind", "presence", "--subject", "Loud", "--purpose", "danger-prevention", *self.at(POLICE))
        case = wait_until(lambda: self.kurzweg_json("case", "list", *self.at(CITY)), what="the case")[0]["id"]
        self.kurzweg("take", case, "--as", "Duty officer 7", *self.at(CITY))
        self.kurzweg("done", case, "--outcome", "All quiet", *self.at(POLICE), code=REFUSED)
        taken, = [r for r in self.rows("--persons", "--id", case, *self.at(CITY)) if r["event"] == "taken"]
        self.assertEqual(taken["as"], "Duty officer 7")
        self.assertTrue(any(r["event"] == "refused" and r["detail"].startswith("done") for r in self.rows("--id", case, *self.at(POLICE))))

    def test_a_data_subject_is_found_in_the_inbox_of_a_node(self):  # [U-14]
        identity = self.publish("note/x", "Frau MÜLLER was seen at the bridge")
        self.publish("note/x", "Nobody was there")
        found = self.kurzweg_json("audit", "subject", "müller", "--reason", "request 12", *self.at(CITY))
        self.assertEqual([h["id"] for h in found["hits"]], [identity])
        self.assertNotIn("bridge", json.dumps(found))
        self.assertIn(identity, self.kurzweg("audit", "subject", "Bridge", *self.at(CITY)).stdout)
        self.assertIn("speaks of it", self.kurzweg("audit", "subject", "Schmidt", *self.at(CITY)).stderr)
        search = self.rows("--persons", "--event", "subject_search", *self.at(CITY))[0]
        self.assertEqual(search["reason"], '"müller": request 12')
        self.refuses("audit", "subject", "ab", *self.at(CITY), code=USAGE, says="must be 3 to 256")

    # offline

    def exported(self, name="bundle.json", *how, node=CITY):
        path = self.folder / name
        self.kurzweg("audit", "export", "--out", path, *how, *self.at(node))
        return path

    def changed(self, path, change, name="changed.json"):
        bundle = json.loads(path.read_text())
        change(bundle)
        out = self.folder / name
        out.write_text(json.dumps(bundle))
        return out

    def test_a_bundle_is_checked_with_public_keys_alone(self):  # [U-5] [U-10]
        identity = self.publish("note/x", "text", "--as", "Duty officer 3")
        self.kurzweg("inbox", identity, "--as", "Duty officer 7", "--reason", "r", *self.at(CITY))
        path = self.exported("bundle.json", "--persons")
        for node in self.nodes.values():
            node.stop()
        self.broker.stop()
        fingerprint = self.p.fingerprint_of(self.agreement)
        told = self.kurzweg_json("audit", "verify", path, "--fingerprint", fingerprint)
        self.assertEqual((told["owner"], told["first"], told["signed_to"]), (CITY, 1, told["last"]))
        self.assertGreaterEqual(told["opened"], 1)
        self.assertIn("Every hash, link and signature", self.kurzweg("audit", "verify", path).stdout)

        def says(change, *sentence):
            self.refuses("audit", "verify", self.changed(path, change), code=REFUSED, says=list(sentence))

        def reason(bundle):
            next(o for o in bundle["opened"].values() if o["reason"] == "r")["reason"] = "another"

        def another_key(bundle):
            bundle["key"] = self.p.lines[POLICE]

        says(lambda b: b["lines"].__setitem__(2, b["lines"][2].replace("local", "nobody")), "it was changed")
        says(lambda b: b["lines"].pop(2), "missing between")
        says(lambda b: b["lines"].insert(3, b["lines"][2]), "stand twice")
        says(lambda b: b["lines"].insert(3, b["lines"].pop(2)), "missing between")
        says(lambda b: b["lines"].pop(), "behind the last signed head")
        says(reason, "not what was sealed there")
        says(another_key, "police/control-room")
        says(lambda b: b["agreements"][0].__setitem__("signatures", ""), "agreements[0]")
        self.refuses("audit", "verify", path, "--fingerprint", "0000 0000 0000 0000", code=REFUSED, says="agreements[0]")

    def test_the_files_of_a_folder_are_checked_and_a_cut_tail_is_found_by_who_saw_it(self):
        earlier = self.exported()
        self.nodes[CITY].stop()
        folder = self.trail().parent
        self.assertEqual(self.kurzweg_json("audit", "verify", folder)["owner"], CITY)
        self.kurzweg("audit", "verify", folder, "--key", self.p.lines[CITY], "--seen", earlier)
        self.refuses("audit", "verify", folder, "--key", self.p.lines[POLICE], code=REFUSED, says=CITY)
        lines = self.trail().read_text().splitlines(keepends=True)
        cut = self.write("cut.audit", "".join(lines[:2]))
        self.kurzweg("audit", "verify", cut)  # by itself nobody can tell
        self.refuses("audit", "verify", cut, "--seen", earlier, code=REFUSED, says="it was cut off")
        self.assertIn("--seen", self.kurzweg("audit", "verify", cut).stderr)
        self.refuses("audit", "verify", self.folder / "nothing", says="nothing")
        self.refuses("audit", "verify", cut, "--seen", self.agreement, code=FAILED, says="neither what")

    # at the broker

    def test_the_broker_tells_what_operators_did_and_who_was_refused(self):
        identity = self.publish("note/x", "text")
        self.kurzweg("inbox", identity, *self.at(CITY))
        wait_until(lambda: any(r["event"] == "opened" for r in self.rows(*self.control)), what="the receipt in the log")
        rows = self.rows("--reason", "check", *self.operator())
        sent, = [r for r in rows if r.get("object") == identity]
        self.assertEqual((sent["event"], sent["actor"], sent["to"]), ("notice", POLICE, CITY))
        self.assertTrue(any(r["event"] == "opened" and r["actor"] == CITY for r in rows))
        self.kurzweg("broker", "headers", *self.operator())
        self.assertTrue(any(r["event"] == "audit_read" and r.get("detail") == "check" for r in self.rows(*self.operator())))
        events = self.events(*self.operator())
        for wanted in ("begin", "daemon"), ("agreement", "broker"), ("audit_read", "operator/control"), ("audit_read", "operator/night-desk"), ("headers_read", "operator/night-desk"):
            self.assertIn(wanted, events)
        shown = self.kurzweg("audit", *self.control).stdout  # the key that signs, as people compare it; whole for programs
        self.assertRegex(shown, rf"(?m)^\S+ +begin +daemon +musterstadt +key {self.fingerprint()}$")
        self.assertIn(self.p.lines["haus"], [r.get("detail") for r in self.rows(*self.control)])
        self.kurzweg("broker", "stop", *self.control)
        self.assertEqual(self.broker.stop(), 0)
        self.broker.start().wait_for("broker.ready", times=2)
        self.assertLessEqual({"stop_asked", "stop"}, {event for event, _ in self.events(*self.control)})
        self.refuses("audit", *self.control, *self.at(CITY), code=USAGE, says="give one")

    def broker_bundle(self, name="broker.json"):
        path = self.folder / name
        self.kurzweg("audit", "export", "--out", path, "--agreement", self.agreement, *self.control)
        return path

    def test_a_trail_that_somebody_changed_is_set_aside_told_and_keeps_no_daemon_from_starting(self):  # [U-15]
        for daemon, folder, ask in ((self.broker, "broker", self.control), (self.nodes[CITY], CITY.replace("/", "-"), self.at(CITY))):
            self.assertEqual(daemon.stop(), 0)
            path = self.folder / folder / "audit" / f"{YEAR}.audit"
            held = path.read_text()
            path.write_text(held.replace('"actor":"daemon"', '"actor":"nobody"', 1))
            daemon.start().wait_for("partner.ready" if daemon is self.nodes[CITY] else "broker.ready", times=2)
            aside = path.with_name(path.name + ".damaged-1")
            self.assertEqual(aside.read_text(), held.replace('"actor":"daemon"', '"actor":"nobody"', 1))
            told, = [r for r in self.rows("--event", "damaged", *ask)]
            self.assertEqual(told["object"], aside.name)
            self.assertIn("its hash is not that of what stands there", told["detail"])
            self.assertIn(aside.name, plain(self.kurzweg("status", *ask).stdout))
            out = self.folder / f"{folder}.json"
            agreement = ("--agreement", self.agreement) if daemon is self.broker else ()
            self.kurzweg("audit", "export", "--out", out, *ask, *agreement)
            self.assertIn("is not proven by this", plain(self.kurzweg("audit", "verify", out).stdout))
            self.assertIn(aside.name, plain(self.kurzweg("audit", "verify", path.parent, code=REFUSED).stderr))
            aside.unlink()
            self.assertEqual(daemon.stop(), 0)
            daemon.start().wait_for("partner.ready" if daemon is self.nodes[CITY] else "broker.ready", times=3)
            self.assertNotIn(aside.name, plain(self.kurzweg("status", *ask).stdout))
        self.assertIn("audit.trouble", self.broker.text())

    def test_what_is_refused_to_operators_and_nodes_out_of_turn_and_readings_of_the_configuration_stand_there(self):  # [U-13]
        port = int(self.p.endpoint.rpartition(":")[2])
        broker = strangers.Key(self.p.key("haus")).public
        desk = strangers.Raw(port, broker, strangers.Key(self.p.key("night-desk")))
        self.addCleanup(desk.close)
        desk.send(strangers.admin(ADMIN_STOP))
        self.assertIn(b"control socket", desk.receive()[0])
        node = strangers.Raw(port, broker, strangers.Key(self.p.key(POLICE)))
        self.addCleanup(node.close)
        node.send(strangers.hello(bytes(32)))
        node.send(strangers.admin(1))
        wait_until(lambda: {("refused", "operator/night-desk"), ("refused", POLICE)} <= set(self.events(*self.control)), what="both in the audit")
        self.broker.process.send_signal(signal.SIGHUP)
        self.broker.wait_for("config.reloaded")
        self.assertIn(("reload", "broker"), self.events(*self.control))
        self.nodes[CITY].process.send_signal(signal.SIGHUP)
        self.nodes[CITY].wait_for("config.reloaded")
        wait_until(lambda: ("reload", "daemon") in self.events(*self.at(CITY)), what="the node's reading in its audit")
        self.kurzweg("audit", *self.control)
        read = [r for r in self.rows("--event", "headers_read", *self.control)][-1]
        self.assertRegex(read["detail"], r"^(flash|urgent|routine), \d{4}-")

    def test_the_brokers_log_is_compared_with_what_nodes_have_seen(self):
        for text in "one", "two", "three":
            self.publish("note/x", text)
        seen = self.folder / "seen.json"
        self.kurzweg("audit", "seen", "--out", seen, *self.at(CITY))
        path = self.broker_bundle()
        told = self.kurzweg_json("audit", "verify", path, "--seen", seen)
        self.assertGreater(told["commits"]["seen"], 2)
        self.assertEqual(told["owner"], "haus")

        def says(change, sentence, *more):
            self.refuses("audit", "verify", self.changed(path, change), *more, code=REFUSED, says=sentence)

        def swap(bundle):
            c = bundle["commits"]
            c[1], c[2] = c[2], c[1]

        def rewritten(bundle):  # a hash in a record's place passes by itself where nothing signed stands behind it
            last = bundle["commits"][-1]
            last[1] = "00" * 32

        def flip(bundle):
            c = bundle["commits"][1]
            c[1] = c[1][:40] + ("0" if c[1][40] != "0" else "1") + c[1][41:]

        says(swap, "another order")
        says(flip, "not signed by a broker")
        says(lambda b: b["commits"].insert(1, b["commits"][0]), "stand twice")
        says(lambda b: b["commits"].pop(), "it was cut off", "--seen", seen)
        says(rewritten, "the log was rewritten", "--seen", seen)
        self.kurzweg("audit", "verify", self.changed(path, lambda b: b["commits"].pop()))  # by itself nobody can tell

    def test_the_audit_is_a_table_that_fits_eighty_columns_in_both_languages(self):
        self.publish("note/x", "text", "--as", "Duty officer 3", "--reason", "a reason of some length that does not fit into what is left of the line")
        for env, head in ({}, "on, to, why"), ({"LANGUAGE": "de", "LC_ALL": "C.UTF-8", "LANG": "de_DE.UTF-8"}, None):
            shown = self.terminal("audit", "--persons", *self.at(POLICE), columns=80, **env)
            self.assertEqual(shown.end(), 0, shown.text())
            lines = plain(shown.text()).splitlines()
            self.assertLessEqual(max(map(len, lines)), 80)
            if head:
                self.assertIn(head, lines[0])


if __name__ == "__main__":
    kurzweg_test.main()
