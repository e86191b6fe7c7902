"""Where sound lies on the clock."""

from __future__ import annotations

from grok_rt import events
from grok_rt.audio import OPUS, PCMU, AudioFormat
from grok_rt.recording._playback import Heard, Playback, Track, formats_in, seconds_of

SPEECH = events.InputAudioBufferSpeechStarted(item_id="user")


def delta(item: str, response: str = "r") -> events.AudioDelta:
    """Sound of an item; how much is said by who places it."""
    return events.ResponseOutputAudioDelta(audio=b"", item_id=item, response_id=response)


def test_a_piece_waits_for_the_one_before_it() -> None:
    """Sound that comes faster than it is heard queues; after a pause it begins when it comes."""
    track = Track()
    assert [track.place(at, 1.0) for at in (2.0, 2.1, 2.2, 9.0)] == [2.0, 3.0, 4.0, 9.0]


def test_jitter_makes_no_gap() -> None:
    """A piece that is a little late goes on where the last one ended."""
    track = Track()
    assert track.place(0.0, 0.02) == 0.0
    assert track.place(0.09, 0.02) == 0.02
    assert track.place(0.5, 0.02) == 0.5


def test_an_interruption_cuts_what_was_not_heard() -> None:
    """Nothing is heard beyond it, late pieces of the same response not at all, the next one is."""
    playback = Playback()
    playback.place(delta("a"), 1.0, 4.0)
    playback.place(delta("b"), 1.1, 2.0)
    assert playback.interrupts(SPEECH)
    playback.cut(3.0)
    assert playback.place(delta("b"), 3.1, 1.0) is None
    assert playback.place(delta("c", "other"), 3.5, 1.0) == 3.5
    assert playback.heard == [
        Heard("a", 1.0, 3.0, cut=True),
        Heard("b", 3.0, 3.0, cut=True),
        Heard("c", 3.5, 4.5),
    ]


def test_silence_cannot_be_interrupted() -> None:
    """Who speaks when nothing plays cuts nothing, and the same response may go on later."""
    playback = Playback()
    playback.place(delta("a"), 1.0, 1.0)
    playback.cut(5.0)
    assert playback.place(delta("a"), 6.0, 1.0) == 6.0
    assert playback.heard[0].cut is False
    assert not playback.interrupts(events.InputAudioBufferSpeechStopped(item_id="user"))


def test_formats_are_read_off_the_wire() -> None:
    """A `session.update` tells the formats it sets, and nonsense tells none."""
    audio = {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"rate": 3}}}
    update = {"type": "session.update", "session": {"audio": audio}}
    assert dict(formats_in(update)) == {"input": AudioFormat("audio/pcmu", None)}
    for broken in ({}, {"type": "session.update"}, {**update, "session": {"audio": {"input": 3}}}):
        assert dict(formats_in(broken)) == {}


def test_seconds() -> None:
    """Bytes have a length, but those of formats that do not say."""
    assert seconds_of(4000, PCMU) == 0.5
    assert seconds_of(4000, OPUS) == 0.0
