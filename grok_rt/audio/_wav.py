"""WAV bytes to numbers and back.

Headers are not trusted: programs that write to a pipe leave sizes of 0 or 0xFFFFFFFF in them,
and downloads break off. No file is opened here; any thread.
"""

from __future__ import annotations

import array
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

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
    data: bytes

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
            samples = _pcm.clipped(sum(frame) / self.channels for frame in zip(*parts, strict=True))
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


def parse(file: bytes) -> Wave:
    """Read the chunks of a ``RIFF/WAVE`` file, as far as they reach.

    Raises:
        AudioError: there is no sound in it, or nonsense about it.
    """
    header = data = None
    at = 12
    while data is None and at + 8 <= len(file):
        name, size = struct.unpack_from("<4sI", file, at)
        at += 8
        if name == b"data":
            # a size of nothing is a writer that could not seek back, as is one beyond the end
            data = file[at : at + size] if size else file[at:]
        elif name == b"fmt ":
            header = file[at : at + size]
        at += size + size % 2
    if header is None or len(header) < 16:
        raise AudioError(
            "its WAV header does not say how the sound is encoded ('fmt '): write it again"
        )
    if data is None:
        raise AudioError("the WAV file ends before its sound begins (no 'data'): get a whole copy")
    encoding, channels, rate, _, block, _ = struct.unpack_from("<HHIIHH", header)
    if encoding == EXTENSIBLE and len(header) >= 26:
        (encoding,) = struct.unpack_from("<H", header, 24)
    if not channels or not block or block % channels or rate not in _RATES:
        raise AudioError(
            f"its WAV header cannot be true ({channels} channels in {block} bytes "
            f"at {rate} Hz): write it again"
        )
    whole = len(data) - len(data) % block
    return Wave(encoding, channels, rate, block // channels, data[:whole])


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
