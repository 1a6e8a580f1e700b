"""The guides of the first hour as those who follow them read them: who types what on which machine, and what they are asked.

test_guide.py follows them in folders, with every run of the tests; tests/install/test_first_hour.py on three machines with the packages installed.
"""

import re

from kurzweg_test import PASSPHRASE, SOURCE

GUIDES = {"en": "first-hour.md", "de": "erste-stunde.md"}
NODES = {"police": "police/control-room", "city": "city/public-order"}

# What the person types where it is asked, and nothing else is ever asked.
ANSWERS = [
    (r"\b1 (?:of|von) 3: ", lambda machine: NODES[machine]),
    (r"\b2 (?:of|von) 3: ", lambda machine: ""),
    (r"(?:A passphrase for the new key|Eine Passphrase für den neuen Schlüssel|Once more|Noch einmal|Passphrase of the steering key|Passphrase des Schlüssels): $", lambda machine: PASSPHRASE),
    (r"\[y/N\] $|\[j/N\] $", lambda machine: "y"),  # which German takes as well as j
]


def blocks(name):
    """[(machines, user, lines, what is to be seen)] of a guide; user None is root."""
    text = (SOURCE / "docs" / name).read_text()
    found = []
    for m in re.finditer(r"^(?:<!-- at: ([a-z ]+)(?:, as ([a-z]+))? -->\n)?```(\w*)\n(.*?)^```$", text, re.M | re.S):
        machines, user, kind, body = m.groups()
        if kind == "sh":
            found.append(((machines or "").split(), user, body.splitlines(), []))
        else:
            found[-1][3].extend(body.splitlines())
    return found


def answer(shown, machine, more=()):
    """What is typed at that machine for the question in shown, or None where nothing is asked."""
    return next((what(machine) for pattern, what in (*ANSWERS, *more) if re.search(pattern, shown, re.M)), None)


def published(shown):
    """The ID of the notification that was just published, as the screen has it, or None."""
    found = re.search(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\r?$", shown, re.M)
    return found.group().strip() if found else None
