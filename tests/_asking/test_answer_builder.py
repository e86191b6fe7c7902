"""One question's answer, found among the events of a whole session."""

from __future__ import annotations

import itertools

import attrs
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
    sound,
    spoken,
    started,
    stopped,
    user_audio,
    user_text,
    words,
)

from grok_rt import events
from grok_rt._asking.answer_builder import AnswerBuilder
from grok_rt._session.unconfirmed import ASK_KEY
from grok_rt.answer import Answer
from grok_rt.audio import pcm16
from grok_rt.models import FunctionCall

MARK = {ASK_KEY: "q1"}
CALL = FunctionCall("call-f", "weather", '{"city":"Oslo"}')


def text_question() -> AnswerBuilder:
    """A question in text, put at 0 s."""
    return AnswerBuilder(0.0, pcm16(), ask_id="q1", item_id="u")


def spoken_question() -> AnswerBuilder:
    """A question in speech, put at 0 s."""
    return AnswerBuilder(0.0, pcm16())


def follow(builder: AnswerBuilder, *flow: events.Event) -> tuple[Answer, int]:
    """Feed events one second apart until the answer is done; also say how many that took."""
    for second, event in enumerate(flow, start=1):
        if builder.feed(event, float(second)):
            return builder.answer(float(second)), second
    return builder.answer(float(len(flow))), len(flow)


def called(item_id: str = "f", response: str = "r1") -> events.Event:
    """The news that a function of ours was called."""
    return events.FunctionCalled(
        call=attrs.evolve(CALL, call_id=f"call-{item_id}"),
        response_id=response,
        answered_by="weather",
    )


def test_text_question() -> None:
    """Text, sound, tokens and times of a whole text turn; others' responses are not part of it."""
    flow = [
        *reply("other", "b"),
        user_text("u", "Hello?"),
        *reply("r1", "a", MARK),
    ]
    answer, taken = follow(text_question(), *flow, *reply("later", "c"))
    assert taken == len(flow)
    assert (answer.text, answer.status, answer.interrupted) == ("Hello.", "completed", False)
    assert answer.audio.data == SOUND["hel"] + SOUND["lo"]
    assert answer.audio.format == pcm16()
    assert [(turn.role, turn.text) for turn in answer.turns] == [
        ("user", "Hello?"),
        ("assistant", "Hello."),
    ]
    assert answer.usage is not None
    assert answer.usage.total_tokens == 10
    assert answer.latency.first_audio == flow.index(flow[-9]) + 1
    assert answer.latency.total == taken
    assert answer.tool_calls == ()


@pytest.mark.parametrize(
    "order",
    list(
        itertools.permutations(
            [stopped("u"), committed("u"), completed("u", "Hello?"), created("r1")]
        )
    ),
    ids=lambda events: ",".join(event.type.rpartition(".")[2] for event in events),
)
def test_spoken_question_in_any_order(order: tuple[events.Event, ...]) -> None:
    """A spoken question owns the response created after its speech was heard, in each order."""
    before = [sound("other", "b", "lo"), done("other"), started("u"), user_audio("u")]
    after = [
        *announced("r1", "a"),
        *spoken("r1", "a"),
        *finished("r1", "a"),
        done("r1", message("a")),
    ]
    builder = spoken_question()
    answer, taken = follow(builder, *before, *order, *after)
    assert taken == len(before) + len(order) + len(after)
    assert [(turn.role, turn.text) for turn in answer.turns] == [
        ("user", "Hello?"),
        ("assistant", "Hello."),
    ]
    assert answer.audio.data == SOUND["hel"] + SOUND["lo"]
    ended = 5 + min(
        order.index(event) for event in order if event.type.endswith(("stopped", "committed"))
    )
    assert answer.latency.total == taken - ended


