"""The simulator itself, and a slice of its runs: a seed replays to the byte, every seed that ever failed stays good, and so do some that
nobody ran before. tests/run says which those are, and KW_SIM_SEED=N repeats them; tests/simulation/run is the campaign.
"""
import os
import random
import re
import subprocess
import unittest

SIM = os.environ.get("KW_SIM", os.path.join(os.environ.get("KW_BUILD_DIR", "build/dev"), "tests", "kurzweg-sim"))
WITHOUT_OPERATORS = "crash-broker,crash-node,stall,partition,reset,half-open,slow,clock,disk,node-disk,agreement,liar"
HERE = os.path.dirname(os.path.abspath(__file__))


def run(*args, timeout=900):
    return subprocess.run([SIM, *args], capture_output=True, text=True, timeout=timeout)


class Simulation(unittest.TestCase):
    def good(self, *args):
        ran = run(*args)
        self.assertEqual(ran.returncode, 0, ran.stdout[-4000:] + ran.stderr[-4000:])
        return ran.stdout

    def test_a_seed_replays_to_the_byte(self):
        first = self.good("--seed", "5", "--steps", "100", "--trace")
        self.assertEqual(first, self.good("--seed", "5", "--steps", "100", "--trace"))
        self.assertGreater(first.count("\n"), 500)

    def test_another_seed_is_another_run(self):
        self.assertNotEqual(self.good("--seed", "5", "--steps", "30", "--trace"), self.good("--seed", "6", "--steps", "30", "--trace"))

    def test_a_run_with_too_little_traffic_is_a_failure(self):
        ran = run("--seed", "1", "--steps", "0")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("too little traffic", ran.stdout)

    def test_a_run_in_which_people_do_next_to_nothing_is_a_failure(self):
        ran = run("--seed", "1", "--steps", "200", "--idle", "900")
        self.assertEqual(ran.returncode, 1)
        self.assertRegex(ran.stdout, "FAILED seed 1: too little traffic")

    def test_a_campaign_in_which_people_do_half_is_a_failure_though_no_run_of_it_is(self):
        ran = run("--seed", "1", "--count", "4", "--steps", "150", "--idle", "500")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("FAILED campaign: too little traffic", ran.stdout)
        self.assertNotIn("FAILED seed", ran.stdout)

    def test_a_run_that_a_full_disk_left_little_traffic_is_none(self):
        ran = self.good("--seed", "68000370", "--faults", WITHOUT_OPERATORS, "--verbose")
        self.assertLess(int(re.search(r"(\d+) published", ran).group(1)), 301)

    def test_a_campaign_that_is_stopped_tells_what_it_ran(self):
        with subprocess.Popen([SIM, "--count", "1000000", "--jobs", "2", "--steps", "100", "--verbose"], stdout=subprocess.PIPE, text=True) as ran:
            self.assertIn("seeds ", ran.stdout.readline())
            self.assertIn("published", ran.stdout.readline())
            ran.terminate()
            rest, _ = ran.communicate(timeout=120)
        self.assertEqual(ran.returncode, 0, rest[-4000:])
        ended = re.fullmatch(r"all good: (\d+) seeds, .*", rest.splitlines()[-1])
        self.assertEqual(int(ended.group(1)), 1 + rest.count("\n") - 1)

    def test_every_seed_that_ever_failed_is_good(self):
        self.good("--seeds", os.path.join(HERE, "seeds"))

    def test_some_seeds_are_good(self):
        self.good("--seed", "1", "--count", "4", "--steps", "150")

    def test_fresh_seeds_are_good(self):
        first = os.environ.get("KW_SIM_SEED") or str(random.randrange(1, 1 << 32))
        print("fresh seeds from", first)
        self.good("--seed", first, "--count", "6", "--steps", "200")


if __name__ == "__main__":
    unittest.main(verbosity=2)
