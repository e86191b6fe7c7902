"""Programs of a user, run as such: a process with a terminal of its own, whose Ctrl+C is real."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from callers import SOON

#: Makes the terminal the process's own, and tells when the main thread waits inside grok_rt.
_PROLOGUE = """
import os, sys, threading, time
terminal = os.open(sys.argv[1], os.O_RDWR)
url, but = sys.argv[2:]

def announce():
    main, last, same = threading.main_thread().ident, None, 0
    while same < 5:
        frame = sys._current_frames()[main]
        now = (frame.f_code, frame.f_lasti)
        inside = early = False
        while frame is not None:
            inside |= "grok_rt" in frame.f_code.co_filename
            early |= frame.f_code.co_name in but.split(",")
            frame = frame.f_back
        same = same + 1 if inside and not early and now == last else 0
        last = now
        time.sleep(0.01)
    print("waiting", flush=True)

from grok_rt import GrokClient, events, tokens
def client(**options):
    return GrokClient("key", url=url, **options)
if but != "never": threading.Thread(target=announce, daemon=True).start()
"""


class Outcome(NamedTuple):
    """How a program ended.

    Attributes:
        code: its exit code; negative: the signal.
        took: seconds from the moment it was interrupted to its end.
        raised: seconds to the moment it noticed; None if it did not say.
    """

    code: int
    out: str
    err: str
    took: float
    raised: float | None


class Program:
    """A running program."""

    def __init__(self, process: subprocess.Popen[str], terminal: int) -> None:
        self.process = process
        self._terminal = terminal

    def waits(self) -> None:
        """Return when its main thread waits in a call of ours."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "waiting\n", (line, self.process.communicate(timeout=SOON))

    def press(self) -> None:
        """Press Ctrl+C."""
        os.write(self._terminal, b"\x03")

    def ctrl_c(self) -> Outcome:
        """Press Ctrl+C, and wait for the end."""
        began = time.monotonic()
        self.press()
        return self.ends(began)

    def terminate(self) -> Outcome:
        """Send SIGTERM."""
        began = time.monotonic()
        self.process.terminate()
        return self.ends(began)

    def ends(self, since: float | None = None) -> Outcome:
        """Wait for its end."""
        began = time.monotonic() if since is None else since
        out, err = self.process.communicate(timeout=SOON)
        took = time.monotonic() - began
        noted = [line.split()[1] for line in out.splitlines() if line.startswith("noticed ")]
        raised = float(noted[0]) - began if noted else None
        return Outcome(self.process.returncode, out, err, took, raised)


@contextlib.contextmanager
def running(body: str, url: str, *, but: str = "connect") -> Iterator[Program]:
    """Run a program with `client()` and `url` at hand; afterwards it is dead.

    Args:
        body: the program.
        url: of its server.
        but: in these functions it does not count as waiting; "never": nor in any other.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROLOGUE + body, os.ttyname(theirs), url, but],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # the first terminal it opens is then its own
    )
    try:
        yield Program(process, ours)
    finally:
        process.kill()
        process.communicate()
        os.close(theirs)
        os.close(ours)
