"""`talk`: a client, a microphone and a speaker made into a conversation.

Its own thread takes the microphone's sound to the client. What the client hears is played by
whoever pumps the client: `start` does, in a thread of its own. Every method of a talk may be
called from any thread.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from grok_rt import events
from grok_rt.audio import Converter
from grok_rt.devices._claims import claim, release
from grok_rt.devices._echo import EchoGuard, default_echo
from grok_rt.devices._microphone import Microphone, frames
from grok_rt.devices._mouth import Mouth
from grok_rt.devices._speaker import Speaker
from grok_rt.devices._turns import FinishedTurns
from grok_rt.errors import AudioError, ConcurrencyError, ConnectionClosed, GrokError
from grok_rt.streams import Sink, Source

if TYPE_CHECKING:
    from typing_extensions import Self

    from grok_rt.client import GrokClient
    from grok_rt.conversation import Conversation, Turn
    from grok_rt.devices._echo import Echo
    from grok_rt.devices._playback import Heard

__all__ = ["Talk", "talk"]

log = logging.getLogger("grok_rt")

_FRAME_MS: Final = 20
_HURRY: Final = 0.1  # seconds for a close on the way out of an interrupted program
_GRACE: Final = 0.3  # seconds for our thread to end; a source that blocks holds it longer
_LAST: Final = 10.0  # seconds for another thread that is stopping the talk already
_HEARD: Final = 0.01  # seconds: look again so long after a turn should have been heard

# What comes often, and after which no turn is over.
_ENDS_NOTHING: Final = (
    events.AudioDelta,
    events.TranscriptDelta,
    events.InputAudioTranscriptionUpdated,
    events.Ping,
)


def talk(
    client: GrokClient,
    mic: Source | None = None,
    speaker: Sink | None = None,
    *,
    echo: Echo | None = None,
    headphones: bool = False,
) -> Talk:
    """Hold a spoken conversation, until it is stopped; returns as soon as it has begun.

    ``for turn in talk(client)`` is a conversation in the foreground: it gives each turn when it
    is over, that is, when the listener has heard it or cut it short. Without the loop it goes on
    in the background.

    The client is connected if need be, and pumped by `start` unless somebody pumps it already.
    When the listener speaks, we stop at once, and the service is told how much was heard. A lost
    connection is found again unless the client has ``reconnect=False``.

    Args:
        client: the conversation; its handlers and tools work as ever.
        mic: where the user's sound comes from, by default the system's microphone. Files come as
            if they were spoken now.
        speaker: where Grok is heard, by default from the system's speaker.
        echo: what to do about the speaker being heard by the microphone. ``"half"``: the
            microphone is silent while we speak; ``"duck"``: unless it is clearly louder than the
            echo; ``"duplex"``: nothing. By default ``"half"``, but ``"duplex"`` with headphones.
        headphones: nothing of what is played reaches the microphone.

    Raises:
        MissingExtra: a device is needed, and the extra ``audio`` is not installed.
        AudioError: there is no such device, or the speaker takes another format than the session's.
        ConcurrencyError: the client, the microphone or the speaker is in another talk.
        ConfigError: no such `echo`.
        TypeError: `mic` is no source, or `speaker` no sink.
        GrokError: as `GrokClient.connect`.
    """
    how = default_echo(echo, headphones=headphones)
    mic = Microphone() if mic is None else mic
    speaker = Speaker() if speaker is None else speaker
    if not isinstance(mic, Source):
        raise TypeError(
            "mic is a Source, such as Microphone('headset'), ClipSource(clip) or FileSource(path), "
            f"not {type(mic).__name__}"
        )
    if not isinstance(speaker, Sink):
        raise TypeError(
            "speaker is a Sink, such as Speaker('headset'), WavSink(path, format) or SpeakerMark, "
            f"not {type(speaker).__name__}"
        )
    started = Talk(client, mic, speaker, how)
    started._begin()  # noqa: SLF001 - the other half of making one
    return started


class Talk:
    """A conversation that goes on: what `talk` returns.

    Iterating gives the turns as they are over and stops it when the loop is left; so does leaving
    its ``with`` block.

    Attributes:
        client: the client.
        error: what ended it, if it did not end on purpose.
        muted: whether the user is not heard.
        paused: whether it is on hold.
    """

    def __init__(self, client: GrokClient, mic: Source, speaker: Sink, echo: Echo) -> None:
        self.client = client
        self.error: BaseException | None = None
        self.muted = False
        self.paused = False
        self._mic = mic
        self._mouth = Mouth(speaker, lambda error: self._lost("speaker", speaker, error))
        self._echo: Echo = echo
        self._turns = FinishedTurns(self._mouth.is_unheard, self._mouth.heard)
        self._owns_mic = self._owns_client = False  # to close them
        self._changed = threading.Condition()
        self._news = 0
        self._is_stopping = False
        self._over = threading.Event()  # nothing more is sent
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: object, _traceback: object, /) -> None:
        self._end(hurried=isinstance(error, (KeyboardInterrupt, SystemExit)))

    def __repr__(self) -> str:
        state = "stopped" if self._is_stopping else "paused" if self.paused else "going on"
        return f"<Talk {state}, {self.client!r}>"

    def __iter__(self) -> Iterator[Turn]:
        """Yield each turn once it is over; blocks between them. Leaving the loop stops the talk.

        Raises:
            ConnectionClosedError: the connection was lost for good.
            AudioError: a device is gone.
        """
        hurried = False
        try:
            while not self._over.is_set():
                seen = self._news
                yield from self._turns.take()
                self._wait_for_news(seen)
            yield from self._turns.take(all=True)
        except (KeyboardInterrupt, SystemExit):
            hurried = True
            raise
        finally:
            self._end(hurried=hurried)
        if self.error is not None:
            raise self.error

    def _wait_for_news(self, seen: int) -> None:
        """Block until something was said since, or what is being said should have been heard."""
        remaining = self._mouth.remaining
        with self._changed:
            self._changed.wait_for(
                lambda: self._news != seen or self._over.is_set(),
                remaining + _HEARD if remaining else None,
            )

    @property
    def conversation(self) -> Conversation:
        """All that was said so far, by both, as it came."""
        return self._turns.conversation

    @property
    def is_speaking(self) -> bool:
        """Whether Grok is being heard."""
        return self._mouth.remaining > 0

    def heard(self, item_id: str) -> Heard | None:
        """How much of an item was heard so far; None if nothing is known of it."""
        return self._mouth.heard(item_id)

    def mute(self, on: bool = True) -> None:
        """Send silence in place of the microphone's sound; ``mute(False)`` ends it."""
        self.muted = on

    def pause(self) -> None:
        """Put it on hold: nothing of the user is sent, what Grok says waits for `resume`."""
        self.paused = True
        self._mouth.hold()

    def resume(self) -> None:
        """Go on after `pause`."""
        self.paused = False
        self._mouth.release()

    def stop(self) -> None:
        """End it: silent at once; devices and client are closed if `talk` has opened them.

        From any thread, in a handler too, any number of times. Blocks for the client's `close`.
        """
        self._stop(hurried=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it has ended, or for `timeout` seconds; whether it has.

        Raises:
            ConnectionClosedError, AudioError: as iteration.
        """
        ended = self._stopped.wait(timeout)
        if ended and self.error is not None:
            raise self.error
        return ended

    # beginning

    def _begin(self) -> None:
        claim(self, {"client": self.client, "microphone": self._mic, "speaker": self._mouth.sink})
        try:
            self._mouth.open(self.client.config.output_audio_format)
            self.client.on(events.Event)(self._hear)
            self._pump()
            if isinstance(self._mic, Microphone) and not self._mic.is_open:
                self._mic.open(self.client.config.input_audio_format)
                self._owns_mic = True
            convert = Converter(self._mic.format, self.client.config.input_audio_format)
            self._thread = threading.Thread(
                target=self._listen, args=(convert,), name="grok-rt-talk", daemon=True
            )
            self._thread.start()
        except BaseException as error:
            self._stop(hurried=isinstance(error, (KeyboardInterrupt, SystemExit)))
            raise

    def _pump(self) -> None:
        self._owns_client = self.client.state == "new"
        try:
            self.client.start()
        except ConcurrencyError:
            if self._owns_client:
                raise
            # somebody pumps it already

    # the microphone's way: on our thread

    def _listen(self, convert: Converter) -> None:
        try:
            self._send(convert)
            self._over.wait()
        except ConnectionClosed:
            pass  # the pump hears why
        except AudioError as error:
            self._lost("microphone", self._mic, error)
        except Exception as error:
            log.exception("a talk has ended: its microphone failed")  # nobody may iterate over it
            self._fail(error)
        if not self._is_stopping:
            self._stopped.wait(self._mouth.remaining)  # what was said before the end is still heard
            self._stop(hurried=False)

    def _send(self, convert: Converter) -> None:
        format = self._mic.format
        guard = EchoGuard(self._echo, format)
        dropped_ms = 0.0
        for frame in frames(self._mic, _FRAME_MS, self._over):
            if self._over.is_set():
                return
            now = time.monotonic()
            for each in guard.frames(frame, speaking=self.is_speaking, now=now):
                is_silent = self.muted or self.paused
                sound = format.silence(1000 * format.duration(each)) if is_silent else each
                if data := convert.process(sound):
                    self.client.send_audio(data, drop_oldest=True)
            if self._echo == "duck":
                self._mouth.soften(guard.interrupting)
            if isinstance(self._mic, Microphone) and self._mic.dropped_ms > dropped_ms:
                self.client.tell(events.AudioDropped(ms=self._mic.dropped_ms - dropped_ms))
                dropped_ms = self._mic.dropped_ms
                log.warning("the microphone was not read in time: %.0f ms are lost", dropped_ms)

    # the speaker's way: on the pump

    def _hear(self, event: events.Event) -> None:
        self._turns.feed(event, time.monotonic())
        for cut in self._mouth.feed(event):
            self._tell_server(cut)
        if isinstance(event, _ENDS_NOTHING):
            return
        with self._changed:
            if isinstance(event, events.Closed):
                self.error = self.error or event.error
                self._over.set()
            self._news += 1
            self._changed.notify_all()

    def _tell_server(self, cut: Heard) -> None:
        with contextlib.suppress(ConnectionClosed):  # then it has forgotten all of it
            self.client.interrupt(round(min(cut.heard_ms, cut.received_ms)), item_id=cut.item_id)

    # the end

    def _lost(self, kind: str, device: object, error: AudioError) -> None:
        name = getattr(device, "name", kind)
        try:
            self.client.tell(events.DeviceLost(device=name, kind=kind, error=error))
        except GrokError:
            log.warning("%s", error)
        self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self._stop(hurried=False)

    def _end(self, *, hurried: bool) -> None:
        self._stop(hurried=hurried)
        self._stopped.wait(_HURRY if hurried else _LAST)  # another thread may be at it

    def _stop(self, *, hurried: bool) -> None:
        with self._changed:
            if self._is_stopping:
                return
            self._is_stopping = True
            self._over.set()
            self._changed.notify_all()
        try:
            self._take_apart(hurried=hurried)
        finally:
            release(self)
            self._stopped.set()

    def _take_apart(self, *, hurried: bool) -> None:
        self.client.off(events.Event, self._hear)
        for cut in self._mouth.close():
            if not self._owns_client:
                self._tell_server(cut)
        if self._owns_mic and isinstance(self._mic, Microphone):
            self._mic.close()
        if self._owns_client:
            self.client.close(timeout=_HURRY if hurried else None)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_HURRY if hurried else _GRACE)
