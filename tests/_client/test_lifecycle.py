"""How a client opens and closes, and every way in which it does not."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping

import pytest
from raw_peer import Talk, answers, heard, listening, silent, switching, upgraded
from scripted import GREETING, SOON, UPDATED, ScriptedTransport, in_background

from grok_rt import GrokClient, SessionConfig, events
from grok_rt._client import configurer
from grok_rt._wire.framing import TEXT, Frame, close_payload, pack
from grok_rt.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    GrokError,
    LocalProtocolError,
    RateLimited,
    ServerError,
)
from grok_rt.simulator import Refusal, Simulator, loopback

KEY = "xai-canary-7d1c"


def scripted(transport: ScriptedTransport, *greeting: object, **options: object) -> GrokClient:
    """A client of a scripted line, which greets and confirms unless told otherwise."""
    transport.hears(*(greeting or GREETING))
    options.setdefault("close_timeout", 1.0)
    return GrokClient(KEY, transport=lambda _url, _headers: transport, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_key_anywhere(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Whatever a test logs at any level, the key is not in it."""
    monkeypatch.setenv("XAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    yield
    assert KEY not in caplog.text


def refused(call: Callable[[], object], kind: type[GrokError] = ConnectFailed) -> GrokError:
    """It fails, soon, with a sentence, and without the key; the client is closed."""
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        call()
    assert time.monotonic() - began < SOON
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert KEY not in told
    return caught.value


# --- opening -----------------------------------------------------------------------------------


def test_the_update_goes_first_with_the_key_and_the_settings() -> None:
    """`connect` sends `session.update` before anything else, and returns once confirmed."""
    seen: list[tuple[str, Mapping[str, str]]] = []
    transport = ScriptedTransport()
    transport.answers = transport.confirm_updates
    transport.hears(*GREETING)

    def factory(url: str, headers: Mapping[str, str]) -> ScriptedTransport:
        seen.append((url, headers))
        return transport

    config = SessionConfig.telephony("Be brief.", voice="Eve")
    grok = GrokClient(KEY, config=config, transport=factory, headers={"X-Trace": "1"})
    assert grok.state == "new"
    with grok:
        assert (grok.state, grok.session_id, grok.conversation_id) == ("open", "sess_1", "conv_1")
        assert repr(grok) == "<GrokClient open sess_1>"
    assert grok.state == "closed"
    ((url, headers),) = seen
    assert url.endswith("?model=grok-voice-latest")
    assert headers == {"Authorization": f"Bearer {KEY}", "X-Trace": "1"}
    (update,) = transport.events
    assert update["type"] == "session.update"
    assert update["event_id"]
    assert update["session"]["voice"] == "Eve"
    assert update["session"]["audio"]["input"]["format"]["type"] == "audio/pcmu"


def test_opened_and_closed_are_events() -> None:
    """What the server said comes first, `Opened` stands for the session, `Closed` is last."""
    transport = ScriptedTransport()
    transport.answers = transport.confirm_updates
    with scripted(transport) as grok:
        pass
    heard = list(grok)
    assert [type(event).__name__ for event in heard] == [
        "SessionCreated",
        "ConversationCreated",
        "SessionUpdated",
        "Opened",
        "Closed",
    ]
    assert heard[-2] == events.Opened("sess_1", "conv_1")
    assert heard[-1] == events.Closed(1000, "closed by this program")


def test_a_refused_configuration_raises() -> None:
    """The server's refusal is what `connect` raises, and the session is closed."""
    transport = ScriptedTransport()
    transport.answers = lambda event: transport.hears(
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "voice?",
                "event_id": event["event_id"],
            },
        }
    )
    grok = scripted(transport)
    error = refused(grok.connect, ServerError)
    assert "voice?" in str(error)
    assert grok.state == "closed"
    later = refused(lambda: grok.send_user_text("hello"), ConnectionClosedError)
    assert later.__cause__ is error


