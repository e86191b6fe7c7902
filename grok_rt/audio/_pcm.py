"""PCM16 bytes to numbers and back. Nothing else; any thread."""

from __future__ import annotations

import array
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from grok_rt.errors import AudioError

LOWEST, HIGHEST = -32768, 32767


def unpack(pcm: bytes) -> array.array[int]:
    """Signed samples of little-endian `pcm`, which must hold whole ones."""
    samples = array.array("h")
    samples.frombytes(pcm)
    return native(samples)


def pack(samples: array.array[int]) -> bytes:
    """The little-endian bytes of `samples`."""
    return native(samples[:]).tobytes() if sys.byteorder == "big" else samples.tobytes()


def native(numbers: array.array[Any]) -> array.array[Any]:
    """Turn little-endian `numbers` into this machine's order, or back."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def clipped(values: Iterable[float]) -> array.array[int]:
    """Round to the nearest sample (halves upwards); what is too loud is cut at full scale."""
    floor = math.floor
    return array.array("h", [min(max(floor(v + 0.5), LOWEST), HIGHEST) for v in values])


def from_numbers(values: Sequence[float]) -> array.array[int]:
    """Samples of whole numbers; or, if any of `values` is a float, of parts of full scale.

    Raises:
        AudioError: one is no number, or a whole one has more than 16 bits.
    """
    try:
        if any(isinstance(value, float) for value in values):
            return from_floats(values)
        return array.array("h", values)  # type: ignore[arg-type]  # whole, all of them
    except (TypeError, OverflowError) as error:
        raise AudioError(
            f"samples are a flat list of 16-bit whole numbers, or of floats: {error}"
        ) from error


def from_floats(values: Sequence[float]) -> array.array[int]:
    """Samples of `values` in -1 … 1.

    Raises:
        AudioError: one of them is not a number.
    """
    if math.isnan(sum(values)):  # one NaN makes the sum NaN: cheaper than asking each
        raise AudioError("the sound holds samples that are not numbers (NaN): write it again")
    return clipped(max(-1.0, min(v, 1.0)) * 32768 for v in values)


def peaks(samples: array.array[int], size: int) -> list[float]:
    """The loudest sample of each `size` of them, 0 … 1: what a drawing of sound needs."""
    silence = array.array("h", bytes(2 * size))
    found = []
    for at in range(0, len(samples), size):
        piece = samples[at : at + size]
        highest, lowest = (0, 0) if piece == silence else (max(piece), min(piece))
        found.append(max(highest, -lowest) / 32768)
    return found
