"""From new to closed: how a client gets its connections, and how it loses them.

`open` runs on the caller's thread and can be ended by `close` on any other; a session that
never stood leaves no thread and no socket behind. Where the policy says so, a lost connection
is followed by another: it takes what is said from the moment of the loss, and gets its line
when an `Outage` has found one. Which connection is the current one is decided here only. The
end is told by two events, `ConnectionLost` (if it was) and `Closed`.

Holds its client weakly: one that nobody uses any more can be collected, and is then closed.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

import attrs

from grok_rt import events
from grok_rt._client.current import Current, State
from grok_rt._client.reconnect import Outage, Reconnect
from grok_rt._connection.connection import Connection
from grok_rt._connection.liveness import Limits
from grok_rt._wire.framing import close_payload
from grok_rt._wire.opening import Dialling
from grok_rt.errors import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    LocalProtocolError,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from grok_rt._connection.inbox import Inbox
    from grok_rt._session.session import Session
    from grok_rt._wire.opening import Opening

__all__ = ["Lifecycle", "State"]

_GIVE_UP = 0.2  # seconds for the close of a session that never stood


class Lifecycle(Current):
    """One client's connections, one at a time.

    Attributes:
        sound_rate: bytes a second of the user's sound.

    Args:
        opening: where to connect, and as whom.
        session: the books.
        inbox: where events go.
        limits: of each connection.
        configure: a method that makes a session of a connection, and has until its second
            argument; held weakly.
    """

    def __init__(
        self,
        opening: Opening,
        session: Session,
        inbox: Inbox,
        limits: Limits,
        *,
        configure: Callable[[Connection, float], None],
    ) -> None:
        super().__init__()
        self.sound_rate = 48_000
        self._opening = opening
        self._session = session
        self._inbox = inbox
        self._limits = limits
        self._configure = weakref.WeakMethod(configure)
        self._stalling: weakref.WeakMethod[Callable[[], str]] | None = None
        self._dialling = Dialling()
        self._timeout = 0.0
        self._outage: Outage | None = None
        self._stood_at = 0.0
        self._sound_lost = 0
        self._lost_early: Connection | None = None

    def ask_about_stalls(self, why_stalled: Callable[[], str]) -> None:
        """Let a method, held weakly, name who keeps events waiting."""
        self._stalling = weakref.WeakMethod(why_stalled)

    def open(self, timeout: float) -> None:
        """Connect, and make a session of it, in `timeout` seconds.

        Raises:
            ConnectFailed: there is no session after `timeout` seconds, or there will be none.
            ConnectionClosed: another thread has closed it meanwhile.
            LocalProtocolError: it was opened before.
            GrokError: whatever `configure` raises.
        """
        with self._changed:
            if self._phase != "new":
                raise LocalProtocolError(
                    f"this client is {self.state}: a client connects once, make a new one"
                )
            self._phase = "connecting"
        self._timeout = timeout
        try:
            self._stand(self._next(), self._opening, timeout)
            with self._changed:
                self._refuse_closed()
                self._phase = "open"
                self._stood_at = time.monotonic()
                if self._lost_early is not None:
                    self._ended(self._lost_early)
        except BaseException as error:
            failure = _hung_up(error) if isinstance(error, ConnectionClosed) else error
            if self._fail(failure) and isinstance(failure, ConnectFailed):
                raise self.why_closed() from None
            if failure is error:
                raise
            raise failure from error

    def close(self, code: int, reason: str, timeout: float) -> None:
        """End it, whatever its state; any thread, any number of times. Blocks up to `timeout`.

        Raises:
            LocalProtocolError: a code that must not be sent; it goes on as before.
        """
        close_payload(code, reason)
        deadline = time.monotonic() + timeout
        with self._changed:
            self._is_closing = True
            connection, outage = self._connection, self._outage
            if self._phase in ("new", "connecting"):
                self._phase = "closed"
                self._dialling.cut()
            elif self._phase == "reconnecting":
                self._dialling.cut()
                self._conclude(ConnectionClosedOK(code, reason or "closed by this program"))
        if connection is not None and connection.is_started:
            connection.close(code, reason, timeout)
        if outage is not None:
            outage.stop()
            outage.join(max(0.0, deadline - time.monotonic()))

    def drop(self) -> None:
        """Close soon, without waiting for anything: safe in a finalizer."""
        if (connection := self._connection) is not None and not connection.is_forked:
            connection.drop()
        if (outage := self._outage) is not None:
            outage.stop()

    # a connection gets its line

    def _next(self) -> Connection:
        return Connection(
            self._session,
            self._inbox,
            self._limits,
            on_end=self._ended,
            why_stalled=self._why_stalled,
        )

    def _why_stalled(self) -> str:
        why = None if self._stalling is None else self._stalling()
        return "nobody is there to take them" if why is None else why()

    def _stand(self, connection: Connection, opening: Opening, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        transport = self._dialling.dial(opening, timeout, self._limits.dead_after)
        try:
            with self._changed:
                self._refuse_closed()
                self._connection = connection
                retire_after = None if self.policy is None else self.policy.roll_over_after
                connection.start(transport, retire_after=retire_after)
        except BaseException:
            transport.shutdown()
            transport.close()
            raise
        if (configure := self._configure()) is None:
            raise ConnectionClosedOK(1000, "the client was dropped")
        # At once: the service reads it after its own greeting, which costs no round trip then.
        configure(connection, deadline)
        del configure
        left = max(0.0, deadline - time.monotonic())
        if not connection.ledger.wait(lambda books: books.greeted, left):
            raise ConnectFailed(
                f"The server took the connection, and said nothing for {timeout:.3g} s.",
                hint="Is the url that of the realtime endpoint?",
            )

    def _refuse_closed(self) -> None:
        """Requires holding the lock."""
        if self._is_closing:
            raise self.why_closed()

    def _fail(self, why: BaseException) -> bool:
        """It will never open. True if that is so because somebody has closed it."""
        with self._changed:
            closed = self._phase == "closed"
            self._phase = "closed"
            self._why = None if closed else why
            connection = self._connection
        if connection is not None:
            connection.close(timeout=min(_GIVE_UP, self._limits.close_timeout))
        return closed

    # a connection ends, and another follows

    def _ended(self, connection: Connection) -> None:
        """On the reader, last of all."""
        with self._changed:
            if connection is not self._connection or self._phase == "reconnecting":
                return  # whoever has made or replaced it knows
            if self._phase == "connecting":
                self._lost_early = connection  # told once it is known whether it ever stood
                return
            error = connection.ledger.error()
            if self._phase == "open" and self._is_followed(connection):
                self._begin_outage(connection, error)
            else:
                self._tell_end(error, connection.code)
                self._changed.notify_all()

    def _begin_outage(self, connection: Connection, lost: ConnectionClosed) -> None:
        """Requires holding the lock."""
        policy = self.policy or Reconnect()
        last = self._outage
        if isinstance(lost, ConnectionClosedError):
            lost.hint = ""  # it is about to be done
        said = lost.cause
        is_over = isinstance(said, ServerError) and said.type == "max_duration"
        # Where lines break as soon as they stand, the delays go on growing.
        is_stable = time.monotonic() - self._stood_at >= policy.max_backoff
        self._phase = "reconnecting"
        self._sound_lost = 0
        self._follow(connection)
        self._outage = Outage(
            policy,
            lost,
            planned=connection.is_retired or is_over,
            step=0 if last is None or is_stable else last.step,
            attempt=self._attempt,
            tell=self._tell,
            over=self._give_up,
        )
        try:
            self._outage.start()
        except RuntimeError as why:  # the interpreter exits, or there are too many threads
            self._conclude(ConnectionClosedError(lost.code, f"{lost.reason}; {why}", why))

    def _follow(self, connection: Connection) -> None:
        """Let the next connection take what is said. Requires holding the lock."""
        grace = 0.0 if self.policy is None else self.policy.audio_grace
        unsent: Any = connection.ledger.unsent
        self._sound_lost += connection.sound_lost
        self._sent_before += connection.events_sent
        self._connection = self._next()
        self._connection.hold(self._session.lost(unsent), round(grace * self.sound_rate))
        self._changed.notify_all()

    def _attempt(self, left: float) -> None:
        """On the thread of the outage: get a line for the connection that waits for one."""
        connection = self.connection()
        opening = attrs.evolve(self._opening, conversation_id=self._session.conversation_id)
        try:
            self._stand(connection, opening, min(self._timeout, left))
            self._go_on(connection)
        except BaseException:
            if connection.is_started:
                connection.close(timeout=min(_GIVE_UP, self._limits.close_timeout))
                with self._changed:
                    if connection is self._connection and self._phase == "reconnecting":
                        self._follow(connection)
            raise

    def _go_on(self, connection: Connection) -> None:
        with self._changed:
            self._refuse_closed()
            if not connection.is_open:
                raise connection.ledger.error()
            lost = self._sound_lost + connection.sound_lost
            began = self._outage.began if self._outage else self._stood_at
            self._stood_at = time.monotonic()
            self._phase = "open"
            self._inbox.put_event(
                events.Reconnected(
                    resumed=self._session.is_resumed,
                    gap=self._stood_at - began,
                    lost_audio_ms=lost * 1000 / self.sound_rate,
                )
            )
            connection.release()
            self._changed.notify_all()

    def _tell(self, event: events.Event) -> None:
        with self._changed:
            if self._phase == "reconnecting":
                self._inbox.put_event(event)

    def _give_up(self, error: ConnectionClosedError) -> None:
        """No connection follows: the outage's last word."""
        with self._changed:
            if self._phase == "reconnecting":
                self._conclude(error)

    def _conclude(self, cause: ConnectionClosed) -> None:
        """End an outage without a connection. Requires holding the lock."""
        waiting = self._connection
        if waiting is None or waiting.is_started:
            waiting = self._connection = self._next()
        waiting.abandon(cause)
        self._phase = "open"  # once; the connection knows that it is over
        self._tell_end(cause, 1006 if isinstance(cause, ConnectionClosedOK) else cause.code)
        self._changed.notify_all()

    def _tell_end(self, error: ConnectionClosed, code: int) -> None:
        lost = error if isinstance(error, ConnectionClosedError) else None
        if lost is not None:
            self._inbox.put_event(events.ConnectionLost(lost.code, lost.reason, lost))
        self._inbox.put_event(events.Closed(code=code, reason=error.reason, error=lost))


def _hung_up(error: ConnectionClosed) -> ConnectFailed:
    return ConnectFailed(f"The session ended before it had begun: {error}.")
