"""A peer of many sessions over TLS: asyncio, one thread, a process of its own.

    crowd_server.py CERTIFICATE SIZE COUNT HZ

A session that sends its first frame behind `session.update` gets COUNT stamped audio deltas of
SIZE bytes of base64, HZ a second, all such sessions at the same moment (which is harder than
traffic that is spread); when COUNT frames have come from it, it gets `response.done`.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from lab import wire


class Session(asyncio.Protocol):
    """One connection; the ticker of the crowd sends its sound."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._incoming = wire.Incoming()
        self._request = b""
        self._heard = -1  # text frames behind `session.update`
        self.sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(1 << 24)

    def data_received(self, data: bytes) -> None:
        """Read the upgrade's request, then frames."""
        if not self._request.endswith(b"\r\n\r\n"):
            self._request += data
            if self._request.endswith(b"\r\n\r\n"):
                self.transport.write(wire.switching(self._request) + wire.GREETING)
            return
        for opcode in self._incoming.take(data):
            if opcode == wire.TEXT:
                self._text()
            elif opcode == wire.PING:
                self.transport.write(wire.frame(b"", wire.PONG))
            elif opcode == wire.CLOSE:
                self.transport.write(wire.frame(b"\x03\xe8", wire.CLOSE))
                self.transport.close()

    def _text(self) -> None:
        self._heard += 1
        if not self._heard:
            self.transport.write(wire.UPDATED)
        elif self._heard == 1:
            self._crowd.talking.add(self)
        if self._heard == self._crowd.count:
            self.transport.write(wire.DONE)

    def connection_lost(self, _: Exception | None) -> None:
        """Let the ticker forget it."""
        self._crowd.talking.discard(self)


class Crowd:
    """The sessions that are sent sound, and the clock by which they are."""

    def __init__(self, size: int, count: int, hertz: float) -> None:
        self.count = count
        self.talking: set[Session] = set()
        self._period = 1 / hertz
        self._before, self._after = wire.stamped(size)

    async def tick(self) -> None:
        """Send each talking session its next delta, at every period."""
        due = time.monotonic()
        while True:
            due = max(due + self._period, time.monotonic() - self._period)
            await asyncio.sleep(due - time.monotonic())
            for session in list(self.talking):
                stamp = b"%0*d" % (wire.STAMP_SIZE, time.monotonic_ns())
                session.transport.write(self._before + stamp + self._after)
                session.sent += 1
                if session.sent == self.count:
                    self.talking.discard(session)


async def main(certificate: str, size: int, count: int, hertz: float) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    crowd = Crowd(size, count, hertz)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Session(crowd), "127.0.0.1", 0, ssl=context, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await crowd.tick()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
