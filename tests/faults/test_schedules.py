"""Many threads on one client: what Hypothesis chooses is when it closes, and how patiently.

`GROK_RT_EVENTS` in the environment says how many events there are in all; 100 000 take ten seconds.
"""

from __future__ import annotations

import collections
import json
import os
import socket
import struct
import threading
from typing import NamedTuple

from breaking import KEY
from callers import SOON, call_in_thread
from hypothesis import example, given, settings
from hypothesis import strategies as st
from raw_peer import listening
from stage import Peer

from grok_rt import GrokClient, events
from grok_rt.errors import ConnectionClosed, ConnectionClosedOK, SendQueueFull
from grok_rt.models import ConversationItem

SENDERS = 8
ALL = int(os.environ.get("GROK_RT_EVENTS", "8000"))
EXAMPLES = 10
STALLS_AT = 40
EACH = ALL // EXAMPLES // SENDERS  # events of one sender in one example

Mark = tuple[int, int]  # who sends, and the number of the event


class Reading(Peer):
    """Notes whose events come, and answers each hundredth, so that handlers have work.

    Args:
        connection: to the client.
        goes_on: what it waits for after `STALLS_AT` events.
    """

    def __init__(self, connection: socket.socket, goes_on: threading.Event) -> None:
        super().__init__(connection)
        self.marks: list[Mark] = []
        self._goes_on = goes_on

    def read(self) -> None:
        self.opens()
        while True:
            opcode, data = self._receive()
            if opcode == 0x8:
                self._send(opcode, data)
            elif opcode == 0x9:
                self._send(0xA, data)
            else:
                self.marks.append(mark_of(json.loads(data)["event_id"]))
                if len(self.marks) == STALLS_AT:
                    assert self._goes_on.wait(60)
                if len(self.marks) % 100 == 0:
                    self.says({"type": "ping", "event_id": "p", "timestamp": 1})


class Close(NamedTuple):
    """One of those who close.

    Attributes:
        at: after how many thousandths of all events.
        timeout: seconds it gives the server.
    """

    at: int
    timeout: float


PATIENT = 10.0
moments = st.integers(0, 1000)
closes = st.tuples(*[st.builds(Close, moments, st.just(PATIENT))] * 4)
any_closes = st.tuples(*[st.builds(Close, moments, st.sampled_from([0.0, 0.01, 1.0]))] * 4)


def mark_of(event_id: str) -> Mark:
    sender, _, number = event_id.partition(" ")
    return int(sender), int(number)


class Outcome:
    """What became of every event that somebody tried to send."""

    def __init__(self) -> None:
        self.taken: list[Mark] = []
        self.full: list[Mark] = []  # given back by SendQueueFull
        self.refused: list[Mark] = []  # by ConnectionClosed
        self.unsent: list[Mark] = []  # reported by ConnectionClosed.unsent
        self.delivered: list[Mark] = []
        self.left = 0  # as the client counts


