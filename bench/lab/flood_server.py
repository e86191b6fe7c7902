"""A peer at full speed or at a fixed pace: threads, plain TCP, a process of its own.

The path says what each round is; a round begins with a client's text frame, the first of which is
the `session.update`, and ends with our `response.done`.

    /flood/SIZE/COUNT      COUNT audio deltas of SIZE bytes of base64, as fast as they are taken
    /sink/COUNT            nothing, until COUNT frames have come
    /pace/SIZE/COUNT/HZ    COUNT deltas, HZ of them a second, the time in each one's id
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from lab import wire

BLOB = 1 << 20


class Talk:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._incoming = wire.Incoming()
        self._waiting = 0

    def run(self) -> None:
        """Open the session, then play rounds until the client is gone."""
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = b""
        while b"\r\n\r\n" not in request:
            request += self._recv()
        kind, *numbers = re.findall(r"\w+", request.split()[1].decode().partition("?")[0])
        self.connection.sendall(wire.switching(request) + wire.GREETING)
        self.expect(1)
        self.connection.sendall(wire.UPDATED)
        counts = [int(number) for number in numbers if number.isdigit()]  # openai adds a word
        for _ in KINDS[kind](self, *counts):
            self.connection.sendall(wire.DONE)

    def expect(self, count: int) -> None:
        """Wait for `count` text frames."""
        while self._waiting < count:
            opcodes = self._incoming.take(self._recv())
            self._waiting += opcodes.count(wire.TEXT)
            if wire.CLOSE in opcodes:
                self.connection.sendall(wire.frame(b"\x03\xe8", wire.CLOSE))
                raise EOFError
        self._waiting -= count

    def _recv(self) -> bytes:
        data = self.connection.recv(1 << 18)
        if not data:
            raise EOFError
        return data


def flood(talk: Talk, size: int, count: int) -> Iterator[None]:
    one = wire.frame(wire.delta(size))
    at_once = min(count, max(1, BLOB // len(one)))
    blob = memoryview(one * at_once)
    while True:
        talk.expect(1)
        for sent in range(0, count, at_once):
            talk.connection.sendall(blob[: min(at_once, count - sent) * len(one)])
        yield


def sink(talk: Talk, count: int) -> Iterator[None]:
    while True:
        talk.expect(count)
        yield


def pace(talk: Talk, size: int, count: int, hertz: int) -> Iterator[None]:
    before, after = wire.stamped(size)
    while True:
        talk.expect(1)
        begun = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, begun + number / hertz - time.monotonic()))
            stamp = b"%0*d" % (wire.STAMP_SIZE, time.monotonic_ns())
            talk.connection.sendall(before + stamp + after)
        yield


KINDS: dict[str, Callable[..., Iterator[None]]] = {"flood": flood, "sink": sink, "pace": pace}


def serve(connection: socket.socket) -> None:
    with contextlib.suppress(OSError, EOFError), connection:
        Talk(connection).run()


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()


if __name__ == "__main__":
    main()
