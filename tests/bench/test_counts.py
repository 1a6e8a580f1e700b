"""tests/bench/counts: that nothing which is done often has become dearer than counts.txt says; and, before that, that what grew is found and said."""

import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import sys
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent / "counts"


def load_script():
    loader = importlib.machinery.SourceFileLoader("counts", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("counts", loader))
    loader.exec_module(module)
    return module


counts = load_script()


def compared(now, known):
    """The verdict, and what was said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        good = counts.compare(now, known)
    return good, said.getvalue()


class Comparing(unittest.TestCase):
    known = {"relay": (1000, {"proto": 600, "broker/core": 400}), "open": (500, {"proto": 500})}

    def test_the_same_is_good(self):
        good, said = compared(self.known, self.known)
        self.assertTrue(good)
        self.assertNotIn("more than", said)

    def test_five_percent_more_is_good_and_what_is_beyond_is_not(self):
        self.assertTrue(compared({**self.known, "relay": (1050, {"proto": 650, "broker/core": 400})}, self.known)[0])
        good, said = compared({**self.known, "relay": (1051, {"proto": 600, "broker/core": 451})}, self.known)
        self.assertFalse(good)
        self.assertIn("GREW by more than 5 %: broker/core +51\n", said)

    def test_what_fell_far_is_a_hint(self):
        good, said = compared({**self.known, "relay": (940, {"proto": 540, "broker/core": 400})}, self.known)
        self.assertTrue(good)
        self.assertIn("fell by more than 5 %", said)

    def test_what_one_side_does_not_know_is_not_good(self):
        for now, known in ((self.known, {"relay": self.known["relay"]}), ({"relay": self.known["relay"]}, self.known)):
            good, said = compared(now, known)
            self.assertFalse(good)
            self.assertIn("not counted on both sides: open", said)


if __name__ == "__main__":
    if not unittest.main(exit=False).result.wasSuccessful():
        sys.exit(1)
    sys.exit(counts.main([]))
