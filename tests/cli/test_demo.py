"""`grok-rt demo` as a user runs it, and every mistake one sentence."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
import wave
from pathlib import Path

import pytest
from commands import SENTENCE, run

import grok_rt
from grok_rt import AudioClip, pcm16
from grok_rt.cli import main
from grok_rt.simulator import Simulator

PYTHON = str(Path(sys.executable).parent)


@pytest.mark.parametrize("path", [os.environ["PATH"], PYTHON], ids=["as is", "without espeak"])
def test_the_demo(path: str) -> None:
    """A spoken question, a function call, a spoken answer of the length it prints; no key."""
    began = time.monotonic()
    done = run("demo", PATH=path, GROK_RT_URL="")  # as good as none
    assert time.monotonic() - began < 15
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "you   What is the weather in Oslo?" in done.stdout
    assert 'tool  weather({"city":"Oslo"})' in done.stdout
    assert "grok  It is 3 degrees in Oslo, with light sleet." in done.stdout
    told = re.search(r"answer\.wav: ([\d.]+) s of speech, 24000 Hz mono", done.stdout)
    assert told
    answer = AudioClip.open("answer.wav")
    assert answer.duration == pytest.approx(float(told[1]), abs=0.01)
    assert answer.duration > 1
    assert -40 < answer.level() < -5
    with wave.open("answer.wav") as independent:
        assert independent.getframerate() == 24000
    sent, received = map(int, re.findall(r"sent / received +(\d+) / (\d+)", done.stdout)[0])
    assert sent > 100
    assert received > 20


def test_the_demo_with_a_recording_and_a_server_of_ones_own() -> None:
    """`--file`, `--out` and `--url` are what they say; the key goes to that server."""
    AudioClip.open(_data("weather.wav"))[0:0.6].save("mine.wav")
    with Simulator(api_key="the-key") as server:
        options = ("--file", "mine.wav", "--out", "out.wav", "--url", server.url)
        done = run("demo", *options, XAI_API_KEY="the-key")
    assert done.returncode == 0, done.stderr
    assert "simulator at" not in done.stdout
    assert re.search(r"I heard \d\.\d seconds of speech", done.stdout)
    assert AudioClip.open("out.wav").duration > 0.5
    assert "the-key" not in done.stdout + done.stderr


def _data(name: str) -> Path:
    return Path(grok_rt.__file__).parent / "data" / name


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _silence() -> str:
    AudioClip(bytes(48000), pcm16()).save("silence.wav")
    return "silence.wav"


def _nothing() -> str:
    AudioClip(b"", pcm16()).save("nothing.wav")
    return "nothing.wav"


def _text() -> str:
    Path("text.wav").write_text("Is this a sound?")
    return "text.wav"


MISTAKES = {
    "no such file": (lambda: ("--file", "missing.wav"), "missing.wav"),
    "no sound file": (lambda: ("--file", _text()), "text.wav"),
    "a folder": (lambda: ("--file", "."), "'.'"),
    "silence": (lambda: ("--file", _silence()), "nothing but silence"),
    "nothing": (lambda: ("--file", _nothing()), "nothing.wav"),
    "nobody there": (lambda: ("--url", f"ws://127.0.0.1:{_closed_port()}"), "127.0.0.1"),
    "no address": (lambda: ("--url", "nonsense"), "wss://"),
    "no key": (lambda: ("--url", "wss://grok.example/"), "XAI_API_KEY"),
    "no such folder": (lambda: ("--out", "missing/answer.wav"), "missing/answer.wav"),
    "out is a folder": (lambda: ("--out", "."), "--out"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, one line on stderr that names what was wrong, and no answer."""
    make, named = MISTAKES[mistake]
    assert main(["demo", *make()]) == 1
    stderr = capsys.readouterr().err
    assert SENTENCE.fullmatch(stderr), stderr
    assert named in stderr
    assert not Path("answer.wav").exists()


def test_a_wrong_key_is_one_sentence() -> None:
    """The service's refusal names the key's source, never the key."""
    with Simulator(api_key="the right one") as server:
        done = run("demo", "--url", server.url, XAI_API_KEY="canary-4711")
    assert done.returncode == 1
    assert SENTENCE.fullmatch(done.stderr)
    assert "canary-4711" not in done.stderr + done.stdout
