"""Sources, sinks, and frames on a clock."""

from __future__ import annotations

import struct
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.audio import OPUS, PCMA, PCMU, AudioClip, AudioFormat, Converter, pcm16, shipped
from grok_rt.errors import AudioError
from grok_rt.streams import (
    AudioQueue,
    ClipSource,
    FileSource,
    IteratorSource,
    NullSink,
    Sink,
    Source,
    WavSink,
    paced,
    reframe,
)

LONG = 10.0  # seconds in which anything that works is done
chunks = st.lists(st.binary(max_size=50))


def drained(source: Source, n: int = 7) -> bytes:
    return b"".join(iter(lambda: source.read(n), b""))


def queue_of(data: bytes) -> AudioQueue:
    with AudioQueue(PCMU) as queue:
        queue.write(data)
    return queue


@pytest.mark.parametrize(
    "make",
    [
        lambda data: ClipSource(AudioClip(data, PCMU)),
        lambda data: IteratorSource([data[:3], b"", data[3:]], PCMU),
        queue_of,
    ],
)
@given(data=st.binary(max_size=60), n=st.integers(1, 70))
def test_sources_give_all_once(make: object, data: bytes, n: int) -> None:
    """A source gives its bytes in order, never more than asked for, and then ``b""`` for good."""
    assert callable(make)
    source = make(data)
    assert isinstance(source, Source)
    assert source.format == PCMU
    parts = list(iter(lambda: source.read(n), b""))
    assert b"".join(parts) == data
    assert all(len(part) <= n for part in parts)
    assert source.read(n) == b""


def test_clip_sources_convert(tmp_path: Path) -> None:
    """A file can be read in the format that a session wants."""
    clip = shipped("heard")
    clip.save(tmp_path / "a.wav")
    assert drained(ClipSource.open(tmp_path / "a.wav")) == clip.data
    source = ClipSource.open(tmp_path / "a.wav", PCMU)
    assert source.format == PCMU
    assert drained(source, 999) == clip.to(PCMU).data


def test_file_sources_are_the_clip_of_the_file(tmp_path: Path) -> None:
    """Read in blocks and converted as they come, a file is what it is when it is read at once."""
    path = tmp_path / "a.wav"
    clip = (shipped("question") + shipped("weather")).to(pcm16(16000))
    clip.save(path)
    with FileSource(path) as source:
        assert isinstance(source, Source)
        assert source.format == clip.format
        assert drained(source, 4096) == clip.data
        assert source.read(9) == b""
    with FileSource(path, PCMU) as source:
        heard = drained(source, 160)
    converter = Converter(clip.format, PCMU)
    assert heard == converter.process(clip.data) + converter.flush()


def test_a_closed_file_source_has_ended(tmp_path: Path) -> None:
    """Closing it, twice too, releases the file; nothing more comes than was converted already."""
    path = tmp_path / "a.wav"
    AudioClip(bytes(1 << 20)).save(path)
    source = FileSource(path)
    source.read(1)
    source.close()
    source.close()
    assert len(drained(source, 1 << 16)) < 1 << 18
    with pytest.raises(AudioError, match="No such file"):
        FileSource(tmp_path / "b.wav")


def test_three_hours_cost_no_memory(tmp_path: Path) -> None:
    """The memory that a file source takes does not grow with the file."""
    path = tmp_path / "long.wav"
    clip = AudioClip(PCMU.silence(20), PCMU)
    clip.save(path)
    size = PCMU.bytes_per_second * 3 * 3600
    with path.open("r+b") as file:
        at = path.read_bytes().index(b"data") + 4
        file.seek(at)
        file.write(struct.pack("<I", size))
        file.truncate(at + 4 + size)
    tracemalloc.start()
    try:
        with FileSource(path) as source:
            total = sum(map(len, iter(lambda: source.read(PCMU.frame_bytes(1000)), b"")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == size
    assert peak < 4 << 20


def test_a_file_that_breaks_later_says_so(tmp_path: Path) -> None:
    """A fault behind the first block is an `AudioError` that names the file."""
    path = tmp_path / "late.wav"
    floats = struct.pack("<d", 0.1) * 70_000 + struct.pack("<d", float("nan"))
    form = struct.pack("<HHIIHH", 3, 1, 8000, 64000, 8, 64)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(floats)) + floats
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    with FileSource(path) as source:
        assert source.read(100)
        with pytest.raises(AudioError, match=r"late\.wav.*NaN"):
            drained(source, 1 << 20)


@pytest.mark.parametrize(
    "make",
    [lambda path: NullSink(PCMU), lambda path: WavSink(path, PCMU), lambda path: AudioQueue(PCMU)],
)
def test_sinks_take_sound(make: object, tmp_path: Path) -> None:
    """A sink counts what was heard in seconds, and clearing it never turns that back."""
    assert callable(make)
    sink = make(tmp_path / "a.wav")
    assert isinstance(sink, Sink)
    assert sink.played == 0
    sink.write(bytes(800))
    if isinstance(sink, Source):
        sink.read(800)
    assert sink.played == 0.1
    sink.write(bytes(4))
    heard = sink.played
    sink.clear()
    assert sink.played == heard


def test_wav_sinks_save(tmp_path: Path) -> None:
    """What was written is in the file when the block is left, and can be seen before."""
    with WavSink(tmp_path / "a.wav", PCMU) as sink:
        sink.write(b"\x11\x22")
        sink.clear()  # it was heard: nothing to forget
        sink.write(b"\x33")
        assert sink.clip.data == b"\x11\x22\x33"
    assert AudioClip.open(tmp_path / "a.wav") == sink.clip


def test_a_queue_waits_for_its_writer() -> None:
    """Reading an empty queue blocks until there is sound, or until it is closed."""
    queue = AudioQueue(PCMU)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.extend(iter(lambda: queue.read(2), b"")))
    reader.start()
    queue.write(b"abc")
    queue.write(b"")
    queue.write(b"d")
    queue.close()
    queue.close()
    reader.join(LONG)
    assert not reader.is_alive()
    assert b"".join(got) == b"abcd"
    assert queue.played == 4 / 8000


