"""Peers on real sockets, made of the standard library alone: independent of what is tested."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import functools
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import trustme

Talk = Callable[[socket.socket], object]

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
JOIN = 5.0  # seconds that a peer's thread may take to end


@functools.cache
def authority() -> trustme.CA:
    """One certificate authority for all tests; making one is slow."""
    return trustme.CA()


def trusting() -> ssl.SSLContext:
    """Make a client's context that trusts `authority` only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    return context


@functools.cache
def server_context(*names: str, expired: bool = False) -> ssl.SSLContext:
    """Make a server's context with a certificate for `names` (localhost and 127.0.0.1)."""
    past = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=2)
    leaf = authority().issue_cert(
        *(names or ("localhost", "127.0.0.1")),
        not_before=past - dt.timedelta(days=2) if expired else None,
        not_after=past if expired else None,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


@contextlib.contextmanager
def listening(talk: Talk, *, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Let `talk` have each connection to a port of this machine, in a thread of its own."""
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            if context is None:
                talk(connection)
            else:
                with context.wrap_socket(connection, server_side=True) as secured:
                    connections.append(secured)
                    talk(secured)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(JOIN)
            for connection in connections:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
            for thread in threads:
                thread.join(JOIN)
                assert not thread.is_alive()


def heard(connection: socket.socket) -> bytes:
    """Read a request's head."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += connection.recv(1) or _hung_up()
    return request


def switching(request: bytes, *extra: bytes) -> bytes:
    """Make the 101 answer to a request, with extra header lines."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
    lines = (
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
        *extra,
    )
    return b"\r\n".join((*lines, b"", b""))


def upgraded(connection: socket.socket, *extra: bytes) -> bytes:
    """Answer a request with 101, and return the request."""
    request = heard(connection)
    connection.sendall(switching(request, *extra))
    return request


def silent(connection: socket.socket) -> None:
    """Take everything, say nothing, until the other side is gone."""
    while connection.recv(1 << 16):
        pass


def answers(*parts: bytes) -> Talk:
    """Make a talk that hears a request, says `parts`, and hangs up."""

    def talk(connection: socket.socket) -> None:
        heard(connection)
        for part in parts:
            connection.sendall(part)

    return talk


def connect_proxy(asked: list[bytes], *, to: int | None = None) -> Talk:
    """Make a talk that tunnels to where it is asked to, or always to one port of this machine."""

    def talk(connection: socket.socket) -> None:
        request = heard(connection)
        asked.append(request)
        host, port = request.split()[1].decode().rsplit(":", 1)
        way = (host, int(port)) if to is None else ("127.0.0.1", to)
        with socket.create_connection(way) as other:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            relay(connection, other)

    return talk


def relay(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until both sides have ended."""

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sink, socket.SHUT_WR)

    back = threading.Thread(target=carry, args=(other, one), daemon=True)
    back.start()
    carry(one, other)
    back.join(JOIN)


def _hung_up() -> bytes:
    raise EOFError
