"""The main job, end to end: a spoken question in, a spoken answer out.

What `grok-rt demo` runs, against the simulator or the live service alike, and an example
of a client with handlers and a tool of its own. Prints the conversation as it comes.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from grok_rt import events
from grok_rt._client.handlers import on
from grok_rt.audio import AudioClip, shipped
from grok_rt.client import GrokClient
from grok_rt.errors import AudioError, GrokError
from grok_rt.models import SessionConfig
from grok_rt.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Demo", "load_question", "simulated"]

_SILENCE_DBFS = -50.0
_STEP = 0.02
_PATIENCE = 30.0
_WEATHER = {"oslo": (3, "light sleet"), "cairo": (31, "clear sky"), "lima": (19, "low cloud")}


def load_question(path: Path | None) -> tuple[AudioClip, bool]:
    """The question as a clip, and whether it is the shipped one.

    Raises:
        AudioError: no such file, not a sound file, or nothing but silence in it.
    """
    clip = shipped("question") if path is None else AudioClip.open(path)
    if not clip.duration or clip.level() < _SILENCE_DBFS:
        raise AudioError(f"{path} holds nothing but silence: record a question")
    return clip, path is None


@contextlib.contextmanager
def simulated(*, scripted: bool) -> Iterator[str]:
    """Run the simulator while the block runs; yields its URL.

    Args:
        scripted: it may act as if it understood the shipped question; otherwise it tells
            truthfully what it heard.
    """
    from grok_rt.simulator import Script, Simulator

    script = Script()
    if scripted:
        script = (
            script.hears("What is the weather in Oslo?")
            .says("Let me look that up.")
            .calls("weather", city="Oslo")
            .says("{output}")
        )
    with Simulator(script) as server:
        yield server.url


class Demo(GrokClient):
    """Asks one spoken question."""

    config = SessionConfig.wideband(
        voice="Ara",
        instructions="Answer in one short sentence. Use the weather tool for weather.",
    )

    def __init__(self, url: str | None, api_key: str | None) -> None:
        super().__init__(api_key, url=url)
        self.events_received = 0
        self._first_sound: float | None = None
        self._line_open = False

    @tool(timeout=5)
    def weather(self, city: str) -> str:
        """Current weather for a city."""
        if city.lower() not in _WEATHER:
            return f"There is no weather report for {city}."
        degrees, sky = _WEATHER[city.lower()]
        return f"It is {degrees} degrees in {city}, with {sky}."

    @on(events.ServerEvent)
    def count(self, _event: events.ServerEvent) -> None:
        """Count whatever comes."""
        self.events_received += 1

    @on(events.InputAudioTranscriptionCompleted)
    def heard(self, event: events.InputAudioTranscriptionCompleted) -> None:
        """Print what was asked."""
        if event.is_final:
            self._print("you", event.transcript)

    @on(events.FunctionCalled)
    def called(self, event: events.FunctionCalled) -> None:
        """Print what Grok looks up."""
        self._print("tool", f"{event.call.name}({event.call.arguments})")

    @on(events.AudioDelta)
    def note_first_sound(self, _event: events.AudioDelta) -> None:
        """Take the time."""
        if self._first_sound is None:
            self._first_sound = time.monotonic()

    @on(events.TranscriptDelta)
    def read(self, event: events.TranscriptDelta) -> None:
        """Print what Grok says, as it comes."""
        print(event.delta if self._line_open else f"grok  {event.delta}", end="", flush=True)
        self._line_open = True

    @on(events.ResponseDone)
    def done(self, _event: events.ResponseDone) -> None:
        """End the line that `read` began."""
        self._end_line()

    def hold(self, question: AudioClip, out: Path) -> None:
        """Ask, wait for the whole answer, save it, print what it took.

        Raises:
            GrokError: the service cannot be reached, or gave no spoken answer.
        """
        began = time.monotonic()
        with self:
            asked = time.monotonic()
            answer = self.ask(question, timeout=_PATIENCE + question.duration)
        self._end_line()
        if not answer.audio or self._first_sound is None:
            raise GrokError("the service answered without a sound")
        answer.audio.save(out)
        spoken = answer.audio.duration
        wait = self._first_sound - asked - _end_of_speech(question)
        print(f"\n{out}: {spoken:.2f} s of speech, {answer.audio.format.sample_rate} Hz mono\n")
        for name, value in (
            ("end of speech to first sound", f"{wait:.2f} s"),
            ("sound in / out", f"{question.duration:.2f} s / {spoken:.2f} s"),
            ("events sent / received", f"{self.events_sent} / {self.events_received}"),
            ("all in all", f"{time.monotonic() - began:.2f} s"),
        ):
            print(f"{name:30}{value}")

    def _print(self, who: str, text: str) -> None:
        self._end_line()
        print(f"{who:6}{text}", flush=True)

    def _end_line(self) -> None:
        if self._line_open:
            print(flush=True)
        self._line_open = False


def _end_of_speech(clip: AudioClip) -> float:
    """Seconds into the clip at which its last sound ends."""
    steps = range(int(clip.duration / _STEP), -1, -1)
    loud = (
        step for step in steps if clip[step * _STEP : (step + 1) * _STEP].level() > _SILENCE_DBFS
    )
    return min(clip.duration, (next(loud, 0) + 1) * _STEP)
