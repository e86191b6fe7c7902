"""Which ends are tried again, and after which delays; and an outage, without a connection."""

from __future__ import annotations

import itertools
import math
import queue
import random
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import Reconnect, events
from grok_rt._client.reconnect import Outage
from grok_rt.errors import (
    AudioError,
    AuthenticationFailed,
    ConfigError,
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    LocalProtocolError,
    MissingExtra,
    RateLimited,
    RemoteProtocolError,
    ServerError,
)

SOON = 5.0
LOST = ConnectionClosedError(1006, "the line was cut")


def server_error(type: str) -> ServerError:
    return ServerError(type, None, "so it is")


# --- the policy --------------------------------------------------------------------------------

RETRIED: list[BaseException] = [
    *(ConnectionClosedError(code) for code in (1006, 1011, 1012, 1013, 1014)),
    ConnectionClosedOK(1001, "going away"),
    ConnectionClosedError(1000, "", server_error("max_duration")),
    ConnectionClosedOK(1000, "", server_error("internal_error")),
    server_error("internal_error"),
    ConnectFailed("nobody there"),
    ConnectFailed("overloaded", status=503),
    ConnectFailed("slow", status=408),
    RateLimited("too many", status=429),
    DeadlineExceeded("no answer"),
    OSError("what a transport of somebody else's raises"),
]
FINAL: list[BaseException] = [
    ConnectionClosedOK(1000, "bye"),
    ConnectionClosedOK(1005),
    *(ConnectionClosedError(code) for code in (1000, 1002, 1003, 1007, 1008, 1009, 1010, 4001)),
    ConnectionClosedError(1000, "", server_error("timeout")),
    ConnectionClosedError(1002, "", RemoteProtocolError("nonsense")),
    server_error("invalid_request_error"),
    AuthenticationFailed("wrong key", status=400),
    AuthenticationFailed("no key"),
    ConnectFailed("not found", status=404),
    ConnectFailed("elsewhere", status=302),
    ConfigError("no url"),
    LocalProtocolError("no code"),
    MissingExtra("python-socks", "proxy", "It"),
    AudioError("no sound"),
    RuntimeError("a key function's own defect"),
]


@pytest.mark.parametrize("cause", RETRIED, ids=repr)
def test_what_may_pass_is_tried_again(cause: BaseException) -> None:
    """Lost lines, a server in trouble, a limit reached, a network without a way."""
    assert Reconnect().retries(cause)


@pytest.mark.parametrize("cause", FINAL, ids=repr)
def test_what_will_not_pass_is_not(cause: BaseException) -> None:
    """A goodbye, a broken protocol, idleness, a wrong key, a wrong setting."""
    assert not Reconnect().retries(cause)


def test_the_causes_can_be_chosen() -> None:
    """Close codes and types of errors alike, in any iterable."""
    policy = Reconnect(causes=[4001, "timeout"])  # type: ignore[arg-type]  # converted
    assert policy.retries(ConnectionClosedError(4001))
    assert policy.retries(ConnectionClosedError(1000, "", server_error("timeout")))
    assert not policy.retries(LOST)


@given(
    st.floats(0, 10),
    st.floats(0, 60),
    st.integers(0, 10_000),
    st.integers(),
)
def test_a_delay_is_at_most_its_doubled_bound(
    backoff: float, most: float, step: int, seed: int
) -> None:
    """Full jitter: anything between none and the first delay, doubled with each step."""
    policy = Reconnect(backoff=backoff, max_backoff=most)
    chance = random.Random(seed).random
    assert 0 <= policy.delay(step, chance=chance) <= min(most, backoff * 2.0 ** min(step, 100))
    assert policy.delay(step, chance=lambda: 1.0) == min(most, backoff * 2.0 ** min(step, 100))
    assert policy.delay(step, chance=lambda: 0.0) == 0


def test_the_delays_of_one_seed() -> None:
    """The usual policy, with a known chance."""
    chance = random.Random(1).random
    delays = [round(Reconnect().delay(step, chance=chance), 2) for step in range(8)]
    assert delays == [0.07, 0.85, 1.53, 1.02, 3.96, 7.19, 19.55, 23.66]


@pytest.mark.parametrize("kind", [RateLimited, ConnectFailed])
def test_the_server_may_ask_for_more_time(kind: type[ConnectFailed]) -> None:
    """Retry-After is the least, never the most."""
    asked = kind("wait", status=503, retry_after=7.0)
    assert Reconnect().delay(0, asked, chance=lambda: 1.0) == 7.0
    assert Reconnect(backoff=20).delay(0, asked, chance=lambda: 1.0) == 20.0
    assert Reconnect().delay(0, kind("wait"), chance=lambda: 1.0) == 0.5


