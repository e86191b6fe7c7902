"""Each fault of a line in each state of a session, plain and in TLS: how the client ends."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time

import live
import pytest
from breaking import breaking, cannot_connect, has_ended, lost, on_line
from callers import SOON, call_in_thread
from raw_peer import heard, silent, switching, upgraded
from relay import DOWN, UP, Fault, Relay
from stage import Peer

from grok_rt import GrokClient, events
from grok_rt.errors import ConnectionClosed, ConnectionClosedOK, SendQueueFull

SCHEMES = pytest.mark.parametrize("scheme", ["ws", "wss"])
FAULTS = pytest.mark.parametrize("fault", ["fin", "rst", "garbage", "stall", "deaf"])
SILENCES = ("stall", "deaf")
DEAD_AFTER = 0.3


def patience(fault: Fault) -> float:
    """Short where the deadline is what has to end it."""
    return DEAD_AFTER if fault in SILENCES else 30.0


# --- an open session ---------------------------------------------------------------------------


def listens(peer: Peer) -> None:
    peer.opens()
    peer.listens()


def talks(peer: Peer) -> None:
    """Speak without end, and take nothing."""
    peer.opens()
    delta = live.sound("r", "i")
    while True:
        peer.says(delta)


@SCHEMES
@FAULTS
def test_while_nothing_happens(fault: Fault, scheme: str) -> None:
    """An idle session notices: a cut at once, a silence after `dead_after`."""
    with breaking(listens, scheme) as line:
        client = line.client(dead_after=patience(fault)).connect()
        line.relay.strike(fault)
        error, told = lost(client, patience(fault) if fault in SILENCES else 0)
        has_ended(client, told, error)
        assert error.code == (1002 if (fault, scheme) == ("garbage", "ws") else 1006)
        if fault in SILENCES:
            assert "silent" in error.reason


@SCHEMES
@FAULTS
def test_while_it_sends(fault: Fault, scheme: str) -> None:
    """Who sends is told by that call: no room, or the end; what did not leave is given back."""
    with breaking(listens, scheme) as line:
        client = line.client(dead_after=patience(fault), send_timeout=0.2).connect()
        sending = threading.Event()
        refused: list[object] = []

        def flood() -> ConnectionClosed:
            while True:
                try:
                    client.send_audio(bytes(48_000))
                    sending.set()
                except SendQueueFull as full:
                    refused.append(full.event)
                except ConnectionClosed as error:
                    return error

        sender = call_in_thread(flood)
        assert sending.wait(SOON)
        line.relay.strike(fault)
        error, told = lost(client, patience(fault) if fault in SILENCES else 0)
        has_ended(client, told, error)
        assert str(sender.result(SOON)) == str(error)
        assert all(isinstance(event, events.InputAudioBufferAppend) for event in refused)


@SCHEMES
@FAULTS
def test_while_it_receives(fault: Fault, scheme: str) -> None:
    """All that came whole is heard before the loss is told."""
    with breaking(talks, scheme) as line:
        client = line.client(dead_after=patience(fault)).connect()
        client.wait_for(events.ResponseOutputAudioDelta, timeout=SOON)
        line.relay.strike(fault)
        error, told = lost(client, patience(fault) if fault in SILENCES else 0)
        has_ended(client, told, error)
        # In mid-stream garbage may fall anywhere: into a text, or between two frames.
        assert error.code in ((1002, 1007, 1006) if fault == "garbage" else (1006,))


@SCHEMES
@FAULTS
def test_while_it_closes(fault: Fault, scheme: str) -> None:
    """A close whose answer never comes ends in time, and what it told stays true."""

    def script(peer: Peer) -> None:
        peer.opens()
        while peer._receive()[0] != 0x8:
            pass
        line.relay.strike(fault)
        peer.closes(1000)

    with breaking(script, scheme) as line:
        client = line.client(close_timeout=0.4).connect()
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 0.4 + SOON
        told = list(client)
        has_ended(client, told, ConnectionClosedOK(1000, "closed by this program"))
        assert isinstance(told[-1], events.Closed)
        assert told[-1].code == 1006


@SCHEMES
def test_a_slow_line_is_not_a_dead_one(scheme: str) -> None:
    """At 50 kB/s a reply takes many times `dead_after`, and is heard whole."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("response.create")
        for _ in range(3):
            peer.says(*live.reply("r", "i"))
        peer.closes(1000)

    with breaking(script, scheme) as line:
        client = line.client(dead_after=2.0).connect()
        line.relay.strike("slow")
        client.request_response()
        told = list(client)
        client.close()
        assert sum(isinstance(e, events.ResponseDone) for e in told) == 3


