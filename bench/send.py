"""PCM to wire: the CPU that `send_audio` costs, beside websocket-client by hand.

    python bench/send.py

Rounds of frames go to a server in another process, which answers when it has them all. Ours
crosses the outbox to the writer thread; by hand it is `send` in the calling thread. First as fast
as they are taken, then one frame at a time, as a microphone gives them: there ours cannot send
several at once, and each frame pays for waking the writer. A figure is the CPU of this process,
all threads, the least of several rounds in which all take turns.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from lab import figures

from grok_rt import GrokClient, events

Send = Callable[[bytes], object]
#: Sends the frames of one round through the function it is given.
Round = Callable[[Callable[[Send], None]], None]

HELLO = '{"type":"session.update","session":{}}'
SIZES = {"20 ms (960 B)": 960, "4 KiB": 4096}
COUNT = 2000
PACED_COUNT, PACED_HERTZ = 300, 200


@contextlib.contextmanager
def ours(url: str) -> Iterator[Round]:
    done = threading.Event()
    # no reconnect, which `start` would ask the server for, in one frame more than a round has
    with GrokClient("key", url=url, reconnect=False) as client:
        client.on(events.ResponseDone)(lambda _: done.set())
        client.start()

        def play(send_all: Callable[[Send], None]) -> None:
            done.clear()
            send_all(client.send_audio)
            done.wait()

        yield play


@contextlib.contextmanager
def websocket_client(url: str) -> Iterator[Round]:
    import websocket

    line: Any = websocket.create_connection(url, skip_utf8_validation=True)

    def send(pcm: bytes) -> None:
        audio = base64.b64encode(pcm).decode()
        line.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))

    def hear(until: str) -> None:
        while json.loads(line.recv())["type"] != until:
            pass

    def play(send_all: Callable[[Send], None]) -> None:
        send_all(send)
        hear("response.done")

    line.send(HELLO)
    hear("session.updated")
    yield play
    line.shutdown()


def at_once(pcm: bytes, count: int, send: Send) -> None:
    for _ in range(count):
        send(pcm)


def paced(pcm: bytes, count: int, send: Send) -> None:
    begun = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begun + number / PACED_HERTZ - time.monotonic()))
        send(pcm)


def measure(
    port: int, size: int, count: int, rounds: int, send_all: Callable[[bytes, int, Send], None]
) -> dict[str, float]:
    """CPU us per frame, by contender."""
    call = functools.partial(send_all, os.urandom(size), count)
    with contextlib.ExitStack() as stack:
        cases = {}
        for name, contender in CONTENDERS.items():
            play = stack.enter_context(contender(f"ws://127.0.0.1:{port}/sink/{count}"))
            cases[name] = functools.partial(figures.cpu_of, functools.partial(play, call))
        return {
            name: seconds / count * 1e6 for name, seconds in figures.best(cases, rounds).items()
        }


BY_HAND = "websocket-client + json + base64"
CONTENDERS = {"grok_rt": ours, BY_HAND: websocket_client}


def main() -> None:
    options = figures.options(__doc__, rounds=9)
    count, paced_count = (100, 50) if options.quick else (COUNT, PACED_COUNT)
    table: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with figures.serving("flood_server.py") as port:
        for size in SIZES.values():
            for name, figure in measure(port, size, count, options.rounds, at_once).items():
                table[name].append(figure)
        rounds = min(5, options.rounds)
        for name, figure in measure(port, 960, paced_count, rounds, paced).items():
            table[name].append(figure)
    columns = [*SIZES, f"20 ms, {PACED_HERTZ}/s"]
    figures.show("Send: CPU us per frame", columns, table, per="grok_rt")
    for column, own, hand in zip(SIZES, table["grok_rt"], table[BY_HAND], strict=False):
        figures.judge(f"{column}, of {BY_HAND}", own / hand, 0.5)
    figures.machine("websocket-client", "websockets")


if __name__ == "__main__":
    main()
