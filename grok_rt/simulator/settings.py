"""The session's configuration as the service keeps it: what it refuses, and its odd echo.

Pure state. `update` takes the `session` object of a `session.update`; a refused one raises
`Refused` and changes nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from grok_rt._numbers import is_number
from grok_rt.audio import AudioFormat, pcm16
from grok_rt.simulator.behaviour import LIVE, Behaviour
from grok_rt.simulator.reading import Refused, checked, needed, optional, strings
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
    ("output_modalities",): list,
    ("turn_detection",): dict,
    ("audio",): dict,
    ("audio", "input"): dict,
    ("audio", "output"): dict,
    ("audio", "input", "format"): dict,
    ("audio", "output", "format"): dict,
    ("audio", "output", "voice"): str,
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

_TOOLS = ("function", "web_search", "x_search", "file_search", "mcp")
# field of a tool: what it must be if it is there
_TOOL_TYPES: dict[str, type] = {
    "enable_image_understanding": bool,
    "enable_video_understanding": bool,
    "location": dict,
    "user_location": dict,
    "max_num_results": int,
    "server_url": str,
    "server_label": str,
    "server_description": str,
    "authorization": str,
    "headers": dict,
}
_TOOL_LISTS = ("vector_store_ids", "allowed_tools")
_TOOL_DATES = ("from_date", "to_date")


class Settings:
    """What the session is set to; absent fields have the service's defaults.

    Args:
        model: what serves the session, whatever a `session.update` asks for (live).
        behaviour: the ways of the service.
        session_id: for the documented echo, which names it.
    """

    def __init__(self, model: str, behaviour: Behaviour = LIVE, session_id: str = "") -> None:
        self._model = model
        self._behaviour = behaviour
        self._session_id = session_id
        self._sent: Wire = {}

    def update(self, session: object) -> None:
        """Merge `session` into the settings: a later update changes only what it names."""
        named = checked(session, dict, "session")
        _check(named)
        if self._behaviour.nested_settings:
            _check_nested(named)
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
        if self._behaviour.documented_shapes:
            return {"type": "session.updated", "session": self._documented_echo()}
        sent = self._sent
        echo: Wire = {
            "instructions": sent.get("instructions") or "",
            "enable_noise_suppression": self._behaviour.noise_suppression,
            "model": self._model,
            "keep_context": False,
            "enable_phonetic_spelling": False,
            "input_audio_transcription": self._audio("input").get("transcription"),
            "modalities": sent.get("modalities") or ["audio"],
            "input_audio_format": "not specified",
            "output_audio_format": "not specified",
            "tool_choice": "auto",
            "temperature": -1.0,
            "max_response_output_tokens": "inf",
            **self._optional_echo("audio", "turn_detection", "tools", "reasoning", "replace"),
            **self._behaviour.leaked_settings,
        }
        return {"type": "session.updated", "session": echo}

    def _documented_echo(self) -> Wire:
        """What the schema says instead: id, object and voice, and nothing that was not sent."""
        return {
            "id": self._session_id,
            "object": "realtime.session",
            "model": self._model,
            "instructions": self._sent.get("instructions") or "",
            "voice": self.voice,
            **self._optional_echo(
                "reasoning", "replace", "resumption", "turn_detection", "audio", "tools"
            ),
        }

    def _optional_echo(self, *names: str) -> Wire:
        """Of these fields those that were sent."""
        sent = {name: self._sent[name] for name in names if self._sent.get(name) is not None}
        for name in ("audio", "tools", "reasoning", "replace"):
            if not sent.get(name, True):
                del sent[name]
        if "audio" in sent:
            sent["audio"] = {side: _with_transport(each) for side, each in sent["audio"].items()}
        if "turn_detection" in sent:
            detection = sent["turn_detection"]
            sent["turn_detection"] = {k: v for k, v in detection.items() if v is not None}
        if "tools" in sent:
            sent["tools"] = [_nested(tool) for tool in sent["tools"]]
        return sent

    # --- what the peer asks ------------------------------------------------------------

    @property
    def voice(self) -> str:
        """The voice's name, as sent."""
        nested = self._audio("output").get("voice") if self._behaviour.nested_settings else None
        default = self._behaviour.voice.rpartition("_")[2].lower()  # the echoes have prefixes
        return str(self._sent.get("voice") or nested or default)

    @property
    def instructions(self) -> str:
        """What the model was told about its part."""
        return self._sent.get("instructions") or ""

    @property
    def functions(self) -> tuple[Wire, ...]:
        """The functions the client has declared, in the nested form."""
        tools = self._sent.get("tools") or ()
        return tuple(_nested(tool)["function"] for tool in tools if tool["type"] == "function")

    @property
    def turn_detection(self) -> Mapping[str, Any] | None:
        """The fields of server VAD; None in manual mode."""
        detection = self._sent.get("turn_detection") or {}
        if "turn_detection" not in self._sent and self._behaviour.nested_settings:
            detection = _nested_detection(self._sent) or {}
        return detection if detection.get("type") else None

    @property
    def modalities(self) -> list[Any]:
        """In which form answers are asked for."""
        return self._sent.get("output_modalities") or self._sent.get("modalities") or ["audio"]

    @property
    def mcp_servers(self) -> dict[str, str]:
        """Address of each MCP server, by its label."""
        tools = self._sent.get("tools") or ()
        return {
            str(tool.get("server_label")): str(tool.get("server_url"))
            for tool in tools
            if tool["type"] == "mcp"
        }

    @property
    def input_format(self) -> AudioFormat:
        """What the user's audio is."""
        return self._format("input")

    @property
    def output_format(self) -> AudioFormat:
        """What the model's audio is to be."""
        form = self._format("output")
        g711 = form.type in {"audio/pcmu", "audio/pcma"}
        return pcm16() if g711 and self._behaviour.ignores_g711 else form

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
        if value is not None and not (is_number(value) and low <= value <= high):
            raise Refused(
                f"{_param(path)} must be a number from {low} to {high}", param=_param(path)
            )
    for words_path, words in _CHOICES.items():
        word = _dig(session, words_path)
        if word is not None and word not in words:
            raise Refused(
                f"{_param(words_path)} {word!r} is not supported", param=_param(words_path)
            )
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
        raise Refused(
            f"This audio format cannot be used: {type} at rate {rate}",
            code="invalid_audio_format",
            param=param,
        )


