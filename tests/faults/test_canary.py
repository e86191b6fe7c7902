"""A key and a token that nobody may ever read again, through a whole life with all its failures."""

from __future__ import annotations

import base64
import copy
import io
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import live
import pytest
import websocket
from breaking import on_line
from callers import SOON, until
from raw_peer import heard, listening, silent, upgraded
from relay import Fault
from stage import Peer

from grok_rt import GrokClient, events, tokens
from grok_rt._secret import Token
from grok_rt._wire.opening import Auth, Opening
from grok_rt.errors import GrokError
from grok_rt.recording import record
from grok_rt.simulator import Simulator, loopback

KEY = "xai-Canary7d1cZq8sW2pL9vB4nM7kT1rY6uE3Zq8sW2pL9vB4nM7kT1rY6uE3"
SECRET = "ephemeral-Canary9f2bQw5eR8tY1uI4oP7aS0dF3gH6jK9lZ2xC5vB8nM1q"
TOKEN = Token(SECRET, 4_000_000_000)
HEADER = "Canary-header-value-a1B2c3D4e5F6g7H8"
PASSWORD = "Canary-password-i9J0k1L2m3N4"

Told = Callable[[object], None]


def traces(secret: str) -> list[str]:
    """A secret in every dress: whole, in part, and as headers, URLs and proxies write it."""
    encoded = base64.b64encode(f"user:{secret}".encode()).decode()
    return [secret, secret[4:20], secret[-12:], quote(secret), encoded, encoded[8:28]]


class Ears(logging.Handler):
    """Everything that any logger says at any level, its exceptions and arguments included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("grok_rt.simulator"):
            return  # a server may log what it is sent
        self.text.write(f"{record.name} {record.getMessage()} {record.args!r} {vars(record)!r}\n")
        if record.exc_info and record.exc_info[1]:
            self.text.write(everything_about(record.exc_info[1]))


def everything_about(error: BaseException) -> str:
    """What a log, a debugger and an error tracker could show: text, fields, and all causes."""
    parts = ["".join(traceback.format_exception(error))]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        parts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return "\n".join(parts)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Told]:
    """Takes what a test saw; at the end nothing of that, of any log or of stdout may tell."""
    for name in ("https_proxy", "http_proxy", "all_proxy", "GROK_RT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XAI_API_KEY", KEY)
    seen = io.StringIO()

    def tell(what: object) -> None:
        if isinstance(what, BaseException):
            seen.write(everything_about(what))
        seen.write(f"{what} {what!r}\n")

    ears = Ears()
    root, theirs = logging.getLogger(), logging.getLogger("websocket")
    level = root.level
    root.addHandler(ears)
    root.setLevel(logging.DEBUG)
    websocket.enableTrace(True, handler=ears, level="DEBUG")
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield tell
    finally:
        websocket.enableTrace(False)
        theirs.removeHandler(ears)
        root.removeHandler(ears)
        root.setLevel(level)
        for name, old in levels.items():
            logging.getLogger(name).setLevel(old)
    shown = capfd.readouterr()
    everything = ears.text.getvalue() + seen.getvalue() + shown.out + shown.err
    for secret in (KEY, SECRET, HEADER, PASSWORD):
        for trace in traces(secret):
            at = everything.find(trace)
            assert at < 0, everything[max(0, at - 500) : at + 200]


def ways(url: str, **options: Any) -> Iterator[GrokClient]:
    """A client for each way of being somebody."""
    options.setdefault("open_timeout", 3)
    options["headers"] = {"X-Api-Key": HEADER}
    for key in (KEY, None, TOKEN, SECRET, lambda: KEY, lambda: TOKEN):
        for auth in ("bearer", "subprotocol", "openai"):
            kind: Auth = auth  # type: ignore[assignment]
            yield GrokClient(key, url=url, auth=kind, **options)


def show(tell: Told, client: GrokClient) -> None:
    """Every repr that a debugger opens: the client, and all that it is made of."""
    pending: list[object] = [client]
    seen: set[int] = set()
    while pending:
        thing = pending.pop()
        if id(thing) in seen or not type(thing).__module__.startswith("grok_rt"):
            continue
        seen.add(id(thing))
        tell(thing)
        if type(thing).__name__ == "Secret":
            continue
        names = [n for c in type(thing).__mro__ for n in getattr(c, "__slots__", ())]
        fields = {n: getattr(thing, n, None) for n in names} | getattr(thing, "__dict__", {})
        pending += fields.values()


def recorded(tell: Told, folder: Path) -> None:
    """All that a recording has, its page too."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) == 3
    for file in files:
        tell(file.read_bytes().decode("latin-1"))


