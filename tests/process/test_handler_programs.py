"""The programs of deploy/handlers, each with what it hands over to played by a test: hostile notifications, failures, and at real nodes."""

import contextlib
import email
import email.policy
import http.server
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import threading

import kurzweg_test
from desk import CITY, POLICE, NodesCase
from kurzweg_test import BIN, SOURCE, environment, free_ports, wait_until

HANDLERS = SOURCE / "deploy" / "handlers"
ONE = {"KURZWEG_ID": "0193a1b2-0000-7000-8000-00000000abcd", "KURZWEG_TOPIC": "alert/flood", "KURZWEG_SENDER": "police/control-room", "KURZWEG_FORM": "json", "KURZWEG_TYPE": "notice",
       "KURZWEG_LANE": "flash", "KURZWEG_STATUS": "Actual", "KURZWEG_KIND": "live"}
SPOILS = "'; touch spoiled; \"$(touch spoiled)\" `touch spoiled` | touch spoiled & \\n\\012 %s%n <b>bold</b> <img src=\"file:///x\"> -t --config ../../x"
WORSE = SPOILS + "\r\nBcc: everybody@example.org\n\n.\n\x1b]0;x\x07\x9b31m\u202eesrever\u2028\x00x".replace("\x00", "\x7f")
SECRET = "s3cr3t-token.4711"


class Fakes(kurzweg_test.TestCase):
    """Programs that stand before the real ones in PATH and keep what they are given."""

    def setUp(self):
        super().setUp()
        self.fakes = self.folder / "fakes"
        self.fakes.mkdir()

    def fake(self, name, code=0, more=""):
        """Keeps its arguments, a zero behind each, in NAME.args, and its standard input in NAME.in, which appears last and whole."""
        path = self.fakes / name
        path.write_text(f"#!/bin/sh\ncd {self.folder}\n"
                        f'for word; do printf "%s\\0" "$word"; done >{name}.args\n{more}\ncat >{name}.new\nmv {name}.new {name}.in\necho "{name} was here" >&2\nexit {code}\n')
        path.chmod(0o755)
        return path

    @property
    def path(self):
        return f"{self.fakes}:/usr/bin:/bin"

    def arguments(self, name):
        return (self.folder / f"{name}.args").read_text().split("\0")[:-1]

    def given(self, name):
        path = self.folder / f"{name}.in"
        wait_until(path.exists, what=f"what {name} was given")
        return path.read_bytes().decode()

    def run_handler(self, name, *args, content="{}", code=0, **env):
        done = subprocess.run([HANDLERS / name, *map(str, args)], input=content.encode(), capture_output=True, cwd=self.folder, timeout=120,
                              env=environment(**{"PATH": self.path, "LANG": "C.UTF-8", **ONE, **env}))
        self.assertEqual(done.returncode, code, done.stderr.decode(errors="replace"))
        self.assertFalse(list(self.folder.rglob("spoiled")))
        self.assertEqual(done.stdout, b"")
        return done.stderr.decode()


