"""A conversation in one call, without a sound: sources and sinks of the test's, a server in memory.

The same through real devices is in `test_real_sound.py`.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from callers import call_in_thread
from fake_portaudio import Pretend
from scripted import GREETING, SOON, ScriptedTransport

from grok_rt import GrokClient, SessionConfig, events
from grok_rt.audio import PCMU, AudioClip, pcm16, shipped
from grok_rt.devices import Microphone, Speaker, Talk, talk
from grok_rt.errors import (
    AudioError,
    ConcurrencyError,
    ConfigError,
    ConnectFailed,
    ConnectionClosedError,
)
from grok_rt.simulator import Script, Simulator
from grok_rt.streams import AudioQueue, ClipSource, IteratorSource, NullSink

HEADSET = ("Headset", 1, 1)
STARTED = {"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 0}


class Service:
    """A server that is the test, and a client of it."""

    def __init__(self, **options: Any) -> None:
        self.line = ScriptedTransport()
        self.line.answers = self.line.confirm_updates
        self.line.hears(*GREETING)
        options = {"config": SessionConfig.telephony(), **options}
        self.client = GrokClient("key", transport=lambda *_: self.line, **options)
        self.mic = AudioQueue(self.client.config.input_audio_format)
        self.heard = AudioQueue(self.client.config.output_audio_format)

    def talk(self, **options: Any) -> Talk:
        return talk(self.client, self.mic, self.heard, **options)

    def says(self, seconds: float, response: str = "r", item: str = "a") -> None:
        sound = base64.b64encode(b"\1" * round(8000 * seconds)).decode()
        self.hears(
            {"type": "response.created", "response": {"id": response}},
            {
                "type": "response.output_audio.delta",
                "response_id": response,
                "item_id": item,
                "delta": sound,
            },
        )

    def ends(self, response: str = "r") -> None:
        output = [{"type": "message", "id": "a", "role": "assistant"}]
        done = {"id": response, "status": "completed", "output": output}
        self.hears({"type": "response.done", "response": done})

    def hears(self, *messages: dict[str, Any]) -> None:
        """Let the client take messages; returns when all have heard them."""
        with self.client.expect(events.UnknownEvent, timeout=SOON):
            self.line.hears(*messages, {"type": "test.mark"})

    def sent(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.line.events if event["type"] == kind]

    def sound(self) -> bytes:
        return b"".join(
            base64.b64decode(event["audio"]) for event in self.sent("input_audio_buffer.append")
        )

    def waits_for_sound(self, sound: bytes) -> None:
        self.line.wait(lambda _: sound in self.sound())


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.mic.close()
    service.client.close(timeout=0.1)


def test_a_conversation_in_one_call() -> None:
    """A loop over `talk` is a conversation; leaving it closes the client and leaves no thread."""
    script = Script().hears("How warm is it?").says("Three degrees.")
    with Simulator(script) as server:
        client = GrokClient("key", url=server.url)
        said = []
        for turn in talk(client, ClipSource(shipped("check")[0:0.5]), NullSink(pcm16())):
            said.append((turn.role, turn.text))
            if turn.role == "assistant":
                break
        assert said == [("user", "How warm is it?"), ("assistant", "Three degrees.")]
        assert client.state == "closed"
    assert not [t for t in threading.enumerate() if t.name == "grok-rt-talk"]


def test_in_the_background(service: Service) -> None:
    """A talk goes on by itself, tells what it does, and can be ended from any thread, again too."""
    with service.talk() as call:
        assert "going on" in repr(call)
        assert not call.wait(0.01)
        assert call.heard("a") is None
        service.says(0.5)
        assert call.is_speaking
        assert len(service.heard.read(800)) == 800
        heard = call.heard("a")
        assert heard is not None
        assert (heard.heard_ms, heard.received_ms) == (pytest.approx(100), 500)
        service.mic.close()
        call_in_thread(call.stop).result(SOON)
        call.stop()
        assert call.wait(SOON)
    assert "stopped" in repr(call)
    assert [turn.item_id for turn in call] == ["a"]
    assert len(list(call.conversation)) == 1
    assert len(service.heard) == 0
    assert service.client.state == "closed"


@pytest.mark.parametrize("thing", ["question.wav", b"", shipped("check"), 3])
def test_what_is_no_end_of_a_stream(service: Service, thing: Any) -> None:
    """A path, bytes or a clip in place of a source or a sink: told at once, by what to use."""
    with pytest.raises(TypeError, match=rf"FileSource\(path\), not {type(thing).__name__}"):
        talk(service.client, thing, service.heard)
    with pytest.raises(TypeError, match=rf"Speaker\('headset'\).* not {type(thing).__name__}"):
        talk(service.client, service.mic, thing)
    assert service.client.state == "new"


def test_the_microphone_goes_to_the_service(service: Service) -> None:
    """What the source gives is sent as it is, in order; with `mute` and `pause` it is silence."""
    with service.talk(headphones=True) as call:
        service.mic.write(b"\1" * 160)
        service.waits_for_sound(b"\1" * 160)
        call.mute()
        service.mic.write(b"\2" * 160)
        service.waits_for_sound(b"\1" * 160 + b"\xff" * 160)
        call.mute(False)
        call.pause()
        service.mic.write(b"\3" * 160)
        service.waits_for_sound(b"\xff" * 320)
        call.resume()
        service.mic.write(b"\4" * 160)
        service.waits_for_sound(b"\xff" * 320 + b"\4" * 160)
        service.mic.close()


def test_telephone_sound_is_untouched(service: Service) -> None:
    """µ-law in, µ-law out: no byte is changed on either way."""
    every = bytes(range(256)) * 5
    with service.talk(headphones=True):
        service.mic.write(every)
        service.waits_for_sound(every)
        service.mic.close()


def test_other_sound_is_converted() -> None:
    """A source of another format than the session's becomes the session's."""
    service = Service()
    source = ClipSource(AudioClip.from_samples([8000] * 4800, 24000))
    with talk(service.client, source, service.heard, headphones=True):
        service.line.wait(lambda _: len(service.sound()) > 8000 * 0.3)
    assert AudioClip(service.sound(), PCMU).samples()[800] == pytest.approx(8000, rel=0.05)


def test_half_duplex_by_default(service: Service) -> None:
    """While we speak the service hears silence: it cannot take us for the user."""
    with service.talk():
        service.says(2.0)
        service.mic.write(b"\1" * 160)
        service.waits_for_sound(b"\xff" * 160)
        assert b"\1" not in service.sound()
        service.mic.close()


def test_an_interruption_is_told_with_what_was_heard(service: Service) -> None:
    """The sink is silent, the service learns how much was heard, and an answer is not needed."""
    cuts = []
    service.client.on(events.Interrupted)(cuts.append)
    with service.talk(headphones=True):
        service.says(1.0)
        service.ends()
        assert len(service.heard.read(2400)) == 2400
        service.hears(STARTED)
        assert len(service.heard) == 0
        service.line.wait(lambda line: "conversation.item.truncate" in line.types)
        (truncate,) = service.sent("conversation.item.truncate")
        assert (truncate["item_id"], truncate["audio_end_ms"]) == ("a", 300)
        assert service.sent("response.cancel") == []  # it was over
        error = {"type": "invalid_request_error", "event_id": truncate["event_id"], "message": "?"}
        service.hears({"type": "error", "error": error})
        service.says(0.5, "next", "b")
        assert len(service.heard) == 4000
        service.mic.close()
    assert cuts == [events.Interrupted(None, "a", 300)]


def test_a_response_that_still_speaks_is_cancelled(service: Service) -> None:
    """What is cut while it is being sent is cancelled, and what still comes of it is dropped."""
    with service.talk(headphones=True):
        service.says(1.0)
        service.hears(STARTED)
        service.line.wait(lambda line: "conversation.item.truncate" in line.types)
        (cancel,) = service.sent("response.cancel")
        assert cancel["response_id"] == "r"
        service.says(1.0)
        assert len(service.heard) == 0
        service.mic.close()


def test_a_later_response_is_left_alone(service: Service) -> None:
    """An interruption that is heard late does not end the response that answers it."""
    with service.talk(headphones=True):
        service.says(1.0)
        service.ends()
        created = {"type": "response.created", "response": {"id": "next"}}
        gate = threading.Event()
        service.client.on(events.InputAudioBufferSpeechStopped)(lambda _: gate.wait(SOON))
        stopped = {"type": "input_audio_buffer.speech_stopped", "item_id": "u", "audio_end_ms": 9}
        service.line.hears(stopped, STARTED, created)
        deadline = time.monotonic() + SOON
        while service.client._session.response_id != "next":
            assert time.monotonic() < deadline
            time.sleep(0.001)
        gate.set()
        service.line.wait(lambda line: "conversation.item.truncate" in line.types)
        assert service.sent("response.cancel") == []
        service.mic.close()


def test_who_interrupts_by_hand_is_heard(service: Service) -> None:
    """`client.interrupt()` silences the sink, and the service learns how much was heard."""
    with service.talk(headphones=True):
        service.says(1.0)
        assert len(service.heard.read(800)) == 800
        service.client.interrupt()
        service.line.wait(lambda line: "conversation.item.truncate" in line.types)
        (truncate,) = service.sent("conversation.item.truncate")
        assert truncate["audio_end_ms"] == 100
        assert len(service.heard) == 0
        service.mic.close()


def test_a_pause_holds_what_is_said(service: Service) -> None:
    """On hold nothing reaches the sink; `resume` lets it follow."""
    with service.talk() as call:
        call.pause()
        assert "paused" in repr(call)
        service.says(0.5)
        assert len(service.heard) == 0
        call.resume()
        assert len(service.heard) == 4000
        service.mic.close()


def test_two_talkers_on_one_speaker(service: Service) -> None:
    """Client, microphone and speaker are in one talk at a time; afterwards they are free."""
    other = Service()
    with service.talk():
        for parts in (
            (service.client, other.mic, other.heard),
            (other.client, service.mic, other.heard),
            (other.client, other.mic, service.heard),
        ):
            with pytest.raises(ConcurrencyError, match=r"is in another talk: stop\(\) that one"):
                talk(*parts)
        service.mic.close()
    assert other.client.state == "new"
    with talk(other.client, other.mic, service.heard):
        other.mic.close()


def test_a_client_that_is_pumped_already(service: Service) -> None:
    """A client that was started before is used as it is, and is not closed."""
    service.client.start()
    with service.talk():
        service.says(0.1)
        assert len(service.heard) == 800
        service.mic.close()
    assert service.client.state == "open"
    service.says(0.1, "s")
    assert len(service.heard) == 0


def test_it_is_found_again_after_a_lost_connection(service: Service) -> None:
    """Reconnecting is on in a talk, unless the client says no."""
    with service.talk():
        assert service.client._lifecycle.policy is not None
        service.mic.close()
    other = Service(reconnect=False)
    with other.talk():
        assert other.client._lifecycle.policy is None
        other.mic.close()


def test_the_connection_is_lost_for_good() -> None:
    """What was said is still heard, then iteration raises the cause; everything is free again."""
    service = Service(reconnect=False)
    call = service.talk()
    service.says(0.3)
    service.line.hears_close(1011, "broken")
    service.mic.close()
    with pytest.raises(ConnectionClosedError, match="broken"):
        list(call)
    assert isinstance(call.error, ConnectionClosedError)
    with pytest.raises(ConnectionClosedError):
        call.wait(SOON)
    with talk(Service().client, IteratorSource([], PCMU), service.heard) as again:
        assert not again.is_speaking


def test_the_session_ends_orderly(service: Service) -> None:
    """A talk without a loop frees its devices when the session ends."""
    call = service.talk()
    service.line.hears_close(1000)
    service.mic.close()
    assert call.wait(SOON)
    assert call.error is None


def test_a_source_that_fails(service: Service) -> None:
    """What a source raises ends the talk, and rises from the loop."""

    def broken() -> Iterator[bytes]:
        yield b"\1" * 160
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(talk(service.client, IteratorSource(broken(), PCMU), service.heard))
    assert service.client.state == "closed"


def test_what_cannot_begin_leaves_nothing(pretend: Pretend) -> None:
    """A wrong format, an unknown way, no device, no server: one error, and all is free again."""
    pretend(("Deaf", 0, 1), rates=(8000,))
    service = Service()
    with pytest.raises(AudioError, match="the session speaks"):
        talk(service.client, service.mic, NullSink(pcm16(48000)))
    with pytest.raises(ConfigError, match="echo is"):
        service.talk(echo="loud")
    deaf = Service()
    with pytest.raises(AudioError, match="no microphone"):
        talk(deaf.client)
    assert deaf.client.state == "closed"

    def refuse(*_: object) -> ScriptedTransport:
        raise ConnectFailed("nobody is there")

    lonely = GrokClient("key", config=SessionConfig.telephony(), transport=refuse)
    with pytest.raises(ConnectFailed, match="nobody is there"):
        talk(lonely, service.mic, service.heard)
    with Service().talk() as call:
        call._mic.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["microphone", "speaker"])
def test_an_unplugged_device_ends_the_talk(
    kind: str, pretend: Pretend, caplog: pytest.LogCaptureFixture
) -> None:
    """It is an event for `on_error`, an error of the loop, and `on_lost` of the user is called."""
    fake = pretend(HEADSET, rates=(8000,))
    caplog.set_level(logging.CRITICAL)
    service, told, failures = Service(), [], []
    service.client.on_error(failures.append)
    service.client.start()
    speaker = Speaker(on_lost=told.append)
    call = talk(service.client, Microphone(), speaker)
    stream = fake.streams[1 if kind == "microphone" else 0]
    with service.client.expect(events.DeviceLost, timeout=SOON) as lost:
        stream.options["finished_callback"]()
    assert lost.event is not None
    assert (lost.event.kind, lost.event.device, lost.event.code) == (kind, "Headset", "device_lost")
    assert failures == [lost.event]
    with pytest.raises(AudioError, match=f"{kind} 'Headset' is gone"):
        list(call)
    assert len(told) == (kind == "speaker")
    assert [stream.state for stream in fake.streams] == ["closed", "closed"]
    service.client.close()


def test_devices_that_were_open_stay_open(pretend: Pretend) -> None:
    """`talk` closes what it has opened, and nothing else; the session's formats are theirs."""
    fake = pretend(HEADSET, rates=(8000,))
    service = Service()
    with Microphone(format=PCMU) as mic, Speaker(format=PCMU) as speaker:
        with talk(service.client, mic, speaker, echo="duck") as call:
            call.pause()
            call.resume()
        assert mic.is_open
        assert speaker.is_open
    assert [stream.state for stream in fake.streams] == ["closed", "closed"]
    other = Service()
    with talk(other.client):
        assert [stream.state for stream in fake.streams[2:]] == ["started", "started"]
    assert [stream.state for stream in fake.streams[2:]] == ["closed", "closed"]


def test_sound_that_was_lost_is_told(pretend: Pretend, caplog: pytest.LogCaptureFixture) -> None:
    """A microphone that was not read in time is a warning, and an `AudioDropped` event."""
    fake = pretend(HEADSET, rates=(8000,))
    service = Service()
    service.client.start()
    with talk(service.client):
        record = fake.streams[1].options["callback"]
        with service.client.expect(events.AudioDropped, timeout=SOON) as dropped:
            record(bytes(2 * 8000 * 3), 3 * 8000, None, None)
            record(bytes(2 * 800), 800, None, None)
    assert dropped.event == events.AudioDropped(ms=pytest.approx(3000))
    assert "not read in time" in caplog.text
    service.client.close()


def test_stopping_in_a_handler(service: Service) -> None:
    """A handler may end the talk that it is a part of."""
    call = service.talk()
    service.client.on(events.ResponseCreated)(lambda _: call.stop())
    service.line.hears({"type": "response.created", "response": {"id": "r"}})
    service.mic.close()
    assert call.wait(SOON)
    assert service.client.state == "closed"
