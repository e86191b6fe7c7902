"""Frames of a transport one by one, however many come at once."""

from __future__ import annotations

from collections import deque

from grok_rt._wire.framing import Frame
from grok_rt._wire.transport import Transport


class Taker:
    """What came of one transport and was not taken yet."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._frames: deque[Frame] = deque()

    def __call__(self) -> Frame:
        while not self._frames:
            self._frames += self._transport.recv()
        return self._frames.popleft()
