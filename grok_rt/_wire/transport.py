"""The line to the server: the `Transport` seam, and the WebSocket that fills it.

Frames go in and come out here; what they mean is nobody's business on this floor. `connect`
resolves, dials, tunnels and wraps under one deadline, then lets websocket-client do the upgrade;
nothing else of that library is used, and none of its exceptions passes this door.

Afterwards one thread may be in `send`, one in `recv`, and any thread may call `shutdown`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from grok_rt._wire.framing import FrameReader, pack
from grok_rt._wire.line import Line, open_line
from grok_rt._wire.line.dialling import DeadlineSocket
from grok_rt._wire.line.http import BODY_PATIENCE, Head, NotHTTP, read_answer, read_head
from grok_rt._wire.line.proxy import ENVIRONMENT
from grok_rt._wire.line.refusals import refused, unreachable
from grok_rt._wire.line.target import Target, check_headers, credentials, split_offers
from grok_rt.errors import ConnectFailed, ConnectionClosedError, RemoteProtocolError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

    from grok_rt._wire.framing import Frame
    from grok_rt._wire.line.dialling import OnWait

__all__ = ["Transport", "WebSocketTransport"]

_LINGER = 1.0  # seconds for a server that broke the protocol to hang up
_DISCARD = 64 << 10

# what websocket-client does not get to see of a 101, and the part of it that matters here
_PRIVATE = re.compile(rb"(?im)^(?:set-cookie|sec-websocket-protocol):.*\n")
_CHOICE = re.compile(rb"(?im)^sec-websocket-protocol:[ \t]*(.*?)[ \t]*\r?\n")


class Transport(Protocol):
    """What carries frames: a socket, or a peer in memory."""

    def send(self, frames: Sequence[Frame], /) -> None:
        """Send `frames` in order; blocks until all are handed on. One thread at a time.

        Raises:
            ConnectionClosedError: the connection is gone.
        """

    def recv(self) -> Sequence[Frame]:
        """Block until something has come; return the messages and control frames that are whole.

        There may be none yet, of a long message. One thread at a time.

        Raises:
            ConnectionClosedError: the connection is gone (code 1006).
            RemoteProtocolError: the peer broke the WebSocket protocol.
        """
        ...

    def shutdown(self) -> None:
        """End the connection now: a blocked `send` or `recv` wakes and raises.

        Any thread, any number of times; never blocks.
        """

    def close(self) -> None:
        """Release the descriptor, once nobody is in `send` or `recv` any more."""


@runtime_checkable
class Pollable(Protocol):
    """A transport that can be waited for, so that another than its reader may read for a while."""

    @property
    def is_ready(self) -> bool:
        """Whether the next `recv` does not block, whatever the descriptor says."""
        ...

    def fileno(self) -> int:
        """The descriptor that can be read when something has come, be it the end."""
        ...

    def recv(self) -> Sequence[Frame]:
        """As a `Transport` does; it does not block where something can be read."""
        ...

    def hold(self, on: bool, /) -> None:
        """Let `recv` keep the interpreter while it fetches what is there, or not."""

    def forget(self) -> None:
        """Release the descriptor in a forked child; the line itself is the parent's."""


