"""The user's side of the talk: audio in the session's format becomes turns.

Pure state; the peer decides what each `Cue` means in its mode and says it on the wire.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from grok_rt import audio
from grok_rt.simulator.ears import kind_of
from grok_rt.simulator.hearing import ENERGY, Hearing

_PIECE_MS = 100
_PARTIAL_EVERY_MS = 1000
_WORDS_PER_SECOND = 2.5
_SILENCE_MS = 500  # undocumented; the service's own default is not known
_PREFIX_MS = 333
_THRESHOLD = 0.85


class Cue(enum.Enum):
    """What became of the user's speech."""

    STARTED = enum.auto()
    GOING_ON = enum.auto()
    """About once a second of speech: time for a partial transcript."""
    SILENT = enum.auto()
    """About once a second of silence."""
    STOPPED = enum.auto()
    OPENED = enum.auto()
    """Sound in which speech cannot be told from silence."""


@attrs.define
class Turn:
    """One turn of the user.

    Attributes:
        item_id: its conversation item.
        script: the words it is going to have; None when no script says.
        audio: PCM16 from `prefix_padding_ms` before the speech on, at `rate`.
        rate: samples per second of `audio`.
        start_ms: where the speech began in the session's sound.
        end_ms: where the last voice was.
        after: the user's item before it.
        announced: whether the conversation item has been added.
        understood: the words that were understood, where no script says them.
        sound: what is known to be in it: speech, a tone, or only Opus.
        packets: with Opus, what was sent, as it came; `audio` is empty then.
    """

    item_id: str
    script: str | None
    audio: bytearray
    rate: int
    start_ms: float
    end_ms: float
    after: str | None = None
    announced: bool = False
    understood: str | None = None
    sound: str = "speech"
    packets: list[bytes] = attrs.Factory(list)

    @property
    def seconds(self) -> float:
        """Length of the speech, pauses included."""
        return (self.end_ms - self.start_ms) / 1000

    @property
    def transcript(self) -> str:
        """All the words; without any, what is known for sure."""
        return f"[{self.seconds:.1f} s of {self.sound}]" if self.words is None else self.words

    @property
    def words(self) -> str | None:
        """The words; None when nobody knows them."""
        return self.understood if self.script is None else self.script

    def partial(self, *, guessing: bool = False) -> str:
        """The words there has been time for so far; no sentence ends yet, but by a guess."""
        if self.script is None:
            return self.transcript
        words = self.script.split()
        some = words[: max(1, int(self.seconds * _WORDS_PER_SECOND))]
        if len(some) == len(words):
            return self.script
        return " ".join(some).rstrip(",;:.!?") + ("?" if guessing else "")


class Listener:
    """Hears one session's input in one format.

    Args:
        form: the input format.
        detection: the fields of `turn_detection`; the service's defaults for what it lacks.
        hearing: what it hears with.
    """

    def __init__(
        self,
        form: audio.AudioFormat,
        detection: Mapping[str, Any],
        hearing: Hearing = ENERGY,
    ) -> None:
        self._form = form
        self._rate = form.sample_rate
        self._hearing = hearing
        self._ears = hearing.ears(
            self._rate,
            threshold=_number(detection.get("threshold"), _THRESHOLD),
            silence_ms=_number(detection.get("silence_duration_ms"), _SILENCE_MS),
        )
        prefix_ms = _number(detection.get("prefix_padding_ms"), _PREFIX_MS)
        self._prefix_bytes = audio.pcm16(self._rate).frame_bytes(prefix_ms)
        self._before = bytearray()
        self._odd = b""
        self._to_pcm = audio.Converter(form, audio.pcm16(self._rate))
        self._onset_ms = 0.0
        self._next_partial_ms: float = _PARTIAL_EVERY_MS
        self.turn: Turn | None = None

    def seconds(self, data: bytes) -> float:
        """How long `data` plays."""
        return self._form.duration(data)

    def hear(self, data: bytes) -> Iterator[Cue]:
        """What happens in the next `data`. At STARTED the caller names the turn with `begin`."""
        whole = self._odd + data
        used = len(whole) - len(whole) % self._form.sample_bytes
        self._odd = whole[used:]
        pcm = self._to_pcm.process(whole[:used])
        step = audio.pcm16(self._rate).frame_bytes(_PIECE_MS)
        for start in range(0, len(pcm), step):
            yield from self._hear_piece(pcm[start : start + step])

    def _hear_piece(self, piece: bytes) -> Iterator[Cue]:
        self._keep(piece)
        for edge in self._ears.hear(piece):
            if edge.speaking:
                self._onset_ms = edge.at_ms
                yield Cue.STARTED
            elif self.turn:
                self.turn.end_ms = edge.at_ms
                yield Cue.STOPPED
        if self.turn and self._ears.speaking:
            self.turn.end_ms = self._ears.last_voice_ms
        if self._ears.heard_ms >= self._next_partial_ms:
            self._next_partial_ms += _PARTIAL_EVERY_MS
            yield Cue.GOING_ON if self.turn and self._ears.speaking else Cue.SILENT

    def _keep(self, piece: bytes) -> None:
        if self.turn:
            self.turn.audio += piece
        else:
            self._before += piece
            # The onset is noticed up to 160 ms late: keep that much more than the prefix.
            del self._before[: -(self._prefix_bytes + audio.pcm16(self._rate).frame_bytes(160))]

    def begin(self, item_id: str, script: str | None) -> Turn:
        """The turn whose speech has just started."""
        at = self._onset_ms
        self.turn = Turn(item_id, script, self._before, self._rate, at, self._ears.heard_ms)
        self._before = bytearray()
        self._next_partial_ms = at + _PARTIAL_EVERY_MS
        return self.turn

    def resume(self, turn: Turn) -> None:
        """The speech that has just started belongs to a turn that had been taken."""
        turn.audio += self._before
        self._before = bytearray()
        self.turn = turn

    def take(self) -> Turn | None:
        """End the turn here and hand it over; None when nobody has spoken."""
        turn, self.turn = self.turn, None
        self._ears.rest()
        if turn and turn.script is None:
            turn.understood = self._hearing.words(bytes(turn.audio), turn.rate)
            if turn.words is None:
                turn.sound = kind_of(turn.audio, turn.rate)
        return turn


def _number(value: Any, default: float) -> float:
    return default if value is None else float(value)
