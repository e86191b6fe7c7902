"""When a lost connection is tried again, and the thread that does so.

`Reconnect` is the policy, pure. An `Outage` lasts from a loss to the next connection, or to
the end of all attempts; its thread lives as long. It knows no connection: whoever starts it
says what an attempt is, and what to do when there are no more.
"""

from __future__ import annotations

import itertools
import math
import queue
import random
import threading
import time
from typing import TYPE_CHECKING

import attrs

from grok_rt import events
from grok_rt._numbers import is_number
from grok_rt.errors import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedError,
    ServerError,
)
from grok_rt.models._limits import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Outage", "Reconnect"]

#: Close codes, and the types of errors after which the server closes, that are no one's last word.
_CAUSES = frozenset({1001, 1006, 1011, 1012, 1013, 1014, "internal_error", "max_duration"})
_BUSY = (408, 425, 429)  # and every 5xx: refusals that may pass


def _as_set(causes: Iterable[int | str]) -> frozenset[int | str]:
    return frozenset(causes)


@attrs.frozen(kw_only=True)
class Reconnect:
    """How a client deals with a lost connection.

    Attributes:
        attempts: how often one outage is tried to be ended; None: as long as `budget` lasts.
        backoff: seconds before the first attempt at the most; doubled for each further one.
            The true delay is random, so that not all clients of a server come back at once.
        max_backoff: seconds before any attempt at the most.
        budget: seconds for one outage in all; None: no limit.
        causes: the close codes, and the types of the server's errors, to reconnect after.
        audio_grace: seconds of the user's sound that are kept while there is no connection.
        roll_over_after: seconds after which a session is replaced in a pause, before the service
            ends it after two hours; None: never.

    Raises:
        ConfigError: a value that makes no sense; names it.
    """

    attempts: int | None = 5
    backoff: float = 0.5
    max_backoff: float = 30.0
    budget: float | None = 60.0
    causes: frozenset[int | str] = attrs.field(default=_CAUSES, converter=_as_set)
    audio_grace: float = 5.0
    roll_over_after: float | None = 115 * 60.0

    def __attrs_post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name in ("attempts", "budget", "roll_over_after"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and value > 0):
                refuse(name, value, "None, or more than nothing")
        for name in ("backoff", "max_backoff", "audio_grace"):
            value = getattr(self, name)
            if not (is_number(value) and value >= 0):
                refuse(name, value, "a number of seconds")

    def retries(self, cause: BaseException) -> bool:
        """Whether to try again after that end of a connection, or of an attempt."""
        if isinstance(cause, ConnectionClosed):
            said = cause.cause
            return cause.code in self.causes or (
                isinstance(said, ServerError) and said.type in self.causes
            )
        if isinstance(cause, ServerError):
            return cause.type in self.causes
        if isinstance(cause, AuthenticationFailed):
            return False
        if isinstance(cause, ConnectFailed):
            status = cause.status
            return status is None or status >= 500 or status in _BUSY
        return isinstance(cause, OSError)

    def delay(
        self,
        step: int,
        cause: BaseException | None = None,
        *,
        chance: Callable[[], float] = random.random,
    ) -> float:
        """Seconds to wait before an attempt.

        Args:
            step: how often the delay was doubled; 0 is the first.
            cause: what went wrong last: the server may ask for more time.
            chance: a random number from 0 to 1.
        """
        limit = min(self.max_backoff, math.ldexp(self.backoff, min(step, 100)))
        wanted = cause.retry_after if isinstance(cause, ConnectFailed) else None
        return max(limit * chance(), wanted or 0.0)


class Outage:
    """The time without a connection, and a thread that tries to end it.

    Attributes:
        began: when the connection was lost, in monotonic seconds.
        step: how often the delay was doubled.

    Args:
        policy: how often, and when.
        lost: what ended the connection.
        planned: its time was over: the first attempt does not wait.
        step: where the delays begin.
        attempt: makes a connection in the seconds it is given, or raises.
        tell: takes the events.
        over: there will be no connection, and why.
    """

    def __init__(
        self,
        policy: Reconnect,
        lost: ConnectionClosed,
        *,
        planned: bool,
        step: int,
        attempt: Callable[[float], None],
        tell: Callable[[events.Event], None],
        over: Callable[[ConnectionClosedError], None],
    ) -> None:
        self.began = time.monotonic()
        self.step = step
        self._policy = policy
        self._lost = lost
        self._planned = planned
        self._attempt = attempt
        self._tell = tell
        self._over = over
        # Not an event: `put` may be called in a finalizer, while this very thread waits.
        self._stopped: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="grok-rt-reconnect", daemon=True)

    def start(self) -> None:
        """Try to end it, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Make no further attempt; never waits."""
        self._stopped.put(None)

    def join(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the thread to end, unless this is it."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._try_again()
        except BaseException as error:  # noqa: BLE001 - whoever waits for us must learn of it
            self._over(self._verdict("reconnecting failed", error))

    def _try_again(self) -> None:
        budget = self._policy.budget
        deadline = math.inf if budget is None else self.began + budget
        cause: BaseException = self._lost
        for attempt in itertools.count(1):
            delay = self._next_delay(attempt, cause)
            if why := self._hopeless(attempt, cause, deadline - time.monotonic() - delay):
                self._over(self._verdict(why, cause))
                return
            self._tell(events.Reconnecting(attempt=attempt, delay=delay, cause=cause))
            if self._is_stopped_within(delay):
                return
            try:
                self._attempt(max(0.0, deadline - time.monotonic()))
            except Exception as error:  # noqa: BLE001 - a key, a transport may raise anything
                cause = error
            else:
                return

    def _hopeless(self, attempt: int, cause: BaseException, left: float) -> str:
        """Why there will be no further attempt; empty if there will be one."""
        failed = attempt - 1
        if failed and not self._policy.retries(cause):
            return "reconnecting failed"
        if self._policy.attempts is not None and failed >= self._policy.attempts:
            return f"{failed} attempt{'s' * (failed > 1)} to reconnect failed"
        return "" if left > 0 else f"no connection within {self._policy.budget:g} s"

    def _next_delay(self, attempt: int, cause: BaseException) -> float:
        if self._planned and attempt == 1:
            return 0.0
        self.step += 1
        return min(self._policy.delay(self.step - 1, cause), threading.TIMEOUT_MAX)

    def _is_stopped_within(self, delay: float) -> bool:
        try:
            self._stopped.get(timeout=delay)
        except queue.Empty:
            return False
        return True

    def _verdict(self, why: str, last: BaseException) -> ConnectionClosedError:
        """The first cause, with what came of it."""
        first = self._lost
        if last is first:
            return ConnectionClosedError(first.code, f"{first.reason}; {why}", first.cause)
        told = last.reason if isinstance(last, ConnectionClosed) else str(last) or repr(last)
        told = told.removesuffix(".")  # what to do follows behind a semicolon
        return ConnectionClosedError(first.code, f"{first.reason}; {why}: {told}", last)
