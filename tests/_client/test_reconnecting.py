"""A client that loses its connection and finds another, over real sockets."""

from __future__ import annotations

import base64
import contextlib
import gc
import itertools
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import live
import pytest
from callers import SOON, call_in_thread, until
from raw_peer import listening, silent
from stage import MANUAL, Peer, playing

from grok_rt import (
    AudioClip,
    Conversation,
    GrokClient,
    GrokToolDefinition,
    Reconnect,
    SessionConfig,
    events,
    pcm16,
)
from grok_rt._client.lifecycle import Lifecycle
from grok_rt._client.reconnect import Outage
from grok_rt._connection.connection import Connection
from grok_rt._session import session as session_module
from grok_rt.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectFailed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DeadlineExceeded,
    LocalProtocolError,
    SendQueueFull,
)
from grok_rt.simulator import Refusal, Script, Simulator

QUICK = Reconnect(backoff=0.02)
NEVER = Reconnect(backoff=1e6, max_backoff=1e6, budget=None)
SLOW = Reconnect(backoff=0.02, max_backoff=0.02, attempts=None)
FRAME = b"\1\0" * 480  # 20 ms


class Cut:
    """A simulator, a client of it that reconnects, and what its handlers heard.

    It is started, so that nobody else has to pump.
    """

    def __init__(self, server: Simulator, client: GrokClient) -> None:
        self.server = server
        self.client = client
        self.heard: list[events.Event] = []
        client.on(events.Event)(self.heard.append)

    def cut(self, code: int | None = None) -> events.Reconnected:
        """Cut the line, and wait until there is another."""
        with self.client.expect(events.Reconnected, timeout=SOON) as back:
            self.server.disconnect(code)
        assert back.event is not None
        return back.event

    def lose(self) -> None:
        """Cut the line, and keep it cut: let nobody in until `let_in`."""
        self.server.refuse = 503
        with self.client.expect(events.Reconnecting, timeout=SOON):
            self.server.disconnect()

    def let_in(self) -> events.Reconnected:
        with self.client.expect(events.Reconnected, timeout=SOON) as back:
            self.server.refuse = None
        assert back.event is not None
        return back.event

    def types(self, *of: type[events.Event]) -> list[str]:
        return [event.type for event in self.heard if isinstance(event, of or events.Event)]

    def delays(self) -> list[float]:
        return [event.delay for event in self.heard if isinstance(event, events.Reconnecting)]

    def received(self) -> list[Any]:
        """What the newest session was told, without its configuration."""
        return [
            event
            for event in self.server.sessions[-1].received
            if not isinstance(event, events.SessionUpdate)
        ]


@contextlib.contextmanager
def cutting(
    script: Script | None = None, policy: Reconnect = QUICK, **options: Any
) -> Iterator[Cut]:
    simulator_options = options.pop("simulator", {})
    with Simulator(script, **simulator_options) as server:
        client = GrokClient("test", url=server.url, reconnect=policy, **options)
        made = Cut(server, client)
        with client:
            client.start()
            yield made


# --- an idle line ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [None, 1001, 1011, 1012, 1013, 1014])
def test_a_lost_line_is_followed_by_another(code: int | None) -> None:
    """The conversation goes on: the same id, the same configuration, another session."""
    with cutting(config=SessionConfig.wideband(voice="Eve")) as at:
        session, conversation = at.client.session_id, at.client.conversation_id
        back = at.cut(code)
        assert back.resumed
        assert 0 < back.gap < SOON
        assert back.lost_audio_ms == 0
        assert at.client.state == "open"
        assert at.client.conversation_id == conversation
        assert at.client.session_id != session
        assert len(at.server.sessions) == 2
        first, second = (peer.received[0] for peer in at.server.sessions)
        assert isinstance(first, events.SessionUpdate)
        assert isinstance(second, events.SessionUpdate)
        assert first.session == second.session
        assert first.session.resumption.enabled  # type: ignore[union-attr]
        assert at.types(events.LocalEvent)[1:] == ["local.reconnecting", "local.reconnected"]
        (lost,) = (event for event in at.heard if isinstance(event, events.Reconnecting))
        assert isinstance(lost.cause, Exception)
        assert str(code or 1006) in str(lost.cause)
        assert "new client" not in str(lost.cause)
        assert at.client.ask("Still there?", timeout=SOON).text


def test_what_the_server_replays_is_heard_and_recognised() -> None:
    """Items of before come as events of the new session, and are no new turns."""
    with cutting() as at:
        conversation = Conversation()
        at.client.on(events.Event)(lambda event: conversation.feed(event, time.monotonic()))
        first = at.client.ask("First?", timeout=SOON).text
        before = len(at.heard)
        at.cut()
        replayed = [e for e in at.heard[before:] if isinstance(e, events.ConversationItemAdded)]
        assert [event.item.role for event in replayed] == ["assistant"]
        second = at.client.ask("Second?", timeout=SOON).text
        spoken = [turn.text for turn in conversation if turn.role == "assistant"]
        assert spoken == [first, second]


def test_the_query_asks_for_the_conversation_and_the_key_is_asked_again() -> None:
    """`conversation_id` is of the first `conversation.created`; a callable key makes a new one."""
    keys = map("key-{}".format, itertools.count(1))

    def cut(peer: Peer) -> None:
        peer.opens()
        peer.vanishes()

    with playing(cut, lambda peer: peer.opens()) as stage:
        client = GrokClient(lambda: next(keys), url=stage.url, reconnect=QUICK)
        with client:
            client.wait_for(events.Reconnected, timeout=SOON)
        first, second = (peer.request for peer in stage.peers)
    assert "conversation_id" not in first
    assert f"conversation_id={live.CONVERSATION_ID}" in second
    assert "Bearer key-1\r" in first
    assert "Bearer key-2\r" in second


