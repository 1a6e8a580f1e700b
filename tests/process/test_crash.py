"""A slice of the crash campaign (campaign.py) with a seed of its own at each run; a longer one is tests/process/campaign.py CYCLES."""

import random

import campaign
import kurzweg_test

CYCLES = 50


class Crash(kurzweg_test.TestCase):
    def test_through_fifty_kills_under_load_nothing_is_lost_and_nothing_comes_twice(self):
        campaign.Campaign(self, random.SystemRandom().randrange(1 << 32)).run(CYCLES)


if __name__ == "__main__":
    kurzweg_test.main()
