"""WAV files, built by hand: right ones, strange ones, lying ones."""

from __future__ import annotations

import array
import io
import math
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.audio import _g711, _pcm, _wav
from grok_rt.errors import AudioError

SAMPLES = [0, 256, -256, 32512, -32768]  # all of them fit in 8 bits


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    pad = b"\0" * (len(data) % 2)
    return name + struct.pack("<I", len(data) if size is None else size) + data + pad


def header(encoding: int, channels: int, rate: int, width: int, more: bytes = b"") -> bytes:
    block = channels * width
    fields = struct.pack("<HHIIHH", encoding, channels, rate, rate * block, block, 8 * width)
    return chunk(b"fmt ", fields + more)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extensible(encoding: int) -> bytes:
    return struct.pack("<HHIH", 22, 16, 4, encoding) + bytes.fromhex("000000001000800000aa00389b71")


def pcm(*samples: int) -> bytes:
    return _pcm.pack(array.array("h", samples))


SIXTEEN = pcm(*SAMPLES)
PLAIN = header(1, 1, 16000, 2)


@pytest.mark.parametrize(
    ("encoding", "width", "data"),
    [
        (1, 1, bytes((s >> 8) + 128 for s in SAMPLES)),
        (1, 2, SIXTEEN),
        (1, 3, b"".join((s << 8).to_bytes(3, "little", signed=True) for s in SAMPLES)),
        (1, 4, b"".join((s << 16).to_bytes(4, "little", signed=True) for s in SAMPLES)),
        (3, 4, struct.pack("<5f", *(s / 32768 for s in SAMPLES))),
        (3, 8, struct.pack("<5d", *(s / 32768 for s in SAMPLES))),
    ],
)
def test_every_kind_of_sample_is_read(encoding: int, width: int, data: bytes) -> None:
    """PCM of 8 to 32 bits and both floats, plain or extensible, hold the same sound."""
    plain = _wav.parse(riff(header(encoding, 1, 16000, width), chunk(b"data", data)))
    extended = header(_wav.EXTENSIBLE, 1, 16000, width, extensible(encoding))
    assert plain == _wav.parse(riff(extended, chunk(b"data", data)))
    assert plain.known
    assert plain.rate == 16000
    assert plain.mono() == SIXTEEN


@pytest.mark.parametrize(("encoding", "law"), [(7, _g711.ulaw()), (6, _g711.alaw())])
def test_telephone_sound_is_read(encoding: int, law: _g711.Law) -> None:
    """µ-law and A-law are decoded, at any rate."""
    file = riff(header(encoding, 1, 16000, 1), chunk(b"data", b"\x00\x55\xaa\xff"))
    assert law.decode(b"\x00\x55\xaa\xff") == _wav.parse(file).mono()


@pytest.mark.parametrize(
    ("channels", "samples", "mixed"),
    [
        (2, [100, 200, -32768, -32768, 1, 2], [150, -32768, 2]),
        (3, [3, 6, 9, 32767, 32767, 32767], [6, 32767]),
    ],
)
def test_channels_are_mixed_down(channels: int, samples: list[int], mixed: list[int]) -> None:
    """Mono is the mean of the channels, which cannot overflow."""
    file = riff(header(1, channels, 8000, 2), chunk(b"data", pcm(*samples)))
    assert pcm(*mixed) == _wav.parse(file).mono()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(chunk(b"data", SIXTEEN, 0), id="size 0, as of a pipe"),
        pytest.param(chunk(b"data", SIXTEEN, 0xFFFFFFFF), id="size -1, as of a pipe"),
        pytest.param(chunk(b"data", SIXTEEN, 4000), id="broken off"),
        pytest.param(chunk(b"data", SIXTEEN, 4000) + b"\x07", id="broken off inside a sample"),
        pytest.param(chunk(b"data", SIXTEEN) + chunk(b"LIST", b"more"), id="more behind it"),
        pytest.param(chunk(b"LIST", b"odd") + chunk(b"data", SIXTEEN), id="more before it"),
    ],
)
def test_lying_sizes_lose_no_sound(data: bytes) -> None:
    """Whatever the sizes say, the whole samples that are there are read."""
    assert _wav.parse(riff(PLAIN, data)).mono() == SIXTEEN


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (riff(), "fmt "),
        (riff(chunk(b"data", SIXTEEN)), "fmt "),
        (riff(chunk(b"fmt ", b"short"), chunk(b"data", SIXTEEN)), "fmt "),
        (riff(PLAIN), "no 'data'"),
        (riff(PLAIN, chunk(b"LIST", b"", 1 << 31), chunk(b"data", SIXTEEN)), "no 'data'"),
        (riff(header(1, 0, 8000, 2), chunk(b"data", SIXTEEN)), "0 channels"),
        (riff(header(1, 1, 8000, 0), chunk(b"data", SIXTEEN)), "in 0 bytes"),
        (riff(header(1, 1, 0, 2), chunk(b"data", SIXTEEN)), "at 0 Hz"),
        (riff(header(1, 1, 0xFFFFFFFF // 2, 2), chunk(b"data", SIXTEEN)), "cannot be true"),
    ],
)
def test_nonsense_is_refused(file: bytes, sentence: str) -> None:
    """A header without sense is an error that says what is wrong and what to do."""
    with pytest.raises(AudioError, match=sentence) as error:
        _wav.parse(file)
    assert "write it again" in str(error.value) or "whole copy" in str(error.value)


def test_nan_is_no_sound() -> None:
    """A float file with a NaN in it is refused."""
    file = riff(header(3, 1, 8000, 4), chunk(b"data", struct.pack("<2f", 0.5, math.nan)))
    with pytest.raises(AudioError, match="NaN"):
        _wav.parse(file).mono()


@pytest.mark.parametrize(("encoding", "width"), [(0x11, 1), (1, 5), (3, 2), (0xFFFE, 2)])
def test_other_encodings_are_said_to_be_unknown(encoding: int, width: int) -> None:
    """ADPCM, odd widths and an extension that is not there are left to others."""
    assert not _wav.parse(riff(header(encoding, 1, 8000, width), chunk(b"data", b""))).known


@given(st.binary(max_size=200))
def test_any_bytes_are_sound_or_an_audio_error(noise: bytes) -> None:
    """Garbage behind a good beginning raises nothing but `AudioError`."""
    for file in (b"RIFF....WAVE" + noise, riff(PLAIN[:-4] + noise)):
        try:
            parsed = _wav.parse(file)
            assert not parsed.known or len(parsed.mono()) % 2 == 0
        except AudioError:
            pass


@given(st.binary(max_size=99), st.sampled_from([1, 6, 7]), st.integers(1000, 192000))
def test_what_is_packed_is_read(data: bytes, encoding: int, rate: int) -> None:
    """Packing and parsing are inverse, odd lengths included."""
    data = data[: len(data) & ~1] if encoding == _wav.PCM else data
    parsed = _wav.parse(_wav.pack(encoding, rate, data))
    assert (encoding, 1, rate, data) == (
        *(parsed.encoding, parsed.channels, parsed.rate),
        parsed.data,
    )


def test_the_standard_library_reads_what_is_packed() -> None:
    """Another reader understands our header."""
    with wave.open(io.BytesIO(_wav.pack(_wav.PCM, 24000, SIXTEEN))) as reader:
        assert reader.getparams()[:4] == (1, 2, 24000, 5)
        assert reader.readframes(5) == SIXTEEN
