"""What the words of an annotation mean: under ``from __future__ import annotations`` they are text.

A class that is defined inside a function is known to nobody but that function's frame, which is
looked for while it runs: when a function is marked, and when it is registered. Pure but for
that look at the caller's stack; any thread.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, get_origin, get_type_hints

from grok_rt.errors import ToolError

__all__ = ["hints", "local_names"]


def hints(function: Callable[..., Any], name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The types of a function's parameters; `known` are local names from when it was marked.

    Raises:
        ToolError: an annotation that means nothing here.
    """
    target = _plain(function)
    owner = getattr(function, "__self__", None)
    names = {**_class_names(owner), **known, **local_names(target)}
    try:
        return get_type_hints(target, localns=names or None, include_extras=True)
    except NameError as error:
        raise ToolError(
            f"tool {name!r}: an annotation cannot be read: {error}; define it before the tool, "
            "at the head of the module at best"
        ) from error
    except TypeError as error:
        raise ToolError(f"tool {name!r}: an annotation cannot be read: {error}") from error


def local_names(function: Callable[..., Any]) -> dict[str, Any]:
    """What the annotations of a function mention and the functions around it define."""
    target = _plain(function)
    outer = getattr(target, "__qualname__", "").split(".<locals>")[:-1]
    if not outer:
        return {}
    names: dict[str, Any] = {}
    for frame in _frames(target, {each.rpartition(".")[2] for each in outer}):
        names = {**frame.f_locals, **names}
    closed = zip(target.__code__.co_freevars, target.__closure__ or (), strict=True)
    names |= {name: cell.cell_contents for name, cell in closed if _is_filled(cell)}
    return {name: names[name] for name in _mentioned(target) if name in names}


def _plain(function: Callable[..., Any]) -> Any:
    """The function with the annotations, under partials, methods, wrappers and objects."""
    target: Any = function
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.isroutine(target) and not isinstance(target, type):
        target = type(target).__call__
    return inspect.unwrap(getattr(target, "__func__", target))


def _frames(target: Any, functions: set[str]) -> Iterator[FrameType]:
    """The running functions of that name in the module of `target`, the innermost first."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  (there is no other way to them)
    while frame is not None:
        if frame.f_code.co_name in functions and frame.f_globals is target.__globals__:
            yield frame
        frame = frame.f_back


def _mentioned(target: Any) -> set[str]:
    texts = [each for each in target.__annotations__.values() if isinstance(each, str)]
    return {
        node.id
        for text in texts
        for node in ast.walk(ast.parse(text, mode="eval"))
        if isinstance(node, ast.Name)
    }


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  (asking is the test)
    except ValueError:
        return False
    return True


def _class_names(owner: object) -> dict[str, Any]:
    """The types in the class of a method; what else stands there hides no type of its name."""
    cls = owner if isinstance(owner, type) else type(owner)
    return {
        name: value
        for each in reversed(cls.__mro__)
        for name, value in vars(each).items()
        if isinstance(value, type) or get_origin(value) is not None
    }
