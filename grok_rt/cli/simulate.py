"""`grok-rt simulate`: the service on this machine, until somebody stops it.

Options, signals and the line that says it is ready; everything else is `grok_rt.simulator`.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grok_rt.cli._options import add_command
from grok_rt.errors import ConfigError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from grok_rt.simulator import Simulator
    from grok_rt.simulator.faults import Fault

__all__ = ["add", "run"]

PORT = 8765
GRACE = 60.0
_REMEMBERED = 64 << 10  # bytes of each session: nobody here asks for what was received

_EXAMPLES = """\
  grok-rt simulate                              any key is let in; the page is http://127.0.0.1:8765/
  grok-rt simulate --script call.toml           what is heard and said, and what goes wrong
  grok-rt simulate --recording calls/1          says and calls again what a recorded call has
  grok-rt simulate --fault close:at=response.done,code=1013,sessions=1
  grok-rt simulate --fault at-random:seed=7     another fault in each session, the same in each run
  grok-rt simulate --tls                        wss://, with a certificate made for this run

then, elsewhere:
  GROK_RT_URL=ws://127.0.0.1:8765/v1/realtime XAI_API_KEY=any python your_program.py

a script file:
  [[step]]
  hears = "How warm is it in Oslo?"
  [[step]]
  calls = "weather"
  with = { city = "Oslo" }
  [[step]]
  says = "It is {output}."
  [[fault]]
  kind = "stall"
  at = "response.done"

faults, each with at=EVENT, nth=, times= and sessions= where it strikes in a session:
  close code= reason= | delay seconds= until= | drop byte= reset= | duplicate | fragmented size=
  huge size= | invalid-json | invalid-utf8 | omit | silence | slow-reader rate= | stall byte=
  strange-event | strange-fields | refuse status= retry_after= sessions= | clock-skew seconds=
  wrong-name | expired-certificate | at-random seed= share=

SIGTERM lets calls under way come to their end, Ctrl+C does not.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the parser."""
    parser = add_command(
        commands,
        "simulate",
        help="run the service on this machine: no key, no network",
        description="Serve xAI's realtime protocol to any client, with a page that shows calls.",
        examples=_EXAMPLES,
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=int, default=PORT, help=f"0: a free one ({PORT})")
    parser.add_argument("--key", help="the only key that is let in; without it any is")
    brain = parser.add_mutually_exclusive_group()
    brain.add_argument("--script", type=Path, metavar="FILE", help="what is heard and said: TOML")
    brain.add_argument(
        "--recording", type=Path, metavar="FOLDER", help="a recorded call, to be held again"
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="FAULT", help="what goes wrong; repeatable"
    )
    parser.add_argument(
        "--realtime", action="store_true", help="send sound no faster than it plays"
    )
    parser.add_argument(
        "--latency", type=float, default=0.05, metavar="SECONDS", help="before an answer (0.05)"
    )
    parser.add_argument(
        "--max-sessions", type=int, metavar="N", help="one more is refused with 429"
    )
    parser.add_argument(
        "--tls", action="store_true", help="serve wss:// by a certificate of its own"
    )
    parser.add_argument("--cert", type=Path, metavar="PEM", help="serve wss:// by this certificate")
    parser.add_argument("--keyfile", type=Path, metavar="PEM", help="its private key, if elsewhere")
    parser.add_argument(
        "--grace",
        type=float,
        default=GRACE,
        metavar="SECONDS",
        help=f"for calls to end after SIGTERM ({GRACE:g})",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM."""
    server = _server(arguments)
    with _told_to_stop() as stop, contextlib.ExitStack() as left:
        try:
            left.enter_context(server)
        except OSError as error:
            why, _, _ = (error.strerror or str(error)).partition(" (")
            raise ConfigError(
                f"cannot listen at {arguments.host}, port {arguments.port} ({why}): "
                "choose another --port, such as 0 for a free one, or --host"
            ) from None
        print(f"listening on {server.url}", flush=True)
        page = server.url.replace("ws", "http", 1).removesuffix("v1/realtime")
        print(f"dashboard at {page}", file=sys.stderr, flush=True)
        if server.authority is not None:
            folder = left.enter_context(tempfile.TemporaryDirectory(prefix="grok-rt-"))
            trusted = Path(folder, "authority.pem")
            trusted.write_bytes(server.authority)
            print(f"clients trust it by SSL_CERT_FILE={trusted}", file=sys.stderr, flush=True)
        stop.wait()
        server.stop(arguments.grace)
    return 0


def _server(arguments: argparse.Namespace) -> Simulator:
    from grok_rt.simulator import Simulator

    script = None
    faults: list[Fault | str] = []
    if arguments.script is not None:
        from grok_rt.simulator.script_file import read_script

        script, told = read_script(arguments.script)
        faults += told
    if arguments.recording is not None:
        from grok_rt.recording import Recording
        from grok_rt.simulator import recorded

        script = recorded(Recording.open(arguments.recording))
    faults += arguments.fault
    if not 0 <= arguments.port <= 65535:
        raise ConfigError(f"--port {arguments.port}: a port is 0 to 65535")
    return Simulator(
        script,
        host=arguments.host,
        port=arguments.port,
        api_key=arguments.key,
        latency=arguments.latency,
        realtime=arguments.realtime,
        faults=faults,
        max_sessions=arguments.max_sessions,
        tls=arguments.tls,
        ssl_context=_given_certificate(arguments),
        dashboard=True,
        remembered=_REMEMBERED,
        kept=0,
    )


def _given_certificate(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.cert is None:
        if arguments.keyfile is not None:
            raise ConfigError("--keyfile without --cert: give the certificate too")
        return None
    if arguments.tls:
        raise ConfigError("--tls makes a certificate, --cert gives one: choose")
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(arguments.cert, arguments.keyfile)
    except OSError as error:  # also ssl.SSLError
        where = arguments.cert if arguments.keyfile is None else "--cert and --keyfile"
        raise ConfigError(
            f"{where}: no certificate with its key ({error.strerror or error})"
        ) from None
    return context


@contextlib.contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM sets; a second SIGTERM ends the program at once."""
    told = threading.Event()

    def hear(*_: Any) -> None:
        if told.is_set():
            raise SystemExit(0)
        told.set()

    before = signal.signal(signal.SIGTERM, hear)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)
