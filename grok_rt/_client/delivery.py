"""One event is heard by everybody: first by those who wait, then by the handlers.

Runs on the thread that pumps: `Pump` says which one that is, and when. The lock guards the list
of waiters, and what is told at the end of an event; it is never held while a handler runs.
Whoever waits for an event learns of it when all handlers have heard it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, TypeAlias

from grok_rt import events
from grok_rt.errors import ConcurrencyError, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from grok_rt._client.handlers import Failed, Handlers

__all__ = ["Delivery", "Offer", "Waiter"]

log = logging.getLogger("grok_rt")


#: Is shown an event, and when it came; says whether that was enough.
Offer: TypeAlias = "Callable[[events.Event, float], bool]"


class Waiter:
    """Somebody who waits in a verb: is shown each event, and says when it has enough."""

    def __init__(self, what: str, offer: Offer) -> None:
        self.what = what
        self.offer = offer
        self.thread = threading.get_ident()
        self.met = False  # it has enough, and is told when all have heard it
        self.done = False
        self.error: BaseException | None = None


class Delivery:
    """Who hears an event, and what becomes of it.

    Args:
        handlers: who hears all events.
        chronicle: is shown each event before anybody else, and when it came; it must not raise.
    """

    def __init__(
        self, handlers: Handlers, chronicle: Callable[[events.Event, float], None]
    ) -> None:
        self._handlers = handlers
        self._chronicle = chronicle
        self._turn = threading.Condition()
        self._waiters: tuple[Waiter, ...] = ()
        self._handling: tuple[int, events.Event, float] | None = None
        self._last: events.Event | None = None
        self._ended = False

    # who hears

    @contextlib.contextmanager
    def listening(self, what: str, offer: Offer) -> Iterator[Waiter]:
        """Show each event to `offer` while the block runs, whoever pumps."""
        waiter = self.listen(what, offer)
        try:
            yield waiter
        finally:
            self.unlisten(waiter)

    def listen(self, what: str, offer: Offer) -> Waiter:
        """Show each event to `offer` until it has enough, or `unlisten`."""
        waiter = Waiter(what, offer)
        with self._turn:
            self._waiters = (*self._waiters, waiter)
        return waiter

    def unlisten(self, waiter: Waiter) -> None:
        """Show it nothing more; harmless if it is shown nothing."""
        with self._turn:
            self._waiters = tuple(w for w in self._waiters if w is not waiter)

    # one event

    def _hear(self, event: events.Event, came_at: float) -> list[Failed]:
        self._last = event
        satisfied: list[Waiter] = []
        outer = self._handling
        self._handling = (threading.get_ident(), event, time.monotonic())
        try:
            self._chronicle(event, came_at)
            if self._waiters:
                self._offer(event, came_at, satisfied)
            return self._handlers.hear(event)
        finally:
            self._handling = outer
            ends = isinstance(event, events.Closed)
            if satisfied or ends:
                with self._turn:
                    for waiter in satisfied:
                        waiter.done = True
                    self._ended = self._ended or ends
                    self._turn.notify_all()

    def _offer(self, event: events.Event, came_at: float, satisfied: list[Waiter]) -> None:
        shown: tuple[Waiter, ...] = ()
        # Who comes meanwhile is shown it too: he may have looked before it had its effect.
        while (waiters := self._waiters) is not shown:
            for waiter in waiters:
                if waiter.done or waiter.met or waiter in shown:
                    continue
                try:
                    waiter.met = waiter.offer(event, came_at)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # noqa: BLE001 - it belongs to who waits with it
                    waiter.error = error
                    waiter.met = True
                if waiter.met:
                    satisfied.append(waiter)
            shown = waiters

    def _report(self, failed: Failed, event: events.Event) -> None:
        log.error("handler %s failed", failed.handler, exc_info=failed.error)
        if isinstance(event, (events.HandlerFailed, events.Closed)):
            # Who hears failures has failed, and would for ever; and nothing follows the end.
            return
        told = events.HandlerFailed(error=failed.error, event=event, handler=failed.handler)
        for again in self._hear(told, time.monotonic()):
            self._report(again, told)

    # what is said of it

    def refuse_in_handler(self, what: str) -> None:
        """Raise if this thread is inside a handler: nobody could deliver what it waits for."""
        if (handling := self._handling) is not None and handling[0] == threading.get_ident():
            raise ConcurrencyError(
                f"waiting for {what} inside a handler would wait for ever: the handler itself "
                f"keeps the events from coming. Use submit(), or another thread."
            )

    def busy(self) -> str:
        """A sentence about the handler that runs now; empty if none does."""
        if (handling := self._handling) is None:
            return ""
        took = time.monotonic() - handling[2]
        return f"a handler of {type(handling[1]).__name__} has been running for {took:.1f} s"

    def _too_late(self, what: str) -> DeadlineExceeded:
        last = "no event came" if self._last is None else f"the last event was {self._last.type}"
        why = f"; {busy}" if (busy := self.busy()) else ""
        return DeadlineExceeded(f"{what} did not come in time; {last}{why}")
