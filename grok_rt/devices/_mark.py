"""`SpeakerMark`: a speaker at the far end of a telephone line, known by its marks only.

It knows no telephone: what sends sound, marks and the order to forget are functions given to it.
`write` and `clear` run on whoever plays (the pump), `heard` on whoever listens to the line.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Final

from grok_rt.audio import AudioFormat

__all__ = ["SpeakerMark"]

_FRAME_MS: Final = 20  # what a telephone line takes at once


class SpeakerMark:
    """A sink for a far end that plays later, and says by marks how far it is.

    Telephone gateways buffer what they are sent and send each mark back when all before it was
    played; on `clear` they forget, and may send back what they had not reached: those are ignored.

    ::

        speaker = SpeakerMark(PCMU, send=send_media, mark=send_mark, clear=send_clear)
        talk(client, caller, speaker)
        ...
        speaker.heard(name)  # the far end has sent a mark back

    Args:
        format: what is written, and sent as it is.
        send: sends sound to the far end, as it came, in frames of 20 ms. What the last one of an
            answer lacks is silence, which in G.711 is not zero.
        mark: sends a mark of that name, behind the sound that was sent.
        clear: tells the far end to forget what it has not played.
        every_ms: how much sound there is between two marks at most, but a frame at least: what
            was heard is known that exactly.
    """

    def __init__(
        self,
        format: AudioFormat,
        *,
        send: Callable[[bytes], object],
        mark: Callable[[str], object],
        clear: Callable[[], object],
        every_ms: float = 60,
    ) -> None:
        self.format = format
        self._send = send
        self._mark = mark
        self._clear = clear
        self._blank = format.silence(_FRAME_MS)
        self._frames = max(1, int(every_ms // _FRAME_MS))  # between two marks
        self._rest = b""  # less than a frame
        self._lock = threading.Lock()
        self._names = map("grok_rt-{}".format, itertools.count(1))
        self._pending: dict[str, float] = {}
        self._end = 0.0
        self._played = 0.0

    @property
    def played(self) -> float:
        """Seconds up to the last mark that came back."""
        return self._played

    def write(self, data: bytes, /) -> None:
        """Send `data`, with marks in it; what makes no whole frame waits for more, or `flush`."""
        size = len(self._blank)
        with self._lock:
            data = self._rest + data
            whole = len(data) - len(data) % size
            self._rest = data[whole:]
        for at in range(0, whole, size * self._frames):
            self._send_marked(data[at : min(at + size * self._frames, whole)])

    def flush(self) -> None:
        """Send what waits to be a whole frame, filled up with silence; `talk` does so itself."""
        with self._lock:
            rest, self._rest = self._rest, b""
        if rest:
            self._send_marked(rest)

    def _send_marked(self, piece: bytes) -> None:
        size = len(self._blank)
        with self._lock:
            self._end += self.format.duration(piece)
            name = next(self._names)
            self._pending[name] = self._end
        for at in range(0, len(piece), size):
            frame = piece[at : at + size]
            self._send(frame + self._blank[len(frame) :])
        self._mark(name)

    def clear(self) -> None:
        """Tell the far end to forget; marks that it had not reached count no more."""
        with self._lock:
            self._pending.clear()
            self._rest = b""
            self._end = self._played
        self._clear()

    def heard(self, name: str) -> bool:
        """The far end has sent a mark back. False if it is none of those awaited."""
        with self._lock:
            if name not in self._pending:
                return False
            self._played = self._pending[name]
            for earlier in [n for n, at in self._pending.items() if at <= self._played]:
                del self._pending[earlier]
            return True
