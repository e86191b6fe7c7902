"""What the server says about the session, the conversation and the user's sound.

One class for each message, named after it; responses have their own module. "Live" is what was
seen on the wire, "documented" what nobody has recorded yet.
"""

from __future__ import annotations

import attrs

from grok_rt._unset import UNSET
from grok_rt.events._kinds import Failure, Replayable, ServerEvent
from grok_rt.models import ConversationInfo, ConversationItem, ErrorInfo, RateLimit, SessionInfo
from grok_rt.models._wire import Maybe

__all__ = [
    "ConversationCreated",
    "ConversationItemAdded",
    "ConversationItemCreated",
    "ConversationItemDeleted",
    "ConversationItemDone",
    "ConversationItemRetrieved",
    "ConversationItemTruncated",
    "Error",
    "InputAudioBufferCleared",
    "InputAudioBufferCommitted",
    "InputAudioBufferDtmfEventReceived",
    "InputAudioBufferSpeechStarted",
    "InputAudioBufferSpeechStopped",
    "InputAudioBufferTimeoutTriggered",
    "InputAudioTranscriptionCompleted",
    "InputAudioTranscriptionDelta",
    "InputAudioTranscriptionFailed",
    "InputAudioTranscriptionSegment",
    "InputAudioTranscriptionUpdated",
    "Ping",
    "RateLimitsUpdated",
    "SessionCreated",
    "SessionUpdated",
]


@attrs.frozen(kw_only=True)
class SessionCreated(ServerEvent):
    """The session stands. Live, the first event."""

    wire_type = "session.created"
    session: SessionInfo


@attrs.frozen(kw_only=True)
class SessionUpdated(ServerEvent):
    """The answer to `SessionUpdate`. Live; it echoes what was sent, without an id."""

    wire_type = "session.updated"
    session: SessionInfo


@attrs.frozen(kw_only=True)
class ConversationCreated(ServerEvent):
    """The conversation stands. Live, the second event; resumption keeps its id."""

    wire_type = "conversation.created"
    conversation: ConversationInfo


@attrs.frozen(kw_only=True)
class Ping(ServerEvent):
    """Every 10 s from the connect on, and not to be answered. Live, undocumented.

    Attributes:
        timestamp: the server's clock, unix ms.
    """

    wire_type = "ping"
    timestamp: Maybe[float] = UNSET


@attrs.frozen(kw_only=True)
class ConversationItemAdded(Replayable):
    """An item has entered the conversation. Live; also how a resumed one is replayed."""

    wire_type = "conversation.item.added"


@attrs.frozen(kw_only=True)
class ConversationItemCreated(Replayable):
    """An item of a resumed conversation. Documented; live it is `ConversationItemAdded`."""

    wire_type = "conversation.item.created"


@attrs.frozen(kw_only=True)
class ConversationItemDone(ServerEvent):
    """An item is complete. OpenAI only."""

    wire_type = "conversation.item.done"
    item: ConversationItem


@attrs.frozen(kw_only=True)
class ConversationItemRetrieved(ServerEvent):
    """The answer to `ConversationItemRetrieve`. OpenAI only."""

    wire_type = "conversation.item.retrieved"
    item: ConversationItem


@attrs.frozen(kw_only=True)
class ConversationItemDeleted(ServerEvent):
    """The answer to `ConversationItemDelete`. Live; the id was seen empty."""

    wire_type = "conversation.item.deleted"
    item_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class ConversationItemTruncated(ServerEvent):
    """The answer to `ConversationItemTruncate`. Documented; live it often does not come.

    Attributes:
        transcript: the words that are left, where the server says so.
    """

    wire_type = "conversation.item.truncated"
    item_id: str
    content_index: Maybe[int] = UNSET
    audio_end_ms: Maybe[float] = UNSET
    transcript: Maybe[str] = UNSET


@attrs.frozen(kw_only=True)
class InputAudioBufferSpeechStarted(ServerEvent):
    """The user begins to speak: stop playing. Live, in manual mode too, and repeated by pauses.

    Attributes:
        item_id: of the message that is to come.
        audio_start_ms: documented as a place in the sound; live, ms since the connect.
    """

    wire_type = "input_audio_buffer.speech_started"
    item_id: str
    audio_start_ms: Maybe[float] = UNSET


