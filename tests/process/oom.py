#!/usr/bin/python3 -B
"""Memory is refused at every allocation of the tools and of the daemons' start, one after the other.

    tests/process/oom.py [--only WORD] [--every N] [--keep]

Each program runs once to be counted; then for each allocation twice more: with this one refused, and with this one and all that
follow. It must do what it does without that, or say a sentence and end with one of its exit codes. No file may be half-written: it is
there as a good run writes it, or it is not there, or it is as it was. Where libzmq, by its design, ends the process, that is told
apart by what it says and by the way to the abort; the next start must find everything. Programs are those of $KW_BIN_DIR, built
without sanitizers (build/bin), and the preloaded oom.so is $KW_BUILD_DIR/tests/oom.so. It takes about an hour.
"""

import argparse
import collections
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import desk
import kurzweg_test
from kurzweg_test import BIN, SOURCE, Partnership, free_ports, wait_until

SHIM = pathlib.Path(os.environ.get("KW_BUILD_DIR", SOURCE / "build" / "dev")) / "tests" / "oom.so"
CODES = {"kurzweg": {0, 1, 2, 3, 4}, "kurzweg-broker": {0, 1, 74, 78}, "kurzweg-partner": {0, 1, 74, 78}}
LOGS = ("oom.log", "oom.crash")
LONGEST = 60.0   # seconds for a tool, or until a daemon is up or has ended
NODE, OTHER = "police/control-room", "city/public-order"


class Run:
    """How one run ended."""

    def __init__(self, code, out, said, log):
        self.code, self.out, self.said, self.log = code, out, said, log

    def count(self):
        return int(re.search(r"^count (\d+)$", self.log, re.MULTILINE)[1])

    def crash_way(self):
        return self.log.partition("crashed\n")[2]

    def ended_by_libzmq(self):
        """Its assertions, those of what it calls, and what C++ throws in it: it stands between what is ours and the abort. One crash is
        known: libpgm, which libzmq starts, asks glibc for a protocol's number, and glibc follows an address that it did not get."""
        way = [line for line in self.crash_way().splitlines() if "oom.so" not in line]
        theirs = list(itertools.takewhile(lambda line: line.startswith(("/lib/", "/usr/lib/")), way))
        known = any("(getprotobyname" in line and "libpgm" in after for line, after in zip(theirs, theirs[1:]))
        return (self.code == -signal.SIGABRT or self.code == -signal.SIGSEGV and known) and any("libzmq" in line for line in theirs)


class Program:
    """One command line; what it reads and writes lies in a folder that is made anew for each run."""

    def __init__(self, name, argv, folder, files=(), steady=True, ready=None, after=None):
        self.name, self.argv, self.folder = name, [str(a) for a in argv], folder
        self.files, self.steady, self.ready, self.after = files, steady, ready, after
        self.program = pathlib.Path(self.argv[0]).name

    def run(self, at, ever=False):
        logs = [self.folder / name for name in LOGS]
        for log in logs:
            log.unlink(missing_ok=True)
        more = {"KW_OOM_EVER": "1"} if ever else {}
        env = kurzweg_test.environment(LD_PRELOAD=SHIM, KW_OOM_AT=at, KW_OOM_LOG=logs[0], KW_OOM_CRASH=logs[1], **more)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
            process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=said, env=env, cwd=self.folder)
            code = self.wait(process, said)
            out.seek(0)
            said.seek(0)
            told = "".join(log.read_text(errors="replace") for log in logs if log.exists())
            return Run(code, out.read().decode(errors="replace"), said.read().decode(errors="replace"), told)

    def wait(self, process, said):
        """A daemon is stopped once it is up."""
        end = time.monotonic() + LONGEST
        asked = False
        while process.poll() is None:
            if self.ready and not asked and self.ready.encode() in os.pread(said.fileno(), 1 << 20, 0):
                process.terminate()
                asked = True
            if time.monotonic() > end:
                process.kill()
                process.wait()
                return "hangs"
            time.sleep(0.002)
        return process.returncode

    def contents(self):
        return {name: (self.folder / name).read_bytes() if (self.folder / name).exists() else None for name in self.files}


