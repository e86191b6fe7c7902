"""Heads and bodies of HTTP answers, however they are delimited and however badly they end."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt._wire.line.http import LIMIT, Head, NotHTTP, read_answer, read_head


class Pieces:
    """A stream that gives its bytes in pieces, then ends or raises."""

    is_ready = False

    def __init__(self, data: bytes, size: int = 1 << 20, end: Exception | None = None) -> None:
        self.data = data
        self.size = size
        self.end = end

    def recv(self, size: int) -> bytes:
        if not self.data and self.end is not None:
            raise self.end
        size = min(self.size, size)
        chunk, self.data = self.data[:size], self.data[size:]
        return chunk

    def take_into(self, buffer: memoryview) -> int:
        raise AssertionError

    def sendall(self, data: bytes) -> None:
        raise AssertionError


@given(st.integers(1, 40), st.binary(max_size=40), st.sampled_from([b"\r\n", b"\n"]))
def test_a_head_ends_at_the_blank_line(size: int, body: bytes, newline: bytes) -> None:
    """Nothing is lost between the head and what follows, in pieces of any size."""
    raw = newline.join([b"HTTP/1.1 401 Unauthorized", b"A: b", b"", b""])
    stream = Pieces(raw + body, size)
    head = read_head(stream)
    assert head.status == 401
    assert head.raw + head.rest + stream.data == raw + body
    assert head.raw == raw


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"HTTP/2 101\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 1011 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (LIMIT // 4),
        b"\n\n",
    ],
)
def test_what_is_no_http_is_found_out(data: bytes) -> None:
    """Other protocols and endless heads are refused, without waiting for a blank line."""
    with pytest.raises(NotHTTP):
        read_head(Pieces(data, end=TimeoutError()))


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nA: b\r\n"])
def test_a_head_that_breaks_off_is_a_reset(data: bytes) -> None:
    """A peer that closes within the head has not answered."""
    with pytest.raises(ConnectionResetError):
        read_head(Pieces(data))


BODIES = {
    "by its length": (b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "longer than its length": (b"Content-Length: 5\r\n\r\nhello, world", b"hello"),
    "by the end": (b"\r\nhello", b"hello"),
    "in chunks": (
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        b"hello",
    ),
    "chunks that break off": (b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nl", b"hel"),
    "a length that breaks off": (b"Content-Length: 50\r\n\r\nhello", b"hello"),
    "a broken chunk size": (b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nzz\r\n", b"hel"),
    "none": (b"Content-Length: 0\r\n\r\n", b""),
    "too long": (b"\r\n" + b"x" * (LIMIT + 100), b"x" * LIMIT),
    "a length of petabytes": (b"Content-Length: 9999999999999999\r\n\r\nhello", b"hello"),
    "too many headers": (b"A: b\r\n" * 200 + b"\r\nhello", b""),
}


@pytest.mark.parametrize("end", [None, TimeoutError(), ConnectionResetError()])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(("data", "body"), BODIES.values(), ids=BODIES.keys())
def test_a_body_is_read_as_far_as_it_comes(
    data: bytes, body: bytes, size: int, end: Exception | None
) -> None:
    """Every delimitation is understood, and a body that breaks off is better than none."""
    stream = Pieces(b"HTTP/1.1 403 Forbidden\r\nX-Request-ID: r1\r\n" + data, size, end)
    answer = read_answer(read_head(stream), stream)
    assert answer.status == 403
    if body:
        assert answer.headers["x-request-id"] == "r1"
    # of a chunk that broke off, the part that came may be there or not
    assert answer.body.startswith(body)
    assert len(answer.body) <= max(len(body), 5)


def test_any_bytes_are_a_body() -> None:
    """A compressed body is handed on as it came: nobody asked for compression."""
    packed = gzip.compress(b"hello")
    raw = b"HTTP/1.1 500 X\r\n\r\n"
    assert read_answer(Head(500, raw, packed), Pieces(b"")).body == packed
