"""A slice of the crash campaign (campaign.py) with a seed of its own at each run, and runs that it must not let pass; a longer one is tests/process/campaign.py CYCLES."""

import random
import shutil
import unittest.mock

import campaign
import kurzweg_test

CYCLES = 35


def seed():
    return random.SystemRandom().randrange(1 << 32)


class Harmless(campaign.Campaign):
    """Kills nobody."""

    def strike(self, post):
        pass


class Silent(campaign.Campaign):
    """Says nothing."""

    def voice(self, post, lane):
        pass


class Forgetful(campaign.Campaign):
    """The broker comes back as it was when it was killed for the first time."""

    def strike(self, post):
        if post is not None:
            return
        store, old = self.p.folder / "broker", self.p.folder / "broker-once"
        self.broker.kill()
        if old.exists():
            shutil.rmtree(store)
            shutil.copytree(old, store)
        else:
            shutil.copytree(store, old)
        self.broker.start()
        self.faults["broker"] += 1


class Crash(kurzweg_test.TestCase):
    def test_through_fifty_kills_under_load_nothing_is_lost_and_nothing_comes_twice(self):
        campaign.Campaign(self, seed()).run(CYCLES)

    def fails(self, kind, cycles, says, progress):
        with unittest.mock.patch("campaign.PROGRESS", progress), unittest.mock.patch("campaign.SETTLE", progress), self.assertRaisesRegex(AssertionError, says):
            kind(self, seed(), only="broker").run(cycles, lambda text: None)

    def test_a_run_in_which_nothing_is_killed_fails(self):
        self.fails(Harmless, 1, "without faults shows nothing|too few faults", campaign.PROGRESS)

    def test_a_run_without_load_fails(self):
        self.fails(Silent, 1, "more answers `stored`", 5.0)

    def test_a_broker_that_forgets_what_it_answered_is_found_out(self):
        self.fails(Forgetful, 6, "lacks|stopped|alarms|evidence|gaps|did not come true|does not answer", 15.0)


if __name__ == "__main__":
    kurzweg_test.main()
