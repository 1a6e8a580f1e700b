"""A TCP proxy between nodes and broker that does what a bad network does, at the byte that it is told to.

Up is from node to broker, down from broker to node. A fault is for one connection and happens once; what it is told in bytes is
counted on that connection, so that the same traffic meets it at the same place. Two threads a connection; no fault, no change.
"""

import collections
import itertools
import socket
import struct
import threading
import time

CUT, RESET, CORRUPT, SPLIT, STALL, DELAY = "cut", "reset", "corrupt", "split", "stall", "delay"
UP, DOWN = "up", "down"


class Fault:
    """What happens when `at` bytes have gone that way:

    cut      the connection ends behind them, and the other side still reads them
    reset    the connection is reset: what was not read yet is lost
    corrupt  the byte behind them is another (exclusive or with `amount`)
    split    all behind them goes byte by byte, each on its own
    stall    nothing goes that way any more, and nobody is told
    delay    every piece behind them waits `amount` milliseconds
    """

    def __init__(self, kind, way, at=0, amount=0xFF):
        self.kind, self.way, self.at, self.amount = kind, way, at, amount
        self.applied = threading.Event()

    def __str__(self):
        return f"{self.kind} {self.way} at {self.at}"


class Connection:
    """One node's connection and ours to the broker."""

    def __init__(self, node, broker, address, fault):
        self.ends = {UP: (node, broker), DOWN: (broker, node)}
        self.passed = {UP: 0, DOWN: 0}  # bytes
        self.address, self.fault, self.begin, self.lock, self.over = address, fault, 0, threading.Lock(), threading.Event()

    def arm(self, fault):
        """From here on: the bytes that went before do not count."""
        with self.lock:
            self.fault, self.begin = fault, self.passed[fault.way]

    def disarm(self):
        with self.lock:
            self.fault = None

    def end(self, reset=False):
        with self.lock:
            if self.over.is_set():
                return  # whoever came first says how
            self.over.set()
        for end in self.ends[UP]:
            try:
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)  # wakes the other thread, which holds it open
            except OSError:
                pass
            end.close()

    def pieces(self, way, data):
        """What becomes of data: pieces to send, with milliseconds to wait before each; the fault in place of a piece: nothing goes on."""
        with self.lock:
            fault, before = self.fault, self.passed[way] - self.begin
            self.passed[way] += len(data)
        if fault is None or fault.way != way or before + len(data) <= fault.at:
            return [(data, 0)]
        here = max(fault.at - before, 0)
        fault.applied.set()
        if fault.kind in (CUT, RESET, STALL):
            return [(data[:here], 0), (fault, 0)]
        if fault.kind == SPLIT:
            return [(data[:here], 0)] + [(data[i:i + 1], 0) for i in range(here, len(data))]
        if fault.kind == DELAY:
            return [(data, fault.amount)]
        if before <= fault.at:
            data = data[:here] + bytes([data[here] ^ fault.amount]) + data[here + 1:]
        return [(data, 0)]

    def pump(self, way):
        source, sink = self.ends[way]
        try:
            while data := source.recv(65536):
                for piece, wait_ms in self.pieces(way, data):
                    if isinstance(piece, Fault):
                        if piece.kind == STALL:
                            self.over.wait()
                        return self.end(reset=piece.kind == RESET)
                    time.sleep(wait_ms / 1000)
                    sink.sendall(piece)
        except OSError:
            pass
        self.end()


class Proxy:
    """Listens on port and goes on to the broker's; close() ends all.

    Who a connection belongs to only the broker can know. So that it can tell, each comes to it from another address of the loopback.
    """

    def __init__(self, broker_port, port=0):
        self.broker_port, self.planned, self.open = broker_port, collections.deque(), {}
        self.socket = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def plan(self, fault):
        """For the next connection that nothing was planned for, whoever makes it."""
        self.planned.append(fault)

    def connection(self, address):
        """The one that the broker knows under that address; None where it is over, or was never here."""
        one = self.open.get(address)
        return one if one is not None and not one.over.is_set() else None

    def accept(self):
        for number in itertools.count(1):
            address = f"127.{1 + number // 62500}.{1 + number // 250 % 250}.{1 + number % 250}"
            try:
                node_end = self.socket.accept()[0]
            except OSError:
                return
            try:
                broker_end = socket.create_connection(("127.0.0.1", self.broker_port), source_address=(address, 0))
            except OSError:
                node_end.close()
                continue
            for end in (node_end, broker_end):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open[address] = one = Connection(node_end, broker_end, address, self.planned.popleft() if self.planned else None)
            for way in (UP, DOWN):
                threading.Thread(target=one.pump, args=(way,), daemon=True).start()

    def close(self):
        self.socket.close()
        for one in list(self.open.values()):
            one.end()
