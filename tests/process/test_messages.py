"""Every sentence that a person may see on the command line has its German."""

import re
import subprocess

import kurzweg_test


class Messages(kurzweg_test.TestCase):
    def test_every_sentence_is_translated(self):
        template = self.folder / "kurzweg.pot"
        template.write_text(subprocess.run([str(kurzweg_test.SOURCE / "po" / "update"), "--list"], check=True, capture_output=True, text=True).stdout)
        self.assertGreater(template.read_text().count("msgid"), 150)
        done = subprocess.run(["msgcmp", str(kurzweg_test.SOURCE / "po" / "de.po"), str(template)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, "run po/update and translate what is new:\n" + done.stderr)

    def test_no_prefix_brings_a_colon_of_its_own(self):
        """kw_why_prefix sets it; a second one would stand in the sentence as ": :"."""
        found = [(path.name, said) for folder in ("base", "broker", "cases", "certs", "clients", "config", "proto")
                 for path in (kurzweg_test.SOURCE / folder).glob("**/*.c") for said in re.findall(r'kw_why_prefix\([^"]*"((?:[^"\\]|\\.)*)"', path.read_text())]
        self.assertGreater(len(found), 20)
        self.assertEqual([one for one in found if one[1].endswith((":", ",", " "))], [])


if __name__ == "__main__":
    kurzweg_test.main()
