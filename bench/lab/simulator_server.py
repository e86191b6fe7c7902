"""The simulator that talks without end in frames of 20 ms: a process of its own.

simulator_server.py SECONDS
"""

from __future__ import annotations

import sys

from grok_rt.simulator import Script, Simulator

WORDS_PER_SECOND = 1.5  # at least: no answer shall end too soon


def main(seconds: float) -> None:
    speech = " ".join(["Breathe."] * round(seconds * WORDS_PER_SECOND))
    server = Simulator(Script().says(speech), realtime=True, chunk_ms=20, remembered=1 << 16)
    with server:
        print(server.url.rpartition(":")[2].partition("/")[0], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(float(sys.argv[1]))
