"""docs/from-rust.md keeps its word; and the tests of the Rust module, in Python.

The second half follows the Rust tests one by one, under their names, so that the two can be laid
side by side.
"""

from __future__ import annotations

import ast
import base64
import json
import pkgutil
import re
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from grok_rt import GrokClient, errors, events, models
from grok_rt._connection.outbox import Outbox
from grok_rt._wire import codec
from grok_rt._wire.framing import TEXT, Frame
from grok_rt._wire.transport import Transport
from grok_rt.audio import AudioFormat
from grok_rt.simulator import loopback

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "from-rust.md").read_text("utf-8").splitlines()
    if line.startswith("| `")
]
NAMES = sorted({name for row in ROWS for name in re.findall(r"`(\w+\.[\w.]+)`", row[1])})
CASES = sorted({case for row in ROWS for case in re.findall(r"`([\w/]+\.py::\w+)`", row[2])})


@pytest.mark.parametrize("name", NAMES)
def test_our_names_exist(name: str) -> None:
    """Each name of ours in the table can be imported as it is written."""
    pkgutil.resolve_name(f"grok_rt.{name}")


@pytest.mark.parametrize("case", CASES)
def test_the_tests_named_exist(case: str) -> None:
    """Each test the table points at is there."""
    file, _, name = case.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_row_has_its_proof() -> None:
    """No row of the table is without a test."""
    assert [row[0] for row in ROWS if not re.search(r"\.py::\w+", row[2])] == []


# --- what the Rust types promised --------------------------------------------------------------

RUST_EVENTS = {
    "session.update": ("SessionUpdate", "session"),
    "input_audio_buffer.append": ("InputAudioBufferAppend", "event_id audio"),
    "conversation.item.commit": ("ConversationItemCommit", "event_id"),
    "input_audio_buffer.clear": ("InputAudioBufferClear", "event_id"),
    "conversation.item.create": ("ConversationItemCreate", "event_id item"),
    "response.create": ("ResponseCreate", "event_id response"),
    "response.cancel": ("ResponseCancel", "event_id"),
    "session.created": ("SessionCreated", "session"),
    "session.updated": ("SessionUpdated", "session"),
    "conversation.created": ("ConversationCreated", "event_id conversation previous_item_id"),
    "response.audio.delta": (
        "ResponseAudioDelta",
        "event_id response_id item_id output_index content_index audio",
    ),
    "response.output_audio.delta": (
        "ResponseOutputAudioDelta",
        "event_id response_id item_id output_index content_index audio",
    ),
    "response.function_call_arguments.delta": (
        "ResponseFunctionCallArgumentsDelta",
        "event_id response_id item_id output_index call_id delta",
    ),
    "response.function_call_arguments.done": (
        "ResponseFunctionCallArgumentsDone",
        "event_id response_id item_id output_index call_id name arguments",
    ),
    "response.done": ("ResponseDone", "event_id response_id response"),
    "input_audio_buffer.speech_started": (
        "InputAudioBufferSpeechStarted",
        "event_id audio_start_ms item_id",
    ),
    "input_audio_buffer.speech_stopped": (
        "InputAudioBufferSpeechStopped",
        "event_id audio_end_ms item_id",
    ),
    "input_audio_buffer.committed": (
        "InputAudioBufferCommitted",
        "event_id item_id previous_item_id",
    ),
    "conversation.item.input_audio_transcription.completed": (
        "InputAudioTranscriptionCompleted",
        "event_id item_id transcript content_index status previous_item_id",
    ),
    "response.output_audio_transcript.delta": (
        "ResponseOutputAudioTranscriptDelta",
        "event_id item_id response_id delta content_index output_index start_time previous_item_id",
    ),
    "response.output_audio_transcript.done": (
        "ResponseOutputAudioTranscriptDone",
        "event_id item_id response_id transcript content_index output_index previous_item_id",
    ),
    "rate_limits.updated": ("RateLimitsUpdated", "event_id rate_limits"),
    "error": ("Error", "event_id error"),
}
RUST_SHAPES = {
    models.ConversationInfo: "id object",
    models.SessionInfo: "id model voice",
    models.ResponseInfo: "id status",
    models.RateLimit: "name limit remaining reset_seconds",
    models.ErrorInfo: "type code message",
    models.FunctionCall: "call_id name arguments",
    models.ToolCallPart: "id name arguments",
}


def on_the_wire(event: events.Event) -> dict[str, Any]:
    """Read an event back as the server would."""
    message: dict[str, Any] = json.loads(codec.encode(event))
    return message


