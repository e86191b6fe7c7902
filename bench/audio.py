"""What a 20 ms frame costs: our conversions beside numpy, soxr and audioop.

    python bench/audio.py

Prints microseconds per frame (the best of several runs) and how many times ours that is; what is
not installed is left out. A frame has 20,000 us: 200 are one percent of a core.
"""

from __future__ import annotations

import contextlib
import math
import timeit
import warnings
from array import array
from collections.abc import Callable

from grok_rt.audio import _g711, _pcm, _resample, shipped

Cases = dict[str, Callable[[], object]]


def best(call: Callable[[], object]) -> float:
    """Microseconds of one call."""
    timer = timeit.Timer(call)
    number, _ = timer.autorange()
    return min(timer.repeat(3, number)) / number * 1e6


def show(title: str, ours: str, cases: Cases) -> None:
    times = {name: best(call) for name, call in cases.items()}
    print(title)
    for name, took in times.items():
        print(f"  {name:<24}{took:9.1f} us   x{took / times[ours]:.3f}")


def g711() -> None:
    law = _g711.ulaw()
    pcm = _pcm.pack(shipped("question").samples()[10000:10160])
    cases: Cases = {"grok_rt": lambda: law.decode(law.encode(pcm))}
    with contextlib.suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop

        cases["audioop"] = lambda: audioop.ulaw2lin(audioop.lin2ulaw(pcm, 2), 2)
    with contextlib.suppress(ImportError):
        import numpy as np

        codes = np.frombuffer(law.codes, "u1")
        levels = np.frombuffer(law.decode(bytes(range(256))), "<i2")

        def by_numpy() -> bytes:
            return levels[codes[np.frombuffer(pcm, "<u2")]].tobytes()

        cases["numpy tables"] = by_numpy
    show("G.711: 160 samples to u-law and back", "grok_rt", cases)


def resampling(from_rate: int, to_rate: int) -> None:
    size = from_rate // 50
    frame = array("h", [round(9000 * math.sin(i / 3)) for i in range(size)])
    plain = _resample.Polyphase(from_rate, to_rate)
    cases: Cases = {"grok_rt, plain Python": lambda: plain.process(frame)}
    with contextlib.suppress(ImportError):
        fast = _resample.PolyphaseNumpy(from_rate, to_rate)
        cases["grok_rt, numpy"] = lambda: fast.process(frame)
    with contextlib.suppress(ImportError):
        import numpy as np
        import soxr

        stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="int16")
        samples = np.frombuffer(frame, "=i2")
        cases["soxr (20-70 ms late)"] = lambda: stream.resample_chunk(samples)
    with contextlib.suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop

        pcm = frame.tobytes()
        cases["audioop (linear, aliases)"] = lambda: audioop.ratecv(
            pcm, 2, 1, from_rate, to_rate, None
        )
    show(f"Resampling {from_rate} to {to_rate}", "grok_rt, plain Python", cases)


if __name__ == "__main__":
    g711()
    for rates in ((48000, 24000), (24000, 8000), (8000, 24000), (44100, 24000)):
        resampling(*rates)
