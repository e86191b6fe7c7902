"""Who spoke when: plain spans in lanes, drawn as SVG for pages and as text for terminals.

Notebook, report, dashboard and pytest all draw with it. Pure: no clock, no file, no thread, and
no event either: whoever has turns or a recording makes spans of them.

A lane has as many rows as its spans overlap in time; what does not overlap shares a row. Where
spans are too close to be drawn apart, a later one gives way to an earlier one.
"""

from __future__ import annotations

from grok_rt.timeline._span import Span
from grok_rt.timeline._timeline import Timeline, TurnLike

__all__ = ["Span", "Timeline", "TurnLike"]
