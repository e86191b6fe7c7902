"""Tools at work for a client: declared, run, answered."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from asking import KEY, client, scripted
from callers import call_in_thread, until
from hypothesis import given
from hypothesis import strategies as st
from scripted import SOON, ScriptedTransport

from grok_rt import GrokClient, GrokToolDefinition, SessionConfig, ToolBox, events, tool, tools
from grok_rt._client.tooling import told
from grok_rt.errors import DeadlineExceeded, LocalProtocolError, ServerError, ToolError
from grok_rt.simulator import Script, Simulator
from grok_rt.tools import Tool

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sleet in {city}."


def declared(server: Simulator) -> list[list[str]]:
    """The names of the functions in each `session.update`."""
    updates = [e for e in server.received if isinstance(e, events.SessionUpdate)]
    return [[tool.name for tool in update.session.tools or ()] for update in updates]  # type: ignore[misc]


def test_every_way_to_bring_a_tool() -> None:
    """As an argument, a box, a marked method, a decorator: each is declared, in its order."""
    box = ToolBox([weather])

    @tool
    def clock() -> str:
        """The time."""
        return "noon"

    class Desk(GrokClient):
        @tool(name="book")
        def book_a_visit(self, day: str) -> str:
            """Book."""
            return day

    with Simulator() as server:
        grok = Desk(KEY, url=server.url, tools=[*box, clock])
        with grok:

            @grok.tool(timeout=5)
            def late() -> str:
                """Registered while the session is open: the server is told at once."""
                return "late"

            assert late() == "late"
        assert declared(server) == [
            ["weather", "clock", "book"],
            ["weather", "clock", "book", "late"],
        ]


def test_a_function_of_the_config_is_kept_unless_a_tool_has_its_name() -> None:
    """What the config declares is declared; a tool of the same name takes its place."""
    by_hand = GrokToolDefinition.function("by_hand", "Mine.", {"type": "object"})
    shadowed = GrokToolDefinition.function("weather", "Old.", {"type": "object"})
    search = GrokToolDefinition.web_search()
    config = SessionConfig.wideband().with_tools([by_hand, search, shadowed])
    transport = ScriptedTransport()
    with scripted(transport, config=config, tools=[weather]):
        pass
    tools = transport.events[0]["session"]["tools"]
    assert [(t["type"], t.get("name"), t.get("description")) for t in tools] == [
        ("function", "by_hand", "Mine."),
        ("web_search", None, None),
        ("function", "weather", "The weather in a city."),
    ]


def test_a_call_of_what_was_declared_before_is_still_answered() -> None:
    """An update without a function does not orphan a call that is under way."""
    by_hand = GrokToolDefinition.function("by_hand", "Mine.", {"type": "object"})
    with client(config=SessionConfig.wideband().with_tools([by_hand])) as grok:
        grok.update_session(SessionConfig.wideband(), timeout=SOON)
        assert "by_hand" in grok._tooling.declared


def test_a_misspelt_call_of_a_script_does_not_let_ask_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It fails at once; `on_error` and the log name what was meant."""
    failures: list[events.Failure] = []
    with client(Script().calls("weathr").says("{output}"), on_error=failures.append) as grok:

        @grok.tool
        def weather() -> str:
            """Never called."""
            return "cold"

        assert grok.ask("?", timeout=SOON).status == "failed"
    (failure,) = failures
    assert failure.message.endswith("has declared only 'weather'; did you mean 'weather'?")
    assert failure.message in caplog.text


def test_a_tool_that_fails_is_told_to_both_sides(caplog: pytest.LogCaptureFixture) -> None:
    """The model hears that it failed, `on_error` and the log hear why."""
    failures: list[events.Failure] = []
    with client(Script().calls("broken").says("{output}"), on_error=failures.append) as grok:

        @grok.tool
        def broken() -> str:
            """Fail."""
            raise ZeroDivisionError("secret inside")

        answer = grok.ask("?", timeout=SOON)
    assert answer.text == "The tool failed."
    (failure,) = failures
    assert isinstance(failure, events.HandlerFailed)
    assert (failure.handler, type(failure.error)) == ("tool broken", ZeroDivisionError)
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info


