"""A session as the wire has it: what `session.update` asks for, and what the server echoes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from grok_rt._unset import UNSET, Unset
from grok_rt.audio import AudioFormat
from grok_rt.models import _limits
from grok_rt.models._wire import Maybe, Wire
from grok_rt.models.tools import GrokToolDefinition

__all__ = [
    "AudioChannelConfig",
    "AudioConfig",
    "Reasoning",
    "ResponseCreatePayload",
    "Resumption",
    "SessionInfo",
    "SessionUpdatePayload",
    "Transcription",
    "TurnDetection",
]


@attrs.frozen
class TurnDetection(Wire):
    """When the server takes the user's turn to be over.

    Made here, it has the values of good practice; read from the wire, what was absent is `UNSET`.

    Attributes:
        type: ``server_vad``, or None: off, which is the manual mode.
        threshold: how sure it must be that somebody speaks, 0.1 to 0.9; the server's own 0.85.
        prefix_padding_ms: sound kept from before the speech, 0 to 10000; the server's own 333.
        silence_duration_ms: silence that ends the turn, 0 to 10000.
        idle_timeout_ms: silence after a response, until the server speaks up by itself.
        create_response: accepted and echoed; no effect was ever seen.
        interrupt_response: accepted and echoed; no effect was ever seen.
    """

    type: Maybe[str] = "server_vad"
    threshold: Maybe[float] = 0.5
    prefix_padding_ms: Maybe[int] = 300
    silence_duration_ms: Maybe[int] = 200
    idle_timeout_ms: Maybe[int] = UNSET
    create_response: Maybe[bool] = UNSET
    interrupt_response: Maybe[bool] = UNSET

    @classmethod
    def manual(cls) -> TurnDetection:
        """Push to talk, as ``{"type": null}``; None in its place means the same."""
        return cls(None, UNSET, UNSET, UNSET)


@attrs.frozen
class Transcription(Wire):
    """How the user's speech is written down.

    Attributes:
        model: ``grok-transcribe``; only with it do `InputAudioTranscriptionUpdated` events come.
        language_hint: BCP-47, such as ``de`` or ``es-MX``; unknown ones are ignored silently.
        keyterms: at most 100 words or names to listen for, each at most 50 characters.
    """

    model: Maybe[str] = "grok-transcribe"
    language_hint: Maybe[str] = UNSET
    keyterms: Maybe[tuple[str, ...]] = UNSET


@attrs.frozen
class Reasoning(Wire):
    """How long the model thinks: `effort` is ``high`` or ``none``."""

    effort: Maybe[str] = UNSET


@attrs.frozen
class Resumption(Wire):
    """Whether the conversation can be taken up again by its id, for 30 minutes."""

    enabled: Maybe[bool] = UNSET


@attrs.frozen
class AudioChannelConfig(Wire):
    """One direction of the sound.

    Attributes:
        format: what the bytes mean.
        transport: ``json`` (base64) or ``binary`` (frames of their own).
        transcription: of the input.
        speed: of the output, 0.7 to 1.5.
    """

    format: Maybe[AudioFormat] = UNSET
    transport: Maybe[str] = UNSET
    transcription: Maybe[Transcription] = UNSET
    speed: Maybe[float] = UNSET


@attrs.frozen
class AudioConfig(Wire):
    """Both directions of the sound."""

    input: Maybe[AudioChannelConfig] = UNSET
    output: Maybe[AudioChannelConfig] = UNSET


@attrs.frozen
class _Session(Wire):
    instructions: Maybe[str] = UNSET
    voice: Maybe[str] = UNSET
    turn_detection: Maybe[TurnDetection] = UNSET
    tools: Maybe[tuple[GrokToolDefinition, ...]] = UNSET
    temperature: Maybe[float] = UNSET
    audio: Maybe[AudioConfig] = UNSET
    model: Maybe[str] = UNSET
    modalities: Maybe[tuple[str, ...]] = UNSET
    reasoning: Maybe[Reasoning] = UNSET
    replace: Maybe[Mapping[str, Any]] = attrs.field(default=UNSET, hash=False)
    resumption: Maybe[Resumption] = UNSET


@attrs.frozen
class SessionUpdatePayload(_Session):
    """The settings that a `SessionUpdate` names; what is absent stays as it is."""


@attrs.frozen
class SessionInfo(_Session):
    """The session in the server's words.

    `SessionCreated` has the identity; `SessionUpdated` only echoes what was sent, among odd
    constants (``"not specified"``, -1.0, ``"inf"``).

    Attributes:
        id: of the session; only in `SessionCreated`.
        voice: may come back with a prefix: ``xai_ara``.
        model: what was resolved, not what was asked for.
        turn_detection: off is ``{"type": null}``, ``{}`` or absent.
    """

    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    enable_noise_suppression: Any = attrs.field(default=UNSET, hash=False)
    keep_context: Any = attrs.field(default=UNSET, hash=False)
    enable_phonetic_spelling: Any = attrs.field(default=UNSET, hash=False)
    input_audio_transcription: Any = attrs.field(default=UNSET, hash=False)
    input_audio_format: Any = attrs.field(default=UNSET, hash=False)
    output_audio_format: Any = attrs.field(default=UNSET, hash=False)
    tool_choice: Any = attrs.field(default=UNSET, hash=False)
    max_response_output_tokens: Any = attrs.field(default=UNSET, hash=False)


@attrs.frozen
class ResponseCreatePayload(Wire):
    """What a response is to be.

    Attributes:
        modalities: ``("audio",)`` or ``("text", "audio")``; text alone is ignored by the server.
        instructions: in place of the session's, for this response.
        metadata: comes back with the response's events.
    """

    modalities: Maybe[tuple[str, ...]] = UNSET
    instructions: Maybe[str] = UNSET
    metadata: Maybe[Mapping[str, Any]] = attrs.field(default=UNSET, hash=False)

    @classmethod
    def of(
        cls,
        modalities: Sequence[str] | None = None,
        instructions: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ResponseCreatePayload:
        """A payload within the service's limits; None is absent.

        Raises:
            ConfigError: `modalities` is no sequence of strings, or `metadata` has more than 16
                pairs, a key above 64 or a text above 512 characters.
        """
        absent: Unset = UNSET
        if modalities is not None:
            _limits.strings("modalities", modalities)
        if metadata is not None:
            _limits.metadata(metadata)
        return cls(
            modalities=absent if modalities is None else tuple(modalities),
            instructions=absent if instructions is None else instructions,
            metadata=absent if metadata is None else dict(metadata),
        )
