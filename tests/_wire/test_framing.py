"""The grammar of RFC 6455 frames; the `websockets` package is the independent judge."""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN, Protocol, Side

from grok_rt._wire import framing
from grok_rt._wire.framing import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    close_payload,
    pack,
    parse_close,
)
from grok_rt.errors import LocalProtocolError, RemoteProtocolError

KIB = 1 << 10


def strictly(reader: FrameReader) -> Iterator[Frame]:
    while (frame := reader.next()) is not None:
        yield frame


def all_at_once(reader: FrameReader) -> Iterator[Frame]:
    frames: list[Frame] = []
    try:
        reader.take_all(frames)
    finally:
        yield from frames


def feed(
    reader: FrameReader,
    data: bytes,
    sizes: Iterable[int],
    take: Callable[[FrameReader], Iterator[Frame]] = all_at_once,
) -> Iterator[Frame]:
    """Let `reader` receive `data` in pieces of the given sizes (the last repeats for ever)."""
    rest, size, pieces = memoryview(data), 1, iter(sizes)
    while True:
        yield from take(reader)
        if not rest:
            return
        size = next(pieces, size)
        room = reader.room()
        piece = rest[: min(size, len(room))]
        room[: len(piece)] = piece
        reader.filled(len(piece))
        rest = rest[len(piece) :]


def read(data: bytes, *, size: int = 1 << 20, **options: int) -> list[Frame]:
    return list(feed(FrameReader(**options), data, [size]))  # type: ignore[arg-type]


def wire(opcode: int, data: bytes = b"", *, fin: bool = True, mask: bool = False) -> bytes:
    """Serialise one frame with the judge's code."""
    return TheirFrame(Opcode(opcode), data, fin).serialize(mask=mask)


controls = st.one_of(
    st.builds(Frame, st.sampled_from((PING, PONG)), st.binary(max_size=125)),
    st.builds(
        lambda code, reason: Frame(CLOSE, close_payload(code, reason)),
        st.sampled_from((1000, 1001, 1005, 1011, 4000)),
        st.text(max_size=60),
    ),
)
sizes = st.sampled_from((0, 1, 125, 126, 127, 65535, 65536, 70_001))
messages = st.one_of(
    st.builds(Frame, st.just(TEXT), st.text(max_size=300).map(str.encode)),
    st.builds(Frame, st.just(TEXT), sizes.map(lambda size: b"x" * size)),
    st.builds(Frame, st.just(BINARY), st.one_of(st.binary(max_size=300), sizes.map(bytes))),
)
chunks = st.lists(st.sampled_from((1, 2, 3, 7, 50, 1000, 70_000)), min_size=1, max_size=20)


@given(st.lists(st.one_of(messages, controls), max_size=8), chunks, st.booleans())
def test_what_is_packed_is_read(frames: list[Frame], chunks: list[int], mask: bool) -> None:
    """Reading is the inverse of packing, for both sides and however the bytes arrive."""
    data = pack(frames, mask=mask)
    assert list(feed(FrameReader(masked=mask), data, [*chunks, 70_000])) == frames


@given(st.lists(st.one_of(messages, controls), max_size=8))
def test_the_judge_reads_what_is_packed(frames: list[Frame]) -> None:
    """`websockets`, as a server, takes our frames for what they are."""
    judge = Protocol(Side.SERVER, state=OPEN, max_size=None)
    open_frames = [frame for frame in frames if frame.opcode != CLOSE]
    judge.receive_data(pack(open_frames))
    received = [Frame(int(e.opcode), bytes(e.data)) for e in judge.events_received()]  # type: ignore[union-attr]
    assert received == open_frames
    assert judge.parser_exc is None


