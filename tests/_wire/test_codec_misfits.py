"""What does not fit its class is kept and explained; what is no message is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import JSON, SAMPLES, decode, dump, encode

from grok_rt import events
from grok_rt._wire import codec
from grok_rt.errors import RemoteProtocolError


def fault(value: Any) -> str | None:
    event = decode(value)
    assert isinstance(event, events.UnknownEvent)
    assert event.raw == value
    return event.parse_error


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            {"type": "error", "error": {"code": 5}},
            (
                "required field missing @ $.error.type; "
                "expected a string, got a whole number @ $.error.code; "
                "required field missing @ $.error.message"
            ),
        ),
        ({"type": "error", "error": 5}, "expected an object, got a whole number @ $.error"),
        ({"type": "error"}, "required field missing @ $.error"),
        (
            {"type": "response.done", "response": {"output": [{"type": "x"}, {"type": None}]}},
            "expected a string, got null @ $.response.output[1].type",
        ),
        (
            {"type": "session.updated", "session": {"tools": {}}},
            "expected an array, got an object @ $.session.tools",
        ),
        (
            {"type": "session.update", "session": {"tools": ["f"]}},
            "expected an object, got a string @ $.session.tools[0]",
        ),
        (
            {"type": "session.update", "session": {"replace": []}},
            "expected an object, got an array @ $.session.replace",
        ),
        (
            {
                "type": "session.update",
                "session": {"tools": [{"type": "mcp", "headers": {"a": 1}}]},
            },
            "expected an object of strings @ $.session.tools[0].headers",
        ),
        (
            {"type": "response.output_item.added", "item": {"type": "m"}, "output_index": 0.5},
            "expected a whole number, got a number @ $.output_index",
        ),
        (
            {"type": "response.output_item.added", "item": {"type": "m"}, "output_index": True},
            "expected a whole number, got true or false @ $.output_index",
        ),
        (
            {"type": "conversation.item.added", "item": {"type": "m", "replayed": 1}},
            "expected true or false, got a whole number @ $.item.replayed",
        ),
        (
            {"type": "response.audio.delta", "delta": "", "latency": [1]},
            "expected a string or a number, got an array @ $.latency",
        ),
        ({"type": "ping", "timestamp": "now"}, "expected a number, got a string @ $.timestamp"),
        (
            {"type": "ping", "timestamp": True},
            "expected a number, got true or false @ $.timestamp",
        ),
        ({"type": "ping", "event_id": None}, "expected a string, got null @ $.event_id"),
        (
            {"type": "response.audio.delta", "delta": 5},
            "expected base64, got a whole number @ $.delta",
        ),
        ({"type": "response.audio.delta"}, "required field missing @ $.delta"),
    ],
)
def test_a_misfit_says_where(value: dict[str, Any], sentence: str) -> None:
    """Nothing is converted in silence, and the sentence has the path of each fault."""
    assert fault(value) == sentence


@pytest.mark.parametrize("text", ["a", "====", "AAEC\n", "AA-_", "AAE=C", "é", "\u0000"])
@pytest.mark.parametrize("wire_type", ["response.audio.delta", "response.output_audio.delta"])
def test_sound_that_is_no_base64_is_a_misfit(wire_type: str, text: str) -> None:
    """Sound is checked, so that noise never reaches the loudspeaker."""
    assert str(fault({"type": wire_type, "delta": text})).endswith("@ $.delta")


def test_few_faults_are_told_of_many() -> None:
    """A sentence is for reading: five faults, and of each array the first."""
    fields = ("voice", "model", "instructions", "temperature", "id", "object")
    value = {"type": "session.updated", "session": {name: [] for name in fields}}
    assert str(fault(value)).count("@") == 5
    value = {"type": "response.done", "response": {"output": [5, 5]}}
    assert fault(value) == "expected an object, got a whole number @ $.response.output[0]"


def test_whole_numbers_may_come_with_a_point() -> None:
    """JSON does not tell 3.0 from 3."""
    event = decode({"type": "response.output_audio.done", "output_index": 3.0})
    assert isinstance(event, events.ResponseOutputAudioDone)
    assert (event.output_index, type(event.output_index)) == (3, int)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"ping"',
        b"{}",
        b'{"type": null}',
        b'{"type": ["ping"]}',
        b'{"type": 5}',
        b'{"type": "ping"} {}',
        b'{"type": "ping", "timestamp": NaN}',
        b'{"type": "ping", "timestamp": 1e999}',
        b'{"type": "ping", "timestamp": ' + b"1" * 5000 + b"}",
        b'{"type": "ping", "x": "\\ud800"}',
        b'{"type": "ping", "x": "\xff"}',
        b'{"type": "ping", "x": "\xed\xa0\x80"}',
        b'{"\xff": 1}',
        b"\xef\xbb\xbf{}",
        b"[" * 1_000_000,
        b'{"type":' * 200_000,
        b'{"type": "response.audio.delta", "delta": "' + b"[" * 100,
        b'{"type": "response.audio.delta", "x": ' + b"[" * 200_000,
    ],
    ids=lambda data: data[:40].decode("latin-1"),
)
def test_what_is_no_message_is_the_servers_fault(data: bytes) -> None:
    """One error for all of it, and no other."""
    with pytest.raises(RemoteProtocolError):
        codec.decode(data)


@given(st.binary())
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    """Garbage is refused by `RemoteProtocolError` alone."""
    with pytest.raises(RemoteProtocolError):
        codec.decode(b"\x00" + data)


FIELDS = sorted({a.name for kind in events.WIRE_TYPES.values() for a in attrs.fields(kind)})


@given(
    st.sampled_from(sorted(events.WIRE_TYPES)),
    st.dictionaries(st.sampled_from([*FIELDS, "delta"]), JSON, max_size=5),
)
def test_any_object_with_a_type_is_an_event(wire_type: str, fields: dict[str, Any]) -> None:
    """Whatever the fields hold, the message is read or kept, and can be sent on unchanged."""
    value = {**fields, "type": wire_type}
    event = decode(value)
    assert isinstance(event, (events.WIRE_TYPES[wire_type], events.UnknownEvent))
    assert encode(event) == value


@given(st.sampled_from(SAMPLES), st.data())
def test_a_broken_sample_is_read_or_kept(sample: dict[str, Any], data: st.DataObject) -> None:
    """One wrong value somewhere in a real message never raises."""
    value = json.loads(json.dumps(sample))
    place = value
    while True:
        key = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    if isinstance(value["type"], str):
        assert encode(decode(value)) == value
    else:
        with pytest.raises(RemoteProtocolError):
            decode(value)


def test_the_last_of_two_equal_names_counts() -> None:
    """As in every JSON reader of Python."""
    event = codec.decode(b'{"type": "ping", "timestamp": 1, "timestamp": 2}')
    assert event == events.Ping(timestamp=2)


@pytest.mark.parametrize(
    "value",
    [
        {"type": "response.done", "response": {"output": [5] * 500_000}},
        {"type": "response.done", "response": {"output": [{"type": "m"}] * 20_000 + [5]}},
        {"type": "ping", **{f"x{n}": n for n in range(100_000)}},
        {"type": "response.output_audio.delta", "delta": "A" * 4_000_000 + "*"},
    ],
    ids=["misfits", "items", "fields", "sound"],
)
def test_no_message_keeps_the_reader_busy(value: dict[str, Any]) -> None:
    """A hostile megabyte takes a fraction of a second, whatever is in it."""
    text = dump(value)
    codec.decode(dump({"type": value["type"], "response": {"output": [5]}}))  # compile
    start = time.process_time()
    codec.decode(text)
    assert time.process_time() - start < 2


def test_deep_nesting_in_a_free_field_is_kept() -> None:
    """Depth that JSON itself can be read at is no fault of the message."""
    value: Any = 1
    for _ in range(50):
        value = [value]
    assert encode(decode({"type": "x", "y": value})) == {"type": "x", "y": value}
