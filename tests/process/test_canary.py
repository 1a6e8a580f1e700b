"""A word that stands nowhere else, in every field of an alert and of a request, and who has it in the end: the readers, in full.

Not the broker: not in its memory, on its disk (free pages too), in its log, in what it tells its operator, or on the wire. And no node's disk, outside of what
is sealed there. Looked for as it is, in UTF-16, in base64 at every offset, in hex, and inside everything that zstd can open.
"""

import base64
import ctypes
import ctypes.util
import datetime
import hashlib
import json
import os
import re
import secrets
import socket
import struct
import threading

import kurzweg_test
from desk import CITY, POLICE
from kurzweg_test import SOURCE, Partnership, free_ports, wait_until

TOPICS = """\
  - {filter: "alert/#", schema: alert, publish: [police, city], receive: [police, city], lane: flash}
  - {filter: "request/#", schema: request, publish: [police, city], receive: [police, city]}
"""
LARGEST = 128 << 30  # bytes of a mapping that is looked through; only the sanitizer's shadow is larger, which holds nobody's data
PAGE = os.sysconf("SC_PAGE_SIZE")


# ---- what is looked for ----

def disguises(text):
    """The bytes under which text may lie somewhere."""
    plain = text.encode()
    out = [plain, text.encode("utf-16-le"), plain.hex().encode(), plain.hex().upper().encode()]
    for lead in range(3):  # of base64 only what does not depend on its neighbours
        whole = base64.b64encode(b"\0" * lead + plain)
        begin, end = (0, 2, 3)[lead], len(whole) - (4 if (lead + len(plain)) % 3 else 0)
        out += [whole[begin:end], whole[begin:end].translate(bytes.maketrans(b"+/", b"-_"))]
    return out


class Zstd:
    """Opens what is compressed, so that compressing is no hiding place."""

    MAGIC = b"\x28\xb5\x2f\xfd"

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
        self.lib.ZSTD_isError.argtypes = [ctypes.c_size_t]
        self.lib.ZSTD_findFrameCompressedSize.restype = self.lib.ZSTD_decompress.restype = self.lib.ZSTD_compress.restype = ctypes.c_size_t

    def opened(self, data):
        """What every frame in data holds, of those that are whole."""
        out, at = [], data.find(self.MAGIC)
        while at >= 0:
            rest = data[at:at + (1 << 20)]
            size = self.lib.ZSTD_findFrameCompressedSize(rest, ctypes.c_size_t(len(rest)))
            if not self.lib.ZSTD_isError(size):
                room = ctypes.create_string_buffer(1 << 20)
                got = self.lib.ZSTD_decompress(room, ctypes.c_size_t(1 << 20), rest, ctypes.c_size_t(size))
                if not self.lib.ZSTD_isError(got):
                    out.append(room.raw[:got])
            at = data.find(self.MAGIC, at + 1)
        return out

    def pack(self, data):
        room = ctypes.create_string_buffer(len(data) + 1024)
        size = self.lib.ZSTD_compress(room, ctypes.c_size_t(len(data) + 1024), data, ctypes.c_size_t(len(data)), 3)
        assert not self.lib.ZSTD_isError(size)
        return room.raw[:size]


class Needles:
    """Texts by their names, and which of them stand in given bytes: the first in every disguise, the others as they are."""

    def __init__(self, texts):
        first = next(iter(texts))
        self.bytes = {text if isinstance(text, bytes) else text.encode(): name for name, text in texts.items()} | {disguise: first for disguise in disguises(texts[first])}
        self.zstd = Zstd()

    def of(self, data):
        found = {name for needle, name in self.bytes.items() if needle in data}
        for opened in self.zstd.opened(data):
            found |= {f"{name} (compressed)" for needle, name in self.bytes.items() if needle in opened}
        return found


# ---- where it is looked for ----

