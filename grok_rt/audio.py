"""Sound as values: what bytes mean (`AudioFormat`), a piece of it (`AudioClip`), conversion.

No device, no thread, no clock and no network live here. Formats and clips are immutable and
belong to anybody; a `Converter` or a `Resampler` belongs to one thread at a time.
"""

from __future__ import annotations

import array
import math
import os
from collections.abc import Iterable, Mapping
from operator import mul
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs

from grok_rt import _containers, _g711, _pcm, _resample, _wav
from grok_rt._resample import Resampler
from grok_rt._unset import UNSET, Unset
from grok_rt.errors import AudioError

__all__ = [
    "OPUS",
    "PCMA",
    "PCMU",
    "SHIPPED",
    "AudioClip",
    "AudioFormat",
    "Converter",
    "Resampler",
    "pcm16",
    "shipped",
]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

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
    extra: Mapping[str, Any] = attrs.field(default=_NOTHING, kw_only=True, eq=False)

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


# how the samples of a format become PCM16, and what WAV calls them
_LAWS: Final = {"audio/pcmu": _g711.ulaw, "audio/pcma": _g711.alaw}
_ENCODINGS: Final = {"audio/pcm": _wav.PCM, "audio/pcmu": _wav.ULAW, "audio/pcma": _wav.ALAW}


def _to_pcm(data: bytes, format: AudioFormat) -> bytes:
    return _LAWS[format.type]().decode(data) if format.type in _LAWS else data


def _from_pcm(pcm: bytes, format: AudioFormat) -> bytes:
    return _LAWS[format.type]().encode(pcm) if format.type in _LAWS else pcm


