"""What counts as seconds."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from grok_rt._numbers import is_number, timeout_of


def test_a_bool_is_no_number() -> None:
    """Python counts `True` as 1; who writes it means something else."""
    assert [is_number(value) for value in (0, 1.5, math.nan)] == [True] * 3
    assert [is_number(value) for value in (True, False, "1", None, 1j)] == [False] * 5


@pytest.mark.parametrize(
    ("timeout", "error", "says"),
    [
        (True, TypeError, "a timeout is a number of seconds or None, not True"),
        ("5", TypeError, "a number of seconds or None, not '5'"),
        (math.nan, ValueError, "not NaN"),
    ],
)
def test_what_is_no_timeout(timeout: Any, error: type[Exception], says: str) -> None:
    """One sentence says what was given, and what is allowed."""
    with pytest.raises(error, match=says):
        timeout_of(timeout)


def test_none_is_allowed_where_a_wait_may_be_endless() -> None:
    """Elsewhere it is refused like anything that is no number."""
    assert timeout_of(None) is None
    with pytest.raises(TypeError, match="a timeout is a number of seconds, not None"):
        timeout_of(None, endless=False)  # type: ignore[call-overload]


def test_what_no_clock_can_count_is_as_long_as_one_can() -> None:
    """So that it can be waited for."""
    assert timeout_of(3) == 3
    assert timeout_of(-1.5) == -1.5
    for endless in (math.inf, 10**400, threading.TIMEOUT_MAX):
        assert 86400 < (timeout_of(endless) or 0) < threading.TIMEOUT_MAX
