"""The one mechanism: who hears an event, in which order, and what a raising handler does."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import events, on
from grok_rt._client.handlers import Handlers, marked_methods
from grok_rt.errors import RemoteProtocolError

MALFORMED = events.Malformed(data=b"?", error=RemoteProtocolError("no JSON"))
LINEAGE = (events.Malformed, events.LocalEvent, events.Failure, events.Event)


def named(name: str, heard: list[str]) -> Callable[[events.Event], None]:
    return lambda _event: heard.append(name)


@given(
    st.lists(st.tuples(st.sampled_from((*LINEAGE, events.Opened)), st.booleans()), max_size=12),
)
def test_exact_class_first_then_methods_then_age(
    registered: list[tuple[type[events.Event], bool]],
) -> None:
    """An event's own class before its bases, methods before registrations, then the oldest."""
    handlers = Handlers()
    heard: list[str] = []
    expected = []
    for age, (event_class, is_method) in enumerate(registered):
        name = f"{age}"
        handlers.add(event_class, named(name, heard), is_method=is_method)
        if event_class in LINEAGE:
            rank = events.Malformed.__mro__.index(event_class)
            expected.append((rank, not is_method, age, name))
    assert handlers.hear(MALFORMED) == []
    assert heard == [name for *_, name in sorted(expected)]


def test_a_handler_hears_its_class_and_subclasses_only() -> None:
    """A base class hears all its subclasses; a sister class hears nothing."""
    handlers = Handlers()
    heard: list[str] = []
    handlers.add(events.Failure, named("failure", heard))
    handlers.hear(events.Opened())
    handlers.hear(MALFORMED)
    assert heard == ["failure"]
    assert events.Malformed in handlers
    assert events.Opened not in handlers


def test_what_is_added_while_hearing_hears_the_next_event() -> None:
    """Adding during dispatch takes effect at the next event, in a class seen before, too."""
    handlers = Handlers()
    heard: list[str] = []
    handlers.add(
        events.Opened, lambda _: handlers.add(events.Opened, named("late", heard)), once=True
    )
    handlers.hear(events.Opened())
    assert heard == []
    handlers.hear(events.Opened())
    assert heard == ["late"]


def test_what_is_removed_while_hearing_hears_this_event_still() -> None:
    """Removing during dispatch takes effect at the next event."""
    handlers = Handlers()
    heard: list[str] = []
    last = named("last", heard)
    handlers.add(events.Opened, lambda _: handlers.remove(events.Opened, last))
    handlers.add(events.Opened, last)
    handlers.hear(events.Opened())
    handlers.hear(events.Opened())
    assert heard == ["last"]


def test_remove_says_whether_it_was_there() -> None:
    """A handler is taken off for the class it was registered for, and for no other."""
    handlers = Handlers()
    heard: list[str] = []
    handler = named("x", heard)
    handlers.add(events.Opened, handler)
    assert not handlers.remove(events.LocalEvent, handler)
    assert not handlers.remove(events.Opened, named("y", heard))
    assert handlers.remove(events.Opened, handler)
    assert not handlers.remove(events.Opened, handler)
    handlers.hear(events.Opened())
    assert heard == []


def test_once_is_once_even_if_it_raises() -> None:
    """A `once` handler hears the first event, and is gone before it runs."""
    handlers = Handlers()
    calls = []

    def fails(event: events.Opened) -> None:
        calls.append(event)
        assert events.Opened not in handlers
        raise ValueError

    handlers.add(events.Opened, fails, once=True)
    assert len(handlers.hear(events.Opened())) == 1
    assert handlers.hear(events.Opened()) == []
    assert len(calls) == 1


def test_once_is_once_for_two_threads_that_hear() -> None:
    """A `once` handler that has been called for another event is not called again."""
    handlers = Handlers()
    heard: list[str] = []

    def meanwhile(_event: events.Event) -> None:
        thread = threading.Thread(target=handlers.hear, args=(events.Opened(),))
        thread.start()
        thread.join(5)

    handlers.add(events.Opened, meanwhile, once=True)
    handlers.add(events.Opened, named("once", heard), once=True)
    handlers.hear(events.Opened())
    assert heard == ["once"]


