"""A small realtime service by another hand: on wsproto, and from the text of the protocol alone.

It knows nothing of `grok_rt`, neither its frames nor its shapes, so that a mistake which client
and simulator have in common shows here. Section numbers are those of the protocol.
"""

from __future__ import annotations

import array
import base64
import contextlib
import json
import math
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

from raw_peer import listening
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

Message = dict[str, Any]

RATE = 24_000
LOUD = 1500  # an amplitude that only a voice has
END_OF_SPEECH_MS = 300


def new_id() -> str:
    return str(uuid.uuid4())


def tone(seconds: float) -> bytes:
    """What this service says, whatever it says."""
    step = 2 * math.pi * 440 / RATE
    samples = (int(8000 * math.sin(step * n)) for n in range(int(seconds * RATE)))
    return array.array("h", samples).tobytes()


class OtherSession:
    """One connection: 9.1, then whatever the client asks for."""

    def __init__(self, connection: socket.socket, key: str, log: list[Message]) -> None:
        self._socket = connection
        self._ws = WSConnection(ConnectionType.SERVER)
        self._key = key
        self._log = log
        self._began = time.monotonic()
        self._config: Message = {}
        self._asked = ""
        self._outputs: list[str] = []
        self._calls: set[str] = set()
        self._user_item: str | None = None
        self._speech_item: str | None = None
        self._quiet_ms = 0.0
        self._text = ""

    # --- the line ------------------------------------------------------------------------

    def run(self) -> None:
        while data := self._socket.recv(65536):
            self._ws.receive_data(data)
            for event in self._ws.events():
                if not self._handle(event):
                    return

    def _handle(self, event: Any) -> bool:
        if isinstance(event, Request):
            return self._open(event)
        if isinstance(event, Ping):
            self._socket.sendall(self._ws.send(event.response()))
        elif isinstance(event, CloseConnection):
            self._socket.sendall(self._ws.send(event.response()))
            return False
        elif isinstance(event, TextMessage):
            self._text += event.data
            if event.message_finished:
                message, self._text = json.loads(self._text), ""
                self._log.append(message)
                self._answer(message)
        return True

    def _open(self, request: Request) -> bool:
        """2.1 and 2.3: a bearer key, or a refusal with two strings."""
        headers = {name.decode().lower(): value.decode() for name, value in request.extra_headers}
        if headers.get("authorization") != f"Bearer {self._key}":
            body = {"code": "Client specified an invalid argument", "error": "Incorrect API key"}
            reject = RejectConnection(
                status_code=400, headers=[(b"content-type", b"application/json")], has_body=True
            )
            self._socket.sendall(self._ws.send(reject))
            self._socket.sendall(self._ws.send(RejectData(json.dumps(body).encode())))
            return False
        self._socket.sendall(self._ws.send(AcceptConnection()))
        session = {
            "id": uuid.uuid4().hex,
            "object": "realtime.session",
            "instructions": "",
            "voice": "xai_ara",
            "modalities": ["audio"],
            "turn_detection": {"type": None},
            "tools": [],
            "model": "grok-voice-think-fast-2.0",
        }
        self._write({"type": "session.created", "event_id": new_id(), "session": session})
        conversation = {"id": new_id(), "object": "realtime.conversation"}
        self._say("conversation.created", conversation=conversation)
        self._say("ping", timestamp=int(time.time() * 1000))
        return True

    def _write(self, message: Message) -> None:
        self._socket.sendall(self._ws.send(TextMessage(json.dumps(message))))

    def _say(self, type: str, **fields: Any) -> None:
        """7: every event has an id and `previous_item_id`."""
        self._write({"type": type, "event_id": new_id(), "previous_item_id": None, **fields})

    # --- 6: what the client says ---------------------------------------------------------

    def _answer(self, message: Message) -> None:
        handler = getattr(self, f"_on_{message['type'].replace('.', '_')}", None)
        if handler is None:
            error = {"type": "invalid_event", "code": "invalid_event", "message": message["type"]}
            self._say("error", error=error)
        else:
            handler(message)

    def _on_session_update(self, message: Message) -> None:
        session = message["session"]
        self._config |= session
        echo = {
            "instructions": session.get("instructions", ""),
            "enable_noise_suppression": False,
            "model": "grok-voice-think-fast-2.0",
            "keep_context": False,
            "enable_phonetic_spelling": False,
            "input_audio_transcription": None,
            "modalities": ["audio"],
            "input_audio_format": "not specified",
            "output_audio_format": "not specified",
            "tool_choice": "auto",
            "temperature": -1.0,
            "max_response_output_tokens": "inf",
        }
        if session.get("turn_detection"):
            echo["turn_detection"] = session["turn_detection"]
        if session.get("tools"):  # 5: always echoed nested
            echo["tools"] = [
                {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}
                for tool in session["tools"]
            ]
        self._say("session.updated", session=echo)

    def _on_conversation_item_create(self, message: Message) -> None:
        item = dict(message["item"])
        item.setdefault("id", new_id())
        item |= {"object": "realtime.item", "status": "completed", "replayed": False}
        if item["type"] == "function_call_output":
            if item["call_id"] not in self._calls:
                error = {
                    "type": "invalid_request_error",
                    "code": "invalid_tool_call_id",
                    "message": "tool call id not found in conversation",
                }
                self._say("error", error=error | {"event_id": message.get("event_id")})
                return
            item["role"] = "tool"
            self._outputs.append(item["output"])
        else:
            self._asked = " ".join(part.get("text", "") for part in item["content"])
            self._user_item = item["id"]
        self._say("conversation.item.added", item=item)

    def _on_response_create(self, message: Message) -> None:
        self._respond((message.get("response") or {}).get("metadata"))

    def _on_input_audio_buffer_append(self, message: Message) -> None:
        """9.3: speech begins, and ends when it has been quiet for a while."""
        samples = array.array("h", base64.b64decode(message["audio"], validate=True))
        is_loud = max(map(abs, samples), default=0) > LOUD
        wall_ms = int((time.monotonic() - self._began) * 1000)
        if is_loud and self._speech_item is None:
            self._speech_item = new_id()
            self._say(
                "input_audio_buffer.speech_started",
                item_id=self._speech_item,
                audio_start_ms=wall_ms,
            )
            content = [{"type": "input_audio", "transcript": ""}]
            self._say("conversation.item.added", item=self._item("user", content, "in_progress"))
        self._quiet_ms = 0 if is_loud else self._quiet_ms + 1000 * len(samples) / RATE
        if self._speech_item is not None and self._quiet_ms >= END_OF_SPEECH_MS:
            self._end_of_speech(wall_ms)

    def _item(self, role: str, content: list[Message] | None, status: str) -> Message:
        item = {
            "id": self._speech_item or new_id(),
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": role,
            "replayed": False,
        }
        return item if content is None else item | {"content": content}

    def _end_of_speech(self, wall_ms: int) -> None:
        item_id, self._asked = self._speech_item, "How warm is it?"
        heard: Message = {"item_id": item_id, "transcript": self._asked, "content_index": 0}
        completed = "conversation.item.input_audio_transcription.completed"
        self._say("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=wall_ms)
        self._say(completed, **heard, status="in_progress")
        response_id = self._created(None)
        self._say("input_audio_buffer.committed", item_id=item_id)
        self._say(completed, **heard, status="completed")
        self._speech_item = None
        self._user_item = item_id
        self._reply(response_id, None)

    # --- 9.2 and 9.6: what it answers ----------------------------------------------------

    def _respond(self, metadata: Message | None) -> None:
        self._reply(self._created(metadata), metadata)

    def _created(self, metadata: Message | None) -> str:
        response_id = new_id()
        self._say(
            "response.created", response=self._response(response_id, "in_progress", [], metadata)
        )
        return response_id

    def _response(
        self, id: str, status: str, output: list[Message], metadata: Message | None
    ) -> Message:
        body = {
            "id": id,
            "object": "realtime.response",
            "output": output,
            "status": status,
            "status_details": "unimplemented",
            "usage": {},
        }
        return body if metadata is None else body | {"metadata": metadata}

    def _reply(self, response_id: str, metadata: Message | None) -> None:
        tools = self._config.get("tools") or []
        output, sound = [], tone(0.7)
        if self._outputs:
            output.append(self._speak(response_id, f"It is {self._outputs.pop()}.", sound))
        elif tools and "warm" in self._asked:
            output.append(self._speak(response_id, "Let me look.", sound))
            output.append(self._call(response_id, tools[0]["name"], {"city": "Oslo"}))
        else:
            output.append(self._speak(response_id, f"You asked: {self._asked}", sound))
        usage = {
            "input_tokens": 4,
            "input_token_details": {"text_tokens": 4, "audio_tokens": 0, "grok_tokens": 0},
            "output_tokens": 36,
            "output_token_details": {"text_tokens": 0, "audio_tokens": 36, "grok_tokens": 0},
            "total_tokens": 40,
            "output_audio_seconds": 0.7,
            "billable_audio_seconds": int(time.monotonic() - self._began),
        }
        response = self._response(response_id, "completed", output, metadata)
        self._say("response.done", response=response, response_id=response_id, usage=usage)

    def _speak(self, response_id: str, text: str, sound: bytes) -> Message:
        item = self._item("assistant", None, "in_progress")
        where = {"response_id": response_id, "output_index": 0}
        self._say("response.output_item.added", item=item, **where)
        self._say(
            "conversation.item.added",
            item=item | {"content": []},
            previous_item_id=self._user_item,
        )
        part = {"item_id": item["id"], "content_index": 0, **where}
        self._say(
            "response.content_part.added",
            part={"type": "audio", "transcript": ""},
            **part | {"previous_item_id": "0"},
        )
        rid, half = new_id(), len(sound) // 4 * 2
        for number, piece in enumerate((sound[:half], sound[half:])):
            first = {"latency": "0.53"} if number == 0 else {}
            self._say(
                "response.output_audio.delta",
                delta=base64.b64encode(piece).decode(),
                rid=rid,
                audio_duration_ms=len(piece) * 1000 // (2 * RATE),
                ts=int(time.time() * 1000),
                **part,
                **first,
            )
            if number == 0:
                self._say(
                    "response.output_audio_transcript.delta",
                    delta=text,
                    rid=rid,
                    start_time=0.0,
                    **part,
                )
        self._say("response.output_audio_transcript.done", transcript=text, **part)
        self._say("response.content_part.done", **part)
        self._say("response.output_audio.done", **part)
        self._say("response.output_item.done", item=item | {"status": "completed"}, **where)
        content = [{"type": "audio", "transcript": text}]
        return item | {"status": "completed", "content": content}

    def _call(self, response_id: str, name: str, arguments: Message) -> Message:
        call_id, written = f"call-{new_id()}-0", json.dumps(arguments)
        item = {
            "id": new_id(),
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "role": "user",
            "call_id": call_id,
            "name": name,
            "arguments": "",
            "replayed": False,
        }
        where = {"response_id": response_id, "output_index": 0}
        self._say("response.output_item.added", item=item, **where)
        self._say("conversation.item.added", item=item | {"role": "tool"})
        about = {"item_id": item["id"], "response_id": response_id, "call_id": call_id}
        self._say("response.function_call_arguments.delta", delta=written, **about)
        self._say(
            "response.function_call_arguments.done",
            output_index=0,
            name=name,
            arguments=written,
            **about,
        )
        done = item | {"status": "completed", "arguments": written}
        self._say("response.output_item.done", item=done, **where)
        self._calls.add(call_id)
        return done


@contextlib.contextmanager
def other_server(key: str) -> Iterator[tuple[str, list[Message]]]:
    """Run it; yields its URL, and what its clients have said."""
    log: list[Message] = []

    def talk(connection: socket.socket) -> None:
        OtherSession(connection, key, log).run()

    with listening(talk) as port:
        yield f"ws://127.0.0.1:{port}/v1/realtime", log
