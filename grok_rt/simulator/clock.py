"""The service's time: it runs like ours, and a test may let it jump.

Any thread may read it and advance it. `advance` wakes whoever waits for a time, so that what has
become due is done at once.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import Protocol

__all__ = ["Clock"]


class Sleeper(Protocol):
    """Who waits for a time of this clock."""

    def wake(self) -> None:
        """Look at the clock again."""


class Clock:
    """Monotonic and wall-clock time of a simulated service.

    ::

        clock = Clock()
        with Simulator(clock=clock) as server:
            ...
            clock.advance(7200)  # every session has reached its longest duration
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = 0.0
        self._sleepers: weakref.WeakSet[Sleeper] = weakref.WeakSet()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic() + self._ahead

    def time(self) -> float:
        """Unix time, in seconds."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once; returns without waiting for what that brings about.

        Raises:
            ValueError: time does not go back.
        """
        if seconds < 0:
            raise ValueError(f"a clock is advanced by 0 seconds or more, not {seconds!r}")
        with self._lock:
            self._ahead += seconds
            sleepers = list(self._sleepers)
        for sleeper in sleepers:
            sleeper.wake()

    def wakes(self, sleeper: Sleeper) -> None:
        """Wake it whenever time jumps, as long as it lives."""
        with self._lock:
            self._sleepers.add(sleeper)
