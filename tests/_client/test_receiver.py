"""`expect` and `wait_for`: nothing is missed, nobody sleeps on, whoever pumps and in any order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from asking import scripted
from callers import call_in_thread, until
from scripted import SOON, ScriptedTransport

from grok_rt import GrokClient, events
from grok_rt.errors import ConcurrencyError, ConnectionClosedOK, DeadlineExceeded


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def grok(transport: ScriptedTransport) -> Iterator[GrokClient]:
    with scripted(transport) as grok:
        yield grok


def numbered(n: int) -> dict[str, object]:
    return {"type": "ping", "timestamp": n}


def is_number(n: int) -> Callable[[events.Ping], bool]:
    return lambda ping: ping.timestamp == n


def waits(grok: GrokClient, n: int) -> Future[events.Ping]:
    """Let a thread wait for that ping, without a deadline: it is there when it waits."""
    before = len(grok._pump._waiters)
    future = call_in_thread(lambda: grok.wait_for(events.Ping, is_number(n)))
    until(lambda: len(grok._pump._waiters) > before)
    return future


def test_expect_has_what_was_heard_in_its_block(
    grok: GrokClient, transport: ScriptedTransport
) -> None:
    """Beside `start`, the event may be over before the block is: it was not missed."""
    grok.start()
    heard = threading.Event()
    grok.on(events.Ping)(lambda _: heard.set())
    with grok.expect(events.Ping, timeout=SOON) as ping:
        transport.hears(numbered(1))
        assert heard.wait(SOON)
    assert ping.event is not None
    assert ping.event.timestamp == 1


def test_expect_has_what_its_block_took(grok: GrokClient, transport: ScriptedTransport) -> None:
    """A block that pumps by itself may take its event; then there is nothing to wait for."""
    transport.hears(numbered(1), {"type": "input_audio_buffer.cleared"})
    with grok.expect(events.Ping, timeout=0) as ping:
        while not isinstance(grok.recv(SOON), events.InputAudioBufferCleared):
            pass
    assert ping.done


def test_expect_takes_the_first_and_no_earlier_one(
    grok: GrokClient, transport: ScriptedTransport
) -> None:
    """What was heard before its first line does not count, and of two the first does."""
    transport.hears(numbered(1))
    assert grok.wait_for(events.Ping, timeout=SOON).timestamp == 1
    with grok.expect(events.Ping, timeout=SOON) as ping:
        transport.hears(numbered(2), {"type": "input_audio_buffer.cleared"}, numbered(3))
    assert ping.event is not None
    assert ping.event.timestamp == 2
    assert grok.wait_for(events.Ping, timeout=SOON).timestamp == 3


@pytest.mark.parametrize("pumps", ["nobody", "start()", "recv()"])
def test_many_wait_for_different_events(
    grok: GrokClient, transport: ScriptedTransport, pumps: str
) -> None:
    """In whatever order the events come, each thread wakes for its own, and only then."""
    if pumps == "start()":
        grok.start()
    order = random.Random(6).sample(range(12), 12)
    asked = {n: waits(grok, n) for n in range(12)}
    for at, n in enumerate(order):
        # Two events in between keep the pings apart: of those that wait one is enough.
        transport.hears({"type": "input_audio_buffer.cleared"}, numbered(n))
        if pumps == "recv()" and at % 2:
            grok.recv(SOON)
        assert asked[n].result(SOON).timestamp == n
        assert [future.done() for number, future in asked.items() if number in order[at + 1 :]] == [
            False
        ] * (11 - at)


def test_the_end_wakes_all_who_wait(grok: GrokClient) -> None:
    """Whoever leads and whoever follows, `close` from another thread ends each wait."""
    asked = [waits(grok, n) for n in range(6)]
    grok.close()
    assert all(isinstance(future.exception(SOON), ConnectionClosedOK) for future in asked)


def test_a_leader_that_is_interrupted_passes_on(
    grok: GrokClient, transport: ScriptedTransport
) -> None:
    """Ctrl+C in the thread that pumps leaves the others waiting for their events, not for ever."""

    @grok.on(events.InputAudioBufferCleared)
    def interrupt(_event: events.InputAudioBufferCleared) -> None:
        raise KeyboardInterrupt

    asked = [waits(grok, 7) for _ in range(4)]
    until(lambda: grok._pump._leader is not None)
    transport.hears({"type": "input_audio_buffer.cleared"}, numbered(7))
    outcomes = [future.exception(SOON) for future in asked]
    assert sorted(type(error).__name__ for error in outcomes) == [
        *("KeyboardInterrupt", "NoneType", "NoneType", "NoneType"),
    ]


def test_a_block_that_fails_waits_for_nothing(grok: GrokClient) -> None:
    """Its exception rises at once, and nobody listens any more."""

    def fails() -> None:
        with grok.expect(events.Ping):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not grok._pump._waiters


def test_the_deadline_names_what_was_awaited_and_seen(
    grok: GrokClient, transport: ScriptedTransport
) -> None:
    """Of `wait_for` and of `expect` alike."""
    transport.hears(numbered(1))
    grok.wait_for(events.Ping, timeout=SOON)
    sentence = r"^ResponseDone did not come in time; the last event was ping$"
    with pytest.raises(DeadlineExceeded, match=sentence):
        grok.wait_for(events.ResponseDone, timeout=0.01)
    with (
        pytest.raises(DeadlineExceeded, match=sentence),
        grok.expect(events.ResponseDone, timeout=0.01),
    ):
        pass


def test_neither_waits_inside_a_handler(grok: GrokClient, transport: ScriptedTransport) -> None:
    """They would wait for ever: refused, before the block of `expect` has begun."""
    began: list[bool] = []

    @grok.on(events.Ping)
    def wait(_event: events.Ping) -> None:
        with pytest.raises(ConcurrencyError, match="inside a handler"):
            grok.wait_for(events.Ping)
        with (
            pytest.raises(ConcurrencyError, match="inside a handler"),
            grok.expect(events.Ping),
        ):
            began.append(True)

    transport.hears(numbered(1))
    grok.wait_for(events.Ping, timeout=SOON)
    assert not began
