"""kurzweg key, and what every command has in common: options, help, exit codes, languages."""

import re
import stat

import kurzweg_test
from kurzweg_test import FAILED, PASSPHRASE, REFUSED, USAGE


class Keys(kurzweg_test.TestCase):
    def test_a_new_key_is_a_private_file_and_a_line_on_standard_output(self):
        done = self.kurzweg("key", "new", "police/control-room")
        path = self.folder / "police-control-room.key"
        self.assertRegex(done.stdout, r"\Akwnode1:[A-Za-z0-9_-]+\n\Z")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertNotIn(done.stdout.strip(), done.stderr)
        self.assertEqual(self.kurzweg("key", "show", path).stdout, done.stdout)
        fingerprint = self.kurzweg("key", "fingerprint", path).stdout
        self.assertRegex(fingerprint, r"\A([0-9A-F]{4} ){7}[0-9A-F]{4}\n\Z")
        self.assertIn(fingerprint.strip(), done.stderr)

    def test_a_fingerprint_is_the_same_of_file_line_and_saved_line(self):
        line = self.kurzweg("key", "new", "haus", "--broker").stdout
        saved = self.write("haus.pub", line)
        prints = {self.kurzweg("key", "fingerprint", what, stdin=line).stdout for what in ("haus.key", line.strip(), saved, "-")}
        self.assertEqual(len(prints), 1)

    def test_a_successor_is_made_for_the_same_node_alone(self):
        line = self.kurzweg("key", "new", "police/control-room", "--exercise", "--out", "old.key").stdout
        self.kurzweg("key", "new", "city/public-order", "--out", "city.key")
        about = self.kurzweg_json("key", "new", "police/control-room", "--replaces", "old.key", "--out", "new.key")
        self.assertEqual((about["kind"], about["name"], about["mode"]), ("node", "police/control-room", "exercise"))
        self.assertNotEqual(about["line"], line.strip())
        secrets = [dict(row.split(" ", 1) for row in (self.folder / name).read_text().splitlines()[1:]) for name in ("old.key", "new.key")]
        same = {word for word in ("sign", "seal", "curve", "local") if secrets[0][word] == secrets[1][word]}
        self.assertEqual(same, {"local"})
        self.refuses("key", "new", "police/control-room", "--replaces", "city.key", "--out", "no.key", says=["city.key", "city/public-order"])
        self.refuses("key", "new", "city/public-order", "--replaces", "city.key", "--exercise", "--out", "no.key", says="leave --exercise away")
        self.refuses("key", "new", "haus", "--broker", "--replaces", "old.key", says="--replaces is for a node's key", code=USAGE)
        self.refuses("key", "new", "police/control-room", "--replaces", "missing.key", "--out", "no.key", says="missing.key")
        self.refuses("key", "new", "city/public-order", "--replaces", "city.key", "--out", "city.key", says="city.key exists already")
        self.assertFalse((self.folder / "no.key").exists())

    def test_the_kinds(self):
        for kind, name, prefix, word, mode in ((["--broker"], "haus", "kwbroker1:", "broker", "live"), ([], "a/b", "kwnode1:", "node", "live"),
                                               (["--operator", "--exercise"], "night-desk", "kwnode1:", "operator", "exercise")):
            about = self.kurzweg_json("key", "new", name, *kind)
            self.assertTrue(about["line"].startswith(prefix))
            self.assertEqual((about["kind"], about["name"], about["mode"]), (word, name, mode))
            self.assertEqual(self.kurzweg_json("key", "show", about["file"]), about)

    def test_a_steering_key_is_locked_by_its_passphrase(self):
        secret = self.write("passphrase", PASSPHRASE + "\n", 0o600)
        line = self.kurzweg("key", "new", "mayor", "--steering", "--passphrase-file", secret).stdout
        self.assertTrue(line.startswith("kwsteer1:"))
        text = (self.folder / "mayor.key").read_text()
        self.assertIn("\nlock argon2id 3 268435456 ", text)
        self.assertNotIn(PASSPHRASE, text)
        self.assertEqual(self.kurzweg("key", "show", "mayor.key").stdout, line)
        self.kurzweg("key", "new", "judge", "--steering", "--lock", "interactive", "--passphrase-fd", "0", stdin=PASSPHRASE + "\n")

    def test_a_passphrase_is_asked_for_twice_and_never_shown(self):
        args = ("key", "new", "mayor", "--steering", "--lock", "interactive")
        shown = self.on_terminal(*args, answers=[("passphrase for the new key: ", PASSPHRASE + "\n"), ("Once more: ", PASSPHRASE + "\n")])
        self.assertNotIn(PASSPHRASE, shown)
        self.assertIn("kwsteer1:", shown)
        shown = self.on_terminal(*args, "--out", "other.key", code=FAILED,
                                 answers=[("passphrase for the new key: ", PASSPHRASE + "\n"), ("Once more: ", "something else\n")])
        self.assertIn("the two passphrases differ", shown)
        self.on_terminal(*args, "--out", "other.key", code=REFUSED, answers=[("passphrase for the new key: ", "\x03")])
        self.assertFalse((self.folder / "other.key").exists())

    def test_without_a_terminal_a_passphrase_must_be_given(self):
        secret = self.write("short", "seven77\n", 0o600)
        self.refuses("key", "new", "mayor", "--steering", "--passphrase-file", secret, says=["7 bytes", "at least 8"])
        secret.chmod(0o644)
        self.refuses("key", "new", "mayor", "--steering", "--passphrase-file", secret, code=REFUSED, says="chmod 600")
        self.assertFalse((self.folder / "mayor.key").exists())

    def test_a_key_is_never_overwritten(self):
        self.kurzweg("key", "new", "a/b")
        before = (self.folder / "a-b.key").read_bytes()
        self.refuses("key", "new", "a/b", says=["a-b.key exists already", "\"kurzweg key show a-b.key\" prints the line"])
        self.assertEqual((self.folder / "a-b.key").read_bytes(), before)

    def test_a_key_file_that_others_may_read_is_refused_with_the_chmod_that_mends_it(self):
        self.kurzweg("key", "new", "a/b")
        path = self.folder / "a-b.key"
        path.chmod(0o640)
        done = self.refuses("key", "show", path, code=REFUSED, says=["mode 0640", f"chmod 600 {path}"])
        self.assertEqual(len(done.stderr.splitlines()), 1)
        path.chmod(0o600)
        self.kurzweg("key", "show", path)

    def test_damaged_files_and_lines_are_refused(self):
        line = self.kurzweg("key", "new", "a/b").stdout.strip()
        path = self.folder / "a-b.key"
        whole = path.read_text()
        path.write_text(whole[:-10])
        self.refuses("key", "show", path, says="cut short")
        path.write_text(whole.replace("name a/b", "name a/c"))
        self.refuses("key", "show", path, says="checksum")
        self.refuses("key", "show", self.folder / "nothing.key", says="does not exist")
        changed = line[:40] + ("A" if line[40] != "A" else "B") + line[41:]
        self.assertNotEqual(self.kurzweg("key", "fingerprint", changed, code=None).returncode, 0)
        self.refuses("key", "fingerprint", line[:-4], code=None, says="public key line")

    def test_secrets_are_never_printed(self):
        done = self.kurzweg("key", "new", "a/b")
        secrets = re.findall(r"^(?:sign|seal|curve|local) (\S+)$", (self.folder / "a-b.key").read_text(), re.M)
        self.assertEqual(len(secrets), 4)
        shown = done.stdout + done.stderr + self.kurzweg("key", "show", "a-b.key", "--json").stdout
        for secret in secrets:
            self.assertNotIn(secret, shown)


