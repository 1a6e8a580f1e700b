"""The demo itself: one partnership, from its keys to a statement that two have approved. Started by deploy/demo."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import textwrap
import time

SOURCE = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(os.environ["KW_BIN_DIR"]).resolve()
GERMAN = next((v for v in map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG")) if v), "").startswith("de")
COLOUR = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("NO_COLOR")
DEADLINE = 60.0  # seconds for anything to happen; it takes a fraction of one
WIDTH = max(60, min(110, shutil.get_terminal_size((110, 50)).columns))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SOCKET_MAX = 100  # bytes of a local socket's path

NODES = {"police/control-room": "police", "city/public-order": "city", "city/crime-prevention": "city", "youth-house/office": "civil"}
POLICE, ORDER, PREVENTION, YOUTH = NODES
MEMBERS = ("mayor", "police-president", "prosecutor")
BROKER, OPERATOR = "haus-der-sicherheit", "night-desk"

AGREEMENT = """\
partnership: musterstadt
version: 1
valid: {{from: {begins}, until: {ends}}}
time_zone: {zone}
kind: live
steering:
  threshold: 2
  members:
{members}
broker: {{name: {broker}, endpoints: ["{endpoint}"], key: "{broker_key}"}}
coordinator: city/crime-prevention
operators: [{{name: {operator}, key: "{operator_key}"}}]
partners:
{partners}
topics:
  - {{filter: "alert/missing/#", schema: alert, publish: [police], receive: [police, city], lane: flash}}
  - {{filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police, city], receive: ["*"], lane: flash,
     keep: {{content: 14d, proof: 2y}}}}
  - {{filter: "statement/press/#", schema: statement, purpose: danger-prevention, publish: [city], receive: ["*"],
     release: {{approve: [police, youth-house]}}}}
  - {{filter: "statement/#", schema: statement, purpose: danger-prevention, publish: [police, city], receive: ["*"], lane: routine}}
  - filter: "request/noise/#"
    schema: request
    publish: ["*"]
    receive: [police, city]
    responsible:
      - {{who: city/public-order, hours: "Mo-Su 06:00-22:00", take_within: 10m}}
      - {{who: police/control-room, take_within: 5m}}
