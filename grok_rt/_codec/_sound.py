"""The short way of sound in: JSON straight into a flat structure, with no dict between.

Sound is nearly all that comes, and it is what must not be late. A message that this way does not
take (another one, a new field, a fault) goes the long way, which knows all; both give the same.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, Final, get_args

import attrs
import msgspec
import pybase64

from grok_rt._unset import UNSET, Unset
from grok_rt.events import AudioDelta, ResponseAudioDelta, ResponseOutputAudioDelta
from grok_rt.models._wire import wire_name

__all__ = ["read_sound"]

_MARK: Final = b'.delta"'  # of the type, which the server says first
_MARK_WITHIN: Final = 48


def read_sound(data: bytes | bytearray | memoryview) -> AudioDelta | None:
    """The event, if the message is plainly sound."""
    if type(data) is not bytes or data.find(_MARK, 0, _MARK_WITHIN) < 0:
        return None
    try:
        flat = _decode(data)
        audio = _from_base64(flat.delta, None, True)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return _KINDS[type(flat)](  # by name, which is a third faster than `**fields`
        event_id=flat.event_id,
        previous_item_id=flat.previous_item_id,
        item_id=flat.item_id,
        response_id=flat.response_id,
        content_index=flat.content_index,
        output_index=flat.output_index,
        audio=audio,
        rid=flat.rid,
        audio_duration_ms=flat.audio_duration_ms,
        ts=flat.ts,
        latency=flat.latency,
    )


def _flat(kind: type[AudioDelta]) -> type[msgspec.Struct]:
    """The same fields for msgspec, which then refuses all others."""
    optional = [
        (wire_name(field), _received(field.type), UNSET)
        for field in attrs.fields(attrs.resolve_types(kind))
        if field.name not in {"audio", "extra"}
    ]
    return msgspec.defstruct(
        kind.__name__,
        [("delta", str), *optional],
        tag_field="type",
        tag=kind.wire_type,
        forbid_unknown_fields=True,
    )


def _received(kind: Any) -> Any:
    """What may stand in the JSON; numbers stay whole where they come whole."""
    kinds = {each for each in get_args(kind) if each != Unset}
    return functools.reduce(operator.or_, kinds | ({int} if float in kinds else set()))


_KINDS: Final = {_flat(kind): kind for kind in (ResponseOutputAudioDelta, ResponseAudioDelta)}
_decode: Callable[[bytes], Any] = msgspec.json.Decoder(
    functools.reduce(operator.or_, _KINDS)
).decode
_from_base64 = pybase64.b64decode
