"""`SessionConfig`: its defaults, its copies, and what it becomes on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from wire import session

from grok_rt.audio import PCMA, PCMU, pcm16
from grok_rt.models import (
    GrokToolDefinition,
    SessionConfig,
    ToolDefinition,
    TurnDetection,
)

SCHEMA = {"type": "object", "properties": {}}


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


def test_a_config_shows_what_it_says() -> None:
    """The settings that are left to the service are left out."""
    shown = repr(SessionConfig("Hi.", extra={"x": 1}))
    assert shown.startswith("SessionConfig(instructions='Hi.', voice='Ara', tools=(), ")
    assert shown.endswith("extra={'x': 1})")
    assert "UNSET" not in shown
