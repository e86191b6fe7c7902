"""What the model says as it is sent: a few words at a time, with the pieces of sound they take.

Pure. Samples are cut in the sizes of the live service, Opus goes packet by packet as it is.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from grok_rt.audio import AudioFormat
from grok_rt.simulator.packets import packet_seconds

# Live: the first delta is short, later ones grow up to 2.9 s.
_FIRST_CHUNK_MS = 245
_CHUNKS_MS = (400, 800, 1600, 2900)
_REAL_TIME_CHUNK_MS = 100
_SMALLEST_CHUNK_MS = 60
_WORDS_PER_SEGMENT = 5


class Piece(NamedTuple):
    """The sound of one delta, and where in the whole it stands, in seconds."""

    start: float
    seconds: float
    data: bytes


class Segment(NamedTuple):
    """Some words, where their sound begins, and the sound."""

    words: str
    start: float
    pieces: Iterator[Piece]


class Speech:
    """Speech in samples.

    Args:
        data: all of it.
        form: what the bytes mean.
        chunk_ms: length of each piece; None for the live sizes.
        pace: seconds of it sent per second: at 1, in real time, short pieces are needed.
    """

    def __init__(
        self,
        data: bytes,
        form: AudioFormat,
        *,
        chunk_ms: float | None = None,
        pace: float = math.inf,
    ) -> None:
        self._data = data
        self._form = form
        self._chunk_ms = _REAL_TIME_CHUNK_MS if chunk_ms is None and pace <= 1 else chunk_ms
        self.seconds = form.duration(data)

    def segments(self, text: str) -> Iterator[Segment]:
        """All of `text` and of the sound, shared out among the words by their length."""
        per_second = self._form.bytes_per_second
        sizes = self._sizes()
        start = 0
        for words, share in _shares(text):
            end = int(len(self._data) * share)
            end -= end % self._form.sample_bytes
            yield Segment(words, start / per_second, self._pieces(start, end, sizes))
            start = end

    def _sizes(self) -> Iterator[int]:
        if self._chunk_ms is not None:
            size = self._form.frame_bytes(self._chunk_ms)
            return itertools.repeat(max(size, self._form.sample_bytes))
        chunks = itertools.chain((_FIRST_CHUNK_MS,), itertools.cycle(_CHUNKS_MS))
        return map(self._form.frame_bytes, chunks)

    def _pieces(self, start: int, end: int, sizes: Iterator[int]) -> Iterator[Piece]:
        per_second = self._form.bytes_per_second
        smallest = self._form.frame_bytes(min(_SMALLEST_CHUNK_MS, self._chunk_ms or math.inf))
        while start < end:
            stop = start + next(sizes)
            if end - stop < smallest:
                stop = end
            yield Piece(start / per_second, (stop - start) / per_second, self._data[start:stop])
            start = stop


class Packets:
    """Speech in Opus packets, which nobody here looks into."""

    def __init__(self, packets: Sequence[bytes]) -> None:
        self._packets = packets
        self._ends = list(itertools.accumulate(map(packet_seconds, packets)))
        self.seconds = self._ends[-1] if packets else 0.0

    def segments(self, text: str) -> Iterator[Segment]:
        """All of `text` and every packet, one packet to a piece."""
        first = 0
        for words, share in _shares(text):
            last = math.floor(len(self._packets) * share)
            yield Segment(words, self._start(first), self._pieces(first, last))
            first = last

    def _start(self, number: int) -> float:
        return self._ends[number - 1] if number else 0.0

    def _pieces(self, first: int, last: int) -> Iterator[Piece]:
        for number in range(first, last):
            start = self._start(number)
            yield Piece(start, self._ends[number] - start, self._packets[number])


def _shares(text: str) -> Iterator[tuple[str, float]]:
    """A few words at a time, and how much of the text has come with them."""
    words = re.findall(r"\s*\S+", text)
    done = 0
    for start in range(0, len(words), _WORDS_PER_SEGMENT):
        group = "".join(words[start : start + _WORDS_PER_SEGMENT])
        done += len(group)
        yield group, done / len(text)
