"""From nothing to a ready session over TLS, beside the bare exchange by hand.

    python bench/connect.py

Ready means that the server has confirmed the session's configuration. By hand: TCP, TLS with the
same context, the upgrade, one frame and its answer, with the bytes prepared. Milliseconds of the
wall's clock, each contender in turn.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

from lab import figures

from grok_rt import GrokClient

COUNT = 120
HELLO = b'{"type":"session.update","session":{}}'
FRAME = bytes([0x81, 0x80 | len(HELLO), 0, 0, 0, 0]) + HELLO  # masked by zeroes
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def ours(port: int, context: ssl.SSLContext) -> float:
    client = GrokClient("key", url=f"wss://127.0.0.1:{port}/", ssl_context=context, proxy=None)
    began = time.perf_counter()
    client.connect()
    took = time.perf_counter() - began
    client.close()
    return took


def by_hand(port: int, context: ssl.SSLContext) -> float:
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as line:
            line.sendall(REQUEST)
            heard = line.recv(4096)
            while b"conversation.created" not in heard:
                heard += line.recv(4096)
            line.sendall(FRAME)
            heard = line.recv(4096)
            while b"session.updated" not in heard:
                heard += line.recv(4096)
            return time.perf_counter() - began


CONTENDERS: dict[str, Callable[[int, ssl.SSLContext], float]] = {
    "TCP, TLS, upgrade, one round trip": by_hand,
    "grok_rt, connect()": ours,
}


def main() -> None:
    options = figures.options(__doc__, rounds=COUNT)
    took: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with (
        figures.certified() as (certificate, context),
        figures.serving("crowd_server.py", certificate, 1024, 1, 50) as port,
    ):
        ours(port, context)  # what the first session compiles
        for _ in range(options.rounds):
            for name, contender in CONTENDERS.items():
                took[name].append(contender(port, context) * 1000)
    rows = {
        name: [min(each), figures.percentile(each, 50), figures.percentile(each, 95)]
        for name, each in took.items()
    }
    base = next(iter(CONTENDERS))
    figures.show("Connect: ms", ["least", "p50", "p95"], rows, per=base)
    figures.machine("websocket-client")


if __name__ == "__main__":
    main()
