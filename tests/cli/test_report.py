"""`grok-rt report`: a recorded call, as a page and in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from grok_rt import GrokClient
from grok_rt.cli import main
from grok_rt.recording import record
from grok_rt.simulator import Script, loopback


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """A recorded call without its page, as a killed process leaves it."""
    client = GrokClient("key", transport=loopback(Script().says("The sky is blue.")))
    with record(client, tmp_path / "call"), client:
        client.ask("Why?", timeout=10)
    (tmp_path / "call" / "report.html").unlink()
    return tmp_path / "call"


def test_the_page_is_drawn_again(call: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page stands in the folder again, and the terminal shows who spoke when."""
    assert main(["report", str(call)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == str(call / "report.html")
    assert any(line.startswith("grok") and "The sky" in line for line in told)
    assert "The sky is blue." in (call / "report.html").read_text("utf-8")


def test_the_page_may_stand_elsewhere(call: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--out` the recording itself stays as it is."""
    assert main(["report", str(call), "--out", "page.html"]) == 0
    assert capsys.readouterr().out.endswith("page.html\n")
    assert Path("page.html").exists()
    assert not (call / "report.html").exists()


def test_events_are_lines(call: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--events` each event is a line: its time, whose it is, its type."""
    assert main(["report", str(call), "--events"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["client", "response.create"] in [line[1:] for line in lines]
    assert lines[-1][1:] == ["local", "local.closed"]
    assert not (call / "report.html").exists()


def test_no_recording_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is none, or a page that cannot be written, ends with 1 and says why."""
    assert main(["report", "nowhere"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("grok-rt: 'nowhere' is no recording")
    assert error.count("\n") == 1


def test_a_recording_of_nothing_is_shown_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A call in which nothing was said has a page and no drawing."""
    with record(GrokClient("key"), tmp_path / "call"):
        pass
    assert main(["report", str(tmp_path / "call")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'call' / 'report.html'}\n"
