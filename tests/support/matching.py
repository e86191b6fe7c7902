"""Finding a sound in a recording: where it is, how much alike, and where something is missing."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
_PIECE = 0.25  # seconds
_SAME = 0.95  # a piece so much alike where it should be is there, wherever else it fits too


class Match(NamedTuple):
    """Where a sound is in a recording.

    Attributes:
        at: seconds into the recording at which it begins.
        likeness: the cross-correlation of all its pieces, each where it is; 1 is the same.
        longest_gap: seconds by which a piece comes later, or earlier, than the piece before it.
    """

    at: float
    likeness: float
    longest_gap: float


def samples(pcm: bytes | bytearray) -> Samples:
    """PCM16 as numbers."""
    return np.frombuffer(bytes(pcm), "<i2").astype(np.float64)


def find(sound: Samples, recording: Samples, rate: int) -> Match:
    """Find a sound in a recording that has all of it."""
    start = _offset(sound, recording)
    size = int(_PIECE * rate)
    products = ours = theirs = 0.0
    places = []
    for at in range(0, len(sound) - size // 2, size):
        piece = sound[at : at + size]
        if np.sqrt(np.mean(piece**2)) < 30:  # silence is everywhere
            continue
        place = start + at + (places[-1] - start if places else 0)
        if _likeness(piece, recording[place : place + len(piece)]) < _SAME:
            first = max(0, place - rate // 4)
            place = first + _offset(piece, recording[first : place + len(piece) + rate // 4])
        heard = recording[place : place + len(piece)]
        piece = piece[: len(heard)]
        products += float(np.dot(piece, heard))
        ours += float(np.dot(piece, piece))
        theirs += float(np.dot(heard, heard))
        places.append(place - at)
    gaps = [abs(b - a) / rate for a, b in itertools.pairwise(places)]
    likeness = products / math.sqrt(ours * theirs) if ours and theirs else 0.0
    return Match(places[0] / rate if places else 0.0, likeness, max(gaps, default=0.0))


def _likeness(one: Samples, other: Samples) -> float:
    one = one[: len(other)]
    norm = math.sqrt(float(np.dot(one, one)) * float(np.dot(other, other)))
    return float(np.dot(one, other)) / norm if norm else 0.0


def _offset(sound: Samples, recording: Samples) -> int:
    """Where the sound is most alike, in samples; louder places count no more than others."""
    size = 1 << (len(recording) + len(sound)).bit_length()
    spectrum = np.fft.rfft(recording, size) * np.conj(np.fft.rfft(sound, size))
    products = np.fft.irfft(spectrum, size)[: max(1, len(recording) - len(sound) // 2)]
    energy = np.concatenate(([0.0], np.cumsum(recording**2)))
    ends = np.minimum(np.arange(len(products)) + len(sound), len(recording))
    loudness = np.sqrt(energy[ends] - energy[: len(products)] + 1e4)
    return int(np.argmax(products / loudness))
