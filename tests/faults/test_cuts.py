"""One conversation, cut at any byte of either direction: never a hang, never a half-truth."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
import time

import live
import pytest
from breaking import SLACK, breaking, on_line
from relay import DOWN, UP, Fault
from stage import Peer

from grok_rt import GrokClient, events
from grok_rt.errors import ConnectFailed, ConnectionClosed, ConnectionClosedError

OFFSETS = {"ws": 60, "wss": 30}  # per direction
SIZES = {126: 2, 127: 8}  # bytes of a longer length, by what stands in its place


def server(peer: Peer) -> None:
    """A whole conversation: a question, a spoken reply, sound both ways, a polite end."""
    peer.opens()
    peer.hears("conversation.item.create")
    peer.hears("response.create")
    peer.says(*live.reply("r", "i"))
    peer.plays(bytes(500))
    peer.hears("input_audio_buffer.commit")
    peer.closes(1000)


def converse(client: GrokClient, heard: list[str]) -> None:
    """The client's part; what it hears is noted as it comes."""
    client.on(events.ServerEvent)(lambda event: heard.append(event.type))
    client.connect()
    client.send_user_text(live.QUESTION)
    client.request_response()
    client.wait_for(events.ResponseDone, timeout=10)
    client.send_audio(bytes(70_000))
    client.commit_audio()
    client.run()


@functools.cache
def recorded(scheme: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The bytes of both directions when nothing happens, and what is heard then."""
    heard: list[str] = []
    with breaking(server, scheme) as line:
        with contextlib.closing(line.client()) as client:
            converse(client, heard)
        return {name: bytes(way.seen) for name, way in line.relay.ways.items()}, tuple(heard)


def boundaries(stream: bytes) -> set[int]:
    """Where each frame begins, where its header ends, and one byte to either side."""
    at = stream.index(b"\r\n\r\n") + 4
    found = set()
    while at + 2 <= len(stream):
        short = stream[at + 1] & 0x7F
        header = at + 2 + SIZES.get(short, 0)
        size = int.from_bytes(stream[at + 2 : header], "big") if short in SIZES else short
        header += 4 if stream[at + 1] & 0x80 else 0
        found |= {at - 1, at, at + 1, header - 1, header, header + 1}
        at = header + size
    assert at == len(stream)
    return found


def offsets(scheme: str, direction: str) -> list[int]:
    """Some in all: the seed is fixed, and what is most delicate comes first."""
    stream = recorded(scheme)[0][direction]
    dice = random.Random(f"{scheme} {direction}")
    delicate = sorted(boundaries(stream)) if scheme == "ws" else [1, 5, 6]
    chosen = set(dice.sample(delicate, min(len(delicate), OFFSETS[scheme] * 2 // 3)))
    while len(chosen) < OFFSETS[scheme]:
        chosen.add(dice.randrange(1, len(stream)))
    return sorted(chosen)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("direction", [UP, DOWN])
def test_cut_anywhere(direction: str, scheme: str) -> None:
    """It fails to open, or is lost; what was heard is a beginning of what was said."""
    whole = recorded(scheme)[1]
    faults: tuple[Fault, ...] = ("fin", "rst")
    for number, offset in enumerate(offsets(scheme, direction)):
        heard: list[str] = []
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            # The server's script ends in the middle, which is what it is for.
            line = stack.enter_context(
                on_line(lambda c, _: _serve(c), scheme, faults[number % 2], (direction, offset))
            )
            client = line.client(open_timeout=5)
            with (
                contextlib.closing(client),
                contextlib.suppress(ConnectFailed, ConnectionClosedError),
            ):
                converse(client, heard)
        assert time.monotonic() - began < SLACK, offset
        assert tuple(heard) == whole[: len(heard)], offset
        assert client.state == "closed", offset
        with pytest.raises(ConnectionClosed):
            client.request_response()
    assert not [t for t in threading.enumerate() if t.name.startswith("grok-rt")]


def _serve(connection: object) -> None:
    with contextlib.suppress(AssertionError):
        server(Peer(connection))  # type: ignore[arg-type]


def test_what_is_cut_is_a_whole_conversation() -> None:
    """The recorded conversation is whole: both directions, with sound, and a polite end."""
    streams, heard = recorded("ws")
    assert len(streams[UP]) > 90_000
    assert b"response.output_audio.delta" in streams[DOWN]
    assert "response.done" in heard
