"""Who spoke when, as a drawing: nothing hides another, and nothing is larger than its room."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.conversation import Turn
from grok_rt.models import FunctionCall
from grok_rt.timeline import Span, Timeline
from grok_rt.timeline._words import cells, fit

SVG = "{http://www.w3.org/2000/svg}"
TALK = (
    Span("you", 0, 2.1, "What is the weather in Oslo?", "user"),
    Span("you", 2.1, 2.65, kind="wait"),
    Span("grok", 2.65, 4.2, "Let me look that up.", "assistant"),
    Span("tools", 3.1, 3.6, "weather", "tool"),
    Span("tools", 3.1, 5.1, "news", "tool"),
    Span("grok", 5.4, 8.2, "It is three degrees in Oslo, with light sleet.", "assistant", cut=True),
    Span("you", 8.0, 9, "Stop.", "user"),
    Span("grok", 9.4, None, "Goodbye.", "assistant"),
)

moments = st.floats(0, 8000, allow_nan=False)
spans = st.builds(
    lambda lane, start, length, text, kind, cut, levels: Span(
        lane, start, None if length is None else start + length, text, kind, cut, levels
    ),
    st.sampled_from(["you", "grok", "tools", "誰か", "a very long name of somebody"]),
    moments,
    st.none() | st.just(0.0) | st.floats(0, 300),
    st.text(max_size=40),
    st.sampled_from(["user", "assistant", "tool", "wait", "note"]),
    st.booleans(),
    st.just(()) | st.tuples(st.floats(0, 1), st.floats(0, 1)),
)


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """Where the bars of a drawing lie: left, top, right, bottom."""
    found = []
    for bar in ET.fromstring(svg).iter(f"{SVG}svg"):
        if "y" in bar.attrib:
            x, y, width, height = (float(bar.attrib[k]) for k in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


def test_the_look_of_the_text() -> None:
    """A talk of every kind looks as it was drawn by hand."""
    assert Timeline(TALK, end=11).text(72).splitlines() == [
        "       0 s         2 s         4 s        6 s         8 s         10 s",
        "you    ▐What is t…▌╌╌╌┤0.55 s                         ▐Sto…▌",
        "grok                   ▐Let me…▌       ▐It is three d…╳        ▐Goodby…▌",  # noqa: RUF001
        "tools                    ▐░▌weather 0.50 s",
        "                         ▐░░░░░░░░░░▌news 2.00 s",
    ]


def test_ascii_is_ascii() -> None:
    """A terminal without Unicode gets none."""
    text = Timeline(TALK, end=11).text(72, ascii=True)
    assert text.isascii()
    assert "]---|0.55 s" in text


def test_colours_change_nothing_else() -> None:
    """Without its escapes, the coloured text is the plain one."""
    timeline = Timeline(TALK, end=11)
    coloured = timeline.text(color=True)
    assert "\x1b[34m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == timeline.text()


@given(st.lists(spans, max_size=12), st.integers(24, 200), st.booleans())
def test_text_stays_in_its_cells(them: list[Span], width: int, ascii: bool) -> None:
    """No line is wider than asked for, in cells, whatever was said; none of it is a command."""
    text = Timeline(them).text(width, ascii=ascii)
    assert all(cells(line) <= width for line in text.splitlines())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


@given(st.lists(spans, max_size=12))
def test_rows_keep_apart_what_overlaps_in_time(them: list[Span]) -> None:
    """In one row nothing overlaps, and a lane has no more rows than speak at once."""
    timeline = Timeline(them)
    lanes = list(timeline._lanes())
    assert sum(len(row) for lane in lanes for row in lane.rows) == len(them)
    for lane in lanes:
        assert all(a.end <= b.start for row in lane.rows for a, b in itertools.pairwise(row))
        placed = [one for row in lane.rows for one in row]
        at_once = max(
            sum(one.start <= at < max(one.end, one.start + 1e-9) for one in placed)
            for at in (one.start for one in placed)
        )
        assert len(lane.rows) <= max(1, at_once)


@given(st.lists(spans, max_size=12), st.integers(60, 2000))
def test_svg_is_sound_and_its_bars_lie_apart(them: list[Span], width: int) -> None:
    """Any words make well-formed SVG, whose bars never cover one another and never stand out."""
    svg = Timeline(them).svg(width)
    found = boxes(svg)
    top = float(ET.fromstring(svg).attrib["height"])
    for left, upper, right, lower in found:
        assert 0 <= left < right <= max(width, 220) + 0.2
        assert 0 <= upper < lower <= top
    for index, a in enumerate(found):
        for b in found[index + 1 :]:
            assert a[2] <= b[0] + 0.2 or b[2] <= a[0] + 0.2 or a[3] <= b[1] or b[3] <= a[1]


def test_svg_shows_words_waves_and_cuts() -> None:
    """Words are escaped, sound is a wave, an interruption is marked, a latency is told."""
    svg = Timeline(
        [
            Span("<b>", 0, 5, "<script>&", "user", cut=True, levels=(0, 0.5, 1, 0.2)),
            Span("<b>", 5, 5.5, kind="wait"),
        ],
        end=8,
    ).svg()
    assert "<script" not in svg
    assert "&lt;script&gt;&amp;" in svg
    told = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert "<script>&" in told
    assert "0.50 s" in told
    assert len(list(ET.fromstring(svg).iter(f"{SVG}polygon"))) == 1
    assert "#e5484d" in svg
    assert "cut off" in svg


def test_svg_needs_nothing_of_its_page() -> None:
    """It brings no id that could collide, no style sheet, no script, and fetches nothing."""
    svg = Timeline(TALK).svg()
    for forbidden in ("id=", "<style", "<script", "href", "url("):
        assert forbidden not in svg
    assert svg.count("http") == 1  # the namespace


def turn(role: str, started: float, ended: float | None, text: str = "", **more: object) -> Turn:
    """A turn of no particular item."""
    return Turn(role, text, f"item_{started}", started, ended, **more)  # type: ignore[arg-type]


def test_turns_become_spans() -> None:
    """Of turns it shows who, the tool's name, what was cut, and how long the user waited."""
    call = FunctionCall("call-1", "weather", "{}")
    timeline = Timeline.of(
        [
            turn("assistant", 1.0, 2.0, "An old one.", replayed=True),
            turn("user", 10.0, 12.0, "And now?"),
            turn("tool", 12.1, 12.4, "sleet", call=call),
            turn("assistant", 12.5, 14.0, "Sleet.", interrupted=True),
            turn("system", 14.0, None, "Be brief."),
        ],
        user="caller",
    )
    assert timeline.spans == (
        Span("caller", 10.0, 12.0, "And now?", "user"),
        Span("caller", 12.0, 12.5, kind="wait"),
        Span("tools", 12.1, 12.4, "weather", "tool"),
        Span("grok", 12.5, 14.0, "Sleet.", "assistant", cut=True),
        Span("system", 14.0, None, "Be brief.", "note"),
    )
    assert (timeline.start, timeline.end) == (10.0, 14.0)


