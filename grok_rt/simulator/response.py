"""One response of the model: its messages in the live order, each with the time it is due.

A response is a generator. What it yields has been sent when it is resumed; a response that is
cut off is simply not resumed, and `sent_seconds` tells how far it came.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from grok_rt.simulator import response_shapes, shapes
from grok_rt.simulator.script import Call, Prompt, Reply
from grok_rt.simulator.shapes import Wire

if TYPE_CHECKING:
    from grok_rt.simulator.utterance import Packets, Speech

_AUDIO_TOKENS_PER_SECOND = 50
_HEARD_TOKENS_PER_SECOND = 10


@attrs.frozen
class Delivery:
    """How a response leaves the server; settled when it begins, whatever is changed later.

    Attributes:
        latency: seconds from the trigger to the first message of the answer.
        pace: seconds of audio sent per second; infinite for all at once.
        unix_ms: the server's wall clock at a time of the session.
        binary: whether sound leaves in frames of its own.
        text: the name of its messages when it is written and not spoken.
        documented: close an item in the order of the documentation.
    """

    latency: float
    pace: float
    unix_ms: Callable[[float], int]
    binary: bool = False
    text: str = ""
    documented: bool = False


@attrs.define(eq=False)
class Response:
    """A response from its creation to its end.

    Attributes:
        synthesis: makes the whole sound in the output format, when it is needed.
        from_commit: whether an `input_audio_buffer.commit` asked for it.
        begun: whether anything of it has been sent, after its creation.
        calls: those announced so far, by call id.
    """

    id: str
    prompt: Prompt
    reply: Reply
    synthesis: Callable[[], Speech | Packets]
    delivery: Delivery
    started: float
    metadata: Mapping[str, Any] | None = None
    previous_item_id: str | None = None
    from_commit: bool = False
    sent_seconds: float = 0.0
    begun: bool = False
    item_id: str = ""
    calls: dict[str, Call] = attrs.Factory(dict)
    output: list[Wire] = attrs.Factory(list)

    @functools.cached_property
    def speech(self) -> Speech | Packets:
        """The whole sound in the output format; waits until it has been made."""
        return self.synthesis()

    def steps(self, new_id: Callable[[], str]) -> Iterator[tuple[float, Wire]]:
        """Every message after `response.created` and before `response.done`."""
        ready = self.started + self.delivery.latency + self.reply.wait
        if self.reply.text:
            say = self._writing if self.delivery.text else self._speaking
            for due, message in say(ready, new_id):
                ready = due
                yield due, message
        ready += self.reply.wait_to_call
        first = new_id()
        for number, call in enumerate(self.reply.calls):
            call_id = f"call-{first}-{number}"
            self.calls[call_id] = call
            arguments = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
            calling = self._asking if call.by_mcp else self._calling
            for message in calling(new_id(), call_id, call, arguments):
                yield ready, message

    # --- what is said ------------------------------------------------------------------

    def _opening(self, new_id: Callable[[], str]) -> Iterator[Wire]:
        item_id = self.item_id = new_id()
        opening = shapes.message_item(item_id, "assistant", None, status="in_progress")
        yield response_shapes.output_item_event("added", self.id, opening)
        announced = shapes.message_item(item_id, "assistant", (), status="in_progress")
        yield shapes.item_added(announced, self.previous_item_id)
        yield response_shapes.content_part_added(self.id, item_id, text=bool(self.delivery.text))

    def _speaking(self, ready: float, new_id: Callable[[], str]) -> Iterator[tuple[float, Wire]]:
        for message in self._opening(new_id):
            yield ready, message
        due = ready
        for due, message in self._deltas(ready, new_id):
            yield due, message
        words = response_shapes.transcript_done(self.id, self.item_id, self.reply.text)
        part = response_shapes.part_done("response.content_part.done", self.id, self.item_id)
        sound = response_shapes.part_done("response.output_audio.done", self.id, self.item_id)
        ends = (sound, words, part) if self.delivery.documented else (words, part, sound)
        for message in (*ends, self._closing()):
            yield due, message

    def _deltas(self, ready: float, new_id: Callable[[], str]) -> Iterator[tuple[float, Wire]]:
        """Audio, and after the first audio of a segment the segment's words."""
        due, delivery = ready, self.delivery
        for words, start, pieces in self.speech.segments(self.reply.text):
            rid = new_id()
            told = response_shapes.transcript_delta(
                self.id, self.item_id, words, rid=rid, start=start
            )
            for piece in pieces:
                due = ready + piece.start / delivery.pace
                delta = response_shapes.audio_delta(
                    self.id,
                    self.item_id,
                    piece.data,
                    rid=rid,
                    ms=round(piece.seconds * 1000),
                    unix_ms=delivery.unix_ms(due),
                    latency=None if piece.start else f"{due - self.started:.2f}",
                )
                yield due, delta
                self.sent_seconds += piece.seconds
                if told:
                    yield due, told
                    told = {}
            if told:
                yield due, told

    def _writing(self, ready: float, new_id: Callable[[], str]) -> Iterator[tuple[float, Wire]]:
        """The answer in text, as documented; live nobody has seen one."""
        name, text = self.delivery.text, self.reply.text
        for message in self._opening(new_id):
            yield ready, message
        for words, _, _ in self.speech.segments(text):
            yield ready, response_shapes.text_delta(name, self.id, self.item_id, words)
        yield ready, response_shapes.text_done(name, self.id, self.item_id, text)
        part = response_shapes.part_done("response.content_part.done", self.id, self.item_id)
        yield ready, {**part, "part": {"type": "text", "text": text}}
        yield ready, self._closing()

    def _closing(self) -> Wire:
        self.output.append(self.item())
        closing = shapes.message_item(self.item_id, "assistant", None)
        return response_shapes.output_item_event("done", self.id, closing)

    def item(self) -> Wire:
        """What the conversation keeps of it: all of the words, even if it was cut off (live)."""
        text = self.reply.text
        said = {"type": "text", "text": text}
        if not self.delivery.text:
            said = {"type": "audio", "transcript": text}
        return shapes.message_item(self.item_id, "assistant", [said])

    # --- what is called ----------------------------------------------------------------

    def _calling(self, item_id: str, call_id: str, call: Call, arguments: str) -> Iterator[Wire]:
        opening = shapes.call_item(
            item_id, call_id, call.name, "", role="user", status="in_progress"
        )
        yield response_shapes.output_item_event("added", self.id, opening)
        yield shapes.item_added({**opening, "role": "tool"})
        yield response_shapes.arguments_delta(self.id, item_id, call_id, arguments)
        yield response_shapes.arguments_done(self.id, item_id, call_id, call.name, arguments)
        closing = opening | {"status": "completed", "arguments": arguments}
        yield response_shapes.output_item_event("done", self.id, closing)
        self.output.append(closing)

    def _asking(self, item_id: str, call_id: str, call: Call, arguments: str) -> Iterator[Wire]:
        """A call of an MCP server, as documented: the service makes it, and says how it went."""
        named = (self.id, item_id, call_id)
        yield response_shapes.mcp_arguments("delta", *named, delta=arguments)
        yield response_shapes.mcp_arguments("done", *named, name=call.name, arguments=arguments)
        yield response_shapes.mcp_call("in_progress", item_id)
        if call.problem:
            failed = shapes.mcp_error("tool_execution_error", call.problem)
            yield response_shapes.mcp_call("failed", item_id, **failed)
        else:
            yield response_shapes.mcp_call("completed", item_id)

    @property
    def call_ids(self) -> list[str]:
        """What may be answered once the response is done."""
        return [call_id for call_id, call in self.calls.items() if not call.by_mcp]

    @property
    def searches(self) -> dict[str, str]:
        """What the service searches for itself, by call id."""
        return {
            call_id: call.arguments["search_request"]
            for call_id, call in self.calls.items()
            if call.by_service
        }

    @property
    def results(self) -> tuple[str, ...]:
        """What MCP servers have answered."""
        return tuple(call.problem or call.output for call in self.calls.values() if call.by_mcp)

    @property
    def goes_on(self) -> bool:
        """Whether it has called, and the client has nothing to answer."""
        return bool(self.calls) and all(
            call.by_mcp or call.by_service for call in self.calls.values()
        )

    def usage(self, billable: float) -> Wire:
        """What it cost: everything generated, and the audio that was really sent."""
        return response_shapes.usage(
            tokens(self.prompt.text),
            round(self.prompt.speech_seconds * _HEARD_TOKENS_PER_SECOND),
            tokens(self.reply.text),
            round(self.speech.seconds * _AUDIO_TOKENS_PER_SECOND),
            self.sent_seconds,
            billable,
        )


def tokens(text: str) -> int:
    """About as many tokens as a model would count."""
    return -(-len(text) // 4)
