"""What the dashboard knows of the sessions: who spoke when, and the events as they passed.

Pure: it is shown each message with its time, and asked for what is new. It must be quick, for it
sees every frame; of sound it counts the length, and of a configuration it shows nothing, since
one may hold secrets. Runs in the server's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import msgspec

from grok_rt._wire.framing import BINARY, Frame

__all__ = ["Board", "Onlooker"]

_EVENTS = 400  # that a page which is opened is shown
_SPANS = 60  # of each session
_ENDED = 50  # sessions that are shown after their end
_WORDS = 200  # characters of anything that is quoted
_TYPED = 1.0  # seconds that a typed message is long on the page
_BYTES_PER_MS = 48  # of bare sound, whose format is not looked up


class _Glance(msgspec.Struct):
    """The fields that say most; what holds sound is skipped without being built."""

    type: str = ""
    response_id: str | None = None
    item_id: str | None = None
    transcript: str | None = None
    audio_duration_ms: float = 0.0
    name: str | None = None
    arguments: str | None = None
    status: str | None = None
    item: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    session: dict[str, Any] | None = None
    response: dict[str, Any] | None = None


class _Words(msgspec.Struct):
    delta: str = ""


_glance = msgspec.json.Decoder(_Glance)
_words = msgspec.json.Decoder(_Words)

_NO_EVENT = "(no event)"
_SOUND_UP = "input_audio_buffer.append"
_SOUND_DOWN = "response.output_audio.delta"


@attrs.define(eq=False)
class Span:
    """Somebody says something.

    Attributes:
        who: ``caller``, ``grok`` or ``tool``.
        start: seconds of the board's clock.
        end: the same; None while it goes on.
        text: what is said, as far as it is known.
    """

    who: str
    start: float
    end: float | None
    text: str = ""


@attrs.define(eq=False)
class Card:
    """One session, as the page shows it."""

    number: int
    opened: float
    id: str = ""
    voice: str = ""
    ended: float | None = None
    code: int | None = None
    reason: str = ""
    events_up: int = 0
    events_down: int = 0
    spans: deque[Span] = attrs.Factory(lambda: deque(maxlen=_SPANS))


class Board:
    """All sessions of a server.

    Args:
        now: the time at its beginning, which is its zero.
    """

    def __init__(self, now: float) -> None:
        self.began = now
        self._cards: dict[int, Card] = {}
        self._events: deque[dict[str, Any]] = deque(maxlen=_EVENTS)
        self._changed: set[int] = set()
        self._told = 0  # the number of the newest event that has been told
        self._count = 0

    def session(self, number: int, now: float) -> Onlooker:
        """A session begins."""
        ended = [each for each in self._cards.values() if each.ended is not None]
        for card in ended[: max(0, len(ended) - _ENDED)]:
            del self._cards[card.number]
        card = self._cards[number] = Card(number, now - self.began)
        return Onlooker(self, card)

    def everything(self, now: float) -> dict[str, Any]:
        """For a page that has just been opened."""
        return {
            "now": now - self.began,
            "sessions": [_shown(card) for card in self._cards.values()],
            "events": list(self._events),
        }

    def news(self, now: float) -> dict[str, Any] | None:
        """What has changed since the last time; None if nothing has."""
        if not self._changed and self._told == self._count:
            return None
        told, self._told = self._told, self._count
        changed, self._changed = self._changed, set()
        return {
            "now": now - self.began,
            "sessions": [_shown(self._cards[n]) for n in sorted(changed) if n in self._cards],
            "events": [event for event in self._events if event["i"] > told],
        }

    def note(self, card: Card, way: str, type: str, text: str, now: float) -> None:
        """An event has passed; sound that follows sound is one more of it."""
        self._changed.add(card.number)
        at = now - self.began
        self._count += 1
        last = self._events[-1] if self._events else None
        if (
            last is not None
            and type in (_SOUND_UP, _SOUND_DOWN)
            and (last["type"], last["n"]) == (type, card.number)
        ):
            last.update(i=self._count, t=at, times=last["times"] + 1)
            return
        event = {"i": self._count, "t": at, "n": card.number, "way": way}
        self._events.append(event | {"type": type, "text": text[:_WORDS], "times": 1})


class Onlooker:
    """Watches one session for the board."""

    def __init__(self, board: Board, card: Card) -> None:
        self._board = board
        self._card = card
        self._grok: Span | None = None
        self._response = ""
        self._caller: dict[str, Span] = {}
        self._follow: dict[str, Callable[[_Glance, bytes, float], str]] = {
            "session.created": self._created,
            "input_audio_buffer.speech_started": self._started,
            "input_audio_buffer.speech_stopped": self._stopped,
            "conversation.item.input_audio_transcription.updated": self._transcribed,
            "conversation.item.input_audio_transcription.completed": self._transcribed,
            _SOUND_DOWN: self._sound,
            "response.output_audio_transcript.delta": self._words,
            "response.function_call_arguments.done": self._called,
            "response.done": self._done,
            "error": self._failed,
        }

    def heard(self, frame: Frame, now: float) -> None:
        """The client has sent a message."""
        self._card.events_up += 1
        if frame.opcode == BINARY:
            self._board.note(self._card, "up", _SOUND_UP, "", now)
            return
        seen = _seen(frame.data)
        text = "" if seen.item is None else _of_item(seen.item)
        if text and seen.item is not None and seen.item.get("role") == "user":
            at = now - self._board.began
            self._card.spans.append(Span("caller", at, at + _TYPED, text))
        self._board.note(self._card, "up", seen.type[:_WORDS], text, now)

    def said(self, frame: Frame, now: float) -> None:
        """The service has sent one."""
        self._card.events_down += 1
        if frame.opcode == BINARY:
            seen = _Glance(_SOUND_DOWN, audio_duration_ms=len(frame.data) / _BYTES_PER_MS)
        else:
            seen = _seen(frame.data)
        follow = self._follow.get(seen.type)
        text = "" if follow is None else follow(seen, frame.data, now - self._board.began)
        self._board.note(self._card, "down", seen.type, text, now)

    def ended(self, code: int, reason: str, now: float) -> None:
        """The session is over."""
        card = self._card
        card.code, card.reason, card.ended = code, reason, now - self._board.began
        for span in card.spans:
            span.end = card.ended if span.end is None else min(span.end, card.ended)
        self._board.note(card, "down", "(closed)", f"{code} {reason}".strip(), now)

    # --- what the service says: each returns what is quoted ----------------------------

    def _created(self, seen: _Glance, _data: bytes, _at: float) -> str:
        session = seen.session or {}
        self._card.id = str(session.get("id", ""))
        self._card.voice = str(session.get("voice", ""))
        return str(session.get("model", ""))

    def _started(self, seen: _Glance, _data: bytes, at: float) -> str:
        if self._grok is not None and (self._grok.end or at) > at:
            self._grok.end = at  # what was sent ahead is not played any more
        if seen.item_id not in self._caller:
            span = self._caller[seen.item_id or ""] = Span("caller", at, None)
            self._card.spans.append(span)
        return ""

    def _stopped(self, seen: _Glance, _data: bytes, at: float) -> str:
        if span := self._caller.get(seen.item_id or ""):
            span.end = at
        return ""

    def _transcribed(self, seen: _Glance, _data: bytes, _at: float) -> str:
        text = (seen.transcript or "")[:_WORDS]
        if span := self._caller.get(seen.item_id or ""):
            span.text = text
            if seen.status == "completed":
                self._caller = {}
        return text

    def _sound(self, seen: _Glance, _data: bytes, at: float) -> str:
        if self._grok is None or seen.response_id not in (self._response, None):
            self._response = seen.response_id or ""
            self._grok = Span("grok", at, at)
            self._card.spans.append(self._grok)
        span = self._grok
        span.end = max(span.end or at, at) + seen.audio_duration_ms / 1000
        return ""

    def _words(self, _seen: _Glance, data: bytes, _at: float) -> str:
        words = _words.decode(data).delta
        if self._grok is not None:
            self._grok.text = (self._grok.text + words)[:_WORDS]
        return words

    def _called(self, seen: _Glance, _data: bytes, at: float) -> str:
        text = f"{seen.name}({seen.arguments})"[:_WORDS]
        self._card.spans.append(Span("tool", at, at, text))
        return text

    def _done(self, seen: _Glance, _data: bytes, _at: float) -> str:
        self._response = ""
        return str((seen.response or {}).get("status", ""))

    def _failed(self, seen: _Glance, _data: bytes, _at: float) -> str:
        return str((seen.error or {}).get("message", ""))


def _seen(data: bytes) -> _Glance:
    try:
        return _glance.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return _Glance(_NO_EVENT)


def _of_item(item: dict[str, Any]) -> str:
    """What is worth quoting of an item that the client makes."""
    if isinstance(item.get("output"), str):
        return str(item["output"])[:_WORDS]
    content = item.get("content")
    parts = [part for part in content if isinstance(part, dict)] if type(content) is list else []
    return " ".join(str(part.get("text") or part.get("transcript") or "") for part in parts)[
        :_WORDS
    ]


def _shown(card: Card) -> dict[str, Any]:
    """A card as JSON has it."""
    return {
        "n": card.number,
        "id": card.id,
        "voice": card.voice,
        "opened": card.opened,
        "ended": card.ended,
        "code": card.code,
        "reason": card.reason,
        "up": card.events_up,
        "down": card.events_down,
        "spans": [[span.who, span.start, span.end, span.text] for span in card.spans],
    }
