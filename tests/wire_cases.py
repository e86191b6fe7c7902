"""The golden table: every message of the wire, once as an event and once as JSON.

Encoding, decoding and the simulator's shapes are all held against this one truth. A class without
a row fails `tests/events/test_names.py`.
"""

from __future__ import annotations

from typing import Any

from grok_rt import events as e
from grok_rt.audio import PCMU, pcm16
from grok_rt.models import (
    AudioChannelConfig,
    AudioConfig,
    ContentPart,
    ConversationInfo,
    ConversationItem,
    ErrorInfo,
    GrokToolDefinition,
    RateLimit,
    Reasoning,
    ResponseCreatePayload,
    ResponseInfo,
    Resumption,
    SessionInfo,
    SessionUpdatePayload,
    TokenDetails,
    Transcription,
    TurnDetection,
    Usage,
)

__all__ = ["CASES", "Case"]

Case = tuple[e.Event, dict[str, Any]]

SOUND = b"\x00\x01\x02\x03"  # in base64: AAECAw==
MESSAGE = ConversationItem.user_text("Hi.", id="i")
MESSAGE_JSON = {
    "type": "message",
    "id": "i",
    "role": "user",
    "content": [{"type": "input_text", "text": "Hi."}],
}
PART = {"item_id": "i", "response_id": "r", "content_index": 0, "output_index": 0}

