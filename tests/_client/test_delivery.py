"""One event is heard by everybody: those who wait, handlers that fail, and what they may not do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from callers import SOON, call_in_thread
from pumping import Bench, opened

from grok_rt import events
from grok_rt._client.delivery import Offer
from grok_rt._client.pump import Pump
from grok_rt.errors import ConcurrencyError, DeadlineExceeded


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.end()


def refuse(_event: events.Event, _at: float) -> bool:
    raise ValueError("a bad predicate")


class Boom(Exception):
    """What handlers raise here."""


def boom(_event: events.Event) -> None:
    raise Boom


# --- handlers that fail in the background ----------------------------------------------------


@pytest.mark.parametrize("error", [Boom, SystemExit, KeyboardInterrupt])
def test_the_session_outlives_a_failing_handler(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    """In the background a failure is logged with its traceback and heard as `HandlerFailed`."""
    raised = error()
    failures: list[events.Failure] = []

    def fails(_event: events.Event) -> None:
        raise raised

    bench.handlers.add(events.Opened, fails)
    bench.handlers.add(events.Failure, failures.append)
    bench.pump.start()
    bench.put("a", "b")
    bench.close()
    bench.pump.stop(SOON)
    failed = "local.handler_failed"
    assert [name for name in bench.names if name not in "ab"] == [failed, failed, "local.closed"]
    first = failures[0]
    assert isinstance(first, events.HandlerFailed)
    assert first.error is raised
    assert first.event == opened("a")
    assert first.handler.endswith("fails")
    assert [record.exc_info and record.exc_info[1] for record in caplog.records] == [raised] * 2
    assert raised.__traceback__ is not None


def test_a_failing_failure_handler_is_only_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Telling those who hear failures of their own failure would never end."""
    bench.handlers.add(events.Opened, boom)
    bench.handlers.add(events.Failure, boom)
    bench.pump.start()
    bench.put("a")
    bench.close()
    bench.pump.stop(SOON)
    assert bench.names == ["a", "local.handler_failed", "local.closed"]
    assert len(caplog.records) == 2


def test_nothing_follows_closed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A handler of the last event that fails is logged; there is no event after the last."""
    bench.handlers.add(events.Closed, boom)
    bench.pump.start()
    bench.close()
    bench.pump.stop(SOON)
    assert bench.names == ["local.closed"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


# --- listening -------------------------------------------------------------------------------


def test_listening_misses_nothing_and_ends_with_its_block(bench: Bench) -> None:
    """From its first line a block sees each event until it has enough, whoever pumps."""
    seen: list[events.Event] = []

    def offer(event: events.Event, _at: float) -> bool:
        seen.append(event)
        return event == opened("b")

    with bench.pump.listening("b", offer) as waiter:
        bench.put("a", "b", "c", "d")
        for _ in range(3):
            bench.recv()
        bench.pump.wait(waiter, 0)
    bench.recv()
    assert seen == [opened("a"), opened("b")]


@pytest.mark.parametrize("verb", ["recv()", "a wait", "start()"])
def test_an_event_is_shown_with_the_time_when_it_came(verb: str) -> None:
    """Whoever pumps, and however late: the chronicle and those who wait see the arrival's."""
    bench = Bench()
    kept: list[tuple[events.Event, float]] = []
    bench.pump = Pump(bench.inbox, bench.handlers, bench._closed, lambda *it: kept.append(it))
    seen: list[tuple[events.Event, float]] = []

    def offer(event: events.Event, at: float) -> bool:
        seen.append((event, at))
        return True

    bench.inbox.put_events([(opened("a"), 10, 5.0)], 5.0)
    with bench.pump.listening("a", offer) as waiter:
        if verb == "recv()":
            bench.recv(SOON)
        elif verb == "start()":
            bench.pump.start()
        bench.pump.wait(waiter, SOON)
    bench.end()
    assert seen == kept[:1] == [(opened("a"), 5.0)]


