"""`grok-rt ask`: what is asked, what stdout gets, and every mistake one sentence."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, environment
from raw_peer import heard, listening

from grok_rt import AudioClip, pcm16
from grok_rt.audio import shipped
from grok_rt.cli import main
from grok_rt.simulator import Script, Simulator

Serving = Callable[..., Simulator]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WEATHER = '''
def weather(city: str) -> str:
    """Current weather for a city."""
    return f"It is 3 degrees in {city}."
'''


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_question_in_text(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe there is the answer, one line, and nothing beside it."""
    serving(Script().says("Because of Rayleigh scattering."))
    assert main(["ask", "Why is the sky blue?"]) == 0
    assert capsys.readouterr() == ("Because of Rayleigh scattering.\n", "")


def test_a_question_by_stdin(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dash reads the question from stdin, in UTF-8 wherever we are."""
    serving()
    stdin(monkeypatch, "Hvor er smørbrød?\n".encode())
    assert main(["ask", "-"]) == 0
    assert "Hvor er smørbrød?" in capsys.readouterr().out


def test_a_question_in_sound(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """A sound file is asked, and the spoken answer saved."""
    serving(Script().hears("What?").says("That is all."))
    shipped("question")[0:0.8].save("question.wav")
    assert main(["ask", "--file", "question.wav", "--out", "answer.wav"]) == 0
    assert capsys.readouterr() == ("That is all.\n", "")
    assert AudioClip.open("answer.wav").duration > 0.3


def test_json_lines(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """What happens, one object a line, in order; the last one has all of the answer."""
    Path("weather.py").write_text(WEATHER)
    serving(
        Script()
        .hears("How is it?")
        .says("Let me look.")
        .calls("weather", city="Oslo")
        .says("{output}")
    )
    shipped("question")[0:0.8].save("question.wav")
    options = ["--json", "--tool", "weather.py:weather", "--file", "question.wav", "--out", "a.wav"]
    assert main(["ask", *options]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    question, *told, answer = lines(out)
    assert question == {"type": "heard", "text": "How is it?"}
    call, output = (each for each in told if each["type"] != "text")
    assert (call["type"], call["name"]) == ("tool_call", "weather")
    assert json.loads(call["arguments"]) == {"city": "Oslo"}
    assert output == {
        "type": "tool_output", "name": "weather", "output": "It is 3 degrees in Oslo.",
    }  # fmt: skip
    texts = [each["delta"] for each in told if each["type"] == "text"]
    assert len(texts) > 2
    assert "".join(texts) == answer["text"]
    assert answer["type"] == "answer"
    assert answer["text"] == "Let me look. It is 3 degrees in Oslo."
    assert (answer["status"], answer["interrupted"]) == ("completed", False)
    assert answer["audio"]["file"] == "a.wav"
    assert answer["audio"]["seconds"] == pytest.approx(AudioClip.open("a.wav").duration, abs=0.01)
    assert 0 <= answer["latency"]["first_audio"] <= answer["latency"]["total"]
    assert answer["tokens"]["total"] == answer["tokens"]["input"] + answer["tokens"]["output"]


def test_the_session_is_as_the_options_say(
    serving: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    """Voice, instructions and searches arrive at the server."""
    server = serving(Script().says("Aye."))
    options = ["--voice", "Eve", "--instructions", "Be a pirate."]
    assert main(["ask", *options, "--tool", "web_search", "Ahoy?"]) == 0
    assert capsys.readouterr().out == "Aye.\n"
    (session,) = server.sessions
    settings = session._open_session.settings
    configured = settings.echo()["session"]
    assert (settings.voice, configured["instructions"]) == ("Eve", "Be a pirate.")
    assert configured["tools"][0]["type"] == "web_search"


def test_the_model_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """`--model` goes into the address, where the service looks for it."""
    asked: list[bytes] = []
    with listening(lambda connection: asked.append(heard(connection))) as port:
        url = f"ws://127.0.0.1:{port}/v1/realtime"
        assert main(["ask", "--model", "grok-voice-fast-1.0", "--url", url, "Hm?"]) == 1
    assert capsys.readouterr().out == ""
    assert b"?model=grok-voice-fast-1.0 " in asked[0]


def test_the_url_goes_before_the_environment(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--url` wins over GROK_RT_URL, and the key goes there."""
    server = serving(Script().says("Here."), api_key="the-key")
    monkeypatch.setenv("GROK_RT_URL", "ws://127.0.0.1:9/nobody")
    monkeypatch.setenv("XAI_API_KEY", "the-key")
    assert main(["ask", "--url", server.url, "Who is there?"]) == 0
    assert capsys.readouterr().out == "Here.\n"


def test_a_wrong_key(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is one sentence without the key."""
    serving(api_key="the right one")
    monkeypatch.setenv("XAI_API_KEY", "canary-4711")
    assert main(["ask", "Hello?"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"grok-rt: [^\n]+XAI_API_KEY[^\n]+\n", err)
    assert "canary" not in err


def test_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key, the service is not asked."""
    assert main(["ask", "Hello?"]) == 1
    assert re.fullmatch(r"grok-rt: There is no API key[^\n]+\n", capsys.readouterr().err)


def _silence() -> str:
    AudioClip(bytes(48000), pcm16()).save("silence.wav")
    return "silence.wav"


MISTAKES = {
    "an empty question": (lambda: [" \n"], "the question is empty"),
    "no text": (lambda: ["a\udcff"], "no text in UTF-8"),
    "no such file": (lambda: ["--file", "missing.wav"], "missing.wav"),
    "silence": (lambda: ["--file", _silence()], "silence"),
    "a file as text": (lambda: [_silence()], "--file silence.wav asks it"),
    "no voice": (lambda: ["--voice", "", "Hm?"], "voice"),
    "no such folder": (lambda: ["--out", "missing/a.wav", "Hm?"], "missing/a.wav"),
    "no WAV": (lambda: ["--out", "a.mp3", "Hm?"], "name it .wav"),
    "no such tool": (lambda: ["--tool", "missing.py:f", "Hm?"], "missing.py"),
    "no address": (lambda: ["--url", "nonsense", "Hm?"], "wss://"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(
    mistake: str,
    serving: Serving,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 1, one line on stderr that names what was wrong, nothing on stdout."""
    serving()
    monkeypatch.setenv("XAI_API_KEY", "test")
    make, named = MISTAKES[mistake]
    assert main(["ask", *make()]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"grok-rt: [^\n]+\n", err)
    assert named in err


def test_a_question_without_quotation_marks(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that the shell has taken apart are one question."""
    serving()
    monkeypatch.setenv("XAI_API_KEY", "test")
    assert main(["ask", "Are", "you", "there?", "--voice", "Eve"]) == 0
    assert capsys.readouterr().out == "You said: Are you there?\n"


def test_stdin_that_is_no_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are no UTF-8 are refused, before anybody is asked."""
    stdin(monkeypatch, b"a\xff")
    assert main(["ask", "-"]) == 1
    assert capsys.readouterr().err == "grok-rt: the question is no text in UTF-8\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["Text.", "--file", "a.wav"], ["--timeout", "0", "Hm?"], ["--timeout", "inf", "Hm?"]],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No question, two questions, and times that are none are 2, with the usage."""
    with pytest.raises(SystemExit) as caught:
        main(["ask", *arguments])
    assert caught.value.code == 2
    assert "usage: grok-rt ask" in capsys.readouterr().err


def test_an_answer_that_does_not_come(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """`--timeout` ends the wait with a sentence that says what was missing."""
    serving(latency=30)
    assert main(["ask", "--timeout", "0.3", "Hello?"]) == 1
    assert re.match(r"grok-rt: no whole answer in 0\.3 s: ", capsys.readouterr().err)


def test_an_answer_that_is_cut_short(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """A response that ends before it was whole, as the service ends it, is no success."""
    serving(Script().says(""))
    assert main(["ask", "Hello?"]) == 1
    assert capsys.readouterr().err == "grok-rt: the answer was cut short\n"


def test_a_server_that_leaves(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that is lost in the middle of an answer is one sentence."""
    server = serving(Script().says("One, two, three, four, five."), pace=1)

    def stop() -> None:
        while not server.sessions:
            time.sleep(0.01)
        server.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    code = main(["ask", "Count to five."])
    thread.join()
    assert code == 1
    assert re.fullmatch(r"grok-rt: [^\n]+\n", capsys.readouterr().err)


def test_no_sound_to_save(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer without a sound leaves no file, and says so."""
    serving(Script().says(""))
    assert main(["ask", "--out", "answer.wav", "Hello?"]) == 1
    assert "answer.wav was not written" in capsys.readouterr().err
    assert not Path("answer.wav").exists()


# --- on a terminal ---------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="terminals are POSIX")
@pytest.mark.parametrize("drawing", ["rich", "plain"])
def test_on_a_terminal(drawing: str, serving: Serving, tmp_path: Path) -> None:
    """Words appear as they come, with what is heard and awaited; with rich and without alike."""
    import pty

    serving(Script().hears("How is it?").says("It is fine.\x1b[2J"), pace=8)
    shipped("question")[0:0.8].save("question.wav")
    without = tmp_path / "without"
    without.mkdir()
    (without / "rich.py").write_text("raise ImportError")
    hidden = str(without) if drawing == "plain" else ""
    env = environment(TERM="xterm", GROK_RT_URL=os.environ["GROK_RT_URL"])
    env["PYTHONPATH"] = os.pathsep.join([hidden, env["PYTHONPATH"]]).strip(os.pathsep)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "ask", "--file", "question.wav"], stdout=theirs, stderr=theirs, env=env
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while piece := os.read(ours, 4096):
                seen += piece
        except OSError:  # how Linux says that the other side is gone
            pass
        finally:
            os.close(ours)
    assert process.returncode == 0
    text = seen.decode()
    assert "\x1b[2J" not in text, "a stranger's words do not rule the terminal"
    assert ("\x1b[" in text) is (drawing == "rich")
    shown = ESCAPES.sub("", text)
    assert "waiting for the answer" in shown
    assert "heard: How is it?\r\n" in shown
    assert "It is fine." in shown
    assert re.search(r"first sound after \d\.\d\d s, \d\.\d\d s in all", shown)
