"""kurzweg agreement: what stands, who signed, what changes, who reads, and what is never installed."""

import os
import stat

import kurzweg_test
from kurzweg_test import FAILED, PASSPHRASE, REFUSED, USAGE, Partnership


class Agreement(kurzweg_test.TestCase):
    @classmethod
    def setUpClass(cls):
        """Keys take time; one set serves all, each test writes in a folder of its own."""
        keys = kurzweg_test.TestCase()
        keys.setUp()
        cls.addClassCleanup(keys.doCleanups)
        cls.shared = Partnership(keys)
        cls.shared.new_key("stranger", "--steering")
        cls.shared.new_key("fire/station")

    def setUp(self):
        super().setUp()
        self.p = self.shared
        self.p.test = self

    def write(self, name="agreement.yaml", **changes):
        return super().write(name, self.p.text(**changes))

    def signed(self, name="agreement.yaml", members=("mayor", "prosecutor"), **changes):
        return self.p.sign(self.write(name, **changes), members)

    def second(self, first, **changes):
        return self.write("second.yaml", version=2, previous=self.p.hash_of(first), **changes)

    def sign_args(self, path, member, *more):
        return ("agreement", "sign", path, "--key", self.p.key(member), "--passphrase-file", self.p.passphrase_file, *more)

    # check

    def test_a_good_agreement_is_summed_up(self):
        done = self.kurzweg("agreement", "check", self.write())
        for part in ("musterstadt", "2 of 3 must sign", "3 with 4 nodes, 3 topics", "haus at tcp://127.0.0.1:7411", "city/crime-prevention"):
            self.assertIn(part, done.stdout)
        self.assertEqual(done.stderr, "It may stand: no fault was found, and nothing that is probably not meant.\n")
        about = self.kurzweg_json("agreement", "check", self.folder / "agreement.yaml")
        self.assertTrue(about["ok"])
        self.assertEqual(about["agreement"]["steering"], {"threshold": 2, "members": 3})

    def test_errors_have_line_numbers_and_leave_1(self):
        text = self.p.text()
        for find, replace, says in (
            ("threshold: 2", "threshold: 1", ["line 6", "half"]),
            ("coordinator:", "cordinator:", ["line 9", "coordinator"]),
            ("lane: flash", "lane: fast", ["line 17", "flash"]),
            ('["*"]', "[nobody]", ["line 20", "nobody"]),
            (self.p.lines["haus"], self.p.lines["police/control-room"], ["line 8", "a node's key", "a broker's key must stand here"]),
            (self.p.lines["haus"], self.p.lines["haus"][:-3], ["line 8", "public key line"]),
            ("version: 1", "version: 1\nversion: 1", ["line 3", "version"]),
        ):
            with self.subTest(replace=replace):
                self.assertIn(find, text)
                path = super().write("bad.yaml", text.replace(find, replace, 1))
                self.refuses("agreement", "check", path, says=[str(path), *says])
                about = self.kurzweg("agreement", "check", path, "--json", code=FAILED).stdout
                self.assertIn('"ok":false', about)

    def test_one_is_not_told_as_several(self):
        one = "  - {filter: \"alert/#\", schema: alert, publish: [police, city], receive: [police, city]}\n"
        path = self.write(topics=one)
        self.assertIn("3 with 4 nodes, 1 topic\n", self.kurzweg("agreement", "check", path).stdout)
        self.assertIn("3 mit 4 Knoten, 1 Thema\n", self.kurzweg("agreement", "check", path, LANGUAGE="de").stdout)

    def test_errors_and_warnings_are_german_too(self):
        path = super().write("bad.yaml", self.p.text().replace("lane: flash", "lane: flahs"))
        self.refuses("agreement", "check", path, says='Zeile 17: lane ist „flahs“, muss eines von diesen sein: flash, urgent, routine; meinten Sie „flash“?', LANGUAGE="de")
        hole = self.p.TOPICS.replace('      - {who: police/control-room, take_within: 5m}\n', "")
        done = self.kurzweg("agreement", "check", self.write(topics=hole), LANGUAGE="de")
        self.assertIn("Hinweis: ", done.stderr)
        self.assertIn("eine Lücke in den Stunden: Montag 00:00, request/noise: niemand, fällt an city/crime-prevention", done.stderr)
        self.assertIn("Partnerschaft", done.stdout)

    def test_what_is_no_file_is_refused(self):
        self.refuses("agreement", "check", self.folder / "nothing.yaml", says="does not exist")
        self.refuses("agreement", "check", self.folder, says="no regular file")

    def test_warnings_are_told_and_leave_0(self):
        path = self.write(valid="from: 2020-01-01T00:00:00Z, until: 2020-06-01T00:00:00Z, grace: 30d")
        self.assertIn("warning: the agreement ended on 2020-06-01", self.kurzweg("agreement", "check", path).stderr)
        path = self.write(valid="from: 2098-01-01T00:00:00Z, until: 2099-06-01T00:00:00Z")
        self.assertIn("not valid yet", self.kurzweg("agreement", "check", path).stderr)
        hole = self.p.TOPICS.replace('      - {who: police/control-room, take_within: 5m}\n', "")
        done = self.kurzweg("agreement", "check", self.write(topics=hole))
        self.assertIn("warning: ", done.stderr)
        self.assertIn("line ", done.stderr)
        self.assertEqual(done.stderr.splitlines()[-1], "It may stand; but look first whether the warnings above are meant.")

    # sign and verify

    def test_two_signatures_of_three_make_it_valid(self):
        path = self.write()
        self.refuses("agreement", "verify", path, code=REFUSED, says=["0 of the 3 members", "at least 2", "mayor, president, prosecutor"])
        done = self.kurzweg(*self.sign_args(path, "mayor", "--yes"))
        self.assertIn("Signed by 1 of the 3 members that version 1 names; 2 must.", done.stderr)
        self.refuses("agreement", "verify", path, code=REFUSED, says=["1 of the 3", "missing: president, prosecutor"])
        self.kurzweg(*self.sign_args(path, "prosecutor", "--yes"))
        self.assertIn("signed by 2 of 3 members; 2 must", self.kurzweg("agreement", "verify", path).stdout)
        self.assertEqual(self.kurzweg_json("agreement", "verify", path)["signatures"], 2)
        sig = self.folder / "agreement.yaml.sig"
        self.assertEqual(stat.S_IMODE(sig.stat().st_mode), 0o644)
        self.assertEqual(len(sig.read_text().splitlines()), 2)

    def test_signatures_that_are_not_there_are_told_as_that(self):
        path = self.write()
        says = [f"{path}.sig, where signatures stand, is not there"]
        self.refuses("agreement", "verify", path, code=REFUSED, says=says)
        self.refuses("agreement", "install", path, "--to", self.folder / "installed.yaml", code=REFUSED, says=says)
        self.p.sign(path, members=("mayor",))
        self.assertNotIn("is not there", self.refuses("agreement", "verify", path, code=REFUSED, says="signed by 1").stderr)

    def test_a_wrong_key_is_told_before_anybody_reads_and_confirms(self):
        path = self.write()
        for key, says in (("mayor.kye", "does not exist"), (self.p.key("police/control-room"), "a steering key is wanted here")):
            shown = self.on_terminal("agreement", "sign", path, "--key", key, code=FAILED, answers=[])
            self.assertIn(says, shown)
            self.assertNotIn("about to sign", shown)

    def test_signing_twice_changes_nothing(self):
        path = self.signed()
        before = (self.folder / "agreement.yaml.sig").read_bytes()
        self.assertIn("already", self.kurzweg(*self.sign_args(path, "mayor", "--yes")).stderr)
        self.assertEqual((self.folder / "agreement.yaml.sig").read_bytes(), before)

    def test_a_text_changed_after_signing_is_refused(self):
        path = self.signed()
        path.write_text(path.read_text().replace("lane: routine", "lane: urgent"))
        self.refuses("agreement", "verify", path, code=REFUSED, says=["mayor", "is not this text"])
        self.refuses(*self.sign_args(path, "president", "--yes"), code=REFUSED, says="is not this text")
        self.assertEqual(len((self.folder / "agreement.yaml.sig").read_text().splitlines()), 2)

    def test_who_is_no_member_or_has_no_steering_key_signs_nothing(self):
        path = self.write()
        self.refuses(*self.sign_args(path, "stranger", "--yes"), code=REFUSED, says="no member of the steering committee")
        self.refuses("agreement", "sign", path, "--key", self.p.key("haus"), "--yes", says=["a broker's key", "a steering key is wanted here"])
        self.refuses("agreement", "sign", path, "--yes", code=USAGE, says="--key FILE is missing")
        wrong = super().write("wrong", "not the passphrase\n", 0o600)
        self.refuses("agreement", "sign", path, "--key", self.p.key("mayor"), "--passphrase-file", wrong, "--yes", code=REFUSED, says="passphrase is wrong")
        self.assertFalse((self.folder / "agreement.yaml.sig").exists())

    def test_signing_asks_on_a_terminal_and_wants_yes_without_one(self):
        path = self.write()
        self.refuses(*self.sign_args(path, "mayor"), code=USAGE, says="--yes")
        shown = self.on_terminal("agreement", "sign", path, "--key", self.p.key("mayor"), code=REFUSED, answers=[("Sign it? [y/N] ", "n\n")])
        self.assertIn(self.p.fingerprint_of(path), shown)
        self.assertFalse((self.folder / "agreement.yaml.sig").exists())
        self.on_terminal("agreement", "sign", path, "--key", self.p.key("mayor"),
                         answers=[("Sign it? [y/N] ", "y\n"), ("Passphrase of the steering key: ", PASSPHRASE + "\n")])
        self.assertTrue((self.folder / "agreement.yaml.sig").exists())

    def test_a_second_version_follows_the_first(self):
        first = self.signed()
        second = self.second(first, topics=self.p.TOPICS.replace("receive: [police, city, civil]", "receive: [police, city]"))
        done = self.kurzweg(*self.sign_args(second, "mayor", "--yes", "--previous", first))
        self.assertIn("- youth-house/office may no longer read alert/#", done.stderr)
        self.refuses("agreement", "verify", second, "--previous", first, code=REFUSED, says="1 of the 3")
        self.kurzweg(*self.sign_args(second, "president", "--yes", "--previous", first))
        self.assertIn("follows version 1", self.kurzweg("agreement", "verify", second, "--previous", first).stderr)

    def test_a_version_that_does_not_follow_is_refused(self):
        first = self.signed()
        wrong = self.write("wrong.yaml", version=2, previous="b2:" + "0" * 64)
        self.refuses(*self.sign_args(wrong, "mayor", "--yes", "--previous", first), code=REFUSED, says=['"previous" of version 2 is not the hash', "fingerprint"])
        third = self.write("third.yaml", version=3, previous=self.p.hash_of(first))
        self.refuses(*self.sign_args(third, "mayor", "--yes", "--previous", first), code=REFUSED, says="version 3 does not follow version 1")

    # diff, who-reads, fingerprint

    def test_a_difference_is_told_in_words(self):
        first = self.write()
        second = self.second(first, nodes={**self.p.nodes, "fire/station": "fire"},
                             topics=self.p.TOPICS.replace("receive: [police, city, civil]", "receive: [police, city, fire]"))
        lines = self.kurzweg("agreement", "diff", first, second).stdout.splitlines()
        self.assertIn("- youth-house/office may no longer read alert/#", lines)
        self.assertIn("+ fire/station may now read alert/#", lines)
        self.assertIn("- youth-house/office may no longer read alert/#", self.kurzweg_json("agreement", "diff", first, second)["changes"])
        self.assertIn("- youth-house/office darf nicht mehr lesen: alert/#", self.kurzweg("agreement", "diff", first, second, LANGUAGE="de").stdout)
        self.assertIn("nobody gains or loses", self.kurzweg("agreement", "diff", first, first).stdout)

    def test_colours_are_for_terminals_alone(self):
        first = self.write()
        second = self.second(first, topics=self.p.TOPICS.replace("receive: [police, city, civil]", "receive: [police, city]"))
        self.assertIn("\x1b[31m- youth-house/office", self.on_terminal("agreement", "diff", first, second))
        self.assertNotIn("\x1b", self.on_terminal("agreement", "diff", first, second, NO_COLOR="1"))
        self.assertNotIn("\x1b", self.kurzweg("agreement", "diff", first, second, TERM="xterm").stdout)

    def test_who_reads_a_topic(self):
        path = self.write()
        ask = ("agreement", "who-reads", "--agreement", path)
        readers = [r["node"] for r in self.kurzweg_json(*ask, "alert/flood/mitte")["readers"]]
        self.assertEqual(readers, ["city/crime-prevention", "city/public-order", "police/control-room", "youth-house/office"])
        readers = [r["node"] for r in self.kurzweg_json(*ask, "alert/flood/mitte", "--from", "police/control-room")["readers"]]
        self.assertEqual(readers, ["city/crime-prevention", "city/public-order", "youth-house/office"])
        table = self.kurzweg(*ask, "request/noise/mitte")
        self.assertRegex(table.stdout, r"(?m)^police/control-room +police +responsible$")
        self.assertNotIn("youth-house", table.stdout)
        self.assertIn("filter request/noise/#", table.stderr)
        self.refuses(*ask, "weather/mitte", code=REFUSED, says=['no topic of the agreement matches "weather/mitte"', "there are alert/#"])
        self.refuses(*ask, "alert/#", code=USAGE, says="wildcard")
        self.refuses(*ask, "alert/x", "--from", "fire/station", says='knows no node "fire/station"')

    def test_a_fingerprint_is_the_hash_of_the_text(self):
        import hashlib
        path = self.write()
        digest = hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest()
        self.assertEqual(self.p.hash_of(path), "b2:" + digest)
        self.assertEqual(self.p.fingerprint_of(path).replace(" ", ""), digest[:32].upper())

    # install

    def install(self, path, *more):
        return ("agreement", "install", path, "--to", self.folder / "installed.yaml", *more)

    def assert_installed(self, path):
        there = self.folder / "installed.yaml"
        self.assertEqual(there.read_bytes(), path.read_bytes())
        self.assertEqual((self.folder / "installed.yaml.sig").read_bytes(), path.with_name(path.name + ".sig").read_bytes())
        self.assertEqual(stat.S_IMODE(there.stat().st_mode), 0o644)

    def test_the_first_is_installed_by_its_fingerprint(self):
        path = self.signed()
        fingerprint = self.p.fingerprint_of(path)
        self.refuses(*self.install(path), code=REFUSED, says="--fingerprint")
        self.refuses(*self.install(path, "--fingerprint", "0000" + fingerprint[4:]), code=REFUSED, says=["the fingerprint of", fingerprint])
        self.refuses(*self.install(path, "--fingerprint", fingerprint[:-1]), code=REFUSED, says=fingerprint)
        self.assertEqual(os.listdir(self.folder).count("installed.yaml"), 0)
        self.kurzweg(*self.install(path, "--fingerprint", fingerprint.replace(" ", "").lower()))
        self.assert_installed(path)
        self.kurzweg(*self.install(path))  # again: nothing new, nothing wrong

    def test_the_first_is_compared_at_the_terminal(self):
        path = self.signed()
        shown = self.on_terminal(*self.install(path), code=REFUSED, answers=[("Is it the same? [y/N] ", "\n")])
        self.assertIn(self.p.fingerprint_of(path), shown)
        self.assertFalse((self.folder / "installed.yaml").exists())
        self.on_terminal(*self.install(path), answers=[("Is it the same? [y/N] ", "y\n")])
        self.assert_installed(path)

    def test_too_few_signatures_are_not_installed(self):
        path = self.signed(members=("mayor",))
        self.refuses(*self.install(path, "--fingerprint", self.p.fingerprint_of(path)), code=REFUSED, says="1 of the 3")
        self.assertFalse((self.folder / "installed.yaml").exists())

    def test_the_next_follows_and_the_old_never_comes_back(self):
        first = self.signed()
        self.kurzweg(*self.install(first, "--fingerprint", self.p.fingerprint_of(first)))
        second = self.p.sign(self.second(first))
        self.kurzweg(*self.install(second))
        self.assert_installed(second)
        self.refuses(*self.install(first), code=REFUSED, says="versions only go up")
        self.refuses(*self.install(first, "--fingerprint", self.p.fingerprint_of(first)), code=REFUSED, says="versions only go up")
        self.assert_installed(second)

    def test_a_second_successor_is_not_installed(self):
        first = self.signed()
        self.kurzweg(*self.install(first, "--fingerprint", self.p.fingerprint_of(first)))
        second = self.p.sign(self.second(first))
        self.kurzweg(*self.install(second))
        rival = self.p.sign(self.write("rival.yaml", version=2, previous=self.p.hash_of(first), topics=self.p.TOPICS.replace("lane: routine", "lane: urgent")))
        self.refuses(*self.install(rival), code=REFUSED, says="version 2")
        self.assert_installed(second)

    def test_previous_must_be_what_is_there(self):
        first = self.signed()
        self.kurzweg(*self.install(first, "--fingerprint", self.p.fingerprint_of(first)))
        other = self.write("other.yaml", topics=self.p.TOPICS.replace("lane: routine", "lane: urgent"))
        second = self.p.sign(self.second(first))
        self.refuses(*self.install(second, "--previous", other), code=REFUSED, says="which is not the text of")
        self.kurzweg(*self.install(second, "--previous", first))


if __name__ == "__main__":
    kurzweg_test.main()
