"""Signatures as JSON Schema, and arguments as the function's own types."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import json
import sys
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal, Optional, TypedDict

import attrs
import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.errors import ToolError
from grok_rt.tools._schema import Signature, describe


class Unit(enum.Enum):
    C = "C"
    F = "F"


@attrs.define
class Visit:
    """A visit."""

    day: dt.date
    follow_up: Optional[Visit] = None  # noqa: UP045  (msgspec resolves it, on 3.10 too)


@attrs.define
class Ping:
    pong: Optional[Pong] = None  # noqa: UP045


@attrs.define
class Pong:
    ping: Optional[Ping] = None  # noqa: UP045


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


class Filter(TypedDict, total=False):
    words: list[str]


def nothing() -> None: ...
def bare(value) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def text(value: str) -> None: ...
def whole(value: int) -> None: ...
def number(value: float) -> None: ...
def flag(value: bool) -> None: ...
def choice(value: Literal["C", "F"]) -> None: ...
def count(value: Literal[1, 2]) -> None: ...
def unit(value: Unit) -> None: ...
def either(value: Optional[int]) -> None: ...  # noqa: UP045
def implied(value: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013
def names(value: list[str]) -> None: ...
def pair(value: tuple[int, str]) -> None: ...
def table(value: dict[str, int]) -> None: ...
def unique(value: set[int]) -> None: ...
def day(value: dt.date) -> None: ...
def moment(value: dt.datetime) -> None: ...
def ident(value: uuid.UUID) -> None: ...
def point(value: Point) -> None: ...
def visit(value: Visit) -> None: ...
def ring(value: Ping) -> None: ...
def search(value: Filter) -> None: ...
def points(value: list[Point] = []) -> None: ...  # noqa: B006
def anything(value: Any) -> None: ...
def described(value: Annotated[int, "how many"]) -> None: ...
def bounded(value: Annotated[int, msgspec.Meta(ge=1, description="from one")]) -> None: ...
def default(value: str = "C") -> None: ...
def strange(value: object = object()) -> None: ...


INT = {"type": "integer", "description": "how many"}
VISIT = Visit(dt.date(2026, 1, 2), Visit(dt.date(2026, 2, 3)))

# A function, what a model may send for `value`, and what the function then gets.
SIGNATURES: list[tuple[Callable[..., Any], Any, Any]] = [
    (bare, {"a": [1]}, {"a": [1]}),
    (text, "x", "x"),
    (whole, 5, 5),
    (number, 5, 5.0),
    (flag, True, True),
    (choice, "F", "F"),
    (count, 2, 2),
    (unit, "C", Unit.C),
    (either, None, None),
    (either, 1, 1),
    (implied, None, None),
    (names, ["a"], ["a"]),
    (pair, [1, "a"], (1, "a")),
    (table, {"a": 1}, {"a": 1}),
    (unique, [1, 2], {1, 2}),
    (day, "2026-01-02", dt.date(2026, 1, 2)),
    (moment, "2026-01-02T03:04:05Z", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)),
    (ident, str(uuid.UUID(int=7)), uuid.UUID(int=7)),
    (point, {"x": 1}, Point(1, 2)),
    (visit, {"day": "2026-01-02", "follow_up": {"day": "2026-02-03"}}, VISIT),
    (ring, {"pong": {"ping": {}}}, Ping(Pong(Ping()))),
    (search, {"words": ["a"]}, {"words": ["a"]}),
    (points, [{"x": 1, "y": 3}], [Point(1, 3)]),
    (anything, [None], [None]),
    (described, 3, 3),
    (bounded, 1, 1),
    (default, "F", "F"),
]


def signature(function: Callable[..., Any]) -> Signature:
    """Read a function's signature the way a tool does."""
    return Signature.of(function, "tool-1", describe(function).parameters)