def test_what_the_user_said_about_resumption_stands() -> None:
    """Where the configuration says no, nothing is resumed; it reconnects all the same."""
    with cutting(config=SessionConfig.wideband(resumption=False)) as at:
        before = at.client.conversation_id
        assert not at.cut().resumed
        assert at.client.conversation_id != before
        assert at.client.ask("Still there?", timeout=SOON).text


def test_a_conversation_that_was_forgotten_is_told() -> None:
    """The server begins another one: `resumed` is false, and the id is the new one."""

    def forgets(peer: Peer) -> None:
        other = live.message("conversation.created", conversation={"id": "conv-other"})
        peer.opens(live.SESSION_CREATED, other)

    def cut(peer: Peer) -> None:
        peer.opens()
        peer.vanishes()

    with playing(cut, forgets) as stage, stage.client(reconnect=QUICK) as grok:
        back = grok.wait_for(events.Reconnected, timeout=SOON)
        assert not back.resumed
        assert grok.conversation_id == "conv-other"


def test_an_attempt_that_fails_late_keeps_what_was_asked_for() -> None:
    """A server that hangs up during the opening costs an attempt, not the conversation."""

    def hangs_up(peer: Peer) -> None:
        other = live.message("conversation.created", conversation={"id": "conv-other"})
        peer.says(live.SESSION_CREATED, other)
        peer.hears("session.update")
        peer.vanishes()

    def cut(peer: Peer) -> None:
        peer.opens()
        peer.vanishes()

    def answers(peer: Peer) -> None:
        peer.opens()
        peer.hears("response.create")

    with playing(cut, hangs_up, answers) as stage, stage.client(reconnect=QUICK) as grok:
        until(lambda: grok.state == "reconnecting" or len(stage.peers) > 1)
        grok.request_response()
        assert grok.wait_for(events.Reconnected, timeout=SOON).resumed
        assert f"conversation_id={live.CONVERSATION_ID}" in stage.peers[2].request
        until(lambda: stage.sent == ["session.update", "response.create"])
        assert stage.types(events.Reconnecting) == ["local.reconnecting"] * 2


def test_a_server_in_trouble_is_left_and_found_again() -> None:
    """An `internal_error`, and then a goodbye that looks polite: it is no one's last word."""

    def fails(peer: Peer) -> None:
        peer.opens()
        peer.says(live.error("internal_error"))
        peer.closes(1000)

    with playing(fails, lambda peer: peer.opens()) as stage, stage.client(reconnect=QUICK) as grok:
        back = grok.wait_for(events.Reconnecting, timeout=SOON)
        assert "internal_error" in repr(getattr(back.cause, "cause", None))
        grok.wait_for(events.Reconnected, timeout=SOON)


def test_a_session_that_has_reached_its_limit_is_replaced() -> None:
    """`max_duration` ends a session, not a conversation, and the next one is not waited for."""
    with (
        Simulator(max_duration=2) as server,  # the next session has to stand in that time, too
        GrokClient("test", url=server.url, reconnect=NEVER) as grok,
    ):
        assert grok.wait_for(events.Reconnected, timeout=SOON).resumed


@pytest.mark.parametrize("ending", ["timeout", "goodbye"])
def test_what_is_over_stays_over(ending: str) -> None:
    """Idleness, and a server that says goodbye, end the client."""

    def ends(peer: Peer) -> None:
        peer.opens()
        if ending == "timeout":
            peer.says(live.error("timeout"))
        else:
            peer.closes(1000, "bye")

    with playing(ends) as stage, stage.client(reconnect=QUICK) as grok:
        closed = grok.wait_for(events.Closed, timeout=SOON)
        assert closed.code == 1000
        assert not stage.types(events.Reconnecting)
        assert grok.state == "closed"


# --- something was under way -------------------------------------------------------------------


def test_a_line_cut_while_it_speaks() -> None:
    """The response is gone, the books know it, and the next question is answered."""
    with cutting(Script().says("A long story. " * 5), simulator={"pace": 3}) as at:
        with at.client.expect(events.AudioDelta, timeout=SOON):
            at.client.send_user_text("Tell me a story.")
            at.client.request_response()
        assert at.client._session.response_id
        at.cut()
        assert at.client._session.response_id is None
        at.client.interrupt(played_ms=100)  # nothing is said any more: nothing is sent
        assert at.client.ask("Still there?", timeout=SOON).text.startswith("A long story.")
        sent = [event.type for event in at.received()]
        assert sent == ["conversation.item.create", "response.create"]


def answers_a_call(peer: Peer) -> None:
    """A response that calls, and then the line is cut."""
    peer.opens()
    peer.hears("response.create")
    peer.says(live.created("r1"), *live.call("r1", "i1", "c1"))
    peer.says(live.done("r1", live.call_item("i1", "c1")))


def hears_the_output(peer: Peer) -> None:
    """What was held comes first: the output, then the continuation."""
    peer.opens()
    output = peer.hears("conversation.item.create")
    assert output["item"]["call_id"] == "c1"
    assert output["item"]["output"] == "3 degrees"
    peer.says(live.call_output("i2", "c1", "3 degrees"))
    peer.hears("response.create")
    peer.says(*live.reply("r2", "i3"))


