"""From a host name to a connected TCP socket, within one deadline.

Here live name resolution (in a daemon thread of its own, since nothing can interrupt the system's
resolver), dialling several addresses with short head starts, the options of the socket, and
`DeadlineSocket`, which bounds everything that follows. Runs in the thread that connects. Raises
plain `OSError`; what that means for a session is said elsewhere.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import itertools
import os
import queue
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING

from grok_rt._wire.line import holding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    #: Takes what ends the wait that begins now: another thread may call it, at any later time.
    OnWait = Callable[[Callable[[], object]], None]

HEAD_START = 0.25  # seconds before the next address is tried as well (RFC 8305)
USER_TIMEOUT_MS = 20_000  # how long sent data may stay unacknowledged before the line is dead

# What `socket.getaddrinfo` answers: family, type, protocol, canonical name, address.
AddrInfo = tuple[int, int, int, str, tuple[object, ...]]


class DeadlineSocket:
    """A socket whose calls must all be over at one moment; None lets them block for life.

    Each call gets what is left, so a peer that drips bytes gains nothing by it.

    Attributes:
        holds: what is there already is received without letting go of the interpreter.
    """

    __slots__ = ("_deadline", "_raw", "holds")

    def __init__(self, raw: socket.socket, deadline: float | None) -> None:
        self.holds = False
        self._raw = raw
        self.set_deadline(deadline)

    def set_deadline(self, deadline: float | None) -> None:
        """Change the moment, by the monotonic clock."""
        self._deadline = deadline
        if deadline is None:
            self._raw.settimeout(None)

    def hurry(self, seconds: float) -> None:
        """Bring the moment nearer: `seconds` from now at the latest."""
        soon = time.monotonic() + seconds
        self._deadline = soon if self._deadline is None else min(self._deadline, soon)

    def recv(self, size: int, /) -> bytes:
        self._arm()
        return self._raw.recv(size)

    @property
    def is_ready(self) -> bool:
        return False  # only the kernel knows

    def take_into(self, buffer: memoryview, /) -> int:
        if self._deadline is not None:  # for every event that comes later, there is none
            self._arm()
        elif self.holds and (count := holding.take_into(self._raw.fileno(), buffer)) >= 0:
            return count
        return self._raw.recv_into(buffer)

    def sendall(self, data: bytes, /) -> None:
        self._arm()
        self._raw.sendall(data)

    def close(self) -> None:
        self._raw.close()

    def _arm(self) -> None:
        if self._deadline is not None:
            self._raw.settimeout(_left(self._deadline))


def dial(host: str, port: int, deadline: float, on_wait: OnWait | None = None) -> socket.socket:
    """Resolve `host` and return a connected socket, its options set.

    Args:
        host: a name or an address.
        port: at which it listens.
        deadline: when it has to be done, by the monotonic clock.
        on_wait: is told how to end each wait.

    Raises:
        OSError: nothing answered; `socket.gaierror` when the name could not be resolved,
            `TimeoutError` at the deadline, `ConnectionAbortedError` when a wait was ended.
    """
    addresses = _interleave(resolve(host, port, deadline, on_wait))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if on_wait is not None:
            on_wait(theirs.close)
        raw = _dial(addresses, deadline, ours)
    with contextlib.suppress(OSError):  # already reset: the first use will tell
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    return raw


def resolve(host: str, port: int, deadline: float, on_wait: OnWait | None = None) -> list[AddrInfo]:
    """Return the addresses of `host`, without waiting for the resolver past the deadline.

    Raises:
        socket.gaierror: the name is unknown, or nobody answered in time (`EAI_AGAIN`).
        ConnectionAbortedError: the wait was ended, as `on_wait` has been told how to.
    """
    answer: queue.SimpleQueue[list[AddrInfo] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001  # raised again where it is awaited
            answer.put(error)
        else:
            answer.put([*found])

    if on_wait is not None:
        on_wait(lambda: answer.put(_given_up()))
    try:
        threading.Thread(target=ask, name="grok-rt-resolver", daemon=True).start()
    except RuntimeError as error:  # there are too many
        raise OSError(errno.EAGAIN, str(error)) from error
    try:
        found = answer.get(timeout=_left(deadline))
    except queue.Empty:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer in time") from None
    if isinstance(found, Exception):
        raise found
    return found


def _interleave(addresses: Iterable[AddrInfo]) -> list[AddrInfo]:
    """Let the families alternate, beginning with the system's favourite."""
    families: dict[int, list[AddrInfo]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    rounds = itertools.zip_longest(*families.values())
    return [address for turn in rounds for address in turn if address is not None]


def _dial(addresses: list[AddrInfo], deadline: float, bell: socket.socket) -> socket.socket:
    """Try the addresses in turn, each with a head start, and return the first that answers.

    What comes by `bell`, be it the end, ends it.
    """
    waiting = collections.deque(addresses)
    tried: list[socket.socket] = []
    winner: socket.socket | None = None
    error = OSError(errno.EADDRNOTAVAIL, "the name has no address")
    next_start = time.monotonic()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(bell, selectors.EVENT_READ)
            while waiting or len(selector.get_map()) > 1:
                patience = _left(deadline)
                if waiting:
                    patience = min(patience, max(0.0, next_start - time.monotonic()))
                for key, _ in selector.select(patience):
                    if key.fileobj is bell:
                        raise _given_up()
                    raw: socket.socket = key.data
                    code = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not code:
                        winner = raw
                        return raw
                    error = OSError(code, os.strerror(code))
                    selector.unregister(raw)
                    next_start = time.monotonic()  # no reason to wait for a lost one
                if waiting and time.monotonic() >= next_start:
                    try:
                        raw = _begin(waiting.popleft())
                    except OSError as failure:
                        error = failure
                    else:
                        selector.register(raw, selectors.EVENT_WRITE, data=raw)
                        tried.append(raw)
                        next_start = time.monotonic() + HEAD_START
        raise error
    finally:
        for raw in tried:
            if raw is not winner:
                raw.close()


def _begin(address: AddrInfo) -> socket.socket:
    """Start a connect that does not block."""
    family, kind, protocol, _, where = address
    raw = socket.socket(family, kind, protocol)
    try:
        raw.setblocking(False)
        code = raw.connect_ex(where)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            raise OSError(code, os.strerror(code))
    except BaseException:
        raw.close()
        raise
    return raw


def _given_up() -> ConnectionAbortedError:
    return ConnectionAbortedError(errno.ECONNABORTED, "given up on this side")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(errno.ETIMEDOUT, "no answer in time")
    return left
