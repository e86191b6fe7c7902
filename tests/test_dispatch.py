"""A method chosen by the class of its argument."""

from __future__ import annotations

import gc
import weakref

from grok_rt._dispatch import dispatched


class Listener:
    """Says what it was given."""

    @dispatched
    def hear(self, _thing: object) -> str:
        return "something"

    @hear.register
    def _number(self, thing: int) -> str:
        return f"a number, {thing}"


def test_the_class_of_the_argument_decides() -> None:
    """A subclass counts as its nearest base, the rest as anything."""
    assert [Listener().hear(thing) for thing in ("x", 3, True)] == [
        *("something", "a number, 3", "a number, True"),
    ]


def test_no_object_is_kept_alive() -> None:
    """Whoever was called goes when nobody needs it, on every Python."""
    listener = Listener()
    listener.hear(1)
    gone = weakref.ref(listener)
    del listener
    gc.collect()
    assert gone() is None
