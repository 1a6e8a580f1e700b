"""What is measured and who measures, as tests/bench/load and tests/bench/run start them: keys and an agreement, kurzweg-broker, bench_peer."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "process"))
os.environ.setdefault("KW_BIN_DIR", str(SOURCE / "build" / "bench" / "bin"))
import kurzweg_test  # noqa: E402
from kurzweg_test import Partnership, environment, free_ports  # noqa: E402

OURS, SYNCED, RELAY = "kurzweg", "synced", "relay"
RUN_S = 3600  # a run of a load program that takes longer hangs


class Interrupts:
    """SIGINT and SIGTERM end the program with 128 and their number; but not in the middle of a start, whose process nobody would know yet, nor of
    the end itself."""

    def __init__(self):
        self.depth, self.pending = 0, None

    def install(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.on_signal)

    def on_signal(self, number, _frame):
        self.pending = number
        self.raise_pending()

    def raise_pending(self):
        if self.depth == 0 and self.pending:
            number, self.pending = self.pending, None
            raise SystemExit(128 + number)

    @contextlib.contextmanager
    def later(self):
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
        self.raise_pending()


interrupts = Interrupts()


class Bench:
    """The folder with keys, agreement and stores; programs by their names; what was measured.

    nodes: {"police/control-room": kind of its partner, …}; coordinator is one of them.
    """

    def __init__(self, folder, nodes, topics, coordinator):
        self.folder, self.results, self.running = folder, [], []
        self.endpoint = f"tcp://127.0.0.1:{free_ports()[0]}"
        self.partnership = Partnership(self, folder, nodes=nodes, endpoint=self.endpoint, topics=topics)
        self.partnership.coordinator = coordinator
        self.partnership.agreement()

    def kurzweg(self, *args):
        """What Partnership asks of a test."""
        done = subprocess.run([kurzweg_test.BIN / "kurzweg", *map(str, args)], capture_output=True, text=True, env=environment(),
                              stdin=subprocess.DEVNULL, timeout=120)
        if done.returncode != 0:
            raise SystemExit(f"kurzweg {args[0]} {args[1]} ended with {done.returncode}: {done.stderr}")
        return done

    def run(self, name, *args, servers=()):
        """One run of bench_load; its figures are kept."""
        return self.figures("bench_load", name, "--folder", self.folder, *args, servers=servers)

    def figures(self, program, name, *args, servers=()):
        """One run of a load program; its figures are kept. servers: those that it may want to be started again."""
        by_name = {server.name: server for server in servers}
        got = []
        with interrupts.later():
            process = subprocess.Popen([kurzweg_test.BIN / program, name, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        watch = threading.Timer(RUN_S, process.kill)
        try:
            watch.start()
            for line in process.stdout:
                said = json.loads(line)
                if "ask" in said:
                    process.stdin.write(self.answer(by_name[said["of"]], said["ask"]) + "\n")
                    process.stdin.flush()
                else:
                    got.append(said)
            code = process.wait()
        finally:
            watch.cancel()
            process.kill()  # nothing, where it has ended
            process.wait()
            process.stdin.close()
            process.stdout.close()
        if code != 0:
            raise SystemExit(f"{program} {name} ended with {code}")
        self.results += got
        return got

    @staticmethod
    def answer(server, asked):
        """To what load_restart.h asks for."""
        if asked == "pid":
            return str(server.pid)
        server.stop()
        from_ns = time.monotonic_ns()
        return f"{from_ns} {server.begin_again()}"

    def keep(self, **figure):
        self.results.append(figure)

    def stop_all(self):
        """Ends everything, also when something of it does not end as it should; then says so."""
        wrong = None
        for process in list(self.running):
            try:
                process.end()
            except (Exception, SystemExit) as fault:  # the others must end too
                wrong = wrong or fault
        if wrong:
            raise wrong


class Daemon:
    """A program of ours with a configuration of its own; ready when this returns, and how long that took is ready_ms."""

    program = ready = None

    def __init__(self, bench, name, text):
        self.bench, self.name = bench, name
        self.config, self.log = bench.folder / f"{name}.yaml", bench.folder / f"{name}.log"
        self.config.write_text(text)
        from_s = time.monotonic()
        self.begin_again()
        self.wait()
        self.ready_ms = (time.monotonic() - from_s) * 1000

    def begin_again(self):
        """Its new process; it may not listen yet."""
        self.log.write_text("")
        with open(self.log, "ab") as log, interrupts.later():
            self.process = subprocess.Popen([kurzweg_test.BIN / self.program, "--config", self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment())
            self.bench.running.append(self)
        return ""

    def wait(self):
        """Until it is ready."""
        from_s = time.monotonic()
        while self.ready not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > from_s + 60:
                raise SystemExit(f"{self.program} does not start:\n{self.log.read_text()}")
            time.sleep(0.001)

    @property
    def pid(self):
        return self.process.pid

    def anon_kib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0])

    def stop(self, how=signal.SIGTERM):
        self.bench.running.remove(self)
        self.process.send_signal(how)
        code = self.process.wait(60)
        if how == signal.SIGTERM and code != 0:
            raise SystemExit(f"{self.program} ended with {code}:\n{self.log.read_text()}")

    end = stop


class Broker(Daemon):
    """kurzweg-broker on a store of its own; more: further lines of its configuration; program: another one than that of BIN; quota: of the store."""

    program, ready = "kurzweg-broker", "broker.ready"

    def __init__(self, bench, store, more="", program=None, quota=""):
        self.store = bench.folder / store
        if program:
            self.program = program.resolve()
        store_keys = f"path: {self.store}" + (f", quota: {quota}" if quota else "")
        super().__init__(bench, OURS, f'agreement: {bench.folder}/agreement.yaml\nkey: {bench.folder}/haus.key\nlisten: ["{bench.endpoint}"]\n'
                                      f"control: ipc://{bench.folder}/broker.sock\nstore: {{{store_keys}}}\n{more}")

    @property
    def target(self):
        return ("--broker", f"{self.bench.endpoint},{self.pid}")


class Node(Daemon):
    """kurzweg-partner of that node; more: further lines of its configuration."""

    program, ready = "kurzweg-partner", "partner.ready"

    def __init__(self, bench, node, more=""):
        name = node.replace("/", "-")
        self.socket = f"ipc://{bench.folder}/{name}.sock"
        super().__init__(bench, name, f'agreement: {bench.folder}/agreement.yaml\nkey: {bench.folder}/{name}.key\nsubscribe: ["#"]\n'
                                      f"socket: {self.socket}\nstate: {bench.folder}/{name}\n{more}")


class Peer:
    """bench_peer, relay or synced; ends with its standard input. io_threads: of libzmq's, in relay; it is called "relay-4" then."""

    def __init__(self, bench, kind, io_threads=None):
        self.bench, self.kind, self.io_threads = bench, kind, io_threads or 1
        self.name = kind if io_threads is None else f"{kind}-{io_threads}"
        self.begin_again()

    def begin_again(self):
        """Elsewhere, and under another key, as its answer says."""
        more = [self.bench.folder / "synced.log"] if self.kind == SYNCED else [str(self.io_threads)]
        with interrupts.later():
            self.process = subprocess.Popen([kurzweg_test.BIN / "bench_peer", self.kind, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.bench.running.append(self)
        self.endpoint, self.key = self.process.stdout.readline().split()
        return f"{self.endpoint} {self.key}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def target(self):
        return ("--bare", f"{self.name},{self.endpoint},{self.key},{self.pid}")

    def stop(self):
        self.bench.running.remove(self)
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    end = stop
