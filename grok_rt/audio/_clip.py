"""`AudioClip`: a piece of sound in memory, read from a file or saved to one; immutable."""

from __future__ import annotations

import array
import contextlib
import math
import os
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from operator import mul
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

from grok_rt._card import player
from grok_rt.audio import _containers, _pcm, _resample, _wav
from grok_rt.audio._convert import from_pcm, to_pcm
from grok_rt.audio._format import PCMA, PCMU, AudioFormat, pcm16
from grok_rt.errors import AudioError

__all__ = ["SHIPPED", "AudioClip", "shipped"]

# What WAV calls the samples of a format.
_ENCODINGS: Final = {"audio/pcm": _wav.PCM, "audio/pcmu": _wav.ULAW, "audio/pcma": _wav.ALAW}


# How files of sound begin, in so many bytes that no sound does.
_FILES: Final = re.compile(
    rb"(?:RIFF....WAVE|fLaC[\x00\x80]\x00\x00|OggS\x00\x02|ID3[\x02-\x04]\x00)", re.DOTALL
)


def _whole_bytes(data: bytes | bytearray | memoryview) -> bytes:
    try:
        whole = data if isinstance(data, bytes) else bytes(memoryview(data))
    except TypeError:
        raise TypeError(
            f"a clip is made of bytes, not of a {type(data).__name__}: AudioClip.open() reads files"
        ) from None
    if _FILES.match(whole):
        raise AudioError(
            "these bytes are a file with its header, not sound alone: AudioClip.open() reads files"
        )
    return whole


@attrs.frozen(repr=False)
class AudioClip:
    """A piece of sound, held in memory: mono.

    ``clip[0.5:2]`` cuts in seconds, ``a + b`` joins (in the format of `a`), ``bytes(clip)`` is
    its data, and in a notebook a clip shows itself as a player.

    Attributes:
        data: the sound.
        format: what those bytes mean.

    Raises:
        AudioError: the bytes are a sound file, with its header.
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
        format, blocks = open_blocks(path)
        return cls(b"".join(blocks), format)

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
        return _pcm.unpack(to_pcm(self._whole, self.format))

    def to(self, format: AudioFormat) -> AudioClip:
        """Convert to another format.

        Raises:
            AudioError: one of the two formats cannot be computed with.
        """
        if format == self.format:
            return self
        format.silence(0)  # raises before the work is done
        samples = _resample.whole(self.samples(), self.format.sample_rate, format.sample_rate)
        return AudioClip(from_pcm(_pcm.pack(samples), format), format)

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
        """Show and play it in a notebook; None, where a browser could not, leaves the `repr`."""
        try:
            samples = self.samples()
        except AudioError:
            return None
        wav = _wav.pack(_wav.PCM, self.format.sample_rate, _pcm.pack(samples))
        return player(wav, _pcm.peaks(samples, max(1, -(-len(samples) // 300))))


# Names that ask for something else than WAV.
_SUFFIXES: Final = frozenset(
    {".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".raw", ".webm"}
)


def is_sound_file(text: str) -> bool:
    """Whether a text is the name of a sound file that is there, and nothing else."""
    if not text or re.search(r"\s", text):
        return False
    suffix = Path(text).suffix.lower()
    is_name = suffix == ".wav" or suffix in _SUFFIXES
    return is_name and os.path.isfile(text)  # noqa: PTH113 - Path's raises for what is no name


def _read(file: bytes, name: str) -> AudioClip:
    encoding, rate, data = _containers.read(file, name)
    return AudioClip(data, _format_of(encoding, rate))


def open_blocks(
    path: str | os.PathLike[str],
) -> tuple[AudioFormat, Generator[bytes, None, None]]:
    """Open a sound file: its format, and its sound in blocks that are read as they are taken.

    The end of the blocks closes the file, and so does closing them.

    Raises:
        AudioError: there is no such file, or no sound in it that can be read; the blocks raise it
            of a file that breaks off being one.
        MissingExtra: reading it needs the extra ``audio``.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"the path of a sound file is a str or a Path, not {type(path).__name__}")
    name = repr(os.fspath(path))
    found: list[AudioFormat] = []

    def blocks() -> Generator[bytes, None, None]:
        with _naming(name), Path(path).open("rb") as file:
            sound = _containers.stream(file, name)
            found.append(_format_of(sound.encoding, sound.rate))
            yield b""  # begun: closing it closes the file
            yield from sound.data

    opened = blocks()
    next(opened)
    return found[0], opened


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say of an error which file it is about."""
    try:
        yield
    except OSError as error:
        raise AudioError(
            f"cannot read {name} ({error.strerror}): give the path of a sound file"
        ) from error
    except AudioError as error:
        raise AudioError(f"cannot read {name}: {error}") from error


def _format_of(encoding: int, rate: int) -> AudioFormat:
    for law in (PCMU, PCMA):
        if _ENCODINGS[law.type] == encoding:
            return law
    return pcm16(rate)


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
