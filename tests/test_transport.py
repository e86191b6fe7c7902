"""The line on real sockets: against `websockets`' server, and against peers made of raw bytes."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket
from raw_peer import (
    Talk,
    answers,
    heard,
    listening,
    server_context,
    silent,
    switching,
    trusting,
    upgraded,
)
from websockets.sync.server import ServerConnection, serve

from grok_rt import _transport
from grok_rt._framing import (
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
from grok_rt._transport import Transport, WebSocketTransport
from grok_rt.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectFailed,
    ConnectionClosedError,
    MissingExtra,
    RateLimited,
    RemoteProtocolError,
)

KEY = "xai-Zq8sW2pL9vB4nM7kT1rY6uE3"
BEARER = {"Authorization": f"Bearer {KEY}"}


@contextlib.contextmanager
def connected(port: int, scheme: str = "ws", **options: Any) -> Iterator[WebSocketTransport]:
    options.setdefault("timeout", 5)
    if scheme == "wss":
        options.setdefault("ssl_context", trusting())
    url = f"{scheme}://localhost:{port}/v1/realtime?model=m"
    transport = WebSocketTransport.connect(url, BEARER, **options)
    try:
        yield transport
    finally:
        transport.shutdown()
        transport.close()


def failed(port: int, scheme: str = "ws", **options: Any) -> ConnectFailed:
    """Connect in vain: every failure has a sentence, a hint, and no key, traceback included."""
    with pytest.raises(ConnectFailed) as caught, connected(port, scheme, **options):
        pass
    error = caught.value
    assert error.message.endswith((".", "?", "!"))
    assert KEY not in caught.exconly() + str(caught.getrepr(chain=True, style="value"))
    return error


@contextlib.contextmanager
def their_server(scheme: str, talk: Callable[[ServerConnection], None]) -> Iterator[int]:
    context = server_context() if scheme == "wss" else None
    with serve(talk, "127.0.0.1", 0, ssl=context, close_timeout=1) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join(5)


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


# --- an open line -------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_frames_go_and_come(scheme: str) -> None:
    """Messages of all sizes and control frames pass an independent server both ways."""
    messages = [Frame(TEXT, "grüße".encode()), Frame(BINARY, b""), Frame(BINARY, bytes(200_000))]
    with their_server(scheme, echo) as port, connected(port, scheme) as transport:
        checked: Transport = transport
        checked.send([*messages, Frame(PING, b"!")])
        received = [checked.recv() for _ in range(4)]
        assert [frame for frame in received if frame.opcode != PONG] == messages
        assert Frame(PONG, b"!") in received
        checked.send([Frame(CLOSE, close_payload(4321, "bye"))])
        assert checked.recv() == Frame(CLOSE, close_payload(4321, "bye"))
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
        listening(lambda c: upgraded(c, b"Set-Cookie: a=b; Domain=localhost") and None) as port,  # type: ignore[func-returns-value]
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
        assert [transport.recv(), transport.recv()] == early


def test_the_socket_blocks_for_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline of the connect ends with the connect: silence after it is no error."""

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        time.sleep(0.5)
        connection.sendall(pack([Frame(TEXT, b"late")], mask=False))

    raws: list[socket.socket] = []
    with listening(talk) as port, connected(port, timeout=0.3, on_socket=raws.append) as transport:
        assert transport.recv() == Frame(TEXT, b"late")
        assert raws[0].gettimeout() is None
        assert raws[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


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


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[Exception]]:
    raised: list[Exception] = []

    def work() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, raised


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
    raws: list[socket.socket] = []
    with their_server("ws", echo) as port, connected(port, on_socket=raws.append) as transport:
        descriptor = raws[0].fileno()
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


# --- refusals -----------------------------------------------------------------

INVALID = b'{"code":"Client specified an invalid argument","error":'
WRONG_KEY = INVALID + b'"Incorrect API key provided: ' + KEY.encode() + b'."}'


def with_length(status: bytes, body: bytes, *lines: bytes) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join((b"HTTP/1.1 " + status, length, *lines, b"", body))


