"""Calls in other threads: tests that know when a call really waits, and never hang with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
SOON = 10.0  # seconds after which a test has failed


def call_in_thread(call: Callable[[], T]) -> Future[T]:
    """Start a call; a daemon thread, so that one that waits for ever fails its test only."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - `result` raises it where it is seen
            future.set_exception(error)

    threading.Thread(target=run, name="caller", daemon=True).start()
    return future


def until(met: Callable[[], object]) -> None:
    """Wait for a state that announces itself to nobody, such as of a thread that waits."""
    deadline = time.monotonic() + SOON
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def waiting(condition: threading.Condition) -> int:
    """How many threads wait for a condition."""
    with condition:
        return len(condition._waiters)  # type: ignore[attr-defined]


def waits_in(condition: threading.Condition, call: Callable[[], T]) -> Future[T]:
    """Start a call, and return once it waits for the condition."""
    before = waiting(condition)
    future = call_in_thread(call)
    until(lambda: future.done() or waiting(condition) > before)
    assert not future.done()
    return future
