"""The client whole: three ways to hear, every verb, in memory and over a socket."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from callers import until
from scripted import GREETING, SOON, ScriptedTransport, in_background

from grok_rt import GrokClient, GrokToolDefinition, SessionConfig, events, on
from grok_rt._wire.framing import TEXT, Frame
from grok_rt.errors import (
    AudioError,
    ConcurrencyError,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    LocalProtocolError,
    SendQueueFull,
    ServerError,
)
from grok_rt.models import ConversationItem
from grok_rt.simulator import Script, Simulator, loopback

KEY = "xai-canary-91ab"
PCM = b"\1\0" * 480  # 20 ms

Connect = Callable[..., GrokClient]


@pytest.fixture(params=["memory", "socket"])
def client(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Make a client of a class, to a simulator with a script, in memory or over a socket."""
    with contextlib.ExitStack() as stack:

        def make(kind: Any = GrokClient, script: Script | None = None, **options: Any) -> Any:
            if request.param == "memory":
                return kind(KEY, transport=loopback(script, instant=True), **options)
            server = stack.enter_context(Simulator(script, latency=0, pace=math.inf))
            return kind(KEY, url=server.url, **options)

        yield make


@contextlib.contextmanager
def scripted(**options: Any) -> Iterator[tuple[GrokClient, ScriptedTransport]]:
    """A client of a scripted line that is open and idle."""
    transport = ScriptedTransport()
    transport.answers = transport.confirm_updates
    transport.hears(*GREETING)
    options.setdefault("close_timeout", 1.0)
    with GrokClient(KEY, transport=lambda _url, _headers: transport, **options) as grok:
        yield grok, transport


def says_hello(grok: GrokClient) -> None:
    grok.send_user_text("Hello!")
    grok.request_response()


# --- three ways to hear ------------------------------------------------------------------------


def test_registration(client: Connect) -> None:
    """Decorators and keywords: each handler hears its kind, `run` ends when it is closed."""
    heard: dict[str, list[Any]] = {"audio": [], "words": [], "all": [], "closed": []}
    grok = client(script=Script().says("Good morning."), on_audio=heard["audio"].append)
    grok.on_transcript(heard["words"].append)
    grok.on(events.Event)(heard["all"].append)
    grok.on_close(heard["closed"].append)
    grok.on(events.ResponseDone)(lambda _: grok.close())
    with grok:
        says_hello(grok)
        grok.run()
    assert "".join(event.delta for event in heard["words"]).strip() == "Good morning."
    assert sum(len(event.audio) for event in heard["audio"]) > 10_000
    assert heard["closed"] == heard["all"][-1:]


class Receptionist(GrokClient):
    """Handlers as methods: marked, and named like a registrar."""

    config = SessionConfig.wideband("You answer for Dr. Lee.")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.words = ""
        self.sound = 0
        self.ended = False

    @on(events.TranscriptDelta)
    def read(self, event: events.TranscriptDelta) -> None:
        self.words += event.delta

    def on_audio(self, event: events.AudioDelta) -> None:  # type: ignore[override]
        self.sound += len(event.audio)

    def on_close(self, _event: events.Closed) -> None:  # type: ignore[override]
        self.ended = True


def test_subclassing(client: Connect) -> None:
    """Methods hear what they are marked or named for."""
    desk: Any = client(Receptionist, Script().says("Dr. Lee is in."))
    with desk:
        assert desk.ask("Is Dr. Lee there?", timeout=SOON).text == "Dr. Lee is in."
    with contextlib.suppress(ConnectionClosedOK):
        desk.run()
    assert desk.words.strip() == "Dr. Lee is in."
    assert desk.sound > 10_000
    assert desk.ended


def test_iteration(client: Connect) -> None:
    """A loop gets every event, ends with `Closed`, and may be left and taken up again."""
    with client(script=Script().says("One, two.")) as grok:
        says_hello(grok)
        words = ""
        for event in grok:
            if isinstance(event, events.TranscriptDelta):
                words += event.delta
            elif isinstance(event, events.ResponseDone):
                break
        assert words.strip() == "One, two."
        grok.close()
        assert isinstance(list(grok)[-1], events.Closed)
        assert list(grok) == []


def test_all_three_together(client: Connect) -> None:
    """One mechanism: what is iterated over is what methods and registered handlers heard."""
    registered: list[events.Event] = []
    desk: Any = client(Receptionist, Script().says("Yes."))
    desk.on(events.TranscriptDelta)(registered.append)
    iterated: list[events.Event] = []
    with desk:
        says_hello(desk)
        for event in desk:
            iterated.append(event)
            if isinstance(event, events.ResponseDone):
                desk.close()
    deltas = [event for event in iterated if isinstance(event, events.TranscriptDelta)]
    assert deltas == registered
    assert "".join(event.delta for event in deltas) == desk.words
    assert desk.ended


