"""Microphone and speaker, and `talk`: a spoken conversation in one call. The extra ``audio``.

::

    from grok_rt import GrokClient
    from grok_rt.devices import talk

    for turn in talk(GrokClient()):
        print(f"{turn.role}: {turn.text}")

What a device, a telephone or a test has in common are the protocols of `grok_rt.streams`: any
`Source` can be the microphone, any `Sink` the speaker.
"""

from __future__ import annotations

from grok_rt.devices._echo import Echo, EchoGuard
from grok_rt.devices._mark import SpeakerMark
from grok_rt.devices._microphone import Microphone
from grok_rt.devices._playback import Heard, Playback, PlaybackClock
from grok_rt.devices._portaudio import Device, list_devices, report
from grok_rt.devices._speaker import Speaker
from grok_rt.devices._talk import Talk, talk

__all__ = [
    "Device",
    "Echo",
    "EchoGuard",
    "Heard",
    "Microphone",
    "Playback",
    "PlaybackClock",
    "Speaker",
    "SpeakerMark",
    "Talk",
    "list_devices",
    "report",
    "talk",
]
