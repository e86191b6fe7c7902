"""A pump without a connection: tests put events, and see which thread lets them be heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from grok_rt import events
from grok_rt._handlers import Handlers
from grok_rt._pump import Expectation, Pump
from grok_rt._queues import Inbox
from grok_rt.errors import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

T = TypeVar("T")
SOON = 10.0  # seconds after which a test has failed


def opened(name: str = "x") -> events.Opened:
    return events.Opened(session_id=name)


def until(met: Callable[[], object]) -> None:
    """Wait for a state that announces itself to nobody, such as of a thread that waits."""
    deadline = time.monotonic() + SOON
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Bench:
    """A pump with its inbox and handlers, and threads to use it from."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.handlers = Handlers()
        self.pump = Pump(self.inbox, self.handlers, self._closed)
        self.clean = True
        self.heard: list[events.Event] = []
        self.heard_in: list[str] = []
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="caller")
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
        """Leave no thread waiting, whatever the test did."""
        self.close()
        self.pump.stop(SOON)
        self._pool.shutdown()

    @property
    def names(self) -> list[str]:
        return [e.session_id or "" if isinstance(e, events.Opened) else e.type for e in self.heard]

    # what may be done at the same time

    def submit(self, call: Callable[[], T]) -> Future[T]:
        return self._pool.submit(call)

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
        future = self.submit(call)
        until(lambda: future.done() or _waiting(self.inbox.not_empty) == 1)
        assert not future.done()
        return future

    def follows(self, call: Callable[[], T]) -> Future[T]:
        """Let a thread call, and return once it waits for its turn."""
        before = _waiting(self.pump._turn)
        future = self.submit(call)
        until(lambda: future.done() or _waiting(self.pump._turn) > before)
        assert not future.done()
        return future


def _waiting(condition: threading.Condition) -> int:
    with condition:
        return len(condition._waiters)  # type: ignore[attr-defined]
