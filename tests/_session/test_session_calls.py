"""The session's books: when the outputs of calls may leave, and what follows them."""

from __future__ import annotations

import pytest
from books import CREATE, Books
from flows import created, done, ev, finished, function_call, reply, sound, spoken
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import events
from grok_rt.errors import LocalProtocolError

HOLD = 5.0


def asked(response: str, *calls: str, name: str = "weather") -> list[events.Event]:
    """A response with calls, up to but without its `response.done`."""
    return [created(response), *(e for call in calls for e in function_call(response, call, name))]


def test_a_declared_call_is_told_once() -> None:
    """`FunctionCalled` says which call, of which response, and which tool answers."""
    books = Books()
    books.hear(asked("r1", "a"), function_call("r1", "a"), function_call("r2", "a"))
    books.hear(function_call("r1", "b", "clock", "{}"))
    first, second = books.told
    assert isinstance(first, events.FunctionCalled)
    assert isinstance(second, events.FunctionCalled)
    assert (first.call.call_id, first.call.name) == ("call-a", "weather")
    assert first.call.arguments == '{"city":"Oslo"}'
    assert (first.response_id, first.answered_by) == ("r1", "weather")
    assert (second.call.name, second.answered_by) == ("clock", None)


def test_an_output_is_held_until_its_response_is_done() -> None:
    """The live round trip: the output and one `response.create` leave with `response.done`."""
    books = Books()
    books.hear(asked("r1", "a"))
    assert books.result("a", "21 °C") == []
    assert books.hear(finished("r1", "m")) == []
    assert books.hear(done("r1")) == ["call-a=21 °C", CREATE]
    assert books.hear(reply("r2", "i2")) == []


def test_an_output_after_the_end_leaves_at_once() -> None:
    """When the response is over nothing is held."""
    books = Books()
    books.hear(asked("r1", "a"), done("r1"))
    assert books.result("a") == ["call-a=ok", CREATE]


@given(st.permutations(["a", "b", "c", "done"]))
def test_parallel_calls_get_one_continuation(order: list[str]) -> None:
    """All outputs leave with whatever comes last, in the order of the calls; then one create."""
    books = Books()
    books.hear(asked("r1", "a", "b", "c"))
    *earlier, last = [
        books.hear(done("r1")) if each == "done" else books.result(each, each) for each in order
    ]
    assert earlier == [[], [], []]
    assert last == ["call-a=a", "call-b=b", "call-c=c", CREATE]
    assert books.next_deadline() is None


def test_a_second_call_reopens_the_wait_for_all() -> None:
    """A call that follows an answered one keeps both held, however long it is worked on."""
    books = Books()
    books.hear(asked("r1", "a"))
    books.result("a")
    books.hear(function_call("r1", "b"), now=1.0)
    assert books.wait_until(50.0) == []
    assert books.result("b", now=50.0) == []
    assert books.hear(done("r1"), now=51.0) == ["call-a=ok", "call-b=ok", CREATE]


def test_the_next_response_releases_the_outputs_but_not_the_create() -> None:
    """`response.created` proves the one before over; its continuation waits for its own end."""
    books = Books()
    books.hear(asked("r1", "a"))
    books.result("a")
    assert books.hear(created("r2")) == ["call-a=ok"]
    assert books.hear(spoken("r2", "i2")) == []
    assert books.hear(done("r2")) == [CREATE]


def test_no_create_while_another_response_speaks() -> None:
    """An answer that comes while another response speaks leaves; its continuation waits."""
    books = Books()
    books.hear(asked("r1", "a"), done("r1"), created("r2"))
    assert books.result("a") == ["call-a=ok"]
    assert books.result("unheard-of") == ["call-unheard-of=ok"]
    assert books.hear(done("r2")) == [CREATE]


def test_a_response_that_died_is_waited_for_five_seconds() -> None:
    """Without `response.done` the output leaves 5 s after the answer, and the create with it."""
    books = Books()
    books.hear(asked("r1", "a"))
    books.result("a", now=2.0)
    assert books.next_deadline() == 2.0 + HOLD
    assert books.wait_until(6.99) == []
    assert books.wait_until(7.0) == ["call-a=ok", CREATE]
    assert books.response_id is None
    assert books.hear(done("r1"), now=8.0) == []
    assert books.next_deadline() is None


