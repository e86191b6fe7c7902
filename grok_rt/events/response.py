"""What the server says about its responses: their life, sound, words, calls and tools.

One class for each message, named after it. "Live" is what was seen on the wire, "documented"
what nobody has recorded yet.
"""

from __future__ import annotations

import attrs

from grok_rt._unset import UNSET
from grok_rt.events._kinds import AudioDelta, ResponsePart, ServerEvent, TextDelta, TranscriptDelta
from grok_rt.models import (
    ContentPart,
    ConversationItem,
    ErrorInfo,
    FunctionCall,
    ResponseInfo,
    Usage,
)
from grok_rt.models._wire import Maybe

__all__ = [
    "McpListToolsCompleted",
    "McpListToolsFailed",
    "McpListToolsInProgress",
    "OutputAudioBufferCleared",
    "OutputAudioBufferStarted",
    "OutputAudioBufferStopped",
    "ResponseAudioDelta",
    "ResponseCancelled",
    "ResponseContentPartAdded",
    "ResponseContentPartDone",
    "ResponseCreated",
    "ResponseDone",
    "ResponseFunctionCallArgumentsDelta",
    "ResponseFunctionCallArgumentsDone",
    "ResponseMcpCallArgumentsDelta",
    "ResponseMcpCallArgumentsDone",
    "ResponseMcpCallCompleted",
    "ResponseMcpCallFailed",
    "ResponseMcpCallInProgress",
    "ResponseOutputAudioDelta",
    "ResponseOutputAudioDone",
    "ResponseOutputAudioTranscriptDelta",
    "ResponseOutputAudioTranscriptDone",
    "ResponseOutputItemAdded",
    "ResponseOutputItemDone",
    "ResponseOutputTextDelta",
    "ResponseOutputTextDone",
    "ResponseTextDelta",
    "ResponseTextDone",
]


@attrs.frozen(kw_only=True)
class ResponseCreated(ServerEvent):
    """A response begins. Live; one that is never spoken may end without `ResponseDone`."""

    wire_type = "response.created"
    response: ResponseInfo


@attrs.frozen(kw_only=True)
class ResponseDone(ServerEvent):
    """A response is over. Live; cut short by the user, it is the only event that says so.

    Attributes:
        response: an interrupted one has status ``completed`` and an empty `output`.
        usage: what it cost; see `total_usage`.
    """

    wire_type = "response.done"
    response: Maybe[ResponseInfo] = UNSET
    response_id: Maybe[str] = UNSET
    usage: Maybe[Usage] = UNSET

    @property
    def total_usage(self) -> Usage | None:
        """The usage, from the top level (live) or from inside `response` (documented)."""
        nested = self.response.usage if self.response else None
        for usage in (self.usage, nested):
            if usage and usage != Usage():
                return usage
        return None


@attrs.frozen(kw_only=True)
class ResponseCancelled(ServerEvent):
    """A response was cancelled. Expected by one client, never seen."""

    wire_type = "response.cancelled"
    response_id: Maybe[str] = UNSET
    reason: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class ResponseOutputItemAdded(ServerEvent):
    """A response begins a message or a call. Live; all items say `output_index` 0."""

    wire_type = "response.output_item.added"
    item: ConversationItem
    response_id: Maybe[str] = UNSET
    output_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class ResponseOutputItemDone(ServerEvent):
    """A message or a call of a response is complete. Live; not after an interruption."""

    wire_type = "response.output_item.done"
    item: ConversationItem
    response_id: Maybe[str] = UNSET
    output_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class ResponseContentPartAdded(ResponsePart):
    """A message begins a part. Live; its `previous_item_id` is the text ``0``."""

    wire_type = "response.content_part.added"
    part: Maybe[ContentPart] = UNSET


@attrs.frozen(kw_only=True)
class ResponseContentPartDone(ResponsePart):
    """A part is complete. Live, without the `part` that is documented."""

    wire_type = "response.content_part.done"
    part: Maybe[ContentPart] = UNSET


@attrs.frozen(kw_only=True)
class ResponseOutputAudioDelta(AudioDelta):
    """Sound of a response. Live."""

    wire_type = "response.output_audio.delta"


@attrs.frozen(kw_only=True)
class ResponseAudioDelta(AudioDelta):
    """Sound of a response, under its older name. Documented."""

    wire_type = "response.audio.delta"


@attrs.frozen(kw_only=True)
class ResponseOutputAudioDone(ResponsePart):
    """All sound of a part was sent. Live; not after an interruption."""

    wire_type = "response.output_audio.done"


@attrs.frozen(kw_only=True)
class ResponseOutputAudioTranscriptDelta(TranscriptDelta):
    """The words of the next sound. Live."""

    wire_type = "response.output_audio_transcript.delta"


