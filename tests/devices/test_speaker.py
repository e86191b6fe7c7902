"""A speaker, but for its sound: PortAudio's callbacks are the test's."""

from __future__ import annotations

import threading
import time
import types
from array import array
from collections.abc import Callable

import pytest
from callers import SOON, call_in_thread
from fake_portaudio import FakePortAudio, Pretend, Status

from grok_rt.audio import PCMU, AudioClip, AudioFormat, pcm16
from grok_rt.devices import Speaker, _portaudio
from grok_rt.errors import AudioError
from grok_rt.streams import Sink

MONO = ("Mono", 0, 1)
FORMAT = pcm16(8000)


class Device:
    """The other side of a stream: asks for sound, and hears it `delay` seconds later."""

    def __init__(self, fake: FakePortAudio, *, channels: int = 1, delay: float = 0.0001) -> None:
        self.options = fake.streams[-1].options
        self.channels = channels
        self.delay = delay
        self.sound = b""

    def plays(self, frames: int, status: Status | None = None) -> bytes:
        out = bytearray(b"\x55" * (2 * self.channels * frames))
        times = types.SimpleNamespace(currentTime=7.0, outputBufferDacTime=7.0 + self.delay)
        self.options["callback"](out, frames, times, status or Status())
        return bytes(out)

    def plays_until(self, done: Callable[[], bool], frames: int = 80) -> bytes:
        """Play at the pace of sound, as a device does."""
        deadline = time.monotonic() + SOON
        sound = b""
        while not done():
            assert time.monotonic() < deadline
            sound += self.plays(frames)
            time.sleep(frames / 8000)
        return sound


def ready(speaker: Speaker, seconds: float) -> None:
    """Wait until so much is ready for the device."""
    deadline = time.monotonic() + SOON
    while len(speaker._ring) < 2 * 8000 * seconds:
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def fake(pretend: Pretend) -> FakePortAudio:
    return pretend(MONO, rates=(8000,))


def test_what_is_written_is_heard(fake: FakePortAudio) -> None:
    """All of it in order, silence before and after; `played` is what was heard."""
    sound = array("h", range(1, 4001)).tobytes()
    with Speaker(format=FORMAT) as speaker:
        assert isinstance(speaker, Sink)
        device = Device(fake)
        assert device.plays(10) == bytes(20)
        speaker.write(sound[:1000])
        speaker.write(b"")
        speaker.write(sound[1000:])
        heard = device.plays_until(lambda: speaker.played >= 0.5)
        assert heard.replace(bytes(2), b"").startswith(sound[:7900].replace(bytes(2), b""))
        assert speaker.played == 0.5
        assert heard.strip(b"\0") in sound + bytes(1)
    assert speaker.played == 0.5
    assert fake.streams[0].state == "closed"


def test_the_time_in_the_device_is_not_heard(fake: FakePortAudio) -> None:
    """What the device has taken sounds later, and counts then."""
    with Speaker(format=FORMAT, jitter=0) as speaker:
        device = Device(fake, delay=0.9)
        speaker.write(bytes(1600))
        ready(speaker, 0.1)
        device.plays(800)
        assert speaker.played == 0
        device.delay = 0
        device.options["callback"](
            bytearray(2),
            1,
            types.SimpleNamespace(currentTime=0.0, outputBufferDacTime=0.0),  # it does not know
            Status(),
        )
        assert speaker.played == 0
        deadline = time.monotonic() + SOON
        while speaker.played < 0.1:
            assert time.monotonic() < deadline
            device.plays(1)
            time.sleep(0.01)


def test_clearing_is_silence_at_once(fake: FakePortAudio) -> None:
    """After `clear` the next buffer is silent, nothing more counts, and what follows is heard."""
    with Speaker(format=FORMAT, jitter=0) as speaker:
        device = Device(fake)
        speaker.write(b"\1\1" * 8000)
        ready(speaker, 0.1)
        assert device.plays(400) == b"\1\1" * 400
        deadline = time.monotonic() + SOON
        while speaker.played < 0.05:
            assert time.monotonic() < deadline
        speaker.clear()
        assert device.plays(400) == bytes(800)
        assert speaker.played == 0.05
        speaker.clear()
        speaker.write(b"\2\2" * 800)
        ready(speaker, 0.1)
        assert device.plays(800) == b"\2\2" * 800
        device.plays_until(lambda: speaker.played >= 0.15)
        assert speaker.played == pytest.approx(0.15)


def test_a_little_is_collected_first(fake: FakePortAudio) -> None:
    """Sound that comes in drops does not start before there is enough; a short one starts late."""
    with Speaker(format=FORMAT, jitter=0.2) as speaker:
        speaker.write(b"\1\1" * 800)
        time.sleep(0.05)  # nothing may happen
        assert not len(speaker._ring)
        speaker.write(b"\1\1" * 800)
        ready(speaker, 0.1)
        speaker.clear()
        Device(fake).plays(8)
        began = time.monotonic()
        speaker.write(b"\1\1" * 80)
        ready(speaker, 0.01)
        assert time.monotonic() - began >= 0.2


