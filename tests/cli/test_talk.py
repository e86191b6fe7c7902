"""What `grok-rt talk` shows, and what it and `grok-rt devices` say without devices.

Both with real devices are in `tests/devices/test_real_sound.py`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_portaudio import FakePortAudio

from grok_rt import cli, events
from grok_rt.cli.talk import Screen
from grok_rt.client import GrokClient
from grok_rt.conversation import Turn
from grok_rt.devices import _portaudio
from grok_rt.models import FunctionCall
from grok_rt.simulator import Simulator, loopback

Show = Callable[..., None]


class Terminal(io.StringIO):
    """A terminal, as far as it says so."""

    def isatty(self) -> bool:
        return True

    def visible(self) -> list[str]:
        """The lines that are left when all is drawn."""
        return [line.rpartition("\r\x1b[K")[2] for line in self.getvalue().split("\n")]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakePortAudio]:
    def have(*devices: tuple[str, int, int], **options: Any) -> FakePortAudio:
        fake = FakePortAudio(*devices, **options)
        monkeypatch.setattr(_portaudio, "portaudio", lambda: fake)
        return fake

    return have


def test_the_devices(
    machine: Callable[..., FakePortAudio], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each device, with what it has, and a star at those that are used."""
    machine(("Desk Speakers", 0, 2), ("USB Headset", 1, 2), default=(1, 0))
    assert cli.main(["devices"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "  #    in   out      Hz  name",
        "  0    -     2*   48000  Desk Speakers (Fake)",
        "  1    1*    2    48000  USB Headset (Fake)",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["devices"], "grok-rt: this machine has no sound devices: plug one in"),
        (["talk"], "grok-rt: this machine has no speaker: plug one in"),
        (["talk", "--speaker", "3"], "grok-rt: this machine has no speaker: plug one in"),
        (["talk", "--tool", "weather"], "grok-rt: --tool weather: it is web_search"),
    ],
)
def test_a_machine_without_devices(
    arguments: list[str],
    told: str,
    machine: Callable[..., FakePortAudio],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One sentence says what to do, and the exit code is 1."""
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    monkeypatch.delenv("GROK_RT_URL", raising=False)
    machine()
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.startswith(told)


def test_how_grok_shall_behave(
    serving: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Voice, words and tools reach the service, as those of `grok-rt ask` do."""

    def talk(client: GrokClient, *_: object, **_options: object) -> None:
        with client:
            raise KeyboardInterrupt

    monkeypatch.setattr("grok_rt.devices.talk", talk)
    server = serving()
    Path("weather.py").write_text("def weather(city: str) -> str:\n    'Weather.'\n")
    options = "--voice Eve --instructions Rhyme. --tool weather.py:weather --tool web_search"
    assert cli.main(["talk", *options.split()]) == 0
    (session,) = server.sessions
    settings = session._open_session.settings
    configured = settings.echo()["session"]
    assert (settings.voice, configured["instructions"]) == ("Eve", "Rhyme.")
    assert {tool["type"] for tool in configured["tools"]} == {"function", "web_search"}


def test_nobody_elsewhere_is_asked_without_a_key(
    machine: Callable[..., FakePortAudio],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing key is told before a socket is opened, and no stand-in for it is sent."""
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    machine(("USB Headset", 1, 1))
    assert cli.main(["talk", "--url", "wss://grok.example/v1/realtime"]) == 1
    assert "XAI_API_KEY" in capsys.readouterr().err


def heard(*told: events.Event, screen: Screen) -> None:
    """Let a client hear events, whose words a screen shows."""
    with GrokClient("key", transport=loopback()) as client:
        screen.show(client)
        for event in told:
            client._inbox.put_event(event)
        client.tell(events.AudioDropped(ms=1))
        client.wait_for(events.AudioDropped, timeout=10)


def test_turns_are_printed() -> None:
    """Who said what, one below the other; empty ones are left out."""
    out = io.StringIO()
    screen = Screen(out)
    screen.level(-20)
    screen.turn(Turn("user", " How warm? ", "u", 1.0))
    screen.turn(Turn("assistant", "", "a", 1.0))
    screen.turn(Turn("tool", "3 degrees", "t", 1.0, call=FunctionCall("c", "weather", "{}")))
    screen.turn(Turn("assistant", "Three deg", "b", 1.0, interrupted=True))
    screen.end()
    assert out.getvalue().splitlines() == [
        "you   How warm?",
        "tool  3 degrees",
        "grok  Three deg — interrupted",
    ]


def test_the_last_line_lives() -> None:
    """On a terminal it shows the level and the words as they come, under what is printed."""
    out = Terminal()
    screen = Screen(out)
    screen.level(-30.0)
    assert out.visible() == ["██████······ "]
    says = events.ResponseOutputAudioTranscriptDelta
    heard(
        events.InputAudioTranscriptionUpdated(item_id="u", transcript="How"),
        events.InputAudioTranscriptionUpdated(item_id="u", transcript="How warm"),
        screen=screen,
    )
    assert out.visible() == ["██████······ How warm"]
    screen.turn(Turn("user", "How warm?", "u", 1.0))
    assert out.visible() == ["you   How warm?", "██████······ "]
    heard(
        says(delta="Three ", item_id="a"),
        says(delta="degrees.", item_id="a"),
        events.Reconnecting(attempt=1, delay=1),
        screen=screen,
    )
    assert out.visible()[1:] == [
        "the connection is lost; redialling",
        "██████······ Three degrees.",
    ]
    screen.end()
    assert out.visible()[-1] == ""
    screen.level(0.0)
    assert out.visible()[-1] == ""
