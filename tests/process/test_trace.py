"""One notification's way, and why it went so, as operators and its nodes are told: by headers, cursors and receipts, never by what it says."""

import json
import os
import re
import subprocess
import time
import uuid

import zmq

import kurzweg_test
import strangers
from desk import POLICE, CITY, CRIME, YOUTH
from kurzweg_test import BIN, FAILED, REFUSED, USAGE, Partnership, plain, wait_until

NOTES = '  - {filter: "note/#", schema: note, publish: [police, city], receive: [police, city], lane: urgent}\n'


def new_id():
    """A UUIDv7, as the ids of notifications are."""
    rest = bytearray(os.urandom(10))
    rest[0], rest[2] = rest[0] & 0x0F | 0x70, rest[2] & 0x3F | 0x80
    return uuid.UUID(bytes=int(time.time() * 1000).to_bytes(6, "big") + bytes(rest))


class Traced(kurzweg_test.Shared):
    PARTNERSHIP = {"topics": Partnership.TOPICS + NOTES}

    def setUp(self):
        super().setUp()
        self.path = self.p.agreement()
        self.lines = self.path.read_text().splitlines()
        self.broker = self.p.broker()
        self.operator = ("--key", self.p.key("night-desk"), "--agreement", self.path)

    def start(self, *names, **more):
        for name in names:
            self.p.node(name, **more).wait_for("link.up")

    def at(self, node):
        return ("--socket", self.p.socket(node))

    def publish(self, node, topic, *how):
        return self.kurzweg("publish", topic, *how, *self.at(node), "--wait", "stored").stdout.strip()

    def request(self, node=YOUTH):
        return self.publish(node, "request/noise/west", "--kind", "presence", "--subject", "Loud music", "--text", "Thirty people",
                            "--area", "Neckarwiese", "--purpose", "danger-prevention", "--needed-by", "2h")

    def line(self, text):
        return next(i for i, line in enumerate(self.lines, 1) if text in line)


