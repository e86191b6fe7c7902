"""The page of timeouts and bounds says what the code does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from grok_rt import (
    Budget,
    GrokClient,
    Reconnect,
    _card,
    _notebook,
    client,
    doctor,
    tokens,
)
from grok_rt._asking import exchange, question
from grok_rt._client import configurer, lifecycle, pump, tooling
from grok_rt._connection import connection, reading
from grok_rt._connection.liveness import Limits
from grok_rt._session import calls
from grok_rt._session import session as _session
from grok_rt._wire import framing, transport
from grok_rt._wire.line import dialling, http, refusals
from grok_rt.audio import _wav
from grok_rt.cli import ask, simulate
from grok_rt.cli import token as token_command
from grok_rt.conversation import Conversation
from grok_rt.devices import (
    Microphone,
    Speaker,
    SpeakerMark,
    _echo,
    _microphone,
    _playback,
    _speaker,
    _talk,
)
from grok_rt.recording import _page, _recorder
from grok_rt.recording import _playback as _recorded
from grok_rt.simulator import (
    LIVE,
    VirtualSession,
    dashboard,
    journal,
    line,
    peer,
    server,
    service,
    voice,
    watching,
)
from grok_rt.simulator import http as simulated_http
from grok_rt.streams import paced
from grok_rt.testing import GrokServer
from grok_rt.tools import Runner, Tool, _workers
from grok_rt.usage import _meter

PAGE = Path(__file__).parents[1] / "docs" / "limits.md"
UNITS = {"ms": 0.001, "s": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def default(function: Callable[..., Any], name: str) -> Any:
    """Return what an argument is if nobody says."""
    return inspect.signature(function).parameters[name].default


ARGUMENTS = {
    f"{name}=": parameter.default
    for name, parameter in inspect.signature(GrokClient.__init__).parameters.items()
    if isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool)
}
LIMITS = ARGUMENTS | {
    # waits without a deadline
    "recv(timeout=)": default(GrokClient.recv, "timeout"),
    "wait_for(timeout=)": default(GrokClient.wait_for, "timeout"),
    "expect(timeout=)": default(GrokClient.expect, "timeout"),
    "run(), for event in client": None,
    # opening
    "head start of an address": dialling.HEAD_START,
    "answer to the first session.update": configurer._UPDATE_TIMEOUT,
    "update_session(timeout=)": default(GrokClient.update_session, "timeout"),
    "head of the server's HTTP answer": http.LIMIT,
    "body of a refusal, its time": http.BODY_PATIENCE,
    "body of a refusal, its size": http.LIMIT,
    "words of a refusal that a message quotes": refusals._LONGEST,
    "close of a session that never stood": lifecycle._GIVE_UP,
    "tokens.create(timeout=)": default(tokens.create, "timeout"),
    "tokens.create(expires_after=)": default(tokens.create, "expires_after"),
    # sending
    "events in the outbox": Limits().outbox_items,
    "bytes in the outbox": Limits().outbox_bytes,
    "sent and not acknowledged": dialling.USER_TIMEOUT_MS / 1000,
    "ask(timeout=)": default(GrokClient.ask, "timeout"),
    "stream(timeout=)": default(GrokClient.stream, "timeout"),
    "submit(timeout=)": default(GrokClient.submit, "timeout"),
    "silence after a spoken question": question._TAIL_MS / 1000,
    "speech that still belongs to a question": question._SETTLE_MS / 1000,
    "a question that met another answer": exchange._RETRY,
    "paced(frame_ms=)": default(paced, "frame_ms") / 1000,
    "paced(trailing_silence_ms=)": default(paced, "trailing_silence_ms") / 1000,
    # receiving
    "size of a message": default(transport.WebSocketTransport.connect, "max_size"),
    "fragments of a message": default(framing.FrameReader, "max_fragments"),
    "size of a control frame": framing._MAX_CONTROL,
    "age of the backlog": Limits().max_backlog_age,
    # reconnecting
    **{
        f"Reconnect({field.name}=)": field.default
        for field in attrs.fields(Reconnect)
        if field.name != "causes"
    },
    "a pause": _session._PAUSE,
    "look for a pause": connection._LOOK_AGAIN,
    "rest of reading beside start()": reading._STAY,
    # tools
    "tool(timeout=)": attrs.fields_dict(Tool)["timeout"].default,
    "grace beyond a tool's timeout": tooling._GRACE,
    "a call answered by hand": calls.Declared().timeout,
    "hold of an output": default(_session.Session, "hold_timeout"),
    "Runner(limit=)": default(Runner, "limit"),
    "Runner(idle=)": default(Runner, "idle"),
    "calls that nobody wants before they begin": _workers._REMEMBERED,
    "calls that are remembered": calls._REMEMBERED,
    # usage
    "budget=": default(GrokClient, "budget"),
    "Budget(warn_at=)": Budget(usd=1).warn_at,
    "calls that are counted once": _meter._REMEMBERED,
    "a packet of Opus": _meter._OPUS_PACKET,
    # closing
    "close of a with block on Ctrl+C or SystemExit": client._HURRY,
    "tools that are running": tooling._HEED,
    "end of a thread that was woken": connection._GRACE,
    "handlers of the last events": pump._LAST_CALL,
    "a server that broke the protocol": transport._LINGER,
    "exit of the program": connection._EXIT_TIMEOUT,
    # recording
    "notes that wait for the disk": _recorder._MAX_WAITING,
    "end of a recording": _recorder._PATIENCE,
    "sound behind the clock": _recorder._LAG,
    "jitter between two pieces of sound": _recorded._SLACK,
    "sound inside a report": _page._EMBEDDED,
    "sound inside a notebook": _card._LARGEST,
    "turns that a notebook shows": _notebook._MOST,
    # sound and memory
    "Microphone(latency=)": default(Microphone, "latency"),
    "Speaker(latency=)": default(Speaker, "latency"),
    "Speaker(jitter=)": default(Speaker, "jitter"),
    "sound that is ready for a speaker": _speaker._RING,
    "sound of a microphone that waits for its reader": _microphone._RING,
    "a microphone that was opened, until its first sound": _microphone._WAKING,
    "a microphone without a sound, silence included": _microphone._SILENT,
    "a speaker that takes no sound": _speaker._DEAD,
    "echo after the last sound of ours": _echo._TAIL,
    "SpeakerMark(every_ms=)": default(SpeakerMark, "every_ms") / 1000,
    "items and responses whose heard milliseconds are known": _playback._REMEMBERED,
    "end of a talk's own thread": _talk._GRACE,
    "a talk that another thread is stopping": _talk._LAST,
    "Conversation(max_turns=)": default(Conversation, "max_turns"),
    "Conversation(max_audio=)": default(Conversation, "max_audio"),
    "lowest rate of a WAV file": _wav._RATES.start,
    "highest rate of a WAV file": _wav._RATES.stop - 1,
    # at the command line
    "grok-rt ask --timeout": ask._PATIENCE,
    "grok-rt token --timeout": token_command._PATIENCE,
    "examine(timeout=) of grok_rt.doctor": default(doctor.examine, "timeout"),
    # in tests
    "patience of grok_server": GrokServer.patience,
    "VirtualSession.until(within=)": default(VirtualSession.until, "within"),
    "messages that a test keeps": journal.REMEMBERED,
    "a synthesis by espeak-ng": voice.TIMEOUT,
    "syntheses that run ahead": voice.AT_ONCE,
    "speech that is kept": voice.KEPT,
    # the simulator
    "a connection's first word": service.PATIENCE,
    "head and body of a request": simulated_http.LIMIT,
    "size of a client's message": line._MAX_SIZE,
    "bytes that a client has not taken": line._FULL,
    "a client's answer to a close frame": line.CLOSE_TIMEOUT,
    "the same, on Ctrl+C or SystemExit": server._HURRY,
    **{
        f"Simulator({name}=)": default(server.Simulator, name)
        for name in ("max_duration", "inactivity", "remembered", "kept")
    },
    "Behaviour(ping_seconds=)": LIVE.ping_seconds,
    "Behaviour(resumption_seconds=)": LIVE.resumption_seconds,
    "messages of a client that received has": peer._REMEMBERED,
    "Simulator.stop(grace=)": default(server.Simulator.stop, "grace"),
    "grok-rt simulate --grace": simulate.GRACE,
    "events that a page which is opened is shown": watching._EVENTS,
    "sessions that the page shows after their end": watching._ENDED,
    "bytes that a page has not taken": dashboard._FULL,
}


def value(told: str) -> float | None:
    """Read a number with its unit as seconds, as bytes, or as a count."""
    if told == "none":
        return None
    number, _, unit = told.partition(" ")
    return float(number) * UNITS.get(unit, 1)


ROWS = re.findall(
    r"^\| (?!-)([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE.read_text("utf-8"), re.MULTILINE
)
TOLD = {name.replace("`", ""): number for name, number in ROWS if number != "default"}


def test_the_page_is_complete() -> None:
    """Each limit has one row, and each number that a client takes is a limit."""
    assert sorted(TOLD) == sorted(LIMITS)
    assert len(TOLD) == sum(number != "default" for _, number in ROWS)


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_a_row_tells_the_default(name: str) -> None:
    """The number on the page is the one in the code."""
    assert value(TOLD[name]) == pytest.approx(LIMITS[name])


def test_a_client_hands_its_connection_the_limits_it_shows() -> None:
    """What a client and a connection both take has one default."""
    both = [field for field in attrs.fields(Limits) if f"{field.name}=" in ARGUMENTS]
    assert len(both) > 4
    assert {field.name: field.default for field in both} == {
        field.name: ARGUMENTS[f"{field.name}="] for field in both
    }
