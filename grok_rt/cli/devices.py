"""`grok-rt devices`: the microphones and speakers of this machine."""

from __future__ import annotations

import argparse

from grok_rt.cli._options import add_command

__all__ = ["add", "run"]

_EXAMPLES = """\
  grok-rt devices                  what there is; * is used if none is named
  grok-rt talk --speaker headset   by a part of the name
  grok-rt talk --microphone 3      by the number
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the parser."""
    parser = add_command(
        commands,
        "devices",
        help="list microphones and speakers",
        description="List the sound devices of this machine, with their channels and rates.",
        examples=_EXAMPLES,
    )
    parser.set_defaults(command=run)


def run(_arguments: argparse.Namespace) -> int:
    """Print the list."""
    from grok_rt.devices import list_devices
    from grok_rt.errors import AudioError

    devices = list_devices()
    if not devices:
        raise AudioError("this machine has no sound devices: plug one in, or start a sound server")
    print(f"{'#':>3} {'in':>5} {'out':>5} {'Hz':>7}  name")
    for device in devices:
        inputs = _channels(device.inputs, is_default=device.is_default_input)
        outputs = _channels(device.outputs, is_default=device.is_default_output)
        name = f"{device.name} ({device.host})"
        print(f"{device.index:>3} {inputs:>5} {outputs:>5} {device.rate:>7}  {name}")
    return 0


def _channels(count: int, *, is_default: bool) -> str:
    return f"{count or '-'}{'*' if is_default and count else ' '}"
