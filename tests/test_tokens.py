"""Ephemeral tokens: what is asked for, what is made of every answer, and what is never seen."""

from __future__ import annotations

import contextlib
import copy
import functools
import http.server
import json
import logging
import pickle
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from raw_peer import (
    Talk,
    answers,
    connect_proxy,
    heard,
    listening,
    server_context,
    silent,
    trusting,
)

from grok_rt import GrokClient, tokens
from grok_rt._secret import Secret
from grok_rt.errors import AuthenticationFailed, ConfigError, ConnectFailed, RateLimited
from grok_rt.simulator import Refusal, Simulator
from grok_rt.tokens import Token

KEY = "xai-Zq8sW2pL9vB4nM7kT1rY6uE3"
VALUE = "xai-realtime-client-secret-Hq3vN8sX5tB2"
MADE = {"value": VALUE, "expires_at": 1_900_000_000}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XAI_API_KEY", "GROK_RT_URL", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: Any


@contextlib.contextmanager
def service(
    answer: object = MADE, status: int = 200, *, tls: bool = False, **headers: str
) -> Iterator[tuple[str, list[Request]]]:
    """The standard library's own HTTP server in the place of xAI's."""
    requests: list[Request] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append(Request(self.path, dict(self.headers), json.loads(body)))
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = server_context().wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.01))
        thread.start()
        try:
            scheme = "https" if tls else "http"
            yield f"{scheme}://localhost:{server.server_port}/v1/realtime/client_secrets", requests
        finally:
            server.shutdown()
            thread.join()


def created(url: str, **options: Any) -> Token:
    return tokens.create(KEY, url=url, timeout=options.pop("timeout", 5), **options)


def failed(url: str, **options: Any) -> ConnectFailed:
    """Ask in vain: every failure has a sentence, and no key, traceback included."""
    with pytest.raises(ConnectFailed) as caught:
        created(url, **options)
    error = caught.value
    assert error.message.endswith((".", "!", "?"))
    told = "".join(traceback.format_exception(error)) + repr((vars(error), error.args))
    assert KEY not in told
    assert VALUE not in told
    return error


def at(port: int, scheme: str = "http") -> str:
    return f"{scheme}://localhost:{port}/v1/realtime/client_secrets"


# --- the request and the token --------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_a_token_is_asked_for_and_made(tls: bool) -> None:
    """One POST with the key and the lifetime, and no word that the service refuses."""
    with service(tls=tls) as (url, requests):
        token = created(url, expires_after=60, ssl_context=trusting() if tls else None)
    assert token.reveal() == VALUE
    assert token.expires_at == 1_900_000_000
    (request,) = requests
    assert request.path == "/v1/realtime/client_secrets"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Host"] == url.split("/")[2]
    assert request.body == {"expires_after": {"seconds": 60}}


def test_a_token_lives_ten_minutes_unless_said() -> None:
    """The lifetime is always sent, so that nobody depends on the service's own."""
    with service() as (url, requests):
        created(url)
    assert requests[0].body == {"expires_after": {"seconds": 600}}


@pytest.mark.parametrize("seconds", [1, 3600, 60.0])
def test_lifetimes_that_are_taken(seconds: int) -> None:
    """Whole seconds from one to an hour, written as such."""
    with service() as (url, requests):
        created(url, expires_after=seconds)
    sent = requests[0].body["expires_after"]["seconds"]
    assert (sent, type(sent)) == (seconds, int)


@pytest.mark.parametrize("seconds", [0, -1, 3601, 0.5, float("nan"), "60", None])
def test_lifetimes_that_are_refused(seconds: Any) -> None:
    """What the service would refuse is refused before anything is sent."""
    with pytest.raises(ConfigError, match="1 to 3600"):
        tokens.create(KEY, url="http://127.0.0.1:1/", expires_after=seconds)


