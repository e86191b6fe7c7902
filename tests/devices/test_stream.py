"""What holds for a microphone and for a speaker alike: how a device is had and given back."""

from __future__ import annotations

import pytest
from fake_portaudio import FakePortAudio, Pretend

from grok_rt.audio import OPUS, PCMU, pcm16
from grok_rt.devices import Microphone, Speaker
from grok_rt.errors import AudioError

Kind = type[Microphone] | type[Speaker]


@pytest.fixture
def fake(pretend: Pretend) -> FakePortAudio:
    return pretend(("Mono", 1, 1))


@pytest.fixture(params=[Microphone, Speaker])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def test_it_is_had_for_a_while(kind: Kind, fake: FakePortAudio) -> None:
    """It is open inside ``with`` or from `open` to `close`, each as often as one likes."""
    word = kind.__name__
    device = kind()
    assert repr(device) == f"<{word} 'default', closed>"
    for number in range(2):
        with device:
            assert device.open() is device
            assert repr(device) == f"<{word} 'Mono'>"
            assert fake.streams[number].state == "started"
        device.close()
        assert repr(device) == f"<{word} 'Mono', closed>"
        assert fake.streams[number].state == "closed"
    assert len(fake.streams) == 2


def test_its_format_is_said_once(kind: Kind, fake: FakePortAudio) -> None:
    """What was said when it was made holds, then what `open` says, then 24 kHz PCM."""
    assert kind().format == pcm16()
    with kind().open() as device:
        assert device.format == pcm16()
    with kind().open(PCMU) as device:
        assert device.format == PCMU
    with kind(format=pcm16(8000)).open(PCMU) as device:
        assert device.format == pcm16(8000)


def test_a_device_that_cannot_be_had(
    kind: Kind, fake: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence says why, and it is closed: at the first time and at any later one."""
    with pytest.raises(AudioError, match="audio/opus"):
        kind(format=OPUS).open()
    assert fake.streams == []

    def fail(_self: object) -> None:
        raise fake.PortAudioError("Device busy")

    device = kind("Mono")
    assert device.name == "Mono"
    with monkeypatch.context() as patch:
        patch.setattr("fake_portaudio.Stream.start", fail)
        with pytest.raises(AudioError, match="'Mono' does not start: Device busy"):
            device.open()
    assert not device.is_open
    assert fake.streams[0].state == "closed"
    with device:
        assert device.is_open
    fake.devices = ()
    with pytest.raises(AudioError, match=r"no (microphone|speaker)"):
        device.open()
    assert not device.is_open
