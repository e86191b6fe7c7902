"""Whole conversations with the simulator: in each of its modes, in each of its ways.

The other flows of this folder are played by a script; here both ends think. What takes the time
of speech is done by many clients at once.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future
from typing import Any

import pytest
from asking import KEY, MANUAL, PATIENT
from callers import call_in_thread, until

from grok_rt import Answer, AudioClip, GrokClient, SessionConfig, TurnDetection, events, parts
from grok_rt.audio import shipped
from grok_rt.errors import DeadlineExceeded
from grok_rt.models import GrokToolDefinition
from grok_rt.simulator import Peer, Script, loopback
from grok_rt.simulator.behaviour import DOCUMENTED, Behaviour

VAD = SessionConfig.wideband(turn_detection=TurnDetection(silence_duration_ms=300))
MODES = {
    "vad": VAD,
    "manual": MANUAL,
    "binary": VAD.with_transport(output="binary"),
    "telephony": SessionConfig.telephony().with_turn_detection(VAD.turn_detection),
    "transcribed": VAD.with_transcription(),
}
WAYS = {
    "live": Behaviour(),
    "as documented": DOCUMENTED,
    "conversation first": Behaviour(opening=("conversation.created", "session.created")),
    "no session.created": Behaviour(opening=("conversation.created", "ping")),
    "July's order": Behaviour(
        turn_order=("speech_stopped", "committed", "completed", "response.created")
    ),
    "August's order": Behaviour(
        turn_order=("response.created", "speech_stopped", "committed", "completed")
    ),
    "transcripts repeated": Behaviour(repeats_transcripts=True),
    "transcripts corrected": Behaviour(corrects_transcripts=True),
    "duplicates": Behaviour(late_duplicates=True),
    "turns reopened": Behaviour(reopens_turns=True),
    "deaf": Behaviour(deaf_while_speaking=True),
    "before August": Behaviour(replayed_field=False, voice="human_Ara", echoes_the_alias=True),
    "settings leaked": Behaviour(leaked_settings={"vad": {"x": 1}}, noise_suppression=True),
    "text deltas": Behaviour(text_replies="response.text"),
}


@pytest.fixture(scope="module")
def clip() -> AudioClip:
    """A short spoken question."""
    return shipped("question")[0:0.5]


def client(way: Behaviour, script: Script, config: SessionConfig, **options: Any) -> GrokClient:
    peer = Peer(script, behaviour=way, latency=0.02, pace=options.pop("pace", math.inf))
    return GrokClient(KEY, transport=loopback(peer), config=config, **options)


def streamed(grok: GrokClient, prompt: Any) -> Answer:
    """The answer of a stream, whose parts are all of it."""
    *pieces, answer = grok.stream(prompt, timeout=PATIENT)
    assert isinstance(answer, Answer)
    assert "".join(p.text for p in pieces if isinstance(p, parts.Text)) == answer.text
    assert b"".join(p.audio for p in pieces if isinstance(p, parts.Audio)) == answer.audio.data
    return answer


def weather(city: str) -> str:
    """The weather."""
    return f"Sleet in {city}."


SCRIPT = (
    Script().says("Let me look.").calls("weather", city="Oslo").says("{output}").says("Good bye.")
)
TURNS = [
    ("user", "How is it in Oslo?"),
    ("assistant", "Let me look."),
    ("tool", "Sleet in Oslo."),
    ("assistant", "Sleet in Oslo."),
    ("user", "Bye."),
    ("assistant", "Good bye."),
]


def in_writing(way: Behaviour, config: SessionConfig) -> None:
    """Two questions, the first with a tool in it."""
    with client(way, SCRIPT, config, tools=[weather]) as grok:
        failures: list[events.Failure] = []
        grok.on_error(failures.append)
        first = grok.ask("How is it in Oslo?", timeout=PATIENT)
        second = streamed(grok, "Bye.")
        assert (first.text, second.text) == ("Let me look. Sleet in Oslo.", "Good bye.")
        assert {first.status, second.status} == {"completed"}
        assert {first.interrupted, second.interrupted} == {False}
        assert first.usage is not None
        assert [(turn.role, turn.text) for turn in grok.conversation] == TURNS
        assert not failures


def aloud(way: Behaviour, config: SessionConfig, clip: AudioClip) -> None:
    """One question in sound, the next in writing, the third in sound again."""
    script = Script().hears("Hello, my name is Lee.").says("Hello.").says("Oh.")
    script = script.hears("Good bye then.").says("Bye.")
    with client(way, script, config) as grok:
        answers = [
            grok.ask(clip, timeout=PATIENT),
            grok.ask("And?", timeout=PATIENT),
            streamed(grok, clip),
        ]
        assert [answer.text for answer in answers] == ["Hello.", "Oh.", "Bye."]
        assert [answer.status for answer in answers] == ["completed"] * 3
        assert [(turn.role, turn.text) for turn in grok.conversation] == [
            ("user", "Hello, my name is Lee."),
            ("assistant", "Hello."),
            ("user", "And?"),
            ("assistant", "Oh."),
            ("user", "Good bye then."),
            ("assistant", "Bye."),
        ]


def outcomes(talks: dict[str, Future[None]]) -> dict[str, BaseException]:
    """What went wrong, by the name of the talk."""
    ended = {name: future.exception(PATIENT) for name, future in talks.items()}
    return {name: error for name, error in ended.items() if error is not None}


@pytest.mark.parametrize("mode", ["vad", "manual", "binary"])
def test_a_conversation_in_writing(mode: str) -> None:
    """Whatever the service's ways: both answers whole, each turn once, nothing to complain of."""
    talks = {
        name: call_in_thread(lambda way=way: in_writing(way, MODES[mode]))
        for name, way in WAYS.items()
    }
    assert outcomes(talks) == {}