def test_a_line_cut_during_a_tool_call() -> None:
    """The tool's answer waits for the next connection, and leaves once, with its continuation."""
    cut = threading.Event()

    def calls(peer: Peer) -> None:
        answers_a_call(peer)
        cut.wait(SOON)
        peer.vanishes()

    def get_weather(city: str) -> str:
        """The weather."""
        cut.set()
        until(lambda: grok.state == "reconnecting" or len(stage.peers) > 1)
        return "3 degrees"

    with (
        playing(calls, hears_the_output) as stage,
        stage.client(reconnect=QUICK, tools=[get_weather]) as grok,
    ):
        grok.request_response()
        grok.wait_for(events.ResponseDone, lambda e: e.response_id == "r2", timeout=SOON)
        assert stage.sent == ["session.update", "conversation.item.create", "response.create"]


def declared() -> SessionConfig:
    return SessionConfig.wideband().with_tools(
        [GrokToolDefinition.function("get_weather", "The weather.", {"type": "object"})]
    )


def test_an_output_that_may_not_have_arrived_is_said_again() -> None:
    """It left, and the line was cut before the conversation showed it: once more, and no more."""

    def calls(peer: Peer) -> None:
        answers_a_call(peer)
        peer.hears("conversation.item.create")
        peer.hears("response.create")
        peer.vanishes()

    with (
        playing(calls, hears_the_output) as stage,
        stage.client(reconnect=QUICK, config=declared()) as grok,
    ):
        grok.request_response()
        called = grok.wait_for(events.FunctionCalled, timeout=SOON)
        grok.send_tool_result(called.call.call_id, "3 degrees")
        grok.wait_for(events.ResponseDone, lambda e: e.response_id == "r2", timeout=SOON)
        assert stage.sent == ["session.update", "conversation.item.create", "response.create"]


def test_an_output_that_arrived_is_not_said_again() -> None:
    """The conversation has shown it: only the continuation is asked for."""

    def calls(peer: Peer) -> None:
        answers_a_call(peer)
        peer.hears("conversation.item.create")
        peer.says(live.call_output("i2", "c1", "3 degrees"))
        peer.hears("response.create")
        peer.vanishes()

    def continues(peer: Peer) -> None:
        peer.opens()
        peer.hears("response.create")
        peer.says(*live.reply("r2", "i3"))

    with (
        playing(calls, continues) as stage,
        stage.client(reconnect=QUICK, config=declared()) as grok,
    ):
        grok.request_response()
        called = grok.wait_for(events.FunctionCalled, timeout=SOON)
        grok.send_tool_result(called.call.call_id, "3 degrees")
        grok.wait_for(events.ResponseDone, lambda e: e.response_id == "r2", timeout=SOON)


def test_a_call_of_a_forgotten_conversation_is_not_answered() -> None:
    """The new conversation knows no such call: its answer is refused here, and nothing leaves."""

    def calls(peer: Peer) -> None:
        answers_a_call(peer)
        peer.vanishes()

    def forgets(peer: Peer) -> None:
        other = live.message("conversation.created", conversation={"id": "conv-other"})
        peer.opens(live.SESSION_CREATED, other)
        peer.silence()

    with (
        playing(calls, forgets) as stage,
        stage.client(reconnect=QUICK, config=declared()) as grok,
    ):
        grok.request_response()
        called = grok.wait_for(events.FunctionCalled, timeout=SOON)
        assert not grok.wait_for(events.Reconnected, timeout=SOON).resumed
        with pytest.raises(LocalProtocolError, match="conversation that the server has forgotten"):
            grok.send_tool_result(called.call.call_id, "3 degrees")
        assert stage.sent == ["session.update"]


# --- questions ---------------------------------------------------------------------------------


def hears_a_question(peer: Peer) -> str:
    """A text question; returns the mark that its response carries."""
    peer.opens()
    return takes_a_question(peer)


def takes_a_question(peer: Peer) -> str:
    assert peer.hears("conversation.item.create")["item"]["content"][0]["text"] == live.QUESTION
    mark: str = peer.hears("response.create")["response"]["metadata"]["ask"]
    return mark


def test_a_question_is_put_again_if_nothing_of_its_answer_came() -> None:
    """It was heard, and the line cut: it is put once more, and answered once."""

    def cut(peer: Peer) -> None:
        hears_a_question(peer)
        peer.vanishes()

    def answers(peer: Peer) -> None:
        peer.says(*live.reply("r", "i", {"ask": hears_a_question(peer)}))
        peer.silence()

    with playing(cut, answers) as stage, stage.client(reconnect=QUICK) as grok:
        answer = grok.ask(live.QUESTION, timeout=SOON)
        assert (answer.text, answer.status) == (live.WORDS, "completed")
        assert stage.sent == ["session.update", "conversation.item.create", "response.create"]


def test_a_question_is_never_answered_twice() -> None:
    """Something of its answer came: the question is not put again, the answer is incomplete."""

    def cut(peer: Peer) -> None:
        mark = hears_a_question(peer)
        peer.says(live.created("r", {"ask": mark}), *live.announced("r", "i"))
        peer.says(*live.spoken("r", "i")[:2])
        peer.vanishes()

    def listens(peer: Peer) -> None:
        peer.opens()
        peer.silence()

    with playing(cut, listens) as stage, stage.client(reconnect=QUICK) as grok:
        answer = grok.ask(live.QUESTION, timeout=SOON)
        assert (answer.text, answer.status) == ("It is three degrees", "incomplete")
        assert answer.interrupted
        grok.wait_for(events.Reconnected, timeout=SOON)
        assert stage.sent == ["session.update"]


def test_questions_can_be_put_while_there_is_no_line() -> None:
    """They wait with everybody else's words, and are put once."""
    with cutting(Script().says("One.").then().says("Two."), SLOW) as at:
        at.lose()
        assert at.client.state == "reconnecting"
        first = at.client.submit("First?", timeout=SOON)
        until(lambda: len(at.client._session.unconfirmed))
        at.let_in()
        assert first.result(SOON).text == "One."
        assert at.client.ask("Second?", timeout=SOON).text == "Two."
        assert [event.type for event in at.received()].count("response.create") == 2


