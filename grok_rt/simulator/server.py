"""The simulator as a server on a real socket: who is let in, what begins, and how it ends.

What users call runs in their threads; who is let in is decided in the server's own, which is
`service.py`'s. One session on its connection is `line.py`.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grok_rt.errors import ConfigError
from grok_rt.simulator import faults as f
from grok_rt.simulator.behaviour import LIVE, Behaviour
from grok_rt.simulator.brain import mind_of
from grok_rt.simulator.clock import Clock
from grok_rt.simulator.hearing import ENERGY, Hearing
from grok_rt.simulator.mint import Mint
from grok_rt.simulator.peer import Peer
from grok_rt.simulator.refusals import Refusal, admit, as_refusal, chosen, offered, too_many
from grok_rt.simulator.rest import created
from grok_rt.simulator.sabotage import Sabotage

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from grok_rt.events import Event
    from grok_rt.simulator.brain import Brain
    from grok_rt.simulator.conversation import Conversation
    from grok_rt.simulator.dashboard import Dashboard
    from grok_rt.simulator.http import Request
    from grok_rt.simulator.line import SessionLine
    from grok_rt.simulator.service import Lasting, Service

__all__ = ["Simulator"]

_PATH = "/v1/realtime"
_TOKENS_PATH = f"{_PATH}/client_secrets"
_OF_OURS = (f.WrongName, f.ExpiredCertificate)  # of a certificate that is made here
_HURRY = 0.1  # seconds for clients to hang up, on the way out of an interrupted program


class Simulator:
    """A server that speaks xAI's realtime protocol, as the live service does.

    ::

        with Simulator(Script().says("Hello.")) as server:
            client = GrokClient(url=server.url, api_key="any")

    All sessions run in one thread: what a script does that blocks, blocks them all.

    Args:
        script: what each session hears and says, a `Script` or a function of the `Context`;
            the truth about what it was sent without one.
        host: where to listen.
        port: 0 for a free one.
        api_key: the only key that is let in, beside the tokens made here; None lets any in.
        latency: seconds from the end of a turn to the first message of the answer.
        pace: seconds of audio sent per second.
        realtime: send audio no faster than it plays, as with ``pace=1``.
        chunk_ms: milliseconds of audio in each message; None for the sizes seen live.
        refuse: refuse every handshake, and every token, with this HTTP status; may be changed
            while it runs.
        faults: what goes wrong, of `grok_rt.simulator.faults`; or its text, as
            ``drop:at=response.done``. A bad certificate means `tls`.
        max_sessions: how many may be open at once; one more is refused with 429. xAI's pages
            have said 10 and 100.
        tls: serve ``wss://`` with a certificate made for this run; `authority` is who to trust.
        ssl_context: serve ``wss://`` with a certificate of yours.
        dashboard: show what goes on as a page at ``/``; ``/healthz`` is always there.
        max_duration: seconds after which a session is ended.
        inactivity: seconds without a client event after which it is ended.
        remembered: bytes of its client's events that each session keeps for `received`.
        kept: how many sessions `sessions` remembers; those that are open are always among them.
        behaviour: the ways of the service, where there are several.
        documented_shapes: do all as xAI's documentation has it, where live differs.
        clock: the time of all sessions and tokens, so that a test can let it jump.
        hearing: what the sessions hear with; the energy of the sound alone by default.

    Raises:
        ConfigError: what is no fault; one that needs a certificate of ours, and `ssl_context`.
        TypeError: no script, and no function.
        MissingExtra: at `start`, for `tls`, when `trustme` is not installed.
    """

    def __init__(
        self,
        script: Brain | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        latency: float = 0.05,
        pace: float = 8.0,
        realtime: bool = False,
        chunk_ms: float | None = None,
        refuse: int | Refusal | None = None,
        faults: Sequence[f.Fault | str] = (),
        max_sessions: int | None = None,
        tls: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        dashboard: bool = False,
        max_duration: float = 7200.0,
        inactivity: float = 900.0,
        remembered: int = 64 << 20,
        kept: int = 10_000,
        behaviour: Behaviour = LIVE,
        documented_shapes: bool = False,
        clock: Clock | None = None,
        hearing: Hearing = ENERGY,
    ) -> None:
        self.refuse = refuse
        self.sessions: list[Peer] = []
        """The service's end of the sessions, in the order they were opened; the newest `kept`."""
        self.authority: bytes | None = None
        """With `tls`: the certificate of who signed ours, as PEM; once it has started."""
        mind_of(script)  # what is no brain would fail in each session
        self._script = script
        self._address = (host, port)
        self._api_key = api_key
        self._faults = f.as_faults(faults)
        self._max_sessions = max_sessions
        self._kept = kept
        self._clock = clock = clock or Clock()
        skew = sum(each.seconds for each in self._faults if isinstance(each, f.ClockSkew))
        self._mint = Mint(lambda: clock.time() + skew)
        self._tls = tls or any(isinstance(each, _OF_OURS) for each in self._faults)
        self._ssl = ssl_context
        if self._tls and ssl_context is not None:
            raise ConfigError(
                "tls, and bad certificates, make one of their own: give none of yours"
            )
        self._options: dict[str, Any] = {
            "latency": latency,
            "pace": 1.0 if realtime else pace,
            "chunk_ms": chunk_ms,
            "max_duration": max_duration,
            "inactivity": inactivity,
            "remembered": remembered,
            "behaviour": behaviour,
            "documented_shapes": documented_shapes,
            "hearing": hearing,
        }
        self._has_dashboard = dashboard
        self._dashboard: Dashboard | None = None
        self._archive: dict[str, Conversation] = {}
        self._lines: list[SessionLine] = []
        self._opened = 0
        self._refused: Counter[int] = Counter()
        self._service: Service | None = None
        self._ending = False
        self._lock = threading.Lock()

    # --- running -----------------------------------------------------------------------

    def start(self) -> Simulator:
        """Listen. When it returns, clients can connect.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
            RuntimeError: it runs already.
        """
        from grok_rt.simulator.service import Service

        if self._service is not None:
            raise RuntimeError("the simulator is running already")
        context = self._certified() if self._tls else self._ssl
        self._ending = False
        service = Service(self._address, self._reply, context)
        if self._has_dashboard:
            from grok_rt.simulator.dashboard import Dashboard

            self._dashboard = Dashboard(self._address[0])
        self._service = service
        service.start()
        return self

    def stop(self, grace: float = 0.0) -> None:
        """Close every session with 1001 and stop listening; no thread and no socket is left.

        Blocks until it is done: about a second when clients do not answer the close. Whoever has
        connected and has no session yet is hung up on at once.

        Args:
            grace: seconds that sessions may take to end by themselves before that; who comes
                meanwhile is refused with 503.
        """
        self._stop(grace)

    def _stop(self, grace: float, patience: float | None = None) -> None:
        service = self._service
        if service is None:
            return
        self._ending = True
        if grace > 0:
            service.wait(lambda: not self._lines, grace)
        with self._lock:
            if self._service is not service:
                return  # another thread was in more of a hurry
            self._service = None
        service.stop(1001, "the simulator stops", patience)

    def __enter__(self) -> Simulator:  # noqa: PYI034 - `Self` is 3.11
        """Start it."""
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it; who interrupts waits for nobody's answer."""
        hurried = exc_type is not None and issubclass(exc_type, (KeyboardInterrupt, SystemExit))
        self._stop(0.0, _HURRY if hurried else None)

    @property
    def url(self) -> str:
        """Where clients connect.

        Raises:
            RuntimeError: it is not running.
        """
        if self._service is None:
            raise RuntimeError("the simulator is not running: start() it, or use `with`")
        host, port = self._service.address[:2]
        host = f"[{host}]" if ":" in host else host
        return f"{'wss' if self._tls or self._ssl else 'ws'}://{host}:{port}{_PATH}"

    @property
    def received(self) -> list[Event]:
        """The client events of all sessions, session by session, in order."""
        return [event for peer in list(self.sessions) for event in peer.received]

    # --- misery ------------------------------------------------------------------------

    def disconnect(self, code: int | None = None, reason: str = "") -> None:
        """End every session: with a close frame, or by cutting the line without one."""

        def end() -> None:
            for line in list(self._lines):
                if code is None:
                    line.cut()
                else:
                    line.end(code, reason)

        if self._service is not None:
            with contextlib.suppress(RuntimeError):  # it stops: they are being ended
                self._service.do(end)

    def _certified(self) -> ssl.SSLContext:
        from grok_rt.simulator.certificates import certified

        context, self.authority = certified(
            self._address[0],
            wrong_name=any(isinstance(each, f.WrongName) for each in self._faults),
            expired=any(isinstance(each, f.ExpiredCertificate) for each in self._faults),
        )
        return context

    # --- the door: in the server's thread ----------------------------------------------

    def _reply(self, request: Request) -> bytes | Refusal | Lasting:
        """What a request gets."""
        from grok_rt.simulator.http import answer

        path = request.path
        if path == _PATH and request.method == "GET":
            return self._admission(request)
        if path == _TOKENS_PATH and request.method == "POST":
            made = self._judge(request, key_only=True) or created(request.body, self._mint)
            if isinstance(made, Refusal):
                return made
            return answer(200, "OK", {"Content-Type": "application/json"}, made)
        if path == "/healthz":
            return self._health()
        if self._dashboard is not None and request.method == "GET" and not request.wants_websocket:
            return self._dashboard.reply(request)
        return Refusal(404, f"Not found: sessions are at {_PATH}.")

    def _judge(self, request: Request, *, key_only: bool) -> Refusal | None:
        refusal = as_refusal(self.refuse) or self._faulty_refusal()
        return refusal or admit(request.headers, self._api_key, self._mint, key_only=key_only)

    def _faulty_refusal(self) -> Refusal | None:
        for number, each in enumerate(self._faults):
            if isinstance(each, f.Refuse) and (
                each.sessions is None or self._refused[number] < each.sessions
            ):
                self._refused[number] += 1
                return Refusal(each.status, retry_after=each.retry_after)
        return None

    def _admission(self, request: Request) -> Refusal | Lasting:
        """A session, or why there is none."""
        from grok_rt.simulator.http import no_websocket, switching
        from grok_rt.simulator.line import SessionLine

        query = request.query
        refusal = self._judge(request, key_only="call_id" in query) or no_websocket(request)
        if refusal is None and self._ending:
            refusal = Refusal(503, "The simulator is about to stop.")
        refusal = refusal or too_many(len(self._lines), self._max_sessions)
        if refusal is not None:
            return refusal
        self._opened += 1
        watched = self._dashboard
        unix_time = self._clock.time()
        peer = Peer(self._script, archive=self._archive, unix_time=unix_time, **self._options)
        line = SessionLine(
            peer,
            query,
            switching(request, chosen(offered(request.headers))),
            clock=self._clock,
            sabotage=Sabotage(f.drawn(self._faults, self._opened)),
            witness=None if watched is None else watched.session(self._opened),
            gone=self._lines.remove,
        )
        self.sessions.append(peer)
        self._lines.append(line)
        self._forget()
        return line

    def _forget(self) -> None:
        """Let the oldest sessions go that have ended: a server may run for years."""
        for peer in self.sessions[: max(0, len(self.sessions) - self._kept)]:
            if peer.closed is not None:
                self.sessions.remove(peer)

    def _health(self) -> bytes:
        import json

        from grok_rt.simulator.http import answer

        word = "stopping" if self._ending else "ok"
        body = json.dumps({"status": word, "sessions": len(self._lines)}).encode()
        status = (503, "Service Unavailable") if self._ending else (200, "OK")
        return answer(*status, {"Content-Type": "application/json"}, body)
