"""Keeps the record of a run for history.py while it runs, and asks the nodes in the end what became of it."""

import itertools
import json

import history


class Record:
    """ask(node, verb, **keys) answers the result of docs/protocol.md, section 9; several threads may say things at once."""

    def __init__(self, agreement):
        self.events, self.number = [], itertools.count()
        self.agreement(agreement)

    def add(self, event, **more):
        self.events.append({"event": event, **more})

    def agreement(self, path):
        self.add("agreement", text=path.read_text())

    def fault(self, what):
        self.add("fault", what=what)

    def said(self, sender, topic, content, to=(), order=""):
        """Before it is given to the node. The key is for taken()."""
        key = f"{sender} {next(self.number)}"
        self.add("said", key=key, sender=sender, topic=topic, to=list(to), content=content, order=order)
        return key

    def taken(self, key, identity):
        self.add("taken", key=key, id=identity)

    def way(self, ask, sender, identity):
        """What its own node knows of it, and of what it was sealed anew as."""
        got = ask(sender, "trace", id=identity)
        if "sealed_anew_as" in got:
            self.add("anew", id=identity, now=got["sealed_anew_as"])
            self.way(ask, sender, got["sealed_anew_as"])
        elif got["state"] == "stored":
            place = got["stored"]["position"]
            self.add("stored", id=identity, position=[place["log_epoch"], place["lane"], place["number"]])
        elif got["state"] in ("refused", "expired"):
            self.add("explained", id=identity, why=got["state"])

    def ways(self, ask):
        senders = {event["key"]: event["sender"] for event in self.events if event["event"] == "said"}
        for event in [event for event in self.events if event["event"] == "taken"]:
            self.way(ask, senders[event["key"]], event["id"])

    def shown(self, node, rows, content=lambda row: row["content"]["text"]):
        for row in rows:
            self.add("shown", node=node, content=content(row), **{key: row[key] for key in ("seq", "id", "sender", "topic", "lane")})

    def waiting(self, standing):
        """What the broker's status says of each node."""
        for node in standing["nodes"]:
            for lane, there in node["lanes"].items():
                self.add("waiting", node=node["id"], lane=lane, count=there["waiting"])

    def judge(self, folder, said, faults):
        """Fails with what is wrong; the record lies in folder/record.jsonl for tests/process/history.py."""
        (folder / "record.jsonl").write_text("".join(json.dumps(event) + "\n" for event in self.events))
        findings = history.judge(self.events, said, faults)
        assert not findings, "\n".join(f"{f.kind}: {f.sentence}" for f in findings[:20])
