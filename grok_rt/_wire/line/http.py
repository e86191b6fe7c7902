"""The little HTTP/1.1 around a WebSocket: the head of an answer, and the body of a refusal.

Pure reading from a stream, bounded in bytes here and in time by the stream. No judgement: what an
answer means is said elsewhere. Runs in the thread that connects.
"""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grok_rt._wire.tls import Stream

LIMIT = 64 << 10  # bytes of a head, and of a body
BODY_PATIENCE = 2.0  # seconds for the body of a refusal, whose head says enough

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_START = b"HTTP/1."
_CHUNK = 4096


class NotHTTP(Exception):
    """The peer speaks something else."""


class Head(NamedTuple):
    """The head of an answer, and what came in the same breath."""

    status: int
    raw: bytes
    rest: bytes


class Answer(NamedTuple):
    """A whole answer; the keys of `headers` are in lower case, `body` may be cut short."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_head(stream: Stream) -> Head:
    """Read up to the blank line that ends an answer's head.

    Raises:
        NotHTTP: this is no HTTP/1.1, or a head without end.
        ConnectionResetError: the peer closed before the end.
        OSError: the stream failed.
    """
    received = bytearray()
    while (end := _END.search(received, max(0, len(received) - _CHUNK - 3))) is None:
        if not received.startswith(_START[: len(received)]) or len(received) > LIMIT:
            raise NotHTTP
        chunk = stream.recv(_CHUNK)
        if not chunk:
            raise ConnectionResetError("closed before an answer")
        received += chunk
    raw = bytes(received[: end.end()])
    line = _STATUS_LINE.match(raw)
    if line is None:
        raise NotHTTP
    return Head(int(line[1]), raw, bytes(received[end.end() :]))


def read_answer(head: Head, stream: Stream) -> Answer:
    """Read the body of an answer, however it is delimited, as far as it comes.

    A body that breaks off, or is still coming when the stream's deadline is over, is cut short.
    """
    import http.client

    source = _Replay(head.raw + head.rest, stream)
    response = http.client.HTTPResponse(source, method="GET")  # type: ignore[arg-type]
    body = bytearray()
    headers: dict[str, str] = {}
    with contextlib.closing(response), contextlib.suppress(OSError, http.client.HTTPException):
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        while len(body) < LIMIT and (part := response.read1(LIMIT - len(body))):
            body += part
    return Answer(head.status, headers, bytes(body))


class _Replay(io.RawIOBase):
    """What was received already, then the stream: the file that `http.client` reads."""

    def __init__(self, received: bytes, stream: Stream) -> None:
        self._received = io.BytesIO(received)
        self._stream = stream

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if count := self._received.readinto(buffer):
            return count
        chunk = self._stream.recv(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)
