"""`GrokClient`: one conversation with Grok, as one object with blocking calls.

Lifecycle lives here, and the verbs that need the session's books; what else can be said
is `GrokSender`, who hears is `GrokListener`, taking events is `GrokReceiver`, and the
threads are `Connection`'s. Every method may be called from any
thread; the docstrings say which of them block, and which may not be called in a handler.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from grok_rt import events
from grok_rt._asking import Question
from grok_rt._listener import GrokListener
from grok_rt._opening import DEFAULT_MODEL, ApiKey, Opening
from grok_rt._pump import Pump
from grok_rt._queues import Inbox
from grok_rt._receiver import GrokReceiver
from grok_rt._sender import GrokSender
from grok_rt._session import Session
from grok_rt._tooling import ToolDecorator, Tooling, as_text
from grok_rt.errors import (
    AudioError,
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    LocalProtocolError,
)
from grok_rt.models import SessionConfig

if TYPE_CHECKING:
    import os
    import socket
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from grok_rt._connection import Connection
    from grok_rt._transport import Transport
    from grok_rt.answer import Answer
    from grok_rt.audio import AudioClip
    from grok_rt.tools import Tool

__all__ = ["GrokClient", "State"]

log = logging.getLogger("grok_rt")

State = Literal["new", "connecting", "open", "closing", "closed"]

_UPDATE_TIMEOUT = 5.0


class GrokClient(GrokListener, GrokSender, GrokReceiver):
    """One conversation with Grok.

    Nothing happens before `connect`, `start` or ``with``. A client connects once.

    Args:
        api_key: a key, an ephemeral token, or a callable that returns one at each connect;
            by default `XAI_API_KEY` from the environment.
        config: how the session behaves; by default the class's `config`.
        model: the voice model; the server replaces names it does not know in silence.
        url: the endpoint; by default `GROK_RT_URL` from the environment, else xAI's.
        conversation_id: an earlier conversation to resume.
        call_id: a phone call to join.
        reasoning: the reasoning effort, ``"high"`` or ``"none"``.
        open_timeout: seconds for `connect` in all: DNS, dialling, TLS, upgrade, first event.
        close_timeout: seconds for `close` in all.
        ping_interval: seconds of silence after which we ping; None: never.
        dead_after: seconds of silence after which the connection counts as lost; None: never.
        send_timeout: seconds a verb waits for room in the outbox.
        max_backlog: bytes of events that may wait for the pump.
        ssl_context: for private certificates.
        proxy: a proxy's URL; None: no proxy; by default the environment's.
        headers: more headers for the handshake.
        allow_insecure: permits ``ws://`` to a host that is not this machine.
        transport: a factory ``(url, headers) -> Transport`` in place of a WebSocket.
        tools: functions that Grok may call, or a `ToolBox` that clients share.
        handlers: ``on_audio=``, ``on_transcript=``, ``on_function_call=``, ``on_error=``,
            ``on_speech_started=``, ``on_close=``: handlers to register at once.
    """

    config: SessionConfig = SessionConfig.wideband()

    def __init__(
        self,
        api_key: ApiKey | None = None,
        *,
        config: SessionConfig | None = None,
        model: str | None = DEFAULT_MODEL,
        url: str | None = None,
        conversation_id: str | None = None,
        call_id: str | None = None,
        reasoning: str | None = None,
        open_timeout: float = 10.0,
        close_timeout: float = 5.0,
        ping_interval: float | None = 5.0,
        dead_after: float | None = 15.0,
        send_timeout: float = 10.0,
        max_backlog: int = 64 << 20,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = "environment",
        headers: Mapping[str, str] | None = None,
        allow_insecure: bool = False,
        transport: Callable[[str, Mapping[str, str]], Transport] | None = None,
        tools: Iterable[Tool | Callable[..., Any]] = (),
        **handlers: Callable[[Any], object] | None,
    ) -> None:
        super().__init__(**handlers)
        if config is not None:
            self.config = config
        self._opening = Opening(
            url, api_key, model, conversation_id, call_id, reasoning, dict(headers or {})
        )
        self._open_timeout = open_timeout
        self._close_timeout = close_timeout
        self._limits: dict[str, Any] = {
            "send_timeout": send_timeout,
            "close_timeout": close_timeout,
            "ping_interval": ping_interval,
            "dead_after": dead_after,
            "max_backlog": max_backlog,
        }
        self._dialling: dict[str, Any] = {
            "ssl_context": ssl_context,
            "proxy": proxy,
            "allow_insecure": allow_insecure,
            "on_socket": self._dialled,
        }
        self._transport_factory = transport
        self._lifecycle = threading.RLock()
        self._state: State = "new"
        self._socket: socket.socket | None = None
        self._connection: Connection | None = None
        self._inbox = Inbox()
        self._tooling = Tooling(
            self,
            tools,
            handlers=self._handlers,
            inbox=self._inbox,
            answer=self.send_tool_result,
            registered=self._tool_registered,
        )
        #: Register a function as a tool: ``@client.tool`` or ``@client.tool(timeout=5)``. The
        #: schema comes from the signature, calls run in worker threads, their results or a
        #: short error text go back to Grok. An open session is told at once.
        self.tool: ToolDecorator = self._tooling.register
        self._session = Session(self._tooling.declared)
        self._pump = Pump(self._inbox, self._handlers, self._why_closed)

    # lifecycle

    def connect(self) -> Self:
        """Open the session and configure it; blocks until the server has confirmed.

        If no `session.updated` comes within 5 s, as was seen live, a warning is logged and
        the session goes on.

        Raises:
            AuthenticationFailed, RateLimited, ConnectFailed: it did not open in time.
            ServerError: the server refused the configuration.
            ConfigError: an address or a header that cannot be used.
            LocalProtocolError: this client has connected before.
        """
        with self._lifecycle:
            if self._state != "new":
                raise LocalProtocolError(
                    f"this client is {self._state}: a client connects once, make a new one"
                )
            self._state = "connecting"
        deadline = time.monotonic() + self._open_timeout
        try:
            self._open(deadline)
            self._configure(deadline)
        except BaseException as error:
            closed_meanwhile = self._state != "connecting"
            self.close(timeout=min(1.0, self._close_timeout))
            if closed_meanwhile and isinstance(error, (ConnectFailed, ConnectionClosed)):
                raise ConnectionClosedOK(1000, "closed while connecting") from None
            raise
        return self

    def close(self, code: int = 1000, reason: str = "", *, timeout: float | None = None) -> None:
        """End the session: what was sent before still leaves, later calls raise.

        Blocks up to `timeout` seconds (by default `close_timeout`). From any thread, in any
        state, in a handler too, any number of times. Events that had arrived can still be
        taken; `Closed` is the last.
        """
        limit = self._close_timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        with self._lifecycle:
            if self._state in ("new", "connecting"):
                self._hang_up()
            self._state = "closed" if self._connection is None else "closing"
            connection = self._connection
        if connection is not None:
            connection.close(code, reason, limit)
        self._tooling.close(max(0.0, deadline - time.monotonic()))
        self._pump.stop(max(0.1, deadline - time.monotonic()))
        self._state = "closed"

    def start(self) -> Self:
        """Connect if need be, and pump in a background thread; returns at once.

        A handler that raises does not end the session: it is logged, and `on_error` hears it.
        """
        if self._state == "new":
            self.connect()
        self._require_connection()
        self._pump.start()
        return self

    def __enter__(self) -> Self:
        if self._state == "new":
            self.connect()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        where = f" {self.session_id}" if self.session_id else ""
        return f"<{type(self).__name__} {self._state}{where}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a GrokClient holds threads and a connection: it cannot be pickled or copied")

    @property
    def state(self) -> State:
        """``new``, ``connecting``, ``open``, ``closing`` or ``closed``."""
        return self._state

    @property
    def session_id(self) -> str | None:
        """The server's id of this connection's session, once known."""
        return self._session.session_id

    @property
    def conversation_id(self) -> str | None:
        """The server's id of the conversation, once known: what resumption asks for."""
        return self._session.conversation_id

    # verbs that need the session's books

    def send(self, event: events.ClientEvent) -> None:
        """Send any client event; blocks up to `send_timeout` for room in the outbox.

        Raises:
            LocalProtocolError: not connected yet, or an event that cannot be encoded.
            SendQueueFull: nothing left for `send_timeout`; it holds the event.
            ConnectionClosed: the session has ended; it holds the first cause.
        """
        self._open_connection().send(event)

    def send_audio(self, pcm: bytes, *, block: bool = True, drop_oldest: bool = False) -> None:
        """Append sound to the input buffer, in the session's input format; any length.

        Sound waits in the outbox until the server has confirmed the format.

        Args:
            pcm: whole samples.
            block: wait up to `send_timeout` for room; False: do not wait at all.
            drop_oldest: where there is no room, drop the oldest waiting sound instead; an
                `AudioDropped` event tells how much.

        Raises:
            AudioError: half a sample.
            SendQueueFull: there was no room.
            ConnectionClosed: the session has ended.
        """
        connection = self._open_connection()
        audio_format = self.config.input_audio_format
        if audio_format.type == "audio/pcm" and len(pcm) % 2:
            raise AudioError(f"{len(pcm)} bytes are no whole number of 16-bit samples")
        if drop_oldest:
            dropped = connection.send_newest_audio(pcm)
            if dropped:
                lost_ms = dropped * 1000 // audio_format.bytes_per_second
                self._inbox.put_event(events.AudioDropped(ms=lost_ms))
        else:
            connection.send_audio(pcm, timeout=None if block else 0.0)

    def send_tool_result(self, call_id: str, result: object) -> None:
        """Answer a function call; never blocks.

        The output is held until the response that called is done, as the service demands;
        when the last open call of that response has its answer, all outputs go out, then one
        `response.create`.

        Args:
            call_id: the call's id, from `FunctionCalled`.
            result: text as it is; everything else as JSON.

        Raises:
            LocalProtocolError: the call has its answer already, or the result is no JSON.
            ConnectionClosed: the session has ended.
        """
        self._open_connection().tool_result(call_id, as_text(result))

    def cancel_response(self) -> None:
        """Stop the reply that is being made; harmless when there is none."""
        self._send_best_effort(events.ResponseCancel)

    def interrupt(self, played_ms: int | None = None) -> None:
        """Stop the reply and tell the sinks; never waits for the server.

        Sends `response.cancel` if a response is under way, puts an `Interrupted` event, and
        shortens the server's memory of the item to what was heard (best effort: the live
        server often does not answer).

        Args:
            played_ms: how much of the item's sound was heard, where the caller knows.
        """
        books = self._session
        response_id, item_id = books.response_id, books.item_id
        if response_id is not None:
            self.cancel_response()
        self._inbox.put_event(
            events.Interrupted(response_id=response_id, item_id=item_id, played_ms=played_ms)
        )
        if item_id is not None and played_ms is not None:
            received = books.item_bytes * 1000 // self.config.output_audio_format.bytes_per_second
            self._send_best_effort(
                events.ConversationItemTruncate,
                item_id=item_id,
                content_index=0,
                audio_end_ms=max(0, min(played_ms, received)),
            )

    def update_session(self, config: SessionConfig | None = None, *, timeout: float = 5.0) -> None:
        """Change the running session; blocks until the server has confirmed. Works in handlers.

        Args:
            config: the new configuration; None sends the present one again, with the tools
                registered meanwhile.
            timeout: seconds to wait; without an answer a warning is logged.

        Raises:
            ServerError: the server refused it; the earlier configuration stays.
            ConnectionClosed: the session has ended.
        """
        connection = self._open_connection()
        config = self.config if config is None else config
        self._send_config(connection, config, timeout)
        self.config = config

    def ask(
        self, prompt: str | AudioClip | os.PathLike[str], timeout: float | None = 60.0
    ) -> Answer:
        """Ask one question and wait for the whole answer; tools run meanwhile.

        Text is sent as it is. Sound (a clip, or the path of a sound file) is converted to the
        session's input format and streamed at the pace of speech, until the server has heard
        its end; in manual mode it is sent at once and committed.

        Args:
            prompt: the question.
            timeout: seconds for all of it; None: no limit.

        Raises:
            DeadlineExceeded: the answer did not end; the sentence says what was missing.
            ServerError: the server refused the question.
            AudioError: the sound cannot be read or converted.
            ConnectionClosed: the session ended first.
            ConcurrencyError: called inside a handler.
        """
        self._open_connection()
        question = Question(self, self.config, prompt, self._session.new_event_id())
        self._pump.refuse_in_handler(question.what)
        with self._pump.listening(question.what, question.offer) as waiter, question.posed():
            try:
                self._pump.wait(waiter, timeout)
            except DeadlineExceeded:
                raise DeadlineExceeded(f"no whole answer in {timeout:g} s: {question.missing}") from None
        return question.answer()

    # inside

    def _open(self, deadline: float) -> None:
        from grok_rt._connection import Connection, Limits
        from grok_rt._transport import WebSocketTransport

        url, headers = self._opening.target()
        if self._transport_factory is not None:
            transport = self._transport_factory(url, headers)
        else:
            left = max(0.0, deadline - time.monotonic())
            transport = WebSocketTransport.connect(url, headers, timeout=left, **self._dialling)
        with self._lifecycle:
            self._socket = None
            if self._state != "connecting":
                transport.shutdown()
                transport.close()
                raise ConnectionClosedOK(1000, "closed while connecting")
            self._connection = Connection(
                transport,
                self._session,
                self._inbox,
                Limits(**self._limits),
                on_end=self._connection_ended,
                why_stalled=self._pump.why_stalled,
            )
            self._connection.start()

    def _configure(self, deadline: float) -> None:
        connection = self._open_connection()
        patience = min(_UPDATE_TIMEOUT, max(0.0, deadline - time.monotonic()))
        self._send_config(connection, self.config, patience)
        if not connection.wait(_has_greeted, max(0.0, deadline - time.monotonic())):
            raise ConnectFailed(
                f"the server accepted the connection and said nothing for {self._open_timeout:g} s.",
                hint="Is the url that of the realtime endpoint?",
            )
        with self._lifecycle:
            if self._state != "connecting":
                raise self._why_closed()
            self._state = "open"
        books = self._session
        self._inbox.put_event(
            events.Opened(session_id=books.session_id, conversation_id=books.conversation_id)
        )

    def _send_config(self, connection: Connection, config: SessionConfig, timeout: float) -> None:
        config = config.with_tools(self._tooling.definitions(config))
        event = events.SessionUpdate(
            event_id=self._session.new_event_id(), session=config.to_update_payload()
        )
        if not connection.update_session(event, timeout):
            log.warning("no session.updated within %g s; going on without it", timeout)

    def _tool_registered(self) -> None:
        if self._state == "open":
            self.update_session()

    def _send_best_effort(self, event_class: type[events.ClientEvent], **fields: Any) -> None:
        event_id = self._session.new_event_id()
        self._session.best_effort(event_id)
        self.send(event_class(event_id=event_id, **fields))

    def _require_connection(self) -> Connection:
        connection = self._connection
        if connection is not None:
            return connection
        if self._state in ("new", "connecting"):
            raise LocalProtocolError(
                "not connected yet: call connect() or start(), or use the client in a with block"
            )
        raise self._why_closed()

    def _open_connection(self) -> Connection:
        connection = self._require_connection()
        if not connection.is_open:
            raise connection.error()
        return connection

    def _dialled(self, raw: socket.socket) -> None:
        """A connect() is under way: remember the socket, so that close() can wake it."""
        with self._lifecycle:
            self._socket = raw
            if self._state != "connecting":
                self._hang_up()

    def _hang_up(self) -> None:
        raw, self._socket = self._socket, None
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.shutdown(2)

    def _connection_ended(self, connection: Connection) -> None:
        """On the reader thread, last of all."""
        error = connection.error()
        lost = isinstance(error, ConnectionClosedError)
        if lost:
            self._inbox.put_event(
                events.ConnectionLost(code=error.code, reason=error.reason, error=error)
            )
        self._inbox.put_event(
            events.Closed(
                code=connection.code, reason=error.reason, error=error if lost else None
            )
        )
        self._state = "closed"

    def _why_closed(self) -> ConnectionClosed:
        if self._connection is None:
            return ConnectionClosedOK(1000, "closed before it was connected")
        return self._connection.error()


def _has_greeted(books: Session) -> bool:
    return books.session_id is not None or books.conversation_id is not None
