"""`grok-rt` as a user runs it: in a process of its own, away from the caller's own settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import grok_rt

SENTENCE: Final = re.compile(r"grok-rt: [^\n]+\n")
COMMAND: Final = (sys.executable, "-m", "grok_rt")


def environment(**more: str) -> dict[str, str]:
    """The environment without a key and an address, and with this grok_rt."""
    env = {k: v for k, v in os.environ.items() if k not in ("XAI_API_KEY", "GROK_RT_URL")}
    return env | {"PYTHONPATH": str(Path(grok_rt.__file__).parents[1]), **more}


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `more` goes into its environment."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment(**more),
    )
