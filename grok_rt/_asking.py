"""One question on its way: sends it, and follows its answer.

Runs on the thread that asks; sound that has to keep the pace of speech is fed by a
daemon thread of its own meanwhile, because the asking thread pumps.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

from grok_rt import events
from grok_rt.answer import ASK_KEY, Answer, AnswerBuilder
from grok_rt.audio import AudioClip
from grok_rt.errors import GrokError, ServerError
from grok_rt.models import ConversationItem, ResponseCreatePayload
from grok_rt.streams import ClipSource, paced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grok_rt._sender import GrokSender
    from grok_rt.models import SessionConfig

__all__ = ["Question"]


class Question:
    """What was asked, as text or as sound, and how far its answer is.

    Args:
        sender: what sends.
        config: the session's configuration: its formats and its turn detection.
        prompt: text, a clip, or the path of a sound file.
        ask_id: an id that no other question has.
    """

    what = "the answer"

    def __init__(
        self,
        sender: GrokSender,
        config: SessionConfig,
        prompt: str | AudioClip | os.PathLike[str],
        ask_id: str,
    ) -> None:
        self._sender = sender
        self._ask_id = ask_id
        self._manual = not config.turn_detection
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

        def feed() -> None:
            try:
                for frame in paced(ClipSource(clip), stop=stop):
                    self._sender.send_audio(frame)
            except GrokError as error:
                self._error = error

        thread = threading.Thread(target=feed, name="grok-rt-question", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
