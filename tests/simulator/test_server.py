"""The simulator on a socket, seen by a client that is not ours."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from raw_peer import server_context
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from grok_rt.audio import AudioClip
from grok_rt.errors import MissingExtra
from grok_rt.simulator import Refusal, Script, Simulator

KEY = {"Authorization": "Bearer good"}


def dial(server: Simulator, query: str = "", **options: Any) -> ClientConnection:
    options.setdefault("additional_headers", KEY)
    return connect(server.url + query, max_size=None, compression=None, **options)


def send(client: ClientConnection, type: str, **fields: Any) -> None:
    client.send(json.dumps({"type": type, **fields}))


def until(client: ClientConnection, type: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != type:
        messages.append(json.loads(client.recv(timeout=10)))
    return messages


def test_ready_at_once() -> None:
    """The server can be reached within half a second of its start."""
    begun = time.monotonic()
    with Simulator() as server, dial(server) as client:
        until(client, "ping")
        assert time.monotonic() - begun < 0.5


def test_text_turn() -> None:
    """A whole turn goes over the wire, and the session remembers what it was sent."""
    with Simulator(Script().says("Yes.")) as server, dial(server) as client:
        content = [{"type": "input_text", "text": "Are you there?"}]
        item = {"type": "message", "role": "user", "content": content}
        send(client, "conversation.item.create", item=item)
        send(client, "response.create")
        done = until(client, "response.done")[-1]
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Yes."
        assert [event.type for event in server.received] == [
            "conversation.item.create",
            "response.create",
        ]
        assert len(server.sessions) == 1


def test_voice_turn_in_binary(question: AudioClip) -> None:
    """Audio may go both ways in binary frames."""
    with Simulator(Script().hears("Hi").says("Hello.")) as server, dial(server) as client:
        binary = {"transport": "binary"}
        detection = {"type": "server_vad", "silence_duration_ms": 200}
        session = {"turn_detection": detection, "audio": {"input": binary, "output": binary}}
        send(client, "session.update", session=session)
        until(client, "session.updated")
        client.send(question.data + bytes(48000))
        sound, types = b"", list[str]()
        while "response.done" not in types:
            message = client.recv(timeout=10)
            if isinstance(message, bytes):
                sound += message
            else:
                types.append(json.loads(message)["type"])
        assert len(sound) > 10_000
        assert "response.output_audio.delta" not in types


@pytest.mark.parametrize(
    ("status", "options", "headers"),
    [
        (401, {}, {}),
        (400, {"api_key": "other"}, KEY),
        (429, {"refuse": Refusal(429, retry_after=2)}, KEY),
        (503, {"refuse": 503}, KEY),
    ],
)
def test_refusals(status: int, options: dict[str, Any], headers: dict[str, str]) -> None:
    """Handshakes are refused with xAI's statuses and bodies."""
    with Simulator(**options) as server:
        with pytest.raises(InvalidStatus) as refused, dial(server, additional_headers=headers):
            pass
        response = refused.value.response
        assert response.status_code == status
        assert set(json.loads(response.body or b"")) == {"code", "error"}
        assert response.headers.get("Retry-After") == ("2" if status == 429 else None)


def test_wrong_path() -> None:
    """There is nothing beside /v1/realtime."""
    with (
        Simulator() as server,
        pytest.raises(InvalidStatus) as refused,
        connect(server.url.replace("realtime", "other"), additional_headers=KEY),
    ):
        pass
    assert refused.value.response.status_code == 404


@pytest.mark.parametrize(
    ("protocols", "chosen"),
    [
        (["xai-client-secret.good"], "xai-client-secret.good"),
        (["realtime", "openai-insecure-api-key.good", "openai-beta.realtime-v1"], "realtime"),
    ],
)
def test_subprotocols(protocols: Any, chosen: str) -> None:
    """A token may come as a subprotocol; the 101 names one that was offered."""
    with (
        Simulator(api_key="good") as server,
        dial(server, additional_headers={}, subprotocols=protocols) as client,
    ):
        assert client.subprotocol == chosen


