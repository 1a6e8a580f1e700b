"""What the process tests share: the programs, keys, a committee, an agreement, free ports, daemons, waiting with a deadline.

A test module ends in:  if __name__ == "__main__": kurzweg_test.main()
"""

import copy
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("KW_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BIN = pathlib.Path(os.environ.get("KW_BIN_DIR", SOURCE / "build" / "dev" / "bin"))
DEADLINE = 90.0  # seconds; generous, since the machine may be busy: a test that passes never waits for it
PASSPHRASE = "four words nobody guesses"

DONE, FAILED, USAGE, SILENT, REFUSED = 0, 1, 2, 3, 4  # exit codes of kurzweg


def environment(**more):
    """English, no colours, nothing of the developer's own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("KURZWEG_", "LC_", "LANG"))}
    env.pop("CREDENTIALS_DIRECTORY", None)
    env.pop("NOTIFY_SOCKET", None)
    env.pop("JOURNAL_STREAM", None)
    env["LC_ALL"] = "C.UTF-8"
    env.update({k: str(v) for k, v in more.items()})
    return env


def wait_until(condition, deadline=DEADLINE, what="the condition"):
    """condition() until it is true, and answers what it gave; fails when deadline seconds are over."""
    end = time.monotonic() + deadline
    while True:
        asked = time.monotonic()
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {deadline:.0f} s")
        time.sleep(min(0.5, max(0.02, 2 * (time.monotonic() - asked))))  # asking takes no more than a third of the machine


def plain(shown):
    """What a terminal showed, without its colours and bells."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\a", "", shown)


def free_ports(count=1):
    """Ports of the loopback that nobody listens on now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Daemon:
    """A program that runs until stop(); its standard error goes to a file that the test may read."""

    def __init__(self, argv, log, **env):
        self.argv = [str(a) for a in argv]
        self.log = pathlib.Path(log)
        self.env = environment(**env)
        self.process = None
        self.start()

    def start(self):
        """Again, after stop(); the log goes on."""
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        return self

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        return self.log.read_text(errors="replace")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def wait_for(self, text, times=1, deadline=DEADLINE):
        """Until text stands in the log, times times; a daemon that ended meanwhile fails at once, with what it said."""

        def there():
            if self.text().count(text) >= times:
                return True
            if not self.alive():
                raise AssertionError(f"{self.argv[0]} ended with {self.process.poll()}:\n{self.text()}")
            return False

        return wait_until(there, deadline, f'"{text}" in {self.log}')

    def stop(self, how=signal.SIGTERM, deadline=DEADLINE):
        """Signals this very process and answers its exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.process = None
            raise AssertionError(f"{self.argv[0]} did not stop within {deadline:.0f} s:\n{self.text()}")
        self.process = None
        return code

    def kill(self):
        return self.stop(signal.SIGKILL)


