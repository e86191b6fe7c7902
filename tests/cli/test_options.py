"""Options that several commands have."""

from __future__ import annotations

import argparse

import pytest

from grok_rt.cli._options import key_for, seconds


@pytest.mark.parametrize(("text", "value"), [("1", 1.0), ("0.5", 0.5), ("1e3", 1000.0)])
def test_durations(text: str, value: float) -> None:
    """Any number above nothing."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "inf", "nan", "soon", ""])
def test_durations_that_are_none(text: str) -> None:
    """What nobody could wait for is refused."""
    with pytest.raises((argparse.ArgumentTypeError, ValueError)):
        seconds(text)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("ws://127.0.0.1:8765/v1/realtime", "none"),
        ("ws://[::1]:8765", "none"),
        ("wss://localhost", "none"),
        ("wss://api.x.ai/v1/realtime", None),
        (None, None),
        ("127.0.0.1:8765", "none"),
        ("nonsense", "none"),
        ("ws://[", "none"),
    ],
)
def test_where_no_key_is_needed(url: str | None, key: str | None) -> None:
    """Elsewhere a missing key is an error before anything is sent; no address is the first one."""
    assert key_for(url) == key


def test_the_key_goes_to_a_server_on_this_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a key, it is used."""
    monkeypatch.setenv("XAI_API_KEY", "test")
    assert key_for("ws://127.0.0.1:8765") is None
