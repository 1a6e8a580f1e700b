"""Joint release with the real programs ([R-1] to [R-12]): nobody gets a statement before all have approved exactly this text."""

import datetime
import json
import signal

import kurzweg_test
from kurzweg_test import DONE, REFUSED, USAGE, Partnership, free_ports, wait_until

FIRE, POLICE, ORDER, PREVENTION, YOUTH = "fire/station", "police/control-room", "city/public-order", "city/crime-prevention", "youth-house/office"
NODES = {FIRE: "fire", POLICE: "police", ORDER: "city", PREVENTION: "city", YOUTH: "civil"}
TOPIC = "statement/flood"
TOPICS = """\
  - {filter: "statement/#", schema: statement, purpose: danger-prevention, publish: [fire, police], receive: [fire, police, city, civil],
     release: {approve: [police, city]}}
  - {filter: "note/#", schema: note, publish: [fire], receive: [police]}
"""


def statement(text, **more):
    return json.dumps({"issuer": "fire department", "text": [{"language": "de", "headline": "Hochwasser", "body": text}], **more})


class Release(kurzweg_test.TestCase):
    def partnership(self, topics=TOPICS, more=None):
        self.p = p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", nodes=NODES, topics=topics)
        p.agreement()
        self.broker = p.broker()
        self.nodes = {node: p.node(node, subscribe=["note/#"] if node == ORDER else ["#"], more=(more or {}).get(node, "")) for node in p.nodes}
        return p

    def at(self, node, *args, **more):
        return self.kurzweg(*args, "--socket", self.p.socket(node), **more)

    def draft(self, text, *more, node=FIRE, content=None):
        return self.at(node, "publish", TOPIC, "--json", "-", "--wait", "stored", *more, stdin=content or statement(text)).stdout.strip()

    def inbox(self, node, *args):
        return [json.loads(line) for line in self.at(node, "inbox", *args, "--json").stdout.splitlines()]

    def drafts(self, node):
        return {d["id"]: d for d in json.loads(self.at(node, "release", "list", "--all", "--json").stdout)["drafts"]}

    def stands(self, node, id, **wanted):
        def there():
            got = self.drafts(node).get(id, {})
            return got if all(got.get(k) == v for k, v in wanted.items()) else None

        return wait_until(there, what=f"{wanted} at {node} for {id}")

    def arrived(self, node, id):
        return wait_until(lambda: next((r for r in self.inbox(node) if r["id"] == id), None), what=f"{id} at {node}")

    def nobody_else_has(self, *ids, nodes=(YOUTH,)):
        """Neither in an inbox nor in any file of theirs: the broker never had a wrap for them."""
        for node in nodes:
            self.assertEqual([r for r in self.inbox(node) if r["topic"] == TOPIC and not r["rejected"]], [])
            for id in ids:
                for file in (self.p.folder / node.replace("/", "-")).rglob("*"):
                    if file.is_file():
                        self.assertNotIn(bytes.fromhex(id.replace("-", "")), file.read_bytes(), f"{id} in {file}")

    def alarms(self, node):
        return {a["code"]: a["text"] for a in json.loads(self.at(node, "status", "--json").stdout)["alarms"]}

    def test_all_approve_the_same_text_and_then_everybody_reads_it_once(self):
        self.partnership()
        id = self.draft("Der Pegel steigt.")
        asked = {node: self.stands(node, id, state="open") for node in (FIRE, POLICE, ORDER, PREVENTION)}
        self.assertEqual(len({d["text_hash"] for d in asked.values()}), 1)
        self.assertEqual([asked[n]["your_turn"] for n in (FIRE, POLICE, ORDER, PREVENTION)], [False, True, True, True])
        self.assertEqual((asked[FIRE]["mine"], asked[FIRE]["missing"]), (True, ["city", "police"]))
        row = self.arrived(ORDER, id)  # which subscribed to nothing of the kind
        self.assertEqual((row["type"], row["text_hash"]), ("draft", asked[FIRE]["text_hash"]))
        self.assertIn(row["text_hash"], self.at(ORDER, "inbox", str(row["seq"])).stdout)

        self.at(POLICE, "approve", id[-8:], "--as", "Press office", "--text", row["text_hash"])
        self.assertIn("said so before", self.at(POLICE, "approve", id).stderr)
        self.stands(FIRE, id, missing=["city"])
        self.stands(ORDER, id, missing=["city"], your_turn=True)
        self.assertIn("is this partner's own", self.at(FIRE, "approve", id, code=REFUSED).stderr)
        self.nobody_else_has(id)

        self.at(ORDER, "approve", id)
        released = self.stands(FIRE, id, state="released")["released_as"]
        for node in (POLICE, ORDER, PREVENTION, YOUTH):
            got = self.arrived(node, released)
            self.assertEqual((got["type"], got["about"], got["rejected"]), ("released", id, False))
            self.assertEqual({a["node"]: a["as"] for a in got["approved_by"]}, {POLICE: "Press office", ORDER: ""})
            self.assertEqual(got["text_hash"], row["text_hash"])
        self.assertEqual(got["content"]["text"][0]["body"], "Der Pegel steigt.")
        self.assertIn(POLICE, self.at(YOUTH, "inbox", str(got["seq"])).stdout)
        self.stands(PREVENTION, id, state="released")
        self.assertIn("was released already", self.at(PREVENTION, "approve", id, code=REFUSED).stderr)
        trace = json.loads(self.at(FIRE, "trace", released, "--json").stdout)
        self.assertEqual({a["partner"] for a in trace["release"]["approved"]}, {"police", "city"})

        correction = self.draft("Der Pegel fällt.", "--type", "update", "--about", id)
        self.assertEqual(self.drafts(FIRE)[correction]["about"], released)
        self.stands(POLICE, correction, state="open")
        self.stands(PREVENTION, correction, state="open")
        self.assertFalse(self.arrived(YOUTH, released)["superseded"])
        self.at(POLICE, "approve", correction)
        self.at(PREVENTION, "approve", correction)
        self.stands(FIRE, correction, state="released")
        wait_until(lambda: self.arrived(YOUTH, released)["superseded"], what="the first is marked as updated")
        self.at(FIRE, "recall", correction, "--reason", "wrong gauge")  # the id that its author was told: what everybody reads is meant
        wait_until(lambda: all(r["bare"] for node in (POLICE, YOUTH) for r in self.inbox(node) if r["id"] in (correction, self.drafts(FIRE)[correction]["released_as"])),
                   what="draft and released text are gone")
        self.assertTrue(self.arrived(YOUTH, self.drafts(FIRE)[correction]["released_as"])["bare"])

    def test_a_refusal_ends_it_and_says_why_to_author_and_approvers(self):
        """[R-5], [N-18]"""
        self.partnership()
        id = self.draft("Keine Gefahr.")
        self.stands(POLICE, id, state="open")
        self.stands(ORDER, id, state="open")
        self.assertIn("--reason", self.at(POLICE, "refuse", id, code=USAGE).stderr)
        self.at(ORDER, "approve", id)
        self.at(POLICE, "refuse", id, "--reason", "the gauge is not confirmed", "--as", "Press office")
        for node in (FIRE, ORDER, PREVENTION):
            got = self.stands(node, id, state="refused")
            self.assertEqual([(r["node"], r["reason"], r["as"]) for r in got["refused"]], [(POLICE, "the gauge is not confirmed", "Press office")])
        self.assertIn(POLICE, self.alarms(FIRE)["draft_refused"])
        self.assertIn(f"was refused by {POLICE}", self.at(PREVENTION, "approve", id, code=REFUSED).stderr)
        self.assertIn("said so before", self.at(POLICE, "refuse", id, "--reason", "again").stderr)
        self.assertIn("this node has no draft", self.at(YOUTH, "approve", id, code=REFUSED).stderr)
        self.nobody_else_has(id)

    def test_another_text_is_another_draft(self):
        """[R-5]"""
        self.partnership()
        first = self.draft("Erste Fassung")
        self.stands(POLICE, first, state="open")
        self.at(POLICE, "approve", first)
        self.stands(FIRE, first, missing=["city"])
        second = self.draft("Zweite Fassung", "--type", "update", "--about", first)
        self.assertEqual(self.stands(FIRE, first, state="replaced")["replaced_by"], second)
        self.stands(ORDER, first, state="replaced")
        self.assertIn(f"was replaced by {second}", self.at(ORDER, "approve", first, code=REFUSED).stderr)
        hashes = {d: self.drafts(ORDER)[d]["text_hash"] for d in (first, second)}
        self.assertNotEqual(hashes[first], hashes[second])
        self.assertIn("not the one that was looked at", self.at(ORDER, "approve", second, "--text", hashes[first], code=REFUSED).stderr)
        self.at(ORDER, "approve", second, "--text", hashes[second])
        self.assertIn("for this partner", self.at_when(PREVENTION, second, lambda d: d["approved"], "approve", second, code=REFUSED).stderr)
        self.assertEqual(self.stands(FIRE, second, missing=["police"])["state"], "open")
        self.at(POLICE, "approve", second)
        released = self.stands(FIRE, second, state="released")["released_as"]
        self.assertEqual(self.arrived(YOUTH, released)["content"]["text"][0]["body"], "Zweite Fassung")
        self.nobody_else_has(first, second, nodes=())

    def at_when(self, node, id, ready, *args, **more):
        wait_until(lambda: ready(self.drafts(node).get(id, {})), what=f"{id} at {node}")
        return self.at(node, *args, **more)

    def test_what_cannot_be_published_there_is_refused_with_its_sentence(self):
        self.partnership()
        for args, says in ((["--to", YOUTH], "leave out to whom"), (["--take-within", "10m"], "nobody takes on"),
                           (["--not-before", "2h", "--lifetime", "1h"], "expires before its embargo")):
            self.refuses("publish", TOPIC, "--json", "-", *args, "--socket", self.p.socket(FIRE), stdin=statement("x"), says=says, code=REFUSED)
        note = json.dumps({"text": "x"})
        self.refuses("publish", "note/x", "--json", "-", "--not-before", "1h", "--socket", self.p.socket(FIRE), stdin=note, says="nothing waits there for an embargo", code=REFUSED)
        own = self.draft("Von der Polizei", node=POLICE)  # the city alone must approve it
        self.assertEqual(self.drafts(POLICE)[own]["missing"], ["city"])
        self.refuses("publish", TOPIC, "--json", "-", "--type", "cancel", "--about", own, "--socket", self.p.socket(POLICE), stdin=statement("x"), says="a cancel has words of its own",
                     code=REFUSED)
        self.assertIn("is this partner's own", self.at(POLICE, "approve", own, code=REFUSED).stderr)
        self.at_when(ORDER, own, lambda d: d, "approve", own)
        self.stands(POLICE, own, state="released")

    def test_an_embargo_is_kept_through_a_kill_and_it_is_released_once(self):
        """[R-9], [R-10]: all have approved, the author's node is killed before the embargo is over: after its start it releases once."""
        p = self.partnership()
        when = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=12)
        id = self.draft(None, content=statement("Ab gleich", notBefore=when.isoformat()))
        draft = self.stands(POLICE, id, state="open")
        self.assertEqual(draft["not_before_ms"], int(when.timestamp() * 1000))
        self.stands(ORDER, id, state="open")
        self.at(POLICE, "approve", id)
        self.at(ORDER, "approve", id)
        self.assertEqual(self.stands(FIRE, id, missing=[])["state"], "open")
        self.nobody_else_has(id)
        self.nodes[FIRE].kill()
        self.nodes[FIRE].start().wait_for("partner.ready", times=2)
        released = self.stands(FIRE, id, state="released")["released_as"]
        got = self.arrived(YOUTH, released)
        self.assertGreaterEqual(got["created_ms"], draft["not_before_ms"])
        self.nodes[FIRE].stop(signal.SIGKILL)
        self.nodes[FIRE].start().wait_for("partner.ready", times=3)
        wait_until(lambda: json.loads(self.at(FIRE, "status", "--json").stdout)["outbox"]["waiting"] == 0, what="nothing waits any more")
        for node in (POLICE, ORDER, PREVENTION, YOUTH):
            self.arrived(node, released)
            self.assertEqual([r["id"] for r in self.inbox(node) if r["type"] == "released"], [released])
            self.assertEqual(self.inbox(node, "--rejected"), [])

    def test_another_agreement_asks_whom_it_names(self):
        """[R-11]: approvals that were enough when they were given are not when one more must approve before it is released."""
        p = self.partnership()
        id = self.draft("Ab gleich", "--not-before", "1h")
        for node in (POLICE, ORDER):
            self.stands(node, id, state="open")
            self.at(node, "approve", id)
        self.stands(FIRE, id, missing=[], state="open")
        old = p.folder / "agreement.yaml"
        new = p.write("agreement-2.yaml", version=2, previous=p.hash_of(old), topics=TOPICS.replace("approve: [police, city]", "approve: [police, city, civil]"))
        p.sign(new, previous=old)
        self.kurzweg("agreement", "install", new, "--control", f"ipc://{p.folder}/broker.sock")
        self.stands(FIRE, id, missing=["youth-house"])
        again = self.draft("Ab gleich", "--type", "update", "--about", id)
        for node in (POLICE, ORDER, YOUTH):
            self.stands(node, again, state="open")
            self.at(node, "approve", again)
        released = self.stands(FIRE, again, state="released")["released_as"]
        self.assertEqual(len(self.arrived(YOUTH, released)["approved_by"]), 3)
        self.assertEqual(self.drafts(FIRE)[id]["state"], "replaced")

    def test_a_draft_that_expires_goes_to_nobody_and_its_author_is_told(self):
        self.partnership()
        id = self.draft("Zu spät", "--lifetime", "3s")
        self.stands(FIRE, id, state="expired")
        wait_until(lambda: "draft_expired" in self.alarms(FIRE), what="the author's alarm")
        self.stands(POLICE, id, state="expired")
        self.assertIn("has expired", self.at(POLICE, "approve", id, code=REFUSED).stderr)
        self.nobody_else_has(id)

    def test_a_handler_gets_no_draft_unless_it_asks_for_them(self):
        out = {}
        for name, more in (("all", ", drafts: yes"), ("released", "")):
            out[name] = self.folder / f"{name}.out"
            path = self.write(name, f'#!/bin/sh\necho "$KURZWEG_TYPE $KURZWEG_TEXT_HASH" >> {out[name]}\n', mode=0o755)
            out[name + "_line"] = f'  - {{topic: "statement/#", run: ["{path}"]{more}}}\n'
        self.partnership(more={POLICE: "handlers:\n" + out["all_line"] + out["released_line"]})
        id = self.draft("Hochwasser")
        hash = self.stands(POLICE, id, state="open")["text_hash"]
        wait_until(lambda: out["all"].exists() and out["all"].read_text() == f"draft {hash}\n", what="the handler that asks for drafts")
        self.at(POLICE, "approve", id)
        self.at_when(ORDER, id, lambda d: d, "approve", id)
        wait_until(lambda: out["released"].exists() and out["released"].read_text().endswith("\n"), what="the other handler")
        self.assertEqual(out["released"].read_text(), "released \n")

    def test_a_recalled_draft_is_withdrawn_and_its_text_is_gone(self):
        self.partnership()
        id = self.draft("Doch nicht")
        self.stands(POLICE, id, state="open")
        self.stands(ORDER, id, state="open")
        self.at(FIRE, "recall", id, "--reason", "not ours to say")
        self.stands(FIRE, id, state="withdrawn")
        for node in (POLICE, ORDER):
            self.stands(node, id, state="withdrawn")
            self.assertTrue(self.arrived(node, id)["bare"])
            self.assertIn("was recalled by its author", self.at(node, "approve", id, code=REFUSED).stderr)
        self.nobody_else_has(id)

    def test_who_reads_tells_who_must_approve(self):
        self.p = Partnership(self, nodes=NODES, topics=TOPICS)
        path = self.p.write()
        told = json.loads(self.kurzweg("agreement", "who-reads", TOPIC, "--agreement", path, "--json", code=DONE).stdout)
        self.assertEqual(told["approve"], ["city", "police"])


if __name__ == "__main__":
    kurzweg_test.main()
