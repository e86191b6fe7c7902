"""The session's books among threads: one lock around them, and who waits for what they say.

`Session` keeps the books and knows no thread; here the reader shows it each event, the
writer asks it for what is due, and callers wait for its answers. With the books the first
cause of the connection's death is kept: it ends every wait. What the books want sent is
handed on under the lock, so that it leaves in their order.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from grok_rt._session.session import QUIET
from grok_rt.errors import (
    BudgetExceeded,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from grok_rt import events
    from grok_rt._connection.inbox import Arrival
    from grok_rt._session.session import Session, Step

__all__ = ["Ledger"]


class Ledger:
    """The books and the cause of death of one connection.

    Attributes:
        cause: what ended the connection first; None while it lives.
        unsent: events that were taken, and did not leave.

    Args:
        session: the books.
        send: takes what they want sent; called under the lock, it must not wait.
        expect: is told when somebody waits for what the server says.
    """

    def __init__(
        self,
        session: Session,
        send: Callable[[Sequence[events.ClientEvent]], None],
        expect: Callable[[], None],
    ) -> None:
        self.cause: ConnectionClosed | None = None
        self.unsent: tuple[events.Event, ...] = ()
        self._session = session
        self._send = send
        self._expect = expect
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._updating = threading.Lock()

    # the connection's threads

    def received(
        self, arrived: Sequence[Arrival], now: float
    ) -> tuple[list[tuple[int, Step]], bool]:
        """Enter events of the server's.

        Returns:
            What they set off, with the index of the event, the last one first; and whether
            `run_due` may be needed sooner.
        """
        steps: list[tuple[int, Step]] = []
        received = self._session.received
        with self._lock:  # as its condition does, by a shorter way
            for index, (event, _, _) in enumerate(arrived):
                step = received(event, now)
                if step is not QUIET:
                    self._send(step.send)
                    steps.append((index, step))
            if not steps:  # sound brings no deadline nearer, but the end of a budget
                return steps, self._session.meter.budget is not None
            self._changed.notify_all()
            steps.reverse()
            return steps, self._session.is_waiting

    def next_at(self) -> float | None:
        """When `run_due` has something to do at the earliest; None: never."""
        with self._changed:
            return self._session.next_deadline()

    def run_due(self, now: float) -> Step:
        """Send what was held too long; returns what else is due."""
        with self._changed:
            due = self._session.next_deadline()
            if due is None or due > now:
                return QUIET
            step = self._session.due(now)
            self._send(step.send)
            return step

    # everybody

    def end(self, cause: ConnectionClosed) -> None:
        """Keep the first cause, and end all waits."""
        with self._changed:
            if self.cause is None:
                self.cause = cause
            self._changed.notify_all()

    def error(self) -> ConnectionClosed:
        """A fresh exception with the first cause of death."""
        cause = self.cause or ConnectionClosedOK(1000)
        kinds = (ConnectionClosedOK, BudgetExceeded)
        kind = next((kind for kind in kinds if isinstance(cause, kind)), ConnectionClosedError)
        error = kind(cause.code, cause.reason, cause.cause, unsent=self.unsent)
        error.__cause__ = cause.cause
        return error

    def interrupt(self, item_id: str | None = None) -> tuple[str | None, str | None, int | None]:
        """The response that speaks shall stop: it, its item, and the bytes that came of it."""
        with self._changed:
            return self._session.interrupted(item_id)

    def forgo(self, response_ids: Collection[str]) -> None:
        """Nobody waits for these responses any more: nothing follows their calls."""
        with self._changed:
            self._session.forgone(response_ids)

    def quiet_at(self) -> float | None:
        """When what speaks, response or user, counts as over if it is silent; None: it is quiet."""
        with self._changed:
            return self._session.quiet_at

    def new_event_id(self) -> str:
        """An id for a client event, unlike any other."""
        with self._changed:
            return self._session.new_event_id()

    def best_effort_id(self) -> str:
        """An id for an event whose refusal changes nothing."""
        with self._changed:
            event_id = self._session.new_event_id()
            self._session.best_effort(event_id)
            return event_id

    def tool_result(self, call_id: str, output: str) -> None:
        """Answer a call; never waits.

        Raises:
            LocalProtocolError: the call is answered already, or not ours to answer.
            ConnectionClosed: the connection has ended.
        """
        with self._changed:
            if self.cause is not None:
                raise self.error()
            self._send(self._session.tool_result(call_id, output, time.monotonic()))

    def ask(self, ask_id: str, *question: events.ClientEvent) -> None:
        """Put a question; it is put again on the next connection if this one is lost first.

        Raises:
            ConnectionClosed: the connection has ended.
        """
        with self._changed:
            if self.cause is not None:
                raise self.error()
            self._send(self._session.ask(ask_id, *question))

    def given_up(self, ask_id: str) -> None:
        """Nobody waits for the answer to that question any more."""
        with self._changed:
            self._session.unconfirmed.given_up(ask_id)

    def goes_on(self, send: Callable[[Sequence[events.ClientEvent]], None]) -> None:
        """The session stands again: let `send` send what has to be said first."""
        with self._changed:
            send(self._session.goes_on())

    def is_quiet(self, now: float) -> bool:
        """Whether nothing is under way in the session."""
        with self._changed:
            return self._session.is_quiet(now)

    def update(self, event_id: str, send: Callable[[float], None], timeout: float) -> bool:
        """Let `send` send a `session.update` in the seconds it is given; wait for the answer.

        The answer carries no id: one update at a time is in flight.

        Returns:
            False if no answer came within `timeout` seconds.

        Raises:
            ServerError: the server refused it.
            DeadlineExceeded: it was not sent, since an earlier one has no answer.
            ConnectionClosed: the connection has ended.
        """
        deadline = time.monotonic() + timeout
        if not self._updating.acquire(timeout=timeout):
            raise DeadlineExceeded(f"an earlier session.update has no answer after {timeout:.3g} s")
        try:
            with self._changed:
                if self.cause is not None:
                    raise self.error()
                self._session.update_sent(event_id)
            send(_left(deadline))
            answered = self.wait(lambda books: books.update_answered(event_id), _left(deadline))
        finally:
            with self._changed:
                refusal = self._session.take_refusal(event_id)
            self._updating.release()
        if refusal is not None:
            raise refusal
        return answered

    def wait(self, met: Callable[[Session], bool], timeout: float) -> bool:
        """Wait until the books say so; false after `timeout` seconds.

        Raises:
            ConnectionClosed: the connection ended first.
        """
        self._expect()
        with self._changed:
            self._changed.wait_for(lambda: met(self._session) or self.cause is not None, timeout)
            if met(self._session):
                return True
            if self.cause is not None:
                raise self.error()
            return False


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
