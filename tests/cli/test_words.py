"""Hints of the library, as the command line gives them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grok_rt.cli import main
from grok_rt.cli._words import in_our_words
from grok_rt.errors import ConnectFailed, ConnectionClosedError

Serving = Callable[..., None]

_NOTHING_TO_TYPE = ("api_key", "url=", "ssl_context", "allow_insecure", "program", "name=")


def _nameless() -> str:
    Path("nameless.py").write_text("nameless = lambda city: city\n", encoding="utf-8")
    return "nameless.py:nameless"


HINTS: dict[str, tuple[str, Callable[[], list[str]], str]] = {
    "no key": ("", lambda: ["--url", "wss://192.0.2.1/"], "no API key. Set XAI_API_KEY; keys are"),
    "no way": ("k", lambda: ["--url", "ws://192.0.2.1/"], "unencrypted; use wss://."),
    "a key in the address": ("k", lambda: ["--url", "wss://a:b@h/"], "here; set XAI_API_KEY."),
    "an address as key": ("wss://h/", lambda: ["--url", "wss://h/"], "which belongs to --url."),
    "no name": ("k", lambda: ["--tool", _nameless()], "-; give it a `def` of such a name"),
}


@pytest.mark.parametrize("hint", HINTS)
def test_hints_speak_of_options(
    hint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told what to write into a program who has none."""
    key, arguments, told = HINTS[hint]
    monkeypatch.setenv("XAI_API_KEY", key)
    assert main(["ask", *arguments(), "Hm?"]) == 1
    err = capsys.readouterr().err
    assert told in err
    assert not [word for word in _NOTHING_TO_TYPE if word in err]


def test_a_token_that_may_have_expired(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes another one is a command, too."""
    serving()
    monkeypatch.setenv("XAI_API_KEY", "xai-realtime-client-secret-of-yesterday")
    assert main(["ask", "Hm?"]) == 1
    assert "may have expired: `grok-rt token` makes another." in capsys.readouterr().err


@pytest.mark.parametrize("command", [["ask", "Hm?"], ["doctor"], ["token"]])
def test_who_has_said_the_address(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad address is told by the name of the option, or else of the variable, it stands in."""
    monkeypatch.setenv("XAI_API_KEY", "k")
    monkeypatch.setenv("GROK_RT_URL", "nonsense")
    assert main(command) == 1
    assert "GROK_RT_URL: it must begin with" in capsys.readouterr().err
    assert main([*command, "--url", "nonsense"]) == 1
    assert " --url: it must begin with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionClosedError(1006, "gone"), "gone; to go on, give the command again"),
        (
            ConnectFailed(
                "No.",
                hint="Trust its CA: by SSL_CERT_FILE, or in a program by "
                "ssl_context=ssl.create_default_context(cafile=...).",
            ),
            "No. Trust its CA: by SSL_CERT_FILE.",
        ),
        (ConnectFailed("No.", hint="Check the network."), "No. Check the network."),
    ],
)
def test_what_a_line_would_have_to_break_for(error: Exception, told: str) -> None:
    """The rest of the sentence stays as it is."""
    assert in_our_words(str(error)).endswith(told)
