"""Who we are, shown in each of the four ways, over real sockets; and never seen elsewhere."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
import websocket
from raw_peer import Talk, answers, heard, listening, server_context, switching, trusting, upgraded

from grok_rt import GrokClient
from grok_rt._wire.opening import Auth, Opening
from grok_rt._wire.transport import Transport, WebSocketTransport
from grok_rt.errors import AuthenticationFailed, ConfigError, ConnectFailed, GrokError
from grok_rt.simulator import Simulator, loopback
from grok_rt.simulator.mint import Mint
from grok_rt.tokens import Token, create

KEY = "xai-Zq8sW2pL9vB4nM7kT1rY6uE3"
VALUE = "xai-realtime-client-secret-Hq3vN8sX5tB2"
GOOD = Token(VALUE, int(time.time()) + 3600)
WAYS: tuple[Auth, ...] = get_args(Auth)

SHOWN = {
    "bearer": ("Authorization", "Bearer {}"),
    "subprotocol": ("Sec-WebSocket-Protocol", "xai-client-secret.{}"),
    "openai": (
        "Sec-WebSocket-Protocol",
        "realtime, openai-insecure-api-key.{}, openai-beta.realtime-v1",
    ),
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XAI_API_KEY", "GROK_RT_URL"):
        monkeypatch.delenv(name, raising=False)


def at(port: int, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{port}/v1/realtime"


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.decode("latin-1").split("\r\n")[1:-2]
    return dict(line.split(": ", 1) for line in lines)


# --- the four ways ----------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, GOOD], ids=["key", "token"])
@pytest.mark.parametrize("auth", WAYS)
def test_what_goes_over_the_wire(auth: Auth, key: str | Token) -> None:
    """One header shows the key, and the other ways' headers are not there."""
    requests: list[bytes] = []
    with listening(lambda c: requests.append(upgraded(c))) as port:
        transport = Opening(at(port), key, auth=auth).dial(
            5, dead_after=None, on_wait=lambda _: None
        )
        transport.shutdown()
        transport.close()
    sent = headers_of(requests[0])
    name, form = SHOWN[auth]
    assert sent[name] == form.format(key if isinstance(key, str) else VALUE)
    other = {"Authorization", "Sec-WebSocket-Protocol"} - {name}
    assert not other & set(sent)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("auth", WAYS)
def test_the_service_takes_each(auth: Auth, tls: bool) -> None:
    """Key and token open a session in every way, and a wrong one is refused in every way."""
    ours = trusting() if tls else None
    with Simulator(api_key=KEY, ssl_context=server_context() if tls else None) as server:
        token = create(KEY, url=server.url, ssl_context=ours)
        for key in (KEY, token):
            with GrokClient(key, url=server.url, auth=auth, ssl_context=ours) as grok:
                assert grok.session_id
        for wrong, status in ((KEY[:-1], 400), (GOOD, 401)):
            with pytest.raises(AuthenticationFailed) as caught:
                GrokClient(wrong, url=server.url, auth=auth, ssl_context=ours).connect()
            assert caught.value.status == status


@pytest.mark.parametrize("auth", WAYS)
def test_a_factory_gets_it_in_the_headers(auth: Auth) -> None:
    """A transport of the user's own is handed the same headers, and may hand them on."""
    seen: list[Mapping[str, str]] = []

    def factory(url: str, headers: Mapping[str, str]) -> Transport:
        seen.append(headers)
        return WebSocketTransport.connect(url, headers)

    with (
        Simulator(api_key=KEY) as server,
        GrokClient(KEY, url=server.url, auth=auth, transport=factory) as grok,
    ):
        assert grok.session_id
    name, form = SHOWN[auth]
    assert seen == [{name: form.format(KEY)}]


@pytest.mark.parametrize("auth", WAYS)
def test_the_loopback_takes_each(auth: Auth) -> None:
    """A peer in memory judges as the socket does."""
    with GrokClient(KEY, auth=auth, transport=loopback(api_key=KEY)) as grok:
        assert grok.session_id
    with pytest.raises(AuthenticationFailed):
        GrokClient(VALUE, auth=auth, transport=loopback(api_key=KEY)).connect()


@pytest.mark.parametrize("auth", ["Bearer", "", None, "basic"])
def test_an_unknown_way_is_refused_at_once(auth: Any) -> None:
    """A typo is told when the client is made, with what there is."""
    with pytest.raises(ConfigError, match="bearer, subprotocol, openai"):
        GrokClient(KEY, auth=auth)


