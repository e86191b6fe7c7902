"""How the classes become readers and writers: the one rule of this wire, for cattrs.

Absent is `UNSET`, null is `None`, what is unknown goes to `extra`, and nothing is ever converted
in silence. Every class is compiled at its first use; cattrs is imported by the first.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Union, get_args, get_origin

import attrs
import pybase64

from grok_rt._extra import Extra
from grok_rt._unset import UNSET, Unset
from grok_rt.audio import AudioFormat
from grok_rt.events import Event, UnknownEvent
from grok_rt.models import GrokToolDefinition
from grok_rt.models._wire import Wire, wire_name

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["Misplaced", "compiled"]

Read = Callable[[Any, Any], Any]
Write = Callable[[Any], Any]

# In a function's place on the wire: {"type": "function", "function": {these}}.
_FUNCTION: Final = ("name", "description", "parameters")


class Misplaced(ValueError):
    """The entry at `index` of an array does not fit; the first one that does not ends the reading.

    cattrs would go on and gather them all, which in a large hostile array takes minutes.
    """

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__(index)
        self.index = index
        self.error = error


@functools.cache
def compiled(*, detailed: bool = False) -> Converter:
    """The converter of this wire; a detailed one is slower, and knows where a fault is."""
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

    for plain, write in _PLAIN.items():  # a subclass is written as what it is a kind of
        converter.register_unstructure_hook(plain, write)
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
    entry = get_args(kind)[0]
    read_entry = converter.get_structure_hook(entry)

    def read(value: Any, _: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise _misfit("an array", value)
        entries = []
        try:
            for each in value:
                entries.append(read_entry(each, entry))  # noqa: PERF401 - to know where it failed
        except Exception as error:
            raise Misplaced(len(entries), error) from error
        return tuple(entries)

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


_PLAIN: Final[dict[type, Write]] = {
    str: str.__str__,
    int: int.__int__,
    bool: bool,
    type(None): lambda value: value,
}


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
