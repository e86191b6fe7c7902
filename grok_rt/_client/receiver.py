"""The verbs that take events: `recv`, iteration, `run`, `wait_for`, `expect`; and `tell`.

They run on the caller's thread and block there; `Pump` decides whose turn it is.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from grok_rt import events
from grok_rt._client.handlers import check_class
from grok_rt._numbers import timeout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from grok_rt._client.pump import Pump
    from grok_rt._connection.inbox import Inbox

__all__ = ["Expectation", "GrokReceiver"]

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

    def offer(self, event: events.Event, _at: float) -> bool:
        """Show it an event; true if that was the one awaited."""
        if self.event is not None or not isinstance(event, self._event_class):
            return False
        if self._predicate is not None and not self._predicate(event):
            return False
        self.event = event
        return True

    def __str__(self) -> str:
        return self._event_class.__name__


class GrokReceiver(ABC):
    """What can be heard from Grok, in the foreground."""

    _inbox: Inbox
    _pump: Pump

    @abstractmethod
    def _require_connection(self) -> object:
        """Raise unless there is, or was, a connection whose events can be taken."""

    def recv(self, timeout: float | None = None) -> events.Event:
        """Take the next event, let every handler hear it, return it.

        Blocks up to `timeout` seconds; None: until an event comes.

        Raises:
            DeadlineExceeded: none came; it is also a `TimeoutError`.
            ConnectionClosed: the session has ended and `Closed` was taken.
            ConcurrencyError: another thread pumps, or this is a handler.
            Exception: the first exception of a handler, once all have heard the event.
        """
        self._require_connection()
        return self._pump.recv(timeout_of(timeout))

    def __iter__(self) -> Iterator[events.Event]:
        """Yield each event once its handlers have heard it, up to `Closed`.

        Raises:
            ConnectionClosedError: the session did not end cleanly.
        """
        self._require_connection()
        return self._pump.iterate("iteration")

    def run(self) -> None:
        """Pump until the session has ended; blocks.

        Raises:
            ConnectionClosedError: it did not end cleanly.
            Exception: the first exception of a handler.
        """
        self._require_connection()
        for _ in self._pump.iterate("run()"):
            pass

    def wait_for(
        self,
        event_class: type[E],
        predicate: Callable[[E], bool] | None = None,
        timeout: float | None = None,
    ) -> E:
        """Wait for the next event of a class; pumps meanwhile, if nobody else does.

        Raises:
            DeadlineExceeded: it did not come; the sentence says what did.
            ConnectionClosed: the session ended first.
            ConcurrencyError: called inside a handler.
        """
        with self.expect(event_class, predicate, timeout) as expected:
            pass
        assert expected.event is not None  # noqa: S101 - what leaving the block has waited for
        return expected.event

    @contextlib.contextmanager
    def expect(
        self,
        event_class: type[E],
        predicate: Callable[[E], bool] | None = None,
        timeout: float | None = None,
    ) -> Iterator[Expectation[E]]:
        """Listen while the block runs, then wait: cannot miss what the block sets off.

        ::

            with client.expect(events.ResponseDone, timeout=10) as done:
                client.request_response()
            print(done.event.usage)

        Raises:
            DeadlineExceeded, ConnectionClosed, ConcurrencyError: as `wait_for`.
        """
        check_class(event_class)
        if predicate is not None and not callable(predicate):  # no event might ever ask it
            raise TypeError(
                f"a predicate is a function of the event, not {predicate!r}; seconds are timeout="
            )
        timeout = timeout_of(timeout)
        self._require_connection()
        expected = Expectation(event_class, predicate)
        self._pump.refuse_in_handler(str(expected))
        with self._pump.listening(str(expected), expected.offer) as waiter:
            yield expected
            self._pump.wait(waiter, timeout)

    def tell(self, event: events.LocalEvent) -> None:
        """Let the handlers hear something that happened on this side; nothing is sent.

        Raises:
            TypeError: no event of this side.
        """
        if not isinstance(event, events.LocalEvent):
            raise TypeError(f"only a LocalEvent can be told, not {event!r}; send() is for others")
        self._inbox.put_event(event)
