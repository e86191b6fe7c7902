"""What callers hand to a connection: encoded, and queued for its writer.

The half of a connection that has no thread: it runs on the callers'. It takes what is said
before there is a line, too: held, it waits until the session stands.
"""

from __future__ import annotations

import queue
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import attrs

from grok_rt import events
from grok_rt._connection.ledger import Ledger
from grok_rt._connection.outbox import Outbox, Parcel, QueueClosed
from grok_rt._wire.frames import frame_of, said, sound_frame
from grok_rt.errors import LocalProtocolError, SendQueueFull

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grok_rt._connection.liveness import Limits
    from grok_rt._session.session import Session
    from grok_rt._wire.framing import Frame

__all__ = ["Outgoing"]


class Outgoing(ABC):
    """The ways into an outbox.

    Attributes:
        ledger: the books, and what ended the connection.

    Args:
        session: the books.
        limits: bounds and deadlines.
    """

    def __init__(self, session: Session, limits: Limits) -> None:
        self.ledger = Ledger(session, self._send_now, self._expect)
        self._session = session
        self._limits = limits
        self._outbox = Outbox(limits.outbox_items, limits.outbox_bytes)
        self._held = False
        self._abandoned: list[Frame] = []

    @abstractmethod
    def _check_line(self) -> None:
        """Called where nothing left in time.

        Raises:
            ConnectionClosed: nobody is at the other end.
        """

    @abstractmethod
    def _expect(self) -> None:
        """Called where somebody waits for what comes, perhaps on the thread that would read it."""

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
        self._session.stirred_at = time.monotonic()
        self._put(_parcel(event), timeout)
        self._session.meter.sent(event)

    def send_audio(self, pcm: bytes, *, bare: bool = False, timeout: float | None = None) -> None:
        """Queue sound; like `send`, without an event object on the way."""
        self._put(Parcel(sound_frame(pcm, bare=bare), len(pcm)), timeout)
        self._session.meter.said(len(pcm))

    def send_newest_audio(self, pcm: bytes, *, bare: bool = False) -> int:
        """Queue sound at once, in place of the oldest sound that waits if need be.

        Returns:
            The bytes of sound that were dropped: these too, if nothing but events waits.
        """
        frame = sound_frame(pcm, bare=bare)
        dropped = self._outbox.drop_oldest_audio(len(frame.data))
        try:
            self._put(Parcel(frame, len(pcm)), 0.0)
        except SendQueueFull:
            dropped += len(pcm)
        self._session.meter.said(len(pcm) - dropped)
        return dropped

    def update_session(self, event: events.SessionUpdate, timeout: float) -> bool:
        """Send a `session.update` and wait for its answer, up to `timeout` seconds.

        Audio queued behind it waits as long. It goes ahead of all that is held.

        Returns:
            False if no answer came in time: then audio flows again, unconfirmed.

        Raises:
            SendQueueFull: no room in time.
            GrokError: as `Ledger.update`.
        """
        parcel = Parcel(frame_of(event), closes_gate=True)

        def send(left: float) -> None:
            self._session.meter.sent(event)
            if self._held:
                self._outbox.put_control(parcel.frame)
            else:
                self._put(parcel, left)

        try:
            return self.ledger.update(event.event_id or "", send, timeout)
        finally:
            self._outbox.open_gate()

    def tool_result(self, call_id: str, output: str) -> None:
        """Answer a call; it leaves when its response is over. Raises as `Ledger.tool_result`."""
        self.ledger.tool_result(call_id, output)
        self._outbox.wake()

    def hold(self, unsent: Sequence[events.ClientEvent], max_sound: int) -> None:
        """Let nothing leave but `update_session`, until `release`.

        Args:
            unsent: what waits already.
            max_sound: bytes of sound that are kept, of the newest.
        """
        self._held = True
        self._outbox.hold(map(_parcel, unsent), max_sound)

    def release(self) -> None:
        """Let go what was held, after what the books want said again."""
        self._held = False
        self.ledger.goes_on(lambda first: self._outbox.release(map(_parcel, first)))
        self._outbox.wake()

    @property
    def sound_lost(self) -> int:
        """Bytes of sound that were given up while it was held."""
        return self._outbox.sound_lost

    def _put(self, parcel: Parcel, timeout: float | None) -> None:
        wait = self._limits.send_timeout if timeout is None else timeout
        try:
            self._outbox.put_parcel(parcel, timeout=wait)
        except queue.Full:
            self._check_line()
            text = f"no room in the outbox for {wait:g} s: the server or the network is too slow"
            raise SendQueueFull(text, said(parcel.frame)) from None
        except QueueClosed:
            error = self.ledger.error()
            raise error from error.cause

    def _send_now(self, outgoing: Sequence[events.ClientEvent]) -> None:
        for event in outgoing:
            self._outbox.put_now(frame_of(event))


def _parcel(event: events.ClientEvent) -> Parcel:
    frame = frame_of(event)
    return Parcel(
        frame, len(event.audio) if isinstance(event, events.InputAudioBufferAppend) else 0
    )
