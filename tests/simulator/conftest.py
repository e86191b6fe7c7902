"""Real speech to say to the simulator, and all that it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tour import everything

from grok_rt.audio import AudioClip, pcm16

QUESTION = Path(__file__).parents[2] / "grok_rt" / "data" / "question.wav"


@pytest.fixture(scope="session")
def question() -> AudioClip:
    """Two seconds of speech: PCM16 at 24 kHz."""
    return AudioClip.open(QUESTION).to(pcm16(24000))


@pytest.fixture(scope="session")
def live_messages(question: AudioClip) -> list[dict[str, Any]]:
    """Everything that the simulator says, as the live service does."""
    return everything(question)


@pytest.fixture(scope="session")
def documented_messages(question: AudioClip) -> list[dict[str, Any]]:
    """Everything that the simulator says, as the documentation has it."""
    return everything(question, documented_shapes=True)
