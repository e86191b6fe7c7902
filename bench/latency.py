"""Wire to handler: how late a paced frame is, idle and while the application computes.

    python bench/latency.py

A server in another process sends 4 KiB deltas at a fixed pace with the time in each, which both
processes read from the same clock. The contenders take turns; each hears its frames on a thread
other than the main one. "Stock" is websocket-client with the same promise as ours: a reader
thread, a queue, a thread for the handler. A hop is what one `SimpleQueue` costs between two
threads under the same load.

Idle is measured twice: as the machine is, whose processors sleep between two frames, and with
them kept awake, which leaves what the code costs. The verdict is on the second, if it can be had.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pybase64
from lab import figures, wire

from grok_rt import GrokClient, events

#: Plays one round, and returns how late each frame was, in ns.
Round = Callable[[], list[int]]

SIZE, COUNT, HERTZ = 4096, 150, 100
HELLO = '{"type":"session.update","session":{}}'
GO = '{"type":"input_audio_buffer.commit"}'


class Delta(msgspec.Struct):
    """What msgspec needs to know of the sound."""

    delta: str
    event_id: str


class Lateness:
    """The handler of everybody: notes how old each frame is; says when it has them all."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._late: list[int] = []
        self._done = threading.Event()

    def __call__(self, stamp: str | bytes) -> None:
        """Hear a frame, stamped with its time."""
        self._late.append(time.monotonic_ns() - int(stamp))
        if len(self._late) == self._count:
            self._done.set()

    def take(self) -> list[int]:
        """Wait for all; then forget them."""
        self._done.wait()
        self._done.clear()
        late, self._late = self._late, []
        return late


@contextlib.contextmanager
def ours(url: str, heard: Lateness) -> Iterator[Round]:
    # no reconnect, which `start` would ask the server for, in one frame more than a round has
    with GrokClient("key", url=url, reconnect=False) as client:
        client.on_audio(lambda event: heard(str(event.event_id)))
        client.on(events.ResponseDone)(lambda _: None)
        client.start()

        def play() -> list[int]:
            client.commit_audio()
            return heard.take()

        yield play


def _opened(url: str) -> Any:
    """websocket-client's line, with a session on it."""
    import websocket

    line: Any = websocket.create_connection(url, skip_utf8_validation=True)
    line.send(HELLO)
    while json.loads(line.recv())["type"] != "session.updated":
        pass
    return line


@contextlib.contextmanager
def raw_socket(url: str, heard: Lateness) -> Iterator[Round]:
    """The floor: a thread in `recv_into`, which looks at the stamp and at nothing else."""
    line = _opened(url)
    mark = b'"event_id":"'

    def read() -> None:
        for data in wire.floor(line.sock):
            at = data.find(mark) + len(mark)
            if (stamp := data[at : at + wire.STAMP_SIZE]).isdigit():
                heard(stamp)

    yield from _read_by(read, line, heard)


@contextlib.contextmanager
def fastest_parts(url: str, heard: Lateness) -> Iterator[Round]:
    """The raw socket's thread, which also decodes: what a handler of PCM waits for at the least."""
    line = _opened(url)
    decode = msgspec.json.Decoder(Delta).decode

    def read() -> None:
        for data in wire.floor(line.sock):
            if b"audio.delta" in data[:48]:
                delta = decode(data)
                pybase64.b64decode(delta.delta, validate=True)
                heard(delta.event_id)

    yield from _read_by(read, line, heard)


@contextlib.contextmanager
def stock_inline(url: str, heard: Lateness) -> Iterator[Round]:
    yield from _stock(url, heard, through_queue=False)


@contextlib.contextmanager
def stock(url: str, heard: Lateness) -> Iterator[Round]:
    yield from _stock(url, heard, through_queue=True)


