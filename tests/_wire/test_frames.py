"""Events as frames and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import events
from grok_rt._wire.frames import frame_of, heard, said, sound_frame
from grok_rt._wire.framing import BINARY, TEXT


@pytest.mark.parametrize("bare", [False, True])
@given(pcm=st.binary(max_size=200))
def test_sound_is_the_same_either_way(pcm: bytes, *, bare: bool) -> None:
    """As JSON or bare, what left is the sound that was given."""
    frame = sound_frame(pcm, bare=bare)
    assert frame.opcode == (BINARY if bare else TEXT)
    assert said(frame) == events.InputAudioBufferAppend(pcm)


def test_an_event_is_text() -> None:
    """And comes back as itself."""
    event = events.ResponseCancel(event_id="x", response_id="r")
    assert frame_of(event).opcode == TEXT
    assert said(frame_of(event)) == event


def test_nonsense_is_heard_as_such() -> None:
    """What is no message is an event too, with its bytes and the reason."""
    event = heard(b"{no JSON")
    assert isinstance(event, events.Malformed)
    assert event.data == b"{no JSON"
    assert isinstance(heard(b'{"type":"ping"}'), events.Ping)
