"""The service's event orders, as recorded (protocol, section 9), made of real events."""

from __future__ import annotations

import base64
import json
from typing import Any

from grok_rt import events
from grok_rt._wire import codec

SOUND = {"hel": b"\x01\x00" * 10, "lo": b"\x02\x00" * 5}


def ev(type: str, **fields: Any) -> events.Event:
    """Read one event off the wire."""
    event = codec.decode(json.dumps({"type": type, "event_id": "e", **fields}).encode())
    assert not isinstance(event, events.UnknownEvent), event
    return event


def item(id: str, type: str = "message", **fields: Any) -> dict[str, Any]:
    """Write an item the way the service does."""
    return {"id": id, "object": "realtime.item", "type": type, "status": "completed", **fields}


def user_text(id: str, text: str) -> events.Event:
    """The echo of a text message."""
    content = [{"type": "input_text", "text": text}]
    return ev(
        "conversation.item.added",
        item=item(id, role="user", content=content),
        previous_item_id=None,
    )


def user_audio(id: str, text: str = "", status: str = "in_progress") -> events.Event:
    """The announcement of what the user says."""
    content = [{"type": "input_audio", "transcript": text}]
    return ev("conversation.item.added", item=item(id, role="user", status=status, content=content))


def started(id: str) -> events.Event:
    return ev("input_audio_buffer.speech_started", item_id=id, audio_start_ms=1)


def stopped(id: str) -> events.Event:
    return ev("input_audio_buffer.speech_stopped", item_id=id, audio_end_ms=2)


def committed(id: str) -> events.Event:
    return ev("input_audio_buffer.committed", item_id=id, previous_item_id=None)


def updated(id: str, text: str) -> events.Event:
    return ev(
        "conversation.item.input_audio_transcription.updated",
        item_id=id,
        transcript=text,
        content_index=0,
    )


def completed(id: str, text: str, status: str | None = "completed") -> events.Event:
    said = {} if status is None else {"status": status, "content_index": 0}
    return ev(
        "conversation.item.input_audio_transcription.completed",
        item_id=id,
        transcript=text,
        **said,
    )


def created(response: str, metadata: dict[str, str] | None = None) -> events.Event:
    body: dict[str, Any] = {"id": response, "object": "realtime.response", "output": []}
    if metadata:
        body["metadata"] = metadata
    return ev("response.created", response={**body, "status": "in_progress", "usage": {}})


def announced(response: str, id: str) -> list[events.Event]:
    """An assistant's item, before its first sound."""
    message = item(id, role="assistant", status="in_progress")
    return [
        ev("response.output_item.added", response_id=response, output_index=0, item=message),
        ev("conversation.item.added", item={**message, "content": []}, previous_item_id=None),
        ev(
            "response.content_part.added",
            response_id=response,
            item_id=id,
            content_index=0,
            output_index=0,
            part={"type": "audio", "transcript": ""},
            previous_item_id="0",
        ),
    ]


def sound(response: str, id: str, name: str) -> events.Event:
    return ev(
        "response.output_audio.delta",
        response_id=response,
        item_id=id,
        content_index=0,
        output_index=0,
        delta=base64.b64encode(SOUND[name]).decode(),
    )


def words(response: str, id: str, text: str) -> events.Event:
    return ev(
        "response.output_audio_transcript.delta",
        response_id=response,
        item_id=id,
        content_index=0,
        output_index=0,
        delta=text,
    )


def spoken(response: str, id: str) -> list[events.Event]:
    """Two segments: sound and words."""
    return [
        sound(response, id, "hel"),
        words(response, id, "Hel"),
        words(response, id, "lo."),
        sound(response, id, "lo"),
    ]


def finished(response: str, id: str, text: str = "Hello.") -> list[events.Event]:
    """The ends of an assistant's item, in the live order."""
    where = {"response_id": response, "item_id": id, "content_index": 0, "output_index": 0}
    return [
        ev("response.output_audio_transcript.done", **where, transcript=text),
        ev("response.content_part.done", **where),
        ev("response.output_audio.done", **where),
        ev(
            "response.output_item.done",
            response_id=response,
            output_index=0,
            item=item(id, role="assistant"),
        ),
    ]


def done(
    response: str, *output: dict[str, Any], status: str = "completed", tokens: int = 10
) -> events.Event:
    body = {"id": response, "output": list(output), "status": status, "usage": {}}
    usage = {
        "input_tokens": 1,
        "output_tokens": tokens - 1,
        "total_tokens": tokens,
        "output_token_details": {"text_tokens": 0, "audio_tokens": tokens - 1, "grok_tokens": 0},
        "output_audio_seconds": 0.5,
        "billable_audio_seconds": tokens,
    }
    return ev("response.done", response=body, response_id=response, usage=usage)


def message(id: str, text: str = "Hello.") -> dict[str, Any]:
    """An assistant's item as `response.done` lists it."""
    return item(id, role="assistant", content=[{"type": "audio", "transcript": text}])


def reply(response: str, id: str, metadata: dict[str, str] | None = None) -> list[events.Event]:
    """A whole spoken response."""
    return [
        created(response, metadata),
        *announced(response, id),
        *spoken(response, id),
        *finished(response, id),
        done(response, message(id)),
    ]


def function_call(
    response: str, id: str, name: str = "weather", arguments: str = '{"city":"Oslo"}'
) -> list[events.Event]:
    """A function call inside a response; its roles differ, as they do live."""
    body = {"call_id": f"call-{id}", "name": name}
    where = {"response_id": response, "item_id": id, "call_id": f"call-{id}"}
    begun = item(id, "function_call", role="user", status="in_progress", arguments="", **body)
    whole = item(id, "function_call", role="user", arguments=arguments, **body)
    return [
        ev("response.output_item.added", response_id=response, output_index=0, item=begun),
        ev("conversation.item.added", item={**begun, "role": "tool"}, previous_item_id=None),
        ev("response.function_call_arguments.delta", **where, delta=arguments),
        ev(
            "response.function_call_arguments.done",
            **where,
            output_index=0,
            name=name,
            arguments=arguments,
        ),
        ev("response.output_item.done", response_id=response, output_index=0, item=whole),
    ]


def function_output(call_item: str, output: str) -> events.Event:
    """The echo of a tool's result."""
    body = item(
        f"out-{call_item}",
        "function_call_output",
        role="tool",
        call_id=f"call-{call_item}",
        output=output,
    )
    return ev("conversation.item.added", item=body, previous_item_id=None)
