"""What the books say again after a lost line, and what they let go: without any line."""

from __future__ import annotations

import pytest
from books import CREATE, Books

from grok_rt import events
from grok_rt._session.unconfirmed import ASK_KEY
from grok_rt.errors import LocalProtocolError
from grok_rt.models import (
    ConversationInfo,
    ConversationItem,
    ErrorInfo,
    ResponseInfo,
    SessionInfo,
)


def asked(books: Books, ask_id: str = "q") -> list[events.ClientEvent]:
    item = ConversationItem.user_text("Well?", id=ask_id)
    question = (
        events.ConversationItemCreate(event_id=f"{ask_id}-item", item=item),
        events.ResponseCreate(event_id=f"{ask_id}-create"),
    )
    return list(books.ask(ask_id, *question))


def created(response: str, ask_id: str | None = None) -> events.ResponseCreated:
    metadata = {} if ask_id is None else {"metadata": {ASK_KEY: ask_id}}
    return events.ResponseCreated(response=ResponseInfo(id=response, **metadata))


def called(response: str, call: str, name: str = "weather") -> events.Event:
    return events.ResponseFunctionCallArgumentsDone(
        response_id=response, call_id=f"call-{call}", name=name, arguments="{}"
    )


def done(response: str) -> events.ResponseDone:
    return events.ResponseDone(response_id=response)


def greeted(books: Books, conversation: str = "conv") -> None:
    books.hear(
        events.SessionCreated(session=SessionInfo(id="sess")),
        events.ConversationCreated(conversation=ConversationInfo(id=conversation)),
    )


def names(outgoing: object) -> list[str]:
    return [str(event.event_id) for event in outgoing]  # type: ignore[attr-defined]


def test_a_question_is_put_again_until_its_response_is_created() -> None:
    """As long as nothing shows that it arrived, it is said again, whole; then never."""
    books = Books()
    greeted(books)
    assert names(asked(books)) == ["q-item", "q-create"]
    books.hear(created("another"))
    for _ in range(2):
        books.lost(())
        greeted(books)
        assert names(books.goes_on()) == ["q-item", "q-create"]
    books.hear(created("r", "q"))
    books.lost(())
    greeted(books)
    assert not books.goes_on()


def test_a_question_put_without_a_line_waits_for_one() -> None:
    """It leaves once, with the next connection; one that was given up does not."""
    books = Books()
    books.lost(())
    assert asked(books) == []
    assert asked(books, "given up") == []
    books.unconfirmed.given_up("given up")
    books.unconfirmed.given_up("never put")
    assert names(books.goes_on()) == ["q-item", "q-create"]


def test_an_answer_given_without_a_line_waits_for_one() -> None:
    """The response that called is over with its line; its output leaves with the next."""
    books = Books()
    greeted(books)
    books.hear(created("r"), called("r", "1"), called("r", "2"))
    books.lost(())
    assert books.result("1", "a") == books.result("2", "b") == []
    greeted(books)
    assert books._note(books.goes_on()) == ["call-1=a", "call-2=b", CREATE]


def test_an_answer_that_left_is_said_again_until_it_shows() -> None:
    """Each output until the conversation has it, the continuation until there is any response."""
    books = Books()
    greeted(books)
    books.hear(created("r"), called("r", "1"), called("r", "2"), done("r"))
    books.result("1", "a")
    assert books.result("2", "b") == ["call-1=a", "call-2=b", CREATE]
    output = ConversationItem.function_call_output("call-1", "a")
    user = ConversationItem.user_text("not an output")
    books.hear(events.ConversationItemAdded(item=output), events.ConversationItemAdded(item=user))
    books.lost(())
    greeted(books)
    assert books._note(books.goes_on()) == ["call-2=b", CREATE]
    books.hear(created("r2"))
    books.lost(())
    greeted(books)
    assert not books.goes_on()


def test_an_interrupted_continuation_is_not_asked_for_again() -> None:
    """The outputs belong to the conversation; the reply is not wanted any more."""
    books = Books()
    greeted(books)
    books.hear(created("r"), called("r", "1"), done("r"))
    books.result("1", "a")
    books.interrupted()
    books.lost(())
    greeted(books)
    assert books._note(books.goes_on()) == ["call-1=a"]


