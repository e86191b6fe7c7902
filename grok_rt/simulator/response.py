"""One response of the model: its messages in the live order, each with the time it is due.

A response is a generator. What it yields has been sent when it is resumed; a response that is
cut off is simply not resumed, and `sent_seconds` tells how far it came.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from grok_rt.audio import AudioFormat
from grok_rt.simulator import shapes
from grok_rt.simulator.script import Prompt, Reply
from grok_rt.simulator.shapes import Wire

# Live: the first delta is short, later ones grow up to 2.9 s.
_FIRST_CHUNK_MS = 245
_CHUNKS_MS = (400, 800, 1600, 2900)
_REAL_TIME_CHUNK_MS = 100
_SMALLEST_CHUNK_MS = 60
_WORDS_PER_SEGMENT = 5
_AUDIO_TOKENS_PER_SECOND = 50


@attrs.frozen
class Delivery:
    """How audio leaves the server.

    Attributes:
        format: of the audio.
        latency: seconds from the trigger to the first message of the answer.
        pace: seconds of audio sent per second; infinite for all at once.
        unix_ms: the server's wall clock at a time of the session.
    """

    format: AudioFormat
    latency: float
    pace: float
    unix_ms: Callable[[float], int]

    def chunk_sizes(self) -> Iterator[int]:
        """Bytes of one delta after the other."""
        if self.pace <= 1:
            sizes = itertools.repeat(_REAL_TIME_CHUNK_MS)
            return map(self.format.frame_bytes, sizes)
        return map(
            self.format.frame_bytes,
            itertools.chain((_FIRST_CHUNK_MS,), itertools.cycle(_CHUNKS_MS)),
        )


@attrs.define(eq=False)
class Response:
    """A response from its creation to its end.

    Attributes:
        audio: the whole speech in the output format.
        from_commit: whether an `input_audio_buffer.commit` asked for it.
        call_ids: of the calls announced so far.
    """

    id: str
    prompt: Prompt
    reply: Reply
    audio: bytes
    started: float
    metadata: Mapping[str, Any] | None = None
    previous_item_id: str | None = None
    from_commit: bool = False
    sent_seconds: float = 0.0
    item_id: str = ""
    call_ids: list[str] = attrs.Factory(list)
    output: list[Wire] = attrs.Factory(list)

    def steps(self, delivery: Delivery, new_id: Callable[[], str]) -> Iterator[tuple[float, Wire]]:
        """Every message after `response.created` and before `response.done`."""
        ready = self.started + delivery.latency
        if self.reply.text:
            for due, message in self._speech(ready, delivery, new_id):
                ready = due
                yield due, message
        first = new_id()
        for number, call in enumerate(self.reply.calls):
            call_id = f"call-{first}-{number}"
            self.call_ids.append(call_id)
            arguments = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
            for message in self._call(new_id(), call_id, call.name, arguments):
                yield ready, message

    def _speech(
        self, ready: float, delivery: Delivery, new_id: Callable[[], str]
    ) -> Iterator[tuple[float, Wire]]:
        item_id = self.item_id = new_id()
        text = self.reply.text
        opening = shapes.message_item(item_id, "assistant", None, status="in_progress")
        yield ready, shapes.output_item_event("added", self.id, opening)
        announced = shapes.message_item(item_id, "assistant", (), status="in_progress")
        yield ready, shapes.item_added(announced, self.previous_item_id)
        yield ready, shapes.content_part_added(self.id, item_id)

        due = ready
        for due, message in self._deltas(ready, delivery, new_id):
            yield due, message

        yield due, shapes.transcript_done(self.id, item_id, text)
        yield due, shapes.part_done("response.content_part.done", self.id, item_id)
        yield due, shapes.part_done("response.output_audio.done", self.id, item_id)
        closing = shapes.message_item(item_id, "assistant", None)
        yield due, shapes.output_item_event("done", self.id, closing)
        content = [{"type": "audio", "transcript": text}]
        self.output.append(shapes.message_item(item_id, "assistant", content))

    def _deltas(
        self, ready: float, delivery: Delivery, new_id: Callable[[], str]
    ) -> Iterator[tuple[float, Wire]]:
        """Audio, and after the first audio of a segment the segment's words."""
        per_second = delivery.format.bytes_per_second
        sizes = delivery.chunk_sizes()
        for words, start, end in _segments(self.reply.text, self.audio, delivery.format):
            rid = new_id()
            for position, stop in _chunks(start, end, sizes, delivery.format):
                due = ready + position / per_second / delivery.pace
                seconds = (stop - position) / per_second
                delta = shapes.audio_delta(
                    self.id,
                    self.item_id,
                    self.audio[position:stop],
                    rid=rid,
                    ms=round(seconds * 1000),
                    unix_ms=delivery.unix_ms(due),
                )
                if position == 0:
                    delta["latency"] = f"{due - self.started:.2f}"
                yield due, delta
                self.sent_seconds += seconds
                if position == start:
                    yield (
                        due,
                        shapes.transcript_delta(
                            self.id, self.item_id, words, rid=rid, start=start / per_second
                        ),
                    )

    def _call(self, item_id: str, call_id: str, name: str, arguments: str) -> Iterator[Wire]:
        opening = shapes.call_item(item_id, call_id, name, "", role="user", status="in_progress")
        yield shapes.output_item_event("added", self.id, opening)
        yield shapes.item_added({**opening, "role": "tool"})
        yield shapes.arguments_delta(self.id, item_id, call_id, arguments)
        yield shapes.arguments_done(self.id, item_id, call_id, name, arguments)
        closing = opening | {"status": "completed", "arguments": arguments}
        yield shapes.output_item_event("done", self.id, closing)
        self.output.append(closing)

    @property
    def searches(self) -> dict[str, str]:
        """What the service searches for itself, by call id."""
        return {
            call_id: call.arguments["search_request"]
            for call_id, call in zip(self.call_ids, self.reply.calls, strict=False)
            if call.by_service
        }

    def usage(self, form: AudioFormat, billable: float) -> Wire:
        """What it cost: everything generated, and the audio that was really sent."""
        return shapes.usage(
            tokens(self.prompt.text),
            round(self.prompt.speech_seconds * 10),
            tokens(self.reply.text),
            round(form.duration(self.audio) * _AUDIO_TOKENS_PER_SECOND),
            self.sent_seconds,
            billable,
        )


def tokens(text: str) -> int:
    """About as many tokens as a model would count."""
    return -(-len(text) // 4)


def _segments(text: str, audio: bytes, form: AudioFormat) -> Iterator[tuple[str, int, int]]:
    """A few words at a time, and the bytes of the audio they take, by their share of the text."""
    words = re.findall(r"\s*\S+", text)
    pieces = ["".join(group) for group in _grouped(words)]
    done = start = 0
    for piece in pieces:
        done += len(piece)
        end = len(audio) * done // len(text)
        end -= end % form.sample_bytes
        yield piece, start, end
        start = end


def _grouped(words: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(words), _WORDS_PER_SEGMENT):
        yield words[start : start + _WORDS_PER_SEGMENT]


def _chunks(
    start: int, end: int, sizes: Iterator[int], form: AudioFormat
) -> Iterator[tuple[int, int]]:
    smallest = form.frame_bytes(_SMALLEST_CHUNK_MS)
    while start < end:
        stop = start + next(sizes)
        if end - stop < smallest:
            stop = end
        yield start, stop
        start = stop
