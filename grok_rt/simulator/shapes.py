"""The server's messages as they look on the live wire, field by field.

Plain dictionaries on purpose: the simulator states what the service was seen to send
without asking the client's own classes. Pure functions; ids and times come from the caller,
`stamp` adds what nearly every message carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Wire = dict[str, Any]


def stamp(message: Wire, event_id: str) -> Wire:
    """The message with its `event_id` and the `previous_item_id` that all but one event have."""
    stamped = {"type": message["type"], "event_id": event_id, **message}
    if message["type"] != "session.created":
        stamped.setdefault("previous_item_id", None)
    return stamped


# --- session ---------------------------------------------------------------------------


def session_created(session_id: str, model: str) -> Wire:
    """The first message; turn detection is off, whatever the documentation says."""
    return {
        "type": "session.created",
        "session": {
            "id": session_id,
            "object": "realtime.session",
            "instructions": "",
            "voice": "xai_ara",
            "modalities": ["audio"],
            "turn_detection": {"type": None},
            "tools": [],
            "model": model,
        },
    }


def conversation_created(conversation_id: str) -> Wire:
    """The second message; its id is what resumption asks for."""
    return {
        "type": "conversation.created",
        "conversation": {"id": conversation_id, "object": "realtime.conversation"},
    }


def ping(unix_ms: int) -> Wire:
    """The service's own keepalive, every 10 s; nobody answers it."""
    return {"type": "ping", "timestamp": unix_ms}


def error(
    type: str, message: str, *, code: str = "", param: str = "", event_id: str | None = None
) -> Wire:
    """An `error`; `event_id` names the client event it answers. The code defaults to the type."""
    body: Wire = {"type": type, "code": code or type, "message": message}
    if param:
        body["param"] = param
    if event_id is not None:
        body["event_id"] = event_id
    return {"type": "error", "error": body}


# --- items -----------------------------------------------------------------------------


def message_item(
    item_id: str, role: str, content: Sequence[Wire] | None, *, status: str = "completed"
) -> Wire:
    """A message; without content inside a response's own item events."""
    item: Wire = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
    }
    if content is not None:
        item["content"] = list(content)
    return item | {"replayed": False}


def spoken_item(item_id: str, transcript: str, *, status: str) -> Wire:
    """What the user says."""
    content = [{"type": "input_audio", "transcript": transcript}]
    return message_item(item_id, "user", content, status=status)


def call_item(
    item_id: str, call_id: str, name: str, arguments: str, *, role: str, status: str
) -> Wire:
    """A function call; `role` is "tool" in the conversation and "user" inside a response."""
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "function_call",
        "status": status,
        "role": role,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "replayed": False,
    }


def output_item(item_id: str, call_id: str, output: str) -> Wire:
    """The output of a function call."""
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "function_call_output",
        "status": "completed",
        "role": "tool",
        "call_id": call_id,
        "output": output,
        "replayed": False,
    }


def item_added(item: Wire, previous_item_id: str | None = None) -> Wire:
    """An item is in the conversation."""
    return {
        "type": "conversation.item.added",
        "item": item,
        "previous_item_id": previous_item_id,
    }


def item_deleted(item_id: str) -> Wire:
    """An item is gone."""
    return {"type": "conversation.item.deleted", "item_id": item_id}


# --- the user's speech -----------------------------------------------------------------


def speech_started(item_id: str, at_ms: int) -> Wire:
    """The user began to speak; in manual mode too."""
    return {
        "type": "input_audio_buffer.speech_started",
        "item_id": item_id,
        "audio_start_ms": at_ms,
    }


def speech_stopped(item_id: str, at_ms: int) -> Wire:
    """The user's turn is over."""
    return {
        "type": "input_audio_buffer.speech_stopped",
        "item_id": item_id,
        "audio_end_ms": at_ms,
    }


def committed(item_id: str, previous_item_id: str | None) -> Wire:
    """The user's audio is an item now; `previous_item_id` is the user's item before."""
    return {
        "type": "input_audio_buffer.committed",
        "item_id": item_id,
        "previous_item_id": previous_item_id,
    }


def timeout_triggered(item_id: str, previous_item_id: str | None, start: int, end: int) -> Wire:
    """The user was silent for `idle_timeout_ms`."""
    return {
        "type": "input_audio_buffer.timeout_triggered",
        "item_id": item_id,
        "previous_item_id": previous_item_id,
        "audio_start_ms": start,
        "audio_end_ms": end,
    }


def transcription_updated(item_id: str, transcript: str) -> Wire:
    """All the words so far; later ones may differ."""
    return {
        "type": "conversation.item.input_audio_transcription.updated",
        "item_id": item_id,
        "transcript": transcript,
        "content_index": 0,
    }


