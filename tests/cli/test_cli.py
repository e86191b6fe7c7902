"""The way out of every command: exit codes, Ctrl+C, a reader that leaves, a full disk, usage."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import COMMAND, environment

import grok_rt
from grok_rt import cli
from grok_rt.errors import GrokError
from grok_rt.simulator import Simulator


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """A port that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/realtime"


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(
    "command", [("ask", "Hello?"), ("doctor", "--json"), ("token",), ("demo",)]
)
def test_ctrl_c(command: tuple[str, ...]) -> None:
    """Ctrl+C ends whatever is being awaited, with 130 and one line."""
    watch = """
        import os, signal, sys, threading, time
        from grok_rt import cli, tokens  # so that it is not the import that is interrupted

        def press():
            time.sleep(float(sys.argv.pop(1)))
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=press, daemon=True).start()
        began = time.monotonic()
        code = cli.main()
        print(time.monotonic() - began)
        sys.exit(code)
    """
    with silent_server() as url:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(watch), "0.5", *command],
            capture_output=True,
            text=True,
            timeout=30,
            env=environment(GROK_RT_URL=url),
            check=False,
        )
    assert (done.returncode, done.stderr) == (130, "grok-rt: interrupted\n")
    taken = float(done.stdout.splitlines()[-1])
    assert 0.4 < taken < 8  # 0.5 and a little on an idle machine; 10 would be the deadline


def demo() -> subprocess.Popen[str]:
    """`grok-rt demo` in a process of its own, whose output is read as it comes."""
    return subprocess.Popen(
        [*COMMAND, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    )


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_in_the_middle_of_a_talk() -> None:
    """Ctrl+C while the question is being said ends the whole process at once."""
    with demo() as process:
        assert process.stdout is not None
        assert "simulator at" in process.stdout.readline()
        time.sleep(0.7)  # it is speaking now
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
        assert time.monotonic() - began < 5  # 0.2 on an idle machine
    assert (process.returncode, stderr) == (130, "grok-rt: interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX")
def test_a_reader_that_leaves() -> None:
    """`grok-rt demo | head -1` ends without a traceback."""
    with demo() as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(20) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")  # noqa: PTH110
def test_a_full_disk() -> None:
    """`grok-rt demo > file` on a full disk ends with one sentence."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [*COMMAND, "demo"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env=environment(),
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "grok-rt: No space left on device\n")


@pytest.mark.parametrize("arguments", [[], ["dance"], ["demo", "--louder"], ["demo", "--file"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that means nothing is 2, with the usage."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: grok-rt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--version"], f"grok_rt {grok_rt.__version__}"),
        (["--help"], "exit codes:"),
        (["ask", "-h"], "grok-rt ask --file question.wav"),
        (["demo", "-h"], "--file"),
        (["doctor", "-h"], "--timeout"),
        (["token", "-h"], "XAI_API_KEY"),
    ],
)
def test_help(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help and version are printed, and are no mistake."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    assert told in capsys.readouterr().out


def test_every_command_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each command shows how it is used."""
    for command in cli._COMMANDS:
        name = command.__name__.rpartition(".")[2]
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
        assert f"examples:\n  grok-rt {name}" in capsys.readouterr().out


def test_an_error_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an error quotes, it stays one line and rules no terminal."""

    def fails(_: object) -> int:
        raise GrokError("one\ntwo\x1b[2J\rthree")

    monkeypatch.setattr(cli.ask, "run", fails)
    assert cli.main(["ask", "Hm?"]) == 1
    assert capsys.readouterr().err == "grok-rt: one two[2J three\n"


def test_an_error_of_the_system_names_its_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system refuses is told with the file that it is about."""

    def fails(_: object) -> int:
        raise FileNotFoundError(2, "No such file or directory", "lost.txt")

    monkeypatch.setattr(cli.ask, "run", fails)
    assert cli.main(["ask", "Hm?"]) == 1
    assert capsys.readouterr().err == "grok-rt: lost.txt: No such file or directory\n"


def test_a_terminal_of_few_letters(serving: Callable[..., Simulator]) -> None:
    """What cannot be written is replaced, and no reason to die."""
    serving()
    env = environment(PYTHONIOENCODING="ascii", GROK_RT_URL=os.environ["GROK_RT_URL"])
    done = subprocess.run(
        [*COMMAND, "ask", "smørbrød"], capture_output=True, timeout=30, env=env, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"sm?rbr?d" in done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"), [("grok-rt do", {"doctor"}), ("grok-rt ask --vo", {"--voice"})]
)
def test_completion(typed: str, offered: set[str], tmp_path: Path) -> None:
    """Tab completes commands and options, by what `argcomplete` asks."""
    pytest.importorskip("argcomplete")
    answer = tmp_path / "answer"
    subprocess.run(
        COMMAND,
        timeout=30,
        check=True,
        env=environment(
            _ARGCOMPLETE="1",
            _ARGCOMPLETE_IFS=" ",
            _ARGCOMPLETE_STDOUT_FILENAME=str(answer),
            COMP_LINE=typed,
            COMP_POINT=str(len(typed)),
        ),
    )
    assert {each.strip() for each in answer.read_text().split()} == offered


def test_the_shell_finds_out_that_completion_is_there() -> None:
    """`activate-global-python-argcomplete` looks for a mark at the head of the entry."""
    pytest.importorskip("argcomplete")
    command = shutil.which("grok-rt", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("the package is not installed as a script here")
    subprocess.run(
        [sys.executable, "-m", "argcomplete._check_console_script", command],
        timeout=30,
        check=True,
        env=environment(),
    )