class Converter:
    """A stream of one format into another, in pieces of any size: G.711, PCM, sample rates.

    How the pieces are cut makes no difference to what comes out, all in all. A change of the
    sample rate holds back a few milliseconds, which come with `flush`.

    Args:
        source: what goes in.
        target: what comes out.

    Raises:
        AudioError: one of them is a format that cannot be computed with, such as Opus.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        for format in (source, target):
            format.silence(0)  # raises now, not with the first piece
        self._source = source
        self._target = target
        self._same = (source.type, source.sample_rate) == (target.type, target.sample_rate)
        self._resampler = Resampler(source.sample_rate, target.sample_rate)

    def process(self, data: bytes) -> bytes:
        """Take `data`, return what is ready."""
        if self._same:
            return data
        return _from_pcm(self._resampler.process(_to_pcm(data, self._source)), self._target)

    def flush(self) -> bytes:
        """Return the rest; the converter is used up."""
        return _from_pcm(self._resampler.flush(), self._target)


def _whole_bytes(data: bytes | bytearray | memoryview) -> bytes:
    return data if isinstance(data, bytes) else bytes(memoryview(data))


@attrs.frozen(repr=False)
class AudioClip:
    """A piece of sound, held in memory: mono.

    ``clip[0.5:2]`` cuts in seconds, ``a + b`` joins (in the format of `a`), ``bytes(clip)`` is
    its data, and in a notebook a clip shows itself as a player.

    Attributes:
        data: the sound.
        format: what those bytes mean.
    """

    data: bytes = attrs.field(converter=_whole_bytes)
    format: AudioFormat = attrs.field(factory=pcm16)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> AudioClip:
        """Read a sound file; channels are mixed down to one, the sample rate stays.

        WAV is read here, broken headers included: PCM of 8 to 32 bits, floats, G.711 (which stays
        G.711 if it is mono at 8 kHz). FLAC, Ogg, MP3, AIFF and the like need the extra ``audio``.

        Raises:
            AudioError: there is no such file, or no sound in it that can be read.
            MissingExtra: reading it needs the extra ``audio``.
        """
        try:
            file = Path(path).read_bytes()
        except OSError as error:
            raise AudioError(
                f"cannot read {os.fspath(path)!r} ({error.strerror}): give the path of a sound file"
            ) from error
        try:
            return _read(file, repr(os.fspath(path)))
        except AudioError as error:
            raise AudioError(f"cannot read {os.fspath(path)!r}: {error}") from error

    @classmethod
    def from_samples(cls, samples: Iterable[float], rate: int = 24000) -> AudioClip:
        """Make a PCM16 clip of numbers; a one-dimensional numpy array will do.

        Args:
            samples: whole numbers of 16 bits; or, if one is a float, parts of full scale, where
                what lies beyond -1 … 1 is cut.
            rate: samples per second.

        Raises:
            AudioError: a number is NaN, or a whole one has more than 16 bits.
        """
        tolist = getattr(samples, "tolist", None)
        values = tolist() if tolist else list(samples)
        return cls(_pcm.pack(_pcm.from_numbers(values)), pcm16(rate))

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.format.duration(self.data)

    def samples(self) -> array.array[int]:
        """The sound as signed 16-bit numbers; ``numpy.asarray`` takes them without a copy.

        Raises:
            AudioError: the format cannot be computed with.
        """
        return _pcm.unpack(_to_pcm(self._whole, self.format))

    def to(self, format: AudioFormat) -> AudioClip:
        """Convert to another format.

        Raises:
            AudioError: one of the two formats cannot be computed with.
        """
        if format == self.format:
            return self
        format.silence(0)  # raises before the work is done
        samples = _resample.whole(self.samples(), self.format.sample_rate, format.sample_rate)
        return AudioClip(_from_pcm(_pcm.pack(samples), format), format)

    def level(self) -> float:
        """How loud it is: the RMS in dB below full scale (dBFS).

        A full-scale sine is -3, speech is around -25, digital silence is ``-inf``.
        """
        samples = self.samples()
        power = sum(map(mul, samples, samples))
        return 10 * math.log10(power / len(samples) / 32768**2) if power else -math.inf

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a WAV file: PCM stays PCM, G.711 stays G.711.

        Raises:
            AudioError: it cannot be written there, the format has no WAV form, or the name says
                that something other than WAV is wanted.
        """
        if Path(path).suffix.lower() in _SUFFIXES:
            raise AudioError(
                f"{os.fspath(path)!r} is no name for a WAV file, and only those are written"
            )
        data = self._whole
        wav = _wav.pack(_ENCODINGS[self.format.type], self.format.sample_rate, data)
        try:
            Path(path).write_bytes(wav)
        except OSError as error:
            raise AudioError(
                f"cannot write {os.fspath(path)!r} ({error.strerror}): give another path"
            ) from error

    @property
    def _whole(self) -> bytes:
        """The data without the half sample that a careless cut left at its end."""
        return self.data[: len(self.data) - len(self.data) % self.format.sample_bytes]

    def __getitem__(self, seconds: slice) -> AudioClip:
        """Cut; as in any slice, negative counts from the end and what is beyond does not matter."""
        if not isinstance(seconds, slice) or seconds.step is not None:
            raise TypeError("a clip is cut in seconds, without a step: clip[0.5:2.0]")
        total = self.duration

        def place(at: float) -> int:
            within = min(max(at + total if at < 0 else at, 0.0), total)
            return round(within * self.format.sample_rate) * self.format.sample_bytes

        start = place(0.0 if seconds.start is None else seconds.start)
        stop = place(total if seconds.stop is None else seconds.stop)
        return attrs.evolve(self, data=self.data[start:stop])

    def __add__(self, other: AudioClip) -> AudioClip:
        """Join; the result has the format of the left one."""
        if not isinstance(other, AudioClip):
            return NotImplemented
        return attrs.evolve(self, data=self.data + other.to(self.format).data)

    def __bool__(self) -> bool:
        """Whether there is any sound in it."""
        return bool(self.data)

    def __bytes__(self) -> bytes:
        """Return its data."""
        return self.data

    def __buffer__(self, flags: int) -> memoryview:
        """Lend its data, from Python 3.12 on."""
        return memoryview(self.data)

    def __repr__(self) -> str:
        """Say how long it is; never its data."""
        try:
            return f"<AudioClip of {self.duration:.2f} s, {self.format!r}>"
        except AudioError:
            return f"<AudioClip of {len(self.data)} bytes, {self.format!r}>"

    def _repr_html_(self) -> str | None:
        """Play in a notebook; None, where a browser could not, leaves the `repr`."""
        import pybase64

        try:
            wav = _wav.pack(_wav.PCM, self.format.sample_rate, _pcm.pack(self.samples()))
        except AudioError:
            return None
        source = f"data:audio/wav;base64,{pybase64.b64encode_as_string(wav)}"
        return f'<audio controls src="{source}"></audio>'


# Names that ask for something else than WAV.
_SUFFIXES: Final = frozenset(
    {".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".raw", ".webm"}
)


def _read(file: bytes, name: str) -> AudioClip:
    encoding, rate, data = _containers.read(file, name)
    for law in (PCMU, PCMA):
        if _ENCODINGS[law.type] == encoding:
            return AudioClip(data, law)
    return AudioClip(data, pcm16(rate))


# What the sound files of this package say; `data/README.md` tells how they were made.
SHIPPED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "answer": "Here is a short answer to your question.",
        "check": "Let me check that.",
        "goodbye": "Goodbye, and thank you for calling.",
        "heard": "I heard you.",
        "hello": "Hello. How can I help you?",
        "question": "What is the weather in Oslo?",
        "sorry": "Sorry, I did not catch that.",
        "weather": "It is three degrees in Oslo, with light sleet.",
    }
)


def shipped(name: str) -> AudioClip:
    """Speech that comes with the package, for examples, tests and the simulator.

    Args:
        name: a key of `SHIPPED`, whose value is what is said; ``question`` is a good first one.

    Raises:
        AudioError: there is none of that name.
    """
    from importlib import resources

    if name not in SHIPPED:
        raise AudioError(f"no sound named {name!r} is shipped: choose from {', '.join(SHIPPED)}")
    file = resources.files("grok_rt") / "data" / f"{name}.wav"
    return _read(file.read_bytes(), name)
