"""What tests of running nodes share: keys made once for all tests of a class, and a node's local socket (docs/protocol.md, section 9)."""

import copy
import json
import shutil
import subprocess
import time

import zmq

import kurzweg_test
from kurzweg_test import SOURCE, Partnership, free_ports, wait_until

POLICE, CITY, CRIME, YOUTH = "police/control-room", "city/public-order", "city/crime-prevention", "youth-house/office"


class Refused(Exception):
    """What the node said no with; code is the error's name."""

    def __init__(self, answer):
        super().__init__(answer["text"])
        self.code = answer["error"]


class Desk:
    """Asks one node; every answer must come within the deadline."""

    def __init__(self, endpoint):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(endpoint)
        self.number = 0

    def close(self):
        self.context.destroy(linger=0)

    def ask(self, verb, document=None, **keys):
        self.number += 1
        request = json.dumps({"request": self.number, "verb": verb, **keys}).encode()
        self.socket.send_multipart([request] + ([document] if document is not None else []))
        end = time.monotonic() + kurzweg_test.DEADLINE + keys.get("wait_ms", 0) / 1000
        while (left := end - time.monotonic()) > 0 and self.socket.poll(left * 1000):
            answer = json.loads(self.socket.recv())
            if answer["request"] != self.number:
                continue  # of an earlier one that nobody waited for
            if not answer["ok"]:
                raise Refused(answer)
            return answer["result"]
        raise AssertionError(f"{verb} is not answered")

    def publish(self, topic, document, form="cap", **keys):
        return self.ask("publish", document if isinstance(document, bytes) else document.encode(), topic=topic, form=form, **keys)["id"]

    def stored(self, identity):
        self.ask("state", id=identity, stage="stored", wait_ms=30000)

    def status(self):
        return self.ask("status")

    def alarms(self):
        return {alarm["code"]: alarm["text"] for alarm in self.status()["alarms"]}

    def inbox(self, **query):
        """Every row that the query lets through."""
        rows, after = [], 0
        while True:
            got = self.ask("inbox", **{"content": "none", "after_seq": after, **query})
            rows += got["rows"]
            after = got["after"]
            if not got["more"]:
                return rows

    def row(self, identity, **query):
        """That notification's row, once it is there."""
        return wait_until(lambda: self.inbox(id=identity, **query), what=f"{identity} in the inbox")[0]


def fresh(name):
    """An example's text with its times moved to now."""
    done = subprocess.run([SOURCE / "examples" / "fresh", SOURCE / "examples" / name], capture_output=True, text=True, check=True)
    return done.stdout


def numbered(text, number):
    """The alert under an identifier of its own."""
    begin, rest = text.split("<identifier>", 1)
    return f"{begin}<identifier>test-{number}{rest[rest.index('</identifier>'):]}"


class NodesCase(kurzweg_test.TestCase):
    """A partnership with keys that the class's tests share; broker and nodes are each test's own."""

    TOPICS = Partnership.TOPICS

    @classmethod
    def setUpClass(cls):
        stage = kurzweg_test.TestCase()
        stage.setUp()
        cls.addClassCleanup(stage.doCleanups)
        cls.shared = Partnership(stage, endpoint="tcp://127.0.0.1:1", topics=cls.TOPICS)
        cls.flood = fresh("flood-neckar.cap.xml")

    def setUp(self):
        super().setUp()
        self.p = copy.copy(self.shared)
        shutil.copytree(self.shared.folder, self.folder, dirs_exist_ok=True)
        self.p.test, self.p.folder, self.p.endpoint = self, self.folder, f"tcp://127.0.0.1:{free_ports()[0]}"
        self.p.passphrase_file = self.folder / "passphrase"
        self.p.lines = dict(self.shared.lines)
        self.p.agreement()
        self.desks = {}

    def start(self, node, link=True, **more):
        """The node's daemon, connected unless told otherwise, and its desk in self.desks."""
        daemon = self.p.node(node, **more)
        if link:
            daemon.wait_for("link.up")
        self.desk(node)
        return daemon

    def desk(self, node):
        if node in self.desks:
            self.desks[node].close()
        self.desks[node] = Desk(self.p.socket(node))
        self.addCleanup(self.desks[node].close)
        return self.desks[node]
