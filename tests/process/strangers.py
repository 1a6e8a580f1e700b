"""What hostile peers need: keys read from their files, protobuf written by hand, a node of libzmq, and ZMTP over a bare socket.

Nothing here is the project's code: it says what it likes. The handshake is that of ZeroMQ RFC 26 (CurveZMQ) over RFC 37 (ZMTP 3.1).
"""

import base64
import ctypes
import ctypes.util
import json
import os
import socket
import struct
import time

import zmq
import zmq.utils.z85

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
sodium.sodium_init()
PUBLIC, SECRET, NONCE, TAG = 32, 32, 24, 16


# ---- keys ----

def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key:
    """The CURVE pair of a key file, or a fresh one that nobody knows."""

    def __init__(self, path=None):
        if path is None:
            self.secret = os.urandom(SECRET)
        else:
            with open(path) as file:
                words = dict(line.split(" ", 1) for line in file.read().splitlines())
            self.secret = unbase64(words["curve"])
        public = ctypes.create_string_buffer(PUBLIC)
        sodium.crypto_scalarmult_base(public, self.secret)
        self.public = public.raw


def box(plain, nonce, their_public, my_secret):
    assert len(nonce) == NONCE
    out = ctypes.create_string_buffer(len(plain) + TAG)
    if sodium.crypto_box_easy(out, plain, ctypes.c_ulonglong(len(plain)), nonce, their_public, my_secret) != 0:
        raise ValueError("box")
    return out.raw


def unbox(boxed, nonce, their_public, my_secret):
    out = ctypes.create_string_buffer(max(len(boxed) - TAG, 1))
    if sodium.crypto_box_open_easy(out, boxed, ctypes.c_ulonglong(len(boxed)), nonce, their_public, my_secret) != 0:
        raise ValueError("the box does not open")
    return out.raw[:len(boxed) - TAG]


# ---- protobuf ----

def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    """As canonical protobuf wants it: zero is left away."""
    return varint(field << 3) + varint(n) if n else b""


def octets(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


HELLO, PUBLISH, REFUSED, WELCOME, ACK, BEAT, ADMIN = 1, 3, 5, 2, 7, 8, 12  # fields of Control
AGREEMENT_GET, AGREEMENT, ADMIN_REPLY = 9, 10, 13


def hello(agreement_hash, version=1, cursors=((0, 0),) * 3, window=(512, 8 << 20), seen=None, protocol=1):
    m = number(1, protocol) + octets(2, "stranger") + number(3, int(time.time() * 1000)) + number(5, version) + octets(6, agreement_hash)
    if seen:
        m += number(7, seen[0]) + octets(8, seen[1])
    m += b"".join(octets(9, number(1, epoch) + number(2, n)) for epoch, n in cursors)
    m += b"".join(octets(10, number(1, window[0]) + number(2, window[1])) for _ in range(3))
    return octets(HELLO, m)


def ack(log_epoch, numbers):
    return octets(ACK, b"".join(octets(1, number(1, log_epoch) + number(2, n)) for n in numbers))


def admin(verb, request=1, text=b"", part=0, total=0):
    return octets(ADMIN, number(1, request) + number(2, verb) + (octets(3, text) if text else b"") + number(5, part) + number(6, total))


def agreement_get(version, part=0):
    return octets(AGREEMENT_GET, number(1, version) + number(2, part))


def fields(message):
    """{field number: [values]}, one level deep."""
    out, at = {}, 0

    def take():
        nonlocal at
        n = shift = 0
        while True:
            byte = message[at]
            at += 1
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    while at < len(message):
        tag = take()
        if tag & 7 == 0:
            value = take()
        else:
            size = take()
            value, at = message[at:at + size], at + size
        out.setdefault(tag >> 3, []).append(value)
    return out


CODES = ("", "malformed", "denied", "audience", "expired", "conflict", "clock", "release", "too_large", "slow_down", "store_full", "behind", "no_hello",
         "agreement_unknown", "stopping", "agreement_old", "replaced", "not_found", "lane", "suspended")


def refusal(control):
    """The code's name when control is a refusal, else None."""
    refused = fields(control).get(REFUSED)
    return CODES[fields(refused[0])[1][0]] if refused else None


def frame(partnership, agreement_hash, sender, topic, lane=2, version=1, payload_type=3, created=None, body=b"\0" * 300, **more):
    """A sealed notification as the broker looks at it: it opens nothing and verifies no signature, so none of it has to be true."""
    now = int(time.time() * 1000) if created is None else created
    header = octets(1, more.get("id", os.urandom(16))) + octets(2, partnership) + number(3, 1) + number(4, version) + octets(5, agreement_hash)
    header += octets(6, sender) + number(7, 1) + octets(8, topic) + number(10, lane) + number(11, now) + number(12, now + 3600000) + number(13, 1)
    header += number(17, payload_type)
    return b"KWZ1" + struct.pack(">I", len(header)) + header + os.urandom(32 * 3 + 64) + struct.pack(">I", len(body)) + body


def publish(wraps=1):
    return octets(PUBLISH, octets(1, os.urandom(56 * wraps)))


# ---- a node of libzmq ----

class Node:
    """A DEALER with a node's key. Closed by close(); answers are waited for with a deadline."""

    def __init__(self, context, endpoint, broker_public, key, identity=None):
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, -1)
        self.socket.curve_serverkey = zmq.utils.z85.encode(broker_public)
        self.socket.curve_publickey = zmq.utils.z85.encode(key.public)
        self.socket.curve_secretkey = zmq.utils.z85.encode(key.secret)
        if identity is not None:
            self.socket.setsockopt(zmq.IDENTITY, identity)
        self.socket.connect(endpoint)

    def send(self, *frames):
        self.socket.send_multipart(list(frames))

    def receive(self, seconds=20.0):
        """The next message's frames; None: nothing came."""
        return self.socket.recv_multipart() if self.socket.poll(int(seconds * 1000)) else None

    def expect(self, field, seconds=20.0):
        """The next Control with that field; others are passed over. None: none came."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            got = self.receive(left)
            if got is not None and field in fields(got[0]):
                return fields(got[0])[field][0]
        return None

    def expect_refused(self, seconds=20.0):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            got = self.receive(left)
            if got is not None and (code := refusal(got[0])) is not None:
                return code
        return None

    def close(self):
        self.socket.close()


class Control:
    """The broker's control socket: status as it is shown to operators."""

    def __init__(self, context, path):
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(f"ipc://{path}")

    def status(self, seconds=20.0):
        self.socket.send(admin(1))
        if not self.socket.poll(int(seconds * 1000)):
            return None
        reply = fields(fields(self.socket.recv())[ADMIN_REPLY][0])
        return json.loads(reply[3][0])

    def ask(self, message, seconds=20.0):
        """Sends one request; whether it is granted, and the text."""
        self.socket.send(message)
        if not self.socket.poll(int(seconds * 1000)):
            raise AssertionError("the control socket does not answer")
        reply = fields(fields(self.socket.recv())[ADMIN_REPLY][0])
        return bool(reply.get(2, [0])[0]), reply.get(3, [b""])[0].decode()

    def close(self):
        self.socket.close()


