"""Which proxy is used, and the tunnels through them, against tiny proxies on real sockets."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import sys
import time
from collections.abc import Iterator

import pytest
from raw_peer import Talk, connect_proxy, heard, listening, relay, server_context, silent, trusting

from grok_rt._wire.line import proxy as _proxy
from grok_rt._wire.line.dialling import DeadlineSocket, dial
from grok_rt._wire.line.proxy import ENVIRONMENT, Proxy, choose, tunnel
from grok_rt.errors import ConfigError, ConnectFailed, MissingExtra

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *map(str.upper, VARIABLES)):
        monkeypatch.delenv(name, raising=False)


def way(proxy: str | None = ENVIRONMENT, host: str = "api.x.ai", *, secure: bool = True) -> object:
    return choose(proxy, host=host, port=443, secure=secure)


@pytest.mark.parametrize(
    ("environment", "secure", "expected"),
    [
        ({}, True, None),
        ({"https_proxy": "http://p:1"}, True, Proxy("http", "p", 1)),
        ({"HTTPS_PROXY": "http://p:1"}, True, Proxy("http", "p", 1)),
        ({"https_proxy": "http://p:1"}, False, None),
        ({"http_proxy": "http://p:1"}, False, Proxy("http", "p", 1)),
        ({"all_proxy": "socks5://p"}, True, Proxy("socks5", "p", 1080)),
        ({"ALL_PROXY": "socks5://p"}, False, Proxy("socks5", "p", 1080)),
        ({"all_proxy": "socks5://p", "https_proxy": "https://q"}, True, Proxy("https", "q", 443)),
        ({"https_proxy": "p:1", "no_proxy": "x.ai"}, True, None),
        ({"https_proxy": "p:1", "no_proxy": "api.x.ai:443"}, True, None),
        ({"https_proxy": "p:1", "no_proxy": "*"}, True, None),
        ({"https_proxy": "p:1", "no_proxy": "ai.example"}, True, Proxy("http", "p", 1)),
    ],
)
def test_the_environment_is_heeded(
    environment: dict[str, str],
    secure: bool,
    expected: Proxy | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """https_proxy for wss, http_proxy for ws, all_proxy for both, no_proxy against all."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert way(secure=secure) == expected
    assert way(None) is None  # really goes directly
    assert way("socks4://given") == Proxy("socks4", "given", 1080)  # what is given wins


def test_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is never asked for the way to the loopback."""
    monkeypatch.setenv("all_proxy", "http://p:1")
    for host in ("localhost", "127.0.0.1", "::1"):
        assert way(host=host) is None
    assert way(host="2001:db8::1") == Proxy("http", "p", 1)


def test_credentials_are_decoded_and_not_shown() -> None:
    """User name and password come percent-encoded, and are in no `repr`."""
    proxy = way("http://me%40home:hunter%3A2@p.example:8080")
    assert proxy == Proxy("http", "p.example", 8080, "me@home", "hunter:2")
    assert "hunter" not in repr(proxy) + str(proxy)
    assert "me@home" not in repr(proxy) + str(proxy)


@pytest.mark.parametrize(
    "url", ["", "ftp://p:1", "http://", "http://u:hunter2@p:x", "http://[::1", "http://p:99999"]
)
def test_a_bad_proxy_url_is_refused(url: str) -> None:
    """It is a setting that cannot work, and its password is not quoted."""
    with pytest.raises(ConfigError, match="proxy") as caught:
        way(url)
    assert "hunter2" not in str(caught.value)


def shout(connection: socket.socket) -> None:
    connection.sendall(connection.recv(100).upper())


@contextlib.contextmanager
def through(port: int, url: str, target: int, host: str = "127.0.0.1") -> Iterator[object]:
    proxy = choose(url.replace("PORT", str(port)), host=host, port=target, secure=True)
    assert proxy is not None
    with dial("127.0.0.1", port, time.monotonic() + 5) as raw:
        yield tunnel(DeadlineSocket(raw, time.monotonic() + 5), proxy, host, target)


def talk_through(stream: object) -> bytes:
    stream.sendall(b"hello")  # type: ignore[attr-defined]
    return stream.recv(5)  # type: ignore[attr-defined,no-any-return]


def test_http_connect_opens_a_tunnel() -> None:
    """CONNECT with Basic credentials, then the bytes of the server."""
    asked: list[bytes] = []
    with (
        listening(shout) as target,
        listening(connect_proxy(asked)) as port,
        through(port, "http://me:pw%C3%A4@127.0.0.1:PORT", target) as stream,
    ):
        assert talk_through(stream) == b"HELLO"
    (request,) = asked
    assert request.startswith(f"CONNECT 127.0.0.1:{target} HTTP/1.1\r\n".encode())
    assert f"Host: 127.0.0.1:{target}\r\n".encode() in request
    assert b"Basic " + base64.b64encode("me:pwä".encode()) in request


def test_a_proxy_may_be_met_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """An https:// proxy hears CONNECT inside TLS; no credentials, no header for them."""
    asked: list[bytes] = []
    monkeypatch.setattr(_proxy, "default_context", trusting)
    with (
        listening(shout) as target,
        listening(connect_proxy(asked), context=server_context()) as port,
        through(port, "https://localhost:PORT", target) as stream,
    ):
        assert talk_through(stream) == b"HELLO"
    assert b"Authorization" not in asked[0]


