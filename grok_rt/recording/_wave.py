"""A stereo WAV file that is whole at any moment, however the process ends.

Sound is placed ahead of what is written, and can be taken back until it is. Pauses are holes of
the file: they take no room on the disk. One thread.
"""

from __future__ import annotations

import array
import struct
import sys
from pathlib import Path
from typing import Final

__all__ = ["StereoWave"]

_HEADER: Final = 44
_LARGEST: Final = 0xFFFFFFFF - _HEADER


class StereoWave:
    """Two tracks on one clock: 0 is left, 1 is right.

    Args:
        path: the file, which must not be there yet.
        rate: samples per second.
    """

    def __init__(self, path: Path, rate: int) -> None:
        self.rate = rate
        self._file = path.open("xb", buffering=0)
        self._ahead = (bytearray(), bytearray())  # what lies behind what is written
        self._written = 0  # samples of each track
        self._write_header()

    @property
    def has_more(self) -> bool:
        """Whether sound lies ahead of what is written."""
        return any(self._ahead)

    def place(self, track: int, at: float, pcm: bytes) -> None:
        """Let `pcm` be heard from `at` seconds on, or as soon as still can be."""
        ahead = self._ahead[track]
        start = max(0, round(at * self.rate) - self._written) * 2
        ahead.extend(bytes(max(0, start - len(ahead))))
        ahead[start : start + len(pcm)] = pcm

    def cut(self, track: int, at: float) -> None:
        """Forget what of a track lies behind `at` seconds."""
        del self._ahead[track][max(0, round(at * self.rate) - self._written) * 2 :]

    def write(self, until: float) -> None:
        """Write all up to `until` seconds; pauses too."""
        count = min(round(until * self.rate) - self._written, _LARGEST // 4 - self._written)
        if count <= 0:
            return
        pieces = [bytes(ahead[: 2 * count]) for ahead in self._ahead]
        longest = max(map(len, pieces)) // 2
        if longest:
            both = array.array("h", bytes(4 * longest))
            for track, piece in enumerate(pieces):
                samples = array.array("h", piece)
                both[track : 2 * len(samples) : 2] = samples
            if sys.byteorder == "big":
                both.byteswap()
            self._write_all(both.tobytes())
        for ahead in self._ahead:
            del ahead[: 2 * count]
        self._written += count
        size = _HEADER + 4 * self._written
        self._file.truncate(size)  # the pause behind it, or nothing
        self._file.seek(size)
        self._write_header()

    def close(self) -> None:
        """Write what lies ahead, and end."""
        try:
            longest = max(map(len, self._ahead)) // 2
            self.write((self._written + longest) / self.rate)
        finally:
            self._file.close()

    def _write_header(self) -> None:
        size = 4 * self._written
        self._file.seek(0)
        self._write_all(
            struct.pack("<4sI4s", b"RIFF", size + _HEADER - 8, b"WAVE")
            + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, self.rate, self.rate * 4, 4, 16)
            + struct.pack("<4sI", b"data", size)
        )
        self._file.seek(_HEADER + size)

    def _write_all(self, data: bytes) -> None:
        """Write whole, which an unbuffered file does not promise."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
