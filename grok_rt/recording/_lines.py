"""Events as lines of a file, and lines as events. No key and no token gets past this module.

Pure. What is on the wire stays as it was there, but for secrets, and sound that is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

from grok_rt import events
from grok_rt._unset import UNSET
from grok_rt._wire import codec
from grok_rt._wire.frames import said
from grok_rt._wire.framing import TEXT, Frame
from grok_rt.errors import GrokError, ProtocolError
from grok_rt.models import FunctionCall

__all__ = ["Source", "line_of", "message_of", "read_event", "sent_event", "without_secrets"]

Source = Literal["client", "server", "local"]

_HIDDEN: Final = "***"
_APPEND: Final = b'{"type":"input_audio_buffer.append"'
_NAMES: Final = frozenset(
    {
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "cookie",
        "password",
        "proxy-authorization",
        "secret",
        "token",
        "x-api-key",
    }
)
#: What looks like a credential wherever it stands, as in a sentence of the server's.
_LOOKS: Final = re.compile(r"\bxai-[\w-]{8,}|(?<=\bBearer )[^\s\"',]{8,}", re.IGNORECASE)
_LOCAL: Final[Mapping[str, type[events.LocalEvent]]] = {
    kind.wire_type: kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, events.LocalEvent) and "wire_type" in vars(kind)
}


def line_of(at: float, source: Source, message: Mapping[str, Any], elided: int | None) -> bytes:
    """One line, with its end."""
    line: dict[str, Any] = {"t": round(at, 6), "from": source, "event": message}
    if elided is not None:
        line["elided"] = elided
    return json.dumps(line, ensure_ascii=False, default=repr).encode("utf-8", "replace") + b"\n"


def sent_event(frame: Frame) -> events.Event | dict[str, Any]:
    """What a data frame of ours said: sound as an event, the rest as it was on the wire."""
    if frame.opcode == TEXT and not frame.data.startswith(_APPEND):
        message: dict[str, Any] = json.loads(frame.data)
        return message
    return said(frame)


def message_of(event: events.Event, *, keep_audio: bool) -> tuple[dict[str, Any], int | None]:
    """An event as on the wire, and how many bytes of sound were left out; None: it has none."""
    if isinstance(event, events.LocalEvent):
        return _local_message(event), None
    elided = None
    if isinstance(event, (events.AudioDelta, events.InputAudioBufferAppend)) and not keep_audio:
        elided = len(event.audio)
        event = attrs.evolve(event, audio=b"")
    message: dict[str, Any] = json.loads(codec.encode(event))
    return message, elided


def without_secrets(value: Any, *, keep_audio: bool = True) -> Any:
    """A copy without credentials, and without the sound inside items if that is not kept."""
    if isinstance(value, str):
        return _LOOKS.sub(_HIDDEN, value)
    if isinstance(value, list):
        return [without_secrets(one, keep_audio=keep_audio) for one in value]
    if not isinstance(value, dict):
        return value
    clean: dict[str, Any] = {}
    for name, one in value.items():
        key = str(name).lower()
        if key in _NAMES and isinstance(one, str):
            clean[name] = _HIDDEN
        elif key == "headers" and isinstance(one, dict) and one.get("type") != "object":
            clean[name] = dict.fromkeys(one, _HIDDEN)
        elif key in {"audio", "delta"} and isinstance(one, str) and one:
            # Base64 is no sentence: it is left out, or left alone.
            is_sound = key == "audio" or "audio.delta" in str(value.get("type"))
            clean[name] = _LOOKS.sub(_HIDDEN, one) if not is_sound else one if keep_audio else ""
        else:
            clean[name] = without_secrets(one, keep_audio=keep_audio)
    return clean


def read_event(source: Source, message: Mapping[str, Any]) -> events.Event | None:
    """The event of a line; None: it cannot be read."""
    if source == "local":
        return _local_event(message)
    try:
        return codec.decode(json.dumps(message).encode())
    except ProtocolError:
        return None


def _local_message(event: events.LocalEvent) -> dict[str, Any]:
    fields = {
        field.name: _plain(getattr(event, field.name))
        for field in attrs.fields(type(event))
        if field.name != "extra"
    }
    return {"type": event.type, **fields}


def _plain(value: Any) -> Any:
    if value is UNSET:
        return None
    if isinstance(value, BaseException):
        return {"exception": type(value).__name__, "text": str(value)}
    if isinstance(value, FunctionCall):
        return attrs.asdict(value, filter=lambda field, _: field.name != "extra")
    if isinstance(value, events.LocalEvent):
        return _local_message(value)
    if isinstance(value, events.Event):
        return json.loads(codec.encode(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _local_event(message: Mapping[str, Any]) -> events.Event | None:
    kind = _LOCAL.get(str(message.get("type")))
    if kind is None:
        return None
    fields = {field.name: field for field in attrs.fields(kind)}
    given = {
        (fields[name].alias or name): _restored(name, value)
        for name, value in message.items()
        if name in fields
    }
    try:
        return kind(**given)
    except TypeError:
        return None


def _restored(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        if "exception" in value:
            kind = ProtocolError if value["exception"].endswith("ProtocolError") else GrokError
            return kind(value.get("text", ""))
        if name == "call":
            return FunctionCall(**value)
        if "type" in value:
            local = str(value["type"]).startswith("local.")
            return read_event("local" if local else "server", value)
    return value.encode() if name == "data" and isinstance(value, str) else value
