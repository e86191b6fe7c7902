"""The connection in memory: keepalive, backpressure, refusals, and how it dies."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from scripted import SOON, UPDATED, Line, ScriptedTransport, in_background, line

from grok_rt import events
from grok_rt._connection import connection as _connection
from grok_rt._connection.connection import Connection
from grok_rt._session.session import Declared
from grok_rt._wire.framing import BINARY, CLOSE, PING, PONG, TEXT, Frame, close_payload, parse_close
from grok_rt.errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    LocalProtocolError,
    RemoteProtocolError,
    SendQueueFull,
    ServerError,
)
from grok_rt.models import ConversationItem, SessionUpdatePayload

CREATE = events.ResponseCreate()
CALL = {
    "type": "response.function_call_arguments.done",
    "response_id": "resp",
    "call_id": "call",
    "name": "weather",
    "arguments": "{}",
}
PCM = b"\1\2" * 240


def text(number: int) -> events.ConversationItemCreate:
    return events.ConversationItemCreate(item=ConversationItem.user_text(f"{number}"))


def numbers(sent: object) -> list[int]:
    """The numbers that `text` sent, from events or from their JSON."""
    made = []
    for event in sent:  # type: ignore[attr-defined]
        if isinstance(event, dict):
            made.append(int(event["item"]["content"][0]["text"]))
        else:
            made.append(int(event.item.content[0].text))
    return made


def update(event_id: str = "u1") -> events.SessionUpdate:
    return events.SessionUpdate(event_id=event_id, session=SessionUpdatePayload(voice="Eve"))


def refusal(event_id: str | None, type: str = "invalid_request_error") -> dict[str, object]:
    return {"type": "error", "error": {"type": type, "message": "No.", "event_id": event_id}}


def stick(connection: Connection, event: events.ClientEvent = CREATE) -> None:
    """Send, and wait until the writer is stuck with it behind the closed valve."""
    connection.send(event)
    while connection._outbox.qsize():
        time.sleep(0.001)


# --- what comes --------------------------------------------------------------------------------


def test_each_kind_of_frame_becomes_what_it_is() -> None:
    """Text is an event, text that is none is `Malformed`, bytes are sound; order is kept."""
    transport = ScriptedTransport()
    with line(transport) as made:
        transport.hears({"type": "response.created", "response": {"id": "r"}})
        transport.hears(Frame(TEXT, b"{no JSON"), Frame(BINARY, PCM), {"type": "new.thing"})
        transport.hears(Frame(PONG, b""))
        transport.hears_close(1000)
        created, malformed, sound, new = made.events()
    assert isinstance(created, events.ResponseCreated)
    assert isinstance(malformed, events.Malformed)
    assert malformed.data == b"{no JSON"
    assert isinstance(sound, events.ResponseOutputAudioDelta)
    assert (sound.audio, sound.response_id) == (PCM, "r")
    assert isinstance(new, events.UnknownEvent)


def test_a_ping_is_answered_with_its_payload() -> None:
    """Each ping brings one pong with the same bytes, in order."""
    transport = ScriptedTransport()
    with line(transport):
        transport.hears(*(Frame(PING, b"%d" % n) for n in range(5)))
        transport.wait(lambda t: len(t.sent) == 5)
    assert transport.sent[:5] == [Frame(PONG, b"%d" % n) for n in range(5)]


def test_pings_pass_a_blocked_writer_and_no_event_is_lost() -> None:
    """200 pings while the line is stuck: all pongs go first, then all events, none refused."""
    transport = ScriptedTransport()
    with line(transport) as made:
        transport.valve.clear()
        stick(made.connection, text(0))
        for n in range(1, 50):
            made.connection.send(text(n))
        transport.hears(*(Frame(PING, b"%d" % n) for n in range(200)), {"type": "ping"})
        made.inbox.take(SOON)  # the reader has seen all pings
        transport.valve.set()
        transport.wait(lambda t: len(t.sent) == 250)
    assert numbers(transport.events) == list(range(50))
    assert transport.sent[1:201] == [Frame(PONG, b"%d" % n) for n in range(200)]


# --- what goes ---------------------------------------------------------------------------------


def test_what_has_left_is_counted() -> None:
    """`events_sent` counts events, neither pongs nor the close frame."""
    transport = ScriptedTransport()
    with line(transport) as made:
        transport.hears(Frame(PING, b""))
        made.connection.send(CREATE)
        made.connection.send_audio(PCM)
        made.connection.close()
        assert made.connection.events_sent == 2
    assert transport.types == ["response.create", "input_audio_buffer.append"]


def test_what_cannot_be_encoded_is_refused_at_once() -> None:
    """A bad event raises in the caller, and the connection goes on."""
    transport = ScriptedTransport()
    with line(transport) as made:
        with pytest.raises(LocalProtocolError):
            made.connection.send(events.InputAudioBufferAppend(audio=object()))  # type: ignore[arg-type]
        made.connection.send(CREATE)
        transport.wait(lambda t: t.types == ["response.create"])


def test_a_full_outbox_gives_the_event_back() -> None:
    """Where there is no room in time, the caller hears so and keeps the event."""
    transport = ScriptedTransport()
    transport.valve.clear()
    with line(transport, outbox_items=1, send_timeout=0.05) as made:
        stick(made.connection, text(0))
        made.connection.send(text(1))
        for timeout in (None, 0):
            with pytest.raises(SendQueueFull, match=r"no room in the outbox for 0") as caught:
                made.connection.send(text(2), timeout=timeout)
            assert numbers([caught.value.event]) == [2]
        transport.valve.set()
        transport.wait(lambda t: numbers(t.events) == [0, 1])


def test_a_producer_that_waits_is_released_by_the_end() -> None:
    """Whoever waits for room in a full outbox gets `ConnectionClosed` when it is closed."""
    transport = ScriptedTransport()
    transport.valve.clear()
    with line(transport, outbox_items=1, send_timeout=60) as made:
        waiting, outcome = in_background(lambda: [made.connection.send(CREATE) for _ in range(9)])
        time.sleep(0.05)
        made.connection.close(timeout=0.1)
        waiting.join(SOON)
    assert isinstance(outcome[0], ConnectionClosedOK)


def test_the_newest_sound_displaces_the_oldest() -> None:
    """`send_newest_audio` never waits: it drops old sound and says how many bytes."""
    transport = ScriptedTransport()
    transport.valve.clear()
    with line(transport, outbox_items=2) as made:
        connection = made.connection
        stick(connection)
        assert [connection.send_newest_audio(bytes([n]) * 100) for n in range(4)] == [
            0,
            0,
            100,
            100,
        ]
        transport.valve.set()
        transport.wait(lambda t: len(t.sent) == 3)
    assert transport.types == ["response.create"] + ["input_audio_buffer.append"] * 2


def test_the_newest_sound_never_displaces_an_event() -> None:
    """With an outbox full of events the new sound itself is what is dropped, and told of."""
    transport = ScriptedTransport()
    transport.valve.clear()
    with line(transport, outbox_items=1) as made:
        stick(made.connection)
        made.connection.send(CREATE)
        assert made.connection.send_newest_audio(PCM) == len(PCM)
        transport.valve.set()
        transport.wait(lambda t: t.types == ["response.create"] * 2)


def test_senders_keep_their_order() -> None:
    """Eight threads through a tiny outbox: each one's events leave in its order, none lost."""
    transport = ScriptedTransport()
    senders, each = 8, 150
    with line(transport, outbox_items=4) as made:

        def send(who: int) -> None:
            for n in range(each):
                made.connection.send(text(who * each + n))

        threads = [in_background(lambda who=who: send(who))[0] for who in range(senders)]
        for thread in threads:
            thread.join(SOON)
        made.connection.close()
    sent = numbers(transport.events)
    assert sorted(sent) == list(range(senders * each))
    for who in range(senders):
        assert [n for n in sent if n // each == who] == sorted(n for n in sent if n // each == who)


# --- session.update ----------------------------------------------------------------------------


def test_an_update_waits_for_its_confirmation_and_sound_for_both() -> None:
    """Sound queued behind a `session.update` leaves only after `session.updated`."""
    transport = ScriptedTransport()
    with line(transport) as made:
        updating, outcome = in_background(lambda: made.connection.update_session(update(), SOON))
        transport.wait(lambda t: t.types == ["session.update"])
        made.connection.send_audio(PCM)
        made.connection.send(CREATE)
        transport.hears(Frame(PING, b""))
        transport.wait(lambda t: len(t.sent) == 2)  # the pong passes, nothing else
        assert transport.types == ["session.update"]
        transport.hears(UPDATED)
        transport.wait(lambda t: len(t.sent) == 4)
        updating.join(SOON)
    assert outcome == [True]
    assert transport.types[1:] == ["input_audio_buffer.append", "response.create"]


@pytest.mark.parametrize("event_id", ["u1", None])
def test_a_refused_update_raises_and_lets_sound_pass(event_id: str | None) -> None:
    """The refusal names the update, or no event at all, and means the update either way."""
    transport = ScriptedTransport()
    with line(transport) as made:
        updating, outcome = in_background(lambda: made.connection.update_session(update(), SOON))
        transport.wait(lambda t: t.types == ["session.update"])
        made.connection.send_audio(PCM)
        transport.hears(refusal(event_id))
        updating.join(SOON)
        transport.wait(lambda t: t.types[1:] == ["input_audio_buffer.append"])
    assert isinstance(outcome[0], ServerError)


def test_an_unanswered_update_lets_sound_pass_in_the_end() -> None:
    """Without an answer the call says so after its timeout, and sound flows again."""
    transport = ScriptedTransport()
    with line(transport) as made:
        assert made.connection.update_session(update(), 0.05) is False
        made.connection.send_audio(PCM)
        transport.wait(lambda t: t.types[1:] == ["input_audio_buffer.append"])


def test_one_update_at_a_time() -> None:
    """While one waits, another is not sent; it says so when its time is over."""
    transport = ScriptedTransport()
    with line(transport) as made:
        first, outcome = in_background(lambda: made.connection.update_session(update(), SOON))
        transport.wait(lambda t: t.types == ["session.update"])
        with pytest.raises(DeadlineExceeded, match=r"has no answer after 0\.05 s"):
            made.connection.update_session(update("u2"), 0.05)
        transport.hears(UPDATED)
        first.join(SOON)
        assert outcome == [True]
        assert transport.types == ["session.update"]


def test_an_update_that_finds_no_room_is_not_sent() -> None:
    """A full outbox is `SendQueueFull` for an update as for any event."""
    transport = ScriptedTransport()
    transport.valve.clear()
    with line(transport, outbox_items=1) as made:
        stick(made.connection)
        made.connection.send(CREATE)
        with pytest.raises(SendQueueFull):
            made.connection.update_session(update(), 0.05)
        transport.valve.set()
        made.connection.close()
    assert "session.update" not in transport.types


def test_an_update_ends_with_the_connection() -> None:
    """Who waits for a confirmation hears of the end at once."""
    transport = ScriptedTransport()
    with line(transport) as made:
        updating, outcome = in_background(lambda: made.connection.update_session(update(), SOON))
        transport.wait(lambda t: t.types == ["session.update"])
        transport.hears_close(4001, "gone")
        updating.join(SOON)
    assert isinstance(outcome[0], ConnectionClosedError)
    assert outcome[0].code == 4001


# --- the books' deadlines ----------------------------------------------------------------------


def test_a_call_that_nobody_answers_is_answered_in_time() -> None:
    """The books' deadlines wake the writer, even one that has no pings to send."""
    transport = ScriptedTransport()
    declared = {"weather": Declared(timeout=0.05)}
    with line(transport, declared, ping_interval=None, dead_after=None):
        time.sleep(0.05)  # the writer waits already, and for ever
        transport.hears(CALL, {"type": "response.done", "response": {"id": "resp"}})
        transport.wait(lambda t: len(t.sent) == 2)
    assert transport.types == ["conversation.item.create", "response.create"]


def test_an_output_waits_for_its_response() -> None:
    """An output leaves when the response that called is done, then one `response.create`."""
    transport = ScriptedTransport()
    with line(transport, {"weather": Declared()}) as made:
        transport.hears(CALL)
        made.inbox.take(SOON)
        assert isinstance(made.inbox.take(SOON)[0], events.FunctionCalled)
        made.connection.tool_result("call", "3 degrees")
        transport.hears(Frame(PING, b""))
        transport.wait(lambda t: t.sent == [Frame(PONG, b"")])
        transport.hears({"type": "response.done", "response": {"id": "resp"}})
        transport.wait(lambda t: len(t.sent) == 3)
        transport.hears_close(1000)
        made.events()
        with pytest.raises(ConnectionClosedOK):
            made.connection.tool_result("call 2", "too late")
    assert transport.types == ["conversation.item.create", "response.create"]


# --- keepalive ---------------------------------------------------------------------------------


def test_a_quiet_server_that_answers_pings_lives() -> None:
    """Silence is pinged; whoever answers is not dead, however long it says nothing."""
    transport = ScriptedTransport()
    transport.answers_ping = True
    with line(transport, ping_interval=0.05, dead_after=0.2) as made:
        transport.wait(lambda t: len(t.sent) >= 6)
        assert made.connection.is_open
    assert {frame.opcode for frame in transport.sent} == {PING, CLOSE}


def test_a_dead_server_is_noticed() -> None:
    """After `dead_after` of silence, pings unanswered, the connection is lost."""
    transport = ScriptedTransport()
    with line(transport, ping_interval=0.05, dead_after=0.2) as made:
        began = time.monotonic()
        made.events()
        assert 0.15 < time.monotonic() - began < 1
        error = made.connection.ledger.error()
        made.wait_end()
    assert isinstance(error, ConnectionClosedError)
    assert error.code == 1006
    assert "silent" in error.reason
    assert error.unsent == ()


def test_a_dead_server_behind_a_stuck_line_is_noticed_by_who_sends() -> None:
    """The writer hangs in the line; a call that finds no room sees that nobody is there."""
    transport = ScriptedTransport()
    transport.valve.clear()
    with line(transport, dead_after=0.1, outbox_items=1) as made:
        stick(made.connection)
        made.connection.send(CREATE)
        with pytest.raises(SendQueueFull):
            made.connection.send(CREATE, timeout=0)
        time.sleep(0.12)
        with pytest.raises(ConnectionClosedError, match="silent"):
            made.connection.send(CREATE, timeout=0)


# --- a pump that does not keep up --------------------------------------------------------------


@pytest.mark.parametrize("stall_timeout", [0, 0.3])
def test_a_stalled_pump_ends_the_session(stall_timeout: float) -> None:
    """Events that nobody takes end it in time, though no other comes, and say who should have."""
    transport = ScriptedTransport()
    bounds = {"max_backlog": 100, "stall_timeout": stall_timeout}
    with line(transport, **bounds, ping_interval=None, dead_after=None) as made:
        began = time.monotonic()
        transport.hears(*({"type": "something", "n": "x" * 30} for _ in range(10)))
        made.wait_end()
        assert time.monotonic() - began >= stall_timeout
        error = made.connection.ledger.error()
    assert isinstance(error, ConnectionClosedError)
    assert "nobody takes them" in error.reason
    assert [parse_close(f.data)[0] for f in transport.sent if f.opcode == CLOSE] == [1000]


# --- the end -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1000, ConnectionClosedOK),
        (1001, ConnectionClosedOK),
        (1005, ConnectionClosedOK),
        (1008, ConnectionClosedError),
        (1011, ConnectionClosedError),
        (4001, ConnectionClosedError),
    ],
)
def test_the_server_closes(code: int, kind: type[ConnectionClosed]) -> None:
    """What came before is delivered first, the code is echoed, and later calls name it."""
    transport = ScriptedTransport()
    with line(transport) as made:
        transport.hears({"type": "ping"})
        transport.hears_close(code, "why" if code != 1005 else "")
        assert [event.type for event in made.events()] == ["ping"]
        made.wait_end()
        assert made.connection.code == code
        with pytest.raises(kind) as caught:
            made.connection.send(CREATE)
    assert caught.value.code == code
    assert transport.sent == [Frame(CLOSE, close_payload(code))]


