"""Cases with the real programs: whose move it is, and that everybody is told the same ([N-11], [N-12], [N-13], [N-14])."""

import json
import signal

import kurzweg_test
from kurzweg_test import DONE, REFUSED, USAGE, Partnership, free_ports, wait_until

POLICE, ORDER, PREVENTION, YOUTH = "police/control-room", "city/public-order", "city/crime-prevention", "youth-house/office"
NOISE = "request/noise/mitte"

TOPICS = """\
  - {filter: "alert/joint/#", schema: alert, purpose: danger-prevention, publish: [police, city], receive: [police, city, civil],
     lane: flash, deliver_within: 2s, acknowledge: {by: [police, city, civil], within: 3s}, keep: {content: 14d, proof: 2y}}
  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police, city], receive: [police, city, civil],
     lane: flash, keep: {content: 14d, proof: 2y}}
  - filter: "request/noise/#"
    schema: request
    publish: ["*"]
    receive: [police, city]
    responsible:
      - {who: city/public-order, take_within: %s}
      - {who: police/control-room, take_within: %s}
  - {filter: "request/street/#", schema: request, purpose: danger-prevention, publish: [police], receive: [police, city], onward: [civil],
     responsible: [{who: city/public-order, take_within: 10m}]}
  - {filter: "request/help/#", schema: request, publish: [police, city, civil], receive: [police, city, civil], purpose: danger-prevention}
"""


class CaseTest(kurzweg_test.TestCase):
    """A partnership with a line, and what its nodes say of a case."""

    def partnership(self, first="10m", second="10m", last="15m", handlers=None, **more):
        self.p = p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", topics=TOPICS % (first, second), **more)
        p.more = f"coordinator_within: {last}\n"
        p.agreement()
        self.broker = p.broker()
        self.nodes = {node: p.node(node, more=(handlers or {}).get(node, "")) for node in p.nodes}
        return p

    def handler(self, name, script, cases="turns"):
        path = self.write(name, f"#!/bin/sh\n{script}", mode=0o755)
        return f'handlers:\n  - {{topic: "request/#", run: ["{path}"], cases: {cases}}}\n'

    def at(self, node, *args, **more):
        return self.kurzweg(*args, "--socket", self.p.socket(node), **more)

    def request(self, node=YOUTH, topic=NOISE, *more):
        return self.at(node, "publish", topic, "--kind", "presence", "--subject", "Loud music at the river", "--text", "since ten", "--purpose", "danger-prevention",
                       "--lifetime", "6h", "--wait", "stored", *more).stdout.strip()

    def inbox(self, node, *args):
        return [json.loads(line) for line in self.at(node, "inbox", *args, "--json").stdout.splitlines()]

    def case(self, node, id):
        done = self.at(node, "case", "show", id, "--json", code=None)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def stands(self, node, id, **wanted):
        """Waits until the node's own fold says so."""

        def there():
            got = self.case(node, id)
            return got if all(got.get(k) == v for k, v in wanted.items()) else None

        try:
            return wait_until(there, what=f"{wanted} at {node}")
        except AssertionError:
            raise AssertionError(f"{wanted} at {node}, but: {self.case(node, id)}\n{self.nodes[node].text()[-3000:]}")

    def everywhere(self, id, nodes=(YOUTH, ORDER, POLICE, PREVENTION), **wanted):
        for node in nodes:
            got = self.stands(node, id, **wanted)
            self.assertFalse(got["parted"] or got["believed"], got)
            self.assertEqual(got["waits"], "")


