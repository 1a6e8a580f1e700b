"""A full disk at the broker, at a sender and at a reader: everybody is told, nothing that was promised is lost, and it goes on by itself when there is room.

The disks are small tmpfs mounts, which only root can make; without that right the tests say so.
"""

import os
import subprocess

import kurzweg_test
from desk import CITY, POLICE
from kurzweg_test import DONE, FAILED, SILENT, plain, wait_until

TOPICS = """\
  - {filter: "alert/#", schema: alert, publish: [police, city], receive: [police, city], lane: flash}
  - {filter: "document/#", schema: document, publish: [police, city], receive: [police, city], lane: urgent}
"""
SIZE = 200_000  # bytes of a document that does not compress


class FullDisk(kurzweg_test.Shared):
    PARTNERSHIP = {"nodes": {POLICE: "police", CITY: "city"}, "topics": TOPICS}

    def setUp(self):
        super().setUp()
        self.p.agreement()
        self.count = 0

    def small(self, name, mib):
        """A disk of so many MiB where that folder is."""
        self.disk = self.folder / name
        self.disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "kurzweg-test", self.disk], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"skipped: no small disk can be mounted here ({done.stderr.strip()}); run it as root")
            self.skipTest("no small disk can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk])

    def fill(self, left=0):
        """A file that leaves so many bytes; free() takes it away."""
        room = os.statvfs(self.disk)
        with open(self.disk / "ballast", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - left)

    def free(self):
        (self.disk / "ballast").unlink()

    def start(self):
        self.broker = self.p.broker()
        self.nodes = {name: self.p.node(name) for name in (POLICE, CITY)}
        for node in self.nodes.values():
            node.wait_for("link.up")

    def at(self, node):
        return ("--socket", self.p.socket(node))

    def publish(self, *more, code=DONE, topic="document/x"):
        self.count += 1
        (self.folder / "content.bin").write_bytes(os.urandom(SIZE))
        return self.kurzweg("publish", topic, "--file", self.folder / "content.bin", "--subject", f"number {self.count}", "--purpose", "danger-prevention", *more, *self.at(POLICE),
                            code=code)

    def ids(self, node):
        return [line.split('"id":"')[1][:36] for line in self.kurzweg("inbox", "--json", *self.at(node)).stdout.splitlines()]

    def status(self, *where):
        return " ".join(plain(self.kurzweg("status", *where).stdout).split())

    def well(self):
        control = ("--control", f"ipc://{self.folder}/broker.sock")
        for where in self.at(POLICE), self.at(CITY), control:
            wait_until(lambda: "all is well" in self.status(*where), what=f"that all is well {where}", deadline=60)
        self.assertTrue(self.broker.alive() and all(node.alive() for node in self.nodes.values()))

    def test_at_the_broker(self):
        self.small("broker", 64)
        self.start()
        control = ("--control", f"ipc://{self.folder}/broker.sock")
        stored = [self.publish("--wait", "stored").stdout.strip() for _ in range(3)]
        self.fill(left=8 << 20)
        done = self.publish("--wait", "stored", "--timeout", "2s", code=SILENT)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("is not stored yet: the broker has no room; it waits in the outbox of this node and goes on by itself, call the operator if it lasts", done.stderr)
        stored.append(done.stdout.strip())
        self.assertRegex(self.status(*control), "! The disk under its store has no room left.* make room on the broker's disk")
        self.assertIn("the broker has no room for what is published in lane urgent, so it waits in the outbox", self.status(*self.at(POLICE)))
        self.assertIn("less than 16 MiB left; free some", self.broker.text())
        self.assertEqual(len(self.ids(CITY)), 3)  # what is there is read
        self.broker.stop()
        self.broker.start().wait_for("broker.ready", times=2)  # also when it is started on a full disk
        self.free()
        wait_until(lambda: self.kurzweg_json("trace", stored[-1], *self.at(POLICE))["state"] == "stored", what="that it is stored after all", deadline=60)
        stored.append(self.publish("--wait", "delivered").stdout.strip())
        self.assertEqual(self.ids(CITY), stored)
        self.well()

    def test_at_the_sender(self):
        self.small("police-control-room", 8)
        self.start()
        stored = [self.publish("--wait", "stored").stdout.strip()]
        self.fill(left=SIZE // 2)
        done = self.publish(code=FAILED)
        self.assertEqual((done.stdout, len(done.stderr.splitlines())), ("", 1), done.stderr)
        self.assertIn("the node's store is full: the disk has no room left, or the store reached its limit; free some and it goes on", done.stderr)
        outbox = self.kurzweg_json("status", *self.at(POLICE))["outbox"]
        self.assertEqual((outbox["waiting"], outbox["stored"]), (0, 1))
        self.nodes[POLICE].stop()
        self.free()
        self.nodes[POLICE].start().wait_for("link.up", times=2)
        stored.append(self.publish("--wait", "delivered").stdout.strip())
        self.assertEqual(self.ids(CITY), stored)  # nothing half of what was refused
        self.well()

    def test_at_the_reader(self):
        self.small("city-public-order", 8)
        self.start()
        stored = [self.publish("--wait", "delivered").stdout.strip()]
        self.fill(left=SIZE * 2)
        stored += [self.publish("--wait", "stored").stdout.strip() for _ in range(6)]
        said = wait_until(lambda: (out := self.status(*self.at(CITY))) and "the node's store is full" in out and out, what="that the reader says so")
        self.assertIn("Make room on this machine's disk.", said)
        self.assertNotIn("Is the network up?", said)  # its own doing, and no reason to look there
        trace = self.kurzweg_json("trace", stored[-1], *self.at(POLICE))
        self.assertEqual((trace["state"], trace["delivered"], trace["missing"]), ("stored", [], [CITY]))  # nothing was confirmed that is not on its disk
        self.free()
        wait_until(lambda: self.ids(CITY) == stored, what="all of it at the reader, in order", deadline=60)
        wait_until(lambda: not self.kurzweg_json("trace", stored[-1], *self.at(POLICE))["missing"], what="its confirmation", deadline=90)
        self.well()


if __name__ == "__main__":
    kurzweg_test.main()
