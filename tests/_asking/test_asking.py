"""Who asks when, for how long, and what becomes of a question that was given up."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from asking import client, reply, scripted, texts, waits_for
from callers import call_in_thread, until
from scripted import SOON, ScriptedTransport

from grok_rt import AudioClip, events
from grok_rt._asking import exchange
from grok_rt._connection.inbox import Arrival
from grok_rt.audio import shipped
from grok_rt.errors import (
    ConcurrencyError,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
)
from grok_rt.simulator import Peer, Script

QUESTION = "What is the weather in Oslo?"


@pytest.fixture(scope="module")
def clip() -> AudioClip:
    """A short spoken question."""
    return shipped("question")


# --- typed -------------------------------------------------------------------------------------


def test_a_typed_question_is_answered_whole() -> None:
    """Text, sound, usage, timing and turns of one answer."""
    with client(Script().says("It is cold.")) as grok:
        answer = grok.ask(QUESTION, timeout=SOON)
    assert answer.text == "It is cold."
    assert answer.status == "completed"
    assert answer.audio.duration > 0.3
    assert answer.usage is not None
    assert answer.latency.first_audio is not None
    assert 0 <= answer.latency.first_audio <= answer.latency.total < SOON
    assert [(turn.role, turn.text) for turn in answer.turns] == [
        ("user", QUESTION),
        ("assistant", "It is cold."),
    ]


def test_the_time_of_a_slow_handler_is_no_latency() -> None:
    """Beside `start()` times are those at which the answer came, whenever it is heard."""
    came: dict[type[events.Event], float] = {}
    whole = threading.Event()

    class Notes:
        def arrived(self, arrived: Sequence[Arrival], _now: float) -> None:
            for event, _, at in arrived:
                came.setdefault(type(event), at)
            if events.ResponseDone in came:
                whole.set()

        def left(self, _frames: object, _now: float) -> None:
            pass

    with client().start() as grok:
        grok._inbox.listen(Notes())

        @grok.on(events.ResponseCreated)
        def slow(_event: events.ResponseCreated) -> None:
            assert whole.wait(SOON)

        asked = time.monotonic()
        answer = grok.ask(QUESTION, timeout=SOON)
    first, total = answer.latency.first_audio, answer.latency.total
    first_came, whole_came = came[events.ResponseOutputAudioDelta], came[events.ResponseDone]
    assert first is not None
    assert first <= first_came - asked
    assert total - first == pytest.approx(whole_came - first_came, abs=1e-9)
    for turns in (answer.turns, grok.conversation):
        assert [turn.started for turn in turns][1:] == [came[events.ResponseOutputItemAdded]]


def test_a_slow_handler_costs_no_answer_and_is_named() -> None:
    """Beside `start()`: what is whole at the deadline is returned, of the rest the cause told."""
    leave = threading.Event()
    with client().start() as grok:

        @grok.on(events.ResponseDone)
        def slow(_event: events.ResponseDone) -> None:
            assert leave.wait(SOON)

        assert grok.ask("One?", timeout=0.5).text == "You said: One?"
        blamed = "a handler of ResponseDone has been running for"
        with pytest.raises(DeadlineExceeded, match=blamed):
            grok.ask("Two?", timeout=0.1)
        with pytest.raises(DeadlineExceeded, match=blamed):
            grok.submit("Three?", timeout=0.1).result(SOON)
        leave.set()


def test_a_tool_that_asks_its_own_client_is_told_at_once() -> None:
    """It would wait for the question that it is a part of; it may submit, and not wait."""
    told: list[str] = []
    with client(Script().calls("look").says("{output}").says("Later.")) as grok:

        @grok.tool
        def look() -> str:
            """Ask."""
            with pytest.raises(ConcurrencyError, match="a tool that asks its own client waits"):
                grok.ask("And?", timeout=SOON)
            with pytest.raises(ConcurrencyError, match="use submit"):
                grok.stream("And?", timeout=SOON)
            later = grok.submit("And then?", timeout=SOON)
            later.add_done_callback(lambda future: told.append(future.result().text))
            return "asked"

        assert grok.ask("Look.", timeout=SOON).text == "asked"
        assert grok.ask("Again?", timeout=SOON).text != ""
        until(lambda: told)


def test_questions_one_after_the_other() -> None:
    """Each answer is that of its question, though they share the conversation."""
    with client() as grok:
        for n in range(5):
            assert grok.ask(f"Number {n}", timeout=SOON).text == f"You said: Number {n}"


@pytest.mark.parametrize("pumps", [False, True], ids=["nobody pumps", "start()"])
def test_questions_at_once(pumps: bool) -> None:
    """Several threads ask; each gets the answer to its own question, whoever pumps."""
    with client(Peer(latency=0.01, pace=math.inf)) as grok:
        if pumps:
            grok.start()
        asked = [
            call_in_thread(lambda n=n: grok.ask(f"Number {n}", timeout=SOON)) for n in range(4)
        ]
        asked += [grok.submit(f"Number {n}", timeout=SOON) for n in range(4, 7)]
        answers = [future.result(SOON).text for future in asked]
    assert answers == [f"You said: Number {n}" for n in range(7)]


def test_questions_beside_a_loop() -> None:
    """Who holds the events may ask too: it pumps while it waits for its turn."""
    with client() as grok:
        for event in grok:
            if isinstance(event, events.Opened):
                asked = [grok.submit(f"Number {n}", timeout=SOON) for n in range(2)]
                assert grok.ask("Number 2", timeout=SOON).text == "You said: Number 2"
                break
        assert [future.result(SOON).text for future in asked] == [
            "You said: Number 0",
            "You said: Number 1",
        ]


def test_questions_are_asked_in_order() -> None:
    """The order of arrival is that on the wire, and each waits for the answer before it."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        asked = []
        for n in range(3):
            asked.append(grok.submit(f"{n}", timeout=SOON))
            until(lambda n=n: len(grok._questions._line) == n + 1)
        for n in range(3):
            transport.wait(lambda t, n=n: t.types.count("response.create") == n + 1)
            assert len(texts(transport)) == n + 1
            reply(transport, transport.events[-1]["response"]["metadata"], f"r{n}", f"a{n}")
        assert [future.result(SOON).text for future in asked] == ["Hello.", "Hello.", "Hello."]
        assert texts(transport) == ["0", "1", "2"]