class Cases(CaseTest):
    def test_a_request_is_offered_taken_and_done_and_all_agree(self):
        self.partnership()
        id = self.request()
        self.everywhere(id, state="offered", owner=ORDER)
        self.assertTrue(self.case(ORDER, id)["your_turn"])
        self.assertEqual(self.case(ORDER, id)["can"], ["take", "decline"])
        self.assertNotIn("1970", self.at(ORDER, "inbox").stdout)
        self.assertIn("\"99\" is no case", self.at(YOUTH, "take", "99", code=USAGE).stderr)
        number = next(r["seq"] for r in self.inbox(ORDER) if r["id"] == id)
        self.assertEqual(self.case(ORDER, str(number))["id"], id)
        statement = next(r["seq"] for r in self.inbox(ORDER) if r["type"] == "case")
        self.assertEqual(self.case(ORDER, str(statement))["id"], id)
        self.assertEqual(self.case(ORDER, id[-8:-4])["id"], id, "the beginning of what a list shows")
        self.at(ORDER, "take", str(number), "--as", "Duty officer 3")
        self.everywhere(id, state="taken", owner=ORDER)
        second = self.at(POLICE, "take", id, code=REFUSED)
        self.assertIn(f"{ORDER} has taken this case", second.stderr)
        self.assertIn("It is so already", self.at(ORDER, "take", id).stderr)
        self.at(ORDER, "done", id, "--outcome", "turned down")
        self.everywhere(id, state="done", owner=ORDER)
        log = [e.get("move") or e["cause"] for e in self.case(YOUTH, id)["entries"]]
        self.assertEqual(log, ["opened", "take", "moved", "done", "moved"])
        moves = [e for e in self.case(YOUTH, id)["entries"] if "move" in e]
        self.assertEqual((moves[0]["as"], moves[1]["text"]), ("Duty officer 3", "turned down"))
        self.assertIn("is closed (done)", self.at(POLICE, "take", id, code=REFUSED).stderr)
        self.at(YOUTH, "reopen", id, "--note", "it began again")
        self.everywhere(id, state="offered", owner=ORDER)

    def test_declined_goes_to_the_next_and_a_hand_over_counts_when_it_is_taken(self):
        self.partnership()
        id = self.request()
        self.stands(ORDER, id, state="offered", owner=ORDER)
        self.assertIn("--reason", self.at(ORDER, "decline", id, code=USAGE).stderr)
        self.at(ORDER, "decline", id, "--reason", "nobody here at night")
        self.everywhere(id, state="offered", owner=POLICE)
        self.at(POLICE, "take", id)
        self.assertIn("its own owner", self.at(POLICE, "hand-over", id, "--to", POLICE, code=REFUSED).stderr)
        self.assertIn("cannot read it", self.at(POLICE, "hand-over", id, "--to", "police/nobody", code=REFUSED).stderr)
        self.at(POLICE, "hand-over", id, "--to", PREVENTION, "--note", "yours in the morning")
        self.everywhere(id, state="taken", owner=POLICE, next=PREVENTION)
        self.at(PREVENTION, "take", id)
        self.everywhere(id, state="taken", owner=PREVENTION, next="")
        self.assertIn("gave it away before", self.at(PREVENTION, "hand-over", id, "--to", POLICE, code=REFUSED).stderr)
        self.at(PREVENTION, "return", id, "--note", "not ours")
        self.everywhere(id, state="offered", owner=POLICE)

    def test_what_nobody_takes_climbs_to_the_coordinator_who_is_reminded(self):
        self.partnership(first="1s", second="1s", last="1s")
        id = self.request()
        self.everywhere(id, state="escalated", owner=PREVENTION)
        causes = [e["cause"] for e in self.case(YOUTH, id)["entries"]]
        self.assertEqual(causes[:3], ["opened", "timeout", "timeout"])
        for node in (PREVENTION, YOUTH):
            wait_until(lambda: self.case(node, id)["alarms"] >= 1, 90, "the coordinator's reminder")
            status = json.loads(self.at(node, "status", "--json").stdout)
            self.assertIn("case_overdue", [a["code"] for a in status["alarms"]])
        told = [r["case"]["cause"] for r in self.inbox(YOUTH) if r["type"] == "case"]
        self.assertEqual(told.count("alarm"), 1, told)
        self.at(PREVENTION, "take", id)
        self.everywhere(id, state="taken", owner=PREVENTION)
        wait_until(lambda: json.loads(self.at(PREVENTION, "status", "--json").stdout)["cases"] == {"open": 1, "mine": 1, "overdue": 0}, what="no case is overdue")

    def test_a_node_that_was_away_or_killed_comes_to_the_same_state(self):
        self.partnership()
        id = self.request()
        self.everywhere(id, state="offered", owner=ORDER)
        self.nodes[PREVENTION].kill()
        self.at(ORDER, "take", id)
        self.nodes[ORDER].kill()
        self.nodes[ORDER].start()
        wait_until(lambda: self.at(ORDER, "done", id, "--outcome", "quiet again", "--timeout", "60s", code=None).returncode == DONE, what="the node is there again")
        self.nodes[PREVENTION].start()
        self.nodes[PREVENTION].wait_for("partner.ready", 2)
        self.everywhere(id, state="done", owner=ORDER)

    def test_on_a_topic_without_a_line_every_reader_may_take_and_the_second_hears_who_was_first(self):
        self.partnership()
        id = self.request(YOUTH, "request/help/west", "--take-within", "10m")
        self.stands(PREVENTION, id, state="offered", owner=PREVENTION)
        self.at(POLICE, "take", id)
        self.stands(POLICE, id, state="taken", owner=POLICE)
        self.assertIn(f"{POLICE} has taken this case", self.at(ORDER, "take", id, code=REFUSED).stderr)
        self.assertIn("take it, and you hear it if somebody was first", self.at(ORDER, "case", "show", id).stdout)
        self.at(POLICE, "note", id, "Which house is it?")
        rows = wait_until(lambda: [r for r in self.inbox(YOUTH) if r["type"] == "note"], what="the note")
        self.assertEqual(rows[0]["about"], id)

    def test_who_has_read_it_has_not_taken_it(self):
        self.partnership()
        id = self.request()
        self.stands(ORDER, id, state="offered", owner=ORDER)
        self.at(ORDER, "inbox", id, "--as", "Duty officer 3")
        wait_until(lambda: self.kurzweg_json("trace", id, "--socket", self.p.socket(YOUTH))["opened"], what="that the sender hears it was opened")
        self.everywhere(id, state="offered", owner=ORDER)
        self.assertFalse([e for e in self.case(YOUTH, id)["entries"] if "move" in e])
        self.at(ORDER, "decline", id, "--reason", "not ours")
        self.everywhere(id, state="offered", owner=POLICE)

    def test_receipts_in_four_stages_are_checked_with_public_keys_alone(self):
        """[B-1] [B-2] [B-3] [B-4] [N-16]"""
        p = self.partnership()
        id = self.request()
        row = wait_until(lambda: [r for r in self.inbox(ORDER) if r["type"] == "request"], what="the request")[0]
        self.at(ORDER, "inbox", row["seq"], "--as", "Duty officer 3")
        self.at(ORDER, "inbox", row["seq"])
        self.at(ORDER, "take", id, "--as", "Duty officer 3")
        self.everywhere(id, state="taken", owner=ORDER)

        def trace():
            got = self.kurzweg_json("trace", id, "--socket", p.socket(YOUTH))
            return got if len(got["delivered"]) == 3 and got["opened"] else None

        self.assertEqual([o["node"] for o in wait_until(trace, what="delivered to three, opened by one")["opened"]], [ORDER])
        bundle = self.folder / "bundle.json"
        self.at(YOUTH, "receipt", "export", id, "--out", bundle)
        got = self.kurzweg_json("receipt", "verify", bundle, "--fingerprint", p.fingerprint_of(self.folder / "agreement.yaml"))
        self.assertEqual((got["id"], got["sender"], got["stored"]["lane"]), (id, YOUTH, "urgent"))
        stages = sorted((r["type"], r["by"]) for r in got["receipts"])
        self.assertEqual(stages, sorted([("delivered", ORDER), ("delivered", POLICE), ("delivered", PREVENTION), ("opened", ORDER), ("taken", ORDER)]))
        self.assertEqual({r["as"] for r in got["receipts"] if r["type"] in ("opened", "taken")}, {"Duty officer 3"})
        self.assertEqual([s["state"] for s in got["statements"]], ["offered", "taken"])
        self.assertIn("Every signature", self.kurzweg("receipt", "verify", bundle).stdout)
        self.assertIn("fingerprint", self.kurzweg("receipt", "verify", bundle, "--fingerprint", "AAAA BBBB", code=REFUSED).stderr)
        self.tampered(json.loads(bundle.read_text()))

    def tampered(self, whole):
        """Each piece changed, or taken from elsewhere, is found."""

        def turned(text):
            return ("B" if text[30] == "A" else "A").join([text[:30], text[31:]])

        def changed(path, what):
            copy = json.loads(json.dumps(whole))
            at = copy
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = what(at[path[-1]])
            return copy

        full = next(i for i, r in enumerate(whole["receipts"]) if "body" in r)
        for path, what in [(("notification", "head"), turned), (("stored", "commit"), turned), (("stored", "number"), lambda n: n + 1), (("stored", "index"), lambda n: n + 1),
                           (("receipts", full, "head"), turned), (("receipts", full, "body"), turned), (("receipts", full, "key"), turned), (("statements", 0), turned),
                           (("agreements", 0, "text"), lambda t: t.replace("take_within: 10m", "take_within: 11m", 1)), (("agreements", 0, "signatures"), lambda t: t.split("\n")[0]),
                           (("receipts", full, "head"), lambda _: whole["notification"]["head"]), (("form",), lambda _: "other")]:
            file = self.write("changed.json", json.dumps(changed(path, what)))
            self.refuses("receipt", "verify", file, says=str(file), code=REFUSED)

    def test_who_has_not_got_it_and_who_has_not_answered_is_told(self):
        """[B-5] [B-6]"""
        p = self.partnership()
        self.nodes[YOUTH].stop()
        id = self.at(POLICE, "publish", "alert/joint/mitte", "--headline", "Gas in the old town", "--severity", "severe", "--area", "Mitte", "--lifetime", "2h",
                     "--wait", "stored").stdout.strip()

        def alarms(node):
            return {a["code"]: a["text"] for a in json.loads(self.at(node, "status", "--json").stdout)["alarms"]}

        def answers():
            got = self.kurzweg_json("trace", id, "--socket", p.socket(POLICE))["acknowledge"]
            return sorted((a["partner"], a["node"], a["how"]) for a in got["answered"]), got["missing"]

        undelivered = wait_until(lambda: alarms(POLICE).get("undelivered"), what="the alarm")
        self.assertIn(f"{id}) has not reached {YOUTH} within 2 s", undelivered)
        unanswered = wait_until(lambda: alarms(POLICE).get("unanswered"), what="the alarm")
        self.assertIn("has not been answered by city, youth-house within 3 s", unanswered)
        notes = wait_until(lambda: (n := [r for r in self.inbox(PREVENTION) if r["type"] == "note"]) and len(n) == 2 and n, what="both notes to the coordinator")
        self.assertEqual({n["about"] for n in notes}, {id})
        self.assertIn("hat youth-house/office nicht innerhalb von 2 s erreicht", self.at(PREVENTION, "inbox", notes[0]["seq"]).stdout.replace("\n", " "))
        self.assertEqual([r for r in self.inbox(ORDER) if r["type"] == "note"], [])
        self.nodes[POLICE].stop()
        self.nodes[POLICE].start()  # both are told once, also across a restart
        self.nodes[YOUTH].start()
        self.at(ORDER, "inbox", id)
        wait_until(lambda: answers() == ([("city", ORDER, "opened")], ["youth-house"]), what="the city has answered")
        wait_until(lambda: self.at(YOUTH, "inbox", id, code=None).returncode == DONE, what="it is there")
        wait_until(lambda: answers() == ([("city", ORDER, "opened"), ("youth-house", YOUTH, "opened")], []), what="all have answered")
        self.assertIn("2 of 2 partners have answered", self.at(POLICE, "trace", id).stdout)
        self.assertEqual(len([r for r in self.inbox(PREVENTION) if r["type"] == "note"]), 2)
        self.assertEqual(alarms(POLICE).keys() & {"undelivered", "unanswered"}, set())

    def test_the_alarms_of_what_is_late_end_when_it_is_not(self):
        """[B-5] [B-6]"""
        self.partnership()
        self.nodes[YOUTH].stop()
        id = self.at(POLICE, "publish", "alert/joint/mitte", "--headline", "Gas in the old town", "--severity", "severe", "--area", "Mitte", "--lifetime", "2h",
                     "--wait", "stored").stdout.strip()

        def alarms():
            return {a["code"] for a in json.loads(self.at(POLICE, "status", "--json").stdout)["alarms"]} & {"undelivered", "unanswered"}

        wait_until(lambda: alarms() == {"undelivered", "unanswered"}, what="both alarms")
        self.nodes[YOUTH].start()
        wait_until(lambda: alarms() == {"unanswered"}, what="it is delivered to all")
        for node in (ORDER, YOUTH):
            self.at(node, "inbox", id)
        wait_until(lambda: alarms() == set(), what="all have answered")

    def test_the_owner_forwards_only_where_the_agreement_allows_it_and_a_recall_follows(self):
        """[N-17] [A-9]"""
        p = self.partnership()
        noise = self.request(PREVENTION)
        self.everywhere(noise, nodes=(ORDER,), state="offered", owner=ORDER)
        self.at(ORDER, "take", noise)
        self.stands(ORDER, noise, state="taken", owner=ORDER)
        self.assertIn("\"onward\" does not name it", self.at(ORDER, "forward", noise, "--to", YOUTH, code=REFUSED).stderr)
        kept = self.request(POLICE, "request/street/east", "--onward", "Forbidden")
        self.stands(ORDER, kept, state="offered", owner=ORDER)
        self.assertIn("onward: Forbidden", self.at(ORDER, "forward", kept, "--to", YOUTH, code=REFUSED).stderr)
        id = self.request(POLICE, "request/street/west")
        self.stands(ORDER, id, state="offered", owner=ORDER)
        self.at(ORDER, "take", id)
        for node in (ORDER, POLICE):
            self.stands(node, id, state="taken", owner=ORDER)
        self.assertIn(f"that is {ORDER}", self.at(POLICE, "forward", id, "--to", YOUTH, code=REFUSED).stderr)
        self.assertIn("hand the case over instead", self.at(ORDER, "forward", id, "--to", PREVENTION, code=REFUSED).stderr)
        self.assertIn("is no node", self.at(ORDER, "forward", id, "--to", "youth-house/nobody", code=REFUSED).stderr)
        self.assertEqual(self.inbox(YOUTH), [])
        self.at(ORDER, "forward", id, "--to", YOUTH, "--note", "they know the group")

        def of_type(node, kind):
            return [r for r in self.inbox(node) if r["type"] == kind]

        for node in (YOUTH, PREVENTION):  # the coordinator sees that it went on, and what
            row = wait_until(lambda: of_type(node, "forwarded"), what=f"the forward at {node}")[0]
            self.assertEqual((row["about"], row["sender"], row["headline"]), (id, ORDER, "Loud music at the river"))
        for node in (POLICE, YOUTH):
            note = wait_until(lambda: of_type(node, "note"), what=f"the note at {node}")[0]
            self.assertIn(f"weitergeleitet an {YOUTH}: they know the group", self.at(node, "inbox", note["seq"]).stdout.replace("\n", " "))
        forward = of_type(YOUTH, "forwarded")[0]["id"]
        self.at(POLICE, "recall", id, "--reason", "wrong street")
        for node in (YOUTH, PREVENTION):
            wait_until(lambda: (r := self.kurzweg_json("inbox", forward, "--socket", p.socket(node)))["bare"] and r["mark"] == "recalled", what=f"it is gone at {node}")
        wait_until(lambda: self.kurzweg("recall-status", forward, "--socket", p.socket(ORDER), code=None).stdout.count("has deleted it") == 2, what="all have confirmed")

    def test_a_handler_declines_for_one_node_and_takes_for_the_next(self):
        """[N-15]"""
        log = self.folder / "seen"
        seen = f'echo "$KURZWEG_TYPE $KURZWEG_CASE_STATE $KURZWEG_CASE_OWNER" >> {log}\n'
        self.partnership(handlers={
            ORDER: self.handler("declines", "echo the office is closed >&2; exit 11\n"),
            POLICE: self.handler("takes", seen + '[ "$KURZWEG_TYPE" = case ] && exit 10\nexit 0\n')})
        id = self.request()
        self.everywhere(id, state="taken", owner=POLICE)
        self.assertEqual(log.read_text().splitlines(), ["request  ", f"case offered {POLICE}"])
        moves = [(e["move"], e["by"], e["text"]) for e in self.case(YOUTH, id)["entries"] if "move" in e]
        self.assertEqual(moves, [("decline", ORDER, "the office is closed"), ("take", POLICE, "")])

    def test_a_move_waits_in_the_outbox_while_the_broker_is_away(self):
        self.partnership()
        id = self.request()
        self.stands(ORDER, id, state="offered", owner=ORDER)
        self.broker.stop()
        said = self.at(ORDER, "take", id, "--timeout", "1s", code=kurzweg_test.SILENT).stderr
        self.assertIn("goes on by itself", said)
        self.broker.start()
        self.everywhere(id, state="taken", owner=ORDER)

    def test_who_was_away_gets_the_correction_with_its_original(self):
        """[D-13]"""
        seen = self.folder / "seen"
        path = self.write("writes", f'#!/bin/sh\ncat > /dev/null\necho "$KURZWEG_TYPE ${{KURZWEG_SUPERSEDED:-0}}" >> {seen}\n', mode=0o755)
        p = self.partnership(handlers={YOUTH: f'handlers:\n  - {{topic: "alert/#", run: ["{path}"]}}\n'})
        self.nodes[YOUTH].wait_for("link.up")
        self.nodes[YOUTH].stop()

        def publish(headline, *more):
            return self.at(POLICE, "publish", "alert/police/mitte", "--headline", headline, "--severity", "minor", "--area", "Mitte", "--lifetime", "2h", "--wait", "stored",
                           *more).stdout.strip()

        first, second, third = publish("first"), publish("second"), publish("third")
        for n in range(40):  # more than comes in one turn
            publish(f"between {n}")
        publish("second, corrected", "--update", second)
        publish("third, cancelled", "--cancel", third)
        self.at(POLICE, "recall", first, "--reason", "wrong")
        self.nodes[YOUTH].start()
        wait_until(lambda: seen.exists() and len(seen.read_text().splitlines()) == 44, what="all that is to be handled")
        told = seen.read_text().splitlines()
        self.assertEqual(told.count("notice 1"), 1, told)  # the second, with its mark; neither the third nor the first
        self.assertEqual((told.count("notice 0"), told.count("update 0"), told.count("cancel 0"), told.count("recall 0")), (40, 1, 1, 1), told)

    def test_recalled_content_is_gone_everywhere_and_confirmed(self):
        """[K-6]"""
        p = self.partnership()
        id = self.at(POLICE, "publish", "alert/police/mitte", "--headline", "Canary4711 escaped", "--severity", "minor", "--area", "Mitte", "--lifetime", "2h",
                     "--wait", "delivered").stdout.strip()
        self.assertIn("only the first sender", self.at(ORDER, "recall", id, "--reason", "wrong", code=REFUSED).stderr)
        self.at(POLICE, "recall", id, "--reason", "the wrong person was named")

        def gone(node):
            row = self.kurzweg_json("inbox", id, "--socket", p.socket(node))
            return row["bare"] and row["mark"] == "recalled" and row["headline"] == ""

        for node in (ORDER, PREVENTION, YOUTH):
            wait_until(lambda: gone(node), what=f"the content is gone at {node}")
        wait_until(lambda: "not confirmed" not in self.at(POLICE, "recall-status", id).stdout, what="all have confirmed")
        self.assertEqual(self.at(POLICE, "recall-status", id).stdout.count("has deleted it"), 3)
        self.assertIn("has not recalled", self.at(ORDER, "recall-status", id, code=REFUSED).stderr)
        for node in p.nodes:
            self.nodes[node].stop(signal.SIGTERM)
        for path in self.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"Canary4711", path.read_bytes(), path)

    def test_what_was_recalled_while_a_reader_was_away_is_gone_there_too(self):
        """One had it and was away when it was recalled; one was away all the while and never shows it."""
        p = self.partnership()
        self.nodes[YOUTH].stop()
        id = self.at(POLICE, "publish", "alert/police/mitte", "--headline", "Canary4712 escaped", "--severity", "minor", "--area", "Mitte", "--lifetime", "2h",
                     "--wait", "stored").stdout.strip()
        wait_until(lambda: [r for r in self.inbox(ORDER) if r["id"] == id and r["headline"]], what="the alert")
        self.nodes[ORDER].stop()
        self.at(POLICE, "recall", id, "--reason", "the wrong person was named")
        self.broker.stop()  # nor does it depend on what the broker remembers
        self.broker.start()
        for node in (ORDER, YOUTH):
            self.assertRegex(self.at(POLICE, "recall-status", id).stdout, rf"(?m)^{node} +.*not confirmed")
        for node in (ORDER, YOUTH):
            self.nodes[node].start()

        def gone(node):
            rows = [r for r in self.inbox(node) if r["id"] == id]
            return rows and rows[0]["bare"] and rows[0]["mark"] == "recalled" and rows[0]["headline"] == ""

        for node in (ORDER, YOUTH):
            wait_until(lambda: gone(node), what=f"the content is gone at {node}")
        wait_until(lambda: "not confirmed" not in self.at(POLICE, "recall-status", id).stdout, what="all have confirmed")
        for node in (ORDER, YOUTH):
            self.nodes[node].stop(signal.SIGTERM)
            for path in (self.folder / node.replace("/", "-")).rglob("*"):
                self.assertNotIn(b"Canary4712", path.read_bytes() if path.is_file() else b"", path)


if __name__ == "__main__":
    kurzweg_test.main()
