"""tests/bench/run in a slice: every figure of every system is there, and nothing is left, also when it is interrupted. Skipped, with a word, where
a server or a tool of tests/bench/packages is missing: nothing is installed for it."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import curves
import programs
import rivals

RUN = pathlib.Path(__file__).resolve().parent / "run"
BIN = programs.kurzweg_test.BIN
SKIPPED = 77  # ctest shows it as such


def missing():
    return [cls.program for cls in rivals.SERVERS.values() if not cls.there()] + [t for t in ("openssl", "gnuplot") if not shutil.which(t)] + [
        str(p) for p in [BIN / "bench_rival"] if not p.exists()]


def processes_of(folder):
    """Whatever still runs with that folder on its command line or as its own."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in (path / "cmdline").read_text() or str(path.joinpath("cwd").readlink()).startswith(str(folder)):
                found.append(path.name + " " + (path / "cmdline").read_text())
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return found


class Rivals(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kurzweg-rivals-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "disk").mkdir()
        self.argv = [RUN, "--quick", "--bin", BIN, "--folder", self.folder / "disk", "--json", self.folder / "all.json", "--markdown", self.folder / "all.md",
                     "--svg", self.folder / "all.svg", "--curves", self.folder / "curves.svg"]

    def nothing_is_left(self):
        self.assertEqual(list((self.folder / "disk").iterdir()), [])
        end = time.monotonic() + 10  # a server's own helpers end when they see that it has
        while processes_of(self.folder) and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(processes_of(self.folder), [])

    def test_everything_in_a_slice(self):
        done = subprocess.run(self.argv, capture_output=True, text=True, timeout=1500)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        figures = json.loads((self.folder / "all.json").read_text())
        table = (self.folder / "all.md").read_text().splitlines()
        systems = [cell.strip() for cell in table[0].split("|")[2:-1]]
        self.assertEqual(set(systems), {f["target"] for f in figures})
        self.assertTrue(set(rivals.SERVERS) < set(systems))
        everybody, servers, ours = set(systems), {programs.OURS, *rivals.SERVERS}, {programs.OURS}
        having = [{system for system, cell in zip(systems, line.split("|")[2:-1]) if cell.strip()} for line in table[2:]]
        self.assertEqual({frozenset(row) for row in having}, {frozenset(everybody), frozenset(servers), frozenset(ours)})  # no other cell is empty
        self.assertEqual([having.count(row) for row in (everybody, servers, ours)], [30, 10, 12])
        for system in systems:
            self.assertIn(f"\n  {system} ", done.stdout)
        drawn = (self.folder / "all.svg").read_text()
        self.assertIn("</svg>", drawn)
        for system in set(systems) - {programs.OURS}:
            self.assertIn(f"<text><tspan font-family=\"sans-serif\" >{system}</tspan>", drawn)
        self.curves_are_there(figures)
        self.nothing_is_left()

    def curves_are_there(self, figures):
        """Two points at least for each system that has a curve, in each panel."""
        drawn = (self.folder / "curves.svg").read_text()
        for panel in curves.PANELS:
            self.assertIn(panel[0], drawn)
            systems = {f["target"] for f in figures if f.get("curve") == panel[1] and f["of"] == panel[2]}
            self.assertIn(programs.OURS, systems)
            for system in systems:
                self.assertGreaterEqual(len(curves.points(figures, panel, system)), 2, panel[0])

    def test_interrupted_it_takes_everything_with_it(self):
        for how, soon in ((signal.SIGTERM, "redis/appendonlydir/*"), (signal.SIGINT, "rabbitmq/mnesia/*")):
            process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            end = time.monotonic() + 120
            while not any((self.folder / "disk").glob(f"*/{soon}")):
                self.assertIsNone(process.poll(), process.stderr)
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            process.send_signal(how)
            said = process.communicate(timeout=120)[1]
            self.assertEqual(process.returncode, 128 + how, said)
            self.assertNotIn("Traceback", said)
            self.nothing_is_left()


if __name__ == "__main__":
    if missing():
        print(f"SKIPPED: not here: {', '.join(missing())} (tests/bench/packages); nothing was compared")
        sys.exit(SKIPPED)
    unittest.main()
