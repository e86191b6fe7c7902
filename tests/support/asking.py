"""Clients to ask, in front of a simulator or of a script, and what the server got and says."""

from __future__ import annotations

from typing import Any

import flows
from scripted import GREETING, ScriptedTransport

from grok_rt import GrokClient, SessionConfig
from grok_rt._wire import codec
from grok_rt._wire.framing import TEXT, Frame
from grok_rt.simulator import Peer, Script, loopback

KEY = "test"
PATIENT = 30.0  # seconds after which an answer will not come any more, on a busy machine too
MANUAL = SessionConfig.wideband().with_turn_detection(None)


def client(script: Script | Peer | None = None, **options: Any) -> GrokClient:
    return GrokClient(KEY, transport=loopback(script, instant=True), **options)


def scripted(transport: ScriptedTransport, **options: Any) -> GrokClient:
    transport.answers = transport.confirm_updates
    transport.hears(*GREETING)
    options.setdefault("close_timeout", 0.5)
    return GrokClient(KEY, transport=lambda _url, _headers: transport, **options)


def texts(transport: ScriptedTransport) -> list[str]:
    """What was asked in text."""
    items = [e["item"] for e in transport.events if e["type"] == "conversation.item.create"]
    return [item["content"][0]["text"] for item in items]


def reply(
    transport: ScriptedTransport, metadata: dict[str, str] | None, response: str, item: str
) -> None:
    """Let the server answer in one go."""
    flow = flows.reply(response, item, metadata)
    transport.hears(*(Frame(TEXT, codec.encode(event)) for event in flow))


def waits_for(grok: GrokClient, what: str) -> bool:
    """Whether somebody waits for that in the pump."""
    return any(waiter.what == what for waiter in grok._pump._waiters)
