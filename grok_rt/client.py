"""`GrokClient`: one conversation with Grok, as one object with blocking calls.

Here its parts are put together, and here are the verbs that need the session's books.
What else can be said is `GrokSender`, questions are `GrokAsker`'s, stopping a reply is
`GrokInterrupter`'s, who hears is `GrokListener`, taking events is `GrokReceiver`, the
configuration is `GrokConfigurer`'s, opening and closing is `Lifecycle`, and the threads are
`Connection`'s.
Every method may be called from any thread; the docstrings say which of them block, and
which may not be called in a handler.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from grok_rt import events
from grok_rt._asking.asking import GrokAsker, keeping
from grok_rt._asking.questions import Questions
from grok_rt._client.configurer import GrokConfigurer
from grok_rt._client.interrupter import GrokInterrupter
from grok_rt._client.lifecycle import Lifecycle, State
from grok_rt._client.listener import GrokListener, HandlerKeywords
from grok_rt._client.pump import Pump
from grok_rt._client.receiver import GrokReceiver
from grok_rt._client.reconnect import Reconnect
from grok_rt._client.sender import check_event, check_sound
from grok_rt._client.settings import check_times, reconnect_policy, session_config
from grok_rt._client.tooling import ToolDecorator, Tooling, told, warn_of_stranger
from grok_rt._connection.connection import Connection
from grok_rt._connection.inbox import Inbox
from grok_rt._connection.liveness import Limits
from grok_rt._notebook import client_card
from grok_rt._numbers import timeout_of
from grok_rt._session.session import Session
from grok_rt._wire.opening import DEFAULT_MODEL, ApiKey, Auth, Opening
from grok_rt.conversation import Conversation
from grok_rt.models import SessionConfig
from grok_rt.usage import Meter

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from grok_rt._wire.transport import Transport
    from grok_rt.tools import Tool
    from grok_rt.usage import Budget

__all__ = ["GrokClient", "State"]

_HURRY = 0.1  # seconds for a close on the way out of an interrupted program


class GrokClient(GrokListener, GrokAsker, GrokInterrupter, GrokReceiver, GrokConfigurer):
    """One conversation with Grok.

    Nothing happens before `connect`, `start` or ``with``. A client connects once; what happens
    when it loses its connection later is up to `reconnect`. One that is dropped without `close`
    is closed when it is collected; after `start` it lives on until it is closed.

    Args:
        api_key: a key, an ephemeral token, or a callable that returns one at each connect;
            by default `XAI_API_KEY` from the environment.
        auth: how it is shown to the server: ``"bearer"`` in the header ``Authorization``,
            ``"subprotocol"`` in ``Sec-WebSocket-Protocol``, as browsers must do with a token,
            ``"openai"`` likewise, in the words of OpenAI's older protocol.
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
        stall_timeout: seconds that more may wait, until the session is given up.
        reconnect: what to do about a lost connection: a policy, True for the usual one, False
            for none. By default none, but the usual one after `start`.
        ssl_context: for private certificates.
        proxy: a proxy's URL; None: no proxy; by default the environment's.
        headers: more headers for the handshake.
        allow_insecure: permits ``ws://`` to a host that is not this machine.
        transport: a factory ``(url, headers) -> Transport`` in place of a WebSocket; the
            headers show the key, in whichever way `auth` says.
        tools: functions that Grok may call, or a `ToolBox` that clients share.
        budget: what the call may cost; then it is ended, and later calls raise `BudgetExceeded`.
        handlers: ``on_audio=``, ``on_transcript=``, ``on_function_call=``, ``on_error=``,
            ``on_speech_started=``, ``on_close=``: handlers to register at once.
    """

    config: SessionConfig = SessionConfig.wideband()

    def __init__(
        self,
        api_key: ApiKey | None = None,
        *,
        auth: Auth = "bearer",
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
        stall_timeout: float = 30.0,
        reconnect: Reconnect | bool | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = "environment",
        headers: Mapping[str, str] | None = None,
        allow_insecure: bool = False,
        transport: Callable[[str, Mapping[str, str]], Transport] | None = None,
        tools: Iterable[Tool | Callable[..., Any]] = (),
        budget: Budget | None = None,
        **handlers: Unpack[HandlerKeywords],
    ) -> None:
        super().__init__(**handlers)
        self.config = session_config(self.config if config is None else config)
        opening = Opening(
            url,
            api_key,
            model,
            conversation_id,
            call_id,
            reasoning,
            {} if headers is None else headers,
            ssl_context,
            proxy,
            allow_insecure,
            transport,
            auth,
        )
        limits = Limits(
            send_timeout, close_timeout, ping_interval, dead_after, max_backlog, stall_timeout
        )
        check_times(limits, open_timeout)
        self._open_timeout = open_timeout
        self._close_timeout = close_timeout
        self._inbox = Inbox()
        self._tooling = Tooling(
            self,
            tools,
            handlers=self._handlers,
            inbox=self._inbox,
            answer=self.send_tool_result,
            context=self._context_of,
            registered=self._tool_registered,
        )
        #: Register a function as a tool: ``@client.tool`` or ``@client.tool(timeout=5)``. The
        #: schema comes from the signature, calls run in worker threads, their results or a
        #: short error text go back to Grok. An open session is told at once.
        self.tool: ToolDecorator = self._tooling.register
        #: What the call has cost so far: ``client.meter.read()``, at any time, after its end too.
        self.meter = Meter(budget, resumes=conversation_id)
        self._session = Session(
            self._tooling.declared, meter=self.meter, unwanted=self._tooling.runner.cancel
        )
        self._lifecycle = Lifecycle(
            opening, self._session, self._inbox, limits, configure=self._configure
        )
        self._conversation = Conversation()
        self._pump = Pump(
            self._inbox, self._handlers, self._lifecycle.why_closed, keeping(self._conversation)
        )
        self._lifecycle.ask_about_stalls(self._pump.why_stalled)
        self._reconnect = reconnect
        self._lifecycle.policy = reconnect_policy(reconnect)
        weakref.finalize(self, self._lifecycle.drop).atexit = False
        self._questions = Questions(self._pump)

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
            ConnectionClosed: another thread has closed it meanwhile.
        """
        self._lifecycle.open(self._open_timeout)
        self._inbox.put_event(
            events.Opened(session_id=self.session_id, conversation_id=self.conversation_id)
        )
        return self

    def close(self, code: int = 1000, reason: str = "", *, timeout: float | None = None) -> None:
        """End the session: what was sent before still leaves, later calls raise.

        Blocks up to `timeout` seconds (by default `close_timeout`). From any thread, in any
        state, in a handler too, any number of times. Events that had arrived can still be
        taken; `Closed` is the last. A code that must not be sent is a `LocalProtocolError`.
        """
        limit = self._close_timeout if timeout is None else timeout_of(timeout, endless=False)
        deadline = time.monotonic() + limit
        if self._lifecycle.is_forked:
            return  # all of it is the parent's, and a lock may never be released here
        self._lifecycle.close(code, reason, limit)
        self._tooling.close(max(0.0, deadline - time.monotonic()))
        self._pump.stop(max(0.1, deadline - time.monotonic()))
        self._questions.close(max(0.1, deadline - time.monotonic()))

    def start(self) -> Self:
        """Connect if need be, and pump in a background thread; returns at once.

        A handler that raises does not end the session: it is logged, and `on_error` hears it.
        A lost connection does not either, unless ``reconnect=False``.

        Raises:
            ConcurrencyError: it pumps already, or another thread does.
            ConnectionClosed: the session has ended.
            GrokError: as `connect`.
        """
        if self._reconnect is None:
            self._lifecycle.policy = Reconnect()
        if self.state == "new":
            self.connect()
        elif self._reconnect is None and self.state == "open":
            self._allow_resumption()
        self._lifecycle.open_connection()
        self._pump.start()
        return self

    def __enter__(self) -> Self:
        if self.state not in ("open", "reconnecting"):
            self.connect()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Who interrupts does not wait for a polite peer, nor for handlers.
        hurried = isinstance(exc, (KeyboardInterrupt, SystemExit))
        self.close(timeout=min(_HURRY, self._close_timeout) if hurried else None)

    def __repr__(self) -> str:
        where = f" {self.session_id}" if self.session_id else ""
        return f"<{type(self).__name__} {self.state}{where}>"

    def _repr_html_(self) -> str:
        declared = self._tooling.definitions(self.config)
        return client_card(self, [tool.name or tool.type for tool in declared])

    def __reduce__(self) -> NoReturn:
        raise TypeError("a GrokClient holds a connection: it cannot be pickled or copied")

    @property
    def state(self) -> State:
        """``new``, ``connecting``, ``open``, ``reconnecting``, ``closing`` or ``closed``."""
        return self._lifecycle.state

    @property
    def session_id(self) -> str | None:
        """The server's id of this connection's session, once known."""
        return self._session.session_id

    @property
    def conversation_id(self) -> str | None:
        """The server's id of the conversation, once known: what resumption asks for."""
        return self._session.conversation_id

    @property
    def events_sent(self) -> int:
        """How many events have left this machine, sound included."""
        return self._lifecycle.events_sent

    # verbs that need the session's books

    def send(self, event: events.ClientEvent) -> None:
        """Send any client event; blocks up to `send_timeout` for room in the outbox.

        While the client reconnects it waits in the outbox, in order.

        Raises:
            LocalProtocolError: not connected yet, or an event that cannot be encoded.
            TypeError: no event that clients say.
            SendQueueFull: nothing left for `send_timeout`; it holds the event.
            ConnectionClosed: the session has ended; it holds the first cause.
        """
        check_event(event)
        self._lifecycle.through(lambda connection: connection.send(event))

    def send_audio(self, pcm: bytes, *, block: bool = True, drop_oldest: bool = False) -> None:
        """Append sound to the input buffer, in the session's input format; any length.

        With the binary transport it leaves bare, a third smaller; Opus is one packet a call.
        Sound waits in the outbox until the server has confirmed the format. While the client
        reconnects nobody waits for room: the last seconds are kept, see `Reconnect.audio_grace`.

        Args:
            pcm: whole samples.
            block: wait up to `send_timeout` for room; False: do not wait at all.
            drop_oldest: where there is no room, drop the oldest waiting sound instead; an
                `AudioDropped` event tells how much.

        Raises:
            AudioError, TypeError: half a sample, or no bytes.
            SendQueueFull: there was no room; never with `drop_oldest`.
            ConnectionClosed: the session has ended.
        """
        self._lifecycle.open_connection()
        audio_format = self.config.input_audio_format
        check_sound(pcm, audio_format)
        bare = self.config.input_transport == "binary"
        if drop_oldest:
            dropped = self._lifecycle.through(
                lambda connection: connection.send_newest_audio(pcm, bare=bare)
            )
            if dropped:
                lost_ms = dropped * 1000 // audio_format.bytes_per_second
                self._inbox.put_event(events.AudioDropped(ms=lost_ms))
        else:
            timeout = None if block else 0.0
            self._lifecycle.through(
                lambda connection: connection.send_audio(pcm, bare=bare, timeout=timeout)
            )

    def send_tool_result(self, call_id: str, result: object) -> None:
        """Answer a function call; never blocks.

        The output is held until the response that called is done, as the service demands;
        when the last open call of that response has its answer, all outputs go out, then one
        `response.create`. A warning is logged if nobody was heard to make that call.

        Args:
            call_id: the call's id, from `FunctionCalled`.
            result: text as it is; everything else as JSON.

        Raises:
            LocalProtocolError: the call has its answer already, or belongs to a conversation
                that was lost with its connection, or the result is no JSON.
            TypeError: the id is no string.
            ConnectionClosed: the session has ended.
        """
        text = told(call_id, result)
        self._lifecycle.through(lambda connection: connection.tool_result(call_id, text))
        warn_of_stranger(call_id, self._conversation)

    # inside

    def _require_connection(self) -> Connection:
        return self._lifecycle.connection()