def test_a_question_that_nobody_waits_for_is_not_put_again() -> None:
    """Its deadline was over before there was a line."""
    with cutting(policy=SLOW) as at:
        at.lose()
        with pytest.raises(DeadlineExceeded):
            at.client.ask("Anybody?", timeout=0.05)
        at.let_in()
        at.client.ask("Anybody now?", timeout=SOON)
        assert len(at.received()) == 2


@pytest.mark.parametrize("config", [SessionConfig.wideband(), MANUAL], ids=["vad", "manual"])
def test_a_spoken_question_is_spoken_again(config: SessionConfig) -> None:
    """The server has forgotten the sound it had heard: it gets all of it, from the beginning."""
    clip = AudioClip(b"".join(bytes([i, 32]) * 480 for i in range(1, 30)), pcm16(24000))

    def cut(peer: Peer) -> None:
        peer.opens()
        peer.hears_sound()
        peer.vanishes()

    def answers(peer: Peer) -> None:
        peer.opens()
        while True:  # what was kept of before, until it is taken back
            message = peer._message()
            if message["type"] == "input_audio_buffer.clear":
                break
        sound = b""
        while len(sound) < len(clip.data):
            sound += peer.hears_sound()
        assert sound[: len(clip.data)] == clip.data
        if config is MANUAL:
            peer.hears("input_audio_buffer.commit")
        peer.says(live.started("u"), live.stopped("u"), live.committed("u"), *live.reply("r", "i"))
        peer.listens()

    with playing(cut, answers) as stage, stage.client(reconnect=QUICK, config=config) as grok:
        grok.start()
        assert grok.ask(clip, timeout=SOON).text == live.WORDS


# --- what is said meanwhile --------------------------------------------------------------------


def test_what_is_said_meanwhile_is_said_afterwards() -> None:
    """Events wait in order, the newest sound among them; what was too old is counted."""
    policy = Reconnect(backoff=0.02, max_backoff=0.02, attempts=None, audio_grace=0.1)
    with cutting(policy=policy, config=MANUAL) as at:
        began = time.monotonic()
        at.lose()
        noticed = time.monotonic()
        at.client.send_user_text("first")
        for i in range(10):
            at.client.send_audio(bytes([i, 0]) * 480)
        at.client.send_audio(b"\x0a\0" * 480, drop_oldest=True)
        at.client.send_user_text("second")
        at.client.cancel_response()  # what it is about is gone: nothing waits
        let_in = time.monotonic()
        back = at.let_in()
        assert let_in - noticed < back.gap < time.monotonic() - began
        assert back.lost_audio_ms == 120
        until(lambda: len(at.received()) == 7)
        until(lambda: at.client.events_sent == 1 + 1 + 7)  # each session's configuration too
        sent = at.received()
        assert [event.type for event in sent] == [
            "conversation.item.create",
            *["input_audio_buffer.append"] * 5,
            "conversation.item.create",
        ]
        assert [event.audio[0] for event in sent[1:6]] == [6, 7, 8, 9, 10]
        assert not at.types(events.AudioDropped)


def test_all_the_sound_that_an_outage_costs_is_counted_and_no_other() -> None:
    """That of attempts that failed too, in the format that is spoken; the next one begins anew."""
    lets, spoken = threading.Event(), threading.Event()

    def cut(peer: Peer) -> None:
        peer.opens()
        peer.vanishes()

    def hangs_up(peer: Peer) -> None:
        peer.says(*live.GREETING)
        peer.hears("session.update")
        lets.set()
        assert spoken.wait(SOON)
        peer.vanishes()

    def hears(peer: Peer) -> None:
        peer.opens()
        assert [peer.hears_sound()[0] for _ in range(5)] == [3, 4, 5, 6, 7]
        peer.vanishes()

    config = SessionConfig.telephony(turn_detection=None)
    policy = Reconnect(backoff=0.02, audio_grace=0.1)
    with (
        playing(cut, hangs_up, hears, lambda peer: peer.opens()) as stage,
        stage.client(config=config, reconnect=policy) as grok,
    ):
        assert lets.wait(SOON)
        for i in range(8):
            grok.send_audio(bytes([i]) * 160)
        spoken.set()
        lost = [grok.wait_for(events.Reconnected, timeout=SOON).lost_audio_ms for _ in range(2)]
        assert lost == [60, 0]


def test_what_had_not_left_is_said_afterwards() -> None:
    """What the writer could not send any more comes before what is said later."""

    def deaf(peer: Peer) -> None:
        peer.opens()
        cut.wait(SOON)
        peer.vanishes()

    def hears(peer: Peer) -> None:
        peer.opens()
        total = 0
        while True:
            message = peer._message()
            if message["type"] != "input_audio_buffer.append":
                break
            total += len(base64.b64decode(message["audio"]))
        heard.append(total)
        texts.append(message["item"]["content"][0]["text"])
        texts.append(peer.hears("conversation.item.create")["item"]["content"][0]["text"])

    cut = threading.Event()
    heard: list[int] = []
    texts: list[str] = []
    config = SessionConfig.wideband()
    with (
        playing(deaf, hears) as stage,
        stage.client(reconnect=SLOW, config=config, send_timeout=0.1) as grok,
    ):
        with contextlib.suppress(SendQueueFull):
            while True:  # more than any buffer holds
                grok.send_audio(bytes(96_000))
        grok.send_user_text("first")
        cut.set()
        back = grok.wait_for(events.Reconnected, timeout=SOON)
        grok.send_user_text("second")
        until(lambda: len(texts) == 2)
        assert texts == ["first", "second"]
        assert heard[0] <= 5 * config.input_audio_format.bytes_per_second
        assert back.lost_audio_ms > 0


