"""What was said, by whom and when: turns, assembled from events.

Everything is correlated by item, response and call id, never by the order in which events come:
the live order varies. No clock (each event is fed with its time), no thread, no client. One
thread feeds (the pump); any thread may read. Bounded: old turns are forgotten, and of sound no
more is kept than was asked for.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
import msgspec

from grok_rt import events
from grok_rt._dispatch import dispatched
from grok_rt._notebook import conversation_card
from grok_rt._turn import Draft, Turn, call_of, text_of
from grok_rt._unset import Unset
from grok_rt.audio import AudioFormat, pcm16
from grok_rt.errors import ConfigError
from grok_rt.models import ConversationItem, FunctionCall, ResponseInfo

__all__ = ["Conversation", "Turn"]


class Conversation:
    """The turns of a conversation, in the order in which it mentioned them first.

    A client has one, `GrokClient.conversation`. Another is fed by hand::

        conversation = Conversation(max_audio=60.0)
        client.on(events.Event)(lambda event: conversation.feed(event, time.monotonic()))

    Turns in which nothing was said are left out.

    Args:
        max_turns: beyond these the oldest are forgotten.
        max_audio: seconds of the assistant's voice that are kept, the newest; by default none.
        format: what that sound is: the session's output format.

    Raises:
        AudioError: seconds of this format cannot be counted, as those of Opus; ``math.inf`` can.
    """

    def __init__(
        self,
        *,
        max_turns: int = 1000,
        max_audio: float = 0.0,
        format: AudioFormat | None = None,
    ) -> None:
        self._max_turns = max_turns
        self._max_bytes: float = 0
        if max_audio == math.inf:
            self._max_bytes = math.inf
        elif max_audio > 0:
            self._max_bytes = (format or pcm16()).frame_bytes(max_audio * 1000)
        self._lock = threading.Lock()
        self._drafts: dict[str, Draft] = {}  # by item id, in order
        self._aliases: dict[str, str] = {}  # a replayed item's new id → the id it had
        self._calls: dict[str, str] = {}  # call id → item id of its call
        self._sounding: deque[Draft] = deque()  # those with sound, in order
        self._bytes = 0
        self._speaking: str | None = None  # the response that is under way
        self._replayed_up_to = 0
        self._sounds: object = ""  # the item of which sound came last

    @classmethod
    def restore(cls, data: Iterable[Mapping[str, Any]], *, max_turns: int = 1000) -> Conversation:
        """Make one of what `export` gave, perhaps in another process.

        Raises:
            ConfigError: it is something else; the sentence says where.
        """
        try:
            turns = msgspec.convert(list(data), list[Turn])
        except (TypeError, msgspec.ValidationError) as error:
            raise ConfigError(f"this is no exported conversation: {error}") from None
        conversation = cls(max_turns=max_turns)
        conversation.add(turns)
        return conversation

    def add(self, turns: Iterable[Turn]) -> None:
        """Put in turns of an earlier session, as they were, behind those that are there.

        Their times are of the clock they were made by.
        """
        with self._lock:
            for turn in turns:
                if turn.item_id in self._drafts:
                    self._forget(turn.item_id)
                self._drafts[turn.item_id] = draft = Draft(attrs.evolve(turn, replayed=True))
                draft.know(audio=b"", ended=turn.started if turn.ended is None else turn.ended)
                if turn.text or turn.has_output:
                    draft.parts = {0: turn.text}
                if turn.call is not None:
                    self._calls[turn.call.call_id] = turn.item_id
            self._forget_oldest()

    def feed(self, event: events.Event, now: float) -> None:
        """Take one event, which came at `now` seconds; events that are no news are ignored."""
        if not self._max_bytes and isinstance(event, events.AudioDelta):
            # By far the most of what comes, and after the first of an item no news at all.
            if event.item_id and event.item_id == self._sounds:
                return
            self._sounds = event.item_id
        with self._lock:
            self._take(event, now)
            self._forget_oldest()

    def __iter__(self) -> Iterator[Turn]:
        """The turns as they are now: a copy, which later events do not change."""
        with self._lock:
            return iter([draft.whole() for draft in self._drafts.values() if not draft.is_empty])

    def __len__(self) -> int:
        with self._lock:
            return sum(not draft.is_empty for draft in self._drafts.values())

    def __str__(self) -> str:
        return "\n".join(f"{turn.role}: {turn.text}" for turn in self)

    def __repr__(self) -> str:
        return f"Conversation({len(self)} turns)"

    def _repr_html_(self) -> str:
        return conversation_card(self)

    def export(self) -> list[dict[str, Any]]:
        """The turns as plain data that JSON can hold, without the sound; see `restore`."""
        return [attrs.asdict(turn, filter=lambda field, _: field.name != "audio") for turn in self]

    # -- items ---------------------------------------------------------------------------------

    def _draft(self, item_id: str, role: str, now: float, response_id: str | None = None) -> Draft:
        item_id = self._aliases.get(item_id, item_id)
        draft = self._drafts.get(item_id)
        if draft is None:
            draft = self._drafts[item_id] = Draft(Turn(role, "", item_id, started=now))
        if response_id and not draft.turn.response_id:
            draft.know(response_id=response_id)
        return draft

    def _known(self, item_id: str | Unset | None) -> Draft | None:
        return self._drafts.get(self._aliases.get(item_id, item_id)) if item_id else None

    def _forget(self, item_id: str) -> None:
        draft = self._drafts.pop(item_id)
        if draft.audio:
            self._sounding.remove(draft)
            self._bytes -= len(draft.audio)
        for book in (self._aliases, self._calls):
            for key in [key for key, value in book.items() if value == item_id]:
                del book[key]

    def _forget_oldest(self) -> None:
        while len(self._drafts) > self._max_turns:
            self._forget(next(iter(self._drafts)))
            self._replayed_up_to = max(0, self._replayed_up_to - 1)

    @dispatched
    def _take(self, event: events.Event, now: float) -> None:
        """What each kind of event says about the turns; the rest says nothing."""

    @_take.register(events.SessionCreated)
    @_take.register(events.ConversationCreated)
    def _session(self, _event: events.Event, _now: float) -> None:
        self._replayed_up_to = 0  # a resumed conversation is told again from its beginning

    @_take.register(events.ConversationItemAdded)
    @_take.register(events.ConversationItemCreated)
    def _item(
        self, event: events.ConversationItemAdded | events.ConversationItemCreated, now: float
    ) -> None:
        item = event.item
        if not item.id:
            return
        if item.type == "function_call":
            self._call(call_of(item), item.id, now, None)
        elif item.type == "function_call_output":
            self._output(item, now)
        elif self._known(item.id) is None and _is_replay(event):
            self._replay(item.id, item, now)
        else:
            draft = self._draft(item.id, item.role or "user", now)
            text = text_of(item)
            if text and not draft.text:  # a duplicate that comes late has less, never more
                draft.parts = {0: text}
            if item.status == "completed" and draft.turn.role != "assistant":
                draft.end(now)

    def _replay(self, item_id: str, item: ConversationItem, now: float) -> None:
        """Recognise a turn that a resumed session tells again, under a new id."""
        text = text_of(item)
        for index, draft in enumerate(self._drafts.values()):
            told = index >= self._replayed_up_to and draft.turn.role == item.role
            if told and draft.says(text):
                self._replayed_up_to = index + 1
                self._aliases[item_id] = draft.turn.item_id
                return
        draft = Draft(Turn(item.role or "user", "", item_id, started=now, replayed=True))
        draft.parts = {0: text}
        draft.end(now)
        # Where it was said: what is told after it was said after it.
        drafts = list(self._drafts.items())
        drafts.insert(self._replayed_up_to, (item_id, draft))
        self._drafts = dict(drafts)
        self._replayed_up_to += 1

    def _call(self, call: FunctionCall, item_id: str, now: float, response_id: str | None) -> None:
        draft = self._draft(self._calls.get(call.call_id, item_id), "tool", now, response_id)
        self._calls[call.call_id] = draft.turn.item_id
        if draft.turn.call is None or call.arguments:  # they are empty when the call is announced
            draft.know(call=call)
        if call.arguments:
            draft.end(now)

    def _output(self, item: ConversationItem, now: float) -> None:
        draft = self._draft(self._calls.get(item.call_id or "", item.id or ""), "tool", now)
        if not draft.parts:  # else it is told again
            draft.parts = {0: item.output or ""}
            draft.know(ended=now, has_output=True)

    @_take.register
    def _truncated(self, event: events.ConversationItemTruncated, now: float) -> None:
        if draft := self._known(event.item_id):
            draft.end(now)
            draft.know(interrupted=True)
            if event.transcript:
                draft.parts = {0: event.transcript}

    @_take.register
    def _deleted(self, event: events.ConversationItemDeleted, _now: float) -> None:
        if draft := self._known(event.item_id):
            self._forget(draft.turn.item_id)

    # -- the user's speech -----------------------------------------------------------------------

    @_take.register
    def _speech(self, event: events.InputAudioBufferSpeechStarted, now: float) -> None:
        draft = self._draft(event.item_id, "user", now)
        draft.know(ended=None)  # after a pause the same item goes on
        draft.final.clear()

    @_take.register(events.InputAudioBufferSpeechStopped)
    @_take.register(events.InputAudioBufferCommitted)
    def _silence(
        self,
        event: events.InputAudioBufferSpeechStopped | events.InputAudioBufferCommitted,
        now: float,
    ) -> None:
        self._draft(event.item_id, "user", now).end(now)

    @_take.register(events.InputAudioTranscriptionUpdated)
    @_take.register(events.InputAudioTranscriptionCompleted)
    def _heard(
        self,
        event: events.InputAudioTranscriptionUpdated | events.InputAudioTranscriptionCompleted,
        now: float,
    ) -> None:
        draft = self._draft(event.item_id, "user", now)
        if isinstance(event, events.InputAudioTranscriptionCompleted) and event.is_final:
            draft.parts = {0: event.transcript or ""}
            draft.final.add(0)
            draft.end(now)
        elif event.transcript and not draft.final:  # cumulative, and empty again in silence
            draft.parts = {0: event.transcript}

    # -- the assistant's -------------------------------------------------------------------------

    @_take.register
    def _response(self, event: events.ResponseCreated, now: float) -> None:
        if self._speaking not in {None, event.response.id}:
            self._cut(self._speaking, now)  # given up without a response.done
        self._speaking = event.response.id or None

    @_take.register(events.ResponseOutputItemAdded)
    @_take.register(events.ResponseOutputItemDone)
    def _output_item(
        self, event: events.ResponseOutputItemAdded | events.ResponseOutputItemDone, now: float
    ) -> None:
        done = isinstance(event, events.ResponseOutputItemDone)
        self._spoken(event.item, event.response_id or None, now, done=done)

    def _spoken(
        self, item: ConversationItem, response_id: str | None, now: float, *, done: bool
    ) -> None:
        if not item.id:
            return
        if item.type == "function_call":
            self._call(call_of(item), item.id, now, response_id)
            return
        draft = self._draft(item.id, "assistant", now, response_id)
        if text := text_of(item):
            draft.parts = {0: text}
        if done:
            draft.end(now)

    @_take.register(events.TranscriptDelta)
    @_take.register(events.TextDelta)
    def _words(self, event: events.TranscriptDelta | events.TextDelta, now: float) -> None:
        index = event.content_index or 0
        draft = self._voice(event, now)
        if draft.is_open and index not in draft.final:
            draft.parts[index] = draft.parts.get(index, "") + (event.delta or "")

    @_take.register(events.ResponseOutputAudioTranscriptDone)
    def _said(self, event: events.ResponseOutputAudioTranscriptDone, now: float) -> None:
        self._final(self._voice(event, now), event.content_index or 0, event.transcript or "")

    @_take.register(events.ResponseOutputTextDone)
    @_take.register(events.ResponseTextDone)
    def _written(
        self, event: events.ResponseOutputTextDone | events.ResponseTextDone, now: float
    ) -> None:
        self._final(self._voice(event, now), event.content_index or 0, event.text or "")

    @_take.register
    def _sound(self, event: events.AudioDelta, now: float) -> None:
        draft = self._voice(event, now)
        if not (self._max_bytes and event.audio and draft.is_open):
            return
        if not draft.audio:
            self._sounding.append(draft)
        draft.audio += event.audio
        self._bytes += len(event.audio)
        while self._bytes > self._max_bytes:
            oldest = self._sounding[0]
            excess = min(len(oldest.audio), int(self._bytes - self._max_bytes))
            del oldest.audio[:excess]
            self._bytes -= excess
            if not oldest.audio:
                self._sounding.popleft()

    @_take.register
    def _called(self, event: events.ResponseFunctionCallArgumentsDone, now: float) -> None:
        item_id = event.item_id or event.call_id
        self._call(event.function_call(), item_id, now, event.response_id or None)

    @_take.register
    def _done(self, event: events.ResponseDone, now: float) -> None:
        response = event.response or ResponseInfo()
        response_id = event.response_id or response.id or None
        whole = (response.status or "completed") == "completed"
        for item in response.output or ():
            self._spoken(item, response_id, now, done=whole)
        # What the output does not list was cut off: the live barge-in says `completed`, output [].
        self._cut(response_id, now, cut=isinstance(response.output, tuple) or not whole)
        if self._speaking == response_id:
            self._speaking = None

    @_take.register
    def _interrupted(self, event: events.Interrupted, now: float) -> None:
        if draft := self._known(event.item_id):
            draft.end(now)
            draft.know(interrupted=True)
        elif event.response_id:
            self._cut(event.response_id, now)

    @_take.register(events.Closed)
    @_take.register(events.Reconnecting)
    def _lost(self, _event: events.Event, now: float) -> None:
        for draft in self._drafts.values():
            draft.end(now, cut=draft.turn.role == "assistant")
        self._speaking = None

    def _voice(self, event: Any, now: float) -> Draft:
        item_id = event.item_id or event.response_id or ""
        return self._draft(item_id, "assistant", now, event.response_id or None)

    def _final(self, draft: Draft, index: int, text: str) -> None:
        draft.final.add(index)
        if text:
            draft.parts[index] = text

    def _cut(self, response_id: str | None, now: float, *, cut: bool = True) -> None:
        """End what a response still had open."""
        for draft in self._drafts.values():
            if draft.turn.response_id == response_id and draft.turn.role == "assistant":
                draft.end(now, cut=cut)


def _is_replay(event: events.ConversationItemAdded | events.ConversationItemCreated) -> bool:
    item = event.item
    if isinstance(item.replayed, bool):
        return item.replayed
    # Before August 2026 nothing said so but the part's type.
    return isinstance(event, events.ConversationItemCreated) or any(
        part.type == "text" for part in item.content or ()
    )
