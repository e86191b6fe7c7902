"""What people get wrong in their calls: told by one sentence, at the call, and nothing breaks."""

from __future__ import annotations

import array
import contextlib
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import scripted
from scripted import SOON, ScriptedTransport

from grok_rt import GrokClient, SessionConfig, events, tokens
from grok_rt.errors import (
    AudioError,
    ConfigError,
    ConnectionClosedError,
    ConnectionClosedOK,
    LocalProtocolError,
    ToolError,
)
from grok_rt.models import GrokToolDefinition
from grok_rt.simulator import Script, Simulator, loopback

KEY = "key"


@pytest.fixture
def grok() -> Iterator[GrokClient]:
    with GrokClient(KEY, transport=loopback(instant=True)) as client:
        yield client


SENT: list[tuple[str, Callable[[Any], object], type[Exception], str]] = [
    ("no text", lambda c: c.send_user_text(None), TypeError, "a str, not NoneType"),
    ("no text to say", lambda c: c.say(b"Hello."), TypeError, "a str, not bytes"),
    ("no event", lambda c: c.send(5), TypeError, "takes an event"),
    ("nothing", lambda c: c.send(None), TypeError, "takes an event"),
    ("a type", lambda c: c.send("response.create"), TypeError, "takes an event"),
    ("a class", lambda c: c.send(events.ResponseCreate), TypeError, "takes an event"),
    ("a server's", lambda c: c.send(events.SessionUpdated(session={})), TypeError, "takes an"),
    ("a path", lambda c: c.send_audio(Path("x.wav")), TypeError, r"bytes, not .*Path.* ask\(\)"),
    ("text", lambda c: c.send_audio("x.wav"), TypeError, "bytes, not str"),
    ("floats", lambda c: c.send_audio(array.array("f", [0.5])), TypeError, "4 bytes each"),
    ("half", lambda c: c.send_audio(b"123"), AudioError, "3 bytes"),
    (
        "an id",
        lambda c: c.send(events.ConversationItemDelete(item_id=5)),
        LocalProtocolError,
        r"ConversationItemDelete cannot be sent: expected a string.*\$\.item_id",
    ),
    (
        "an absent id",
        lambda c: c.send(events.ConversationItemDelete(item_id=None)),
        LocalProtocolError,
        r"\$\.item_id",
    ),
    ("no call", lambda c: c.send_tool_result(5, "x"), TypeError, "a call's id is a string"),
    ("no config", lambda c: c.update_session({"voice": "Eve"}), ConfigError, "SessionConfig"),
    (
        "a change",
        lambda c: c.update_session(voice="Eve"),
        TypeError,
        r"^GrokClient.update_session\(\) .* 'voice': update_session\(client.config.with_voice\(…",
    ),
    (
        "no change",
        lambda c: c.update_session(voise="Eve"),
        TypeError,
        r"^GrokClient.update_session\(\) .* 'voise': update_session\(SessionConfig\(…\)\)$",
    ),
    (
        "a text as turns",
        lambda c: c.seed("Hello."),
        TypeError,
        "the turns of a Conversation, and 'H'",
    ),
    (
        "a pair as turn",
        lambda c: c.seed([("user", "Hi")]),
        TypeError,
        r"and \('user', 'Hi'\) is none",
    ),
    *(
        (f"nothing to {verb}", call, LocalProtocolError, "^the question is empty: there is nothing")
        for verb, call in {
            "ask": lambda c: c.ask(" \n"),
            "stream": lambda c: c.stream(""),
            "submit": lambda c: c.submit("").result(timeout=SOON),
        }.items()
    ),
    ("a lambda", lambda c: c.on(lambda e: 0), TypeError, "keyed by an event class"),
    ("client's", lambda c: c.on(events.ResponseCreate), TypeError, "never heard"),
    ("waited", lambda c: c.wait_for(events.ResponseCreate, timeout=1), TypeError, "never heard"),
    ("awaited", lambda c: c.wait_for("response.done", timeout=1), TypeError, "keyed by"),
    (
        "seconds as predicate",
        lambda c: c.wait_for(events.ResponseDone, 5, timeout=1),
        TypeError,
        "a function of the event, not 5; seconds are timeout=",
    ),
    *(
        (f"a bool for {name}", call, TypeError, "a timeout is a number of seconds.*, not True")
        for name, call in {
            "ask": lambda c: c.ask("?", timeout=True),
            "stream": lambda c: c.stream("?", timeout=True),
            "recv": lambda c: c.recv(timeout=True),
            "wait_for": lambda c: c.wait_for(events.ResponseDone, timeout=True),
            "update_session": lambda c: c.update_session(timeout=True),
            "close": lambda c: c.close(timeout=True),
            "a token": lambda c: tokens.create("key", timeout=True),
        }.items()
    ),
]


