"""What a terminal, a pipe and a reader of JSON get to see, with `rich` and without."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from grok_rt.cli._output import Output, check_writable, visible
from grok_rt.errors import DeadlineExceeded, GrokError

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


class Streams(NamedTuple):
    out: io.StringIO
    err: io.StringIO


@pytest.fixture(params=["rich", "plain"])
def drawing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Draw with `rich`, or as if it were not installed."""
    if request.param == "plain":
        monkeypatch.setitem(sys.modules, "rich.console", None)
    else:
        pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLORTERM", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return str(request.param)


def streams(monkeypatch: pytest.MonkeyPatch, *, watched: str) -> Streams:
    out = Terminal() if "out" in watched else io.StringIO()
    err = Terminal() if "err" in watched else io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    return Streams(out, err)


def talk(output: Output) -> None:
    """What a command may print, once."""
    with output:
        output.waiting("connecting")
        output.waiting("waiting")
        output.record("text", delta="One, ")
        output.aside("heard: all")
        if not output.as_json:
            output.words("One, ")
            output.words("two.")
            output.end_line()
            output.line("three", begins="ok ", style="green")


def test_a_pipe(drawing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks: the result alone."""
    seen = streams(monkeypatch, watched="")
    talk(Output())
    assert seen.out.getvalue() == "One, two.\nok three\n"
    assert seen.err.getvalue() == ""
    assert drawing


@pytest.mark.parametrize("watched", ["err", "out, err"])
def test_json_lines(drawing: str, watched: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are JSON, whoever looks; asides still go to who looks at stderr."""
    seen = streams(monkeypatch, watched=watched)
    talk(Output(as_json=True))
    assert json.loads(seen.out.getvalue()) == {"type": "text", "delta": "One, "}
    assert "heard: all" in seen.err.getvalue()
    assert drawing


def test_a_terminal(drawing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words, asides and what is awaited; a colour where `rich` draws."""
    seen = streams(monkeypatch, watched="out, err")
    talk(Output())
    assert ESCAPES.sub("", seen.out.getvalue()) == "One, two.\nok three\n"
    assert ("\x1b[32m" in seen.out.getvalue()) is (drawing == "rich")
    assert "waiting" in seen.err.getvalue()
    assert "heard: all\n" in ESCAPES.sub("", seen.err.getvalue())


def test_no_color(drawing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR leaves no colour and no dimming."""
    monkeypatch.setenv("NO_COLOR", "1")
    seen = streams(monkeypatch, watched="out, err")
    talk(Output())
    assert "\x1b" not in seen.out.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*m", seen.err.getvalue())
    assert "heard: all" in seen.err.getvalue()
    assert drawing


def test_a_dumb_terminal(drawing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no line can be taken back, none is shown that would have to be."""
    monkeypatch.setenv("TERM", "dumb")
    seen = streams(monkeypatch, watched="out, err")
    talk(Output())
    assert seen.err.getvalue() == "heard: all\n"
    assert drawing


def fail(begin: str, what: str, error: Exception) -> None:
    with Output() as output:
        getattr(output, begin)(what)
        raise error


def test_what_is_awaited_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `rich` the line is blanked, and an error finds an empty one."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    seen = streams(monkeypatch, watched="err")
    with pytest.raises(GrokError):
        fail("waiting", "connecting", GrokError())
    assert seen.err.getvalue() == f"connecting …\r{' ' * 12}\r"


@pytest.mark.parametrize("error", [GrokError(), DeadlineExceeded(), OSError()])
def test_an_open_line_is_ended(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error does not stand behind the words that came before it."""
    seen = streams(monkeypatch, watched="out")
    with pytest.raises(type(error)):
        fail("words", "One, tw", error)
    assert seen.out.getvalue() == "One, tw\n"


def test_an_empty_piece_begins_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing printed is nothing to end."""
    seen = streams(monkeypatch, watched="out")
    with Output() as output:
        output.words("")
    assert seen.out.getvalue() == ""


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\x07b", "a\rb", "a\x9b2Jb", "a\x7fb", "a\0b"])
def test_a_strangers_words_rule_no_terminal(text: str) -> None:
    """Nothing that a terminal obeys is left."""
    assert re.fullmatch(r"a(\[?2J)?b", visible(text))


@pytest.mark.parametrize("text", ["Ærø\n\ttab", "👩‍🚀 café", "a\u00a0b"])
def test_words_stay_as_they_are(text: str) -> None:
    """Letters, line breaks, tabs and joined signs stay."""
    assert visible(text) == text


@pytest.mark.parametrize("name", ["a.wav", "A.WAV", "a", "here/../a.wave", "/dev/null"])
def test_places_that_can_be_written(name: str) -> None:
    """A new file, or anything that is no folder."""
    Path("here").mkdir()
    check_writable(Path(name))


@pytest.mark.parametrize("name", ["missing/a.wav", ".", "a.mp3", "a.txt"])
def test_places_that_cannot_be_written(name: str) -> None:
    """They are named before anything is done."""
    with pytest.raises(GrokError, match=re.escape(name)):
        check_writable(Path(name))
