"""What the service does in a session: its answer to each client event.

Pure state on an `Agenda`; wire objects in, wire objects out through `send`. Whose turn it is to
speak is `turn_taking`'s, what is said `speaking`'s.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from grok_rt.simulator import shapes
from grok_rt.simulator.brain import Attentive
from grok_rt.simulator.conversation import words
from grok_rt.simulator.items import (
    audio_bytes,
    check_metadata,
    checked_item,
    echo_item,
    forced_text,
    sounds,
)
from grok_rt.simulator.reading import Refused, needed, optional
from grok_rt.simulator.script import Prompt, Reply
from grok_rt.simulator.settings import Settings
from grok_rt.simulator.speaking import Speaker, Temper
from grok_rt.simulator.turn_taking import TurnTaking

if TYPE_CHECKING:
    from grok_rt.simulator.behaviour import Behaviour
    from grok_rt.simulator.channel import Channel
    from grok_rt.simulator.conversation import Conversation
    from grok_rt.simulator.listening import Turn
    from grok_rt.simulator.response import Response
    from grok_rt.simulator.shapes import Wire
    from grok_rt.simulator.speaking import Speak

_WORDS_PER_SECOND = 2.5
_NOWHERE = ".invalid"  # no name that ends so can be resolved (RFC 6761)


class Session:
    """One session's mind.

    Args:
        channel: its time, its way out, its ids.
        performance: what is heard and said.
        temper: how quickly.
        behaviour: the ways of the service.
        model: what the service calls itself.
        session_id: what the session is called.
        conversation: a new one, or the one that is resumed.
        speak: makes sound of words.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        performance: Attentive,
        temper: Temper,
        behaviour: Behaviour,
        model: str,
        session_id: str,
        conversation: Conversation,
        speak: Speak,
    ) -> None:
        self.settings = Settings(model, behaviour, session_id)
        self.conversation = conversation
        self.speaker = Speaker(
            channel=channel,
            temper=temper,
            behaviour=behaviour,
            settings=self.settings,
            conversation=conversation,
            billable=lambda: self.billable_seconds,
            done=self._response_done,
            speak=speak,
        )
        self._user = TurnTaking(
            channel=channel,
            performance=performance,
            behaviour=behaviour,
            settings=self.settings,
            conversation=conversation,
            speaker=self.speaker,
        )
        self._answers: dict[str, Callable[[Wire], None]] = {
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
            "input_audio_buffer.append": lambda message: self.hear(audio_bytes(message)),
            "input_audio_buffer.clear": self._clear,
            "input_audio_buffer.commit": lambda _: self._user.commit(),
            "response.cancel": self._cancel_response,
            "response.create": self._create_response,
            "session.update": self._update,
        }
        self._agenda = channel.agenda
        self._send = channel.send
        self._new_id = channel.new_id
        self._performance = performance
        self._temper = temper
        self._behaviour = behaviour
        self._opened = channel.agenda.now
        self._replayed = not conversation.items
        self._carried_seconds = conversation.billable_seconds
        self._mcp_servers: dict[str, str] = {}

    @property
    def turns(self) -> list[Turn]:
        """The user's spoken turns that have ended."""
        return self._user.turns

    @property
    def billable_seconds(self) -> float:
        """The running total: wall clock with server VAD, audio both ways without; resumed too."""
        if self._user.server_vad:
            spent = self._agenda.now - self._opened
        else:
            spent = self._user.received_seconds + self.speaker.sent_seconds
        self.conversation.billable_seconds = self._carried_seconds + spent
        return self.conversation.billable_seconds

    def hear(self, data: bytes) -> None:
        """The next audio of the user, however it came."""
        self._user.hear(data)

    def answer(self, message: Wire) -> None:
        """Do what a client event asks for.

        Raises:
            Refused: the service would answer with an `error`.
        """
        handler = self._answers.get(message["type"])
        if handler is None:
            raise Refused(f"Unknown event type {message['type']}", type="invalid_event")
        handler(message)

    # --- the session and its sound -----------------------------------------------------

    def _update(self, message: Wire) -> None:
        self.settings.update(message.get("session"))
        self._user.tune()
        if self.settings.resumable and not self._replayed:
            self._replayed = True
            documented = self._behaviour.documented_shapes
            of_user = self._behaviour.replays_the_user
            for item in self.conversation.replay(self._new_id, of_user=of_user):
                self._send(shapes.item_replayed(item, documented))
        self._send(self.settings.echo())
        self._list_tools()

    def _list_tools(self) -> None:
        """Ask each new MCP server for its tools, as documented; a name in .invalid has none."""
        servers = self.settings.mcp_servers
        for label, url in servers.items():
            if self._mcp_servers.get(label) == url:
                continue
            item_id = self._new_id()
            self._send(shapes.mcp_list_tools("in_progress", item_id))
            end = shapes.mcp_list_tools("completed", item_id)
            if (urlsplit(url).hostname or _NOWHERE).endswith(_NOWHERE):
                error = shapes.mcp_error("connection_error", f"MCP server {label} did not answer")
                end = shapes.mcp_list_tools("failed", item_id, **error)
            self._agenda.set(
                functools.partial(self._send, end), self._agenda.now + self._temper.latency
            )
        self._mcp_servers = servers

    def _clear(self, _message: Wire) -> None:
        self._user.clear()
        self._send({"type": "input_audio_buffer.cleared"})

    # --- items -------------------------------------------------------------------------

    def _create_item(self, message: Wire) -> None:
        item = checked_item(message.get("item"))
        after = optional(message, "previous_item_id", str)
        if item["type"] == "force_message":
            self._force(item)
            return
        if item["type"] == "function_call_output":
            self._take_output(item)
        elif item.get("role") == "user":
            self._take_words(item)
        echo = echo_item(item, item.get("id") or self._new_id())
        before = after or self.conversation.last_id()
        self.conversation.add(echo, after)
        self._user.something_new()
        self._send(shapes.item_added(echo, before if item["type"] == "message" else None))

    def _take_output(self, item: Wire) -> None:
        """The client has answered a call: one that exists, once its response is done (live)."""
        call_id = self.conversation.call_of(
            item["call_id"], shortened=self._behaviour.shortened_call_ids
        )
        if call_id not in self.conversation.call_ids:
            raise Refused(
                f"Tool call ID '{item['call_id']}' not found in conversation",
                code="invalid_tool_call_id",
            )
        if call_id in self.conversation.search_ids:
            self.conversation.ask(meddled=True)
        else:
            outputs = (*self.conversation.prompt.outputs, item["output"])
            self.conversation.ask(outputs=outputs)

    def _take_words(self, item: Wire) -> None:
        """The client has written, or sent sound as an item."""
        seconds = sum(map(self._user.seconds, sounds(item)))
        text = words(item)
        if seconds:
            self.conversation.ask(text=text, speech_seconds=seconds, scripted=bool(text))
        else:
            self.conversation.ask(text=text)

    def _force(self, item: Wire) -> None:
        self._refuse_while_active()
        self.speaker.respond(
            Prompt(),
            Reply(forced_text(item)),
            interruptible=item.get("interruptible") is not False,
        )

    def _delete_item(self, message: Wire) -> None:
        item_id = needed(message, "item_id", str)
        of_model = self._behaviour.answers_can_be_deleted
        if not self.conversation.delete(item_id, of_model=of_model):
            raise Refused("Item not found", param="item_id")
        named = self._behaviour.deleted_names_the_item
        self._send(shapes.item_deleted(item_id if named else ""))

    def _truncate_item(self, message: Wire) -> None:
        """Taken without an answer and without an error (live)."""
        item_id = needed(message, "item_id", str)
        content_index = optional(message, "content_index", int) or 0
        end_ms = optional(message, "audio_end_ms", int) or 0
        if not self._behaviour.truncate_is_answered:
            return
        item = self.conversation.find(item_id)
        if item is None or item["type"] != "message":
            raise Refused("Item not found", param="item_id")
        said = words(item).split()
        heard = " ".join(said[: round(end_ms / 1000 * _WORDS_PER_SECOND)])
        self._send(shapes.item_truncated(item_id, content_index, end_ms, heard))

    # --- responses ---------------------------------------------------------------------

    def _create_response(self, message: Wire) -> None:
        payload = optional(message, "response", dict) or {}
        optional(payload, "instructions", str, "response")
        modalities = optional(payload, "modalities", list, "response")
        modalities = optional(payload, "output_modalities", list, "response") or modalities
        metadata = optional(payload, "metadata", dict, "response")
        check_metadata(metadata or {})
        if self._user.drops_request():
            return  # without a word (live)
        self._refuse_while_active()
        if self._user.commit_for(metadata):
            return
        prompt = self.conversation.take_prompt()
        reply = self._performance.reply(prompt)
        self.speaker.respond(prompt, reply, metadata=metadata, modalities=modalities)

    def _refuse_while_active(self) -> None:
        if self.speaker.active:
            raise Refused("Conversation already has an active response")

    def _cancel_response(self, message: Wire) -> None:
        wanted = optional(message, "response_id", str)
        active = self.speaker.active
        if active is None or wanted not in (None, active.id):
            raise Refused("Cancellation failed: no active response found")
        self.speaker.cut("cancelled")

    def _response_done(self, response: Response) -> None:
        self.conversation.call_ids.update(response.call_ids)
        self.conversation.search_ids.update(response.searches)
        if response.goes_on:
            searched = tuple(response.searches.values())
            prompt = Prompt(searched=searched, outputs=response.results)
            self.speaker.respond(prompt, self._performance.reply(prompt))
        else:
            self._user.response_done(response)