def played(plan: tuple[Close, ...], *, stalls: bool = False) -> Outcome:
    """Let 8 threads send and 4 close, with handlers that raise; nobody may hang."""
    outcome = Outcome()
    peers: list[Reading] = []
    tries = 0
    progress = threading.Condition()
    over = threading.Event()
    goes_on = threading.Event()
    if not stalls:
        goes_on.set()

    def talk(connection: socket.socket) -> None:
        peers.append(Reading(connection, goes_on))
        try:
            peers[-1].read()
        finally:
            over.set()

    def send(sender: int) -> None:
        nonlocal tries
        for number in range(EACH):
            mark = (sender, number)
            item = ConversationItem.user_text("x" * (20_000 if stalls else 100))
            event = events.ConversationItemCreate(event_id=f"{sender} {number}", item=item)
            try:
                client.send(event)
            except SendQueueFull as full:
                outcome.full.append(mark_of(full.event.event_id))  # type: ignore[attr-defined]
            except ConnectionClosed:
                outcome.refused.append(mark)
            else:
                outcome.taken.append(mark)
            with progress:
                tries += 1
                progress.notify_all()

    def close(when: Close) -> None:
        moment = when.at * SENDERS * EACH // 1000
        with progress:
            assert progress.wait_for(lambda: tries >= moment, 60)
        client.close(timeout=when.timeout)
        goes_on.set()

    def fail(event: events.Event) -> None:
        raise LookupError(event.type)

    with listening(talk) as port:
        url = f"ws://127.0.0.1:{port}/v1/realtime"
        client = GrokClient(KEY, url=url, send_timeout=0.002, ping_interval=0.01)
        client.on(events.Ping)(fail)
        client.start()
        callers = [call_in_thread(lambda who=who: send(who)) for who in range(SENDERS)]
        callers += [call_in_thread(lambda when=when: close(when)) for when in plan]
        for caller in callers:
            caller.result(60)
        assert over.wait(SOON)
        try:
            client.request_response()
        except ConnectionClosedOK as error:
            outcome.unsent = [mark_of(e.event_id) for e in error.unsent]  # type: ignore[attr-defined]
    outcome.delivered = peers[0].marks
    outcome.left = client.events_sent - 1  # but the session's configuration
    return outcome


def in_order(marks: list[Mark]) -> bool:
    """Each sender's events in the order in which it sent them, none twice."""
    last = collections.defaultdict(lambda: -1)
    for sender, number in marks:
        if number <= last[sender]:
            return False
        last[sender] = number
    return True


@given(closes)
@example(tuple(Close(0, PATIENT) for _ in range(4)))
@settings(max_examples=EXAMPLES - 1, deadline=None)
def test_nothing_is_lost_by_a_patient_close(plan: tuple[Close, ...]) -> None:
    """Each event is delivered, once and in its sender's order, or its sender was told at once."""
    outcome = played(plan)
    assert in_order(outcome.delivered)
    assert sorted(outcome.delivered) == sorted(outcome.taken)
    assert outcome.unsent == []
    tried = outcome.taken + outcome.full + outcome.refused
    assert sorted(tried) == [(who, n) for who in range(SENDERS) for n in range(EACH)]


@given(any_closes)
@example(tuple(Close(500, 0.0) for _ in range(4)))
@settings(max_examples=EXAMPLES - 1, deadline=None)
def test_nothing_vanishes_in_a_hasty_close(plan: tuple[Close, ...]) -> None:
    """Each event that was taken has left this machine or is given back; order holds anyway."""
    outcome = played(plan, stalls=True)
    assert in_order(outcome.delivered)
    assert in_order(outcome.unsent)
    assert set(outcome.delivered) <= set(outcome.taken)
    assert set(outcome.unsent) <= set(outcome.taken)
    # What left may have been lost with the line; what did not leave is in `unsent`, all of it.
    assert len(outcome.taken) == outcome.left + len(outcome.unsent)
    missing = set(outcome.taken) - set(outcome.delivered) - set(outcome.unsent)
    assert len(missing) <= outcome.left


def test_the_frames_of_the_server_are_as_it_says() -> None:
    """The server that counts reads what a client writes: lengths of all three forms."""
    sizes = [5, 200, 70_000]
    peers: list[Peer] = []

    def talk(connection: socket.socket) -> None:
        peers.append(Peer(connection))
        peers[0].opens()
        for _ in sizes:
            peers[0].hears("conversation.item.create")
        peers[0]._send(0x8, struct.pack("!H", 1000))
        peers[0].listens()

    with listening(talk) as port:
        client = GrokClient(KEY, url=f"ws://127.0.0.1:{port}/v1/realtime").connect()
        for size in sizes:
            client.send_user_text("x" * size)
        client.run()
        client.close()
    texts = [message["item"]["content"][0]["text"] for message in peers[0].heard[1:]]
    assert [len(text) for text in texts] == sizes
