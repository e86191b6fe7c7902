"""Turns in text, words that are forced, and what the server does unasked (9.2, 9.8, 9.9)."""

from __future__ import annotations

import live
import pytest
from stage import Message, Peer, on_stage

from grok_rt import events
from grok_rt.errors import DeadlineExceeded


def asked(peer: Peer) -> tuple[str, dict[str, str]]:
    """Take a question in text; returns its item's id and the metadata of its response."""
    item = peer.hears("conversation.item.create")["item"]
    return item["id"], peer.hears("response.create")["response"]["metadata"]


def docs_order(response: str, item: str) -> list[Message]:
    """The ends of an item as the documents put them."""
    transcript, part, sound, whole = live.finished(response, item)
    return [sound, transcript, part, whole]


@pytest.mark.parametrize("ends", [live.finished, docs_order], ids=["live", "as documented"])
def test_a_text_turn(ends: object) -> None:
    """9.2: the answer is whole at `response.done`, whatever the order of the ends before it."""

    def script(peer: Peer) -> None:
        peer.opens()
        item, metadata = asked(peer)
        peer.says(
            live.user_text(item),
            live.created("r", metadata),
            *live.announced("r", "a"),
            *live.spoken("r", "a"),
            *ends("r", "a"),  # type: ignore[operator]
            live.done("r", live.spoken_item("a")),
        )

    with on_stage(script) as stage:
        answer = stage.grok.ask(live.QUESTION, timeout=5)
    assert (answer.text, answer.status, answer.interrupted) == (live.WORDS, "completed", False)
    assert answer.audio.data == live.SOUND * 2
    assert answer.latency.first_audio is not None
    assert answer.usage is not None
    assert answer.usage.output_tokens == live.message("response.done")["usage"]["output_tokens"]
    assert [(turn.role, turn.text) for turn in answer.turns] == [
        ("user", live.QUESTION),
        ("assistant", live.WORDS),
    ]
    assert stage.sent == ["session.update", "conversation.item.create", "response.create"]


def test_documented_shapes_make_an_answer_too() -> None:
    """9.2: the documents' own minimal forms, without most fields, lead to the same answer."""

    def script(peer: Peer) -> None:
        peer.opens()
        _, metadata = asked(peer)
        where: Message = {"response_id": "r", "item_id": "a"}
        peer.says(
            live.message(
                "response.created", "documented", response={"id": "r", "metadata": metadata}
            ),
            live.message(
                "response.output_item.added", "documented", response_id="r", item={"id": "a"}
            ),
            live.message("response.content_part.added", "documented", **where),
            live.message("response.output_audio.delta", "documented", **where),
            live.message("response.output_audio_transcript.delta", "documented", **where),
            live.message("response.output_audio_transcript.done", "documented", **where),
            live.message("response.content_part.done", "documented", **where),
            live.message("response.done", "minimal", response={"id": "r", "metadata": metadata}),
        )

    with on_stage(script) as stage:
        answer = stage.grok.ask(live.QUESTION, timeout=5)
    assert (answer.text, answer.status) == ("It is three", "completed")
    assert answer.audio.data


@pytest.mark.parametrize("name", ["response.text.delta", "response.output_text.delta"])
def test_written_answers_come_under_two_names(name: str) -> None:
    """7: text-only output does not happen in practice; if it did, both names would be read."""

    def script(peer: Peer) -> None:
        peer.opens()
        _, metadata = asked(peer)
        delta = live.message(name, "documented", response_id="r", item_id="a", delta="Three.")
        peer.says(live.created("r", metadata), delta, live.done("r"))

    with on_stage(script) as stage:
        assert stage.grok.ask(live.QUESTION, timeout=5).text == "Three."


