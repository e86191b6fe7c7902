"""Tests of programs that talk with Grok: the service as a pytest fixture, and what it was told.

`grok_server` is a `GrokServer`, `grok_peer` a `GrokPeer`; the fixtures themselves live in the
plugin, a module outside this package, so that pytest does not import the package for those who
do not use it. Assertions are made in the test's thread, while the server's go on.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias, TypeVar

from grok_rt._wire import codec
from grok_rt._wire.framing import TEXT
from grok_rt.audio import AudioClip, AudioFormat, pcm16
from grok_rt.errors import RemoteProtocolError
from grok_rt.events import (
    ClientEvent,
    ConversationItemCreate,
    Event,
    ResponseCreate,
    SessionUpdate,
)
from grok_rt.models import ConversationItem, SessionConfig
from grok_rt.simulator import voice
from grok_rt.simulator.brain import Brain, Context, Mind, Reply, mind_of
from grok_rt.simulator.journal import (
    HEARD_AUDIO,
    SAID_AUDIO,
    Entry,
    Journal,
    format_of,
    words_of,
)
from grok_rt.simulator.peer import Peer
from grok_rt.simulator.script import Script
from grok_rt.simulator.server import Simulator
from grok_rt.simulator.virtual import VirtualSession

__all__ = ["Evidence", "GrokPeer", "GrokServer", "ToolResult", "speech"]

E = TypeVar("E", bound=Event)
T = TypeVar("T")
Words: TypeAlias = "str | re.Pattern[str]"

_COMPLETED = "conversation.item.input_audio_transcription.completed"
_SAID = "response.output_audio_transcript.done"


class ToolResult(NamedTuple):
    """What a client's function returned; equal to the pair ``(name, output)``."""

    name: str
    output: str


def speech(text: str, *, voice_name: str = "rex", pause: float = 0.0) -> AudioClip:
    """`text` spoken, as PCM16 at 24 kHz, to be said to a client or by it.

    Args:
        text: what is said.
        voice_name: by whom.
        pause: seconds of silence behind it.
    """
    form = pcm16(24000)
    return AudioClip(voice.speak(text, form, voice=voice_name) + form.silence(pause * 1000), form)