@pytest.mark.parametrize(
    ("call", "error", "sentence"), [case[1:] for case in SENT], ids=[case[0] for case in SENT]
)
def test_a_wrong_argument_is_told_at_the_call(
    grok: GrokClient, call: Callable[[Any], object], error: type[Exception], sentence: str
) -> None:
    """Nothing is sent, and the session goes on."""
    with pytest.raises(error, match=sentence):
        call(grok)
    assert grok.ask("Are you there?", timeout=SOON).text


def test_samples_are_sound_whatever_holds_them(grok: GrokClient) -> None:
    """Any buffer of bytes, or of 16-bit numbers, is sent as it is."""
    for sound in (b"\1\0", bytearray(2), memoryview(b"\1\0"), array.array("h", [1, 2, 3])):
        grok.send_audio(sound)  # type: ignore[arg-type]


def test_a_result_for_no_call_leaves_a_response_alone() -> None:
    """It goes out at once; the `response.create` after it waits for the response that speaks."""
    transport = ScriptedTransport()
    with scripted(transport) as grok:
        transport.hears({"type": "response.created", "response": {"id": "r1"}})
        grok.wait_for(events.ResponseCreated, timeout=SOON)
        grok.send_tool_result("call-nobody-made", "done")
        transport.wait(lambda line: "conversation.item.create" in line.types)
        assert "response.create" not in transport.types
        transport.hears({"type": "response.done", "response": {"id": "r1"}})
        transport.wait(lambda line: "response.create" in line.types)


def test_a_result_for_no_call_is_told(grok: GrokClient, caplog: pytest.LogCaptureFixture) -> None:
    """It may be one of an earlier session, so it is sent; the log names the calls that are open."""
    grok.send_tool_result("call-nobody-made", "done")
    assert "for 'call-nobody-made', but no such call has been heard; open: none" in caplog.text


def test_a_result_for_another_call_names_the_open_ones(caplog: pytest.LogCaptureFixture) -> None:
    """Who mistakes an id learns which there are; of a right one nothing is said."""
    definition = GrokToolDefinition.function("weather", "The weather.", {"type": "object"})
    config = SessionConfig.wideband().with_tools([definition])
    script = Script().calls("weather", city="Oslo").says("It is {output}.")
    calls: list[str] = []

    def answer(event: events.FunctionCalled) -> None:
        calls.append(event.call.call_id)
        client.send_tool_result(event.call.call_id + "?", "wrong")
        client.send_tool_result(event.call.call_id, "cold")

    transport = loopback(script, instant=True)
    with GrokClient(KEY, config=config, transport=transport, on_function_call=answer) as client:
        client.ask("How warm is it?", timeout=SOON)
    (told,) = caplog.messages
    assert f"for '{calls[0]}?'" in told
    assert told.endswith(f"open: '{calls[0]}' of weather")


@pytest.mark.parametrize("key", [SessionConfig(), 5, b"xai-1", ["xai-1"]])
def test_what_is_no_key_is_refused_where_it_is_given(key: Any) -> None:
    """Before anybody connects; a configuration in its place is the usual slip."""
    with pytest.raises(ConfigError, match=f"api_key: a string, .*of type {type(key).__name__}"):
        GrokClient(key)


def test_tools_are_a_list() -> None:
    """A name alone is none, though it can be iterated over."""
    with pytest.raises(ToolError, match=r"tools are a list, as in .* not 'weather'"):
        GrokClient(KEY, tools="weather")  # type: ignore[arg-type]


