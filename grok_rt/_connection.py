"""One connection: a reader thread, a writer thread, the two queues between. Single-use.

The **reader** alone receives: it decodes, shows the event to the session's books, queues
it, and never writes or waits. The **writer** alone sends, all that is pending at once; its
waiting is also the clock of keepalive and of the books' deadlines. The first cause of
death is kept, and every later call raises it. No lock is held while calling user code.

Close is a protocol: refuse, drain, the close frame last, wait for the peer until the
deadline, shut the line down, join, release the descriptor, tell. It starts no thread, so
that it works while the interpreter exits; every open line is then closed with 1001.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
import weakref
from typing import TYPE_CHECKING

import attrs

from grok_rt import events
from grok_rt._frames import frame_of, said, sound_frame
from grok_rt._frames import heard as heard_in
from grok_rt._framing import BINARY, CLOSE, PING, PONG, TEXT, Frame, close_payload, parse_close
from grok_rt._ledger import Ledger
from grok_rt._liveness import Backlog, Keepalive, Limits
from grok_rt._queues import Inbox, Outbox, Parcel, QueueClosed
from grok_rt.errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    LocalProtocolError,
    RemoteProtocolError,
    SendQueueFull,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from grok_rt._session import Session
    from grok_rt._transport import Transport

__all__ = ["Connection"]

log = logging.getLogger("grok_rt")

_CLEAN = (1000, 1001, 1005)  # 1005: a close frame without a code
_EXIT_TIMEOUT = 1.0
_GRACE = 1.0  # seconds that a thread may take to end once it has been woken

#: The lines of this process that `_close_all` has to close; nothing else looks here.
_live: weakref.WeakSet[Connection] = weakref.WeakSet()


class Connection:
    """The two threads and their queues around one transport.

    Attributes:
        ledger: the books, and what ended the connection.
        events_sent: how many events have left this machine.

    Args:
        transport: an open line; the connection closes it.
        session: the books; shared with nobody while this connection lives.
        inbox: where events go; it outlives the connection.
        limits: bounds and deadlines.
        on_end: called once, on the reader thread, when everything is over.
        why_stalled: a sentence that names who keeps the inbox from being emptied.
    """

    def __init__(
        self,
        transport: Transport,
        session: Session,
        inbox: Inbox,
        limits: Limits,
        *,
        on_end: Callable[[Connection], None],
        why_stalled: Callable[[], str],
    ) -> None:
        now = time.monotonic()
        self.events_sent = 0
        self._transport = transport
        self._session = session
        self._inbox = inbox
        self._limits = limits
        self._on_end = on_end
        self._outbox = Outbox(limits.outbox_items, limits.outbox_bytes)
        self._keepalive = Keepalive(limits.ping_interval, limits.dead_after, now)
        self._backlog = Backlog(
            inbox,
            limits.max_backlog,
            limits.max_backlog_age,
            limits.stall_timeout,
            why_stalled=why_stalled,
            now=now,
        )
        self.ledger = Ledger(session, self._send_now)
        self._peer_close: tuple[int, str] | None = None
        self._in_flight: list[Frame] = []
        self._abandoned: list[Frame] = []
        self._reader_done = threading.Event()
        self._done = threading.Event()
        self._pid = os.getpid()
        self._reader = threading.Thread(target=self._read, name="grok-rt-reader", daemon=True)
        self._writer = threading.Thread(target=self._write, name="grok-rt-writer", daemon=True)

    # for callers, from any thread

    def start(self) -> None:
        """Start both threads."""
        _live.add(self)
        self._writer.start()
        self._reader.start()

    @property
    def is_open(self) -> bool:
        """Whether events are still taken."""
        return self.ledger.cause is None

    @property
    def is_over(self) -> bool:
        """Whether all has been told, and no thread is left."""
        return self._done.is_set()

    @property
    def is_forked(self) -> bool:
        """Whether it belongs to the parent of this process: its threads are not here."""
        return self._pid != os.getpid()

    @property
    def code(self) -> int:
        """The peer's close code; 1006 when it sent none."""
        return self._peer_close[0] if self._peer_close else 1006

    def send(self, event: events.ClientEvent, *, timeout: float | None = None) -> None:
        """Queue an event; blocks up to `timeout` seconds (None: `send_timeout`) for room.

        It gets an `event_id` if it has none, so that an `Error` about it can name it.

        Raises:
            LocalProtocolError: the event cannot be encoded, or is none that a client sends.
            SendQueueFull: no room in time.
            ConnectionClosed: the connection has ended.
        """
        if not isinstance(event, (events.ClientEvent, events.UnknownEvent)):
            raise LocalProtocolError(f"send takes a client event of grok_rt.events, not {event!r}")
        is_audio = isinstance(event, events.InputAudioBufferAppend)
        if not is_audio and not event.event_id and isinstance(event, events.ClientEvent):
            event = attrs.evolve(event, event_id=self.ledger.new_event_id())
        self._put(Parcel(frame_of(event), is_audio), timeout)

    def send_audio(self, pcm: bytes, *, bare: bool = False, timeout: float | None = None) -> None:
        """Queue sound; like `send`, without an event object on the way."""
        self._put(Parcel(sound_frame(pcm, bare=bare), is_audio=True), timeout)

    def send_newest_audio(self, pcm: bytes, *, bare: bool = False) -> int:
        """Queue sound at once, in place of the oldest sound that waits if need be.

        Returns:
            The bytes of sound that were dropped: these too, if nothing but events waits.
        """
        frame = sound_frame(pcm, bare=bare)
        dropped = self._outbox.drop_oldest_audio(len(frame.data))
        try:
            self._put(Parcel(frame, is_audio=True), 0.0)
        except SendQueueFull:
            dropped.append(frame)
        lost = map(said, dropped)
        return sum(len(e.audio) for e in lost if isinstance(e, events.InputAudioBufferAppend))

    def _put(self, parcel: Parcel, timeout: float | None) -> None:
        wait = self._limits.send_timeout if timeout is None else timeout
        try:
            self._outbox.put_parcel(parcel, timeout=wait)
        except queue.Full:
            # The writer is stuck in the line, and cannot see that nobody is at its other end.
            if why := self._keepalive.dead(time.monotonic()):
                self._lost(ConnectionClosedError(1006, why))
                raise self.ledger.error() from None
            text = f"no room in the outbox for {wait:g} s: the server or the network is too slow"
            raise SendQueueFull(text, said(parcel.frame)) from None
        except QueueClosed:
            error = self.ledger.error()
            raise error from error.cause

    def update_session(self, event: events.SessionUpdate, timeout: float) -> bool:
        """Send a `session.update` and wait for its answer, up to `timeout` seconds.

        Audio queued behind it waits as long.

        Returns:
            False if no answer came in time: then audio flows again, unconfirmed.

        Raises:
            SendQueueFull: no room in time.
            GrokError: as `Ledger.update`.
        """
        parcel = Parcel(frame_of(event), closes_gate=True)
        try:
            return self.ledger.update(
                event.event_id or "", lambda left: self._put(parcel, left), timeout
            )
        finally:
            self._outbox.open_gate()

    def tool_result(self, call_id: str, output: str) -> None:
        """Answer a call; it leaves when its response is over. Raises as `Ledger.tool_result`."""
        self.ledger.tool_result(call_id, output)
        self._outbox.wake()

    def begin_close(self, code: int = 1000, reason: str = "") -> None:
        """Refuse, drain, send the close frame: without waiting for any of it.

        Raises:
            LocalProtocolError: a code that must not be sent.
        """
        last = Frame(CLOSE, close_payload(code, reason))
        self.ledger.end(ConnectionClosedOK(code, reason or "closed by this program"))
        self._outbox.close(last)

    def close(self, code: int = 1000, reason: str = "", timeout: float | None = None) -> None:
        """Refuse, drain, close, join. Any thread, any number of times; bounded by `timeout`.

        Raises:
            LocalProtocolError: a code that must not be sent.
        """
        if self.is_forked:
            return  # the line is the parent's
        self.begin_close(code, reason)
        if not self._done.wait(self._limits.close_timeout if timeout is None else timeout):
            self._transport.shutdown()
            self._done.wait(_GRACE)
        for thread in (self._writer, self._reader):
            thread.join(_GRACE)

    # the reader thread

    def _read(self) -> None:
        recv = self._transport.recv
        try:
            while self._take(recv()):
                pass
        except RemoteProtocolError as error:
            self._give_up(ConnectionClosedError(error.close_code, str(error), error))
        except ConnectionClosed as error:
            self._lost(error)
        except Exception as error:  # a defect of ours must not leave the caller waiting
            log.exception("the reader failed")
            self._lost(ConnectionClosedError(1006, f"the reader failed: {error!r}", error))
        finally:
            self._finish()

    def _take(self, frames: Sequence[Frame]) -> bool:
        """What has come at once; false if that was the end."""
        self._keepalive.heard_at = now = time.monotonic()
        heard: list[tuple[events.Event, int]] = []
        for opcode, data in frames:
            if opcode == TEXT:
                heard.append((heard_in(data), len(data)))
            elif opcode == BINARY:
                self._hear(heard, now)  # it says which item this sound is of
                heard = [(self._session.binary_audio(data), len(data))]
            elif opcode == PING:
                self._outbox.put_control(Frame(PONG, data))
            elif opcode == CLOSE:
                self._hear(heard, now)
                self._closed_by_peer(data)
                return False
        self._hear(heard, now)
        if why := self._backlog.stalled(now):
            self._give_up(ConnectionClosedError(1000, why))
            return False
        return True

    def _hear(self, heard: list[tuple[events.Event, int]], now: float) -> None:
        """Show events to the books, then queue them with what follows from them."""
        if not heard:
            return
        steps, has_deadline = self.ledger.received([event for event, _ in heard], now)
        if has_deadline:
            self._outbox.wake()  # the writer may have to look at the clock sooner
        fatal = None
        for index, step in steps:
            if step.answers_update:
                self._outbox.open_gate()
            fatal = fatal or step.fatal
            event, size = heard[index]
            heard[index : index + 1] = [
                (step.instead or event, size),
                *((told, 0) for told in step.tell),
            ]
        self._inbox.put_events(heard)
        if fatal is not None:
            # The server ends the session: it has the time of a close to do so.
            self._give_up(ConnectionClosedError(1000, str(fatal), fatal))

    def _closed_by_peer(self, data: bytes) -> None:
        code, reason = self._peer_close = parse_close(data)
        kind = ConnectionClosedOK if code in _CLEAN else ConnectionClosedError
        self.ledger.end(kind(code, reason or "closed by the server"))
        self._outbox.close(Frame(CLOSE, data[:2]))

    def _finish(self) -> None:
        """Last of all, on the reader: nobody may be inside the line when it is released."""
        self._reader_done.set()
        self._writer.join(_GRACE)  # a drained outbox and its close frame are on their way
        self._transport.shutdown()
        self._abandoned += self._outbox.abort()
        self._writer.join()
        self._transport.close()
        try:
            unsent = (*self._in_flight, *self._abandoned)
            self.ledger.unsent = tuple(said(f) for f in unsent if f.opcode in (TEXT, BINARY))
        finally:
            try:
                self._on_end(self)
            finally:
                _live.discard(self)
                self._done.set()

    # the writer thread

    def _write(self) -> None:
        try:
            while (batch := self._outbox.take_batch(self._patience())) is not None:
                if batch:
                    self._in_flight = batch
                    self._transport.send(batch)
                    self._in_flight = []
                    self.events_sent += sum(frame.opcode in (TEXT, BINARY) for frame in batch)
                    if batch[-1].opcode == CLOSE:
                        break
                self._tick()
            # The peer has this long to answer; then the reader is woken.
            if not self._reader_done.wait(self._limits.close_timeout):
                self._transport.shutdown()
        except ConnectionClosed as error:
            self._lost(error)
        except Exception as error:  # a defect of ours must not leave the caller waiting
            log.exception("the writer failed")
            self._lost(ConnectionClosedError(1006, f"the writer failed: {error!r}", error))

    def _patience(self) -> float | None:
        """Seconds until the writer has something to do besides sending."""
        moments = (self.ledger.next_at(), self._keepalive.next_at())
        soonest = min((moment for moment in moments if moment is not None), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def _tick(self) -> None:
        now = time.monotonic()
        self.ledger.run_due(now)
        if why := self._keepalive.dead(now):
            raise ConnectionClosedError(1006, why)
        if self._keepalive.ping_is_due(now):
            self._outbox.put_control(Frame(PING, b""))

    # under whichever thread

    def _send_now(self, outgoing: Sequence[events.ClientEvent]) -> None:
        for event in outgoing:
            self._outbox.put_now(frame_of(event))

    def _lost(self, cause: ConnectionClosed) -> None:
        """No more frames either way: wake both threads."""
        self.ledger.end(cause)
        self._transport.shutdown()
        self._abandoned += self._outbox.abort()

    def _give_up(self, cause: ConnectionClosedError) -> None:
        """The session cannot go on, but the line can: say so with a close frame."""
        self.ledger.end(cause)
        self._outbox.close(Frame(CLOSE, close_payload(cause.code)))


@atexit.register
def _close_all() -> None:
    """Say goodbye on all lines at once, then wait for them together."""
    connections = [connection for connection in _live if not connection.is_forked]
    deadline = time.monotonic() + _EXIT_TIMEOUT
    for connection in connections:
        connection.begin_close(1001, "the program exits")
    for connection in connections:
        connection.close(timeout=max(0.0, deadline - time.monotonic()))
