"""kurzweg doctor: what is wrong at a partner's machine is found with the daemon running and without, told with what to type, and nothing is changed."""

import json
import os
import shutil
import socket
import subprocess
import unittest

import kurzweg_test
from desk import POLICE, NodesCase
from kurzweg_test import BIN, DONE, FAILED, SOURCE, environment

NOBODY = 65534


class Doctor(NodesCase):
    def setUp(self):
        super().setUp()
        self.config = self.folder / "police-control-room.yaml"
        self.configure()

    def configure(self, more="", **changes):
        keys = {"agreement": self.folder / "agreement.yaml", "key": self.p.key(POLICE), "socket": self.p.socket(POLICE), "state": self.folder / "police-control-room", **changes}
        self.config.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()) + more)

    def look(self, code=None, **more):
        """{check: finding} of --json; the last of each, handlers and keys aside there is one."""
        before = self.everything()
        done = self.kurzweg("doctor", "--config", self.config, "--json", code=code, **more)
        self.assertEqual(self.everything(), before, "something was changed")
        self.assertEqual(done.stderr, "")
        self.whole = json.loads(done.stdout)
        self.assertEqual(done.returncode, DONE if self.whole["well"] else FAILED)
        return {finding["check"]: finding for finding in self.whole["checks"]}

    def everything(self):
        """Of all files but what a running daemon writes: name, mode, owner, size, time."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            if not path.name.endswith((".log", "-wal", "-shm")) and self.folder / "broker" not in (path, path.parent):
                st = path.lstat()
                found[str(path)] = (st.st_mode, st.st_uid, st.st_gid, st.st_size if path.is_file() else 0, st.st_mtime_ns if path.suffix != ".db" else 0)
        return found

    def other_agreement(self, **changes):
        """In the place of the one that is there."""
        (self.folder / "agreement.yaml.sig").unlink()
        return self.p.agreement(**changes)

    def verdicts(self, found):
        return {check: finding["verdict"] for check, finding in found.items()}

    def is_wrong(self, found, check, says, types=(), verdict="wrong"):
        """That finding, with what it says and each command; whatever is wrong says what it means and what to type."""
        finding = found[check]
        self.assertEqual(finding["verdict"], verdict, finding)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, finding["what"])
        self.assertTrue(finding["means"], finding)
        for command in [types] if isinstance(types, str) else types:
            self.assertIn(command, finding["type"])
        self.assertTrue(finding["type"], finding)


class Well(Doctor):
    def test_a_node_that_runs_is_well_and_is_not_disturbed(self):
        (self.folder / "spool").mkdir()
        (self.folder / "spool").chmod(0o2770)
        handler = self.write("handler", "#!/bin/sh\nexit 0\n", mode=0o755)
        broker = self.p.broker()
        node = self.p.node(POLICE, more=f'spool: {self.folder}/spool\nhandlers: [{{topic: "alert/#", run: ["{handler}"]}}]\n')
        node.wait_for("link.up")
        said = broker.text()
        found = self.look()
        self.assertTrue(self.whole["well"], self.whole)
        self.assertEqual((self.whole["node"], self.whole["config"], self.whole["wrong"], self.whole["unknown"]), (POLICE, str(self.config), 0, 0))
        expected = dict.fromkeys(("configuration", "key", "agreement", "membership", "state", "disk", "spool", "handler", "daemon", "in_force", "name", "port", "handshake"), "ok")
        got = self.verdicts(found)
        self.assertIn(got.pop("clock"), ("ok", "look"))  # as this machine's is kept
        if got["disk"] == "look":
            got["disk"] = "ok"  # a full disk is this machine's own matter
        got.pop("access", None)  # root is asked for no group
        self.assertEqual(got, expected)
        self.assertIn("lets the daemon in", found["handshake"]["what"])
        self.assertEqual((broker.text(), node.text().count("link.up")), (said, 1))  # nobody came in, nobody left

    def test_what_is_to_be_typed_can_be_typed_whatever_a_path_has_in_it(self):
        self.config = self.folder / "police's own.yaml"
        self.configure()
        quoted = str(self.config).replace("'", "'\\''")
        self.is_wrong(self.look(code=FAILED), "daemon", "nobody answers on", f"kurzweg-partner --config '{quoted}'")

    def test_before_the_first_start_all_else_is_looked_at_for_real(self):
        broker = self.p.broker()
        said = broker.text()
        found = self.look(code=FAILED)
        self.is_wrong(found, "daemon", f"nobody answers on {self.p.socket(POLICE)}", f"kurzweg-partner --config {self.config}")
        self.assertEqual((found["in_force"]["verdict"], found["port"]["verdict"]), ("unknown", "ok"))
        self.assertEqual(found["handshake"]["verdict"], "ok")
        self.assertIn(f"{self.p.endpoint} holds the broker's key of the agreement and lets {POLICE} in", found["handshake"]["what"])
        self.assertIn("is not there yet; the first start makes it", found["state"]["what"])
        self.assertEqual(broker.text(), said)  # a handshake, and no word more

    def test_for_people_in_both_languages_and_on_a_narrow_terminal(self):
        self.p.broker()
        shown = self.kurzweg("doctor", "--config", self.config, code=FAILED).stdout
        self.assertTrue(shown.startswith(f"{POLICE}  1 thing is wrong, 1 could not be looked at\n"), shown)
        self.assertRegex(shown, r"(?m)^wrong    daemon            nobody answers on ipc:")
        self.assertRegex(shown, rf"(?m)^         type: kurzweg-partner --config {self.config}$")
        self.assertRegex(shown, r"(?m)^unknown  in force          could not be looked at: the daemon must answer first$")
        german = self.kurzweg("doctor", "--config", self.config, code=FAILED, LC_ALL="de_DE.UTF-8").stdout
        self.assertTrue(german.startswith(f"{POLICE}  1 Sache ist falsch, 1 war nicht zu prüfen\n"), german)
        self.assertRegex(german, r"(?m)^falsch   Dienst            niemand antwortet auf ipc:")
        self.assertRegex(german, rf"(?m)^         Eingabe: kurzweg-partner --config {self.config}$")
        narrow = kurzweg_test.plain(self.on_terminal("doctor", "--config", self.config, code=FAILED))
        for line in narrow.splitlines():
            self.assertTrue(len(line) <= 80 or "type:" in line or str(self.folder) in line, line)


class Wrong(Doctor):
    def test_a_configuration_that_is_none(self):
        self.config.write_text("agreement: /a.yaml\nkey: /n.key\nsokket: ipc:///x\n")
        found = self.look(code=FAILED)
        self.assertEqual(list(found), ["configuration"])
        self.is_wrong(found, "configuration", [f'{self.config}: line 3: unknown key "sokket" in partner.yaml, did you mean "socket"?'])
        self.assertRegex(found["configuration"]["type"][0], rf"editor {self.config}$")
        self.config.unlink()
        self.is_wrong(self.look(code=FAILED), "configuration", f"{self.config} does not exist")

    def test_keys(self):
        self.p.broker()
        key = self.p.key(POLICE)
        key.chmod(0o644)
        found = self.look(code=FAILED)
        self.is_wrong(found, "key", "can be read by others (mode 0644)")
        self.assertTrue(found["key"]["type"][0].endswith(f"chmod 600 {key}"), found["key"])
        for check in "membership", "handshake":
            self.assertEqual(found[check]["verdict"], "unknown")
        self.assertEqual(found["port"]["verdict"], "ok")
        key.chmod(0o600)
        kept = key.read_bytes()
        key.write_bytes(kept[:-30])
        self.is_wrong(self.look(code=FAILED), "key", "is cut short")
        key.unlink()
        self.is_wrong(self.look(code=FAILED), "key", f"{key} does not exist")
        self.assertRegex(str(self.look()["key"]["type"]), "kurzweg key new PARTNER/NODE --out ")
        key.touch(mode=0o600)
        key.write_bytes(self.p.key("haus").read_bytes())
        self.is_wrong(self.look(code=FAILED), "key", "is a broker's key")
        key.write_bytes(kept)
        self.configure("key_before: /nowhere/before.key\n")
        found = self.look(code=FAILED)
        self.is_wrong(found, "key_before", "/nowhere/before.key does not exist")
        self.assertEqual(found["key"]["verdict"], "ok")

    def test_a_key_that_the_agreement_does_not_have(self):
        self.p.broker()
        self.configure(key=self.p.new_key(POLICE, file="other.key"))
        found = self.look(code=FAILED)
        self.is_wrong(found, "membership", "this is not the key that the agreement, version 1, has for")
        self.assertRegex(found["membership"]["type"][0], "kurzweg key fingerprint .*/other.key$")
        self.is_wrong(found, "handshake", f"the broker at {self.p.endpoint} does not know this node's key")  # asked for real
        self.configure(key=self.p.new_key("police/garage", file="garage.key"))
        self.is_wrong(self.look(code=FAILED), "membership", "version 1 of the agreement does not name police/garage")

    def test_agreements(self):
        path, sigs = self.folder / "agreement.yaml", self.folder / "agreement.yaml.sig"
        text, signed = path.read_text(), sigs.read_text()
        sigs.write_text(signed.splitlines()[0] + "\n")
        found = self.look(code=FAILED)
        self.is_wrong(found, "agreement", "signed by 1 of the 3 members", f"kurzweg agreement verify {path}")
        for check in "membership", "in_force", "name", "port", "handshake":
            self.assertEqual(found[check]["verdict"], "unknown", check)
        sigs.unlink()
        self.is_wrong(self.look(code=FAILED), "agreement", f"{sigs} does not exist")
        sigs.write_text(signed)
        path.write_text(text.replace("lane: flash", "lane: fast"))
        self.is_wrong(self.look(code=FAILED), "agreement", "flash, urgent, routine")
        path.write_text(text)
        self.configure('fingerprint: "0000 0000 0000 0000 0000 0000 0000 0000"\n')
        self.is_wrong(self.look(code=FAILED), "agreement", "fingerprint")
        self.configure()
        for valid, verdict, says in (("from: 2020-01-01T00:00:00Z, until: 2021-01-01T00:00:00Z", "wrong", "and so is its grace: nothing may be published"),
                                     ("from: 2098-01-01T00:00:00Z, until: 2099-01-01T00:00:00Z", "wrong", "holds from 2098")):
            self.other_agreement(valid=valid)
            self.is_wrong(self.look(code=FAILED), "agreement", says, verdict=verdict)

    def test_the_daemon_works_by_another_agreement(self):
        self.p.broker()
        self.start(POLICE)
        path = self.folder / "agreement.yaml"
        first = path.read_text(), (self.folder / "agreement.yaml.sig").read_text()
        second = self.p.agreement("second.yaml", version=2, previous=self.p.hash_of(path))
        self.p.sign(second, members=("president",), previous=path)
        path.write_text(second.read_text())
        (self.folder / "agreement.yaml.sig").write_text((self.folder / "second.yaml.sig").read_text())
        found = self.look()
        self.is_wrong(found, "in_force", "the daemon works by version 1, the file has version 2", verdict="look")
        self.assertTrue(self.whole["well"], self.whole)
        self.other_agreement(topics=self.p.TOPICS + '  - {filter: "new/#", schema: note, publish: ["*"], receive: ["*"]}\n')
        self.is_wrong(self.look(code=FAILED), "in_force", "another text of version 1", f"kurzweg agreement fingerprint {path}")
        path.write_text(first[0])
        (self.folder / "agreement.yaml.sig").write_text(first[1])
        self.assertEqual(self.look(code=DONE)["in_force"]["verdict"], "ok")

    def test_folders_and_handlers(self):
        plain = self.write("plain", "#!/bin/sh\n", mode=0o644)
        loose = self.write("loose", "#!/bin/sh\n")
        loose.chmod(0o757)
        fine = self.write("fine", "#!/bin/sh\n", mode=0o755)
        (self.folder / "spool").mkdir()
        (self.folder / "spool").chmod(0o777)
        programs = {"none": "/nowhere/x", "plain": plain, "loose": loose, "fine": fine}
        handlers = ", ".join(f'{{name: {name}, topic: "#", run: ["{run}"]}}' for name, run in programs.items())
        self.configure(f"spool: {self.folder}/spool\nhandlers: [{handlers}]\n", state=plain)
        found = self.look(code=FAILED)
        self.is_wrong(found, "state", f"{plain} is no folder")
        self.is_wrong(found, "spool", f"everybody on this machine may drop files in {self.folder}/spool (mode 0777)")
        handlers = {finding["what"].split(":")[0]: finding for finding in self.whole["checks"] if finding["check"] == "handler"}
        self.assertEqual({name: finding["verdict"] for name, finding in handlers.items()}, {"none": "wrong", "plain": "wrong", "loose": "wrong", "fine": "ok"})
        self.is_wrong({"handler": handlers["none"]}, "handler", "/nowhere/x cannot be started: No such file or directory")
        self.is_wrong({"handler": handlers["plain"]}, "handler", "no permission to execute it")
        self.assertRegex(handlers["plain"]["type"][0], rf"chmod 755 {plain}$")
        self.is_wrong({"handler": handlers["loose"]}, "handler", "everybody on this machine may change")
        self.assertRegex(handlers["loose"]["type"][0], rf"chmod o-w {loose}$")
        self.configure(f"spool: {self.folder}/none\n", state=f"{self.folder}/a/b")
        found = self.look(code=FAILED)
        self.is_wrong(found, "state", f"the folder {self.folder}/a/b is missing, and so is {self.folder}/a")
        self.assertRegex(found["state"]["type"][0], rf"install -d -m 0700 -o \S+ {self.folder}/a/b$")
        self.is_wrong(found, "spool", f"the spool {self.folder}/none cannot be opened: No such file or directory")
        odd = self.folder / "it's a folder"
        odd.mkdir()
        odd.chmod(0o755)
        self.configure(state=f'"{odd}"')
        found = self.look(code=FAILED)
        self.is_wrong(found, "state", "others may enter it (mode 0755)", verdict="look")
        command = found["state"]["type"][0].removeprefix("sudo ")
        subprocess.run(command, shell=True, check=True)  # as it stands there
        self.assertEqual(self.look()["state"]["verdict"], "ok")


class Way(Doctor):
    """To the broker, which is not where the agreement says, or is not the broker."""

    def at(self, endpoint):
        """This node's agreement says that the broker is there."""
        self.p.endpoint = endpoint
        self.other_agreement()

    def test_a_name_that_leads_nowhere(self):
        self.at("tcp://broker.invalid:7411")
        found = self.look(code=FAILED)
        self.is_wrong(found, "name", "broker.invalid has no address: ", "getent ahosts broker.invalid")
        self.assertEqual((found["port"]["verdict"], found["handshake"]["verdict"]), ("unknown", "unknown"))

    def test_a_port_where_nobody_listens(self):
        found = self.look(code=FAILED)
        port = self.p.endpoint.rpartition(":")[2]
        self.is_wrong(found, "port", f"nobody listens on TCP port {port} of 127.0.0.1", "systemctl status kurzweg-broker")
        self.assertEqual((found["name"]["verdict"], found["handshake"]["verdict"]), ("ok", "unknown"))
        self.assertIn("a port must open first", found["handshake"]["what"])

    def test_another_program_at_the_port(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            self.at(f"tcp://127.0.0.1:{mute.getsockname()[1]}")
            found = self.look(code=FAILED)
        self.assertEqual(found["port"]["verdict"], "ok")
        self.is_wrong(found, "handshake", "")

    def test_a_broker_with_another_key(self):
        self.p.broker()
        self.p.new_key("haus", "--broker", file="other-haus.key")  # the line that this node's agreement has from now on
        self.p.agreement("other.yaml")
        self.configure(agreement=self.folder / "other.yaml")
        found = self.look(code=FAILED)
        self.is_wrong(found, "handshake", f"what answers at {self.p.endpoint} does not hold the broker's key that version 1 of the agreement has", f"kurzweg agreement fingerprint {self.folder}/other.yaml")

    def test_one_of_two_endpoints(self):
        self.p.broker()
        self.p.endpoint = f'tcp://broker.invalid:7411", "{self.p.endpoint}'
        self.p.agreement("two.yaml")
        self.configure(agreement=self.folder / "two.yaml")
        found = [(finding["check"], finding["verdict"]) for finding in (self.look(code=FAILED), self.whole["checks"])[1]]
        self.assertEqual([f for f in found if f[0] in ("name", "port", "handshake")], [("name", "look"), ("port", "unknown"), ("name", "ok"), ("port", "ok"), ("handshake", "ok")])


@unittest.skipUnless(os.geteuid() == 0, "only root becomes another user")
class Users(Doctor):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        (self.folder / "police-control-room").mkdir(mode=0o700)
        os.chown(self.folder / "police-control-room", NOBODY, NOBODY)

    def as_nobody(self):
        done = subprocess.run([BIN / "kurzweg", "doctor", "--config", self.config, "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(),
                              timeout=120, user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual((done.returncode, done.stderr), (FAILED, ""), done.stdout)
        return {finding["check"]: finding for finding in json.loads(done.stdout)["checks"]}

    def test_root_looks_with_the_eyes_of_the_daemons_user(self):
        handler = self.write("handler", "#!/bin/sh\n", mode=0o700)  # root's
        (self.folder / "spool").mkdir(mode=0o755)
        os.chown(self.p.key(POLICE), NOBODY, NOBODY)
        self.configure(f'spool: {self.folder}/spool\nhandlers: [{{topic: "#", run: ["{handler}"]}}]\n')
        found = self.look(code=FAILED)
        self.assertEqual((self.whole["daemon_user"], found["key"]["verdict"], found["state"]["verdict"]), ("nobody", "ok", "ok"))
        self.is_wrong(found, "handler", "no permission to execute it", f"chmod 755 {handler}")
        self.is_wrong(found, "spool", f"the spool's folder {self.folder}/spool cannot be written: Permission denied", f"chown -R nobody {self.folder}/spool")
        self.config.chmod(0o600)
        self.is_wrong(self.look(code=FAILED), "configuration", "cannot be read by nobody, whom the daemon runs as", f"chmod 644 {self.config}")
        self.config.chmod(0o644)
        os.chown(self.p.key(POLICE), 0, 0)  # where no unit hands it over
        found = self.look(code=FAILED)
        self.is_wrong(found, "key", "belongs to root, and the daemon runs as nobody", f"chown nobody {self.p.key(POLICE)}")

    def test_what_others_may_not_see_is_said_to_be_unknown(self):
        os.chown(self.folder / "police-control-room", 1, 1)
        found = self.as_nobody()
        for check in "key", "state":
            self.assertEqual(found[check]["verdict"], "unknown")
            self.assertIn("only daemon, whom the daemon runs as, and root may", found[check]["what"])
            self.assertEqual(found[check]["type"], [f"sudo kurzweg doctor --config {self.config}"])
        self.assertEqual((found["configuration"]["verdict"], found["agreement"]["verdict"], found["membership"]["verdict"]), ("ok", "ok", "unknown"))

    def test_who_may_not_open_the_socket(self):
        self.p.broker()
        shutil.rmtree(self.folder / "police-control-room")
        self.start(POLICE)  # root's; the socket is for root and its group
        found = self.as_nobody()
        self.assertEqual(found["daemon"]["verdict"], "unknown")
        self.is_wrong(found, "access", "nobody may not open the daemon's socket: that is for the group root", "sudo usermod --append --groups root nobody")


@unittest.skipUnless(os.geteuid() == 0, "/etc/kurzweg is root's")
class Service(Doctor):
    """What systemd says of the unit: a systemctl that says what the test has it say, and a copy of /etc, with kurzweg in it, in a mount namespace of the test's own."""

    def setUp(self):
        super().setUp()
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
            self.skipTest("no mount namespace can be made here")
        self.etc, self.tools = self.folder / "etc", self.folder / "tools"
        subprocess.run(["cp", "-a", "/etc", self.etc], check=True)
        shutil.rmtree(self.etc / "kurzweg", ignore_errors=True)
        (self.etc / "kurzweg").mkdir()
        self.tools.mkdir()

    def says(self, unit="", **shows):
        """As systemd 252 does: of credentials "show" tells nothing, so the unit's text must be asked for."""
        lines = "".join(f"{key}={value}\n" for key, value in {"LoadState": "loaded", "Result": "success", "LoadCredential": "[unprintable]", **shows}.items())
        self.write("tools/systemctl", f'#!/bin/sh\ncase $1 in\nshow)\necho "$3" >{self.folder}/asked\ncat <<"E"\n{lines}E\n;;\ncat)\ncat <<"E"\n{unit}\nE\n;;\n*) exit 1 ;;\nesac\n', mode=0o755)

    def look_at(self, name="partner.yaml"):
        shutil.copy(self.config, self.etc / "kurzweg" / name)
        where = [] if name == "partner.yaml" else ["--config", f"/etc/kurzweg/{name}"]
        done = subprocess.run(["unshare", "--mount", "sh", "-c", f'mount --bind {self.etc} /etc && exec {BIN}/kurzweg doctor --json "$@"', "sh", *where], capture_output=True, text=True,
                              timeout=120, env=environment(PATH=f"{self.tools}:{os.environ['PATH']}"))
        self.assertEqual((done.returncode, done.stderr), (FAILED, ""), done.stdout)
        return {finding["check"]: finding for finding in json.loads(done.stdout)["checks"]}

    def test_the_unit(self):
        self.says(ActiveState="inactive")
        found = self.look_at()
        self.assertEqual((self.folder / "asked").read_text(), "kurzweg-partner.service\n")
        self.is_wrong(found, "unit", "kurzweg-partner is not running", "systemctl enable --now kurzweg-partner")
        self.assertEqual(found["daemon"]["verdict"], "unknown")  # one cause, told once
        self.says(ActiveState="failed", Result="exit-code")
        self.is_wrong(self.look_at("drill.yaml"), "unit", "kurzweg-partner@drill has failed (exit-code)", ["journalctl -u kurzweg-partner@drill -n 30", "systemctl reset-failed kurzweg-partner@drill"])
        self.assertEqual((self.folder / "asked").read_text(), "kurzweg-partner@drill.service\n")
        self.says(ActiveState="activating")
        self.is_wrong(self.look_at(), "unit", "is being started", "journalctl -u kurzweg-partner -n 30", verdict="look")
        self.says(ActiveState="active")
        found = self.look_at()
        self.assertEqual(found["unit"]["verdict"], "ok")
        self.is_wrong(found, "daemon", "nobody answers on", "systemctl restart kurzweg-partner")
        self.says(LoadState="not-found", ActiveState="inactive")
        self.assertNotIn("unit", self.look_at())
        (self.tools / "systemctl").write_text("#!/bin/sh\necho System has not been booted with systemd >&2\nexit 1\n")
        self.assertNotIn("unit", self.look_at())

    def test_a_key_that_the_unit_hands_over_may_be_roots(self):
        (self.folder / "police-control-room").mkdir(mode=0o700)
        os.chown(self.folder / "police-control-room", NOBODY, NOBODY)
        self.folder.chmod(0o755)
        self.says(ActiveState="inactive")
        self.is_wrong(self.look_at(), "key", "belongs to root, and the daemon runs as nobody", f"chown nobody {self.p.key(POLICE)}")
        key = self.p.key(POLICE).name
        for text, how in ((f"LoadCredential=other:/x\nLoadCredential={key}:/etc/kurzweg/any.key", "ok"), (f"LoadCredentialEncrypted={key}", "ok"),
                          ((SOURCE / "deploy/systemd/kurzweg-partner.service").read_text().replace("node.key", key), "ok"),
                          (f"LoadCredential={key}:/x\n# /etc/systemd/system/kurzweg-partner.service.d/override.conf\nLoadCredential=\nLoadCredential={key}s:/x", "wrong"),
                          (f"#LoadCredential={key}:/x\nLoadCredentials={key}:/x\nLoadCredential={key[1:]}:/x", "wrong")):
            with self.subTest(text=text[:60]):
                self.says(unit=text, ActiveState="inactive")
                self.assertEqual(self.look_at()["key"]["verdict"], how)
        self.says(unit=(SOURCE / "deploy/systemd/kurzweg-partner@.service").read_text(), ActiveState="inactive")
        self.assertEqual(self.look_at(key.replace(".key", ".yaml"))["key"]["verdict"], "ok")
        self.is_wrong(self.look_at("other.yaml"), "key", "belongs to root")


if __name__ == "__main__":
    kurzweg_test.main()
