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
from grok_rt._session.calls import Calls, Declared, remember
from grok_rt._session.unconfirmed import Unconfirmed
from grok_rt._unset import UNSET, Unset
from grok_rt.errors import ServerError
from grok_rt.usage import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

__all__ = ["FATAL_ERROR_TYPES", "QUIET", "Declared", "Session", "Step"]

#: `error.type`s after which the server ends the session; all others leave it open.
FATAL_ERROR_TYPES = frozenset({"timeout", "max_duration"})

#: Says so whatever `event_id` it names, or none: only a cancel can be refused like this.
_NOTHING_TO_CANCEL = "no active response"

#: The server failed; the session may live on.
_INTERNAL_ERROR = "internal_error"

_PAUSE = 2.0  # seconds without anything said, after which nothing is about to happen


@attrs.frozen
class Step:
    """What one event sets off.

    Attributes:
        send: client events that may leave now, in order.
        tell: local events that follow the event in the inbox.
        instead: what the inbox gets in place of the event.
        answers_update: a `session.update` is confirmed or refused: audio may flow.
        fatal: the server has ended the session, and why.
        spent: the budget is, so we end it.
    """

    send: Sequence[events.ClientEvent] = ()
    tell: tuple[events.LocalEvent, ...] = ()
    instead: events.Event | None = None
    answers_update: bool = False
    fatal: ServerError | None = None
    spent: events.BudgetSpent | None = None


_NOTHING = Step()

#: Of sound: nothing that anybody waits for has changed.
QUIET = Step()
_UPDATED = Step(answers_update=True)


