"""A relay between a client and an honest server, which breaks the line between them on demand.

It carries bytes and knows nothing of what they mean. One thread of its own does all of it, so
that a fault strikes between two bytes and never beside one.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing_extensions import Self

UP, DOWN = "up", "down"  # from the client to the server, and back

Fault = Literal["fin", "rst", "garbage", "stall", "deaf", "slow"]
"""What can happen to a line.

fin: both sides are told that it is over.
rst: the client is reset, and the server told that it is over.
garbage: bytes that nobody sent arrive at the client.
stall: what arrives is taken, and goes nowhere.
deaf: nothing is taken any more, so that the buffers fill up.
slow: `RATE` bytes a second go through.
"""

GARBAGE = b"\xff" * 64
RATE = 50_000
_ROOM = 1 << 16
_TICK = 0.01
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, and say so


class Way:
    """One direction of a line.

    Attributes:
        seen: all bytes that went this way.
    """

    def __init__(self, name: str, source: socket.socket, sink: socket.socket) -> None:
        self.name = name
        self.source = source
        self.sink = sink
        self.seen = bytearray()
        self.pending = bytearray()
        self.ended = False  # the source has said its last
        self.told = False  # and the sink knows
        self.credit = 0.0  # bytes that a slow line may still take
        self.paid_at = time.monotonic()


class Relay:
    """Carries one client's bytes to a port of this machine and back.

    Args:
        port: the server's.
        fault: strikes by itself, at `after`; None: when `strike` is called.
        after: the direction, and the number of bytes that still get through.

    Attributes:
        port: where the client is to connect.
        ways: the two directions by name, once the client has connected.
    """

    def __init__(
        self, port: int, fault: Fault | None = None, after: tuple[str, int] = (UP, 0)
    ) -> None:
        self.ways: dict[str, Way] = {}
        self._server = port
        self._fault: Fault | None = None
        self._planned = fault
        self._after = after
        self._orders: queue.SimpleQueue[tuple[Fault, threading.Event] | None] = queue.SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._wake:
            self._order(None)
            self._thread.join(5)
        assert not self._thread.is_alive()

    def strike(self, fault: Fault) -> None:
        """Let a fault happen now; it has happened when this returns."""
        done = threading.Event()
        self._order((fault, done))
        assert done.wait(5)

    def _order(self, order: tuple[Fault, threading.Event] | None) -> None:
        self._orders.put(order)
        with contextlib.suppress(OSError):  # it may have seen the order already, and be gone
            self._wake.send(b"!")

    # the relay's own thread

    def _run(self) -> None:
        with self._woken, self._listener, contextlib.ExitStack() as lines:
            lines.callback(self._release)
            while self._obey():
                with selectors.DefaultSelector() as selector:
                    self._watch(selector)
                    ready = {key.fileobj: mask for key, mask in selector.select(self._patience())}
                if self._listener in ready:
                    self._accept()
                for way in list(self.ways.values()):
                    if ready.get(way.source, 0) & selectors.EVENT_READ:
                        self._receive(way)
                    self._forward(way)

    def _obey(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            self._woken.setblocking(False)
            self._woken.recv(64)
        while not self._orders.empty():
            order = self._orders.get()
            if order is None:
                return False
            self._apply(order[0])
            order[1].set()
        return True

    def _watch(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._woken, selectors.EVENT_READ)
        if not self.ways:
            selector.register(self._listener, selectors.EVENT_READ)
        masks: dict[socket.socket, int] = {}
        for way in self.ways.values():
            if not way.ended and self._fault != "deaf" and len(way.pending) < _ROOM:
                masks[way.source] = masks.get(way.source, 0) | selectors.EVENT_READ
            if way.pending and self._fault in (None, "garbage"):
                masks[way.sink] = masks.get(way.sink, 0) | selectors.EVENT_WRITE
        for end, mask in masks.items():
            selector.register(end, mask)

    def _patience(self) -> float | None:
        return _TICK if self._fault == "slow" else None

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._server))
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)
        self.ways = {UP: Way(UP, client, server), DOWN: Way(DOWN, server, client)}
        self._strike_if_due()

    def _receive(self, way: Way) -> None:
        try:
            data = way.source.recv(self._allowance(way))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            way.ended = True
        elif self._fault in (None, "garbage", "slow"):
            way.pending += data

    def _allowance(self, way: Way) -> int:
        """How much may be read, so that a planned fault finds exactly what was before it."""
        name, limit = self._after
        if self._planned is None or name != way.name:
            return _ROOM
        return max(1, limit - len(way.seen) - len(way.pending))

    def _forward(self, way: Way) -> None:
        if self._fault in ("fin", "rst", "stall", "deaf"):
            return
        share = len(way.pending)
        if self._fault == "slow":
            now = time.monotonic()
            way.credit = min(way.credit + RATE * (now - way.paid_at), RATE / 10)
            way.paid_at = now
            share = max(0, min(share, int(way.credit)))
        if share:
            try:
                sent = way.sink.send(way.pending[:share])
            except BlockingIOError:
                return
            except OSError:  # nobody is there any more
                way.pending.clear()
                return
            if self._fault == "slow":
                way.credit -= sent
            way.seen += way.pending[:sent]
            del way.pending[:sent]
            self._strike_if_due()
        if way.ended and not way.pending and not way.told:
            way.told = True
            with contextlib.suppress(OSError):
                way.sink.shutdown(socket.SHUT_WR)

    def _strike_if_due(self) -> None:
        name, limit = self._after
        if self._planned is not None and len(self.ways[name].seen) >= limit:
            fault, self._planned = self._planned, None
            self._apply(fault)

    def _apply(self, fault: Fault) -> None:
        self._fault = fault
        if fault == "garbage" and self.ways:
            self.ways[DOWN].pending += GARBAGE
        elif fault == "fin":
            for way in self.ways.values():
                with contextlib.suppress(OSError):
                    way.sink.shutdown(socket.SHUT_WR)
        elif fault == "rst":
            with contextlib.suppress(OSError):
                client = self.ways[UP].source
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._release()
            for way in self.ways.values():
                way.ended = True

    def _release(self) -> None:
        for way in self.ways.values():
            way.source.close()
