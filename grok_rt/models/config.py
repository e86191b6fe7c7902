"""`SessionConfig`: what a user wants of a session, checked before it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from grok_rt._extra import NO_EXTRA, Extra
from grok_rt._unset import UNSET, Unset
from grok_rt.audio import PCMU, AudioFormat, pcm16
from grok_rt.errors import ConfigError
from grok_rt.models import _limits
from grok_rt.models._wire import Maybe, shown
from grok_rt.models.session import (
    AudioChannelConfig,
    AudioConfig,
    Reasoning,
    Resumption,
    SessionUpdatePayload,
    Transcription,
    TurnDetection,
)
from grok_rt.models.tools import GrokToolDefinition, ToolDefinition

__all__ = ["SessionConfig"]

# The rates of the service, which knows 11025 in its schema but not in its guide.
_PCM_RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)
_RATES: dict[str, tuple[int, ...]] = {
    "audio/pcm": _PCM_RATES,
    "audio/pcmu": (8000,),
    "audio/pcma": (8000,),
    "audio/opus": (24000,),
}


def _as_tuple(tools: Iterable[GrokToolDefinition]) -> tuple[GrokToolDefinition, ...]:
    if isinstance(tools, (str, Mapping)) or not isinstance(tools, Iterable):
        _limits.refuse("tools", tools, "a sequence of GrokToolDefinition")
    return tuple(tools)


def _same_as_audio_format(config: SessionConfig) -> AudioFormat:
    return config.audio_format


@attrs.frozen
class SessionConfig:
    """The settings of a session; immutable: every ``with_…`` returns a copy.

    Attributes:
        instructions: who the assistant is and what it shall do.
        voice: a built-in voice (Ara, Eve, Leo, Rex, Sal …) or the id of a custom one.
        tools: see `GrokToolDefinition`; none is the same as saying nothing.
        temperature: accepted by the service; no effect was ever proved.
        audio_format: of the sound, in both directions.
        turn_detection: when the user's turn is over; None is the manual mode (push to talk).
        input_audio_format: of what is sent, if not `audio_format`.
        output_audio_format: of what is heard, if not `audio_format`.
        input_transport: ``json`` or ``binary``.
        output_transport: ``json`` or ``binary``.
        speed: of the voice, 0.7 to 1.5.
        transcription: how the user's speech is written down.
        reasoning: ``high`` or ``none``.
        replace: words to be spoken as others: ``{"Acme Tel": "Ack-me Tell"}``.
        resumption: whether the conversation may be taken up again after a lost connection.
        modalities: ``("audio",)``; text alone is ignored by the service.
        model: rather an argument of `GrokClient`: live, the URL decides.
        extra: more fields of ``session``, passed on unchecked.

    Raises:
        ConfigError: a value that the service would refuse; names the field and what is allowed.
    """

    instructions: str = "You are a helpful voice assistant."
    voice: str = attrs.field(default="Ara", kw_only=True)
    tools: tuple[GrokToolDefinition, ...] = attrs.field(
        default=(), kw_only=True, converter=_as_tuple, hash=False
    )
    temperature: float = attrs.field(default=0.8, kw_only=True)
    audio_format: AudioFormat = attrs.field(default=PCMU, kw_only=True)
    turn_detection: TurnDetection | None = attrs.field(factory=TurnDetection, kw_only=True)
    input_audio_format: AudioFormat = attrs.field(
        default=attrs.Factory(_same_as_audio_format, takes_self=True), kw_only=True
    )
    output_audio_format: AudioFormat = attrs.field(
        default=attrs.Factory(_same_as_audio_format, takes_self=True), kw_only=True
    )
    input_transport: str | Unset = attrs.field(default=UNSET, kw_only=True)
    output_transport: str | Unset = attrs.field(default=UNSET, kw_only=True)
    speed: float | Unset = attrs.field(default=UNSET, kw_only=True)
    transcription: Maybe[Transcription] = attrs.field(default=UNSET, kw_only=True)
    reasoning: str | Unset = attrs.field(default=UNSET, kw_only=True)
    replace: Maybe[Mapping[str, str]] = attrs.field(default=UNSET, kw_only=True, hash=False)
    resumption: bool | Unset = attrs.field(default=UNSET, kw_only=True)
    modalities: tuple[str, ...] | Unset = attrs.field(default=UNSET, kw_only=True)
    model: str | Unset = attrs.field(default=UNSET, kw_only=True)
    extra: Mapping[str, Any] = attrs.field(default=NO_EXTRA, kw_only=True, hash=False)

    def __attrs_post_init__(self) -> None:
        """Refuse here what the service would refuse later."""
        _check(self)

    def __repr__(self) -> str:
        """Show what is said, and not what is left to the service."""
        return shown(self)

    @classmethod
    def wideband(cls, instructions: str | Unset = UNSET, **settings: Any) -> SessionConfig:
        """24 kHz PCM both ways: for loudspeakers and headphones."""
        return cls._sounding(pcm16(24000), instructions, settings)

    @classmethod
    def telephony(cls, instructions: str | Unset = UNSET, **settings: Any) -> SessionConfig:
        """G.711 µ-law at 8 kHz both ways: what telephone lines carry."""
        return cls._sounding(PCMU, instructions, settings)

    @classmethod
    def _sounding(
        cls, audio_format: AudioFormat, instructions: str | Unset, settings: dict[str, Any]
    ) -> SessionConfig:
        if instructions is not UNSET:
            settings["instructions"] = instructions
        return cls(**{"audio_format": audio_format, **settings})

    def with_instructions(self, instructions: str) -> SessionConfig:
        """Return a copy with other instructions."""
        return attrs.evolve(self, instructions=instructions)

    def with_voice(self, voice: str) -> SessionConfig:
        """Return a copy with another voice."""
        return attrs.evolve(self, voice=voice)

    def with_tools(self, tools: Iterable[GrokToolDefinition]) -> SessionConfig:
        """Return a copy with these tools in place of all others."""
        return attrs.evolve(self, tools=tuple(tools))

    def with_tool_definitions(self, tools: Iterable[ToolDefinition]) -> SessionConfig:
        """Return a copy with these functions, described as agent frameworks do."""
        return self.with_tools(map(GrokToolDefinition.from_tool, tools))

    def with_temperature(self, temperature: float) -> SessionConfig:
        """Return a copy with another temperature."""
        return attrs.evolve(self, temperature=temperature)

    def with_audio_format(self, type: str, rate: int | None = None) -> SessionConfig:
        """Return a copy with another format in both directions."""
        audio_format = AudioFormat(type, UNSET if rate is None else rate)
        return attrs.evolve(
            self,
            audio_format=audio_format,
            input_audio_format=audio_format,
            output_audio_format=audio_format,
        )

    def with_input_audio_format(self, type: str, rate: int | None = None) -> SessionConfig:
        """Return a copy with another format of what is sent."""
        return attrs.evolve(
            self, input_audio_format=AudioFormat(type, UNSET if rate is None else rate)
        )

    def with_output_audio_format(self, type: str, rate: int | None = None) -> SessionConfig:
        """Return a copy with another format of what is heard."""
        return attrs.evolve(
            self, output_audio_format=AudioFormat(type, UNSET if rate is None else rate)
        )

    def with_transport(
        self, input: str | Unset = UNSET, output: str | Unset = UNSET
    ) -> SessionConfig:
        """Return a copy with other transports, ``json`` or ``binary``."""
        return attrs.evolve(self, input_transport=input, output_transport=output)

    def with_turn_detection(self, turn_detection: TurnDetection | None) -> SessionConfig:
        """Return a copy with another turn detection; None is the manual mode."""
        return attrs.evolve(self, turn_detection=turn_detection)

    def with_transcription(
        self,
        model: str = "grok-transcribe",
        *,
        language_hint: str | Unset = UNSET,
        keyterms: Sequence[str] | Unset = UNSET,
    ) -> SessionConfig:
        """Return a copy that has the user's speech written down while it is spoken."""
        if keyterms is not UNSET:
            _limits.strings("keyterms", keyterms)
            keyterms = tuple(keyterms)
        return attrs.evolve(self, transcription=Transcription(model, language_hint, keyterms))

    def with_speed(self, speed: float) -> SessionConfig:
        """Return a copy that speaks faster or slower."""
        return attrs.evolve(self, speed=speed)

    def with_reasoning(self, effort: str) -> SessionConfig:
        """Return a copy that thinks more (``high``) or not at all (``none``)."""
        return attrs.evolve(self, reasoning=effort)

    def with_replace(self, replace: Mapping[str, str] | None) -> SessionConfig:
        """Return a copy with other pronunciations."""
        return attrs.evolve(self, replace=replace)

    def with_resumption(self, enabled: bool = True) -> SessionConfig:
        """Return a copy whose conversation may be taken up again."""
        return attrs.evolve(self, resumption=enabled)

    def with_modalities(self, modalities: Sequence[str]) -> SessionConfig:
        """Return a copy with other modalities."""
        _limits.strings("modalities", modalities)
        return attrs.evolve(self, modalities=tuple(modalities))

    def with_model(self, model: str) -> SessionConfig:
        """Return a copy with another model."""
        return attrs.evolve(self, model=model)

    def with_extra(self, **fields: Any) -> SessionConfig:
        """Return a copy with more fields of ``session``, for what this version does not know."""
        return attrs.evolve(self, extra=Extra({**self.extra, **fields}))

    def to_update_payload(self) -> SessionUpdatePayload:
        """What goes into `SessionUpdate`; no tools are absent, not an empty list."""
        return SessionUpdatePayload(
            instructions=self.instructions,
            voice=self.voice,
            turn_detection=self.turn_detection,
            tools=self.tools or UNSET,
            temperature=self.temperature,
            audio=AudioConfig(
                input=AudioChannelConfig(
                    format=self.input_audio_format,
                    transport=self.input_transport,
                    transcription=self.transcription,
                ),
                output=AudioChannelConfig(
                    format=self.output_audio_format,
                    transport=self.output_transport,
                    speed=self.speed,
                ),
            ),
            model=self.model,
            modalities=self.modalities,
            reasoning=UNSET if self.reasoning is UNSET else Reasoning(self.reasoning),
            replace=self.replace,
            resumption=UNSET if self.resumption is UNSET else Resumption(self.resumption),
            extra=self.extra,
        )


