"""How a value shows itself in a notebook: a card of HTML that brings all it needs.

Pure text: no page, no script, no id, nothing fetched. It takes the page's own colours, so that it
can be read on white and on black. Whoever calls says what is text (escaped here) and what is HTML.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["COLOURS", "card", "player", "said", "wave"]

#: Mid-tones that can be seen on white and on black.
COLOURS: Final[dict[str, str]] = {
    "user": "#2f7fe0",
    "assistant": "#8b5cf6",
    "tool": "#10a37f",
    "wait": "#8a8f98",
    "note": "#8a8f98",
    "cut": "#e5484d",
}
_CARD: Final = (
    "border:1px solid rgba(127,127,127,.35);border-radius:10px;padding:12px 16px;margin:4px 0;"
    "max-width:820px;line-height:1.45;font-family:ui-sans-serif,system-ui,sans-serif;font-size:14px"
)
_SOFT: Final = "opacity:.7;font-size:12px;margin-top:8px"
_LARGEST: Final = 24 << 20  # bytes of sound inside a notebook's file
_TOO_LONG: Final = "The sound is too long to stand in a notebook: save() it to a file."


def card(*parts: str, facts: Mapping[str, str] | None = None) -> str:
    """Parts of HTML in a frame, and `facts` below them, as text."""
    told = " &nbsp;·&nbsp; ".join(
        f"{html.escape(name)} <b>{html.escape(value)}</b>" for name, value in (facts or {}).items()
    )
    below = f'<div style="{_SOFT}">{told}</div>' if told else ""
    return f'<div style="{_CARD}">{"".join(parts)}{below}</div>'


def said(who: str, text: str, kind: str, *, note: str = "") -> str:
    """What somebody said, in their colour; all of it is text."""
    colour = COLOURS.get(kind, COLOURS["note"])
    beside = f' <span style="opacity:.6;font-size:12px">{html.escape(note)}</span>' if note else ""
    name = f'<b style="color:{colour};font-size:12px">{html.escape(who)}</b>{beside}<br/>'
    return (
        f'<div style="border-left:3px solid {colour};padding-left:10px;margin:6px 0">'
        f'{name if who else ""}<span style="white-space:pre-wrap">{html.escape(text)}</span></div>'
    )


def player(wav: bytes, levels: Sequence[float] = ()) -> str:
    """A WAV file to listen to, below its wave."""
    import pybase64

    if len(wav) > _LARGEST:
        return f'<div style="{_SOFT}">{_TOO_LONG}</div>'
    drawing = ""
    if levels:
        drawing = (
            '<svg viewBox="0 0 600 44" preserveAspectRatio="none" aria-hidden="true" '
            f'style="display:block;width:100%;height:44px">{wave(levels, 600, 22, 20)}</svg>'
        )
    source = f"data:audio/wav;base64,{pybase64.b64encode_as_string(wav)}"
    return (
        f'<div style="margin:8px 0">{drawing}<audio controls preload="metadata" '
        f'style="width:100%;height:36px" src="{source}"></audio></div>'
    )


def wave(
    levels: Sequence[float],
    width: float,
    middle: float,
    reach: float,
    colour: str = COLOURS["assistant"],
) -> str:
    """Sound as SVG, mirrored on a line: `levels` of 0 … 1, at equal distances."""
    step = width / len(levels)
    tops = [max(0.4, min(1.0, level) * reach) for level in levels]
    over = " ".join(f"{(i + 0.5) * step:.1f} {middle - top:.1f}" for i, top in enumerate(tops))
    under = " ".join(
        f"{(i + 0.5) * step:.1f} {middle + tops[i]:.1f}" for i in reversed(range(len(tops)))
    )
    return f'<polygon points="{over} {under}" fill="{colour}" fill-opacity=".85"/>'
