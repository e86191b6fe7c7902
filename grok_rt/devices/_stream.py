"""`DeviceStream`: what a microphone and a speaker have in common, a device that is had for a while.

What the sound of it is and who moves it is theirs alone. Any thread; who opens or closes holds
the lock that each of them has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from grok_rt.audio import AudioFormat, pcm16
from grok_rt.devices import _portaudio
from grok_rt.errors import AudioError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DeviceStream"]


class DeviceStream(ABC):
    """A device of sound, from `open` to `close`, and any number of times.

    Args:
        device: its number, or a part of its name; None: the system's.
        format: what its user reads or writes; None: what `open` says.
        latency: seconds that the device may hold.
    """

    def __init__(
        self, device: int | str | None, format: AudioFormat | None, latency: float
    ) -> None:
        self.lost: AudioError | None = None
        """Why the device is gone, if it is."""
        self._device = device
        self._format = format
        self._latency = latency
        self._opened: _portaudio.Opened | None = None
        self._closing = False
        self._ended = False

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}{'' if self.is_open else ', closed'}>"

    @property
    def name(self) -> str:
        """The device's name, or what it was asked for by."""
        if self._opened is not None:
            return self._opened.device.name
        return "default" if self._device is None else str(self._device)

    @property
    def format(self) -> AudioFormat:
        """What the bytes mean that are read or written."""
        return self._format or pcm16()

    @property
    def is_open(self) -> bool:
        """Whether the device is had."""
        return self._opened is not None and not self._closing

    @abstractmethod
    def open(self, format: AudioFormat | None = None) -> Self:
        """Get the device; `format` is what is read or written, if it was not said before."""

    @abstractmethod
    def close(self) -> None:
        """Give the device back."""

    @abstractmethod
    def _finished(self) -> None:
        """The stream has ended, of itself or because it was closed. PortAudio's thread."""

    def _get(
        self, kind: _portaudio.Kind, format: AudioFormat | None, callback: Callable[..., None]
    ) -> _portaudio.Opened:
        """Open the device, without starting it; if that fails, nothing has changed."""
        wanted = self._format or format or pcm16()
        wanted.silence(0)  # raises for what cannot be computed with
        opened = _portaudio.open_stream(
            self._device,
            kind,
            wanted.sample_rate,
            latency=self._latency,
            callback=callback,
            finished=self._finished,
            close=self.close,
        )
        # Only now: the stream before this one may have been ending until it was opened.
        self._format, self._opened, self.lost = wanted, opened, None
        self._closing = self._ended = False
        return opened

    def _start(self, opened: _portaudio.Opened) -> None:
        """Let it run, or give it back."""
        try:
            _portaudio.start(opened)
        except AudioError:
            self._opened = None
            _portaudio.close(opened)
            raise