def test_a_missing_confirmation_is_only_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Live, `session.updated` sometimes never comes: we wait, say so, and go on."""
    monkeypatch.setattr(configurer, "_UPDATE_TIMEOUT", 0.1)
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        assert grok.state == "open"
        grok.send_audio(bytes(480))
        transport.wait(lambda t: t.types[1:] == ["input_audio_buffer.append"])
    assert "no session.updated within 0.1 s" in caplog.text


def test_the_ids_alone_are_a_greeting_too() -> None:
    """Of `session.created` and `conversation.created` either may be missing."""
    for message in GREETING:
        transport = ScriptedTransport()
        transport.answers = transport.confirm_updates
        with scripted(transport, message) as grok:
            assert grok.state == "open"


# --- not opening -------------------------------------------------------------------------------


def test_a_server_that_says_nothing() -> None:
    """It accepts, and is silent: `ConnectFailed` within `open_timeout`, with what to check."""

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        silent(connection)

    with listening(talk) as port:
        grok = GrokClient(KEY, url=f"ws://127.0.0.1:{port}", open_timeout=0.3, close_timeout=0.2)
        began = time.monotonic()
        error = refused(grok.connect)
        assert time.monotonic() - began < 1
    assert "said nothing for 0.3 s" in str(error)
    assert grok.state == "closed"


@pytest.mark.parametrize("code", [1000, 4001])
def test_a_server_that_hangs_up_at_once(code: int) -> None:
    """It accepts, and closes: that is a failed connect, not a closed session, with the code."""
    transport = ScriptedTransport()
    grok = scripted(transport, Frame(0x8, close_payload(code, "not today")))
    error = refused(grok.connect)
    assert f"({code}): not today" in str(error)
    assert isinstance(error.__cause__, ConnectionClosed)
    assert grok.state == "closed"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (400, ConnectFailed),
        (401, AuthenticationFailed),
        (403, AuthenticationFailed),
        (404, ConnectFailed),
        (429, RateLimited),
        (500, ConnectFailed),
        (503, ConnectFailed),
    ],
)
def test_a_refusal_has_its_type(refusal: int, kind: type[ConnectFailed]) -> None:
    """Each HTTP status is an error of its own kind, over a socket and in memory alike."""
    with Simulator(refuse=refusal) as server:
        over_socket = refused(GrokClient(KEY, url=server.url).connect, kind)
    in_memory = refused(GrokClient(KEY, transport=loopback(refuse=refusal)).connect, kind)
    for error in (over_socket, in_memory):
        assert isinstance(error, ConnectFailed)
        assert error.status == refusal


def test_a_wrong_key_is_an_authentication_failure() -> None:
    """The service answers 400 to a wrong key: it is told as what it is."""
    with Simulator(api_key="the right one") as server:
        error = refused(GrokClient(KEY, url=server.url).connect, AuthenticationFailed)
    assert isinstance(error, AuthenticationFailed)
    assert error.status == 400


def test_how_long_to_wait_is_told() -> None:
    """A rate limit carries the server's Retry-After."""
    with Simulator(refuse=Refusal(429, "Slow down.", retry_after=7)) as server:
        error = refused(GrokClient(KEY, url=server.url).connect, RateLimited)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 7


