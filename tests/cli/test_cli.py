"""The way out of every command: exit codes, Ctrl+C, a reader that leaves, a full disk, usage."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from commands import COMMAND, environment

import grok_rt
from grok_rt import cli


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c() -> None:
    """Ctrl+C in the middle of the question ends it at once, with 130 and one line."""
    with subprocess.Popen(
        [*COMMAND, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    ) as process:
        assert process.stdout is not None
        assert "simulator at" in process.stdout.readline()
        time.sleep(0.7)  # it is speaking now
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
        assert time.monotonic() - began < 1
    assert process.returncode == 130
    assert stderr == "grok-rt: interrupted\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX")
def test_a_reader_that_leaves() -> None:
    """`grok-rt demo | head -1` ends without a traceback."""
    with subprocess.Popen(
        [*COMMAND, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    ) as process:
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
        (["--help"], "demo"),
        (["demo", "-h"], "--file"),
    ],
)
def test_help(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help and version are printed, and are no mistake."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    assert told in capsys.readouterr().out
