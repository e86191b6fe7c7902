"""The page at ``/``: three static files, and a stream of what is new, as server-sent events.

The files are in `grok_rt/data/dashboard` and ask for nothing but this server. No key reaches the
page: what clients show at the door is not among what it is told. Runs in the server's thread.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable
from importlib import resources
from typing import Any, Final

import msgspec

from grok_rt._wire.line.target import is_loopback
from grok_rt.simulator.http import Request, answer
from grok_rt.simulator.refusals import Refusal
from grok_rt.simulator.watching import Board, Onlooker

__all__ = ["Dashboard"]

_PERIOD = 0.15  # seconds between two tellings
_FULL = 4 << 20  # bytes that a page has not taken: it is told no more, and asks again
_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/dashboard.css": ("dashboard.css", "text/css; charset=utf-8"),
    "/dashboard.js": ("dashboard.js", "text/javascript; charset=utf-8"),
}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Dashboard:
    """Shows the sessions of one server.

    Args:
        host: where it listens; if only this machine can reach it, so can only its own pages.
    """

    def __init__(self, host: str) -> None:
        self._board = Board(time.monotonic())
        self._is_private = is_loopback(host)
        self._viewers: set[_Viewer] = set()
        self._ticking: asyncio.TimerHandle | None = None

    def session(self, number: int) -> Onlooker:
        """Somebody who looks on at a session that begins."""
        return self._board.session(number, time.monotonic())

    def reply(self, request: Request) -> bytes | Refusal | _Viewer:
        """One of the files, or the stream."""
        if self._is_private and not _names_this_machine(request.headers.get("host", "")):
            # a page of elsewhere whose name was made to lead here would read along
            return Refusal(403, "This page is shown to localhost only.")
        if request.path == "/events":
            return _Viewer(self._arrived, self._viewers.discard)
        if request.path not in _FILES:
            return Refusal(404, "Not found.")
        name, kind = _FILES[request.path]
        data = (resources.files("grok_rt") / "data" / "dashboard" / name).read_bytes()
        return answer(200, "OK", _HEADERS | {"Content-Type": kind}, data)

    def _arrived(self, viewer: _Viewer) -> None:
        viewer.tell("everything", self._board.everything(time.monotonic()))
        self._viewers.add(viewer)
        if self._ticking is None:
            self._tick()

    def _tick(self) -> None:
        """Tell every page what is new; nobody is told of what nobody sees."""
        self._ticking = None
        news = self._board.news(time.monotonic())
        if news is not None:
            for viewer in list(self._viewers):
                viewer.tell("news", news)
        if self._viewers:
            self._ticking = asyncio.get_running_loop().call_later(_PERIOD, self._tick)


class _Viewer(asyncio.Protocol):
    """One page that is open."""

    def __init__(self, arrived: Callable[[_Viewer], None], left: Callable[[_Viewer], None]) -> None:
        self._arrived = arrived
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._gone: Callable[[], None] = lambda: None

    def begin(self, transport: asyncio.Transport, rest: bytes, gone: Callable[[], None]) -> None:  # noqa: ARG002 - a page has nothing more to say
        """Take over the connection."""
        self._transport, self._gone = transport, gone
        headers = _HEADERS | {"Content-Type": "text/event-stream"}
        transport.write(answer(200, "OK", headers, b"retry: 500\n\n", length=False))
        self._arrived(self)

    def tell(self, event: str, what: dict[str, Any]) -> None:
        """Send an event of the stream."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > _FULL:
            transport.abort()
            return
        transport.write(b"event: %s\ndata: %s\n\n" % (event.encode(), msgspec.json.encode(what)))

    def end(self, code: int, reason: str) -> None:  # noqa: ARG002 - a page needs no reason
        """The server stops."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """The page has been closed."""
        if self._transport is not None:
            self._transport.close()  # with TLS, Python 3.10 warns where nobody has
        self._transport = None
        self._left(self)
        self._gone()


def _names_this_machine(host: str) -> bool:
    """Whether a `Host` header is an address, or localhost: a name may be anybody's."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
