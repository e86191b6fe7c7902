"""`grok-rt doctor`: a line for each check, and an exit code that a monitor can use."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from grok_rt.cli import main
from grok_rt.simulator import Simulator

Serving = Callable[..., Simulator]


def test_all_is_well(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirteen lines, none of which fails, and 0."""
    serving()
    monkeypatch.setenv("XAI_API_KEY", "xai-canary")
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "canary" not in out
    checks = re.findall(r"^(?:ok|note) +(\w\S*(?: \w+)?)  ", out, re.MULTILINE)
    assert checks[0] == "python"
    assert checks[-1] == "session.updated"
    assert len(checks) == 14


def test_what_fails(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure has what to do beneath it, what rests upon it is skipped, and the code is 1."""
    serving(api_key="the right one")
    monkeypatch.setenv("XAI_API_KEY", "xai-canary")
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert re.fullmatch(r"grok-rt: failed: handshake: 127.*HTTP 400, Incorrect API key.*\n", err)
    assert "canary" not in out + err
    assert re.search(r"^FAILED +handshake +.*HTTP 400.*\n {26}Check the API key", out, re.MULTILINE)
    assert re.search(r"^skipped +round trip +for want of first event$", out, re.MULTILINE)


def test_json(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """One object for each check, with all that was found."""
    serving(refuse=503)
    assert main(["doctor", "--json", "--timeout", "5"]) == 1
    out, err = capsys.readouterr()
    assert re.fullmatch(r"grok-rt: failed: handshake: 127.*: HTTP 503[^.]*\n", err)
    findings = [json.loads(line) for line in out.splitlines()]
    assert {finding["type"] for finding in findings} == {"check"}
    (handshake,) = (each for each in findings if each["check"] == "handshake")
    assert handshake["status"] == "failed"
    assert "HTTP 503" in handshake["told"]
    assert handshake["advice"]
    assert handshake["seconds"] > 0


def test_what_is_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line, which alone is left on a small screen, says why."""
    assert main(["doctor", "--url", "nonsense"]) == 1
    out, err = capsys.readouterr()
    assert "--url: it must begin" in out
    assert err.startswith("grok-rt: failed: address: --url: it must begin with wss://")
