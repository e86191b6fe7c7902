"""A turn, its draft, and the items that tell a session of it."""

from __future__ import annotations

import pytest

from grok_rt import Turn
from grok_rt._turn import Draft
from grok_rt.models import FunctionCall

CALL = FunctionCall("call-f", "weather", '{"city":"Oslo"}')


@pytest.mark.parametrize(
    ("role", "part"),
    [("user", "input_text"), ("assistant", "output_text"), ("system", "input_text")],
)
def test_a_message_is_one_item(role: str, part: str) -> None:
    """With its words, its role and its own id, in the part that the service wants."""
    (item,) = Turn(role, "Hello.", "i", 0.0).items()
    assert (item.type, item.role, item.id) == ("message", role, "i")
    assert [(each.type, each.text) for each in item.content or ()] == [(part, "Hello.")]


def test_a_call_is_two_items() -> None:
    """The call with its arguments, then its output."""
    call, output = Turn("tool", "3", "f", 0.0, call=CALL).items()
    assert (call.type, call.id, call.call_id) == ("function_call", "f", "call-f")
    assert (call.name, call.arguments) == ("weather", '{"city":"Oslo"}')
    assert (output.type, output.call_id, output.output) == ("function_call_output", "call-f", "3")


def test_an_empty_output_is_an_output() -> None:
    """A function that answered with no words has answered."""
    _, output = Turn("tool", "", "f", 0.0, call=CALL, has_output=True).items()
    assert (output.call_id, output.output) == ("call-f", "")


@pytest.mark.parametrize(
    "turn",
    [
        Turn("user", "", "u", 0.0),
        Turn("tool", "", "f", 0.0, call=CALL),
        Turn("tool", "3", "f", 0.0),
        Turn("stranger", "Boo.", "s", 0.0),
    ],
    ids=["no words", "no output", "no call", "nobody known"],
)
def test_what_makes_no_item(turn: Turn) -> None:
    """Half a call, or words of nobody, would be refused by the service or mislead the model."""
    assert turn.items() == ()


def test_a_draft_ends_once() -> None:
    """The first end counts; that it was cut is not forgotten by a later one."""
    draft = Draft(Turn("assistant", "", "a", 1.0))
    draft.parts = {1: "lo", 0: "Hel"}
    assert draft.is_open
    draft.end(2.0, cut=True)
    draft.end(3.0)
    whole = draft.whole()
    assert (whole.text, whole.ended, whole.interrupted) == ("Hello", 2.0, True)
    assert not Draft(Turn("user", "", "u", 1.0)).is_empty
    assert Draft(Turn("user", "", "u", 1.0, ended=2.0)).is_empty


@pytest.mark.parametrize(
    ("ours", "theirs", "cut", "same"),
    [
        ("Yes.", "Yes.", False, True),
        ("Well, I", "Well, I think so.", False, False),
        ("Well, I", "Well, I think so.", True, True),
        ("Well, I think so.", "Well, I", True, True),
        ("", "Well", True, False),
        ("", "", False, False),
    ],
)
def test_a_replay_is_recognised_by_its_words(ours: str, theirs: str, cut: bool, same: bool) -> None:
    """All of them; of a turn that was cut, those that both have."""
    draft = Draft(Turn("assistant", "", "a", 1.0, interrupted=cut), {0: ours})
    assert draft.says(theirs) is same
