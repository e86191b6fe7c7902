"""What server events say about themselves where the wire is awkward."""

from __future__ import annotations

import copy
import pickle

import attrs
import pytest
from wire_cases import CASES, PART, SOUND, USAGE

from grok_rt import events
from grok_rt.models import ErrorInfo, FunctionCall, ResponseInfo, Usage

CALL = events.ResponseFunctionCallArgumentsDone(call_id="call", name="tool", arguments='{"a":1}')


@pytest.mark.parametrize("kind", [events.ResponseAudioDelta, events.ResponseOutputAudioDelta])
def test_server_event_helpers_extract_audio(kind: type[events.AudioDelta]) -> None:
    """Sound comes under two names, and both give their bytes."""
    event = kind(audio=SOUND, **PART)
    assert isinstance(event, events.AudioDelta)
    assert event.audio_delta() == SOUND
    assert event.function_call() is None


def test_server_event_helpers_extract_function_calls() -> None:
    """A complete call gives its call, and no sound."""
    assert CALL.function_call() == FunctionCall("call", "tool", '{"a":1}')
    assert CALL.audio_delta() is None


def test_other_events_have_neither_sound_nor_call() -> None:
    """The two questions can be put to every server event."""
    given = [event for event, _ in CASES if isinstance(event, events.ServerEvent)]
    rest = [
        event
        for event in given
        if not isinstance(event, (events.AudioDelta, events.ResponseFunctionCallArgumentsDone))
    ]
    assert len(rest) > 40
    assert {(event.audio_delta(), event.function_call()) for event in rest} == {(None, None)}


@pytest.mark.parametrize(
    ("status", "final"),
    [("completed", True), ("in_progress", False), ("what_comes_next_year", False), (None, True)],
)
def test_only_a_completed_transcription_is_final(status: str | None, final: bool) -> None:
    """The event fires many times; the documented form has no status and fires once."""
    event = events.InputAudioTranscriptionCompleted(item_id="i", transcript="", status=status)
    assert event.is_final is final


def test_a_transcription_without_status_is_final() -> None:
    """An absent status is the documented form."""
    assert events.InputAudioTranscriptionCompleted(item_id="i", transcript="").is_final


@pytest.mark.parametrize(
    ("event", "usage"),
    [
        (events.ResponseDone(usage=USAGE, response=ResponseInfo(usage=Usage())), USAGE),
        (events.ResponseDone(response=ResponseInfo(usage=USAGE)), USAGE),
        (events.ResponseDone(usage=Usage(), response=ResponseInfo(usage=USAGE)), USAGE),
        (events.ResponseDone(usage=None, response=ResponseInfo(usage=None)), None),
        (events.ResponseDone(response=ResponseInfo(usage=Usage())), None),
        (events.ResponseDone(response_id="r"), None),
    ],
)
def test_usage_is_found_where_it_is(event: events.ResponseDone, usage: Usage | None) -> None:
    """Live it stands at the top level beside an empty one; the documents put it inside."""
    assert event.total_usage == usage


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (events.InputAudioBufferDtmfEventReceived(event="5"), "5"),
        (events.InputAudioBufferDtmfEventReceived(digit="#"), "#"),
        (events.InputAudioBufferDtmfEventReceived(), None),
    ],
)
def test_a_key_is_found_under_either_name(
    event: events.InputAudioBufferDtmfEventReceived, key: str | None
) -> None:
    """Documents and a client disagree about its name."""
    assert event.key == key


def test_an_error_is_a_failure_with_code_and_message() -> None:
    """Without a code, its type is the code."""
    full = events.Error(error=ErrorInfo("invalid_request_error", "c", message="m"))
    bare = events.Error(error=ErrorInfo("timeout", message="m"))
    assert isinstance(full, events.Failure)
    assert (full.code, full.message) == ("c", "m")
    assert (bare.code, bare.message) == ("timeout", "m")


def test_type_is_the_wires_word() -> None:
    """`event.type` is what the wire calls it, whatever the class."""
    assert [event.type for event, _ in CASES] == [json["type"] for _, json in CASES]


def test_repr_tells_what_is_there() -> None:
    """Absent fields are left out, and sound is told by its size."""
    event = events.ResponseOutputAudioDelta(audio=bytes(3200), item_id="i", previous_item_id=None)
    assert repr(event) == (
        "ResponseOutputAudioDelta(previous_item_id=None, item_id='i', audio=<3200 bytes>)"
    )
    assert repr(events.Ping(extra={"x": 1})) == "Ping(extra={'x': 1})"


@pytest.mark.parametrize("event", [event for event, _ in CASES], ids=lambda event: event.type)
def test_events_can_be_pickled_and_copied(event: events.Event) -> None:
    """Events may go to other processes."""
    event = attrs.evolve(event, extra={"x": 1})
    for twin in (pickle.loads(pickle.dumps(event)), copy.deepcopy(event)):
        assert (twin, twin.extra) == (event, event.extra)


def test_every_event_can_be_a_key() -> None:
    """Events are values, whatever they hold."""
    assert len({event for event, _ in CASES}) == len(CASES)


def test_unknown_fields_are_not_part_of_what_an_event_is() -> None:
    """Events that differ in unknown fields only are equal, and hash alike."""
    assert events.Ping(extra={"x": 1}) == events.Ping()
    assert hash(events.Ping(extra={"x": 1})) == hash(events.Ping())