CLIENT: list[Case] = [
    (
        e.SessionUpdate(
            event_id="cfg",
            session=SessionUpdatePayload(
                instructions="Be brief.",
                voice="eve",
                turn_detection=TurnDetection(idle_timeout_ms=10000),
                tools=(
                    GrokToolDefinition.function("f", "does", {"type": "object"}),
                    GrokToolDefinition("function", "g", parameters={}, nested=True),
                    GrokToolDefinition.web_search(
                        allowed_domains=["x.ai"],
                        location={"country": "DE"},
                        enable_image_understanding=True,
                    ),
                    GrokToolDefinition.x_search(
                        excluded_x_handles=["a"],
                        from_date="2026-01-01",
                        to_date="2026-06-30",
                        enable_video_understanding=False,
                    ),
                    GrokToolDefinition.file_search(["c"], max_num_results=5),
                    GrokToolDefinition.mcp(
                        "https://mcp.example.com/sse",
                        "shop",
                        server_description="Shop",
                        allowed_tools=["find"],
                        authorization="Bearer t",
                        headers={"X-T": "1"},
                    ),
                ),
                temperature=0.8,
                audio=AudioConfig(
                    input=AudioChannelConfig(
                        format=pcm16(16000),
                        transport="json",
                        transcription=Transcription(language_hint="es-MX", keyterms=("Acme",)),
                    ),
                    output=AudioChannelConfig(format=PCMU, transport="binary", speed=1.1),
                ),
                model="grok-voice-latest",
                modalities=("audio",),
                reasoning=Reasoning("none"),
                replace={"a": "b"},
                resumption=Resumption(enabled=True),
                extra={"tool_choice": "auto"},
            ),
        ),
        {
            "type": "session.update",
            "event_id": "cfg",
            "session": {
                "instructions": "Be brief.",
                "voice": "eve",
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 200,
                    "idle_timeout_ms": 10000,
                },
                "tools": [
                    {
                        "type": "function",
                        "name": "f",
                        "description": "does",
                        "parameters": {"type": "object"},
                    },
                    {"type": "function", "function": {"name": "g", "parameters": {}}},
                    {
                        "type": "web_search",
                        "allowed_domains": ["x.ai"],
                        "location": {"country": "DE"},
                        "enable_image_understanding": True,
                    },
                    {
                        "type": "x_search",
                        "excluded_x_handles": ["a"],
                        "from_date": "2026-01-01",
                        "to_date": "2026-06-30",
                        "enable_video_understanding": False,
                    },
                    {"type": "file_search", "vector_store_ids": ["c"], "max_num_results": 5},
                    {
                        "type": "mcp",
                        "server_url": "https://mcp.example.com/sse",
                        "server_label": "shop",
                        "server_description": "Shop",
                        "allowed_tools": ["find"],
                        "authorization": "Bearer t",
                        "headers": {"X-T": "1"},
                    },
                ],
                "temperature": 0.8,
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 16000},
                        "transport": "json",
                        "transcription": {
                            "model": "grok-transcribe",
                            "language_hint": "es-MX",
                            "keyterms": ["Acme"],
                        },
                    },
                    "output": {
                        "format": {"type": "audio/pcmu"},
                        "transport": "binary",
                        "speed": 1.1,
                    },
                },
                "model": "grok-voice-latest",
                "modalities": ["audio"],
                "reasoning": {"effort": "none"},
                "replace": {"a": "b"},
                "resumption": {"enabled": True},
                "tool_choice": "auto",
            },
        },
    ),
    (
        e.SessionUpdate(SessionUpdatePayload(turn_detection=None)),
        {"type": "session.update", "session": {"turn_detection": None}},
    ),
    (
        e.SessionUpdate(SessionUpdatePayload(turn_detection=TurnDetection.manual())),
        {"type": "session.update", "session": {"turn_detection": {"type": None}}},
    ),
    (
        e.InputAudioBufferAppend(SOUND, event_id="a.1"),
        {"type": "input_audio_buffer.append", "event_id": "a.1", "audio": "AAECAw=="},
    ),
    (e.InputAudioBufferCommit(), {"type": "input_audio_buffer.commit"}),
    (e.InputAudioBufferClear(), {"type": "input_audio_buffer.clear"}),
    (e.ConversationItemCommit(), {"type": "conversation.item.commit"}),
    (
        e.ConversationItemCreate(MESSAGE, previous_item_id="p"),
        {"type": "conversation.item.create", "item": MESSAGE_JSON, "previous_item_id": "p"},
    ),
    (
        e.ConversationItemCreate(ConversationItem.user_audio(SOUND, transcript="Hi.")),
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_audio", "audio": "AAECAw==", "transcript": "Hi."}],
            },
        },
    ),
    (
        e.ConversationItemCreate(ConversationItem.force_message("This call is recorded.")),
        {
            "type": "conversation.item.create",
            "item": {
                "type": "force_message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "This call is recorded."}],
                "interruptible": True,
            },
        },
    ),
    (
        e.ConversationItemDelete("i"),
        {"type": "conversation.item.delete", "item_id": "i"},
    ),
    (
        e.ConversationItemRetrieve("i"),
        {"type": "conversation.item.retrieve", "item_id": "i"},
    ),
    (
        e.ConversationItemTruncate("i", 0, 1480),
        {
            "type": "conversation.item.truncate",
            "item_id": "i",
            "content_index": 0,
            "audio_end_ms": 1480,
        },
    ),
    (e.ResponseCreate(), {"type": "response.create"}),
    (
        e.ResponseCreate(ResponseCreatePayload.of(["text", "audio"], "Greet.", {"turn": "7"})),
        {
            "type": "response.create",
            "response": {
                "modalities": ["text", "audio"],
                "instructions": "Greet.",
                "metadata": {"turn": "7"},
            },
        },
    ),
    (e.ResponseCancel("r"), {"type": "response.cancel", "response_id": "r"}),
    (e.OutputAudioBufferClear(), {"type": "output_audio_buffer.clear"}),
]

