"""What a check comes to. Plain values, and the exception by which a check fails."""

from __future__ import annotations

from typing import Literal, NamedTuple

import attrs

__all__ = ["Finding", "Note", "Trouble"]


@attrs.frozen
class Finding:
    """What one check came to.

    Attributes:
        check: its name.
        status: ``ok``; ``note``: it works, and there is something to know; ``failed``; or
            ``skipped``: what it rests upon failed.
        told: what was found.
        advice: what to do; may be empty.
        seconds: how long it took.
    """

    check: str
    status: Literal["ok", "note", "failed", "skipped"]
    told: str
    advice: str = ""
    seconds: float = 0.0


class Note(NamedTuple):
    """A check went well, and there is something to know."""

    told: str
    advice: str = ""


class Trouble(Exception):
    """A check failed."""

    def __init__(self, told: str, advice: str) -> None:
        super().__init__(told)
        self.told = told
        self.advice = advice
