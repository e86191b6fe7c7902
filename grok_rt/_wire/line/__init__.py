"""The way to a server: dialled, through a proxy, inside TLS, under one deadline.

Bytes can go back and forth when it is open; what they say, HTTP or frames, is not said here. Runs
in the thread that connects.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from grok_rt._wire.line.dialling import DeadlineSocket, dial
from grok_rt._wire.line.proxy import Proxy, choose, tunnel
from grok_rt._wire.line.refusals import SESSION, Purpose, unreachable
from grok_rt._wire.tls import TLSSocket, default_context

if TYPE_CHECKING:
    import ssl

    from grok_rt._wire.line.dialling import OnWait
    from grok_rt._wire.line.target import Target
    from grok_rt._wire.tls import Stream


class Line(NamedTuple):
    """An open way to a server: the socket, its deadline, and what to speak through."""

    raw: socket.socket
    wire: DeadlineSocket
    stream: Stream


def open_line(
    target: Target,
    *,
    timeout: float,
    proxy: str | None,
    ssl_context: ssl.SSLContext | None,
    on_wait: OnWait | None = None,
    purpose: Purpose = SESSION,
) -> Line:
    """Open the way to `target`; the deadline goes on to hold until it is changed.

    Raises:
        ConfigError: the proxy cannot be used; nothing was sent.
        ConnectFailed: there is no way.
        MissingExtra: a SOCKS proxy needs python-socks.
    """
    via = choose(proxy, host=target.host, port=target.port, secure=target.secure)
    deadline = time.monotonic() + timeout
    hop: Target | Proxy = via or target
    try:
        raw = dial(hop.host, hop.port, deadline, on_wait)
    except OSError as error:
        raise unreachable(error, server=str(hop), timeout=timeout, purpose=purpose) from error
    try:
        if on_wait is not None:
            on_wait(lambda: raw.shutdown(socket.SHUT_RDWR))
        wire = DeadlineSocket(raw, deadline)
        stream: Stream = wire
        if via is not None:
            stream = tunnel(wire, via, target.host, target.port)
        hop = target
        if target.secure:
            stream = TLSSocket(stream, ssl_context or default_context(), target.host)
            stream.handshake()
    except BaseException as error:
        raw.close()
        if isinstance(error, OSError):
            other = purpose.plain if hop is target else ""
            raise unreachable(
                error, server=str(hop), timeout=timeout, purpose=purpose, other=other
            ) from error
        raise
    return Line(raw, wire, stream)
