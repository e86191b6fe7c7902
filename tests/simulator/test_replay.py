"""What was recorded is said again."""

from __future__ import annotations

from grok_rt import SessionConfig, events
from grok_rt.audio import AudioClip
from grok_rt.models import ConversationItem
from grok_rt.simulator import Script, recorded
from grok_rt.simulator.replay import _arguments
from grok_rt.testing import GrokPeer


def talk(peer: GrokPeer, question: AudioClip) -> list[events.Event]:
    """Speak, answer the calls, be answered, and be failed; returns everything that passed."""
    passed: list[events.Event] = []
    config = SessionConfig.wideband().with_turn_detection(None)
    passed += [events.SessionUpdate(config.to_update_payload()), *peer.configure(config)]
    passed += peer.say(question)
    passed += peer.send(events.InputAudioBufferCommit())
    passed += peer.advance(9)
    call_ids = [each.call_id for each in peer.events(events.ResponseFunctionCallArgumentsDone)]
    for call_id in call_ids:
        item = ConversationItem(type="function_call_output", call_id=call_id, output="3 degrees")
        passed += peer.send(events.ConversationItemCreate(item))
    for _ in range(2):
        passed += peer.send(events.ResponseCreate())
        passed += peer.advance(9)
    return passed


def of(passed: list[events.Event], event_class: type[events.Event], name: str) -> list[object]:
    return [getattr(each, name) for each in passed if isinstance(each, event_class)]


SCRIPT = (
    Script()
    .hears("How warm is it?")
    .says("Let me look.")
    .calls("weather", city="Oslo")
    .calls("weather", city="Lima")
    .says("It is 3 degrees.")
    .fails("No more.", code="tired")
)
SAME: list[tuple[type[events.Event], str]] = [
    (events.InputAudioTranscriptionCompleted, "transcript"),
    (events.ResponseOutputAudioTranscriptDone, "transcript"),
    (events.ResponseFunctionCallArgumentsDone, "arguments"),
    (events.AudioDelta, "audio"),
    (events.Error, "code"),
]


def test_what_was_recorded_is_said_again(question: AudioClip) -> None:
    """Words, calls, failures and the very sound are those of the recording, turn by turn."""
    first, second = GrokPeer(), GrokPeer()
    first.brain = SCRIPT
    once = talk(first, question)
    second.brain = recorded(once)
    again = talk(second, question)
    for event_class, name in SAME:
        assert of(once, event_class, name)
        assert of(again, event_class, name) == of(once, event_class, name)


def test_sound_that_was_left_out_is_made_anew(question: AudioClip) -> None:
    """Silence in the place of sound is not what is said; the words are."""
    peer, other = GrokPeer(), GrokPeer()
    peer.brain = SCRIPT
    passed = [
        events.ResponseOutputAudioDelta(response_id=each.response_id, audio=bytes(len(each.audio)))
        if isinstance(each, events.AudioDelta)
        else each
        for each in talk(peer, question)
    ]
    other.brain = recorded(passed)
    again = talk(other, question)
    assert any(any(sound) for sound in of(again, events.AudioDelta, "audio"))  # type: ignore[call-overload]


def test_forced_words_are_not_the_models() -> None:
    """What the client has forced is no response of the script."""
    peer, other = GrokPeer(), GrokPeer()
    peer.script.says("Mine.")
    forced = ConversationItem.force_message("Yours.")
    passed = [events.ConversationItemCreate(forced)]
    passed += peer.send(events.ConversationItemCreate(forced)) + peer.advance(9)  # type: ignore[arg-type]
    passed += peer.write("Hm?") + peer.advance(9)  # type: ignore[arg-type]
    other.brain = recorded(passed)
    other.write("Hm?")
    other.advance(9)
    assert other.said() == "Mine."


def test_what_was_cut_off_is_said_as_far_as_it_came() -> None:
    """A response without its end has the words of its deltas."""
    peer, other = GrokPeer(), GrokPeer()
    peer.script.says("One two three four five six seven eight nine ten eleven twelve.")
    passed = peer.write("Hm?") + peer.advance(0.3) + peer.send(events.ResponseCancel())
    other.brain = recorded(passed)
    other.write("Hm?")
    other.advance(9)
    assert other.said().startswith("One two")
    assert not other.said().endswith("twelve.")


def test_arguments_that_are_no_object() -> None:
    """A call with garbage for arguments is a call without any."""
    assert [_arguments(text) for text in ('{"a": 1}', "[1]", "{", None)] == [{"a": 1}, {}, {}, {}]
