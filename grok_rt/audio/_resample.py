"""Resampling of PCM16, whole or as it flows; the borders of its pieces cannot be found again.

A stream is a polyphase windowed sinc, in numpy where that is installed, else in plain Python,
with the same result: weights are whole numbers held in floats, so that every sum is exact in
any order. It holds back 1 to 6 ms, where `soxr` (which resamples whole clips) would hold back
20 to 70 ms. A stream belongs to one thread at a time; streams share only read-only tables.
"""

from __future__ import annotations

import array
import functools
import math
import sys
from abc import abstractmethod
from operator import mul
from typing import TYPE_CHECKING, Any, Final, Protocol

from grok_rt.audio import _pcm
from grok_rt.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

if sys.version_info >= (3, 12):  # pragma: no cover
    from math import sumprod as _dot
else:  # pragma: no cover

    def _dot(p: list[float], q: list[float], /) -> float:
        return sum(map(mul, p, q), 0.0)


# Zero crossings of the sinc on each side. With 48, speech (hisses too) comes out within 40 dB
# of the best resamplers; twice as many would be twice as slow.
_CROSSINGS: Final = 48
_CUTOFF: Final = 0.96  # of Nyquist, in the middle of that slope
_KAISER: Final = 6.0
_UNIT: Final = 1 << 22  # the sum of all weights; 22 + 16 bits + log2(taps) stay below a float's 53
_PHASES: Final = 1024  # finer ones cannot be heard: rates without a common divisor share these


class Stream(Protocol):
    """Samples in, samples out, some of them later."""

    @abstractmethod
    def process(self, samples: array.array[int]) -> array.array[int]:
        """Take `samples`, return those that are ready."""

    @abstractmethod
    def flush(self) -> array.array[int]:
        """Return the rest; the stream is over."""


def stream(from_rate: int, to_rate: int) -> Stream:
    """The best stream that this installation has."""
    if from_rate == to_rate:
        return Same()
    try:
        return PolyphaseNumpy(from_rate, to_rate)
    except ImportError:
        return Polyphase(from_rate, to_rate)


def whole(samples: array.array[int], from_rate: int, to_rate: int) -> array.array[int]:
    """All of a sound at once, which is what `soxr` is fastest at."""
    if from_rate != to_rate:
        try:
            import numpy as np
            import soxr
        except ImportError:
            pass
        else:
            # as floats, because it would add dither to whole numbers
            floats = np.frombuffer(samples, "=i2").astype(np.float32)
            return _from_numpy(np.rint(soxr.resample(floats, from_rate, to_rate, quality="VHQ")))
    single = stream(from_rate, to_rate)
    return single.process(samples) + single.flush()


def _from_numpy(values: NDArray[np.floating[Any]]) -> array.array[int]:
    pcm = array.array("h")
    pcm.frombytes(values.clip(_pcm.LOWEST, _pcm.HIGHEST).astype("=i2").tobytes())
    return pcm


class Same:
    """The stream between equal rates."""

    def process(self, samples: array.array[int]) -> array.array[int]:
        """Return `samples`."""
        return samples

    def flush(self) -> array.array[int]:
        """Nothing was kept."""
        return array.array("h")