def test_a_missing_key_is_noticed_before_dialling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key nothing is dialled."""
    monkeypatch.delenv("XAI_API_KEY")
    dialled: list[str] = []
    grok = GrokClient(transport=lambda url, _: dialled.append(url))  # type: ignore[arg-type, func-returns-value]
    refused(grok.connect, AuthenticationFailed)
    assert not dialled


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    "url",
    [
        lambda: f"ws://127.0.0.1:{closed_port()}",
        lambda: "wss://no-such-host.invalid/v1/realtime",
    ],
    ids=["refused port", "unknown host"],
)
def test_nobody_there(url: Callable[[], str]) -> None:
    """A port that nobody listens on and a host that nobody knows are `ConnectFailed`."""
    assert isinstance(refused(GrokClient(KEY, url=url()).connect), ConnectFailed)


@pytest.mark.parametrize("url", ["http://h", "ws://example.com/x", "nonsense"])
def test_an_address_that_cannot_be_used(url: str) -> None:
    """A wrong scheme, and a key in plain sight, are refused before anything is dialled."""
    refused(GrokClient(KEY, url=url).connect, ConfigError)


def test_a_server_that_is_none() -> None:
    """Something that speaks no HTTP at all is told as such."""
    with listening(answers(b"220 smtp ready\r\n\r\n")) as port:
        refused(GrokClient(KEY, url=f"ws://127.0.0.1:{port}", open_timeout=2).connect)


def test_a_factory_that_fails() -> None:
    """What a transport factory raises comes through, and the client is closed."""

    def factory(_url: str, _headers: Mapping[str, str]) -> ScriptedTransport:
        raise ConnectFailed("not here")

    grok = GrokClient(KEY, transport=factory)
    refused(grok.connect)
    assert grok.state == "closed"


# --- out of turn -------------------------------------------------------------------------------

VERBS: dict[str, Callable[[GrokClient], object]] = {
    "send": lambda grok: grok.send(events.ResponseCreate()),
    "send_audio": lambda grok: grok.send_audio(bytes(2)),
    "commit_audio": lambda grok: grok.commit_audio(),
    "clear_audio": lambda grok: grok.clear_audio(),
    "send_user_text": lambda grok: grok.send_user_text("x"),
    "send_tool_result": lambda grok: grok.send_tool_result("c", "x"),
    "request_response": lambda grok: grok.request_response(),
    "cancel_response": lambda grok: grok.cancel_response(),
    "interrupt": lambda grok: grok.interrupt(),
    "say": lambda grok: grok.say("x"),
    "update_session": lambda grok: grok.update_session(),
    "ask": lambda grok: grok.ask("x", timeout=1),
}
PUMPS: dict[str, Callable[[GrokClient], object]] = {
    "recv": lambda grok: grok.recv(timeout=1),
    "run": lambda grok: grok.run(),
    "iteration": lambda grok: next(iter(grok)),
    "wait_for": lambda grok: grok.wait_for(events.Event, timeout=1),
}


@pytest.mark.parametrize("verb", [*VERBS, *PUMPS])
def test_a_verb_before_connect(verb: str) -> None:
    """Each verb says that the client is not connected, and how it will be."""
    grok = GrokClient(KEY, transport=loopback())
    with pytest.raises(LocalProtocolError, match="not connected yet"):
        (VERBS | PUMPS)[verb](grok)
    assert grok.state == "new"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_after_the_end(verb: str) -> None:
    """Each verb raises the first cause."""
    with GrokClient(KEY, transport=loopback(instant=True)) as grok:
        grok.close(4000, "enough")
        with pytest.raises(ConnectionClosedOK, match=r"4000.*enough"):
            VERBS[verb](grok)


@pytest.mark.parametrize("verb", [*VERBS, *PUMPS])
def test_a_verb_after_a_close_without_a_session(verb: str) -> None:
    """A client that was closed before it was opened says so."""
    grok = GrokClient(KEY, transport=loopback())
    grok.close()
    assert grok.state == "closed"
    with pytest.raises(ConnectionClosedOK, match="closed before it was open"):
        (VERBS | PUMPS)[verb](grok)


def test_a_client_connects_once() -> None:
    """A second `connect`, open or closed, and a second `with` are refused."""
    grok = GrokClient(KEY, transport=loopback(instant=True))
    with grok:
        with pytest.raises(LocalProtocolError, match="this client is open: a client connects once"):
            grok.connect()
        with grok:
            pass
    with pytest.raises(LocalProtocolError, match="this client is closed"):
        grok.connect()
    with pytest.raises(LocalProtocolError, match="this client is closed"), grok:
        pass


# --- closing -----------------------------------------------------------------------------------


def accepts(connection: socket.socket) -> None:
    """Take the connection, and never answer the upgrade."""
    silent(connection)


def greets(connection: socket.socket) -> None:
    """Upgrade and greet, but confirm nothing."""
    upgraded(connection)
    greeting = [Frame(TEXT, json.dumps(message).encode()) for message in GREETING]
    connection.sendall(pack(greeting, mask=False))
    silent(connection)


@pytest.mark.parametrize("talk", [accepts, greets])
def test_close_during_connect(talk: Talk) -> None:
    """Another thread's `close` ends a connect, wherever it is; no thread, no socket is left."""
    with listening(talk) as port:
        grok = GrokClient(KEY, url=f"ws://127.0.0.1:{port}", close_timeout=0.2)
        connecting, outcome = in_background(grok.connect)
        time.sleep(0.1)
        assert grok.state == "connecting"
        with pytest.raises(LocalProtocolError, match="not connected yet"):
            grok.send_user_text("too early")
        began = time.monotonic()
        grok.close()
        connecting.join(SOON)
        assert time.monotonic() - began < 1.5
    assert isinstance(outcome[0], ConnectionClosedOK)
    assert grok.state == "closed"


