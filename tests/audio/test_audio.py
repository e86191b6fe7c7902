"""Formats, clips and conversion, as users meet them."""

from __future__ import annotations

import array
import base64
import io
import itertools
import math
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import grok_rt
from grok_rt import audio
from grok_rt._unset import UNSET
from grok_rt.audio import OPUS, PCMA, PCMU, AudioClip, AudioFormat, Converter, pcm16, shipped
from grok_rt.audio._clip import is_sound_file
from grok_rt.errors import AudioError, GrokError

FORMATS = [PCMU, PCMA, pcm16(), pcm16(8000), pcm16(44100), AudioFormat("audio/pcm")]
formats = st.sampled_from(FORMATS)


@pytest.mark.parametrize(
    ("format", "rate", "width"),
    [
        (PCMU, 8000, 1),
        (PCMA, 8000, 1),
        (AudioFormat("audio/pcmu", 24000), 8000, 1),  # its rate is fixed, whatever is said
        (AudioFormat("audio/pcm"), 24000, 2),
        (AudioFormat("audio/pcm", None), 24000, 2),
        (pcm16(44100), 44100, 2),
    ],
)
def test_formats_know_their_numbers(format: AudioFormat, rate: int, width: int) -> None:
    """Rates and sizes are those of the wire's documentation, given or implied."""
    assert (rate, width) == (format.sample_rate, format.sample_bytes)
    assert rate * width == format.bytes_per_second
    assert rate * width // 50 == format.frame_bytes(20)
    assert format.duration(rate * width) == format.duration(bytes(rate * width)) == 1.0
    assert format.duration(memoryview(array.array("h", [0, 0]))) == 4 / (rate * width)


def test_frames_are_whole_samples() -> None:
    """Milliseconds that split a sample are rounded down."""
    assert pcm16(11025).frame_bytes(20) == 440
    assert PCMU.frame_bytes(0.2) == 1
    assert pcm16().frame_bytes(0) == 0


@pytest.mark.parametrize("format", FORMATS)
def test_silence_is_silent(format: AudioFormat) -> None:
    """Silence has its law's own byte, and is as quiet as that law can be."""
    silence = format.silence(20)
    assert len(silence) == format.frame_bytes(20)
    assert {0xFF, 0xD5, 0} >= set(silence)
    assert max(map(abs, AudioClip(silence, format).samples())) <= 8


def test_opus_has_a_rate_but_no_samples() -> None:
    """Opus packets have no size that could be computed with, and say so."""
    assert OPUS.sample_rate == 24000
    for ask in (lambda: OPUS.sample_bytes, lambda: OPUS.silence(20), lambda: OPUS.duration(3)):
        with pytest.raises(AudioError, match=r"audio/opus.*use audio/pcm"):
            ask()


@pytest.mark.parametrize("rate", [0, -8000, 8000.0, "8000", True])
def test_any_format_can_be_held(rate: object) -> None:
    """What a server may send is no error until a number is asked of it."""
    strange = AudioFormat("audio/pcm", rate)  # type: ignore[arg-type]
    assert "audio/pcm" in repr(strange)
    with pytest.raises(AudioError, match="positive whole number"):
        _ = strange.sample_rate


def test_unknown_types_have_the_rate_that_they_say() -> None:
    """A type of tomorrow has a rate if it says one, and no sample size."""
    assert AudioFormat("audio/new", 16000).sample_rate == 16000
    with pytest.raises(AudioError, match="rate="):
        _ = AudioFormat("audio/new").sample_rate
    with pytest.raises(AudioError, match="cannot be computed with"):
        AudioFormat("audio/new", 16000).frame_bytes(20)


def test_formats_are_values() -> None:
    """Unknown fields are carried and shown, but make no difference; absent ones are not shown."""
    more = AudioFormat("audio/pcm", 8000, extra={"channels": 1})
    assert more == pcm16(8000)
    assert hash(more) == hash(pcm16(8000))
    assert repr(more) == "AudioFormat('audio/pcm', rate=8000, extra={'channels': 1})"
    assert repr(PCMU) == "AudioFormat('audio/pcmu')"
    assert PCMU.rate is UNSET
    assert PCMU.extra is OPUS.extra
    assert pickle.loads(pickle.dumps(more)).extra == more.extra
    with pytest.raises(TypeError):
        PCMU.extra["channels"] = 1  # type: ignore[index]


