"""A first agreement out of a spreadsheet's table, as spreadsheets save it; and every fault of such a table, with its line and column."""

import kurzweg_test
from kurzweg_test import FAILED, REFUSED, USAGE, Partnership

HEAD = "Schlüssel;Art;Titel;Zwecke;Adresse;Fingerabdruck;Bemerkung"


class Draft(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        self.p = Partnership(self)

    def rows(self, **changed):
        """One for each key: {name: fields}."""
        rows = {name: [line, "", "", "", "", "", ""] for name, line in self.p.lines.items()}
        rows["haus"][4] = "broker.example.org:7411"
        rows["police/control-room"][2] = "Polizeipräsidium; Lagezentrum"
        rows["city/public-order"][2] = 'Stadt Mühlbach "Mitte"'
        rows["youth-house/office"][1:4] = ["civil", "Jugendhaus Süd", "danger-prevention, care"]
        rows["youth-house/office"][6] = "ruft zurück: 0123/45"
        for name, fields in changed.items():
            rows[name.replace("_", "/")] = fields
        return rows

    def table(self, rows=None, head=HEAD, delimiter=";", end="\r\n", encoding="utf-8-sig"):
        def quoted(field):
            return '"' + field.replace('"', '""') + '"' if any(c in field for c in ';,\t"') else field

        lines = [head.replace(";", delimiter)] + [delimiter.join(map(quoted, fields)) for fields in (rows if rows is not None else self.rows()).values()]
        path = self.folder / "partners.csv"
        path.write_bytes((end.join(lines) + end).encode(encoding))
        return path

    def draft(self, path, *more, **how):
        return self.kurzweg("agreement", "draft", "--from", path, "--partnership", "muehlbach", "--coordinator", "city/crime-prevention", *more, **how)

    def stays(self, path, says, *more, code=FAILED):
        """Refused; nothing is written."""
        done = self.draft(path, "--to", "draft.yaml", *more, code=code)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, done.stderr)
        self.assertFalse((self.folder / "draft.yaml").exists())
        return done

    def test_a_draft_that_can_be_signed(self):
        done = self.draft(self.table(), "--to", "draft.yaml")
        self.assertNotIn("Windows", done.stderr)
        for name, line in self.p.lines.items():
            self.assertIn(f'{self.kurzweg("key", "fingerprint", line).stdout.strip()}  {name}', done.stderr)
        text = (self.folder / "draft.yaml").read_text()
        for part in ('title: "Polizeipräsidium; Lagezentrum"', 'title: "Stadt Mühlbach \\"Mitte\\""', "purposes: [danger-prevention, care]", 'endpoints: ["tcp://broker.example.org:7411"]',
                     "kind: live", "threshold: 2", "publish: [police, city]"):
            self.assertIn(part, text)
        checked = self.kurzweg("agreement", "check", "draft.yaml")
        self.assertIn("4 nodes", checked.stdout)
        self.assertEqual(checked.stderr, "It may stand: no fault was found, and nothing that is probably not meant.\n", "a draft is to begin without warnings")
        self.p.sign(self.folder / "draft.yaml")
        self.kurzweg("agreement", "verify", "draft.yaml")
        readers = self.kurzweg_json("agreement", "who-reads", "alert/flood/mitte", "--agreement", "draft.yaml")
        self.assertEqual({r["node"] for r in readers["readers"]}, {"city/crime-prevention", "city/public-order", "police/control-room", "youth-house/office"})

    def test_whatever_way_a_spreadsheet_saves_it(self):
        wanted = self.draft(self.table(encoding="utf-8")).stdout
        self.assertIn("Jugendhaus Süd", wanted)
        for how in ({"delimiter": ","}, {"delimiter": "\t"}, {"end": "\n"}, {"end": "\r"}, {"encoding": "utf-8"}, {"encoding": "cp1252"}, {"encoding": "iso-8859-1", "delimiter": ","},
                    {"head": HEAD.upper()}, {"head": "key;kind;title;purposes;address;fingerprint;note"}):
            with self.subTest(**how):
                done = self.draft(self.table(**how))
                self.assertEqual(done.stdout, wanted)
                self.assertEqual("read as Windows-1252" in done.stderr, how.get("encoding") in ("cp1252", "iso-8859-1"))

    def test_an_empty_row_adds_nobody_and_is_told(self):
        table = self.table()
        head, first, *rest = table.read_text(encoding="utf-8-sig").splitlines()
        table.write_text("\n".join([head, first, ";;;;;;", *rest]) + "\n", encoding="utf-8")
        self.assertIn(f"line 3 of {table} is empty and adds nobody", self.draft(table).stderr)
        table.write_text("\n".join([head, first, "", *rest]) + "\n", encoding="utf-8")
        self.assertNotIn("adds nobody", self.draft(table).stderr)

    def test_what_is_no_table(self):
        path = self.folder / "partners.csv"
        for content, says in (("Schlüssel;Art".encode("utf-16"), ["UTF-16", "CSV UTF-8"]), (b"PK\3\4and so on", "spreadsheet itself"), (b"", "empty"), (b"\r\n;;;\r\n", "empty"),
                              (b"key;title\r\nx;\"open\r\n", "line 2, column 2: a quote begins here"), (b"key;title\r\nx;a\"b\r\n", "line 2, column 2: a quote stands where none may"),
                              (b"key;title\r\nx;\x81\r\n", "letter neither of UTF-8 nor of Windows-1252"), (b"key;title\n\"a\nb\";c\n", "line 2, column 1: the field holds a line end"),
                              ("key;title\nx;a\u202eb\n".encode(), "line 2, column 2"), (b"title;kind\nx;y\n", "must name the columns"), (b"key;key\nx;y\n", "line 1, column 2: \"key\" stands there a second time"),
                              (b"key;titel;purpsoes\nx;y;z\n", "did you mean \"purposes\""), (b"key\n" * 9000, "more than 8192 rows"), (b"key;" + b";" * 80 + b"\n", "more than 64 columns"),
                              (b"key;title\n" + b"x" * (5 << 20), "bytes")):
            with self.subTest(content=content[:20]):
                path.write_bytes(content)
                self.stays(path, says)
        self.stays(self.folder / "missing.csv", "does not exist")

    def test_a_fault_in_a_row_is_told_with_line_and_column(self):
        police, line = "police_control-room", self.p.lines["police/control-room"]
        order = list(self.rows())
        at = order.index("police/control-room") + 2
        other = self.kurzweg("key", "new", "police/control-room", "--out", "other.key").stdout.strip()
        exercise = self.kurzweg("key", "new", "police/control-room", "--exercise", "--out", "exercise.key").stdout.strip()
        secret = self.p.key("police/control-room").read_text().splitlines()[4]
        for fields, says, code in (([line[:-5], "", "", "", "", "", ""], [f"line {at}, column 1 (Schlüssel)", "public key line"], None),
                                   ([secret, "", "", "", "", "", ""], [f"line {at}, column 1 (Schlüssel)"], None),
                                   (["", "police", "", "", "", "", ""], [f"line {at}, column 1 (Schlüssel)", "must stand here"], FAILED),
                                   (["/etc/passwd", "", "", "", "", "", ""], [f"line {at}, column 1"], FAILED),
                                   ([exercise, "", "", "", "", "", ""], ["the two never mix"], FAILED),
                                   ([line, "", "", "", "", "0000 1111 2222 3333 4444 5555 6666 7777", ""], [f"line {at}, column 6 (Fingerabdruck)", "ask them for the line again"], REFUSED),
                                   ([line, "club", "", "", "", "", ""], [f"line {at}, column 2 (Art)", "police, city, civil"], FAILED),
                                   ([line, "", "x" * 128, "", "", "", ""], [f"line {at}, column 3 (Titel)", "127"], FAILED),
                                   ([line, "", "", "care", "", "", ""], [f"line {at}, column 4 (Zwecke)", "only civil"], FAILED),
                                   ([line, "", "", "", "h:1", "", ""], [f"line {at}, column 5 (Adresse)", "mixed up"], FAILED),
                                   ([line, "", "", "", "", "", "", "more"], [f"line {at}, column 8", "names no column"], FAILED)):
            with self.subTest(says=says):
                done = self.stays(self.table(self.rows(**{police: fields})), says, code=code)
                self.assertNotIn(secret.split()[-1][:12], done.stderr)
        twice = self.rows()
        twice["again"] = [other, "", "", "", "", "", ""]
        self.stays(self.table(twice), ["police/control-room stands in line", "keep one of the two"])
        for address, says in (("", "needs its address"), ("nowhere", "no address of the broker"), ("host:99999", "no address of the broker")):
            self.stays(self.table(self.rows(haus=[self.p.lines["haus"], "", "", "", address, "", ""])), says)
        self.stays(self.table(self.rows(haus=[self.p.lines["haus"], "city", "", "", "h:1", "", ""])), ["column 2 (Art)", "a broker's key"])
        self.stays(self.table(self.rows(**{"city_crime-prevention": [self.p.lines["city/crime-prevention"], "fire", "", "", "", "", ""]})), ["city is of kind city in line"])
        self.stays(self.table(self.rows(**{"city_crime-prevention": [self.p.lines["city/crime-prevention"], "", "Anders", "", "", "", ""]})), ["another title in line"])

    def test_who_is_missing(self):
        for names, says in ((("haus",), "no row holds the broker's line"), (self.p.MEMBERS, "no row holds a line of the steering committee"),
                            (tuple(self.p.nodes), "no row holds a node's line"), (("city/crime-prevention",), ["the draft could not stand", "city/crime-prevention"])):
            self.stays(self.table({name: fields for name, fields in self.rows().items() if name not in names}), says)

    def test_options(self):
        path = self.table()
        self.refuses("agreement", "draft", "--partnership", "x", code=USAGE, says="--from TABLE is for a first agreement")
        self.refuses("agreement", "draft", "--from", path, "--partnership", "x", code=USAGE, says="--coordinator")
        self.refuses("agreement", "draft", "--from", path, "--partnership", "No Name", "--coordinator", "a/b", code=USAGE, says="--partnership")
        self.stays(path, "threshold is 1, half of the 3 members or less", "--threshold", "1")
        self.draft(path, "--to", "draft.yaml", "--threshold", "3", "--begins", "2026-12-01T00:00:00+01:00", "--ends", "2027-06-01T00:00:00+02:00")
        text = (self.folder / "draft.yaml").read_text()
        self.assertIn("valid: {from: 2026-11-30T23:00:00Z, until: 2027-05-31T22:00:00Z, grace: 30d}", text)
        self.assertIn("threshold: 3", text)
        self.draft(path, "--to", "draft.yaml", code=FAILED)
        self.assertEqual((self.folder / "draft.yaml").read_text(), text)

    def test_an_exercise_with_one_kind_of_partners(self):
        lines = {name: self.kurzweg("key", "new", name, "--exercise", *kind, "--out", f"e-{name.replace('/', '-')}.key").stdout.strip()
                 for name, kind in (("haus", ("--broker",)), ("city/crime-prevention", ()), ("city/b", ()))}
        rows = {"mayor": [self.p.lines["mayor"], "", "", "", "", "", ""], **{name: [line, "", "", "", "[::1]:7411 broker:7412" if name == "haus" else "", "", ""] for name, line in lines.items()}}
        self.draft(self.table(rows), "--to", "draft.yaml")
        self.assertIn("kind: exercise", (self.folder / "draft.yaml").read_text())
        self.assertIn('endpoints: ["tcp://[::1]:7411", "tcp://broker:7412"]', (self.folder / "draft.yaml").read_text())
        self.kurzweg("agreement", "check", "draft.yaml")


if __name__ == "__main__":
    kurzweg_test.main()