def test_start_is_refused_once_the_session_is_over() -> None:
    """It raises the first cause like every other call, instead of pumping nothing."""
    grok = GrokClient(KEY, transport=loopback(instant=True)).connect()
    grok.close()
    with pytest.raises(ConnectionClosedOK, match="closed by this program"):
        grok.start()
    never = GrokClient(KEY)
    never.close()
    with pytest.raises(ConnectionClosedOK):
        never.start()


def test_init_must_be_called() -> None:
    """A subclass that forgets it is told so by the first call, whichever it is."""

    class Forgetful(GrokClient):
        def __init__(self) -> None:
            pass

    calls: list[Callable[[GrokClient], object]] = [
        lambda c: c.connect(),
        lambda c: c.start(),
        lambda c: c.close(),
        lambda c: c.ask("?"),
        lambda c: c.recv(),
        lambda c: c.on_audio(print),
        lambda c: c.tool(print),
        lambda c: c.send_user_text("?"),
        lambda c: c.state,
    ]
    for call in calls:
        with pytest.raises(LocalProtocolError, match=r"Forgetful.__init__ .* super\(\).__init__"):
            call(Forgetful())


def test_what_does_not_exist_is_told_as_python_does() -> None:
    """An unknown attribute of a whole client is an `AttributeError`, which `hasattr` knows."""
    grok = GrokClient()
    with pytest.raises(AttributeError, match="'GrokClient' object has no attribute 'askk'"):
        grok.askk  # noqa: B018  # type: ignore[attr-defined]
    assert not hasattr(grok, "on_audoi")


def test_a_lost_connection_says_what_to_do() -> None:
    """The sentence of 1006 ends with the way on; those of other ends do not."""
    assert str(ConnectionClosedError(1006, "gone")).endswith("gone; to go on, make a new client")
    assert str(ConnectionClosedError(1011, "oops")) == "connection closed (1011): oops"


# --- Ctrl+C, and a close, while our own code is slow --------------------------------


def test_a_close_waits_a_moment_only_for_a_tool() -> None:
    """A tool that ignores its cancellation goes on by itself; one that heeds it has ended."""
    release = threading.Event()
    started = threading.Event()

    def slow() -> str:
        """Ignore everything."""
        started.set()
        release.wait(SOON)
        return "late"

    script = Script().calls("slow").says("{output}")
    with contextlib.ExitStack() as stack:
        stack.callback(release.set)
        connect = loopback(script, instant=True)
        grok = GrokClient(KEY, transport=connect, tools=[slow]).start()
        grok.send_user_text("Go.")
        grok.request_response()
        assert started.wait(SOON)
        began = time.monotonic()
        grok.close()
        assert time.monotonic() - began < 1  # and not `close_timeout`, which is 5


SLOW = {
    "a tool": """
        @grok.tool
        def slow() -> str:
            "Slow."
            interrupt()
            time.sleep(8)
            return ""

        grok.ask("Go.")
    """,
    "a handler": """
        @grok.on(events.ResponseCreated)
        def slow(event):
            interrupt()
            time.sleep(8)

        grok.start()
        grok.send_user_text("Go.")
        grok.request_response()
        time.sleep(8)
    """,
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("case", SLOW)
def test_an_interrupt_does_not_wait_for_slow_code(case: str) -> None:
    """Ctrl+C leaves the block at once, whatever runs; the close frame still goes out."""
    program = """
        import os, signal, sys, time
        from grok_rt import GrokClient, events

        def interrupt():
            global pressed
            # A signal in the microsecond before a wait begins does not end it: CPython's own race.
            time.sleep(0.1)
            pressed = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)

        try:
            with GrokClient("key", url=sys.argv[1]) as grok:
        """
    program = textwrap.dedent(program) + textwrap.indent(textwrap.dedent(SLOW[case]), " " * 8)
    program += "except KeyboardInterrupt:\n    print(time.monotonic() - pressed)\n"
    script = Script().calls("slow").says("{output}")
    with Simulator(script) as server:
        done = subprocess.run(
            [sys.executable, "-c", program, server.url],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert float(done.stdout) < 1, done.stdout  # 0.2 on an idle machine


def test_a_config_can_be_changed_by_its_class() -> None:
    """A subclass's own config is what its clients have."""

    class Desk(GrokClient):
        config = SessionConfig(voice="Eve")

    assert Desk().config.voice == "Eve"
