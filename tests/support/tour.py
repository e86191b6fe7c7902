"""Conversations in which the simulator says everything it can say, for tests of how it says it."""

from __future__ import annotations

from typing import Any

from virtual_talk import MANUAL, Talk, only

from grok_rt.audio import AudioClip
from grok_rt.simulator.script import Script
from grok_rt.simulator.voice import hum

Message = dict[str, Any]

PCM: Message = {"format": {"type": "audio/pcm", "rate": 24000}}
HEARS: Message = {"input": PCM | {"transcription": {"model": "grok-transcribe"}}}
SERVER_VAD: Message = {"type": "server_vad", "create_response": True, "interrupt_response": True}
FUNCTION: Message = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather for a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
MCP: Message = {"type": "mcp", "server_label": "shop", "server_url": "https://mcp.example.com/sse"}


def force(text: str, **fields: Any) -> Message:
    content = [{"type": "output_text", "text": text}]
    return {"type": "force_message", "role": "assistant", "content": content, **fields}


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


def ask(talk: Talk, text: str = "Hello.", **response: Any) -> list[Message]:
    """Write, ask for a response, and take all of that; or only ask, for one that is like this."""
    created = talk.send("response.create", response=response) if response else None
    if created is None:
        talk.write(text)
        created = talk.send("response.create")
    return created + talk.wait(9)


def asked(talk: Talk, text: str = "Hello.", **response: Any) -> list[Message]:
    """Write, ask for a response, and take all of it, the echo of what was written first."""
    said = talk.write(text)
    fields = {"response": response} if response else {}
    return said + talk.send("response.create", **fields) + talk.wait(20)


def text_and_tools(**options: Any) -> list[Message]:
    """A session by hand: text, a call with a preamble, its answer, metadata."""
    script = Script().says("Let me look that up.").calls("get_weather", city="Oslo")
    talk = Talk(script.says("Three degrees.").says("You are welcome."), **options)
    session = {
        "instructions": "Reply briefly.",
        "turn_detection": {"type": None},
        "audio": HEARS | {"output": PCM},
        "tools": [FUNCTION],
    }
    said = talk.opening + talk.send("session.update", session=session)
    turn = asked(talk, "How warm is it in Oslo?")
    (call,) = only(turn, "response.function_call_arguments.done")
    said += turn + talk.answer(call["call_id"], "3 degrees, sleet")
    said += talk.send("response.create") + talk.wait(20)
    return said + asked(talk, "Thanks.", metadata={"turn": "7"}) + talk.wait(20)


def voice(question: AudioClip, **options: Any) -> list[Message]:
    """A session with server VAD: a spoken turn, one that interrupts the answer, and silence."""
    script = Script().hears("Hi, this is Nora.").says("Hello Nora. " * 20).hears("How are you?")
    talk = Talk(script.says("Well."), pace=1.0, **options)
    session = {"turn_detection": SERVER_VAD, "audio": HEARS | {"output": PCM}}
    said = talk.opening + talk.send("session.update", session=session)
    said += talk.say(question) + talk.wait(2)
    return said + talk.say(question) + talk.wait(20)


def by_hand(question: AudioClip, **options: Any) -> list[Message]:
    """A session by hand: a commit, a clear."""
    talk = Talk(Script().hears("Hi, this is Nora.").says("Hello Nora."), **options)
    session = MANUAL | {"instructions": "Reply briefly.", "audio": {"output": PCM}}
    said = talk.opening + talk.send("session.update", session=session)
    said += talk.say(question) + talk.send("input_audio_buffer.commit") + talk.wait(20)
    return said + talk.send("input_audio_buffer.clear")


def odds_and_ends(**options: Any) -> list[Message]:
    """What has no recording: MCP, deletion, truncation, idleness, telephone keys, errors."""
    script = (
        Script().says("Let me ask.").asks("find_order", order="A-17", output="It is on its way.")
    )
    script.says("It is on its way.").asks("find_order", order="B", problem="Tool took too long")
    talk = Talk(script.says("I could not find it."), **options)
    detection = {"type": "server_vad", "idle_timeout_ms": 10_000}
    gone = MCP | {"server_label": "gone", "server_url": "https://mcp.invalid"}
    session = {"turn_detection": detection, "tools": [MCP, gone]}
    said = talk.opening + talk.send("session.update", session=session) + talk.wait(1)
    said += asked(talk, "Where is my order?") + asked(talk, "And the other?") + talk.wait(15)
    (item,) = talk.write("Forget it.")
    said += [item, *talk.send("conversation.item.delete", item_id=item["item"]["id"])]
    answer = talk.peer.conversation.last_id()
    where = {"item_id": answer, "content_index": 0, "audio_end_ms": 1480}
    said += talk.send("conversation.item.truncate", **where)
    talk.peer.press("5", talk.now)
    return said + talk.wait(0) + talk.send("conversation.item.commit", event_id="x-9")


def resumed(**options: Any) -> list[Message]:
    """A conversation that is taken up again."""
    archive: dict[str, Any] = {}
    enabled = {"resumption": {"enabled": True}}
    first = Talk(Script().says("Noted, the word is cedar."), archive=archive, **options)
    first.send("session.update", session=enabled)
    asked(first, "The word is cedar.")
    query = {"conversation_id": first.peer.conversation.id}
    second = Talk(archive=archive, query=query, **options)
    return second.opening + second.send("session.update", session=enabled)


def everything(question: AudioClip, **options: Any) -> list[Message]:
    """All of these conversations, one after the other; the answers are hummed."""
    options = {"voice": hum, **options}
    return [
        *text_and_tools(**options),
        *voice(question, **options),
        *by_hand(question, **options),
        *odds_and_ends(**options),
        *resumed(**options),
    ]
