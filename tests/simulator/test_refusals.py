"""Who is let in."""

from __future__ import annotations

import json

import pytest

from grok_rt.simulator.refusals import Refusal, admit, as_refusal, chosen, offered

LEGACY = "realtime, openai-insecure-api-key.good, openai-beta.realtime-v1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer good"},
        {"authorization": "bearer good"},
        {"Sec-WebSocket-Protocol": "xai-client-secret.good"},
        {"Sec-WebSocket-Protocol": LEGACY},
    ],
)
def test_ways_in(headers: dict[str, str]) -> None:
    """A key or token is good in a header and in both subprotocols."""
    assert admit(headers, "good") is None
    assert admit(headers, None) is None
    refusal = admit(headers, "other")
    assert refusal is not None
    assert refusal.status == 400
    assert b"Incorrect API key provided" in refusal.body
    assert b"good" not in refusal.body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic good"},
        {"Sec-WebSocket-Protocol": "xai-client-secret., chat"},
    ],
)
def test_no_credential(headers: dict[str, str]) -> None:
    """Without a credential it is a 401."""
    refusal = admit(headers, None)
    assert refusal is not None
    assert refusal.status == 401


def test_body() -> None:
    """The body is xAI's: two strings; Retry-After is a header."""
    refusal = Refusal(429, "Slow down.", retry_after=1.5)
    assert json.loads(refusal.body) == {
        "code": "Some resource has been exhausted",
        "error": "Slow down.",
    }
    assert refusal.headers["Retry-After"] == "1.5"
    assert refusal.reason == "Too Many Requests"
    assert "Retry-After" not in Refusal(418).headers
    assert as_refusal(503) == Refusal(503)
    assert as_refusal(None) is None


def test_subprotocol() -> None:
    """The token's own subprotocol is chosen, but never the legacy one that holds the key."""
    assert chosen(offered({"sec-websocket-protocol": "xai-client-secret.t"})) == (
        "xai-client-secret.t"
    )
    assert chosen(offered({"sec-websocket-protocol": LEGACY})) == "realtime"
    assert chosen(["openai-insecure-api-key.k"]) is None
    assert chosen(offered({})) is None
