"""Bytes to events and back: exact on what is known, careful with what is not."""

from __future__ import annotations

import enum
import math
from typing import Any

import pytest
from wire import SAMPLES, decode, dump, encode
from wire_cases import CASES

from grok_rt import events
from grok_rt._unset import UNSET
from grok_rt._wire import codec
from grok_rt.errors import LocalProtocolError
from grok_rt.models import GrokToolDefinition, SessionUpdatePayload, TurnDetection


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
        assert codec.decode(text) == codec.decode(bytearray(text)) == codec.decode(memoryview(text))


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


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        ...,
        {1: 2},
        {None: 2},
        "\ud800",
        1j,
        events.FunctionCalled,
        [math.nan],
        {"deep": [{"deeper": ...}]},
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
            codec.encode(event)


def test_a_value_that_holds_itself_is_refused() -> None:
    """As is one too deep for the machine."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(LocalProtocolError):
        codec.encode(events.ResponseCancel(extra={"x": circle}))


def test_a_local_event_is_never_sent() -> None:
    """It happened here, and means nothing to the server."""
    with pytest.raises(LocalProtocolError, match="local event"):
        codec.encode(events.Closed(1000))


def test_an_abstract_event_is_never_sent() -> None:
    """A group is no message."""
    with pytest.raises(LocalProtocolError):
        codec.encode(events.ClientEvent())


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
