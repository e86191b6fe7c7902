"""What fuzzing has taught, kept: its finds, its laws over mutated samples, and the time it takes.

`nox -s fuzz` looks for more, guided by coverage; whatever it finds gets a row here.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable

import fuzz_laws
import mutations
import pytest

from grok_rt._wire import codec
from grok_rt._wire.framing import BINARY, CLOSE, TEXT, Frame, pack
from grok_rt.errors import RemoteProtocolError

MUTATIONS = int(os.environ.get("GROK_RT_MUTATIONS", "4000"))
ENOUGH = 20.0  # seconds

MESSAGES = {
    "base64 with loose bits": b'{"type":"response.audio.delta","delta":"AB=="}',
    "base64 with a line end": b'{"type":"response.audio.delta","delta":"AA\\n=="}',
    "base64 cut short": b'{"type":"response.output_audio.delta","delta":"AAA"}',
    "sound twice": b'{"type":"response.output_audio.delta","delta":"AAAA","delta":"AQID"}',
    "sound, then nothing": b'{"type":"response.output_audio.delta","delta":"AAAA"',
    "sound with a whole float": b'{"type":"response.audio.delta","delta":"","output_index":1.0}',
    "two types": b'{"type":"ping","type":"response.audio.delta","delta":"AAAA"}',
    "a whole number with a point": b'{"type":"response.audio.done","content_index":3.0}',
    "beyond 64 bits": b'{"type":"ping","timestamp":18446744073709551616}',
    "beyond all numbers": b'{"type":"ping","timestamp":1e999}',
    "minus zero": b'{"type":"ping","timestamp":-0.0}',
    "half a surrogate": b'{"type":"x","text":"\\ud800"}',
    "no UTF-8": b'{"type":"x","text":"\xff"}',
    "a mark of byte order": b'\xef\xbb\xbf{"type":"ping"}',
    "a NUL in a name": b'{"type":"ping","\\u0000":1}',
    "a field named extra": b'{"type":"ping","extra":{"a":1}}',
    "a field that Python would not take": b'{"type":"ping","self":1,"__class__":2}',
    "a function of null": b'{"type":"session.updated","session":{"tools":[{"type":"function",'
    b'"function":null}]}}',
    "deep": b'{"type":"x","y":' + b"[" * 300 + b"]" * 300 + b"}",
    "too deep to be written": b'{"type":"x","y":' + b"[" * 900 + b"]" * 900 + b"}",
    "too deep to be read": b'{"type":"x","y":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
}

STREAMS = {
    "nothing": b"",
    "an announced giant": b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
    "a length of 64 bits": b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00",
    "fragments around a ping": b"\x01\x03abc\x89\x00\x00\x02de\x80\x01f",
    "a character in two fragments": b"\x01\x01\xc3\x80\x01\xa9",
    "too many fragments": b"\x02\x00" + b"\x00\x00" * 70,
    "all kinds": pack(
        (Frame(TEXT, b"{}"), Frame(BINARY, bytes(70_000)), Frame(CLOSE, b"")), mask=False
    ),
}


@pytest.mark.parametrize("data", MESSAGES.values(), ids=MESSAGES)
def test_a_message_that_was_worth_keeping(data: bytes) -> None:
    """What tripped the codec or its laws once is read or refused, and loses nothing."""
    fuzz_laws.codec(data)


@pytest.mark.parametrize("head", [b"\x00\x00", b"\x00\x02", b"\x00\xff", b"\xff\x01"], ids=repr)
@pytest.mark.parametrize("data", STREAMS.values(), ids=STREAMS)
def test_a_stream_that_was_worth_keeping(head: bytes, data: bytes) -> None:
    """Whole, byte by byte, and from the wrong side: the same frames, or the same error."""
    fuzz_laws.framing(head + data)


@pytest.mark.timeout(ENOUGH + 40)
def test_mutated_samples_keep_the_laws() -> None:
    """Real messages with a few things changed: only `RemoteProtocolError`, and nothing is lost."""
    deadline = time.monotonic() + ENOUGH
    for seed in range(MUTATIONS):
        data = mutations.mutated(random.Random(seed))
        try:
            fuzz_laws.codec(data)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {data!r}") from error
        if time.monotonic() > deadline:
            assert seed > MUTATIONS // 10, "far too slow"
            break


LONG: dict[str, Callable[[int], bytes]] = {
    "open arrays": lambda n: b"[" * n,
    "open objects": lambda n: b'{"a":' * (n // 5),
    "nested arrays": lambda n: b'{"type":"x","y":' + b"[" * (n // 2) + b"]" * (n // 2) + b"}",
    "digits": lambda n: b'{"type":"ping","timestamp":' + b"9" * n + b"}",
    "decimals": lambda n: b'{"type":"ping","timestamp":0.' + b"9" * n + b"}",
    "an exponent": lambda n: b'{"type":"ping","timestamp":1e' + b"9" * n + b"}",
    "escapes": lambda n: b'{"type":"x","text":"' + b"\\u00e9" * (n // 6) + b'"}',
    "unknown names": lambda n: (
        b'{"type":"ping"' + b"".join(b',"k%d":1' % each for each in range(n // 9)) + b"}"
    ),
    "one name again and again": lambda n: b'{"type":"ping"' + b',"k":1' * (n // 6) + b"}",
    "white space": lambda n: b'{"type":"ping"' + b" " * n + b"}",
    "a long type": lambda n: b'{"type":"' + b"a" * n + b'"}',
    "misfits": lambda n: _output(b"5", n),
    "items": lambda n: _output(b'{"type":"a"}', n),
    "items, the last a misfit": lambda n: _output(b'{"type":"a"}', n)[:-3] + b",5]}}",
    "bad base64": lambda n: b'{"type":"response.audio.delta","delta":"' + b"A" * n + b'!"}',
    "broken UTF-8": lambda n: b'{"type":"x","text":"' + b"\xc3\xa9" * (n // 2) + b'\xff"}',
}


@pytest.mark.parametrize("long", LONG.values(), ids=LONG)
def test_reading_ten_times_as_much_takes_about_ten_times_as_long(
    long: Callable[[int], bytes],
) -> None:
    """No message makes the reader lag: 1 MB against 100 KB, where a square would be a hundred."""
    small, large = _seconds(long(100_000)), _seconds(long(1_000_000))
    assert large < 50 * small + 0.01


def _output(item: bytes, size: int) -> bytes:
    items = b",".join([item] * (size // (len(item) + 1)))
    return b'{"type":"response.done","response":{"output":[' + items + b"]}}"


def _seconds(data: bytes) -> float:
    """The shortest of three readings, by what this thread was given of the processor."""
    times = []
    for _ in range(3):
        start = time.thread_time()
        with contextlib.suppress(RemoteProtocolError):
            codec.decode(data)
        times.append(time.thread_time() - start)
    return min(times)
