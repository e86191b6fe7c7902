"""A recorded conversation as a script: what the service said once, it says again.

Pure: events in, a `Script` out; whoever has a recording reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from grok_rt import events as e
from grok_rt.audio import AudioClip, AudioFormat, pcm16
from grok_rt.simulator.brain import Call, Failure, Reply
from grok_rt.simulator.script import Script

if TYPE_CHECKING:
    from grok_rt.recording import Recorded

__all__ = ["recorded"]

# What the service calls for itself (live).
_SEARCHES = {"web_search", "x_keyword_search", "x_semantic_search", "collections_search"}


@attrs.define
class _Response:
    text: str = ""
    said: str = ""  # of the deltas, for a response that was cut off
    sound: bytearray = attrs.Factory(bytearray)
    calls: list[Call] = attrs.Factory(list)
    failure: Failure | None = None


def recorded(
    conversation: Iterable[e.Event | Recorded], *, form: AudioFormat | None = None
) -> Script:
    """A script that hears and answers what was heard and answered in a conversation.

    ::

        Simulator(recorded(Recording.open("calls/1")))

    Turn by turn: the words of what was spoken, and what each response said, with its sound where
    the events have it, and called. The client's events may be among them: they tell the format,
    and which responses were words that the client itself had forced.

    Args:
        conversation: a `Recording`, or the events of a conversation, in order.
        form: of the service's sound; by default what the client's `session.update` says.
    """
    script = Script()
    heard: set[str] = set()
    responses: dict[str, _Response | None] = {}
    forced = 0
    output = form or pcm16()
    error = Failure()
    for one in conversation:
        event = one if isinstance(one, e.Event) else one.event
        if isinstance(event, e.SessionUpdate) and form is None:
            output = _output_format(event, output)
        elif isinstance(event, e.ConversationItemCreate):
            forced += event.item.type == "force_message"
        elif isinstance(event, e.InputAudioTranscriptionCompleted):
            if event.is_final and event.item_id not in heard:
                heard.add(event.item_id)
                script.hears(event.transcript)
        elif isinstance(event, e.ResponseCreated):
            responses[str(event.response.id)] = None if forced else _Response()
            forced = max(0, forced - 1)
        elif isinstance(event, e.Error):
            error = Failure(event.error.message, event.error.type, event.error.code or "")
        elif isinstance(event, e.ResponseDone):
            done = event.response or None
            response = responses.get(str(done.id)) if done else None
            if done and response and done.status == "failed":
                response.failure = error
        elif response := responses.get(str(getattr(event, "response_id", ""))):
            _add(response, event)
    for each in responses.values():
        if each is not None:
            script.replies(_reply(each, output))
    return script


def _add(response: _Response, event: e.Event) -> None:
    if isinstance(event, e.AudioDelta):
        response.sound += event.audio
    elif isinstance(event, e.TranscriptDelta):
        response.said += event.delta
    elif isinstance(event, e.ResponseOutputAudioTranscriptDone):
        response.text = event.transcript or ""
    elif isinstance(event, e.ResponseFunctionCallArgumentsDone):
        name = event.name or ""
        response.calls.append(Call(name, _arguments(event.arguments), name in _SEARCHES))


def _arguments(text: Any) -> dict[str, Any]:
    try:
        arguments = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return arguments if isinstance(arguments, dict) else {}


def _reply(response: _Response, form: AudioFormat) -> Reply:
    sound = bytes(response.sound)
    is_kept = sound.strip(sound[:1]) and form.type != "audio/opus"  # not silence in its place
    return Reply(
        response.text or response.said,
        tuple(response.calls),
        failure=response.failure,
        speech=AudioClip(sound, form) if is_kept else None,
    )


def _output_format(event: e.SessionUpdate, before: AudioFormat) -> AudioFormat:
    channel = event.session.audio.output if event.session.audio else None
    return (channel.format or before) if channel else before