def test_a_text_alone_wants_no_reply() -> None:
    """9.2: a text item triggers nothing; the client adds no `response.create` of its own."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("conversation.item.create")
        peer.says(live.user_text("u"))

    with on_stage(script) as stage:
        stage.grok.send_user_text(live.QUESTION)
        stage.grok.wait_for(events.ConversationItemAdded, timeout=5)
    assert stage.sent == ["session.update", "conversation.item.create"]


def test_a_dropped_request_ends_in_a_sentence() -> None:
    """9.4: a `response.create` may be dropped in silence; the wait for it says what came last."""

    def script(peer: Peer) -> None:
        peer.opens()
        item, _ = asked(peer)
        peer.says(live.user_text(item))

    sentence = (
        r"no whole answer in 0.3 s: no response to the question was created; "
        r"the last event was conversation.item.added"
    )
    with on_stage(script) as stage, pytest.raises(DeadlineExceeded, match=sentence):
        stage.grok.ask(live.QUESTION, timeout=0.3)


def test_a_reply_that_stops_ends_in_a_sentence() -> None:
    """9.4: speech during a reply stops it without `response.done`; the wait names the response."""

    def script(peer: Peer) -> None:
        peer.opens()
        _, metadata = asked(peer)
        peer.says(live.created("r", metadata), *live.announced("r", "a"), *live.spoken("r", "a"))

    sentence = "response r has not ended; the last event was response.output_audio.delta"
    with on_stage(script) as stage, pytest.raises(DeadlineExceeded, match=sentence):
        stage.grok.ask(live.QUESTION, timeout=0.3)


def test_an_answer_is_told_from_another_response() -> None:
    """6: deltas of somebody else's response, before and between, are not of this answer."""

    def script(peer: Peer) -> None:
        peer.opens()
        item, metadata = asked(peer)
        peer.says(live.user_text(item), *live.reply("other", "o"))
        mine = live.reply("r", "a", metadata)
        peer.says(*mine[:-1], live.sound("other", "o"), live.words("other", "o", "Late."), mine[-1])

    with on_stage(script) as stage:
        answer = stage.grok.ask(live.QUESTION, timeout=5)
    assert answer.text == live.WORDS
    assert answer.audio.data == live.SOUND * 2


def test_binary_frames_are_sound_of_the_response_that_speaks() -> None:
    """1.1: with the binary transport the bytes come bare, and are the same `AudioDelta`."""

    def script(peer: Peer) -> None:
        peer.opens()
        _, metadata = asked(peer)
        peer.says(live.created("r", metadata), *live.announced("r", "a"))
        peer.plays(live.SOUND)
        peer.plays(live.SOUND)
        peer.says(live.words("r", "a", live.WORDS), live.done("r", live.spoken_item("a")))

    with on_stage(script) as stage:
        heard: list[bytes] = []
        stage.grok.on_audio(lambda event: heard.append(event.audio))
        answer = stage.grok.ask(live.QUESTION, timeout=5)
    assert heard == [live.SOUND] * 2
    assert answer.audio.data == live.SOUND * 2


def test_forced_words_are_a_response_nobody_asked_for() -> None:
    """9.8: `say` is one item and no `response.create`; the response carries no mark of it."""

    def script(peer: Peer) -> None:
        peer.opens()
        item = peer.hears("conversation.item.create")["item"]
        assert (item["type"], item["role"], item["interruptible"]) == (
            "force_message",
            "assistant",
            False,
        )
        assert item["content"] == [{"type": "output_text", "text": "This call is recorded."}]
        peer.says(*live.reply("r", "a"))

    with on_stage(script) as stage:
        stage.grok.say("This call is recorded.", interruptible=False)
        done = stage.grok.wait_for(events.ResponseDone, timeout=5)
        assert done.response_id == "r"
    assert stage.sent == ["session.update", "conversation.item.create"]
    assert stage.types(events.AudioDelta) == ["response.output_audio.delta"] * 2


def test_an_idle_user_is_spoken_to() -> None:
    """9.9: the timeout, a silent user item and an unprompted reply are events; nothing is sent."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(
            live.message("input_audio_buffer.timeout_triggered", item_id="u"),
            live.committed("u"),
            live.user_audio("u", ""),
            *live.reply("r", "a"),
            live.message("input_audio_buffer.timeout_triggered", item_id="v"),
        )

    with on_stage(script) as stage:
        second = stage.grok.expect(
            events.InputAudioBufferTimeoutTriggered, lambda event: event.item_id == "v", timeout=5
        )
        with second:
            pass
    assert stage.sent == ["session.update"]


def test_a_question_is_not_answered_by_an_idle_reply() -> None:
    """9.9: what the server says of its own accord is not the answer to what was just asked."""

    def script(peer: Peer) -> None:
        peer.opens()
        item, metadata = asked(peer)
        peer.says(
            live.message("input_audio_buffer.timeout_triggered", item_id="idle"),
            live.created("idle"),
            *live.announced("idle", "i"),
            live.words("idle", "i", "Are you there?"),
            live.user_text(item),
            live.done("idle"),
            *live.reply("r", "a", metadata),
        )

    with on_stage(script) as stage:
        assert stage.grok.ask(live.QUESTION, timeout=5).text == live.WORDS
