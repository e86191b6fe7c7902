"""The bounds of the service, as checks that raise `ConfigError` before anything is sent.

Each takes the name of the field as the user typed it, so that the sentence points there.
Only what is built for sending is checked; what the server says is never refused.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NoReturn

from grok_rt._numbers import is_number
from grok_rt._unset import UNSET
from grok_rt.errors import ConfigError

__all__: list[str] = []


def refuse(field: str, value: object, allowed: str) -> NoReturn:
    """Raise the one sentence all refusals share."""
    raise ConfigError(f"{field} must be {allowed}, not {value!r}")


def text(field: str, value: object) -> None:
    """A string with something in it."""
    if not isinstance(value, str) or not value.strip():
        refuse(field, value, "a non-empty string")


def number(field: str, value: object, low: float = -math.inf, high: float = math.inf) -> None:
    """A finite number from `low` to `high`."""
    bounds = "" if math.isinf(low) else f" from {low:g} to {high:g}"
    if not (is_number(value) and math.isfinite(value) and low <= value <= high):
        refuse(field, value, f"a finite number{bounds}")


def whole(field: str, value: object, low: int, high: float = math.inf) -> None:
    """A whole number from `low` to `high`."""
    bounds = f"from {low} to {high:g}" if high < math.inf else f"of at least {low}"
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        refuse(field, value, f"a whole number {bounds}")


def flag(field: str, value: object) -> None:
    """True or False."""
    if not isinstance(value, bool):
        refuse(field, value, "True or False")


def choice(field: str, value: object, allowed: Collection[object]) -> None:
    """One of a few values."""
    if isinstance(value, bool) or value not in allowed:
        refuse(field, value, " or ".join(repr(each) for each in allowed))


def strings(
    field: str, value: object, *, at_most: int | None = None, chars: int | None = None
) -> None:
    """A sequence of non-empty strings, bounded in number and in length."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        refuse(field, value, "a sequence of strings")
    each = list(value)
    if at_most is not None and len(each) > at_most:
        raise ConfigError(f"{field} takes at most {at_most} entries, not {len(each)}")
    for index, entry in enumerate(each):
        text(f"{field}[{index}]", entry)
        if chars is not None and len(entry) > chars:
            refuse(f"{field}[{index}]", entry, f"at most {chars} characters long")


def one_of_two(first: str, first_value: object, second: str, second_value: object) -> None:
    """Two settings that exclude each other."""
    if first_value not in (UNSET, None) and second_value not in (UNSET, None):
        raise ConfigError(f"{first} and {second} exclude each other: give one of them")


def date(field: str, value: object) -> None:
    """A day, as YYYY-MM-DD."""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
            raise ValueError(value)
        datetime.date.fromisoformat(str(value))
    except ValueError:
        refuse(field, value, "a day written as YYYY-MM-DD")


def pairs(field: str, value: object) -> None:
    """A mapping of strings to strings."""
    if not isinstance(value, Mapping):
        refuse(field, value, "a mapping of strings to strings")
    for key, entry in value.items():
        text(f"a key of {field}", key)
        if not isinstance(entry, str):
            refuse(f"{field}[{key!r}]", entry, "a string")


def metadata(value: Mapping[str, Any]) -> None:
    """What `response.create` takes: at most 16 pairs, keys of 64, texts of 512 characters."""
    if not isinstance(value, Mapping):
        refuse("metadata", value, "a mapping")
    if len(value) > 16:
        raise ConfigError(f"metadata takes at most 16 pairs, not {len(value)}")
    for key, entry in value.items():
        text("a key of metadata", key)
        if len(key) > 64:
            refuse("a key of metadata", key, "at most 64 characters long")
        if isinstance(entry, str) and len(entry) > 512:
            refuse(f"metadata[{key!r}]", entry, "at most 512 characters long")
