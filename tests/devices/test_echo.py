"""What of the microphone is sent while we speak ourselves."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grok_rt.audio import PCMA, PCMU, AudioClip, AudioFormat, pcm16
from grok_rt.devices import EchoGuard
from grok_rt.devices._echo import default_echo
from grok_rt.errors import ConfigError

FRAME = 0.02
FORMAT = pcm16(8000)


def noise(level: float, seed: int = 0) -> bytes:
    """20 ms at `level` dBFS."""
    dice = random.Random(seed)
    amplitude = math.sqrt(3) * 10 ** (level / 20)
    return AudioClip.from_samples([amplitude * dice.uniform(-1, 1) for _ in range(160)], 8000).data


class Room:
    """A guard, and the time that passes in frames."""

    def __init__(self, echo: str, format: AudioFormat = FORMAT) -> None:
        self.guard = EchoGuard(echo, format)  # type: ignore[arg-type]
        self.now = 100.0

    def hears(self, frame: bytes, *, speaking: bool) -> list[bytes]:
        self.now += FRAME
        return self.guard.frames(frame, speaking=speaking, now=self.now)


def test_the_default_is_half_but_with_headphones() -> None:
    """Nobody hears themselves by default, and who wears headphones can interrupt."""
    assert default_echo(None, headphones=False) == "half"
    assert default_echo(None, headphones=True) == "duplex"
    assert default_echo("duck", headphones=True) == "duck"
    with pytest.raises(ConfigError, match="'duplex', 'half' or 'duck', not 'loud'"):
        default_echo("loud", headphones=False)  # type: ignore[arg-type]


@given(st.lists(st.booleans()))
def test_duplex_sends_all(speaking: list[bool]) -> None:
    """With headphones every frame is sent as it came."""
    room = Room("duplex")
    assert all(room.hears(b"\1\0" * 160, speaking=each) == [b"\1\0" * 160] for each in speaking)


@pytest.mark.parametrize("format", [FORMAT, PCMU, PCMA])
def test_half_is_silent_while_we_speak_and_a_little_longer(format: AudioFormat) -> None:
    """The service hears silence, in the right format, until the room has become quiet."""
    room = Room("half", format)
    frame = b"\x12\x34" * (format.frame_bytes(20) // 2)
    silence = format.silence(20)
    assert room.hears(frame, speaking=False) == [frame]
    assert [room.hears(frame, speaking=True) for _ in range(3)] == [[silence]] * 3
    after = [room.hears(frame, speaking=False) for _ in range(30)]
    quiet = after.index([frame])
    assert quiet * FRAME == pytest.approx(0.3, abs=0.021)
    assert after == [[silence]] * quiet + [[frame]] * (30 - quiet)


@settings(max_examples=20)
@given(st.floats(-60, -15), st.integers(0, 1000))
def test_echo_alone_does_not_open_the_gate(level: float, seed: int) -> None:
    """However loud the echo is, and though it varies as speech does, nobody interrupts."""
    room, dice = Room("duck"), random.Random(seed)
    for number in range(200):
        frame = noise(level + dice.uniform(-8, 0), seed + number)
        assert room.hears(frame, speaking=True) == [FORMAT.silence(20)]
        assert not room.guard.interrupting


@settings(max_examples=20)
@given(st.floats(-60, -25), st.integers(0, 1000))
def test_a_voice_opens_the_gate(level: float, seed: int) -> None:
    """Who is clearly louder than the echo is heard within 100 ms, from the first syllable on."""
    room, dice = Room("duck"), random.Random(seed)
    for number in range(60):
        room.hears(noise(level + dice.uniform(-6, 0), seed + number), speaking=True)
    voice = [noise(max(level, -55) + 15, number) for number in range(5)]
    sent = [room.hears(frame, speaking=True) for frame in voice]
    assert room.guard.interrupting
    opened = next(each for each in sent if len(each) > 1)
    assert voice[0] in opened
    everything = [frame for each in sent for frame in each]
    assert everything[-5:] == voice
    assert room.hears(voice[0], speaking=True) == [voice[0]]
    for _ in range(20):
        assert room.hears(voice[0], speaking=False) == [voice[0]]
    assert not room.guard.interrupting
