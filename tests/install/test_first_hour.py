"""The guides of the first hour on three machines: a Debian of its own each, with systemd, packages from a stick, and a cable to the broker's.

Run by tests/install/run. Every command is typed as it stands, at a terminal, by whom the guide says. What is there before somebody opens the guide stands in
bought() and plugged(), and nowhere else: a Debian 12, its archive, a name for the broker, anna.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

from machine import Machine, say
from test_install import PACKAGES, WORK, fresh

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "process"))
from guide import GUIDES, answer, blocks, published  # noqa: E402
from kurzweg_test import Terminal, plain  # noqa: E402

HAD = ("systemd", "systemd-sysv", "dbus", "locales")  # by every Debian that was not laid in a folder
ON_STICK = ("kurzweg", "kurzweg-broker", "kurzweg-partner")
LOCALES = {"en": "en_GB.UTF-8", "de": "de_DE.UTF-8"}
CABLES = {"police": ("10.74.11.1", "10.74.11.2"), "city": ("10.74.12.1", "10.74.12.2")}  # the broker's end, the other's
ASKED_BY_APT = [(r"\[[YJ]/n\] $", lambda machine: "")]
LONGEST = 300.0  # seconds for one command


class Screen(Terminal):
    """A terminal of a machine, somebody logged in at it. The prompt says how the last command ended."""

    PROMPT = re.compile(r"^\[(\d+)\] > $", re.M)

    def __init__(self, machine, user):
        self.argv = [*machine.entered(), "/usr/bin/env", "-i", "TERM=xterm", "/usr/bin/su", "--login", user]
        super().__init__(cwd="/", columns=110, rows=40)
        self.seen = 0
        self.press(" PS1='[$?] > '\n")
        self.after("the login", None)

    def execute(self, args, env):
        os.execvp(self.argv[0], self.argv)

    def after(self, line, name):
        """What the command showed, and how it ended; what it asks is answered on the way."""
        begin, end = self.seen, time.monotonic() + LONGEST
        while self.read(0.05):
            shown = re.sub(r"\x1b[78]|\r", "", plain(self.text()))
            over = self.PROMPT.search(shown, self.seen)
            asked = answer(shown[self.seen:], name, ASKED_BY_APT) if name else None
            if over:
                self.seen = len(shown)
                return int(over.group(1)), shown[begin:over.start()]
            if asked is not None:
                self.seen = len(shown)
                self.press(asked + "\n")
            if time.monotonic() > end:
                break
        raise AssertionError(f"at {name}: {line}\nis not over:\n{self.text()}")

    def type(self, line, name):
        self.press(line + "\n")
        return self.after(line, name)


class FirstHour(unittest.TestCase):
    id = ""  # of what was published last, as the screen has it

    @classmethod
    def setUpClass(cls):
        """One Debian, and what apt will take along is downloaded: later there is no archive in reach."""
        cls.model = fresh("first-hour")
        cls.model.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *HAD)
        cls.model.run("apt-get", "install", "-y", "-q", "--download-only", *(f"/pkg/{path.name}" for path in cls.on_stick()))
        for locale in LOCALES.values():
            cls.model.run("localedef", "-i", locale.partition(".")[0], "-f", "UTF-8", locale)
        cls.model.run("useradd", "--create-home", "--shell", "/bin/bash", "anna")
        shutil.rmtree(cls.model.root / "pkg")

    @staticmethod
    def on_stick():
        return [path for path in sorted(PACKAGES.glob("*.deb")) if path.name.split("_")[0] in ON_STICK]

    def bought(self, name, language):
        """A machine as it is before."""
        root = WORK / name
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", self.model.root, root], check=True)
        (root / "etc/default/locale").write_text(f"LANG={LOCALES[language]}\n")
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n" + (f"{CABLES[name][0]} broker.example.org\n" if name in CABLES else ""))
        machine = Machine(root)
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        self.addCleanup(machine.stop)
        return machine.start(self.stick)

    def plugged(self, machines):
        """A cable from the broker's machine to each of the others, which reach nothing else."""
        for name, (ours, theirs) in CABLES.items():
            ends = (("broker", f"to-{name}", ours), (name, "to-broker", theirs))
            names = [word for at, link, _ in ends for word in ("name", link, "netns", str(machines[at].first))]
            subprocess.run(["ip", "link", "add", *names[:4], "type", "veth", "peer", *names[4:]], check=True)
            for at, link, address in ends:
                inside = ["nsenter", "-t", str(machines[at].first), "-n", "ip"]
                subprocess.run([*inside, "address", "add", f"{address}/30", "dev", link], check=True)
                subprocess.run([*inside, "link", "set", link, "up"], check=True)

    def type(self, name, user, line):
        """What the screen shows of it; a person logs in once and stays."""
        if (name, user) not in self.screens:
            self.screens[name, user] = Screen(self.machines[name], user or "root")
            self.addCleanup(self.screens[name, user].end, 0)
        code, shown = self.screens[name, user].type(re.sub(r"\bID\b", lambda m: self.id[-8:], line), name)
        if os.environ.get("KW_GUIDE_SHOW"):
            print(f"\n===== at {name}: {line}\n{shown}", flush=True)
        self.assertEqual(code, 0, f"at {name}: {line}\n{shown}")
        self.id = published(shown) or self.id
        return shown

    def follow(self, language):
        self.stick = WORK / "stick"
        shutil.rmtree(self.stick, ignore_errors=True)
        self.stick.mkdir()
        for path in self.on_stick():
            shutil.copy(path, self.stick)
        self.machines, self.screens = {name: self.bought(name, language) for name in ("broker", "police", "city")}, {}
        self.plugged(self.machines)
        began, typed = time.monotonic(), 0
        for names, user, lines, seen in blocks(GUIDES[language]):
            for name in names:
                shown = "\n".join(self.type(name, user, line) for line in lines)
                typed += len(lines)
                for text in seen:
                    self.assertFalse([line for line in lines if text in line], "what one types oneself proves nothing")
                    self.assertIn(text, shown, f"at {name}, of {lines}")
        say(f"{GUIDES[language]}: {typed} lines were typed on three machines, which took them {time.monotonic() - began:.0f} s")
        for name in CABLES:
            self.type(name, None, "kurzweg doctor")  # which ends with 1 where something is wrong
        for name, unit in (("broker", "kurzweg-broker"), ("police", "kurzweg-partner"), ("city", "kurzweg-partner")):
            self.assertEqual(self.machines[name].run("systemctl", "is-active", unit), "active\n")

    def test_in_english(self):
        self.follow("en")

    def test_in_german(self):
        self.follow("de")


if __name__ == "__main__":
    unittest.main(verbosity=2)
