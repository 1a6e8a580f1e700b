#!/usr/bin/python3 -B
"""The history checker: judges the record of a run by docs/protocol.md alone; it shares no line and no language with what it judges.

    tests/process/history.py RECORD [--said N] [--faults N]

RECORD is a file of JSON objects, one a line, in the order in which things happened; `event` says what each is:

    agreement  text: the agreement in force from here on
    fault      what: a fault that was applied
    said       key: a name that nothing else has, sender, topic, lane where it is not the topic's, to: the nodes named, or [],
               content: a text that nothing else has, order: what has the same one was said one after the other; "" for unknown
    taken      key, id: the node answered [N-5] with that id; without this the answer never came
    stored     id; and, where the node told it, position: [log epoch, lane, number] ([N-8], [N-9])
    anew       id, now: sealed anew under another id, by the node's own word ([P-3], `sealed_anew_as` in [N-9])
    explained  id, why: it need not arrive (expired, recalled, refused for good), by what its sender was told
    shown      node, seq, id, sender, topic, lane, content: a row of that node's inbox ([N-4]), in the inbox's order
    waiting    node, lane, count: what the broker holds for that node in the end, 0 where this is not told
    outbox     node, count: what that node had not got rid of in the end, 0 where this is not told

Judged is: who was promised something has it once, or it waits for him; nobody has what was not said, or not to him, or not so;
each sender's things stand in their order in each lane, and each lane's in one order everywhere; one place holds one thing. A
record with too little in it, or without a fault, is refused as well: it shows nothing.
"""

import argparse
import collections
import json
import sys

import yaml

Finding = collections.namedtuple("Finding", "kind sentence")


def matches(pattern, topic):
    """MQTT 5, section 4.7: + is one level, # is the level before it and all below."""
    wanted, there = pattern.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(there) or level not in ("+", there[i]):
            return False
    return len(wanted) == len(there)


class Agreement:
    """Who reads a topic, and in which lane it goes, out of the text that the committee signed."""

    def __init__(self, text):
        tree = yaml.load(text, Loader=yaml.BaseLoader)
        self.topics, self.coordinator = tree["topics"], tree["coordinator"]
        self.partners = {p["id"]: (p["kind"], p.get("purposes", []), [f'{p["id"]}/{n["id"]}' for n in p["nodes"]]) for p in tree["partners"]}

    def topic(self, name):
        return next(t for t in self.topics if matches(t["filter"], name))

    def nodes(self, word, purpose):
        """Whom a word of a list stands for: a node, a partner, a kind or all; of the civil ones who committed to the purpose."""
        for partner, (kind, purposes, nodes) in self.partners.items():
            if word in nodes:
                yield word
            elif word in (partner, kind, "*") and (kind != "civil" or word == partner or purpose in purposes):
                yield from nodes

    def audience(self, topic, sender, to):
        """[A-7]"""
        row = self.topic(topic)
        readers = {n for word in row["receive"] for n in self.nodes(word, row.get("purpose"))}
        if to:
            readers &= set(to)
        if "responsible" in row:
            for entry in row["responsible"]:
                deputies = entry.get("deputies", [])
                for word in [entry["who"], *([deputies] if isinstance(deputies, str) else deputies)]:
                    readers |= set(self.nodes(word, row.get("purpose")))
            readers.add(self.coordinator)
        return readers - {sender}

    def lane(self, topic):
        return self.topic(topic).get("lane", "urgent")


class Said:
    """One thing that somebody said, and all that became of it."""

    def __init__(self, event, agreement):
        self.key, self.sender, self.topic, self.content, self.order = (event[k] for k in ("key", "sender", "topic", "content", "order"))
        self.to, self.lane = event["to"], event.get("lane") or agreement.lane(event["topic"])
        self.owed = self.allowed = agreement.audience(self.topic, self.sender, self.to)
        self.ids, self.stored, self.explained = [], False, None  # ids: the last is the one that holds
        self.at = collections.defaultdict(list)  # by node: its places in that inbox

    def under(self, agreement):
        """Another version came while it may not have been stored yet: it may be judged by either."""
        readers = agreement.audience(self.topic, self.sender, self.to)
        self.owed, self.allowed = self.owed & readers, self.allowed | readers


