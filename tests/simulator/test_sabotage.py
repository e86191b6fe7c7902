"""What each fault does to the messages of a session, to the byte and without a socket."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from grok_rt._wire.framing import BINARY, CLOSE, PONG, TEXT, Frame, FrameReader, pack, parse_close
from grok_rt.errors import RemoteProtocolError
from grok_rt.simulator import Peer, Script, faults
from grok_rt.simulator.sabotage import End, Sabotage

TYPES = ["session.created", "conversation.created", "ping", "session.updated", "response.done"]
EVENTS = [Frame(TEXT, json.dumps({"type": type, "n": {}}).encode()) for type in TYPES]


def bytes_of(frames: list[Frame]) -> bytes:
    return b"".join(pack([frame], mask=False) for frame in frames)


def suffer(*suffered: faults.SessionFault, frames: list[Frame] = EVENTS) -> tuple[bytes, Sabotage]:
    sabotage = Sabotage(suffered)
    return b"".join(sabotage.put(frame, 0.0) for frame in frames), sabotage


def read(data: bytes) -> list[Frame]:
    reader = FrameReader(max_size=1 << 30)
    reader.room(len(data))[: len(data)] = data
    reader.filled(len(data))
    frames = []
    while (frame := reader.next()) is not None:
        frames.append(frame)
    return frames


def types(data: bytes) -> list[str]:
    return [json.loads(frame.data)["type"] for frame in read(data)]


def test_without_faults() -> None:
    """What goes in comes out."""
    said, sabotage = suffer()
    assert said == bytes_of(EVENTS)
    assert sabotage.end is None


def test_a_cut_at_every_byte() -> None:
    """The connection ends at exactly the byte that was asked for, at an event or from the start."""
    whole = bytes_of(EVENTS)
    before = len(bytes_of(EVENTS[:3]))
    for byte in range(len(whole) - before + 1):
        said, sabotage = suffer(faults.Drop(byte, at="session.updated"))
        assert said == whole[: before + byte]
        assert sabotage.end is End.CUT
    head = b"HTTP/1.1 101"
    for byte in range(len(head + whole)):
        sabotage = Sabotage([faults.Drop(byte, at="connection", reset=True)])
        said = sabotage.greet(head) + b"".join(sabotage.put(frame, 0.0) for frame in EVENTS)
        assert said == (head + whole)[:byte]
        assert sabotage.end is End.RESET


def test_stall_and_silence() -> None:
    """A stall leaves half a frame, silence none; not even a pong follows."""
    before = len(bytes_of(EVENTS[:1]))
    for fault, byte in ((faults.Stall(5, nth=2), 5), (faults.Silence(nth=2), 0)):
        said, sabotage = suffer(fault)
        assert said == bytes_of(EVENTS)[: before + byte]
        assert sabotage.end is End.MUTE
        assert sabotage.put(Frame(PONG, b""), 1.0) == b""


def test_close() -> None:
    """A close frame stands in the place of the event, and nothing comes behind it."""
    said, sabotage = suffer(faults.Close(1013, "later", at="ping"))
    *before, close = read(said)
    assert before == EVENTS[:2]
    assert close.opcode == CLOSE
    assert parse_close(close.data) == sabotage.code == (1013, "later")
    assert sabotage.end is End.CLOSED


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_fragments(size: int) -> None:
    """Fragments join to the very messages, text and sound; control frames stay whole."""
    frames = [*EVENTS, Frame(BINARY, bytes(100)), Frame(TEXT, b'{"type":"x"}')]
    said, _ = suffer(faults.Fragmented(size), frames=frames)
    assert read(said) == frames
    is_whole = size == 1000
    assert said[0] == (0x81 if is_whole else 0x01)  # FIN
    assert (said == bytes_of(frames)) is is_whole


def test_huge() -> None:
    """An event has the size that was asked for, and its own fields."""
    said, _ = suffer(faults.Huge(100_000, at="ping"))
    huge = read(said)[2]
    assert len(huge.data) >= 100_000
    assert json.loads(huge.data)["type"] == "ping"


def test_invalid_text() -> None:
    """Text that is no UTF-8 breaks the protocol; text that is no JSON only itself."""
    said, _ = suffer(faults.InvalidUtf8(at="ping"))
    with pytest.raises(RemoteProtocolError) as broken:
        read(said)
    assert broken.value.close_code == 1007
    said, _ = suffer(faults.InvalidJson(at="ping"))
    frames = read(said)
    assert frames[:2] + frames[3:] == EVENTS
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(frames[2].data)


def test_strangers() -> None:
    """A strange event is one more; strange fields are everywhere, and change no known one."""
    said, _ = suffer(faults.StrangeEvent(nth=2, times=1))
    assert types(said) == [TYPES[0], "session.mood.changed", *TYPES[1:]]
    frames = [*EVENTS, Frame(BINARY, b"ab")]
    said, _ = suffer(faults.StrangeFields(), frames=frames)
    *texts, sound = read(said)
    for before, after in zip(EVENTS, texts, strict=True):
        event: dict[str, Any] = json.loads(after.data)
        assert event["strange_field"]
        assert event["n"]["strange_text"] == "news"
        assert json.loads(before.data)["type"] == event["type"]
    assert sound == frames[-1]


def test_more_and_fewer() -> None:
    """Events come twice, or not at all: from the nth on, and so many times."""
    assert types(suffer(faults.Duplicate(at="ping"))[0]).count("ping") == 2
    assert types(suffer(faults.Omit(at="response.done"))[0]) == TYPES[:-1]
    pings = [EVENTS[2]] * 6
    for nth, times, left in ((1, None, 0), (3, None, 2), (3, 2, 4), (7, 1, 6)):
        said, _ = suffer(faults.Omit(nth=nth, times=times), frames=pings)
        assert len(read(said)) == left


def test_delay() -> None:
    """An event comes so many seconds later, or right behind another one."""
    sabotage = Sabotage([faults.Delay(2.0, at="session.updated")])
    said = b"".join(sabotage.put(frame, 10.0) for frame in EVENTS)
    assert types(said) == [*TYPES[:3], TYPES[4]]
    assert sabotage.next_at == 12.0
    assert sabotage.due(11.9) == b""
    assert types(sabotage.due(12.0)) == ["session.updated"]
    assert sabotage.next_at is None
    said, sabotage = suffer(faults.Delay(at="conversation.created", until="session.updated"))
    assert types(said) == [TYPES[0], TYPES[2], TYPES[3], TYPES[1], TYPES[4]]
    assert sabotage.next_at is None


def test_slow_reader() -> None:
    """The server is told how slowly to read, from the event on."""
    sabotage = Sabotage([faults.SlowReader(50.0, at="ping")])
    sabotage.put(EVENTS[0], 0.0)
    assert sabotage.read_rate is None
    sabotage.put(EVENTS[2], 0.0)
    assert sabotage.read_rate == 50.0


def test_two_faults() -> None:
    """Faults add up, in the order they were given."""
    said, _ = suffer(faults.Duplicate(at="ping"), faults.Huge(500, at="ping"))
    assert [len(frame.data) >= 500 for frame in read(said)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("seed", range(8))
def test_any_fault_with_a_real_session(seed: int) -> None:
    """Whatever is drawn, a whole session comes out as bytes that a client can judge."""
    peer = Peer(Script().says("One, two, three."), seed=1)
    peer.open(0.0)
    peer.receive(b'{"type": "response.create"}', 0.0)
    drawn = faults.drawn([faults.AtRandom(seed)], random.Random(seed).randint(1, 9))
    sabotage = Sabotage(drawn)
    said = b"".join(sabotage.put(frame, t / 10) for t in range(60) for frame in peer.frames(t / 10))
    said += sabotage.due(1000.0)
    if isinstance(drawn[0], faults.InvalidUtf8):
        with pytest.raises(RemoteProtocolError):
            read(said)
    else:
        assert read(said) or sabotage.end
