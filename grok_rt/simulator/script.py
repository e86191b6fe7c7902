"""What the simulated model hears and answers: a `Script`.

No protocol and no audio here: text in, a `Reply` out. A script is only read by the sessions that
play it; each session has its own `Performance`, its place in the script.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from grok_rt.simulator.brain import Call, Context, Failure, Prompt, Reply, truth
from grok_rt.simulator.script_data import Step, steps_of

__all__ = ["Call", "Failure", "Matcher", "Performance", "Prompt", "Reply", "Script"]

Matcher: TypeAlias = "str | re.Pattern[str] | Callable[[Context], object]"
"""Words that the user's contain, in any case; a pattern that is found in them; a predicate."""


class Script:
    """What is heard and said, in order; every method returns the script itself.

    ::

        Script().hears("How warm is it in Oslo?").says("Let me look.").calls(
            "weather", city="Oslo"
        ).says("It is {output}.")

    `says` directly before `calls` is one response that speaks, then calls; several `calls`
    in a row are parallel calls of one response. When the script has been played to its end,
    the model tells truthfully what it heard.

    In what is said, and in the arguments of calls, ``{output}`` becomes the outputs of the calls
    before, ``{heard}`` what the user said or wrote, ``{city}`` what the group ``city`` of the
    pattern found that `when` was given.
    """

    def __init__(self) -> None:
        self._transcripts: list[str] = []
        self._replies: list[Reply] = []
        self._rules: list[tuple[Matcher, Script]] = []
        self._wait = 0.0  # before the next response
        self._is_open = False  # whether the last response may still grow

    @classmethod
    def from_data(cls, data: Mapping[str, Any] | Sequence[Any]) -> Script:
        """The script that plain data tell, as a TOML or JSON file holds them.

        ``step`` is a list of tables, each with one or more of the verbs, done in the order in
        which they are written; ``with`` beside ``calls`` are the function's arguments. ``when``
        is a list of branches, each with ``heard`` (words) or ``matches`` (a regular expression),
        and ``step`` of its own. A list alone is the steps.

        Raises:
            ConfigError: it cannot be read so; the sentence names the place.
        """
        steps, rules = steps_of(data)
        script = cls._written(steps)
        for matcher, branch in rules:
            script.when(matcher, cls.from_data(branch))
        return script

    @classmethod
    def _written(cls, steps: Sequence[Step]) -> Script:
        script = cls()
        for verb, args, fields in steps:
            getattr(script, verb)(*args, **fields)
        return script

    # --- the verbs ---------------------------------------------------------------------

    def hears(self, text: str) -> Script:
        """The transcript of the next user turn that is spoken; ends the response before it."""
        self._transcripts.append(text)
        return self.then()

    def says(self, text: str, *, packets: Iterable[bytes] = ()) -> Script:
        """Speak in the next response.

        `packets` is the sound of it for sessions that want Opus; there is no encoder here, so
        they get silence without.
        """
        if self._is_open and not self._last.calls:  # what it waits for is this response
            self._wait += self._last.wait_to_call
            self._last = attrs.evolve(self._last, wait_to_call=0.0)
        return self._begin(Reply(text, packets=tuple(packets)))

    def calls(self, tool: str, /, **arguments: Any) -> Script:
        """Call a client's function, in the response that `says` or `calls` before it began.

        One that the client has not declared is logged, and fails the response if others are.
        """
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

    def waits(self, seconds: float) -> Script:
        """Think for so long before the next response, or after `says` before its calls."""
        if seconds < 0:
            raise ValueError(f"a script waits 0 seconds or more, not {seconds!r}")
        if self._is_open and self._last.text and not self._last.calls:
            self._last = attrs.evolve(self._last, wait_to_call=self._last.wait_to_call + seconds)
        else:
            self._wait += seconds
            self._is_open = False
        return self

    def fails(
        self,
        message: str = "The model failed.",
        *,
        type: str = "internal_error",
        code: str = "",
    ) -> Script:
        """Fail: an `error` comes, and the response is done as ``failed``.

        After `says` or `calls` it is that response, whose words have all been said by then.
        """
        failure = Failure(message, type, code)
        if self._is_open:
            self._last = attrs.evolve(self._last, failure=failure)
        else:
            self._begin(Reply(failure=failure))
        return self.then()

    def then(self) -> Script:
        """End the response here: what follows belongs to the next one."""
        self._is_open = False
        return self

    def when(self, matcher: Matcher, branch: Script | str) -> Script:
        """Play `branch` whenever the user says or writes what `matcher` matches.

        Branches are tried in their order, before what the script would do next, and each time
        from their beginning; one that has begun goes on until its end, or until another matches.

        Args:
            matcher: words that the user's contain, in any case; a compiled pattern that is found
                in them; or a function of the `Context` that says yes.
            branch: a script, with branches of its own if need be; a text for what is said.
        """
        if not (isinstance(matcher, (str, re.Pattern)) or callable(matcher)):
            raise TypeError(f"a matcher is text, a compiled pattern or a function, not {matcher!r}")
        branch = Script().says(branch) if isinstance(branch, str) else branch
        self._rules.append((matcher, branch))
        return self.then()

    def replies(self, reply: Reply) -> Script:
        """A whole response."""
        return self._begin(reply).then()

    def _begin(self, reply: Reply) -> Script:
        self._replies.append(attrs.evolve(reply, wait=reply.wait + self._wait))
        self._wait, self._is_open = 0.0, True
        return self

    def _call(self, call: Call) -> Script:
        if not self._is_open:
            self._begin(Reply())
        self._last = attrs.evolve(self._last, calls=(*self._last.calls, call))
        return self

    @property
    def _last(self) -> Reply:
        return self._replies[-1]

    @_last.setter
    def _last(self, reply: Reply) -> None:
        self._replies[-1] = reply

    # --- being played ------------------------------------------------------------------

    def play(self) -> Performance:
        """A performance from the beginning."""
        return Performance(
            deque(self._transcripts), deque(self._replies), tuple(self._rules), self._wait
        )


