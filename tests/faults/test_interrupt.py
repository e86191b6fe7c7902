"""Ctrl+C in every call that blocks, and the other ways in which a program ends."""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import struct
import sys
import textwrap
import threading
from collections.abc import Iterator

import pytest
from callers import SOON
from programs import Outcome, running
from raw_peer import Talk, listening, silent
from stage import Peer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")

NOTICED = 0.3  # seconds, of a machine that is not too crowded: one of
TRIES = 3
ENDED = 2.0  # the exit of the interpreter included
GOODBYE = 1.0  # seconds that the exit waits for a server that does not answer a close


class Server:
    """Takes sessions and says nothing more; `codes` are those that closed it."""

    def __init__(self, *, answers: bool = True, reads: bool = True) -> None:
        self.codes: list[int] = []
        self.closing = threading.Event()
        self.over = threading.Event()
        self._answers = answers
        self._reads = reads

    def __call__(self, connection: socket.socket) -> None:
        try:
            peer = Peer(connection)
            peer.opens()
            self._listen(peer, connection)
        finally:
            self.over.set()

    def _listen(self, peer: Peer, connection: socket.socket) -> None:
        while not self._reads:
            if self.over.wait(SOON):
                return
        while True:
            opcode, data = peer._receive()
            if opcode == 0x8:
                self.codes.append(struct.unpack("!H", data[:2])[0])
                self.closing.set()
                if self._answers:
                    peer._send(opcode, data)


def deserts(connection: socket.socket, *, met: list[bool]) -> None:
    """Open one session and hang up on it; let nobody in a second time."""
    if met:
        silent(connection)
    met.append(True)
    peer = Peer(connection)
    peer.opens()
    peer.vanishes()


@contextlib.contextmanager
def serving(talk: Talk) -> Iterator[str]:
    with listening(talk) as port:
        yield f"ws://127.0.0.1:{port}/v1/realtime"
        if isinstance(talk, Server):
            talk.over.set()


def quiet(ended: Outcome) -> None:
    """One traceback, and no noise of threads, of finalisers, of the interpreter."""
    assert ended.err.count("Traceback (most recent call last)") == 1, ended.err
    assert "Exception ignored" not in ended.err
    assert "Fatal Python error" not in ended.err
    assert "grok-rt-" not in ended.err  # the name of a thread


#: For a program whose server nobody can find, or which lets nobody in.
LOST = "import socket\nsocket.getaddrinfo = lambda *_, **__: time.sleep(60)\n"
FULL = """import socket
full = socket.create_server(("127.0.0.1", 0), backlog=0)
waiting = [socket.socket() for _ in range(4)]
for each in waiting:
    each.setblocking(False)
    each.connect_ex(full.getsockname())
url = "ws://127.0.0.1:%d/" % full.getsockname()[1]
"""
#: For one whose session is lost, and cannot be had again.
OUTAGE = """grok = client(reconnect=True, open_timeout=60, send_timeout=60).connect()
grok.wait_for(events.Reconnecting)
"""

#: The call, the server, and seconds that the exit may wait for it.
WAITS: dict[str, tuple[str, Talk | str, float]] = {
    "connect": ("client().connect()", silent, 0),
    "connect, resolving": (f"{LOST}client(open_timeout=60).connect()", silent, 0),
    "connect, dialling": (f"{FULL}client(open_timeout=60).connect()", silent, 0),
    "connect, in TLS": (
        "url = url.replace('ws:', 'wss:')\nclient(open_timeout=60).connect()",
        silent,
        0,
    ),
    "start": ("client().start()", silent, 0),
    "connect, upgraded": ("client().connect()", lambda c: silent(Peer(c)._connection), GOODBYE),
    "recv": ("grok = client().connect()\nwhile True: grok.recv()", Server(), 0),
    "recv with a timeout": (
        "grok = client().connect()\nwhile True: grok.recv(timeout=60)",
        Server(),
        0,
    ),
    "iteration": ("for event in client().connect(): pass", Server(), 0),
    "run": ("client().connect().run()", Server(), 0),
    "run in a with block": ("with client() as grok: grok.run()", Server(), 0),
    "run in a with block, unanswered": (
        "with client(close_timeout=60) as grok: grok.run()",
        Server(answers=False),
        GOODBYE,
    ),
    "wait_for": ("client().connect().wait_for(events.ResponseDone)", Server(), 0),
    "wait_for beside a pump": ("client().start().wait_for(events.ResponseDone)", Server(), 0),
    "expect": (
        "with client().connect().expect(events.ResponseDone, timeout=60): pass",
        Server(),
        0,
    ),
    "ask": ("client().connect().ask('Is anybody there?', timeout=60)", Server(), 0),
    "ask beside a pump": ("client().start().ask('Is anybody there?')", Server(), 0),
    "ask behind another": (
        "grok = client().start()\ngrok.submit('First?')\ngrok.ask('Second?', timeout=60)",
        Server(),
        0,
    ),
    "ask in an outage": (f"{OUTAGE}grok.ask('Is anybody there?')", "deserts", 0),
    "stream": ("for part in client().connect().stream('Well?', timeout=60): pass", Server(), 0),
    "stream beside a pump": (
        "for part in client().start().stream('Well?', timeout=60): pass",
        Server(),
        0,
    ),
    "update_session in an outage": (f"{OUTAGE}grok.update_session(timeout=60)", "deserts", 0),
    "send in an outage": (
        f"{OUTAGE}while True: grok.send_user_text('Is anybody there?')",
        "deserts",
        0,
    ),
    "update_session": ("client().connect().update_session(timeout=60)", Server(), 0),
    "send": (
        (
            "grok = client(send_timeout=60, dead_after=None).connect()\n"
            "while True: grok.send_audio(bytes(96_000))"
        ),
        Server(reads=False),
        GOODBYE,
    ),
    "close": ("client(close_timeout=60).connect().close()", Server(answers=False), GOODBYE),
    "tokens.create": ("tokens.create('key', url=url, timeout=60)", silent, 0),
}


