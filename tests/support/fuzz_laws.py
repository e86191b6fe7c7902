"""What must hold for any bytes at all: the fuzzers of `fuzz/` and the suite ask the same."""

from __future__ import annotations

import base64
import json
from typing import Any

from grok_rt._wire import codec as _codec
from grok_rt._wire.framing import Frame, FrameReader, pack
from grok_rt.errors import LocalProtocolError, RemoteProtocolError
from grok_rt.events import Event

__all__ = ["codec", "framing"]


def codec(data: bytes) -> None:
    """Any bytes are read or refused by the one error; what was read is written back whole.

    Sound has a short way in, which other buffers than bytes do not take: both give the same.
    """
    event = _decoded(data)
    assert event == _decoded(bytearray(data))
    if event is None:
        return
    try:
        text = _codec.encode(event)
    except LocalProtocolError as error:  # C reads deeper nesting than Python can walk
        if not isinstance(error.__cause__, RecursionError):
            raise
        return
    again = _codec.decode(text)
    assert type(again) is type(event)
    assert again == event
    assert _codec.encode(again) == text
    assert _same(json.loads(text), json.loads(data))


def _decoded(data: bytes | bytearray) -> Event | None:
    try:
        return _codec.decode(data)
    except RemoteProtocolError:
        return None


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON; base64 may have been written with loose bits at its end."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, str) and isinstance(other, str) and one != other:
        return base64.b64decode(one) == base64.b64decode(other)
    return bool(one == other)


def framing(data: bytes) -> None:
    """However bytes are cut, the same frames come out of them; and these can be packed again.

    The first byte says which side is read, the second how the rest is cut.
    """
    masked, size, rest = data[:1] > b"\x7f", 1 + sum(data[1:2]), data[2:]
    whole, error = _read(rest, masked, len(rest) or 1)
    assert (whole, error) == _read(rest, masked, size) == _read(rest, masked, size, by_one=True)
    assert _read(pack(whole, mask=False), False, size) == (whole, None)


def _read(
    data: bytes, masked: bool, size: int, *, by_one: bool = False
) -> tuple[list[Frame], str | None]:
    """All frames, and the error that ended them."""
    reader = FrameReader(max_size=1 << 16, max_fragments=64, masked=masked)
    frames: list[Frame] = []
    for start in range(0, len(data), size):
        chunk = data[start : start + size]
        room = reader.room(len(chunk))
        room[: len(chunk)] = chunk
        reader.filled(len(chunk))
        try:
            while by_one and (frame := reader.next()) is not None:
                frames.append(frame)
            reader.take_all(frames)
        except RemoteProtocolError as error:
            return frames, f"{error.close_code} {error}"
    return frames, None
