"""What is in use: a client, a microphone or a speaker belongs to one talk at a time. Any thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from grok_rt.errors import ConcurrencyError

__all__ = ["claim", "release"]

_owners: dict[int, object] = {}  # by the identity of what is owned
_changing = threading.Lock()


def claim(owner: object, parts: Mapping[str, object]) -> None:
    """Let `owner` have all of them, or none.

    Args:
        owner: who will `release` them.
        parts: what is claimed, by the word for it.

    Raises:
        ConcurrencyError: somebody else has one of them.
    """
    with _changing:
        for what, part in parts.items():
            if id(part) in _owners:
                raise ConcurrencyError(
                    f"this {what} is in another talk: stop() that one, or use another {what}"
                )
        _owners.update({id(part): owner for part in parts.values()})


def release(owner: object) -> None:
    """Give back what `owner` has, if anything."""
    with _changing:
        for part in [part for part, has in _owners.items() if has is owner]:
            del _owners[part]
