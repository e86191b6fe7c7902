"""The verbs that send: each is one client event, handed to `send`.

The Rust module calls this handle `GrokSender` too. It knows no connection: whoever derives
from it says what `send` does. Every verb may be called from any thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from grok_rt import events
from grok_rt.errors import AudioError
from grok_rt.models import ConversationItem, ResponseCreatePayload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grok_rt.audio import AudioFormat

__all__ = ["GrokSender", "check_event", "check_sound"]


def check_event(event: object) -> None:
    """Refuse what no client says.

    Raises:
        TypeError: it is no event, or the server's or ours.
    """
    if not isinstance(event, (events.ClientEvent, events.UnknownEvent)):
        raise TypeError(f"send() takes an event, such as events.ResponseCreate(), not {event!r}")


def check_sound(pcm: bytes, audio_format: AudioFormat) -> None:
    """Refuse what cannot be sound of this format.

    Raises:
        TypeError: it is no bytes, or of wider numbers than samples are.
        AudioError: half a sample.
    """
    try:
        view = memoryview(pcm)
    except TypeError:
        raise TypeError(
            f"sound is bytes, not {type(pcm).__name__}: ask() takes files, texts and clips"
        ) from None
    if view.itemsize > 2:
        raise TypeError(
            f"sound is bytes of samples as they are on the wire, not of numbers of {view.itemsize} "
            "bytes each: AudioClip converts them"
        )
    if audio_format.type == "audio/pcm" and view.nbytes % 2:
        raise AudioError(f"{view.nbytes} bytes are no whole number of 16-bit samples")


def _check_text(text: str) -> None:
    if not isinstance(text, str):  # None would leave, as a message without a text
        raise TypeError(f"what is said in text is a str, not {type(text).__name__}")


class GrokSender(ABC):
    """What can be said to Grok."""

    @abstractmethod
    def send(self, event: events.ClientEvent) -> None:
        """Send any client event: the escape hatch for what has no verb."""

    def send_audio(self, pcm: bytes) -> None:
        """Append sound to the input buffer, in the session's input format; any length."""
        self.send(events.InputAudioBufferAppend(audio=pcm))

    def commit_audio(self) -> None:
        """End a push-to-talk turn.

        The live server then answers by itself: no `request_response`. A buffer that holds
        no speech is ignored in silence.
        """
        self.send(events.InputAudioBufferCommit())

    def clear_audio(self) -> None:
        """Forget the sound that was not committed yet; right after a commit, its reply too."""
        self.send(events.InputAudioBufferClear())

    def send_user_text(self, text: str) -> None:
        """Add a user's message to the conversation. It alone triggers no reply."""
        _check_text(text)
        self.send(events.ConversationItemCreate(item=ConversationItem.user_text(text)))

    def request_response(
        self,
        modalities: Sequence[str] | None = None,
        instructions: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Ask for a reply to what the conversation holds.

        Args:
            modalities: accepted by the service, but the reply is spoken all the same.
            instructions: *replace* the session's for this one response.
            metadata: comes back on `ResponseCreated` and `ResponseDone`.

        Raises:
            ConfigError: metadata beyond 16 pairs, 64 characters a key, 512 a value.
        """
        if modalities is None and instructions is None and metadata is None:
            self.send(events.ResponseCreate())
            return
        payload = ResponseCreatePayload.of(modalities, instructions, metadata)
        self.send(events.ResponseCreate(response=payload))

    def cancel_response(self) -> None:
        """Stop the reply that is being made; harmless when there is none."""
        self.send(events.ResponseCancel())

    def say(self, text: str, *, interruptible: bool = True) -> None:
        """Let Grok speak `text` word by word; no `request_response` afterwards.

        Args:
            text: what to say; it becomes the assistant's message.
            interruptible: False drops the caller's sound until it has been said.
        """
        _check_text(text)
        item = ConversationItem.force_message(text, interruptible=interruptible)
        self.send(events.ConversationItemCreate(item=item))
