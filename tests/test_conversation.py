"""Turns, assembled from the orders in which the service has been seen to speak."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
from flows import (
    SOUND,
    announced,
    committed,
    completed,
    created,
    done,
    ev,
    finished,
    function_call,
    function_output,
    item,
    message,
    reply,
    spoken,
    started,
    stopped,
    updated,
    user_audio,
    user_text,
    words,
)
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import events
from grok_rt.audio import OPUS, pcm16
from grok_rt.conversation import Conversation, Turn
from grok_rt.errors import AudioError, ConfigError
from grok_rt.models import FunctionCall


def fed(*flow: events.Event, **options: object) -> Conversation:
    """Feed events one second apart."""
    conversation = Conversation(**options)  # type: ignore[arg-type]
    for second, event in enumerate(flow):
        conversation.feed(event, float(second))
    return conversation


def said(conversation: Conversation) -> list[tuple[str, str]]:
    """Who said what."""
    return [(turn.role, turn.text) for turn in conversation]


def test_text_turn() -> None:
    """A question in text and its spoken answer are two turns, with their times."""
    conversation = fed(user_text("u", "Hello?"), *reply("r", "a"))
    user, assistant = conversation
    assert user == Turn("user", "Hello?", "u", started=0.0, ended=0.0)
    assert (assistant.text, assistant.item_id, assistant.response_id) == ("Hello.", "a", "r")
    assert (assistant.started, assistant.ended) == (2.0, 12.0)
    assert not assistant.interrupted
    assert str(conversation) == "user: Hello?\nassistant: Hello."
    assert repr(conversation) == "Conversation(2 turns)"


HEARD = [
    updated("u", "Hello?"),
    completed("u", "Hello?", "in_progress"),
    updated("u", "Hello, my name is"),
    completed("u", "Hello, my name is", "in_progress"),
]
FINAL = completed("u", "Hello, my name is Lee.")


@pytest.mark.parametrize(
    "close",
    list(itertools.permutations([stopped("u"), committed("u"), FINAL, created("r")])),
    ids=lambda events: ",".join(event.type.rpartition(".")[2] for event in events),
)
def test_voice_turn_in_any_order(close: tuple[events.Event, ...]) -> None:
    """What ends the user's turn comes in any order, the response's beginning among it."""
    answer = [*announced("r", "a"), *spoken("r", "a"), *finished("r", "a"), done("r", message("a"))]
    conversation = fed(started("u"), user_audio("u"), *HEARD, *close, *answer)
    assert said(conversation) == [("user", "Hello, my name is Lee."), ("assistant", "Hello.")]
    user, _ = conversation
    assert user.started == 0.0
    assert user.ended is not None
    assert user.ended <= 9.0


def test_transcripts_are_cumulative_and_silence_takes_nothing_back() -> None:
    """A later transcript replaces the earlier; an empty one is no news; the final one is last."""
    conversation = Conversation()
    seen = []
    flow = [
        started("u"),
        *HEARD,
        completed("u", "", "in_progress"),
        FINAL,
        user_audio("u"),
        updated("u", "Hello"),
        completed("u", "Hello, my", "in_progress"),
    ]
    for second, event in enumerate(flow):
        conversation.feed(event, float(second))
        seen += [turn.text for turn in conversation]
    assert seen[0] == ""
    assert seen[1:6] == ["Hello?"] * 2 + ["Hello, my name is"] * 3
    assert seen[6:] == ["Hello, my name is Lee."] * 4


def test_manual_turn_announced_late() -> None:
    """Push to talk: the item may be announced only at its commit, whole; duplicates follow."""
    conversation = fed(
        stopped("u"),
        committed("u"),
        user_audio("u", "Hello there.", "completed"),
        completed("u", "Hello there.", None),
        created("r"),
        user_audio("u", ""),
        completed("u", "Hello", "in_progress"),
    )
    assert said(conversation) == [("user", "Hello there.")]


def test_speech_that_goes_on_after_a_pause() -> None:
    """The same item may start again: its turn is open again, and is heard further."""
    pause = [
        started("u"),
        stopped("u"),
        completed("u", "One."),
        started("u"),
        updated("u", "One two"),
    ]
    (turn,) = fed(*pause)
    assert (turn.text, turn.ended) == ("One two", None)
    (turn,) = fed(*pause, stopped("u"), committed("u"), completed("u", "One two."))
    assert (turn.text, turn.started, turn.ended) == ("One two.", 0.0, 5.0)


def test_barge_in_with_a_bare_done() -> None:
    """A `completed` response that lists nothing was cut: the words stay, and say so."""
    conversation = fed(
        created("r"), *announced("r", "a"), *spoken("r", "a"), done("r"), words("r", "a", " Late"),
        started("u"), max_audio=math.inf,
    )  # fmt: skip
    assistant, user = conversation
    assert (assistant.text, assistant.interrupted, assistant.ended) == ("Hello.", True, 8.0)
    assert assistant.audio == SOUND["hel"] + SOUND["lo"]
    assert (user.role, user.ended) == ("user", None)


def test_given_up_without_a_done() -> None:
    """A new response ends one that never got its `response.done`; one never spoken is no turn."""
    conversation = fed(
        created("r1"), *announced("r1", "a1"), words("r1", "a1", "Well"),
        created("r2"), *announced("r2", "a2"), *reply("r3", "a3"),
    )  # fmt: skip
    first, last = conversation
    assert (first.text, first.interrupted, first.ended) == ("Well", True, 5.0)
    assert (last.item_id, last.interrupted) == ("a3", False)


@pytest.mark.parametrize(
    ("status", "output", "text", "cut"),
    [
        ("completed", [message("a", "Hello, all.")], "Hello, all.", False),
        ("cancelled", [message("a", "")], "Hello.", True),
        ("cancelled", [], "Hello.", True),
    ],
)
def test_done_repairs_what_is_open(
    status: str, output: list[dict[str, object]], text: str, cut: bool
) -> None:
    """`response.done` alone ends a turn: with its own words where it lists any."""
    (turn,) = fed(*announced("r", "a"), *spoken("r", "a"), done("r", *output, status=status))
    assert (turn.text, turn.interrupted, turn.ended) == (text, cut, 7.0)


def test_documented_minimal_done() -> None:
    """A `response.done` that says nothing of its output does not call the turn cut."""
    minimal = ev("response.done", response={"id": "r", "status": "completed"})
    (turn,) = fed(*announced("r", "a"), *spoken("r", "a"), minimal)
    assert (turn.interrupted, turn.ended) == (False, 7.0)


def test_text_output_and_missing_ids() -> None:
    """Text deltas make turns like transcripts; without an item id the response stands for it."""
    where = {"response_id": "r", "item_id": "a", "content_index": 0, "output_index": 0}
    flow = [
        ev("response.text.delta", **where, delta="3 "),
        ev("response.output_text.delta", **where, delta="deg"),
    ]
    assert said(fed(*flow)) == [("assistant", "3 deg")]
    flow.append(ev("response.output_text.done", **where, text="3 degrees"))
    flow.append(ev("response.output_text.delta", **where, delta=" late"))
    assert said(fed(*flow)) == [("assistant", "3 degrees")]
    assert said(fed(ev("response.text.delta", response_id="r", delta="bare"))) == [
        ("assistant", "bare")
    ]


def test_parts_are_put_in_order() -> None:
    """The parts of one item stand by their index, whenever they come."""
    where = {"response_id": "r", "item_id": "a", "output_index": 0}
    flow = [
        ev("response.output_audio_transcript.delta", **where, content_index=1, delta="two"),
        ev("response.output_audio_transcript.delta", **where, content_index=0, delta="one "),
        ev("response.output_audio_transcript.done", **where, content_index=1, transcript=""),
        ev("response.output_audio_transcript.delta", **where, content_index=1, delta=" late"),
    ]
    assert said(fed(*flow)) == [("assistant", "one two")]


def test_function_call() -> None:
    """A call and its output are one turn, whatever roles and ids its events carry."""
    call = function_call("r", "f")
    conversation = fed(
        *reply("r", "a"), *call, *reply("r2", "a2"), function_output("f", "3 degrees")
    )
    _, tool, _ = conversation
    assert tool.call == FunctionCall("call-f", "weather", '{"city":"Oslo"}')
    assert (tool.role, tool.text, tool.response_id, tool.interrupted) == (
        "tool",
        "3 degrees",
        "r",
        False,
    )
    arguments_only = fed(call[3], done("r"))
    assert [turn.call for turn in arguments_only] == [tool.call]
    assert said(fed(function_output("f", "from before"))) == [("tool", "from before")]


def test_truncated_deleted_interrupted() -> None:
    """Truncation shortens a turn where the server says to what, deletion takes it away."""
    base = [user_text("u", "Hello?"), *reply("r", "a")]
    cut = {"content_index": 0, "audio_end_ms": 100}
    truncated = "conversation.item.truncated"
    (_, turn) = fed(*base, ev(truncated, item_id="a", **cut, transcript="Hel"))
    assert (turn.text, turn.interrupted) == ("Hel", True)
    (_, turn) = fed(*base, ev(truncated, item_id="a", **cut))
    assert (turn.text, turn.interrupted) == ("Hello.", True)
    assert said(fed(*base, ev(truncated, item_id="other", **cut))) == said(fed(*base))
    assert said(fed(*base, ev("conversation.item.deleted", item_id="u"))) == [
        ("assistant", "Hello.")
    ]
    assert said(fed(*base, ev("conversation.item.deleted", item_id=""))) == said(fed(*base))


@pytest.mark.parametrize(
    ("response", "item_id"), [("r", "a"), ("r", None), (None, "a"), (None, None)]
)
def test_our_own_interruption(response: str | None, item_id: str | None) -> None:
    """An `Interrupted` of ours ends the turn it names, by item or by response."""
    event = events.Interrupted(response_id=response, item_id=item_id, played_ms=None)
    (turn,) = fed(*announced("r", "a"), *spoken("r", "a"), event, words("r", "a", " late"))
    named = bool(response or item_id)
    assert (turn.text, turn.interrupted) == ("Hello." if named else "Hello. late", named)


def test_a_lost_connection_ends_what_was_open() -> None:
    """When the session is lost, the assistant's open turn was cut off, the user's just ended."""
    closed = events.Closed(code=1006, reason="", error=None)
    user, assistant = fed(started("u"), updated("u", "So"), words("r", "a", "Well"), closed)
    assert (user.ended, user.interrupted) == (3.0, False)
    assert (assistant.ended, assistant.interrupted) == (3.0, True)


def replayed(id: str, role: str, text: str, **flags: Any) -> events.Event:
    """An item that a resumed session tells again."""
    content = [{"type": "text", "text": text}]
    return ev("conversation.item.added", item=item(id, role=role, content=content, **flags))


SESSION = ev("session.created", session={"id": "s2", "object": "realtime.session"})


@pytest.mark.parametrize("flags", [{}, {"replayed": True}])
def test_replays_are_recognised(flags: dict[str, Any]) -> None:
    """What a resumed session tells again under new ids is no news, and its new ids are known."""
    before = [user_text("u", "Yes."), *reply("r", "a"), user_text("u2", "Yes."), SESSION]
    again = [
        replayed("n1", "user", "Yes.", **flags),
        replayed("n2", "assistant", "Hello.", **flags),
        replayed("n3", "user", "Yes.", **flags),
        replayed("n4", "user", "And one we missed.", **flags),
    ]
    conversation = fed(*before, *again, *again[:1], SESSION, *again)
    assert said(conversation) == [
        ("user", "Yes."), ("assistant", "Hello."), ("user", "Yes."), ("user", "And one we missed."),
    ]  # fmt: skip
    assert [turn.replayed for turn in conversation] == [False, False, False, True]
    conversation.feed(ev("conversation.item.deleted", item_id="n2"), 99.0)
    assert len(list(conversation)) == 3


def test_what_was_missed_is_put_in_its_place() -> None:
    """An item of the replay that was never heard stands where it was said, and doubles nothing."""
    before = [user_text("u", "One."), *reply("r", "a"), user_text("u2", "Three."), SESSION]
    again = [
        replayed("n0", "user", "Missed first."),
        replayed("n1", "user", "One."),
        replayed("n2", "assistant", "Hello."),
        replayed("n3", "user", "Missed."),
        replayed("n4", "user", "Three."),
        replayed("n5", "assistant", "Missed last."),
    ]
    assert [text for _, text in said(fed(*before, *again))] == [
        *("Missed first.", "One.", "Hello.", "Missed.", "Three.", "Missed last."),
    ]


def test_calls_told_again_are_known_by_their_ids() -> None:
    """A call and its output come back under new item ids, and stay one turn with its own times."""
    flow = [*function_call("r", "f"), function_output("f", "3"), SESSION]
    before = list(fed(*flow))
    body = {"call_id": "call-f", "name": "weather", "role": "tool", "replayed": True}
    again = [
        ev("conversation.item.added", item=item("n1", "function_call", arguments="", **body)),
        ev("conversation.item.added",
           item=item("n2", "function_call_output", output="3", **body)),
    ]  # fmt: skip
    assert list(fed(*flow, *again)) == before


def test_what_is_not_replayed_is_news() -> None:
    """The same words said twice are two turns, unless the server says it tells them again."""
    twice = [user_text("u", "Yes."), replayed("u2", "user", "Yes.", replayed=False)]
    assert said(fed(*twice)) == [("user", "Yes."), ("user", "Yes.")]
    old = ev(
        "conversation.item.created",
        item=item("n", role="user", content=[{"type": "input_text", "text": "Yes."}]),
    )
    assert said(fed(user_text("u", "Yes."), SESSION, old)) == [("user", "Yes.")]


def test_a_cut_turn_is_recognised_by_its_beginning() -> None:
    """The server may remember more of an interrupted turn than was transcribed here."""
    flow = [
        words("r", "a", "Well, I"),
        done("r"),
        SESSION,
        replayed("n", "assistant", "Well, I think so."),
    ]
    assert said(fed(*flow)) == [("assistant", "Well, I")]


def test_memory_is_bounded() -> None:
    """Beyond the bound the oldest turns are forgotten, with all that is known of them."""
    flow = [
        event
        for n in range(50)
        for event in (user_text(f"u{n}", str(n)), *function_call("r", f"f{n}"))
    ]
    conversation = fed(
        *flow, SESSION, replayed("n", "user", "49"), user_text("last", "!"), max_turns=3
    )
    assert [turn.item_id for turn in conversation] == ["u49", "f49", "last"]
    for book in (conversation._drafts, conversation._calls, conversation._aliases):
        assert len(book) <= 3


def test_audio_is_kept_only_if_asked() -> None:
    """A turn holds its sound with `max_audio`, and nothing of it without."""
    assert [turn.audio for turn in fed(*reply("r", "a"))] == [b""]
    assert [turn.audio for turn in fed(*reply("r", "a"), max_audio=math.inf)] == [
        SOUND["hel"] + SOUND["lo"]
    ]


def test_audio_is_bounded_in_seconds() -> None:
    """Of the sound the newest seconds are kept, whosever turn they are; the words all stay."""
    flow = [event for n in range(50) for event in reply(f"r{n}", f"a{n}")]
    whole = SOUND["hel"] + SOUND["lo"]
    seconds = (len(whole) + 4) / 16_000
    conversation = fed(*flow, max_audio=seconds, format=pcm16(8000))
    assert [turn.audio for turn in conversation][-3:] == [b"", whole[-4:], whole]
    assert said(conversation) == [("assistant", "Hello.")] * 50
    assert len(conversation._sounding) == 2
    conversation.feed(ev("conversation.item.deleted", item_id="a49"), 99.0)
    assert (conversation._bytes, len(conversation._sounding)) == (4, 1)


def test_seconds_that_cannot_be_counted() -> None:
    """A bound in seconds of Opus is refused at once; all of it can be kept."""
    with pytest.raises(AudioError, match="audio/opus"):
        Conversation(max_audio=1.0, format=OPUS)
    assert len(Conversation(max_audio=math.inf, format=OPUS)) == 0


WHOLE = [
    user_text("u", "Hello?"),
    *reply("r", "a"),
    *function_call("r", "f"),
    function_output("f", "3"),
    *function_call("r", "g"),
    started("u2"),
]


def test_export_is_plain_data() -> None:
    """What is exported survives JSON, calls included, without the sound."""
    data = fed(*WHOLE, max_audio=math.inf).export()
    assert json.loads(json.dumps(data)) == data
    assert [each["role"] for each in data] == ["user", "assistant", "tool", "tool", "user"]
    assert data[2]["call"] == {
        "call_id": "call-f",
        "name": "weather",
        "arguments": '{"city":"Oslo"}',
    }
    assert all("audio" not in each for each in data)


def test_what_was_exported_is_restored() -> None:
    """The same turns come back, marked as of an earlier session, and nothing is left open."""
    before = fed(*WHOLE)
    after = Conversation.restore(json.loads(json.dumps(before.export())))
    assert said(after) == said(before)[:-1]  # the speech had no words yet
    assert [turn.call for turn in after] == [turn.call for turn in before][:-1]
    assert all(turn.replayed and turn.ended is not None for turn in after)
    assert len(Conversation.restore(before.export(), max_turns=2)) == 1  # of two, one is empty


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "not iterable"),
        ([{"role": "user"}], r"missing required field `text`.*\$\[0\]"),
        ([{"role": "user", "text": 3, "item_id": "u", "started": 0}], r"\$\[0\]\.text"),
    ],
)
def test_what_was_not_exported_is_refused(data: Any, says: str) -> None:
    """The sentence names the place of the first fault."""
    with pytest.raises(ConfigError, match=f"no exported conversation: .*{says}"):
        Conversation.restore(data)


def test_what_was_told_is_not_told_twice() -> None:
    """The echo of a seeded turn, arguments empty as they are live, is that turn and no other."""
    conversation = Conversation.restore(fed(*WHOLE).export())
    before = list(conversation)
    echoes = [
        user_text("u", "Hello?"),
        ev("conversation.item.added", item=item("f", "function_call", call_id="call-f",
           name="weather", arguments="", role="tool")),
        function_output("f", "3"),
    ]  # fmt: skip
    for echo in echoes:
        conversation.feed(echo, 99.0)
    assert list(conversation) == before


def test_other_events_are_no_turns() -> None:
    """Events without a word for the conversation leave it alone, items without id too."""
    flow = [
        ev("ping", timestamp=1),
        ev("conversation.created", conversation={"id": "c", "object": "realtime.conversation"}),
        ev("input_audio_buffer.cleared"),
        ev("conversation.item.added", item={"type": "message", "role": "user"}),
        ev("response.output_item.added", response_id="r", item={"type": "message"}),
    ]
    assert said(fed(*flow)) == []


LEFT = [*announced("r1", "a"), *spoken("r1", "a"), *finished("r1", "a")]
RIGHT = [started("u"), user_audio("u"), *HEARD, stopped("u"), committed("u"), FINAL]


@given(st.lists(st.booleans(), min_size=len(LEFT) + len(RIGHT), max_size=len(LEFT) + len(RIGHT)))
def test_interleaving_changes_nothing(choices: list[bool]) -> None:
    """However the events of two items are shuffled together, the turns are the same."""
    left, right, flow = list(LEFT), list(RIGHT), []
    for choice in choices:
        source = (left or right) if choice else (right or left)
        flow.append(source.pop(0))
    assert sorted(said(fed(*flow))) == [("assistant", "Hello."), ("user", "Hello, my name is Lee.")]
