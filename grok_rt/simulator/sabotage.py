"""What faults do to one session: its messages in, the bytes of a line that has them out.

No socket and no clock: every call says what time it is. Whoever has the socket sends the bytes,
then looks at `end`. Not for two threads at once.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import msgspec

from grok_rt._wire.framing import BINARY, CLOSE, CONTINUATION, TEXT, Frame, close_payload, pack
from grok_rt.simulator import faults as f

__all__ = ["End", "Sabotage", "wire_type"]


class End(enum.Enum):
    """How a line ends by a fault, once what was left to say has been said."""

    CUT = enum.auto()
    """The connection is to be shut down, without a close frame."""
    RESET = enum.auto()
    """The connection is to be reset."""
    MUTE = enum.auto()
    """Nothing may be said any more, while the connection stays."""
    CLOSED = enum.auto()
    """A close frame has been said."""


class _Typed(msgspec.Struct):
    type: str = ""


_typed = msgspec.json.Decoder(_Typed)

_STRANGE = {"type": "session.mood.changed", "event_id": "strange", "mood": {"good": True}}
_NEWS: dict[str, Any] = {"strange_field": [1, {"two": None}], "strange_text": "news"}
_BROKEN_JSON = b'{"type": "response.created", "event_id": "broken", "respo'
_BROKEN_TEXT = b'{"type": "response.created", "event_id": "\xff\xfe\xc0"}'


def wire_type(frame: Frame) -> str:
    """The wire type of a message; bare sound counts as the audio delta it stands for."""
    if frame.opcode == BINARY:
        return "response.output_audio.delta"
    return _typed.decode(frame.data).type


@attrs.define(eq=False)
class _Armed:
    """A fault, and how often its event has come."""

    fault: f.SessionFault
    seen: int = 0

    def strikes(self, type: str) -> bool:
        fault = self.fault
        if fault.at not in ("*", type):
            return False
        self.seen += 1
        return self.seen >= fault.nth and (
            fault.times is None or self.seen < fault.nth + fault.times
        )


@attrs.define(eq=False)
class _Held:
    """A message that comes late: at a time, or behind an event."""

    frame: Frame
    due: float
    until: str | None


class Sabotage:
    """The faults of one session at work.

    Args:
        faults: those that it has.
    """

    def __init__(self, faults: Sequence[f.SessionFault] = ()) -> None:
        self.end: End | None = None
        """How the line has ended; None as long as it goes on."""
        self.code = (1006, "")
        """With `End.CLOSED`: what was said."""
        self.read_rate: float | None = None
        """Bytes a second that may be taken from the client; None for all."""
        self._armed = [_Armed(fault) for fault in faults]
        self._held: list[_Held] = []
        self._fragment: int | None = None
        self._left: int | None = None  # bytes until `_then`
        self._then = End.CUT
        for fault in faults:
            if fault.at == f.CONNECTION:
                self._break(fault)

    def greet(self, answer: bytes) -> bytes:
        """The server's answer to the handshake, as it arrives."""
        return self._through(answer)

    def put(self, frame: Frame, now: float) -> bytes:
        """What to send for a message of the server's, or for a control frame."""
        if frame.opcode not in (TEXT, BINARY):
            return self._through(pack([frame], mask=False))
        if not self._armed and not self._held:
            return self._wire([frame])
        type = wire_type(frame)
        self._fragment = None
        said = self._wire(self._struck(frame, type, now))
        behind = [held for held in self._held if held.until == type]
        self._held = [held for held in self._held if held.until != type]
        return said + self._wire(held.frame for held in behind)

    def due(self, now: float) -> bytes:
        """What was held back and is due."""
        ripe = [held for held in self._held if held.until is None and held.due <= now]
        self._held = [held for held in self._held if held not in ripe]
        return self._wire(held.frame for held in ripe)

    @property
    def next_at(self) -> float | None:
        """When `due` will have something."""
        return min((held.due for held in self._held if held.until is None), default=None)

    # --- the messages ------------------------------------------------------------------

    def _struck(self, frame: Frame, type: str, now: float) -> list[Frame]:
        """What becomes of one message; it may be several, or none."""
        frames = [frame]
        for armed in self._armed:
            if armed.strikes(type):
                frames = self._strike(armed.fault, frames, now)
        return frames

    def _strike(self, fault: f.SessionFault, frames: list[Frame], now: float) -> list[Frame]:
        if isinstance(fault, f.Omit):
            return []
        if isinstance(fault, f.Duplicate):
            return frames * 2
        if isinstance(fault, f.Delay):
            self._held += [_Held(each, now + fault.seconds, fault.until) for each in frames]
            return []
        if isinstance(fault, f.StrangeEvent):
            return [Frame(TEXT, msgspec.json.encode(_STRANGE)), *frames]
        if isinstance(fault, f.InvalidJson):
            return [Frame(TEXT, _BROKEN_JSON), *frames]
        if isinstance(fault, f.InvalidUtf8):
            return [Frame(TEXT, _BROKEN_TEXT), *frames]
        if isinstance(fault, f.StrangeFields):
            return [_with_news(each) for each in frames]
        if isinstance(fault, f.Huge):
            return [_padded(each, fault.size) for each in frames]
        if isinstance(fault, f.Fragmented):
            self._fragment = fault.size
        elif isinstance(fault, f.SlowReader):
            self.read_rate = fault.rate
        elif isinstance(fault, f.Close):
            self.code = (fault.code, fault.reason)
            return [*frames[:-1], Frame(CLOSE, close_payload(fault.code, fault.reason))]
        else:
            self._break(fault)
        return frames

    def _break(self, fault: f.SessionFault) -> None:
        """From here on so many bytes, and then the end."""
        if self._left is None and isinstance(fault, (f.Drop, f.Stall, f.Silence)):
            self._left = 0 if isinstance(fault, f.Silence) else fault.byte
            if isinstance(fault, f.Drop):
                self._then = End.RESET if fault.reset else End.CUT
            else:
                self._then = End.MUTE

    # --- the bytes ---------------------------------------------------------------------

    def _wire(self, frames: Iterable[Frame]) -> bytes:
        said = b""
        for frame in frames:
            pieces = frame.opcode != CLOSE and self._fragment
            said += self._through(
                _fragments(frame, pieces) if pieces else pack([frame], mask=False)
            )
            if frame.opcode == CLOSE and self.end is None:
                self.end = End.CLOSED
        return said

    def _through(self, data: bytes) -> bytes:
        """What of `data` gets through before the line ends."""
        if self.end is not None:
            return b""
        if self._left is None:
            return data
        if self._left <= len(data):
            data, self.end = data[: self._left], self._then
        self._left -= len(data)
        return data


def _fragments(frame: Frame, size: int) -> bytes:
    """One message as frames of `size` bytes."""
    starts = range(0, len(frame.data), size) or (0,)
    pieces = [
        bytearray(pack([Frame(CONTINUATION, frame.data[at : at + size])], mask=False))
        for at in starts
    ]
    for piece in pieces[:-1]:
        piece[0] &= 0x7F  # FIN
    pieces[0][0] |= frame.opcode
    return b"".join(pieces)


def _with_news(frame: Frame) -> Frame:
    if frame.opcode != TEXT:
        return frame
    event = msgspec.json.decode(frame.data)
    for inner in event.values():
        if isinstance(inner, dict):
            inner.update(_NEWS)
    return Frame(TEXT, msgspec.json.encode(event | _NEWS))


def _padded(frame: Frame, size: int) -> Frame:
    if frame.opcode != TEXT:
        return frame
    event = msgspec.json.decode(frame.data)
    return Frame(TEXT, msgspec.json.encode(event | {"padding": "x" * (size - len(frame.data))}))
