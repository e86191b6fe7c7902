"""One session on its connection: frames in, the peer's messages out when they are due.

Runs in the server's thread only, and never blocks. What faults do to the line happens here; what
they do to messages is `sabotage.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from grok_rt._wire.framing import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    close_payload,
    parse_close,
)
from grok_rt.errors import RemoteProtocolError
from grok_rt.simulator.sabotage import End, Sabotage

if TYPE_CHECKING:
    from grok_rt.simulator.clock import Clock
    from grok_rt.simulator.peer import Peer

CLOSE_TIMEOUT = 1.0
"""Seconds that a client may take to answer a close frame, and to hang up."""

_MAX_SIZE = 64 << 20
_FULL = 1 << 20  # bytes that a client has not taken: no more is produced until it does
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, and say so


class Witness(Protocol):
    """Who looks on: the dashboard."""

    def heard(self, frame: Frame, now: float) -> None:
        """The client has sent a message."""

    def said(self, frame: Frame, now: float) -> None:
        """The service has sent one."""

    def ended(self, code: int, reason: str, now: float) -> None:
        """The session is over."""


class SessionLine(asyncio.BufferedProtocol):
    """The server's end of one WebSocket.

    Args:
        peer: one that has not been opened.
        query: the parameters of the URL.
        head: the HTTP answer that begins it.
        clock: the session's time.
        sabotage: what goes wrong.
        witness: who looks on.
        gone: called at its end.
    """

    def __init__(
        self,
        peer: Peer,
        query: Mapping[str, str],
        head: bytes,
        *,
        clock: Clock,
        sabotage: Sabotage,
        witness: Witness | None,
        gone: Callable[[SessionLine], None],
    ) -> None:
        self.peer = peer
        self._query = query
        self._head = head
        self._clock = clock
        self._sabotage = sabotage
        self._witness = witness
        self._on_gone = gone
        self._reader = FrameReader(max_size=_MAX_SIZE, masked=True)
        self._transport: asyncio.Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0  # by the clock
        self._patience: asyncio.TimerHandle | None = None
        self._leave: Callable[[], None] = lambda: None
        self._full = False
        self._close_sent = False

    def begin(self, transport: asyncio.Transport, rest: bytes, gone: Callable[[], None]) -> None:
        """Take over the connection; `rest` has come behind the request."""
        self._transport = transport
        self._leave = gone
        self._loop = asyncio.get_running_loop()
        self._clock.wakes(self)
        transport.set_write_buffer_limits(_FULL)
        self.peer.open(self._clock.monotonic(), self._query)
        self._say(self._sabotage.greet(self._head))
        if rest:
            self._reader.room(len(rest))[: len(rest)] = rest
            self._reader.filled(len(rest))
        self._hear()

    def end(self, code: int, reason: str) -> None:
        """Close the session as the service would."""
        self.peer.close(code, reason)
        self._run()

    def wake(self) -> None:
        """Look at the clock again: its time has jumped. Any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the server has stopped meanwhile
                loop.call_soon_threadsafe(self._run)

    def cut(self) -> None:
        """End the connection without a close frame, as a network does."""
        if self._transport is not None:
            hang_up(self._transport.get_extra_info("socket"))
            self._transport.abort()

    # --- what asyncio calls ------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - theirs to give
        """Where the next bytes go."""
        room, rate = self._reader.room(), self._sabotage.read_rate
        return room if rate is None else room[: max(1, int(rate / 10))]

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        self._reader.filled(nbytes)
        self._hear()
        self._go_slow(nbytes)

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        self._full = True

    def resume_writing(self) -> None:
        """It does again."""
        self._full = False
        self._run()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """The connection is no more."""
        if self._transport is not None:
            self._transport.close()  # with TLS, Python 3.10 warns where nobody has
        self._transport = self._loop = None
        for handle in (self._alarm, self._patience):
            if handle is not None:
                handle.cancel()
        self.peer.close(1006, "the client has gone")
        if self._witness is not None:
            self._witness.ended(*(self.peer.closed or (1006, "")), time.monotonic())
        self._on_gone(self)
        self._leave()

    # --- hearing -----------------------------------------------------------------------

    def _hear(self) -> None:
        try:
            while (frame := self._reader.next()) is not None:
                self._take(frame)
        except RemoteProtocolError as breach:
            self.peer.close(breach.close_code, "the client broke the WebSocket protocol")
        self._run()

    def _take(self, frame: Frame) -> None:
        now = self._clock.monotonic()
        if frame.opcode in (TEXT, BINARY):
            if self._witness is not None:
                self._witness.heard(frame, time.monotonic())
            if frame.opcode == TEXT:
                self.peer.receive(frame.data, now)
            else:
                self.peer.receive_audio(frame.data, now)
        elif frame.opcode == PING:
            self._say(self._sabotage.put(Frame(PONG, frame.data), now))
        elif frame.opcode == CLOSE:
            code, reason = parse_close(frame.data)
            self.peer.close(code, reason)
            self._say_close(code, "")
            self._hang_up()

    def _go_slow(self, count: int) -> None:
        rate, transport = self._sabotage.read_rate, self._transport
        if rate is not None and transport is not None:
            transport.pause_reading()
            if rate > 0:
                asyncio.get_running_loop().call_later(count / rate, self._read_on)

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # --- saying ------------------------------------------------------------------------

    def _run(self) -> None:
        """Say what is due, and set the alarm for what comes next."""
        if self._transport is None:
            return
        if not self._full:
            now = self._clock.monotonic()
            frames = self.peer.frames(now)
            if self._witness is not None:
                for frame in frames:
                    self._witness.said(frame, time.monotonic())
            put = self._sabotage.put
            said = [put(frame, now) for frame in frames]
            said.append(self._sabotage.due(now))
            self._say(b"".join(said))
            self._set_alarm()
        if self.peer.closed is not None:
            self._say_close(*self.peer.closed)

    def _set_alarm(self) -> None:
        due = self.peer.next_at
        held = self._sabotage.next_at
        if held is not None:
            due = held if due is None else min(due, held)
        if due is None:
            return
        now = self._clock.monotonic()
        if self._alarm is not None:
            if now < self._alarm_at <= due:
                return  # it rings in time, and looks again
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = asyncio.get_running_loop().call_later(max(0.0, due - now), self._run)

    def _say(self, data: bytes) -> None:
        transport, sabotage = self._transport, self._sabotage
        if transport is None or transport.is_closing():
            return
        if data:
            transport.write(data)
        if sabotage.end is End.CUT:
            self.cut()
        elif sabotage.end is End.RESET:
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _RESET
            )
            transport.abort()
        elif sabotage.end is End.CLOSED and not self._close_sent:
            self.peer.close(*sabotage.code)
            self._await_close()
        if sabotage.read_rate == 0:
            transport.pause_reading()

    def _say_close(self, code: int, reason: str) -> None:
        """Say the close frame, once, and leave the client some time to answer."""
        if self._close_sent or self._sabotage.end is End.MUTE:
            return
        payload = close_payload(1001 if code == 1006 else code, reason)
        self._say(self._sabotage.put(Frame(CLOSE, payload), self._clock.monotonic()))
        self._await_close()

    def _await_close(self) -> None:
        self._close_sent = True
        if self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(CLOSE_TIMEOUT, self.cut)

    def _hang_up(self) -> None:
        if self._transport is not None and self._sabotage.end is not End.MUTE:
            self._transport.close()  # once all has been sent; `_patience` sees to that


def hang_up(sock: socket.socket) -> None:
    """End a connection below whatever is spoken on it."""
    with contextlib.suppress(OSError):  # it may have ended
        sock.shutdown(socket.SHUT_RDWR)
