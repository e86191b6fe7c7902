"""What a session can be set to, what is refused, and how it is echoed."""

from __future__ import annotations

from typing import Any

import pytest

from grok_rt.audio import PCMU, pcm16
from grok_rt.simulator.reading import Refused
from grok_rt.simulator.settings import Settings

FUNCTION = {"name": "w", "description": "Weather.", "parameters": {"type": "object"}}


WEB = {"type": "web_search"}
X = {"type": "x_search"}
MCP = {"type": "mcp", "server_label": "shop", "server_url": "https://mcp.example.com"}


def echo(*updates: dict[str, Any]) -> dict[str, Any]:
    settings = Settings("m")
    for update in updates:
        settings.update(update)
    session: dict[str, Any] = settings.echo()["session"]
    return session


def test_defaults() -> None:
    """A session that was told nothing is manual, 24 kHz PCM, at normal speed."""
    settings = Settings("m")
    assert settings.turn_detection is None
    assert settings.input_format.sample_rate == settings.output_format.sample_rate == 24000
    assert (settings.speed, settings.voice, settings.transcribes) == (1.0, "ara", False)
    assert not settings.binary_output
    assert not settings.resumable
    assert settings.replacements == {}


def test_echo_lacks_what_was_not_sent() -> None:
    """The echo of nothing has the service's constants, and no id, voice, tools or audio."""
    assert echo({"voice": "Ara", "tools": []}) == {
        "instructions": "",
        "enable_noise_suppression": False,
        "model": "m",
        "keep_context": False,
        "enable_phonetic_spelling": False,
        "input_audio_transcription": None,
        "modalities": ["audio"],
        "input_audio_format": "not specified",
        "output_audio_format": "not specified",
        "tool_choice": "auto",
        "temperature": -1.0,
        "max_response_output_tokens": "inf",
    }


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ({"turn_detection": {"type": None}}, {"turn_detection": {}}),
        (
            {"turn_detection": {"type": "server_vad", "idle_timeout_ms": None}},
            {"turn_detection": {"type": "server_vad"}},
        ),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 0.5}},
            {"turn_detection": {"type": "server_vad", "threshold": 0.5}},
        ),
        ({"modalities": ["text"]}, {"modalities": ["text"]}),
        ({"temperature": 0.8, "tool_choice": "none"}, {"temperature": -1.0, "tool_choice": "auto"}),
        ({"reasoning": {"effort": "none"}}, {"reasoning": {"effort": "none"}}),
        ({"replace": {"Acme": "Ack-me"}}, {"replace": {"Acme": "Ack-me"}}),
        (
            {"tools": [{"type": "function", **FUNCTION}]},
            {"tools": [{"type": "function", "function": FUNCTION}]},
        ),
        (
            {"tools": [{"type": "function", "function": FUNCTION}]},
            {"tools": [{"type": "function", "function": FUNCTION}]},
        ),
        ({"tools": [{"type": "web_search"}]}, {"tools": [{"type": "web_search"}]}),
        (
            {"audio": {"output": {"format": {"type": "audio/pcmu"}}}},
            {"audio": {"output": {"format": {"type": "audio/pcmu"}, "transport": "json"}}},
        ),
    ],
)
def test_echo(sent: dict[str, Any], echoed: dict[str, Any]) -> None:
    """Each of the service's oddities in session.updated."""
    assert {key: echo(sent)[key] for key in echoed} == echoed


def test_null_turn_detection_is_not_echoed() -> None:
    """Manual mode by null: the key is missing, even if it was set before."""
    vad = {"turn_detection": {"type": "server_vad"}}
    assert "turn_detection" not in echo(vad, {"turn_detection": None})


def test_updates_add_up() -> None:
    """A later update changes only what it names."""
    settings = Settings("m")
    settings.update({"voice": "Eve", "audio": {"input": {"format": {"type": "audio/pcmu"}}}})
    settings.update(
        {"audio": {"output": {"speed": 1.2}, "input": {"transcription": {"model": "t"}}}}
    )
    assert settings.input_format.type == PCMU.type
    assert settings.output_format.sample_rate == pcm16().sample_rate
    assert (settings.voice, settings.speed, settings.transcribes) == ("Eve", 1.2, True)


def test_null_is_nothing() -> None:
    """A null is a field that was not sent."""
    session = {"voice": None, "instructions": None, "modalities": None, "tools": None}
    settings = Settings("m")
    settings.update({**session, "audio": None, "replace": None, "resumption": None})
    settings.update({"audio": {"input": None, "output": {"speed": None, "format": None}}})
    assert (settings.voice, settings.speed) == ("ara", 1.0)
    assert settings.input_format == settings.output_format
    assert echo(session) == echo()


