"""Spoken turns, by voice activity and by push to talk, in every order seen live (9.3, 9.4)."""

from __future__ import annotations

import itertools

import live
import pytest
from stage import MANUAL, Message, Peer, on_stage

from grok_rt import SessionConfig, events
from grok_rt._asking import question as _question
from grok_rt.audio import AudioClip, pcm16
from grok_rt.conversation import Conversation
from grok_rt.errors import DeadlineExceeded

HEARD = "Hi, this is Nora."
# The recorded sound is next to silence, which is no question.
CLIP = AudioClip.from_samples(each * 200 / 32768 for each in AudioClip(live.SOUND).samples())
ANSWER = live.reply("r", "a")
CREATED, REST = ANSWER[0], ANSWER[1:]
LISTENING = [
    live.user_audio("u"),
    live.updated("u", "Hi"),
    live.completed("u", "Hi", "in_progress"),
    live.updated("u", HEARD),
    live.completed("u", HEARD, "in_progress"),
    live.completed("u", "", "in_progress"),  # a repeat in silence, empty
]
STOPPED, COMMITTED = live.stopped("u"), live.committed("u")
PARTIAL, FINAL = live.completed("u", HEARD, "in_progress"), live.completed("u", HEARD)

VAD_ORDERS: dict[str, list[Message]] = {
    "2026-09-25": [*LISTENING, STOPPED, PARTIAL, CREATED, COMMITTED, FINAL, *REST],
    "2026-07-28": [*LISTENING, STOPPED, COMMITTED, PARTIAL, FINAL, CREATED, *REST],
    "2026-08-28, a burst": [*LISTENING, CREATED, STOPPED, COMMITTED, FINAL, *REST],
    "as documented": [
        STOPPED,
        COMMITTED,
        live.message("conversation.item.added", "WS schema", item={"id": "u"}),
        live.message(
            "conversation.item.input_audio_transcription.completed",
            "documented",
            item_id="u",
            transcript=HEARD,
        ),
        CREATED,
        *REST,
    ],
    "a pause: speech and commits repeat": [
        *LISTENING[:2],
        STOPPED,
        COMMITTED,
        live.started("u"),
        *LISTENING[3:],
        live.stopped("u"),
        live.committed("u"),
        FINAL,
        CREATED,
        *REST,
    ],
    "a pause: an abandoned response": [
        *LISTENING[:2],
        STOPPED,
        live.created("abandoned"),
        COMMITTED,
        live.started("u"),
        *LISTENING[3:],
        live.stopped("u"),
        CREATED,
        live.committed("u"),
        FINAL,
        *REST,
    ],
    "anchored to an item never announced": [
        *LISTENING,
        STOPPED,
        live.committed("u", previous="never announced"),
        FINAL,
        CREATED,
        *REST,
    ],
}


@pytest.fixture
def _settles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here no reply is one to a pause, and little has to be waited for."""
    monkeypatch.setattr(_question, "_SETTLE_MS", 100)


@pytest.mark.usefixtures("_settles")
@pytest.mark.parametrize("flow", VAD_ORDERS.values(), ids=VAD_ORDERS)
def test_a_spoken_question(flow: list[Message]) -> None:
    """9.3: however its parts are ordered, the turn has one transcript and one answer."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears_sound()
        peer.says(live.started("u"), *flow)

    with on_stage(script) as stage:
        answer = stage.grok.ask(CLIP, timeout=5)
    assert (answer.text, answer.status, answer.interrupted) == (live.WORDS, "completed", False)
    assert answer.audio.data == live.SOUND * 2
    assert [(turn.role, turn.text) for turn in answer.turns] == [
        ("user", HEARD),
        ("assistant", live.WORDS),
    ]
    final = [e for e in stage.heard(events.InputAudioTranscriptionCompleted) if e.is_final]
    assert [event.transcript for event in final] == [HEARD]
    assert stage.sent == ["session.update"]


