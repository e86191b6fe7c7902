"""What a conversation of five minutes takes in virtual time.

    python bench/virtual.py [--rounds 20]

Each question is answered with a call of a tool and then with half a minute of speech; asked is in
writing, and aloud, where the service has to hear for itself when the user has spoken. Prints
milliseconds of CPU, the least of all rounds.
"""

from __future__ import annotations

from collections.abc import Callable

from lab.figures import best, cpu_of, options

from grok_rt.audio import AudioClip, pcm16, shipped
from grok_rt.events import (
    ConversationItemCreate,
    ResponseCreate,
    ResponseDone,
    ResponseFunctionCallArgumentsDone,
    SessionUpdate,
)
from grok_rt.models import ConversationItem, SessionConfig, TurnDetection
from grok_rt.simulator import Script, VirtualSession

QUESTIONS = 9
ANSWER = "It is three degrees in Oslo, and it is going to rain for all of the day. " * 6
VAD = SessionConfig.wideband(turn_detection=TurnDetection(silence_duration_ms=500))
ALOUD = AudioClip(shipped("question").to(pcm16()).data + pcm16().silence(700), pcm16())


def write(session: VirtualSession) -> None:
    """Ask in writing."""
    item = ConversationItem.user_text("How warm is it in Oslo?")
    session.send(ConversationItemCreate(item), ResponseCreate())


def speak(session: VirtualSession) -> None:
    """Ask aloud."""
    session.say(ALOUD)


def converse(ask: Callable[[VirtualSession], None]) -> VirtualSession:
    """The whole conversation."""
    script = Script()
    for _ in range(QUESTIONS):
        script.says("Let me look.").calls("weather", city="Oslo").says(ANSWER)
    session = VirtualSession(script)
    session.send(SessionUpdate(VAD.to_update_payload()))
    for _ in range(QUESTIONS):
        ask(session)
        call = session.until(ResponseFunctionCallArgumentsDone)
        session.until(ResponseDone)
        output = ConversationItem.function_call_output(call.call_id, "3 degrees")
        session.send(ConversationItemCreate(output), ResponseCreate())
        usage = session.until(ResponseDone).usage
        session.advance((usage.output_audio_seconds or 0) + 5 if usage else 0)
    return session


def main() -> None:
    rounds = options(__doc__, 20).rounds
    for name, ask in (("in writing", write), ("aloud", speak)):
        session = converse(ask)
        least = best({name: lambda ask=ask: cpu_of(lambda: converse(ask))}, rounds)[name]
        took = f"{session.now:6.0f} s in {1000 * least:6.1f} ms"
        print(f"{name:<12}{took}, {len(session.log)} events")


if __name__ == "__main__":
    main()
