"""What stands between a client and its server: certificates, proxies, names, full queues."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from breaking import SLACK, cannot_connect, has_ended, lost
from callers import SOON, call_in_thread
from raw_peer import (
    answers,
    heard,
    listening,
    relay,
    server_context,
    silent,
    switching,
    trusting,
    upgraded,
)
from stage import Peer

from grok_rt import GrokClient
from grok_rt.errors import ConnectionClosed

KEY = "xai-canary-7d1c"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def listens(connection: socket.socket) -> None:
    peer = Peer(connection)
    peer.opens()
    peer.listens()


# --- certificates ------------------------------------------------------------------------------


def self_signed() -> ssl.SSLContext:
    """An authority nobody knows, which is its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


CERTIFICATES = {
    "wrong name": (lambda: server_context("elsewhere.invalid"), True, "it is not for localhost"),
    "expired": (lambda: server_context("localhost", expired=True), True, "it has expired"),
    "unknown authority": (server_context, False, "its issuer is not known here"),
    "its own authority": (self_signed, True, "its issuer is not known here"),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_a_certificate_that_is_not_trusted(kind: str) -> None:
    """It fails before the key is sent, and says what is wrong with the certificate."""
    context, ours, why = CERTIFICATES[kind]
    told: list[bytes] = []
    with listening(lambda c: told.append(c.recv(1 << 16)), context=context()) as port:
        url = f"wss://localhost:{port}/v1/realtime"
        client = GrokClient(KEY, url=url, ssl_context=trusting() if ours else None)
        error = cannot_connect(client, 0)
    assert why in error.message
    assert "certificate" in error.message
    assert error.hint
    assert not any(told)


def test_a_certificate_that_is_not_valid_yet() -> None:
    """A clock that is wrong is the likeliest cause, and is named."""
    authority = trustme.CA()
    tomorrow = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=1)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_before=tomorrow).configure_cert(server)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(ours)
    with listening(silent, context=server) as port:
        url = f"wss://localhost:{port}/v1/realtime"
        error = cannot_connect(GrokClient(KEY, url=url, ssl_context=ours), 0)
    assert "not valid yet" in error.message
    assert "clock" in error.hint


# --- proxies -----------------------------------------------------------------------------------


PROXIES = {
    "before it has heard": (lambda c: c.recv(1), "closed the connection before it answered"),
    "before it answers": (answers(), "closed the connection before it answered"),
    "in its answer": (answers(b"HTTP/1.1 200 Conn"), "closed the connection before it answered"),
    "after its answer": (answers(ESTABLISHED), "closed"),
    "in the handshake of TLS": (
        lambda c: (heard(c), c.sendall(ESTABLISHED), c.recv(100)),
        "closed",
    ),
}


@pytest.mark.parametrize("moment", PROXIES)
def test_a_proxy_that_dies_on_the_way(moment: str) -> None:
    """A proxy that dies while the session is opened costs the session, and no more time."""
    talk, why = PROXIES[moment]
    with listening(talk) as port:
        client = GrokClient(
            KEY,
            url="wss://localhost:1/v1/realtime",
            ssl_context=trusting(),
            proxy=f"http://user:secret@127.0.0.1:{port}",
        )
        error = cannot_connect(client, 0)
    assert why in error.message
    is_proxy = "proxy" in error.message
    assert ("Perhaps" in error.hint) != is_proxy  # it has no other scheme
    assert "secret" not in str(error) + repr(vars(error))


def test_a_proxy_that_never_answers() -> None:
    """It holds up a connect for `open_timeout`."""
    with listening(silent) as port:
        proxy = f"http://127.0.0.1:{port}"
        url = "wss://localhost:1/v1/realtime"
        error = cannot_connect(GrokClient(KEY, url=url, proxy=proxy, open_timeout=0.4), 0.4)
    assert "within 0.4 s" in error.message


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_proxy_that_dies_in_the_session(scheme: str) -> None:
    """The session is lost as if the server had hung up."""
    dies = threading.Event()

    def talk(connection: socket.socket) -> None:
        where = heard(connection).split()[1].decode().rpartition(":")
        with socket.create_connection(("127.0.0.1", int(where[2]))) as server:

            def kill() -> None:
                assert dies.wait(SOON)
                for end in (connection, server):
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

            killer = threading.Thread(target=kill)
            killer.start()
            connection.sendall(ESTABLISHED)
            relay(connection, server)
            killer.join()

    context = server_context() if scheme == "wss" else None
    with listening(listens, context=context) as port, listening(talk) as proxy:
        client = GrokClient(
            KEY,
            url=f"{scheme}://localhost:{port}/v1/realtime",
            ssl_context=trusting(),
            proxy=f"http://127.0.0.1:{proxy}",
        ).connect()
        dies.set()
        error, told = lost(client, 0)
        has_ended(client, told, error)
        assert (error.code, error.reason) == (1006, "the server hung up without a close frame")


