"""The simulated voice: text becomes sound.

espeak-ng speaks where it is installed; elsewhere shipped sentences are spoken for as long as the
text would take, the text itself where it is one of them. Synthesis takes about 0.1 s for a
sentence: `begin` starts it and returns at once, `speak` waits for it. Any thread may ask.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import math
import re
import subprocess
import tempfile
import threading
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Mapping

import attrs

from grok_rt import audio

__all__ = ["begin", "hum", "is_ready", "pronounced", "speak", "timbre"]

_WORDS_PER_MINUTE = 175
_SECONDS_PER_LETTER = 0.065
_HUM_RATE = 16_000
TIMEOUT = 10.0
"""Seconds for one synthesis; what takes longer is spoken as without espeak-ng."""
AT_ONCE = 4
"""Syntheses that run ahead at the same time; more begin when they are waited for."""
KEPT = 64 << 20
"""Bytes of sound that are kept, the newest, so that nothing is synthesised twice."""

# The service's voices; any other name is the id of a custom one.
_BUILT_IN = (
    "ara", "eve", "leo", "rex", "sal", "altair", "atlas", "aurora", "carina", "castor", "celeste",
    "cosmo", "helios", "helix", "iris", "kepler", "liora", "lumen", "luna", "lux", "naksh",
    "orion", "perseus", "rigel", "sirius", "ursa", "zagan", "zenith", "mika", "valentin",
)  # fmt: skip
_VARIANTS = ("f3", "f2", "m3", "m1", "m7", "f1", "m2", "f4", "m4", "f5", "m5", "m6", "m8")


@attrs.frozen
class Timbre:
    """What a voice sounds like.

    Attributes:
        variant: of espeak-ng.
        pitch: 0 … 99, as espeak-ng counts; 50 is its own.
    """

    variant: str
    pitch: int


def timbre(voice: str) -> Timbre:
    """How a voice sounds here: another for each built-in one, always the same for a custom id."""
    name = voice.lower().removeprefix("xai_").removeprefix("human_")
    if name in _BUILT_IN or not name:
        turn, place = divmod(_BUILT_IN.index(name or "ara"), len(_VARIANTS))
        return Timbre(_VARIANTS[place], (50, 75, 25)[turn])
    turn, place = divmod(zlib.crc32(name.encode()), len(_VARIANTS))
    return Timbre(_VARIANTS[place], 20 + turn % 61)


def begin(text: str, *, speed: float = 1.0, voice: str = "") -> None:
    """Have `text` synthesised, unless it has been; never blocks for long."""
    if _has_words(text):
        _studio.begin(_Line(text, speed, timbre(voice)))


def is_ready(text: str, *, speed: float = 1.0, voice: str = "") -> bool:
    """Whether `speak` would not wait, as far as `begin` has been called."""
    return not _has_words(text) or _studio.is_ready(_Line(text, speed, timbre(voice)))


def speak(text: str, form: audio.AudioFormat, *, speed: float = 1.0, voice: str = "") -> bytes:
    """`text` spoken, in the format `form`; a moment of silence for a text without a word.

    Blocks until it has been synthesised.
    """
    if not _has_words(text):
        return form.silence(100)
    return _studio.sound(_Line(text, speed, timbre(voice)), form)


@functools.lru_cache(maxsize=128)
def hum(text: str, form: audio.AudioFormat, *, speed: float = 1.0, voice: str = "") -> bytes:
    """A tone for as long as it takes to say `text`: no speech, but there at once."""
    del voice  # they all hum alike
    period = audio.Converter(audio.pcm16(_HUM_RATE), form)
    wave = array("h", (int(6000 * math.sin(math.pi * n / 80)) for n in range(_HUM_RATE // 100)))
    ten_ms = period.process(wave.tobytes()) + period.flush()
    return ten_ms * round(100 * _SECONDS_PER_LETTER * len(text) / speed)


def pronounced(text: str, replacements: Mapping[str, str]) -> str:
    """`text` as it is to be spoken: whole words replaced, the longest match first."""
    if not replacements:
        return text
    spoken = {word.lower(): sound for word, sound in replacements.items()}
    longest_first = sorted(map(re.escape, spoken), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda match: spoken[match[0].lower()], text)


def _has_words(text: str) -> bool:
    return re.search(r"\w", text) is not None


@attrs.frozen
class _Line:
    """What is to be said, and how."""

    text: str
    speed: float
    timbre: Timbre


class _Synthesis:
    """espeak-ng at work on one line; or what was made of it without."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._clip: audio.AudioClip | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._wav = tempfile.TemporaryFile()  # noqa: SIM115 - until it has been read
        try:
            self._process = self._started()
        except OSError:  # it is not installed, or there is no more room for it
            self._wav.close()

    def _started(self) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile() as text:  # not a pipe: nobody is there to feed one
            text.write(self._line.text.encode())
            text.seek(0)
            return subprocess.Popen(  # noqa: S603 - the text goes in by stdin
                [
                    *("espeak-ng", "-v", f"en-us+{self._line.timbre.variant}"),
                    *("-p", str(self._line.timbre.pitch)),
                    *("-s", str(round(_WORDS_PER_MINUTE * self._line.speed))),
                    *("--stdout", "--stdin"),
                ],
                stdin=text,
                stdout=self._wav,
                stderr=subprocess.DEVNULL,
            )

    @property
    def is_ready(self) -> bool:
        process = self._process
        return self._clip is not None or process is None or process.poll() is not None

    def clip(self) -> audio.AudioClip:
        """What it has made; waits for it."""
        with self._lock:
            if self._clip is None:
                self._clip = self._spoken() or _shipped(self._line)
            return self._clip

    def _spoken(self) -> audio.AudioClip | None:
        if self._process is None:
            return None
        try:
            self._process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None
        finally:
            self._wav.seek(0)
            wav = self._wav.read()
            self._wav.close()
        # The header of a piped WAV has no lengths; 44 bytes, then the samples up to the end.
        if len(wav) <= 44 or self._process.returncode:
            return None
        return audio.AudioClip(wav[44:], audio.pcm16(int.from_bytes(wav[24:28], "little")))

    def give_up(self) -> None:
        """End it, unless somebody waits for it."""
        if self._lock.acquire(blocking=False):
            if self._process and self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = None  # who asks all the same gets what is there without it
            self._wav.close()
            self._lock.release()