def _stock(url: str, heard: Lateness, *, through_queue: bool) -> Iterator[Round]:
    line = _opened(url)
    waiting: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def handle(event: dict[str, Any]) -> None:
        if event["type"] == "response.output_audio.delta":
            heard(event["event_id"])

    def dispatch() -> None:
        while (event := waiting.get()) is not None:
            handle(event)

    def read() -> None:
        with contextlib.suppress(Exception):  # shut down
            while data := line.recv():
                (waiting.put if through_queue else handle)(json.loads(data))
        waiting.put(None)

    dispatcher = threading.Thread(target=dispatch)
    dispatcher.start()
    yield from _read_by(read, line, heard)
    dispatcher.join()


def _read_by(read: Callable[[], None], line: Any, heard: Lateness) -> Iterator[Round]:
    reader = threading.Thread(target=read)
    reader.start()

    def play() -> list[int]:
        line.send(GO)
        return heard.take()

    yield play
    line.sock.shutdown(socket.SHUT_RDWR)
    reader.join()
    line.shutdown()


def hops(count: int) -> list[int]:
    """How late what is put into a `SimpleQueue` is at its other end, in ns."""
    sent: queue.SimpleQueue[int] = queue.SimpleQueue()
    late: list[int] = []

    def take() -> None:
        for _ in range(count):
            put_at = sent.get()
            late.append(time.monotonic_ns() - put_at)

    taker = threading.Thread(target=take)
    taker.start()
    for _ in range(count):
        time.sleep(1 / HERTZ)
        sent.put(time.monotonic_ns())
    taker.join()
    return late


@contextlib.contextmanager
def busy(threads: int) -> Iterator[None]:
    """Keep threads computing in plain Python, at the interpreter's usual switch interval."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(i * i for i in range(500))

    computing = [threading.Thread(target=compute) for _ in range(threads)]
    for thread in computing:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in computing:
            thread.join()


CONTENDERS: dict[str, Callable[[str, Lateness], AbstractContextManager[Round]]] = {
    "raw socket": raw_socket,
    "raw socket, msgspec, pybase64": fastest_parts,
    "grok_rt": ours,
    "stock, queue and thread": stock,
    "stock, handler in the reader": stock_inline,
}
HOP = "(one thread hop)"


def measure(port: int, count: int, rounds: int, busy_threads: int) -> dict[str, list[float]]:
    """Microseconds by contender: median and 99th percentile of all rounds together."""
    late: dict[str, list[int]] = {name: [] for name in (*CONTENDERS, HOP)}
    with contextlib.ExitStack() as stack:
        url = f"ws://127.0.0.1:{port}/pace/{SIZE}/{count}/{HERTZ}"
        plays = {
            name: stack.enter_context(contender(url, Lateness(count)))
            for name, contender in CONTENDERS.items()
        }
        for _ in range(rounds):
            with busy(busy_threads):
                for name, play in plays.items():
                    late[name] += play()
                late[HOP] += hops(count)
    return {
        name: [figures.percentile(each, percent) / 1000 for percent in (50, 99)]
        for name, each in late.items()
    }


def added(late: dict[str, list[float]]) -> float:
    """What ours adds to the raw socket's median, in hops."""
    return (late["grok_rt"][0] - late["raw socket"][0]) / late[HOP][0]


def main() -> None:
    options = figures.options(__doc__, rounds=4)
    count = 20 if options.quick else COUNT
    with figures.serving("flood_server.py") as port:
        idle, loaded = (measure(port, count, options.rounds, threads) for threads in (0, 1))
        awake = idle
        if hasattr(os, "SCHED_IDLE"):
            with figures.awake():
                awake = measure(port, count, options.rounds, 0)
    rows = {name: [*idle[name], *awake[name], *loaded[name]] for name in idle}
    columns = ["idle p50", "p99", "awake p50", "p99", "busy p50", "p99"]
    figures.show("Late by us", columns, rows)
    print(f"idle, p50 added to the raw socket's: {added(idle):.2f} hops")
    figures.judge("awake, p50 added to the raw socket's, in hops", added(awake), 2)
    stock_p99 = loaded["stock, queue and thread"][1]
    figures.judge("one busy thread, p99 of stock's", loaded["grok_rt"][1] / stock_p99, 0.5)
    figures.machine("websocket-client")


if __name__ == "__main__":
    main()
