"""The session's configuration as the service keeps it: what it refuses, and its odd echo.

Pure state. `update` takes the `session` object of a `session.update`; a refused one raises
`Refused` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grok_rt.audio import AudioFormat
from grok_rt.simulator.reading import Refused, checked, optional, strings
from grok_rt.simulator.shapes import Wire

_RATES = {
    "audio/pcm": (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000),
    "audio/pcmu": (8000,),
    "audio/pcma": (8000,),
    "audio/opus": (24000,),
}

# path below `session`: (lowest, highest) value
_RANGES = {
    ("turn_detection", "threshold"): (0.1, 0.9),
    ("turn_detection", "silence_duration_ms"): (0, 10_000),
    ("turn_detection", "prefix_padding_ms"): (0, 10_000),
    ("turn_detection", "idle_timeout_ms"): (1, 7_200_000),
    ("audio", "output", "speed"): (0.7, 1.5),
}

# path below `session`: what it must be if it is there; an object before what it holds
_TYPES: dict[tuple[str, ...], type] = {
    ("instructions",): str,
    ("voice",): str,
    ("modalities",): list,
    ("turn_detection",): dict,
    ("audio",): dict,
    ("audio", "input"): dict,
    ("audio", "output"): dict,
    ("audio", "input", "format"): dict,
    ("audio", "output", "format"): dict,
    ("audio", "input", "transcription"): dict,
    ("audio", "input", "transcription", "model"): str,
    ("audio", "input", "transcription", "language_hint"): str,
    ("reasoning",): dict,
    ("replace",): dict,
    ("resumption",): dict,
    ("resumption", "enabled"): bool,
    ("tools",): list,
}

# path below `session`: allowed words
_CHOICES: dict[tuple[str, ...], tuple[str | None, ...]] = {
    ("turn_detection", "type"): ("server_vad", None),
    ("reasoning", "effort"): ("high", "none"),
    ("audio", "input", "transport"): ("json", "binary"),
    ("audio", "output", "transport"): ("json", "binary"),
}

# fields of a server-side tool that exclude each other, and how many entries one may have
_EXCLUSIVE = (
    ("allowed_domains", "excluded_domains", 5),
    ("allowed_x_handles", "excluded_x_handles", 20),
)


class Settings:
    """What the session is set to; absent fields have the service's defaults."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._sent: Wire = {}

    def update(self, session: object) -> None:
        """Merge `session` into the settings: a later update changes only what it names."""
        named = checked(session, dict, "session")
        _check(named)
        merged = {**self._sent, **named}
        if "audio" in named:
            audio = named["audio"] or {}
            merged["audio"] = {
                side: {**self._audio(side), **(audio.get(side) or {})}
                for side in ("input", "output")
                if side in audio or side in self._sent.get("audio", {})
            }
        self._sent = merged

    def echo(self) -> Wire:
        """The `session.updated` that follows: no id and no voice, constants, what was sent."""
        sent = self._sent
        transcription = self._audio("input").get("transcription")
        echo: Wire = {
            "instructions": sent.get("instructions") or "",
            "enable_noise_suppression": False,
            "model": self._model,
            "keep_context": False,
            "enable_phonetic_spelling": False,
            "input_audio_transcription": transcription,
            "modalities": sent.get("modalities") or ["audio"],
            "input_audio_format": "not specified",
            "output_audio_format": "not specified",
            "tool_choice": "auto",
            "temperature": -1.0,
            "max_response_output_tokens": "inf",
        }
        if sent.get("audio"):
            echo["audio"] = {
                side: _with_transport(channel) for side, channel in sent["audio"].items()
            }
        detection = sent.get("turn_detection")
        if detection is not None:
            echo["turn_detection"] = {k: v for k, v in detection.items() if v is not None}
        if sent.get("tools"):
            echo["tools"] = [_nested(tool) for tool in sent["tools"]]
        echo.update({key: sent[key] for key in ("reasoning", "replace") if sent.get(key)})
        return {"type": "session.updated", "session": echo}

    # --- what the peer asks ------------------------------------------------------------

    @property
    def voice(self) -> str:
        """The voice's name, as sent."""
        return str(self._sent.get("voice") or "ara")

    @property
    def turn_detection(self) -> Mapping[str, Any] | None:
        """The fields of server VAD; None in manual mode."""
        detection = self._sent.get("turn_detection") or {}
        return detection if detection.get("type") else None

    @property
    def input_format(self) -> AudioFormat:
        """What the user's audio is."""
        return self._format("input")

    @property
    def output_format(self) -> AudioFormat:
        """What the model's audio is to be."""
        return self._format("output")

    @property
    def binary_output(self) -> bool:
        """Whether audio leaves in binary frames."""
        return self._audio("output").get("transport") == "binary"

    @property
    def speed(self) -> float:
        """How fast the model speaks; 1 is normal."""
        return float(self._audio("output").get("speed") or 1.0)

    @property
    def transcribes(self) -> bool:
        """Whether partial transcripts were asked for."""
        return bool((self._audio("input").get("transcription") or {}).get("model"))

    @property
    def replacements(self) -> Mapping[str, str]:
        """Words, and how they are to be pronounced."""
        return self._sent.get("replace") or {}

    @property
    def resumable(self) -> bool:
        """Whether the conversation is kept for a later connection."""
        return bool((self._sent.get("resumption") or {}).get("enabled"))

    def _audio(self, side: str) -> Wire:
        channel: Wire = self._sent.get("audio", {}).get(side) or {}
        return channel

    def _format(self, side: str) -> AudioFormat:
        form: Wire = self._audio(side).get("format") or {"type": "audio/pcm"}
        return AudioFormat(form["type"], form.get("rate"))


