"""The connection in memory: what a socket to the service would do, without one."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from grok_rt._wire.framing import BINARY, CLOSE, PING, PONG, TEXT, Frame, close_payload
from grok_rt.errors import AuthenticationFailed, ConnectFailed, ConnectionClosedError, RateLimited
from grok_rt.simulator import Behaviour, LoopbackTransport, Peer, Refusal, Script, loopback

URL = "ws://simulator/v1/realtime?model=grok-voice-latest"
KEY = {"Authorization": "Bearer good"}


def text(type: str, **fields: Any) -> Frame:
    return Frame(TEXT, json.dumps({"type": type, **fields}).encode())


def until(transport: Any, type: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != type:
        messages.append(json.loads(transport.recv()[0].data))
    return messages


@pytest.mark.parametrize("options", [{}, {"instant": True}])
def test_turn(options: dict[str, Any]) -> None:
    """A whole turn comes through, on the real clock and at once."""
    transport = loopback(Script().says("Yes."), **options)(URL, KEY)
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Are you there?"}],
    }
    transport.send([text("conversation.item.create", item=item), text("response.create")])
    messages = until(transport, "response.done")
    assert messages[0]["type"] == "session.created"
    assert messages[-1]["response"]["output"][0]["content"][0]["transcript"] == "Yes."


def test_real_time() -> None:
    """In real time the answer takes as long as it sounds."""
    transport = loopback(Script().says("Yes."), realtime=True)(URL, KEY)
    transport.send([text("response.create")])
    begun = time.monotonic()
    usage = until(transport, "response.done")[-1]["usage"]
    assert time.monotonic() - begun >= usage["output_audio_seconds"] - 0.3


def test_sessions_resume() -> None:
    """The connections of one factory share their conversations."""
    connect = loopback(instant=True)
    first = connect(URL, KEY)
    first.send([text("session.update", session={"resumption": {"enabled": True}})])
    conversation = until(first, "conversation.created")[-1]["conversation"]["id"]
    second = connect(f"{URL}&conversation_id={conversation}", KEY)
    assert until(second, "conversation.created")[-1]["conversation"]["id"] == conversation


@pytest.mark.parametrize(
    ("error", "status", "options", "headers"),
    [
        (AuthenticationFailed, 401, {}, {}),
        (AuthenticationFailed, 400, {"api_key": "other"}, KEY),
        (RateLimited, 429, {"refuse": Refusal(429, "Slow down.", retry_after=3)}, KEY),
        (ConnectFailed, 503, {"refuse": 503}, KEY),
    ],
)
def test_refusals(
    error: type[ConnectFailed], status: int, options: dict[str, Any], headers: dict[str, str]
) -> None:
    """The factory refuses with what a socket would raise."""
    with pytest.raises(error) as refused:
        loopback(**options)(URL, headers)
    assert refused.value.status == status
    assert "good" not in str(refused.value)


def test_ping_brings_pong() -> None:
    """A ping frame is answered with its data; a pong with nothing."""
    transport = LoopbackTransport(Peer())
    transport.send([Frame(PONG, b"x"), Frame(PING, b"abc")])
    frames = [transport.recv()[0] for _ in range(4)]
    assert frames[-1] == Frame(PONG, b"abc")


def test_close_brings_close() -> None:
    """A close frame is answered with one, after what was due, and then it is over."""
    transport = LoopbackTransport(Peer())
    close = Frame(CLOSE, close_payload(1000, "done"))
    transport.send([close])
    assert [transport.recv()[0] for _ in range(4)][-1] == close
    with pytest.raises(ConnectionClosedError):
        transport.recv()
    assert transport.peer.closed == (1000, "done")
    transport.close()


def test_the_service_closes() -> None:
    """When the service ends the session, its close frame is the last of it."""
    transport = LoopbackTransport(Peer(max_duration=0.01))
    error = until(transport, "error")[-1]
    assert error["error"]["type"] == "max_duration"
    assert transport.recv() == [Frame(CLOSE, close_payload(1000, "max_duration"))]
    with pytest.raises(ConnectionClosedError):
        transport.recv()


def test_shutdown_wakes_recv() -> None:
    """A shutdown wakes a blocked recv at once; from then on everything raises."""
    transport = LoopbackTransport(Peer())
    until(transport, "ping")
    errors: list[Exception] = []
    waiting = threading.Event()

    def receive() -> None:
        waiting.set()
        try:
            transport.recv()
        except ConnectionClosedError as error:
            errors.append(error)

    reader = threading.Thread(target=receive)
    reader.start()
    assert waiting.wait(5)
    transport.shutdown()
    transport.shutdown()
    reader.join(5)
    assert [error.code for error in errors] == [1006]
    for blocked in (transport.recv, lambda: transport.send([text("response.create")])):
        with pytest.raises(ConnectionClosedError):
            blocked()


def test_binary_frames_are_audio() -> None:
    """A binary frame goes to the user's audio."""
    transport = LoopbackTransport(Peer())
    transport.send([Frame(BINARY, bytes(480))])
    assert until(transport, "ping")[-1]["type"] == "ping"


def test_a_given_peer() -> None:
    """A peer of one's own serves the one connection."""
    peer = Peer(Script().says("Hi."))
    transport = loopback(peer)(URL, KEY)
    transport.send([text("response.create")])
    until(transport, "response.created")
    assert [event.type for event in peer.received] == ["response.create"]


def test_concurrency() -> None:
    """Over its limit the service refuses with 429, until a session has ended."""
    connect = loopback(max_sessions=2)
    first, _second = connect(URL, KEY), connect(URL, KEY)
    with pytest.raises(RateLimited) as refused:
        connect(URL, KEY)
    assert refused.value.status == 429
    first.shutdown()
    connect(URL, KEY)


def test_behaviour_of_all_sessions() -> None:
    """Every session behaves as the factory was told."""
    assert until(loopback(documented_shapes=True)(URL, KEY), "session.created")[0]["type"] == (
        "conversation.created"
    )
    connect = loopback(behaviour=Behaviour(opening=("ping",)))
    assert until(connect(URL, KEY), "ping")[0]["type"] == "ping"


def test_a_call_is_joined_with_the_key() -> None:
    """A call cannot be joined with a token; where there are none the key is asked for."""
    connect = loopback(api_key="good")
    connect(f"{URL}&call_id=c", KEY)
    with pytest.raises(AuthenticationFailed):
        connect(f"{URL}&call_id=c", {"Authorization": "Bearer xai-realtime-client-secret-x"})
