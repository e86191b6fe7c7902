"""Every command that `--help` and `docs/cli.md` show is one that works, against a simulator."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import environment

from grok_rt import GrokClient, cli
from grok_rt.audio import shipped
from grok_rt.recording import record
from grok_rt.simulator import Simulator, loopback

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
COMMANDS = "ask|demo|doctor|report|token"  # what ends by itself, and needs no sound card
SHELL = re.compile(r"[|<>&$=]")
WEATHER = '''
def weather(city: str) -> str:
    """Current weather for a city."""
    return f"It is 3 degrees in {city}."
'''


def helped() -> Iterator[str]:
    """The examples of `--help`, without what is said behind them."""
    parser = cli._parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for command in commands.choices.values():
        for line in (command.epilog or "").splitlines():
            example = re.split(r" {2,}", line.strip())[0]
            if re.search(rf"\bgrok-rt ({COMMANDS})\b", example):
                yield example


def documented() -> Iterator[str]:
    """The commands of the page."""
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if re.search(rf"\bgrok-rt ({COMMANDS})\b", line):
                yield line


EXAMPLES = sorted({*helped(), *documented()})


@pytest.fixture
def _desk(serving: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the examples take for granted: two files, a key, a server, a recorded call."""
    serving()
    monkeypatch.setenv("XAI_API_KEY", "test")
    shipped("question")[0:0.5].save("question.wav")
    Path("weather.py").write_text(WEATHER)
    client = GrokClient("key", transport=loopback())
    with record(client, "calls/oslo"), client:
        pass


def test_there_are_examples() -> None:
    """Both places have some for each command."""
    for name in COMMANDS.split("|"):
        assert any(f"grok-rt {name}" in example for example in helped())
        assert any(f"grok-rt {name}" in example for example in documented())


@pytest.mark.usefixtures("_desk")
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_works(example: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever copies it gets a result, and no word on stderr."""
    example = example.replace("…", "test")
    example = example.replace("ws://127.0.0.1:8765/v1/realtime", os.environ["GROK_RT_URL"])
    if SHELL.search(example.replace(os.environ["GROK_RT_URL"], "")):
        if os.name != "posix":
            pytest.skip("this one is for a POSIX shell")
        script = Path("bin", "grok-rt")
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m grok_rt "$@"\n')
        script.chmod(0o755)
        env = environment(
            XAI_API_KEY="test",
            GROK_RT_URL=os.environ["GROK_RT_URL"],
            PATH=f"{script.parent.resolve()}{os.pathsep}{os.environ['PATH']}",
        )
        subprocess.run(["sh", "-ec", example], timeout=30, check=True, env=env)
        made = re.search(r"> (\S+)$", example)
        assert (Path(made[1]).read_text() if made else capfd.readouterr().out).strip()
    else:
        assert cli.main(shlex.split(example)[1:]) == 0
        assert capfd.readouterr().out.strip()
    assert capfd.readouterr().err == ""