def test_too_much_is_refused_as_ever() -> None:
    """Events are bounded while there is no line, and `send_timeout` holds."""
    with cutting(policy=NEVER, send_timeout=0.05) as at:
        at.lose()
        for _ in range(256):
            at.client.commit_audio()
        with pytest.raises(SendQueueFull):
            at.client.commit_audio()


def test_a_session_update_waits_for_the_line() -> None:
    """It is said when there is somebody to confirm it, or ends with its time."""
    with cutting(policy=SLOW) as at:
        at.lose()
        with pytest.raises(DeadlineExceeded, match="still reconnecting"):
            at.client.update_session(at.client.config.with_voice("Leo"), timeout=0.05)
        eve = at.client.config.with_voice("Eve")
        update = call_in_thread(lambda: at.client.update_session(eve, timeout=SOON))
        at.let_in()
        update.result(SOON)
        assert at.client.config.voice == "Eve"
        at.cut()
        newest = at.server.sessions[-1].received[0]
        assert isinstance(newest, events.SessionUpdate)
        assert newest.session.voice == "Eve"


def test_a_tool_registered_meanwhile_is_declared_at_the_next_connect() -> None:
    """Registering does not wait for a line."""
    with cutting(policy=SLOW) as at:
        at.lose()

        @at.client.tool
        def clock() -> str:
            """The time."""
            return "noon"

        at.let_in()
        update = at.server.sessions[-1].received[0]
        assert isinstance(update, events.SessionUpdate)
        assert [tool.name for tool in update.session.tools or ()] == ["clock"]


def test_waits_go_on_within_their_deadlines() -> None:
    """Neither the loss nor the next connection ends a wait for something else."""
    with cutting(Script().says("Yes."), SLOW) as at:
        wait = call_in_thread(lambda: at.client.wait_for(events.ResponseDone, timeout=SOON))
        at.lose()
        with pytest.raises(DeadlineExceeded):
            at.client.wait_for(events.ResponseDone, timeout=0.05)
        assert not wait.done()
        at.let_in()
        at.client.ask("Well?", timeout=SOON)
        wait.result(SOON)


# --- the end of an outage ----------------------------------------------------------------------


def test_attempts_that_are_used_up() -> None:
    """The first cause, in every later call and in both events; what failed later is told too."""
    policy = Reconnect(backoff=0.01, attempts=2)
    with cutting(policy=policy) as at:
        wait = call_in_thread(lambda: at.client.wait_for(events.ResponseDone, timeout=SOON))
        until(lambda: at.client._pump._waiters)
        at.server.refuse = 503
        with at.client.expect(events.Closed, timeout=SOON) as ended:
            at.server.disconnect(1011, "down")
        closed: Any = ended.event
        assert closed.code == 1011
        assert closed.reason.startswith("down; 2 attempts to reconnect failed: ")
        assert "503" in closed.reason
        assert isinstance(closed.error, ConnectionClosedError)
        assert isinstance(closed.error.cause, ConnectFailed)
        with pytest.raises(ConnectionClosedError, match="down; 2 attempts"):
            wait.result(SOON)
        with pytest.raises(ConnectionClosedError, match="down; 2 attempts"):
            at.client.commit_audio()
        assert at.client.state == "closed"
        assert at.types(events.LocalEvent)[1:] == [
            "local.reconnecting",
            "local.reconnecting",
            "local.connection_lost",
            "local.closed",
        ]


def test_the_budget_bounds_an_attempt_that_hangs() -> None:
    """A server that lets nobody in holds an outage no longer than its budget."""
    connections = itertools.count()

    def talk(connection: socket.socket) -> None:
        if not next(connections):
            peer = Peer(connection)
            peer.opens()
            peer.vanishes()
        silent(connection)

    policy = Reconnect(backoff=0.02, budget=0.5)
    with listening(talk) as port:
        client = GrokClient(
            "test", url=f"ws://127.0.0.1:{port}", reconnect=policy, open_timeout=SOON
        )
        with client:
            began = time.monotonic()
            with pytest.raises(ConnectionClosedError, match=r"no connection within 0\.5 s"):
                client.run()
            assert time.monotonic() - began < SOON / 2


def test_a_blocked_sender_hears_of_the_end() -> None:
    """Who waits for room while there is no line is let go when there will be none."""
    with cutting(policy=NEVER, send_timeout=60) as at:
        at.lose()

        def fill() -> None:
            while True:
                at.client.commit_audio()

        filling = call_in_thread(fill)
        until(lambda: at.client._lifecycle.connection()._outbox.qsize() >= 256)
        at.client.close()
        with pytest.raises(ConnectionClosedOK):
            filling.result(SOON)


def test_a_key_that_is_refused_is_not_shown_again() -> None:
    """An authentication failure ends it, with the refusal as the cause."""
    with cutting() as at:
        at.server.refuse = 401
        with at.client.expect(events.Closed, timeout=SOON) as ended:
            at.server.disconnect()
        closed: Any = ended.event
        assert isinstance(closed.error, ConnectionClosedError)
        assert isinstance(closed.error.cause, AuthenticationFailed)
        assert len(at.types(events.Reconnecting)) == 1


def test_the_server_says_how_long_to_wait() -> None:
    """Retry-After of a 503 is the next delay."""
    with cutting() as at:
        at.server.refuse = Refusal(503, retry_after=0.3)
        with at.client.expect(
            events.Reconnecting, lambda e: e.attempt == 2, timeout=SOON
        ) as second:
            at.server.disconnect()
        assert second.event is not None
        assert second.event.delay == pytest.approx(0.3)
        began = time.monotonic()
        at.let_in()
        assert time.monotonic() - began >= 0.2


