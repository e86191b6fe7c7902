"""Which sound files are read, by whom, and what is said of the others."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from grok_rt.audio import _containers, _wav
from grok_rt.errors import AudioError, MissingExtra

PCM = bytes(range(200))


@pytest.mark.parametrize(
    ("encoding", "rate", "kept"),
    [
        (_wav.PCM, 24000, _wav.PCM),
        (_wav.ULAW, 8000, _wav.ULAW),
        (_wav.ALAW, 8000, _wav.ALAW),
        (_wav.ULAW, 16000, _wav.PCM),  # G.711 is 8 kHz; this is not it
    ],
)
def test_telephone_sound_stays_so(encoding: int, rate: int, kept: int) -> None:
    """G.711 at its own rate is handed on as it is, everything else as PCM16."""
    sound = _containers.read(_wav.pack(encoding, rate, PCM), "x")
    assert (kept, rate) == sound[:2]
    assert (sound.data == PCM) == (encoding == kept)


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "AIFF", "AU", "CAF", "RF64", "MP3", "RIFX"])
def test_soundfile_reads_the_rest(kind: str) -> None:
    """What libsndfile knows is read by it and mixed down."""
    soundfile = pytest.importorskip("soundfile")
    numpy = pytest.importorskip("numpy")
    stereo = numpy.column_stack([numpy.full(24000, 0.5), numpy.full(24000, -0.25)])
    file = io.BytesIO()
    container, endian = ("WAV", "BIG") if kind == "RIFX" else (kind, None)
    soundfile.write(file, stereo, 24000, format=container, endian=endian)
    sound = _containers.read(file.getvalue(), "x")
    assert sound[:2] == (_wav.PCM, 24000)
    middle = int.from_bytes(sound.data[24000:24002], "little", signed=True)
    assert abs(middle - 4096) < 300


def adpcm() -> bytes:
    """A WAV file in an encoding that is not decoded here."""
    file = bytearray(_wav.pack(_wav.PCM, 8000, PCM))
    file[20] = 0x11
    return bytes(file)


@pytest.mark.parametrize("file", [adpcm(), b"fLaC....", b"OggS....", b"ID3....."])
def test_without_soundfile_the_pip_line_is_given(
    file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that the extra could read says how to install it, and which file it is."""
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtra, match=r"reading 'x\.y' needs soundfile: pip install"):
        _containers.read(file, "'x.y'")


@pytest.mark.parametrize("file", [b"fLaC....", b"OggS" + bytes(99)])
def test_broken_files_are_audio_errors(file: bytes) -> None:
    """What libsndfile refuses is an `AudioError`, with its words and what to do."""
    pytest.importorskip("soundfile")
    with pytest.raises(AudioError, match=r"libsndfile says ['\"][^<]+: convert it to WAV"):
        _containers.read(file, "x")


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"", "empty"),
        (b"hello", "known kind"),
        (Path(__file__).read_bytes(), "known kind"),
        (b"RIFF\0\0\0\0AVI LIST", "known kind"),
        (b"\0\0\0\x20ftypM4A ", "ffmpeg"),
    ],
)
def test_what_is_no_sound_is_refused(file: bytes, sentence: str) -> None:
    """No file is taken for sound that does not begin like it."""
    with pytest.raises(AudioError, match=sentence):
        _containers.read(file, "x")