@pytest.mark.parametrize("mode", MODES)
def test_a_conversation_aloud(mode: str, clip: AudioClip) -> None:
    """Whatever the service's ways: three answers whole, each turn once, with its final words."""
    ways = dict(WAYS)
    if mode == "manual":
        del ways["as documented"]  # there a commit alone is not answered
    talks = {
        name: call_in_thread(lambda way=way: aloud(way, MODES[mode], clip))
        for name, way in ways.items()
    }
    assert outcomes(talks) == {}


def test_a_commit_that_is_not_answered(clip: AudioClip) -> None:
    """Documented, and not so live: the wait for the answer says that no response was created."""
    with (
        client(DOCUMENTED, Script(), MANUAL) as grok,
        pytest.raises(DeadlineExceeded, match="no response to the question was created; the last"),
    ):
        grok.ask(clip, timeout=0.5)


CUTS = {
    "vad, live": (VAD, Behaviour()),
    "vad, as documented": (VAD, Behaviour(interrupted_status="cancelled")),
    "manual, live": (MANUAL, Behaviour()),
    "manual, with an end": (MANUAL, Behaviour(speech_stops_silently=False)),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_microphone_that_talks_into_an_answer(cut: str, clip: AudioClip) -> None:
    """Never a hang: the answer says that it was cut, and the speech has one of its own."""
    config, way = CUTS[cut]
    script = Script().says("A very long answer, which goes on. " * 3).hears("Stop.").says("Yes?")
    with client(way, script, config, pace=1) as grok:
        grok.start()
        began = threading.Event()
        grok.on(events.AudioDelta)(lambda _: began.set())
        asked = grok.submit("?", timeout=PATIENT)
        assert began.wait(PATIENT)
        over = threading.Event()
        talking = call_in_thread(lambda: talk(grok, clip, over, commits=config is MANUAL))
        answer = asked.result(PATIENT)
        assert answer.interrupted
        assert len(answer.text) < 100
        until(lambda: [turn.text for turn in grok.conversation][-2:] == ["Stop.", "Yes?"])
        over.set()
        talking.result(PATIENT)


def talk(grok: GrokClient, clip: AudioClip, over: threading.Event, *, commits: bool) -> None:
    """Say the clip as a microphone does, then be silent."""
    frame = clip.format.frame_bytes(20)
    for at in range(0, len(clip.data), frame):
        grok.send_audio(clip.data[at : at + frame])
        over.wait(0.02)
    if commits:
        grok.commit_audio()
    while not over.wait(0.02):
        grok.send_audio(bytes(frame))


def test_searches_of_the_service() -> None:
    """Calls that nobody declared are the server's to answer: the answer is what follows them."""
    script = Script().says("Let me see.").searches("Oslo").says("It says: sleet.")
    config = VAD.with_tools([GrokToolDefinition.web_search()])
    with client(Behaviour(), script, config) as grok:
        answer = grok.ask("How is it in Oslo?", timeout=PATIENT)
    assert answer.text == "Let me see. It says: sleet."
    assert answer.tool_calls == ()


def test_a_request_that_is_dropped(clip: AudioClip) -> None:
    """After a committed question was answered, the server drops a bare request: a question not."""
    with client(Behaviour(), Script().says("One.").says("Two."), MANUAL) as grok:
        assert grok.ask(clip, timeout=PATIENT).text == "One."
        with (
            pytest.raises(DeadlineExceeded, match="ResponseCreated did not come in time; the last"),
            grok.expect(events.ResponseCreated, timeout=0.2),
        ):
            grok.request_response()
        assert grok.ask("And?", timeout=PATIENT).text == "Two."


def test_an_unprompted_reply() -> None:
    """What the server says to a user who is silent for too long is no answer to a question."""
    detection = TurnDetection(idle_timeout_ms=50)
    config = SessionConfig.wideband(turn_detection=detection)
    with client(Behaviour(), Script(), config) as grok:
        for n in range(2):
            assert grok.ask(f"{n}", timeout=PATIENT).text == f"You said: {n}"
            grok.wait_for(events.InputAudioBufferTimeoutTriggered, timeout=PATIENT)
        texts = [turn.text for turn in grok.conversation]
    assert texts[:3] == ["0", "You said: 0", "Are you still there?"]


def test_words_that_were_forced() -> None:
    """What the program lets it say is a turn, and no answer to the question behind it."""
    with client(Behaviour(), Script().says("Yes."), VAD) as grok:
        with grok.expect(events.ResponseOutputItemAdded, timeout=PATIENT):
            grok.say("This call is recorded.")
        assert grok.ask("Hello?", timeout=PATIENT).text == "Yes."
        assert [turn.text for turn in grok.conversation] == [
            "This call is recorded.", "Hello?", "Yes.",
        ]  # fmt: skip
