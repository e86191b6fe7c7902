"""The values of the wire: what users build, and what is refused before it is sent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import SOUND

from grok_rt import _codec, events, models
from grok_rt._unset import UNSET
from grok_rt.audio import PCMA, PCMU, AudioFormat, pcm16
from grok_rt.errors import ConfigError
from grok_rt.models import (
    ConversationItem,
    FunctionCall,
    GrokToolDefinition,
    ResponseCreatePayload,
    SessionConfig,
    SessionUpdatePayload,
    ToolDefinition,
    Transcription,
    TurnDetection,
)

SCHEMA = {"type": "object", "properties": {}}


def session(config: SessionConfig) -> Any:
    """What goes over the wire for a config."""
    text = _codec.encode(events.SessionUpdate(config.to_update_payload()))
    return json.loads(text)["session"]


def item(value: ConversationItem) -> Any:
    """What goes over the wire for an item."""
    return json.loads(_codec.encode(events.ConversationItemCreate(value)))["item"]


# --- what the Rust module's tests say -----------------------------------------


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
    assert json.loads(_codec.encode(events.SessionUpdate(payload))) == {
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


# --- the config ---------------------------------------------------------------


def test_the_default_config_is_the_rust_modules() -> None:
    """Ara, 0.8, µ-law without a rate, server VAD."""
    assert session(SessionConfig()) == {
        "instructions": "You are a helpful voice assistant.",
        "voice": "Ara",
        "temperature": 0.8,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
        },
        "audio": {
            "input": {"format": {"type": "audio/pcmu"}},
            "output": {"format": {"type": "audio/pcmu"}},
        },
    }


CHANGES: list[tuple[Callable[[SessionConfig], SessionConfig], dict[str, Any]]] = [
    (lambda c: c.with_instructions("x"), {"instructions": "x"}),
    (lambda c: c.with_voice("Eve"), {"voice": "Eve"}),
    (lambda c: c.with_temperature(1), {"temperature": 1}),
    (
        lambda c: c.with_audio_format("audio/pcma"),
        {
            "audio": {
                "input": {"format": {"type": "audio/pcma"}},
                "output": {"format": {"type": "audio/pcma"}},
            }
        },
    ),
    (
        lambda c: c.with_input_audio_format("audio/pcm", 8000).with_output_audio_format(
            "audio/opus"
        ),
        {
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 8000}},
                "output": {"format": {"type": "audio/opus"}},
            }
        },
    ),
    (
        lambda c: c.with_transport("json", "binary").with_speed(1.5).with_transcription(),
        {
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transport": "json",
                    "transcription": {"model": "grok-transcribe"},
                },
                "output": {"format": {"type": "audio/pcmu"}, "transport": "binary", "speed": 1.5},
            }
        },
    ),
    (
        lambda c: c.with_transcription(language_hint="de", keyterms=["Acme"]),
        {
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {
                        "model": "grok-transcribe",
                        "language_hint": "de",
                        "keyterms": ["Acme"],
                    },
                },
                "output": {"format": {"type": "audio/pcmu"}},
            }
        },
    ),
    (lambda c: c.with_turn_detection(None), {"turn_detection": None}),
    (lambda c: c.with_turn_detection(TurnDetection.manual()), {"turn_detection": {"type": None}}),
    (
        lambda c: c.with_turn_detection(
            TurnDetection(idle_timeout_ms=None, create_response=False, interrupt_response=True)
        ),
        {
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "idle_timeout_ms": None,
                "create_response": False,
                "interrupt_response": True,
            }
        },
    ),
    (
        lambda c: c.with_tool_definitions([ToolDefinition("f", None, {})]),
        {"tools": [{"type": "function", "name": "f", "parameters": {}}]},
    ),
    (lambda c: c.with_reasoning("none"), {"reasoning": {"effort": "none"}}),
    (lambda c: c.with_replace({"a": "b"}), {"replace": {"a": "b"}}),
    (lambda c: c.with_replace(None), {"replace": None}),
    (lambda c: c.with_resumption(), {"resumption": {"enabled": True}}),
    (lambda c: c.with_resumption(False), {"resumption": {"enabled": False}}),
    (lambda c: c.with_modalities(["text", "audio"]), {"modalities": ["text", "audio"]}),
    (lambda c: c.with_model("grok-voice-latest"), {"model": "grok-voice-latest"}),
    (
        lambda c: c.with_extra(tool_choice="none").with_extra(max_output_tokens=5),
        {"tool_choice": "none", "max_output_tokens": 5},
    ),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_each_with_changes_what_it_names(
    change: Callable[[SessionConfig], SessionConfig], expected: dict[str, Any]
) -> None:
    """A copy differs in that field alone, and the original in none."""
    original = SessionConfig()
    assert session(change(original)) == {**session(original), **expected}
    assert original == SessionConfig()


def test_there_is_a_with_for_every_field() -> None:
    """No setting can only be made at construction."""
    spoken_together = {"input_transport": "transport", "output_transport": "transport"}
    names = {spoken_together.get(a.name, a.name) for a in attrs.fields(SessionConfig)}
    assert {f"with_{name}" for name in names} | {"with_tool_definitions"} == {
        name for name in dir(SessionConfig) if name.startswith("with_")
    }


def test_one_format_serves_both_directions_unless_said() -> None:
    """`audio_format` is the default of both; what is asked for one direction holds there."""
    both = SessionConfig(audio_format=PCMA)
    assert (both.input_audio_format, both.output_audio_format) == (PCMA, PCMA)
    mixed = SessionConfig(audio_format=PCMA, output_audio_format=pcm16())
    assert (mixed.input_audio_format, mixed.output_audio_format) == (PCMA, pcm16())


def test_wideband_is_for_people_and_telephony_for_lines() -> None:
    """The two presets differ in their sound, and take every other setting."""
    wide = SessionConfig.wideband(voice="Eve")
    assert (wide.audio_format, wide.output_audio_format, wide.voice) == (
        pcm16(24000),
        pcm16(24000),
        "Eve",
    )
    assert wide.instructions == SessionConfig().instructions
    assert SessionConfig.telephony("Hi.") == SessionConfig("Hi.")
    assert SessionConfig.telephony().input_audio_format == PCMU


def test_configs_are_values() -> None:
    """They can be compared, kept as keys and given to other threads."""
    assert SessionConfig(tools=[]) == SessionConfig()  # type: ignore[arg-type]
    full = SessionConfig(
        tools=(GrokToolDefinition.function("f", "d", SCHEMA),), replace={"a": "b"}, extra={"x": 1}
    )
    assert len({full, full.with_voice("Ara"), SessionConfig()}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        SessionConfig().voice = "Eve"  # type: ignore[misc]


# --- what the service would refuse ----------------------------------------------

VAD = TurnDetection
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: SessionConfig(voice=""), "voice must be a non-empty string, not ''"),
    (lambda: SessionConfig(voice=None), "voice must be a non-empty string, not None"),
    (lambda: SessionConfig(5), "instructions must be a string, not 5"),
    (lambda: SessionConfig(temperature=math.nan), "temperature must be a finite number, not nan"),
    (lambda: SessionConfig(temperature=True), "temperature must be a finite number, not True"),
    (lambda: SessionConfig(temperature="1"), "temperature must be a finite number, not '1'"),
    (
        lambda: SessionConfig(audio_format="audio/pcm"),
        "audio_format must be an AudioFormat, such as grok_rt.pcm16(24000), not 'audio/pcm'",
    ),
    (
        lambda: SessionConfig().with_audio_format("audio/mp3"),
        (
            "audio_format.type must be 'audio/pcm' or 'audio/pcmu' or 'audio/pcma' or 'audio/opus',"
            " not 'audio/mp3'"
        ),
    ),
    (
        lambda: SessionConfig(input_audio_format=pcm16(12345)),
        (
            "input_audio_format.rate of audio/pcm must be 8000 or 11025 or 16000 or 22050 or 24000"
            " or 32000 or 44100 or 48000, not 12345"
        ),
    ),
    (
        lambda: SessionConfig().with_output_audio_format("audio/pcmu", 16000),
        "output_audio_format.rate of audio/pcmu must be 8000, not 16000",
    ),
    (lambda: SessionConfig(tools=["f"]), "tools[0] must be a GrokToolDefinition, not 'f'"),
    (
        lambda: SessionConfig(tools=[GrokToolDefinition("function")]),
        "tools[0].name must be a non-empty string, not UNSET",
    ),
    (
        lambda: SessionConfig(turn_detection="server_vad"),
        "turn_detection must be a TurnDetection or None, not 'server_vad'",
    ),
    (
        lambda: SessionConfig(turn_detection=VAD("semantic_vad")),
        "turn_detection.type must be 'server_vad' or None, not 'semantic_vad'",
    ),
    (
        lambda: SessionConfig(turn_detection=VAD(threshold=0.05)),
        "turn_detection.threshold must be a finite number from 0.1 to 0.9, not 0.05",
    ),
    (
        lambda: SessionConfig(turn_detection=VAD(prefix_padding_ms=-1)),
        "turn_detection.prefix_padding_ms must be a whole number from 0 to 10000, not -1",
    ),
    (
        lambda: SessionConfig(turn_detection=VAD(silence_duration_ms=10001)),
        "turn_detection.silence_duration_ms must be a whole number from 0 to 10000, not 10001",
    ),
    (
        lambda: SessionConfig(turn_detection=VAD(silence_duration_ms=0.5)),
        "turn_detection.silence_duration_ms must be a whole number from 0 to 10000, not 0.5",
    ),
    (
        lambda: SessionConfig(turn_detection=VAD(idle_timeout_ms=0)),
        "turn_detection.idle_timeout_ms must be a whole number of at least 1, not 0",
    ),
    (
        lambda: SessionConfig(input_transport="udp"),
        "input_transport must be 'json' or 'binary', not 'udp'",
    ),
    (
        lambda: SessionConfig().with_transport(output="base64"),
        "output_transport must be 'json' or 'binary', not 'base64'",
    ),
    (lambda: SessionConfig(speed=0.69), "speed must be a finite number from 0.7 to 1.5, not 0.69"),
    (lambda: SessionConfig(speed=1.51), "speed must be a finite number from 0.7 to 1.5, not 1.51"),
    (
        lambda: SessionConfig(transcription="grok-transcribe"),
        "transcription must be a Transcription, not 'grok-transcribe'",
    ),
    (
        lambda: SessionConfig().with_transcription(""),
        "transcription.model must be a non-empty string, not ''",
    ),
    (
        lambda: SessionConfig().with_transcription(keyterms="Acme"),
        "keyterms must be a sequence of strings, not 'Acme'",
    ),
    (
        lambda: SessionConfig().with_transcription(keyterms=["x"] * 101),
        "transcription.keyterms takes at most 100 entries, not 101",
    ),
    (
        lambda: SessionConfig(transcription=Transcription(keyterms=("x" * 51,))),
        "transcription.keyterms[0] must be at most 50 characters long, not '" + "x" * 51 + "'",
    ),
    (lambda: SessionConfig(reasoning="low"), "reasoning must be 'high' or 'none', not 'low'"),
    (
        lambda: SessionConfig(replace=["a"]),
        "replace must be a mapping of strings to strings, not ['a']",
    ),
    (lambda: SessionConfig(replace={"a": 1}), "replace['a'] must be a string, not 1"),
    (
        lambda: SessionConfig(replace={"": "x"}),
        "a key of replace must be a non-empty string, not ''",
    ),
    (lambda: SessionConfig(resumption="yes"), "resumption must be True or False, not 'yes'"),
    (lambda: SessionConfig(modalities=("",)), "modalities[0] must be a non-empty string, not ''"),
    (
        lambda: SessionConfig().with_modalities("audio"),
        "modalities must be a sequence of strings, not 'audio'",
    ),
    (lambda: SessionConfig(model=""), "model must be a non-empty string, not ''"),
    (
        lambda: SessionConfig(extra={"speed": 1}) and SessionConfig(extra={"voice": "x"}),
        "extra['voice'] is a setting of its own: SessionConfig has it",
    ),
    (
        lambda: GrokToolDefinition.function("", "d", {}),
        "tool.name must be a non-empty string, not ''",
    ),
    (
        lambda: GrokToolDefinition.function("f", "d", ["x"]),  # type: ignore[arg-type]
        "tool.parameters must be a JSON Schema as a mapping, not ['x']",
    ),
    (lambda: GrokToolDefinition("").checked("t"), "t.type must be a non-empty string, not ''"),
    (
        lambda: GrokToolDefinition.web_search(allowed_domains=list("abcdef")),
        "web_search.allowed_domains takes at most 5 entries, not 6",
    ),
    (
        lambda: GrokToolDefinition.web_search(allowed_domains=["a"], excluded_domains=["b"]),
        (
            "web_search.allowed_domains and web_search.excluded_domains exclude each other:"
            " give one of them"
        ),
    ),
    (
        lambda: GrokToolDefinition.x_search(excluded_x_handles=["a"] * 21),
        "x_search.excluded_x_handles takes at most 20 entries, not 21",
    ),
    (
        lambda: GrokToolDefinition.x_search(from_date="2026-13-01"),
        "x_search.from_date must be a day written as YYYY-MM-DD, not '2026-13-01'",
    ),
    (
        lambda: GrokToolDefinition.x_search(to_date="20260101"),
        "x_search.to_date must be a day written as YYYY-MM-DD, not '20260101'",
    ),
    (
        lambda: GrokToolDefinition.x_search(from_date="2026-02-01", to_date="2026-01-01"),
        "x_search.from_date must not be after to_date: 2026-02-01 > 2026-01-01",
    ),
    (
        lambda: GrokToolDefinition.file_search([]),
        "file_search.vector_store_ids must be at least one id, not ()",
    ),
    (
        lambda: GrokToolDefinition.file_search(["c"], max_num_results=0),
        "file_search.max_num_results must be a whole number of at least 1, not 0",
    ),
    (
        lambda: GrokToolDefinition.mcp("", "shop"),
        "mcp.server_url must be a non-empty string, not ''",
    ),
    (
        lambda: GrokToolDefinition.mcp("https://x", "my.shop"),
        "mcp.server_label must be without dots, not 'my.shop'",
    ),
    (
        lambda: ResponseCreatePayload.of(metadata={str(n): "x" for n in range(17)}),
        "metadata takes at most 16 pairs, not 17",
    ),
    (
        lambda: ResponseCreatePayload.of(metadata={"k" * 65: "x"}),
        "a key of metadata must be at most 64 characters long, not '" + "k" * 65 + "'",
    ),
    (
        lambda: ResponseCreatePayload.of(metadata={"k": "x" * 513}),
        "metadata['k'] must be at most 512 characters long, not '" + "x" * 513 + "'",
    ),
    (
        lambda: ResponseCreatePayload.of(metadata=["k"]),  # type: ignore[arg-type]
        "metadata must be a mapping, not ['k']",
    ),
    (
        lambda: ResponseCreatePayload.of("text"),
        "modalities must be a sequence of strings, not 'text'",
    ),
]


@pytest.mark.parametrize(("build", "sentence"), REFUSED, ids=lambda each: str(each)[:50])
def test_what_the_service_would_refuse_is_refused_here(
    build: Callable[[], object], sentence: str
) -> None:
    """The sentence names the field, the value and what is allowed."""
    with pytest.raises(ConfigError) as raised:
        build()
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "config",
    [
        lambda: SessionConfig(turn_detection=VAD(UNSET, 0.1, 0, 10000)),
        lambda: SessionConfig(turn_detection=VAD(threshold=0.9, idle_timeout_ms=1)),
        lambda: SessionConfig(turn_detection=VAD("server_vad", None, None, None)),
        lambda: SessionConfig(speed=0.7, temperature=0),
        lambda: SessionConfig(speed=1.5),
        lambda: SessionConfig(audio_format=AudioFormat("audio/pcmu", 8000)),
        lambda: SessionConfig(audio_format=AudioFormat("audio/pcm", None)),
        lambda: SessionConfig("").with_transcription(keyterms=["x" * 50] * 100),
        lambda: SessionConfig(transcription=Transcription(None, None, None)),
        lambda: SessionConfig(transcription=None, modalities=("audio",)),
        lambda: SessionConfig(extra={"something_new": object()}),
        lambda: SessionConfig(tools=[GrokToolDefinition("something_new", extra={"x": 1})]),
        lambda: SessionConfig(tools=[GrokToolDefinition("function", "f", nested=True)]),
        lambda: GrokToolDefinition.web_search(excluded_domains=list("abcde")),
        lambda: GrokToolDefinition.x_search(
            allowed_x_handles=["a"] * 20, from_date="2026-01-01", to_date="2026-01-01"
        ),
        lambda: GrokToolDefinition("x_search", from_date=None).checked("t"),
        lambda: GrokToolDefinition.mcp("https://x", "shop"),
        lambda: GrokToolDefinition.file_search(["c"]),
        lambda: ResponseCreatePayload.of(["audio"], "x", {"k" * 64: "x" * 512, "n": 1}),
        lambda: ResponseCreatePayload.of(),
    ],
)
def test_the_bounds_themselves_are_allowed(config: Callable[[], object]) -> None:
    """Each limit is the last value that passes, and what we do not know passes."""
    assert config() is not None


@given(st.floats() | st.integers(), st.integers() | st.floats())
def test_numbers_pass_exactly_within_their_range(speed: float, silence: float) -> None:
    """No number outside passes, and none inside is refused; booleans are no numbers."""
    for build, inside in (
        (lambda: SessionConfig(speed=speed), 0.7 <= speed <= 1.5),
        (
            lambda: SessionConfig(turn_detection=VAD(silence_duration_ms=silence)),  # type: ignore[arg-type]
            isinstance(silence, int) and 0 <= silence <= 10000,
        ),
    ):
        if inside:
            build()
        else:
            with pytest.raises(ConfigError):
                build()


def test_what_was_received_is_never_refused() -> None:
    """The limits hold for what is built here, not for what comes."""
    value = {
        "type": "session.update",
        "session": {
            "voice": "",
            "turn_detection": {"type": "semantic_vad", "threshold": 99, "prefix_padding_ms": -1},
            "audio": {"output": {"speed": 7, "format": {"type": "audio/new", "rate": 1}}},
            "tools": [{"type": "x_search", "from_date": "today"}, {"type": "mcp"}],
            "reasoning": {"effort": "some"},
        },
    }
    event = _codec.decode(json.dumps(value).encode())
    assert isinstance(event, events.SessionUpdate)
    assert json.loads(_codec.encode(event)) == value


# --- items and tools ------------------------------------------------------------


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


def test_a_config_shows_what_it_says() -> None:
    """The settings that are left to the service are left out."""
    shown = repr(SessionConfig("Hi.", extra={"x": 1}))
    assert shown.startswith("SessionConfig(instructions='Hi.', voice='Ara', tools=(), ")
    assert shown.endswith("extra={'x': 1})")
    assert "UNSET" not in shown


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
