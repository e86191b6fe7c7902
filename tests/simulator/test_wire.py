"""What the simulator sends, laid beside recordings of the live service and xAI's schema.

The recordings are those of tests/data/samples.jsonl. Compared are the names of the fields, their
order and the types of their values, and of a recorded `session.updated` the values too.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from live import SAMPLES
from virtual_talk import Talk

from grok_rt._wire import codec
from grok_rt.events import UnknownEvent

Message = dict[str, Any]
Facts = dict[str, set[tuple[str, Any]]]

#: The recordings of what is simulated: from the end of August 2026 on.
NEWEST = ("PYD-8", "PYD-9", "KAANA")
#: What the client says decides what is in these.
FREE = {".metadata", ".response.metadata", ".session"}

#: Sent in these conversations, but recorded by nobody.
UNRECORDED = {
    "error",
    "conversation.item.deleted",
    "input_audio_buffer.dtmf_event_received",
    "input_audio_buffer.timeout_triggered",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "mcp_list_tools.in_progress",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
}
#: Sent in these conversations, but without an example in the documentation.
UNDOCUMENTED = {
    "input_audio_buffer.cleared",
    "input_audio_buffer.committed",
    "input_audio_buffer.speech_stopped",
    "conversation.item.input_audio_transcription.updated",
    "response.output_audio.done",
    "response.output_item.done",
}


def facts(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Of each object its names in their order, of each other value its type."""
    if at in FREE:
        return
    if isinstance(value, dict):
        yield at, tuple(value)
        for name, inner in value.items():
            yield from facts(inner, f"{at}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from facts(inner, f"{at}[]")
    else:
        yield at, type(value).__name__


def known(**like: Any) -> Facts:
    """The facts of the recorded server messages that are like this, by type."""
    found: Facts = defaultdict(set)
    for sample in SAMPLES:
        source = sample["source"].startswith(like.get("source", ""))
        if (
            sample["direction"] == "server"
            and sample["confidence"] == like["confidence"]
            and source
        ):
            found[sample["event"]["type"]].update(facts(sample["event"]))
    return found


def unlike(messages: list[Message], recorded: Facts) -> list[str]:
    """Where messages are not like the recorded ones of their type."""
    return sorted(
        {
            f"{message['type']}{at} has {fact}"
            for message in messages
            if message["type"] in recorded
            for at, fact in facts(message)
            if (at, fact) not in recorded[message["type"]]
        }
    )


def test_live_shapes(live_messages: list[Message]) -> None:
    """Every message has the fields of recorded ones, in their order, with their types."""
    recorded = known(confidence="observed-live", source=NEWEST)
    assert unlike(live_messages, recorded) == []
    types = {message["type"] for message in live_messages}
    assert types - UNRECORDED == set(recorded)
    assert types >= UNRECORDED


def test_documented_shapes(documented_messages: list[Message]) -> None:
    """On request every message has the fields of the schema's examples, in their order.

    The examples are of few items, and disagree on whether `type` or `event_id` comes first.
    """
    documented = known(confidence="documented")
    for examples in documented.values():
        examples.update([(at, ("event_id", "type", *fact[2:])) for at, fact in examples if not at])
    messages = documented_messages
    several = (".item", ".previous_item_id")  # there are more kinds than examples
    assert [
        each for each in unlike(messages, documented) if not any(at in each for at in several)
    ] == []
    types = {message["type"] for message in messages}
    assert types - UNDOCUMENTED <= set(documented)
    assert not {at for message in messages for at, _ in facts(message) if "replayed" in at}


def test_our_client_knows_them_all(
    live_messages: list[Message], documented_messages: list[Message]
) -> None:
    """Each message, live or documented, is an event of the client's, with nothing left over."""
    for message in live_messages + documented_messages:
        event = codec.decode(json.dumps(message).encode())
        assert not isinstance(event, UnknownEvent), message


def echoes() -> list[Any]:
    """Each recorded `session.update` with the recorded answer to it."""
    said = [s for s in SAMPLES if s["event"]["type"] in {"session.update", "session.updated"}]
    notes = [
        ("", ""),
        ("manual mode, null form", "manual mode with null"),
        ("manual mode, object form", "manual mode with {type:null}"),
    ]
    pairs = []
    for asked, answered in notes:
        update, updated = (
            next(
                s["event"]
                for s in said
                if s["direction"] == direction
                and s["source"].startswith(NEWEST)
                and s.get("note", "").startswith(note)
                and bool(note) == ("note" in s)
            )
            for direction, note in (("client", asked), ("server", answered))
        )
        pairs.append(pytest.param(update, updated, id=answered or "server VAD"))
    return pairs


@pytest.mark.parametrize(("update", "updated"), echoes())
def test_recorded_echo(update: Message, updated: Message) -> None:
    """The recorded settings are answered by the recorded echo, to the letter."""
    (echo,) = Talk().send(**update)
    assert {**echo, "event_id": updated["event_id"]} == updated
    assert list(echo) == list(updated)
    assert list(echo["session"]) == list(updated["session"])
