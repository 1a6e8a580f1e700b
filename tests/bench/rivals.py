"""The servers that tests/bench/run compares with: Debian's packages, started as the caller on free ports of the loopback, each with a
configuration of peers/ and a folder of its own, and stopped again. A server that runs already is never touched."""

import contextlib
import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

from programs import SOURCE, interrupts
from kurzweg_test import environment, free_ports

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = HERE / "packages"
SERVICES = {package: f"{package}.service" for package in ("redis-server", "nats-server", "mosquitto", "rabbitmq-server")}  # what they would start
START_S, STOP_S, END_S = 90, 180, 30  # much that is queued takes its time to be put away; at the end nobody wants it any more


# ---- installing ----


def as_root(*command):
    return command if os.geteuid() == 0 else ("sudo", *command)


def install():
    """What is missing of packages. Services that come with it are neither started nor enabled: masked meanwhile, disabled afterwards."""
    missing = subprocess.run([SOURCE / "deploy" / "install", "--missing", PACKAGES], check=True, capture_output=True, text=True).stdout.split()
    services = [SERVICES[name] for name in missing if name in SERVICES] if shutil.which("systemctl") else []
    if services:
        subprocess.run(as_root("systemctl", "--quiet", "mask", *services), check=True)
    try:
        subprocess.run([SOURCE / "deploy" / "install", PACKAGES], check=True)
    finally:
        if services:
            subprocess.run(as_root("systemctl", "--quiet", "unmask", *services), check=True)
            subprocess.run(as_root("systemctl", "--quiet", "disable", *services), check=False, stderr=subprocess.DEVNULL)


def make_certificate(folder):
    """Signed by itself, for the loopback alone; the load program trusts it and no other."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=bench",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
                   check=True, capture_output=True)


# ---- servers ----


class Server:
    """One of them; ready when this returns. Ends with end(), and everything it wrote with the folder."""

    name = program = None
    peer = None  # whose configuration, where it is another's
    syncs = ""  # who syncs when, in a few words for the table
    extra_ports = 0

    @classmethod
    def there(cls):
        return os.access(cls.program, os.X_OK)

    def __init__(self, bench):
        self.bench, self.folder = bench, bench.folder / self.name
        self.port, *self.more_ports = free_ports(1 + self.extra_ports)
        self.log = bench.folder / f"{self.name}.log"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.processes = []
        self.begin_again()
        self.wait_until_it_listens()

    def begin_again(self):
        """With what its folder holds; it may not listen yet."""
        self.bench.running.append(self)
        self.start()
        return ""

    def configuration(self):
        """Of peers/, filled in."""
        text = (HERE / "peers" / f"{self.peer or self.name}.conf.in").read_text()
        path = self.bench.folder / f"{self.name}.conf"
        path.write_text(text.replace("@FOLDER@", str(self.bench.folder)).replace("@OWN@", str(self.folder)).replace("@PORT@", str(self.port)).replace("@USER@", getpass.getuser()))
        return path

    def launch(self, *argv, **env):
        """In a session of its own: an interrupt from the keyboard is for tests/bench/run, which then ends this."""
        with open(self.log, "ab") as log, interrupts.later():
            self.processes.append(subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                                   start_new_session=True, env=environment(HOME=self.folder, **env)))

    def wait_until_it_listens(self):
        end = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or self.processes[-1].poll() is not None:
                    raise SystemExit(f"{self.name} does not start:\n{self.log.read_text(errors='replace')[-4000:]}")
                time.sleep(0.02)

    @property
    def pid(self):
        """Of the process that does the work."""
        return self.processes[-1].pid

    @property
    def target(self):
        return ("--target", f"{self.name},{self.port},{self.pid}")

    def stop(self):
        """As its administrator would: what it keeps is on disk, and its folder stays."""
        if not self.ended_within(STOP_S):
            raise SystemExit(f"{self.name} did not stop within {STOP_S} s")

    def end(self):
        """Its folder goes too. Who is told to end in the middle of its start may not hear it."""
        self.ended_within(END_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ended_within(self, seconds):
        """None of its processes is left; False: not all of them ended by themselves."""
        self.bench.running.remove(self)
        well = True
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                well = False
                process.kill()
                process.wait()
            with contextlib.suppress(ProcessLookupError):  # nobody of its session is left, as it should be
                os.killpg(process.pid, signal.SIGKILL)
        self.processes = []
        return well


class Redis(Server):
    name, program = "redis", "/usr/bin/redis-server"
    syncs = "synced before it answers and delivers (appendfsync always)"

    def start(self):
        self.launch(self.program, self.configuration())


class RedisXread(Redis):
    """The same server; its readers keep for themselves how far they are."""

    name, peer = "redis-xread", "redis"
    syncs = "as redis; no delivery is acknowledged"


class Nats(Server):
    name, program = "nats", "/usr/sbin/nats-server"
    syncs = "not synced before it answers: every two minutes"

    def start(self):
        self.launch(self.program, "-c", self.configuration())


class Mosquitto(Server):
    name, program = "mosquitto", "/usr/sbin/mosquitto"
    syncs = "not synced and not written before it answers: every half hour"

    def start(self):
        self.launch(self.program, "-c", self.configuration())


class RabbitMQ(Server):
    """Erlang's machine with a name service of its own, so that it never asks one that somebody else started."""

    name, program = "rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server"
    syncs = "synced before it answers and delivers (write-ahead log of its quorum queues)"
    extra_ports = 2
    # Idle schedulers that spin for work would take the others' processor in the others' rounds.
    MACHINE = "+sbwt none +sbwtdcpu none +sbwtdio none"

    def start(self):
        names, nodes = self.more_ports
        self.launch("/usr/bin/epmd", "-address", "127.0.0.1", "-port", names)
        (self.folder / "plugins").write_text("[].\n")
        self.launch(self.program, ERL_EPMD_PORT=names, ERL_EPMD_ADDRESS="127.0.0.1", RABBITMQ_NODENAME="bench@localhost", RABBITMQ_DIST_PORT=nodes,
                    RABBITMQ_CONFIG_FILE=self.configuration(), RABBITMQ_MNESIA_BASE=self.folder / "mnesia", RABBITMQ_LOG_BASE=self.folder,
                    RABBITMQ_ENABLED_PLUGINS_FILE=self.folder / "plugins", RABBITMQ_CONF_ENV_FILE=self.folder / "none",
                    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=f"{self.MACHINE} -kernel inet_dist_use_interface {{127,0,0,1}}")

    @property
    def pid(self):
        """The machine's, which the script that was launched waits for or has become."""
        session = self.processes[-1].pid
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                name, rest = path.read_text().rsplit(")", 1)
            except OSError:
                continue  # it ended meanwhile
            if name.endswith("(beam.smp") and int(rest.split()[3]) == session:
                return int(name.split()[0])
        return session


SERVERS = {cls.name: cls for cls in (Redis, RedisXread, RabbitMQ, Nats, Mosquitto)}
