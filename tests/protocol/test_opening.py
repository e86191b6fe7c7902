"""How a session begins, and how a conversation is taken up again (protocol 9.1, 3.2, 3.3)."""

from __future__ import annotations

import logging
import threading

import live
import pytest
from stage import MANUAL, Message, Peer, Stage, on_stage, playing

from grok_rt import SessionConfig, events
from grok_rt.conversation import Conversation
from grok_rt.errors import ConnectFailed, ServerError

DOCUMENTED = (
    live.message("session.created", "documented"),
    live.message("conversation.created", "documented"),
)
GREETINGS = {
    "live since June 2026": live.GREETING,
    "as documented": DOCUMENTED,
    "conversation first, to March 2026": (
        live.CONVERSATION_CREATED,
        live.SESSION_CREATED,
        live.PING,
    ),
    "no session.created, April 2026": (live.CONVERSATION_CREATED,),
    "turn_detection null": (
        live.message("session.created", "turn_detection null variant"),
        live.CONVERSATION_CREATED,
    ),
    "the alias echoed, July 2026": (
        live.message("session.created", "alias echoed"),
        live.CONVERSATION_CREATED,
    ),
}


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
def test_any_greeting_opens_a_session(greeting: tuple[Message, ...]) -> None:
    """9.1: no fixed order is required; what was said is heard, in its order, then `Opened`."""

    def script(peer: Peer) -> None:
        peer.opens(*greeting)

    with on_stage(script) as stage:
        named = {m["type"]: m for m in greeting}
        session = named.get("session.created", {}).get("session", {})
        assert stage.grok.session_id == session.get("id")
        assert stage.grok.conversation_id == named["conversation.created"]["conversation"]["id"]
        stage.grok.wait_for(events.Opened, timeout=5)
    expected = [*(m["type"] for m in greeting), "session.updated", "local.opened", "local.closed"]
    assert stage.types() == expected
    assert stage.sent == ["session.update"]


def test_the_greeting_may_come_after_the_confirmation() -> None:
    """Q28: `session.created` may be late; `connect` waits for some greeting all the same."""

    def script(peer: Peer) -> None:
        peer.says(live.CONVERSATION_CREATED)
        peer.hears("session.update")
        peer.says(live.session_updated(), live.SESSION_CREATED)

    with on_stage(script) as stage:
        stage.grok.wait_for(events.SessionCreated, timeout=5)
        assert stage.grok.session_id == live.SESSION_ID


def test_the_configuration_waits_for_no_greeting() -> None:
    """9.1: `session.update` is the client's first word, and costs no round trip for a greeting."""

    def script(peer: Peer) -> None:
        peer.hears("session.update")
        peer.says(*live.GREETING, live.session_updated())

    with on_stage(script) as stage:
        assert stage.grok.session_id == live.SESSION_ID


def test_a_confirmation_is_greeting_enough() -> None:
    """Q28: a server that greets with nothing but `session.updated` has a session for us."""

    def script(peer: Peer) -> None:
        peer.hears("session.update")
        peer.says(live.session_updated())

    with on_stage(script, open_timeout=2) as stage:
        assert stage.grok.state == "open"
        assert stage.grok.session_id is None


def test_a_line_without_a_greeting_is_no_session() -> None:
    """9.1: a peer that upgrades and says nothing is not the service, and the sentence says so."""
    with (
        playing(lambda peer: peer.listens()) as stage,
        pytest.raises(ConnectFailed, match=r"said nothing for 0\.3 s"),
    ):
        stage.client(open_timeout=0.3).connect()


