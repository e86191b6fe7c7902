"""The connection on real sockets, plain and in TLS, against peers of raw bytes: how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from line import connected
from raw_peer import Talk, authority, listening, server_context, silent, upgraded
from scripted import SOON, Line, in_background, line

from grok_rt import events
from grok_rt._wire.framing import CLOSE, TEXT, Frame, FrameReader, close_payload, pack, parse_close
from grok_rt.errors import ConnectionClosedError, ConnectionClosedOK
from grok_rt.models import ConversationItem

CREATED = Frame(TEXT, b'{"type":"session.created","session":{"id":"s"}}')
UPDATED = Frame(TEXT, b'{"type":"session.updated","session":{}}')
SCHEMES = pytest.mark.parametrize("scheme", ["ws", "wss"])


def frames(connection: socket.socket) -> Iterator[Frame]:
    """What the client sends, until it hangs up."""
    reader = FrameReader(masked=True)
    while True:
        while (frame := reader.next()) is None:
            count = connection.recv_into(reader.room())
            if not count:
                return
            reader.filled(count)
        yield frame


def said(*made: Frame) -> bytes:
    return pack(made, mask=False)


class Polite:
    """Takes everything, and answers a close; `heard` is all of it, `whole` that it ended well."""

    def __init__(self, *greeting: Frame) -> None:
        self.heard: list[Frame] = []
        self.over = threading.Event()
        self._greeting = greeting

    def __call__(self, connection: socket.socket) -> None:
        upgraded(connection)
        connection.sendall(said(*self._greeting))
        try:
            for frame in frames(connection):
                self.heard.append(frame)
                if b'"session.update"' in frame.data:
                    connection.sendall(said(UPDATED))
                if frame.opcode == CLOSE and self._greeting[-1:] != (frame,):
                    connection.sendall(said(frame))
        finally:
            self.over.set()


@contextlib.contextmanager
def opened(talk: Talk, scheme: str, **limits: object) -> Iterator[Line]:
    """A connection to a peer, and the end of both."""
    context = server_context() if scheme == "wss" else None
    with (
        listening(talk, context=context) as port,
        connected(port, scheme) as transport,
        line(transport, **limits) as made,
    ):
        yield made


@SCHEMES
def test_close_right_after_five_hundred_sends(scheme: str) -> None:
    """Everything sent before `close` arrives, in order, and the close frame after it."""
    peer = Polite()
    item = ConversationItem.user_text("x" * 4000)
    with opened(peer, scheme) as made:
        for n in range(500):
            made.connection.send(events.ConversationItemCreate(event_id=f"{n}", item=item))
        made.connection.close()
        assert made.connection.code == 1000
        assert isinstance(made.connection.ledger.error(), ConnectionClosedOK)
        assert peer.over.wait(SOON)
    *sent, last = peer.heard
    assert [f'"event_id":"{n}"'.encode() in frame.data for n, frame in enumerate(sent)] == [
        True
    ] * 500
    assert parse_close(last.data)[0] == 1000


@SCHEMES
def test_a_silent_peer_does_not_hold_up_a_close(scheme: str) -> None:
    """A peer that never answers costs `close` its timeout, and no more."""

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        silent(connection)

    with opened(talk, scheme) as made:
        began = time.monotonic()
        made.connection.close(timeout=0.2)
        assert 0.15 < time.monotonic() - began < 1
        assert made.connection.code == 1006


@SCHEMES
def test_a_peer_that_does_not_read_does_not_hold_up_a_close(scheme: str) -> None:
    """With the writer stuck in the socket, `close` ends in time and gives back what is unsent."""
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        over.wait(SOON)

    sound = bytes(1 << 16)
    with opened(talk, scheme, outbox_items=1000, outbox_bytes=1 << 30) as made:
        made.connection.send(events.ResponseCreate())
        while not made.connection.events_sent:
            time.sleep(0.001)
        for _ in range(200):
            made.connection.send_audio(sound)
        began = time.monotonic()
        made.connection.close(timeout=0.2)
        assert time.monotonic() - began < 1.5
        over.set()
        error = made.connection.ledger.error()
        assert 0 < len(error.unsent) <= 200
        assert {type(event) for event in error.unsent} == {events.InputAudioBufferAppend}


def test_eight_threads_close_and_the_peer_sees_one_close_frame() -> None:
    """However many call `close`, the wire shows one."""
    peer = Polite()
    with opened(peer, "ws") as made:
        threads = [in_background(made.connection.close)[0] for _ in range(8)]
        for thread in threads:
            thread.join(SOON)
        assert peer.over.wait(SOON)
    assert [frame.opcode for frame in peer.heard] == [CLOSE]


def test_a_reset_keeps_its_cause() -> None:
    """A reset is a loss with code 1006 and the system's error, after what had come."""
    read = threading.Event()

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        connection.sendall(said(Frame(TEXT, b'{"type":"ping"}')))
        read.wait(SOON)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    with opened(talk, "ws") as made:
        assert isinstance(made.inbox.take(SOON)[0], events.Ping)
        read.set()
        made.wait_end()
        error = made.connection.ledger.error()
        assert isinstance(error, ConnectionClosedError)
        assert (error.code, made.connection.code) == (1006, 1006)
        assert isinstance(error.cause, ConnectionResetError)