SESSION: list[Case] = [
    (
        e.SessionCreated(
            event_id="e",
            session=SessionInfo(
                id="s",
                object="realtime.session",
                instructions="",
                voice="xai_ara",
                modalities=("audio",),
                turn_detection=TurnDetection.manual(),
                tools=(),
                model="grok-voice-think-fast-2.0",
            ),
        ),
        {
            "type": "session.created",
            "event_id": "e",
            "session": {
                "id": "s",
                "object": "realtime.session",
                "instructions": "",
                "voice": "xai_ara",
                "modalities": ["audio"],
                "turn_detection": {"type": None},
                "tools": [],
                "model": "grok-voice-think-fast-2.0",
            },
        },
    ),
    (
        e.SessionUpdated(
            event_id="e",
            previous_item_id=None,
            session=SessionInfo(
                enable_noise_suppression=False,
                keep_context=False,
                enable_phonetic_spelling=False,
                input_audio_transcription=None,
                input_audio_format="not specified",
                output_audio_format="not specified",
                tool_choice="auto",
                temperature=-1.0,
                max_response_output_tokens="inf",
            ),
        ),
        {
            "type": "session.updated",
            "event_id": "e",
            "previous_item_id": None,
            "session": {
                "enable_noise_suppression": False,
                "keep_context": False,
                "enable_phonetic_spelling": False,
                "input_audio_transcription": None,
                "input_audio_format": "not specified",
                "output_audio_format": "not specified",
                "tool_choice": "auto",
                "temperature": -1.0,
                "max_response_output_tokens": "inf",
            },
        },
    ),
    (
        e.ConversationCreated(conversation=ConversationInfo("c", "realtime.conversation")),
        {
            "type": "conversation.created",
            "conversation": {"id": "c", "object": "realtime.conversation"},
        },
    ),
    (e.Ping(timestamp=1790645006955), {"type": "ping", "timestamp": 1790645006955}),
    (
        e.RateLimitsUpdated(rate_limits=(RateLimit("requests", 10, 9, 0.5),)),
        {
            "type": "rate_limits.updated",
            "rate_limits": [
                {"name": "requests", "limit": 10, "remaining": 9, "reset_seconds": 0.5}
            ],
        },
    ),
    (
        e.Error(
            error=ErrorInfo("invalid_request_error", "c", message="m", param="p", event_id="x-3")
        ),
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "code": "c",
                "message": "m",
                "param": "p",
                "event_id": "x-3",
            },
        },
    ),
]

CONVERSATION: list[Case] = [
    (
        e.ConversationItemAdded(
            item=ConversationItem(
                "function_call",
                id="i",
                object="realtime.item",
                status="in_progress",
                role="tool",
                call_id="call-0",
                name="f",
                arguments="",
                replayed=False,
            ),
            previous_item_id=None,
        ),
        {
            "type": "conversation.item.added",
            "item": {
                "type": "function_call",
                "id": "i",
                "object": "realtime.item",
                "status": "in_progress",
                "role": "tool",
                "call_id": "call-0",
                "name": "f",
                "arguments": "",
                "replayed": False,
            },
            "previous_item_id": None,
        },
    ),
    *[
        (kind(item=MESSAGE), {"type": kind.wire_type, "item": MESSAGE_JSON})
        for kind in (
            e.ConversationItemCreated,
            e.ConversationItemDone,
            e.ConversationItemRetrieved,
        )
    ],
    (
        e.ConversationItemDeleted(item_id=""),
        {"type": "conversation.item.deleted", "item_id": ""},
    ),
    (
        e.ConversationItemTruncated(
            item_id="i", content_index=0, audio_end_ms=1480, transcript="It is"
        ),
        {
            "type": "conversation.item.truncated",
            "item_id": "i",
            "content_index": 0,
            "audio_end_ms": 1480,
            "transcript": "It is",
        },
    ),
]

