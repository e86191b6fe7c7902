"""Taking events from the inbox, for everybody to hear: one pump at a time.

`recv`, iteration, `run` and `start` are explicit pumps: two at once are an error. The
waiting verbs share leadership: while nobody pumps, one of the waiting threads leads and
the others wait; when it has what it waited for, leadership passes on. Beside an explicit
pump of another thread they all just wait; one that comes later gets the next event.

Runs on the caller's thread, or on the dispatcher thread that `start` makes. The lock
guards leadership too, and is never held while a handler runs. What becomes of an event
that was taken is `Delivery`'s.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from grok_rt import events
from grok_rt._client.delivery import Delivery
from grok_rt.errors import ConcurrencyError, ConnectionClosed, ConnectionClosedOK

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from grok_rt._client.delivery import Waiter
    from grok_rt._client.handlers import Failed, Handlers
    from grok_rt._connection.inbox import Arrival, Inbox

__all__ = ["Pump"]

log = logging.getLogger("grok_rt")

_NEXT = "the next event"
_LAST_CALL = 0.1  # seconds for the dispatcher to drop what it was not given the time for


class Pump(Delivery):
    """The one place where events leave the inbox.

    Args:
        inbox: where the reader puts events.
        handlers: who hears them.
        closed: a fresh exception with the cause of the connection's end.
        chronicle: is shown each event before anybody else, and when it came; it must not raise.
    """

    def __init__(
        self,
        inbox: Inbox,
        handlers: Handlers,
        closed: Callable[[], ConnectionClosed],
        chronicle: Callable[[events.Event, float], None] = lambda _event, _at: None,
    ) -> None:
        super().__init__(handlers, chronicle)
        self._inbox = inbox
        self._closed = closed
        self._leader: int | None = None
        self._holder: tuple[int, str] | None = None
        self._discarding = False
        self._thread: threading.Thread | None = None

    # explicit pumps

    def recv(self, timeout: float | None) -> events.Event:
        """Take the next event, let every handler hear it, return it."""
        with self._holding("recv()"):
            deadline = None if timeout is None else time.monotonic() + timeout
            with self._leading(deadline):
                event, _, came_at = self._take(deadline, _NEXT)
                failed = self._hear(event, came_at)
        _raise_first(failed)
        return event

    def iterate(self, verb: str) -> Iterator[events.Event]:
        """Yield each event once it was heard, until the connection has ended.

        Raises:
            ConnectionClosedError: it did not end cleanly; after the `Closed` event.
        """
        with self._holding(verb):
            while True:
                with self._leading():
                    if self._ended:
                        break
                    event, _, came_at = self._take(None, _NEXT)
                    failed = self._hear(event, came_at)
                _raise_first(failed)
                yield event
        if not isinstance(error := self._closed(), ConnectionClosedOK):
            raise error

    def start(self) -> None:
        """Pump in a dispatcher thread until the connection has ended, in the caller's context."""
        run = contextvars.copy_context().run
        with self._turn:
            self._refuse_second_pump("start()")
            thread = threading.Thread(
                target=run, args=(self._dispatch,), name="grok-rt-pump", daemon=True
            )
            thread.start()
            self._thread = thread
            # Known once it runs; it waits for the lock meanwhile.
            self._holder = (thread.ident or 0, "start()")

    def stop(self, timeout: float) -> None:
        """After the connection's end: join the dispatcher.

        Events whose handlers have no time within `timeout` seconds are dropped, but `Closed`.
        """
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        thread.join(timeout)
        if thread.is_alive():
            log.warning("events are dropped at the end: %s", self.why_stalled())
            self._discarding = True
            thread.join(_LAST_CALL)

    def why_stalled(self) -> str:
        """A sentence that names who keeps events waiting."""
        if busy := self.busy():
            return busy
        if (holder := self._holder) is not None:
            return f"the caller of {holder[1]} takes them too slowly"
        return "nobody takes them: iterate over the client, or call run() or start()"

    # waiting verbs

    def wait(self, waiter: Waiter, timeout: float | None) -> None:
        """Wait until a listening waiter has enough; pump meanwhile if nobody else does.

        Raises:
            DeadlineExceeded: it names what was awaited and the last event seen.
            ConnectionClosed: the connection ended first.
            ConcurrencyError: called inside a handler.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self.refuse_in_handler(waiter.what)
        me = threading.get_ident()
        while True:
            try:
                with self._turn:
                    self._turn.wait_for(
                        lambda: waiter.done or self._ended or self._may_lead(me), _left(deadline)
                    )
                    if waiter.done:
                        break
                    if self._ended:
                        raise self._closed()
                    if not self._may_lead(me):
                        raise self._too_late(waiter.what)
                    self._leader = me
                self._lead(waiter, deadline)
            finally:
                self._pass_on()
        if waiter.error is not None:
            raise waiter.error

    def finish(self, waiter: Waiter, error: BaseException | None = None) -> None:
        """End a wait at once, whoever pumps: it has enough, or has failed. Any thread."""
        with self._turn:
            if not waiter.done:
                waiter.error = error
                waiter.done = True
            self._turn.notify_all()
        self._inbox.wake()

    def dismiss(self, threads: Container[int]) -> None:
        """After the connection's end: end the waits of some threads, though nobody may pump."""
        for waiter in self._waiters:
            if waiter.thread in threads:
                self.finish(waiter, waiter.error if waiter.met else self._closed())

    def _lead(self, waiter: Waiter, deadline: float | None) -> None:
        """Pump for all who wait, until this one has enough or an explicit pump has come."""
        me = threading.get_ident()

        def leaves() -> bool:
            return waiter.done or not self._may_stay(me)

        while not leaves():
            try:
                event, _, came_at = self._take(deadline, waiter.what, unless=leaves)
            except _Displaced:
                return
            _raise_first(self._hear(event, came_at))
            if waiter.done or self._ended:
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise self._too_late(waiter.what)

    # leadership

    @contextlib.contextmanager
    def _holding(self, verb: str) -> Iterator[None]:
        """Be the explicit pump."""
        hold = (threading.get_ident(), verb)
        try:
            with self._turn:
                self._refuse_second_pump(verb)
                self._holder = hold
            yield
        finally:
            self._let_go(hold)

    def _let_go(self, hold: tuple[int, str] | None) -> None:
        with self._turn:
            if self._holder is hold:
                self._holder = None
                self._turn.notify_all()

    def _refuse_second_pump(self, verb: str) -> None:
        self.refuse_in_handler(verb)
        if self._holder is not None:
            raise ConcurrencyError(f"{verb} while {self._holder[1]} takes the events already")

    def _may_lead(self, me: int) -> bool:
        return self._leader is None and self._may_stay(me)

    def _may_stay(self, me: int) -> bool:
        holder = self._holder
        return holder is None or holder[0] == me

    @contextlib.contextmanager
    def _leading(self, deadline: float | None = None) -> Iterator[None]:
        # Whatever interrupts this, Ctrl+C included: who has taken the lead passes it on.
        try:
            with self._turn:
                if not self._turn.wait_for(lambda: self._leader is None, _left(deadline)):
                    raise self._too_late(_NEXT)
                self._leader = threading.get_ident()
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        with self._turn:
            if self._leader == threading.get_ident():
                self._leader = None
                self._turn.notify_all()

    # taking

    def _take(
        self,
        deadline: float | None,
        what: str,
        unless: Callable[[], bool] = lambda: False,
    ) -> Arrival:
        if self._ended:
            raise self._closed()
        try:
            return self._inbox.take(_left(deadline), unless=unless)
        except queue.Empty:
            if unless():
                raise _Displaced from None
            raise self._too_late(what) from None

    def _dispatch(self) -> None:
        """The dispatcher thread: the session outlives its handlers' errors."""
        with self._turn:
            hold = self._holder
        try:
            # Nobody else may lead while it pumps: it takes the lead once, and all that waits.
            with self._leading():
                while not self._ended:
                    for event, _, came_at in self._inbox.take_batch():
                        if not self._discarding or isinstance(event, events.Closed):
                            for failed in self._hear(event, came_at):
                                self._report(failed, event)
        finally:
            self._inbox.leave()
            self._let_go(hold)


class _Displaced(Exception):
    """The leader leaves: it has enough, or an explicit pump takes the events from now on."""


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _raise_first(failed: list[Failed]) -> None:
    """In the foreground the first failure rises with its own traceback; the rest is logged."""
    for later in failed[1:]:
        log.error("handler %s failed too", later.handler, exc_info=later.error)
    if failed:
        raise failed[0].error
