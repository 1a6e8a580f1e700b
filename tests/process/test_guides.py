"""The guides of docs/ are followed to the letter, in English and in German: every block that is marked is run, and shows what stands below it."""

import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import time
import unittest

import kurzweg_test
from desk import fresh
from kurzweg_test import BIN, PASSPHRASE, SOURCE, Partnership, environment, free_ports, plain, wait_until
from test_library import BUILD, sanitizers

DOCS = SOURCE / "docs"
GERMAN_OF = {"partners.md": "leitfaden-partner.md", "committee.md": "leitfaden-lenkungsgremium.md", "data-protection.md": "datenschutz.md"}
POLICE, ORDER, YOUTH = "police/control-room", "city/public-order", "youth-house/office"
TOPICS = """\
  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police, city], receive: ["*"], lane: flash}
  - {filter: "statement/#", schema: statement, publish: [police, city], receive: [police, city], release: {approve: [police, city]}}
  - filter: "request/noise/#"
    schema: request
    purpose: danger-prevention
    publish: ["*"]
    receive: [police, city]
    responsible: [{who: city/public-order, take_within: 10m}, {who: police/control-room, take_within: 5m}]
"""
BLOCK = re.compile(r"^<!-- run(?: at (?P<where>the broker|[\w/-]+))?(?:; ID is (?P<id>[\w ]+))?(?:; ends with (?P<code>\d))? -->\n```sh\n(?P<script>.*?)^```\n(?:\n?<!-- shows -->\n```\n(?P<shows>.*?)^```\n)?",
                   re.M | re.S)
LOOKS = re.compile(r"(?:kurzweg (?:inbox|sent|case list|release list)\n)+")  # commands that change nothing
PATIENCE = 60.0
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
MASKS = ((UUID, "ID"), (r"tcp://\S+", "ADDRESS"), (r"\b[0-9a-f]{8}\b", "ID"), (r"\b(?:[0-9A-F]{4} ){3,}[0-9A-F]{4}\b", "FINGERPRINT"), (r"\bkw(?:node|steer|broker)1:\S+", "LINE"), (r"\bb2:[0-9a-f]{64}", "HASH"),
         (r"\d\d\.\d\d\.\d{4}|\d{4}-\d\d-\d\d", "DAY"), (r"(?:(?:DAY|tomorrow|yesterday|morgen|gestern),? )?\d?\d:\d\d(?::\d\d)?(?: Uhr)?", "TIME"), (r"\d+ (?:h|min|d|Std\.|Min\.|T\.)(?: \d+ (?:min|s|h))?|\d+ s\b", "A WHILE"), (r"[ \t]+", " "), (r" $|^ ", ""))


def masked(text):
    """Without what is another at each run."""
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text, flags=re.M)
    return text.strip()