# ---- ZMTP over a bare socket ----

def greeting(major=3, minor=1, mechanism=b"CURVE", server=0):
    return b"\xff" + b"\0" * 8 + b"\x7f" + bytes([major, minor]) + mechanism.ljust(20, b"\0") + bytes([server]) + b"\0" * 31


def tcp(port, timeout=20.0):
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_exactly(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            raise ConnectionError("closed")
        got += more
    return got


def command(body):
    """A handshake command as a frame."""
    return (b"\x04" + bytes([len(body)]) if len(body) < 256 else b"\x06" + struct.pack(">Q", len(body))) + body


def read_frame(s):
    flags = read_exactly(s, 1)[0]
    size = struct.unpack(">Q", read_exactly(s, 8))[0] if flags & 2 else read_exactly(s, 1)[0]
    return flags, read_exactly(s, size)


def properties(pairs):
    out = b""
    for name, value in pairs:
        out += bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
    return out


class Raw:
    """CurveZMQ by hand, so that it may lie within the protocol. s is the socket behind it."""

    def __init__(self, port, server_public, key, metadata=((b"Socket-Type", b"DEALER"), (b"Identity", b""))):
        self.server, self.key, self.short = server_public, key, Key()  # self.short: the connection's own pair
        self.count = 0
        self.s = tcp(port)
        try:
            self.shake_hands(metadata)
        except (OSError, ValueError):
            self.s.close()
            raise

    def shake_hands(self, metadata):
        self.s.sendall(greeting())
        read_exactly(self.s, 64)
        self.s.sendall(command(self.hello()))
        self.welcome(read_frame(self.s)[1])
        self.s.sendall(command(self.initiate(properties(metadata))))
        ready = read_frame(self.s)[1]
        if ready[:6] != b"\x05READY":
            raise ConnectionError(f"no READY: {ready[:20]!r}")

    def nonce(self):
        self.count += 1
        return struct.pack(">Q", self.count)

    def hello(self):
        n = self.nonce()
        return b"\x05HELLO\x01\x00" + b"\0" * 72 + self.short.public + n + box(b"\0" * 64, b"CurveZMQHELLO---" + n, self.server, self.short.secret)

    def welcome(self, body):
        if body[:8] != b"\x07WELCOME":
            raise ConnectionError(f"no WELCOME: {body[:20]!r}")
        plain = unbox(body[24:], b"WELCOME-" + body[8:24], self.server, self.short.secret)
        self.theirs, self.cookie = plain[:32], plain[32:]

    def initiate(self, metadata):
        n, long = self.nonce(), os.urandom(16)
        vouch = long + box(self.short.public + self.server, b"VOUCH---" + long, self.theirs, self.key.secret)
        return b"\x08INITIATE" + self.cookie + n + box(self.key.public + vouch + metadata, b"CurveZMQINITIATE" + n, self.theirs, self.short.secret)

    def message(self, payload, more=False, is_command=False):
        """One frame, ready to be sent."""
        n = self.nonce()
        inner = bytes([(1 if more else 0) | (2 if is_command else 0)]) + payload
        body = b"\x07MESSAGE" + n + box(inner, b"CurveZMQMESSAGEC" + n, self.theirs, self.short.secret)
        return (b"\x00" + bytes([len(body)]) if len(body) < 256 else b"\x02" + struct.pack(">Q", len(body))) + body

    def send(self, *frames):
        self.s.sendall(b"".join(self.message(f, more=i + 1 < len(frames)) for i, f in enumerate(frames)))

    def receive(self):
        """The next frame's content; whether more follow."""
        while True:
            _, body = read_frame(self.s)
            assert body[:8] == b"\x07MESSAGE"
            plain = unbox(body[16:], b"CurveZMQMESSAGES" + body[8:16], self.theirs, self.short.secret)
            if plain[0] & 2 == 0:
                return plain[1:], plain[0] & 1

    def expect(self, field):
        """The next Control with that field; what comes before it, and frames beside it, are passed over."""
        while True:
            got, more = self.receive()
            while more:
                _, more = self.receive()
            if field in fields(got):
                return fields(got)[field][0]

    def reset(self):
        """Closes so that the other side sees a reset, not an end."""
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.s.close()

    def close(self):
        self.s.close()
