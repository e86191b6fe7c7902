"""`grok-rt ask`: one question, and the answer as it comes. The parts are the client's `stream`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grok_rt.cli._options import add_command, add_session, key_for, seconds
from grok_rt.cli._output import Output, check_writable
from grok_rt.cli._tools import found_tools
from grok_rt.errors import GrokError

if TYPE_CHECKING:
    from grok_rt import Answer, AudioClip, events
    from grok_rt.parts import Part

__all__ = ["add", "run"]

_EXAMPLES = """\
  grok-rt ask "Why is the sky blue?"
  grok-rt ask --file question.wav --out answer.wav
  grok-rt ask --voice Eve --instructions "Answer in rhyme." "What is a port?"
  echo "Name three rivers." | grok-rt ask -
  grok-rt ask --json "Why is the sky blue?" | tail -1
  grok-rt ask --tool weather.py:weather "How warm is it in Oslo?"
"""
_PATIENCE = 60.0  # seconds for an answer, beside the length of a spoken question
_OPENING = 10.0
_GOODBYE = 1.0  # seconds for a server that does not answer any more


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the parser."""
    parser = add_command(
        commands,
        "ask",
        help="ask one question, in text or sound",
        description="Ask one question and print the answer: word by word on a terminal, whole "
        "in a pipe.",
        examples=_EXAMPLES,
    )
    question = parser.add_mutually_exclusive_group(required=True)
    question.add_argument(
        "words", nargs="*", default=(), metavar="TEXT", help="the question; - reads stdin"
    )
    question.add_argument(
        "--file", type=Path, metavar="WAV", help="the question as a sound file, in place of TEXT"
    )
    parser.add_argument("--out", type=Path, metavar="WAV", help="save the spoken answer")
    parser.add_argument(
        "--json", action="store_true", help="print what happens as JSON, one object a line"
    )
    add_session(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help=f"for the whole answer ({_PATIENCE:g}, and the length of a spoken question)",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask."""
    from grok_rt import Answer, GrokClient, SessionConfig, events
    from grok_rt._wire.opening import DEFAULT_MODEL

    prompt = _prompt(arguments)
    if arguments.out:
        check_writable(arguments.out)
    functions, searches = found_tools(arguments.tools)
    settings = {} if arguments.instructions is None else {"instructions": arguments.instructions}
    timeout = arguments.timeout or _PATIENCE + getattr(prompt, "duration", 0.0)
    with Output(as_json=arguments.json) as output:
        grok = GrokClient(
            key_for(arguments.url),
            url=arguments.url,
            model=arguments.model or DEFAULT_MODEL,
            config=SessionConfig.wideband(voice=arguments.voice, tools=searches, **settings),
            tools=functions,
            open_timeout=min(_OPENING, timeout),
            close_timeout=_GOODBYE,
        )
        telling = _Telling(output)
        grok.on(events.InputAudioTranscriptionCompleted)(telling.heard)
        part: Part | None = None
        output.waiting("connecting")
        with grok:
            output.waiting("waiting for the answer")
            for part in grok.stream(prompt, timeout=timeout):
                telling.part(part)
        assert isinstance(part, Answer), "the last part"  # noqa: S101
        telling.whole(part, arguments.out)
    return 0


def _prompt(arguments: argparse.Namespace) -> str | AudioClip:
    """What is asked.

    Raises:
        GrokError: the file, or stdin, holds no question.
    """
    if arguments.file is not None:
        from grok_rt import AudioClip

        return AudioClip.open(arguments.file)
    from grok_rt.audio._clip import is_sound_file

    text = " ".join(arguments.words)
    if is_sound_file(text):
        raise GrokError(f"{text} is a sound file: --file {text} asks it; - reads text from stdin")
    try:
        if text == "-":
            text = sys.stdin.buffer.read().decode()
        text.encode()
    except UnicodeError:
        raise GrokError("the question is no text in UTF-8") from None
    if not text.strip():
        raise GrokError("the question is empty")
    return text


class _Telling:
    """Tells of one answer while it comes, part by part, and of all of it at its end."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def heard(self, event: events.InputAudioTranscriptionCompleted) -> None:
        """Tell what the server has understood."""
        if event.is_final:
            self._output.record("heard", text=event.transcript)
            self._output.aside(f"heard: {event.transcript}")
            self._output.waiting("waiting for the answer")

    def part(self, part: Part) -> None:
        """Tell what has come."""
        from grok_rt import parts

        output = self._output
        match part:
            case parts.Text(text):
                output.record("text", delta=text)
                if output.is_live:
                    output.words(text if output.is_inside_line else text.lstrip())
            case parts.ToolStarted(call):
                output.record("tool_call", name=call.name, arguments=call.arguments)
                output.aside(f"tool: {call.name}({call.arguments})")
                output.waiting(f"{call.name} is running")
            case parts.ToolEnded(call, result):
                output.record("tool_output", name=call.name, output=result)
                output.waiting("waiting for the answer")

    def whole(self, answer: Answer, out: Path | None) -> None:
        """Print what is still to be said, and save the sound.

        Raises:
            GrokError: it is no whole answer, or there is no sound to save.
        """
        output = self._output
        if not (output.is_live or output.as_json):
            output.words(answer.text)
        output.end_line()
        if out is not None and answer.audio:
            answer.audio.save(out)
        output.record("answer", **_as_data(answer, out))
        output.aside(_summary(answer, out))
        if out is not None and not answer.audio:
            raise GrokError(f"the answer has no sound: {out} was not written")
        if answer.status != "completed":
            raise GrokError(f"the answer is not whole: it is {answer.status}")
        if answer.interrupted:
            raise GrokError("the answer was cut short")


def _as_data(answer: Answer, out: Path | None) -> dict[str, Any]:
    saved = None if out is None or not answer.audio else str(out)
    usage = answer.usage
    return {
        "text": answer.text,
        "status": answer.status,
        "interrupted": answer.interrupted,
        "audio": {"seconds": round(answer.audio.duration, 3), "file": saved},
        "latency": {
            "first_audio": _rounded(answer.latency.first_audio),
            "total": _rounded(answer.latency.total),
        },
        "tokens": None
        if usage is None
        else {
            "input": usage.input_tokens or None,
            "output": usage.output_tokens or None,
            "total": usage.total_tokens or None,
        },
    }


def _rounded(moment: float | None) -> float | None:
    return None if moment is None else round(moment, 3)


def _summary(answer: Answer, out: Path | None) -> str:
    parts = [f"{answer.latency.total:.2f} s in all"]
    if answer.latency.first_audio is not None:
        parts.insert(0, f"first sound after {answer.latency.first_audio:.2f} s")
    if out is not None and answer.audio:
        parts.append(f"{answer.audio.duration:.2f} s of speech in {out}")
    return ", ".join(parts)