@SCHEMES
def test_the_peer_closes_with_a_code_of_its_own(scheme: str) -> None:
    """Its code is echoed, all it said before is delivered, and it is the cause."""
    last = Frame(CLOSE, close_payload(4001))
    peer = Polite(Frame(TEXT, b'{"type":"ping"}'), Frame(TEXT, b'{"type":"x"}'), last)
    with opened(peer, scheme) as made:
        assert [event.type for event in made.events()] == ["ping", "x"]
        assert peer.over.wait(SOON)
        assert made.connection.ledger.error().code == 4001
    assert peer.heard == [last]


def test_a_frame_against_the_rules_is_answered_with_1002() -> None:
    """A masked frame from a server breaks the protocol: 1002, and the end."""
    heard = []

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        connection.sendall(pack([Frame(TEXT, b"{}")], mask=True))
        heard.extend(frames(connection))

    with opened(talk, "ws") as made:
        made.wait_end()
    assert [parse_close(frame.data)[0] for frame in heard] == [1002]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_process_leaves_the_line_alone() -> None:
    """After a fork the child's copy can be closed without ending the parent's session."""
    peer = Polite()
    with opened(peer, "ws") as made:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork
            child = os.fork()
        if not child:
            forked = made.connection.is_forked
            made.connection.close()
            os._exit(0 if forked else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert not made.connection.is_forked
        made.connection.send(events.ResponseCreate())
        made.connection.close()
        assert peer.over.wait(SOON)
    assert [frame.opcode for frame in peer.heard] == [TEXT, CLOSE]


FORKING = """
import glob, os, time
from grok_rt import GrokClient
grok = GrokClient("key", url="{scheme}://localhost:{port}").start()
time.sleep(0.2)  # until the dispatcher waits for the line
child = os.fork()
if child:
    told = child
else:
    links = []
    for path in glob.glob("/proc/self/fd/*"):
        try:
            links.append(os.readlink(path))
        except OSError:
            pass
    told = [link for link in links if "socket" in link or "event" in link]
os.write(1, f"{{told}}\\n".encode())  # in one piece
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
@SCHEMES
def test_a_child_process_keeps_no_line_open(scheme: str, tmp_path: Path) -> None:
    """Where the parent dies, the server sees it at once, however long its children live."""
    peer = Polite(CREATED)
    context = server_context() if scheme == "wss" else None
    authority().cert_pem.write_to_path(tmp_path / "ca.pem")
    with listening(peer, context=context) as port:
        program = FORKING.format(scheme=scheme, port=port)
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program],
            env={**os.environ, "SSL_CERT_FILE": str(tmp_path / "ca.pem")},
            stdout=subprocess.PIPE,
            text=True,
        ) as parent:
            assert parent.stdout is not None
            told = sorted(parent.stdout.readline().strip() for _ in range(2))
            child = int(told[0])
            try:
                assert told[1] == "[]"
                assert not peer.over.is_set()
                parent.kill()
                assert peer.over.wait(SOON)
            finally:
                parent.kill()
                os.kill(child, signal.SIGKILL)


PROGRAM = """
from grok_rt import GrokClient
clients = [GrokClient("key", url="ws://127.0.0.1:{port}").connect() for _ in range(3)]
{more}
"""


@pytest.mark.parametrize("more", ["", "clients[0].start()", "import sys; sys.exit(3)"])
def test_a_program_that_just_ends(more: str) -> None:
    """Without any `close`, the interpreter still exits at once, and each server sees 1001."""
    peers: list[Polite] = []

    def talk(connection: socket.socket) -> None:
        peers.append(Polite(CREATED))
        peers[-1](connection)

    with listening(talk) as port:
        began = time.monotonic()
        program = PROGRAM.format(port=port, more=more)
        done = subprocess.run([sys.executable, "-c", program], timeout=20, check=False)
        assert time.monotonic() - began < 8
        for peer in peers:
            assert peer.over.wait(SOON)
    assert done.returncode == (3 if "exit" in more else 0)
    assert [parse_close(peer.heard[-1].data)[0] for peer in peers] == [1001] * 3
