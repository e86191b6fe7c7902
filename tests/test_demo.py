"""What the demo is made of: its question, its measurements, its weather."""

from __future__ import annotations

import math
import struct
import wave
from pathlib import Path

import pytest

from grok_rt import AudioClip, demo, pcm16
from grok_rt.audio import shipped
from grok_rt.errors import AudioError, GrokError
from grok_rt.simulator import Script, Simulator


def pcm(width: int, samples: list[float]) -> bytes:
    """Samples as WAV holds them: 8 bits unsigned, all others signed."""
    if width == 1:
        return bytes(round(128 + 127 * s) for s in samples)
    full = 2 ** (8 * width - 1) - 1
    return b"".join(round(full * s).to_bytes(width, "little", signed=True) for s in samples)


def floats(samples: list[float], rate: int) -> bytes:
    """A WAV of 32-bit floats, which the standard library does not write."""
    data = struct.pack(f"<{len(samples)}f", *samples)
    form = struct.pack("<HHIIHH", 3, 1, rate, rate * 4, 4, 32)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("kind", ["8", "16", "24", "32", "float", "stereo"])
def test_any_wav_is_a_question(kind: str, rate: int, tmp_path: Path) -> None:
    """WAVs of 8 to 32 bits, of floats, of two channels, at any rate, keep length and level."""
    tone = [0.5 * math.sin(2 * math.pi * 440 * n / rate) for n in range(rate // 4)]
    path = tmp_path / "question.wav"
    if kind == "float":
        path.write_bytes(floats(tone, rate))
    else:
        width = 2 if kind == "stereo" else int(kind) // 8
        channels = 2 if kind == "stereo" else 1
        with wave.open(str(path), "wb") as file:
            file.setparams((channels, width, rate, 0, "NONE", ""))
            file.writeframes(pcm(width, [s for s in tone for _ in range(channels)]))
    clip, is_ours = demo.load_question(path)
    assert not is_ours
    heard = clip.to(pcm16())
    assert heard.duration == pytest.approx(0.25, abs=0.005)
    assert heard.level() == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.5)


def test_the_shipped_question_is_speech() -> None:
    """Without a file the shipped question is asked."""
    clip, is_ours = demo.load_question(None)
    assert is_ours
    assert clip == shipped("question")


def test_silence_is_no_question(tmp_path: Path) -> None:
    """Nothing but silence is refused before anybody is asked."""
    path = tmp_path / "silence.wav"
    AudioClip(bytes(48000), pcm16()).save(path)
    with pytest.raises(AudioError, match="nothing but silence"):
        demo.load_question(path)


@pytest.mark.parametrize(("speech", "silence"), [(0.5, 1.0), (1.0, 0.0), (0.3, 0.01)])
def test_where_speech_ends(speech: float, silence: float) -> None:
    """The end of speech is that of the last sound, not that of the file."""
    rate = 24000
    tone = [0.5 * math.sin(n / 10) for n in range(int(speech * rate))]
    clip = AudioClip.from_samples([*tone, *([0.0] * int(silence * rate))], rate)
    assert demo._end_of_speech(clip) == pytest.approx(speech, abs=0.03)


@pytest.mark.parametrize(
    ("city", "report"),
    [("Oslo", "It is 3 degrees in Oslo, with light sleet."), ("Bonn", "There is no weather")],
)
def test_the_weather(city: str, report: str) -> None:
    """The tool answers for the cities it knows, and says so for all others."""
    assert demo.Demo(None, "key").weather(city).startswith(report)


def test_a_service_without_a_sound(tmp_path: Path) -> None:
    """An answer without a sound is told as the failure it is, and no file is written."""
    out = tmp_path / "answer.wav"
    with Simulator(Script().hears("Hm?").says("")) as server:
        asking = demo.Demo(server.url, "key")
        with pytest.raises(GrokError, match="without a sound"):
            asking.hold(shipped("question")[0:0.6], out)
    assert not out.exists()
