"""What is measured and who measures, as tests/bench/load and tests/bench/run start them: keys and an agreement, kurzweg-broker, bench_peer."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "process"))
os.environ.setdefault("KW_BIN_DIR", str(SOURCE / "build" / "bench" / "bin"))
import kurzweg_test  # noqa: E402
from kurzweg_test import Partnership, environment, free_ports  # noqa: E402

OURS, SYNCED, RELAY = "kurzweg", "synced", "relay"


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

    def run(self, name, *args):
        """One run of bench_load; its figures are kept."""
        return self.figures("bench_load", name, "--folder", self.folder, *args)

    def figures(self, program, name, *args):
        """One run of a load program; its figures are kept."""
        done = subprocess.run([kurzweg_test.BIN / program, name, *map(str, args)], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, timeout=1200)
        if done.returncode != 0:
            raise SystemExit(f"{program} {name} ended with {done.returncode}")
        got = [json.loads(line) for line in done.stdout.splitlines()]
        self.results += got
        return got

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


class Broker:
    """kurzweg-broker on a store of its own; ready when this returns, and how long that took is ready_ms."""

    def __init__(self, bench, store):
        self.bench, self.store = bench, bench.folder / store
        config = bench.folder / f"{store}.yaml"
        self.log = bench.folder / f"{store}.log"
        config.write_text(f'agreement: {bench.folder}/agreement.yaml\nkey: {bench.folder}/haus.key\nlisten: ["{bench.endpoint}"]\n'
                          f"control: ipc://{bench.folder}/broker.sock\nstore: {{path: {self.store}}}\n")
        self.log.write_text("")
        from_s = time.monotonic()
        with open(self.log, "ab") as log, interrupts.later():
            self.process = subprocess.Popen([kurzweg_test.BIN / "kurzweg-broker", "--config", config], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment())
            bench.running.append(self)
        while "broker.ready" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > from_s + 60:
                raise SystemExit(f"the broker does not start:\n{self.log.read_text()}")
            time.sleep(0.001)
        self.ready_ms = (time.monotonic() - from_s) * 1000

    @property
    def target(self):
        return ("--broker", f"{self.bench.endpoint},{self.process.pid}")

    def anon_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0])

    def end(self, how=signal.SIGTERM):
        self.bench.running.remove(self)
        self.process.send_signal(how)
        code = self.process.wait(60)
        if how == signal.SIGTERM and code != 0:
            raise SystemExit(f"the broker ended with {code}:\n{self.log.read_text()}")


class Peer:
    """bench_peer, relay or synced; ends with its standard input."""

    def __init__(self, bench, kind):
        self.bench, self.kind = bench, kind
        file = [bench.folder / "synced.log"] if kind == SYNCED else []
        with interrupts.later():
            self.process = subprocess.Popen([kurzweg_test.BIN / "bench_peer", kind, *file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            bench.running.append(self)
        self.endpoint, self.key = self.process.stdout.readline().split()

    @property
    def target(self):
        return ("--bare", f"{self.kind},{self.endpoint},{self.key},{self.process.pid}")

    def end(self):
        self.bench.running.remove(self)
        self.process.stdin.close()
        self.process.wait(30)