HEARING: list[Case] = [
    (
        e.InputAudioBufferSpeechStarted(item_id="i", audio_start_ms=8607),
        {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 8607},
    ),
    (
        e.InputAudioBufferSpeechStopped(item_id="i", audio_end_ms=11157),
        {"type": "input_audio_buffer.speech_stopped", "item_id": "i", "audio_end_ms": 11157},
    ),
    (
        e.InputAudioBufferCommitted(item_id="i", previous_item_id="p"),
        {"type": "input_audio_buffer.committed", "item_id": "i", "previous_item_id": "p"},
    ),
    (e.InputAudioBufferCleared(), {"type": "input_audio_buffer.cleared"}),
    (
        e.InputAudioBufferTimeoutTriggered(item_id="i", audio_start_ms=1, audio_end_ms=2),
        {
            "type": "input_audio_buffer.timeout_triggered",
            "item_id": "i",
            "audio_start_ms": 1,
            "audio_end_ms": 2,
        },
    ),
    (
        e.InputAudioBufferDtmfEventReceived(event="5", received_at=1790000000),
        {
            "type": "input_audio_buffer.dtmf_event_received",
            "event": "5",
            "received_at": 1790000000,
        },
    ),
    (
        e.InputAudioTranscriptionUpdated(item_id="i", transcript="Hi", content_index=0),
        {
            "type": "conversation.item.input_audio_transcription.updated",
            "item_id": "i",
            "transcript": "Hi",
            "content_index": 0,
        },
    ),
    (
        e.InputAudioTranscriptionCompleted(
            item_id="i", transcript="Hi.", content_index=0, status="completed"
        ),
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "i",
            "transcript": "Hi.",
            "content_index": 0,
            "status": "completed",
        },
    ),
    (
        e.InputAudioTranscriptionDelta(item_id="i", delta="Hi", content_index=0),
        {
            "type": "conversation.item.input_audio_transcription.delta",
            "item_id": "i",
            "delta": "Hi",
            "content_index": 0,
        },
    ),
    (
        e.InputAudioTranscriptionSegment(item_id="i", text="Hi", id="s", start=0.0, end=0.5),
        {
            "type": "conversation.item.input_audio_transcription.segment",
            "item_id": "i",
            "text": "Hi",
            "id": "s",
            "start": 0.0,
            "end": 0.5,
        },
    ),
    (
        e.InputAudioTranscriptionFailed(
            item_id="i", error=ErrorInfo("transcription_error", message="m"), content_index=0
        ),
        {
            "type": "conversation.item.input_audio_transcription.failed",
            "item_id": "i",
            "error": {"type": "transcription_error", "message": "m"},
            "content_index": 0,
        },
    ),
]

USAGE = Usage(
    input_tokens=9,
    output_tokens=131,
    total_tokens=140,
    input_token_details=TokenDetails(9, 0, 0),
    output_token_details=TokenDetails(10, 121, 0),
    output_audio_seconds=2.38,
    billable_audio_seconds=9,
)
USAGE_JSON = {
    "input_tokens": 9,
    "output_tokens": 131,
    "total_tokens": 140,
    "input_token_details": {"text_tokens": 9, "audio_tokens": 0, "grok_tokens": 0},
    "output_token_details": {"text_tokens": 10, "audio_tokens": 121, "grok_tokens": 0},
    "output_audio_seconds": 2.38,
    "billable_audio_seconds": 9,
}

