"""Spans, and the rows of lanes in which none hides another. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import attrs

from grok_rt.timeline._words import seconds

__all__ = ["Kind", "Lane", "Placed", "Span", "rows_of"]

Kind = Literal["user", "assistant", "tool", "wait", "note"]


@attrs.frozen
class Span:
    """Something that took its time, or a moment.

    Attributes:
        lane: whose it is, in the words that stand beside the lane.
        start: seconds.
        end: seconds; None: it goes on. A moment ends where it starts.
        text: what was said, or the name of a tool.
        kind: what it looks like. Of a ``wait`` the length is told, of a ``tool`` that and its name.
        cut: it was cut off at its end.
        levels: how loud it was, 0 … 1, at equal distances from start to end.
    """

    lane: str
    start: float
    end: float | None = None
    text: str = ""
    kind: Kind = "note"
    cut: bool = False
    levels: tuple[float, ...] = attrs.field(default=(), repr=False)


@attrs.frozen
class Placed:
    """A span in its row, as the timeline counts: from zero, with an end."""

    span: Span
    start: float
    end: float

    @property
    def label(self) -> str:
        if self.span.kind not in {"wait", "tool"}:
            return self.span.text
        told = "" if self.span.end is None else seconds(self.end - self.start)
        return told if self.span.kind == "wait" else f"{self.span.text} {told}".strip()


@attrs.frozen
class Lane:
    name: str
    rows: tuple[tuple[Placed, ...], ...]

    @property
    def has_levels(self) -> bool:
        return any(placed.span.levels for row in self.rows for placed in row)


def rows_of(placed: Sequence[Placed]) -> tuple[tuple[Placed, ...], ...]:
    """Spans, sorted by start, in as few rows as keep those apart that overlap in time."""
    rows: list[list[Placed]] = []
    for one in placed:
        for row in rows:
            if row[-1].end <= one.start:
                row.append(one)
                break
        else:
            rows.append([one])
    return tuple(map(tuple, rows))
