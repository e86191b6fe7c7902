"""Many questions: one after the other, on which nothing grows, and on many clients at once.

The long one is not part of the suite: `-m soak` selects it.
"""

from __future__ import annotations

import gc
import math
import os
import threading
from pathlib import Path
from statistics import linear_regression

import pytest
from asking import KEY, PATIENT
from callers import call_in_thread

from grok_rt import Answer, GrokClient, parts
from grok_rt.simulator import Peer, Script, Simulator, loopback

GROWTH = 1 << 20  # bytes by which the process may grow in as many questions
CLIENTS = 50

in_memory = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read there")


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def streamed(grok: GrokClient, prompt: str) -> str:
    """Ask for the parts of an answer; they are all of it."""
    *pieces, answer = grok.stream(prompt, timeout=PATIENT)
    assert isinstance(answer, Answer)
    assert b"".join(p.audio for p in pieces if isinstance(p, parts.Audio)) == answer.audio.data
    return "".join(p.text for p in pieces if isinstance(p, parts.Text))


@in_memory
@pytest.mark.parametrize("pumps", [False, True], ids=["nobody pumps", "start()"])
@pytest.mark.parametrize(
    ("turns", "remembered"),
    [(150, 50), pytest.param(1000, 1000, marks=[pytest.mark.soak, pytest.mark.timeout(300)])],
)
def test_nothing_grows(turns: int, remembered: int, pumps: bool) -> None:
    """Once the conversation is as long as it may be, further turns leave memory as it is."""
    peer = Peer(latency=0, pace=math.inf)
    grok = GrokClient(KEY, transport=loopback(peer))
    grok._conversation._max_turns = remembered
    samples: list[int] = []
    with grok:
        if pumps:
            grok.start()
        for n in range(remembered + turns):  # two turns make a question; so they are warm
            assert (grok.ask("x", timeout=PATIENT).text if n % 2 else streamed(grok, "x")) == (
                "You said: x"
            )
            # The server's memory is not what is measured here.
            peer.conversation.items.clear()
            peer._received.clear()
            if n >= remembered:
                samples.append(resident())
        assert len(grok.conversation) == remembered
        assert not grok._pump._waiters
        assert not grok._questions._line
    slope, _ = linear_regression(range(len(samples)), samples)
    print(f"\n{turns} questions: {samples[0] >> 10} to {samples[-1] >> 10} KiB")
    assert slope * turns < GROWTH


def test_no_object_is_left_behind() -> None:
    """A turn that is over leaves nothing of itself but two turns of the conversation."""
    peer = Peer(Script(), latency=0, pace=math.inf)
    grok = GrokClient(KEY, transport=loopback(peer))
    grok._conversation._max_turns = 10
    with grok:

        def count(turns: int) -> int:
            for n in range(turns):
                assert (grok.ask if n % 2 else grok.stream)("x", timeout=PATIENT)
            peer.conversation.items.clear()
            peer._received.clear()
            gc.collect()
            return len(gc.get_objects())

        count(10)
        before = count(10)
        assert count(40) - before < 40


def test_many_clients_ask_at_once() -> None:
    """Fifty threads on fifty clients: each has the answers to its own questions, none waits."""
    gate = threading.Barrier(CLIENTS)

    with Simulator(latency=0, pace=math.inf) as server:

        def talk(n: int) -> list[str]:
            with GrokClient(KEY, url=server.url, open_timeout=30.0) as grok:
                gate.wait(30)
                if n % 3 == 0:
                    grok.start()
                said = [grok.ask(f"{n} asks", timeout=PATIENT).text, streamed(grok, f"{n} again")]
                assert [turn.role for turn in grok.conversation] == ["user", "assistant"] * 2
                return said

        talks = [call_in_thread(lambda n=n: talk(n)) for n in range(CLIENTS)]
        for n, future in enumerate(talks):
            assert future.result(60) == [f"You said: {n} asks", f"You said: {n} again"]
