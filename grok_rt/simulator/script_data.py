"""Scripts as plain data: what a TOML or JSON file holds becomes the verbs of a `Script`.

Checks and names places; knows the verbs by name only. No file is read here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from grok_rt._numbers import is_number
from grok_rt.errors import ConfigError

__all__ = ["Rule", "Step", "steps_of"]

Step = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A verb, and what it is called with."""
Rule = tuple["str | re.Pattern[str]", Mapping[str, Any]]
"""What has to match, and the branch, as data that have been checked."""

_VERBS: dict[str, tuple[str, ...]] = {  # what may stand beside each
    "hears": (),
    "says": (),
    "calls": ("with",),
    "asks": ("with", "output", "problem"),
    "searches": ("by",),
    "waits": (),
    "fails": ("type", "code"),
    "then": (),
}


def steps_of(data: Mapping[str, Any] | Sequence[Any]) -> tuple[list[Step], list[Rule]]:
    """The verbs of a script and its branches.

    Raises:
        ConfigError: data that are no script; the sentence names the place.
    """
    return _script(data if isinstance(data, Mapping) else {"step": data}, "", ())


def _script(
    data: Mapping[str, Any], within: str, matchers: tuple[str, ...]
) -> tuple[list[Step], list[Rule]]:
    for name in data:
        _check_name(name, (*matchers, "step", "when"), within.rstrip(", ") or "the script")
    steps = [
        step
        for where, table in _tables(data.get("step", ()), f"{within}step")
        for step in _steps(table, where)
    ]
    rules = [_rule(table, where) for where, table in _tables(data.get("when", ()), f"{within}when")]
    return steps, rules


def _tables(value: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        _wrong(where, "a list of tables", value)
    for number, table in enumerate(value, 1):
        place = f"{where} {number}"
        if not isinstance(table, Mapping):
            _wrong(place, "a table", table)
        yield place, table


def _rule(table: Mapping[str, Any], where: str) -> Rule:
    _script(table, f"{where}, ", ("heard", "matches"))
    if ("heard" in table) is ("matches" in table):
        raise ConfigError(f"{where}: give either `heard` (words) or `matches` (a pattern)")
    branch = {name: table[name] for name in ("step", "when") if name in table}
    if "heard" in table:
        return _text(table["heard"], f"{where}, heard"), branch
    pattern = _text(table["matches"], f"{where}, matches")
    try:
        return re.compile(pattern, re.IGNORECASE), branch
    except re.error as error:
        raise ConfigError(f"{where}: {pattern!r} is no pattern: {error}") from None


def _steps(table: Mapping[str, Any], where: str) -> Iterator[Step]:
    verbs = [name for name in table if name in _VERBS]
    beside = {name: value for name, value in table.items() if name not in _VERBS}
    for name in beside:
        _check_name(name, [*_VERBS, *(field for verb in verbs for field in _VERBS[verb])], where)
    if not verbs:
        raise ConfigError(f"{where} says nothing; there are {', '.join(_VERBS)}")
    for verb in verbs:
        fields = {name: beside[name] for name in _VERBS[verb] if name in beside}
        yield from _verb(verb, table[verb], fields, f"{where}, {verb}")


def _verb(verb: str, value: Any, fields: dict[str, Any], where: str) -> Iterator[Step]:
    arguments = fields.pop("with", {})
    if not isinstance(arguments, Mapping):
        _wrong(f"{where}, with", "a table", arguments)
    for name, words in fields.items():
        _text(words, f"{where}, {name}")
    if verb == "waits":
        if not (is_number(value) and value >= 0):
            _wrong(where, "a number of seconds", value)
        yield verb, (value,), {}
    elif verb in ("then", "fails") and value is True:
        yield verb, (), fields
    elif verb == "then":
        _wrong(where, "true", value)
    elif verb == "calls" and not isinstance(value, str):
        yield from _calls(value, where)
    else:
        yield verb, (_text(value, where),), {**fields, **arguments}


def _calls(value: Any, where: str) -> Iterator[Step]:
    """Several calls, in parallel: each a table with a ``name``, and ``with``."""
    for place, call in _tables(value, where):
        for field in call:
            _check_name(field, ("name", "with"), place)
        if "name" not in call:
            raise ConfigError(f"{place}: a call needs a `name`")
        arguments = call.get("with", {})
        if not isinstance(arguments, Mapping):
            _wrong(f"{place}, with", "a table", arguments)
        yield "calls", (_text(call["name"], f"{place}, name"),), dict(arguments)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        _wrong(where, "text", value)
    return value


def _check_name(name: str, known: Sequence[str], where: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        meant = f"; did you mean `{near[0]}`?" if near else f"; there are {', '.join(known)}"
        raise ConfigError(f"{where}: `{name}` means nothing here{meant}")


def _wrong(where: str, wanted: str, got: Any) -> NoReturn:
    raise ConfigError(f"{where} must be {wanted}, not {got!r}")
