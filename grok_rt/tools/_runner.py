"""`Runner`: answers calls in threads of its own, each call exactly once."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Collection

import attrs

from grok_rt.errors import DeadlineExceeded, ToolError
from grok_rt.models import FunctionCall
from grok_rt.tools._tool import Tool
from grok_rt.tools._workers import Cancelled, Overdue, Result, Workers

__all__ = ["Outcome", "Runner"]


@attrs.frozen
class Outcome:
    """What became of a call.

    Attributes:
        call: the call it answers.
        output: what to tell the model: the result, or a text it can act on.
        error: what the program should hear of: an exception of the tool, or that it took too
            long. None where the tool answered, raised `ToolError` or was given wrong arguments.
    """

    call: FunctionCall
    output: str
    error: BaseException | None = None


class Runner:
    """Runs calls in threads of its own: at most `limit` at once, each ending after `idle` seconds.

    A function that outlives its timeout keeps its thread, but no longer counts against `limit`.
    """

    def __init__(self, limit: int = 8, *, idle: float = 10.0) -> None:
        self._workers = Workers(limit, idle=idle)

    def submit(
        self,
        tool: Tool,
        call: FunctionCall,
        done: Callable[[Outcome], None],
        *,
        context: contextvars.Context | None = None,
    ) -> None:
        """Answer `call` with `tool`; `done` hears the outcome exactly once. Never blocks.

        `done` is called from one of our threads, or from the one that closes; it must be quick.
        The tool runs in `context`, by default a copy of the caller's.
        """
        self._workers.submit(
            lambda: tool.answer(call.arguments),
            lambda result: done(_outcome(tool, call, result)),
            timeout=tool.timeout,
            context=context,
            key=call.call_id,
        )

    def cancel(self, call_ids: Collection[str]) -> None:
        """Set `cancelled` for these calls; what their tools return still counts. Never blocks."""
        self._workers.cancel(call_ids)

    def close(self, timeout: float = 0.0) -> bool:
        """Cancel all calls and end all threads; blocks up to `timeout` seconds.

        Any thread, any number of times. Calls still open, and all later ones, are answered
        as cancelled.

        Returns:
            False if a tool that ignores its cancellation is still running.
        """
        return self._workers.close(timeout)


def _outcome(tool: Tool, call: FunctionCall, result: Result) -> Outcome:
    error = result.error
    if error is None:
        return Outcome(call, result.value)
    if isinstance(error, Cancelled):
        return Outcome(call, "The tool was cancelled.")
    if isinstance(error, Overdue):
        late = DeadlineExceeded(f"tool {tool.name!r}: {error}")
        return Outcome(call, f"The tool gave {error}.", late)
    if isinstance(error, ToolError) and str(error):
        return Outcome(call, str(error))
    return Outcome(call, "The tool failed.", error)  # nothing of our inside leaves the house
