"""`AudioFormat`: what the bytes of a stream mean. Also a value of the wire: it checks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from grok_rt._extra import NO_EXTRA
from grok_rt._unset import UNSET, Unset
from grok_rt.errors import AudioError

__all__ = ["OPUS", "PCMA", "PCMU", "AudioFormat", "pcm16"]


# type: (bytes of a sample, its silence, the rate when none is given)
_LINEAR: Final = {
    "audio/pcm": (2, b"\0\0", 24000),
    "audio/pcmu": (1, b"\xff", 8000),
    "audio/pcma": (1, b"\xd5", 8000),
}


@attrs.frozen
class AudioFormat:
    """What the bytes of a stream mean: mono, little-endian.

    It also arrives from the server, so any value can be held. Only asking for a number that
    the format does not have raises `AudioError`.

    Attributes:
        type: ``audio/pcm`` (signed 16 bit), ``audio/pcmu`` (G.711 µ-law), ``audio/pcma``
            (A-law), ``audio/opus``, or whatever the server says.
        rate: samples per second; G.711 is always 8000 and leaves it out.
        extra: fields of the wire that this version does not know; read-only.
    """

    type: str
    rate: int | Unset | None = UNSET
    extra: Mapping[str, Any] = attrs.field(default=NO_EXTRA, kw_only=True, eq=False)

    def __repr__(self) -> str:
        """Show the absent parts not at all."""
        rate = "" if self.rate is UNSET else f", rate={self.rate!r}"
        extra = f", extra={dict(self.extra)!r}" if self.extra else ""
        return f"AudioFormat({self.type!r}{rate}{extra})"

    @property
    def sample_rate(self) -> int:
        """Samples per second that are really meant, given or implied.

        Raises:
            AudioError: the type is unknown and says no rate, or the rate is no positive number.
        """
        if self.type in {"audio/pcmu", "audio/pcma"}:
            return 8000
        rate = self.rate
        if rate is UNSET or rate is None:
            if self.type not in {"audio/pcm", "audio/opus"}:
                raise AudioError(
                    f"{self.type!r} has no sample rate that is known here: give one with rate="
                )
            return 24000
        if isinstance(rate, bool) or not isinstance(rate, int) or rate <= 0:
            raise AudioError(
                f"the sample rate of {self.type!r} must be a positive whole number, not {rate!r}"
            )
        return rate

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample: 2 for PCM, 1 for G.711.

        Raises:
            AudioError: samples of this type have no fixed size, or the type is unknown.
        """
        return self._linear[0]

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second of sound."""
        return self.sample_rate * self.sample_bytes

    def frame_bytes(self, ms: float) -> int:
        """Bytes of `ms` milliseconds, rounded down to whole samples."""
        return int(self.sample_rate * ms // 1000) * self.sample_bytes

    def silence(self, ms: float) -> bytes:
        """`ms` milliseconds of silence; in G.711 that is not zero."""
        size, silent, _ = self._linear
        return silent * (self.frame_bytes(ms) // size)

    def duration(self, data: bytes | bytearray | memoryview | int) -> float:
        """Seconds of sound in `data`, or in that many bytes."""
        size = data if isinstance(data, int) else memoryview(data).nbytes
        return size / self.bytes_per_second

    @property
    def _linear(self) -> tuple[int, bytes, int]:
        try:
            return _LINEAR[self.type]
        except KeyError:
            raise AudioError(
                f"{self.type!r} cannot be computed with: use audio/pcm, audio/pcmu or audio/pcma"
            ) from None


PCMU: Final = AudioFormat("audio/pcmu")
PCMA: Final = AudioFormat("audio/pcma")
OPUS: Final = AudioFormat("audio/opus")


def pcm16(rate: int = 24000) -> AudioFormat:
    """16-bit PCM at `rate` samples per second."""
    return AudioFormat("audio/pcm", rate)
