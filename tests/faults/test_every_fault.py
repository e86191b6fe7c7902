"""Every fault that the simulator knows, under every verb of the client: how it has to end.

A sample of the pairs in each run, all of them in the soak: `pytest -m soak tests/faults`.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator

import attrs
import pytest
from callers import call_in_thread, until

from grok_rt import GrokClient, SessionConfig, events, tokens
from grok_rt._client import configurer
from grok_rt.errors import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    GrokError,
    RateLimited,
    SendQueueFull,
)
from grok_rt.simulator import Script, Simulator, faults

KEY = "xai-key-of-the-test"
DEAD_AFTER = 0.4  # where silence is the fault; elsewhere a crowded machine may be as silent
PATIENCE = 30.0
HANG = 30.0  # seconds after which something hangs
WAIT = 0.5  # seconds that a verb waits for an event
AT = "response.created"


@attrs.frozen
class Ending:
    """How a fault has to end: nothing happens, or the session ends by an error with a code."""

    fault: faults.SessionFault
    code: int | None = None
    error: type[ConnectionClosed] = ConnectionClosedError


GOES_ON = {
    "fragmented": faults.Fragmented(1),
    "fragmented, large": faults.Fragmented(100),
    "huge": faults.Huge(1 << 20, at=AT),
    "invalid-json": faults.InvalidJson(at=AT),
    "strange-event": faults.StrangeEvent(),
    "strange-fields": faults.StrangeFields(),
    "duplicate": faults.Duplicate(),
    "duplicate response.done": faults.Duplicate(at="response.done"),
    "delay": faults.Delay(0.1, at="response.done"),
    "late": faults.Delay(0.3, at="session.updated"),
    "another order": faults.Delay(at=AT, until="response.output_item.added"),
    "missing session.updated": faults.Omit(at="session.updated"),
    "missing response.done": faults.Omit(at="response.done"),
    "slow-reader": faults.SlowReader(100_000.0),
}
ENDS = {
    "drop": Ending(faults.Drop(at=AT), 1006),
    "drop in a frame": Ending(faults.Drop(7, at=AT), 1006),
    "reset": Ending(faults.Drop(7, reset=True, at=AT), 1006),
    "stall": Ending(faults.Stall(7, at=AT), 1006),
    "silence": Ending(faults.Silence(at=AT), 1006),
    "deaf": Ending(faults.SlowReader(0, at="session.updated"), 1006),
    "close 1011": Ending(faults.Close(1011, "no more", at=AT), 1011),
    "close 1013": Ending(faults.Close(1013, at=AT), 1013),
    "close 4000": Ending(faults.Close(4000, at=AT), 4000),
    "close 1000": Ending(faults.Close(1000, at=AT), 1000, ConnectionClosedOK),
    "close 1001": Ending(faults.Close(1001, at=AT), 1001, ConnectionClosedOK),
    "invalid-utf8": Ending(faults.InvalidUtf8(at=AT), 1007),
    "too huge": Ending(faults.Huge(17 << 20, at=AT), 1009),
}


def _run(client: GrokClient) -> None:
    with hanging_up(client, WAIT):
        client.run()


def _iterate(client: GrokClient) -> None:
    with hanging_up(client, WAIT):
        for _ in client:
            pass


def _expect(client: GrokClient) -> None:
    with client.expect(events.ServerEvent, timeout=WAIT):
        client.request_response()


VERBS: dict[str, Callable[[GrokClient], object]] = {
    "send": lambda c: c.send(events.ResponseCreate()),
    "send_audio": lambda c: c.send_audio(bytes(9600), block=False),
    "send_audio, newest": lambda c: c.send_audio(bytes(9600), drop_oldest=True),
    "commit_audio": lambda c: c.commit_audio(),
    "clear_audio": lambda c: c.clear_audio(),
    "send_user_text": lambda c: c.send_user_text("Hello."),
    "send_tool_result": lambda c: c.send_tool_result(f"call-{next(_numbers)}", "done"),
    "request_response": lambda c: c.request_response(),
    "cancel_response": lambda c: c.cancel_response(),
    "interrupt": lambda c: c.interrupt(),
    "say": lambda c: c.say("Hello."),
    "update_session": lambda c: c.update_session(SessionConfig("Be brief."), timeout=WAIT),
    "ask": lambda c: c.ask("Hello?", timeout=2 * WAIT),
    "submit": lambda c: c.submit("Hello?", timeout=2 * WAIT).result(HANG),
    "recv": lambda c: c.recv(timeout=WAIT),
    "wait_for": lambda c: c.wait_for(events.ResponseDone, timeout=WAIT),
    "expect": _expect,
    "run": _run,
    "iterate": _iterate,
    "start": lambda c: c.start(),
    "close": lambda c: c.close(timeout=WAIT),
}
_numbers = itertools.count()

#: What a verb may raise while a session that goes on does so: it waited, and it did not come.
WAITED = (DeadlineExceeded, SendQueueFull)


@contextlib.contextmanager
def hanging_up(client: GrokClient, seconds: float) -> Iterator[None]:
    """Close the client after a while."""
    timer = threading.Timer(seconds, client.close)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextlib.contextmanager
def suffering(fault: faults.Fault) -> Iterator[GrokClient]:
    """A client whose server has a fault, connected."""
    script = Script().says("Hello there.")
    is_silent = isinstance(fault, (faults.Silence, faults.Stall)) or fault == ENDS["deaf"].fault
    with (
        Simulator(script, faults=[fault], latency=0) as server,
        contextlib.closing(made(server.url, DEAD_AFTER if is_silent else PATIENCE)) as client,
    ):
        yield client.connect()


def made(url: str, dead_after: float) -> GrokClient:
    return GrokClient(
        KEY,
        url=url,
        proxy=None,
        open_timeout=5,
        ping_interval=0.1,
        dead_after=dead_after,
        send_timeout=WAIT,
        close_timeout=WAIT,
        reconnect=False,
    )


def goes_on(fault: faults.SessionFault, verb: Callable[[GrokClient], object]) -> None:
    """The verb does its work or says what it waited for, and a session that was open stays so."""
    with suffering(fault) as client:
        client.request_response()
        with contextlib.suppress(*WAITED):
            call_in_thread(lambda: verb(client)).result(HANG)
        if client.state == "open":
            client.send_user_text("Still there?")
            client.close()
        assert client.state == "closed"
        with pytest.raises(ConnectionClosedOK, match="closed by this program"):
            client.send_user_text("Still there?")


def ends(ending: Ending, verb: Callable[[GrokClient], object]) -> None:
    """The verb is told, in time, of the loss and its cause; so is every later call."""

    def until_it_ends(client: GrokClient) -> ConnectionClosed:
        while True:
            try:
                verb(client)
            except ConnectionClosed as error:
                return error
            except GrokError:
                continue
            if client.state == "closed":  # a verb that waits for an end has seen it
                with pytest.raises(ConnectionClosed) as closed:
                    client.send_user_text("Still there?")
                return closed.value
            time.sleep(0.001)

    with suffering(ending.fault) as client:
        with contextlib.suppress(ConnectionClosed):
            client.request_response()
        error = call_in_thread(lambda: until_it_ends(client)).result(HANG)
        if verb is VERBS["close"]:
            return  # it may have been quicker than the fault
        assert type(error) is ending.error
        assert error.code == ending.code
        until(lambda: client.state == "closed")
        for later in ("send_user_text", "request_response", "commit_audio"):
            with pytest.raises(type(error)) as again:
                VERBS[later](client)
            assert str(again.value) == str(error)


def pairs(known: object, *, whole: bool) -> list[tuple[str, str]]:
    """All pairs, or so many that each fault meets several verbs and each verb several faults."""
    return [
        (fault, verb)
        for number, fault in enumerate(known)  # type: ignore[call-overload]
        for place, verb in enumerate(VERBS)
        if whole or (place + 5 * number) % 13 == 0
    ]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a confirmation that does not come for as long as for everything here."""
    monkeypatch.setattr(configurer, "_UPDATE_TIMEOUT", WAIT)


