"""The right to read, between the reader and who borrows it; and the bell beside a line."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from callers import SOON, call_in_thread, until, waits_in

from grok_rt._connection import reading as _reading
from grok_rt._connection.reading import Bell, Contention, Turn

NEVER = 60.0


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader looks after a minute, where a test does not say otherwise."""
    monkeypatch.setattr(_reading, "_STAY", NEVER)


def borrowed(seconds: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Turn, Future[None]]:
    """A turn that is borrowed, and its reader, which looks every so often from now on."""
    turn = Turn()
    reader = waits_in(turn._called, turn.lend)
    assert turn.borrow()
    monkeypatch.setattr(_reading, "_STAY", seconds)
    with turn._called:
        turn._called.notify()  # which ends the first look
    return turn, reader


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """How often a reader has looked; true where it parked."""
    looked: list[bool] = []
    look = Turn._look

    def noted(turn: Turn, *, parks: bool) -> bool:
        looked.append(parks)
        return look(turn, parks=parks)

    monkeypatch.setattr(Turn, "_look", noted)
    return looked


# --- the turn --------------------------------------------------------------------------------


def test_there_is_one_turn_and_the_reader_has_it_first() -> None:
    """Nobody borrows what is not lent, and two do not borrow at once."""
    turn = Turn()
    assert not turn.borrow()
    reader = waits_in(turn._called, turn.lend)
    assert turn.borrow()
    assert not turn.borrow()
    turn.give_back(is_over=False)
    assert turn.borrow()
    turn.give_back(is_over=False)
    turn.want()
    reader.result(SOON)
    assert not turn.borrow()


def test_who_stays_away_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was given back and not borrowed again is the reader's after a while."""
    turn, reader = borrowed(0.01, monkeypatch)
    turn.give_back(is_over=False)
    reader.result(SOON)
    assert not turn.borrow()


def test_who_comes_back_in_time_keeps_it(
    monkeypatch: pytest.MonkeyPatch, looks: list[bool]
) -> None:
    """A borrower that reads now and then is left alone, however often the reader looks."""
    turn, reader = borrowed(0.3, monkeypatch)
    while len(looks) < 4:
        turn.give_back(is_over=False)
        time.sleep(0.001)  # a handler
        assert turn.borrow()
    assert not reader.done()
    turn.give_back(is_over=True)
    reader.result(SOON)


def test_an_idle_line_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the borrower waits for the line the reader looks a few times, then no more."""
    monkeypatch.setattr(_reading, "_PARK_AFTER", 5)
    turn, reader = borrowed(0.001, monkeypatch)
    until(lambda: turn._is_parked)
    turn.give_back(is_over=False)  # and stays away: the reader has to wake for that
    reader.result(SOON)


def test_a_line_on_which_only_pongs_come_costs_next_to_nothing(
    monkeypatch: pytest.MonkeyPatch, looks: list[bool]
) -> None:
    """Each time the borrower reads and comes back, the reader looks again, but not for long."""
    turn, reader = borrowed(0.001, monkeypatch)
    for _ in range(20):
        until(lambda: turn._is_parked)
        with turn._called:  # the reader does not see how short the way back is
            turn.give_back(is_over=False)
            assert turn.borrow()
            turn._is_parked = False
    assert len(looks) <= 4 * 21
    turn.give_back(is_over=True)
    reader.result(SOON)


def test_a_parked_reader_is_not_called_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`want` wakes it while another reads: it parks again, and comes when that one stays away."""
    monkeypatch.setattr(_reading, "_PARK_AFTER", 5)
    turn, reader = borrowed(0.001, monkeypatch)
    until(lambda: turn._is_parked)
    turn.want()
    until(lambda: turn._is_parked)
    assert not reader.done()
    turn.give_back(is_over=False)
    reader.result(SOON)


def test_what_is_wanted_is_read_at_once() -> None:
    """Who waits for what comes does not wait until the reader looks."""
    turn = Turn()
    reader = waits_in(turn._called, turn.lend)
    turn.want()
    reader.result(SOON)


def test_an_old_wish_does_not_take_it_back() -> None:
    """What was wanted while the reader was reading is read: it lends as ever."""
    turn = Turn()
    turn.want()
    reader = waits_in(turn._called, turn.lend)
    assert turn.borrow()
    turn.give_back(is_over=True)
    reader.result(SOON)


