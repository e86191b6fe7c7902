"""`grok-rt token`: an ephemeral client secret, for a program that must not have the key."""

from __future__ import annotations

import argparse
import time

from grok_rt.cli._options import add_command, add_url, key_for, seconds
from grok_rt.cli._output import Output

__all__ = ["add", "run"]

_EXAMPLES = """\
  grok-rt token                       the token, and nothing else, on stdout
  grok-rt token --seconds 60 --json   with the second of Unix time at which it expires
"""
_PATIENCE = 10.0  # seconds for the whole request


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the parser."""
    parser = add_command(
        commands,
        "token",
        help="make an ephemeral token",
        description="Make a token, which opens sessions in the place of the key until it expires. "
        "The key is XAI_API_KEY; it is never printed.",
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--seconds", type=_lifetime, default=600, help="until it expires, 1 to 3600 (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_url(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=_PATIENCE,
        metavar="SECONDS",
        help="for all (%(default)g)",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Have one made."""
    from grok_rt import tokens

    with Output(as_json=arguments.json) as output:
        output.waiting("asking for a token")
        token = tokens.create(
            key_for(arguments.url),
            expires_after=arguments.seconds,
            url=arguments.url,
            timeout=arguments.timeout,
        )
        output.record("token", value=token.reveal(), expires_at=token.expires_at)
        if not arguments.json:
            output.line(token.reveal())
        until = time.strftime("%H:%M:%S", time.localtime(token.expires_at))
        output.aside(f"expires at {until}")
    return 0


def _lifetime(text: str) -> int:
    from grok_rt.tokens import LIFETIMES

    value = int(text)  # argparse tells of a ValueError
    if value not in LIFETIMES:
        raise argparse.ArgumentTypeError(
            f"{LIFETIMES.start} to {LIFETIMES.stop - 1} seconds, not {text}"
        )
    return value
