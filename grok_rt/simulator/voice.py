"""The simulated voice: text becomes sound.

espeak-ng speaks where it is installed; elsewhere every word is a tone, so that length and
pauses are still those of speech. Blocks for the synthesis, about 0.1 s, once per sentence.
"""

from __future__ import annotations

import functools
import math
import re
import shutil
import subprocess
from array import array
from collections.abc import Mapping

from grok_rt import audio

_WORDS_PER_MINUTE = 175
_TONE_RATE = 16_000
_SECONDS_PER_LETTER = 0.065
# Built-in voices that sound different here too; all others share one.
_ESPEAK_VOICES = {"ara": "en+f3", "eve": "en+f2", "leo": "en+m3", "rex": "en+m1", "sal": "en+m7"}


@functools.lru_cache(maxsize=128)
def hum(text: str, form: audio.AudioFormat, *, speed: float = 1.0, voice: str = "") -> bytes:
    """A tone for as long as it takes to say `text`: no speech, but there at once."""
    del voice  # they all hum alike
    period = audio.Converter(audio.pcm16(_TONE_RATE), form)
    wave = array("h", (int(6000 * math.sin(math.pi * n / 80)) for n in range(_TONE_RATE // 100)))
    ten_ms = period.process(wave.tobytes()) + period.flush()
    return ten_ms * round(100 * _SECONDS_PER_LETTER * len(text) / speed)


@functools.lru_cache(maxsize=128)
def speak(text: str, form: audio.AudioFormat, *, speed: float = 1.0, voice: str = "") -> bytes:
    """`text` spoken, in the format `form`; a moment of silence for a text without a word."""
    if not re.search(r"\w", text):
        return form.silence(100)
    spoken, native = _espeak(text, speed, voice) or _tones(text, speed)
    converter = audio.Converter(audio.pcm16(native), form)
    return converter.process(spoken) + converter.flush()


def pronounced(text: str, replacements: Mapping[str, str]) -> str:
    """`text` as it is to be spoken: whole words replaced, the longest match first."""
    if not replacements:
        return text
    spoken = {word.lower(): sound for word, sound in replacements.items()}
    longest_first = sorted(map(re.escape, spoken), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda match: spoken[match[0].lower()], text)


def _espeak(text: str, speed: float, voice: str) -> tuple[bytes, int] | None:
    program = shutil.which("espeak-ng")
    if program is None:
        return None
    name = _ESPEAK_VOICES.get(voice.lower(), "en+f1")
    pace = str(round(_WORDS_PER_MINUTE * speed))
    wav = subprocess.run(  # noqa: S603 - the text goes in by stdin
        [program, "-v", name, "-s", pace, "--stdout", "--stdin"],
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=10,
        check=False,
    ).stdout
    # The header of a piped WAV has no lengths; 44 bytes, then the samples up to the end.
    return (wav[44:], int.from_bytes(wav[24:28], "little")) if len(wav) > 44 else None


def _tones(text: str, speed: float) -> tuple[bytes, int]:
    samples = array("h")
    for word in text.split():
        count = int(_TONE_RATE * (0.08 + 0.05 * len(word)) / speed)
        pitch = 2 * math.pi * (140 + 20 * (len(word) % 5)) / _TONE_RATE
        samples.extend(int(6000 * math.sin(pitch * n)) for n in range(count))
        samples.extend([0] * int(_TONE_RATE * 0.06 / speed))
    return samples.tobytes(), _TONE_RATE
