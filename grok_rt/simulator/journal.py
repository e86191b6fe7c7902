"""What passed between a client and the service, and when: for assertions, and as lines to read.

`Peer(log=journal.note)` writes it, in the session's thread; any thread may read, and wait for more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pybase64

from grok_rt._wire.framing import BINARY, Frame
from grok_rt.audio import AudioFormat, pcm16

if TYPE_CHECKING:
    from grok_rt.simulator.peer import Peer

__all__ = ["HEARD_AUDIO", "SAID_AUDIO", "Entry", "Journal", "format_of", "words_of"]

HEARD_AUDIO = "input_audio_buffer.append"
SAID_AUDIO = "response.output_audio.delta"
REMEMBERED = 50_000
"""Messages that are kept, the newest."""

_QUOTED = 120  # characters of anything


class Entry(NamedTuple):
    """One message.

    Attributes:
        session: which session, from 1 on.
        at: seconds since it was opened.
        said: by the service; else by its client.
        type: of the event, on the wire.
        wire: its JSON, whole; empty for a frame of bare sound.
        frame: as it was sent.
    """

    session: int
    at: float
    said: bool
    type: str
    wire: Mapping[str, Any]
    frame: Frame

    @property
    def audio(self) -> bytes:
        """The sound in it."""
        if self.frame.opcode == BINARY:
            return self.frame.data
        text = self.wire.get("audio" if self.type == HEARD_AUDIO else "delta")
        try:
            return pybase64.b64decode(text, validate=True) if isinstance(text, str) else b""
        except ValueError:
            return b""


class Journal:
    """The messages of all sessions that are logged in it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Notified of each message."""
        self._entries: deque[Entry] = deque(maxlen=REMEMBERED)
        self._sessions: dict[Peer, tuple[int, float]] = {}  # its number, and when it was opened

    def note(self, peer: Peer, now: float, frame: Frame, *, said: bool) -> None:
        """A message passes."""
        wire: Mapping[str, Any] = {}
        type = SAID_AUDIO if said else HEARD_AUDIO
        if frame.opcode != BINARY:
            wire = _parsed(frame.data)
            type = str(wire.get("type", "(no event)"))
        with self.changed:
            number, opened = self._sessions.setdefault(peer, (len(self._sessions) + 1, now))
            self._entries.append(Entry(number, now - opened, said, type, wire, frame))
            self.changed.notify_all()

    def entries(self) -> list[Entry]:
        """All of them, in order."""
        with self.changed:
            return list(self._entries)

    def text(self) -> str:
        """What passed, as lines: the time, the way, the event, and what is in it."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        entries = self.entries()
        with self.changed:
            sessions = {number: peer for peer, (number, _) in self._sessions.items()}
        for number, peer in sessions.items():
            if len(sessions) > 1:
                yield f"session {number}:"
            yield from _told([entry for entry in entries if entry.session == number])
            if peer.closed:
                yield f"{'':10}closed: {' '.join(map(str, peer.closed)).strip()}"
        if not sessions:
            yield "no client has connected"


def _parsed(data: bytes) -> Mapping[str, Any]:
    try:
        wire = msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}
    return wire if isinstance(wire, dict) else {}


def _told(entries: list[Entry]) -> Iterator[str]:
    """Lines for the messages of one session; sound that follows sound is one line."""
    sound: list[Entry] = []
    heard = pcm16()
    for entry in entries:
        if entry.type == "session.update":
            heard = format_of(entry.wire, "input", heard)
        if sound and (entry.type, entry.said) != (sound[0].type, sound[0].said):
            if not _is_worth_telling(entry):
                continue
            yield _told_sound(sound, heard)
            sound = []
        if entry.type in (HEARD_AUDIO, SAID_AUDIO):
            sound.append(entry)
        elif _is_worth_telling(entry):
            yield _line(entry, entry.type, _gist(entry.type, entry.wire))
    if sound:
        yield _told_sound(sound, heard)


def format_of(update: Mapping[str, Any], side: str, before: AudioFormat) -> AudioFormat:
    """The audio format that a `session.update` sets for a side; what it was if it sets none."""
    try:
        form = update["session"]["audio"][side]["format"]
        return AudioFormat(form["type"], *([form["rate"]] if form.get("rate") else []))
    except (KeyError, TypeError, ValueError):
        return before


def _told_sound(run: list[Entry], form: AudioFormat) -> str:
    first = run[0]
    if first.said:
        seconds = sum(entry.wire.get("audio_duration_ms", 0) for entry in run) / 1000
    else:
        seconds = sum(len(entry.audio) for entry in run) / (form.bytes_per_second or 1)
    told = f"{seconds:.2f} s in {len(run)}" if seconds else f"{len(run)}"
    return _line(first, first.type, f"{told} message{'s' * (len(run) > 1)}")


def _line(entry: Entry, type: str, gist: str) -> str:
    for long, short in _SHORT:
        type = type.replace(long, short)
    return f"{entry.at:8.2f} {'←' if entry.said else '→'} {type:<34} {gist}".rstrip()


_SHORT = (
    ("conversation.item.input_audio_transcription", "transcription"),
    ("output_audio_transcript", "transcript"),
    ("function_call_arguments", "call"),
)
_SILENT = {
    "ping",
    "conversation.item.added",
    "conversation.item.input_audio_transcription.updated",
    "response.content_part.added",
    "response.content_part.done",
    "response.function_call_arguments.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.delta",
    "response.output_item.added",
    "response.output_item.done",
}


def _is_worth_telling(entry: Entry) -> bool:
    return not (entry.said and (entry.type in _SILENT or entry.wire.get("status") == "in_progress"))


def _gist(type: str, wire: Mapping[str, Any]) -> str:
    """What there is to say about an event, beside its name."""
    item, session = _part(wire, "item"), _part(wire, "session")
    if type == "session.update":
        tools = session.get("tools")
        declared = tools if isinstance(tools, list) else ()
        named = (_part(tool, "function") or tool for tool in declared if isinstance(tool, dict))
        gist = ", ".join(str(tool["name"]) for tool in named if "name" in tool)
        return f"tools: {gist}" if gist else ""
    if type == "error":
        error = _part(wire, "error")
        return _quoted(f"{error.get('type')}: {error.get('message')}")
    if type == "response.done":
        return str(_part(wire, "response").get("status", ""))
    if type == "response.function_call_arguments.done":
        return _quoted(f"{wire.get('name')}({wire.get('arguments')})")
    if "output" in item:
        return _quoted(repr(item["output"]))
    if "content" in item:
        return _quoted(repr(words_of(item)))
    return _quoted(repr(wire["transcript"])) if "transcript" in wire else ""


def words_of(item: Mapping[str, Any]) -> str:
    """The words of a message, typed or transcribed."""
    content = item.get("content")
    parts = [part for part in content if isinstance(part, dict)] if type(content) is list else []
    return " ".join(str(part.get("text") or part.get("transcript") or "") for part in parts)


def _part(wire: Any, name: str) -> Mapping[str, Any]:
    part = wire.get(name) if isinstance(wire, dict) else None
    return part if isinstance(part, dict) else {}


def _quoted(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"
