"""A long talk at the pace of sound: nothing lost, nothing grows. `nox -s soak -- SECONDS`.

Not part of the suite: `-m soak` selects it, and `GROK_RT_SOAK` says how many seconds it lasts.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from statistics import linear_regression
from typing import NamedTuple

import live
import pytest
from breaking import KEY
from callers import SOON
from raw_peer import server_context, trusting
from websockets.asyncio.server import ServerConnection, serve

from grok_rt import GrokClient, events

SECONDS = float(os.environ.get("GROK_RT_SOAK", "20"))
FRAMES = int(SECONDS * 50)  # each way
PCM = bytes(960)  # 20 ms at 24 kHz
GROWTH = 2 << 20  # bytes that the whole process may grow by, once it is warm
WARM = 0.2  # of the samples are not counted: caches fill, arenas are made

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(SECONDS + 60),
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read there"),
]


class Sample(NamedTuple):
    """The process at one moment; `memory` is what is resident, in bytes."""

    at: float
    memory: int
    threads: int
    descriptors: int


def sample() -> Sample:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - one less to forget
    memory = pages * os.sysconf("SC_PAGE_SIZE")
    return Sample(time.monotonic(), memory, threading.active_count(), descriptors)


def paced(began: float, number: int) -> None:
    """Wait for the moment of a frame; one that is late is not made up for by a pause."""
    time.sleep(max(0.0, began + number / 50 - time.monotonic()))


def marked(number: int) -> bytes:
    return struct.pack("!I", number) + PCM[4:]


def number_of(pcm: bytes) -> int:
    return int(struct.unpack_from("!I", pcm)[0])


class Server:
    """Speaks and listens at the pace of sound, and keeps nothing but numbers."""

    def __init__(self) -> None:
        self.heard = 0
        self.lost = 0
        self.sent = 0

    async def __call__(self, connection: ServerConnection) -> None:
        for message in live.GREETING:
            await connection.send(json.dumps(message))
        await connection.recv()  # the session's configuration
        await connection.send(json.dumps(live.session_updated()))
        speaking = asyncio.create_task(self._speak(connection))
        async for message in connection:
            pcm = base64.b64decode(json.loads(message)["audio"])
            self.lost += number_of(pcm) != self.heard
            self.heard += 1
        await speaking

    async def _speak(self, connection: ServerConnection) -> None:
        began = time.monotonic()
        while self.sent < FRAMES:
            await asyncio.sleep(max(0.0, began + self.sent / 50 - time.monotonic()))
            delta = base64.b64encode(marked(self.sent)).decode()
            said = {"type": "response.output_audio.delta", "delta": delta}
            ids = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
            await connection.send(json.dumps(said | ids))
            self.sent += 1


@contextlib.contextmanager
def serving(talk: Server) -> Iterator[str]:
    """Serve in one thread, as TLS wants it, by an implementation that is not ours."""
    loop = asyncio.new_event_loop()
    ports: Future[int] = Future()
    over = asyncio.Event()

    async def serve_one() -> None:
        context = server_context()
        async with serve(talk, "127.0.0.1", 0, ssl=context, compression=None) as server:
            ports.set_result(next(iter(server.sockets)).getsockname()[1])
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve_one()), daemon=True)
    thread.start()
    try:
        yield f"wss://localhost:{ports.result(SOON)}/v1/realtime"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(SOON)
        loop.close()


def test_a_long_talk() -> None:
    """50 frames a second each way in TLS: all arrive in order; memory and threads stay flat."""
    server = Server()
    samples: list[Sample] = []
    heard = lost = 0
    everything = threading.Event()

    with serving(server) as url:
        client = GrokClient(KEY, url=url, ssl_context=trusting())

        @client.on_audio
        def hear(event: events.AudioDelta) -> None:
            nonlocal heard, lost
            lost += number_of(event.audio) != heard
            heard += 1
            if heard == FRAMES:
                everything.set()

        client.start()
        cpu = time.process_time()
        began = time.monotonic()
        for number in range(FRAMES):
            paced(began, number)
            client.send_audio(marked(number))
            if number % 50 == 0:
                samples.append(sample())
        late = time.monotonic() - began - FRAMES / 50
        assert everything.wait(10)
        client.close()
        cpu = time.process_time() - cpu

    assert (server.sent, heard, lost) == (FRAMES, FRAMES, 0)
    assert (server.heard, server.lost) == (FRAMES, 0)
    warm = samples[int(len(samples) * WARM) :]
    slope, _ = linear_regression([s.at for s in warm], [s.memory for s in warm])
    print(
        f"\n{FRAMES} frames each way in {SECONDS:.0f} s, {late * 1000:.0f} ms late; "
        f"memory {warm[0].memory >> 10} to {warm[-1].memory >> 10} KiB, "
        f"{slope * 3600 / 1024:+.0f} KiB an hour; {cpu / SECONDS:.1%} of a core, server included"
    )
    assert slope * SECONDS < GROWTH
    assert len({s.threads for s in warm}) == 1, sorted({s.threads for s in warm})
    assert len({s.descriptors for s in warm}) == 1, sorted({s.descriptors for s in warm})