def _check(config: SessionConfig) -> None:
    if not isinstance(config.instructions, str):
        _limits.refuse("instructions", config.instructions, "a string")
    _limits.text("voice", config.voice)
    _limits.number("temperature", config.temperature)
    for field in ("audio_format", "input_audio_format", "output_audio_format"):
        _check_format(field, getattr(config, field))
    for index, tool in enumerate(config.tools):
        if not isinstance(tool, GrokToolDefinition):
            _limits.refuse(f"tools[{index}]", tool, "a GrokToolDefinition")
        tool.checked(f"tools[{index}]")
    if config.turn_detection is not None:
        _check_turn_detection(config.turn_detection)
    if config.transcription:
        _check_transcription(config.transcription)
    for field, check in _OPTIONAL.items():
        value = getattr(config, field)
        if value is not UNSET:
            check(field, value)


def _check_format(field: str, audio_format: AudioFormat) -> None:
    if not isinstance(audio_format, AudioFormat):
        _limits.refuse(field, audio_format, "an AudioFormat, such as grok_rt.pcm16(24000)")
    rates = _RATES.get(audio_format.type)
    if rates is None:
        _limits.refuse(f"{field}.type", audio_format.type, " or ".join(map(repr, _RATES)))
    if audio_format.rate not in (UNSET, None):
        _limits.choice(f"{field}.rate of {audio_format.type}", audio_format.rate, rates)


