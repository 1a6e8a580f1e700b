"""A Debian 12 of its own in a folder: bare, with commands run in it, or started with its own systemd."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def say(text):
    print(f"install: {text}", file=sys.stderr, flush=True)


def sources():
    """Debian's own archives, as this machine's apt knows them: [(address, suite)]."""
    told = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(RELEASE)", "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    found = {tuple(line.split("|")[1:]) for line in told.splitlines() if line.startswith("Debian|") and "bookworm" in line}
    if not found:
        raise SystemExit('install: apt knows no archive of Debian 12 here; "apt-get update" first?')
    return sorted(found)


def how_apt_gets_them():
    """What this machine's apt was told of proxies and of the age of lists, for the other Debian's apt."""
    told = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return "".join(line + "\n" for line in told.splitlines() if line.startswith(("Acquire::http", "Acquire::https", "Acquire::Check")))


def base(folder, packages):
    """A bare Debian 12 in folder/base, made once, with what the packages depend on downloaded and not installed: its path."""
    root, done = folder / "base", folder / "base.done"
    if not done.exists():
        shutil.rmtree(root, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        say("a bare Debian 12 is laid in a folder, which takes some minutes once")
        at = next(site for site, suite in sources() if suite == "bookworm")
        with open(folder / "base.log", "w", encoding="utf-8") as log:
            laid = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root, at], stdout=log, stderr=log)
        if laid.returncode != 0:
            raise SystemExit(f"install: debootstrap failed; {folder}/base.log says why")
        (root / "etc/apt/sources.list").write_text("".join(f"deb {site} {suite} main\n" for site, suite in sources()))
        (root / "etc/apt/apt.conf.d/99machine").write_text(how_apt_gets_them())
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        done.write_text("")
    wanted = " ".join(sorted(packages))
    if done.read_text() != wanted:
        bare = Machine(root)
        bare.run("apt-get", "update", "-q")
        bare.run("apt-get", "install", "-y", "-q", "--no-install-recommends", "--download-only", *packages)
        done.write_text(wanted)
    return root


class Machine:
    """root: its folder. Commands run in it as in a chroot, or, once it was started, beside its systemd."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.started = None
        self.first = 0
        self.cgroup = None

    def entered(self):
        if self.started is not None:
            return ["nsenter", "-t", str(self.first), "-a", "--"]
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc", "chroot", str(self.root)]

    def run(self, *argv, code=0, text=None, timeout=600, **env):
        """What the command says, both ways; a code that was not expected fails with it. code None: any, and what is answered is (code, text)."""
        words = " ".join(f"{name}={value}" for name, value in env.items())
        done = subprocess.run([*self.entered(), "env", "-i", *(f"{n}={v}" for n, v in {**ENVIRONMENT, **env}.items()), *map(str, argv)],
                              input=text if text is not None else "", capture_output=True, text=True, timeout=timeout)
        said = done.stdout + done.stderr
        if code is None:
            return done.returncode, said
        if done.returncode != code:
            raise AssertionError(f"{words} {' '.join(map(str, argv))} ended with {done.returncode}:\n{said}")
        return said

    def shell(self, commands, **more):
        """Lines as somebody types them; the first that fails ends them."""
        return self.run("sh", "-euc", commands, **more)

    def start(self, stick=None):
        """Its systemd is process 1 of namespaces of its own; back when it has come up. stick: a folder of this machine that is at its /mnt."""
        unified = next((line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines() if line.split()[2] == "cgroup2"), None)
        if unified is None:
            raise SystemExit("install: no cgroup2 is mounted here, which the other Debian's systemd needs")
        self.cgroup = pathlib.Path(unified) / f"kurzweg-install-{os.getpid()}-{self.root.name}"
        self.cgroup.mkdir()
        (self.root / "etc/hostname").write_text(self.root.name + "\n")
        with open(f"{self.root}.log", "w", encoding="utf-8") as log:
            self.started = subprocess.Popen(["sh", "-c", 'echo $$ > "$1/cgroup.procs" && exec unshare --cgroup --mount --pid --uts --ipc --net --fork --kill-child sh "$2/boot" "$3" "$4"',
                                         "sh", self.cgroup, HERE, self.root, stick or ""], stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)
        children = pathlib.Path(f"/proc/{self.started.pid}/task/{self.started.pid}/children")
        end = time.monotonic() + 120
        while True:
            if self.started.poll() is not None:
                raise AssertionError(f"the other Debian did not start; {self.root}.log says why")
            self.first = int((children.read_text().split() or ["0"])[0])
            if self.first and pathlib.Path(f"/proc/{self.first}/comm").read_text().strip() == "systemd":
                code, said = self.run("systemctl", "is-system-running", code=None)
                if said.strip() in ("running", "degraded"):
                    return self
            if time.monotonic() > end:
                raise AssertionError("the other Debian's systemd did not come up within 2 min")
            time.sleep(0.3)

    def stop(self):
        """Ends all that runs in it: with process 1 of its namespace everything in that goes."""
        if self.started is None:
            return
        os.kill(self.first or self.started.pid, signal.SIGKILL)
        self.started.wait(60)
        self.started = None
        for folder in sorted(self.cgroup.rglob("*"), key=lambda path: len(path.parts), reverse=True):
            if folder.is_dir():
                folder.rmdir()
        self.cgroup.rmdir()

    def files(self):
        """Every path in it but for what is not on its disk, and what is downloaded: {paths}."""
        told = self.run("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", "-o", "-path", "/dev", "-o", "-path", "/tmp",
                        "-o", "-path", "/mnt", "-o", "-path", "/root", ")", "-prune", "-o", "-print")
        return set(told.splitlines())