@given(st.binary(max_size=400), formats, formats, st.lists(st.integers(0, 400)))
def test_cuts_make_no_difference_to_a_converter(
    data: bytes, source: AudioFormat, target: AudioFormat, cuts: list[int]
) -> None:
    """A stream converted in pieces is the stream converted at once."""
    at_once, in_pieces = Converter(source, target), Converter(source, target)
    places = sorted({0, *cuts, len(data)})
    parts = [in_pieces.process(data[a:b]) for a, b in itertools.pairwise(places)]
    whole = at_once.process(data) + at_once.flush()
    assert whole == b"".join(parts) + in_pieces.flush()


@given(st.lists(st.integers(-32768, 32767), max_size=300), formats, formats)
def test_conversion_keeps_the_duration(
    samples: list[int], source: AudioFormat, target: AudioFormat
) -> None:
    """Whatever the formats, sound lasts as long as it did, to half a sample."""
    clip = AudioClip.from_samples(samples, source.sample_rate).to(source)
    converted = clip.to(target)
    assert converted.format == target
    assert abs(converted.duration - clip.duration) <= 0.5001 / target.sample_rate


@pytest.mark.parametrize("make", [lambda: Converter(PCMU, OPUS), lambda: shipped("heard").to(OPUS)])
def test_opus_is_not_converted(make: object) -> None:
    """Conversion to Opus is refused before anything is done."""
    assert callable(make)
    with pytest.raises(AudioError, match="audio/opus"):
        make()


def test_g711_costs_little() -> None:
    """Through µ-law and back speech keeps 30 dB."""
    clip = shipped("question").to(pcm16(8000))
    there = clip.to(PCMU).to(pcm16(8000)).samples()
    mine = clip.samples()
    error = AudioClip.from_samples([a - b for a, b in zip(mine, there, strict=True)], 8000)
    assert clip.level() - error.level() > 30


@given(
    st.integers(0, 500),
    st.none() | st.floats(-1, 1),
    st.none() | st.floats(-1, 1),
)
def test_clips_are_cut_like_sequences(size: int, start: float | None, stop: float | None) -> None:
    """A cut in seconds is the cut in samples, from the end where negative."""
    clip = AudioClip.from_samples(range(size), 1000)

    def place(at: float | None, otherwise: int) -> int:
        if at is None:
            return otherwise
        return round(min(max(at + size / 1000 if at < 0 else at, 0), size / 1000) * 1000)

    assert (
        list(range(size))[place(start, 0) : place(stop, size)]
        == clip[start:stop].samples().tolist()
    )


def test_cuts_far_outside_are_empty_or_all() -> None:
    """Infinity is a place; a tiny negative number is the end, not the start."""
    clip = AudioClip.from_samples(range(100), 1000)
    assert clip[-math.inf : math.inf] == clip
    assert not clip[-1e-9:]
    assert not clip[7:]


def test_only_slices_without_step() -> None:
    """A clip has no single samples in seconds, and no speed."""
    clip = shipped("heard")
    for wrong in (0.5, slice(0, 1, 2)):
        with pytest.raises(TypeError, match="in seconds"):
            clip[wrong]  # type: ignore[index]


def test_clips_are_joined() -> None:
    """A sum has the left format and both durations; only clips can be added."""
    left, right = shipped("heard").to(PCMU), shipped("question")
    both = left + right
    assert both.format == PCMU
    assert both.duration == pytest.approx(left.duration + right.duration, abs=1e-3)
    with pytest.raises(TypeError):
        left + b"\0\0"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("samples", "level"),
    [
        ([-32768] * 9, 0.0),
        ([16384, -16384], -6.02),
        ([0] * 5, -math.inf),
        ([], -math.inf),
    ],
)
def test_level_is_rms_below_full_scale(samples: list[int], level: float) -> None:
    """A full-scale square wave is 0 dBFS, half of it -6, silence minus infinity."""
    assert AudioClip.from_samples(samples).level() == pytest.approx(level, abs=0.01)


