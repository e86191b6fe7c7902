"""The simulated voice."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from virtual_talk import Talk, names, only

from grok_rt.audio import PCMA, PCMU, SHIPPED, AudioClip, AudioFormat, pcm16
from grok_rt.simulator import Script, voice
from grok_rt.simulator.ears import Ears

Speak = Callable[..., bytes]
SENTENCE = "How warm is it in Oslo today?"
BUILT_IN = ["Ara", "Eve", "Leo", "Rex", "Sal"]


@pytest.fixture(params=["espeak-ng", "shipped"])
def speak(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Speak:
    """Speak with nothing in the cache."""
    if request.param == "shipped":
        monkeypatch.setenv("PATH", "")
    elif not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    monkeypatch.setattr(voice, "_studio", voice._Studio())
    return voice.speak


@pytest.mark.parametrize("form", [pcm16(8000), pcm16(24000), pcm16(48000), PCMU, PCMA], ids=str)
def test_formats(speak: Speak, form: AudioFormat) -> None:
    """A sentence takes about its time in every format, can be heard, and is speech."""
    clip = AudioClip(speak(SENTENCE, form), form)
    assert 1.0 < clip.duration < 4.0
    assert clip.level() > -40
    linear = pcm16(form.sample_rate)
    assert any(edge.speaking for edge in Ears(form.sample_rate).hear(clip.to(linear).data))


def test_speed(speak: Speak) -> None:
    """The speeds that the service allows make speech as much shorter, or longer."""
    text, form = "A sentence of several words, spoken more than once.", pcm16()
    slow, normal, fast = (len(speak(text, form, speed=speed)) for speed in (0.7, 1.0, 1.5))
    assert slow / normal == pytest.approx(1 / 0.7, rel=0.2)
    assert fast / normal == pytest.approx(1 / 1.5, rel=0.2)


def test_voices(speak: Speak) -> None:
    """Each built-in voice sounds different, whatever its case; so do two custom ones."""
    sounds = {speak(SENTENCE, PCMU, voice=name) for name in [*BUILT_IN, "a1b2c3d4", "d4c3b2a1"]}
    assert len(sounds) == 7
    assert speak(SENTENCE, PCMU, voice="xai_ara") == speak(SENTENCE, PCMU, voice="ARA")
    assert speak(SENTENCE, PCMU) == speak(SENTENCE, PCMU, voice="Ara")


def test_no_two_built_in_voices_are_alike() -> None:
    """All the voices of the service can be told apart, and a custom one keeps its own."""
    assert len({voice.timbre(name) for name in voice._BUILT_IN}) == len(voice._BUILT_IN)
    assert voice.timbre("a1b2c3d4") == voice.timbre("A1B2C3D4") != voice.timbre("a1b2c3d5")


@pytest.mark.parametrize("text", ["", "...", " \n", "?!"])
def test_no_words(text: str) -> None:
    """A text without words is a moment of silence."""
    assert voice.speak(text, PCMU) == PCMU.silence(100)
    assert voice.is_ready(text)


def test_options_are_no_text(speak: Speak) -> None:
    """A text that looks like an option of the program is spoken."""
    assert pcm16().duration(speak("--version", pcm16())) < 3


def test_a_shipped_sentence_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without espeak-ng, a sentence that is shipped is spoken once; others take their time."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(voice, "_studio", voice._Studio())
    form = pcm16(16000)
    assert form.duration(voice.speak(SHIPPED["heard"], form)) < 1.2
    assert 9 < form.duration(voice.speak("Ten words or so that no file has said. " * 5, form)) < 20


# --- beside the session's clock --------------------------------------------------------


@contextlib.contextmanager
def programs(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> Iterator[list[Any]]:
    """Run `command` in place of espeak-ng; yields the processes."""
    started: list[Any] = []
    real = subprocess.Popen

    def start(_: list[str], **options: Any) -> Any:
        started.append(real(command, **options))
        return started[-1]

    monkeypatch.setattr(voice.subprocess, "Popen", start)
    monkeypatch.setattr(voice, "_studio", voice._Studio())
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_it_begins_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """`begin` starts a synthesis, once, and `speak` takes what it has made."""
    with programs(monkeypatch, ["sleep", "60"]) as started:
        began = time.monotonic()
        for _ in range(3):
            voice.begin(SENTENCE, voice="Eve")
        assert time.monotonic() - began < 30
        assert len(started) == 1
        assert not voice.is_ready(SENTENCE, voice="Eve")
        started[0].kill()  # which is the end of waiting, too
        assert AudioClip(voice.speak(SENTENCE, PCMU, voice="Eve"), PCMU).duration > 1
        assert voice.is_ready(SENTENCE, voice="Eve")
        assert len(started) == 1


def test_a_session_goes_on_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response begins while its words are being synthesised; they are needed later."""
    with programs(monkeypatch, ["sleep", "60"]) as started:
        talk = Talk(Script().says(SENTENCE), latency=5)
        talk.write("Hm?")
        created = talk.send("response.create") + talk.wait(4)
        assert names(created) == ["response.created"]
        (synthesis,) = started
        assert synthesis.poll() is None
        synthesis.kill()
        assert only(talk.wait(9), "response.output_audio.delta")


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more syntheses run ahead than `AT_ONCE`, and none longer than `TIMEOUT`."""
    monkeypatch.setattr(voice, "TIMEOUT", 0.05)
    with programs(monkeypatch, ["sleep", "60"]) as started:
        for number in range(20):
            voice.begin(f"Sentence {number}")
        assert len(started) == voice.AT_ONCE
        assert voice.speak("Sentence 0", PCMU)
        assert started[0].returncode is not None
        for number in range(20):
            voice.speak(f"Another {number}", PCMU)
        assert all(process.poll() is not None for process in started)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest sounds are kept, up to `KEPT` bytes."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(voice, "_studio", studio := voice._Studio())
    monkeypatch.setattr(voice, "KEPT", 100_000)
    for number in range(9):
        voice.speak(f"Sentence number {number}", PCMU)
    assert studio._size == sum(map(len, studio._sounds.values())) <= 100_000
    assert 1 < len(studio._sounds) < 9
    assert [line.text for line, _ in studio._sounds][-1] == "Sentence number 8"


def test_threads_share_it(speak: Speak) -> None:
    """Threads that want the same words get the same sound."""
    sounds: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: sounds.append(speak(SENTENCE, PCMU))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sounds) == 4
    assert len(set(sounds)) == 1


def test_a_program_ends_with_nothing_left() -> None:
    """What is still being said when the program ends is ended too, and no file stays open."""
    code = "from grok_rt.simulator import voice\nvoice.begin('A long sentence. ' * 2000)\n"
    command = [sys.executable, "-X", "dev", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_was_given_up_can_be_asked_for(speak: Speak) -> None:
    """A synthesis that had to make room, and is wanted after all, gives a sound."""
    synthesis = voice._studio._synthesis(voice._Line(SENTENCE, 1.0, voice.timbre("")))
    synthesis.give_up()
    assert synthesis.is_ready
    assert synthesis.clip().duration > 1.0


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Acme Tel and acme", "Ack-me Tell and Ack"),
        ("Acmeology", "Acmeology"),
        ("C++ rocks", "see plus plus rocks"),
        ("nothing here", "nothing here"),
    ],
)
def test_pronounced(text: str, spoken: str) -> None:
    """Whole words are replaced, whatever their case, the longest match first."""
    replacements = {"Acme": "Ack", "acme tel": "Ack-me Tell", "C++": "see plus plus"}
    assert voice.pronounced(text, replacements) == spoken
    assert voice.pronounced(text, {}) == text
