"""PortAudio, met here only: which devices there are, which rates they take, how to open a stream.

Every failure of it becomes an `AudioError` that says what to do. Any thread; PortAudio itself
opens and closes one stream at a time.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import attrs

from grok_rt.errors import AudioError, MissingExtra

__all__ = ["Device", "Kind", "Opened", "find", "list_devices", "open_stream", "report"]

Kind = Literal["input", "output"]

_WORDS: Final = {"input": "microphone", "output": "speaker"}
_RATES: Final = (48000, 44100, 32000, 24000, 16000, 8000)
_NO_PORTAUDIO: Final = (
    "the PortAudio library is missing: sudo apt install libportaudio2 (Debian, Ubuntu), "
    "sudo dnf install portaudio (Fedora), brew install portaudio (macOS)"
)
_opening = threading.Lock()  # PortAudio's own lists are not for two threads
_open: dict[Any, Callable[[], None]] = {}  # streams, and what closes each


@attrs.frozen
class Device:
    """A sound device of this machine.

    Attributes:
        index: its number, which may change when devices come and go.
        name: its name; a part of it that no other has will do for ``device=``.
        host: the sound system that offers it, such as ``ALSA`` or ``Core Audio``.
        inputs: channels that can be recorded; 0: it is no microphone.
        outputs: channels that can be played; 0: it is no speaker.
        rate: samples per second that it likes best.
        is_default_input: it is the microphone that is used if none is named.
        is_default_output: it is the speaker that is used if none is named.
    """

    index: int
    name: str
    host: str
    inputs: int
    outputs: int
    rate: int
    is_default_input: bool = False
    is_default_output: bool = False


@attrs.frozen
class Opened:
    """A stream, and what the device takes."""

    stream: Any
    device: Device
    rate: int
    channels: int


def portaudio() -> Any:
    """The binding of PortAudio.

    Raises:
        MissingExtra: it is not installed.
        AudioError: the library that it binds is not.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtra("sounddevice", "audio", "using a microphone or a speaker") from error
    except OSError as error:
        raise AudioError(_NO_PORTAUDIO) from error
    # After the import: what is registered last runs first.
    atexit.unregister(_close_all)
    atexit.register(_close_all)
    return sounddevice


def list_devices() -> tuple[Device, ...]:
    """The sound devices of this machine, as they were when PortAudio first looked.

    Raises:
        MissingExtra: the extra ``audio`` is not installed.
        AudioError: the PortAudio library is missing, or does not work.
    """
    sd = portaudio()
    with _opening, _translated(sd, "the devices cannot be listed"):
        hosts = sd.query_hostapis()
        found = tuple(sd.query_devices())
        default_input, default_output = sd.default.device
    if min(default_input, default_output) < 0 and hosts:
        host = hosts[sd.default.hostapi] if sd.default.hostapi is not None else hosts[0]
        default_input = host["default_input_device"] if default_input < 0 else default_input
        default_output = host["default_output_device"] if default_output < 0 else default_output
    return tuple(
        Device(
            index=index,
            name=device["name"],
            host=hosts[device["hostapi"]]["name"],
            inputs=device["max_input_channels"],
            outputs=device["max_output_channels"],
            rate=round(device["default_samplerate"]),
            is_default_input=index == default_input,
            is_default_output=index == default_output,
        )
        for index, device in enumerate(found)
    )


def find(device: int | str | None, kind: Kind) -> Device:
    """The device that is meant: by its number, by a part of its name, or the default one.

    Raises:
        AudioError: there is none, or the name fits several.
    """
    word = _WORDS[kind]
    devices = [d for d in list_devices() if (d.inputs if kind == "input" else d.outputs)]
    if not devices:
        raise AudioError(
            f"this machine has no {word}: plug one in, and see `grok-rt devices` for the list"
        )
    if device is None:
        name = f"is_default_{kind}"
        return next((d for d in devices if getattr(d, name)), devices[0])
    if isinstance(device, int):
        fitting = [d for d in devices if d.index == device]
    else:
        fitting = [d for d in devices if device.lower() in d.name.lower()]
        fitting = [d for d in fitting if d.name.lower() == device.lower()] or fitting
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{d.index}: {d.name}" for d in (fitting or devices))
    if fitting:
        raise AudioError(f"several {word}s are called {device!r}; name one of {listed}")
    raise AudioError(f"there is no {word} {device!r}; when this program began there were {listed}")