def test_a_tool_error_is_for_the_model_alone() -> None:
    """`ToolError` is an answer, not a failure."""
    failures: list[events.Failure] = []
    with client(Script().calls("picky").says("{output}"), on_error=failures.append) as grok:

        @grok.tool
        def picky() -> str:
            """Refuse."""
            raise ToolError("Only in Oslo.")

        assert grok.ask("?", timeout=SOON).text == "Only in Oslo."
    assert not failures


def test_a_slow_tool_is_answered_for() -> None:
    """After its timeout the model hears that it took too long, and the session goes on."""
    release = threading.Event()
    failures: list[events.Failure] = []
    with client(Script().calls("slow").says("{output}"), on_error=failures.append) as grok:

        @grok.tool(timeout=0.05)
        def slow() -> str:
            """Take long."""
            release.wait(SOON)
            return "too late"

        assert "no answer within 0.05 s" in grok.ask("?", timeout=SOON).text
        release.set()
    assert len(failures) == 1


def test_a_tool_that_returns_after_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that comes after `close` is dropped without a failure."""
    caplog.set_level(logging.DEBUG, "grok_rt")
    entered, release = threading.Event(), threading.Event()
    with client(Script().calls("slow")) as grok:

        @grok.tool
        def slow() -> str:
            """Take long."""
            entered.set()
            release.wait(SOON)
            return "x"

        grok.start()
        grok.request_response()
        assert entered.wait(SOON)
        threading.Timer(0.05, release.set).start()
    assert "came too late" in caplog.text
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_a_call_of_an_unknown_tool_is_left_to_the_handlers() -> None:
    """What no tool answers is `answered_by` None, and only told."""
    by_hand = GrokToolDefinition.function("by_hand", "Mine.", {"type": "object"})
    config = SessionConfig.wideband().with_tools([by_hand])
    with client(Script().calls("by_hand").says("{output}"), config=config) as grok:
        called = []
        grok.on_function_call(called.append)
        grok.request_response()
        grok.wait_for(events.FunctionCalled, timeout=SOON)
        assert called[0].answered_by is None


def test_a_refused_tool_is_taken_back() -> None:
    """What the server refused is not said again in the next update, and may be tried again."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        transport.answers = lambda event: transport.hears(
            {"type": "error", "error": {"type": "x", "message": "", "event_id": event["event_id"]}}
        )
        with pytest.raises(ServerError):
            grok.tool(weather)
        transport.answers = transport.confirm_updates
        grok.update_session()
        assert "tools" not in transport.events[-1]["session"]
        grok.tool(weather)
        assert [t["name"] for t in transport.events[-1]["session"]["tools"]] == ["weather"]


def test_a_shared_box_is_looked_at_whenever_the_session_is_configured() -> None:
    """What is added to a box later is declared with the next update, and then answered."""
    box = ToolBox()
    with Simulator(Script().calls("weather", city="Oslo").says("{output}")) as server:
        with GrokClient(KEY, url=server.url, tools=box) as grok:
            box.add(weather)
            grok.update_session()
            assert grok.ask("?", timeout=SOON).text == "Sleet in Oslo."
        with GrokClient(KEY, url=server.url, tools=box):
            pass
        assert declared(server) == [[], ["weather"], ["weather"]]


def test_a_name_of_the_shared_box_is_taken() -> None:
    """A client's own tool may not hide one of the box; one that came first wins over the box's."""
    box = ToolBox([weather])
    grok = client(tools=box)
    with pytest.raises(ToolError, match="'weather' already"):
        grok.tool(weather)

    @grok.tool
    def clock() -> str:
        """Mine."""
        return "mine"

    box.add(Tool.of(clock, description="Theirs."))
    definitions = grok._tooling.definitions(SessionConfig.wideband())
    assert [(d.name, d.description) for d in definitions] == [
        ("weather", "The weather in a city."),
        ("clock", "Mine."),
    ]


