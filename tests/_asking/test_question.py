"""A question on its way: spoken, refused, or none at all."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flows
import pytest
from asking import KEY, MANUAL, PATIENT, client, scripted
from callers import until
from scripted import ScriptedTransport

from grok_rt import (
    PCMU,
    Answer,
    AudioClip,
    GrokClient,
    GrokToolDefinition,
    Reconnect,
    SessionConfig,
    TurnDetection,
    events,
    parts,
    pcm16,
)
from grok_rt._asking import question as _question
from grok_rt._wire import codec
from grok_rt._wire.framing import TEXT, Frame
from grok_rt.audio import shipped
from grok_rt.errors import (
    AudioError,
    ConnectionClosedError,
    DeadlineExceeded,
    SendQueueFull,
    ServerError,
)
from grok_rt.simulator import Peer, Script, Simulator
from grok_rt.streams import AudioQueue, IteratorSource

NULL = SessionConfig.wideband().with_turn_detection(TurnDetection.manual())


@pytest.fixture(scope="module")
def clip() -> AudioClip:
    """A short spoken question."""
    return shipped("question")


@pytest.mark.parametrize("config", [MANUAL, NULL], ids=["None", "type: null"])
def test_a_spoken_question_in_manual_mode(config: SessionConfig, clip: AudioClip) -> None:
    """It is sent at once and committed: no pace, no silence, and no `response.create`."""
    peer = Peer(latency=0, pace=math.inf)
    question = clip[0:0.5] + AudioClip(clip.format.silence(60_000), clip.format)
    with client(peer, config=config) as grok:
        answer = grok.ask(question, timeout=PATIENT)
    assert "seconds of speech" in answer.text
    sent = [e.audio for e in peer.received if isinstance(e, events.InputAudioBufferAppend)]
    assert len(b"".join(sent)) == len(question.data)
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
            answer = grok.ask(path, timeout=PATIENT)
            took = time.monotonic() - began
        assert answer.text == "I heard you."
        assert [turn.text for turn in answer.turns] == ["Hm?", "I heard you."]
        assert 1.0 < took < 10.0
        assert not any(isinstance(e, events.InputAudioBufferCommit) for e in server.received)


def test_a_patient_server_gets_more_silence(
    clip: AudioClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silence after the question outlasts what the server waits for, however long that is."""
    monkeypatch.setattr(_question, "_TAIL_MS", 500)
    patient = TurnDetection(silence_duration_ms=1000)
    config = SessionConfig.wideband().with_turn_detection(patient)
    peer = Peer(Script().says("Yes?"), latency=0, pace=math.inf)
    with client(peer, config=config) as grok:
        assert grok.ask(clip[0:0.5], timeout=PATIENT).text == "Yes?"
    sent = [e.audio for e in peer.received if isinstance(e, events.InputAudioBufferAppend)]
    assert len(b"".join(sent)) / 48000 > 0.5 + 1.0 - 0.3


def test_sound_of_another_format_is_converted(clip: AudioClip) -> None:
    """Whatever the clip is, the server hears the session's input format."""
    peer = Peer(latency=0, pace=math.inf)
    config = SessionConfig.telephony().with_turn_detection(None)
    with client(peer, config=config) as grok:
        grok.ask(clip.to(pcm16(16000)), timeout=PATIENT)
    (turn,) = peer.turns
    sent = [e for e in peer.received if isinstance(e, events.InputAudioBufferAppend)]
    assert sum(len(e.audio) for e in sent) == pytest.approx(clip.duration * 8000, rel=0.02)
    assert turn


@pytest.mark.parametrize("unheard", ["an answer", "an outage"])
def test_what_came_before_the_question_is_not_about_it(clip: AudioClip, unheard: str) -> None:
    """Though it is heard only then, because a handler was slow: it is about what was before."""
    transport = ScriptedTransport()
    behind, go_on = threading.Event(), threading.Event()

    def hears(*flow: events.Event) -> None:
        transport.hears(*(Frame(TEXT, codec.encode(event)) for event in flow))

    with scripted(transport, config=MANUAL).start() as grok:

        @grok.on(events.Ping)
        def slow(_event: events.Ping) -> None:
            behind.set()
            assert go_on.wait(PATIENT)

        hears(flows.ev("ping", timestamp=1))
        assert behind.wait(PATIENT)
        if unheard == "an answer":
            earlier = [flows.committed("u1"), *flows.reply("r1", "a1")]
            hears(*earlier)
            until(lambda: grok._inbox.qsize() == len(earlier))
        else:
            grok.tell(events.Reconnecting(attempt=1, delay=0.1))
        answer = grok.submit(clip[0:0.5], timeout=PATIENT)
        transport.wait(lambda t: "input_audio_buffer.commit" in t.types)
        go_on.set()
        hears(flows.committed("u2"), *flows.reply("r2", "a2"))
        assert [turn.item_id for turn in answer.result(PATIENT).turns] == ["a2"]
    assert transport.types.count("input_audio_buffer.commit") == 1