@given(st.data(), st.lists(messages, max_size=5), chunks, st.booleans())
def test_fragments_are_joined_around_control_frames(
    data: st.DataObject, frames: list[Frame], chunks: list[int], mask: bool
) -> None:
    """A message may come in any fragments, with control frames in between."""
    stream, expected = b"", []
    for opcode, payload in frames:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=4)))
        pieces = [payload[a:b] for a, b in itertools.pairwise([0, *cuts, len(payload)])]
        for index, piece in enumerate(pieces):
            if index and data.draw(st.booleans()):
                control = Frame(PING, data.draw(st.binary(max_size=125)))
                stream += wire(*control, mask=mask)
                expected.append(control)
            last = index == len(pieces) - 1
            stream += wire(CONTINUATION if index else opcode, piece, fin=last, mask=mask)
        expected.append(Frame(opcode, payload))
    assert list(feed(FrameReader(masked=mask), stream, [*chunks, 70_000])) == expected


@given(st.one_of(st.binary(max_size=400), st.integers(0, 1 << 32)), chunks, st.booleans())
def test_garbage_raises_the_one_error(seed: bytes | int, chunks: list[int], mask: bool) -> None:
    """Whatever comes is frames, or too little, or `RemoteProtocolError` with a close code."""
    garbage = seed if isinstance(seed, bytes) else _broken_stream(random.Random(seed), mask)
    try:
        list(feed(FrameReader(masked=mask, max_size=KIB), garbage, [*chunks, 70_000]))
    except RemoteProtocolError as error:
        assert error.close_code in (1002, 1007, 1009)  # noqa: PT017


@given(st.integers(0, 1 << 32), st.sampled_from((1, 3, 100, 70_000)), st.booleans())
def test_the_short_way_is_as_strict(seed: int, size: int, mask: bool) -> None:
    """Frames taken all at once are those taken one by one, and so is the error that ends them."""
    stream = _broken_stream(random.Random(seed), mask)

    def outcome(take: Callable[[FrameReader], Iterator[Frame]]) -> tuple[list[Frame], str]:
        frames = []
        try:
            for frame in feed(FrameReader(masked=mask, max_size=200), stream, [size], take):
                frames.append(frame)  # noqa: PERF402 - what came before the error counts
        except RemoteProtocolError as error:
            return frames, f"{error.close_code} {error}"
        return frames, ""

    assert outcome(all_at_once) == outcome(strictly)