@pytest.mark.parametrize(
    "key", [KEY, f" {KEY}\n", Secret(KEY), lambda: KEY, None], ids=lambda key: type(key).__name__
)
def test_the_key_may_come_from_anywhere(key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A string, a secret, a function, or the environment, as for the client."""
    monkeypatch.setenv("XAI_API_KEY", KEY)
    with service() as (url, requests):
        tokens.create(key, url=url)
    assert requests[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        (None, "https://api.x.ai/v1/realtime/client_secrets"),
        ("wss://api.x.ai/v1/realtime?model=m", "https://api.x.ai/v1/realtime/client_secrets"),
        ("WSS://h:8443/v1/realtime/", "https://h:8443/v1/realtime/client_secrets"),
        ("ws://127.0.0.1:9/v1/realtime", "http://127.0.0.1:9/v1/realtime/client_secrets"),
        ("https://h/anything?x=1", "https://h/anything?x=1"),
    ],
)
def test_where_tokens_are_made(
    sessions: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the sessions, wherever those are; any other address is taken as it is."""
    assert tokens._endpoint(sessions) == expected
    if sessions is not None:
        monkeypatch.setenv("GROK_RT_URL", sessions)
        assert tokens._endpoint(None) == expected


@pytest.mark.parametrize(
    "answer", [{"client_secret": MADE}, {"value": None, "client_secret": MADE}]
)
def test_the_older_shape_is_read(answer: object) -> None:
    """OpenAI's older answer had the token one level deeper."""
    with service(answer) as (url, _):
        token = created(url)
    assert (token.reveal(), token.expires_at) == (VALUE, 1_900_000_000)


@pytest.mark.parametrize("expiry", [{}, {"expires_at": None}, {"expires_at": "soon"}])
def test_without_an_expiry_it_is_the_one_asked_for(expiry: dict[str, object]) -> None:
    """A token whose answer does not say lives as long as we asked for."""
    with service({"value": VALUE} | expiry) as (url, _):
        token = created(url, expires_after=100)
    assert token.expires_at == pytest.approx(time.time() + 100, abs=5)


# --- refusals -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, {"code": "c", "error": "no"}, AuthenticationFailed, "no"),
        (400, {"code": "c", "error": f"Incorrect API key: {KEY}"}, AuthenticationFailed, "***"),
        (400, {"code": "c", "error": "seconds"}, ConnectFailed, "seconds"),
        (403, b"", AuthenticationFailed, "403"),
        (404, b"<html>", ConnectFailed, "404"),
        (429, {"error": "slow down"}, RateLimited, "slow down"),
        (500, KEY.encode(), ConnectFailed, "***"),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_refusal_is_typed(
    status: int, body: object, kind: type[ConnectFailed], said: str, tls: bool
) -> None:
    """Status and body decide the error, as for a session, and the sentence says what for."""
    with service(body, status, tls=tls, X_Request_Id="req-7", Retry_After="9") as (url, _):
        error = failed(url, ssl_context=trusting() if tls else None)
    assert type(error) is kind
    assert error.status == status
    assert error.request_id == "req-7"
    assert "refused a token" in error.message
    assert said in error.message
    if isinstance(error, RateLimited):
        assert error.retry_after == 9
    if status == 404:
        assert "https://api.x.ai/v1/realtime/client_secrets" in error.hint


def test_a_redirect_is_not_followed() -> None:
    """The key goes to the one who was named, and to nobody he names."""
    with service() as (elsewhere, requests), service(b"", 307, Location=elsewhere) as (url, _):
        error = failed(url)
    assert error.status == 307
    assert "not followed" in error.hint
    assert not requests


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no json",
        b"\xff\xfe",
        b"[" * 100_000,
        [],
        "text",
        {},
        {"value": ""},
        {"value": "  "},
        {"value": 7},
        {"client_secret": VALUE},
        {"client_secret": {"expires_at": 1}},
        {"data": VALUE},
    ],
)
def test_an_answer_without_a_token_is_told(answer: object) -> None:
    """Success without a token is a failure with a sentence, and quotes nothing."""
    with service(answer) as (url, _):
        error = failed(url)
    assert "answered without a token" in error.message
    assert error.status == 200
    assert "Check the URL" in error.hint


