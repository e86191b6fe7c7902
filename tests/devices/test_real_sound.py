"""A conversation through a real sound server: what comes out of the loudspeaker, and when.

PulseAudio plays and records, PortAudio gets there by ALSA, the simulator is the service. What was
said, heard and cut is measured in the recording of the virtual loudspeaker, on its own clock.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from callers import SOON
from matching import find, samples
from sound_server import RATE, SoundServer, missing, without_gaps

from grok_rt import AudioClip, pcm16
from grok_rt.simulator import Script, Simulator, voice

LACKS = missing()
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(LACKS), reason=f"not installed: {LACKS}"),
]

ROOT = Path(__file__).parents[2]
ALLOWED = 0.06  # seconds
LOUD = 100  # of 32768

CONVERSATION = """
import json, sys, threading, time
from pathlib import Path
from grok_rt import GrokClient, events
from grok_rt.devices import Speaker, talk

url, folder = sys.argv[1:]
grok, sound, speaker = GrokClient("key", url=url), {}, Speaker(jitter=0.3)

def tell(*what):
    sys.stdout.write(json.dumps(what) + "\\n")  # at once: several threads tell

@grok.on_audio
def keep(event):
    if event.item_id not in sound:
        tell("speaks", event.item_id)
    sound.setdefault(event.item_id, bytearray()).extend(event.audio)

@grok.on_speech_started
def started(event):
    if call.is_speaking:
        tell("stop", time.monotonic())

@grok.on(events.Interrupted)
def cut(event):
    tell("cut", event.item_id, event.played_ms)

with talk(grok, speaker=speaker, headphones=True) as call:
    threading.Thread(target=lambda: (sys.stdin.readline(), call.stop()), daemon=True).start()
    tell("ready")
    for turn in call:
        tell("turn", turn.role, turn.text, turn.item_id, turn.interrupted)
for item_id, pcm in sound.items():
    Path(folder, item_id).write_bytes(pcm)
