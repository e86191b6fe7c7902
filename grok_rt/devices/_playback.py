"""What is being said to the listener: which item, how much of it was heard, and when to stop.

Pure: any sink, no device, no thread; the sink's `played` is the clock. Everything goes by
response and item id: the live order of events varies.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from grok_rt import events
from grok_rt.errors import AudioError

if TYPE_CHECKING:
    from grok_rt.audio import AudioFormat
    from grok_rt.streams import Sink

__all__ = ["Heard", "Playback", "PlaybackClock"]

_REMEMBERED: Final = 64  # items and responses
_NOTHING: Final = 1e-6  # seconds: what is left by adding floats


@attrs.frozen
class Heard:
    """How much of an item was heard.

    Attributes:
        response_id: the response it is part of.
        item_id: the item.
        heard_ms: milliseconds that the listener has heard.
        received_ms: milliseconds that have come of it.
    """

    response_id: str | None
    item_id: str | None
    heard_ms: float
    received_ms: float


@attrs.define(eq=False)
class _Span:
    """Sound of one item, between two positions of the sink."""

    key: tuple[str | None, str | None]
    start: float
    end: float


class PlaybackClock:
    """Knows for each item how many milliseconds were heard. Any thread may ask.

    Args:
        played: seconds that the sink has played, of all that was written and not cleared.
    """

    def __init__(self, played: Callable[[], float]) -> None:
        self._played = played
        self._lock = threading.Lock()
        self._end = played()
        self._spans: deque[_Span] = deque()
        self._past: OrderedDict[tuple[str | None, str | None], tuple[float, float]] = OrderedDict()

    @property
    def remaining(self) -> float:
        """Seconds of sound that are not heard yet."""
        left = self._end - self._played()
        return left if left > _NOTHING else 0.0

    def wrote(self, response_id: str | None, item_id: str | None, seconds: float) -> None:
        """Note that sound of an item was written to the sink, now."""
        key = (response_id, item_id)
        with self._lock:
            self._settle()
            if self._spans and self._spans[-1].key == key:
                self._spans[-1].end += seconds
            else:
                self._spans.append(_Span(key, self._end, self._end + seconds))
            self._end += seconds

    def heard(self, item_id: str | None) -> Heard | None:
        """How much of an item was heard so far; None if it is not known, or no longer."""
        with self._lock:
            self._settle()
            for key in reversed([*self._past, *(span.key for span in self._spans)]):
                if key[1] == item_id:
                    return self._heard(key)
            return None

    def unheard(self) -> list[Heard]:
        """The items of which something is still to be heard, in order."""
        with self._lock:
            self._settle()
            return [self._heard(key) for key in dict.fromkeys(span.key for span in self._spans)]

    def cut(self) -> None:
        """Nothing of what was written and not heard will be."""
        with self._lock:
            at = self._played()
            for span in self._spans:
                self._pass(span, max(0.0, min(at, span.end) - span.start))
            self._spans.clear()
            self._end = at

    def _settle(self) -> None:
        """Keep only a sum of what was heard to its end."""
        at = self._played() + _NOTHING
        while self._spans and self._spans[0].end <= at:
            span = self._spans.popleft()
            self._pass(span, span.end - span.start)

    def _pass(self, span: _Span, heard: float) -> None:
        before, received = self._past.pop(span.key, (0.0, 0.0))
        self._past[span.key] = (before + heard, received + span.end - span.start)
        if len(self._past) > _REMEMBERED:
            self._past.popitem(last=False)

    def _heard(self, key: tuple[str | None, str | None]) -> Heard:
        heard, received = self._past.get(key, (0.0, 0.0))
        at = self._played()
        for span in self._spans:
            if span.key == key:
                received += span.end - span.start
                heard += max(0.0, min(at, span.end) - span.start)
        return Heard(*key, heard_ms=heard * 1000, received_ms=received * 1000)


class Playback:
    """Lets a sink say what Grok says, and stops it when the listener interrupts.

    It stops on `speech_started`, on the bare `response.done` by which the live service ends a
    response that was interrupted, and on `Interrupted`. What a stopped response still sends is
    not played.

    Args:
        sink: where the sound goes; it is called by one thread at a time. If it has `flush`, that
            is called when an answer is over.
        format: what the sound is.

    Raises:
        AudioError: the sink takes another format.
    """

    def __init__(self, sink: Sink, format: AudioFormat) -> None:
        theirs = getattr(sink, "format", None)
        if theirs is not None and not _same(theirs, format):
            raise AudioError(
                f"the speaker takes {theirs} and the session speaks {format}: make the speaker "
                "for that format, or configure the session's output_audio_format"
            )
        self._sink = sink
        self._format = format
        self.clock = PlaybackClock(lambda: sink.played)
        self._dropped: OrderedDict[str, None] = OrderedDict()
        self._held: list[events.AudioDelta] | None = None
        self._is_to_flush = False  # once nothing is held any more
        self._order = threading.RLock()

    def feed(self, event: events.Event) -> list[Heard]:
        """Take one event; returns what was cut short by it, in order."""
        with self._order:
            if isinstance(event, events.AudioDelta):
                self._play(event)
            elif self._stops(event):
                return self.stop()
            elif isinstance(event, (events.ResponseOutputAudioDone, events.ResponseDone)):
                self._flush()
            return []

    def stop(self) -> list[Heard]:
        """Let nothing more be heard of what was said so far; returns what was cut short."""
        with self._order:
            for event in self._held or ():
                self._drop(_name(event))
            self._held = None if self._held is None else []
            unheard = self.clock.unheard()
            if unheard:
                self._sink.clear()
                self.clock.cut()
            for each in unheard:
                self._drop(each.response_id or each.item_id)
            return unheard

    def is_unheard(self, item_id: str) -> bool:
        """Whether something of an item's sound is still to be heard."""
        with self._order:
            held = {event.item_id for event in self._held or ()}
            return item_id in held | {each.item_id for each in self.clock.unheard()}

    def hold(self) -> None:
        """Let the sink have nothing more until `release`."""
        with self._order:
            self._held = self._held or []

    def release(self) -> None:
        """Let the sink have what came meanwhile."""
        with self._order:
            held, self._held = self._held or [], None
            for event in held:
                self._play(event)
            if self._is_to_flush:
                self._flush()

    def _play(self, event: events.AudioDelta) -> None:
        if not event.audio or _name(event) in self._dropped:
            return
        if self._held is not None:
            self._held.append(event)
            return
        # The clock first: another thread may look at what is heard at once.
        seconds = self._format.duration(event.audio)
        self.clock.wrote(event.response_id or None, event.item_id or None, seconds)
        self._sink.write(event.audio)

    def _flush(self) -> None:
        """An answer is over: a sink that waits for whole frames waits no longer."""
        self._is_to_flush = self._held is not None
        flush = getattr(self._sink, "flush", None)
        if flush is not None and not self._is_to_flush:
            flush()

    def _stops(self, event: events.Event) -> bool:
        if isinstance(event, (events.InputAudioBufferSpeechStarted, events.Interrupted)):
            return True
        if isinstance(event, events.ResponseCancelled):
            return self._is_speaking(event.response_id)
        if isinstance(event, events.ResponseDone) and event.response:
            response = event.response
            status = response.status or "completed"
            # An orderly one lists what was said; the live barge-in is `completed`, output [].
            is_cut = response.output == () if status == "completed" else status == "cancelled"
            return is_cut and self._is_speaking(event.response_id or response.id)
        return False

    def _is_speaking(self, response_id: object) -> bool:
        unheard = {each.response_id for each in self.clock.unheard()}
        unheard |= {event.response_id or None for event in self._held or ()}
        return response_id in unheard or bool(unheard and not response_id)

    def _drop(self, name: str | None) -> None:
        if name is not None:
            self._dropped[name] = None
            if len(self._dropped) > _REMEMBERED:
                self._dropped.popitem(last=False)


def _name(event: events.AudioDelta) -> str | None:
    """What the sound belongs to: the response, or at least the item."""
    return event.response_id or event.item_id or None


def _same(one: AudioFormat, other: AudioFormat) -> bool:
    return (one.type, one.sample_rate) == (other.type, other.sample_rate)
