"""The simulator as a WebSocket server on a real socket.

Each session has two threads: the server's own reads and feeds the peer, one of ours sends what
is due. `websockets` serves the protocol, so that the client is never tested against its own code.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from grok_rt._framing import BINARY, TEXT
from grok_rt.errors import MissingExtra
from grok_rt.simulator.behaviour import LIVE, Behaviour
from grok_rt.simulator.clock import Clock
from grok_rt.simulator.hearing import ENERGY, Hearing
from grok_rt.simulator.mint import Mint
from grok_rt.simulator.pacing import PacedPeer
from grok_rt.simulator.peer import Peer
from grok_rt.simulator.refusals import Refusal, admit, as_refusal, chosen, too_many
from grok_rt.simulator.rest import Post, created, first_bytes, http_answer, read_post

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from websockets.http11 import Request, Response
    from websockets.sync.server import Server, ServerConnection

    from grok_rt.events import Event
    from grok_rt.simulator.brain import Brain
    from grok_rt.simulator.conversation import Conversation

__all__ = ["Simulator"]

_PATH = "/v1/realtime"
_TOKENS_PATH = f"{_PATH}/client_secrets"
_CLOSE_TIMEOUT = 1.0

_logger = logging.getLogger("grok_rt.simulator")
_logger.addHandler(logging.NullHandler())


class _Done(Exception):
    """Nothing is left for the WebSocket server to do."""


class Simulator:
    """A server that speaks xAI's realtime protocol, as the live service does.

    ::

        with Simulator(Script().says("Hello.")) as server:
            client = GrokClient(url=server.url, api_key="any")

    Args:
        script: what each session hears and says, a `Script` or a function of the `Context`;
            the truth about what it was sent without one.
        host: where to listen.
        port: 0 for a free one.
        api_key: the only key that is let in, beside the tokens made here; None lets any in.
        latency: seconds from the end of a turn to the first message of the answer.
        pace: seconds of audio sent per second.
        realtime: send audio no faster than it plays, as with ``pace=1``.
        refuse: refuse every handshake, and every token, with this HTTP status; may be changed
            while it runs.
        ssl_context: serve ``wss://`` with it.
        max_duration: seconds after which a session is ended.
        inactivity: seconds without a client event after which it is ended.
        max_sessions: how many may be open at once; one more is refused with 429. xAI's pages
            have said 10 and 100.
        behaviour: the ways of the service, where there are several.
        documented_shapes: do all as xAI's documentation has it, where live differs.
        clock: the time of all sessions and tokens, so that a test can let it jump.
        hearing: what the sessions hear with; the energy of the sound alone by default.

    Raises:
        MissingExtra: at `start`, when `websockets` is not installed.
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
        refuse: int | Refusal | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_duration: float = 7200.0,
        inactivity: float = 900.0,
        max_sessions: int | None = None,
        behaviour: Behaviour = LIVE,
        documented_shapes: bool = False,
        clock: Clock | None = None,
        hearing: Hearing = ENERGY,
    ) -> None:
        self.refuse = refuse
        self.sessions: list[Peer] = []
        """The service's end of every session, in the order they were opened."""
        self._script = script
        self._address = (host, port)
        self._api_key = api_key
        self._clock = clock or Clock()
        self._mint = Mint(self._clock.time)
        self._max_sessions = max_sessions
        self._ssl = ssl_context
        self._options: dict[str, Any] = {
            "latency": latency,
            "pace": 1.0 if realtime else pace,
            "max_duration": max_duration,
            "inactivity": inactivity,
            "behaviour": behaviour,
            "documented_shapes": documented_shapes,
            "hearing": hearing,
        }
        self._archive: dict[str, Conversation] = {}
        self._lock = threading.Lock()
        self._accepted: dict[socket.socket, threading.Thread] = {}
        self._live: dict[PacedPeer, socket.socket] = {}
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    # --- running -----------------------------------------------------------------------

    def start(self) -> Simulator:
        """Listen. When it returns, clients can connect."""
        try:
            from websockets.sync.server import serve
        except ImportError as error:
            raise MissingExtra("websockets", "simulator", "The simulator's server") from error
        self._stopping = False
        self._server = server = serve(
            self._serve,
            *self._address,
            ssl=self._ssl,
            select_subprotocol=lambda _, offers: self._subprotocol(offers),
            process_request=lambda _, request: self._door(request),
            create_connection=self._receive,  # type: ignore[arg-type]  # a wrapper, as it allows
            compression=None,
            ping_interval=None,
            close_timeout=_CLOSE_TIMEOUT,
            max_size=None,
            logger=_logger,
        )
        server.handler = self._accepting(server.handler)
        self._thread = threading.Thread(
            target=server.serve_forever, name="grok-rt-simulator", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every session with 1001 and stop listening; no thread and no socket is left.

        Blocks until it is done: about a second when clients do not answer the close. Whoever has
        connected and has no session yet is hung up on at once.
        """
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        self._server = self._thread = None
        with self._lock:
            self._stopping = True
            live = dict(self._live)
            accepted = dict(self._accepted)
        for session in live:
            session.end(1001, "the simulator stops")
        for sock in accepted.keys() - live.values():
            _hang_up(sock)
        deadline = time.monotonic() + _CLOSE_TIMEOUT
        for serving in accepted.values():
            serving.join(max(0.0, deadline - time.monotonic()))
        for sock in accepted:
            _hang_up(sock)
        server.shutdown()
        thread.join()
        with self._lock:
            late = set(self._accepted.values())  # while we waited; hung up on as they came
        for serving in late.union(accepted.values()):
            serving.join()

    def __enter__(self) -> Simulator:  # noqa: PYI034 - `Self` is 3.11
        """Start it."""
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def url(self) -> str:
        """Where clients connect.

        Raises:
            RuntimeError: it is not running.
        """
        if self._server is None:
            raise RuntimeError("the simulator is not running: start() it, or use `with`")
        host, port = self._server.socket.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        return f"{'wss' if self._ssl else 'ws'}://{host}:{port}{_PATH}"

    @property
    def received(self) -> list[Event]:
        """The client events of all sessions, session by session, in order."""
        return [event for peer in list(self.sessions) for event in peer.received]

    # --- misery ------------------------------------------------------------------------

    def disconnect(self, code: int | None = None, reason: str = "") -> None:
        """End every session: with a close frame, or by cutting the line without one."""
        with self._lock:
            live = dict(self._live)
        for session, sock in live.items():
            if code is None:
                _hang_up(sock)
            else:
                session.end(code, reason)

    # --- serving -----------------------------------------------------------------------

    def _accepting(self, serve: Callable[[socket.socket, Any], None]) -> Any:
        """`serve` for each connection, known from its first moment so that `stop` finds it."""

        def accept(sock: socket.socket, address: Any) -> None:
            with self._lock:
                self._accepted[sock] = threading.current_thread()
                if self._stopping:
                    _hang_up(sock)
            try:
                serve(sock, address)
            finally:
                with self._lock:
                    del self._accepted[sock]

        return accept

    def _receive(self, sock: socket.socket, *args: Any, **options: Any) -> ServerConnection:
        """Answer a POST at once; leave everybody else to the WebSocket server."""
        start = first_bytes(sock)
        if start.startswith(b"POST"):
            sock.sendall(http_answer(self._post(read_post(sock, start))))
        elif start:
            return _resumed(start)(sock, *args, **options)
        raise _Done

    def _post(self, post: Post) -> Refusal | bytes:
        refusal = self._judge(post.path, _TOKENS_PATH, post.headers, key_only=True)
        return refusal or created(post.body, self._mint)

    def _judge(
        self, target: str, path: str, headers: Mapping[str, str], *, key_only: bool
    ) -> Refusal | None:
        if urlsplit(target).path != path:
            return Refusal(404, "Not found.")
        refusal = as_refusal(self.refuse)
        return refusal or admit(headers, self._api_key, self._mint, key_only=key_only)

    def _door(self, request: Request) -> Response | None:
        from websockets.datastructures import Headers
        from websockets.http11 import Response

        refusal = self._judge(
            request.path,
            _PATH,
            dict(request.headers.raw_items()),
            key_only="call_id" in dict(parse_qsl(urlsplit(request.path).query)),
        ) or too_many(len(self._live), self._max_sessions)
        if refusal is None:
            return None
        headers = Headers(
            refusal.headers | {"Content-Length": str(len(refusal.body)), "Connection": "close"}
        )
        return Response(refusal.status, refusal.reason, headers, refusal.body)

    def _subprotocol(self, offers: Sequence[str]) -> Any:
        return chosen(offers)

    def _serve(self, connection: ServerConnection) -> None:
        """One session, in the server's thread for it."""
        from websockets.exceptions import ConnectionClosed

        path = connection.request.path if connection.request else ""
        query = dict(parse_qsl(urlsplit(path).query))
        unix_time = self._clock.time()
        peer = Peer(self._script, archive=self._archive, unix_time=unix_time, **self._options)
        session = PacedPeer(peer, query, self._clock)
        with self._lock:
            if self._stopping:
                return
            self.sessions.append(peer)
            self._live[session] = connection.socket
        sender = threading.Thread(
            target=_send_due,
            args=(session, connection),
            name="grok-rt-simulator-sender",
            daemon=True,
        )
        sender.start()
        try:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    message = connection.recv()
                    if isinstance(message, str):
                        session.give(TEXT, message.encode())
                    else:
                        session.give(BINARY, message)
        finally:
            session.end(1006, "the client has gone")
            sender.join()
            with self._lock:
                del self._live[session]


def _hang_up(sock: socket.socket) -> None:
    """End the connection from another thread; TLS has a shutdown of its own, not for that."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _resumed(start: bytes) -> type[ServerConnection]:
    """The server's kind of connection, for one of which `start` has been read already."""
    from websockets.sync.server import ServerConnection

    class Resumed(ServerConnection):
        def recv_events(self) -> None:
            with self.protocol_mutex:
                self.protocol.receive_data(start)
                events = self.protocol.events_received()
                self.send_data()
            for event in events:
                self.process_event(event)
            super().recv_events()

    return Resumed


def _send_due(session: PacedPeer, connection: ServerConnection) -> None:
    """Send each message when it is due, and at the end the close frame."""
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed):
        while (frame := session.take()) is not None:
            connection.send(frame.data.decode() if frame.opcode == TEXT else frame.data)
    code, reason = session.peer.closed or (1000, "")
    if code != 1006:
        connection.close(code, reason)
