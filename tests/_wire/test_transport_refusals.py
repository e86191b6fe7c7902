"""Connecting in vain: each way to be refused, or not to be answered, has its own sentence."""

from __future__ import annotations

import inspect
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest
import websocket
from line import BEARER, KEY, connected, echo, failed, in_thread, their_server
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

from grok_rt._wire import transport as _transport
from grok_rt._wire.framing import TEXT, Frame
from grok_rt._wire.transport import WebSocketTransport
from grok_rt.errors import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectionClosedError,
    RateLimited,
)

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
    monkeypatch.setattr(_transport, "BODY_PATIENCE", 0.2)

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
        lambda c: upgraded(c, b"Sec-WebSocket-Protocol: other"),
        "subprotocol",
    ),
    "an extension": (
        lambda c: upgraded(c, b"Sec-WebSocket-Extensions: permessage-deflate"),
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
        listening(lambda c: upgraded(c)) as port,
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
    with listening(lambda c: c.recv(1)) as port:
        assert "closed" in failed(port, "wss").message


@pytest.mark.parametrize(("scheme", "other"), [("ws", "wss"), ("wss", "ws")])
def test_a_server_that_hangs_up_may_speak_the_other_scheme(scheme: str, other: str) -> None:
    """With and without TLS, both sides of a mistaken scheme see nothing but an end."""
    with listening(lambda c: c.recv(1)) as port:
        assert failed(port, scheme).hint.endswith(f" Perhaps the server speaks {other}://.")


def test_a_server_that_hangs_up_inside_tls_has_the_right_scheme() -> None:
    """Where TLS stands, nobody is sent away from it."""
    with listening(lambda c: c.recv(1), context=server_context()) as port:
        error = failed(port, "wss", ssl_context=trusting())
    assert "before it answered" in error.message
    assert "Perhaps" not in error.hint


def test_another_thread_can_end_a_connect() -> None:
    """`on_wait` hands out what ends the wait at once."""
    ends: list[Callable[[], object]] = []
    asked = threading.Event()

    def talk(connection: socket.socket) -> None:
        heard(connection)
        asked.set()
        silent(connection)

    with listening(talk) as port:
        thread, errors = in_thread(
            lambda: WebSocketTransport.connect(
                f"ws://127.0.0.1:{port}/", BEARER, on_wait=ends.append, timeout=30
            )
        )
        assert asked.wait(5)
        ends[-1]()
        thread.join(2)
        assert not thread.is_alive()
    assert isinstance(errors[0], ConnectFailed)


# --- strangers ---


FOREIGN = [
    kind
    for module in (websocket._exceptions, ssl)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Exception) and not issubclass(kind, Warning)
] + [socket.gaierror, socket.herror, TimeoutError, ConnectionError, ValueError, UnicodeError]


def make(kind: type[Exception]) -> Exception:
    if kind is websocket.WebSocketBadStatusException:
        return kind(f"said {KEY}", 500)
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

        def take_into(self, buffer: memoryview) -> int:
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
