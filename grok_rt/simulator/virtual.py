"""A session with the service in virtual time: nothing waits, and every run is the same.

For tests of what the service does and of what a program makes of its events, in the test's own
thread; for a whole client it is `loopback` that is wanted. No thread, no clock and no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from grok_rt._wire import codec
from grok_rt._wire.framing import TEXT
from grok_rt.events import Event, InputAudioBufferAppend
from grok_rt.simulator.peer import Peer
from grok_rt.simulator.voice import hum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from grok_rt.audio import AudioClip
    from grok_rt.simulator.brain import Brain

__all__ = ["VirtualSession"]

E = TypeVar("E", bound=Event)


class VirtualSession:
    """A client's end of a session whose time passes only when it is told to.

    ::

        session = VirtualSession(Script().says("Three degrees."))
        session.send(ConversationItemCreate(ConversationItem.user_text("How warm is it?")))
        session.send(ResponseCreate())
        assert session.until(ResponseDone).response.status == "completed"
        session.advance(7200)
        assert session.peer.closed == (1000, "max_duration")

    Args:
        peer_or_script: what is heard and said. Of a script the answers are hummed, which takes no
            time and has the length of speech; a `Peer` of your own, not opened yet, speaks.
        query: the parameters of the URL.
    """

    def __init__(
        self,
        peer_or_script: Peer | Brain | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> None:
        peer = peer_or_script
        self.peer = peer if isinstance(peer, Peer) else Peer(peer, seed=0, voice=hum)
        """The service's end."""
        self.now = 0.0
        """Seconds since the session was opened."""
        self.log: list[tuple[float, Event]] = []
        """Every event of the service with its time, from `session.created` on."""
        self.sound = bytearray()
        """What came in binary frames."""
        self._looked_at = 0  # how much of the log `until` has been through
        self.peer.open(self.now, query)
        self._take()

    @property
    def events(self) -> list[Event]:
        """Every event of the service, from `session.created` on."""
        return [event for _, event in self.log]

    def send(self, *events: Event) -> list[Event]:
        """Send events, all at this moment; returns what is answered in the same moment."""
        for event in events:
            self.peer.receive(event, self.now)
        return self._take()

    def say(self, clip: AudioClip, *, frame_ms: int = 100) -> list[Event]:
        """Speak in real time: returns what comes while `clip` plays.

        The clip has to be in the session's input format; silence is part of what is said, so a
        turn ends only if there is enough behind the words.
        """
        step = clip.format.frame_bytes(frame_ms)
        said: list[Event] = []
        for start in range(0, len(clip.data), step):
            frame = clip.data[start : start + step]
            said += self.send(InputAudioBufferAppend(frame))
            said += self.advance(clip.format.duration(frame))
        return said

    def advance(self, seconds: float) -> list[Event]:
        """Let time pass; returns what comes, each at its own time as `log` tells.

        Raises:
            ValueError: time does not go back.
        """
        if seconds < 0:
            raise ValueError(f"time advances by 0 seconds or more, not {seconds!r}")
        end = self.now + seconds
        came = [event for due in self._moments(end) for event in due]
        self.now = end
        return came

    def until(self, event_class: type[E], *, within: float = 60.0) -> E:
        """The next event of this class behind what the last `until` returned.

        One that has come already, while you spoke or waited, is returned at once; else time
        passes until it comes.

        Raises:
            TimeoutError: none has come within so many virtual seconds; says what has.
        """
        first = self._looked_at
        end = self.now + within
        moments = self._moments(end)
        while True:
            for at in range(self._looked_at, len(self.log)):
                event = self.log[at][1]
                if isinstance(event, event_class):
                    self._looked_at = at + 1
                    return event
            self._looked_at = len(self.log)
            if next(moments, None) is None:
                break
        self.now = end
        self._looked_at = first
        seen = ", ".join(event.type for _, event in self.log[first:]) or "nothing"
        raise TimeoutError(
            f"no {event_class.__name__} within {within:g} virtual seconds; there came: {seen}"
        )

    def _moments(self, end: float) -> Iterator[list[Event]]:
        """What comes, moment by moment, up to `end`."""
        while (due := self.peer.next_at) is not None and due <= end:
            self.now = max(self.now, due)
            yield self._take()

    def _take(self) -> list[Event]:
        came = []
        for frame in self.peer.frames(self.now):
            if frame.opcode == TEXT:
                came.append(codec.decode(frame.data))
            else:
                self.sound += frame.data
        self.log += [(self.now, event) for event in came]
        return came