@pytest.mark.parametrize("call", WAITS)
def test_ctrl_c(call: str) -> None:
    """It ends the call at once, the process soon, and is told as what it is."""
    _, _, goodbye = WAITS[call]
    ended = interrupted(call)
    for _ in range(TRIES - 1):
        if ended.raised is not None and ended.raised < NOTICED:
            break
        ended = interrupted(call)
    print(f"{call}: noticed after {ended.raised} s, ended after {ended.took:.2f} s")
    assert ended.err.endswith("KeyboardInterrupt\n")
    assert ended.code == -signal.SIGINT
    assert ended.raised is not None
    assert ended.raised < NOTICED
    assert ended.took < ENDED + goodbye
    quiet(ended)


def interrupted(call: str) -> Outcome:
    body, talk, _ = WAITS[call]
    program = (
        f"try:\n{textwrap.indent(body, '    ')}\n"
        "except BaseException:\n"
        "    print('noticed', time.monotonic(), flush=True)\n"
        "    raise\n"
    )
    if isinstance(talk, Server):
        talk.over.clear()
    served = functools.partial(deserts, met=[]) if isinstance(talk, str) else talk
    but = "" if call.startswith(("connect", "start")) else "connect"
    if "outage" in call:
        but += ",expect"  # what `wait_for` is made of
    with serving(served) as url, running(program, url, but=but) as running_:
        running_.waits()
        return running_.ctrl_c()


# --- the other ends ----------------------------------------------------------------------------


def ends_by_itself(body: str, url: str) -> Outcome:
    with running(body, url, but="never") as running_:
        return running_.ends()


#: What the program does with an open session, and its exit code.
EXITS: dict[str, tuple[str, int]] = {
    "it just ends": ("grok = client().connect()", 0),
    "it just ends, pumping": ("grok = client().start()", 0),
    "sys.exit": ("grok = client().start()\nsys.exit(3)", 3),
    "sys.exit in a handler": (
        (
            "grok = client()\n"
            "@grok.on(events.Opened)\n"
            "def opened(event): sys.exit(5)\n"
            "with grok: grok.run()"
        ),
        5,
    ),
    "sys.exit in a handler, pumping": (
        (
            "grok = client()\n"
            "over = threading.Event()\n"
            "grok.on(events.HandlerFailed)(lambda event: over.set())\n"
            "@grok.on(events.Opened)\n"
            "def opened(event): sys.exit(5)\n"
            "grok.start()\n"
            "assert over.wait(10)\n"
            "sys.exit(grok.state != 'open')"
        ),
        0,
    ),
    "an exception": ("grok = client().start()\nraise LookupError('mine')", 1),
    "an exception in a with block": ("with client() as grok:\n    raise LookupError('mine')", 1),
    "an exception in a handler": (
        (
            "grok = client(on_audio=print)\n"
            "@grok.on(events.Opened)\n"
            "def opened(event): raise LookupError('mine')\n"
            "with grok: grok.run()"
        ),
        1,
    ),
    "it is dropped": ("client().connect()\nimport gc; gc.collect()", 0),
}


@pytest.mark.parametrize("end", EXITS)
def test_a_program_that_ends_with_an_open_session(end: str) -> None:
    """Its exit code is its own, the server hears a goodbye, and nothing hangs or complains."""
    body, code = EXITS[end]
    server = Server()
    with serving(server) as url:
        ended = ends_by_itself(body, url)
        assert server.over.wait(SOON)
    assert ended.code == code, ended.err
    assert ended.took < SOON
    assert server.codes in ([1000], [1001])
    if "exception" in end:
        assert ended.err.endswith("LookupError: mine\n")
        quiet(ended)
    elif "pumping" not in end or code:
        assert ended.err == ""
    assert "Exception ignored" not in ended.err


def test_a_program_that_is_terminated() -> None:
    """SIGTERM ends it at once, by the signal, as it ends any program; the server sees the end."""
    server = Server()
    with serving(server) as url, running("client().connect().run()", url) as running_:
        running_.waits()
        ended = running_.terminate()
        assert server.over.wait(SOON)
    assert ended.code == -signal.SIGTERM
    assert ended.took < ENDED
    assert ended.err == ""
    assert server.codes == []


def test_a_program_that_turns_sigterm_into_an_exit() -> None:
    """With a handler that calls `sys.exit`, as services have, the server hears a goodbye."""
    body = (
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "client().connect().run()"
    )
    server = Server()
    with serving(server) as url, running(body, url) as running_:
        running_.waits()
        ended = running_.terminate()
        assert server.over.wait(SOON)
    assert (ended.code, ended.err, server.codes) == (7, "", [1001])
    assert ended.took < ENDED


def test_ctrl_c_twice() -> None:
    """The second one interrupts the goodbye of the first, and the program ends."""
    body = "with client(close_timeout=60) as grok: grok.run()"
    server = Server(answers=False)
    with serving(server) as url, running(body, url) as running_:
        running_.waits()
        running_.press()
        assert server.closing.wait(SOON)
        ended = running_.ctrl_c()
    assert ended.code == -signal.SIGINT
    assert ended.err.endswith("KeyboardInterrupt\n")
    assert ended.took < ENDED + GOODBYE
    assert "Exception ignored" not in ended.err
