"""Every command of the tools under valgrind: no read of what was never written, nothing beyond its end, and nothing left allocated at
the end. The programs are the release build's, since valgrind and the sanitizers exclude each other; the daemons that are asked run
without it.
"""

import json
import subprocess

import kurzweg_test
from kurzweg_test import BIN, DONE, FAILED, REFUSED, SILENT, USAGE, Partnership, environment, free_ports, wait_until

POLICE, ORDER, YOUTH = "police/control-room", "city/public-order", "youth-house/office"
CONFIG = 78  # of the daemons, for what stands in their files
NOISE = "request/noise/mitte"
VALGRIND = ("valgrind", "--quiet", "--error-exitcode=99", "--num-callers=40", "--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all")
LEAKS = "int main(void) { volatile char *p = malloc(7); p = 0; return p != 0; }"
UNWRITTEN = "int main(void) { volatile char *p = malloc(7); int odd = p[3] & 1; free((void *)p); if (odd) puts(\"odd\"); return 0; }"


class Watched(kurzweg_test.TestCase):
    def under_valgrind(self, argv, stdin=None):
        """The finished process, and what valgrind had to say."""
        log = self.folder / "valgrind.log"
        done = subprocess.run([*VALGRIND, f"--log-file={log}", *map(str, argv)], input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                              capture_output=True, text=True, cwd=self.folder, env=environment(), timeout=120)
        return done, log.read_text(errors="replace")

    def watched(self, *args, program="kurzweg", code=DONE, stdin=None):
        done, said = self.under_valgrind([BIN / program, *args], stdin)
        what = f"{program} {' '.join(map(str, args))}"
        self.assertEqual(said, "", what)
        self.assertIn(done.returncode, code if isinstance(code, tuple) else (code,), f"{what}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def refused(self, *args, code=(FAILED, REFUSED), **more):
        self.watched(*args, code=code, **more)

    # ---- without a node ----

    def test_a_leak_and_a_read_of_what_was_never_written_would_be_seen(self):
        for text, says in ((LEAKS, "definitely lost"), (UNWRITTEN, "uninitialised")):
            source = self.write("wrong.c", f"#include <stdio.h>\n#include <stdlib.h>\n{text}\n")
            subprocess.run(["cc", "-O0", "-o", self.folder / "wrong", source], check=True)
            done, said = self.under_valgrind([self.folder / "wrong"])
            self.assertEqual(done.returncode, 99)
            self.assertIn(says, said)

    def test_keys(self):
        self.watched("key", "new", POLICE, "--out", "node.key")
        self.watched("key", "show", "node.key")
        self.watched("key", "fingerprint", "node.key")
        self.write("passphrase", kurzweg_test.PASSPHRASE + "\n", mode=0o600)
        self.watched("key", "new", "mayor", "--steering", "--lock", "interactive", "--passphrase-file", "passphrase", "--out", "mayor.key")
        self.refused("key", "new", POLICE, "--out", "node.key")
        self.refused("key", "show", self.write("none.key", "no key\n", mode=0o600))
        (self.folder / "node.key").chmod(0o644)
        self.refused("key", "show", "node.key")
        self.refused("key", "new", POLICE, "--nonsense", code=USAGE)

    def test_agreements(self):
        p = Partnership(self)
        first = p.write()
        self.watched("agreement", "check", first)
        for member in ("mayor", "prosecutor"):
            self.watched("agreement", "sign", first, "--key", p.key(member), "--passphrase-file", p.passphrase_file, "--yes")
        self.watched("agreement", "verify", first)
        self.watched("agreement", "fingerprint", first)
        second = p.write("second.yaml", version=2, previous=p.hash_of(first), topics=p.TOPICS.replace("receive: [police, city],", "receive: [police],"))
        self.watched("agreement", "diff", first, second)
        self.watched("agreement", "who-reads", "alert/flood/mitte", "--agreement", first)
        self.watched("agreement", "who-is-responsible", NOISE, "--at", "2026-12-06 03:10", "--agreement", first)
        self.watched("agreement", "install", first, "--to", "installed.yaml", "--fingerprint", p.fingerprint_of(first))
        self.refused("agreement", "verify", second)
        self.refused("agreement", "sign", first, "--key", p.key(POLICE), "--yes")
        self.write("broken.yaml", p.text().replace("threshold: 2", "threshold: 1").replace("lane: flash", "lane: fast"))
        self.refused("agreement", "check", "broken.yaml")
        self.write("no.yaml", "a: [b\n")
        self.refused("agreement", "check", "no.yaml")

    def test_what_the_daemons_say_of_their_configuration(self):
        p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        agreement = p.agreement()
        broker = self.write("broker.yaml", f'agreement: {agreement}\nkey: {p.key("haus")}\nlisten: ["{p.endpoint}"]\n'
                            f"control: ipc://{self.folder}/broker.sock\nstore: {{path: {self.folder}/broker}}\n")
        node = self.write("node.yaml", f"agreement: {agreement}\nkey: {p.key(POLICE)}\nsubscribe: [\"#\"]\nsocket: {p.socket(POLICE)}\nstate: {self.folder}/node\n")
        for program, config in (("kurzweg-broker", broker), ("kurzweg-partner", node)):
            self.watched("--config", config, "--check-config", program=program)
            wrong = self.write("wrong.yaml", config.read_text() + "nonsense: 1\n")
            self.watched("--config", wrong, "--check-config", program=program, code=CONFIG)
            wrong = self.write("wrong.yaml", config.read_text().replace(str(agreement), str(broker)))
            self.watched("--config", wrong, "--check-config", program=program, code=CONFIG)

    # ---- with a broker and nodes ----

    def test_what_a_node_and_the_broker_are_asked(self):
        p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        agreement = p.agreement()
        p.broker()
        nodes = {node: p.node(node) for node in (POLICE, ORDER)}
        for node in nodes.values():
            node.wait_for("link.up")
        at = {node: ("--socket", p.socket(node)) for node in nodes}
        self.alerts(at)
        self.a_case(at)
        control, operator = ("--control", f"ipc://{self.folder}/broker.sock"), ("--key", p.key("night-desk"), "--agreement", agreement)
        for way in (at[ORDER], control, operator):
            self.watched("status", *way)
        self.watched("status", "--json", *at[ORDER])
        self.watched("broker", "headers", *control, "--output", "headers.jsonl")
        draft = p.write("draft.yaml", version=2, previous=p.hash_of(agreement))
        self.watched("agreement", "simulate", draft, "--headers", "headers.jsonl", "--agreement", agreement)
        self.watched("agreement", "who-is-responsible", NOISE, *at[ORDER])
        self.refused("status", "--socket", f"ipc://{self.folder}/nobody.sock", code=SILENT)
        self.watched("broker", "stop", *control)

    def alerts(self, at):
        flood, = self.fresh("flood-neckar.cap.xml")
        id = self.watched("publish", "alert/flood/mitte", "--cap", flood, "--wait", "stored", *at[POLICE]).strip()
        self.watched("publish", "alert/fire/west", "--headline", "Fire", "--severity", "severe", "--area", "Weststadt", "--lifetime", "2h", *at[POLICE])
        wait_until(lambda: len(self.kurzweg("inbox", "--json", *at[ORDER]).stdout.splitlines()) == 2, what="both alerts")
        self.watched("inbox", *at[ORDER])
        self.watched("inbox", "--json", *at[ORDER])
        self.watched("inbox", id, *at[ORDER], "--as", "Duty officer 3")
        self.watched("inbox", id, "--cap", *at[ORDER])
        self.watched("trace", id, *at[POLICE])
        self.watched("receipt", "export", id, "--out", "bundle.json", *at[POLICE])
        self.watched("receipt", "verify", "bundle.json")
        self.write("changed.json", (self.folder / "bundle.json").read_text().replace('"number":', '"number":1', 1))
        self.refused("receipt", "verify", "changed.json")
        self.refused("publish", "alert/flood/mitte", "--cap", self.write("no.xml", "<alert>"), *at[POLICE])
        self.refused("trace", "019b0000-0000-7000-8000-000000000001", *at[POLICE])
        self.watched("recall", id, "--reason", "the wrong river", *at[POLICE])
        self.watched("recall-status", id, *at[POLICE])

    def a_case(self, at):
        id = self.watched("publish", NOISE, "--json", "-", "--wait", "stored", *at[POLICE], stdin=self.fresh("noise-request.json")[0].read_text()).strip()
        wait_until(lambda: self.kurzweg("case", "show", id, "--json", *at[ORDER], code=None).returncode == DONE, what="the case")
        self.watched("case", "list", *at[ORDER])
        self.watched("case", "show", id, "--json", *at[ORDER])
        self.watched("take", id, "--as", "Duty officer 3", *at[ORDER])
        self.watched("note", id, "Which house is it?", *at[ORDER])
        self.watched("done", id, "--outcome", "quiet again", *at[ORDER])
        self.watched("case", "show", id, *at[ORDER])


if __name__ == "__main__":
    kurzweg_test.main()
