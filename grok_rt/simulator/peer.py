"""The service's end of one session, without I/O.

No thread, no socket and no clock live here: every call says what time it is, and what the
service would send comes out of `poll` when it is due. Not for two threads at once. It does what
the live service was seen to do; where its documentation says otherwise, live wins.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pybase64

from grok_rt._wire import codec
from grok_rt._wire.framing import BINARY, TEXT, Frame
from grok_rt.errors import RemoteProtocolError
from grok_rt.events import Event
from grok_rt.simulator import shapes
from grok_rt.simulator.agenda import Agenda
from grok_rt.simulator.behaviour import DOCUMENTED, LIVE, Behaviour
from grok_rt.simulator.brain import Attentive, Brain, Context, Prompt, mind_of
from grok_rt.simulator.channel import Channel
from grok_rt.simulator.conversation import Conversation, kept
from grok_rt.simulator.documented import Schema
from grok_rt.simulator.hearing import ENERGY, Hearing
from grok_rt.simulator.reading import Refused, checked, needed, optional
from grok_rt.simulator.session import Session
from grok_rt.simulator.speaking import Speak, Temper
from grok_rt.simulator.voice import speak

if TYPE_CHECKING:
    from grok_rt.simulator.listening import Turn
    from grok_rt.simulator.shapes import Wire

__all__ = ["Peer"]

_logger = logging.getLogger("grok_rt.simulator")

_REMEMBERED = 10_000
_KEYS = "0123456789*#"


class Log(Protocol):
    """Who writes down what passes."""

    def __call__(self, peer: Peer, now: float, frame: Frame, *, said: bool) -> None:
        """A message passes: from the service, if it was `said`, else from its client."""


class Peer:
    """One session of a simulated realtime service.

    It hears and speaks PCM and G.711. Opus is passed on and never decoded or encoded: no speech is
    noticed in it, so in manual mode `input_audio_buffer.commit` answers whatever was sent, and
    with server VAD nothing does; as output it is the packets of the script, or silence.

    Args:
        script: what it hears and says, a `Script` or a function of the `Context`; the truth
            about what it was sent without one.
        behaviour: the ways of the service, where there are several; the live one's by default.
        documented_shapes: do all as xAI's documentation has it, where live differs: short for
            ``behaviour=DOCUMENTED``.
        voice: makes sound of words; `grok_rt.simulator.voice.speak` by default.
        latency: seconds from the end of a turn to the first message of the answer.
        pace: seconds of audio sent per second: 1 is real time, ``math.inf`` is all at once.
        chunk_ms: milliseconds of audio in each delta; None for the sizes seen live.
        seed: makes the ids reproducible.
        unix_time: the wall clock at `open`, in seconds, for timestamps.
        archive: where conversations are kept for resumption, shared with other peers.
        max_duration: seconds after which the session is ended.
        inactivity: seconds without a client event after which it is ended.
        remembered: bytes of the client's events that `received` keeps, the newest.
        hearing: what it hears with; the energy of the sound alone by default.
        log: is told of each message either way, as `grok_rt.simulator.journal.Journal.note`.
    """

    def __init__(
        self,
        script: Brain | None = None,
        *,
        behaviour: Behaviour = LIVE,
        documented_shapes: bool = False,
        voice: Speak = speak,
        latency: float = 0.05,
        pace: float = 8.0,
        chunk_ms: float | None = None,
        seed: int | None = None,
        unix_time: float = 1_790_000_000.0,
        archive: MutableMapping[str, Conversation] | None = None,
        max_duration: float = 7200.0,
        inactivity: float = 900.0,
        remembered: int = 64 << 20,
        hearing: Hearing = ENERGY,
        log: Log | None = None,
    ) -> None:
        self.closed: tuple[int, str] | None = None
        """Close code and reason, once the session has ended."""
        self._behaviour = DOCUMENTED if documented_shapes else behaviour
        self._schema = Schema() if self._behaviour.documented_shapes else None
        self._performance = Attentive(mind_of(script), hearing)
        self._voice = voice
        self._temper = Temper(latency, pace, chunk_ms)
        self._random = random.Random(seed)  # noqa: S311 - ids, no secrets
        self._unix_time = unix_time
        self._archive = {} if archive is None else archive
        self._max_duration = max_duration
        self._inactivity = inactivity
        self._log = log
        self._agenda = Agenda()
        self._opened = 0.0
        self._session: Session | None = None
        self._out: list[Frame] = []
        self._received: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._remembered = remembered
        self._received_size = 0

    # --- the life of a session ---------------------------------------------------------

    def open(self, now: float, query: Mapping[str, str] | None = None) -> None:
        """The handshake is done; `query` has the parameters of the URL."""
        query = query or {}
        self._opened = now
        self._agenda.advance(now)
        model = self._behaviour.model(query.get("model", "grok-voice-latest"))
        session_id = self._new_id().replace("-", "")
        self._session = session = Session(
            channel=Channel(
                self._agenda, self._send, self._send_sound, self._new_id, self._unix_ms
            ),
            performance=self._performance,
            temper=self._temper,
            behaviour=self._behaviour,
            model=model,
            session_id=session_id,
            conversation=self._resumed(query.get("conversation_id", "")),
            speak=self._voice,
        )
        self._performance.context = self._context
        created = shapes.session_created(session_id, model, self._behaviour.voice)
        openings: dict[str, Callable[[], None]] = {
            "session.created": lambda: self._send(created),
            "conversation.created": lambda: self._send(
                shapes.conversation_created(session.conversation.id)
            ),
            "ping": self._ping,
        }
        for name in self._behaviour.opening:
            openings[name]()
        if self._behaviour.ping_seconds:
            self._agenda.set(self._ping, now + self._behaviour.ping_seconds)
        self._agenda.set(self._expire, now + self._max_duration)
        self._agenda.set(self._tire, now + self._inactivity)
        if "reasoning.effort" in query:
            with self._as_errors():
                session.settings.update({"reasoning": {"effort": query["reasoning.effort"]}})

    def _resumed(self, conversation_id: str) -> Conversation:
        """The conversation that is to go on, if it is still kept; else a new one."""
        since = self._unix_ms(self._opened) / 1000 - self._behaviour.resumption_seconds
        return kept(self._archive, conversation_id, since) or Conversation(self._new_id())

    def _context(self, prompt: Prompt) -> Context:
        """What the model knows when it is asked."""
        session = self._open_session
        items, settings = session.conversation.items, session.settings
        return Context(prompt, tuple(items), settings.instructions, settings.functions)

    def receive(self, message: Event | bytes | str, now: float) -> None:
        """A client event, or the text frame that holds one.

        Whatever is wrong with it is answered with an `error` and the session goes on: an
        `invalid_request_error` that names the field, or an `internal_error` for our own faults.
        """
        data = codec.encode(message) if isinstance(message, Event) else message
        data = data.encode() if isinstance(data, str) else data
        if not self._attend(now):
            return
        self._remember(data)
        self._note(Frame(TEXT, data), now, said=False)
        session = self._open_session
        with self._as_errors():
            wire = _parse(data)
            with self._as_errors(wire.get("event_id")):
                session.answer(wire)
        self._keep()

    def _remember(self, data: bytes) -> None:
        received = self._received
        self._received_size += len(data)
        if len(received) == _REMEMBERED:
            self._received_size -= len(received.popleft())
        received.append(data)
        while self._received_size > self._remembered:
            self._received_size -= len(received.popleft())

    def receive_audio(self, data: bytes, now: float) -> None:
        """A binary frame: audio like `input_audio_buffer.append`."""
        if self._attend(now):
            self._note(Frame(BINARY, data), now, said=False)
            session = self._open_session
            with self._as_errors():
                session.hear(data)

    def poll(self, now: float) -> list[Event]:
        """All events due by `now` that have not been taken yet, in order."""
        return [codec.decode(frame.data) for frame in self.frames(now) if frame.opcode == TEXT]

    def frames(self, now: float) -> list[Frame]:
        """The same as `poll`, as frames for the wire; with binary transport also audio."""
        if self.closed is None:
            self._advance(now)
        ready, self._out = self._out, []
        for frame in ready:
            self._note(frame, now, said=True)
        return ready

    @property
    def next_at(self) -> float | None:
        """When `poll` will have something; in the past if it has now, None if never again."""
        return self._opened if self._out else self._agenda.next_at

    def press(self, key: str, now: float) -> None:
        """A key of the caller's telephone: the event of calls that came by SIP.

        Raises:
            ValueError: there is no such key.
        """
        if len(key) != 1 or key not in _KEYS:
            raise ValueError(f"a telephone has the keys {_KEYS}, not {key!r}")
        if self._attend(now):
            self._send(shapes.dtmf(key, self._unix_ms(now) // 1000))

    def inject(self, message: Mapping[str, Any], now: float) -> None:
        """Send any server event now, one the service never sends too."""
        if self._attend(now):
            self._send(dict(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """The session is over: nothing more becomes due. Only the first call counts."""
        if self.closed is None:
            self.closed = (code, reason)
            self._keep()
            self._agenda.clear()

    # --- for assertions ----------------------------------------------------------------

    @property
    def received(self) -> list[Event]:
        """The client events, in order; the last 10,000. What was no event at all is left out."""
        events = []
        for data in list(self._received):  # the session's thread may be adding
            try:
                events.append(codec.decode(data))
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

    def _note(self, frame: Frame, now: float, *, said: bool) -> None:
        if self._log:
            self._log(self, now, frame, said=said)

    def _attend(self, now: float) -> bool:
        """Bring the session to `now` for something from the client; False if it is over."""
        if self.closed is None:
            self._advance(now)
            self._agenda.set(self._tire, now + self._inactivity)
        return self.closed is None

    def _advance(self, now: float) -> None:
        try:  # not `_as_errors`: this is done for every message
            self._agenda.advance(now)
        except Exception as error:  # noqa: BLE001 - it is answered, and logged
            self._answer_error(error)

    def _keep(self) -> None:
        """A conversation that may be resumed is kept, for so long from now on."""
        session = self._session
        if session and session.settings.resumable:
            session.conversation.active_at = self._unix_ms(self._agenda.now) / 1000
            self._archive[session.conversation.id] = session.conversation

    @contextlib.contextmanager
    def _as_errors(self, event_id: str | None = None) -> Iterator[None]:
        """Answer what is raised inside with an `error` about the client's event `event_id`."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it is answered, and logged
            self._answer_error(error, event_id)

    def _answer_error(self, error: Exception, event_id: str | None = None) -> None:
        problem = error
        if not isinstance(problem, Refused):
            _logger.error("the simulator failed", exc_info=error)
            problem = Refused(f"The simulator failed: {error!r}", type="internal_error")
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
        if not self._behaviour.replayed_field:
            message = shapes.without_replayed(message)
        shaped = self._schema.shape(message) if self._schema else message
        if shaped is not None:
            self._out.append(Frame(TEXT, _written(shaped)))

    def _send_sound(self, data: bytes) -> None:
        self._out.append(Frame(BINARY, data))

    def _ping(self) -> None:
        self._send(shapes.ping(self._unix_ms(self._agenda.now)))
        if self._behaviour.ping_seconds:
            self._agenda.set(self._ping, self._agenda.now + self._behaviour.ping_seconds)

    def _expire(self) -> None:
        self._end("max_duration", "The session reached its longest duration.")

    def _tire(self) -> None:
        self._end("timeout", "Closed for inactivity.")

    def _end(self, type: str, message: str) -> None:
        self._send(shapes.error(type, message))
        self.close(self._behaviour.fatal_close_code, type)

    def _unix_ms(self, at: float) -> int:
        return round((self._unix_time + at - self._opened) * 1000)

    def _new_id(self) -> str:
        """A UUID of version 4, without the class: every message has one."""
        digits = f"{self._random.getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) & 3]
        return (
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
        )


def _written(message: Wire) -> bytes:
    sound = message.get("delta")
    if isinstance(sound, bytes):  # nearly all there is to write, and this is the quick way
        message = {**message, "delta": msgspec.Raw(b'"%b"' % pybase64.b64encode(sound))}
    return msgspec.json.encode(message)


def _parse(data: bytes) -> Wire:
    try:
        wire = msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refused(f"Could not parse the event: {error}") from None
    event = checked(wire, dict, "event")
    needed(event, "type", str)
    optional(event, "event_id", str)
    return event