def test_a_response_before_the_question_is_not_its_answer() -> None:
    """What is created before our speech was heard answers somebody else."""
    builder = spoken_question()
    answer, _ = follow(builder, *reply("early", "b"), started("u"), *reply("r1", "a"))
    assert [turn.item_id for turn in answer.turns] == ["u", "a"]
    foreign = spoken_question()
    follow(foreign, started("u"), *reply("r1", "a", {ASK_KEY: "another"}))
    assert not foreign.begun


def test_speech_that_goes_on_replaces_its_response() -> None:
    """A response given up because the speech went on is not the end; the next one answers."""
    silent = [started("u"), stopped("u"), created("r0"), started("u"), stopped("u"), committed("u")]
    answer, _ = follow(spoken_question(), *silent, *reply("r1", "a"))
    assert (answer.text, answer.status, answer.interrupted) == ("Hello.", "completed", False)
    bare = [started("u"), created("r0"), done("r0"), stopped("u")]
    answer, _ = follow(spoken_question(), *bare, *reply("r1", "a"))
    assert (answer.text, answer.status) == ("Hello.", "completed")


def test_function_calls_are_awaited() -> None:
    """An answer with a call in it goes on in the response that follows, and tokens add up."""
    first = [
        created("r1", MARK), *announced("r1", "a"), *spoken("r1", "a"), *finished("r1", "a"),
        *function_call("r1", "f")[:4], called(), *function_call("r1", "f")[4:],
        done("r1", message("a")),
    ]  # fmt: skip
    builder = text_question()
    follow(builder, *first)
    assert "no response followed the call of weather" in builder.awaited
    answer, _ = follow(builder, function_output("f", "3 degrees"), *reply("r2", "a2"))
    assert builder.awaited.startswith("nothing is missing")
    assert answer.text == "Hello. Hello."
    assert answer.audio.data == (SOUND["hel"] + SOUND["lo"]) * 2
    assert answer.tool_calls == (CALL,)
    assert [(t.role, t.text) for t in answer.turns][1] == ("tool", "3 degrees")
    assert answer.usage is not None
    assert (answer.usage.total_tokens, answer.usage.output_tokens) == (20, 18)
    assert answer.usage.output_token_details
    assert answer.usage.output_token_details.audio_tokens == 18
    assert answer.usage.billable_audio_seconds == 10  # a running total already


def test_searches_of_the_server() -> None:
    """A search the server answers itself is no call of ours, but its result is still to come."""
    search = function_call("r1", "s", "web_search", "{}")
    builder = text_question()
    follow(builder, created("r1", MARK), words("r1", "a", "Let me see."), *search, done("r1"))
    assert not builder.done
    assert "no response followed" in builder.awaited
    answer, _ = follow(builder, *reply("r2", "a2"))
    assert answer.tool_calls == ()
    assert answer.status == "completed"
    within = text_question()
    follow(
        within, created("r1", MARK), *search, words("r1", "a", "It says"), done("r1", message("a"))
    )
    assert within.done


def test_barge_in() -> None:
    """A bare `response.done` ends the answer, cut where it was cut."""
    answer, _ = follow(
        text_question(), created("r1", MARK), *announced("r1", "a"), *spoken("r1", "a"), done("r1")
    )
    assert (answer.text, answer.status, answer.interrupted) == ("Hello.", "completed", True)


def test_our_own_interruption() -> None:
    """After `interrupt` the terminal `response.done` says how it ended."""
    event = events.Interrupted(response_id="r1", item_id="a", played_ms=100)
    answer, _ = follow(
        text_question(), created("r1", MARK), *announced("r1", "a"), words("r1", "a", "Hel"), event,
        done("r1", status="cancelled"),
    )  # fmt: skip
    assert (answer.text, answer.status, answer.interrupted) == ("Hel", "cancelled", True)


