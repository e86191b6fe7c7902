"""What no server may say, and hostile sizes: the session ends with the right code, and soon."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import live
import pytest
from breaking import SLACK, breaking, cannot_connect, has_ended, lost
from callers import SOON, call_in_thread
from raw_peer import listening, silent
from stage import Peer

from grok_rt import GrokClient, events
from grok_rt.errors import ConnectFailed, ConnectionClosed, ConnectionClosedOK

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8


def frame(data: bytes, opcode: int = TEXT, *, first: int | None = None) -> bytes:
    """A server's frame, or one with a first byte of its own."""
    return bytes((0x80 | opcode if first is None else first, len(data))) + data


#: The bytes, the code they are answered with, and a word of the sentence.
BREACHES: dict[str, tuple[bytes, int, str]] = {
    "a text of 1 TiB": (struct.pack("!BBQ", 0x81, 127, 1 << 40), 1009, "larger than"),
    "a sound of 1 TiB": (struct.pack("!BBQ", 0x82, 127, 1 << 40), 1009, "larger than"),
    "a length of 64 bits": (struct.pack("!BBQ", 0x81, 127, 1 << 63), 1002, "length"),
    "one byte above the limit": (
        struct.pack("!BBQ", 0x81, 127, (16 << 20) + 1),
        1009,
        "larger than 16777216",
    ),
    "no UTF-8": (frame(b'{"type":"\xc3("}'), 1007, "UTF-8"),
    "a surrogate": (frame(b"\xed\xa0\x80"), 1007, "UTF-8"),
    "masked": (b"\x81\x82\x00\x00\x00\x00{}", 1002, "mask"),
    "RSV1, as compression sets it": (frame(b"{}", first=0xC1), 1002, "reserved bit"),
    "RSV2": (frame(b"{}", first=0xA1), 1002, "reserved bit"),
    "a reserved opcode": (frame(b"{}", 0x3), 1002, "opcode 0x3"),
    "a reserved control": (frame(b"", 0xB), 1002, "opcode 0xb"),
    "a continuation of nothing": (frame(b"{}", 0x0), 1002, "continues no message"),
    "a text within a text": (frame(b"{", first=0x01) + frame(b"{}"), 1002, "before the last"),
    "a ping in pieces": (frame(b"", first=0x09), 1002, "control frame is fragmented"),
    "a ping of 126 bytes": (struct.pack("!BBH", 0x89, 126, 126), 1002, "longer than 125"),
    "a length that takes too much room": (struct.pack("!BBH", 0x81, 126, 5), 1002, "shortest"),
    "half a close code": (frame(b"\x03", CLOSE), 1002, "half a code"),
    "close code 1005": (frame(struct.pack("!H", 1005), CLOSE), 1002, "1005 must not"),
    "close code 999": (frame(struct.pack("!H", 999), CLOSE), 1002, "999 must not"),
    "a close reason no UTF-8": (frame(b"\x03\xe8\xff", CLOSE), 1007, "UTF-8"),
}


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize(("said", "code", "why"), BREACHES.values(), ids=BREACHES.keys())
def test_a_breach_is_answered_with_its_code(said: bytes, code: int, why: str, scheme: str) -> None:
    """What came before is heard; the server hears the code, the caller what was wrong."""
    answered: list[int] = []

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.ping(), live.committed("before"))
        peer._connection.sendall(said)
        while (heard := peer._receive())[0] != CLOSE:
            pass
        answered.append(struct.unpack("!H", heard[1][:2])[0])

    with breaking(script, scheme) as line:
        client = line.client().connect()
        error, told = lost(client, 0)
        has_ended(client, told, error)
        assert error.code == code
        assert why in error.reason
        assert any(isinstance(e, events.InputAudioBufferCommitted) for e in told)
    assert answered == [code]


