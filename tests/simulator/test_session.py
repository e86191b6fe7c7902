"""Facts of a session that no single flow shows: formats, transports, items, the URL, the phone."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from tour import MCP, asked
from virtual_talk import MANUAL, VAD, Talk, names, only

from grok_rt.audio import PCMA, PCMU, AudioClip, AudioFormat, pcm16
from grok_rt.simulator.behaviour import Behaviour
from grok_rt.simulator.script import Script

RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)


def wire(form: AudioFormat) -> dict[str, Any]:
    return {"type": form.type} | ({"rate": form.rate} if form.type == "audio/pcm" else {})


# --- sound -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", [*map(pcm16, RATES), PCMU, PCMA], ids=repr)
def test_every_format_is_spoken(form: AudioFormat) -> None:
    """An answer has as many bytes as its deltas and its usage say, in every format and rate."""
    talk = Talk(Script().says("Hello there."))
    talk.send("session.update", session={"audio": {"output": {"format": wire(form)}}})
    turn = asked(talk)
    seconds = 0.0
    for delta in only(turn, "response.output_audio.delta"):
        sound = base64.b64decode(delta["delta"])
        assert form.duration(sound) * 1000 == pytest.approx(delta["audio_duration_ms"], abs=1)
        seconds += form.duration(sound)
    assert seconds == pytest.approx(turn[-1]["usage"]["output_audio_seconds"], abs=0.01)


@pytest.mark.parametrize("form", [*map(pcm16, RATES), PCMU, PCMA], ids=repr)
def test_every_format_is_heard(question: AudioClip, form: AudioFormat) -> None:
    """Speech is noticed in every format and rate, whatever the other direction has."""
    talk = Talk()
    talk.send("session.update", session=VAD | {"audio": {"input": {"format": wire(form)}}})
    turn = talk.say(question.to(form)) + talk.wait(5)
    (said,) = only(turn, "response.output_audio_transcript.done")
    assert "seconds of" in said["transcript"]
    assert talk.peer.turns[0].seconds == pytest.approx(1.6, abs=0.6)


def test_the_input_may_come_either_way(question: AudioClip) -> None:
    """The input transport is a wish: text and binary frames are one stream of sound."""
    talk = Talk()
    binary = {"audio": {"input": {"transport": "binary"}}}
    talk.send("session.update", session=VAD | binary)
    half = question.format.frame_bytes(1000)
    talk.peer.receive_audio(question.data[:half], talk.now)
    rest = base64.b64encode(question.data[half:] + bytes(48_000)).decode()
    messages = talk.wait(0) + talk.send("input_audio_buffer.append", audio=rest) + talk.wait(1)
    assert len(only(messages, "input_audio_buffer.committed")) == 1
    assert talk.peer.turns[0].seconds > 1


def test_the_output_transport_changes_with_the_next_response() -> None:
    """The output transport is strict, and that of a response is settled when it begins."""
    talk = Talk(Script().says("A long answer, " * 9).says("Another one."), pace=1.0)
    talk.write("Go")
    talk.send("response.create")
    talk.wait(1)
    output = {"transport": "binary", "format": {"type": "audio/pcmu"}}
    talk.send("session.update", session={"audio": {"output": output}})
    first = talk.wait(30)
    assert only(first, "response.output_audio.delta")
    assert talk.sound == []
    sizes = {len(base64.b64decode(d["delta"])) for d in only(first, "response.output_audio.delta")}
    assert pcm16().frame_bytes(100) in sizes
    talk.write("Go on")
    talk.send("response.create")
    second = talk.wait(30)
    assert not only(second, "response.output_audio.delta")
    heard = PCMU.duration(b"".join(talk.sound))
    assert heard == pytest.approx(second[-1]["usage"]["output_audio_seconds"], abs=0.01)


def test_speed_and_replace() -> None:
    """Faster speech is shorter, and a pronunciation changes the sound and not the words."""
    lengths = []
    for output in ({"speed": 0.7}, {"speed": 1.5}):
        talk = Talk(Script().says("It is three degrees in Oslo."))
        talk.send("session.update", session={"audio": {"output": output}})
        lengths.append(asked(talk)[-1]["usage"]["output_audio_seconds"])
    assert lengths[0] > 1.5 * lengths[1]
    talk = Talk(Script().says("Acme."))
    talk.send("session.update", session={"replace": {"acme": "A company that makes everything"}})
    turn = asked(talk)
    assert "Acme." in str(turn[-1])
    assert turn[-1]["usage"]["output_audio_seconds"] > 1


# --- items -----------------------------------------------------------------------------


def user(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"item": {"type": "message", "role": "user", "content": list(content), **fields}}


def test_sound_as_an_item() -> None:
    """An item may be sound: it is not sent back, and its length or its transcript is known."""
    sound = base64.b64encode(pcm16().silence(1500)).decode()
    talk = Talk()
    part = {"type": "input_audio", "audio": sound}
    (added,) = talk.send("conversation.item.create", **user(part))
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": ""}]
    assert "I heard 1.5 seconds of speech." in str(
        (talk.send("response.create") + talk.wait(9))[-1]
    )
    (added,) = talk.send("conversation.item.create", **user(part | {"transcript": "Hello."}))
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": "Hello."}]
    assert "I heard: Hello." in str((talk.send("response.create") + talk.wait(9))[-1])


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("user", {"type": "input_text", "text": "a"}),
        ("system", {"type": "input_text", "text": "a"}),
        ("assistant", {"type": "text", "text": "a"}),
        ("assistant", {"type": "output_text", "text": "a"}),
        ("user", {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}),
    ],
)
def test_parts(role: str, part: dict[str, Any]) -> None:
    """Every kind of part that was seen to work is taken, and echoed as it came."""
    (added,) = Talk().send("conversation.item.create", **user(part, role=role))
    assert added["item"]["content"] == [part]
    assert added["item"]["role"] == role


@pytest.mark.parametrize(
    ("param", "part"),
    [
        ("item.content[0].type", {"type": "video"}),
        ("item.content[0].text", {"type": "input_text"}),
        ("item.content[0].audio", {"type": "input_audio", "audio": "no base64!"}),
    ],
)
def test_wrong_parts(param: str, part: dict[str, Any]) -> None:
    """A part that cannot be is refused by name."""
    (refused,) = Talk().send("conversation.item.create", **user(part))
    assert refused["error"]["param"] == param


def test_items_are_inserted() -> None:
    """`previous_item_id` says behind which item; without it an item goes to the end."""
    talk = Talk()
    for number in "123":
        talk.send("conversation.item.create", **user({"type": "text", "text": number}, id=number))
    (added,) = talk.send("conversation.item.create", previous_item_id="1", **user(id="1b"))
    assert added["previous_item_id"] == "1"
    assert [item["id"] for item in talk.peer.conversation.items] == ["1", "1b", "2", "3"]


def test_the_deleted_item_is_not_named() -> None:
    """The confirmation of a deletion has an empty id (live)."""
    talk = Talk()
    (added,) = talk.write("Hi")
    (deleted,) = talk.send("conversation.item.delete", item_id=added["item"]["id"])
    assert (deleted["type"], deleted["item_id"]) == ("conversation.item.deleted", "")


# --- the URL and the telephone ---------------------------------------------------------


def test_reasoning_of_the_url() -> None:
    """`reasoning.effort` may come with the URL; a wrong one is an error behind the opening."""
    talk = Talk(query={"reasoning.effort": "none"})
    (updated,) = talk.send("session.update", session={})
    assert updated["session"]["reasoning"] == {"effort": "none"}
    wrong = Talk(query={"reasoning.effort": "low"})
    assert names(wrong.opening) == ["session.created", "conversation.created", "ping", "error"]
    assert wrong.opening[-1]["error"]["param"] == "session.reasoning.effort"


@pytest.mark.parametrize("key", list("0123456789*#"))
def test_telephone_keys(key: str) -> None:
    """A key of the caller is an event, with the second it was pressed in."""
    talk = Talk()
    talk.wait(7)
    talk.peer.press(key, talk.now)
    (pressed,) = talk.wait(0)
    assert pressed["type"] == "input_audio_buffer.dtmf_event_received"
    assert (pressed["event"], pressed["received_at"]) == (key, 1_790_000_007)


@pytest.mark.parametrize("key", ["", "A", "12"])
def test_no_telephone_keys(key: str) -> None:
    """What no telephone has is refused where it is asked for."""
    with pytest.raises(ValueError, match="a telephone has the keys"):
        Talk().peer.press(key, 100.0)


# --- MCP -------------------------------------------------------------------------------

LISTS = "mcp_list_tools"
ASKS = ["response.mcp_call_arguments.delta", "response.mcp_call_arguments.done"]


def test_mcp_servers_are_asked_for_their_tools() -> None:
    """Each new server is, once, behind the echo; one that cannot be reached fails."""
    talk = Talk()
    gone = MCP | {"server_label": "gone", "server_url": "https://mcp.invalid/sse"}
    said = talk.send("session.update", session={"tools": [MCP, gone]}) + talk.wait(1)
    assert names(said) == [
        "session.updated",
        f"{LISTS}.in_progress",
        f"{LISTS}.in_progress",
        f"{LISTS}.completed",
        f"{LISTS}.failed",
    ]
    assert [each["item_id"] for each in said[1:3]] == [each["item_id"] for each in said[3:]]
    assert said[-1]["error"]["type"] == "connection_error"
    again = talk.send("session.update", session={"instructions": "Hi"}) + talk.wait(1)
    assert names(again) == ["session.updated"]


@pytest.mark.parametrize("problem", ["", "Tool took too long"])
def test_mcp_calls(problem: str) -> None:
    """The service calls the server itself, and goes on to speak with what it was told."""
    script = Script().says("Let me ask.").asks("find_order", id="A", output="sent", problem=problem)
    turn = asked(Talk(script), "Where is it?")
    call = [name for name in names(turn, short=False) if "mcp" in name]
    end = "response.mcp_call.failed" if problem else "response.mcp_call.completed"
    assert call == [*ASKS, "response.mcp_call.in_progress", end]
    (delta,) = only(turn, ASKS[0])
    (done,) = only(turn, ASKS[1])
    assert delta["delta"] == done["arguments"] == '{"id":"A"}'
    assert done["name"] == "find_order"
    first, second = only(turn, "response.done")
    assert first["response_id"] == done["response_id"] != second["response_id"]
    assert (problem or "sent") in str(second)
    if problem:
        assert only(turn, end)[0]["error"] == {"type": "tool_execution_error", "message": problem}


# --- transcripts -----------------------------------------------------------------------


def test_transcripts_are_repeated_in_a_pause(question: AudioClip) -> None:
    """While a turn is open and nobody speaks, its transcript comes again, and is not final."""
    talk = Talk(Script().hears("Hi, this is Nora."))
    hears = {"audio": {"input": {"transcription": {"model": "grok-transcribe"}}}}
    talk.send("session.update", session=MANUAL | hears)
    talk.say(question)
    quiet = talk.say(AudioClip(b"", pcm16()), tail=3.0)
    assert names(quiet) == ["conversation.item.input_audio_transcription.completed"] * 3
    assert {each["status"] for each in quiet} == {"in_progress"}
    assert len({each["transcript"] for each in quiet}) == 1


# --- calls -----------------------------------------------------------------------------


@pytest.mark.parametrize("shortened", [True, False])
def test_shortened_call_ids(shortened: bool) -> None:
    """An output may name its call by a hash of 32 digits, as a client for OpenAI does."""
    script = Script().calls("lamp").says("It is {output}.")
    talk = Talk(script, behaviour=Behaviour(shortened_call_ids=shortened))
    (call,) = only(asked(talk), "response.function_call_arguments.done")
    short = hashlib.sha256(call["call_id"].encode()).hexdigest()[:32]
    (answer,) = talk.answer(short, "on")
    assert answer["type"] == ("conversation.item.added" if shortened else "error")
    (unknown,) = talk.answer("0" * 32, "on")
    assert unknown["error"]["code"] == "invalid_tool_call_id"
    if shortened:
        assert answer["item"]["call_id"] == short
        assert "It is on." in str((talk.send("response.create") + talk.wait(9))[-1])
