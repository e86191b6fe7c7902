"""Local events, and the group that `on_error` hears."""

from __future__ import annotations

import pytest

from grok_rt import events
from grok_rt.errors import AudioError, ConnectionClosedError, RemoteProtocolError

LOST = ConnectionClosedError(1006, "gone")


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (
            events.HandlerFailed(KeyError("x"), events.Ping(), "play"),
            "KeyError",
            "play failed on Ping: 'x'",
        ),
        (events.Malformed(b"{", RemoteProtocolError("no JSON")), "malformed", "no JSON"),
        (events.DeviceLost("Headset", "speaker", AudioError("gone")), "device_lost", "gone"),
        (events.ConnectionLost(1006, "gone", LOST), "1006", "gone"),
        (events.ConnectionLost(code=1006, error=LOST), "1006", str(LOST)),
        (events.ConnectionLost(1011), "1011", "connection lost"),
    ],
)
def test_every_failure_has_code_and_message(
    failure: events.Failure, code: str, message: str
) -> None:
    """Whoever counts or logs failures needs no case for each kind."""
    assert isinstance(failure, events.Failure)
    assert isinstance(failure, events.LocalEvent)
    assert (failure.code, failure.message) == (code, message)


def test_a_bare_failure_has_no_words() -> None:
    """The group itself is abstract."""
    with pytest.raises(NotImplementedError):
        _ = events.Failure().code
    with pytest.raises(NotImplementedError):
        _ = events.Failure().message


def test_an_orderly_end_is_no_failure() -> None:
    """`Closed` always comes, and `on_error` does not hear it."""
    assert not issubclass(events.Closed, events.Failure)


def test_a_lost_connection_keeps_its_number() -> None:
    """The close code is there as a number too."""
    assert events.ConnectionLost(1006).close_code == 1006


def test_a_budget_has_words() -> None:
    """What is low or spent is told in the limit's own unit."""
    low = events.BudgetLow(of="minutes", spent=8.04999, limit=10)
    spent = events.BudgetSpent(of="usd", spent=0.5, limit=0.5)
    assert low.message == "the budget is low: 8.05 of 10 minutes are spent"
    assert spent.message == "the budget is spent: 0.5 of 0.5 USD"
