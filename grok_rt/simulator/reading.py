"""A client's JSON, read as what it must be: each wrong type is refused by the name of its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_KINDS: dict[type, str] = {
    bool: "a boolean",
    dict: "an object",
    int: "a whole number",
    list: "an array",
    str: "a string",
}


class Refused(Exception):
    """A client event the service answers with an `error`."""

    def __init__(
        self, message: str, *, code: str = "", param: str = "", type: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.code = code
        self.param = param


def checked(value: Any, kind: type[T], param: str) -> T:
    """`value`, which must be of this kind; true and false are no numbers.

    Raises:
        Refused: it is not; names `param`.
    """
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Refused(f"{param} must be {_KINDS[kind]}", param=param)
    return value


def needed(holder: Mapping[str, Any], name: str, kind: type[T], within: str = "") -> T:
    """The field `name`; refused if it is absent, null or of another kind."""
    return checked(holder.get(name), kind, _path(within, name))


def optional(holder: Mapping[str, Any], name: str, kind: type[T], within: str = "") -> T | None:
    """The field `name`, None if it is absent or null; refused if it is of another kind."""
    value = holder.get(name)
    return None if value is None else checked(value, kind, _path(within, name))


def strings(holder: Mapping[str, Any], name: str, within: str) -> list[str]:
    """The field `name`, an array of strings; empty if it is absent or null."""
    values = optional(holder, name, list, within) or []
    return [checked(value, str, _path(within, name)) for value in values]


def _path(within: str, name: str) -> str:
    return f"{within}.{name}" if within else name
