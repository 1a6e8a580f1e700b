"""What a daemon does not start with: one sentence each, that names file and line or address, the value, what is allowed, and what to do; nothing is changed.

Where --check-config can know it, it says the same.
"""

import os
import socket
import subprocess

import kurzweg_test
from desk import CITY, POLICE, NodesCase
from kurzweg_test import BIN, FAILED, USAGE, environment, free_ports

CONFIG, STORE = 78, 74  # exit codes of daemons: configuration, key or agreement; the store


class Starts(NodesCase):
    def setUp(self):
        super().setUp()
        self.broker_config = (f'agreement: {self.folder}/agreement.yaml\nkey: {self.p.key("haus")}\nlisten: ["{self.p.endpoint}"]\n'
                              f"control: ipc://{self.folder}/broker.sock\nstore: {{path: {self.folder}/broker}}\n")
        self.node_config = (f"agreement: {self.folder}/agreement.yaml\nkey: {self.p.key(POLICE)}\nsocket: {self.p.socket(POLICE)}\n"
                            f"state: {self.folder}/police-control-room\n")

    def runs(self, program, *args):
        return subprocess.run([BIN / program, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(), timeout=60)

    def no_start(self, program, config, says, check=True, start=True):
        """It ends by itself, and the one line that it says has all of says; so with --check-config (check) and without (start)."""
        path = self.write("tried.yaml", config)
        if check:
            done = self.runs(program, "--config", path, "--check-config")
            self.assertEqual((done.returncode, done.stdout), (CONFIG, ""), done.stderr)
            self.one_sentence(program, done.stderr, says)
        if not start:
            return
        done = self.runs(program, "--config", path)
        self.assertIn(done.returncode, (FAILED, CONFIG, STORE), done.stderr)
        self.one_sentence(program, "".join(line for line in done.stderr.splitlines(True) if " notice " not in line), says)

    def one_sentence(self, program, said, says):
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertTrue(said.startswith(f"{program}: ") or " error broker.failed " in said, said)
        for part in says:
            self.assertIn(part, said)

    # ---- what others have already ----

    def test_a_taken_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            self.no_start("kurzweg-broker", self.broker_config.replace(self.p.endpoint, address), [address, "is taken by another program; choose another port or stop that program"],
                          check=False)

    def test_one_store_serves_one_broker_and_one_state_one_node(self):
        broker, node = self.p.broker(), self.p.node(POLICE)
        node.wait_for("link.up")
        other = self.broker_config.replace(self.p.endpoint, f"tcp://127.0.0.1:{free_ports()[0]}").replace("broker.sock", "other.sock")
        self.no_start("kurzweg-broker", other, [f"{self.folder}/broker is in use by process {broker.pid}; stop that one first"], check=False)
        self.no_start("kurzweg-partner", self.node_config, [f"{self.folder}/police-control-room is in use by process {node.pid}; stop that one first"], check=False)
        elsewhere = self.node_config.replace(f"state: {self.folder}/police-control-room", f"state: {self.folder}/elsewhere")
        self.no_start("kurzweg-partner", elsewhere, ["another program listens on", "police-control-room.sock; stop that one first, or use another socket"], check=False)
        desk = self.desk(POLICE)
        identity = desk.publish("alert/flood/mitte", self.flood)  # those that run were not disturbed
        desk.stored(identity)
        self.assertTrue(broker.alive() and node.alive())

    def test_a_state_of_another_node(self):
        self.p.broker()
        self.start(POLICE).stop()
        self.no_start("kurzweg-partner", self.node_config.replace(str(self.p.key(POLICE)), str(self.p.key(CITY))),
                      ["police-control-room belongs to police/control-room of the partnership musterstadt (live)", "city/public-order", "a state folder of its own"], check=False)

    # ---- keys ----

    def test_keys_that_are_none_or_not_this_ones(self):
        mine, bad = self.p.key(POLICE), self.folder / "bad.key"
        whole = mine.read_bytes()

        def tried(content, says, mode=0o600):
            bad.write_bytes(content)
            bad.chmod(mode)
            for program, config, own in ("kurzweg-partner", self.node_config, mine), ("kurzweg-broker", self.broker_config, self.p.key("haus")):
                self.no_start(program, config.replace(str(own), str(bad)), [str(bad), *says])

        tried(whole, ["can be read by others (mode 0644); make it private with: chmod 600"], mode=0o644)
        tried(whole[:-30], ["is cut short", "take it from your copy"])
        tried(b"", ["is no secret key file"])
        tried(os.urandom(300), ["is no secret key file"])
        tried(self.p.key("mayor").read_bytes(), ['is a steering key, that of "mayor", but', "key is wanted here"])
        self.no_start("kurzweg-partner", self.node_config.replace(str(mine), str(self.p.key("haus"))), ['is a broker\'s key, that of "haus", but a node\'s key is wanted here'])
        self.no_start("kurzweg-partner", self.node_config.replace(str(mine), str(self.p.key("night-desk"))), ['is an operator\'s key, that of "night-desk", but a node\'s key'])
        self.no_start("kurzweg-broker", self.broker_config.replace(str(self.p.key("haus")), str(mine)), ["is a node's key", "but a broker's key is wanted here"])
        bad.unlink()
        self.no_start("kurzweg-partner", self.node_config.replace(str(mine), str(bad)), [f"{bad} does not exist"])
        self.p.new_key(POLICE, file="bad.key")  # of the right name, but not the one that the committee signed
        self.no_start("kurzweg-partner", self.node_config.replace(str(mine), str(bad)), ["this is not the key that the agreement, version 1, has for", "use that one, or have the agreement changed"])
        self.p.new_key("haus", "--broker", file="other-haus.key")
        self.no_start("kurzweg-broker", self.broker_config.replace(str(self.p.key("haus")), str(self.folder / "other-haus.key")),
                      ["version 1 of the agreement names another broker key than the one in", "other-haus.key"])
        self.nothing_was_made()

    # ---- agreements ----

    def test_agreements_that_do_not_hold(self):
        path, sigs = self.folder / "agreement.yaml", self.folder / "agreement.yaml.sig"
        text, signed = path.read_text(), sigs.read_text()

        def tried(says, content=text, signatures=signed, start=False):
            path.write_text(content)
            sigs.write_text(signatures)
            for program, config in ("kurzweg-broker", self.broker_config), ("kurzweg-partner", self.node_config):
                self.no_start(program, config, [str(path), *says], start=start)

        tried(["signed by 1 of the 3 members", "at least 2"], signatures=signed.splitlines()[0] + "\n", start=True)
        tried(["is not this text"], content=text.replace("lane: flash", "lane: urgent"))
        tried(["line 17", "flash, urgent, routine"], content=text.replace("lane: flash", "lane: fast"))
        tried(["line 6", "half"], content=text.replace("threshold: 2", "threshold: 1"))
        tried(["line 9", 'did you mean "coordinator"?'], content=text.replace("coordinator:", "cordinator:"))
        tried(["anchor"], content=text.replace("partnership: musterstadt", "partnership: &a musterstadt"))
        tried(["alias"], content=text.replace("coordinator: city/crime-prevention", "coordinator: *a"))
        tried(["line 12: the key \"id\" stands here a second time"], content=text.replace("{id: control-room,", "{id: control-room, id: control-room,"))
        path.write_text(text)
        sigs.unlink()
        for program, config in ("kurzweg-broker", self.broker_config), ("kurzweg-partner", self.node_config):
            self.no_start(program, config, [f"{sigs} does not exist"])
        self.nothing_was_made()
        sigs.write_text(signed)
        self.p.broker()
        self.start(POLICE)

    def nothing_was_made(self):
        """No store that is bound to something: whoever puts it right starts anew."""
        self.assertFalse((self.folder / "broker" / "data.mdb").exists() or (self.folder / "police-control-room" / "partner.db").exists())

    # ---- options and configuration ----

    def test_options(self):
        for program in "kurzweg-broker", "kurzweg-partner":
            for args, says in ((["--confg", "x"], "unrecognized option '--confg'"), (["--config"], "option '--config' requires an argument"), (["-x"], "invalid option -- 'x'"),
                               (["--config", "a", "--config", "b"], "--config is given twice; give it once"), (["x"], '"x" is not expected here; the daemon takes options alone')):
                with self.subTest(program=program, args=args):
                    done = self.runs(program, *args)
                    self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
                    self.assertTrue(done.stderr.startswith(f"{program}: "), done.stderr)
                    self.assertIn(says, done.stderr)
                    self.assertIn("--help", done.stderr)
            done = self.runs(program, "--config", self.folder / "none.yaml")
            self.assertEqual(done.returncode, CONFIG)
            self.one_sentence(program, done.stderr, [f"{self.folder}/none.yaml does not exist"])

    def test_configurations(self):
        for program, config, changes in (
            ("kurzweg-broker", self.broker_config, (
                ("listen:", "lisen:", 'line 3: unknown key "lisen" in broker.yaml, did you mean "listen"?'),
                ("key:", "key: /x\nkey:", 'line 3: the key "key" stands here a second time, first in line 2; keep one'),
                ("store:", "log: loud\nstore:", 'line 5: log is "loud", must be one of: error, warning, notice, info, debug'),
                ("store:", "connections: 3\nstore:", "line 5: connections is 3, must be from 16 to 65536"),
                ("/broker}", "/broker, quota: 1}", "line 5: store.quota is 1, outside of what is allowed here"),
                ("tcp://", "udp://", "line 3: listen "),
                ("listen: [", "listen: [&a ", "line 3: the anchor &a may not stand here"),
            )),
            ("kurzweg-partner", self.node_config, (
                ("socket:", "sokket:", 'line 3: unknown key "sokket" in partner.yaml, did you mean "socket"?'),
                ("state:", "state: /x\nstate:", 'line 5: the key "state" stands here a second time, first in line 4; keep one'),
                ("state:", "keep: {content: 3s}\nstate:", "line 4: keep.content is 3s, outside of what is allowed here"),
                ("state:", "limits: {outbox: 0}\nstate:", "line 4: limits.outbox is 0, must be from 1 to 100000000"),
                ("state:", 'subscribe: ["a#"]\nstate:', 'line 4: subscribe: the filter "a#": # must be the whole last level'),
                ("state:", "fingerprint: \"0000\"\nstate:", "fingerprint"),
            )),
        ):
            for find, replace, says in changes:
                with self.subTest(program=program, replace=replace):
                    self.assertIn(find, config)
                    self.no_start(program, config.replace(find, replace, 1), [f"{self.folder}/", says], start=False)

    def test_what_may_stand_is_said_so(self):
        for program, config in ("kurzweg-broker", self.broker_config), ("kurzweg-partner", self.node_config):
            done = self.runs(program, "--config", self.write("good.yaml", config), "--check-config")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse(os.path.exists(self.folder / "broker") or os.path.exists(self.folder / "police-control-room"))


if __name__ == "__main__":
    kurzweg_test.main()