def test_a_life_of_success(told: Told, tmp_path: Path) -> None:
    """Opened, configured, asked, updated, interrupted, recorded, closed: nobody is told."""
    with Simulator() as server:
        for number, client in enumerate(ways(server.url)):
            folder = tmp_path / f"{number}"
            with record(client, folder) as recorder, client:
                heard_events = [client.recv(SOON) for _ in range(2)]
                show(told, client)
                client.update_session()
                client.request_response()
                client.wait_for(events.ResponseCreated, timeout=SOON)
                client.interrupt(played_ms=10)
            told([heard_events, list(client), client.config])
            recorded(told, folder)
            show(told, recorder)
            show(told, client)
            with pytest.raises(GrokError) as later:
                client.send_user_text("later")
            told(later.value)


def test_a_life_of_failures(told: Told) -> None:
    """Refused in all the ways there are, before and after the upgrade: nobody is told."""

    def echo(connection: Any) -> None:
        connection.sendall(heard(connection))

    def quotes(connection: Any) -> None:
        request = heard(connection)
        head = b"HTTP/1.1 400 Bad\r\nX-Request-Id: %b\r\nContent-Length: %d\r\n\r\n"
        said = request.partition(b"\r\n")[2].replace(b"\r\n", b" ")
        connection.sendall(head % (b"q", len(said)) + said)

    def hangs_up(connection: Any) -> None:
        upgraded(connection)

    def refuses(connection: Any) -> None:
        peer = Peer(connection)
        peer.says(*live.GREETING)
        update = peer.hears("session.update")
        peer.says(live.error("invalid_request_error", "no", update["event_id"]))
        peer.listens()

    for talk in (echo, quotes, hangs_up, refuses, lambda _: None):
        with listening(talk) as port:
            for client in ways(f"ws://127.0.0.1:{port}/v1/realtime"):
                with pytest.raises(GrokError) as caught:
                    client.connect()
                told(caught.value)
                show(told, client)
    for client in ways("wss://127.0.0.1:1/v1/realtime"):
        with pytest.raises(GrokError) as caught:
            client.connect()
        told(caught.value)
    for client in ways("ws://example.invalid/v1/realtime"):
        with pytest.raises(GrokError) as caught:
            client.connect()
        told(caught.value)


@pytest.mark.parametrize("fault", ["fin", "rst", "garbage", "stall"])
def test_a_life_that_is_cut(fault: Fault, told: Told, tmp_path: Path) -> None:
    """Lost while open and recorded, with raising handlers that log: nobody is told."""

    def talk(connection: Any, _: object) -> None:
        peer = Peer(connection)
        peer.opens()
        peer.says(live.committed("x"))
        peer.says(live.error("invalid_request_error", f"you said {KEY}"))
        peer.says_raw(b"{ no JSON")
        peer.listens()

    with on_line(talk, "wss") as line:
        client = line.client(api_key=KEY, dead_after=0.3, headers={"X-Api-Key": HEADER})

        @client.on(events.InputAudioBufferCommitted)
        def fail(event: events.Event) -> None:
            here = client  # in the frame that the traceback keeps
            raise LookupError(repr(here))

        recorder = record(client, tmp_path / "call")
        failures: list[events.Event] = []
        client.on_error(failures.append)
        client.start()
        until(lambda: any(isinstance(failure, events.Error) for failure in failures))
        with client.expect(events.Reconnecting, timeout=SOON):
            line.relay.strike(fault)
        client.close()
        recorder.close()
        recorded(told, tmp_path / "call")
        told([failure for failure in failures if not isinstance(failure, events.Error)])
        for failure in failures:
            error = getattr(failure, "error", None)
            if isinstance(error, BaseException):
                told(error)
        with pytest.raises(GrokError) as later:
            client.send_audio(bytes(480))
        told(later.value)
        show(told, client)


