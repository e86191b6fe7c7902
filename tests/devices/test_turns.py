"""When a turn is over, and which were."""

from __future__ import annotations

from grok_rt import events
from grok_rt.devices import Heard
from grok_rt.devices._turns import FinishedTurns
from grok_rt.models import ConversationItem, FunctionCall, ResponseInfo


class Story:
    """Events, and what of the sound is still to be heard."""

    def __init__(self) -> None:
        self.playing: set[str] = set()
        self.cut: set[str] = set()
        self.turns = FinishedTurns(self.playing.__contains__, self.heard)
        self.now = 0.0

    def heard(self, item_id: str) -> Heard | None:
        return Heard("r", item_id, 100, 300 if item_id in self.cut else 100)

    def tell(self, *told: events.Event) -> list[tuple[str, str, bool]]:
        for event in told:
            self.now += 1
            self.turns.feed(event, self.now)
        return [(turn.role, turn.text, turn.interrupted) for turn in self.turns.take()]


def spoken(item_id: str, text: str, status: str = "completed") -> events.Event:
    return events.InputAudioTranscriptionCompleted(item_id=item_id, transcript=text, status=status)


def answer(item_id: str, text: str) -> list[events.Event]:
    return [
        events.ResponseOutputAudioTranscriptDelta(delta=text, item_id=item_id, response_id="r"),
        events.ResponseDone(response_id="r", response=ResponseInfo(id="r", status="completed")),
    ]


def test_a_question_is_over_when_its_words_are_final() -> None:
    """Speech that has ended is given once its transcript is complete, and then no more."""
    story = Story()
    assert story.tell(events.InputAudioBufferSpeechStarted(item_id="u", audio_start_ms=0)) == []
    assert story.tell(spoken("u", "How", "in_progress")) == []
    assert story.tell(events.InputAudioBufferSpeechStopped(item_id="u", audio_end_ms=9)) == []
    assert story.tell(spoken("u", "How warm?")) == [("user", "How warm?", False)]
    assert story.tell(spoken("u", "How warm?")) == []


def test_an_answer_is_over_when_it_was_heard() -> None:
    """The service has long said all of it; the listener hears it to its end."""
    story = Story()
    story.playing.add("a")
    assert story.tell(*answer("a", "Cold.")) == []
    story.playing.clear()
    assert story.tell() == [("assistant", "Cold.", False)]


def test_an_answer_that_was_cut_while_it_was_heard() -> None:
    """It had come to its end, and was interrupted all the same."""
    story = Story()
    story.cut.add("a")
    assert story.tell(*answer("a", "Cold.")) == [("assistant", "Cold.", True)]


def test_words_that_never_become_final() -> None:
    """A question whose last transcript does not come is given with the answer."""
    story = Story()
    told = story.tell(
        events.InputAudioBufferSpeechStarted(item_id="u", audio_start_ms=0),
        spoken("u", "How", "in_progress"),
        events.InputAudioBufferSpeechStopped(item_id="u", audio_end_ms=9),
        *answer("a", "Cold."),
    )
    assert told == [("user", "How", False), ("assistant", "Cold.", False)]


def test_a_call_is_over_with_its_output() -> None:
    """What a tool has said is a turn, too."""
    story = Story()
    call = FunctionCall("c", "weather", "{}")
    done = events.ResponseFunctionCallArgumentsDone(
        call_id=call.call_id, name=call.name, arguments="{}", item_id="f", response_id="r"
    )
    assert story.tell(done) == []
    item = ConversationItem(type="function_call_output", call_id="c", output="3 degrees", id="o")
    assert story.tell(events.ConversationItemAdded(item=item)) == [("tool", "3 degrees", False)]


def test_the_end_gives_all() -> None:
    """When nothing more comes, what is not over is given as it is."""
    story = Story()
    story.playing.add("a")
    assert story.tell(*answer("a", "Cold.")) == []
    assert [turn.text for turn in story.turns.take(all=True)] == ["Cold."]
    assert story.turns.take(all=True) == []
