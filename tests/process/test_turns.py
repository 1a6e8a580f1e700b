"""The broker works while there is work, and for everybody: at rest it costs nothing, and no node takes another's place."""

import os
import time

import zmq

import kurzweg_test
import strangers
from kurzweg_test import Partnership, free_ports, wait_until
from strangers import Key, Node

POLICE, ORDER, PREVENTION = "police/control-room", "city/public-order", "city/crime-prevention"
CONNECTIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")


class Turns(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        self.p = p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        self.hash = bytes.fromhex(p.hash_of(p.agreement()).split(":")[-1])
        p.broker().stop()
        config = p.folder / "broker.yaml"
        config.write_text(config.read_text() + f"connections: {CONNECTIONS}\n")
        self.broker = self.daemon("kurzweg-broker", "--config", config, log=p.folder / "broker.log")
        self.broker.wait_for("broker.ready", 2)
        self.public = Key(p.key("haus")).public
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, linger=0)

    def node(self, name, **more):
        node = Node(self.context, self.p.endpoint, self.public, Key(self.p.key(name)))
        self.addCleanup(node.close)
        node.send(strangers.hello(self.hash, **more))
        return node

    def welcomed(self, name, **more):
        node = self.node(name, **more)
        self.assertIsNotNone(node.expect(strangers.WELCOME, 10), f"{name} is not welcomed:\n" + self.broker.text()[-3000:])
        return node

    def status(self):
        control = strangers.Control(self.context, self.p.folder / "broker.sock")
        try:
            return control.status()
        finally:
            control.close()

    def share(self, seconds=1.0):
        """How much of one processor the broker's threads took in that time."""

        def ticks():
            with open(f"/proc/{self.broker.pid}/stat") as stat:
                return sum(int(n) for n in stat.read().rsplit(")", 1)[1].split()[11:13])

        before, began = ticks(), time.monotonic()
        time.sleep(seconds)  # what is measured is this long
        return (ticks() - before) / TICKS / (time.monotonic() - began)

    def rests(self, state):
        shares = []

        def little():
            shares.append(round(self.share(), 2))
            return shares[-1] < 0.2

        try:
            wait_until(little, what="rest")
        except AssertionError:
            raise AssertionError(f"{state}: of one processor, the broker takes {shares}")

    def test_a_node_that_says_hello_on_ever_more_connections_takes_nobodys_place(self):
        """[C-5]"""
        held = [self.welcomed(POLICE) for _ in range(3 * CONNECTIONS)]
        self.welcomed(ORDER)
        self.welcomed(PREVENTION)
        held[-1].send(strangers.octets(strangers.BEAT, b""))
        self.assertIsNone(held[-1].expect_refused(0.3))  # the newest one is still heard
        held[0].send(strangers.octets(strangers.BEAT, b""))
        self.assertEqual(held[0].expect_refused(), "replaced")

    def test_at_rest_it_costs_nothing_whatever_waits(self):
        self.rests("nobody is there")
        reader = self.welcomed(ORDER, window=(1, 1))
        sender = self.welcomed(POLICE)
        readers = len([n for n in self.p.nodes if not n.startswith("youth")]) - 1
        for lane in (1, 2, 3):
            for _ in range(20):
                sender.send(strangers.publish(readers), strangers.frame("musterstadt", self.hash, POLICE, "report/x", lane=lane))
        wait_until(lambda: self.status()["counters"]["stored"] >= 20, what="notifications stored")
        self.rests("a reader acknowledges nothing")
        behind = self.welcomed(PREVENTION, window=(1, 1))
        self.rests("another one comes from behind and acknowledges nothing")
        reader.close()
        behind.close()
        stranger = Node(self.context, self.p.endpoint, self.public, Key())
        self.addCleanup(stranger.close)
        stranger.send(b"x")
        for _ in range(4):
            sender.send(b"x")
        self.broker.wait_for("gate.silenced")
        self.rests("they went, one was silenced, one is not let in")


if __name__ == "__main__":
    kurzweg_test.main()
