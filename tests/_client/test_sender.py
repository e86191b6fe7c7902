"""The sender by itself: each verb is one event, handed to `send`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grok_rt import events
from grok_rt._client.sender import GrokSender
from grok_rt.errors import ConfigError
from grok_rt.models import ConversationItem, ResponseCreatePayload


class Collector(GrokSender):
    """A sender whose line is a list."""

    def __init__(self) -> None:
        self.sent: list[events.ClientEvent] = []

    def send(self, event: events.ClientEvent) -> None:
        self.sent.append(event)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda s: s.send_audio(b"pcm"), events.InputAudioBufferAppend(audio=b"pcm")),
        (lambda s: s.commit_audio(), events.InputAudioBufferCommit()),
        (lambda s: s.clear_audio(), events.InputAudioBufferClear()),
        (
            lambda s: s.send_user_text("hi"),
            events.ConversationItemCreate(item=ConversationItem.user_text("hi")),
        ),
        (lambda s: s.request_response(), events.ResponseCreate()),
        (
            lambda s: s.request_response(["audio"], "brief", {"k": "v"}),
            events.ResponseCreate(
                response=ResponseCreatePayload(("audio",), "brief", {"k": "v"}),
            ),
        ),
        (
            lambda s: s.request_response(instructions="brief"),
            events.ResponseCreate(response=ResponseCreatePayload(instructions="brief")),
        ),
        (lambda s: s.cancel_response(), events.ResponseCancel()),
        (
            lambda s: s.say("hello", interruptible=False),
            events.ConversationItemCreate(
                item=ConversationItem.force_message("hello", interruptible=False)
            ),
        ),
    ],
    ids=lambda value: getattr(value, "type", ""),
)
def test_a_verb_is_an_event(
    call: Callable[[GrokSender], None], expected: events.ClientEvent
) -> None:
    """Each verb sends exactly its event; what is not said is absent."""
    sender = Collector()
    call(sender)
    assert sender.sent == [expected]


@pytest.mark.parametrize(
    "metadata", [{str(n): "" for n in range(17)}, {"k" * 65: ""}, {"k": "v" * 513}]
)
def test_metadata_beyond_the_limits(metadata: dict[str, str]) -> None:
    """What the service would refuse is refused before it is sent."""
    sender = Collector()
    with pytest.raises(ConfigError):
        sender.request_response(metadata=metadata)
    assert not sender.sent