def in_chunks(status: bytes, body: bytes, *lines: bytes) -> bytes:
    head = b"\r\n".join((b"HTTP/1.1 " + status, b"Transfer-Encoding: chunked", *lines, b"", b""))
    half = len(body) // 2
    parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:])]
    return head + b"".join(parts) + b"0\r\n\r\n"


def to_the_end(status: bytes, body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join((b"HTTP/1.1 " + status, *lines, b"", body))


@pytest.mark.parametrize("written", [with_length, in_chunks, to_the_end])
@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (b"400 Bad Request", WRONG_KEY, AuthenticationFailed, "Incorrect API key provided: ***"),
        (b"400 Bad Request", INVALID + b'"no such call"}', ConnectFailed, "no such call"),
        (b"401 Unauthorized", b"{}", AuthenticationFailed, "401"),
        (b"403 Forbidden", b'{"error":{"message":"team"}}', AuthenticationFailed, "team"),
        (b"404 Not Found", b"<html></html>", ConnectFailed, "404"),
        (b"429 Too Many", b'{"code":"c","error":"Slow down"}', RateLimited, "Slow down"),
        (b"503 Unavailable", b"upstream " + KEY.encode(), ConnectFailed, "upstream ***"),
        (b"200 OK", b"welcome", ConnectFailed, "welcome"),
        (b"301 Moved", b"", ConnectFailed, "301"),
    ],
)
def test_a_refusal_is_typed_however_it_is_written(
    written: Callable[..., bytes], status: bytes, body: bytes, kind: type[ConnectFailed], said: str
) -> None:
    """Status and body decide the error, whatever delimits the body; the key is masked."""
    lines = (b"X-Request-Id: req-7", b"Retry-After: 9", b"Location: http://127.0.0.1:1/")
    with listening(answers(written(status, body, *lines))) as port:
        error = failed(port)
    assert type(error) is kind
    assert error.status == int(status[:3])
    assert error.request_id == "req-7"
    assert said in error.message
    assert error.hint or status.startswith(b"400")
    if isinstance(error, RateLimited):
        assert error.retry_after == 9


def test_a_refusal_over_tls_is_read_too() -> None:
    """The body of a refusal comes out of TLS like anything else."""
    talk = answers(in_chunks(b"401 Unauthorized", b'{"code":"c","error":"expired token"}'))
    with listening(talk, context=server_context()) as port:
        error = failed(port, "wss")
    assert isinstance(error, AuthenticationFailed)
    assert error.code == "c"