@pytest.mark.parametrize(("function", "sent", "got"), SIGNATURES)
def test_schema_and_conversion_agree(function: Callable[..., Any], sent: Any, got: Any) -> None:
    """The schema is a valid one, what the model sends is valid by it, and arrives converted."""
    made = signature(function)
    jsonschema.Draft202012Validator.check_schema(made.schema)
    jsonschema.validate({"value": sent}, made.schema)
    assert made.bind(json.dumps({"value": sent})) == ([], {"value": got})
    assert made.schema["type"] == "object"
    assert made.schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (choice, {"enum": ["C", "F"]}),
        (unit, {"enum": ["C", "F"], "title": "Unit"}),
        (implied, {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
        (described, {"type": "integer", "description": "how many"}),
        (bounded, {"type": "integer", "minimum": 1, "description": "from one"}),
        (default, {"type": "string", "default": "C"}),
        (bare, {}),
    ],
)
def test_property(function: Callable[..., Any], expected: dict[str, Any]) -> None:
    """A parameter is described in the plainest schema that says what it takes."""
    assert signature(function).schema["properties"]["value"] == expected


def test_references_are_inlined() -> None:
    """Only a type that contains itself is referred to; all others stand where they are used."""
    assert "$ref" not in json.dumps(signature(points).schema)
    assert set(signature(visit).schema["$defs"]) == {"Visit"}
    assert set(signature(ring).schema["$defs"]) == {"Ping"}


def test_defaults_are_the_functions_own() -> None:
    """What the model leaves out is the very object that the signature holds, shown or not."""
    made = Signature.of(default, "x", {})
    assert made.bind("") == ([], {"value": "C"})
    assert "required" not in made.schema


def test_a_default_that_is_no_json_is_not_shown() -> None:
    """A default without a JSON form works, and the schema keeps silent about it."""
    marker = frozenset({1j})

    def function(value: Any = marker) -> None: ...

    made = signature(function)
    assert "default" not in made.schema["properties"]["value"]
    assert made.bind("{}")[1]["value"] is marker


def test_positional_only_parameters_are_given_by_position() -> None:
    """The model names every argument; the function gets it the way it wants it."""

    def function(a: int, /, b: int = 2, *, c: int = 3) -> None: ...

    assert signature(function).bind('{"a": 1, "c": 4}') == ([1], {"b": 2, "c": 4})


def test_any_name_of_a_parameter_will_do() -> None:
    """Names that mean something to Python or to msgspec are names like others to the model."""

    def function(_v: int, __w: int = 1, *, __struct_fields__: int = 2) -> None: ...

    made = signature(function)
    assert list(made.schema["properties"]) == ["_v", "__w", "__struct_fields__"]
    assert made.bind('{"_v": 1, "__w": 3}')[1] == {"_v": 1, "__w": 3, "__struct_fields__": 2}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (Annotated[int, "how many"] | None, {"anyOf": [INT, {"type": "null"}]}),
        (list[Annotated[int, "how many"]], {"type": "array", "items": INT}),
        (dict[str, Annotated[int, "how many"]], {"type": "object", "additionalProperties": INT}),
    ],
)
def test_a_text_inside_a_type(hint: Any, schema: dict[str, Any]) -> None:
    """`Annotated` explains at any depth, not only a whole parameter."""

    def function(value: Any) -> None: ...

    function.__annotations__["value"] = hint
    assert signature(function).schema["properties"]["value"] == schema


def test_a_nested_object_that_needs_nothing() -> None:
    """An empty list of what is required is left out at any depth."""
    assert "required" not in json.dumps(signature(search).schema["properties"])


class Callee:
    """An object that can be called."""

    def __call__(self, value: int) -> None: ...

    def method(self, value: int) -> None: ...


@pytest.mark.parametrize("function", [Callee(), Callee().method, functools.partial(whole)])
def test_self_is_skipped(function: Callable[..., Any]) -> None:
    """Bound methods, callable objects and partials are read like functions."""
    assert signature(function).schema["properties"] == {"value": {"type": "integer"}}