def test_given_up_for_another_response() -> None:
    """A response of somebody else ends ours, which gets no `response.done` any more."""
    builder = text_question()
    flow = [created("r1", MARK), words("r1", "a", "Well"), created("r2")]
    answer, taken = follow(builder, *flow, words("r2", "b", "Other"))
    assert taken == len(flow)
    assert (answer.text, answer.status, answer.interrupted) == ("Well", "incomplete", True)
    assert builder.awaited == "nothing is missing; the last event was response.created"
    assert builder.feed(done("r1"), 9.0)


def test_a_lost_connection() -> None:
    """An answer that had begun is incomplete when the connection is lost."""
    lost = events.Reconnecting(attempt=1, delay=0.1)
    answer, taken = follow(text_question(), created("r1", MARK), words("r1", "a", "Well"), lost)
    assert (answer.text, answer.status, answer.interrupted, taken) == (
        "Well",
        "incomplete",
        True,
        3,
    )
    asked_again, _ = follow(text_question(), lost, *reply("r1", "a", MARK))
    assert (asked_again.text, asked_again.status) == ("Hello.", "completed")


def test_item_ids_are_enough() -> None:
    """What names our item but no response is ours all the same."""
    where = {"item_id": "a", "content_index": 0}
    flow = [
        created("r1", MARK),
        *announced("r1", "a"),
        ev("response.output_audio_transcript.delta", **where, delta="Hello."),
        ev("response.output_audio.delta", **where, delta="AQI="),
        ev(
            "response.function_call_arguments.done",
            item_id="a",
            call_id="c",
            name="n",
            arguments="",
        ),
        done("r1", message("a")),
    ]
    answer, _ = follow(text_question(), *flow)
    assert (answer.text, answer.audio.data, answer.status) == ("Hello.", b"\x01\x02", "completed")


def test_what_is_awaited() -> None:
    """A timeout can say what was missing, and what came last."""
    builder = text_question()
    assert builder.awaited == "no response to the question was created; no event came since"
    begun = builder.begun
    builder.feed(ev("ping", timestamp=1), 1.0)
    builder.feed(created("r1", MARK), 2.0)
    assert builder.awaited == "response r1 has not ended; the last event was response.created"
    assert (begun, builder.begun) == (False, True)
    answer = builder.answer(3.0)
    assert (answer.text, answer.status, answer.usage, bool(answer.audio)) == (
        "",
        "incomplete",
        None,
        False,
    )
    assert (answer.latency.first_audio, answer.latency.total) == (None, 3.0)


def test_odd_events_are_harmless() -> None:
    """Items without ids, and calls that name no response, are nobody's."""
    orphan = events.FunctionCalled(call=CALL, response_id=None, answered_by=None)
    no_id = ev("response.output_item.added", response_id="r1", item={"type": "message"})
    bare = ev("response.done", response={"id": "r1", "status": "completed"})
    text = ev("response.text.delta", response_id="r1", delta="3")
    user = ev("conversation.item.added", item=item("x", role="user", content=[]))
    answer, _ = follow(text_question(), created("r1", MARK), orphan, no_id, user, text, bare)
    assert (answer.text, answer.status, answer.tool_calls, answer.usage) == (
        "3",
        "completed",
        (),
        None,
    )


# --- a question that is still being spoken -----------------------------------------------------

CUT = [*announced("r0", "b"), sound("r0", "b", "hel"), words("r0", "b", "Half"), done("r0")]
REST = [started("v"), user_audio("v"), stopped("v"), committed("v")]


def being_spoken(*flow: events.Event) -> AnswerBuilder:
    """A question whose pause the server took for its end; events one second apart."""
    builder = AnswerBuilder(0.0, pcm16(), settled=False)
    for second, event in enumerate([started("u"), stopped("u"), created("r0"), *flow], start=1):
        assert not builder.feed(event, float(second))
    return builder