class Session:
    """One conversation's books; it lives through reconnects.

    Attributes:
        session_id: the server's id of this connection's session, once known.
        conversation_id: the server's id of the conversation, once known.
        item_id: what was said last, or is being said.
        item_bytes: how much of that item's sound has come.
        greeted: whether the server has spoken as one of these does; in which order it greets,
            and with which of its events, has changed over time.
        is_resumed: it has taken up the conversation of the connection before.
        trouble: the server's failure, if no response was created since.
        stirred_at: when anything that may have consequences was said or heard last.

    Args:
        declared: the functions that the application declared, by name; looked at live.
        hold_timeout: seconds of silence after which a response counts as over that may have
            died without its `response.done`.
        meter: counts what the conversation costs.
        unwanted: is told the ids of open calls whose answers are perhaps not wanted any more;
            it must be quick, whatever thread that is.
    """

    def __init__(
        self,
        declared: Mapping[str, Declared],
        *,
        hold_timeout: float = 5.0,
        meter: Meter | None = None,
        unwanted: Callable[[Collection[str]], None] = lambda _: None,
    ) -> None:
        self.meter = Meter() if meter is None else meter
        self._metered = self.meter.hears
        self.session_id: str | None = None
        self.conversation_id: str | None = None
        self.item_id: str | None = None
        self.item_bytes = 0
        self.greeted = False
        self.is_resumed = False
        self.trouble: ServerError | None = None
        self.stirred_at = 0.0
        # Item ids are made of these, and a conversation may outlive this process.
        self._ids = map(f"grok_rt-{secrets.token_hex(4)}-{{}}".format, itertools.count(1))
        self._calls = Calls(declared, self.new_event_id, hold_timeout, unwanted)
        self._update_id: str | None = None
        self._refusals: dict[str, ServerError] = {}
        self._suspended = False
        self._resumes: str | None = None
        self._updates: OrderedDict[str, None] = OrderedDict()
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
            events.ConversationItemAdded: self._added,
            events.InputAudioBufferSpeechStarted: self._user_speaks,
            events.InputAudioTranscriptionUpdated: self._user_goes_on,
            events.InputAudioTranscriptionCompleted: self._user_goes_on,
            events.InputAudioBufferSpeechStopped: self._user_silent,
            events.InputAudioBufferCommitted: self._user_silent,
            events.InputAudioBufferCleared: self._user_silent,
            events.Error: self._error,
        }

    @property
    def response_id(self) -> str | None:
        """The response that speaks, or None."""
        return self._calls.response_id

    @property
    def unconfirmed(self) -> Unconfirmed:
        """What has to be said again if the line is lost."""
        return self._calls.unconfirmed

    # what the server says

    def received(self, event: events.Event, now: float) -> Step:
        """Enter an event of the server's; returns what it sets off."""
        calls = self._calls
        speaking = calls.response_id
        if speaking and getattr(event, "response_id", None) == speaking:
            calls.heard_at = now
        kind = type(event)
        if kind in self._metered:
            self.meter.received(event, now)
        book = self._books.get(kind)
        return book(event, now) if book is not None else _NOTHING

    def _session_created(self, event: events.SessionCreated, _now: float) -> Step:
        self.greeted = True
        self.session_id = event.session.id or None
        return _NOTHING

    def _conversation_created(self, event: events.ConversationCreated, _now: float) -> Step:
        self.greeted = True
        self.conversation_id = event.conversation.id or None
        self.is_resumed = self.conversation_id == self._resumes is not None
        return _NOTHING

    def _session_updated(self, _event: events.SessionUpdated, _now: float) -> Step:
        self.greeted = True
        self._update_id = None
        return _UPDATED

    def _response_created(self, event: events.ResponseCreated, now: float) -> Step:
        self.item_id = None
        self.item_bytes = 0
        self.trouble = None
        self.unconfirmed.response_created(event.response)
        self._calls.began(event.response.id or None, now)
        return self._release()

    def _item_added(self, event: events.ResponseOutputItemAdded, _now: float) -> Step:
        # Sound in binary frames names no item: it is of the message announced before it.
        if event.item.type == "message" and event.item.id:
            self._speaks(event.response_id, event.item.id)
        return _NOTHING

    def _audio(self, event: events.AudioDelta, _now: float) -> Step:
        self.meter.heard(event)
        is_next = event.item_id == self.item_id and event.response_id == self._calls.response_id
        if is_next or self._speaks(event.response_id, event.item_id):
            self.item_bytes += len(event.audio)
        return QUIET

    def _speaks(self, response_id: str | Unset | None, item_id: str | Unset | None) -> bool:
        """Whether it is the response that speaks, and no late part of one that was cancelled."""
        speaking = self._calls.response_id
        if response_id and speaking is not None and speaking != response_id:
            return False
        item_id = item_id or self.item_id
        if item_id != self.item_id:
            self.item_id = item_id
            self.item_bytes = 0
        return True

    def _response_done(self, event: events.ResponseDone, now: float) -> Step:
        self.stirred_at = now
        nested = event.response
        over = event.response_id or (nested.id if nested else None) or self.response_id
        cancelled = nested.status == "cancelled" if nested else False
        self._calls.over(over, cancelled=cancelled)
        return self._release()

    def _response_cancelled(self, event: events.ResponseCancelled, now: float) -> Step:
        self.stirred_at = now
        self._calls.over(event.response_id or self.response_id, cancelled=True)
        return self._release()

    def _called(self, event: events.ResponseFunctionCallArgumentsDone, now: float) -> Step:
        called = self._calls.called(event, now)
        return _NOTHING if called is None else Step(tell=(called,))

    def _added(self, event: events.ConversationItemAdded, _now: float) -> Step:
        if event.item.type == "function_call_output" and event.item.call_id:
            self.unconfirmed.output_added(event.item.call_id)
        return _NOTHING

    def _user_speaks(self, _event: events.Event, now: float) -> Step:
        self._calls.user_speaks(now)
        return _NOTHING

    def _user_goes_on(self, _event: events.Event, now: float) -> Step:
        if self._calls.speech_at is not None:
            self._calls.speech_at = now
        return _NOTHING

    def _user_silent(self, _event: events.Event, now: float) -> Step:
        self.stirred_at = now
        self._calls.speech_at = None
        return self._release()

    def _error(self, event: events.Error, _now: float) -> Step:
        about = event.error.event_id or None
        error = ServerError(event.error.type, event.error.code or None, event.message, about)
        if error.type in FATAL_ERROR_TYPES:
            return Step(fatal=error)
        if error.type == _INTERNAL_ERROR:
            self.trouble = error
        if about in self._best_effort or _NOTHING_TO_CANCEL in error.message.lower():
            return Step(instead=events.Harmless(error=event))
        if self._update_id is not None and about in (self._update_id, None):
            self._refusals[self._update_id] = error
            self._update_id = None
            return _UPDATED
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
        remember(self._updates, event_id, None)

    def update_answered(self, event_id: str) -> bool:
        """Whether the server has confirmed or refused that update."""
        return self._update_id != event_id

    def take_refusal(self, event_id: str) -> ServerError | None:
        """The end of an update, answered or not: the refusal, if there was one."""
        if self._update_id == event_id:
            self._update_id = None
        return self._refusals.pop(event_id, None)

    def best_effort(self, event_id: str) -> None:
        """A refusal of that event changes nothing: it becomes a `Harmless` event."""
        remember(self._best_effort, event_id, None)

    def interrupted(self, item_id: str | None = None) -> tuple[str | None, str | None, int | None]:
        """The response that speaks shall stop; it, its item, and the bytes that came of it.

        If that is no longer the one of `item_id`, nothing stops.
        """
        if item_id not in (None, self.item_id):
            return None, item_id, None
        self._calls.interrupted()
        return self.response_id, self.item_id, self.item_bytes

    def forgone(self, response_ids: Collection[str]) -> None:
        """Nobody waits for these responses any more: nothing follows their calls."""
        self._calls.forgone(response_ids)

    def tool_result(self, call_id: str, output: str, now: float) -> Sequence[events.ClientEvent]:
        """Answer a call; returns what may leave now. Raises as `Calls.result`."""
        return self._calls.result(call_id, output, now)

    def ask(self, ask_id: str, *question: events.ClientEvent) -> Sequence[events.ClientEvent]:
        """Put a question, again after a lost line; returns what may leave now."""
        for event in question:
            self.meter.sent(event)
        self.unconfirmed.asked(ask_id, question)
        return () if self._suspended else question

    # the line

    def lost(self, unsent: Iterable[events.ClientEvent]) -> list[events.ClientEvent]:
        """The connection is lost, and what was its own; nothing leaves until `goes_on`.

        Returns:
            What of `unsent` is neither pointless now nor said again anyway.
        """
        if self._suspended:
            self.conversation_id = self._resumes  # an attempt failed; the next one tries again
        self._suspended = True
        self._resumes = self.conversation_id
        self.greeted = self.is_resumed = False
        self.session_id = self.item_id = self.trouble = self._update_id = None
        self.item_bytes = 0
        self._calls.suspend()
        again = {event.event_id for event in self.unconfirmed.all()}
        gone = (again, self._updates, self._best_effort)
        return [e for e in unsent if not any(getattr(e, "event_id", None) in ids for ids in gone)]

    def goes_on(self) -> Sequence[events.ClientEvent]:
        """There is a connection again; returns what has to be said first."""
        self._suspended = False
        self._calls.resume(same=self.is_resumed)
        return self.unconfirmed.all()

    def is_quiet(self, now: float) -> bool:
        """Whether nothing is under way, and nothing was said for a while."""
        calls = self._calls
        open_ends = (calls.response_id, calls.is_waiting, self.unconfirmed, self._update_id)
        is_calm = calls.speech_at is None and not any(open_ends)
        return is_calm and now - self.stirred_at >= _PAUSE

    # time

    @property
    def quiet_at(self) -> float | None:
        """When what speaks, response or user, counts as over if it is silent; None: it is quiet."""
        return self._calls.quiet_at

    @property
    def is_waiting(self) -> bool:
        """Whether there may be a deadline."""
        return self._calls.is_waiting or self.meter.budget is not None

    def next_deadline(self) -> float | None:
        """When `due` has something to do at the earliest; None: never."""
        deadlines = [*self._calls.deadlines()]
        if (check := self.meter.next_check()) is not None:
            deadlines.append(check)
        return min(deadlines, default=None)

    def due(self, now: float) -> Step:
        """Release what was held too long, answer calls that nobody answered, mind the budget."""
        told = tuple(self.meter.check(now))
        spent = next((event for event in told if isinstance(event, events.BudgetSpent)), None)
        return Step(send=self._calls.due(now), tell=told, spent=spent)

    def _release(self) -> Step:
        send = self._calls.release()
        return Step(send=send) if send else _NOTHING
