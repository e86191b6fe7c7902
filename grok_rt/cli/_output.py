"""Where a command's results go: files that can be written. No command's own business."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from grok_rt.errors import GrokError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_writable"]


def check_writable(path: Path) -> None:
    """Better now than after the conversation.

    Raises:
        GrokError: no file can be written there.
    """
    target = path if path.exists() else path.parent
    is_right = target.is_file() if path.exists() else target.is_dir()
    if not is_right or not os.access(target, os.W_OK):
        raise GrokError(f"cannot write {path}: choose another place with --out")
