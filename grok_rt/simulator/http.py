"""HTTP as the simulator's port speaks it: one request, one answer, and the upgrade to WebSocket.

Pure: bytes in, bytes out. What is answered is decided elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import http.client
import io
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from grok_rt.simulator.refusals import Refusal

__all__ = ["BadRequest", "Request", "answer", "no_websocket", "read_request", "switching"]

LIMIT = 64 << 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class BadRequest(ValueError):
    """What was said is no request that can be answered; its text says why."""


class Request(NamedTuple):
    """A request.

    Attributes:
        method: such as ``GET``.
        target: path and query as they were sent.
        headers: by their names in lower case; what came twice is joined by a comma.
        body: what came behind the headers and belongs to it.
        rest: what came behind that.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    rest: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query; of a repeated one the last."""
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def wants_websocket(self) -> bool:
        """Whether it asks for the upgrade."""
        return self.headers.get("upgrade", "").lower() == "websocket"


def read_request(said: bytes) -> Request | None:
    """The request that `said` begins with; None as long as it is not whole.

    Raises:
        BadRequest: it never will be.
    """
    head, end, behind = said.partition(b"\r\n\r\n")
    if not end:
        if len(said) > LIMIT:
            raise BadRequest("The request has no end.")
        return None
    line, _, fields = head.partition(b"\r\n")
    try:
        method, target, version = line.decode("ascii").split(" ")
        parsed = http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
        length = int(parsed.get("Content-Length", "0"))
        urlsplit(target)
    except (ValueError, http.client.HTTPException):
        raise BadRequest("This is no HTTP request.") from None
    if not version.startswith("HTTP/1.") or not 0 <= length <= LIMIT:
        raise BadRequest("Only HTTP/1.1 is spoken here, and short bodies are read.")
    if len(behind) < length:
        return None
    headers: dict[str, str] = {}
    for name, value in parsed.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return Request(method, target, headers, behind[:length], behind[length:])


def answer(
    status: int, reason: str, headers: Mapping[str, str], body: bytes, *, length: bool = True
) -> bytes:
    """An answer, after which the connection ends; without `length` its body goes on until then."""
    more = {"Content-Length": str(len(body))} if length else {}
    return _head(status, reason, {**headers, **more, "Connection": "close"}) + body


def no_websocket(request: Request) -> Refusal | None:
    """What is wrong with the upgrade that `request` asks for; None if nothing is."""
    if request.method != "GET" or not request.wants_websocket:
        return Refusal(426, "This is a WebSocket: ask for the upgrade.")
    if request.headers.get("sec-websocket-version") != "13":
        return Refusal(426, "Only version 13 of WebSocket is spoken here.")
    try:
        key = base64.b64decode(request.headers.get("sec-websocket-key", ""), validate=True)
    except binascii.Error:
        key = b""
    return None if len(key) == 16 else Refusal(400, "Sec-WebSocket-Key is missing or wrong.")


def switching(request: Request, subprotocol: str | None) -> bytes:
    """The answer that makes a WebSocket of the connection."""
    key = request.headers["sec-websocket-key"].encode("ascii")
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept.decode("ascii"),
    }
    if subprotocol is not None:
        headers["Sec-WebSocket-Protocol"] = subprotocol
    return _head(101, "Switching Protocols", headers)


def _head(status: int, reason: str, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1", "replace")
