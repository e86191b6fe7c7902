"""An answer in parts: what comes, in which order, and what is left of a stream that is left."""

from __future__ import annotations

import gc
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import flows
import pytest
from asking import KEY, MANUAL, PATIENT, client, reply, scripted, texts
from callers import SOON, call_in_thread, until, waiting
from scripted import ScriptedTransport

from grok_rt import (
    Answer,
    AudioClip,
    GrokClient,
    SessionConfig,
    TurnDetection,
    events,
)
from grok_rt import parts as p
from grok_rt._wire import codec
from grok_rt._wire.framing import TEXT, Frame
from grok_rt.audio import shipped
from grok_rt.errors import (
    ConcurrencyError,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    ServerError,
)
from grok_rt.simulator import Peer, Script, Simulator

TOOL = Script().says("Let me look.").calls("weather", city="Oslo").says("{output}")


@pytest.fixture(scope="module")
def clip() -> AudioClip:
    """A short spoken question."""
    return shipped("question")[0:0.6]


def weather(city: str) -> str:
    """The weather."""
    return f"Sleet in {city}."


def told(parts: list[p.Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, p.Text))


def heard(parts: list[p.Part]) -> bytes:
    return b"".join(part.audio for part in parts if isinstance(part, p.Audio))


def kinds(parts: list[p.Part]) -> list[str]:
    """The kinds of parts, each run of one kind once; words and sound come side by side."""
    names = ("Speech" if isinstance(x, (p.Text, p.Audio)) else type(x).__name__ for x in parts)
    return [name for name, _ in itertools.groupby(names)]


def put(transport: ScriptedTransport, question: int = 0) -> dict[str, Any]:
    """What asks for the response to the question of that number, once it has left."""
    transport.wait(lambda t: t.types.count("response.create") > question)
    creates = [e for e in transport.events if e["type"] == "response.create"]
    return dict(creates[question])


def mark(transport: ScriptedTransport, question: int = 0) -> dict[str, str]:
    """By what its response is known."""
    return dict(put(transport, question)["response"]["metadata"])


def answers(transport: ScriptedTransport, question: int = 0) -> None:
    """Answer the question of that number once it has been put."""
    reply(transport, mark(transport, question), f"r{question}", f"a{question}")


def hears(transport: ScriptedTransport, *flow: events.Event) -> None:
    transport.hears(*(Frame(TEXT, codec.encode(event)) for event in flow))


# --- what comes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pumps", ["nobody", "start()", "a loop"])
def test_the_parts_are_the_answer(pumps: str) -> None:
    """Words, sound and calls in order, whoever pumps; put together they are the last part."""
    with client(TOOL, tools=[weather]) as grok:
        if pumps == "start()":
            grok.start()
        if pumps == "a loop":
            next(iter(grok))
        parts = list(grok.stream("How is it in Oslo?", timeout=PATIENT))
    answer = parts[-1]
    assert isinstance(answer, Answer)
    assert kinds(parts) == ["Speech", "ToolStarted", "ToolEnded", "Speech", "Answer"]
    assert told(parts) == answer.text == "Let me look. Sleet in Oslo."
    assert heard(parts) == answer.audio.data
    (started,) = [part for part in parts if isinstance(part, p.ToolStarted)]
    assert parts[kinds_at(parts, p.ToolEnded)] == p.ToolEnded(started.call, "Sleet in Oslo.")
    assert answer.tool_calls == (started.call,)
    assert [turn.role for turn in answer.turns] == ["user", "assistant", "tool", "assistant"]


def kinds_at(parts: list[p.Part], kind: type[Any]) -> int:
    return next(at for at, part in enumerate(parts) if isinstance(part, kind))


def test_parts_come_before_the_answer_is_whole() -> None:
    """What the server has said so far can be had while it goes on; the rest comes later."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        stream = grok.stream("?", timeout=PATIENT)
        hears(transport, flows.created("r", mark(transport)), *flows.announced("r", "a"))
        hears(transport, *flows.spoken("r", "a"))
        first = [next(stream) for _ in range(4)]
        assert (told(first), heard(first)) == ("Hello.", flows.SOUND["hel"] + flows.SOUND["lo"])
        hears(transport, *flows.finished("r", "a"), flows.done("r", flows.message("a")))
        (answer,) = stream
        assert isinstance(answer, Answer)
        assert (answer.text, answer.audio.data) == ("Hello.", heard(first))
        assert list(stream) == []


@pytest.mark.parametrize("pumps", [False, True], ids=["nobody pumps", "start()"])
def test_no_wake_up_is_lost(pumps: bool) -> None:
    """However the parts fall on the waits for them, each is had, and the last."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        if pumps:
            grok.start()
        for n in range(100):
            stream = grok.stream(f"{n}", timeout=PATIENT)
            for event in flows.reply(f"r{n}", f"a{n}", mark(transport, n)):
                hears(transport, event)
            assert told(list(stream)) == "Hello."


