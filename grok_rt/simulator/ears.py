"""Hearing speech: an energy detector over a stream of PCM16.

Streaming and pure: sound in pieces of any size in, the edges of speech out, in the time of the
sound itself. It is deaf to quiet and to hiss, not to music; a real service does better.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from operator import mul
from typing import NamedTuple

_FRAME_MS = 20
_ONSET_FRAMES = 3  # 60 ms of voice begin a turn: no click does
# White noise is uncorrelated from sample to sample (0.0); voice is above 0.5 at every rate.
_VOICED = 0.3


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

    def __init__(self, rate: int, *, threshold: float = 0.85, silence_ms: float = 500) -> None:
        self.speaking = False
        self.heard_ms = 0.0
        self.last_voice_ms = 0.0
        self._least_rms = 40 + 400 * threshold  # of 32768: -52 to -39 dBFS
        self._silence_ms = max(silence_ms, _FRAME_MS)
        self._frame = 2 * (rate * _FRAME_MS // 1000)
        self._rest = b""
        self._run = 0  # frames of voice in a row

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
        self.heard_ms += _FRAME_MS
        if self._is_voice(frame):
            self._run += 1
            self.last_voice_ms = self.heard_ms
        else:
            self._run = 0
        if not self.speaking and self._run >= _ONSET_FRAMES:
            self.speaking = True
            yield Edge(speaking=True, at_ms=self.heard_ms - self._run * _FRAME_MS)
        elif self.speaking and self.heard_ms - self.last_voice_ms >= self._silence_ms:
            self.speaking = False
            yield Edge(speaking=False, at_ms=self.last_voice_ms)

    def _is_voice(self, frame: bytes) -> bool:
        samples = array("h", frame)
        energy = sum(map(mul, samples, samples))
        if math.sqrt(energy / len(samples)) < self._least_rms:
            return False
        likeness = sum(map(mul, samples, samples[1:]))
        return bool(likeness > _VOICED * energy)
