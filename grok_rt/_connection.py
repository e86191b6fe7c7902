"""One connection: a reader thread, a writer thread, the two queues between. Single-use.

The **reader** alone receives: it decodes, shows the event to the session's books, queues
it, and never writes or waits. The **writer** alone sends, all that is pending at once; its
waiting is also the clock of keepalive and of the books' deadlines. The first cause of
death is kept, and every later call raises it. No lock is held while calling user code.

Close is a protocol: refuse, drain, the close frame last, wait for the peer until the
deadline, shut the line down, join, release the descriptor, tell.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

import attrs

from grok_rt import _codec, events
from grok_rt._framing import BINARY, CLOSE, PING, PONG, TEXT, Frame, close_payload, parse_close
from grok_rt._queues import Inbox, Outbox, Parcel, QueueClosed
from grok_rt.errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    RemoteProtocolError,
    SendQueueFull,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from grok_rt._session import Session, Step
    from grok_rt._transport import Transport

__all__ = ["Connection", "Limits"]

log = logging.getLogger("grok_rt")

_CLEAN = (1000, 1001)


@attrs.frozen
class Limits:
    """Bounds and deadlines of a connection; seconds and bytes.

    Attributes:
        send_timeout: how long `send` waits for room in the outbox.
        close_timeout: how long the peer may take to answer a close.
        ping_interval: silence after which we ping; None: never.
        dead_after: silence after which the peer counts as dead; None: never.
        outbox_items: events that wait for the writer at the most.
        outbox_bytes: their bytes at the most.
        max_backlog: bytes that wait for the pump at the most.
        max_backlog_age: seconds that an event waits for the pump at the most.
        stall_timeout: how long the backlog may stay above its bounds.
    """

    send_timeout: float = 10.0
    close_timeout: float = 5.0
    ping_interval: float | None = 5.0
    dead_after: float | None = 15.0
    outbox_items: int = 256
    outbox_bytes: int = 4 << 20
    max_backlog: int = 64 << 20
    max_backlog_age: float = 120.0
    stall_timeout: float = 30.0


class Connection:
    """The two threads and their queues around one transport.

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
        self._transport = transport
        self._session = session
        self._inbox = inbox
        self._limits = limits
        self._on_end = on_end
        self._why_stalled = why_stalled
        self._outbox = Outbox(limits.outbox_items, limits.outbox_bytes)
        self._books = threading.Condition()
        self._updating = threading.Lock()
        self._cause: ConnectionClosed | None = None
        self._peer_close: tuple[int, str] | None = None
        self._heard_at = time.monotonic()
        self._pinged_at = self._heard_at
        self._backlog_checked_at = self._heard_at
        self._overfull_since: float | None = None
        self._warned = False
        self._unsent: list[Frame] = []
        self._reader_done = threading.Event()
        self._done = threading.Event()
        self._reader = threading.Thread(target=self._read, name="grok-rt-reader", daemon=True)
        self._writer = threading.Thread(target=self._write, name="grok-rt-writer", daemon=True)

    # for callers, from any thread

    def start(self) -> None:
        """Start both threads."""
        self._writer.start()
        self._reader.start()

    @property
    def is_open(self) -> bool:
        """Whether events are still taken."""
        return self._cause is None

    @property
    def code(self) -> int:
        """The peer's close code; 1006 when it sent none."""
        return self._peer_close[0] if self._peer_close else 1006

    def error(self) -> ConnectionClosed:
        """A fresh exception with the first cause of death."""
        cause = self._cause or ConnectionClosedOK(1000)
        kind = (
            ConnectionClosedOK if isinstance(cause, ConnectionClosedOK) else ConnectionClosedError
        )
        error = kind(cause.code, cause.reason, cause.cause, unsent=cause.unsent)
        error.__cause__ = cause.cause
        return error

    def send(self, event: events.ClientEvent, *, timeout: float | None = None) -> None:
        """Queue an event; blocks up to `timeout` seconds (None: `send_timeout`) for room.

        Raises:
            LocalProtocolError: the event cannot be encoded.
            SendQueueFull: no room in time.
            ConnectionClosed: the connection has ended.
        """
        is_audio = isinstance(event, events.InputAudioBufferAppend)
        self._put(Parcel(Frame(TEXT, _codec.encode(event)), is_audio), timeout)

    def send_audio(self, pcm: bytes, *, timeout: float | None = None) -> None:
        """Queue sound; like `send`, without an event object on the way."""
        self._put(Parcel(Frame(TEXT, _codec.encode_append(pcm)), is_audio=True), timeout)

    def send_newest_audio(self, pcm: bytes) -> int:
        """Queue sound at once; returns the bytes of older sound that had to be dropped for it.

        Raises:
            SendQueueFull: what waits is not sound.
        """
        frame = Frame(TEXT, _codec.encode_append(pcm))
        dropped = self._outbox.drop_oldest_audio(len(frame.data))
        self._put(Parcel(frame, is_audio=True), 0.0)
        return sum(len(_codec.decode(each.data).audio) for each in dropped)

    def _put(self, parcel: Parcel, timeout: float | None) -> None:
        wait = self._limits.send_timeout if timeout is None else timeout
        try:
            self._outbox.put_parcel(parcel, timeout=wait)
        except queue.Full:
            text = f"no room in the outbox for {wait:g} s: the server or the network is too slow"
            raise SendQueueFull(text, _codec.decode(parcel.frame.data)) from None
        except QueueClosed:
            raise self.error() from None

    def update_session(self, event: events.SessionUpdate, timeout: float) -> bool:
        """Send a `session.update` and wait for its answer, up to `timeout` seconds.

        Audio queued behind it waits as long. One update at a time is in flight.

        Returns:
            False if no answer came in time: then audio flows again, unconfirmed.

        Raises:
            ServerError: the server refused it; its earlier configuration stays.
            ConnectionClosed: the connection has ended.
        """
        event_id = event.event_id or ""
        deadline = time.monotonic() + timeout
        if not self._updating.acquire(timeout=max(0.0, timeout)):
            return False
        try:
            with self._books:
                self._session.update_sent(event_id)
            parcel = Parcel(Frame(TEXT, _codec.encode(event)), closes_gate=True)
            try:
                self._outbox.put_parcel(parcel, timeout=max(0.0, deadline - time.monotonic()))
            except (queue.Full, QueueClosed):
                pass  # the wait below raises, or reports that nothing came
            with self._books:
                answered = self._books.wait_for(
                    lambda: self._session.update_answered(event_id) or self._cause is not None,
                    max(0.0, deadline - time.monotonic()),
                )
                if self._cause is not None:
                    raise self.error()
                refusal = self._session.take_refusal(event_id)
        finally:
            self._outbox.open_gate()
            self._updating.release()
        if refusal is not None:
            raise refusal
        return answered

    def tool_result(self, call_id: str, output: str) -> None:
        """Answer a call; it leaves when its response is over. Never blocks.

        Raises:
            LocalProtocolError: the call is answered already, or not ours to answer.
            ConnectionClosed: the connection has ended.
        """
        if self._cause is not None:
            raise self.error()
        with self._books:
            self._send_now(self._session.tool_result(call_id, output, time.monotonic()))
        self._outbox.wake()

    def wait(self, met: Callable[[Session], bool], timeout: float) -> bool:
        """Wait until the books say so; false after `timeout` seconds.

        Raises:
            ConnectionClosed: the connection ended first.
        """
        with self._books:
            self._books.wait_for(lambda: met(self._session) or self._cause is not None, timeout)
            if met(self._session):
                return True
            if self._cause is not None:
                raise self.error()
            return False

    def close(self, code: int = 1000, reason: str = "", timeout: float | None = None) -> None:
        """Refuse, drain, close, join. Any thread, any number of times; bounded by `timeout`."""
        limit = self._limits.close_timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        self._end(ConnectionClosedOK(code, reason or "closed by this program"))
        self._outbox.close(Frame(CLOSE, close_payload(code, reason)))
        self._reader_done.wait(limit)
        self._transport.shutdown()
        self._done.wait(max(1.0, deadline - time.monotonic()))
        for thread in (self._writer, self._reader):
            thread.join(1.0)

    # the reader thread

    def _read(self) -> None:
        recv = self._transport.recv
        try:
            while True:
                opcode, data = recv()
                self._heard_at = now = time.monotonic()
                if opcode == TEXT:
                    self._take_text(data, now)
                elif opcode == BINARY:
                    self._take(self._session.binary_audio(data), len(data), now)
                elif opcode == PING:
                    self._outbox.put_control(Frame(PONG, data))
                elif opcode == CLOSE:
                    self._closed_by_peer(data)
                    break
                if now - self._backlog_checked_at >= 1.0 and self._overfull(now):
                    break
        except RemoteProtocolError as error:
            self._end(ConnectionClosedError(error.close_code, str(error), error))
            self._outbox.close(Frame(CLOSE, close_payload(error.close_code, "")))
        except ConnectionClosed as error:
            self._lost(error)
        except Exception as error:  # a defect of ours must not leave the caller waiting
            log.exception("the reader failed")
            self._lost(ConnectionClosedError(1006, f"the reader failed: {error!r}", error))
        finally:
            self._finish()

    def _take_text(self, data: bytes, now: float) -> None:
        try:
            event = _codec.decode(data)
        except RemoteProtocolError as error:
            event = events.Malformed(data=data, error=error)
        self._take(event, len(data), now)

    def _take(self, event: events.Event, size: int, now: float) -> None:
        with self._books:
            step = self._session.received(event, now)
            self._send_now(step.send)
            if not self._session.updating:
                self._outbox.open_gate()
            self._books.notify_all()
        self._inbox.put_event(step.instead or event, size)
        for told in step.tell:
            self._inbox.put_event(told)
        if step.fatal is not None:
            self._fatal(step.fatal)

    def _fatal(self, error: ServerError) -> None:
        """The server said that it ends the session; give it the time of a close to do so."""
        self._end(ConnectionClosedError(1000, str(error), error))
        self._outbox.close(Frame(CLOSE, close_payload(1000, "")))

    def _closed_by_peer(self, data: bytes) -> None:
        code, reason = self._peer_close = parse_close(data)
        kind = ConnectionClosedOK if code in _CLEAN else ConnectionClosedError
        self._end(kind(code, reason or "closed by the server"))
        self._outbox.close(Frame(CLOSE, data[:2]))

    def _overfull(self, now: float) -> bool:
        """Whether the pump has been too far behind for too long; ends the session if so."""
        self._backlog_checked_at = now
        size, age = self._inbox.backlog()
        limits = self._limits
        if not self._warned and (size * 4 > limits.max_backlog or age * 4 > limits.max_backlog_age):
            self._warned = True
            log.warning("%d bytes of events wait for %.0f s: %s", size, age, self._why_stalled())
        if size <= limits.max_backlog and age <= limits.max_backlog_age:
            self._overfull_since = None
            return False
        if self._overfull_since is None:
            self._overfull_since = now
        if now - self._overfull_since <= limits.stall_timeout:
            return False
        why = f"{size} bytes of events waited for {age:.0f} s: {self._why_stalled()}"
        self._end(ConnectionClosedError(1000, why))
        self._outbox.close(Frame(CLOSE, close_payload(1000, "")))
        return True

    def _finish(self) -> None:
        """Last of all, on the reader: nobody may be inside the line when it is released."""
        self._reader_done.set()
        self._writer.join(1.0)  # a drained outbox and its close frame are on their way
        self._transport.shutdown()
        self._unsent += self._outbox.abort()
        self._writer.join()
        self._transport.close()
        self._keep_unsent()
        try:
            self._on_end(self)
        finally:
            self._done.set()

    def _keep_unsent(self) -> None:
        cause = self._cause
        if self._unsent and cause is not None:
            cause.unsent = tuple(_codec.decode(f.data) for f in self._unsent if f.opcode == TEXT)

    # the writer thread

    def _write(self) -> None:
        batch: list[Frame] | None = []
        try:
            while True:
                batch = self._outbox.take_batch(self._patience())
                if batch is None:
                    return
                if batch:
                    self._transport.send(batch)
                    if batch[-1].opcode == CLOSE:
                        break
                self._tick()
            # The peer has this long to answer; then the reader is woken.
            if not self._reader_done.wait(self._limits.close_timeout):
                self._transport.shutdown()
        except ConnectionClosed as error:
            self._unsent += batch or []
            self._lost(error)
        except Exception as error:  # a defect of ours must not leave the caller waiting
            log.exception("the writer failed")
            self._lost(ConnectionClosedError(1006, f"the writer failed: {error!r}", error))

    def _patience(self) -> float | None:
        """Seconds until the writer has something to do besides sending."""
        moments = []
        with self._books:
            due = self._session.next_deadline()
        if due is not None:
            moments.append(due)
        if self._limits.ping_interval is not None:
            moments.append(max(self._heard_at, self._pinged_at) + self._limits.ping_interval)
        if self._limits.dead_after is not None:
            moments.append(self._heard_at + self._limits.dead_after)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _tick(self) -> None:
        now = time.monotonic()
        with self._books:
            due = self._session.next_deadline()
            if due is not None and due <= now:
                self._send_now(self._session.due(now).send)
        silent = now - self._heard_at
        dead_after, interval = self._limits.dead_after, self._limits.ping_interval
        if dead_after is not None and silent >= dead_after:
            raise ConnectionClosedError(1006, f"the server has been silent for {silent:.0f} s")
        if interval is not None and now - max(self._heard_at, self._pinged_at) >= interval:
            self._pinged_at = now
            self._outbox.put_control(Frame(PING, b""))

    # under whichever thread

    def _send_now(self, outgoing: tuple[events.ClientEvent, ...]) -> None:
        for event in outgoing:
            self._outbox.put_now(Frame(TEXT, _codec.encode(event)))

    def _lost(self, cause: ConnectionClosed) -> None:
        """No more frames either way: wake both threads."""
        self._end(cause)
        self._transport.shutdown()
        self._unsent += self._outbox.abort()

    def _end(self, cause: ConnectionClosed) -> None:
        """Keep the first cause, and let everybody know who waits for the books."""
        with self._books:
            if self._cause is None:
                self._cause = cause
            self._books.notify_all()