def test_a_file_that_is_no_sound(tmp_path: Path) -> None:
    """It is refused before anything is sent."""
    (tmp_path / "x.wav").write_text("no sound")
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        for path in ("x.wav", "missing.wav"):
            with pytest.raises(AudioError):
                grok.ask(tmp_path / path)
    assert transport.types == ["session.update"]


@pytest.mark.parametrize("latency", [0.5, 0.05])
def test_a_pause_does_not_end_a_spoken_question(clip: AudioClip, latency: float) -> None:
    """One answer, to the whole of it and not cut, though the server took the pause for the end."""
    pause = AudioClip(clip.format.silence(400), clip.format)
    question = clip[0:0.5] + pause + clip[0.5:1.0]
    config = SessionConfig.wideband().with_turn_detection(TurnDetection(silence_duration_ms=200))
    script = Script().says("A reply to the first half.").says("A whole reply.").says("And on.")
    heard: list[str] = []
    with (
        Simulator(script, latency=latency) as server,
        GrokClient(KEY, url=server.url, config=config) as grok,
    ):
        grok.on(events.ResponseCreated)(lambda e: heard.append(e.type))
        answer = grok.ask(question, timeout=PATIENT)
        assert (answer.text, answer.status) == ("A whole reply.", "completed")
        assert not answer.interrupted
        assert answer.turns[-1].audio == answer.audio.data
        assert answer.latency.first_audio is not None
        assert latency < answer.latency.first_audio < answer.latency.total < latency + 2
        assert len(heard) == 2
        assert grok.ask("Go on.", timeout=PATIENT).text == "And on."


def test_the_silence_in_a_clip_is_no_part_of_the_question(clip: AudioClip) -> None:
    """A reply that comes in the clip's own silence is the answer; it is not fed to its end."""
    silence = AudioClip(clip.format.silence(20_000), clip.format)
    with client(Script().says("Yes?")) as grok:
        answer = grok.ask(clip[0:0.5] + silence, timeout=3.0)
    assert answer.text == "Yes?"
    assert 0 < answer.latency.total < 2


@pytest.mark.parametrize("config", [None, MANUAL], ids=["vad", "manual"])
@pytest.mark.parametrize(
    "data", [b"", bytes(48000), b"\x10\x00\xf0\xff" * 1000], ids=["empty", "zeros", "quiet"]
)
def test_a_clip_that_is_silence(config: SessionConfig | None, data: bytes) -> None:
    """No server would answer it: refused before anything is sent."""
    transport = ScriptedTransport()
    with (
        scripted(transport, config=config) as grok,
        pytest.raises(AudioError, match="holds nothing but silence: "),
    ):
        grok.ask(AudioClip(data))
    assert transport.types == ["session.update"]


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
            grok.ask("?", timeout=PATIENT)
        assert caught.value.type == "invalid_request_error"
        assert grok.state == "open"


def test_the_name_of_a_sound_file_is_text_but_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever types the questions may mean the words; whoever wrote the program did not."""
    path = tmp_path / "question.wav"
    path.touch()
    with client(Peer(latency=0, pace=math.inf)) as grok:
        assert grok.ask(str(path), timeout=PATIENT).text == f"You said: {path}"
        grok.ask(f"What is {path}?", timeout=PATIENT)
    assert caplog.messages == [
        f"asking the text {str(path)!r}; Path({str(path)!r}) would ask that sound file"
    ]


@pytest.mark.parametrize(
    ("prompt", "timeout", "error", "says"),
    [
        ("?", math.nan, ValueError, "not NaN"),
        ("?", "5", TypeError, "a number of seconds or None, not '5'"),
        (None, 5, TypeError, "text, an AudioClip, a Path or a Source, not None"),
        (b"RIFF", 5, TypeError, "text, an AudioClip, a Path or a Source, not b'RIFF'"),
    ],
)
def test_what_cannot_be_asked(prompt: Any, timeout: Any, error: type[Exception], says: str) -> None:
    """An argument that makes no sense is refused in one sentence, and nothing is sent."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        with pytest.raises(error, match=says):
            grok.ask(prompt, timeout=timeout)
        assert isinstance(grok.submit(prompt, timeout=timeout).exception(PATIENT), error)
    assert transport.types == ["session.update"]