def test_an_answer_that_is_whole_while_a_handler_still_hears_its_end() -> None:
    """Whoever asks for the next part then gets the answer when the handler is done."""
    inside, leave = threading.Event(), threading.Event()
    transport = ScriptedTransport()
    with scripted(transport).start() as grok:

        @grok.on(events.ResponseDone)
        def slow(_event: events.ResponseDone) -> None:
            inside.set()
            assert leave.wait(SOON)

        stream = grok.stream("?", timeout=PATIENT)
        hears(transport, *flows.reply("r", "a", mark(transport)))
        assert inside.wait(SOON)
        rest = call_in_thread(lambda: list(stream))
        until(lambda: waiting(grok._pump._turn))
        leave.set()
        assert told(rest.result(SOON)) == "Hello."


def test_words_that_come_late_or_all_at_once() -> None:
    """What came without its deltas, or without the last of them, is told when it is known."""
    where = {"response_id": "r", "content_index": 0, "output_index": 0}
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        stream = grok.stream("?", timeout=PATIENT)
        hears(
            transport,
            flows.created("r", mark(transport)),
            flows.words("r", "a", " So"),
            *flows.finished("r", "a", " So it is. ")[:1],
            flows.ev("response.text.delta", **where, item_id="b", delta="Twice"),
            flows.ev("response.text.done", **where, item_id="b", text="Other words."),
            flows.ev("response.output_text.done", **where, item_id="c", text="Thrice."),
            flows.ev("response.output_audio.delta", **where, item_id="c", delta=""),
            flows.done(
                "r",
                flows.message("a", " So it is. "),
                flows.item("f", "function_call"),
                flows.message("d", "And listed."),
            ),
        )
        parts = list(stream)
    assert [part.text for part in parts if isinstance(part, p.Text)] == [
        *("So", " it is. ", " Twice", " Thrice.", " And listed."),
    ]
    assert kinds(parts) == ["Speech", "Answer"]


def test_an_answer_that_is_cut_ends_the_stream() -> None:
    """The parts up to the cut, then the answer that says so."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        stream = grok.stream("?", timeout=PATIENT)
        hears(
            transport, flows.created("r", mark(transport)), *flows.spoken("r", "a"), flows.done("r")
        )
        *parts, answer = stream
    assert isinstance(answer, Answer)
    assert (told(parts), answer.text, answer.interrupted) == ("Hello.", "Hello.", True)


def test_a_reply_to_a_part_of_the_question_makes_no_parts(clip: AudioClip) -> None:
    """What the server takes a pause for is not streamed: only the answer to all of it is."""
    pause = AudioClip(clip.format.silence(400), clip.format)
    config = SessionConfig.wideband().with_turn_detection(TurnDetection(silence_duration_ms=200))
    script = Script().says("A reply to the first half.").says("A whole reply.")
    with (
        Simulator(script, latency=0.05) as server,
        GrokClient(KEY, url=server.url, config=config) as grok,
    ):
        *parts, answer = grok.stream(clip + pause + clip, timeout=PATIENT)
    assert isinstance(answer, Answer)
    assert told(parts) == answer.text == "A whole reply."
    assert heard(parts) == answer.audio.data
    assert "A reply to the first half." in str([turn.text for turn in answer.turns])


# --- where it may be asked -----------------------------------------------------------------------


def test_streams_at_once() -> None:
    """Several threads stream; each has the parts of its own answer, and waits for its turn."""

    def ask(n: int) -> str:
        return told(list(grok.stream(f"Number {n}", timeout=PATIENT)))

    with client(Peer(latency=0.01, pace=math.inf)) as grok:
        asked = [call_in_thread(lambda n=n: ask(n)) for n in range(5)]
        assert [future.result(PATIENT) for future in asked] == [
            f"You said: Number {n}" for n in range(5)
        ]


@pytest.mark.parametrize("config", [None, MANUAL], ids=["vad", "manual"])
def test_beside_a_microphone(config: SessionConfig | None) -> None:
    """Another thread may send sound all the time: nothing is lost, nothing waits for it."""
    over = threading.Event()
    with client(config=config) as grok:

        def speak() -> None:
            while not over.wait(0.002):
                grok.send_audio(bytes(960))

        talking = call_in_thread(speak)
        for n in range(5):
            assert told(list(grok.stream(f"{n}", timeout=PATIENT))) == f"You said: {n}"
            assert grok.ask(f"{n}", timeout=PATIENT).text == f"You said: {n}"
        over.set()
        talking.result(PATIENT)


def test_not_inside_a_handler() -> None:
    """It would wait for ever: refused before anything is sent, and `submit` named."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:

        @grok.on(events.SessionCreated)
        def ask(_event: events.SessionCreated) -> None:
            with pytest.raises(ConcurrencyError, match=r"submit\(\)"):
                grok.stream("?")

        grok.recv(timeout=PATIENT)
    assert transport.types == ["session.update"]


