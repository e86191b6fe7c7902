"""`grok-rt doctor`: each check a line. What is checked, and how, is `grok_rt.doctor`."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap

from grok_rt.cli._options import add_command, add_model, add_url, seconds
from grok_rt.cli._output import Output
from grok_rt.cli._words import in_our_words
from grok_rt.errors import GrokError

__all__ = ["add", "run"]

_EXAMPLES = """\
  grok-rt doctor                                        from Python to a ping that comes back
  grok-rt doctor --url ws://127.0.0.1:8765/v1/realtime  a server of yours
  grok-rt doctor --json                                 for a monitor
"""
_SHOWN = {  # the word, which is seen without a colour too
    "ok": ("ok", "green"),
    "note": ("note", "yellow"),
    "failed": ("FAILED", "bold red"),
    "skipped": ("skipped", "dim"),
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the parser."""
    parser = add_command(
        commands,
        "doctor",
        help="find out why there is no session",
        description="Check everything that a session needs, one line each: ok, or what to do. "
        "Fails if one does.",
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--json", action="store_true", help="print each finding as JSON, one object a line"
    )
    add_url(parser)
    add_model(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="for each check (%(default)g)",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Go through the checks.

    Raises:
        GrokError: one has failed.
    """
    import attrs

    from grok_rt._wire.opening import DEFAULT_MODEL
    from grok_rt.doctor import examine

    failed = []
    with Output(as_json=arguments.json) as output:
        findings = examine(
            arguments.url,
            model=arguments.model or DEFAULT_MODEL,
            timeout=arguments.timeout,
            starting=output.waiting,
        )
        for finding in findings:
            if finding.status == "failed":
                failed.append(f"{finding.check}: {finding.told.rstrip('.')}")
            output.record("check", **attrs.asdict(finding))
            if not arguments.json:
                told = in_our_words(finding.told, arguments.url)
                first, *rest = _wrapped(told) + _wrapped(in_our_words(finding.advice))
                word, style = _SHOWN[finding.status]
                output.line(f"{finding.check:17}{first}", begins=f"{word:9}", style=style)
                for line in rest:
                    output.line(f"{'':26}{line}")
    if failed:
        raise GrokError(f"failed: {'; '.join(failed)}")
    return 0


def _wrapped(text: str) -> list[str]:
    """Cut into lines that stand beside the names, where somebody reads them."""
    if not sys.stdout.isatty():
        return [text] if text else []
    return textwrap.wrap(text, max(20, shutil.get_terminal_size().columns - 27))
