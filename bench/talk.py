"""What an hour of talk with 500 interruptions leaves in memory, and how well files keep time.

    python bench/talk.py

An hour of sound each way goes through `talk`, a real `Microphone` and a real `Speaker`, whose
PortAudio is this script: it plays and records as fast as the client takes it. The service is the
simulator, in another process. Each answer is interrupted by the next question. Then a minute of a
file is sent on the clock, which takes a minute.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import figures

from grok_rt import GrokClient, SessionConfig, events
from grok_rt.audio import AudioClip, pcm16, shipped
from grok_rt.devices import Microphone, Speaker, _portaudio, talk
from grok_rt.streams import ClipSource, paced

RATE = 24000
FRAME = RATE // 50  # samples
AHEAD = 25  # frames that wait to be sent
HUSH = pcm16(RATE).silence(20)
PATIENCE = 30.0  # seconds for an answer
INTERRUPTIONS, MINUTES, SECONDS = 500, 60, 60


class Stream:
    """A device without a sound: who has it plays and records by hand."""

    def __init__(self, **options: Any) -> None:
        self.latency = options["latency"]
        self.call: Callable[..., None] = options["callback"]
        self._finished: Callable[[], None] = options["finished_callback"]

    def start(self) -> None:
        """Nothing: it runs by hand."""

    def abort(self) -> None:
        """It ends."""
        self._finished()

    def close(self) -> None:
        """Nothing: it has nothing."""


class Devices:
    """The module `sounddevice`, with one microphone and one speaker."""

    PortAudioError = OSError

    def __init__(self) -> None:
        self.default = types.SimpleNamespace(device=[0, 0], hostapi=0)
        self.microphone: Any = None
        self.speaker: Any = None

    def query_hostapis(self) -> tuple[dict[str, Any], ...]:
        """One sound system."""
        return ({"name": "none", "default_input_device": 0, "default_output_device": 0},)

    def query_devices(self) -> list[dict[str, Any]]:
        """One headset."""
        channels = {"max_input_channels": 1, "max_output_channels": 1}
        return [{"name": "none", "hostapi": 0, "default_samplerate": RATE, **channels}]

    def check_input_settings(self, **_: Any) -> None:
        """It takes anything."""

    check_output_settings = check_input_settings

    def RawInputStream(self, **options: Any) -> Stream:  # noqa: N802 - as it is called there
        """Remember it."""
        self.microphone = Stream(**options)
        return self.microphone

    def RawOutputStream(self, **options: Any) -> Stream:  # noqa: N802 - as it is called there
        """Remember it."""
        self.speaker = Stream(**options)
        return self.speaker


class Hour:
    """Somebody who talks, and interrupts each answer by the next question."""

    def __init__(self, port: int) -> None:
        self.devices = Devices()
        _portaudio.portaudio = lambda: self.devices
        config = SessionConfig.wideband()
        self.client = GrokClient("key", url=f"ws://127.0.0.1:{port}/v1/realtime", config=config)
        self.microphone = Microphone(on_level=self._took)
        self.speaker = Speaker()
        self.frames = self.read = 0
        self.interrupted = threading.Semaphore(0)
        self.answered = threading.Semaphore(0)
        self.dropped = 0.0
        sound = shipped("question").to(pcm16(RATE)).data
        self.question = [
            sound[at : at + len(HUSH)].ljust(len(HUSH), b"\0")
            for at in range(0, len(sound), len(HUSH))
        ]
        self.client.on(events.Interrupted)(lambda _: self.interrupted.release())
        self.client.on(events.ResponseDone)(self._done)
        self.client.on(events.AudioDropped)(self._drop)

    def _done(self, event: events.ResponseDone) -> None:
        if event.response and event.response.output:
            self.answered.release()

    def _took(self, _level: float) -> None:
        self.read += 1

    def _drop(self, event: events.AudioDropped) -> None:
        self.dropped += event.ms

    def frame(self, sound: bytes) -> None:
        """Let 20 ms pass at both devices."""
        while self.frames - self.read > AHEAD:
            time.sleep(0.001)
        self.hurry()
        self.devices.microphone.call(sound, FRAME, None, None)
        times = types.SimpleNamespace(currentTime=0.0, outputBufferDacTime=0.02)
        self.devices.speaker.call(memoryview(bytearray(2 * FRAME)), FRAME, times, None)
        self.frames += 1

    def hurry(self) -> None:
        """Let the speaker's own thread, which keeps to the clock, have a frame ready."""
        speaker = self.speaker
        while speaker._waiting and len(speaker._ring) < 2 * FRAME:  # noqa: SLF001 - nobody else asks
            with speaker._changed:  # noqa: SLF001
                speaker._changed.notify_all()  # noqa: SLF001
            time.sleep(0.0005)

    def ask(self) -> None:
        """Speak, be quiet until the answer comes, and listen to a part of it."""
        for sound in self.question:
            self.frame(sound)
        until = time.monotonic() + PATIENCE
        while not self.answered.acquire(timeout=0.002):
            self.frame(HUSH)
            assert time.monotonic() < until, "no answer"

    def hold(self, interruptions: int, minutes: float) -> list[float]:
        """Talk; returns MB of memory after each interruption."""
        sizes = []
        with talk(self.client, self.microphone, self.speaker, headphones=True):
            self.ask()
            for number in range(1, interruptions + 1):
                while self.frames < number / interruptions * minutes * 3000 - len(self.question):
                    self.frame(HUSH)
                self.ask()
                assert self.interrupted.acquire(timeout=PATIENCE), "no interruption"
                sizes.append(resident())
        return sizes


