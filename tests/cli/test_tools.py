"""`--tool`: functions of files and modules, and searches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grok_rt.cli._tools import found_tools
from grok_rt.errors import GrokError
from grok_rt.tools import ToolBox

TOOLS = """
from __future__ import annotations
from dataclasses import dataclass
import beside

@dataclass
class Place:
    city: str

def weather(place: Place) -> str:
    "Current weather."
    return f"{beside.DEGREES} degrees in {place.city}"

number = 3
"""


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files with tools, one that they import, and nothing left of any."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    Path("tools").mkdir()
    Path("tools", "my_tools.py").write_text(TOOLS)
    Path("tools", "beside.py").write_text("DEGREES = 3")
    Path("my_module.py").write_text("def twice(n: int) -> int:\n    'Twice.'\n    return 2 * n\n")
    Path("broken.py").write_text("1 / 0")
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_function_of_a_file() -> None:
    """It finds what lies beside it, and its types make the schema."""
    (weather,), searches = found_tools(["tools/my_tools.py:weather"])
    assert searches == []
    (tool,) = ToolBox([weather])
    assert tool.answer('{"place": {"city": "Oslo"}}') == "3 degrees in Oslo"


def test_a_function_of_a_module() -> None:
    """A module is looked for here first."""
    (twice,), _ = found_tools(["my_module:twice"])
    assert twice(3) == 6


def test_searches() -> None:
    """They are declared, for the server runs them."""
    functions, searches = found_tools(["web_search", "my_module:twice", "x_search"])
    assert [function.__name__ for function in functions] == ["twice"]
    assert [search.type for search in searches] == ["web_search", "x_search"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("weather", "FILE.py:NAME"),
        (":weather", "FILE.py:NAME"),
        ("missing.py:weather", "missing.py"),
        ("missing_module:weather", "missing_module"),
        ("broken.py:weather", "ZeroDivisionError"),
        ("my_module:thrice", "thrice"),
        ("tools/my_tools.py:number", "number"),
    ],
)
def test_what_is_no_tool(name: str, told: str) -> None:
    """One sentence, which names it and what is wrong."""
    with pytest.raises(GrokError, match=told) as caught:
        found_tools([name])
    assert str(caught.value).startswith(f"--tool {name}: ")
