"""What the service remembers of a conversation: its items, and what has not been answered yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, MutableMapping
from typing import Any

import attrs

from grok_rt.simulator.script import Prompt
from grok_rt.simulator.shapes import Wire

_SHORT = 32  # characters: OpenAI's longest call id


@attrs.define(eq=False)
class Conversation:
    """The items in order; it outlives its session where resumption is on.

    Attributes:
        id: what `conversation.created` says.
        billable_seconds: of the sessions before the present one.
        active_at: Unix time at which anything was last said or done in it.
        call_ids: every call that may be answered.
        search_ids: those of them that are the service's own affair.
        prompt: what came since the last response.
    """

    id: str
    items: list[Wire] = attrs.Factory(list)
    billable_seconds: float = 0.0
    active_at: float = 0.0
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

    def call_of(self, call_id: str, *, shortened: bool) -> str:
        """The call that is meant by an id, which may have been shortened; else the id itself."""
        if shortened and len(call_id) == _SHORT:
            return next((each for each in self.call_ids if _short(each) == call_id), call_id)
        return call_id

    def last_id(self, *, of_user: bool = False) -> str | None:
        """Id of the last message, or of the user's last."""
        for item in reversed(self.items):
            if item["type"] == "message" and (not of_user or item["role"] == "user"):
                item_id: str = item["id"]
                return item_id
        return None

    def find(self, item_id: Any) -> Wire | None:
        """The item of that id."""
        return next((item for item in self.items if item["id"] == item_id), None)

    def delete(self, item_id: Any, *, of_model: bool) -> bool:
        """Remove an item; False for one that is unknown, and the model's own may not go."""
        item = self.find(item_id)
        if item is None or (item.get("role") == "assistant" and not of_model):
            return False
        self.items.remove(item)
        return True

    def ask(self, **news: Any) -> None:
        """Note what the next response has to answer."""
        if "text" in news and self.prompt.text:
            news["text"] = f"{self.prompt.text} {news['text']}"
        self.prompt = attrs.evolve(self.prompt, **news)

    def take_prompt(self) -> Prompt:
        """What is unanswered; from now on it is answered."""
        prompt, self.prompt = self.prompt, Prompt()
        return prompt

    def replay(self, new_id: Callable[[], str], *, of_user: bool) -> list[Wire]:
        """What a resumed session is told, as text: messages, under new ids (live)."""
        told = []
        for item in self.items:
            if item["type"] != "message" or (item["role"] != "assistant" and not of_user):
                continue
            item["id"] = new_id()
            kind = "text" if item["role"] == "assistant" else "input_text"
            said = {"content": [{"type": kind, "text": words(item)}], "replayed": True}
            told.append({**item, "status": "completed", **said})
        return told


def _short(call_id: str) -> str:
    return hashlib.sha256(call_id.encode()).hexdigest()[:_SHORT]


def kept(archive: MutableMapping[str, Conversation], id: str, since: float) -> Conversation | None:
    """The conversation of that id, if anything has happened in it since; older ones are dropped."""
    for old in [old for old, talk in list(archive.items()) if talk.active_at < since]:
        archive.pop(old, None)
    return archive.get(id)


def words(item: Wire) -> str:
    """The words of a message, typed, spoken or transcribed."""
    said = (part.get("text") or part.get("transcript") or "" for part in item["content"])
    return " ".join(word for word in said if word)