SOME = ("a text of 1 TiB", "no UTF-8", "masked", "half a close code")
STATES = ("connecting", "sending", "closing")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("breach", SOME)
@pytest.mark.parametrize("state", STATES)
def test_a_breach_in_each_state(state: str, breach: str, scheme: str) -> None:
    """It fails to open, or is lost, or has been closed: in time, and with the code sent if any."""
    said, code, why = BREACHES[breach]
    answered: list[int] = []

    def script(peer: Peer) -> None:
        if state != "connecting":
            peer.opens()
        heard = peer._receive()
        while state == "closing" and heard[0] != CLOSE:
            heard = peer._receive()
        peer._connection.sendall(said)
        with contextlib.suppress(EOFError, OSError):
            while (heard := peer._receive())[0] != CLOSE:
                pass
            answered.append(struct.unpack("!H", heard[1][:2])[0])

    with breaking(script, scheme) as line:
        client = line.client(close_timeout=SOON)  # to send what waits, and the code behind it
        if state == "connecting":
            assert why in cannot_connect(client, 0).message
        elif state == "sending":
            sender = call_in_thread(lambda: flood(client.connect()))
            error = sender.result(SOON)
            has_ended(client, list(_until_the_end(client)), error)
            assert error.code == code
        else:
            client.connect()
            began = time.monotonic()
            client.close(timeout=SOON)
            assert time.monotonic() - began < SLACK
            told = list(client)
            has_ended(client, told, ConnectionClosedOK(1000, "closed by this program"))
    assert answered == ([] if state == "closing" else [code])  # one close frame, ever


def flood(client: GrokClient) -> ConnectionClosed:
    while True:
        try:
            client.send_audio(bytes(480))
        except ConnectionClosed as error:
            return error


def _until_the_end(client: GrokClient) -> Iterator[events.Event]:
    with contextlib.suppress(ConnectionClosed):
        yield from client


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("part", [1, 5, 40])
def test_a_server_that_stops_in_mid_frame_does_not_hold_a_close(part: int, scheme: str) -> None:
    """Nor does it hold who sends: the close has the time it was given."""
    whole = struct.pack("!BBH", 0x81, 126, 1000) + b'{"type":"ping","event_id":"'.ljust(1000, b"x")

    def script(peer: Peer) -> None:
        peer.opens()
        peer._connection.sendall(whole[:part])
        peer.listens()
        time.sleep(0.6)

    with breaking(script, scheme) as line:
        client = line.client(dead_after=None).connect()
        client.send_user_text("Is anybody there?")
        began = time.monotonic()
        client.close(timeout=0.3)
        assert time.monotonic() - began < 0.3 + SLACK
        has_ended(client, list(client), ConnectionClosedOK(1000, "closed by this program"))


def test_twenty_thousand_fragments_take_linear_time() -> None:
    """A message in 20 000 pieces of 1 kB: read, and in no more time than its bytes need."""
    pieces = 20_000

    def script(peer: Peer) -> None:
        peer.opens()
        body = b"\x01\x00" * 512
        piece = struct.pack("!BBH", 0x00, 126, len(body)) + body
        first = struct.pack("!BBH", 0x02, 126, len(body)) + body
        last = struct.pack("!BBH", 0x80, 126, len(body)) + body
        # 16 000 are a message of 16 MB, all that is taken; the next begins and is not ended.
        peer._connection.sendall(first + piece * (pieces - 4_002) + last)
        peer.closes(1000)

    with breaking(script, "ws") as line:
        client = line.client(dead_after=None).connect()
        began = time.process_time()
        sounds = [e for e in client if isinstance(e, events.AudioDelta)]
        assert time.process_time() - began < 3
        client.close()
        assert [len(e.audio) for e in sounds] == [(pieces - 4_000) << 10]


