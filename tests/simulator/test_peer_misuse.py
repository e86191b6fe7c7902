"""Whatever a client says, a simulated session answers and lives on."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import changed
from virtual_talk import MANUAL, VAD, Talk, names, only
from wire import JSON, SAMPLES, decode

from grok_rt.audio import pcm16, shipped
from grok_rt.events import ClientEvent
from grok_rt.simulator.brain import Context, Reply
from grok_rt.simulator.script import Performance, Script

SPEECH = base64.b64encode(shipped("question").to(pcm16()).data + bytes(48_000)).decode()
CLIENT = [
    *(sample for sample in SAMPLES if isinstance(decode(sample), ClientEvent)),
    {"type": "input_audio_buffer.append", "audio": SPEECH},
]
TYPES = {sample["type"] for sample in CLIENT}
NAMES = {name for sample in CLIENT for name in sample} - {"type"}


def message(**part: Any) -> dict[str, Any]:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", **part}]}
    return {"type": "conversation.item.create", "item": item}


def call(**fields: Any) -> dict[str, Any]:
    item = {"type": "function_call", "name": "w", "arguments": "{}", **fields}
    return {"type": "conversation.item.create", "item": item}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("type", {"type": 7}),
    ("event_id", {"type": "response.create", "event_id": 7}),
    ("audio", {"type": "input_audio_buffer.append", "audio": ["AAAA"]}),
    ("item", {"type": "conversation.item.create", "item": "Hi"}),
    ("item.type", call(type=["message"])),
    ("item.content", call(type="message", role="user", content="Hi")),
    ("item.content", call(content=5)),
    ("item.content[0]", call(type="message", role="user", content=["Hi"])),
    ("item.content[0].type", message(type=None)),
    ("item.content[0].text", message(text=5)),
    ("item.content[0].transcript", message(transcript=["Hi"])),
    ("item.content[0].audio", message(audio=5)),
    ("item.id", call(id=5)),
    ("item.call_id", call(call_id=["a"])),
    ("item.arguments", call(arguments={})),
    ("item.interruptible", call(type="force_message", content=[], interruptible=1)),
    ("previous_item_id", {**message(text="Hi"), "previous_item_id": 5}),
    ("item_id", {"type": "conversation.item.delete", "item_id": ["x"]}),
    ("audio_end_ms", {"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": "5"}),
    ("content_index", {"type": "conversation.item.truncate", "item_id": "x", "content_index": {}}),
    ("response", {"type": "response.create", "response": []}),
    ("response.instructions", {"type": "response.create", "response": {"instructions": 5}}),
    ("response.modalities", {"type": "response.create", "response": {"modalities": "audio"}}),
    ("response.metadata", {"type": "response.create", "response": {"metadata": [["a", "b"]]}}),
    ("response_id", {"type": "response.cancel", "response_id": {}}),
    ("session", {"type": "session.update", "session": [[]]}),
]


def lives(talk: Talk) -> None:
    """It still does what it is told."""
    assert names(talk.send("session.update", session=MANUAL)) == ["session.updated"]
    assert names(talk.write("Are you there?")) == ["conversation.item.added"]
    talk.wait(60)
    assert "response.done" in names(talk.send("response.create") + talk.wait(60))


@pytest.mark.parametrize(("param", "event"), WRONG)
def test_wrong_types_are_named(param: str, event: dict[str, Any]) -> None:
    """A value of the wrong type is an invalid_request_error that names its field."""
    talk = Talk()
    (refused,) = talk.send(**event)
    assert refused["error"]["type"] == "invalid_request_error"
    assert refused["error"]["param"] == param
    lives(talk)


def misspoken(dice: random.Random) -> bytes:
    """A client's message with up to three changes."""
    value = copy.deepcopy(dice.choice(CLIENT))
    for _ in range(dice.randint(0, 3)):
        value = changed(value, dice)
    return json.dumps(value).encode()


@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=12), st.sampled_from([MANUAL, VAD]))
def test_nothing_a_client_says_ends_its_session(seeds: list[int], mode: dict[str, Any]) -> None:
    """Events that are nearly right are done or refused; none breaks the simulator."""
    talk = Talk(Script().says("Let me see.").calls("w").says("{heard}, {output}"))
    talk.send("session.update", session=mode)
    said = []
    for seed in seeds:
        talk.peer.receive(misspoken(random.Random(seed)), talk.now)
        said += talk.wait(seed % 3)
    said += talk.wait(30)
    failures = [error["error"] for error in only(said, "error")]
    own = [f for f in failures if f["type"] == "internal_error"]
    # The one failure that is meant: these clients declare functions, too, and not the script's.
    assert all(failure["message"].startswith("'w' is called, but") for failure in own)
    lives(talk)


@given(st.lists(st.tuples(st.sampled_from(sorted(TYPES)), JSON), max_size=4), st.binary())
def test_any_json_is_answered(fields: list[tuple[str, Any]], sound: bytes) -> None:
    """Any values under the names of the protocol, and any bytes as sound."""
    talk = Talk()
    for type, value in fields:
        said = talk.send(type, **dict.fromkeys(NAMES, value))
        assert "internal_error" not in {error["error"]["type"] for error in only(said, "error")}
    talk.peer.receive_audio(sound, talk.now)
    lives(talk)


class Stumbles(Script):
    """A script that cannot be played."""

    def play(self) -> Performance:
        return Fails(deque(), deque())


class Fails(Performance):
    """What breaks is the simulator's own."""

    def reply(self, context: Context) -> Reply:
        if context.heard == "Fail!":
            raise LookupError("no words")
        return super().reply(context)


def test_our_own_faults_are_internal_errors() -> None:
    """A fault inside the simulator is an error that names the event, and the session goes on."""
    talk = Talk(Stumbles())
    talk.write("Fail!")
    (failed,) = talk.send("response.create", event_id="app.1")
    assert failed["error"]["type"] == "internal_error"
    assert failed["error"]["event_id"] == "app.1"
    assert "no words" in failed["error"]["message"]
    lives(talk)
