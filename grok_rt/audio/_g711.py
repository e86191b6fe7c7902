"""G.711: telephone speech in 8 bits a sample, µ-law and A-law, after ITU-T G.711.

Tables do all the work; they are built at the first use (under 1 ms) and never change, so any
thread may call. Where 16 bits must become the 14 (13) of the standard, the ITU's own reference
software (G.191) decides: the low bits are dropped, and a code's mirror image is that of `~x`.
"""

from __future__ import annotations

import functools
from typing import Final

import attrs

from grok_rt.audio import _pcm

_SIGN: Final = 0x80


@attrs.frozen
class Law:
    """One companding law.

    Attributes:
        codes: the code of every 16-bit sample; negative ones count from the end, as Python does.
        low: the low byte of the sample that each code stands for.
        high: the high byte.
    """

    codes: bytes = attrs.field(repr=False)
    low: bytes = attrs.field(repr=False)
    high: bytes = attrs.field(repr=False)

    @classmethod
    def build(cls, starts: list[int], levels: list[int], mask: int) -> Law:
        """Make the tables of a law.

        Args:
            starts: the smallest sample of each of the 128 positive intervals.
            levels: the sample that each interval decodes to.
            mask: what an interval's number is xor-ed with, sign included.
        """
        ends = [*starts[1:], 32768]
        positive = b"".join(
            bytes([i ^ mask]) * (end - start)
            for i, (start, end) in enumerate(zip(starts, ends, strict=True))
        )
        negative = bytes(code ^ _SIGN for code in reversed(positive))
        samples = [0] * 256
        for i, level in enumerate(levels):
            samples[i ^ mask] = level
            samples[i ^ mask ^ _SIGN] = -level
        return cls(
            positive + negative,
            bytes(sample & 0xFF for sample in samples),
            bytes(sample >> 8 & 0xFF for sample in samples),
        )

    def encode(self, pcm: bytes) -> bytes:
        """Half as many bytes; `pcm` must hold whole samples."""
        return bytes(map(self.codes.__getitem__, _pcm.unpack(pcm)))

    def decode(self, codes: bytes) -> bytes:
        """PCM16 of `codes`, twice as many bytes."""
        pcm = bytearray(2 * len(codes))
        pcm[0::2] = codes.translate(self.low)
        pcm[1::2] = codes.translate(self.high)
        return bytes(pcm)


@functools.cache
def ulaw() -> Law:
    """µ-law: 14 bits, 8 segments that all double, a bias of 33 under the first."""
    halves = [divmod(i, 16) for i in range(128)]
    starts = [4 * max(0, (16 + step << segment + 1) - 33) for segment, step in halves]
    levels = [4 * ((2 * step + 33 << segment) - 33) for segment, step in halves]
    return Law.build(starts, levels, 0xFF)


@functools.cache
def alaw() -> Law:
    """A-law: 13 bits, the first two segments alike, no level at zero."""
    halves = [divmod(i, 16) for i in range(128)]
    starts = [16 * (16 + step << segment - 1 if segment else step) for segment, step in halves]
    levels = [
        8 * (2 * step + 33 << segment - 1 if segment else 2 * step + 1) for segment, step in halves
    ]
    return Law.build(starts, levels, 0xD5)