def test_recv(client: Connect) -> None:
    """One event at a time, with a deadline that says what came last."""
    with client() as grok:
        assert isinstance(grok.recv(timeout=SOON), events.SessionCreated)
        while not isinstance(grok.recv(timeout=SOON), events.Opened):
            pass
        with pytest.raises(DeadlineExceeded, match=r"local\.opened"):
            grok.recv(timeout=0.05)
        grok.close()
        while not isinstance(grok.recv(timeout=SOON), events.Closed):
            pass
        with pytest.raises(ConnectionClosedOK):
            grok.recv(timeout=SOON)


def test_start(client: Connect) -> None:
    """In the background handlers hear on another thread; the session ends with `close`."""
    threads: set[str] = set()
    grok = client(script=Script().says("Hi."))
    grok.on(events.Event)(lambda _: threads.add(threading.current_thread().name))
    assert grok.start() is grok
    with grok.expect(events.ResponseDone, timeout=SOON) as done:
        says_hello(grok)
    assert done.event is not None
    with pytest.raises(ConcurrencyError, match=r"start\(\)"):
        grok.recv(timeout=1)
    with pytest.raises(ConcurrencyError, match=r"start\(\)"):
        grok.start()
    heard: list[events.Event] = []
    grok.on_close(lambda _: time.sleep(0.1))
    grok.on_close(heard.append)
    grok.close()
    assert heard, "what is left is heard before close returns"
    assert threads == {"grok-rt-pump"}


def test_waiting(client: Connect) -> None:
    """`wait_for` and `expect` pump while nobody else does, and pass the others' events on."""
    heard: list[events.Event] = []
    with client(script=Script().says("Hi.").then().says("Ho.")) as grok:
        grok.on(events.ResponseCreated)(heard.append)
        says_hello(grok)
        first = grok.wait_for(events.ResponseDone, timeout=SOON)
        with grok.expect(events.ResponseDone, lambda e: e != first, timeout=SOON) as second:
            says_hello(grok)
        assert second.done
        assert len(heard) == 2
        with pytest.raises(DeadlineExceeded, match="ResponseDone did not come in time"):
            grok.wait_for(events.ResponseDone, timeout=0.05)


# --- handlers that fail, and that do more than they should --------------------------------------


def test_a_handler_that_raises_in_the_foreground(client: Connect) -> None:
    """The others still hear the event, then the first exception rises; the session lives on."""
    heard: list[events.Event] = []
    with client() as grok:

        @grok.on(events.SessionCreated)
        def fail(_event: events.SessionCreated) -> None:
            raise ZeroDivisionError("mine")

        grok.on(events.SessionCreated)(heard.append)
        with pytest.raises(ZeroDivisionError, match="mine"):
            grok.run()
        assert len(heard) == 1
        assert grok.ask("Still there?", timeout=SOON).text


