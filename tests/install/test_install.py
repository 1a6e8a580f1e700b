"""The packages in a Debian of their own: installed, set up by what the screen says, upgraded while all runs, removed, purged; and a stranger's program.

Run by tests/install/run; the steps build on each other, in the order of their numbers.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest

from machine import HERE, Machine, base, say

WORK = pathlib.Path(os.environ["KW_INSTALL_FOLDER"])
PACKAGES = pathlib.Path(os.environ["KW_PACKAGES_FOLDER"])
ALL = ("kurzweg", "kurzweg-broker", "kurzweg-partner", "kurzweg-exporter")
UNITS = ("kurzweg-broker.service", "kurzweg-partner.service", "kurzweg-partner@city.service", "kurzweg-exporter.service")
STRANGERS_TOOLS = ("gcc", "libc6-dev", "make", "cmake", "pkg-config", "libzmq3-dev", "libjansson-dev")
CITY = "ipc:///run/kurzweg/city.sock"
NOTE = '{"text": "%s"}'

AGREEMENT = """\
partnership: lindau
version: 1
valid: {from: $(date -u -d yesterday +%F)T00:00:00Z, until: $(date -u -d '+1 year' +%F)T00:00:00Z}
kind: live
steering:
  threshold: 2
  members:
    - {name: mayor, key: "$(cat /root/mayor.pub)"}
    - {name: chief, key: "$(cat /root/chief.pub)"}
    - {name: judge, key: "$(cat /root/judge.pub)"}
broker: {name: haus, endpoints: ["tcp://127.0.0.1:7411"], key: "$(cat /root/haus.pub)"}
coordinator: city/desk
operators: [{name: metrics, key: "$(cat /root/metrics.pub)"}]
partners:
  - {id: police, kind: police, nodes: [{id: desk, key: "$(cat /root/police.pub)"}]}
  - {id: city, kind: city, nodes: [{id: desk, key: "$(cat /root/city.pub)"}]}
topics:
  - {filter: "note/#", schema: note, publish: [police, city], receive: [police, city], lane: urgent}
"""

# What lies about after a purge and is none of the packages' own: the system's lists, caches and logs.
SYSTEMS = re.compile(r"/(var/(lib/(dpkg|apt|systemd|ucf|pam|private|polkit-1|dbus)|cache|log|tmp)|run|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|etc/(ld\.so\.cache|machine-id|\.pwd\.lock|resolv\.conf|hosts|hostname|mtab|.*\.wants)|pkg|home|srv/stranger)(/.*)?")


def debs(*names):
    return [f"/pkg/{path.name}" for path in sorted(PACKAGES.glob("*.deb")) if not names or path.name.split("_")[0] in names]


def fresh(name):
    """A copy of the bare Debian, with the packages in /pkg."""
    root = WORK / name
    shutil.rmtree(root, ignore_errors=True)
    from_base = base(WORK, (*DEPENDENCIES, *STRANGERS_TOOLS))
    subprocess.run(["cp", "-a", "--reflink=auto", from_base, root], check=True)
    (root / "etc/dpkg/dpkg.cfg.d/kurzweg-test").write_text("force-unsafe-io\n")  # this Debian outlives no power cut
    (root / "pkg").mkdir()
    for path in PACKAGES.glob("*.deb"):
        shutil.copy(path, root / "pkg")
    return Machine(root)


def dependencies():
    """What the packages depend on, of Debian's own."""
    found = set()
    for path in PACKAGES.glob("*.deb"):
        told = subprocess.run(["dpkg-deb", "-f", path, "Depends"], capture_output=True, text=True, check=True).stdout
        found.update(word.split()[0] for word in told.replace("|", ",").split(",") if word.strip() and "kurzweg" not in word and "standalone" not in word)
    return sorted(found)


DEPENDENCIES = dependencies()


