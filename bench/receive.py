"""Wire to `on_audio`: the CPU one audio delta costs, beside others who read the same stream.

    python bench/receive.py

Every contender reads rounds of the same events from a server in another process that sends as
fast as they are taken, and hands the PCM of each to a handler. Ours is a whole session, with its
three threads and two queues; the others are one loop on the main thread. A figure is the CPU of
this process, all threads, the least of several rounds in which all take turns.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pybase64
from lab import figures, wire

from grok_rt import GrokClient, events

Round = Callable[[], object]
Contender = Callable[[str], AbstractContextManager[Round]]

KIB = 1024
COUNTS = {KIB: 2000, 4 * KIB: 2000, 16 * KIB: 800, 64 * KIB: 250}
HELLO = '{"type":"session.update","session":{}}'
GO = '{"type":"input_audio_buffer.commit"}'


class Sound:
    """The handler of everybody: counts what it hears."""

    def __init__(self) -> None:
        self.heard = 0

    def __call__(self, pcm: bytes) -> None:
        """Hear one."""
        self.heard += len(pcm)


class Delta(msgspec.Struct, tag_field="type", tag="response.output_audio.delta"):
    """What msgspec needs to know of the sound."""

    delta: str
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class Done(msgspec.Struct, tag_field="type", tag="response.done"):
    """And of its end."""

    event_id: str


class Other(msgspec.Struct):
    """And of all else."""

    type: str


@contextlib.contextmanager
def ours(url: str) -> Iterator[Round]:
    sound, done = Sound(), threading.Event()
    # no reconnect, which `start` would ask the server for, in one frame more than a round has
    with GrokClient("key", url=url, reconnect=False) as client:
        client.on_audio(lambda event: sound(event.audio))
        client.on(events.ResponseDone)(lambda _: done.set())
        client.start()

        def play() -> None:
            done.clear()
            client.commit_audio()
            done.wait()

        yield play


@contextlib.contextmanager
def openai_sdk(url: str) -> Iterator[Round]:
    import openai

    sound = Sound()
    sdk = openai.OpenAI(api_key="key", websocket_base_url=url)
    with sdk.realtime.connect(
        model="gpt",
        websocket_connection_options={"compression": None, "max_size": None},
    ) as connection:

        def play(say: str = GO, until: str = "response.done") -> None:
            connection.send(json.loads(say))
            while (event := connection.recv()).type != until:
                if event.type == "response.output_audio.delta":
                    sound(base64.b64decode(event.delta))

        play(HELLO, "session.updated")
        yield play


@contextlib.contextmanager
def websocket_client(url: str) -> Iterator[Round]:
    import websocket

    sound = Sound()
    line: Any = websocket.create_connection(url, skip_utf8_validation=True)

    def play(say: str = GO, until: str = "response.done") -> None:
        line.send(say)
        while (event := json.loads(line.recv()))["type"] != until:
            if event["type"] == "response.output_audio.delta":
                sound(base64.b64decode(event["delta"]))

    play(HELLO, "session.updated")
    yield play
    line.shutdown()


@contextlib.contextmanager
def websockets_sync(url: str) -> Iterator[Round]:
    from websockets.sync.client import connect

    sound = Sound()
    decode = msgspec.json.Decoder(Delta | Done).decode
    with connect(url, compression=None, max_size=None, ping_interval=None) as line:

        def play() -> None:
            line.send(GO)
            while type(event := decode(line.recv(decode=False))) is Delta:
                sound(pybase64.b64decode(event.delta, validate=True))

        line.send(HELLO)
        while msgspec.json.decode(line.recv(), type=Other).type != "session.updated":
            pass
        yield play


@contextlib.contextmanager
def picows(url: str) -> Iterator[Round]:
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

    sound = Sound()
    decode = msgspec.json.Decoder(Delta | Done).decode
    over = asyncio.Event()

    class Listener(WSListener):
        def on_ws_frame(self, _: WSTransport, frame: WSFrame) -> None:
            data = frame.get_payload_as_bytes()
            if b'"session.' in data or b'"conversation.' in data:
                return
            event = decode(data)
            if type(event) is Delta:
                sound(pybase64.b64decode(event.delta, validate=True))
            else:
                over.set()

    async def play(line: WSTransport) -> None:
        over.clear()
        line.send(WSMsgType.TEXT, GO.encode())
        await over.wait()

    with contextlib.closing(asyncio.new_event_loop()) as loop:
        line, _ = loop.run_until_complete(ws_connect(Listener, url))
        line.send(WSMsgType.TEXT, HELLO.encode())
        yield lambda: loop.run_until_complete(play(line))
        line.disconnect()
        loop.run_until_complete(line.wait_disconnected())


@contextlib.contextmanager
def raw_socket(url: str) -> Iterator[Round]:
    """The floor: receive, find the frames, copy each one's payload; no JSON, no base64."""
    import websocket

    line: Any = websocket.create_connection(url, skip_utf8_validation=True)
    incoming = wire.floor(line.sock)

    def play(say: str = GO, until: bytes = b'"response.done"') -> None:
        line.send(say)
        for data in incoming:
            if data.find(until, 0, 40) >= 0:
                break

    play(HELLO, b'"session.updated"')
    yield play
    line.shutdown()


CONTENDERS: dict[str, tuple[str, Contender]] = {
    "grok_rt": ("grok_rt", ours),
    "openai": ("openai", openai_sdk),
    "websocket-client + json + base64": ("websocket", websocket_client),
    "websockets sync + msgspec + pybase64": ("websockets", websockets_sync),
    "picows + msgspec + pybase64": ("picows", picows),
    "raw socket, frames only": ("websocket", raw_socket),
}


def main() -> None:
    options = figures.options(__doc__, rounds=7)
    contenders = {}
    for name, (package, contender) in CONTENDERS.items():
        if importlib.util.find_spec(package) is None:
            figures.missing(package)
        else:
            contenders[name] = contender
    table: dict[str, list[float]] = {name: [] for name in contenders}
    with figures.serving("flood_server.py") as port:
        for size, full in COUNTS.items():
            count = full // 20 if options.quick else full
            url = f"ws://127.0.0.1:{port}/flood/{size}/{count}"
            with contextlib.ExitStack() as stack:
                cases = {}
                for name, contender in contenders.items():
                    play = stack.enter_context(contender(url))
                    cases[name] = functools.partial(figures.cpu_of, play)
                for name, seconds in figures.best(cases, options.rounds).items():
                    table[name].append(seconds / count * 1e6)
    columns = [f"{size // KIB} KiB" for size in COUNTS]
    figures.show("Receive: CPU us per audio delta", columns, table, per="grok_rt")
    own, at = table["grok_rt"], columns.index("4 KiB")
    for name, limit in (("openai", 1 / 12), ("websocket-client + json + base64", 0.4)):
        if name in table:
            figures.judge(f"4 KiB, of {name}", own[at] / table[name][at], limit)
    figures.machine("websocket-client", "openai", "websockets", "picows")


if __name__ == "__main__":
    main()
