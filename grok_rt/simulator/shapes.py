"""The server's messages as they look on the live wire, field by field.

Plain dictionaries on purpose: the simulator states what the service was seen to send
without asking the client's own classes. Pure functions; ids and times come from the caller,
`stamp` adds what nearly every message carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Wire = dict[str, Any]


def stamp(message: Wire, event_id: str) -> Wire:
    """The message with its `event_id` and the `previous_item_id` that all but one event have."""
    stamped = {"type": message["type"], "event_id": event_id, **message}
    if message["type"] == "session.updated":
        stamped = {"session": message["session"], **stamped}  # this one comes first (live)
    if message["type"] != "session.created":
        stamped.setdefault("previous_item_id", None)
    return stamped


def without_replayed(message: Wire) -> Wire:
    """The message as it was before items said whether they are replayed."""
    if "item" in message:
        return {**message, "item": _without_replayed(message["item"])}
    if message.get("response"):
        output = [_without_replayed(item) for item in message["response"]["output"]]
        return {**message, "response": {**message["response"], "output": output}}
    return message


def _without_replayed(item: Wire) -> Wire:
    return {name: value for name, value in item.items() if name != "replayed"}


# --- session ---------------------------------------------------------------------------


def session_created(session_id: str, model: str, voice: str) -> Wire:
    """The first message; turn detection is off, whatever the documentation says."""
    return {
        "type": "session.created",
        "session": {
            "id": session_id,
            "object": "realtime.session",
            "instructions": "",
            "voice": voice,
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


def item_replayed(item: Wire, documented: bool) -> Wire:
    """An item of a resumed conversation; the documented event was never seen."""
    added = item_added(item)
    return added | {"type": "conversation.item.created"} if documented else added


def item_deleted(item_id: str) -> Wire:
    """An item is gone; live it is not said which."""
    return {"type": "conversation.item.deleted", "item_id": item_id}


def item_truncated(item_id: str, content_index: int, audio_end_ms: int, transcript: str) -> Wire:
    """What is left of an answer; documented, and not seen live."""
    return {
        "type": "conversation.item.truncated",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": audio_end_ms,
        "transcript": transcript,
    }


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


def dtmf(key: str, unix_seconds: int) -> Wire:
    """A key of the caller's telephone, in calls that came by SIP."""
    return {
        "type": "input_audio_buffer.dtmf_event_received",
        "event": key,
        "received_at": unix_seconds,
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


# --- MCP, as documented: no recording has it -------------------------------------------


def mcp_list_tools(state: str, item_id: str, **more: Any) -> Wire:
    """The service asks an MCP server for its tools: in_progress, then completed or failed."""
    return {"type": f"mcp_list_tools.{state}", "item_id": item_id, **more}


def mcp_error(type: str, message: str) -> Wire:
    """Why an MCP server could not be asked."""
    return {"error": {"type": type, "message": message}}
