"""Parts made of events: what is held, what is dropped, how words are put together."""

from __future__ import annotations

import flows
import pytest

from grok_rt import events
from grok_rt._asking.answer_builder import AnswerBuilder
from grok_rt._asking.parts import Parts
from grok_rt.audio import pcm16
from grok_rt.models import FunctionCall
from grok_rt.parts import Audio, Part, Text, ToolEnded, ToolStarted

CALL = FunctionCall("call-f", "weather", "{}")


def taken(parts: Parts) -> list[Part]:
    return [parts.take() for _ in range(len(parts))]


def released() -> Parts:
    parts = Parts()
    parts.release(())
    return parts


def test_nothing_is_taken_while_it_is_open_what_the_answer_is() -> None:
    """Words and sound of a reply that does not count are dropped; a tool has run all the same."""
    parts = Parts()
    parts.feed(flows.words("r0", "a", "Half"), "r0")
    parts.feed(flows.sound("r0", "a", "hel"), "r0")
    parts.feed(events.FunctionCalled(call=CALL, response_id="r0", answered_by=None), "r0")
    parts.feed(flows.function_output("f", "3"), "r0")
    parts.feed(flows.words("r1", "b", "Whole"), "r1")
    assert len(parts) == 0
    parts.release(["r0"])
    parts.feed(flows.sound("r1", "b", "lo"), "r1")
    assert taken(parts) == [
        ToolStarted(CALL),
        ToolEnded(CALL, "3"),
        Text("Whole"),
        Audio(flows.SOUND["lo"]),
    ]
    with pytest.raises(IndexError):
        parts.take()


def test_a_call_ends_once_and_only_if_it_began() -> None:
    """The announcement of a call is no output, and an output told twice is told once."""
    parts = released()
    flow = flows.function_call("r", "f")
    for event in (*flow[:4], flows.function_output("f", "early")):
        parts.feed(event, "r")
    parts.feed(events.FunctionCalled(call=CALL, response_id="r", answered_by=None), "r")
    for event in (flow[1], flow[4], flows.function_output("f", ""), flows.function_output("f", "")):
        parts.feed(event, "r")
    assert taken(parts) == [ToolStarted(CALL), ToolEnded(CALL, "")]


def test_words_are_put_together_as_in_the_answer() -> None:
    """A space between two items, none at the beginning; words of blanks alone are none."""
    parts = released()
    for item, words in (("a", " "), ("a", " Well,"), ("a", " yes"), ("b", " "), ("b", "And no.")):
        parts.feed(flows.words("r", item, words), "r")
    assert taken(parts) == [Text("Well,"), Text(" yes"), Text(" And no.")]


def test_parts_that_were_held_come_with_the_end() -> None:
    """An answer that ends before its question was said to its end has its parts all the same."""
    parts = Parts()
    builder = AnswerBuilder(0.0, pcm16(), settled=False, parts=parts)
    for event in (flows.started("u"), flows.created("r"), flows.words("r", "a", "Half")):
        builder.feed(event, 1.0)
    assert len(parts) == 0
    builder.feed(events.Reconnecting(attempt=1, delay=0.1), 2.0)
    assert builder.done
    assert taken(parts) == [Text(builder.answer(3.0).text)]


def test_how_they_show() -> None:
    """The repr of sound tells how much it is, and not what."""
    assert repr(Audio(b"1234")) == "Audio(audio=<4 bytes>)"
    assert repr(Text("Hi")) == "Text(text='Hi')"
