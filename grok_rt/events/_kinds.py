"""The kinds of events: the roots of all, and the groups that handlers may name.

A handler registered for a class hears its subclasses too. Every class here is abstract, holds no
I/O and belongs to no thread: events are immutable and may be shared.
"""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from grok_rt._unset import UNSET, Unset
from grok_rt.models import ConversationItem, FunctionCall
from grok_rt.models._wire import Maybe, Wire

__all__ = [
    "AudioDelta",
    "ClientEvent",
    "Event",
    "Failure",
    "LocalEvent",
    "Replayable",
    "ResponsePart",
    "ServerEvent",
    "TextDelta",
    "TranscriptDelta",
    "UnknownEvent",
]


@attrs.frozen
class Event(Wire):
    """Anything that a handler can hear; abstract.

    Attributes:
        wire_type: the value of ``type`` on the wire; of local events, a word of the same kind.
    """

    wire_type: ClassVar[str]

    @property
    def type(self) -> str:
        """The event's type, as the wire says it."""
        return self.wire_type


@attrs.frozen
class ClientEvent(Event):
    """What the client says to the server; abstract.

    Attributes:
        event_id: of our choice; an `Error` about this event repeats it.
    """

    event_id: str | Unset = attrs.field(default=UNSET, kw_only=True)


@attrs.frozen
class ServerEvent(Event):
    """What the server says to the client; abstract.

    Attributes:
        event_id: the server's.
        previous_item_id: where in the conversation; live on nearly every event, mostly null.
    """

    event_id: str | Unset = attrs.field(default=UNSET, kw_only=True)
    previous_item_id: Maybe[str] = attrs.field(default=UNSET, kw_only=True)

    def audio_delta(self) -> bytes | None:
        """The sound of an `AudioDelta`; None of all other events."""
        return None

    def function_call(self) -> FunctionCall | None:
        """The complete call of a `ResponseFunctionCallArgumentsDone`; None of all others."""
        return None


@attrs.frozen
class LocalEvent(Event):
    """What happened on this side of the wire; abstract, and never sent."""


@attrs.frozen
class Failure(Event):
    """Something went wrong: what `on_error` hears; abstract."""

    @property
    def code(self) -> str | None:
        """A word to count failures by."""
        raise NotImplementedError

    @property
    def message(self) -> str:
        """What went wrong, in one sentence."""
        raise NotImplementedError


@attrs.frozen(kw_only=True)
class ResponsePart(ServerEvent):
    """Something of one part of a response; abstract.

    Attributes:
        output_index: live always 0, whatever the item.
    """

    item_id: Maybe[str] = UNSET
    response_id: Maybe[str] = UNSET
    content_index: Maybe[int] = UNSET
    output_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class AudioDelta(ResponsePart):
    """Sound of a response, a few ms to 3 s, sent faster than real time; abstract.

    Attributes:
        audio: bytes in the session's output format; on the wire ``delta``, in base64.
        rid: the spoken segment: the `event_id` of its `TranscriptDelta`.
        audio_duration_ms: the length of this delta.
        ts: the server's clock, unix ms.
        latency: seconds from the trigger to the first sound, as text; first delta only.
    """

    audio: bytes = attrs.field(metadata={"wire": "delta"})
    rid: Maybe[str] = UNSET
    audio_duration_ms: Maybe[float] = UNSET
    ts: Maybe[float] = UNSET
    latency: Maybe[str | float] = UNSET

    def audio_delta(self) -> bytes:
        """The sound."""
        return self.audio


@attrs.frozen(kw_only=True)
class TextDelta(ResponsePart):
    """Text of a written response; abstract. Documented; live, responses are spoken.

    Attributes:
        text: one client saw this in the place of `delta`.
    """

    delta: Maybe[str] = UNSET
    text: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class TranscriptDelta(ResponsePart):
    """The words of a spoken segment; abstract.

    Attributes:
        rid: the segment, which its `AudioDelta` events repeat.
        start_time: seconds into the item's sound at which the segment begins.
    """

    delta: str
    rid: Maybe[str] = UNSET
    start_time: Maybe[float] = UNSET


@attrs.frozen(kw_only=True)
class Replayable(ServerEvent):
    """An item has entered the conversation, now or in an earlier connection; abstract."""

    item: ConversationItem


@attrs.frozen
class UnknownEvent(ServerEvent):
    """A message that this version does not know, or whose fields are not what they should be.

    Attributes:
        type: what the message calls itself.
        raw: the whole message; it is sent back as it came.
        parse_error: why a known message could not be read, and where; None of unknown ones.
    """

    type: str  # pyright: ignore[reportIncompatibleMethodOverride]  # the one that has no class
    raw: dict[str, Any] = attrs.field(hash=False)
    parse_error: str | None = None
