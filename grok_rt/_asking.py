"""The verbs that ask: a question on its way, and its whole answer.

A question runs on the thread that asks; sound that has to keep the pace of speech is fed
by a daemon thread of its own meanwhile, because the asking thread pumps.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from grok_rt import events
from grok_rt._sender import GrokSender
from grok_rt.answer import ASK_KEY, Answer, AnswerBuilder
from grok_rt.audio import AudioClip
from grok_rt.errors import DeadlineExceeded, GrokError, ServerError
from grok_rt.models import ConversationItem, ResponseCreatePayload
from grok_rt.streams import ClipSource, paced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grok_rt._lifecycle import Lifecycle
    from grok_rt._pump import Pump
    from grok_rt._session import Session
    from grok_rt.models import SessionConfig

__all__ = ["GrokAsker"]

_GRACE = 1.0  # seconds for a feeder to end; one that is stuck in the line ends by itself
#: Silence after a spoken question, beyond what was configured; without it no turn ever ends.
_TAIL_MS = 10_000


class GrokAsker(GrokSender):
    """What can be asked of Grok."""

    config: SessionConfig
    _lifecycle: Lifecycle
    _pump: Pump
    _session: Session

    def ask(
        self, prompt: str | AudioClip | os.PathLike[str], timeout: float | None = 60.0
    ) -> Answer:
        """Ask one question and wait for the whole answer; tools run meanwhile.

        Text is sent as it is. Sound (a clip, or the path of a sound file) is converted to the
        session's input format and streamed at the pace of speech, until the server has heard
        its end; in manual mode it is sent at once and committed.

        Args:
            prompt: the question.
            timeout: seconds for all of it; None: no limit.

        Raises:
            DeadlineExceeded: the answer did not end; the sentence says what was missing.
            ServerError: the server refused the question.
            AudioError: the sound cannot be read or converted.
            ConnectionClosed: the session ended first.
            ConcurrencyError: called inside a handler; use `submit` there.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._lifecycle.open_connection()
        self._pump.refuse_in_handler("an answer")
        question = _Question(self, self.config, prompt, self._session.new_event_id())
        with self._pump.listening("an answer", question.offer) as waiter, question.posed():
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                self._pump.wait(waiter, left)
            except DeadlineExceeded:
                text = f"no whole answer in {timeout:g} s: {question.missing}"
                raise DeadlineExceeded(text) from None
        return question.answer()

    def submit(
        self, prompt: str | AudioClip | os.PathLike[str], timeout: float | None = 60.0
    ) -> Future[Answer]:
        """Ask without waiting, in a handler too: `ask` on a thread of its own.

        Returns:
            A future with the answer, or with what `ask` raises.
        """
        self._lifecycle.open_connection()
        future: Future[Answer] = Future()
        future.set_running_or_notify_cancel()  # a question that is asked cannot be taken back

        def work() -> None:
            try:
                future.set_result(self.ask(prompt, timeout))
            except BaseException as error:  # noqa: BLE001 - it is the future's
                future.set_exception(error)

        threading.Thread(target=work, name="grok-rt-submit", daemon=True).start()
        return future


class _Question:
    """What was asked, as text or as sound, and how far its answer is.

    Args:
        sender: what sends.
        config: the session's configuration: its formats and its turn detection.
        prompt: text, a clip, or the path of a sound file.
        ask_id: an id that no other question has.
    """

    def __init__(
        self,
        sender: GrokSender,
        config: SessionConfig,
        prompt: str | AudioClip | os.PathLike[str],
        ask_id: str,
    ) -> None:
        self._sender = sender
        self._ask_id = ask_id
        detection = config.turn_detection
        self._manual = detection is None or detection.type is None
        pause = detection.silence_duration_ms if detection is not None else None
        self._tail_ms = (pause or 0) + _TAIL_MS
        self._text = prompt if isinstance(prompt, str) else None
        self._clip: AudioClip | None = None
        if not isinstance(prompt, str):
            clip = prompt if isinstance(prompt, AudioClip) else AudioClip.open(prompt)
            self._clip = clip.to(config.input_audio_format)
        is_text = self._text is not None
        self._builder = AnswerBuilder(
            time.monotonic(),
            config.output_audio_format,
            ask_id=ask_id if is_text else None,
            item_id=ask_id if is_text else None,
        )
        self._error: GrokError | None = None

    def offer(self, event: events.Event) -> bool:
        """Show it an event; true once the answer is whole, or will not come."""
        if self._error is not None:
            return True
        if isinstance(event, events.Error) and event.error.event_id in (
            f"{self._ask_id}-item",
            f"{self._ask_id}-create",
        ):
            error = event.error
            self._error = ServerError(
                error.type, error.code or None, error.message, error.event_id or None
            )
            return True
        return self._builder.feed(event, time.monotonic())

    @property
    def missing(self) -> str:
        """What the answer still waits for."""
        return self._builder.awaited

    def answer(self) -> Answer:
        """The answer.

        Raises:
            GrokError: the question did not get through.
        """
        if self._error is not None:
            raise self._error
        return self._builder.answer(time.monotonic())

    @contextlib.contextmanager
    def posed(self) -> Iterator[None]:
        """Send the question; what still has to be fed ends with the block."""
        if self._clip is None:
            self._send_text(self._text or "")
            yield
        elif self._manual:
            for frame in paced(ClipSource(self._clip), realtime=False, trailing_silence_ms=0):
                self._sender.send_audio(frame)
            self._sender.commit_audio()
            yield
        else:
            with self._fed(self._clip):
                yield

    def _send_text(self, text: str) -> None:
        item = ConversationItem.user_text(text, id=self._ask_id)
        self._sender.send(events.ConversationItemCreate(event_id=f"{self._ask_id}-item", item=item))
        payload = ResponseCreatePayload(metadata={ASK_KEY: self._ask_id})
        self._sender.send(
            events.ResponseCreate(event_id=f"{self._ask_id}-create", response=payload)
        )

    @contextlib.contextmanager
    def _fed(self, clip: AudioClip) -> Iterator[None]:
        stop = threading.Event()
        source = ClipSource(clip)

        def feed() -> None:
            try:
                for frame in paced(source, trailing_silence_ms=self._tail_ms, stop=stop):
                    self._sender.send_audio(frame)
            except GrokError as error:
                self._error = error

        thread = threading.Thread(target=feed, name="grok-rt-question", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(_GRACE)
