"""Numbers and PCM16 bytes."""

from __future__ import annotations

import array
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.audio import _pcm
from grok_rt.errors import AudioError


@given(st.lists(st.integers(_pcm.LOWEST, _pcm.HIGHEST)))
def test_bytes_are_little_endian(samples: list[int]) -> None:
    """PCM is little-endian, whatever the machine is, and unpacking undoes packing."""
    pcm = _pcm.pack(array.array("h", samples))
    assert b"".join(s.to_bytes(2, "little", signed=True) for s in samples) == pcm
    assert samples == _pcm.unpack(pcm).tolist()


def test_big_endian_machines_swap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine is big-endian, bytes are swapped both ways, and the caller's are not."""
    mine = array.array("h", [1, -2])
    native = mine.tobytes()
    monkeypatch.setattr(sys, "byteorder", "big" if sys.byteorder == "little" else "little")
    if sys.byteorder == "big":  # as we say now
        assert array.array("h", [0x0100, -257]).tobytes() == _pcm.pack(mine)
        assert _pcm.unpack(_pcm.pack(mine)) == mine
    assert native == mine.tobytes()


@pytest.mark.parametrize(
    ("values", "samples"),
    [
        ([0, 1, -32768, 32767], [0, 1, -32768, 32767]),
        ([0.0, 0.5, -1.0, 1.0], [0, 16384, -32768, 32767]),
        ([1.5, -7.0, math.inf], [32767, -32768, 32767]),
        ([0, 0.5, 1], [0, 16384, 32767]),  # one float makes all of them parts of full scale
        ([], []),
    ],
)
def test_numbers_become_samples(values: list[float], samples: list[int]) -> None:
    """Whole numbers are samples, floats are parts of full scale and cut at its ends."""
    assert samples == _pcm.from_numbers(values).tolist()


@pytest.mark.parametrize(
    "values", [[math.nan], [0.5, math.nan, 1.0], [32768], ["x"], [[0.5], [0.5]]]
)
def test_what_is_no_sample_is_refused(values: list[float]) -> None:
    """NaN, too many bits, words and lists of lists are errors with a sentence."""
    with pytest.raises(AudioError, match=r"NaN|16-bit"):
        _pcm.from_numbers(values)


def test_rounds_to_the_nearest() -> None:
    """Halves go upwards, so that rounding does not depend on what is near."""
    assert _pcm.clipped([0.5, 1.5, -0.5, -1.2, 4e4, -4e4]).tolist() == [1, 2, 0, -1, 32767, -32768]