def test_half_a_close_frame_is_a_breach() -> None:
    """A close frame that cannot be read is answered with 1002."""
    transport = ScriptedTransport()
    with line(transport) as made:
        transport.hears(Frame(CLOSE, b"\3"))
        made.wait_end()
        assert made.connection.ledger.error().code == 1002
    assert parse_close(transport.sent[-1].data)[0] == 1002


@pytest.mark.parametrize("code", [1002, 1007, 1009])
def test_a_breach_of_the_protocol_is_answered_with_its_code(code: int) -> None:
    """The breach is the cause, and its close code is sent, once."""
    transport = ScriptedTransport()
    breach = RemoteProtocolError("bad frame", close_code=code)
    with line(transport) as made:
        transport.hears(breach)
        made.wait_end()
        error = made.connection.ledger.error()
    assert isinstance(error, ConnectionClosedError)
    assert (error.code, error.cause, error.__cause__) == (code, breach, breach)
    assert transport.sent == [Frame(CLOSE, close_payload(code))]


@pytest.mark.parametrize("type", ["timeout", "max_duration"])
def test_a_fatal_error_ends_the_session_with_its_cause(type: str) -> None:
    """The server's last word is delivered, and is the cause that later calls name."""
    transport = ScriptedTransport()
    with line(transport) as made:
        transport.hears(refusal(None, type))
        transport.hears_close(1000, type)
        (event,) = made.events()
        with pytest.raises(ConnectionClosedError) as caught:
            made.connection.send(CREATE)
        assert made.connection.code == 1000
    assert isinstance(event, events.Error)
    assert isinstance(caught.value.cause, ServerError)
    assert caught.value.cause.type == type


