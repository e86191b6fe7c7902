"""What was said and has shown no effect yet: it has to be said again when the line is lost.

That a frame has left this machine proves nothing. A question is on its way until its response
is created, the outputs of a response's calls until they show up in the conversation, and the
`response.create` behind them until any response is created. Pure, and a part of the session's
books; everything else that left is not said again, for it might be heard twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grok_rt.events import ClientEvent
    from grok_rt.models import ResponseInfo

__all__ = ["ASK_KEY", "Unconfirmed"]

ASK_KEY = "ask"
"""The key of a response's metadata under which `ask` sends its id; the server echoes it."""

Events = tuple["ClientEvent", ...]


class Unconfirmed:
    """Questions, and the continuation of a response that called functions."""

    def __init__(self) -> None:
        self._questions: dict[str, Events] = {}
        self._outputs: dict[str, ClientEvent] = {}
        self._continuation: Events = ()

    def __len__(self) -> int:
        return len(self._questions) + len(self._outputs) + len(self._continuation)

    def asked(self, ask_id: str, question: Events) -> None:
        """A question leaves."""
        self._questions[ask_id] = question

    def given_up(self, ask_id: str) -> None:
        """Nobody waits for the answer any more."""
        self._questions.pop(ask_id, None)

    def answered(self, outputs: Mapping[str, ClientEvent]) -> None:
        """The outputs of calls leave, by their calls' ids."""
        self._outputs.update(outputs)

    def continues(self, create: ClientEvent) -> None:
        """The `response.create` behind the outputs leaves."""
        self._continuation = (create,)

    def ends_here(self) -> None:
        """The reply that was asked for is not wanted any more."""
        self._continuation = ()

    def output_added(self, call_id: str) -> None:
        """The conversation has that output."""
        self._outputs.pop(call_id, None)

    def response_created(self, response: ResponseInfo) -> None:
        """A response is created: perhaps a question's; none would be while outputs are missing."""
        self._questions.pop((response.metadata or {}).get(ASK_KEY, ""), None)
        self.forget_calls()

    def forget_calls(self) -> None:
        """There is nothing left that outputs could belong to."""
        self._outputs.clear()
        self._continuation = ()

    def all(self) -> Events:
        """Everything that has to be said again, in order."""
        questions = [event for question in list(self._questions.values()) for event in question]
        return (*self._outputs.values(), *self._continuation, *questions)
