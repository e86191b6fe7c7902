"""Where sound comes from and where it goes, without devices: clips, files, iterators, queues.

A `Source` is read, a `Sink` is written, `paced` cuts a source into frames on a clock. Nothing
here starts a thread: each runs on that of its caller. Only `AudioQueue` may be used by several.
"""

from __future__ import annotations

import os
import threading
import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from grok_rt.audio import AudioClip, AudioFormat, Converter
from grok_rt.audio._clip import open_blocks
from grok_rt.errors import AudioError

__all__ = [
    "AudioQueue",
    "ClipSource",
    "FileSource",
    "IteratorSource",
    "NullSink",
    "Sink",
    "Source",
    "WavSink",
    "paced",
    "reframe",
]


@runtime_checkable
class Source(Protocol):
    """Sound that can be read once."""

    @property
    @abstractmethod
    def format(self) -> AudioFormat:
        """What the bytes mean."""

    @abstractmethod
    def read(self, n: int, /) -> bytes:
        """Return 1 to `n` bytes, waiting for them if need be; ``b""`` from the end on."""


@runtime_checkable
class Sink(Protocol):
    """A place where sound can be heard, or kept."""

    @property
    @abstractmethod
    def played(self) -> float:
        """Seconds heard since it was made; it never runs backwards."""

    @abstractmethod
    def write(self, data: bytes, /) -> None:
        """Let `data` be heard after all that was written before."""

    @abstractmethod
    def clear(self) -> None:
        """Forget what was written and not yet heard, as when the listener interrupts.

        What is written next follows what was heard.
        """


class ClipSource:
    """The source of a clip, from its start; ``ClipSource.open(path)`` reads a file.

    Args:
        clip: what is read.
        format: what to convert it to first, such as the session's input format.
    """

    def __init__(self, clip: AudioClip, format: AudioFormat | None = None) -> None:
        self._clip = clip if format is None else clip.to(format)
        self._at = 0

    @classmethod
    def open(cls, path: str | os.PathLike[str], format: AudioFormat | None = None) -> ClipSource:
        """Read a sound file.

        Raises:
            AudioError: it cannot be read; see `AudioClip.open`.
        """
        return cls(AudioClip.open(path), format)

    @property
    def format(self) -> AudioFormat:
        """What the bytes mean."""
        return self._clip.format

    def read(self, n: int, /) -> bytes:
        """Return up to `n` bytes; ``b""`` at the end."""
        data = self._clip.data[self._at : self._at + n]
        self._at += len(data)
        return data


class FileSource:
    """The source of a sound file that is read as it is needed: hours of it cost no memory.

    What `AudioClip.open` reads is read here, with channels mixed down to one. It is closed at the
    end of the sound, by `close`, or by leaving its ``with`` block.

    Args:
        path: the file.
        format: what to convert it to, such as the session's input format; None leaves it.

    Raises:
        AudioError: there is no such file, or no sound in it; `read` raises it of a file that
            turns out to be broken later on.
        MissingExtra: reading it needs the extra ``audio``.
    """

    def __init__(self, path: str | os.PathLike[str], format: AudioFormat | None = None) -> None:
        found, blocks = open_blocks(path)
        self._converter = Converter(found, format or found)
        self._blocks = blocks
        self._format = format or found
        self._source = IteratorSource(self._converted(), self._format)

    def __enter__(self) -> FileSource:  # noqa: PYI034 - `Self` is for Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def format(self) -> AudioFormat:
        """What the bytes mean."""
        return self._format

    def read(self, n: int, /) -> bytes:
        """Return up to `n` bytes; ``b""`` at the end."""
        return self._source.read(n)

    def close(self) -> None:
        """Read no more; closing twice is harmless."""
        self._blocks.close()

    def _converted(self) -> Iterator[bytes]:
        for block in self._blocks:
            yield self._converter.process(block)
        yield self._converter.flush()