def test_one_thread_one_stream() -> None:
    """Who asks in the midst of its own stream would wait for itself: refused; submit waits."""
    with client() as grok:
        stream = grok.stream("First", timeout=PATIENT)
        for ask in (grok.ask, grok.stream):
            with pytest.raises(ConcurrencyError, match="a stream of this very thread is not over"):
                ask("Second", timeout=PATIENT)
        later = grok.submit("Third", timeout=PATIENT)
        assert told(list(stream)) == "You said: First"
        assert later.result(PATIENT).text == "You said: Third"
        assert grok.ask("Fourth", timeout=PATIENT).text == "You said: Fourth"


def test_another_thread_may_read_on() -> None:
    """A stream belongs to who reads it; two at once are refused, and harm it not."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        stream = grok.stream("First", timeout=PATIENT)
        reading = call_in_thread(lambda: told(list(stream)))
        until(lambda: stream._reading.locked())
        with pytest.raises(ConcurrencyError, match="another thread is waiting"):
            next(stream)
        until(lambda: grok._questions._line[0][0].thread is not threading.current_thread())
        second = grok.submit("Second", timeout=PATIENT)
        answers(transport, 0)
        assert reading.result(PATIENT) == "Hello."
        answers(transport, 1)
        assert second.result(PATIENT).text == "Hello."


# --- left before its end -------------------------------------------------------------------------


def leave_by_break(grok: GrokClient) -> None:
    for _ in grok.stream("First?", timeout=PATIENT):
        break


def leave_by_with(grok: GrokClient) -> None:
    with grok.stream("First?", timeout=PATIENT) as stream:
        next(stream)


def leave_by_close(grok: GrokClient) -> None:
    stream = grok.stream("First?", timeout=PATIENT)
    next(stream)
    stream.close()
    stream.close()
    assert list(stream) == []


def leave_by_an_error(grok: GrokClient) -> None:
    def read() -> None:
        for _ in grok.stream("First?", timeout=PATIENT):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read()


def leave_unread(grok: GrokClient) -> None:
    grok.stream("First?", timeout=PATIENT)


def leave_to_the_collector(grok: GrokClient) -> None:
    circle: list[Any] = [grok.stream("First?", timeout=PATIENT)]
    next(circle[0])
    circle.append(circle)
    del circle
    gc.collect()


@pytest.mark.parametrize(
    "leave",
    [
        leave_by_break,
        leave_by_with,
        leave_by_close,
        leave_by_an_error,
        leave_unread,
        leave_to_the_collector,
    ],
)
@pytest.mark.parametrize("pumps", [False, True], ids=["nobody pumps", "start()"])
def test_the_next_question_is_answered_alone(
    leave: Callable[[GrokClient], None], pumps: bool
) -> None:
    """However a stream is left, its question is taken back, and the next one is asked at once."""
    peer = Peer(Script().says("First, and so on. " * 9).says("Second."), latency=0.02, pace=8)
    with client(peer) as grok:
        if pumps:
            grok.start()
        leave(grok)
        began = time.monotonic()
        answer = grok.ask("Second?", timeout=PATIENT)
        assert time.monotonic() - began < 20
        assert next(turn.text for turn in answer.turns) == "Second?"
        assert not grok._pump._waiters
        assert not grok._questions._line
    assert any(isinstance(event, events.ResponseCancel) for event in peer.received)


def test_somebody_in_line_learns_that_a_stream_was_left() -> None:
    """Who waits for its turn already gets it, though nothing more is said."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        stream = grok.stream("First?", timeout=PATIENT)
        asked = grok.submit("Second?", timeout=PATIENT)
        until(lambda: len(grok._questions._line) == 2 and texts(transport) == ["First?"])
        del stream
        answers(transport, 1)
        assert asked.result(PATIENT).text == "Hello."


