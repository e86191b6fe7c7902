"""`grok-rt talk`: a conversation through this machine's microphone and speaker.

Options and the screen only: the conversation is `grok_rt.devices.talk`. On a terminal the last
line shows how loud the microphone is and the words that are being said; elsewhere only the turns
are printed. The screen is drawn by several threads, one at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, TextIO

from grok_rt.cli._options import add_command, add_session, key_for
from grok_rt.cli._output import visible
from grok_rt.cli._tools import found_tools

if TYPE_CHECKING:
    from grok_rt import events
    from grok_rt.client import GrokClient
    from grok_rt.conversation import Turn

__all__ = ["Screen", "add", "run"]

_EXAMPLES = """\
  grok-rt talk                       speak; Ctrl+C hangs up. Offline without XAI_API_KEY
  grok-rt talk --headphones          you can interrupt: nothing is heard by the microphone
  grok-rt talk --echo duck           you can interrupt without headphones, by speaking up
  grok-rt talk --microphone headset --voice Eve --instructions "You are a pirate."
  grok-rt talk --tool weather.py:weather --tool web_search
"""
_WHO: Final = {"user": "you", "assistant": "grok", "tool": "tool"}
_SOFTEST: Final = -60.0  # dBFS, the left end of the meter
_METER: Final = 12  # characters
_REDRAW: Final = 0.08  # seconds between two frames of the meter


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the parser."""
    parser = add_command(
        commands,
        "talk",
        help="talk with Grok, by microphone and speaker",
        description="Hold a spoken conversation; its words are shown as they are said. Without a "
        "key and an address, the simulator answers.",
        examples=_EXAMPLES,
    )
    parser.add_argument("--microphone", type=_device, metavar="DEVICE", help="number or name")
    parser.add_argument("--speaker", type=_device, metavar="DEVICE", help="number or name")
    parser.add_argument(
        "--headphones", action="store_true", help="the microphone cannot hear the speaker"
    )
    parser.add_argument(
        "--echo",
        choices=("half", "duck", "duplex"),
        help="the microphone while Grok speaks: silent (half, the default without headphones), "
        "open for who is louder than the echo (duck), open (duplex)",
    )
    add_session(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Talk until somebody hangs up."""
    from grok_rt import GrokClient, SessionConfig
    from grok_rt._wire.opening import DEFAULT_MODEL
    from grok_rt.devices import Microphone, Speaker, talk

    functions, searches = found_tools(arguments.tools)
    settings = {} if arguments.instructions is None else {"instructions": arguments.instructions}
    screen = Screen(sys.stdout)
    microphone = Microphone(arguments.microphone, on_level=screen.level)
    speaker = Speaker(arguments.speaker)
    with contextlib.ExitStack() as stack:
        url, key = arguments.url, key_for(arguments.url)
        if not (url or os.environ.get("GROK_RT_URL") or os.environ.get("XAI_API_KEY")):
            from grok_rt.demo import simulated

            url, key = stack.enter_context(simulated(scripted=False)), "simulated"
            print(f"simulator at {url}: no key, no network")
        client = GrokClient(
            key,
            url=url,
            model=arguments.model or DEFAULT_MODEL,
            config=SessionConfig.wideband(voice=arguments.voice, tools=searches, **settings),
            tools=functions,
        )
        screen.show(client)
        stack.callback(screen.end)
        with contextlib.suppress(KeyboardInterrupt):  # that is how one hangs up
            conversation = talk(
                client, microphone, speaker, echo=arguments.echo, headphones=arguments.headphones
            )
            print(f"{microphone.name} → Grok → {speaker.name}; speak, Ctrl+C hangs up", flush=True)
            for turn in conversation:
                screen.turn(turn)
    for count, what in ((microphone.overflows, "microphone"), (speaker.underruns, "speaker")):
        if count:
            print(f"the {what} had gaps, {count} times: is the machine busy?", file=sys.stderr)
    return 0


def _device(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


class Screen:
    """Turns, one below the other; on a terminal a line that lives is under them.

    Args:
        out: where it is printed.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lives = out.isatty()
        self._lock = threading.Lock()
        self._level = _SOFTEST
        self._drawn = 0.0
        self._item: object = None
        self._words = ""

    def show(self, client: GrokClient) -> None:
        """Show what a client hears."""
        from grok_rt import events

        client.on(events.TranscriptDelta)(self._grok_says)
        client.on(events.InputAudioTranscriptionUpdated)(self._user_says)
        client.on(events.Failure)(lambda failure: self.print(f"error {failure.message}"))
        client.on(events.Reconnecting)(lambda _: self.print("the connection is lost; redialling"))

    def turn(self, turn: Turn) -> None:
        """Print a turn."""
        cut = " — interrupted" if turn.interrupted else ""
        if turn.text:
            self._words = ""
            self.print(f"{_WHO.get(turn.role, turn.role):6}{turn.text.strip()}{cut}")

    def level(self, dbfs: float) -> None:
        """Show how loud the microphone is."""
        self._level = max(dbfs, self._level - 3)  # it falls slower than it rises
        if time.monotonic() - self._drawn >= _REDRAW:
            self._draw()

    def print(self, line: str) -> None:
        """Print a line above the one that lives."""
        with self._lock:
            self._out.write(f"{self._wiped}{visible(line)}\n")
            self._out.flush()
        self._draw()

    def end(self) -> None:
        """Leave the last line empty."""
        with self._lock:
            self._out.write(self._wiped)
            self._out.flush()
            self._lives = False

    @property
    def _wiped(self) -> str:
        return "\r\x1b[K" if self._lives else ""

    def _grok_says(self, event: events.TranscriptDelta) -> None:
        self._words = self._words + event.delta if event.item_id == self._item else event.delta
        self._item = event.item_id
        self._draw()

    def _user_says(self, event: events.InputAudioTranscriptionUpdated) -> None:
        self._item, self._words = event.item_id, event.transcript or ""
        self._draw()

    def _draw(self) -> None:
        with self._lock:
            if self._lives:
                part = (max(self._level, _SOFTEST) - _SOFTEST) / -_SOFTEST
                meter = ("█" * round(part * _METER)).ljust(_METER, "·")
                room = max(0, shutil.get_terminal_size().columns - _METER - 2)
                self._out.write(
                    f"{self._wiped}{meter} {visible(self._words)[-room:] if room else ''}"
                )
                self._out.flush()
                self._drawn = time.monotonic()
