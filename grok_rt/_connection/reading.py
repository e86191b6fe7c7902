"""Whose turn it is to read a line: the reader's, or that of who waits for what it reads.

An event that one thread reads and another hears costs two switches of threads, each of which waits
its turn for the interpreter. So the dispatcher, while it has nothing to hear, borrows the turn and
reads itself; the reader goes on in its place once it stays away, as in a handler that takes its
time: no pong has to wait for a handler. Who pumps in the foreground never borrows, for Ctrl+C may
strike between any two of its steps, and what is read must be read whole.

`Turn` is for the two threads; a `Bell` wakes the one that waits for a line; `Contention` tells
whether others compute meanwhile. No I/O but the bell's.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading

__all__ = ["Bell", "Contention", "Turn", "new_bell"]

_STAY = 0.1  # seconds that reading may rest, until the reader looks, and twice that until it reads
_LOST = 0.001  # seconds that no read of what is there takes, unless somebody computes meanwhile
_REMEMBERED = 5.0  # seconds after which to see whether somebody still does
_PARK_AFTER = 2  # looks for nothing, after which it waits to be told: an idle line costs nothing


_RING = (1).to_bytes(8, sys.byteorder)


class Turn:
    """The right to read one line; at first the reader has it.

    Attributes:
        is_over: there is nothing more to read.
    """

    def __init__(self) -> None:
        self._held = threading.Lock()
        self._held.acquire()
        self._called = threading.Condition()
        self._reads = 0
        self._is_parked = False
        self._is_wanted = False
        self.is_over = False

    # the reader

    def lend(self) -> None:
        """Let it be borrowed; returns when it is the reader's again."""
        self._is_wanted = False  # what was wanted is being read
        self._held.release()
        idle = 0
        while True:
            reads = self._reads
            wanted = self._look(parks=idle >= _PARK_AFTER)
            rested = reads == self._reads
            if (rested or wanted) and self._held.acquire(blocking=False):
                return
            idle = idle + 1 if rested else 0

    def _look(self, *, parks: bool) -> bool:
        with self._called:
            # The borrower gives back, then looks whether the reader is parked; here the reverse.
            self._is_parked = parks
            if not self._is_wanted:
                self._called.wait(None if parks and self._held.locked() else _STAY)
            self._is_parked = False
            wanted, self._is_wanted = self._is_wanted, False
            return wanted

    # the borrower

    def borrow(self) -> bool:
        """Take it if it is to be had; never waits."""
        return not self.is_over and self._held.acquire(blocking=False)

    def give_back(self, *, is_over: bool) -> None:
        """After one read; if that was the end, the reader takes it for good."""
        self._reads += 1
        self.is_over = is_over
        self._held.release()
        if is_over:
            self.want()
        elif self._is_parked:
            with self._called:
                self._called.notify()

    # anybody

    def want(self) -> None:
        """Let the reader read at once if nobody does: something waits for what comes."""
        with self._called:
            self._is_wanted = True
            self._called.notify()


class Contention:
    """Whether other threads compute, so that who lets go of the interpreter waits to have it back.

    Attributes:
        is_felt: they do.
    """

    def __init__(self) -> None:
        self.is_felt = False
        self._until = 0.0

    def took(self, began: float, ended: float) -> bool:
        """Judge by the time of a read of what was there; whether that has changed `is_felt`."""
        if ended - began > _LOST:
            self._until = ended + _REMEMBERED
        was_felt, self.is_felt = self.is_felt, ended < self._until
        return self.is_felt is not was_felt


class Bell:
    """Rings where one thread waits for a line: a pipe, or the like of it, beside it in one `poll`.

    Attributes:
        is_heard: whether somebody waits, or is about to.
    """

    def __init__(self) -> None:
        self.is_heard = False
        if hasattr(os, "eventfd"):  # half the descriptors
            self._ear = self._mouth = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        else:
            self._ear, self._mouth = os.pipe()
            os.set_blocking(self._ear, False)
            os.set_blocking(self._mouth, False)
        self._poll = select.poll()
        self._poll.register(self._ear, select.POLLIN)
        self._line: int | None = None

    def ring(self) -> None:
        """Wake who waits; never blocks."""
        with contextlib.suppress(BlockingIOError):  # it is ringing
            os.write(self._mouth, _RING)

    def wait(self, line: int, timeout: float | None) -> bool:
        """Wait for the line, the bell or `timeout` seconds; whether there is something to read."""
        if line != self._line:
            self._poll.register(line, select.POLLIN)
            if self._line is not None:
                self._poll.unregister(self._line)
            self._line = line
        try:
            told = self._poll.poll(None if timeout is None else timeout * 1000)
        finally:
            self.is_heard = False
        ready = False
        for descriptor, _ in told:
            if descriptor == line:
                ready = True
            else:
                os.read(self._ear, 4096)
        return ready

    def close(self) -> None:
        """Release its descriptors; nobody may ring any more."""
        for end in {self._ear, self._mouth}:
            os.close(end)


def new_bell() -> Bell | None:
    """A bell; None where this system has no `poll`, or no descriptor is left."""
    if not hasattr(select, "poll"):  # asked each time: some libraries take it away
        return None
    try:
        return Bell()
    except OSError:
        return None
