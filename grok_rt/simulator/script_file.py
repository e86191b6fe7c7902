"""A script in a file: the words of `Script`, and faults, in TOML.

::

    [[step]]
    hears = "How warm is it in Oslo?"

    [[step]]
    calls = "weather"
    with = { city = "Oslo" }

    [[step]]
    says = "It is {output}."

    [[fault]]
    kind = "close"
    at = "response.done"
    code = 1013

A step is one call of `Script`'s method of that name: what is behind the name is its first argument,
``with`` are a function's own arguments, and whatever stands beside them the method's further ones.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from grok_rt.errors import ConfigError, MissingExtra
from grok_rt.simulator.faults import Fault, faults_of
from grok_rt.simulator.script import Script

__all__ = ["ScriptFile", "read_script"]

_WITH = "with"


class ScriptFile(NamedTuple):
    """What a file says."""

    script: Script
    faults: list[Fault]


def read_script(path: Path) -> ScriptFile:
    """Read a script file.

    Raises:
        ConfigError: it cannot be read, is no TOML, or says what no script says; with its place.
        MissingExtra: on Python 3.10, when `tomli` is not installed.
    """
    try:
        told = _toml(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # also of what is no UTF-8
        raise ConfigError(f"{path}: {error}") from None
    unknown = sorted(told.keys() - {"step", "fault"})
    if unknown:
        raise ConfigError(f"{path}: {unknown[0]!r} means nothing here; there are step and fault")
    script = Script()
    try:
        for number, step in enumerate(_tables(told, "step"), 1):
            _add(script, step, f"step {number}")
        return ScriptFile(script, faults_of(_tables(told, "fault")))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _toml(text: str) -> dict[str, Any]:
    for name in ("tomllib", "tomli"):  # the second for Python 3.10
        with contextlib.suppress(ImportError):
            told: dict[str, Any] = importlib.import_module(name).loads(text)
            return told
    raise MissingExtra("tomli", "simulator", "A script file on Python 3.10")


def _tables(told: Mapping[str, Any], name: str) -> list[Any]:
    tables = told.get(name, [])
    if not isinstance(tables, list):
        raise ConfigError(f"{name} must be written [[{name}]], for there may be several")
    return tables


def _add(script: Script, step: Any, where: str) -> None:
    """Say one step to `script`."""
    if not isinstance(step, dict):
        raise ConfigError(f"{where} must be a table: write [[step]] over it")
    verbs = _verbs()
    said = [name for name in step if name in verbs]
    if len(said) != 1:
        named = " and ".join(said) or ", ".join(step) or "nothing"
        raise ConfigError(f"{where} says {named}; it takes one of {', '.join(verbs)}")
    (verb,) = said
    fields = {name: value for name, value in step.items() if name not in (verb, _WITH)}
    more = step.get(_WITH, {})
    if not isinstance(more, dict):
        raise ConfigError(f"{where}: {_WITH} must be a table")
    method = verbs[verb]
    first = [] if step[verb] is True and len(method.parameters) == 1 else [step[verb]]
    takes = [each.name for each in method.parameters.values() if each.kind is each.KEYWORD_ONLY]
    for name in fields:
        if name not in takes:
            beside = ", ".join(takes) or "nothing"
            raise ConfigError(f"{where}: {verb} has no {name!r} beside it, but {beside}")
    try:
        getattr(script, verb)(*first, **fields, **more)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from None


def _verbs() -> dict[str, inspect.Signature]:
    """The methods of `Script` that continue it, but those that take a program."""
    verbs = {}
    for name, method in vars(Script).items():
        if name.startswith("_") or not inspect.isfunction(method):
            continue
        signature = inspect.signature(method)
        continues = signature.return_annotation in ("Script", "Self")
        if continues and not any(
            "Callable" in str(p.annotation) for p in signature.parameters.values()
        ):
            verbs[name] = signature
    return verbs
