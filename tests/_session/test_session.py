"""The session's books: who speaks, and what was confirmed or refused."""

from __future__ import annotations

from typing import Any

import pytest
from books import CREATE, Books
from flows import announced, created, done, ev, finished, function_call, item, reply, sound, spoken

from grok_rt import events
from grok_rt._session.session import Step
from grok_rt.errors import ServerError


def error(message: str = "No.", type: str = "invalid_request_error", **fields: Any) -> events.Error:
    event = ev("error", error={"type": type, "code": type, "message": message, **fields})
    assert isinstance(event, events.Error)
    return event


# --- what is known ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_ids_are_kept_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    """The session and the conversation are known once the server has named them."""
    opening = (
        ev("session.created", session={"id": "sess-1"}),
        ev("conversation.created", conversation={"id": "conv-1"}),
    )
    books = Books()
    assert (books.session_id, books.conversation_id) == (None, None)
    books.hear(*(opening[i] for i in order))
    assert (books.session_id, books.conversation_id) == ("sess-1", "conv-1")


def test_the_books_know_who_speaks_and_how_much() -> None:
    """From `response.created` to `response.done` a response speaks; its item outlasts it."""
    books = Books()
    books.hear(created("r1"))
    assert (books.response_id, books.item_id, books.item_bytes) == ("r1", None, 0)
    books.hear(spoken("r1", "i1"))
    assert (books.item_id, books.item_bytes) == ("i1", 30)
    books.hear(sound("r1", "i2", "lo"))
    assert (books.item_id, books.item_bytes) == ("i2", 10)
    books.hear(finished("r1", "i2"), done("r1"))
    assert (books.response_id, books.item_id, books.item_bytes) == (None, "i2", 10)
    books.hear(created("r2"))
    assert (books.response_id, books.item_id, books.item_bytes) == ("r2", None, 0)


def test_the_last_sound_of_a_cancelled_response_changes_nothing() -> None:
    """Deltas of an earlier response that come late are not taken for the present one's."""
    books = Books()
    books.hear(created("r1"), spoken("r1", "i1"), created("r2"), sound("r2", "i2", "hel"))
    books.hear(sound("r1", "i1", "hel"))
    assert (books.response_id, books.item_id, books.item_bytes) == ("r2", "i2", 20)


@pytest.mark.parametrize(
    "over",
    [
        done("r1"),
        ev("response.done", response_id="r1"),
        ev("response.done", response={"id": "r1", "output": [], "status": "completed"}),
        ev("response.done"),
    ],
)
def test_a_response_is_over_however_it_says_so(over: events.Event) -> None:
    """With its id at the top, inside, or nowhere: the response that speaks is over."""
    books = Books()
    books.hear(created("r1"), function_call("r1", "a"))
    books.result("a")
    assert books.hear(over) == ["call-a=ok", CREATE]
    assert books.response_id is None


@pytest.mark.parametrize(
    "over",
    [
        ev("response.done", response={"id": "r1", "output": [], "status": "cancelled"}),
        ev("response.cancelled", response_id="r1"),
        ev("response.cancelled"),
    ],
)
def test_nothing_follows_a_cancelled_response(over: events.Event) -> None:
    """Its outputs leave, so that the conversation is whole, but nobody asked to hear more."""
    books = Books()
    books.hear(created("r1"), function_call("r1", "a"))
    books.result("a")
    assert books.hear(over) == ["call-a=ok"]
    assert books.response_id is None


def test_the_end_of_another_response_is_not_the_end_of_this_one() -> None:
    """A late `response.done` of an earlier response leaves the present one speaking."""
    books = Books()
    books.hear(created("r1"), created("r2"), done("r1"))
    assert books.response_id == "r2"


def test_a_binary_frame_is_sound_of_the_response_that_speaks() -> None:
    """Bare bytes become a delta of the present response and item, and are counted like one."""
    books = Books()
    books.hear(books.binary_audio(b"\0" * 4))
    assert (books.item_id, books.item_bytes) == (None, 4)
    books.hear(created("r1"), sound("r1", "i1", "lo"))
    delta = books.binary_audio(b"\1\0")
    assert delta.audio == b"\1\0"
    assert (delta.response_id, delta.item_id) == ("r1", "i1")
    books.hear(delta)
    assert (books.item_id, books.item_bytes) == ("i1", 12)
    books.hear(events.ResponseAudioDelta(audio=b"\0\0"))
    assert (books.item_id, books.item_bytes) == ("i1", 14)


def test_a_message_speaks_from_its_announcement_on() -> None:
    """Binary sound names no item: it is of the message announced last, and never of a call."""
    books = Books()
    books.hear(created("r1"), announced("r1", "i1"), books.binary_audio(b"\0\0"))
    books.hear(function_call("r1", "a"))
    assert (books.item_id, books.item_bytes) == ("i1", 2)
    assert books.binary_audio(b"").item_id == "i1"


