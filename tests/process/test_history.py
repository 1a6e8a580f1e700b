"""The history checker finds each kind of broken history, and nothing in a good one."""

import copy
import unittest

import history
import kurzweg_test

POLICE, CITY, CRIME, YOUTH = "police/control-room", "city/public-order", "city/crime-prevention", "youth-house/office"
TEXT = """\
partnership: musterstadt
version: 1
coordinator: city/crime-prevention
partners:
  - {id: police, kind: police, nodes: [{id: control-room, key: "a"}]}
  - {id: city, kind: city, nodes: [{id: public-order, key: "b"}, {id: crime-prevention, key: "c"}]}
  - {id: youth-house, kind: civil, purposes: [danger-prevention], nodes: [{id: office, key: "d"}]}
topics:
  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police, city], receive: ["*"], lane: flash}
  - {filter: "request/+", schema: request, publish: ["*"], receive: [police], responsible: [{who: city/public-order}]}
  - {filter: "report/#", schema: report, publish: ["*"], receive: [police, city, civil], lane: routine}
"""


def said(key, sender=POLICE, topic="alert/x", to=(), order="one voice"):
    return {"event": "said", "key": key, "sender": sender, "topic": topic, "to": list(to), "content": f"text of {key}", "order": order}


def taken(key):
    return {"event": "taken", "key": key, "id": "id-" + key}


def stored(key, **more):
    return {"event": "stored", "id": "id-" + key, **more}


def shown(node, seq, key, sender=POLICE, topic="alert/x", lane="flash", **more):
    return {"event": "shown", "node": node, "seq": seq, "id": "id-" + key, "sender": sender, "topic": topic, "lane": lane, "content": f"text of {key}", **more}


def good():
    """Three alerts to all, one to one reader, a request whose line gets it too, and an answer that never came."""
    record = [{"event": "agreement", "text": TEXT}, {"event": "fault", "what": "broker killed"}]
    for number, key in enumerate("abc", 1):
        record += [said(key), taken(key), stored(key, position=[1, "flash", number])]
    record += [said("d", CITY, "alert/y", to=[YOUTH]), taken("d"), stored("d"), said("e", YOUTH, "request/noise"), taken("e"), stored("e"), said("f", CRIME)]
    for node in (CITY, CRIME, YOUTH):
        record += [shown(node, seq, key) for seq, key in enumerate("abc", 1)]
    record.append(shown(YOUTH, 7, "d", CITY, "alert/y"))
    for node in (POLICE, CITY, CRIME):
        record.append(shown(node, 9, "e", YOUTH, "request/noise", "urgent"))
    for node in (POLICE, CITY, YOUTH):
        record.append(shown(node, 11, "f", CRIME))
    return record


