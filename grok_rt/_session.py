"""The session's books: what was confirmed, which calls are open, which response speaks.

Pure: no thread, no socket, no clock of its own. `Connection` shows it each event from
the server *before* queueing it and each event of ours before sending it, under one
lock, and sends what it answers. So the audio gate, the release of tool outputs and
`update_session` never wait for anybody's pump.

Everything is correlated by id, never by order: the live order varies.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import attrs

from grok_rt import events
from grok_rt._unset import UNSET
from grok_rt.errors import LocalProtocolError, ServerError
from grok_rt.models import ConversationItem, FunctionCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["FATAL_ERROR_TYPES", "Declared", "Session", "Step"]

#: `error.type`s after which the server ends the session; all others leave it open.
FATAL_ERROR_TYPES = frozenset({"timeout", "max_duration"})

_UNANSWERED = "The application did not answer this call in time."
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


@attrs.frozen
class Step:
    """What one event sets off.

    Attributes:
        send: client events that may leave now, in order.
        tell: local events that follow the event in the inbox.
        instead: what the inbox gets in place of the event.
        fatal: the server has ended the session, and why.
    """

    send: tuple[events.ClientEvent, ...] = ()
    tell: tuple[events.LocalEvent, ...] = ()
    instead: events.Event | None = None
    fatal: ServerError | None = None


_NOTHING = Step()


@attrs.define
class _CallGroup:
    """The calls of one response: their outputs leave together, then one `response.create`."""

    outputs: dict[str, str | None] = attrs.field(factory=dict)
    deadlines: dict[str, float] = attrs.field(factory=dict)
    response_done: bool = False
    held_since: float | None = None

    @property
    def answered(self) -> bool:
        return all(output is not None for output in self.outputs.values())


class Session:
    """One conversation's books; it lives through reconnects.

    Args:
        declared: the functions that the application declared, by name; looked at live.
        hold_timeout: seconds to wait at the most for a response that may have died without
            its `response.done`.
    """

    def __init__(self, declared: Mapping[str, Declared], *, hold_timeout: float = 5.0) -> None:
        self.session_id: str | None = None
        self.conversation_id: str | None = None
        self.response_id: str | None = None
        self.item_id: str | None = None
        self.item_bytes = 0
        self._heard_at = 0.0
        self._continue = False
        self._declared = declared
        self._hold_timeout = hold_timeout
        self._ids = itertools.count(1)
        self._groups: dict[str, _CallGroup] = {}
        self._foreign_calls: OrderedDict[str, None] = OrderedDict()
        self._answered_calls: OrderedDict[str, None] = OrderedDict()
        self._updates: dict[str, events.Error | None] = {}
        self._best_effort: OrderedDict[str, None] = OrderedDict()
        self._books: dict[type[events.Event], Callable[[Any, float], Step]] = {
            events.SessionCreated: self._session_created,
            events.SessionUpdated: self._session_updated,
            events.ConversationCreated: self._conversation_created,
            events.ResponseCreated: self._response_created,
            events.ResponseOutputAudioDelta: self._audio,
            events.ResponseAudioDelta: self._audio,
            events.ResponseFunctionCallArgumentsDone: self._called,
            events.ResponseDone: self._response_done,
            events.Error: self._error,
        }

    # what the server says

    def received(self, event: events.Event, now: float) -> Step:
        """Enter an event of the server's; returns what it sets off."""
        book = self._books.get(type(event))
        return book(event, now) if book is not None else _NOTHING

    def _session_created(self, event: events.SessionCreated, _now: float) -> Step:
        self.session_id = event.session.id or None
        return _NOTHING

    def _conversation_created(self, event: events.ConversationCreated, _now: float) -> Step:
        self.conversation_id = event.conversation.id or None
        return _NOTHING

    def _session_updated(self, _event: events.SessionUpdated, _now: float) -> Step:
        # The echo carries no id of the update: one is in flight at a time.
        for event_id, refusal in self._updates.items():
            if refusal is None:
                del self._updates[event_id]
                break
        return _NOTHING

    def _response_created(self, event: events.ResponseCreated, now: float) -> Step:
        self.response_id = event.response.id or None
        self.item_id = None
        self.item_bytes = 0
        self._heard_at = now
        # The next response proves that the ones before are over, `response.done` or not.
        for response_id, group in self._groups.items():
            if response_id != self.response_id:
                group.response_done = True
        return self._release()

    def _audio(self, event: events.AudioDelta, now: float) -> Step:
        if event.item_id != self.item_id:
            self.item_id = event.item_id or None
            self.item_bytes = 0
        self.item_bytes += len(event.audio)
        self._heard_at = now
        return _NOTHING

    def _response_done(self, event: events.ResponseDone, _now: float) -> Step:
        done = event.response_id or (event.response.id if event.response else None)
        if not done or done == self.response_id:
            self.response_id = None
        if done and (group := self._groups.get(done)):
            group.response_done = True
        return self._release()

    def _called(self, event: events.ResponseFunctionCallArgumentsDone, now: float) -> Step:
        call_id = event.call_id
        declared = self._declared.get(event.name)
        if declared is None:
            # Server-side searches leak as function calls; an answer would be spoken about.
            _remember(self._foreign_calls, call_id)
            return _NOTHING
        response_id = event.response_id or ""
        group = self._groups.setdefault(response_id, _CallGroup())
        if call_id in group.outputs or call_id in self._answered_calls:
            return _NOTHING
        group.outputs[call_id] = None
        group.deadlines[call_id] = now + declared.timeout
        called = events.FunctionCalled(
            call=FunctionCall(call_id=call_id, name=event.name, arguments=event.arguments),
            response_id=response_id or None,
            answered_by=declared.answered_by,
        )
        return Step(tell=(called,))

    def _error(self, event: events.Error, _now: float) -> Step:
        error = event.error
        about = error.event_id or None
        if error.type in FATAL_ERROR_TYPES:
            return Step(fatal=_server_error(event))
        if about in self._best_effort:
            return Step(instead=events.Harmless(error=event))
        for event_id, refusal in self._updates.items():
            if refusal is None and about in (event_id, None):
                self._updates[event_id] = event
                break
        return _NOTHING

    def binary_audio(self, pcm: bytes) -> events.ResponseOutputAudioDelta:
        """A binary frame is a delta of the response that speaks."""
        return events.ResponseOutputAudioDelta(
            audio=pcm, response_id=self.response_id or UNSET, item_id=self.item_id or UNSET
        )

    # what we say

    def new_event_id(self) -> str:
        """An id for a client event, unique in this session."""
        return f"grok_rt-{next(self._ids)}"

    def update_sent(self, event_id: str) -> None:
        """A `session.update` leaves; its echo carries no id, so one at a time is in flight."""
        self._updates[event_id] = None

    def update_abandoned(self, event_id: str) -> None:
        """No answer came: go on as if it had been confirmed."""
        self._updates.pop(event_id, None)

    def update_answered(self, event_id: str) -> bool:
        """Whether the server has confirmed or refused that update."""
        return event_id not in self._updates or self._updates[event_id] is not None

    def take_refusal(self, event_id: str) -> ServerError | None:
        """The refusal of an answered update, once."""
        refusal = self._updates.pop(event_id, None)
        return None if refusal is None else _server_error(refusal)

    @property
    def updating(self) -> bool:
        """Whether a `session.update` waits for its answer; audio is held as long."""
        return None in self._updates.values()

    def best_effort(self, event_id: str) -> None:
        """A refusal of that event changes nothing: it becomes a `Harmless` event."""
        _remember(self._best_effort, event_id)

    def tool_result(self, call_id: str, output: str, now: float) -> tuple[events.ClientEvent, ...]:
        """Answer a call; returns what may leave now, empty while the output is held.

        Raises:
            LocalProtocolError: the call has its answer already, or is the server's own.
        """
        # A lone surrogate could not leave this machine; the books must not fail on release.
        output = output.encode("utf-8", "replace").decode()
        if call_id in self._foreign_calls:
            raise LocalProtocolError(
                f"{call_id} is a call of the server's own tools; it must not be answered"
            )
        for group in self._groups.values():
            if call_id in group.outputs:
                if group.outputs[call_id] is not None:
                    raise _answered_twice(call_id)
                group.outputs[call_id] = output
                group.deadlines.pop(call_id, None)
                if group.answered:
                    group.held_since = now
                return self._release().send
        if call_id in self._answered_calls:
            raise _answered_twice(call_id)
        # A call we never saw, perhaps of a session before this one: nothing to wait for.
        _remember(self._answered_calls, call_id)
        return (_output(call_id, output), events.ResponseCreate())

    # time

    def next_deadline(self) -> float | None:
        """When `due` has something to do at the earliest; None: never."""
        return min(self._deadlines(), default=None)

    def due(self, now: float) -> Step:
        """Release what was held too long, and answer the calls that nobody answered."""
        for group in self._groups.values():
            for call_id in [c for c, deadline in group.deadlines.items() if deadline <= now]:
                del group.deadlines[call_id]
                group.outputs[call_id] = _UNANSWERED
                group.held_since = now
            if group.held_since is not None and group.held_since + self._hold_timeout <= now:
                group.response_done = True
        if self._continue and self._heard_at + self._hold_timeout <= now:
            self.response_id = None
        return self._release()

    def _deadlines(self) -> Iterable[float]:
        for group in self._groups.values():
            yield from group.deadlines.values()
            if group.held_since is not None and not group.response_done:
                yield group.held_since + self._hold_timeout
        if self._continue:
            yield self._heard_at + self._hold_timeout

    def _release(self) -> Step:
        """Let the outputs of finished responses go, then one `response.create`.

        It waits while another response speaks: the server would refuse it.
        """
        send: list[events.ClientEvent] = []
        for response_id, group in list(self._groups.items()):
            if group.response_done and group.answered:
                del self._groups[response_id]
                for call_id, output in group.outputs.items():
                    _remember(self._answered_calls, call_id)
                    send.append(_output(call_id, output or ""))
        self._continue = self._continue or bool(send)
        if self._continue and self.response_id is None:
            self._continue = False
            send.append(events.ResponseCreate())
        return Step(send=tuple(send)) if send else _NOTHING


def _output(call_id: str, output: str) -> events.ConversationItemCreate:
    return events.ConversationItemCreate(
        item=ConversationItem.function_call_output(call_id, output)
    )


def _answered_twice(call_id: str) -> LocalProtocolError:
    return LocalProtocolError(f"{call_id} has its answer already; each call takes one")


def _server_error(event: events.Error) -> ServerError:
    error = event.error
    return ServerError(error.type, error.code or None, error.message, error.event_id or None)


def _remember(memory: OrderedDict[str, None], key: str) -> None:
    """Keep the last thousand: an endless conversation must not grow."""
    memory[key] = None
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
