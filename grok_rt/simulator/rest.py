"""The one REST call beside the sessions: `POST /v1/realtime/client_secrets`. Pure."""

from __future__ import annotations

import json

from grok_rt.simulator.mint import Mint
from grok_rt.simulator.refusals import Refusal

__all__ = ["created"]

_LIFETIMES = range(1, 3601)


def created(body: bytes, mint: Mint) -> Refusal | bytes:
    """The answer to who may have a token: its JSON, or what is wrong with the wish."""
    try:
        wish = json.loads(body or b"{}")
    except ValueError:
        return Refusal(400, "The body is no JSON.")
    lifetime = wish.get("expires_after") or {} if isinstance(wish, dict) else None
    if not isinstance(lifetime, dict):
        return Refusal(400, "The body must be an object, and expires_after in it.")
    if "anchor" in lifetime:
        return Refusal(400, "expires_after.anchor is not supported.")
    seconds = lifetime.get("seconds", 600)
    if type(seconds) is not int or seconds not in _LIFETIMES:
        return Refusal(400, "expires_after.seconds must be an integer from 1 to 3600.")
    value, expires_at = mint.make(seconds)
    return json.dumps({"value": value, "expires_at": expires_at}).encode()
