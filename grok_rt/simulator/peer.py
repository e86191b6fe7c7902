"""The service's end of one session, without I/O.

No thread, no socket and no clock live here: every call says what time it is, and what the
service would send comes out of `poll` when it is due. Not for two threads at once. It does what
the live service was seen to do; where its documentation says otherwise, live wins.
"""

from __future__ import annotations

import contextlib
import logging
import random
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from grok_rt import _codec
from grok_rt._framing import BINARY, TEXT, Frame
from grok_rt.errors import RemoteProtocolError
from grok_rt.events import Event
from grok_rt.simulator import shapes
from grok_rt.simulator.agenda import Agenda
from grok_rt.simulator.conversation import Conversation
from grok_rt.simulator.reading import Refused, checked, needed, optional
from grok_rt.simulator.script import Script
from grok_rt.simulator.session import Session
from grok_rt.simulator.speaking import Temper

if TYPE_CHECKING:
    from grok_rt.simulator.listening import Turn
    from grok_rt.simulator.shapes import Wire

__all__ = ["Peer"]

MODEL: Final = "grok-voice-think-fast-2.0"  # whatever model was asked for

_logger = logging.getLogger("grok_rt.simulator")

_PING_SECONDS = 10.0
_REMEMBERED = 10_000


class Peer:
    """One session of a simulated realtime service.

    It hears PCM, G.711 and Opus, and speaks PCM and G.711. Opus is counted and not decoded: no
    speech is noticed in it, so in manual mode `input_audio_buffer.commit` answers whatever was
    sent, and with server VAD nothing does. Opus as the output format is refused.

    Args:
        script: what it hears and says; the truth about what it was sent without one.
        latency: seconds from the end of a turn to the first message of the answer.
        pace: seconds of audio sent per second: 1 is real time, ``math.inf`` is all at once.
        seed: makes the ids reproducible.
        unix_time: the wall clock at `open`, in seconds, for timestamps.
        archive: where conversations are kept for resumption, shared with other peers.
        max_duration: seconds after which the session is ended.
        inactivity: seconds without a client event after which it is ended.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        latency: float = 0.05,
        pace: float = 8.0,
        seed: int | None = None,
        unix_time: float = 1_790_000_000.0,
        archive: MutableMapping[str, Conversation] | None = None,
        max_duration: float = 7200.0,
        inactivity: float = 900.0,
    ) -> None:
        self.closed: tuple[int, str] | None = None
        """Close code and reason, once the session has ended."""
        self._performance = (script or Script()).play()
        self._temper = Temper(latency, pace)
        self._random = random.Random(seed)  # noqa: S311 - ids, no secrets
        self._unix_time = unix_time
        self._archive = {} if archive is None else archive
        self._max_duration = max_duration
        self._inactivity = inactivity
        self._agenda = Agenda()
        self._opened = 0.0
        self._session: Session | None = None
        self._out: list[Frame] = []
        self._received: deque[bytes] = deque(maxlen=_REMEMBERED)

    # --- the life of a session ---------------------------------------------------------

    def open(self, now: float, query: Mapping[str, str] | None = None) -> None:
        """The handshake is done; `query` has the parameters of the URL."""
        self._opened = now
        self._agenda.advance(now)
        wanted = (query or {}).get("conversation_id", "")
        conversation = self._archive.get(wanted) or Conversation(self._new_id())
        self._session = Session(
            agenda=self._agenda,
            send=self._send,
            new_id=self._new_id,
            unix_ms=self._unix_ms,
            performance=self._performance,
            temper=self._temper,
            model=MODEL,
            conversation=conversation,
        )
        self._send(shapes.session_created(self._new_id().replace("-", ""), MODEL))
        self._send(shapes.conversation_created(conversation.id))
        self._ping()
        self._agenda.set(self._expire, now + self._max_duration)
        self._agenda.set(self._tire, now + self._inactivity)

    def receive(self, message: Event | bytes | str, now: float) -> None:
        """A client event, or the text frame that holds one.

        Whatever is wrong with it is answered with an `error` and the session goes on: an
        `invalid_request_error` that names the field, or an `internal_error` for our own faults.
        """
        data = _codec.encode(message) if isinstance(message, Event) else message
        data = data.encode() if isinstance(data, str) else data
        if not self._attend(now):
            return
        self._received.append(data)
        session = self._open_session
        with self._as_errors():
            wire = _parse(data)
            with self._as_errors(wire.get("event_id")):
                session.answer(wire)
        if session.settings.resumable:
            self._archive[session.conversation.id] = session.conversation

    def receive_audio(self, data: bytes, now: float) -> None:
        """A binary frame: audio like `input_audio_buffer.append`."""
        if self._attend(now):
            session = self._open_session
            with self._as_errors():
                session.hear(data)

    def poll(self, now: float) -> list[Event]:
        """All events due by `now` that have not been taken yet, in order."""
        return [_codec.decode(frame.data) for frame in self.frames(now) if frame.opcode == TEXT]

    def frames(self, now: float) -> list[Frame]:
        """The same as `poll`, as frames for the wire; with binary transport also audio."""
        if self.closed is None:
            self._advance(now)
        ready, self._out = self._out, []
        return ready

    @property
    def next_at(self) -> float | None:
        """When `poll` will have something; in the past if it has now, None if never again."""
        return self._opened if self._out else self._agenda.next_at

    def inject(self, message: Mapping[str, Any], now: float) -> None:
        """Send any server event now, one the service never sends too."""
        if self._attend(now):
            self._send(dict(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """The session is over: nothing more becomes due. Only the first call counts."""
        if self.closed is None:
            self.closed = (code, reason)
            self._agenda.clear()

    # --- for assertions ----------------------------------------------------------------

    @property
    def received(self) -> list[Event]:
        """The client events, in order; the last 10,000. What was no event at all is left out."""
        events = []
        for data in list(self._received):  # the session's thread may be adding
            try:
                events.append(_codec.decode(data))
            except RemoteProtocolError:
                continue
        return events

    @property
    def turns(self) -> list[Turn]:
        """The user's spoken turns, with their audio."""
        return list(self._open_session.turns)

    @property
    def conversation(self) -> Conversation:
        """The items so far."""
        return self._open_session.conversation

    # --- the machinery -----------------------------------------------------------------

    @property
    def _open_session(self) -> Session:
        if self._session is None:
            raise RuntimeError("the peer has not been opened")
        return self._session

    def _attend(self, now: float) -> bool:
        """Bring the session to `now` for something from the client; False if it is over."""
        if self.closed is None:
            self._advance(now)
            self._agenda.set(self._tire, now + self._inactivity)
        return self.closed is None

    def _advance(self, now: float) -> None:
        with self._as_errors():
            self._agenda.advance(now)

    @contextlib.contextmanager
    def _as_errors(self, event_id: str | None = None) -> Iterator[None]:
        """Answer what is raised inside with an `error` about the client's event `event_id`."""
        try:
            yield
        except Refused as refused:
            problem = refused
        except Exception as error:
            _logger.exception("the simulator failed")
            problem = Refused(f"The simulator failed: {error!r}", type="internal_error")
        else:
            return
        self._send(
            shapes.error(
                problem.type,
                problem.message,
                code=problem.code,
                param=problem.param,
                event_id=event_id,
            )
        )

    def _send(self, message: Wire) -> None:
        message = shapes.stamp(message, self._new_id())
        audio = message.get("delta")
        if isinstance(audio, bytes) and self._open_session.settings.binary_output:
            self._out.append(Frame(BINARY, audio))
        else:
            self._out.append(Frame(TEXT, msgspec.json.encode(message)))

    def _ping(self) -> None:
        self._send(shapes.ping(self._unix_ms(self._agenda.now)))
        self._agenda.set(self._ping, self._agenda.now + _PING_SECONDS)

    def _expire(self) -> None:
        self._send(shapes.error("max_duration", "The session reached its longest duration."))
        self.close(1000, "max_duration")

    def _tire(self) -> None:
        self._send(shapes.error("timeout", "Closed for inactivity."))
        self.close(1000, "timeout")

    def _unix_ms(self, at: float) -> int:
        return round((self._unix_time + at - self._opened) * 1000)

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


def _parse(data: bytes) -> Wire:
    try:
        wire = msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refused(f"Could not parse the event: {error}") from None
    event = checked(wire, dict, "event")
    needed(event, "type", str)
    optional(event, "event_id", str)
    return event
