"""Opus: packets are passed on and counted, and never decoded.

Whether anybody speaks in the user's cannot be known here, so no speech is ever noticed: in manual
mode a commit answers whatever came, and server VAD answers nothing. Pure, like `listening`.
"""

from __future__ import annotations

from collections.abc import Iterator

from grok_rt.simulator.listening import Cue, Turn
from grok_rt.simulator.reading import Refused

_RATE = 24_000
# Milliseconds of a frame by the first five bits of a packet (RFC 6716, table 2).
_FRAME_MS = (
    *(10, 20, 40, 60) * 3,  # SILK
    *(10, 20) * 2,  # hybrid
    *(2.5, 5, 10, 20) * 4,  # CELT
)


SILENCE = b"\xf8\xff\xfe"
"""20 ms of silence, as any encoder writes it."""


def packet_seconds(packet: bytes) -> float:
    """How long a packet plays, as its head says (RFC 6716, section 3.1).

    Raises:
        Refused: it can be none.
    """
    code = packet[0] & 3 if packet else 3
    if len(packet) < (2 if code == 3 else 1):
        raise Refused("audio must be one whole Opus packet", param="audio")
    frames = packet[1] & 0x3F if code == 3 else (1, 2, 2)[code]
    return frames * _FRAME_MS[packet[0] >> 3] / 1000


class PacketListener:
    """Counts one session's input, one Opus packet at a time."""

    def __init__(self) -> None:
        self.turn: Turn | None = None
        self._heard_ms = 0.0

    def hear(self, packet: bytes) -> Iterator[Cue]:
        """OPENED, when no turn has begun: the caller names it with `begin`, if it wants one."""
        if self.turn is None:
            yield Cue.OPENED
        self._heard_ms += 1000 * self.seconds(packet)
        if self.turn:
            self.turn.packets.append(packet)
            self.turn.end_ms = self._heard_ms

    def seconds(self, packet: bytes) -> float:
        """How long a packet plays."""
        return packet_seconds(packet)

    def begin(self, item_id: str, script: str | None) -> Turn:
        """The turn that the next packet belongs to."""
        at = self._heard_ms
        self.turn = Turn(item_id, script, bytearray(), _RATE, at, at, sound="Opus")
        return self.turn

    def resume(self, turn: Turn) -> None:
        """Nothing is known here of speech that goes on."""
        self.turn = turn

    def take(self) -> Turn | None:
        """End the turn here and hand it over; None when nothing has come."""
        turn, self.turn = self.turn, None
        return turn
