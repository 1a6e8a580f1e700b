"""Processes that stand still for a moment and go on (pauses.py; with as long as a connection may be silent it is a command of its own)."""

import kurzweg_test
import pauses

SECONDS = 3


class Pauses(kurzweg_test.TestCase):
    def test_whoever_stands_still_for_a_moment_loses_and_doubles_nothing(self):
        pauses.Pauses(self, SECONDS).run()


if __name__ == "__main__":
    kurzweg_test.main()
