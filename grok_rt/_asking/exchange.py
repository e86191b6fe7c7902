"""One question and its answer, from the wait for its turn to its last word.

Runs on the thread that asks, which pumps while it waits if nobody else does. Whatever ends it,
`end` leaves nothing behind: no place in the line, no feeder, no answer that nobody waits for.
`AnswerStream` shows it to the user, part by part.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import threading
import time
from typing import TYPE_CHECKING

from grok_rt import events
from grok_rt._numbers import timeout_of
from grok_rt._unset import UNSET
from grok_rt.answer import Answer
from grok_rt.errors import ConcurrencyError, DeadlineExceeded, GrokError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from grok_rt._asking.parts import Parts
    from grok_rt._asking.question import Question
    from grok_rt._asking.questions import Questions
    from grok_rt._client.delivery import Waiter
    from grok_rt._client.lifecycle import Lifecycle
    from grok_rt._client.pump import Pump
    from grok_rt.parts import Part

__all__ = ["AnswerStream", "Exchange", "Patience"]

_RETRY = 0.5  # seconds until a question is put again that found something else being answered
_LOOK_AGAIN = 10.0  # seconds to wait for an event before looking again


class Patience:
    """The seconds that somebody has; None: no end of them.

    Raises:
        TypeError: the timeout is no number.
        ValueError: it is NaN.
    """

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._deadline: float | None = None
        self._paused_at: float | None = None
        if (seconds := timeout_of(timeout)) is not None:
            self._deadline = time.monotonic() + seconds

    def left(self) -> float | None:
        """How many are left."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether none is."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def check(self) -> None:
        """Raise `DeadlineExceeded` if none is left."""
        if self.is_over:
            raise DeadlineExceeded("too late")

    def pause(self) -> None:
        """What follows is not waiting."""
        self._paused_at = time.monotonic()

    def go_on(self) -> None:
        """Wait again."""
        if self._paused_at is not None and self._deadline is not None:
            self._deadline += time.monotonic() - self._paused_at
        self._paused_at = None


