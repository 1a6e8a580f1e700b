"""What an operator sees of a broker: nodes in a table and one by one, in pages where there are many; warnings before something is lost; one line for monitoring."""

import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
import time

import pyte

import crowd
import kurzweg_test
from kurzweg_test import REFUSED, SILENT, USAGE, wait_until

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3  # what plug-ins of monitoring end with
POLICE, CITY = "police/control-room", "city/public-order"


class Screen:
    """What a person sees of a program on a terminal."""

    def __init__(self, terminal, columns, rows):
        self.terminal, self.fed = terminal, 0
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)

    def lines(self):
        self.terminal.read(0.05)
        self.stream.feed(self.terminal.shown[self.fed:])
        self.fed = len(self.terminal.shown)
        return [line.rstrip() for line in self.screen.display]

    def clock(self):
        return self.lines()[0][-8:]

    def wait(self, condition, what):
        end = time.monotonic() + kurzweg_test.DEADLINE
        while not condition(lines := self.lines()):
            if time.monotonic() > end:
                raise AssertionError(f"{what}:\n" + "\n".join(lines))
        return self

    def wait_for(self, pattern):
        return self.wait(lambda lines: any(re.search(pattern, line) for line in lines), f"{pattern} is not shown")

    def wait_gone(self, text):
        return self.wait(lambda lines: not any(text in line for line in lines), f"{text} is still shown")

    def press(self, keys):
        self.terminal.press(keys)
        return self

    def resize(self, columns, rows):
        self.lines()
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.terminal.pid, signal.SIGWINCH)


