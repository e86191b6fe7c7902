"""The flows of the live service, message by message, under a virtual clock."""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any

import pytest
from virtual_talk import MANUAL, VAD, Talk, names, only

from grok_rt.audio import PCMA, PCMU, AudioClip, pcm16
from grok_rt.simulator.peer import Peer
from grok_rt.simulator.script import Script

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

SPEECH = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_audio.done",
    "response.output_item.done",
]
CALL = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
]
TRANSCRIBED = {
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "grok-transcribe"},
        }
    }
}


def ask(talk: Talk, text: str = "Hello.", **response: Any) -> list[dict[str, Any]]:
    created = talk.send("response.create", response=response) if response else None
    if created is None:
        talk.write(text)
        created = talk.send("response.create")
    return created + talk.wait(9)


# --- connecting ------------------------------------------------------------------------


def test_opening_triple() -> None:
    """A session opens with session.created, conversation.created and a ping, at once."""
    talk = Talk()
    assert names(talk.opening) == ["session.created", "conversation.created", "ping"]
    assert talk.opening[0]["session"]["turn_detection"] == {"type": None}
    assert talk.opening[0]["session"]["model"] == "grok-voice-think-fast-2.0"


def test_ping_every_ten_seconds() -> None:
    """Pings come exactly every 10,000 ms counted from the connection."""
    talk = Talk()
    talk.wait(35)
    stamps = [ping["timestamp"] for ping in talk.pings]
    assert [stamp - stamps[0] for stamp in stamps] == [0, 10_000, 20_000, 30_000]


def test_ids() -> None:
    """Ids are dashed UUIDs, but the session's: 32 hexadecimal digits."""
    session, conversation, _ = Talk().opening
    assert re.fullmatch(r"[0-9a-f]{32}", session["session"]["id"])
    assert re.fullmatch(UUID, conversation["conversation"]["id"])
    assert re.fullmatch(UUID, session["event_id"])


def test_same_seed_same_ids() -> None:
    """With a seed a session can be repeated to the letter."""
    assert Talk().opening == Talk().opening


def test_needs_open() -> None:
    """A peer that was not opened says so."""
    with pytest.raises(RuntimeError):
        Peer().receive(b"{}", 0.0)


# --- a text turn -----------------------------------------------------------------------


def test_text_turn() -> None:
    """A text turn has the live order, from the item to response.done."""
    talk = Talk(Script().says("Yes, I am here."))
    assert names(talk.write("Are you there?")) == ["conversation.item.added"]
    assert talk.wait(5) == []
    turn = talk.send("response.create") + talk.wait(5)
    assert names(turn) == ["response.created", *SPEECH, "response.done"]
    done = turn[-1]
    assert done["response"]["output"][0]["content"] == [
        {"type": "audio", "transcript": "Yes, I am here."}
    ]
    assert done["response"]["usage"] == {}
    assert done["usage"]["output_audio_seconds"] > 0.5


def test_transcript_is_the_sum_of_its_deltas() -> None:
    """The deltas of a long answer join to its transcript, and segments start in order."""
    text = "One two three four five six seven. Eight nine ten eleven twelve!"
    turn = ask(Talk(Script().says(text)))
    deltas = only(turn, "response.output_audio_transcript.delta")
    assert len(deltas) == 3
    assert "".join(delta["delta"] for delta in deltas) == text
    starts = [delta["start_time"] for delta in deltas]
    assert starts == sorted(starts)
    assert starts[0] == 0.0


def test_audio_deltas() -> None:
    """The first delta is 245 ms and alone has a latency; rid names the words of a segment."""
    turn = ask(Talk(Script().says("A sentence that is long enough for two segments."), latency=0.5))
    audio = only(turn, "response.output_audio.delta")
    words = {delta["event_id"] for delta in only(turn, "response.output_audio_transcript.delta")}
    assert audio[0]["audio_duration_ms"] == 245
    assert audio[0]["latency"] == "0.50"
    assert all("latency" not in delta for delta in audio[1:])
    assert all(60 <= delta["audio_duration_ms"] <= 2960 for delta in audio)
    assert {delta["rid"] for delta in audio} == words


