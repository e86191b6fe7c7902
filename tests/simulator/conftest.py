"""Real speech to say to the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from grok_rt.audio import AudioClip, pcm16

QUESTION = Path(__file__).parents[2] / "grok_rt" / "data" / "question.wav"


@pytest.fixture(scope="session")
def question() -> AudioClip:
    """Two seconds of speech: PCM16 at 24 kHz."""
    return AudioClip.open(QUESTION).to(pcm16(24000))