# --- names and queues --------------------------------------------------------------------------


def test_a_name_that_is_never_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that hangs costs `open_timeout`; it is the one thread that may stay."""
    release = threading.Event()
    gone = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait(SOON)
        gone.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        client = GrokClient(KEY, url="wss://voice.invalid/v1/realtime", open_timeout=0.3)
        error = cannot_connect(client, 0.3)
        names = [t.name for t in threading.enumerate() if t.name.startswith("grok-rt")]
    finally:
        release.set()
    assert gone.wait(SOON)
    assert "DNS does not answer" in error.message
    assert names == ["grok-rt-resolver"]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="other kernels refuse instead")
def test_a_server_that_accepts_nobody() -> None:
    """With its queue full the dial itself hangs: it ends after `open_timeout`."""
    with full_queue() as port:
        url = f"ws://127.0.0.1:{port}/v1/realtime"
        error = cannot_connect(GrokClient(KEY, url=url, open_timeout=0.4), 0.4)
    assert "within 0.4 s" in error.message


@pytest.mark.parametrize("slow", ["the key", "the name", "the proxy", "the upgrade"])
def test_what_one_stage_takes_the_next_has_not(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One deadline for all of them: who waits long for the first waits shortly for the rest."""
    real = socket.getaddrinfo

    def resolve(*args: Any, **options: Any) -> Any:
        time.sleep(0.8)
        return real(*args, **options)

    def key() -> str:
        if slow == "the key":
            time.sleep(0.8)
        return KEY

    def talk(connection: socket.socket) -> None:
        if slow in ("the key", "the name"):
            silent(connection)
        request = heard(connection)
        time.sleep(0.8)
        connection.sendall(ESTABLISHED if slow == "the proxy" else switching(request))
        silent(connection)

    if slow == "the name":
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with listening(talk) as port:
        proxy = f"http://127.0.0.1:{port}" if slow == "the proxy" else None
        url = f"ws://localhost:{port}/v1/realtime"
        began = time.monotonic()
        cannot_connect(GrokClient(key, url=url, proxy=proxy, open_timeout=1.0), 1.0)
        assert time.monotonic() - began < 1.7  # and not 1.8


STAGES = ("the name", "the dial", "the proxy", "the handshake", "the upgrade", "the greeting")


@pytest.mark.parametrize("stage", STAGES)
def test_close_ends_every_stage_of_a_connect(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread's `close` ends a connect at once, whatever it waits for."""
    waits, release = threading.Event(), threading.Event()

    def talk(connection: socket.socket) -> None:
        if stage == "the greeting":
            upgraded(connection)
        elif stage == "the handshake":
            connection.recv(1)
        else:
            heard(connection)
        waits.set()
        silent(connection)

    def hang(*_: object, **__: object) -> list[object]:
        waits.set()
        release.wait(SOON)
        return []

    with contextlib.ExitStack() as stack:
        if stage == "the dial":
            port = stack.enter_context(full_queue())
            threading.Timer(0.2, waits.set).start()  # nobody can tell
        else:
            port = stack.enter_context(listening(talk))
        if stage == "the name":
            monkeypatch.setattr(socket, "getaddrinfo", hang)
        scheme = "wss" if stage == "the handshake" else "ws"
        proxy = f"http://127.0.0.1:{port}" if stage == "the proxy" else None
        client = GrokClient(KEY, url=f"{scheme}://127.0.0.1:{port}/v1/realtime", proxy=proxy)
        connecting = call_in_thread(client.connect)
        assert waits.wait(SOON)
        began = time.monotonic()
        client.close(timeout=0.2)  # nor does it wait for a server that never greeted
        with pytest.raises(ConnectionClosed, match="closed before it was open"):
            connecting.result(SOON)
        assert time.monotonic() - began < SLACK
        release.set()


@contextlib.contextmanager
def full_queue() -> Iterator[int]:
    """A port that lets nobody in any more."""
    with socket.socket() as listener, contextlib.ExitStack() as queue:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        time.sleep(0.05)  # the handshakes are the kernel's business
        yield listener.getsockname()[1]