def test_a_call_of_a_tool_that_was_taken_away_is_answered() -> None:
    """The model is told at once; it does not wait for a time limit."""
    box = ToolBox([weather])
    script = Script().calls("weather", city="Oslo").says("{output}")
    with client(script, tools=box) as grok:
        box.remove("weather")
        assert grok.ask("?", timeout=SOON).text == "This tool was taken away."


def test_a_ready_made_tool_can_be_registered() -> None:
    """`client.tool` takes a `Tool`, with all that was said of it."""
    grok = client()
    grok.tool(Tool.of(weather, name="forecast", timeout=3))
    assert [d.name for d in grok._tooling.definitions(grok.config)] == ["forecast"]


def test_tools_may_be_registered_by_many_threads() -> None:
    """During a session each is declared, one update after the other, and none is lost."""

    def make(number: int) -> Tool:
        return Tool.of(lambda: number, name=f"tool_{number}", description="A number.")

    with Simulator() as server:
        with GrokClient(KEY, url=server.url) as grok:
            for call in [
                call_in_thread(lambda number=number: grok.tool(make(number)))  # type: ignore[misc]
                for number in range(6)
            ]:
                call.result(SOON)
        assert sorted(declared(server)[-1]) == [f"tool_{number}" for number in range(6)]


def patient(begun: threading.Event) -> Callable[[], str]:
    """Make a tool that works until somebody cancels it."""

    def wait() -> str:
        """Wait."""
        begun.set()
        return "stopped" if tools.cancelled().wait(SOON) else "never told"

    return wait


