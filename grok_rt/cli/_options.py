"""What several commands take: how a parser is made, the address and the key, the session.

Parsers are made at every start: nothing here imports what costs time before it is needed.
"""

from __future__ import annotations

import argparse
import os

__all__ = ["add_command", "add_model", "add_session", "add_url", "key_for", "seconds"]

_DAY = 86400  # seconds: more is a mistake, and too much for some systems


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    *,
    help: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Make the parser of a command; its examples are run by the tests."""
    return commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_url(parser: argparse.ArgumentParser) -> None:
    """Where the service is."""
    parser.add_argument(
        "--url", help="a realtime endpoint; by default GROK_RT_URL, or else xAI's own"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model; without a default, which would have to be imported."""
    parser.add_argument("--model", help="the voice model; by default the newest")


def add_session(parser: argparse.ArgumentParser) -> None:
    """Where the service is, and how it shall behave."""
    add_url(parser)
    add_model(parser)
    parser.add_argument("--voice", default="Ara", help="the voice (%(default)s)")
    parser.add_argument("--instructions", metavar="TEXT", help="who Grok is, and what it shall do")
    parser.add_argument(
        "--tool",
        action="append",
        default=[],
        metavar="TOOL",
        dest="tools",
        help="what Grok may use: web_search, x_search, or a function of yours, as FILE.py:NAME "
        "or MODULE:NAME; may be given again",
    )


def seconds(text: str) -> float:
    """Read a duration."""
    value = float(text)  # argparse tells of a ValueError
    if not 0 < value <= _DAY:
        raise argparse.ArgumentTypeError(f"more than 0 seconds and at most {_DAY}, not {text}")
    return value


def key_for(url: str | None) -> str | None:
    """The key to show at an address: none that counts where it leaves for no other machine.

    Returns:
        None to take `XAI_API_KEY`, and complain if there is none.
    """
    from urllib.parse import urlsplit

    from grok_rt._wire.line.target import is_loopback
    from grok_rt._wire.opening import default_url

    if os.environ.get("XAI_API_KEY"):
        return None
    try:
        host = urlsplit(url or default_url()).hostname or ""
    except ValueError:
        host = ""
    return "none" if not host or is_loopback(host) else None  # no host: connecting says so