def test_resumption() -> None:
    """The sessions of one server share their conversations."""
    with Simulator() as server:
        with dial(server) as client:
            send(client, "session.update", session={"resumption": {"enabled": True}})
            messages = until(client, "session.updated")
        conversation = messages[1]["conversation"]["id"]
        with dial(server, f"?conversation_id={conversation}") as client:
            assert until(client, "ping")[1]["conversation"]["id"] == conversation


def test_stop_closes_sessions() -> None:
    """The stop closes every session with 1001 and leaves nothing; it may be called twice."""
    before = set(threading.enumerate())
    closes: list[int | None] = []

    def drain(client: ClientConnection) -> None:
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=10)
        closes.append(closed.value.rcvd.code if closed.value.rcvd else None)

    server = Simulator().start()
    url = server.url
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(dial(server)) for _ in range(3)]
        for client in clients:
            until(client, "ping")
        drains = [threading.Thread(target=drain, args=(client,)) for client in clients]
        for thread in drains:
            thread.start()
        server.stop()
        server.stop()
        for thread in drains:
            thread.join(5)
    assert closes == [1001] * 3
    assert set(threading.enumerate()) <= before
    with pytest.raises(OSError), connect(url):
        pass


UPGRADE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer x\r\n\r\n"
)


@contextlib.contextmanager
def raw(server: Simulator) -> Iterator[socket.socket]:
    address = ("127.0.0.1", urlsplit(server.url).port or 0)
    with socket.create_connection(address, timeout=5) as client:
        yield client


def test_stop_with_a_mute_client() -> None:
    """A client that answers nothing holds stop up for about a second, not longer."""
    server = Simulator().start()
    with raw(server) as client:
        client.sendall(UPGRADE)
        assert client.recv(12) == b"HTTP/1.1 101"
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 2


def test_stop_with_a_client_that_does_not_read() -> None:
    """A session whose line is full of what nobody takes ends as soon."""
    content = [{"type": "input_text", "text": "x" * 8_000_000}]
    item = {"type": "message", "role": "user", "content": content}
    text = json.dumps({"type": "conversation.item.create", "item": item}).encode()
    server = Simulator().start()
    with raw(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(UPGRADE)
        assert client.recv(12) == b"HTTP/1.1 101"
        client.sendall(struct.pack("!BBQ4x", 0x81, 0x80 | 127, len(text)) + text)
        while b"conversation.item.added" not in client.recv(4096):
            pass
        time.sleep(0.2)  # the line fills
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize("said", [b"", b"GE", b"POST", UPGRADE[:40]])
@pytest.mark.parametrize("tls", [False, True])
def test_stop_with_a_silent_connection(said: bytes, tls: bool) -> None:
    """Who has connected and says no more is hung up on at once, in a TLS handshake too."""
    before = set(threading.enumerate())
    server = Simulator(ssl_context=server_context() if tls else None).start()
    with raw(server) as client:
        client.sendall(said)
        time.sleep(0.05)  # it is accepted
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 0.6
        with contextlib.suppress(OSError):
            while client.recv(4096):
                pass
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("code", [None, 1012])
def test_disconnect(code: int | None) -> None:
    """It cuts the line without a close frame, or closes with any code."""
    with Simulator() as server, dial(server) as client:
        until(client, "ping")
        server.disconnect(code)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=5)
        received = closed.value.rcvd
        assert (received.code if received else None) == code


def test_session_ends() -> None:
    """When a session has lasted too long the error comes first, then the close with 1000."""
    with Simulator(max_duration=0.05) as server, dial(server) as client:
        assert until(client, "error")[-1]["error"]["type"] == "max_duration"
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


def test_not_running() -> None:
    """Without start there is no URL; a server can be started again."""
    server = Simulator()
    with pytest.raises(RuntimeError):
        _ = server.url
    server.stop()
    for _ in range(2):
        with server, dial(server) as client:
            until(client, "ping")


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without websockets the sentence has the pip line."""
    monkeypatch.setitem(__import__("sys").modules, "websockets.sync.server", None)
    with pytest.raises(MissingExtra, match=r"grok_rt\[simulator\]"):
        Simulator().start()
