"""Who hears an event: the one mechanism behind `@on`, `client.on` and `on_audio`.

A handler is keyed by an event class and takes one event; a base class hears all its
subclasses. This module knows neither threads nor connections: whoever pumps calls
`Handlers.hear` and decides what becomes of the exceptions it returns. Adding and
removing is safe from any thread, and takes effect at the next event; only a `once`
handler that is gone is gone at once, so that it can never hear twice.
"""

from __future__ import annotations

import inspect
import itertools
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from grok_rt.events import ClientEvent, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Failed", "Handlers", "check_class", "is_marked", "marked_methods", "on"]

E = TypeVar("E", bound=Event)
S = TypeVar("S")
R = TypeVar("R")

_MARK = "__grok_rt_on__"


def on(
    event_class: type[E], *, once: bool = False
) -> Callable[[Callable[[S, E], R]], Callable[[S, E], R]]:
    """Mark a method of a `GrokClient` subclass as a handler of an event class.

    The mark belongs to the method's *name*: a subclass that overrides the method
    keeps the registration, whether it repeats the mark or not.

    Args:
        event_class: the class to hear; a base class hears all its subclasses.
        once: hear the first such event only.
    """
    check_class(event_class)

    def mark(method: Callable[[S, E], R]) -> Callable[[S, E], R]:
        marks: tuple[tuple[type[Event], bool], ...] = getattr(method, _MARK, ())
        setattr(method, _MARK, (*marks, (event_class, once)))
        return method

    return mark


def is_marked(member: object) -> bool:
    """Whether it was marked with `on`."""
    return hasattr(member, _MARK)


def marked_methods(cls: type) -> Iterator[tuple[str, type[Event], bool]]:
    """Yield (method name, event class, once) of each marked method, oldest class first."""
    marks: dict[str, tuple[tuple[type[Event], bool], ...]] = {}
    for owner in reversed(cls.__mro__):
        for name, member in vars(owner).items():
            if found := getattr(member, _MARK, ()):
                marks[name] = found
    for name, found in marks.items():
        for event_class, once in found:
            yield name, event_class, once


@attrs.frozen(eq=False)
class _Handler:
    event_class: type[Event]
    call: Callable[[Any], object]
    once: bool
    is_method: bool
    age: int

    @property
    def name(self) -> str:
        return getattr(self.call, "__qualname__", repr(self.call))


@attrs.frozen
class Failed:
    """A handler that raised: its name and the exception."""

    handler: str
    error: BaseException


class Handlers:
    """The handlers of one client, in the order in which they hear.

    For one event: handlers of its exact class before those of its bases, methods of
    the client's class before registrations, then the oldest first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._age = itertools.count()
        self._handlers: tuple[_Handler, ...] = ()
        self._by_type: dict[type[Event], tuple[_Handler, ...]] = {}

    def add(
        self,
        event_class: type[E],
        call: Callable[[E], object],
        *,
        once: bool = False,
        is_method: bool = False,
    ) -> None:
        """Let `call` hear each event of `event_class` from the next event on.

        Raises:
            TypeError: no event class, or no function that could be called with one event.
        """
        check_class(event_class)
        _check_call(call)
        handler = _Handler(event_class, call, once, is_method, next(self._age))
        with self._lock:
            self._replace((*self._handlers, handler))

    def remove(self, event_class: type[E], call: Callable[[E], object]) -> bool:
        """Take a handler off; false if it was not there."""
        with self._lock:
            left = tuple(
                h for h in self._handlers if h.event_class is not event_class or h.call != call
            )
            found = len(left) < len(self._handlers)
            self._replace(left)
        return found

    def hear(self, event: Event) -> list[Failed]:
        """Call each handler of the event; exceptions do not keep the others from hearing it.

        Only `KeyboardInterrupt` ends the hearing at once; it comes first of what is returned.
        """
        kind = type(event)
        handlers = self._by_type.get(kind)
        if handlers is None:
            handlers = self._sorted_for(kind)
        failed: list[Failed] = []
        for handler in handlers:
            if handler.once and not self._discard(handler):
                continue
            try:
                handler.call(event)
            except KeyboardInterrupt as error:
                return [Failed(handler.name, error), *failed]
            except BaseException as error:  # noqa: BLE001 - sys.exit() must not kill the pump
                failed.append(Failed(handler.name, error))
        return failed

    def __contains__(self, event_class: type[Event]) -> bool:
        """Whether anybody hears this very class or one of its bases."""
        return any(issubclass(event_class, h.event_class) for h in self._handlers)

    def _discard(self, handler: _Handler) -> bool:
        """Take a `once` handler off before its call; false if somebody else was quicker."""
        with self._lock:
            left = tuple(h for h in self._handlers if h is not handler)
            found = len(left) < len(self._handlers)
            self._replace(left)
        return found

    def _replace(self, handlers: tuple[_Handler, ...]) -> None:
        self._handlers = handlers
        self._by_type = {}

    def _sorted_for(self, kind: type[Event]) -> tuple[_Handler, ...]:
        with self._lock:
            cache = self._by_type
            mine = [h for h in self._handlers if issubclass(kind, h.event_class)]
        distance = {cls: i for i, cls in enumerate(kind.__mro__)}
        mine.sort(key=lambda h: (distance[h.event_class], not h.is_method, h.age))
        # Into the dict that was current under the lock: a later change has its own.
        return cache.setdefault(kind, tuple(mine))


def check_class(event_class: object) -> None:
    """Refuse what no event that comes can be an instance of.

    Raises:
        TypeError: it is no event class, or one of what clients say.
    """
    if not (isinstance(event_class, type) and issubclass(event_class, Event)):
        raise TypeError(
            "what is heard is keyed by an event class of grok_rt.events, as in "
            f"on(events.ResponseDone), not by {event_class!r}"
        )
    if issubclass(event_class, ClientEvent):
        raise TypeError(f"{event_class.__name__} is what clients say: it is sent, and never heard")


def _check_call(call: object) -> None:
    if not callable(call):
        raise TypeError(f"a handler is a callable that takes one event, not {call!r}")
    # By its name: a method shows its object, and that is not whole yet.
    name = getattr(call, "__qualname__", type(call).__name__)
    if inspect.iscoroutinefunction(call):
        raise TypeError(f"{name} is async: nobody would await it here")
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise TypeError(f"{name} is a generator: nobody would iterate over it, and it never runs")
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return  # written in C: the first event will tell
    try:
        signature.bind(None)
    except TypeError:
        taken = signature.replace(return_annotation=inspect.Signature.empty)
        raise TypeError(f"a handler takes one event; {name}{taken} cannot") from None
