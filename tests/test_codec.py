"""Bytes to events and back: exact on what is known, careful with what is not."""

from __future__ import annotations

import enum
import json
import math
import string
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import CASES, SOUND

from grok_rt import _codec, events
from grok_rt._codec import _sound
from grok_rt._unset import UNSET
from grok_rt.audio import AudioFormat
from grok_rt.errors import LocalProtocolError, RemoteProtocolError
from grok_rt.models import GrokToolDefinition, SessionUpdatePayload, TurnDetection
from grok_rt.models._wire import Wire

SAMPLES = [
    json.loads(line)["event"]
    for line in (Path(__file__).parent / "data" / "samples.jsonl").read_text("utf-8").splitlines()
]


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def decode(value: Any) -> events.Event:
    return _codec.decode(dump(value))


def encode(event: events.Event) -> Any:
    return json.loads(_codec.encode(event))


def fault(value: Any) -> str | None:
    event = decode(value)
    assert isinstance(event, events.UnknownEvent)
    assert event.raw == value
    return event.parse_error


# --- what is known ------------------------------------------------------------


@pytest.mark.parametrize(("event", "value"), CASES, ids=lambda case: getattr(case, "type", ""))
def test_the_golden_table(event: events.Event, value: dict[str, Any]) -> None:
    """Each row reads as its event and is written as its JSON; the type stands first."""
    assert decode(value) == event
    assert encode(event) == value
    if not isinstance(event, events.UnknownEvent):
        assert next(iter(encode(event))) == "type"


@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: value["type"])
def test_every_sample_is_understood_and_kept(value: dict[str, Any]) -> None:
    """What was recorded or documented has a class, fits it, and is written back as it came."""
    event = decode(value)
    assert type(event) is events.WIRE_TYPES[value["type"]]
    assert encode(event) == value


def test_there_are_as_many_samples_as_were_collected() -> None:
    """No sample was lost on the way here."""
    assert len(SAMPLES) == 146


def test_the_text_may_come_in_any_kind_of_buffer() -> None:
    """What the transport gives is read without a copy of its own."""
    for value in (CASES[0][1], {"type": "response.audio.delta", "delta": "AAECAw=="}):
        text = dump(value)
        assert (
            _codec.decode(text) == _codec.decode(bytearray(text)) == _codec.decode(memoryview(text))
        )


def test_absent_null_and_default_are_three_things() -> None:
    """Whoever sends null means null; what the server leaves out stays out."""
    absent, null, given_ = (
        decode({"type": "session.update", "session": session}).session  # type: ignore[attr-defined]
        for session in ({}, {"turn_detection": None}, {"turn_detection": {}})
    )
    assert absent.turn_detection is UNSET
    assert null.turn_detection is None
    assert given_.turn_detection == TurnDetection(UNSET, UNSET, UNSET, UNSET)
    assert given_.turn_detection != TurnDetection()


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "f", "strict": True}},
        {"type": "function", "function": {"name": "f"}, "strict": True},
        {"type": "function", "function": {}},
        {"type": "function", "name": "f", "function": {"name": "g"}},
        {"type": "function", "name": "f", "function": None},
        {"type": "something_new", "url": ["x"]},
    ],
)
def test_tools_are_written_as_they_came(tool: dict[str, Any]) -> None:
    """Flat or nested, and with whatever is new inside."""
    value = {"type": "session.updated", "session": {"tools": [tool]}}
    assert encode(decode(value)) == value


def test_a_nested_function_reads_like_a_flat_one() -> None:
    """The server's echo has the same name in the same place."""
    function = {"name": "f", "description": "d", "parameters": {}}
    nested = {
        "type": "session.update",
        "session": {"tools": [{"type": "function", "function": function}]},
    }
    event = decode(nested)
    assert isinstance(event, events.SessionUpdate)
    assert event.session.tools == (GrokToolDefinition("function", "f", "d", {}, nested=True),)


# --- what is not known --------------------------------------------------------


@pytest.mark.parametrize(("event", "value"), CASES, ids=lambda case: getattr(case, "type", ""))
def test_unknown_fields_are_kept_and_sent_back(event: events.Event, value: dict[str, Any]) -> None:
    """The server's next field is there before the next version of this package."""
    value = {**value, "brand_new": {"a": [1, None]}}
    read = decode(value)
    assert type(read) is type(event)
    assert encode(read) == value
    if not isinstance(read, events.UnknownEvent):
        assert dict(read.extra) == {"brand_new": {"a": [1, None]}}


