"""A slice of every_byte.py with a seed of its own at each run, and that proxy.py does what it says."""

import pathlib
import random
import socket
import time
import unittest

import every_byte
import kurzweg_test
import proxy
from kurzweg_test import wait_until
from proxy import CORRUPT, CUT, DELAY, DOWN, RESET, SPLIT, STALL, UP, Fault

SILENT = 30  # seconds after which either side gives up who says nothing [C-6]
VICTIMS = 3
SECONDS = 16  # for new faults; those under way may end


class Echo(unittest.TestCase):
    """A connection through the proxy to ourselves, so that both ends are seen."""

    def setUp(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.proxy = proxy.Proxy(listener.getsockname()[1])
        self.addCleanup(self.proxy.close)
        self.listener = listener

    def connect(self, fault=None):
        if fault:
            self.proxy.plan(fault)
        node = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=20)
        broker, (address, _) = self.listener.accept()
        broker.settimeout(20)
        self.addCleanup(node.close)
        self.addCleanup(broker.close)
        return node, broker, wait_until(lambda: self.proxy.connection(address))

    def everything(self, end):
        got = b""
        while data := end.recv(100):
            got += data
        return got

    def test_without_a_fault_all_goes_both_ways_and_is_counted(self):
        node, broker, one = self.connect()
        node.sendall(b"hello")
        self.assertEqual(broker.recv(100), b"hello")
        broker.sendall(b"welcome")
        self.assertEqual(node.recv(100), b"welcome")
        self.assertEqual(one.passed, {UP: 5, DOWN: 7})

    def test_a_cut_comes_behind_its_byte_and_ends_both_sides(self):
        fault = Fault(CUT, UP, 3)
        node, broker, _ = self.connect(fault)
        self.assertFalse(fault.applied.is_set())
        node.sendall(b"hello")
        self.assertEqual(self.everything(broker), b"hel")
        self.assertEqual(self.everything(node), b"")
        self.assertTrue(fault.applied.is_set())

    def test_a_reset_is_one(self):
        node, broker, _ = self.connect(Fault(RESET, DOWN, 0))
        broker.sendall(b"welcome")
        for end in (broker, node):
            with self.assertRaises(ConnectionResetError):
                self.everything(end)

    def test_one_byte_is_another_and_no_more_also_across_pieces(self):
        node, broker, _ = self.connect(Fault(CORRUPT, UP, 6))
        node.sendall(b"hello")
        self.assertEqual(broker.recv(100), b"hello")
        node.sendall(b"again")
        self.assertEqual(broker.recv(100), bytes([b"a"[0], b"g"[0] ^ 0xFF]) + b"ain")
        node.sendall(b"again")
        self.assertEqual(broker.recv(100), b"again")

    def test_an_armed_fault_counts_from_then_on(self):
        node, broker, one = self.connect()
        node.sendall(b"hello")
        self.assertEqual(broker.recv(100), b"hello")
        one.arm(Fault(CUT, UP, 2))
        node.sendall(b"again")
        self.assertEqual(self.everything(broker), b"ag")

    def test_split_is_one_piece_a_byte(self):
        node, broker, one = self.connect(Fault(SPLIT, UP, 2))
        self.assertEqual(one.pieces(UP, b"hello"), [(b"he", 0), (b"l", 0), (b"l", 0), (b"o", 0)])
        self.assertEqual(one.pieces(UP, b"ab"), [(b"", 0), (b"a", 0), (b"b", 0)])

    def test_a_stall_says_nothing_to_anybody_and_the_other_way_goes_on(self):
        node, broker, _ = self.connect(Fault(STALL, UP, 2))
        node.sendall(b"hello")
        self.assertEqual(broker.recv(100), b"he")
        broker.sendall(b"still here")
        self.assertEqual(node.recv(100), b"still here")
        broker.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            broker.recv(100)

    def test_a_delay_is_as_long_as_it_was_told(self):
        node, broker, _ = self.connect(Fault(DELAY, UP, 0, 300))
        begun = time.monotonic()
        node.sendall(b"hello")
        self.assertEqual(broker.recv(100), b"hello")
        self.assertGreaterEqual(time.monotonic() - begun, 0.3)


class Altered(kurzweg_test.TestCase):
    def test_one_altered_byte_ends_the_connection_at_once_and_leaves_nothing_behind(self):
        bench = every_byte.Bench(self, 1, 1)
        victim, descriptors = bench.victims[0], lambda: len(list(pathlib.Path(f"/proc/{bench.broker.pid}/fd").iterdir()))
        victim.ready()
        before, failed = descriptors(), bench.control.status()["counters"]["handshakes_failed"]
        for number in range(8):
            one, way = victim.ready(), (UP, DOWN)[number % 2]
            one.arm(Fault(CORRUPT, way, 150))
            said, told = victim.say(), victim.be_told()
            wait_until(one.over.is_set, SILENT / 2, f"the end of a connection with an altered byte {way}")
            victim.arrived(said, told)
        victim.ready()
        wait_until(lambda: descriptors() <= before, what=f"the {before} descriptors that the broker had before")
        self.assertEqual(bench.control.status()["counters"]["handshakes_failed"], failed)  # they held, and then something was altered


class Slice(kurzweg_test.TestCase):
    def test_wherever_the_connection_fails_all_arrives_once_and_the_others_do_not_notice(self):
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed} (tests/process/every_byte.py --seed {seed})", flush=True)
        bench = every_byte.Bench(self, seed, VICTIMS)
        jobs = bench.plan(bench.victims[0].sizes(), 1)
        stalled = next(job for job in jobs if job.kind == STALL and job.scene == every_byte.HANDSHAKE)  # noticed after 10 s, others after 30
        split = [job for job in jobs if job.kind == SPLIT]
        others = [job for job in jobs if job.kind not in (STALL, SPLIT)]
        applied = bench.run([stalled, *split, *others], SECONDS)
        for scene in (every_byte.HANDSHAKE, every_byte.PUBLISH, every_byte.DELIVER):
            self.assertGreater(sum(count for what, count in applied.items() if what.startswith(scene)), 1, applied)


if __name__ == "__main__":
    kurzweg_test.main()
