"""A slice of hostile_latency.py, so that it goes on working: every attack in small, and that one which nobody sees is a failure. No time is judged."""

import unittest
import unittest.mock

import hostile_latency
import kurzweg_test
from hostile_latency import Kind, Stage

SMALL = 0.02
ALERTS = 3
MOB = 4


class Slice(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        test = kurzweg_test.TestCase()
        test.setUp()
        cls.addClassCleanup(test.doCleanups)
        cls.stage = Stage(test, rate=20, mob=MOB)

    def test_every_attack_comes_about_and_the_honest_are_served(self):
        for kind in hostile_latency.kinds(SMALL, MOB):
            with self.subTest(kind.name):
                result = hostile_latency.measure(self.stage, kind, 1, ALERTS)
                self.assertEqual(len(result.calm), ALERTS)
                self.assertGreaterEqual(len(result.attacked), ALERTS)
                self.assertIn(kind.name, hostile_latency.line(result))

    def test_an_attack_that_the_broker_does_not_see_is_a_failure(self):
        unseen = Kind("connections without handshake", "silent", 5, {"opened": 5}, lambda stage, did, grew: grew["malformed"] > 0)
        with unittest.mock.patch.object(hostile_latency, "SETTLE", 0.2), self.assertRaisesRegex(AssertionError, "did not see"):
            hostile_latency.measure(self.stage, unseen, 1, 1)


if __name__ == "__main__":
    kurzweg_test.main()
