"""The book of open function calls: when their outputs may leave, and what follows them.

An output is held until the response that called is over; when its last open call has an
answer, all go out, then one `response.create`. That one waits while another response or the
user speaks, is dropped when the server goes on by itself, and never follows a response that
was interrupted. A call whose answer is perhaps not wanted any more, since the user speaks or
somebody interrupts, is told to who answers it, but it is answered all the same: the model should
know what was done. Pure, and part of `Session`, which says what speaks.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

import attrs

from grok_rt import events
from grok_rt._session.unconfirmed import Unconfirmed
from grok_rt.errors import LocalProtocolError
from grok_rt.models import ConversationItem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

__all__ = ["Calls", "Declared", "remember"]

_V = TypeVar("_V")

_UNANSWERED = "The application did not answer this call in time."
_FOREIGN = "is a call of the server's own tools; it must not be answered"
_FORGOTTEN = "belongs to a conversation that the server has forgotten"
_REMEMBERED = 1000


@attrs.frozen
class Declared:
    """A function that the application declared.

    Attributes:
        answered_by: the tool that answers its calls; None: whoever hears `FunctionCalled`.
        timeout: seconds until a call that nobody answered gets an error output.
    """

    answered_by: str | None = None
    timeout: float = 60.0


@attrs.define
class _Group:
    """The calls of one response: their outputs leave together."""

    outputs: dict[str, str | None] = attrs.field(factory=dict)
    deadlines: dict[str, float] = attrs.field(factory=dict)
    response_done: bool = False
    interrupted: bool = False
    held_since: float | None = None

    @property
    def answered(self) -> bool:
        return all(output is not None for output in self.outputs.values())

    @property
    def open(self) -> tuple[str, ...]:
        """The calls that have no answer yet."""
        return tuple(self.deadlines)

    def answer(self, call_id: str, output: str, now: float) -> None:
        self.outputs[call_id] = output
        del self.deadlines[call_id]
        if self.answered:
            self.held_since = now


class Calls:
    """The calls of a conversation that wait for something.

    Attributes:
        response_id: the response that speaks, or None; kept by the session.
        heard_at: when that response gave its last sign of life.
        speech_at: when the user's speech was noticed last; None: the user is silent.
        unconfirmed: what has left and has to be said again if the line is lost.

    Args:
        declared: the functions that the application declared, by name; looked at live.
        new_event_id: makes the ids of what is sent.
        hold_timeout: seconds of silence after which what speaks counts as over.
        unwanted: is told of open calls whose answers are perhaps not wanted any more.
    """

    def __init__(
        self,
        declared: Mapping[str, Declared],
        new_event_id: Callable[[], str],
        hold_timeout: float,
        unwanted: Callable[[Collection[str]], None],
    ) -> None:
        self.response_id: str | None = None
        self.heard_at = 0.0
        self.speech_at: float | None = None
        self.hold_timeout = hold_timeout
        self._declared = declared
        self._new_event_id = new_event_id
        self._unwanted = unwanted
        self._groups: dict[str | None, _Group] = {}
        self.unconfirmed = Unconfirmed()
        self._unanswerable: OrderedDict[str, str] = OrderedDict()
        self._answered: OrderedDict[str, None] = OrderedDict()
        self._continue = False
        self._suspended = False

    def called(
        self, event: events.ResponseFunctionCallArgumentsDone, now: float
    ) -> events.FunctionCalled | None:
        """Open a call; None if it is not ours to answer, or known already."""
        call_id = event.call_id
        declared = self._declared.get(event.name)
        if declared is None:
            # Server-side searches leak as function calls; an answer would be spoken about.
            remember(self._unanswerable, call_id, _FOREIGN)
            return None
        if call_id in self._answered or self._group_of(call_id) is not None:
            return None
        response_id = event.response_id or self.response_id
        group = self._groups.setdefault(response_id, _Group())
        group.outputs[call_id] = None
        group.deadlines[call_id] = now + declared.timeout
        group.held_since = None
        return events.FunctionCalled(
            call=event.function_call(), response_id=response_id, answered_by=declared.answered_by
        )

    def result(self, call_id: str, output: str, now: float) -> list[events.ClientEvent]:
        """Answer a call; returns what may leave now, empty while the output is held.

        Raises:
            LocalProtocolError: the call has its answer already, or is the server's own.
        """
        # A lone surrogate could not leave this machine; the books must not fail on release.
        output = output.encode("utf-8", "replace").decode()
        if why := self._unanswerable.get(call_id):
            raise LocalProtocolError(f"{call_id} {why}")
        if group := self._group_of(call_id):
            if group.outputs[call_id] is not None:
                raise _answered_twice(call_id)
            group.answer(call_id, output, now)
            return self.release()
        if call_id in self._answered:
            raise _answered_twice(call_id)
        # A call we never saw, perhaps of a session before this one: nothing to hold it for.
        self._groups[call_id] = _Group({call_id: output}, response_done=True)
        return self.release()

    def began(self, response_id: str | None, now: float) -> None:
        """A response was created: all before it are over, `response.done` or not."""
        self.response_id = response_id
        self.heard_at = now
        self.speech_at = None  # it is what the response answers
        self._continue = False  # the server goes on by itself, and knows what was sent
        for each, group in self._groups.items():
            if each != response_id:
                group.response_done = True

    def over(self, response_id: str | None, *, cancelled: bool = False) -> None:
        """A response has ended."""
        if response_id == self.response_id:
            self.response_id = None
        if group := self._groups.get(response_id):
            group.response_done = True
            if cancelled:
                self._interrupt(group)

    def interrupted(self) -> None:
        """The response that speaks shall stop: nothing follows its calls.

        While none speaks, whoever works on a call is told, and what comes of it is spoken about.
        """
        self._continue = False
        self.unconfirmed.ends_here()
        if self.response_id is None:
            self._open_calls_unwanted()
        elif group := self._groups.get(self.response_id):
            self._interrupt(group)

    def forgone(self, response_ids: Collection[str]) -> None:
        """Nobody waits for these responses any more: nothing follows their calls."""
        for each, group in self._groups.items():
            if each in response_ids:
                self._interrupt(group)

    def user_speaks(self, now: float) -> None:
        """The user has begun to speak, perhaps about what is being worked on."""
        self.speech_at = now
        self._open_calls_unwanted()

    def _open_calls_unwanted(self) -> None:
        for group in self._groups.values():
            self._unwanted(group.open)

    def _interrupt(self, group: _Group) -> None:
        group.interrupted = True
        self._unwanted(group.open)

    @property
    def quiet_at(self) -> float | None:
        """When what speaks, response or user, counts as over if it is silent; None: it is quiet."""
        signs = [self.heard_at] if self.response_id is not None else []
        if self.speech_at is not None:
            signs.append(self.speech_at)
        return max(signs) + self.hold_timeout if signs else None

    def release(self) -> list[events.ClientEvent]:
        """What may leave now: outputs of finished responses, then one `response.create`."""
        if self._suspended:
            return []
        outputs: dict[str, events.ClientEvent] = {}
        for response_id, group in list(self._groups.items()):
            if group.response_done and group.answered:
                del self._groups[response_id]
                for call_id, output in group.outputs.items():
                    remember(self._answered, call_id, None)
                    outputs[call_id] = self._output(call_id, output or "")
                self._continue |= not group.interrupted
        self.unconfirmed.answered(outputs)
        if not self._continue or self.response_id is not None or self.speech_at is not None:
            return [*outputs.values()]
        self._continue = False
        create = events.ResponseCreate(event_id=self._new_event_id())
        self.unconfirmed.continues(create)
        return [*outputs.values(), create]

    def suspend(self) -> None:
        """The line is lost, and with it all that spoke: nothing leaves until `resume`."""
        self._suspended = True
        self.response_id = self.speech_at = None
        for group in self._groups.values():
            group.response_done = True

    def resume(self, *, same: bool) -> None:
        """There is a line again; but only the `same` conversation knows of these calls."""
        self._suspended = False
        if same:
            self.release()
            return
        for group in self._groups.values():
            self._unwanted(group.open)
            for call_id in group.outputs:
                remember(self._unanswerable, call_id, _FORGOTTEN)
        self._groups.clear()
        self._continue = False
        self.unconfirmed.forget_calls()

    def due(self, now: float) -> list[events.ClientEvent]:
        """Release what was held too long, and answer the calls that nobody answered."""
        for response_id, group in self._groups.items():
            for call_id in [c for c, deadline in group.deadlines.items() if deadline <= now]:
                group.answer(call_id, _UNANSWERED, now)
            if (held_until := self._held_until(response_id, group)) and held_until <= now:
                group.response_done = True
        if self._continue:
            if self.heard_at + self.hold_timeout <= now:
                self.response_id = None
            if self.speech_at is not None and self.speech_at + self.hold_timeout <= now:
                self.speech_at = None
        return self.release()

    @property
    def is_waiting(self) -> bool:
        """Whether there may be a deadline."""
        return self._continue or bool(self._groups)

    def deadlines(self) -> Iterator[float]:
        """The moments at which `due` has something to do."""
        for response_id, group in self._groups.items():
            yield from group.deadlines.values()
            if held_until := self._held_until(response_id, group):
                yield held_until
        if self._continue and self.response_id is not None:
            yield self.heard_at + self.hold_timeout
        if self._continue and self.speech_at is not None:
            yield self.speech_at + self.hold_timeout

    def _held_until(self, response_id: str | None, group: _Group) -> float | None:
        """When the response must be dead; a sign of life of it counts."""
        if group.held_since is None or group.response_done:
            return None
        speaks = response_id == self.response_id
        since = max(group.held_since, self.heard_at) if speaks else group.held_since
        return since + self.hold_timeout

    def _group_of(self, call_id: str) -> _Group | None:
        return next((group for group in self._groups.values() if call_id in group.outputs), None)

    def _output(self, call_id: str, output: str) -> events.ConversationItemCreate:
        item = ConversationItem.function_call_output(call_id, output)
        return events.ConversationItemCreate(event_id=self._new_event_id(), item=item)


def _answered_twice(call_id: str) -> LocalProtocolError:
    return LocalProtocolError(f"{call_id} has its answer already; each call takes one")


def remember(memory: OrderedDict[str, _V], key: str, value: _V) -> None:
    """Keep the last thousand: an endless conversation must not grow."""
    memory[key] = value
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
