"""`grok-rt demo`: the main job, end to end. Options and places only: the talk is `grok_rt.demo`."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

from grok_rt.cli._options import add_command, key_for
from grok_rt.cli._output import check_writable

__all__ = ["add", "run"]

_EXAMPLES = """\
  grok-rt demo                      offline, against the simulator: no key, no network
  grok-rt demo --file question.wav  ask with a recording of yours
  XAI_API_KEY=… grok-rt demo        the very same thing against the live service
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the parser."""
    parser = add_command(
        commands,
        "demo",
        help="ask a spoken question, get a spoken answer",
        description="Stream a spoken question, answer Grok's function call, save the answer.",
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--file", type=Path, metavar="WAV", help="the question; by default a shipped one"
    )
    parser.add_argument(
        "--out", type=Path, metavar="WAV", default=Path("answer.wav"), help="the answer"
    )
    parser.add_argument(
        "--url", help="a realtime endpoint; by default the simulator, or xAI's with a key"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Hold the demo's conversation."""
    from grok_rt.demo import Demo, load_question

    question, is_ours = load_question(arguments.file)
    check_writable(arguments.out)
    with contextlib.ExitStack() as stack:
        url, key = arguments.url or os.environ.get("GROK_RT_URL"), os.environ.get("XAI_API_KEY")
        if not (url or key):
            from grok_rt.demo import simulated

            url, key = stack.enter_context(simulated(scripted=is_ours)), "simulated"
            print(f"simulator at {url}: no key, no network")
        Demo(url=url, api_key=key or key_for(url)).hold(question, arguments.out)
    return 0
