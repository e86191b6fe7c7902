"""Sound as values: what bytes mean (`AudioFormat`), a piece of it (`AudioClip`), conversion.

No device, no thread, no clock and no network live here. Formats and clips are immutable and
belong to anybody; a `Converter` or a `Resampler` belongs to one thread at a time.
"""

from __future__ import annotations

from grok_rt.audio._clip import SHIPPED, AudioClip, shipped
from grok_rt.audio._convert import Converter
from grok_rt.audio._format import OPUS, PCMA, PCMU, AudioFormat, pcm16
from grok_rt.audio._resample import Resampler

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
