"""What a command prints, and where: results to stdout, everything else to stderr.

Whoever looks at a terminal sees words as they come, and what is being waited for; a pipe gets the
result alone, as text or as JSON lines. `rich` draws, where it is installed; without it the same
words come plain. Nothing here knows a command. Runs in the thread of the command, handlers too.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Protocol

from grok_rt.errors import GrokError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

__all__ = ["Output", "check_writable", "visible"]

# A stranger's words may not move the cursor, ring, or rename the window.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def visible(text: str) -> str:
    """The text without what a terminal would obey; line breaks and tabs stay."""
    return _CONTROLS.sub("", text)


def check_writable(path: Path) -> None:
    """Better now than after the conversation.

    Raises:
        GrokError: no sound file can be written there.
    """
    if path.suffix.lower() not in ("", ".wav", ".wave"):
        raise GrokError(f"cannot write {path}: only WAV is written, so name it .wav")
    is_right = not path.is_dir() if path.exists() else path.parent.is_dir()
    if not is_right or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise GrokError(f"cannot write {path}: choose another place with --out")


class Output:
    """The two streams of one command; a context that leaves the terminal as it should be.

    Attributes:
        as_json: the result is JSON lines, whoever looks.
        is_live: somebody watches stdout, and wants the words as they come.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.is_live = sys.stdout.isatty() and not as_json
        self._is_watched = sys.stderr.isatty()
        self._out = _console(sys.stdout) if self.is_live else None
        self._err = _console(sys.stderr) if self._is_watched else None
        self._wait: _Wait | None = None
        if self._is_watched and os.environ.get("TERM") != "dumb":
            self._wait = _Still() if self._err is None else _Turning(self._err)
        self._line_open = False

    def __enter__(self) -> Output:  # noqa: PYI034 - `Self` is for Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # whoever read it may have left
            self._settle()
            self.end_line()

    def waiting(self, what: str) -> None:
        """Show what is awaited, on a terminal only; until anything else is printed."""
        if self._wait is not None and not self._line_open:
            self._wait.show(what)

    @property
    def is_inside_line(self) -> bool:
        """Whether a line was begun, and not ended."""
        return self._line_open

    def words(self, text: str) -> None:
        """Print a piece of a line."""
        if text:
            self._settle()
            print(visible(text) if self.is_live else text, end="", flush=True)
            self._line_open = not text.endswith("\n")

    def end_line(self) -> None:
        """End the line, if one was begun."""
        if self._line_open:
            self.words("\n")

    def line(self, text: str, *, begins: str = "", style: str = "") -> None:
        """Print a line of the result; its beginning may have a colour, on a terminal."""
        self._settle()
        if self._out is not None:
            self._out.print(begins, style=style, end="", markup=False, highlight=False)
            begins = ""
        self.words(f"{begins}{text}\n")

    def record(self, kind: str, **fields: Any) -> None:
        """Print a JSON line, where they are wanted."""
        if self.as_json:
            self.line(json.dumps({"type": kind, **fields}))

    def aside(self, text: str) -> None:
        """Tell who watches what is no result; nobody else hears it."""
        if not self._is_watched:
            return
        self._settle()
        if self.is_live:
            self.end_line()
        text = visible(text)
        if self._err is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self._err.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    def _settle(self) -> None:
        if self._wait is not None:
            self._wait.hide()


class _Wait(Protocol):
    """One line of a terminal that says what is awaited, and vanishes."""

    def show(self, what: str, /) -> None: ...
    def hide(self) -> None: ...


class _Still:
    """The same without `rich`: it does not move."""

    def __init__(self) -> None:
        self._shown = ""

    def show(self, what: str, /) -> None:
        self.hide()
        self._shown = f"{what} …"
        print(self._shown, end="", file=sys.stderr, flush=True)

    def hide(self) -> None:
        if self._shown:
            print(f"\r{' ' * len(self._shown)}\r", end="", file=sys.stderr, flush=True)
        self._shown = ""


class _Turning:
    """The same with `rich`: it turns, and counts the seconds."""

    def __init__(self, console: Console) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=None)

    def show(self, what: str, /) -> None:
        self._progress.reset(self._task, description=what)
        self._progress.start()

    def hide(self) -> None:
        self._progress.stop()


def _console(file: Any) -> Console | None:
    """Who draws on a terminal; None: nobody, for `rich` is not there."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=file, color_system=None if os.environ.get("NO_COLOR") else "auto")
