"""What has come of an answer and was not taken yet, in order.

`AnswerBuilder` feeds it, with events of its answer only, on whichever thread pumps; whoever
streams takes. No clock, no lock: a deque is enough for one at either end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any

from grok_rt import events
from grok_rt._dispatch import dispatched
from grok_rt._turn import text_of
from grok_rt.models import FunctionCall
from grok_rt.parts import Audio, Part, Text, ToolEnded, ToolStarted

__all__ = ["Parts"]


class Parts:
    """The parts of one answer.

    While they are held it is open which response is the answer: nothing can be taken.
    """

    def __init__(self) -> None:
        self._held: list[tuple[Part, str, str]] | None = []  # with response and item of each
        self._ready: deque[Part] = deque()
        self._said: dict[tuple[str, int], str] = {}  # the words given of each part of an item
        self._last_item = ""
        self._calls: dict[str, FunctionCall] = {}

    def __len__(self) -> int:
        return len(self._ready)

    def take(self) -> Part:
        """The next part. Raises `IndexError` if there is none."""
        return self._ready.popleft()

    def release(self, superseded: Collection[str]) -> None:
        """Let take what comes and what was held, but for words and sound of those responses."""
        held, self._held = self._held or (), None
        for part, response_id, item_id in held:
            if response_id not in superseded or isinstance(part, (ToolStarted, ToolEnded)):
                self._give(part, response_id, item_id)

    @dispatched
    def feed(self, event: events.Event, response_id: str) -> None:
        """Take an event of the answer, of that response; most make no part."""

    @feed.register
    def _sound(self, event: events.AudioDelta, response_id: str) -> None:
        if event.audio:
            self._give(Audio(event.audio), response_id)

    @feed.register(events.TranscriptDelta)
    @feed.register(events.TextDelta)
    def _words(self, event: events.TranscriptDelta | events.TextDelta, response_id: str) -> None:
        self._say(event.item_id, event.content_index, event.delta, response_id)

    @feed.register
    def _said_whole(
        self, event: events.ResponseOutputAudioTranscriptDone, response_id: str
    ) -> None:
        self._say_rest(event.item_id, event.content_index, event.transcript, response_id)

    @feed.register(events.ResponseOutputTextDone)
    @feed.register(events.ResponseTextDone)
    def _written_whole(
        self, event: events.ResponseOutputTextDone | events.ResponseTextDone, response_id: str
    ) -> None:
        self._say_rest(event.item_id, event.content_index, event.text, response_id)

    @feed.register
    def _done(self, event: events.ResponseDone, response_id: str) -> None:
        for item in (event.response and event.response.output) or ():
            if item.type == "message":
                self._say_rest(item.id, 0, text_of(item), response_id)

    @feed.register
    def _called(self, event: events.FunctionCalled, response_id: str) -> None:
        self._calls[event.call.call_id] = event.call
        self._give(ToolStarted(event.call), response_id)

    @feed.register(events.ConversationItemAdded)
    @feed.register(events.ConversationItemCreated)
    def _output(
        self, event: events.ConversationItemAdded | events.ConversationItemCreated, response_id: str
    ) -> None:
        item = event.item
        if item.type == "function_call_output" and (
            call := self._calls.pop(item.call_id or "", None)
        ):
            self._give(ToolEnded(call, item.output or ""), response_id)

    def _say(self, item_id: Any, index: Any, words: Any, response_id: str) -> None:
        item_id = item_id or response_id
        if words:
            spoken = self._said.get((item_id, index or 0), "")
            self._said[item_id, index or 0] = spoken + words
            self._give(Text(words), response_id, item_id)

    def _say_rest(self, item_id: Any, index: Any, whole: Any, response_id: str) -> None:
        """Repair what came without its deltas, or without the last of them."""
        spoken = self._said.get((item_id or response_id, index or 0), "")
        if whole and whole.startswith(spoken):
            self._say(item_id, index, whole[len(spoken) :], response_id)

    def _give(self, part: Part, response_id: str, item_id: str = "") -> None:
        if self._held is not None:
            self._held.append((part, response_id, item_id))
            return
        if isinstance(part, Text) and item_id != self._last_item:
            # The turns of an answer are put together with a space.
            if not (words := part.text.lstrip()):
                return
            part = Text(f" {words}" if self._last_item else words)
            self._last_item = item_id
        self._ready.append(part)