class Follower(kurzweg_test.TestCase):
    """Follows a guide, in one language."""

    german = False

    def language(self):
        return {"LANGUAGE": "de"} if self.german else {}

    def page(self, name):
        return (DOCS / (GERMAN_OF[name] if self.german else name)).read_text()

    def shell(self, script, deadline=kurzweg_test.DEADLINE, **env):
        """Runs it on a terminal of 80 columns, types the passphrase and yes where it is asked; answers what was shown, and the exit code."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execve("/bin/bash", ["bash", "-euc", f"stty cols 80 rows 24 -echo\n{script}"], environment(**{"TERM": "xterm", "PATH": f"{BIN}:/usr/bin:/bin", **self.language(), **env}))
        shown, answered, end = b"", 0, time.monotonic() + deadline
        while time.monotonic() < end:
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                got = os.read(fd, 65536)
            except OSError:
                got = b""
            if not got:
                break
            shown += got
            waits = plain(shown[answered:].decode(errors="ignore"))
            if re.search(r"(?:assphrase|Once more|Noch einmal)[^\n]*: ?$", waits):
                answered = len(shown)
                os.write(fd, f"{PASSPHRASE}\n".encode())
            elif re.search(r"\[[yj]/N\] ?$", waits):
                answered = len(shown)
                os.write(fd, b"j\n" if self.german else b"y\n")
        else:
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(fd)
        return re.sub(r"(?m)^.*\r", "", plain(shown.decode()).replace("\r\n", "\n")), code

    def follow(self, name, ids=None, sockets=None, instead=None, **env):
        """Every block that is marked, in its order."""
        text, ids = self.page(name), dict(ids or {})
        blocks = list(BLOCK.finditer(text))
        self.assertEqual(len(blocks), text.count("<!-- run"), "each mark stands before a block of sh")
        self.assertGreater(len(blocks), 3)
        for block in blocks:
            where = {"KURZWEG_SOCKET": sockets[block["where"]]} if block["where"] in (sockets or {}) else {}
            script = re.sub(r"\bID\b", ids[block["id"]], block["script"]) if block["id"] else block["script"]
            for word, other in (instead or {}).items():
                script = script.replace(word, str(other))
            if block["where"] == "the broker":
                script = script.replace("--running", f"--running --control ipc://{self.folder}/broker.sock")
            shown, code = self.shell(script, **where, **env)
            end = time.monotonic() + (PATIENCE if block["shows"] and LOOKS.fullmatch(block["script"]) else 0)  # what others did may still be on its way
            while time.monotonic() < end and masked(shown) != masked(block["shows"]):
                shown, code = self.shell(script, **where, **env)
            with self.subTest(script=script):
                self.assertEqual(code, int(block["code"] or 0), shown)
                if block["shows"]:
                    self.assertEqual(masked(shown), masked(block["shows"]))
            if found := re.findall(UUID, shown):
                ids["what was printed"] = found[-1]
            if found := re.findall(r"(?m)^[0-9a-f]{8}(?=  )", shown):
                ids["what the list shows"] = found[-1]


class Guide(Follower):
    """Those that are there in two languages."""

    # ---- docs/partners.md ----

    SUBJECTS = (("Loud music at the river", "Fireworks in the old town"), ("Laute Musik am Fluss", "Feuerwerk in der Altstadt"))

    def partners(self):
        p = Partnership(self, topics=TOPICS, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        p.agreement()
        p.broker()
        for node in p.nodes:
            p.node(node).wait_for("link.up")
        sockets = {node: p.socket(node) for node in p.nodes}
        statement = self.folder / "statement.json"
        statement.write_text(fresh("press-statement.json"))

        def publish(node, *words):
            return self.kurzweg("publish", *words, "--socket", sockets[node], "--wait", "stored").stdout.strip()

        def came(rows):
            for node in (ORDER, POLICE):
                wait_until(lambda: len(self.kurzweg("inbox", "--json", "--socket", sockets[node]).stdout.splitlines()) >= rows[node], what=f"{rows[node]} rows at {node}")

        (flood,) = self.fresh("flood-neckar.cap.xml")
        ids = {"the alert": publish(POLICE, "alert/flood/mitte", "--cap", flood)}
        came({ORDER: 1, POLICE: 0})
        for number, (name, subject) in enumerate((("the request", self.SUBJECTS[self.german][0]), ("the second request", self.SUBJECTS[self.german][1])), 1):
            ids[name] = publish(YOUTH, "request/noise/mitte", "--kind", "presence", "--subject", subject, "--purpose", "danger-prevention", "--language", "de" if self.german else "en",
                                "--contact", "0999 4711")
            came({ORDER: 1 + 2 * number, POLICE: 2 * number})
        ids["the draft"] = publish(POLICE, "statement/press", "--json", statement)
        came({ORDER: 6, POLICE: 4})
        self.follow("partners.md", ids, sockets)

    def test_partners(self):
        self.partners()

    # ---- docs/committee.md ----

    def committee(self):
        p = Partnership(self, topics=TOPICS, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        first = p.agreement()
        p.write("draft.yaml", version=2, previous=p.hash_of(first), topics=TOPICS.replace("receive: [police, city]\n", "receive: [police, city, civil]\n"))
        p.broker()
        self.follow("committee.md")
        status = self.kurzweg_json("status", "--control", f"ipc://{self.folder}/broker.sock")
        self.assertEqual(status["agreement"]["version"], 2)

    def test_committee(self):
        self.committee()


class German(Guide):
    german = True


class Developers(Follower):
    def test_developers(self):
        p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        p.agreement()
        p.broker()
        spool, prefix, tools = (self.folder / name for name in ("spool", "usr", "tools"))
        spool.mkdir()
        tools.mkdir()
        for component in ("libkurzweg0", "libkurzweg-dev"):
            subprocess.run(["cmake", "--install", BUILD, "--component", component, "--prefix", prefix], check=True, capture_output=True)
        pc = next(prefix.rglob("kurzweg.pc")).parent
        (tools / "cc").write_text(f'#!/bin/sh\nexec /usr/bin/cc {" ".join(sanitizers())} -Wall -Wextra -Werror "$@"\n')
        (tools / "cc").chmod(0o755)
        for node, more in ((POLICE, f"spool: {spool}\n"), (ORDER, "")):
            p.node(node, more=more).wait_for("link.up")
        self.follow("developers.md", sockets={node: p.socket(node) for node in p.nodes}, PKG_CONFIG_PATH=pc, LD_LIBRARY_PATH=pc.parent, PATH=f"{tools}:{BIN}:/usr/bin:/bin",
                    instead={"/var/spool/kurzweg": spool, "examples/": f"{SOURCE}/examples/"})


class Both(unittest.TestCase):
    """What the guides say in two languages is the same."""

    def commands(self, text):
        """Every command in a block or within a line, without what people say in it."""
        blocks = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
        inline = re.findall(r"`((?:kurzweg|systemctl|usermod|gpasswd)\b [^`\n]*)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
        return [re.sub(r'"[^"]*"', '"…"', command) for command in blocks + inline]

    def test_they_hold_the_same_commands_blocks_and_headings(self):
        for english, german in {**GERMAN_OF, "first-hour.md": "erste-stunde.md"}.items():
            with self.subTest(page=german):
                one, other = ((DOCS / name).read_text() for name in (english, german))
                self.assertEqual(self.commands(one), self.commands(other))
                self.assertEqual(*([len(heading) for heading in re.findall(r"^(#+) ", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)] for text in (one, other)))
                self.assertEqual(*(re.findall(r"<!-- [^>]* -->", text) for text in (one, other)))
                self.assertEqual(*([row.count(" | ") for row in re.findall(r"^\| .*\|$", text, re.M)] for text in (one, other)))
                self.assertIn(f"]({english})", other, "it says where the English one is")

    FIGURES = (  # in English, in German, and the line of the code that has it where nobody set anything else
        ("14 days", "14 Tage", "certs/agreement_topics.c", r"#define KEEP_CONTENT_MS \(14 \* DAY_MS\)"),
        ("2 years", "2 Jahre", "certs/agreement_topics.c", r"#define KEEP_PROOF_MS \(2 \* YEAR_MS\)"),
        ("7 days after the broker stored it", "7 Tage, nachdem der Broker es gespeichert hat", "proto/limits.h", r"#define KW_OUTBOX_KEEP_MS \(7ull \* 24 \* 3600 \* 1000\)"),
        ("10 minutes more", "10 Minuten länger", "proto/limits.h", r"#define KW_ID_MEMORY_MS +\(10ull \* 60 \* 1000\)"),
        ("the newest 10,000 at most", "höchstens die neuesten 10.000", "clients/partner/pstore_state.c", r"rejected = 1 AND \?1 > 0 ORDER BY seq DESC\"\s+\" LIMIT \?2 OFFSET 10000"),
        ("the newest 10,000 commits", "die neuesten 10.000 Commits", "clients/partner/pstore_state.c", r"#define COMMITS_KEPT 10000u"),
        ("at most 10,000 pieces", "höchstens 10.000", "clients/partner/pstore_state.c", r"INSERT INTO evidence.*count\(\*\) FROM evidence\) < 10000"),
        ("at most 10,000 pieces", "höchstens 10.000", "broker/store/store_lmdb_parts.h", r"#define STORE_EVIDENCE_MAX 10000u"),
        ("`audit.keep_years: 1`", "`audit.keep_years: 1`", "clients/partner/config.c", r"uint64_t years = 1;"),
        ("`audit.keep_years: 1`", "`audit.keep_years: 1`", "broker/config.c", r"uint64_t years = 1;"),
        ("the newest 4,096 lines", "die neuesten 4.096 Zeilen", "broker/net/events.h", r"#define EVENTS_MAX 4096u"),
        ("at most 1 KiB", "höchstens 1 KiB", "clients/partner/child.h", r"#define CHILD_SAID_MAX 1024u"),
    )

    def test_every_figure_of_the_data_protection_sheet_is_the_codes_own(self):
        one, other = ((DOCS / name).read_text() for name in ("data-protection.md", GERMAN_OF["data-protection.md"]))
        for english, german, file, line in self.FIGURES:
            with self.subTest(figure=english, file=file):
                self.assertIn(english, one)
                self.assertIn(german, other)
                self.assertTrue(re.search(line, (SOURCE / file).read_text()), f"{file} has no {line}")
        told = {word for word in re.findall(r"\b\d[\d,]*(?: (?:days|years|minutes|KiB|pieces|lines|commits|at most))", one.partition("## Hints at the law")[0])}
        self.assertEqual({word for word in told if not any(word in english for english, *_ in self.FIGURES)}, set(), "figures that nothing above holds")

    def test_the_committee_is_told_when_an_agreement_ends_as_the_code_has_it(self):
        for words, file, line in (("From 60 days before its end", "certs/agreement.c", r"#define SOON_MS \(60 \* DAY_MS\)"),
                                  ("30 days unless the text says otherwise", "certs/agreement_parse.c", r"#define GRACE_DEFAULT_MS \(30 \* DAY_MS\)")):
            self.assertIn(words, (DOCS / "committee.md").read_text())
            self.assertTrue(re.search(line, (SOURCE / file).read_text()), f"{file} has no {line}")

    def test_what_people_are_told_to_look_out_for_is_what_is_shown(self):
        """The first column of "What to do when", word for word, against the sentences of the programs."""
        catalogue = (SOURCE / "po" / "de.po").read_text()
        for name, kind in (("partners.md", "msgid"), ("leitfaden-partner.md", "msgstr")):
            sentences = "\n".join(re.findall(rf'^{kind}(?:\[\d\])?((?: "(?:[^"\\]|\\.)*"\n(?:"(?:[^"\\]|\\.)*"\n)*))', catalogue, re.M)).replace('"\n"', "")
            table = re.split(r"\n## (?:What to do when|Was tun, wenn …)\n", (DOCS / name).read_text())[1].partition("\n\n**")[0]
            words = [word for row in table.strip().splitlines()[2:] for word in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
            self.assertGreater(len(words), 5)
            for word in words:
                with self.subTest(page=name, word=word):
                    self.assertTrue(word.replace("police/control-room", "%s") in sentences, f"{word} is not in po/de.po")


if __name__ == "__main__":
    kurzweg_test.main()