class Seeing(kurzweg_test.Shared):
    def check(self, *way, code, says=(), **env):
        done = self.kurzweg("status", "--check", *way, code=code, **env)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.count("\n"), 1, done.stdout)
        word = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[code]
        self.assertRegex(done.stdout, rf"^KURZWEG {word} - ")
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, done.stdout)
        text, bar, figures = done.stdout.strip().partition(" | ")
        self.assertNotIn("|", text + figures)
        for figure in figures.split():
            self.assertRegex(figure, r"^[a-z_]+=[0-9.]+(us|ms|s|B|c|%)?(;[0-9.:]*){0,4}$")
        return dict(figure.split("=") for figure in figures.split())

    def publish(self):
        alert = self.fresh("flood-neckar.cap.xml")[0]
        return self.kurzweg("publish", "alert/flood", "--cap", alert, "--socket", self.p.socket(POLICE), "--wait", "stored").stdout.strip()

    # nodes

    def test_nodes_are_shown_the_same_on_the_machine_and_over_the_network(self):
        self.begin(POLICE, CITY)
        self.publish()
        for way in self.control, self.operator():
            shown = self.kurzweg("nodes", *way).stdout
            self.assertRegex(shown, rf"(?m)^node +connected +flash +urgent +routine +from +software *$")
            self.assertRegex(shown, rf"(?m)^{POLICE} +since \d\d:\d\d +0 +0 +0 +127\.0\.0\.1\S* +kurzweg-partner ")
            self.assertRegex(shown, r"(?m)^city/crime-prevention +away +some +some +some *$")
            rows = {row["id"]: row for row in self.kurzweg_json("nodes", *way)["nodes"]}
            self.assertEqual(set(rows), set(self.p.nodes))
            flash = rows[CITY]["lanes"]["flash"]
            self.assertEqual((flash["waiting"], flash["delivered"], flash["cursor"]), (0, 2, flash["newest"]))  # the agreement's entry, and the alert
            self.assertEqual(rows[POLICE]["lanes"]["flash"]["taken"], 1)
            self.assertGreater(flash["window"], 0)

    def test_one_node_is_shown_with_its_windows_and_an_unknown_one_is_refused(self):
        self.begin(POLICE)
        shown = self.kurzweg("nodes", POLICE, *self.control).stdout
        self.assertRegex(shown, rf"^node +{POLICE}\nconnected +since \d\d:\d\d\nfrom +127\.0\.0\.1\S*\nsoftware +kurzweg-partner \S+\nfilters +1\n\nlane +unread +read up to")
        self.assertRegex(shown, r"(?m)^flash +0 +1 +1 +0 of \d+ +0$")
        self.assertEqual(self.kurzweg_json("nodes", POLICE, *self.operator())["id"], POLICE)
        self.refuses("nodes", "police/nobody", *self.control, code=REFUSED, says='the broker refuses: no node "police/nobody" is known here')
        self.refuses("nodes", "a/b", "c/d", *self.control, code=USAGE, says="one word too many")
        self.refuses("nodes", "--broker", self.p.endpoint, code=USAGE, says="--key FILE is missing")

    def test_who_went_away_is_told_with_the_time_and_what_waits(self):
        police, city = self.begin(POLICE, CITY)
        city.stop()
        wait_until(lambda: not self.kurzweg_json("nodes", CITY, *self.control)["connected"], what="the broker's notice of it")
        self.publish()
        self.assertRegex(self.kurzweg("nodes", CITY, *self.control).stdout, r"\nconnected +away, \d\d:\d\d\n")
        shown = self.kurzweg("nodes", "--away", *self.control).stdout
        self.assertNotIn(POLICE, shown)
        self.assertRegex(shown, rf"(?m)^{CITY} +away, \d\d:\d\d +some +0 +0")
        shown = self.kurzweg("status", *self.control).stdout
        self.assertRegex(shown, rf"\n- {CITY} is away since \d\d:\d\d and something waits for it; call them if it lasts\.\n")
        self.assertRegex(shown, r"\ncommits +[0-9.]+ a second, [0-9.]+ ms each, the longest [0-9.]+ ms \(last minute\)\n")
        self.assertNotIn("\ncases", shown)  # none is open
        self.assertRegex(shown, r"\ndisk +[0-9.]+ \w+ of [0-9.]+ \w+ free\n")

    def test_a_broker_at_which_all_is_well_fits_a_screen_with_room_for_the_prompt(self):
        self.begin(*self.p.nodes)
        self.publish()
        for language, well in ({}, "all is well"), ({"LC_ALL": "de_DE.UTF-8"}, "alles in Ordnung"):
            started = self.terminal("status", *self.control, columns=80, rows=24, **language)
            self.assertEqual(started.end(), 0)
            lines = kurzweg_test.plain(started.text()).replace("\r", "").rstrip("\n").split("\n")
            self.assertIn(well, lines[0])
            self.assertEqual(len([line for line in lines if "/" in line and any(line.startswith(node) for node in self.p.nodes)]), 4)
            clock = sum(line.startswith(("clock", "Uhr")) for line in lines)  # where nobody keeps this machine's right
            self.assertLessEqual(len(lines), 22 + clock, "\n".join(lines))
            self.assertTrue(all(len(line) <= 80 for line in lines))

    def seen(self, *args, columns=80, rows=24, **env):
        """What stands on a terminal when the command has ended, and the prompt's line is still free."""
        started = self.terminal(*args, columns=columns, rows=rows, **env)
        self.assertEqual(started.end(), 0)
        screen = pyte.Screen(columns, rows)
        pyte.ByteStream(screen).feed(started.shown)
        return [line.rstrip() for line in screen.display]

    LANGUAGES = ({}, "Broker of musterstadt  ", "is away since", "more nodes are away", "connected: kurzweg nodes"), \
                ({"LC_ALL": "de_DE.UTF-8"}, "Broker von musterstadt  ", "ist seit", "Knoten sind nicht da", "verbunden: kurzweg nodes")

    def many(self, count, *up, **changes):
        """A broker with so many further nodes, which nobody runs, and something that waits for each."""
        names = [f"school-{i // 10:03}/room-{i:04}" for i in range(count)]
        self.p.lines.update(crowd.key_lines(names))
        daemons = self.begin(*up, nodes={**self.p.nodes, **{name: "school" for name in names}},
                             topics=self.p.TOPICS.replace("receive: [police, city, civil]", 'receive: ["*"]'), **changes)
        return names, daemons

    def test_with_thirty_nodes_the_verdict_and_what_is_wrong_stay_on_a_screen_of_24_lines(self):
        _, (_, city) = self.many(26, POLICE, CITY)
        city.stop()
        wait_until(lambda: not self.kurzweg_json("nodes", CITY, *self.control)["connected"], what="the broker's notice of it")
        self.publish()
        for env, verdict, away, more, connected in self.LANGUAGES:
            lines = self.seen("status", *self.control, **env)
            self.assertTrue(lines[0].startswith(verdict), "\n".join(lines))
            self.assertEqual(lines[-1], "")  # the prompt's
            self.assertRegex("\n".join(lines), rf"(?m)^- city/public-order {away} \d\d:\d\d ")
            self.assertRegex("\n".join(lines), rf"(?m)^- \w* ?21 {more}")  # 29 are away, eight have a sentence of their own
            self.assertRegex(lines[-2], rf"^30 .* {connected}$")
            whole = self.seen("status", *self.control, rows=60, **env)
            self.assertEqual(sum(bool(re.match(r"(school-|city/|youth-)\S+ +(away|nicht da)", line)) for line in whole), 29)
            self.assertTrue(next(line for line in whole if line.startswith(POLICE)))
            low = self.seen("status", *self.control, rows=10, **env)
            self.assertTrue(low[0].startswith(verdict), "\n".join(low))
            self.assertRegex("\n".join(low), rf"(?m)^- \w* ?2\d {more}")
            self.assertEqual(low[-1], "")
        for lines, at_most in ("12", 11), ("", 1000):  # a serial line, which says no size
            started = self.terminal("status", *self.control, columns=0, rows=0, LINES=lines)
            self.assertEqual(started.end(), 0)
            shown = kurzweg_test.plain(started.text()).splitlines()
            self.assertLessEqual(len(shown), at_most, started.text())
            self.assertEqual(len(shown) > 24, at_most == 1000)
        self.assertEqual(len(re.findall(r"(?m)^\S+/\S+ +away", self.kurzweg("status", *self.control).stdout)), 29)  # a pipe

    def test_graver_things_do_not_scroll_away_for_nodes_that_are_silent(self):
        self.many(26, POLICE, valid=f"from: 2020-01-01T00:00:00Z, until: {self.date('-1 hour')}")
        for env, verdict, _, more, _ in self.LANGUAGES:
            lines = self.seen("status", *self.control, **env)
            self.assertTrue(lines[0].startswith(verdict), "\n".join(lines))
            self.assertRegex(lines[1], "^! The agreement ended |^! Die Vereinbarung endete ")
            self.assertRegex("\n".join(lines), more)
        lines = self.seen("status", *self.control, rows=5)
        self.assertRegex(lines[-2], r"^1 thing does not work; it begins further up: kurzweg status \| less$")

    def test_a_node_s_status_fits_a_screen_too(self):
        self.begin(*self.p.nodes)
        for rows in 24, 12:
            for env in {}, {"LC_ALL": "de_DE.UTF-8"}:
                lines = self.seen("status", "--socket", self.p.socket(POLICE), rows=rows, **env)
                self.assertRegex(lines[0], rf"^{POLICE} (of|von) musterstadt  (all is well|alles in Ordnung)$")
                self.assertEqual(lines[-1], "")

    # status --check

    def test_monitoring_hears_of_the_broker_what_people_read(self):
        self.check(*self.control, code=CRITICAL, says="no broker listens at")
        daemons = self.begin(*self.p.nodes)
        for way in self.control, self.operator():
            figures = self.check(*way, code=OK, says="Broker of musterstadt: all is well")
            self.assertEqual(figures["connected"], "4;;;0;4")
            self.assertGreater(int(figures["disk_free"][:-1]), 0)
        daemons[1].stop()
        wait_until(lambda: not self.kurzweg_json("nodes", CITY, *self.control)["connected"], what="the broker's notice of it")
        self.publish()
        figures = self.check(*self.control, code=WARNING, says=["works; 1 thing to look at. city/public-order is away since"])
        self.assertEqual((figures["connected"], figures["silent"]), ("3;;;0;4", "1;0"))
        self.assertGreater(int(figures["stored"][:-1]), 0)
        self.check(*self.control, code=WARNING, says="KURZWEG WARNING - Broker von musterstadt: ", LC_ALL="de_DE.UTF-8")
        for daemon in daemons:
            daemon.stop()
        wait_until(lambda: self.kurzweg_json("status", *self.control)["sessions"] == 0, what="nobody connected")
        self.check(*self.control, code=CRITICAL, says="No node is connected.")

    def test_monitoring_hears_of_a_node_what_people_read(self):
        self.begin(*self.p.nodes)
        at = ("--socket", self.p.socket(POLICE))
        figures = self.check(*at, code=OK, says=f"{POLICE} of musterstadt: all is well")
        self.assertEqual((figures["link"], figures["unconfirmed"]), ("1;;1:;0;1", "0;;0"))
        self.assertGreater(int(figures["disk_free"][:-1]), 0)
        self.broker.kill()
        wait_until(lambda: self.kurzweg_json("status", *at)["link"]["state"] != "ready", what="the node's notice of it")
        self.check(*at, code=CRITICAL, says="nothing comes in")

    def test_an_agreement_that_ends_soon_is_a_warning(self):
        self.begin(*self.p.nodes, valid=f"from: 2020-01-01T00:00:00Z, until: {self.date('+20 days')}")
        self.check(*self.control, code=WARNING, says=["The agreement ends", "should sign the next version"])
        self.check("--socket", self.p.socket(POLICE), code=WARNING, says="the agreement, version 1, ends at")

    def test_an_agreement_that_ended_is_critical(self):
        self.begin(valid=f"from: 2020-01-01T00:00:00Z, until: {self.date('-1 hour')}")
        self.check(*self.control, code=CRITICAL, says=["The agreement ended", "publishing goes on for its grace alone"])
        self.assertRegex(self.kurzweg("status", *self.control).stdout, r"\n! The agreement ended ")

    @staticmethod
    def date(offset):
        return subprocess.run(["date", "-u", "-d", offset, "+%Y-%m-%dT%H:%M:%SZ"], capture_output=True, text=True, check=True).stdout.strip()

    def test_what_monitoring_cannot_ask_is_unknown(self):
        self.begin()
        self.p.new_key("stranger", "--operator")
        self.check("--key", self.p.key("stranger"), "--agreement", self.first, code=UNKNOWN, says="does not know the key")
        self.check("--key", self.folder / "none.key", "--agreement", self.first, code=UNKNOWN, says="none.key")
        self.check("--broker", self.p.endpoint, code=UNKNOWN, says="--key FILE is missing")
        self.check("--controll", "x", code=UNKNOWN, says="there is no option --controll; did you mean --control?")
        self.check("--json", *self.control, code=UNKNOWN, says="give one")
        self.assertIn("3 UNKNOWN", self.kurzweg("status", "--check", "--help").stdout)

    # top

    def screen(self, *more, columns=80, rows=24, **env):
        """kurzweg top on a terminal, and what a person sees there."""
        return Screen(self.terminal("top", *self.control, *more, columns=columns, rows=rows, **env), columns, rows)

    def test_top_shows_the_broker_live_and_does_as_keys_say(self):
        police, city = self.begin(POLICE, CITY)
        top = self.screen("--interval", "1s")
        top.wait_for(r"^Broker of musterstadt  serving  up \w+ +\d\d:\d\d:\d\d$")
        top.wait_for(rf"^{POLICE} +up \w+ +- +0 +0 +0 +0 +0$")
        top.wait_for(r"^city/crime-prevention +away +- +\+ +\+ +\+ +- +-$")
        top.wait_for(r"^1-4 of 4  q end  s sort: state ")
        city.stop()
        top.wait_for(rf"^{CITY} +away \w+ ")  # without a key
        self.publish()
        top.wait_for(r"^flash +[0-9.]+ +[2-9] ")
        top.press("/").wait_for(r"^filter: _ ").press("youth").wait_for(r"^filter: youth_ ")
        top.wait_gone(POLICE)
        top.press("\r").wait_for(r'/ filter "youth" ').press("\r").wait_for(r"^node +youth-house/office$").wait_for(r"^LANE +UNREAD")
        top.press("q").wait_for(r"^NODE ").press("/").press("\x1b").wait_for(rf"^{POLICE} ")
        top.press("s").wait_for(r"s sort: unread ").press("q")
        self.assertEqual(top.terminal.end(), 0)
        self.assertIn(b"\x1b[?1049l", top.terminal.shown)  # the terminal is as it was

    def test_top_goes_on_through_a_restart_and_a_resize(self):
        self.begin(POLICE)
        top = self.screen("--interval", "1s").wait_for(r"^Broker of musterstadt  serving")
        self.broker.stop()
        top.wait_for(r"^! As of \d\d:\d\d:\d\d: ")
        self.broker.start().wait_for("broker.ready", times=2)
        top.wait_for(r"^[-!] (?!As of)")
        top.resize(100, 12)
        top.wait_for(r"^NODE .{60,}")
        top.resize(20, 6)
        top.wait_for(r"^1-2 of 4  q end  s s$")
        self.assertTrue(all(len(line) <= 20 for line in top.lines()))
        top.resize(2, 1)
        top.resize(80, 24)
        top.wait_for(r"^1-4 of 4  q end .*Enter: one$").press("\x03")
        self.assertEqual(top.terminal.end(), 0)

    def test_top_sends_what_changed_alone(self):
        self.begin(*self.p.nodes)
        top = self.screen("--interval", "1s").wait_for(r"^Broker of musterstadt  serving")
        top.wait_for(r"^youth-house/office +up \w+ +- +0 +0 +0 +0 +0$")
        first = len(top.terminal.shown)
        shown = top.clock()
        for _ in range(3):
            shown = wait_until(lambda: (lambda now: now if now != shown else None)(top.clock()), what="the next look")
        self.assertLess(len(top.terminal.shown) - first, 3 * 400)  # of 1,920 characters
        top.press("q")
        self.assertEqual(top.terminal.end(), 0)

    def test_top_where_there_is_no_terminal_or_one_that_can_little(self):
        self.begin(POLICE)
        self.refuses("top", *self.control, code=USAGE, says=["there is no terminal", "--once", "kurzweg status --json"])
        self.refuses("top", "--sort", "size", *self.control, code=USAGE, says="must be name, state, unread, age or rate")
        self.assertIn('the terminal "no-such-one" ($TERM) is not known', self.on_terminal("top", *self.control, code=1, TERM="no-such-one"))
        for env in {"TERM": "vt100"}, {"NO_COLOR": "1"}:
            top = self.screen(**env).wait_for(r"^Broker of musterstadt")
            self.assertNotRegex(top.terminal.text(), r"\x1b\[[0-9;]*3[1-7]m")
            top.press("q")
            self.assertEqual(top.terminal.end(), 0)
        top = self.screen(LC_ALL="C", LANGUAGE="de").wait_for(r"^Broker ")
        self.assertFalse(any(byte >= 0x80 for byte in top.terminal.shown))
        top.press("q")
        top = self.screen(LC_ALL="de_DE.UTF-8").wait_for(r"^Broker von musterstadt  im Dienst  läuft ").wait_for(r"^1-4 von 4  q Ende  s nach: Stand ")
        top.press("q")
        self.assertEqual(top.terminal.end(), 0)

    def test_top_prints_one_screen_for_a_pipe(self):
        self.begin(POLICE, CITY)
        for way in self.control, self.operator():
            shown = self.kurzweg("top", "--once", "--sort", "name", *way).stdout
            self.assertNotIn("\x1b", shown)
            self.assertEqual([line.split()[0] for line in shown.splitlines()[9:]], sorted(self.p.nodes))
        self.assertNotIn(POLICE, self.kurzweg("top", "-b", "--filter", "city/", *self.control).stdout)
        self.broker.stop()
        self.refuses("top", "--once", *self.control, code=SILENT, says="no broker listens at")

    # many

    def test_more_nodes_than_an_answer_holds_are_all_seen(self):
        """[O-4]"""
        names, _ = self.many(1000, POLICE)
        self.publish()
        for way in self.control, self.operator():
            rows = self.kurzweg_json("nodes", *way)["nodes"]
            self.assertEqual({row["id"] for row in rows}, {*self.p.nodes, *names})
            self.assertEqual(len(rows), 1004)
        status = self.kurzweg_json("status", *self.control)
        self.assertEqual((len(status["nodes"]), status["nodes_total"]), (1004, 1004))
        shown = self.kurzweg("status", *self.control).stdout
        self.assertLess(len(shown.splitlines()), 90)
        self.assertRegex(shown, r'\n- 995 more nodes are away, or read nothing, and something waits for them; "kurzweg nodes" shows which\.\n')
        self.assertRegex(shown, r'\nand 964 more; "kurzweg nodes" shows them\n$')
        lines = self.seen("status", *self.control)
        self.assertRegex(lines[0], "^Broker of musterstadt  works; 9 things to look at$")
        self.assertEqual(lines[-2:], ["1004 nodes, 1 of them connected: kurzweg nodes", ""])
        self.check(*self.control, code=WARNING, says=["works; 9 things to look at", 'And 5 more: "kurzweg status" tells all.'])


if __name__ == "__main__":
    kurzweg_test.main()
