"""The open line and its end: against `websockets`' server, and peers made of raw bytes."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
import threading
import time

import pytest
import websocket
from line import BEARER, KEY, connected, echo, failed, in_thread, their_server
from raw_peer import (
    answers,
    connect_proxy,
    heard,
    listening,
    server_context,
    silent,
    switching,
    trusting,
    upgraded,
)
from taking import Taker

from grok_rt._wire import line as _line
from grok_rt._wire.framing import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    close_payload,
    pack,
)
from grok_rt._wire.line import proxy as _proxy
from grok_rt._wire.transport import Transport, WebSocketTransport
from grok_rt.errors import (
    ConfigError,
    ConnectFailed,
    ConnectionClosedError,
    MissingExtra,
    RemoteProtocolError,
)

# --- an open line -------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_frames_go_and_come(scheme: str) -> None:
    """Messages of all sizes and control frames pass an independent server both ways."""
    messages = [Frame(TEXT, "grüße".encode()), Frame(BINARY, b""), Frame(BINARY, bytes(200_000))]
    with their_server(scheme, echo) as port, connected(port, scheme) as transport:
        checked: Transport = transport
        checked.send([*messages, Frame(PING, b"!")])
        take = Taker(checked)
        received = [take() for _ in range(4)]
        assert [frame for frame in received if frame.opcode != PONG] == messages
        assert Frame(PONG, b"!") in received
        checked.send([Frame(CLOSE, close_payload(4321, "bye"))])
        assert take() == Frame(CLOSE, close_payload(4321, "bye"))
        with pytest.raises(ConnectionClosedError, match="without a close frame") as caught:
            checked.recv()
        assert caught.value.code == 1006


def test_the_request_is_ours_alone() -> None:
    """Path, query, host, headers and subprotocols arrive; no Origin and no cookie does."""
    requests: list[bytes] = []
    chosen = b"Sec-WebSocket-Protocol: xai-client-secret.t0ken"

    def talk(connection: socket.socket) -> None:
        requests.append(upgraded(connection, chosen))

    websocket._handshake.CookieJar.set("a=b; Domain=localhost")
    try:
        with (
            listening(talk) as port,
            connected(port, subprotocols=("realtime", "xai-client-secret.t0ken")),
        ):
            pass
    finally:
        websocket._handshake.CookieJar.jar.clear()
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "GET /v1/realtime?model=m HTTP/1.1"
    assert f"Host: localhost:{port}" in lines
    assert f"Authorization: Bearer {KEY}" in lines
    assert "Sec-WebSocket-Protocol: realtime, xai-client-secret.t0ken" in lines
    names = [line.partition(":")[0].lower() for line in lines[1:-2]]
    assert len(names) == len(set(names))
    assert not {"origin", "cookie"} & set(names)


def test_no_cookie_is_kept() -> None:
    """A cookie of one server is not kept for the other users of websocket-client."""
    with (
        listening(lambda c: upgraded(c, b"Set-Cookie: a=b; Domain=localhost")) as port,
        connected(port),
    ):
        pass
    assert not websocket._handshake.CookieJar.jar


def test_the_key_is_in_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    """Not even websocket-client's trace log shows the key."""
    websocket.enableTrace(True, handler=logging.NullHandler(), level="DEBUG")
    logging.getLogger("websocket").addHandler(caplog.handler)
    try:
        with their_server("ws", echo) as port, connected(port, subprotocols=()):
            pass
    finally:
        logging.getLogger("websocket").removeHandler(caplog.handler)
        websocket.enableTrace(False)
    assert "request header" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("size", [0, 3, 100_000])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_nothing_behind_the_answer_is_lost(scheme: str, size: int) -> None:
    """Frames that travel in one packet with the 101 are the first to be received."""
    early = [Frame(TEXT, b"e" * size), Frame(PING, b"x")]

    def talk(connection: socket.socket) -> None:
        request = heard(connection)
        connection.sendall(switching(request) + pack(early, mask=False))
        silent(connection)

    context = server_context() if scheme == "wss" else None
    with listening(talk, context=context) as port, connected(port, scheme) as transport:
        take = Taker(transport)
        assert [take(), take()] == early


