"""What passed in a session, kept and told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grok_rt._wire.framing import BINARY, TEXT, Frame
from grok_rt.audio import PCMU, pcm16
from grok_rt.simulator import Peer
from grok_rt.simulator.journal import Journal, format_of

SOUND = {"audio": {"input": {"format": {"type": "audio/pcmu"}}, "output": {}}}


def told(*messages: tuple[bool, dict[str, Any] | bytes]) -> list[str]:
    """The lines for messages, each said by the service or not, a second apart."""
    journal, peer = Journal(), Peer()
    for number, (said, message) in enumerate(messages):
        text = isinstance(message, dict)
        data = json.dumps(message).encode() if isinstance(message, dict) else message
        journal.note(peer, 100.0 + number, Frame(TEXT if text else BINARY, data), said=said)
    return journal.text().splitlines()


def test_sound_is_one_line() -> None:
    """Sound that follows sound is told once, with its length in the session's format."""
    lines = told(
        (False, {"type": "session.update", "session": SOUND}),
        (False, bytes(4000)),
        (True, {"type": "ping"}),
        (False, bytes(4000)),
        (True, {"type": "response.output_audio.delta", "audio_duration_ms": 245}),
        (True, {"type": "response.output_audio_transcript.delta", "delta": "Hi"}),
        (True, {"type": "response.output_audio.delta", "audio_duration_ms": 5}),
    )
    assert [" ".join(line.split()) for line in lines] == [
        "0.00 → session.update",
        "1.00 → input_audio_buffer.append 1.00 s in 2 messages",
        "4.00 ← response.output_audio.delta 0.25 s in 2 messages",
    ]


@pytest.mark.parametrize(
    ("said", "message", "line"),
    [
        (False, {"type": "session.update", "session": {"tools": [{"name": "a"}]}}, "tools: a"),
        (False, {"type": "conversation.item.create", "item": {"output": "3"}}, "'3'"),
        (
            False,
            {"type": "conversation.item.create", "item": {"content": [{"text": "Hi"}, 3]}},
            "'Hi'",
        ),
        (True, {"type": "error", "error": {"type": "t", "message": "m"}}, "t: m"),
        (True, {"type": "response.done", "response": {"status": "failed"}}, "failed"),
        (
            True,
            {"type": "response.function_call_arguments.done", "name": "f", "arguments": "{}"},
            "f({})",
        ),
        (False, {"type": "conversation.item.create", "item": {"output": "x" * 999}}, "x…"),
        (False, {"type": "session.update", "session": {"tools": 3, "audio": []}}, "update"),
        (False, {"no": "type"}, "(no event)"),
    ],
)
def test_what_is_told(said: bool, message: dict[str, Any], line: str) -> None:
    """A line has what there is to say about an event, shortened, whatever is wrong with it."""
    (only,) = told((said, message))
    assert only.endswith(line)
    assert len(only) < 180


def test_what_is_no_event_is_told() -> None:
    """Garbage is a line, too."""
    journal = Journal()
    journal.note(Peer(), 0.0, Frame(TEXT, b"{"), said=False)
    assert "(no event)" in journal.text()
    assert journal.entries()[0].audio == b""


def test_a_peer_writes_it() -> None:
    """A peer notes what it hears and says, when it says it, and how it ended."""
    journal = Journal()
    peer = Peer(log=journal.note)
    peer.open(5.0)
    peer.frames(5.0)
    peer.receive(b'{"type": "input_audio_buffer.commit"}', 6.0)
    peer.receive_audio(bytes(960), 7.0)
    peer.frames(15.5)
    peer.close(1001, "later")
    assert [(entry.at, entry.said, entry.type) for entry in journal.entries()] == [
        (0.0, True, "session.created"),
        (0.0, True, "conversation.created"),
        (0.0, True, "ping"),
        (1.0, False, "input_audio_buffer.commit"),
        (2.0, False, "input_audio_buffer.append"),
        (10.5, True, "ping"),
    ]
    assert journal.text().endswith("closed: 1001 later")


def test_the_format_of_an_update() -> None:
    """A side's format is what an update says, or what it was."""
    assert format_of({"session": SOUND}, "input", pcm16()) == PCMU
    for update in ({}, {"session": None}, {"session": {"audio": {"input": {"format": 3}}}}):
        assert format_of(update, "input", PCMU) == PCMU
