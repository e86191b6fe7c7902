"""The simulator on a socket, seen by a client that is not ours."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import sys
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
from grok_rt.errors import ConfigError, MissingExtra
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


def of_the_server() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("grok-rt")}


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


@pytest.mark.parametrize("path", ["", "v1/other"])
@pytest.mark.parametrize("dashboard", [False, True])
def test_wrong_path(path: str, dashboard: bool) -> None:
    """There is nothing beside /v1/realtime, and a client that asks elsewhere is told so."""
    with (
        Simulator(dashboard=dashboard) as server,
        pytest.raises(InvalidStatus) as refused,
        connect(server.url.replace("v1/realtime", path), additional_headers=KEY),
    ):
        pass
    assert refused.value.response.status_code == 404
    assert b"sessions are at /v1/realtime" in (refused.value.response.body or b"")


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
    before = of_the_server()
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
    assert of_the_server() <= before
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
    before = of_the_server()
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
    assert of_the_server() <= before


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
    """Without trustme there is no certificate, and the sentence has the pip line."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(MissingExtra, match=r"grok_rt\[simulator\]"):
        Simulator(tls=True).start()


@pytest.mark.parametrize("options", [{"tls": True}, {"faults": ["wrong-name"]}], ids=str)
def test_two_certificates(options: dict[str, Any]) -> None:
    """A certificate that would not be served is refused, not forgotten."""
    with pytest.raises(ConfigError, match="give none of yours"):
        Simulator(ssl_context=server_context(), **options)


@pytest.mark.parametrize("chunk_ms", [20, 100])
def test_chunks(chunk_ms: int) -> None:
    """Audio comes in pieces of the length that was asked for."""
    with (
        Simulator(Script().says("One two three."), chunk_ms=chunk_ms) as server,
        dial(server) as client,
    ):
        send(client, "response.create")
        deltas = [
            message["audio_duration_ms"]
            for message in until(client, "response.done")
            if message["type"] == "response.output_audio.delta"
        ]
    assert len(deltas) > 3
    assert set(deltas[:-1]) == {chunk_ms}


def test_too_many_sessions() -> None:
    """Who comes too many is refused with 429, until somebody has gone."""
    with Simulator(max_sessions=1) as server:
        with dial(server) as client:
            until(client, "ping")
            with pytest.raises(InvalidStatus) as refused, dial(server):
                pass
            assert refused.value.response.status_code == 429
        with dial(server) as client:
            until(client, "ping")


def test_sessions_are_forgotten() -> None:
    """The newest sessions are remembered, and those that are open."""
    with Simulator(kept=2) as server, dial(server) as open_:
        until(open_, "ping")
        first = server.sessions[0]
        for _ in range(4):
            with dial(server) as client:
                until(client, "ping")
        with dial(server) as client:
            until(client, "ping")
        assert first in server.sessions
        assert len(server.sessions) <= 4


def test_grace() -> None:
    """With grace a call under way comes to its end, and nobody new is let in meanwhile."""
    server = Simulator(Script().says("One, two, three, four.")).start()
    with dial(server) as client:
        until(client, "ping")
        stopping = threading.Thread(target=server.stop, args=(30.0,))
        stopping.start()
        while get(server, "/healthz")[0] == 200:
            time.sleep(0.01)
        with pytest.raises(InvalidStatus) as refused, dial(server):
            pass
        assert refused.value.response.status_code == 503
        send(client, "response.create")
        assert until(client, "response.done")[-1]["response"]["status"] == "completed"
    stopping.join(10)
    assert not stopping.is_alive()


def test_grace_ends() -> None:
    """Who does not hang up in time is closed with 1001."""
    server = Simulator().start()
    with dial(server) as client:
        until(client, "ping")
        threading.Thread(target=server.stop, args=(0.05,)).start()
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    server.stop()


def get(server: Simulator, path: str) -> tuple[int, bytes]:
    asked = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=5)
    with contextlib.closing(asked):
        asked.request("GET", path)
        answer = asked.getresponse()
        return answer.status, answer.read()


def test_health() -> None:
    """Whoever watches over the server asks how it is; there is no page where none was wanted."""
    with Simulator(api_key="secret") as server:
        with dial(server, additional_headers={"Authorization": "Bearer secret"}) as client:
            until(client, "ping")
            assert get(server, "/healthz") == (200, b'{"status": "ok", "sessions": 1}')
        assert get(server, "/")[0] == 404


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /v1/realtime HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n", 426),
        (UPGRADE.replace(b"Version: 13", b"Version: 8"), 426),
        (UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"x" * 70_000, 400),
        (b"POST /v1/realtime/client_secrets HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/realtime/client_secrets HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 400),
        (b"POST /v1/realtime/client_secrets HTTP/2\r\n\r\n", 400),
    ],
)
def test_who_speaks_something_else(said: bytes, status: int) -> None:
    """What is no request, or no handshake, is told so, and hung up on."""
    with Simulator() as server, raw(server) as client:
        client.sendall(said)
        answer = b""
        while more := client.recv(4096):
            answer += more
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_client_that_breaks_the_protocol() -> None:
    """A frame without a mask is closed with 1002, and the server goes on."""
    with Simulator() as server:
        with raw(server) as client:
            client.sendall(UPGRADE + b"\x81\x02{}")
            said = b""
            with contextlib.suppress(ConnectionResetError):
                while more := client.recv(4096):
                    said += more
            assert b"\x03\xea" in said  # 1002
        with dial(server) as client:
            until(client, "ping")


def test_who_says_everything_at_once() -> None:
    """Frames may come in one piece with the request."""
    update = b'{"type": "session.update", "session": {}}'
    with Simulator() as server, raw(server) as client:
        client.sendall(UPGRADE + bytes([0x81, 0x80 | len(update)]) + bytes(4) + update)
        said = b""
        while b"session.updated" not in said:
            said += client.recv(4096)


def test_a_port_that_is_taken() -> None:
    """Two servers on one port: the second says so where it is started."""
    with Simulator() as server, pytest.raises(OSError, match="in use"):
        Simulator(port=urlsplit(server.url).port or 0).start()


def test_nobody_hears_of_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    """Clients that vanish in the middle of everything leave no word in the log above DEBUG."""
    with caplog.at_level("INFO"), Simulator(Script().says("a " * 200), pace=1000) as server:
        for _ in range(5):
            with raw(server) as client:
                create = b'{"type": "response.create"}'
                client.sendall(UPGRADE + bytes([0x81, 0x80 | len(create)]) + bytes(4) + create)
                client.recv(100)
        while server.sessions and not all(peer.closed for peer in server.sessions):
            time.sleep(0.01)
    assert caplog.records == []


def test_the_key_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Not even DEBUG shows what clients show at the door."""
    key = "xai-secret-of-the-test"
    upgrade = UPGRADE.replace(b"Bearer x", f"Bearer {key}".encode())
    for good in (key, "another"):
        with caplog.at_level("DEBUG"), Simulator(api_key=good) as server, raw(server) as client:
            client.sendall(upgrade)
            assert client.recv(12) == (b"HTTP/1.1 101" if good == key else b"HTTP/1.1 400")
    assert key not in caplog.text
