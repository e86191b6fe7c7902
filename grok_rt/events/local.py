"""What happens on this side of the wire: the connection's life, and what is made of it.

None of these is ever sent. They pass through the same queue and the same handlers as what the
server says, so that their order tells the truth.
"""

from __future__ import annotations

import attrs

from grok_rt.errors import AudioError, ProtocolError
from grok_rt.events._kinds import Event, Failure, LocalEvent
from grok_rt.events.server import Error
from grok_rt.models import FunctionCall

__all__ = [
    "AudioDropped",
    "BudgetLow",
    "BudgetSpent",
    "Closed",
    "ConnectionLost",
    "DeviceLost",
    "FunctionCalled",
    "HandlerFailed",
    "Harmless",
    "Interrupted",
    "Malformed",
    "Opened",
    "Reconnected",
    "Reconnecting",
]


@attrs.frozen
class Opened(LocalEvent):
    """The session stands; either id may come later."""

    wire_type = "local.opened"
    session_id: str | None = None
    conversation_id: str | None = None


@attrs.frozen
class Reconnecting(LocalEvent):
    """The connection is lost and will be tried again.

    Attributes:
        attempt: 1 is the first.
        delay: seconds until it is made.
        cause: what ended the connection, or the attempt before.
    """

    wire_type = "local.reconnecting"
    attempt: int
    delay: float
    cause: BaseException | None = None


@attrs.frozen
class Reconnected(LocalEvent):
    """There is a connection again.

    Attributes:
        resumed: whether the server still knows the conversation.
        gap: seconds without a connection.
        lost_audio_ms: the user's sound of that time, which nobody heard.
    """

    wire_type = "local.reconnected"
    resumed: bool
    gap: float
    lost_audio_ms: float = 0


@attrs.frozen
class Closed(LocalEvent):
    """The end, and always the last event.

    Attributes:
        code: the peer's WebSocket close code; 1006 where it sent none, whatever ours was.
        reason: the sentence that came with it, or ours.
        error: what ended it, with the code that did; None if it was closed on purpose.
    """

    wire_type = "local.closed"
    code: int
    reason: str = ""
    error: BaseException | None = None


@attrs.frozen
class ConnectionLost(LocalEvent, Failure):
    """The connection is lost for good; `Closed` follows.

    Attributes:
        close_code: the WebSocket close code; 1006 when the peer vanished without one.
        reason: the sentence that came with it, or ours.
        error: what ended it.
    """

    wire_type = "local.connection_lost"
    close_code: int = attrs.field(alias="code")
    reason: str = ""
    error: BaseException | None = None

    @property
    def code(self) -> str:
        """The close code, as text."""
        return str(self.close_code)

    @property
    def message(self) -> str:
        """The reason, or else the error's own words."""
        return self.reason or str(self.error or "connection lost")


@attrs.frozen
class FunctionCalled(LocalEvent):
    """The model calls a function that this client has declared.

    Attributes:
        call: the complete call.
        response_id: the response that called.
        answered_by: the tool that answers; None: `send_tool_result` is up to you.
    """

    wire_type = "local.function_called"
    call: FunctionCall
    response_id: str | None = None
    answered_by: str | None = None


@attrs.frozen
class Interrupted(LocalEvent):
    """The assistant was cut short: sinks throw away what they have not played.

    Attributes:
        response_id: the response, if one was speaking.
        item_id: what it was saying.
        played_ms: how much of it was heard, as far as known.
    """

    wire_type = "local.interrupted"
    response_id: str | None = None
    item_id: str | None = None
    played_ms: float | None = None


@attrs.frozen
class HandlerFailed(LocalEvent, Failure):
    """A handler raised; the other handlers and the session go on.

    Attributes:
        error: what it raised, with its traceback.
        event: what it was hearing.
        handler: its name.
    """

    wire_type = "local.handler_failed"
    error: BaseException
    event: Event
    handler: str

    @property
    def code(self) -> str:
        """The name of the exception's class."""
        return type(self.error).__name__

    @property
    def message(self) -> str:
        """Who failed, at what, and how."""
        return f"{self.handler} failed on {type(self.event).__name__}: {self.error}"


@attrs.frozen
class Malformed(LocalEvent, Failure):
    """The server sent what is no message; the session goes on.

    Attributes:
        data: what it sent.
        error: why it is no message.
    """

    wire_type = "local.malformed"
    data: bytes
    error: ProtocolError

    @property
    def code(self) -> str:
        """Always ``malformed``."""
        return "malformed"

    @property
    def message(self) -> str:
        """The error's own words."""
        return str(self.error)


@attrs.frozen
class Harmless(LocalEvent):
    """A refusal that changes nothing, such as of a cancel that came too late.

    Attributes:
        error: what the server said.
    """

    wire_type = "local.harmless"
    error: Error


@attrs.frozen
class AudioDropped(LocalEvent):
    """Sound was thrown away, because it came faster than it could leave.

    Attributes:
        ms: how much.
    """

    wire_type = "local.audio_dropped"
    ms: float


@attrs.frozen
class DeviceLost(LocalEvent, Failure):
    """A microphone or a speaker is gone, such as one that was unplugged.

    Attributes:
        device: its name.
        kind: ``microphone`` or ``speaker``.
        error: what it said.
    """

    wire_type = "local.device_lost"
    device: str
    kind: str
    error: AudioError

    @property
    def code(self) -> str:
        """Always ``device_lost``."""
        return "device_lost"

    @property
    def message(self) -> str:
        """The error's own words."""
        return str(self.error)


@attrs.frozen
class BudgetLow(LocalEvent):
    """Most of the client's budget is spent; told once for each limit.

    Attributes:
        of: which limit: ``usd``, ``minutes`` or ``tokens``.
        spent: how much of it.
        limit: how much there was.
    """

    wire_type = "local.budget_low"
    of: str
    spent: float
    limit: float

    @property
    def message(self) -> str:
        """How much of what is spent, in words."""
        return f"the budget is low: {_amount(self)} are spent"


@attrs.frozen
class BudgetSpent(LocalEvent):
    """The client's budget is spent, and the call is ended for it.

    Attributes:
        of: which limit: ``usd``, ``minutes`` or ``tokens``.
        spent: how much of it.
        limit: how much there was.
    """

    wire_type = "local.budget_spent"
    of: str
    spent: float
    limit: float

    @property
    def message(self) -> str:
        """How much of what is spent, in words."""
        return f"the budget is spent: {_amount(self)}"


def _amount(event: BudgetLow | BudgetSpent) -> str:
    unit = "USD" if event.of == "usd" else event.of
    return f"{event.spent:.4g} of {event.limit:.4g} {unit}"
