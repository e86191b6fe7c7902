"""A small Autobahn: the control URLs and the case groups of its fuzzing server, on raw sockets.

Independent of what it judges: it shares no line with the client's framing, and knows only the
RFC. A case is what is sent, what must come back, who must begin to close, and with which code.
The verdicts are Autobahn's: NON-STRICT is what the RFC allows and could be done sooner.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

from raw_peer import listening, upgraded

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
Answer = tuple[int, bytes]
Step = tuple[bytes, tuple[Answer, ...]]

PATIENCE = 10.0  # seconds for an answer
PAUSE = 0.1  # seconds in which a strict client finds a fault in half a message

KIB, MIB = 1 << 10, 1 << 20
GREETING = "Hello-µ@ßöäüàá-UTF-8!!".encode()
VALID_TEXTS = [
    "κόσμε".encode(),
    *(chr(code).encode() for code in (0, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF)),
    *(chr(code).encode() for code in (0x10000, 0x1FFFE, 0x10FFFF)),
]
INVALID_TEXTS = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",  # a surrogate
    b"\xf4\x90\x80\x80",  # beyond the last code point
    b"\xf8\x88\x80\x80\x80",  # five bytes
    b"\xfc\x84\x80\x80\x80\x80",  # six
    b"\x80",  # a continuation of nothing
    b"\xbf\x80\xbf",
    b"\xc0\xaf",  # overlong forms
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xce",  # cut off
    b"\xe1\xbd",
    b"\xf0\x9f\x98",
    b"\xed\xad\xbf\xed\xb0\x80",  # a pair of surrogates
    b"\xfe\xff",
]
GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)


@dataclass(frozen=True)
class Case:
    """What happens in one connection.

    Attributes:
        name: as Autobahn numbers it.
        steps: what we send, and what must have come back before the next.
        codes: with which the client must close; 1005 stands for none.
        fails: the client must begin to close.
        chop: the bytes written at a time; 0: all.
        fail_fast: a strict client closes before the last step.
        goodbye: what we close with, when it is us.
    """

    name: str
    steps: tuple[Step, ...]
    codes: frozenset[int] = frozenset({1000})
    fails: bool = False
    chop: int = 0
    fail_fast: bool = False
    goodbye: bytes = b"\x88\x02\x03\xe8"


@dataclass
class Verdicts:
    """What was found, by agent and case."""

    found: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    size = len(data)
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if size < 126:
        return head + bytes([size]) + data
    if size < 1 << 16:
        return head + b"\x7e" + size.to_bytes(2, "big") + data
    return head + b"\x7f" + size.to_bytes(8, "big") + data


def pieces(opcode: int, data: bytes, size: int) -> bytes:
    """A message in fragments of `size` bytes, and an empty one at the end."""
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    frames = [frame(0 if i else opcode, part, fin=False) for i, part in enumerate(parts)]
    return b"".join((*frames, frame(0)))


def echoed(opcode: int, data: bytes, wire: bytes | None = None, *, chop: int = 0) -> Case:
    return Case("", ((wire or frame(opcode, data), ((opcode, data),)),), chop=chop)


def refused(wire: bytes, *back: Answer, code: int = 1002, chop: int = 0) -> Case:
    return Case("", ((wire, back),), frozenset({code}), fails=True, chop=chop)


def numbered(group: str, cases: Iterator[Case]) -> Iterator[Case]:
    for number, case in enumerate(cases, 1):
        yield replace(case, name=f"{group}.{number}")


def framing(opcode: int) -> Iterator[Case]:
    for size in (0, 125, 126, 127, 128, 65535, 65536):
        yield echoed(opcode, b"*" * size)
    yield echoed(opcode, b"*" * 65536, chop=997)


def pings() -> Iterator[Case]:
    def answered(*payloads: bytes, chop: int = 0) -> Case:
        wire = b"".join(frame(PING, payload) for payload in payloads)
        return Case("", ((wire, tuple((PONG, payload) for payload in payloads)),), chop=chop)

    many = [b"payload-%d" % i for i in range(10)]
    yield answered(b"")
    yield answered(b"Hello, world!")
    yield answered(bytes([0, 255, 254, 253, 252, 251, 0, 255]))
    yield answered(b"\xfe" * 125)
    yield refused(frame(PING, b"\xfe" * 126))
    yield answered(b"\xfe" * 125, chop=1)
    yield Case("", ((frame(PONG), ()),))
    yield Case("", ((frame(PONG, b"unsolicited"), ()),))
    yield Case("", ((frame(PONG, b"unsolicited") + frame(PING, b"x"), ((PONG, b"x"),)),))
    yield answered(*many)
    yield answered(*many, chop=1)


def reserved_bits() -> Iterator[Case]:
    hello, back = frame(TEXT, b"Hello"), (TEXT, b"Hello")
    yield refused(frame(TEXT, b"Hello", rsv=1))
    for rsv, chop in ((2, 0), (3, 0), (4, 1)):
        yield refused(hello + frame(TEXT, b"Hello", rsv=rsv) + frame(PING), back, chop=chop)
    yield refused(frame(BINARY, b"\x00\xff", rsv=5))
    yield refused(frame(PING, b"Hello", rsv=6))
    yield refused(frame(CLOSE, rsv=7))


def opcodes(first: int) -> Iterator[Case]:
    hello, back = frame(TEXT, b"Hello"), (TEXT, b"Hello")
    yield refused(frame(first))
    yield refused(frame(first + 1, b"reserved"))
    yield refused(hello + frame(first + 2) + frame(PING), back)
    yield refused(hello + frame(first + 3, b"reserved") + frame(PING), back)
    yield refused(hello + frame(first + 4, b"reserved") + frame(PING), back, chop=1)


def fragments() -> Iterator[Case]:
    first, last = frame(TEXT, b"fragment1", fin=False), frame(0, b"fragment2")
    whole = (TEXT, b"fragment1fragment2")
    ping, pong = frame(PING, b"between"), (PONG, b"between")
    yield refused(frame(PING, b"half", fin=False) + frame(0, b"half"))
    yield refused(frame(PONG, b"half", fin=False) + frame(0, b"half"))
    for chop in (0, 1):
        yield Case("", ((first + last, (whole,)),), chop=chop)
        yield Case("", ((first + ping + last, (pong, whole)),), chop=chop)
        yield refused(frame(0, b"of nothing") + frame(TEXT, b"Hello"), chop=chop)
        yield refused(frame(0, b"of nothing", fin=False) + frame(TEXT, b"Hello"), chop=chop)
        yield refused(first + frame(TEXT, b"another"), chop=chop)
        yield refused(first + last + frame(0, b"too much"), whole, chop=chop)
    five = [frame(0, b"%d" % i, fin=i == 4) for i in range(5)]
    five[0] = frame(BINARY, b"0", fin=False)
    yield Case(
        "",
        (
            (b"".join(five[:2]) + ping, (pong,)),
            (b"".join(five[2:4]) + ping, (pong,)),
            (five[4], ((BINARY, b"01234"),)),
        ),
    )
    yield echoed(TEXT, b"", frame(TEXT, fin=False) + frame(0, fin=False) + frame(0))


def texts() -> Iterator[Case]:
    for text in (b"", GREETING, *VALID_TEXTS):
        yield echoed(TEXT, text)
    yield echoed(TEXT, GREETING, pieces(TEXT, GREETING, 1))
    yield echoed(TEXT, GREETING, chop=1)
    for text in INVALID_TEXTS:
        yield refused(frame(TEXT, text), code=1007)
        yield refused(pieces(TEXT, text, 1), code=1007)
    for text in INVALID_TEXTS[:2]:
        begun, ended = frame(TEXT, b"valid" + text, fin=False), frame(0, b"edited")
        steps: tuple[Step, ...] = ((begun, ()), (ended, ()))
        yield Case("", steps, frozenset({1007}), fails=True, fail_fast=True)
    yield echoed(BINARY, INVALID_TEXTS[0])


def closes() -> Iterator[Case]:
    def said(payload: bytes, *codes: int, then: bytes = b"", before: Step = (b"", ())) -> Case:
        return Case("", (before,), frozenset(codes), goodbye=frame(CLOSE, payload) + then)

    normal = b"\x03\xe8"
    yield said(normal, 1000, before=(frame(TEXT, b"Hello"), ((TEXT, b"Hello"),)))
    yield said(normal, 1000, then=frame(CLOSE, normal))
    yield said(normal, 1000, then=frame(PING, b"too late"))
    yield said(normal, 1000, then=frame(TEXT, b"too late"))
    yield said(normal, 1000, 1002, before=(frame(TEXT, b"unfinished", fin=False), ()))
    yield said(b"", 1000, 1005)
    yield said(b"\x03", 1002)
    yield said(normal + b"Hello", 1000)
    yield said(normal + b"*" * 123, 1000)
    yield said(normal + b"*" * 124, 1002)
    yield said(normal + INVALID_TEXTS[0], 1007)
    for code in GOOD_CODES:
        yield said(code.to_bytes(2, "big"), code)
    for code in BAD_CODES:
        yield said(code.to_bytes(2, "big") + b"bad code", 1002)


def sizes(opcode: int) -> Iterator[Case]:
    for size in (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB):
        yield echoed(opcode, b"*" * size)
    for size in (64, KIB, 64 * KIB, MIB, 4 * MIB):
        yield echoed(opcode, b"*" * (4 * MIB), pieces(opcode, b"*" * (4 * MIB), size))
    for chop in (256, 2048):
        yield echoed(opcode, b"*" * MIB, chop=chop)
    for size in (0, 125, 1024):
        data = b"*" * size
        yield Case("", ((frame(opcode, data), ((opcode, data),)),) * 200)
    yield refused(frame(opcode, b"*" * (16 * MIB + 1)), code=1009)


def all_cases() -> list[Case]:
    groups = {
        "1.1": framing(TEXT),
        "1.2": framing(BINARY),
        "2": pings(),
        "3": reserved_bits(),
        "4.1": opcodes(3),
        "4.2": opcodes(11),
        "5": fragments(),
        "6": texts(),
        "7": closes(),
        "9.1": sizes(TEXT),
        "9.2": sizes(BINARY),
        "10.1": iter([echoed(TEXT, b"*" * 65536, chop=1300)]),
    }
    return list(itertools.chain(*(numbered(name, cases) for name, cases in groups.items())))


class Examiner:
    """Runs one case on one connection."""

    def __init__(self, case: Case, connection: socket.socket) -> None:
        self.case = case
        self.connection = connection
        self.due: list[Answer] = []
        self.got: list[Answer] = []
        self.code: int | None = None  # of the client's close frame
        self.late = False  # a strict client had closed by now

    def run(self) -> dict[str, str]:
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.settimeout(PATIENCE)
        last = len(self.case.steps) - 1
        with contextlib.suppress(OSError, EOFError):
            for number, (wire, back) in enumerate(self.case.steps):
                if self.case.fail_fast and number == last:
                    self.late = not self._closed_within(PAUSE)
                self.due += back
                self._write(wire)
                while len(self.got) < len(self.due) and self.code is None:
                    self._read()
            if not self.case.fails:
                self._write(self.case.goodbye)
            while self.code is None:
                self._read()
            if self.case.fails:
                self._write(frame(CLOSE, self.code.to_bytes(2, "big")))
        return {"behavior": self._behavior(), "behaviorClose": self._close()}

    def _behavior(self) -> str:
        if self.got == self.due:
            return "NON-STRICT" if self.late else "OK"
        if self.case.fails and self.got == self.due[: len(self.got)]:
            return "NON-STRICT"  # it closed before it had answered all
        return "FAILED"

    def _close(self) -> str:
        if self.code is None:
            return "UNCLEAN"
        return "OK" if self.code in self.case.codes else "WRONG CODE"

    def _closed_within(self, seconds: float) -> bool:
        self.connection.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            self._read()
        self.connection.settimeout(PATIENCE)
        return self.code is not None

    def _write(self, wire: bytes) -> None:
        step = self.case.chop or max(1, len(wire))
        for at in range(0, len(wire), step):
            if self.code is None:
                self.connection.sendall(wire[at : at + step])

    def _read(self) -> None:
        first, second = self._take(2)
        assert second & 0x80, "a client masks"
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        key, masked = self._take(4), self._take(size)
        keys = (key * (size // 4 + 1))[:size]
        whole = int.from_bytes(masked, "big") ^ int.from_bytes(keys, "big")
        data = whole.to_bytes(size, "big")
        if first == 0x80 | CLOSE:
            self.code = int.from_bytes(data[:2], "big") if data else 1005
        else:
            self.got.append((first & 0x7F, data))

    def _take(self, size: int) -> bytes:
        parts = []
        while size:
            part = self.connection.recv(min(size, MIB))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _say(connection: socket.socket, value: object) -> None:
    connection.sendall(frame(TEXT, json.dumps(value).encode()) + frame(CLOSE, b"\x03\xe8"))


@contextlib.contextmanager
def fuzzing(cases: list[Case]) -> Iterator[tuple[str, Verdicts]]:
    """Serve `cases`; yields the URL, and where the verdicts are."""
    verdicts = Verdicts()

    def talk(connection: socket.socket) -> None:
        target = urlsplit(upgraded(connection).split()[1].decode())
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        agent, case = query.get("agent", ""), cases[int(query.get("case", "1")) - 1]
        if target.path == "/getCaseCount":
            _say(connection, len(cases))
        elif target.path == "/getCaseInfo":
            _say(connection, {"id": case.name, "description": ""})
        elif target.path == "/runCase":
            verdicts.found[agent, case.name] = Examiner(case, connection).run()
        elif target.path == "/getCaseStatus":
            _say(connection, _wait_for(verdicts, agent, case.name))
        elif target.path == "/updateReports":
            verdicts.reported.add(agent)
            connection.sendall(frame(CLOSE, b"\x03\xe8"))
        _until_gone(connection)

    with listening(talk) as port:
        yield f"ws://127.0.0.1:{port}", verdicts


def _wait_for(verdicts: Verdicts, agent: str, name: str) -> dict[str, str]:
    """The verdict may come a moment after the client is through."""
    deadline = time.monotonic() + PATIENCE
    while (agent, name) not in verdicts.found and time.monotonic() < deadline:
        time.sleep(0.001)
    return verdicts.found.get((agent, name), {"behavior": "FAILED", "behaviorClose": "FAILED"})


def _until_gone(connection: socket.socket) -> None:
    """Close as a server does: first, and without cutting off what the client still says."""
    connection.settimeout(1)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(MIB):
        pass
