"""A `Peer` on a running clock, for two threads: one gives it frames, one takes them.

The taker sleeps until the next message is due or something comes in; no polling.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from grok_rt._wire.framing import BINARY, Frame
from grok_rt.simulator.clock import Clock

if TYPE_CHECKING:
    from grok_rt.simulator.peer import Peer


class PacedPeer:
    """Lets threads talk with `peer`, whose time is that of `clock`: it runs like ours."""

    def __init__(self, peer: Peer, query: Mapping[str, str], clock: Clock | None = None) -> None:
        self.peer = peer
        self._clock = clock or Clock()
        self._changed = threading.Condition()
        self._ready: deque[Frame] = deque()
        peer.open(self._clock.monotonic(), query)
        self._clock.wakes(self)

    def give(self, opcode: int, data: bytes) -> None:
        """A text or binary message from the client; never blocks for long."""
        with self._changed:
            if opcode == BINARY:
                self.peer.receive_audio(data, self._clock.monotonic())
            else:
                self.peer.receive(data, self._clock.monotonic())
            self._changed.notify_all()

    def put(self, frame: Frame) -> None:
        """Queue a frame of the caller's own, such as a pong, behind what is due already."""
        with self._changed:
            self._ready.extend(self.peer.frames(self._clock.monotonic()))
            self._ready.append(frame)
            self._changed.notify_all()

    def take(self) -> Frame | None:
        """Block until the next frame is due; None when the session has ended."""
        with self._changed:
            while True:
                now = self._clock.monotonic()
                self._ready.extend(self.peer.frames(now))
                if self._ready:
                    return self._ready.popleft()
                if self.peer.closed:
                    return None
                due = self.peer.next_at
                self._changed.wait(None if due is None else max(0.0, due - now))

    def wake(self) -> None:
        """Look at the clock again: its time has jumped."""
        with self._changed:
            self._changed.notify_all()

    def end(self, code: int = 1000, reason: str = "") -> None:
        """End the session: `take` returns None once the queue is empty."""
        with self._changed:
            self.peer.close(code, reason)
            self._changed.notify_all()