def test_a_response_that_still_speaks_is_not_dead() -> None:
    """Any event of the response is a sign of life: a premature output would be refused."""
    books = Books()
    books.hear(asked("r1", "a"))
    books.result("a", now=2.0)
    books.hear(sound("r1", "i1", "hel"), now=6.0)
    assert books.wait_until(10.99) == []
    books.hear(finished("r1", "i1")[:1], now=10.99)
    assert books.wait_until(15.9) == []
    assert books.wait_until(16.0) == ["call-a=ok", CREATE]


def test_a_create_does_not_wait_for_ever_for_a_response_that_died() -> None:
    """The response in the way may be abandoned without a word: 5 s of silence count as its end."""
    books = Books()
    books.hear(asked("r1", "a"), done("r1"), created("r2"), now=1.0)
    assert books.result("a", now=2.0) == ["call-a=ok"]
    books.hear(sound("r2", "i2", "lo"), now=3.0)
    assert books.wait_until(7.99) == []
    assert books.wait_until(8.0) == [CREATE]
    assert books.next_deadline() is None


def test_the_five_seconds_begin_with_the_last_answer() -> None:
    """While a call of the response is open its outputs wait, and so long does nothing expire."""
    books = Books(weather=6.0)
    books.hear(asked("r1", "a"))
    books.hear(function_call("r1", "b"), now=2.0)
    books.result("b", now=2.0)
    assert books.wait_until(10.99) == []
    first, second, create = books.wait_until(11.0)
    assert first.startswith("call-a=The application did not")
    assert (second, create) == ("call-b=ok", CREATE)
    late = Books()
    late.hear(asked("r1", "a", "b"))
    late.result("a")
    assert late.wait_until(20.0) == []
    assert late.result("b", now=20.0) == []
    assert late.wait_until(25.0) == ["call-a=ok", "call-b=ok", CREATE]


def test_a_call_without_a_response_id_belongs_to_the_one_that_speaks() -> None:
    """Ids that are missing are those of the present response, if there is one."""
    anonymous = ev(
        "response.function_call_arguments.done", call_id="call-a", name="weather", arguments="{}"
    )
    books = Books()
    books.hear(created("r1"), anonymous)
    assert books.told[0].response_id == "r1"  # type: ignore[attr-defined]
    books.result("a")
    assert books.hear(done("r1")) == ["call-a=ok", CREATE]
    lonely = Books()
    lonely.hear(anonymous)
    lonely.result("a")
    assert lonely.wait_until(HOLD) == ["call-a=ok", CREATE]


def test_what_was_never_declared_is_never_answered() -> None:
    """The server's own searches leak as calls: not told, and an answer to one is refused."""
    books = Books()
    books.hear(asked("r1", "s", name="x_keyword_search"), done("r1"))
    assert books.told == []
    with pytest.raises(LocalProtocolError, match="server's own"):
        books.result("s")
    assert books.wait_until(1e6) == []
    assert books.left == []


def test_a_search_beside_a_call_holds_nobody_up() -> None:
    """A leaked search in the same response is not waited for."""
    books = Books()
    books.hear(asked("r1", "a"), function_call("r1", "s", "web_search"), done("r1"))
    assert books.result("a") == ["call-a=ok", CREATE]


@pytest.mark.parametrize("released", [False, True])
def test_a_second_answer_is_refused(*, released: bool) -> None:
    """Each call takes one answer, whether the first is still held or has left."""
    books = Books()
    books.hear(asked("r1", "a"))
    books.result("a", "first")
    if released:
        books.hear(done("r1"))
    with pytest.raises(LocalProtocolError, match="has its answer already"):
        books.result("a", "second")
    books.hear(done("r1"), function_call("r1", "a"))
    assert books.left == ["call-a=first", CREATE]
    assert len(books.told) == 1


def test_a_call_of_an_earlier_session_is_answered_at_once() -> None:
    """A call that these books never saw has nothing to be held for; once."""
    books = Books()
    assert books.result("old") == ["call-old=ok", CREATE]
    with pytest.raises(LocalProtocolError, match="has its answer already"):
        books.result("old")


def test_a_call_that_nobody_answers_gets_an_error_output() -> None:
    """At its timeout a declared call is answered for the application, whose answer is then late."""
    books = Books(weather=10.0, clock=20.0)
    books.hear(asked("r1", "a"), function_call("r1", "b", "clock", "{}"), done("r1"), now=1.0)
    assert books.next_deadline() == 11.0
    assert books.wait_until(20.99) == []
    first, second, create = books.wait_until(21.0)
    assert first.startswith("call-a=The application did not answer")
    assert second.startswith("call-b=The application did not answer")
    assert create == CREATE
    with pytest.raises(LocalProtocolError, match="has its answer already"):
        books.result("a")


