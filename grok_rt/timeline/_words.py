"""Words for a drawing: lengths and moments, and how many cells a text takes. Pure."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from typing import Final

__all__ = ["cells", "clock", "fit", "plain", "seconds", "step_of", "ticks"]

_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


def step_of(duration: float, at_most: float) -> float:
    """The distance of ticks, of which `at_most` have room."""
    fitting = (step for step in _STEPS if duration / step <= max(1.0, at_most))
    return next(fitting, math.ceil(duration / max(1.0, at_most) / 3600) * 3600)


def ticks(duration: float, step: float) -> Iterator[float]:
    return (index * step for index in range(int(duration / step + 1e-9) + 1))


def clock(at: float, step: float) -> str:
    """A moment: ``0.5 s``, ``12 s``, ``1:30``, ``1:00:00``."""
    if at < 60:
        return f"{at:.1f} s" if step < 1 else f"{at:.0f} s"
    minutes, seconds = divmod(round(at), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def seconds(length: float) -> str:
    """A length: ``0.42 s``, ``4.2 s``, ``3:20``."""
    if length >= 60:
        return clock(length, 1)
    return f"{length:.2f} s" if length < 10 else f"{length:.1f} s"


def plain(text: str) -> str:
    """One line, without what a terminal or a page would take for a command."""
    return "".join(
        " " if unicodedata.category(letter) in {"Cc", "Zl", "Zp"} else letter
        for letter in text
        if unicodedata.category(letter) not in {"Cf", "Cs"} and letter not in "\ufffe\uffff"
    )


def _letter_cells(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def cells(text: str) -> int:
    return sum(map(_letter_cells, text))


def fit(text: str, room: int, ellipsis: str = "…") -> str:
    """As much of a text as has room, with a sign that there is more."""
    text = " ".join(plain(text).split())
    if cells(text) <= room:
        return text
    kept: list[str] = []
    left = room - 1
    for letter in text:
        left -= _letter_cells(letter)
        if left < 0:
            break
        kept.append(letter)
    return "".join(kept).rstrip() + ellipsis if room > 0 else ""
