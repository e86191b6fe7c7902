"""What a recording tells: who could be heard when, and how long the caller waited. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs

from grok_rt import events
from grok_rt.audio import AudioFormat
from grok_rt.conversation import Conversation, Turn
from grok_rt.recording._playback import Heard, Playback, formats_in, seconds_of
from grok_rt.recording._sound import Envelope
from grok_rt.timeline import Span

__all__ = ["RecordedLike", "Told", "outages", "spans_of", "told"]

CALLER, GROK, TOOLS, LINE = "caller", "grok", "tools", "line"
_LEAD = 0.6  # seconds before the server says so, in which speech may have begun


class RecordedLike(Protocol):
    """What is read here of a `Recorded`."""

    @property
    def at(self) -> float: ...
    @property
    def source(self) -> str: ...
    @property
    def event(self) -> events.Event: ...
    @property
    def message(self) -> Mapping[str, Any]: ...
    @property
    def elided(self) -> int | None: ...


@attrs.frozen
class Told:
    """A turn, and what could be heard of it.

    Attributes:
        turn: what was said or called.
        spans: when it could be heard; several where something came between.
        waited: seconds that the caller had waited for it; None: nobody had.
    """

    turn: Turn
    spans: tuple[Span, ...]
    waited: float | None = None


def told(
    them: Sequence[RecordedLike], formats: Mapping[str, AudioFormat], envelope: Envelope
) -> list[Told]:
    """The turns, with who could be heard when, and how long the caller waited for it."""
    heard = played(them, formats)
    sent = {
        one.event.item.id: one.at
        for one in them
        if isinstance(one.event, events.ConversationItemCreate)
    }
    story: list[Told] = []
    asked: float | None = None
    for turn in _turns(them):
        if turn.replayed:
            continue
        if turn.role == "assistant":
            mine = [one for one in heard if one.item_id == turn.item_id] or [_unheard(turn)]
            waited = None if asked is None else max(0.0, mine[0].start - asked)
            asked = None
            story.append(Told(turn, tuple(_spoken(turn, one, envelope) for one in mine), waited))
        elif turn.call is not None:
            span = Span(TOOLS, turn.started, turn.ended, turn.call.name, "tool")
            story.append(Told(turn, (span,)))
        else:
            typed = sent.get(turn.item_id)
            span = _asked(turn, envelope) if typed is None else _typed(turn, typed)
            asked = span.end
            story.append(Told(turn, (span,)))
    return story


def spans_of(story: Iterable[Told]) -> Iterator[Span]:
    """All of its spans, and the caller's waits."""
    for one in story:
        yield from one.spans
        if one.waited:
            start = one.spans[0].start
            yield Span(CALLER, start - one.waited, start, kind="wait")


def outages(them: Iterable[RecordedLike]) -> Iterator[Span]:
    """When there was no connection."""
    lost: float | None = None
    for one in them:
        if isinstance(one.event, events.Reconnecting):
            lost = one.at if lost is None else lost
        elif isinstance(one.event, (events.Reconnected, events.Closed)) and lost is not None:
            yield Span(LINE, lost, one.at, "no connection", "note", cut=True)
            lost = None


def played(them: Iterable[RecordedLike], formats: Mapping[str, AudioFormat]) -> list[Heard]:
    """What was heard of Grok's items, in order."""
    playback = Playback()
    form = formats["output"]
    for one in them:
        if one.source == "client":
            form = dict(formats_in(one.message)).get("output", form)
        elif isinstance(one.event, events.AudioDelta):
            size = len(one.event.audio) if one.elided is None else one.elided
            playback.place(one.event, one.at, seconds_of(size, form))
        elif playback.interrupts(one.event):
            playback.cut(one.at)
    return playback.heard


def _turns(them: Iterable[RecordedLike]) -> list[Turn]:
    conversation = Conversation()
    for one in them:
        conversation.feed(one.event, one.at)
    return list(conversation)


def _unheard(turn: Turn) -> Heard:
    ended = turn.started if turn.ended is None else max(turn.started, turn.ended)
    return Heard(turn.item_id, turn.started, ended, turn.interrupted)


def _spoken(turn: Turn, heard: Heard, envelope: Envelope) -> Span:
    levels = envelope.between(1, heard.start, heard.end)
    cut = heard.cut
    return Span(GROK, heard.start, heard.end, turn.text, "assistant", cut, levels)


def _typed(turn: Turn, at: float) -> Span:
    """A message that was written: a moment, and it is when it was sent."""
    kind: Any = turn.role if turn.role == "user" else "note"
    return Span(CALLER if turn.role == "user" else turn.role, at, at, turn.text, kind)


def _asked(turn: Turn, envelope: Envelope) -> Span:
    ended = turn.started if turn.ended is None else max(turn.started, turn.ended)
    kind: Any = turn.role if turn.role == "user" else "note"
    lane = CALLER if turn.role == "user" else turn.role
    # The service tells later than one hears, of the beginning as of the end.
    found = envelope.speech(0, turn.started - _LEAD, ended) if ended > turn.started else None
    if found is None:
        return Span(lane, turn.started, ended, turn.text, kind)
    return Span(lane, *found, turn.text, kind, levels=envelope.between(0, *found))
