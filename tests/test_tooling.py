"""Tools at work for a client: declared, run, answered."""

from __future__ import annotations

import logging
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import GREETING, SOON, ScriptedTransport

from grok_rt import GrokClient, GrokToolDefinition, SessionConfig, ToolBox, events, tool
from grok_rt._tooling import told
from grok_rt.errors import LocalProtocolError, ServerError, ToolError
from grok_rt.simulator import Script, Simulator, loopback

KEY = "test"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sleet in {city}."


def client(script: Script | None = None, **options: Any) -> GrokClient:
    return GrokClient(KEY, transport=loopback(script, instant=True), **options)


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
    transport.answers = transport.confirm_updates
    transport.hears(*GREETING)
    with GrokClient(KEY, transport=lambda _u, _h: transport, config=config, tools=[weather]):
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


def test_a_tool_that_the_server_refuses() -> None:
    """Registering while the session is open raises the server's refusal."""
    transport = ScriptedTransport()
    transport.answers = transport.confirm_updates
    transport.hears(*GREETING)
    with GrokClient(KEY, transport=lambda _u, _h: transport, close_timeout=1) as grok:
        transport.answers = lambda event: transport.hears(
            {"type": "error", "error": {"type": "x", "message": "", "event_id": event["event_id"]}}
        )
        with pytest.raises(ServerError):
            grok.tool(weather)


def test_two_tools_of_one_name() -> None:
    """The second is refused where it is registered."""
    grok = client(tools=[weather])
    with pytest.raises(ToolError, match="weather"):
        grok.tool(weather)


@given(JSON)
def test_a_result_is_text_or_json(value: Any) -> None:
    """Text goes as it is; everything else as the JSON that means it."""
    text = told(value)
    assert text == value if isinstance(value, str) else msgspec.json.decode(text) == value


@pytest.mark.parametrize("value", [object(), {1: object()}, float, ["\ud800"]])
def test_a_result_that_is_neither(value: object) -> None:
    """What cannot be JSON is refused in the caller."""
    with pytest.raises(LocalProtocolError, match="text or JSON"):
        told(value)
