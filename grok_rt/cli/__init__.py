# PYTHON_ARGCOMPLETE_OK
"""The command line: `grok-rt COMMAND`. A module for each command; here is the way out for all.

A command's module has `add(commands)`, which makes its parser, and `run(arguments)`, which
returns the exit code; what costs time to import is imported by `run`.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from grok_rt.cli import ask, demo, devices, doctor, report, simulate, talk, token
from grok_rt.cli._output import visible
from grok_rt.cli._words import in_our_words
from grok_rt.errors import GrokError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_COMMANDS: Final = (  # in the order of `--help`
    ask,
    demo,
    talk,
    devices,
    doctor,
    report,
    simulate,
    token,
)
_EPILOG = """\
exit codes:
  0    done
  1    it did not work: one sentence on stderr says why
  2    the command line means nothing
  130  interrupted, by Ctrl+C

environment:
  XAI_API_KEY  the key; keys are made at https://console.x.ai
  GROK_RT_URL  the realtime endpoint, if it is not xAI's

`grok-rt COMMAND --help` has examples.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no `ø` is no reason to die
    arguments = argparse.Namespace(url=None)
    try:
        _parser().parse_args(argv, arguments)
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except GrokError as error:
        text = in_our_words(" ".join(str(error).split()), arguments.url)
        print(f"grok-rt: {visible(text)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # the next one ends us at once
        print("grok-rt: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # whoever read our output may leave
            what = f"{error.filename}: " if error.filename else ""
            print(f"grok-rt: {what}{error.strerror or error}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # nor shall the interpreter's last flush complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grok-rt",
        description="Talk with Grok from programs that are not async.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    if "_ARGCOMPLETE" in os.environ:  # the shell asks, on Tab
        try:
            import argcomplete
        except ImportError:
            pass
        else:
            argcomplete.autocomplete(parser)
    return parser


class _Version(argparse.Action):
    """Looks for the version when it is asked for, which takes time."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from grok_rt import __version__

        print(f"grok_rt {__version__}")
        parser.exit()
