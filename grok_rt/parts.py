"""The parts of an answer, as `GrokClient.stream` gives them while it comes.

Values only, made for ``match``; which events they are made of, `_asking.parts` knows.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from grok_rt.answer import Answer
from grok_rt.models import FunctionCall

__all__ = ["Audio", "Part", "Text", "ToolEnded", "ToolStarted"]


@attrs.frozen
class Text:
    """More of what the assistant says.

    The texts of one answer, put together, are its `Answer.text`.

    Attributes:
        text: some words, with the space before them.
    """

    text: str


@attrs.frozen
class Audio:
    """More of the assistant's voice.

    Attributes:
        audio: bytes in the session's output format; it comes faster than it plays.
    """

    audio: bytes = attrs.field(repr=lambda audio: f"<{len(audio)} bytes>")


@attrs.frozen
class ToolStarted:
    """A declared function was called; its tool runs, or waits for `send_tool_result`.

    Attributes:
        call: its name, its arguments, its id.
    """

    call: FunctionCall


@attrs.frozen
class ToolEnded:
    """The call has its output, and the server has taken it.

    Attributes:
        call: the call, as in `ToolStarted`.
        output: what the model reads.
    """

    call: FunctionCall
    output: str


Part: TypeAlias = Text | Audio | ToolStarted | ToolEnded | Answer
"""What a stream gives: pieces, then the whole `Answer` as the last."""