@pytest.mark.system
@pytest.mark.parametrize(("fault", "verb"), pairs(GOES_ON, whole=False))
def test_what_goes_on(fault: str, verb: str) -> None:
    """A fault that the protocol survives ends nothing: a sample."""
    goes_on(GOES_ON[fault], VERBS[verb])


@pytest.mark.parametrize("fault", sorted(GOES_ON.keys() - {"missing response.done"}))
def test_a_question_is_answered_all_the_same(fault: str) -> None:
    """What a fault changes that the protocol survives, it changes nothing of the answer."""
    with suffering(GOES_ON[fault]) as client:
        assert client.ask("Hello?", timeout=HANG).text == "Hello there."


@pytest.mark.system
@pytest.mark.parametrize(("fault", "verb"), pairs(ENDS, whole=False))
def test_what_ends(fault: str, verb: str) -> None:
    """A fault that ends the session is told in time, with its code: a sample."""
    ends(ENDS[fault], VERBS[verb])


@pytest.mark.soak
@pytest.mark.parametrize(("fault", "verb"), pairs(GOES_ON, whole=True))
def test_all_that_goes_on(fault: str, verb: str) -> None:
    """A fault that the protocol survives ends nothing, whatever the client does."""
    goes_on(GOES_ON[fault], VERBS[verb])


