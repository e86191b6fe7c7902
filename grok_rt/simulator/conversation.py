"""What the service remembers of a conversation: its items, and what has not been answered yet."""

from __future__ import annotations

from typing import Any

import attrs

from grok_rt.simulator.script import Prompt
from grok_rt.simulator.shapes import Wire


@attrs.define(eq=False)
class Conversation:
    """The items in order; it outlives its session where resumption is on.

    Attributes:
        id: what `conversation.created` says.
        billable_seconds: of the sessions before the present one.
        call_ids: every call that may be answered.
        search_ids: those of them that are the service's own affair.
        prompt: what came since the last response.
    """

    id: str
    items: list[Wire] = attrs.Factory(list)
    billable_seconds: float = 0.0
    call_ids: set[str] = attrs.Factory(set)
    search_ids: set[str] = attrs.Factory(set)
    prompt: Prompt = attrs.Factory(Prompt)

    def add(self, item: Wire, after: str | None = None) -> None:
        """Append `item`, insert it behind another one, or replace the one with its id."""
        ids = [old["id"] for old in self.items]
        if item["id"] in ids:
            self.items[ids.index(item["id"])] = item
        else:
            self.items.insert(ids.index(after) + 1 if after in ids else len(ids), item)
        if item["type"] == "function_call":
            self.call_ids.add(item["call_id"])

    def last_id(self, *, of_user: bool = False) -> str | None:
        """Id of the last message, or of the user's last."""
        for item in reversed(self.items):
            if item["type"] == "message" and (not of_user or item["role"] == "user"):
                item_id: str = item["id"]
                return item_id
        return None

    def delete(self, item_id: Any) -> bool:
        """Remove an item; False for one that is unknown or the model's own: those stay (live)."""
        for position, item in enumerate(self.items):
            if item["id"] == item_id and item["role"] != "assistant":
                del self.items[position]
                return True
        return False

    def ask(self, **news: Any) -> None:
        """Note what the next response has to answer."""
        if "text" in news and self.prompt.text:
            news["text"] = f"{self.prompt.text} {news['text']}"
        self.prompt = attrs.evolve(self.prompt, **news)

    def take_prompt(self) -> Prompt:
        """What is unanswered; from now on it is answered."""
        prompt, self.prompt = self.prompt, Prompt()
        return prompt

    def replay(self) -> list[Wire]:
        """What a resumed session is told: the assistant's messages only (live), as text."""
        return [
            {
                "id": item["id"],
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "text", "text": _words(item)}],
                "replayed": True,
            }
            for item in self.items
            if item["type"] == "message" and item["role"] == "assistant"
        ]


def _words(item: Wire) -> str:
    return " ".join(part.get("text") or part.get("transcript") or "" for part in item["content"])