SPEECH = {"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 1}


@pytest.mark.parametrize(
    "cancel",
    [
        lambda _grok, server: server.hears(SPEECH),
        lambda grok, _server: grok.interrupt(),
        lambda grok, _server: grok.cancel_response(),
    ],
    ids=["the user speaks", "interrupt", "cancel_response"],
)
def test_a_working_tool_is_told_that_it_is_perhaps_not_wanted(
    cancel: Callable[[GrokClient, ScriptedTransport], None],
) -> None:
    """The token is set at once, whoever pumps; what the tool then returns is sent all the same."""
    begun = threading.Event()
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        grok.tool(patient(begun))
        call = {"call_id": "c", "name": "wait", "arguments": "{}", "response_id": "r"}
        transport.hears({"type": "response.created", "response": {"id": "r"}})
        transport.hears({"type": "response.function_call_arguments.done", "item_id": "i", **call})
        transport.hears({"type": "response.done", "response": {"id": "r", "status": "completed"}})
        grok.wait_for(events.ResponseDone, timeout=SOON)
        assert begun.wait(SOON)
        cancel(grok, transport)
        until(
            lambda: transport.events[-1]["type"] in ("conversation.item.create", "response.create")
        )
        (output,) = [
            event["item"]
            for event in transport.events
            if event["type"] == "conversation.item.create"
        ]
        assert (output["call_id"], output["output"]) == ("c", "stopped")


def test_a_question_that_is_given_up_gives_its_tools_up() -> None:
    """Nobody waits for the answer any more, so the tool that works for it is told."""
    begun, told = threading.Event(), threading.Event()
    with client(Script().calls("wait")) as grok:

        @grok.tool
        def wait() -> None:
            """Wait."""
            begun.set()
            if tools.cancelled().wait(SOON):
                told.set()

        with pytest.raises(DeadlineExceeded):
            grok.ask("?", timeout=0.3)
        assert begun.is_set()
        assert told.wait(SOON)


def test_a_call_that_is_unwanted_before_it_begins_finds_its_token_set() -> None:
    """The user may speak before anybody pumps: the tool that runs later knows."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        begun = threading.Event()
        grok.tool(patient(begun))
        call = {"call_id": "c", "name": "wait", "arguments": "{}", "response_id": "r"}
        transport.hears({"type": "response.created", "response": {"id": "r"}})
        transport.hears({"type": "response.function_call_arguments.done", "item_id": "i", **call})
        transport.hears({"type": "response.done", "response": {"id": "r", "status": "completed"}})
        transport.hears(SPEECH, {"type": "input_audio_buffer.speech_stopped", "item_id": "u"})
        with grok.expect(events.InputAudioBufferSpeechStopped, timeout=SOON):
            assert not begun.is_set()
        until(lambda: transport.events[-1]["type"] == "response.create")
        assert transport.events[-2]["item"]["output"] == "stopped"


def test_parallel_tools_of_any_length_get_one_spoken_continuation() -> None:
    """0.1 s, 0.5 s, and 20 s that are too many: each is answered, then Grok speaks once, of all."""
    script = Script().calls("nap", seconds=0.1).calls("nap", seconds=0.5).calls("nap", seconds=20)
    failures: list[events.Failure] = []
    released = threading.Event()
    with Simulator(script.says("{output}")) as server:
        with GrokClient(KEY, url=server.url, on_error=failures.append) as grok:

            @grok.tool(timeout=1.5)
            def nap(seconds: float) -> str:
                """Sleep for a while."""
                if tools.cancelled().wait(seconds):
                    released.set()
                return f"slept {seconds:g} s"

            answer = grok.ask("?", timeout=30)
            assert released.wait(SOON)
        sent = [event.type for event in server.received]
    said = "slept 0.1 s, slept 0.5 s, The tool gave no answer within 1.5 s."
    assert (answer.text, len(answer.tool_calls)) == (said, 3)
    assert [type for type in sent if type not in ("session.update", "response.cancel")] == [
        *("conversation.item.create", "response.create"),
        *("conversation.item.create",) * 3,
        "response.create",
    ]
    (failure,) = failures
    assert isinstance(failure, events.HandlerFailed)
    assert isinstance(failure.error, DeadlineExceeded)
    assert 1.5 <= answer.latency.total < 20


CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("CALLER", default="nobody")


@pytest.mark.parametrize("started", [False, True], ids=["nobody pumps", "start()"])
@pytest.mark.parametrize("verb", ["ask", "stream", "submit"])
def test_a_tool_sees_the_context_of_who_asked(verb: str, *, started: bool) -> None:
    """Context variables are those of who asks, whoever pumps, and a tool changes none of them."""
    with client(Script().calls("who").says("{output}")) as grok:

        @grok.tool
        def who() -> str:
            """Tell who calls."""
            caller = CALLER.get()
            CALLER.set("the tool")
            return caller

        if started:
            grok.start()
        context = contextvars.copy_context()
        context.run(CALLER.set, "me")
        asked = context.run(getattr(grok, verb), "?", SOON)
        if verb == "stream":
            *_, asked = asked
        elif verb == "submit":
            asked = asked.result(SOON)
        assert asked.text == "me"
    assert context[CALLER] == "me"


def test_a_tool_that_nobody_asked_for_sees_the_context_of_the_pump() -> None:
    """Where a response is requested, or speech answered, it is who called `start()`."""
    with client(Script().calls("who").says("{output}")) as grok:

        @grok.tool
        def who() -> str:
            """Tell who calls."""
            return CALLER.get()

        context = contextvars.copy_context()
        context.run(CALLER.set, "me")
        context.run(grok.start)
        with grok.expect(events.TranscriptDelta, timeout=SOON) as said:
            grok.send_user_text("?")
            grok.request_response()
    assert said.event is not None
    assert said.event.delta == "me"


def test_two_tools_of_one_name() -> None:
    """The second is refused where it is registered."""
    grok = client(tools=[weather])
    with pytest.raises(ToolError, match="weather"):
        grok.tool(weather)


@given(JSON)
def test_a_result_is_text_or_json(value: Any) -> None:
    """Text goes as it is; everything else as the JSON that means it."""
    text = told("call", value)
    assert text == value if isinstance(value, str) else msgspec.json.decode(text) == value


@pytest.mark.parametrize("value", [object(), {1: object()}, float, ["\ud800"]])
def test_a_result_that_is_neither(value: object) -> None:
    """What cannot be JSON is refused in the caller."""
    with pytest.raises(LocalProtocolError, match="text or JSON"):
        told("call", value)
