"""Everything that `grok_rt` raises.

::

    GrokError
    ├── ConnectFailed(status, code, message, hint)     the session never opened
    │   ├── AuthenticationFailed
    │   └── RateLimited
    ├── ConnectionClosed(code, reason, cause)          it was open once
    │   ├── ConnectionClosedOK
    │   └── ConnectionClosedError
    │       └── BudgetExceeded                         the client's own budget is spent
    ├── ProtocolError
    │   ├── LocalProtocolError                         you broke the protocol
    │   └── RemoteProtocolError(close_code)            the server did
    ├── ServerError(type, code, message, event_id)     the server refused a request
    ├── ConfigError                                    also a ValueError
    ├── ToolError
    ├── SendQueueFull(event)
    ├── ConcurrencyError                               also a RuntimeError
    ├── MissingExtra                                   also an ImportError
    ├── DeadlineExceeded                               also a TimeoutError
    ├── AudioError                                     also a ValueError
    └── RecordingError                                 also an OSError

Errors carry plain values, so that this module stands at the bottom of the house
and imports nothing. No error ever holds a key or a token.
"""

from __future__ import annotations

__all__ = [
    "AudioError",
    "AuthenticationFailed",
    "BudgetExceeded",
    "ConcurrencyError",
    "ConfigError",
    "ConnectFailed",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "DeadlineExceeded",
    "GrokError",
    "LocalProtocolError",
    "MissingExtra",
    "ProtocolError",
    "RateLimited",
    "RecordingError",
    "RemoteProtocolError",
    "SendQueueFull",
    "ServerError",
    "ToolError",
]


class GrokError(Exception):
    """The base of all errors of this package."""


class ConnectFailed(GrokError):
    """No session could be opened.

    Attributes:
        status: the HTTP status of the refusal; None when there was no HTTP answer.
        code: the server's own word for it, such as ``"Client specified an invalid argument"``.
        message: what went wrong, in one sentence.
        hint: what to do about it; may be empty.
        request_id: the server's id of the request, for a support ticket; None if it sent none.
        retry_after: seconds to wait, as the server asks; None if it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        hint: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{message} {hint}".rstrip())
        self.message = message
        self.status = status
        self.code = code
        self.hint = hint
        self.request_id = request_id
        self.retry_after = retry_after


class AuthenticationFailed(ConnectFailed):
    """The key or the token was missing, wrong, expired or without access."""


class RateLimited(ConnectFailed):
    """Too many sessions; `retry_after` says for how long."""


class ConnectionClosed(GrokError):
    """The connection has ended; raised by every later call, with the first cause.

    Attributes:
        code: the WebSocket close code of who closed it first, we or the peer; 1006 when the
            line broke without one.
        reason: the sentence that came with it, or ours.
        cause: the exception that ended the connection, if there was one.
        unsent: events that were accepted and are not known to have left this machine: those
            that were leaving when the line broke are among them, and some may have arrived.
    """

    def __init__(
        self,
        code: int,
        reason: str = "",
        cause: BaseException | None = None,
        *,
        unsent: tuple[object, ...] = (),
    ) -> None:
        text = f"connection closed ({code})"
        super().__init__(f"{text}: {reason}" if reason else text)
        self.code = code
        self.reason = reason
        self.cause = cause
        self.unsent = unsent


class ConnectionClosedOK(ConnectionClosed):
    """It was closed on purpose, by either side (codes 1000, 1001, and 1005: none)."""


class ConnectionClosedError(ConnectionClosed):
    """It was lost, or closed because something was wrong.

    Attributes:
        hint: what to do about it; empty where the client goes on by itself, or nobody can know.
    """

    def __init__(
        self,
        code: int,
        reason: str = "",
        cause: BaseException | None = None,
        *,
        unsent: tuple[object, ...] = (),
    ) -> None:
        super().__init__(code, reason, cause, unsent=unsent)
        self.hint = "to go on, make a new client" if code == 1006 else ""

    def __str__(self) -> str:
        """Say what happened, and what to do about it."""
        text = super().__str__()
        return f"{text}; {self.hint}" if self.hint else text


class BudgetExceeded(ConnectionClosedError):
    """The budget that the client was given is spent, so it has ended the call."""


class ProtocolError(GrokError):
    """One side did what the protocol does not allow."""


class LocalProtocolError(ProtocolError):
    """Our side did: a verb in the wrong state, a second answer to one call, a bad value."""


class RemoteProtocolError(ProtocolError):
    """The server did.

    Attributes:
        close_code: the WebSocket code to close with, where the connection cannot go on.
    """

    def __init__(self, message: str, *, close_code: int = 1002) -> None:
        super().__init__(message)
        self.close_code = close_code


class ServerError(GrokError):
    """The server answered a request with an ``error`` event.

    Attributes:
        type: decides what it means (`protocol <https://docs.x.ai>`_: ``invalid_request_error`` …).
        code: often the same word as ``type``; do not decide on it.
        message: the server's sentence.
        event_id: the client event it refuses, if it says.
    """

    def __init__(
        self, type: str, code: str | None, message: str, event_id: str | None = None
    ) -> None:
        super().__init__(f"{type}: {message}" if message else type)
        self.type = type
        self.code = code
        self.message = message
        self.event_id = event_id


class ConfigError(GrokError, ValueError):
    """A setting has a value that the service would refuse; nothing was sent."""


class ToolError(GrokError):
    """A tool cannot be registered, or failed; raised inside a tool, its text goes to the model."""


class SendQueueFull(GrokError):
    """Nothing left the outbox for too long, and there is no room for one more event.

    Attributes:
        event: the event that was not taken.
    """

    def __init__(self, message: str, event: object) -> None:
        super().__init__(message)
        self.event = event


class ConcurrencyError(GrokError, RuntimeError):
    """Two threads pump one client, or a handler waits for events that only it could deliver."""


class MissingExtra(GrokError, ImportError):
    """An optional dependency is not installed; the sentence has the ``pip`` line."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}: pip install 'grok_rt[{extra}]'", name=package)
        self.package = package
        self.extra = extra


class DeadlineExceeded(GrokError, TimeoutError):
    """What was awaited did not come in time; the sentence says what, and what came last."""


class AudioError(GrokError, ValueError):
    """Bytes, a file or a format that cannot be used as asked."""


class RecordingError(GrokError, OSError):
    """A recording that cannot be written, or cannot be read."""
