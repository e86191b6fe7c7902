"""Our client, against a service that shares no line of code with it or with the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grok_rt import GrokClient, SessionConfig, events
from grok_rt.audio import AudioClip
from grok_rt.errors import AuthenticationFailed

pytest.importorskip("wsproto", reason="wsproto is not installed")
from other_server import other_server

KEY = "xai-key-of-the-test"
QUESTION = Path(__file__).parents[2] / "grok_rt" / "data" / "question.wav"


@pytest.fixture
def other() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with other_server(KEY) as server:
        yield server


def test_a_text_turn(other: tuple[str, list[dict[str, Any]]]) -> None:
    """A question that is written is answered in words and in sound, with what it cost."""
    url, said = other
    with GrokClient(KEY, url=url, proxy=None) as grok:
        answer = grok.ask("Is anybody there?", timeout=20)
    assert answer.text == "You asked: Is anybody there?"
    assert answer.audio.duration == pytest.approx(0.7, abs=0.01)
    assert answer.usage is not None
    assert answer.usage.total_tokens == 40
    assert answer.status == "completed"
    assert [message["type"] for message in said] == [
        "session.update",
        "conversation.item.create",
        "response.create",
    ]


def test_a_spoken_turn(other: tuple[str, list[dict[str, Any]]]) -> None:
    """A question that is spoken is heard, transcribed and answered."""
    url, said = other
    with GrokClient(KEY, url=url, proxy=None) as grok:
        heard: list[events.InputAudioTranscriptionCompleted] = []
        grok.on(events.InputAudioTranscriptionCompleted)(heard.append)
        answer = grok.ask(AudioClip.open(QUESTION), timeout=30)
    assert answer.text == "You asked: How warm is it?"
    assert answer.audio.duration == pytest.approx(0.7, abs=0.01)
    assert [event.transcript for event in heard if event.is_final] == ["How warm is it?"]
    assert {message["type"] for message in said} == {"session.update", "input_audio_buffer.append"}


def test_a_tool_round_trip(other: tuple[str, list[dict[str, Any]]]) -> None:
    """A call is made, run, answered once its response is done, and spoken about."""
    url, said = other
    with GrokClient(KEY, url=url, proxy=None, config=SessionConfig.wideband("Be brief.")) as grok:

        @grok.tool(timeout=5)
        def weather(city: str) -> str:
            """Current weather for a city."""
            return f"cold in {city}"

        answer = grok.ask("How warm is it?", timeout=20)
    assert answer.text.endswith("It is cold in Oslo.")
    (output,) = [m["item"] for m in said if m.get("item", {}).get("type") == "function_call_output"]
    assert output["output"] == "cold in Oslo"
    assert [message["type"] for message in said[-2:]] == [
        "conversation.item.create",
        "response.create",
    ]


def test_a_wrong_key(other: tuple[str, list[dict[str, Any]]]) -> None:
    """A refusal that another hand wrote is read as what it is."""
    with pytest.raises(AuthenticationFailed, match="Incorrect API key") as refused:
        GrokClient("wrong", url=other[0], proxy=None).connect()
    assert refused.value.status == 400
