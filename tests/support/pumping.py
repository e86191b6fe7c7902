"""A pump without a connection: tests put events, and see which thread lets them be heard."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from callers import SOON, waits_in

from grok_rt import events
from grok_rt._client.handlers import Handlers
from grok_rt._client.pump import Pump
from grok_rt._client.receiver import Expectation
from grok_rt._connection.inbox import Inbox
from grok_rt.errors import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

T = TypeVar("T")


def opened(name: str = "x") -> events.Opened:
    return events.Opened(session_id=name)


class Bench:
    """A pump with its inbox and handlers, and threads to use it from."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.handlers = Handlers()
        self.pump = Pump(self.inbox, self.handlers, self._closed)
        self.clean = True
        self.heard: list[events.Event] = []
        self.heard_in: list[str] = []
        self.handlers.add(events.Event, self._hear)

    def _hear(self, event: events.Event) -> None:
        self.heard.append(event)
        self.heard_in.append(threading.current_thread().name)

    def _closed(self) -> ConnectionClosed:
        return ConnectionClosedOK(1000) if self.clean else ConnectionClosedError(1006, "lost")

    def put(self, *names: str) -> None:
        for name in names:
            self.inbox.put_event(opened(name))

    def close(self, *, clean: bool = True) -> None:
        """What the connection does last."""
        self.clean = clean
        self.inbox.put_event(events.Closed(1000 if clean else 1006))

    def end(self) -> None:
        """Leave nobody waiting, whatever the test did."""
        self.close()
        self.pump.stop(SOON)

    @property
    def names(self) -> list[str]:
        return [e.session_id or "" if isinstance(e, events.Opened) else e.type for e in self.heard]

    def is_slow(self, *, once: bool = False) -> tuple[threading.Event, threading.Event]:
        """Add a handler of `Opened` that sets the first, and works until the second is set."""
        inside, go_on = threading.Event(), threading.Event()

        def slow(_event: events.Event) -> None:
            inside.set()
            assert go_on.wait(SOON)

        self.handlers.add(events.Opened, slow, once=once)
        return inside, go_on

    # what may be done at the same time

    def recv(self, timeout: float | None = None) -> events.Event:
        return self.pump.recv(timeout)

    def run(self) -> list[events.Event]:
        return list(self.pump.iterate("run()"))

    def wait(self, name: str, timeout: float | None = None) -> events.Event | None:
        """Wait for the event of that name, as the verbs do."""
        expected = Expectation(events.Opened, lambda event: event.session_id == name)
        with self.pump.listening(name, expected.offer) as waiter:
            self.pump.wait(waiter, timeout)
        return expected.event

    # who waits where

    def leads(self, call: Callable[[], T]) -> Future[T]:
        """Let a thread call, and return once it waits for the next event."""
        return waits_in(self.inbox.not_empty, call)

    def follows(self, call: Callable[[], T]) -> Future[T]:
        """Let a thread call, and return once it waits for its turn."""
        return waits_in(self.pump._turn, call)