def test_the_end_is_the_readers() -> None:
    """Whoever meets it: nobody borrows any more, and the reader comes at once."""
    turn = Turn()
    reader = waits_in(turn._called, turn.lend)
    assert turn.borrow()
    turn.give_back(is_over=True)
    reader.result(SOON)
    assert turn.is_over
    assert not turn.borrow()


def test_no_two_read_and_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A borrower that comes and goes at random, wishes from everywhere, a reader that parks."""
    monkeypatch.setattr(_reading, "_STAY", 0.0005)
    monkeypatch.setattr(_reading, "_PARK_AFTER", 3)
    turn, reading, over = Turn(), threading.Lock(), threading.Event()
    turns = {"reader": 0, "borrower": 0}

    def read(who: str) -> None:
        assert reading.acquire(blocking=False), "two read at once"
        turns[who] += 1
        time.sleep(random.choice([0, 0, 0.0002, 0.003]))
        reading.release()

    def reader() -> None:
        while not turn.is_over:
            read("reader")
            turn.lend()

    def borrower() -> None:
        while not over.is_set():
            if turn.borrow():
                read("borrower")
                turn.give_back(is_over=False)
            time.sleep(random.choice([0, 0, 0.0002, 0.003]))
        until(turn.borrow)
        turn.give_back(is_over=True)

    def wisher() -> None:
        while not over.is_set():
            turn.want()
            time.sleep(random.choice([0.0001, 0.01]))

    threads = [call_in_thread(work) for work in (reader, borrower, wisher, wisher)]
    until(lambda: min(turns.values()) > 200 or any(t.done() for t in threads))
    over.set()
    for thread in threads:
        thread.result(SOON)


# --- contention ------------------------------------------------------------------------------


def test_a_read_that_took_long_is_remembered_for_a_while() -> None:
    """What was there is read in no time, unless another thread computes; each change is told."""
    crowd = Contention()
    assert not crowd.took(1.0, 1.0005)
    assert not crowd.is_felt
    assert crowd.took(2.0, 2.005)
    assert crowd.is_felt
    assert not crowd.took(3.0, 3.0)  # as it is now, it tells nothing
    assert not crowd.took(4.0, 4.5)
    assert not crowd.took(9.4, 9.4)
    assert crowd.is_felt
    assert crowd.took(9.6, 9.6)
    assert not crowd.is_felt


# --- the bell --------------------------------------------------------------------------------

needs_poll = pytest.mark.skipif(not hasattr(select, "poll"), reason="this system has no poll")


@pytest.fixture(params=["eventfd", "pipe"])
def bell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bell]:
    """One of each kind, as far as this system has both."""
    if request.param == "pipe":
        monkeypatch.delattr(os, "eventfd", raising=False)
    made = Bell()
    with contextlib.closing(made):
        yield made


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@needs_poll
def test_the_line_the_bell_or_the_time(
    bell: Bell, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Only the line says that there is something to read; the bell rings once for all its rings."""
    near, far = pair
    line = near.fileno()
    assert not bell.wait(line, 0.01)
    bell.ring()
    bell.ring()
    bell.is_heard = True
    assert not bell.wait(line, None)
    assert not bell.is_heard
    assert not bell.wait(line, 0)
    far.send(b"x")
    bell.ring()
    assert bell.wait(line, None)
    assert near.recv(9) == b"x"
    far.close()
    assert bell.wait(line, None), "the end is something to read, too"


@needs_poll
def test_it_rings_in_another_thread(bell: Bell, pair: tuple[socket.socket, socket.socket]) -> None:
    """Who waits is woken, whatever line came before."""
    near, far = pair
    for line in (near, far, near):
        waits = call_in_thread(lambda line=line: bell.wait(line.fileno(), None))
        time.sleep(0.01)  # that it may be rung before or after it waits
        bell.ring()
        assert waits.result(SOON) is False


@needs_poll
def test_a_line_that_is_gone_spoils_no_other(
    bell: Bell, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Waiting for it fails; the next line can be waited for as ever."""
    near, far = pair
    assert not bell.wait(near.fileno(), 0)
    with pytest.raises(ValueError, match="negative"):
        bell.wait(-1, 0)
    near.send(b"x")
    assert bell.wait(far.fileno(), None)


@needs_poll
def test_ringing_never_blocks(bell: Bell) -> None:
    """However often nobody listens."""
    for _ in range(100_000):
        bell.ring()


@needs_poll
def test_a_closed_bell_leaves_nothing() -> None:
    """Both descriptors are given back."""
    bell = Bell()
    ends = (bell._ear, bell._mouth)
    bell.close()
    for end in ends:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(end)
