"""What the dashboard is told: who spoke when, and what passed, out of a real session's messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grok_rt._wire.framing import BINARY, TEXT, Frame
from grok_rt.audio import AudioClip
from grok_rt.simulator import Peer, Script
from grok_rt.simulator.watching import Board

DETECTION = {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}


class Watched:
    """A session on the board, at a time that only we let pass."""

    def __init__(self, script: Script | None = None, board: Board | None = None) -> None:
        self.board = board or Board(100.0)
        self.now = 100.0
        self.peer = Peer(script, pace=1, seed=1)
        self.onlooker = self.board.session(1, self.now)
        self.peer.open(self.now)
        self.run(0.1)

    def give(self, type: str, **fields: Any) -> None:
        data = json.dumps({"type": type, **fields}).encode()
        self.onlooker.heard(Frame(TEXT, data), self.now)
        self.peer.receive(data, self.now)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            self.now += 0.02
            for frame in self.peer.frames(self.now):
                self.onlooker.said(frame, self.now)

    def hear(self, clip: AudioClip) -> None:
        for start in range(0, len(clip.data), 960):
            data = clip.data[start : start + 960]
            self.onlooker.heard(Frame(BINARY, data), self.now)
            self.peer.receive_audio(data, self.now)
            self.run(0.02)

    def spans(self) -> list[tuple[str, float, float | None, str]]:
        (card,) = self.board.everything(self.now)["sessions"]
        return [tuple(span) for span in card["spans"]]


def test_who_spoke_when(question: AudioClip) -> None:
    """A spoken question, a call and the answers: each with its time and its words."""
    script = Script().hears("How warm?").says("Let me look.").calls("weather", city="Oslo")
    watched = Watched(script.says("It is cold."))
    watched.give("session.update", session=DETECTION)
    watched.hear(question)
    watched.hear(AudioClip(bytes(24_000), question.format))
    watched.run(4)
    caller, grok, tool = watched.spans()
    assert (caller[0], caller[3]) == ("caller", "How warm?")
    assert (grok[0], grok[3]) == ("grok", "Let me look.")
    assert (tool[0], tool[3]) == ("tool", 'weather({"city":"Oslo"})')
    assert caller[2] is not None
    assert grok[2] is not None
    assert 0 < caller[1] < caller[2] <= grok[1] < grok[2] <= watched.now - 100.0


def test_what_is_not_played_is_not_shown(question: AudioClip) -> None:
    """Who speaks into an answer ends it on the page, as it ends in the ear."""
    watched = Watched(Script().says("A long answer. " * 20))
    watched.give("session.update", session=DETECTION)
    watched.give("response.create")
    watched.run(1)
    watched.hear(question)
    grok, caller = watched.spans()[:2]
    assert grok[2] is not None
    assert grok[2] == pytest.approx(caller[1], abs=0.2)


def test_typed_words_and_errors() -> None:
    """What is typed is quoted, and so is what the service complains of."""
    watched = Watched()
    content = [{"type": "input_text", "text": "Is anybody there?"}]
    watched.give(
        "conversation.item.create", item={"type": "message", "role": "user", "content": content}
    )
    watched.give("nonsense")
    watched.run(0.1)
    events = watched.board.everything(watched.now)["events"]
    quoted = {event["type"]: event["text"] for event in events}
    assert quoted["conversation.item.create"] == "Is anybody there?"
    assert "nonsense" in quoted["error"]
    assert watched.spans()[0][3] == "Is anybody there?"


def test_no_secret_is_quoted() -> None:
    """Of a configuration nothing is quoted: servers of tools have their keys in it."""
    watched = Watched()
    tool = {"type": "mcp", "server_label": "x", "server_url": "https://x.example"}
    tool |= {"authorization": "secret-1", "headers": {"X-Key": "secret-2"}}
    watched.give("session.update", session={"instructions": "secret-3", "tools": [tool]})
    watched.run(0.5)
    assert "secret" not in json.dumps(watched.board.everything(watched.now))


def test_news() -> None:
    """Only what is new is told; sound that follows sound is one line that counts."""
    watched = Watched()
    watched.board.news(watched.now)
    assert watched.board.news(watched.now) is None
    for _ in range(3):
        watched.give("input_audio_buffer.append", audio="AAAA")
    news = watched.board.news(watched.now)
    assert news is not None
    (event,) = news["events"]
    assert (event["type"], event["times"], event["way"]) == ("input_audio_buffer.append", 3, "up")
    assert [card["n"] for card in news["sessions"]] == [1]


def test_what_is_no_event() -> None:
    """Garbage of a client, and of a test, is noted as what it is."""
    watched = Watched()
    watched.onlooker.heard(Frame(TEXT, b"{"), watched.now)
    watched.onlooker.heard(Frame(TEXT, b'{"type": 3}'), watched.now)
    watched.onlooker.said(Frame(TEXT, b'{"type": "x", "item": 4}'), watched.now)
    types = [event["type"] for event in watched.board.everything(watched.now)["events"]]
    assert types[-3:] == ["(no event)"] * 3


def test_the_board_stays_small() -> None:
    """Of sessions that have ended the newest are kept, and of events too."""
    board = Board(0.0)
    for number in range(200):
        onlooker = board.session(number, 1.0)
        for _ in range(10):
            onlooker.said(Frame(TEXT, b'{"type": "response.created"}'), 1.0)
        onlooker.ended(1000, "", 2.0)
    told = board.everything(3.0)
    assert len(told["sessions"]) <= 51
    assert told["sessions"][-1]["n"] == 199
    assert len(told["events"]) == 400