tell("end", speaker.underruns)
"""


class Told:
    """What a program tells, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[list[Any]] = []
        self._process = process

    def __call__(self, *words: object) -> list[Any]:
        """The next line that begins with these words."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self.lines.append(told)
            if told[: len(words)] == list(words):
                return told
        raise AssertionError(f"no {words} after {self.lines}: {self._process.stderr.read()}")


@attrs.frozen
class Talked:
    """A conversation that was held, and recorded."""

    told: list[list[Any]]
    sent: dict[str, np.ndarray]
    heard: np.ndarray
    began: float

    def only(self, *words: object) -> list[Any]:
        (line,) = [line for line in self.told if line[: len(words)] == list(words)]
        return line


def said(text: str) -> AudioClip:
    return AudioClip(voice.speak(text, pcm16(RATE)), pcm16(RATE))


def hold(server: SoundServer, folder: Path) -> Talked:
    """Two questions; the second answer is interrupted by a third one."""
    script = (
        Script()
        .hears("Is it warm?")
        .says("It is three degrees, with light sleet, and wind.")
        .hears("And tomorrow?")
        .says("One thousand two hundred thirty four million five hundred sixty seven thousand.")
        .hears("Thanks!")
        .says("All right.")
    )
    folder.mkdir()
    # At such a pace, and with so much collected first, no stall of the simulator's is heard: it is
    # the loudspeaker that is measured.
    with Simulator(script, pace=100) as service, server.listening() as recording:
        with server.program("-c", CONVERSATION, service.url, str(folder)) as process:
            until = Told(process)
            until("ready")
            server.speak(said("Warm?"))
            until("turn", "assistant")
            server.speak(said("Tomorrow?"))
            until("speaks")
            recording.wait(recording.seconds + 1.0)
            server.speak(said("Thanks"))
            until("turn", "assistant")
            until("turn", "assistant")
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            until("end")
            assert process.wait(SOON) == 0
        recording.wait(time.monotonic() - recording.began)  # it lags behind what sounds
        return Talked(
            until.lines,
            {path.name: samples(path.read_bytes()) for path in folder.iterdir()},
            samples(recording.data),
            recording.began,
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    with SoundServer(tmp_path_factory.mktemp("pulse")).running() as running:
        yield running


@pytest.fixture(scope="module")
def talked(server: SoundServer, tmp_path_factory: pytest.TempPathFactory) -> Talked:
    """A conversation, held again where the machine had no time for it."""
    folder = tmp_path_factory.mktemp("talked")
    talked = hold(server, folder / "0")
    for attempt in "12":
        if talked.only("end") != ["end", 0]:  # the device ran dry
            talked = hold(server, folder / attempt)
    return talked


def test_what_was_sent_is_what_is_heard(talked: Talked) -> None:
    """Each answer that was not cut comes out of the loudspeaker as it was sent, without a gap."""
    whole = [line[3] for line in talked.told if line[:2] == ["turn", "assistant"] and not line[4]]
    assert len(whole) == 2
    for item_id in whole:
        match = find(talked.sent[item_id], talked.heard, RATE)
        assert match.likeness >= 0.95
        assert match.longest_gap <= 0.02


def test_an_interruption_silences_the_loudspeaker(talked: Talked) -> None:
    """60 ms after the user was heard to speak, the loudspeaker is silent."""
    _, at = talked.only("stop")
    stop = round((at - talked.began) * RATE)
    before = talked.heard[stop - RATE // 2 : stop]
    after = talked.heard[stop + round(ALLOWED * RATE) : stop + RATE // 4]
    assert np.abs(before).max() > LOUD
    assert np.abs(after).max() < LOUD


def test_what_was_heard_is_known(talked: Talked) -> None:
    """At the interruption the heard position is that of the loudspeaker, within 60 ms."""
    _, at = talked.only("stop")
    _, item_id, played_ms = talked.only("cut")
    stop = round((at - talked.began) * RATE)
    last = talked.heard[stop - RATE // 4 : stop]
    place = find(last, talked.sent[item_id], RATE).at + 0.25
    assert played_ms / 1000 == pytest.approx(place, abs=ALLOWED)
    assert 0.5 < played_ms / 1000 < len(talked.sent[item_id]) / RATE - 0.5


def test_the_turns_of_a_conversation(talked: Talked) -> None:
    """The talk gave each turn once it was over, in order, and told which was cut."""
    turns = [(line[1], line[4]) for line in talked.told if line[0] == "turn"]
    assert turns == [
        ("user", False),
        ("assistant", False),
        ("user", False),
        ("assistant", True),
        ("user", False),
        ("assistant", False),
    ]
    texts = [line[2] for line in talked.told if line[:2] == ["turn", "user"]]
    assert texts == ["Is it warm?", "And tomorrow?", "Thanks!"]


DEVICES = """
import json, sys
from grok_rt.audio import AudioClip, pcm16
from grok_rt.devices import Microphone, Speaker, list_devices

def tell(*what):
    sys.stdout.write(json.dumps(what) + "\\n")

tell("devices", [device.name for device in list_devices()])
tone = AudioClip.from_samples([9000, 9000, -9000, -9000] * 2400, 16000)
with Microphone("head", pcm16(16000)) as microphone, Speaker("headset", pcm16(16000)) as speaker:
    speaker.write(tone.data)
    while speaker.played < tone.duration:
        microphone.read(640)
    tell("played", speaker.played, speaker.underruns)
    loudest = -99
    tell("listening")
    while loudest < -30:
        loudest = max(loudest, AudioClip(microphone.read(3200), microphone.format).level())
    tell("heard", microphone.format.sample_rate)
lost = []
with Speaker(on_lost=lambda error: tell("lost", str(error))) as speaker, Microphone() as microphone:
    tell("unplug")
    try:
        while microphone.read(640):
            pass
    except ValueError as error:
        tell("lost", str(error))
    sys.stdin.readline()
