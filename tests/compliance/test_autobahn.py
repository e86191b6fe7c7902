"""compliance/autobahn.py against a server that tries to break it; and whether that is honest."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from compliance.fuzzing_server import CLOSE, MIB, TEXT, Case, all_cases, frame, fuzzing
from raw_peer import listening, upgraded
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from grok_rt._wire.framing import Frame, close_payload
from grok_rt._wire.transport import WebSocketTransport
from grok_rt.errors import RemoteProtocolError

SCRIPT = Path(__file__).parents[2] / "compliance" / "autobahn.py"
CASES = all_cases()


def run(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), url, "--timeout", "20", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)


@pytest.mark.timeout(160)
def test_our_line_passes_every_case() -> None:
    """Every case ends as the RFC says, closes included, and the server is asked for its report."""
    with fuzzing(CASES) as (url, verdicts):
        done = run(url, "--agent", "ours")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CASES)} cases" in done.stdout
    assert verdicts.reported == {"ours"}
    assert {name for _, name in verdicts.found} == {case.name for case in CASES}


@pytest.mark.timeout(160)
def test_a_client_of_other_authors_passes_too() -> None:
    """The server judges by the RFC and not by us: all it asks is what others do as well."""
    cases = [case for case in CASES if not case.name.startswith("9.")]  # which take them long
    with fuzzing(cases) as (url, verdicts):
        for number in range(1, len(cases) + 1):
            address = f"{url}/runCase?case={number}&agent=theirs"
            with (
                contextlib.suppress(ConnectionClosed),
                connect(address, compression=None, max_size=16 * MIB, ping_interval=None) as theirs,
            ):
                while True:
                    theirs.send(theirs.recv())
            with connect(f"{url}/getCaseStatus?case={number}&agent=theirs") as status:
                status.recv()
    failed = {
        name: verdict
        for (_, name), verdict in verdicts.found.items()
        if verdict["behavior"] not in ("OK", "NON-STRICT") or verdict["behaviorClose"] != "OK"
    }
    assert len(verdicts.found) == len(cases)
    assert not failed


BAD = [
    Case("another echo", ((frame(TEXT, b"one"), ((TEXT, b"two"),)),)),
    Case("another code", ((b"", ()),), frozenset({1001})),
    Case("a fault that is none", ((frame(TEXT, b"fine"), ()),), frozenset({1002}), fails=True),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_one_bad_case_fails_the_run(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that ends otherwise than the server expects is named, and the exit code is 1."""
    monkeypatch.setattr("compliance.fuzzing_server.PATIENCE", 0.5)
    with fuzzing([CASES[0], case]) as (url, _):
        done = run(url)
    assert done.returncode == 1
    assert "2 cases" in done.stdout
    assert "1 failed" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith(case.name)]


def test_the_last_frame_arrives_whatever_was_left_unread() -> None:
    """After a breach the line takes what still comes, so that it is not reset when it closes."""
    said: list[bytes] = []
    closing = threading.Event()

    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        connection.sendall(b"\x83\x00" + bytes(MIB))
        closing.wait(5)
        connection.sendall(bytes(MIB))
        while part := connection.recv(1 << 16):
            said.append(part)

    with listening(talk) as port:
        line = WebSocketTransport.connect(f"ws://127.0.0.1:{port}/", {}, timeout=5)
        with pytest.raises(RemoteProtocolError) as broken:
            line.recv()
        line.send([Frame(CLOSE, close_payload(broken.value.close_code))])
        closing.set()
        line.shutdown()
        line.close()
    assert len(b"".join(said)) == 2 + 4 + 2  # header, mask, code: the whole close frame
