"""Spoken turns in the live order, with server VAD and by hand, under a virtual clock."""

from __future__ import annotations

import base64
import itertools
import math
import re
from typing import Any

import pytest
from tour import SPEECH, ask, force
from virtual_talk import MANUAL, VAD, Talk, names, only

from grok_rt.audio import AudioClip, pcm16
from grok_rt.simulator.behaviour import Behaviour
from grok_rt.simulator.script import Script

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

TRANSCRIBED = {
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "grok-transcribe"},
        }
    }
}


# --- voice, with server VAD ------------------------------------------------------------


def test_voice_turn(question: AudioClip) -> None:
    """A spoken turn has the live order; partial transcripts grow; the answer comes by itself."""
    talk = Talk(Script().hears("How warm is it in Oslo?").says("Three degrees."))
    talk.send("session.update", session=VAD | TRANSCRIBED)
    turn = talk.say(question) + talk.wait(5)
    updated = "conversation.item.input_audio_transcription.updated"
    completed = "conversation.item.input_audio_transcription.completed"
    pairs = [updated, completed] * len(only(turn, updated))
    assert pairs
    assert names(turn) == [
        "input_audio_buffer.speech_started",
        "conversation.item.added",
        *pairs,
        "input_audio_buffer.speech_stopped",
        completed,
        "response.created",
        "input_audio_buffer.committed",
        completed,
        *SPEECH[:5],
        *SPEECH[5:],
        "response.done",
    ]
    transcripts = [message["transcript"] for message in only(turn, updated)]
    assert all(later.startswith(sooner) for sooner, later in itertools.pairwise(transcripts))
    statuses = [message["status"] for message in only(turn, completed)]
    assert statuses == ["in_progress"] * (len(statuses) - 1) + ["completed"]
    assert only(turn, completed)[-1]["transcript"] == "How warm is it in Oslo?"
    user = only(turn, "input_audio_buffer.committed")[0]["item_id"]
    assert talk.peer.turns[0].item_id == user


def test_truth_about_speech(question: AudioClip) -> None:
    """Without a script the model says how much speech it heard."""
    talk = Talk()
    talk.send("session.update", session=VAD)
    turn = talk.say(question) + talk.wait(5)
    said = only(turn, "response.output_audio_transcript.done")[0]["transcript"]
    assert re.fullmatch(r"I heard 1\.[0-9] seconds of speech\.", said)


def test_prefix_padding(question: AudioClip) -> None:
    """A turn's audio begins prefix_padding_ms before the speech."""
    lengths = []
    for prefix in (0, 300):
        talk = Talk()
        detection = {"type": "server_vad", "prefix_padding_ms": prefix}
        talk.send("session.update", session={"turn_detection": detection})
        talk.say(AudioClip(pcm16().silence(500), pcm16()) + question)
        lengths.append(len(talk.peer.turns[0].audio) / 48)
    assert lengths[1] - lengths[0] == pytest.approx(300, abs=1)


@pytest.mark.parametrize("silence_ms", [200, 700])
def test_silence_duration(question: AudioClip, silence_ms: int) -> None:
    """A turn ends silence_duration_ms after the last voice."""
    talk = Talk()
    detection = {"type": "server_vad", "silence_duration_ms": silence_ms}
    talk.send("session.update", session={"turn_detection": detection})
    start = talk.now
    talk.say(question, tail=1.0)
    (turn,) = talk.peer.turns[-1:]
    stopped = [message for message in talk.peer.conversation.items if message["id"] == turn.item_id]
    assert stopped
    assert turn.end_ms + silence_ms <= (talk.now - start) * 1000


def test_burst_without_silence_never_ends(question: AudioClip) -> None:
    """Audio pushed at once that stops right after the speech leaves the turn open."""
    talk = Talk()
    talk.send("session.update", session=VAD)
    loud = question[0.5:1.2]
    messages = talk.say(loud, tail=0) + talk.wait(9)
    assert names(messages)[:2] == ["input_audio_buffer.speech_started", "conversation.item.added"]
    assert not only(messages, "input_audio_buffer.speech_stopped")


def test_barge_in(question: AudioClip) -> None:
    """Speech during a response ends it with a bare response.done, then the turn begins."""
    talk = Talk(Script().says("A very long answer, " * 20), pace=1.0)
    talk.send("session.update", session=VAD)
    talk.write("Tell me everything.")
    talk.send("response.create")
    talk.wait(1)
    heard = talk.say(question[0.4:], tail=0)
    kinds = [name for name in names(heard) if name != "response.output_audio.delta"]
    kinds = [name for name in kinds if name != "response.output_audio_transcript.delta"]
    assert kinds[:3] == [
        "response.done",
        "input_audio_buffer.speech_started",
        "conversation.item.added",
    ]
    done = only(heard, "response.done")[0]
    assert (done["response"]["status"], done["response"]["output"]) == ("completed", [])
    usage = done["usage"]
    assert usage["output_audio_seconds"] < 3
    assert usage["output_token_details"]["audio_tokens"] > 50 * usage["output_audio_seconds"]


