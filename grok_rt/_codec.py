"""Bytes of the wire to events and back. JSON and base64 live only here; no I/O, no thread.

The classes say all there is to know about a message; this module compiles them, each at its first
use, with the one rule of this wire: absent is `UNSET`, null is `None`, what is unknown goes to
`extra`, and nothing is ever converted in silence. A message is taken apart without bookkeeping;
only one that does not fit is taken apart again, slowly, to say where.

`decode` runs in the reader thread, `encode` in the writer thread.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Union, get_args, get_origin

import attrs
import msgspec
import pybase64

from grok_rt._unset import UNSET, Unset
from grok_rt.audio import AudioFormat
from grok_rt.errors import LocalProtocolError, RemoteProtocolError
from grok_rt.events import WIRE_TYPES, Event, LocalEvent, UnknownEvent
from grok_rt.models import GrokToolDefinition
from grok_rt.models._wire import Extra, Wire, wire_name

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["decode", "encode", "encode_append"]

Read = Callable[[Any, Any], Any]
Write = Callable[[Any], Any]

_parse = msgspec.json.Decoder().decode
_dump = msgspec.json.Encoder().encode
_readers: dict[str, Read] = {}  # by the type of message; two threads may fill it, with the same

# In a function's place on the wire: {"type": "function", "function": {these}}.
_FUNCTION: Final = ("name", "description", "parameters")


def decode(data: bytes | bytearray | memoryview) -> Event:
    """Read one text message, of the server or of a client.

    A message whose type is unknown becomes an `UnknownEvent`, and so does one that is not what
    its class says; that one tells where in `parse_error`.

    Raises:
        RemoteProtocolError: it is no JSON object with a ``type``.
    """
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
        event: Event = read(message, None)
    except (TypeError, ValueError, KeyError):
        return _unknown(wire_type, message, _why(message, WIRE_TYPES[wire_type]))
    return event


def encode(event: Event) -> bytes:
    """Write one message; `decode` of it gives the same event again.

    Raises:
        LocalProtocolError: the event is a local one, or holds what JSON cannot say.
    """
    if isinstance(event, LocalEvent):
        raise LocalProtocolError(f"{type(event).__name__} is a local event and is never sent")
    try:
        return _dump(_converter().unstructure(event))
    except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise LocalProtocolError(f"{type(event).__name__} cannot be sent: {error}") from error


def encode_append(pcm: bytes | bytearray | memoryview, event_id: str | Unset = UNSET) -> bytes:
    """Write an `InputAudioBufferAppend`: what `encode` does, on the way of every sound."""
    audio = pybase64.b64encode(pcm)
    if event_id is UNSET:
        return b'{"type":"input_audio_buffer.append","audio":"%b"}' % audio
    return b'{"type":"input_audio_buffer.append","event_id":%b,"audio":"%b"}' % (
        _dump(event_id),
        audio,
    )


def _unknown(
    wire_type: str, message: dict[str, Any], parse_error: str | None = None
) -> UnknownEvent:
    event_id = message.get("event_id")
    event_id = event_id if type(event_id) is str else UNSET
    return UnknownEvent(wire_type, message, parse_error, event_id=event_id)


def _reader(wire_type: str) -> Read | None:
    """Compile the class of a message that comes for the first time; None: there is no class."""
    event_class = WIRE_TYPES.get(wire_type)
    if event_class is not None:
        _readers[wire_type] = _converter().get_structure_hook(event_class)
    return _readers.get(wire_type)


def _why(message: dict[str, Any], event_class: type[Event]) -> str:
    """Where a message does not fit its class: told by a second, slower reading."""
    from cattrs import BaseValidationError

    try:
        _converter(detailed=True).structure(message, event_class)
    except (BaseValidationError, TypeError) as error:
        return "; ".join(_misfits(error, "$"))
    raise AssertionError("what was refused must be refused again")


def _misfits(error: Any, path: str) -> Iterator[str]:
    """One sentence for each leaf of the tree of errors that cattrs raises."""
    from cattrs import ClassValidationError, IterableValidationError

    if isinstance(error, ClassValidationError):
        names = {field.name: wire_name(field) for field in attrs.fields(error.cl)}
        for inner, note in error.group_exceptions()[0]:
            yield from _misfits(inner, f"{path}.{names[note.name]}")
    elif isinstance(error, IterableValidationError):
        for inner, index in error.group_exceptions()[0]:
            yield from _misfits(inner, f"{path}[{index.index}]")
    elif isinstance(error, KeyError):
        yield f"required field missing @ {path}"
    else:
        yield f"{error} @ {path}"


# --- how the classes are compiled --------------------------------------------


@functools.cache
def _converter(*, detailed: bool = False) -> Converter:
    from cattrs import Converter

    converter = Converter(
        detailed_validation=detailed, unstructure_fallback_factory=lambda _: _refuse
    )
    for kind in (str, bool, float):
        converter.register_structure_hook(kind, _scalar(kind))
    converter.register_structure_hook(int, _read_int)
    converter.register_structure_hook(bytes, _read_base64)
    converter.register_structure_hook_factory(_is_union, _read_union)
    converter.register_structure_hook_factory(_is_array, _read_array)
    converter.register_structure_hook_factory(_is_object, _read_object)
    converter.register_structure_hook_factory(_is_wire, _read_class)
    converter.register_structure_hook(GrokToolDefinition, _read_tool(converter))

    for plain in (str, int, bool, type(None)):
        converter.register_unstructure_hook(plain, _as_it_is)
    converter.register_unstructure_hook(float, _write_float)
    converter.register_unstructure_hook(bytes, _write_base64)
    converter.register_unstructure_hook_factory(_is_mapping, _write_mapping)
    converter.register_unstructure_hook_factory(_is_wire, _write_class)
    converter.register_unstructure_hook(GrokToolDefinition, _write_tool(converter))
    converter.register_unstructure_hook(UnknownEvent, lambda it: converter.unstructure(it.raw))
    return converter


_NAMES: Final = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "an array",
    type(None): "null",
}
_ACCEPTED: Final = {str: (str,), bool: (bool,), int: (int,), float: (float, int)}


def _misfit(expected: str, value: object) -> TypeError:
    return TypeError(f"expected {expected}, got {_NAMES[type(value)]}")


def _scalar(*kinds: type) -> Read:
    """Take values of these kinds only, and unchanged: 5 is no "5", true no 1, null no "None"."""
    accepted = frozenset(each for kind in kinds for each in _ACCEPTED[kind])
    expected = " or ".join(_NAMES[kind] for kind in kinds)

    def read(value: Any, _: Any) -> Any:
        if type(value) in accepted:
            return value
        raise _misfit(expected, value)

    return read


def _read_int(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():  # JSON does not tell 3.0 from 3
        return int(value)
    raise _misfit("a whole number", value)


def _read_base64(value: Any, _: Any) -> bytes:
    if type(value) is not str:
        raise _misfit("base64", value)
    return pybase64.b64decode(value, validate=True)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _read_union(kind: Any, converter: Converter) -> Read:
    """`Maybe[...]`, and unions of scalars."""
    absent = {each for each in get_args(kind) if each in (Unset, type(None))}
    kinds = [each for each in get_args(kind) if each not in absent]
    passed = [UNSET, None] if type(None) in absent else [UNSET]
    inner = kinds[0] if len(kinds) == 1 else None
    read_inner = converter.get_structure_hook(inner) if inner else _scalar(*kinds)

    def read(value: Any, _: Any) -> Any:
        return value if value in passed else read_inner(value, inner)

    return read


def _is_array(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _read_array(kind: Any, converter: Converter) -> Read:
    entries: Any = list[get_args(kind)[0]]  # type: ignore[misc]
    read_entries = converter.get_structure_hook(entries)

    def read(value: Any, _: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise _misfit("an array", value)
        return tuple(read_entries(value, entries))

    return read


def _is_object(kind: Any) -> bool:
    return get_origin(kind) is Mapping


def _read_object(kind: Any, _: Converter) -> Read:
    of_strings = get_args(kind)[1] is str

    def read(value: Any, _: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _misfit("an object", value)
        if of_strings and any(type(each) is not str for each in value.values()):
            raise TypeError("expected an object of strings")
        return value

    return read


def _is_wire(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, (Wire, AudioFormat))


def _read_class(kind: type[Any], converter: Converter) -> Read:
    from cattrs.gen import make_dict_structure_fn, override

    fields = _wire_fields(attrs.resolve_types(kind))
    overrides: dict[str, Any] = {name: override(rename=wire) for name, wire in fields.items()}
    for attribute in attrs.fields(kind):
        overrides.setdefault(attribute.name, override(omit=True))
    build = make_dict_structure_fn(kind, converter, **overrides)
    known = frozenset(fields.values()) | ({"type"} if issubclass(kind, Event) else set())
    # What the constructor fills in for the user must stay absent when the server leaves it out.
    absent = {
        wire_name(attribute): UNSET
        for attribute in attrs.fields(kind)
        if attribute.name in fields and attribute.default not in (attrs.NOTHING, UNSET)
    }

    def read(value: Any, _: Any) -> Any:
        if type(value) is not dict:
            raise _misfit("an object", value)
        made = build(absent | value if absent else value, kind)
        if not value.keys() <= known:
            extra = {name: value[name] for name in value if name not in known}
            object.__setattr__(made, "extra", Extra(extra))  # frozen for all but its maker
        return made

    return read


def _wire_fields(kind: type[Any]) -> dict[str, str]:
    """The fields that are on the wire under a name of their own, with that name."""
    names = {field.name: wire_name(field) for field in attrs.fields(kind)}
    return {name: wire for name, wire in names.items() if wire and name != "extra"}


def _as_it_is(value: Any) -> Any:
    return value


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{value!r} is no JSON")


def _write_float(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no JSON")
    return float(value)


def _write_base64(value: bytes) -> str:
    return pybase64.b64encode_as_string(value)


def _is_mapping(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Mapping)


def _write_mapping(_: Any, converter: Converter) -> Write:
    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        for name in value:
            if not isinstance(name, str):
                raise TypeError(f"{name!r} is no name of a field")
        return {name: converter.unstructure(each) for name, each in value.items()}

    return write


def _write_class(kind: type[Any], converter: Converter) -> Write:
    fields = tuple(_wire_fields(kind).items())
    tag = {"type": kind.wire_type} if issubclass(kind, Event) else {}

    def write(value: Any) -> dict[str, Any]:
        written = dict(tag)
        for name, wire in fields:
            field = getattr(value, name)
            if field is not UNSET:
                written[wire] = converter.unstructure(field)
        for name, field in converter.unstructure(value.extra).items():
            written.setdefault(name, field)
        return written

    return write


def _read_tool(converter: Converter) -> Read:
    """Functions come flat or inside a ``function`` object, and are told apart by `nested`."""
    read_flat: Read | None = None

    def read(value: Any, kind: Any) -> Any:
        nonlocal read_flat
        read_flat = read_flat or _read_class(GrokToolDefinition, converter)
        inner = value.get("function") if type(value) is dict else None
        if type(inner) is not dict or not value.keys().isdisjoint(_FUNCTION):
            return read_flat(value, kind)
        flat = {name: each for name, each in value.items() if name != "function"}
        unknown = {name: each for name, each in inner.items() if name not in _FUNCTION}
        flat |= {name: each for name, each in inner.items() if name in _FUNCTION}
        if unknown:
            flat["function"] = unknown
        return attrs.evolve(read_flat(flat, kind), nested=True)

    return read


def _write_tool(converter: Converter) -> Write:
    write_flat = _write_class(GrokToolDefinition, converter)

    def write(value: GrokToolDefinition) -> dict[str, Any]:
        written: dict[str, Any] = write_flat(value)
        if value.nested:
            inner = {name: written.pop(name) for name in _FUNCTION if name in written}
            written["function"] = {**inner, **written.get("function", {})}
        return written

    return write