def _broken_stream(rng: random.Random, mask: bool) -> bytes:
    """Return well-formed frames with one flipped bit: garbage that gets deep into the parser."""
    stream = bytearray()
    for _ in range(rng.randint(1, 6)):
        opcode = rng.choice((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
        size = rng.choice((0, 2, 20, 125, *((130, 201) if opcode < CLOSE else ())))
        payload = rng.choice((rng.randbytes, b"x".__mul__))(size)
        stream += wire(opcode, payload, fin=opcode >= CLOSE or rng.random() < 0.7, mask=mask)
    stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
    return bytes(stream)


BROKEN = {
    "reserved bit 1": (b"\xc1\x00", 1002),
    "reserved bit 3": (b"\x91\x00", 1002),
    "reserved bit on a control frame": (b"\xc9\x00", 1002),
    "opcode 3": (b"\x83\x00", 1002),
    "opcode 7": (b"\x87\x00", 1002),
    "opcode 11": (b"\x8b\x00", 1002),
    "opcode 15": (b"\x8f\x00", 1002),
    "a masked frame from a server": (b"\x81\x80\0\0\0\0", 1002),
    "a fragmented ping": (b"\x09\x00", 1002),
    "a ping of 126 bytes": (b"\x89\x7e\x00\x7e", 1002),
    "a close frame of 64 KiB": (b"\x88\x7f\0\0\0\0\0\x01\0\0", 1002),
    "a continuation of nothing": (b"\x80\x00", 1002),
    "a message inside a message": (b"\x01\x01a\x81\x01b", 1002),
    "a binary inside a text": (b"\x01\x01a\x02\x01b", 1002),
    "16 bits for 125": (b"\x82\x7e\x00\x7d", 1002),
    "64 bits for 65535": (b"\x82\x7f\0\0\0\0\0\0\xff\xff", 1002),
    "64 bits with the highest set": (b"\x82\x7f\x80\0\0\0\0\x01\0\0", 1002),
    "1 TiB": (b"\x82\x7f\0\0\x01\0\0\0\0\0", 1009),
    "one byte too many": (b"\x82\x7e\x04\x01", 1009),
    "one byte too many in fragments": (b"\x02\x7e\x03\xff" + bytes(1023) + b"\x80\x02", 1009),
    "a whole text of 16 bits for 5": (b"\x81\x7e\x00\x05hello", 1002),
    "a whole text of one byte too many": (b"\x81\x7e\x04\x01" + b"x" * 1025, 1009),
    "too many fragments": (b"\x02\x00" + 3 * b"\x00\x00" + b"\x00\x00", 1009),
    "text no UTF-8": (b"\x81\x02\xc3\x28", 1007),
    "text cut within a character": (b"\x81\x01\xc3", 1007),
    "a surrogate in text": (b"\x81\x03\xed\xa0\x80", 1007),
    "fragmented text no UTF-8": (b"\x01\x01\xc3\x80\x01\x28", 1007),
    "half a close code": (b"\x88\x01\x03", 1002),
    "close code 0": (b"\x88\x02\x00\x00", 1002),
    "close code 999": (b"\x88\x02\x03\xe7", 1002),
    "close code 1004": (b"\x88\x02\x03\xec", 1002),
    "close code 1005": (b"\x88\x02\x03\xed", 1002),
    "close code 1006": (b"\x88\x02\x03\xee", 1002),
    "close code 1015": (b"\x88\x02\x03\xf7", 1002),
    "close code 2999": (b"\x88\x02\x0b\xb7", 1002),
    "close code 5000": (b"\x88\x02\x13\x88", 1002),
    "a close reason no UTF-8": (b"\x88\x03\x03\xe8\xff", 1007),
}


@pytest.mark.parametrize("size", [1, 1 << 20], ids=["byte by byte", "at once"])
@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_stream_names_the_close_code(data: bytes, code: int, size: int) -> None:
    """Each breach of RFC 6455 raises, with the code that the close frame must carry."""
    with pytest.raises(RemoteProtocolError) as caught:
        read(data, size=size, max_size=KIB, max_fragments=4)
    assert caught.value.close_code == code
    assert not str(caught.value).endswith(".")  # a reason, put into the sentences of others
    assert str(caught.value)


def test_a_server_may_not_take_unmasked_frames() -> None:
    """What a client sends without a mask is refused on the other side."""
    with pytest.raises(RemoteProtocolError):
        read(b"\x81\x00", masked=True)


def test_what_is_just_allowed_is_taken() -> None:
    """A message of exactly `max_size` in exactly `max_fragments` pieces is no breach."""
    fragments = [wire(BINARY, bytes(256), fin=False)]
    fragments += [wire(CONTINUATION, bytes(256), fin=index == 2) for index in range(3)]
    assert read(b"".join(fragments), max_size=KIB, max_fragments=4) == [Frame(BINARY, bytes(KIB))]
    assert read(wire(BINARY, bytes(KIB)), max_size=KIB) == [Frame(BINARY, bytes(KIB))]


def test_a_bad_header_is_refused_before_its_payload() -> None:
    """Nobody waits for the bytes of a frame that will be refused."""
    reader = FrameReader(max_size=KIB)
    with pytest.raises(RemoteProtocolError):
        list(feed(reader, (b"\x82\x7f" + (1 << 40).to_bytes(8, "big")), [10]))


def test_memory_follows_what_arrived_not_what_is_announced() -> None:
    """A header that announces 16 MiB costs nothing until they come."""
    reader = FrameReader()
    assert list(feed(reader, b"\x82\x7f" + (16 << 20).to_bytes(8, "big"), [10])) == []
    assert len(reader.room()) <= len(FrameReader().room())


def test_the_buffer_shrinks_after_a_huge_message() -> None:
    """One huge message does not keep its memory for the rest of the session."""
    reader = FrameReader()
    data = wire(BINARY, bytes(4 << 20)) + wire(TEXT, b"small")
    frames = list(feed(reader, data, [1 << 20]))
    assert [len(frame.data) for frame in frames] == [4 << 20, 5]
    assert len(reader.room()) <= len(FrameReader().room())
    assert list(feed(reader, wire(TEXT, b"next"), [3])) == [Frame(TEXT, b"next")]


def test_room_grows_on_request() -> None:
    """The caller may ask for as much room as it already has bytes."""
    reader = FrameReader()
    data = wire(BINARY, bytes(200 * KIB))
    reader.room(len(data))[: len(data)] = data
    reader.filled(len(data))
    assert reader.next() == Frame(BINARY, bytes(200 * KIB))
    assert reader.next() is None


def test_twenty_thousand_fragments_take_linear_time() -> None:
    """20 000 fragments of 400 bytes cost a fraction of a second, however small the reads."""
    fragments = [wire(TEXT, b"a" * 400, fin=False)]
    fragments += [wire(CONTINUATION, b"a" * 400, fin=i == 19_998) for i in range(19_999)]
    stream = b"".join(fragments)
    started = time.process_time()
    (frame,) = read(stream, size=1500)
    assert len(frame.data) == 8_000_000
    assert time.process_time() - started < 2


def test_a_big_message_in_small_reads_takes_linear_time() -> None:
    """8 MiB that come in 1500-byte reads are not copied over and over."""
    stream = wire(BINARY, bytes(8 << 20))
    started = time.process_time()
    (frame,) = read(stream, size=1500)
    assert len(frame.data) == 8 << 20
    assert time.process_time() - started < 2


@given(st.integers(3000, 4999) | st.sampled_from((1000, 1003, 1007, 1014)), st.text())
def test_a_close_payload_fits_and_comes_back(code: int, reason: str) -> None:
    """Any reason is cut to what fits, between characters, and is read as its beginning."""
    payload = close_payload(code, reason)
    assert len(payload) <= 125
    got, text = parse_close(payload)
    assert got == code
    printable = reason.encode("utf-8", "replace").decode()
    assert printable.startswith(text)
    assert text == printable or len(payload) > 121


def test_no_code_is_an_empty_payload() -> None:
    """1005 is never on the wire: it stands for a close frame without code."""
    assert close_payload(1005, "unsaid") == b""
    assert parse_close(b"") == (1005, "")


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 2000, 5000, 70_000])
def test_a_code_that_must_not_be_sent_is_not(code: int) -> None:
    """Reserved close codes are this program's mistake."""
    with pytest.raises(LocalProtocolError):
        close_payload(code)


def test_a_long_control_frame_is_not_sent() -> None:
    """A ping of 126 bytes is this program's mistake, and leaves nothing half packed."""
    with pytest.raises(LocalProtocolError):
        pack([Frame(PING, bytes(126))])


def test_every_frame_has_a_mask_of_its_own() -> None:
    """RFC 6455 5.3: masks are unpredictable, so no two frames look alike."""
    packed = pack([Frame(BINARY, bytes(16))] * 2)
    assert packed[: len(packed) // 2] != packed[len(packed) // 2 :]


@pytest.mark.parametrize("absent", [[], ["websockets.speedups"], ["websockets.speedups", "numpy"]])
def test_every_way_of_masking_gives_the_same(
    absent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """C, numpy and plain Python mask alike, at every length modulo four."""
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    framing._xor.cache_clear()
    try:
        for size in (1, 2, 3, 4, 5, 1023, 4096):
            data, key = random.Random(size).randbytes(size), b"\x01\x80\xff\x7f"
            expected = bytes(byte ^ key[index % 4] for index, byte in enumerate(data))
            assert framing._xor()(data, key) == expected
    finally:
        framing._xor.cache_clear()
