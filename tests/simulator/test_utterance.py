"""How speech is cut."""

from __future__ import annotations

import math

import pytest

from grok_rt.audio import PCMU, AudioFormat, pcm16
from grok_rt.simulator.packets import SILENCE
from grok_rt.simulator.utterance import Packets, Speech

TEXT = "One two three four five six seven. Eight nine ten eleven twelve!"


@pytest.mark.parametrize("form", [pcm16(8000), pcm16(44100), PCMU])
@pytest.mark.parametrize("chunk_ms", [None, 20, 0])
@pytest.mark.parametrize("pace", [1.0, math.inf])
def test_nothing_is_lost(form: AudioFormat, chunk_ms: float | None, pace: float) -> None:
    """The segments are all words and all sound, in order, without a gap."""
    data = bytes(n % 251 for n in range(form.frame_bytes(300 if chunk_ms == 0 else 7000)))
    speech = Speech(data, form, chunk_ms=chunk_ms, pace=pace)
    words, sound, at = "", b"", 0.0
    for segment in speech.segments(TEXT):
        words += segment.words
        assert segment.start == pytest.approx(at)
        for piece in segment.pieces:
            assert piece.start == pytest.approx(at)
            sound += piece.data
            at += piece.seconds
    assert (words, sound) == (TEXT, data)
    assert at == pytest.approx(speech.seconds)


def test_live_sizes() -> None:
    """The first piece is 245 ms, later ones are longer; none is shorter than 60 ms."""
    speech = Speech(bytes(pcm16().frame_bytes(20_000)), pcm16())
    lengths = [
        piece.seconds * 1000 for segment in speech.segments(TEXT) for piece in segment.pieces
    ]
    assert lengths[0] == pytest.approx(245, abs=1)
    assert max(lengths) > 1000
    assert all(60 <= length <= 2961 for length in lengths)


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_packets(count: int) -> None:
    """Packets are not cut, and every word is said even if there is no packet for it."""
    packets = Packets([SILENCE] * count)
    segments = [(segment.words, list(segment.pieces)) for segment in packets.segments(TEXT)]
    assert "".join(words for words, _ in segments) == TEXT
    pieces = [piece for _, each in segments for piece in each]
    assert [piece.data for piece in pieces] == [SILENCE] * count
    assert [piece.start for piece in pieces] == pytest.approx([0.02 * n for n in range(count)])
    assert packets.seconds == pytest.approx(0.02 * count)


def test_words_without_sound() -> None:
    """Sound that is too short for all words leaves none of them out."""
    words = [segment.words for segment in Speech(b"", pcm16()).segments(TEXT)]
    assert "".join(words) == TEXT
    assert list(Speech(b"", pcm16()).segments("")) == []
