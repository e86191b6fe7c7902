"""The model's side of the talk: at most one response at a time, sent step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from grok_rt.simulator import shapes, voice
from grok_rt.simulator.response import Delivery, Response

if TYPE_CHECKING:
    from grok_rt.simulator.agenda import Agenda
    from grok_rt.simulator.conversation import Conversation
    from grok_rt.simulator.script import Prompt, Reply
    from grok_rt.simulator.settings import Settings
    from grok_rt.simulator.shapes import Wire


@attrs.frozen
class Temper:
    """How quick the simulated model is.

    Attributes:
        latency: seconds from the end of a turn to the first message of the answer.
        pace: seconds of audio sent per second; 1 is real time, infinite is at once.
    """

    latency: float = 0.05
    pace: float = 8.0


INSTANT = Temper(latency=0.0, pace=math.inf)


class Speaker:
    """Runs responses.

    Args:
        agenda: the session's time.
        send: takes each message that goes out, now.
        new_id: makes ids.
        unix_ms: the wall clock at a time of the agenda.
        temper: how quickly it answers.
        settings: the voice and the format.
        conversation: learns what was said.
        billable: the running total of billable seconds, for the usage of a response.
        done: called after a response has come to its own end.
    """

    def __init__(
        self,
        *,
        agenda: Agenda,
        send: Callable[[Wire], None],
        new_id: Callable[[], str],
        unix_ms: Callable[[float], int],
        temper: Temper,
        settings: Settings,
        conversation: Conversation,
        billable: Callable[[], float],
        done: Callable[[Response], None],
    ) -> None:
        self.active: Response | None = None
        """The response that is being sent."""
        self.sent_seconds = 0.0
        """Audio of all responses that have ended."""
        self.deaf_until = -math.inf
        """Up to when a forced message may not be interrupted."""
        self._agenda = agenda
        self._send = send
        self._new_id = new_id
        self._unix_ms = unix_ms
        self._temper = temper
        self._settings = settings
        self._conversation = conversation
        self._billable = billable
        self._done = done
        self._steps: Iterator[tuple[float, Wire]] = iter(())
        self._next: Wire = {}

    def respond(
        self,
        prompt: Prompt,
        reply: Reply,
        *,
        metadata: Mapping[str, Any] | None = None,
        from_commit: bool = False,
        interruptible: bool = True,
    ) -> None:
        """Begin a response: `response.created` now, the rest as it is due."""
        now = self._agenda.now
        reply = attrs.evolve(reply, text=reply.text.strip())
        response = Response(
            id=self._new_id(),
            prompt=prompt,
            reply=reply,
            audio=self._synthesis(reply.text),
            started=now,
            metadata=metadata,
            previous_item_id=self._conversation.last_id(),
            from_commit=from_commit,
        )
        form = self._settings.output_format
        if not interruptible:
            self.deaf_until = now + self._temper.latency + form.duration(response.audio)
        delivery = Delivery(form, self._temper.latency, self._temper.pace, self._unix_ms)
        self.active = response
        self._steps = response.steps(delivery, self._new_id)
        self._send(shapes.response_created(response.id, metadata))
        self._prepare()

    def _synthesis(self, text: str) -> bytes:
        if not text:
            return b""
        return voice.speak(
            voice.pronounced(text, self._settings.replacements),
            self._settings.output_format,
            speed=self._settings.speed,
            voice=self._settings.voice,
        )

    def _prepare(self) -> None:
        """Take the next message from the response and set the alarm for it."""
        step = next(self._steps, None)
        if step is not None:
            due, self._next = step
            self._agenda.set(self._step, max(due, self._agenda.now))
        elif self.active and self.active.call_ids:
            # Outputs that do not wait for `response.done` come too early (live): leave them time.
            self._agenda.set(self._finish, self._agenda.now + self._temper.latency)
        else:
            self._finish()

    def _step(self) -> None:
        self._send(self._next)
        self._prepare()

    def _finish(self) -> None:
        response = self._end("completed", None)
        if response:
            self._done(response)

    def cut(self, status: str) -> None:
        """End the active response with a bare `response.done`: no output, no other `done`."""
        self._end(status, ())

    def _end(self, status: str, output: tuple[Wire, ...] | None) -> Response | None:
        response = self.abandon()
        if response:
            usage = response.usage(self._settings.output_format, self._billable())
            items = response.output if output is None else output
            self._remember(response)
            done = shapes.response_done(response.id, status, items, usage, response.metadata)
            self._send(done)
        return response

    def _remember(self, response: Response) -> None:
        """Keep what was said, and all of the words: a cut answer is remembered whole (live)."""
        if response.item_id:
            content = [{"type": "audio", "transcript": response.reply.text}]
            self._conversation.add(shapes.message_item(response.item_id, "assistant", content))

    def abandon(self) -> Response | None:
        """Stop the active response without a word about it."""
        response, self.active = self.active, None
        self._steps = iter(())
        self._agenda.cancel(self._step)
        self._agenda.cancel(self._finish)
        if response:
            self.sent_seconds += response.sent_seconds
        return response