def test_an_error_output_is_held_like_any_other() -> None:
    """An output at the timeout waits for `response.done` too, 5 s at the most."""
    books = Books(weather=10.0)
    books.hear(asked("r1", "a"))
    assert books.wait_until(14.99) == []
    assert len(books.wait_until(15.0)) == 2


def test_every_event_of_ours_has_an_id() -> None:
    """What the books send can be named by a refusal."""
    books = Books()
    books.hear(asked("r1", "a", "b"), done("r1"))
    books.result("a")
    books.result("b")
    books.result("old")
    assert len(books.ids) == 5
    assert len(set(books.ids)) == 5
    assert all(books.ids)


def test_an_output_is_always_text_that_can_leave() -> None:
    """A lone surrogate, which no UTF-8 can carry, is replaced before it is held."""
    books = Books()
    assert books.result("old", "a\ud800b")[0] == "call-old=a?b"


def test_the_books_forget_in_the_end() -> None:
    """An endless conversation does not grow: the last thousand calls are remembered."""
    books = Books()
    for i in range(1100):
        books.result(f"{i}")
        books.hear(function_call("r1", f"s{i}", "web_search"))
        books.best_effort(f"{i}")
    assert books.result("99") == ["call-99=ok", CREATE]
    with pytest.raises(LocalProtocolError):
        books.result("1099")
    assert len(books._calls._unanswerable) == len(books._calls._answered) == len(books._best_effort)


def test_a_call_that_comes_after_its_response_was_done_is_held_five_seconds() -> None:
    """Nothing says any more that its output may leave: 5 s pass, or the next response comes."""
    late = (created("r1"), done("r1"), function_call("r1", "a"))
    books = Books()
    books.hear(*late)
    assert books.result("a") == []
    assert books.wait_until(HOLD) == ["call-a=ok", CREATE]
    books = Books()
    books.hear(*late)
    assert books.result("a") == []
    assert books.hear(created("r2")) == ["call-a=ok"]


def test_a_response_that_is_announced_twice_is_not_over() -> None:
    """A repeated `response.created` releases nothing of that response."""
    books = Books()
    books.hear(asked("r1", "a"))
    books.result("a")
    assert books.hear(created("r1")) == []
    assert books.hear(done("r1")) == ["call-a=ok", CREATE]


@given(st.data())
def test_any_order_of_events_keeps_the_laws(data: st.DataObject) -> None:
    """Whatever the order: outputs leave once, never before they may, creates never talk over."""
    books = Books()
    answered: set[str] = set()
    asked_for: list[str] = []
    speaking: str | None = None
    now = 0.0
    for number in range(data.draw(st.integers(1, 12))):
        now += data.draw(st.sampled_from([0.0, 1.0, 6.0]))
        before = len(books.left)
        moves = ["create", "call", "done", "answer", "wait"]
        move = data.draw(st.sampled_from(moves))
        if move == "create":
            speaking = f"r{number}"
            books.hear(created(speaking), now=now)
        elif move == "call" and speaking:
            asked_for.append(f"{number}")
            books.hear(function_call(speaking, f"{number}"), now=now)
        elif move == "done" and speaking:
            books.hear(done(speaking), now=now)
            speaking = None
        elif move == "answer" and (open_calls := [c for c in asked_for if c not in answered]):
            call = data.draw(st.sampled_from(open_calls))
            answered.add(call)
            books.result(call, now=now)
        else:
            books.wait_until(now)
            speaking = books.response_id
        left = books.left[before:]
        assert CREATE not in left or books.response_id is None
        assert left.count(CREATE) <= 1
    outputs = [name for name in books.left if name != CREATE]
    assert len(outputs) == len(set(outputs))
    assert set(outputs) <= {f"call-{call}=ok" for call in answered}
    books.hear(created("last"), now=now)
    before = len(books.left)
    for call in asked_for:
        if call not in answered:
            books.result(call, now=now)
    books.hear(done("last"), now=now)
    assert {n for n in books.left if n != CREATE} == {f"call-{call}=ok" for call in asked_for}
    # What left after the last response began is followed by one that knows it.
    assert len(books.left) == before or books.left[-1] == CREATE
    assert books.next_deadline() is None


def test_an_interrupted_response_is_not_continued() -> None:
    """Who interrupts has heard enough: the output leaves, and Grok stays silent."""
    books = Books()
    books.hear(asked("r1", "a"))
    books.interrupted()
    books.result("a")
    assert books.hear(done("r1")) == ["call-a=ok"]