def test_a_proxy_over_tls_must_be_trusted() -> None:
    """The certificate of a proxy is checked like a server's."""
    with (
        listening(connect_proxy([]), context=server_context()) as port,
        pytest.raises(ssl.SSLCertVerificationError),
        through(port, "https://localhost:PORT", 1),
    ):
        pass


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (b"HTTP/1.1 407 Auth\r\n\r\n", 407, "wants other credentials"),
        (b"HTTP/1.0 403 Forbidden\r\n\r\n", 403, "HTTP 403"),
        (b"HTTP/1.1 502 Bad\r\n\r\n", 502, "HTTP 502"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", None, "out of turn"),
        (b"SSH-2.0-x\r\n", None, "does not speak HTTP"),
    ],
)
def test_a_proxy_that_refuses_says_why(answer: bytes, status: int | None, words: str) -> None:
    """Each refusal of a proxy has its sentence, without the password."""

    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(answer)
        connection.recv(1)

    with (
        listening(talk) as port,
        pytest.raises(ConnectFailed, match=words) as caught,
        through(port, "http://me:hunter2@127.0.0.1:PORT", 443),
    ):
        pass
    assert caught.value.status == status
    assert caught.value.hint
    assert "hunter2" not in str(caught.value)


def socks5(reply: bytes) -> Talk:
    """A SOCKS 5 proxy that wants me:pw, and connects to what it is asked for if `reply` is 0."""

    def talk(connection: socket.socket) -> None:
        version, count = connection.recv(2)
        assert version == 5
        connection.recv(count)
        connection.sendall(b"\x05\x02")
        assert connection.recv(6) == b"\x01\x02me\x02p"[:6]
        connection.recv(100)
        connection.sendall(b"\x01\x00")
        assert connection.recv(4)[:3] == b"\x05\x01\x00"
        name = connection.recv(connection.recv(1)[0])
        port = int.from_bytes(connection.recv(2), "big")
        connection.sendall(b"\x05" + reply + b"\x00\x01" + bytes(6))
        if reply == b"\0":
            assert name == b"name.invalid"  # resolved by the proxy, not by us
            with socket.create_connection(("127.0.0.1", port)) as other:
                relay(connection, other)

    return talk


def test_socks_opens_a_tunnel() -> None:
    """SOCKS 5 with credentials; the name is left to the proxy."""
    with (
        listening(shout) as target,
        listening(socks5(b"\0")) as port,
        through(port, "socks5://me:pw@127.0.0.1:PORT", target, "name.invalid") as stream,
    ):
        assert talk_through(stream) == b"HELLO"


def test_socks_4_opens_a_tunnel() -> None:
    """SOCKS 4a hands the name over as well."""
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        asked.append(connection.recv(100))
        connection.sendall(b"\x00\x5a" + bytes(6))
        shout(connection)

    with (
        listening(talk) as port,
        through(port, "socks4://127.0.0.1:PORT", 443, "name.invalid") as stream,
    ):
        assert talk_through(stream) == b"HELLO"
    assert asked[0].endswith(b"name.invalid\0")


@pytest.mark.parametrize("garbage", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff"])
def test_a_socks_proxy_that_is_none_is_found_out(garbage: bytes) -> None:
    """Whatever the other end says, it is a failed connect."""

    def talk(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(garbage)

    with (
        listening(talk) as port,
        pytest.raises((ConnectFailed, ConnectionError)),
        through(port, "socks5://me:hunter2@127.0.0.1:PORT", 443),
    ):
        pass


def test_a_socks_refusal_says_why() -> None:
    """The proxy's reason is in the sentence, our password is not."""
    with (
        listening(socks5(b"\x05")) as port,
        pytest.raises(ConnectFailed, match="efused") as caught,
        through(port, "socks5://me:pw@127.0.0.1:PORT", 443, "name.invalid"),
    ):
        pass
    assert caught.value.hint


def test_a_silent_socks_proxy_costs_the_deadline() -> None:
    """python-socks works on our socket, under our deadline."""
    with listening(silent) as port, dial("127.0.0.1", port, time.monotonic() + 5) as raw:
        wire = DeadlineSocket(raw, time.monotonic() + 0.2)
        with pytest.raises(TimeoutError):
            tunnel(wire, Proxy("socks5h", "127.0.0.1", port), "name.invalid", 443)


def test_socks_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has the pip line."""
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with (
        listening(shout) as port,
        pytest.raises(MissingExtra, match=r"grok_rt\[proxy\]"),
        through(port, "socks5://127.0.0.1:PORT", 443),
    ):
        pass
