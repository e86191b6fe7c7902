"""`Recording`: a folder that was recorded, as events, turns, sound and a drawing.

Reads only, but for the report. Any thread; nothing is kept open.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from grok_rt import events
from grok_rt._client.listener import GrokListener
from grok_rt.audio import AudioClip, AudioFormat, pcm16
from grok_rt.conversation import Conversation
from grok_rt.errors import RecordingError
from grok_rt.recording._lines import Source, read_event
from grok_rt.recording._page import Report
from grok_rt.recording._sound import Envelope, tracks
from grok_rt.recording._story import Told, outages, spans_of, told
from grok_rt.timeline import Timeline

__all__ = ["Recorded", "Recording"]


@attrs.frozen
class Recorded:
    """An event of a recording.

    Attributes:
        at: seconds since the recording began.
        source: ``client`` sent it, ``server`` sent it, or it is ``local``: told to the program.
        event: the event. Of sound that was not kept, its `audio` is empty.
        message: the same as it stands in the file.
        elided: bytes of sound that were left out; None: none were.
    """

    at: float
    source: Source
    event: events.Event
    message: Mapping[str, Any] = attrs.field(repr=False, eq=False)
    elided: int | None = None


class Recording:
    """What `record` has written; see `Recording.open`.

    Iterating yields a `Recorded` of each event, in the order in which things happened.

    Attributes:
        path: the folder.
        began: when, by the wall clock.
        duration: seconds, of events and of sound.
        lost: how many events are missing, since the disk was too slow.
        rate: samples a second of its sound.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], lines: list[dict[str, Any]]) -> None:
        self.path = path
        self._head = head
        self._lines = [line for line in lines if isinstance(line.get("event"), dict)]
        self.lost = sum(line.get("lost") or 0 for line in lines)
        self.rate = int(head.get("rate") or 24000)
        self.began = datetime.fromisoformat(head["began"])
        last = max((float(line.get("t") or 0) for line in lines), default=0.0)
        self.duration = max(last, self._sound_seconds())

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Recording:
        """Read a folder that `record` has written, or was writing when its process ended.

        Raises:
            RecordingError: there is no recording.
        """
        folder = Path(path)
        try:
            raw = (folder / "events.jsonl").read_bytes()
        except OSError as error:
            raise RecordingError(
                f"{os.fspath(path)!r} is no recording (events.jsonl: {error.strerror}): give the "
                "folder of a recording"
            ) from error
        lines = [line for each in raw.splitlines() if isinstance(line := _parsed(each), dict)]
        if not lines or lines[0].get("recording") != 1:
            raise RecordingError(
                f"{str(folder / 'events.jsonl')!r} does not begin like a recording of this version"
            )
        try:
            return cls(folder, lines[0], lines[1:])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(
                f"{str(folder / 'events.jsonl')!r} says nonsense about itself: {error!r}"
            ) from error

    def __iter__(self) -> Iterator[Recorded]:
        for line in self._lines:
            message, elided = line["event"], line.get("elided")
            source: Source = line.get("from", "server")
            event = read_event(source, message)
            if event is not None:
                yield Recorded(float(line.get("t") or 0), source, event, message, elided)

    def __repr__(self) -> str:
        return f"<Recording of {self.duration:.1f} s, {str(self.path)!r}>"

    @property
    def formats(self) -> Mapping[str, AudioFormat]:
        """The formats of ``input`` and ``output`` with which it began."""
        found = {}
        for side in ("input", "output"):
            form = self._head.get(side) or {}
            found[side] = AudioFormat(form.get("type") or "audio/pcm", form.get("rate"))
        return found

    def conversation(self) -> Conversation:
        """The turns; their times are seconds of the recording."""
        conversation = Conversation()
        for one in self:
            conversation.feed(one.event, one.at)
        return conversation

    def timeline(self) -> Timeline:
        """Who spoke when, by what could be heard, with its waves."""
        them = list(self)
        return self._drawn(self._told(them), them)

    def _told(self, them: Sequence[Recorded]) -> list[Told]:
        return told(them, self.formats, Envelope(self.path / "audio.wav", self.rate))

    def _drawn(self, story: Sequence[Told], them: Sequence[Recorded]) -> Timeline:
        spans = (*spans_of(story), *outages(them))
        return Timeline(spans, start=0.0, end=self.duration)

    @property
    def caller(self) -> AudioClip:
        """The caller's sound, with its pauses.

        Raises:
            AudioError: it cannot be read.
        """
        return AudioClip(tracks(self.path / "audio.wav")[0], pcm16(self.rate))

    @property
    def grok(self) -> AudioClip:
        """Grok's sound, as it would be heard, with its pauses.

        Raises:
            AudioError: it cannot be read.
        """
        return AudioClip(tracks(self.path / "audio.wav")[1], pcm16(self.rate))

    def replay(
        self,
        target: GrokListener | Callable[[events.Event], object],
        *,
        speed: float | None = None,
    ) -> None:
        """Let handlers hear again what the program heard; blocks until the end.

        Args:
            target: a client that is not connected, whose handlers hear; its tools are not run.
                Or a function that takes one event.
            speed: 1 keeps the pace of the conversation; None: as fast as can be.

        Raises:
            Exception: what a handler raises, once all have heard the event.
        """
        hear = _hearer(target)
        began = time.monotonic()
        for one in self:
            if one.source == "client":
                continue
            if speed:
                time.sleep(max(0.0, began + one.at / speed - time.monotonic()))
            hear(one.event)

    def write_report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Draw the page: by default ``report.html`` in the folder. Returns where it is.

        Raises:
            RecordingError: it cannot be written.
        """
        them = list(self)
        story = self._told(them)
        report = Report(
            self.began.astimezone(),
            self.duration,
            self.lost,
            self.formats,
            self.path / "audio.wav",
            them,
            story,
            self._drawn(story, them),
        )
        target = self.path / "report.html" if path is None else Path(path)
        beside = target.with_name(f"{target.name}.part")
        try:
            beside.write_text(report.page(), "utf-8")
            beside.replace(target)
        except OSError as error:
            raise RecordingError(
                f"cannot write the report {str(target)!r} ({error.strerror})"
            ) from error
        return target

    def _sound_seconds(self) -> float:
        try:
            return ((self.path / "audio.wav").stat().st_size - 44) / 4 / self.rate
        except OSError:
            return 0.0


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:  # the last line of a process that was killed
        return None


def _hearer(
    target: GrokListener | Callable[[events.Event], object],
) -> Callable[[events.Event], object]:
    if not isinstance(target, GrokListener):
        return target
    handlers = target._handlers  # noqa: SLF001

    def hear(event: events.Event) -> None:
        if isinstance(event, events.FunctionCalled):
            event = attrs.evolve(event, answered_by=None)  # nothing is done twice
        if failed := handlers.hear(event):
            raise failed[0].error

    return hear
