"""The command line: `grok-rt COMMAND`. A command is one function here.

Exit codes: 0 done, 1 it did not work (one sentence on stderr says why), 2 wrong usage,
130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grok_rt import __version__
from grok_rt.errors import GrokError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_DEMO_EPILOG = """\
examples:
  grok-rt demo                      offline, against the simulator: no key, no network
  grok-rt demo --file question.wav  ask with a recording of yours
  XAI_API_KEY=… grok-rt demo        the very same thing against the live service
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except GrokError as error:
        print(f"grok-rt: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("grok-rt: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # whoever read our output may leave
            print(f"grok-rt: {error.strerror or error}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # nor shall the interpreter's last flush complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grok-rt", description="Talk with Grok from programs that are not async."
    )
    parser.add_argument("--version", action="version", version=f"grok_rt {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo = commands.add_parser(
        "demo",
        help="ask a spoken question, get a spoken answer",
        description="Stream a spoken question, answer Grok's function call, save the answer.",
        epilog=_DEMO_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.add_argument(
        "--file", type=Path, metavar="WAV", help="the question; by default a shipped one"
    )
    demo.add_argument(
        "--out", type=Path, metavar="WAV", default=Path("answer.wav"), help="the answer"
    )
    demo.add_argument(
        "--url", help="a realtime endpoint; by default the simulator, or xAI's with a key"
    )
    demo.set_defaults(command=_demo)
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    from grok_rt.demo import Demo, load_question

    question, is_ours = load_question(arguments.file)
    _check_writable(arguments.out)
    with contextlib.ExitStack() as stack:
        url, key = arguments.url or os.environ.get("GROK_RT_URL"), os.environ.get("XAI_API_KEY")
        if url is None and not key:
            from grok_rt.demo import simulated

            url, key = stack.enter_context(simulated(scripted=is_ours)), "simulated"
            print(f"simulator at {url}: no key, no network")
        Demo(url=url, api_key=key or "none").hold(question, arguments.out)
    return 0


def _check_writable(path: Path) -> None:
    """Better now than after the conversation."""
    target = path if path.exists() else path.parent
    is_right = target.is_file() if path.exists() else target.is_dir()
    if not is_right or not os.access(target, os.W_OK):
        raise GrokError(f"cannot write {path}: choose another place with --out")