def test_a_token_makes_no_token() -> None:
    """Only the key can: said before anything is sent."""
    with pytest.raises(AuthenticationFailed, match="API key itself"):
        tokens.create(Token(VALUE, 1_900_000_000), url="http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"url": "http://api.x.ai/"}, ConfigError, "unencrypted; use https://"),
        ({"url": "ws://api.x.ai/v1"}, ConfigError, "unencrypted"),
        ({"url": "ftp://h/"}, ConfigError, "https://"),
        ({"url": "https://h/#f"}, ConfigError, "fragment"),
        ({"api_key": f"{KEY}\r\nX: y"}, AuthenticationFailed, "api_key: .* white space"),
        ({"api_key": f"{KEY}\N{BULLET}"}, AuthenticationFailed, "api_key: .* ASCII"),
        ({"api_key": KEY.encode()}, ConfigError, "bytes"),
        ({"api_key": " "}, AuthenticationFailed, "XAI_API_KEY"),
        ({"proxy": "gopher://p"}, ConfigError, "proxy"),
    ],
)
def test_what_cannot_be_used_is_refused(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Nothing is sent, and the sentence does not quote the key."""
    with pytest.raises(error, match=words) as caught:
        tokens.create(**({"api_key": KEY, "url": "http://127.0.0.1:1/", "timeout": 1} | options))
    assert KEY not in "".join(traceback.format_exception(caught.value))


# --- the line -------------------------------------------------------------------


def drip(head: bytes, rest: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(head)
        for byte in rest * 1000:
            connection.sendall(bytes((byte,)))
            time.sleep(0.01)

    return talk


@pytest.mark.parametrize(
    "talk",
    [
        silent,
        drip(b"", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 9),
        drip(b"HTTP/1.1 200 OK\r\n\r\n", b'{"value": "'),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["silent", "head", "body", "chunks"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_deadline_covers_everything(talk: Talk, scheme: str) -> None:
    """Silence and dripped bytes, with TLS and without: the timeout is the timeout."""
    context = server_context() if scheme == "https" else None
    started = time.monotonic()
    with listening(talk, context=context) as port:
        error = failed(at(port, scheme), timeout=0.3, ssl_context=trusting())
    assert "did not make a token within 0.3 s" in error.message
    assert time.monotonic() - started < 1.5


def test_a_resolver_that_hangs_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS is inside the deadline."""
    asleep = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> object:
        asleep.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "x")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    started = time.monotonic()
    error = failed("https://api.x.ai/", timeout=0.2, proxy=None)
    asleep.set()
    assert "DNS does not answer" in error.message
    assert time.monotonic() - started < 1


def test_a_slow_key_counts_too() -> None:
    """What a callable takes to find the key is not added to the timeout."""
    slow = threading.Event()

    def key() -> str:
        slow.wait(0.3)
        return KEY

    with pytest.raises(ConnectFailed, match=r"within 0 s|within 0\.\d+ s"):
        tokens.create(key, url="http://127.0.0.1:1/", timeout=0.2)


