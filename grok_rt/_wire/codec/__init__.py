"""Bytes of the wire to events and back. JSON and base64 live only here; no I/O, no thread.

The classes say all there is to know about a message; `_compile` turns them into readers and
writers. A message is taken apart without bookkeeping; only one that does not fit is taken apart
again, slowly, to say where. Sound has a way of its own in `_sound`, with the same results.

`decode` runs in the reader thread, `encode` in the thread of whoever sends.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import msgspec
import pybase64

from grok_rt._unset import UNSET, Unset
from grok_rt._wire.codec._compile import Misplaced, compiled
from grok_rt._wire.codec._sound import read_sound
from grok_rt.errors import LocalProtocolError, RemoteProtocolError
from grok_rt.events import WIRE_TYPES, ClientEvent, Event, LocalEvent, UnknownEvent
from grok_rt.models._wire import wire_name

__all__ = ["decode", "encode", "encode_append"]

_parse = msgspec.json.Decoder().decode
_dump = msgspec.json.Encoder().encode
_NO_JSON = (TypeError, ValueError, AttributeError, OverflowError, RecursionError)
_FAULTS_TOLD = 5
# by the type of the message; two threads may both fill an entry, with the same
_readers: dict[str, Callable[[Any, Any], Event]] = {}


def decode(data: bytes | bytearray | memoryview, *, alone: bool = False) -> Event:
    """Read one text message, of the server or of a client; `alone` if nothing came with it.

    A message whose type is unknown becomes an `UnknownEvent`, and so does one that is not what
    its class says; that one tells where in `parse_error`.

    Raises:
        RemoteProtocolError: it is no JSON object with a ``type``.
    """
    sound = read_sound(data, alone=alone)
    if sound is not None:
        return sound
    try:
        message = _parse(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"the message is no JSON: {error}", close_code=1007) from error
    if type(message) is not dict or type(wire_type := message.get("type")) is not str:
        raise RemoteProtocolError("the message is no JSON object with a type", close_code=1007)
    read = _readers.get(wire_type) or _reader(wire_type)
    if read is None:
        return _unknown(wire_type, message)
    try:
        return read(message, None)
    except (TypeError, ValueError, KeyError):
        return _unknown(wire_type, message, _why(message, WIRE_TYPES[wire_type]))


def encode(event: Event) -> bytes:
    """Write one message; `decode` of it gives the same event again.

    Raises:
        LocalProtocolError: the event is a local one, holds what JSON cannot say, or is a
            client's and its fields are not what its class says.
    """
    if isinstance(event, LocalEvent):
        raise LocalProtocolError(f"{type(event).__name__} is a local event and is never sent")
    try:
        data: bytes = _dump(compiled().unstructure(event))
    except _NO_JSON as error:
        raise LocalProtocolError(f"{type(event).__name__} cannot be sent: {error}") from error
    if isinstance(event, ClientEvent):
        _refuse_misfit(event, data)
    return data


def encode_append(pcm: bytes | bytearray | memoryview, event_id: str | Unset = UNSET) -> bytes:
    """Write an `InputAudioBufferAppend`: what `encode` does, on the short way of sound.

    Raises:
        LocalProtocolError: `pcm` is no bytes, or `event_id` holds what JSON cannot say.
    """
    try:
        name = b"" if event_id is UNSET else b'"event_id":%b,' % _dump(event_id)
        audio = pybase64.b64encode(pcm)
    except _NO_JSON as error:
        raise LocalProtocolError(f"the sound cannot be sent: {error}") from error
    return b'{"type":"input_audio_buffer.append",%b"audio":"%b"}' % (name, audio)


def _refuse_misfit(event: ClientEvent, data: bytes) -> None:
    """What we could not read ourselves, the server need not guess at: it may end the session."""
    again = decode(data)
    if isinstance(again, UnknownEvent) and again.parse_error is not None:
        raise LocalProtocolError(f"{type(event).__name__} cannot be sent: {again.parse_error}")


def _unknown(
    wire_type: str, message: dict[str, Any], parse_error: str | None = None
) -> UnknownEvent:
    event_id = message.get("event_id")
    event_id = event_id if type(event_id) is str else UNSET
    return UnknownEvent(wire_type, message, parse_error, event_id=event_id)


def _reader(wire_type: str) -> Callable[[Any, Any], Event] | None:
    """Compile the class of a message that comes for the first time; None: there is no class."""
    event_class = WIRE_TYPES.get(wire_type)
    if event_class is not None:
        _readers[wire_type] = compiled().get_structure_hook(event_class)
    return _readers.get(wire_type)


def _why(message: dict[str, Any], event_class: type[Event]) -> str:
    """Where a message does not fit its class: told by a second, slower reading."""
    from cattrs import BaseValidationError

    try:
        compiled(detailed=True).structure(message, event_class)
    except (BaseValidationError, TypeError) as error:
        return "; ".join(itertools.islice(_misfits(error, "$"), _FAULTS_TOLD))
    raise AssertionError("what was refused is refused again")  # pragma: no cover


def _misfits(error: Any, path: str) -> Iterator[str]:
    """One sentence for each leaf of the tree of errors."""
    from cattrs import ClassValidationError

    if isinstance(error, ClassValidationError):
        names = {field.name: wire_name(field) for field in attrs.fields(error.cl)}
        for inner, note in error.group_exceptions()[0]:
            yield from _misfits(inner, f"{path}.{names[note.name]}")
    elif isinstance(error, Misplaced):
        yield from _misfits(error.error, f"{path}[{error.index}]")
    elif isinstance(error, KeyError):
        yield f"required field missing @ {path}"
    else:
        yield f"{error} @ {path}"
