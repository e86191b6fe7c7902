"""Replies that are cut short: by the user's voice, and by the program (protocol 9.5)."""

from __future__ import annotations

import math

import live
import pytest
from stage import Message, Peer, on_stage

from grok_rt import events
from grok_rt.conversation import Conversation

OPENING = ["session.created", "conversation.created", "ping", "session.updated"]
BEGUN = [live.created("r"), *live.announced("r", "a"), *live.spoken("r", "a")[:2]]
ENDS: dict[str, Message] = {
    "live: completed, and empty": live.bare_done("r"),
    "documented: cancelled": live.message(
        "response.done", "interrupted response", response={"id": "r"}
    ),
    "OpenAI's": live.message("response.done", "compatibility", response={"id": "r"}),
    "one client's": live.message("response.cancelled", response_id="r"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_barge_in(end: Message) -> None:
    """9.5: the user speaks into a reply: its bare end, then the user's turn; nothing is sent."""
    user = [
        live.started("u"),
        {**live.user_audio("u"), "previous_item_id": "before"},
        live.updated("u", "Stop."),
        live.stopped("u"),
        live.committed("u", "before"),
        live.completed("u", "Stop."),
    ]

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(*BEGUN, end, *user, *live.reply("r2", "a2"))

    conversation = Conversation()
    with on_stage(script) as stage:
        stage.grok.on(events.Event)(lambda event: conversation.feed(event, 0.0))
        with stage.grok.expect(
            events.ResponseDone, lambda done: done.response_id == "r2", timeout=5
        ):
            pass
    assert stage.sent == ["session.update"]
    assert [(turn.role, turn.text, turn.interrupted) for turn in conversation] == [
        ("assistant", "It is three degrees", True),
        ("user", "Stop.", False),
        ("assistant", live.WORDS, False),
    ]


def test_an_answer_that_was_cut_says_so() -> None:
    """9.5: live, a cut response is `completed` with an empty output; its answer is interrupted."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("conversation.item.create")
        metadata = peer.hears("response.create")["response"]["metadata"]
        peer.says(live.created("r", metadata), *BEGUN[1:], live.bare_done("r"), live.started("u"))

    with on_stage(script) as stage:
        answer = stage.grok.ask(live.QUESTION, timeout=5)
    assert answer.interrupted
    assert answer.text == "It is three degrees"
    assert answer.usage is not None
    assert answer.usage.total_tokens


def test_a_late_barge_in_is_speech_alone() -> None:
    """9.5: often all of the reply was sent long before; then only `speech_started` comes."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(*live.reply("r", "a"), live.started("u"))

    with on_stage(script) as stage:
        heard: list[str] = []
        stage.grok.on_speech_started(lambda event: heard.append(event.item_id))
        stage.grok.wait_for(events.InputAudioBufferSpeechStarted, timeout=5)
    assert heard == ["u"]
    assert stage.sent == ["session.update"]


def test_a_cancel_ends_in_a_done() -> None:
    """9.5: `response.cancel` gets a terminal `response.done`; sound that is late belongs to it."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(*BEGUN)
        peer.hears("response.cancel")
        peer.says(live.sound("r", "a"), live.done("r", status="cancelled"), live.sound("r", "a"))
        peer.says(*live.reply("r2", "a2"))

    conversation = Conversation(max_audio=math.inf)
    with on_stage(script) as stage:
        stage.grok.on(events.Event)(lambda event: conversation.feed(event, 0.0))
        stage.grok.wait_for(events.AudioDelta, timeout=5)
        stage.grok.cancel_response()
        with stage.grok.expect(
            events.ResponseDone, lambda done: done.response_id == "r2", timeout=5
        ):
            pass
    first, second = conversation
    assert (first.interrupted, second.interrupted) == (True, False)
    assert first.audio == second.audio == live.SOUND * 2


@pytest.mark.parametrize("named", [True, False], ids=["with its id", "without"])
def test_a_cancel_without_a_response_is_harmless(named: bool) -> None:
    """10: "no active response found" is an answer, not a failure: `on_error` does not hear it."""

    def script(peer: Peer) -> None:
        peer.opens()
        cancel = peer.hears("response.cancel")
        refusal = live.message("error", "cancel without")
        refusal["error"]["event_id"] = cancel["event_id"] if named else None
        peer.says(refusal)

    with on_stage(script) as stage:
        failures: list[events.Failure] = []
        stage.grok.on_error(failures.append)
        with stage.grok.expect(events.Harmless, timeout=5) as harmless:
            stage.grok.cancel_response()
    assert harmless.event is not None
    assert "no active response" in harmless.event.error.message
    assert failures == []
    assert "error" not in stage.types()


@pytest.mark.parametrize("answered", [True, False], ids=["acknowledged", "no acknowledgement"])
def test_an_interruption_by_the_program(answered: bool) -> None:
    """9.5: cancel, tell the sinks, shorten the memory; no acknowledgement is waited for (Q17)."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(*BEGUN)
        peer.hears("response.cancel")
        truncate = peer.hears("conversation.item.truncate")
        assert (truncate["item_id"], truncate["content_index"]) == ("a", 0)
        assert truncate["audio_end_ms"] == len(live.SOUND) * 1000 // 48000
        peer.says(live.bare_done("r"))
        if answered:
            changes = {"item_id": "a", "audio_end_ms": truncate["audio_end_ms"]}
            peer.says(live.message("conversation.item.truncated", "WS schema", **changes))

    with on_stage(script) as stage:
        stage.grok.wait_for(events.TranscriptDelta, timeout=5)
        stage.grok.interrupt(played_ms=60_000)  # never more than what has come
        stage.grok.wait_for(events.ResponseDone, timeout=5)
    (interrupted,) = stage.heard(events.Interrupted)
    assert (interrupted.response_id, interrupted.item_id) == ("r", "a")
    assert stage.sent == ["session.update", "response.cancel", "conversation.item.truncate"]


def test_an_interruption_of_nothing_tells_the_sinks_only() -> None:
    """9.5: the response is over, its sound still plays: nothing to cancel, all to flush."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(*live.reply("r", "a"))

    with on_stage(script) as stage:
        stage.grok.wait_for(events.ResponseDone, timeout=5)
        stage.grok.interrupt()
    assert stage.sent == ["session.update"]
    (interrupted,) = stage.heard(events.Interrupted)
    assert (interrupted.response_id, interrupted.item_id) == (None, "a")
    assert stage.types()[: len(OPENING)] == OPENING


def test_a_refused_truncate_is_harmless() -> None:
    """6: truncate and delete of an assistant's item may fail; the first is only best effort."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(*BEGUN)
        peer.hears("response.cancel")
        truncate = peer.hears("conversation.item.truncate")
        refusal = live.message("error", "delete of an assistant item")
        refusal["error"]["event_id"] = truncate["event_id"]
        peer.says(refusal)
        peer.hears("conversation.item.delete")
        peer.says(live.message("error", "delete of an assistant item"))
        peer.hears("conversation.item.delete")
        peer.says(live.message("conversation.item.deleted", "item_id empty"))

    with on_stage(script) as stage:
        grok = stage.grok
        grok.wait_for(events.TranscriptDelta, timeout=5)
        grok.interrupt(played_ms=10)
        grok.wait_for(events.Harmless, timeout=5)
        with grok.expect(events.Error, timeout=5) as refused:
            grok.send(events.ConversationItemDelete("a"))
        with grok.expect(events.ConversationItemDeleted, timeout=5) as deleted:
            grok.send(events.ConversationItemDelete("a"))
    assert refused.event is not None
    assert refused.event.message == "Item not found"
    assert deleted.event is not None
    assert deleted.event.item_id == ""
