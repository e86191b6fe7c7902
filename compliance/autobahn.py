"""Our line under the Autobahn fuzzing server: every case it offers, and its verdict on each.

    wstest -m fuzzingserver                      # of autobahntestsuite, which wants Python 2.7
    python compliance/autobahn.py ws://127.0.0.1:9001 --report reports/clients/index.json

What is judged is what sessions run on: `WebSocketTransport`, and a whole `Connection` with its
threads, its outbox and its close. A session sends events, never what it heard; so each message
that is to come back is announced by an event, and takes its place on the line. Ends with 1 if a
case failed, or was closed in another way than the server expects.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from grok_rt import events
from grok_rt._connection.connection import Connection
from grok_rt._connection.inbox import Inbox
from grok_rt._connection.liveness import Limits
from grok_rt._session.session import Session
from grok_rt._wire.framing import BINARY, CLOSE, TEXT, Frame
from grok_rt._wire.transport import Transport, WebSocketTransport
from grok_rt.errors import ConnectionClosed

AGENT = "grok_rt"
#: What the server may find; whatever else it says, the case has failed.
GOOD = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")
#: Some cases test what a server does, and let any close pass.
GOOD_CLOSE = ("OK", "INFORMATIONAL")
LIMITS = Limits(ping_interval=None, dead_after=None)


class EchoLine:
    """A line on which each message comes back: for a connection that can only send events."""

    def __init__(self, line: Transport) -> None:
        self._line = line
        self._messages: collections.deque[Frame] = collections.deque()
        self._over = threading.Event()
        self._connection = Connection(
            Session({}),
            Inbox(),
            LIMITS,
            on_end=lambda _: self._over.set(),
            why_stalled=lambda: "nobody takes events here",
        )

    def run(self, timeout: float) -> bool:
        """Echo until the connection is over; False if that was not so in `timeout` seconds."""
        self._connection.start(self)
        done = self._over.wait(timeout)
        self._connection.close()
        return done

    def recv(self) -> list[Frame]:
        """As `Transport.recv`, and note down what is to come back."""
        frames = self._line.recv()
        for frame in itertools.takewhile(lambda each: each.opcode != CLOSE, frames):
            if frame.opcode in (TEXT, BINARY):
                self._messages.append(frame)
                with contextlib.suppress(ConnectionClosed):  # we are closing: nothing goes back
                    self._connection.send(events.InputAudioBufferCommit())
        return frames

    def send(self, frames: Sequence[Frame], /) -> None:
        """As `Transport.send`, with each announced message in its announcement's place."""
        self._line.send([self._messages.popleft() if f.opcode == TEXT else f for f in frames])

    def shutdown(self) -> None:
        """As `Transport.shutdown`."""
        self._line.shutdown()

    def close(self) -> None:
        """As `Transport.close`."""
        self._line.close()


def ask(url: str) -> str:
    """Return all that the server says before it closes."""
    line = WebSocketTransport.connect(url, {}, timeout=10)
    said = b""
    try:
        closed = False
        while not closed:
            for frame in line.recv():
                said += frame.data if frame.opcode == TEXT else b""
                closed = frame.opcode == CLOSE
        line.send([frame])
    finally:
        line.shutdown()
        line.close()
    return said.decode()


def run_case(url: str, timeout: float) -> bool:
    return EchoLine(WebSocketTransport.connect(url, {}, timeout=10)).run(timeout)


def run_all(url: str, agent: str, timeout: float) -> dict[str, Mapping[str, str]]:
    """Run every case; return the server's verdict on each, by the name of the case."""
    verdicts: dict[str, Mapping[str, str]] = {}
    for case in range(1, int(ask(f"{url}/getCaseCount")) + 1):
        name = json.loads(ask(f"{url}/getCaseInfo?case={case}"))["id"]
        in_time = run_case(f"{url}/runCase?case={case}&agent={agent}", timeout)
        verdict = json.loads(ask(f"{url}/getCaseStatus?case={case}&agent={agent}"))
        verdicts[name] = verdict if in_time else {"behavior": f"no end in {timeout:g} s"}
    ask(f"{url}/updateReports?agent={agent}")
    return verdicts


def is_good(verdict: Mapping[str, str]) -> bool:
    """Whether a case passed; a status without ``behaviorClose`` says nothing about the close."""
    return verdict["behavior"] in GOOD and verdict.get("behaviorClose", "OK") in GOOD_CLOSE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", help="of the fuzzing server: ws://127.0.0.1:9001")
    parser.add_argument("--agent", default=AGENT, help="our name in the report (%(default)s)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one case")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="INDEX_JSON",
        help="what the server writes at the end; it alone tells how the closes were",
    )
    options = parser.parse_args(arguments)
    started = time.monotonic()
    verdicts = run_all(options.url.rstrip("/"), options.agent, options.timeout)
    if options.report is not None:
        verdicts |= json.loads(options.report.read_text("utf-8"))[options.agent]
    for name, verdict in verdicts.items():
        if not is_good(verdict):
            print(f"{name:<10}{verdict['behavior']:<16}close: {verdict.get('behaviorClose', '?')}")
    for what in ("behavior", "behaviorClose"):
        counted = collections.Counter(v[what] for v in verdicts.values() if what in v)
        if counted:
            print(f"{what:<14}", ", ".join(f"{n} {each}" for each, n in counted.most_common()))
    failed = sum(not is_good(verdict) for verdict in verdicts.values())
    print(f"{len(verdicts)} cases in {time.monotonic() - started:.0f} s, {failed} failed")
    return 1 if failed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
