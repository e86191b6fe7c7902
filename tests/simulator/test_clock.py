"""Time that jumps when a test says so, over a line in memory and on a socket."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from grok_rt import GrokClient, errors, events
from grok_rt._wire.framing import TEXT, Frame
from grok_rt.simulator import Clock, Simulator, loopback

KEY = {"Authorization": "Bearer good"}
URL = "ws://simulator/v1/realtime"


def test_it_runs_and_jumps() -> None:
    """It goes on like ours, and a jump is all of its difference, in both kinds of time."""
    clock = Clock()
    before = clock.monotonic(), clock.time()
    clock.advance(3600)
    assert clock.monotonic() - before[0] == pytest.approx(3600, abs=30)
    assert clock.time() - before[1] == pytest.approx(3600, abs=30)
    assert clock.monotonic() <= clock.monotonic()
    with pytest.raises(ValueError, match="0 seconds or more"):
        clock.advance(-1)


def test_a_jump_wakes_who_waits() -> None:
    """A reader that waits for the end of a session sees it at once when its time has come."""
    clock = Clock()
    transport = loopback(clock=clock)(URL, KEY)
    for _ in range(3):
        transport.recv()
    waiting = threading.Timer(0.05, clock.advance, [7200.0])
    waiting.start()
    seen = [json.loads(transport.recv()[0].data)]
    while seen[-1]["type"] != "error":
        seen.append(json.loads(transport.recv()[0].data))
    assert seen[-1]["error"]["type"] in {"timeout", "max_duration"}
    waiting.join()


def test_jumps_add_up_to_the_longest_session() -> None:
    """A session that is used lasts 120 minutes, and ends with max_duration."""
    clock = Clock()
    transport = loopback(clock=clock)(URL, KEY)
    types: list[str] = []
    for _ in range(12):
        clock.advance(600)
        transport.send([Frame(TEXT, b'{"type": "input_audio_buffer.clear"}')])
    while not types or types[-1] != "error":
        said: dict[str, Any] = json.loads(transport.recv()[0].data)
        types.append(said["type"])
    assert said["error"]["type"] == "max_duration"
    # The last one is due in the very moment of the end.
    assert types.count("ping") in {720, 721}


def test_a_client_over_a_socket() -> None:
    """The client is told why its session has ended, hours later, in a moment."""
    clock = Clock()
    with Simulator(clock=clock) as server, GrokClient(url=server.url, api_key="k") as client:
        with client.expect(events.Error, timeout=20) as failed:
            clock.advance(901)
        assert failed.event.error.type == "timeout"
        assert "timeout" in str(client.wait_for(events.Closed, timeout=20))


def test_tokens_expire() -> None:
    """A token is good up to its last second by that clock, and no longer."""
    clock = Clock()
    with Simulator(api_key="k", clock=clock) as server:
        where = urlsplit(server.url)
        asked = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
        asked.request(
            "POST",
            "/v1/realtime/client_secrets",
            '{"expires_after": {"seconds": 60}}',
            {"Authorization": "Bearer k"},
        )
        said = json.loads(asked.getresponse().read())
        asked.close()
        assert said["expires_at"] == pytest.approx(time.time() + 60, abs=10)
        with GrokClient(url=server.url, api_key=said["value"]) as client:
            clock.advance(61)
            with pytest.raises(errors.AuthenticationFailed) as refused:
                GrokClient(url=server.url, api_key=said["value"]).connect()
            assert refused.value.status == 401
            client.send(events.InputAudioBufferClear())  # an open session outlives its token
            client.wait_for(events.InputAudioBufferCleared, timeout=20)