@pytest.mark.usefixtures("_settles")
@pytest.mark.parametrize(
    "order",
    list(itertools.permutations([STOPPED, COMMITTED, FINAL, CREATED])),
    ids=lambda order: "-".join(each["type"].rpartition(".")[2] for each in order),
)
def test_the_end_of_a_turn_has_no_order(order: tuple[Message, ...]) -> None:
    """9.3: stop, commit, final words and response may come in any order: ids correlate them."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears_sound()
        peer.says(live.started("u"), *LISTENING, *order, *REST)

    with on_stage(script) as stage:
        answer = stage.grok.ask(CLIP, timeout=5)
    assert [turn.text for turn in answer.turns] == [HEARD, live.WORDS]


def test_silence_is_sent_until_the_turn_is_over() -> None:
    """9.3: sound that just stops never closes a turn, so silence follows as long as need be."""
    seconds = 1.6  # more than was configured

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.started("u"))
        wanted = len(CLIP.data) + pcm16().frame_bytes(seconds * 1000)
        got = b""
        while len(got) < wanted:
            got += peer.hears_sound()
        assert got.startswith(CLIP.data)
        assert not got[len(CLIP.data) :].strip(b"\0")
        peer.says(STOPPED, COMMITTED, FINAL, *ANSWER)

    with on_stage(script) as stage:
        assert stage.grok.ask(CLIP, timeout=seconds + 3).text == live.WORDS


def test_the_conversation_has_every_turn_once() -> None:
    """9.3: a transcript that is sent again and again is still one turn."""

    def script(peer: Peer) -> None:
        peer.opens()
        repeats = [message for flow in VAD_ORDERS.values() for message in flow]
        once = {message["event_id"]: message for message in (live.started("u"), *repeats)}
        peer.says(*once.values())

    conversation = Conversation()
    with on_stage(script) as stage:
        stage.grok.on(events.Event)(lambda event: conversation.feed(event, 0.0))
        stage.grok.wait_for(events.ResponseDone, timeout=5)
    assert [(turn.role, turn.text) for turn in conversation] == [
        ("user", HEARD),
        ("assistant", live.WORDS),
    ]


MANUAL_ORDERS: dict[str, list[Message]] = {
    "announced at the commit": [STOPPED, COMMITTED, live.user_audio("u", HEARD), FINAL, *ANSWER],
    "announced while speaking": [*LISTENING, STOPPED, COMMITTED, FINAL, *ANSWER],
    "late duplicates": [
        STOPPED,
        COMMITTED,
        live.user_audio("u", HEARD),
        FINAL,
        CREATED,
        live.user_audio("u"),
        live.updated("u", "Hi"),
        live.completed("u", "Hi", "in_progress"),
        *REST,
    ],
}


@pytest.mark.parametrize("flow", MANUAL_ORDERS.values(), ids=MANUAL_ORDERS)
def test_push_to_talk_is_answered_without_being_asked(flow: list[Message]) -> None:
    """9.4: a commit answers by itself; the client sends no `response.create` beside it."""

    def script(peer: Peer) -> None:
        update = peer.opens()
        assert update["session"]["turn_detection"] is None
        sound = b""
        while len(sound) < len(CLIP.data):
            sound += peer.hears_sound()
        assert sound == CLIP.data + bytes(len(sound) - len(CLIP.data))
        peer.says(live.started("u"))
        peer.hears("input_audio_buffer.commit")
        peer.says(*flow)

    with on_stage(script, config=MANUAL) as stage:
        answer = stage.grok.ask(CLIP, timeout=5)
    assert [turn.text for turn in answer.turns] == [HEARD, live.WORDS]
    assert stage.sent == ["session.update", "input_audio_buffer.commit"]


def test_a_committed_silence_is_not_answered() -> None:
    """9.4: what the server takes for silence is ignored; the wait says what is missing."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("input_audio_buffer.commit")

    sentence = "no response to the question was created; no event came since"
    with on_stage(script, config=MANUAL) as stage, pytest.raises(DeadlineExceeded, match=sentence):
        stage.grok.ask(CLIP, timeout=0.3)


def test_a_dropped_request_for_a_response_can_be_waited_for() -> None:
    """9.4: after answered speech `response.create` is dropped in silence; `clear` lifts that."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.started("u"), STOPPED, COMMITTED, FINAL, *ANSWER)
        peer.hears("response.create")
        peer.hears("input_audio_buffer.clear")
        peer.says(live.message("input_audio_buffer.cleared"))
        peer.hears("response.create")
        peer.says(*live.reply("r2", "a2"))

    with on_stage(script, config=MANUAL) as stage:
        grok = stage.grok
        grok.wait_for(events.ResponseDone, timeout=5)
        with (
            pytest.raises(
                DeadlineExceeded, match=r"ResponseCreated.*the last event was response\.d"
            ),
            grok.expect(events.ResponseCreated, timeout=0.2),
        ):
            grok.request_response()
        with grok.expect(events.InputAudioBufferCleared, timeout=5):
            grok.clear_audio()
        with grok.expect(events.ResponseCreated, timeout=5) as created:
            grok.request_response()
        assert created.event is not None
        assert created.event.response.id == "r2"
        grok.wait_for(events.ResponseDone, timeout=5)


def test_a_clear_after_the_commit_takes_the_reply_back() -> None:
    """9.4: verbs leave in the order in which they were called, and nothing comes between them."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("input_audio_buffer.commit")
        peer.hears("input_audio_buffer.clear")
        peer.says(live.message("input_audio_buffer.cleared"))

    with on_stage(script, config=MANUAL) as stage:
        stage.grok.send_audio(live.SOUND)
        with stage.grok.expect(events.InputAudioBufferCleared, timeout=5):
            stage.grok.commit_audio()
            stage.grok.clear_audio()
    assert [message["type"] for message in stage.peers[0].heard] == [
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
    ]


@pytest.mark.parametrize("config", [MANUAL, SessionConfig.wideband()], ids=["manual", "vad"])
def test_speech_cuts_a_reply_that_was_asked_for(config: SessionConfig) -> None:
    """9.4: speech stops a reply without `response.done`; the next response shows its end."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("conversation.item.create")
        metadata = peer.hears("response.create")["response"]["metadata"]
        peer.says(
            live.created("cut", metadata),
            *live.announced("cut", "c"),
            *live.spoken("cut", "c")[:2],
            live.started("u"),
            STOPPED,
            COMMITTED,
            *ANSWER,
        )

    with on_stage(script, config=config) as stage:
        answer = stage.grok.ask(live.QUESTION, timeout=5)
        stage.grok.wait_for(events.ResponseDone, timeout=5)
    assert (answer.status, answer.interrupted) == ("incomplete", True)
    assert answer.text == "It is three degrees"
    assert answer.audio.data == live.SOUND
