"""The real programs against a broker that lies in one way: what the nodes say of it, and that what was true before stays so.

The liar is kurzweg-broker but for what it sends (liar.c). Every test begins with an honest broker, tells one lie, looks at
inbox, rejected ones, status and outbox of those who were lied to, and ends with something that arrives.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "process"))

import zmq  # noqa: E402

import kurzweg_test  # noqa: E402
import strangers  # noqa: E402
from kurzweg_test import SOURCE, Partnership, free_ports, wait_until  # noqa: E402

SENDER, READER, OTHER = "police/control-room", "city/public-order", "youth-house/office"
TOPICS = """\
  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police, city], receive: [police, city, civil],
     lane: flash, keep: {content: 14d, proof: 2y}, deliver_within: 2s}
  - {filter: "note/#", schema: note, publish: [police, city], receive: [police, city], lane: routine}
"""
TOPIC = "alert/flood/mitte"
LIAR = os.environ.get("KW_LIAR", SOURCE / "build" / "dev" / "tests" / "kurzweg-liar")


class Desk:
    """A node's local socket."""

    def __init__(self, context, endpoint):
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(endpoint)

    def ask(self, verb, document=None, **keys):
        self.socket.send_multipart([json.dumps({"request": 1, "verb": verb, **keys}).encode()] + ([document] if document is not None else []))
        assert self.socket.poll(30000), f"{verb} is not answered"
        answer = json.loads(self.socket.recv())
        if not answer["ok"]:
            raise Refused(answer["text"])
        return answer["result"]


class Refused(Exception):
    pass