class Usage(kurzweg_test.TestCase):
    def test_wrong_usage_ends_with_2_and_one_sentence(self):
        for args, says in (
            ([], "a command is wanted"),
            (["kye"], 'did you mean "key"?'),
            (["key"], 'a command behind "key" is wanted'),
            (["key", "nwe"], 'did you mean "new"?'),
            (["--frobnicate"], "there is no option --frobnicate"),
            (["key", "new"], "NODE is missing"),
            (["key", "new", "a/b", "c/d"], '"c/d" is one word too many'),
            (["key", "new", "a/b", "--brokr"], "did you mean --broker?"),
            (["key", "new", "a/b", "--bro"], "there is no option --bro"),
            (["key", "new", "a/b", "-x"], "there is no option -x"),
            (["key", "new", "a/b", "--json=1"], "--json takes no value"),
            (["key", "new", "a/b", "--out"], "--out wants a value"),
            (["key", "new", "a/b", "--out", "x", "-o", "y"], "--out is given twice"),
            (["key", "new", "a/b", "--json", "--json"], "--json is given twice"),
            (["key", "new", "haus", "--broker", "--operator"], "give one"),
            (["key", "new", "mayor", "--steering", "--exercise"], "leave --exercise away"),
            (["key", "new", "a/b", "--passphrase-file", "x"], "only a steering key"),
            (["key", "new", "mayor", "--steering", "--lock", "none", "--passphrase-fd", "0"], "must be interactive, moderate or sensitive"),
            (["key", "new", "control-room"], ["must be written partner/node", "--broker", "--steering"]),
            (["inbox", "--topi", "alert/#"], "there is no option --topi;"),
            (["key", "new", "Police/x"], "must begin with a small letter, a-z"),
            (["key", "new", "a/b", "--broker"], "may hold only a-z"),
        ):
            with self.subTest(args=args):
                self.refuses(*args, code=USAGE, says=says)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_help_and_version(self):
        self.assertRegex(self.kurzweg("--version").stdout, r"\Akurzweg \d+\.\d+\.\d+\n\Z")
        whole = self.kurzweg("--help").stdout
        commands = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)(?:  |$)", whole, re.M)
        self.assertIn("key new", commands)
        self.assertIn("key show", self.kurzweg("key", "--help").stdout)
        for command in commands:
            text = self.kurzweg(*command.split(), "--help").stdout
            self.assertIn(f"Usage: kurzweg {command}", text)
            self.assertIn("--help", text)

    def test_an_option_may_stand_before_and_behind_the_word(self):
        self.kurzweg("key", "new", "--out", "x.key", "a/b")
        self.kurzweg("key", "new", "a/b", "-oy.key")
        self.kurzweg("key", "new", "--out=z.key", "--", "a/b")

    def test_a_full_disk_is_told(self):
        self.kurzweg("key", "new", "a/b")
        import subprocess
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(kurzweg_test.BIN / "kurzweg"), "key", "show", self.folder / "a-b.key"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=kurzweg_test.environment())
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("could not be written", done.stderr)


