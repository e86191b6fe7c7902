"""The line to the server: the `Transport` seam, and the WebSocket that fills it.

Frames go in and come out here; what they mean is nobody's business on this floor. One thread
may be in `send`, one in `recv`, and any thread may call `shutdown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grok_rt._framing import Frame

__all__ = ["Transport"]


class Transport(Protocol):
    """What carries frames: a socket, or a peer in memory."""

    def send(self, frames: Sequence[Frame], /) -> None:
        """Send `frames` in order; blocks until all are handed on. One thread at a time.

        Raises:
            ConnectionClosedError: the connection is gone.
        """

    def recv(self) -> Frame:
        """Block until a message or control frame is whole, and return it. One thread at a time.

        Raises:
            ConnectionClosedError: the connection is gone (code 1006).
            RemoteProtocolError: the peer broke the WebSocket protocol.
        """
        ...

    def shutdown(self) -> None:
        """End the connection now: a blocked `send` or `recv` wakes and raises.

        Any thread, any number of times; never blocks.
        """

    def close(self) -> None:
        """Release the descriptor, once nobody is in `send` or `recv` any more."""
