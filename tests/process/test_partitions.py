"""The broker and each node on a machine of its own (network namespaces), and a network between them that drops, loses and resets (nftables).

Skipped, aloud, where that is not allowed or ip and nft are not installed. Nothing outside the namespaces is touched, and they go
with the test.
"""

import json
import os
import shutil
import subprocess
import time
import unittest

import desk
import kurzweg_test
import record
from desk import CITY, POLICE, YOUTH
from kurzweg_test import Daemon, Partnership, wait_until

PORT = 7411
NODES = {POLICE: "police", CITY: "city", YOUTH: "other"}
TOPICS = '  - {filter: "urgent/#", schema: note, publish: ["*"], receive: ["*"], lane: urgent}\n'
SECONDS = 4        # that each fault lasts
DELIVERED_MS = 60000


def quiet(*words):
    return subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, capture_output=True, text=True)


def must(*words):
    done = quiet(*words)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr}"


def why_not():
    """What keeps us from it; None when nothing does."""
    for program in ("ip", "nft"):
        if shutil.which(program) is None and not os.path.exists(f"/usr/sbin/{program}"):
            return f"{program} is not installed"
    name = f"kw-try-{os.getpid()}"
    if quiet("ip", "netns", "add", name).returncode != 0:
        return "this user may not make network namespaces"
    try:
        for words in (("ip", "netns", "exec", name, "nft", "add", "table", "inet", "kw"), ("ip", "link", "add", "kwtry0", "type", "veth", "peer", "name", "kwtry1", "netns", name)):
            if quiet(*words).returncode != 0:
                return f"{' '.join(words[:2])} is not allowed here"
        return None
    finally:
        quiet("ip", "netns", "delete", name)


WHY_NOT = why_not()


class Networks:
    """One namespace for the broker, 10.211.N.1 in it towards node N, and one for each node, 10.211.N.2."""

    def __init__(self, test, nodes):
        self.test, self.prefix = test, f"kw{os.getpid()}"
        self.add("broker")
        for number, node in enumerate(nodes, 1):
            self.add(node)
            ours, theirs = f"kwb{number}", f"kwn{number}"
            must("ip", "-n", self.name("broker"), "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", self.name(node))
            for place, link, address in (("broker", ours, f"10.211.{number}.1/24"), (node, theirs, f"10.211.{number}.2/24")):
                must("ip", "-n", self.name(place), "address", "add", address, "dev", link)
                must("ip", "-n", self.name(place), "link", "set", link, "up")
            must("ip", "-n", self.name(node), "route", "add", "10.211.0.1/32", "via", f"10.211.{number}.1")
        must("ip", "-n", self.name("broker"), "address", "add", "10.211.0.1/32", "dev", "lo")

    def name(self, place):
        return f"{self.prefix}-{place.replace('/', '-')}"

    def add(self, place):
        must("ip", "netns", "add", self.name(place))
        self.test.addCleanup(quiet, "ip", "netns", "delete", self.name(place))
        must("ip", "-n", self.name(place), "link", "set", "lo", "up")

    def within(self, place, argv):
        return ["ip", "netns", "exec", self.name(place), *argv]

    def fault(self, node, rule):
        """At the node's end, both ways."""
        must(*self.within(node, ["nft", "add", "table", "inet", "kw"]))
        for hook in ("input", "output"):
            must(*self.within(node, ["nft", f"add chain inet kw {hook} {{ type filter hook {hook} priority 0; }}"]))
            must(*self.within(node, ["nft", f"add rule inet kw {hook} meta l4proto tcp counter {rule}"]))

    def heal(self, node):
        """How many packets met the rule."""
        shown = json.loads(quiet(*self.within(node, ["nft", "-j", "list", "table", "inet", "kw"])).stdout)
        must(*self.within(node, ["nft", "delete", "table", "inet", "kw"]))
        return sum(part["counter"]["packets"] for rule in shown["nftables"] if "rule" in rule for part in rule["rule"]["expr"] if "counter" in part)


@unittest.skipIf(WHY_NOT is not None, f"SKIPPED: no partition was tried: {WHY_NOT}")
class Partitions(kurzweg_test.TestCase):
    def setUp(self):
        super().setUp()
        self.net = Networks(self, NODES)
        self.p = Partnership(self, nodes=NODES, endpoint=f"tcp://10.211.0.1:{PORT}", topics=TOPICS)
        self.record, self.count = record.Record(self.p.agreement()), 0
        self.broker = self.inside("broker", self.p.broker)
        self.daemons = {node: self.inside(node, self.p.node, node) for node in NODES}
        self.desks = {node: desk.Desk(self.p.socket(node)) for node in NODES}
        for node, at in self.desks.items():
            self.addCleanup(at.close)
            self.daemons[node].wait_for("link.up")

    def inside(self, place, start, *args):
        """Starts a daemon within the namespace: `ip netns exec` becomes it, so that the process is the daemon's own."""
        def daemon(program, *more, log=None, **env):
            started = Daemon(self.net.within(place, [kurzweg_test.BIN / program, *more]), log, **env)
            self.addCleanup(lambda: started.kill())
            return started

        self.daemon = daemon
        return start(*args)

    def say(self, sender):
        self.count += 1
        text, to = f"{sender} {self.count}", [n for n in NODES if n != sender]
        key = self.record.said(sender, "urgent/x", text, to, order=sender)
        identity = self.desks[sender].publish("urgent/x", json.dumps({"text": text, "language": "de"}), form="json", to=to, confirm_at_once=True)
        self.record.taken(key, identity)
        return sender, identity

    def through(self, rule, *struck):
        """Everybody says things while these nodes' network is bad, and all of it arrives once it is good."""
        said = [self.say(node) for node in NODES]
        for node in struck:
            self.net.fault(node, rule)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            said += [self.say(node) for node in NODES]
            time.sleep(0.5)
        met = {node: self.net.heal(node) for node in struck}
        self.assertTrue(all(met.values()), f"{rule} met no packet: {met}")
        for node in struck:
            self.record.fault(f"{node}: {rule}")
        said += [self.say(node) for node in NODES]
        for sender, identity in said:
            self.desks[sender].ask("state", id=identity, stage="delivered", wait_ms=DELIVERED_MS)

    def test_after_partitions_loss_and_resets_everything_has_arrived_once(self):
        self.through("drop", POLICE)
        self.through("numgen random mod 100 < 10 drop", *NODES)
        self.through("reject with tcp reset", CITY, YOUTH)
        self.record.ways(lambda node, verb, **keys: self.desks[node].ask(verb, **keys))
        for node, at in self.desks.items():
            self.record.shown(node, at.inbox(content="json"))
            status = wait_until(lambda: (now := at.status()) and not now["alarms"] and now, what=f"the end of the alarms at {node}")
            wrong = {key: status[key] for key in ("gaps", "missing_numbers", "evidence", "stopped") if status[key]}
            self.assertEqual((wrong, status["inbox"]["rejected"]), ({}, 0), node)
        self.record.judge(self.folder, said=self.count, faults=6)
        self.assertTrue(self.broker.alive())


if __name__ == "__main__":
    kurzweg_test.main()
