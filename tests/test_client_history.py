"""What a client remembers of its conversation, and what it tells a new session of it."""

from __future__ import annotations

import json
import logging

import pytest
from asking import KEY
from scripted import SOON

from grok_rt import Conversation, GrokClient, SessionConfig, Turn, events
from grok_rt.errors import ConnectionClosedOK, LocalProtocolError
from grok_rt.simulator import Peer, Script, loopback

CALLS = Script().says("Let me look.").calls("weather", city="Oslo").says("{output}")


def weather(city: str) -> str:
    """The weather."""
    return f"Sleet in {city}."


def first_session() -> Conversation:
    """Ask a client a question that takes a tool; what it remembers then."""
    with GrokClient(KEY, transport=loopback(CALLS, instant=True), tools=[weather]) as grok:
        assert grok.ask("How is it in Oslo?", timeout=SOON).text == "Let me look. Sleet in Oslo."
        return grok.conversation


def test_a_client_remembers_its_conversation() -> None:
    """Every turn is there once, calls with their outputs, and stays there after the end."""
    assert [(turn.role, turn.text, turn.ended is not None) for turn in first_session()] == [
        ("user", "How is it in Oslo?", True),
        ("assistant", "Let me look.", True),
        ("tool", "Sleet in Oslo.", True),
        ("assistant", "Sleet in Oslo.", True),
    ]


def test_a_handler_finds_its_event_in_the_conversation() -> None:
    """What an event says of the turns is known before its handlers run."""
    with GrokClient(KEY, transport=loopback(instant=True)) as grok:
        seen: list[str] = []
        grok.on(events.ResponseDone)(lambda _: seen.append(str(grok.conversation)))
        grok.ask("Hi", timeout=SOON)
    assert seen == ["user: Hi\nassistant: You said: Hi"]


def test_a_new_session_is_told_of_an_old_one() -> None:
    """Through JSON and back: the server has every item, in order, and nothing is doubled here."""
    old = json.loads(json.dumps(first_session().export()))
    peer = Peer(Script().says("Yes."), latency=0)
    with GrokClient(KEY, transport=loopback(peer)) as grok:
        grok.seed(Conversation.restore(old))
        assert grok.ask("Do you remember?", timeout=SOON).text == "Yes."
        turns = list(grok.conversation)
    assert [(item["type"], item.get("role")) for item in peer.conversation.items] == [
        ("message", "user"),
        ("message", "assistant"),
        ("function_call", "tool"),
        ("function_call_output", "tool"),
        ("message", "assistant"),
        ("message", "user"),
        ("message", "assistant"),
    ]
    assert not any(isinstance(event, events.Error) for event in peer.received)
    assert [turn.text for turn in turns] == [
        *(each["text"] for each in old), "Do you remember?", "Yes.",
    ]  # fmt: skip
    assert [turn.replayed for turn in turns] == [True] * 4 + [False] * 2
    assert turns[2].call is not None
    assert json.loads(turns[2].call.arguments) == {"city": "Oslo"}


def test_a_call_with_an_empty_output_is_told() -> None:
    """It was answered: in a new session, too, it is a call and its output."""

    def weather(city: str) -> str:
        """The weather."""
        return "" * len(city)

    script = Script().calls("weather", city="Oslo").says("Nobody knows.")
    with GrokClient(KEY, transport=loopback(script, instant=True), tools=[weather]) as grok:
        grok.ask("How is it?", timeout=SOON)
        old = json.loads(json.dumps(grok.conversation.export()))
    peer = Peer(Script().says("Yes."), latency=0)
    with GrokClient(KEY, transport=loopback(peer)) as grok:
        grok.seed(Conversation.restore(old))
        grok.ask("Do you remember?", timeout=SOON)
    kinds = [item["type"] for item in peer.conversation.items]
    assert kinds[1:3] == ["function_call", "function_call_output"]
    assert peer.conversation.items[2]["output"] == ""


def test_what_a_resumed_session_tells_again_is_recognised() -> None:
    """Who puts in what was said before finds none of it doubled, though its ids are new."""
    config = SessionConfig.wideband().with_resumption()
    connect = loopback(instant=True)
    with GrokClient(KEY, transport=connect, config=config) as grok:
        grok.ask("One", timeout=SOON)
        grok.ask("Two", timeout=SOON)
        before = [turn.text for turn in grok.conversation]
    again = GrokClient(KEY, transport=connect, config=config, conversation_id=grok.conversation_id)
    again.conversation.add(grok.conversation)
    with again:
        again.ask("Three", timeout=SOON)
        assert [turn.text for turn in again.conversation] == [
            *before, "Three", "You said: Three",
        ]  # fmt: skip


def test_only_an_open_session_can_be_told() -> None:
    """Before and after it the refusal leaves the conversation as it was."""
    turns = [Turn("user", "Hi", "u", 0.0)]
    grok = GrokClient(KEY, transport=loopback(instant=True))
    with pytest.raises(LocalProtocolError, match="not connected yet"):
        grok.seed(turns)
    with grok:
        pass
    with pytest.raises(ConnectionClosedOK):
        grok.seed(turns)
    assert len(grok.conversation) == 0


def test_a_defect_of_the_conversation_is_none_of_the_session(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that it cannot take is logged, and heard all the same."""

    def breaks(_self: Conversation, _event: events.Event, _now: float) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Conversation, "_take", breaks)
    grok = GrokClient(KEY, transport=loopback(instant=True))
    with caplog.at_level(logging.ERROR, "grok_rt"), grok:
        grok.wait_for(events.SessionUpdated, timeout=SOON)
    assert "the conversation did not take session.updated" in caplog.text
