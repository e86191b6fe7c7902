"""A few daemon threads that run work under a deadline, and report each result exactly once.

Not `concurrent.futures`: the interpreter waits for its threads at exit, and ours must never hold
it up. Threads start on demand and end when idle. Python cannot stop a function, so one that
outlives its deadline keeps its thread but loses its seat: another may work in its place.
One thread, the clock, watches all deadlines. Knows nothing of tools and events. `done` runs in a
worker, in the clock (too late) or in `close`; no lock is held while it or the work runs.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

import attrs

from grok_rt.errors import DeadlineExceeded, GrokError

__all__ = ["Cancelled", "Overdue", "Result", "Workers", "cancelled"]

logger = logging.getLogger("grok_rt.tools")

_REMEMBERED = 1000

_token: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar(
    "grok_rt_cancelled", default=None
)


def cancelled() -> threading.Event:
    """The running tool's cancellation: set when its answer is perhaps no longer wanted.

    That is when the tool's time is over or the client closes, and nobody hears what it returns;
    and when the user speaks while it works, when somebody calls `interrupt` or `cancel_response`,
    or when an `ask` that waits for it is given up: then Grok is still told what it returns.
    A slow tool looks at ``cancelled().is_set()``, or sleeps in ``cancelled().wait(seconds)``.
    Outside of a tool it is an event that nobody sets, so that a tool can be called directly.
    """
    return _token.get() or threading.Event()


class Cancelled(GrokError):
    """The workers were closed before the work was done."""


class Overdue(DeadlineExceeded):
    """The work was not done in time; it may be running still."""


@attrs.frozen
class Result:
    """What became of the work: its value, or the error that it or we raised."""

    value: Any = None
    error: BaseException | None = None


@attrs.define(eq=False)
class _Job:
    work: Callable[[], Any]
    done: Callable[[Result], None]
    context: contextvars.Context
    timeout: float
    deadline: float
    key: object = None
    cancelled: threading.Event = attrs.field(factory=threading.Event)
    thread: threading.Thread | None = None

    def run(self) -> Result:
        try:
            return Result(self.context.run(self._work))
        except BaseException as error:  # noqa: BLE001  (even SystemExit must not end a worker)
            return Result(error=error)

    def _work(self) -> Any:
        _token.set(self.cancelled)
        return self.work()

    def report(self, result: Result) -> None:
        try:
            self.done(result)
        except Exception:
            logger.exception("a tool's result could not be handed on")


class Workers:
    """At most `limit` threads at work; an idle one ends after `idle` seconds."""

    def __init__(self, limit: int = 8, *, idle: float = 10.0) -> None:
        self._limit = limit
        self._idle = idle
        self._lock = threading.Lock()
        self._queued = threading.Condition(self._lock)  # workers wait here for work
        self._changed = threading.Condition(self._lock)  # the clock waits here for a deadline
        self._queue: deque[_Job] = deque()
        self._open: dict[_Job, None] = {}  # not reported yet, in order of arrival
        self._threads: set[threading.Thread] = set()  # all that live
        self._seated: set[threading.Thread] = set()  # those that count against the limit
        self._unwanted: deque[object] = deque(maxlen=_REMEMBERED)
        self._waiting = 0
        self._clock: threading.Thread | None = None
        self._closed = False
        self._started = 0

    def submit(
        self,
        work: Callable[[], Any],
        done: Callable[[Result], None],
        *,
        timeout: float,
        context: contextvars.Context | None = None,
        key: object = None,
    ) -> None:
        """Run `work` soon; call `done` exactly once. Never blocks.

        The `timeout` in seconds counts from now, for somebody waits from now on: time in the
        queue is part of it. Work runs in `context`, by default a copy of the caller's; `cancel`
        knows it by its `key`.
        """
        deadline = time.monotonic() + timeout
        job = _Job(work, done, context or contextvars.copy_context(), timeout, deadline, key)
        refusal: GrokError | RuntimeError = Cancelled("closed")
        with self._lock:
            try:
                if not self._closed:
                    self._accept(job)
                    return
            except RuntimeError as error:  # no thread can be started: too many, or at exit
                refusal = error
        job.report(Result(error=refusal))

    def cancel(self, keys: Collection[object]) -> None:
        """Set the cancellation of the work of these keys; its results are still reported.

        Work that is yet to come begins with it set.
        """
        with self._lock:
            jobs = [job for job in self._open if job.key in keys]
            self._unwanted.extend(set(keys) - {job.key for job in jobs})
        for job in jobs:
            job.cancelled.set()

    def close(self, timeout: float = 0.0) -> bool:
        """Cancel and report all that is open, take no more, and wait for the threads to end.

        From any thread, any number of times, inside the work too. Blocks up to `timeout` seconds.

        Returns:
            False if a function that ignores its cancellation is still running.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            self._closed = True
            jobs = list(self._open)
            self._open.clear()
            self._queue.clear()
            threads = self._threads - {threading.current_thread()}
            self._queued.notify_all()
            self._changed.notify_all()
        for job in jobs:
            job.cancelled.set()
        for job in jobs:
            job.report(Result(error=Cancelled("closed")))
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _accept(self, job: _Job) -> None:
        """Enqueue a job with a clock to watch it. Requires holding the lock."""
        if self._clock is None:
            self._clock = self._start(self._watch, "clock")
        if job.key in self._unwanted:
            job.cancelled.set()
        self._open[job] = None
        self._queue.append(job)
        self._seat()
        self._queued.notify()
        self._changed.notify()

    def _seat(self) -> None:
        """Start a worker if the waiting ones are too few. Requires holding the lock."""
        if len(self._queue) <= self._waiting or len(self._seated) >= self._limit:
            return
        self._started += 1
        try:
            self._seated.add(self._start(self._work, str(self._started)))
        except RuntimeError as error:  # the queue then waits for a worker, or for its deadline
            logger.warning("no thread for a tool: %s", error)

    def _start(self, run: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=run, name=f"grok-rt-tool-{name}", daemon=True)
        thread.start()
        self._threads.add(thread)
        return thread

    def _work(self) -> None:
        while (job := self._take()) is not None:
            self._settle(job, job.run())

    def _take(self) -> _Job | None:
        """Wait for work; None tells the worker to end, which is then already off the books."""
        me = threading.current_thread()
        with self._lock:
            while me in self._seated and not self._closed:
                if self._queue:
                    job = self._queue.popleft()
                    job.thread = me
                    return job
                self._waiting += 1
                called = self._queued.wait(self._idle)
                self._waiting -= 1
                if not called and not self._queue:
                    break
            self._seated.discard(me)
            self._threads.discard(me)
            return None

    def _settle(self, job: _Job, result: Result) -> None:
        with self._lock:
            if job not in self._open:
                return  # too late: it was reported without us
            del self._open[job]
            self._changed.notify()
        job.report(result)

    def _watch(self) -> None:
        while (job := self._overdue()) is not None:
            job.cancelled.set()
            job.report(Result(error=Overdue(f"no answer within {job.timeout:g} s")))

    def _overdue(self) -> _Job | None:
        """Wait until a job is late and take it off the books; None tells the clock to end."""
        with self._lock:
            while not self._closed:
                job = min(self._open, key=lambda job: job.deadline, default=None)
                left = self._idle if job is None else job.deadline - time.monotonic()
                if job is not None and left <= 0:
                    self._dismiss(job)
                    return job
                called = self._changed.wait(left)
                if not called and not self._open:
                    break
            self._threads.discard(threading.current_thread())
            self._clock = None
            return None

    def _dismiss(self, job: _Job) -> None:
        """Give up a job; its worker, if it has one, loses its seat. Requires holding the lock."""
        del self._open[job]
        if job.thread is None:
            self._queue.remove(job)
        else:
            self._seated.discard(job.thread)
            self._seat()
