"""What every class that stands for JSON shares: absence, unknown fields, a readable `repr`.

Nothing here knows a particular field. Immutable values only, so any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

import attrs

from grok_rt._extra import NO_EXTRA
from grok_rt._unset import UNSET, Unset

__all__ = ["Maybe", "Wire", "shown", "wire_name"]

T = TypeVar("T")

#: A field that may be absent (`UNSET`) and may be null (`None`); both are false.
Maybe: TypeAlias = T | Unset | None


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
        return shown(self)


def shown(value: Any) -> str:
    """`repr` of an instance with `extra`, without what is absent; sound is told by its size."""
    names = [a.name for a in attrs.fields(type(value)) if a.repr and a.name != "extra"]
    fields = {name: getattr(value, name) for name in names} | {"extra": value.extra or UNSET}
    parts = (f"{name}={_short(each)}" for name, each in fields.items() if each is not UNSET)
    return f"{type(value).__name__}({', '.join(parts)})"


def wire_name(attribute: attrs.Attribute[Any]) -> str:
    """The JSON name of a field: its own, unless the metadata say another; empty: it has none."""
    name: str = attribute.metadata.get("wire", attribute.name)
    return name


def _short(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else repr(value)