class Texts(Fakes):
    """What all of them have in common."""

    RUNS = {"mail": ("mail", "--sendmail", "sendmail", "desk@example.org"), "notify-send": ("notify",), "gammu": ("sms", "+491700000000"), "lp": ("print",)}

    def run_over(self, program, **env):
        handler, *args = self.RUNS[program]
        return self.run_handler(handler, *(self.fakes / "sendmail" if a == "sendmail" else a for a in args), content="", **{"KURZWEG_FORM": "text", **env})

    def test_whatever_a_program_ends_with_no_case_is_taken_or_declined_by_it(self):
        for program in self.RUNS:
            for code in (1, 10, 11, 12, 75):
                with self.subTest(program=program, code=code):
                    self.fake("sendmail" if program == "mail" else program, code=code)
                    self.assertIn(f"exit code {code}", self.run_over(program, code=1))

    def test_a_program_that_is_not_there_is_named(self):
        for program in ("notify-send", "gammu", "lp"):
            with self.subTest(program=program):
                self.assertEqual(self.run_over(program, code=1, PATH=str(self.fakes)), f"{program} is not installed\n")

    def test_what_is_no_notification_is_refused(self):
        for program in self.RUNS:
            for wrong in ("", "../../etc/passwd", "0193a1b2"):
                with self.subTest(program=program, id=wrong):
                    self.assertIn("KURZWEG_ID is not set, or no id", self.run_over(program, code=2, KURZWEG_ID=wrong))

    def test_that_it_is_an_exercise_or_takes_back_stands_first_in_both_languages(self):
        marks = dict(KURZWEG_KIND="exercise", KURZWEG_STATUS="Test", KURZWEG_TYPE="cancel", KURZWEG_SEVERITY="Severe", KURZWEG_HEADLINE="Flood")
        for language, title in (("en", "[EXERCISE] [Test] [cancel] Severe: Flood"), ("de", "[ÜBUNG] [Test] [Aufhebung] schwer: Flood")):
            self.fake("gammu")
            self.fake("lp")
            self.fake("notify-send")
            self.run_over("gammu", KURZWEG_LANGUAGE=language, **marks)
            self.assertTrue(self.given("gammu").startswith(title + "\n"), self.given("gammu"))
            self.run_over("lp", KURZWEG_LANGUAGE=language, **marks)
            self.assertTrue(self.given("lp").startswith(title + "\n"))
            self.run_over("notify-send", KURZWEG_LANGUAGE=language, **marks)
            self.assertEqual(self.arguments("notify-send")[-2], title)

    def test_a_case_says_how_it_stands_and_until_when(self):
        self.fake("lp")
        self.run_over("lp", KURZWEG_TYPE="case", KURZWEG_CASE=ONE["KURZWEG_ID"], KURZWEG_CASE_STATE="offered", KURZWEG_CASE_OWNER=CITY, KURZWEG_CASE_UNTIL="2026-12-01T21:15:00Z",
                      KURZWEG_LANGUAGE="de", TZ="Europe/Berlin")
        page = self.given("lp")
        self.assertTrue(page.startswith("[Fall: angeboten] alert/flood\n"))
        self.assertRegex(page, r"(?m)^Liegt bei: +city/public-order$")
        self.assertRegex(page, r"(?m)^Bis: +01\.12\.2026, 22:15 Uhr$")

    def test_a_suspension_says_who_why_and_until_when(self):
        self.fake("lp")
        held = {"KURZWEG_TYPE": "suspension", "KURZWEG_TOPIC": "", "KURZWEG_SUSPENSION": "begun", "KURZWEG_SUSPENSION_NODE": POLICE, "KURZWEG_SUSPENSION_BY": "night-desk",
                "KURZWEG_SUSPENSION_REASON": "its machine was stolen", "KURZWEG_SUSPENSION_UNTIL": "2026-12-01T21:15:00Z", "TZ": "Europe/Berlin"}
        self.run_over("lp", **held)
        page = self.given("lp")
        self.assertTrue(page.startswith(f"[SUSPENDED] {POLICE}: its machine was stolen\n"), page)
        self.assertRegex(page, r"(?m)^Operator: +night-desk$")
        self.assertRegex(page, r"(?m)^Until: +2026-12-01 22:15$")
        (self.folder / "lp.in").unlink()
        self.run_over("lp", KURZWEG_LANGUAGE="de", **{**held, "KURZWEG_SUSPENSION": "lifted", "KURZWEG_SUSPENSION_REASON": ""})
        self.assertTrue(self.given("lp").startswith(f"[wieder zugelassen] {POLICE}\n"))


