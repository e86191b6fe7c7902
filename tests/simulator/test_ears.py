"""What is speech, and where it begins and ends."""

from __future__ import annotations

import math
import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.audio import AudioClip, pcm16
from grok_rt.simulator.ears import Ears, Edge


def tone(seconds: float, rate: int = 16000, level: int = 5000) -> bytes:
    wave = (int(level * math.sin(n * 1200 / rate)) for n in range(int(seconds * rate)))
    return array("h", wave).tobytes()


def hear(sound: bytes, rate: int = 16000, **options: float) -> list[Edge]:
    return list(Ears(rate, **options).hear(sound))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000])
def test_real_speech(question: AudioClip, rate: int) -> None:
    """Real speech between silences is one stretch, at every rate."""
    quiet = pcm16(rate).silence(700)
    edges = hear(quiet + question.to(pcm16(rate)).data + quiet, rate)
    assert [edge.speaking for edge in edges] == [True, False]
    assert 700 <= edges[0].at_ms < edges[1].at_ms <= 700 + question.duration * 1000


@pytest.mark.parametrize("sound", [b"", bytes(64000), b"\x01\x00" * 32000], ids=len)
def test_silence(sound: bytes) -> None:
    """Silence is no speech."""
    assert hear(sound) == []


@pytest.mark.parametrize("level", [100, 1000, 8000])
def test_hiss(level: int) -> None:
    """White noise is no speech, however loud."""
    noise = random.Random(1)
    samples = array("h", (int(noise.gauss(0, level)) // 2 for _ in range(32000)))
    assert hear(samples.tobytes()) == []


def test_click() -> None:
    """A sound shorter than 60 ms is no speech."""
    assert hear(tone(0.04) + bytes(32000)) == []


def test_edges_are_where_the_voice_is() -> None:
    """Onset and end are those of the voice, to a frame of 20 ms."""
    edges = hear(bytes(16000) + tone(0.4) + bytes(32000))
    assert edges == [Edge(speaking=True, at_ms=500), Edge(speaking=False, at_ms=900)]


def test_pause() -> None:
    """A pause shorter than `silence_ms` does not end speech; a longer one does."""
    sound = tone(0.4) + bytes(16000 * 2 * 3 // 10) + tone(0.4) + bytes(64000)
    assert len(hear(sound, silence_ms=400)) == 2
    assert len(hear(sound, silence_ms=200)) == 4


def test_threshold() -> None:
    """A low threshold hears the faint voice that a high one does not."""
    faint = tone(0.5, level=300)
    assert hear(faint, threshold=0.1)
    assert not hear(faint, threshold=0.9)


@given(st.lists(st.integers(1, 5000), max_size=20))
def test_pieces(cuts: list[int]) -> None:
    """How the sound is cut makes no difference."""
    sound = bytes(4000) + tone(0.3) + bytes(32000)
    ears, edges, start = Ears(16000), list[Edge](), 0
    for cut in [*cuts, len(sound)]:
        edges += ears.hear(sound[start : start + cut])
        start += cut
    assert edges == hear(sound)