def setUpModule():
    global stage, partnership, alert
    stage = kurzweg_test.TestCase()
    stage.setUp()
    partnership = Partnership(stage, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", topics=TOPICS)
    partnership.agreement()
    done = subprocess.run([SOURCE / "examples" / "fresh", SOURCE / "examples" / "flood-neckar.cap.xml"], capture_output=True, check=True)
    alert = done.stdout


def tearDownModule():
    stage.doCleanups()


class Liar(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        self.p = partnership
        self.p.test = self
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, linger=0)
        for name in ("broker", *(n.replace("/", "-") for n in self.p.nodes)):
            shutil.rmtree(self.p.folder / name, ignore_errors=True)
            for end in ("log", "yaml"):
                (self.p.folder / f"{name}.{end}").unlink(missing_ok=True)
        self.told = self.folder / "lie"
        self.desks, self.nodes = {}, {}
        self.start_broker()
        for node in (SENDER, READER):
            self.start(node)

    def start_broker(self):
        self.broker = self.p.broker(program=LIAR, KW_LIE=self.told, KW_LIE_KEY=self.p.key("haus"))

    def start(self, node):
        self.nodes[node] = self.p.node(node)
        self.nodes[node].wait_for("link.up")
        self.desks[node] = Desk(self.context, self.p.socket(node))
        return self.nodes[node]

    def again(self, node, before=lambda: None):
        """Stops the node, does something to what it left, and starts it; the link is up."""
        self.assertEqual(self.nodes[node].stop(), 0)
        before()
        times = self.nodes[node].text().count("link.up") + 1
        self.nodes[node].start().wait_for("link.up", times=times)
        return self.nodes[node]

    def state(self, node):
        return self.p.folder / node.replace("/", "-")

    def copy_of(self, node):
        """What a backup would hold; the node runs on."""
        copy = self.folder / "copy"
        self.again(node, lambda: shutil.copytree(self.state(node), copy))
        return copy

    def restore(self, node, copy):
        shutil.rmtree(self.state(node))
        shutil.copytree(copy, self.state(node))

    # ---- lying ----

    def lie(self, name, node, times=1, arg=""):
        self.told.with_suffix(".new").write_text(f"{name} {node} {times} {arg}\n")
        self.told.with_suffix(".new").rename(self.told)

    def lied(self, name, times=1):
        self.broker.wait_for(f"liar.lied lie={name}", times=times)

    def honest(self):
        self.told.unlink(missing_ok=True)

    # ---- asking ----

    def publish(self, node=SENDER, topic=TOPIC, **keys):
        return self.desks[node].ask("publish", alert, topic=topic, form="cap", **keys)["id"]

    def status(self, node):
        return self.desks[node].ask("status")

    def inbox(self, node, rejected=False):
        return self.desks[node].ask("inbox", rejected=rejected, content="none")["rows"]

    def arrives(self, id, node=READER):
        return wait_until(lambda: next((r for r in self.inbox(node) if r["id"] == id), None), what=f"{id} at {node}")

    def one_more(self):
        """The queue moves on: an honest one arrives."""
        self.honest()
        row = self.arrives(self.publish())
        self.assertFalse(row["bare"])
        return row

    def alarm(self, node, code):
        """Its text, once it is there."""

        def look():
            return next((a["text"] for a in self.status(node)["alarms"] if a["code"] == code), None)

        try:
            return wait_until(look, what=f"the alarm {code} at {node}")
        except AssertionError as e:
            raise AssertionError(f"{e}; there is {self.status(node)['alarms']}\n{self.nodes[node].text()[-2000:]}") from None

    def evidence(self, node, kind):
        return [e for e in self.status(node)["evidence"] if e["kind"] == kind]

    def stored(self, id, node=SENDER):
        self.desks[node].ask("state", id=id, stage="stored", wait_ms=30000)

    def trace(self, id, node=SENDER):
        return self.desks[node].ask("trace", id=id)

    def no_alarms(self, *nodes):
        for node in nodes:
            self.assertEqual(self.status(node)["alarms"], [], node)

    # ---- honest ----

    def test_an_honest_broker_raises_no_alarm(self):
        first, second = self.publish(), self.publish()
        self.stored(first)
        self.arrives(first)
        self.assertFalse(self.arrives(second)["bare"])
        self.desks[SENDER].ask("state", id=first, stage="stored", wait_ms=10000)
        wait_until(lambda: len(self.trace(first)["delivered"]) == 1, what="the reader's receipt")
        self.no_alarms(SENDER, READER)
        for node in (SENDER, READER):
            self.assertEqual((self.status(node)["gaps"], self.status(node)["evidence"]), ([], []))

    # ---- changed on the way ----

    def refused(self, lie, says, arg="", gap=True, told_to_sender=True):
        """The lie is found out by a check that says so; nothing of it is shown; the next one shows the gap, where its number could not be read."""
        before = self.one_more()
        self.lie(lie, READER, arg=arg)
        id = self.publish()
        self.lied(lie)
        row = wait_until(lambda: self.inbox(READER, rejected=True), what="a rejected one")[0]
        self.assertIn(says, row["reason"])
        self.one_more()
        self.assertNotIn(id, [r["id"] for r in self.inbox(READER)])
        self.assertIn(before["id"], [r["id"] for r in self.inbox(READER)])
        self.assertEqual(len(self.status(READER)["gaps"]), 1 if gap else 0)
        if told_to_sender:
            wait_until(lambda: self.trace(id)["rejected"], what="a signed rejection at the sender")
            self.assertIn(READER, self.alarm(SENDER, "rejected"))
        else:
            self.assertEqual(self.trace(id)["rejected"], [])
        return row

    def test_another_topic_in_the_header_is_found_out(self):
        self.refused("exchange", "signature", arg=f"{TOPIC}=alert/flood/mittf", told_to_sender=False)

    def test_another_sender_in_the_header_is_found_out(self):
        self.refused("exchange", "no node of the agreement", arg="police/control-room=police/control-roon", told_to_sender=False)

    def test_a_flipped_bit_of_the_body_is_found_out(self):
        self.refused("flip_body", "body")

    def test_a_flipped_bit_of_the_signature_is_found_out(self):
        self.refused("flip_signature", "signature", told_to_sender=False)

    def test_the_command_line_tells_what_was_rejected_and_what_is_missing(self):
        row = self.refused("flip_body", "body")
        at = ("--socket", self.p.socket(READER))
        shown = self.kurzweg("inbox", "--rejected", *at).stdout
        self.assertRegex(shown, rf"{row['id']} +rejected: .*body")
        self.assertRegex(self.kurzweg("inbox", row["id"], *at).stdout, r"\*\*\* rejected: .*body.* \*\*\*")
        self.assertNotIn(row["id"], self.kurzweg("inbox", *at).stdout)
        shown = " ".join(self.kurzweg("status", *at).stdout.split())
        self.assertRegex(shown, rf"! 1 notification of {SENDER} in lane flash is missing since [\d:]+; ask them what they sent\.")
        shown = self.kurzweg("trace", row["id"], "--socket", self.p.socket(SENDER)).stdout
        self.assertRegex(shown, rf"(?m)^{READER} +rejected it +[\d:]+ +.*body")

    def test_a_missing_byte_is_found_out(self):
        self.refused("cut_off", "body", told_to_sender=False)

    def test_a_byte_too_many_is_found_out(self):
        self.refused("add_one", "body", told_to_sender=False)

    def test_a_wrap_left_out_is_found_out(self):
        self.refused("without_wrap", "wrap")

    def test_the_wrap_of_another_is_found_out(self):
        self.refused("wrap_of_another", "wrap")

    def test_the_wrap_of_another_reader_is_found_out(self):
        self.start(OTHER)
        self.lie("wrap_of_another_reader", OTHER, times=1)  # who stands behind READER in the audience
        id = self.publish()
        self.lied("wrap_of_another_reader")
        self.arrives(id)
        row = wait_until(lambda: self.inbox(OTHER, rejected=True), what="a rejected one")[0]
        self.assertIn("wrap", row["reason"])
        self.assertEqual(self.inbox(OTHER), [])

    def test_the_body_of_another_is_found_out(self):
        self.refused("body_of_another", "body")

    def test_a_body_left_out_without_a_word_is_found_out(self):
        self.refused("as_whole_without_body", "body", told_to_sender=False)

    def test_a_reader_that_was_added_is_none(self):
        self.start(OTHER)
        self.lie("to_another_too", READER, arg=OTHER)
        self.arrives(self.publish(to=[READER]))
        self.lied("to_another_too")
        row = wait_until(lambda: self.inbox(OTHER, rejected=True), what="a rejected one")[0]
        self.assertIn("not meant for this node", row["reason"])
        self.assertEqual(self.inbox(OTHER), [])

    def test_what_a_stranger_to_its_key_publishes_is_shown_to_nobody(self):
        """The broker verifies no signature; the reader does."""
        key = strangers.Key(self.p.key("city/crime-prevention"))
        hash = bytes.fromhex(self.p.hash_of(self.p.folder / "agreement.yaml").split(":")[-1])
        node = strangers.Node(self.context, self.p.endpoint, strangers.Key(self.p.key("haus")).public, key)
        node.send(strangers.hello(hash))
        self.assertIsNotNone(node.expect(strangers.WELCOME))
        node.send(strangers.publish(3), strangers.frame("musterstadt", hash, "city/crime-prevention", TOPIC, lane=0, payload_type=1))
        row = wait_until(lambda: self.inbox(READER, rejected=True), what="a rejected one")[0]
        self.assertIn("signature", row["reason"])
        self.one_more()

    # ---- withheld ----

    def gap(self, node=READER):
        return wait_until(lambda: self.status(node)["gaps"], what=f"a gap at {node}")[0]

    def test_one_dropped_in_the_middle_is_a_gap(self):
        self.one_more()
        self.lie("drop", READER)
        lost = self.publish()
        self.lied("drop")
        self.one_more()
        gap = self.gap()
        self.assertEqual((gap["sender"], gap["lane"], gap["first"], gap["last"]), (SENDER, "flash", 2, 2))
        wait_until(lambda: any(u["id"] == lost and READER in u["missing"] for u in self.status(SENDER)["unconfirmed"]), what="the sender missing a confirmation")

    def test_the_last_ones_dropped_are_missed_by_the_sender(self):
        self.lie("drop", READER, times=100)
        id = self.publish(to=[READER])
        late = wait_until(lambda: [u for u in self.status(SENDER)["unconfirmed"] if u["id"] == id], what="an unconfirmed one")[0]
        self.assertEqual((late["stored"], late["missing"]), (True, [READER]))
        self.assertEqual(self.inbox(READER), [])

    def test_a_broker_that_falls_silent_is_named(self):
        self.lie("silence", READER, times=1000)
        id = self.publish(to=[READER])
        wait_until(lambda: [u for u in self.status(SENDER)["unconfirmed"] if u["id"] == id], what="an unconfirmed one")
        self.assertIn("nothing", wait_until(lambda: next((a["text"] for a in self.status(READER)["alarms"] if a["code"] == "silent_broker"), None), deadline=90))
        self.honest()
        wait_until(lambda: self.inbox(READER), deadline=90, what="the alert, once the broker speaks again")
        self.assertEqual([a for a in self.status(READER)["alarms"] if a["code"] == "silent_broker"], [])

    def test_two_turned_round_show_a_gap(self):
        self.lie("turn_round", READER, times=2)
        first, second = self.publish(), self.publish()
        self.lied("turn_round", times=2)
        self.arrives(second)
        gap = self.gap()
        self.assertEqual((gap["first"], gap["last"]), (1, 1))
        self.assertNotIn(first, [r["id"] for r in self.inbox(READER)])

    def test_what_was_held_beyond_its_time_is_an_alarm(self):
        self.lie("hold_back", READER)
        id = self.publish(expires_ms=int(time.time() * 1000) + 1500)
        self.lied("hold_back")
        wait_until(lambda: time.time() * 1000 > self.trace_expiry(id), what="the alert's end")
        self.lie("let_go_expired", READER)
        self.publish()
        row = self.arrives(id)
        self.assertEqual((row["bare"], row["mark"]), (True, "held back"))
        self.assertIn(SENDER, self.alarm(READER, "held_back"))

    def trace_expiry(self, id):
        import datetime

        return datetime.datetime.fromisoformat(self.trace(id)["expires"].replace("Z", "+00:00")).timestamp() * 1000

    def test_what_is_marked_expired_or_purged_and_is_not_is_an_alarm(self):
        for lie in ("as_expired", "as_purged"):
            self.lie(lie, READER)
            row = self.arrives(self.publish())
            self.assertEqual((row["bare"], row["mark"]), (True, "held back"))
            self.alarm(READER, "held_back")

    def test_what_is_subscribed_to_and_comes_bare_is_an_alarm(self):
        self.lie("as_not_subscribed", READER)
        row = self.arrives(self.publish())
        self.assertEqual((row["bare"], row["mark"]), (True, "withheld"))
        self.assertIn("not subscribed", self.alarm(READER, "withheld"))

    def test_a_notification_hidden_as_the_brokers_own_entry_is_an_alarm_and_a_gap(self):
        self.lie("as_own_entry", READER)
        id = self.publish()
        self.assertIn("not signed by the broker", self.alarm(READER, "broker_lies"))
        self.one_more()
        self.assertEqual(self.gap()["first"], 1)
        self.assertNotIn(id, [r["id"] for r in self.inbox(READER)])

    # ---- cases ----

    def parted(self, lie):
        """The broker states of a case what does not follow from the log: the one who is told it says so, and goes on by its own fold."""
        self.lie(lie, SENDER)
        id = self.publish(take_within_s=600)
        said = self.alarm(SENDER, "case_parted")
        self.assertIn(id, said)
        self.assertIn("by the agreement it is with city/crime-prevention", said)
        self.assertEqual(len(self.evidence(SENDER, "case_parted")), 1)
        case = self.desks[SENDER].ask("case", id=id)
        self.assertEqual((case["owner"], case["parted"]), ("city/crime-prevention", True))
        self.one_more()

    def test_an_owner_that_the_log_does_not_name_is_told_and_not_believed(self):
        self.parted("other_owner")

    def test_a_turn_that_the_agreement_does_not_make_so_long_is_told_and_not_believed(self):
        self.parted("longer_turn")

    # ---- replayed ----

    def times(self, id, node=READER):
        return sum(r["id"] == id for r in self.inbox(node))

    def test_a_replay_is_shown_once(self):
        self.lie("again", READER)
        id = self.publish()
        self.lied("again")
        self.arrives(id)
        wait_until(lambda: self.status(READER)["inbox"]["duplicates"] >= 1, what="a duplicate counted")
        self.assertEqual(self.times(id), 1)
        self.assertEqual(self.inbox(READER, rejected=True), [])

    def test_a_replay_after_a_restart_is_shown_once(self):
        id = self.publish()
        self.arrives(id)
        self.again(READER)
        self.lie("replay", READER)
        second = self.publish()
        self.lied("replay")
        self.arrives(second)
        self.assertEqual(self.times(id), 1)

    def test_a_reader_restored_from_an_old_copy_says_so_and_reads_on(self):
        self.one_more()
        copy = self.copy_of(READER)
        id = self.publish()
        self.arrives(id)
        wait_until(lambda: self.trace(id)["delivered"], what="its receipt")
        self.again(READER, lambda: self.restore(READER, copy))
        self.assertIn("old copy", self.alarm(READER, "restored"))
        self.arrives(id)
        self.lie("replay", READER)
        second = self.publish()
        self.lied("replay")
        self.arrives(second)
        self.assertEqual(self.times(id), 1)

    # ---- commits ----

    def disbelieved(self, lie, says):
        self.lie(lie, SENDER)
        id = self.publish()
        self.lied(lie)
        self.assertIn(says, self.alarm(SENDER, "broker_lies"))
        self.honest()
        self.stored(id)  # offered again, and proven

    def test_a_path_that_does_not_hold_is_not_believed(self):
        self.disbelieved("wrong_path", "does not hold")

    def test_a_position_that_the_commit_does_not_hold_is_not_believed(self):
        self.disbelieved("wrong_position", "does not hold")

    def test_a_commit_with_a_broken_signature_is_not_believed(self):
        self.disbelieved("wrong_signature", "not signed by the broker")

    def test_a_commit_signed_by_another_key_is_not_believed(self):
        self.disbelieved("signed_by_another", "not signed by the broker")

    def test_a_proof_for_what_was_never_sent_is_not_believed(self):
        self.disbelieved("never_sent", "never sent")

    def test_a_refusal_of_what_a_reader_has_is_an_alarm(self):
        self.lie("refused_after_all", SENDER)
        id = self.publish()
        self.lied("refused_after_all")
        with self.assertRaisesRegex(Refused, "the broker says so"):
            self.desks[SENDER].ask("state", id=id, stage="stored", wait_ms=10000)
        self.arrives(id)
        self.assertIn(READER, self.alarm(SENDER, "contradiction"))

    def test_two_commits_of_one_number_stop_publishing_with_evidence(self):
        self.one_more()
        self.lie("second_commit", SENDER)
        self.publish()
        self.assertIn("two histories", self.alarm(SENDER, "fork"))
        self.assertEqual(len(self.evidence(SENDER, "fork")), 1)
        self.honest()
        with self.assertRaisesRegex(Refused, "histories"):
            self.publish()
        self.again(SENDER)  # it does not forget
        with self.assertRaisesRegex(Refused, "histories"):
            self.publish()
        self.assertTrue(self.status(SENDER)["stopped"])

    def test_two_histories_for_two_nodes_are_found_out_by_what_a_partner_saw(self):
        self.one_more()
        self.lie("other_history", READER, times=1000)
        self.again(READER)
        self.stored(self.publish())
        self.alarm_of_fork()

    def alarm_of_fork(self):
        """Headers name the newest commit that their sender saw. In quiet both nodes hear of the same one by the broker's beats; the next header names it."""

        def commits():
            return {self.status(node)["link"]["commit"]["number"] for node in (SENDER, READER)}

        def look():
            wait_until(lambda: len(commits()) == 1, what="a commit that both were told of", deadline=90)
            self.arrives(self.publish())
            return [a for a in self.status(READER)["alarms"] if a["code"] == "fork"]

        wait_until(look, what="a fork at the reader", deadline=90)
        self.assertGreaterEqual(len(self.evidence(READER, "fork")), 1)

    # ---- hello's answer ----

    def test_a_log_that_ends_before_what_was_read_is_not_worked_with(self):
        self.one_more()
        self.lie("empty_log", READER, times=1000)
        self.nodes[READER].stop()
        self.nodes[READER].start().wait_for("partner.ready", times=2)
        self.assertIn("old backup", self.alarm(READER, "behind"))
        self.assertNotEqual(self.status(READER)["link"]["state"], "ready")

    def test_a_broker_restored_from_an_old_copy_serves_nobody(self):
        self.one_more()
        self.broker.stop()
        copy = self.folder / "old"
        shutil.copytree(self.p.folder / "broker", copy)
        self.broker.start().wait_for("broker.ready", times=2)
        for node in (SENDER, READER):
            self.nodes[node].wait_for("link.up", times=2)
        self.one_more()
        self.broker.stop()
        shutil.rmtree(self.p.folder / "broker")
        shutil.copytree(copy, self.p.folder / "broker")
        self.broker.start().wait_for("broker.ready", times=3)
        self.alarm(READER, "refused")
        id = self.publish()
        with self.assertRaisesRegex(Refused, "not stored yet"):
            self.desks[SENDER].ask("state", id=id, stage="stored", wait_ms=2000)

    def test_another_text_of_the_agreement_is_not_worked_with(self):
        self.lie("other_agreement", READER, times=1000)
        self.nodes[READER].stop()
        self.nodes[READER].start().wait_for("partner.ready", times=2)
        self.assertIn("another text of version 1", self.alarm(READER, "agreement_refused"))

    def test_a_last_one_that_was_never_sent_costs_a_new_epoch_and_nothing_else(self):
        self.one_more()
        self.lie("strange_last_stored", SENDER)
        self.again(SENDER)
        self.alarm(SENDER, "restored")
        self.one_more()
        self.assertEqual((self.status(READER)["gaps"], self.inbox(READER, rejected=True)), ([], []))

    def test_a_clock_that_lies_is_an_alarm_and_stops_what_would_be_refused(self):
        self.lie("an_hour_early", SENDER)
        self.again(SENDER)
        self.assertIn("apart", self.alarm(SENDER, "clock"))
        with self.assertRaisesRegex(Refused, "clock"):
            self.publish()
        self.again(SENDER)
        self.one_more()

    def test_a_sender_restored_without_being_told_is_found_out_by_its_numbers(self):
        copy = self.copy_of(SENDER)
        first = self.publish()
        self.arrives(first)
        self.stored(first)
        self.lie("forgets_last_stored", SENDER, times=1000)
        self.again(SENDER, lambda: self.restore(SENDER, copy))
        second = self.publish()
        rows = [self.arrives(second), self.arrives(first)]
        self.assertIn(SENDER, self.alarm(READER, "equivocation"))
        self.assertEqual(len(self.evidence(READER, "equivocation")), 1)
        wait_until(lambda: {r["mark"] for r in self.inbox(READER)} == {"equivocation"}, what="both marked")
        self.assertEqual(len(rows), 2)

    # ---- agreements ----

    def next_version(self, name="agreement-2.yaml", topics=None):
        first = self.p.folder / "agreement.yaml"
        path = self.p.write(name, version=2, previous=self.p.hash_of(first), topics=topics)
        return self.p.sign(path, previous=first)

    def install(self, path):
        self.kurzweg("agreement", "install", path, "--control", f"ipc://{self.p.folder}/broker.sock")

    def version(self, node):
        return self.status(node)["agreement"]["version"]

    def falsified(self, lie):
        path = self.next_version()
        self.lie(lie, READER, times=1000)
        self.install(path)
        self.alarm(READER, "agreement_refused")
        self.assertEqual(self.version(READER), 1)
        self.honest()
        wait_until(lambda: self.version(READER) == 2, what="version 2 at the reader")
        self.one_more()

    def test_an_altered_agreement_changes_nothing(self):
        self.falsified("altered_agreement")

    def test_an_agreement_without_its_signatures_changes_nothing(self):
        self.falsified("unsigned_agreement")

    def long_version(self):
        """One of several parts: a comment is part of what is signed."""
        first = self.p.folder / "agreement.yaml"
        path = self.p.write("long.yaml", version=2, previous=self.p.hash_of(first))
        path.write_text(path.read_text() + "# what fills a part and more of them\n" * 6000)
        return self.p.sign(path, previous=first)

    def parts_lied_about(self, lie, alarm, says):
        """It is told in a sentence, and asked for again now and then and not at once; honest parts then come together."""
        path = self.long_version()
        self.lie(lie, READER, times=1000)
        self.install(path)
        self.lied(lie, times=2)
        self.assertIn(says, self.alarm(READER, alarm))
        self.assertEqual(self.version(READER), 1)
        self.assertLess(self.broker.text().count(f"liar.lied lie={lie}"), 12)
        self.honest()
        wait_until(lambda: self.version(READER) == 2, what="version 2 at the reader")
        self.one_more()

    def test_parts_of_a_whole_that_grows_are_refused(self):
        self.parts_lied_about("larger_agreement", "agreement_refused", "the parts before it were of one of")

    def test_a_part_that_is_left_out_is_refused(self):
        self.parts_lied_about("part_left_out", "agreement_refused", "part 2 came where part 1 was awaited")

    def test_an_agreement_that_never_ends_is_awaited_and_holds_no_more_than_a_part(self):
        self.parts_lied_about("endless_agreement", "agreement_refused", "has not sent part 1 of version 2 of the agreement, which was asked for 4 times")

    def test_a_length_that_none_may_have_is_refused_before_anything_is_taken_for_it(self):
        self.parts_lied_about("huge_agreement", "gibberish", "must have 1 to 2097152")

    def test_a_part_of_another_length_is_refused(self):
        self.parts_lied_about("short_part", "gibberish", "must have 65536")

    def test_a_second_successor_is_evidence_and_the_first_stays(self):
        self.install(self.next_version())
        wait_until(lambda: self.version(READER) == 2, what="version 2 at the reader")
        fingerprint = self.status(READER)["agreement"]["fingerprint"]
        rival = self.next_version("rival.yaml", topics=TOPICS.replace("lane: flash", "lane: urgent"))
        self.lie("unasked_agreement", READER, arg=f"2:{rival}")
        self.publish()
        self.lied("unasked_agreement")
        self.assertIn("second successor", self.alarm(READER, "agreement_refused"))
        self.assertEqual(len(self.evidence(READER, "agreement")), 1)
        self.assertEqual(self.status(READER)["agreement"]["fingerprint"], fingerprint)


if __name__ == "__main__":
    kurzweg_test.main()
