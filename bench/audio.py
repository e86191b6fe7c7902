"""What a 20 ms frame costs: our conversions beside numpy, soxr and audioop.

    python bench/audio.py

Prints microseconds per frame (the best of several rounds in which all take turns) and how many
times ours that is; what is not installed is left out. A frame has 20,000 us: 200 are one percent
of a core. `audioop` is Python's own until 3.12, and `pip install audioop-lts` from 3.13 on.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import timeit
import warnings
import wave
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import figures

from grok_rt.audio import AudioClip, _g711, _pcm, _resample, pcm16, shipped
from grok_rt.devices._microphone import mixed_down

Cases = dict[str, Callable[[], object]]
OURS = "grok_rt"
SPEECH = shipped("question")
SECONDS = 2  # of the WAV file


def installed(name: str) -> Any:
    """A module, or None."""
    with contextlib.suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return __import__(name)


audioop, np, soxr = map(installed, ("audioop", "numpy", "soxr"))


def measure(title: str, cases: Cases, rounds: int, frames: float = 1) -> float:
    """Print what a frame costs by each; returns the microseconds of ours."""
    timers = {name: timeit.Timer(call) for name, call in cases.items()}
    counts = {name: max(1, timer.autorange()[0] // 10) for name, timer in timers.items()}
    least = figures.best(
        {
            name: lambda name=name: timers[name].timeit(counts[name]) / counts[name]
            for name in cases
        },
        rounds,
    )
    figures.show(
        title, ["us"], {name: [took * 1e6 / frames] for name, took in least.items()}, per=OURS
    )
    return least[OURS] * 1e6 / frames


def g711(name: str, letter: str, law: _g711.Law, rounds: int) -> float:
    pcm = _pcm.pack(SPEECH.to(pcm16(8000)).samples()[3000:3160])
    cases: Cases = {OURS: lambda: law.decode(law.encode(pcm))}
    if audioop:
        encode = getattr(audioop, f"lin2{letter}law")
        decode = getattr(audioop, f"{letter}law2lin")
        cases["audioop"] = lambda: decode(encode(pcm, 2), 2)
    if np:
        codes = np.frombuffer(law.codes, "u1")
        levels = np.frombuffer(law.decode(bytes(range(256))), "<i2")

        def by_numpy() -> bytes:
            return levels[codes[np.frombuffer(pcm, "<u2")]].tobytes()

        cases["numpy tables"] = by_numpy
    return measure(f"160 samples to {name} and back", cases, rounds)


def resampling(from_rate: int, to_rate: int, rounds: int) -> None:
    size = from_rate // 50
    frame = array("h", [round(9000 * math.sin(i / 3)) for i in range(size)])
    plain = _resample.Polyphase(from_rate, to_rate)
    cases: Cases = {OURS: lambda: plain.process(frame)}
    if np:
        fast = _resample.PolyphaseNumpy(from_rate, to_rate)
        cases["grok_rt, with numpy"] = lambda: fast.process(frame)
    if np and soxr:
        stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="int16")
        samples = np.frombuffer(frame, "=i2")
        cases["soxr (20-70 ms late)"] = lambda: stream.resample_chunk(samples)
    if audioop:
        pcm = frame.tobytes()
        cases["audioop (linear, aliases)"] = lambda: audioop.ratecv(
            pcm, 2, 1, from_rate, to_rate, None
        )
    measure(f"{from_rate} to {to_rate} Hz", cases, rounds)


def mixing(rounds: int) -> None:
    pcm = stereo(48000, 960)
    cases: Cases = {OURS: lambda: mixed_down(pcm, 2)}
    if audioop:
        cases["audioop"] = lambda: audioop.tomono(pcm, 2, 0.5, 0.5)
    if np:
        cases["numpy"] = lambda: (
            (np.frombuffer(pcm, "<i2").reshape(-1, 2).sum(1, "i4") >> 1).astype("<i2").tobytes()
        )
    measure("48000 Hz stereo to mono", cases, rounds)


def opening(rounds: int) -> None:
    """A stereo file at 44.1 kHz in the format of a session."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "question.wav")
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(44100)
            file.writeframes(stereo(44100, SECONDS * 44100))

        def read() -> bytes:
            with wave.open(str(path)) as file:
                return file.readframes(file.getnframes())

        def by_audioop() -> bytes:
            mono = audioop.tomono(read(), 2, 0.5, 0.5)
            return audioop.ratecv(mono, 2, 1, 44100, 24000, None)[0]

        def by_soxr() -> bytes:
            mono = np.frombuffer(read(), "<i2").reshape(-1, 2).mean(1, dtype="f4")
            sound = soxr.resample(mono, 44100, 24000, quality="VHQ")
            return np.rint(sound).astype("<i2").tobytes()

        cases: Cases = {OURS: lambda: AudioClip.open(path).to(pcm16(24000))}
        if np and soxr:
            cases["wave, numpy, soxr"] = by_soxr
        if audioop:
            cases["wave, audioop (linear)"] = by_audioop
        title = "WAV, 44100 Hz stereo, to 24000 Hz mono, for each 20 ms of it"
        measure(title, cases, rounds, frames=50 * SECONDS)


def stereo(rate: int, frames: int) -> bytes:
    """Interleaved PCM16: speech, and the same turned over."""
    samples = SPEECH.to(pcm16(rate)).samples()[:frames]
    samples.extend([0] * (frames - len(samples)))
    both = array("h", bytes(4 * frames))
    both[::2], both[1::2] = samples, array("h", [~value for value in samples])
    return _pcm.pack(both)


def main() -> None:
    rounds = figures.options(__doc__, 9).rounds
    took = g711("u-law", "u", _g711.ulaw(), rounds)
    g711("A-law", "a", _g711.alaw(), rounds)
    for rates in ((48000, 24000), (24000, 8000), (8000, 24000), (44100, 24000)):
        resampling(*rates, rounds)
    mixing(rounds)
    opening(rounds)
    for name, module in (("audioop", audioop), ("numpy", np), ("soxr", soxr)):
        if not module:
            figures.missing(name)
    figures.judge("us for a frame to u-law and back, without numpy", took, 30)
    figures.machine("numpy", "soxr", "audioop-lts")


if __name__ == "__main__":
    main()
