"""Bounds, and whether both ends keep up: a silent server, a pump that has fallen behind.

Pure: no thread and no clock; each is told the time in monotonic seconds. `Keepalive` is
asked by the writer, whose waiting is its clock, and told by the reader; so is `Backlog`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from grok_rt._connection.inbox import Inbox

__all__ = ["Backlog", "Keepalive", "Limits"]

log = logging.getLogger("grok_rt")

_WARN_AT = 4  # a quarter of the bounds


@attrs.frozen
class Limits:
    """Bounds and deadlines of a connection; seconds and bytes.

    Attributes:
        send_timeout: how long `send` waits for room in the outbox.
        close_timeout: how long the peer may take to answer a close.
        ping_interval: silence after which we ping; None: never.
        dead_after: silence after which the peer counts as dead; None: never.
        max_backlog: bytes that wait for the pump at the most.
        stall_timeout: how long the backlog may stay above its bounds.
        outbox_items: events that wait for the writer at the most.
        outbox_bytes: their bytes at the most.
        max_backlog_age: seconds of the conversation that wait for the pump at the most.
    """

    send_timeout: float = 10.0
    close_timeout: float = 5.0
    ping_interval: float | None = 5.0
    dead_after: float | None = 15.0
    max_backlog: int = 64 << 20
    stall_timeout: float = 30.0
    outbox_items: int = 256
    outbox_bytes: int = 4 << 20
    max_backlog_age: float = 120.0


class Keepalive:
    """When to ping, and when a silent server counts as dead.

    Args:
        ping_interval: seconds of silence after which to ping; None: never.
        dead_after: seconds of silence after which the server counts as dead; None: never.
        now: when the line was opened.
    """

    def __init__(self, ping_interval: float | None, dead_after: float | None, now: float) -> None:
        self.heard_at = now
        self._pinged_at = now
        self._ping_interval = ping_interval
        self._dead_after = dead_after

    def next_at(self) -> float | None:
        """When the writer has to look again at the latest; None: never."""
        moments = []
        if self._ping_interval is not None:
            moments.append(max(self.heard_at, self._pinged_at) + self._ping_interval)
        if self._dead_after is not None:
            moments.append(self.heard_at + self._dead_after)
        return min(moments, default=None)

    def patience(self, now: float) -> float | None:
        """Seconds of silence until the server counts as dead; None: it never does."""
        dead_after = self._dead_after
        return None if dead_after is None else max(0.0, self.heard_at + dead_after - now)

    def ping_is_due(self, now: float) -> bool:
        """Whether to ping now; a yes counts as done."""
        interval = self._ping_interval
        if interval is None or now - max(self.heard_at, self._pinged_at) < interval:
            return False
        self._pinged_at = now
        return True

    def dead(self, now: float) -> str | None:
        """Why the server counts as dead; None: it does not."""
        silent = now - self.heard_at
        if self._dead_after is None or silent < self._dead_after:
            return None
        return f"the server has been silent for {silent:.0f} s"


class Backlog:
    """Whether the pump has been too far behind for too long.

    Args:
        inbox: what waits for the pump.
        max_bytes: how much may wait.
        max_age: how many seconds of the conversation may wait.
        stall_timeout: for how many seconds either may be exceeded.
        why_stalled: a sentence that names who keeps the events waiting.
    """

    def __init__(
        self,
        inbox: Inbox,
        max_bytes: int,
        max_age: float,
        stall_timeout: float,
        *,
        why_stalled: Callable[[], str],
    ) -> None:
        self._inbox = inbox
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._warn_above = (max_bytes / _WARN_AT, max_age / _WARN_AT)
        self._stall_timeout = stall_timeout
        self._why_stalled = why_stalled
        self._over_since: float | None = None
        self._warned = False

    def next_at(self) -> float | None:
        """When the session cannot go on, unless the pump catches up; None: it does not lag."""
        since = self._over_since
        return None if since is None else since + self._stall_timeout

    def stalled(self, now: float) -> str | None:
        """Why the session cannot go on; None: it can. Warns once."""
        if self._over_since is None and self._inbox.is_within(*self._warn_above):
            return None
        size, age = self._inbox.backlog()
        if not self._warned and (size > self._warn_above[0] or age > self._warn_above[1]):
            self._warned = True
            log.warning("%s: %s", _said(size, age), self._why_stalled())
        if size <= self._max_bytes and age <= self._max_age:
            self._over_since = None
            return None
        if self._over_since is None:
            self._over_since = now
        if now - self._over_since < self._stall_timeout:
            return None
        return f"{_said(size, age)}: {self._why_stalled()}"


def _said(size: int, age: float) -> str:
    return f"{size} bytes of events wait, {age:.0f} s of the conversation"