def test_a_handler_that_raises_in_the_background(
    client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback, `on_error` hears of it, and the session lives on."""
    failures: list[events.Failure] = []
    grok = client(on_error=failures.append)

    @grok.on(events.ResponseCreated)
    def fail(_event: events.ResponseCreated) -> None:
        raise ZeroDivisionError("mine")

    with grok.start():
        assert grok.ask("Still there?", timeout=SOON).text
    (failure,) = failures
    assert isinstance(failure, events.HandlerFailed)
    assert isinstance(failure.error, ZeroDivisionError)
    assert failure.handler.endswith("fail")
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info
    assert record.exc_info[1] is failure.error


def test_what_a_handler_may_not(client: Connect) -> None:
    """Whoever would wait for what only it can deliver is told so at once."""
    raised: list[Exception] = []
    with client() as grok:

        @grok.on(events.SessionCreated)
        def wait(_event: events.SessionCreated) -> None:
            for call in (
                lambda: grok.ask("?"),
                lambda: grok.recv(),
                lambda: grok.run(),
                lambda: next(iter(grok)),
                lambda: grok.wait_for(events.Event),
                lambda: grok.start(),
            ):
                with pytest.raises(ConcurrencyError) as caught:
                    call()
                raised.append(caught.value)

        grok.recv(timeout=SOON)
    assert len(raised) == 6


def test_what_a_handler_may(client: Connect) -> None:
    """Sending, changing the session, asking by `submit` and closing work inside a handler."""
    answers: list[Any] = []
    with client() as grok:

        @grok.on(events.SessionCreated)
        def work(_event: events.SessionCreated) -> None:
            grok.update_session(grok.config.with_voice("Eve"), timeout=SOON)
            answers.append(grok.submit("Who are you?", timeout=SOON))

        @grok.on(events.ResponseDone)
        def leave(_event: events.ResponseDone) -> None:
            grok.close()

        grok.run()
    assert grok.config.voice == "Eve"
    assert answers[0].result(SOON).text == "You said: Who are you?"


def test_closing_in_a_handler_in_the_background() -> None:
    """`close` inside a handler does not wait for itself; later events are still heard."""
    began = time.monotonic()
    heard: list[str] = []
    grok = GrokClient(KEY, transport=loopback(instant=True))
    grok.on(events.SessionCreated)(lambda _: grok.close())
    grok.on(events.Event)(lambda event: heard.append(event.type))
    grok.start()
    while "local.closed" not in heard and time.monotonic() - began < SOON:
        time.sleep(0.001)
    assert heard[-1] == "local.closed"
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("pumped", "sentence"),
    [(False, "nobody takes them"), (True, "a handler of UnknownEvent has been running")],
)
def test_who_is_too_slow_is_named(pumped: bool, sentence: str) -> None:
    """A session that nobody pumps, or whose handler hangs, ends with a sentence that says so."""
    release = threading.Event()
    with scripted(max_backlog=500, stall_timeout=0) as (grok, transport):
        if pumped:
            entered = threading.Event()
            grok.on(events.UnknownEvent)(lambda _: entered.set() or release.wait(SOON))
            grok.start()
            transport.hears({"type": "flood"})
            assert entered.wait(SOON)
        transport.hears(*({"type": "flood", "n": "x" * 100} for _ in range(10)))
        deadline = time.monotonic() + SOON
        while grok.state != "closed" and time.monotonic() < deadline:
            time.sleep(0.001)
        release.set()
        with pytest.raises(ConnectionClosedError, match=sentence):
            grok.send_user_text("x")


# --- verbs -------------------------------------------------------------------------------------


def test_each_verb_is_one_event() -> None:
    """What leaves is what the verb says, in order."""
    with scripted() as (grok, transport):
        grok.send_audio(PCM)
        grok.commit_audio()
        grok.clear_audio()
        grok.send_user_text("Hi.")
        grok.request_response()
        grok.request_response(("audio",), "Be brief.", {"k": "v"})
        grok.cancel_response()
        grok.say("Welcome.", interruptible=False)
        grok.send(events.ConversationItemDelete(item_id="i"))
        transport.wait(lambda t: len(t.events) == 10)
        sent = transport.events[1:]
        assert grok.events_sent == 10
    assert [event["type"] for event in sent] == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "conversation.item.create",
        "response.create",
        "response.create",
        "response.cancel",
        "conversation.item.create",
        "conversation.item.delete",
    ]
    assert sent[5]["response"] == {
        "modalities": ["audio"],
        "instructions": "Be brief.",
        "metadata": {"k": "v"},
    }
    assert sent[7]["item"]["type"] == "force_message"
    assert sent[7]["item"]["interruptible"] is False


def test_half_a_sample_is_refused() -> None:
    """PCM16 has two bytes a sample; G.711 has one."""
    with scripted() as (grok, _), pytest.raises(AudioError, match="3 bytes"):
        grok.send_audio(b"123")
    with scripted(config=SessionConfig.telephony()) as (grok, transport):
        grok.send_audio(b"123")
        transport.wait(lambda t: t.types[1:] == ["input_audio_buffer.append"])


def test_sound_that_must_not_wait() -> None:
    """`block=False` raises at once where there is no room; `drop_oldest` tells what it cost."""
    with scripted(send_timeout=60) as (grok, transport):
        transport.valve.clear()
        grok.send_audio(PCM)
        until(lambda: grok._lifecycle.connection()._in_flight)  # the writer is stuck, with one
        with contextlib.suppress(SendQueueFull):
            while True:
                grok.send_audio(PCM, block=False)
        with pytest.raises(SendQueueFull):
            grok.send_audio(PCM, block=False)
        for _ in range(3):
            grok.send_audio(PCM, drop_oldest=True)
        dropped = []
        while len(dropped) < 3:
            dropped.append(grok.wait_for(events.AudioDropped, timeout=SOON).ms)
        assert dropped == [20, 20, 20]
        transport.valve.set()
        transport.wait(lambda t: len(t.events) > 200)
        grok.send_audio(PCM, drop_oldest=True)  # there is room again: nothing to tell
        with pytest.raises(DeadlineExceeded):
            grok.wait_for(events.AudioDropped, timeout=0.05)


def test_what_happens_on_this_side_can_be_told() -> None:
    """`tell` puts a local event in line with those of the server; nothing is sent."""
    with scripted() as (grok, transport):
        grok.tell(events.AudioDropped(ms=7))
        assert grok.wait_for(events.AudioDropped, timeout=SOON) == events.AudioDropped(ms=7)
        with pytest.raises(TypeError, match=r"only a LocalEvent can be told, .* send\(\)"):
            grok.tell(events.ResponseCreate())  # type: ignore[arg-type]
        assert len(transport.events) == 1


def test_an_update_that_is_refused_changes_nothing(client: Connect) -> None:
    """`update_session` raises the server's refusal, and the client keeps its configuration."""
    with client() as grok:
        before = grok.config
        with pytest.raises(ServerError, match="must be an array"):
            grok.update_session(before.with_extra(output_modalities="audio"), timeout=SOON)
        assert grok.config is before
        grok.update_session(before.with_voice("Eve"), timeout=SOON)
        assert grok.config.voice == "Eve"
        assert grok.ask("Still there?", timeout=SOON).text


def test_an_update_without_an_answer_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """No answer in time is logged; the new configuration holds as far as we know."""
    with scripted() as (grok, transport):
        transport.answers = lambda _: None
        grok.update_session(grok.config.with_voice("Eve"), timeout=0.05)
        assert grok.config.voice == "Eve"
    assert "no session.updated within 0.05 s" in caplog.text


def test_text_that_is_no_json_is_a_failure_not_the_end() -> None:
    """`on_error` hears `Malformed`, and the session goes on."""
    failures: list[Any] = []
    with scripted(on_error=failures.append) as (grok, transport):
        transport.hears(Frame(TEXT, b"{"), {"type": "ping"})
        grok.wait_for(events.Ping, timeout=SOON)
        assert grok.state == "open"
    assert [failure.data for failure in failures] == [b"{"]


# --- tools by hand -----------------------------------------------------------------------------


def test_a_function_answered_by_hand(client: Connect) -> None:
    """`on_function_call` hears the call, `send_tool_result` answers it, the reply goes on."""
    definition = GrokToolDefinition.function("weather", "The weather.", {"type": "object"})
    config = SessionConfig.wideband().with_tools([definition])
    script = Script().calls("weather", city="Oslo").says("It is {output}.")
    with client(script=script, config=config) as grok:
        calls: list[events.FunctionCalled] = []
        grok.on_function_call(calls.append)
        grok.on_function_call(lambda e: grok.send_tool_result(e.call.call_id, {"degrees": 3}))
        answer = grok.ask("How warm is it?", timeout=SOON)
        assert answer.text == 'It is {"degrees":3}.'
        (call,) = calls
        assert (call.call.name, call.answered_by) == ("weather", None)
        with pytest.raises(LocalProtocolError, match="answer already"):
            grok.send_tool_result(call.call.call_id, "again")
        with pytest.raises(LocalProtocolError, match="JSON"):
            grok.send_tool_result("other", object())


# --- what a client is not ----------------------------------------------------------------------


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_client_cannot_be_copied(take: Callable[[object], object]) -> None:
    """A copy would share a connection: it is refused with a sentence."""
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        take(GrokClient(KEY))


def test_the_key_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the client's representation, its fields, its log nor its errors hold the key."""
    caplog.set_level(logging.DEBUG)
    with scripted() as (grok, transport):
        transport.hears_close(4001, "why")
        with pytest.raises(Exception, match="4001") as caught:
            grok.run()
        shown = [grok, vars(grok), vars(grok._lifecycle), grok._lifecycle._opening, caught.value]
    assert KEY not in f"{shown!r} {caplog.text}"


def test_two_clients_share_nothing() -> None:
    """Handlers, tools and configuration of one are not the other's."""
    one, two = GrokClient(KEY), GrokClient(KEY)
    one.on(events.Event)(print)
    one.tool(_tool)
    one.config = SessionConfig()
    assert events.Event not in two._handlers
    assert "_tool" not in two._tooling._box
    assert two.config is GrokClient.config


def _tool() -> str:
    """A tool."""
    return "x"


def test_many_threads_send(client: Connect) -> None:
    """Any thread may call any verb: all of it arrives, each thread's in its order."""
    with client() as grok:

        def send(who: int) -> None:
            for n in range(50):
                item = ConversationItem.user_text(f"{who}-{n}", id=f"{who}-{n}")
                grok.send(events.ConversationItemCreate(item=item))

        with grok.expect(events.ConversationItemAdded, lambda e: len(seen) == 200, timeout=SOON):
            seen: list[str] = []
            grok.on(events.ConversationItemAdded)(lambda e: seen.append(e.item.id))
            threads = [in_background(lambda who=who: send(who))[0] for who in range(4)]
            for thread in threads:
                thread.join(SOON)
            send(4)
    for who in range(4):
        mine = [item for item in seen if item.startswith(f"{who}-")]
        assert mine == [f"{who}-{n}" for n in range(50)]
