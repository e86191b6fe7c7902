"""The flows of the live service, message by message, under a virtual clock."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from tour import CALL, SPEECH, ask, force
from virtual_talk import VAD, Talk, names, only

from grok_rt.audio import AudioClip, pcm16
from grok_rt.simulator.behaviour import Behaviour
from grok_rt.simulator.peer import Peer
from grok_rt.simulator.script import Script

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

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


def test_usage() -> None:
    """Usage stands beside the response, adds up, and counts fifty tokens to a second of sound."""
    done = ask(Talk(Script().says("Yes, I am here.")), "Are you there?")[-1]
    assert done["response"]["usage"] == {}
    usage = done["usage"]
    details = usage["output_token_details"]
    assert usage["output_tokens"] == details["text_tokens"] + details["audio_tokens"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_token_details"] == {
        "text_tokens": usage["input_tokens"],
        "audio_tokens": 0,
        "grok_tokens": 0,
    }
    assert details["audio_tokens"] == pytest.approx(50 * usage["output_audio_seconds"], abs=1)
    assert type(usage["billable_audio_seconds"]) is int


def test_status_details() -> None:
    """The details of a status are a string, which means nothing."""
    turn = ask(Talk())
    for message in (turn[0], turn[-1]):
        assert message["response"]["status_details"] == "unimplemented"


def test_previous_item_id_is_everywhere() -> None:
    """Every event but the first has one; that of a part is the string "0"."""
    talk = Talk(Script().says("Hello.").calls("lamp"))
    created, *others = talk.opening + talk.send("session.update", session={}) + ask(talk)
    assert "previous_item_id" not in created
    assert all("previous_item_id" in message for message in others)
    zeros = [message["type"] for message in others if message["previous_item_id"] == "0"]
    assert zeros == ["response.content_part.added"]


def test_billable_seconds_run_on() -> None:
    """billable_audio_seconds is a running total, output_audio_seconds is not."""
    talk = Talk(Script().says("A first answer of some length. " * 4).says("Short."))
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


@pytest.mark.parametrize("seconds", [0.001, 0.5])
def test_output_before_response_done(seconds: float) -> None:
    """An output that comes before its response is done finds no such call; later it does."""
    talk = Talk(Script().calls("a"), behaviour=Behaviour(call_seconds=seconds), latency=0.05)
    talk.write("Go")
    talk.send("response.create")
    (call,) = only(talk.wait(0.0505), "response.function_call_arguments.done")
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


# --- force_message, cancel, items ------------------------------------------------------


def test_force_message() -> None:
    """A forced text is a whole response at once, without an item of its own."""
    talk = Talk()
    turn = talk.send("conversation.item.create", item=force("This call is recorded."))
    turn += talk.wait(5)
    assert names(turn) == ["response.created", *SPEECH, "response.done"]
    assert talk.peer.conversation.items[-1]["role"] == "assistant"


@pytest.mark.parametrize("kind", ["output_text", "input_text", "text"])
def test_loose_force_messages(kind: str) -> None:
    """It may have no role, and text of any kind."""
    item = {"type": "force_message", "content": [{"type": kind, "text": "Are you still there?"}]}
    talk = Talk()
    turn = talk.send("conversation.item.create", item=item) + talk.wait(9)
    assert "Are you still there?" in str(turn[-1])
    assert "metadata" not in turn[0]["response"]


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
    ("invalid_event", {"type": "response.function_call_output", "output": "x"}),
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