def test_a_clip_is_its_bytes() -> None:
    """Any buffer makes a clip, whose bytes can be had back; it is true if there are any."""
    for data in (b"\1\0\2\0", bytearray(b"\1\0\2\0"), memoryview(array.array("h", [1, 2]))):
        clip = AudioClip(data, pcm16(8000))
        assert bytes(clip) == clip.data == b"\1\0\2\0"
        assert clip.samples().tolist() == [1, 2]
        assert clip
    assert not AudioClip(b"")
    assert clip.__buffer__(0).tobytes() == clip.data
    if sys.version_info >= (3, 12):
        assert memoryview(clip).tobytes() == clip.data


@pytest.mark.parametrize("start", [b"RIFF\n\0\0\0WAVEfmt ", b"OggS\0\2", b"fLaC\0\0\0", b"ID3\4\0"])
def test_a_file_is_no_sound(start: bytes) -> None:
    """Its header would be heard as a click, and its rate would be a guess."""
    with pytest.raises(AudioError, match=r"a file with its header.* AudioClip\.open\(\) reads"):
        AudioClip(start + bytes(100))
    assert AudioClip(b"\0\0" + start)


@pytest.mark.parametrize("wrong", ["a.wav", Path("a.wav"), None])
def test_a_clip_is_made_of_bytes(wrong: Any) -> None:
    """Who means a file is told what opens one."""
    kind = type(wrong).__name__
    with pytest.raises(TypeError, match=rf"bytes, not of a {kind}: AudioClip\.open\(\) reads"):
        AudioClip(wrong)


@pytest.mark.parametrize("wrong", [b"RIFF", io.BytesIO(b"RIFF"), 5])
def test_what_is_no_path(wrong: Any) -> None:
    """Bytes and open files are no paths."""
    kind = type(wrong).__name__
    with pytest.raises(TypeError, match=f"path of a sound file is a str or a Path, not {kind}"):
        AudioClip.open(wrong)


@pytest.mark.parametrize("name", ["answer.wav", "ANSWER.WAV", "a.mp3"])
def test_a_text_that_names_a_sound_file(name: str, tmp_path: Path) -> None:
    """It has the suffix of one, no white space, and the file is there."""
    path = tmp_path / name
    assert not is_sound_file(str(path))
    path.touch()
    assert is_sound_file(str(path))
    assert not is_sound_file(f"{path} ")
    assert not is_sound_file(f"Play {path}")


@pytest.mark.parametrize("text", ["", "\0.wav", "a" * 5000 + ".wav", "\udcff.wav", "a.txt", ".wav"])
def test_a_text_that_names_none(text: str) -> None:
    """Whatever is typed, nothing is raised."""
    assert not is_sound_file(text)


def test_half_samples_are_dropped() -> None:
    """A clip that was cut inside a sample has one sample less."""
    assert AudioClip(b"\1\0\2").samples().tolist() == [1]


def test_numpy_goes_in_and_out() -> None:
    """Arrays of whole numbers or of floats make clips, and samples make arrays."""
    numpy = pytest.importorskip("numpy")
    whole = AudioClip.from_samples(numpy.array([1, -2], dtype="int16"))
    assert numpy.asarray(whole.samples()).tolist() == [1, -2]
    parts = AudioClip.from_samples(numpy.array([0.5, -0.5], dtype="float32"), 8000)
    assert parts == AudioClip.from_samples([16384, -16384], 8000)
    with pytest.raises(AudioError, match="flat list"):
        AudioClip.from_samples(numpy.zeros((2, 2)))


def test_a_clip_never_shows_its_data() -> None:
    """Its `repr` says how long it is, or how big where that is not known."""
    assert repr(AudioClip(bytes(48000))) == (
        "<AudioClip of 1.00 s, AudioFormat('audio/pcm', rate=24000)>"
    )
    assert repr(AudioClip(b"xyz", OPUS)) == "<AudioClip of 3 bytes, AudioFormat('audio/opus')>"


