"""libkurzweg as a stranger meets it: installed, found by pkg-config, its examples built with plain cc and run against real nodes."""

import os
import pathlib
import re
import shutil
import subprocess

import kurzweg_test
from kurzweg_test import BIN, REFUSED, SILENT, SOURCE, Partnership, environment, free_ports, wait_until

BUILD = pathlib.Path(os.environ.get("KW_BUILD_DIR", BIN.parent))
HEADER = SOURCE / "clients" / "include" / "kurzweg" / "kurzweg.h"


def run(*argv, **more):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, **more)


def sanitizers():
    """What the library was built with, a program that links it must be built with too."""
    cache = (BUILD / "CMakeCache.txt").read_text()
    if re.search(r"^KW_SANITIZE:BOOL=ON", cache, re.M):
        return ["-fsanitize=address,undefined"]
    return ["-fsanitize=thread"] if re.search(r"^KW_TSAN:BOOL=ON", cache, re.M) else []


class Library(kurzweg_test.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = pathlib.Path(kurzweg_test.tempfile.mkdtemp(prefix="kurzweg-prefix-"))
        cls.addClassCleanup(shutil.rmtree, cls.prefix, ignore_errors=True)
        for component in ("libkurzweg0", "libkurzweg-dev"):
            done = run("cmake", "--install", BUILD, "--component", component, "--prefix", cls.prefix)
            assert done.returncode == 0, done.stdout + done.stderr
        cls.pc = next(cls.prefix.rglob("kurzweg.pc")).parent
        cls.programs = {name: cls.compiled(SOURCE / "examples" / "c" / f"{name}.c") for name in ("publish", "follow")}

    @classmethod
    def pkg_config(cls, *args):
        done = run("pkg-config", *args, "kurzweg", env=environment(PKG_CONFIG_PATH=cls.pc))
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    @classmethod
    def compiled(cls, source):
        out = cls.prefix / source.stem
        done = run("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-pedantic", *sanitizers(), source, *cls.pkg_config("--cflags", "--libs"), "-o", out)
        assert done.returncode == 0, done.stderr
        return out

    def environment(self, node, **more):
        return environment(KURZWEG_SOCKET=self.p.socket(node), LD_LIBRARY_PATH=self.pc.parent, **more)

    def partnership(self, **more):
        self.p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", **more)
        self.p.agreement()
        return self.p

    def publish(self, node, topic, file, code=0, **more):
        done = run(self.programs["publish"], topic, file, env=self.environment(node, **more))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_what_one_node_publishes_another_follows(self):
        p = self.partnership()
        p.broker()
        for node in p.nodes:
            p.node(node)
        log = self.folder / "followed"
        with open(log, "wb") as out:
            follower = subprocess.Popen([self.programs["follow"], "alert/#", "2"], stdout=out, env=self.environment("youth-house/office"))
        self.addCleanup(lambda: (follower.kill(), follower.wait()))
        flood, clear = self.fresh("flood-neckar.cap.xml", "all-clear.cap.xml")
        first = self.publish("police/control-room", "alert/flood/mitte", flood).stdout.split("\n")
        self.assertRegex(first[0], r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertIn("stored", first)
        wait_until(lambda: log.read_text().count("\n") >= 1, what="the alert at the other node")
        self.publish("police/control-room", "alert/flood/mitte", clear)
        self.assertEqual(follower.wait(kurzweg_test.DEADLINE), 0)
        lines = log.read_text().splitlines()
        self.assertRegex(lines[0], r"^\d+ police/control-room alert/flood/mitte notice \[Actual\] .+ \(.+\)")
        self.assertRegex(lines[1], r"^\d+ police/control-room alert/flood/mitte cancel \[Actual\] ")
        again = run(self.programs["follow"], "alert/#", "1", env=self.environment("city/public-order"))
        self.assertIn("taken back since", again.stdout)

    def test_a_follower_goes_on_when_its_node_was_started_anew(self):
        p = self.partnership()
        p.broker()
        sender, reader = p.node("police/control-room"), p.node("city/public-order")
        log = self.folder / "followed"
        with open(log, "wb") as out:
            follower = subprocess.Popen([self.programs["follow"], "#", "2"], stdout=out, env=self.environment("city/public-order"))
        self.addCleanup(lambda: (follower.kill(), follower.wait()))
        (flood,) = self.fresh("flood-neckar.cap.xml")
        self.publish("police/control-room", "alert/flood", flood)
        wait_until(lambda: log.read_text().count("\n") >= 1, what="the first alert")
        self.assertEqual(reader.stop(), 0)
        reader.start().wait_for("partner.ready", times=2)
        self.publish("police/control-room", "alert/flood", flood)
        self.assertEqual(follower.wait(kurzweg_test.DEADLINE), 0)
        self.assertEqual(log.read_text().count("police/control-room alert/flood notice"), 2)
        self.assertEqual(sender.stop(), 0)

    def test_nobody_there_is_told_and_a_refusal_says_why(self):
        p = self.partnership()
        flood, noise = self.fresh("flood-neckar.cap.xml", "noise-request.json")
        p.node("youth-house/office")
        done = self.publish("youth-house/office", "alert/flood", flood, code=REFUSED)
        self.assertIn("youth-house", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("no topic of the agreement", self.publish("youth-house/office", "unheard/of", noise, code=REFUSED).stderr)
        self.assertIn("does not answer", self.publish("police/control-room", "alert/flood", flood, code=SILENT).stderr)

    def test_a_refusal_is_in_the_askers_language_and_the_log_in_english(self):
        p = self.partnership()
        (flood,) = self.fresh("flood-neckar.cap.xml")
        node = p.node("police/control-room")
        done = self.publish("police/control-room", "unheard/of", flood, code=REFUSED, LANG="de_DE.UTF-8")
        self.assertIn('kein Thema der Vereinbarung umfasst „unheard/of“', done.stderr)
        self.assertIn("no topic of the agreement", self.publish("police/control-room", "unheard/of", flood, code=REFUSED).stderr)
        self.assertEqual(node.stop(), 0)
        self.assertNotIn("Vereinbarung", node.text())

    def test_a_socket_left_by_a_killed_node_is_taken_and_a_living_ones_is_not(self):
        p = self.partnership()
        (flood,) = self.fresh("flood-neckar.cap.xml")
        p.broker()
        first = p.node("police/control-room")
        first.kill()
        self.assertTrue(pathlib.Path(p.socket("police/control-room").removeprefix("ipc://")).is_socket())
        first.start().wait_for("partner.ready", times=2)
        self.assertIn("stored", self.publish("police/control-room", "alert/flood", flood).stdout)
        with self.assertRaisesRegex(AssertionError, "another program listens on .*police-control-room.sock; stop that one first, or use another socket"):
            p.socket = lambda node, there=p.socket("police/control-room"): there
            p.node("city/public-order")
        self.assertIn("stored", self.publish("police/control-room", "alert/flood", flood).stdout)

    def test_an_actual_alert_is_refused_in_an_exercise_and_an_exercise_is_not(self):
        p = self.partnership(exercise=True)
        (flood,) = self.fresh("flood-neckar.cap.xml")
        p.broker()
        p.node("police/control-room")
        self.assertIn("this partnership is an exercise", self.publish("police/control-room", "alert/flood", flood, code=REFUSED).stderr)
        drill = self.write("drill.cap.xml", flood.read_text().replace("<status>Actual<", "<status>Exercise<"))
        self.assertIn("stored", self.publish("police/control-room", "alert/flood", drill).stdout)

    def test_it_exports_what_the_list_says_and_nothing_else(self):
        library = next(self.prefix.rglob("libkurzweg.so.0"))
        done = run("nm", "-D", "--defined-only", library)
        names = sorted(line.split()[2].split("@")[0] for line in done.stdout.splitlines() if " A " not in line)
        self.assertEqual(names, (SOURCE / "clients" / "lib" / "symbols").read_text().split())
        declared = set(re.findall(r"\b(kurzweg_[a-z_]+)\(", re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)))
        self.assertEqual(sorted(declared), names)
        self.assertIn("libkurzweg.so.0]", run("readelf", "-d", library).stdout)

    def test_the_header_compiles_alone_as_c_and_as_cpp(self):
        use = "#include <kurzweg/kurzweg.h>\nstruct kurzweg_publication p = KURZWEG_PUBLICATION_INIT;\nstruct kurzweg_query q = KURZWEG_QUERY_INIT;\n"
        flags = [*self.pkg_config("--cflags"), "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"]
        for compiler, name, standard in (("cc", "use.c", "c99"), ("cc", "use.c", "c17"), ("c++", "use.cpp", "c++11"), ("c++", "use.cpp", "c++20")):
            done = run(compiler, f"-std={standard}", *flags, self.write(name, use))
            self.assertEqual(done.returncode, 0, f"{standard}: {done.stderr}")

    def test_the_static_library_needs_zmq_and_jansson_alone(self):
        out = self.folder / "static"
        archive = next(self.prefix.rglob("libkurzweg.a"))
        done = run("cc", *sanitizers(), SOURCE / "examples" / "c" / "follow.c", *self.pkg_config("--cflags"), archive, "-lzmq", "-ljansson", "-o", out)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    kurzweg_test.main()
