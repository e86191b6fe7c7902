"""A connection to the simulator without a socket: our `Transport` protocol in memory.

No thread of its own: the writer's `send` runs the peer, the reader's `recv` sleeps until the
next message is due.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from grok_rt._wire.framing import CLOSE, PING, PONG, Frame, close_payload, parse_close
from grok_rt._wire.line.refusals import refused
from grok_rt.errors import ConnectionClosedError
from grok_rt.simulator.behaviour import LIVE, Behaviour
from grok_rt.simulator.brain import Brain
from grok_rt.simulator.clock import Clock
from grok_rt.simulator.pacing import PacedPeer
from grok_rt.simulator.peer import Peer
from grok_rt.simulator.refusals import Refusal, admit, as_refusal, too_many

if TYPE_CHECKING:
    from grok_rt._wire.transport import Transport
    from grok_rt.simulator.conversation import Conversation

__all__ = ["LoopbackTransport", "loopback"]


class LoopbackTransport:
    """The client's end of a connection to `peer`.

    It does what a socket to the service does: a ping brings a pong, a close frame a close frame
    and then the end, and when the service ends the session its close frame comes last.

    Args:
        peer: one that has not been opened yet.
        query: the parameters of the URL.
        clock: the peer's time; one of its own without.
    """

    def __init__(
        self, peer: Peer, query: Mapping[str, str] | None = None, clock: Clock | None = None
    ) -> None:
        self.peer = peer
        self._paced = PacedPeer(peer, query or {}, clock)
        self._shut = False
        self._close_received = False
        self._close_sent = False

    def send(self, frames: Sequence[Frame], /) -> None:
        """Hand `frames` to the peer.

        Raises:
            ConnectionClosedError: the connection has been shut down.
        """
        for opcode, data in frames:
            if self._shut:
                raise ConnectionClosedError(1006, "the loopback has been shut down")
            if opcode == PING:
                self._paced.put(Frame(PONG, data))
            elif opcode == CLOSE:
                self._paced.put(Frame(CLOSE, data))
                code, reason = parse_close(data)
                self._paced.end(code, reason)
            elif opcode != PONG:
                self._paced.give(opcode, data)

    def recv(self) -> list[Frame]:
        """Block until the next frame is due and return it, alone: each at its own time.

        Raises:
            ConnectionClosedError: the connection has ended (code 1006).
        """
        frame = None if self._shut else self._paced.take()
        if self._shut:
            raise ConnectionClosedError(1006, "the loopback has been shut down")
        if frame is None and not self._close_sent and self.peer.closed:
            frame = Frame(CLOSE, close_payload(*self.peer.closed))
        if frame is None:
            raise ConnectionClosedError(1006, "the simulator has ended the connection")
        self._close_sent = self._close_sent or frame.opcode == CLOSE
        return [frame]

    def shutdown(self) -> None:
        """Cut the connection: `recv` wakes, then it and `send` raise. Any thread, any time."""
        self._shut = True
        self._paced.end(1006, "the client cut the connection")

    def close(self) -> None:
        """Nothing is held that had to be released."""


def loopback(
    peer_or_script: Peer | Brain | None = None,
    *,
    api_key: str | None = None,
    instant: bool = False,
    realtime: bool = False,
    refuse: int | Refusal | None = None,
    max_sessions: int | None = None,
    behaviour: Behaviour = LIVE,
    documented_shapes: bool = False,
    clock: Clock | None = None,
) -> Callable[[str, Mapping[str, str]], Transport]:
    """A factory for `GrokClient(transport=...)`: each call is a connection to a new session.

    Args:
        peer_or_script: what is heard and said, as `Peer` takes it. A `Peer` serves one connection
            only, and has its own behaviour.
        api_key: the only key that is let in; None lets any in.
        instant: send every answer at once, without waiting for its time.
        realtime: send audio no faster than it plays.
        refuse: refuse every connection with this HTTP status.
        max_sessions: how many may be open at once; one more is refused with 429. xAI's pages
            have said 10 and 100.
        behaviour: the ways of the service, where there are several.
        documented_shapes: do all as xAI's documentation has it, where live differs.
        clock: the time of all sessions, so that a test can let it jump.

    The factory raises what a socket would: `AuthenticationFailed` for a missing or wrong key,
    `RateLimited`, `ConnectFailed`.
    """
    archive: dict[str, Conversation] = {}
    time = clock or Clock()
    open_peers: list[Peer] = []
    latency = 0.0 if instant else 0.05
    pace = math.inf if instant else 1.0 if realtime else 8.0

    def connect(url: str, headers: Mapping[str, str]) -> Transport:
        open_peers[:] = [peer for peer in open_peers if peer.closed is None]
        query = dict(parse_qsl(urlsplit(url).query))
        refusal = (
            as_refusal(refuse)
            or admit(headers, api_key, key_only="call_id" in query)
            or too_many(len(open_peers), max_sessions)
        )
        if refusal:
            given = {name.lower(): value for name, value in refusal.headers.items()}
            raise refused(refusal.status, given, refusal.body, server=url.partition("?")[0])
        peer = peer_or_script
        if not isinstance(peer, Peer):
            peer = Peer(
                peer,
                behaviour=behaviour,
                documented_shapes=documented_shapes,
                latency=latency,
                pace=pace,
                archive=archive,
                unix_time=time.time(),
            )
        open_peers.append(peer)
        return LoopbackTransport(peer, query, time)

    return connect
