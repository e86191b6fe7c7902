"""The call that makes tokens, asked by clients that are not ours."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from raw_peer import server_context, trusting

from grok_rt.simulator import Simulator

KEY = "xai-key-of-the-test"
PATH = "/v1/realtime/client_secrets"


def ask(
    server: Simulator, body: Any = "{}", *, key: str = KEY, path: str = PATH, tls: bool = False
) -> tuple[int, dict[str, Any]]:
    where = urlsplit(server.url)
    assert where.hostname
    asked: http.client.HTTPConnection
    if tls:
        asked = http.client.HTTPSConnection(where.hostname, where.port, context=trusting())
    else:
        asked = http.client.HTTPConnection(where.hostname, where.port)
    data = body if isinstance(body, str) else json.dumps(body)
    asked.request("POST", path, data, {"Authorization": f"Bearer {key}"} if key else {})
    answer = asked.getresponse()
    assert answer.getheader("Content-Type") == "application/json"
    said = json.loads(answer.read())
    asked.close()
    return answer.status, said


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("body", "seconds"),
    [("", 600), ({}, 600), ({"expires_after": None}, 600), ({"expires_after": {"seconds": 9}}, 9)],
)
def test_a_token_is_made(body: Any, seconds: int, tls: bool) -> None:
    """Its value and its expiry, at the top level of the answer, on the port of the sessions."""
    with Simulator(api_key=KEY, ssl_context=server_context() if tls else None) as server:
        status, said = ask(server, body, tls=tls)
    assert status == 200
    assert set(said) == {"value", "expires_at"}
    assert said["value"].startswith("xai-realtime-client-secret-")
    assert said["expires_at"] == pytest.approx(time.time() + seconds, abs=5)


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        {"expires_after": 5},
        {"expires_after": {"seconds": 0}},
        {"expires_after": {"seconds": 3601}},
        {"expires_after": {"seconds": "60"}},
        {"expires_after": {"seconds": True}},
        {"expires_after": {"anchor": "created_at", "seconds": 60}},
    ],
)
def test_a_wish_that_cannot_be_granted(body: Any) -> None:
    """It is a 400 with xAI's two strings."""
    with Simulator() as server:
        status, said = ask(server, body)
    assert status == 400
    assert set(said) == {"code", "error"}


@pytest.mark.parametrize(("key", "status"), [("", 401), ("xai-wrong", 400)])
def test_the_key_is_asked_for(key: str, status: int) -> None:
    """Without the key there is no token."""
    with Simulator(api_key=KEY) as server:
        assert ask(server, key=key)[0] == status


def test_a_token_is_no_key() -> None:
    """A token makes no token."""
    with Simulator() as server:
        token = ask(server)[1]["value"]
        assert ask(server, key=token)[0] == 403


def test_there_is_one_call_only() -> None:
    """Any other path is not found; a GET here is not either."""
    with Simulator() as server:
        assert ask(server, path="/v1/realtime")[0] == 404
        assert ask(server, path="/v1/other")[0] == 404
        asked = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port)
        asked.request("GET", PATH)
        assert asked.getresponse().status == 404
        asked.close()


@pytest.mark.parametrize("size", [1, 3, 5, 4096])
def test_a_request_may_come_in_pieces(size: int) -> None:
    """Head and body are put together, however they were cut."""
    body = b'{"expires_after": {"seconds": 60}}'
    head = f"POST {PATH} HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    with Simulator() as server, _connected(server) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(request), size):
            raw.sendall(request[at : at + size])
        assert raw.recv(1024).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GE",
        b"POST",
        b"POST \r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc",
        b"POST / HTTP/1.1\r\n" + b"a" * 70_000,
        b"\x16\x03\x01",
    ],
)
def test_nonsense_does_not_stop_it(request_: bytes) -> None:
    """Who speaks something else, or breaks off, is hung up on; the next one is served."""
    with Simulator() as server:
        with _connected(server) as raw, contextlib.suppress(OSError):  # it may be faster
            raw.sendall(request_)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
        assert ask(server)[0] == 200


@pytest.mark.parametrize("tls", [False, True])
def test_an_upgrade_may_come_in_pieces(tls: bool) -> None:
    """Reading the first words takes nothing from the WebSocket server."""
    request = (
        b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Authorization: Bearer x\r\n\r\n"
    )
    with (
        Simulator(ssl_context=server_context() if tls else None) as server,
        _connected(server, trusting() if tls else None) as raw,
    ):
        for part in (request[:2], request[2:9], request[9:]):
            raw.sendall(part)
        assert raw.recv(12) == b"HTTP/1.1 101"


def _connected(server: Simulator, context: ssl.SSLContext | None = None) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=5)
    return raw if context is None else context.wrap_socket(raw, server_hostname="127.0.0.1")