def _check_turn_detection(detection: TurnDetection) -> None:
    if not isinstance(detection, TurnDetection):
        _limits.refuse("turn_detection", detection, "a TurnDetection or None")
    if detection.type is not UNSET:
        _limits.choice("turn_detection.type", detection.type, ("server_vad", None))
    if detection.threshold not in (UNSET, None):
        _limits.number("turn_detection.threshold", detection.threshold, 0.1, 0.9)
    for field in ("prefix_padding_ms", "silence_duration_ms"):
        value = getattr(detection, field)
        if value not in (UNSET, None):
            _limits.whole(f"turn_detection.{field}", value, 0, 10000)
    if detection.idle_timeout_ms not in (UNSET, None):
        _limits.whole("turn_detection.idle_timeout_ms", detection.idle_timeout_ms, 1)


def _check_transcription(transcription: Transcription) -> None:
    if not isinstance(transcription, Transcription):
        _limits.refuse("transcription", transcription, "a Transcription")
    for field in ("model", "language_hint"):
        value = getattr(transcription, field)
        if value not in (UNSET, None):
            _limits.text(f"transcription.{field}", value)
    if transcription.keyterms not in (UNSET, None):
        _limits.strings("transcription.keyterms", transcription.keyterms, at_most=100, chars=50)


def _transport(field: str, value: object) -> None:
    _limits.choice(field, value, ("json", "binary"))


def _speed(field: str, value: object) -> None:
    _limits.number(field, value, 0.7, 1.5)


def _reasoning(field: str, value: object) -> None:
    _limits.choice(field, value, ("high", "none"))


def _replace(field: str, value: object) -> None:
    if value is not None:
        _limits.pairs(field, value)


def _known_extra(field: str, value: object) -> None:
    if not isinstance(value, Mapping):
        _limits.refuse(field, value, "a mapping of more fields of session")
    known = {attribute.name for attribute in attrs.fields(SessionUpdatePayload)}
    for name in value:
        if name in known:
            raise ConfigError(f"{field}[{name!r}] is a setting of its own: SessionConfig has it")


_OPTIONAL = {
    "input_transport": _transport,
    "output_transport": _transport,
    "speed": _speed,
    "reasoning": _reasoning,
    "replace": _replace,
    "resumption": _limits.flag,
    "modalities": _limits.strings,
    "model": _limits.text,
    "extra": _known_extra,
}
