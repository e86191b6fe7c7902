"""What is written is read again, for every class and whatever its values."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import JSON

from grok_rt import events
from grok_rt._unset import UNSET
from grok_rt._wire import codec
from grok_rt.audio import AudioFormat
from grok_rt.models._wire import Wire

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    bytes: st.binary(max_size=8),
    bool: st.booleans(),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
    Any: JSON,
    Literal[UNSET]: st.just(UNSET),
}
EXTRA = st.dictionaries(st.text(string.ascii_uppercase, min_size=1, max_size=3), JSON, max_size=1)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold."""
    if kind in SCALARS:
        return SCALARS[kind]
    if isinstance(kind, type) and issubclass(kind, (Wire, AudioFormat)):
        return st.deferred(lambda: instances(kind))
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=2).map(tuple)
    if get_origin(kind) is Mapping:
        return st.dictionaries(TEXT, values(get_args(kind)[1]), max_size=2)
    assert get_origin(kind) is Union or "Union" in str(get_origin(kind)), kind
    return st.one_of(*map(values, get_args(kind)))


def instances(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any instance of a class of the wire."""
    fields = {
        field.name: EXTRA if field.name == "extra" else values(field.type)
        for field in attrs.fields(attrs.resolve_types(kind))
        if field.name != "nested"
    }
    return st.fixed_dictionaries(fields).map(lambda given_: kind(**given_))


def extras(value: Any) -> Any:
    """All unknown fields of a value, which are no part of its equality."""
    if isinstance(value, tuple):
        return [extras(each) for each in value]
    if isinstance(value, (Wire, AudioFormat)):
        inside = [extras(getattr(value, field.name)) for field in attrs.fields(type(value))]
        return [dict(value.extra), inside]
    return None


@pytest.mark.parametrize("wire_type", sorted(events.WIRE_TYPES))
def test_what_is_written_is_read_again(wire_type: str) -> None:
    """For every class: decoding what was encoded gives the same event, unknown fields too."""

    @given(instances(events.WIRE_TYPES[wire_type]))
    def law(event: events.Event) -> None:
        read = codec.decode(codec.encode(event))
        assert read == event
        assert extras(read) == extras(event)

    law()
