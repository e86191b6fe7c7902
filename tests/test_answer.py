"""An answer as it shows itself."""

from __future__ import annotations

import attrs

from grok_rt import Answer, AudioClip
from grok_rt.answer import Latency

ANSWER = Answer(
    text="<b>" * 30,
    audio=AudioClip(bytes(4800)),
    tool_calls=(),
    usage=None,
    latency=Latency(first_audio=2.0, total=10.0),
    status="completed",
    interrupted=False,
    turns=(),
)


def test_how_it_shows() -> None:
    """The repr is short; a notebook shows the text, escaped, a player and the times."""
    assert len(repr(ANSWER)) < 120
    assert repr(ANSWER).startswith("Answer('<b>")
    page = ANSWER._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b><b>" not in page
    assert "<audio" in page
    assert "first sound <b>2.00 s</b>" in page
    assert "all <b>10.00 s</b>" in page


def test_how_silence_shows() -> None:
    """Without sound there is no player, and no time of the first of it."""
    silent = attrs.evolve(
        ANSWER, text="", audio=AudioClip(b""), latency=Latency(None, 1.0), status="incomplete"
    )
    assert repr(silent) == "Answer('', status='incomplete', total=1.00)"
    assert "<audio" not in silent._repr_html_()
    assert "first sound" not in silent._repr_html_()
