"""The simulator that answers each question at length, as fast as it can: a process of its own.

answering_server.py ANSWERS
"""

from __future__ import annotations

import math
import sys

from grok_rt.simulator import Script, Simulator

ANSWER = "It is three degrees in Oslo, and it is going to rain for all of the day. " * 3


def main(answers: int) -> None:
    script = Script()
    for _ in range(answers):
        script.says(ANSWER)
    with Simulator(script, latency=0, pace=math.inf, remembered=1 << 16) as server:
        print(server.url.rpartition(":")[2].partition("/")[0], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