class IteratorSource:
    """The source of chunks that an iterable makes as they are needed; empty ones are skipped."""

    def __init__(self, chunks: Iterable[bytes], format: AudioFormat) -> None:
        self.format = format
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, n: int, /) -> bytes:
        """Return up to `n` bytes, blocking as long as the iterator does; ``b""`` at the end."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = chunk
        data, self._left = self._left[:n], self._left[n:]
        return data


class AudioQueue:
    """Sound from one thread to another: a sink at one end, a source at the other.

    It grows without bound while nobody reads. ``len(queue)`` is the number of bytes in it. What
    was read counts as played. Leaving its ``with`` block closes it.
    """

    def __init__(self, format: AudioFormat) -> None:
        self.format = format
        self._data = bytearray()
        self._read = 0
        self._closed = False
        self._changed = threading.Condition()

    def __enter__(self) -> AudioQueue:  # noqa: PYI034 - `Self` is for Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._data)

    @property
    def played(self) -> float:
        """Seconds that were read."""
        return self.format.duration(self._read)

    def write(self, data: bytes, /) -> None:
        """Append `data`; never blocks.

        Raises:
            AudioError: the queue is closed.
        """
        with self._changed:
            if self._closed:
                raise AudioError("this AudioQueue is closed: nobody would hear what is written now")
            self._data += data
            self._changed.notify_all()

    def read(self, n: int, /) -> bytes:
        """Return up to `n` bytes; blocks while the queue is empty and open, ``b""`` once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._data or self._closed)
            data = bytes(self._data[:n])
            del self._data[:n]
            self._read += len(data)
            return data

    def clear(self) -> None:
        """Forget what nobody has read."""
        with self._changed:
            self._data.clear()

    def close(self) -> None:
        """End the stream: what is in the queue can still be read. Closing twice is harmless."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class NullSink:
    """A sink that hears everything at once and keeps nothing."""

    def __init__(self, format: AudioFormat) -> None:
        self.format = format
        self._heard = 0

    @property
    def played(self) -> float:
        """Seconds that were written."""
        return self.format.duration(self._heard)

    def write(self, data: bytes, /) -> None:
        """Count `data`."""
        self._heard += len(data)

    def clear(self) -> None:
        """Do nothing: all was heard."""


class WavSink(NullSink):
    """A sink that collects, and saves a WAV file when it is closed (its ``with`` block left)."""

    def __init__(self, path: str | os.PathLike[str], format: AudioFormat) -> None:
        super().__init__(format)
        self.path = path
        self._data = bytearray()

    def __enter__(self) -> WavSink:  # noqa: PYI034 - `Self` is for Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def clip(self) -> AudioClip:
        """What has been written so far."""
        return AudioClip(bytes(self._data), self.format)

    def write(self, data: bytes, /) -> None:
        """Keep `data`."""
        super().write(data)
        self._data += data

    def close(self) -> None:
        """Save the file; again, if more was written since.

        Raises:
            AudioError: it cannot be written.
        """
        self.clip.save(self.path)


def reframe(chunks: Iterable[bytes], frame_bytes: int) -> Iterator[bytes]:
    """Cut chunks of any size into frames of `frame_bytes`; only the last may be shorter."""
    if frame_bytes < 1:
        raise AudioError(f"a frame needs at least one byte, not {frame_bytes}")
    return _reframe(chunks, frame_bytes)


def _reframe(chunks: Iterable[bytes], frame_bytes: int) -> Iterator[bytes]:
    left = bytearray()
    for chunk in chunks:
        left += chunk
        whole = len(left) - len(left) % frame_bytes
        for at in range(0, whole, frame_bytes):
            yield bytes(left[at : at + frame_bytes])
        del left[:whole]
    if left:
        yield bytes(left)


def paced(
    source: Source,
    *,
    frame_ms: float = 20,
    trailing_silence_ms: float = 1500,
    realtime: bool = True,
    stop: threading.Event | None = None,
) -> Iterator[bytes]:
    """Cut a source into frames of equal length that come as a microphone's would.

    Each frame has its place on the monotonic clock, counted from the first: waits do not add up,
    and after a stall the late frames follow at once, none is lost. The iterator blocks until the
    next frame is due, and as long as the source's `read` does.

    Args:
        source: what is read, until its end.
        frame_ms: milliseconds of each frame; the last is filled up with silence.
        trailing_silence_ms: silence appended to the end, which lets the server hear that the
            turn is over.
        realtime: False yields frames as fast as they are taken.
        stop: ends the iterator as soon as it is set, in the middle of a wait too. (A source that
            blocks must be ended by itself: close the `AudioQueue`.)

    Raises:
        AudioError: a frame would hold no sample, or the format cannot be computed with.
    """
    blank = source.format.silence(frame_ms)
    trailing = source.format.silence(trailing_silence_ms)
    frames = reframe(_chunks(source, len(blank), trailing), len(blank))
    # the period is that of the frame, not the one asked for, which may split a sample
    period = source.format.duration(blank) if realtime else 0.0
    return _on_clock(frames, blank, period, stop or threading.Event())


def _chunks(source: Source, size: int, trailing: bytes) -> Iterator[bytes]:
    while data := source.read(size):
        yield data
    yield trailing


def _on_clock(
    frames: Iterator[bytes], blank: bytes, period: float, stop: threading.Event
) -> Iterator[bytes]:
    start = None
    for number, frame in enumerate(frames):
        now = time.monotonic()
        start = now if start is None else start
        stop.wait(start + number * period - now)
        if stop.is_set():
            return
        yield frame + blank[len(frame) :]
