"""The page about the protocol is what the classes say, and complete."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from grok_rt import events
from grok_rt._session.session import FATAL_ERROR_TYPES

PAGE = Path(__file__).parents[1] / "docs" / "protocol.md"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location(
        "make_protocol", PAGE.with_name("make_protocol.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(maker: ModuleType) -> None:
    """Whoever changes a class runs `python docs/make_protocol.py`."""
    assert PAGE.read_text("utf-8") == maker.page()


def test_every_message_has_its_section(maker: ModuleType) -> None:
    """All types of the wire, all local events and all errors that end a session are there."""
    titles = re.findall(r"^### (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    local = {
        name
        for name, kind in vars(events).items()
        if inspect.isclass(kind) and issubclass(kind, events.LocalEvent)
    } - {"LocalEvent"}
    values = {kind.__name__ for kind in maker.VALUES}
    assert len(titles) == len(set(titles))
    assert set(titles) == events.WIRE_TYPES.keys() | local | values
    assert set(maker.ERRORS) >= FATAL_ERROR_TYPES


def test_every_object_that_a_field_names_is_explained(maker: ModuleType) -> None:
    """No row of a table ends in a class that the page does not show."""
    rows = re.findall(r"^\| `\w+`[^|]*\| ([^|]*)\|", PAGE.read_text("utf-8"), re.MULTILINE)
    unexplained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    ours = {name for name in unexplained if not hasattr(events, name)}
    assert ours <= {"AudioError", "FunctionCall", "ProtocolError", "on_error"}


def test_docstrings_and_samples_agree_about_what_is_live(maker: ModuleType) -> None:
    """A class that says "Live" was recorded, one that does not was not."""
    said_by_server = *maker.defined(maker.server_events), *maker.defined(maker.response_events)
    for name, kind in said_by_server:
        said = re.search(r"\b(Live|Documented|OpenAI only|never seen)\b", kind.__doc__)
        assert said is not None, name
        expected = {
            "Live": "recorded live",
            "Documented": "documented",
            "OpenAI only": "OpenAI only",
            "never seen": "claimed by other clients",
        }[said[1]]
        # The service does send errors; no recording of one was found.
        assert maker.status(name, kind) == expected or name == "error", name
