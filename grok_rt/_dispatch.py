"""Methods that are chosen by the class of their first argument, without a leak.

Python 3.13.0 and 3.13.1 keep every object alive whose `functools.singledispatchmethod` was ever
called, in a cache of that decorator's. Here it has none. No state, any thread.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dispatched"]

T = TypeVar("T")


def dispatched(function: Callable[..., T]) -> functools.singledispatchmethod[T]:
    """`functools.singledispatchmethod` that remembers no object."""
    method = functools.singledispatchmethod(function)
    vars(method)["_method_cache"] = None  # what Python takes for a cache that cannot be used
    return method
