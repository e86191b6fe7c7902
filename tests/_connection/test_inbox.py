"""What has come: in which order, how much of it, and who is woken."""

from __future__ import annotations

import queue
import threading
import time
from types import SimpleNamespace

import pytest
from callers import SOON, waits_in

from grok_rt import events
from grok_rt._connection.inbox import Inbox


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(
        "grok_rt._connection.inbox.time", SimpleNamespace(monotonic=lambda: clock.now), raising=True
    )
    return clock


def opened(name: str) -> events.Opened:
    return events.Opened(session_id=name)


def test_events_come_in_order() -> None:
    """First in, first out, and a put wakes who waits."""
    inbox = Inbox()
    inbox.put_event(opened("a"))
    inbox.put_event(opened("b"))
    assert inbox.take()[0] == opened("a")
    assert inbox.take(0)[0] == opened("b")
    future = waits_in(inbox.not_empty, inbox.take)
    inbox.put_event(opened("c"))
    assert future.result(SOON)[0] == opened("c")


@pytest.mark.parametrize("timeout", [0, -1, 0.02])
def test_take_waits_no_longer_than_asked(timeout: float) -> None:
    """An empty inbox raises `queue.Empty` in time."""
    started = time.monotonic()
    with pytest.raises(queue.Empty):
        Inbox().take(timeout)
    assert time.monotonic() - started >= timeout


def test_who_waits_may_leave_the_event_to_another() -> None:
    """`unless` is asked when the event has come: the one who waited gives it up."""
    inbox = Inbox()
    displaced = threading.Event()
    future = waits_in(inbox.not_empty, lambda: inbox.take(unless=displaced.is_set)[0])
    displaced.set()
    inbox.put_event(opened("a"))
    assert isinstance(future.exception(SOON), queue.Empty)
    with pytest.raises(queue.Empty):
        inbox.take(unless=displaced.is_set)
    assert inbox.take()[0] == opened("a")


def test_a_ping_replaces_the_ping_before_it() -> None:
    """Pings that nobody takes do not pile up, and no other event is lost for it."""
    inbox = Inbox()
    inbox.put_event(opened("a"), 1)
    for stamp in range(5):
        inbox.put_event(events.Ping(timestamp=stamp), 100)
    inbox.put_event(opened("b"), 1)
    inbox.put_event(events.Ping(timestamp=9), 50)
    assert inbox.backlog()[0] == 152
    taken = [inbox.take()[0] for _ in range(4)]
    assert taken == [opened("a"), events.Ping(timestamp=4), opened("b"), events.Ping(timestamp=9)]
    assert inbox.backlog()[0] == 0


def test_the_backlog_counts_bytes_and_the_conversation_that_waits(clock: SimpleNamespace) -> None:
    """Bytes of what waits, and the seconds between the oldest of it and the newest."""
    inbox = Inbox()
    assert inbox.backlog() == (0, 0.0)
    for second in range(4):
        clock.now = 1000.0 + second
        inbox.put_event(opened("a"), 10)
    assert inbox.backlog() == (40, 3.0)
    inbox.take()
    assert inbox.backlog() == (30, 2.0)
    for _ in range(3):
        inbox.take()
    assert inbox.backlog() == (0, 0.0)


def test_silence_is_no_backlog(clock: SimpleNamespace) -> None:
    """However long the last events wait: while only pings come, nobody has fallen behind."""
    inbox = Inbox()
    inbox.put_event(opened("a"), 10)
    for _ in range(60):
        clock.now += 10
        inbox.put_event(events.Ping(), 5)
    assert inbox.backlog() == (15, 0.0)
    inbox.take()
    assert inbox.backlog() == (5, 0.0)
