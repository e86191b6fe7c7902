"""What the live service says: recorded messages, with the ids that make one flow of them.

Each is a sample of tests/data/samples.jsonl, found by its type and a word of its note, and
changed only in what ties it to the others.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
from pathlib import Path
from typing import Any

Message = dict[str, Any]

_RECORDED = Path(__file__).parents[1] / "data" / "samples.jsonl"
SAMPLES: list[Message] = [json.loads(line) for line in _RECORDED.read_text("utf-8").splitlines()]
_event_ids = map("event-{}".format, itertools.count(1))


def message(type: str, /, note: str = "", like: Message | None = None, **changes: Any) -> Message:
    """The first sample of that type that the server says, with changes.

    Args:
        type: the wire type.
        note: a word of its note, source or confidence.
        like: values that it must have.
        changes: what is put in its place; objects are changed, not replaced.
    """
    for sample in SAMPLES:
        event = sample["event"]
        about = f"{sample.get('note', '')} {sample['source']} {sample['confidence']}"
        is_it = event["type"] == type and note in about and sample["direction"] == "server"
        if is_it and _matches(event, like or {}):
            return _changed(copy.deepcopy(event), {"event_id": next(_event_ids), **changes})
    raise LookupError(f"no sample of {type} is about {note!r} and like {like}")


def _matches(value: Any, like: Any) -> bool:
    if not isinstance(like, dict):
        return bool(value == like)
    return all(name in value and _matches(value[name], each) for name, each in like.items())


def _changed(value: Message, changes: Message) -> Message:
    for name, change in changes.items():
        inner = value.get(name)
        if isinstance(change, dict) and isinstance(inner, dict) and name != "metadata":
            _changed(inner, change)
        else:
            value[name] = change
    return value


def without(message: Message, *names: str) -> Message:
    """The same message with some fields left out."""
    return {name: value for name, value in message.items() if name not in names}


# the opening

SESSION_CREATED = message("session.created")
CONVERSATION_CREATED = message("conversation.created")
PING = message("ping")
GREETING = (SESSION_CREATED, CONVERSATION_CREATED, PING)
SESSION_ID: str = SESSION_CREATED["session"]["id"]
CONVERSATION_ID: str = CONVERSATION_CREATED["conversation"]["id"]


def ping() -> Message:
    return message("ping")


def session_updated() -> Message:
    return message("session.updated")


# the user

QUESTION = "How warm is it in Oslo?"


def user_text(item: str) -> Message:
    return message("conversation.item.added", "client supplied id", item={"id": item})


def user_audio(item: str, transcript: str | None = None) -> Message:
    """The announcement of speech: empty when it begins, whole when it comes at the commit."""
    if transcript is None:
        return message("conversation.item.added", "at speech start", item={"id": item})
    content = [{"type": "input_audio", "transcript": transcript}]
    return message(
        "conversation.item.added", "announced at commit", item={"id": item, "content": content}
    )


def started(item: str) -> Message:
    return message("input_audio_buffer.speech_started", item_id=item)


def stopped(item: str) -> Message:
    return message("input_audio_buffer.speech_stopped", item_id=item)


def committed(item: str, previous: str | None = None) -> Message:
    return message("input_audio_buffer.committed", item_id=item, previous_item_id=previous)


def updated(item: str, transcript: str) -> Message:
    name = "conversation.item.input_audio_transcription.updated"
    return message(name, item_id=item, transcript=transcript)


def completed(item: str, transcript: str, status: str = "completed") -> Message:
    name = "conversation.item.input_audio_transcription.completed"
    return message(name, item_id=item, transcript=transcript, status=status)


# the assistant

WORDS = "It is three degrees and sleeting in Oslo."
SOUND = base64.b64decode(message("response.output_audio.delta")["delta"])


def created(response: str, metadata: dict[str, str] | None = None) -> Message:
    if metadata is None:
        return message("response.created", "no metadata", response={"id": response})
    changes: Message = {"id": response, "metadata": metadata}
    return message("response.created", "metadata echoed", response=changes)


def announced(response: str, item: str) -> list[Message]:
    """An assistant's item, before its first sound."""
    theirs = {"item": {"role": "assistant", "status": "in_progress"}}
    return [
        message("response.output_item.added", response_id=response, item={"id": item}),
        message("conversation.item.added", like=theirs, item={"id": item}),
        message("response.content_part.added", response_id=response, item_id=item),
    ]