@pytest.mark.parametrize("searches", [False, True])
def test_a_call_of_what_nobody_declared(caplog: pytest.LogCaptureFixture, searches: bool) -> None:
    """The deadline's sentence names it, and one warning, unless the server has tools of its own."""
    transport = ScriptedTransport()
    config = SessionConfig.wideband()
    if searches:
        config = config.with_tools([GrokToolDefinition.web_search()])
    with scripted(transport, config=config) as grok:

        def call(event: dict[str, Any]) -> None:
            if event["type"] == "response.create":
                flow = [
                    flows.created("r1", event["response"]["metadata"]),
                    *flows.function_call("r1", "f", "nope"),
                    flows.done("r1", flows.item("f", "function_call", name="nope")),
                    flows.ev("ping", timestamp=1),
                ]
                transport.hears(*(Frame(TEXT, codec.encode(each)) for each in flow))

        transport.answers = call
        with pytest.raises(
            DeadlineExceeded, match=r"the call of 'nope', which this client did not declare, is the"
        ):
            grok.ask("?", timeout=1.0)
    told = [record.message for record in caplog.records if "nope" in record.message]
    assert len(told) == (0 if searches else 1)


def test_an_error_of_somebody_else_is_not_ours() -> None:
    """An error that names no event of the question leaves it waiting."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        transport.answers = lambda _: transport.hears(
            {"type": "error", "error": {"type": "x", "message": "y", "event_id": "other"}}
        )
        with pytest.raises(DeadlineExceeded):
            grok.ask("?", timeout=0.1)


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
            grok.ask(clip, timeout=PATIENT)
        ended.set()
        thread.join()


def test_a_feeder_that_fails(clip: AudioClip, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong while the sound is fed is the question's error, at once."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:

        def breaks(_pcm: bytes) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(grok, "send_audio", breaks)
        with pytest.raises(ZeroDivisionError):
            grok.ask(clip, timeout=None)


@pytest.mark.parametrize("config", [None, MANUAL], ids=["vad", "manual"])
def test_a_full_outbox_is_no_longer_than_the_deadline(
    config: SessionConfig | None, clip: AudioClip
) -> None:
    """However long `send_timeout` is: the sentence says that the question is still on its way."""
    transport = ScriptedTransport()
    with scripted(transport, send_timeout=60.0, config=config) as grok:
        transport.valve.clear()
        grok._lifecycle.connection()._outbox.maxsize = 2
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"in 0\.3 s: its sound has not all left; no re"):
            grok.ask(clip, timeout=0.3)
        assert time.monotonic() - began < 20
        transport.valve.set()
        until(lambda: "grok-rt-question" not in {t.name for t in threading.enumerate()})
    assert "input_audio_buffer.commit" not in transport.types


# --- a source of sound -------------------------------------------------------------------------


def chunks(clip: AudioClip, size: int = 1001) -> Iterator[bytes]:
    """Its bytes in pieces that end in the middle of anything."""
    for at in range(0, len(clip.data), size):
        yield clip.data[at : at + size]


@pytest.mark.parametrize("config", [None, MANUAL], ids=["vad", "manual"])
def test_a_source_is_asked(config: SessionConfig | None, clip: AudioClip) -> None:
    """It is read to its end, in whatever format it is, and the server hears the session's."""
    spoken = clip[0:0.8].to(PCMU)
    peer = Peer(Script().hears("Hm?").says("I heard you."), latency=0, pace=math.inf)
    with client(peer, config=config) as grok:
        answer = grok.ask(IteratorSource(chunks(spoken), PCMU), timeout=PATIENT)
    assert [turn.text for turn in answer.turns] == ["Hm?", "I heard you."]
    assert 0 <= answer.latency.total < PATIENT
    sent = [e.audio for e in peer.received if isinstance(e, events.InputAudioBufferAppend)]
    assert len(b"".join(sent)) / 48000 > 0.79
    kinds = [type(event) for event in peer.received]
    assert (events.InputAudioBufferCommit in kinds) is (config is MANUAL)