@attrs.frozen(kw_only=True)
class ResponseOutputAudioTranscriptDone(ResponsePart):
    """All words of a part. Live; the documented form has no `transcript`."""

    wire_type = "response.output_audio_transcript.done"
    transcript: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class ResponseTextDelta(TextDelta):
    """Text of a written response. Documented."""

    wire_type = "response.text.delta"


@attrs.frozen(kw_only=True)
class ResponseOutputTextDelta(TextDelta):
    """Text of a written response, under its newer name. Documented."""

    wire_type = "response.output_text.delta"


@attrs.frozen(kw_only=True)
class ResponseTextDone(ResponsePart):
    """All text of a part. Documented."""

    wire_type = "response.text.done"
    text: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class ResponseOutputTextDone(ResponsePart):
    """All text of a part, under its newer name. Documented."""

    wire_type = "response.output_text.done"
    text: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class ResponseFunctionCallArgumentsDelta(ServerEvent):
    """Arguments of a call. Live, all of them at once and without an `output_index`."""

    wire_type = "response.function_call_arguments.delta"
    delta: str
    call_id: Maybe[str] = UNSET
    item_id: Maybe[str] = UNSET
    response_id: Maybe[str] = UNSET
    output_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class ResponseFunctionCallArgumentsDone(ServerEvent):
    """A call is complete: `function_call()`. Live.

    The server's own searches come like this too; never answer a name you did not declare.
    """

    wire_type = "response.function_call_arguments.done"
    call_id: str
    name: str
    arguments: str
    item_id: Maybe[str] = UNSET
    response_id: Maybe[str] = UNSET
    output_index: Maybe[int] = UNSET

    def function_call(self) -> FunctionCall:
        """The call."""
        return FunctionCall(call_id=self.call_id, name=self.name, arguments=self.arguments)


@attrs.frozen(kw_only=True)
class McpListToolsInProgress(ServerEvent):
    """The server asks an MCP server for its tools. Documented."""

    wire_type = "mcp_list_tools.in_progress"
    item_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class McpListToolsCompleted(ServerEvent):
    """An MCP server has told its tools. Documented."""

    wire_type = "mcp_list_tools.completed"
    item_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class McpListToolsFailed(ServerEvent):
    """An MCP server has not told its tools. Documented."""

    wire_type = "mcp_list_tools.failed"
    item_id: Maybe[str] = UNSET
    error: Maybe[ErrorInfo] = UNSET


@attrs.frozen(kw_only=True)
class ResponseMcpCallArgumentsDelta(ServerEvent):
    """Arguments of a call of an MCP tool, which the server makes itself. Documented."""

    wire_type = "response.mcp_call_arguments.delta"
    delta: Maybe[str] = UNSET
    call_id: Maybe[str] = UNSET
    item_id: Maybe[str] = UNSET
    response_id: Maybe[str] = UNSET
    output_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class ResponseMcpCallArgumentsDone(ServerEvent):
    """A call of an MCP tool, which the server makes itself, is complete. Documented."""

    wire_type = "response.mcp_call_arguments.done"
    name: Maybe[str] = UNSET
    arguments: Maybe[str] = UNSET
    call_id: Maybe[str] = UNSET
    item_id: Maybe[str] = UNSET
    response_id: Maybe[str] = UNSET
    output_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class ResponseMcpCallInProgress(ServerEvent):
    """An MCP tool runs. Documented."""

    wire_type = "response.mcp_call.in_progress"
    item_id: Maybe[str] = UNSET
    output_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class ResponseMcpCallCompleted(ServerEvent):
    """An MCP tool has answered. Documented."""

    wire_type = "response.mcp_call.completed"
    item_id: Maybe[str] = UNSET
    output_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class ResponseMcpCallFailed(ServerEvent):
    """An MCP tool has failed. Documented."""

    wire_type = "response.mcp_call.failed"
    item_id: Maybe[str] = UNSET
    output_index: Maybe[int] = UNSET
    error: Maybe[ErrorInfo] = UNSET


@attrs.frozen(kw_only=True)
class OutputAudioBufferStarted(ServerEvent):
    """Sound begins to play on a WebRTC line. OpenAI only."""

    wire_type = "output_audio_buffer.started"
    response_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class OutputAudioBufferStopped(ServerEvent):
    """Sound has played on a WebRTC line. OpenAI only."""

    wire_type = "output_audio_buffer.stopped"
    response_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class OutputAudioBufferCleared(ServerEvent):
    """Sound was stopped on a WebRTC line. OpenAI only."""

    wire_type = "output_audio_buffer.cleared"
    response_id: Maybe[str] = UNSET
