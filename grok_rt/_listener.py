"""Who hears a client's events: registrars and marked methods, over `Handlers`.

The first half of what `GrokClient` inherits. Registering is safe from any thread and
takes effect at the next event. Handlers run on whichever thread pumps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from grok_rt import events
from grok_rt._handlers import Handlers, marked_methods

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["REGISTRARS", "GrokListener"]

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


class GrokListener:
    """Registers handlers: one mechanism for decorators, calls, keywords and methods.

    In a subclass, a method named like a registrar is its handler, while the registrar
    stays what it is; any other method is marked with `on`.
    """

    _named_handlers: ClassVar[dict[str, Callable[..., object]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        named = {name: vars(cls)[name] for name in REGISTRARS if name in vars(cls)}
        for name in named:
            delattr(cls, name)
        cls._named_handlers = {**cls._named_handlers, **named}

    def __init__(self, **handlers: Callable[[Any], object] | None) -> None:
        self._handlers = Handlers()
        for name, function in self._named_handlers.items():
            method = function.__get__(self, type(self))
            self._handlers.add(REGISTRARS[name], method, is_method=True)
        for name, event_class, once in marked_methods(type(self)):
            self._handlers.add(event_class, getattr(self, name), once=once, is_method=True)
        for name, handler in handlers.items():
            if handler is not None:
                self._handlers.add(REGISTRARS[name], handler)

    def on(
        self, event_class: type[E], *, once: bool = False
    ) -> Callable[[Callable[[E], R]], Callable[[E], R]]:
        """Register a handler: ``@client.on(events.ResponseDone)``.

        Args:
            event_class: the class to hear; a base class hears all its subclasses.
            once: hear the first such event only.
        """

        def register(handler: Callable[[E], R]) -> Callable[[E], R]:
            self._handlers.add(event_class, handler, once=once)
            return handler

        return register

    def off(self, event_class: type[E], handler: Callable[[E], object]) -> bool:
        """Take a handler off again; false if it was not registered for that class."""
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
