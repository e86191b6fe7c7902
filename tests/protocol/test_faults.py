"""Errors by their weight, and what this version does not know (protocol 9.10, 10)."""

from __future__ import annotations

import live
import pytest
from stage import Message, Peer, on_stage

from grok_rt import events
from grok_rt.errors import ConnectionClosedError, ServerError

RECOVERABLE = {
    "invalid_audio_format": live.message("error", "WS schema"),
    "invalid_event": live.error("invalid_event"),
    "internal_error": live.error("internal_error"),
    "invalid_tool_call_id": live.message("error", "before response.done"),
    "an active response": live.message("error", "during a response"),
    "item not found": live.message("error", "delete of an assistant item"),
    "a type of tomorrow": live.error("something_new"),
}
FATAL = {
    "timeout": "Closed for inactivity.",
    "max_duration": "The session reached its longest duration.",
}


def answer_to_a_question(peer: Peer) -> None:
    """Let `ask` work: the proof that the session is alive."""
    peer.hears("conversation.item.create")
    metadata = peer.hears("response.create")["response"]["metadata"]
    peer.says(*live.reply("r", "a", metadata))


@pytest.mark.parametrize("error", RECOVERABLE.values(), ids=RECOVERABLE)
def test_most_errors_end_nothing(error: Message) -> None:
    """9.10: `on_error` hears the error, and the session goes on."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(error)
        answer_to_a_question(peer)

    with on_stage(script) as stage:
        failures: list[events.Failure] = []
        stage.grok.on_error(failures.append)
        assert stage.grok.ask(live.QUESTION, timeout=5).text == live.WORDS
    (failure,) = failures
    assert isinstance(failure, events.Error)
    assert failure.message == error["error"]["message"]
    assert failure.code == error["error"]["code"]


@pytest.mark.parametrize("which", ["conversation.item.create", "response.create"])
def test_a_refused_question_raises(which: str) -> None:
    """10: an error that names an event of `ask` is raised there, at once, and ends nothing else."""

    def script(peer: Peer) -> None:
        peer.opens()
        asked = {
            m["type"]: m
            for m in (peer.hears("conversation.item.create"), peer.hears("response.create"))
        }
        peer.says(live.error("invalid_request_error", "Too long.", asked[which]["event_id"]))
        if which == "conversation.item.create":
            peer.hears("response.cancel")  # of the reply that was asked for all the same
        answer_to_a_question(peer)

    with on_stage(script) as stage:
        with pytest.raises(ServerError, match="Too long") as caught:
            stage.grok.ask(live.QUESTION, timeout=5)
        assert caught.value.type == "invalid_request_error"
        assert stage.grok.ask(live.QUESTION, timeout=5).text == live.WORDS


@pytest.mark.parametrize("closes", [True, False], ids=["and closes", "and says no more"])
@pytest.mark.parametrize(("type", "text"), FATAL.items())
def test_two_errors_end_the_session(type: str, text: str, closes: bool) -> None:
    """10: `timeout` and `max_duration` are the end, in the server's words; `Closed` is last."""
    error = live.message("error", "fatal", error={"type": type, "code": type, "message": text})

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("conversation.item.create")
        peer.says(error)
        if closes:
            peer.closes(1000)

    with on_stage(script, close_timeout=0.5) as stage:
        with pytest.raises(ConnectionClosedError, match=f"{type}: {text}") as caught:
            stage.grok.ask(live.QUESTION, timeout=5)
        assert isinstance(caught.value.__cause__, ServerError)
        with pytest.raises(ConnectionClosedError, match=text):
            stage.grok.send_user_text("Still there?")
    assert stage.types()[-3:] == ["error", "local.connection_lost", "local.closed"]
    assert stage.heard(events.Closed)[0].error.reason == f"{type}: {text}"


def test_a_fatal_error_rises_from_run() -> None:
    """10: whoever pumps gets the sentence too."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.error("max_duration", "Too long."))
        peer.closes(1000)

    with on_stage(script) as stage, pytest.raises(ConnectionClosedError, match="Too long"):
        stage.grok.run()


@pytest.mark.parametrize(
    ("code", "clean"), [(1000, True), (1001, True), (1011, False), (1013, False)]
)
def test_a_close_by_the_server_has_its_code(code: int, clean: bool) -> None:
    """10: no list of close codes exists; 1000 and 1001 are an end, all others a loss."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.closes(code, "enough")

    with on_stage(script) as stage:
        if clean:
            stage.grok.run()
        else:
            with pytest.raises(ConnectionClosedError, match="enough"):
                stage.grok.run()
    (closed,) = stage.heard(events.Closed)
    assert (closed.code, closed.reason) == (code, "enough")
    assert ("local.connection_lost" in stage.types()) is not clean


def test_a_vanished_server_is_a_loss() -> None:
    """10: 1006 was seen on drops; the answer in progress ends with the same error."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("conversation.item.create")
        peer.vanishes()

    with on_stage(script) as stage, pytest.raises(ConnectionClosedError) as caught:
        stage.grok.ask(live.QUESTION, timeout=5)
    assert caught.value.code == 1006
    assert stage.types()[-2:] == ["local.connection_lost", "local.closed"]


def test_what_is_not_known_is_seen() -> None:
    """7: unknown events and fields are to be ignored: by the session, not by the user."""
    unknown = {"type": "response.video.delta", "event_id": "x1", "delta": "AAAA"}
    misfit = {**live.ping(), "timestamp": "yesterday"}
    newer = {**live.ping(), "mood": {"good": True}}

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(unknown, misfit, newer)
        answer_to_a_question(peer)

    with on_stage(script) as stage:
        seen: list[events.UnknownEvent] = []
        stage.grok.on(events.UnknownEvent)(seen.append)
        stage.grok.ask(live.QUESTION, timeout=5)
    assert [(e.type, e.raw, bool(e.parse_error)) for e in seen] == [
        ("response.video.delta", unknown, False),
        ("ping", misfit, True),
    ]
    assert {"mood": {"good": True}} in [dict(e.extra) for e in stage.heard(events.Ping)]


@pytest.mark.parametrize("garbage", [b"", b"}", b"[]", b"null", b'{"no":"type"}', b'{"type":1}'])
def test_what_is_no_message_is_told(garbage: bytes) -> None:
    """10: text that is no message is a `Malformed` event, and the session goes on."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says_raw(garbage)
        answer_to_a_question(peer)

    with on_stage(script) as stage:
        stage.grok.ask(live.QUESTION, timeout=5)
    assert [event.data for event in stage.heard(events.Malformed)] == [garbage]
