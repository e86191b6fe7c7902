"""Fuzz the frames, guided by coverage: `nox -s fuzz`, or this script with libFuzzer's arguments.

The corpus is one stream of every kind of frame, from either side.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["grok_rt"]):
    import fuzz_laws

    from grok_rt._wire.framing import BINARY, CLOSE, PING, PONG, TEXT, Frame, close_payload, pack

FRAMES = (
    Frame(TEXT, b'{"type":"ping"}'),
    Frame(TEXT, "Größe \U0001f600".encode()),
    Frame(BINARY, bytes(range(256))),
    Frame(BINARY, bytes(70_000)),
    Frame(PING, b"?"),
    Frame(PONG, b""),
    Frame(CLOSE, close_payload(1000, "enough")),
)
FRAGMENTS = b"\x01\x03abc\x89\x00\x00\x02de\x80\x01f"


def main() -> None:
    with tempfile.TemporaryDirectory() as corpus:
        streams = [pack((frame,), mask=mask) for frame in FRAMES for mask in (False, True)]
        streams += [pack(FRAMES, mask=False), FRAGMENTS]
        for number, stream in enumerate(streams):
            side = b"\xff" if number < 2 * len(FRAMES) and number % 2 else b"\x00"
            Path(corpus, str(number)).write_bytes(side + b"\x07" + stream)
        atheris.Setup([*sys.argv, corpus, "-timeout=10", "-max_len=4096"], fuzz_laws.framing)
        atheris.Fuzz()


main()
