"""Explicit pumps: `recv`, iteration, `run`, `start`; handlers that fail; the end."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator

import pytest
from callers import SOON, call_in_thread, until
from pumping import Bench, opened

from grok_rt import events
from grok_rt.errors import (
    ConcurrencyError,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
)

Explicit = Callable[[Bench], object]
EXPLICIT: dict[str, Explicit] = {
    "recv()": lambda bench: bench.recv(),
    "run()": lambda bench: bench.run(),
    "iteration": lambda bench: next(bench.pump.iterate("iteration")),
    "start()": lambda bench: bench.pump.start(),
}


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.end()


class Boom(Exception):
    """What handlers raise here."""


def boom(_event: events.Event) -> None:
    raise Boom


# --- in the foreground -----------------------------------------------------------------------


def test_recv_returns_what_all_have_heard(bench: Bench) -> None:
    """`recv` takes one event, on the caller's thread, and returns it once it was heard."""
    bench.put("a", "b")
    assert bench.recv() == opened("a")
    assert bench.names == ["a"]
    assert bench.heard_in == [threading.current_thread().name]


def test_recv_names_what_came_last(bench: Bench) -> None:
    """The sentence of a deadline says what was awaited and what came before."""
    with pytest.raises(DeadlineExceeded, match=r"^the next event did not .*; no event came$"):
        bench.recv(0.01)
    bench.put("a")
    bench.recv(0)
    with pytest.raises(TimeoutError, match=r"the last event was local\.opened$"):
        bench.recv(0)


def test_closed_is_the_last_event(bench: Bench) -> None:
    """`Closed` is received like any other; after it every pump tells the cause, anew."""
    bench.put("a")
    bench.close(clean=False)
    assert bench.recv() == opened("a")
    assert isinstance(bench.recv(), events.Closed)
    bench.put("too late")
    errors = []
    for _ in range(2):
        with pytest.raises(ConnectionClosedError) as raised:
            bench.recv()
        errors.append(raised.value)
    assert errors[0] is not errors[1]
    assert len(bench.heard) == 2


@pytest.mark.parametrize("clean", [True, False])
def test_iteration_yields_up_to_closed(bench: Bench, *, clean: bool) -> None:
    """Iteration ends after a clean close, and raises after any other; a second one, too."""
    bench.put("a")
    bench.close(clean=clean)
    got: list[events.Event] = []
    for expected in (2, 2):
        try:
            got.extend(bench.pump.iterate("iteration"))
        except ConnectionClosedError:
            assert not clean
        else:
            assert clean
        assert len(got) == expected
    assert isinstance(got[1], events.Closed)


