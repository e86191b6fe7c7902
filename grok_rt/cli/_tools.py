"""`--tool`: the functions that it names, imported, and the searches that the server runs itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grok_rt.errors import GrokError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from grok_rt.models import GrokToolDefinition

__all__ = ["found_tools"]

_SEARCHES = ("web_search", "x_search")


def found_tools(
    names: Sequence[str],
) -> tuple[list[Callable[..., Any]], list[GrokToolDefinition]]:
    """The functions that `--tool` names, and the searches.

    Raises:
        GrokError: there is no such function, or its file cannot be run.
    """
    from grok_rt.models import GrokToolDefinition

    searches = [GrokToolDefinition(name) for name in names if name in _SEARCHES]
    return [_function(name) for name in names if name not in _SEARCHES], searches


def _function(name: str) -> Callable[..., Any]:
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise GrokError(f"--tool {name}: it is {', '.join(_SEARCHES)}, FILE.py:NAME or MODULE:NAME")
    try:
        module = _module(place)
    except Exception as error:
        raise GrokError(f"--tool {name}: {type(error).__name__}: {error}") from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise GrokError(f"--tool {name}: {place} has no function of the name {attribute}")
    return function  # type: ignore[no-any-return]


def _module(place: str) -> ModuleType:
    """Run a file, or import a module from here or from anywhere."""
    import importlib.util

    path = Path(place)
    is_file = path.suffix == ".py"
    sys.path.insert(0, str(path.parent.resolve()) if is_file else "")  # as Python itself does
    if not is_file:
        return importlib.import_module(place)
    spec = importlib.util.spec_from_file_location(place, path)
    if spec is None or spec.loader is None:
        raise ImportError("no Python file")
    module = sys.modules[place] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    return module
