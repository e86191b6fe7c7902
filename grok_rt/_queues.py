"""The two bounded queues between the caller's threads and the connection's.

`Outbox`: many callers put frames, the writer takes all that is pending at once. Control
frames go first and are never refused; audio waits behind the gate while the server has
not confirmed its format; `close` makes one frame the last. Bounded in items and bytes.
While there is no line it is held: it keeps what is said, but only the newest sound.

`Inbox`: the reader puts events and never waits; one pump takes them. Bounded in bytes
and in seconds of conversation, which the reader asks about: it refuses nothing itself.

Both are `queue.Queue`s whose extra verbs keep to its own mutex and conditions.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from grok_rt._reading import Bell
from grok_rt.events import Ping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from grok_rt._framing import Frame
    from grok_rt.events import Event

__all__ = ["Inbox", "Listener", "Outbox", "Parcel", "QueueClosed"]


class QueueClosed(Exception):
    """The outbox takes nothing any more."""


class Parcel(NamedTuple):
    """A frame on its way out.

    Attributes:
        frame: what leaves.
        sound: bytes of sound in it; it waits while the gate is closed, and all data behind it.
        closes_gate: once it has left, audio waits until `Outbox.open_gate`.
    """

    frame: Frame
    sound: int = 0
    closes_gate: bool = False


class Outbox(queue.Queue[Parcel]):
    """Frames on their way out; `maxsize` items and `max_bytes` of payload at the most.

    Attributes:
        sound_lost: bytes of sound that grew too old while it was held.
    """

    def __init__(self, maxsize: int = 256, max_bytes: int = 4 << 20) -> None:
        super().__init__(maxsize)
        self.max_bytes = max_bytes
        self.sound_lost = 0
        self._max_sound: int | None = None  # while held
        self._gate_open = True
        self._gate_wanted = False
        self._control: deque[Frame] = deque()
        self._bytes = 0
        self._closed = False
        self._woken = False
        self._last: Frame | None = None

    def put_parcel(self, parcel: Parcel, *, timeout: float | None = None) -> None:
        """Queue a parcel; wait for room up to `timeout` seconds (None: for ever, 0: not at all).

        Raises:
            queue.Full: there was no room in time.
            QueueClosed: the outbox was closed, before or while waiting.
        """
        size = len(parcel.frame.data)
        with self.mutex:
            if not self._fits(size, parcel.sound):
                deadline = None if timeout is None else time.monotonic() + timeout
                while not self._closed and not self._fits(size, parcel.sound):
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        raise queue.Full
                    self.not_full.wait(left)
            if self._closed:
                raise QueueClosed
            self._append(parcel)
            self._forget_old_sound()

    def put_now(self, frame: Frame) -> None:
        """Queue a frame behind all others, beyond the bound if need be: never waits."""
        with self.mutex:
            if not self._closed:
                self._append(Parcel(frame))

    def put_control(self, frame: Frame) -> None:
        """Queue a frame ahead of all data; never refused, but dropped once closed."""
        with self.mutex:
            if not self._closed:
                self._control.append(frame)
                self.not_empty.notify()

    def drop_oldest_audio(self, size: int) -> int:
        """Drop waiting audio, oldest first, until `size` bytes and one item have room.

        Returns:
            The bytes of sound that were dropped.
        """
        with self.mutex:
            return self._drop_sound(lambda _: self._fits(size))

    def hold(self, parcels: Iterable[Parcel], max_sound: int) -> None:
        """Let nothing but control frames leave until `release`, for there is no line.

        Events wait, within the bounds; of sound the newest `max_sound` bytes are kept, and
        it never waits for room. `parcels` wait already.
        """
        with self.mutex:
            self._max_sound = max_sound
            for parcel in parcels:
                self._append(parcel)
            self._forget_old_sound()

    def release(self, first: Iterable[Parcel]) -> None:
        """Let all leave that was held, `first` before it."""
        with self.mutex:
            self._max_sound = None
            held = list(self.queue)
            self.queue.clear()
            self._bytes = 0
            for parcel in (*first, *held):
                self._append(parcel)
            self.not_full.notify_all()

    def open_gate(self) -> None:
        """Let audio pass, and what waits behind it; a parcel on its way closes nothing any more."""
        with self.mutex:
            self._gate_wanted = False
            if not self._gate_open:
                self._gate_open = True
                self.not_empty.notify()

    def wake(self) -> None:
        """Make `take_batch` return early, perhaps with nothing: the one that waits or the next."""
        with self.mutex:
            self._woken = True
            self.not_empty.notify()

    def wake_if_free(self) -> None:
        """`wake` without waiting for the lock, which this very thread may hold."""
        self._woken = True
        if self.mutex.acquire(blocking=False):
            try:
                self.not_empty.notify()
            finally:
                self.mutex.release()

    def take_batch(self, timeout: float | None = None) -> list[Frame] | None:
        """Take all that may leave now; wait up to `timeout` seconds for the first frame.

        Returns:
            The frames in order; an empty list after `timeout` or `wake`; None when the
            outbox is closed and empty.
        """
        with self.mutex:
            batch = self._take()
            if not (batch or self._closed or self._woken):
                self.not_empty.wait(timeout)
                batch = self._take()
            self._woken = False
            self.not_full.notify_all()
            return None if self._closed and not batch else batch

    def close(self, last: Frame | None = None) -> None:
        """Refuse new frames; what is queued may still leave, then `last`. The first call counts."""
        with self.mutex:
            if self._closed:
                return
            self._closed = True
            self._gate_open = True
            self._last = last
            self.not_empty.notify_all()
            self.not_full.notify_all()

    def abort(self) -> list[Frame]:
        """Close and empty at once; returns the data frames that never left."""
        with self.mutex:
            self._closed = True
            unsent = [parcel.frame for parcel in self.queue]
            self.queue.clear()
            self._control.clear()
            self._last = None
            self._bytes = 0
            self.not_empty.notify_all()
            self.not_full.notify_all()
            return unsent

    def _append(self, parcel: Parcel) -> None:
        self._gate_wanted |= parcel.closes_gate
        self.queue.append(parcel)
        self._bytes += len(parcel.frame.data)
        self.not_empty.notify()

    def _fits(self, size: int, sound: int = 0) -> bool:
        waiting = len(self.queue)
        if self._max_sound is not None:
            if sound:
                return True
            waiting = sum(not parcel.sound for parcel in self.queue)
        # One oversized frame may pass through an empty queue: it could never fit otherwise.
        return not waiting or (waiting < self.maxsize and self._bytes + size <= self.max_bytes)

    def _forget_old_sound(self) -> None:
        if self._max_sound is not None:
            excess = sum(parcel.sound for parcel in self.queue) - self._max_sound
            self.sound_lost += self._drop_sound(lambda dropped: dropped >= excess)

    def _drop_sound(self, enough: Callable[[int], bool]) -> int:
        dropped = 0
        for parcel in [parcel for parcel in self.queue if parcel.sound]:
            if enough(dropped):
                break
            self.queue.remove(parcel)
            self._bytes -= len(parcel.frame.data)
            dropped += parcel.sound
        return dropped

    def _take(self) -> list[Frame]:
        batch = list(self._control)
        self._control.clear()
        waiting = self.queue
        held = self._max_sound is not None
        while waiting and not held and (self._gate_open or not waiting[0].sound):
            parcel = waiting.popleft()
            self._bytes -= len(parcel.frame.data)
            batch.append(parcel.frame)
            if parcel.closes_gate and self._gate_wanted:
                self._gate_open = self._closed
        if self._closed and self._last is not None and (held or not waiting):
            batch.append(self._last)
            self._last = None
        return batch


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
        is_idle: whether the one who would do so waits for another to put something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.listeners: tuple[Listener, ...] = ()
        self.source: Source | None = None
        self.is_idle = False
        self._bell: Bell | None = None
        self._bytes = 0
        self._newest_at = 0.0

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
            self._notify()

    def take_event(
        self, timeout: float | None = None, *, unless: Callable[[], bool] = lambda: False
    ) -> Event:
        """Take the oldest event.

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
                self.not_empty.wait(left)
            if unless():
                raise queue.Empty
            arrival: Arrival = self.queue.popleft()
            self._bytes -= arrival[1]
        return arrival[0]

    def take_batch(self, at_most: int = 64) -> list[Event]:
        """Wait for an event, and take those behind it too; few, so that the backlog is true.

        For one thread, which no Ctrl+C can reach: where it can, it reads the line itself.
        """
        while True:
            with self.mutex:
                waiting = self.queue
                if waiting:
                    batch = [waiting.popleft() for _ in range(min(at_most, len(waiting)))]
                    self._bytes -= sum([size for _, size, _ in batch])
                    return [event for event, _, _ in batch]
                source = self.source
                if source is None or not source.borrow():
                    self.is_idle = True
                    self.not_empty.wait()
                    self.is_idle = False
                    continue
                if self._bell is None:
                    self._bell = Bell()
                bell = self._bell
                bell.is_heard = True
            source.read_once(bell)

    def leave(self) -> None:
        """Take no batches any more: give up what waiting for a line has cost."""
        with self.mutex:
            if self._bell is not None:
                self._bell.close()
                self._bell = None

    def forget(self, source: Source) -> None:
        """Nothing comes of it any more."""
        with self.mutex:
            if self.source is source:
                self.source = None

    def wake(self) -> None:
        """Make those who wait for an event ask their `unless` again."""
        with self.mutex:
            self.not_empty.notify_all()

    def backlog(self) -> tuple[int, float]:
        """Bytes that wait, and how many seconds of the conversation they are.

        A session in which nothing happens has no backlog, however long its last events wait:
        who asks a question every ten minutes needs no pump in between.
        """
        with self.mutex:
            oldest_at = self.queue[0][2] if self.queue else self._newest_at
            return self._bytes, max(0.0, self._newest_at - oldest_at)

    def _notify(self) -> None:
        self.not_empty.notify()
        if (bell := self._bell) is not None and bell.is_heard:
            bell.ring()