def test_a_source_that_another_thread_fills(clip: AudioClip) -> None:
    """In manual mode the question is what is written until the queue is closed."""
    peer = Peer(Script().says("I heard you."), latency=0, pace=math.inf)
    with client(peer, config=MANUAL) as grok, AudioQueue(clip.format) as speech:
        asked = grok.submit(speech, timeout=PATIENT)
        for chunk in chunks(clip[0:0.5], 4800):
            speech.write(chunk)
        until(lambda: any(isinstance(e, events.InputAudioBufferAppend) for e in peer.received))
        assert not any(isinstance(e, events.InputAudioBufferCommit) for e in peer.received)
        speech.close()
        assert asked.result(PATIENT).text == "I heard you."


def test_a_source_without_an_end(clip: AudioClip) -> None:
    """With turn detection the server says when it has heard enough; nothing more is read then."""
    silence = clip.format.silence(20)
    taken: list[bytes] = []

    def microphone() -> Iterator[bytes]:
        for chunk in itertools.chain(chunks(clip[0:0.5], 960), itertools.repeat(silence)):
            taken.append(chunk)
            yield chunk

    with client(Script().says("Yes?")) as grok:
        parts_ = list(grok.stream(IteratorSource(microphone(), clip.format), timeout=PATIENT))
        assert grok.state == "open"
    (answer,) = [part for part in parts_ if isinstance(part, Answer)]
    assert (answer.text, answer.status) == ("Yes?", "completed")
    assert "".join(part.text for part in parts_ if isinstance(part, parts.Text)) == "Yes?"
    before = len(taken)
    assert before < 500
    time.sleep(0.05)
    assert len(taken) == before


def test_a_source_that_goes_on_over_its_answer(clip: AudioClip) -> None:
    """Who speaks on after a pause is answered to all of it, though a reply had begun."""
    config = SessionConfig.wideband().with_turn_detection(TurnDetection(silence_duration_ms=200))
    pause = clip.format.silence(600)
    speech = [*chunks(clip[0:0.5], 960), pause, *chunks(clip[0.5:1.0], 960)]
    script = Script().says("A very long reply to the first half of it.").says("A whole reply.")
    with client(Peer(script, latency=0.05, pace=1), config=config) as grok:
        answer = grok.ask(IteratorSource(speech, clip.format), timeout=PATIENT)
    assert (answer.text, answer.status, answer.interrupted) == (
        "A whole reply.",
        "completed",
        False,
    )


@pytest.mark.parametrize("config", [None, MANUAL], ids=["vad", "manual"])
@pytest.mark.parametrize("data", [[], [bytes(48000)]], ids=["empty", "zeros"])
def test_a_source_of_silence(config: SessionConfig | None, data: list[bytes]) -> None:
    """Nobody would answer it: that is said as soon as it has ended."""
    with (
        client(config=config) as grok,
        pytest.raises(AudioError, match=r"IteratorSource .*nothing but silence: "),
    ):
        grok.ask(IteratorSource(data, pcm16()), timeout=None)


def test_a_source_that_fails(clip: AudioClip) -> None:
    """What it raises is raised by `ask`."""

    def breaks() -> Iterator[bytes]:
        yield clip.data[:9600]
        raise ZeroDivisionError

    with client() as grok:
        with pytest.raises(ZeroDivisionError):
            grok.ask(IteratorSource(breaks(), clip.format), timeout=PATIENT)
        assert grok.ask("Still there?", timeout=PATIENT).text == "You said: Still there?"


def test_a_source_cannot_be_asked_again(clip: AudioClip) -> None:
    """If the connection is lost while it is read, the answer is incomplete, at once."""
    transport = ScriptedTransport()
    with scripted(transport, reconnect=Reconnect(backoff=30.0)) as grok:
        silence = itertools.repeat(clip.format.silence(20))
        asked = grok.submit(IteratorSource(silence, clip.format), timeout=None)
        transport.wait(lambda t: "input_audio_buffer.append" in t.types)
        transport.hears(ConnectionClosedError(1006, "cut"))
        answer = asked.result(PATIENT)
    assert (answer.text, answer.status, answer.interrupted) == ("", "incomplete", True)


def test_a_session_that_ends_while_sound_is_fed(clip: AudioClip) -> None:
    """The feeder leaves it to the pump to say so."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:

        def end(event: dict[str, Any]) -> None:
            if event["type"] == "input_audio_buffer.append":
                transport.hears_close(4001)

        transport.answers = end
        with pytest.raises(ConnectionClosedError):
            grok.ask(clip, timeout=None)
