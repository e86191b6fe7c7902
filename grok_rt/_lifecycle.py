"""From new to closed: how a client gets its connection, and how it loses it.

`open` runs on the caller's thread and can be ended by `close` on any other; a session that
never stood leaves no thread and no socket behind. Afterwards all calls get the connection
here, or the reason why there is none. The end is told by two events, `ConnectionLost` (if
it was) and `Closed`, put by the reader.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Literal

from grok_rt import events
from grok_rt._connection import Connection
from grok_rt._liveness import Limits
from grok_rt.errors import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    LocalProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from grok_rt._opening import Opening
    from grok_rt._queues import Inbox
    from grok_rt._session import Session

__all__ = ["Lifecycle", "State"]

State = Literal["new", "connecting", "open", "closing", "closed"]

_GIVE_UP = 0.2  # seconds for the close of a session that never stood


class Lifecycle:
    """One client's one connection.

    Args:
        opening: where to connect, and as whom.
        session: the books.
        inbox: where events go.
        limits: of the connection.
    """

    def __init__(self, opening: Opening, session: Session, inbox: Inbox, limits: Limits) -> None:
        self._opening = opening
        self._session = session
        self._inbox = inbox
        self._limits = limits
        self._lock = threading.Lock()
        # How far `open` got; once it is done, the connection itself knows how it is.
        self._phase: Literal["new", "connecting", "open", "closed"] = "new"
        self._dialled: socket.socket | None = None
        self._connection: Connection | None = None
        self._why: BaseException | None = None

    @property
    def state(self) -> State:
        """How it is at this moment."""
        connection = self._connection
        if self._phase != "open" or connection is None:
            return self._phase
        if connection.is_open:
            return "open"
        return "closed" if connection.is_over else "closing"

    @property
    def events_sent(self) -> int:
        """How many events have left this machine."""
        return 0 if self._connection is None else self._connection.events_sent

    def open(
        self,
        configure: Callable[[Connection, float], None],
        timeout: float,
        *,
        why_stalled: Callable[[], str],
    ) -> None:
        """Connect, and let `configure` have the connection and its deadline.

        Args:
            configure: makes a session of the connection; it has until its second argument.
            timeout: seconds for all of it.
            why_stalled: see `Connection`.

        Raises:
            ConnectFailed: there is no session after `timeout` seconds, or there will be none.
            ConnectionClosed: another thread has closed it meanwhile.
            LocalProtocolError: it was opened before.
            GrokError: whatever `configure` raises.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            if self._phase != "new":
                raise LocalProtocolError(
                    f"this client is {self.state}: a client connects once, make a new one"
                )
            self._phase = "connecting"
        try:
            connection = self._connect(deadline, why_stalled)
            # At once: the service reads it after its own greeting, which costs no round trip then.
            configure(connection, deadline)
            if not connection.ledger.wait(
                lambda books: books.greeted, max(0.0, deadline - time.monotonic())
            ):
                raise ConnectFailed(
                    f"The server took the connection, and said nothing for {timeout:g} s.",
                    hint="Is the url that of the realtime endpoint?",
                )
            self._go_on(connection, is_open=True)
        except BaseException as error:
            failure = _hung_up(error) if isinstance(error, ConnectionClosed) else error
            if self._fail(failure) and isinstance(failure, ConnectFailed):
                raise self.why_closed() from None
            if failure is error:
                raise
            raise failure from error

    def connection(self) -> Connection:
        """The connection, open or not any more.

        Raises:
            LocalProtocolError: there is none yet, or it is the parent process's.
            ConnectionClosed: there never was one, and there will be none.
        """
        connection = self._connection
        if connection is not None and connection.is_forked:
            raise LocalProtocolError(
                "this client was connected before the process forked: make one in the child"
            )
        if self._phase in ("new", "connecting"):
            raise LocalProtocolError(
                "not connected yet: call connect() or start(), or use the client in a with block"
            )
        if self._phase == "closed" or connection is None:
            raise self.why_closed()
        return connection

    def open_connection(self) -> Connection:
        """The connection.

        Raises:
            LocalProtocolError: see `connection`.
            ConnectionClosed: it has ended; with the first cause.
        """
        connection = self.connection()
        if not connection.is_open:
            raise connection.ledger.error()
        return connection

    def why_closed(self) -> ConnectionClosed:
        """A fresh exception with the first cause of the end."""
        why = self._why
        if self._phase == "open" and self._connection is not None:
            return self._connection.ledger.error()
        if why is None:
            return ConnectionClosedOK(1000, "closed before it was open")
        error = ConnectionClosedError(1006, f"it never opened: {why}", why)
        error.__cause__ = why
        return error

    def close(self, code: int, reason: str, timeout: float) -> None:
        """End it, whatever its state; any thread, any number of times. Blocks up to `timeout`."""
        with self._lock:
            connection = self._connection
            if self._phase in ("new", "connecting"):
                self._phase = "closed"
                self._hang_up()
        if connection is not None:
            connection.close(code, reason, timeout)

    # inside

    def _connect(self, deadline: float, why_stalled: Callable[[], str]) -> Connection:
        transport = self._opening.dial(
            max(0.0, deadline - time.monotonic()),
            dead_after=self._limits.dead_after,
            on_socket=self._remember,
        )
        connection = Connection(
            transport,
            self._session,
            self._inbox,
            self._limits,
            on_end=self._ended,
            why_stalled=why_stalled,
        )
        try:
            self._go_on(connection)
        except ConnectionClosed:
            transport.shutdown()
            transport.close()
            raise
        connection.start()
        return connection

    def _go_on(self, connection: Connection, *, is_open: bool = False) -> None:
        """Take the next step, unless somebody has closed it meanwhile."""
        with self._lock:
            self._dialled = None
            if self._phase != "connecting":
                raise self.why_closed()
            self._connection = connection
            if is_open:
                self._phase = "open"

    def _fail(self, why: BaseException) -> bool:
        """It will never open. True if that is so because somebody has closed it."""
        with self._lock:
            closed = self._phase == "closed"
            self._phase = "closed"
            self._why = None if closed else why
            connection = self._connection
        if connection is not None:
            connection.close(timeout=min(_GIVE_UP, self._limits.close_timeout))
        return closed

    def _remember(self, dialled: socket.socket) -> None:
        """The raw socket of the connection that is being opened: what `close` can cut."""
        with self._lock:
            self._dialled = dialled
            if self._phase != "connecting":
                self._hang_up()

    def _hang_up(self) -> None:
        """Requires holding the lock."""
        if self._dialled is not None:
            with contextlib.suppress(OSError):
                self._dialled.shutdown(socket.SHUT_RDWR)

    def _ended(self, connection: Connection) -> None:
        """On the reader, last of all."""
        error = connection.ledger.error()
        lost = error if isinstance(error, ConnectionClosedError) else None
        if lost is not None:
            self._inbox.put_event(events.ConnectionLost(lost.code, lost.reason, lost))
        self._inbox.put_event(events.Closed(code=connection.code, reason=error.reason, error=lost))


def _hung_up(error: ConnectionClosed) -> ConnectFailed:
    return ConnectFailed(f"The session ended before it had begun: {error}.")
