"""SIGHUP: the whole file or nothing, what is in force told truly, and nothing lost meanwhile."""

import re
import signal
import threading

import kurzweg_test
from desk import CITY, POLICE, NodesCase, numbered
from kurzweg_test import wait_until


class Reload(NodesCase):
    def hup(self, daemon, ends=("config.reloaded", "config.refused")):
        """Has it read its file again; answers the log's lines since then, up to the one that ends it."""
        before = len(daemon.text())
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not daemon.alive() or any(end in daemon.text()[before:] for end in ends), what="the daemon to read its configuration")
        self.assertTrue(daemon.alive(), daemon.text())
        return daemon.text()[before:]

    def config(self, *who):
        return self.kurzweg_json("status", *who)["config"]

    def edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))
        return path


class Broker(Reload):
    def setUp(self):
        super().setUp()
        self.broker = self.p.broker()
        self.control = ("--control", f"ipc://{self.folder}/broker.sock")

    def test_what_may_change_is_in_force_at_once_and_the_rest_is_named(self):
        config = self.config(*self.control)
        self.assertEqual((config["in_force"]["log"], config["in_force"]["store.quota"], config["needs_restart"], config["refused"]), ("notice", "80 % of the disk", [], None))
        self.edit("broker.yaml", "}\n", ", quota: 64MiB}\nlog: info\nconnections: 32\n")
        self.edit("broker.yaml", self.p.endpoint, "tcp://127.0.0.1:1")
        said = self.hup(self.broker)
        self.assertIn("config.reloaded", said)
        for key in ("store.quota", "log"):
            self.assertIn(f"config.changed key={key}", said)
        for key in ("listen", "connections"):
            self.assertIn(f"config.needs_restart key={key}", said)
        status = self.kurzweg_json("status", *self.control)
        self.assertEqual(status["store"]["quota_bytes"], 64 << 20)
        config = status["config"]
        self.assertEqual(config["in_force"]["store.quota"], f"{64 << 20} bytes")
        self.assertEqual((config["in_force"]["listen"], config["in_force"]["connections"], config["in_force"]["log"]), (self.p.endpoint, "8192", "info"))
        self.assertEqual({w["key"]: (w["in_force"], w["file"]) for w in config["needs_restart"]},
                         {"listen": (self.p.endpoint, "tcp://127.0.0.1:1"), "connections": ("8192", "32")})
        shown = self.kurzweg("status", *self.control).stdout
        self.assertIn("needs a restart: listen, connections", re.sub(r"\s+", " ", shown))
        self.assertIn('listen is "tcp://127.0.0.1:1" in the configuration file', re.sub(r"\s+", " ", shown))
        self.start(POLICE)  # on the address that is in force
        self.edit("broker.yaml", "tcp://127.0.0.1:1", self.p.endpoint)
        self.edit("broker.yaml", "connections: 32\n", "")
        self.hup(self.broker)
        self.assertEqual(self.config(*self.control)["needs_restart"], [])

    def test_an_error_anywhere_changes_nothing(self):
        good = (self.folder / "broker.yaml").read_text()
        before = self.config(*self.control)
        for wrong, says in (("log: loud\n", ['broker.yaml: line 6: log is "loud", must be one of: error, warning']), ("strange: 1\n", ['line 6: unknown key "strange"']),
                            ("connections: 3\n", ["line 6", "connections", "3", "16"]), ("log: debug\n: [\n", ["line "])):
            with self.subTest(wrong=wrong):
                (self.folder / "broker.yaml").write_text(good.replace("}\n", ", quota: 64MiB}\n") + wrong)
                said = self.hup(self.broker)
                self.assertIn("config.refused", said)
                config = self.config(*self.control)
                self.assertEqual(config["in_force"], before["in_force"])
                for part in says:
                    self.assertIn(part, config["refused"])
                self.assertIn("is not in force", re.sub(r"\s+", " ", self.kurzweg("status", *self.control).stdout))
        (self.folder / "broker.yaml").unlink()
        self.assertIn("does not exist", self.hup(self.broker))
        (self.folder / "broker.yaml").write_text(good)
        self.hup(self.broker)
        self.assertIsNone(self.config(*self.control)["refused"])

    def test_the_next_agreement_comes_into_force_and_another_does_not(self):
        first = self.folder / "agreement.yaml"
        good = first.read_text(), (self.folder / "agreement.yaml.sig").read_text()
        node = self.start(POLICE)
        (self.folder / "agreement.yaml.sig").write_text(good[1].splitlines()[0] + "\n")
        second = self.p.agreement("second.yaml", version=2, previous=self.p.hash_of(first), topics=self.p.TOPICS + '  - {filter: "new/#", schema: note, publish: ["*"], receive: ["*"]}\n')
        first.write_text(second.read_text())
        said = self.hup(self.broker)  # its signatures are those of the first
        self.assertIn("config.refused", said)
        self.assertEqual(self.kurzweg_json("status", *self.control)["agreement"]["version"], 1)
        self.p.sign(second, previous=self.write("first.yaml", good[0]))
        (self.folder / "agreement.yaml.sig").write_text((self.folder / "second.yaml.sig").read_text())
        said = self.hup(self.broker)
        self.assertIn("agreement.in_force version=2", said)
        self.assertEqual(self.kurzweg_json("status", *self.control)["agreement"]["version"], 2)
        node.wait_for("agreement.installed")
        self.assertIsNone(self.config(*self.control)["refused"])

    def test_under_load_nothing_is_lost(self):
        self.start(POLICE)
        self.start(CITY)
        over, said = threading.Event(), []

        def reload_all_the_time():
            levels = ("info", "notice")
            for i in range(10_000):
                text = (self.folder / "broker.yaml").read_text().partition("log:")[0]
                (self.folder / "broker.yaml").write_text(f"{text}log: {levels[i % 2]}\n")
                said.append(self.hup(self.broker))
                if over.is_set():
                    return

        reloads = threading.Thread(target=reload_all_the_time)
        reloads.start()
        try:
            for i in range(60):
                path = self.write(f"alert-{i}.cap.xml", numbered(self.flood, i))
                self.kurzweg("publish", "alert/flood/mitte", "--cap", path, "--socket", self.p.socket(POLICE))
        finally:
            over.set()
            reloads.join()
        self.assertGreater(len(said), 3)
        wait_until(lambda: len({row["id"] for row in self.desks[CITY].inbox() if row["type"] == "notice"}) == 60, what="all of them at the city")
        self.assertEqual(self.desks[CITY].status()["gaps"], [])


