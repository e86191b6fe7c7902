"""Which connection a client has at the moment, and what callers do with it.

Here it is read, in `Lifecycle` it changes. Where one connection follows another nobody needs
to know: what is said goes to the one that takes it, which may not have its line yet.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, TypeVar

from grok_rt.errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    LocalProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from grok_rt._client.reconnect import Reconnect
    from grok_rt._connection.connection import Connection

__all__ = ["Current", "State"]

State = Literal["new", "connecting", "open", "reconnecting", "closing", "closed"]

_T = TypeVar("_T")


class Current:
    """The current connection.

    Attributes:
        policy: what to do about a lost connection; None: nothing.
    """

    def __init__(self) -> None:
        self.policy: Reconnect | None = None
        self._changed = threading.Condition()
        # How far it got; once it is open, the connection itself knows how it is.
        self._phase: Literal["new", "connecting", "open", "reconnecting", "closed"] = "new"
        self._connection: Connection | None = None
        self._is_closing = False
        self._why: BaseException | None = None
        self._sent_before = 0

    @property
    def state(self) -> State:
        """How it is at this moment."""
        connection = self._connection
        if self._phase != "open" or connection is None:
            return self._phase
        if connection.is_open:
            return "open"
        if connection.is_over:
            return "closed"
        return "reconnecting" if self._is_followed(connection) else "closing"

    @property
    def is_forked(self) -> bool:
        """Whether it belongs to the parent of this process; takes no lock."""
        return self._connection is not None and self._connection.is_forked

    @property
    def events_sent(self) -> int:
        """How many events have left this machine."""
        connection = self._connection
        return self._sent_before + (0 if connection is None else connection.events_sent)

    def connection(self) -> Connection:
        """The connection, open or not any more.

        Raises:
            LocalProtocolError: there is none yet, or it is the parent process's.
            ConnectionClosed: there never was one, and there will be none.
        """
        connection = self._connection
        if self.is_forked:
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
        """The connection that takes what is said: perhaps one that has no line yet.

        Raises:
            LocalProtocolError: see `connection`.
            ConnectionClosed: it has ended, and none follows; with the first cause.
        """
        while not (connection := self.connection()).is_open:
            if not self._has_successor(connection):
                raise connection.ledger.error()
        return connection

    def through(self, verb: Callable[[Connection], _T]) -> _T:
        """Do it with the connection; if that is lost meanwhile, with the one that follows.

        Raises:
            GrokError: as `open_connection`, and whatever `verb` raises.
        """
        while True:
            connection = self.open_connection()
            try:
                return verb(connection)
            except ConnectionClosed:
                if not self._has_successor(connection):
                    raise

    def await_line(self, timeout: float) -> None:
        """Wait until there is no outage.

        Raises:
            DeadlineExceeded: there is one after `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._phase != "reconnecting", timeout):
                raise DeadlineExceeded(f"still reconnecting after {timeout:.3g} s")

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

    def _is_followed(self, connection: Connection) -> bool:
        """Whether another connection follows that one, which has ended."""
        policy, cause = self.policy, connection.ledger.cause
        if policy is None or cause is None or connection.is_final or self._is_closing:
            return False
        return connection.is_retired or policy.retries(cause)

    def _has_successor(self, connection: Connection) -> bool:
        """Wait for it while there may be one."""

        def decided() -> bool:
            if self._connection is not connection:
                return True
            return self._phase != "reconnecting" and (
                connection.is_over or not self._is_followed(connection)
            )

        with self._changed:
            self._changed.wait_for(decided)
            return self._connection is not connection