class WebSocketTransport:
    """A WebSocket over TCP or TLS; made by `connect`."""

    __slots__ = ("_breach", "_early", "_lock", "_raw", "_reader", "_shut", "_stream", "_wire")

    def __init__(self, line: Line, reader: FrameReader, early: bytes = b"") -> None:
        self._raw, self._wire, self._stream = line
        self._reader = reader
        self._breach: RemoteProtocolError | None = None  # the end of all receiving
        self._shut = False
        self._lock = threading.Lock()  # the descriptor is released by one, once
        reader.room(len(early))[: len(early)] = early
        self._early = self._parse(len(early))  # what came right behind the upgrade

    @classmethod
    def connect(
        cls,
        url: str,
        headers: Mapping[str, str],
        *,
        subprotocols: Sequence[str] = (),
        timeout: float = 10,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = ENVIRONMENT,
        max_size: int = 16 << 20,
        allow_insecure: bool = False,
        dead_after: float | None = None,
        on_wait: OnWait | None = None,
    ) -> WebSocketTransport:
        """Open a connection; blocks for `timeout` seconds at most, whatever the network does.

        Args:
            url: ``wss://…``, or ``ws://…`` to this very machine.
            headers: sent with the upgrade, ``Authorization`` among them.
            subprotocols: offered to the server, beside those of a header
                ``Sec-WebSocket-Protocol``; they may carry an ephemeral token.
            timeout: seconds for everything: DNS, dialling, proxy, TLS, upgrade.
            ssl_context: whom to trust, instead of the system's authorities.
            proxy: a proxy's URL (http, https, socks4, socks5); None to go directly.
            max_size: the longest message taken from the server, in bytes.
            allow_insecure: let ``ws://`` leave this machine, the key in plain sight.
            dead_after: seconds of silence after which `recv` gives the server up, whatever the
                writer is stuck in; None: never.
            on_wait: called at each wait with what ends it, for another thread to call: this call
                then fails.

        Raises:
            ConfigError: the URL, a header or the proxy cannot be used; nothing was sent.
            ConnectFailed: nothing answered, or not as a WebSocket server does; as
                `AuthenticationFailed` and `RateLimited` if the server says so.
            MissingExtra: a SOCKS proxy needs python-socks.
        """
        target = Target.parse(url, allow_insecure=allow_insecure)
        headers, offers = split_offers(headers)
        offers = [*subprotocols, *offers]
        lines = check_headers(headers, offers)
        line = open_line(
            target, timeout=timeout, proxy=proxy, ssl_context=ssl_context, on_wait=on_wait
        )
        try:
            upgrade = _Upgrade(line, lines, credentials(headers, offers), target)
            upgrade.run(offers, timeout=timeout)
            line.wire.set_deadline(None)
            if dead_after is not None:
                _limit_silence(line.raw, dead_after)
        except BaseException:
            line.raw.close()
            raise
        return cls(line, FrameReader(max_size=max_size), upgrade.rest)

    def send(self, frames: Sequence[Frame], /) -> None:
        """Send `frames` in one write; blocks until the kernel took all. The writer thread's."""
        try:
            self._stream.sendall(pack(frames))
        except OSError as error:
            raise self._lost(error) from error

    def recv(self) -> list[Frame]:
        """Block until something has come; return the messages and control frames that are whole.

        Raises:
            ConnectionClosedError: the connection is gone (code 1006).
            RemoteProtocolError: the server broke the WebSocket protocol; what was whole before
                has been returned.
        """
        if self._early:
            early, self._early = self._early, []
            return early
        if self._breach is not None:
            raise self._breach
        if self._shut:  # the kernel may still hold, or take, more than we want
            raise self._lost(None)
        try:
            count = self._stream.take_into(self._reader.room())
        except BlockingIOError as error:
            why = "the server has been silent for too long"
            raise ConnectionClosedError(1006, why, error) from error
        except OSError as error:
            raise self._lost(error) from error
        if count == 0:
            raise self._lost(None)
        frames = self._parse(count or 0)
        if not frames and self._breach is not None:
            raise self._breach
        return frames

    @property
    def is_ready(self) -> bool:
        """Whether the next `recv` does not block, whatever the descriptor says."""
        return bool(self._early) or self._breach is not None or self._stream.is_ready

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._raw.fileno()

    def hold(self, on: bool, /) -> None:
        """Let `recv` keep the interpreter while it fetches what is there, or not."""
        self._wire.holds = on

    def shutdown(self) -> None:
        """Wake whoever is in `send` or `recv`: both raise from now on."""
        with self._lock, contextlib.suppress(OSError):  # the peer may have been faster
            self._shut = True
            # of the raw socket, never of a TLS object that somebody is using
            self._raw.shutdown(socket.SHUT_WR if self._breach else socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the descriptor; only when nobody is in `send` or `recv` any more.

        A server that broke the protocol gets a second to read why, and hang up.
        """
        if self._breach:
            self._linger()
        with self._lock:
            self._shut = True
            self._raw.close()

    def forget(self) -> None:
        """Release the descriptor in a forked child; the line itself is the parent's."""
        self._raw.close()  # without the lock, which a thread may have held that is not here

    def _parse(self, count: int) -> list[Frame]:
        """What is whole with `count` more bytes; a breach ends what comes after."""
        frames: list[Frame] = []
        self._reader.filled(count)
        try:
            self._reader.take_all(frames)
        except RemoteProtocolError as breach:
            self._breach = breach
        return frames

    def _linger(self) -> None:
        """Discard what still comes: unread, it would make the kernel reset what we said."""
        wire = DeadlineSocket(self._raw, time.monotonic() + _LINGER)
        with contextlib.suppress(OSError):
            self._raw.shutdown(socket.SHUT_WR)
            while wire.recv(_DISCARD):
                pass

    def _lost(self, error: OSError | None) -> ConnectionClosedError:
        if self._shut:
            return ConnectionClosedError(1006, "it was shut down on this side", error)
        if error is None:
            return ConnectionClosedError(1006, "the server hung up without a close frame")
        why = error.strerror or type(error).__name__
        return ConnectionClosedError(1006, f"the connection was lost ({why})", error)


def _limit_silence(raw: socket.socket, seconds: float) -> None:
    """Let the kernel end a receive after that long; the socket blocks for life all the same."""
    if hasattr(socket, "SO_RCVTIMEO") and os.name == "posix":
        whole, rest = divmod(seconds, 1)
        timeval = struct.pack("ll", int(whole), int(rest * 1e6))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)


