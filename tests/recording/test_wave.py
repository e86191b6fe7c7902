"""A WAV file that is whole at any moment."""

from __future__ import annotations

import array
import wave
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grok_rt.recording._wave import StereoWave

RATE = 8000
actions = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "cut", "write"]),
        st.integers(0, 1),
        st.integers(0, 400),  # samples
        st.integers(1, 200),
    ),
    max_size=25,
)


def read(path: Path) -> tuple[list[int], list[int]]:
    """Both tracks, as any program reads them; the header must be true."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        samples = array.array("h", file.readframes(file.getnframes()))
        assert path.stat().st_size == 44 + 4 * file.getnframes()
    return list(samples[0::2]), list(samples[1::2])


def pcm(value: int, count: int) -> bytes:
    """That many samples of one value."""
    return array.array("h", [value] * count).tobytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_what_is_placed_lies_there(tmp_path_factory: pytest.TempPathFactory, them: list) -> None:
    """Whatever is placed, cut and written in which order: the file agrees with two lists."""
    path = tmp_path_factory.mktemp("wave") / "audio.wav"
    model: tuple[list[int], list[int]] = ([], [])
    written = 0
    file = StereoWave(path, RATE)
    for number, (verb, track, at, count) in enumerate(them, 1):
        mine = model[track]
        if verb == "place":
            start = max(at, written)
            mine.extend([0] * (start + count - len(mine)))
            mine[start : start + count] = [number] * count
            file.place(track, at / RATE, pcm(number, count))
        elif verb == "cut":
            del mine[max(at, written) :]
            file.cut(track, at / RATE)
        else:
            written = max(written, at)
            for each in model:
                each.extend([0] * (written - len(each)))
            file.write(at / RATE)
        assert read(path) == tuple([*each[:written]] for each in model)
    file.close()
    whole = max(map(len, model))
    assert read(path) == tuple([*each, *[0] * (whole - len(each))] for each in model)


def test_a_pause_takes_no_room(tmp_path: Path) -> None:
    """An hour in which nobody speaks is a hole in the file."""
    path = tmp_path / "audio.wav"
    file = StereoWave(path, 24000)
    file.write(3600)
    file.place(1, 3600, b"\1\0")
    file.close()
    assert path.stat().st_size == 44 + 4 * (3600 * 24000 + 1)
    if hasattr(path.stat(), "st_blocks"):
        assert path.stat().st_blocks * 512 < 1 << 20


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    """Nothing is ever overwritten."""
    path = tmp_path / "audio.wav"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        StereoWave(path, RATE)
    assert path.read_bytes() == b"mine"
