"""What the service would refuse is refused before it is sent; what came never is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import events
from grok_rt._unset import UNSET
from grok_rt._wire import codec
from grok_rt.audio import AudioFormat, pcm16
from grok_rt.errors import ConfigError
from grok_rt.models import (
    GrokToolDefinition,
    ResponseCreatePayload,
    SessionConfig,
    Transcription,
    TurnDetection,
)

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


@pytest.mark.parametrize(
    ("build", "sentence"), REFUSED, ids=[sentence[:50] for _, sentence in REFUSED]
)
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
    event = codec.decode(json.dumps(value).encode())
    assert isinstance(event, events.SessionUpdate)
    assert json.loads(codec.encode(event)) == value
