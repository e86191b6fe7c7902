"""The simulated voice."""

from __future__ import annotations

import pytest

from grok_rt.audio import PCMA, PCMU, AudioClip, AudioFormat, pcm16
from grok_rt.simulator import voice


@pytest.fixture(params=["espeak-ng", "tones"])
def speak(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    if request.param == "tones":
        monkeypatch.setattr(voice.shutil, "which", lambda _: None)
    return voice.speak.__wrapped__


@pytest.mark.parametrize("form", [pcm16(8000), pcm16(24000), pcm16(48000), PCMU, PCMA])
def test_formats(speak: object, form: AudioFormat) -> None:
    """A sentence takes about its time in every format, and can be heard."""
    clip = AudioClip(speak("How warm is it in Oslo today?", form), form)
    assert 1.0 < clip.duration < 4.0
    assert clip.level() > -40


def test_speed(speak: object) -> None:
    """Faster speech is shorter."""
    text, form = "A sentence of several words, spoken twice.", pcm16()
    assert len(speak(text, form, speed=1.5)) < 0.85 * len(speak(text, form, speed=0.8))


@pytest.mark.parametrize("text", ["", "...", " \n", "?!"])
def test_no_words(text: str) -> None:
    """A text without words is a moment of silence."""
    assert voice.speak(text, PCMU) == PCMU.silence(100)


def test_options_are_no_text() -> None:
    """A text that looks like an option of the program is spoken."""
    assert pcm16().duration(voice.speak("--version", pcm16())) < 3


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Acme Tel and acme", "Ack-me Tell and Ack"),
        ("Acmeology", "Acmeology"),
        ("C++ rocks", "see plus plus rocks"),
        ("nothing here", "nothing here"),
    ],
)
def test_pronounced(text: str, spoken: str) -> None:
    """Whole words are replaced, whatever their case, the longest match first."""
    replacements = {"Acme": "Ack", "acme tel": "Ack-me Tell", "C++": "see plus plus"}
    assert voice.pronounced(text, replacements) == spoken
    assert voice.pronounced(text, {}) == text
