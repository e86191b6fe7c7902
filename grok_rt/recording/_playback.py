"""Where sound lies on the clock: the caller's as it was said, Grok's as it would be heard.

Pure. The recorder places sound with it, and who reads a recording finds it again by the same steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from grok_rt import events
from grok_rt.audio import AudioFormat
from grok_rt.errors import AudioError

__all__ = ["Heard", "Playback", "Track", "formats_in", "seconds_of"]

#: Seconds by which the next piece may come late and still be taken to go on: nets jitter.
_SLACK: Final = 0.1


class Track:
    """Pieces of sound, each behind what still plays."""

    def __init__(self) -> None:
        self.end = float("-inf")

    def place(self, at: float, seconds: float) -> float:
        """Where a piece begins that came at `at`."""
        start = self.end if at - self.end <= _SLACK else at
        self.end = start + seconds
        return start

    def cut(self, at: float) -> None:
        """Nothing is heard beyond `at`."""
        self.end = min(self.end, at)


@attrs.define
class Heard:
    """What was heard of one item of Grok's.

    Attributes:
        item_id: which.
        start: seconds.
        end: seconds.
        cut: somebody interrupted it.
    """

    item_id: str
    start: float
    end: float
    cut: bool = False


class Playback:
    """Grok's sound, as a player would play it that stops when the caller speaks."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._track = Track()
        self._speaking: str | None = None
        self._silenced: set[str] = set()

    def place(self, event: events.AudioDelta, at: float, seconds: float) -> float | None:
        """Where a piece begins that came at `at`; None: its response was interrupted before."""
        response_id = event.response_id or ""
        if response_id in self._silenced:
            return None
        self._speaking = response_id
        start = self._track.place(at, seconds)
        last = self.heard[-1] if self.heard else None
        if last is not None and last.item_id == (event.item_id or "") and not last.cut:
            last.end = start + seconds
        else:
            self.heard.append(Heard(event.item_id or "", start, start + seconds))
        return start

    def interrupts(self, event: events.Event) -> bool:
        """Whether a player stops at this event."""
        return isinstance(event, (events.Interrupted, events.InputAudioBufferSpeechStarted))

    def cut(self, at: float) -> None:
        """The caller speaks, or the program has interrupted."""
        if self._speaking and self._track.end > at:
            self._silenced.add(self._speaking)
        self._track.cut(at)
        for one in self.heard:
            if one.end > at:
                one.cut = True
                one.start, one.end = min(one.start, at), at  # perhaps never heard at all


def formats_in(message: Mapping[str, Any]) -> Iterator[tuple[str, AudioFormat]]:
    """The formats that a `session.update` of the wire sets, by ``input`` and ``output``."""
    if message.get("type") != "session.update":
        return
    audio = _inside(message.get("session"), "audio")
    for side in ("input", "output"):
        form = _inside(_inside(audio, side), "format")
        if isinstance(_inside(form, "type"), str):
            yield side, AudioFormat(form["type"], form.get("rate"))


def _inside(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def seconds_of(size: int, form: AudioFormat) -> float:
    """Seconds of that many bytes; 0 of a format whose bytes do not tell, such as Opus."""
    try:
        return form.duration(size)
    except AudioError:
        return 0.0