def _with_transport(channel: Wire) -> Wire:
    echo = {"format": {"type": "audio/pcm", "rate": 24000}, "transport": "json", **channel}
    return {key: value for key, value in echo.items() if value is not None}


def _nested(tool: Wire) -> Wire:
    """A function as the service echoes it, whichever form was sent."""
    if tool["type"] != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def _check(session: Wire) -> None:
    for typed_path, kind in _TYPES.items():
        value = _dig(session, typed_path)
        if value is not None:
            checked(value, kind, _param(typed_path))
    for path, (low, high) in _RANGES.items():
        value = _dig(session, path)
        if value is not None and not (_is_number(value) and low <= value <= high):
            raise Refused(f"must be a number from {low} to {high}", param=_param(path))
    for words_path, words in _CHOICES.items():
        word = _dig(session, words_path)
        if word is not None and word not in words:
            raise Refused(f"{word!r} is not supported", param=_param(words_path))
    for side in ("input", "output"):
        _check_format(_dig(session, ("audio", side, "format")), f"session.audio.{side}.format")
    _check_keyterms(_dig(session, ("audio", "input", "transcription")) or {})
    for sound in (session.get("replace") or {}).values():
        checked(sound, str, "session.replace")
    for index, tool in enumerate(session.get("tools") or ()):
        _check_tool(tool, f"session.tools[{index}]")


def _check_format(form: Wire | None, param: str) -> None:
    if form is None:
        return
    type, rate = optional(form, "type", str, param), optional(form, "rate", int, param)
    if rate not in (None, *_RATES.get(type or "", ())) or type not in _RATES:
        message = f"This audio format cannot be used: {type} at rate {rate}"
    elif type == "audio/opus" and param == "session.audio.output.format":
        message = "The simulator hears Opus but cannot speak it: use audio/pcm, pcmu or pcma"
    else:
        return
    raise Refused(message, code="invalid_audio_format", param=param)


def _check_keyterms(transcription: Wire) -> None:
    within = "session.audio.input.transcription"
    terms = strings(transcription, "keyterms", within)
    if len(terms) > 100 or any(len(term) > 50 for term in terms):
        raise Refused("at most 100 keyterms of at most 50 characters", param=f"{within}.keyterms")


def _check_tool(value: Any, param: str) -> None:
    tool = checked(value, dict, param)
    if not isinstance(tool.get("type"), str):
        raise Refused("a tool needs a type", param=param)
    if tool["type"] == "function":
        function = optional(tool, "function", dict, param) or tool
        if not optional(function, "name", str, param):
            raise Refused("a function needs a name", param=param)
    for allowed, excluded, limit in _EXCLUSIVE:
        ours, others = strings(tool, allowed, param), strings(tool, excluded, param)
        if ours and others:
            raise Refused(f"{allowed} and {excluded} cannot both be set", param=param)
        if max(len(ours), len(others)) > limit:
            raise Refused(f"at most {limit} entries", param=param)


def _dig(value: Any, path: tuple[str, ...]) -> Any:
    for depth, key in enumerate(path):
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise Refused("must be an object", param=_param(path[:depth]))
        value = value.get(key)
    return value


def _param(path: tuple[str, ...]) -> str:
    return ".".join(("session", *path))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
