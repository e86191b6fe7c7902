"""The books of a session as tests read them: events in, what leaves and what is told out."""

from __future__ import annotations

from collections.abc import Iterable

from grok_rt import events
from grok_rt._session.session import Declared, Session, Step
from grok_rt.models import ConversationItem

CREATE = "response.create"


class Books(Session):
    """Books of an application with two functions; remembers what they let leave."""

    def __init__(self, **timeouts: float) -> None:
        super().__init__(
            {
                "weather": Declared(answered_by="weather", timeout=timeouts.get("weather", 60.0)),
                "clock": Declared(timeout=timeouts.get("clock", 60.0)),
            },
            unwanted=lambda calls: self.unwanted.extend(calls),
        )
        self.unwanted: list[str] = []
        self.left: list[str] = []
        self.ids: list[str] = []
        self.told: list[events.LocalEvent] = []

    def hear(self, *heard: events.Event | Iterable[events.Event], now: float = 0.0) -> list[str]:
        """Enter events; returns what left because of them."""
        before = len(self.left)
        for each in heard:
            for event in [each] if isinstance(each, events.Event) else each:
                self._enter(self.received(event, now))
        return self.left[before:]

    def result(self, call: str, output: str = "ok", now: float = 0.0) -> list[str]:
        return self._note(self.tool_result(f"call-{call}", output, now))

    def wait_until(self, now: float) -> list[str]:
        """Let the time go by, as the writer does: it looks whenever something is due."""
        before = len(self.left)
        for _ in range(10):
            at = self.next_deadline()
            if at is None or at > now:
                return self.left[before:]
            self._enter(self.due(at))
        raise AssertionError("the writer would spin")

    def _enter(self, step: Step) -> None:
        self._note(step.send)
        self.told += step.tell

    def _note(self, send: Iterable[events.ClientEvent]) -> list[str]:
        names = []
        for event in send:
            self.ids.append(event.event_id or "")
            if isinstance(event, events.ConversationItemCreate):
                assert isinstance(event.item, ConversationItem)
                assert event.item.type == "function_call_output"
                names.append(f"{event.item.call_id}={event.item.output}")
            else:
                names.append(event.type)
        self.left += names
        return names