def memory(pid):
    """Every page that the process has, mapping by mapping; PermissionError where the kernel says no."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem, open(f"/proc/{pid}/pagemap", "rb", buffering=0) as present:
        for line in maps.read().splitlines():
            span, rights, offset, _, _, *name = line.split()
            begin, end = (int(x, 16) for x in span.split("-"))
            if name and name[0].startswith("/") and os.path.exists(name[0]):  # behind the file's end there is nothing
                end = min(end, begin + max(os.stat(name[0]).st_size - int(offset, 16) + PAGE - 1, 0) // PAGE * PAGE)
            if rights[0] != "r" or end - begin > LARGEST or name[:1] in (["[vvar]"], ["[vsyscall]"]):
                continue
            present.seek(begin // PAGE * 8)
            bits = bytearray()
            while len(bits) < (end - begin) // PAGE * 8:
                more = present.read(min(1 << 24, (end - begin) // PAGE * 8 - len(bits)))
                if not more:
                    break
                bits += more
            tops = bits[7::8]  # bit 63 present, bit 62 swapped
            at, run = 0, []
            for gap in re.finditer(rb"[^\x00-\x3f]+", bytes(tops)):
                mem.seek(begin + gap.start() * PAGE)
                left = (gap.end() - gap.start()) * PAGE
                while left > 0:
                    got = mem.read(min(left, 1 << 26))
                    if not got:
                        break
                    run.append(got)
                    left -= len(got)
            if run:
                yield b"".join(run)


def memory_of(pid):
    """All of it in one; None where this user may not look, which is said."""
    try:
        return b"\0".join(memory(pid))
    except PermissionError as e:
        print(f"skipped: the memory of process {pid}, since the kernel does not show it to this user ({e}); run it as root")
        return None


def folder(path):
    """Every byte of every file below it, but for long runs of zeros."""
    return b"\n".join(re.sub(rb"\0{4096,}", b"\0", file.read_bytes()) for file in sorted(path.rglob("*")) if file.is_file())


class Wire:
    """A relay on a port of its own that keeps every byte that passes, both ways."""

    def __init__(self, to):
        self.to, self.kept, self.lock = to, [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                if self.listener.fileno() < 0:
                    return
                near.close()  # the broker is not up
                continue
            self.open += [near, far]
            for a, b in (near, far), (far, near):
                threading.Thread(target=self.carry, args=(a, b, bytearray()), daemon=True).start()

    def carry(self, a, b, mine):
        with self.lock:
            self.kept.append(mine)  # each direction by itself, so that nothing is cut apart by another's bytes
        try:
            while got := a.recv(65536):
                mine += got
                b.sendall(got)
        except OSError:
            pass
        for s in a, b:
            s.close()

    def bytes(self):
        with self.lock:
            return b"\n".join(bytes(one) for one in self.kept)

    def close(self):
        for s in self.open:
            s.close()


# ---- what is sent ----

class Canary:
    """A text for each field: those of free text begin with a word made anew; times, numbers and codes, which cannot, are odd ones."""

    def __init__(self):
        self.word = "kanari" + secrets.token_hex(6)
        self.texts = {"the word": self.word}
        self.count = 0

    def text(self):
        self.count += 1
        return f"{self.word}x{self.count:03d}"

    def odd(self, name, text):
        """A text that does not hold the word and is looked for itself."""
        assert text not in self.texts.values()
        self.texts[name] = text
        return text

    def time(self, name, **later):
        """Soon, in a zone that no country has."""
        self.count += 1
        zone = datetime.timezone(datetime.timedelta(hours=3, minutes=self.count % 50 + 7))
        return self.odd(name, (datetime.datetime.now(zone).replace(microsecond=0) + datetime.timedelta(**later)).isoformat())

    def digits(self, count):
        return str(1 + secrets.randbelow(9)) + "".join(str(secrets.randbelow(10)) for _ in range(count - 2)) + str(1 + secrets.randbelow(9))

    def tag(self, language):
        return self.odd(f"language {language}", f"{language}-x-{secrets.token_hex(4)}-{secrets.token_hex(2)}")

    # an alert

    def pair(self, tag):
        return f"<{tag}><valueName>{self.text()}</valueName><value>{self.text()}</value></{tag}>"

    def resource(self):
        content = secrets.token_bytes(3000)  # does not compress
        self.odd(f"content {self.count}", content[100:160])
        return (f"<resource><resourceDesc>{self.text()}</resourceDesc><mimeType>image/{self.text()}</mimeType><size>3000</size><uri>{self.text()}.png</uri>"
                f"<derefUri>{base64.b64encode(content).decode()}</derefUri><digest>{self.odd(f'digest {self.count}', hashlib.sha1(content).hexdigest())}</digest></resource>"
                f"<resource><resourceDesc>{self.text()}</resourceDesc><mimeType>text/{self.text()}</mimeType><uri>https://{self.text()}.example/</uri></resource>")

    def area(self, i):
        lat, lon = f"48.{self.digits(9)}", f"9.{self.digits(9)}"
        self.odd(f"latitude {i}", lat)
        self.odd(f"longitude {i}", lon)
        circle = self.odd(f"circle {i}", f"47.{self.digits(9)},8.{self.digits(9)} 1.{self.digits(8)}")
        return (f"<area><areaDesc>{self.text()}</areaDesc><polygon>{lat},{lon} 48.8,{lon} 48.8,9.1 {lat},{lon}</polygon><circle>{circle}</circle>{self.pair('geocode')}"
                f"<altitude>{self.odd(f'altitude {i}', '1000.' + self.digits(8))}</altitude><ceiling>{self.odd(f'ceiling {i}', '2000.' + self.digits(8))}</ceiling></area>")

    def info(self, language, i):
        return (f"<info><language>{self.tag(language)}</language><category>Met</category><event>{self.text()}</event><responseType>Avoid</responseType><urgency>Immediate</urgency>"
                f"<severity>Extreme</severity><certainty>Observed</certainty><audience>{self.text()}</audience>{self.pair('eventCode')}"
                f"<effective>{self.time(f'effective {i}', minutes=1)}</effective><onset>{self.time(f'onset {i}', minutes=2)}</onset><expires>{self.time(f'expires {i}', hours=2)}</expires>"
                f"<senderName>{self.text()}</senderName><headline>{self.text()}</headline><description>{self.text()} {'and so on ' * 40}</description><instruction>{self.text()}</instruction>"
                f"<web>https://{self.text()}.example/</web><contact>{self.text()}</contact>{self.pair('parameter')}{self.pair('parameter')}"
                f"{self.resource()}{self.area(f'{i} a')}{self.area(f'{i} b')}</info>")

    def alert(self):
        sent = self.time("sent")
        before = f"{self.text()},{self.text()},{self.time('reference', hours=-1)}"
        return (f'<?xml version="1.0" encoding="UTF-8"?>\n<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{self.text()}</identifier><sender>{self.text()}</sender>'
                f"<sent>{sent}</sent><status>Actual</status><msgType>Alert</msgType><source>{self.text()}</source><scope>Restricted</scope><restriction>{self.text()}</restriction>"
                f"<addresses>{self.text()} &quot;{self.text()} b&quot;</addresses><code>{self.text()}</code><code>{self.text()}</code><note>{self.text()}</note>"
                f"<references>{before}</references><incidents>{self.text()}</incidents>{self.info('de', 1)}{self.info('en', 2)}</alert>\n")

    # a request

    def request(self):
        latitude, longitude = (float(f"{n}.{self.digits(9)}") for n in (48, 9))
        for name, number in ("latitude", latitude), ("longitude", longitude):
            self.odd(f"request's {name}", str(number))
            self.odd(f"request's {name} as bytes", struct.pack("<d", number))
        return json.dumps({
            "kind": "Presence", "subject": self.text(), "description": self.text(), "language": self.tag("fr"),
            "place": {"description": self.text(), "position": {"latitude": latitude, "longitude": longitude, "accuracyM": 30}, "areaCode": self.odd("area code", self.digits(12))},
            "observedAt": self.time("observed"), "neededBy": self.time("needed", hours=1), "contact": self.text(), "caseReference": self.text(),
            "grading": {"source": "Reliable", "content": "Confirmed", "completeness": "Partial", "asOf": self.time("as of")},
            "handling": {"mark": "Sensitive", "purpose": self.text(), "legalBasis": self.text(), "onward": "Forbidden", "deleteBy": self.time("delete by", hours=9)},
        })


def text_fields(message):
    """The paths of all its texts and bytes, as proto/kurzweg/notice.proto has them, so that none is forgotten when one is added."""
    schema = (SOURCE / "proto" / "kurzweg" / "notice.proto").read_text()
    found = {}

    def collect(name, path):
        body = re.search(rf"(?ms)^message {name} \{{\n(.*?)^\}}", schema).group(1)
        for repeated, kind, field in re.findall(r"(?m)^  (repeated )?([\w.]+) (\w+) = \d+", body):
            here = path + (re.sub(r"_(\w)", lambda m: m[1].upper(), field),)
            if kind in ("string", "bytes"):
                found[here] = kind
            elif re.search(rf"(?m)^message {kind} \{{\n", schema):
                collect(kind, here)

    collect(message, ())
    return found


def values(content, path):
    if isinstance(content, list):
        return [value for one in content for value in values(one, path)]
    return values(content.get(path[0], []), path[1:]) if path else [content]


class Canaries(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        real, = free_ports()
        self.wire = Wire(real)
        self.addCleanup(self.wire.close)
        self.p = Partnership(self, endpoint=f"tcp://127.0.0.1:{self.wire.port}", nodes={POLICE: "police", CITY: "city"}, topics=TOPICS)
        self.p.agreement()
        self.p.endpoint = f"tcp://127.0.0.1:{real}"  # there it listens; the nodes come by the wire
        with open(self.folder / "agreement.yaml") as file:
            self.assertIn(str(self.wire.port), file.read())
        self.broker = self.p.broker()
        self.broker.stop()
        with open(self.folder / "broker.yaml", "a") as file:
            file.write("log: debug\n")
        self.broker.start().wait_for("broker.ready", times=2)
        self.nodes = {name: self.p.node(name) for name in (POLICE, CITY)}
        for node in self.nodes.values():
            node.wait_for("link.up")
        self.canary = Canary()

    def at(self, node):
        return ("--socket", self.p.socket(node))

    def asks(self):
        """All that an operator can look at."""
        return [("status",), ("status", "--json"), ("nodes",), ("nodes", "--json"), ("nodes", CITY), ("top", "--once"), ("broker", "headers"), *([what, identity, *how] for what in ("trace", "explain") for identity in self.ids for how in ((), ("--json",)))]

    def look(self, when, had_by):
        """Nothing of it where nothing may be; but the topic's name wherever it has to be, at the nodes had_by and at the broker: so the search sees these places."""
        operator = "".join(self.kurzweg(*ask, "--control", f"ipc://{self.folder}/broker.sock").stdout for ask in self.asks())
        operator += self.kurzweg("status", "--check", "--control", f"ipc://{self.folder}/broker.sock", code=None).stdout
        places = {"the broker's disk": folder(self.folder / "broker"), "the log of the broker": self.broker.log.read_bytes(), "the wire": self.wire.bytes(),
                  "what the operator is shown": operator.encode(), "the broker's memory": memory_of(self.broker.pid)}
        for node in POLICE, CITY:
            name = node.replace("/", "-")
            places[f"the state of {node}"] = folder(self.folder / name)
            places[f"the log of {node}"] = (self.folder / f"{name}.log").read_bytes()
        needles, topic = Needles(self.canary.texts), Needles({"topic": self.topic})
        for place, data in places.items():
            if data is None:
                continue
            self.assertEqual(needles.of(data), set(), f"{when}: {place}")
            if place in ("the broker's disk", "the broker's memory", "what the operator is shown", *(f"the state of {node}" for node in had_by)):
                self.assertEqual(topic.of(data), {"topic"}, f"{when}: {place} does not even show the topic: the search looks in the wrong place")
            if place == "the wire":
                self.assertEqual(topic.of(data), set(), f"{when}: the topic stands on the wire")
                self.assertGreater(len(data), self.least, "not what was sent went over this wire")

    def publish(self, topic, *how):
        return self.kurzweg("publish", topic, *how, "--confirm", "--wait", "stored", *self.at(POLICE)).stdout.strip()

    def assert_whole(self, message, content):
        """Every text of the schema arrived, each time with a canary in it."""
        texts = [t for t in self.canary.texts.values() if isinstance(t, str)]
        octets = [t for t in self.canary.texts.values() if isinstance(t, bytes)]
        for path, kind in text_fields(message).items():
            got = values(content, path)
            self.assertGreater(len(got), 0, f"{path} is not in the {message}: the campaign forgets it")
            for value in got:
                self.assertTrue(any(t in base64.b64decode(value) for t in octets) if kind == "bytes" else any(t in value for t in texts), f"{path}: {value[:80]}")

    def test_no_field_of_an_alert_or_request_is_seen_by_anybody_but_its_readers(self):
        self.topic = "thema" + secrets.token_hex(6)
        cap, request = self.write("canary.xml", self.canary.alert()), self.write("canary.json", self.canary.request())
        self.least = 4 * 3000
        self.nodes[CITY].stop()
        ids = self.ids = [self.publish(f"alert/{self.topic}", "--cap", cap), self.publish(f"request/{self.topic}", "--json", request)]
        self.look("stored, not yet delivered", [POLICE])
        self.nodes[CITY].start().wait_for("partner.ready", times=2)
        rows = wait_until(lambda: len(got := self.kurzweg("inbox", "--json", *self.at(CITY)).stdout.splitlines()) == 2 and got, what="both at the reader")
        rows = {row["id"]: row["content"] for row in map(json.loads, rows)}
        self.assert_whole("Alert", rows[ids[0]])
        self.assertIn(self.canary.word, self.kurzweg("inbox", ids[0], *self.at(CITY)).stdout)
        self.assert_whole("Request", rows[ids[1]])
        for identity in ids:
            wait_until(lambda: not self.kurzweg_json("trace", identity, *self.at(POLICE))["missing"], what="the receipt", deadline=90)
        self.look("delivered", [POLICE, CITY])
        for daemon in self.broker, *self.nodes.values():
            self.assertEqual(daemon.stop(), 0)
        self.broker.start().wait_for("broker.ready", times=3)
        self.look("after a restart", [POLICE, CITY])


