"""The service as xAI's documentation has it: names and orders; the fields are `test_wire`'s."""

from __future__ import annotations

from tour import asked, by_hand, resumed, text_and_tools, voice
from virtual_talk import Talk, names, only

from grok_rt.audio import AudioClip
from grok_rt.simulator.script import Script

SPEECH = [  # without its deltas
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
]


def test_opening_and_no_pings() -> None:
    """The conversation comes first, and pings are not in the schema."""
    talk = Talk(documented_shapes=True)
    assert names(talk.opening) == ["conversation.created", "session.created"]
    assert talk.wait(60) == talk.pings == []


def test_text_turn() -> None:
    """An item ends with its sound, its words, its part, itself."""
    talk = Talk(Script().says("Yes."), documented_shapes=True)
    turn = asked(talk, "Are you there?")
    head = ["conversation.item.added", "response.created"]
    whole = [name for name in names(turn) if not name.endswith("delta")]
    assert whole == [*head, *SPEECH, "response.done"]
    part = only(turn, "response.content_part.done")[0]["part"]
    assert part == {"type": "audio", "transcript": "Yes."}
    assert turn[-1]["response"]["usage"]["total_tokens"] > 0
    assert turn[-1]["response"]["metadata"] is None


def test_session_updated() -> None:
    """The echo has id, object and voice."""
    talk = Talk(documented_shapes=True)
    (echo,) = talk.send("session.update", session={"voice": "Rex"})
    assert echo["session"]["id"] == talk.opening[1]["session"]["id"]
    assert echo["session"]["object"] == "realtime.session"
    assert echo["session"]["voice"] == "Rex"


def test_metadata() -> None:
    """Metadata that were sent come back."""
    done = text_and_tools(documented_shapes=True)[-1]
    assert done["response"]["metadata"] == {"turn": "7"}


def test_interruption(question: AudioClip) -> None:
    """A response that is interrupted is cancelled; a transcript is final when it comes."""
    turn = voice(question, documented_shapes=True)
    statuses = [done["response"]["status"] for done in only(turn, "response.done")]
    assert statuses == ["cancelled", "completed"]
    final = only(turn, "conversation.item.input_audio_transcription.completed")
    assert len(final) == 2


def test_commit(question: AudioClip) -> None:
    """A commit is confirmed, and not answered."""
    turn = by_hand(question, documented_shapes=True)
    assert only(turn, "input_audio_buffer.committed")
    assert not only(turn, "response.created")


def test_replay() -> None:
    """A resumed conversation comes back with `conversation.item.created`, both sides of it."""
    replayed = only(resumed(documented_shapes=True, seed=None), "conversation.item.created")
    assert [each["item"]["role"] for each in replayed] == ["user", "assistant"]


def test_unknown_messages_pass() -> None:
    """What a test injects is sent as it is."""
    talk = Talk(documented_shapes=True)
    talk.peer.inject({"type": "surprise", "event_id": "e", "x": 1}, talk.now)
    (surprise,) = talk.wait(0)
    assert surprise == {"type": "surprise", "event_id": "e", "x": 1, "previous_item_id": None}
