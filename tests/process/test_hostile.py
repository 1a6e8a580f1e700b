"""Strangers and misbehaving nodes at the real broker's port: it lives on, serves the others, and its memory stays bounded.

One broker stands through all of this; every test ends with a node that is served, by the very process that was attacked.
"""

import os
import select
import signal
import socket
import struct
import time
import unittest

import zmq

import kurzweg_test
import strangers
from kurzweg_test import Partnership, free_ports, wait_until
from strangers import Key, Node, Raw

ATTACKERS = 47
MIB = 1 << 20
# Sanitizers keep shadow memory and freed blocks: what is bounded in MiB below is bounded well above that, and well below an attack.
ENVIRONMENT = {"ASAN_OPTIONS": "abort_on_error=1:quarantine_size_mb=1:allocator_release_to_os_interval_ms=100"}


def setUpModule():
    Hostile.stage = kurzweg_test.TestCase()
    Hostile.stage.setUp()
    nodes = dict(Partnership.NODES) | {f"city/a{i:02}": "city" for i in range(ATTACKERS)}
    Hostile.port = free_ports()[0]
    Hostile.p = Partnership(Hostile.stage, nodes=nodes, endpoint=f"tcp://127.0.0.1:{Hostile.port}")
    path = Hostile.p.agreement()
    Hostile.hash = bytes.fromhex(Hostile.p.hash_of(path).split(":")[-1])
    Hostile.broker = Hostile.p.broker(**ENVIRONMENT)
    Hostile.pid = Hostile.broker.pid
    Hostile.public = Key(Hostile.p.key("haus")).public
    Hostile.context = zmq.Context()
    Hostile.attackers = iter(f"city/a{i:02}" for i in range(ATTACKERS))


def tearDownModule():
    Hostile.context.destroy(linger=0)
    try:
        code = Hostile.broker.stop()
        assert code == 0, f"the broker ended with {code}:\n{Hostile.broker.text()}"
    finally:
        Hostile.stage.doCleanups()


