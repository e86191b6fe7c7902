"""The verbs that stop a reply: those who play it learn of that first, then the server.

They run on the caller's thread, and never wait for the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grok_rt import events
from grok_rt._client.sender import GrokSender
from grok_rt._unset import UNSET
from grok_rt.audio import OPUS

if TYPE_CHECKING:
    from grok_rt._client.lifecycle import Lifecycle
    from grok_rt._connection.inbox import Inbox
    from grok_rt.models import SessionConfig

__all__ = ["GrokInterrupter"]


class GrokInterrupter(GrokSender):
    """How Grok is cut short."""

    config: SessionConfig
    _inbox: Inbox
    _lifecycle: Lifecycle

    def cancel_response(self) -> None:
        """Stop the reply that is being made; harmless when there is none.

        Function calls that it made are answered, but not spoken about; their tools are told.
        """
        response_id, _, _ = self._lifecycle.open_connection().ledger.interrupt()
        self._send_best_effort(events.ResponseCancel, response_id=response_id or UNSET)

    def interrupt(self, played_ms: int | None = None, *, item_id: str | None = None) -> None:
        """Stop the reply, tell the sinks, and tools that work; never waits for the server.

        Puts an `Interrupted` event, sends `response.cancel` if a response is under way, and
        shortens the server's memory of the item to what was heard (best effort: the live
        server often does not answer).

        Args:
            played_ms: how much of the item's sound was heard, where the caller knows.
            item_id: the item that was being heard, by default the last one. If another has
                begun since, that one is left alone.
        """
        ledger = self._lifecycle.open_connection().ledger
        response_id, item_id, received = ledger.interrupt(item_id)
        # The sinks first: they must not wait for a line that is stuck.
        self._inbox.put_event(
            events.Interrupted(response_id=response_id, item_id=item_id, played_ms=played_ms)
        )
        if response_id is not None:
            self._send_best_effort(events.ResponseCancel, response_id=response_id)
        if item_id is not None and played_ms is not None:
            output = self.config.output_audio_format
            if received is not None and output.type != OPUS.type:  # else the server clamps it
                played_ms = min(played_ms, int(output.duration(received) * 1000))
            shorter = {"item_id": item_id, "audio_end_ms": max(0, played_ms), "content_index": 0}
            self._send_best_effort(events.ConversationItemTruncate, **shorter)

    def _send_best_effort(self, event_class: type[events.ClientEvent], **fields: Any) -> None:
        if self._lifecycle.state == "reconnecting":
            return  # what it is about has gone with the connection
        event_id = self._lifecycle.open_connection().ledger.best_effort_id()
        self.send(event_class(event_id=event_id, **fields))
