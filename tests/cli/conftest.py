"""What the tests of all commands start from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from grok_rt.simulator import Script, Simulator


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command runs in an empty folder, without a key and an address."""
    monkeypatch.chdir(tmp_path)
    for name in ("XAI_API_KEY", "GROK_RT_URL", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Simulator]]:
    """Start a simulator that does not dawdle, and make it the default server."""
    with ExitStack() as stack:

        def start(script: Script | None = None, **options: Any) -> Simulator:
            options = {"latency": 0, "pace": math.inf} | options
            server = stack.enter_context(Simulator(script, **options))
            monkeypatch.setenv("GROK_RT_URL", server.url)
            return server

        yield start
