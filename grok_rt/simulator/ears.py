"""Hearing speech: an energy detector over a stream of PCM16.

Streaming and pure: sound in pieces of any size in, the edges of speech out, in the time of the
sound itself. It is deaf to quiet, to hiss, and to what goes on for seconds without a change, as a
fan does; not to music. A real service does better, and so do `hearing.SileroEars`.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterator
from operator import mul, sub
from typing import NamedTuple

__all__ = ["Ears", "Edge", "kind_of"]

_FRAME_MS = 20
# White noise is uncorrelated from sample to sample (0.0); voice is above 0.5 at every rate.
_VOICED = 0.3
_RATE_NEEDED = 8000  # of the samples that are looked at: for an energy no more are needed
_FADING = 0.7  # of the level needed: what has begun may fade by 3 dB
# The floor is what was no voice lately, and at least the faintest frame of three seconds, in which
# speech has a gap somewhere; before the beginning was silence.
_LEARNING = 0.1
_STRETCHES, _STRETCH_FRAMES = 15, 10
_MIDDLE_FRAMES, _LOOKED_AT = 100, 20  # of those so many tell what kind of sound it is


class Edge(NamedTuple):
    """Speech began or ended, so many milliseconds into the sound."""

    speaking: bool
    at_ms: float


class Ears:
    """Finds where speech begins and ends.

    Args:
        rate: samples per second of the PCM16 that will be heard.
        threshold: 0.1 (the faintest voice counts) to 0.9.
        silence_ms: how long it must be quiet before speech has ended.
    """

    frame_ms = _FRAME_MS
    onset_frames = 3  # 60 ms of voice begin a turn: no click does

    def __init__(self, rate: int, *, threshold: float = 0.85, silence_ms: float = 500) -> None:
        self.speaking = False
        self.heard_ms = 0.0
        self.last_voice_ms = 0.0
        self._least_rms = 20 + 120 * threshold  # of 32768: -60 to -48 dBFS
        self._above_floor = 1.5 + 1.5 * threshold  # 4 to 9 dB
        self._silence_ms = max(silence_ms, self.frame_ms)
        self._frame = 2 * (rate * self.frame_ms // 1000)
        self._stride = max(1, rate // _RATE_NEEDED)
        self._lag = rate // self._stride // 2000
        self._rest = b""
        self._run = 0  # frames of voice in a row
        self._noise = 0.0
        self._faintest = deque([0.0] * _STRETCHES, maxlen=_STRETCHES)
        self._stretch: list[float] = []

    def hear(self, pcm: bytes) -> Iterator[Edge]:
        """The edges in the next piece of sound. Exhaust it before the next call."""
        sound = self._rest + pcm
        usable = len(sound) - len(sound) % self._frame
        self._rest = sound[usable:]
        for start in range(0, usable, self._frame):
            yield from self._listen(sound[start : start + self._frame])

    def rest(self) -> None:
        """Forget that anybody speaks; the next voice is a new onset."""
        self.speaking = False
        self._run = 0

    def _listen(self, frame: bytes) -> Iterator[Edge]:
        self.heard_ms += self.frame_ms
        if self._is_voice(frame):
            self._run += 1
            self.last_voice_ms = self.heard_ms
        else:
            self._run = 0
        if not self.speaking and self._run >= self.onset_frames:
            self.speaking = True
            yield Edge(speaking=True, at_ms=self.heard_ms - self._run * self.frame_ms)
        elif self.speaking and self.heard_ms - self.last_voice_ms >= self._silence_ms:
            self.speaking = False
            yield Edge(speaking=False, at_ms=self.last_voice_ms)

    def _is_voice(self, frame: bytes) -> bool:
        if not frame.strip(b"\0"):  # most of what tests send behind their words
            self._floor(0.0)
            if not self.speaking:
                self._noise -= _LEARNING * self._noise
            return False
        samples = array("h", frame)
        sound = self._without_rumble(samples[:: self._stride])
        energy = sum(map(mul, sound, sound))
        rms = math.sqrt(energy / len(sound) / 2)
        needed = max(self._least_rms, self._above_floor * self._floor(rms))
        if self.speaking:
            needed *= _FADING
        voice = False
        if rms >= needed:
            beside = self._without_rumble(samples[1 :: self._stride])
            voice = sum(map(mul, sound, beside)) > _VOICED * energy
        if not (voice or self.speaking):
            self._noise += _LEARNING * (rms - self._noise)
        return voice

    def _without_rumble(self, samples: array[int]) -> list[int]:
        """How the sound differs from what it was half a millisecond ago: no offset, no hum."""
        return list(map(sub, samples[self._lag :], samples))

    def _floor(self, rms: float) -> float:
        """The level of what goes on beside the voice; and this frame is noted."""
        self._stretch.append(rms)
        if len(self._stretch) == _STRETCH_FRAMES:
            self._faintest.append(min(self._stretch))
            self._stretch.clear()
        return max(self._noise, min(self._faintest))


def kind_of(pcm: bytes | bytearray, rate: int) -> str:
    """What is known to be in a stretch of sound: ``speech``, or ``a tone of 440 Hz``."""
    frame = 2 * (rate * _FRAME_MS // 1000)
    first = max(0, len(pcm) // 2 // frame - _MIDDLE_FRAMES // 2)
    behind = min(len(pcm) // frame, first + _MIDDLE_FRAMES)
    step = max(1, (behind - first) // _LOOKED_AT)
    pieces = range(first * frame, behind * frame, step * frame)
    each = [_pitch(array("h", pcm[start : start + frame]), rate) for start in pieces]
    pitches = sorted(filter(None, each))
    if not pitches:
        return "speech"
    median = pitches[len(pitches) // 2]
    alike = sum(abs(pitch - median) < 0.03 * median for pitch in pitches)
    return f"a tone of {median:.0f} Hz" if alike > 0.9 * len(pitches) else "speech"


def _pitch(samples: array[int], rate: int) -> float:
    """How often the sound goes through its middle, as a frequency; 0 where there is silence."""
    top, bottom = max(samples), min(samples)
    if top - bottom < 100:
        return 0.0
    middle = (top + bottom) / 2
    above = [sample > middle for sample in samples]
    crossings = [at for at in range(1, len(above)) if above[at] and not above[at - 1]]
    if len(crossings) < 2:
        return 0.0
    return rate * (len(crossings) - 1) / (crossings[-1] - crossings[0])
