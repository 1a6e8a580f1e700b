"""Attacks on a broker's port, each in a process of its own, so that it takes no time from who measures beside it.

    hostile_attacks.py JSON     what hostile_latency.Attacker tells; carried out until standard input ends

It writes a line when the attack begins to be felt, another when as much was done as is told, and at the end what was done, as JSON. It runs at a lower priority:
attackers have machines of their own, and what they make the broker do is to be measured, not what they take from it here.
"""

import collections
import fcntl
import json
import os
import select
import socket
import struct
import sys
import termios
import threading
import time

import zmq

import desk
import strangers
from strangers import Key, Node, Raw

PART = bytes(64 * 1024)
LARGEST = 320 * 1024  # a frame that libzmq still takes


def sealed(told, sender, topic, identity=None):
    """As another may see it: what no key has signed, of about the size of an alert."""
    more = {"id": identity} if identity else {}
    return strangers.frame(told["partnership"], bytes.fromhex(told["hash"]), sender, topic, lane=0, payload_type=1, body=os.urandom(2000), **more)


class Attack:
    def __init__(self, told):
        self.told, self.port, self.size = told, told["port"], told["size"]
        self.public, self.hash = bytes.fromhex(told["public"]), bytes.fromhex(told["hash"])
        self.names = list(told["keys"])
        self.keys = [Key(path) for path in told["keys"].values()]
        self.context, self.count, self.begun, self.enough = zmq.Context(), collections.Counter(), False, False

    def over(self):
        if not self.enough and all(self.count[what] >= n for what, n in self.told["least"].items()):
            self.enough = True
            os.write(1, b"enough\n")
        return bool(select.select([0], [], [], 0)[0])

    def ready(self):
        if not self.begun:
            os.write(1, b"there\n")
        self.begun = True

    def raw(self, key):
        raw = Raw(self.port, self.public, key)
        self.count["logins"] += 1
        raw.send(strangers.hello(self.hash))
        return raw

    def closed(self, raw):
        """Until the broker closes it: who closes first takes back what is still under way."""
        raw.s.settimeout(20)
        try:
            while raw.s.recv(65536):
                pass
        except ConnectionError:
            pass
        raw.close()
        self.count["closed by the broker"] += 1

    # ---- before the handshake is over ----

    def held(self, opening, tick=None):
        """As many connections as told, opened anew when the broker closes them; tick says something on one of them."""
        at, poll = {}, select.poll()
        while not self.over():
            for fd, _ in poll.poll(0 if len(at) < self.size else 50):
                poll.unregister(fd)
                at.pop(fd).close()
                self.count["closed by the broker"] += 1
            for _ in range(min(200, self.size - len(at))):
                s = strangers.tcp(self.port)
                s.sendall(opening)
                at[s.fileno()] = s
                poll.register(s, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
                self.count["opened"] += 1
            self.count["at a time"] = max(self.count["at a time"], len(at))
            if len(at) == self.size or self.count["closed by the broker"] > 0:  # no more are open at a time than are opened in five seconds
                self.ready()
            for s in at.values() if tick else ():
                tick(s)

    def silent(self):
        self.held(b"")

    def loris(self):
        """A byte of the handshake at a time from strangers; and of a frame of the largest size from who is let in."""
        greeting, said, frames = strangers.greeting(), collections.Counter(), []
        for key in self.keys:
            raw = self.raw(key)
            raw.s.sendall(b"\x02" + struct.pack(">Q", LARGEST))
            frames.append(raw.s)

        def tick(s):
            self.drop(s, greeting[said[s]:said[s] + 1])
            said[s] += 1
            self.drop(frames[said[s] % len(frames)], b"x")

        self.held(b"", tick)

    def drop(self, s, byte):
        if not byte:
            return
        try:
            s.sendall(byte)
            self.count["bytes one at a time"] += 1
        except OSError:
            pass  # closed, which is counted where it is noticed

    def knocking(self):
        while not self.over():
            try:
                Raw(self.port, self.public, Key()).close()
                raise AssertionError("a stranger was let in")
            except (OSError, ValueError):
                self.count["knocks"] += 1
                self.ready()

    # ---- with a key of the agreement ----

    def deaf(self):
        """Subscribers that read their welcome and nothing more, of all that was ever sent to them."""
        raws = []
        for key in self.keys:
            raw = Raw(self.port, self.public, key)
            raw.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.send(strangers.hello(self.hash))
            raw.expect(strangers.WELCOME)
            raws.append(raw)
        self.count["subscribers"] = len(raws)
        self.ready()
        while not self.over():
            time.sleep(0.2)
            for raw in raws:
                try:
                    raw.send(strangers.octets(strangers.BEAT, b""))
                except OSError:
                    pass  # given up by the broker
        self.count["that did not read"] = sum(struct.unpack("i", fcntl.ioctl(raw.s, termios.FIONREAD, b"\0" * 4))[0] > 0 for raw in raws)

    def ten_times(self):
        """A real node that is given so many a second to publish, by several programs at a time."""
        text, began, lock = self.told["text"], time.monotonic(), threading.Lock()

        def program():
            node = desk.Desk(self.told["node"])
            while not self.stop:
                with lock:
                    self.count["published"] += 1
                    number = self.count["published"]
                time.sleep(max(0.0, began + number / self.size - time.monotonic()))
                node.publish("mob/x", desk.numbered(text, f"mob-{os.getpid()}-{number}"))
                self.ready()

        self.stop, threads = False, [threading.Thread(target=program) for _ in range(8)]
        for thread in threads:
            thread.start()
        while not self.over():
            time.sleep(0.05)
        self.stop = True
        for thread in threads:
            thread.join()

    def sizes(self):
        """Too many frames, frames too large, and messages without an end."""
        while not self.over():
            for key in self.keys:
                if self.over():
                    break
                raw = self.raw(key)
                try:
                    raw.send(*[b"x"] * 1000)
                    for _ in range(self.size):
                        raw.s.sendall(raw.message(PART, more=True))
                        self.count["MiB without an end"] += len(PART) / (1 << 20)
                    raw.s.sendall(b"\x02" + struct.pack(">Q", 2**62) + PART)
                except ConnectionError:
                    pass
                self.closed(raw)
                self.count["too large"] += 1
                self.ready()
        self.count["MiB without an end"] = round(self.count["MiB without an end"])

    def storm(self):
        """Forged ones in the own name, replays of one, and others' names, as fast as they go."""
        name, key = self.names[0], self.keys[0]
        node = Node(self.context, f"tcp://127.0.0.1:{self.port}", self.public, key)
        node.send(strangers.hello(self.hash))
        assert node.expect(strangers.WELCOME)
        replayed = sealed(self.told, name, "alert/x", os.urandom(16))
        wraps = strangers.publish(self.told["wraps"])
        other = sealed(self.told, self.told["victim"], "alert/x")
        while not self.over():
            for what, bytes_ in (("forged", sealed(self.told, name, "alert/x")), ("replayed", replayed), ("in another's name", other)):
                node.send(wraps, bytes_)
                self.count[what] += 1
            while node.receive(0) is not None:
                self.count["answers"] += 1
            if self.count["answers"] > 0:
                self.ready()
            if self.count["forged"] * 3 - self.count["answers"] > self.size:  # it is answered, so it waits for answers, as any sender must
                time.sleep(0.001)

    def garbage(self):
        """What is none of the protocol, in messages that are whole, and then bytes that are no message."""
        while not self.over():
            for key in self.keys:
                if self.over():
                    break
                raw = self.raw(key)
                for _ in range(self.size):
                    raw.send(os.urandom(200))
                    self.count["messages"] += 1
                try:
                    raw.s.sendall(b"\xff" + os.urandom(4096))  # the first byte is no flag
                except ConnectionError:
                    pass
                self.closed(raw)
                self.ready()


def main():
    os.nice(5)
    told = json.loads(sys.argv[1])
    attack = Attack(told)
    getattr(attack, told["attack"])()
    attack.ready()
    print(json.dumps(attack.count), flush=True)
    os._exit(0)  # sockets that nobody reads are not waited for


if __name__ == "__main__":
    main()