class Sweep:
    def __init__(self, stage, tell=print):
        self.stage, self.tell, self.findings, self.outcomes = stage, tell, [], collections.Counter()
        self.p = Partnership(stage, nodes={NODE: "police", OTHER: "city"}, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        self.p.agreement()
        self.folder = self.p.folder
        self.before, self.started, self.config = {}, 0, NODE.replace("/", "-") + ".yaml"

    # ---- what is run ----

    def tools(self):
        """Tools that need nobody."""
        f, k = self.folder, BIN / "kurzweg"
        shutil.copy(f / "agreement.yaml", f / "draft.yaml")
        (f / "draft.yaml").write_text(self.p.text(version=2, previous=self.p.hash_of(f / "agreement.yaml"), topics=self.p.TOPICS.replace("10m", "15m")))
        key = self.p.key(NODE)
        return [
            Program("key new", [k, "key", "new", "police/new", "--out", "new.key"], f, ["new.key"], steady=False, after=self.key_is_whole),
            Program("key show", [k, "key", "show", key], f),
            Program("key fingerprint", [k, "key", "fingerprint", key], f),
            Program("agreement check", [k, "agreement", "check", "agreement.yaml"], f),
            Program("agreement diff", [k, "agreement", "diff", "agreement.yaml", "draft.yaml"], f),
            Program("agreement verify", [k, "agreement", "verify", "agreement.yaml"], f),
            Program("agreement fingerprint", [k, "agreement", "fingerprint", "agreement.yaml"], f),
            Program("agreement who-reads", [k, "agreement", "who-reads", "alert/x", "--agreement", "agreement.yaml"], f),
            Program("agreement who-reads --json", [k, "agreement", "who-reads", "alert/x", "--agreement", "agreement.yaml", "--json"], f),
            Program("agreement who-is-responsible", [k, "agreement", "who-is-responsible", "request/noise/x", "--at", "2027-02-02 22:05", "--agreement", "agreement.yaml"], f),
            Program("agreement sign", [k, "agreement", "sign", "draft.yaml", "--key", self.p.key("mayor"), "--passphrase-file", self.p.passphrase_file,
                                       "--previous", "agreement.yaml", "--yes"], f, ["draft.yaml.sig"], steady=False),
            Program("help", [k, "publish", "--help"], f),
        ]

    def checks(self):
        """What the daemons say of their configuration; both of them have served before, and know one notification."""
        f = self.folder
        broker, node = self.serve()
        self.known = self.desk.publish("alert/x", desk.fresh("flood-neckar.cap.xml"))
        self.desk.stored(self.known)
        self.rest(broker, node)
        return [Program("broker --check-config", [BIN / "kurzweg-broker", "--config", "broker.yaml", "--check-config"], f),
                Program("partner --check-config", [BIN / "kurzweg-partner", "--config", self.config, "--check-config"], f)]

    def starts(self):
        f = self.folder
        return [Program("broker start", [BIN / "kurzweg-broker", "--config", "broker.yaml"], f, steady=False, ready="broker.ready", after=self.serves),
                Program("partner start", [BIN / "kurzweg-partner", "--config", self.config], f, steady=False, ready="partner.ready", after=self.serves)]

    def serve(self):
        broker, node = self.p.broker(), self.p.node(NODE)
        self.desk = desk.Desk(self.p.socket(NODE))
        wait_until(lambda: self.desk.status()["link"]["state"] == "ready", what="the link")
        self.stage.addCleanup(self.desk.close)
        return broker, node

    def rest(self, broker, node):
        self.desk.close()
        for daemon in (node, broker):
            code = daemon.stop()
            assert code == 0, f"{daemon.argv[0]} ended with {code}: {daemon.text()[-2000:]}"

    def asked(self):
        """Tools that ask a node, which runs without faults."""
        k, socket = BIN / "kurzweg", self.p.socket(NODE)
        self.serve()
        (self.folder / "flood.xml").write_text(desk.fresh("flood-neckar.cap.xml"))
        one = self.desk.publish("alert/x", (self.folder / "flood.xml").read_text())
        self.desk.stored(one)
        return [
            Program("publish", [k, "publish", "alert/x", "--cap", "flood.xml", "--socket", socket], self.folder, steady=False, after=self.published),
            Program("inbox", [k, "inbox", "--socket", socket], self.folder),
            Program("inbox --json", [k, "inbox", "--json", "--socket", socket], self.folder),
            Program("status", [k, "status", "--socket", socket], self.folder, steady=False),
            Program("trace", [k, "trace", one, "--socket", socket], self.folder, steady=False),
            Program("status of the broker", [k, "status", "--control", f"ipc://{self.folder}/broker.sock"], self.folder, steady=False),
        ]

    # ---- what must hold ----

    def key_is_whole(self, program, run):
        path = self.folder / "new.key"
        if path.exists():
            shown = self.stage.kurzweg("key", "show", path, code=None)
            if shown.returncode != 0:
                return f"the key file is half-written: {shown.stderr}"
            if run.code == 0 and shown.stdout.strip() != run.out.strip():
                return "the line that was printed is not the one of the file"
        elif run.code == 0:
            return "it says that the key is made, and there is none"
        return None

    def serves(self, program, run):
        """After a start that libzmq ended the next one finds everything; of the others every tenth is looked at."""
        self.started += 1
        if run.code == 0 or run.code > 0 and self.started % 10 != 1:
            return None
        broker, node = self.serve()
        state = self.desk.ask("trace", id=self.known)["state"]
        self.rest(broker, node)
        return None if state == "stored" else f"what was stored is {state} after it"

    def published(self, program, run):
        if run.code == 0:
            found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", run.out)
            if found is None:
                return f"it ended well and names no notification: {run.out}"
            self.desk.ask("trace", id=found[0])
        return None

    def wrong(self, program, reference, run):
        """A sentence for what is not as it must be; None."""
        if run.code == "hangs":
            return f"has not ended after {LONGEST:.0f} s: {run.said}"
        if run.code < 0:
            if not run.ended_by_libzmq():
                return f"was ended by signal {-run.code}: {run.said}\n{run.crash_way()}"
            return self.serves(program, run) if program.ready else None
        if run.code not in CODES[program.program]:
            return f"ended with {run.code}, which is none of its codes: {run.said}"
        if run.code != 0 and not run.said.strip():
            return f"ended with {run.code} and said nothing"
        if run.code == 2 and "memory" not in run.said:
            return f"blames who called it: {run.said}"
        if re.search(r"(^|: )\?$", run.said, re.MULTILINE):
            return f"says ? in place of a sentence: {run.said}"
        if "(null)" in run.said + run.out:
            return f"says (null): {run.said}{run.out}"
        if run.code == reference.code and program.steady and run.out != reference.out:
            return f"ended as ever, but said something else:\n{run.out}"
        for name, now in program.contents().items():
            if now not in (self.before[program.name].get(name), None) and len(now) != len(self.after_good[name] or b""):
                return f"left {name} half-written: {len(now)} bytes"
        return program.after(program, run) if program.after else None

    def again(self, program, names):
        """The folder as it was before the run. Answers files that should not be there."""
        left = set(os.listdir(self.folder)) - names - set(program.files) - set(LOGS)
        for name in program.files:
            before = self.before[program.name][name]
            (self.folder / name).unlink(missing_ok=True)
            if before is not None:
                (self.folder / name).write_bytes(before)
        for name in left:
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return left

    def one(self, program, places, reference, names):
        for at in places:
            for ever in (False, True):
                run = program.run(at, ever)
                sentence = self.wrong(program, reference, run)
                left = self.again(program, names) if not program.ready else set()
                if sentence is None and left:
                    sentence = f"left {', '.join(sorted(left))} behind"
                if sentence:
                    refused = [line for line in run.log.split("crashed")[0].splitlines() if line.startswith(str(BIN))][:3]
                    self.findings.append(f"{program.name}: allocation {at}{' and all after it' if ever else ''} refused: {sentence} ({'; '.join(refused)})")
                    self.tell(self.findings[-1])
                    if len(self.findings) > 40:
                        raise AssertionError("\n".join(self.findings))
                self.outcomes["ended by libzmq" if isinstance(run.code, int) and run.code < 0 else "did it" if run.code == reference.code else "said why"] += 1

    def sweep(self, program, places):
        """places(count) answers which allocations are refused."""
        self.before[program.name] = program.contents()
        names = set(os.listdir(self.folder))
        if program.ready:
            program.run(0)  # the first start makes the store
        reference = program.run(0)
        assert reference.code == 0, f"{program.name} without faults: {reference.code} {reference.said}"
        self.after_good = program.contents()
        if not program.ready:
            self.again(program, names)
        count, begun = reference.count(), time.monotonic()
        before = sum(self.outcomes.values())
        self.one(program, places(count), reference, names)
        assert program.run(0).code == reference.code, f"{program.name} does not work any more after all the faults"
        if not program.ready:
            self.again(program, names)
        self.tell(f"{program.name}: {count} allocations, {sum(self.outcomes.values()) - before} runs, {time.monotonic() - begun:.0f} s")

    def finish(self):
        assert not self.findings, "\n".join(self.findings)
        assert self.outcomes["said why"] > 0, "no refusal had an effect: nothing was tested"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="", help="programs with this word in their name")
    options.add_argument("--every", type=int, default=1, help="take each Nth allocation only")
    options.add_argument("--keep", action="store_true", help="leave the folder")
    wanted = options.parse_args()
    stage = kurzweg_test.TestCase()
    if wanted.keep:
        stage.folder = pathlib.Path(tempfile.mkdtemp(prefix="kurzweg-oom-"))
    else:
        stage.setUp()
    try:
        sweep = Sweep(stage, lambda text: print(text, flush=True))
        for group in (sweep.tools, sweep.checks, sweep.starts, sweep.asked):
            for program in group():
                if wanted.only in program.name:
                    sweep.sweep(program, lambda count: range(1, count + 1, wanted.every))
        print(dict(sweep.outcomes))
        sweep.finish()
    finally:
        stage.doCleanups()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the daemons are stopped then too
    main()
