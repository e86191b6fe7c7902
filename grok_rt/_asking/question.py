"""A question on its way, as text or as sound, and how far its answer is.

It knows whom to send to, and no pump: whoever asks shows it the events. It is put on the
thread that asks; sound is fed by a daemon thread of its own meanwhile, because the asking
thread pumps. `offer` runs on whichever thread pumps.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Protocol

from grok_rt import events
from grok_rt._asking.answer_builder import AnswerBuilder
from grok_rt._asking.speech import Speech
from grok_rt._session.unconfirmed import ASK_KEY
from grok_rt.audio._clip import is_sound_file
from grok_rt.errors import ConnectionClosed, LocalProtocolError, ServerError
from grok_rt.models import ConversationItem, ResponseCreatePayload

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeAlias

    from grok_rt._asking.parts import Parts
    from grok_rt._client.sender import GrokSender
    from grok_rt.answer import Answer
    from grok_rt.audio import AudioClip
    from grok_rt.models import SessionConfig
    from grok_rt.streams import Source

__all__ = ["Finish", "Prompt", "Question"]

log = logging.getLogger("grok_rt")

Prompt: TypeAlias = "str | AudioClip | os.PathLike[str] | Source"
"""What can be asked."""

_GRACE = 0.2  # seconds for a feeder to end; one that is stuck in the line ends by itself
#: Silence after a spoken question, beyond what was configured; without it no turn ever ends.
_TAIL_MS = 10_000
#: So long after the last of the speech, no reply is one to a pause in it any more: the server
#: would have noticed that the question went on, and told.
_SETTLE_MS = 500
#: How the server refuses a `response.create` that found another response under way.
_COLLISION = "active response"


class Finish(Protocol):
    """Ends the wait for the answer at once: it is there, or will not come."""

    def __call__(self, error: BaseException | None = None) -> None: ...


class Question:
    """One question, made ready: nothing is sent before `put`.

    Attributes:
        ask_id: its id.
        collided: the server refused to answer while something else was being answered; the
            question can be put again.
        lost: its connection was lost before anything of the answer came; likewise.

    Args:
        sender: what sends sound.
        put: what sends text, and puts it again itself if the connection is lost.
        config: the session's configuration: its formats and its turn detection.
        prompt: text, a clip, the path of a sound file, or a source of sound.
        ask_id: an id that no other question has.
        parts: takes the parts of the answer, where somebody wants them.

    Raises:
        AudioError: the sound cannot be read or converted, or is a clip of silence.
        LocalProtocolError: a text without a word.
        TypeError: no such prompt.
    """

    def __init__(
        self,
        sender: GrokSender,
        put: Callable[..., None],
        config: SessionConfig,
        prompt: Prompt,
        ask_id: str,
        parts: Parts | None = None,
    ) -> None:
        self.ask_id = ask_id
        self.collided = False
        self.lost = False
        self._sender = sender
        self._put = put
        self._parts = parts
        self._output = config.output_audio_format
        self._input = config.input_audio_format
        detection = config.turn_detection
        self._manual = detection is None or detection.type is None
        pause = detection.silence_duration_ms if detection is not None else None
        self._tail_ms = None if self._manual else (pause or 0) + _TAIL_MS
        self._searches = any(tool.type != "function" for tool in config.tools)
        if isinstance(prompt, str) and not prompt.strip():
            raise LocalProtocolError("the question is empty: there is nothing to answer")
        self._text = prompt if isinstance(prompt, str) else ""
        if is_sound_file(self._text):  # no error: whoever types the questions may mean the words
            log.warning("asking the text %r; Path(%r) would ask that sound file", prompt, prompt)
        self._speech = None if isinstance(prompt, str) else Speech(prompt, self._input)
        self._lock = threading.Lock()  # around the builder: the pump and the feeder use it
        self._builder: AnswerBuilder | None = None
        self._put_at = 0.0
        self._settled = False
        self._refused = False
        self._warned = False
        self._stop = threading.Event()
        self._feeder: threading.Thread | None = None

    @property
    def is_spoken(self) -> bool:
        """Whether it is sound."""
        return self._speech is not None

    @property
    def is_open(self) -> bool:
        """Whether the server may be about to answer it."""
        return self._builder is not None and not (self._builder.done or self._refused)

    @property
    def is_answered(self) -> bool:
        """Whether it need not be put again."""
        return not (self.collided or self.lost)

    @property
    def is_whole(self) -> bool:
        """Whether its answer is there to its end."""
        return self._builder is not None and self._builder.done

    @property
    def missing(self) -> str:
        """What the answer still waits for; empty before the question was put."""
        if self._builder is None:
            return ""
        is_fed = self._feeder is not None and self._feeder.is_alive() and not self._settled
        return f"{'its sound has not all left; ' * is_fed}{self._builder.awaited}"

    @property
    def response_ids(self) -> Collection[str]:
        """The responses to it so far."""
        return () if self._builder is None else self._builder.response_ids

    def answer(self) -> Answer:
        """The answer, once it is there."""
        assert self._builder is not None, "a question that was put"  # noqa: S101
        return self._builder.answer(time.monotonic())

    def offer(self, event: events.Event, came_at: float) -> bool:
        """Show it an event; true once the answer is whole, or the question has to be put again.

        Raises:
            ServerError: the server refused the question.
        """
        with self._lock:
            if self._builder is None or came_at < self._put_at:
                return False  # it is about what was before
            if isinstance(event, events.Error):
                self._hear_refusal(event)
            if isinstance(event, events.Reconnecting) and self._speech is not None:
                if self._speech.is_live:
                    self._builder.give_up(came_at)  # nobody can say it again
                self.lost = not (self._builder.begun or self._builder.done)
            whole = self._builder.feed(event, came_at)
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

    def put(self, finish: Finish) -> None:
        """Send the question, or begin to: what still has to be fed ends with `withdraw`.

        Args:
            finish: ends the wait for the answer.
        """
        again, self.collided, self._refused = self.collided, False, False
        if self.lost:
            self.lost = False
            self._sender.clear_audio()  # what was kept of it meanwhile
        if self._speech is None:
            self._put_text(again=again)
            return
        self._begin()
        self._stop = threading.Event()
        self._feeder = threading.Thread(
            target=self._feed,
            args=(self._speech, self._stop, finish),
            name="grok-rt-question",
            daemon=True,
        )
        self._feeder.start()

    def withdraw(self) -> None:
        """Feed nothing more."""
        self._stop.set()
        if self._feeder is not None and self._feeder.ident is not None:
            self._feeder.join(_GRACE)

    def _begin(self) -> None:
        """The question is put now."""
        ask_id = None if self.is_spoken else self.ask_id
        self._settled = not self.is_spoken
        self._put_at = time.monotonic()
        self._builder = AnswerBuilder(
            self._put_at,
            self._output,
            ask_id=ask_id,
            item_id=ask_id,
            settled=self._settled,
            live=self._speech is not None and self._speech.is_live and not self._manual,
            parts=self._parts,
        )

    def _put_text(self, *, again: bool) -> None:
        payload = ResponseCreatePayload(metadata={ASK_KEY: self.ask_id})
        create = events.ResponseCreate(event_id=f"{self.ask_id}-create", response=payload)
        if again:
            self._put(self.ask_id, create)
            return
        self._begin()
        item = ConversationItem.user_text(self._text, id=self.ask_id)
        said = events.ConversationItemCreate(event_id=f"{self.ask_id}-item", item=item)
        self._put(self.ask_id, said, create)

    # the feeder thread

    def _feed(self, speech: Speech, stop: threading.Event, finish: Finish) -> None:
        try:
            self._feed_all(speech, stop, finish)
        except ConnectionClosed:
            pass  # the pump tells, after all that came before
        except BaseException as error:  # noqa: BLE001 - it is the question's
            finish(error)

    def _feed_all(self, speech: Speech, stop: threading.Event, finish: Finish) -> None:
        settle_bytes = self._input.frame_bytes(_SETTLE_MS)
        sent, said = 0, False
        for frame in speech.frames(self._tail_ms, stop):
            self._sender.send_audio(frame)
            sent += len(frame)
            ends_at = speech.ends_at(frame, sent)
            if ends_at is None or self._manual:
                continue
            if not said and sent >= ends_at:
                said = True
                self._note_said()
            if not self._settled and sent >= ends_at + settle_bytes:
                self._settle(finish)
        if self._manual and not stop.is_set():
            speech.ends_at(b"", sent)
            self._sender.commit_audio()
            self._note_said()
            self._settle(finish)

    def _note_said(self) -> None:
        with self._lock:
            if self._builder is not None:
                self._builder.said(time.monotonic())

    def _settle(self, finish: Finish) -> None:
        """The server must have noticed by now that this was the end."""
        with self._lock:
            self._settled = True
            whole = self._builder is not None and self._builder.settle()
        if whole:
            finish()