BAD: list[tuple[str, Any]] = [
    ("session", "text"),
    ("session.turn_detection", {"turn_detection": "server_vad"}),
    ("session.turn_detection.type", {"turn_detection": {"type": "semantic_vad"}}),
    ("session.turn_detection.threshold", {"turn_detection": {"threshold": 1}}),
    ("session.turn_detection.threshold", {"turn_detection": {"threshold": True}}),
    ("session.turn_detection.silence_duration_ms", {"turn_detection": {"silence_duration_ms": -1}}),
    ("session.turn_detection.idle_timeout_ms", {"turn_detection": {"idle_timeout_ms": "x"}}),
    ("session.audio", {"audio": []}),
    ("session.audio.input", {"audio": {"input": 7}}),
    ("session.audio.output.speed", {"audio": {"output": {"speed": 2}}}),
    ("session.audio.output.transport", {"audio": {"output": {"transport": "carrier pigeon"}}}),
    ("session.audio.input.format", {"audio": {"input": {"format": "pcm16"}}}),
    (
        "session.audio.input.format",
        {"audio": {"input": {"format": {"type": "audio/opus", "rate": 48000}}}},
    ),
    ("session.audio.input.format.type", {"audio": {"input": {"format": {"type": ["audio/pcm"]}}}}),
    (
        "session.audio.input.format.rate",
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000.0}}}},
    ),
    (
        "session.audio.output.format",
        {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 12345}}}},
    ),
    (
        "session.audio.input.transcription.keyterms",
        {"audio": {"input": {"transcription": {"keyterms": ["x"] * 101}}}},
    ),
    (
        "session.audio.input.transcription",
        {"audio": {"input": {"transcription": "whisper"}}},
    ),
    (
        "session.audio.input.transcription.keyterms",
        {"audio": {"input": {"transcription": {"keyterms": [5]}}}},
    ),
    (
        "session.audio.input.transcription.keyterms",
        {"audio": {"input": {"transcription": {"keyterms": 5}}}},
    ),
    ("session.instructions", {"instructions": 5}),
    ("session.voice", {"voice": ["Eve"]}),
    ("session.modalities", {"modalities": "audio"}),
    ("session.reasoning.effort", {"reasoning": {"effort": "low"}}),
    ("session.tools", {"tools": {}}),
    ("session.tools[0]", {"tools": ["w"]}),
    ("session.tools[0]", {"tools": [{"type": "function"}]}),
    (
        "session.tools[1]",
        {
            "tools": [
                {"type": "web_search"},
                {"type": "web_search", "allowed_domains": ["a"], "excluded_domains": ["b"]},
            ]
        },
    ),
    ("session.tools[0]", {"tools": [{"type": "web_search", "allowed_domains": ["a"] * 6}]}),
    ("session.tools[0].name", {"tools": [{"type": "function", "name": 5}]}),
    ("session.tools[0].function", {"tools": [{"type": "function", "function": "w"}]}),
    ("session.tools[0].allowed_domains", {"tools": [WEB | {"allowed_domains": 5}]}),
    ("session.tools[0]", {"tools": [{"type": "computer_use"}]}),
    (
        "session.tools[0].parameters",
        {"tools": [{"type": "function", "name": "w", "parameters": 5}]},
    ),
    ("session.tools[0]", {"tools": [X | {"excluded_x_handles": ["a"] * 21}]}),
    (
        "session.tools[0]",
        {"tools": [X | {"allowed_x_handles": ["a"], "excluded_x_handles": ["b"]}]},
    ),
    ("session.tools[0].from_date", {"tools": [X | {"from_date": "1 May 2026"}]}),
    ("session.tools[0].to_date", {"tools": [X | {"to_date": "20260501"}]}),
    (
        "session.tools[0].enable_video_understanding",
        {"tools": [X | {"enable_video_understanding": 1}]},
    ),
    ("session.tools[0].location", {"tools": [WEB | {"location": "Bonn"}]}),
    (
        "session.tools[0].vector_store_ids",
        {"tools": [{"type": "file_search", "vector_store_ids": "a"}]},
    ),
    (
        "session.tools[0].max_num_results",
        {"tools": [{"type": "file_search", "max_num_results": "5"}]},
    ),
    ("session.tools[0].server_url", {"tools": [{"type": "mcp", "server_label": "a"}]}),
    ("session.tools[0].server_label", {"tools": [MCP | {"server_label": "a.b"}]}),
    ("session.tools[0].allowed_tools", {"tools": [MCP | {"allowed_tools": [5]}]}),
    ("session.tools[0].headers", {"tools": [MCP | {"headers": []}]}),
    (
        "session.audio.input.turn_detection.threshold",
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 7}}}},
    ),
    ("session.turn_detection.prefix_padding_ms", {"turn_detection": {"prefix_padding_ms": 10_001}}),
    (
        "session.audio.input.transcription.keyterms",
        {"audio": {"input": {"transcription": {"keyterms": ["x" * 51]}}}},
    ),
    ("session.replace", {"replace": ["a"]}),
    ("session.replace", {"replace": {"a": 5}}),
    ("session.resumption", {"resumption": True}),
    ("session.resumption.enabled", {"resumption": {"enabled": "yes"}}),
]


@pytest.mark.parametrize(("param", "session"), BAD)
def test_refused(param: str, session: Any) -> None:
    """A bad value is refused by name, and the old settings stay."""
    settings = Settings("m")
    settings.update({"voice": "Eve"})
    before = settings.echo()
    with pytest.raises(Refused) as refused:
        settings.update(session)
    assert refused.value.param == param
    assert settings.echo() == before
    assert settings.voice == "Eve"
