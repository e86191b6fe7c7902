"""A far end that is known by its marks only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grok_rt.audio import PCMU
from grok_rt.devices import SpeakerMark
from grok_rt.streams import Sink


class FarEnd:
    """Plays what it is sent when it is told to, and sends the marks back."""

    def __init__(self) -> None:
        self.line: list[bytes | str] = []
        self.sound = b""
        self.speaker = SpeakerMark(
            PCMU, send=self.line.append, mark=self.line.append, clear=self.forget
        )

    def forget(self) -> None:
        marks = [each for each in self.line if isinstance(each, str)]
        self.line.clear()
        for mark in marks:  # as real gateways do
            self.speaker.heard(mark)

    def play(self) -> None:
        each = self.line.pop(0)
        if isinstance(each, str):
            assert self.speaker.heard(each)
        else:
            self.sound += each


def test_only_marks_tell() -> None:
    """Sent is not heard: the position is that of the last mark that came back."""
    far = FarEnd()
    assert isinstance(far.speaker, Sink)
    far.speaker.write(bytes(480 + 480 + 80))
    assert far.speaker.played == 0
    far.play()
    assert far.speaker.played == 0
    far.play()
    assert far.speaker.played == 0.06
    while far.line:
        far.play()
    assert far.speaker.played == 0.13
    assert len(far.sound) == 1040


def test_marks_of_what_was_cleared_count_no_more() -> None:
    """A far end that is cleared sends its marks back all the same: that sound was not heard."""
    far = FarEnd()
    far.speaker.write(bytes(960))
    far.play(), far.play()
    late = far.line[1]
    far.speaker.clear()
    assert far.speaker.played == 0.06
    assert not far.speaker.heard(str(late))
    assert not far.speaker.heard("nobody's")
    far.speaker.write(bytes(480))
    assert far.speaker.played == 0.06
    far.play(), far.play()
    assert far.speaker.played == 0.12


@given(st.lists(st.one_of(st.binary(max_size=1500), st.sampled_from(["play", "clear"]))))
def test_a_far_end_hears_what_is_counted(steps: list[bytes | str]) -> None:
    """Whatever happens, what counts as heard was heard, but for less than the way to a mark."""
    far = FarEnd()
    for step in steps:
        if isinstance(step, bytes):
            far.speaker.write(step)
        elif step == "clear":
            behind = far.line and isinstance(far.line[0], str)
            if behind:
                far.play()  # else a part of a piece was heard, and is not counted
            far.speaker.clear()
        elif far.line:
            far.play()
        heard = round(far.speaker.played * 8000)
        assert heard <= len(far.sound) <= heard + 480