@attrs.define
class Performance:
    """One session's way through a script."""

    _transcripts: deque[str]
    _replies: deque[Reply]
    _rules: tuple[tuple[Matcher, Script], ...] = ()
    _wait: float = 0.0  # before whatever comes behind the end
    _found: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    _branch: Performance | None = attrs.field(default=None, init=False)

    def transcript(self) -> str | None:
        """The scripted words of a user turn that begins now; None when there are none left."""
        words = self._branch.transcript() if self._branch else None
        if words is None and self._transcripts:
            return self._transcripts.popleft()
        return words

    def reply(self, context: Context) -> Reply:
        """The response that the script has now, else the truth."""
        if context.prompt.meddled:
            return truth(context.prompt)
        if context.heard or context.prompt.speech_seconds:
            self.turn_off(context)
        reply = self.go_on(context)
        if reply is None:
            reply = attrs.evolve(truth(context.prompt), wait=self._wait)
            self._wait = 0.0
        return reply

    def turn_off(self, context: Context) -> bool:
        """Take the branch that matches, if any does: the innermost script's first."""
        if self._branch and self._branch.turn_off(context):
            return True
        for matcher, script in self._rules:
            found = _match(matcher, context)
            if found is not None:
                self._branch = attrs.evolve(script.play(), found={**self._found, **found})
                return True
        return False

    def go_on(self, context: Context) -> Reply | None:
        """The next reply of the branch that is played, then of the script; None at its end."""
        if self._branch:
            reply = self._branch.go_on(context)
            if reply:
                return reply
            self._branch = None
        if not self._replies:
            return None
        outputs = ", ".join(context.outputs)
        words = {"heard": context.prompt.text, **self._found, "output": outputs}
        return _filled(self._replies.popleft(), words)


def _match(matcher: Matcher, context: Context) -> Mapping[str, str] | None:
    """What the groups of a matching matcher found; None if it does not match."""
    if isinstance(matcher, str):
        return {} if matcher.casefold() in context.heard.casefold() else None
    if isinstance(matcher, re.Pattern):
        found = matcher.search(context.heard)
        return None if found is None else found.groupdict("")
    return {} if matcher(context) else None


def _filled(reply: Reply, words: Mapping[str, str]) -> Reply:
    calls = tuple(
        attrs.evolve(call, arguments=_written_out(call.arguments, words)) for call in reply.calls
    )
    return attrs.evolve(reply, text=_written_out(reply.text, words), calls=calls)


def _written_out(value: Any, words: Mapping[str, str]) -> Any:
    """`value` with the words for the names in braces, wherever it holds text."""
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda name: words.get(name[1], name[0]), value)
    if isinstance(value, Mapping):
        return {key: _written_out(each, words) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_written_out(each, words) for each in value]
    return value
