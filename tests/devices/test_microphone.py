"""A microphone, but for its sound: PortAudio's callbacks are the test's."""

from __future__ import annotations

import threading
from array import array

import pytest
from callers import SOON, call_in_thread, until
from fake_portaudio import Pretend, Status
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.audio import PCMU, AudioClip, pcm16
from grok_rt.devices import Microphone
from grok_rt.devices._microphone import mixed_down
from grok_rt.errors import AudioError
from grok_rt.streams import Source

MONO = ("Mono", 1, 0)


def record(fake: object, data: bytes, *, channels: int = 1, status: Status | None = None) -> None:
    """The device has recorded something."""
    options = fake.streams[-1].options  # type: ignore[attr-defined]
    options["callback"](data, len(data) // 2 // channels, None, status or Status())


def test_it_gives_what_was_recorded(pretend: Pretend) -> None:
    """The bytes come once, in order, in pieces no larger than asked for; ``b""`` once closed."""
    fake = pretend(MONO, rates=(24000,))
    with Microphone() as microphone:
        assert isinstance(microphone, Source)
        record(fake, bytes(range(200)))
        assert microphone.read(100) + microphone.read(100) == bytes(range(200))
        waiting = call_in_thread(lambda: microphone.read(100))
        record(fake, b"\1\2" * 50)
        assert waiting.result(SOON) == b"\1\2" * 50
        waiting = call_in_thread(lambda: microphone.read(100))
    assert waiting.result(SOON) == b""
    assert microphone.read(100) == b""
    assert microphone.lost is None


def test_its_format_is_what_was_asked_for(pretend: Pretend) -> None:
    """The device's rate and channels become the format's; `open` fills in what was left open."""
    fake = pretend(("Stereo", 2, 0), rates=(48000,), channels=(2,))
    with Microphone().open(PCMU) as microphone:
        assert microphone.format == PCMU
        record(fake, array("h", [1000, 3000] * 4800).tobytes(), channels=2)
        heard = microphone.read(160) + microphone.read(160)
    assert len(heard) > 160
    middle = AudioClip(heard, PCMU).samples()[100]
    assert middle == pytest.approx(2000, rel=0.05)


def test_the_level_is_told(pretend: Pretend) -> None:
    """Each piece that is read has a level, in dBFS."""
    fake, levels = pretend(MONO, rates=(24000,)), []
    with Microphone(on_level=levels.append) as microphone:
        record(fake, array("h", [3277, -3277] * 240).tobytes())
        microphone.read(960)
    assert levels == [pytest.approx(-20, abs=0.1)]


def test_what_nobody_reads_is_lost_and_counted(pretend: Pretend) -> None:
    """Two seconds wait; what comes then is dropped, and what PortAudio lost counts too."""
    fake = pretend(MONO, rates=(8000,))
    with Microphone(format=pcm16(8000)) as microphone:
        for _ in range(25):
            record(fake, bytes(1600))
        assert (microphone.overflows, microphone.dropped_ms) == (5, pytest.approx(500))
        record(fake, b"", status=Status(input_overflow=True))
        assert microphone.overflows == 6
        assert len(microphone.read(64000)) == 32000
        record(fake, bytes(1600))
        assert microphone.overflows == 6


def test_an_unplugged_microphone_is_told(pretend: Pretend) -> None:
    """Who reads, or reads later, gets a sentence and does not wait for ever."""
    fake = pretend(MONO, rates=(24000,))
    with Microphone() as microphone:
        waiting = call_in_thread(lambda: microphone.read(100))
        fake.streams[0].options["finished_callback"]()
        with pytest.raises(AudioError, match="microphone 'Mono' is gone: was it unplugged"):
            waiting.result(SOON)
        with pytest.raises(AudioError, match="gone"):
            microphone.read(100)
        assert isinstance(microphone.lost, AudioError)
    microphone.open()
    assert microphone.lost is None
    microphone.close()


def test_a_microphone_that_falls_silent_is_gone(
    pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems do not say that a device is gone: then it is by its giving nothing."""
    monkeypatch.setattr("grok_rt.devices._microphone._SILENT", 0.05)
    fake = pretend(MONO, rates=(24000,))
    with Microphone() as microphone:
        record(fake, bytes(200))
        assert len(microphone.read(200)) == 200
        with pytest.raises(AudioError, match="gone"):
            microphone.read(100)


def test_a_microphone_may_take_its_time_to_wake(
    pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first sound it is waited for longer, but not for ever."""
    monkeypatch.setattr("grok_rt.devices._microphone._SILENT", 0.0)
    fake = pretend(MONO, rates=(24000,))
    with Microphone() as microphone:
        reading = call_in_thread(lambda: microphone.read(200))
        until(lambda: microphone._bell.locked())
        record(fake, bytes(200))
        assert len(reading.result(SOON)) == 200
    monkeypatch.setattr("grok_rt.devices._microphone._WAKING", 0.05)
    with Microphone() as microphone, pytest.raises(AudioError, match="gone"):
        microphone.read(100)


def test_reading_what_is_not_open() -> None:
    """Nothing was recorded, and the error says what to do."""
    with pytest.raises(AudioError, match="not open: use it in a `with` block"):
        Microphone().read(100)


def test_closing_by_two_threads(pretend: Pretend) -> None:
    """However many close it, it is closed once."""
    fake = pretend(MONO, rates=(24000,))
    microphone = Microphone().open()
    threads = [threading.Thread(target=microphone.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert fake.streams[0].state == "closed"


@given(st.integers(1, 8), st.lists(st.integers(-32768, 32767), max_size=30))
def test_mixing_down_is_the_mean(channels: int, samples: list[int]) -> None:
    """Each frame becomes one sample, the mean of its channels, and nothing is ever too loud."""
    frames = [samples[i : i + channels] for i in range(0, len(samples), channels)]
    frames = [frame for frame in frames if len(frame) == channels]
    pcm = array("h", [sample for frame in frames for sample in frame]).tobytes()
    mono = array("h", mixed_down(pcm, channels))
    assert list(mono) == [sum(frame) // channels for frame in frames]


def test_half_a_frame_is_refused() -> None:
    """Bytes that are no whole number of frames are a mistake that is told."""
    with pytest.raises(AudioError, match="6 bytes are no whole number of frames of 2 channels"):
        mixed_down(bytes(6), 2)
