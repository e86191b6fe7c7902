"""The simulator, spoken to by `openai`'s Python client: what others wrote for xAI works here."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grok_rt.audio import AudioClip, pcm16
from grok_rt.simulator import Script, Simulator

openai = pytest.importorskip("openai", reason="the openai package is not installed")
pytest.importorskip("openai.resources.realtime", reason="this openai knows no realtime")

# how openai uses websockets is between those two
pytestmark = pytest.mark.filterwarnings("ignore:connect\\(\\) must be used as a context manager")

KEY = "xai-key-of-the-test"
QUESTION = Path(__file__).parents[2] / "grok_rt" / "data" / "question.wav"
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Current weather for a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    script = (
        Script()
        .hears("How warm is it in Oslo?")
        .says("Let me look.")
        .calls("weather", city="Oslo")
        .says("It is {output}.")
    )
    with Simulator(script, api_key=KEY) as server:
        yield server


@pytest.fixture
def plain() -> Iterator[Simulator]:
    with Simulator(api_key=KEY) as server:
        yield server


def client(server: Simulator, key: str = KEY) -> Any:
    base = server.url.removesuffix("/realtime")
    return openai.OpenAI(
        api_key=key, base_url=base.replace("ws", "http", 1), websocket_base_url=base
    )


def until(connection: Any, type: str) -> list[Any]:
    """The events up to the next one of a type; a watchdog ends a wait for ever."""
    watchdog = threading.Timer(20, connection.close)
    watchdog.start()
    try:
        events: list[Any] = []
        while not events or events[-1].type != type:
            events.append(connection.recv())
        return events
    finally:
        watchdog.cancel()


def test_a_text_turn(plain: Simulator) -> None:
    """It opens a session, configures it, writes, and reads an answer with its sound."""
    with client(plain).realtime.connect(model="grok-voice-latest") as connection:
        assert [event.type for event in until(connection, "ping")][:2] == [
            "session.created",
            "conversation.created",
        ]
        connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
        assert until(connection, "session.updated")[-1].session.instructions == "Be brief."
        connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Is anybody there?"}],
            }
        )
        connection.response.create()
        events = until(connection, "response.done")
        said = "".join(
            e.delta for e in events if e.type == "response.output_audio_transcript.delta"
        )
        assert said == "You said: Is anybody there?"
        sound = [e.delta for e in events if e.type == "response.output_audio.delta"]
        assert len(base64.b64decode("".join(sound[:1]))) > 1000
        assert events[-1].response.status == "completed"


def test_a_spoken_turn_with_a_tool(simulator: Simulator) -> None:
    """Spoken to, the service hears, calls a function, and speaks of what came out."""
    speech = AudioClip.open(QUESTION).to(pcm16(24000)).data + bytes(48000)
    with client(simulator).realtime.connect(model="grok-voice-latest") as connection:
        detection = {"type": "server_vad", "silence_duration_ms": 300}
        session = {"type": "realtime", "tools": [WEATHER], "turn_detection": detection}
        connection.session.update(session=session)
        until(connection, "session.updated")
        for start in range(0, len(speech), 4800):
            sound = base64.b64encode(speech[start : start + 4800]).decode()
            connection.input_audio_buffer.append(audio=sound)
        events = until(connection, "response.done")
        types = [event.type for event in events]
        assert "input_audio_buffer.speech_started" in types
        heard = [e for e in events if e.type.endswith("input_audio_transcription.completed")]
        assert heard[-1].transcript == "How warm is it in Oslo?"
        (call,) = [e for e in events if e.type == "response.function_call_arguments.done"]
        assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Oslo"})
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "cold"}
        connection.conversation.item.create(item=output)
        connection.response.create()
        answer = until(connection, "response.done")[-1].response.output[0]
        assert answer.content[0].transcript == "It is cold."


def test_a_pushed_turn(plain: Simulator) -> None:
    """With turn detection off, what was committed is answered."""
    speech = AudioClip.open(QUESTION).to(pcm16(24000)).data
    with client(plain).realtime.connect(model="grok-voice-latest") as connection:
        connection.session.update(session={"type": "realtime", "turn_detection": None})
        until(connection, "session.updated")
        connection.input_audio_buffer.append(audio=base64.b64encode(speech).decode())
        connection.input_audio_buffer.commit()
        done = until(connection, "response.done")[-1]
        assert "seconds of speech" in done.response.output[0].content[0].transcript


def test_an_error_is_an_event(plain: Simulator) -> None:
    """What is refused comes back as an error, and the session goes on."""
    with client(plain).realtime.connect(model="grok-voice-latest") as connection:
        connection.response.cancel()
        assert "no active response" in until(connection, "error")[-1].error.message
        connection.response.create()
        until(connection, "response.done")


def test_a_wrong_key(plain: Simulator) -> None:
    """The door is shut to a wrong key, with xAI's status."""
    from websockets.exceptions import InvalidStatus

    with (
        pytest.raises(InvalidStatus) as refused,
        client(plain, "wrong").realtime.connect(model="m"),
    ):
        pass
    assert refused.value.response.status_code == 400


def test_a_token(plain: Simulator) -> None:
    """A token is made by a POST on the same port, and opens a session."""
    made = client(plain).post("/realtime/client_secrets", body={}, cast_to=dict[str, Any])
    with client(plain, made["value"]).realtime.connect(model="grok-voice-latest") as connection:
        until(connection, "ping")