def test_event_ids_are_unlike_any_other() -> None:
    """Ids differ within a session and between sessions: a conversation outlives a process."""
    one, other = Books(), Books()
    ids = [books.new_event_id() for books in (one, one, other, other)]
    assert len(set(ids)) == 4


# --- updates and refusals --------------------------------------------------------------------

UPDATED = ev("session.updated", session={})


def test_an_update_is_answered_by_the_echo() -> None:
    """Until `session.updated` sound is held; the echo has no id, and needs none."""
    books = Books()
    assert books.update_answered("u1")
    books.update_sent("u1")
    assert not books.update_answered("u1")
    assert not books.update_answered("u1")
    books.hear(reply("r1", "i1"))
    assert not books.update_answered("u1")
    assert books.received(UPDATED, 0.0).answers_update
    assert books.update_answered("u1")
    assert books.take_refusal("u1") is None


@pytest.mark.parametrize("named", [True, False])
def test_a_refusal_may_name_the_update_or_nothing(*, named: bool) -> None:
    """An `error` that names the update, or names nothing while one is in flight, refuses it."""
    books = Books()
    books.update_sent("u1")
    books.hear(error("Bad voice.", **({"event_id": "u1"} if named else {})))
    assert books.update_answered("u1")
    refusal = books.take_refusal("u1")
    assert isinstance(refusal, ServerError)
    assert (refusal.type, refusal.message) == ("invalid_request_error", "Bad voice.")
    assert refusal.event_id == ("u1" if named else None)
    assert books.take_refusal("u1") is None


def test_an_error_about_something_else_is_no_refusal() -> None:
    """An `error` that names another event leaves the update waiting, and stays an event."""
    books = Books()
    books.update_sent("u1")
    assert books.received(error(event_id="other"), 0.0) == Step()
    assert not books.update_answered("u1")


def test_an_error_without_an_update_is_an_event() -> None:
    """With nothing in flight an `error` refuses nothing, not even the next update."""
    books = Books()
    assert books.received(error(), 0.0) == Step()
    books.update_sent("u1")
    assert not books.update_answered("u1")
    books.hear(UPDATED)
    assert books.take_refusal("u1") is None


def test_an_update_without_an_answer_is_given_up() -> None:
    """Who stops waiting lets sound flow again; a late answer is not the next one's."""
    books = Books()
    books.update_sent("u1")
    assert books.take_refusal("u1") is None
    assert books.update_answered("u1")
    books.update_sent("u2")
    books.hear(error(event_id="u1"))
    assert not books.update_answered("u2")
    assert books.take_refusal("u1") is None
    assert not books.update_answered("u2")


def test_a_refused_best_effort_is_harmless() -> None:
    """A truncate that the server refuses becomes `Harmless`, and no update's refusal."""
    books = Books()
    books.best_effort("t1")
    books.update_sent("u1")
    refused = error("Item not found", event_id="t1")
    assert books.received(refused, 0.0) == Step(instead=events.Harmless(error=refused))
    assert not books.update_answered("u1")


@pytest.mark.parametrize("about", [{}, {"event_id": None}, {"event_id": "raw"}])
def test_nothing_to_cancel_is_harmless_even_without_an_id(about: dict[str, Any]) -> None:
    """Only a cancel can be refused for want of a response, so no id is needed to know it."""
    books = Books()
    books.update_sent("u1")
    refused = error("Cancellation failed: no active response found", **about)
    assert books.received(refused, 0.0).instead == events.Harmless(error=refused)
    assert not books.update_answered("u1")


@pytest.mark.parametrize(
    "type", ["timeout", "max_duration", "invalid_request_error", "invalid_event", "internal_error"]
)
def test_only_fatal_types_end_the_session(type: str) -> None:
    """The table of fatal types decides, on `type` and never on `code`."""
    books = Books()
    books.best_effort("t1")
    ends = type in ("timeout", "max_duration")
    event = error("Over.", type, event_id="t1" if ends else "x")
    fatal = books.received(event, 0.0).fatal
    if ends:
        assert fatal is not None
        assert (fatal.type, fatal.code, fatal.message) == (type, type, "Over.")
    else:
        assert fatal is None
    assert books.received(error(type="invalid_event", code="timeout"), 0.0).fatal is None


def test_what_the_books_do_not_know_sets_off_nothing() -> None:
    """Unknown events, pings and items pass by."""
    books = Books()
    unknown = events.UnknownEvent(type="new.thing", raw={"type": "new.thing"})
    added = ev("conversation.item.added", item=item("i", role="user", content=[]))
    assert books.hear(unknown, ev("ping", timestamp=1), added) == []
    assert books.next_deadline() is None
