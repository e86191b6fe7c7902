"""Devices without sound, for tests of everything around them."""

from __future__ import annotations

from typing import Any

import pytest
from fake_portaudio import FakePortAudio, Pretend

from grok_rt.devices import _portaudio


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Make the machine have these devices, and no others."""

    def install(*devices: tuple[str, int, int], **options: Any) -> FakePortAudio:
        fake = FakePortAudio(*devices, **options)
        monkeypatch.setattr(_portaudio, "portaudio", lambda: fake)
        return fake

    return install
