"""Taking events from the inbox and letting everybody hear them: one pump at a time.

`recv`, iteration, `run` and `start` are explicit pumps: two at once are an error. The
waiting verbs share leadership: while nobody pumps, one of the waiting threads leads and
the others wait; when it has what it waited for, leadership passes on. Beside an explicit
pump of another thread they all just wait.

Runs on the caller's thread, or on the dispatcher thread that `start` makes. The lock
guards leadership and the list of waiters only; it is never held while a handler runs.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from grok_rt import events
from grok_rt.errors import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedOK,
    DeadlineExceeded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from grok_rt._handlers import Failed, Handlers
    from grok_rt._queues import Inbox

__all__ = ["Expectation", "Pump"]

log = logging.getLogger("grok_rt")

E = TypeVar("E", bound=events.Event)


class Expectation(Generic[E]):
    """What `client.expect` gives: the first event of a class that a predicate accepts.

    Attributes:
        event: the event, or None while it has not come.
    """

    def __init__(self, event_class: type[E], predicate: Callable[[E], bool] | None) -> None:
        self.event: E | None = None
        self._event_class = event_class
        self._predicate = predicate

    def __repr__(self) -> str:
        return f"<Expectation of {self._event_class.__name__}: {self.event!r}>"

    @property
    def done(self) -> bool:
        """Whether the event has come."""
        return self.event is not None

    def offer(self, event: events.Event) -> bool:
        """Show it an event; true if that was the one awaited."""
        if self.event is not None or not isinstance(event, self._event_class):
            return False
        if self._predicate is not None and not self._predicate(event):
            return False
        self.event = event
        return True

    def __str__(self) -> str:
        return self._event_class.__name__


class Waiter:
    """Somebody who waits in a verb: is shown each event, and says when it has enough."""

    def __init__(self, what: str, offer: Callable[[events.Event], bool]) -> None:
        self.what = what
        self.offer = offer
        self.done = False
        self.error: Exception | None = None


class Pump:
    """The one place where events leave the inbox.

    Args:
        inbox: where the reader puts events.
        handlers: who hears them.
        closed: a fresh exception with the cause of the connection's end.
    """

    def __init__(
        self, inbox: Inbox, handlers: Handlers, closed: Callable[[], ConnectionClosed]
    ) -> None:
        self._inbox = inbox
        self._handlers = handlers
        self._closed = closed
        self._turn = threading.Condition()
        self._leader: int | None = None
        self._holder: tuple[int, str] | None = None
        self._waiters: tuple[Waiter, ...] = ()
        self._handling: tuple[int, events.Event, float] | None = None
        self._last: events.Event | None = None
        self._ended = False
        self._discarding = False
        self._thread: threading.Thread | None = None

    # explicit pumps

    def recv(self, timeout: float | None) -> events.Event:
        """Take the next event, let every handler hear it, return it."""
        with self._holding("recv()"):
            deadline = None if timeout is None else time.monotonic() + timeout
            with self._leading(deadline, "recv()"):
                event, failed = self._step(deadline, "the next event")
        _raise_first(failed)
        return event

    def iterate(self, verb: str) -> Iterator[events.Event]:
        """Yield each event once it was heard, until the connection has ended.

        Raises:
            ConnectionClosedError: it did not end cleanly; after the `Closed` event.
        """
        with self._holding(verb):
            while not self._ended:
                with self._leading(None, verb):
                    if self._ended:
                        break
                    event, failed = self._step(None, "the next event")
                _raise_first(failed)
                yield event
        self._raise_unless_clean()

    def start(self) -> None:
        """Pump in a dispatcher thread until the connection has ended."""
        with self._turn:
            self._refuse_second_pump("start()")
            thread = threading.Thread(target=self._dispatch, name="grok-rt-pump", daemon=True)
            self._thread = thread
            # The name of the thread is not known before it runs: it takes the hold over.
            self._holder = (0, "start()")
            thread.start()

    def stop(self, timeout: float) -> None:
        """After the connection's end: join the dispatcher; it drops the rest at `timeout`."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        thread.join(timeout)
        if thread.is_alive():
            self._discarding = True

    # waiting verbs

    @contextlib.contextmanager
    def listening(self, what: str, offer: Callable[[events.Event], bool]) -> Iterator[Waiter]:
        """Show each event to `offer` while the block runs, whoever pumps."""
        waiter = Waiter(what, offer)
        with self._turn:
            self._waiters = (*self._waiters, waiter)
        try:
            yield waiter
        finally:
            with self._turn:
                self._waiters = tuple(w for w in self._waiters if w is not waiter)

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
        while not waiter.done:
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
            try:
                # An explicit pump that has come meanwhile takes over after this event.
                while not waiter.done and not self._ended and self._may_stay(me):
                    _, failed = self._step(deadline, waiter.what)
                    _raise_first(failed)
            finally:
                self._pass_on()
        if waiter.error is not None:
            raise waiter.error

    def refuse_in_handler(self, what: str) -> None:
        """Raise if this thread is inside a handler: nobody could deliver what it waits for."""
        handling = self._handling
        if handling is not None and handling[0] == threading.get_ident():
            raise ConcurrencyError(
                f"waiting for {what} inside a handler would wait for ever: the handler itself "
                f"keeps the events from coming. Use submit(), or another thread."
            )

    @property
    def background(self) -> bool:
        """Whether `start` pumps."""
        return self._thread is not None and self._thread.is_alive()

    def why_stalled(self) -> str:
        """A sentence that names who keeps events waiting."""
        handling = self._handling
        if handling is not None:
            _, event, since = handling
            took = time.monotonic() - since
            return f"a handler of {type(event).__name__} has been running for {took:.0f} s"
        if self._holder is not None:
            return f"the caller of {self._holder[1]} takes them too slowly"
        return "nobody takes them: iterate over the client, or call run() or start()"

    # leadership

    @contextlib.contextmanager
    def _holding(self, verb: str) -> Iterator[None]:
        """Be the explicit pump."""
        with self._turn:
            self._refuse_second_pump(verb)
            self._holder = (threading.get_ident(), verb)
        try:
            yield
        finally:
            with self._turn:
                self._holder = None
                self._turn.notify_all()

    def _refuse_second_pump(self, verb: str) -> None:
        self.refuse_in_handler(verb)
        if self._holder is not None:
            raise ConcurrencyError(f"{verb} while {self._holder[1]} already takes the events")

    def _may_lead(self, me: int) -> bool:
        return self._leader is None and self._may_stay(me)

    def _may_stay(self, me: int) -> bool:
        holder = self._holder
        return holder is None or holder[0] == me

    @contextlib.contextmanager
    def _leading(self, deadline: float | None, what: str) -> Iterator[None]:
        me = threading.get_ident()
        with self._turn:
            if not self._turn.wait_for(lambda: self._leader is None, _left(deadline)):
                raise self._too_late(what)
            self._leader = me
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        with self._turn:
            self._leader = None
            self._turn.notify_all()

    # one event

    def _step(self, deadline: float | None, what: str) -> tuple[events.Event, list[Failed]]:
        if self._ended:
            raise self._closed()
        try:
            event = self._inbox.take_event(_left(deadline))
        except queue.Empty:
            raise self._too_late(what) from None
        return event, self._hear(event)

    def _hear(self, event: events.Event) -> list[Failed]:
        self._last = event
        if self._waiters:
            self._offer(event)
        outer = self._handling
        self._handling = (threading.get_ident(), event, time.monotonic())
        try:
            failed = self._handlers.hear(event)
        finally:
            self._handling = outer
            if isinstance(event, events.Closed):
                with self._turn:
                    self._ended = True
                    self._turn.notify_all()
        return failed

    def _offer(self, event: events.Event) -> None:
        for waiter in self._waiters:
            if waiter.done:
                continue
            try:
                done = waiter.offer(event)
            except Exception as error:  # a predicate's error belongs to who waits with it
                waiter.error = error
                done = True
            if done:
                with self._turn:
                    waiter.done = True
                    self._turn.notify_all()

    def _dispatch(self) -> None:
        """The dispatcher thread: the session outlives its handlers' errors."""
        with self._turn:
            self._holder = (threading.get_ident(), "start()")
        try:
            while not self._ended:
                with self._leading(None, "start()"):
                    if self._ended:
                        break
                    if self._discarding and not isinstance(self._last, events.Closed):
                        event = self._inbox.take_event()
                        failed = self._hear(event) if isinstance(event, events.Closed) else []
                    else:
                        event, failed = self._step(None, "the next event")
                    for one in failed:
                        self._report(one, event)
        finally:
            with self._turn:
                self._holder = None
                self._turn.notify_all()

    def _report(self, failed: Failed, event: events.Event) -> None:
        log.error("handler %s failed", failed.handler, exc_info=failed.error)
        if isinstance(event, events.HandlerFailed):
            return  # whoever hears failures failed: telling them again would go on for ever
        told = events.HandlerFailed(error=failed.error, event=event, handler=failed.handler)
        for again in self._hear(told):
            self._report(again, told)

    # ends

    def _too_late(self, what: str) -> DeadlineExceeded:
        last = "nothing" if self._last is None else self._last.type
        return DeadlineExceeded(f"{what} did not come in time; the last event was {last}")

    def _raise_unless_clean(self) -> None:
        error = self._closed()
        if not isinstance(error, ConnectionClosedOK):
            raise error


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _raise_first(failed: list[Failed]) -> None:
    """In the foreground the first failure rises with its own traceback; the rest is logged."""
    for later in failed[1:]:
        log.error("handler %s failed too", later.handler, exc_info=later.error)
    if failed:
        raise failed[0].error