def resident() -> float:
    """MB that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def lateness(seconds: float) -> tuple[float, float]:
    """Mean milliseconds that a file's frames are off the clock, and a bare sleep meanwhile."""
    source = ClipSource(AudioClip(pcm16(RATE).silence(1000 * seconds), pcm16(RATE)))
    bare: list[float] = []

    def sleep() -> None:
        start = time.monotonic()
        for number in range(round(50 * seconds)):
            time.sleep(max(0.0, start + number * 0.02 - time.monotonic()))
            bare.append(time.monotonic() - start - number * 0.02)

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    start = time.monotonic()
    late = [
        time.monotonic() - start - number * 0.02
        for number, _ in enumerate(paced(source, trailing_silence_ms=0))
    ]
    sleeper.join()
    return 1000 * sum(late) / len(late), 1000 * sum(bare) / len(bare)


def main() -> None:
    options = figures.options(__doc__, rounds=1)
    interruptions, minutes, seconds = INTERRUPTIONS, float(MINUTES), SECONDS
    if options.quick:
        interruptions, minutes, seconds = 10, 1.2, 2
    logging.getLogger("grok_rt").setLevel(logging.ERROR)  # underruns: no device is that fast
    with figures.serving("answering_server.py", interruptions + 1) as port:
        hour = Hour(port)
        began = time.monotonic()
        sizes = hour.hold(interruptions, minutes)
        took = time.monotonic() - began
    warm = sizes[len(sizes) // 10 :]
    print(f"{hour.frames / 3000:.1f} minutes of talk in {took:.0f} s, {len(sizes)} interruptions")
    print(f"{hour.dropped:.0f} ms dropped, {hour.microphone.overflows} overflows")
    print(f"MB after each tenth: {[round(size, 1) for size in sizes[:: max(1, len(sizes) // 10)]]}")
    figures.judge("MB between the least and the most memory", max(warm) - min(warm), 5)
    late, bare = lateness(seconds)
    figures.judge(f"ms that frames are late, mean of {seconds} s", late, 1)
    print(f"      a bare sleep meanwhile: {bare:.3g}")
    figures.machine("sounddevice")


if __name__ == "__main__":
    main()