@pytest.mark.parametrize(
    ("auth", "name"),
    [
        ("bearer", "authorization"),
        ("bearer", "Authorization"),
        ("openai", "sec-websocket-PROTOCOL"),
    ],
)
def test_the_user_s_own_header_goes_before_ours(auth: Auth, name: str) -> None:
    """There is never a second header of one name, however it is spelled."""
    headers = Opening(None, KEY, headers={name: "mine", "X": "y"}, auth=auth).target()[1]
    assert headers == {name: "mine", "X": "y"}


@pytest.mark.parametrize("auth", WAYS[1:])
@pytest.mark.parametrize("bad", ["a b", "a/b", "a,b", "a\r\nX: y", "\N{BULLET}x", 'a"b'])
def test_a_key_that_no_offer_can_carry_is_refused(auth: Auth, bad: str) -> None:
    """Nothing is dialled, and the sentence does not quote it."""
    with pytest.raises((AuthenticationFailed, ConfigError), match="api_key") as caught:
        GrokClient(f"hunter2{bad}", url=at(1), auth=auth).connect()
    assert "hunter2" not in str(caught.value)


# --- tokens that are of no use ------------------------------------------------------


@contextlib.contextmanager
def nobody_dials() -> Iterator[str]:
    """An address that must not be connected to."""
    dialled: list[socket.socket] = []
    with listening(dialled.append) as port:
        yield at(port)
    assert not dialled


@pytest.mark.parametrize("lazily", [False, True])
def test_an_expired_token_is_not_sent(lazily: bool) -> None:
    """It is refused here, at each connect, with how long ago it expired and what to do."""
    expired = Token(VALUE, int(time.time()) - 90)
    with nobody_dials() as url, pytest.raises(AuthenticationFailed) as caught:
        GrokClient((lambda: expired) if lazily else expired, url=url).connect()
    assert caught.value.status is None
    assert "expired 9" in caught.value.message
    assert "tokens.create" in caught.value.hint
    assert "clock" in caught.value.hint


@pytest.mark.parametrize("query", ["", "?call_id=c1", "?call_id="])
def test_a_token_joins_no_call(query: str) -> None:
    """Calls take the key itself: refused here, however the call is named."""
    with nobody_dials() as url, pytest.raises(AuthenticationFailed, match="phone call") as caught:
        GrokClient(GOOD, url=url + query, call_id=None if query else "c1").connect()
    assert "API key itself" in caught.value.hint


def test_the_service_refuses_them_too() -> None:
    """A token that comes as a string is the service's to judge, and its refusal is typed."""
    now = [time.time()]
    with Simulator(api_key=KEY) as server:
        server._mint = Mint(lambda: now[0])
        token = create(KEY, url=server.url, expires_after=1).reveal()
        with pytest.raises(AuthenticationFailed) as caught:
            GrokClient(token, url=server.url, call_id="c1").connect()
        assert caught.value.status == 403
        with GrokClient(token, url=server.url) as grok:
            now[0] += 2
            assert grok.ask("Are you there?").text  # an open session outlives its token
        with pytest.raises(AuthenticationFailed, match="expired") as caught:
            GrokClient(token, url=server.url).connect()
        assert caught.value.status == 401


def test_a_callable_is_asked_at_each_connect() -> None:
    """What it raises comes through, and what is no string is told by its type alone."""

    def broken() -> str:
        raise LookupError("no vault")

    with pytest.raises(LookupError, match="no vault"):
        Opening(api_key=broken).target()
    for nothing in (7, KEY.encode(), [KEY]):
        with pytest.raises(ConfigError, match=type(nothing).__name__) as caught:
            Opening(api_key=lambda it=nothing: it).target()  # type: ignore[misc]
        assert KEY not in str(caught.value)


