"""Handlers, as type checkers see them: each is held to the event class it is registered for.

Never run: mypy and pyright read it. A line that must be refused carries an ignore, and an ignore
that is not needed is an error.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=error

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import assert_type

from grok_rt import GrokClient, events, on


def hears_audio(event: events.AudioDelta) -> None:
    assert_type(event.audio, bytes)


def hears_all(event: events.Event) -> int:
    return len(event.type)


def hears_done(event: events.ResponseDone) -> None:
    assert_type(event.total_usage is None, bool)


grok = GrokClient(on_audio=hears_audio, on_error=hears_all, on_close=None)

# --- constructor keywords ---------------------------------------------------------------------

GrokClient(on_transcript=lambda event: print(event.delta))
GrokClient(on_audio=hears_done)  # type: ignore[arg-type]
GrokClient(on_close=3)  # type: ignore[arg-type]
GrokClient(on_audoi=hears_audio)  # type: ignore[call-arg]

# --- registrars give back what they were given ------------------------------------------------

assert_type(grok.on_audio(hears_audio), Callable[[events.AudioDelta], None])
assert_type(grok.on_function_call(hears_all), Callable[[events.FunctionCalled], int])
grok.on_transcript(hears_all)
grok.on_speech_started(hears_all)
grok.on_error(hears_audio)  # type: ignore[arg-type]
grok.on_close(hears_done)  # type: ignore[arg-type]
grok.on_speech_started(hears_audio)  # type: ignore[arg-type]

# --- any event class --------------------------------------------------------------------------

grok.on(events.ResponseDone)(hears_done)
grok.on(events.ResponseDone, once=True)(hears_all)
grok.on(events.ResponseCreated)(hears_done)  # type: ignore[arg-type]
grok.on(events.ServerEvent)(hears_done)  # type: ignore[arg-type]
grok.on(str)  # type: ignore[type-var]
assert_type(grok.off(events.ResponseDone, hears_done), bool)
grok.off(events.ResponseCreated, hears_done)  # type: ignore[arg-type]


@grok.on(events.AudioDelta)  # type: ignore[arg-type]
def no_event() -> None:
    pass


# --- marked methods ---------------------------------------------------------------------------


class Desk(GrokClient):
    """Handlers as methods."""

    @on(events.ServerEvent)  # a base class hears all its subclasses
    def any(self, event: events.Event) -> str:
        return event.type

    # A mark narrows the method to its class, for checkers only: a second one must be the same's.
    @on(events.ResponseDone)  # type: ignore[arg-type]
    @on(events.ResponseCreated)
    def either(self, event: events.ServerEvent) -> str:
        return event.type

    @on(events.Closed, once=True)
    def closed(self, event: events.Closed) -> None:
        assert_type(event.code, int)

    @on(events.Closed)  # type: ignore[arg-type]
    def misheard(self, event: events.Opened) -> None:
        print(event.session_id)


assert_type(Desk().closed(events.Closed(1000)), None)
Desk().closed(events.Opened())  # type: ignore[arg-type]
