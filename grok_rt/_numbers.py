"""What counts as a number of seconds: never a bool, though Python takes `True` for 1.

Pure checks, on the caller's thread. What a setting or a field of the wire allows beyond that,
whoever owns it says.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Literal, overload

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = ["is_number", "timeout_of"]

#: Seconds; what is longer overflows some clock, and means "never".
_NEVER = threading.TIMEOUT_MAX / 2


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@overload
def timeout_of(timeout: float, *, endless: Literal[False]) -> float: ...
@overload
def timeout_of(timeout: float | None) -> float | None: ...
def timeout_of(timeout: float | None, *, endless: bool = True) -> float | None:
    """Return the timeout of a call, as far as a clock can count.

    Args:
        timeout: seconds; None: no end of them.
        endless: whether that is allowed.

    Raises:
        TypeError: it is no number.
        ValueError: it is NaN.
    """
    if timeout is None and endless:
        return None
    if not is_number(timeout):
        allowed = "a number of seconds or None" if endless else "a number of seconds"
        raise TypeError(f"a timeout is {allowed}, not {timeout!r}")
    seconds = min(timeout, _NEVER)
    if math.isnan(seconds):
        raise ValueError("a timeout is a number of seconds, not NaN")
    return seconds