class Exchange:
    """A question on its way to its answer; its ``with`` block ends it.

    Attributes:
        thread: who went on with it last.
        is_left: nobody will go on with it.
        context: that of who asked; the tools of the answer see it.

    Args:
        question: what is asked.
        parts: the parts of the answer, where somebody wants them.
        patience: the time that there is for all of it.
    """

    def __init__(
        self,
        question: Question,
        parts: Parts | None,
        patience: Patience,
        *,
        lifecycle: Lifecycle,
        pump: Pump,
        questions: Questions,
    ) -> None:
        self.thread = threading.current_thread()
        self.is_left = False
        self.context = contextvars.copy_context()
        self._question = question
        self._parts = parts
        self._patience = patience
        self._lifecycle = lifecycle
        self._pump = pump
        self._questions = questions
        self._before = "it was not asked"
        self._waiter: Waiter | None = None  # for the answer
        self._soon: Waiter | None = None  # for a part of it
        self._is_stopped = False
        self._is_ended = False
        self._ending = threading.Lock()

    def __enter__(self) -> Exchange:  # noqa: PYI034 - `Self` is for Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def response_ids(self) -> Collection[str]:
        """The responses to it so far."""
        return self._question.response_ids

    def begin(self) -> None:
        """Wait for the turn and for silence, then put the question."""
        with self._telling():
            self._patience.check()
            self._before = "another question is being asked"
            self._questions.enter(self, self._patience.left)
            self._before = "something else is still being said"
            self._wait_for_quiet()
            self._put()
        self._patience.pause()

    def answer(self) -> Answer:
        """Wait for the whole answer."""
        self._patience.go_on()
        with self._telling():
            self._go_on(lambda: False)
        return self._question.answer()

    def next_part(self) -> Part | None:
        """Wait for the next part; None: there are no more."""
        parts = self._parts
        if parts is None or self._is_ended:
            return None
        self.thread = threading.current_thread()
        self._patience.go_on()
        with self._telling():
            self._go_on(lambda: bool(parts))
        if self._is_stopped:
            return None
        self._patience.pause()
        return parts.take() if parts else self._question.answer()

    def stop(self) -> None:
        """Let the thread that goes on with it find that it is over. Any thread."""
        self._is_stopped = True
        self._finish(self._waiter)

    def end(self) -> None:
        """Settle it, whatever has become of it. Any thread, any number of times."""
        with self._ending:
            if self._is_ended:
                return
            self._is_ended = True
        try:
            self._withdraw()
            if self._question.is_open and not self._is_reconnecting():
                self._take_back()
            self._forget()
        finally:
            self._questions.leave(self)

    def leave_to_the_writer(self) -> None:
        """Have it ended soon, by another thread: safe in a finalizer."""
        self.is_left = True
        with contextlib.suppress(GrokError):
            self._lifecycle.connection().run_soon(self.end)

    # on its way

    def _put(self) -> None:
        self._waiter = self._pump.listen("an answer", self._question.offer)
        self._question.put(functools.partial(self._finish, self._waiter))

    def _withdraw(self) -> None:
        self._question.withdraw()
        if self._waiter is not None:
            self._pump.unlisten(self._waiter)

    def _finish(self, waiter: Waiter | None, error: BaseException | None = None) -> None:
        """End the wait for the answer, and that for a part of it."""
        for each in (waiter, self._soon):
            if each is not None:
                self._pump.finish(each, error if each is waiter else None)

    def _go_on(self, enough: Callable[[], bool]) -> None:
        """Wait until the answer is whole, or there is enough of it."""
        while not (enough() or self._is_stopped):
            self._wait(enough)
            if self._question.is_answered:
                return
            self._withdraw()
            self._forget()
            if self._question.collided:
                self._wait_until(lambda: False, time.monotonic() + _RETRY)
            self._wait_for_line()
            self._wait_for_quiet()
            self._put()

    def _wait(self, enough: Callable[[], bool]) -> None:
        """Wait until nothing more comes to the question as it was put, or there is enough."""
        waiter = self._waiter
        assert waiter is not None, "a question that was put"  # noqa: S101
        if self._parts is not None:
            with self._pump.listening("an answer", lambda *_: enough() or waiter.met) as self._soon:
                # Looked at once it listens: what comes from now on wakes it. Once the answer is
                # whole, only the end of the handlers is still to come, which `waiter` is told.
                if not (enough() or waiter.met or waiter.done or self._is_stopped):
                    self._pump.wait(self._soon, self._patience.left())
            if enough() or self._is_stopped:
                return
        self._pump.wait(waiter, self._patience.left())

    def _wait_for_line(self) -> None:
        """Wait while there is no connection: what speaks must not speak in vain."""
        while self._is_reconnecting() and not self._is_stopped:
            soon = time.monotonic() + _LOOK_AGAIN
            self._wait_until(lambda: not self._is_reconnecting(), soon)

    def _wait_for_quiet(self) -> None:
        """Wait while a response or the user speaks: the server would refuse the question."""
        ledger = self._lifecycle.open_connection().ledger
        while (quiet_at := ledger.quiet_at()) is not None and quiet_at > time.monotonic():
            if self._is_stopped:
                return
            self._wait_until(lambda: ledger.quiet_at() is None, quiet_at)

    def _wait_until(self, met: Callable[[], bool], moment: float) -> None:
        """Wait until an event has `met` its purpose, up to a moment.

        Raises:
            DeadlineExceeded: there is no time left before that.
        """
        left = self._patience.left()
        until = moment if left is None else min(moment, time.monotonic() + left)
        with self._pump.listening("silence", lambda *_: met()) as self._soon:
            if met() or self._is_stopped:
                return
            try:
                self._pump.wait(self._soon, max(0.0, until - time.monotonic()))
            except DeadlineExceeded:
                if time.monotonic() < until:
                    raise  # a handler's
                self._patience.check()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Say of a wait that was too long what was missing."""
        try:
            yield
        except DeadlineExceeded:
            if not self._patience.is_over:
                raise  # a handler's
            if self._question.is_whole:
                return  # all that is missing is a handler that still hears its end
            missing = self._question.missing or self._before
            why = f"; {busy}" if (busy := self._pump.busy()) else ""
            raise DeadlineExceeded(
                f"no whole answer in {self._patience.timeout:g} s: {missing}{why}"
            ) from None

    # when it is over

    def _is_reconnecting(self) -> bool:
        return self._lifecycle.state == "reconnecting"

    def _forget(self) -> None:
        """It is not to be put again behind our back."""
        with contextlib.suppress(GrokError):
            self._lifecycle.connection().ledger.given_up(self._question.ask_id)

    def _take_back(self) -> None:
        """Nobody waits for the answer: the next question must not meet it. Never blocks."""
        with contextlib.suppress(GrokError):  # best effort, and perhaps there is no line any more
            connection = self._lifecycle.open_connection()
            ledger = connection.ledger
            response_id, _, _ = ledger.interrupt()
            ledger.forgo(self._question.response_ids)
            cancel = events.ResponseCancel(
                event_id=ledger.best_effort_id(), response_id=response_id or UNSET
            )
            connection.send(cancel, timeout=0.0)
            if self._question.is_spoken:
                clear = events.InputAudioBufferClear(event_id=ledger.best_effort_id())
                connection.send(clear, timeout=0.0)


class AnswerStream:
    """The parts of an answer, as they come; the `Answer` itself is the last.

    Read to the end it is over. One that is left before, by ``break``, by its ``with`` block or by
    `close`, takes its question back: what the server still says to it is heard by the handlers
    only, and the next question can be asked. One thread reads it at a time; nobody pumps between
    two parts, unless `start` does.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._reading = threading.Lock()
        self._is_over = False

    def __iter__(self) -> AnswerStream:
        return self

    def __next__(self) -> Part:
        """Wait for the next part.

        Raises:
            StopIteration: the `Answer` was the last, or the stream was closed.
            DeadlineExceeded, ServerError, ConnectionClosed: as `ask`; the stream is over then.
            ConcurrencyError: called inside a handler, or while another thread reads.
        """
        if not self._reading.acquire(blocking=False):
            raise ConcurrencyError("another thread is waiting for the next part of this stream")
        part: Part | None = None
        try:
            if not self._is_over:
                part = self._exchange.next_part()
        finally:
            if part is None or isinstance(part, Answer):
                self._is_over = True
                self._exchange.end()
            self._reading.release()
        if part is None:
            raise StopIteration
        return part

    def close(self) -> None:
        """Take the question back, if it has no answer yet. Any thread, any number of times."""
        if not self._reading.acquire(blocking=False):
            self._exchange.stop()  # whoever reads it will find that it is over
            return
        try:
            self._is_over = True
            self._exchange.end()
        finally:
            self._reading.release()

    def __enter__(self) -> AnswerStream:  # noqa: PYI034 - `Self` is for Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._is_over:
            self._exchange.leave_to_the_writer()
