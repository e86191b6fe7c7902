"""What every test gets: no thread and no socket may outlive it, and a choice of Hypothesis profile.

Set `CI` in the environment for the reproducible profile.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

GRACE = 2.0  # seconds that what a test closed may take to be gone


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Fail the test that leaves a thread of ours alive or a socket open."""
    before = _threads() | _sockets()
    yield
    left = (_threads() | _sockets()) - before
    deadline = time.monotonic() + GRACE
    while left and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
        left = (_threads() | _sockets()) - before
    if left:
        pytest.fail("left behind: " + ", ".join(sorted(left)), pytrace=False)


def _threads() -> set[str]:
    return {
        f"thread {thread.name} ({thread.ident})"
        for thread in threading.enumerate()
        if thread.name.startswith("grok-rt")
    }


def _sockets() -> set[str]:
    """Name the open sockets of this process, where the system can list them."""
    names = set()
    with contextlib.suppress(FileNotFoundError):
        for link in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                target = str(link.readlink())
                if target.startswith("socket:"):
                    names.add(f"fd {link.name} ({target})")
    return names
