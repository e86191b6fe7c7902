"""The speaker's end of a talk: any sink, and what a device can do besides."""

from __future__ import annotations

import pytest
from callers import until
from fake_portaudio import FakePortAudio, Pretend

from grok_rt import events
from grok_rt.audio import PCMU, pcm16
from grok_rt.devices import Speaker
from grok_rt.devices._mouth import Mouth
from grok_rt.errors import AudioError
from grok_rt.streams import AudioQueue, NullSink

FORMAT = pcm16(8000)
WORD = events.AudioDelta(audio=bytes(1600), response_id="r", item_id="a")


@pytest.fixture
def fake(pretend: Pretend) -> FakePortAudio:
    return pretend(("Mono", 0, 1), rates=(8000,))


def test_nothing_is_said_before_it_is_opened() -> None:
    """Until then it takes everything and knows of nothing, and it can be closed."""
    mouth = Mouth(NullSink(FORMAT), pytest.fail)
    assert mouth.feed(WORD) == []
    mouth.hold()
    mouth.release()
    mouth.soften(True)
    assert (mouth.remaining, mouth.heard("a"), mouth.is_unheard("a")) == (0, None, False)
    assert mouth.close() == []


def test_any_sink_will_do() -> None:
    """What is said goes there, and what was not heard when it is closed was cut short."""
    mouth = Mouth(AudioQueue(FORMAT), pytest.fail)
    mouth.open(FORMAT)
    mouth.soften(True)  # there is no volume
    mouth.hold()
    mouth.feed(WORD)
    assert mouth.is_unheard("a")
    assert mouth.remaining == 0
    mouth.release()
    assert 0 < mouth.remaining <= 0.1
    assert mouth.heard("a") is not None
    (cut,) = mouth.close()
    assert (cut.item_id, cut.received_ms) == ("a", 100)


@pytest.mark.parametrize("was_open", [False, True])
def test_a_device_is_left_as_it_was(fake: FakePortAudio, was_open: bool) -> None:
    """Opened or not, with the user's own `on_lost` and full volume."""
    speaker = Speaker(format=FORMAT, on_lost=pytest.fail)
    if was_open:
        speaker.open()
    mouth = Mouth(speaker, pytest.fail)
    mouth.open(FORMAT)
    assert speaker.is_open
    mouth.soften(True)
    assert speaker.volume < 1
    mouth.soften(False)
    assert speaker.volume == 1
    mouth.soften(True)
    mouth.close()
    assert (speaker.volume, speaker.on_lost, speaker.is_open) == (1, pytest.fail, was_open)
    speaker.close()


def test_a_lost_device_is_told_once(fake: FakePortAudio) -> None:
    """The user's own `on_lost` hears of it first; what is said afterwards is no second error."""
    told: list[str] = []
    mouth = Mouth(
        Speaker(on_lost=lambda _: told.append("user")), lambda error: told.append(str(error))
    )
    mouth.open(FORMAT)
    fake.streams[0].options["finished_callback"]()
    until(lambda: len(told) == 2)
    assert told == ["user", "the speaker 'Mono' is gone: was it unplugged?"]
    assert mouth.feed(WORD) == []
    mouth.close()


def test_what_a_sink_raises_is_an_error(fake: FakePortAudio) -> None:
    """A speaker that somebody closed, or another format: nothing is passed over in silence."""
    speaker = Speaker(format=FORMAT)
    mouth = Mouth(speaker, pytest.fail)
    with pytest.raises(AudioError, match="the session speaks"):
        mouth.open(PCMU)
    mouth.open(FORMAT)
    speaker.close()
    with pytest.raises(AudioError, match="not open"):
        mouth.feed(WORD)
    mouth.close()
