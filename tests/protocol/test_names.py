"""Every name of the protocol's tables (sections 4 to 7) has its class and its field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import attrs
import pytest

from grok_rt import events
from grok_rt.audio import AudioFormat
from grok_rt.models import (
    ContentPart,
    ConversationInfo,
    ConversationItem,
    ErrorInfo,
    GrokToolDefinition,
    ResponseCreatePayload,
    ResponseInfo,
    SessionInfo,
    SessionUpdatePayload,
    Usage,
)
from grok_rt.models._wire import Wire, wire_name

# Section 4: parameters of a session, and what `session.updated` echoes beyond them.
SESSION = """
    model instructions reasoning.effort voice tools replace resumption.enabled modalities
    temperature turn_detection.type turn_detection.threshold turn_detection.silence_duration_ms
    turn_detection.prefix_padding_ms turn_detection.idle_timeout_ms
    turn_detection.create_response turn_detection.interrupt_response
    audio.input.format.type audio.input.format.rate audio.input.transport
    audio.input.transcription.model audio.input.transcription.language_hint
    audio.input.transcription.keyterms
    audio.output.format.type audio.output.format.rate audio.output.transport audio.output.speed
"""
ECHO = """
    id object enable_noise_suppression keep_context enable_phonetic_spelling
    input_audio_transcription input_audio_format output_audio_format tool_choice
    max_response_output_tokens
"""
# Section 5
TOOLS = """
    type name description parameters allowed_domains excluded_domains enable_image_understanding
    location allowed_x_handles excluded_x_handles from_date to_date enable_video_understanding
    vector_store_ids max_num_results server_url server_label server_description allowed_tools
    authorization headers
"""
# Section 6
CLIENT = {
    "session.update": "session",
    "input_audio_buffer.append": "audio",
    "input_audio_buffer.commit": "",
    "input_audio_buffer.clear": "",
    "conversation.item.create": "item previous_item_id",
    "conversation.item.delete": "item_id",
    "conversation.item.truncate": "item_id content_index audio_end_ms",
    "response.create": "response.modalities response.instructions response.metadata",
    "response.cancel": "response_id",
    "conversation.item.commit": "",
    "conversation.item.retrieve": "item_id",
    "output_audio_buffer.clear": "",
}
# Sections 6.1 and 7.1
ITEMS = """
    object id type status role replayed content.type content.text content.audio
    content.transcript call_id name arguments output interruptible
"""
# Section 7
WHERE = "item_id response_id content_index output_index"
SERVER = {
    "session.created": "session",
    "conversation.created": "conversation.id conversation.object",
    "ping": "timestamp",
    "session.updated": "session",
    "conversation.item.added": "item",
    "conversation.item.created": "item",
    "conversation.item.done": "item",
    "conversation.item.retrieved": "item",
    "conversation.item.deleted": "item_id",
    "conversation.item.truncated": "item_id content_index audio_end_ms transcript",
    "input_audio_buffer.speech_started": "item_id audio_start_ms",
    "input_audio_buffer.speech_stopped": "item_id audio_end_ms",
    "input_audio_buffer.committed": "item_id",
    "input_audio_buffer.cleared": "",
    "input_audio_buffer.timeout_triggered": "item_id audio_start_ms audio_end_ms",
    "input_audio_buffer.dtmf_event_received": "event received_at digit",
    "conversation.item.input_audio_transcription.updated": "item_id transcript content_index",
    "conversation.item.input_audio_transcription.completed": (
        "item_id transcript content_index status"
    ),
    "conversation.item.input_audio_transcription.delta": "item_id",
    "conversation.item.input_audio_transcription.segment": "item_id",
    "conversation.item.input_audio_transcription.failed": "item_id",
    "response.created": "response",
    "response.output_item.added": "item response_id output_index",
    "response.content_part.added": f"{WHERE} part.type part.transcript",
    "response.output_audio.delta": f"{WHERE} delta rid audio_duration_ms ts latency",
    "response.audio.delta": f"{WHERE} delta",
    "response.output_audio_transcript.delta": f"{WHERE} delta rid start_time",
    "response.output_audio_transcript.done": f"{WHERE} transcript",
    "response.output_audio.done": WHERE,
    "response.content_part.done": f"{WHERE} part",
    "response.output_item.done": "item response_id output_index",
    "response.text.delta": f"{WHERE} delta text",
    "response.output_text.delta": f"{WHERE} delta text",
    "response.output_text.done": f"{WHERE} text",
    "response.text.done": f"{WHERE} text",
    "response.function_call_arguments.delta": "item_id response_id delta call_id",
    "response.function_call_arguments.done": (
        "item_id response_id output_index call_id name arguments"
    ),
    "response.done": "response response_id usage",
    "response.cancelled": "response_id",
    "mcp_list_tools.in_progress": "item_id",
    "mcp_list_tools.completed": "item_id",
    "mcp_list_tools.failed": "item_id error.type error.message",
    "response.mcp_call_arguments.delta": "response_id item_id call_id delta",
    "response.mcp_call_arguments.done": "response_id item_id call_id name arguments",
    "response.mcp_call.in_progress": "item_id output_index",
    "response.mcp_call.completed": "item_id output_index",
    "response.mcp_call.failed": "item_id output_index error.type error.message",
    "rate_limits.updated": "rate_limits",
    "output_audio_buffer.started": "",
    "output_audio_buffer.stopped": "",
    "output_audio_buffer.cleared": "",
    "error": "error",
}
RESPONSE = "id object output status metadata status_details usage"
# Section 7.2
USAGE = """
    input_tokens input_token_details.text_tokens input_token_details.audio_tokens
    input_token_details.grok_tokens output_tokens output_token_details.text_tokens
    output_token_details.audio_tokens output_token_details.grok_tokens total_tokens
    output_audio_seconds billable_audio_seconds
