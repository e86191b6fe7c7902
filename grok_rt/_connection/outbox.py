"""What is on its way out: many callers put frames, the writer takes all that is pending at once.

Control frames go first and are never refused; audio waits behind the gate while the server has
not confirmed its format; `close` makes one frame the last. Bounded in items and bytes. While
there is no line it is held: it keeps what is said, but only the newest sound.

A `queue.Queue` whose extra verbs keep to its own mutex and conditions. Any thread.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from grok_rt._wire.framing import Frame

__all__ = ["Outbox", "Parcel", "QueueClosed"]


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
