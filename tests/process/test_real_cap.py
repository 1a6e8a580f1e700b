"""Real CAP alerts, where they lie beside the clone, through the real programs: imported, sealed, carried, opened and exported, and what came out says what went in.

What went in is read here by Python's own parser, not by the project's; what came out is held against the OASIS schema by libxml2.
"""

import collections
import ctypes
import ctypes.util
import datetime
import os
import re
import xml.etree.ElementTree as ET

import kurzweg_test
from desk import CITY, POLICE
from kurzweg_test import REFUSED, SOURCE, Partnership, free_ports

CAP = SOURCE.parent / "shared" / "cap"
TOPICS = '  - {filter: "alert/#", schema: alert, publish: [police, city], receive: [police, city], lane: flash}\n'


def files(*folders):
    return sorted(file for name in folders for file in (CAP / name).iterdir())


class Schema:
    """cap12.xsd, read by libxml2; says what is wrong with a text, "" when nothing is."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(ctypes.util.find_library("xml2") or "libxml2.so.2")
        for name in "xmlSchemaNewParserCtxt", "xmlSchemaParse", "xmlSchemaNewValidCtxt", "xmlReadMemory":
            getattr(self.lib, name).restype = ctypes.c_void_p
        parser = ctypes.c_void_p(self.lib.xmlSchemaNewParserCtxt(os.fsencode(path)))
        self.schema = ctypes.c_void_p(self.lib.xmlSchemaParse(parser))
        assert self.schema.value, path

    def wrong(self, text):
        raw = text.encode()
        document = ctypes.c_void_p(self.lib.xmlReadMemory(raw, len(raw), None, None, 0))
        if not document.value:
            return "no XML"
        context = ctypes.c_void_p(self.lib.xmlSchemaNewValidCtxt(self.schema))
        said = []
        report = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)(lambda _, form, text: said.append((form, text)))
        self.lib.xmlSchemaSetValidErrors(context, report, report, None)
        code = self.lib.xmlSchemaValidateDoc(context, document)
        return "" if code == 0 else f"schema error {code}: {said}"


# ---- what an alert says ----

# what import mends by [Y-7], and only where the file gives cause: a file's name, and of which elements
MENDED = {
    "v1dot1_appendix_adot1.xml": {"mimeType"},
    "alertswiss-TEST-1163.xml": {"references", "category", "certainty"},
}


def number(text):
    value = round(float(text), 9)
    return f"{value:g}" if value != int(value) else str(int(value))


def same(name, text):
    """A text in the one form that two ways of saying the same have in common."""
    text = " ".join((text or "").split())
    if name in ("sent", "effective", "onset", "expires") and text:
        return datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", text)).astimezone(datetime.timezone.utc).isoformat()
    if name in ("polygon", "circle"):
        points = [[float(x) for x in re.split("[, ]", point)] for point in re.findall(r"[^ ]+", text)]
        if name == "polygon":
            points = [[lat, (lon + 180) % 360 - 180] for lat, lon in points]
        return " ".join(",".join(number(x) for x in point) for point in points)
    if name == "references":
        return " ".join(",".join([*item.split(",")[:2], same("sent", item.split(",")[2])]) for item in text.split())
    if name == "derefUri":
        return text.replace(" ", "")
    if name in ("altitude", "ceiling", "size") and text:
        return number(text)
    return text


def meaning(root, mended):
    """{where: texts}, without order between elements of different names, empty ones and signatures; the infos and what is repeated keep theirs."""
    out = collections.defaultdict(list)

    def collect(element, path):
        seen = collections.Counter()
        for child in element:
            if not isinstance(child.tag, str) or child.tag.startswith("{http://www.w3.org/2000/09/xmldsig#}"):
                continue
            name = child.tag.split("}")[-1]
            if name in mended:
                continue
            if len(child):
                collect(child, (*path, name, seen[name]))
                seen[name] += 1
            elif (text := same(name, child.text)) or name == "value":
                out[(*path, name)].append(text)

    collect(root, ())
    return dict(out)


class RealAlerts(kurzweg_test.TestCase):
    @classmethod
    def setUpClass(cls):
        if not CAP.is_dir():
            print(f"skipped: {CAP} is not there, so no real alert is tried")
            raise kurzweg_test.unittest.SkipTest(f"{CAP} is not there")
        cls.all = kurzweg_test.TestCase()
        cls.all.setUp()
        cls.addClassCleanup(cls.all.doCleanups)
        cls.p = Partnership(cls.all, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", nodes={POLICE: "police", CITY: "city"}, topics=TOPICS)
        cls.p.agreement()
        cls.p.broker()
        for node in POLICE, CITY:
            cls.p.node(node).wait_for("link.up")
        cls.schema = Schema(CAP / "schema" / "cap12.xsd")

    def at(self, node):
        return ("--socket", self.p.socket(node))

    def publish(self, file, *more, code=kurzweg_test.DONE):
        return self.kurzweg("publish", "alert/real", "--cap", file, "--lifetime", "2h", "--wait", "delivered", *more, *self.at(POLICE), code=code)

    def test_every_real_alert_says_at_the_reader_what_it_said(self):
        for file in files("real-1.1", "real-1.2"):
            with self.subTest(file=file.name):
                before = meaning(ET.parse(file).getroot(), MENDED.get(file.name, ()))
                done = self.publish(file, code=None)
                if done.returncode == REFUSED and "neither in the inbox nor in the outbox" in done.stderr:  # an update of what was never here
                    self.assertEqual(len(done.stderr.splitlines()), 1)
                    self.assertIn("--type notice", done.stderr)
                    done = self.publish(file, "--type", "notice", code=None)
                self.assertEqual(done.returncode, kurzweg_test.DONE, done.stderr)
                identity = done.stdout.strip()
                out = self.kurzweg("inbox", identity, "--cap", *self.at(CITY)).stdout
                self.assertEqual(self.schema.wrong(out), "")
                after = meaning(ET.fromstring(out.encode()), MENDED.get(file.name, ()))
                self.assertEqual(set(before) - set(after), set())
                for where in after:
                    self.assertEqual(after[where], before.get(where), where)
                row = self.kurzweg_json("inbox", identity, *self.at(CITY))
                self.assertEqual((row["sender"], row["content"]["identifier"]), (POLICE, before[("identifier",)][0]))
                shown = self.kurzweg("inbox", identity, *self.at(CITY)).stdout
                self.assertNotRegex(shown, r"[\x00-\x08\x0b-\x1f\x7f]")
                if row["msg_type"] != "Alert":  # nobody takes it for a new one
                    self.assertRegex(shown, {"Cancel": r"(?m)^\[cancellation\] ", "Update": r"(?m)^\[update\] "}[row["msg_type"]])
                    line, = [line for line in self.kurzweg("inbox", *self.at(CITY)).stdout.splitlines() if identity in line]
                    self.assertIn({"Cancel": "CANCELS: ", "Update": "UPDATES: "}[row["msg_type"]], line)

    def test_no_broken_file_is_taken_and_each_gets_one_sentence_with_its_line(self):
        outbox = self.kurzweg_json("status", *self.at(POLICE))["outbox"]
        for file in files("reject"):
            with self.subTest(file=file.name):
                done = self.refuses("publish", "alert/real", "--cap", file, *self.at(POLICE), code=REFUSED, says=f"kurzweg: {file}: line ")
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(self.kurzweg_json("status", *self.at(POLICE))["outbox"], outbox)

    def test_the_schema_refuses_what_is_not_cap(self):
        """So that a test above means something."""
        good = (SOURCE / "examples" / "flood-neckar.cap.xml").read_text()
        self.assertEqual(self.schema.wrong(good), "")
        self.assertNotEqual(self.schema.wrong(good.replace("<scope>Public</scope>", "")), "")
        self.assertNotEqual(self.schema.wrong(good.replace("Severe", "Awful")), "")


if __name__ == "__main__":
    kurzweg_test.main()