class Hostile(unittest.TestCase):
    def attacker(self):
        """A node's name and key, its own for every test: who misbehaves is silenced for a minute."""
        name = next(self.attackers)
        return name, Key(self.p.key(name))

    def node(self, key, identity=None):
        node = Node(self.context, self.p.endpoint, self.public, key, identity)
        self.addCleanup(node.close)
        return node

    def raw(self, key, **more):
        raw = Raw(self.port, self.public, key, **more)
        self.addCleanup(raw.close)
        return raw

    def status(self):
        control = strangers.Control(self.context, self.p.folder / "broker.sock")
        try:
            got = control.status()
            self.assertIsNotNone(got, "the control socket does not answer")
            return got
        finally:
            control.close()

    def counter(self, name):
        return self.status()["counters"][name]

    def rss(self):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))

    @staticmethod
    def burnt(pid):
        """Seconds of processor that it has used."""
        with open(f"/proc/{pid}/stat") as stat:
            return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def serves(self, seconds=5.0):
        """A node of good standing is let in, welcomed and answered; the process is the one that was started."""
        self.assertTrue(self.broker.alive(), self.broker.text()[-3000:])
        began = time.monotonic()
        good = Node(self.context, self.p.endpoint, self.public, Key(self.p.key("police/control-room")))
        good.send(strangers.hello(self.hash))
        self.assertIsNotNone(good.expect(strangers.WELCOME), "nobody is welcomed any more:\n" + self.broker.text()[-3000:])
        self.assertLess(time.monotonic() - began, seconds)
        good.close()

    def setUp(self):
        self.before = self.rss()

    def tearDown(self):
        self.serves()

    def bounded(self, mib):
        self.assertLess(self.rss() - self.before, mib * MIB)

    def closes(self, sockets, seconds):
        """All of them are closed by the broker within that time; how long it took."""
        began, left = time.monotonic(), {s.fileno(): s for s in sockets}
        poll = select.poll()
        for fd in left:
            poll.register(fd, select.POLLIN | select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        while left and time.monotonic() - began < seconds:
            for fd, _ in poll.poll(200):
                try:
                    gone = left[fd].recv(65536) == b""
                except OSError:
                    gone = True
                if gone:
                    poll.unregister(fd)
                    left.pop(fd)
        self.assertEqual(len(left), 0, "connections are still open")
        return time.monotonic() - began

    def connections(self, count, say=b""):
        sockets = []
        for _ in range(count):
            s = strangers.tcp(self.port)
            self.addCleanup(s.close)
            if say:
                s.sendall(say)
            sockets.append(s)
        return sockets

    # ---- before the handshake is over ----

    def test_a_thousand_silent_connections_are_closed_after_five_seconds(self):
        sockets = self.connections(1000)
        self.serves()
        self.bounded(100)
        took = self.closes(sockets, 30)
        self.assertGreater(took, 1)

    def test_a_thousand_that_greet_and_stop_are_closed_after_five_seconds(self):
        before = self.counter("handshakes_failed")
        sockets = self.connections(1000, strangers.greeting())
        self.serves()
        self.bounded(200)
        self.closes(sockets, 30)
        wait_until(lambda: self.counter("handshakes_failed") >= before + 1000, what="a thousand failed handshakes counted")

    def test_a_frame_of_two_to_the_63_is_closed_at_once(self):
        sockets = self.connections(20, strangers.greeting() + b"\x06" + struct.pack(">Q", 2**63 - 1) + b"x" * 1000)
        self.closes(sockets, 4)
        self.bounded(50)

    def test_half_sent_commands_of_the_largest_size_cost_no_more_than_they_may(self):
        largest = 320 * 1024
        sockets = self.connections(64, strangers.greeting() + b"\x06" + struct.pack(">Q", largest - 100) + b"x" * (largest // 2))
        self.bounded(64 * largest // MIB * 3)
        self.serves()
        self.closes(sockets, 30)

    def test_other_protocols_and_mechanisms_are_refused(self):
        sockets = []
        for opening in (b"\x01\x00" + b"\0" * 62,  # ZMTP 1.0: a length and flags
                        b"\xff" + b"\0" * 8 + b"\x7f" + b"\x01\x05\x00\x00",  # ZMTP 2.0: revision, socket type, an empty identity
                        strangers.greeting(mechanism=b"NULL"), strangers.greeting(mechanism=b"PLAIN"), strangers.greeting(mechanism=b"GSSAPI"),
                        strangers.greeting(mechanism=b"CURVE" + b"!" * 15),
                        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n" + b" " * 64, b"\x16\x03\x01\x02\x00\x01" + os.urandom(512), os.urandom(4096)):
            sockets += self.connections(2, opening)
        self.closes(sockets, 30)
        self.assertEqual(self.counter("without_user"), 0)

    def test_a_hello_for_another_server_of_another_size_or_version_is_refused(self):
        def opening(change):
            raw = object.__new__(Raw)
            raw.server, raw.short, raw.count = Key().public, Key(), 0
            return strangers.greeting() + strangers.command(change(raw.hello()))

        sockets = []
        for change in (lambda h: h, lambda h: h[:-1], lambda h: h + b"x", lambda h: h[:6] + b"\x09\x00" + h[8:], lambda h: b"\x05HELLO",
                       lambda h: b"\x08INITIATE" + h[9:], lambda h: b""):
            sockets += self.connections(3, opening(change))
        self.closes(sockets, 30)

    def test_bytes_that_come_one_at_a_time_are_cut_off_like_silence(self):
        sockets, opening = self.connections(20), strangers.greeting()
        end = time.monotonic() + 4
        for i in range(40):
            if time.monotonic() > end:
                break
            for s in sockets:
                s.sendall(opening[i:i + 1])
            time.sleep(0.05)  # the attack is this slow; nothing is waited for
        self.closes(sockets, 30)

    def test_an_unknown_key_stays_outside_and_leaves_a_line(self):
        before, key = self.counter("unknown_keys"), Key()
        node = self.node(key)
        node.send(strangers.hello(self.hash))
        wait_until(lambda: self.counter("unknown_keys") > before, what="an unknown key counted")

        def told():  # of what peers cause ten lines a second are written: it knocks until it is among them
            self.node(key).send(strangers.hello(self.hash))
            return f"gate.unknown_key peer=127.0.0.1 key={key.public.hex()[:16]}" in self.broker.text()

        wait_until(told, what="a line about the unknown key")
        self.assertIsNone(node.receive(0.2))

    def test_a_known_public_key_without_its_secret_stays_outside(self):
        thief = Key()
        thief.public = Key(self.p.key("police/control-room")).public
        with self.assertRaises((ConnectionError, ValueError, OSError)):
            self.raw(thief)

    # ---- within the handshake's rules, and against the broker's ----

    def test_what_a_peer_says_of_itself_makes_it_nobody_else(self):
        name, key = self.attacker()
        operator = Key(self.p.key("night-desk"))
        forged = ((b"Socket-Type", b"DEALER"), (b"Identity", b""), (b"User-Id", b"o" + operator.public.hex().encode()), (b"Peer-Address", b"192.0.2.1"),
                  (b"X-More", b"x" * 1000))
        raw = self.raw(key, metadata=forged)
        raw.send(strangers.hello(self.hash))
        raw.expect(strangers.WELCOME)
        raw.send(strangers.admin(1))
        self.assertEqual(strangers.fields(raw.expect(strangers.REFUSED))[1][0], strangers.CODES.index("denied"))
        seen = next(n for n in self.status()["nodes"] if n["id"] == name)
        self.assertEqual(seen["address"], "127.0.0.1")

    def test_another_socket_type_or_broken_metadata_gets_no_connection(self):
        _, key = self.attacker()
        for metadata in (((b"Socket-Type", b"ROUTER"), (b"Identity", b"")), ((b"Socket-Type", b"PUB"),), ((b"Identity", b"x" * 256), (b"Socket-Type", b"DEALER")),
                         ((b"Socket-Type", b"x" * 5000),)):
            try:
                raw = self.raw(key, metadata=metadata)
                raw.send(strangers.hello(self.hash))
                raw.expect(strangers.WELCOME)  # where libzmq takes it, it is a node like others
                raw.close()
            except (ConnectionError, OSError):
                pass

    def test_a_routing_id_that_is_anothers_or_might_be_the_next_harms_nobody(self):
        (_, key), (_, twin_key) = self.attacker(), self.attacker()
        first = self.node(key, identity=b"police/control")
        first.send(strangers.hello(self.hash))
        self.assertIsNotNone(first.expect(strangers.WELCOME))
        twin = self.node(twin_key, identity=b"police/control")
        twin.send(strangers.hello(self.hash))
        long = self.node(twin_key, identity=b"x" * 255)
        long.send(strangers.hello(self.hash))
        self.assertIsNotNone(long.expect(strangers.WELCOME))
        first.send(strangers.octets(strangers.BEAT, b""))
        for _ in range(100):  # libzmq's own ids are a zero and four bytes
            raw = self.raw(twin_key, metadata=((b"Socket-Type", b"DEALER"), (b"Identity", b"\0" + os.urandom(4))))
            raw.close()
        self.serves()
        self.assertGreaterEqual(self.counter("odd_routing_ids"), 2)

    def test_two_connections_of_one_key_do_not_both_get_what_is_meant_for_it(self):
        _, key = self.attacker()
        older, newer = self.node(key), self.node(key)
        older.send(strangers.hello(self.hash))
        self.assertIsNotNone(older.expect(strangers.WELCOME))
        newer.send(strangers.hello(self.hash))
        self.assertIsNotNone(newer.expect(strangers.WELCOME))
        self.assertEqual(older.expect_refused(), "replaced")
        older.send(strangers.octets(strangers.BEAT, b""))
        self.assertIsNone(older.receive(0.3))  # not heard any more

    def test_nothing_is_published_before_hello_nor_in_anothers_name(self):
        name, key = self.attacker()
        node = self.node(key)
        mine = strangers.frame("musterstadt", self.hash, name, "report/x")
        node.send(strangers.publish(), mine)
        self.assertEqual(node.expect_refused(), "no_hello")
        node.send(strangers.hello(self.hash))
        self.assertIsNotNone(node.expect(strangers.WELCOME))
        node.send(strangers.publish(), strangers.frame("musterstadt", self.hash, "police/control-room", "report/x"))
        self.assertEqual(node.expect_refused(), "denied")
        readers = len([n for n in self.p.nodes if not n.startswith("youth")]) - 1
        node.send(strangers.publish(readers + 1), mine)
        self.assertEqual(node.expect_refused(), "audience")
        before = self.counter("stored")
        node.send(strangers.publish(readers), mine)
        wait_until(lambda: self.counter("stored") > before, what="a notification of its own stored")

    def test_a_topic_that_is_none_is_refused_and_stored_nowhere(self):
        before = self.counter("stored")
        bad = ["", "/", "report//x", "report/", "report/#", "report/+", "report/../x", "report/>", "report/*", "report/a\0b", "report/" + "x" * 300,
               "report/\u202ex", "report/\x1b[31m", b"report/\xff"]
        while bad:
            name, key = self.attacker()
            node = self.node(key)
            node.send(strangers.hello(self.hash))
            self.assertIsNotNone(node.expect(strangers.WELCOME))
            for topic in (bad.pop(), bad.pop()):  # the third would silence it
                node.send(strangers.publish(), strangers.frame("musterstadt", self.hash, name, topic))
                self.assertIn(node.expect_refused(), ("malformed", "denied"), topic)
        self.assertEqual(self.counter("stored"), before)
        self.assertNotIn("\x1b", self.broker.text())

    def test_frames_of_any_number_are_refused_and_three_silence(self):
        _, key = self.attacker()
        node = self.node(key)
        node.send(strangers.hello(self.hash))
        self.assertIsNotNone(node.expect(strangers.WELCOME))
        before = self.counter("malformed")
        node.send(b"")
        self.assertEqual(node.expect_refused(), "malformed")
        node.send(*[b"x"] * 3)
        self.assertEqual(node.expect_refused(), "malformed")
        node.send(*[b"x"] * 1000)
        self.assertEqual(node.expect_refused(), "malformed")
        dropped = self.counter("dropped")
        node.send(b"x")
        wait_until(lambda: self.counter("dropped") > dropped, what="a silenced peer's message dropped")
        self.assertEqual(self.counter("malformed"), before + 3)
        self.broker.wait_for("gate.silenced")
        self.bounded(50)

    def refused_as_malformed(self, *messages):
        """Each from a key of its own, so that none is silenced."""
        for message in messages:
            node = self.node(self.attacker()[1])
            node.send(*message) if isinstance(message, tuple) else node.send(message)
            self.assertEqual(node.expect_refused(), "malformed")

    def test_protobuf_bombs_are_refused_before_they_are_unpacked(self):
        unknown = b"\xa0\x06\x01" * (250 * 1024 // 3)  # field 100, again and again
        nested = b""
        for _ in range(30000):
            nested = strangers.octets(HELLO_FIELD, nested) if len(nested) < 200 * 1024 else nested
        overlong = strangers.varint(strangers.HELLO << 3 | 2) + b"\xff" * 10 + b"\x7f"
        twice = strangers.octets(strangers.BEAT, b"") * 2
        empties = strangers.octets(strangers.ACK, b"\x0a\x00" * (120 * 1024))  # an empty cursor, again and again
        self.refused_as_malformed(unknown, nested, overlong, twice, empties, strangers.octets(strangers.HELLO, b"\x08\x81\x80\x00"), b"\x00" * 1000,
                                  b"x" * (256 * 1024 + 1))
        self.bounded(100)

    def test_a_part_of_the_agreement_behind_its_end_is_refused(self):
        node = self.node(self.attacker()[1])
        node.send(strangers.hello(self.hash))
        self.assertIsNotNone(node.expect(strangers.WELCOME))
        node.send(strangers.agreement_get(1))
        whole = strangers.fields(node.expect(strangers.AGREEMENT))
        self.assertEqual(whole[5][0], len(whole[2][0]))
        for part in (1, 2**32 - 1):
            node.send(strangers.agreement_get(1, part))
            self.assertEqual(node.expect_refused(), "malformed")
        node.send(strangers.agreement_get(7))
        self.assertEqual(node.expect_refused(), "not_found")

    def test_parts_that_an_operator_brings_must_fit_together(self):
        def control():
            got = strangers.Control(self.context, self.p.folder / "broker.sock")
            self.addCleanup(got.close)
            return got

        install, part, whole = 2, b"#" * 65536, 4 * 65536
        first, second = control(), control()
        self.assertEqual(first.ask(strangers.admin(install, text=part, part=0, total=whole)), (True, ""))
        self.assertEqual(second.ask(strangers.admin(install, text=part, part=0, total=whole)), (False, "the same is under way just now: try again in a second"))
        for message, says in ((strangers.admin(install, text=part, part=2, total=whole), "part 2 came where part 1 was awaited"),
                              (strangers.admin(install, text=part, part=1, total=whole), "part 1 came where part 0 was awaited"),
                              (strangers.admin(install, text=part, part=0, total=2**32 - 1), "must have 1 to 2097152"),
                              (strangers.admin(install, text=part[1:], part=0, total=whole), "must have 65536"),
                              (strangers.admin(1, part=1), "has no parts")):
            granted, said = first.ask(message)
            self.assertFalse(granted)
            self.assertIn(says, said)
        self.assertEqual(second.ask(strangers.admin(install, text=part, part=0, total=whole)), (True, ""))  # nothing is under way any more
        for i in range(1, 4):
            granted, said = second.ask(strangers.admin(install, text=part, part=i, total=whole))
            self.assertEqual(granted, i < 3)
        self.assertIn("line 1", said)  # whole, and no agreement
        for i in range(40):  # each leaves a part behind and does not come again: one at a time is held
            control().ask(strangers.admin(install, text=part, part=0, total=32 * 65536))
        self.bounded(20)

    def test_a_header_that_bursts_is_refused(self):
        def with_header(header):
            return strangers.publish(), b"KWZ1" + struct.pack(">I", len(header)) + header + os.urandom(160) + struct.pack(">I", 4) + b"body"

        node = self.node(self.attacker()[1])
        node.send(strangers.hello(self.hash))
        self.assertIsNotNone(node.expect(strangers.WELCOME))
        node.send(*with_header(b"\xa0\x06\x01" * 1300))
        self.assertEqual(node.expect_refused(), "malformed")
        node.send(*with_header(strangers.octets(9, "city/x") * 500))
        self.assertEqual(node.expect_refused(), "malformed")

    def test_too_large_a_frame_ends_that_connection_alone(self):
        raw = self.raw(self.attacker()[1])
        raw.s.sendall(b"\x02" + struct.pack(">Q", 321 * 1024))
        self.closes([raw.s], 10)

    # ---- what libzmq does by itself ----

    def test_resets_with_messages_and_pings_under_way_abort_nothing(self):
        _, key = self.attacker()
        beat = strangers.octets(strangers.BEAT, b"")
        for round in range(60):
            raw = self.raw(key)
            out = raw.message(strangers.hello(self.hash))
            for i in range(300):
                out += raw.message(beat)
                if i % 10 == 0:
                    out += raw.message(b"\x04PING\x00\x0a" + b"context", is_command=True)
            if round % 6 == 0:  # all of it is there at once when the broker looks, and the reset behind it
                os.kill(self.pid, signal.SIGSTOP)
            try:
                raw.s.sendall(out)
                raw.reset()
            finally:
                os.kill(self.pid, signal.SIGCONT)
        self.bounded(100)

    def test_a_flood_of_pings_and_a_short_one_grow_nothing(self):
        raw = self.raw(self.attacker()[1])
        raw.s.sendall(raw.message(b"\x04PING", is_command=True))
        raw.s.sendall(raw.message(b"\x04PING\x00", is_command=True))
        raw.s.settimeout(5)
        ping = b"\x04PING\x00\x0a" + b"0123456789abcdef"
        try:
            for _ in range(200):
                raw.s.sendall(b"".join(raw.message(ping, is_command=True) for _ in range(100)))
        except OSError:
            pass  # it did not read our pongs, or has had enough
        self.bounded(50)

    def test_a_hundred_commands_that_nobody_knows_end_that_connection_at_most(self):
        raw = self.raw(self.attacker()[1])
        try:
            for i in range(100):
                raw.s.sendall(raw.message(b"\x07UNKNOWN" + bytes([i]), is_command=True))
                raw.s.sendall(raw.message(b"\x09SUBSCRIBE#", is_command=True))
                raw.s.sendall(raw.message(b"", is_command=True))
        except OSError:
            pass

    def test_behind_a_nonce_that_goes_back_or_a_box_that_does_not_open_nothing_is_heard(self):
        beat = strangers.octets(strangers.BEAT, b"")
        for spoil in (lambda m: m[:-1] + bytes([m[-1] ^ 1]), lambda m: m[:2] + b"\x07MESSAGE" + b"\0" * 8 + m[18:]):
            raw = self.raw(self.attacker()[1])
            raw.send(beat)
            self.assertEqual(strangers.fields(raw.expect(strangers.REFUSED))[1][0], strangers.CODES.index("no_hello"))
            before = self.counter("messages")
            try:
                raw.s.sendall(spoil(raw.message(beat)) + raw.message(beat))
            except OSError:
                pass
            self.serves()
            self.assertEqual(self.counter("messages"), before + 1)  # the good node's hello

    def test_reconnecting_three_hundred_times_leaves_nothing_behind(self):
        _, key = self.attacker()
        for _ in range(300):
            raw = self.raw(key)
            raw.send(strangers.hello(self.hash))
            raw.close()
        self.bounded(60)
        wait_until(lambda: self.status()["sessions"] <= 60, what="few sessions")

    def test_a_peer_that_never_ends_its_message_costs_what_it_sent_and_gives_it_back(self):
        raw = self.raw(self.attacker()[1])
        part = bytes(256 * 1024)
        for _ in range(200):  # 50 MiB
            raw.s.sendall(raw.message(part, more=True))
        self.serves()
        self.bounded(50 * 4)
        raw.close()
        wait_until(lambda: self.rss() - self.before < 50 * MIB, what="the memory given back")

    def test_more_connections_than_descriptors_stop_nobody_for_longer_than_they_last(self):
        port, few = free_ports()[0], 300
        config = self.p.folder / "few.yaml"
        text = (self.p.folder / "broker.yaml").read_text().replace(str(self.port), str(port)).replace("broker.sock", "few.sock")
        config.write_text(text.replace(f"path: {self.p.folder}/broker", f"path: {self.p.folder}/few") + "connections: 16\n")
        broker = kurzweg_test.Daemon(["prlimit", f"--nofile={few}:{few}", kurzweg_test.BIN / "kurzweg-broker", "--config", config], self.p.folder / "few.log", **ENVIRONMENT)
        self.addCleanup(lambda: broker.stop(signal.SIGKILL))
        broker.wait_for("broker.ready")
        strangers_ = []
        for _ in range(2 * few):
            try:
                strangers_.append(strangers.tcp(port))
            except OSError:
                break
        control = strangers.Control(self.context, self.p.folder / "few.sock")
        self.addCleanup(control.close)
        self.assertIsNotNone(control.status(), "the operator is locked out:\n" + broker.text())
        broker.wait_for("gate.few_descriptors")
        began, burnt = time.monotonic(), self.burnt(broker.pid)
        while time.monotonic() < began + 2:  # it does not turn round and round at the limit, either
            self.assertIsNotNone(control.status())
            time.sleep(0.1)
        self.assertLess(self.burnt(broker.pid) - burnt, 0.5 * (time.monotonic() - began))
        for s in strangers_:
            s.close()
        good = Node(self.context, f"tcp://127.0.0.1:{port}", self.public, Key(self.p.key("police/control-room")))
        self.addCleanup(good.close)
        good.send(strangers.hello(self.hash))
        self.assertIsNotNone(good.expect(strangers.WELCOME, 30), broker.text())
        self.assertIsNotNone(control.status())
        self.assertEqual(broker.stop(), 0)

    def test_two_daemons_with_one_key_say_so(self):
        first = self.p.node("city/public-order", **ENVIRONMENT)
        self.addCleanup(first.stop)
        first.wait_for("link.up")
        config = self.p.folder / "twin.yaml"
        text = (self.p.folder / "city-public-order.yaml").read_text()
        config.write_text(text.replace("city-public-order.sock", "twin.sock").replace(f"state: {self.p.folder}/city-public-order", f"state: {self.p.folder}/twin"))
        twin = self.stage.daemon("kurzweg-partner", "--config", config, log=self.p.folder / "twin.log", **ENVIRONMENT)
        self.addCleanup(twin.stop)
        twin.wait_for("link.up")
        first.wait_for("code=replaced")
        self.assertLess((first.text() + twin.text()).count("link.up"), 5)  # they do not throw each other out in a circle

    def test_a_hello_from_a_node_that_is_served_and_then_reads_nothing_stops_nobody(self):
        raw = self.raw(self.attacker()[1])
        raw.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        beat = raw.message(strangers.hello(self.hash))
        raw.s.settimeout(2)
        try:
            for _ in range(2000):  # each is answered with a welcome that is not read
                raw.s.sendall(beat)
                beat = raw.message(strangers.hello(self.hash))
        except OSError:
            pass
        self.bounded(100)


HELLO_FIELD = strangers.HELLO

if __name__ == "__main__":
    kurzweg_test.main()
