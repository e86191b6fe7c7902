"""What users write, as type checkers see it. Never run: mypy and pyright read it.

A line that must be refused carries an ignore, and an ignore that is not needed is an error: so each
of them proves that the mistake is caught.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=error

from __future__ import annotations

from pathlib import Path
from typing import Literal

from typing_extensions import assert_never, assert_type

from grok_rt import (
    Answer,
    AnswerStream,
    Budget,
    Conversation,
    FunctionCall,
    GrokClient,
    SessionConfig,
    events,
    on,
    parts,
    tokens,
    tool,
)
from grok_rt.audio import AudioClip, pcm16
from grok_rt.devices import Heard, Microphone, Speaker, Talk, talk
from grok_rt.streams import AudioQueue, IteratorSource, NullSink
from grok_rt.tools import cancelled
from grok_rt.usage import PRICES

# --- opening ---------------------------------------------------------------------------------

GrokClient()
GrokClient("key")
GrokClient(lambda: "a fresh token", config=SessionConfig.telephony(), model="grok-voice-latest")
GrokClient(open_timeout=3, ping_interval=2.5, allow_insecure=True)
GrokClient(tokens.create(expires_after=60), auth="subprotocol")
GrokClient(tokens.create, auth="openai")
GrokClient(auth="basic")  # type: ignore[arg-type]
GrokClient(confg=SessionConfig())  # type: ignore[call-arg]

grok = GrokClient(config=SessionConfig("Be brief.").with_voice("Eve").with_temperature(0.3))
assert_type(grok.session_id, str | None)
assert_type(grok.conversation_id, str | None)

# --- handlers --------------------------------------------------------------------------------


@grok.on(events.ResponseDone)
def done(event: events.ResponseDone) -> None:
    print(event.response)


@grok.on(events.ServerEvent)  # a base class hears all its subclasses
def every(event: events.Event) -> str:  # and the handler may ask for less
    return event.type


@grok.on(events.ResponseDone)  # type: ignore[arg-type]
def wrong(event: events.SessionUpdated) -> None:
    pass


@grok.on_audio
def play(event: events.AudioDelta) -> None:
    assert_type(event.audio, bytes)


@grok.on_error
def failed(failure: events.Failure) -> None:
    print(failure)


@grok.on_close
def closed(event: events.Closed) -> None:
    assert_type(event.code, int)


grok.on(events.ResponseDone, once=True)(done)
grok.off(events.ResponseDone, done)
grok.on("response.done")  # type: ignore[arg-type]

assert_type(every(events.ResponseDone()), str)  # a decorated function stays what it is

grok.update_session(SessionConfig(voice="Eve"), timeout=3)
grok.update_session(voice="Eve")  # type: ignore[arg-type]

# --- waiting ---------------------------------------------------------------------------------

assert_type(grok.recv(timeout=1.0), events.Event)
assert_type(grok.wait_for(events.ResponseDone, timeout=5), events.ResponseDone)
grok.wait_for(events.ResponseDone, 5)  # type: ignore[arg-type]
grok.wait_for(events.ResponseDone, lambda event: event.response is not None, timeout=5)

for event in grok:
    assert_type(event, events.Event)

# --- asking ----------------------------------------------------------------------------------

assert_type(grok.ask("?", timeout=3), Answer)
grok.ask(AudioClip(b""))
grok.ask(Path("question.wav"), timeout=None)
grok.ask(AudioQueue(pcm16()))
grok.submit(IteratorSource([b""], pcm16()))
grok.ask(b"RIFF")  # type: ignore[arg-type]

with grok.stream("?") as answer_stream:
    assert_type(answer_stream, AnswerStream)
    for part in answer_stream:
        match part:
            case parts.Text(text):
                assert_type(text, str)
            case parts.Audio(audio):
                assert_type(audio, bytes)
            case parts.ToolStarted(call):
                assert_type(call, FunctionCall)
            case parts.ToolEnded(call, output):
                assert_type(output, str)
            case Answer():
                assert_type(part, Answer)
            case _:
                assert_never(part)

assert_type(grok.conversation, Conversation)
grok.seed(Conversation.restore(grok.conversation.export()))
grok.seed(list(grok.conversation)[-20:])

# --- tools -----------------------------------------------------------------------------------


@grok.tool(timeout=5)
def weather(city: str, unit: Literal["C", "F"] = "C") -> str:
    """Current weather for a city."""
    return f"21 °{unit} in {city}"


assert_type(weather("Oslo"), str)
weather(3)  # type: ignore[arg-type]
assert_type(cancelled().wait(0.1), bool)

# --- usage -----------------------------------------------------------------------------------

GrokClient(budget=Budget(usd=0.5, minutes=10, tokens=50_000, warn_at=None))
GrokClient(budget=0.5)  # type: ignore[arg-type]
Budget(0.5)  # type: ignore[call-arg]
assert_type(grok.meter.read().usd, float)
grok.meter.prices = PRICES


@grok.on(events.BudgetLow)
def low(event: events.BudgetLow) -> None:
    assert_type((event.of, event.spent, event.limit, event.message), tuple[str, float, float, str])


# --- subclasses ------------------------------------------------------------------------------


class Receptionist(GrokClient):
    """Handlers and tools as methods."""

    config = SessionConfig(voice="Ara")

    @on(events.InputAudioTranscriptionCompleted)
    def heard(self, event: events.InputAudioTranscriptionCompleted) -> None:
        print(event.transcript)

    @on(events.ResponseDone)  # type: ignore[arg-type]
    def misheard(self, event: events.SessionUpdated) -> None:
        print(event)

    @tool
    def book(self, day: str, hour: int) -> str:
        """Book a visit."""
        return f"{day} {hour}"


with Receptionist() as desk:
    assert_type(desk, Receptionist)
    assert_type(desk.book("Monday", 9), str)
    desk.send_user_text("Hello.")
    desk.send_audio("base64")  # type: ignore[arg-type]
    desk.send(events.ResponseCancel())
    desk.send(events.ResponseDone())  # type: ignore[arg-type]

# --- talking ---------------------------------------------------------------------------------

with talk(GrokClient(), Microphone("headset"), Speaker(3), echo="duck") as talking:
    assert_type(talking, Talk)
    assert_type([turn.text for turn in talking], list[str])
    assert_type(talking.heard("item"), Heard | None)
talk(GrokClient(), NullSink(pcm16()))  # type: ignore[arg-type]
talk(GrokClient(), echo="loud")  # type: ignore[arg-type]