@pytest.mark.parametrize(("pace", "seconds"), [(1.0, 1.0), (8.0, 0.125), (math.inf, 0.0)])
def test_pace(pace: float, seconds: float) -> None:
    """Audio leaves `pace` times as fast as it plays."""
    talk = Talk(Script().says("This takes some time to say."), pace=pace, latency=0.0)
    turn = ask(talk)
    audio = only(turn, "response.output_audio.delta")
    took = (audio[-1]["ts"] - audio[0]["ts"]) / 1000
    before_last = sum(delta["audio_duration_ms"] for delta in audio[:-1]) / 1000
    assert took == pytest.approx(before_last * seconds, abs=0.01)


def test_metadata_is_echoed() -> None:
    """Metadata of response.create comes back in response.created and response.done."""
    talk = Talk()
    talk.write("Hi")
    turn = talk.send("response.create", response={"metadata": {"turn": "7"}}) + talk.wait(9)
    assert turn[0]["response"]["metadata"] == {"turn": "7"}
    assert turn[-1]["response"]["metadata"] == {"turn": "7"}
    assert "metadata" not in ask(talk)[-1]["response"]


def test_client_item_ids_are_kept() -> None:
    """A client's item id is the item's, and the answer's previous_item_id."""
    talk = Talk()
    item = {
        "id": "mine",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }
    assert talk.send("conversation.item.create", item=item)[0]["item"]["id"] == "mine"
    turn = talk.send("response.create") + talk.wait(9)
    assert only(turn, "conversation.item.added")[0]["previous_item_id"] == "mine"


def test_truth_without_script() -> None:
    """Without a script the model says what it read."""
    assert only(ask(Talk(), "How do you do?"), "response.output_audio_transcript.done")[0][
        "transcript"
    ] == ("You said: How do you do?")


def test_billable_seconds_run_on() -> None:
    """billable_audio_seconds is a running total, output_audio_seconds is not."""
    talk = Talk(Script().says("A first answer of some length.").says("Short."))
    first, second = ask(talk)[-1]["usage"], ask(talk)[-1]["usage"]
    assert second["billable_audio_seconds"] >= first["billable_audio_seconds"] >= 1
    assert second["output_audio_seconds"] < first["output_audio_seconds"]


# --- tools -----------------------------------------------------------------------------


def test_function_call_round_trip() -> None:
    """Preamble and call are one response with output_index 0; the output is answered on request."""
    script = Script().says("Let me look.").calls("weather", city="Oslo").says("It is {output}.")
    talk = Talk(script)
    turn = ask(talk, "How warm is it in Oslo?")
    assert names(turn) == ["response.created", *SPEECH, *CALL, "response.done"]
    done = only(turn, "response.function_call_arguments.done")[0]
    assert (done["name"], done["arguments"]) == ("weather", '{"city":"Oslo"}')
    assert re.fullmatch(rf"call-{UUID}-0", done["call_id"])
    assert {message.get("output_index", 0) for message in turn} == {0}
    assert [item["type"] for item in turn[-1]["response"]["output"]] == ["message", "function_call"]

    assert names(talk.answer(done["call_id"], "3 degrees")) == ["conversation.item.added"]
    turn = talk.send("response.create") + talk.wait(9)
    assert only(turn, "response.output_audio_transcript.done")[0]["transcript"] == (
        "It is 3 degrees."
    )
    assert turn[-1]["usage"]["input_tokens"] == 0


def test_roles_of_a_call() -> None:
    """A call's role is "tool" in the conversation and "user" in the response."""
    turn = ask(Talk(Script().calls("lamp", on=True)))
    assert names(turn) == ["response.created", *CALL, "response.done"]
    assert only(turn, "conversation.item.added")[0]["item"]["role"] == "tool"
    assert only(turn, "response.output_item.done")[0]["item"]["role"] == "user"


def test_parallel_calls() -> None:
    """Calls in a row belong to one response, numbered from 0."""
    talk = Talk(Script().calls("a", x=1).calls("b").says("{output}"))
    turn = ask(talk)
    ids = [m["call_id"] for m in only(turn, "response.function_call_arguments.done")]
    assert [call_id[-2:] for call_id in ids] == ["-0", "-1"]
    assert ids[0][:-2] == ids[1][:-2]
    talk.answer(ids[0], "one")
    talk.answer(ids[1], "two")
    assert ask(talk, "?")[-1]["response"]["output"][0]["content"][0]["transcript"] == "one, two"


