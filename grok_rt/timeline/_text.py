"""A timeline in letters: each row is one line of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grok_rt.timeline._span import Lane, Placed
from grok_rt.timeline._words import cells, clock, fit, step_of, ticks

__all__ = ["NARROWEST", "drawn_text"]

NARROWEST: Final = 24  # cells that hold a label and something beside it

_ANSI: Final[dict[str, str]] = {
    "user": "34",
    "assistant": "35",
    "tool": "32",
    "wait": "2",
    "note": "2",
}


def drawn_text(
    lanes: Sequence[Lane], duration: float, width: int, *, color: bool, ascii: bool
) -> str:
    """Lines of at most `width` cells."""
    names = [fit(lane.name, width // 4, "~" if ascii else "…") for lane in lanes]
    margin = max(map(cells, names)) + 2
    pen = _Pen(width - margin, duration, ascii=ascii, color=color)
    lines = [" " * margin + pen.axis()]
    for lane, name in zip(lanes, names, strict=True):
        for index, row in enumerate(lane.rows):
            label = "" if index else name
            lines.append(label + " " * (margin - cells(label)) + pen.row(row))
    return "\n".join(line.rstrip() for line in lines)


class _Pen:
    """Draws rows of one width in letters."""

    def __init__(self, width: int, duration: float, *, ascii: bool, color: bool) -> None:
        self._width = width
        self._duration = duration
        self._color = color
        self._left, self._right, self._fill, self._cut, self._dash, self._stop = (
            "[].x-|" if ascii else "▐▌░╳╌┤"  # noqa: RUF001 - a cross is meant
        )
        self._ellipsis = "~" if ascii else "…"

    def axis(self) -> str:
        step = step_of(self._duration, self._width / 9)
        line = ""
        for at in ticks(self._duration, step):
            column, told = self._column(at), clock(at, step)
            if column + len(told) <= self._width and (not line or column > len(line)):
                line = line.ljust(column) + told
        return line

    def row(self, row: Sequence[Placed]) -> str:
        drawn: list[str] = []
        free = 0
        for index, placed in enumerate(row):
            begin = max(free, self._column(placed.start))
            end = max(begin + 1, self._column(placed.end))
            if end > self._width:
                begin, end = max(free, self._width - 1), self._width
            if begin >= self._width:
                break  # too close to be drawn apart
            after = self._column(row[index + 1].start) if index + 1 < len(row) else self._width
            draw = self._wait if placed.span.kind == "wait" else self._bar
            piece = draw(placed, end - begin, max(0, after - end))
            drawn.append(" " * (begin - free) + self._painted(piece, placed.span.kind))
            free = begin + cells(piece)
        return "".join(drawn)

    def _column(self, at: float) -> int:
        column = round(at / self._duration * self._width) if self._duration else 0
        return max(0, min(self._width, column))

    def _bar(self, placed: Placed, width: int, room: int) -> str:
        last = self._cut if placed.span.cut else self._right
        label = fit(placed.label, self._width, self._ellipsis)
        if placed.span.kind == "tool" and width - 2 < cells(label) < room:
            return self._bar_of(self._fill * (width - 2), last, width) + label
        words = fit(placed.label, width - 2, self._ellipsis)
        return self._bar_of(words + self._fill * (width - 2 - cells(words)), last, width)

    def _bar_of(self, inside: str, last: str, width: int) -> str:
        return (self._left + last)[-width:] if width < 3 else self._left + inside + last

    def _wait(self, placed: Placed, width: int, room: int) -> str:
        told = placed.label if room > len(placed.label) else ""
        return self._dash * (width - 1) + self._stop + told

    def _painted(self, piece: str, kind: str) -> str:
        return f"\x1b[{_ANSI[kind]}m{piece}\x1b[0m" if self._color else piece