def test_a_fatal_error_without_a_close_ends_it_too() -> None:
    """A server that says it is over, and stays, has the time of a close to leave."""
    transport = ScriptedTransport()
    transport.answers_close = False
    with line(transport, close_timeout=0.1) as made:
        transport.hears(refusal(None, "max_duration"))
        made.wait_end()
        assert made.connection.code == 1006
    assert [frame.opcode for frame in transport.sent] == [CLOSE]


def test_an_error_that_is_not_fatal_is_an_event() -> None:
    """The table of fatal types alone decides; all other errors leave the session open."""
    transport = ScriptedTransport()
    with line(transport) as made:
        transport.hears(refusal(None, "server_error"))
        assert isinstance(made.inbox.take(SOON)[0], events.Error)
        assert made.connection.is_open


def test_what_did_not_leave_is_in_the_exception() -> None:
    """Every event that was taken and did not leave is in `unsent`, in order."""
    transport = ScriptedTransport()
    transport.valve.clear()
    with line(transport) as made:
        stick(made.connection, text(0))
        for n in range(1, 5):
            made.connection.send(text(n))
        transport.hears(Frame(PING, b"no event"))
        transport.hears(ConnectionClosedError(1006, "reset", OSError("reset")))
        made.wait_end()
        with pytest.raises(ConnectionClosedError) as caught:
            made.connection.send(CREATE)
    assert numbers(caught.value.unsent) == [0, 1, 2, 3, 4]
    assert isinstance(caught.value.__cause__, OSError)


