"""Backup and restore of a broker and a node that run: what was answered is in it, a restored one serves, an old one says so, and a full disk leaves nothing behind."""

import base64
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading

import zmq

import kurzweg_test
import strangers
from desk import CITY, POLICE, Desk, Refused
from kurzweg_test import BIN, DONE, FAILED, REFUSED, SILENT, USAGE, environment, plain, wait_until

TOPICS = """\
  - {filter: "alert/#", schema: alert, publish: [police, city], receive: [police, city], lane: flash}
  - {filter: "document/#", schema: document, publish: [police, city], receive: [police, city], lane: urgent}
"""
SIZE = 100_000  # bytes of a document that does not compress


class Backup(kurzweg_test.Shared):
    PARTNERSHIP = {"nodes": {POLICE: "police", CITY: "city"}, "topics": TOPICS}

    def setUp(self):
        super().setUp()
        self.p.agreement()
        self.to = self.folder / "backup"
        self.count = 0

    # what the tests are made of

    def start(self):
        self.broker = self.p.broker()
        self.nodes = {name: self.p.node(name) for name in (POLICE, CITY)}
        for node in self.nodes.values():
            node.wait_for("link.up")

    def at(self, node):
        return ("--socket", self.p.socket(node))

    def publish(self, *more, code=DONE, size=SIZE):
        self.count += 1
        (self.folder / "content.bin").write_bytes(os.urandom(size))
        return self.kurzweg("publish", "document/x", "--file", self.folder / "content.bin", "--subject", f"number {self.count}", "--purpose", "danger-prevention", *more, *self.at(POLICE),
                            code=code).stdout.strip()

    def ids(self, node):
        return [json.loads(line)["id"] for line in self.kurzweg("inbox", "--json", *self.at(node)).stdout.splitlines()]

    def status(self):
        return self.kurzweg_json("status", *self.control)

    def backup(self, *more, to=None):
        return self.kurzweg("backup", "--to", to or self.to, *self.control, *more)

    def restore_broker(self, folder):
        """In the place of what the broker had, which is moved away."""
        (self.folder / "broker").rename(self.folder / f"broker-before-{len(list(self.folder.glob('broker-before-*')))}")
        return self.kurzweg("restore", "--from", folder, "--to", self.folder / "broker")

    def again(self, daemon, code="broker.ready"):
        times = daemon.text().count(code)
        return daemon.start().wait_for(code, times=times + 1)

    def in_the_log(self, ids):
        """The broker's own, whatever nodes have kept."""
        for id in ids:
            self.assertTrue(self.is_in_the_log(id), id)

    def is_in_the_log(self, id):
        return self.kurzweg("trace", id, *self.control, "--json", code=None).returncode == DONE

    def audit_events(self, where):
        return [r["event"] for r in map(json.loads, self.kurzweg("audit", "--json", *where).stdout.splitlines())]

    def whole(self, folder):
        """The manifest, when every file is as it says, private, and nothing else is there."""
        manifest = json.loads((folder / "manifest.json").read_text())
        self.assertEqual(manifest["form"], "kurzweg-backup-1")
        there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        self.assertEqual(there, {f["name"] for f in manifest["files"]} | {"manifest.json"})
        for file in manifest["files"]:
            content = (folder / file["name"]).read_bytes()
            self.assertEqual((len(content), hashlib.blake2b(content, digest_size=32).hexdigest()), (file["bytes"], file["hash"]))
        for path in [folder, *folder.rglob("*")]:
            self.assertEqual(path.stat().st_mode & 0o777, 0o700 if path.is_dir() else 0o600, path)
        return manifest

    # the broker

    def test_a_restored_backup_of_a_broker_serves(self):
        self.start()
        stored = [self.publish("--wait", "stored") for _ in range(3)]
        done = self.backup()
        self.assertIn("A backup of the broker haus (musterstadt) as of ", done.stderr)
        self.assertIn("Its key, its configuration and its agreement file are not in it", done.stderr)
        manifest = self.whole(self.to)
        about = manifest["about"]
        self.assertEqual((manifest["of"], about["name"], about["partnership"], about["kind"], about["agreement"], about["log_epoch"]), ("broker", "haus", "musterstadt", "live", 1, 1))
        self.assertGreaterEqual(about["holds_at_least"]["urgent"], 3)
        self.assertIn("data.mdb", [f["name"] for f in manifest["files"]])
        self.assertTrue(any(f["name"].startswith("audit/") for f in manifest["files"]))
        self.assertIn("backup", self.audit_events(self.control))
        self.assertEqual(self.status()["backup_ms"], manifest["made_ms"])
        self.assertEqual(self.status()["backup_bytes"], sum(f["bytes"] for f in manifest["files"]))
        self.assertRegex(plain(self.kurzweg("status", *self.control).stdout), r"\nlast backup +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, \d+ s ago, [0-9.]+ [KM]iB\n")
        self.assertRegex(self.kurzweg("status", "--check", *self.control).stdout, r" backup_age=\d+s")
        self.broker.stop()
        self.again(self.broker)
        self.assertEqual(self.status()["backup_ms"], manifest["made_ms"])  # also after a new start
        for node in self.nodes.values():
            node.stop()
        self.broker.stop()
        told = self.restore_broker(self.to)
        self.assertRegex(told.stderr, r"^The broker haus \(musterstadt\) as of .* it says so and serves nobody: then ")
        self.again(self.broker)
        for node in self.nodes.values():
            self.again(node, "link.up")
        self.assertEqual(self.status()["state"], "serving")
        self.in_the_log(stored)
        self.assertEqual(self.broker.text().count("store.restored "), 1)
        self.assertIsNone(self.status()["backup_ms"])  # of this store none was made
        self.assertIn("\nlast backup    none was made of this store yet\n", plain(self.kurzweg("status", *self.control).stdout))
        self.assertNotIn("backup_age", self.kurzweg("status", "--check", *self.control, code=None).stdout)
        self.assertEqual(self.audit_events(self.control).count("restored"), 1)
        self.kurzweg("audit", "export", *self.control, "--agreement", self.folder / "agreement.yaml", "--out", self.folder / "audit.json")
        self.kurzweg("audit", "verify", self.folder / "audit.json")
        stored.append(self.publish("--wait", "delivered"))
        self.assertEqual(self.ids(CITY), stored)
        self.broker.stop()
        self.again(self.broker)
        self.assertEqual(self.broker.text().count("store.restored "), 1)  # told once
        self.assertIsNone(self.status()["restored_from_ms"])

    def test_an_old_backup_of_a_broker_says_so_and_serves_in_a_new_epoch(self):
        self.start()
        stored = [self.publish("--wait", "delivered")]
        made_ms = json.loads(self.backup("--json").stdout)["made_ms"]
        stored.append(self.publish("--wait", "delivered"))
        self.broker.stop()
        self.restore_broker(self.to)
        self.again(self.broker)
        wait_until(lambda: self.status()["state"] == "behind", what="the broker's own verdict")
        self.assertEqual(self.status()["restored_from_ms"], made_ms)
        shown = " ".join(plain(self.kurzweg("status", *self.control).stdout).split())
        self.assertRegex(shown, r"! It serves nobody, since its store was restored from a backup of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, and the nodes have seen more: .*Restore a newer backup; "
                                r"only where there is none, say \"kurzweg broker new-epoch\"")
        self.kurzweg("broker", "new-epoch", "--yes", *self.control)
        wait_until(lambda: self.is_in_the_log(stored[1]), what="what the backup lacked, offered again")
        stored.append(self.publish("--wait", "delivered"))
        self.assertEqual(self.ids(CITY), stored)
        self.assertEqual(self.status()["state"], "serving")

    def test_what_is_answered_before_is_in_it_and_what_comes_meanwhile_waits_for_nobody(self):
        self.start()
        answered, ending = [], threading.Event()

        def go_on():
            while not ending.is_set():
                answered.append(self.publish("--wait", "stored"))

        publisher = threading.Thread(target=go_on)
        publisher.start()
        try:
            wait_until(lambda: len(answered) >= 2, what="something published")
            for number in range(3):
                before = list(answered)
                self.backup(to=self.folder / f"backup-{number}")
            after = len(answered)
            wait_until(lambda: len(answered) > after + 1, what="that it goes on")
        finally:
            ending.set()
            publisher.join()
        self.broker.stop()
        self.whole(self.folder / "backup-2")
        for node in self.nodes.values():
            node.stop()
        self.restore_broker(self.folder / "backup-2")
        self.again(self.broker)
        self.in_the_log(before)

    def test_where_a_backup_may_not_be_written_nothing_is_begun(self):
        self.start()
        self.refuses("backup", *self.control, code=USAGE, says="--to FOLDER is missing")
        self.refuses("backup", "--to", self.folder / "x", *self.control, *self.at(POLICE), code=USAGE, says="give one")
        self.to.mkdir()
        self.refuses("backup", "--to", self.to, *self.control, says=f"{self.to} is there already; a backup is always a new folder")
        self.refuses("backup", "--to", self.folder / "no" / "where", *self.control, says="does not exist; make it first")
        (self.folder / "other.part").mkdir()
        self.refuses("backup", "--to", self.folder / "other", *self.control, says="other.part is there: a backup is being written there, or one was interrupted")
        self.refuses("backup", "--to", self.folder / "x", "--control", f"ipc://{self.folder}/none.sock", code=SILENT, says="no broker listens")
        self.assertNotIn("backup.begun", self.broker.text())

    def test_an_operator_elsewhere_gets_no_backup(self):
        self.start()
        self.refuses("backup", "--to", self.to, "--key", self.p.key("night-desk"), code=USAGE, says="--key")
        self.assertFalse(self.to.exists())

    # o8: docs/protocol.md [O-8]

    def raw(self):
        """The control socket itself: ask(…) answers whether it was granted, and the bytes."""
        context = zmq.Context()
        control = strangers.Control(context, self.folder / "broker.sock")
        self.addCleanup(lambda: (control.close(), context.term()))

        def ask(text=None, **keys):
            control.socket.send(strangers.admin(13, text=text if text is not None else json.dumps(keys).encode()))
            self.assertTrue(control.socket.poll(kurzweg_test.DEADLINE * 1000), "the control socket does not answer")
            reply = strangers.fields(strangers.fields(control.socket.recv())[strangers.ADMIN_REPLY][0])
            return bool(reply.get(2, [0])[0]), reply.get(3, [b""])[0]

        return ask

    def test_o8_pieces_are_handed_out_in_their_order_and_once(self):
        self.start()
        self.assertEqual(self.nodes[CITY].stop(), 0)  # what every reader has, the store need not keep
        self.publish("--wait", "stored", size=200_000)
        ask = self.raw()
        granted, begun = ask(step="begin")
        self.assertTrue(granted, begun)
        begun = json.loads(begun)
        one = {"backup": begun["backup"]}
        for wrong, says in (({"step": "begin"}, "a backup is being made just now"), ({"step": "next", **one, "file": 0, "place": 1}, "in their order"),
                            ({"step": "next", **one, "file": 1, "place": 0}, "in their order"), ({"step": "next", "backup": "0" * 32, "file": 0, "place": 0}, "not being made any more"),
                            ({"step": "next", **one, "file": 0}, 'the key "place" is missing'), ({"step": "next", **one, "file": -1, "place": 0}, "file must be a whole number"),
                            ({"step": "end", **one}, "not all of the backup was taken"), ({"step": "end"}, 'the key "backup" is missing'), ({"step": "leap", **one}, "step must be begin, next"),
                            ({"backup": begun["backup"]}, 'the key "step" is missing'), ({"step": "begin", "more": 1}, 'the key "more" is not known'), ({"step": "begin", "as": 1}, "as must be a text")):
            granted, sentence = ask(**wrong)
            self.assertFalse(granted, wrong)
            self.assertIn(says, sentence.decode())
        self.assertFalse(ask(text=b"[1")[0])
        self.assertFalse(ask(text=b" " * 5000)[0])
        files = []
        for file, told in enumerate(begun["files"]):
            content = b""
            while True:
                granted, piece = ask(step="next", **one, file=file, place=len(content))
                self.assertTrue(granted, piece)
                content += piece[1:]
                self.assertLessEqual(len(piece), 196_609)
                if piece[0] == 2:
                    break
            files.append((told["name"], content))
            if file > 0:
                self.assertEqual(len(content), told["bytes"])
        self.assertEqual(ask(step="next", **one, file=len(files), place=0)[0], False)
        self.assertEqual(ask(step="end", **one), (True, b""))
        self.assertFalse(ask(step="end", **one)[0])
        self.assertEqual(files[0][0], "data.mdb")
        self.assertGreater(len(files[0][1]), 200_000)
        trail = files[-1][1].decode().splitlines()
        self.assertTrue(trail[-1].startswith("head "))  # signed, behind the record that it was made
        self.assertIn('"event":"backup"', trail[-2])
        self.broker.wait_for("backup.done by=control bytes=")
        self.assertTrue(ask(step="begin")[0])  # and the next
        self.broker.stop()  # in the middle of that one
        self.again(self.broker)

    def test_o8_who_asks_as_fast_as_it_can_is_answered_each_time(self):
        """On one busy core an answer is read, and the next question there, before the broker looks whether there is any: it never finds its socket empty."""
        self.start()
        ask = self.raw()
        cores = os.sched_getaffinity(0)
        one = {min(cores)}
        for thread in os.listdir(f"/proc/{self.broker.pid}/task"):
            os.sched_setaffinity(int(thread), one)
        self.addCleanup(os.sched_setaffinity, 0, cores)
        os.sched_setaffinity(0, one)
        for _ in range(3):
            busy = subprocess.Popen(["/usr/bin/python3", "-c", "while True: pass"])
            self.addCleanup(lambda p=busy: (p.kill(), p.wait()))
        for _ in range(5000):
            self.assertFalse(ask(text=b"[1")[0])

    def test_o8_an_operator_over_the_network_is_refused(self):
        self.start()
        context = zmq.Context()
        operator = strangers.Node(context, self.p.endpoint, strangers.Key(self.p.key("haus")).public, strangers.Key(self.p.key("night-desk")))
        self.addCleanup(lambda: (operator.close(), context.term()))
        operator.send(strangers.admin(13, text=b'{"step":"begin"}'))
        reply = strangers.fields(operator.expect(strangers.ADMIN_REPLY))
        self.assertNotIn(2, reply)
        self.assertIn("the rest goes over the control socket on the broker's machine", reply[3][0].decode())
        self.assertNotIn("backup.begun", self.broker.text())

    def test_an_interrupted_backup_leaves_nothing(self):
        self.start()

        def pressed():  # it is met as soon as the program looks
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            os.kill(os.getpid(), signal.SIGINT)

        done = subprocess.run([BIN / "kurzweg", "backup", "--to", self.to, *self.control], capture_output=True, text=True, env=environment(), preexec_fn=pressed)
        self.assertEqual((done.returncode, done.stdout), (FAILED, ""))
        self.assertIn("interrupted; nothing of the backup was kept", done.stderr)
        self.assertEqual(list(self.folder.glob("backup*")), [])
        self.broker.wait_for("backup.failed")
        self.backup()  # nobody has to wait for the one that was given up
        self.whole(self.to)

    def small(self, name, kib):
        disk = self.folder / name
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "kurzweg-test", disk], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"skipped: no small disk can be mounted here ({done.stderr.strip()}); run it as root")
            self.skipTest("no small disk can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        return disk

    def test_a_full_disk_in_the_middle_leaves_nothing_and_the_broker_goes_on(self):
        self.start()
        self.nodes[CITY].stop()  # so that the broker keeps what it is to get
        stored = [self.publish("--wait", "stored", size=200_000) for _ in range(8)]
        disk = self.small("stick", 1024)
        done = self.refuses("backup", "--to", disk / "backup", *self.control, says=[f"the disk of {disk}/backup is full after ", "nothing of it was kept: make room"])
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertEqual(list(disk.iterdir()), [])
        self.broker.wait_for("backup.failed")
        self.backup()
        self.refuses("restore", "--from", self.to, "--to", disk / "broker", says=[f"the disk of {disk}/broker has room for ", " KiB and the backup has ", "nothing was changed"])
        self.assertEqual(list(disk.iterdir()), [])
        self.again(self.nodes[CITY], "link.up")
        stored.append(self.publish("--wait", "delivered"))
        self.assertEqual(self.ids(CITY), stored)

    # a node

    def backup_of(self, node, *more, to=None):
        return self.kurzweg("backup", "--to", to or self.to, *self.at(node), *more)

    def state(self, node):
        return self.folder / node.replace("/", "-")

    def restore_node(self, node, folder):
        """In the place of what the node had, which is thrown away; it runs again."""
        self.nodes[node].stop()
        shutil.rmtree(self.state(node))
        told = self.kurzweg("restore", "--from", folder, "--to", self.state(node))
        self.again(self.nodes[node], "link.up")
        return told

    def node_status(self, node):
        return self.kurzweg_json("status", *self.at(node))

    def alarms(self, node):
        return {alarm["code"]: alarm["text"] for alarm in self.node_status(node)["alarms"]}

    def test_a_restored_backup_of_a_node_goes_on(self):
        self.start()
        stored = [self.publish("--wait", "delivered") for _ in range(3)]
        done = self.backup_of(CITY, "--as", "Nora Nacht", "--reason", "every night")
        self.assertIn(f"A backup of the node {CITY} (musterstadt) as of ", done.stderr)
        manifest = self.whole(self.to)
        self.assertEqual((manifest["of"], manifest["about"]["name"], manifest["about"]["kind"], manifest["about"]["inbox"]), ("node", CITY, "live", self.node_status(CITY)["inbox"]["newest"]))
        for file in self.to.rglob("*"):  # what was said of a person stands sealed
            self.assertFalse(file.is_file() and b"Nora Nacht" in file.read_bytes(), file)
        self.assertIn("backup", self.audit_events(self.at(CITY)))
        backup = self.node_status(CITY)["backup"]
        self.assertEqual(backup["bytes"], sum(f["bytes"] for f in manifest["files"]))
        self.assertEqual(backup["made"][:19], manifest["made"][:19])
        self.nodes[CITY].stop()
        self.again(self.nodes[CITY], "link.up")
        self.assertEqual(self.node_status(CITY)["backup"], backup)
        self.assertRegex(plain(self.kurzweg("status", *self.at(CITY)).stdout), r"\nlast backup +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, ")
        epoch = self.node_status(CITY)["sender_epoch"]
        told = self.restore_node(CITY, self.to)
        self.assertEqual(self.node_status(CITY)["backup"], {"made": None, "bytes": 0})
        self.assertIn(f"The node {CITY} (musterstadt) as of", told.stderr)
        self.assertIn("was restored from a backup of", self.alarms(CITY)["restored"])
        self.assertGreater(self.node_status(CITY)["sender_epoch"], epoch)
        self.assertEqual(self.audit_events(self.at(CITY)).count("restored"), 1)
        self.assertIn("store.restored made=", self.nodes[CITY].text())
        stored.append(self.publish("--wait", "delivered"))
        self.assertEqual(self.ids(CITY), stored)
        self.kurzweg("inbox", stored[0], *self.at(CITY))  # its content opens
        self.nodes[CITY].stop()
        self.again(self.nodes[CITY], "link.up")
        self.assertNotIn("restored", self.alarms(CITY))  # told once
        self.kurzweg("audit", "export", *self.at(CITY), "--out", self.folder / "audit.json")
        self.kurzweg("audit", "verify", self.folder / "audit.json")

    def test_a_sender_restored_from_an_old_backup_uses_no_number_twice(self):
        self.start()
        stored = [self.publish("--wait", "delivered")]
        self.backup_of(POLICE)
        stored += [self.publish("--wait", "delivered") for _ in range(2)]
        epoch = self.node_status(POLICE)["sender_epoch"]
        self.restore_node(POLICE, self.to)
        self.assertGreater(self.node_status(POLICE)["sender_epoch"], epoch)
        stored += [self.publish("--wait", "delivered") for _ in range(3)]
        self.assertEqual(self.ids(CITY), stored)
        reader = self.node_status(CITY)
        self.assertEqual((reader["gaps"], reader["alarms"], reader["inbox"]["rejected"]), ([], [], 0))
        self.assertEqual(list(self.alarms(POLICE)), ["restored"])

    def test_a_sender_restored_beside_a_broker_restored_uses_no_number_twice(self):
        """Then the broker remembers nothing that the node lacks, and cannot tell it [C-9]: the restore itself did."""
        self.start()
        stored = [self.publish("--wait", "delivered")]
        self.backup()
        self.backup_of(POLICE, to=self.folder / "node-backup")
        stored.append(self.publish("--wait", "delivered"))
        self.broker.stop()
        self.restore_broker(self.to)
        self.again(self.broker)
        wait_until(lambda: self.status()["state"] == "behind", what="the broker's own verdict")
        self.nodes[POLICE].stop()
        self.kurzweg("broker", "new-epoch", "--yes", *self.control)
        shutil.rmtree(self.state(POLICE))
        self.kurzweg("restore", "--from", self.folder / "node-backup", "--to", self.state(POLICE))
        self.again(self.nodes[POLICE], "link.up")
        stored.append(self.publish("--wait", "delivered"))
        self.assertEqual(self.ids(CITY), stored)
        reader = self.node_status(CITY)
        self.assertEqual((reader["gaps"], reader["inbox"]["rejected"]), ([], 0))
        self.assertEqual([a for a in reader["alarms"] if a["code"] not in ("behind", "refused")], [])

    def test_a_reader_restored_from_an_old_backup_gets_again_what_the_broker_has(self):
        self.start()
        stored = [self.publish("--wait", "delivered")]
        self.backup_of(CITY)
        stored += [self.publish("--wait", "delivered") for _ in range(2)]
        self.restore_node(CITY, self.to)
        wait_until(lambda: self.ids(CITY) == stored, what="what came behind the backup")
        stored.append(self.publish("--wait", "delivered"))
        self.assertEqual(self.ids(CITY), stored)
        self.assertEqual(self.node_status(CITY)["inbox"]["rejected"], 0)

    def test_a_backup_of_a_node_that_writes_is_whole_and_holds_what_was_taken_before(self):
        self.start()
        taken, ending = [], threading.Event()

        def go_on():
            while not ending.is_set():
                taken.append(self.publish(size=20_000))

        publisher = threading.Thread(target=go_on)
        publisher.start()
        try:
            for number in range(4):
                wait_until(lambda: len(taken) > 2 * number, what="something taken")
                before = list(taken)
                self.backup_of(POLICE, to=self.folder / f"backup-{number}")
                self.whole(self.folder / f"backup-{number}")
                copy = sqlite3.connect(self.folder / f"backup-{number}" / "partner.db")
                self.assertEqual(copy.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
                held = {bytes(row[0]).hex() for row in copy.execute("SELECT id FROM outbox")}
                copy.close()
                self.assertLessEqual({id.replace("-", "") for id in before}, held)
        finally:
            ending.set()
            publisher.join()
        self.publish("--wait", "delivered")
        self.assertEqual(self.node_status(POLICE)["alarms"], [])

    def test_a_full_disk_in_the_middle_leaves_the_node_alone(self):
        self.start()
        stored = [self.publish("--wait", "delivered", size=200_000) for _ in range(4)]
        disk = self.small("stick", 512)
        self.refuses("backup", "--to", disk / "backup", *self.at(CITY), says=[f"the disk of {disk}/backup is full after ", "nothing of it was kept: make room"])
        self.assertEqual(list(disk.iterdir()), [])
        self.nodes[CITY].wait_for("backup.failed")
        self.backup_of(CITY)
        self.whole(self.to)
        stored.append(self.publish("--wait", "delivered"))
        self.assertEqual(self.ids(CITY), stored)

    def test_the_backup_of_another_daemon_is_refused(self):
        self.start()
        self.backup()
        node = self.nodes[CITY]
        node.stop()
        shutil.rmtree(self.state(CITY))
        self.kurzweg("restore", "--from", self.to, "--to", self.state(CITY))
        node.start()
        self.assertEqual(node.process.wait(kurzweg_test.DEADLINE), 78)
        self.assertIn("is the backup of a broker, and this is a node; restore the right one", node.text())

    def test_a_restore_of_a_node_that_was_interrupted_is_not_started(self):
        self.start()
        self.backup_of(CITY)
        node = self.nodes[CITY]
        self.refuses("restore", "--from", self.to, "--to", self.state(CITY), says=f"is in use by process {node.pid}")
        node.stop()
        self.refuses("restore", "--from", self.to, "--to", self.state(CITY), says="is not empty, it holds")
        shutil.rmtree(self.state(CITY))
        self.kurzweg("restore", "--from", self.to, "--to", self.state(CITY))
        (self.state(CITY) / "restored").rename(self.state(CITY) / "restoring")
        node.start()
        self.assertEqual(node.process.wait(kurzweg_test.DEADLINE), 78)
        self.assertIn("was interrupted, so what is there is not whole; empty the folder and restore again", node.text())

    def test_a_node_started_on_a_newer_programs_store_says_so_and_is_not_started_again(self):
        node = self.p.broker() and self.p.node(CITY)
        node.stop()
        store = sqlite3.connect(self.state(CITY) / "partner.db")
        store.execute("PRAGMA user_version = 99")
        store.close()
        node.start()
        self.assertEqual(node.process.wait(kurzweg_test.DEADLINE), 78)
        self.assertRegex(node.text(), r"city-public-order/partner.db was written by a newer kurzweg-partner \(schema 99, known here: \d+\), and nothing of it was changed; install that one, or restore a backup")

    # n19: docs/protocol.md [N-19]

    def test_n19_pieces_are_handed_out_in_their_order_and_once(self):
        self.start()
        self.publish("--wait", "delivered")
        desk = Desk(self.p.socket(CITY))
        self.addCleanup(desk.close)
        begun = desk.ask("backup", backup={"step": "begin"})
        one = {"backup": begun["backup"]}
        for wrong, code, says in (({"step": "begin"}, "ESTATE", "a backup of this node is being made just now"), ({"step": "next", **one, "file": 0, "place": 1}, "ESTATE", "in their order"),
                                  ({"step": "next", "backup": "0" * 32, "file": 0, "place": 0}, "ESTATE", "not being made any more"), ({"step": "end", **one}, "ESTATE", "not all of the backup was taken"),
                                  ({"step": "next", **one}, "EUSAGE", 'the key "file" is missing'), ({"step": "begin", "as": "x"}, "EUSAGE", "stands beside it"),
                                  ({"step": "leap"}, "EUSAGE", "step must be begin, next")):
            with self.assertRaisesRegex(Refused, says) as refused:
                desk.ask("backup", backup=wrong)
            self.assertEqual(refused.exception.code, code)
        files = []
        for file, told in enumerate(begun["files"]):
            content = b""
            while (piece := desk.ask("backup", backup={"step": "next", **one, "file": file, "place": len(content)}))["piece"] == "bytes":
                content += base64.b64decode(piece["bytes"])
            self.assertEqual(len(content), told["bytes"])
            files.append(content)
        self.assertEqual(files[0][:15], b"SQLite format 3")
        desk.ask("backup", backup={"step": "end", **one})
        with self.assertRaisesRegex(Refused, "not being made any more"):
            desk.ask("backup", backup={"step": "end", **one})
        begun = desk.ask("backup", backup={"step": "begin"})
        desk.ask("backup", backup={"step": "give_up", "backup": begun["backup"]})
        desk.ask("backup", backup={"step": "begin"})
        self.nodes[CITY].stop()  # in the middle of it

    # restoring

    def test_nothing_is_restored_over_a_running_broker_or_over_anything(self):
        self.start()
        self.backup()
        store = self.folder / "broker"
        self.refuses("restore", "--from", self.to, "--to", store, says=[f"{store} is in use by process {self.broker.pid}", "stop that one first"])
        self.broker.stop()
        before = (store / "data.mdb").read_bytes()
        self.refuses("restore", "--from", self.to, "--to", store, says=[f"{store} is not empty, it holds ", "move what is there away"])
        self.assertEqual((store / "data.mdb").read_bytes(), before)
        self.refuses("restore", "--from", self.to, code=USAGE, says="--to STORE")
        self.refuses("restore", "--to", store, code=USAGE, says="--from FOLDER is missing")
        (self.folder / "file").write_text("")
        self.refuses("restore", "--from", self.to, "--to", self.folder / "file", says="file is no folder")
        self.refuses("restore", "--from", self.folder, "--to", self.folder / "new", code=FAILED, says="is no backup: no manifest.json is in it")
        self.assertFalse((self.folder / "new").exists())
        self.again(self.broker)

    def test_a_damaged_backup_is_not_restored(self):
        self.start()
        self.publish("--wait", "stored")
        self.backup()
        self.broker.stop()
        new = self.folder / "new"
        self.assertIn("is whole: the broker haus (musterstadt) as of", self.kurzweg("restore", "--from", self.to, "--check").stderr)
        manifest = (self.to / "manifest.json").read_text()

        def refused(says, code=FAILED):
            for more in ("--to", new), ("--check",):
                self.refuses("restore", "--from", self.to, *more, code=code, says=says)
            self.assertFalse(new.exists())

        for name in "data.mdb", next((self.to / "audit").iterdir()).relative_to(self.to):
            file = self.to / name
            content = file.read_bytes()
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            refused([str(name), "its hash is not the manifest's"])
            file.write_bytes(content[:-1])
            refused([str(name), " bytes, the manifest says "])
            file.write_bytes(content + b"x")
            refused([str(name), "more than the"])
            file.unlink()
            refused([str(name), "is missing, so the backup is not whole"])
            file.write_bytes(content)
        for wrong, says in ((manifest[:-20], "manifest.json is damaged"), (manifest.replace("data.mdb", "../data.mdb"), "manifest.json is damaged"),
                            (manifest.replace("kurzweg-backup-1", "kurzweg-backup-2"), ["has the form kurzweg-backup-2, this kurzweg knows kurzweg-backup-1", "or a newer one"])):
            (self.to / "manifest.json").write_text(wrong)
            refused(says)
        (self.to / "manifest.json").write_text(manifest)
        self.kurzweg("restore", "--from", self.to, "--to", new)

    def test_a_restore_that_was_interrupted_serves_nobody(self):
        self.start()
        self.backup()
        self.broker.stop()
        self.restore_broker(self.to)
        store = self.folder / "broker"
        (store / "restored").rename(store / "restoring")  # as a power cut would leave it
        self.broker.start()
        self.assertEqual(self.broker.process.wait(kurzweg_test.DEADLINE), 78)
        self.assertIn(f"a restore into {store} was interrupted, so what is there is not whole; empty the folder and restore again", self.broker.text())
        self.refuses("restore", "--from", self.to, "--to", store, says="holds")
        shutil.rmtree(store)
        self.kurzweg("restore", "--from", self.to, "--to", store)
        self.broker.stop()
        self.again(self.broker)


if __name__ == "__main__":
    kurzweg_test.main()
