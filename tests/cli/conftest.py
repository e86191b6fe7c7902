"""What the tests of all commands start from."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
