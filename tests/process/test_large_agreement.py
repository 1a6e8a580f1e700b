"""An agreement of 4,096 nodes, the largest there may be: broker and nodes come to it and go on from it, it is published under and followed by the next."""

import json
import pathlib
import shutil
import socket

import crowd
import kurzweg_test
import strangers
from kurzweg_test import DONE, SILENT, Partnership, free_ports, wait_until

NODES_MAX = 4096
AGREEMENT_MAX = 2 * 1024 * 1024
ADMIN_AGREEMENT = 6
ASKED = 3000  # parts; the broker gives a connection up when 3,584 messages wait for it
SENDER, READER = "police/control-room", "city/public-order"
TOPICS = '  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police], receive: ["*"], lane: flash}\n' \
         '  - {filter: "note/#", schema: note, publish: [police], receive: [police, city, school]}\n' \
         '  - {filter: "request/#", schema: request, publish: [police], receive: [city], responsible: [{who: city/public-order, take_within: 10m}]}\n'


def crowd_names(count):
    """Names as long as they may be: 31 letters of a partner, 31 of a node, some partners with many nodes and many with a few."""
    names = []
    for i in range(count):
        partner = 0 if i < count // 4 else i // 6
        names.append(f"school-of-the-quarter-no-{partner:06}/control-room-in-the-house-{i:05}")
    assert all(len(part) == 31 for name in names for part in name.split("/"))
    return names