@pytest.mark.soak
@pytest.mark.parametrize(("fault", "verb"), pairs(ENDS, whole=True))
def test_all_that_ends(fault: str, verb: str) -> None:
    """A fault that ends the session is told in time, whatever the client does."""
    ends(ENDS[fault], VERBS[verb])


def test_every_fault_is_here() -> None:
    """The tables above and below have every fault there is."""
    met = {type(each) for each in GOES_ON.values()} | {type(each.fault) for each in ENDS.values()}
    met |= {faults.Refuse, faults.ClockSkew, faults.WrongName, faults.ExpiredCertificate}
    kinds = {getattr(faults, name) for name in faults.__all__}
    known = {kind for kind in kinds if isinstance(kind, type)}
    assert met == known - {faults.Fault, faults.SessionFault, faults.AtRandom}


# --- while it opens ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        faults.Drop(at="connection"),
        faults.Drop(60, at="connection"),
        faults.Drop(60, at="connection", reset=True),
        faults.Stall(60, at="connection"),
        faults.Drop(3),
        faults.Stall(3),
        faults.Silence(),
        faults.Close(1011),
        faults.Close(1000),
        faults.InvalidUtf8(),
        faults.Huge(17 << 20),
    ],
    ids=repr,
)
def test_what_ends_before_it_begins(fault: faults.SessionFault) -> None:
    """A session that is lost before it stands is a failed connect, in time and in a sentence."""
    with Simulator(faults=[fault]) as server:
        limit = 0.5 if isinstance(fault, (faults.Silence, faults.Stall)) else PATIENCE
        client = GrokClient(KEY, url=server.url, proxy=None, open_timeout=limit)
        with pytest.raises(ConnectFailed):
            call_in_thread(client.connect).result(HANG)
        assert client.state == "closed"
        client.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.Refuse(401), AuthenticationFailed),
        (faults.Refuse(403), AuthenticationFailed),
        (faults.Refuse(429, retry_after=2), RateLimited),
        (faults.Refuse(503, retry_after=2), ConnectFailed),
    ],
    ids=repr,
)
def test_refusals(fault: faults.Refuse, error: type[ConnectFailed]) -> None:
    """A refused handshake has its class, its status, and the time to wait."""
    with Simulator(faults=[attrs.evolve(fault, sessions=1)]) as server:
        with pytest.raises(error) as refused:
            GrokClient(KEY, url=server.url, proxy=None).connect()
        assert refused.value.status == fault.status
        if isinstance(refused.value, RateLimited):
            assert refused.value.retry_after == fault.retry_after
        with GrokClient(KEY, url=server.url, proxy=None) as grok:  # the next one is let in
            assert grok.session_id


@pytest.mark.parametrize("fault", [faults.WrongName(), faults.ExpiredCertificate()], ids=repr)
def test_bad_certificates(fault: faults.Fault) -> None:
    """A certificate for another host, or of yesterday, is not trusted, whoever signed it."""
    import ssl

    with Simulator(faults=[fault]) as server:
        assert server.authority is not None
        trust = ssl.create_default_context(cadata=server.authority.decode())
        with pytest.raises(ConnectFailed) as refused:
            GrokClient(KEY, url=server.url, ssl_context=trust, proxy=None).connect()
        said = str(refused.value).lower()
        assert ("expired" if isinstance(fault, faults.ExpiredCertificate) else "is not for") in said


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_a_skewed_clock(ahead: float) -> None:
    """A token whose expiry comes from another clock is refused before or at the door, in words."""
    with Simulator(faults=[faults.ClockSkew(ahead)]) as server:
        token = tokens.create(KEY, url=server.url, expires_after=60, proxy=None)
        assert token.expires_at - time.time() == pytest.approx(60 + ahead, abs=10)
        client = GrokClient(token, url=server.url, proxy=None)
        if ahead < 0:
            with pytest.raises(AuthenticationFailed, match="expired"):
                client.connect()
        else:
            with client:
                assert client.session_id


@pytest.mark.parametrize("seed", range(3))
def test_any_fault(seed: int) -> None:
    """Whatever a seed draws, a question is answered or its asker told why, and nothing is left."""
    with Simulator(faults=[faults.AtRandom(seed)]) as server:
        for _ in range(3):
            client = made(server.url, DEAD_AFTER)

            def question(client: GrokClient = client) -> None:
                with client:
                    client.ask("Hello?", timeout=2.0)

            with contextlib.suppress(GrokError):
                call_in_thread(question).result(HANG)
            client.close()
            assert client.state in ("closed", "new")
