"""The verbs that ask: one question at a time, and its whole answer.

They run on the thread that asks; `submit` starts one that does. `Question` knows what is sent
and what came back; here is who may ask when, for how long, and what becomes of a question that
nobody waits for any more.
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from grok_rt import events
from grok_rt._question import Question
from grok_rt._sender import GrokSender
from grok_rt._unset import UNSET
from grok_rt.errors import DeadlineExceeded, GrokError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from grok_rt._lifecycle import Lifecycle
    from grok_rt._pump import Pump, Waiter
    from grok_rt.answer import Answer
    from grok_rt.audio import AudioClip
    from grok_rt.models import SessionConfig

__all__ = ["GrokAsker", "Questions"]

_RETRY = 0.5  # seconds until a question is put again that found something else being answered
_PATIENCE = 10.0  # seconds to wait for an event before looking again
_LOOK = 0.05  # seconds for a question to notice by itself that the connection has closed


class Questions:
    """Whose turn it is to ask: one after the other, in order of arrival.

    Args:
        pump: who waits for a turn pumps meanwhile, like all who wait.
    """

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._lock = threading.Lock()
        self._line: list[Waiter] = []
        self._threads: set[threading.Thread] = set()

    @contextlib.contextmanager
    def turn(self, deadline: float | None) -> Iterator[None]:
        """Wait for the turn, and have it while the block runs.

        Raises:
            DeadlineExceeded: it did not come in time.
            ConnectionClosed: the connection ended first.
        """
        with self._pump.listening("the turn to ask", lambda _: False) as waiter:
            try:
                with self._lock:
                    self._line.append(waiter)
                    first = self._line[0] is waiter
                if not first:
                    self._pump.wait(waiter, _left(deadline))
                yield
            finally:
                self._leave(waiter)

    def _leave(self, waiter: Waiter) -> None:
        with self._lock:
            if waiter in self._line:
                self._line.remove(waiter)
            following = self._line[:1]
        for each in following:
            self._pump.finish(each)

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work`, which asks, on a thread of its own."""

        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name="grok-rt-submit", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def close(self, timeout: float) -> None:
        """After the connection's end: join the threads of `submit`, `timeout` seconds at most."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = self._threads - {threading.current_thread()}
        for thread in threads:
            # Perhaps nobody pumps any more; and it may just be on its way to its next wait.
            while thread.is_alive() and (left := deadline - time.monotonic()) > 0:
                thread.join(min(left, _LOOK))
                self._pump.dismiss({thread.ident or 0})


class GrokAsker(GrokSender):
    """What can be asked of Grok."""

    config: SessionConfig
    _lifecycle: Lifecycle
    _pump: Pump
    _questions: Questions

    def ask(
        self, prompt: str | AudioClip | os.PathLike[str], timeout: float | None = 60.0
    ) -> Answer:
        """Ask one question and wait for the whole answer; tools run meanwhile.

        Text is sent as it is. Sound (a clip, or the path of a sound file) is converted to the
        session's input format and streamed at the pace of speech, until the server has heard
        its end; in manual mode it is sent at once and committed.

        A client asks one question at a time, in order of arrival, and none while something
        else is being said. (So a tool that asks its own client waits for itself.) A question
        that is given up, by the deadline or Ctrl+C, is taken back as far as the server lets us.

        Args:
            prompt: the question.
            timeout: seconds for all of it, waiting for its turn too; None: no limit.

        Returns:
            The answer. Where the connection is lost and the client reconnects, a question of
            whose answer nothing had come is put again; otherwise the answer is ``incomplete``.

        Raises:
            DeadlineExceeded: the answer did not end; the sentence says what was missing.
            ServerError: the server refused the question.
            AudioError: the sound cannot be read or converted, or is nothing but silence.
            ConnectionClosed: the session ended first.
            ConcurrencyError: called inside a handler; use `submit` there.
        """
        deadline = _deadline(timeout)
        connection = self._lifecycle.open_connection()
        self._pump.refuse_in_handler("an answer")
        ask_id = connection.ledger.new_event_id()
        question = Question(self, self._put, self.config, prompt, ask_id)
        before = "it was not asked"
        try:
            _check(deadline)
            before = "another question is being asked"
            with self._questions.turn(deadline):
                before = "something else is still being said"
                self._wait_for_quiet(deadline)
                return self._answered(question, deadline)
        except DeadlineExceeded:
            if deadline is None or time.monotonic() < deadline:
                raise  # a handler's
            text = f"no whole answer in {timeout:g} s: {question.missing or before}"
            raise DeadlineExceeded(text) from None

    def submit(
        self, prompt: str | AudioClip | os.PathLike[str], timeout: float | None = 60.0
    ) -> Future[Answer]:
        """Ask without waiting, in a handler too: `ask` on a thread of its own.

        Returns:
            A future with the answer, or with what `ask` raises. `close` ends it.
        """
        self._lifecycle.open_connection()
        future: Future[Answer] = Future()
        future.set_running_or_notify_cancel()  # a question that is asked cannot be taken back

        def work() -> None:
            try:
                future.set_result(self.ask(prompt, timeout))
            except BaseException as error:  # noqa: BLE001 - it is the future's
                future.set_exception(error)

        self._questions.submit(work)
        return future

    def _put(self, ask_id: str, *question: events.ClientEvent) -> None:
        self._lifecycle.through(lambda connection: connection.ledger.ask(ask_id, *question))

    def _answered(self, question: Question, deadline: float | None) -> Answer:
        try:
            while True:
                with self._pump.listening("an answer", question.offer) as waiter:
                    finish = functools.partial(self._pump.finish, waiter)
                    with question.posed(finish):
                        self._pump.wait(waiter, _left(deadline))
                if question.is_answered:
                    return question.answer()
                self._forget(question)
                if question.collided:
                    self._wait_until(lambda: False, time.monotonic() + _RETRY, deadline)
                self._wait_for_line(deadline)
                self._wait_for_quiet(deadline)
        except BaseException:
            if question.is_open and not self._is_reconnecting():
                self._take_back(question)
            raise
        finally:
            self._forget(question)

    def _forget(self, question: Question) -> None:
        """It is not to be put again behind our back."""
        self._lifecycle.connection().ledger.given_up(question.ask_id)

    def _take_back(self, question: Question) -> None:
        """Nobody waits for the answer: the next question must not meet it. Never blocks."""
        with contextlib.suppress(GrokError):  # best effort, and perhaps there is no line any more
            connection = self._lifecycle.open_connection()
            ledger = connection.ledger
            response_id, _, _ = ledger.interrupt()
            ledger.forgo(question.response_ids)
            cancel = events.ResponseCancel(
                event_id=ledger.best_effort_id(), response_id=response_id or UNSET
            )
            connection.send(cancel, timeout=0.0)
            if question.is_spoken:
                clear = events.InputAudioBufferClear(event_id=ledger.best_effort_id())
                connection.send(clear, timeout=0.0)

    def _is_reconnecting(self) -> bool:
        return self._lifecycle.state == "reconnecting"

    def _wait_for_line(self, deadline: float | None) -> None:
        """Wait while there is no connection: what speaks must not speak in vain."""
        while self._is_reconnecting():
            soon = time.monotonic() + _PATIENCE
            self._wait_until(lambda: not self._is_reconnecting(), soon, deadline)

    def _wait_for_quiet(self, deadline: float | None) -> None:
        """Wait while a response or the user speaks: the server would refuse the question."""
        ledger = self._lifecycle.open_connection().ledger
        while (quiet_at := ledger.quiet_at()) is not None and quiet_at > time.monotonic():
            self._wait_until(lambda: ledger.quiet_at() is None, quiet_at, deadline)

    def _wait_until(self, met: Callable[[], bool], moment: float, deadline: float | None) -> None:
        """Wait until an event has `met` its purpose, up to a moment.

        Raises:
            DeadlineExceeded: the deadline came first.
        """
        until = moment if deadline is None else min(moment, deadline)
        with self._pump.listening("silence", lambda _: met()) as waiter:
            if met():
                return
            try:
                self._pump.wait(waiter, _left(until))
            except DeadlineExceeded:
                if time.monotonic() < until:
                    raise  # a handler's
                _check(deadline)


def _deadline(timeout: float | None) -> float | None:
    """When it is too late; None: never.

    Raises:
        TypeError: the timeout is no number.
        ValueError: it is NaN.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"a timeout is a number of seconds or None, not {timeout!r}")
    if math.isnan(timeout):
        raise ValueError("a timeout is a number of seconds, not NaN")
    return None if timeout > threading.TIMEOUT_MAX else time.monotonic() + timeout


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise DeadlineExceeded("too late")


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