def test_tools_run_meanwhile() -> None:
    """A question that takes a tool has the answer that came after it, and names the call."""
    script = Script().says("Let me look.").calls("weather", city="Oslo").says("{output}")
    with client(script) as grok:

        @grok.tool
        def weather(city: str) -> str:
            """The weather."""
            return f"Sleet in {city}."

        answer = grok.ask(QUESTION, timeout=SOON)
    assert answer.text == "Let me look. Sleet in Oslo."
    assert [call.name for call in answer.tool_calls] == ["weather"]


def test_an_answer_beside_a_background_pump() -> None:
    """Beside `start` it only waits, and several calls of a tool are one continuation."""
    script = Script().calls("one").calls("two").says("{output}")
    grok = client(script)

    @grok.tool
    def one() -> int:
        """One."""
        return 1

    @grok.tool
    def two() -> int:
        """Two."""
        return 2

    with grok.start():
        answer = grok.ask("?", timeout=SOON)
    assert answer.text == "1, 2"


# --- in vain -----------------------------------------------------------------------------------


def test_the_deadline_says_what_is_missing() -> None:
    """The sentence of a late answer names what was awaited, and what came last since it was put."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        with pytest.raises(DeadlineExceeded, match=r"no whole answer in 0\.05 s: no response") as e:
            grok.ask("?", timeout=0.05)
        assert str(e.value).endswith("no event came since")
        assert isinstance(e.value, TimeoutError)
        transport.answers = lambda _: transport.hears({"type": "ping"})
        with pytest.raises(DeadlineExceeded, match=r"the last event was ping$"):
            grok.ask("?", timeout=0.5)
        transport.answers = lambda _: None
        transport.hears({"type": "response.created", "response": {"id": "r", "metadata": None}})


@pytest.mark.parametrize("timeout", [0, -1.5])
def test_no_time_at_all(timeout: float) -> None:
    """A deadline that has passed is one: at once, with nothing sent."""
    transport = ScriptedTransport()
    with (
        scripted(transport) as grok,
        pytest.raises(DeadlineExceeded, match=f"in {timeout:g} s: it"),
    ):
        grok.ask("?", timeout=timeout)
    assert transport.types == ["session.update"]


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300])
def test_all_the_time_there_is(timeout: float | None) -> None:
    """No limit, however it is said."""
    with client() as grok:
        assert grok.ask("Hi", timeout=timeout).text == "You said: Hi"


def test_waiting_for_the_turn_is_part_of_the_time() -> None:
    """The sentence of a question that was never asked says that another one was."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        first = grok.submit("First?", timeout=None)
        transport.wait(lambda t: "response.create" in t.types)
        with pytest.raises(DeadlineExceeded, match=r"0\.05 s: another question is being asked$"):
            grok.ask("Second?", timeout=0.05)
        third = grok.submit("Third?", timeout=SOON)
        reply(transport, transport.events[-1]["response"]["metadata"], "r1", "a1")
        assert first.result(SOON).text == "Hello."
        transport.wait(lambda t: t.types.count("response.create") == 2)
        reply(transport, transport.events[-1]["response"]["metadata"], "r2", "a2")
        assert third.result(SOON).text == "Hello."
    assert texts(transport) == ["First?", "Third?"]


