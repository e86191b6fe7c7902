"""Waiting verbs: who leads, who follows, when leadership passes on, and every deadline."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from callers import SOON, call_in_thread, until
from pumping import Bench, opened

from grok_rt import events
from grok_rt._client.receiver import Expectation
from grok_rt.errors import (
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.end()


# --- leadership ------------------------------------------------------------------------------


def test_who_waits_alone_pumps(bench: Bench) -> None:
    """Without a pump the waiting thread lets everybody hear what comes, and stops at its own."""
    bench.put("a", "b", "c")
    assert bench.wait("b") == opened("b")
    assert bench.names == ["a", "b"]
    assert bench.heard_in == [threading.current_thread().name] * 2


def test_leadership_passes_on(bench: Bench) -> None:
    """When the leader has what it waited for, one of those who follow leads."""
    first = bench.leads(lambda: bench.wait("a"))
    second = bench.follows(lambda: bench.wait("b"))
    bench.put("a")
    assert first.result(SOON) == opened("a")
    until(lambda: bench.pump._leader is not None)
    bench.put("b")
    assert second.result(SOON) == opened("b")


def test_a_follower_learns_of_its_event_from_the_leader(bench: Bench) -> None:
    """A follower is done as soon as the leader has let its event be heard."""
    first = bench.leads(lambda: bench.wait("a"))
    second = bench.follows(lambda: bench.wait("b"))
    bench.put("b")
    assert second.result(SOON) == opened("b")
    assert not first.done()
    bench.put("a")
    assert first.result(SOON) == opened("a")


def test_a_leader_that_gives_up_passes_on(bench: Bench) -> None:
    """A deadline, and a failing handler, end one wait and not the others."""

    def fails(event: events.Opened) -> None:
        if event.session_id == "bad":
            raise ZeroDivisionError

    bench.handlers.add(events.Opened, fails)
    first = bench.leads(lambda: bench.wait("never", 0.1))
    others = [bench.follows(lambda: bench.wait("c")) for _ in range(2)]
    assert isinstance(first.exception(SOON), DeadlineExceeded)
    until(lambda: bench.pump._leader is not None)
    bench.put("bad", "c")
    errors = [future.exception(SOON) for future in others]
    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "ZeroDivisionError"]


def test_beside_start_they_all_just_wait(bench: Bench) -> None:
    """While the dispatcher pumps, it alone lets events be heard."""
    bench.pump.start()
    waits = [bench.follows(lambda name=name: bench.wait(name)) for name in "abc"]
    bench.put("c", "b", "a")
    assert [future.result(SOON) for future in waits] == [opened(name) for name in "abc"]
    assert set(bench.heard_in) == {"grok-rt-pump"}


EXPLICIT: dict[str, Callable[[Bench], object]] = {
    "recv()": lambda bench: bench.recv(SOON),
    "iteration": lambda bench: next(bench.pump.iterate("iteration")),
    "start()": lambda bench: bench.pump.start(),
}


@pytest.mark.parametrize("verb", EXPLICIT)
def test_an_explicit_pump_gets_the_next_event(bench: Bench, verb: str) -> None:
    """It displaces a waiter who leads already; who waits is told all the same."""
    waiting = bench.leads(lambda: bench.wait("a"))
    pumping = call_in_thread(lambda: EXPLICIT[verb](bench))
    until(lambda: bench.pump._holder is not None)
    until(lambda: len(bench.pump._turn._waiters) == 1)  # type: ignore[attr-defined]
    bench.put("a")
    assert pumping.result(SOON) in (opened("a"), None)
    assert waiting.result(SOON) == opened("a")
    assert len(bench.heard_in) == 1
    leader = bench.heard_in[0]
    assert leader == "grok-rt-pump" if verb == "start()" else leader.startswith("caller")


def test_who_was_displaced_leads_again(bench: Bench) -> None:
    """When the explicit pump is done, leadership goes back to those who wait."""
    waiting = bench.leads(lambda: bench.wait("b"))
    pumping = call_in_thread(bench.recv)
    until(lambda: bench.pump._holder is not None)
    bench.put("a")
    assert pumping.result(SOON) == opened("a")
    bench.put("b")
    assert waiting.result(SOON) == opened("b")


def test_a_handler_delays_a_takeover_but_loses_nothing(bench: Bench) -> None:
    """An explicit pump that comes while a handler runs takes over after that event."""
    inside, go_on = bench.is_slow(once=True)
    waiting = bench.leads(lambda: bench.wait("c"))
    bench.put("a")
    assert inside.wait(SOON)
    with pytest.raises(DeadlineExceeded, match="; a handler of Opened has been running"):
        bench.recv(0.01)
    pumping = bench.follows(bench.recv)
    bench.put("b")
    go_on.set()
    assert pumping.result(SOON) == opened("b")
    bench.put("c")
    assert waiting.result(SOON) == opened("c")
    assert bench.names == ["a", "b", "c"]


def test_a_wait_inside_ones_own_loop_leads(bench: Bench) -> None:
    """The body of an iteration may wait: its own thread pumps meanwhile."""
    bench.put("a", "b", "c", "d")
    seen = []
    for event in bench.pump.iterate("iteration"):
        seen.append(event)
        if event == opened("a"):
            assert bench.wait("c", SOON) == opened("c")
        else:
            break
    assert seen == [opened("a"), opened("d")]


def test_others_wait_for_a_loop_and_lead_when_it_is_left(bench: Bench) -> None:
    """While a loop's body runs, others just wait; when it is left, one of them leads."""
    bench.put("a", "b")
    for _ in bench.pump.iterate("iteration"):
        waiting = bench.follows(lambda: bench.wait("b"))
        with pytest.raises(DeadlineExceeded, match=r"^b did not .* was local\.opened$"):
            call_in_thread(lambda: bench.wait("b", 0.01)).result(SOON)
        break
    assert waiting.result(SOON) == opened("b")


