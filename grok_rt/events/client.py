"""What the client says: one class for each message, named after it."""

from __future__ import annotations

import attrs

from grok_rt._unset import UNSET, Unset
from grok_rt.events._kinds import ClientEvent
from grok_rt.models import ConversationItem, ResponseCreatePayload, SessionUpdatePayload
from grok_rt.models._wire import Maybe

__all__ = [
    "ConversationItemCommit",
    "ConversationItemCreate",
    "ConversationItemDelete",
    "ConversationItemRetrieve",
    "ConversationItemTruncate",
    "InputAudioBufferAppend",
    "InputAudioBufferClear",
    "InputAudioBufferCommit",
    "OutputAudioBufferClear",
    "ResponseCancel",
    "ResponseCreate",
    "SessionUpdate",
]


@attrs.frozen
class SessionUpdate(ClientEvent):
    """Change settings; answered by `SessionUpdated`, or by `Error` and nothing has changed."""

    wire_type = "session.update"
    session: SessionUpdatePayload


@attrs.frozen
class InputAudioBufferAppend(ClientEvent):
    """The user's sound, as bytes in the session's input format; not answered."""

    wire_type = "input_audio_buffer.append"
    audio: bytes


@attrs.frozen
class InputAudioBufferCommit(ClientEvent):
    """The user's turn is over (manual mode).

    Live, speech is answered by itself, and silence not at all: do not send `ResponseCreate` too.
    """

    wire_type = "input_audio_buffer.commit"


@attrs.frozen
class InputAudioBufferClear(ClientEvent):
    """Forget the sound that is not committed; right after a commit, cancels its reply too."""

    wire_type = "input_audio_buffer.clear"


@attrs.frozen
class ConversationItemCommit(ClientEvent):
    """The name that `InputAudioBufferCommit` had until January 2026; refused today."""

    wire_type = "conversation.item.commit"


@attrs.frozen
class ConversationItemCreate(ClientEvent):
    """Put an item into the conversation, behind `previous_item_id` or at the end."""

    wire_type = "conversation.item.create"
    item: ConversationItem
    previous_item_id: Maybe[str] = UNSET


@attrs.frozen
class ConversationItemDelete(ClientEvent):
    """Take an item out of the conversation; live, items of responses may not be found."""

    wire_type = "conversation.item.delete"
    item_id: str


@attrs.frozen
class ConversationItemRetrieve(ClientEvent):
    """Ask for an item; OpenAI only."""

    wire_type = "conversation.item.retrieve"
    item_id: str


@attrs.frozen
class ConversationItemTruncate(ClientEvent):
    """Let the model forget what was not heard; live often neither answered nor refused."""

    wire_type = "conversation.item.truncate"
    item_id: str
    content_index: int
    audio_end_ms: int


@attrs.frozen
class ResponseCreate(ClientEvent):
    """Ask for a response; in manual mode this commits buffered speech as well.

    Live, it is dropped silently when nothing has come since the last response.
    """

    wire_type = "response.create"
    response: ResponseCreatePayload | Unset = UNSET


@attrs.frozen
class ResponseCancel(ClientEvent):
    """Stop a response, by default the one that speaks; an `Error` if there is none."""

    wire_type = "response.cancel"
    response_id: str | Unset = UNSET


@attrs.frozen
class OutputAudioBufferClear(ClientEvent):
    """Stop the sound on a WebRTC line; OpenAI only."""

    wire_type = "output_audio_buffer.clear"
