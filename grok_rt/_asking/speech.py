"""What is asked in sound: cut into frames, in the session's format, and where its speech ends.

A clip is known whole, before anything is sent; a source is read as it goes. No thread and no
client: whoever feeds the frames to a server says when one has left.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from grok_rt.audio import AudioClip, Converter
from grok_rt.errors import AudioError
from grok_rt.streams import ClipSource, Source, paced

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from grok_rt.audio import AudioFormat

__all__ = ["Speech"]

#: The loudest sample of silence, of 32768 (-60 dBFS); in a clip's tail, its part of the loudest.
_SILENCE = 33
_TAIL_PART = 100
#: No voice is told from a click in less, so no server would ever answer.
_SHORTEST_MS = 20


class Speech:
    """A question in sound.

    Attributes:
        is_live: it is a source: it can be spoken once, and ends where it ends.

    Args:
        prompt: a clip, the path of a sound file, or a source.
        format: the session's input format, which it is converted to.

    Raises:
        AudioError: the sound cannot be read or converted, or is a clip without speech.
        TypeError: no such prompt.
    """

    def __init__(self, prompt: object, format: AudioFormat) -> None:
        self._format = format
        self._ends_at: int | None = None
        self._loud_until = 0
        self._clip: AudioClip | None = None
        self._source: _Converted | None = None
        if isinstance(prompt, (AudioClip, os.PathLike)):
            clip = prompt if isinstance(prompt, AudioClip) else AudioClip.open(prompt)
            self._clip = clip.to(format)
            self._ends_at = _end_of_speech(self._clip)
            _check_heard(clip, self._ends_at, format)
        elif isinstance(prompt, Source):
            self._source = _Converted(prompt, format)
        else:
            raise TypeError(
                f"a question is text, an AudioClip, a Path or a Source, not {prompt!r:.60}"
            )
        self.is_live = self._source is not None

    def frames(self, tail_ms: float | None, stop: threading.Event) -> Iterator[bytes]:
        """Cut it into frames: at the pace of speech, with a tail of silence; for None as it is."""
        source = self._source or ClipSource(self._clip or AudioClip(b""))
        is_paced = tail_ms is not None
        return paced(source, realtime=is_paced, trailing_silence_ms=tail_ms or 0, stop=stop)

    def ends_at(self, frame: bytes, sent: int) -> int | None:
        """How many bytes there are before the silence at the end; None: nobody knows yet.

        Args:
            frame: what was sent last; ``b""`` after the last of all.
            sent: bytes that were sent in all, with it.

        Raises:
            AudioError: it is over, and there was no speech in it.
        """
        if self._source is not None and self._ends_at is None:
            if heard := _end_of_speech(AudioClip(frame, self._format)):
                self._loud_until = sent - len(frame) + heard
            if self._source.is_over or not frame:
                _check_heard(self._source, self._loud_until, self._format)
                self._ends_at = self._loud_until
        return self._ends_at


class _Converted:
    """A source in another format.

    Attributes:
        is_over: it has said that it has ended.
    """

    def __init__(self, source: Source, format: AudioFormat) -> None:
        self.format = format
        self.is_over = False
        self._source = source
        self._converter = Converter(source.format, format)

    def __repr__(self) -> str:
        return repr(self._source)

    def read(self, n: int, /) -> bytes:
        """Return some bytes, of whatever `n` of the source become; ``b""`` at the end."""
        while not self.is_over:
            if data := self._source.read(n):
                converted = self._converter.process(data)
            else:
                self.is_over = True
                converted = self._converter.flush()
            if converted:
                return converted
        return b""


def _loudest(clip: AudioClip) -> int:
    samples = clip.samples()
    return max(max(samples, default=0), -min(samples, default=0))


def _end_of_speech(clip: AudioClip) -> int:
    """How many bytes there are before the silence at the end."""
    samples = clip.samples()
    loudest = _loudest(clip)
    if loudest <= _SILENCE:
        return 0
    quiet = max(_SILENCE, loudest // _TAIL_PART)
    end = next(at for at in range(len(samples), 0, -1) if abs(samples[at - 1]) > quiet)
    return end * clip.format.sample_bytes


def _check_heard(speech: object, end: int, format: AudioFormat) -> None:
    """Refuse what ends, after that many bytes, without having said anything.

    Raises:
        AudioError: it did.
    """
    if not end:
        raise AudioError(f"{speech!r} holds nothing but silence: there is nothing to answer")
    if end < format.frame_bytes(_SHORTEST_MS):
        raise AudioError(
            f"{speech!r} holds {format.duration(end) * 1000:.2g} ms of sound: "
            "too short for anybody to hear a voice in it"
        )