def sound(response: str, item: str, note: str = "PYD-9") -> Message:
    return message("response.output_audio.delta", note, response_id=response, item_id=item)


def words(response: str, item: str, delta: str) -> Message:
    name = "response.output_audio_transcript.delta"
    return message(name, response_id=response, item_id=item, delta=delta)


def spoken(response: str, item: str) -> list[Message]:
    """Two segments: sound and words, the first sound with its latency."""
    return [
        sound(response, item, "first delta"),
        words(response, item, "It is three degrees"),
        words(response, item, " and sleeting in Oslo."),
        sound(response, item),
    ]


def finished(response: str, item: str) -> list[Message]:
    """The ends of an assistant's item, in the live order."""
    where: Message = {"response_id": response, "item_id": item}
    return [
        message("response.output_audio_transcript.done", **where),
        message("response.content_part.done", **where),
        message("response.output_audio.done", **where),
        message("response.output_item.done", response_id=response, item={"id": item}),
    ]


def done(response: str, *output: Message, **changes: Any) -> Message:
    body = {"id": response, "output": list(output), **changes}
    return message("response.done", response_id=response, response=body)


def bare_done(response: str) -> Message:
    """The live end of an interrupted response."""
    return message("response.done", "barge-in", response_id=response, response={"id": response})


def spoken_item(item: str) -> Message:
    """An assistant's item as `response.done` lists it."""
    (listed,) = message("response.done")["response"]["output"]
    content = [{"type": "audio", "transcript": WORDS}]
    return {**listed, "id": item, "content": content}


def reply(response: str, item: str, metadata: dict[str, str] | None = None) -> list[Message]:
    """A whole spoken response."""
    return [
        created(response, metadata),
        *announced(response, item),
        *spoken(response, item),
        *finished(response, item),
        done(response, spoken_item(item)),
    ]


# function calls

ARGUMENTS = '{"city":"Oslo"}'


def call(response: str, item: str, call_id: str, name: str = "get_weather") -> list[Message]:
    """A function call inside a response; its roles differ, as they do live."""
    is_call: Message = {"item": {"type": "function_call"}}
    changes: Message = {"id": item, "call_id": call_id, "name": name}
    where: Message = {"response_id": response, "item_id": item, "call_id": call_id}
    return [
        message("response.output_item.added", like=is_call, item=changes, response_id=response),
        message("conversation.item.added", like=is_call, item=changes),
        message("response.function_call_arguments.delta", **where),
        message("response.function_call_arguments.done", name=name, **where),
        message("response.output_item.done", like=is_call, item=changes, response_id=response),
    ]


def call_item(item: str, call_id: str) -> Message:
    """A call as `response.done` lists it."""
    listed = message("response.done", "message plus call")["response"]["output"][1]
    return {**listed, "id": item, "call_id": call_id}


def call_output(item: str, call_id: str, output: str) -> Message:
    """The echo of a tool's result."""
    is_output = {"item": {"type": "function_call_output"}}
    changes: Message = {"id": item, "call_id": call_id, "output": output}
    return message("conversation.item.added", like=is_output, item=changes)


# errors


def error(type: str, text: str = "", about: str | None = None) -> Message:
    """An error of that type, in the documented shape."""
    named: Message = {} if about is None else {"event_id": about}
    changes: Message = {"type": type, "code": type, "message": text or f"This is {type}.", **named}
    return message("error", "WS schema", error=changes, previous_item_id=None)
