"""The clock of a speaker: what it was given, and when that sounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.devices._heard import Emitted


def test_nothing_was_heard_of_nothing() -> None:
    """Before the first buffer nothing was heard."""
    assert Emitted(1000).heard(5.0) == 0


def test_a_buffer_is_heard_when_it_sounds() -> None:
    """A position is that of the frame that sounds now: the device's delay counts."""
    emitted = Emitted(1000)
    emitted.add(10.0, 0, 100, 100)
    emitted.add(10.1, 100, 40, 100)
    emitted.add(10.2, 140, 100, 100)
    heard = [emitted.heard(at) for at in (9.9, 10.0, 10.05, 10.1, 10.125, 10.19, 10.25, 11.0)]
    assert heard == [0, 0, 50, 100, 125, 140, 190, 240]


def test_a_late_callback_tells_nothing() -> None:
    """A busy machine calls late: that does not make the sound late, but a gap does."""
    emitted = Emitted(1000)
    emitted.add(10.0, 0, 100, 100)
    emitted.add(10.19, 100, 100, 100)
    assert emitted.heard(10.15) == pytest.approx(150, abs=6)
    emitted.add(10.2, 200, 100, 100)
    assert emitted.heard(10.25) == pytest.approx(250, abs=1)
    emitted.add(10.4, 300, 100, 100, gap=True)
    assert emitted.heard(10.35) == 300
    assert emitted.heard(10.45) == pytest.approx(350, abs=1)
    emitted.add(20.0, 400, 100, 100)  # nobody calls so late: the device was asleep
    assert emitted.heard(20.05) == pytest.approx(450, abs=1)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=1200), st.data())
def test_hearing_never_runs_backwards(buffers: list[tuple[int, int]], data: st.DataObject) -> None:
    """However the buffers are filled, time only adds, up to all that was given."""
    emitted, position, at = Emitted(1000), 0, 1.0
    for sound, silence in buffers:
        emitted.add(at, position, sound, sound + silence)
        position += sound
        at += (sound + silence) / 1000
    recent = sum(sound + silence for sound, silence in buffers[-400:]) / 1000
    times = sorted(data.draw(st.lists(st.floats(at - recent, at + 1), max_size=5)))
    heard = [emitted.heard(time) for time in [*times, at + 1]]
    assert heard == sorted(heard)
    assert heard[-1] == position