@pytest.mark.parametrize("answered", [False, True])
def test_another_conversation_knows_nothing_of_the_calls(answered: bool) -> None:
    """Neither outputs nor continuation are said there, and an answer is refused."""
    books = Books()
    greeted(books)
    books.hear(created("r"), called("r", "1"), done("r"))
    if answered:
        books.result("1", "a")
    asked(books)
    books.lost(())
    greeted(books, "another")
    assert not books.is_resumed
    assert names(books.goes_on()) == ["q-item", "q-create"]
    with pytest.raises(LocalProtocolError, match=r"forgotten|already"):
        books.result("1", "b")


def test_the_books_forget_what_was_the_connections() -> None:
    """Its session, what it said and what was said on it; the conversation stays."""
    books = Books()
    greeted(books)
    books.hear(
        created("r"),
        events.ResponseOutputAudioDelta(audio=b"12", response_id="r", item_id="i"),
        events.InputAudioBufferSpeechStarted(item_id="u", audio_start_ms=0),
    )
    books.update_sent("u1")
    books.lost(())
    assert books.conversation_id == "conv"
    assert not books.greeted
    assert (books.session_id, books.response_id, books.item_id) == (None, None, None)
    assert books.item_bytes == 0
    assert books.update_answered("u1")


def test_a_failed_attempt_does_not_change_which_conversation_is_resumed() -> None:
    """What a connection that never stood has told is forgotten with it."""
    books = Books()
    greeted(books)
    books.lost(())
    greeted(books, "another")
    books.lost(())
    assert books.conversation_id == "conv"
    greeted(books)
    assert books.is_resumed


def test_of_what_did_not_leave_the_rest_is_kept() -> None:
    """In order, but for what is said again anyway, and for what was about the lost session."""
    books = Books()
    greeted(books)
    question = asked(books)
    books.update_sent("update")
    books.best_effort("cancel")
    keep: list[events.ClientEvent] = [
        events.InputAudioBufferAppend(audio=b"12"),
        events.InputAudioBufferCommit(event_id="commit"),
        events.SessionUpdate(event_id="theirs", session=None),  # type: ignore[arg-type]
    ]
    gone: list[events.ClientEvent] = [
        *question,
        events.SessionUpdate(event_id="update", session=None),  # type: ignore[arg-type]
        events.ResponseCancel(event_id="cancel"),
    ]
    assert books.lost([*gone[:2], *keep[:2], *gone[2:], *keep[2:]]) == keep


def test_trouble_is_remembered_until_something_is_said_again() -> None:
    """An `internal_error` explains the close that follows it, not one that comes much later."""
    books = Books()
    error = ErrorInfo(type="internal_error", message="oh")
    books.hear(events.Error(error=error))
    assert books.trouble is not None
    books.hear(created("r"))
    assert books.trouble is None


def test_a_pause_is_when_nothing_is_under_way() -> None:
    """No response, no speech, no call, no question, no update; and for two seconds nothing."""
    books = Books()
    greeted(books)
    assert books.is_quiet(2.0)
    assert not books.is_quiet(1.9)
    books.stirred_at = 10.0
    assert not books.is_quiet(11.0)
    speech = events.InputAudioBufferSpeechStarted(item_id="u", audio_start_ms=0)
    books.hear(speech, now=20.0)
    assert not books.is_quiet(30.0)
    books.hear(events.InputAudioBufferSpeechStopped(item_id="u", audio_end_ms=0), now=30.0)
    assert not books.is_quiet(31.0)
    assert books.is_quiet(32.0)
    books.hear(created("r"), called("r", "1"), now=40.0)
    assert not books.is_quiet(50.0)
    books.hear(done("r"), now=50.0)
    assert not books.is_quiet(60.0)
    books.result("1")
    books.hear(created("r2"), now=60.0)
    books.hear(done("r2"), now=61.0)
    assert books.is_quiet(63.0)
    asked(books)
    assert not books.is_quiet(70.0)
    books.unconfirmed.given_up("q")
    books.update_sent("u1")
    assert not books.is_quiet(70.0)
    books.take_refusal("u1")
    assert books.is_quiet(70.0)
