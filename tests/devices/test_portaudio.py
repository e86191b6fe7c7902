"""Which devices there are, what they take, and what is said when they do not."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest
from fake_portaudio import Pretend

from grok_rt.devices import Device, list_devices, report
from grok_rt.devices import _portaudio as portaudio
from grok_rt.errors import AudioError, MissingExtra

HEADSET, SPEAKERS, CAMERA = ("USB Headset", 1, 2), ("Desk Speakers", 0, 2), ("USB Camera", 2, 0)


def opened(kind: Any = "output", rate: int = 24000) -> portaudio.Opened:
    return portaudio.open_stream(
        None,
        kind,
        rate,
        latency=0.03,
        callback=print,
        finished=lambda: None,
        close=lambda: None,
    )


def test_devices_are_listed(pretend: Pretend) -> None:
    """Each device with its channels, its rate, and whether it is the one that is used."""
    pretend(SPEAKERS, HEADSET, default=(1, 0))
    assert list_devices() == (
        Device(0, "Desk Speakers", "Fake", 0, 2, 48000, is_default_output=True),
        Device(1, "USB Headset", "Fake", 1, 2, 48000, is_default_input=True),
    )


@pytest.mark.parametrize(
    ("wanted", "kind", "index"),
    [
        (None, "input", 0),
        (None, "output", 1),
        (2, "input", 2),
        ("camera", "input", 2),
        ("USB", "output", 0),
        ("usb headset", "input", 0),
    ],
)
def test_a_device_is_found(
    wanted: int | str | None, kind: Any, index: int, pretend: Pretend
) -> None:
    """By its number, by a part of its name that fits no other of its kind, or by default."""
    pretend(HEADSET, SPEAKERS, CAMERA, default=(0, 1))
    assert portaudio.find(wanted, kind).index == index


@pytest.mark.parametrize(
    ("wanted", "kind", "told"),
    [
        ("USB", "input", "several microphones are called 'USB'; name one of 0: USB Headset, 2: US"),
        (
            "Radio",
            "input",
            "there is no microphone 'Radio'; when this program began there were 0: USB Head",
        ),
        (
            1,
            "input",
            "there is no microphone 1; when this program began there were 0: USB Head",
        ),
        (
            "camera",
            "output",
            "there is no speaker 'camera'; when this program began there were 0: USB Head",
        ),
    ],
)
def test_a_device_that_is_not_meant(
    wanted: int | str, kind: Any, told: str, pretend: Pretend
) -> None:
    """A name that fits none or several is told, with those that there are."""
    pretend(HEADSET, SPEAKERS, CAMERA)
    with pytest.raises(AudioError) as caught:
        portaudio.find(wanted, kind)
    assert str(caught.value).startswith(told)


def test_a_machine_without_devices(pretend: Pretend) -> None:
    """No microphone is one sentence that says what to do."""
    pretend(SPEAKERS, default=(-1, -1))
    assert portaudio.find(None, "output").name == "Desk Speakers"
    with pytest.raises(AudioError, match="this machine has no microphone: plug one in"):
        portaudio.find(None, "input")


@pytest.mark.parametrize(
    ("rates", "channels", "takes"),
    [
        ((24000, 48000), None, (24000, 1)),
        ((48000,), None, (48000, 1)),
        ((44100,), None, (44100, 1)),
        ((44100,), (2,), (44100, 2)),
        ((24000, 48000), (2,), (24000, 2)),
    ],
)
def test_the_rate_is_probed(
    rates: tuple[int, ...], channels: tuple[int, ...] | None, takes: Any, pretend: Pretend
) -> None:
    """The session's own rate and one channel if the device takes them, else what it does take."""
    pretend(HEADSET, rates=rates, channels=channels)
    stream = opened()
    assert (stream.rate, stream.channels) == takes


def test_a_rate_that_no_device_has(pretend: Pretend) -> None:
    """The sentence names the device, the rates that were tried, and PortAudio's own words."""
    pretend(HEADSET, rates=(96000,))
    with pytest.raises(AudioError, match=r"speaker 'USB Headset' .* 8000, .*Invalid sample rate"):
        opened()


def test_portaudio_fails(pretend: Pretend) -> None:
    """What PortAudio raises never reaches the user as it is."""
    fake = pretend(HEADSET)

    def fail() -> None:
        raise fake.PortAudioError("Host error")

    fake.fails = fail
    with pytest.raises(AudioError, match="cannot be listed: Host error"):
        list_devices()
    assert [fine for fine, _ in report()] == [True, False, False]
    fake.fails = lambda: None
    stream = opened()
    stream.stream.start = stream.stream.abort = stream.stream.close = fail
    with pytest.raises(AudioError, match="'USB Headset' does not start: Host error"):
        portaudio.start(stream)
    portaudio.close(stream)


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (ImportError("no"), MissingExtra, r"pip install 'grok_rt\[audio\]'"),
        (OSError("no"), AudioError, "apt install libportaudio2 .* brew install portaudio"),
    ],
)
def test_what_is_missing_is_told(
    error: Exception, kind: type[Exception], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra, or without the library, the sentence has the line to type."""
    load = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "sounddevice":
            raise error
        return load(name, *rest)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(kind, match=told):
        list_devices()
    ((fine, line),) = report()
    assert not fine
    assert line


def test_a_report_has_a_line_for_each_part(pretend: Pretend) -> None:
    """PortAudio, the microphone and the speaker: well, or what to do."""
    pretend(HEADSET)
    assert report() == [
        (True, "Fake PortAudio 1"),
        (True, "microphone 'USB Headset', Fake, 48000 Hz"),
        (True, "speaker 'USB Headset', Fake, 48000 Hz"),
    ]
    pretend(SPEAKERS)
    assert [fine for fine, _ in report()] == [True, False, True]
