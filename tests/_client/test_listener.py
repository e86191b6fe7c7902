"""Registrars, keywords and methods: four ways to say the same thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from grok_rt import GrokClient, events, on
from grok_rt._client.listener import REGISTRARS, GrokListener, HandlerKeywords
from grok_rt.errors import RemoteProtocolError

SAMPLES: dict[str, events.Event] = {
    "on_audio": events.ResponseOutputAudioDelta(audio=b"\0\0"),
    "on_transcript": events.ResponseOutputAudioTranscriptDelta(delta="Hel"),
    "on_function_call": events.FunctionCalled(
        call=events.ResponseFunctionCallArgumentsDone(
            call_id="c", name="weather", arguments="{}"
        ).function_call()
    ),
    "on_error": events.Malformed(data=b"?", error=RemoteProtocolError("no JSON")),
    "on_speech_started": events.InputAudioBufferSpeechStarted(item_id="i", audio_start_ms=0),
    "on_close": events.Closed(code=1000),
}


def hear(listener: GrokListener, event: events.Event) -> None:
    failed = listener._handlers.hear(event)
    assert failed == []


def test_every_registrar_has_its_keyword() -> None:
    """Methods, keywords and the table name the same six."""
    methods = {name for name in vars(GrokListener) if name.startswith("on_")}
    assert methods == set(REGISTRARS) == set(HandlerKeywords.__annotations__) == set(SAMPLES)


@pytest.mark.parametrize("name", REGISTRARS)
def test_a_registrar_is_on_with_the_class_filled_in(name: str) -> None:
    """As decorator, as keyword and as method, the handler hears its class and nothing else."""
    heard: list[tuple[str, events.Event]] = []
    child: Any = type(
        "Child", (GrokListener,), {name: lambda _self, event: heard.append(("method", event))}
    )
    listener = child(**{name: lambda event: heard.append(("keyword", event))})

    def decorated(event: events.Event) -> None:
        heard.append(("registrar", event))

    assert getattr(listener, name)(decorated) is decorated
    for event in SAMPLES.values():
        hear(listener, event)
    assert heard == [(how, SAMPLES[name]) for how in ("method", "keyword", "registrar")]


def test_on_and_off() -> None:
    """`on` gives back the handler, `once` hears one, `off` says whether it was there."""
    listener = GrokListener()
    heard: list[str] = []

    @listener.on(events.Opened)
    def always(event: events.Opened) -> None:
        heard.append("always")

    @listener.on(events.Opened, once=True)
    def first(event: events.Opened) -> None:
        heard.append("first")

    hear(listener, events.Opened())
    hear(listener, events.Opened())
    assert listener.off(events.Opened, always)
    assert not listener.off(events.Opened, always)
    assert not listener.off(events.Opened, first)
    hear(listener, events.Opened())
    assert heard == ["always", "first", "always"]


def test_what_is_taken_off_is_named_as_it_was_put_on() -> None:
    """Class and handler swapped would find nothing, in silence."""
    listener = GrokListener()
    with pytest.raises(TypeError, match=r"keyed by an event class .* not by <built-in .*print>"):
        listener.off(print, events.Opened)  # type: ignore[arg-type]


def test_a_keyword_may_be_none_but_not_wrong() -> None:
    """None is absent; a keyword that does not exist fails like any other, even with None."""
    assert GrokListener(on_audio=None)._handlers.hear(SAMPLES["on_audio"]) == []
    with pytest.raises(TypeError, match="no argument 'on_audoi'"):
        GrokListener(on_audoi=None)  # type: ignore[call-arg]


class Parent(GrokListener):
    """Hears with a named and a marked method."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        super().__init__()

    def on_close(self, event: Any) -> None:
        self.heard.append("parent closes")

    @on(events.Opened)
    def opened(self, event: events.Opened) -> None:
        self.heard.append("parent opens")


class Sister(Parent):
    """Hears something else by name."""

    def on_error(self, event: Any) -> None:
        self.heard.append("sister fails")


class Mixin:
    """Knows no listener."""

    heard: list[str]

    def on_close(self, event: Any) -> None:
        self.heard.append("mixin closes")


def heard_by(listener: Parent) -> list[str]:
    for event in (events.Opened(), SAMPLES["on_error"], SAMPLES["on_close"]):
        hear(listener, event)
    return listener.heard


def test_methods_are_inherited_like_methods() -> None:
    """An override replaces by name, with or without mark; two parents give both their methods."""

    class Child(Parent):
        def on_close(self, event: Any) -> None:
            self.heard.append("child closes")

        def opened(self, event: events.Opened) -> None:
            super().opened(event)
            self.heard.append("child opens")

    class Both(Child, Sister):
        pass

    assert heard_by(Parent()) == ["parent opens", "parent closes"]
    assert heard_by(Child()) == ["parent opens", "child opens", "child closes"]
    assert heard_by(Both()) == ["parent opens", "child opens", "sister fails", "child closes"]


