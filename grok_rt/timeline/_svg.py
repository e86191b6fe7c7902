"""A timeline as SVG that any page can hold: it brings no style, no id and no script."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Final

from grok_rt._card import COLOURS, wave
from grok_rt.timeline._span import Lane, Placed
from grok_rt.timeline._words import clock, fit, plain, seconds, step_of, ticks

__all__ = ["drawn_svg"]

_FONT: Final = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', sans-serif"


def drawn_svg(lanes: Sequence[Lane], duration: float, width: float, *, labels: bool) -> str:
    """One `<svg>` element."""
    longest = max((len(lane.name) for lane in lanes), default=0)
    margin = min(160.0, 7.0 * longest + 16) if labels else 0.0
    across = max(40.0, width - margin - 12)
    scale = across / (duration or 1.0)
    parts: list[str] = []
    y = 24.0
    for lane in lanes:
        if labels:
            name = html.escape(fit(lane.name, 22))
            parts.append(f'<text x="0" y="{y + 15:g}" font-weight="600" opacity=".8">{name}</text>')
        height = 46.0 if lane.has_levels else 22.0
        for row in lane.rows:
            parts += _svg_row(row, margin, y, height, scale, margin + across)
            y += height + 5
        y += 6
    grid = "".join(
        f'<line x1="{margin + at * scale:.1f}" x2="{margin + at * scale:.1f}" y1="18" '
        f'y2="{y:g}" stroke="currentColor" opacity=".13"/>'
        f'<text x="{margin + at * scale:.1f}" y="11" text-anchor="middle" opacity=".6">'
        f"{clock(at, step)}</text>"
        for step in (step_of(duration, across / 70),)
        for at in ticks(duration, step)
    )
    told = f"Who spoke when, in {seconds(duration)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 0 {width + 12:g} {y:g}" '
        f'width="{width + 12:g}" height="{y:g}" role="img" aria-label="{told}" '
        f'font-family="{_FONT}" font-size="11" fill="currentColor" '
        f'style="max-width:100%;height:auto">{grid}{"".join(parts)}</svg>'
    )


def _svg_row(
    row: Sequence[Placed], left: float, y: float, height: float, scale: float, right: float
) -> Iterator[str]:
    free = left
    for index, placed in enumerate(row):
        x = max(free, left + placed.start * scale)
        end = min(right, max(x + 3, left + placed.end * scale))
        if end - x < 1:
            continue  # too close to be drawn apart
        free = end
        following = left + row[index + 1].start * scale if index + 1 < len(row) else right + 12
        draw = _svg_wait if placed.span.kind == "wait" else _svg_bar
        yield draw(placed, x, y, end - x, height, following - x)


def _svg_wait(placed: Placed, x: float, y: float, width: float, height: float, room: float) -> str:
    middle = y + height / 2
    told = placed.label
    words = ""
    if room >= width + 6 + 6.2 * len(told):
        words = f'<text x="{x + width + 5:.1f}" y="{middle + 4:g}" opacity=".75">{told}</text>'
    return (
        f"<g><title>waited {told}</title>"
        f'<path d="M{x:.1f} {middle:g}h{width:.1f}m0 -4v8" fill="none" stroke="currentColor" '
        f'opacity=".5" stroke-dasharray="2 2"/>{words}</g>'
    )


def _svg_bar(placed: Placed, x: float, y: float, width: float, height: float, room: float) -> str:
    span = placed.span
    colour = COLOURS[span.kind]
    who = f"{span.lane}: " if span.kind != "tool" else ""
    length = seconds(placed.end - placed.start)
    title = f"{who}{span.text} ({clock(placed.start, 0.1)}, {length}{', cut off' * span.cut})"
    inside = ""
    if span.levels:
        inside += wave(span.levels, width, (height + 16) / 2, (height - 16) / 2 - 2, colour)
    label = fit(placed.label, 60)
    words, outside = "", ""
    if span.kind == "tool" and width < 6.2 * len(label) + 11 <= room - width:
        outside = f'<text x="{x + width + 5:.1f}" y="{y + 15:g}">{html.escape(label)}</text>'
    elif width > 26:
        words = fit(placed.label, int((width - 11) / 6.0))
    if words:
        inside += f'<text x="8" y="15">{html.escape(words)}</text>'
    if span.cut:
        inside += (
            f'<rect x="{width - 3:.1f}" width="3" height="{height:g}" fill="{COLOURS["cut"]}"/>'
        )
    # A nested svg clips what is in it, and needs no id that could collide on a page.
    return (
        f"<g><title>{html.escape(plain(title))}</title>"
        f'<svg x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}">'
        f'<rect width="{width:.1f}" height="{height:g}" rx="3" fill="{colour}" '
        f'fill-opacity=".22"/><rect width="{min(3.0, width):.1f}" height="{height:g}" '
        f'fill="{colour}"/>{inside}</svg>{outside}</g>'
    )