def open_stream(
    device: int | str | None,
    kind: Kind,
    rate: int,
    *,
    latency: float,
    callback: Callable[..., None],
    finished: Callable[[], None],
    close: Callable[[], None],
) -> Opened:
    """Open a stream of 16-bit samples, without starting it.

    `rate` is taken if the device takes it, else the one it likes best, else any; one channel if
    it can, else as many as it has. At the program's exit `close` is called if need be.

    Raises:
        MissingExtra, AudioError: as `find`; or the device takes none of the rates, or is busy.
    """
    sd = portaudio()
    found = find(device, kind)
    most = found.inputs if kind == "input" else found.outputs
    check = sd.check_input_settings if kind == "input" else sd.check_output_settings
    make = sd.RawInputStream if kind == "input" else sd.RawOutputStream
    refusal: Exception | None = None
    with _opening:
        for channels in dict.fromkeys((1, 2, most)):
            for each in dict.fromkeys((rate, found.rate, *_RATES)):
                try:
                    check(device=found.index, channels=channels, dtype="int16", samplerate=each)
                    stream = make(
                        device=found.index,
                        channels=channels,
                        dtype="int16",
                        samplerate=each,
                        latency=latency,
                        callback=callback,
                        finished_callback=finished,
                    )
                except (sd.PortAudioError, ValueError) as error:
                    refusal = refusal or error
                else:
                    _open[stream] = close
                    return Opened(stream, found, each, channels)
    tried = ", ".join(map(str, sorted({rate, found.rate, *_RATES})))
    raise AudioError(
        f"the {_WORDS[kind]} {found.name!r} cannot be opened at any of {tried} Hz ({refusal}): "
        "is another program using it? `grok-rt devices` lists the others"
    )


def start(opened: Opened) -> None:
    """Let it run.

    Raises:
        AudioError: it does not.
    """
    sd = portaudio()
    with _opening, _translated(sd, f"{opened.device.name!r} does not start"):
        opened.stream.start()


def close(opened: Opened) -> None:
    """Stop at once and give the device back; its failures do not matter any more."""
    sd = portaudio()
    with _opening:
        _open.pop(opened.stream, None)
        with contextlib.suppress(sd.PortAudioError):
            opened.stream.abort()
        with contextlib.suppress(sd.PortAudioError):
            opened.stream.close()


def _close_all() -> None:
    """At the program's exit: PortAudio would wait for ever for a stream that runs."""
    for close_it in list(_open.values()):
        close_it()


def report() -> list[tuple[bool, str]]:
    """Whether a conversation could be heard here: a line for each part, and whether it is well."""
    try:
        version = portaudio().get_portaudio_version()[1]
        lines = [(True, version.partition(",")[0])]
    except (MissingExtra, AudioError) as error:
        return [(False, str(error))]
    kinds: tuple[Kind, ...] = ("input", "output")
    for kind in kinds:
        try:
            found = find(None, kind)
        except AudioError as error:
            lines.append((False, str(error)))
        else:
            lines.append((True, f"{_WORDS[kind]} {found.name!r}, {found.host}, {found.rate} Hz"))
    return lines


@contextlib.contextmanager
def _translated(sd: Any, what: str) -> Iterator[None]:
    try:
        yield
    except sd.PortAudioError as error:
        raise AudioError(f"{what}: {error.args[0] if error.args else error}") from error
