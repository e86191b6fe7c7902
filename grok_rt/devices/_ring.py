"""`Ring`: bytes from one thread to one other, of which one may be PortAudio's; bounded.

No lock and no allocation: a real-time thread must wait for nobody. Each side owns one number
that only grows, and looks at the other's. Pure: no device, no clock.
"""

from __future__ import annotations

__all__ = ["Ring"]


class Ring:
    """A bounded queue of bytes for exactly one writer and one reader.

    Args:
        size: how many bytes it holds.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._view = memoryview(bytearray(size))
        self._written = 0
        self._read = 0
        self._forgotten = 0  # up to here; the reader jumps over it

    def __len__(self) -> int:
        return self._written - self.position

    @property
    def room(self) -> int:
        """How many bytes can be written now; what was cleared counts until the next read."""
        return self.size - (self._written - self._read)

    @property
    def position(self) -> int:
        """How many bytes were written before the next one to be read."""
        return max(self._read, self._forgotten)

    @property
    def end(self) -> int:
        """How many bytes were written in all."""
        return self._written

    def write(self, data: bytes) -> int:
        """Append what there is room for; returns how much. The writer only."""
        count = min(len(data), self.room)
        source = memoryview(data)
        at = self._written % self.size
        first = min(count, self.size - at)
        self._view[at : at + first] = source[:first]
        self._view[: count - first] = source[first:count]
        self._written += count
        return count

    def read_into(self, target: memoryview) -> int:
        """Fill `target` from its start; returns how many bytes there were. The reader only."""
        self._read = self.position
        count = min(len(target), self._written - self._read)
        at = self._read % self.size
        first = min(count, self.size - at)
        target[:first] = self._view[at : at + first]
        target[first:count] = self._view[: count - first]
        self._read += count
        return count

    def clear(self) -> None:
        """Forget what was not read; takes effect at the next read. Any thread."""
        self._forgotten = self._written
