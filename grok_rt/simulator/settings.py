"""The session's configuration as the service keeps it: what it refuses, and its odd echo.

Pure state. `update` takes the `session` object of a `session.update`; a refused one raises
`Refused` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grok_rt.audio import AudioFormat
from grok_rt.simulator.shapes import Wire

_PCM_RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)

# path below `session`: (lowest, highest) value
_RANGES = {
    ("turn_detection", "threshold"): (0.1, 0.9),
    ("turn_detection", "silence_duration_ms"): (0, 10_000),
    ("turn_detection", "prefix_padding_ms"): (0, 10_000),
    ("turn_detection", "idle_timeout_ms"): (1, 7_200_000),
    ("audio", "output", "speed"): (0.7, 1.5),
}

_OBJECTS = (
    ("turn_detection",),
    ("audio", "input"),
    ("audio", "output"),
    ("audio", "input", "transcription"),
    ("reasoning",),
    ("replace",),
    ("resumption",),
)

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


class Refused(Exception):
    """A client event the service answers with an `error`."""

    def __init__(
        self, message: str, *, code: str = "", param: str = "", type: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.code = code
        self.param = param


class Settings:
    """What the session is set to; absent fields have the service's defaults."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._sent: Wire = {}

    def update(self, session: object) -> None:
        """Merge `session` into the settings: a later update changes only what it names."""
        if not isinstance(session, Mapping):
            raise Refused("session must be an object", param="session")
        _check(session)
        merged = {**self._sent, **session}
        if "audio" in session:
            merged["audio"] = {
                side: {**self._audio(side), **(session["audio"].get(side) or {})}
                for side in ("input", "output")
                if side in session["audio"] or side in self._sent.get("audio", {})
            }
        self._sent = merged

    def echo(self) -> Wire:
        """The `session.updated` that follows: no id and no voice, constants, what was sent."""
        sent = self._sent
        transcription = self._audio("input").get("transcription")
        echo: Wire = {
            "instructions": sent.get("instructions", ""),
            "enable_noise_suppression": False,
            "model": self._model,
            "keep_context": False,
            "enable_phonetic_spelling": False,
            "input_audio_transcription": transcription,
            "modalities": sent.get("modalities", ["audio"]),
            "input_audio_format": "not specified",
            "output_audio_format": "not specified",
            "tool_choice": "auto",
            "temperature": -1.0,
            "max_response_output_tokens": "inf",
        }
        if "audio" in sent:
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
        return str(self._sent.get("voice", "ara"))

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
        return float(self._audio("output").get("speed", 1.0))

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


def _check(session: Mapping[str, Any]) -> None:
    for object_path in _OBJECTS:
        _dig(session, (*object_path, ""))
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
    _check_transcription(_dig(session, ("audio", "input", "transcription")))
    tools = session.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise Refused("tools must be an array", param="session.tools")
    for index, tool in enumerate(tools or ()):
        _check_tool(tool, f"session.tools[{index}]")


def _check_format(form: Any, param: str) -> None:
    if form is None:
        return
    type, rate = (form.get("type"), form.get("rate")) if isinstance(form, Mapping) else (form, None)
    good = (type == "audio/pcm" and rate in {None, *_PCM_RATES}) or (
        type in {"audio/pcmu", "audio/pcma"} and rate in {None, 8000}
    )
    if not good:
        raise Refused(
            f"This audio format cannot be used: {type} at rate {rate}",
            code="invalid_audio_format",
            param=param,
        )


def _check_transcription(transcription: Any) -> None:
    terms = (transcription or {}).get("keyterms") or []
    if len(terms) > 100 or any(len(term) > 50 for term in terms):
        raise Refused(
            "at most 100 keyterms of at most 50 characters",
            param="session.audio.input.transcription.keyterms",
        )


def _check_tool(tool: Any, param: str) -> None:
    if not isinstance(tool, Mapping) or not isinstance(tool.get("type"), str):
        raise Refused("a tool needs a type", param=param)
    if tool["type"] == "function" and not (tool.get("function") or tool).get("name"):
        raise Refused("a function needs a name", param=param)
    for allowed, excluded, limit in _EXCLUSIVE:
        if tool.get(allowed) and tool.get(excluded):
            raise Refused(f"{allowed} and {excluded} cannot both be set", param=param)
        if max(len(tool.get(allowed) or ()), len(tool.get(excluded) or ())) > limit:
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
