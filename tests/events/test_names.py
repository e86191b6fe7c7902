"""Names are the wire's, and every class of the wire has its row in the golden table."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import attrs
import pytest
from wire_cases import CASES

from grok_rt import events

SAMPLES = Path(__file__).parents[1] / "data" / "samples.jsonl"
WIRE = sorted(events.WIRE_TYPES.items())
CLASSES: list[type[events.Event]] = sorted(
    (getattr(events, name) for name in events.__all__ if name != "WIRE_TYPES"),
    key=lambda each: each.__name__,
)

# The Rust module's own names, which are shorter than the wire's.
EXCEPTIONS = {
    f"conversation.item.input_audio_transcription.{what}": f"InputAudioTranscription{what.title()}"
    for what in ("updated", "completed", "delta", "segment", "failed")
}


def test_a_class_is_named_after_its_wire_type() -> None:
    """`response.output_audio.delta` is `ResponseOutputAudioDelta`; exceptions have a table."""
    mechanical = {
        wire_type: "".join(part.title() for part in re.split(r"[._]", wire_type))
        for wire_type in events.WIRE_TYPES
    }
    assert {wire_type: kind.__name__ for wire_type, kind in WIRE} == mechanical | EXCEPTIONS


def test_a_local_event_is_named_after_its_type() -> None:
    """Local events follow the same rule, below `local.`."""
    local = [
        each
        for each in CLASSES
        if issubclass(each, events.LocalEvent) and each is not events.LocalEvent
    ]
    assert len(local) == 14
    for kind in local:
        words = kind.wire_type.removeprefix("local.").split("_")
        assert kind.__name__ == "".join(word.title() for word in words)


def test_every_class_of_the_wire_is_in_the_golden_table() -> None:
    """A new event cannot be half tested."""
    assert {type(event) for event, _ in CASES} == {*events.WIRE_TYPES.values(), events.UnknownEvent}


def test_every_recorded_or_documented_message_has_a_class() -> None:
    """The registry knows all types of the samples, and each class is of the right side."""
    side = {"client": events.ClientEvent, "server": events.ServerEvent}
    for line in SAMPLES.read_text("utf-8").splitlines():
        sample = json.loads(line)
        assert issubclass(events.WIRE_TYPES[sample["event"]["type"]], side[sample["direction"]]), (
            sample
        )


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_class_is_frozen_slotted_and_documented(kind: type[events.Event]) -> None:
    """Events can be shared between threads, cost no dict, and say what they are."""
    assert attrs.has(kind)
    assert "__dict__" not in {name for base in kind.__mro__ for name in vars(base)}
    assert kind.__setattr__ is not object.__setattr__
    assert inspect.getdoc(kind)
    assert len((inspect.getdoc(kind) or "").splitlines()[0]) < 100


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_field_can_be_given_by_name(kind: type[events.Event]) -> None:
    """Code that names its fields survives a new one."""
    parameters = inspect.signature(kind).parameters.values()
    assert all(each.kind is not each.POSITIONAL_ONLY for each in parameters)


def test_the_registry_holds_nothing_abstract() -> None:
    """Groups and roots are no messages."""
    assert len(events.WIRE_TYPES) == len({kind.__name__ for _, kind in WIRE})
    assert not set(events.WIRE_TYPES.values()) & {
        events.Event,
        events.ClientEvent,
        events.ServerEvent,
        events.AudioDelta,
        events.TextDelta,
        events.TranscriptDelta,
        events.ResponsePart,
        events.Replayable,
        events.Failure,
        events.UnknownEvent,
    }


def test_the_registry_is_read_only() -> None:
    """Two sessions share nothing that can change."""
    with pytest.raises(TypeError):
        events.WIRE_TYPES["x"] = events.Ping  # type: ignore[index]
