"""Tools at work for one client: what is declared, who runs a call, where the answer goes.

Between `tools`, which knows no client, and the client, which knows no thread of a tool:
calls arrive as `FunctionCalled` on the pump, run in the runner's workers, and their
outputs go to the session's books, which decide when they may leave.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from grok_rt import events
from grok_rt._session.calls import Declared
from grok_rt.errors import ConnectionClosed, LocalProtocolError, ServerError, ToolError
from grok_rt.tools import Runner, Tool, ToolBox, as_text, marked_tools

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Iterable

    from grok_rt._client.handlers import Handlers
    from grok_rt._connection.inbox import Inbox
    from grok_rt.conversation import Conversation
    from grok_rt.models import GrokToolDefinition, SessionConfig
    from grok_rt.tools import Outcome

__all__ = ["ToolDecorator", "Tooling", "told", "warn_of_stranger"]

log = logging.getLogger("grok_rt")

F = TypeVar("F", bound="Callable[..., Any]")

#: A tool ends its call by itself; the books step in only if it could not.
_GRACE = 5.0
_HEED = 0.1  # seconds in which a tool that looks at its cancellation has ended


class ToolDecorator(Protocol):
    """Registers a function as a tool, bare or with arguments."""

    @overload
    def __call__(self, function: F, /) -> F: ...
    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
    ) -> Callable[[F], F]: ...


class Tooling:
    """The tools of one client.

    Attributes:
        declared: what the session was told of, by name.
        runner: runs the calls; it knows nothing of the client.
        declaring: held while the session is told what there is, so that who tells last tells all.

    Args:
        owner: the client, whose marked methods are tools.
        tools: more of them: functions, tools, or a box that clients share.
        answer: takes a call's id and its output.
        context: a copy of the context that a response's calls run in; None: of whoever pumps.
        registered: called after a tool was added.
    """

    def __init__(
        self,
        owner: object,
        tools: Iterable[Tool | Callable[..., Any]],
        *,
        handlers: Handlers,
        inbox: Inbox,
        answer: Callable[[str, str], None],
        context: Callable[[str | None], contextvars.Context | None],
        registered: Callable[[], None],
    ) -> None:
        self.declared: dict[str, Declared] = {}
        # A box is shared: what is added to it later is seen when the session is configured again.
        self._shared = tools if isinstance(tools, ToolBox) else ToolBox(tools)
        self._box = ToolBox()
        for each in marked_tools(owner):
            self._add(each)
        self.runner = Runner()
        self.declaring = threading.Lock()
        self._inbox = inbox
        self._answer = answer
        self._context = context
        self._registered = registered
        handlers.add(events.FunctionCalled, self._run, is_method=True)

    def register(self, function: Any = None, /, **options: Any) -> Any:
        """`ToolBox.tool`, and the server is told if it listens already; a refusal undoes it."""

        def add(function: Any) -> Any:
            made = self._add(
                function if isinstance(function, Tool) else Tool.of(function, **options)
            )
            try:
                self._registered()
            except ServerError:
                self._box.remove(made.name)  # or every later update would be refused as well
                raise
            return function

        return add if function is None else add(function)

    def definitions(self, config: SessionConfig) -> tuple[GrokToolDefinition, ...]:
        """All that the session should declare: the config's own and the registered tools."""
        tools = {tool.name: tool for tool in (*self._shared, *self._box)}  # its own win
        by_tool = {
            name: Declared(answered_by=name, timeout=tool.timeout + _GRACE)
            for name, tool in tools.items()
        }
        by_hand = {
            name: Declared()
            for definition in config.tools
            if definition.type == "function" and (name := definition.name)
        }
        # Nothing is taken off: a call of what was declared a moment ago is still ours.
        self.declared.update(by_hand | by_tool)
        kept = [d for d in config.tools if d.type != "function" or d.name not in by_tool]
        shared = [tool for tool in self._shared if tool.name not in self._box]
        return (*kept, *(tool.definition for tool in (*shared, *self._box)))

    def close(self, timeout: float) -> None:
        """Cancel what runs; wait for what heeds that, `timeout` seconds at the most."""
        self.runner.close(min(timeout, _HEED))

    def _run(self, event: events.FunctionCalled) -> None:
        name = event.answered_by
        if name is None:
            return
        tool = self._box.get(name) or self._shared.get(name)
        if tool is None:
            self._answer(event.call.call_id, "This tool was taken away.")
            return

        def done(outcome: Outcome) -> None:
            if outcome.error is not None:
                log.error("tool %s failed", outcome.call.name, exc_info=outcome.error)
                self._inbox.put_event(
                    events.HandlerFailed(
                        error=outcome.error, event=event, handler=f"tool {outcome.call.name}"
                    )
                )
            try:
                self._answer(outcome.call.call_id, outcome.output)
            except (ConnectionClosed, LocalProtocolError) as error:
                log.debug("the answer of tool %s came too late: %s", outcome.call.name, error)

        self.runner.submit(tool, event.call, done, context=self._context(event.response_id))

    def _add(self, tool: Tool) -> Tool:
        if tool.name in self._shared:
            raise ToolError(f"there is a tool named {tool.name!r} already")
        return self._box.add(tool)


def told(call_id: object, result: object) -> str:
    """A result given by hand, as the model reads it.

    Raises:
        TypeError: that is no call's id.
        LocalProtocolError: it is neither text nor JSON.
    """
    if not isinstance(call_id, str):
        raise TypeError(f"a call's id is a string, as in event.call.call_id, not {call_id!r}")
    try:
        return as_text(result)
    except (TypeError, ValueError, OverflowError) as error:
        raise LocalProtocolError(f"a result must be text or JSON: {error}") from error


def warn_of_stranger(call_id: str, conversation: Conversation) -> None:
    """Log that nobody was heard to make a call.

    It may be one of an earlier session, which the service still knows; else it will be refused.
    """
    calls = [(turn.call, turn.has_output) for turn in conversation if turn.call is not None]
    if all(call.call_id != call_id for call, _ in calls):
        still_open = [
            f"{call.call_id!r} of {call.name}" for call, answered in calls if not answered
        ]
        log.warning(
            "a result was sent for %r, but no such call has been heard; open: %s",
            call_id,
            ", ".join(still_open) or "none",
        )