"""


class Failed(Exception):
    """The demo cannot go on; the text says why."""


def t(english, german):
    return german if GERMAN else english


def bold(text):
    return f"\033[1m{text}\033[0m" if COLOUR else text


def faint(text):
    return f"\033[2m{text}\033[0m" if COLOUR else text


def tell(english, german, **values):
    """A paragraph for the reader."""
    text = t(english, german).format(**values)
    print("\n" + textwrap.fill(" ".join(text.split()), WIDTH, break_on_hyphens=False, break_long_words=False), flush=True)


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE
    while not (got := condition()):
        if time.monotonic() > end:
            raise Failed(t(f"{what} did not happen within {DEADLINE:.0f} s", f"{what}: das geschah nicht binnen {DEADLINE:.0f} s"))
        time.sleep(0.02)
    return got


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def day(distance):
    """Midnight, UTC, so many days from today, as the agreement writes it."""
    return time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + distance * 86400))


def zone_where_it_is_night():
    """A time zone in which it is between ten and eleven in the evening: the office is closed there, whenever the demo runs."""
    ahead = (22 - time.gmtime().tm_hour) % 24
    ahead -= 24 if ahead > 14 else 0
    return "Etc/GMT" + (f"-{ahead}" if ahead > 0 else f"+{-ahead}" if ahead < 0 else ""), ahead


def file_name(node):
    return node.replace("/", "-")


class Demo:
    def __init__(self, stay, pause):
        self.stay, self.pause = stay, pause
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kurzweg-demo-")).resolve()
        self.daemons = {}  # name: process, in the order of their start
        self.starting, self.told_to_end = False, None
        self.step = 0
        self.broker = f"tcp://127.0.0.1:{free_port()}"
        self.zone, self.ahead = zone_where_it_is_night()

    # ---- what the demo does ----

    def heading(self, english, german):
        if self.pause and self.step > 0:
            input(faint(t("\nEnter goes on ", "\nWeiter mit der Eingabetaste ")))
        self.step += 1
        print("\n" + bold(f"{self.step}. {t(english, german)}"), flush=True)

    @contextlib.contextmanager
    def child(self, argv, **more):
        """A program that has ended when this is over, also where a signal ends the demo, even in the middle of the program's start."""
        self.starting = True
        process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, **more)
        self.starting = False
        try:
            if self.told_to_end:
                sys.exit(128 + self.told_to_end)
            yield process
            process.wait(DEADLINE)
        finally:
            process.kill()  # nothing, where it has ended
            process.wait()

    def kurzweg(self, *args, at="", code=0):
        """Runs kurzweg in the demo's folder, at one of the nodes; answers what it wrote to standard output."""
        with self.child([BIN / "kurzweg", *args], cwd=self.folder, env=self.environment(at), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                        errors="replace") as process:
            out, err = process.communicate(timeout=DEADLINE)
        self.must_end(args, code, process.returncode, err)
        return out

    def show(self, *args, at="", code=0):
        """The same before the reader's eyes, with what a person at a terminal would see; answers all of it."""
        print("\n" + bold(f"{at or '~'} $ ") + "kurzweg " + shlex.join(map(str, args)), flush=True)
        ours, theirs = pty.openpty()  # a terminal of its own, so that the output has its form for people
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH - 2, 0, 0))
        with self.child([BIN / "kurzweg", *args], cwd=self.folder, env=self.environment(at), stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # the other end is closed
                while got := os.read(ours, 65536):
                    shown += got
            os.close(ours)
        text = shown.decode(errors="replace").replace("\r\n", "\n")
        print(textwrap.indent(text.rstrip(), "  "), flush=True)
        self.must_end(args, code, process.returncode, text)
        return text

    def environment(self, at):
        env = dict(os.environ)
        if not COLOUR:
            env["NO_COLOR"] = "1"
        if at:
            env["KURZWEG_SOCKET"] = self.socket(at)
        return env

    @staticmethod
    def must_end(args, code, ended, told):
        if ended != code:
            raise Failed(t(f"kurzweg {shlex.join(map(str, args))} ended with {ended}, not {code}",
                           f"kurzweg {shlex.join(map(str, args))} endete mit {ended}, nicht {code}") + f": {told.strip()}")

    def inbox(self, at):
        """What a node has, in the order of arrival."""
        return [json.loads(line) for line in self.kurzweg("inbox", "--json", at=at).splitlines()]

    def wait_for_inbox(self, at, count):
        return wait_until(lambda: len(rows := self.inbox(at)) >= count and rows, t(f"{count} notifications at {at}", f"{count} Meldungen bei {at}"))

    def socket(self, node):
        return f"ipc://{self.folder}/{file_name(node)}.sock"

    def start(self, program, name, config, ready):
        path = self.folder / f"{file_name(name)}.yaml"
        path.write_text(config)
        log = self.folder / f"{file_name(name)}.log"
        self.starting = True  # what runs is always known to clean_up()
        with open(log, "ab") as out:
            process = self.daemons[name] = subprocess.Popen([str(BIN / program), "--config", str(path)], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                                            cwd=self.folder, start_new_session=True)
        self.starting = False
        if self.told_to_end:
            sys.exit(128 + self.told_to_end)

        def up():
            if process.poll() is not None:
                raise Failed(t(f"{program} of {name} ended with {process.returncode}", f"{program} von {name} endete mit {process.returncode}")
                             + f":\n{log.read_text(errors='replace')[-2000:]}")
            return ready in log.read_text(errors="replace")

        wait_until(up, f'"{ready}" ({name})')

    def start_broker(self):
        self.start("kurzweg-broker", BROKER, f'agreement: {self.folder}/agreement.yaml\nkey: {self.folder}/{BROKER}.key\nlisten: ["{self.broker}"]\n'
                   f"control: ipc://{self.folder}/broker.sock\nstore: {{path: {self.folder}/broker}}\n", "broker.ready")

    def start_node(self, node):
        name = file_name(node)
        self.start("kurzweg-partner", node, f"agreement: {self.folder}/agreement.yaml\nkey: {self.folder}/{name}.key\nsocket: {self.socket(node)}\n"
                   f"state: {self.folder}/{name}\n", "link.up")

    def end(self, name):
        """Stops that very process and waits for its end."""
        process = self.daemons.pop(name)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def told(self, number, _):
        """A signal: end, and clean up on the way."""
        self.told_to_end = number
        if not self.starting:
            sys.exit(128 + number)

    def clean_up(self):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # it is ending already
        for name in reversed(list(self.daemons)):
            self.end(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the steps ----

    def make_keys(self):
        self.heading("Keys: everyone makes their own, and keeps them", "Schlüssel: alle machen ihre eigenen und behalten sie")
        tell("A secret key stays in a file on the machine that made it. The long line is public: it goes to whoever writes the agreement, who compares the "
             "fingerprint by phone.",
             "Ein geheimer Schlüssel bleibt in einer Datei auf dem Rechner, der ihn gemacht hat. Die lange Zeile ist öffentlich: Sie geht an die, die die Vereinbarung "
             "schreiben; der Fingerabdruck wird am Telefon verglichen.")
        secret = self.folder / "passphrase"
        secret.write_text("four words nobody guesses\n")
        secret.chmod(0o600)
        self.show("key", "new", POLICE)
        keys = {POLICE: self.kurzweg("key", "show", f"{file_name(POLICE)}.key").strip()}
        for node in list(NODES)[1:]:
            keys[node] = self.kurzweg("key", "new", node).strip()
        keys[BROKER] = self.kurzweg("key", "new", BROKER, "--broker").strip()
        keys[OPERATOR] = self.kurzweg("key", "new", OPERATOR, "--operator").strip()
        for member in MEMBERS:
            keys[member] = self.kurzweg("key", "new", member, "--steering", "--lock", "interactive", "--passphrase-file", secret).strip()
        tell("{nodes} do the same, and so do the broker ({broker}), its operator ({operator}), and the steering committee: {members}. The committee's keys are "
             "locked by passphrases.",
             "Dasselbe tun {nodes}, der Broker ({broker}), sein Betrieb ({operator}) und das Lenkungsgremium: {members}. Die Schlüssel des Gremiums sind mit "
             "Passphrasen verschlossen.", nodes=", ".join(list(NODES)[1:]), broker=BROKER, operator=OPERATOR, members=", ".join(MEMBERS))
        return keys

    def agree(self, keys):
        self.heading("The agreement: who is in, and who may do what", "Die Vereinbarung: wer dabei ist, und wer was darf")
        partners = {}
        for node, kind in NODES.items():
            partner, name = node.split("/")
            partners.setdefault((partner, kind), []).append(f'{{id: {name}, key: "{keys[node]}"}}')
        text = AGREEMENT.format(
            begins=day(-1), ends=day(365), zone=self.zone, endpoint=self.broker, broker=BROKER, operator=OPERATOR, broker_key=keys[BROKER], operator_key=keys[OPERATOR],
            members="\n".join(f'    - {{name: {m}, key: "{keys[m]}"}}' for m in MEMBERS),
            partners="\n".join(f"  - id: {p}\n    kind: {k}\n" + ("    purposes: [danger-prevention]\n" if k == "civil" else "") + "    nodes:\n"
                               + "\n".join(f"      - {n}" for n in nodes) for (p, k), nodes in partners.items()))
        (self.folder / "agreement.yaml").write_text(text)
        tell("It is a text that people read and sign. Policy stands here and nowhere else. Its last part:",
             "Sie ist ein Text, den Menschen lesen und unterschreiben. Nur hier steht, wer was darf. Ihr letzter Teil:")
        print("\n" + textwrap.indent(text[text.index("topics:"):].rstrip(), "  "))
        self.show("agreement", "check", "agreement.yaml")
        tell("Two of the three members must sign. The mayor's signature alone puts nothing into force:",
             "Zwei der drei Mitglieder müssen unterschreiben. Die Unterschrift des Bürgermeisters allein setzt nichts in Kraft:")
        sign = ("agreement", "sign", "agreement.yaml", "--passphrase-file", "passphrase", "--yes", "--key")
        self.kurzweg(*sign, "mayor.key")
        self.show("agreement", "verify", "agreement.yaml", code=4)
        tell("The prosecutor signs too.", "Die Staatsanwältin unterschreibt auch.")
        self.kurzweg(*sign, "prosecutor.key")
        self.show("agreement", "verify", "agreement.yaml")

    def start_all_but_one(self):
        self.heading("A broker, and three of the four nodes", "Ein Broker, und drei der vier Knoten")
        tell("The broker has a key to sign with, and none that opens anything. The youth house is closed: its node is switched off.",
             "Der Broker hat einen Schlüssel, mit dem er unterschreibt, und keinen, der etwas öffnet. Das Jugendhaus ist geschlossen: Sein Knoten ist aus.")
        self.start_broker()
        for node in (POLICE, ORDER, PREVENTION):
            self.start_node(node)
        print()
        for name, process in self.daemons.items():
            print(f"  {'kurzweg-broker' if name == BROKER else 'kurzweg-partner':<16} {name:<24} " + faint(f"pid {process.pid}"))
        sys.stdout.flush()

    def alert(self):
        self.heading("The Neckar rises", "Der Neckar steigt")
        files = sorted((SOURCE / "examples").glob("*.cap.xml")) + [SOURCE / "examples" / name for name in ("noise-request.json", "flood-statement.json", "press-statement.json")]
        with self.child([sys.executable, "-B", SOURCE / "examples" / "fresh", "--to", self.folder / "alerts", *files]) as process:
            pass
        if process.returncode != 0:
            raise Failed(t("the examples' times cannot be moved to now", "die Zeiten der Beispiele lassen sich nicht auf jetzt verschieben"))
        tell("The public order office publishes a statement for the press desks. That is not urgent, so the agreement gives it the lane routine.",
             "Das Ordnungsamt sendet eine Erklärung für die Pressestellen. Die eilt nicht, darum gibt ihr die Vereinbarung die Spur routine.")
        self.show("publish", "statement/flood/mitte", "--json", "alerts/flood-statement.json", "--wait", "stored", at=ORDER)
        tell("The control room publishes an alert as its systems write it, in CAP 1.2. Its own node seals it for each reader and signs it; \"stored\" is proven by "
             "a commit that the broker signs after its disk has it.",
             "Das Lagezentrum sendet eine Warnung, wie seine Systeme sie schreiben, in CAP 1.2. Sein eigener Knoten versiegelt sie für jeden Empfänger und "
             "unterschreibt sie; „gespeichert“ ist bewiesen durch einen Commit, den der Broker unterschreibt, wenn seine Platte sie hat.")
        flood = self.show("publish", "alert/flood/mitte", "--cap", "alerts/flood-neckar.cap.xml", "--wait", "stored", at=POLICE).split()[0]
        tell("A moment later at the public order office:", "Einen Augenblick später beim Ordnungsamt:")
        self.wait_for_inbox(ORDER, 1)
        self.show("inbox", flood, at=ORDER)
        return flood

    def more(self, flood):
        self.heading("More alerts, and the all-clear", "Weitere Warnungen, und die Entwarnung")
        tell("A bomb from the war with an evacuation, a missing child, and the end of the flood, which takes the first alert back.",
             "Eine Bombe aus dem Krieg mit einer Räumung, ein vermisstes Kind, und das Ende des Hochwassers, das die erste Warnung zurücknimmt.")
        for topic, name in (("alert/ordnance/gueterbahnhof", "ordnance-evacuation"), ("alert/missing/neckarwiese", "missing-child"),
                            ("alert/flood/mitte", "all-clear")):
            self.show("publish", topic, "--cap", f"alerts/{name}.cap.xml", at=POLICE)
        wait_until(lambda: len(rows := self.inbox(PREVENTION)) == 5 and any(row["id"] == flood and row["cancelled"] for row in rows),
                   t("statement and alerts at city/crime-prevention, the flood alert taken back",
                     "Erklärung und Warnungen bei city/crime-prevention, die Hochwasserwarnung zurückgenommen"))
        self.show("inbox", at=PREVENTION)
        if [row["topic"].split("/")[1] for row in self.inbox(PREVENTION) if row["lane"] == "flash"] != ["flood", "ordnance", "missing", "flood"]:
            raise Failed(t("crime prevention does not have the alerts in the order in which they were published",
                           "die Kriminalprävention hat die Warnungen nicht in der Reihenfolge, in der sie gesendet wurden"))

    def disk(self):
        self.heading("What the broker's disk holds of it", "Was die Platte des Brokers davon enthält")
        alerts = self.folder / "alerts"
        plain = "\n".join(p.read_text() for p in [*sorted(alerts.glob("*.cap.xml")), alerts / "flood-statement.json"])
        text = " ".join(re.findall(r"<(?:headline|description|instruction|areaDesc|contact)>(.*?)</", plain, re.S) + re.findall(r'"body": "(.*?)"', plain))
        agreement = (self.folder / "agreement.yaml").read_text()
        words = sorted(w for w in set(re.findall(r"[^\W\d_]{7,}", text)) if w not in agreement)
        stored = b"".join(p.read_bytes() for p in sorted((self.folder / "broker").rglob("*")) + [self.folder / f"{BROKER}.log"] if p.is_file())
        in_plain = [w for w in words if w.encode() in plain.encode()]
        in_store = [w for w in words if w.encode() in stored]
        if len(words) < 50 or in_plain != words:
            raise Failed(t("the search does not even find the words where they are", "die Suche findet die Wörter nicht einmal dort, wo sie sind"))
        if in_store:
            raise Failed(t(f"the broker's store holds words of the alerts: {in_store}", f"der Speicher des Brokers enthält Wörter der Warnungen: {in_store}"))
        tell("{count} words stand in the texts of alerts and statement, such as {some}. Searched byte by byte:",
             "{count} Wörter stehen in den Texten von Warnungen und Erklärung, etwa {some}. Byte für Byte gesucht:",
             count=len(words), some=", ".join(words[::max(1, len(words) // 6)][:6]))
        print()
        for what, size, found in ((t("in the files that were published", "in den gesendeten Dateien"), len(plain.encode()), in_plain),
                                  (t("in the broker's store (made with room) and log", "in Speicher (auf Vorrat groß) und Log des Brokers"), len(stored), in_store)):
            print(f"  {what:<57} {size:>9} " + t("bytes", "Bytes") + f"   {len(found):>4} " + t(f"of {len(words)} words found", f"von {len(words)} Wörtern gefunden"))
        seen = [word for word in (POLICE, "alert/flood/mitte") if word.encode() in stored]
        if len(seen) != 2:
            raise Failed(t("the search does not find in the store what must be there", "die Suche findet im Speicher nicht, was dort sein muss"))
        tell("What it does hold, because it must: who wrote to whom, on which topic, when and how much. It finds {seen}.",
             "Was er enthält, weil er es muss: wer wem zu welchem Thema schrieb, wann und wie viel. Er findet {seen}.", seen=", ".join(seen))

    def status(self):
        self.heading("What the operator sees", "Was der Betrieb sieht")
        tell("The operator asks over the network, with a key that the agreement names. It shows that something waits for the youth house, and no content; it can "
             "change nothing.",
             "Der Betrieb fragt über das Netz, mit einem Schlüssel, den die Vereinbarung nennt. Er sieht, dass etwas auf das Jugendhaus wartet, und keine Inhalte; "
             "ändern kann er so nichts.")
        self.show("status", "--broker", self.broker, "--key", f"{OPERATOR}.key", "--agreement", "agreement.yaml")

    def come_back(self):
        self.heading("The youth house opens, and has missed nothing", "Das Jugendhaus öffnet, und hat nichts verpasst")
        tell("Its node was off all the while. It gets all that is meant for it, each lane in order, and flash before routine: the statement was published first and "
             "comes last. The missing child does not come; the agreement gives it to police and city alone.",
             "Sein Knoten war die ganze Zeit aus. Es bekommt alles, was für es bestimmt ist, jede Spur in der Reihenfolge, und flash vor routine: Die Erklärung wurde "
             "zuerst gesendet und kommt zuletzt. Das vermisste Kind kommt nicht; die Vereinbarung gibt es nur Polizei und Stadt.")
        self.start_node(YOUTH)
        rows = self.wait_for_inbox(YOUTH, 4)
        self.show("inbox", at=YOUTH)
        if [row["topic"] for row in rows] != ["alert/flood/mitte", "alert/ordnance/gueterbahnhof", "alert/flood/mitte", "statement/flood/mitte"]:
            raise Failed(t("the youth house did not get its backlog in order", "das Jugendhaus bekam den Rückstand nicht in der Reihenfolge"))
        tell("Sending alerts itself is not for the youth house; the agreement does not say that it may.",
             "Selbst Warnungen senden darf das Jugendhaus nicht; die Vereinbarung sagt nicht, dass es das darf.")
        self.show("publish", "alert/flood/mitte", "--cap", "alerts/flood-neckar.cap.xml", at=YOUTH, code=4)

    def stands(self, at, case, what, **wanted):
        """Waits until a case stands so by what that node knows itself."""
        def there():
            got = json.loads(self.kurzweg("case", "show", case, "--json", at=at))
            return all(got.get(k) == v for k, v in wanted.items())
        wait_until(lambda: any(c["id"] == case for c in json.loads(self.kurzweg("case", "list", "--all", "--json", at=at))) and there(), what)

    def noise(self):
        self.heading("Noise at night: somebody must take it on", "Lärm in der Nacht: jemand muss sich kümmern")
        clock = time.strftime("%H:%M", time.gmtime(time.time() + self.ahead * 3600))
        tell("In Musterstadt it is {clock} (so that it is night whenever you look, the agreement uses the time zone {zone}). The youth house asks for help. The public "
             "order office would be responsible, but it closed at ten: by the agreement the police come first.",
             "In Musterstadt ist es {clock} (damit immer Nacht ist, gilt in der Vereinbarung die Zeitzone {zone}). Das Jugendhaus bittet um Hilfe. Zuständig wäre das "
             "Ordnungsamt, aber das hat um zehn geschlossen: Nach der Vereinbarung ist zuerst die Polizei dran.", clock=clock, zone=self.zone)
        case = self.show("publish", "request/noise/mitte", "--json", "alerts/noise-request.json", "--wait", "stored", at=YOUTH).split()[0]
        self.stands(POLICE, case, t("the case at police/control-room", "der Fall bei police/control-room"), state="offered", owner=POLICE)
        self.show("case", "list", at=POLICE)
        tell("From here on it has exactly one owner, by the order of the broker's log. The control room takes it; the public order office, a second later, hears who "
             "was first.",
             "Von jetzt an ist genau einer dafür da, nach der Reihenfolge im Log des Brokers. Das Lagezentrum übernimmt; das Ordnungsamt hört eine Sekunde später, wer "
             "schneller war.")
        self.show("take", case[-8:], "--as", t("Duty officer 3", "Wachhabende 3"), at=POLICE)
        self.stands(ORDER, case, t("the news at city/public-order", "die Nachricht bei city/public-order"), state="taken", owner=POLICE)
        self.show("take", case[-8:], at=ORDER, code=4)
        tell("In the morning it goes to the office, with a note. It stays with the police until the office takes it: nothing falls between two desks.",
             "Am Morgen geht es an das Amt, mit einer Notiz. Bei der Polizei bleibt es, bis das Amt es nimmt: Zwischen zwei Schreibtischen geht nichts verloren.")
        self.show("hand-over", case[-8:], "--to", ORDER, "--note", t("Quiet since 23:40; the landlord wants a call", "Seit 23:40 ruhig; der Vermieter bittet um Anruf"), "--as",
                  t("Duty officer 3", "Wachhabende 3"), at=POLICE)
        self.stands(ORDER, case, t("the hand-over at city/public-order", "die Übergabe bei city/public-order"), next=ORDER)
        self.show("take", case[-8:], at=ORDER)
        self.show("done", case[-8:], "--outcome", t("Landlord reached, the tenants were told", "Vermieter erreicht, mit den Mietern ist gesprochen"), at=ORDER)
        tell("The youth house has been told of every step, and each of them is signed by who made it:",
             "Das Jugendhaus hat jeden Schritt erfahren, und jeden hat unterschrieben, wer ihn tat:")
        self.stands(YOUTH, case, t("the end at youth-house/office", "das Ende bei youth-house/office"), state="done")
        self.show("case", "show", case[-8:], at=YOUTH)

    def nobody(self):
        self.heading("A second one, and nobody takes it", "Eine zweite, und niemand übernimmt")
        tell("This time everybody has two seconds, since a demo cannot wait. Nobody looks. What nobody takes climbs along the line, and at last to the coordinator: it is "
             "never nobody's.",
             "Diesmal hat jeder zwei Sekunden, weil eine Vorführung nicht warten kann. Niemand sieht hin. Was niemand übernimmt, steigt die Reihe hinauf und zuletzt zur "
             "Koordination: Es gehört nie niemandem.")
        case = self.show("publish", "request/noise/west", "--kind", "presence", "--subject", t("Music in the park", "Musik im Park"), "--text", t("It began again.", "Es geht wieder los."), "--purpose",
                         "danger-prevention", "--take-within", "2s", "--lifetime", "6h", "--wait", "stored", at=YOUTH).split()[0]
        self.stands(PREVENTION, case, t("the escalation to city/crime-prevention", "der Aufstieg zu city/crime-prevention"), state="escalated", owner=PREVENTION)
        self.show("case", "list", at=PREVENTION)
        self.show("take", case[-8:], "--as", t("Coordinator on call", "Koordination, Bereitschaft"), at=PREVENTION)

    def press(self):
        self.heading("A joint press statement: nobody has it before both have approved", "Eine gemeinsame Erklärung: niemand hat sie, bevor beide sie freigegeben haben")
        tell("The public order office drafts it. By the agreement police and youth house must approve such a text; until then its node seals it for them alone, and "
             "crime prevention next door does not have it.",
             "Das Ordnungsamt entwirft sie. Nach der Vereinbarung müssen Polizei und Jugendhaus einen solchen Text freigeben; bis dahin versiegelt sein Knoten ihn nur "
             "für sie, und die Kriminalprävention nebenan hat ihn nicht.")
        shown = self.show("publish", "statement/press/mitte", "--json", "alerts/press-statement.json", "--wait", "stored", at=ORDER)
        draft = re.search(r"^[0-9a-f-]{36}$", shown, re.M).group()

        def waits(at):
            return wait_until(lambda: [d for d in json.loads(self.kurzweg("release", "list", "--json", at=at))["drafts"] if d["id"] == draft and d["your_turn"]],
                              t(f"the draft at {at}", f"der Entwurf bei {at}"))

        waits(YOUTH)
        self.show("release", "list", at=YOUTH)
        self.show("approve", draft, "--as", t("Head of the youth house", "Leitung des Jugendhauses"), at=YOUTH)
        waits(POLICE)
        if any(row["topic"].startswith("statement/press/") for row in self.inbox(PREVENTION)):
            raise Failed(t("crime prevention has the statement too early", "die Kriminalprävention hat die Erklärung zu früh"))
        self.show("approve", draft, "--as", t("Press officer", "Pressestelle"), at=POLICE)
        tell("Both have approved the same text, so the office's node seals it for everybody, with the signed approvals in it. Every reader checks these itself:",
             "Beide haben denselben Text freigegeben, also versiegelt der Knoten des Amts ihn für alle, mit den unterschriebenen Freigaben darin. Jeder Leser prüft sie selbst:")
        released = wait_until(lambda: [row for row in self.inbox(PREVENTION) if row["type"] == "released"],
                              t("the statement at city/crime-prevention", "die Erklärung bei city/crime-prevention"))[0]
        self.show("inbox", released["id"], at=PREVENTION)

    def trace(self, flood):
        self.heading("What the sender knows", "Was der Absender weiß")
        tell("Each reader's node has signed that it has the alert. The one that came late did too.",
             "Jeder Knoten, der sie lesen soll, hat unterschrieben, dass er die Warnung hat. Auch der, der spät kam.")
        wait_until(lambda: not json.loads(self.kurzweg("trace", flood, "--json", at=POLICE))["missing"], t("the last confirmation", "die letzte Bestätigung"))
        self.show("trace", flood, at=POLICE)

    def run(self):
        print(bold("Kurzweg") + t(": alerts, a matter that somebody must take on, and a joint statement", ": Warnungen, ein Fall, der jemanden braucht, und eine gemeinsame Erklärung"))
        tell("Everything here is real: keys, broker, nodes, alerts. It happens on this machine alone, in {folder}.",
             "Alles hier ist echt: Schlüssel, Broker, Knoten, Warnungen. Es geschieht nur auf diesem Rechner, in {folder}.", folder=self.folder)
        self.agree(self.make_keys())
        self.start_all_but_one()
        flood = self.alert()
        self.more(flood)
        self.disk()
        self.status()
        self.come_back()
        self.noise()
        self.nobody()
        self.press()
        self.trace(flood)

    # ---- the end ----

    def leave(self):
        """For --stay: what to try, and how to end it."""
        stop = self.folder / "stop"
        stop.write_text(STOP.format(folder=shlex.quote(str(self.folder)), pids=" ".join(str(p.pid) for p in self.daemons.values())))
        stop.chmod(0o700)
        print("\n" + bold(t("It goes on running. Try, for example:", "Es läuft weiter. Zum Beispiel:")) + f"""

  export PATH={shlex.quote(str(BIN))}:$PATH
  cd {shlex.quote(str(self.folder))}
  export KURZWEG_SOCKET={self.socket(ORDER)}
  kurzweg inbox --follow                       # {t("leave it open", "offen lassen")}

{t("In another terminal, after the first two lines:", "In einem anderen Terminal, nach den ersten beiden Zeilen:")}

  export KURZWEG_SOCKET={self.socket(POLICE)}
  kurzweg publish alert/fire/west --headline {shlex.quote(t("Fire at the school", "Brand in der Schule"))} --severity severe --area Weststadt --lifetime 2h --wait delivered
  kurzweg status
  kurzweg status --control ipc://{self.folder}/broker.sock
  kurzweg agreement who-reads alert/missing/west --agreement agreement.yaml
  kurzweg case list --all
  kurzweg release list --all

{t("To end it and remove its folder:", "Um alles zu beenden und den Ordner zu löschen:")}

  {stop}
""", flush=True)


STOP = """\
#!/bin/sh
# Ends the broker and the nodes of this demo, by their numbers and only while these are theirs, and removes the folder.
folder={folder}
theirs() {{ tr '\\0' ' ' 2>/dev/null </proc/"$1"/cmdline | grep -qF "$folder/"; }}
for pid in {pids}; do
	theirs "$pid" && kill "$pid"
done
for pid in {pids}; do
	tries=0
	while theirs "$pid" && [ "$tries" -lt 200 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
done
rm -rf "$folder"
"""


def main():
    stay, pause = "--stay" in sys.argv[1:], "--pause" in sys.argv[1:] and sys.stdin.isatty()
    for program in ("kurzweg", "kurzweg-broker", "kurzweg-partner"):
        if not os.access(BIN / program, os.X_OK):
            sys.exit(t(f"demo: {BIN / program} is not there; deploy/setup builds it", f"demo: {BIN / program} ist nicht da; deploy/setup baut es"))
    began = time.monotonic()
    sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a letter is no reason to stop
    demo = Demo(stay, pause)
    for number in SIGNALS:
        signal.signal(number, demo.told)
    stays = False
    try:
        if len(demo.socket(PREVENTION)) - len("ipc://") > SOCKET_MAX:
            raise Failed(t(f"{demo.folder} is too long a path for sockets; set TMPDIR to a shorter one",
                           f"{demo.folder} ist als Pfad für Sockets zu lang; setzen Sie TMPDIR auf einen kürzeren"))
        demo.run()
        if stay:
            demo.leave()
            stays = True
    except BrokenPipeError:  # nobody reads on, as behind "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Failed, OSError, EOFError, subprocess.SubprocessError) as why:
        print(f"\ndemo: {why}", file=sys.stderr)
        return 1
    finally:
        if not stays:
            demo.clean_up()
    if not stays:
        tell("All of it took {seconds:.0f} seconds. Broker and nodes are stopped, and their folder is gone; with --stay they stay.",
             "All das dauerte {seconds:.0f} Sekunden. Broker und Knoten sind beendet, ihr Ordner ist gelöscht; mit --stay bleiben sie.", seconds=time.monotonic() - began)
    return 0


if __name__ == "__main__":
    sys.exit(main())