def unknown_type(value: object) -> None: ...
def two_strings(value: str | dt.date) -> None: ...
def starred(*values: int) -> None: ...
def keywords(**values: int) -> None: ...
def unresolved(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (unknown_type, "parameter 'value' cannot be JSON"),
        (two_strings, "parameter 'value' cannot be JSON"),
        (starred, "name each parameter"),
        (keywords, "name each parameter"),
        (unresolved, "'Nowhere' is not defined"),
        (Callee.method, "register it bound"),
        (type, "no signature to read"),
    ],
)
def test_refused(function: Callable[..., Any], sentence: str) -> None:
    """What JSON cannot express is refused when it is registered, by a sentence that says what."""
    with pytest.raises(ToolError, match=sentence):
        signature(function)


def booking(
    city: str, unit: Literal["C", "F"] = "C", visits: list[Visit] | None = None
) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{}", ["'city'", "missing", "string"]),
        ('{"city": 1}', ["'city'", "wrong", "Expected `str`, got `int`"]),
        ('{"city": "x", "unit": "K"}', ["'unit'", "'K'", '["C", "F"]']),
        ('{"city": "x", "town": 1}', ["no argument 'town'", "'city', 'unit', 'visits'"]),
        ('{"city": "x", "visits": [{"day": 3}]}', ["'visits'", "$.visits[0].day", "date"]),
        ("[]", ["Expected `object`, got `array`"]),
        ("nonsense", ["not a JSON object"]),
        ('{"city": "\ud800"}', ["not a JSON object"]),
    ],
)
def test_wrong_arguments_are_explained(arguments: str, words: list[str]) -> None:
    """The text names the argument and what was expected, so that the model can try again."""
    with pytest.raises(ToolError) as caught:
        signature(booking).bind(arguments)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_bottomless_arguments() -> None:
    """Nesting beyond all measure is refused like any other nonsense."""
    with pytest.raises(ToolError, match="not a JSON object"):
        signature(anything).bind('{"value": ' + "[" * 100_000)


def test_no_arguments_to_name() -> None:
    """A function without parameters says so, and takes empty arguments in each form."""
    made = signature(nothing)
    assert [made.bind(form) for form in ("", " ", "{}")] == [([], {})] * 3
    with pytest.raises(ToolError, match="The arguments are: none"):
        made.bind('{"a": 1}')


@pytest.mark.parametrize(("function", "sent", "got"), [(whole, "5", 5), (number, "1.5", 1.5)])
def test_numbers_in_quotes(function: Callable[..., Any], sent: str, got: float) -> None:
    """Numbers that come as strings are taken: models write them so."""
    assert signature(function).bind(json.dumps({"value": sent}))[1] == {"value": got}


@given(st.text())
def test_any_text_is_converted_or_explained(arguments: str) -> None:
    """Whatever the model writes, it is bound or refused with a text; nothing else is raised."""
    with pytest.raises(ToolError):
        signature(booking).bind("!" + arguments)


def documented(city: str, unit: Annotated[str, "C or F"] = "C") -> None:
    """Current weather
    for a city.

    Args:
        city: the city's
            English name
        unit: ignored, the annotation says it
    """


def test_docstring() -> None:
    """The summary describes the tool, its lines the parameters that have no text of their own."""
    text = describe(documented)
    assert text.summary == "Current weather for a city."
    properties = Signature.of(documented, "x", text.parameters).schema["properties"]
    assert {name: each.get("description") for name, each in properties.items()} == {
        "city": "the city's English name",
        "unit": "C or F",
    }


def test_docstring_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the parser the summary is still there, the parameters go without text."""
    monkeypatch.setitem(sys.modules, "docstring_parser", None)
    assert describe(documented) == ("Current weather for a city.", {})
    assert describe(bare) == ("", {})
    monkeypatch.undo()
    assert Signature.of(bare, "x", {"gone": "no such parameter"}).schema["properties"] == {
        "value": {}
    }
