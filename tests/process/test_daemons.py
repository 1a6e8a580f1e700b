"""Broker and nodes find each other with the keys and the agreement that the command line made."""

import os
import subprocess

import kurzweg_test
from kurzweg_test import BIN, USAGE, Partnership, Terminal, environment, free_ports


class Checked(Terminal):
    """A program by its path."""

    def execute(self, args, env):
        os.execve(args[0], [str(word) for word in args], env)


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

    def test_whoever_asks_at_a_terminal_is_answered_in_their_language(self):
        for program in "kurzweg-broker", "kurzweg-partner", "kurzweg-exporter":
            for env, parts in (({"LC_ALL": "", "LANG": "de_DE.UTF-8"}, ("Aufruf: ", "[OPTION …]", "DATEI", "zeigt die Version", "Was hinter einer langen Option stehen muss")),
                               ({}, ("Usage: ", "[OPTION...]", "FILE", "print the version", "Mandatory or optional"))):
                done = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, env=environment(**env), timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                for part in parts:
                    self.assertIn(part, done.stdout)
            done = subprocess.run([BIN / program, "word"], capture_output=True, text=True, env=environment(LC_ALL="", LANG="de_DE.UTF-8"), timeout=60)
            self.assertEqual(done.returncode, USAGE)
            self.assertIn("„word“ wird hier nicht erwartet", done.stderr)
        for program in "kurzweg-broker", "kurzweg-partner":
            check = [BIN / program, "--config", self.folder / "none.yaml", "--check-config"]
            at_terminal = Checked(*check, cwd=self.folder, LC_ALL="", LANG="de_DE.UTF-8")
            self.addCleanup(at_terminal.end, 0)
            self.assertEqual(at_terminal.end(), 78)
            self.assertIn("none.yaml gibt es nicht", at_terminal.text())
            into_a_file = subprocess.run(check, capture_output=True, text=True, env=environment(LC_ALL="", LANG="de_DE.UTF-8"), timeout=60)
            self.assertIn("none.yaml does not exist", into_a_file.stderr)  # as the log, whose language is English

    def test_what_is_missing_is_told_with_what_makes_it(self):
        self.p.key("haus").rename(self.folder / "away")
        with self.assertRaisesRegex(AssertionError, "kurzweg key new NAME --broker --out .* makes one"):
            self.p.broker()
        (self.folder / "away").rename(self.p.key("haus"))
        self.p.key("police/control-room").unlink()
        with self.assertRaisesRegex(AssertionError, "kurzweg partner init.* makes one"):
            self.p.node("police/control-room")
        (self.folder / "agreement.yaml").unlink()
        with self.assertRaisesRegex(AssertionError, "kurzweg agreement install FILE --to .* puts text and signatures there"):
            self.p.broker()

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
