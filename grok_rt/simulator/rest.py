"""The one REST call beside the sessions, on their port: `POST /v1/realtime/client_secrets`.

WebSocket servers take GET only, so the start of a connection is read before they see it.
Runs in the server's thread for the connection.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
from collections.abc import Mapping
from typing import NamedTuple

from grok_rt.simulator.mint import Mint
from grok_rt.simulator.refusals import Refusal

__all__ = ["Post", "created", "first_bytes", "http_answer", "read_post"]

_PATIENCE = 5.0  # seconds for a client to say something
_LIMIT = 64 << 10
_LIFETIMES = range(1, 3601)


class Post(NamedTuple):
    """A request whose method is POST."""

    path: str
    headers: Mapping[str, str]
    body: bytes


def first_bytes(sock: socket.socket) -> bytes:
    """What a connection begins with: four bytes at least, if it has so many.

    Raises:
        TimeoutError: the client says nothing.
    """
    start = b""
    sock.settimeout(_PATIENCE)
    while len(start) < 4 and (more := sock.recv(_LIMIT)):
        start += more
    sock.settimeout(None)
    return start


def read_post(sock: socket.socket, start: bytes) -> Post:
    """The request that begins with `start`.

    Raises:
        ValueError, EOFError, OSError, http.client.HTTPException: it is none, or breaks off.
    """
    sock.settimeout(_PATIENCE)
    while b"\r\n\r\n" not in start and len(start) < _LIMIT:
        start += sock.recv(_LIMIT) or _broken_off()
    head, _, body = start.partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    _, path, _ = line.decode("ascii").split(" ")
    headers = http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
    length = min(int(headers.get("Content-Length", "0")), _LIMIT)
    while len(body) < length:
        body += sock.recv(_LIMIT) or _broken_off()
    return Post(path, dict(headers.items()), body)


def created(body: bytes, mint: Mint) -> Refusal | bytes:
    """The answer to who may have a token: its JSON, or what is wrong with the wish."""
    try:
        wish = json.loads(body or b"{}")
    except ValueError:
        return Refusal(400, "The body is no JSON.")
    lifetime = wish.get("expires_after") or {} if isinstance(wish, dict) else None
    if not isinstance(lifetime, dict):
        return Refusal(400, "The body must be an object, and expires_after in it.")
    if "anchor" in lifetime:
        return Refusal(400, "expires_after.anchor is not supported.")
    seconds = lifetime.get("seconds", 600)
    if type(seconds) is not int or seconds not in _LIFETIMES:
        return Refusal(400, "expires_after.seconds must be an integer from 1 to 3600.")
    value, expires_at = mint.make(seconds)
    return json.dumps({"value": value, "expires_at": expires_at}).encode()


def http_answer(answer: Refusal | bytes) -> bytes:
    """The bytes of an answer: a refusal, or the JSON of a success."""
    if isinstance(answer, Refusal):
        status, reason, headers, body = answer.status, answer.reason, answer.headers, answer.body
    else:
        status, reason, headers, body = 200, "OK", {"Content-Type": "application/json"}, answer
    headers = headers | {"Content-Length": str(len(body)), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode() + body


def _broken_off() -> bytes:
    raise EOFError
