"""Bounded daemon threads: each result once, in time, and nothing left behind."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grok_rt.tools._workers import Cancelled, Overdue, Result, Workers, cancelled

WAIT = 5.0  # no test waits that long unless it fails


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Two workers that end soon when idle."""
    made = Workers(2, idle=0.05)
    yield made
    made.close(WAIT)


class Results:
    """Collects what `done` is called with."""

    def __init__(self) -> None:
        self.queue: queue.Queue[Result] = queue.Queue()
        self.threads: list[str] = []

    def __call__(self, result: Result) -> None:
        self.threads.append(threading.current_thread().name)
        self.queue.put(result)

    def next(self) -> Result:
        return self.queue.get(timeout=WAIT)


def ours() -> set[str]:
    """Name the threads of any workers."""
    return {t.name for t in threading.enumerate() if t.name.startswith("grok-rt-tool-")}


def test_value_error_and_exit_are_results(workers: Workers) -> None:
    """What the work returns or raises is reported, SystemExit too; the worker lives on."""
    done = Results()
    workers.submit(lambda: 7, done, timeout=WAIT)
    assert done.next() == Result(7)
    for error in (ValueError("x"), SystemExit(1)):

        def fail(error: BaseException = error) -> None:
            raise error

        workers.submit(fail, done, timeout=WAIT)
        assert done.next().error is error
    assert all(name.startswith("grok-rt-tool-") for name in done.threads)


def test_threads_are_daemons_and_end_when_idle(workers: Workers) -> None:
    """Threads start with the first work, never hold up the interpreter, and go when unused."""
    assert ours() == set()
    done = Results()
    workers.submit(lambda: threading.current_thread().daemon, done, timeout=WAIT)
    assert done.next().value is True
    for thread in threading.enumerate():
        if thread.name in ours():
            thread.join(WAIT)
    assert ours() == set()
    workers.submit(lambda: 1, done, timeout=WAIT)  # and they come back
    assert done.next() == Result(1)


def test_no_more_at_once_than_the_limit(workers: Workers) -> None:
    """Work above the limit waits its turn."""
    done, go = Results(), threading.Event()
    running: queue.Queue[int] = queue.Queue()

    def work(number: int) -> int:
        running.put(number)
        go.wait(WAIT)
        return number

    for number in range(5):
        workers.submit(lambda number=number: work(number), done, timeout=WAIT)  # type: ignore[misc]
    first = {running.get(timeout=WAIT), running.get(timeout=WAIT)}
    assert first == {0, 1}
    assert running.empty()
    go.set()
    assert sorted(done.next().value for _ in range(5)) == list(range(5))


def test_late_work_is_reported_once_and_loses_its_seat(workers: Workers) -> None:
    """Past its deadline work is cancelled and reported; others run; its late result is nothing."""
    done, go = Results(), threading.Event()
    tokens: queue.Queue[threading.Event] = queue.Queue()

    def stuck() -> str:
        tokens.put(cancelled())
        go.wait(WAIT)
        return "late"

    for _ in range(2):
        workers.submit(stuck, done, timeout=0.05)
    assert [type(done.next().error) for _ in range(2)] == [Overdue, Overdue]
    assert all(tokens.get(timeout=WAIT).wait(WAIT) for _ in range(2))
    workers.submit(lambda: "in time", done, timeout=WAIT)
    assert done.next() == Result("in time")
    go.set()
    assert workers.close(WAIT)
    assert done.queue.empty()


def test_waiting_counts(workers: Workers) -> None:
    """The deadline runs while work waits for a thread; what never ran is never run."""
    done, go, ran = Results(), threading.Event(), threading.Event()
    for _ in range(2):
        workers.submit(lambda: go.wait(WAIT), Results(), timeout=WAIT)
    workers.submit(ran.set, done, timeout=0.05)
    assert isinstance(done.next().error, Overdue)
    go.set()
    assert workers.close(WAIT)
    assert not ran.is_set()


def test_the_queue_moves_on_when_a_seat_is_lost(workers: Workers) -> None:
    """Work that waited behind stuck work starts as soon as that is given up."""
    done, go = Results(), threading.Event()
    for _ in range(2):
        workers.submit(lambda: go.wait(WAIT), Results(), timeout=0.05)
    workers.submit(lambda: "next", done, timeout=WAIT)
    assert done.next() == Result("next")
    go.set()


def test_the_callers_context_is_copied(workers: Workers) -> None:
    """Work sees the caller's context variables, or those of the context it is given."""
    variable = contextvars.ContextVar("variable", default="nobody")
    done = Results()
    other = contextvars.copy_context()
    variable.set("caller")
    workers.submit(variable.get, done, timeout=WAIT)
    assert done.next() == Result("caller")
    workers.submit(variable.get, done, timeout=WAIT, context=other)
    assert done.next() == Result("nobody")


