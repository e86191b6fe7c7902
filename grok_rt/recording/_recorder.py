"""`record`: what passes is noted on the connection's threads, and written on one of our own.

The notes are bounded in bytes; beyond that, events are left out and counted, and the session never
waits. A disk that fails ends the recording, not the call: an error is logged and kept in `error`.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from grok_rt import events
from grok_rt._wire.framing import BINARY, TEXT, Frame
from grok_rt.audio import AudioFormat, Converter, pcm16
from grok_rt.errors import AudioError, RecordingError
from grok_rt.recording._lines import Source, line_of, message_of, sent_event, without_secrets
from grok_rt.recording._playback import Playback, Track, formats_in, seconds_of
from grok_rt.recording._wave import StereoWave

if TYPE_CHECKING:
    from grok_rt._connection.inbox import Arrival, Inbox
    from grok_rt.client import GrokClient

__all__ = ["Recorder", "record"]

log = logging.getLogger("grok_rt")

CALLER, GROK = 0, 1
_MAX_WAITING: Final = 32 << 20  # bytes of notes that the disk has not taken
_SHARE: Final = 200  # bytes that a note takes besides what it holds
_LAG: Final = (
    0.3  # seconds by which the sound is written behind the clock: until then it may be cut
)
_PATIENCE: Final = 5.0  # seconds for the disk at the end

#: The recordings of this process that run, for `_close_all`; nothing else looks here.
_live: weakref.WeakValueDictionary[int, Recorder] = weakref.WeakValueDictionary()


def record(
    client: GrokClient, path: str | os.PathLike[str], *, keep_audio: bool = False
) -> Recorder:
    """Record a client's conversation into a folder, from now on until the block is left.

    ::

        client = GrokClient()
        with record(client, "call"), client:
            client.ask("Why is the sky blue?")

    The recording ends with the session, if that comes first. What happens to the disk later does
    not disturb the call: it ends the recording, is logged, and stands in the recorder's `error`.

    Args:
        client: connected or not; to have its first events too, begin before it connects.
        path: a folder that does not exist yet, or is empty.
        keep_audio: keep the sound in ``events.jsonl`` as well, as it was on the wire.

    Raises:
        RecordingError: the folder has something in it, or cannot be written.
    """
    return Recorder(client, path, keep_audio=keep_audio)


class Recorder:
    """A recording that is being made; see `record`.

    Attributes:
        path: the folder.
        error: what ended the recording before its time; None: nothing did.
        lost: how many events are missing, since the disk was too slow for them.
    """

    def __init__(
        self, client: GrokClient, path: str | os.PathLike[str], *, keep_audio: bool = False
    ) -> None:
        self.path = Path(path)
        self.error: RecordingError | None = None
        self.lost = 0
        self._keep_audio = keep_audio
        self._inbox: Inbox = client._inbox  # noqa: SLF001 - the client itself it must not hold
        self._began = time.monotonic()
        config = client.config
        self._formats = {"input": config.input_audio_format, "output": config.output_audio_format}
        rate = max(map(_rate, self._formats.values()))
        self._converters: dict[str, Converter | None] = {}
        self._caller, self._playback = Track(), Playback()
        try:
            self._make_folder()
            self._wave = StereoWave(self.path / "audio.wav", rate)
            self._lines = (self.path / "events.jsonl").open("xb", buffering=0)
            self._lines.write(self._head(rate))
        except RecordingError:
            raise
        except OSError as error:
            raise RecordingError(
                f"cannot record to {str(self.path)!r} ({error.strerror}): give another folder"
            ) from error
        for side in self._formats:
            self._convert_anew(side)
        self._changed = threading.Condition(threading.Lock())
        self._notes: deque[tuple[float, Source, Any]] = deque()
        self._waiting = 0
        self._ended = False
        self._lost_now = 0
        self._thread = threading.Thread(target=self._run, name="grok-rt-recorder", daemon=True)
        self._thread.start()
        self._inbox.listen(self)
        _live[id(self)] = self

    def __enter__(self) -> Recorder:  # noqa: PYI034 - `Self` is for Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        how = "failed" if self.error else "over" if self._ended else "running"
        return f"<Recorder {how}, {str(self.path)!r}>"

    def close(self) -> None:
        """End the recording and write its report; blocks for the disk, a few seconds at most.

        Any thread, any number of times. The sound that Grok had sent goes on to its end.
        """
        self._inbox.unlisten(self)
        self._end()
        if threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE)

    # on the threads of the connection: neither waits nor raises

    def arrived(self, arrived: Sequence[Arrival], now: float, /) -> None:
        """Note what has come, and what is told to the program."""
        for event, size, _ in arrived:
            source: Source = "local" if isinstance(event, events.LocalEvent) else "server"
            self._note(now, source, event, size)
            if isinstance(event, events.Closed):
                self._end()

    def left(self, frames: Sequence[Frame], now: float, /) -> None:
        """Note what the line has taken."""
        for frame in frames:
            if frame.opcode in (TEXT, BINARY):
                self._note(now, "client", frame, len(frame.data))

    def _note(self, now: float, source: Source, what: object, size: int) -> None:
        with self._changed:
            if self._ended:
                return
            if self._waiting > _MAX_WAITING:
                self.lost += 1
                self._lost_now += 1
                return
            self._waiting += size + _SHARE
            self._notes.append((now, source, (what, size)))
            self._changed.notify()

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    # on our own thread

    def _run(self) -> None:
        try:
            while self._write_more():
                pass
        except OSError as error:
            self._fail(error.strerror or str(error), error)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not be silent either
            self._fail(repr(error), error)
        finally:
            self._inbox.unlisten(self)
            self._end()
            self._notes.clear()
            self._lines.close()
            _live.pop(id(self), None)
            try:
                self._wave.close()
            except OSError as error:
                self._fail(error.strerror or str(error), error)
        if self.error is None:
            self._report()

    def _write_more(self) -> bool:
        """Write what there is to write, after waiting for it; false at the end."""
        with self._changed:
            if not (self._notes or self._ended):
                self._changed.wait(_LAG if self._wave.has_more else None)
            notes, lost, ended = list(self._notes), self._lost_now, self._ended
            taken = time.monotonic() - self._began
            self._notes.clear()
            self._waiting = self._lost_now = 0
        lines = bytearray()
        for now, source, (what, _) in notes:
            lines += self._line(now - self._began, source, what)
        if lost:
            lines += json.dumps({"t": round(taken, 6), "lost": lost}).encode() + b"\n"
        view = memoryview(lines)
        while view:
            view = view[self._lines.write(view) :]
        self._wave.write(taken if ended else taken - _LAG)
        return not ended

    def _line(self, at: float, source: Source, what: Any) -> bytes:
        event = sent_event(what) if isinstance(what, Frame) else what
        if isinstance(event, events.Event):
            self._hear(at, event)
            message, elided = message_of(event, keep_audio=self._keep_audio)
        else:
            message, elided = event, None
            for side, form in formats_in(message):
                self._formats[side] = form
                self._convert_anew(side)
        clean = without_secrets(message, keep_audio=self._keep_audio)
        return line_of(at, source, clean, elided)

    def _hear(self, at: float, event: events.Event) -> None:
        """Place the sound of an event on its track."""
        if isinstance(event, events.InputAudioBufferAppend):
            start = self._caller.place(at, seconds_of(len(event.audio), self._formats["input"]))
            self._place(CALLER, "input", at, start, event.audio)
        elif isinstance(event, events.AudioDelta):
            length = seconds_of(len(event.audio), self._formats["output"])
            begin = self._playback.place(event, at, length)
            if begin is not None:
                self._place(GROK, "output", at, begin, event.audio)
        elif self._playback.interrupts(event):
            self._playback.cut(at)
            self._wave.cut(GROK, at)

    def _place(self, track: int, side: str, at: float, start: float, sound: bytes) -> None:
        converter = self._converters[side]
        if converter is not None:
            self._wave.write(at - _LAG)
            self._wave.place(track, start, converter.process(sound))

    def _convert_anew(self, side: str) -> None:
        target = pcm16(self._wave.rate)
        try:
            self._converters[side] = Converter(self._formats[side], target)
        except AudioError:  # Opus: its track stays silent
            self._converters[side] = None

    def _fail(self, why: str, error: BaseException) -> None:
        if self.error is None:
            self.error = RecordingError(
                f"the recording in {str(self.path)!r} has ended: {why}. The call goes on; what was "
                "written before can be read."
            )
            self.error.__cause__ = error
            log.error("%s", self.error)

    def _report(self) -> None:
        from grok_rt.recording._reader import Recording

        try:
            Recording.open(self.path).write_report()
        except Exception as error:  # noqa: BLE001 - the recording itself is whole
            log.warning("no report of the recording in %r: %s", str(self.path), error)

    # before all

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise RecordingError(f"{str(self.path)!r} is no folder: give another place") from None
        if any(self.path.iterdir()):
            raise RecordingError(
                f"the folder {str(self.path)!r} is not empty: a recording gets one of its own"
            )

    def _head(self, rate: int) -> bytes:
        from grok_rt import __version__

        head = {
            "grok_rt": __version__,
            "recording": 1,
            "began": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "rate": rate,
            **{side: {"type": f.type, "rate": _rate(f)} for side, f in self._formats.items()},
            "keep_audio": self._keep_audio,
        }
        return json.dumps(head).encode() + b"\n"


def _rate(form: AudioFormat) -> int:
    try:
        return form.sample_rate
    except AudioError:
        return 24000


@atexit.register
def _close_all() -> None:
    """A program that ends without closing its recordings has them whole."""
    for found in _live.valuerefs():  # as at one moment: others may begin and end meanwhile
        if (recorder := found()) is not None:
            recorder.close()
