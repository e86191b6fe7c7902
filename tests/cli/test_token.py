"""`grok-rt token`: the token on stdout, the key nowhere."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest

from grok_rt import GrokClient
from grok_rt.cli import main
from grok_rt.simulator import Simulator

Serving = Callable[..., Simulator]
KEY = "xai-canary-91ab"


def test_a_token(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed opens a session in the place of the key."""
    server = serving(api_key=KEY)
    monkeypatch.setenv("XAI_API_KEY", KEY)
    assert main(["token"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert KEY not in out
    with GrokClient(out, url=server.url) as grok:
        assert grok.session_id


def test_json(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """One object, with the second at which the token expires."""
    serving()
    assert main(["token", "--seconds", "60", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    token = json.loads(line)
    assert token["type"] == "token"
    assert token["value"]
    assert token["expires_at"] == pytest.approx(time.time() + 60, abs=30)


@pytest.mark.parametrize("seconds", ["0", "3601", "1.5", "soon"])
def test_lifetimes_that_are_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the service would refuse is wrong usage."""
    with pytest.raises(SystemExit) as caught:
        main(["token", "--seconds", seconds])
    assert caught.value.code == 2
    assert "--seconds" in capsys.readouterr().err


def test_a_refusal(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong key is one sentence, without it, and no token."""
    serving(api_key="the right one")
    monkeypatch.setenv("XAI_API_KEY", KEY)
    assert main(["token"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"grok-rt: [^\n]+\n", err)
    assert KEY not in err