def test_close_while_the_factory_works() -> None:
    """A transport that is made after the client was closed is closed too."""
    transport = ScriptedTransport()
    closed = threading.Event()

    def factory(_url: str, _headers: Mapping[str, str]) -> ScriptedTransport:
        closed.wait(SOON)
        return transport

    grok = GrokClient(KEY, transport=factory)
    connecting, outcome = in_background(grok.connect)
    while grok.state == "new":
        time.sleep(0.001)
    grok.close()
    closed.set()
    connecting.join(SOON)
    assert isinstance(outcome[0], ConnectionClosedOK)
    assert transport.released == 1


def test_close_before_the_socket_is_known() -> None:
    """A socket that is dialled after the client was closed is hung up at once."""
    dialled, theirs = socket.socketpair()
    grok = GrokClient(KEY)
    grok.close()
    with dialled, theirs:
        grok._lifecycle._dialling.remember(dialled.close)
        assert theirs.recv(1) == b""


def test_closing_is_a_state_of_its_own() -> None:
    """From the call of `close` to the last thread's end, the client is closing."""
    transport = ScriptedTransport()
    transport.answers = transport.confirm_updates
    transport.answers_close = False
    with scripted(transport, *GREETING) as grok:
        closing, _ = in_background(grok.close)
        transport.wait(lambda t: t.sent[-1].opcode == 0x8)
        assert grok.state == "closing"
        transport.hears_close(1000)
        closing.join(SOON)
        assert grok.state == "closed"


def test_a_lost_connection_is_told_twice() -> None:
    """`ConnectionLost` is a failure that `on_error` hears; `Closed` follows with its error."""
    transport = ScriptedTransport()
    transport.answers = transport.confirm_updates
    failures: list[events.Failure] = []
    with scripted(transport, on_error=failures.append) as grok:
        transport.hears_close(4001, "why")
        with pytest.raises(ConnectionClosedError, match="4001"):
            grok.run()
        assert grok.state == "closed"
    (lost,) = failures
    assert isinstance(lost, events.ConnectionLost)
    assert (lost.code, lost.reason) == ("4001", "why")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_process_needs_a_client_of_its_own() -> None:
    """In a forked child every verb says so, and `close` leaves the parent's session alone."""
    with Simulator() as server, GrokClient(KEY, url=server.url) as grok:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork
            child = os.fork()
        if not child:
            status = 1
            try:
                grok.send_user_text("from the child")
            except LocalProtocolError as error:
                status = 0 if "forked" in str(error) else 2
            grok.close()
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert grok.ask("Still there?", timeout=SOON).text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_process_waits_for_no_thread_of_its_parent() -> None:
    """`close` in a forked child returns, though another thread held a lock when it was forked."""
    with Simulator() as server, GrokClient(KEY, url=server.url).start() as grok:
        held, free = threading.Event(), threading.Event()

        def hold() -> None:
            with grok._lifecycle._changed:
                held.set()
                free.wait(SOON)

        holding, _ = in_background(hold)
        assert held.wait(SOON)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork
            child = os.fork()
        if not child:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends a child that waits
            signal.alarm(2)
            grok.close(timeout=0.1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        free.set()
        holding.join(SOON)
        assert status == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_process_leaves_a_connect_alone() -> None:
    """What a parent is opening while it forks is not the child's to cut."""
    asked, closed = threading.Event(), threading.Event()

    def talk(connection: socket.socket) -> None:
        request = heard(connection)
        asked.set()
        assert closed.wait(SOON)
        connection.sendall(switching(request))
        connection.recv(1 << 16)  # the update
        messages = (*GREETING, UPDATED)
        said = [Frame(TEXT, json.dumps(message).encode()) for message in messages]
        connection.sendall(pack(said, mask=False))
        silent(connection)

    with listening(talk) as port:
        grok = GrokClient(KEY, url=f"ws://127.0.0.1:{port}", close_timeout=0.2)
        connecting, outcome = in_background(grok.connect)
        assert asked.wait(SOON)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork
            child = os.fork()
        if not child:
            grok.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        closed.set()
        connecting.join(SOON)
        assert outcome == [grok]
        grok.close()


def test_a_forked_client_says_so() -> None:
    """Every verb of a client that was connected before a fork says what to do instead."""
    with GrokClient(KEY, transport=loopback(instant=True)) as grok:
        connection = grok._lifecycle.connection()
        here, connection._pid = connection._pid, -1
        with pytest.raises(LocalProtocolError, match="before the process forked"):
            grok.send_user_text("from the child")
        connection._pid = here
