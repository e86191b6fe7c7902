"""What the service does in a session: its answer to each client event, turns, interruption.

Pure state on an `Agenda`; wire objects in, wire objects out through `send`. The order of the
messages is the one recorded from the live service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from grok_rt import audio
from grok_rt.simulator import shapes
from grok_rt.simulator.items import (
    audio_bytes,
    check_metadata,
    checked_item,
    echo_item,
    forced_text,
    item_text,
)
from grok_rt.simulator.listening import Cue, Listener, Turn
from grok_rt.simulator.packets import PacketListener
from grok_rt.simulator.reading import Refused, needed, optional
from grok_rt.simulator.script import Performance, Prompt, Reply
from grok_rt.simulator.settings import Settings
from grok_rt.simulator.speaking import Speaker, Temper

if TYPE_CHECKING:
    from grok_rt.simulator.agenda import Agenda
    from grok_rt.simulator.conversation import Conversation
    from grok_rt.simulator.response import Response
    from grok_rt.simulator.shapes import Wire


class Session:
    """One session's mind.

    Args:
        agenda: the session's time.
        send: takes each message that goes out, now.
        new_id: makes ids.
        unix_ms: the wall clock at a time of the agenda.
        performance: what is heard and said.
        temper: how quickly.
        model: what the service calls itself.
        conversation: a new one, or the one that is resumed.
    """

    def __init__(
        self,
        *,
        agenda: Agenda,
        send: Callable[[Wire], None],
        new_id: Callable[[], str],
        unix_ms: Callable[[float], int],
        performance: Performance,
        temper: Temper,
        model: str,
        conversation: Conversation,
    ) -> None:
        self.settings = Settings(model)
        self.conversation = conversation
        self.turns: list[Turn] = []
        self.speaker = Speaker(
            agenda=agenda,
            send=send,
            new_id=new_id,
            unix_ms=unix_ms,
            temper=temper,
            settings=self.settings,
            conversation=conversation,
            billable=lambda: self.billable_seconds,
            done=self._response_done,
        )
        self._answers: dict[str, Callable[[Wire], None]] = {
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.clear": self._clear,
            "input_audio_buffer.commit": self._commit,
            "response.cancel": self._cancel_response,
            "response.create": self._create_response,
            "session.update": self._update,
        }
        self._agenda = agenda
        self._send = send
        self._new_id = new_id
        self._performance = performance
        self._opened = agenda.now
        self._listener = self._new_listener()
        self._nothing_new = False  # the committed audio has been answered (manual mode)
        self._replayed = not conversation.items
        self._received_seconds = 0.0
        self._carried_seconds = conversation.billable_seconds

    @property
    def billable_seconds(self) -> float:
        """The running total: wall clock with server VAD, audio both ways without; resumed too."""
        if self._server_vad:
            spent = self._agenda.now - self._opened
        else:
            spent = self._received_seconds + self.speaker.sent_seconds
        self.conversation.billable_seconds = self._carried_seconds + spent
        return self.conversation.billable_seconds

    # --- client events -----------------------------------------------------------------

    def answer(self, message: Wire) -> None:
        """Do what a client event asks for.

        Raises:
            Refused: the service would answer with an `error`.
        """
        handler = self._answers.get(message["type"])
        if handler is None:
            raise Refused(f"Unknown event type {message['type']}", type="invalid_event")
        handler(message)

    def _update(self, message: Wire) -> None:
        before = self._hearing
        self.settings.update(message.get("session"))
        if self._hearing != before:
            self._listener = self._new_listener()
        if self.settings.resumable and not self._replayed:
            self._replayed = True
            for item in self.conversation.replay():
                self._send(shapes.item_added({**item, "id": self._new_id()}))
        self._send(self.settings.echo())

    @property
    def _hearing(self) -> tuple[audio.AudioFormat, dict[str, Any]]:
        return self.settings.input_format, dict(self.settings.turn_detection or {})

    def _new_listener(self) -> Listener | PacketListener:
        form, detection = self._hearing
        return PacketListener() if form.type == "audio/opus" else Listener(form, detection)

    def _append(self, message: Wire) -> None:
        self.hear(audio_bytes(message))

    def hear(self, data: bytes) -> None:
        """The next audio of the user, however it came."""
        if self._agenda.now < self.speaker.deaf_until:
            return  # a forced message that may not be interrupted
        self._received_seconds += self._listener.seconds(data)
        for cue in self._listener.hear(data):
            if cue is Cue.STARTED:
                self._speech_started()
            elif cue is Cue.GOING_ON:
                self._transcribe_on()
            elif cue is Cue.OPENED:
                if not self._server_vad:
                    self._begin_turn()
            elif self._server_vad and (turn := self._listener.take()):
                self._end_turn(turn)

    def _commit(self, _message: Wire) -> None:
        # Silence and an empty buffer: no event, no error (live).
        if not self._server_vad and (turn := self._listener.take()):
            self._end_turn(turn)

    def _clear(self, _message: Wire) -> None:
        self._listener.take()
        response = self.speaker.active
        if response and response.from_commit and not response.sent_seconds:
            self.speaker.abandon()  # `clear` right after a commit takes it back (live)
        self._nothing_new = False
        self._send({"type": "input_audio_buffer.cleared"})

    def _create_item(self, message: Wire) -> None:
        item = checked_item(message.get("item"))
        after = optional(message, "previous_item_id", str)
        if item["type"] == "force_message":
            self._force(item)
            return
        if item["type"] == "function_call_output":
            self._check_call(item["call_id"])
            if item["call_id"] in self.conversation.search_ids:
                self.conversation.ask(meddled=True)
            else:
                outputs = (*self.conversation.prompt.outputs, item["output"])
                self.conversation.ask(outputs=outputs)
        elif item.get("role") == "user":
            self.conversation.ask(text=item_text(item))
        echo = echo_item(item, item.get("id") or self._new_id())
        before = after or self.conversation.last_id()
        self.conversation.add(echo, after)
        self._nothing_new = False
        self._send(shapes.item_added(echo, before if item["type"] == "message" else None))

    def _check_call(self, call_id: str) -> None:
        """Calls exist once their response is done (live)."""
        if call_id not in self.conversation.call_ids:
            raise Refused(
                f"Tool call ID '{call_id}' not found in conversation", code="invalid_tool_call_id"
            )

    def _force(self, item: Wire) -> None:
        self._refuse_while_active()
        self.speaker.respond(
            Prompt(),
            Reply(forced_text(item)),
            interruptible=item.get("interruptible") is not False,
        )

    def _delete_item(self, message: Wire) -> None:
        item_id = needed(message, "item_id", str)
        if not self.conversation.delete(item_id):
            raise Refused("Item not found", param="item_id")
        self._send(shapes.item_deleted(item_id))

    def _truncate_item(self, message: Wire) -> None:
        """Taken without an answer and without an error (live)."""
        needed(message, "item_id", str)
        optional(message, "content_index", int)
        optional(message, "audio_end_ms", int)

    def _create_response(self, message: Wire) -> None:
        payload = optional(message, "response", dict) or {}
        optional(payload, "instructions", str, "response")
        optional(payload, "modalities", list, "response")
        metadata = optional(payload, "metadata", dict, "response")
        check_metadata(metadata or {})
        if self._nothing_new and not self._server_vad:
            return  # dropped without a word (live)
        self._refuse_while_active()
        if not self._server_vad and (turn := self._listener.take()):
            self._end_turn(turn, metadata)
            return
        prompt = self.conversation.take_prompt()
        self.speaker.respond(prompt, self._performance.reply(prompt), metadata=metadata)

    def _refuse_while_active(self) -> None:
        if self.speaker.active:
            raise Refused("Conversation already has an active response")

    def _cancel_response(self, message: Wire) -> None:
        wanted = optional(message, "response_id", str)
        active = self.speaker.active
        if active is None or wanted not in (None, active.id):
            raise Refused("Cancellation failed: no active response found")
        self.speaker.cut("cancelled")

    # --- the user's turn ---------------------------------------------------------------

    @property
    def _server_vad(self) -> bool:
        return self.settings.turn_detection is not None

    @property
    def _session_ms(self) -> int:
        """Milliseconds since the connection: what `audio_start_ms` really is (live)."""
        return round((self._agenda.now - self._opened) * 1000)

    def _speech_started(self) -> None:
        self._interrupt()
        self._agenda.cancel(self._idle)
        turn = self._listener.turn or self._begin_turn()
        self._send(shapes.speech_started(turn.item_id, self._session_ms))
        if self._server_vad:
            self._announce(turn)

    def _begin_turn(self) -> Turn:
        turn = self._listener.begin(self._new_id(), self._performance.transcript())
        turn.after = self.conversation.last_id(of_user=True)
        self._nothing_new = False
        return turn

    def _interrupt(self) -> None:
        """The user's speech stops the reply that is being produced."""
        if self._server_vad:
            self.speaker.cut("completed")  # barge-in
        else:
            self.speaker.abandon()  # manual mode: not even a `response.done` (live)

    def _announce(self, turn: Turn) -> None:
        if not turn.announced:
            turn.announced = True
            item = shapes.spoken_item(turn.item_id, "", status="in_progress")
            self.conversation.add(item)
            self._send(shapes.item_added(item, turn.after))

    def _transcribe_on(self) -> None:
        turn = self._listener.turn
        if turn and self.settings.transcribes:
            self._announce(turn)
            self._send(shapes.transcription_updated(turn.item_id, turn.partial))
            self._send(shapes.transcription_completed(turn.item_id, turn.partial, "in_progress"))

    def _end_turn(self, turn: Turn, metadata: Mapping[str, Any] | None = None) -> None:
        """The turn joins the conversation, and its answer begins by itself."""
        self._interrupt()  # a reply that began while the user was speaking
        self.turns.append(turn)
        words = turn.transcript
        self.conversation.ask(
            text=words,
            speech_seconds=turn.seconds,
            sound=turn.sound,
            scripted=turn.script is not None,
        )
        prompt = self.conversation.take_prompt()
        reply = self._performance.reply(prompt)
        heard = shapes.transcription_completed(turn.item_id, words, "completed")
        self.conversation.add(item := shapes.spoken_item(turn.item_id, words, status="completed"))
        self._send(shapes.speech_stopped(turn.item_id, self._session_ms))
        if self._server_vad:
            self._send(shapes.transcription_completed(turn.item_id, words, "in_progress"))
            self.speaker.respond(prompt, reply)
            self._send(shapes.committed(turn.item_id, turn.after))
            self._send(heard)
        else:
            self._send(shapes.committed(turn.item_id, turn.after))
            if not turn.announced:
                self._send(shapes.item_added(item, turn.after))
            self._send(heard)
            self.speaker.respond(prompt, reply, metadata=metadata, from_commit=True)
            self._nothing_new = True

    # --- nobody speaks -----------------------------------------------------------------

    def _response_done(self, response: Response) -> None:
        self.conversation.call_ids.update(response.call_ids)
        self.conversation.search_ids.update(searches := response.searches)
        if searches and len(searches) == len(response.call_ids):  # nothing for the client to do
            prompt = Prompt(searched=tuple(searches.values()))
            self.speaker.respond(prompt, self._performance.reply(prompt))
            return
        idle_ms = (self.settings.turn_detection or {}).get("idle_timeout_ms")
        if idle_ms:
            # The silence begins when the answer has been played, not when it has been sent.
            played = response.started + self.settings.output_format.duration(response.audio)
            self._agenda.set(self._idle, max(played, self._agenda.now) + idle_ms / 1000)

    def _idle(self) -> None:
        """An unprompted reply to a silent turn."""
        idle_ms = (self.settings.turn_detection or {}).get("idle_timeout_ms")
        if not idle_ms or self.speaker.active or self._listener.turn:
            return
        item_id, after = self._new_id(), self.conversation.last_id(of_user=True)
        end = self._session_ms
        self._send(shapes.timeout_triggered(item_id, after, end - round(idle_ms), end))
        self._send(shapes.committed(item_id, after))
        item = shapes.spoken_item(item_id, "", status="completed")
        self.conversation.add(item)
        self._send(shapes.item_added(item, after))
        prompt = Prompt(silence=True)
        self.speaker.respond(prompt, self._performance.reply(prompt))