class Terminal:
    """kurzweg on a terminal of its own, for as long as the test wants: what it shows, keys pressed, how it ended."""

    def __init__(self, *args, cwd, columns=80, rows=24, **env):
        self.shown = b""
        self.code = None
        ready, go = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.read(ready, 1)  # until the size is set
            os.chdir(cwd)
            self.execute(args, environment(**{"TERM": "xterm", **env}))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.write(go, b"g")
        os.close(ready)
        os.close(go)

    def execute(self, args, env):
        os.execve(BIN / "kurzweg", ["kurzweg", *map(str, args)], env)

    def read(self, seconds=0.0):
        """Takes what is there; False when it has ended."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            got = os.read(self.fd, 65536)
        except OSError:  # the other end is closed
            got = b""
        self.shown += got
        return bool(got)

    def text(self):
        return self.shown.decode(errors="replace")

    def wait_for(self, text, after=0, deadline=DEADLINE):
        """Until text is shown, behind the first after characters."""
        end = time.monotonic() + deadline
        while self.text().find(text, after) < 0:
            if not self.read(0.05) or time.monotonic() > end:
                raise AssertionError(f'"{text}" was not shown:\n{self.text()}')
        return self

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def end(self, deadline=DEADLINE):
        """Its exit code, -2 after control-C; killed where it does not end."""
        if self.code is None:
            last = time.monotonic() + deadline
            while self.read(0.05):
                if time.monotonic() > last:
                    os.kill(self.pid, signal.SIGKILL)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)
        return self.code


class TestCase(unittest.TestCase):
    """A folder of its own for each test (self.folder), the command line, and daemons that are stopped in any case."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kurzweg-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def daemon(self, program, *args, log=None, **env):
        started = Daemon([BIN / program, *args], log or self.folder / f"{program}.log", **env)
        self.addCleanup(lambda: started.stop(signal.SIGKILL))
        return started

    def kurzweg(self, *args, code=DONE, stdin=None, cwd=None, **env):
        """Runs the command line; answers the finished process, whose exit code must be code (None: any)."""
        done = subprocess.run([str(BIN / "kurzweg"), *map(str, args)], input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                              capture_output=True, text=True, cwd=cwd or self.folder, env=environment(**env), timeout=120)
        if code is not None and done.returncode != code:
            self.fail(f"kurzweg {' '.join(map(str, args))} ended with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}")
        return done

    def kurzweg_json(self, *args, **more):
        return json.loads(self.kurzweg(*args, "--json", **more).stdout)

    def refuses(self, *args, says, code=FAILED, **more):
        """It ends with code, says one sentence with all of says in it, and writes nothing to standard output."""
        done = self.kurzweg(*args, code=code, **more)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, done.stderr)
        self.assertEqual(done.stdout, "")
        return done

    def terminal(self, *args, **more):
        started = Terminal(*args, cwd=self.folder, **more)
        self.addCleanup(started.end, 0)
        return started

    def on_terminal(self, *args, answers=(), code=DONE, **env):
        """Runs it on a terminal; answers are pairs of what is waited for and what is typed then. All that was shown."""
        started = self.terminal(*args, **env)
        seen = 0
        for question, answer in answers:
            started.wait_for(question, after=seen)
            seen = started.text().index(question, seen) + len(question)
            started.press(answer)
        self.assertEqual(started.end(), code, started.text())
        return started.text()

    def fresh(self, *names):
        """Files of the examples with their times moved to now, so that nothing has expired."""
        done = subprocess.run([SOURCE / "examples" / "fresh", "--to", self.folder / "fresh", *[SOURCE / "examples" / n for n in names]],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        return [self.folder / "fresh" / n for n in names]

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path


class Partnership:
    """Keys and an agreement in a folder: musterstadt, unless told otherwise. A committee of three, two must sign.

    nodes: {"police/control-room": kind of the partner, …}; a civil partner commits to danger-prevention.
    """

    NODES = {"police/control-room": "police", "city/public-order": "city", "city/crime-prevention": "city", "youth-house/office": "civil"}
    MEMBERS = ("mayor", "president", "prosecutor")
    TOPICS = """\
  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police, city], receive: [police, city, civil],
     lane: flash, keep: {content: 14d, proof: 2y}}
  - filter: "request/noise/#"
    schema: request
    publish: ["*"]
    receive: [police, city]
    responsible:
      - {who: city/public-order, hours: "Mo-Su 06:00-22:00", take_within: 10m}
      - {who: police/control-room, take_within: 5m}
  - {filter: "report/#", schema: report, publish: [police, city], receive: [police, city], lane: routine}
"""

    def __init__(self, test, folder=None, nodes=None, endpoint="tcp://127.0.0.1:7411", exercise=False, topics=None):
        self.test, self.folder = test, pathlib.Path(folder or test.folder)
        self.nodes, self.endpoint, self.exercise = dict(nodes or self.NODES), endpoint, exercise
        self.more = ""  # further lines of the agreement
        self.topics = topics or self.TOPICS
        self.coordinator = next((n for n in self.nodes if n == "city/crime-prevention"), next(iter(self.nodes)))
        self.lines = {}
        self.passphrase_file = self.folder / "passphrase"
        self.passphrase_file.write_text(PASSPHRASE + "\n")
        self.passphrase_file.chmod(0o600)
        another = getattr(test, "has_partnership", False)  # of one test: with keys of its own
        test.has_partnership = True
        kinds = {**{node: () for node in self.nodes}, "haus": ("--broker",), "night-desk": ("--operator",), **{member: ("--steering",) for member in self.MEMBERS}}
        for name, kind in kinds.items():
            if another:
                self.new_key(name, *kind)
            else:
                self.first_key(name, *kind)

    def copy(self, test, endpoint):
        """The same keys in that test's folder, so that not every test waits for new ones."""
        shutil.copytree(self.folder, test.folder, dirs_exist_ok=True)
        other = copy.copy(self)
        other.test, other.folder, other.endpoint, other.lines = test, test.folder, endpoint, dict(self.lines)
        other.passphrase_file = test.folder / self.passphrase_file.name
        return other

    made = {}  # by what was asked for: the line, and what the file holds

    def first_key(self, name, *kind):
        """Every test begins with keys of these names; they need not be made each time."""
        asked = (name, kind, self.exercise and "--steering" not in kind)
        if asked not in self.made:
            path = self.new_key(name, *kind)
            self.made[asked] = self.lines[name], path.read_bytes()
            return
        self.lines[name], content = self.made[asked]
        self.key(name).touch(mode=0o600)
        self.key(name).write_bytes(content)

    def new_key(self, name, *kind, file=None):
        """Makes a key and remembers its line under name."""
        mode = ["--exercise"] if self.exercise and "--steering" not in kind else []
        lock = ["--lock", "interactive", "--passphrase-file", self.passphrase_file] if "--steering" in kind else []
        path = self.folder / (file or self.key_file(name))
        self.lines[name] = self.test.kurzweg("key", "new", name, "--out", path, *kind, *mode, *lock).stdout.strip()
        return path

    @staticmethod
    def key_file(name):
        return name.replace("/", "-") + ".key"

    def key(self, name):
        return self.folder / self.key_file(name)

    def text(self, version=1, previous=None, valid="from: 2020-01-01T00:00:00Z, until: 2099-01-01T00:00:00Z", topics=None, nodes=None, threshold=2):
        members = ", ".join(f'{{name: {m}, key: "{self.lines[m]}"}}' for m in self.MEMBERS)
        partners = {}
        for node, kind in (nodes or self.nodes).items():
            partner, name = node.split("/")
            partners.setdefault((partner, kind), []).append(f'{{id: {name}, key: "{self.lines[node]}"}}')
        rows = "".join(f"  - {{id: {p}, kind: {kind}, {'purposes: [danger-prevention], ' if kind == 'civil' else ''}nodes: [{', '.join(keys)}]}}\n"
                       for (p, kind), keys in partners.items())
        return (f"partnership: musterstadt\nversion: {version}\n" + (f'previous: "{previous}"\n' if previous else "")
                + f"valid: {{{valid}}}\nkind: {'exercise' if self.exercise else 'live'}\n"
                f"steering:\n  threshold: {threshold}\n  members: [{members}]\n"
                f'broker: {{name: haus, endpoints: ["{self.endpoint}"], key: "{self.lines["haus"]}"}}\n'
                f"coordinator: {self.coordinator}\noperators: [{{name: night-desk, key: \"{self.lines['night-desk']}\"}}]\n"
                f"{self.more}partners:\n{rows}topics:\n{topics or self.topics}")

    def write(self, name="agreement.yaml", **changes):
        path = self.folder / name
        path.write_text(self.text(**changes))
        return path

    def sign(self, path, members=("mayor", "prosecutor"), previous=None):
        for member in members:
            self.test.kurzweg("agreement", "sign", path, "--key", self.key(member), "--passphrase-file", self.passphrase_file, "--yes",
                              *(["--previous", previous] if previous else []))
        return path

    def agreement(self, name="agreement.yaml", **changes):
        """Written and signed by two."""
        return self.sign(self.write(name, **changes))

    def broker(self, agreement=None, program="kurzweg-broker", listen=None, **env):
        """kurzweg-broker on the partnership's endpoint, or behind it, up when this returns; its files are broker.yaml, broker/ and broker.log."""
        config = self.folder / "broker.yaml"
        config.write_text(f'agreement: {agreement or self.folder / "agreement.yaml"}\nkey: {self.key("haus")}\nlisten: ["{listen or self.endpoint}"]\n'
                          f"control: ipc://{self.folder}/broker.sock\nstore: {{path: {self.folder}/broker}}\n")
        daemon = self.test.daemon(program, "--config", config, log=self.folder / "broker.log", **env)
        return daemon.wait_for("broker.ready") and daemon

    def node(self, node, subscribe=("#",), agreement=None, more="", **env):
        """kurzweg-partner of that node, its local socket up; its files begin with the node's name, as police-control-room.yaml."""
        name = node.replace("/", "-")
        config = self.folder / f"{name}.yaml"
        topics = ", ".join(f'"{t}"' for t in subscribe)
        config.write_text(f'agreement: {agreement or self.folder / "agreement.yaml"}\nkey: {self.key(node)}\nsubscribe: [{topics}]\n'
                          f"socket: {self.socket(node)}\nstate: {self.folder}/{name}\n{more}")
        daemon = self.test.daemon("kurzweg-partner", "--config", config, log=self.folder / f"{name}.log", **env)
        return daemon.wait_for("partner.ready") and daemon

    def socket(self, node):
        return f"ipc://{self.folder}/{node.replace('/', '-')}.sock"

    def hash_of(self, path):
        return self.test.kurzweg("agreement", "fingerprint", path, "--hash").stdout.strip()

    def fingerprint_of(self, path):
        return self.test.kurzweg("agreement", "fingerprint", path).stdout.strip()


class Shared(TestCase):
    """Every test begins with a copy of the same keys (self.p), on a port of its own; and with the way to its broker's control socket."""

    PARTNERSHIP = {}  # what Partnership is made with, beside the defaults

    @classmethod
    def setUpClass(cls):
        keys = TestCase()
        keys.setUp()
        cls.addClassCleanup(keys.doCleanups)
        cls.shared = Partnership(keys, **cls.PARTNERSHIP)

    def setUp(self):
        super().setUp()
        self.p = self.shared.copy(self, f"tcp://127.0.0.1:{free_ports()[0]}")
        self.control = ("--control", f"ipc://{self.folder}/broker.sock")

    def begin(self, *nodes, **changes):
        """The agreement (self.first), a broker (self.broker), and these nodes connected to it."""
        self.first = self.p.agreement(**changes)
        self.broker = self.p.broker()
        daemons = [self.p.node(node) for node in nodes]
        for daemon in daemons:
            daemon.wait_for("link.up")
        return daemons

    def operator(self):
        """How an operator is shown to the tools."""
        return "--key", self.p.key("night-desk"), "--agreement", self.first


def main():
    unittest.main(verbosity=2)