def test_nothing_is_nothing() -> None:
    """Without spans there is no text, and a drawing of nothing."""
    assert str(Timeline([])) == ""
    assert ET.fromstring(Timeline([])._repr_html_()).tag == f"{SVG}svg"
    assert repr(Timeline(TALK)) == "<Timeline of 8 spans in 9.40 s>"


def test_a_window_shows_what_is_in_it() -> None:
    """What is over before its start, or begins after its end, is left out."""
    text = Timeline(TALK, start=5.3, end=7).text()
    assert "degrees" in text
    assert "weather" not in text
    assert "Goodbye" not in text
    assert "…" not in Timeline([Span("you", 0, 3600, "an hour", "user")], start=60).text()


@pytest.mark.parametrize("span", [Span("a", 2, 1), Span("a", float("nan")), Span("a", 0, 1e999)])
def test_what_is_no_time_is_refused(span: Span) -> None:
    """A span that ends before it starts, or never was, is named in the error."""
    with pytest.raises(ValueError, match="no span of time: Span"):
        Timeline([span])


def test_no_room_is_refused() -> None:
    """A width that cannot hold a label is an error that says what can."""
    with pytest.raises(ValueError, match="needs 24 cells, not 10"):
        Timeline(TALK).text(10)


@pytest.mark.parametrize(
    ("length", "told"),
    [(0.4, "0.2 s"), (59, "50 s"), (70, "1:00"), (8000, "2:00:00"), (360_000, "84:00:00")],
)
def test_the_axis_is_readable_at_any_length(length: float, told: str) -> None:
    """Ticks are round numbers, in the words of their size, never on top of each other."""
    axis = Timeline([Span("you", 0, length)]).text(80).splitlines()[0]
    assert told in axis
    assert not re.search(r"\ds?\d{0,2} s\d", axis)


@given(st.text(), st.integers(0, 30))
def test_fitting(text: str, room: int) -> None:
    """What fits stays as it is, the rest ends in an ellipsis; wide letters count twice."""
    fitted = fit(text, room)
    assert cells(fitted) <= room
    assert fitted == " ".join(fitted.split())
    assert cells("日本e\u0301") == 5


def test_spans_are_values() -> None:
    """A changed copy leaves the original alone, and its sound is not in its repr."""
    span = attrs.evolve(TALK[0], levels=(0.1,) * 100)
    assert TALK[0].levels == ()
    assert "0.1" not in repr(span)