class Mail(Fakes):
    def mail(self):
        return email.message_from_string(self.given("sendmail"), policy=email.policy.default)

    def test_a_hostile_title_adds_no_header_no_recipient_and_no_part(self):
        sendmail = self.fake("sendmail")
        self.run_handler("mail", "--sendmail", sendmail, "desk@example.org", KURZWEG_FORM="cap", KURZWEG_HEADLINE=WORSE, KURZWEG_AREA=WORSE, KURZWEG_SENDER=WORSE, content="<alert/>")
        mail = self.mail()
        self.assertEqual(self.arguments("sendmail"), ["-i", "--", "desk@example.org"])
        self.assertEqual(sorted(mail.keys()), ["Auto-Submitted", "Content-Type", "Importance", "MIME-Version", "Message-ID", "Subject", "To", "X-Priority"])
        self.assertEqual(mail["to"], "desk@example.org")
        self.assertTrue(mail["subject"].startswith(SPOILS), mail["subject"])
        self.assertNotRegex(mail["subject"], "[\x00-\x1f\x7f-\x9f\u202e\u2028]")
        self.assertEqual([part.get_content_type() for part in mail.iter_parts()], ["text/plain", "application/xml"])

    def test_what_sendmail_will_never_take_is_not_tried_again(self):
        sendmail = self.fake("sendmail", code=65)
        self.assertIn("exit code 65", self.run_handler("mail", "--sendmail", sendmail, "desk@example.org", code=12))

    def test_as_text_the_whole_stands_in_the_mail_itself(self):
        sendmail = self.fake("sendmail")
        self.run_handler("mail", "--sendmail", sendmail, "desk@example.org", KURZWEG_FORM="text", KURZWEG_LANGUAGE="de", content="Lage:  Der Pegel steigt.\n.\n\x1b[2J")
        mail = self.mail()
        self.assertFalse(mail.is_multipart())
        self.assertRegex(mail.get_content(), r"(?m)^Thema: +alert/flood\n(?:.*\n)*\nLage:  Der Pegel steigt\.\n\.\n \[2J$")


class Notify(Fakes):
    def test_a_hostile_title_and_area_are_text_and_no_markup(self):
        self.fake("notify-send")
        self.run_handler("notify", KURZWEG_HEADLINE=WORSE, KURZWEG_AREA=WORSE)
        *options, title, body = self.arguments("notify-send")
        self.assertEqual(options, ["--app-name=Kurzweg", "--urgency=critical", "--"])
        self.assertTrue(title.startswith(SPOILS))
        self.assertNotRegex(title + body, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]")
        self.assertNotRegex(body, "<")
        self.assertNotRegex(body.replace("\\\\", ""), r"\\")
        self.assertIn("&lt;b&gt;bold&lt;/b&gt;", body)

    def test_only_flash_stays_until_it_is_clicked_away(self):
        self.fake("notify-send")
        self.run_handler("notify", KURZWEG_LANE="routine", KURZWEG_HEADLINE="x" * 900)
        self.assertIn("--urgency=normal", self.arguments("notify-send"))
        self.assertLessEqual(len(self.arguments("notify-send")[-2]), 200)