def test_a_pause_holds_the_place(fake: FakePortAudio) -> None:
    """While it pauses there is silence; then it goes on where it was."""
    with Speaker(format=FORMAT, jitter=0) as speaker:
        device = Device(fake)
        sound = array("h", range(1, 801)).tobytes()
        speaker.write(sound)
        ready(speaker, 0.1)
        first = device.plays(300)
        speaker.pause()
        assert device.plays(500) == bytes(1000)
        assert speaker.played <= 300 / 8000
        speaker.resume()
        assert first + device.plays(500) == sound
        assert speaker.underruns == 0


@pytest.mark.parametrize("format", [PCMU, pcm16(24000)])
def test_formats_rates_and_channels_are_converted(format: AudioFormat, pretend: Pretend) -> None:
    """The device's rate and channels are found; every channel gets the sound, to its last ms."""
    fake = pretend(("Stereo", 0, 2), rates=(48000,), channels=(2,))
    tone = AudioClip.from_samples([8000] * 2400, 24000).to(format)
    with Speaker().open(format) as speaker:
        device = Device(fake, channels=2)
        speaker.write(tone.data)
        heard = b""
        deadline = time.monotonic() + SOON
        while speaker.played < tone.duration:
            assert time.monotonic() < deadline
            heard += device.plays(480)
            time.sleep(0.005)
        assert speaker.played == tone.duration
    samples = array("h", heard)
    assert samples[::2] == samples[1::2]
    loud = [sample for sample in samples[::2] if abs(sample - 8000) < 1000]
    assert len(loud) / 48000 == pytest.approx(0.1, abs=0.01)


def test_the_volume(fake: FakePortAudio) -> None:
    """Sound is multiplied by the volume before the device gets it, and cut at full scale."""
    with Speaker(format=FORMAT, jitter=0) as speaker:
        speaker.volume = 0.25
        speaker.write(array("h", [1000, -1000] * 400).tobytes())
        ready(speaker, 0.1)
        device = Device(fake)
        assert array("h", device.plays(800)) == array("h", [250, -250] * 400)
        speaker.volume = 2.0
        speaker.write(array("h", [30000, -30000, 1000, 0] * 200).tobytes())
        ready(speaker, 0.1)
        assert array("h", device.plays(800)) == array("h", [32767, -32768, 2000, 0] * 200)


def test_underruns_are_counted(fake: FakePortAudio, caplog: pytest.LogCaptureFixture) -> None:
    """The device got less than there was, or says that it ran dry; silence at the end is none."""
    with Speaker(format=FORMAT, jitter=0) as speaker:
        device = Device(fake)
        speaker.write(bytes(2 * 8000))
        ready(speaker, 0.1)
        device.plays(8000)  # more at once than is kept ready
        assert speaker.underruns == 1
        ready(speaker, 0.1)
        device.plays(10, Status(output_underflow=True))
        assert speaker.underruns == 2
        speaker.clear()
        device.plays(8000)
        assert speaker.underruns == 2
        speaker.write(bytes(1600))
        ready(speaker, 0.05)
    assert "'Mono' had no sound in time, 2 times" in caplog.text


def test_an_unplugged_speaker_is_told(fake: FakePortAudio) -> None:
    """`on_lost` hears of it once, and so does who writes; nothing hangs."""
    told: list[AudioError] = []
    heard = threading.Event()
    with Speaker(format=FORMAT, on_lost=lambda e: (told.append(e), heard.set())) as speaker:
        fake.streams[0].options["finished_callback"]()
        assert heard.wait(SOON)
        with pytest.raises(AudioError, match="speaker 'Mono' is gone: was it unplugged"):
            speaker.write(bytes(2))
        assert speaker.lost is told[0]
    assert len(told) == 1


def test_a_speaker_that_takes_nothing_is_gone(
    fake: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems do not say that a device is gone: then it is by its asking for nothing."""
    monkeypatch.setattr("grok_rt.devices._speaker._DEAD", 0.1)
    told = threading.Event()
    with Speaker(format=FORMAT, on_lost=lambda _: told.set()) as speaker:
        speaker.write(bytes(800))
        assert told.wait(SOON)
    assert fake.streams[0].state == "closed"


def test_writing_what_cannot_be_heard(fake: FakePortAudio) -> None:
    """A speaker that is not open, half a sample: an error says what to do."""
    speaker = Speaker(format=FORMAT)
    with pytest.raises(AudioError, match="not open: use it in a `with` block"):
        speaker.write(bytes(2))
    with speaker, pytest.raises(AudioError, match="3 bytes are no whole"):
        speaker.write(bytes(3))
    assert speaker.played == 0


def test_opened_while_another_thread_closes_it(
    fake: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new stream waits for the old one to end, which does not take it along."""
    speaker = Speaker(format=FORMAT).open()
    begun, go_on = threading.Event(), threading.Event()
    close = _portaudio.close

    def slowly(opened: _portaudio.Opened) -> None:
        begun.set()
        assert go_on.wait(SOON)
        close(opened)

    monkeypatch.setattr(_portaudio, "close", slowly)
    closed = call_in_thread(speaker.close)
    assert begun.wait(SOON)
    opened = call_in_thread(speaker.open)
    assert len(fake.streams) == 1
    go_on.set()
    closed.result(SOON)
    assert opened.result(SOON) is speaker
    with speaker:
        speaker.write(b"\1\2" * 80)
        assert Device(fake).plays_until(lambda: speaker.played >= 0.01).count(b"\1\2") == 80
        assert speaker.lost is None
