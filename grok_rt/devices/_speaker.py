"""`Speaker`: a sink whose sound is heard from a device.

What is written waits without bound, for the service speaks faster than anybody listens. A thread
of ours converts it in small pieces into a ring; PortAudio's thread only copies from there, and
notes when that will sound. Any thread may write, clear and ask.
"""

from __future__ import annotations

import array
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from grok_rt.audio import AudioFormat, Converter, _pcm, pcm16
from grok_rt.devices import _portaudio
from grok_rt.devices._heard import Emitted
from grok_rt.devices._ring import Ring
from grok_rt.devices._stream import DeviceStream
from grok_rt.errors import AudioError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Speaker"]

log = logging.getLogger("grok_rt")

_PIECE: Final = 0.02  # seconds that are converted at once
_RING: Final = 0.16  # seconds that are ready for the device
_DEAD: Final = 2.0  # seconds without a call for sound: the device is gone


class Speaker(DeviceStream):
    """A loudspeaker, as a `Sink`; nothing is opened before `open`, ``with`` or `talk`.

    `played` is what was *heard*: the time that sound spends in the device does not count.
    After `clear` it is silent within one buffer of the device.

    Args:
        device: its number, or a part of its name, as `list_devices` tells; by default the
            system's.
        format: what is written; by default what `talk` says, else 24 kHz PCM. It is converted
            to the device's own rate and channels.
        latency: seconds that the device may buffer; it may take more. Less is a quicker stop at
            an interruption, more withstands a busier machine.
        jitter: seconds of sound that are collected before the device gets any, so that a slow
            network is not heard; a short sound waits no longer than that.
        on_lost: called once, with the reason, if the device goes away.
    """

    def __init__(
        self,
        device: int | str | None = None,
        format: AudioFormat | None = None,
        *,
        latency: float = 0.035,
        jitter: float = 0.06,
        on_lost: Callable[[AudioError], object] | None = None,
    ) -> None:
        super().__init__(device, format, latency)
        self.volume = 1.0
        """What the sound is multiplied by: 1 as it is, 0 silent; what is too loud then is cut at
        full scale. Heard a moment later."""
        self.on_lost = on_lost
        self.underruns = 0
        """How often the device got nothing though there was something to hear."""
        self._delay = latency  # what the device has made of it
        self._jitter = jitter
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._giving_back = False  # the device, on another thread
        self._paused = False
        self._ring = Ring(0)
        self._emitted = Emitted(1)
        self._silence = b""
        self._reported = 1
        self._called = 0.0
        self._reset()
        self._written = 0.0

    def _reset(self) -> None:
        """Nothing waits. Requires holding the lock, but at first."""
        self._waiting: deque[memoryview] = deque()
        self._waits = 0.0  # seconds of it
        self._since: float | None = None  # collecting
        self._converter: Converter | None = None  # of a sound that is not over
        self._heard_before = 0.0
        self._counts_from = 0  # frames of the ring; what sounds before was cleared

    def open(self, format: AudioFormat | None = None) -> Self:
        """Get the device; opening it twice is harmless.

        Args:
            format: what will be written, if it was not said before.

        Raises:
            MissingExtra: the extra ``audio`` is not installed.
            AudioError: there is no such device, it is busy, or PortAudio is missing.
        """
        with self._changed:
            # A stream that is not quite closed would take this one for its own, and end it.
            self._changed.wait_for(lambda: not self._giving_back, _DEAD)
            if self.is_open:
                return self
            opened = self._get("output", format, self._play)
            self._delay = opened.stream.latency
            ready = max(_RING, 3 * self._delay)
            self._ring = Ring(int(ready * opened.rate) * 2 * opened.channels)
            self._emitted = Emitted(opened.rate)
            self._silence = bytes(2 * opened.rate * opened.channels)
            before = self._written  # by now all of it was heard
            self._reset()
            self._heard_before = before
            self.underruns, self._reported = 0, 1
            self._called = time.monotonic()
            self._paused = False
        self._start(opened)
        self._thread = threading.Thread(
            target=self._feed, args=(opened,), name="grok-rt-speaker", daemon=True
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """Be silent at once and give the device back. Any thread, any number of times."""
        with self._changed:
            if not self.is_open or self._opened is None:
                return
            self._heard_before = self._written = self._seconds_heard()
            self._closing = self._giving_back = True
            self._changed.notify_all()
            opened, thread = self._opened, self._thread
        try:
            _portaudio.close(opened)
            if thread is not None and thread is not threading.current_thread():
                thread.join(_DEAD)
        finally:
            with self._changed:
                self._giving_back = False
                self._changed.notify_all()

    @property
    def played(self) -> float:
        """Seconds that were heard since it was made; what was cleared was not."""
        with self._changed:
            return self._seconds_heard()

    def write(self, data: bytes, /) -> None:
        """Let `data` be heard after all that was written before; never blocks.

        Raises:
            AudioError: it is not open, the device is gone, or half a sample was written.
        """
        with self._changed:
            if self.lost is not None:
                raise self.lost
            if not self.is_open:
                raise AudioError("the speaker is not open: use it in a `with` block")
            if len(data) % self.format.sample_bytes:
                raise AudioError(
                    f"{len(data)} bytes are no whole number of samples of {self.format}"
                )
            if data:
                if self._since is None and self._is_empty():
                    self._since = time.monotonic()
                self._waiting.append(memoryview(bytes(data)))
                seconds = self.format.duration(data)
                self._waits += seconds
                self._written += seconds
                self._changed.notify_all()

    def clear(self) -> None:
        """Forget what was written and not yet heard: silent within one buffer of the device."""
        with self._changed:
            heard = self._seconds_heard()
            self._ring.clear()
            self._reset()
            self._heard_before = self._written = heard
            self._counts_from = self._frames(self._ring.end)

    def pause(self) -> None:
        """Hold what is being said; `resume` goes on with it."""
        self._paused = True

    def resume(self) -> None:
        """Go on where `pause` held."""
        self._paused = False

    # requires holding the lock

    def _frames(self, size: int) -> int:
        return size // (2 * (self._opened.channels if self._opened else 1))

    def _is_empty(self) -> bool:
        return not self._waiting and self._converter is None and not len(self._ring)

    def _seconds_heard(self) -> float:
        if self._opened is None or self._closing:
            return self._heard_before
        frames = self._emitted.heard(time.monotonic())
        if self._is_empty() and frames >= self._frames(self._ring.end):
            return self._written  # all of it: what the conversion rounded counts too
        heard = self._heard_before + max(0, frames - self._counts_from) / self._opened.rate
        return min(heard, self._written)

    # the thread that feeds the device

    def _feed(self, opened: _portaudio.Opened) -> None:
        with self._changed:
            while not self._closing and self.lost is None:
                self._move(opened)
                self._report(opened)
                idle = self._is_empty()
                if not idle and time.monotonic() - self._called > _DEAD:
                    self._ended = True
                if self._ended:
                    self.lost = AudioError(f"the speaker {self.name!r} is gone: was it unplugged?")
                else:
                    self._changed.wait(None if idle else _PIECE)
                    if idle:
                        self._called = time.monotonic()
            lost = None if self._closing else self.lost
        if lost is not None:
            log.warning("%s", lost)
            if self.on_lost is not None:
                self.on_lost(lost)

    def _report(self, opened: _portaudio.Opened) -> None:
        if self.underruns >= self._reported:
            self._reported = 2 * self.underruns  # often is no news
            log.warning("%r had no sound in time, %d times", opened.device.name, self.underruns)

    def _move(self, opened: _portaudio.Opened) -> None:
        """Fill the ring from what waits."""
        if self._since is not None:
            collected = self._waits >= self._jitter
            if not collected and time.monotonic() - self._since < self._jitter:
                return
            self._since = None
        size = max(self.format.frame_bytes(1000 * _PIECE), self.format.sample_bytes)
        most = 4 * opened.channels * int(_PIECE * opened.rate)  # a piece, and what was held back
        while self._waiting and self._ring.room >= most:
            if self._converter is None:
                self._converter = Converter(self.format, pcm16(opened.rate))
            data = self._waiting.popleft()
            if len(data) > size:
                self._waiting.appendleft(data[size:])
            piece = bytes(data[:size])
            self._waits -= self.format.duration(piece)
            self._put(self._converter.process(piece), opened.channels)
        if self._converter and not self._waiting and len(self._ring) < self._ring.size // 4:
            self._put(self._converter.flush(), opened.channels)
            self._converter = None

    def _put(self, pcm: bytes, channels: int) -> None:
        if self.volume != 1.0:
            volume = self.volume
            pcm = _pcm.pack(_pcm.clipped(value * volume for value in _pcm.unpack(pcm)))
        if channels > 1:
            samples = _pcm.unpack(pcm)
            spread = array.array("h", bytes(2 * channels * len(samples)))
            for channel in range(channels):
                spread[channel::channels] = samples
            pcm = _pcm.pack(spread)
        self._ring.write(pcm)

    # PortAudio's thread

    def _play(self, out: Any, frames: int, times: Any, status: Any) -> None:
        """Copy, and note when it sounds; nothing else."""
        now = time.monotonic()
        self._called = now
        view = memoryview(out)
        ring = self._ring
        position = ring.position
        count = 0 if self._paused else ring.read_into(view)
        if count < len(view):
            view[count:] = self._silence[: len(view) - count]
            if self._waiting and self._since is None and not self._paused:
                self.underruns += 1
        elif status and status.output_underflow:
            self.underruns += 1
        width = len(view) // frames
        delay = times.outputBufferDacTime - times.currentTime
        if not 0 < delay < 1:  # some systems do not know
            delay = self._delay
        gap = bool(status and status.output_underflow)
        self._emitted.add(now + delay, position // width, count // width, frames, gap=gap)

    def _finished(self) -> None:
        self._ended = True
        if not self._closing:  # who closes holds PortAudio, and waits for this
            with self._changed:
                self._changed.notify_all()