SPEAKING = {
    "a response": (
        {"type": "response.created", "response": {"id": "r0"}},
        {"type": "response.done", "response_id": "r0", "response": {"id": "r0"}},
    ),
    "the user": (
        {"type": "input_audio_buffer.speech_started", "item_id": "u0"},
        {"type": "input_audio_buffer.speech_stopped", "item_id": "u0"},
    ),
}


@pytest.mark.parametrize("who", SPEAKING)
def test_no_question_while_something_else_is_said(who: str) -> None:
    """It is sent when that is over; until then its deadline says why it waits."""
    transport = ScriptedTransport()
    begin, end = SPEAKING[who]
    with scripted(transport) as grok:
        transport.hears(begin)
        until(lambda: grok._session.quiet_at is not None)
        with pytest.raises(DeadlineExceeded, match=r": something else is still being said$"):
            grok.ask("?", timeout=0.05)
        asked = grok.submit("?", timeout=SOON)
        until(lambda: waits_for(grok, "silence"))
        assert texts(transport) == []
        transport.hears(end)
        transport.wait(lambda t: "response.create" in t.types)
        reply(transport, transport.events[-1]["response"]["metadata"], "r1", "a1")
        assert asked.result(SOON).text == "Hello."


def test_what_died_is_not_waited_for() -> None:
    """A response that the server gave up without a word holds no question back for ever."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        grok._session._calls.hold_timeout = 0.05
        transport.hears(SPEAKING["a response"][0])
        grok.wait_for(events.ResponseCreated, timeout=SOON)
        asked = grok.submit("?", timeout=SOON)
        transport.wait(lambda t: "response.create" in t.types)
        reply(transport, transport.events[-1]["response"]["metadata"], "r1", "a1")
        assert asked.result(SOON).text == "Hello."


def test_a_collision_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that met an answer the client knew nothing of is put again, its text is not."""
    monkeypatch.setattr(exchange, "_RETRY", 0.01)
    transport = ScriptedTransport()
    with scripted(transport) as grok:

        def refuse(event: dict[str, Any]) -> None:
            if event["type"] != "response.create":
                return
            if transport.types.count("response.create") < 3:
                said = "Conversation already has an active response"
                error = {"type": "x", "message": said, "event_id": event["event_id"]}
                transport.hears({"type": "error", "error": error})
            else:
                reply(transport, event["response"]["metadata"], "r1", "a1")

        transport.answers = refuse
        assert grok.ask("?", timeout=SOON).text == "Hello."
    assert texts(transport) == ["?"]


@pytest.mark.parametrize(
    ("code", "kind"), [(1000, ConnectionClosedOK), (4001, ConnectionClosedError)]
)
def test_a_session_that_ends_first(code: int, kind: type[Exception]) -> None:
    """The end of the session ends the wait for the answer."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        transport.answers = lambda _: transport.hears_close(code)
        with pytest.raises(kind):
            grok.ask("?", timeout=SOON)


def test_a_question_inside_a_handler() -> None:
    """It would wait for ever: it is refused before anything is sent, and `submit` named."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:

        @grok.on(events.SessionCreated)
        def ask(_event: events.SessionCreated) -> None:
            with pytest.raises(ConcurrencyError, match=r"submit\(\)"):
                grok.ask("?")

        grok.recv(timeout=SOON)
    assert transport.types == ["session.update"]


# --- given up ----------------------------------------------------------------------------------


def test_the_next_question_is_answered_alone_after_a_deadline() -> None:
    """The late answer to the first is taken back, and its words are not in the second."""
    with client(Peer(latency=0.3, pace=math.inf)) as grok:
        with pytest.raises(DeadlineExceeded):
            grok.ask("First", timeout=0.1)
        answer = grok.ask("Second", timeout=SOON)
    assert answer.text == "You said: Second"
    assert [turn.text for turn in answer.turns] == ["Second", "You said: Second"]


@pytest.mark.parametrize(
    "moment", [events.ConversationItemAdded, events.ResponseCreated, events.AudioDelta]
)
def test_the_next_question_is_answered_alone_after_ctrl_c(moment: type[events.Event]) -> None:
    """However far the first had come."""
    with client(Peer(Script().says("First.").says("Second."), latency=0.05, pace=1)) as grok:

        @grok.on(moment, once=True)
        def interrupt(_event: events.Event) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            grok.ask("First?", timeout=SOON)
        assert grok.ask("Second?", timeout=SOON).text == "Second."


