"""The values that events carry, and `SessionConfig`.

Each class is frozen and stands for one JSON object: fields are named as on the wire, `UNSET` is
absent, `None` is null, and fields unknown to this version wait in `extra`. What is built to be
sent is checked; what was received never is. No I/O, no thread.
"""

from __future__ import annotations

from grok_rt._unset import UNSET, Unset
from grok_rt.models.config import SessionConfig
from grok_rt.models.info import (
    ConversationInfo,
    ErrorInfo,
    RateLimit,
    ResponseInfo,
    TokenDetails,
    Usage,
)
from grok_rt.models.items import ContentPart, ConversationItem, FunctionCall, ToolCallPart
from grok_rt.models.session import (
    AudioChannelConfig,
    AudioConfig,
    Reasoning,
    ResponseCreatePayload,
    Resumption,
    SessionInfo,
    SessionUpdatePayload,
    Transcription,
    TurnDetection,
)
from grok_rt.models.tools import GrokToolDefinition, ToolDefinition

__all__ = [
    "UNSET",
    "AudioChannelConfig",
    "AudioConfig",
    "ContentPart",
    "ConversationInfo",
    "ConversationItem",
    "ErrorInfo",
    "FunctionCall",
    "GrokToolDefinition",
    "RateLimit",
    "Reasoning",
    "ResponseCreatePayload",
    "ResponseInfo",
    "Resumption",
    "SessionConfig",
    "SessionInfo",
    "SessionUpdatePayload",
    "TokenDetails",
    "ToolCallPart",
    "ToolDefinition",
    "Transcription",
    "TurnDetection",
    "Unset",
    "Usage",
]
