"""The echo guard: what of the microphone may be sent while we speak ourselves.

A loudspeaker is heard by the microphone, and the service would take it for an interruption.
Pure: the time, and whether we speak, are arguments. One thread: the one that sends.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final, Literal, get_args

from grok_rt.audio import AudioClip
from grok_rt.errors import ConfigError

if TYPE_CHECKING:
    from grok_rt.audio import AudioFormat

__all__ = ["Echo", "EchoGuard", "default_echo"]

Echo = Literal["duplex", "half", "duck"]

_TAIL: Final = 0.3  # seconds: a room goes on sounding, and devices buffer
_MARGIN: Final = 10.0  # dB over the loudest echo: that is a voice in the room
_FLOOR: Final = -45.0  # dBFS; what is softer interrupts nobody
_LEARNING: Final = 0.5  # seconds of echo before it is known
_FORGETTING: Final = 1.0  # dB a second
_ONSET: Final = 3  # loud frames of the last four
_PREROLL: Final = 10  # frames that were held back, and belong to the interruption


def default_echo(echo: Echo | None, *, headphones: bool) -> Echo:
    """What to do about echo if nobody says.

    Raises:
        ConfigError: no such way.
    """
    if echo is None:
        return "duplex" if headphones else "half"
    if echo not in get_args(Echo):
        raise ConfigError(f"echo is 'duplex', 'half' or 'duck', not {echo!r}")
    return echo


class EchoGuard:
    """Decides for each frame of the microphone what is sent in its place.

    ``duplex`` sends all: for headphones. ``half`` sends silence while we speak and a moment
    longer: nobody can interrupt. ``duck`` does so too until it is clearly louder than the echo
    was so far; then somebody interrupts, and is sent from the first syllable on.

    Args:
        echo: the way.
        format: what the frames are.
        tail: seconds that count as speaking after the last sound.
    """

    def __init__(self, echo: Echo, format: AudioFormat, *, tail: float = _TAIL) -> None:
        self._echo = echo
        self._format = format
        self._tail = tail
        self._spoke = -math.inf
        self._last: float | None = None
        self._learned = 0.0
        self._loudest = -math.inf
        self._loud: deque[bool] = deque(maxlen=_ONSET + 1)
        self._held: deque[bytes] = deque(maxlen=_PREROLL)
        self.interrupting = False
        """Somebody speaks while we do: time to be softer."""

    def frames(self, frame: bytes, *, speaking: bool, now: float) -> list[bytes]:
        """What to send for `frame`, which came at `now` seconds, while we are speaking or not."""
        if speaking:
            self._spoke = now
        elapsed = 0.0 if self._last is None else now - self._last
        self._last = now
        if self._echo == "duplex" or now - self._spoke > self._tail:
            self.interrupting = False
            self._loud.clear()
            self._held.clear()
            return [frame]
        if self._echo == "duck" and (self.interrupting or self._interrupts(frame, elapsed)):
            held, self._held = list(self._held), deque(maxlen=_PREROLL)
            return [*held, frame]
        self._held.append(frame)
        return [self._format.silence(1000 * self._format.duration(frame))]

    def _interrupts(self, frame: bytes, elapsed: float) -> bool:
        level = AudioClip(frame, self._format).level()
        if self._learned < _LEARNING:
            self._learned += elapsed
            self._loudest = max(self._loudest, level)
            return False
        is_loud = level > max(self._loudest + _MARGIN, _FLOOR)
        if not is_loud:
            self._loudest = max(level, self._loudest - _FORGETTING * elapsed)
        self._loud.append(is_loud)
        self.interrupting = sum(self._loud) >= _ONSET
        return self.interrupting
