"""What is there is received at once, whoever else wants the interpreter."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from callers import SOON

from grok_rt._wire.line import holding
from grok_rt._wire.line.dialling import DeadlineSocket

TURN = 0.2  # seconds that a thread may keep the interpreter, in place of 0.005


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@contextlib.contextmanager
def _crowd() -> Iterator[None]:
    """A thread that computes, and gives nobody a turn before it has to."""
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(100))

    usual = sys.getswitchinterval()
    computing = threading.Thread(target=compute)
    sys.setswitchinterval(TURN)
    computing.start()
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
        over.set()
        computing.join()


def test_what_is_there_is_taken(ends: tuple[socket.socket, socket.socket]) -> None:
    """As much as there is room for, then the end; nothing is waited for."""
    near, far = ends
    room = bytearray(4)
    assert holding.take_into(near.fileno(), memoryview(room)) == -1
    far.sendall(b"saying")
    assert holding.take_into(near.fileno(), memoryview(room)[1:]) == 3
    assert room == b"\0say"
    assert holding.take_into(near.fileno(), memoryview(room)) == 3
    assert room == b"ingy"
    far.close()
    assert holding.take_into(near.fileno(), memoryview(room)) == 0


def test_what_cannot_be_had_is_left_to_the_socket(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows why: no room, a descriptor that was released, a system that has no such call."""
    near, far = ends
    far.sendall(b"hi")
    assert holding.take_into(near.fileno(), memoryview(bytearray())) == -1
    assert holding.take_into(-1, memoryview(bytearray(2))) == -1
    monkeypatch.setattr(holding, "_recv", None)
    wire = DeadlineSocket(near, None)
    wire.holds = True
    assert wire.take_into(memoryview(bytearray(2))) == 2


@pytest.mark.parametrize("missing", ["flag", "library"])
def test_where_there_is_no_such_call(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for once, and nothing breaks."""
    if missing == "flag":
        monkeypatch.delattr(socket, "MSG_DONTWAIT")
    else:
        monkeypatch.setattr(holding.ctypes, "PyDLL", lambda _name: object())
    assert holding._c_library() is None


def test_a_held_read_costs_no_turn() -> None:
    """However much others compute, and though it takes its time: it is much that is there."""
    size = 512 << 10
    room = memoryview(bytearray(size))
    with socket.create_server(("127.0.0.1", 0)) as server, _crowd():
        far = socket.create_connection(server.getsockname(), timeout=SOON)
        near, _ = server.accept()
        with near, far:
            wire = DeadlineSocket(near, None)
            wire.holds = True
            for _ in range(10):  # let go of, the interpreter is lost now and then
                far.sendall(bytes(size))
                near.recv(1, socket.MSG_PEEK)  # and waited for, as who waits for a line does
                time.sleep(0.01)
                began = time.monotonic()
                left = size
                while left:
                    left -= wire.take_into(room[:left])
                assert time.monotonic() - began < TURN / 2