def fields(cls: type) -> set[str]:
    """Name the fields of a class."""
    return {field.name for field in attrs.fields(cls)}


@pytest.mark.parametrize("wire_type", RUST_EVENTS)
def test_every_rust_event_is_a_class(wire_type: str) -> None:
    """Each event of the Rust enums is a class of that name, with all its fields."""
    name, wanted = RUST_EVENTS[wire_type]
    event_class = getattr(events, name)
    assert event_class.wire_type == wire_type
    assert set(wanted.split()) <= fields(event_class)


def test_an_unknown_event_is_kept() -> None:
    """Where Rust had `Unknown`, there is an event with all that came."""
    event = codec.decode(b'{"type": "response.dance", "steps": 3}')
    assert isinstance(event, events.UnknownEvent)
    assert event.type == "response.dance"
    assert event.raw["steps"] == 3


@pytest.mark.parametrize("shape", RUST_SHAPES, ids=lambda shape: shape.__name__)
def test_received_shapes_have_their_fields(shape: type) -> None:
    """Each structure that Rust received has at least Rust's fields."""
    assert set(RUST_SHAPES[shape].split()) <= fields(shape)


def test_the_four_errors_have_their_heirs() -> None:
    """Rust's four errors are four branches of one tree."""
    heirs = (
        errors.ConnectionClosed,
        errors.ProtocolError,
        errors.ConnectionClosedError,
        errors.ConnectFailed,
        errors.ServerError,
    )
    assert all(issubclass(heir, errors.GrokError) for heir in heirs)


def test_defaults() -> None:
    """A configuration that says nothing is the one Rust sent."""
    config = models.SessionConfig()
    assert config.instructions == "You are a helpful voice assistant."
    assert config.voice == "Ara"
    assert list(config.tools) == []
    assert config.temperature == 0.8
    session = on_the_wire(events.SessionUpdate(session=config.to_update_payload()))["session"]
    assert "tools" not in session
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert session["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
    }


def test_the_outbox_has_the_size_of_the_channel() -> None:
    """As many events may wait for the network as in Rust: 256."""
    assert Outbox().maxsize == 256


# --- the Rust tests ----------------------------------------------------------------------------


def test_session_update_serializes() -> None:
    """A session update carries what it was given."""
    channel = models.AudioChannelConfig(format=AudioFormat("audio/pcm", 16_000))
    event = events.SessionUpdate(
        session=models.SessionUpdatePayload(
            instructions="be concise",
            voice="alloy",
            turn_detection=models.TurnDetection(),
            tools=(
                models.GrokToolDefinition.function(
                    "echo", "echo back", {"type": "object", "properties": {}}
                ),
            ),
            temperature=0.3,
            audio=models.AudioConfig(input=channel, output=channel),
        )
    )
    value = on_the_wire(event)
    assert value["type"] == "session.update"
    assert value["session"]["instructions"] == "be concise"
    assert value["session"]["voice"] == "alloy"
    assert value["session"]["tools"][0]["name"] == "echo"
    assert value["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 16_000}


def test_conversation_item_helpers_build_expected_shapes() -> None:
    """The two constructors of items give what the wire wants."""
    output = models.ConversationItem.function_call_output("call-1", "ok")
    assert on_the_wire(events.ConversationItemCreate(item=output))["item"] == {
        "type": "function_call_output",
        "call_id": "call-1",
        "output": "ok",
    }
    user = models.ConversationItem.user_text("hello")
    assert on_the_wire(events.ConversationItemCreate(item=user))["item"] == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hello"}],
    }


def test_tool_definition_from_tool() -> None:
    """A tool defined elsewhere becomes a definition for Grok."""
    schema = {"type": "object", "properties": {}}
    tool = models.ToolDefinition("tool", "desc", schema)
    definition = models.GrokToolDefinition.from_tool(tool)
    assert definition.type == "function"
    assert definition.name == "tool"
    assert definition.description == "desc"
    assert definition.parameters == schema


def test_server_event_helpers_extract_audio_and_tool_calls() -> None:
    """Both spellings of an audio delta are one kind of event; a finished call is a call."""
    ids = {"event_id": "evt", "response_id": "resp", "item_id": "item"}
    indices = {"output_index": 0, "content_index": 0}
    for wire_type in ("response.audio.delta", "response.output_audio.delta"):
        delta = base64.b64encode(b"audio").decode()
        message = {"type": wire_type, **ids, **indices, "delta": delta}
        event = codec.decode(json.dumps(message).encode())
        assert isinstance(event, events.AudioDelta)
        assert event.audio_delta() == event.audio == b"audio"
        assert event.function_call() is None
    done = events.ResponseFunctionCallArgumentsDone(
        **ids, output_index=0, call_id="call", name="tool", arguments='{"a":1}'
    )
    assert done.function_call() == models.FunctionCall("call", "tool", '{"a":1}')
    assert done.audio_delta() is None