KEYS = """\
kurzweg key new haus --broker --out /etc/kurzweg/broker.key > /root/haus.pub
kurzweg partner init --node police/desk --use live > /root/init
kurzweg key show /etc/kurzweg/node.key > /root/police.pub
kurzweg key new city/desk --out /etc/kurzweg/city.key > /root/city.pub
kurzweg key new metrics --operator --out /etc/kurzweg/exporter.key > /root/metrics.pub
echo 'four words nobody guesses' > /root/passphrase && chmod 600 /root/passphrase
cd /root && for who in mayor chief judge; do kurzweg key new $who --steering --lock interactive --passphrase-file passphrase > $who.pub; done
"""
SIGNED = """\
cd /root && kurzweg agreement check agreement.yaml
for who in mayor judge; do kurzweg agreement sign agreement.yaml --key $who.key --passphrase-file passphrase --yes; done
cp agreement.yaml agreement.yaml.sig /etc/kurzweg/
"""


def partnership(machine):
    """Keys of all, and the agreement signed and in its place, as people type it."""
    machine.shell(KEYS)
    machine.shell(f"cat > /root/agreement.yaml <<END\n{AGREEMENT}END")
    machine.shell(SIGNED)


def commands(said):
    """What the screen said to type."""
    return [line.strip() for line in said.splitlines() if line.startswith("    ") and re.match(r"    (kurzweg|cp|systemctl)", line)]


class Bare(unittest.TestCase):
    """Where no systemd runs, as in a container."""

    def test_they_install_and_a_purge_leaves_what_it_says(self):
        machine = fresh("bare")
        before = machine.files()
        said = machine.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *debs())
        for name in ("kurzweg-broker", "kurzweg-partner", "kurzweg-exporter"):
            self.assertIn(f"{name}: nothing runs yet", said)
        self.assertEqual(machine.run("stat", "-c", "%U:%G %a", "/run/kurzweg", "/var/spool/kurzweg").split("\n")[:2],
                         ["root:kurzweg-run 1771", "kurzweg-partner:kurzweg-spool 2770"])
        self.assertRegex(machine.run("kurzweg", "--version"), r"^kurzweg 0\.")
        self.assertIn("Aufruf", machine.run("kurzweg", "--help", LC_ALL="", LANG="de_DE.UTF-8"))
        for again in (("install", "--reinstall", *debs()), ("remove", "kurzweg-broker", "kurzweg-partner", "kurzweg-exporter"), ("install", *debs())):
            said = machine.run("apt-get", "-y", "-q", "--no-install-recommends", *again)
            self.assertNotRegex(said, r"(?im)^(dpkg: )?(error|warning)|failed|System has not been booted")
        said = machine.run("apt-get", "purge", "-y", "-q", "kurzweg*", "libkurzweg*")
        self.assertEqual({path for path in machine.files() - before if "kurzweg" in path and not SYSTEMS.fullmatch(path)}, set(), said)
        self.assertIn("users and groups stay: kurzweg-broker, kurzweg-run", said)


class Image(unittest.TestCase):
    """What the Containerfile's second stage does, done in a bare Debian; and what it starts, on a root file system that nobody can write."""

    def test_its_commands_make_what_runs_as_nobody_in_particular(self):
        machine = fresh("image")
        stage = (HERE.parents[1] / "Containerfile").read_text().replace("\\\n", "").partition(" AS installed\n")[2].partition("\nFROM installed AS partner")[0]
        (machine.root / "pkg").rename(machine.root / "packages")
        for line in re.findall(r"^RUN (.*)$", stage, re.M):
            machine.shell(line)
        self.assertFalse((machine.root / "packages").exists())
        for package in ("systemd", "gcc"):
            self.assertNotEqual(machine.run("dpkg-query", "-W", "-f", "${db:Status-Status}", package, code=None), (0, "installed"), f"{package} is in the image")
        partnership(machine)
        user = re.search(r"^USER (\S+)$", stage, re.M).group(1)
        volume = re.search(r"^VOLUME (\S+)$", stage, re.M).group(1)
        program, arguments = (re.search(rf"^{word} (\[.*\])$", stage, re.M).group(1) for word in ("ENTRYPOINT", "CMD"))
        credentials = re.search(r"^ENV CREDENTIALS_DIRECTORY=(\S+)$", stage, re.M).group(1)
        machine.shell(f"install -D -o {user} -g {user} -m 0400 /etc/kurzweg/broker.key {credentials}/broker.key; rm /etc/kurzweg/broker.key; mkdir -p /run/kurzweg")
        started = " ".join([*json.loads(program), *json.loads(arguments)])
        script = f"""mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && mount -t tmpfs -o mode=1777 tmpfs "$1/run/kurzweg"
                     mount --bind "$2" "$1{volume}" && chown --reference="$1{credentials}/broker.key" "$1{volume}" && ip link set lo up
                     exec chroot "$1" setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs --bounding-set=-all env -i CREDENTIALS_DIRECTORY={credentials} PATH=/usr/bin:/bin \\
                         sh -c 'touch /etc/x; {started} & pid=$!; i=0
                                until [ -S /run/kurzweg/broker.sock ] && kurzweg status --control ipc:///run/kurzweg/broker.sock; do i=$((i+1)); [ $i -lt 300 ] || exit 9; sleep 0.2; done
                                kill $pid; wait $pid'"""
        (WORK / "volume").mkdir(exist_ok=True)
        done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", f"--mount-proc={machine.root}/proc", "sh", "-euc", script, "sh",
                               machine.root, WORK / "volume"], capture_output=True, text=True, timeout=300)
        shutil.rmtree(WORK / "volume")
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, said)
        self.assertIn("Read-only file system", said)
        self.assertIn("broker.ready", said)
        self.assertIn("lindau", said)