@pytest.mark.parametrize("endless", [False, True], ids=["stalled", "endless"])
def test_a_refusal_s_body_cannot_hold_us(endless: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that stalls or never ends is told by what came of it."""
    monkeypatch.setattr(_transport, "_BODY_PATIENCE", 0.2)

    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(b"HTTP/1.1 429 X\r\nContent-Length: 99999999999\r\n\r\nslow down")
        while endless:
            connection.sendall(b"n" * 65536)
        connection.recv(1)

    started = time.monotonic()
    with listening(talk) as port:
        error = failed(port)
    assert isinstance(error, RateLimited)
    assert "slow down" in error.message
    assert time.monotonic() - started < 2


BAD_ANSWERS: dict[str, tuple[Talk, str]] = {
    "a wrong accept": (
        lambda c: c.sendall(switching(heard(c)).replace(b"Accept: ", b"Accept: x")),
        "as a WebSocket server",
    ),
    "no accept": (
        answers(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        "as a WebSocket server",
    ),
    "a bare 101": (answers(b"HTTP/1.1 101 X\r\n\r\n"), "as a WebSocket server"),
    "a header without colon": (answers(b"HTTP/1.1 101 X\r\nabc\r\n\r\n"), "as a WebSocket server"),
    "a header no UTF-8": (answers(b"HTTP/1.1 101 X\r\na: \xff\r\n\r\n"), "as a WebSocket server"),
    "an echo": (lambda c: c.sendall(heard(c)), "as a WebSocket server"),
    "another protocol": (answers(b"220 mail.example ESMTP\r\n"), "as a WebSocket server"),
    "an endless head": (answers(b"HTTP/1.1 101 X\r\n" + b"a: b\r\n" * 20_000), "as a WebSocket"),
    "nothing": (answers(), "closed the connection"),
    "half a head": (answers(b"HTTP/1.1 101 X\r\nUpgra"), "closed the connection"),
    "a subprotocol not offered": (
        lambda c: upgraded(c, b"Sec-WebSocket-Protocol: other") and None,  # type: ignore[func-returns-value]
        "subprotocol",
    ),
    "an extension": (
        lambda c: upgraded(c, b"Sec-WebSocket-Extensions: permessage-deflate") and None,  # type: ignore[func-returns-value]
        "extension",
    ),
}


@pytest.mark.parametrize(("talk", "words"), BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_an_answer_that_is_no_upgrade_is_refused(talk: Talk, words: str) -> None:
    """Who does not speak WebSocket is found out, whatever it says instead."""
    with listening(talk) as port:
        assert words in failed(port).message


def test_no_subprotocol_need_be_chosen() -> None:
    """A server that ignores the offer is taken: RFC 6455 lets it."""
    with (
        listening(lambda c: upgraded(c) and None) as port,  # type: ignore[func-returns-value]
        connected(port, subprotocols=("realtime",)),
    ):
        pass


# --- no answer ----------------------------------------------------------------


def drip(connection: socket.socket) -> None:
    heard(connection)
    for byte in b"HTTP/1.1 101 Switching Protocols\r\n" + b"a: b\r\n" * 1000:
        connection.sendall(bytes((byte,)))
        time.sleep(0.01)


@pytest.mark.parametrize("talk", [silent, drip])
@pytest.mark.parametrize("secured", [None, "handshake", "upgrade"])
def test_one_deadline_covers_everything(talk: Talk, secured: str | None) -> None:
    """Silence and dripped bytes, before and inside TLS: the timeout is the timeout."""
    context = server_context() if secured == "upgrade" else None
    started = time.monotonic()
    with listening(talk, context=context) as port:
        error = failed(port, "wss" if secured else "ws", timeout=0.3)
    assert "within 0.3 s" in error.message
    assert time.monotonic() - started < 1.5


def test_a_port_that_refuses_is_told() -> None:
    """Nobody listens: said at once, with host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failed(port).message == f"localhost:{port} refuses connections."


@pytest.mark.parametrize("hang", [False, True])
def test_an_unknown_host_is_told(hang: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not exist, and a resolver that does not answer, are two things."""
    asleep = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> object:
        if hang:
            asleep.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    started = time.monotonic()
    error = failed(1, timeout=0.2)
    asleep.set()
    assert ("DNS does not answer" if hang else "unknown host") in error.message
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("context", "ours", "words"),
    [
        (server_context("example.org"), trusting, "not for localhost"),
        (server_context(expired=True), trusting, "expired"),
        (server_context(), ssl.create_default_context, "issuer is not known"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_told(
    context: ssl.SSLContext, ours: Callable[[], ssl.SSLContext], words: str
) -> None:
    """Wrong name, wrong date, wrong issuer: three sentences."""
    with listening(silent, context=context) as port:
        assert words in failed(port, "wss", ssl_context=ours()).message


def test_a_plain_server_speaks_no_tls() -> None:
    """wss:// to a plain server says just that."""
    with listening(lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        assert "does not speak TLS" in failed(port, "wss").message


def test_a_server_that_hangs_up_in_tls_is_told() -> None:
    """The end in the middle of the TLS handshake is an end, not a TLS puzzle."""
    with listening(lambda c: c.recv(1) and None) as port:  # type: ignore[func-returns-value]
        assert "closed" in failed(port, "wss").message


def test_another_thread_can_end_a_connect() -> None:
    """`on_socket` hands out what ends the wait at once."""
    raws: list[socket.socket] = []
    dialled = threading.Event()

    def on_socket(raw: socket.socket) -> None:
        raws.append(raw)
        dialled.set()

    with listening(silent) as port:
        thread, errors = in_thread(
            lambda: WebSocketTransport.connect(
                f"ws://127.0.0.1:{port}/", BEARER, on_socket=on_socket, timeout=30
            )
        )
        assert dialled.wait(5)
        raws[0].shutdown(socket.SHUT_RDWR)
        thread.join(2)
        assert not thread.is_alive()
    assert isinstance(errors[0], ConnectFailed)


# --- settings, proxies, strangers ---------------------------------------------


def test_a_bad_setting_is_found_before_anything_is_sent() -> None:
    """URL, headers, subprotocols and proxy are checked first."""
    with listening(silent) as port:
        url = f"ws://127.0.0.1:{port}/"
        asked: list[socket.socket] = []
        for bad, options in (
            ("ws://192.0.2.1/", {}),
            ("wss://me:pw@h/", {}),
            (url, {"subprotocols": ["a b"]}),
            (url, {"proxy": "ftp://p"}),
        ):
            with pytest.raises(ConfigError):
                WebSocketTransport.connect(bad, BEARER, on_socket=asked.append, **options)  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            WebSocketTransport.connect(url, {"X": "a\r\nb"}, on_socket=asked.append)
        assert not asked


def proxy_to(target: int, asked: list[bytes]) -> Talk:
    """A proxy that knows but one way."""

    def talk(connection: socket.socket) -> None:
        asked.append(heard(connection))
        with socket.create_connection(("127.0.0.1", target)) as other:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=carry, args=(other, connection), daemon=True)
            back.start()
            carry(connection, other)
            back.join(5)

    return talk


def carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("explicit", [True, False])
def test_a_proxy_is_on_the_way(explicit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given or from the environment: the name is left to the proxy, TLS ends at the server."""
    context = server_context("voice.example")
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        connection.sendall(pack([Frame(TEXT, b"hello")], mask=False))
        silent(connection)

    with listening(talk, context=context) as target, listening(proxy_to(target, asked)) as port:
        url = f"http://me:hunter2@127.0.0.1:{port}"
        monkeypatch.setenv("https_proxy", url)
        monkeypatch.delenv("no_proxy", raising=False)
        transport = WebSocketTransport.connect(
            "wss://voice.example/v1/realtime",
            BEARER,
            ssl_context=trusting(),
            timeout=5,
            **({"proxy": url} if explicit else {}),
        )
        assert transport.recv() == Frame(TEXT, b"hello")
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
    monkeypatch.setattr(
        _transport, "dial", lambda host, port, deadline: 1 / 0 if port == 1 else _no()
    )

    with pytest.raises(ConnectFailed, match=r"voice\.example:443"):
        WebSocketTransport.connect("wss://voice.example/", BEARER, proxy=None)
    with pytest.raises(ZeroDivisionError):
        WebSocketTransport.connect("wss://voice.example/", BEARER)


def _no() -> socket.socket:
    raise ConnectionRefusedError


FOREIGN = [
    kind
    for module in (websocket._exceptions, ssl)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Exception) and not issubclass(kind, Warning)
] + [socket.gaierror, socket.herror, TimeoutError, ConnectionError, ValueError, UnicodeError]


def make(kind: type[Exception]) -> Exception:
    if kind is websocket.WebSocketBadStatusException:
        return kind(f"said {KEY}", 500)
    if issubclass(kind, UnicodeDecodeError):
        return kind("utf-8", KEY.encode(), 0, 1, "bad")
    error = kind(1, "x") if issubclass(kind, OSError) else kind(f"said {KEY}")
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_code, error.verify_message = 1, "bad"
    return error


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: kind.__name__)
def test_no_stranger_passes_the_door(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every exception of websocket-client, ssl and socket comes out as one of ours."""

    def connect(*_: object, **__: object) -> None:
        raise make(kind)

    class Broken:
        def sendall(self, data: bytes) -> None:
            raise make(kind)

        def recv_into(self, buffer: memoryview) -> int:
            raise make(kind)

    with their_server("ws", echo) as port:
        with monkeypatch.context() as patch:
            patch.setattr(websocket.WebSocket, "connect", connect)
            failed(port)
        if issubclass(kind, OSError):
            with connected(port) as transport:
                transport._stream = Broken()
                with pytest.raises(ConnectionClosedError) as caught:
                    transport.send([Frame(TEXT, b"x")])
                assert isinstance(caught.value.cause, kind)
                with pytest.raises(ConnectionClosedError):
                    transport.recv()


def test_socks_without_the_extra_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error between dialling and upgrade closes what was dialled."""
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with listening(silent) as port, pytest.raises(MissingExtra):
        WebSocketTransport.connect("wss://h/", BEARER, proxy=f"socks5://127.0.0.1:{port}")