class Node(Reload):
    def setUp(self):
        super().setUp()
        self.broker = self.p.broker()
        self.node = self.start(POLICE)
        self.ask = ("--socket", self.p.socket(POLICE))
        self.yaml = "police-control-room.yaml"

    def handler(self, name, topic="alert/#", script="cat >>$0.out; echo $KURZWEG_ID >>$0.ids"):
        program = self.write(name, f"#!/bin/sh\n{script}\n", 0o755)
        return f'{{name: {name}, topic: "{topic}", run: ["{program}"]}}'

    def ids(self, name):
        path = self.folder / f"{name}.ids"
        return path.read_text().split() if path.exists() else []

    def publish(self, number):
        self.start(CITY) if CITY not in self.desks else None
        path = self.write(f"alert-{number}.cap.xml", numbered(self.flood, number))
        return self.kurzweg("publish", "alert/flood/mitte", "--cap", path, "--socket", self.p.socket(CITY)).stdout.split()[0]

    def test_handlers_come_and_go_and_what_runs_ends_by_itself(self):
        self.start(CITY)
        slow = self.handler("slow", script='echo begun >>$0.begun; while [ ! -e "$0.go" ]; do sleep 0.05; done; echo $KURZWEG_ID >>$0.ids')
        before = (self.folder / self.yaml).read_text()
        (self.folder / self.yaml).write_text(f"{before}handlers: [{slow}]\n")
        self.assertIn("config.changed key=handlers", self.hup(self.node))
        first = self.publish(1)
        wait_until((self.folder / "slow.begun").exists, what="the handler to run")
        (self.folder / self.yaml).write_text(f"{before}handlers: [{self.handler('quick')}]\n")
        self.hup(self.node)
        second = self.publish(2)
        wait_until(lambda: self.ids("quick") == [second], what="the new handler")
        self.assertEqual(self.ids("slow"), [])
        self.assertEqual({h["name"] for h in self.desks[POLICE].status()["handlers"]}, {"slow", "quick"})
        (self.folder / "slow.go").touch()
        wait_until(lambda: {h["name"] for h in self.desks[POLICE].status()["handlers"]} == {"quick"}, what="the old one to be gone")
        self.assertEqual(self.ids("slow"), [first])
        self.assertEqual((self.folder / "slow.begun").read_text(), "begun\n")  # not the second: it was not configured then
        (self.folder / self.yaml).write_text(f"{before}handlers: [{slow}]\n")
        self.hup(self.node)
        wait_until(lambda: self.ids("slow") == [first, second], what="the one that was away to go on where it stopped")

    def test_a_handler_that_cannot_run_changes_nothing(self):
        before = (self.folder / self.yaml).read_text()
        (self.folder / self.yaml).write_text(f'{before}keep: {{content: 1h}}\nhandlers: [{{topic: "#", run: ["/nowhere/program"]}}]\n')
        said = self.hup(self.node)
        self.assertIn("config.refused", said)
        config = self.config(*self.ask)
        self.assertIn("/nowhere/program cannot be started", config["refused"])
        self.assertEqual((config["in_force"]["handlers"], config["in_force"]["keep.content"]), ("none", "as each topic says"))

    def test_filters_limits_and_spool(self):
        self.start(CITY)
        before = (self.folder / self.yaml).read_text()
        (self.folder / "spool").mkdir()
        (self.folder / self.yaml).write_text(before.replace('subscribe: ["#"]', 'subscribe: ["request/#"]') + f"spool: {self.folder}/spool\nlimits: {{outbox: 7, store: 64MiB}}\nkeep: {{content: 2h}}\n")
        said = self.hup(self.node)
        self.assertIn("changed=subscribe,spool,keep.content,limits.outbox,limits.store needs_restart=nothing", said)
        self.node.wait_for("link.up", times=2)
        status = self.desks[POLICE].status()
        self.assertEqual((status["outbox"]["limit"], status["config"]["in_force"]["limits.store"]), (7, f"{64 << 20} bytes"))
        bare = self.publish(1)
        self.assertTrue(self.desks[POLICE].row(bare)["bare"])  # not subscribed to
        (self.folder / "spool/alert/flood").mkdir(parents=True)
        (self.folder / "spool/alert/flood/x.cap.xml").write_text(numbered(self.flood, 2))
        wait_until((self.folder / "spool/sent/alert/flood/x.cap.xml.id").exists, what="the file to be published")
        (self.folder / self.yaml).write_text(before)
        self.hup(self.node)
        self.node.wait_for("link.up", times=3)
        self.assertNotIn("spool", self.desks[POLICE].status())
        whole = self.publish(3)
        self.assertFalse(self.desks[POLICE].row(whole)["bare"])

    def test_how_much_is_logged(self):
        path = self.folder / self.yaml
        before = path.read_text()
        path.write_text(f"{before}log: error\n")
        at = len(self.node.text())
        self.node.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.config(*self.ask)["in_force"]["log"] == "error", what="less to be logged")
        self.assertEqual(self.node.text()[at:], "")  # that it was read again is a notice
        path.write_text(f"{before}log: loud\n")
        self.assertIn('log is \\"loud\\", must be one of: error, warning, notice, info, debug', self.hup(self.node))
        self.assertEqual(self.config(*self.ask)["in_force"]["log"], "error")
        path.write_text(f"{before}log: notice\n")
        self.assertIn("config.changed key=log", self.hup(self.node))
        self.assertEqual(self.node.stop(), 0)
        self.node.argv.append("--verbose")
        self.node.start().wait_for("partner.ready", times=2)
        self.assertEqual(self.config(*self.ask)["in_force"]["log"], "info")
        path.write_text(f"{before}log: warning\n")
        self.hup(self.node)
        self.assertEqual(self.config(*self.ask)["in_force"]["log"], "info")  # --verbose holds for as long as it runs

    def test_what_needs_a_restart_is_named(self):
        self.edit(self.yaml, f"state: {self.folder}/police-control-room", f"state: {self.folder}/elsewhere")
        self.assertIn("config.needs_restart key=state", self.hup(self.node))
        self.assertEqual([w["key"] for w in self.config(*self.ask)["needs_restart"]], ["state"])
        shown = re.sub(r"\s+", " ", self.kurzweg("status", *self.ask).stdout)
        self.assertIn("needs a restart: state", shown)
        self.assertFalse((self.folder / "elsewhere").exists())

    def test_the_next_agreement_is_taken_and_a_wrong_one_is_not(self):
        first = self.folder / "agreement.yaml"
        text = first.read_text()
        second = self.p.agreement("second.yaml", version=2, previous=self.p.hash_of(first), topics=self.p.TOPICS + '  - {filter: "new/#", schema: note, publish: ["*"], receive: ["*"]}\n')
        first.write_text(second.read_text())
        self.assertIn("config.refused", self.hup(self.node))
        self.assertEqual(self.desks[POLICE].status()["agreement"]["version"], 1)
        self.p.sign(second, previous=self.write("first.yaml", text))
        (self.folder / "agreement.yaml.sig").write_text((self.folder / "second.yaml.sig").read_text())
        self.assertIn("agreement.installed", self.hup(self.node))
        self.assertEqual(self.desks[POLICE].status()["agreement"]["version"], 2)
        self.assertEqual(self.node.stop(), 0)
        self.node.start().wait_for("partner.ready", times=2)
        self.assertEqual(self.kurzweg_json("status", *self.ask)["agreement"]["version"], 2)


if __name__ == "__main__":
    kurzweg_test.main()