def test_a_mixin_is_heard_where_python_would_find_it() -> None:
    """A plain class before the listener lends its handler; one behind it is hidden."""

    class Before(Mixin, Parent):
        pass

    class Behind(Parent, Mixin):
        pass

    assert heard_by(Before()) == ["parent opens", "mixin closes"]
    assert heard_by(Behind()) == ["parent opens", "parent closes"]


def test_registrars_stay_registrars_in_subclasses() -> None:
    """A method named like a registrar does not hide it: others can still register."""
    child = Sister()

    @child.on_error
    def also(failure: events.Failure) -> None:
        child.heard.append("also")

    assert heard_by(child) == ["parent opens", "sister fails", "also", "parent closes"]


def test_none_takes_an_inherited_handler_away() -> None:
    """A subclass says None where it wants no handler, as Python does with `__hash__`."""

    class Deaf(Parent):
        on_close = None  # type: ignore[assignment]
        opened = None  # type: ignore[assignment]

    assert heard_by(Deaf()) == []


def test_a_mark_overrules_the_name() -> None:
    """A method that is named like a registrar and marked hears what the mark says, once."""

    class Marked(Parent):
        @on(events.Malformed)
        def on_error(self, event: Any) -> None:
            self.heard.append("marked")

        @on(events.Closed)
        def on_close(self, event: Any) -> None:
            self.heard.append("closed")

    marked = Marked()
    hear(marked, events.ConnectionLost(1006))
    assert heard_by(marked) == ["parent opens", "marked", "closed"]


@pytest.mark.parametrize(
    ("keyword", "sentence"),
    [
        ("voice", r"use config=SessionConfig\(voice=…\)"),
        ("instructions", r"use config=SessionConfig\(instructions=…\)"),
        ("on_audoi", "did you mean on_audio"),
        ("apikey", "did you mean api_key"),
        ("whatever", "takes no argument 'whatever'$"),
    ],
)
def test_a_wrong_keyword_is_told_the_right_one(keyword: str, sentence: str) -> None:
    """A setting of the session has its place, and a slip its correction."""
    with pytest.raises(TypeError, match=sentence):
        GrokClient(**{keyword: None})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["on_audoi", "on_eror", "on_closed", "on_transcription"])
def test_a_misspelt_method_is_refused(name: str) -> None:
    """A method that is nearly named like a registrar would never be called."""
    with pytest.raises(TypeError, match=f"Child.{name} would never be called: did you mean on_"):
        type("Child", (GrokListener,), {name: lambda self, event: None})


def test_other_names_are_the_subclass_s_own() -> None:
    """What is marked, is no function, or is named like nothing of ours is left alone."""

    class Child(GrokListener):
        on_error_texts = ("none",)
        on_closed = False

        @on(events.Opened)
        def on_audioo(self, event: events.Opened) -> None: ...

        def on_click(self) -> None: ...

        def on_speech_stopped(self, event: Any) -> None: ...

        def on_audio_device(self) -> None: ...

    Child()


def test_a_method_takes_one_event() -> None:
    """A method that cannot is refused when the client is made, not in the middle of an answer."""

    class Child(GrokListener):
        def on_transcript(self) -> None:  # type: ignore[override]
            ...

    with pytest.raises(TypeError, match=r"takes one event; .*on_transcript\(\) cannot"):
        Child()


def test_a_method_that_would_never_run_is_refused_by_its_name() -> None:
    """The sentence names it, though the client that it belongs to is not made yet."""

    class Awaited(GrokClient):
        @on(events.Opened)
        async def opened(self, event: events.Opened) -> None: ...

    class Iterated(GrokClient):
        def on_audio(self, event: events.AudioDelta) -> Iterator[None]:  # type: ignore[override]
            yield

    for kind, sentence in ((Awaited, r"Awaited.opened is async"), (Iterated, "on_audio is a gen")):
        with pytest.raises(TypeError, match=sentence):
            kind("key")


def test_two_listeners_share_nothing() -> None:
    """A handler of one object is not heard by another of its class."""
    one, other = Parent(), Parent()
    heard: list[events.Event] = []
    one.on_error(heard.append)
    hear(other, SAMPLES["on_error"])
    assert heard == []


def test_any_callable_attribute_can_be_a_handler() -> None:
    """Static methods and objects that can be called are bound as Python binds them."""
    heard: list[events.Event] = []

    class Speaker:
        def __call__(self, event: events.Event) -> None:
            heard.append(event)

    class Static(GrokListener):
        on_audio = Speaker()  # type: ignore[assignment]

        @staticmethod
        def on_close(event: Any) -> None:
            heard.append(event)

    listener = Static()
    hear(listener, SAMPLES["on_audio"])
    hear(listener, SAMPLES["on_close"])
    assert heard == [SAMPLES["on_audio"], SAMPLES["on_close"]]
