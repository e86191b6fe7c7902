"""What the words of an annotation mean, where annotations are text."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import attrs
import pytest

from grok_rt.errors import ToolError
from grok_rt.tools import Tool, marked_tools, tool
from grok_rt.tools._scope import hints, local_names


def test_a_class_that_a_function_defines() -> None:
    """A tool that is defined in a function may take that function's classes."""

    @attrs.define
    class Visit:
        day: int

    def book(visit: Visit, others: list[Visit] | None = None) -> None: ...

    assert hints(book, "book", {})["visit"] is Visit
    made = Tool.of(book)
    assert made.parameters["properties"]["visit"]["title"] == "Visit"
    assert made.answer('{"visit": {"day": 1}}') == "null"


def test_a_function_inside_a_function() -> None:
    """The names of each function around it are known, the nearest first."""

    def outer() -> tuple[dict[str, Any], type, type]:
        class Far: ...

        class Both: ...

        def inner() -> tuple[dict[str, Any], type]:
            class Both: ...

            def book(far: Far, both: Both) -> None: ...

            return hints(book, "book", {}), Both

        said, nearest = inner()
        return said, Far, nearest

    said, far, nearest = outer()
    assert said["far"] is far
    assert said["both"] is nearest


def desk() -> Any:
    """Make a class whose methods take what only this function knows."""

    @attrs.define
    class Visit:
        day: int

    class Desk:
        @tool
        def book(self, visit: Visit) -> int:
            return visit.day

        @tool
        @staticmethod
        def cancel(visit: Visit) -> int:
            return -visit.day

    return Desk


def test_a_marked_method_remembers() -> None:
    """The function that defined its class may be over when a method becomes a tool."""
    book, cancel = marked_tools(desk()())
    assert book.answer('{"visit": {"day": 7}}') == "7"
    assert cancel.answer('{"visit": {"day": 7}}') == "-7"


def test_only_what_is_mentioned_is_kept() -> None:
    """A mark does not keep the whole frame alive."""

    class Visit: ...

    unrelated = object()

    def book(visit: Visit, hour: int) -> None: ...

    assert unrelated
    assert local_names(book) == {"Visit": Visit}


class Slots:
    """A class with a class inside, and a method that is called like a type."""

    @attrs.define
    class Slot:
        hour: int

    def int(self) -> None: ...

    @tool
    def take(self, slot: Slot, count: int) -> int:
        return slot.hour + count


def test_names_of_the_class_come_last() -> None:
    """A class inside a class is found; a method does not hide the type of its name."""
    (take,) = marked_tools(Slots())
    assert take.answer('{"slot": {"hour": 9}, "count": 1}') == "10"


def test_what_a_closure_holds() -> None:
    """A name that the function itself uses is in its closure, though nothing runs any more."""

    def make(kind: type) -> Callable[..., Any]:
        def book(visit: kind) -> Any:  # type: ignore[valid-type]
            return kind, later

        made = book
        if kind is str:
            later = 1
        return made

    assert hints(make(int), "book", {})["visit"] is int


def test_wrappers_partials_and_objects() -> None:
    """Whatever is wrapped around a function, its own annotations count."""

    class Visit: ...

    def book(visit: Visit) -> None: ...

    class Desk:
        def __call__(self, visit: Visit) -> None: ...

    @functools.wraps(book)
    def wrapped(*args: Any) -> None: ...

    for each in (functools.partial(book), Desk(), Desk().__call__, wrapped):
        assert hints(each, "book", {})["visit"] is Visit


def unknown(visit: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def forbidden(visit: Final[int]) -> None: ...  # type: ignore[valid-type]


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (unknown, "name 'Nowhere' is not defined; define it before the tool"),
        (forbidden, "an annotation cannot be read"),
    ],
)
def test_what_means_nothing(function: Callable[..., Any], sentence: str) -> None:
    """An annotation that nobody can read is refused by a sentence that says what to do."""
    with pytest.raises(ToolError, match=sentence):
        Tool.of(function)