@pytest.mark.parametrize("moment", ["speaking", "answered"])
def test_the_next_question_is_answered_alone_after_speech(clip: AudioClip, moment: str) -> None:
    """What was said of a spoken question is forgotten, and its reply stopped."""
    peer = Peer(Script().says("One.").says("Two."), latency=0.05, pace=1)
    with client(peer) as grok:
        event_class = {
            "speaking": events.InputAudioBufferSpeechStarted,
            "answered": events.AudioDelta,
        }[moment]

        @grok.on(event_class, once=True)
        def interrupt(_event: events.Event) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            grok.ask(clip[0:0.6], timeout=SOON)
        answer = grok.ask("And now?", timeout=SOON)
    assert answer.text == ("One." if moment == "speaking" else "Two.")
    assert [turn.role for turn in answer.turns] == ["user", "assistant"]
    sent = [type(event) for event in peer.received]
    assert sent.index(events.ResponseCancel) < sent.index(events.InputAudioBufferClear)


def test_nothing_follows_the_calls_of_a_question_given_up() -> None:
    """A tool that ends later gives its output, and no reply to it meets the next question."""
    go_on = threading.Event()
    peer = Peer(Script().calls("slow").says("Next."), latency=0, pace=math.inf)
    with client(peer) as grok:

        @grok.tool
        def slow() -> str:
            """Take its time."""
            go_on.wait(SOON)
            return "late"

        with pytest.raises(DeadlineExceeded, match="no response followed the call of slow"):
            grok.ask("First?", timeout=0.2)
        go_on.set()
        until(lambda: any("late" in str(event) for event in peer.received))
        assert grok.ask("Second?", timeout=SOON).text == "Next."
    assert sum(isinstance(event, events.ResponseCreate) for event in peer.received) == 2


def test_a_question_is_given_up_on_a_dead_line(clip: AudioClip) -> None:
    """Taking it back waits for nothing."""
    transport = ScriptedTransport()
    with scripted(transport, send_timeout=SOON) as grok:
        grok._lifecycle.connection()._outbox.maxsize = 8
        transport.valve.clear()
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            grok.ask(clip, timeout=0.3)
        assert time.monotonic() - began < 1
        transport.valve.set()


def test_ctrl_c_ends_the_question(clip: AudioClip) -> None:
    """An interrupt in the middle leaves no feeder behind."""
    with client() as grok:

        @grok.on(events.InputAudioBufferSpeechStarted)
        def interrupt(_event: events.Event) -> None:
            raise KeyboardInterrupt

        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            grok.ask(clip, timeout=SOON)
        assert time.monotonic() - began < clip.duration
        names = {thread.name for thread in threading.enumerate()}
        assert "grok-rt-question" not in names


# --- later -------------------------------------------------------------------------------------


def test_submit_gives_what_ask_raises() -> None:
    """A future holds the answer or the exception; before connect it is raised at once."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        future = grok.submit("?", timeout=0.05)
        assert isinstance(future.exception(SOON), DeadlineExceeded)
    with pytest.raises(ConnectionClosedOK):
        grok.submit("?")


@pytest.mark.parametrize("who", ["nobody", "start()", "a loop that rests", "a handler"])
def test_close_ends_what_was_submitted(who: str) -> None:
    """Its threads are joined, whoever pumps, or does not: their futures have the end."""
    transport = ScriptedTransport()
    grok = scripted(transport).connect()
    done: list[bool] = []
    try:
        loop = iter(grok)
        if who == "start()":
            grok.start()
        elif who == "a loop that rests":
            next(loop)
        asked = [grok.submit(f"{n}", timeout=None) for n in range(3)]
        transport.wait(lambda t: "response.create" in t.types)
        until(lambda: len(grok._questions._line) == 3)
        if who == "a handler":

            @grok.on(events.Ping)
            def close(_event: events.Ping) -> None:
                grok.close()
                done.extend(future.done() for future in asked)

            transport.hears({"type": "ping"})
            until(lambda: len(done) == 3)
            # The one that pumps is the handler's own, and ends after it.
            assert sum(done) >= 2
        began = time.monotonic()
        grok.close()
        assert time.monotonic() - began < 1
        for future in asked:
            assert isinstance(future.exception(SOON), ConnectionClosedOK)
        if who != "a handler":
            assert not any(t.name == "grok-rt-submit" for t in threading.enumerate())
    finally:
        grok.close()


@pytest.fixture(autouse=True)
def _no_question_left() -> Iterator[None]:
    """No thread of a question outlives its test."""
    yield
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if not any(t.name == "grok-rt-submit" for t in threading.enumerate()):
            return
        time.sleep(0.01)
    pytest.fail("a question is still being asked")
