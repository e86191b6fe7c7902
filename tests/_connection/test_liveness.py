"""Pings, silence and backlogs, without a clock."""

from __future__ import annotations

import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt._connection.inbox import Inbox
from grok_rt._connection.liveness import Backlog, Keepalive
from grok_rt.events import Opened

SECONDS = st.floats(0.01, 100)


def test_a_silence_is_pinged_once_an_interval() -> None:
    """A ping is due one interval after the last word or the last ping, whichever is later."""
    alive = Keepalive(5, None, now=0)
    assert [t for t in range(20) if alive.ping_is_due(t)] == [5, 10, 15]
    alive.heard_at = 18
    assert [t for t in range(20, 30) if alive.ping_is_due(t)] == [23, 28]


def test_a_silent_server_is_dead_after_its_time() -> None:
    """It counts as dead from `dead_after` seconds of silence on, and any word revives it."""
    alive = Keepalive(None, 15, now=0)
    assert alive.dead(14.9) is None
    assert alive.dead(15) == "the server has been silent for 15 s"
    alive.heard_at = 1
    assert alive.dead(15) is None


def test_neither_is_neither() -> None:
    """With both switched off the writer need never look."""
    alive = Keepalive(None, None, now=0)
    assert alive.next_at() is None
    assert not alive.ping_is_due(1e9)
    assert alive.dead(1e9) is None


@given(interval=SECONDS, dead_after=SECONDS, heard=st.lists(SECONDS, max_size=5))
def test_who_looks_when_told_to_misses_nothing(
    interval: float, dead_after: float, heard: list[float]
) -> None:
    """Before `next_at` there is nothing to do, and at `next_at` there is."""
    alive = Keepalive(interval, dead_after, now=0)
    now = 0.0
    for gap in [*heard, *[1e9] * 5]:
        word = now + gap
        while (at := alive.next_at()) is not None and at < word:
            assert at >= now
            assert not alive.dead((now + at) / 2)
            now = at + 1e-6
            pinged, dead = alive.ping_is_due(now), alive.dead(now)
            assert pinged or dead
            if dead:
                return
        now = alive.heard_at = word


def backlog(inbox: Inbox, *, max_bytes: int = 1000, stall_timeout: float = 10) -> Backlog:
    return Backlog(
        inbox,
        max_bytes,
        max_age=1e9,
        stall_timeout=stall_timeout,
        why_stalled=lambda: "nobody takes them",
    )


def test_a_pump_that_catches_up_in_time_is_forgiven() -> None:
    """Only a backlog that stays above its bound for `stall_timeout` ends the session."""
    inbox = Inbox()
    watch = backlog(inbox)
    inbox.put_event(Opened(), 1001)
    assert watch.next_at() is None
    assert watch.stalled(1) is None
    assert watch.next_at() == 11
    assert watch.stalled(10) is None
    inbox.take()
    assert watch.stalled(11) is None
    assert watch.next_at() is None
    inbox.put_event(Opened(), 1001)
    assert watch.stalled(12) is None
    assert watch.stalled(21) is None
    assert watch.stalled(22) == (
        "1001 bytes of events wait, 0 s of the conversation: nobody takes them"
    )


def test_an_old_event_is_a_backlog_too() -> None:
    """A few bytes that nobody takes count as much as many."""
    inbox = Inbox()
    inbox.put_event(Opened(), 1)
    watch = Backlog(inbox, 1000, -1.0, 0, why_stalled=lambda: "why")
    assert watch.stalled(1)


@pytest.mark.parametrize("size", [0, 250])
def test_to_see_that_the_pump_keeps_up_takes_no_lock(size: int) -> None:
    """Each read asks, and the inbox is everybody's: none is taken below a quarter of a bound."""
    inbox = Inbox()
    inbox.put_event(Opened(), size)
    watch = backlog(inbox)
    said: list[str | None] = []
    asking = threading.Thread(target=lambda: said.append(watch.stalled(1)), daemon=True)
    with inbox.mutex:
        asking.start()
        asking.join(5)
        assert said == [None]


def test_it_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    """From a quarter of a bound on one warning says who is too slow, and no second."""
    inbox = Inbox()
    watch = backlog(inbox)
    inbox.put_event(Opened(), 250)
    watch.stalled(1)
    assert not caplog.records
    inbox.put_event(Opened(), 1)
    for now in range(2, 9):
        watch.stalled(now)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "nobody takes them" in record.message