def test_previous_user_item(question: AudioClip) -> None:
    """The second spoken turn names the first as the item before it."""
    talk = Talk(pace=math.inf)
    talk.send("session.update", session=VAD)
    first, second = talk.say(question), talk.say(question)
    before = only(first, "input_audio_buffer.committed")[0]
    after = only(second, "input_audio_buffer.committed")[0]
    assert before["previous_item_id"] is None
    assert after["previous_item_id"] == before["item_id"]


def test_idle_timeout() -> None:
    """Silence after an answer brings timeout_triggered and an unprompted reply, again and again."""
    talk = Talk()
    detection = {"type": "server_vad", "idle_timeout_ms": 3000}
    talk.send("session.update", session={"turn_detection": detection})
    ask(talk)
    later = talk.wait(12)
    flow = [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "response.created",
    ]
    assert names(later)[:4] == flow
    assert len(only(later, flow[0])) == 2
    span = only(later, "input_audio_buffer.timeout_triggered")[0]
    assert span["audio_end_ms"] - span["audio_start_ms"] == 3000


def test_idle_timeout_waits_for_the_user(question: AudioClip) -> None:
    """Nobody is asked whether they are there while they speak, or once the setting is gone."""
    talk = Talk()
    detection = {"type": "server_vad", "idle_timeout_ms": 3000}
    talk.send("session.update", session={"turn_detection": detection})
    ask(talk)
    talk.say(question[0.5:1.2], tail=0)
    assert talk.wait(20) == []
    ask(talk)
    talk.send("session.update", session=MANUAL)
    assert talk.wait(20) == []


# --- voice, by hand --------------------------------------------------------------------


def test_commit_answers_by_itself(question: AudioClip) -> None:
    """A commit with speech stops, commits, announces, transcribes and answers, in that order."""
    talk = Talk(Script().hears("Hi, this is Nora.").says("Hello Nora."))
    talk.send("session.update", session=MANUAL)
    assert names(talk.say(question)) == ["input_audio_buffer.speech_started"]
    turn = talk.send("input_audio_buffer.commit") + talk.wait(5)
    assert names(turn) == [
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        *SPEECH,
        "response.done",
    ]
    item = only(turn, "conversation.item.added")[0]["item"]
    assert item["status"] == "completed"
    assert item["content"] == [{"type": "input_audio", "transcript": "Hi, this is Nora."}]


def test_item_announced_early(question: AudioClip) -> None:
    """With partial transcripts the item is announced while the user speaks, and only once."""
    talk = Talk(Script().hears("Hi, this is Nora."))
    talk.send("session.update", session=MANUAL | TRANSCRIBED)
    early = talk.say(question)
    late = talk.send("input_audio_buffer.commit")
    assert only(early, "conversation.item.added")[0]["item"]["status"] == "in_progress"
    assert not only(late, "conversation.item.added")


def test_pause_in_a_manual_turn(question: AudioClip) -> None:
    """After a pause speech_started comes again for the same item; a commit takes all of it."""
    talk = Talk()
    talk.send("session.update", session=MANUAL)
    started = talk.say(question) + talk.say(question)
    assert names(started) == ["input_audio_buffer.speech_started"] * 2
    assert started[0]["item_id"] == started[1]["item_id"]
    talk.send("input_audio_buffer.commit")
    (turn,) = talk.peer.turns
    assert turn.seconds > question.duration


@pytest.mark.parametrize("sound", [b"", pcm16().silence(1000)])
def test_silent_commit_is_ignored(sound: bytes) -> None:
    """A commit of nothing or of silence has no effect and no answer."""
    talk = Talk()
    talk.send("session.update", session=MANUAL)
    assert talk.say(AudioClip(sound, pcm16()), tail=0) == []
    assert talk.send("input_audio_buffer.commit") + talk.wait(5) == []


def test_create_after_commit_is_dropped(question: AudioClip) -> None:
    """After committed audio response.create is dropped in silence, until something is new."""
    talk = Talk()
    talk.send("session.update", session=MANUAL)
    talk.say(question)
    talk.send("input_audio_buffer.commit")
    assert talk.send("response.create") == []
    talk.wait(5)
    assert talk.send("response.create") == []
    talk.send("input_audio_buffer.clear")
    assert names(talk.send("response.create")) == ["response.created"]
    talk.wait(5)
    assert names(ask(talk))[0] == "response.created"


def test_create_commits(question: AudioClip) -> None:
    """response.create while speech is buffered commits and answers it."""
    talk = Talk()
    talk.send("session.update", session=MANUAL)
    talk.say(question)
    turn = talk.send("response.create", response={"metadata": {"a": "b"}})
    assert names(turn)[1] == "input_audio_buffer.committed"
    assert turn[-1]["response"]["metadata"] == {"a": "b"}


