"""What a simulated model is: it is asked for a reply, and told what is new and what was before.

Values, and the two simplest models: a function, and the plain truth. No protocol and no audio
format here. A model may be any `Brain`; each session has a `Mind` of its own, in the session's
thread.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import attrs

from grok_rt.audio import AudioClip
from grok_rt.simulator.hearing import Hearing

__all__ = [
    "Attentive",
    "Brain",
    "Call",
    "Context",
    "Failure",
    "Mind",
    "Prompt",
    "Reply",
    "mind_of",
    "truth",
]

_logger = logging.getLogger("grok_rt.simulator")


@attrs.frozen
class Call:
    """One function call the model makes.

    Attributes:
        by_service: whether the service itself runs it: a search.
        by_mcp: whether the service has an MCP server run it, with this `output` or `problem`.
    """

    name: str
    arguments: dict[str, Any] = attrs.Factory(dict)
    by_service: bool = False
    by_mcp: bool = False
    output: str = ""
    problem: str = ""


@attrs.frozen
class Failure:
    """How a response fails: the `error` that the service sends before its end."""

    message: str = "The model failed."
    type: str = "internal_error"
    code: str = ""


@attrs.frozen
class Reply:
    """One response: what is spoken first, then the calls, then the failure; any may be missing.

    Attributes:
        text: the words.
        calls: of functions, in parallel.
        packets: the sound of the words as Opus, for sessions that want Opus.
        wait: seconds of thought before anything is said, beside the simulator's latency.
        wait_to_call: seconds between the words and the calls.
        failure: the response ends with this error, as ``failed``.
        speech: the sound of the words, of a recording; synthesised without one.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    packets: tuple[bytes, ...] = ()
    wait: float = 0.0
    wait_to_call: float = 0.0
    failure: Failure | None = None
    speech: AudioClip | None = attrs.field(default=None, eq=False)


@attrs.frozen
class Prompt:
    """What is new in the conversation when the model is asked for a response."""

    text: str = ""
    """The text items of the user, or the transcript of what they said."""
    speech_seconds: float = 0.0
    """Length of the speech; 0 when it was typed."""
    sound: str = "speech"
    """What is known to have been said: speech, or sound of a kind."""
    scripted: bool = False
    """Whether the words were understood, or came from a script, so that they may be quoted."""
    outputs: tuple[str, ...] = ()
    """Outputs of function calls."""
    searched: tuple[str, ...] = ()
    """What the service itself has just searched for."""
    meddled: bool = False
    """Whether the client has answered a call that was the service's own."""
    silence: bool = False
    """Whether the user was silent for too long."""

    @property
    def heard(self) -> str:
        """What the user said or wrote; empty where their speech was not understood."""
        return self.text if self.scripted or not self.speech_seconds else ""


@attrs.frozen
class Context:
    """What a model knows when it is asked for a response.

    Attributes:
        prompt: what is new.
        items: the conversation so far, as it is on the wire.
        instructions: of the session.
        tools: the functions that the client has declared, as they are on the wire.
    """

    prompt: Prompt = Prompt()
    items: tuple[Mapping[str, Any], ...] = ()
    instructions: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def heard(self) -> str:
        """What the user has just said or written; empty where it was not understood."""
        return self.prompt.heard

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the functions returned that were just called."""
        return self.prompt.outputs

    @property
    def messages(self) -> tuple[tuple[str, str], ...]:
        """Who said what so far: pairs of role and words."""
        return tuple(
            (item["role"], _words(item)) for item in self.items if item["type"] == "message"
        )


def _words(item: Mapping[str, Any]) -> str:
    parts = item.get("content") or ()
    return " ".join(part.get("text") or part.get("transcript") or "" for part in parts)


class Mind(Protocol):
    """One session's model."""

    def transcript(self) -> str | None:
        """What is understood of a user turn that begins now; None if nothing says."""
        ...

    def reply(self, context: Context) -> Reply:
        """The response that is to be given now."""
        ...