def test_unknown_fields_are_kept_inside_too() -> None:
    """The same holds for every object that has a class, however deep."""
    value = {
        "type": "session.updated",
        "session": {"audio": {"input": {"format": {"type": "audio/new", "bits": 24}, "gain": 2}}},
    }
    event = decode(value)
    assert isinstance(event, events.SessionUpdated)
    channel = event.session.audio.input  # type: ignore[union-attr]
    assert dict(channel.extra) == {"gain": 2}  # type: ignore[union-attr]
    assert encode(event) == value


def test_an_event_without_unknown_fields_shares_one_empty_mapping() -> None:
    """Nothing costs nothing."""
    first, second = (decode({"type": "ping", "timestamp": n}) for n in (1, 2))
    assert first.extra is second.extra
    with pytest.raises(TypeError):
        first.extra["x"] = 1  # type: ignore[index]


def test_a_field_of_its_own_wins_over_extra() -> None:
    """`extra` adds what this version does not know and overrides nothing."""
    assert encode(events.ResponseCancel("r", extra={"response_id": "x", "type": "y"})) == {
        "type": "response.cancel",
        "response_id": "r",
    }


def test_an_unknown_type_is_news_and_no_error() -> None:
    """The message survives whole."""
    value = {"type": "response.video.delta", "event_id": "e", "delta": "x"}
    event = decode(value)
    assert event == events.UnknownEvent("response.video.delta", value, event_id="e")
    assert isinstance(event, events.ServerEvent)
    assert event.event_id == "e"
    assert encode(event) == value


def test_an_unknown_type_may_have_an_odd_id() -> None:
    """The id of an unknown message is only an id when it is a text."""
    event = decode({"type": "x", "event_id": 5})
    assert isinstance(event, events.UnknownEvent)
    assert event.event_id is UNSET


# --- what does not fit --------------------------------------------------------


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
        _codec.decode(data)


@given(st.binary())
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    """Garbage is refused by `RemoteProtocolError` alone."""
    with pytest.raises(RemoteProtocolError):
        _codec.decode(b"\x00" + data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "id", "item", "x"]), children, max_size=3)
    ),
    max_leaves=8,
)
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
    event = _codec.decode(b'{"type": "ping", "timestamp": 1, "timestamp": 2}')
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
    _codec.decode(dump({"type": value["type"], "response": {"output": [5]}}))  # compile
    start = time.process_time()
    _codec.decode(text)
    assert time.process_time() - start < 2


def test_deep_nesting_in_a_free_field_is_kept() -> None:
    """Depth that JSON itself can be read at is no fault of the message."""
    value: Any = 1
    for _ in range(50):
        value = [value]
    assert encode(decode({"type": "x", "y": value})) == {"type": "x", "y": value}


# --- the short way of sound ---------------------------------------------------


@pytest.mark.parametrize("kind", [events.ResponseAudioDelta, events.ResponseOutputAudioDelta])
def test_the_short_way_gives_what_the_long_way_gives(kind: type[events.AudioDelta]) -> None:
    """Every field, of the same value and type; the long way is taken when the type is not first."""
    (value,) = [value for event, value in CASES if type(event) is kind]
    assert {a.metadata.get("wire", a.name) for a in attrs.fields(kind)} - {"extra"} == (
        set(value) - {"type"}
    )
    short = _sound.read_sound(dump(value))
    assert short is not None
    rest = {name: field for name, field in value.items() if name != "type"}
    last = dump({"x" * 40: 1, **rest, "type": kind.wire_type})
    assert _sound.read_sound(last) is None
    long = _codec.decode(last)
    assert short == long
    assert repr(short) == repr(long).split(", extra=")[0] + ")"


@pytest.mark.parametrize("name", [a.name for a in attrs.fields(events.ResponseOutputAudioDelta)])
def test_the_short_way_takes_each_field_alone(name: str) -> None:
    """No field is lost, and none is invented."""
    value = {"type": "response.output_audio.delta", "delta": "AAECAw==", name: None}
    if name in {"audio", "event_id"}:
        value[name] = "e"
    short, long = (decode(value), _codec.decode(b" " * 60 + dump(value)))
    assert short == long
    assert encode(short) == encode(long) == value


