"""Broker and nodes find each other with the keys and the agreement that the command line made."""

import kurzweg_test
from kurzweg_test import Partnership, free_ports


class Daemons(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        self.p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        self.p.agreement()

    def test_every_node_comes_in_and_again_when_the_broker_was_away(self):
        broker = self.p.broker()
        nodes = [self.p.node(name) for name in self.p.nodes]
        for node in nodes:
            node.wait_for("link.up")
        self.assertEqual(broker.stop(), 0)
        for node in nodes:
            node.wait_for("link.down", deadline=60)
        broker.start()
        for node in nodes:
            node.wait_for("link.up", times=2, deadline=60)
        for node in nodes:
            self.assertEqual(node.stop(), 0)
        self.assertEqual(broker.stop(), 0)

    def test_a_key_of_another_kind_or_an_unsigned_agreement_starts_nothing(self):
        self.p.key("haus").rename(self.folder / "away")
        self.p.key("police/control-room").rename(self.p.key("haus"))
        with self.assertRaisesRegex(AssertionError, "a node's key"):
            self.p.broker()
        (self.folder / "away").rename(self.p.key("haus"))
        signatures = self.folder / "agreement.yaml.sig"
        signatures.write_text(signatures.read_text().splitlines()[0] + "\n")
        with self.assertRaisesRegex(AssertionError, "signed by 1 of the 3 members"):
            self.p.broker()
        signatures.unlink()
        with self.assertRaisesRegex(AssertionError, "agreement.yaml.sig does not exist"):
            self.p.broker()


if __name__ == "__main__":
    kurzweg_test.main()
