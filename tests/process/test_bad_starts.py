"""What a daemon does not start with: one sentence each, that names file and line or address, the value, what is allowed, and what to do; nothing is changed.

Where --check-config can know it, it says the same.
"""

import os
import re
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
            self.assertIn(part, said.replace('\\"', '"'))  # in a line of the log a sentence stands in quotes

    # ---- what others have already ----

    def test_a_taken_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            self.no_start("kurzweg-broker", self.broker_config.replace(self.p.endpoint, address), [address, "is taken by another program; choose another port or stop that program", "ss -ltnp"])

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

    # of every key: a line with a wrong value, and what the sentence says of it: the key, the value, what is allowed or what to write
    WRONG = {
        "kurzweg-broker": {
            "agreement": ("agreement: [a]", '"agreement" of broker.yaml is a list, as [a, b], must be one value'),
            "key": ("key: {file: x}", '"key" of broker.yaml is keys with values, as {key: value}, must be one value'),
            "listen": ("listen: [ipc:///x]", 'listen has "ipc:///x", must be addresses such as tcp://*:7411'),
            "control": ("control: tcp://*:1", 'control is "tcp://*:1", must be an absolute path behind ipc://, such as ipc:///run/kurzweg/broker.sock'),
            "store": ("store: /var/lib/x", '"store" of broker.yaml is "/var/lib/x", must be keys with values, as {key: value}'),
            "store.path": ("store: {path: [a]}", '"path" of store is a list, as [a, b], must be one value'),
            "store.quota": ("store: {path: /x, quota: much}", 'store.quota is "much", must be a number and a unit, as in 512, 64KiB, 10MiB, 2GiB or 1TiB, from 16777216 to'),
            "store.force_filesystem": ("store: {path: /x, force_filesystem: yes}", 'store.force_filesystem is "yes", must be one of: false, true'),
            "audit": ("audit: 1", '"audit" of broker.yaml is "1", must be keys with values, as {key: value}'),
            "audit.keep_years": ("audit: {keep_years: 31}", "keep_years is 31, must be from 0 to 30"),
            "connections": ("connections: many", 'connections is "many", must be a whole number from 16 to 65536'),
            "log": ("log: loud", 'log is "loud", must be one of: error, warning, notice, info, debug'),
        },
        "kurzweg-partner": {
            "agreement": ("agreement: a.yaml", 'agreement is "a.yaml"; write the whole path, beginning with /'),
            "fingerprint": ('fingerprint: ["AB"]', '"fingerprint" of partner.yaml is a list, as [a, b], must be one value'),
            "key": ("key: n.key", 'key is "n.key"; write the whole path, beginning with /'),
            "key_before": ("key_before: ipc:///x", 'key_before is "ipc:///x"; write the whole path, beginning with /'),
            "subscribe": ("subscribe: alert", '"subscribe" of partner.yaml is "alert", must be a list, as [a, b]'),
            "socket": ("socket: tcp://*:1", 'socket is "tcp://*:1"; it must begin with ipc:/// and name a file of this machine'),
            "state": ("state: here", 'state is "here"; write the whole path, beginning with /'),
            "spool": ("spool: here", 'spool is "here"; write the whole path, beginning with /'),
            "handlers": ("handlers: /bin/true", '"handlers" of partner.yaml is "/bin/true", must be a list, as [a, b]'),
            "handlers.topic": ('handlers: [{topic: "a#", run: [/x]}]', 'topic: the filter "a#": # must be the whole last level'),
            "handlers.run": ('handlers: [{topic: "#", run: [mail]}]', 'run begins with "mail"; write the program\'s whole path, beginning with /'),
            "handlers.name": ('handlers: [{topic: "#", run: [/x], name: [a]}]', '"name" of a handler is a list, as [a, b], must be one value'),
            "handlers.as": ('handlers: [{topic: "#", run: [/x], as: jsn}]', 'as is "jsn", must be one of: json, cap,'),
            "handlers.cases": ('handlers: [{topic: "#", run: [/x], cases: some}]', 'cases is "some", must be one of: none, turns, all'),
            "handlers.drafts": ('handlers: [{topic: "#", run: [/x], drafts: 1}]', 'drafts is "1", must be one of: no, yes'),
            "handlers.suspensions": ('handlers: [{topic: "#", run: [/x], suspensions: 1}]', 'suspensions is "1", must be one of: no, yes'),
            "handlers.attempts": ('handlers: [{topic: "#", run: [/x], attempts: 0}]', "attempts is 0, must be from 1 to 1000"),
            "handlers.timeout": ('handlers: [{topic: "#", run: [/x], timeout: 2d}]', "timeout is 2d, outside of what is allowed here (90s, 10m, 2h, 14d, 2w or 2y, from 1s to 1h)"),
            "keep": ("keep: 14d", '"keep" of partner.yaml is "14d", must be keys with values, as {key: value}'),
            "keep.content": ("keep: {content: 14}", 'keep.content is "14", must be a number and a unit, as in 90s, 10m, 2h, 14d, 2w or 2y, from 1h to 3650d'),
            "audit": ("audit: 1", '"audit" of partner.yaml is "1", must be keys with values, as {key: value}'),
            "audit.keep_years": ("audit: {keep_years: -1}", 'keep_years is "-1", must be a whole number from 0 to 30'),
            "limits": ("limits: [1]", '"limits" of partner.yaml is a list, as [a, b], must be keys with values, as {key: value}'),
            "limits.outbox": ("limits: {outbox: 0}", "limits.outbox is 0, must be from 1 to 100000000"),
            "limits.store": ("limits: {store: 1GB}", 'limits.store is "1GB", must be a number and a unit, as in 512, 64KiB, 10MiB, 2GiB or 1TiB, from 1048576 to'),
            "log": ("log: notise", 'log is "notise", must be one of: error, warning, notice, info, debug; did you mean "notice"?'),
        },
    }

    def test_a_wrong_value_of_every_key_is_told_with_file_line_key_value_and_what_is_allowed(self):
        for program, config in ("kurzweg-broker", self.broker_config), ("kurzweg-partner", self.node_config):
            known = {}
            for inside, line in {"": "strange: 1", "store": "store: {path: /x, strange: 1}", "audit": "audit: {strange: 1}", "keep": "keep: {strange: 1}",
                                 "limits": "limits: {strange: 1}", "handlers": "handlers: [{strange: 1}]"}.items():
                said = self.runs(program, "--config", self.write("tried.yaml", self.with_line(config, line)[0]), "--check-config").stderr
                found = re.search(r'unknown key "strange" in .*known here: ([\w, ]+)', said)
                known.update({f"{inside}.{key}".lstrip("."): said for key in found.group(1).split(", ")} if found else {})
            self.assertEqual(set(known), set(self.WRONG[program]))
            for key, (line, says) in self.WRONG[program].items():
                with self.subTest(program=program, key=key):
                    text, number = self.with_line(config, line)
                    self.no_start(program, text, [f"{self.folder}/tried.yaml: line {number}: {says}"], start=False)

    @staticmethod
    def with_line(config, line):
        """The configuration with that line for its key, and the line's number."""
        lines = [there for there in config.splitlines() if not there.startswith(line.partition(":")[0] + ":")] + [line]
        return "\n".join(lines) + "\n", len(lines)

    # ---- what only the machine knows ----

    def test_places_that_cannot_be_used_are_found_without_a_start(self):
        self.write("file", "no folder")
        for program, config, key, path in (("kurzweg-broker", self.broker_config, "store.path", f"{self.folder}/broker"),
                                           ("kurzweg-partner", self.node_config, "state", f"{self.folder}/police-control-room")):
            def at(where):
                return "".join(line.replace(f"{path}}}", f"{where}}}") if "store:" in line else f"state: {where}\n" if line.startswith("state:") else line
                               for line in config.splitlines(True))

            self.no_start(program, at(f"{self.folder}/file"), [f"{key}: {self.folder}/file is no folder"], start=False)
            self.no_start(program, at(f"{self.folder}/none/of/this"),
                          [f"{key}: the folder {self.folder}/none/of/this is missing, and so is {self.folder}/none/of, where it would be made; make it with: install -d -m 0700 -o "], start=False)
        for program, config, key, socket in (("kurzweg-broker", self.broker_config, "control", f"{self.folder}/broker.sock"),
                                             ("kurzweg-partner", self.node_config, "socket", self.p.socket(POLICE).removeprefix("ipc://"))):
            self.no_start(program, config.replace(socket, f"{self.folder}/file"), [f"{key}: {self.folder}/file is no socket and is left as it is; move it away, or use another socket"], start=False)
            self.no_start(program, config.replace(socket, f"{self.folder}/file/x.sock"), [f"{key}: {self.folder}/file is no folder"], start=False)
        self.no_start("kurzweg-broker", self.broker_config.replace(self.p.endpoint, "tcp://192.0.2.77:7411"), ["listen: tcp://192.0.2.77:7411 is no address of this machine"])
        self.no_start("kurzweg-broker", self.broker_config.replace(self.p.endpoint, "tcp://*:http"), ['listen: "tcp://*:http" is no address to listen on; write tcp://*:7411'])

    def test_places_of_others_are_found_by_whoever_runs_it(self):
        self.folder.chmod(0o755)
        shut = self.folder / "shut"
        shut.mkdir(mode=0o555)
        as_nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        for program, config, key in ("kurzweg-broker", self.broker_config, "store.path"), ("kurzweg-partner", self.node_config, "state"):
            config = re.sub(r"(store: \{path: |state: ).*?(\}?)\n", rf"\1{shut}/x\2\n", config)
            path = self.write("tried.yaml", re.sub(r"(socket|control): .*\n", rf"\1: ipc://{shut}/y.sock\n", config))
            done = subprocess.run([BIN / program, "--config", path, "--check-config"], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(), timeout=60, **as_nobody)
            self.assertEqual(done.returncode, CONFIG, done.stderr)
            self.assertIn(f"{key}: the folder {shut}/x is missing and cannot be made: Permission denied; make it as root with: install -d -m 0700 -o ", done.stderr)
            self.assertIn(f"no socket can be made in {shut}: Permission denied", done.stderr)

    def test_all_that_is_wrong_is_told_at_once(self):
        self.p.key("haus").unlink()
        path = self.write("tried.yaml", self.broker_config.replace(f"{self.folder}/broker}}", f"{self.folder}/a/b}}").replace("agreement.yaml", "none.yaml"))
        done = self.runs("kurzweg-broker", "--config", path, "--check-config")
        self.assertEqual((done.returncode, [line.split()[1] for line in done.stderr.splitlines()]), (CONFIG, [str(self.p.key("haus")), f"{self.folder}/none.yaml", "store.path:"]), done.stderr)

    def test_a_broker_that_runs_may_be_checked_again(self):
        broker = self.p.broker()
        done = self.runs("kurzweg-broker", "--config", self.write("tried.yaml", self.broker_config), "--check-config")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        other = self.broker_config.replace("broker.sock", "other.sock")  # another broker, which would want the same address
        self.no_start("kurzweg-broker", other, [f"listen: {self.p.endpoint} is taken by another program"], start=False)
        self.assertTrue(broker.alive())

    def test_what_may_stand_is_said_so(self):
        for program, config in ("kurzweg-broker", self.broker_config), ("kurzweg-partner", self.node_config):
            done = self.runs(program, "--config", self.write("good.yaml", config), "--check-config")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse(os.path.exists(self.folder / "broker") or os.path.exists(self.folder / "police-control-room"))


if __name__ == "__main__":
    kurzweg_test.main()
