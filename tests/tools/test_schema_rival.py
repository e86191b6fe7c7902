"""Our schemas beside pydantic's: what models are told is what the most used generator tells them.

Two schemas are compared by what they accept, of a pool of JSON values that knows each type's
neighbours, and by what is then made of it; how a schema says so is its own business.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union, cast

import attrs
import jsonschema
import msgspec
import pytest
from typing_extensions import NotRequired, TypedDict

from grok_rt.errors import ToolError
from grok_rt.tools._schema import Signature

pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")


class Unit(enum.Enum):
    """A unit."""

    C = "C"
    F = "F"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


@dataclasses.dataclass
class Line:
    start: Point
    end: Point
    label: Optional[str] = None  # noqa: UP045  (what people write on 3.10)


@dataclasses.dataclass
class Node:
    name: str
    children: list[Node] = dataclasses.field(default_factory=list)


class Filter(TypedDict):
    words: list[str]
    limit: NotRequired[int]


class Loose(TypedDict, total=False):
    a: int
    b: str


Loose.__pydantic_config__ = {"extra": "ignore"}  # type: ignore[attr-defined]  # or it inherits


class Pair(NamedTuple):
    key: str
    value: int


Meta = msgspec.Meta


@attrs.frozen
class Case:
    """One type of a parameter.

    Attributes:
        hint: what our user writes.
        theirs: what a user of pydantic writes, where that is something else.
        apart: values of which the two may think differently, and why.
    """

    hint: Any
    theirs: Any = None
    default: Any = attrs.field(default=..., kw_only=True)
    apart: Sequence[Any] = attrs.field(default=(), kw_only=True)


def bounded(hint: Any, ours: msgspec.Meta, **theirs: Any) -> Case:
    return Case(Annotated[hint, ours], Annotated[hint, pydantic.Field(**theirs)])


NUMBERS = (0, 1, 2, -1, 7, 1.0, 1.5)  # pydantic takes a Decimal as a number too
CASES = {
    "any": Case(Any),
    "str": Case(str),
    "int": Case(int),
    "float": Case(float),
    "bool": Case(bool),
    "none": Case(type(None)),
    "default str": Case(str, default="C"),
    "default int": Case(int, default=3),
    "default list": Case(list[int], default=[]),
    "default none": Case(int | None, default=None),
    "optional": Case(Optional[int]),  # noqa: UP045
    "union": Case(Union[int, str]),  # noqa: UP007
    "new union": Case(int | str | None),
    "list or str": Case(list[int] | str),
    "literal of words": Case(Literal["C", "F"]),
    "literal of one": Case(Literal["C"]),
    "literal of numbers": Case(Literal[1, 2], apart=[True, 1.0]),
    "literal mixed": Case(Literal["C", 1, None], apart=[True, 1.0]),  # noqa: PYI061
    "enum": Case(Unit),
    "enum with default": Case(Unit, default=Unit.C),
    "int enum": Case(Level, apart=[True, 1.0]),
    "list": Case(list[str]),
    "bare list": Case(list),
    "list of lists": Case(list[list[int]]),
    "list of optional": Case(list[int | None]),
    "sequence": Case(Sequence[int]),
    "set": Case(set[int]),
    "frozenset": Case(frozenset[str]),
    "tuple": Case(tuple[int, str]),
    "endless tuple": Case(tuple[int, ...]),
    "dict": Case(dict[str, int]),
    "dict of lists": Case(dict[str, list[int]]),
    "bare dict": Case(dict),
    "mapping": Case(Mapping[str, Any]),
    "date": Case(dt.date, apart=[*NUMBERS, "2026-01-02T03:04:05Z"]),
    "datetime": Case(dt.datetime, apart=[*NUMBERS, "2026-01-02", "1"]),
    "uuid": Case(uuid.UUID),
    "decimal": Case(decimal.Decimal, apart=NUMBERS),
    "dataclass": Case(Point),
    "dataclass in a list": Case(list[Point]),
    "optional dataclass": Case(Point | None),
    "nested dataclass": Case(Line),
    "recursive dataclass": Case(Node),
    "typed dict": Case(Filter),
    "loose typed dict": Case(Loose),
    "named tuple": Case(Pair, apart=[{"key": "C", "value": 1}]),
    "described": Case(
        Annotated[int, "how many"], Annotated[int, pydantic.Field(description="how many")]
    ),
    "at least": bounded(int, Meta(ge=1), ge=1),
    "between": bounded(float, Meta(gt=0, lt=2), gt=0, lt=2),
    "multiple": bounded(int, Meta(multiple_of=2), multiple_of=2),
    "pattern": bounded(str, Meta(pattern="^[CF]$"), pattern="^[CF]$"),
    "length": bounded(str, Meta(min_length=1, max_length=2), min_length=1, max_length=2),
    "length of a list": bounded(list[int], Meta(max_length=2), max_length=2),
}

#: What msgspec says since a version of its own; earlier ones refuse the first in a sentence.
SINCE = {"literal mixed": (0, 22), "set": (0, 21)}
VERSION = tuple(int(part) for part in msgspec.__version__.split(".")[:2])
for name, since in SINCE.items():
    if since > VERSION:
        del CASES[name]

POOL: list[Any] = [
    *(None, True, False, *NUMBERS, "", "C", "F", "K", "1", "CC", "CFC", "how"),
    *("2026-01-02", "2026-01-02T03:04:05Z", "10.50", str(uuid.UUID(int=7)), "x" * 40),
    *([], [1], [1, 1], [1, 2, 3], ["a"], ["a", "b"], ["a", 1], [1, "a"], [1, "a", 2], [None], [[]]),
    *([[1], [2]], [["a"]], [True], [1.5], [{}], [{"x": 1}], [{"x": 1, "y": 3}], [{"x": "1"}]),
    *({}, {"a": 1}, {"a": "1"}, {"b": "x"}, {"a": [1]}, {"a": ["x"]}, {"x": 1}, {"x": 1, "y": 3}),
    *({"x": None}, {"x": 1, "y": None}, {"y": 3}, {"words": ["a"]}, {"words": ["a"], "limit": 1}),
    *({"words": "a"}, {"words": [], "limit": None}, {"limit": 1}, {"name": "n"}),
    {"start": {"x": 1}, "end": {"x": 2}},
    {"start": {"x": 1}, "end": {"x": 2}, "label": None},
    {"start": {"x": 1}, "end": {}},
    {"name": "n", "children": [{"name": "m", "children": []}]},
    {"name": "n", "children": [{"children": []}]},
    {"key": "C", "value": 1},
]


def ours(case: Case) -> Signature:
    def tool(value: Any) -> None: ...

    def tool_with_default(value: Any = case.default) -> None: ...

    function = tool if case.default is ... else tool_with_default
    function.__annotations__ = {"value": case.hint}
    return Signature.of(function, "tool", {})


def theirs(case: Case) -> Any:
    hint = case.hint if case.theirs is None else case.theirs
    config = pydantic.ConfigDict(extra="forbid")
    make = cast("Any", pydantic.create_model)
    return make("tool", __config__=config, value=(hint, case.default))


def accepted(schema: Any, case: Case) -> list[str]:
    """What of the pool a schema lets through, as JSON: in Python, 1 would be True."""
    validator = jsonschema.Draft202012Validator(schema)
    apart = [json.dumps(value) for value in case.apart]
    texts = [json.dumps(value) for value in POOL if validator.is_valid({"value": value})]
    return [text for text in texts if text not in apart]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_both_schemas_accept_the_same(case: Case) -> None:
    """The same values are valid, the same argument is required, explained and has its default."""
    mine, rival = ours(case).schema, theirs(case).model_json_schema()
    jsonschema.Draft202012Validator.check_schema(mine)
    assert accepted(mine, case) == accepted(rival, case)
    assert accepted(mine, case), "the pool has nothing of this kind"
    assert mine.get("required", []) == rival.get("required", [])
    assert mine["additionalProperties"] is rival["additionalProperties"] is False
    of_mine, of_rival = mine["properties"]["value"], rival["properties"]["value"]
    assert of_mine.get("default", ...) == of_rival.get("default", ...)
    if case.theirs is not None:
        assert of_mine.get("description") == of_rival.get("description")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_both_make_the_same_of_it(case: Case) -> None:
    """What both schemas accept becomes the same value of Python, or is refused by both."""
    signature, rival = ours(case), theirs(case)
    for text in accepted(signature.schema, case):
        arguments = f'{{"value": {text}}}'
        try:
            expected = rival.model_validate_json(arguments).value
        except pydantic.ValidationError:
            with pytest.raises(ToolError):
                signature.bind(arguments)
        else:
            made = signature.bind(arguments)[1]["value"]
            assert (made, type(made)) == (expected, type(expected)), text


def test_there_are_enough() -> None:
    """The comparison is of forty types at least."""
    assert len(CASES) >= 40
