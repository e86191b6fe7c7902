"""The server's messages as xAI's schema has them: other fields, in another order.

`Schema` turns what `shapes` builds, the live form, into the documented one. Pure, but for the
words of the last transcript, which the schema wants in a message that has none live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from grok_rt.simulator.shapes import Wire

__all__ = ["Schema"]

_PART = ("response_id", "item_id", "output_index", "content_index")
_CALL = ("response_id", "item_id", "output_index", "call_id")

# type: its fields behind `event_id` and `type`; what is not here is sent as it is
_FIELDS: dict[str, tuple[str, ...]] = {
    "session.created": ("session",),
    "session.updated": ("session",),
    "conversation.created": ("conversation",),
    "conversation.item.added": ("previous_item_id", "item"),
    "conversation.item.created": ("previous_item_id", "item"),
    "conversation.item.deleted": ("item_id",),
    "conversation.item.truncated": ("item_id", "content_index", "audio_end_ms", "transcript"),
    "conversation.item.input_audio_transcription.updated": ("item_id", "transcript"),
    "conversation.item.input_audio_transcription.completed": ("item_id", "transcript"),
    "input_audio_buffer.speech_started": ("item_id",),
    "input_audio_buffer.speech_stopped": ("item_id",),
    "input_audio_buffer.committed": ("previous_item_id", "item_id"),
    "input_audio_buffer.cleared": (),
    "input_audio_buffer.dtmf_event_received": ("event", "received_at"),
    "input_audio_buffer.timeout_triggered": (
        "item_id",
        "previous_item_id",
        "audio_start_ms",
        "audio_end_ms",
    ),
    "response.created": ("response",),
    "response.output_item.added": ("response_id", "output_index", "item"),
    "response.output_item.done": ("response_id", "output_index", "item"),
    "response.content_part.added": (*_PART, "part"),
    "response.content_part.done": (*_PART, "part"),
    "response.output_audio.delta": (*_PART, "delta"),
    "response.output_audio.done": _PART,
    "response.output_audio_transcript.delta": ("response_id", "item_id", "delta"),
    "response.output_audio_transcript.done": ("response_id", "item_id"),
    "response.function_call_arguments.delta": (*_CALL, "delta"),
    "response.function_call_arguments.done": (*_CALL, "name", "arguments"),
    "response.done": ("response",),
    "mcp_list_tools.in_progress": ("item_id",),
    "mcp_list_tools.completed": ("item_id",),
    "mcp_list_tools.failed": ("item_id", "error"),
    "response.mcp_call_arguments.delta": ("response_id", "item_id", "call_id", "delta"),
    "response.mcp_call_arguments.done": (
        "response_id",
        "item_id",
        "call_id",
        "name",
        "arguments",
    ),
    "response.mcp_call.in_progress": ("item_id", "output_index"),
    "response.mcp_call.completed": ("item_id", "output_index"),
    "response.mcp_call.failed": ("item_id", "output_index", "error"),
    "error": ("error",),
}

_TOKENS = ("input_tokens", "output_tokens", "total_tokens")


class Schema:
    """Says what the service says in the words of its documentation."""

    def __init__(self) -> None:
        self._transcript = ""
        self._special: dict[str, Callable[[Wire], Wire | None]] = {
            "ping": lambda _: None,
            "conversation.item.added": _with_item,
            "conversation.item.created": _with_item,
            "conversation.item.input_audio_transcription.completed": _once,
            "session.created": lambda m: {**m, "session": _named(m, "id", "object", "model")},
            "response.created": _created,
            "response.output_item.added": _with_item,
            "response.output_item.done": self._item_done,
            "response.content_part.added": _with_part,
            "response.content_part.done": self._part_done,
            "response.output_audio_transcript.done": self._transcript_done,
            "response.function_call_arguments.delta": lambda m: {"output_index": 0, **m},
            "response.done": _done,
        }

    def shape(self, message: Wire) -> Wire | None:
        """The documented form of a message; None for one that the schema does not have."""
        kind = message["type"]
        changed = self._special.get(kind, _same)(message)
        if changed is None:
            return None
        fields = _FIELDS.get(kind)
        names = ("event_id", "type", *fields) if fields is not None else changed
        return {name: changed[name] for name in names if name in changed}

    def _transcript_done(self, message: Wire) -> Wire:
        self._transcript = message["transcript"]
        return message

    def _item_done(self, message: Wire) -> Wire:
        if message["item"]["type"] == "message":
            said = [{"type": "audio", "transcript": self._transcript}]
            message = {**message, "item": {**message["item"], "content": said}}
        return _with_item(message)

    def _part_done(self, message: Wire) -> Wire:
        if "part" in message:
            return message
        return {**message, "part": {"type": "audio", "transcript": self._transcript}}


def _same(message: Wire) -> Wire:
    return message


def _named(message: Wire, *names: str) -> Wire:
    return {name: message["session"][name] for name in names}


def _once(message: Wire) -> Wire | None:
    return message if message["status"] == "completed" else None


def _item(item: Wire) -> Wire:
    """Items do not say whether they are replayed, and only messages have a role."""
    role = () if item["type"] == "message" else ("role",)
    shown = {name: value for name, value in item.items() if name not in ("replayed", *role)}
    if item["type"] == "message":
        shown.setdefault("content", [])
    return shown


def _with_item(message: Wire) -> Wire:
    return {**message, "item": _item(message["item"])}


def _with_part(message: Wire) -> Wire:
    return {**message, "part": {"type": message["part"]["type"]}}


def _response(response: Mapping[str, Any], **more: Any) -> Wire:
    shown = {name: response[name] for name in ("id", "object", "status")}
    return {**shown, **more, "metadata": response.get("metadata")}


def _created(message: Wire) -> Wire:
    return {**message, "response": _response(message["response"], output=[])}


def _done(message: Wire) -> Wire:
    """The usage is in the response, and only its sums; what was said has been sent before."""
    usage = {name: message["usage"][name] for name in _TOKENS}
    return {**message, "response": _response(message["response"], usage=usage)}
