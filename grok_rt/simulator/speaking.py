"""The model's side of the talk: at most one response at a time, sent step by step."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from grok_rt.audio import AudioFormat, pcm16
from grok_rt.simulator import response_shapes, shapes, voice
from grok_rt.simulator.packets import SILENCE, packet_seconds
from grok_rt.simulator.response import Delivery, Response
from grok_rt.simulator.utterance import Packets, Speech

if TYPE_CHECKING:
    from grok_rt.simulator.behaviour import Behaviour
    from grok_rt.simulator.channel import Channel
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
        chunk_ms: length of each delta; None for the live sizes.
    """

    latency: float = 0.05
    pace: float = 8.0
    chunk_ms: float | None = None


class Speak(Protocol):
    """Makes sound of words, in a format; as `voice.speak` does."""

    def __call__(
        self, text: str, form: AudioFormat, /, *, speed: float = 1.0, voice: str = ""
    ) -> bytes:
        """All of the sound."""
        ...


class Speaker:
    """Runs responses.

    Args:
        channel: the session's time, its way out, its ids.
        temper: how quickly it answers.
        behaviour: the ways of the service.
        settings: the voice and the format.
        conversation: learns what was said.
        billable: the running total of billable seconds, for the usage of a response.
        done: called after a response has come to its own end.
        speak: makes sound of words.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        temper: Temper,
        behaviour: Behaviour,
        settings: Settings,
        conversation: Conversation,
        billable: Callable[[], float],
        done: Callable[[Response], None],
        speak: Speak,
    ) -> None:
        self.active: Response | None = None
        """The response that is being sent."""
        self.sent_seconds = 0.0
        """Audio of all responses that have ended."""
        self.deaf_until = -math.inf
        """Up to when a forced message may not be interrupted."""
        self._agenda = channel.agenda
        self._send = channel.send
        self._send_sound = channel.send_sound
        self._new_id = channel.new_id
        self._unix_ms = channel.unix_ms
        self._temper = temper
        self._behaviour = behaviour
        self._settings = settings
        self._conversation = conversation
        self._billable = billable
        self._done = done
        self._make_sound = speak
        self._steps: Iterator[tuple[float, Wire]] = iter(())
        self._next: Wire = {}

    @property
    def latency(self) -> float:
        """Seconds from the creation of a response to its first message."""
        return self._temper.latency

    def respond(
        self,
        prompt: Prompt,
        reply: Reply,
        *,
        metadata: Mapping[str, Any] | None = None,
        modalities: Sequence[Any] | None = None,
        from_commit: bool = False,
        interruptible: bool = True,
    ) -> None:
        """Begin a response: `response.created` now, the rest as it is due."""
        now = self._agenda.now
        reply = attrs.evolve(reply, text=reply.text.strip())
        delivery = self._delivery(self._settings.modalities if modalities is None else modalities)
        response = Response(
            id=self._new_id(),
            prompt=prompt,
            reply=reply,
            synthesis=self._synthesis(reply, silent=bool(delivery.text)),
            delivery=delivery,
            started=now,
            metadata=metadata,
            previous_item_id=self._conversation.last_id(),
            from_commit=from_commit,
        )
        if not interruptible:
            self.deaf_until = now + self._temper.latency + response.speech.seconds
        self.active = response
        self._steps = response.steps(self._new_id)
        self._send(response_shapes.response_created(response.id, metadata))
        self._prepare()

    def _delivery(self, modalities: Sequence[Any]) -> Delivery:
        return Delivery(
            self._temper.latency,
            self._temper.pace,
            self._unix_ms,
            binary=self._settings.binary_output,
            text=self._behaviour.text_replies if list(modalities) == ["text"] else "",
            documented=self._behaviour.documented_shapes,
        )

    def _synthesis(self, reply: Reply, *, silent: bool) -> Callable[[], Speech | Packets]:
        """What makes the sound: by the present settings, begun now, and needed only later."""
        form, temper = self._settings.output_format, self._temper
        if form.type == "audio/opus":
            speak = self._speaking(reply, pcm16())
            return lambda: Packets(() if silent else _packets(reply, speak))
        speak = bytes if silent else self._speaking(reply, form)
        return lambda: Speech(speak(), form, chunk_ms=temper.chunk_ms, pace=temper.pace)

    def _speaking(self, reply: Reply, form: AudioFormat) -> Callable[[], bytes]:
        clip = reply.speech
        if clip:
            return lambda: clip.to(form).data
        if not reply.text:
            return bytes
        text = voice.pronounced(reply.text, self._settings.replacements)
        manner: Any = {"speed": self._settings.speed, "voice": self._settings.voice}
        if self._make_sound is voice.speak:
            voice.begin(text, **manner)
        return functools.partial(self._make_sound, text, form, **manner)

    def _prepare(self) -> None:
        """Take the next message from the response and set the alarm for it."""
        step = next(self._steps, None)
        if step is not None:
            due, self._next = step
            self._agenda.set(self._step, max(due, self._agenda.now))
        elif self.active and self.active.call_ids:
            self._agenda.set(self._finish, self._agenda.now + self._behaviour.call_seconds)
        elif self.active and self.active.reply.failure:
            # what fails before it has said anything has taken its time all the same
            begun = self.active.started + self._temper.latency + self.active.reply.wait
            self._agenda.set(self._finish, max(self._agenda.now, begun))
        else:
            self._finish()

    def _step(self) -> None:
        response = self.active
        if response is None:
            return
        response.begun = True
        if response.delivery.binary and _is_sound(self._next):
            self._send_sound(self._next["delta"])
        else:
            self._send(self._next)
        self._prepare()

    def _finish(self) -> None:
        response = self.active
        if response and (failure := response.reply.failure):
            self._send(shapes.error(failure.type, failure.message, code=failure.code))
            self.cut("failed")
        elif response:
            self._end(response, "completed", response.output)
            self._done(response)

    def cut(self, status: str) -> None:
        """End the active response with a bare `response.done`: no output, no other `done`."""
        response = self.active
        if response:
            left = itertools.chain([self._next], (message for _, message in self._steps))
            self._end(response, status, ())
            if status == "cancelled":
                late = itertools.islice(filter(_is_sound, left), self._behaviour.late_deltas)
                for message in late:
                    self._send(message)

    def _end(self, response: Response, status: str, output: Sequence[Wire]) -> None:
        self.abandon()
        usage = response.usage(self._billable())
        if response.item_id and response.begun:
            self._conversation.add(response.item())
        done = response_shapes.response_done(response.id, status, output, usage, response.metadata)
        self._send(done)

    def abandon(self) -> Response | None:
        """Stop the active response without a word about it."""
        response, self.active = self.active, None
        self._steps = iter(())
        self._agenda.cancel(self._step)
        self._agenda.cancel(self._finish)
        if response:
            self.sent_seconds += response.sent_seconds
        return response


def _is_sound(message: Wire) -> bool:
    return isinstance(message.get("delta"), bytes)


def _packets(reply: Reply, speak: Callable[[], bytes]) -> Sequence[bytes]:
    """The packets of the script, or as much silence as it would take to say it."""
    if reply.packets:
        return reply.packets
    seconds = pcm16().duration(speak())
    return [SILENCE] * math.ceil(seconds / packet_seconds(SILENCE))
