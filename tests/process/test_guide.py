"""The guides of the first hour, English and German, followed to the letter: three machines in three folders, every command typed at a terminal.

What differs by necessity stands in MAPPED and changed() below, what is answered when something is asked in guide.py, and neither anywhere else. A block of
commands without its machine, a question without an answer, and whatever a block says that one sees and does not, fail. With KW_GUIDE_SHOW=1 it shows what was
on the screens. On real machines tests/install/test_first_hour.py follows them.
"""

import os
import re
import time

import kurzweg_test
from guide import GUIDES, answer, blocks, published
from kurzweg_test import BIN, DEADLINE, SOURCE, Terminal, free_ports, plain

PACKAGES = {"kurzweg": (), "kurzweg-broker": ("broker.yaml",), "kurzweg-partner": ("partner.yaml",)}  # and the configuration that each brings
READY = {"kurzweg-broker": "broker.ready", "kurzweg-partner": "partner.ready"}

# Named in the text beside the way, for when something is wrong, or before Kurzweg begins. What doctor says of a machine test_doctor.py tells.
ASIDE = {"sudo -i", "timedatectl", "systemctl status kurzweg-partner", "kurzweg doctor", "kurzweg key show FILE > /mnt/NAME.line", "kurzweg key show DATEI > /mnt/NAME.line"}


class Machine:
    """A folder with what a machine has: /etc/kurzweg, /run/kurzweg, /var/lib/kurzweg, root's home."""

    def __init__(self, test, name, stick, port, language):
        self.test, self.name, self.stick, self.port, self.language = test, name, stick, port, language
        self.folder = test.folder / name
        for part in ("etc/kurzweg", "run/kurzweg", "var/lib/kurzweg", "root"):
            (self.folder / part).mkdir(parents=True)

    def paths(self, text):
        """The machine's own folders and the port of this test."""
        text = re.sub(r"/(etc|run|var/lib|var/spool)/kurzweg\b", lambda m: f"{self.folder}/{m.group(1)}/kurzweg", text)
        return text.replace("tcp://*:7411", f"tcp://127.0.0.1:{self.port}").replace("broker.example.org:7411", f"127.0.0.1:{self.port}").replace("/mnt/", f"{self.stick}/")

    # -- commands that are not run as they stand

    def install(self, files):
        for file in files.split():
            package = re.fullmatch(r"/mnt/(kurzweg[a-z-]*)_\*\.deb", file).group(1)
            for name in PACKAGES[package]:
                (self.folder / "etc/kurzweg" / name).write_text(self.paths((SOURCE / "deploy" / f"{name}.sample").read_text()))
        return ""

    def start(self, unit):
        """What systemd would run, as the unit says it."""
        line = re.search(r"^ExecStart=/usr/sbin/(\S+) (.*)$", (SOURCE / "deploy/systemd" / f"{unit}.service").read_text(), re.M)
        daemon = self.test.daemon(line.group(1), *self.paths(line.group(2)).split(), log=self.folder / f"{unit}.log")
        daemon.wait_for(READY[unit])
        if unit == "kurzweg-partner":
            daemon.wait_for("link.up")
        return ""

    def join(self, group, who):
        made = "".join(path.read_text() for path in sorted((SOURCE / "deploy/systemd").glob("*.sysusers")))
        self.test.assertRegex(made, rf"(?m)^g +{group} ")
        return ""

    MAPPED = [
        (r"apt install (.+)", install),
        (r"systemctl enable --now (kurzweg-\w+)", start),
        (r"usermod --append --groups (\w+) (anna)", join),
    ]

    # -- commands that are

    def changed(self, line):
        """The same with the folders of this machine, where it is not told by the environment; ID is that of what was published last."""
        line = line.replace("kurzweg partner init", "kurzweg partner init --to /etc/kurzweg")
        if self.name == "broker":
            line = re.sub(r"^kurzweg status$", "kurzweg status --control ipc:///run/kurzweg/broker.sock", line)
        line = re.sub(r"\bID\b", lambda m: self.test.newest[-8:], line)
        return self.paths(line)

    def socket(self):
        return f"ipc://{self.folder}/run/kurzweg/partner.sock"

    def type(self, line):
        """What the terminal showed."""
        for pattern, how in self.MAPPED:
            found = re.fullmatch(pattern, line)
            if found:
                return how(self, *found.groups())
        shell = Shell(self.changed(line), self.folder / "root", KURZWEG_SOCKET=self.socket(), HOME=self.folder / "root", PATH=f"{BIN}:/usr/sbin:/usr/bin:/bin",
                      **({"LANGUAGE": "de", "LANG": "de_DE.UTF-8"} if self.language == "de" else {}))
        self.test.addCleanup(shell.end, 0)
        return shell.answer(self.test, self.name, line)