def test_the_user_is_not_talked_over() -> None:
    """While the user speaks the output leaves, and the continuation waits for silence."""
    books = Books()
    books.hear(asked("r1", "a"), done("r1"), ev("input_audio_buffer.speech_started", item_id="u"))
    assert books.result("a") == ["call-a=ok"]
    assert books.hear(ev("input_audio_buffer.speech_stopped", item_id="u")) == [CREATE]


def test_the_server_that_goes_on_by_itself_is_not_asked_to() -> None:
    """The reply to what the user said knows the output too: no second reply is asked for."""
    books = Books()
    books.hear(asked("r1", "a"), done("r1"), ev("input_audio_buffer.speech_started", item_id="u"))
    assert books.result("a") == ["call-a=ok"]
    assert books.hear(created("r2"), done("r2")) == []


def test_speech_that_never_ends_holds_five_seconds() -> None:
    """Speech of which nothing more is heard counts as over; each word of it counts as heard."""
    books = Books()
    books.hear(asked("r1", "a"), done("r1"), ev("input_audio_buffer.speech_started", item_id="u"))
    assert books.result("a") == ["call-a=ok"]
    heard = ev(
        "conversation.item.input_audio_transcription.updated", item_id="u", transcript="well"
    )
    assert books.hear(heard, now=3.0) == []
    assert books.wait_until(HOLD + 2.9) == []
    assert books.wait_until(HOLD + 3.0) == [CREATE]


def test_words_in_silence_are_no_speech() -> None:
    """A late transcript opens no speech: the continuation does not wait for it."""
    books = Books()
    late = ev("conversation.item.input_audio_transcription.updated", item_id="u", transcript="well")
    books.hear(asked("r1", "a"), late)
    books.result("a")
    assert books.hear(done("r1")) == ["call-a=ok", CREATE]


SPEAKS = ev("input_audio_buffer.speech_started", item_id="u", audio_start_ms=1)


def test_whoever_works_on_a_call_is_told_that_the_user_speaks() -> None:
    """Live, a barge-in is speech while calls are open: answered ones are none of its business."""
    books = Books()
    books.hear(SPEAKS, asked("r1", "a", "b"), done("r1"))
    assert books.unwanted == []
    books.result("a")
    books.hear(SPEAKS)
    assert books.unwanted == ["call-b"]
    assert books.result("b") == ["call-a=ok", "call-b=ok"]


def test_a_barge_in_before_the_end_of_the_response_counts_as_well() -> None:
    """The user may speak into the words behind a call, before `response.done`."""
    books = Books()
    books.hear(asked("r1", "a"), SPEAKS)
    assert books.unwanted == ["call-a"]


def test_an_interruption_is_told_to_the_calls_of_the_response_that_speaks() -> None:
    """Of an earlier response that spoke of something else nobody said a word."""
    books = Books()
    books.hear(asked("r1", "a"), done("r1"), asked("r2", "b"))
    books.interrupted()
    assert books.unwanted == ["call-b"]


def test_an_interruption_of_silence_is_told_to_all_calls() -> None:
    """While tools work nobody speaks; what comes of them is told and spoken about."""
    books = Books()
    books.hear(asked("r1", "a"), done("r1"))
    books.interrupted()
    assert books.unwanted == ["call-a"]
    assert books.result("a") == ["call-a=ok", CREATE]


def test_who_gives_a_question_up_does_not_want_its_calls() -> None:
    """The calls of the responses that nobody waits for are told, and not spoken about."""
    books = Books()
    books.hear(asked("r1", "a"), done("r1"))
    books.forgone({"r1"})
    assert books.unwanted == ["call-a"]
    assert books.result("a") == ["call-a=ok"]


def test_a_response_that_the_server_cancels_does_not_want_its_calls() -> None:
    """The documented form of a barge-in."""
    books = Books()
    books.hear(asked("r1", "a"), ev("response.cancelled", response_id="r1"))
    assert books.unwanted == ["call-a"]
    assert books.result("a") == ["call-a=ok"]


@pytest.mark.parametrize("resumed", [True, False])
def test_a_conversation_that_was_lost_does_not_want_its_calls(*, resumed: bool) -> None:
    """Where the next connection knows nothing of a call, whoever works on it is told."""
    books = Books()
    books.hear(ev("conversation.created", conversation={"id": "one"}), asked("r1", "a"))
    books.lost([])
    books.hear(ev("conversation.created", conversation={"id": "one" if resumed else "other"}))
    books.goes_on()
    assert books.unwanted == ([] if resumed else ["call-a"])