@pytest.mark.parametrize(
    "setting",
    [
        {"attempts": 0},
        {"attempts": "3"},
        {"budget": math.nan},
        {"backoff": True},
        {"budget": 0},
        {"roll_over_after": -1},
        {"backoff": -0.1},
        {"max_backoff": -1},
        {"audio_grace": -1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(setting: dict[str, Any]) -> None:
    """The sentence names the setting; None is no limit where there may be none."""
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Reconnect(**setting)
    Reconnect(attempts=None, budget=None, roll_over_after=None)


# --- an outage ---------------------------------------------------------------------------------


class Trial:
    """An outage whose attempts fail as the test says."""

    def __init__(
        self,
        policy: Reconnect,
        *failures: BaseException,
        planned: bool = False,
        step: int = 0,
        lost: ConnectionClosed = LOST,
    ) -> None:
        self.told: list[Any] = []
        self.given: list[float] = []
        self.verdict: ConnectionClosedError | None = None
        self._failures = iter(failures)
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.telling = threading.Event()
        self.outage = Outage(
            policy,
            lost,
            planned=planned,
            step=step,
            attempt=self._attempt,
            tell=self._tell,
            over=self._over,
        )

    def run(self) -> Trial:
        self.outage.start()
        self.outage.join(SOON)
        assert not self.outage._thread.is_alive()
        return self

    def _tell(self, event: events.Event) -> None:
        self.told.append(event)
        self.telling.set()

    def _attempt(self, left: float) -> None:
        self.given.append(left)
        if failure := next(self._failures, None):
            raise failure

    def _over(self, verdict: ConnectionClosedError) -> None:
        self.verdict = verdict


QUICK = Reconnect(backoff=0.001)


def test_it_ends_with_the_first_attempt_that_succeeds() -> None:
    """Each attempt is announced with its number, its delay, and what went wrong before."""
    failures = [ConnectFailed("nobody"), OSError("no")]
    trial = Trial(QUICK, *failures).run()
    assert [(e.attempt, e.cause) for e in trial.told] == [
        (1, LOST),
        (2, failures[0]),
        (3, failures[1]),
    ]
    assert trial.verdict is None
    assert all(0 <= event.delay <= 0.001 * 2**i for i, event in enumerate(trial.told))


def test_the_first_cause_is_kept() -> None:
    """When the attempts are used up, the loss comes first, and the last failure behind it."""
    failures = [ConnectFailed(f"nobody at {i}.") for i in range(9)]
    trial = Trial(attempts(3), *failures).run()
    assert len(trial.given) == 3
    assert trial.verdict is not None
    assert trial.verdict.code == 1006
    assert trial.verdict.reason == ("the line was cut; 3 attempts to reconnect failed: nobody at 2")
    assert trial.verdict.cause is failures[2]


def attempts(number: int | None, **settings: Any) -> Reconnect:
    return Reconnect(attempts=number, **{"backoff": 0.001, **settings})


def test_a_final_failure_ends_it_at_once() -> None:
    """A wrong key stays wrong."""
    wrong = AuthenticationFailed("wrong key")
    trial = Trial(QUICK, wrong).run()
    assert trial.verdict is not None
    assert trial.verdict.reason == "the line was cut; reconnecting failed: wrong key"
    assert trial.verdict.cause is wrong


def test_nothing_ends_it_without_a_verdict() -> None:
    """A key function that leaves the program, a delay that is no number: whoever waits learns."""
    trial = Trial(QUICK, SystemExit()).run()
    assert trial.verdict is not None
    assert trial.verdict.reason == "the line was cut; reconnecting failed: SystemExit()"
    trial = Trial(Reconnect(backoff=1e300, max_backoff=0.001), step=99).run()
    assert trial.verdict is not None
    assert isinstance(trial.verdict.cause, OverflowError)


def test_the_budget_bounds_all_attempts() -> None:
    """No delay goes beyond it, and an attempt is told how much is left."""
    endless = (ConnectFailed("nobody") for _ in itertools.count())
    began = time.monotonic()
    policy = Reconnect(attempts=None, backoff=0.01, max_backoff=0.02, budget=0.2)
    trial = Trial(policy, *itertools.islice(endless, 10_000)).run()
    assert time.monotonic() - began < 1.0
    assert len(trial.given) > 2
    assert all(0 <= left <= 0.2 for left in trial.given)
    assert trial.verdict is not None
    assert "no connection within 0.2 s: nobody" in trial.verdict.reason


def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    """A server that asks for more time than there is has refused."""
    trial = Trial(QUICK, RateLimited("too many", status=429, retry_after=600)).run()
    assert len(trial.given) == 1
    assert trial.verdict is not None
    assert "no connection within 60 s: too many" in trial.verdict.reason


def test_without_time_there_is_no_attempt() -> None:
    """The verdict then has nothing but the loss."""
    policy = Reconnect(backoff=0, budget=1e-9)
    trial = Trial(policy, lost=ConnectionClosedError(1011, "down", LOST)).run()
    assert not trial.told
    assert trial.verdict is not None
    assert (trial.verdict.code, trial.verdict.cause) == (1011, LOST)


def test_without_a_budget_it_goes_on() -> None:
    """None is no limit, for attempts and budget alike."""
    trial = Trial(
        Reconnect(attempts=None, budget=None, backoff=0.0), *(OSError() for _ in range(50))
    ).run()
    assert len(trial.given) == 51
    assert trial.verdict is None


def test_what_is_planned_does_not_wait() -> None:
    """The first attempt of a roll-over comes at once; the second waits like a first."""
    policy = Reconnect(backoff=0.001, max_backoff=0.001)
    trial = Trial(policy, OSError("not yet"), planned=True).run()
    assert trial.told[0].delay == 0
    assert trial.outage.step == 1


def test_the_delays_may_go_on_where_they_were() -> None:
    """A line that breaks again and again is not tried as often as one that breaks once."""
    assert Trial(QUICK, OSError(), step=7).run().outage.step == 9


@pytest.mark.parametrize("delay", [1e6, math.inf])
def test_a_stop_ends_the_wait(delay: float) -> None:
    """Whatever the delay, and without any verdict; `stop` never waits, `join` does."""
    trial = Trial(Reconnect(backoff=delay, max_backoff=delay, budget=None))
    trial.outage.join(SOON)  # not begun: nothing to wait for
    trial.outage.start()
    assert trial.telling.wait(SOON)
    began = time.monotonic()
    trial.outage.stop()
    trial.outage.join(SOON)
    assert time.monotonic() - began < 1.0
    assert not trial.given
    assert trial.verdict is None
