"""`Mouth`: the sink of a talk, and what more can be done with it if it is a `Speaker`.

The pump plays, whoever stops the talk closes; each method may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from grok_rt.devices._playback import Playback
from grok_rt.devices._speaker import Speaker
from grok_rt.errors import AudioError

if TYPE_CHECKING:
    from grok_rt import events
    from grok_rt.audio import AudioFormat
    from grok_rt.devices._playback import Heard
    from grok_rt.streams import Sink

__all__ = ["Mouth"]

_SOFT: Final = 0.25  # of the volume


class Mouth:
    """Says what Grok says, once it was opened.

    Args:
        sink: where that is heard.
        lost: called with the reason if it is a device and goes away, after the user's own
            `Speaker.on_lost`.
    """

    def __init__(self, sink: Sink, lost: Callable[[AudioError], object]) -> None:
        self.sink = sink
        self._device = sink if isinstance(sink, Speaker) else None
        self._on_lost = self._device.on_lost if self._device else None
        self._tell = lost
        self._playback: Playback | None = None
        self._is_ours = False  # to close

    def open(self, format: AudioFormat) -> None:
        """Get the device, if it is one and nobody has.

        Raises:
            AudioError: it cannot be had, or takes another format.
        """
        device = self._device
        if device is not None:
            if not device.is_open:
                device.open(format)
                self._is_ours = True
            device.on_lost = self._lost
        self._playback = Playback(self.sink, format)

    def feed(self, event: events.Event) -> list[Heard]:
        """Play what is in it; returns what was cut short by it."""
        try:
            return [] if self._playback is None else self._playback.feed(event)
        except AudioError:
            if self._device is not None and self._device.lost is not None:
                return []  # it is known already, and the talk is about to end
            raise

    @property
    def remaining(self) -> float:
        """Seconds that are still to be heard."""
        return 0.0 if self._playback is None else self._playback.clock.remaining

    def heard(self, item_id: str) -> Heard | None:
        """How much of an item was heard so far; None if nothing is known of it."""
        return self._playback.clock.heard(item_id) if self._playback else None

    def is_unheard(self, item_id: str) -> bool:
        """Whether something of an item's sound is still to be heard."""
        return self._playback is not None and self._playback.is_unheard(item_id)

    def hold(self) -> None:
        """Be silent, and keep what is to be said."""
        if self._playback is not None:
            self._playback.hold()
        if self._device is not None:
            self._device.pause()

    def release(self) -> None:
        """Go on after `hold`."""
        if self._device is not None:
            self._device.resume()
        if self._playback is not None:
            self._playback.release()

    def soften(self, on: bool) -> None:
        """Speak softly, or as loud as ever, where there is a volume."""
        if self._device is not None:
            self._device.volume = _SOFT if on else 1.0

    def close(self) -> list[Heard]:
        """Be silent for good, and leave the sink as it was; returns what was cut short."""
        cuts = self._playback.stop() if self._playback is not None else []
        if self._device is not None:
            self._device.on_lost = self._on_lost
            self._device.volume = 1.0
            if self._is_ours:
                self._device.close()
        return cuts

    def _lost(self, error: AudioError) -> None:
        if self._on_lost is not None:
            self._on_lost(error)
        self._tell(error)