def transcription_completed(item_id: str, transcript: str, status: str) -> Wire:
    """Final only with status "completed"; repeated before that as "in_progress"."""
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item_id,
        "transcript": transcript,
        "content_index": 0,
        "status": status,
    }


# --- responses -------------------------------------------------------------------------


def _response(
    response_id: str, status: str, output: Sequence[Wire], metadata: Mapping[str, Any] | None
) -> Wire:
    response: Wire = {
        "id": response_id,
        "object": "realtime.response",
        "output": list(output),
        "status": status,
        "status_details": "unimplemented",
        "usage": {},
    }
    if metadata is not None:
        response["metadata"] = dict(metadata)
    return response


def response_created(response_id: str, metadata: Mapping[str, Any] | None) -> Wire:
    """A response begins; `metadata` only if the client sent some."""
    return {
        "type": "response.created",
        "response": _response(response_id, "in_progress", (), metadata),
    }


def response_done(
    response_id: str,
    status: str,
    output: Sequence[Wire],
    usage: Wire,
    metadata: Mapping[str, Any] | None,
) -> Wire:
    """A response has ended. The usage stands beside it, not in it."""
    return {
        "type": "response.done",
        "response": _response(response_id, status, output, metadata),
        "response_id": response_id,
        "usage": usage,
    }


def usage(
    text_in: int, audio_in: int, text_out: int, audio_out: int, seconds: float, billable: float
) -> Wire:
    """Tokens, this response's seconds of audio, and the session's running billable seconds."""
    return {
        "input_tokens": text_in + audio_in,
        "input_token_details": {"text_tokens": text_in, "audio_tokens": audio_in, "grok_tokens": 0},
        "output_tokens": text_out + audio_out,
        "output_token_details": {
            "text_tokens": text_out,
            "audio_tokens": audio_out,
            "grok_tokens": 0,
        },
        "total_tokens": text_in + audio_in + text_out + audio_out,
        "output_audio_seconds": round(seconds, 2),
        "billable_audio_seconds": int(billable),
    }


def output_item_event(which: str, response_id: str, item: Wire) -> Wire:
    """`response.output_item.added` or `.done`; always `output_index` 0."""
    return {
        "type": f"response.output_item.{which}",
        "item": item,
        "response_id": response_id,
        "output_index": 0,
    }


def _part(type: str, response_id: str, item_id: str) -> Wire:
    return {
        "type": type,
        "item_id": item_id,
        "response_id": response_id,
        "content_index": 0,
        "output_index": 0,
    }


def content_part_added(response_id: str, item_id: str) -> Wire:
    """Speech begins inside an item."""
    # The one event whose `previous_item_id` is the string "0".
    return _part("response.content_part.added", response_id, item_id) | {
        "previous_item_id": "0",
        "part": {"type": "audio", "transcript": ""},
    }


def audio_delta(
    response_id: str, item_id: str, audio: bytes, *, rid: str, ms: int, unix_ms: int
) -> Wire:
    """Audio as bytes: whoever writes the JSON makes it base64."""
    return _part("response.output_audio.delta", response_id, item_id) | {
        "delta": audio,
        "rid": rid,
        "audio_duration_ms": ms,
        "ts": unix_ms,
    }


def transcript_delta(response_id: str, item_id: str, text: str, *, rid: str, start: float) -> Wire:
    """Its `event_id` is the `rid` of the segment, which all audio of the segment repeats."""
    return {
        "event_id": rid,
        **_part("response.output_audio_transcript.delta", response_id, item_id),
        "delta": text,
        "rid": rid,
        "start_time": round(start, 2),
    }


def part_done(type: str, response_id: str, item_id: str) -> Wire:
    """`response.output_audio.done` and `response.content_part.done` (which has no `part`)."""
    return _part(type, response_id, item_id)


def transcript_done(response_id: str, item_id: str, transcript: str) -> Wire:
    """The whole words of an item."""
    return _part("response.output_audio_transcript.done", response_id, item_id) | {
        "transcript": transcript
    }


def arguments_delta(response_id: str, item_id: str, call_id: str, arguments: str) -> Wire:
    """The whole JSON in one delta, without `output_index`."""
    return {
        "type": "response.function_call_arguments.delta",
        "item_id": item_id,
        "response_id": response_id,
        "delta": arguments,
        "call_id": call_id,
    }


def arguments_done(response_id: str, item_id: str, call_id: str, name: str, arguments: str) -> Wire:
    """The whole call."""
    return {
        "type": "response.function_call_arguments.done",
        "item_id": item_id,
        "response_id": response_id,
        "output_index": 0,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }
