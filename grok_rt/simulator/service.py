"""The simulator's thread: it listens, and runs an event loop that serves every connection.

One thread for all sessions, so that a hundred of them in real time are late together or not at
all. The loop is nobody's business but this module's and its protocols': everybody else calls
`do` and waits. A connection begins at the `Door`, where it says what it wants.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar, cast

from grok_rt.simulator.http import BadRequest, Request, answer, read_request
from grok_rt.simulator.line import CLOSE_TIMEOUT, hang_up
from grok_rt.simulator.refusals import Refusal

__all__ = ["Door", "Lasting", "Service"]

_T = TypeVar("_T")

PATIENCE = 5.0
"""Seconds in which a connection must have shaken hands, and again have said what it wants."""

_BACKLOG = 512
_ANSWER = 10.0  # seconds for the thread to do what it is asked
_AT_ONCE = 100  # connections accepted before others are served
_REST = 0.5  # seconds to wait when the process has no descriptor left
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_logger = logging.getLogger("grok_rt.simulator")


class Lasting(Protocol):
    """What takes over a connection that goes on after its request; a protocol of asyncio's too."""

    def begin(self, transport: asyncio.Transport, rest: bytes, gone: Callable[[], None]) -> None:
        """From here on it is yours; `rest` has come behind the request. Call `gone` at its end."""

    def end(self, code: int, reason: str) -> None:
        """Come to an end soon."""


Reply = Callable[[Request], "bytes | Refusal | Lasting"]


class Door(asyncio.Protocol):
    """A connection that has not said yet what it wants.

    Args:
        reply: what there is to a request: bytes, a refusal, or something lasting.
    """

    def __init__(self, reply: Reply) -> None:
        self.gone = asyncio.get_running_loop().create_future()
        self.lasting: Lasting | None = None
        self._reply = reply
        self._said = b""
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, but not for ever."""
        self._transport = transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(PATIENCE, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Answer, once the request is whole."""
        self._said += data
        transport, patience = self._transport, self._patience
        if transport is None or patience is None or transport.is_closing():
            return
        try:
            request = read_request(self._said)
        except BadRequest as error:
            _answer(transport, Refusal(400, str(error)))
            return
        if request is None:
            return
        reply = self._reply(request)
        if isinstance(reply, (bytes, Refusal)):
            _answer(transport, reply)
            return
        patience.cancel()
        self.lasting = reply
        transport.set_protocol(cast("asyncio.BaseProtocol", reply))
        reply.begin(transport, request.rest, self._leave)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """It has gone as it came."""
        if self._patience is not None:
            self._patience.cancel()
        if self._transport is not None:
            self._transport.close()  # with TLS, Python 3.10 warns where nobody has
        self._leave()

    def _leave(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


class Service:
    """Listens, and serves what comes, in a thread of its own.

    Args:
        address: where to listen.
        reply: what there is to a request; called in that thread.
        ssl_context: for TLS.
    """

    def __init__(
        self, address: tuple[str, int], reply: Reply, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._reply = reply
        self._ssl = ssl_context
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._listener = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._listener.setblocking(False)
        self.address: tuple[Any, ...] = self._listener.getsockname()
        self._loop = asyncio.SelectorEventLoop()
        self._loop.set_debug(False)
        self._loop.set_exception_handler(_log)
        self._doors: dict[socket.socket, Door | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._served = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="grok-rt-simulator", daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._loop.call_soon(self._listen)
        self._thread.start()

    def do(self, what: Callable[[], _T]) -> _T:
        """Have the thread do something, and wait for what comes of it."""
        if threading.current_thread() is self._thread:
            return what()
        result: Future[_T] = Future()

        def run() -> None:
            try:
                result.set_result(what())
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                result.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return result.result(_ANSWER)

    def wait(self, until: Callable[[], bool], timeout: float) -> bool:
        """Block until `until` says yes, asked whenever a connection has gone."""
        with self._served:
            return self._served.wait_for(until, timeout)

    def stop(self, code: int, reason: str, patience: float | None = None) -> None:
        """End what lasts, hang up on everybody else, and be gone; blocks for `patience` at most."""
        limit = CLOSE_TIMEOUT if patience is None else patience
        self._loop.call_soon_threadsafe(lambda: self._keep(self._shut(code, reason, limit)))
        self._thread.join()

    # --- the thread --------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(asyncio.sleep(0))  # what was asked of it meanwhile
        finally:
            self._loop.close()

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _address = self._listener.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    _logger.warning("no connection can be accepted: %s", error.strerror)
                    self._loop.remove_reader(self._listener)
                    self._loop.call_later(_REST, self._listen_on)
                return
            sock.setblocking(False)
            self._doors[sock] = None
            self._keep(self._serve(sock))

    def _listen_on(self) -> None:
        if self._listener.fileno() >= 0:
            self._listen()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine; the loop itself would let it be collected half done."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        """One connection, from its first byte to its last."""
        door = self._doors[sock] = Door(self._reply)
        try:
            await self._loop.connect_accepted_socket(
                lambda: door,
                sock,
                ssl=self._ssl,
                ssl_handshake_timeout=PATIENCE if self._ssl else None,
            )
            await door.gone
        except OSError:
            pass  # the TLS handshake failed, or the client has gone in it
        finally:
            del self._doors[sock]
            sock.close()
            with self._served:
                self._served.notify_all()

    async def _shut(self, code: int, reason: str, patience: float) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for sock, door in list(self._doors.items()):
            if door is None or door.lasting is None:
                hang_up(sock)
            else:
                door.lasting.end(code, reason)
        serving = self._tasks - {asyncio.current_task(self._loop)}
        if serving:
            await asyncio.wait(serving, timeout=patience)
        for sock in self._doors:
            hang_up(sock)
        if serving:
            await asyncio.wait(serving)
        self._loop.call_soon(self._loop.stop)


def _answer(transport: asyncio.Transport, reply: bytes | Refusal) -> None:
    if isinstance(reply, Refusal):
        reply = answer(reply.status, reply.reason, reply.headers, reply.body)
    transport.write(reply)
    transport.close()


def _log(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what failed in the loop; what was being sent is not repeated."""
    _logger.error("the simulator failed: %s", context["message"], exc_info=context.get("exception"))
