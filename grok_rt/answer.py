"""`Answer`: all that came back for one question.

A value, and how it shows itself. What makes one of events is `AnswerBuilder`.
"""

from __future__ import annotations

import attrs

from grok_rt._notebook import answer_card
from grok_rt.audio import AudioClip
from grok_rt.conversation import Turn
from grok_rt.models import FunctionCall, Usage

__all__ = ["Answer", "Latency"]


@attrs.frozen
class Latency:
    """Seconds since the question was put: since it was sent, or since its speech ended.

    Of a spoken question that is the moment when the last of its speech, without the silence
    behind it, was sent; the pause by which the server knows the end is part of the wait.

    Attributes:
        first_audio: until the first sound of the answer came; None if none did.
        total: until all of it was there.
    """

    first_audio: float | None
    total: float


@attrs.frozen(repr=False)
class Answer:
    """What came back for one question.

    Attributes:
        text: what the assistant said, all of it.
        audio: the same as sound.
        tool_calls: the functions it called meanwhile.
        usage: the tokens of all responses that it took; None if the server did not say.
        latency: how long it took.
        status: the server's word for how the last response ended; ``incomplete`` if it did not.
        interrupted: somebody cut it off; `text` and `audio` end where it was cut.
        turns: the question, the calls and the answer in order; with them replies to a part of a
            spoken question, which `text` and `audio` leave out.
    """

    text: str
    audio: AudioClip
    tool_calls: tuple[FunctionCall, ...]
    usage: Usage | None
    latency: Latency
    status: str
    interrupted: bool
    turns: tuple[Turn, ...]

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= 60 else f"{self.text[:59]}…"
        return f"Answer({text!r}, status={self.status!r}, total={self.latency.total:.2f})"

    def _repr_html_(self) -> str:
        return answer_card(self)
