"""Which item is heard, how much of it, and when to stop: no device, and a clock of the test's."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import events
from grok_rt.audio import PCMU, pcm16
from grok_rt.devices import Heard, Playback, PlaybackClock
from grok_rt.errors import AudioError
from grok_rt.models import ConversationItem, ResponseInfo
from grok_rt.streams import AudioQueue, NullSink

SPEECH = events.InputAudioBufferSpeechStarted(item_id="u", audio_start_ms=0)
MESSAGE = ConversationItem(type="message", id="a", role="assistant")


def sound(seconds: float, item_id: str = "a", response_id: str = "r") -> events.AudioDelta:
    return events.ResponseOutputAudioDelta(
        audio=b"\1" * round(8000 * seconds), item_id=item_id, response_id=response_id
    )


def done(status: str, *output: ConversationItem, response_id: str = "r") -> events.ResponseDone:
    return events.ResponseDone(
        response=ResponseInfo(id=response_id, status=status, output=tuple(output))
    )


BARE = done("completed")


class Stage:
    """A playback into a queue; reading it is hearing."""

    def __init__(self) -> None:
        self.queue = AudioQueue(PCMU)
        self.playback = Playback(self.queue, PCMU)
        self.clock = self.playback.clock

    def feed(self, *told: events.Event) -> list[tuple[str | None, float, float]]:
        cuts = [cut for event in told for cut in self.playback.feed(event)]
        return [(cut.item_id, round(cut.heard_ms), round(cut.received_ms)) for cut in cuts]

    def listen(self, seconds: float) -> int:
        return len(self.queue.read(round(8000 * seconds)))

    @property
    def left(self) -> int:
        return len(self.queue)


def test_each_item_has_its_milliseconds() -> None:
    """What was heard of an item is known while it is heard, and after."""
    stage = Stage()
    stage.feed(sound(1.0, "a"), sound(0.5, "b"), sound(0.25, "b"))
    assert stage.clock.remaining == 1.75
    assert stage.clock.heard("a") == Heard("r", "a", 0, 1000)
    stage.listen(0.4)
    assert stage.clock.heard("a") == Heard("r", "a", 400, 1000)
    stage.listen(0.7)
    heard = {item: stage.clock.heard(item) for item in "ab"}
    assert heard["a"] == Heard("r", "a", 1000, 1000)
    assert heard["b"] == Heard("r", "b", pytest.approx(100), 750)
    stage.listen(1)
    assert stage.clock.heard("b") == Heard("r", "b", 750, 750)
    assert stage.clock.unheard() == []
    assert stage.clock.heard("c") is None


@pytest.mark.parametrize(
    "stop",
    [
        SPEECH,
        BARE,
        done("cancelled"),
        done("cancelled", MESSAGE),
        events.ResponseCancelled(response_id="r"),
        events.Interrupted(response_id="r", item_id="a"),
        events.Interrupted(),
    ],
    ids=lambda event: event.type,
)
def test_it_stops_and_drops_the_rest(stop: events.Event) -> None:
    """At an interruption it is silent, tells what was heard, and plays no more of that response."""
    stage = Stage()
    stage.feed(sound(1.0))
    stage.listen(0.3)
    assert stage.feed(stop) == [("a", 300, 1000)]
    assert stage.left == 0
    assert stage.feed(sound(0.5), stop, sound(0.5, "b")) == []
    assert stage.left == 0
    stage.feed(sound(0.2, "c", "next"))
    assert stage.left == 1600
    assert stage.clock.heard("a") == Heard("r", "a", 300, 1000)
    assert stage.clock.heard("c") == Heard("next", "c", 0, 200)


@pytest.mark.parametrize(
    "event",
    [
        done("completed", MESSAGE),
        done("failed"),
        done("incomplete"),
        done("completed", response_id="other"),
        done("cancelled", response_id="other"),
        events.ResponseCancelled(response_id="other"),
        events.ResponseDone(),
        events.InputAudioBufferSpeechStopped(item_id="u", audio_end_ms=1),
        events.ResponseCreated(response=ResponseInfo(id="s")),
    ],
    ids=lambda event: event.type,
)
def test_it_goes_on(event: events.Event) -> None:
    """The orderly end of a response, or another's, does not stop what is still to be heard."""
    stage = Stage()
    stage.feed(sound(1.0))
    assert stage.feed(event) == []
    assert stage.left == 8000


