"""The session's books: what was confirmed, which calls are open, which response speaks.

Pure: no thread, no socket, no clock of its own. `Connection` shows it each event from
the server *before* queueing it and each event of ours before sending it, under one
lock, and sends what it answers. So the audio gate, the release of tool outputs and
`update_session` never wait for anybody's pump.

Everything is correlated by id, never by order: the live order varies.
"""

from __future__ import annotations

import itertools
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import attrs

from grok_rt import events
from grok_rt._unset import UNSET, Unset
from grok_rt.errors import LocalProtocolError, ServerError
from grok_rt.models import ConversationItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["FATAL_ERROR_TYPES", "Declared", "Session", "Step"]

#: `error.type`s after which the server ends the session; all others leave it open.
FATAL_ERROR_TYPES = frozenset({"timeout", "max_duration"})

#: Says so whatever `event_id` it names, or none: only a cancel can be refused like this.
_NOTHING_TO_CANCEL = "no active response"

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

    def answer(self, call_id: str, output: str, now: float) -> None:
        self.outputs[call_id] = output
        del self.deadlines[call_id]
        if self.answered:
            self.held_since = now


class Session:
    """One conversation's books; it lives through reconnects.

    Attributes:
        session_id: the server's id of this connection's session, once known.
        conversation_id: the server's id of the conversation, once known.
        response_id: the response that speaks, or None.
        item_id: what was said last, or is being said.
        item_bytes: how much of that item's sound has come.
        greeted: whether the server has spoken as one of these does; in which order it greets,
            and with which of its events, has changed over time.

    Args:
        declared: the functions that the application declared, by name; looked at live.
        hold_timeout: seconds of silence after which a response counts as over that may have
            died without its `response.done`.
    """

    def __init__(self, declared: Mapping[str, Declared], *, hold_timeout: float = 5.0) -> None:
        self.session_id: str | None = None
        self.conversation_id: str | None = None
        self.response_id: str | None = None
        self.item_id: str | None = None
        self.item_bytes = 0
        self.greeted = False
        self._declared = declared
        self._hold_timeout = hold_timeout
        # Item ids are made of these, and a conversation may outlive this process.
        self._ids = map(f"grok_rt-{secrets.token_hex(4)}-{{}}".format, itertools.count(1))
        self._heard_at = 0.0
        self._continue = False
        self._groups: dict[str | None, _CallGroup] = {}
        self._foreign_calls: OrderedDict[str, None] = OrderedDict()
        self._answered_calls: OrderedDict[str, None] = OrderedDict()
        self._update_id: str | None = None
        self._refusal: ServerError | None = None
        self._best_effort: OrderedDict[str, None] = OrderedDict()
        self._books: dict[type[events.Event], Callable[[Any, float], Step]] = {
            events.SessionCreated: self._session_created,
            events.SessionUpdated: self._session_updated,
            events.ConversationCreated: self._conversation_created,
            events.ResponseCreated: self._response_created,
            events.ResponseOutputItemAdded: self._item_added,
            events.ResponseOutputAudioDelta: self._audio,
            events.ResponseAudioDelta: self._audio,
            events.ResponseFunctionCallArgumentsDone: self._called,
            events.ResponseDone: self._response_done,
            events.ResponseCancelled: self._response_cancelled,
            events.Error: self._error,
        }

    # what the server says

    def received(self, event: events.Event, now: float) -> Step:
        """Enter an event of the server's; returns what it sets off."""
        if self.response_id and getattr(event, "response_id", None) == self.response_id:
            self._heard_at = now
        book = self._books.get(type(event))
        return book(event, now) if book is not None else _NOTHING

    def _session_created(self, event: events.SessionCreated, _now: float) -> Step:
        self.greeted = True
        self.session_id = event.session.id or None
        return _NOTHING

    def _conversation_created(self, event: events.ConversationCreated, _now: float) -> Step:
        self.greeted = True
        self.conversation_id = event.conversation.id or None
        return _NOTHING

    def _session_updated(self, _event: events.SessionUpdated, _now: float) -> Step:
        self.greeted = True
        self._update_id = None
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

    def _item_added(self, event: events.ResponseOutputItemAdded, _now: float) -> Step:
        # Sound in binary frames names no item: it is of the message announced before it.
        if event.item.type == "message" and event.item.id:
            self._speaks(event.response_id, event.item.id)
        return _NOTHING

    def _audio(self, event: events.AudioDelta, _now: float) -> Step:
        if self._speaks(event.response_id, event.item_id):
            self.item_bytes += len(event.audio)
        return _NOTHING

    def _speaks(self, response_id: str | Unset | None, item_id: str | Unset | None) -> bool:
        """Whether it is the response that speaks, and no late part of one that was cancelled."""
        if response_id and self.response_id not in (response_id, None):
            return False
        item_id = item_id or self.item_id
        if item_id != self.item_id:
            self.item_id = item_id
            self.item_bytes = 0
        return True

    def _response_done(self, event: events.ResponseDone, _now: float) -> Step:
        nested = event.response.id if event.response else None
        return self._response_over(event.response_id or nested)

    def _response_cancelled(self, event: events.ResponseCancelled, _now: float) -> Step:
        return self._response_over(event.response_id)

    def _response_over(self, named: str | Unset | None) -> Step:
        over = named or self.response_id
        if over == self.response_id:
            self.response_id = None
        if group := self._groups.get(over):
            group.response_done = True
        return self._release()

    def _called(self, event: events.ResponseFunctionCallArgumentsDone, now: float) -> Step:
        call_id = event.call_id
        declared = self._declared.get(event.name)
        if declared is None:
            # Server-side searches leak as function calls; an answer would be spoken about.
            _remember(self._foreign_calls, call_id)
            return _NOTHING
        if call_id in self._answered_calls or self._group_of(call_id) is not None:
            return _NOTHING
        response_id = event.response_id or self.response_id
        group = self._groups.setdefault(response_id, _CallGroup())
        group.outputs[call_id] = None
        group.deadlines[call_id] = now + declared.timeout
        group.held_since = None
        called = events.FunctionCalled(
            call=event.function_call(),
            response_id=response_id,
            answered_by=declared.answered_by,
        )
        return Step(tell=(called,))

    def _error(self, event: events.Error, _now: float) -> Step:
        about = event.error.event_id or None
        error = ServerError(event.error.type, event.error.code or None, event.message, about)
        if error.type in FATAL_ERROR_TYPES:
            return Step(fatal=error)
        if about in self._best_effort or _NOTHING_TO_CANCEL in error.message.lower():
            return Step(instead=events.Harmless(error=event))
        if self._update_id is not None and about in (self._update_id, None):
            self._update_id = None
            self._refusal = error
        return _NOTHING

    def binary_audio(self, pcm: bytes) -> events.ResponseOutputAudioDelta:
        """A binary frame is a delta of the response that speaks."""
        return events.ResponseOutputAudioDelta(
            audio=pcm, response_id=self.response_id or UNSET, item_id=self.item_id or UNSET
        )

    # what we say

    def new_event_id(self) -> str:
        """An id for a client event, unlike any other."""
        return next(self._ids)

    def update_sent(self, event_id: str) -> None:
        """A `session.update` leaves; its echo carries no id, so one at a time is in flight."""
        self._update_id = event_id
        self._refusal = None

    def update_answered(self, event_id: str) -> bool:
        """Whether the server has confirmed or refused that update."""
        return self._update_id != event_id

    def take_refusal(self, event_id: str) -> ServerError | None:
        """The end of an update, answered or not: the refusal, if there was one."""
        if self._update_id == event_id:
            self._update_id = None
        refusal, self._refusal = self._refusal, None
        return refusal

    @property
    def updating(self) -> bool:
        """Whether a `session.update` waits for its answer; audio is held as long."""
        return self._update_id is not None

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
        if group := self._group_of(call_id):
            if group.outputs[call_id] is not None:
                raise _answered_twice(call_id)
            group.answer(call_id, output, now)
            return self._release().send
        if call_id in self._answered_calls:
            raise _answered_twice(call_id)
        # A call we never saw, perhaps of a session before this one: nothing to hold it for.
        _remember(self._answered_calls, call_id)
        self._continue = True
        return (self._output(call_id, output), *self._release().send)

    # time

    def next_deadline(self) -> float | None:
        """When `due` has something to do at the earliest; None: never."""
        return min(self._deadlines(), default=None)

    def due(self, now: float) -> Step:
        """Release what was held too long, and answer the calls that nobody answered."""
        for response_id, group in self._groups.items():
            for call_id in [c for c, deadline in group.deadlines.items() if deadline <= now]:
                group.answer(call_id, _UNANSWERED, now)
            if (held_until := self._held_until(response_id, group)) and held_until <= now:
                group.response_done = True
        if self._continue and self._heard_at + self._hold_timeout <= now:
            self.response_id = None
        return self._release()

    def _deadlines(self) -> Iterable[float]:
        for response_id, group in self._groups.items():
            yield from group.deadlines.values()
            if held_until := self._held_until(response_id, group):
                yield held_until
        if self._continue:
            yield self._heard_at + self._hold_timeout

    def _held_until(self, response_id: str | None, group: _CallGroup) -> float | None:
        """When the response must be dead; a sign of life of it counts."""
        if group.held_since is None or group.response_done:
            return None
        speaks = response_id == self.response_id
        since = max(group.held_since, self._heard_at) if speaks else group.held_since
        return since + self._hold_timeout

    # calls

    def _group_of(self, call_id: str) -> _CallGroup | None:
        return next((group for group in self._groups.values() if call_id in group.outputs), None)

    def _output(self, call_id: str, output: str) -> events.ConversationItemCreate:
        item = ConversationItem.function_call_output(call_id, output)
        return events.ConversationItemCreate(event_id=self.new_event_id(), item=item)

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
                    send.append(self._output(call_id, output or ""))
        self._continue = self._continue or bool(send)
        if self._continue and self.response_id is None:
            self._continue = False
            send.append(events.ResponseCreate(event_id=self.new_event_id()))
        return Step(send=tuple(send)) if send else _NOTHING


def _answered_twice(call_id: str) -> LocalProtocolError:
    return LocalProtocolError(f"{call_id} has its answer already; each call takes one")


def _remember(memory: OrderedDict[str, None], key: str) -> None:
    """Keep the last thousand: an endless conversation must not grow."""
    memory[key] = None
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