@pytest.mark.parametrize(
    "first",
    [[done("r0")], CUT, [done("r0", status="cancelled")], reply("r0", "b")[1:]],
    ids=["before it spoke", "while it spoke", "as documented", "after it spoke"],
)
@pytest.mark.parametrize("settles", [0, 3, 99], ids=["at once", "within", "later"])
def test_a_reply_to_a_part_is_no_answer(first: list[events.Event], settles: int) -> None:
    """Whenever the server's end of the question comes, the reply to all of it is the answer."""
    builder = being_spoken(*first, started("v"))
    builder.said(40.0)
    for number, event in enumerate([*REST[1:], created("r1")]):
        if number == settles:
            assert not builder.settle()
        assert not builder.feed(event, 41.0)
    if settles == 99:
        assert not builder.settle()
    rest = reply("r1", "a")[1:]
    for event in rest:
        whole = builder.feed(event, 42.0)
    answer = builder.answer(43.0)
    assert whole
    assert (answer.text, answer.audio.data) == ("Hello.", SOUND["hel"] + SOUND["lo"])
    assert (answer.status, answer.interrupted) == ("completed", False)
    assert (answer.latency.first_audio, answer.latency.total) == (2.0, 2.0)
    assert answer.usage is not None
    assert answer.usage.total_tokens == 20


def test_a_reply_that_nothing_followed_is_the_answer() -> None:
    """Where no speech comes after it, it is; and its own times count, not those of the silence."""
    builder = being_spoken(*reply("r0", "b")[1:])
    builder.said(50.0)
    assert builder.settle()
    assert builder.settle()
    answer = builder.answer(60.0)
    assert (answer.text, answer.status, answer.interrupted) == ("Hello.", "completed", False)
    assert answer.latency.first_audio == 5.0
    assert answer.latency.total == 13.0


def test_a_reply_that_was_cut_last_says_so() -> None:
    """Once all of the question was heard, a bare `response.done` is the end, spoken or not."""
    for cut in (CUT, [done("r0")]):
        builder = being_spoken()
        assert not builder.settle()
        assert [builder.feed(event, 9.0) for event in cut][-1]
        assert builder.answer(9.0).interrupted


def test_a_call_that_nobody_declared_is_named() -> None:
    """What the server has to answer is told, and forgotten when it was answered."""
    builder = text_question()
    follow(builder, created("r1", MARK), *function_call("r1", "f", "nope"), done("r1"))
    assert builder.leaked == "nope"
    assert "the call of 'nope', which this client did not declare, is the se" in builder.awaited
    follow(builder, created("r2"), words("r2", "a", "It is"))
    assert builder.leaked is None
    assert set(builder.response_ids) == {"r1", "r2"}


# --- a question whose end nobody knows ---------------------------------------------------------


def live_question(*flow: events.Event) -> AnswerBuilder:
    """A question from a source that goes on; events one second apart."""
    builder = AnswerBuilder(0.0, pcm16(), settled=False, live=True)
    for second, event in enumerate([started("u"), stopped("u"), created("r0"), *flow], start=1):
        builder.feed(event, float(second))
    return builder


def test_a_whole_reply_ends_a_live_question() -> None:
    """Nobody but the server can say where it ends."""
    builder = live_question(*reply("r0", "b")[1:])
    assert builder.done
    assert (builder.answer(20.0).text, builder.answer(20.0).status) == ("Hello.", "completed")


def test_a_reply_that_was_cut_does_not_end_a_live_question() -> None:
    """The source speaks on: the reply to all of it is the answer."""
    builder = live_question(*CUT)
    assert not builder.done
    answer, _ = follow(builder, *REST, *reply("r1", "a"))
    assert (answer.text, answer.status, answer.interrupted) == ("Hello.", "completed", False)


def test_a_question_that_is_given_up() -> None:
    """What there is of its answer is incomplete, and nothing more comes."""
    builder = live_question(words("r0", "b", "Half"))
    builder.give_up(9.0)
    assert builder.done
    answer = builder.answer(10.0)
    assert (answer.text, answer.status, answer.interrupted) == ("Half", "incomplete", True)
