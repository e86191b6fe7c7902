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
_SKIP: Final = 4
_HEADER: Final = 44
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
    """Peaks of both tracks of a recording, 0 … 1, at equal distances; none if it has no sound.

    The file may be of hours: it is read in pieces, and every fourth sample is looked at.
    """

    def __init__(self, path: Path, rate: int) -> None:
        self._peaks: tuple[list[float], list[float]] = ([], [])
        size = max(1, rate // _PER_SECOND // _SKIP)
        try:
            with path.open("rb") as file:
                file.seek(_HEADER)
                while piece := file.read(4 * size * _SKIP * _PER_SECOND * 10):
                    samples = _pcm.unpack(piece[: len(piece) - len(piece) % 4])
                    for track, found in enumerate(self._peaks):
                        found.extend(_pcm.peaks(samples[track :: 2 * _SKIP], size))
        except OSError:
            pass

    def between(self, track: int, start: float, end: float) -> tuple[float, ...]:
        """Peaks of a track from `start` to `end` seconds, a few hundred at the most."""
        peaks = self._peaks[track][self._index(start) : self._index(end)]
        step = max(1, -(-len(peaks) // _MOST))
        return tuple(max(peaks[at : at + step]) for at in range(0, len(peaks), step))

    def speech(self, track: int, start: float, end: float) -> tuple[float, float] | None:
        """From the first to the last that can be heard of a track; None: nothing can."""
        first, last = self._index(start), self._index(end)
        peaks = self._peaks[track]
        loud = [at for at in range(first, min(last, len(peaks))) if peaks[at] > _LOUD]
        return (loud[0] / _PER_SECOND, (loud[-1] + 1) / _PER_SECOND) if loud else None

    def _index(self, at: float) -> int:
        return max(0, round(at * _PER_SECOND))