class Sms(Fakes):
    def sms(self, *args, **env):
        self.fake("gammu")
        self.run_handler("sms", *args, "+491700000000", **env)
        return self.given("gammu")

    def test_a_hostile_title_is_text_and_gammu_hears_it_on_standard_input_alone(self):
        text = self.sms(KURZWEG_HEADLINE=WORSE)
        self.assertEqual(self.arguments("gammu"), ["-c", "/etc/gammurc", "sendsms", "TEXT", "+491700000000", "-len", "306"])
        self.assertTrue(text.startswith(SPOILS.replace("`", "'")[:60]), text)
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")

    def test_no_text_is_longer_than_its_parts_and_what_leads_to_the_whole_is_never_cut(self):
        sys.path.insert(0, str(HANDLERS))  # composed here, since a process for each would take minutes
        self.addCleanup(sys.path.remove, str(HANDLERS))
        self.addCleanup(setattr, sys, "dont_write_bytecode", sys.dont_write_bytecode)
        sys.dont_write_bytecode = True
        loader = importlib.machinery.SourceFileLoader("sms", str(HANDLERS / "sms"))
        sms = importlib.util.module_from_spec(importlib.util.spec_from_loader("sms", loader))
        loader.exec_module(sms)
        for letter in ("x", "ß", "€", "[", "ж", "🌊", "\n"):
            for parts, common, others in ((1, 160, 70), (2, 306, 134), (6, 918, 402)):
                for count in (1, 30, 66, 67, 130, 150, 160, 330, 1000):
                    with self.subTest(letter=letter, parts=parts, count=count):
                        text, unicode = sms.compose(sms.Notification({**ONE, "KURZWEG_HEADLINE": letter * count}), parts)
                        self.assertEqual(unicode, letter == "ж")
                        self.assertLessEqual(len(text) + sum(c in "^{}\\[~]|€" for c in text), others if unicode else common)
                        self.assertTrue(text.endswith("\npolice/control-room\nkurzweg inbox 0000abcd"), text)

    def test_a_text_with_other_letters_goes_as_unicode_and_a_short_one_as_one(self):
        text = self.sms("--parts", 1, KURZWEG_HEADLINE="Паводок", KURZWEG_AREA="")
        self.assertEqual(self.arguments("gammu")[-3:], ["-len", "70", "-unicode"])
        self.assertEqual(text, "Паводок\npolice/control-room\nkurzweg inbox 0000abcd")

    def test_numbers_that_are_none_are_refused(self):
        self.fake("gammu")
        for wrong in ("0170123", "+49 170 1", "-report", "+49170000000000000", "+", ""):
            self.run_handler("sms", wrong, code=2)
        self.assertFalse((self.folder / "gammu.args").exists())
        self.assertIn("it must be written as +49", self.run_handler("sms", "112", code=2))


