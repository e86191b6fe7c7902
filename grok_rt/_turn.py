"""`Turn`, one thing that was said, and the draft of one that is still being said.

Values only: which events make a turn what it is, `Conversation` knows. No clock, no thread.
"""

from __future__ import annotations

from typing import Any

import attrs

from grok_rt.models import ConversationItem, FunctionCall

__all__ = ["Draft", "Turn", "call_of", "text_of"]


@attrs.frozen
class Turn:
    """One thing that was said, or one function that was called.

    Attributes:
        role: ``user``, ``assistant``, ``system``, or ``tool`` for a function call.
        text: the words; for a function call its output.
        item_id: the service's id of it, or the one the client gave.
        started: seconds on the clock of whoever fed the events.
        ended: likewise; None while it goes on.
        interrupted: the assistant was cut off: `text` is what was transcribed up to then.
        replayed: it comes from an earlier session: resumed, or told by `GrokClient.seed`.
        response_id: the response it is part of; None for what the user said.
        call: the function call, where it is one.
        audio: the assistant's voice in the session's output format, if it was to be kept.
        has_output: the function call was answered, perhaps by an empty text.
    """

    role: str
    text: str
    item_id: str
    started: float
    ended: float | None = None
    interrupted: bool = False
    replayed: bool = False
    response_id: str | None = None
    call: FunctionCall | None = None
    audio: bytes = attrs.field(default=b"", repr=False)
    has_output: bool = False

    def items(self) -> tuple[ConversationItem, ...]:
        """What tells a session of this turn; nothing, if it has no words (or a call no output)."""
        if not (self.text or self.has_output):
            return ()
        if self.call is not None:
            call = self.call
            return (
                ConversationItem.function_call(
                    call.name, call.arguments, call_id=call.call_id, id=self.item_id
                ),
                ConversationItem.function_call_output(call.call_id, self.text),
            )
        make = {
            "user": ConversationItem.user_text,
            "assistant": ConversationItem.assistant_text,
            "system": ConversationItem.system_text,
        }.get(self.role)
        return () if make is None else (make(self.text, id=self.item_id),)


@attrs.define(eq=False)
class Draft:
    """A turn in the making: what is known of it, and apart from that its words and its sound."""

    turn: Turn
    parts: dict[int, str] = attrs.field(factory=dict)
    final: set[int] = attrs.field(factory=set)  # parts whose words are the last
    audio: bytearray = attrs.field(factory=bytearray)

    @property
    def text(self) -> str:
        return "".join(self.parts[index] for index in sorted(self.parts))

    @property
    def is_open(self) -> bool:
        return self.turn.ended is None

    @property
    def is_empty(self) -> bool:
        """It is over, and nothing was said: silence, or a response that was given up."""
        return not (self.is_open or self.turn.call or any(self.parts.values()))

    def know(self, **facts: Any) -> None:
        self.turn = attrs.evolve(self.turn, **facts)

    def end(self, now: float, *, cut: bool = False) -> None:
        if self.is_open:
            self.know(ended=now, interrupted=self.turn.interrupted or cut)

    def says(self, text: str) -> bool:
        """Whether a replayed text is its own; the server may remember more of what was cut."""
        ours, theirs = self.text.split(), text.split()
        lengths = len(ours), len(theirs)
        shared = min(lengths) if self.turn.interrupted else max(lengths)
        return ours[:shared] == theirs[:shared] and shared > 0

    def whole(self) -> Turn:
        return attrs.evolve(self.turn, text=self.text, audio=bytes(self.audio))


def text_of(item: ConversationItem) -> str:
    """The words of a message, typed or transcribed."""
    return "".join(part.text or part.transcript or "" for part in item.content or ())


def call_of(item: ConversationItem) -> FunctionCall:
    """The function call that an item is."""
    return FunctionCall(item.call_id or item.id or "", item.name or "", item.arguments or "")
