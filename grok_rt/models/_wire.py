"""What every class that stands for JSON shares: absence, unknown fields, a readable `repr`.

Nothing here knows a particular field. Immutable values only, so any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from grok_rt._unset import UNSET, Unset

__all__ = ["NO_EXTRA", "Extra", "Maybe", "Wire", "wire_name"]

T = TypeVar("T")

#: A field that may be absent (`UNSET`) and may be null (`None`); both are false.
Maybe: TypeAlias = T | Unset | None


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


@attrs.frozen
class Wire:
    """A value of the wire; abstract.

    Attributes:
        extra: the fields that this version does not know; they are sent back as they came.
    """

    extra: Mapping[str, Any] = attrs.field(default=NO_EXTRA, kw_only=True, eq=False)

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        # attrs gives every class a `__repr__` of its own; ours leaves out what is absent.
        cls.__repr__ = Wire.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        names = [a.name for a in attrs.fields(type(self)) if a.repr and a.name != "extra"]
        fields = {name: getattr(self, name) for name in names} | {"extra": self.extra or UNSET}
        shown = (f"{name}={_short(v)}" for name, v in fields.items() if v is not UNSET)
        return f"{type(self).__name__}({', '.join(shown)})"


def wire_name(attribute: attrs.Attribute[Any]) -> str:
    """The JSON name of a field: its own, unless the metadata say another; empty: it has none."""
    name: str = attribute.metadata.get("wire", attribute.name)
    return name


def _short(value: object) -> str:
    """`repr`, but sound is told by its size."""
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else repr(value)