class LargeAgreement(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        self.p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", topics=TOPICS)
        self.all = dict(self.p.nodes)
        self.p.lines.update(crowd.key_lines(crowd_names(NODES_MAX - len(self.all))))
        self.all.update({name: "school" for name in self.p.lines if name.startswith("school")})
        self.assertEqual(len(self.all), NODES_MAX)

    def next(self, version, previous, nodes, **changes):
        path = self.p.write(f"agreement-{version}.yaml", version=version, previous=self.p.hash_of(previous), nodes=nodes, **changes)
        return self.p.sign(path, previous=previous)

    def install(self, path):
        return self.kurzweg("agreement", "install", path, "--control", f"ipc://{self.folder}/broker.sock")

    def status(self, node):
        return self.kurzweg_json("status", "--socket", self.p.socket(node))

    def has(self, node, version):
        """A node that reads so large an agreement answers nobody meanwhile: on a crowded machine, under sanitizers, longer than a tool waits."""
        done = self.kurzweg("status", "--json", "--socket", self.p.socket(node), code=None)
        self.assertIn(done.returncode, (DONE, SILENT), done.stderr)
        return done.returncode == DONE and json.loads(done.stdout)["agreement"]["version"] == version

    def both_have(self, version):
        for node in (SENDER, READER):
            wait_until(lambda: self.has(node, version), what=f"version {version} at {node}")

    def publish(self, to_all_of):
        """One that goes to everybody, arrives at the reader, and waits for all the others."""
        alert = self.fresh("flood-neckar.cap.xml")[0]
        id = self.kurzweg("publish", "alert/flood", "--cap", alert, "--socket", self.p.socket(SENDER), "--wait", "stored").stdout.strip()
        wait_until(lambda: id in self.kurzweg("inbox", "--json", "--socket", self.p.socket(READER)).stdout, what="it at the reader")
        trace = wait_until(lambda: (lambda t: t if t["delivered"] else None)(self.kurzweg_json("trace", id, "--socket", self.p.socket(SENDER))), what="its receipt")
        self.assertEqual(len(trace["missing"]), to_all_of - 1)

    def test_broker_and_nodes_come_to_4096_nodes_and_go_on(self):
        first = self.p.agreement()
        broker = self.p.broker()
        daemons = {node: self.p.node(node) for node in (SENDER, READER)}
        for daemon in daemons.values():
            daemon.wait_for("link.up")

        # installed while nodes are connected, fetched in parts
        second = self.next(2, first, self.all)
        self.assertGreater(second.stat().st_size, 1400 * 1024)
        self.assertGreater(len(self.kurzweg("agreement", "diff", first, second).stdout), 1024 * 1024)
        self.install(second)
        self.both_have(2)
        self.publish(NODES_MAX - 1)

        # the next of that size, with one node less
        third = self.next(3, second, dict(list(self.all.items())[:-1]))
        self.install(third)
        self.both_have(3)
        self.publish(NODES_MAX - 2)

        # shown in parts too, on the broker's machine, over the network and by a node
        control, key = ("--control", f"ipc://{self.folder}/broker.sock"), ("--key", self.p.key("night-desk"), "--agreement", third)
        for way in (control, key, ("--socket", self.p.socket(READER))):
            self.assertEqual(self.kurzweg_json("agreement", "who-is-responsible", "request/a", *way)["version"], 3)

        # everything again from disk
        self.assertEqual(broker.stop(), 0)
        broker.start().wait_for("broker.ready", times=2)
        for daemon in daemons.values():
            self.assertEqual(daemon.stop(), 0)
            daemon.start().wait_for("partner.ready", times=2)
            daemon.wait_for("link.up", times=2)
        self.both_have(3)
        self.publish(NODES_MAX - 2)
        for node in (SENDER, READER):
            self.assertEqual([a["code"] for a in self.status(node)["alarms"]], [])

    def messages(self):
        return self.kurzweg_json("status", "--control", f"ipc://{self.folder}/broker.sock")["counters"]["messages"]

    def test_parts_that_a_node_asks_for_and_never_reads_cost_the_broker_next_to_nothing(self):
        first = self.p.agreement()
        broker = self.p.broker(ASAN_OPTIONS="quarantine_size_mb=1")
        self.install(self.next(2, first, self.all))

        def anonymous():
            status = pathlib.Path(f"/proc/{broker.pid}/status").read_text()
            return int(status.split("RssAnon:")[1].split()[0]) * 1024

        deaf = strangers.Raw(int(self.p.endpoint.rpartition(":")[2]), strangers.Key(self.p.key("haus")).public, strangers.Key(self.p.key(READER)))
        self.addCleanup(deaf.close)
        deaf.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.s.sendall(deaf.message(strangers.hello(bytes.fromhex(self.p.hash_of(first).split(":")[-1]))))
        before, asked = anonymous(), self.messages()
        for n in range(ASKED):
            deaf.s.sendall(deaf.message(strangers.agreement_get(2, n % 20)))
        wait_until(lambda: self.messages() >= asked + ASKED, what="all of them heard")
        self.assertLess(anonymous() - before, 48 * 1024 * 1024)

        # the others are served meanwhile, and it is heard that parts came whole: a node of good standing goes on by them
        daemon = self.p.node(SENDER)
        daemon.wait_for("link.up")
        wait_until(lambda: self.has(SENDER, 2), what="version 2 at a node")

    def test_answers_that_an_operator_asks_for_and_never_reads_cost_the_broker_next_to_nothing(self):
        first = self.p.agreement()
        broker = self.p.broker(ASAN_OPTIONS="quarantine_size_mb=1")
        self.install(self.next(2, first, self.all))

        def anonymous():
            status = pathlib.Path(f"/proc/{broker.pid}/status").read_text()
            return int(status.split("RssAnon:")[1].split()[0]) * 1024

        deaf = strangers.Raw(int(self.p.endpoint.rpartition(":")[2]), strangers.Key(self.p.key("haus")).public, strangers.Key(self.p.key("night-desk")))
        self.addCleanup(deaf.close)
        deaf.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before, asked = anonymous(), self.messages()
        for n in range(ASKED):
            deaf.s.sendall(deaf.message(strangers.admin(ADMIN_AGREEMENT, n + 1, b"2", n % 20)))
        wait_until(lambda: self.messages() >= asked + ASKED, what="all of them heard")
        self.assertLess(anonymous() - before, 48 * 1024 * 1024)
        self.assertIn("gate.not_reading", broker.text())

        # another operator's tool is answered meanwhile, and what the first one had tried is told
        self.assertEqual(self.kurzweg_json("status", "--control", f"ipc://{self.folder}/broker.sock")["agreement"]["version"], 2)

    def test_a_byte_over_the_limit_is_refused_everywhere(self):
        path = self.p.agreement()
        text = path.read_text()
        full = self.write("full.yaml", text + "#" * (AGREEMENT_MAX - len(text) - 1) + "\n")
        self.kurzweg("agreement", "check", full)
        over = self.write("over.yaml", text + "#" * (AGREEMENT_MAX - len(text)) + "\n")
        says = f"{AGREEMENT_MAX} bytes"
        self.refuses("agreement", "check", over, says=says)
        self.refuses("agreement", "install", over, "--to", self.folder / "there.yaml", says=says)
        self.assertFalse((self.folder / "there.yaml").exists())
        shutil.copy(path.with_suffix(".yaml.sig"), over.with_suffix(".yaml.sig"))
        for program, config in (("kurzweg-broker", f'agreement: {over}\nkey: {self.p.key("haus")}\nlisten: ["{self.p.endpoint}"]\nstore: {{path: {self.folder}/broker}}\n'),
                                ("kurzweg-partner", f"agreement: {over}\nkey: {self.p.key(SENDER)}\nsocket: {self.p.socket(SENDER)}\nstate: {self.folder}/node\n")):
            daemon = self.daemon(program, "--config", self.write(f"{program}.yaml", config))
            self.assertNotEqual(daemon.process.wait(kurzweg_test.DEADLINE), 0)
            self.assertIn(says, daemon.text())


if __name__ == "__main__":
    kurzweg_test.main()
