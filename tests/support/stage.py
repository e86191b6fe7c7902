"""A server that follows a script, on a real socket: the flows are played here without a simulator.

It is written from RFC 6455 and the standard library alone, so that nothing under test judges
itself. A script is a function of a `Peer`; it runs on a thread of the server's, and whatever it
raises fails the test.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import live
from raw_peer import listening, upgraded

from grok_rt import GrokClient, SessionConfig, events
from grok_rt.errors import ConnectionClosedError

Message = dict[str, Any]
Script = Callable[["Peer"], object]

SOON = 10.0  # seconds that anything may take which takes no time
MANUAL = SessionConfig.wideband(turn_detection=None)


class Peer:
    """The server's end of one connection.

    Attributes:
        request: the head of the handshake.
        said: what it said, in order.
        heard: what the client said, in order.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.request = upgraded(connection).decode()
        self.said: list[Message] = []
        self.heard: list[Message] = []
        self._connection = connection
        connection.settimeout(SOON)

    def opens(self, *greeting: Message) -> Message:
        """Greet (by default as of June 2026), and confirm the client's first `session.update`."""
        self.says(*(greeting or live.GREETING))
        update = self.hears("session.update")
        self.says(live.session_updated())
        return update

    def says(self, *messages: Message) -> None:
        """Send messages, each in a frame of its own."""
        self.said += messages
        for message in messages:
            self._send(0x1, json.dumps(message).encode())

    def says_raw(self, text: bytes) -> None:
        """Send a text frame that need not hold a message."""
        self._send(0x1, text)

    def plays(self, sound: bytes) -> None:
        """Send a binary frame."""
        self._send(0x2, sound)

    def hears(self, type: str) -> Message:
        """The client's next message, which must be of this type; sound before it is passed over."""
        while True:
            message = self._message()
            if message["type"] == type:
                return message
            assert message["type"] == "input_audio_buffer.append", (type, message)

    def hears_sound(self) -> bytes:
        """The client's next message, which must be sound."""
        message = self._message()
        assert message["type"] == "input_audio_buffer.append", message
        return base64.b64decode(message["audio"], validate=True)

    def silence(self, seconds: float = 0.2) -> None:
        """Say nothing, and make sure that the client says nothing either."""
        self._connection.settimeout(seconds)
        try:
            message = self._message()
        except TimeoutError:
            return
        finally:
            self._connection.settimeout(SOON)
        raise AssertionError(f"the client broke the silence: {message}")

    def closes(self, code: int, reason: str = "") -> None:
        """Send a close frame, and wait for its answer."""
        self._send(0x8, struct.pack("!H", code) + reason.encode())
        self.listens()

    def vanishes(self) -> None:
        """Hang up without a word."""
        self._connection.shutdown(socket.SHUT_RDWR)

    def listens(self) -> None:
        """Read on until the client is gone."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._message()

    def _message(self) -> Message:
        while True:
            opcode, data = self._receive()
            if opcode == 0x1:
                message: Message = json.loads(data)
                self.heard.append(message)
                return message
            if opcode == 0x9:
                self._send(0xA, data)
            elif opcode == 0x8:
                with contextlib.suppress(OSError):
                    self._send(0x8, data)
                raise EOFError

    def _send(self, opcode: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
        self._connection.sendall(head + data)

    def _receive(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        assert first & 0x80, "this client never fragments"
        assert second & 0x80, "a client masks"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        mask = self._exactly(4)
        return first & 0x0F, bytes(
            byte ^ mask[index % 4] for index, byte in enumerate(self._exactly(size))
        )

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._connection.recv(size - len(data)) or _gone()
        return data


class Stage:
    """A server with a script for each connection, and what the client makes of it.

    Attributes:
        grok: the client of `on_stage`.
        peers: the server's ends of the connections.
        events: what the client's handlers heard, in order.
    """

    def __init__(self, *scripts: Script) -> None:
        self.peers: list[Peer] = []
        self.events: list[events.Event] = []
        self.url = ""
        self.grok: GrokClient
        self._scripts = list(scripts)
        self._failures: list[BaseException] = []
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def sent(self) -> list[str]:
        """The types of what the client said on the last connection, but for sound."""
        types = [message["type"] for message in self.peers[-1].heard]
        return [type for type in types if type != "input_audio_buffer.append"]

    def is_over(self) -> bool:
        """Wait until the last script has ended."""
        return self._over.wait(SOON)

    def types(self, *of: type[events.Event]) -> list[str]:
        """The types of what was heard, in order."""
        return [event.type for event in self.events if isinstance(event, of or events.Event)]

    def heard(self, kind: type[events.Event]) -> list[Any]:
        """What was heard of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def client(self, **options: Any) -> GrokClient:
        """A client of this server that hears everything."""
        options.setdefault("close_timeout", 2.0)
        grok = GrokClient("test", url=self.url, **options)
        grok.on(events.Event)(self.events.append)
        return grok

    def play(self, connection: socket.socket) -> None:
        peer = Peer(connection)
        with self._lock:
            self.peers.append(peer)
            script = self._scripts.pop(0)
        try:
            script(peer)
        except (EOFError, OSError, AssertionError, KeyError) as error:
            self._failures.append(error)
        if not self._scripts:
            self._over.set()
        if not self._failures:
            peer.listens()

    def judge(self) -> None:
        """The script must have run to its end, and nothing it said may be lost or moved."""
        if self._failures:
            raise AssertionError(f"the script failed: {self._failures[0]!r}") from self._failures[0]
        told = [e.error if isinstance(e, events.Harmless) else e for e in self.events]
        heard = [e.event_id for e in told if isinstance(e, events.ServerEvent) and e.event_id]
        said = [m["event_id"] for peer in self.peers for m in peer.said]
        # Of pings that wait one is enough; all else must be there, in order.
        pings = {m["event_id"] for peer in self.peers for m in peer.said if m["type"] == "ping"}
        assert [e for e in heard if e not in pings] == [m for m in said if m not in pings]


@contextlib.contextmanager
def playing(*scripts: Script) -> Iterator[Stage]:
    """Serve one connection after the other, each by its script."""
    stage = Stage(*scripts)
    try:
        with listening(stage.play) as port:
            stage.url = f"ws://127.0.0.1:{port}/v1/realtime"
            yield stage
    except Exception:
        if stage._failures:
            stage.judge()
        raise


@contextlib.contextmanager
def on_stage(script: Script, **options: Any) -> Iterator[Stage]:
    """Open a client to a scripted server; afterwards, whatever was said must have been heard."""
    with playing(script) as stage:
        stage.grok = stage.client(**options)
        with stage.grok:
            yield stage
        with contextlib.suppress(ConnectionClosedError):
            stage.grok.run()
    stage.judge()


def _gone() -> bytes:
    raise EOFError