def test_the_others_hear_what_one_fails_at() -> None:
    """Each handler that raises is named with its exception; all others hear the event."""
    handlers = Handlers()
    heard: list[str] = []
    errors = [ValueError("a"), SystemExit(3)]

    def first(_event: events.Event) -> None:
        raise errors[0]

    def second(_event: events.Event) -> None:
        raise errors[1]

    handlers.add(events.Opened, first)
    handlers.add(events.Opened, partial(second))
    handlers.add(events.Opened, named("heard", heard))
    failed = handlers.hear(events.Opened())
    assert heard == ["heard"]
    assert [each.error for each in failed] == errors
    assert failed[0].handler.endswith("first")
    assert "second" in failed[1].handler
    assert failed[0].error.__traceback__ is not None


def test_ctrl_c_ends_the_hearing() -> None:
    """`KeyboardInterrupt` keeps the rest from hearing, and comes before earlier failures."""
    handlers = Handlers()
    heard: list[str] = []

    def fails(_event: events.Event) -> None:
        raise ValueError

    def interrupted(_event: events.Event) -> None:
        raise KeyboardInterrupt

    handlers.add(events.Opened, fails)
    handlers.add(events.Opened, interrupted)
    handlers.add(events.Opened, named("never", heard))
    failed = handlers.hear(events.Opened())
    assert [type(each.error) for each in failed] == [KeyboardInterrupt, ValueError]
    assert heard == []


async def _coroutine(_event: events.Event) -> None: ...


def _generator(_event: events.Event) -> Iterator[None]:
    yield


async def _async_generator(_event: events.Event) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize(
    ("event_class", "call", "sentence"),
    [
        ("response.done", print, "keyed by an event class"),
        (str, print, "keyed by an event class"),
        (events.Opened, "play", "a callable that takes one event"),
        (events.Opened, _coroutine, "async"),
        (events.Opened, _generator, "generator"),
        (events.Opened, _async_generator, "generator"),
        (events.Opened, lambda: None, r"takes one event; .*<lambda>\(\) cannot"),
        (events.Opened, lambda _event, more: None, r"<lambda>\(_event, more\) cannot"),
        (events.Opened, lambda _event, *, more: None, "takes one event"),
        (events.ResponseCreate, print, "ResponseCreate is what clients say"),
        (events.ClientEvent, print, "never heard"),
    ],
)
def test_what_is_no_handler_is_refused_at_once(event_class: Any, call: Any, sentence: str) -> None:
    """A typo, a string, or a coroutine that nobody would await fails where it is registered."""
    with pytest.raises(TypeError, match=sentence):
        Handlers().add(event_class, call)


@pytest.mark.parametrize(
    "call",
    [
        print,
        [].append,
        lambda *events: None,
        lambda event, more=5: None,
        partial(lambda event, more: None, more=5),
        type("Called", (), {"__call__": lambda self, event: None})(),
        type("Opaque", (), {"__call__": lambda self, event: None, "__signature__": "none"})(),
        str,
        dict.fromkeys,
    ],
)
def test_whatever_may_take_one_event_is_a_handler(call: Any) -> None:
    """What was written in C and tells nothing of its arguments is believed."""
    Handlers().add(events.Opened, call)


def test_a_mark_needs_an_event_class() -> None:
    """`@on` refuses what is no event class where it is written."""
    with pytest.raises(TypeError, match="keyed by an event class"):
        on("response.done")  # type: ignore[arg-type]


def test_an_override_keeps_the_mark_of_the_name() -> None:
    """A mark belongs to the method's name: overriding keeps it, marking again replaces it."""

    class Parent:
        @on(events.Opened)
        @on(events.Closed, once=True)
        def first(self, event: Any) -> None: ...

        @on(events.Failure)
        def second(self, event: Any) -> None: ...

        def unmarked(self, event: Any) -> None: ...

    class Child(Parent):
        @on(events.Malformed)
        def second(self, event: Any) -> None: ...

        def first(self, event: Any) -> None: ...

        @on(events.Opened)
        def third(self, event: Any) -> None: ...

    assert list(marked_methods(Child)) == [
        ("first", events.Closed, True),
        ("first", events.Opened, False),
        ("second", events.Malformed, False),
        ("third", events.Opened, False),
    ]


def test_registering_while_others_hear_loses_nobody() -> None:
    """Handlers that many threads add while another hears are all there in the end."""
    handlers = Handlers()
    heard: list[str] = []
    barrier = threading.Barrier(4, timeout=10)

    def add(who: int) -> None:
        barrier.wait()
        for i in range(50):
            handlers.add(events.Opened, named(f"{who}-{i}", heard))

    threads = [threading.Thread(target=add, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    barrier.wait()
    for _ in range(50):
        handlers.hear(events.Opened())
    for thread in threads:
        thread.join(10)
    heard.clear()
    handlers.hear(events.Opened())
    assert len(set(heard)) == len(heard) == 150
