"""How systemd runs the daemons: the units themselves, what the daemons tell it, and that they do their work with what the units leave them."""

import contextlib
import http.server
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

import kurzweg_test
from desk import CITY, POLICE, NodesCase
from kurzweg_test import BIN, SOURCE, environment, free_ports, wait_until

BUILD = pathlib.Path(os.environ.get("KW_BUILD_DIR", BIN.parent))
UNITS = SOURCE / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
MOST_EXPOSED = 12  # tenths of a point, as systemd-analyze counts (0 is best, 100 worst)


def needs(program):
    return unittest.skipUnless(shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"), f"{program} is not installed: deploy/install deploy/packages")


def run(*argv, code=0, **more):
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, env=environment(SYSTEMD_COLORS=0), timeout=120, **more)
    if code is not None and done.returncode != code:
        raise AssertionError(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


class Units(kurzweg_test.TestCase):
    """deploy/systemd, as it stands and as it is installed."""

    def install(self):
        prefix = self.folder / "usr"
        run("cmake", "--install", BUILD, "--prefix", prefix)
        return prefix

    @needs("systemd-analyze")
    def test_they_are_hardened_and_stay_so(self):
        self.assertEqual(len(SERVICES), 4)
        for path in SERVICES:
            with self.subTest(unit=path.name):
                done = run("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", path, code=None)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                print(done.stdout.strip().splitlines()[-1])

    @needs("systemd-analyze")
    def test_systemd_understands_them_where_they_are_installed(self):
        prefix = self.install()
        for path in SERVICES:
            with self.subTest(unit=path.name):
                done = run("systemd-analyze", "verify", "--man=no", prefix / "lib/systemd/system" / path.name)
                self.assertEqual(done.stdout + done.stderr, "")
                self.assertIn(f"ExecStart={prefix}/sbin/", (prefix / "lib/systemd/system" / path.name).read_text())

    def test_what_is_installed_is_all_that_they_name(self):
        prefix = self.install()
        for name in ("bin/kurzweg", "sbin/kurzweg-broker", "sbin/kurzweg-partner", "sbin/kurzweg-exporter", "share/kurzweg/monitoring/kurzweg.rules.yaml", "lib/kurzweg/handlers/mail", "lib/sysusers.d/kurzweg-broker.conf", "lib/tmpfiles.d/kurzweg-broker.conf",
                     "lib/sysusers.d/kurzweg-partner.conf", "lib/tmpfiles.d/kurzweg-partner.conf", "share/kurzweg/broker.yaml.sample", "share/kurzweg/partner.yaml.sample", "share/kurzweg/nftables.conf.sample", "share/doc/kurzweg/operators.md"):
            self.assertTrue((prefix / name).is_file(), name)
        for handler in (SOURCE / "deploy/handlers").iterdir():
            self.assertEqual(os.access(prefix / "lib/kurzweg/handlers" / handler.name, os.X_OK), handler.suffix != ".py", handler.name)
        self.assertTrue((prefix / "lib/systemd/user/kurzweg-notify.service").is_file())
        self.assertIn("kurzweg-broker 0.", run(prefix / "sbin/kurzweg-broker", "--version").stdout)

    def test_every_line_has_its_reason(self):
        for path in [*SERVICES, *UNITS.glob("*.sysusers"), *UNITS.glob("*.tmpfiles")]:
            for block in re.findall(r"(?:^[^\n]+\n)+", path.read_text(), re.M):
                lines = [line for line in block.splitlines() if not line.startswith("[")]
                if lines and any(re.match(r"\w", line) for line in lines) and lines[0].split("=")[0] not in ("Description", "WantedBy"):
                    self.assertTrue(lines[0].startswith("#"), f"{path.name}: {lines[0]}")

    def test_users_groups_and_folders_can_be_made(self):
        if os.getuid() != 0 or shutil.which("systemd-sysusers") is None:
            self.skipTest("only root makes users, in a folder of this test; and systemd-sysusers")
        prefix = self.install()
        (self.folder / "etc").mkdir()
        done = run("systemd-sysusers", f"--root={self.folder}", *sorted((prefix / "lib/sysusers.d").glob("kurzweg-*.conf")))
        self.assertNotIn("onflict", done.stderr)  # what both packages bring is the same in both
        members = dict((line.split(":")[0], line.split(":")[3]) for line in (self.folder / "etc/group").read_text().splitlines())
        self.assertEqual(members["kurzweg-run"], "kurzweg-broker,kurzweg-partner")
        self.assertEqual((members["kurzweg"], members["kurzweg-spool"]), ("kurzweg-partner", "kurzweg-partner"))
        users = (self.folder / "etc/passwd").read_text()
        for path in SERVICES:
            for key, name in re.findall(r"^(User|Group)=(.+)$", path.read_text(), re.M):
                self.assertIn(name, members if key == "Group" else users)
        done = run("systemd-tmpfiles", f"--root={self.folder}", "--create", "kurzweg-broker.conf", "kurzweg-partner.conf")
        self.assertNotIn("Duplicate", done.stderr)
        self.assertEqual((self.folder / "run/kurzweg").stat().st_mode & 0o7777, 0o1771)
        self.assertEqual((self.folder / "var/spool/kurzweg").stat().st_mode & 0o7777, 0o2770)

    @needs("nft")
    def test_the_firewall_can_stand_and_be_put_in_force_again(self):
        sample = SOURCE / "deploy/nftables.conf.sample"
        done = run("/usr/sbin/nft", "--check", "--file", sample, code=None)
        if "Operation not permitted" in done.stderr:
            self.skipTest("nft may not look at the kernel's tables here")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        twice = run("unshare", "--net", "sh", "-c", f"/usr/sbin/nft -f {sample} && /usr/sbin/nft -f {sample} && /usr/sbin/nft list ruleset", code=None)
        if twice.returncode != 0 and "unshare" in twice.stderr:
            self.skipTest("no network of its own for this test")
        self.assertEqual(twice.stdout.count("drop"), 5, twice.stderr)


class Systemd:
    """The end of $NOTIFY_SOCKET at which systemd sits."""

    def __init__(self, test):
        self.path = test.folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.path.chmod(0o777)
        self.socket.setblocking(False)
        test.addCleanup(self.socket.close)
        self.told = []

    def take(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.told.append(dict(line.split("=", 1) for line in self.socket.recv(8192).decode().splitlines()))
        return self.told

    def wait_for(self, word, times=1):
        wait_until(lambda: sum(word in told for told in self.take()) >= times, what=f"{word} for systemd, {times} times")
        return [told for told in self.told if word in told]


class Told(NodesCase):
    """What the daemons tell systemd, as sd_notify(3) has it."""

    def under(self, program, config, **env):
        """As a service would be started: $WATCHDOG_PID is the daemon's own, unless it is given."""
        systemd = Systemd(self)
        pid = "" if "WATCHDOG_PID" in env else "export WATCHDOG_PID=$$; "
        started = kurzweg_test.Daemon(["/bin/sh", "-c", f'{pid}exec "$0" "$@"', BIN / program, "--config", config], self.folder / f"{program}.log",
                                      NOTIFY_SOCKET=systemd.path, **env)
        self.addCleanup(lambda: started.stop(signal.SIGKILL))
        return systemd, started

    def configs(self):
        broker = self.write("broker.yaml", f'agreement: {self.folder}/agreement.yaml\nkey: {self.p.key("haus")}\nlisten: ["{self.p.endpoint}"]\n'
                            f"control: ipc://{self.folder}/broker.sock\nstore: {{path: {self.folder}/broker}}\n")
        node = self.write("node.yaml", f"agreement: {self.folder}/agreement.yaml\nkey: {self.p.key(POLICE)}\nsocket: {self.p.socket(POLICE)}\nstate: {self.folder}/node\n")
        return {"kurzweg-broker": broker, "kurzweg-partner": node}

    def test_ready_when_it_serves_and_stopping_when_it_stops(self):
        for program, config in self.configs().items():
            with self.subTest(program=program):
                systemd, daemon = self.under(program, config)
                ready = systemd.wait_for("READY")[0]
                self.assertIn("musterstadt" if program == "kurzweg-broker" else POLICE, ready["STATUS"])
                if program == "kurzweg-broker":  # at once, without waiting for anything
                    self.kurzweg_json("status", "--control", f"ipc://{self.folder}/broker.sock")
                else:
                    self.kurzweg_json("status", "--socket", self.p.socket(POLICE))
                self.assertEqual(daemon.stop(), 0)
                systemd.wait_for("STOPPING")
                words = [word for told in systemd.told for word in told if word in ("READY", "STOPPING")]
                self.assertEqual(words, ["READY", "STOPPING"])
                systemd.path.unlink()

    def test_what_cannot_start_is_never_ready_and_says_that_starting_again_is_no_use(self):
        for program, config in self.configs().items():
            for ends in ("agreement.yaml", "agreement.yaml.sig", "haus.key" if program == "kurzweg-broker" else "police-control-room.key"):
                with self.subTest(program=program, missing=ends):
                    (self.folder / ends).rename(self.folder / "away")
                    systemd, daemon = self.under(program, config)
                    self.assertEqual(daemon.process.wait(60), 78, daemon.text())
                    self.assertFalse([told for told in systemd.take() if "READY" in told])
                    (self.folder / "away").rename(self.folder / ends)
                    systemd.path.unlink()
        self.assertIn("RestartPreventExitStatus=2 78", "".join(p.read_text() for p in SERVICES))

    def test_the_loop_beats_at_half_of_what_the_watchdog_allows_and_not_when_it_hangs(self):
        for program, config in self.configs().items():
            with self.subTest(program=program):
                systemd, daemon = self.under(program, config, WATCHDOG_USEC=1_000_000)
                systemd.wait_for("READY")
                began = time.monotonic()
                systemd.wait_for("WATCHDOG", times=4)  # nothing else wakes it
                self.assertGreater(time.monotonic() - began, 1.2)
                self.assertIn("STATUS", systemd.told[-1])
                daemon.process.send_signal(signal.SIGSTOP)
                wait_until(lambda: pathlib.Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", what="the daemon to stand")
                count = len(systemd.take())
                time.sleep(1.5)  # what is looked for is that nothing comes
                self.assertEqual(len(systemd.take()), count)
                daemon.process.send_signal(signal.SIGCONT)
                wait_until(lambda: len(systemd.take()) > count, what="a beat after it went on")
                self.assertEqual(daemon.stop(), 0)
                systemd.path.unlink()

    def test_a_watchdog_that_is_meant_for_another_process_hears_nothing(self):
        for program, config in self.configs().items():
            with self.subTest(program=program):
                systemd, daemon = self.under(program, config, WATCHDOG_USEC=200_000, WATCHDOG_PID=1)
                systemd.wait_for("READY")
                time.sleep(1)  # what is looked for is that nothing comes
                self.assertFalse([told for told in systemd.take() if "WATCHDOG" in told])
                self.assertEqual(daemon.stop(), 0)
                systemd.path.unlink()


@unittest.skipUnless(os.uname().machine == "x86_64", "the filter is made for x86-64 alone")
@needs("systemd-analyze")
class Hardened(NodesCase):
    """The daemons do all their work with the rights and the system calls that the units leave; one that is not allowed would end them by SIGSYS."""

    def setUp(self):
        super().setUp()
        if pathlib.Path(BIN / "kurzweg-broker").read_bytes().count(b"__asan_init"):
            self.skipTest("a sanitizer needs system calls of its own")
        self.folder.chmod(0o755)
        self.written = []

    def own(self, *names):
        """Folders that the daemons' user has and may write."""
        for name in names:
            (self.folder / name).mkdir(exist_ok=True)
            if os.getuid() == 0:
                os.chown(self.folder / name, 65534, 65534)
            self.written.append(self.folder / name)

    def credential(self, key):
        """As systemd has them: root's, readable for the service alone."""
        folder = self.folder / f"credentials-{key.stem}"
        folder.mkdir()
        shutil.copy(key, folder / key.name)
        if os.getuid() == 0:
            os.chown(folder / key.name, 0, 65534)
            (folder / key.name).chmod(0o440)
        else:
            (folder / key.name).chmod(0o400)
        return folder

    def confined(self, unit, program, config, key, args=None):
        """args: instead of --config, for who has none."""
        systemd = Systemd(self)
        daemon = kurzweg_test.Daemon([sys.executable, "-B", SOURCE / "tests/process/sandbox.py", UNITS / unit, "--write", *self.written, "--",
                                      BIN / program, *(args or ("--config", config))], self.folder / f"{pathlib.Path(config).stem}.log",
                                     NOTIFY_SOCKET=systemd.path, WATCHDOG_USEC=2_000_000, CREDENTIALS_DIRECTORY=self.credential(self.p.key(key)) if key else "")
        self.addCleanup(lambda: daemon.stop(signal.SIGKILL))
        ready = wait_until(lambda: not daemon.alive() or [told for told in systemd.take() if "READY" in told], what=f"{program} to serve")
        self.assertTrue(daemon.alive(), f"{program} ended with {daemon.process.poll()} (-31 is SIGSYS):\n{daemon.text()}")
        self.assertTrue(ready)
        systemd.path.rename(self.folder / f"notify-{daemon.pid}")
        return daemon

    def start_all(self, handlers=None):
        self.own("run", "broker", "police", "city", "spool", "handled")
        (self.folder / "spool" / "alert" / "flood").mkdir(parents=True)
        for folder in [self.folder / "spool", *(self.folder / "spool").glob("**/")]:
            if os.getuid() == 0:
                os.chown(folder, 65534, 65534)
            folder.chmod(0o2770)
        broker = self.write("broker.yaml", f'agreement: {self.folder}/agreement.yaml\nkey: {self.p.key("haus")}\nlisten: ["{self.p.endpoint}"]\n'
                            f"control: ipc://{self.folder}/run/broker.sock\nstore: {{path: {self.folder}/broker, force_filesystem: true}}\nconnections: 16\n")
        base = f"agreement: {self.folder}/agreement.yaml\n"
        police = self.write("police.yaml", f"{base}key: {self.p.key(POLICE)}\nsocket: ipc://{self.folder}/run/police.sock\nstate: {self.folder}/police\nspool: {self.folder}/spool\n")
        city = self.write("city.yaml", f"{base}key: {self.p.key(CITY)}\nsocket: ipc://{self.folder}/run/city.sock\nstate: {self.folder}/city\n"
                          + (handlers or f'handlers: [{{topic: "#", run: ["{SOURCE}/deploy/handlers/log-to-file", "{self.folder}/handled/all.jsonl"]}}]\n'))
        return [self.confined("kurzweg-broker.service", "kurzweg-broker", broker, "haus"),
                self.confined("kurzweg-partner.service", "kurzweg-partner", police, POLICE),
                self.confined("kurzweg-partner@.service", "kurzweg-partner", city, CITY)]

    def test_all_that_they_do_is_allowed(self):
        daemons = self.start_all()
        for daemon in daemons[1:]:
            daemon.wait_for("link.up")
        drop = self.folder / "spool/alert/flood/.coming"
        drop.write_text(self.flood)
        drop.chmod(0o660)
        drop.rename(drop.with_name("neckar.cap.xml"))
        handled = self.folder / "handled/all.jsonl"
        wait_until(lambda: not all(d.alive() for d in daemons) or (handled.exists() and "Neckar" in handled.read_text()), what="the city's handler")
        sent = self.folder / "spool/sent/alert/flood/neckar.cap.xml.id"
        wait_until(lambda: not all(d.alive() for d in daemons) or sent.exists(), what="the file to lie in sent")
        for daemon in daemons:
            self.assertTrue(daemon.alive(), f"ended with {daemon.process.poll()} (-31 is SIGSYS):\n{daemon.text()}")
        for folder in ("sent", "sent/alert", "sent/alert/flood"):  # agency systems may look there as they may drop
            self.assertEqual((self.folder / "spool" / folder).stat().st_mode & 0o7777, 0o2770, folder)
        status = self.kurzweg_json("status", "--socket", f"ipc://{self.folder}/run/city.sock")
        self.assertEqual([alarm["code"] for alarm in status["alarms"]], [])
        self.kurzweg("status", "--control", f"ipc://{self.folder}/run/broker.sock")
        if os.getuid() == 0:  # the socket's own rights say who may use it
            self.assertEqual((self.folder / "run/city.sock").stat().st_mode & 0o777, 0o660)
            self.assertEqual((self.folder / "run/broker.sock").stat().st_mode & 0o777, 0o600)
        for daemon in reversed(daemons):
            self.assertEqual(daemon.stop(), 0, daemon.text())

    def test_the_handlers_that_come_with_it_do_their_work_too(self):
        self.own("handled")
        handled, fakes, came = self.folder / "handled", self.folder / "fakes", []
        fakes.mkdir()
        for program in ("sendmail", "lp", "gammu"):
            (fakes / program).write_text(f"#!/bin/sh\ncat >{handled}/{program}.new && mv {handled}/{program}.new {handled}/{program}\n")
            (fakes / program).chmod(0o755)
        secret = self.write("hook.secret", "token\n", mode=0o600)
        if os.getuid() == 0:
            os.chown(secret, 65534, 65534)

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                came.append((self.headers["Authorization"], self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        runs = {"mail": ("text", "mail", "--sendmail", fakes / "sendmail", "desk@example.org"), "print": ("text", "print"), "sms": ("text-de", "sms", "+491700000000"),
                "folder": ("cap", "cap-folder", handled), "hook": ("json", "webhook", "--secret-file", secret, f"http://127.0.0.1:{server.server_port}/")}
        lines = "".join(f'  - {{name: {name}, topic: "#", as: {form}, run: ["/usr/bin/env", "PATH={fakes}:/usr/bin:/bin", "{SOURCE}/deploy/handlers/{handler}"'
                        + "".join(f', "{word}"' for word in words) + "]}\n" for name, (form, handler, *words) in runs.items())
        daemons = self.start_all(handlers=f"handlers:\n{lines}")
        for daemon in daemons[1:]:
            daemon.wait_for("link.up")
        drop = self.folder / "spool/alert/flood/.coming"
        drop.write_text(self.flood)
        drop.chmod(0o660)
        drop.rename(drop.with_name("neckar.cap.xml"))

        def done():
            self.assertNotIn("handler.failed", daemons[2].text())
            return all((handled / name).exists() for name in ("sendmail", "lp", "gammu")) and came and list(handled.glob("*.cap.xml"))

        wait_until(done, what="every handler's work")
        self.assertEqual(came[0][0], "Bearer token")
        for daemon in reversed(daemons):
            self.assertEqual(daemon.stop(), 0, daemon.text())

    def test_the_exporter_asks_and_answers(self):
        self.start_all()
        url = f"127.0.0.1:{free_ports()[0]}"
        args = ("--key", self.credential(self.p.key("night-desk")) / "night-desk.key", "--agreement", self.folder / "agreement.yaml", "--listen", url)
        exporter = self.confined("kurzweg-exporter.service", "kurzweg-exporter", "exporter.none", None, args)

        def metrics():
            with urllib.request.urlopen(f"http://{url}/metrics", timeout=20) as answer:
                return answer.read().decode()

        wait_until(lambda: not exporter.alive() or 'kurzweg_nodes{state="connected"} 2' in metrics(), what="two nodes told of")
        self.assertTrue(exporter.alive(), exporter.text())
        self.assertEqual(exporter.stop(), 0, exporter.text())

    def test_a_store_that_failed_is_recovered_by_a_process_of_its_own(self):
        broker = self.start_all()[0]
        self.assertEqual(broker.kill(), -signal.SIGKILL)
        (self.folder / "broker/mark").write_text("lost \n")
        if os.getuid() == 0:
            os.chown(self.folder / "broker/mark", 65534, 65534)
        broker.env["NOTIFY_SOCKET"] = ""
        broker.start()
        wait_until(lambda: not broker.alive() or broker.text().count("broker.ready") == 2, what="the broker after recovery")
        self.assertIn("store.recover", broker.text())
        self.assertTrue(broker.alive(), f"ended with {broker.process.poll()}:\n{broker.text()}")

    def test_the_test_would_notice(self):
        done = subprocess.run([sys.executable, "-B", SOURCE / "tests/process/sandbox.py", UNITS / "kurzweg-broker.service", "--write", "--", "/bin/sh", "-c", "chroot /"],
                              capture_output=True, text=True, env=environment())
        self.assertIn(done.returncode, (128 + signal.SIGSYS, -signal.SIGSYS), done.stderr)
        for code, says in (("import socket; socket.socket(17)", "not supported"), ("import os; os.chmod('.', 0o2777)", "not permitted"),
                           ("import mmap; mmap.mmap(-1, 4096, prot=7)", "not permitted")):
            done = subprocess.run([sys.executable, "-B", SOURCE / "tests/process/sandbox.py", UNITS / "kurzweg-broker.service", "--write", "--", "/usr/bin/python3", "-c", code],
                                  capture_output=True, text=True, env=environment(), cwd="/")
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    kurzweg_test.main()