@attrs.define(eq=False)
class Attentive:
    """A mind that is told what is new, and knows where to look for the rest.

    Attributes:
        hearing: what it hears with.
        context: what is known, beside the news.
    """

    _mind: Mind
    hearing: Hearing
    context: Callable[[Prompt], Context] = Context

    def transcript(self) -> str | None:
        """What is understood of a user turn that begins now."""
        return self._mind.transcript()

    def reply(self, prompt: Prompt) -> Reply:
        """The response that is to be given now.

        A call that its client would never answer is told; it fails the response where the client
        has declared others, and is let pass where a test may be the client, by hand.
        """
        context = self.context(prompt)
        reply = self._mind.reply(context)
        declared = [tool["name"] for tool in context.tools]
        if problem := _undeclared(reply.calls, declared):
            _logger.warning("%s", problem)
            if declared:
                return attrs.evolve(reply, calls=(), failure=Failure(problem))
        return reply


def _undeclared(calls: Sequence[Call], declared: Sequence[str]) -> str:
    """What is wrong with the first call of a function that the client has not declared."""
    for call in calls:
        if call.name not in declared and not (call.by_service or call.by_mcp):
            near = difflib.get_close_matches(call.name, declared, 1)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            known = f"only {', '.join(map(repr, declared))}" if declared else "no function"
            return f"{call.name!r} is called, but the client has declared {known}{advice}"
    return ""


@runtime_checkable
class _Playable(Protocol):
    def play(self) -> Mind: ...


Thought: TypeAlias = "Reply | Call | str | Sequence[Call | str] | None"
Brain: TypeAlias = "_Playable | Callable[[Context], Thought]"
"""A `Script`, or a function of the `Context`.

The function returns what is said, as text, or the `Call` of a function, or several of either in
a list, or a whole `Reply`; None for the truth about what was heard. It is called in the session's
thread, so the session waits for it.
"""


def mind_of(brain: Brain | None) -> Mind:
    """A mind for one session; without a brain, one that tells the truth.

    Raises:
        TypeError: that is no brain.
    """
    if brain is None:
        return _Function(lambda _: None)
    if not isinstance(brain, type):
        if isinstance(brain, _Playable):
            return brain.play()
        if callable(brain):
            return _Function(brain)
    raise TypeError(f"a brain is a Script or a function of the context, not {brain!r}")


@attrs.frozen
class _Function:
    """The mind whose every reply a function makes."""

    _think: Callable[[Context], Thought]

    def transcript(self) -> str | None:
        return None

    def reply(self, context: Context) -> Reply:
        if context.prompt.meddled:
            return truth(context.prompt)
        thought = self._think(context)
        return truth(context.prompt) if thought is None else _reply(thought)


def _reply(thought: Reply | Call | str | Sequence[Call | str]) -> Reply:
    if isinstance(thought, Reply):
        return thought
    parts = tuple(thought) if isinstance(thought, (list, tuple)) else (thought,)
    for part in parts:
        if not isinstance(part, (Call, str)):
            raise TypeError(f"a brain returns text, Calls, a Reply or None, not {part!r}")
    words = " ".join(part for part in parts if isinstance(part, str))
    return Reply(words, tuple(part for part in parts if isinstance(part, Call)))


def truth(prompt: Prompt) -> Reply:
    """What a model says that has nothing to say but what it heard."""
    return Reply(_truth(prompt))


def _truth(prompt: Prompt) -> str:
    if prompt.meddled:
        return "I am sorry, something went wrong with my search."
    if prompt.silence:
        return "Are you still there?"
    if prompt.searched:
        return f"I searched for: {', '.join(prompt.searched)}"
    if prompt.outputs:
        return f"The answer is: {', '.join(prompt.outputs)}"
    if prompt.speech_seconds and not prompt.heard:
        return f"I heard {prompt.speech_seconds:.1f} seconds of {prompt.sound}."
    if prompt.speech_seconds:
        return f"I heard: {prompt.heard}"
    if prompt.text:
        return f"You said: {prompt.text}"
    return "Hello, I am the simulator. Say or write something."