def _check_keyterms(transcription: Wire) -> None:
    within = "session.audio.input.transcription"
    terms = strings(transcription, "keyterms", within)
    if len(terms) > 100 or any(len(term) > 50 for term in terms):
        raise Refused("at most 100 keyterms of at most 50 characters", param=f"{within}.keyterms")


def _check_tool(value: Any, param: str) -> None:
    tool = checked(value, dict, param)
    kind = tool.get("type")
    if kind not in _TOOLS:
        raise Refused(f"a tool's type is one of {', '.join(_TOOLS)}, not {kind!r}", param=param)
    if kind == "function":
        function = optional(tool, "function", dict, param) or tool
        if not optional(function, "name", str, param):
            raise Refused("a function needs a name", param=param)
        optional(function, "description", str, param)
        optional(function, "parameters", dict, param)
        return
    for name, wanted in _TOOL_TYPES.items():
        optional(tool, name, wanted, param)
    for name in _TOOL_LISTS:
        strings(tool, name, param)
    for name in _TOOL_DATES:
        date = optional(tool, name, str, param)
        if date is not None and not _is_date(date):
            raise Refused(f"{name} must be YYYY-MM-DD", param=f"{param}.{name}")
    for allowed, excluded, limit in _EXCLUSIVE:
        ours, others = strings(tool, allowed, param), strings(tool, excluded, param)
        if ours and others:
            raise Refused(f"{allowed} and {excluded} cannot both be set", param=param)
        if max(len(ours), len(others)) > limit:
            raise Refused(f"at most {limit} entries", param=param)
    if kind == "mcp":
        needed(tool, "server_url", str, param)
        if "." in needed(tool, "server_label", str, param):
            raise Refused("server_label has no dots", param=f"{param}.server_label")


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _nested_detection(session: Wire) -> Wire | None:
    """The server VAD that is set where OpenAI has it; other kinds are passed over (live)."""
    audio = session.get("audio")
    detection = ((audio or {}).get("input") or {}).get("turn_detection")
    if isinstance(detection, Mapping) and detection.get("type") == "server_vad":
        return dict(detection)
    return None


def _check_nested(session: Wire) -> None:
    """What is taken from inside `audio` must be right too."""
    detection = _nested_detection(session)
    if detection is None:
        return
    try:
        _check({"turn_detection": detection})
    except Refused as refused:
        inside = refused.param.replace("session.", "session.audio.input.", 1)
        raise Refused(refused.message.replace(refused.param, inside), param=inside) from None


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