def test_a_missing_confirmation_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Q28: without `session.updated` the session goes on, and so does its sound."""

    def script(peer: Peer) -> None:
        peer.says(*live.GREETING)
        peer.hears("session.update")
        peer.hears("input_audio_buffer.commit")

    with caplog.at_level(logging.WARNING, "grok_rt"), on_stage(script, open_timeout=0.5) as stage:
        assert "no session.updated within" in caplog.text
        assert stage.grok.state == "open"
        stage.grok.send_audio(live.SOUND)
        stage.grok.commit_audio()
    assert [m["type"] for m in stage.peers[0].heard] == [
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
    ]


def test_sound_waits_for_the_confirmation() -> None:
    """4.2: sound before `session.updated` would be misread, so it is held, in its place."""
    begun = threading.Event()

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("session.update")
        begun.set()
        peer.hears("conversation.item.create")
        peer.silence()
        peer.says(live.session_updated())
        peer.hears("input_audio_buffer.commit")
        assert peer.heard[-2]["type"] == "input_audio_buffer.append"

    with on_stage(script) as stage:
        other = threading.Thread(target=stage.grok.update_session, args=(MANUAL,))
        other.start()
        assert begun.wait(5)
        stage.grok.send_user_text("This need not wait.")
        stage.grok.send_audio(live.SOUND)
        stage.grok.commit_audio()
        other.join(5)


def test_a_refused_configuration_fails_the_connect() -> None:
    """5: an invalid tool configuration is an error, and `connect` raises it."""

    def script(peer: Peer) -> None:
        peer.says(*live.GREETING)
        update = peer.hears("session.update")
        peer.says(
            live.message("error", "invalid tool config", error={"event_id": update["event_id"]})
        )

    with playing(script) as stage, pytest.raises(ServerError, match="cannot both be set") as caught:
        stage.client().connect()
    assert caught.value.event_id == stage.peers[0].heard[0]["event_id"]


def test_a_refused_update_leaves_the_old_configuration() -> None:
    """9.10: the session stays open with the earlier configuration, even if the error has no id."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("session.update")
        peer.says(live.message("error", "WS schema"))
        peer.hears("response.create")

    with on_stage(script) as stage:
        before = stage.grok.config
        with pytest.raises(ServerError, match="audio format"):
            stage.grok.update_session(SessionConfig.telephony())
        assert stage.grok.config is before
        stage.grok.request_response()
    assert "error" in stage.types()


def test_pings_are_heard_and_not_answered() -> None:
    """3.2: the service's own `ping` comes every 10 s and wants nothing."""
    pings = [live.ping(), live.ping()]

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(*pings)

    with (
        on_stage(script) as stage,
        stage.grok.expect(
            events.Ping, lambda ping: ping.event_id == pings[-1]["event_id"], timeout=5
        ),
    ):
        pass
    assert stage.sent == ["session.update"]


REPLAYS = {
    "live, July 2026": live.message("conversation.item.added", "July 2026"),
    "since August 2026, inferred": live.message("conversation.item.added", "probably looks"),
    "as documented": live.message("conversation.item.created", "documented replay"),
}


@pytest.mark.parametrize("replay", REPLAYS.values(), ids=REPLAYS)
def test_a_resumed_conversation_is_told_again(replay: Message) -> None:
    """3.3: the id goes into the query, resumption into the session; replayed items are events."""

    def script(peer: Peer) -> None:
        peer.says(live.SESSION_CREATED, live.CONVERSATION_CREATED)
        update = peer.hears("session.update")
        assert update["session"]["resumption"] == {"enabled": True}
        peer.says(replay, live.session_updated())

    config = SessionConfig.wideband(resumption=True)
    conversation = Conversation()
    with on_stage(script, config=config, conversation_id=live.CONVERSATION_ID) as stage:
        stage.grok.on(events.Event)(lambda event: conversation.feed(event, 0.0))
        item = stage.grok.wait_for(events.Replayable, timeout=5).item
        assert stage.grok.conversation_id == live.CONVERSATION_ID
    assert f"conversation_id={live.CONVERSATION_ID}" in stage.peers[0].request
    assert item.content
    assert item.content[0].text == replay["item"]["content"][0]["text"]
    (turn,) = conversation
    assert turn.replayed
    assert turn.text == item.content[0].text


def test_a_second_client_takes_up_the_first_ones_conversation() -> None:
    """3.3: the second connection has a new session and the same conversation."""

    def first(peer: Peer) -> None:
        peer.opens()

    def second(peer: Peer) -> None:
        peer.opens(live.message("session.created", session={"id": "s2"}), live.CONVERSATION_CREATED)

    stage: Stage
    with playing(first, second) as stage:
        with stage.client() as grok:
            known = grok.conversation_id
        with stage.client(conversation_id=known) as grok:
            assert (grok.session_id, grok.conversation_id) == ("s2", known)