class Checker(unittest.TestCase):
    def setUp(self):
        self.record = good()

    def find(self, **which):
        return next(i for i, event in enumerate(self.record) if all(event.get(k) == v for k, v in which.items()))

    def row(self, node, key):
        return self.record[self.find(event="shown", node=node, id="id-" + key)]

    def drop(self, **which):
        return self.record.pop(self.find(**which))

    def good(self, **least):
        self.assertEqual(history.judge(self.record, **least), [])

    def broken(self, kind, *words, **least):
        """There is a finding of this kind with these words, and none of another kind."""
        found = history.judge(self.record, **least)
        self.assertEqual({f.kind for f in found}, {kind}, found)
        for word in words:
            self.assertTrue(any(word in f.sentence for f in found), found)

    def test_a_good_history_is_good(self):
        self.good(said=6, faults=1)

    def test_what_was_stored_and_is_missing_is_lost(self):
        self.drop(event="shown", node=CRIME, id="id-b")
        self.broken("lost", CRIME, "b among them")

    def test_what_is_missing_may_wait_at_the_broker_but_no_more_than_waits_there(self):
        self.drop(event="shown", node=CRIME, id="id-c")
        self.record.append({"event": "waiting", "node": CRIME, "lane": "flash", "count": 1})
        self.good()
        self.drop(event="shown", node=CRIME, id="id-b")
        self.broken("lost", "lacks 2 in lane flash", "1 wait")

    def test_what_waits_in_another_lane_or_for_another_node_explains_nothing(self):
        self.drop(event="shown", node=CRIME, id="id-c")
        self.record += [{"event": "waiting", "node": CRIME, "lane": "urgent", "count": 5}, {"event": "waiting", "node": CITY, "lane": "flash", "count": 5}]
        self.broken("lost", CRIME)

    def test_what_was_not_answered_may_be_nowhere_but_not_at_some_readers_alone(self):
        for node in (POLICE, CITY):
            self.drop(event="shown", node=node, id="id-f")
        self.broken("lost", "f among them")
        self.drop(event="shown", node=YOUTH, id="id-f")
        self.good()

    def test_what_was_taken_and_not_stored_must_wait_in_the_outbox(self):
        self.record += [said("g", CITY), taken("g")]
        self.broken("lost", CITY, "took 1")
        self.record.append({"event": "outbox", "node": CITY, "count": 1})
        self.good()

    def test_what_expired_is_explained(self):
        self.drop(event="shown", node=CRIME, id="id-b")
        self.record.append({"event": "explained", "id": "id-b", "why": "expired"})
        self.good()

    def test_what_is_shown_twice_is_found_also_under_another_id(self):
        self.record.append(shown(CITY, 20, "b"))
        self.broken("twice", "b twice")
        self.record[-1]["id"] = "another"
        self.assertEqual({f.kind for f in history.judge(self.record)}, {"twice", "changed"})

    def test_what_nobody_said_is_found(self):
        self.record.append(shown(CITY, 20, "z"))
        self.broken("unsaid", "id-z")

    def test_one_letter_of_a_content_is_found(self):
        self.row(CITY, "c")["content"] += "."
        self.assertEqual({f.kind for f in history.judge(self.record)}, {"unsaid", "lost"})

    def test_another_sender_topic_or_lane_is_found(self):
        for key, value in (("sender", YOUTH), ("topic", "alert/z"), ("lane", "routine")):
            with self.subTest(key):
                self.record = good()
                self.row(CITY, "c")[key] = value
                self.broken("changed", CITY)

    def test_nobody_else_may_have_it(self):
        self.record.append(shown(CRIME, 20, "d", CITY, "alert/y"))
        self.broken("stranger", CRIME, YOUTH)

    def test_the_sender_is_not_its_own_reader(self):
        self.record.append(shown(POLICE, 20, "a"))
        self.broken("stranger", POLICE)

    def test_the_order_of_one_voice_holds_at_every_reader(self):
        first, second = self.row(CITY, "b"), self.row(CITY, "c")
        first["id"], second["id"] = second["id"], first["id"]
        first["content"], second["content"] = second["content"], first["content"]
        self.broken("order", "b behind c")

    def test_of_two_voices_the_order_is_open_but_the_same_for_all(self):
        for one in ("b", "c"):
            self.record[self.find(event="said", key=one)]["order"] = one
            self.record[self.find(event="stored", id="id-" + one)].pop("position")
        swapped = copy.deepcopy(self.record)
        for node in (CITY, CRIME, YOUTH):
            b, c = self.row(node, "b"), self.row(node, "c")
            for field in ("id", "content"):
                b[field], c[field] = c[field], b[field]
        self.good()
        self.record = swapped
        b, c = self.row(CITY, "b"), self.row(CITY, "c")
        for field in ("id", "content"):
            b[field], c[field] = c[field], b[field]
        self.broken("order", "one order at")

    def test_the_order_is_that_of_the_numbers(self):
        for event in self.record:
            if event["event"] == "said":
                event["order"] = ""
            if event["event"] == "stored" and event["id"] == "id-a":
                event["position"] = [1, "flash", 9]
        self.broken("order", "in another order than its numbers")

    def test_two_things_at_one_place_are_found(self):
        self.record[self.find(event="stored", id="id-c")]["position"] = [1, "flash", 2]
        self.broken("place", "c and b")

    def test_two_things_under_one_id_are_found(self):
        self.record.insert(self.find(event="shown"), said("g"))
        self.record.insert(self.find(event="shown"), {"event": "taken", "key": "g", "id": "id-a"})
        self.broken("place", "g and a")

    def test_a_row_number_that_goes_back_is_found(self):
        self.row(CITY, "c")["seq"] = 1
        self.broken("order", "numbers its rows")

    def test_what_was_sealed_anew_may_come_later_but_once(self):
        self.record.insert(self.find(event="shown"), {"event": "anew", "id": "id-b", "now": "id-b2"})
        for node in (CITY, CRIME, YOUTH):
            row = self.drop(event="shown", node=node, id="id-b")
            last = max(i for i, e in enumerate(self.record) if e["event"] == "shown" and e["node"] == node)
            self.record.insert(last + 1, dict(row, seq=30, id="id-b2"))
        self.record[self.find(event="stored", id="id-b")].pop("position")
        self.good()
        self.record.append(shown(CITY, 40, "b"))
        self.broken("twice", CITY)

    def test_a_version_that_gives_rights_owes_nothing_of_before_it(self):
        less = TEXT.replace('receive: ["*"]', "receive: [police, city]")
        at = self.find(event="said", key="f")
        self.record[at:at] = [{"event": "agreement", "text": less}, said("g"), {"event": "agreement", "text": TEXT}]
        self.record += [taken("g"), stored("g"), shown(CITY, 50, "g"), shown(CRIME, 50, "g")]
        self.good()
        self.record.append(shown(YOUTH, 50, "g"))
        self.good()  # under the later version it was for the youth house too

    def test_a_run_with_little_traffic_or_without_a_fault_is_refused(self):
        self.broken("thin", "fewer than 7", said=7)
        self.broken("thin", "1 faults", faults=2)

    def test_filters_are_those_of_mqtt(self):
        for pattern, topic, fits in (("a/#", "a", True), ("a/#", "a/b/c", True), ("a/+", "a/b", True), ("a/+", "a", False), ("a/+", "a/b/c", False),
                                     ("#", "x/y", True), ("+/b", "a/b", True), ("a/b", "a/b", True), ("a/b", "a/bc", False), ("a/b/c", "a/b", False)):
            self.assertEqual(history.matches(pattern, topic), fits, (pattern, topic))

    def test_a_civil_partner_that_did_not_commit_reads_only_what_names_it(self):
        agreement = history.Agreement(TEXT)
        self.assertEqual(agreement.audience("report/x", POLICE, []), {CITY, CRIME})
        self.assertEqual(agreement.audience("alert/x", POLICE, []), {CITY, CRIME, YOUTH})
        self.assertEqual(agreement.audience("request/x", POLICE, []), {CITY, CRIME})


if __name__ == "__main__":
    kurzweg_test.main()
