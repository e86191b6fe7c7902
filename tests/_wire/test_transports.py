"""Sound bare or as JSON, each way by itself."""

from __future__ import annotations

import pytest

from grok_rt import GrokClient, SessionConfig
from grok_rt.audio import shipped
from grok_rt.simulator import Script, Simulator


@pytest.mark.parametrize("input", ["json", "binary"])
@pytest.mark.parametrize("output", ["json", "binary"])
def test_a_spoken_question_by_either_transport(input: str, output: str) -> None:
    """Bare or as JSON, each way by itself: the server hears it, and its answer is heard."""
    config = SessionConfig.wideband(turn_detection=None).with_transport(input, output)
    with Simulator(Script().hears("Hello.").says("Good day.")) as server:
        with GrokClient("key", url=server.url, config=config) as grok:
            answer = grok.ask(shipped("hello"), timeout=10)
        assert len(server.sessions[0].turns) == 1
    assert answer.text == "Good day."
    assert answer.audio.duration > 0.3
