"""Sound that is asked: where its speech ends, and what is no speech."""

from __future__ import annotations

import threading

import pytest

from grok_rt import PCMU, AudioClip, pcm16
from grok_rt._asking.speech import Speech
from grok_rt.audio import OPUS
from grok_rt.errors import AudioError
from grok_rt.streams import AudioQueue, IteratorSource

LOUD = b"\x00\x10\x00\xf0" * 240  # 20 ms at 24 kHz
QUIET = bytes(960)
TICK = b"\x10\x00\xf0\xff" * 240  # as loud as silence may be


def ends(speech: Speech, tail_ms: float | None = None) -> list[int | None]:
    """What is known of its end after each frame, and after the last."""
    told, sent = [], 0
    for frame in speech.frames(tail_ms, threading.Event()):
        sent += len(frame)
        told.append(speech.ends_at(frame, sent))
    return [*told, speech.ends_at(b"", sent)]


def test_the_end_of_a_clip_is_known_before_it_is_sent() -> None:
    """It is where the silence at its end begins, and can be spoken again."""
    speech = Speech(AudioClip(LOUD * 2 + QUIET * 3), pcm16())
    assert not speech.is_live
    assert ends(speech) == ends(speech) == [1920] * 6


def test_the_end_of_a_source_is_known_when_it_is_over() -> None:
    """Until then there may be more; silence and less than silence behind the last word is none."""
    speech = Speech(IteratorSource([LOUD, QUIET, LOUD, TICK, QUIET], pcm16()), pcm16())
    assert speech.is_live
    assert ends(speech) == [None, None, None, None, None, 2880]
    speech = Speech(IteratorSource([LOUD], pcm16()), pcm16())
    assert ends(speech, tail_ms=40) == [None, 960, 960, 960]


def test_a_source_is_converted_as_it_is_read() -> None:
    """Pieces of any size, of another format and rate, are the session's frames."""
    told = AudioClip(LOUD * 10).to(PCMU).data
    pieces = [told[at : at + 33] for at in range(0, len(told), 33)]
    speech = Speech(IteratorSource(pieces, PCMU), pcm16())
    frames = list(speech.frames(None, threading.Event()))
    assert {len(frame) for frame in frames} == {960}
    assert sum(map(len, frames)) == pytest.approx(9600, abs=960)


def test_what_was_silence_to_its_end_is_refused() -> None:
    """A clip at once, a source when it has ended: the sentence names it."""
    with pytest.raises(AudioError, match=r"<AudioClip .* holds nothing but silence: there is"):
        Speech(AudioClip(TICK), pcm16())
    for pieces in ([], [TICK]):
        with pytest.raises(AudioError, match=r"IteratorSource .* holds nothing but silence"):
            ends(Speech(IteratorSource(pieces, pcm16()), pcm16()))


def test_what_is_too_short_for_a_voice_is_refused() -> None:
    """No server would notice it, so that the question would wait for ever."""
    with pytest.raises(AudioError, match=r"<AudioClip .* holds 0\.042 ms of sound: too short"):
        Speech(AudioClip(b"abc"), pcm16())
    with pytest.raises(AudioError, match=r"<AudioClip .* holds 19 ms of sound: too short"):
        Speech(AudioClip(LOUD[:912] + QUIET * 9), pcm16())
    assert ends(Speech(AudioClip(LOUD), pcm16()))[-1] == 960
    for tail_ms in (None, 40):  # a frame is filled up with silence, which is no sound
        with pytest.raises(AudioError, match=r"IteratorSource .* holds 19 ms of sound: too short"):
            ends(Speech(IteratorSource([LOUD[:912]], pcm16()), pcm16()), tail_ms)


def test_what_cannot_be_heard_is_refused_before_it_is_read() -> None:
    """Sound that nobody here can convert, and what is no sound."""
    with pytest.raises(AudioError, match="audio/opus"):
        Speech(AudioQueue(OPUS), pcm16())
    with pytest.raises(TypeError, match="text, an AudioClip, a Path or a Source, not b'RIFF'"):
        Speech(b"RIFF", pcm16())