@attrs.frozen(kw_only=True)
class InputAudioBufferSpeechStopped(ServerEvent):
    """The user has stopped. Live, sometimes after the `ResponseCreated` it leads to.

    Attributes:
        audio_end_ms: documented as a place in the sound; live, ms since the connect.
    """

    wire_type = "input_audio_buffer.speech_stopped"
    item_id: str
    audio_end_ms: Maybe[float] = UNSET


@attrs.frozen(kw_only=True)
class InputAudioBufferCommitted(ServerEvent):
    """The user's speech has become a message. Live; a turn may commit several times."""

    wire_type = "input_audio_buffer.committed"
    item_id: str


@attrs.frozen(kw_only=True)
class InputAudioBufferCleared(ServerEvent):
    """The answer to `InputAudioBufferClear`. Live."""

    wire_type = "input_audio_buffer.cleared"


@attrs.frozen(kw_only=True)
class InputAudioBufferTimeoutTriggered(ServerEvent):
    """`idle_timeout_ms` of silence have passed: an unprompted reply follows. Documented."""

    wire_type = "input_audio_buffer.timeout_triggered"
    item_id: Maybe[str] = UNSET
    audio_start_ms: Maybe[float] = UNSET
    audio_end_ms: Maybe[float] = UNSET


@attrs.frozen(kw_only=True)
class InputAudioBufferDtmfEventReceived(ServerEvent):
    """A key of the caller's telephone. Documented, SIP only.

    Attributes:
        event: ``0`` to ``9``, ``*`` or ``#``.
        digit: one client expects it under this name.
        received_at: unix seconds.
    """

    wire_type = "input_audio_buffer.dtmf_event_received"
    event: Maybe[str] = UNSET
    digit: Maybe[str] = UNSET
    received_at: Maybe[float] = UNSET

    @property
    def key(self) -> str | None:
        """The key, under whichever name it came."""
        return self.event or self.digit or None


@attrs.frozen(kw_only=True)
class InputAudioTranscriptionUpdated(ServerEvent):
    """The user's words so far, from the start and often corrected. Live, with grok-transcribe."""

    wire_type = "conversation.item.input_audio_transcription.updated"
    item_id: str
    transcript: str
    content_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class InputAudioTranscriptionCompleted(ServerEvent):
    """The user's words. Live; fires many times, and only status ``completed`` is final.

    Attributes:
        status: ``in_progress`` or ``completed``; the documented form has none.
    """

    wire_type = "conversation.item.input_audio_transcription.completed"
    item_id: str
    transcript: str
    content_index: Maybe[int] = UNSET
    status: Maybe[str] = UNSET

    @property
    def is_final(self) -> bool:
        """Whether these are the words that the model answers."""
        return (self.status or "completed") == "completed"


@attrs.frozen(kw_only=True)
class InputAudioTranscriptionDelta(ServerEvent):
    """More of the user's words. OpenAI only."""

    wire_type = "conversation.item.input_audio_transcription.delta"
    item_id: str
    delta: Maybe[str] = UNSET
    content_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class InputAudioTranscriptionSegment(ServerEvent):
    """A piece of the user's words with its place and speaker. OpenAI only."""

    wire_type = "conversation.item.input_audio_transcription.segment"
    item_id: str
    text: Maybe[str] = UNSET
    id: Maybe[str] = UNSET
    speaker: Maybe[str] = UNSET
    start: Maybe[float] = UNSET
    end: Maybe[float] = UNSET
    content_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class InputAudioTranscriptionFailed(ServerEvent):
    """The user's words could not be written down. OpenAI only."""

    wire_type = "conversation.item.input_audio_transcription.failed"
    item_id: str
    error: ErrorInfo
    content_index: Maybe[int] = UNSET


@attrs.frozen(kw_only=True)
class RateLimitsUpdated(ServerEvent):
    """What is left of the limits. OpenAI only."""

    wire_type = "rate_limits.updated"
    rate_limits: tuple[RateLimit, ...]


@attrs.frozen(kw_only=True)
class Error(ServerEvent, Failure):
    """The server refuses an event, or gives up. Live; after most types the session goes on.

    Attributes:
        error: decide on `error.type`.
    """

    wire_type = "error"
    error: ErrorInfo

    @property
    def code(self) -> str:
        """The server's code, or else its type."""
        return self.error.code or self.error.type

    @property
    def message(self) -> str:
        """The server's sentence."""
        return self.error.message
