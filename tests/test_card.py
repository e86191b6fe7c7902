"""Cards: HTML that nobody's words can break, and that needs nothing of its page."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import _card
from grok_rt._card import card, player, said, wave

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]))


@given(TEXT, TEXT, TEXT)
def test_words_are_only_words(who: str, text: str, note: str) -> None:
    """Whatever is said, the card is well formed and shows it letter by letter."""
    page = card(said(who, text, "user", note=note), facts={who: text})
    tree = ET.fromstring(page.replace("&nbsp;", " "))
    shown = "".join(tree.itertext())
    for words in (who, text):
        assert words in shown
    assert {element.tag for element in tree.iter()} <= {"div", "b", "span", "br"}


def test_it_takes_the_colours_of_the_page() -> None:
    """No background and no colour of letters, but the names of the speakers: any theme will do."""
    page = card(said("you", "Hello.", "user"), facts={"a": "b"})
    assert "background" not in page
    assert page.count("color:") == 1


def test_a_player_has_its_sound_with_it() -> None:
    """Sound is a data URI below its wave; without levels there is no wave."""
    page = player(b"RIFF", [0.1, 0.9])
    assert 'src="data:audio/wav;base64,UklGRg=="' in page
    assert "<polygon" in page
    assert "<svg" not in player(b"RIFF")


def test_long_sound_is_not_put_into_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound that would make the notebook too large is told, and not embedded."""
    monkeypatch.setattr(_card, "_LARGEST", 3)
    assert "<audio" not in player(b"RIFF")
    assert "save()" in player(b"RIFF")


def test_a_wave_stays_in_its_room() -> None:
    """Levels beyond full scale are drawn at full scale."""
    points = ET.fromstring(wave([0, 0.5, 1, 7], 100, 20, 10)).attrib["points"].split()
    assert {float(x) for x in points[0::2]} <= set(range(101)) | {12.5, 37.5, 62.5, 87.5}
    assert min(map(float, points[1::2])) == 10
    assert max(map(float, points[1::2])) == 30