class Installed(unittest.TestCase):
    """With systemd: everything for real. What the packages depend on is there before, so that all that is left after them is theirs."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.machine = fresh("machine")
        cls.machine.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *DEPENDENCIES, *STRANGERS_TOOLS)
        cls.before = cls.machine.files()
        cls.machine.start()
        cls.addClassCleanup(cls.machine.stop)

    def apt(self, *argv, **more):
        return self.machine.run("apt-get", "-y", "-q", "--no-install-recommends", *argv, **more)

    def states(self, which="is-active"):
        return {unit: self.machine.run("systemctl", which, unit, code=None)[1].strip() for unit in UNITS}

    def inbox(self, *args):
        """The ids in city's inbox."""
        told = self.machine.run("kurzweg", "inbox", "--json", *args, KURZWEG_SOCKET=CITY)
        return re.findall(r'"id": ?"([0-9a-f-]{36})"', told)

    def wait(self, condition, what, seconds=90):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                self.fail(f"{what} did not come true within {seconds} s; the journal:\n" + self.machine.run("journalctl", "--no-pager", "-n", "80"))
            time.sleep(0.3)

    def test_1_installed_nothing_runs_and_the_screen_says_what_to_type(self):
        said = self.apt("install", *debs(*ALL))
        say("on the screen:\n" + "\n".join(line for line in said.splitlines() if line.startswith(("kurzweg", "    "))))
        self.assertEqual(set(self.states().values()), {"inactive"})
        self.assertEqual({unit: state for unit, state in self.states("is-enabled").items() if "@" not in unit},
                         {unit: "disabled" for unit in UNITS if "@" not in unit})
        typed = commands(said)
        for command in ("kurzweg key new NAME --broker --out /etc/kurzweg/broker.key", "kurzweg partner init", "systemctl enable --now kurzweg-broker",
                        "systemctl enable --now kurzweg-partner", "systemctl enable --now kurzweg-exporter"):
            self.assertIn(command, typed)
        code, said = self.machine.run("systemctl", "start", "kurzweg-broker", code=None)
        self.assertNotEqual(code, 0, "a start without a key must not look as if it had gone well")
        self.machine.run("systemctl", "reset-failed", "kurzweg-broker", code=None)

    def test_2_the_daemons_start_from_their_packaged_configuration(self):
        run = self.machine.shell
        partnership(self.machine)
        run("""sed 's/^agreement:.*/agreement: \\/etc\\/kurzweg\\/agreement.yaml/; s/node.key/city.key/; s/partner.sock/city.sock/; s/kurzweg\\/partner$/kurzweg\\/city/' \\
                   /usr/share/kurzweg/partner.yaml.sample > /etc/kurzweg/city.yaml
               kurzweg-broker --config /etc/kurzweg/broker.yaml --check-config
               kurzweg-partner --config /etc/kurzweg/partner.yaml --check-config
               systemctl enable --now kurzweg-broker kurzweg-partner kurzweg-partner@city kurzweg-exporter""")
        self.assertEqual(set(self.states().values()), {"active"})
        status = self.machine.run("systemctl", "show", "-p", "StatusText", "kurzweg-broker", "kurzweg-partner")
        self.assertIn("lindau", status)
        self.assertIn("police/desk", status)
        run("""for unit in kurzweg-broker kurzweg-partner; do
                   pid=$(systemctl show -P MainPID $unit) && [ "$(stat -c %U /proc/$pid)" = "$unit" ] && grep -q '^CapBnd:.0*$' /proc/$pid/status
               done""")
        run("kurzweg publish note/first --text 'The bridge is closed' --wait delivered --timeout 60s")
        self.assertEqual(len(self.inbox()), 1)
        metrics = """import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:%s/metrics').read().decode())"""
        port = re.search(r"127\.0\.0\.1:(\d+)", self.machine.run("kurzweg-exporter", "--help")).group(1)
        self.wait(lambda: 'kurzweg_nodes{state="connected"} 2' in self.machine.run("python3", "-c", metrics % port), "two nodes in the exporter's metrics")

    def test_3_a_strangers_project_finds_the_library_both_ways(self):
        self.apt("install", *debs("libkurzweg0", "libkurzweg-dev"))
        shutil.copytree(HERE / "stranger", self.machine.root / "srv/stranger")
        self.machine.shell("""useradd --create-home --groups kurzweg agency && chown -R agency /srv/stranger
                              su agency -c 'cd /srv/stranger && make all && cmake -S . -B build && cmake --build build'""")
        before = len(self.inbox("--limit", "100"))
        for program in ("by-pkg-config", "by-pkg-config-static", "build/by-cmake"):
            said = self.machine.run("su", "agency", "-c", f"/srv/stranger/{program} note/stranger '{NOTE % program}'")
            self.assertRegex(said, r"^[0-9a-f-]{36} stored, by libkurzweg 0\.")
        self.wait(lambda: len(self.inbox("--limit", "100")) == before + 3, "three notes of the stranger's")
        linked = self.machine.shell("cd /srv/stranger && ldd by-pkg-config build/by-cmake")
        self.assertEqual(linked.count("libkurzweg.so.0 => /"), 2, linked)
        code, said = self.machine.run("su", "nobody", "-s", "/bin/sh", "-c", f"/srv/stranger/by-pkg-config note/stranger '{NOTE % 'x'}'", code=None)
        self.assertEqual(code, 3, "who is not in the group kurzweg reaches no node: " + said)

    def later(self):
        """The packages once more under a later version, with another configuration in them: made by taking them apart."""
        made = self.machine.root / "pkg/later"
        made.mkdir()
        for name in ALL:
            deb = next(self.machine.root.glob(f"pkg/{name}_*.deb"))
            tree = WORK / "later" / name
            shutil.rmtree(tree, ignore_errors=True)
            tree.parent.mkdir(exist_ok=True)
            subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
            control = (tree / "DEBIAN/control").read_text()
            version = re.search(r"^Version: (.*)$", control, re.M).group(1)
            (tree / "DEBIAN/control").write_text(control.replace(version, version + "+later"))
            for conf in tree.glob("etc/kurzweg/*.yaml"):
                conf.write_text(conf.read_text() + "# a later version's remark\n")
            subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, made / deb.name], check=True, stdout=subprocess.DEVNULL)
        return [f"/pkg/later/{path.name}" for path in sorted(made.glob("*.deb"))]

    def test_4_an_upgrade_while_all_runs_loses_nothing(self):
        run = self.machine.shell
        run("echo '# our own remark' >> /etc/kurzweg/broker.yaml; systemctl disable --now kurzweg-exporter")
        pids = {unit: run(f"systemctl show -P MainPID {unit}") for unit in UNITS}
        accepted, refused, over = [], [], threading.Event()

        def publish():
            while not over.is_set():
                code, said = self.machine.run("kurzweg", "publish", "note/during", "--text", f"number {len(accepted)}", code=None)
                (accepted if code == 0 else refused).append(said.split()[0] if code == 0 else (code, said))

        later = self.later()
        publisher = threading.Thread(target=publish)
        publisher.start()
        try:
            self.wait(lambda: len(accepted) >= 5, "five notes before the upgrade")
            said = self.apt("install", "-o", "Dpkg::Options::=--force-confold", *later)
            there = len(accepted)
            self.wait(lambda: len(accepted) >= there + 5, "five notes after the upgrade")
        finally:
            over.set()
            publisher.join()
        self.assertEqual({code for code, _ in refused} - {3}, set(), refused)
        states = self.states()
        self.assertEqual([states[unit] for unit in UNITS], ["active", "active", "active", "inactive"], said)
        for unit in UNITS[:3]:
            self.assertNotEqual(run(f"systemctl show -P MainPID {unit}"), pids[unit], f"{unit} runs the old program")
        self.assertEqual(self.states("is-enabled")["kurzweg-exporter.service"], "disabled")
        self.wait(lambda: set(accepted) <= set(self.inbox("--limit", "1000")), "every note that was accepted in the reader's inbox")
        got = [i for i in self.inbox("--limit", "1000") if i in set(accepted)]
        self.assertEqual(len(got), len(set(got)), "a note came twice")
        say(f"{len(accepted)} notes were accepted around the upgrade and all came; {len(refused)} were answered by nobody while the node was started anew")
        self.assertIn("our own remark", run("cat /etc/kurzweg/broker.yaml"))
        self.assertIn("a later version's remark", run("cat /etc/kurzweg/partner.yaml"))

    def test_5_a_removal_keeps_all_and_what_comes_back_goes_on(self):
        run = self.machine.shell
        inbox = self.inbox("--limit", "1000")
        self.apt("remove", "kurzweg-partner")
        self.assertEqual(run("pgrep -x kurzweg-partner || true"), "")
        run("test -e /etc/kurzweg/partner.yaml -a -e /etc/kurzweg/node.key -a -d /var/lib/kurzweg/partner -a -d /var/lib/kurzweg/city")
        self.assertEqual(self.states()["kurzweg-broker.service"], "active")
        said = self.apt("install", *debs("kurzweg-partner"), "--allow-downgrades", code=None)[1]
        if "Unable to" in said or "unmet" in said:  # it belongs to the version that is installed
            said = self.apt("install", "/pkg/later/" + pathlib.Path(debs("kurzweg-partner")[0]).name)
        self.assertIn("systemctl enable --now kurzweg-partner", commands(said))
        run("systemctl enable --now kurzweg-partner kurzweg-partner@city")
        self.assertEqual(self.inbox("--limit", "1000"), inbox)

    def test_6_a_purge_asks_nothing_and_leaves_what_it_says(self):
        said = self.apt("purge", "kurzweg*", "libkurzweg*", LC_ALL="", LANG="de_DE.UTF-8")
        say("a purge said:\n" + "\n".join(line for line in said.splitlines() if line.startswith(("kurzweg", "    "))))
        self.assertIn("kurzweg-partner: behalten, weil nur Sie wissen", said)
        kept = set(re.findall(r"^    (/\S+) \(", said, re.M))
        for path in ("/var/lib/kurzweg/partner", "/var/lib/kurzweg/city", "/var/lib/kurzweg/broker", "/etc/kurzweg/node.key", "/etc/kurzweg/broker.key",
                     "/etc/kurzweg/city.key", "/etc/kurzweg/city.yaml", "/etc/kurzweg/agreement.yaml", "/etc/kurzweg/exporter.key"):
            self.assertIn(path, kept)
        self.assertNotIn("/etc/kurzweg/partner.yaml", kept)
        self.assertEqual(self.machine.run("pgrep", "-a", "kurzweg", code=None)[1], "")
        left = {path for path in self.machine.files() - self.before if not SYSTEMS.fullmatch(path)}
        unsaid = {path for path in left if not any(path == told or path.startswith(told + "/") or told.startswith(path + "/") for told in kept)}
        self.assertEqual(unsaid, set(), "left without a word")
        self.assertTrue(kept <= left, kept - left)
        for user in re.findall(r"Benutzer und Gruppen bleiben: (.*)", said)[0].split(", "):
            self.machine.run("getent", "group", user)


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast="--keep-going" not in sys.argv, argv=[word for word in sys.argv if word != "--keep-going"])