class Print(Fakes):
    def test_a_page_has_nothing_that_steers_a_printer_and_a_job_no_title_of_it(self):
        self.fake("lp")
        self.run_handler("print", "--printer", "duty-room", KURZWEG_FORM="text", KURZWEG_HEADLINE=WORSE, content="\x1b%-12345X@PJL\n" + WORSE)
        self.assertEqual(self.arguments("lp"), ["-s", "-t", f"Kurzweg {ONE['KURZWEG_ID']}", "-d", "duty-room"])
        page = self.given("lp")
        self.assertNotRegex(page, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
        self.assertIn("@PJL", page)
        self.assertLessEqual(max(map(len, page.splitlines())), 78)

    def test_a_long_one_is_cut_and_says_where_the_rest_is(self):
        self.fake("lp")
        self.run_handler("print", "--lines", 20, KURZWEG_FORM="text", content="a line\n" * 50_000 + "x" * 1_000_000)
        lines = self.given("lp").splitlines()
        self.assertEqual(len(lines), 22)
        self.assertEqual(lines[-1], f"The rest is here: kurzweg inbox {ONE['KURZWEG_ID']}")

    def test_what_is_no_text_and_what_is_no_printer_is_refused(self):
        self.fake("lp")
        self.assertIn("as: text or text-de alone", self.run_handler("print", code=2))
        for wrong in ("-o", "a b", "", "x/y"):
            self.run_handler("print", "--printer", wrong, code=2, KURZWEG_FORM="text")
        self.assertFalse((self.folder / "lp.args").exists())


class CapFolder(Fakes):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "out"
        self.out.mkdir()

    def put(self, folder=None, **more):
        return self.run_handler("cap-folder", folder or self.out, **{"KURZWEG_FORM": "cap", "content": "<alert/>", **more})

    def names(self):
        return sorted(p.name for p in self.out.iterdir())

    def test_a_file_appears_whole_and_a_repeat_leaves_one(self):
        self.put()
        self.put(KURZWEG_REPEAT=1)
        self.assertEqual(self.names(), [f"{ONE['KURZWEG_ID']}.cap.xml"])
        file = self.out / self.names()[0]
        self.assertEqual((file.read_text(), file.stat().st_mode & 0o777), ("<alert/>", 0o640))

    def test_one_that_is_ended_in_the_middle_leaves_nothing(self):
        running = subprocess.Popen([HANDLERS / "cap-folder", self.out], stdin=subprocess.PIPE, env=environment(**{**ONE, "KURZWEG_FORM": "cap"}), start_new_session=True)
        self.addCleanup(running.stdin.close)
        running.stdin.write(b"<alert>")
        running.stdin.flush()
        part = self.out / f".{ONE['KURZWEG_ID']}.part"
        wait_until(lambda: part.exists() and part.read_text() == "<alert>", what="the file that is being written")
        os.killpg(running.pid, 15)  # as the node does
        self.assertEqual(running.wait(60), 1)
        self.assertEqual(self.names(), [])

    def test_a_link_that_lies_in_wait_is_not_written_through(self):
        victim = self.write("victim", "as it was")
        for name in (f".{ONE['KURZWEG_ID']}.part", f"{ONE['KURZWEG_ID']}.cap.xml"):
            (self.out / name).symlink_to(victim)
        self.put()
        self.assertEqual(victim.read_text(), "as it was")
        self.assertFalse((self.out / f"{ONE['KURZWEG_ID']}.cap.xml").is_symlink())

    def test_what_cannot_be_written_is_tried_again_and_what_is_wrong_is_said(self):
        self.assertIn("is no folder that", self.put(folder=self.folder / "nowhere", code=1))
        self.assertIn("as: cap alone", self.put(code=2, KURZWEG_FORM="json"))
        self.assertIn("whole path", self.put(folder="out", code=2))
        for wrong in ("../x", "a/b", ""):
            self.assertIn("no id", self.put(code=2, KURZWEG_ID=wrong))
        self.assertEqual(self.names(), [])


class Hook(http.server.BaseHTTPRequestHandler):
    """Answers with what the path says, keeps what came, and looks for the secret where everybody could."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        lines = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                lines.append(path.read_bytes())
        self.server.seen.append((self.path, dict(self.headers), body, any(SECRET.encode() in line for line in lines), any(b"curl" in line for line in lines)))
        code = int(self.path.strip("/") or 200)
        self.send_response(code)
        if 300 <= code < 400:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class Webhooks:
    """Servers on the loopback, for any test case."""

    def serve(self, certificate=None):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        server.seen = []
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        return server


class Webhook(Webhooks, Fakes):
    def certificate(self):
        key, cert, both = self.folder / "tls.key", self.folder / "tls.crt", self.folder / "tls.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], check=True, capture_output=True)
        both.write_text(key.read_text() + cert.read_text())
        return cert, both

    def secret(self, text=SECRET, mode=0o600):
        return self.write("secret", text + "\n", mode=mode)

    def test_it_goes_by_https_with_the_secret_and_that_on_no_command_line(self):
        cert, both = self.certificate()
        server = self.serve(both)
        url = f"https://localhost:{server.server_port}/200"
        document = json.dumps({"headline": WORSE}, ensure_ascii=False)
        said = self.run_handler("webhook", "--secret-file", self.secret(), "--cacert", cert, url, content=document, KURZWEG_HEADLINE=WORSE)
        self.assertEqual(said, "")
        (path, headers, body, on_command_line, curl_was_seen), = server.seen
        self.assertEqual(body.decode(), document)
        self.assertEqual((headers["Authorization"], headers["Idempotency-Key"], headers["Content-Type"]), (f"Bearer {SECRET}", ONE["KURZWEG_ID"], "application/json"))
        self.assertTrue(curl_was_seen, "the test looks at the wrong place")
        self.assertFalse(on_command_line)

    def test_a_server_that_nobody_vouches_for_hears_nothing(self):
        server = self.serve(self.certificate()[1])
        said = self.run_handler("webhook", "--secret-file", self.secret(), f"https://localhost:{server.server_port}/200", code=1)
        self.assertIn("curl ended with 60", said)
        self.assertNotIn(SECRET, said)
        self.assertEqual(server.seen, [])

    def test_its_answer_says_whether_it_is_tried_again(self):
        server = self.serve()
        for answer, code in ((200, 0), (202, 0), (204, 0), (302, 1), (400, 12), (401, 1), (404, 1), (413, 12), (422, 12), (429, 1), (500, 1), (503, 1)):
            with self.subTest(answer=answer):
                said = self.run_handler("webhook", f"http://127.0.0.1:{server.server_port}/{answer}", code=code)
                self.assertEqual(f"answer is {answer}" in said, code != 0)
        self.assertEqual(len(server.seen), 12, "a redirection is not followed")
        self.assertNotIn("Authorization", server.seen[0][1])

    def test_nobody_there_is_tried_again(self):
        self.assertIn("curl ended with 7", self.run_handler("webhook", f"http://127.0.0.1:{free_ports()[0]}/", code=1))

    def test_curl_is_bounded_and_takes_its_configuration_from_nowhere_else(self):
        self.fake("curl", more="cat /dev/fd/3 >config; printf 200")
        done = subprocess.run([HANDLERS / "webhook", "https://hook.example.org/x"], input=b"{}", capture_output=True, env=environment(PATH=self.path, **ONE))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.arguments("curl"), ["--disable", "--config", "/dev/fd/3", "--url", "https://hook.example.org/x"])
        config = (self.folder / "config").read_text()
        for line in ('proto = "=https"', "connect-timeout = 10", "max-time = 40"):
            self.assertIn(line + "\n", config)
        self.assertNotIn("location", config)

    def test_where_it_may_not_go_and_what_is_no_secret_is_refused(self):
        self.fake("curl")
        for url in ("http://hook.example.org/", "http://127.0.0.1:80@evil.example/", "http://127.0.0.1.evil.example/", "https://user:pass@x/", "ftp://127.0.0.1/", "file:///etc/passwd",
                    "-o", "https://x/\nproto = ftp", ""):
            with self.subTest(url=url):
                self.assertIn("usage: webhook", self.run_handler("webhook", url, code=2))
        for text, mode, says in ((SECRET, 0o644, "everybody may read"), ('x"\nurl = "http://evil.example', 0o600, "is to be a token"), ("", 0o600, "is to be a token"), ("ä", 0o600, "is to be a token")):
            with self.subTest(secret=text):
                self.assertIn(says, self.run_handler("webhook", "--secret-file", self.secret(text, mode), "https://hook.example.org/", code=2))
        self.assertIn("cannot be read", self.run_handler("webhook", "--secret-file", self.folder / "none", "https://hook.example.org/", code=2))
        self.assertFalse((self.folder / "curl.args").exists())


class AtNodes(Webhooks, Fakes, NodesCase):
    """Each of them run by a node for an alert whose title means ill."""

    TITLE = SPOILS + " “Größe”"

    def setUp(self):
        NodesCase.setUp(self)
        self.fakes = self.folder / "fakes"
        self.fakes.mkdir()

    def lines(self, *handlers):
        """For partner.yaml; each is (name, as, words)."""
        rows = []
        for name, form, words in handlers:
            run = ", ".join(json.dumps(str(word)) for word in ("/usr/bin/env", f"PATH={self.path}", HANDLERS / words[0], *words[1:]))
            rows.append(f'  - {{name: {name}, topic: "#", as: {form}, timeout: 90s, run: [{run}]}}\n')
        return "handlers:\n" + "".join(rows)

    def hostile(self):
        title = self.TITLE.replace("&", "&amp;").replace("<", "&lt;")
        return re.sub(r"<headline>[^<]*", lambda m: f"<headline>{title}", self.flood, count=1)

    def both(self, config):
        self.p.broker()
        self.start(POLICE)
        return self.start(CITY, more=config)

    def test_every_one_of_them_hands_over_and_nothing_of_the_title_is_run(self):
        for program in ("sendmail", "notify-send", "gammu", "lp"):
            self.fake(program)
        (self.folder / "out").mkdir()
        hook = self.serve()
        self.both(self.lines(("mail", "text-de", ("mail", "--sendmail", self.fakes / "sendmail", "desk@example.org")), ("notify", "text-de", ("notify",)),
                             ("sms", "text-de", ("sms", "+491700000000")), ("print", "text-de", ("print",)), ("folder", "cap", ("cap-folder", self.folder / "out")),
                             ("hook", "json", ("webhook", f"http://127.0.0.1:{hook.server_port}/"))))
        identity = self.desks[POLICE].publish("alert/flood/mitte", self.hostile())
        title = f"schwer: {self.TITLE}"
        self.assertEqual(email.message_from_string(self.given("sendmail"), policy=email.policy.default)["subject"], title)
        self.assertIn("Lage:", email.message_from_string(self.given("sendmail"), policy=email.policy.default).get_content())
        self.given("notify-send")
        self.assertEqual(self.arguments("notify-send")[-2], title[:200])
        self.assertTrue(self.given("gammu").startswith(title.translate(str.maketrans("“”`", '""\''))[:100]))
        self.assertIn("Was tun:", self.given("lp"))
        wait_until((self.folder / "out" / f"{identity}.cap.xml").exists, what="the CAP file")
        wait_until(lambda: hook.seen, what="the webhook's call")
        self.assertEqual(json.loads(hook.seen[0][2])["headline"], self.TITLE)
        wait_until(lambda: all(handler["done"] == 1 for handler in self.desks[CITY].status()["handlers"]), what="all to have done it")
        self.assertFalse(list(self.folder.rglob("spoiled")))

    def test_what_the_other_side_will_never_take_holds_nothing_up(self):
        hook = self.serve()
        self.both(self.lines(("hook", "json", ("webhook", f"http://127.0.0.1:{hook.server_port}/422"))))
        for _ in range(2):
            self.desks[POLICE].publish("alert/flood/mitte", self.flood)
        wait_until(lambda: self.desks[CITY].status()["handlers"][0]["set_aside"] == 2, what="both to be set aside")
        self.assertEqual(len(hook.seen), 2)
        self.assertIn("handler_set_aside", self.desks[CITY].alarms())

    def test_one_without_the_right_to_be_executed_is_named_with_what_to_do(self):
        handler = self.write("handler", f"#!/bin/sh\ncat >{self.folder}/came\n", mode=0o644)
        daemon = self.both(f'handlers:\n  - {{name: desk, topic: "#", run: ["{handler}"], attempts: 100}}\n')
        sentence = f"{handler} cannot be started: no permission to execute it; chmod +x it"
        self.assertEqual(self.desks[CITY].alarms()["handler_start"], f'handler "desk" cannot run: {sentence}')
        done = subprocess.run([BIN / "kurzweg-partner", "--config", self.folder / "city-public-order.yaml", "--check-config"], capture_output=True, text=True, env=environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f'handler "desk": {sentence}', done.stderr)
        self.desks[POLICE].publish("alert/flood/mitte", self.flood)
        daemon.wait_for("handler.failed")
        self.assertIn(sentence, next(line for line in daemon.text().splitlines() if "handler.failed" in line))
        handler.chmod(0o755)
        wait_until((self.folder / "came").exists, what="the handler, now that it may run")

    def test_a_session_follows_the_node_and_shows_what_comes(self):
        self.fake("notify-send")
        self.both("")
        env = environment(PATH=f"{self.fakes}:{BIN}:/usr/bin:/bin", LANG="de_DE.UTF-8", LC_ALL="")
        shown = self.folder / "notify-send.in"
        with open(self.folder / "follow.log", "wb") as log:
            session = subprocess.Popen([HANDLERS / "notify", "--follow", "--socket", self.p.socket(CITY)], stdin=subprocess.DEVNULL, stderr=log, env=env, start_new_session=True)
        self.addCleanup(lambda: (os.killpg(session.pid, 9), session.wait()))

        def comes():
            self.assertIsNone(session.poll(), (self.folder / "follow.log").read_text())
            self.desks[POLICE].publish("alert/flood/mitte", self.hostile())  # the first may come before it listens
            return shown.exists()

        wait_until(comes, what="a notification on the desktop")
        self.assertEqual(self.arguments("notify-send")[-2], f"schwer: {self.TITLE}"[:200])
        self.assertFalse(list(self.folder.rglob("spoiled")))


if __name__ == "__main__":
    kurzweg_test.main()
