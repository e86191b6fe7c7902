"""Questions and their answers: typed, spoken, with tools, refused, too late."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import GREETING, SOON, ScriptedTransport

from grok_rt import AudioClip, GrokClient, SessionConfig, TurnDetection, _question, events, pcm16
from grok_rt.audio import shipped
from grok_rt.errors import (
    AudioError,
    ConcurrencyError,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    SendQueueFull,
    ServerError,
)
from grok_rt.simulator import Peer, Script, Simulator, loopback

KEY = "test"
MANUAL = SessionConfig.wideband().with_turn_detection(None)
NULL = SessionConfig.wideband().with_turn_detection(TurnDetection.manual())
QUESTION = "What is the weather in Oslo?"


def client(script: Script | Peer | None = None, **options: Any) -> GrokClient:
    return GrokClient(KEY, transport=loopback(script, instant=True), **options)


def scripted(transport: ScriptedTransport, **options: Any) -> GrokClient:
    transport.answers = transport.confirm_updates
    transport.hears(*GREETING)
    options.setdefault("close_timeout", 0.5)
    return GrokClient(KEY, transport=lambda _url, _headers: transport, **options)


@pytest.fixture(scope="module")
def clip() -> AudioClip:
    """A short spoken question."""
    return shipped("question")


# --- typed -------------------------------------------------------------------------------------


def test_a_typed_question_is_answered_whole() -> None:
    """Text, sound, usage, timing and turns of one answer."""
    with client(Script().says("It is cold.")) as grok:
        answer = grok.ask(QUESTION, timeout=SOON)
    assert answer.text == "It is cold."
    assert answer.status == "completed"
    assert answer.audio.duration > 0.3
    assert answer.usage is not None
    assert answer.latency.first_audio is not None
    assert 0 <= answer.latency.first_audio <= answer.latency.total < SOON
    assert [(turn.role, turn.text) for turn in answer.turns] == [
        ("user", QUESTION),
        ("assistant", "It is cold."),
    ]


def test_questions_one_after_the_other() -> None:
    """Each answer is that of its question, though they share the conversation."""
    with client() as grok:
        for n in range(5):
            assert grok.ask(f"Number {n}", timeout=SOON).text == f"You said: Number {n}"


def test_questions_at_once() -> None:
    """Several threads ask; each gets the answer to its own question."""
    answers: dict[int, str] = {}
    with client() as grok:

        def ask(n: int) -> None:
            answers[n] = grok.ask(f"Number {n}", timeout=SOON).text

        grok.start()
        futures = [grok.submit("Hello from a future", timeout=SOON)]
        assert futures[0].result(SOON).text == "You said: Hello from a future"
        thread = threading.Thread(target=ask, args=(1,))
        thread.start()
        thread.join(SOON)
    assert answers == {1: "You said: Number 1"}


def test_tools_run_meanwhile() -> None:
    """A question that takes a tool has the answer that came after it, and names the call."""
    script = Script().says("Let me look.").calls("weather", city="Oslo").says("{output}")
    with client(script) as grok:

        @grok.tool
        def weather(city: str) -> str:
            """The weather."""
            return f"Sleet in {city}."

        answer = grok.ask(QUESTION, timeout=SOON)
    assert answer.text == "Let me look. Sleet in Oslo."
    assert [call.name for call in answer.tool_calls] == ["weather"]


def test_an_answer_beside_a_background_pump() -> None:
    """Beside `start` it only waits, and several calls of a tool are one continuation."""
    script = Script().calls("one").calls("two").says("{output}")
    grok = client(script)

    @grok.tool
    def one() -> int:
        """One."""
        return 1

    @grok.tool
    def two() -> int:
        """Two."""
        return 2

    with grok.start():
        answer = grok.ask("?", timeout=SOON)
    assert answer.text == "1, 2"


# --- spoken ------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [MANUAL, NULL], ids=["None", "type: null"])
def test_a_spoken_question_in_manual_mode(config: SessionConfig, clip: AudioClip) -> None:
    """It is sent at once and committed: no pace, no silence, and no `response.create`."""
    peer = Peer(latency=0, pace=math.inf)
    with client(peer, config=config) as grok:
        began = time.monotonic()
        answer = grok.ask(clip, timeout=SOON)
        assert time.monotonic() - began < 1
    assert "seconds of speech" in answer.text
    kinds = {type(event) for event in peer.received}
    assert events.InputAudioBufferCommit in kinds
    assert events.ResponseCreate not in kinds


def test_a_spoken_question_at_the_pace_of_speech(clip: AudioClip, tmp_path: Path) -> None:
    """With turn detection the sound takes its time, and its end is heard; a path is as good."""
    path = tmp_path / "question.wav"
    clip[0:1.0].save(path)
    with Simulator(Script().hears("Hm?").says("I heard you."), latency=0, pace=math.inf) as server:
        with GrokClient(KEY, url=server.url) as grok:
            began = time.monotonic()
            answer = grok.ask(path, timeout=SOON)
            took = time.monotonic() - began
        assert answer.text == "I heard you."
        assert [turn.text for turn in answer.turns] == ["Hm?", "I heard you."]
        assert 1.0 < took < 3.0
        assert not any(isinstance(e, events.InputAudioBufferCommit) for e in server.received)


def test_a_patient_server_gets_more_silence(
    clip: AudioClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silence after the question outlasts what the server waits for, however long that is."""
    monkeypatch.setattr(_question, "_TAIL_MS", 500)
    patient = TurnDetection(silence_duration_ms=1900)
    config = SessionConfig.wideband().with_turn_detection(patient)
    peer = Peer(Script().says("Yes?"), latency=0, pace=math.inf)
    with client(peer, config=config) as grok:
        assert grok.ask(clip[0:0.8], timeout=SOON).text == "Yes?"
    sent = [e.audio for e in peer.received if isinstance(e, events.InputAudioBufferAppend)]
    assert len(b"".join(sent)) / 48000 > 0.8 + 1.9 - 0.3