def test_cancel_sets_the_token_and_the_result_counts(workers: Workers) -> None:
    """Cancelling asks; what the work then returns is its result."""
    done, begun = Results(), threading.Event()

    def work() -> bool:
        begun.set()
        return cancelled().wait(WAIT)

    workers.submit(work, done, timeout=WAIT, key="it")
    assert begun.wait(WAIT)
    workers.cancel(["it"])
    assert done.next() == Result(value=True)


def test_work_may_be_cancelled_before_it_comes(workers: Workers) -> None:
    """A call that is not wanted before it begins finds its cancellation set, and only that one."""
    done = Results()
    workers.cancel(["early"])
    for key in ("early", "other", None):
        workers.submit(lambda: cancelled().is_set(), done, timeout=WAIT, key=key)
        assert done.next() == Result(value=key == "early")


def test_outside_of_work_nothing_is_cancelled() -> None:
    """A function that looks at the token can be called directly."""
    assert not cancelled().is_set()


def test_close_reports_everything_and_ends_all_threads() -> None:
    """After close every piece of work has one report, all threads are gone, none come back."""
    workers, done, begun = Workers(1), Results(), threading.Event()

    def work() -> None:
        begun.set()
        cancelled().wait(WAIT)

    workers.submit(work, done, timeout=WAIT)
    workers.submit(work, done, timeout=WAIT)
    assert begun.wait(WAIT)
    assert workers.close(WAIT)
    assert ours() == set()
    workers.submit(work, done, timeout=WAIT)
    assert [type(done.queue.get_nowait().error) for _ in range(3)] == [Cancelled] * 3
    assert done.queue.empty()
    assert workers.close()


def test_close_says_when_something_is_still_running() -> None:
    """Work that ignores its cancellation outlives close, and close says so."""
    workers, go, begun = Workers(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(WAIT)

    workers.submit(work, Results(), timeout=WAIT)
    assert begun.wait(WAIT)
    assert not workers.close(0.01)
    go.set()
    assert workers.close(WAIT)


def test_close_inside_the_work() -> None:
    """Work may close its own workers: it does not wait for itself."""
    workers, done, closed = Workers(), Results(), threading.Event()

    def work() -> None:
        assert workers.close(WAIT)
        closed.set()

    workers.submit(work, done, timeout=WAIT)
    assert isinstance(done.next().error, Cancelled)
    assert closed.wait(WAIT)
    assert workers.close(WAIT)


def test_a_failing_done_is_logged(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    """A result that cannot be handed on is logged, and the worker goes on."""
    done, failed = Results(), threading.Event()

    def fail(result: Result) -> None:
        failed.set()
        raise ValueError(result)

    workers.submit(lambda: 1, fail, timeout=WAIT)
    assert failed.wait(WAIT)
    workers.submit(lambda: 2, done, timeout=WAIT)
    assert done.next() == Result(2)
    workers.close(WAIT)
    assert "could not be handed on" in caplog.text


@pytest.mark.parametrize("possible", [0, 1])
def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch, possible: int) -> None:
    """Where no thread can be started, work is still reported: at once, or at its deadline."""
    workers, done, start = Workers(), Results(), threading.Thread.start
    left = [possible]

    def refuse(thread: threading.Thread) -> Any:
        if not left[0]:
            msg = "can't start new thread"
            raise RuntimeError(msg)
        left[0] -= 1
        return start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        workers.submit(lambda: 1, done, timeout=0.02)
    assert isinstance(done.next().error, Overdue if possible else RuntimeError)
    assert workers.close(WAIT)


@settings(max_examples=20)
@given(st.lists(st.sampled_from(["quick", "late", "fails"]), max_size=8), st.booleans())
def test_each_once(kinds: list[str], wait: bool) -> None:
    """However work ends, and whenever the workers are closed, each piece is reported once."""
    workers = Workers(2, idle=0.01)
    reports: list[list[Result]] = [[] for _ in kinds]
    all_in = threading.Semaphore(0)

    def work(kind: str) -> None:
        if kind == "late":
            cancelled().wait(WAIT)
        if kind == "fails":
            raise ValueError

    for kind, report in zip(kinds, reports, strict=True):

        def done(result: Result, report: list[Result] = report) -> None:
            report.append(result)
            all_in.release()

        workers.submit(lambda kind=kind: work(kind), done, timeout=0.01)  # type: ignore[misc]
    if wait:
        assert all(all_in.acquire(timeout=WAIT) for _ in kinds)
    assert workers.close(WAIT)
    assert [len(report) for report in reports] == [1] * len(kinds)
