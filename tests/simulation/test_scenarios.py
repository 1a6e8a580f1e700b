"""Scenarios: every one in tests/scenario comes out as it is told, one that is wrong does not, and sentences that are none are refused by line and word"""
import os
import pathlib
import subprocess
import tempfile
import unittest

SIM = os.environ.get("KW_SIM", os.path.join(os.environ.get("KW_BUILD_DIR", "build/dev"), "tests", "kurzweg-sim"))
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "scenario"


def play(paths):
    return subprocess.run([SIM, "--scenario", *map(str, paths)], capture_output=True, text=True, timeout=900)


class Scenarios(unittest.TestCase):
    def refused(self, cases):
        """Each text is played and must fail with what stands beside it, in which the file is called "it"."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / f"it{i}" for i in range(len(cases))]
            for path, (text, _) in zip(paths, cases):
                path.write_text(text)
            ran = play(paths)
        self.assertEqual(ran.returncode, 1)
        lines = ran.stdout.splitlines()
        self.assertEqual(len(lines), len(cases), ran.stdout)
        for i, (line, (text, said)) in enumerate(zip(lines, cases)):
            with self.subTest(text):
                self.assertTrue(line.startswith(f"it{i}: "), line)
                self.assertIn(said, line.removeprefix(f"it{i}: ").replace(f"it{i}", "it"))

    def test_all_come_out_as_they_are_told(self):
        files = sorted(FOLDER.glob("*.scn"))
        self.assertGreater(len(files), 15)
        ran = play(files)
        self.assertEqual((ran.stdout.splitlines(), ran.returncode), ([f"{path.name}: as it is told" for path in files], 0), ran.stderr)

    def test_what_does_not_come_true_is_told_with_its_line(self):
        begin = '00:05 police/control-room publishes flash/storm "a"\n'
        self.refused((
            (begin + "00:06 shelter/desk crashes\nwithin 00:20 shelter/desk raises fork\n", "it:3: it was not so by then"),
            (begin + 'never city/public-order has "a"\n00:30 broker crashes\n', "it:2: it is so"),
            (begin + 'at 00:20 nobody has "a"\n', "it:2: it is not so"),
            ("00:05 broker crashes\n00:06 broker crashes\n", "it:2: it is down already"),
            ("00:05 police/patrol may not publish flash/storm\n", "it:1: it may, or"),
        ))

    def test_what_is_no_sentence_is_refused_by_line_and_word(self):
        self.refused((
            ("00:05 broker crahses\n", 'it:1: "crahses": here may stand crashes, loses, starts, sets, has, fails'),
            ("\n# nothing\n00:05 nobody crashes\n", 'it:3: "nobody": here may stand NODE, WHO, broker'),
            ("00:05 police/patrol publishes storm \"a\"\n", 'it:1: "storm": here may stand TOPIC'),
            ("00:05 police/patrol publishes flash/storm a\n", 'it:1: "a": here may stand LABEL'),
            ("00:05 broker crashes now\n", 'it:1: "now": here may stand nothing more'),
            ("00:05 broker\n", 'it:1: "(end of line)": here may stand '),
            ("soon broker crashes\n", 'it:1: "soon": here stands a time'),
            ("00:75 broker crashes\n", 'it:1: "00:75": here stands a time'),
            ("00:05 broker crashes\n00:04 broker starts\n", 'it:2: "00:04": it is later than that already'),
            ('within 00:05 "a is stored\n', "the closing quote is missing"),
            ("# nothing\n", "it: nothing happens in it"),
        ))

    def test_the_readme_has_every_sentence_and_no_other(self):
        known = subprocess.run([SIM, "--sentences"], capture_output=True, text=True, check=True).stdout.splitlines()
        told = [line.split("`")[1] for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| `") and "*claim*" not in line]
        self.assertEqual(told, known)


if __name__ == "__main__":
    unittest.main(verbosity=2)