def test_clear_takes_a_commit_back(question: AudioClip) -> None:
    """A clear right after a commit cancels its answer; later it does not."""
    talk = Talk(latency=0.5)
    talk.send("session.update", session=MANUAL)
    talk.say(question)
    talk.send("input_audio_buffer.commit")
    assert names(talk.send("input_audio_buffer.clear") + talk.wait(5)) == [
        "input_audio_buffer.cleared"
    ]
    talk.say(question)
    talk.send("input_audio_buffer.commit")
    talk.wait(0.6)
    assert names(talk.send("input_audio_buffer.clear") + talk.wait(5))[-1] == "response.done"


def test_clear_forgets_speech(question: AudioClip) -> None:
    """What was cleared is not committed."""
    talk = Talk()
    talk.send("session.update", session=MANUAL)
    talk.say(question)
    talk.send("input_audio_buffer.clear")
    assert talk.send("input_audio_buffer.commit") == []


def test_speech_kills_a_manual_reply(question: AudioClip) -> None:
    """In manual mode speech stops the reply without a response.done."""
    talk = Talk(Script().says("A very long answer, " * 20), pace=1.0)
    talk.send("session.update", session=MANUAL)
    talk.write("Go")
    talk.send("response.create")
    talk.wait(0.5)
    assert "response.done" not in names(talk.say(question) + talk.wait(30))


@pytest.mark.parametrize("mode", [MANUAL, VAD])
def test_a_reply_that_began_while_the_user_spoke(question: AudioClip, mode: Any) -> None:
    """When that turn is answered the reply is over: one response at a time is being sent."""
    talk = Talk(Script().says("Of course."), pace=1.0)
    talk.send("session.update", session=mode)
    talk.say(question[0.4:1.2], tail=0)
    (first,) = only(
        talk.send("conversation.item.create", item=force("This call is recorded. " * 9)),
        "response.created",
    )
    after = talk.say(AudioClip(b"", pcm16()), tail=1.0)
    after += talk.send("input_audio_buffer.commit") + talk.wait(20)
    ends = only(after, "response.done")
    (second,) = only(after, "response.created")
    later = after[after.index(second) + 1 :]
    assert {message.get("response_id") for message in later} <= {None, second["response"]["id"]}
    if mode is VAD:
        bare = ends.pop(0)["response"]
        assert (bare["id"], bare["output"]) == (first["response"]["id"], [])
    assert [end["response_id"] for end in ends] == [second["response"]["id"]]


def test_create_beside_a_reply_leaves_the_speech(question: AudioClip) -> None:
    """A response.create while a reply is active is refused; the buffered speech stays."""
    talk = Talk(Script().hears("Hi").says("Hello."), pace=1.0)
    talk.send("session.update", session=MANUAL)
    talk.say(question[0.4:1.2], tail=0)
    talk.send("conversation.item.create", item=force("This call is recorded. " * 9))
    (refused,) = only(talk.send("response.create"), "error")
    assert "already has an active response" in refused["error"]["message"]
    talk.wait(30)
    assert "input_audio_buffer.committed" in names(talk.send("response.create"))


# --- what goes through all of them -----------------------------------------------------


def test_speech_times_are_of_the_session(question: AudioClip) -> None:
    """Where speech begins and ends is told in milliseconds since the connection, not of sound."""
    talk = Talk()
    talk.send("session.update", session=MANUAL)
    talk.wait(5)
    sound = base64.b64encode(question.data).decode()
    (started,) = talk.send("input_audio_buffer.append", audio=sound)
    assert started["audio_start_ms"] == 5000
    talk.wait(1)
    stopped = talk.send("input_audio_buffer.commit")[0]
    assert stopped["audio_end_ms"] == 6000


def test_barge_in_on_what_is_only_playing(question: AudioClip) -> None:
    """An answer that has been sent is over: speech then begins a turn, and ends nothing."""
    talk = Talk(Script().says("A long answer, " * 9), pace=math.inf)
    talk.send("session.update", session=VAD)
    assert ask(talk)[-1]["type"] == "response.done"
    heard = talk.say(question[0.4:], tail=0)
    assert names(heard)[:2] == ["input_audio_buffer.speech_started", "conversation.item.added"]
    assert not only(heard, "response.done")


def test_transcripts_are_corrected(question: AudioClip) -> None:
    """A partial transcript is all words so far, and the next may have them otherwise."""
    words = "Hello, my name is Nora, and I would like to know how warm it is in Oslo."
    for corrects in (False, True):
        behaviour = Behaviour(corrects_transcripts=corrects)
        talk = Talk(Script().hears(words), behaviour=behaviour)
        detection = {"type": "server_vad", "silence_duration_ms": 3000}
        talk.send("session.update", session=TRANSCRIBED | {"turn_detection": detection})
        turn = talk.say(question + question)
        updated = "conversation.item.input_audio_transcription.updated"
        first, second, *_ = [message["transcript"] for message in only(turn, updated)]
        assert second.startswith(first) is not corrects
        assert first.endswith("?") is corrects
        assert words.startswith(second.rstrip("?"))