def test_function_call_to_tool_call_part_parses_json_or_string() -> None:
    """Arguments that are no JSON are passed on as the text they are."""
    part = models.FunctionCall("call-1", "tool", '{"a":1}').to_tool_call_part()
    assert (part.name, part.arguments) == ("tool", {"a": 1})
    part = models.FunctionCall("call-2", "tool", "not-json").to_tool_call_part()
    assert part.arguments == "not-json"


def test_session_config_builders_populate_payload() -> None:
    """Each `with_...` shows in the payload."""
    config = (
        models.SessionConfig("hello")
        .with_voice("Nova")
        .with_temperature(0.4)
        .with_audio_format("audio/pcm", 16_000)
        .with_turn_detection(models.TurnDetection())
    )
    payload = config.to_update_payload()
    assert payload.instructions == "hello"
    assert payload.voice == "Nova"
    assert payload.temperature == 0.4
    session = on_the_wire(events.SessionUpdate(session=payload))["session"]
    assert "tools" not in session
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 16_000}
    tools = [models.GrokToolDefinition.function("echo", "Echo back", {"type": "object"})]
    payload = models.SessionConfig().with_tools(tools).to_update_payload()
    assert len(payload.tools or ()) == len(tools)


def test_tool_definition_constructor_sets_fields() -> None:
    """`function` fills in the type."""
    schema = {"type": "object", "properties": {}}
    definition = models.GrokToolDefinition.function("tool", "desc", schema)
    assert definition.type == "function"
    assert definition.name == "tool"
    assert definition.description == "desc"
    assert definition.parameters == schema


class Tap:
    """A transport that keeps what is sent through it."""

    def __init__(self, inner: Transport, sent: list[dict[str, Any]]) -> None:
        self._inner = inner
        self._sent = sent

    def send(self, frames: Sequence[Frame], /) -> None:
        """Keep the messages, and pass everything on."""
        self._sent += [json.loads(frame.data) for frame in frames if frame.opcode == TEXT]
        self._inner.send(frames)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_grok_sender_emits_events() -> None:
    """Each verb sends what it sent in Rust, in the same order."""
    sent: list[dict[str, Any]] = []
    connect = loopback(instant=True)
    client = GrokClient("key", transport=lambda url, headers: Tap(connect(url, headers), sent))
    with client as sender:
        assert isinstance(sender.recv(timeout=5), events.Event)
        sender.send_audio(b"audio!")
        sender.send_user_text("hello")
        sender.send_tool_result("call-1", "ok")
        sender.request_response(["text"])
        sender.cancel_response()
        sender.commit_audio()
    for message in sent:
        message.pop("event_id", None)
    assert [message["type"] for message in sent] == [
        "session.update",
        "input_audio_buffer.append",
        "conversation.item.create",
        "conversation.item.create",
        "response.create",
        "response.create",
        "response.cancel",
        "input_audio_buffer.commit",
    ]
    assert base64.b64decode(sent[1]["audio"]) == b"audio!"
    assert sent[2]["item"]["content"] == [{"type": "input_text", "text": "hello"}]
    assert sent[3]["item"] == {"type": "function_call_output", "call_id": "call-1", "output": "ok"}
    assert sent[4] == {"type": "response.create"}
    assert sent[5]["response"] == {"modalities": ["text"]}


def test_misc_helpers_cover_key_generation_and_host_extraction() -> None:
    """The handshake has a key of 16 random bytes, and names the host with its port."""
    requests: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def refuse() -> None:
            for _ in range(2):
                peer, _address = server.accept()
                with peer:
                    requests.append(peer.recv(65536).decode())
                    peer.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        for _ in range(2):
            with pytest.raises(errors.ConnectFailed):
                GrokClient("key", url=f"ws://127.0.0.1:{port}/socket").connect()
        thread.join(timeout=5)
    keys = {re.findall(r"(?im)^sec-websocket-key: *(\S+)", request)[0] for request in requests}
    assert [len(base64.b64decode(key)) for key in keys] == [16, 16]
    for request in requests:
        assert request.startswith("GET /socket")
        assert re.search(rf"(?im)^host: *127\.0\.0\.1:{port}\r$", request)
        assert re.search(r"(?im)^authorization: *Bearer key\r$", request)
