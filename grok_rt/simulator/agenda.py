"""What is to be done when: the simulator's only idea of time.

Times are seconds on any clock that never goes back; `advance` says what time it is.
"""

from __future__ import annotations

from collections.abc import Callable


class Agenda:
    """Alarms, each set at most once, that ring in the order of their times."""

    def __init__(self) -> None:
        self.now = 0.0
        """The present; while an alarm rings, the time it was set to."""
        self._alarms: dict[Callable[[], None], float] = {}

    @property
    def next_at(self) -> float | None:
        """When the next alarm rings."""
        return min(self._alarms.values(), default=None)

    def set(self, alarm: Callable[[], None], due: float) -> None:
        """Ring at `due`, and not when it was set to before."""
        self._alarms[alarm] = due

    def cancel(self, alarm: Callable[[], None]) -> None:
        """Do not ring; nothing happens if it was not set."""
        self._alarms.pop(alarm, None)

    def clear(self) -> None:
        """Cancel every alarm."""
        self._alarms.clear()

    def advance(self, now: float) -> None:
        """Ring all that is due by `now`, those they set included."""
        while self._alarms:
            alarm = min(self._alarms, key=self._alarms.__getitem__)
            due = self._alarms[alarm]
            if due > now:
                break
            del self._alarms[alarm]
            self.now = max(self.now, due)
            alarm()
        self.now = max(self.now, now)
