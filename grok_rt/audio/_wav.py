"""WAV bytes to numbers and back.

Headers are not trusted: programs that write to a pipe leave sizes of 0 or 0xFFFFFFFF in them,
and downloads break off. No file is opened here; any thread, one at a time for an open file.
"""

from __future__ import annotations

import array
import io
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO, Final

import attrs

from grok_rt.audio import _g711, _pcm
from grok_rt.errors import AudioError

PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 0x1, 0x3, 0x6, 0x7, 0xFFFE

# bytes of one sample, by the encodings that are decoded here
_WIDTHS: Final[Mapping[int, tuple[int, ...]]] = MappingProxyType(
    {PCM: (1, 2, 3, 4), FLOAT: (4, 8), ALAW: (1,), ULAW: (1,)}
)
_RATES: Final = range(1000, 1_000_000)
_FLIP: Final = bytes(byte ^ 0x80 for byte in range(256))  # unsigned to signed


@attrs.frozen
class Wave:
    """What a WAV file says about itself, and its sound as it lies there."""

    encoding: int
    channels: int
    rate: int
    width: int
    data: bytes = b""

    def of(self, data: bytes) -> Wave:
        """The same of other data, whose last frame may be broken off."""
        return attrs.evolve(self, data=data[: len(data) - len(data) % self.frame])

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * self.width

    @property
    def known(self) -> bool:
        """Whether `mono` can read it."""
        return self.width in _WIDTHS.get(self.encoding, ())

    def mono(self) -> bytes:
        """PCM16 of the mean of all channels.

        Raises:
            AudioError: a sample is not a number.
        """
        samples = self._samples()
        if self.channels > 1:
            parts = [samples[channel :: self.channels] for channel in range(self.channels)]
            totals = map(sum, zip(*parts, strict=True))
            twice = 2 * self.channels  # of a whole number: the mean, halves upwards
            samples = array.array("h", [(2 * t + self.channels) // twice for t in totals])
        return _pcm.pack(samples)

    def _samples(self) -> array.array[int]:
        data = self.data
        if self.encoding == ULAW:
            return _pcm.unpack(_g711.ulaw().decode(data))
        if self.encoding == ALAW:
            return _pcm.unpack(_g711.alaw().decode(data))
        if self.encoding == FLOAT:
            floats = array.array("f" if self.width == 4 else "d")
            floats.frombytes(data)
            return _pcm.from_floats(_pcm.native(floats))
        if self.width == 2:
            return _pcm.unpack(data)
        pcm = bytearray(2 * (len(data) // self.width))
        if self.width == 1:
            pcm[1::2] = data.translate(_FLIP)
        else:  # the two most significant bytes
            pcm[0::2] = data[self.width - 2 :: self.width]
            pcm[1::2] = data[self.width - 1 :: self.width]
        return _pcm.unpack(bytes(pcm))


def seek_sound(file: BinaryIO) -> tuple[Wave, int]:
    """Read the chunks of a ``RIFF/WAVE`` file up to its sound, at whose first byte it then stands.

    Returns:
        What the header says, without data, and the sound's size in bytes; 0 if the writer could
        not seek back to say it. It may be more than there is.

    Raises:
        AudioError: there is no sound in it, or nonsense about it.
    """
    header = size = None
    file.seek(12)
    while size is None and len(chunk := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", chunk)
        if name == b"data":
            size = length
        elif name == b"fmt ":
            header = file.read(min(length, 64))  # the rest of a true one is nothing we read
            file.seek(length - len(header) + length % 2, io.SEEK_CUR)
        else:
            file.seek(length + length % 2, io.SEEK_CUR)
    if header is None or len(header) < 16:
        raise AudioError(
            "its WAV header does not say how the sound is encoded ('fmt '): write it again"
        )
    if size is None:
        raise AudioError("the WAV file ends before its sound begins (no 'data'): get a whole copy")
    encoding, channels, rate, _, block, _ = struct.unpack_from("<HHIIHH", header)
    if encoding == EXTENSIBLE and len(header) >= 26:
        (encoding,) = struct.unpack_from("<H", header, 24)
    if not channels or not block or block % channels or rate not in _RATES:
        raise AudioError(
            f"its WAV header cannot be true ({channels} channels in {block} bytes "
            f"at {rate} Hz): write it again"
        )
    return Wave(encoding, channels, rate, block // channels), size


def parse(file: bytes) -> Wave:
    """Read a whole ``RIFF/WAVE`` file, as far as it reaches.

    Raises:
        AudioError: there is no sound in it, or nonsense about it.
    """
    stream = io.BytesIO(file)
    wave, size = seek_sound(stream)
    return wave.of(stream.read(size or -1))


def pack(encoding: int, rate: int, data: bytes) -> bytes:
    """A mono WAV file of PCM16 or G.711 `data`."""
    width = 2 if encoding == PCM else 1
    header = struct.pack("<HHIIHH", encoding, 1, rate, rate * width, width, 8 * width)
    if encoding != PCM:  # all others state the size of their (no) extension, and a count
        header += struct.pack("<H", 0)
    chunks = struct.pack("<4sI", b"fmt ", len(header)) + header
    if encoding != PCM:
        chunks += struct.pack("<4sII", b"fact", 4, len(data))
    chunks += struct.pack("<4sI", b"data", len(data)) + data + b"\0" * (len(data) % 2)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks
