"""The command line: `grok-rt COMMAND`. A module for each command; here is the way out for all.

A command's module has `add(commands)`, which makes its parser, and `run(arguments)`, which
returns the exit code; what costs time to import is imported by `run`.

Exit codes: 0 done, 1 it did not work (one sentence on stderr says why), 2 wrong usage,
130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

from grok_rt import __version__
from grok_rt.cli import demo
from grok_rt.errors import GrokError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_COMMANDS: Final = (  # in the order of `--help`
    demo,
)


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
    for command in _COMMANDS:
        command.add(commands)
    return parser
