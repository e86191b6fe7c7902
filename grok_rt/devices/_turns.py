"""When a turn is over: it was said, its words are final, and what we say was heard as well.

Pure: no thread and no clock of its own. The pump feeds, whoever iterates over a talk asks.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from grok_rt import events
from grok_rt.conversation import Conversation, Turn
from grok_rt.devices._playback import Heard

__all__ = ["FinishedTurns"]


class FinishedTurns:
    """Gives each turn of a conversation once, in order, as soon as it is over.

    Attributes:
        conversation: all of it.

    Args:
        is_unheard: whether something of an item's sound is still to be heard.
        heard: how much of it was; None if there was no sound.
    """

    def __init__(
        self, is_unheard: Callable[[str], bool], heard: Callable[[str], Heard | None]
    ) -> None:
        self.conversation = Conversation()
        self._is_unheard = is_unheard
        self._heard = heard
        self._final: set[str] = set()
        self._given: set[str] = set()

    def feed(self, event: events.Event, now: float) -> None:
        """Take one event, which came at `now` seconds."""
        if isinstance(event, events.InputAudioTranscriptionCompleted) and event.is_final:
            self._final.add(event.item_id)
        self.conversation.feed(event, now)

    def take(self, *, all: bool = False) -> list[Turn]:
        """The turns that are over and were not given before.

        Args:
            all: nothing more will come: those that are not over, too.
        """
        turns = list(self.conversation)
        known = {turn.item_id for turn in turns}
        self._given &= known
        self._final &= known
        fresh = [t for t in turns if t.item_id not in self._given and not t.replayed]
        over = [self._is_over(turn) for turn in fresh]
        taken = []
        for index, turn in enumerate(fresh):
            # Words may never become final; what follows shows that no more will come.
            passed = turn.role != "assistant" and any(over[index + 1 :])
            if not (all or over[index] or passed):
                break
            self._given.add(turn.item_id)
            taken.append(self._as_heard(turn))
        return taken

    def _as_heard(self, turn: Turn) -> Turn:
        """The turn; interrupted, if it was cut short after all of it had come."""
        heard = self._heard(turn.item_id)
        is_cut = heard is not None and heard.received_ms - heard.heard_ms > 1
        return attrs.evolve(turn, interrupted=True) if is_cut else turn

    def _is_over(self, turn: Turn) -> bool:
        if turn.ended is None:
            return False
        if turn.role == "assistant":
            return not self._is_unheard(turn.item_id)
        if turn.role == "tool":
            return bool(turn.text)
        return turn.item_id in self._final or turn.role != "user"