@pytest.mark.parametrize(
    "data",
    [
        b'{"type": "response.output_audio.delta", "delta": "AAEC", "new": 1}',
        b'{"type": "response.output_audio.delta", "delta": "AAEC", "ts": []}',
        b'{"type": "response.output_audio.delta", "delta": "*"}',
        b'{"type": "response.output_audio.delta", "delta": ',
        b'{"type": "response.text.delta", "delta": "AAEC"}',
        b'{"type": "ping"}',
    ],
)
def test_the_short_way_leaves_the_rest_to_the_long_way(data: bytes) -> None:
    """It takes what is plainly sound, and judges nothing else."""
    assert _sound.read_sound(data) is None


@given(st.binary(max_size=2000))
def test_sound_survives_the_wire(sound: bytes) -> None:
    """Every byte of it, in both directions and by both ways of writing."""
    delta = events.ResponseOutputAudioDelta(audio=sound)
    append = events.InputAudioBufferAppend(sound)
    assert _codec.decode(_codec.encode(delta)) == delta
    assert _codec.decode(_codec.encode(append)) == append
    assert _codec.decode(_codec.encode_append(sound)) == append


@given(st.binary(max_size=50), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_template_writes_what_encode_writes(sound: bytes, event_id: str) -> None:
    """The short way out differs in speed only."""
    event = events.InputAudioBufferAppend(sound, event_id=event_id)
    assert json.loads(_codec.encode_append(sound, event_id)) == encode(event)
    assert json.loads(_codec.encode_append(bytearray(sound))) == encode(
        events.InputAudioBufferAppend(sound)
    )


# --- what cannot be sent ------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        object(),
        {1: 2},
        {None: 2},
        "\ud800",
        1j,
        events.FunctionCalled,
        [math.nan],
        {"deep": [{"deeper": object()}]},
    ],
    ids=repr,
)
def test_what_is_no_json_is_our_fault(value: Any) -> None:
    """It is refused before it is sent, wherever it hides."""
    for event in (
        events.ResponseCancel(extra={"x": value}),
        events.UnknownEvent("x", {"type": "x", "y": value}),
        events.SessionUpdate(SessionUpdatePayload(temperature=value)),
    ):
        with pytest.raises(LocalProtocolError, match=r"cannot be sent: ."):
            _codec.encode(event)


def test_a_value_that_holds_itself_is_refused() -> None:
    """As is one too deep for the machine."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(LocalProtocolError):
        _codec.encode(events.ResponseCancel(extra={"x": circle}))


def test_a_local_event_is_never_sent() -> None:
    """It happened here, and means nothing to the server."""
    with pytest.raises(LocalProtocolError, match="local event"):
        _codec.encode(events.Closed(1000))


def test_an_abstract_event_is_never_sent() -> None:
    """A group is no message."""
    with pytest.raises(LocalProtocolError):
        _codec.encode(events.ClientEvent())


@pytest.mark.parametrize(("sound", "event_id"), [("text", UNSET), (SOUND, "\ud800")])
def test_the_template_refuses_what_encode_refuses(sound: Any, event_id: Any) -> None:
    """The short way out has the same errors."""
    with pytest.raises(LocalProtocolError):
        _codec.encode_append(sound, event_id)


def test_numbers_of_other_libraries_are_written_as_numbers() -> None:
    """Subclasses of the plain types are what they look like."""

    class Level(float): ...

    class Word(str):
        __slots__ = ()

    class Colour(str, enum.Enum):
        RED = "red"

    payload = SessionUpdatePayload(
        temperature=Level(0.5), voice=Word("eve"), extra={"colour": Colour.RED, "n": True}
    )
    assert encode(events.SessionUpdate(payload))["session"] == {
        "temperature": 0.5,
        "voice": "eve",
        "colour": "red",
        "n": True,
    }


# --- every class, whatever its values -----------------------------------------

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
        read = _codec.decode(_codec.encode(event))
        assert read == event
        assert extras(read) == extras(event)

    law()


def test_the_core_is_imported_without_cattrs() -> None:
    """Cattrs comes with the first message that needs it, and sound needs none."""
    program = (
        "import sys; from grok_rt import _codec\n"
        'event = _codec.decode(b\'{"type":"response.audio.delta","delta":"AAEC"}\')\n'
        "assert event.audio == b'\\0\\1\\2', event\n"
        "assert not {'cattrs', 'websocket'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