class History:
    """Reads a record and gathers what is wrong with it in findings."""

    def __init__(self, record):
        self.findings, self.said, self.by_content, self.by_id = [], {}, {}, {}
        self.inboxes, self.places = collections.defaultdict(list), {}
        self.waiting, self.outbox, self.faults = collections.Counter(), collections.Counter(), collections.Counter()
        self.agreement = None
        for event in record:
            getattr(self, "on_" + event["event"])(event)

    def wrong(self, kind, sentence):
        self.findings.append(Finding(kind, sentence))

    # ---- what happened ----

    def on_agreement(self, event):
        self.agreement = Agreement(event["text"])
        for one in self.said.values():
            if not one.stored:
                one.under(self.agreement)

    def on_fault(self, event):
        self.faults[event["what"]] += 1

    def on_said(self, event):
        assert event["key"] not in self.said and event["content"] not in self.by_content, f'{event["key"]} is said twice: the record is of no use'
        one = Said(event, self.agreement)
        self.said[one.key] = self.by_content[one.content] = one

    def name(self, one, identity):
        """The id is that thing's from here on; two things never share one."""
        if self.by_id.setdefault(identity, one) is not one:
            self.wrong("place", f"{one.key} and {self.by_id[identity].key} have the same id {identity}")
        elif identity not in one.ids:
            one.ids.append(identity)

    def on_taken(self, event):
        self.name(self.said[event["key"]], event["id"])

    def on_stored(self, event):
        one = self.by_id[event["id"]]
        one.stored = True
        if "position" in event:
            place = tuple(event["position"])
            if self.places.setdefault(place, one) is not one:
                self.wrong("place", f"{one.key} and {self.places[place].key} are stored at the same place {place} [P-7]")
            if place[1] != one.lane:
                self.wrong("changed", f"{one.key} is stored in lane {place[1]}, not {one.lane}")

    def on_anew(self, event):
        self.name(self.by_id[event["id"]], event["now"])

    def on_explained(self, event):
        self.by_id[event["id"]].explained = event["why"]

    def on_shown(self, event):
        self.inboxes[event["node"]].append(event)

    def on_waiting(self, event):
        self.waiting[event["node"], event["lane"]] += event["count"]

    def on_outbox(self, event):
        self.outbox[event["node"]] += event["count"]

    # ---- what follows ----

    def judge_row(self, node, place, row):
        one = self.by_content.get(row["content"])
        if one is None:
            return self.wrong("unsaid", f'{node} shows {row["id"]} of {row["sender"]}, which nobody said: {row["content"]!r:.80}')
        if (row["sender"], row["topic"], row["lane"]) != (one.sender, one.topic, one.lane):
            self.wrong("changed", f'{node} shows {one.key} as of {row["sender"]} on {row["topic"]} in lane {row["lane"]}')
        if row["id"] not in one.ids:
            if one.ids:
                self.wrong("changed", f'{node} shows {one.key} under the id {row["id"]}, not {one.ids[-1]}')
            else:
                self.name(one, row["id"])  # the answer never came: now it is known
        if node not in one.allowed:
            self.wrong("stranger", f"{node} has {one.key}, which was for {', '.join(sorted(one.allowed))} [A-7]")
        if one.at[node]:
            self.wrong("twice", f"{node} shows {one.key} twice [D-4]")
        one.at[node].append(place)

    def judge_inbox(self, node, rows):
        seqs = [row["seq"] for row in rows]
        if seqs != sorted(set(seqs)):
            self.wrong("order", f"{node} numbers its rows {seqs[:10]} …")
        for place, row in enumerate(rows):
            self.judge_row(node, place, row)

    def judge_order(self, node):
        """[D-2]: in each lane as the log has it, and so as the sender said it. Only what was sealed anew may have lost its place."""
        last = {}
        for one in self.said.values():
            if not one.order or not one.at[node] or len(one.ids) > 1:
                continue
            way = (one.sender, one.lane, one.order)
            if way in last and last[way].at[node][0] > one.at[node][0]:
                self.wrong("order", f"{node} has {last[way].key} behind {one.key}, which was said later")
            last[way] = one

    def judge_lanes(self):
        """[L-1]: one log, so two readers have in the same order what they both have, and in the order of the numbers where these are known."""
        orders = collections.defaultdict(list)
        for one in self.said.values():
            for node in one.allowed:
                if one.at[node]:
                    orders[one.lane, node].append((one.at[node][0], one))
        orders = {key: [one for _, one in sorted(rows, key=lambda row: row[0])] for key, rows in orders.items()}
        for (lane, a), (other, b) in ((x, y) for x in orders for y in orders if x < y):
            both = [[one for one in orders[lane, mine] if one.at[theirs] and theirs in one.allowed] for mine, theirs in ((a, b), (b, a)) if lane == other]
            if both and both[0] != both[1]:
                self.wrong("order", f"lane {lane} has one order at {a} and another at {b} [L-1]")
        numbers = {one: place for place, one in self.places.items()}
        for (lane, node), there in orders.items():
            places = [numbers[one] for one in there if one in numbers]
            if places != sorted(places):
                self.wrong("order", f"{node} has lane {lane} in another order than its numbers [D-2]")

    def judge_promises(self):
        """[P-7] and [D-2]: stored is at all its readers, or waits for them; one inbox shows that it was stored, whatever its sender heard."""
        unsent, absent = collections.Counter(), collections.defaultdict(list)
        for one in self.said.values():
            if one.explained:
                continue
            if not one.stored and not any(one.at.values()):
                unsent[one.sender] += bool(one.ids)  # what was answered waits in the outbox, and what was not was never promised
                continue
            for node in one.owed:
                if not one.at[node]:
                    absent[node, one.lane].append(one)
        for sender, count in unsent.items():
            if count > self.outbox[sender]:
                self.wrong("lost", f"{sender} took {count} which are stored nowhere, and says that {self.outbox[sender]} wait [P-10]")
        for (node, lane), missing in absent.items():
            if len(missing) > self.waiting[node, lane]:
                self.wrong("lost", f"{node} lacks {len(missing)} in lane {lane}, {missing[0].key} among them, and {self.waiting[node, lane]} wait for it [D-2]")

    def judge(self, said, faults):
        for node, rows in self.inboxes.items():
            self.judge_inbox(node, rows)
            self.judge_order(node)
        self.judge_lanes()
        self.judge_promises()
        arrived = sum(any(one.at.values()) for one in self.said.values())
        if arrived < said:
            self.wrong("thin", f"{arrived} things arrived, fewer than {said}: so little traffic shows nothing")
        if sum(self.faults.values()) < faults:
            self.wrong("thin", f"{sum(self.faults.values())} faults were applied, fewer than {faults}: a run without faults shows nothing")
        return self.findings


def judge(record, said=1, faults=1):
    """All that is wrong with the record, [] when nothing is: at least so much arrived, under at least so many faults."""
    return History(record).judge(said, faults)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("record")
    options.add_argument("--said", type=int, default=1, help="so many things must have arrived")
    options.add_argument("--faults", type=int, default=1, help="so many faults must have been applied")
    wanted = options.parse_args()
    with open(wanted.record) as lines:
        findings = judge(map(json.loads, lines), wanted.said, wanted.faults)
    for finding in findings:
        print(f"{finding.kind}: {finding.sentence}")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
