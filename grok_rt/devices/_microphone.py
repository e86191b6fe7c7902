"""`Microphone`: a source whose sound comes from a device.

PortAudio's thread only copies into a ring and rings a bell. All else (mixing down, resampling,
levels) is done by the thread that reads; one thread may read.
"""

from __future__ import annotations

import _thread
import array
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from grok_rt.audio import AudioClip, AudioFormat, Converter, _pcm, pcm16
from grok_rt.devices import _portaudio
from grok_rt.devices._ring import Ring
from grok_rt.devices._stream import DeviceStream
from grok_rt.errors import AudioError
from grok_rt.streams import Source, paced, reframe

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Microphone", "frames", "mixed_down"]

_RING: Final = 2.0  # seconds that wait for their reader
_WAKING: Final = 8.0  # seconds until the first buffer: a wireless headset takes a while
_SILENT: Final = 2.0  # seconds without a buffer: the device is gone


class Microphone(DeviceStream):
    """A microphone, as a `Source`; nothing is opened before `open`, ``with`` or `talk`.

    It gives 16-bit PCM, or whatever `format` says, in real time: what nobody reads for two
    seconds is lost, and counted in `overflows`.

    Args:
        device: its number, or a part of its name, as `list_devices` tells; by default the
            system's.
        format: what `read` returns; by default what `talk` needs, else 24 kHz PCM. The device's
            own rate and channels are converted.
        latency: seconds that the device may collect; it may take more.
        on_level: called with the level of each piece that is read, in dBFS.
    """

    def __init__(
        self,
        device: int | str | None = None,
        format: AudioFormat | None = None,
        *,
        latency: float = 0.03,
        on_level: Callable[[float], object] | None = None,
    ) -> None:
        super().__init__(device, format, latency)
        self.on_level = on_level
        self.overflows = 0
        """How often sound was lost since it was opened: nobody read it in time."""
        self.dropped_ms = 0.0
        """How much that was, as far as it is known."""
        self._ring = Ring(0)
        self._bell = _thread.allocate_lock()
        self._lock = threading.Lock()
        self._converter: Converter | None = None
        self._rest = b""
        self._frame_ms = 0.0

    def open(self, format: AudioFormat | None = None) -> Self:
        """Begin to record; opening it twice is harmless.

        Args:
            format: what `read` shall return, if it was not said before.

        Raises:
            MissingExtra: the extra ``audio`` is not installed.
            AudioError: there is no such device, it is busy, or PortAudio is missing.
        """
        with self._lock:
            if self.is_open:
                return self
            opened = self._get("input", format, self._record)
            self.overflows, self.dropped_ms, self._rest = 0, 0.0, b""
            self._converter = Converter(pcm16(opened.rate), self.format)
            self._ring = Ring(int(_RING * opened.rate) * 2 * opened.channels)
            self._frame_ms = 1000 / opened.rate
            self._start(opened)
            return self

    def close(self) -> None:
        """Stop recording; `read` returns ``b""`` then. Any thread, any number of times."""
        with self._lock:
            if not self.is_open or self._opened is None:
                return
            self._closing = True
            self._ring_bell()
            _portaudio.close(self._opened)

    def read(self, n: int, /) -> bytes:
        """Return 1 to `n` bytes; blocks until there is sound, ``b""`` once it is closed.

        Raises:
            AudioError: it was never opened, or the device is gone.
        """
        while not self._rest:
            if self._closing:
                return b""
            if self._opened is None:
                raise AudioError("the microphone is not open: use it in a `with` block")
            self._rest = self._take(self._opened, n)
        data, self._rest = self._rest[:n], self._rest[n:]
        return data

    def _take(self, opened: _portaudio.Opened, n: int) -> bytes:
        """What the device has recorded, in our format; blocks for it."""
        frame = 2 * opened.channels
        wanted = max(1, round(self.format.duration(n) * opened.rate)) * frame
        while len(self._ring) < min(wanted, self._ring.size // 2):
            if self._closing:
                return b""
            patience = _SILENT if self._ring.end else _WAKING
            if self._ended or not self._bell.acquire(timeout=patience):
                self.lost = AudioError(f"the microphone {self.name!r} is gone: was it unplugged?")
                raise self.lost
        raw = bytearray(min(wanted, len(self._ring) // frame * frame))
        self._ring.read_into(memoryview(raw))
        assert self._converter is not None  # noqa: S101 - it is open
        data = self._converter.process(mixed_down(bytes(raw), opened.channels))
        if self.on_level is not None and data:
            self.on_level(AudioClip(data, self.format).level())
        return data

    # PortAudio's thread

    def _record(self, data: Any, frames: int, _time: Any, status: Any) -> None:
        """Copy, and ring; nothing else."""
        if status and status.input_overflow:
            self.overflows += 1
        ring = self._ring
        if len(data) > ring.room:
            self.overflows += 1  # the newest is lost: the reader catches up
            self.dropped_ms += frames * self._frame_ms
        else:
            ring.write(data)
        self._ring_bell()

    def _ring_bell(self) -> None:
        if self._bell.locked():
            with contextlib.suppress(RuntimeError):  # two rang at once
                self._bell.release()

    def _finished(self) -> None:
        self._ended = True
        self._ring_bell()


def frames(source: Source, ms: float, stop: threading.Event) -> Iterator[bytes]:
    """Cut a source into frames that come as they are spoken: only a microphone has a clock."""
    if not isinstance(source, Microphone):
        return paced(source, frame_ms=ms, stop=stop)
    size = source.format.frame_bytes(ms)
    return reframe(iter(lambda: source.read(size), b""), size)


def mixed_down(pcm: bytes, channels: int) -> bytes:
    """One channel of interleaved PCM16: their mean.

    Raises:
        AudioError: not a whole number of frames.
    """
    if channels == 1:
        return pcm
    if len(pcm) % (2 * channels):
        raise AudioError(f"{len(pcm)} bytes are no whole number of frames of {channels} channels")
    samples = _pcm.unpack(pcm)
    parts = zip(*(samples[c::channels] for c in range(channels)), strict=True)
    return _pcm.pack(array.array("h", [total // channels for total in map(sum, parts)]))