def test_a_close_that_is_refused_changes_nothing() -> None:
    """A code that must not be sent is a mistake, and a line lost later is followed by another."""
    with cutting() as made:
        with pytest.raises(LocalProtocolError, match="1006"):
            made.client.close(1006)
        made.cut()
        assert made.client.state == "open"


def test_close_during_the_wait_returns_at_once() -> None:
    """The client is closed on purpose: no loss is told, no thread is left."""
    with cutting(policy=NEVER) as at:
        at.lose()
        at.client.send_user_text("never said")
        began = time.monotonic()
        at.client.close(4000, "enough")
        assert time.monotonic() - began < 1.0
        assert at.client.state == "closed"
        assert at.heard[-1] == events.Closed(1006, "enough")
        with pytest.raises(ConnectionClosedOK, match="enough") as caught:
            at.client.commit_audio()
        assert len(caught.value.unsent) == 1
        at.client.close()


@pytest.mark.parametrize("stage", ["resolves", "upgrades", "confirms"])
def test_close_during_an_attempt_returns_at_once(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the attempt is: at the name, in the upgrade, or waiting for the confirmation."""
    reached = threading.Event()
    release = threading.Event()
    connections = itertools.count()
    real = socket.getaddrinfo

    def talk(connection: socket.socket) -> None:
        if not next(connections):
            peer = Peer(connection)
            peer.opens()
            if stage == "resolves":
                monkeypatch.setattr(socket, "getaddrinfo", hang)
            peer.vanishes()
        elif stage == "confirms":
            peer = Peer(connection)
            peer.says(*live.GREETING)
            peer.hears("session.update")
            reached.set()
            silent(connection)
        else:
            reached.set()
            silent(connection)

    def hang(*args: Any, **options: Any) -> Any:
        reached.set()
        release.wait(SOON)
        return real(*args, **options)

    with listening(talk) as port:
        # Once there is a session its peer may take the time of a close to answer, and no more.
        timeout = 1.0 if stage == "confirms" else SOON
        client = GrokClient(
            "test", url=f"ws://127.0.0.1:{port}", reconnect=QUICK, close_timeout=timeout
        )
        heard: list[events.Event] = []
        client.on(events.LocalEvent)(heard.append)
        with client:
            client.wait_for(events.Reconnecting, timeout=SOON)
            assert reached.wait(SOON)
            began = time.monotonic()
            client.close()
            assert time.monotonic() - began < 1.5
            assert client.state == "closed"
            assert not ours()
            release.set()
            client.run()
    assert isinstance(heard[-1], events.Closed)
    assert [type(event) for event in heard].count(events.Closed) == 1
    assert not [event for event in heard if isinstance(event, events.ConnectionLost)]


def test_a_close_that_meets_a_loss_is_a_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is lost when `close` has begun, and has said nothing yet, is not followed."""
    close = Connection.close

    def late(connection: Connection, *args: Any, **options: Any) -> None:
        at.server.disconnect()
        until(lambda: connection.is_over)
        close(connection, *args, **options)

    with cutting() as at:
        monkeypatch.setattr(Connection, "close", late)
        at.client.close()
        monkeypatch.undo()
        assert at.client.state == "closed"
        assert not at.types(events.Reconnecting)
        assert not ours()


def test_close_at_any_moment_of_an_outage() -> None:
    """Whenever it is closed, `Closed` comes once and last, and nothing of ours lives on."""
    chance = random.Random(7)
    with Simulator() as server:
        for _ in range(40):
            heard: list[events.Event] = []
            client = GrokClient("test", url=server.url, reconnect=Reconnect(backoff=0.004))
            client.on(events.LocalEvent)(heard.append)
            client.start()
            server.disconnect()
            if delay := chance.choice((0, 1)):
                time.sleep(delay * chance.random() * 0.03)
            client.close(timeout=SOON)
            assert client.state == "closed"
            assert [e for e in heard if isinstance(e, events.Closed)] == heard[-1:]
            assert not ours()


def test_nothing_is_told_after_the_end() -> None:
    """An outage that goes on for a moment after `close` has nothing more to say."""
    with cutting(policy=NEVER) as at:
        at.lose()
        at.client.close()
        at.client._lifecycle._tell(events.Reconnecting(attempt=2, delay=1.0))
        assert isinstance(at.heard[-1], events.Closed)
        assert not at.client._inbox.qsize()


def test_our_own_goodbye_is_final() -> None:
    """A close code that would be a reason to reconnect is none if it was ours; nor is the exit."""
    with cutting() as at:
        at.client.close(1001, "going away")
        assert at.client.state == "closed"
        assert not at.types(events.Reconnecting)
    with cutting() as at, at.client.expect(events.Closed, timeout=SOON):
        at.client._lifecycle.connection().begin_close(1001, "the program exits")
    assert not at.types(events.Reconnecting)


def test_a_verb_that_meets_the_loss_goes_to_the_next_connection() -> None:
    """Between the loss and its discovery nobody gets an error that means nothing any more."""
    with cutting() as at:
        met: list[Any] = []

        def verb(connection: Any) -> None:
            met.append(connection)
            if len(met) == 1:
                at.server.disconnect()
                until(lambda: connection.is_over)
            connection.send(events.InputAudioBufferCommit())

        at.client._lifecycle.through(verb)
        assert len(met) == 2
        until(lambda: [event.type for event in at.received()] == ["input_audio_buffer.commit"])


def ours() -> list[str]:
    """The threads of the client side."""
    names = ("grok-rt-reader", "grok-rt-writer", "grok-rt-pump", "grok-rt-reconnect")
    return [thread.name for thread in threading.enumerate() if thread.name in names]


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no thread to reconnect with, as at the interpreter's exit, it is the end."""
    with cutting() as at:

        def refuse(_: object) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(Outage, "start", refuse)
        with at.client.expect(events.Closed, timeout=SOON) as closed:
            at.server.disconnect()
        assert closed.event is not None
        assert "can't start new thread" in closed.event.reason


@pytest.mark.parametrize("lacking", ["reader", "writer", "resolver"])
def test_threads_that_cannot_be_had_for_a_while(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that finds no thread has failed, as others do, and the next may succeed."""
    start = threading.Thread.start
    refused: list[str] = []

    def refuse(thread: threading.Thread) -> None:
        if thread.name == f"grok-rt-{lacking}" and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    with cutting() as at:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        say = at.client.on(events.Reconnecting, once=True)
        say(lambda _: at.client.send_user_text("Is anybody there?"))
        at.cut()
        assert refused
        assert at.client.ask("Still there?", timeout=SOON).text
        assert str(at.received()).count("Is anybody there?") == 1
        tries = [event for event in at.heard if isinstance(event, events.Reconnecting)]
        assert "can't start new thread" in str(tries[-1].cause)


def test_without_reconnect_it_is_as_before() -> None:
    """Off in the foreground, on after `start`, and as said where it is said."""
    with Simulator() as server:
        with GrokClient("test", url=server.url) as grok:
            server.disconnect()
            with pytest.raises(ConnectionClosedError):
                grok.run()
            update = server.sessions[0].received[0]
            assert isinstance(update, events.SessionUpdate)
            assert not update.session.resumption
        with (
            GrokClient("test", url=server.url, reconnect=False).start() as grok,
            grok.expect(events.ConnectionLost, timeout=SOON),
        ):
            server.disconnect()


def test_start_turns_it_on() -> None:
    """Also for a client that is open already, whose session is then made resumable."""
    with Simulator() as server, GrokClient("test", url=server.url) as grok:
        grok.start()
        until(lambda: len(server.sessions[0].received) == 2)
        with grok.expect(events.Reconnected, timeout=SOON) as back:
            server.disconnect()
        assert back.event is not None
        assert back.event.resumed


def test_what_is_no_policy_is_refused() -> None:
    """A number of attempts is none: the sentence says what is."""
    with pytest.raises(ConfigError, match=r"Reconnect\(\.\.\.\), True, False or None"):
        GrokClient("test", reconnect=3)  # type: ignore[arg-type]


def test_true_is_the_usual_policy() -> None:
    """In the foreground too."""
    with Simulator() as server, GrokClient("test", url=server.url, reconnect=True) as grok:
        server.disconnect()
        assert grok.wait_for(events.Reconnecting, timeout=SOON).delay <= 0.5


# --- roll-over ---------------------------------------------------------------------------------


def test_a_session_is_replaced_before_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pause, without a loss and without waiting: the server hears a goodbye."""
    monkeypatch.setattr(session_module, "_PAUSE", 0.1)

    def talks(peer: Peer) -> None:
        peer.says(*live.reply("r", "i", {"ask": hears_a_question(peer)}))
        goodbyes.append(goodbye(peer))

    def goes_on(peer: Peer) -> None:
        peer.says(*live.reply("r2", "i2", {"ask": hears_a_question(peer)}))

    goodbyes: list[tuple[int, bytes]] = []
    policy = Reconnect(roll_over_after=0.3)
    with playing(talks, goes_on) as stage, stage.client(reconnect=policy) as grok:
        with grok.expect(events.Reconnected, timeout=SOON) as back:
            assert grok.ask(live.QUESTION, timeout=SOON).text == live.WORDS
        assert back.event is not None
        assert back.event.resumed
        (going,) = stage.heard(events.Reconnecting)
        assert going.delay == 0
        assert goodbyes == [(1000, b"")]
        assert grok.ask(live.QUESTION, timeout=SOON).text == live.WORDS


def test_nobody_is_interrupted_by_a_roll_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits while the user speaks, for the reply, and for the pause behind it."""
    monkeypatch.setattr(session_module, "_PAUSE", 0.1)
    monkeypatch.setattr("grok_rt._connection.connection._LOOK_AGAIN", 0.05)
    over = threading.Event()

    def stays() -> None:
        assert not over.wait(0.4)
        assert grok.state == "open"

    def talks(peer: Peer) -> None:
        peer.opens()
        peer.says(live.started("u"))
        stays()
        peer.says(live.stopped("u"), live.committed("u"), live.created("r"))
        stays()
        peer.says(*live.reply("r", "i")[1:])
        with contextlib.suppress(EOFError):
            peer.listens()

    with (
        playing(talks, lambda peer: peer.opens()) as stage,
        stage.client(reconnect=Reconnect(roll_over_after=0.1)) as grok,
    ):
        grok.on(events.Reconnecting)(lambda _: over.set())
        grok.start()
        with grok.expect(events.Reconnected, timeout=SOON):
            pass
        types = stage.types()
        assert types.index("local.reconnecting") > types.index("response.done")


def test_a_roll_over_waits_for_what_follows_from_our_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What this side has just said may be about to be answered: the pause begins behind it."""
    monkeypatch.setattr(session_module, "_PAUSE", 1.0)
    monkeypatch.setattr("grok_rt._connection.connection._LOOK_AGAIN", 0.02)
    with cutting(policy=Reconnect(roll_over_after=0.3)) as at:
        for _ in range(4):
            at.client.send_user_text("And another thing.")
            time.sleep(0.2)
        assert not at.types(events.Reconnecting)
        until(lambda: at.types(events.Reconnected))


# --- again and again ---------------------------------------------------------------------------


def test_many_cuts_leave_nothing_behind() -> None:
    """Twenty losses in a row: no thread, no descriptor, no growth, and it still answers."""
    with cutting(policy=SLOW) as at:

        def rounds(number: int) -> None:
            for _ in range(number):
                assert at.cut().resumed
                at.client.send_audio(FRAME)
            at.heard.clear()
            at.server.sessions[:-1] = []
            gc.collect()

        rounds(5)
        threads, descriptors = len(ours()), len(list(Path("/proc/self/fd").iterdir()))
        before = len(gc.get_objects())
        rounds(20)
        grown = len(gc.get_objects()) - before
        assert len(ours()) == threads == 3
        until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= descriptors)
        assert grown < 400
        assert at.client.ask("Still there?", timeout=SOON).text


def test_a_line_that_held_for_a_while_is_tried_as_soon_as_ever() -> None:
    """What stood as long as the longest delay was a success: the delays begin anew."""
    policy = Reconnect(backoff=0.001, max_backoff=0.05)
    with cutting(policy=policy) as at:
        for _ in range(8):
            time.sleep(policy.max_backoff)
            at.cut()
        assert len(at.delays()) == 8
        assert max(at.delays()) <= policy.backoff


def test_a_line_that_always_breaks_is_tried_ever_more_rarely() -> None:
    """What stands and falls at once is no success: the delays go on growing."""

    def cut(peer: Peer) -> None:
        peer.opens()
        until(lambda: grok.state == "open")
        peer.vanishes()

    policy = Reconnect(backoff=0.001, max_backoff=10.0)
    with playing(*[cut] * 6, lambda peer: peer.opens()) as stage:
        grok = stage.client(reconnect=policy)
        with grok:
            for _ in range(6):
                grok.wait_for(events.Reconnected, timeout=SOON)
        assert grok._lifecycle._outage is not None
        assert grok._lifecycle._outage.step >= 5


# --- a client that nobody uses any more --------------------------------------------------------


def goodbye(peer: Peer) -> tuple[int, bytes]:
    """The client's close frame, answered."""
    while True:
        opcode, data = peer._receive()
        if opcode == 0x8:
            peer._send(0x8, data)
            return int.from_bytes(data[:2], "big"), data[2:]


def collected(client: list[Any]) -> None:
    """Drop the only reference to a client, and let it be collected."""
    client.clear()
    gc.collect()


@pytest.mark.parametrize("policy", [False, QUICK], ids=["off", "on"])
def test_a_dropped_client_is_closed(policy: Any) -> None:
    """Nothing of ours keeps it alive: the server hears a goodbye, and no thread is left."""

    def talks(peer: Peer) -> None:
        peer.opens()
        goodbyes.append(goodbye(peer))

    goodbyes: list[tuple[int, bytes]] = []
    with playing(talks) as stage:
        client = [GrokClient("test", url=stage.url, reconnect=policy).connect()]
        client[0].on_audio(print)
        collected(client)
        until(lambda: goodbyes)
        assert goodbyes == [(1000, b"the client was dropped")]
        until(lambda: not ours())


def test_a_client_dropped_in_an_outage_makes_no_attempt() -> None:
    """The thread that reconnects ends, though nobody waits for it."""
    with Simulator() as server:
        client = [GrokClient("test", url=server.url, reconnect=NEVER).connect()]
        server.disconnect()
        until(lambda: ours() == ["grok-rt-reconnect"])
        collected(client)
        until(lambda: not ours())
        assert len(server.sessions) == 1


def test_a_client_dropped_during_an_attempt_does_not_stay() -> None:
    """What the attempt has opened is closed again."""
    reached, gone = threading.Event(), threading.Event()

    def key() -> str:
        if reached.is_set():
            assert gone.wait(SOON)
        return "test"

    with Simulator() as server:
        client = [GrokClient(key, url=server.url, reconnect=QUICK).connect()]
        reached.set()
        server.disconnect()
        until(lambda: ours() == ["grok-rt-reconnect"])
        until(lambda: client[0]._inbox.qsize() > 4)
        time.sleep(0.1)  # the delay is over, and the key is asked for
        collected(client)
        gone.set()
        until(lambda: not ours())


def test_a_started_client_lives_on() -> None:
    """Its handlers hear in the background: it ends when it is closed."""
    closed = threading.Event()
    with Simulator() as server:
        client = [GrokClient("test", url=server.url, on_close=lambda _: closed.set()).start()]
        lifecycle = client[0]._lifecycle
        collected(client)
        assert not closed.wait(0.1)
        lifecycle.close(1000, "", SOON)
        assert closed.wait(SOON)
        until(lambda: not ours())


def test_a_line_lost_before_anybody_noticed_that_it_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss between the confirmation and the end of `connect` is an outage like any other."""
    stand = Lifecycle._stand

    def slowly(self: Lifecycle, connection: Any, *rest: Any) -> None:
        stand(self, connection, *rest)
        if not hasattr(self, "was_slow"):
            self.was_slow = True  # type: ignore[attr-defined]
            assert connection._done.wait(SOON)

    connections = itertools.count()

    def talk(connection: socket.socket) -> None:
        peer = Peer(connection)
        peer.opens()
        if next(connections):
            peer.listens()
        else:
            peer.vanishes()

    monkeypatch.setattr(Lifecycle, "_stand", slowly)
    with listening(talk) as port:
        url = f"ws://127.0.0.1:{port}"
        with GrokClient("test", url=url, reconnect=QUICK, close_timeout=1.0) as client:
            client.wait_for(events.Reconnected, timeout=SOON)
            assert client.state == "open"
