"""Whose turn it is to ask, and the threads of those who do not wait for it.

The service answers one question at a time, so they form a line, in order of arrival. Runs on the
threads that ask; `close` on the one that closes the client.
"""

from __future__ import annotations

import contextvars
import threading
import time
from typing import TYPE_CHECKING, Protocol

from grok_rt.errors import ConcurrencyError, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from grok_rt._client.delivery import Waiter
    from grok_rt._client.pump import Pump

__all__ = ["Place", "Questions"]

#: Whose answer a tool is a part of; in the context that the tool runs in.
_asked_by: contextvars.ContextVar[Place | None] = contextvars.ContextVar(
    "grok_rt_asked_by", default=None
)

_PATIENCE = 10.0  # seconds in line before looking again whether somebody ahead has gone away
_LOOK = 0.05  # seconds for a question to notice by itself that the connection has closed


class Place(Protocol):
    """Somebody in the line.

    Attributes:
        thread: who went on with it last.
        is_left: nobody will ever go on with it; whoever notices ends it.
        context: that of who asked.
        response_ids: the responses to it so far.
    """

    thread: threading.Thread
    is_left: bool
    context: contextvars.Context

    @property
    def response_ids(self) -> Collection[str]: ...

    def end(self) -> None:
        """Settle it, and leave the line."""


class Questions:
    """The line of those who ask.

    Args:
        pump: who waits for a turn pumps meanwhile, like all who wait.
    """

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._lock = threading.Lock()
        self._line: list[tuple[Place, Waiter]] = []
        self._threads: set[threading.Thread] = set()

    def enter(self, place: Place, left: Callable[[], float | None]) -> None:
        """Wait for the turn, and have it until `leave`.

        Args:
            place: who asks.
            left: the seconds that there are.

        Raises:
            ConcurrencyError: it would wait for a stream of its own thread, or for the question
                of which it is a part.
            DeadlineExceeded: it did not come in time.
            ConnectionClosed: the connection ended first.
        """
        with self._lock:
            if any(p.thread is place.thread and not p.is_left for p, _ in self._line):
                raise ConcurrencyError(
                    "a stream of this very thread is not over: read it to its end or close it "
                    "before the next question, or use submit()"
                )
            if (outer := _asked_by.get()) and any(place is outer for place, _ in self._line):
                raise ConcurrencyError(
                    "a tool that asks its own client waits for itself: the question that has "
                    "called it is not over. Ask another client, or use submit() and do not wait"
                )
            waiter = self._pump.listen("the turn to ask", lambda *_: False)
            self._line.append((place, waiter))
        while not self._is_first(place):
            self._end_those_left()
            seconds = left()
            patience = _PATIENCE if seconds is None else min(seconds, _PATIENCE)
            until = time.monotonic() + patience
            try:
                self._pump.wait(waiter, patience)
            except DeadlineExceeded:
                if patience == seconds or time.monotonic() < until:
                    raise  # too late; or a handler's

    def leave(self, place: Place) -> None:
        """Give the turn, or the place in the line, to the next; harmless without one."""
        with self._lock:
            gone = [waiter for each, waiter in self._line if each is place]
            self._line = [entry for entry in self._line if entry[0] is not place]
            following = [waiter for _, waiter in self._line[:1]]
        for waiter in gone:
            self._pump.unlisten(waiter)
        for waiter in following:
            self._pump.finish(waiter)

    def _is_first(self, place: Place) -> bool:
        with self._lock:
            return self._line[0][0] is place

    def _end_those_left(self) -> None:
        with self._lock:
            left = [place for place, _ in self._line if place.is_left]
        for place in left:
            place.end()

    def context_of(self, response_id: str | None) -> contextvars.Context | None:
        """A copy of the context of who asked what this response answers; None: nobody did."""
        with self._lock:
            place = self._line[0][0] if self._line else None
        if place is None or response_id not in place.response_ids:
            return None
        context = place.context.copy()
        context.run(_asked_by.set, place)
        return context

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work`, which asks, on a thread of its own, in the caller's context."""

        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        context = contextvars.copy_context()
        context.run(_asked_by.set, None)
        thread = threading.Thread(
            target=context.run, args=(run,), name="grok-rt-submit", daemon=True
        )
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def close(self, timeout: float) -> None:
        """After the connection's end: join the threads of `submit`, `timeout` seconds at most."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = self._threads - {threading.current_thread()}
        for thread in threads:
            # Perhaps nobody pumps any more; and it may just be on its way to its next wait.
            while thread.is_alive() and (left := deadline - time.monotonic()) > 0:
                thread.join(min(left, _LOOK))
                self._pump.dismiss({thread.ident or 0})