def test_the_socket_blocks_for_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline of the connect ends with the connect: silence after it is no error."""

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        time.sleep(0.5)
        connection.sendall(pack([Frame(TEXT, b"late")], mask=False))

    with listening(talk) as port, connected(port, timeout=0.3) as transport:
        assert transport.recv() == [Frame(TEXT, b"late")]
        assert transport._raw.gettimeout() is None
        assert transport._raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_batch_is_one_write() -> None:
    """All that is pending leaves in one piece, masked as a client must."""
    frames = [Frame(TEXT, b"one"), Frame(PING, b"two")]
    received: list[Frame] = []
    done = threading.Event()

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        reader = FrameReader(masked=True)
        count = connection.recv_into(reader.room())
        reader.filled(count)
        received.extend(iter(reader.next, None))
        done.set()

    with listening(talk) as port, connected(port) as transport:
        transport.send(frames)
        assert done.wait(5)
    assert received == frames


def test_a_broken_frame_is_the_server_s_fault() -> None:
    """The grammar is checked on the line too, with the close code to answer."""

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        connection.sendall(pack([Frame(BINARY, bytes(2000))], mask=False))
        silent(connection)

    with listening(talk) as port, connected(port, max_size=1999) as transport:
        with pytest.raises(RemoteProtocolError) as caught:
            transport.recv()
        assert caught.value.close_code == 1009


# --- the end of a line --------------------------------------------------------


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_shutdown_wakes_a_reader_and_a_blocked_writer(scheme: str) -> None:
    """Both raise at once, and so does every later call."""
    release = threading.Event()

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        release.wait(10)

    context = server_context() if scheme == "wss" else None
    with listening(talk, context=context) as port, connected(port, scheme) as transport:
        reader, read = in_thread(transport.recv)
        writer, written = in_thread(lambda: transport.send([Frame(BINARY, bytes(32 << 20))]))
        writer.join(0.3)
        assert reader.is_alive()
        assert writer.is_alive()
        for _ in range(3):
            transport.shutdown()
        reader.join(2)
        writer.join(2)
        release.set()
        for errors in (read, written):
            assert [type(error) for error in errors] == [ConnectionClosedError]
            assert errors[0].code == 1006  # type: ignore[attr-defined]
            assert "on this side" in str(errors[0])
        for call in (transport.recv, lambda: transport.send([Frame(PING, b"")])):
            with pytest.raises(ConnectionClosedError):
                call()


def test_shutdown_ends_a_flood() -> None:
    """A reader that is kept busy by the server stops all the same."""

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        block = pack([Frame(TEXT, b"x" * 1000)] * 100, mask=False)
        while True:
            connection.sendall(block)

    def read() -> None:
        while True:
            transport.recv()

    with listening(talk) as port, connected(port) as transport:
        reader, errors = in_thread(read)
        time.sleep(0.1)
        transport.shutdown()
        reader.join(2)
        assert not reader.is_alive()
        assert isinstance(errors[0], ConnectionClosedError)


def test_a_closed_line_raises_and_keeps_quiet() -> None:
    """After close, calls raise; close and shutdown may be repeated; the descriptor is free."""
    with their_server("ws", echo) as port, connected(port) as transport:
        descriptor = transport.fileno()
        transport.close()
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(descriptor)
        transport.close()
        transport.shutdown()
        with pytest.raises(ConnectionClosedError):
            transport.send([Frame(TEXT, b"x")])
        with pytest.raises(ConnectionClosedError):
            transport.recv()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_reset_is_a_loss_with_its_cause(scheme: str) -> None:
    """A peer that resets costs the connection: 1006, with the system's error as the cause."""

    def reset(connection: socket.socket) -> None:
        upgraded(connection)
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    context = server_context() if scheme == "wss" else None
    with listening(reset, context=context) as port, connected(port, scheme) as transport:
        transport.send([Frame(BINARY, bytes(1000))])
        with pytest.raises(ConnectionClosedError) as caught:
            [transport.recv() for _ in range(1000)]
        assert caught.value.code == 1006


