"""deploy/demo shows what it says, and leaves nothing behind, however it ends."""

import os
import pathlib
import re
import signal
import subprocess

import kurzweg_test
from kurzweg_test import BIN, DONE, SOURCE, Partnership, environment, free_ports, wait_until


def running_in(folder):
    """The processes whose command line names something in folder."""
    found = []
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"{folder}/".encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:  # it ended meanwhile
            pass
    return found


class Demo(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.kill_the_rest)

    def kill_the_rest(self):
        """What a broken demo left: only processes of this test's own folder."""
        for pid in running_in(self.folder):
            os.kill(pid, signal.SIGKILL)

    def environment(self, **more):
        return environment(**{"TMPDIR": self.folder, "KW_BIN_DIR": BIN, **more})

    def demo(self, *args, code=DONE, **env):
        done = subprocess.run([str(SOURCE / "deploy" / "demo"), *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
                              env=self.environment(**env))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def nothing_is_left(self):
        self.assertEqual(running_in(self.folder), [])
        self.assertEqual(list(self.folder.glob("kurzweg-demo-*")), [])

    def shows(self, text, *parts):
        """All parts, in this order."""
        at = 0
        for part in parts:
            found = text.find(part, at)
            self.assertGreaterEqual(found, 0, f'"{part}" is not shown, or not where it should be:\n{text}')
            at = found + len(part)

    def test_it_shows_a_partnership_at_work(self):
        done = self.demo()
        self.assertEqual(done.stderr, "")
        self.shows(done.stdout, "1. Keys", "kwnode1:", "2. The agreement", "signed by 1 of the 3 members", "signed by 2 of 3 members", "3. A broker",
                   "kurzweg-broker   haus-der-sicherheit", "4. The Neckar rises", "flood-statement.json", "The broker has stored it.", "flood-neckar.cap.xml",
                   "The broker has stored it.", "Neckar flood: Uferstraße closed from 5:30, clear basements", "Move vehicles out of underground car parks", "5. More alerts",
                   "city/crime-prevention $ kurzweg inbox", "cancelled", "Bomb found at the goods station", "Vermisst", "All clear", "6. What the broker's disk",
                   "   0 of ", "7. What the operator sees", "youth-house/office is away", "8. The youth house opens", "youth-house/office $ kurzweg inbox",
                   "flash  severe  Neckar flood", "flash  extreme  Bomb found", "flash  minor  ", "All clear", "routine  Flood: situation under control",
                   "may not publish on topics of alert/#", "9. Noise at night", "In Musterstadt it is 22:", "police/control-room $ kurzweg case list",
                   "Lärm und Streit am Skatepark", "YOUR TURN", ": yours.", "police/control-room has taken this case", "handed over to city/public-order", ": yours.",
                   ": done by city/public-order.", "youth-house/office $ kurzweg case show", "offered to police/control-room", "(Duty officer 3) took it",
                   "(Duty officer 3) hands it over to city/public-order", "city/public-order took it", "done: Landlord reached", "10. A second one, and nobody takes it",
                   "city/crime-prevention $ kurzweg case list", "YOUR TURN, as the coordinator: nobody else has taken it", "11. A joint press statement", "youth-house/office $ kurzweg release list",
                   "city/crime-prevention $ kurzweg inbox", "Skate", "12. What the sender knows",
                   "All 3 nodes have it.", "are stopped")
        found = re.findall(r"(\d+) of (\d+) words found", done.stdout)
        self.assertEqual(len(found), 2)
        self.assertEqual(found[0][0], found[0][1])
        self.assertGreater(int(found[0][1]), 50)
        self.assertNotIn("\033", done.stdout)  # no colours into a pipe
        self.nothing_is_left()

    def test_it_speaks_german_where_lang_is(self):
        self.speaks_german(self.demo(LC_ALL="", LANG="de"))

    def test_it_speaks_german_where_it_is_told_to(self):
        self.speaks_german(self.demo("--lang", "de"))  # although LC_ALL is another

    def speaks_german(self, done):
        self.shows(done.stdout, "1. Schlüssel", "Fingerabdruck", "2. Die Vereinbarung", "4. Der Neckar steigt", "Hochwasser am Neckar: Uferstraße ab 5:30 Uhr gesperrt",
                   "Bringen Sie Fahrzeuge", "Entwarnung", "   0 von ", "zu Themen von alert/# nichts senden", "ihr Ordner ist gelöscht")
        self.nothing_is_left()

    def test_stay_leaves_it_running_until_it_is_told_to_stop(self):
        shown = self.demo("--stay").stdout
        folder, = self.folder.glob("kurzweg-demo-*")
        self.assertEqual(len(running_in(folder)), 5)
        tries = [line.strip() for line in shown[shown.index("It goes on running"):].splitlines() if line.startswith("  ")]
        script = "\n".join(line for line in tries if "--follow" not in line and not line.endswith("/stop"))
        self.assertIn("publish", script)
        done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, timeout=120, env=self.environment())
        self.assertEqual(done.returncode, DONE, script + done.stdout + done.stderr)
        self.assertIn("Every reader's node has it", done.stdout + done.stderr)
        subprocess.run([str(folder / "stop")], check=True, timeout=60, env=environment())
        self.nothing_is_left()

    def test_it_cleans_up_when_it_is_ended_half_way(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=number):
                shown = self.folder / f"shown-{number}"
                with open(shown, "wb") as out:
                    demo = subprocess.Popen([str(SOURCE / "deploy" / "demo")], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment(),
                                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
                self.addCleanup(lambda demo=demo: demo.poll() is None and demo.kill())
                wait_until(lambda: "4. " in shown.read_text() or demo.poll() is not None, deadline=120, what="the fourth step")
                self.assertGreaterEqual(len(running_in(self.folder)), 4)
                demo.send_signal(number)
                self.assertEqual(demo.wait(60), 128 + number, shown.read_text())
                self.nothing_is_left()

    def test_it_cleans_up_when_nobody_reads_on(self):
        with subprocess.Popen([str(SOURCE / "deploy" / "demo")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=self.environment()) as demo:
            self.assertIn("Kurzweg", demo.stdout.readline())
            demo.stdout.close()
            self.assertEqual(demo.stderr.read(), "")
            self.assertEqual(demo.wait(120), 1)
        self.nothing_is_left()

    def test_what_fails_is_said_and_cleaned_up(self):
        programs = self.folder / "bin"
        programs.mkdir()
        done = self.demo(code=1, KW_BIN_DIR=programs)
        self.assertIn("is not there; deploy/setup builds it", done.stderr)
        for name in ("kurzweg", "kurzweg-partner"):
            (programs / name).symlink_to(BIN / name)
        (programs / "kurzweg-broker").write_text("#!/bin/sh\necho no luck today\nexit 74\n")
        (programs / "kurzweg-broker").chmod(0o755)
        done = self.demo(code=1, KW_BIN_DIR=programs)
        self.assertRegex(done.stderr, r"demo: kurzweg-broker of haus-der-sicherheit ended with 74:\nno luck today")
        self.nothing_is_left()
        for wrong, says in ((["--what"], '"--what" is not known'), (["--lang", "fr"], '--lang is "fr", must be de or en'), (["--lang"], "--lang wants a language")):
            self.assertIn(says, self.demo(*wrong, code=2).stderr)
        self.assertIn("--stay", self.demo("--help").stdout)


class Setup(kurzweg_test.TestCase):
    def test_a_second_run_installs_and_builds_nothing(self):
        build = SOURCE / "build"
        if not (build / "build.ninja").exists() or "no work to do" not in subprocess.run(["ninja", "-C", str(build), "-n"], capture_output=True, text=True).stdout:
            self.skipTest("build/ is not up to date; deploy/setup makes it so")
        before = {path: path.stat().st_mtime_ns for path in (build / "bin").iterdir()}
        self.assertGreaterEqual({path.name for path in before}, {"kurzweg", "kurzweg-broker", "kurzweg-partner"})
        done = subprocess.run([str(SOURCE / "deploy" / "setup"), "release"], capture_output=True, text=True, timeout=240, env=environment(TMPDIR=self.folder))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (DONE, "", ""))
        self.assertEqual({path: path.stat().st_mtime_ns for path in (build / "bin").iterdir()}, before)
        self.assertEqual(list(self.folder.iterdir()), [])


class Disk(kurzweg_test.TestCase):
    def test_nothing_of_an_alert_is_readable_on_the_brokers_disk(self):
        """
        In the fields of a real alert, and of a request so small that nothing compresses it, where it would stand letter by letter if it were not
        sealed. Searched in everything that the broker wrote, running and stopped.
        """
        p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        p.agreement()
        broker = p.broker()
        for name in ("police/control-room", "city/public-order"):
            p.node(name).wait_for("link.up")
        police, city = p.socket("police/control-room"), p.socket("city/public-order")
        cap = subprocess.run([str(SOURCE / "examples" / "fresh"), str(SOURCE / "examples" / "flood-neckar.cap.xml")], capture_output=True, text=True, check=True).stdout
        cap = re.sub(r"(<(event|headline|description|instruction|contact|senderName|areaDesc|resourceDesc|audience|note|incidents|value)>)([^<]*)", r"\1\3 Kanarienvogel", cap)
        self.assertGreater(cap.count("Kanarienvogel"), 15)
        self.write("alert.xml", cap)
        self.kurzweg("publish", "alert/flood/mitte", "--cap", "alert.xml", "--to", "city/public-order", "--wait", "delivered", "--socket", police)
        self.kurzweg("publish", "request/noise/mitte", "--kind", "Presence", "--subject", "Kanarienvogel", "--text", "Kanarienvogel", "--purpose", "danger-prevention",
                     "--wait", "stored", "--socket", police)
        wait_until(lambda: {"alert", "request"} <= set(re.findall(r'"schema":"(\w+)"', self.kurzweg("inbox", "--json", "--socket", city).stdout)), what="both at city/public-order")
        self.assertGreater(self.kurzweg("inbox", "--json", "--socket", city).stdout.count("Kanarienvogel"), 15)

        def written():
            return b"".join(path.read_bytes() for path in sorted((self.folder / "broker").rglob("*")) + [broker.log] if path.is_file())

        for moment in ("running", "stopped"):
            with self.subTest(moment=moment):
                self.assertIn(b"alert/flood/mitte", written())  # the search finds what may be seen
                self.assertNotIn(b"Kanarienvogel", written())
            if moment == "running":
                self.assertEqual(broker.stop(), DONE)


if __name__ == "__main__":
    kurzweg_test.main()