class _Upgrade:
    """The HTTP upgrade, and the socket that websocket-client sees while doing it.

    Our headers are added below that library, whose trace log would show the key. It gets the
    head of a 101 only, without cookies, which it would keep for the whole process, and without
    the subprotocol, which may be a token; all other answers are read here, since it knows but
    one way to read a body.
    """

    def __init__(
        self,
        line: Line,
        lines: Sequence[str],
        secrets: Sequence[str],
        target: Target,
    ) -> None:
        self.rest = b""
        self._line = line
        self._lines = lines
        self._secrets = secrets
        self._target = target
        self._head: io.BytesIO | None = None
        self._chosen: set[str] = set()

    def run(self, offers: Sequence[str], *, timeout: float) -> None:
        """Turn the stream into a WebSocket, or say why it is none."""
        import websocket

        server = str(self._target)
        socket_: Any = websocket.WebSocket()
        try:
            socket_.connect(
                # a host without cookies in the jar that all users of the library share
                f"ws://no-cookies.invalid{self._target.resource}",
                host=self._target.authority,
                socket=self,
                suppress_origin=True,
                redirect_limit=0,
            )
        except OSError as error:
            other = "" if self._target.secure else "wss://"
            raise unreachable(error, server=server, timeout=timeout, other=other) from error
        except websocket.WebSocketTimeoutException:
            raise unreachable(TimeoutError(), server=server, timeout=timeout) from None
        except (websocket.WebSocketException, NotHTTP, ValueError) as error:
            # its text may quote the answer, and the answer the key
            raise unreachable(error, server=server, timeout=timeout) from None
        answer: Mapping[str, str] = socket_.handshake_response.headers
        if not self._chosen.issubset(offers):
            raise ConnectFailed(f"{server} chose a subprotocol that was not offered.", status=101)
        if "sec-websocket-extensions" in answer:
            raise ConnectFailed(f"{server} chose an extension; none was offered.", status=101)

    def gettimeout(self) -> None:
        """Tell websocket-client that calls block; the stream has its deadline."""

    def send(self, request: bytes) -> int:
        lines = "".join(f"{line}\r\n" for line in self._lines).encode("latin-1")
        self._line.stream.sendall(request.removesuffix(b"\r\n") + lines + b"\r\n")
        return len(request)

    def recv(self, size: int) -> bytes:
        if self._head is None:
            head = read_head(self._line.stream)
            if head.status != 101:
                raise self._refused(head)
            self.rest = head.rest
            self._chosen = {choice.decode("latin-1") for choice in _CHOICE.findall(head.raw)}
            self._head = io.BytesIO(_PRIVATE.sub(b"", head.raw))
        return self._head.read(size)

    def close(self) -> None:
        """Leave the closing to the one who dialled."""

    def _refused(self, head: Head) -> ConnectFailed:
        self._line.wire.hurry(BODY_PATIENCE)
        status, headers, body = read_answer(head, self._line.stream)
        return refused(status, headers, body, server=str(self._target), secrets=self._secrets)
