"""A real sound server: PulseAudio with a virtual speaker and a virtual mouth, all its own.

What plays on the sink `speaker` is recorded from its monitor; what is played on the sink `mouth`
is what the microphone hears. PortAudio gets there by ALSA. It reads its environment when it is
loaded, so programs that use it run in processes of their own, with `SoundServer.environment`.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from callers import SOON

from grok_rt import AudioClip, pcm16

RATE = 24_000
_NULL_SINK = "module-null-sink sink_name={} rate=48000 norewinds=1"
_ASOUNDRC = """
pcm.!default { type pulse }
pcm.headset { type pulse }
"""


def hurry(pid: int) -> None:
    """Let a process go before others, as those of sound do, where that is permitted."""
    with contextlib.suppress(AttributeError, PermissionError, ProcessLookupError):
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))


def without_gaps(err: str) -> str:
    """What a program wrote on stderr, but for what is said where the machine is too slow."""
    slow = ("ALSA lib", "'default' had no sound in time", "the speaker had gaps")
    return "".join(line for line in err.splitlines(keepends=True) if not line.startswith(slow))


def missing() -> str:
    """Name what this machine lacks for it, or nothing."""
    lacks = [name for name in ("pulseaudio", "parec", "pacat", "pactl") if not shutil.which(name)]
    if ctypes.util.find_library("portaudio") is None:
        lacks.append("libportaudio2")
    plugin = "alsa-lib/libasound_module_pcm_pulse.so"
    if not [*Path("/usr/lib").glob(plugin), *Path("/usr/lib").glob(f"*/{plugin}")]:
        lacks.append("libasound2-plugins")
    return ", ".join(lacks)


class SoundServer:
    """A running sound server.

    Attributes:
        environment: what a program needs to find it, and no other.
    """

    def __init__(self, home: Path) -> None:
        (home / "asoundrc").write_text(_ASOUNDRC, "utf-8")
        self._socket = home / "native"
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "XDG_CONFIG_HOME": str(home),
            "PULSE_RUNTIME_PATH": str(home),
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_SINK": "speaker",
            "PULSE_SOURCE": "mouth.monitor",
            "ALSA_CONFIG_PATH": str(home / "asoundrc"),
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[SoundServer]:
        """Run it while the block runs."""
        modules = (
            f"module-native-protocol-unix socket={self._socket} auth-anonymous=1",
            _NULL_SINK.format("speaker"),
            _NULL_SINK.format("mouth"),
        )
        process = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--system=false"),
                *("--use-pid-file=no", "--disable-shm=yes", "--realtime=no"),
                *(part for module in modules for part in ("-L", module)),
            ],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        hurry(process.pid)
        try:
            deadline = time.monotonic() + SOON
            while self.control("info", check=False).returncode:
                assert process.poll() is None, "PulseAudio does not start here"
                assert time.monotonic() < deadline, "PulseAudio is not there in time"
                time.sleep(0.05)
            yield self
        finally:
            process.kill()
            process.wait(SOON)

    def control(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Tell it something, as `pactl` does."""
        return subprocess.run(
            ["pactl", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SOON,
            check=check,
        )

    @contextlib.contextmanager
    def program(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Run a Python program beside it; afterwards it is dead."""
        with subprocess.Popen(
            [sys.executable, "-W", "error", *arguments],
            env=self.environment | {"PYTHONUNBUFFERED": "1"} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            hurry(process.pid)
            try:
                yield process
            finally:
                process.kill()

    def wait_for_listener(self) -> None:
        """Block until somebody records by the microphone."""
        sources = self.control("list", "short", "sources").stdout.splitlines()
        (mouth,) = [line.split("\t")[0] for line in sources if "mouth.monitor" in line]
        deadline = time.monotonic() + SOON
        while True:
            outputs = self.control("list", "short", "source-outputs").stdout.splitlines()
            if mouth in [line.split("\t")[1] for line in outputs]:
                return
            assert time.monotonic() < deadline, "nobody listens"
            time.sleep(0.02)

    def speak(self, clip: AudioClip) -> None:
        """Let the microphone hear a clip; blocks until it was said."""
        subprocess.run(
            ["pacat", "--playback", "--device=mouth", "--raw", "--latency-msec=20", *_FORM],
            input=clip.to(pcm16(RATE)).data,
            env=self.environment,
            stderr=subprocess.DEVNULL,
            timeout=SOON + clip.duration,
            check=True,
        )

    @contextlib.contextmanager
    def listening(self) -> Iterator[Recording]:
        """Record the speaker while the block runs."""
        with subprocess.Popen(
            ["parec", "--device=speaker.monitor", "--raw", "--latency-msec=10", *_FORM],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            hurry(process.pid)
            recording = Recording(process)
            try:
                recording.wait(0.1)
                yield recording
            finally:
                process.kill()
                recording.join()


_FORM = (f"--rate={RATE}", "--channels=1", "--format=s16le")


class Recording:
    """What the virtual speaker has sounded like, and when.

    Attributes:
        data: PCM16 mono at `RATE`.
        began: when its first sample sounded, on the monotonic clock. Nothing arrives too early,
            so the least delayed of all pieces tells it best, however busy the machine was.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.data = bytearray()
        self.began = float("inf")
        self._process = process
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while piece := os.read(self._process.stdout.fileno(), 1 << 16):
            now = time.monotonic()
            self.data += piece
            self.began = min(self.began, now - len(self.data) / 2 / RATE)

    @property
    def seconds(self) -> float:
        """How much of it there is."""
        return len(self.data) / 2 / RATE

    def wait(self, seconds: float) -> None:
        """Block until there is as much of it."""
        deadline = time.monotonic() + SOON + seconds
        while self.seconds < seconds:
            assert time.monotonic() < deadline, "the speaker's monitor is silent"
            time.sleep(0.01)

    def join(self) -> None:
        """Wait for its last piece."""
        self._thread.join(SOON)
        assert not self._thread.is_alive()
