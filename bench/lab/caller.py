"""Callers of a server of sessions: sound goes up and comes down in real time, by one thread.

As cheap as can be, since it measures another process: the frames are made beforehand (masked by
zeros, which is a mask like any other), and what comes is counted by its headers.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import struct
import time
from array import array

from lab import wire

UPDATE = {
    "type": "session.update",
    "session": {"turn_detection": {"type": "server_vad"}},
}
_SOUND = b'"response.output_audio.delta"'
_STAMP, _DIGITS = b'"ts":', 13


def masked(data: bytes, opcode: int = wire.TEXT) -> bytes:
    size = len(data)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    else:
        head = bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big")
    return head + bytes(4) + data


def request(port: int) -> bytes:
    return (
        f"GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer x\r\n\r\n"
    ).encode()


def hush(rate: int, milliseconds: int) -> bytes:
    """An append of a quiet hiss, as a microphone in a quiet room makes it."""
    noise = array("h", (byte % 41 - 20 for byte in os.urandom(rate * milliseconds // 1000)))
    sound = base64.b64encode(noise.tobytes()).decode()
    return masked(json.dumps({"type": "input_audio_buffer.append", "audio": sound}).encode())


class Caller:
    """One session.

    Attributes:
        late: seconds by which each audio delta came later than the server meant it to.
        echoes: seconds that each ping took.
    """

    def __init__(self, port: int, append: bytes) -> None:
        self.line = socket.create_connection(("127.0.0.1", port))
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.line.sendall(request(port))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self.line.recv(1)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        self.late: list[float] = []
        self.echoes: list[float] = []
        self.ended = False
        self._append = append
        self._buffer = bytearray()
        self.line.sendall(masked(json.dumps(UPDATE).encode()))
        self.line.sendall(masked(b'{"type":"response.create"}'))
        self.line.setblocking(False)

    def speak(self) -> None:
        """Send one frame of sound."""
        self.line.send(self._append)

    def ping(self) -> None:
        """Ask for an echo."""
        self.line.send(masked(struct.pack("d", time.monotonic()), wire.PING))

    def hear(self) -> None:
        """Take what has come."""
        data = self.line.recv(1 << 18)
        now = time.monotonic()
        self.ended = not data
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        while end - at >= 4:
            size, header = buffer[at + 1], 2
            if size > 125:
                header = 4 if size == 126 else 10
                size = int.from_bytes(buffer[at + 2 : at + header], "big")
            if end - at < header + size:
                break
            opcode = buffer[at] & 0x0F
            if opcode == wire.PONG:
                self.echoes.append(now - struct.unpack_from("d", buffer, at + header)[0])
            elif buffer.find(_SOUND, at, at + header + size) >= 0:
                stamp = buffer.rfind(_STAMP, at, at + header + size) + len(_STAMP)
                self.late.append(time.time() - int(buffer[stamp : stamp + _DIGITS]) / 1000)
            at += header + size
        del buffer[:at]


def converse(callers: list[Caller], seconds: float, hertz: int) -> int:
    """Let all speak and hear for so long, each at its own phase; returns the frames sent."""
    period, begun, sent = 1 / hertz, time.monotonic(), 0
    due = [begun + period * number / len(callers) for number in range(len(callers))]
    number, beats = 0, [0] * len(callers)
    with selectors.DefaultSelector() as selector:
        for caller in callers:
            selector.register(caller.line, selectors.EVENT_READ, caller)
        while time.monotonic() < begun + seconds:
            for key, _ in selector.select(max(0.0, due[number] - time.monotonic())):
                key.data.hear()
                if key.data.ended:
                    raise EOFError("the server has hung up")
            now = time.monotonic()
            while due[number] <= now:
                callers[number].speak()
                sent += 1
                beats[number] += 1
                if beats[number] % hertz == 0:
                    callers[number].ping()
                due[number] += period
                number = (number + 1) % len(callers)
    return sent
