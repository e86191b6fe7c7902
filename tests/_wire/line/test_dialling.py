"""Resolving and dialling: whatever the network does, the deadline holds and nothing is left."""

from __future__ import annotations

import collections
import contextlib
import errno
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from raw_peer import listening, silent

from grok_rt._wire.line import dialling as _dial
from grok_rt._wire.line.dialling import AddrInfo, DeadlineSocket, dial, resolve


def soon(seconds: float = 5) -> float:
    return time.monotonic() + seconds


def info(host: str, port: int) -> AddrInfo:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the resolver answers: addresses, an error, or an event that it waits for."""
    table: dict[str, Any] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: Any) -> Any:
        answer = table.get(host)
        if answer is None:
            return real(host, port, **options)
        if isinstance(answer, threading.Event):
            answer.wait(30)
            return []
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return table


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port of this machine that answers no SYN: its queue is full."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def refusing_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]  # type: ignore[no-any-return]


def test_a_dialled_socket_is_ready_for_speech() -> None:
    """No Nagle delay, keepalive, and a limit for unacknowledged data where the system has one."""
    with listening(silent) as port, dial("localhost", port, soon()) as raw:
        assert raw.getpeername() == ("127.0.0.1", port)
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            limit = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert limit == _dial.USER_TIMEOUT_MS


def test_a_system_without_user_timeout_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit for unacknowledged data is an option that some systems lack."""
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT", raising=False)
    with listening(silent) as port, dial("127.0.0.1", port, soon()) as raw:
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_resolver_that_hangs_cannot_break_the_deadline(names: dict[str, Any]) -> None:
    """DNS that never answers is a temporary failure of DNS, at the deadline."""
    names["hangs.example"] = threading.Event()
    started = time.monotonic()
    with pytest.raises(socket.gaierror) as caught:
        dial("hangs.example", 1, soon(0.1))
    assert caught.value.errno == socket.EAI_AGAIN
    assert time.monotonic() - started < 1
    assert any(thread.name == "grok-rt-resolver" for thread in threading.enumerate())
    names["hangs.example"].set()


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "?"), UnicodeError("idna")])
def test_the_resolver_s_errors_come_here(names: dict[str, Any], error: Exception) -> None:
    """What the resolver's thread meets is raised in the caller's."""
    names["bad.example"] = error
    with pytest.raises(type(error)):
        resolve("bad.example", 1, soon())


def test_a_name_without_address_cannot_be_dialled(names: dict[str, Any]) -> None:
    """An empty answer is an error like any other."""
    names["empty.example"] = []
    with pytest.raises(OSError, match="no address"):
        dial("empty.example", 1, soon())


def test_the_second_address_helps_at_once_when_the_first_refuses(names: dict[str, Any]) -> None:
    """A refused address costs no head start."""
    with listening(silent) as port:
        names["two.example"] = [info("127.0.0.1", refusing_port()), info("127.0.0.1", port)]
        started = time.monotonic()
        with dial("two.example", port, soon()) as raw:
            assert raw.getpeername()[1] == port
        assert time.monotonic() - started < _dial.HEAD_START


def test_the_second_address_helps_soon_when_the_first_is_silent(names: dict[str, Any]) -> None:
    """A dead address costs its head start, not the deadline; its socket is closed."""
    with listening(silent) as port, deaf_port() as deaf:
        names["two.example"] = [info("127.0.0.1", deaf), info("127.0.0.1", port)]
        started = time.monotonic()
        with dial("two.example", port, soon()) as raw:
            assert raw.getpeername()[1] == port
        assert _dial.HEAD_START <= time.monotonic() - started < 2


def test_an_address_that_cannot_be_tried_is_passed_over(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No IPv6 here, or no route at once: the next address has its turn."""
    with listening(silent) as port:
        unusable = (99, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        unroutable = info("127.0.0.1", 1)
        names["odd.example"] = [unusable, unroutable, info("127.0.0.1", port)]

        class Unroutable(socket.socket):
            def connect_ex(self, address: Any) -> int:
                return errno.ENETUNREACH if address[1] == 1 else super().connect_ex(address)

        monkeypatch.setattr(socket, "socket", Unroutable)
        with dial("odd.example", port, soon()) as raw:
            assert raw.getpeername()[1] == port


def test_the_last_error_tells_why() -> None:
    """When nobody answers, the error is a real one."""
    with pytest.raises(ConnectionRefusedError):
        dial("127.0.0.1", refusing_port(), soon())


def test_silence_ends_at_the_deadline() -> None:
    """An address that never answers costs the deadline."""
    started = time.monotonic()
    with deaf_port() as deaf, pytest.raises(TimeoutError):
        dial("127.0.0.1", deaf, soon(0.2))
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("stage", ["resolving", "dialling"])
def test_every_wait_can_be_ended(stage: str, names: dict[str, Any]) -> None:
    """Another thread ends it at once; what it calls may be called again, and later."""
    names["hangs.example"] = release = threading.Event()
    ends: list[Callable[[], object]] = []

    def on_wait(end: Callable[[], object]) -> None:
        ends.append(end)
        if len(ends) == (1 if stage == "resolving" else 2):
            threading.Timer(0.05, end).start()

    host = "hangs.example" if stage == "resolving" else "127.0.0.1"
    started = time.monotonic()
    try:
        with deaf_port() as deaf, pytest.raises(ConnectionAbortedError, match="on this side"):
            dial(host, deaf, soon(30), on_wait)
        assert time.monotonic() - started < 5
    finally:
        release.set()
    for end in ends:
        end()


def test_a_deadline_that_is_over_allows_nothing() -> None:
    """Late is late, even if an answer would be at hand."""
    with listening(silent) as port, pytest.raises(TimeoutError):
        dial("127.0.0.1", port, soon(-1))


def test_the_families_take_turns() -> None:
    """After the system's favourite comes the other family: a broken IPv6 costs one head start."""
    sixes = [info(f"::{n}", 1) for n in (1, 2, 3)]
    fours = [info("127.0.0.1", 1)]
    assert _dial._interleave([*sixes, *fours]) == [sixes[0], fours[0], sixes[1], sixes[2]]


def test_dripped_bytes_do_not_stretch_the_deadline() -> None:
    """One deadline for all calls together, however many there are."""

    def drip(connection: socket.socket) -> None:
        for _ in itertools.count():
            connection.sendall(b".")
            time.sleep(0.01)

    with listening(drip) as port, dial("127.0.0.1", port, soon()) as raw:
        wire = DeadlineSocket(raw, soon(5))
        assert wire.recv(1) == b"."
        wire.hurry(0.2)
        wire.hurry(60)  # does not give time back
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            collections.deque(iter(lambda: wire.recv(1), b""), maxlen=0)
        assert time.monotonic() - started < 1


def test_without_deadline_a_socket_blocks_for_life() -> None:
    """Once lifted there is no timeout; a deadline may be set again, and closing closes."""
    with (
        listening(lambda c: c.sendall(c.recv(9))) as port,
        dial("127.0.0.1", port, soon()) as raw,
    ):
        wire = DeadlineSocket(raw, None)
        assert raw.gettimeout() is None
        wire.sendall(b"hi")
        assert wire.take_into(memoryview(bytearray(2))) == 2
        assert raw.gettimeout() is None
        wire.hurry(60)
        assert wire.recv(1) == b""
        assert raw.gettimeout() is not None
        wire.close()
        assert raw.fileno() == -1