class Evidence:
    """What the service heard and said: every assertion returns what it found.

    What is not there yet is waited for, `patience` seconds at the most, then an `AssertionError`
    says what was there instead. `words` are contained in the text, in any case, or a compiled
    pattern that is found in it; without any, the first will do.
    """

    patience: float = 5.0
    """Seconds that an assertion waits, unless it is given a `timeout`."""
    journal: Journal

    def timeline(self) -> str:
        """The conversation so far, a line for each thing that passed."""
        return self.journal.text()

    def events(self, event_class: type[E]) -> list[E]:
        """All events of a class, in order: what the client sent, or what the service sent."""
        return [event for event in self._decoded(event_class) if isinstance(event, event_class)]

    def event(
        self,
        event_class: type[E],
        predicate: Callable[[E], object] = lambda _: True,
        *,
        timeout: float | None = None,
    ) -> E:
        """The first event of a class for which `predicate` says yes."""
        __tracebackhide__ = True
        return self._find(
            lambda: next((each for each in self.events(event_class) if predicate(each)), None),
            lambda: f"no such {event_class.__name__} in {len(self.events(event_class))} of them",
            timeout,
        )

    def heard(self, words: Words | None = None, *, timeout: float | None = None) -> str:
        """What the user wrote, or said as far as it was understood."""
        __tracebackhide__ = True
        return self._quoted("heard", self._heard, words, timeout)

    def said(self, words: Words | None = None, *, timeout: float | None = None) -> str:
        """What the model said, to its end."""
        __tracebackhide__ = True
        return self._quoted("said", self._said, words, timeout)

    @property
    def tool_results(self) -> list[ToolResult]:
        """What the client's functions have returned so far, in order."""
        names: dict[Any, str] = {}
        results = []
        for entry in self.journal.entries():
            if entry.type == "response.function_call_arguments.done":
                names[entry.wire.get("call_id")] = str(entry.wire.get("name"))
            item = entry.wire.get("item")
            if not entry.said and isinstance(item, dict) and "output" in item:
                name = names.get(item.get("call_id"), "(unknown)")
                results.append(ToolResult(name, str(item["output"])))
        return results

    def answered(self, tool: str, *, timeout: float | None = None) -> str:
        """What the client's function of this name returned, the last time it was called."""
        __tracebackhide__ = True
        return self._find(
            lambda: dict(self.tool_results).get(tool),
            lambda: f"no result of {tool}, but {self.tool_results or 'none at all'}",
            timeout,
        )

    def sent_audio(self, seconds: float = 0.0, *, timeout: float | None = None) -> AudioClip:
        """All sound that the service sent, in its last format: at least so many seconds of it."""
        __tracebackhide__ = True
        return self._sound(SAID_AUDIO, "output", "sent", seconds, timeout)

    def received_audio(self, seconds: float = 0.0, *, timeout: float | None = None) -> AudioClip:
        """All sound that the client sent, in its last format: at least so many seconds of it."""
        __tracebackhide__ = True
        return self._sound(HEARD_AUDIO, "input", "received", seconds, timeout)

    # --- looking, and waiting ----------------------------------------------------------

    def _decoded(self, event_class: type[Event]) -> Iterator[Event]:
        said = None if event_class is Event else not issubclass(event_class, ClientEvent)
        for entry in self.journal.entries():
            if entry.frame.opcode == TEXT and said in (None, entry.said):
                try:
                    yield codec.decode(entry.frame.data)
                except RemoteProtocolError:
                    continue

    def _heard(self, entry: Entry) -> str | None:
        item = entry.wire.get("item")
        if not entry.said and isinstance(item, dict) and item.get("role") == "user":
            return words_of(item)
        final = entry.said and entry.type == _COMPLETED
        return str(entry.wire["transcript"]) if final and _is_final(entry) else None

    def _said(self, entry: Entry) -> str | None:
        return str(entry.wire.get("transcript")) if entry.type == _SAID else None

    def _quoted(
        self,
        verb: str,
        words_in: Callable[[Entry], str | None],
        words: Words | None,
        timeout: float | None,
    ) -> str:
        __tracebackhide__ = True

        def quotes() -> list[str]:
            return [text for each in self.journal.entries() if (text := words_in(each)) is not None]

        wanted = getattr(words, "pattern", words)
        return self._find(
            lambda: next((text for text in quotes() if _matches(words, text)), None),
            lambda: f"{verb} nothing with {wanted!r}, but {quotes() or 'nothing at all'}",
            timeout,
        )

    def _sound(
        self, type: str, side: str, verb: str, seconds: float, timeout: float | None
    ) -> AudioClip:
        __tracebackhide__ = True

        def clip() -> AudioClip:
            sound = (entry.audio for entry in self.journal.entries() if entry.type == type)
            return AudioClip(b"".join(sound), self._format(side))

        def enough() -> AudioClip | None:
            sound = clip()
            return sound if sound.data and sound.duration >= seconds else None

        return self._find(
            enough, lambda: f"{verb} {clip().duration:.2f} s of sound, not {seconds:g} s", timeout
        )

    def _format(self, side: str) -> AudioFormat:
        form = pcm16()
        for entry in self.journal.entries():
            if entry.type == "session.update":
                form = format_of(entry.wire, side, form)
        return form

    def _find(
        self, look: Callable[[], T | None], complaint: Callable[[], str], timeout: float | None
    ) -> T:
        """What `look` finds, now or as soon as it is there."""
        __tracebackhide__ = True
        deadline = time.monotonic() + (self.patience if timeout is None else timeout)
        with self.journal.changed:
            while (found := look()) is None:
                left = deadline - time.monotonic()
                if left <= 0 or not self.journal.changed.wait(left):
                    break
        if found is None:
            found = look()
        if found is None:
            raise AssertionError(f"the service has {complaint()}")
        return found


