"""A session whose time is the test's own."""

from __future__ import annotations

import time

import pytest

from grok_rt.audio import AudioClip, pcm16
from grok_rt.events import (
    ConversationItemCreate,
    InputAudioBufferCommitted,
    Ping,
    ResponseCreate,
    ResponseDone,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    SessionCreated,
    SessionUpdate,
)
from grok_rt.models import ConversationItem, SessionConfig, TurnDetection
from grok_rt.simulator import Peer, Script, VirtualSession

VAD = SessionConfig.wideband(turn_detection=TurnDetection(silence_duration_ms=500))


def write(text: str) -> ConversationItemCreate:
    return ConversationItemCreate(ConversationItem.user_text(text))


def test_a_turn() -> None:
    """Events go in, events come out, each at its own time, and no time is spent."""
    session = VirtualSession(Script().says("Three degrees."))
    assert [event.type for event in session.send(write("How warm is it?"))] == [
        "conversation.item.added"
    ]
    session.send(ResponseCreate())
    assert session.until(ResponseDone).response.status == "completed"
    times = [at for at, _ in session.log]
    assert times == sorted(times)
    assert times[0] == 0.0 < times[-1] == session.now < 1.0


def test_the_log_has_all() -> None:
    """What `send`, `advance` and `say` return is in the log, in the order in which it came."""
    session = VirtualSession()
    came = [*session.events, *session.advance(25)]
    assert [type(event) for event in came[:1]] == [SessionCreated]
    assert [at for at, event in session.log if isinstance(event, Ping)] == [0.0, 10.0, 20.0]
    assert session.events == came


def test_until_goes_on_behind_what_it_returned() -> None:
    """It misses nothing that came while somebody waited, and returns nothing twice."""
    session = VirtualSession(Script().says("One."))
    assert session.until(Ping) is not session.until(Ping)
    assert session.now == 10.0
    session.send(write("Hi"), ResponseCreate())
    session.advance(30)
    assert session.until(ResponseDone) in session.events
    assert session.now == 40.0


def test_until_has_an_end() -> None:
    """What never comes is a TimeoutError that says what has come, and loses nothing."""
    session = VirtualSession()
    with pytest.raises(
        TimeoutError, match=r"no ResponseDone within 15 .*: session\.created, .*ping"
    ):
        session.until(ResponseDone, within=15)
    assert session.now == 15.0
    assert session.until(SessionCreated) is session.events[0]
    with pytest.raises(ValueError, match="0 seconds or more"):
        session.advance(-1)


def test_a_session_that_is_over() -> None:
    """Two hours pass at once; afterwards nothing comes any more."""
    session = VirtualSession(Peer(inactivity=1e9))
    session.advance(7200)
    assert session.peer.closed == (1000, "max_duration")
    assert session.advance(60) == []
    with pytest.raises(TimeoutError, match=r"there came: .*error$"):
        session.until(ResponseDone)


def test_binary_sound() -> None:
    """Sound in binary frames is kept apart."""
    session = VirtualSession(Script().says("Hello."))
    session.send(SessionUpdate(VAD.with_transport(output="binary").to_update_payload()))
    session.send(write("Hi"), ResponseCreate())
    usage = session.until(ResponseDone).usage
    assert usage is not None
    assert pcm16().duration(session.sound) == pytest.approx(usage.output_audio_seconds, abs=0.01)
    assert not [e for e in session.events if isinstance(e, ResponseOutputAudioDelta)]


def five_minutes(question: AudioClip) -> VirtualSession:
    """Nine spoken questions, each with a call of a tool and an answer of half a minute."""
    script = Script()
    for _ in range(9):
        script.hears("How warm is it in Oslo?").says("Let me look.").calls("weather", city="Oslo")
        script.says("It is three degrees in Oslo, and it is going to rain for all of the day. " * 6)
    session = VirtualSession(script)
    session.send(SessionUpdate(VAD.to_update_payload()))
    spoken = AudioClip(question.data + pcm16().silence(700), pcm16())
    for _ in range(9):
        session.say(spoken)
        call = session.until(ResponseFunctionCallArgumentsDone)
        session.until(ResponseDone)
        output = ConversationItem.function_call_output(call.call_id, "3 degrees")
        session.send(ConversationItemCreate(output), ResponseCreate())
        usage = session.until(ResponseDone).usage
        assert usage is not None
        session.advance(usage.output_audio_seconds or 0)
    return session


def test_five_minutes(question: AudioClip) -> None:
    """A spoken conversation of five minutes takes a moment, and is the same each time."""
    five_minutes(question)  # the hummed answers are kept
    began = time.process_time()
    session = five_minutes(question)
    spent = time.process_time() - began
    assert session.now > 300
    assert len([e for e in session.events if isinstance(e, InputAudioBufferCommitted)]) == 9
    assert spent < 2, "bench/virtual.py has the figure"
    assert session.log == five_minutes(question).log
