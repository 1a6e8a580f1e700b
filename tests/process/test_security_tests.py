"""docs/security-tests.md names tests that exist and are run, and leaves out no attack and no input of the lists it goes through."""

import re
import unittest

import kurzweg_test
from kurzweg_test import SOURCE

PAGE = SOURCE / "docs" / "security-tests.md"


def in_c(text):
    """Functions that cmocka is handed: defined as a line of their own, and named again in a table."""
    defined = set(re.findall(r"^([a-z][a-z0-9_]+)\(void \*\*state\)", text, re.M))
    return {name for name in defined if len(re.findall(rf"\b{name}\b", text)) >= 2}


class SecurityTests(unittest.TestCase):
    def setUp(self):
        self.text = PAGE.read_text()
        self.rows = [line for line in self.text.splitlines() if line.startswith("| ") and not line.startswith("| |") and not line.startswith("| what a")]
        registered = "".join(path.read_text() for path in (SOURCE / "tests").rglob("CMakeLists.txt"))
        self.tests = set()
        for path in (SOURCE / "tests").rglob("test_*.c"):
            if path.name in registered:
                self.tests |= in_c(path.read_text())
        for path in (SOURCE / "tests").rglob("test_*.py"):
            if path.name in registered:
                self.tests |= set(re.findall(r"^    def (test_\w+)\(self\)", path.read_text(), re.M))

    def named(self, row):
        return re.findall(r"`([a-z0-9_]{12,})`", row.rsplit("|", 2)[1])

    def test_every_test_named_is_there_and_is_run(self):
        named = {name for row in self.rows for name in self.named(row)}
        named |= set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`", self.text.split("What an attack on the memory")[1]))
        self.assertGreater(len(named), 120)
        self.assertEqual(sorted(named - self.tests), [])

    def test_no_attack_and_no_input_is_left_out(self):
        first = [row.split("|")[1].strip() for row in self.rows]
        self.assertEqual([f"A{i}" for i in range(1, 33)], [f for f in first if re.fullmatch(r"A\d+", f)])
        self.assertEqual([str(i) for i in range(1, 53)], [f for f in first if re.fullmatch(r"\d+", f)])

    def test_a_row_without_a_test_says_why(self):
        for row in self.rows:
            if not self.named(row):
                self.assertRegex(row, "not built|the project's own", row)


if __name__ == "__main__":
    kurzweg_test.main()