def test_output_before_response_done() -> None:
    """An output that comes before its response is done finds no such call; later it does."""
    talk = Talk(Script().calls("a"))
    talk.write("Go")
    talk.send("response.create")
    (call,) = only(talk.wait(0.06), "response.function_call_arguments.done")
    (refused,) = talk.answer(call["call_id"], "x")
    assert refused["error"]["code"] == "invalid_tool_call_id"
    assert call["call_id"] in refused["error"]["message"]
    assert names(talk.wait(1)) == ["response.done"]
    assert names(talk.answer(call["call_id"], "x")) == ["conversation.item.added"]


def test_seeded_calls() -> None:
    """A call the client puts into the history may be answered by it; its arguments stay unseen."""
    talk = Talk()
    item = {"type": "function_call", "name": "w", "call_id": "seed-1", "arguments": '{"a":1}'}
    added = talk.send("conversation.item.create", item=item)[0]
    assert added["item"]["arguments"] == ""
    assert names(talk.answer("seed-1", "fine")) == ["conversation.item.added"]


def test_a_search_of_the_service() -> None:
    """It shows as a call that nobody declared; the answer to the user comes by itself."""
    talk = Talk(Script().says("Let me look.").searches("Oslo weather").says("Three degrees."))
    turn = ask(talk, "How warm is it in Oslo?")
    one = ["response.created", *SPEECH, *CALL, "response.done"]
    assert names(turn) == [*one, "response.created", *SPEECH, "response.done"]
    done = only(turn, "response.function_call_arguments.done")[0]
    assert (done["name"], done["arguments"]) == ("web_search", '{"search_request":"Oslo weather"}')
    assert "Three degrees." in str(turn[-1])
    assert talk.wait(9) == []


def test_a_search_that_the_client_answers() -> None:
    """Then the model apologises, and the script goes on where it was."""
    talk = Talk(Script().searches("cats", by="x_keyword_search").says("Many.").says("Bye."))
    turn = ask(talk)
    call_id = only(turn, "response.function_call_arguments.done")[0]["call_id"]
    assert names(talk.answer(call_id, "no such tool")) == ["conversation.item.added"]
    assert "I am sorry" in str((talk.send("response.create") + talk.wait(9))[-1])
    assert "Bye." in str(ask(talk)[-1])


def test_a_search_beside_a_call() -> None:
    """While the client has a call to answer, the service waits for it."""
    talk = Talk(Script().searches("cats").calls("lamp").says("{output}").searches("dogs"))
    turn = ask(talk)
    assert len(only(turn, "response.created")) == 1
    talk.answer(only(turn, "response.function_call_arguments.done")[1]["call_id"], "on")
    turn = talk.send("response.create") + talk.wait(9)
    first, second = only(turn, "response.done")
    assert '"on"' in json.dumps(first)
    assert "I searched for: dogs" in str(second)


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


@pytest.mark.parametrize("form", [pcm16(8000), pcm16(16000), pcm16(44100), PCMU, PCMA])
def test_formats(question: AudioClip, form: Any) -> None:
    """Speech is heard in every input format, and the answer has the output format's bytes."""
    talk = Talk(Script().hears("Hi").says("Hello there."))
    wire = {"type": form.type} | ({"rate": form.rate} if form.type == "audio/pcm" else {})
    audio = {"input": {"format": wire}, "output": {"format": wire}}
    updated = talk.send("session.update", session=VAD | {"audio": audio})[0]
    assert updated["session"]["audio"]["output"] == {"format": wire, "transport": "json"}
    turn = talk.say(question.to(form)) + talk.wait(5)
    assert only(turn, "response.output_audio_transcript.done")[0]["transcript"] == "Hello there."
    for delta in only(turn, "response.output_audio.delta"):
        size = len(delta["delta"]) * 3 // 4 - delta["delta"].count("=")
        assert form.duration(size) * 1000 == pytest.approx(delta["audio_duration_ms"], abs=1)


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


