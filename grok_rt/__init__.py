"""The realtime voice SDK for Grok, for Python programs that are not async.

    >>> from grok_rt import GrokClient
    >>> with GrokClient() as grok:
    ...     print(grok.ask("Why is the sky blue?").text)

The names here are what users type. Submodules with public names of their own are
`events`, `models`, `audio`, `streams`, `tools`, `errors` and `simulator`.
"""

from __future__ import annotations

from grok_rt import errors, events
from grok_rt._handlers import on
from grok_rt._reconnect import Reconnect
from grok_rt._unset import UNSET
from grok_rt.answer import Answer
from grok_rt.audio import PCMA, PCMU, AudioClip, AudioFormat, pcm16
from grok_rt.client import GrokClient
from grok_rt.conversation import Conversation, Turn
from grok_rt.errors import (
    AudioError,
    AuthenticationFailed,
    ConcurrencyError,
    ConfigError,
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    GrokError,
    LocalProtocolError,
    MissingExtra,
    ProtocolError,
    RateLimited,
    RemoteProtocolError,
    SendQueueFull,
    ServerError,
    ToolError,
)
from grok_rt.models import (
    ConversationItem,
    FunctionCall,
    GrokToolDefinition,
    SessionConfig,
    ToolDefinition,
    TurnDetection,
)
from grok_rt.tools import ToolBox, tool

__all__ = [
    "PCMA",
    "PCMU",
    "UNSET",
    "Answer",
    "AudioClip",
    "AudioError",
    "AudioFormat",
    "AuthenticationFailed",
    "ConcurrencyError",
    "ConfigError",
    "ConnectFailed",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Conversation",
    "ConversationItem",
    "DeadlineExceeded",
    "FunctionCall",
    "GrokClient",
    "GrokError",
    "GrokToolDefinition",
    "LocalProtocolError",
    "MissingExtra",
    "ProtocolError",
    "RateLimited",
    "Reconnect",
    "RemoteProtocolError",
    "SendQueueFull",
    "ServerError",
    "SessionConfig",
    "ToolBox",
    "ToolDefinition",
    "ToolError",
    "Turn",
    "TurnDetection",
    "errors",
    "events",
    "on",
    "pcm16",
    "tool",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("grok_rt")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
