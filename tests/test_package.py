"""The package as it is installed, and the rules of the house that a machine can check."""

from __future__ import annotations

import ast
import re
from importlib import metadata, resources
from pathlib import Path

import pytest

import grok_rt

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "grok_rt").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
BANNED = re.compile(r"manager|helper|util|(^|_)base$", re.IGNORECASE)


def test_the_core_has_five_dependencies() -> None:
    """Whoever installs grok_rt gets five packages, and no sixth."""
    core = [line for line in metadata.requires("grok_rt") or () if "extra ==" not in line]
    names = {re.match(r"[\w.-]+", line)[0] for line in core}  # type: ignore[index]
    assert names == {"attrs", "cattrs", "msgspec", "pybase64", "websocket-client"}


def test_every_extra_that_an_error_names_exists() -> None:
    """`MissingExtra` never sends a user to an extra that cannot be installed."""
    declared = set(metadata.metadata("grok_rt").get_all("Provides-Extra") or ())
    named = {
        argument.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("MissingExtra")
        for argument in node.args[1:2]
        if isinstance(argument, ast.Constant)
    }
    assert named <= declared


def test_the_version_is_the_one_of_the_changelog() -> None:
    """The newest version the changelog tells of is the one that is installed."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", text, re.MULTILINE)
    assert versions[0] == metadata.version("grok_rt")


def test_type_checkers_may_look_inside() -> None:
    """The package carries the marker of PEP 561."""
    assert resources.files(grok_rt).joinpath("py.typed").is_file()


def test_the_command_exists() -> None:
    """`grok-rt` is installed, and is a function."""
    (command,) = metadata.entry_points(group="console_scripts", name="grok-rt")
    assert callable(command.load())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_small_and_says_what_it_is(path: Path) -> None:
    """Each file opens with what lives there, stays readable, and has a name that says something."""
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    assert not BANNED.search(path.stem)
    if text:
        assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_states_its_law(path: Path) -> None:
    """A failing test reads as a sentence: its docstring."""
    silent = [
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