def test_what_has_left_is_not() -> None:
    """What the line took is not given back, even if the server died right after."""
    transport = ScriptedTransport()
    with line(transport, dead_after=0.1) as made:
        made.connection.send(text(0))
        made.wait_end()
        assert made.connection.ledger.error().unsent == ()


def test_the_first_cause_stays() -> None:
    """Whatever happens afterwards, every call raises the first cause, in an own exception."""
    transport = ScriptedTransport()
    with line(transport) as made:
        transport.hears_close(4001, "first")
        made.events()
        made.connection.close(1000, "second")
        raised = []
        for _ in range(2):
            with pytest.raises(ConnectionClosedError, match="4001") as caught:
                made.connection.send(CREATE)
            raised.append(caught.value)
    assert raised[0] is not raised[1]


def test_the_descriptor_is_released_when_nobody_is_inside() -> None:
    """Given to another socket meanwhile, it would take what a stuck writer has still to say."""
    inside = threading.Event()
    released_within: list[bool] = []

    class Slow(ScriptedTransport):
        def send(self, frames: Sequence[Frame], /) -> None:
            inside.set()
            try:
                super().send(frames)
            finally:
                time.sleep(0.2)  # between waking and leaving
                inside.clear()

        def close(self) -> None:
            released_within.append(inside.is_set())
            super().close()

    transport = Slow()
    with line(transport) as made:
        transport.valve.clear()
        made.connection.send(CREATE)
        assert inside.wait(SOON)
        transport.hears_close(1000)
        made.wait_end()
    assert released_within == [False]