SPEAKING: list[Case] = [
    (
        e.ResponseCreated(
            response=ResponseInfo(
                "r",
                "in_progress",
                output=(),
                metadata={"turn": "7"},
                usage=Usage(),
                status_details="unimplemented",
                object="realtime.response",
            )
        ),
        {
            "type": "response.created",
            "response": {
                "id": "r",
                "status": "in_progress",
                "output": [],
                "metadata": {"turn": "7"},
                "usage": {},
                "status_details": "unimplemented",
                "object": "realtime.response",
            },
        },
    ),
    (
        e.ResponseDone(
            response=ResponseInfo("r", "completed", output=(MESSAGE,)),
            response_id="r",
            usage=USAGE,
        ),
        {
            "type": "response.done",
            "response": {"id": "r", "status": "completed", "output": [MESSAGE_JSON]},
            "response_id": "r",
            "usage": USAGE_JSON,
        },
    ),
    (
        e.ResponseCancelled(response_id="r", reason="turn_detected"),
        {"type": "response.cancelled", "response_id": "r", "reason": "turn_detected"},
    ),
    *[
        (
            kind(item=MESSAGE, response_id="r", output_index=0),
            {
                "type": kind.wire_type,
                "item": MESSAGE_JSON,
                "response_id": "r",
                "output_index": 0,
            },
        )
        for kind in (e.ResponseOutputItemAdded, e.ResponseOutputItemDone)
    ],
    *[
        (
            kind(part=ContentPart("audio", transcript=""), **PART),
            {"type": kind.wire_type, "part": {"type": "audio", "transcript": ""}, **PART},
        )
        for kind in (e.ResponseContentPartAdded, e.ResponseContentPartDone)
    ],
    *[
        (
            kind(
                audio=SOUND,
                rid="s",
                audio_duration_ms=245,
                ts=1790645006955,
                latency="0.53",
                event_id="e",
                previous_item_id=None,
                **PART,
            ),
            {
                "type": kind.wire_type,
                "event_id": "e",
                "delta": "AAECAw==",
                "rid": "s",
                "audio_duration_ms": 245,
                "ts": 1790645006955,
                "latency": "0.53",
                "previous_item_id": None,
                **PART,
            },
        )
        for kind in (e.ResponseOutputAudioDelta, e.ResponseAudioDelta)
    ],
    (e.ResponseOutputAudioDone(**PART), {"type": "response.output_audio.done", **PART}),
    (
        e.ResponseOutputAudioTranscriptDelta(delta="It is", rid="s", start_time=1.24, **PART),
        {
            "type": "response.output_audio_transcript.delta",
            "delta": "It is",
            "rid": "s",
            "start_time": 1.24,
            **PART,
        },
    ),
    (
        e.ResponseOutputAudioTranscriptDone(transcript="It is.", **PART),
        {"type": "response.output_audio_transcript.done", "transcript": "It is.", **PART},
    ),
    *[
        (kind(delta="It", **PART), {"type": kind.wire_type, "delta": "It", **PART})
        for kind in (e.ResponseTextDelta, e.ResponseOutputTextDelta)
    ],
    (e.ResponseTextDelta(text="It"), {"type": "response.text.delta", "text": "It"}),
    *[
        (kind(text="It.", **PART), {"type": kind.wire_type, "text": "It.", **PART})
        for kind in (e.ResponseTextDone, e.ResponseOutputTextDone)
    ],
    *[
        (kind(response_id="r"), {"type": kind.wire_type, "response_id": "r"})
        for kind in (
            e.OutputAudioBufferStarted,
            e.OutputAudioBufferStopped,
            e.OutputAudioBufferCleared,
        )
    ],
]

CALLING: list[Case] = [
    *[
        (
            kind(delta="{}", call_id="c", item_id="i", response_id="r"),
            {
                "type": kind.wire_type,
                "delta": "{}",
                "call_id": "c",
                "item_id": "i",
                "response_id": "r",
            },
        )
        for kind in (e.ResponseFunctionCallArgumentsDelta, e.ResponseMcpCallArgumentsDelta)
    ],
    *[
        (
            kind(call_id="c", name="f", arguments="{}", item_id="i", response_id="r"),
            {
                "type": kind.wire_type,
                "call_id": "c",
                "name": "f",
                "arguments": "{}",
                "item_id": "i",
                "response_id": "r",
            },
        )
        for kind in (e.ResponseFunctionCallArgumentsDone, e.ResponseMcpCallArgumentsDone)
    ],
    *[
        (kind(item_id="i"), {"type": kind.wire_type, "item_id": "i"})
        for kind in (e.McpListToolsInProgress, e.McpListToolsCompleted)
    ],
    *[
        (
            kind(item_id="i", output_index=0),
            {"type": kind.wire_type, "item_id": "i", "output_index": 0},
        )
        for kind in (e.ResponseMcpCallInProgress, e.ResponseMcpCallCompleted)
    ],
    *[
        (
            kind(item_id="i", error=ErrorInfo("tool_execution_error", message="m")),
            {
                "type": kind.wire_type,
                "item_id": "i",
                "error": {"type": "tool_execution_error", "message": "m"},
            },
        )
        for kind in (e.McpListToolsFailed, e.ResponseMcpCallFailed)
    ],
]

UNKNOWN: list[Case] = [
    (
        e.UnknownEvent("brand.new", {"type": "brand.new", "event_id": "e", "x": [1]}, event_id="e"),
        {"type": "brand.new", "event_id": "e", "x": [1]},
    ),
]

CASES: list[Case] = [
    *CLIENT,
    *SESSION,
    *CONVERSATION,
    *HEARING,
    *SPEAKING,
    *CALLING,
    *UNKNOWN,
]
