"""Who hears a client's events: registrars and marked methods, over `Handlers`.

The first half of what `GrokClient` inherits. Registering is safe from any thread and
takes effect at the next event. Handlers run on whichever thread pumps.
"""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import attrs

from grok_rt import events
from grok_rt._client.handlers import Handlers, check_class, is_marked, marked_methods
from grok_rt.errors import LocalProtocolError
from grok_rt.models import SessionConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

__all__ = ["REGISTRARS", "GrokListener", "HandlerKeywords"]

#: How much alike two names are, of which one is taken for a slip; `on_speech_stopped` is none.
_MISSPELT = 0.85

E = TypeVar("E", bound=events.Event)
R = TypeVar("R")

#: Registrars that are `on` with the class filled in.
REGISTRARS: dict[str, type[events.Event]] = {
    "on_audio": events.AudioDelta,
    "on_transcript": events.TranscriptDelta,
    "on_function_call": events.FunctionCalled,
    "on_error": events.Failure,
    "on_speech_started": events.InputAudioBufferSpeechStarted,
    "on_close": events.Closed,
}


class HandlerKeywords(TypedDict, total=False):
    """The registrars as keywords of a constructor."""

    on_audio: Callable[[events.AudioDelta], object] | None
    on_transcript: Callable[[events.TranscriptDelta], object] | None
    on_function_call: Callable[[events.FunctionCalled], object] | None
    on_error: Callable[[events.Failure], object] | None
    on_speech_started: Callable[[events.InputAudioBufferSpeechStarted], object] | None
    on_close: Callable[[events.Closed], object] | None


class GrokListener:
    """Registers handlers: one mechanism for decorators, calls, keywords and methods.

    In a subclass, a method named like a registrar is its handler, while the registrar
    stays what it is; any other method is marked with `on`. Code that is type-checked, or
    that wants `super()`, marks its methods.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, member in vars(cls).items():
            if name.startswith("on_") and callable(member) and not is_marked(member):
                _refuse_misspelt(f"{cls.__name__}.{name}", name)
        for name in REGISTRARS:
            registrar = vars(GrokListener)[name]
            method = inspect.getattr_static(cls, name)  # a mixin's too
            if method is not registrar:
                # Under a name of its own: overriding and inheriting stay Python's business.
                setattr(cls, _method_name(name), method)
                setattr(cls, name, registrar)

    def __init__(self, **handlers: Unpack[HandlerKeywords]) -> None:
        self._handlers = Handlers()
        methods = list(marked_methods(type(self)))
        marked = {name for name, _, _ in methods}
        for registrar, event_class in REGISTRARS.items():
            if (name := _method_name(registrar)) not in marked:
                methods.append((name, event_class, False))
        for name, event_class, once in methods:
            method = getattr(self, name, None)  # None: there is none, or a subclass wants none
            if method is not None:
                self._handlers.add(event_class, method, once=once, is_method=True)
        for keyword, handler in handlers.items():
            if keyword not in REGISTRARS:
                raise TypeError(self._no_argument(keyword))
            if handler is not None:
                self._handlers.add(REGISTRARS[keyword], handler)  # type: ignore[arg-type]

    if not TYPE_CHECKING:  # checkers shall go on finding misspelt names

        def __getattr__(self, name: str) -> Any:
            if "_handlers" not in vars(self):
                raise LocalProtocolError(
                    f"{type(self).__name__}.__init__ must call super().__init__() "
                    "before the client can be used"
                )
            return object.__getattribute__(self, name)  # raises what Python says

    def on(
        self, event_class: type[E], *, once: bool = False
    ) -> Callable[[Callable[[E], R]], Callable[[E], R]]:
        """Register a handler: ``@client.on(events.ResponseDone)``.

        Args:
            event_class: the class to hear; a base class hears all its subclasses.
            once: hear the first such event only.
        """
        check_class(event_class)

        def register(handler: Callable[[E], R]) -> Callable[[E], R]:
            self._handlers.add(event_class, handler, once=once)
            return handler

        return register

    def off(self, event_class: type[E], handler: Callable[[E], object]) -> bool:
        """Take a handler off again; false if it was not registered for that class.

        Raises:
            TypeError: no event class, as where the two are swapped.
        """
        check_class(event_class)
        return self._handlers.remove(event_class, handler)

    def on_audio(
        self, handler: Callable[[events.AudioDelta], R]
    ) -> Callable[[events.AudioDelta], R]:
        """Hear Grok speak: `event.audio` is bytes in the session's output format."""
        return self.on(events.AudioDelta)(handler)

    def on_transcript(
        self, handler: Callable[[events.TranscriptDelta], R]
    ) -> Callable[[events.TranscriptDelta], R]:
        """Read what Grok says, piece by piece: `event.delta`."""
        return self.on(events.TranscriptDelta)(handler)

    def on_function_call(
        self, handler: Callable[[events.FunctionCalled], R]
    ) -> Callable[[events.FunctionCalled], R]:
        """Hear each call of a declared function; answer those with `answered_by` None."""
        return self.on(events.FunctionCalled)(handler)

    def on_error(self, handler: Callable[[events.Failure], R]) -> Callable[[events.Failure], R]:
        """Hear whatever goes wrong: server errors, failing handlers, a lost connection."""
        return self.on(events.Failure)(handler)

    def on_speech_started(
        self, handler: Callable[[events.InputAudioBufferSpeechStarted], R]
    ) -> Callable[[events.InputAudioBufferSpeechStarted], R]:
        """Hear that the caller has begun to speak: the moment to stop a player."""
        return self.on(events.InputAudioBufferSpeechStarted)(handler)

    def on_close(self, handler: Callable[[events.Closed], R]) -> Callable[[events.Closed], R]:
        """Hear the last event of all."""
        return self.on(events.Closed)(handler)

    @classmethod
    def _no_argument(cls, keyword: str) -> str:
        text = f"{cls.__name__}() takes no argument {keyword!r}"
        if keyword in {field.name for field in attrs.fields(SessionConfig)}:
            return f"{text}: use config=SessionConfig({keyword}=…)"
        known = (*inspect.signature(cls).parameters, *REGISTRARS)
        near = difflib.get_close_matches(keyword, known, 1)
        return f"{text}: did you mean {near[0]}?" if near else text


def _refuse_misspelt(method: str, name: str) -> None:
    near = difflib.get_close_matches(name, REGISTRARS, 1, _MISSPELT)
    if near and name not in REGISTRARS:
        raise TypeError(
            f"{method} would never be called: did you mean {near[0]}? "
            "Mark it with @on(…) to hear something else, or give it another name."
        )


def _method_name(registrar: str) -> str:
    """Where a subclass keeps its method of that name."""
    return f"_{registrar}_method"
