"""Resampling: what comes out is the same sound, however it was cut and by whom computed."""

from __future__ import annotations

import array
import itertools
import math
import shutil
import subprocess
import sys
from operator import mul

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grok_rt.audio import _pcm, _resample, pcm16, shipped
from grok_rt.audio._resample import Resampler
from grok_rt.errors import AudioError

RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000]
rates = st.sampled_from(RATES) | st.integers(8000, 48000)
noise = st.lists(st.integers(-32768, 32767), max_size=600).map(lambda s: array.array("h", s))


def tone(rate: int, hertz: float = 1000, seconds: float = 0.25) -> array.array[int]:
    step = 2 * math.pi * hertz / rate
    return array.array("h", [round(16000 * math.sin(step * i)) for i in range(int(rate * seconds))])


def through(stream: _resample.Stream, samples: array.array[int]) -> array.array[int]:
    return stream.process(samples) + stream.flush()


def power(samples: array.array[int]) -> float:
    return sum(map(mul, samples, samples)) / len(samples)


def snr(reference: array.array[int], samples: array.array[int]) -> float:
    """Return the dB by which `samples` outweigh their difference, but for the ends."""
    assert abs(len(reference) - len(samples)) <= 1
    pairs = list(zip(reference, samples, strict=False))[100:-100]
    error = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    return 10 * math.log10(power(reference) / max(error, 1e-9))


def sox(samples: array.array[int], from_rate: int, to_rate: int) -> array.array[int]:
    raw = ["-t", "raw", "-e", "signed", "-b", "16", "-c", "1"]
    command = ["sox", "-D", *raw, "-r", str(from_rate), "-", *raw, "-", "rate", "-v", str(to_rate)]
    result = subprocess.run(command, input=_pcm.pack(samples), capture_output=True, check=True)
    return _pcm.unpack(result.stdout)


needs_sox = pytest.mark.skipif(not shutil.which("sox"), reason="sox is not installed")


@settings(max_examples=40)
@given(noise, st.sampled_from(RATES), st.sampled_from(RATES), st.lists(st.integers(0, 700)))
def test_cuts_cannot_be_found(
    samples: array.array[int], from_rate: int, to_rate: int, cuts: list[int]
) -> None:
    """Any way to cut the bytes, in the middle of samples too, gives exactly the same output."""
    pcm = _pcm.pack(samples)
    single, pieces = Resampler(from_rate, to_rate), Resampler(from_rate, to_rate)
    whole = single.process(pcm) + single.flush()
    places = sorted({0, *(cut for cut in cuts if cut < len(pcm)), len(pcm)})
    parts = [pieces.process(pcm[a:b]) for a, b in itertools.pairwise(places)]
    assert whole == b"".join(parts) + pieces.flush()


@settings(max_examples=10)
@given(noise, rates, rates)
def test_the_length_is_that_of_the_time(
    samples: array.array[int], from_rate: int, to_rate: int
) -> None:
    """As many samples come out as fit the duration, to the nearest one."""
    out = through(_resample.Polyphase(from_rate, to_rate), samples)
    assert abs(len(out) - len(samples) * to_rate / from_rate) <= 0.5


@settings(max_examples=25)
@given(noise, st.sampled_from(RATES), st.sampled_from(RATES))
def test_numpy_makes_no_difference(samples: array.array[int], from_rate: int, to_rate: int) -> None:
    """With and without numpy, every sample is the same."""
    pytest.importorskip("numpy")
    plain = through(_resample.Polyphase(from_rate, to_rate), samples)
    assert plain == through(_resample.PolyphaseNumpy(from_rate, to_rate), samples)


def test_numpy_takes_long_pieces() -> None:
    """Many outputs at once are the same, too."""
    pytest.importorskip("numpy")
    samples = tone(8000, seconds=1.2)
    plain = through(_resample.Polyphase(8000, 16000), samples)
    assert plain == through(_resample.PolyphaseNumpy(8000, 16000), samples)


@pytest.mark.parametrize(("from_rate", "to_rate"), list(itertools.permutations(RATES, 2)))
def test_a_tone_stays_a_tone(from_rate: int, to_rate: int) -> None:
    """Between any two rates 1 kHz comes out as 1 kHz in its place: 60 dB at least."""
    out = through(_resample.Polyphase(from_rate, to_rate), tone(from_rate))
    assert snr(tone(to_rate), out) > 60


def test_what_the_new_rate_cannot_hold_is_silent() -> None:
    """A tone above the new Nyquist frequency does not fold back: 55 dB down at least."""
    high = tone(24000, 6000)
    out = through(_resample.Polyphase(24000, 8000), high)
    assert power(high) / max(power(out[100:-100]), 1e-9) > 10**5.5


@needs_sox
@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(24000, 8000), (8000, 24000), (24000, 48000), (24000, 44100)]
)
def test_speech_is_as_sox_would_have_it(from_rate: int, to_rate: int) -> None:
    """Speech is within 40 dB of SoX's best in plain Python, and within 60 by soxr."""
    speech = shipped("question")[0.3:1.3].to(pcm16(from_rate)).samples()
    reference = sox(speech, from_rate, to_rate)
    assert snr(reference, through(_resample.Polyphase(from_rate, to_rate), speech)) > 40
    assert snr(reference, _resample.whole(speech, from_rate, to_rate)) > 60


def test_a_stream_is_never_late() -> None:
    """Of a stream in 20 ms frames, no more than 7 ms are held back."""
    for from_rate, to_rate in itertools.permutations(RATES, 2):
        stream = _resample.stream(from_rate, to_rate)
        frame = array.array("h", bytes(2 * (from_rate // 50)))
        out = sum(len(stream.process(frame)) for _ in range(5))
        assert out / to_rate > 5 * len(frame) / from_rate - 0.007


def test_steady_stays_steady() -> None:
    """A constant comes out as that constant, whatever the phase."""
    out = through(_resample.Polyphase(11025, 44100), array.array("h", [12345] * 2000))
    assert {12345} == set(out[800:-800])


def test_equal_rates_change_nothing() -> None:
    """Where there is nothing to do, nothing is done and nothing held back."""
    same = Resampler(16000, 16000)
    assert same.process(b"\x01\x02\x03") == b"\x01\x02"
    assert same.process(b"\x04") == b"\x03\x04"
    assert same.flush() == b""
    samples = tone(8000)
    assert samples == _resample.whole(samples, 8000, 8000)


@pytest.mark.parametrize("rates", [(0, 8000), (8000, -1)])
def test_rates_are_positive(rates: tuple[int, int]) -> None:
    """A rate that is none is refused when the resampler is made."""
    with pytest.raises(AudioError, match="positive"):
        Resampler(*rates)


def test_nothing_needs_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numpy and soxr the same conversions run in plain Python."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert type(_resample.stream(8000, 16000)) is _resample.Polyphase
    out = _resample.whole(tone(24000), 24000, 8000)
    assert out == through(_resample.Polyphase(24000, 8000), tone(24000))


def test_uses_what_is_installed() -> None:
    """Numpy computes the streams, soxr whole clips; both keep the sound where it was."""
    pytest.importorskip("soxr")
    assert type(_resample.stream(8000, 16000)) is _resample.PolyphaseNumpy
    assert snr(tone(8000), _resample.whole(tone(24000), 24000, 8000)) > 60
    assert len(_resample.whole(array.array("h"), 24000, 8000)) == 0