def test_sound_of_another_format_is_converted(clip: AudioClip) -> None:
    """Whatever the clip is, the server hears the session's input format."""
    peer = Peer(latency=0, pace=math.inf)
    config = SessionConfig.telephony().with_turn_detection(None)
    with client(peer, config=config) as grok:
        grok.ask(clip.to(pcm16(16000)), timeout=SOON)
    (turn,) = peer.turns
    sent = [e for e in peer.received if isinstance(e, events.InputAudioBufferAppend)]
    assert sum(len(e.audio) for e in sent) == pytest.approx(clip.duration * 8000, rel=0.02)
    assert turn


def test_a_file_that_is_no_sound(tmp_path: Path) -> None:
    """It is refused before anything is sent."""
    (tmp_path / "x.wav").write_text("no sound")
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        for path in ("x.wav", "missing.wav"):
            with pytest.raises(AudioError):
                grok.ask(tmp_path / path)
    assert transport.types == ["session.update"]


# --- in vain -----------------------------------------------------------------------------------


def test_the_deadline_says_what_is_missing() -> None:
    """The sentence of a late answer names what was awaited, and what came last."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        with pytest.raises(DeadlineExceeded, match=r"no whole answer in 0\.05 s: no response") as e:
            grok.ask("?", timeout=0.05)
        assert "last event" in str(e.value)
        assert isinstance(e.value, TimeoutError)
        transport.hears({"type": "response.created", "response": {"id": "r", "metadata": None}})


@pytest.mark.parametrize("part", [-2, -1], ids=["item", "create"])
def test_a_refused_question_raises(part: int) -> None:
    """An error that names one of the question's events is raised by `ask`; the session lives."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:

        def refuse(event: dict[str, Any]) -> None:
            if event["type"] == "response.create":
                about = transport.events[part]["event_id"]
                error = {"type": "invalid_request_error", "message": "No.", "event_id": about}
                transport.hears({"type": "error", "error": error})

        transport.answers = refuse
        with pytest.raises(ServerError, match="No") as caught:
            grok.ask("?", timeout=SOON)
        assert caught.value.type == "invalid_request_error"
        assert grok.state == "open"


def test_an_error_of_somebody_else_is_not_ours() -> None:
    """An error that names no event of the question leaves it waiting."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        transport.answers = lambda _: transport.hears(
            {"type": "error", "error": {"type": "x", "message": "y", "event_id": "other"}}
        )
        with pytest.raises(DeadlineExceeded):
            grok.ask("?", timeout=0.1)


@pytest.mark.parametrize(
    ("code", "kind"), [(1000, ConnectionClosedOK), (4001, ConnectionClosedError)]
)
def test_a_session_that_ends_first(code: int, kind: type[Exception]) -> None:
    """The end of the session ends the wait for the answer."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        transport.answers = lambda _: transport.hears_close(code)
        with pytest.raises(kind):
            grok.ask("?", timeout=SOON)


def test_a_question_inside_a_handler() -> None:
    """It would wait for ever: it is refused before anything is sent, and `submit` named."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:

        @grok.on(events.SessionCreated)
        def ask(_event: events.SessionCreated) -> None:
            with pytest.raises(ConcurrencyError, match=r"submit\(\)"):
                grok.ask("?")

        grok.recv(timeout=SOON)
    assert transport.types == ["session.update"]


def test_sound_that_finds_no_room(clip: AudioClip) -> None:
    """A line that takes no more sound ends the question with the reason."""
    transport = ScriptedTransport()
    with scripted(transport, send_timeout=0.05) as grok:
        transport.valve.clear()
        grok._lifecycle.connection()._outbox.maxsize = 2
        ended = threading.Event()

        def chatter() -> None:
            while not ended.wait(0.02):
                transport.hears({"type": "ping"})

        thread = threading.Thread(target=chatter)
        thread.start()
        with pytest.raises(SendQueueFull):
            grok.ask(clip, timeout=SOON)
        ended.set()
        thread.join()


def test_ctrl_c_ends_the_question(clip: AudioClip) -> None:
    """An interrupt in the middle leaves no feeder behind."""
    with client() as grok:

        @grok.on(events.InputAudioBufferSpeechStarted)
        def interrupt(_event: events.Event) -> None:
            raise KeyboardInterrupt

        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            grok.ask(clip, timeout=SOON)
        assert time.monotonic() - began < clip.duration
        names = {thread.name for thread in threading.enumerate()}
        assert "grok-rt-question" not in names


# --- later -------------------------------------------------------------------------------------


def test_submit_gives_what_ask_raises() -> None:
    """A future holds the answer or the exception; before connect it is raised at once."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        future = grok.submit("?", timeout=0.05)
        assert isinstance(future.exception(SOON), DeadlineExceeded)
    with pytest.raises(ConnectionClosedOK):
        grok.submit("?")


@pytest.fixture(autouse=True)
def _no_question_left() -> Iterator[None]:
    """No thread of a question outlives its test."""
    yield
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if not any(t.name == "grok-rt-submit" for t in threading.enumerate()):
            return
        time.sleep(0.01)
    pytest.fail("a question is still being asked")
