"""A PortAudio without sound: devices of any kind, and a stream whose callbacks the test calls."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any


class PortAudioError(Exception):
    """As `sounddevice` has it."""


class Stream:
    """What `RawInputStream` and `RawOutputStream` are."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.latency = options["latency"]
        self.state = "new"

    def start(self) -> None:
        self.state = "started"

    def abort(self) -> None:
        self.state = "stopped"
        self.options["finished_callback"]()

    def close(self) -> None:
        self.state = "closed"


class Status:
    """Flags of a callback."""

    def __init__(self, **flags: bool) -> None:
        self.input_overflow = flags.get("input_overflow", False)
        self.output_underflow = flags.get("output_underflow", False)

    def __bool__(self) -> bool:
        return self.input_overflow or self.output_underflow


class FakePortAudio:
    """The module `sounddevice`, as far as it is used.

    Args:
        devices: name, inputs, outputs of each.
        rates: that any of them takes.
        channels: that any of them takes; None: up to as many as it has.
    """

    PortAudioError = PortAudioError

    def __init__(
        self,
        *devices: tuple[str, int, int],
        rates: tuple[int, ...] = (48000,),
        channels: tuple[int, ...] | None = None,
        default: tuple[int, int] = (0, 0),
    ) -> None:
        self.devices = devices
        self.rates = rates
        self.channels = channels
        self.default = types.SimpleNamespace(device=list(default), hostapi=0)
        self.streams: list[Stream] = []
        self.fails: Callable[[], None] = lambda: None

    def query_hostapis(self) -> tuple[dict[str, Any], ...]:
        self.fails()
        return ({"name": "Fake", "default_input_device": 0, "default_output_device": 0},)

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "hostapi": 0,
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": 48000.0,
            }
            for name, inputs, outputs in self.devices
        ]

    def get_portaudio_version(self) -> tuple[int, str]:
        return 1, "Fake PortAudio 1, revision 2"

    def _check(self, device: int, channels: int, dtype: str, samplerate: int) -> None:
        if dtype != "int16" or samplerate not in self.rates:
            raise PortAudioError("Invalid sample rate")
        if self.channels is not None and channels not in self.channels:
            raise PortAudioError("Invalid number of channels")

    check_input_settings = check_output_settings = _check

    def _stream(self, **options: Any) -> Stream:
        self.streams.append(Stream(**options))
        return self.streams[-1]

    RawInputStream = RawOutputStream = _stream


#: Make the machine have some devices, and no others.
Pretend = Callable[..., FakePortAudio]
