"""What a device was given, when that sounds, and how far the ear is: the clock of a speaker.

Pure: the time is an argument. `Emitted` is written by PortAudio's thread and read by any other,
without a lock: each entry is whole before it is counted.
"""

from __future__ import annotations

import array
from typing import Final

__all__ = ["Emitted"]

_KEPT: Final = 512  # buffers; more than a second of the smallest ones
_DRIFT: Final = 0.05  # of a buffer's length: what clocks may differ by, and more
_LOST: Final = 0.5  # seconds; so late is no callback, the device has paused


class Emitted:
    """The last buffers a device was given.

    Args:
        rate: frames per second.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._sounds_at = array.array("d", bytes(8 * _KEPT))
        self._position = array.array("q", bytes(8 * _KEPT))
        self._frames = array.array("q", bytes(8 * _KEPT))
        self._count = 0
        self._due = 0.0  # when the next buffer sounds, if there is no gap

    def add(
        self, sounds_at: float, position: int, frames: int, length: int, *, gap: bool = False
    ) -> None:
        """Note a buffer: its first frame sounds at `sounds_at`, or a little earlier.

        A callback that runs late takes its buffer for later than it is. Without a gap one buffer
        follows the other; so the callbacks that were in time tell.

        Args:
            sounds_at: seconds, by the clock of the callback.
            position: how many frames came before it.
            frames: how many frames of sound it begins with; then it is silent.
            length: how many frames it has.
            gap: the device ran dry before it.
        """
        due = self._due + _DRIFT * length / self._rate
        if self._count and not gap and sounds_at < due + _LOST:
            sounds_at = min(sounds_at, due)
        self._due = sounds_at + length / self._rate
        at = self._count % _KEPT
        self._sounds_at[at] = sounds_at
        self._position[at] = position
        self._frames[at] = frames
        self._count += 1

    def heard(self, now: float) -> int:
        """The position that sounds at `now`."""
        count = self._count
        for number in range(count - 1, max(-1, count - _KEPT), -1):
            at = number % _KEPT
            passed = now - self._sounds_at[at]
            if passed >= 0:
                return self._position[at] + min(self._frames[at], int(passed * self._rate))
        return self._position[(count - _KEPT + 1) % _KEPT if count >= _KEPT else 0]
