"""RFC 6455 frames, out of a byte buffer and into one: pure, strict, bounded.

Here lives the grammar of the wire: headers, fragments, control frames, masking, close payloads.
No socket, no thread, no lock: each `FrameReader` belongs to whoever feeds it, and `pack` is a
function. A peer that breaks the grammar meets `RemoteProtocolError` with the close code to
answer; no input costs more than linear time, and memory grows with what has arrived, never
with what a header announces.
"""

from __future__ import annotations

import functools
import mmap
import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from grok_rt.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_FIN = 0x80
_RSV = 0x70
_MASKED = 0x80
_MAX_CONTROL = 125
_CONTROLS = frozenset((CLOSE, PING, PONG))
_SIZE = 512 << 10  # at full speed one read brings this much, and what it brings shares one wake-up


_two_words = struct.Struct(">HH").unpack_from


class Frame(NamedTuple):
    """A whole message (its fragments joined), or one control frame."""

    opcode: int
    data: bytes


#: `Frame` without the detour through Python that a named tuple's own constructor takes.
_new_frame: Callable[[tuple[int, bytes]], Frame] = functools.partial(tuple.__new__, Frame)


class FrameReader:
    """Turns received bytes into frames.

    Ask `next` until it answers None, or `take_all`; then receive into `room()`, say how many bytes
    came with `filled`, and ask again. After an error the stream cannot be resumed.

    Args:
        max_size: the longest message taken, in bytes, fragments together.
        max_fragments: the most pieces one message may come in.
        masked: whether the peer must mask: True reads a client, False a server.
    """

    __slots__ = (
        "_buffer",
        "_end",
        "_expected_mask",
        "_max_fragments",
        "_max_size",
        "_need",
        "_opcode",
        "_parts",
        "_parts_size",
        "_start",
        "_view",
    )

    def __init__(
        self,
        *,
        max_size: int = 16 << 20,
        max_fragments: int = 1 << 17,
        masked: bool = False,
    ) -> None:
        self._max_size = max_size
        self._max_fragments = max_fragments
        self._expected_mask = _MASKED if masked else 0
        self._buffer = mmap.mmap(-1, _SIZE)  # pages cost nothing before they are used
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # received and not yet parsed
        self._need = 2  # bytes that the frame at _start needs, as far as it is known
        self._opcode = CONTINUATION  # of the fragmented message; CONTINUATION: there is none
        self._parts: list[bytes] = []
        self._parts_size = 0

    def room(self, at_least: int = 1) -> memoryview:
        """Return free space of `at_least` bytes, and usually much more, to receive into."""
        if self._start == self._end:
            self._start = self._end = 0  # the pages that are warm, and no others
        start, end, size = self._start, self._end, len(self._buffer)
        pending = end - start
        need = max(self._need, pending + at_least)
        if size > 4 * _SIZE and need <= _SIZE:
            self._move(_SIZE)  # a huge message is over: give its memory back
        elif start >= size // 2 or (start and start + need > size):
            self._move(size)  # moves less than was consumed, or less than one frame
        if len(self._buffer) - self._end < at_least:
            self._move(max(2 * size, pending + at_least))
        return self._view[self._end :]

    def filled(self, count: int) -> None:
        """Take note that `count` bytes were received into `room()`."""
        self._end += count

    def take_all(self, frames: list[Frame]) -> None:
        """Append to `frames` all that is whole.

        Raises:
            RemoteProtocolError: as `next`; what was whole before has been appended.
        """
        # Nearly all that comes is plain: a short ASCII text in one piece. The rest is for `next`.
        buffer, start, end = self._buffer, self._start, self._end
        is_plain = not (self._expected_mask or self._opcode)
        while is_plain and end - start >= 4:
            head, length = _two_words(buffer, start)
            first = start + 4
            if 0x8100 <= head <= 0x8100 + 125:
                length = head & 0x7F
                first = start + 2
            elif head != 0x8100 + 126 or length < 126:
                break
            stop = first + length
            if stop > end or length > self._max_size:
                break
            data = buffer[first:stop]
            if not data.isascii():
                break
            frames.append(_new_frame((TEXT, data)))
            self._start = start = stop
            if stop == end:
                self._need = 2
                return
        while (frame := self.next()) is not None:
            frames.append(frame)

    def next(self) -> Frame | None:
        """Return the next message or control frame; None when more bytes are needed.

        Raises:
            RemoteProtocolError: the peer broke the protocol (close code 1002), sent text that
                is no UTF-8 (1007), or too much of it (1009).
        """
        buffer = self._buffer
        while True:
            start = self._start
            available = self._end - start
            if available < 2:
                self._need = 2
                return None
            first = buffer[start]
            length = buffer[start + 1] ^ self._expected_mask
            header = 2
            if length > 125:
                if length > 127:
                    raise _broken("the mask bit is wrong for this side")
                header = 4 if length == 126 else 10
                if available < header:
                    self._need = header
                    return None
                length = int.from_bytes(self._view[start + 2 : start + header], "big")
                if length < (126 if header == 4 else 1 << 16) or length >> 63:
                    raise _broken("a length is not encoded in its shortest form")
            if first not in (0x81, 0x82) or self._opcode or length > self._max_size:
                self._check(first, length)
            if self._expected_mask:
                header += 4
            if available < header + length:
                self._need = header + length
                return None
            stop = start + header + length
            data = buffer[start + header : stop]
            if self._expected_mask and length:
                key = bytes(self._view[start + header - 4 : start + header])
                data = _xor()(data, key)
            self._start = stop
            opcode = first & 0x0F
            if opcode < CLOSE and (not first & _FIN or not opcode):
                if opcode:
                    self._opcode = opcode
                self._parts.append(data)
                self._parts_size += length
                if not first & _FIN:
                    continue
                opcode, data = self._opcode, b"".join(self._parts)
                self._opcode, self._parts, self._parts_size = CONTINUATION, [], 0
            if opcode == TEXT:
                _check_text(data, "a text message")
            elif opcode == CLOSE:
                parse_close(data)
            return _new_frame((opcode, data))

    def _check(self, first: int, length: int) -> None:
        """Judge a header that is not simply a whole message of fair size."""
        opcode = first & 0x0F
        if first & _RSV:
            raise _broken("a reserved bit is set, and no extension was agreed on")
        if opcode in _CONTROLS:
            if not first & _FIN:
                raise _broken("a control frame is fragmented")
            if length > _MAX_CONTROL:
                raise _broken("a control frame is longer than 125 bytes")
            return
        if opcode > BINARY:
            raise _broken(f"opcode {opcode:#x} is reserved")
        if opcode and self._opcode:
            raise _broken("a new message begins before the last one ended")
        if not opcode and not self._opcode:
            raise _broken("a fragment continues no message")
        if self._parts_size + length > self._max_size:
            raise _broken(f"a message is larger than {self._max_size} bytes", 1009)
        if len(self._parts) >= self._max_fragments:
            raise _broken(f"a message has more than {self._max_fragments} fragments", 1009)

    def _move(self, size: int) -> None:
        """Bring what is pending to the front of a buffer of `size` bytes."""
        pending = self._end - self._start
        if size == len(self._buffer):
            self._view[:pending] = self._view[self._start : self._end]
        else:
            buffer = mmap.mmap(-1, size)
            view = memoryview(buffer)
            view[:pending] = self._view[self._start : self._end]
            self._buffer, self._view = buffer, view
        self._start, self._end = 0, pending