def test_nobody_oversleeps(bench: Bench) -> None:
    """Many waits in many orders, pumps that come and go: each event is heard once, none is lost."""
    numbers = [f"{i}" for i in range(300)]
    shuffled = random.Random(7).sample(numbers, len(numbers))
    got: list[str] = []

    def waits(mine: list[str]) -> None:
        for name in mine:
            bench.wait(name, SOON)

    def pumps() -> None:
        for _ in range(100):
            event = bench.recv(SOON)
            assert isinstance(event, events.Opened)
            got.append(event.session_id or "")

    def listened(names: list[str]) -> Future[None]:
        return call_in_thread(lambda: waits(names))

    with bench.pump.listening("all", lambda *_: len(bench.heard) + 1 == len(numbers)) as all_heard:
        futures: list[Future[None]] = [listened([name]) for name in shuffled[:4]]
        until(lambda: len(bench.pump._waiters) == 5)
        futures.append(call_in_thread(pumps))
        for name in numbers:
            bench.put(name)
        for future in futures:
            future.result(SOON)
        bench.pump.wait(all_heard, SOON)
    assert bench.names == numbers
    assert len(got) == 100
    assert [int(name) for name in got] == sorted(int(name) for name in got)


# --- what waiting tells ----------------------------------------------------------------------


def test_a_deadline_ends_the_leaders_wait(bench: Bench) -> None:
    """The sentence says what was awaited and what came last."""
    with pytest.raises(DeadlineExceeded, match=r"^x did not come in time; no event came$"):
        bench.wait("x", 0.01)
    bench.put("a")
    with pytest.raises(TimeoutError, match=r"^x did not come .* was local\.opened$"):
        bench.wait("x", 0.01)


def test_a_deadline_holds_under_load(bench: Bench) -> None:
    """Events that keep coming do not make a wait longer than one handler past its deadline."""
    bench.handlers.add(events.Opened, lambda _: time.sleep(0.02))
    bench.put(*"abcdef")
    with pytest.raises(DeadlineExceeded):
        bench.wait("f", 0.01)
    assert bench.names == ["a"]
    assert bench.wait("b", 0) == opened("b")


def test_the_end_ends_all_waits(bench: Bench) -> None:
    """The leader and the followers learn the cause; a wait that comes later, too."""
    first = bench.leads(lambda: bench.wait("a"))
    second = bench.follows(lambda: bench.wait("b"))
    bench.close(clean=False)
    for future in (first, second, call_in_thread(lambda: bench.wait("c"))):
        assert isinstance(future.exception(SOON), ConnectionClosedError)


def test_the_end_can_be_awaited(bench: Bench) -> None:
    """`Closed` is an event like any other, for the leader and beside a pump."""

    def ended() -> events.Closed | None:
        expected = Expectation(events.Closed, None)
        with bench.pump.listening("Closed", expected.offer) as waiter:
            bench.pump.wait(waiter, SOON)
        return expected.event

    futures = [bench.leads(ended), bench.follows(ended)]
    bench.close()
    assert [future.result(SOON) for future in futures] == [events.Closed(1000)] * 2
    with pytest.raises(ConnectionClosedOK):
        bench.wait("a")


@pytest.mark.parametrize("beside", ["nobody", "a leader", "start()"])
def test_a_wait_is_finished_from_outside(bench: Bench, beside: str) -> None:
    """It ends at once, whoever pumps, with no event taken; the first word counts."""
    other = None
    if beside == "start()":
        bench.pump.start()
    elif beside == "a leader":
        other = bench.leads(lambda: bench.wait("a"))
    starts = bench.leads if beside == "nobody" else bench.follows
    with bench.pump.listening("x", lambda *_: False) as waiter:
        failing = starts(lambda: bench.pump.wait(waiter, None))
        bench.pump.finish(waiter, ZeroDivisionError())
        bench.pump.finish(waiter)
        assert isinstance(failing.exception(SOON), ZeroDivisionError)
    with bench.pump.listening("x", lambda *_: False) as waiter:
        bench.pump.finish(waiter)
        bench.pump.wait(waiter, 0)
    bench.put("a")
    if other is not None:
        assert other.result(SOON) == opened("a")


def test_a_thread_is_dismissed(bench: Bench) -> None:
    """After the end its waits are over even where nobody takes the last events."""
    pumping = bench.pump.iterate("iteration")
    bench.put("a")
    next(pumping)
    waiting = bench.follows(lambda: (threading.get_ident(), bench.wait("b")))
    (waiter,) = bench.pump._waiters
    bench.close(clean=False)
    bench.pump.dismiss({threading.get_ident()})
    assert not waiting.done()
    bench.pump.dismiss({waiter.thread})
    assert isinstance(waiting.exception(SOON), ConnectionClosedError)
    pumping.close()


# --- what is awaited -------------------------------------------------------------------------


def test_an_expectation_takes_the_first_that_fits() -> None:
    """By class, bases included, and by predicate; once it has its event it wants no other."""
    any_event = Expectation(events.Event, None)
    assert str(any_event) == "Event"
    assert repr(any_event) == "<Expectation of Event: None>"
    assert not any_event.done
    assert any_event.offer(opened("a"), 1.0)
    assert not any_event.offer(opened("b"), 2.0)
    assert any_event.done
    assert any_event.event == opened("a")
    picky = Expectation(events.Opened, lambda event: event.session_id == "b")
    assert [picky.offer(e, 0.0) for e in (events.Closed(1000), opened("a"), opened("b"))] == [
        *(False, False, True)
    ]