@pytest.mark.parametrize("format", [PCMU, pcm16(16000)])
def test_notebooks_get_a_player(format: AudioFormat, tmp_path: Path) -> None:
    """The player holds a whole WAV file of PCM; what browsers cannot play has none."""
    clip = shipped("heard").to(format)
    html = clip._repr_html_()
    assert html is not None
    assert "<polygon" in html
    found = re.search(r'<audio controls [^>]*src="data:audio/wav;base64,([^"]*)"></audio>', html)
    assert found is not None
    path = tmp_path / "a.wav"
    path.write_bytes(base64.b64decode(found[1], validate=True))
    assert AudioClip.open(path) == clip.to(pcm16(format.sample_rate))
    assert AudioClip(b"xyz", OPUS)._repr_html_() is None


@pytest.mark.parametrize("format", [PCMU, PCMA, pcm16(8000), pcm16(44100)])
@pytest.mark.parametrize("name", ["a.wav", "no suffix", "A.WAV"])
def test_what_is_saved_is_opened(format: AudioFormat, name: str, tmp_path: Path) -> None:
    """A clip survives its file, format and all."""
    clip = shipped("heard").to(format)
    clip.save(tmp_path / name)
    assert AudioClip.open(str(tmp_path / name)) == clip


@pytest.mark.skipif(not shutil.which("soxi"), reason="sox is not installed")
@pytest.mark.parametrize(("format", "bits"), [(PCMU, "8"), (PCMA, "8"), (pcm16(), "16")])
def test_sox_reads_what_is_saved(format: AudioFormat, bits: str, tmp_path: Path) -> None:
    """Another program finds as many samples, without complaint."""
    clip = shipped("heard").to(format)
    clip.save(tmp_path / "a.wav")
    for flag, expected in (("-s", len(clip.samples())), ("-b", bits), ("-r", format.sample_rate)):
        said = subprocess.run(["soxi", flag, tmp_path / "a.wav"], capture_output=True, check=True)
        assert said.stdout.decode().strip() == str(expected)
        assert not said.stderr


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("missing.wav", "No such file"), (".", "directory"), ("text.wav", "known kind")],
)
def test_what_cannot_be_opened_is_named(name: str, sentence: str, tmp_path: Path) -> None:
    """Every failure to open is one sentence with the path and what to do."""
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError, match=sentence) as error:
        AudioClip.open(tmp_path / name)
    assert repr(str(tmp_path / name)) in str(error.value)
    assert isinstance(error.value, GrokError)
    assert isinstance(error.value, ValueError)


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    """Other kinds of files, formats without WAV and places that are not there are refused."""
    clip = shipped("heard")
    with pytest.raises(AudioError, match=r"answer\.mp3' is no name for a WAV"):
        clip.save(tmp_path / "answer.mp3")
    with pytest.raises(AudioError, match=r"cannot write .* give another path"):
        clip.save(tmp_path / "nowhere" / "a.wav")
    with pytest.raises(AudioError, match="audio/opus"):
        AudioClip(b"xyz", OPUS).save(tmp_path / "a.wav")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", audio.SHIPPED)
def test_shipped_speech_is_speech(name: str) -> None:
    """Each file is there, has a sane level, and is quiet for 0.3 s before and after."""
    clip = shipped(name)
    assert 1 < clip.duration < 4
    assert -30 < clip.level() < -12
    for edge in (clip[:0.28], clip[-0.28:]):
        assert edge.level() < -60


def test_the_question_is_wideband() -> None:
    """The question fits a wideband session as it is."""
    assert shipped("question").format == pcm16(24000)


def test_shipped_files_are_listed_and_small() -> None:
    """All files are in the table, none is missing, and together they are under 500 KB."""
    files = list((Path(grok_rt.__file__).parent / "data").glob("*.wav"))
    assert {file.stem for file in files} == set(audio.SHIPPED)
    assert sum(file.stat().st_size for file in files) < 500_000
    with pytest.raises(AudioError, match="choose from answer, check"):
        shipped("../errors")
