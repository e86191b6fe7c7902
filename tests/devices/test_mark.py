"""A far end that is known by its marks only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import GrokClient, SessionConfig, events
from grok_rt.audio import PCMA, PCMU, AudioFormat, shipped
from grok_rt.devices import SpeakerMark, talk
from grok_rt.simulator import Script, Simulator
from grok_rt.streams import IteratorSource, Sink


class FarEnd:
    """Plays what it is sent when it is told to, and sends the marks back."""

    def __init__(self) -> None:
        self.line: list[bytes | str] = []
        self.sound = b""
        self.unmarked = 0  # bytes since the last mark
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
            self.unmarked = 0
        else:
            assert len(each) == 160
            self.sound += each
            self.unmarked += 160

    def plays_all(self) -> None:
        while self.line:
            self.play()


def test_only_marks_tell() -> None:
    """Sent is not heard: the position is that of the last mark that came back."""
    far = FarEnd()
    assert isinstance(far.speaker, Sink)
    far.speaker.write(bytes(480 + 480 + 80))
    for _ in range(3):
        far.play()
    assert far.speaker.played == 0
    far.play()
    assert far.speaker.played == 0.06
    far.plays_all()
    assert far.speaker.played == 0.12
    far.speaker.flush()
    far.speaker.flush()
    far.plays_all()
    assert far.speaker.played == 0.13  # silence that fills a frame up does not count
    assert far.sound == bytes(1040) + b"\xff" * 80


def test_marks_of_what_was_cleared_count_no_more() -> None:
    """A far end that is cleared sends its marks back all the same: that sound was not heard."""
    far = FarEnd()
    far.speaker.write(bytes(960 + 80))
    for _ in range(4):
        far.play()
    late = far.line[3]
    far.speaker.clear()
    assert far.speaker.played == 0.06
    assert not far.speaker.heard(str(late))
    assert not far.speaker.heard("nobody's")
    far.speaker.write(bytes(480))
    assert far.speaker.played == 0.06
    far.plays_all()
    assert far.speaker.played == 0.12
    assert len(far.sound) == 960


@given(st.lists(st.one_of(st.binary(max_size=1500), st.sampled_from(["play", "clear", "flush"]))))
def test_a_far_end_hears_what_is_counted(steps: list[bytes | str]) -> None:
    """Whatever happens, what counts as heard was heard, but for less than the way to a mark."""
    far = FarEnd()
    filled = 0
    for step in steps:
        if isinstance(step, bytes):
            far.speaker.write(step)
        elif step == "flush":
            far.speaker.flush()
            filled += 160
        elif step == "clear":
            while far.line and far.unmarked:
                far.play()  # else a part of a piece was heard, and is not counted
            far.speaker.clear()
        elif far.line:
            far.play()
        heard = round(far.speaker.played * 8000)
        assert heard <= len(far.sound) <= heard + 480 + filled


@pytest.mark.parametrize("law", [PCMU, PCMA])
def test_a_telephone_line_from_end_to_end(law: AudioFormat) -> None:
    """Both ways not a byte of the sound is changed, all frames are of 20 ms, silence is the law's.

    The line gives pieces of any size, and so does the service.
    """
    spoken = shipped("question")[0:0.6].to(law).data[:-33]
    config = SessionConfig.telephony(audio_format=law)
    script = Script().hears("How warm is it?").says("Three degrees in Oslo.")
    sent: list[bytes] = []
    line = SpeakerMark(law, send=sent.append, mark=lambda name: line.heard(name), clear=sent.clear)
    came: list[bytes] = []
    with Simulator(script, latency=0, chunk_ms=33) as server:
        client = GrokClient("key", url=server.url, config=config)
        client.on(events.AudioDelta)(lambda event: came.append(event.audio))
        caller = IteratorSource(uneven(spoken), law)
        for turn in talk(client, caller, line, headphones=True):
            if turn.role == "assistant":
                break
        received = server.received
    frames = [each.audio for each in received if isinstance(each, events.InputAudioBufferAppend)]
    for whole, pieces in ((spoken, frames), (b"".join(came), sent)):
        assert {len(piece) for piece in pieces} == {160}
        sound = b"".join(pieces)
        assert sound.startswith(whole)
        assert set(sound[len(whole) :]) <= set(law.silence(1))
    assert any(len(piece) % 160 for piece in came)


def uneven(data: bytes) -> Iterator[bytes]:
    """Cut into pieces of sizes that are no frame's."""
    at = 0
    for size in itertools.cycle([1, 7, 161, 333, 2]):
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size
