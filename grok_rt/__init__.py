"""The realtime voice SDK for Grok, for Python programs that are not async.

    >>> from grok_rt import GrokClient
    >>> with GrokClient() as grok:
    ...     print(grok.ask("Why is the sky blue?").text)

The names here are what users type. Submodules with public names of their own are
`events`, `parts`, `models`, `audio`, `streams`, `devices`, `tools`, `usage`, `errors`,
`recording` and `simulator`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grok_rt import errors, events, parts
    from grok_rt._asking.exchange import AnswerStream
    from grok_rt._client.handlers import on
    from grok_rt._client.reconnect import Reconnect
    from grok_rt._unset import UNSET
    from grok_rt.answer import Answer
    from grok_rt.audio import PCMA, PCMU, AudioClip, AudioFormat, pcm16
    from grok_rt.client import GrokClient
    from grok_rt.conversation import Conversation, Turn
    from grok_rt.errors import (
        AudioError,
        AuthenticationFailed,
        BudgetExceeded,
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
        RecordingError,
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
    from grok_rt.usage import Budget

__all__ = [
    "PCMA",
    "PCMU",
    "UNSET",
    "Answer",
    "AnswerStream",
    "AudioClip",
    "AudioError",
    "AudioFormat",
    "AuthenticationFailed",
    "Budget",
    "BudgetExceeded",
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
    "RecordingError",
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
    "parts",
    "pcm16",
    "tool",
]


#: Where those names live, what is light before what builds on it.
_ROOMS = (
    "errors",
    "_unset",
    "audio",
    "models",
    "tools",
    "usage",
    "_client.handlers",
    "_client.reconnect",
    "conversation",
    "answer",
    "_asking.exchange",
    "client",
)
_MODULES = frozenset(("errors", "events", "parts"))


def __getattr__(name: str) -> object:
    """Import what is used, when it is: to make the classes of all events takes a tenth of a second.

    A module of ours needs no import of its own either.
    """
    import sys
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("grok_rt")
    if name in __all__ and name not in _MODULES:
        for room in _ROOMS:
            module = import_module(f"{__name__}.{room}")
            if name in module.__all__:
                return globals().setdefault(name, getattr(module, name))
    elif not name.startswith("_"):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message, name=name, obj=sys.modules[__name__])  # for its suggestion


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
