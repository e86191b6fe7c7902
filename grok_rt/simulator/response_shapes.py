"""The messages of a response as they look on the live wire; those of text and MCP as documented.

Like `shapes`, which has all the others: plain dictionaries from pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grok_rt.simulator.shapes import Wire


def _response(
    response_id: str, status: str, output: Sequence[Wire], metadata: Mapping[str, Any] | None
) -> Wire:
    return {
        "id": response_id,
        "object": "realtime.response",
        "output": list(output),
        "status": status,
        **({} if metadata is None else {"metadata": dict(metadata)}),
        "status_details": "unimplemented",
        "usage": {},
    }


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


def _part(type: str, response_id: str, item_id: str, **first: Any) -> Wire:
    """A message about a part of an item; `first` stands before the indexes (live)."""
    return {
        "type": type,
        "item_id": item_id,
        "response_id": response_id,
        **first,
        "content_index": 0,
        "output_index": 0,
    }


def content_part_added(response_id: str, item_id: str, *, text: bool = False) -> Wire:
    """Speech begins inside an item, or writing."""
    # The one event whose `previous_item_id` is the string "0".
    return {
        "type": "response.content_part.added",
        "item_id": item_id,
        "previous_item_id": "0",
        "part": {"type": "text", "text": ""} if text else {"type": "audio", "transcript": ""},
        "response_id": response_id,
        "content_index": 0,
        "output_index": 0,
    }


def audio_delta(
    response_id: str,
    item_id: str,
    audio: bytes,
    *,
    rid: str,
    ms: int,
    unix_ms: int,
    latency: str | None,
) -> Wire:
    """Audio as bytes: whoever writes the JSON makes it base64. Only the first has a latency."""
    return {
        **_part("response.output_audio.delta", response_id, item_id, delta=audio),
        "rid": rid,
        **({} if latency is None else {"latency": latency}),
        "audio_duration_ms": ms,
        "ts": unix_ms,
    }


def transcript_delta(response_id: str, item_id: str, text: str, *, rid: str, start: float) -> Wire:
    """Its `event_id` is the `rid` of the segment, which all audio of the segment repeats."""
    return {
        "event_id": rid,
        **_part("response.output_audio_transcript.delta", response_id, item_id, delta=text),
        "rid": rid,
        "start_time": round(start, 2),
    }


def part_done(type: str, response_id: str, item_id: str) -> Wire:
    """`response.output_audio.done` and `response.content_part.done` (which has no `part`)."""
    return _part(type, response_id, item_id)


def transcript_done(response_id: str, item_id: str, transcript: str) -> Wire:
    """The whole words of an item."""
    return {
        "type": "response.output_audio_transcript.done",
        "item_id": item_id,
        "transcript": transcript,
        "response_id": response_id,
        "content_index": 0,
        "output_index": 0,
    }


def text_delta(name: str, response_id: str, item_id: str, delta: str) -> Wire:
    """Words of an answer in text, as documented: `name` is one of its two names."""
    return _part(f"{name}.delta", response_id, item_id, delta=delta)


def text_done(name: str, response_id: str, item_id: str, text: str) -> Wire:
    """All the words of an answer in text, as documented."""
    return _part(f"{name}.done", response_id, item_id, text=text)


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


# --- MCP, as documented: no recording has it -------------------------------------------


def mcp_arguments(which: str, response_id: str, item_id: str, call_id: str, **more: Any) -> Wire:
    """What the model asks an MCP server: `.delta`, then `.done`."""
    return {
        "type": f"response.mcp_call_arguments.{which}",
        "response_id": response_id,
        "item_id": item_id,
        "call_id": call_id,
        **more,
    }


def mcp_call(state: str, item_id: str, **more: Any) -> Wire:
    """The service calls an MCP server: in_progress, then completed or failed."""
    return {"type": f"response.mcp_call.{state}", "item_id": item_id, "output_index": 0, **more}