# --- force_message, cancel, items ------------------------------------------------------


def force(text: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"type": "force_message", "role": "assistant", "content": content, **fields}


def test_force_message() -> None:
    """A forced text is a whole response at once, without an item of its own."""
    talk = Talk()
    turn = talk.send("conversation.item.create", item=force("This call is recorded."))
    turn += talk.wait(5)
    assert names(turn) == ["response.created", *SPEECH, "response.done"]
    assert talk.peer.conversation.items[-1]["role"] == "assistant"


def test_uninterruptible(question: AudioClip) -> None:
    """Until a forced message that may not be interrupted has been played, nobody is heard."""
    talk = Talk()
    talk.send("session.update", session=VAD)
    talk.send(
        "conversation.item.create", item=force("This call is recorded. " * 4, interruptible=False)
    )
    assert not only(talk.say(question), "input_audio_buffer.speech_started")
    talk.wait(30)
    assert only(talk.say(question), "input_audio_buffer.speech_started")


def test_cancel() -> None:
    """response.cancel ends the response as cancelled; nothing of it comes later."""
    talk = Talk(Script().says("A very long answer, " * 20), pace=1.0)
    talk.write("Go")
    created = talk.send("response.create")[0]["response"]["id"]
    talk.wait(0.5)
    done = talk.send("response.cancel", response_id=created)
    assert [message["response"]["status"] for message in done] == ["cancelled"]
    assert talk.wait(3) == []


def test_delete() -> None:
    """A user's item can be deleted; the model's own and unknown ones are not found."""
    talk = Talk()
    item_id = talk.write("Hi")[0]["item"]["id"]
    answer = only(talk.send("response.create") + talk.wait(9), "response.output_item.done")
    for missing in (answer[0]["item"]["id"], "nothing"):
        refused = talk.send("conversation.item.delete", item_id=missing)[0]
        assert refused["error"]["message"] == "Item not found"
    deleted = talk.send("conversation.item.delete", item_id=item_id)
    assert names(deleted) == ["conversation.item.deleted"]
    assert item_id not in [item["id"] for item in talk.peer.conversation.items]


def test_truncate_is_not_answered() -> None:
    """conversation.item.truncate gets no answer and no error."""
    talk = Talk()
    fields = {"item_id": "x", "content_index": 0, "audio_end_ms": 100}
    assert talk.send("conversation.item.truncate", **fields) == []


# --- errors ----------------------------------------------------------------------------

REFUSED = [
    ("invalid_event", {"type": "conversation.item.commit"}),
    ("invalid_event", {"type": "conversation.item.retrieve", "item_id": "x"}),
    ("invalid_event", {"type": "output_audio_buffer.clear"}),
    ("invalid_request_error", {"type": "session.update"}),
    ("invalid_request_error", {"type": "input_audio_buffer.append"}),
    ("invalid_request_error", {"type": "input_audio_buffer.append", "audio": "no base64!"}),
    ("invalid_request_error", {"type": "conversation.item.create"}),
    ("invalid_request_error", {"type": "conversation.item.create", "item": {"type": "image"}}),
    ("invalid_request_error", {"type": "conversation.item.create", "item": {"type": "message"}}),
    ("invalid_request_error", {"type": "conversation.item.create", "item": force("  ")}),
    (
        "invalid_request_error",
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "tool", "content": []},
        },
    ),
    (
        "invalid_request_error",
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "user", "content": ["text"]},
        },
    ),
    ("invalid_request_error", {"type": "conversation.item.truncate"}),
    ("invalid_request_error", {"type": "response.cancel"}),
    ("invalid_request_error", {"type": "response.create", "response": 7}),
    (
        "invalid_request_error",
        {"type": "response.create", "response": {"metadata": {"k" * 65: ""}}},
    ),
]


@pytest.mark.parametrize(("type", "event"), REFUSED)
def test_errors(type: str, event: dict[str, Any]) -> None:
    """A bad event gets an error that names it, and the session goes on."""
    talk = Talk()
    (refused,) = talk.send(**event, event_id="app.7")
    assert refused["type"] == "error"
    assert refused["error"]["type"] == type
    assert refused["error"]["event_id"] == "app.7"
    assert refused["previous_item_id"] is None
    assert ask(talk)[-1]["type"] == "response.done"