def test_what_was_whole_before_a_breach_is_not_lost() -> None:
    """Frames that came with a broken one are returned first; then the breach is raised, always."""
    good = [Frame(TEXT, b"one"), Frame(TEXT, b"two")]

    def talk(connection: socket.socket) -> None:
        request = heard(connection)
        connection.sendall(switching(request) + pack(good, mask=False) + b"\xf1\x00")
        silent(connection)

    with listening(talk) as port, connected(port) as transport:
        take = Taker(transport)
        assert [take(), take()] == good
        assert transport.is_ready  # though nothing more will come
        for _ in range(2):
            with pytest.raises(RemoteProtocolError):
                take()


# --- settings, proxies, strangers ---------------------------------------------


def test_a_bad_setting_is_found_before_anything_is_sent() -> None:
    """URL, headers, subprotocols and proxy are checked first."""
    with listening(silent) as port:
        url = f"ws://127.0.0.1:{port}/"
        asked: list[object] = []
        for bad, options in (
            ("ws://192.0.2.1/", {}),
            ("wss://me:pw@h/", {}),
            (url, {"subprotocols": ["a b"]}),
            (url, {"proxy": "ftp://p"}),
        ):
            with pytest.raises(ConfigError):
                WebSocketTransport.connect(bad, BEARER, on_wait=asked.append, **options)  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            WebSocketTransport.connect(url, {"X": "a\r\nb"}, on_wait=asked.append)
        assert not asked


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("explicit", [True, False])
def test_a_proxy_is_on_the_way(
    scheme: str, explicit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given or from the environment: the name is left to the proxy, TLS ends at the server,
    inside the proxy's own where there is one.
    """
    monkeypatch.setattr(_proxy, "default_context", trusting)
    context = server_context("voice.example")
    outer = server_context() if scheme == "https" else None
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        connection.sendall(pack([Frame(TEXT, b"hello")], mask=False))
        silent(connection)

    with (
        listening(talk, context=context) as target,
        listening(connect_proxy(asked, to=target), context=outer) as port,
    ):
        url = f"{scheme}://me:hunter2@127.0.0.1:{port}"
        monkeypatch.setenv("https_proxy", url)
        monkeypatch.delenv("no_proxy", raising=False)
        transport = WebSocketTransport.connect(
            "wss://voice.example/v1/realtime",
            BEARER,
            ssl_context=trusting(),
            timeout=5,
            proxy=url if explicit else "environment",
        )
        assert transport.recv() == [Frame(TEXT, b"hello")]
        transport.shutdown()
        transport.close()
    assert asked[0].startswith(b"CONNECT voice.example:443 ")
    assert KEY.encode() not in asked[0]


def test_a_proxy_s_trouble_is_the_proxy_s() -> None:
    """A proxy that cannot be reached, or hangs up, is named; its password is not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    dead = failed(1, proxy=f"http://me:hunter2@127.0.0.1:{port}")
    assert dead.message == f"The proxy 127.0.0.1:{port} refuses connections."
    with listening(answers()) as port:
        gone = failed(1, proxy=f"http://me:hunter2@127.0.0.1:{port}")
    assert gone.message.startswith(f"The proxy 127.0.0.1:{port} closed the connection")
    assert "hunter2" not in str(dead) + str(gone)


def test_no_proxy_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """proxy=None goes directly, whatever the environment says."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    dialled: list[tuple[str, int]] = []

    def dial(host: str, port: int, *_: object) -> socket.socket:
        dialled.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(_line, "dial", dial)
    for proxy in (None, "environment"):
        with pytest.raises(ConnectFailed):
            WebSocketTransport.connect("wss://voice.example/", BEARER, proxy=proxy)
    assert dialled == [("voice.example", 443), ("127.0.0.1", 1)]


def test_socks_without_the_extra_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error between dialling and upgrade closes what was dialled."""
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with listening(silent) as port, pytest.raises(MissingExtra):
        WebSocketTransport.connect("wss://h/", BEARER, proxy=f"socks5://127.0.0.1:{port}")
