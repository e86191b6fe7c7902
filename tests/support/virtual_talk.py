"""A simulated session under a virtual clock: what a test says, and when what comes back."""

from __future__ import annotations

import base64
import json
from typing import Any

from grok_rt.audio import AudioClip
from grok_rt.simulator.peer import Peer

MANUAL: dict[str, Any] = {"turn_detection": None}
VAD: dict[str, Any] = {"turn_detection": {"type": "server_vad"}}


class Talk:
    """One session under a virtual clock that jumps to the next message."""

    def __init__(self, script: Any = None, *, query: Any = None, **options: Any) -> None:
        self.now = 100.0
        self.peer = Peer(script, **{"seed": 7, **options})
        self.peer.open(self.now, query)
        self.sound: list[bytes] = []
        self.opening = self._take()
        self.pings = only(self.opening, "ping")

    def send(self, type: str, **fields: Any) -> list[dict[str, Any]]:
        """Send an event, and take what is answered in the same moment."""
        self.peer.receive(json.dumps({"type": type, **fields}).encode(), self.now)
        return self.wait(0)

    def write(self, text: str) -> list[dict[str, Any]]:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        return self.send("conversation.item.create", item=item)

    def answer(self, call_id: str, output: str) -> list[dict[str, Any]]:
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        return self.send("conversation.item.create", item=item)

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """All messages of the next seconds, each at its own time; pings go to `pings`."""
        messages: list[dict[str, Any]] = []
        end = self.now + seconds
        while (due := self.peer.next_at) is not None and due <= end:
            self.now = max(self.now, due)
            for message in self._take():
                (self.pings if message["type"] == "ping" else messages).append(message)
        self.now = end
        return messages

    def _take(self) -> list[dict[str, Any]]:
        frames = self.peer.frames(self.now)
        self.sound += [frame.data for frame in frames if frame.opcode == 2]
        return [json.loads(frame.data) for frame in frames if frame.opcode == 1]

    def say(self, clip: AudioClip, *, tail: float = 1.0) -> list[dict[str, Any]]:
        """Speak in real time, in pieces of 20 ms, and keep quiet for a while."""
        messages: list[dict[str, Any]] = []
        form = clip.format
        sound = clip.data + form.silence(tail * 1000)
        step = form.frame_bytes(20)
        for start in range(0, len(sound), step):
            piece = base64.b64encode(sound[start : start + step]).decode()
            messages += self.send("input_audio_buffer.append", audio=piece)
            messages += self.wait(0.02)
        return messages


def names(messages: list[dict[str, Any]], *, short: bool = True) -> list[str]:
    """The types, with runs of deltas as one."""
    found: list[str] = []
    for message in messages:
        type = message["type"]
        if not (short and found and found[-1] == type and "delta" in type):
            found.append(type)
    return found


def only(messages: list[dict[str, Any]], type: str) -> list[dict[str, Any]]:
    return [message for message in messages if message["type"] == type]