def test_eight_threads_close_and_one_close_frame_leaves() -> None:
    """`close` may be called by anybody, any number of times; the peer sees one."""
    transport = ScriptedTransport()
    with line(transport) as made:
        barrier = threading.Barrier(8)

        def close() -> None:
            barrier.wait()
            made.connection.close()

        closing = [in_background(close) for _ in range(8)]
        for thread, outcome in closing:
            thread.join(SOON)
            assert outcome == [None]
    assert transport.sent == [Frame(CLOSE, close_payload(1000))]
    assert transport.released == 1


def test_a_code_that_must_not_be_sent_closes_nothing() -> None:
    """1006 is nobody's to send: the mistake raises, and the session goes on."""
    transport = ScriptedTransport()
    with line(transport) as made:
        with pytest.raises(LocalProtocolError):
            made.connection.close(1006)
        assert made.connection.is_open
        made.connection.close(4242, "bye")
    assert parse_close(transport.sent[-1].data) == (4242, "bye")


def test_the_interpreter_leaves_politely() -> None:
    """At exit every open line is closed with 1001, all of them within one deadline."""
    transports = [ScriptedTransport() for _ in range(5)]
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(line(transport)) for transport in transports]
        for silent in transports[:4]:
            silent.answers_close = False
        began = time.monotonic()
        _connection._close_all()
        assert time.monotonic() - began < 2.5  # a second for all, and not for each
        assert all(each.connection.is_over for each in made)
    assert [t.sent for t in transports] == [
        [Frame(CLOSE, close_payload(1001, "the program exits"))]
    ] * 5


