"""What the handlers in Python share: what a notification says in plain lines, and how a run ends."""

import datetime
import os
import re
import subprocess
import sys
import unicodedata

USAGE, AGAIN, NEVER = 2, 1, 12  # exit codes; 10 and 11 would take or decline a case

GERMAN = {
    "Headline": "Überschrift", "Severity": "Schwere", "Area": "Gebiet", "From": "Von", "Topic": "Thema", "Type": "Art", "About": "Betrifft", "Created": "Erstellt",
    "Expires": "Läuft ab", "Mark": "Vermerk", "Case": "Fall", "State": "Stand", "Owner": "Liegt bei", "Next": "Danach", "Until": "Bis", "Id": "Kennung",
    "Extreme": "extrem", "Severe": "schwer", "Moderate": "mäßig", "Minor": "gering", "Unknown": "unbekannt",
    "EXERCISE": "ÜBUNG", "Exercise": "Übung", "System": "Systemmeldung", "Test": "Test", "Draft": "Entwurf",
    "notice": "Meldung", "update": "Aktualisierung", "cancel": "Aufhebung", "recall": "Rückruf", "request": "Ersuchen", "case": "Fall", "draft": "Entwurf",
    "released": "freigegeben", "forwarded": "weitergeleitet", "note": "Notiz", "suspension": "Sperrung",
    "SUSPENDED": "GESPERRT", "let in again": "wieder zugelassen", "Node": "Knoten", "Operator": "Betreiber", "Reason": "Grund", "Since": "Seit",
    "waiting": "wartet", "offered": "angeboten", "escalated": "bei der Koordination", "taken": "übernommen", "done": "erledigt", "recalled": "zurückgerufen", "lapsed": "verfallen",
    "A later notification updates this one.": "Eine spätere Meldung aktualisiert diese.",
    "You may have had this before.": "Das haben Sie vielleicht schon bekommen.",
}


def stop(code, sentence):
    """Ends the run; sentence goes to the node's log, so no content may be in it."""
    print(sentence, file=sys.stderr)
    sys.exit(code)


def clean(text, lines=False):
    """Without anything that steers a printer, a terminal or the order of letters; on one line, unless lines."""
    safe = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and not (lines and c == "\n") or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" else c
                   for c in text)
    return safe if lines else safe.strip()


class Notification:
    """The one in the environment (KURZWEG_*)."""

    def __init__(self, environment=os.environ):
        self.environment = environment
        self.german = self.value("LANGUAGE") == "de"
        self.id, self.form = self.value("ID"), self.value("FORM") or "json"
        if not re.fullmatch(r"[0-9a-f-]{36}", self.id):
            stop(USAGE, "KURZWEG_ID is not set, or no id; this program is run by kurzweg-partner")

    def value(self, name):
        return clean(self.environment.get(f"KURZWEG_{name}", ""))

    def word(self, english):
        return GERMAN.get(english, english) if self.german else english

    def time(self, name):
        """On this machine's clock, as people write it; "" where there is none."""
        try:
            at = datetime.datetime.fromisoformat(self.value(name).replace("Z", "+00:00")).astimezone()
        except ValueError:
            return ""
        return at.strftime("%d.%m.%Y, %H:%M Uhr" if self.german else "%Y-%m-%d %H:%M")

    @property
    def flash(self):
        return self.value("LANE") == "flash"

    def title(self):
        """One line; that it is an exercise, a test, or takes something back stands first."""
        said = self.value("HEADLINE") or self.value("TOPIC")
        if severity := self.value("SEVERITY"):
            said = f"{self.word(severity)}: {said}"
        kind, status = self.value("TYPE") or "notice", self.value("STATUS") or "Actual"
        if kind == "case":
            said = f"[{self.word('case')}: {self.word(self.value('CASE_STATE'))}] {said}"
        elif kind == "suspension":
            lifted = self.value("SUSPENSION") == "lifted"
            said = f"[{self.word('let in again' if lifted else 'SUSPENDED')}] {self.value('SUSPENSION_NODE')}" + ("" if lifted else f": {self.value('SUSPENSION_REASON')}")
        elif kind != "notice":
            said = f"[{self.word(kind)}] {said}"
        if status != "Actual":
            said = f"[{self.word(status)}] {said}"
        return said if self.value("KIND") in ("", "live") else f"[{self.word('EXERCISE')}] {said}"

    def lines(self):
        """What the environment tells, a line each, and what whoever reads it should know."""
        told = [("Headline", self.value("HEADLINE")), ("Severity", self.word(self.value("SEVERITY"))), ("Area", self.value("AREA")), ("From", self.value("SENDER")),
                ("Topic", self.value("TOPIC")), ("Type", self.word(self.value("TYPE"))), ("About", self.value("ABOUT")), ("Created", self.time("CREATED")),
                ("Expires", self.time("EXPIRES")), ("Mark", self.value("MARK")), ("Case", self.value("CASE")), ("State", self.word(self.value("CASE_STATE"))),
                ("Owner", self.value("CASE_OWNER")), ("Next", self.value("CASE_NEXT")), ("Until", self.time("CASE_UNTIL")), ("Node", self.value("SUSPENSION_NODE")), ("Operator", self.value("SUSPENSION_BY")),
                ("Reason", self.value("SUSPENSION_REASON")), ("Since", self.time("SUSPENSION_FROM")), ("Until", self.time("SUSPENSION_UNTIL")), ("Id", self.id)]
        found = [f"{self.word(label) + ':':<12} {value}" for label, value in told if value]
        found += [self.word("A later notification updates this one.")] if self.value("SUPERSEDED") == "1" else []
        return found + ([self.word("You may have had this before.")] if self.value("REPEAT") == "1" else [])


def hand_over(argv, content=b"", seconds=45, never=(), **environment):
    """Runs the program; returns when it has done it, and ends this run otherwise. What it complains about goes to the node's log.

    never: the exit codes by which it says that it will not take this content at any time.
    """
    try:
        done = subprocess.run(argv, input=content, stdout=subprocess.DEVNULL, timeout=seconds, env={**os.environ, **environment})
    except FileNotFoundError:
        stop(AGAIN, f"{argv[0]} is not installed")
    except OSError as error:
        stop(AGAIN, f"{argv[0]} cannot be started: {error.strerror}")
    except subprocess.TimeoutExpired:
        stop(AGAIN, f"{argv[0]} did not end within {seconds} s")
    if done.returncode != 0:
        stop(NEVER if done.returncode in never else AGAIN, f"{argv[0]} failed: " + (f"exit code {done.returncode}" if done.returncode > 0 else f"killed by signal {-done.returncode}"))