@pytest.mark.parametrize("event", [SPEECH, BARE, events.Interrupted()], ids=lambda e: e.type)
def test_speech_while_nothing_plays_does_nothing(event: events.Event) -> None:
    """Nothing is cut, nothing is dropped: what the response says next is heard."""
    stage = Stage()
    stage.feed(sound(1.0))
    stage.listen(1.0)
    assert stage.feed(event) == []
    stage.feed(sound(0.5))
    assert stage.left == 4000


def test_several_responses_are_cut_together() -> None:
    """What was not heard at all is told too, and none of them goes on."""
    stage = Stage()
    stage.feed(sound(0.5, "a", "r"), done("completed", MESSAGE), sound(0.5, "b", "s"))
    stage.listen(0.2)
    assert stage.feed(SPEECH) == [("a", 200, 500), ("b", 0, 500)]
    stage.feed(sound(0.5, "a", "r"), sound(0.5, "b", "s"))
    assert stage.left == 0


def test_a_hold() -> None:
    """On hold the sink gets nothing; then it gets all, or nothing if it was cut meanwhile."""
    stage = Stage()
    stage.playback.hold()
    stage.playback.hold()
    stage.feed(sound(0.5))
    assert stage.left == 0
    assert stage.playback.is_unheard("a")
    stage.playback.release()
    assert stage.left == 4000
    assert stage.playback.is_unheard("a")
    assert not stage.playback.is_unheard("b")
    stage.playback.hold()
    stage.feed(sound(0.5, "b", "s"))
    assert stage.feed(done("cancelled", response_id="s")) == [("a", 0, 500)]
    stage.feed(sound(0.5, "b", "s"))
    stage.playback.release()
    stage.playback.release()
    assert stage.left == 0


def test_sound_without_a_name() -> None:
    """Sound that names neither item nor response is played, and can be cut."""
    stage = Stage()
    stage.feed(events.ResponseOutputAudioDelta(audio=b"\1" * 800))
    assert stage.feed(BARE) == []
    assert stage.feed(events.ResponseCancelled()) == [(None, 0, 100)]
    assert stage.feed(events.ResponseOutputAudioDelta(audio=b"")) == []
    assert stage.left == 0


def test_a_sink_that_hears_at_once() -> None:
    """Where nothing waits, nothing can be cut."""
    playback = Playback(NullSink(PCMU), PCMU)
    playback.feed(sound(1.0))
    assert playback.clock.remaining == 0
    assert playback.feed(SPEECH) == []


def test_a_wrong_format_is_told() -> None:
    """A sink for another format than the session's would rattle: it is refused."""
    with pytest.raises(AudioError, match=r"takes .*pcmu.* and the session speaks .*24000"):
        Playback(NullSink(PCMU), pcm16(24000))
    Playback(NullSink(pcm16()), pcm16(24000))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 2), st.integers(1, 100)),
        st.tuples(st.just("hear"), st.just(0), st.integers(0, 150)),
        st.tuples(st.just("cut"), st.just(0), st.just(0)),
    )
)


@given(steps)
def test_the_clock_is_right_for_any_story(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is written, heard and cut, each item has exactly what a careful listener counts."""
    position, line = 0, []
    heard: dict[str, int] = defaultdict(int)
    received: dict[str, int] = defaultdict(int)
    clock = PlaybackClock(lambda: position / 1000)
    for verb, item, count in steps:
        name = f"i{item}"
        if verb == "write":
            clock.wrote("r", name, count / 1000)
            line += [name] * count
            received[name] += count
        elif verb == "hear":
            for each in line[:count]:
                heard[each] += 1
            position += len(line[:count])
            del line[:count]
        else:
            clock.cut()
            line.clear()
        assert clock.remaining == pytest.approx(len(line) / 1000, abs=1e-5)
        assert bool(clock.remaining) == bool(line)
        for each, total in received.items():
            known = clock.heard(each)
            assert known is not None
            assert known.heard_ms == pytest.approx(heard[each], abs=0.01)
            assert known.received_ms == pytest.approx(total)
        assert [each.item_id for each in clock.unheard()] == list(dict.fromkeys(line))


def test_only_the_last_items_are_remembered() -> None:
    """A talk of hours does not grow."""
    stage = Stage()
    for number in range(500):
        stage.feed(sound(0.01, f"i{number}", f"r{number}"))
        stage.feed(SPEECH) if number % 2 else stage.listen(1)
    assert stage.clock.heard("i0") is None
    assert stage.clock.heard("i498") is not None
    assert len(stage.clock._past) <= 64
    assert len(stage.playback._dropped) <= 64
