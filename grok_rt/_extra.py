"""`Extra`: the fields of a JSON object that its class does not know, kept to be sent back.

Read-only, and one empty instance for all; it goes through pickle and copy, which the standard
library's read-only view does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["NO_EXTRA", "Extra"]


class Extra(Mapping[str, Any]):
    """The fields of a JSON object that its class does not know: a read-only mapping."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any] | None = None, /) -> None:
        self._fields = dict(fields or {})

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return repr(self._fields)

    def __reduce__(self) -> tuple[type[Extra], tuple[dict[str, Any]]]:
        return Extra, (self._fields,)


NO_EXTRA: Final = Extra()
