"""What the doctor finds installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata

import pytest
from fake_portaudio import FakePortAudio

from grok_rt.doctor import machine
from grok_rt.doctor.findings import Note, Trouble

REQUIRES = [
    "attrs>=24.1",
    "websocket-client<2,>=1.9.2",
    'rich>=13; extra == "cli"',
    "soxr>=0.4; extra == 'audio'",
    'numpy>=1.24 ; extra == "audio"',
    'tomli>=2; python_version < "3.10" and extra == "cli"',
    'grok_rt[audio,cli]; extra == "all"',
    'pytest>=8; extra == "test"',
]

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make it look as if only these packages were installed."""

    def pretend(**versions: str) -> None:
        have = {name.replace("_", "-"): version for name, version in versions.items()}

        def version(name: str) -> str:
            if name not in have:
                raise metadata.PackageNotFoundError(name)
            return have[name]

        monkeypatch.setattr(metadata, "version", version)
        monkeypatch.setattr(metadata, "requires", lambda _: REQUIRES)

    return pretend


def test_this_machine_is_in_order() -> None:
    """Where the suite runs, nothing is missing."""
    assert "Python" in machine.python()
    told = machine.packages()
    for name in ("grok_rt", "attrs", "cattrs", "msgspec", "pybase64", "websocket-client"):
        assert f"{name} {metadata.version(name)}" in told


def test_packages_in_order(install: Install) -> None:
    """All dependencies, with their versions."""
    install(grok_rt="1", attrs="25.3.0", websocket_client="1.9.2")
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("cattrs")
    assert "attrs 25.3.0, websocket-client 1.9.2" in machine.packages()


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        ({"attrs": "24.1"}, r"websocket-client<2,>=1.9.2 \(not installed\)"),
        ({"attrs": "23.2.0", "websocket_client": "1.9.2"}, r"attrs>=24.1 \(not 23.2.0\)"),
        ({"attrs": "24.1", "websocket_client": "2.0"}, r"websocket-client.*\(not 2.0\)"),
        ({"attrs": "24.1", "websocket_client": "1.9.2", "websocket": "0.2.1"}, "hides it"),
    ],
)
def test_packages_out_of_order(versions: dict[str, str], told: str, install: Install) -> None:
    """What is missing, too old, too new or hidden is named."""
    install(**versions)
    with pytest.raises(Trouble, match=told) as caught:
        machine.packages()
    assert caught.value.advice


def test_extras(install: Install) -> None:
    """Those that are whole, and what the others lack; not what only an older Python needs."""
    install(rich="14", numpy="2")
    found = machine.extras()
    assert isinstance(found, Note)
    assert found.told == "cli; audio lacks soxr"
    assert "pip install" in found.advice
    install(rich="14", numpy="2", soxr="1")
    assert machine.extras() == "cli, audio"


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from a folder, it says so."""

    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    with pytest.raises(Trouble, match="not installed"):
        machine.packages()


@pytest.mark.parametrize(
    ("version", "bounds", "within"),
    [
        ("24.1", ">=24.1", True),
        ("24.1.0", ">=24.1", True),
        ("24.0.9", ">=24.1", False),
        ("100", ">=24.1", True),
        ("1.9.2", "<2,>=1.9.2", True),
        ("2.0", "<2,>=1.9.2", False),
        ("1.10", "<2,>=1.9.2", True),
        ("1.10", "", True),
    ],
)
def test_bounds(version: str, bounds: str, within: bool) -> None:
    """Versions are compared number by number."""
    assert machine.is_within(version, bounds) is within


@pytest.mark.parametrize(
    ("devices", "status"),
    [([("Headset", 1, 1)], "ok"), ([("Desk Speakers", 0, 2)], "note"), ([], "note")],
)
def test_sound(
    devices: list[tuple[str, int, int]], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The devices that a conversation would take are named; to have none is no failure."""
    fake = FakePortAudio(*devices)
    monkeypatch.setattr("grok_rt.devices._portaudio.portaudio", lambda: fake)
    found = machine.sound()
    assert isinstance(found, str) == (status == "ok")
    told = found if isinstance(found, str) else found.told
    assert told.startswith("Fake PortAudio 1")
    assert ("this machine has no microphone" in told) == (status == "note")
    assert all(name in told for name, _, outputs in devices if outputs)
