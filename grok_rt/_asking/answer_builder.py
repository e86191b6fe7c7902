"""What makes an `Answer`: a question's events, told from everybody else's by their ids.

`AnswerBuilder` is pure: it is fed with each event and its time, says when the whole turn is over,
and what it still waits for. No clock, no thread, no client; whoever asks feeds it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import attrs

from grok_rt import events
from grok_rt._asking.parts import Parts
from grok_rt._dispatch import dispatched
from grok_rt._session.unconfirmed import ASK_KEY
from grok_rt._unset import Unset
from grok_rt.answer import Answer, Latency
from grok_rt.audio import AudioClip, AudioFormat
from grok_rt.conversation import Conversation, Turn
from grok_rt.models import FunctionCall, ResponseInfo, TokenDetails, Usage

__all__ = ["AnswerBuilder"]

_W = TypeVar("_W", Usage, TokenDetails)


@attrs.define(eq=False)
class _Response:
    """One response that belongs to the question."""

    id: str
    calls: list[FunctionCall] = attrs.field(factory=list)  # declared ones: somebody answers them
    spoke: bool = False
    leaked: str | None = None  # the last thing in it is a call that is the server's to answer
    first_audio: float | None = None
    ended: float | None = None
    cut: bool = False  # it ended before it was whole
    superseded: bool = False  # the question went on: it answers a part of it only

    @property
    def over(self) -> bool:
        return self.ended is not None


class AnswerBuilder:
    """Follows one question through the events until all of its answer is there.

    A text question is known by `ask_id`, sent as ``metadata={ASK_KEY: ask_id}``, and by the
    `item_id` of its message. A spoken one carries neither: it owns the speech that the server
    hears from now on, and the responses created after that speech was first mentioned.

    Args:
        started: when the question was put, in seconds.
        format: what the session's output audio is.
        ask_id: the id of a text question; None for a spoken one.
        item_id: the id of the message that holds it.
        settled: whether all of it was sent before; else `settle` says when. Until then no
            response is the last: the server may take a pause for the end.
        live: nobody knows beforehand where its sound ends: a whole reply is the answer.
        parts: takes the parts of the answer as they come, where somebody wants them.
    """

    def __init__(
        self,
        started: float,
        format: AudioFormat,
        *,
        ask_id: str | None = None,
        item_id: str | None = None,
        settled: bool = True,
        live: bool = False,
        parts: Parts | None = None,
    ) -> None:
        self._asked = started
        self._said: float | None = None
        self._settled = settled
        self._live = live
        self._parts = parts
        self._format = format
        self._ask_id = ask_id
        self._items: set[str] = set() if item_id is None else {item_id}
        self._responses: dict[str, _Response] = {}
        self._conversation = Conversation(max_audio=math.inf)
        self._speech_open = False
        self._ended: float | None = None
        self._status = "incomplete"
        self._interrupted = False
        self._calls: list[FunctionCall] = []
        self._usage: list[Usage] = []
        self._seen = ""
        if settled or live:
            self._release()

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._ended is not None

    @property
    def begun(self) -> bool:
        """Whether anything of the answer came: asking again would have it said twice."""
        return bool(self._responses)

    @property
    def response_ids(self) -> Collection[str]:
        """The responses to it so far."""
        return tuple(self._responses)

    @property
    def leaked(self) -> str | None:
        """The function whose call, the last thing in a whole response, nobody here answers."""
        current = self._current
        return current.leaked if current is not None and current.over else None

    @property
    def awaited(self) -> str:
        """What is missing, in words, with the last event seen: for the message of a timeout."""
        last = f"the last event was {self._seen}" if self._seen else "no event came since"
        return f"{self._missing()}; {last}"

    def feed(self, event: events.Event, now: float) -> bool:
        """Take one event, which came at `now` seconds; True as soon as the answer is complete."""
        if self.done:
            return True
        self._seen = event.type
        self._claim(event, now)
        if self._owns(event) or (self.begun and isinstance(event, events.Reconnecting)):
            self._conversation.feed(event, now)
            self._follow(event, now)
            if self._parts is not None:
                current = "" if self._current is None else self._current.id
                self._parts.feed(event, getattr(event, "response_id", None) or current)
        return self.done

    def said(self, now: float) -> None:
        """All of its speech was sent at `now` seconds."""
        self._said = now

    def settle(self) -> bool:
        """The server has heard all of its speech, so what ends now is the end; True if it has."""
        self._settled = True
        self._release()
        current = self._current
        if self.done or current is None or current.ended is None:
            return self.done
        if not (current.superseded or self._goes_on(current)):
            bare = current.cut and self._status == "completed"
            self._finish(self._status, current.ended, cut=bare)
        return self.done

    def give_up(self, now: float) -> None:
        """Nothing more can come: what there is of the answer is ``incomplete``."""
        self._finish("incomplete", now, cut=True)

    def answer(self, now: float) -> Answer:
        """The answer as far as it has come by `now`; ``incomplete`` unless it is `done`."""
        turns = tuple(self._conversation)
        spoken = [turn for turn in turns if turn.role == "assistant" and self._counts(turn)]
        ended = now if self._ended is None else self._ended
        first = self._first_audio
        asked = self._asked
        # What seems to be speech may be noise: then the server knew the end before we did.
        if self._said is not None and self._said <= (ended if first is None else first):
            asked = self._said
        return Answer(
            text=" ".join(turn.text.strip() for turn in spoken if turn.text),
            audio=AudioClip(b"".join(turn.audio for turn in spoken), self._format),
            tool_calls=tuple(self._calls),
            usage=_total(self._usage),
            latency=Latency(None if first is None else first - asked, ended - asked),
            status=self._status,
            interrupted=self._interrupted or any(turn.interrupted for turn in spoken),
            turns=turns,
        )

    # -- whose event is it -------------------------------------------------------------------------

    def _claim(self, event: events.Event, now: float) -> None:
        """Learn from the event which items and responses are this question's."""
        if isinstance(event, events.ResponseCreated):
            self._created(event.response, now)
        elif self._ask_id is None and isinstance(
            event,
            (
                events.InputAudioBufferSpeechStarted,
                events.InputAudioBufferSpeechStopped,
                events.InputAudioBufferCommitted,
            ),
        ):
            self._items.add(event.item_id)
        elif (
            isinstance(event, (events.ResponseOutputItemAdded, events.ResponseOutputItemDone))
            and event.response_id in self._responses
            and event.item.id
        ):
            self._items.add(event.item.id)

    def _created(self, response: ResponseInfo, now: float) -> None:
        current = self._current
        if self._is_ours(response):
            if current is not None and self._ask_id is None:
                current.superseded |= current.cut or not current.over
            name = response.id or ""
            self._responses[name] = _Response(name)
        elif current is not None and not current.over:
            self.give_up(now)  # for a response of somebody else

    def _is_ours(self, response: ResponseInfo) -> bool:
        mark = (response.metadata or {}).get(ASK_KEY)
        if mark is not None:
            return bool(mark == self._ask_id)
        if self._current is None:
            return self._ask_id is None and bool(self._items)
        # The continuation after a call, or, of speech that went on, the reply to all of it.
        return self._current.over or self._ask_id is None

    @property
    def _current(self) -> _Response | None:
        return next(reversed(self._responses.values()), None)

    @property
    def _first_audio(self) -> float | None:
        kept = (r.first_audio for r in self._responses.values() if not r.superseded)
        return next((at for at in kept if at is not None), None)

    def _counts(self, turn: Turn) -> bool:
        """Whether a turn is no reply to a mere part of the question."""
        response = self._responses.get(turn.response_id or "")
        return response is None or not response.superseded

    def _owns(self, event: events.Event) -> bool:
        response = getattr(event, "response", None)
        response_id = getattr(event, "response_id", None) or getattr(response, "id", None)
        if response_id:
            return response_id in self._responses
        item = getattr(event, "item", None)
        if getattr(item, "type", None) == "function_call_output":
            return getattr(item, "call_id", None) in {call.call_id for call in self._calls}
        return (getattr(event, "item_id", None) or getattr(item, "id", None)) in self._items

    # -- how far is it -----------------------------------------------------------------------------

    @dispatched
    def _follow(self, event: events.Event, now: float) -> None:
        """What an event of ours says about the end; the rest says nothing."""

    @_follow.register
    def _speech(self, _event: events.InputAudioBufferSpeechStarted, _now: float) -> None:
        self._speech_open = True
        if not self._settled:
            for response in self._responses.values():
                response.superseded |= response.over

    @_follow.register(events.InputAudioBufferSpeechStopped)
    @_follow.register(events.InputAudioBufferCommitted)
    def _silence(self, _event: events.Event, now: float) -> None:
        if self._speech_open and self._first_audio is None:
            self._asked = now  # a spoken question is put when its speech ends
        self._speech_open = False

    @_follow.register
    def _sound(self, event: events.AudioDelta, now: float) -> None:
        response = self._responses.get(event.response_id or "") or self._current
        if response is not None and response.first_audio is None:
            response.first_audio = now
        self._spoke(event)

    @_follow.register(events.TranscriptDelta)
    @_follow.register(events.TextDelta)
    def _words(self, event: events.TranscriptDelta | events.TextDelta, _now: float) -> None:
        self._spoke(event)

    def _spoke(self, event: events.ResponsePart) -> None:
        if event.response_id:
            response = self._responses[event.response_id]
            response.spoke, response.leaked = True, None

    @_follow.register
    def _call(self, event: events.ResponseFunctionCallArgumentsDone, _now: float) -> None:
        self._leaked(event.response_id, event)

    @_follow.register
    def _item(self, event: events.ResponseOutputItemDone, _now: float) -> None:
        if event.item.type == "function_call":
            self._leaked(event.response_id, event.item)

    def _leaked(self, response_id: str | Unset | None, call: Any) -> None:
        """A call is the server's own until `FunctionCalled` says otherwise."""
        response = self._responses.get(response_id or "")
        if response is not None and call.call_id not in {each.call_id for each in response.calls}:
            response.leaked = call.name or "?"

    @_follow.register
    def _called(self, event: events.FunctionCalled, _now: float) -> None:
        response = self._responses[event.response_id or ""]
        response.calls.append(event.call)
        response.leaked = None
        self._calls.append(event.call)

    @_follow.register
    def _interrupt(self, _event: events.Interrupted, _now: float) -> None:
        self._interrupted = True

    @_follow.register
    def _lost(self, _event: events.Reconnecting, now: float) -> None:
        self.give_up(now)  # the next connection does not go on with it

    @_follow.register
    def _over(self, event: events.ResponseDone, now: float) -> None:
        info = event.response or ResponseInfo()
        response = self._responses[event.response_id or info.id or ""]
        response.ended = now
        if event.total_usage:
            self._usage.append(event.total_usage)
        self._status = info.status or "completed"
        # Of a response that somebody's speech has cut, the live server says `completed`, output [].
        bare = info.output == () and not self._goes_on(response)
        response.cut = bare or self._status != "completed"
        is_whole = not (response.cut or self._goes_on(response))
        if (self._settled and response.cut) or ((self._settled or self._live) and is_whole):
            self._finish(self._status, now, cut=bare)

    def _goes_on(self, response: _Response) -> bool:
        """Whether another response will follow this one."""
        heard_more = self._speech_open and not response.spoke
        return bool(response.calls or response.leaked) or heard_more

    def _release(self) -> None:
        if self._parts is not None:
            self._parts.release([r.id for r in self._responses.values() if r.superseded])

    def _finish(self, status: str, now: float, *, cut: bool = False) -> None:
        self._status = status
        self._interrupted |= cut
        self._ended = now
        self._release()

    def _missing(self) -> str:
        current = self._current
        if self.done:
            return "nothing is missing"
        if current is None:
            return "no response to the question was created"
        if not current.over:
            return f"response {current.id} has not ended"
        if current.leaked is not None:
            whose = "which this client did not declare, is the server's to answer"
            return f"no response followed; the call of {current.leaked!r}, {whose}"
        names = ", ".join(call.name for call in current.calls)
        return f"no response followed the call of {names}" if names else "no response followed"


def _total(parts: Sequence[Usage]) -> Usage | None:
    """Add up what the responses cost, but for what the server adds up itself."""
    if len(parts) < 2:
        return parts[0] if parts else None
    total = _sum(parts)
    return attrs.evolve(total, billable_audio_seconds=parts[-1].billable_audio_seconds)


def _sum(parts: Sequence[_W]) -> _W:
    """Add wire objects field by field; what only some of them have counts where it is."""
    sums: dict[str, Any] = {}
    for field in attrs.fields(type(parts[0])):
        values = [value for part in parts if (value := getattr(part, field.name))]
        if values and field.name != "extra":
            sums[field.name] = _sum(values) if attrs.has(type(values[0])) else sum(values)
    return attrs.evolve(parts[0], **sums)
