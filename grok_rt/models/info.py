"""What only the server says: identities, usage, limits, errors.

Whatever the documents' own shortest forms leave out is optional, and any text is taken:
a new word of the server must not break an old client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from grok_rt._unset import UNSET
from grok_rt.models._wire import Maybe, Wire
from grok_rt.models.items import ConversationItem

__all__ = [
    "ConversationInfo",
    "ErrorInfo",
    "RateLimit",
    "ResponseInfo",
    "TokenDetails",
    "Usage",
]


@attrs.frozen
class ConversationInfo(Wire):
    """The conversation; its id is the key to resumption."""

    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET


@attrs.frozen
class TokenDetails(Wire):
    """Tokens by kind; `grok_tokens` has always been 0."""

    text_tokens: Maybe[int] = UNSET
    audio_tokens: Maybe[int] = UNSET
    grok_tokens: Maybe[int] = UNSET


@attrs.frozen
class Usage(Wire):
    """What a response cost.

    Attributes:
        output_audio_seconds: sound of this response, as sent.
        billable_audio_seconds: a running total of the conversation, also over a resumed
            connection; not of this response.
    """

    input_tokens: Maybe[int] = UNSET
    output_tokens: Maybe[int] = UNSET
    total_tokens: Maybe[int] = UNSET
    input_token_details: Maybe[TokenDetails] = UNSET
    output_token_details: Maybe[TokenDetails] = UNSET
    output_audio_seconds: Maybe[float] = UNSET
    billable_audio_seconds: Maybe[float] = UNSET


@attrs.frozen
class ResponseInfo(Wire):
    """A response of the model.

    Attributes:
        status: ``in_progress``, ``completed``, ``cancelled`` …; an interrupted response ends as
            ``completed`` with an empty `output`.
        metadata: what came with its `ResponseCreate`.
        status_details: live always the text ``unimplemented``.
        usage: live always empty: see `ResponseDone.total_usage`.
    """

    id: Maybe[str] = UNSET
    status: Maybe[str] = UNSET
    output: Maybe[tuple[ConversationItem, ...]] = UNSET
    metadata: Maybe[Mapping[str, Any]] = attrs.field(default=UNSET, hash=False)
    usage: Maybe[Usage] = UNSET
    status_details: Any = attrs.field(default=UNSET, hash=False)
    object: Maybe[str] = UNSET


@attrs.frozen
class RateLimit(Wire):
    """One limit and what is left of it; OpenAI only."""

    name: str
    limit: int
    remaining: int
    reset_seconds: float


@attrs.frozen
class ErrorInfo(Wire):
    """What went wrong.

    Attributes:
        type: decides: ``invalid_request_error``, ``invalid_event``, ``internal_error``,
            ``timeout``, ``max_duration`` …
        code: often the same word, not always.
        param: the field that was refused.
        event_id: the client event that was refused.
    """

    type: str
    code: Maybe[str] = UNSET
    message: str = attrs.field(kw_only=True)
    param: Maybe[str] = UNSET
    event_id: Maybe[str] = UNSET
