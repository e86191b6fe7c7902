"""`Timeline`: spans on one clock, and what draws them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

from grok_rt.timeline._span import Kind, Lane, Placed, Span, rows_of
from grok_rt.timeline._svg import drawn_svg
from grok_rt.timeline._text import NARROWEST, drawn_text
from grok_rt.timeline._words import seconds

__all__ = ["Timeline", "TurnLike"]

_SHORTEST: Final = 0.01  # seconds: less is no wait, but the order in which a server says things
_ORDER: Final = ("user", "assistant", "tool")


class TurnLike(Protocol):
    """What `Timeline.of` reads of a `Turn`."""

    @property
    @abstractmethod
    def role(self) -> str:
        """Who."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What was said."""

    @property
    @abstractmethod
    def started(self) -> float:
        """Seconds."""

    @property
    @abstractmethod
    def ended(self) -> float | None:
        """Seconds; None while it goes on."""

    @property
    @abstractmethod
    def interrupted(self) -> bool:
        """Whether it was cut off."""

    @property
    @abstractmethod
    def call(self) -> Any:
        """The function call, with a `name`, where it is one."""


class Timeline:
    """Spans on one clock.

    ::

        print(Timeline.of(conversation).text())

    Args:
        spans: in any order.
        start: where it begins, in seconds; by default with the first span. What is over before
            is left out, as is what begins after the `end`.
        end: where it ends; by default with the last.

    Raises:
        ValueError: a span ends before it starts, or a time is no finite number.
    """

    def __init__(
        self, spans: Iterable[Span], *, start: float | None = None, end: float | None = None
    ) -> None:
        self.spans = tuple(sorted(spans, key=_when))
        for span in self.spans:
            last = span.start if span.end is None else span.end
            if not (math.isfinite(span.start) and math.isfinite(last) and span.start <= last):
                raise ValueError(f"no span of time: {span!r}")
        known = [moment for s in self.spans for moment in (s.start, s.end) if moment is not None]
        self.start = min(known, default=0.0) if start is None else start
        self.end = max(self.start, max(known, default=0.0) if end is None else end)

    @classmethod
    def of(
        cls,
        turns: Iterable[TurnLike],
        *,
        user: str = "you",
        assistant: str = "grok",
        tool: str = "tools",
    ) -> Timeline:
        """Of the turns of a `Conversation` or an `Answer`; replayed turns are left out.

        How long the assistant let the user wait is a span of its own.

        Args:
            turns: in the order of the conversation.
            user: what to call the user's lane.
            assistant: what to call the assistant's.
            tool: what to call that of the function calls.
        """
        lanes = {"user": user, "assistant": assistant, "tool": tool}
        spans: list[Span] = []
        asked: float | None = None  # when the user had finished, until the assistant speaks
        for turn in turns:
            if getattr(turn, "replayed", False):
                continue
            kind: Kind = turn.role if turn.role in _ORDER else "note"  # type: ignore[assignment]
            text = turn.text if turn.call is None else str(turn.call.name)
            end = turn.ended if turn.ended is None else max(turn.started, turn.ended)
            lane = lanes.get(turn.role, turn.role)
            spans.append(Span(lane, turn.started, end, text, kind, turn.interrupted))
            if kind == "user":
                asked = end
            elif kind == "assistant" and asked is not None and turn.started - asked > _SHORTEST:
                spans.append(Span(user, asked, turn.started, kind="wait"))
            if kind == "assistant":
                asked = None
        return cls(spans)

    @property
    def duration(self) -> float:
        """Seconds from its start to its end."""
        return self.end - self.start

    def __repr__(self) -> str:
        return f"<Timeline of {len(self.spans)} spans in {seconds(self.duration)}>"

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.svg()  # as HTML: what a notebook takes for a picture has no colours of the page

    def _lanes(self) -> Iterator[Lane]:
        """The lanes: users first, then the assistant, tools, and the rest as it comes."""
        by_name: dict[str, list[Placed]] = {}
        rank: dict[str, int] = {}
        for span in self.spans:
            end = max(self.end, span.start) if span.end is None else span.end
            if end < self.start or span.start > self.end:
                continue
            placed = Placed(span, span.start - self.start, end - self.start)
            by_name.setdefault(span.lane, []).append(placed)
            mine = _ORDER.index(span.kind) if span.kind in _ORDER else len(_ORDER)
            rank[span.lane] = min(rank.get(span.lane, mine), mine)
        for name in sorted(by_name, key=lambda name: rank[name]):
            yield Lane(name, rows_of(by_name[name]))

    def text(self, width: int = 80, *, color: bool = False, ascii: bool = False) -> str:
        """Draw it in lines of at most `width` cells; an empty timeline is an empty text.

        Args:
            width: cells of the terminal, 24 at least; wide letters take two.
            color: colour it by ANSI escapes, which take no cells.
            ascii: use no letters beyond ASCII for the drawing.

        Raises:
            ValueError: there is no room for a label and something beside it.
        """
        if width < NARROWEST:
            raise ValueError(f"a timeline needs {NARROWEST} cells, not {width}")
        lanes = list(self._lanes())
        return drawn_text(lanes, self.duration, width, color=color, ascii=ascii) if lanes else ""

    def svg(self, width: float = 760, *, labels: bool = True) -> str:
        """Draw it as one `<svg>` element, to stand in a page or alone in a file.

        It takes the page's colour for its words, loads nothing, and needs no style sheet.

        Args:
            width: of the drawing, in pixels; on a page it shrinks with its column.
            labels: whether the names of the lanes stand on the left.
        """
        return drawn_svg(list(self._lanes()), self.duration, width, labels=labels)


def _when(span: Span) -> tuple[float, float]:
    """A moment comes before what begins with it."""
    return span.start, math.inf if span.end is None else span.end