def _is_final(entry: Entry) -> bool:
    return bool(entry.wire.get("status", "completed") == "completed")


def _matches(words: Words | None, text: str) -> bool:
    if words is None:
        return True
    if isinstance(words, str):
        return words.casefold() in text.casefold()
    return bool(words.search(text))


class _Plays:
    """A brain that is chosen when it is first asked."""

    def __init__(self, chosen: Callable[[], Brain]) -> None:
        self._chosen = chosen

    def play(self) -> Mind:
        """A mind for one session."""
        return _Waiting(self._chosen)


class _Waiting:
    def __init__(self, chosen: Callable[[], Brain]) -> None:
        self._chosen = chosen
        self._mind: Mind | None = None

    def transcript(self) -> str | None:
        return self._awake().transcript()

    def reply(self, context: Context) -> Reply:
        return self._awake().reply(context)

    def _awake(self) -> Mind:
        if self._mind is None:
            self._mind = mind_of(self._chosen())
        return self._mind


class GrokServer(Evidence, Simulator):
    """The service on a socket, for the time of one test.

    It answers at once; give it ``realtime=True`` to be interrupted. All of `Simulator` is there,
    and everything a client says and hears is kept.

    Attributes:
        script: what is heard and said; the test fills it in before anything is said.
        brain: a function in its place, or another script.
    """

    def __init__(self, **options: Any) -> None:
        self.journal = Journal()
        self.script = Script()
        self.brain: Brain | None = None
        if not options.get("realtime"):
            options = {"latency": 0.0, "pace": math.inf} | options
        super().__init__(_Plays(lambda: self.brain or self.script), **options)
        self._options["log"] = self.journal.note


class GrokPeer(Evidence):
    """A session with the service in memory, in virtual time: nothing waits.

    No thread, no clock and no socket: every run is the same, and five minutes take none. What the
    model says is hummed, unless ``voice=`` is given.

    Attributes:
        script: what is heard and said; the test fills it in before anything is said.
        brain: a function in its place, or another script.
    """

    patience = 0.0

    def __init__(self, **options: Any) -> None:
        self.journal = Journal()
        self.script = Script()
        self.brain: Brain | None = None
        options = {"seed": 0, "voice": voice.hum, **options, "log": self.journal.note}
        self.peer = Peer(_Plays(lambda: self.brain or self.script), **options)
        """The service's end."""
        self._session = VirtualSession(self.peer)

    @property
    def now(self) -> float:
        """Seconds since the session was opened."""
        return self._session.now

    def send(self, *events: Event) -> list[Event]:
        """Send client events, all at this moment; returns what is answered in it."""
        return self._session.send(*events)

    def configure(self, config: SessionConfig) -> list[Event]:
        """Set the session up, as a client does that connects."""
        return self.send(SessionUpdate(session=config.to_update_payload()))

    def write(self, text: str) -> list[Event]:
        """Write `text` to the model and ask for its answer; `until` waits for that."""
        item = ConversationItem.user_text(text)
        return self.send(ConversationItemCreate(item), ResponseCreate())

    def say(self, clip: AudioClip, *, frame_ms: int = 20) -> list[Event]:
        """Speak in the session's time: returns what comes while `clip` plays.

        With server VAD a turn ends only if there is silence enough behind the words.

        Args:
            clip: is converted to the session's input format.
            frame_ms: milliseconds of sound in each event.
        """
        return self._session.say(clip.to(self._format("input")), frame_ms=frame_ms)

    def advance(self, seconds: float) -> list[Event]:
        """Let time pass; returns what comes.

        Raises:
            ValueError: time does not go back.
        """
        return self._session.advance(seconds)

    def until(self, event_class: type[E], *, within: float = 60.0) -> E:
        """The next event of this class behind what the last `until` returned.

        One that has come already, while you spoke or waited, is returned at once; else time
        passes until it comes.

        Raises:
            TimeoutError: none comes within so many seconds of the session; says what came.
        """
        return self._session.until(event_class, within=within)
