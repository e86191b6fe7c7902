"""Connecting to a peer and away again: what the tests of the line share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from raw_peer import (
    server_context,
    trusting,
)
from websockets.sync.server import ServerConnection, serve

from grok_rt._wire.transport import WebSocketTransport
from grok_rt.errors import (
    ConnectFailed,
)

KEY = "xai-Zq8sW2pL9vB4nM7kT1rY6uE3"
BEARER = {"Authorization": f"Bearer {KEY}"}


@contextlib.contextmanager
def connected(port: int, scheme: str = "ws", **options: Any) -> Iterator[WebSocketTransport]:
    options.setdefault("timeout", 5)
    if scheme == "wss":
        options.setdefault("ssl_context", trusting())
    url = f"{scheme}://localhost:{port}/v1/realtime?model=m"
    transport = WebSocketTransport.connect(url, BEARER, **options)
    try:
        yield transport
    finally:
        transport.shutdown()
        transport.close()


def failed(port: int, scheme: str = "ws", **options: Any) -> ConnectFailed:
    """Connect in vain: every failure has a sentence, a hint, and no key, traceback included."""
    with pytest.raises(ConnectFailed) as caught, connected(port, scheme, **options):
        pass
    error = caught.value
    assert error.message.endswith((".", "?", "!"))
    assert KEY not in caught.exconly() + str(caught.getrepr(chain=True, style="value"))
    return error


@contextlib.contextmanager
def their_server(scheme: str, talk: Callable[[ServerConnection], None]) -> Iterator[int]:
    context = server_context() if scheme == "wss" else None
    with serve(talk, "127.0.0.1", 0, ssl=context, close_timeout=1) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join(5)


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[Exception]]:
    raised: list[Exception] = []

    def work() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, raised