def test_a_long_message_on_a_slow_line_is_not_silence() -> None:
    """A server whose bytes keep coming is alive, however long its message takes."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("response.create")
        delta = base64.b64encode(bytes(60_000)).decode()  # 1.6 s at the pace of this line
        peer.says({**live.sound("r", "i"), "delta": delta})
        peer.closes(1000)

    with breaking(script, "ws") as line:
        client = line.client(dead_after=0.6).connect()
        line.relay.strike("slow")
        client.request_response()
        with contextlib.closing(client):
            assert any(isinstance(e, events.AudioDelta) for e in client)


def test_a_stuck_line_is_noticed_without_a_sender() -> None:
    """A server that takes nothing is dead after `dead_after`, even if nobody sends any more."""
    with breaking(listens, "ws") as line:
        client = line.client(dead_after=DEAD_AFTER, send_timeout=0.05).connect()
        line.relay.strike("deaf")
        with contextlib.suppress(SendQueueFull):
            while True:
                client.send_audio(bytes(960_000))
        listener = call_in_thread(client.run)
        try:
            with pytest.raises(ConnectionClosed, match="silent"):
                listener.result(DEAD_AFTER + 2)
        finally:
            client.close()


# --- a session that is being opened ------------------------------------------------------------

OPENING = 0.3


def opening(fault: Fault) -> float:
    """Likewise."""
    return OPENING if fault in SILENCES else 10.0


@SCHEMES
@FAULTS
def test_while_tcp_connects(fault: Fault, scheme: str) -> None:
    """A line that breaks before its first byte is a failed connect."""
    with on_line(lambda c, _: silent(c), scheme, fault, (UP, 0)) as line:
        cannot_connect(line.client(open_timeout=opening(fault)), OPENING)


@FAULTS
@pytest.mark.parametrize("after", [(UP, 1), (UP, 100), (DOWN, 1), (DOWN, 100), (DOWN, 700)])
def test_while_tls_shakes_hands(fault: Fault, after: tuple[str, int]) -> None:
    """Nor does it matter where the handshake breaks."""
    with on_line(lambda c, _: upgraded(c), "wss", fault, after) as line:
        cannot_connect(line.client(open_timeout=opening(fault)), OPENING)


@SCHEMES
@FAULTS
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_while_http_is_upgraded(share: float, fault: Fault, scheme: str) -> None:
    """The request was heard; the answer does not come, or breaks off in its middle."""

    def talk(connection: socket.socket, relay: Relay) -> None:
        answer = switching(heard(connection))
        part = int(share * len(answer))
        if part:
            at = len(relay.ways[DOWN].seen)
            connection.sendall(answer[:part])
            while len(relay.ways[DOWN].seen) < at + part:  # it must get through
                time.sleep(0.001)
        relay.strike(fault)
        connection.sendall(answer[part:])
        silent(connection)

    with on_line(talk, scheme) as line:
        # Garbage may have hit a header that does not matter; then no session begins.
        is_vague = (fault, share, scheme) == ("garbage", 0.5, "ws")
        client = line.client(open_timeout=OPENING if is_vague else opening(fault))
        cannot_connect(client, OPENING)


@SCHEMES
@FAULTS
def test_before_the_server_greets(fault: Fault, scheme: str) -> None:
    """A WebSocket without a session is no session: it fails within `open_timeout`."""

    def talk(connection: socket.socket, relay: Relay) -> None:
        upgraded(connection)
        relay.strike(fault)
        silent(connection)

    with on_line(talk, scheme) as line:
        cannot_connect(line.client(open_timeout=opening(fault)), OPENING)


@SCHEMES
@pytest.mark.parametrize("fault", ["fin", "rst", "garbage"])
def test_before_the_server_confirms(fault: Fault, scheme: str) -> None:
    """A session that is lost before it was configured never was open."""

    def script(peer: Peer) -> None:
        peer.says(*live.GREETING)
        peer.hears("session.update")
        line.relay.strike(fault)
        with contextlib.suppress(OSError):
            peer.listens()

    with breaking(script, scheme) as line:
        cannot_connect(line.client(), 0)


@FAULTS
def test_nobody_is_at_the_other_end_of_a_new_client(fault: Fault) -> None:
    """A handler that was registered before a failed connect hears nothing, and nothing hangs."""
    with on_line(lambda c, _: silent(c), "ws", fault, (UP, 0)) as line:
        client: GrokClient = line.client(open_timeout=OPENING)
        told: list[events.Event] = []
        client.on(events.Event)(told.append)
        cannot_connect(client, OPENING)
        assert told == []
