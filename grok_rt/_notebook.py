"""What answers, conversations and clients show in a notebook: cards with a drawing of the talk.

Pure: values in, HTML out. The classes themselves stand above, and say only that they can be shown.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from grok_rt._card import card, said
from grok_rt.errors import AudioError
from grok_rt.timeline import Span, Timeline

if TYPE_CHECKING:
    from grok_rt.audio import AudioClip, AudioFormat

__all__ = ["AnswerLike", "ClientLike", "answer_card", "client_card", "conversation_card"]

_NAMES: Final = {"user": "you", "assistant": "grok"}
_STATES: Final = {"open": "#10a37f", "connecting": "#e0a020", "reconnecting": "#e0a020"}
_MOST: Final = 200  # turns of a conversation


class AnswerLike(Protocol):
    """What `answer_card` reads of an `Answer`."""

    @property
    def text(self) -> str: ...
    @property
    def audio(self) -> AudioClip: ...
    @property
    def status(self) -> str: ...
    @property
    def interrupted(self) -> bool: ...
    @property
    def turns(self) -> Iterable[Any]: ...
    @property
    def usage(self) -> Any: ...
    @property
    def latency(self) -> Any: ...


class ClientLike(Protocol):
    """What `client_card` reads of a `GrokClient`; it has no key."""

    config: Any

    @property
    def state(self) -> str: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def conversation_id(self) -> str | None: ...
    @property
    def events_sent(self) -> int: ...


def answer_card(answer: AnswerLike) -> str:
    """The words, the sound, who spoke when, and how long it took."""
    facts = {}
    if answer.latency.first_audio is not None:
        facts["first sound"] = f"{answer.latency.first_audio:.2f} s"
    facts["all"] = f"{answer.latency.total:.2f} s"
    if answer.usage and answer.usage.total_tokens:
        facts["tokens"] = str(answer.usage.total_tokens)
    if answer.status != "completed":
        facts["status"] = answer.status
    if answer.interrupted:
        facts["interrupted"] = "yes"
    words = said("", answer.text or "(no words)", "assistant")
    sound = answer.audio._repr_html_() if answer.audio else None
    turns = [turn for turn in answer.turns if not turn.replayed]
    drawing = Timeline(_heard(turns, answer)).svg(760) if len(turns) > 1 else ""
    return card(words, sound or "", drawing, facts=facts)


def conversation_card(turns: Iterable[Any]) -> str:
    """Who said what, and when."""
    told = list(turns)
    if not told:
        return card(said("", "Nothing was said yet.", "note"))
    parts = [Timeline.of(told).svg(760)]
    if len(told) > _MOST:
        parts.append(said("", f"… {len(told) - _MOST} turns before these", "note"))
    return card(*parts, *map(_turn, told[-_MOST:]))


def client_card(client: ClientLike, functions: Iterable[str]) -> str:
    """Its state, and what may be known of it."""
    colour = _STATES.get(client.state, "#8a8f98")
    dot = (
        '<span style="display:inline-block;width:9px;height:9px;border-radius:50%;'
        f'background:{colour};margin-right:8px"></span>'
    )
    config = client.config
    sound = (config.input_audio_format, config.output_audio_format)
    known = {
        "session": client.session_id,
        "conversation": client.conversation_id,
        "voice": config.voice,
        "sound": " → ".join(_format(form) for form in sound),
        "functions": ", ".join(functions),
        "events sent": str(client.events_sent),
    }
    title = f"{dot}<b>{html.escape(type(client).__name__)}</b> {html.escape(client.state)}"
    return card(title, facts={name: str(value) for name, value in known.items() if value})


def _format(form: AudioFormat) -> str:
    kind = form.type.removeprefix("audio/")
    try:
        return f"{kind} {form.sample_rate / 1000:g} kHz"
    except AudioError:
        return kind


def _turn(turn: Any) -> str:
    if turn.call is not None:
        asked = f"{turn.call.name} {turn.call.arguments}"
        return said(asked, turn.text, "tool")
    role: str = turn.role
    notes = ["cut off"] * turn.interrupted + ["from an earlier session"] * turn.replayed
    return said(_NAMES.get(role, role), turn.text, role, note=", ".join(notes))


def _heard(turns: Sequence[Any], answer: AnswerLike) -> Iterator[Span]:
    """Who could be heard when: sound comes sooner than that, and a wait ends with the first."""
    first = answer.latency.first_audio
    free, asked = float("-inf"), None
    for turn in turns:
        (span,) = Timeline.of([turn]).spans
        if span.kind == "user":
            asked = span
            continue
        if span.kind == "assistant":
            start = max(turn.started, free)
            if asked is not None:
                question = asked
                if first is not None:
                    start = max(start, question.start + first)
                    question = attrs.evolve(question, end=max(question.start, start - first))
                    yield Span(question.lane, start - first, start, kind="wait")
                yield question
                asked = None
            free = start + _seconds(turn, answer.audio)
            span = attrs.evolve(span, start=start, end=free)
        yield span
    if asked is not None:
        yield asked


def _seconds(turn: Any, audio: AudioClip) -> float:
    try:
        seconds: float = audio.format.duration(turn.audio)
    except AudioError:  # of Opus nobody knows
        seconds = max(0.0, (turn.ended or turn.started) - turn.started)
    return seconds
