"""The one REST call beside the sessions, on their port: `POST /v1/realtime/client_secrets`.

WebSocket servers take GET only, so the first word of a connection is read before they see it.
Runs in the server's thread for the connection.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple

from grok_rt.simulator.mint import Mint
from grok_rt.simulator.refusals import Refusal

__all__ = ["Post", "Reread", "created", "first_word", "http_answer", "read_post"]

_PATIENCE = 5.0  # seconds for a client to say something
_LIMIT = 64 << 10
_LIFETIMES = range(1, 3601)


class Post(NamedTuple):
    """A request, without the word POST."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Reread:
    """A socket of which something has been read already: that comes again."""

    def __init__(self, sock: socket.socket, start: bytes) -> None:
        self._sock = sock
        self._start = start

    def recv(self, size: int) -> bytes:
        """What was read already, then as the socket."""
        start, self._start = self._start[:size], self._start[size:]
        return start or self._sock.recv(size)

    def __getattr__(self, name: str) -> Any:
        """All the rest is the socket's."""
        return getattr(self._sock, name)


def first_word(sock: socket.socket) -> bytes:
    """The first four bytes of a connection, fewer if it ends.

    Raises:
        TimeoutError: the client says nothing.
    """
    word = b""
    sock.settimeout(_PATIENCE)
    while len(word) < 4 and (more := sock.recv(4 - len(word))):
        word += more
    sock.settimeout(None)
    return word


def read_post(sock: socket.socket) -> Post:
    """The rest of a request that begins with POST.

    Raises:
        ValueError, OSError, http.client.HTTPException: it is none, or breaks off.
    """
    sock.settimeout(_PATIENCE)
    with sock.makefile("rb") as file:
        path, _version = file.readline(_LIMIT).decode("ascii").split()
        headers = dict(http.client.parse_headers(file).items())
        length = {name.lower(): value for name, value in headers.items()}.get("content-length", "0")
        return Post(path, headers, file.read(min(int(length), _LIMIT)))


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
