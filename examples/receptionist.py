"""Subclass the client: handlers and tools are methods."""

from __future__ import annotations

from datetime import date

from grok_rt import GrokClient, SessionConfig, events, on, tool


class Receptionist(GrokClient):
    """Answers the telephone."""

    config = SessionConfig.telephony("You answer for Dr. Lee.", voice="Ara")

    @on(events.ResponseOutputAudioTranscriptDone)
    def said(self, event: events.ResponseOutputAudioTranscriptDone) -> None:
        """Write down what was said."""
        print("receptionist:", event.transcript)

    @on(events.Failure)
    def trouble(self, failure: events.Failure) -> None:
        """Tell what went wrong."""
        print("trouble:", failure.code, failure.message)

    @tool
    def book(self, day: date, hour: int) -> str:
        """Book a visit."""
        return f"booked for {day:%A}, {hour}:00"


with Receptionist() as grok:
    grok.ask("Good morning. Is Dr. Lee there?", timeout=30)
