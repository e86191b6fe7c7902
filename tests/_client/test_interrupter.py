"""A reply that is cut short: who learns of it, and what the server is asked."""

from __future__ import annotations

from asking import scripted
from scripted import SOON, ScriptedTransport

from grok_rt import events


def test_a_cancel_that_comes_too_late_is_harmless() -> None:
    """The refusal of our own best efforts is no failure."""
    failures: list[events.Failure] = []
    transport = ScriptedTransport()
    with scripted(transport, on_error=failures.append) as grok:
        grok.cancel_response()
        transport.wait(lambda t: t.types[1:] == ["response.cancel"])
        about = transport.events[1]["event_id"]
        transport.hears({"type": "error", "error": {"type": "x", "message": "", "event_id": about}})
        grok.wait_for(events.Harmless, timeout=SOON)
    assert not failures


def test_an_interruption_is_told_to_the_sinks_and_to_the_server() -> None:
    """`response.cancel` while it speaks, an `Interrupted` event, and what was heard of it."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        transport.hears(
            {"type": "response.created", "response": {"id": "r"}},
            {
                "type": "response.output_audio.delta",
                "response_id": "r",
                "item_id": "i",
                "delta": "AAAA" * 800,  # 2400 bytes: 50 ms
            },
        )
        grok.wait_for(events.AudioDelta, timeout=SOON)
        grok.interrupt(played_ms=30)
        told = grok.wait_for(events.Interrupted, timeout=SOON)
        assert told == events.Interrupted("r", "i", 30)
        grok.interrupt(played_ms=9000)
        transport.wait(lambda t: len(t.events) == 5)
        sent = transport.events[1:]
    kinds = ["response.cancel", "conversation.item.truncate"]
    assert [event["type"] for event in sent] == kinds * 2
    assert [(e["item_id"], e["audio_end_ms"]) for e in sent[1::2]] == [("i", 30), ("i", 50)]


def test_an_interruption_of_what_has_passed() -> None:
    """Whoever names the item that was heard does not end the response that has begun since."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        sound = {"type": "response.output_audio.delta", "response_id": "r", "item_id": "i"}
        transport.hears(
            {"type": "response.created", "response": {"id": "r"}},
            {**sound, "delta": "AAAA" * 800},
        )
        grok.wait_for(events.AudioDelta, timeout=SOON)
        grok.interrupt(30, item_id="i")
        transport.hears({"type": "response.created", "response": {"id": "next"}})
        grok.wait_for(
            events.ResponseCreated, lambda event: event.response.id == "next", timeout=SOON
        )
        grok.interrupt(9000, item_id="i")
        told = grok.wait_for(
            events.Interrupted, lambda event: event.response_id is None, timeout=SOON
        )
        assert told == events.Interrupted(None, "i", 9000)
        transport.wait(lambda t: len(t.events) == 4)
        sent = transport.events[1:]
    truncate = "conversation.item.truncate"
    assert [event["type"] for event in sent] == ["response.cancel", truncate, truncate]
    assert [event["audio_end_ms"] for event in sent[1:]] == [30, 9000]


def test_an_interruption_of_nothing() -> None:
    """While nothing speaks, and nothing was said, only the sinks are told."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        grok.interrupt(100)
        assert grok.wait_for(events.Interrupted, timeout=SOON) == events.Interrupted(
            None, None, 100
        )
        grok.send_user_text("x")
        transport.wait(lambda t: len(t.events) == 2)
        assert transport.types[1:] == ["conversation.item.create"]