class Search(kurzweg_test.TestCase):
    def test_the_search_finds_what_is_planted(self):
        canary = Canary()
        word = canary.text()
        needles = Needles(canary.texts)
        for form in (word.encode(), word.encode("utf-16-le"), word.encode().hex().encode(), *(base64.b64encode(b"abcd"[:n] + word.encode()) for n in range(4)),
                     base64.urlsafe_b64encode(b"?>" + word.encode())):
            self.assertEqual(needles.of(os.urandom(1000) + form + os.urandom(1000)), {"the word"}, form)
        packed = needles.zstd.pack((word + "and so on " * 50).encode() * 2)
        self.assertIn("the word (compressed)", needles.of(os.urandom(1000) + packed + os.urandom(1000)))
        with socket.create_server(("127.0.0.1", 0)) as server:
            wire = Wire(server.getsockname()[1])
            self.addCleanup(wire.close)
            with socket.create_connection(("127.0.0.1", wire.port)) as s:
                s.sendall(word.encode())
                wait_until(lambda: needles.of(wire.bytes()), what="the word on the wire")
        (self.folder / "deep" / "down").mkdir(parents=True)
        self.write("deep/down/file", "x" * 5000 + word)
        self.assertEqual(needles.of(folder(self.folder)), {"the word"})
        if (got := memory_of(os.getpid())) is not None:
            self.assertIn("the word", needles.of(got))  # of this process, which has it


if __name__ == "__main__":
    kurzweg_test.main()