@pytest.mark.parametrize("data", [b"no json", b"[]", b'{"type": 7}', "{", b"\xff", b"[" * 9999])
def test_no_event_at_all(data: bytes | str) -> None:
    """What is no event is an error too, and is not counted as received."""
    talk = Talk()
    talk.peer.receive(data, talk.now)
    assert talk.wait(0)[0]["error"]["type"] == "invalid_request_error"


def test_active_response() -> None:
    """Two responses at once are refused."""
    talk = Talk(pace=1.0)
    talk.write("Hi")
    talk.send("response.create")
    refused = talk.send("response.create")[0]
    assert "already has an active response" in refused["error"]["message"]


@pytest.mark.parametrize(
    ("type", "options"), [("max_duration", {"max_duration": 60}), ("timeout", {"inactivity": 60})]
)
def test_fatal_errors(type: str, options: dict[str, Any]) -> None:
    """A session that lasts or rests too long gets an error and is closed with 1000."""
    talk = Talk(**options)
    assert talk.wait(100)[-1]["error"]["type"] == type
    assert talk.peer.closed == (1000, type)
    assert talk.send("response.create") == []
    talk.peer.receive_audio(b"\0\0", talk.now)
    talk.peer.inject({"type": "late"}, talk.now)
    assert talk.wait(100) == []


# --- resumption ------------------------------------------------------------------------


def test_resumption() -> None:
    """A resumed conversation keeps its id and replays the assistant's words, before the echo."""
    archive: dict[str, Any] = {}
    resume = {"resumption": {"enabled": True}}
    first = Talk(Script().says("Noted, the word is cedar."), archive=archive)
    first.send("session.update", session=resume)
    spent = ask(first)[-1]["usage"]["billable_audio_seconds"]
    conversation_id = first.opening[1]["conversation"]["id"]

    second = Talk(archive=archive, query={"conversation_id": conversation_id})
    assert second.opening[1]["conversation"]["id"] == conversation_id
    added, updated = second.send("session.update", session=resume)
    assert added["item"]["content"] == [{"type": "text", "text": "Noted, the word is cedar."}]
    assert added["item"]["replayed"] is True
    assert updated["type"] == "session.updated"
    assert names(second.send("session.update", session=resume)) == ["session.updated"]
    assert ask(second)[-1]["usage"]["billable_audio_seconds"] > spent


def test_nothing_to_resume() -> None:
    """An unknown conversation id begins a new conversation."""
    talk = Talk(query={"conversation_id": "gone"})
    assert talk.opening[1]["conversation"]["id"] != "gone"


# --- the wire --------------------------------------------------------------------------


def test_binary_output() -> None:
    """With binary transport the audio of a response leaves in binary frames, nothing else."""
    talk = Talk(Script().says("Hello."))
    talk.send("session.update", session={"audio": {"output": {"transport": "binary"}}})
    talk.write("Hi")
    talk.send("response.create")
    frames = talk.peer.frames(talk.now + 5)
    sound = b"".join(frame.data for frame in frames if frame.opcode == 2)
    assert pcm16().duration(sound) > 0.3
    assert not [frame for frame in frames if frame.opcode == 1 and b"audio.delta" in frame.data]


def test_binary_input(question: AudioClip) -> None:
    """Binary frames are audio like any other."""
    talk = Talk()
    talk.send("session.update", session=VAD)
    talk.peer.receive_audio(question.data, talk.now)
    assert names(talk.wait(0))[0] == "input_audio_buffer.speech_started"


def test_poll_and_received_are_events() -> None:
    """What comes and goes can be had as events."""
    talk = Talk()
    talk.write("Hi")
    talk.peer.receive(b"no event", talk.now)
    talk.wait(0)
    talk.peer.inject({"type": "surprise", "answer": 42}, talk.now)
    assert [event.type for event in talk.peer.poll(talk.now)] == ["surprise"]
    (received,) = talk.peer.received
    assert received.type == "conversation.item.create"
    talk.peer.receive(received, talk.now)
    assert [event.type for event in talk.peer.poll(talk.now)] == ["conversation.item.added"]
