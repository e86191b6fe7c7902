"""The way to one service, step by step, each by the part of the house that takes it for sessions.

A step says what it found, or raises `Trouble` or the error that a session would have met. It
blocks up to the timeout. One thread; a second one cuts the line when the time is over.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from grok_rt import events
from grok_rt._wire.frames import frame_of, heard
from grok_rt._wire.framing import CLOSE, PING, PONG, TEXT, Frame, close_payload, parse_close
from grok_rt._wire.line import open_line
from grok_rt._wire.line.dialling import DeadlineSocket, dial, resolve
from grok_rt._wire.line.proxy import Proxy, choose, tunnel
from grok_rt._wire.line.refusals import unreachable
from grok_rt._wire.line.target import Target, is_loopback
from grok_rt._wire.opening import ApiKey, Opening, credential
from grok_rt._wire.tls import TLSSocket
from grok_rt._wire.transport import WebSocketTransport
from grok_rt.doctor.findings import Note, Trouble
from grok_rt.errors import ConnectionClosed, GrokError, RemoteProtocolError
from grok_rt.models import SessionConfig

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Way"]

_T = TypeVar("_T")

_PINGS: Final = 3
_TRY_AGAIN: Final = "Try again; if it stays so, the service has a problem, or is another one."


class _Silence(Trouble):
    """Nothing came in time."""


class Way:
    """How far we get on the way to a service; the steps are taken in the order they stand here."""

    def __init__(
        self,
        url: str,
        api_key: ApiKey | None,
        model: str | None,
        *,
        timeout: float,
        proxy: str | None,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._url = url
        self._api_key = api_key
        self._model = model
        self._timeout = timeout
        self._proxy = proxy
        self._ssl_context = ssl_context
        self._target: Target
        self._via: Proxy | None = None
        self._transport: WebSocketTransport
        self._frames: deque[Frame] = deque()

    def address(self) -> str:
        """Read the URL."""
        self._target = Target.parse(self._url)
        return self._url.partition("?")[0]

    def key(self) -> str | Note:
        """Look at the key, and never show it."""
        has_none = self._api_key is None and not os.environ.get("XAI_API_KEY")
        if has_none and is_loopback(self._target.host):
            self._api_key = "none"
            return Note("there is none; a server on this machine may do without")
        value = credential(self._api_key).reveal()
        source = "XAI_API_KEY" if self._api_key is None else "api_key"
        told = f"{source} has {len(value)} character{'s' * (len(value) > 1)}"
        if self._target.host.endswith(".x.ai") and not value.startswith("xai-"):
            return Note(told, "It does not begin with xai-, as xAI's keys do.")
        return told

    def proxy(self) -> str:
        """Find out whether a proxy is on the way, and have it give way."""
        target = self._target
        via = choose(self._proxy, host=target.host, port=target.port, secure=target.secure)
        self._via = via
        if via is None:
            return "none"
        with self._dialled(via) as raw, self._reaching(via):
            tunnel(DeadlineSocket(raw, self._deadline), via, target.host, target.port)
        return f"{via} gives a way to {target}"

    def dns(self) -> str:
        """Resolve the name."""
        if self._via is not None:
            return "left to the proxy"
        with self._reaching(self._target):
            found = resolve(self._target.host, self._target.port, self._deadline)
        return ", ".join(dict.fromkeys(str(where[0]) for *_, where in found))

    def tcp(self) -> str:
        """Dial."""
        if self._via is not None:
            return "left to the proxy"
        with self._dialled(self._target) as raw:
            host, port = raw.getpeername()[:2]
        return f"{host} answers at port {port}"

    def tls(self) -> str:
        """Agree on keys, and check the certificate."""
        line = open_line(
            self._target, timeout=self._timeout, proxy=self._proxy, ssl_context=self._ssl_context
        )
        with contextlib.closing(line.raw):
            if not isinstance(line.stream, TLSSocket):
                return "none, as ws:// says"
            version, certificate = line.stream.agreed()
        until = certificate.get("notAfter", "an unknown time")
        return f"{version}, a certificate of {_issuer(certificate)}, good until {until}"

    def handshake(self) -> str:
        """Show the key, and upgrade to a WebSocket."""
        opening = Opening(self._url, self._api_key, self._model)
        self._transport = WebSocketTransport.connect(
            *opening.target(),
            timeout=self._timeout,
            ssl_context=self._ssl_context,
            proxy=self._proxy,
        )
        return "upgraded to a WebSocket"

    def first_event(self) -> str:
        """Hear what the server says first."""
        return self._event(events.Event).type

    def round_trip(self) -> str:
        """Measure how long a ping takes."""
        times = []
        for number in range(_PINGS):
            data = b"%d" % number
            began = time.monotonic()
            self._answer({Frame(PONG, data): True}.get, Frame(PING, data))
            times.append(time.monotonic() - began)
        return f"{min(times) * 1000:.1f} ms, the best of {_PINGS} pings"

    def session_updated(self) -> str | Note:
        """Configure the session."""
        payload = SessionConfig.wideband().to_update_payload()
        try:
            self._event(events.SessionUpdated, frame_of(events.SessionUpdate(payload)))
        except _Silence as silence:
            return Note(silence.told, "Sessions go on without it; sound may be misheard.")
        return "the configuration is confirmed"

    def leave(self) -> None:
        """Close what is open; at the end, however it came."""
        if hasattr(self, "_transport"):
            with contextlib.suppress(GrokError):
                self._transport.send([Frame(CLOSE, close_payload(1000))])
            self._transport.shutdown()
            self._transport.close()

    # what the steps are made of

    @property
    def _deadline(self) -> float:
        return time.monotonic() + self._timeout

    @contextlib.contextmanager
    def _reaching(self, hop: Target | Proxy) -> Iterator[None]:
        """Say what an exception of the network means."""
        try:
            yield
        except OSError as error:
            if isinstance(error, GrokError):
                raise
            raise unreachable(error, server=str(hop), timeout=self._timeout) from error

    @contextlib.contextmanager
    def _dialled(self, hop: Target | Proxy) -> Iterator[socket.socket]:
        with self._reaching(hop):
            raw = dial(hop.host, hop.port, self._deadline)
        with contextlib.closing(raw):
            yield raw

    def _event(self, kind: type[events.Event], *said: Frame) -> events.Event:
        """Say something, and wait for an event of a kind.

        Raises:
            Trouble: it did not come.
        """

        def found(frame: Frame) -> events.Event | None:
            event = heard(frame.data) if frame.opcode == TEXT else None
            if isinstance(event, events.Error):
                raise Trouble(f"the server answers with an error: {event.error.message}", "")
            return event if isinstance(event, kind) else None

        return self._answer(found, *said)

    def _answer(self, found: Callable[[Frame], _T | None], *said: Frame) -> _T:
        """Say something, and wait for what is found in the frames that answer.

        Raises:
            Trouble: it did not come.
        """
        deadline = self._deadline
        timer = threading.Timer(self._timeout, self._transport.shutdown)
        timer.name = "grok-rt-doctor"
        timer.daemon = True
        timer.start()
        try:
            self._transport.send(said)
            while True:
                while self._frames:
                    answer = found(self._heard(self._frames.popleft()))
                    if answer is not None:
                        return answer
                self._frames.extend(self._transport.recv())
        except ConnectionClosed as error:
            if time.monotonic() >= deadline:
                raise _Silence(f"nothing came within {self._timeout:g} s", _TRY_AGAIN) from None
            raise Trouble(error.reason, _TRY_AGAIN) from error
        except RemoteProtocolError as error:
            raise Trouble(str(error), _TRY_AGAIN) from error
        finally:
            timer.cancel()
            timer.join()

    def _heard(self, frame: Frame) -> Frame:
        """Do what any frame asks for."""
        if frame.opcode == CLOSE:
            code, reason = parse_close(frame.data)
            raise Trouble(f"the server hung up ({code}): {reason or 'no reason'}", _TRY_AGAIN)
        if frame.opcode == PING:
            self._transport.send([Frame(PONG, frame.data)])
        return frame


def _issuer(certificate: Mapping[str, Any]) -> str:
    """Who vouches: on a machine whose TLS is inspected, not whom one would think."""
    names = dict(pair for part in certificate.get("issuer", ()) for pair in part)
    return names.get("organizationName") or names.get("commonName") or "nobody known"
