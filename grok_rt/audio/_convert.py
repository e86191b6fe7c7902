"""`Converter`: a stream of one format into another. Belongs to one thread at a time."""

from __future__ import annotations

from typing import Final

from grok_rt.audio import _g711
from grok_rt.audio._format import AudioFormat
from grok_rt.audio._resample import Resampler

__all__ = ["Converter", "from_pcm", "to_pcm"]

# How the samples of a format become PCM16.
_LAWS: Final = {"audio/pcmu": _g711.ulaw, "audio/pcma": _g711.alaw}


def to_pcm(data: bytes, format: AudioFormat) -> bytes:
    return _LAWS[format.type]().decode(data) if format.type in _LAWS else data


def from_pcm(pcm: bytes, format: AudioFormat) -> bytes:
    return _LAWS[format.type]().encode(pcm) if format.type in _LAWS else pcm


class Converter:
    """A stream of one format into another, in pieces of any size: G.711, PCM, sample rates.

    How the pieces are cut makes no difference to what comes out, all in all. A change of the
    sample rate holds back a few milliseconds, which come with `flush`.

    Args:
        source: what goes in.
        target: what comes out.

    Raises:
        AudioError: one of them is a format that cannot be computed with, such as Opus.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        for format in (source, target):
            format.silence(0)  # raises now, not with the first piece
        self._source = source
        self._target = target
        self._same = (source.type, source.sample_rate) == (target.type, target.sample_rate)
        self._resampler = Resampler(source.sample_rate, target.sample_rate)

    def process(self, data: bytes) -> bytes:
        """Take `data`, return what is ready."""
        if self._same:
            return data
        return from_pcm(self._resampler.process(to_pcm(data, self._source)), self._target)

    def flush(self) -> bytes:
        """Return the rest; the converter is used up."""
        return from_pcm(self._resampler.flush(), self._target)
