"""The short way of sound in: JSON straight into a flat structure, with no dict between.

Sound is nearly all that comes, and it is what must not be late. A message that this way does not
take (another one, a new field, a fault) goes the long way, which knows all; both give the same.
"""

# mypy: disable-error-code="misc, assignment"
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any, Final, get_args

import attrs
import msgspec
import pybase64

from grok_rt._extra import NO_EXTRA
from grok_rt._unset import UNSET, Unset
from grok_rt.events import AudioDelta, ResponseAudioDelta, ResponseOutputAudioDelta
from grok_rt.models._wire import wire_name

__all__ = ["read_sound"]

#: The type, which the server says first.
_BEGINNINGS: Final = tuple(
    b'{"type":%b"%b"' % (space, kind.wire_type.encode())
    for kind in (ResponseOutputAudioDelta, ResponseAudioDelta)
    for space in (b"", b" ")
)
_KEY: Final = b'"delta":"'
_SPACED: Final = b'"delta": "'
_SHORT: Final = 16 << 10


def read_sound(data: bytes | bytearray | memoryview, *, alone: bool = False) -> AudioDelta | None:
    """The event, if the message is plainly sound.

    Args:
        data: the message.
        alone: nothing came with it: what counts is how soon it is read, and not at what cost.
    """
    if type(data) is not bytes or not data.startswith(_BEGINNINGS):
        return None
    try:
        if alone and len(data) <= _SHORT:
            flat = _decode_whole(data)
            audio = flat.delta
        else:
            flat, audio = _apart(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    made = _new(_Draft)
    made.event_id = flat.event_id
    made.previous_item_id = flat.previous_item_id
    made.item_id = flat.item_id
    made.response_id = flat.response_id
    made.content_index = flat.content_index
    made.output_index = flat.output_index
    made.audio = audio
    made.rid = flat.rid
    made.audio_duration_ms = flat.audio_duration_ms
    made.ts = flat.ts
    made.latency = flat.latency
    made.extra = NO_EXTRA
    made.__class__ = _KINDS[type(flat)]
    return made


def _apart(data: bytes) -> tuple[Any, bytes]:
    """What stands around the sound, and the sound.

    Its base64, which is nearly all of it, is decoded where it stands; only what is around it is
    read as JSON. No text of a JSON string can look like the key, for a quote ends it. This costs
    a seventh, and lets go of the interpreter, for which another thread may make it wait.

    Raises:
        ValueError: it is not plainly sound, or none.
    """
    at = data.find(_KEY)
    start = at + len(_KEY) if at > 0 else data.find(_SPACED) + len(_SPACED)
    stop = data.find(b'"', start)
    tail = data[stop:]
    if start < len(_SPACED) or (len(tail) > 2 and _may_be_said_again(tail)):
        raise ValueError
    return _decode_around(data[:start] + tail), _from_base64(data[start:stop], None, True)


def _may_be_said_again(tail: bytes) -> bool:
    """Whether the same field may follow, which would count instead; a name may be escaped."""
    return b'"delta"' in tail or b"\\" in tail


class _Draft(AudioDelta):
    """An event while it is filled in: mutable, then frozen by becoming what it is.

    A frozen class fills each slot through Python, six times as slow as all the rest of this way.
    """

    __slots__ = ()
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__  # the two share a slot of the type: one alone stays slow


def _flat(kind: type[AudioDelta], sound: type[str | bytes]) -> type[msgspec.Struct]:
    """The same fields for msgspec, which then refuses all others; `bytes` come from base64."""
    optional = [
        (wire_name(field), _received(field.type), UNSET)
        for field in attrs.fields(attrs.resolve_types(kind))
        if field.name not in {"audio", "extra"}
    ]
    return msgspec.defstruct(
        kind.__name__,
        [("delta", sound), *optional],
        tag_field="type",
        tag=kind.wire_type,
        forbid_unknown_fields=True,
        gc=False,  # it holds strings and numbers, for a moment
    )


def _received(kind: Any) -> Any:
    """What may stand in the JSON; numbers stay whole where they come whole."""
    kinds = {each for each in get_args(kind) if each != Unset}
    return functools.reduce(operator.or_, kinds | ({int} if float in kinds else set()))


_AUDIO: Final = (ResponseOutputAudioDelta, ResponseAudioDelta)
_AROUND: Final = {_flat(kind, str): kind for kind in _AUDIO}
_WHOLE: Final = {_flat(kind, bytes): kind for kind in _AUDIO}
_KINDS: Final = _AROUND | _WHOLE


def _decoder(flats: Iterable[type[msgspec.Struct]]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(functools.reduce(operator.or_, flats)).decode


_decode_around = _decoder(_AROUND)
_decode_whole = _decoder(_WHOLE)
_from_base64 = pybase64.b64decode
_new = object.__new__
