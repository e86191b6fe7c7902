"""TLS that two threads may use: one reads, one writes.

An `ssl.SSLSocket` must not be shared: OpenSSL's state is not made for it, and a TLS 1.3 KeyUpdate
can crash the interpreter. So OpenSSL works here on memory (`ssl.MemoryBIO`), every call of it
under one lock, and the socket is read and written outside that lock. No OpenSSL call can block,
and none leaves a partial write behind.

The reader never writes to the socket: what reading provokes (the answer to a KeyUpdate) leaves
with the next `sendall`, as TLS allows.
"""

from __future__ import annotations

import functools
import mmap
import os
import ssl
import threading
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_READ_SIZE = 64 << 10  # smaller costs a third more per frame, larger gains nothing
_WRITE_SIZE = 256 << 10  # bounds what is encrypted at a time, while the reader waits


def default_context() -> ssl.SSLContext:
    """Return the context of all sessions that bring none: it trusts as the environment says."""
    return _trusting(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@functools.lru_cache(maxsize=4)  # building one loads the CAs
def _trusting(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])  # a WebSocket begins with an HTTP/1.1 upgrade
    return context


class Stream(Protocol):
    """What carries bytes: a socket under a deadline, or TLS upon one."""

    @property
    def is_ready(self) -> bool:
        """Whether the next `take_into` does not read, and so does not block."""
        ...

    def recv(self, size: int, /) -> bytes: ...
    def take_into(self, buffer: memoryview, /) -> int | None: ...
    def sendall(self, data: bytes, /) -> None: ...


class TLSSocket:
    """TLS upon a stream, for one reading and one writing thread.

    Args:
        carrier: carries the encrypted bytes; blocks, and bounds its own calls.
        context: says whom to trust; may be shared.
        host: the name or address that the server's certificate must carry.
    """

    __slots__ = (
        "_carrier",
        "_failure",
        "_has_more",
        "_incoming",
        "_lock",
        "_outgoing",
        "_read",
        "_scratch",
        "_tls",
        "_writing",
    )

    def __init__(self, carrier: Stream, context: ssl.SSLContext, host: str) -> None:
        self._carrier = carrier
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        # Given a buffer, `read` returns a count.
        self._read: Callable[[int, memoryview], int] = self._tls.read  # type: ignore[assignment]
        self._lock = threading.Lock()  # every touch of the above, and nothing that blocks
        self._writing = threading.Lock()  # the order of records is their order on the wire
        self._scratch = memoryview(mmap.mmap(-1, _READ_SIZE))  # as the frames' buffer
        self._failure: ssl.SSLError | None = None
        self._has_more = True  # behind the handshake, there may be

    def handshake(self) -> None:
        """Agree on keys and check the certificate; before any other call, in one thread.

        Raises:
            ssl.SSLError: the server is not trusted, or speaks no TLS that we do.
            OSError: the carrier failed.
        """
        while not self._agrees():
            self._fetch()

    def agreed(self) -> tuple[str, Mapping[str, Any]]:
        """What the handshake came to: the version of TLS, and the server's certificate."""
        with self._lock:
            return self._tls.version() or "", self._tls.getpeercert() or {}

    @property
    def is_ready(self) -> bool:
        """Whether the next `take_into` does not read, and so does not block."""
        return self._has_more or self._carrier.is_ready

    def take_into(self, buffer: memoryview, /) -> int | None:
        """Fill the front of `buffer` with what is at hand, else with what one read brings.

        Returns:
            The number of bytes; 0 when the peer has closed; None: it was no whole record yet.
        """
        if not self._has_more:
            self._fetch()
        return self._decrypt(buffer)

    def recv(self, size: int, /) -> bytes:
        """Return up to `size` bytes, blocking for the first; none when the peer has closed."""
        buffer = bytearray(size)
        while (count := self.take_into(memoryview(buffer))) is None:
            pass
        return bytes(buffer[:count])

    def sendall(self, data: bytes, /) -> None:
        """Encrypt and send `data`; blocks until the carrier took all."""
        rest = memoryview(data)
        with self._writing:
            while rest:
                with self._lock:
                    written = self._tls.write(rest[:_WRITE_SIZE])
                    records = self._outgoing.read()
                self._carrier.sendall(records)
                rest = rest[written:]

    def _decrypt(self, buffer: memoryview) -> int | None:
        """Decrypt what is at hand: the byte count, 0 at the end, None to ask for more."""
        count = 0
        with self._lock:
            if self._failure is not None:
                raise self._failure
            self._has_more = True  # unless OpenSSL asks for more
            try:
                while True:
                    read = self._read(len(buffer) - count, buffer[count:])
                    count += read
                    if not read or count == len(buffer):
                        return count
                    if not self._incoming.pending:
                        self._has_more = False
                        return count
            except ssl.SSLWantReadError:
                self._has_more = False
                return count or None
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                # WebSocket has a close of its own: a missing close_notify hides nothing
                return count
            except ssl.SSLError as error:
                self._failure = error  # after what came before it
                if not count:
                    raise
                return count

    def _fetch(self) -> None:
        """Move what the carrier has into OpenSSL's memory; blocks for it."""
        count = self._carrier.take_into(self._scratch)
        if count is None:
            return
        with self._lock:
            if count:
                self._incoming.write(self._scratch[:count])
            else:
                self._incoming.write_eof()

    def _agrees(self) -> bool:
        """Go on with the handshake; whether it is over."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()  # if it has failed, the alert tells the server why
        return True

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._carrier.sendall(self._outgoing.read())
