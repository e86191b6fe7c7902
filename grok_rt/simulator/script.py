"""What the simulated model hears and answers: a `Script`, and the plain truth without one.

No protocol and no audio here: text in, a `Reply` out. A script is only read by the
sessions that play it; each session has its own `Performance`, its place in the script.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import attrs

__all__ = ["Call", "Prompt", "Reply", "Script"]


@attrs.frozen
class Call:
    """One function call the model makes.

    Attributes:
        by_service: whether the service itself runs it: a search.
        by_mcp: whether the service has an MCP server run it, with this `output` or `problem`.
    """

    name: str
    arguments: dict[str, Any]
    by_service: bool = False
    by_mcp: bool = False
    output: str = ""
    problem: str = ""


@attrs.frozen
class Reply:
    """One response: what is spoken first, then the calls; either may be missing."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    packets: tuple[bytes, ...] = ()
    """Its sound as Opus packets, for sessions that want Opus."""


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
    """Whether the transcript came from a script, so that it may be quoted."""
    outputs: tuple[str, ...] = ()
    """Outputs of function calls."""
    searched: tuple[str, ...] = ()
    """What the service itself has just searched for."""
    meddled: bool = False
    """Whether the client has answered a call that was the service's own."""
    silence: bool = False
    """Whether the user was silent for too long."""


class Script:
    """What is heard and said, in order; every method returns the script itself.

    ::

        Script().hears("How warm is it in Oslo?").says("Let me look.").calls(
            "weather", city="Oslo"
        ).says("It is {output}.")

    `says` directly before `calls` is one response that speaks, then calls; several `calls`
    in a row are parallel calls of one response. When the script has been played to its end,
    the model tells truthfully what it heard.
    """

    def __init__(self) -> None:
        self._transcripts: list[str] = []
        self._replies: list[Reply] = []

    def hears(self, text: str) -> Script:
        """The transcript of the next user turn that is spoken; ends the response before it."""
        self._transcripts.append(text)
        return self.then()

    def says(self, text: str, *, packets: Iterable[bytes] = ()) -> Script:
        """Speak in the next response.

        ``{output}`` becomes the outputs of the calls before it, ``{heard}`` what the user
        said or wrote. `packets` is the sound of it for sessions that want Opus; there is no
        encoder here, so they get silence without.
        """
        self._replies.append(Reply(text, packets=tuple(packets)))
        return self

    def calls(self, tool: str, /, **arguments: Any) -> Script:
        """Call a client's function, in the response that `says` or `calls` before it began."""
        return self._call(Call(tool, arguments))

    def searches(self, query: str, *, by: str = "web_search") -> Script:
        """Search on the server, which shows as a function call nobody declared (live).

        The client is to do nothing: the next response begins by itself. If the client answers
        such a call, the response after that apologises. Live names beside ``web_search`` are
        ``x_keyword_search``, ``x_semantic_search`` and ``collections_search``.
        """
        return self._call(Call(by, {"search_request": query}, by_service=True))

    def asks(
        self, tool: str, /, *, output: str = "", problem: str = "", **arguments: Any
    ) -> Script:
        """Call a tool of an MCP server: the service does it, and it brings `output`.

        With a `problem` the call fails. The client is to do nothing: the next response begins
        by itself.
        """
        return self._call(Call(tool, arguments, by_mcp=True, output=output, problem=problem))

    def _call(self, call: Call) -> Script:
        if self._replies and self._replies[-1] is not _END:
            last = self._replies[-1]
            self._replies[-1] = attrs.evolve(last, calls=(*last.calls, call))
        else:
            self._replies.append(Reply(calls=(call,)))
        return self

    def then(self) -> Script:
        """End the response here: what follows belongs to the next one."""
        self._replies.append(_END)
        return self

    def play(self) -> Performance:
        """A performance from the beginning."""
        return Performance(
            deque(self._transcripts), deque(reply for reply in self._replies if reply is not _END)
        )


_END = Reply()


@attrs.define
class Performance:
    """One session's way through a script."""

    _transcripts: deque[str]
    _replies: deque[Reply]

    def transcript(self) -> str | None:
        """The scripted words of a user turn that begins now; None when there are none left."""
        return self._transcripts.popleft() if self._transcripts else None

    def reply(self, prompt: Prompt) -> Reply:
        """The response to `prompt`: the script's, else the truth."""
        if prompt.meddled:
            return Reply("I am sorry, something went wrong with my search.")
        if not self._replies:
            return Reply(_truth(prompt))
        reply = self._replies.popleft()
        text = reply.text.replace("{output}", ", ".join(prompt.outputs))
        return attrs.evolve(reply, text=text.replace("{heard}", prompt.text))


def _truth(prompt: Prompt) -> str:
    if prompt.silence:
        return "Are you still there?"
    if prompt.searched:
        return f"I searched for: {', '.join(prompt.searched)}"
    if prompt.outputs:
        return f"The answer is: {', '.join(prompt.outputs)}"
    if prompt.speech_seconds and not prompt.scripted:
        return f"I heard {prompt.speech_seconds:.1f} seconds of {prompt.sound}."
    if prompt.text:
        return f"You said: {prompt.text}"
    return "Hello, I am the simulator. Say or write something."