def test_mistakes(told: Told) -> None:
    """What is refused on this side does not quote what it refuses."""
    wrong: list[Callable[[], object]] = [
        lambda: GrokClient(KEY + "\r\nX: y", transport=None, url="ws://127.0.0.1:1/").connect(),
        lambda: GrokClient(KEY + "é", url="ws://127.0.0.1:1/").connect(),
        lambda: GrokClient(KEY + " ,", auth="subprotocol", url="ws://127.0.0.1:1/").connect(),
        lambda: GrokClient([KEY], url="ws://127.0.0.1:1/").connect(),  # type: ignore[arg-type]
        lambda: GrokClient(lambda: {"key": KEY}, url="ws://127.0.0.1:1/").connect(),  # type: ignore[arg-type,return-value]
        lambda: GrokClient(KEY, headers={"X": HEADER + "\n"}, url="ws://127.0.0.1:1/").connect(),
        lambda: GrokClient(KEY, proxy=f"ftp://user:{PASSWORD}@p", url="wss://h.invalid/").connect(),
        lambda: GrokClient(KEY, proxy=f"http://user:{PASSWORD}@127.0.0.1:1").connect(),
        lambda: GrokClient(KEY, proxy=f"http://user:{PASSWORD}@[").connect(),
        lambda: GrokClient(Token(SECRET, 1), url="ws://127.0.0.1:1/").connect(),
        lambda: GrokClient(TOKEN, call_id="c", url="ws://127.0.0.1:1/").connect(),
        lambda: tokens.create(KEY, url="ws://127.0.0.1:1/v1/realtime", timeout=1),
        lambda: tokens.create(TOKEN, url="ws://127.0.0.1:1/v1/realtime"),
        lambda: pickle.dumps(GrokClient(KEY)),
        lambda: copy.deepcopy(GrokClient(KEY)),
        lambda: pickle.dumps(Opening(None, KEY)),
        lambda: GrokClient(KEY).send_user_text("too early"),
    ]
    for mistake in wrong:
        with pytest.raises((GrokError, TypeError)) as caught:
            mistake()
        told(caught.value)
    for thing in (Opening(None, KEY, headers={"X": HEADER}), TOKEN, GrokClient(TOKEN)):
        told(thing)
        told(vars(thing) if hasattr(thing, "__dict__") else "")


def test_tokens_are_made_in_silence(told: Told) -> None:
    """The call that makes a token shows neither the key nor the token, failed or not."""
    with Simulator(api_key=KEY) as server:
        token = tokens.create(KEY, url=server.url)
        told(token)
        assert token.reveal().strip()
        assert token.reveal() not in f"{token} {token!r}"
        with pytest.raises(GrokError) as caught:
            tokens.create(KEY[:-1], url=server.url)
        told(caught.value)
    with listening(silent) as port, pytest.raises(GrokError) as caught:
        tokens.create(KEY, url=f"ws://127.0.0.1:{port}/v1/realtime", timeout=0.2)
    told(caught.value)


def test_a_factory_that_fails(told: Told) -> None:
    """A transport of the user's is handed the headers; a failure of its own does not show ours."""
    with GrokClient(KEY, transport=loopback()) as client:
        show(told, client)

    def factory(url: str, _: object) -> Any:
        raise LookupError(url)

    with pytest.raises(LookupError) as caught:
        GrokClient(KEY, transport=factory).connect()
    told(caught.value)


def test_the_ears_hear() -> None:
    """What these tests stand on: logs are heard, causes are followed, each dress is known."""
    ears = Ears()
    logger = logging.Logger("alone")  # noqa: LOG001 - nobody else is to hear it
    logger.addHandler(ears)
    logger.debug("%s", "x" + KEY)
    assert any(trace in ears.text.getvalue() for trace in traces(KEY))
    with pytest.raises(ValueError, match="clean") as caught:
        _hide(LookupError(SECRET))
    assert SECRET in everything_about(caught.value)


def _hide(cause: Exception) -> None:
    try:
        raise cause
    except LookupError:
        raise ValueError("clean") from None