class Polyphase:
    """The stream in plain Python: each output is a weighted sum of the inputs around it."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        common = math.gcd(from_rate, to_rate)
        self._up = to_rate // common
        self._down = from_rate // common
        self._kernel = kernel(self._up, self._down)
        self._width = len(self._kernel[0])
        self._held = [0.0] * (self._width // 2 - 1)  # before the first sample there was silence
        self._at = 0  # the next output's place, in 1/up of an input sample after the first held
        self._taken = 0
        self._given = 0

    def process(self, samples: array.array[int]) -> array.array[int]:
        """Take `samples`, return those whose surroundings are known: all but the last few ms."""
        self._taken += len(samples)
        return self._push(samples)

    def flush(self) -> array.array[int]:
        """Return the rest; after the last sample there is silence."""
        total = (2 * self._taken * self._up + self._down) // (2 * self._down)
        missing = total - self._given
        return self._push(array.array("h", bytes(self._width)))[:missing]

    def _push(self, samples: array.array[int]) -> array.array[int]:
        self._held.extend(map(float, samples))
        places = (len(self._held) - self._width + 1) * self._up - self._at
        count = max(0, -(-places // self._down))
        ready = self._outputs(count)
        passed, self._at = divmod(self._at + count * self._down, self._up)
        del self._held[:passed]
        self._given += count
        return ready

    def _outputs(self, count: int) -> array.array[int]:
        held, kernel, width, up, down = self._held, self._kernel, self._width, self._up, self._down
        phases = len(kernel)
        sums = []
        for place in range(self._at, self._at + count * down, down):
            first, rest = divmod(place, up)
            sums.append(_dot(held[first : first + width], kernel[rest * phases // up]))
        return _pcm.clipped(total / _UNIT for total in sums)


class PolyphaseNumpy(Polyphase):
    """The same sums, by numpy."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        import numpy as np

        super().__init__(from_rate, to_rate)
        self._np = np
        self._table: NDArray[np.float64] = np.array(self._kernel)

    def _outputs(self, count: int) -> array.array[int]:
        np, up, down = self._np, self._up, self._down
        if not count:
            return array.array("h")
        windows = np.lib.stride_tricks.sliding_window_view(np.array(self._held), self._width)
        sums = np.empty(count)
        # Every `up`-th output has the same weights, and its window lies `down` further on.
        for offset in range(min(up, count)):
            first, rest = divmod(self._at + offset * down, up)
            row = self._table[rest * len(self._table) // up]
            same = sums[offset::up]
            np.einsum("ij,j->i", windows[first::down][: len(same)], row, out=same)
        return _from_numpy(np.floor(sums / _UNIT + 0.5))


@functools.lru_cache(maxsize=32)
def kernel(up: int, down: int) -> list[list[float]]:
    """The weights, one row for each place an output can have between two inputs.

    Row `p` belongs to an output `p / len(rows)` after the input in the row's middle.
    """
    ratio = max(1.0, down / up)
    half = math.ceil(_CROSSINGS * ratio)
    phases = min(up, math.ceil(_PHASES / ratio))

    def weight(distance: float) -> float:
        edge = max(0.0, 1 - (distance / half) ** 2)
        angle = math.pi * distance * _CUTOFF / ratio
        sinc = math.sin(angle) / angle if angle else 1.0
        return sinc * _bessel(_KAISER * math.sqrt(edge))

    rows = []
    for phase in range(phases):
        row = [weight(tap - phase / phases) for tap in range(1 - half, half + 1)]
        unit = _UNIT / sum(row)
        rows.append([float(round(w * unit)) for w in row])
    return rows


def _bessel(x: float) -> float:
    """The modified Bessel function of order zero, which shapes the Kaiser window."""
    total = term = 1.0
    k = 0
    while term > total * 1e-9:
        k += 1
        term *= (x / 2 / k) ** 2
        total += term
    return total


class Resampler:
    """PCM16 mono from one sample rate to another, in pieces of any size.

    How the pieces are cut makes no difference to what comes out, all in all. The output is
    aligned with the input; its last few milliseconds come with `flush`. For one thread.

    Args:
        from_rate: samples per second of what goes in.
        to_rate: samples per second of what comes out.

    Raises:
        AudioError: a rate is not positive.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        if from_rate <= 0 or to_rate <= 0:
            raise AudioError(
                f"cannot resample from {from_rate} to {to_rate} Hz: rates are positive"
            )
        self._stream = stream(from_rate, to_rate)
        self._odd = b""

    def process(self, pcm: bytes) -> bytes:
        """Take `pcm`, return what is ready; half a sample waits for its other half."""
        if self._odd:
            pcm = self._odd + pcm
        whole = len(pcm) & ~1
        self._odd = pcm[whole:]
        return _pcm.pack(self._stream.process(_pcm.unpack(pcm[:whole])))

    def flush(self) -> bytes:
        """Return the rest; the resampler is used up."""
        return _pcm.pack(self._stream.flush())
