"""A line in memory whose other end is the test: for what no polite server does."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from grok_rt._connection.connection import Connection
from grok_rt._connection.inbox import Inbox
from grok_rt._connection.liveness import Limits
from grok_rt._session.session import Declared, Session
from grok_rt._wire.framing import CLOSE, PING, PONG, TEXT, Frame, close_payload
from grok_rt.errors import ConnectionClosedError
from grok_rt.events import Closed, Event

SOON = 5.0  # seconds that anything may take which takes no time
GREETING = (
    {"type": "session.created", "session": {"id": "sess_1"}},
    {"type": "conversation.created", "conversation": {"id": "conv_1"}},
)
UPDATED = {"type": "session.updated", "session": {}}


class ScriptedTransport:
    """A `Transport` that sends into a list, and receives what the test says.

    Attributes:
        sent: every frame that left, in order.
        valve: cleared, `send` blocks like a full socket.
        answers_close: whether a close frame gets its answer.
        answers_ping: whether a ping gets its pong.
        answers: what else is answered: called with each event that left.
        released: how often `close` was called.
    """

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self.valve = threading.Event()
        self.valve.set()
        self.answers_close = True
        self.answers_ping = False
        self.answers: Callable[[dict[str, Any]], None] = lambda event: None
        self.released = 0
        self._incoming: queue.SimpleQueue[Frame | BaseException] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._shut = threading.Event()

    # the client's side

    def send(self, frames: Sequence[Frame], /) -> None:
        while not self.valve.wait(0.01):
            if self._shut.is_set():
                break
        if self._shut.is_set():
            raise ConnectionClosedError(1006, "shut")
        with self._changed:
            self.sent += frames
            self._changed.notify_all()
        for frame in frames:
            if frame.opcode == CLOSE and self.answers_close:
                self.hears(frame)
            if frame.opcode == PING and self.answers_ping:
                self.hears(Frame(PONG, frame.data))
            if frame.opcode == TEXT:
                self.answers(json.loads(frame.data))

    def recv(self) -> list[Frame]:
        item = self._incoming.get()
        if isinstance(item, BaseException):
            raise item
        return [item]

    def shutdown(self) -> None:
        self._shut.set()
        self._incoming.put(ConnectionClosedError(1006, "shut"))

    def close(self) -> None:
        self.released += 1

    # the test's side

    def hears(self, *items: Frame | BaseException | dict[str, Any]) -> None:
        """Let the client receive frames, messages, or an exception."""
        for item in items:
            is_message = isinstance(item, dict)
            self._incoming.put(Frame(TEXT, json.dumps(item).encode()) if is_message else item)

    def hears_close(self, code: int, reason: str = "") -> None:
        self.hears(Frame(CLOSE, close_payload(code, reason)))

    @property
    def events(self) -> list[dict[str, Any]]:
        """What left as JSON, in order."""
        return [json.loads(frame.data) for frame in self.sent if frame.opcode == TEXT]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def wait(self, met: Callable[[ScriptedTransport], bool]) -> None:
        """Wait until what was sent is as it should be."""
        with self._changed:
            assert self._changed.wait_for(lambda: met(self), SOON), self.sent

    def confirm_updates(self, event: dict[str, Any]) -> None:
        """For `answers`: each `session.update` is confirmed."""
        if event["type"] == "session.update":
            self.hears(UPDATED)


class Line:
    """A connection under test, with all that belongs to it."""

    def __init__(
        self, transport: Any, declared: dict[str, Declared] | None = None, **limits: Any
    ) -> None:
        self.transport = transport
        self.inbox = Inbox()
        self.session = Session(declared or {})
        self.ended: list[Connection] = []
        self.connection = Connection(
            self.session,
            self.inbox,
            Limits(**limits),
            on_end=self._end,
            why_stalled=lambda: "nobody takes them",
        )

    def _end(self, connection: Connection) -> None:
        self.ended.append(connection)
        self.inbox.put_event(Closed(connection.code))

    def events(self) -> list[Event]:
        """All that came, up to `Closed`; waits for that."""
        taken = []
        while not isinstance(event := self.inbox.take(SOON)[0], Closed):
            taken.append(event)
        return taken

    def wait_end(self) -> None:
        deadline = time.monotonic() + SOON
        while not self.connection.is_over and time.monotonic() < deadline:
            time.sleep(0.001)
        assert self.connection.is_over


@contextlib.contextmanager
def line(
    transport: Any, declared: dict[str, Declared] | None = None, **limits: Any
) -> Iterator[Line]:
    """Run a connection over a transport; afterwards none of its threads may live."""
    made = Line(transport, declared, **limits)
    made.connection.start(transport)
    try:
        yield made
    finally:
        made.connection.close(timeout=0.5)
        assert made.connection.is_over
        assert made.ended == [made.connection]


def in_background(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Call on another thread; the list gets what it returned or raised."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(call())
        except Exception as error:  # noqa: BLE001 - it is the outcome
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, outcome
