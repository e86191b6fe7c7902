"""One connection: a reader thread, a writer thread, the two queues between. Single-use.

The **reader**, or who has borrowed its turn, alone receives: see `Incoming`. The **writer**
alone sends, all that is pending at once; its waiting is also the clock of keepalive and of
the books' deadlines. The first cause of death is kept, and every later call raises it. No
lock is held while calling user code.

Close is a protocol: refuse, drain, the close frame last, wait for the peer until the
deadline, shut the line down, join, release the descriptor, tell. It starts no thread, so
that it works while the interpreter exits; every open line is then closed with 1001.

It exists before its line does: `Outgoing`, its other part, takes what is said meanwhile.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING

from grok_rt._connection.incoming import Incoming
from grok_rt._connection.liveness import Keepalive, Limits
from grok_rt._wire.frames import said
from grok_rt._wire.framing import BINARY, CLOSE, PING, TEXT, Frame, close_payload
from grok_rt.errors import (
    BudgetExceeded,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    RemoteProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from grok_rt._connection.inbox import Inbox
    from grok_rt._session.session import Session
    from grok_rt._wire.transport import Transport

__all__ = ["Connection"]

log = logging.getLogger("grok_rt")

_EXIT_TIMEOUT = 1.0
_LOOK_AGAIN = 1.0  # seconds after which to look for a pause again
_GRACE = 1.0  # seconds that a thread may take to end once it has been woken

#: The lines of this process that `_close_all` has to close; nothing else looks here.
_live: weakref.WeakValueDictionary[int, Connection] = weakref.WeakValueDictionary()


class Connection(Incoming):
    """The two threads and their queues around one transport.

    Attributes:
        events_sent: how many events have left this machine.
        is_final: nothing may follow it, for this program has ended it.
        is_retired: it has ended itself, for another to follow.

    Args:
        session: the books; shared with nobody while this connection lives.
        inbox: where events go; it outlives the connection.
        limits: bounds and deadlines.
        on_end: called once, on the reader thread, when everything is over.
        why_stalled: a sentence that names who keeps the inbox from being emptied.
    """

    def __init__(
        self,
        session: Session,
        inbox: Inbox,
        limits: Limits,
        *,
        on_end: Callable[[Connection], None],
        why_stalled: Callable[[], str],
    ) -> None:
        super().__init__(session, inbox, limits, why_stalled=why_stalled)
        self.events_sent = 0
        self.is_final = False
        self.is_retired = False
        self._on_end = on_end
        self._is_started = False
        self._retire_at: float | None = None
        self._dropped = False
        self._errands: deque[Callable[[], None]] = deque()
        self._in_flight: list[Frame] = []
        self._reader_done = threading.Event()
        self._done = threading.Event()
        self._pid = os.getpid()
        self._reader = threading.Thread(target=self._read, name="grok-rt-reader", daemon=True)
        self._writer = threading.Thread(target=self._write, name="grok-rt-writer", daemon=True)

    # for callers, from any thread

    def start(self, transport: Transport, *, retire_after: float | None = None) -> None:
        """Begin on an open line, which the connection will close.

        Args:
            transport: the line.
            retire_after: seconds after which it ends itself in the next pause; None: never.

        Raises:
            ConnectionClosedError: there are too many threads.
        """
        self._is_started = True
        now = time.monotonic()
        self._open(transport)
        self._keepalive = Keepalive(self._limits.ping_interval, self._limits.dead_after, now)
        self._retire_at = None if retire_after is None else now + retire_after
        _live[id(self)] = self
        try:
            self._writer.start()
            self._reader.start()
        except RuntimeError as error:
            self._never_ran(error)
            raise self.ledger.error() from error

    @property
    def is_started(self) -> bool:
        """Whether it ever had a line."""
        return self._is_started

    @property
    def is_open(self) -> bool:
        """Whether events are still taken."""
        return self.ledger.cause is None

    @property
    def is_over(self) -> bool:
        """Whether all has been told, and no thread is left."""
        return self._done.is_set()

    @property
    def is_forked(self) -> bool:
        """Whether it belongs to the parent of this process: its threads are not here."""
        return self._pid != os.getpid()

    def begin_close(self, code: int = 1000, reason: str = "") -> None:
        """Refuse, drain, send the close frame: without waiting for any of it.

        Raises:
            LocalProtocolError: a code that must not be sent.
        """
        last = Frame(CLOSE, close_payload(code, reason))
        self.is_final = True
        self.ledger.end(ConnectionClosedOK(code, reason or "closed by this program"))
        self._outbox.close(last)
        self._expect()

    def abandon(self, cause: ConnectionClosed) -> None:
        """End one that never had a line."""
        self.is_final = True
        self.ledger.end(cause)
        self._abandoned += self._outbox.abort()
        self._keep_unsent()
        self._done.set()

    def drop(self) -> None:
        """Close it soon with 1000, without waiting for anything: safe in a finalizer."""
        self._dropped = True
        self._outbox.wake_if_free()

    def run_soon(self, errand: Callable[[], None]) -> None:
        """Let the writer do something that never waits: safe in a finalizer."""
        self._errands.append(errand)
        self._outbox.wake_if_free()

    def close(self, code: int = 1000, reason: str = "", timeout: float | None = None) -> None:
        """Refuse, drain, close, join. Any thread, any number of times; bounded by `timeout`.

        Raises:
            LocalProtocolError: a code that must not be sent.
        """
        if self.is_forked:
            return  # the line is the parent's
        self.begin_close(code, reason)
        if not self._done.wait(self._limits.close_timeout if timeout is None else timeout):
            self._transport.shutdown()
            self._done.wait(_GRACE)
        self._join()

    def _join(self) -> None:
        for thread in (self._writer, self._reader):
            if thread.ident is not None:
                thread.join(_GRACE)

    def _never_ran(self, error: RuntimeError) -> None:
        """One of its threads cannot be had, so that it ends here, and nobody is told of it."""
        self._lost(ConnectionClosedError(1006, str(error), error))
        self._reader_done.set()
        self._join()
        self._keep_unsent()
        self._inbox.forget(self)
        _live.pop(id(self), None)
        self._done.set()

    # the reader thread

    def _read(self) -> None:
        try:
            self._receive()
        except RemoteProtocolError as error:
            self._give_up(ConnectionClosedError(error.close_code, str(error), error))
        except ConnectionClosed as error:
            self._lost(error)
        except Exception as error:  # a defect of ours must not leave the caller waiting
            log.exception("the reader failed")
            self._lost(ConnectionClosedError(1006, f"the reader failed: {error!r}", error))
        finally:
            self._finish()

    def _finish(self) -> None:
        """Last of all, on the reader: nobody may be inside the line when it is released."""
        self._reader_done.set()
        self._session.meter.hung_up(time.monotonic())
        self._writer.join(_GRACE)  # a drained outbox and its close frame are on their way
        self._transport.shutdown()
        self._abandoned += self._outbox.abort()
        self._writer.join()
        self._transport.close()
        try:
            self._keep_unsent()
            self._run_errands()
        finally:
            try:
                self._on_end(self)
            finally:
                self._inbox.forget(self)
                _live.pop(id(self), None)
                self._done.set()

    def _keep_unsent(self) -> None:
        unsent = (*self._in_flight, *self._abandoned)
        self.ledger.unsent = tuple(said(f) for f in unsent if f.opcode in (TEXT, BINARY))

    # the writer thread

    def _write(self) -> None:
        try:
            while (batch := self._outbox.take_batch(self._patience())) is not None:
                if batch:
                    self._in_flight = batch
                    self._transport.send(batch)
                    self._in_flight = []
                    self.events_sent += sum(frame.opcode in (TEXT, BINARY) for frame in batch)
                    for listener in self._inbox.listeners:
                        listener.left(batch, time.monotonic())
                    if batch[-1].opcode == CLOSE:
                        break
                self._tick()
            # The peer has this long to answer; then the reader is woken.
            if not self._reader_done.wait(self._limits.close_timeout):
                self._transport.shutdown()
        except ConnectionClosed as error:
            self._lost(error)
        except Exception as error:  # a defect of ours must not leave the caller waiting
            log.exception("the writer failed")
            self._lost(ConnectionClosedError(1006, f"the writer failed: {error!r}", error))

    def _patience(self) -> float | None:
        """Seconds until the writer has something to do besides sending."""
        moments = (
            self.ledger.next_at(),
            self._keepalive.next_at(),
            self._backlog.next_at(),
            self._retire_at,
        )
        soonest = min((moment for moment in moments if moment is not None), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def _tick(self) -> None:
        self._run_errands()
        now = time.monotonic()
        due = self.ledger.run_due(now)
        for told in due.tell:
            self._inbox.put_event(told)
        if due.spent is not None:
            self.is_final = True
            self._give_up(BudgetExceeded(1000, due.spent.message))
        if (stalls_at := self._backlog.next_at()) is not None and now >= stalls_at:
            self._is_stalled(now)
        if why := self._keepalive.dead(now):
            raise ConnectionClosedError(1006, why)
        if self._keepalive.ping_is_due(now):
            self._outbox.put_control(Frame(PING, b""))
        if self._retire_at is not None and now >= self._retire_at:
            self._retire_at = now + _LOOK_AGAIN
            if self.ledger.is_quiet(now):
                self.is_retired = True
                self._give_up(ConnectionClosedOK(1000, "its time was over"))
        if self._dropped:
            self.begin_close(1000, "the client was dropped")

    # under whichever thread

    def _run_errands(self) -> None:
        while self._errands:
            self._errands.popleft()()


def _all_live() -> list[Connection]:
    """As at one moment: others may begin and end meanwhile."""
    return [live for found in _live.valuerefs() if (live := found()) is not None]


def _forget_all() -> None:
    """Keep no line of the parent's open: where it dies, the server shall see it."""
    for connection in _all_live():
        connection.forget_line()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


@atexit.register
def _close_all() -> None:
    """Say goodbye on all lines at once, then wait for them together."""
    connections = [connection for connection in _all_live() if not connection.is_forked]
    deadline = time.monotonic() + _EXIT_TIMEOUT
    for connection in connections:
        connection.begin_close(1001, "the program exits")
    for connection in connections:
        connection.close(timeout=max(0.0, deadline - time.monotonic()))