def test_twenty_thousand_empty_fragments() -> None:
    """Pieces without a byte cost nothing worth telling, and the message is whole."""

    def script(peer: Peer) -> None:
        peer.opens()
        piece = frame(b"", 0x0, first=0x00)
        text = b'{"type":"ping","event_id":"whole"}'
        peer._connection.sendall(frame(text, first=0x01) + piece * 20_000 + frame(b"", 0x0))
        peer.closes(1000)

    with breaking(script, "ws") as line:
        client = line.client(dead_after=None).connect()
        began = time.process_time()
        assert "whole" in [e.event_id for e in client if isinstance(e, events.Ping)]
        assert time.process_time() - began < 3
        client.close()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("part", [1, 2, 5, 40])
def test_a_server_that_stops_in_mid_frame_is_dead(part: int, scheme: str) -> None:
    """Half a header or half a body is silence: lost after `dead_after`."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer._connection.sendall((struct.pack("!BBH", 0x81, 126, 500) + bytes(500))[:part])
        silent(peer._connection)

    with breaking(script, scheme) as line:
        client = line.client(dead_after=0.4).connect()
        error, told = lost(client, 0.4)
        has_ended(client, told, error)
        assert error.code == 1006
        assert "silent" in error.reason


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_storm_of_pings(scheme: str) -> None:
    """20 000 pings to a client in a hurry: each has its pong, and what it sends gets through."""
    storm = 20_000
    pongs: list[bytes] = []
    heard: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.opens()
        sender = call_in_thread(
            lambda: peer._connection.sendall(
                b"".join(frame(struct.pack("!I", n), 0x9) for n in range(storm))
            )
        )
        while len(pongs) < storm or not heard:
            opcode, data = peer._receive()
            {0xA: pongs, TEXT: heard}.get(opcode, []).append(data)
        sender.result(SOON)
        peer.closes(1000)

    with breaking(script, scheme) as line:
        client = line.client(ping_interval=None).connect()
        client.request_response()
        client.run()
        client.close()
    assert pongs == [struct.pack("!I", n) for n in range(storm)]
    assert b"response.create" in heard[0]


def test_a_server_that_talks_on_after_its_close() -> None:
    """What follows a close frame is not heard, and nobody waits for its end."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer._send(CLOSE, struct.pack("!H", 4001) + b"enough")
        with contextlib.suppress(OSError):
            while True:
                peer.says(live.committed("after"))

    with breaking(script, "ws") as line:
        client = line.client().connect()
        error, told = lost(client, 1.0)
        has_ended(client, told, error)
        assert (error.code, error.reason) == (4001, "enough")
        assert not any(isinstance(e, events.InputAudioBufferCommitted) for e in told)


def test_a_server_that_talks_on_after_its_breach_hears_why() -> None:
    """What nobody reads any more must not make the kernel reset what we have said."""
    answered: list[int] = []

    def script(peer: Peer) -> None:
        peer.opens()
        peer._connection.sendall(b"\x83\x00")  # there is no opcode 3
        for _ in range(40):  # more than any buffer between us has room for
            peer.plays(bytes(1 << 18))
        time.sleep(0.2)  # a reset would have come by then
        while (heard := peer._receive())[0] != CLOSE:
            pass
        answered.append(struct.unpack("!H", heard[1][:2])[0])

    with listening(lambda connection: script(Peer(connection))) as port:
        url = f"ws://127.0.0.1:{port}/v1/realtime"
        client = GrokClient("key", url=url, dead_after=None, proxy=None).connect()
        error, told = lost(client, 1.0)
        has_ended(client, told, error)
        assert error.code == 1002
    assert answered == [1002]


def test_a_server_that_drips_its_answer() -> None:
    """One byte each 20 ms does not stretch `open_timeout`."""

    def talk(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" * 100:
            connection.sendall(bytes((byte,)))
            time.sleep(0.02)

    with listening(talk) as port:
        client = GrokClient("key", url=f"ws://127.0.0.1:{port}/v1/realtime", open_timeout=0.4)
        began = time.monotonic()
        with pytest.raises(ConnectFailed, match=r"within 0\.4 s"):
            client.connect()
        assert time.monotonic() - began < 0.4 + SLACK
