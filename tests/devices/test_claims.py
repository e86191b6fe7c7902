"""Who uses what."""

from __future__ import annotations

import pytest

from grok_rt.devices._claims import claim, release
from grok_rt.errors import ConcurrencyError


def test_what_is_in_use_is_refused() -> None:
    """Of parts of which one is in use none is given; what was given back can be had again."""
    one, other = object(), object()
    line, ear, mouth = object(), object(), object()
    claim(one, {"line": line, "ear": ear})
    with pytest.raises(ConcurrencyError, match=r"this ear is in another talk: stop\(\) that one"):
        claim(other, {"mouth": mouth, "ear": ear})
    release(other)
    claim(other, {"mouth": mouth})
    release(one)
    claim(one, {"line": line, "both ends": line})
    release(one)
    release(other)
    release(other)