def test_who_begins_to_listen_meanwhile_is_shown_the_event_as_well(bench: Bench) -> None:
    """They may have looked for its effect before it had one, and no other event may follow."""
    seen: list[events.Event] = []

    def late(event: events.Event, _at: float) -> bool:
        seen.append(event)
        return True

    def first(_event: events.Event, _at: float) -> bool:
        bench.pump.listen("late", late)
        return True

    bench.pump.listen("first", first)
    bench.put("a", "b")
    bench.recv()
    assert seen == [opened("a")]
    assert all(waiter.done for waiter in bench.pump._waiters)
    bench.recv()
    assert seen == [opened("a")]


def test_who_waits_is_told_when_all_have_heard(bench: Bench) -> None:
    """Beside `start`, too, what the handlers of the awaited event did is done."""
    inside, go_on = bench.is_slow()
    bench.pump.start()
    waiting = bench.follows(lambda: bench.wait("a"))
    bench.put("a")
    assert inside.wait(SOON)
    late = call_in_thread(lambda: bench.wait("b", 0.01))
    with pytest.raises(DeadlineExceeded, match=r"b did not .*; a handler of Opened has been"):
        late.result(SOON)
    assert not waiting.done()
    go_on.set()
    assert waiting.result(SOON) == opened("a")


def test_a_bad_predicate_hurts_only_who_brought_it(bench: Bench) -> None:
    """Its exception rises in the thread that waits with it, even `SystemExit`; the pump goes on."""

    def exits(_event: events.Event, _at: float) -> bool:
        raise SystemExit

    def waits(offer: Offer) -> None:
        with bench.pump.listening("bad", offer) as waiter:
            bench.pump.wait(waiter, SOON)

    bench.pump.start()
    bad = bench.follows(lambda: waits(refuse))
    worse = bench.follows(lambda: waits(exits))
    good = bench.follows(lambda: bench.wait("b"))
    bench.put("a", "b")
    assert isinstance(bad.exception(SOON), ValueError)
    assert isinstance(worse.exception(SOON), SystemExit)
    assert good.result(SOON) == opened("b")
    assert bench.names == ["a", "b"]


def test_ctrl_c_in_a_predicate_is_the_leaders(bench: Bench) -> None:
    """It rises where it hit, whoever brought the predicate, and the lead is free."""

    def interrupted(_event: events.Event, _at: float) -> bool:
        raise KeyboardInterrupt

    bench.put("a", "b")
    with bench.pump.listening("x", interrupted), pytest.raises(KeyboardInterrupt):
        bench.wait("b", SOON)
    assert call_in_thread(lambda: bench.wait("b", SOON)).result(SOON) == opened("b")


# --- inside of a handler ---------------------------------------------------------------------


@pytest.mark.parametrize("where", ["handler", "predicate"])
def test_no_wait_inside_what_the_pump_calls(bench: Bench, where: str) -> None:
    """Inside a handler or a predicate nobody could deliver what is awaited: refused at once."""

    def waits(_event: events.Event, _at: float) -> bool:
        bench.wait("b")
        return True

    bench.put("a")
    if where == "handler":
        bench.handlers.add(events.Opened, lambda event: waits(event, 0.0))
        with pytest.raises(ConcurrencyError, match=r"^waiting for b inside a handler .*submit"):
            bench.recv()
    else:
        with (
            bench.pump.listening("x", waits) as waiter,
            pytest.raises(ConcurrencyError, match="inside a handler"),
        ):
            bench.pump.wait(waiter, SOON)


def test_another_thread_may_wait_while_a_handler_runs(bench: Bench) -> None:
    """Only the thread inside the handler is refused."""
    futures: list[Future[events.Event | None]] = []
    bench.handlers.add(
        events.Opened, lambda _: futures.append(bench.follows(lambda: bench.wait("b"))), once=True
    )
    bench.put("a")
    bench.recv()
    bench.put("b")
    assert futures[0].result(SOON) == opened("b")