class Shell(Terminal):
    """One line of a shell at a terminal."""

    def __init__(self, line, cwd, **env):
        self.line = line
        super().__init__(cwd=cwd, columns=200, rows=50, **env)

    def execute(self, args, env):
        os.execve("/bin/bash", ["bash", "-c", self.line], env)

    def answer(self, test, machine, line):
        seen, end = 0, time.monotonic() + DEADLINE
        while self.read(0.05):
            shown = plain(self.text())
            asked = answer(shown[seen:], machine)
            if asked is not None:
                seen = len(shown)
                self.press(asked + "\n")
            test.assertLess(time.monotonic(), end, f"at {machine}: {line}\nis not over:\n{shown}")
        test.assertEqual(self.end(), 0, f"at {machine}: {line}\n{self.text()}")
        shown = plain(self.text())
        test.newest = published(shown) or test.newest
        return shown


class Guide(kurzweg_test.TestCase):
    newest = ""  # id of what was published last

    def follow(self, language):
        stick = self.folder / "stick"
        stick.mkdir()
        port = free_ports()[0]
        machines = {name: Machine(self, name, stick, port, language) for name in ("broker", "police", "city")}
        for names, _, lines, seen in blocks(GUIDES[language]):
            self.assertTrue(names, f"on which machine is this typed? {lines}")
            for name in names:
                shown = "\n".join(machines[name].type(line) for line in lines)
                if os.environ.get("KW_GUIDE_SHOW"):
                    print(f"\n===== at {name}: {lines}\n{shown}")
                for line in seen:
                    self.assertIn(line, shown.replace(str(machines[name].folder), ""), f"at {name}, of {lines}")

    def test_in_english(self):
        self.follow("en")

    def test_in_german(self):
        self.follow("de")

    def test_both_say_the_same_commands(self):
        """But for what people write to each other, in quotes."""

        def without_words(line):
            return re.sub(r'"[^"]*"', lambda m: '"' + " ".join(re.findall(r"\$\([^)]*\)", m.group())) + '"', line)

        told = {language: [(names, user, [without_words(line) for line in lines], len(seen)) for names, user, lines, seen in blocks(name)] for language, name in GUIDES.items()}
        self.assertEqual(told["en"], told["de"])
        self.assertGreater(sum(len(lines) for _, _, lines, _ in told["en"]), 30)

    def test_no_command_stands_in_the_text_alone(self):
        for name in GUIDES.values():
            text = re.sub(r"^```.*?^```$", "", (SOURCE / "docs" / name).read_text(), flags=re.M | re.S)
            typed = {line for _, _, lines, _ in blocks(name) for line in lines}
            alone = {span for span in re.findall(r"`([^`]+)`", text) if re.match(r"(?:kurzweg[a-z-]*|systemctl|apt|cp|cat|nano|sudo|timedatectl|\w+ctl) ?[^ ]", span)}
            self.assertEqual(alone - typed - ASIDE - {*PACKAGES, *READY}, set(), name)


if __name__ == "__main__":
    kurzweg_test.main()
