"""`grok-rt report`: the page of a recording, drawn again. What it draws is `grok_rt.recording`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from grok_rt.cli._options import add_command

__all__ = ["add", "run"]

_EXAMPLES = """\
  grok-rt report calls/oslo                  writes calls/oslo/report.html, shows the call here
  grok-rt report calls/oslo --out call.html  writes the page elsewhere
  grok-rt report calls/oslo --events         every event, one a line, for grep and the like

A recording is what `grok_rt.recording.record` has written, whole or not: a process that was
killed leaves one that can be read.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the parser."""
    parser = add_command(
        commands,
        "report",
        help="draw the page of a recorded call",
        description="Draw the page of a recorded call, and show here who spoke when.",
        examples=_EXAMPLES,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the recording")
    parser.add_argument(
        "--out", type=Path, metavar="HTML", help="the page; by default report.html in the folder"
    )
    parser.add_argument("--events", action="store_true", help="list the events, and draw nothing")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw the page, or list the events."""
    from grok_rt.recording import Recording

    recording = Recording.open(arguments.folder)
    if arguments.events:
        for one in recording:
            print(f"{one.at:9.3f}  {one.source:6}  {one.event.type}")
        return 0
    where = recording.write_report(arguments.out)
    width = min(max(shutil.get_terminal_size().columns, 24), 160)
    tells_more = (sys.stdout.encoding or "").lower().startswith("utf")
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    drawing = recording.timeline().text(width, color=color, ascii=not tells_more)
    if drawing:
        print(drawing, end="\n\n")
    if recording.lost:
        print(f"{recording.lost} events were not recorded: the disk was too slow")
    print(where)
    return 0
