"""The kinds of sound files: WAV is read here, what `soundfile` knows by it, the rest is refused.

It works on bytes in memory; opening the file is `audio`'s. Any thread.
"""

from __future__ import annotations

import array
import io
from typing import Final, NamedTuple

from grok_rt.audio import _pcm, _wav
from grok_rt.errors import AudioError, MissingExtra

# The first bytes of files that libsndfile reads. It is asked for nothing else, because it would
# take some noise for MP3.
_FOREIGN: Final = (
    *(b"RF64", b"RIFX", b"FORM", b"caff", b".snd", b"OggS", b"fLaC"),
    *(b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2"),
)
_CONVERT: Final = "convert it to WAV (ffmpeg -i FILE sound.wav)"


class Sound(NamedTuple):
    """Mono sound; `encoding` is WAV's number for PCM (16 bits), µ-law or A-law."""

    encoding: int
    rate: int
    data: bytes


def read(file: bytes, name: str) -> Sound:
    """Find the sound in `file`; telephone sound stays as it is, all other becomes PCM16.

    Raises:
        AudioError: there is none that can be read.
        MissingExtra: `soundfile` could read it.
    """
    if not file:
        raise AudioError("the file is empty: record or copy it again")
    if file[:4] == b"RIFF" and file[8:12] == b"WAVE":
        wave = _wav.parse(file)
        if wave.known:
            if wave.encoding in {_wav.ULAW, _wav.ALAW} and (wave.channels, wave.rate) == (1, 8000):
                return Sound(wave.encoding, wave.rate, wave.data)
            return Sound(_wav.PCM, wave.rate, wave.mono())
    elif not file.startswith(_FOREIGN):
        raise AudioError(f"it is no sound file of a known kind: {_CONVERT}")
    return _read_foreign(file, name)


def _read_foreign(file: bytes, name: str) -> Sound:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: its C library is missing
        raise MissingExtra("soundfile", "audio", f"reading {name}") from error
    try:
        values, rate = soundfile.read(io.BytesIO(file), always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError(f"libsndfile says {str(error)!r}: {_CONVERT}") from error
    mono = array.array("d", values.mean(axis=1).tobytes())
    return Sound(_wav.PCM, rate, _pcm.pack(_pcm.from_floats(mono)))