class _Studio:
    """Keeps what has been said, and what is being synthesised."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working: OrderedDict[_Line, _Synthesis] = OrderedDict()
        self._sounds: OrderedDict[tuple[_Line, audio.AudioFormat], bytes] = OrderedDict()
        self._size = 0

    def begin(self, line: _Line) -> None:
        with self._lock:
            if sum(not each.is_ready for each in self._working.values()) < AT_ONCE:
                self._synthesis(line)

    def is_ready(self, line: _Line) -> bool:
        with self._lock:
            if any(known == line for known, _ in self._sounds):
                return True
            working = self._working.get(line)
            return working is None or working.is_ready

    def sound(self, line: _Line, form: audio.AudioFormat) -> bytes:
        key = (line, form)
        with self._lock:
            if key in self._sounds:
                self._sounds.move_to_end(key)
                return self._sounds[key]
            synthesis = self._synthesis(line)
        sound = synthesis.clip().to(form).data
        with self._lock:
            if key not in self._sounds:
                self._sounds[key] = sound
                self._size += len(sound)
            while self._size > KEPT and len(self._sounds) > 1:
                self._size -= len(self._sounds.popitem(last=False)[1])
        return sound

    def close(self) -> None:
        """End what is still being synthesised: nobody waits for it any more."""
        with self._lock:
            while self._working:
                self._working.popitem()[1].give_up()

    def _synthesis(self, line: _Line) -> _Synthesis:
        """The one for this line, begun if need be. The lock is held."""
        if line not in self._working:
            while len(self._working) >= 2 * AT_ONCE:
                self._working.popitem(last=False)[1].give_up()
            self._working[line] = _Synthesis(line)
        return self._working[line]


_studio = _Studio()
atexit.register(_studio.close)


# --- without espeak-ng -----------------------------------------------------------------

_RATE = 16_000
_HOP = _RATE // 50
_PAD = 0.2  # seconds of the silence around each sentence that are left out


def _shipped(line: _Line) -> audio.AudioClip:
    """Shipped sentences, the nearest first, until `line` would have been said."""
    words = _words(line.text)
    names = sorted(audio.SHIPPED, key=lambda n: -len(words & _words(audio.SHIPPED[n])))
    exact = [n for n in names if _words(audio.SHIPPED[n]) == words]
    seconds = 0.0 if exact else 0.8 * _SECONDS_PER_LETTER * len(line.text)
    samples = array("h")
    for name in exact or itertools.cycle(names):
        clip = audio.shipped(name).to(audio.pcm16(_RATE))
        samples.frombytes(clip[_PAD : clip.duration - _PAD].data)
        if len(samples) >= seconds * _RATE:
            break
    rise = 2 ** ((line.timbre.pitch - 50) / 100)  # half an octave up or down, at the most
    place = _VARIANTS.index(line.timbre.variant)
    rise *= 0.9 - place / 60 if line.timbre.variant.startswith("m") else 1 + place / 40
    spoken = _stretched(samples, rise / line.speed)
    return audio.AudioClip(spoken.tobytes(), audio.pcm16(round(_RATE * rise)))


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def _stretched(samples: array[int], factor: float) -> array[int]:
    """The sound `factor` times as long, at its pitch: pieces of 20 ms that fade into each other."""
    samples = samples + array("h", bytes(4 * _HOP))
    stretched = array("h")
    at = 0
    for piece in range(int((len(samples) - 2 * _HOP) * factor / _HOP)):
        leaving = samples[at + _HOP : at + 2 * _HOP]
        at = int(piece * _HOP / factor)
        coming = samples[at : at + _HOP]
        stretched.extend(
            (old * (_HOP - n) + new * n) // _HOP
            for n, (old, new) in enumerate(zip(leaving, coming, strict=True))
        )
    return stretched