# --- the address --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        ("", {}, "?model=m"),
        ("", {"model": None}, ""),
        ("?", {"model": None}, ""),
        ("", {"model": "a b+c&d=é/?#"}, "?model=a%20b%2Bc%26d%3D%C3%A9%2F%3F%23"),
        ("", {"reasoning": "high"}, "?model=m&reasoning.effort=high"),
        ("", {"conversation_id": "c&1"}, "?model=m&conversation_id=c%261"),
        ("", {"call_id": "k"}, "?call_id=k"),
        ("?x=1&x=2&y", {}, "?x=1&x=2&y&model=m"),
        ("?x=%2F+%20", {}, "?x=%2F+%20&model=m"),
        ("?model=mine", {}, "?model=mine"),
        ("?model=", {}, "?model="),
        ("?call_id=k", {}, "?call_id=k"),
        ("?call_id=k", {"call_id": "other"}, "?call_id=k"),
        ("?reasoning.effort=none", {"reasoning": "high"}, "?reasoning.effort=none&model=m"),
    ],
)
def test_the_request_line(given: str, settings: dict[str, Any], expected: str) -> None:
    """What the address says stays as it is, and wins; the rest is added, percent-encoded."""
    requests: list[bytes] = []
    with listening(lambda c: requests.append(upgraded(c))) as port:
        opening = Opening(at(port) + given, KEY, **({"model": "m"} | settings))
        transport = opening.dial(5, dead_after=None, on_wait=lambda _: None)
        transport.shutdown()
        transport.close()
    assert requests[0].startswith(f"GET /v1/realtime{expected} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("url", ["wss://[::1/", "wss://h/#f", "wss://h/p?x#f", "wss://h/a\tb", "h"])
def test_a_bad_address_is_a_config_error(url: str) -> None:
    """Whatever is wrong with it, it is our error, and nothing is dialled."""
    with pytest.raises(ConfigError, match="url:"):
        GrokClient(KEY, url=url).connect()


def test_a_slow_key_leaves_less_time() -> None:
    """What a callable takes is not added to the deadline."""

    def key() -> str:
        time.sleep(0.3)
        return KEY

    started = time.monotonic()
    with pytest.raises(ConnectFailed):
        GrokClient(key, url=at(1), open_timeout=0.2).connect()
    assert time.monotonic() - started < 1


# --- the canary -----------------------------------------------------------------------


def quoting(status: bytes) -> Talk:
    """A server that says all it was told: in the body, in the code, and as the request's id."""

    def talk(connection: socket.socket) -> None:
        request = headers_of(heard(connection))
        shown = (request.get("Authorization") or request["Sec-WebSocket-Protocol"]).encode()
        body = b'{"code":"%b","error":"Incorrect API key provided: %b"}' % (shown, shown)
        head = b"HTTP/1.1 %b\r\nX-Request-Id: %b\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % (status, shown, len(body)) + body)

    return talk


def choosing(connection: socket.socket) -> None:
    """Take what was offered, token and all, for an answer that is wrong otherwise."""
    request = heard(connection)
    offers = headers_of(request).get("Sec-WebSocket-Protocol", KEY)
    connection.sendall(switching(request, b"Sec-WebSocket-Protocol: x" + offers.encode()))


UNFRIENDLY: dict[str, Talk] = {
    "400": quoting(b"400 Bad Request"),
    "401": quoting(b"401 Unauthorized"),
    "500": quoting(b"500 Oops"),
    "a subprotocol not offered": choosing,
    "an echo": lambda c: c.sendall(heard(c)),
    "an echo in a head": lambda c: c.sendall(b"HTTP/1.1 101 X\r\n" + heard(c)),
    "nothing": answers(),
}


@pytest.mark.parametrize("talk", UNFRIENDLY.values(), ids=UNFRIENDLY.keys())
@pytest.mark.parametrize("auth", WAYS)
@pytest.mark.parametrize("key", [KEY, GOOD], ids=["key", "token"])
def test_no_failure_tells_the_key(
    talk: Talk, auth: Auth, key: str | Token, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the text, the fields or the causes of an error, nor in any log."""
    websocket.enableTrace(True, handler=logging.NullHandler(), level="DEBUG")
    logging.getLogger("websocket").addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.DEBUG), listening(talk) as port:
            client = GrokClient(key, url=at(port), auth=auth, open_timeout=2)
            with pytest.raises(GrokError) as caught:
                client.connect()
    finally:
        websocket.enableTrace(False)
        logging.getLogger("websocket").removeHandler(caplog.handler)
    error: BaseException | None = caught.value
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(client)
    while error is not None:  # suppressed ones too: error trackers follow them
        told += repr((error, error.args, vars(error)))
        error = error.__cause__ or error.__context__
    secret = key if isinstance(key, str) else VALUE
    for part in (secret, secret[:12], secret[-12:]):
        assert part not in told


@pytest.mark.parametrize("auth", WAYS)
def test_no_success_tells_the_key(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    """Not even websocket-client's trace shows the token that the server has chosen."""
    websocket.enableTrace(True, handler=logging.NullHandler(), level="DEBUG")
    logging.getLogger("websocket").addHandler(caplog.handler)
    try:
        with (
            caplog.at_level(logging.DEBUG),
            Simulator() as server,
            GrokClient(KEY, url=server.url, auth=auth) as grok,
        ):
            grok.ask("Hello?")
            shown = repr(grok)
    finally:
        websocket.enableTrace(False)
        logging.getLogger("websocket").removeHandler(caplog.handler)
    ours = "".join(
        record.getMessage() for record in caplog.records if "simulator" not in record.name
    )
    assert KEY not in ours + shown