class Passing:
    """A session that begins and ends."""

    is_forked = True


def test_the_interpreter_leaves_whatever_others_do() -> None:
    """Sessions that begin and end while it looks which are open keep nobody from a goodbye."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            others = {n: Passing() for n in range(200)}
            _connection._live.update(others)  # type: ignore[arg-type]
            for n in others:
                _connection._live.pop(n)

    comes, outcome = in_background(come_and_go)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30_000):
            _connection._close_all()
    finally:
        sys.setswitchinterval(interval)
        over.set()
        comes.join(SOON)
    assert outcome == [None]


@pytest.mark.parametrize("lacking", ["grok-rt-reader", "grok-rt-writer"])
def test_a_thread_that_cannot_be_had(lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends before it has begun: at once, with the reason, and without any other thread."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == lacking:
            raise RuntimeError("can't start new thread")
        start(thread)

    made = Line(ScriptedTransport())
    made.connection.hold([CREATE], 0)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    began = time.monotonic()
    with pytest.raises(ConnectionClosedError, match="can't start new thread") as caught:
        made.connection.start(made.transport)
    made.connection.close()
    assert time.monotonic() - began < 2.5
    assert made.connection.is_over
    assert [type(event) for event in caught.value.unsent] == [events.ResponseCreate]
    assert not [t for t in threading.enumerate() if t.name.startswith("grok-rt")]
    assert made.connection not in _connection._all_live()


def test_a_copy_in_a_forked_process_closes_nothing() -> None:
    """The line is the parent's: in a child `close` does nothing, and exit neither."""
    transport = ScriptedTransport()
    with line(transport) as made:
        here, made.connection._pid = made.connection._pid, -1
        assert made.connection.is_forked
        made.connection.close()
        _connection._close_all()
        made.connection._pid = here
        assert made.connection.is_open
        assert not transport.sent


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_a_defect_of_ours_is_no_silence(side: str, caplog: pytest.LogCaptureFixture) -> None:
    """Should a thread of ours fail, it is logged, and whoever calls hears of it."""
    transport = ScriptedTransport()
    defect = ZeroDivisionError("a defect")
    with line(transport) as made:
        if side == "reader":
            transport.hears(defect)
        else:

            def fail(_: object) -> None:
                raise defect

            transport.answers = fail
            made.connection.send(CREATE)
        made.wait_end()
        error = made.connection.ledger.error()
    assert error.cause is defect
    assert f"the {side} failed" in error.reason
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert transport.released == 1


@pytest.mark.parametrize("event", [None, "response.create", 5, [1], events.Ping(timestamp=1)])
def test_only_what_a_client_sends_is_sent(event: Any) -> None:
    """Anything else is refused at the call, and the session goes on."""
    transport = ScriptedTransport()
    with line(transport) as made:
        with pytest.raises(LocalProtocolError, match="client event"):
            made.connection.send(event)
        made.connection.send(events.InputAudioBufferCommit())
        transport.wait(lambda t: len(t.events) == 1)


def test_every_event_can_be_named() -> None:
    """An event without an id gets one; an id of the caller's stays."""
    transport = ScriptedTransport()
    with line(transport) as made:
        made.connection.send(events.InputAudioBufferCommit())
        made.connection.send(events.InputAudioBufferClear(event_id="mine"))
        transport.wait(lambda t: len(t.events) == 2)
        first, second = transport.events
    assert first["event_id"]
    assert second["event_id"] == "mine"