class AtTheBroker(Traced):
    def test_its_place_its_proof_and_how_far_each_reader_is(self):
        self.start(POLICE, CITY)
        id = self.publish(POLICE, "note/x", "--text", "geheim")
        for way in self.control, self.operator:
            got = wait_until(lambda: (t := self.kurzweg_json("trace", id, *way)) and {r["node"]: r["state"] for r in t["readers"]} == {CITY: "passed", CRIME: "away"} and t,
                             what="that it passed the city's node")
            self.assertEqual((got["notification"]["sender"], got["notification"]["topic"], got["lane"]), (POLICE, "note/x", "urgent"))
            self.assertTrue(got["commit"]["verified"], got["commit"])
            self.assertEqual(got["commit"]["number"], self.kurzweg_json("trace", id, *self.at(POLICE))["stored"]["commit"])
            self.assertTrue(got["looked_at_all"])
            self.assertEqual(got["refusals"], [])
        self.kurzweg("inbox", id, *self.at(CITY))
        wait_until(lambda: [row["type"] for row in self.kurzweg_json("trace", id, *self.control)["about"] if row["sender"] == CITY][-1:] == ["opened"], what="the receipt in the log")
        shown = self.kurzweg("trace", id, *self.control)
        self.assertRegex(shown.stdout, rf"(?m)^{CITY} +has it +.*(read|opened)")
        self.assertRegex(shown.stdout, rf"(?m)^{CRIME} +is away")
        self.assertIn("holds: the commit is signed by the broker", shown.stdout)
        self.broker.wait_for(f"trace.read peer=night-desk id={id}")
        rows = [json.loads(line) for line in self.kurzweg("audit", "--json", *self.control).stdout.splitlines()]
        told = [(r["event"], r["actor"], r.get("object")) for r in rows]
        for who in "control", "night-desk":
            self.assertIn(("trace_read", f"operator/{who}", id), told)
            self.assertIn(("explain_read", f"operator/{who}", id), told)
        self.assertNotIn("headers_read", [event for event, _, _ in told])
        for piece in id[-6:], id[-6:].upper(), id[:20]:
            self.assertEqual(self.kurzweg_json("trace", piece, *self.control)["id"], id)

    def test_another_key_than_the_brokers_verifies_nothing(self):
        self.start(POLICE)
        id = self.publish(POLICE, "note/x", "--text", "x")
        self.has_partnership = True  # another one: with keys of its own
        other = Partnership(self, folder=self.mkdir("other"), endpoint=self.p.endpoint).agreement()
        got = self.kurzweg_json("trace", id, *self.control, "--agreement", other)
        self.assertFalse(got["commit"]["verified"])
        self.assertIn("not signed by the broker's key", got["commit"]["proof"])

    def mkdir(self, name):
        (self.folder / name).mkdir()
        return self.folder / name

    def test_what_a_node_did_not_subscribe_to_comes_as_its_head(self):
        self.start(POLICE)
        self.start(CITY, subscribe=["alert/#"])
        id = self.publish(POLICE, "note/x", "--text", "x")
        reader = wait_until(lambda: next(r for r in self.kurzweg_json("explain", id, *self.control)["readers"] if r["node"] == CITY and r["state"] == "passed"), what="the head")
        self.assertFalse(reader["subscribed"])
        self.assertIn("did not subscribe", self.kurzweg("explain", id, *self.control).stdout)

    def test_why_it_went_where_it_went_by_line(self):
        self.start(POLICE, CITY)
        id = self.publish(POLICE, "note/x", "--text", "x", "--to", CITY)
        got = self.kurzweg_json("explain", id, *self.control)
        nodes = {n["node"]: n for n in got["nodes"]}
        self.assertEqual([n for n in nodes if nodes[n]["in_audience"]], [CITY])
        line = self.line('"note/#"')
        self.assertIn({"line": line, "text": self.lines[line - 1].strip(), "says": '"receive" means city'}, nodes[CITY]["reasons"]["reasons"])
        self.assertIn('"receive" does not mean youth-house', [r["says"] for r in nodes[YOUTH]["reasons"]["reasons"]])
        shown = self.kurzweg("explain", id, *self.operator).stdout
        self.assertRegex(shown, rf'(?m)^{CITY}: .*; line {line}: "receive" means city$')
        self.assertRegex(shown, rf"(?m)^{CRIME}: not sent to it; its sender named others$")
        self.assertRegex(shown, rf'(?m)^{YOUTH}: not sent to it; line {line}: "receive" does not mean youth-house$')
        one = self.kurzweg("explain", id, "--node", YOUTH, *self.control).stdout
        self.assertIn("To change that", one)
        self.assertNotIn(f"{CITY}:", one)

    def test_why_a_case_went_to_whom_it_went(self):
        self.start(POLICE, CITY, CRIME, YOUTH)
        id = self.request()
        first = wait_until(lambda: [s for s in self.kurzweg_json("explain", id, *self.control)["about"] if s["type"] == "statement"], what="the broker's first statement")[0]
        self.assertEqual((first["cause"], first["agreement_version"]), ("opened", 1))
        owner = first["owner"]
        self.assertEqual(first["line"], self.line(f"who: {owner}"))
        wait_until(lambda: id in [c["id"] for c in self.kurzweg_json("case", "list", *self.at(owner))], what="the case at whose turn it is")
        self.kurzweg("take", id, *self.at(owner))
        shown = wait_until(lambda: (out := self.kurzweg("explain", id, *self.control).stdout) and f"taken by {owner}" in out and out, what="that it was taken")
        self.assertRegex(shown, rf"(?m)^\S+ it must be taken on: it is the turn of {owner} until \S+, by line {first['line']}$")
        self.assertRegex(shown, rf"(?m)^\S+ taken, by {owner}$")

    def test_what_was_refused_is_remembered_until_the_broker_ends(self):
        hash = bytes.fromhex(self.p.hash_of(self.path).split(":")[-1])
        context = zmq.Context()
        self.addCleanup(context.destroy, linger=0)
        node = strangers.Node(context, self.p.endpoint, strangers.Key(self.p.key("haus")).public, strangers.Key(self.p.key(YOUTH)))
        self.addCleanup(node.close)
        early, denied, unknown = (new_id() for _ in range(3))
        frame = lambda id, topic: strangers.frame("musterstadt", hash, YOUTH, topic, id=id.bytes)
        node.send(strangers.publish(), frame(early, "report/x"))
        self.assertEqual(node.expect_refused(), "no_hello")
        node.send(strangers.publish(), frame(early, "report/x"))
        self.assertEqual(node.expect_refused(), "no_hello")
        node.send(strangers.hello(hash))
        self.assertIsNotNone(node.expect(strangers.WELCOME))
        node.send(strangers.publish(), frame(denied, "report/x"))
        self.assertEqual(node.expect_refused(), "denied")
        got = self.kurzweg_json("explain", str(denied), *self.control)
        self.assertFalse(got["found"])
        self.assertEqual([(r["id"], r["sender"], r["code"], r["for_good"], r["topic"]) for r in got["refusals"]], [(str(denied), YOUTH, "denied", True, "report/x")])
        self.assertIn('"youth-house/office" may not publish on topics of report/#', got["refusals"][0]["says"])
        shown = self.kurzweg("explain", str(denied)[-8:], *self.operator).stdout
        self.assertRegex(shown, r'^Refused at \S+, from youth-house/office \(denied\): "youth-house/office" may not publish on topics of report/#')
        self.assertRegex(self.kurzweg("trace", str(early), *self.control).stdout, r"^Put off 2 times, last at \S+ \(no_hello\)")
        self.refuses("explain", str(unknown), *self.control, code=FAILED, says=[str(unknown), "it was not refused since"])
        self.broker.stop()
        self.broker.start().wait_for("broker.ready", times=2)
        self.refuses("explain", str(denied), *self.control, code=FAILED, says="the broker remembers no further")

    def test_ids_that_are_none_and_pieces_of_several(self):
        self.start(POLICE)
        first, second = (self.publish(POLICE, "note/x", "--text", "x") for _ in range(2))
        piece = os.path.commonprefix([first, second])
        for what in "trace", "explain":
            self.refuses(what, "xyz1", *self.control, code=USAGE, says='"xyz1" is no notification\'s id')
            self.refuses(what, "01", *self.control, code=USAGE, says="4 characters or more")
            self.refuses(what, "ffffffff", *self.control, code=FAILED, says="give the whole id")
            if len(piece) >= 4:
                self.refuses(what, piece, *self.control, code=USAGE, says=[first, second, "give more of it"])
            self.refuses(what, first, *self.control, *self.at(POLICE), code=USAGE, says="give one")
        self.refuses("trace", first, "--further", "5", code=USAGE, says="for the broker")
        self.refuses("explain", first, "--topic", "note/x", *self.control, code=USAGE, says="give one of them")
        self.refuses("explain", first, "--node", "city/nobody", *self.control, code=FAILED, says='"city/nobody" is no node')
        self.refuses("trace", first, *self.control, "--control", "ipc:///nowhere", code=USAGE, says="")
        told = self.kurzweg("trace", first, *self.control, "--further", "1").stderr
        self.assertIn("A receipt for several", told)
        shown = plain(self.on_terminal("trace", first, *self.control)).splitlines()
        self.assertLessEqual(max(map(len, shown)), 80)
        self.assertIn("have confirmed it all the same.", shown)

    def test_an_operator_who_left_the_agreement_and_a_node_are_told_nothing(self):
        self.start(POLICE)
        id = self.publish(POLICE, "note/x", "--text", "x")
        new = self.p.new_key("new-desk", "--operator")
        old_line = self.p.lines["night-desk"]
        self.p.lines["night-desk"] = self.p.lines["new-desk"]
        text = self.p.text(version=2, previous=self.p.hash_of(self.path)).replace("name: night-desk", "name: new-desk")
        self.p.lines["night-desk"] = old_line
        second = self.folder / "second.yaml"
        second.write_text(text)
        self.p.sign(second, previous=self.path)
        self.kurzweg("agreement", "install", second, "--running", *self.control)
        self.assertEqual(self.kurzweg_json("trace", id, "--key", new, "--agreement", second)["id"], id)
        for what in "trace", "explain":
            self.refuses(what, id, *self.operator, code=REFUSED, says="does not know the key of")
            self.refuses(what, id, "--key", self.p.key(POLICE), "--agreement", self.path, code=REFUSED, says="is the key of the node")

    def test_a_closed_pipe_and_narrow_terminals(self):
        self.start(POLICE, CITY)
        id = self.publish(POLICE, "note/x", "--text", "x")
        for what in "trace", "explain":
            for columns in 80, 20:
                shown = plain(self.on_terminal(what, id, *self.control, columns=columns))
                self.assertIn("note/x", shown.replace("\r\n", ""))
            self.assertIn("note/x", plain(self.on_terminal(what, id, *self.control, LANGUAGE="de")))
            done = subprocess.run(f"{BIN}/kurzweg {what} {id} --json {' '.join(map(str, self.control))} | true", shell=True, env=kurzweg_test.environment(), capture_output=True, text=True)
            self.assertNotIn("rror", done.stderr)

    def test_an_older_broker_is_said_to_be_one(self):
        """A control socket that says what a broker of before says to a verb that it does not know."""
        context = zmq.Context()
        self.addCleanup(context.destroy, linger=0)
        old = context.socket(zmq.ROUTER)
        old.setsockopt(zmq.LINGER, 0)
        old.bind(f"ipc://{self.folder}/old.sock")
        asking = subprocess.Popen([BIN / "kurzweg", "trace", str(uuid.uuid4()), "--control", f"ipc://{self.folder}/old.sock"], env=kurzweg_test.environment(),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertTrue(old.poll(kurzweg_test.DEADLINE * 1000))
        peer, request = old.recv_multipart()
        self.assertIn(strangers.ADMIN, strangers.fields(request))
        old.send_multipart([peer, strangers.octets(strangers.ADMIN_REPLY, strangers.octets(3, "request 10 is unknown"))])
        out, said = asking.communicate(timeout=kurzweg_test.DEADLINE)
        self.assertEqual((asking.returncode, out), (REFUSED, ""))
        self.assertIn("is older than this program and does not know what is asked", said)


class AtItsNodes(Traced):
    def test_how_it_came_to_a_reader_and_what_became_of_it_there(self):
        marker = self.folder / "ran"
        self.start(POLICE)
        self.start(CITY, more=f'handlers:\n  - {{topic: "note/#", run: ["/bin/sh", "-c", "cat >/dev/null; touch {marker}"], name: keeper}}\n')
        id = self.publish(POLICE, "note/x", "--text", "x")
        got = wait_until(lambda: (t := self.trace_at(CITY, id)) and t["receipt"] == "said" and t["handlers"][0]["state"] == "through" and t, what="the handler and the receipt")
        self.assertEqual((got["direction"], got["sender"], got["rejected"], got["bare"]), ("received", POLICE, False, False))
        shown = self.kurzweg("trace", id, *self.at(CITY)).stdout
        self.assertIn("It came and all checks held", shown)
        self.assertRegex(shown, r"(?m)^handler +keeper: through with it$")
        self.assertIn("It came and all checks held", self.kurzweg("explain", id, *self.at(CITY)).stdout)
        sent = self.kurzweg("explain", id, *self.at(POLICE)).stdout
        self.assertRegex(sent, rf'(?m)^{CITY}: has it; line {self.line(chr(34) + "note/#")}: "receive" means city$')
        other = str(uuid.uuid4())
        self.refuses("trace", other, *self.at(CITY), code=REFUSED, says=f"{other} was not sent by this node and did not come here")

    def trace_at(self, node, id):
        done = self.kurzweg("trace", id, "--json", *self.at(node), code=None)
        return json.loads(done.stdout) if done.returncode == 0 else None


if __name__ == "__main__":
    kurzweg_test.main()