def test_the_first_failure_rises_when_all_have_heard(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """In the foreground a handler's exception rises with its traceback; the next is logged."""

    def also(_event: events.Event) -> None:
        raise ValueError("also")

    bench.handlers.add(events.Opened, boom)
    bench.handlers.add(events.Opened, also)
    bench.put("a", "b")
    with pytest.raises(Boom) as raised:
        bench.recv()
    assert "boom" in "".join(traceback.format_tb(raised.value.__traceback__))
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [("also",)]
    with pytest.raises(Boom):
        bench.run()
    assert bench.names == ["a", "b"]
    bench.close()
    assert len(bench.run()) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_programs_rises_and_lets_go(bench: Bench, error: type[BaseException]) -> None:
    """Ctrl+C and `sys.exit()` in a handler reach the caller, who can pump again."""

    def ends(_event: events.Event) -> None:
        raise error

    bench.handlers.add(events.Opened, ends, once=True)
    bench.put("a", "b")
    with pytest.raises(error):
        bench.recv()
    assert bench.recv(0) == opened("b")


@pytest.mark.parametrize("verb", ["recv()", "run()"])
def test_ctrl_c_while_waiting_lets_go(
    bench: Bench, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is interrupted leaves neither the lead nor the hold behind."""

    def interrupted(*_args: object, **_kwargs: object) -> events.Event:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bench.inbox, "take", interrupted)
        with pytest.raises(KeyboardInterrupt):
            EXPLICIT[verb](bench)
    bench.put("a")
    assert call_in_thread(bench.recv).result(SOON) == opened("a")


# --- one at a time ---------------------------------------------------------------------------


@pytest.mark.parametrize("second", EXPLICIT)
@pytest.mark.parametrize("first", EXPLICIT)
def test_two_explicit_pumps_are_an_error(bench: Bench, first: str, second: str) -> None:
    """The second is refused at once, names the first, and the first goes on."""
    if first == "start()":
        bench.pump.start()
    else:
        going = bench.leads(lambda: EXPLICIT[first](bench))
    with pytest.raises(ConcurrencyError) as raised:
        EXPLICIT[second](bench)
    assert str(raised.value) == f"{second} while {first} takes the events already"
    bench.put("a")
    bench.close()
    if first != "start()":
        going.result(SOON)
    until(lambda: bench.names[:1] == ["a"])


def test_an_iteration_holds_between_its_events(bench: Bench) -> None:
    """While the loop's body runs no other pump may take its events; leaving the loop lets go."""
    bench.put("a", "b")
    for event in bench.pump.iterate("iteration"):
        assert event == opened("a")
        for verb in EXPLICIT.values():
            with pytest.raises(ConcurrencyError):
                verb(bench)
        break
    assert bench.recv() == opened("b")


@pytest.mark.parametrize("verb", EXPLICIT)
@pytest.mark.parametrize("background", [False, True])
def test_no_pump_inside_a_handler(bench: Bench, verb: str, *, background: bool) -> None:
    """A handler cannot pump, for it keeps the events from coming; the sentence says what can."""
    refused: list[str] = []

    def pumps(_event: events.Event) -> None:
        with pytest.raises(ConcurrencyError) as raised:
            EXPLICIT[verb](bench)
        refused.append(str(raised.value))

    bench.handlers.add(events.Opened, pumps)
    bench.put("a")
    if background:
        bench.pump.start()
        until(lambda: refused)
    else:
        bench.recv()
    assert refused[0].startswith(f"waiting for {verb} inside a handler")


def test_start_without_a_thread_holds_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system gives no thread, the error rises and the events can be taken otherwise."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            bench.pump.start()
    bench.put("a")
    assert bench.recv(0) == opened("a")


# --- in the background -----------------------------------------------------------------------


def test_start_pumps_in_a_thread_to_the_end(bench: Bench) -> None:
    """The dispatcher hears all, and is gone after `Closed`; starting again ends at once."""
    bench.pump.start()
    bench.put("a", "b")
    bench.close(clean=False)
    bench.pump.stop(SOON)
    assert bench.names == ["a", "b", "local.closed"]
    assert set(bench.heard_in) == {"grok-rt-pump"}
    with pytest.raises(ConnectionClosedError):
        bench.recv()
    bench.pump.start()
    bench.pump.stop(SOON)
    assert len(bench.heard) == 3


def test_stop_waits_for_the_rest_and_for_no_one(bench: Bench) -> None:
    """`stop` hears the rest within its time; with no dispatcher, or on it, it does nothing."""
    bench.pump.stop(SOON)
    stopped: list[str] = []

    def stops(_event: events.Event) -> None:
        bench.pump.stop(SOON)
        stopped.append(threading.current_thread().name)

    bench.handlers.add(events.Opened, stops, once=True)
    bench.put(*"abcdef")
    bench.close()
    bench.pump.start()
    bench.pump.stop(SOON)
    assert bench.names == [*"abcdef", "local.closed"]
    assert stopped == ["grok-rt-pump"]


def test_stop_does_not_wait_for_a_slow_handler(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """At its time the rest is dropped, all but `Closed`, and the log names who was slow."""
    inside, go_on = bench.is_slow()
    bench.pump.start()
    bench.put(*"abc")
    bench.close()
    assert inside.wait(SOON)
    call_in_thread(lambda: bench.pump.stop(0.01)).result(SOON)
    assert "a handler of Opened has been running for 0.0 s" in caplog.text
    assert bench.names == []
    go_on.set()
    bench.pump.stop(SOON)
    assert bench.names == ["a", "local.closed"]


# --- who keeps events waiting ----------------------------------------------------------------


def test_why_stalled_names_the_culprit(bench: Bench) -> None:
    """Nobody, the caller of a pump, or a handler: the sentence says which."""
    said: list[str] = []
    bench.handlers.add(events.Opened, lambda _: said.append(bench.pump.why_stalled()))
    said.append(bench.pump.why_stalled())
    bench.put("a")
    for _ in bench.pump.iterate("iteration"):
        said.append(bench.pump.why_stalled())
        break
    said.append(bench.pump.why_stalled())
    nobody = "nobody takes them: iterate over the client, or call run() or start()"
    assert said == [
        nobody,
        "a handler of Opened has been running for 0.0 s",
        "the caller of iteration takes them too slowly",
        nobody,
    ]


def test_a_clean_end_is_told_as_such(bench: Bench) -> None:
    """After a clean close `recv` still has nothing to give, and says it was clean."""
    bench.close()
    bench.run()
    with pytest.raises(ConnectionClosedOK):
        bench.recv()
