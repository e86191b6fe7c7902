"""Ephemeral client secrets, as the service makes them. No I/O; the clock can be any."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

__all__ = ["PREFIX", "Mint"]

PREFIX = "xai-realtime-client-secret-"


class Mint:
    """Makes tokens, and knows them again until they expire.

    Args:
        clock: what tells Unix time.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._expiry: dict[str, int] = {}

    def make(self, seconds: int) -> tuple[str, int]:
        """A new token, good for so many seconds, and when it expires."""
        value = PREFIX + secrets.token_urlsafe(24)
        self._expiry[value] = int(self._clock()) + seconds
        return value, self._expiry[value]

    def honours(self, value: str) -> bool:
        """Whether it was made here and has not expired."""
        return self._clock() < self._expiry.get(value, 0)
