"""The sound of a recording as numbers: its two tracks, and how loud they are. Reads one file."""

from __future__ import annotations

import array
from pathlib import Path
from typing import Final

from grok_rt.audio import _pcm, _wav
from grok_rt.errors import AudioError

__all__ = ["Envelope", "tracks"]

_PER_SECOND: Final = 50
_MOST: Final = 600
_LOUD: Final = 0.012  # of full scale: softer is a room, louder somebody who speaks


def tracks(path: Path) -> tuple[bytes, bytes]:
    """PCM16 of both tracks of a WAV file, whole or cut off.

    Raises:
        AudioError: there is no such file, or it is not stereo of 16 bits.
    """
    try:
        wave = _wav.parse(path.read_bytes())
    except OSError as error:
        raise AudioError(f"cannot read {str(path)!r} ({error.strerror})") from error
    if (wave.encoding, wave.channels, wave.width) != (_wav.PCM, 2, 2):
        raise AudioError(f"{str(path)!r} is not the sound of a recording: 16 bits, stereo")
    samples = array.array("h", wave.data)
    return samples[0::2].tobytes(), samples[1::2].tobytes()


class Envelope:
    """Peaks of both tracks, 0 … 1, at equal distances.

    Args:
        left: PCM16 of the caller.
        right: PCM16 of Grok.
        rate: samples per second.
    """

    per_second = _PER_SECOND

    def __init__(self, left: bytes, right: bytes, rate: int) -> None:
        self._peaks = tuple(
            _pcm.peaks(_pcm.unpack(track), rate // _PER_SECOND) for track in (left, right)
        )

    def between(
        self, track: int, start: float, end: float, at_most: int = 600
    ) -> tuple[float, ...]:
        """Peaks of a track from `start` to `end` seconds, a few hundred at the most."""
        peaks = self._peaks[track][self._index(start) : max(self._index(end), self._index(start))]
        step = max(1, -(-len(peaks) // at_most))
        return tuple(max(peaks[at : at + step]) for at in range(0, len(peaks), step))

    def speech(self, track: int, start: float, end: float) -> tuple[float, float] | None:
        """From the first to the last that can be heard of a track; None: nothing can."""
        first, last = self._index(start), self._index(end)
        peaks = self._peaks[track]
        loud = [at for at in range(first, min(last, len(peaks))) if peaks[at] > _LOUD]
        return (loud[0] / _PER_SECOND, (loud[-1] + 1) / _PER_SECOND) if loud else None

    def _index(self, at: float) -> int:
        return max(0, round(at * _PER_SECOND))
