"""The values that users build, with the shapes that go over the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire import item
from wire_cases import SOUND

from grok_rt import events, models
from grok_rt._unset import UNSET
from grok_rt._wire import codec
from grok_rt.audio import pcm16
from grok_rt.models import (
    ConversationItem,
    FunctionCall,
    GrokToolDefinition,
    SessionConfig,
    SessionUpdatePayload,
    ToolDefinition,
    TurnDetection,
)

SCHEMA = {"type": "object", "properties": {}}


def test_session_update_serializes() -> None:
    """A payload goes out field by field, and nothing else does."""
    channel = models.AudioChannelConfig(format=pcm16(16000))
    payload = SessionUpdatePayload(
        instructions="be concise",
        voice="alloy",
        turn_detection=TurnDetection(),
        tools=(GrokToolDefinition.function("echo", "echo back", SCHEMA),),
        temperature=0.3,
        audio=models.AudioConfig(input=channel, output=channel),
    )
    assert json.loads(codec.encode(events.SessionUpdate(payload))) == {
        "type": "session.update",
        "session": {
            "instructions": "be concise",
            "voice": "alloy",
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
            },
            "tools": [
                {
                    "type": "function",
                    "name": "echo",
                    "description": "echo back",
                    "parameters": SCHEMA,
                }
            ],
            "temperature": 0.3,
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 16000}},
                "output": {"format": {"type": "audio/pcm", "rate": 16000}},
            },
        },
    }


def test_conversation_item_helpers_build_expected_shapes() -> None:
    """An answer and a text of the user have the shapes that the service documents."""
    assert item(ConversationItem.function_call_output("call-1", "ok")) == {
        "type": "function_call_output",
        "call_id": "call-1",
        "output": "ok",
    }
    assert item(ConversationItem.user_text("hello")) == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hello"}],
    }


def test_tool_definition_from_tool() -> None:
    """A function described for any agent framework becomes one of ours."""
    tool = GrokToolDefinition.from_tool(ToolDefinition("tool", "desc", SCHEMA))
    assert tool == GrokToolDefinition("function", "tool", "desc", SCHEMA)
    assert GrokToolDefinition.from_tool(ToolDefinition("tool", None, SCHEMA)).description is UNSET


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('{"a":1}', {"a": 1}),
        ("[1, null]", [1, None]),
        ("not-json", "not-json"),
        ("", ""),
        ('{"a": NaN}', '{"a": NaN}'),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=lambda value: str(value)[:12],
)
def test_function_call_to_tool_call_part_parses_json_or_string(written: str, value: Any) -> None:
    """Arguments that are JSON become values; all others stay the text the model wrote."""
    part = FunctionCall("call-1", "tool", written).to_tool_call_part()
    assert (part.id, part.name, part.arguments) == ("call-1", "tool", value)


def test_session_config_builders_populate_payload() -> None:
    """Each `with_…` of the Rust module shows in the payload; no tools are absent."""
    config = (
        SessionConfig("hello")
        .with_voice("Nova")
        .with_temperature(0.4)
        .with_audio_format("audio/pcm", 16_000)
        .with_turn_detection(TurnDetection())
    )
    payload = config.to_update_payload()
    assert (payload.instructions, payload.voice, payload.temperature) == ("hello", "Nova", 0.4)
    assert payload.tools is UNSET
    assert payload.audio == models.AudioConfig(
        input=models.AudioChannelConfig(format=pcm16(16000)),
        output=models.AudioChannelConfig(format=pcm16(16000)),
    )
    tools = [GrokToolDefinition.function("echo", "Echo back", {"type": "object"})]
    assert SessionConfig().with_tools(tools).to_update_payload().tools == tuple(tools)


def test_tool_definition_constructor_sets_fields() -> None:
    """A function has a type, a name, a description and parameters."""
    tool = GrokToolDefinition.function("tool", "desc", SCHEMA)
    assert (tool.type, tool.name, tool.description) == ("function", "tool", "desc")
    assert tool.parameters == SCHEMA


def test_turn_detection_default() -> None:
    """The values are those of the Rust module."""
    assert TurnDetection() == TurnDetection("server_vad", 0.5, 300, 200)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            ConversationItem.user_audio(SOUND),
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_audio", "audio": "AAECAw=="}],
            },
        ),
        (
            ConversationItem.assistant_text("Hi.", id="i"),
            {
                "type": "message",
                "id": "i",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi."}],
            },
        ),
        (
            ConversationItem.system_text("Hi."),
            {
                "type": "message",
                "role": "system",
                "content": [{"type": "input_text", "text": "Hi."}],
            },
        ),
        (
            ConversationItem.function_call("f", "{}", call_id="seed-1"),
            {"type": "function_call", "call_id": "seed-1", "name": "f", "arguments": "{}"},
        ),
        (
            ConversationItem.force_message("Hi.", interruptible=False),
            {
                "type": "force_message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi."}],
                "interruptible": False,
            },
        ),
    ],
)
def test_items_have_the_shapes_seen_live(value: ConversationItem, expected: dict[str, Any]) -> None:
    """Each constructor knows the role and the part type that the service takes."""
    assert item(value) == expected


def test_secrets_of_tools_are_not_shown() -> None:
    """What an MCP server is told in confidence stays out of logs."""
    tool = GrokToolDefinition.mcp(
        "https://x", "shop", authorization="Bearer s3cret", headers={"X": "s3cret"}
    )
    assert "s3cret" not in repr(tool)
    assert "s3cret" not in repr(SessionConfig(tools=(tool,)))


def test_names_are_exported_sorted() -> None:
    """`grok_rt.models` lists what it has."""
    assert all(getattr(models, name) is not None for name in models.__all__)
