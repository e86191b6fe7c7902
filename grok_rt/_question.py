"""A question on its way, as text or as sound, and how far its answer is.

It knows whom to send to, and no pump: whoever asks shows it the events. It is posed on the
thread that asks; sound that has to keep the pace of speech is fed by a daemon thread of its own
meanwhile, because the asking thread pumps. `offer` runs on whichever thread pumps.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Protocol

from grok_rt import events
from grok_rt._unconfirmed import ASK_KEY
from grok_rt.answer import Answer, AnswerBuilder
from grok_rt.audio import AudioClip
from grok_rt.errors import AudioError, ConnectionClosed, ServerError
from grok_rt.models import ConversationItem, ResponseCreatePayload
from grok_rt.streams import ClipSource, paced

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from grok_rt._sender import GrokSender
    from grok_rt.audio import AudioFormat
    from grok_rt.models import SessionConfig

__all__ = ["Finish", "Question"]

log = logging.getLogger("grok_rt")

_GRACE = 0.2  # seconds for a feeder to end; one that is stuck in the line ends by itself
#: Silence after a spoken question, beyond what was configured; without it no turn ever ends.
_TAIL_MS = 10_000
#: So long after the last of the speech, no reply is one to a pause in it any more: the server
#: would have noticed that the question went on, and told.
_SETTLE_MS = 500
#: The loudest sample of silence, of 32768 (-60 dBFS); in a clip's tail, its part of the loudest.
_SILENCE = 33
_TAIL_PART = 100
#: How the server refuses a `response.create` that found another response under way.
_COLLISION = "active response"


class Finish(Protocol):
    """Ends the wait for the answer at once: it is there, or will not come."""

    def __call__(self, error: BaseException | None = None) -> None: ...


class Question:
    """One question, made ready: nothing is sent before `posed`.

    Attributes:
        ask_id: its id.
        collided: the server refused to answer while something else was being answered; the
            question can be posed again.
        lost: its connection was lost before anything of the answer came; likewise.

    Args:
        sender: what sends sound.
        put: what sends text, and puts it again itself if the connection is lost.
        config: the session's configuration: its formats and its turn detection.
        prompt: text, a clip, or the path of a sound file.
        ask_id: an id that no other question has.

    Raises:
        AudioError: the sound cannot be read or converted, or is silence.
        TypeError: no such prompt.
    """

    def __init__(
        self,
        sender: GrokSender,
        put: Callable[..., None],
        config: SessionConfig,
        prompt: str | AudioClip | os.PathLike[str],
        ask_id: str,
    ) -> None:
        self.ask_id = ask_id
        self.collided = False
        self.lost = False
        self._sender = sender
        self._put = put
        self._output = config.output_audio_format
        detection = config.turn_detection
        self._manual = detection is None or detection.type is None
        pause = detection.silence_duration_ms if detection is not None else None
        self._tail_ms = (pause or 0) + _TAIL_MS
        self._searches = any(tool.type != "function" for tool in config.tools)
        self._text = prompt if isinstance(prompt, str) else ""
        self._clip = None if isinstance(prompt, str) else _sound(prompt, config.input_audio_format)
        self._speech_bytes = 0 if self._clip is None else _end_of_speech(self._clip)
        self._lock = threading.Lock()  # around the builder: the pump and the feeder use it
        self._builder: AnswerBuilder | None = None
        self._refused = False
        self._warned = False

    @property
    def is_spoken(self) -> bool:
        """Whether it is sound."""
        return self._clip is not None

    @property
    def is_open(self) -> bool:
        """Whether the server may be about to answer it."""
        return self._builder is not None and not (self._builder.done or self._refused)

    @property
    def is_answered(self) -> bool:
        """Whether it need not be posed again."""
        return not (self.collided or self.lost)

    @property
    def missing(self) -> str:
        """What the answer still waits for; empty before the question was posed."""
        return "" if self._builder is None else self._builder.awaited

    @property
    def response_ids(self) -> Collection[str]:
        """The responses to it so far."""
        return () if self._builder is None else self._builder.response_ids

    def answer(self) -> Answer:
        """The answer, once it is there."""
        assert self._builder is not None, "a question that was posed"  # noqa: S101
        return self._builder.answer(time.monotonic())

    def offer(self, event: events.Event) -> bool:
        """Show it an event; true once the answer is whole, or the question has to be put again.

        Raises:
            ServerError: the server refused the question.
        """
        with self._lock:
            if self._builder is None:
                return False
            if isinstance(event, events.Error):
                self._hear_refusal(event)
            if isinstance(event, events.Reconnecting) and self.is_spoken:
                self.lost = not self._builder.begun
            whole = self._builder.feed(event, time.monotonic())
            self._warn_of_stranger(self._builder.leaked)
            return whole or not self.is_answered

    def _hear_refusal(self, event: events.Error) -> None:
        error = event.error
        if error.event_id not in (f"{self.ask_id}-item", f"{self.ask_id}-create"):
            return
        self._refused = error.event_id == f"{self.ask_id}-create"
        self.collided = self._refused and _COLLISION in error.message.lower()
        if not self.collided:
            raise ServerError(error.type, error.code or None, error.message, error.event_id or None)

    def _warn_of_stranger(self, name: str | None) -> None:
        if name is not None and not self._warned and not self._searches:
            self._warned = True
            log.warning(
                "Grok called %r, which this client did not declare: the server has to answer", name
            )

    @contextlib.contextmanager
    def posed(self, finish: Finish) -> Iterator[None]:
        """Send the question; what still has to be fed ends with the block.

        Args:
            finish: ends the wait for the answer.
        """
        again, self.collided, self._refused = self.collided, False, False
        if self.lost:
            self.lost = False
            self._sender.clear_audio()  # what was kept of it meanwhile
        if self._clip is None:
            self._send_text(again=again)
            yield
        elif self._manual:
            self._begin()
            for frame in paced(ClipSource(self._clip), realtime=False, trailing_silence_ms=0):
                self._sender.send_audio(frame)
            self._sender.commit_audio()
            self._said()
            self._settled()
            yield
        else:
            self._begin()
            with self._fed(self._clip, finish):
                yield

    def _begin(self) -> None:
        """The question is put now."""
        ask_id = None if self.is_spoken else self.ask_id
        self._builder = AnswerBuilder(
            time.monotonic(),
            self._output,
            ask_id=ask_id,
            item_id=ask_id,
            settled=not self.is_spoken,
        )

    def _send_text(self, *, again: bool) -> None:
        payload = ResponseCreatePayload(metadata={ASK_KEY: self.ask_id})
        create = events.ResponseCreate(event_id=f"{self.ask_id}-create", response=payload)
        if again:
            self._put(self.ask_id, create)
            return
        self._begin()
        item = ConversationItem.user_text(self._text, id=self.ask_id)
        said = events.ConversationItemCreate(event_id=f"{self.ask_id}-item", item=item)
        self._put(self.ask_id, said, create)

    def _said(self) -> None:
        with self._lock:
            if self._builder is not None:
                self._builder.said(time.monotonic())

    def _settled(self) -> bool:
        with self._lock:
            return self._builder is not None and self._builder.settle()

    # the feeder thread

    @contextlib.contextmanager
    def _fed(self, clip: AudioClip, finish: Finish) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(
            target=self._feed, args=(clip, stop, finish), name="grok-rt-question", daemon=True
        )
        try:
            thread.start()
            yield
        finally:
            stop.set()
            if thread.ident is not None:
                thread.join(_GRACE)

    def _feed(self, clip: AudioClip, stop: threading.Event, finish: Finish) -> None:
        heard = self._speech_bytes + clip.format.frame_bytes(_SETTLE_MS)
        sent = 0
        try:
            for frame in paced(ClipSource(clip), trailing_silence_ms=self._tail_ms, stop=stop):
                self._sender.send_audio(frame)
                before, sent = sent, sent + len(frame)
                if before < self._speech_bytes <= sent:
                    self._said()
                if before < heard <= sent and self._settled():
                    finish()
        except ConnectionClosed:
            pass  # the pump tells, after all that came before
        except BaseException as error:  # noqa: BLE001 - it is the question's
            finish(error)


def _sound(prompt: object, audio_format: AudioFormat) -> AudioClip:
    if not isinstance(prompt, (AudioClip, os.PathLike)):
        raise TypeError(f"a question is text, an AudioClip or a Path, not {prompt!r:.60}")
    clip = prompt if isinstance(prompt, AudioClip) else AudioClip.open(prompt)
    return clip.to(audio_format)


def _end_of_speech(clip: AudioClip) -> int:
    """How many bytes there are before the silence at the end.

    Raises:
        AudioError: there is nothing but silence.
    """
    samples = clip.samples()
    loudest = max(max(samples, default=0), -min(samples, default=0))
    if loudest <= _SILENCE:
        raise AudioError(f"{clip!r} holds nothing but silence: there is nothing to answer")
    quiet = max(_SILENCE, loudest // _TAIL_PART)
    end = next(at for at in range(len(samples), 0, -1) if abs(samples[at - 1]) > quiet)
    return end * clip.format.sample_bytes