def pack(frames: Sequence[Frame], *, mask: bool = True) -> bytes:
    """Return `frames` as they go on the wire, headers and payloads in one buffer.

    Raises:
        LocalProtocolError: a control frame is longer than 125 bytes.
    """
    parts: list[bytes] = []
    keys = os.urandom(4 * len(frames)) if mask else b""
    mask_bit = _MASKED if mask else 0
    for index, (opcode, data) in enumerate(frames):
        size = len(data)
        first = _FIN | opcode
        if size <= _MAX_CONTROL:
            parts.append(bytes((first, mask_bit | size)))
        elif opcode in _CONTROLS:
            raise LocalProtocolError(f"a control frame of {size} bytes; 125 is the limit")
        elif size < 1 << 16:
            parts.append(bytes((first, mask_bit | 126)) + size.to_bytes(2, "big"))
        else:
            parts.append(bytes((first, mask_bit | 127)) + size.to_bytes(8, "big"))
        if mask:
            key = keys[4 * index : 4 * index + 4]
            parts.append(key)
            parts.append(_xor()(data, key) if size else b"")
        else:
            parts.append(data)
    return b"".join(parts)


def close_payload(code: int, reason: str = "") -> bytes:
    """Return the payload of a close frame; `reason` is cut to the 123 bytes that fit.

    1005 stands for "no code" and gives an empty payload.

    Raises:
        LocalProtocolError: `code` must not be sent.
    """
    if code == 1005:
        return b""
    if not _may_be_sent(code):
        raise LocalProtocolError(f"close code {code} must not be sent")
    text = reason.encode("utf-8", "replace")[: _MAX_CONTROL - 2]
    return code.to_bytes(2, "big") + text.decode("utf-8", "ignore").encode()


def parse_close(data: bytes) -> tuple[int, str]:
    """Return code and reason of a close frame's payload; 1005 when it has none.

    Raises:
        RemoteProtocolError: half a code, one that must not be sent, or a reason no UTF-8.
    """
    if not data:
        return 1005, ""
    if len(data) == 1:
        raise _broken("a close frame has half a code")
    code = int.from_bytes(data[:2], "big")
    if not _may_be_sent(code):
        raise _broken(f"close code {code} must not be sent")
    reason = data[2:]
    _check_text(reason, "the reason of a close frame")
    return code, reason.decode()


def _may_be_sent(code: int) -> bool:
    # RFC 6455 section 7.4 and the IANA registry (1012-1014)
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def _check_text(data: bytes, what: str) -> None:
    if not data.isascii():  # nearly all JSON is, and this is the quickest pass
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise _broken(f"{what} is not UTF-8", 1007) from error


def _broken(what: str, close_code: int = 1002) -> RemoteProtocolError:
    message = f"the peer broke the WebSocket protocol: {what}"  # a reason, which others quote
    return RemoteProtocolError(message, close_code=close_code)


@functools.cache
def _xor() -> Callable[[bytes, bytes], bytes]:
    """Choose how to mask: `websockets`' C function, else numpy, else one big integer."""
    try:
        from websockets.speedups import apply_mask
    except ImportError:
        pass
    else:
        return apply_mask
    try:
        import numpy as np
    except ImportError:
        return _xor_integers

    def xor_words(data: bytes, key: bytes) -> bytes:
        padded = data + bytes(-len(data) % 4)
        words = np.frombuffer(padded, np.uint32) ^ np.frombuffer(key, np.uint32)
        return words.tobytes()[: len(data)]

    return xor_words


def _xor_integers(data: bytes, key: bytes) -> bytes:
    size = len(data)
    keys = (key * (size // 4 + 1))[:size]
    masked = int.from_bytes(data, "little") ^ int.from_bytes(keys, "little")
    return masked.to_bytes(size, "little")
