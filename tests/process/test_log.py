"""The daemons' log: to the journal, to whoever does not read it, and to an operator with kurzweg log (docs/protocol.md [O-5])."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import threading
import time

import zmq

import kurzweg_test
import strangers
from kurzweg_test import BIN, DEADLINE, REFUSED, SILENT, USAGE, environment, wait_until

CONTROL_CHARACTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


class Pipe:
    """A pipe whose writing end a daemon has as standard error."""

    def __init__(self, test):
        self.read_end, self.write_end = os.pipe()
        test.addCleanup(self.close)
        self.text = ""

    def close(self):
        for end in self.read_end, self.write_end:
            with contextlib.suppress(OSError):
                os.close(end)

    @property
    def stream(self):
        there = os.fstat(self.write_end)
        return f"{there.st_dev}:{there.st_ino}"

    def fill(self):
        os.set_blocking(self.write_end, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.write_end, b"." * 4096)
        os.set_blocking(self.write_end, True)

    def take(self):
        """All that came so far."""
        while select.select([self.read_end], [], [], 0)[0]:
            self.text += os.read(self.read_end, 65536).decode()
        return self.text

    def wait_for(self, text):
        wait_until(lambda: text in self.take(), DEADLINE, f'"{text}" in the pipe')
        return self.text


class Log(kurzweg_test.Shared):
    def setUp(self):
        super().setUp()
        self.first = self.p.agreement()
        self.operator = ("--key", self.p.key("night-desk"), "--agreement", self.first)

    def config(self):
        return self.write("broker.yaml", f'agreement: {self.first}\nkey: {self.p.key("haus")}\nlisten: ["{self.p.endpoint}"]\n'
                                         f"control: {self.control[1]}\nstore: {{path: {self.folder}/broker}}\nlog: info\n")

    def started(self, pipe, program, *args, **env):
        process = subprocess.Popen([str(BIN / program), *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=pipe.write_end, env=environment(**env))

        def end():
            process.kill()
            process.wait()

        self.addCleanup(end)
        return process

    def events(self, *args, **more):
        return [json.loads(line) for line in self.kurzweg("log", "--json", *(args or self.control), **more).stdout.splitlines()]

    def stranger(self):
        """Somebody with a key that nobody knows knocks."""
        self.p.new_key("stranger", "--operator")
        self.refuses("status", "--key", self.p.key("stranger"), "--agreement", self.first, code=REFUSED, says="does not know the key")

    # to the journal

    def test_where_the_journal_reads_lines_begin_with_their_priority(self):
        pipe = Pipe(self)
        broker = self.started(pipe, "kurzweg-broker", "--config", self.config(), JOURNAL_STREAM=pipe.stream)
        self.assertRegex(pipe.wait_for("broker.ready"), r"(?m)^<5>notice agreement\.in_force version=1 .*\n<5>notice broker\.ready partnership=musterstadt ")
        broker.terminate()
        self.assertEqual(broker.wait(DEADLINE), 0)
        for line in pipe.take().splitlines():
            self.assertRegex(line, r"^<[3-7]>(error|warning|notice|info|debug) [a-z]+\.[a-z_]+( |$)")
        node, pipe = self.p.node("police/control-room"), Pipe(self)
        node.stop()
        self.started(pipe, "kurzweg-partner", "--config", self.folder / "police-control-room.yaml", JOURNAL_STREAM=pipe.stream)
        self.assertRegex(pipe.wait_for("partner.ready"), r"(?m)^<5>notice partner\.ready node=police/control-room ")

    def test_a_variable_that_was_inherited_and_means_another_stream_changes_nothing(self):
        pipe = Pipe(self)
        self.started(pipe, "kurzweg-broker", "--config", self.config(), JOURNAL_STREAM="8:12345")
        self.assertRegex(pipe.wait_for("broker.ready"), r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z notice broker\.ready ")

    # to whoever does not read

    def test_a_standard_error_that_nobody_reads_stops_nothing_and_what_is_lost_is_told(self):
        pipe = Pipe(self)
        pipe.fill()
        broker = self.started(pipe, "kurzweg-broker", "--config", self.config())
        wait_until((self.folder / "broker.sock").exists, DEADLINE, "the broker's socket")
        began = time.monotonic()
        for _ in range(3):
            self.assertEqual(self.kurzweg_json("status", *self.control)["state"], "serving")
        self.assertLess(time.monotonic() - began, DEADLINE)
        self.assertIn("broker.ready", [e["code"] for e in self.events()])  # which the operator has all the same
        lost = int(re.search(r"warning log\.lost lines=(\d+)\n", pipe.wait_for("log.lost")).group(1))
        self.assertGreaterEqual(lost, 2)
        self.assertIn({"code": "log.lost", "fields": f"lines={lost}"}, [{k: e[k] for k in ("code", "fields")} for e in self.events()])
        broker.terminate()
        self.assertEqual(broker.wait(DEADLINE), 0)
        self.assertIn("notice broker.stopped clean=yes", pipe.take())
        node, pipe = self.p.node("police/control-room"), Pipe(self)
        node.stop()
        pipe.fill()
        node = self.started(pipe, "kurzweg-partner", "--config", self.folder / "police-control-room.yaml")
        wait_until(lambda: self.kurzweg("status", "--socket", self.p.socket("police/control-room"), code=None).returncode == 0, DEADLINE, "the node's answer")
        pipe.wait_for("warning log.lost lines=")
        node.terminate()
        self.assertEqual(node.wait(DEADLINE), 0)

    # to an operator

    def test_o5_an_operator_sees_the_brokers_events_over_both_ways(self):
        self.p.broker()
        self.stranger()
        here, there = self.events(), self.events(*self.operator)
        self.assertEqual(here, there[:len(here)])
        self.assertEqual([e["number"] for e in here], list(range(1, len(here) + 1)))
        self.assertEqual([e["code"] for e in here][:2], ["agreement.in_force", "broker.ready"])
        knock = next(e for e in here if e["code"] == "gate.unknown_key")
        self.assertEqual(knock["level"], "warning")
        self.assertRegex(knock["fields"], r"^peer=127\.0\.0\.1 key=[0-9a-f]{16}$")
        said = (self.folder / "broker.log").read_text()
        for event in here:  # the same as in the journal, no more
            self.assertIn(f"{event['level']} {event['code']} {event['fields']}\n", said)
        shown = self.kurzweg("log", *self.control).stdout
        self.assertRegex(shown, r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d notice  broker\.ready partnership=musterstadt version=1 ")

    def test_o5_level_peer_and_time_select(self):
        self.p.broker()
        self.stranger()
        self.kurzweg("broker", "headers", "--output", self.folder / "h", *self.operator)
        self.assertEqual({e["level"] for e in self.events("--level", "warning", *self.control)}, {"warning"})
        self.assertEqual(self.events("--level", "error", *self.control), [])
        self.assertEqual({e["code"] for e in self.events("--peer", "night-desk", *self.control)}, {"headers.read"})
        self.assertEqual({e["code"] for e in self.events("--peer", "127.0.0.1", *self.control)}, {"gate.unknown_key"})
        self.assertEqual(self.events("--peer", "night", *self.control), [])
        self.assertGreater(len(self.events("--since", "1h", *self.control)), 3)
        self.assertEqual(self.events("--since", "2090-01-01T00:00:00Z", *self.control, code=None), [])

    def test_wrong_usage_is_told_in_a_sentence(self):
        self.refuses("log", *self.control, code=SILENT, says="no broker listens at")
        self.refuses("log", "--follow", *self.control, code=SILENT, says="no broker listens at")
        self.refuses("log", "--level", "fatal", code=USAGE, says='--level is "fatal", must be error, warning, notice, info or debug')
        self.refuses("log", "--peer", "a\x1bb", code=USAGE, says="--peer must be a node")
        self.refuses("log", "--since", "soon", code=USAGE, says="--since")
        self.refuses("log", "--broker", self.p.endpoint, code=USAGE, says="--key FILE is missing")
        self.refuses("log", "--key", self.p.key("police/control-room"), "--agreement", self.first, code=REFUSED, says="--operator")

    def test_an_operator_may_look_and_a_node_may_not(self):
        self.p.broker()
        context = zmq.Context()
        self.addCleanup(context.destroy, 0)
        control = strangers.Control(context, self.folder / "broker.sock")
        self.addCleanup(control.close)
        self.assertEqual(control.ask(strangers.admin(8, text='{"content":1}')), (False, 'the key "content" is not known in a request for events'))
        self.assertEqual(control.ask(strangers.admin(8, text="x"))[0], False)
        granted, page = control.ask(strangers.admin(8, text="{}"))
        self.assertTrue(granted)
        self.assertEqual({key for event in json.loads(page)["events"] for key in event}, {"number", "time_ms", "time", "level", "code", "fields"})

    def test_o5_what_is_new_is_shown_as_it_comes_also_after_a_restart_until_control_c(self):
        broker = self.p.broker()
        watch = self.terminal("log", "--follow", *self.control)
        watch.wait_for("broker.ready")
        self.stranger()
        watch.wait_for("gate.unknown_key")
        self.assertIn("\x1b[33mwarning", watch.text())
        broker.stop()
        watch.wait_for("The broker does not answer: nothing new is shown until it does.", deadline=60)
        broker.start().wait_for("broker.ready", times=2)
        watch.wait_for("The broker answers again.", deadline=60)
        watch.wait_for("The broker was started again: its events begin anew.")
        watch.wait_for("broker.ready", after=watch.text().rindex("begin anew"))
        watch.press("\x03")
        self.assertEqual(watch.end(), 0)
        for line in kurzweg_test.plain(watch.text()).splitlines():
            self.assertLessEqual(len(line.lstrip("\r^C")), 80, line)

    def test_a_narrow_terminal_holds_every_line(self):
        self.p.broker()
        for line in kurzweg_test.plain(self.on_terminal("log", *self.control, columns=30)).splitlines():
            self.assertLessEqual(len(line), 30, line)

    def follows(self, *args):
        process = subprocess.Popen([str(BIN / "kurzweg"), "log", "--follow", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_follow_in_a_pipe_gives_json_lines_at_once_and_ends_by_a_signal(self):
        self.p.broker()
        process = self.follows("--json", "--level", "warning", *self.control)
        while self.kurzweg("broker", "headers", "--output", self.folder / f"h{time.monotonic_ns()}", *self.control).returncode == 0:
            self.stranger_again()
            if select.select([process.stdout], [], [], 1.5)[0]:
                break
        self.assertEqual(json.loads(process.stdout.readline())["code"], "gate.unknown_key")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE), 0)

    def stranger_again(self):
        if not self.p.key("stranger").exists():
            self.stranger()
        else:
            self.kurzweg("status", "--key", self.p.key("stranger"), "--agreement", self.first, code=REFUSED)

    def test_follow_ends_when_nobody_reads_it_any_more(self):
        self.p.broker()
        process = self.follows("--json", *self.control)
        self.assertEqual(json.loads(process.stdout.readline())["code"], "agreement.in_force")
        process.stdout.close()
        process.stdout = None
        self.assertIn(process.wait(DEADLINE), (0, -signal.SIGPIPE))  # without an event, and without anything to do

    def test_o5_a_gap_is_told_and_what_a_broker_of_another_kind_says_moves_no_terminal(self):
        """A broker that the test plays: an event with a gap before it, control characters where none may be."""
        context = zmq.Context()
        self.addCleanup(context.destroy, 0)
        played = context.socket(zmq.ROUTER)
        played.bind(self.control[1])
        event = {"number": 1, "time_ms": 1700000000000, "time": "x", "level": "warning", "code": "test.\x1b[2J", "fields": "why=\"a\u202eb\x07\nforged\" \x9b31m"}
        pages = [{"run": "a", "newest": 9, "oldest": 8, "oldest_ms": 5, "after": 8, "more": True, "missed": 7, "events": [event]},
                 {"run": "a", "newest": 99, "oldest": 90, "oldest_ms": 5, "after": 99, "more": False, "missed": 81, "events": [event]}]
        asked = []

        def play():
            for page in pages * 3:
                who, request = played.recv_multipart()
                asked.append(json.loads(strangers.fields(strangers.fields(request)[strangers.ADMIN][0])[3][0]))
                number = strangers.fields(strangers.fields(request)[strangers.ADMIN][0])[1][0]
                played.send_multipart([who, strangers.octets(strangers.ADMIN_REPLY, strangers.number(1, number) + strangers.number(2, 1) + strangers.octets(3, json.dumps(page)))])

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        done = self.kurzweg("log", *self.control)
        self.assertEqual(asked[0], {"after": 0, "since_ms": 0, "run": ""})
        self.assertEqual(asked[1], {"after": 8, "since_ms": 0, "run": "a"})
        self.assertIn("7 older ones are in the journal.\n", done.stderr)
        self.assertIn("warning: 81 events are missing here: more came than the broker keeps. They are in the journal.\n", done.stderr)
        self.assertIsNone(CONTROL_CHARACTERS.search(done.stdout + done.stderr), done.stdout)
        self.assertEqual(len(done.stdout.splitlines()), 2)
        german = self.kurzweg("log", *self.control, LC_ALL="de_DE.UTF-8")
        self.assertIn("81 Ereignisse fehlen hier", german.stderr)
        self.assertIn("warning test.?[2J", german.stdout)  # codes and levels are the same in every language
        shown = self.kurzweg("log", "--json", *self.control).stdout
        self.assertIsNone(CONTROL_CHARACTERS.search(shown), shown)
        self.assertEqual(json.loads(shown.splitlines()[0]), event)
        thread.join(DEADLINE)
        played.close(0)


if __name__ == "__main__":
    kurzweg_test.main()