def test_a_queue_can_be_cleared_and_closed() -> None:
    """Cleared sound is not read; a closed queue takes nothing more."""
    queue = AudioQueue(PCMU)
    queue.write(b"abc")
    assert len(queue) == 3
    queue.clear()
    assert len(queue) == 0
    assert queue.played == 0
    queue.close()
    assert queue.read(1) == b""
    with pytest.raises(AudioError, match="closed"):
        queue.write(b"d")


@given(chunks, st.integers(1, 20))
def test_reframing_only_moves_borders(parts: list[bytes], size: int) -> None:
    """The bytes stay the same; every frame but the last is full, none is empty."""
    frames = list(reframe(parts, size))
    assert b"".join(frames) == b"".join(parts)
    assert all(len(frame) == size for frame in frames[:-1])
    assert all(0 < len(frame) <= size for frame in frames)


def test_frames_have_a_size() -> None:
    """A frame without bytes is refused at once, not at the first one."""
    with pytest.raises(AudioError, match="at least one byte"):
        reframe([], 0)
    with pytest.raises(AudioError, match="at least one byte"):
        paced(ClipSource(AudioClip(b"", PCMU)), frame_ms=0.01)
    with pytest.raises(AudioError, match="audio/opus"):
        paced(IteratorSource([], OPUS))


@given(
    chunks,
    st.sampled_from([PCMU, PCMA, pcm16(8000), pcm16(11025)]),
    st.sampled_from([1, 2.5, 20]),
    st.sampled_from([0, 3, 40]),
)
def test_frames_are_all_full(
    parts: list[bytes], format: AudioFormat, frame_ms: float, trailing_ms: float
) -> None:
    """Sound, then the silence asked for, then as much as fills the last frame: nothing else."""
    source = IteratorSource(parts, format)
    frames = list(paced(source, frame_ms=frame_ms, trailing_silence_ms=trailing_ms, realtime=False))
    size = format.frame_bytes(frame_ms)
    assert all(len(frame) == size for frame in frames)
    sound = b"".join(parts)
    sent = b"".join(frames)
    assert sent.startswith(sound)
    assert set(sent[len(sound) :]) <= set(format.silence(1))
    assert 0 <= len(sent) - len(sound) - format.frame_bytes(trailing_ms) < size


def test_frames_come_on_time() -> None:
    """No frame comes early, and lateness does not add up, nor do the samples that 20 ms split."""
    format = pcm16(11025)
    begin = time.monotonic()
    source = ClipSource(AudioClip(format.silence(400), format))
    lateness = [
        time.monotonic() - begin - number * 220 / 11025
        for number, _ in enumerate(paced(source, trailing_silence_ms=100))
    ]
    assert len(lateness) == 26
    assert min(lateness) >= 0
    assert sorted(lateness)[13] < 0.01


def test_a_stall_is_made_up_for() -> None:
    """After a pause of the consumer the late frames follow at once, none missing."""
    frames = paced(ClipSource(AudioClip(PCMU.silence(300), PCMU)), trailing_silence_ms=0)
    next(frames)
    time.sleep(0.2)  # the stall itself
    begin = time.monotonic()
    late = [next(frames) for _ in range(9)]
    assert time.monotonic() - begin < 0.1
    assert len(late) + len(list(frames)) == 14


def test_realtime_can_be_off() -> None:
    """Without a clock a minute passes at once."""
    begin = time.monotonic()
    source = ClipSource(AudioClip(PCMU.silence(60_000), PCMU))
    assert len(list(paced(source, realtime=False, trailing_silence_ms=0))) == 3000
    assert time.monotonic() - begin < LONG


@pytest.mark.parametrize("realtime", [True, False])
def test_stop_ends_at_once(realtime: bool) -> None:
    """A set `stop` ends the frames, before the first one too."""
    stop = threading.Event()
    frames = paced(ClipSource(shipped("heard")), stop=stop, realtime=realtime)
    next(frames)
    stop.set()
    assert list(frames) == []
    assert list(paced(ClipSource(shipped("heard")), stop=stop)) == []


def test_stop_ends_a_wait() -> None:
    """A `stop` in the middle of a wait does not let the wait end first."""
    stop = threading.Event()
    source = ClipSource(AudioClip(PCMU.silence(60_000), PCMU))
    frames = paced(source, frame_ms=30_000, stop=stop)
    next(frames)
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    begin = time.monotonic()
    assert list(frames) == []
    assert time.monotonic() - begin < LONG
    timer.join(LONG)


def test_stop_can_be_left_alone() -> None:
    """Abandoned frames leave nothing behind: no thread was needed."""
    threads = threading.active_count()
    frames = paced(ClipSource(shipped("heard")))
    next(frames)
    assert threading.active_count() == threads
