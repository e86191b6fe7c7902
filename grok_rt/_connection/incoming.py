"""What comes of a line: decoded, shown to the session's books, queued for the pump.

The half of a connection that runs on the thread that reads: the connection's reader, or the
dispatcher that has borrowed its turn (see `reading`). It never waits for anything but the
line, and never writes: a pong goes to the head of the outbox, the answer to a close behind it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from grok_rt._connection.liveness import Backlog, Keepalive, Limits
from grok_rt._connection.outgoing import Outgoing
from grok_rt._connection.reading import Contention, Turn
from grok_rt._wire.frames import heard as heard_in
from grok_rt._wire.framing import BINARY, CLOSE, PING, PONG, TEXT, Frame, close_payload, parse_close
from grok_rt._wire.transport import Pollable
from grok_rt.errors import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from grok_rt._connection.inbox import Arrival, Inbox
    from grok_rt._connection.reading import Bell
    from grok_rt._session.session import Session
    from grok_rt._wire.transport import Transport

__all__ = ["Incoming"]

_CLEAN = (1000, 1001, 1005)  # 1005: a close frame without a code


class Incoming(Outgoing):
    """The way from a transport to an inbox.

    Args:
        session: the books.
        inbox: where events go.
        limits: bounds and deadlines.
        why_stalled: a sentence that names who keeps the inbox from being emptied.
    """

    def __init__(
        self, session: Session, inbox: Inbox, limits: Limits, *, why_stalled: Callable[[], str]
    ) -> None:
        super().__init__(session, limits)
        self._transport: Transport
        self._inbox = inbox
        self._keepalive = Keepalive(None, None, 0.0)
        self._turn = Turn()
        self._contention = Contention()
        self._line: Pollable  # the transport, where others can wait for it too
        self._failure: Exception | None = None  # what the reader's stand-in has met
        self._backlog = Backlog(
            inbox,
            limits.max_backlog,
            limits.max_backlog_age,
            limits.stall_timeout,
            why_stalled=why_stalled,
        )
        self._peer_close: tuple[int, str] | None = None

    @property
    def code(self) -> int:
        """The peer's close code; 1006 when it sent none."""
        return self._peer_close[0] if self._peer_close else 1006

    def borrow(self) -> bool:
        """Let this thread read once, by `read_once`; false if another does."""
        return self._turn.borrow()

    def read_once(self, bell: Bell) -> None:
        """In the reader's stead: take what comes next, unless the bell rings first.

        What ends the line is left to the reader: it goes on where this one stops.
        """
        is_over = True
        try:
            line = self._line
            patience = 0.0 if line.is_ready else self._keepalive.patience(time.monotonic())
            if bell.wait(line.fileno(), patience) or line.is_ready:
                began = time.monotonic()
                is_over = not self._take(line.recv())
                if self._contention.took(began, self._keepalive.heard_at):
                    line.hold(self._contention.is_felt)
            else:
                self._check_line()
                is_over = False
        except Exception as error:  # noqa: BLE001 - the reader tells what it means
            self._failure = error
        finally:
            self._turn.give_back(is_over=is_over)

    def forget_line(self) -> None:
        """Release what a forked child has inherited; no lock, for who holds one is not here."""
        if isinstance(self._transport, Pollable):
            self._transport.forget()
        self._inbox.forget_bell()

    def _open(self, transport: Transport) -> None:
        self._transport = transport
        if isinstance(transport, Pollable):
            self._line = transport
            self._inbox.source = self

    def _receive(self) -> None:
        """Take all that comes, until the line has ended; the reader's."""
        recv, inbox = self._transport.recv, self._inbox
        while True:
            frames = recv()
            was_awaited = inbox.is_awaited
            if not self._take(frames):
                break
            if was_awaited and not inbox.is_awaited and inbox.source is self:
                self._turn.lend()
                if self._failure is not None:
                    raise self._failure
                if self._turn.is_over:
                    break

    def _take(self, frames: Sequence[Frame]) -> bool:
        """What has come at once; false if that was the end."""
        self._keepalive.heard_at = now = time.monotonic()
        arrived: list[Arrival] = []
        alone = len(frames) == 1
        for opcode, data in frames:
            if opcode == TEXT:
                arrived.append((heard_in(data, alone=alone), len(data), now))
            elif opcode == BINARY:
                self._hear(arrived, now)  # it says which item this sound is of
                arrived = [(self._session.binary_audio(data), len(data), now)]
            elif opcode == PING:
                self._outbox.put_control(Frame(PONG, data))
            elif opcode == CLOSE:
                self._hear(arrived, now)
                self._closed_by_peer(data)
                return False
        self._hear(arrived, now)
        return not self._is_stalled(now)

    def _is_stalled(self, now: float) -> bool:
        """End what nobody takes the events of; whether that is so. The reader, and the writer."""
        lagged = self._backlog.next_at() is not None
        if why := self._backlog.stalled(now):
            self._give_up(ConnectionClosedError(1000, why))  # and no other line would help
        elif not lagged and self._backlog.next_at() is not None:
            self._outbox.wake()  # the writer's clock has one moment more
        return why is not None

    def _hear(self, arrived: list[Arrival], now: float) -> None:
        """Show events to the books, then queue them with what follows from them."""
        if not arrived:
            return
        steps, has_deadline = self.ledger.received(arrived, now)
        fatal = None
        for index, step in steps:
            if step.answers_update:
                self._outbox.open_gate()
            fatal = fatal or step.fatal
            event, size, _ = arrived[index]
            arrived[index : index + 1] = [
                (step.instead or event, size, now),
                *((told, 0, now) for told in step.tell),
            ]
        self._inbox.put_events(arrived, now)
        if has_deadline:
            self._outbox.wake()  # the writer may have to look at the clock sooner
        if fatal is not None:
            # The server ends the session: it has the time of a close to do so.
            self._give_up(ConnectionClosedError(1000, str(fatal), fatal))

    def _closed_by_peer(self, data: bytes) -> None:
        code, reason = self._peer_close = parse_close(data)
        kind = ConnectionClosedOK if code in _CLEAN else ConnectionClosedError
        self.ledger.end(kind(code, reason or "closed by the server", self._session.trouble))
        self._outbox.close(Frame(CLOSE, data[:2]))

    def _check_line(self) -> None:
        # The writer may be stuck in the line, and then cannot see that nobody is at its other end.
        if why := self._keepalive.dead(time.monotonic()):
            self._lost(ConnectionClosedError(1006, why))
            raise self.ledger.error() from None

    def _expect(self) -> None:
        self._turn.want()

    def _lost(self, cause: ConnectionClosed) -> None:
        """No more frames either way: wake all threads. Any of them."""
        self.ledger.end(cause)
        self._transport.shutdown()
        self._abandoned += self._outbox.abort()

    def _give_up(self, cause: ConnectionClosed) -> None:
        """The session cannot go on, but the line can: say so with a close frame. Any thread."""
        self.ledger.end(cause)
        self._outbox.close(Frame(CLOSE, close_payload(cause.code)))
