"""Events as lines and back: nothing is lost but secrets."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from wire_cases import CASES

from grok_rt import events
from grok_rt._wire.codec import encode
from grok_rt._wire.frames import frame_of, sound_frame
from grok_rt.errors import GrokError, ProtocolError, RemoteProtocolError
from grok_rt.models import FunctionCall
from grok_rt.recording._lines import (
    line_of,
    message_of,
    read_event,
    sent_event,
    without_secrets,
)

CANARY = "Canary7d1cZq8sW2pL9vB4nM7kT1rY6uE3"
LOCAL = [
    events.Opened("s", "c"),
    events.Reconnected(resumed=True, gap=1.5, lost_audio_ms=20),
    events.FunctionCalled(FunctionCall("call-1", "weather", "{}"), "r", "weather"),
    events.Interrupted("r", "i", 12.5),
    events.AudioDropped(3),
    events.Closed(1000, "bye"),
    events.Harmless(next(e for e, _ in CASES if isinstance(e, events.Error))),
]


@pytest.mark.parametrize("event", [event for event, _ in CASES], ids=lambda e: e.type)
def test_an_event_of_the_wire_comes_back(event: events.Event) -> None:
    """Each message of the golden table is the same after it was written and read."""
    message, elided = message_of(event, keep_audio=True)
    line = json.loads(line_of(1.5, "server", message, elided))
    assert line["event"] == json.loads(encode(event))
    assert read_event("server", line["event"]) == event
    assert elided is None


@pytest.mark.parametrize("event", LOCAL, ids=lambda e: type(e).__name__)
def test_a_local_event_comes_back(event: events.LocalEvent) -> None:
    """What was told to the program is told again."""
    message, _ = message_of(event, keep_audio=False)
    line = json.loads(line_of(1.5, "local", message, None))
    assert read_event("local", line["event"]) == event


@pytest.mark.parametrize(
    "event",
    [
        events.Closed(1006, "gone", GrokError("gone")),
        events.Reconnecting(1, 0.5, GrokError("gone")),
        events.ConnectionLost(1006, "gone", GrokError("gone")),
        events.HandlerFailed(GrokError("gone"), events.Opened(), "f"),
        events.Malformed(b"{ \xff", RemoteProtocolError("no JSON")),
    ],
    ids=lambda e: type(e).__name__,
)
def test_errors_come_back_as_their_words(event: Any) -> None:
    """An exception in an event is read as an error of ours with the same words."""
    message, _ = message_of(event, keep_audio=False)
    again: Any = read_event("local", json.loads(line_of(0, "local", message, None))["event"])
    assert type(again) is type(event)
    for field in attrs.fields(type(event)):
        ours, theirs = getattr(event, field.name), getattr(again, field.name)
        if isinstance(ours, BaseException):
            assert isinstance(theirs, ProtocolError if "JSON" in str(ours) else GrokError)
            assert str(theirs) == str(ours)
        elif field.name != "data":
            assert theirs == ours


def test_sound_may_be_left_out() -> None:
    """Elided sound is told by its bytes, and read as none."""
    for event in (
        events.ResponseOutputAudioDelta(audio=b"1234", item_id="i"),
        events.InputAudioBufferAppend(b"1234"),
    ):
        message, elided = message_of(event, keep_audio=False)
        assert elided == 4
        assert "MTIzNA" not in json.dumps(message)
        assert read_event("server", message) == attrs.evolve(event, audio=b"")


def test_frames_are_what_was_said() -> None:
    """Bare sound and sound in JSON are the same event; the rest stays as it was on the wire."""
    for bare in (False, True):
        assert sent_event(sound_frame(b"12", bare=bare)) == events.InputAudioBufferAppend(b"12")
    update = events.ResponseCancel(response_id="r")
    assert sent_event(frame_of(update)) == {"type": "response.cancel", "response_id": "r"}


@pytest.mark.parametrize(
    "message",
    [
        {"tools": [{"type": "mcp", "authorization": f"Bearer {CANARY}", "server_url": "u"}]},
        {"tools": [{"type": "mcp", "headers": {"X-Key": CANARY}}]},
        {"error": {"message": f"Incorrect API key provided: xai-{CANARY}."}},
        {"error": {"message": f"you sent Authorization: Bearer {CANARY}"}},
        {"metadata": {"token": CANARY, "PASSWORD": CANARY}},
        {"delta": f"my key is xai-{CANARY}", "type": "response.text.delta"},
        {"new": [[{"client_secret": CANARY}]]},
    ],
)
def test_secrets_stay_out(message: dict[str, Any]) -> None:
    """Credentials are stars, wherever they stand and whatever the message."""
    clean = without_secrets(message)
    assert CANARY not in json.dumps(clean)
    assert "***" in json.dumps(clean)


def test_what_only_looks_like_a_secret_stays() -> None:
    """A function's parameter named `token`, a number of tokens and the words around stay."""
    schema = {"properties": {"token": {"type": "string"}, "headers": {"type": "object"}}}
    message = {"tools": [{"parameters": schema}], "usage": {"total_tokens": 3, "token": 4}}
    kept = without_secrets(message)
    assert kept["usage"] == message["usage"]
    assert kept["tools"][0]["parameters"]["properties"]["token"] == {"type": "string"}
    assert kept["tools"][0]["parameters"]["properties"]["headers"] == {"type": "object"}
    assert without_secrets("a bearer of bad news") == "a bearer of bad news"


def test_sound_inside_items_is_left_out_too() -> None:
    """A clip in a message is sound like any other."""
    item = {"item": {"content": [{"type": "input_audio", "audio": "AAAA"}]}}
    assert without_secrets(item, keep_audio=False)["item"]["content"][0]["audio"] == ""
    assert without_secrets(item)["item"]["content"][0]["audio"] == "AAAA"


def test_nonsense_is_no_event() -> None:
    """A line that nobody wrote is passed over."""
    assert read_event("local", {"type": "local.nothing"}) is None
    assert read_event("local", {"type": "local.closed"}) is None
    assert read_event("server", {"no": "type"}) is None
