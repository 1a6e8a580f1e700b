"""kurzweg for the operator: status over the control socket and over the network, agreements into force, new log epochs, stop."""

import shutil

import kurzweg_test
from kurzweg_test import FAILED, REFUSED, SILENT, USAGE, free_ports, wait_until


class Broker(kurzweg_test.Shared):
    def setUp(self):
        super().setUp()
        self.first = self.p.agreement()

    def status(self):
        return self.kurzweg_json("status", *self.control)

    def operator(self, *more):
        return ("status", "--key", self.p.key("night-desk"), "--agreement", self.first, *more)

    def next_agreement(self, **changes):
        path = self.p.write("next.yaml", version=2, previous=self.p.hash_of(self.first), **changes)
        return self.p.sign(path, previous=self.first)

    # status

    def test_the_control_socket_and_an_operators_key_show_the_same_broker(self):
        self.p.broker()
        node = self.p.node("police/control-room")
        node.wait_for("link.up")
        for answer in self.status(), self.kurzweg_json(*self.operator()), self.kurzweg_json(*self.operator("--broker", self.p.endpoint)):
            self.assertEqual((answer["partnership"], answer["kind"], answer["state"]), ("musterstadt", "live", "serving"))
            self.assertEqual([lane["name"] for lane in answer["lanes"]], ["flash", "urgent", "routine"])
            connected = {n["id"]: n["connected"] for n in answer["nodes"]}
            self.assertEqual(connected, {n: n == "police/control-room" for n in self.p.nodes})
            self.assertEqual(answer["agreement"]["fingerprint"], self.p.fingerprint_of(self.first))

    def test_people_read_first_whether_all_is_well(self):
        self.p.broker()
        shown = self.kurzweg("status", *self.control).stdout
        self.assertRegex(shown, r"^Broker of musterstadt  1 thing does not work\n! No node is connected\.")
        for name in self.p.nodes:
            self.p.node(name).wait_for("link.up")
        shown = self.kurzweg("status", *self.control).stdout
        self.assertRegex(shown, r"^Broker of musterstadt  all is well\n\n")
        for name in self.p.nodes:
            self.assertRegex(shown, rf"(?m)^{name} +since \d\d:\d\d +0 +0 +0 ")
        shown = self.kurzweg("status", *self.control, LC_ALL="de_DE.UTF-8").stdout
        self.assertRegex(shown, r"^Broker von musterstadt  alles in Ordnung\n\n")

    def test_a_terminal_of_80_columns_holds_every_line(self):
        self.p.broker()
        self.p.node("police/control-room").wait_for("link.up")
        shown = self.on_terminal("status", *self.control)
        self.assertIn("\x1b[", shown)
        for line in kurzweg_test.plain(shown).splitlines():
            self.assertLessEqual(len(line), 80, line)

    def test_nobody_there_is_told_from_not_allowed(self):
        self.refuses("status", *self.control, code=SILENT, says=["no broker listens at", "--control"])
        self.refuses(*self.operator(), code=SILENT, says=["nobody answers at", self.p.endpoint])
        self.p.broker()
        self.p.new_key("stranger", "--operator")
        self.refuses("status", "--key", self.p.key("stranger"), "--agreement", self.first, code=REFUSED, says=["does not know the key of \"stranger\"", "operators"])
        self.refuses("status", "--key", self.p.key("police/control-room"), "--agreement", self.first, code=REFUSED, says=["police/control-room", "--operator"])

    def test_ways_that_contradict_each_other_are_wrong_usage(self):
        self.refuses("status", "--broker", self.p.endpoint, code=USAGE, says="--key FILE is missing")
        self.refuses(*self.operator(*self.control), code=USAGE, says="give one")
        self.refuses("status", "--control", "tcp://127.0.0.1:1", says="must be an address as ipc://", code=FAILED)
        self.refuses("status", "--controll", "x", code=USAGE, says="did you mean --control")

    # agreement install

    def test_a_new_version_comes_into_force_without_a_restart_and_reaches_the_nodes(self):
        self.p.broker()
        nodes = [self.p.node(name) for name in self.p.nodes]
        for node in nodes:
            node.wait_for("link.up")
        second = self.next_agreement()
        done = self.kurzweg("agreement", "install", second, *self.control)
        self.assertIn('Version 2 of "musterstadt" is in force at the broker', done.stderr)
        self.assertEqual(self.status()["agreement"]["version"], 2)
        for node in nodes:
            node.wait_for("version=2")
            self.assertTrue(node.alive())
        self.refuses("agreement", "install", self.first, *self.control, code=REFUSED, says=["the broker refuses", "version"])
        self.assertEqual(self.status()["agreement"]["version"], 2)

    def test_a_version_that_does_not_hold_changes_nothing(self):
        self.p.broker()
        too_few = self.p.sign(self.p.write("few.yaml", version=2, previous=self.p.hash_of(self.first)), members=("mayor",), previous=self.first)
        self.refuses("agreement", "install", too_few, *self.control, code=REFUSED, says="1 of the 3")
        leap = self.p.sign(self.p.write("leap.yaml", version=3, previous=self.p.hash_of(self.first)))
        self.refuses("agreement", "install", leap, *self.control, code=REFUSED, says="the broker refuses")
        second = self.next_agreement()
        self.refuses("agreement", "install", second, "--fingerprint", "0000", *self.control, code=REFUSED, says=["the fingerprint of", self.p.fingerprint_of(second)])
        self.refuses("agreement", "install", second, "--previous", too_few, *self.control, code=REFUSED, says="versions only go up")
        self.assertEqual(self.status()["agreement"]["version"], 1)

    def test_a_file_or_the_running_broker_not_both(self):
        self.refuses("agreement", "install", self.first, code=USAGE, says=["--to PATH", "--running"])
        self.refuses("agreement", "install", self.first, "--to", self.folder / "there.yaml", "--running", code=USAGE, says="give one")
        self.refuses("agreement", "install", self.first, *self.control, code=SILENT, says="no broker listens")

    # broker

    def test_a_broker_from_an_old_copy_serves_again_in_a_new_log_epoch(self):
        broker = self.p.broker()
        node = self.p.node("police/control-room")
        node.wait_for("link.up")
        broker.stop()
        shutil.copytree(self.folder / "broker", self.folder / "copy")
        broker.start().wait_for("broker.ready", times=2)
        self.kurzweg("agreement", "install", self.next_agreement(), *self.control)
        node.wait_for("version=2")
        broker.stop()
        shutil.rmtree(self.folder / "broker")
        (self.folder / "copy").rename(self.folder / "broker")
        broker.start().wait_for("broker.ready", times=3)
        wait_until(lambda: self.status()["state"] == "behind", what="the broker's own verdict")
        shown = self.kurzweg("status", *self.control).stdout
        self.assertRegex(shown, r"! It serves nobody, since its store is older than what the nodes have seen: .*kurzweg broker new-epoch")
        self.refuses("broker", "new-epoch", *self.control, code=USAGE, says="--yes")
        self.assertEqual(self.status()["state"], "behind")
        shown = self.on_terminal("broker", "new-epoch", *self.control, code=REFUSED, answers=[("Open a new log epoch? [y/N] ", "\n")])
        self.assertIn("Nothing was changed", shown)
        done = self.kurzweg("broker", "new-epoch", *self.control, "--yes")
        self.assertIn("A new log epoch is open", done.stderr)
        self.assertEqual((self.status()["state"], self.status()["log_epoch"]), ("serving", 2))

    def test_the_control_socket_of_a_living_broker_is_not_taken_and_a_dead_ones_is(self):
        broker = self.p.broker()
        text = (self.folder / "broker.yaml").read_text()
        config = self.write("other.yaml", text.replace(self.p.endpoint, f"tcp://127.0.0.1:{free_ports()[0]}").replace("/broker}", "/other}"))
        second = self.daemon("kurzweg-broker", "--config", config, log=self.folder / "other.log")
        self.assertEqual(second.process.wait(kurzweg_test.DEADLINE), FAILED)
        self.assertRegex(second.text(), r"control: .*another program listens on .*broker.sock; stop that one first")
        self.assertEqual(self.status()["state"], "serving")
        broker.kill()
        broker.start().wait_for("broker.ready", times=2)
        self.assertEqual(self.status()["state"], "serving")

    def test_stop_ends_the_broker_orderly(self):
        broker = self.p.broker()
        self.kurzweg("broker", "stop", *self.control)
        self.assertEqual(broker.process.wait(kurzweg_test.DEADLINE), 0)
        self.refuses("broker", "stop", *self.control, code=SILENT, says="no broker listens")
        self.refuses("broker", "sotp", code=USAGE, says='did you mean "stop"')


if __name__ == "__main__":
    kurzweg_test.main()
