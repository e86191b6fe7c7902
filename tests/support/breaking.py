"""A client, a relay that breaks its line, an honest server: and how a client has to end."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from raw_peer import listening, server_context, trusting
from relay import UP, Fault, Relay
from stage import Peer

from grok_rt import GrokClient, events
from grok_rt.errors import ConnectFailed, ConnectionClosed, ConnectionClosedError

__all__ = ["SLACK", "Broken", "breaking", "cannot_connect", "has_ended", "lost", "on_line"]

KEY = "xai-canary-Zq8sW2pL9vB4nM7k"
SLACK = 3.0  # seconds that a crowded machine may add to a deadline


class Broken:
    """A line that breaks.

    Attributes:
        relay: in its middle.
        url: where the client finds it.
    """

    def __init__(self, relay: Relay, scheme: str) -> None:
        self.relay = relay
        self.url = f"{scheme}://localhost:{relay.port}/v1/realtime"
        self._trust = trusting() if scheme == "wss" else None

    def client(self, **options: object) -> GrokClient:
        defaults = {"api_key": KEY, "ping_interval": 0.1, "close_timeout": 1.0, "proxy": None}
        return GrokClient(url=self.url, ssl_context=self._trust, **defaults | options)  # type: ignore[arg-type]


@contextlib.contextmanager
def on_line(
    talk: Callable[[socket.socket, Relay], object],
    scheme: str,
    fault: Fault | None = None,
    after: tuple[str, int] = (UP, 0),
) -> Iterator[Broken]:
    """Serve one connection through a relay; the server has the relay at hand."""
    relays: list[Relay] = []
    context = server_context() if scheme == "wss" else None
    with (
        listening(lambda connection: talk(connection, relays[0]), context=context) as port,
        Relay(port, fault, after) as relay,
    ):
        relays.append(relay)
        yield Broken(relay, scheme)


@contextlib.contextmanager
def breaking(script: Callable[[Peer], object], scheme: str) -> Iterator[Broken]:
    """Serve one session by a script of its server, through a relay."""

    def talk(connection: socket.socket, _: Relay) -> None:
        script(Peer(connection))

    with on_line(talk, scheme) as line:
        yield line


def cannot_connect(client: GrokClient, within: float) -> ConnectFailed:
    """It fails in time, with a sentence and a hint, and for good."""
    began = time.monotonic()
    with pytest.raises(ConnectFailed) as caught:
        client.connect()
    assert time.monotonic() - began < within + SLACK
    error = caught.value
    assert re.fullmatch(r"[A-Z\[a-z0-9].{10,}[.?!]", str(error)), str(error)
    assert client.state == "closed"
    with pytest.raises(ConnectionClosed) as later:
        client.send_user_text("Is anybody there?")
    assert error.message in str(later.value)
    client.close()
    return error


def lost(client: GrokClient, within: float) -> tuple[ConnectionClosedError, list[events.Event]]:
    """It hears of the loss in time: the cause, and all that was heard before."""
    heard: list[events.Event] = []
    began = time.monotonic()
    with pytest.raises(ConnectionClosedError) as caught:
        heard += client  # what was taken before the end stays
    assert time.monotonic() - began < within + SLACK
    return caught.value, heard


def has_ended(client: GrokClient, heard: list[events.Event], error: ConnectionClosed) -> None:
    """`Closed` was its last event, and whatever is called raises the first cause."""
    assert [type(e) for e in heard].index(events.Closed) == len(heard) - 1
    closed = heard[-1]
    assert isinstance(closed, events.Closed)
    assert closed.reason == error.reason
    assert re.fullmatch(r"connection closed \(\d{4}\): \w.{5,}", str(error)), str(error)
    if isinstance(error, ConnectionClosedError):
        assert isinstance(heard[-2], events.ConnectionLost)
        assert str(closed.error) == str(error)
    for _ in range(2):
        for verb in (
            lambda: client.send_user_text("Is anybody there?"),
            lambda: client.send_audio(bytes(480)),
            client.recv,
            client.update_session,
        ):
            with pytest.raises(type(error)) as later:
                verb()
            assert str(later.value) == str(error)
        client.close()
        assert client.state == "closed"