"""


def test_devices_by_name_and_without(tmp_path: Path) -> None:
    """Named devices play and record, all of it; one that goes away is told."""
    with SoundServer(tmp_path).running() as server, server.listening() as recording:
        with server.program("-c", DEVICES) as process:
            until = Told(process)
            assert {"default", "headset"} == set(until("devices")[1])
            assert until("played")[1] == 0.6
            until("listening")
            server.speak(said("Can you hear me?"))
            assert until("heard")[1] == 16000
            recording.wait(time.monotonic() - recording.began)
            until("unplug")
            server.control("unload-module", "module-null-sink")
            lost = {until("lost")[1] for _ in range(2)}
        heard = samples(recording.data)
    assert lost == {
        "the microphone 'default' is gone: was it unplugged?",
        "the speaker 'default' is gone: was it unplugged?",
    }
    loud = np.flatnonzero(np.abs(heard) > LOUD)
    assert (loud[-1] - loud[0]) / RATE == pytest.approx(0.6, abs=0.02)


FOREGROUND = """
import sys, threading
from grok_rt import GrokClient
from grok_rt.devices import talk

client = GrokClient("key", url=sys.argv[1])
try:
    for turn in talk(client):
        print(turn.role, flush=True)
except KeyboardInterrupt:
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("grok-rt")]
    print("interrupted", client.state, left)
"""


def test_ctrl_c_ends_a_conversation(server: SoundServer) -> None:
    """Ctrl+C in the middle of an answer rises from the loop; client and devices are closed."""
    script = (
        Script().hears("Well?").says("This is going to be a long answer, longer than you think.")
    )
    with Simulator(script) as service, server.program("-c", FOREGROUND, service.url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        server.wait_for_listener()
        server.speak(said("Well?"))
        assert process.stdout.readline() == "user\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SOON)
    assert (out, without_gaps(err)) == ("interrupted closed []\n", "")
    assert process.returncode == 0


BACKGROUND = """
import sys
from grok_rt import GrokClient
from grok_rt.devices import talk

call = talk(GrokClient("key", url=sys.argv[1]))
call.wait(0.3)
print(call.is_speaking)
"""


def test_a_program_may_end_in_the_middle(server: SoundServer) -> None:
    """A talk that goes on in the background does not keep the program from ending."""
    with Simulator() as service, server.program("-c", BACKGROUND, service.url) as process:
        out, err = process.communicate(timeout=SOON)
    assert (process.returncode, out, without_gaps(err)) == (0, "False\n", "")


def test_the_command_line(server: SoundServer) -> None:
    """`grok-rt devices` lists, `grok-rt talk` prints the turns, and Ctrl+C hangs up."""
    with server.program("-m", "grok_rt", "devices") as listing:
        out, err = listing.communicate(timeout=SOON)
    assert (listing.returncode, without_gaps(err)) == (0, "")
    assert "headset (ALSA)" in out
    assert out.count("*") == 2
    script = Script().hears("Anybody?").says("Me.")
    command = ("-m", "grok_rt", "talk", "--url")
    with Simulator(script) as service, server.program(*command, service.url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "default → Grok → default; speak, Ctrl+C hangs up\n"
        server.speak(said("Anybody?"))
        assert process.stdout.readline() == "you   Anybody?\n"
        assert process.stdout.readline() == "grok  Me.\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SOON)
    assert (process.returncode, without_gaps(err)) == (0, "")


def test_the_example(server: SoundServer) -> None:
    """`examples/talk.py` holds a conversation until somebody says goodbye."""
    script = Script().hears("I must leave.").says("Goodbye!")
    path = str(ROOT / "examples" / "talk.py")
    with Simulator(script) as service:
        told = {"GROK_RT_URL": service.url, "XAI_API_KEY": "key"}
        with server.program(path, **told) as process:
            server.wait_for_listener()
            server.speak(said("I must leave."))
            out, err = process.communicate(timeout=SOON)
    assert (process.returncode, without_gaps(err)) == (0, "")
    assert out.splitlines()[-1] == "assistant: Goodbye!"
