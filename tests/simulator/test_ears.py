"""What is speech, and where it begins and ends."""

from __future__ import annotations

import math
import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.audio import PCMA, PCMU, AudioClip, AudioFormat, pcm16
from grok_rt.simulator.ears import Ears, Edge, kind_of


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


def noise(rate: int, count: int, level: float, below: float) -> list[float]:
    """Noise that is mostly below so many Hz; 0 for hiss."""
    kept = 1 - 2 * math.pi * below / rate if below else 0.0
    source, last, samples = random.Random(5), 0.0, []
    for _ in range(count):
        last = kept * last + source.gauss(0, level * math.sqrt(1 - kept * kept))
        samples.append(last)
    return samples


def heard_in(form: AudioFormat, sound: list[float], **options: float) -> list[Edge]:
    """What is heard of samples that come in a format."""
    samples = array("h", (max(-32768, min(32767, round(sample))) for sample in sound))
    linear = pcm16(form.sample_rate)
    clip = AudioClip(samples.tobytes(), linear).to(form).to(linear)
    return hear(clip.data, form.sample_rate, **options)


def spoken(question: AudioClip, rate: int, level_db: float) -> list[float]:
    """The question at a level of so many dBFS, between two silences of a second."""
    clip = question.to(pcm16(rate))
    gain = 10 ** ((level_db - clip.level()) / 20)
    quiet = [0.0] * rate
    return [*quiet, *(sample * gain for sample in array("h", clip.data)), *quiet]


FORMS = [*map(pcm16, (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)), PCMU, PCMA]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_format_at_every_level(question: AudioClip, form: AudioFormat) -> None:
    """Faint or overdriven, with an offset or without: the question is one stretch of speech."""
    for level_db, offset in ((-45, 0), (-30, -4000), (0, 1500)):
        sound = spoken(question, form.sample_rate, level_db)
        edges = heard_in(form, [sample + offset for sample in sound])
        assert [edge.speaking for edge in edges] == [True, False], level_db
        assert 1000 <= edges[0].at_ms + 20 < 1500
        assert 2000 < edges[1].at_ms <= 1020 + question.duration * 1000


@pytest.mark.parametrize("silence_ms", [200, 500])
@pytest.mark.parametrize("threshold", [0.5, 0.85])
@pytest.mark.parametrize(
    ("below", "level"), [(0, 150), (30, 150), (300, 90)], ids=["hiss", "rumble", "wind"]
)
@pytest.mark.parametrize("form", [PCMU, pcm16(24000)], ids=str)
def test_on_a_noise_floor(
    question: AudioClip,
    form: AudioFormat,
    below: float,
    level: float,
    threshold: float,
    silence_ms: float,
) -> None:
    """A floor 15 dB below the voice is not heard, before it, after it or in its place."""
    sound = spoken(question, form.sample_rate, -32)
    floor = noise(form.sample_rate, len(sound), level, below)
    options = {"threshold": threshold, "silence_ms": silence_ms}
    edges = heard_in(form, [a + b for a, b in zip(sound, floor, strict=True)], **options)
    assert [edge.speaking for edge in edges] == [True, False]
    assert 980 <= edges[0].at_ms < 1500
    assert 2000 < edges[1].at_ms <= 1200 + question.duration * 1000
    assert heard_in(form, floor, **options) == []


def test_what_does_not_change_is_no_speech_for_long() -> None:
    """A hum that begins is taken for speech, for three seconds; then it is the floor."""
    edges = hear(tone(8, level=1000))
    assert [edge.speaking for edge in edges] == [True, False]
    assert edges[1].at_ms < 3500


@pytest.mark.parametrize("form", [pcm16(8000), pcm16(11025), pcm16(24000), pcm16(48000)], ids=str)
def test_kind_of(question: AudioClip, form: AudioFormat) -> None:
    """A tone is known as a tone, with its pitch; speech is speech."""
    rate = form.sample_rate
    wave = (3000 * math.sin(2 * math.pi * 440 * n / rate) + 500 for n in range(rate))
    kind = kind_of(array("h", map(int, wave)).tobytes(), rate)
    assert 430 < float(kind.removeprefix("a tone of ").removesuffix(" Hz")) < 450
    assert kind_of(question.to(form).data, rate) == "speech"
    assert kind_of(form.silence(500), rate) == "speech"


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
    faint = tone(0.5, level=200)
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