def test_a_stream_left_without_a_writer() -> None:
    """Where its connection is gone before anybody could settle it, the next asker does."""
    with client() as grok:
        stream = grok.stream("First?", timeout=PATIENT)
        stream._exchange._lifecycle.connection().run_soon = lambda _errand: None  # type: ignore[method-assign]
        del stream
        assert grok.ask("Second?", timeout=PATIENT).text


def test_a_stream_outlives_its_client_quietly() -> None:
    """Left after the end it has nothing to settle; read after it, it says what ended it."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        left = grok.stream("First?", timeout=PATIENT)
        transport.hears_close(4001)
        with pytest.raises(ConnectionClosedError):
            list(left)
    grok = scripted(transport := ScriptedTransport()).connect()
    stream = grok.stream("First?", timeout=PATIENT)
    grok.close()
    with pytest.raises(ConnectionClosedOK):
        next(stream)
    assert list(stream) == []
    del stream, left


@pytest.mark.parametrize("where", ["another thread", "a handler"])
def test_a_stream_is_closed_while_it_is_read(where: str) -> None:
    """Whoever reads it finds that it is over, at once."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        stream = grok.stream("First?", timeout=PATIENT)
        if where == "a handler":

            @grok.on(events.Ping)
            def close(_event: events.Ping) -> None:
                stream.close()

            transport.hears({"type": "ping"})
            assert list(stream) == []
        else:
            reading = call_in_thread(lambda: list(stream))
            until(lambda: any(w.what == "an answer" and w is not stream._exchange._waiter
                              for w in grok._pump._waiters))  # fmt: skip
            stream.close()
            assert reading.result(PATIENT) == []
        assert not grok._questions._line
        asked = grok.submit("Second?", timeout=PATIENT)
        answers(transport, 1)
        assert asked.result(PATIENT).text == "Hello."


# --- in vain -------------------------------------------------------------------------------------


def test_the_time_between_two_parts_does_not_count() -> None:
    """The deadline is for the server; who plays what came may take its time."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        stream = grok.stream("?", timeout=0.5)
        answers(transport)
        time.sleep(0.6)
        parts = []
        for part in stream:
            parts.append(part)
            time.sleep(0.1)
        assert told(parts) == "Hello."


@pytest.mark.parametrize("pumps", [False, True], ids=["nobody pumps", "start()"])
def test_a_stream_that_dries_up(pumps: bool) -> None:
    """What has come can be had; then the deadline says what is missing, and it is over."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        if pumps:
            grok.start()
        stream = grok.stream("?", timeout=0.3)
        hears(transport, flows.created("r", mark(transport)), *flows.spoken("r", "a"))
        assert told([next(stream) for _ in range(4)]) == "Hello."
        with pytest.raises(DeadlineExceeded, match=r"in 0\.3 s: response r has not ended; the la"):
            next(stream)
        assert list(stream) == []
        assert not grok._questions._line


def test_a_refused_question() -> None:
    """The refusal rises from the stream, and the session lives."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        stream = grok.stream("?", timeout=PATIENT)
        about = put(transport)["event_id"]
        error = {"type": "invalid_request_error", "message": "No.", "event_id": about}
        transport.hears({"type": "error", "error": error})
        with pytest.raises(ServerError, match="No"):
            next(stream)
        assert grok.state == "open"


def test_a_handler_that_fails_ends_a_stream_in_the_foreground() -> None:
    """As it ends `ask`: its exception rises, even a `DeadlineExceeded`; the question is settled."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:

        @grok.on(events.ResponseCreated)
        def fails(_event: events.ResponseCreated) -> None:
            raise DeadlineExceeded("mine")

        stream = grok.stream("?", timeout=PATIENT)
        answers(transport)
        with pytest.raises(DeadlineExceeded, match=r"^mine$"):
            next(stream)
        assert not grok._questions._line


def test_a_stream_whose_turn_never_comes() -> None:
    """It is not put, and says so; nothing is left of it."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        first = grok.submit("First?", timeout=None)
        transport.wait(lambda t: "response.create" in t.types)
        with pytest.raises(DeadlineExceeded, match="another question is being asked"):
            grok.stream("Second?", timeout=0.05)
        answers(transport)
        assert first.result(PATIENT).text == "Hello."
    assert texts(transport) == ["First?"]


@pytest.fixture(autouse=True)
def _no_question_left() -> Iterator[None]:
    """No thread of a question outlives its test."""
    yield
    until(lambda: not any(
        t.name in ("grok-rt-submit", "grok-rt-question") for t in threading.enumerate()
    ))  # fmt: skip