class German(kurzweg_test.TestCase):
    def test_german_by_any_of_the_usual_ways(self):
        for env in ({"LC_ALL": "C.UTF-8", "LANGUAGE": "de"}, {"LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "", "LC_MESSAGES": "de_DE.UTF-8"},
                    {"LC_ALL": "", "LANG": "de_AT.UTF-8"}):
            with self.subTest(env=env):
                self.refuses("key", "new", code=USAGE, says="KNOTEN fehlt", **env)
        self.assertIn("Aufruf: kurzweg", self.kurzweg("--help", LANGUAGE="de").stdout)

    def test_english_is_what_others_get(self):
        for env in ({"LC_ALL": "C"}, {"LC_ALL": "fr_FR.UTF-8"}, {"LC_ALL": "C", "LANGUAGE": "de"}):
            with self.subTest(env=env):
                self.refuses("key", "new", code=USAGE, says="NODE is missing", **env)

    def test_refusals_from_the_depths_are_german_too(self):
        self.kurzweg("key", "new", "a/b")
        path = self.folder / "a-b.key"
        path.chmod(0o644)
        self.refuses("key", "show", path, code=REFUSED, says=["kann von anderen gelesen werden", "chmod 600"], LANGUAGE="de")
        self.refuses("key", "new", "Police/x", code=USAGE, says="muss mit einem kleinen Buchstaben a-z beginnen", LANGUAGE="de")


if __name__ == "__main__":
    kurzweg_test.main()