"""

OBJECTS: tuple[tuple[type[Any], str], ...] = (
    (SessionUpdatePayload, SESSION),
    (SessionInfo, SESSION + ECHO),
    (GrokToolDefinition, TOOLS),
    (ConversationItem, ITEMS),
    (ContentPart, "type text audio transcript"),
    (ResponseCreatePayload, "modalities instructions metadata"),
    (ConversationInfo, "id object"),
    (ResponseInfo, RESPONSE),
    (Usage, USAGE),
    (ErrorInfo, "type code message param event_id"),
)


def fields(kind: type[Any]) -> dict[str, Any]:
    """The names that a class has on the wire, with their types."""
    return {wire_name(each): each.type for each in attrs.fields(attrs.resolve_types(kind))}


def objects(kind: Any) -> Iterator[type[Any]]:
    """The classes of the wire inside a type."""
    if isinstance(kind, type) and issubclass(kind, (Wire, AudioFormat)):
        yield kind
    for each in get_args(kind):
        yield from objects(each)


def missing(kind: type[Any], names: str) -> list[str]:
    """The names, dotted where an object is meant, that do not exist there."""
    lost = []
    for name in names.split():
        place = kind
        *path, last = name.split(".")
        for step in path:
            (place,) = objects(fields(place)[step])
        if last not in fields(place):
            lost.append(name)
    return lost


@pytest.mark.parametrize(("wire_type", "names"), (CLIENT | SERVER).items(), ids=[*CLIENT, *SERVER])
def test_a_message_of_the_tables_has_its_class_and_fields(wire_type: str, names: str) -> None:
    """Sections 6 and 7: each row is a class of the right side, each field has its name."""
    kind = events.WIRE_TYPES[wire_type]
    assert issubclass(kind, events.ClientEvent if wire_type in CLIENT else events.ServerEvent)
    common = "event_id" if wire_type in CLIENT else "event_id previous_item_id"
    assert missing(kind, f"{common} {names}") == []


def test_the_classes_know_no_other_message() -> None:
    """The tables are complete: whoever adds a class adds a row."""
    assert events.WIRE_TYPES.keys() == CLIENT.keys() | SERVER.keys()


@pytest.mark.parametrize(("kind", "names"), OBJECTS, ids=lambda each: getattr(each, "__name__", ""))
def test_an_object_of_the_tables_has_its_fields(kind: type[Any], names: str) -> None:
    """Sections 4, 5, 6.1, 7.1, 7.2 and 10: no parameter has to travel in `extra`."""
    assert missing(kind, names) == []
