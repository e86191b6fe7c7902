"""What a conversation is made of: items, their parts, and function calls."""

from __future__ import annotations

import json
from typing import Any

import attrs

from grok_rt._unset import UNSET, Unset
from grok_rt.models._wire import Maybe, Wire

__all__ = ["ContentPart", "ConversationItem", "FunctionCall", "ToolCallPart"]


@attrs.frozen
class ContentPart(Wire):
    """One part of a message.

    Attributes:
        type: ``input_text``, ``input_audio``, ``text``, ``audio``, ``output_text`` …; what the
            server says is ``audio`` or ``text``, where OpenAI says ``output_audio``.
        text: the text of a text part.
        audio: the sound of an audio part, as bytes; the server never sends it back.
        transcript: the words of an audio part.
    """

    type: str
    text: Maybe[str] = UNSET
    audio: Maybe[bytes] = UNSET
    transcript: Maybe[str] = UNSET


@attrs.frozen
class ConversationItem(Wire):
    """A message, a function call, its output, or words to be spoken.

    Attributes:
        type: ``message``, ``function_call``, ``function_call_output``, ``force_message`` …
        id: of the client's choice, and kept by the server; else the server's.
        status: ``in_progress`` or ``completed``.
        role: ``user``, ``assistant`` or ``system``; of function calls ``tool`` in one event and
            ``user`` in another.
        content: the parts of a message; some events leave it out.
        call_id: joins a function call and its output.
        arguments: of a function call, a string that should be JSON.
        output: of a function call, a string.
        interruptible: whether a forced message may be talked over.
        replayed: whether it comes from an earlier connection; absent before August 2026.
    """

    type: str
    id: Maybe[str] = UNSET
    call_id: Maybe[str] = UNSET
    output: Maybe[str] = UNSET
    role: Maybe[str] = UNSET
    content: Maybe[tuple[ContentPart, ...]] = UNSET
    name: Maybe[str] = UNSET
    arguments: Maybe[str] = UNSET
    interruptible: Maybe[bool] = UNSET
    object: Maybe[str] = UNSET
    status: Maybe[str] = UNSET
    replayed: Maybe[bool] = UNSET

    @classmethod
    def user_text(cls, text: str, *, id: str | Unset = UNSET) -> ConversationItem:
        """A message that the user typed."""
        return cls._message("user", ContentPart("input_text", text=text), id)

    @classmethod
    def user_audio(
        cls, audio: bytes, *, transcript: str | Unset = UNSET, id: str | Unset = UNSET
    ) -> ConversationItem:
        """A message that the user spoke; `audio` is in the session's input format."""
        part = ContentPart("input_audio", audio=audio, transcript=transcript)
        return cls._message("user", part, id)

    @classmethod
    def assistant_text(cls, text: str, *, id: str | Unset = UNSET) -> ConversationItem:
        """History: something that the assistant is to have said."""
        return cls._message("assistant", ContentPart("output_text", text=text), id)

    @classmethod
    def system_text(cls, text: str, *, id: str | Unset = UNSET) -> ConversationItem:
        """A note to the model, from now on."""
        return cls._message("system", ContentPart("input_text", text=text), id)

    @classmethod
    def function_call(
        cls, name: str, arguments: str, *, call_id: str | Unset = UNSET, id: str | Unset = UNSET
    ) -> ConversationItem:
        """History: a call that the model is to have made; `arguments` is a JSON object."""
        return cls("function_call", id=id, call_id=call_id, name=name, arguments=arguments)

    @classmethod
    def function_call_output(
        cls, call_id: str, output: str, *, id: str | Unset = UNSET
    ) -> ConversationItem:
        """The answer to a function call: any text, JSON recommended."""
        return cls("function_call_output", id=id, call_id=call_id, output=output)

    @classmethod
    def force_message(
        cls, text: str, *, interruptible: bool = True, id: str | Unset = UNSET
    ) -> ConversationItem:
        """Words that the server speaks as they are, with a whole response around them.

        Not to be followed by `ResponseCreate`.
        """
        part = ContentPart("output_text", text=text)
        return cls(
            "force_message", id=id, role="assistant", content=(part,), interruptible=interruptible
        )

    @classmethod
    def _message(cls, role: str, part: ContentPart, id: str | Unset) -> ConversationItem:
        return cls("message", id=id, role=role, content=(part,))


@attrs.frozen
class ToolCallPart:
    """A function call with its arguments as values, for the message history of an agent."""

    id: str
    name: str
    arguments: Any


@attrs.frozen
class FunctionCall:
    """The model asks for a function; `arguments` is the text it wrote, JSON if all went well."""

    call_id: str
    name: str
    arguments: str

    def to_tool_call_part(self) -> ToolCallPart:
        """Parse the arguments; text that is no JSON stays the text it is."""
        try:
            arguments = json.loads(self.arguments, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            arguments = self.arguments
        return ToolCallPart(id=self.call_id, name=self.name, arguments=arguments)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
