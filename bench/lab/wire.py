"""The server's side of the wire, as bytes: upgrade, frames, the few events that benches need."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
STAMP_SIZE = 20  # digits of the clock, in the event's id


def switching(request: bytes) -> bytes:
    """Make the answer to an upgrade; whatever subprotocol is offered first is chosen."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    ]
    if offered := re.search(rb"(?i)sec-websocket-protocol: *([^\s,]+)", request):
        lines.append(b"Sec-WebSocket-Protocol: " + offered[1])
    return b"\r\n".join((*lines, b"", b""))


def frame(data: bytes, opcode: int = TEXT) -> bytes:
    size, first = len(data), bytes([0x80 | opcode])
    if size < 126:
        return first + bytes([size]) + data
    if size < 1 << 16:
        return first + b"\x7e" + size.to_bytes(2, "big") + data
    return first + b"\x7f" + size.to_bytes(8, "big") + data


def event(wire_type: str, **fields: object) -> bytes:
    return json.dumps({"type": wire_type, **fields}, separators=(",", ":")).encode()


def delta(size: int, event_id: str = "event_CLUzT5Yq2zQx3Z0c4mJQe") -> bytes:
    """An audio delta with `size` bytes of base64."""
    return event(
        "response.output_audio.delta",
        event_id=event_id,
        response_id="resp_CLUzS2kD8dPq1b7UuZzYQ",
        item_id="item_CLUzSyGq0uVw1o3lKZ9aA",
        output_index=0,
        content_index=0,
        delta=base64.b64encode(os.urandom(size * 3 // 4)).decode(),
    )


#: What a session begins with, its answer to `session.update`, and what says that a round is over.
GREETING = frame(event("session.created", event_id="e1", session={"id": "s1"})) + frame(
    event("conversation.created", event_id="e2", conversation={"id": "c1"})
)
UPDATED = frame(event("session.updated", event_id="e3", session={"id": "s1"}))
RESPONSE = {"id": "r1", "status": "completed", "output": []}
DONE = frame(event("response.done", event_id="e4", response=RESPONSE))


def stamped(size: int) -> tuple[bytes, bytes]:
    """An audio delta's frame in two parts; the time in `STAMP_SIZE` digits goes between."""
    blank = "@" * STAMP_SIZE
    before, after = frame(delta(size, blank)).split(blank.encode())
    return before, after


def floor(line: socket.socket) -> Iterator[bytes]:
    """Receive and find the frames of a server, and nothing else: what no reader can go below."""
    buffer = bytearray(256 << 10)
    view = memoryview(buffer)
    start = end = 0
    while count := line.recv_into(view[end:]):
        end += count
        while end - start >= 10:
            size, header = buffer[start + 1], 2
            if size > 125:
                header = 4 if size == 126 else 10
                size = int.from_bytes(view[start + 2 : start + header], "big")
            if end - start < header + size:
                break
            at, start = start + header, start + header + size
            yield bytes(view[at:start])
        view[: end - start] = view[start:end]
        start, end = 0, end - start


class Incoming:
    """Finds the frames in what a client has sent, without looking at their payload."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def take(self, data: bytes) -> list[int]:
        """Return the opcodes of the frames that are whole now."""
        buffer = self._buffer
        buffer += data
        opcodes, at, end = [], 0, len(buffer)
        while end - at >= 6:
            size, header = buffer[at + 1] & 0x7F, 6
            if size > 125:
                header = 8 if size == 126 else 14
                if end - at < header:
                    break
                size = int.from_bytes(buffer[at + 2 : at + header - 4], "big")
            if end - at < header + size:
                break
            opcodes.append(buffer[at] & 0x0F)
            at += header + size
        del buffer[:at]
        return opcodes
