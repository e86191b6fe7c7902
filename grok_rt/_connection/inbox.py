"""What has come, on its way to the pump: putting an event never waits, and one pump takes them.

Bounded in bytes and in seconds of conversation, which the reader asks about: it refuses nothing
itself. Where it can, the dispatcher that waits here reads the line itself: see `reading`.

A `queue.Queue` whose extra verbs keep to its own mutex and conditions. Any thread.
"""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Protocol, TypeAlias

from grok_rt._connection.reading import Bell, new_bell
from grok_rt.events import Ping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from grok_rt._wire.framing import Frame
    from grok_rt.events import Event

__all__ = ["Arrival", "Inbox", "Listener", "Source"]

#: An event, its bytes on the wire, and when it came: a bare tuple, made for each that does.
Arrival: TypeAlias = "tuple[Event, int, float]"


class Source(Protocol):
    """A line that who waits for events may read, while nobody else does."""

    def borrow(self) -> bool:
        """Whether this thread may read it, and now has to; it never waits."""
        ...

    def read_once(self, bell: Bell, /) -> None:
        """Put what comes next, unless the bell rings first."""


class Listener(Protocol):
    """Who hears all that passes, both ways, when it passes: it must neither wait nor raise."""

    def arrived(self, arrived: Sequence[Arrival], now: float, /) -> None:
        """What came, in the order in which it is queued; a lock is held."""

    def left(self, frames: Sequence[Frame], now: float, /) -> None:
        """Frames that the line has taken; on the writer's thread."""


class Inbox(queue.Queue["Arrival"]):
    """Events on their way to the pump. Putting never waits: reading must not pause.

    Attributes:
        listeners: who hears all that passes. The client's connections follow one another, its
            inbox stays: so they are known here, and the writer asks here too.
        source: the line of which more may come, if it can be read by who waits here.
        is_awaited: whether somebody waits for what another reads, who could read it himself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.listeners: tuple[Listener, ...] = ()
        self.source: Source | None = None
        self.is_awaited = False
        self._waiting = 0
        self._bell: Bell | None = None
        self._bytes = 0
        self._newest_at = 0.0
        self._lag = 0.0  # when the last event came; less since, if any were taken

    def put_event(self, event: Event, size: int = 0) -> None:
        """Queue an event of `size` bytes on the wire."""
        now = time.monotonic()
        self.put_events([(event, size, now)], now)

    def listen(self, listener: Listener) -> None:
        """Let it hear what passes from now on."""
        with self.mutex:
            self.listeners = (*self.listeners, listener)

    def unlisten(self, listener: Listener) -> None:
        """Let it hear nothing more; harmless if it did not."""
        with self.mutex:
            self.listeners = tuple(other for other in self.listeners if other is not listener)

    def put_events(self, arrived: Sequence[Arrival], now: float) -> None:
        """Queue what came `now`; a ping replaces the ping before it."""
        with self.mutex:
            waiting = self.queue
            for arrival in arrived:
                if type(arrival[0]) is not Ping:
                    self._newest_at = now
                elif waiting and type(waiting[-1][0]) is Ping:
                    self._bytes -= waiting.pop()[1]
                waiting.append(arrival)
                self._bytes += arrival[1]
            for listener in self.listeners:
                listener.arrived(arrived, now)
            self._lag = self._newest_at - waiting[0][2]
            self.is_awaited = False
            if self._waiting:
                self.not_empty.notify()
            if (bell := self._bell) is not None and bell.is_heard:
                bell.ring()

    def take(
        self, timeout: float | None = None, *, unless: Callable[[], bool] = lambda: False
    ) -> Arrival:
        """Take the oldest event, with its size and the time when it came.

        Args:
            timeout: seconds to wait for one; None: for ever.
            unless: asked before an event is taken; true leaves it to another.

        Raises:
            queue.Empty: none came in time, or `unless` was true.
        """
        with self.mutex:
            deadline = None if timeout is None else time.monotonic() + timeout
            while not (self.queue or unless()):
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise queue.Empty
                self._wait(left)
            if unless():
                raise queue.Empty
            arrival: Arrival = self.queue.popleft()
            self._bytes -= arrival[1]
        return arrival

    def take_batch(self, at_most: int = 64) -> list[Arrival]:
        """Wait for an event, and take those behind it too; few, so that the backlog is true.

        For one thread, which no Ctrl+C can reach: where it can, it reads the line itself.
        """
        while True:
            with self.mutex:
                waiting = self.queue
                batch: list[Arrival] = []
                while waiting and len(batch) < at_most:
                    arrival = waiting.popleft()
                    self._bytes -= arrival[1]
                    batch.append(arrival)
                if batch:
                    return batch
                source = self.source
                if source is not None and self._bell is None:
                    self._bell = new_bell()
                bell = self._bell
                if source is None or bell is None or not source.borrow():
                    self.is_awaited = bell is not None
                    self._wait()
                    continue
                bell.is_heard = True
            source.read_once(bell)

    def leave(self) -> None:
        """Take no batches any more: give up what waiting for a line has cost."""
        with self.mutex:
            self.forget_bell()

    def forget_bell(self) -> None:
        """Release its descriptors. Requires holding the lock, but in a forked child."""
        bell, self._bell = self._bell, None
        if bell is not None:
            bell.close()

    def forget(self, source: Source) -> None:
        """Nothing comes of it any more."""
        with self.mutex:
            if self.source is source:
                self.source = None

    def wake(self) -> None:
        """Make those who wait for an event ask their `unless` again."""
        with self.mutex:
            self.not_empty.notify_all()

    def is_within(self, size: float, age: float) -> bool:
        """Whether the backlog is no larger for sure; for who puts, after each read: no lock."""
        return self._bytes <= size and self._lag <= age

    def backlog(self) -> tuple[int, float]:
        """Bytes that wait, and how many seconds of the conversation they are.

        A session in which nothing happens has no backlog, however long its last events wait:
        who asks a question every ten minutes needs no pump in between.
        """
        with self.mutex:
            oldest_at = self.queue[0][2] if self.queue else self._newest_at
            return self._bytes, max(0.0, self._newest_at - oldest_at)

    def _wait(self, timeout: float | None = None) -> None:
        self._waiting += 1
        try:
            self.not_empty.wait(timeout)
        finally:
            self._waiting -= 1
