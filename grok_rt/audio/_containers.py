"""The kinds of sound files: WAV is read here, what `soundfile` knows by it, the rest is refused.

At once from memory, or in blocks from an open file, however long; who opens it is not known here.
Any thread.
"""

from __future__ import annotations

import array
import io
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from grok_rt.audio import _pcm, _wav
from grok_rt.errors import AudioError, MissingExtra

# The first bytes of files that libsndfile reads. It is asked for nothing else, because it would
# take some noise for MP3.
_FOREIGN: Final = (
    *(b"RF64", b"RIFX", b"FORM", b"caff", b".snd", b"OggS", b"fLaC"),
    *(b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2"),
)
_LAWS: Final = (_wav.ULAW, _wav.ALAW)
_BLOCK: Final = 1 << 16  # samples of each channel that are read at a time
_CONVERT: Final = "convert it to WAV (ffmpeg -i FILE sound.wav)"


class Sound(NamedTuple):
    """Mono sound; `encoding` is WAV's number for PCM (16 bits), µ-law or A-law."""

    encoding: int
    rate: int
    data: bytes


class Blocks(NamedTuple):
    """Mono sound in pieces, read from the file as they are taken; as `Sound` otherwise."""

    encoding: int
    rate: int
    data: Iterator[bytes]


def read(file: bytes, name: str) -> Sound:
    """Find the sound in `file`; telephone sound stays as it is, all other becomes PCM16.

    Raises:
        AudioError: there is none that can be read.
        MissingExtra: `soundfile` could read it.
    """
    blocks = stream(io.BytesIO(file), name)
    return Sound(blocks.encoding, blocks.rate, b"".join(blocks.data))


def stream(file: BinaryIO, name: str) -> Blocks:
    """Find the sound in an open file, as `read` does; the blocks raise what it raises."""
    head = file.read(12)
    if not head:
        raise AudioError("the file is empty: record or copy it again")
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        wave, size = _wav.seek_sound(file)
        if wave.known:
            is_kept = wave.encoding in _LAWS and (wave.channels, wave.rate) == (1, 8000)
            encoding = wave.encoding if is_kept else _wav.PCM
            return Blocks(encoding, wave.rate, _wave_blocks(file, wave, size, mono=not is_kept))
    elif not head.startswith(_FOREIGN):
        raise AudioError(f"it is no sound file of a known kind: {_CONVERT}")
    file.seek(0)
    return _foreign(file, name)


def _wave_blocks(file: BinaryIO, wave: _wav.Wave, size: int, *, mono: bool) -> Iterator[bytes]:
    left = size or sys.maxsize
    while data := file.read(min(left, _BLOCK * wave.frame)):
        left -= len(data)
        block = wave.of(data)
        yield block.mono() if mono else block.data


def _foreign(file: BinaryIO, name: str) -> Blocks:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: its C library is missing
        raise MissingExtra("soundfile", "audio", f"reading {name}") from error
    try:
        opened = soundfile.SoundFile(file)
    except soundfile.SoundFileError as error:
        raise _refused(error) from error

    def blocks() -> Iterator[bytes]:
        with opened:
            while True:
                try:
                    values = opened.read(_BLOCK, always_2d=True)
                except soundfile.SoundFileError as error:
                    raise _refused(error) from error
                if not len(values):
                    return
                mono = array.array("d", values.mean(axis=1).tobytes())
                yield _pcm.pack(_pcm.from_floats(mono))

    return Blocks(_wav.PCM, opened.samplerate, blocks())


def _refused(error: Exception) -> AudioError:
    _, _, why = str(error).rpartition(">: ")  # in front of it: our file object
    return AudioError(f"libsndfile says {why!r}: {_CONVERT}")
