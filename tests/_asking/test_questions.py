"""The line of those who ask: in order, and nobody in it is forgotten."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from callers import SOON, call_in_thread, until
from pumping import Bench, opened

from grok_rt import events
from grok_rt._asking import questions as _questions
from grok_rt._asking.questions import Questions
from grok_rt.errors import ConcurrencyError, ConnectionClosedError, DeadlineExceeded


class Asker:
    """Somebody in the line, who leaves it when told to."""

    def __init__(self, questions: Questions) -> None:
        self.thread = threading.current_thread()
        self.is_left = False
        self.context = contextvars.copy_context()
        self.response_ids: tuple[str, ...] = ()
        self.ended = threading.Event()
        self._questions = questions

    def enter(self, left: Callable[[], float | None] = lambda: None) -> None:
        self.thread = threading.current_thread()
        self._questions.enter(self, left)

    def end(self) -> None:
        self.ended.set()
        self._questions.leave(self)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.end()


@pytest.fixture
def questions(bench: Bench) -> Questions:
    return Questions(bench.pump)


def stands(questions: Questions, left: Callable[[], float | None] = lambda: None) -> Future[Asker]:
    """Let a thread enter the line; it is in it when this returns."""
    before = len(questions._line)

    def enter() -> Asker:
        asker = Asker(questions)
        try:
            asker.enter(left)
        except BaseException:
            asker.end()
            raise
        return asker

    future = call_in_thread(enter)
    until(lambda: len(questions._line) > before or future.done())
    return future


def test_each_in_turn(questions: Questions, bench: Bench) -> None:
    """The first has the turn at once, the others when those before them leave."""
    asked = [stands(questions) for _ in range(4)]
    for at, future in enumerate(asked):
        asker = future.result(SOON)
        assert not any(later.done() for later in asked[at + 1 :])
        questions.leave(asker)
        questions.leave(asker)
    assert not questions._line
    assert not bench.pump._waiters


def test_who_gives_up_leaves_no_gap(questions: Questions) -> None:
    """A deadline in the line ends one wait; those behind it move up."""
    first = stands(questions).result(SOON)
    hurried = stands(questions, lambda: 0.05)
    last = stands(questions)
    with pytest.raises(DeadlineExceeded):
        hurried.result(SOON)
    questions.leave(first)
    questions.leave(last.result(SOON))


def test_a_handlers_own_deadline_is_no_end_of_the_wait(questions: Questions, bench: Bench) -> None:
    """What a handler raises rises from the thread that waits and pumps: it is not waited out."""

    def fails(_event: events.Opened) -> None:
        raise DeadlineExceeded("mine")

    bench.handlers.add(events.Opened, fails)
    first = stands(questions).result(SOON)
    second = stands(questions)
    bench.put("x")
    with pytest.raises(DeadlineExceeded, match="mine"):
        second.result(SOON)
    assert bench.heard == [opened("x")]
    questions.leave(first)


def test_who_is_left_is_ended_by_those_behind(
    questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By who comes, and, where nobody comes, by who has waited for a while."""
    left = stands(questions).result(SOON)
    left.is_left = True
    questions.leave(stands(questions).result(SOON))
    assert left.ended.is_set()
    monkeypatch.setattr(_questions, "_PATIENCE", 0.05)
    left = stands(questions).result(SOON)
    waiting = stands(questions)
    left.is_left = True
    questions.leave(waiting.result(SOON))
    assert left.ended.is_set()


def test_nobody_waits_for_itself(questions: Questions) -> None:
    """A thread that has the turn is refused a second place, but not if its first was left."""
    mine = Asker(questions)
    mine.enter()
    with pytest.raises(ConcurrencyError, match="a stream of this very thread is not over"):
        Asker(questions).enter()
    assert len(questions._line) == 1
    mine.is_left = True
    Asker(questions).enter()
    assert mine.ended.is_set()


def test_the_end_ends_the_line(questions: Questions, bench: Bench) -> None:
    """When the connection has ended nobody waits for a turn any more."""
    stands(questions).result(SOON)
    waiting = [stands(questions) for _ in range(3)]
    bench.close(clean=False)
    assert all(isinstance(f.exception(SOON), ConnectionClosedError) for f in waiting)