@pytest.mark.parametrize("status", [b"401 X", b"429 X"])
def test_a_refusal_s_body_cannot_hold_us(status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that never ends is told by what came of it."""
    monkeypatch.setattr(tokens, "BODY_PATIENCE", 0.2)
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 99999\r\n\r\n"
    started = time.monotonic()
    with listening(drip(head, b"slow ")) as port:
        error = failed(at(port))
    assert "slow" in error.message
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (answers(b"220 mail.example ESMTP\r\n"), "did not answer as an HTTP server does"),
        (answers(), "closed the connection"),
        (answers(b"HTTP/1.1 200 OK\r\nContent-Le"), "closed the connection"),
        (answers(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), "without a token"),
    ],
)
def test_who_speaks_something_else_is_found_out(talk: Talk, words: str) -> None:
    """Each way not to answer has its own sentence."""
    with listening(talk) as port:
        assert words in failed(at(port)).message


def test_a_port_that_refuses_is_told() -> None:
    """Nobody listens: said at once, with host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failed(at(port)).message == f"localhost:{port} refuses connections."


@pytest.mark.parametrize("ours", [trusting, ssl.create_default_context])
def test_certificates_are_checked(ours: Callable[[], ssl.SSLContext]) -> None:
    """A wrong name and an unknown issuer keep the key from being sent."""
    names = ("example.org",) if ours is trusting else ()
    with listening(silent, context=server_context(*names)) as port:
        error = failed(at(port, "https"), ssl_context=ours())
    assert "certificate" in error.message


@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_is_gone_through(tls: bool) -> None:
    """By a tunnel, so that the proxy does not see the key."""
    asked: list[bytes] = []
    with service(tls=tls) as (url, requests), listening(connect_proxy(asked)) as port:
        created(url, proxy=f"http://localhost:{port}", ssl_context=trusting() if tls else None)
    assert len(requests) == 1
    assert asked[0].startswith(b"CONNECT localhost:")
    assert KEY.encode() not in asked[0]


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for sessions: https_proxy, unless said otherwise."""
    asked: list[bytes] = []
    with (
        service(tls=True) as (_, requests),
        listening(connect_proxy(asked, to=1)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy}")
        with pytest.raises(ConnectFailed):
            tokens.create(KEY, timeout=2)
    assert asked[0].startswith(b"CONNECT api.x.ai:443 ")
    assert not requests


# --- the value ------------------------------------------------------------------


def test_a_token_shows_its_expiry_and_not_its_value() -> None:
    """In no text of it is the secret, and it cannot be written to a file."""
    token = Token(VALUE, 7)
    assert VALUE not in f"{token} {token!r} {[token]} {token.value} {token.value:>9}"
    assert "expires_at=7" in repr(token)
    for write in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="secret"):
            write(token)
    with pytest.raises(AttributeError):
        token.expires_at = 8  # type: ignore[misc]


def test_a_token_expires_on_its_second() -> None:
    """From `expires_at` on it is of no use."""
    token = Token(Secret(VALUE), 1000)
    assert not token.expired(999.9)
    assert token.expired(1000)
    assert token.expired()
    assert not Token(VALUE, int(time.time()) + 60).expired()


# --- with the simulator ---------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_a_token_opens_sessions(tls: bool) -> None:
    """Made with the key, taken in its place, by a client that never saw the key."""
    ours = trusting() if tls else None
    with Simulator(api_key=KEY, ssl_context=server_context() if tls else None) as server:
        url = server.url
        token = tokens.create(KEY, url=url, ssl_context=ours)
        assert token.reveal().startswith("xai-realtime-client-secret-")
        assert token.expires_at == pytest.approx(time.time() + 600, abs=5)
        for key in (token, token.reveal(), lambda: token):
            with GrokClient(key, url=url, ssl_context=ours) as grok:
                assert grok.session_id


def test_a_function_that_makes_tokens_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """`api_key=tokens.create` has a fresh token made for each connect."""
    with Simulator(api_key=KEY) as server:
        monkeypatch.setenv("GROK_RT_URL", server.url)
        monkeypatch.setenv("XAI_API_KEY", KEY)
        for _ in range(2):
            with GrokClient(tokens.create) as grok:
                assert grok.session_id


def test_the_simulator_refuses_tokens_as_it_refuses_sessions() -> None:
    """A wrong key, and whatever `refuse` says."""
    with Simulator(api_key=KEY) as server:
        with pytest.raises(AuthenticationFailed, match="Incorrect API key") as caught:
            tokens.create("xai-another", url=server.url)
        assert caught.value.status == 400
        server.refuse = Refusal(429, retry_after=3)
        with pytest.raises(RateLimited) as limited:
            tokens.create(KEY, url=server.url)
        assert limited.value.retry_after == 3


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG too, neither the key nor the token reaches a log."""
    with caplog.at_level(logging.DEBUG), service() as (url, _):
        created(url)
    assert KEY not in caplog.text
    assert VALUE not in caplog.text
