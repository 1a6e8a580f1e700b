"""Handlers at real nodes: those that write and mail do what they say, also when node, handler or sendmail fall over."""

import email
import email.policy
import json
import pathlib
import subprocess

import kurzweg_test
from desk import CITY, POLICE, NodesCase, fresh, numbered
from kurzweg_test import SOURCE, environment, wait_until

HANDLERS = SOURCE / "deploy" / "handlers"
ONE = {"KURZWEG_ID": "0193a1b2-0000-7000-8000-000000000001", "KURZWEG_TOPIC": "alert/flood", "KURZWEG_FORM": "json"}


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Handlers(NodesCase):
    def handler(self, *run, topic="alert/#", more=""):
        """A line for partner.yaml."""
        words = ", ".join(json.dumps(str(word)) for word in run)
        return f"handlers:\n  - {{topic: {json.dumps(topic)}, run: [{words}]{more}}}\n"

    def script(self, name, text):
        return self.write(name, f"#!/bin/sh\n{text}", mode=0o755)

    def both(self, config):
        """A broker, the police, and the city's node with handlers."""
        self.p.broker()
        self.start(POLICE)
        return self.start(CITY, more=config)

    def publish(self, document=None, topic="alert/flood/mitte"):
        return self.desks[POLICE].publish(topic, document or self.flood)

    def lines(self, path):
        """The whole ones: a node that was killed may have left the beginning of one, with the line's end behind it."""
        found = []
        for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
            try:
                found += [json.loads(line)] if line.endswith("\n") else []
            except ValueError:
                continue
        return found

    # ---- log-to-file ----

    def test_log_to_file_has_each_notification_once_and_in_order_though_the_node_is_killed(self):
        log = self.folder / "all.jsonl"
        node = self.both(self.handler(HANDLERS / "log-to-file", log, topic="#"))
        sent = []
        for cycle in range(4):
            sent += [self.publish(numbered(self.flood, f"{cycle}-{i}")) for i in range(5)]
            wait_until(lambda: len(self.lines(log)) > cycle * 5, what="lines of this cycle")
            node.kill()  # in the middle of handling the others
            node.start().wait_for("partner.ready", times=cycle + 2)
        wait_until(lambda: len(self.lines(log)) >= len(sent), what="every line")
        rows = self.lines(log)
        self.assertLessEqual(log.read_text().count("\n") - len(rows), 4)
        self.assertEqual([row["id"] for row in rows], sent)
        self.assertEqual(rows[0]["content"]["info"][0]["severity"], "Severe")
        self.assertEqual(log.stat().st_mode & 0o777, 0o600)

    def run_log_to_file(self, file, document, code=0, **env):
        done = subprocess.run([HANDLERS / "log-to-file", *([file] if file else [])], input=document, capture_output=True, text=True,
                              env=environment(**{**ONE, **env}))
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def test_log_to_file_ends_a_line_that_an_earlier_run_left_half_written(self):
        line = json.dumps({"id": ONE["KURZWEG_ID"], "seq": 1}, separators=(",", ":")) + "\n"
        log = self.write("log", line[:20])
        self.run_log_to_file(log, line, KURZWEG_REPEAT=1)
        self.assertEqual(log.read_text(), line[:20] + "\n" + line)
        self.run_log_to_file(log, line, KURZWEG_REPEAT=1)
        self.assertEqual(log.read_text(), line[:20] + "\n" + line)
        self.run_log_to_file(log, line)  # no repeat: it is not even looked for
        self.assertEqual(log.read_text().count(line), 2)

    def test_log_to_file_says_what_is_missing(self):
        self.assertIn("usage: log-to-file FILE", self.run_log_to_file(None, "", code=2))
        self.assertIn("as: json alone", self.run_log_to_file(self.folder / "log", "", code=2, KURZWEG_FORM="cap"))
        self.assertIn("KURZWEG_ID", self.run_log_to_file(self.folder / "log", "", code=2, KURZWEG_ID=""))
        self.assertFalse((self.folder / "log").exists())

    # ---- mail ----

    def sendmail(self, fails=0):
        """A sendmail that keeps what it is given in mail.N and its arguments in args.N; it fails with 75 the first times."""
        return self.script("sendmail", f"""\
cd {self.folder}
n=$(ls | grep -c '^args\\.')
echo "$*" >args.$n
if [ "$n" -lt {fails} ]; then echo "4.3.0 try later" >&2; exit 75; fi
cat >mail.tmp && mv mail.tmp mail.$n
""")

    def mail(self, number):
        path = self.folder / f"mail.{number}"
        wait_until(path.exists, what=f"mail {number}")
        return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)

    def test_an_alert_is_mailed_with_a_subject_that_tells_and_the_whole_attached(self):
        self.both(self.handler(HANDLERS / "mail", "--sendmail", self.sendmail(), "desk@example.org", "night@example.org", more=", as: cap"))
        identity = self.publish()
        mail = self.mail(0)
        self.assertEqual((self.folder / "args.0").read_text().split(), ["-i", "--", "desk@example.org", "night@example.org"])
        self.assertEqual(mail["subject"], "Severe: Hochwasser am Neckar: Uferstraße ab 5:30 Uhr gesperrt, Keller räumen")
        self.assertEqual(mail["to"], "desk@example.org, night@example.org")
        self.assertEqual(mail["message-id"], f"<{identity}@kurzweg.invalid>")
        self.assertEqual((mail["auto-submitted"], mail["importance"]), ("auto-generated", "high"))
        text, cap = mail.iter_parts()
        self.assertRegex(text.get_content(), r"(?m)^Area: +Neckarvorstadt und Mitte, Uferstraße 1 bis 118$")
        self.assertRegex(text.get_content(), r"(?m)^From: +police/control-room$")
        self.assertNotIn("had this before", text.get_content())
        self.assertEqual((cap.get_content_type(), cap.get_filename()), ("application/xml", "notification.cap.xml"))
        self.assertIn("<headline>Hochwasser am Neckar", cap.get_content().decode())
        self.assertEqual(mail.defects + text.defects + cap.defects, [])
        self.assertTrue(all(len(line) <= 998 for line in (self.folder / "mail.0").read_bytes().split(b"\n")))

    def test_what_sendmail_does_not_take_is_mailed_later_and_the_next_one_waits(self):
        self.both(self.handler(HANDLERS / "mail", "--sendmail", self.sendmail(fails=2), "desk@example.org"))
        first, second = self.publish(), self.publish(fresh("missing-child.cap.xml"), topic="alert/missing")
        mail = self.mail(2)
        self.assertEqual(mail["message-id"], f"<{first}@kurzweg.invalid>")
        text, whole = mail.iter_parts()
        self.assertIn("You may have had this before.", text.get_content())
        self.assertEqual(json.loads(whole.get_content())["id"], first)
        self.assertEqual(self.mail(3)["message-id"], f"<{second}@kurzweg.invalid>")
        handler = self.desks[CITY].status()["handlers"][0]
        self.assertEqual((handler["failed"], handler["set_aside"]), (2, 0))
        self.assertIn("4.3.0 try later", (self.folder / "city-public-order.log").read_text())

    def run_mail(self, *args, code=0, **env):
        done = subprocess.run([HANDLERS / "mail", *args], input="{}", capture_output=True, text=True, env=environment(**{**ONE, **env}))
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def test_a_subject_of_many_long_characters_stays_within_words_that_mail_allows(self):
        headline = ("Überschwemmung 🌊 " * 55).strip()
        self.run_mail("--sendmail", self.sendmail(), *(f"desk-{i}@example.org" for i in range(30)), KURZWEG_HEADLINE=headline, KURZWEG_STATUS="Exercise", KURZWEG_TYPE="cancel",
                      KURZWEG_KIND="exercise")
        self.assertEqual(self.mail(0)["subject"], f"[EXERCISE] [Exercise] [cancel] {headline}")
        head = (self.folder / "mail.0").read_bytes().split(b"\n\n")[0].split(b"\n")
        self.assertEqual(len(self.mail(0)["to"].addresses), 30)
        self.assertLessEqual(max(len(line) for line in head), 76)

    def test_addresses_that_are_options_or_hold_a_line_are_refused(self):
        for wrong in "a@example.org\nBcc: b@example.org", "a b", "", "a@b.example, c@d.example", "Desk <a@b.example>":
            self.assertIn("an address is", self.run_mail("--sendmail", self.sendmail(), wrong, code=2))
        for option in "-Xinject", "-t":
            self.run_mail("--sendmail", self.sendmail(), option, code=2)
        self.assertIn("usage: mail", self.run_mail(code=2))
        self.assertEqual(list(self.folder.glob("args.*")), [])

    # ---- the node and its handlers ----

    def test_a_run_that_kill_9_ended_is_a_repeat(self):
        gate = self.folder / "gate"
        handler = self.script("handler", f"cat >/dev/null; echo \"$KURZWEG_ID repeat=${{KURZWEG_REPEAT:-0}}\" >>{self.folder}/runs; [ -e {gate} ] || exec sleep 3600\n")
        node = self.both(self.handler(handler, more=", timeout: 1h"))
        identity = self.publish()
        runs = self.folder / "runs"
        wait_until(lambda: runs.exists() and runs.read_text().count("\n") == 1, what="the first run")
        node.kill()
        gate.touch()
        node.start()
        wait_until(lambda: runs.read_text().count("\n") == 2, what="the second run")
        self.assertEqual(runs.read_text(), f"{identity} repeat=0\n{identity} repeat=1\n")

    def test_the_node_stops_though_a_handler_hangs_and_leaves_none_of_its_processes(self):
        handler = self.script("handler", f"trap '' TERM; sleep 3600 & echo \"$! $$\" >{self.folder}/pids.new; mv {self.folder}/pids.new {self.folder}/pids; wait; wait\n")
        node = self.both(self.handler(handler))
        self.publish()
        pids = self.folder / "pids"
        wait_until(pids.exists, what="the handler's processes")
        self.assertEqual(node.stop(), 0)
        for pid in pids.read_text().split():
            wait_until(lambda: not alive(pid), what=f"the end of process {pid}")

    def test_the_programs_environment_holds_nothing_of_the_daemons_own(self):
        handler = self.script("handler", f"env >{self.folder}/env.new; ls -l /proc/self/fd >>{self.folder}/env.new; mv {self.folder}/env.new {self.folder}/env\n")
        self.p.broker()
        self.start(POLICE)
        self.start(CITY, more=self.handler(handler), SECRET_OF_THE_DAEMON="canary-5f1c")
        identity = self.publish()
        seen = wait_until(lambda: (self.folder / "env").exists() and (self.folder / "env").read_text(), what="the environment")
        self.assertIn(f"KURZWEG_ID={identity}\n", seen)
        self.assertNotIn("canary-5f1c", seen)
        for own in "partner.db", "city-public-order.key", "socket:", "anon_inode":
            self.assertNotIn(own, seen)

    def test_what_cannot_be_started_is_said_before_the_daemon_runs(self):
        self.p.broker()
        self.start(CITY, more="").stop()
        config = self.folder / "city-public-order.yaml"
        config.write_text(config.read_text() + self.handler(self.folder / "not-there"))
        done = subprocess.run([kurzweg_test.BIN / "kurzweg-partner", "--config", config, "--check-config"], capture_output=True, text=True, env=environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not-there", done.stderr)
        config.write_text(config.read_text().replace("not-there\"]", "not-there\"], as: xml"))
        done = subprocess.run([kurzweg_test.BIN / "kurzweg-partner", "--config", config, "--check-config"], capture_output=True, text=True, env=environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r'line \d+.*"xml"')


if __name__ == "__main__":
    kurzweg_test.main()
