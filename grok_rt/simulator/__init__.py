"""xAI's realtime service in this process: for tests, demonstrations and work without a key.

`Simulator` is a WebSocket server, `loopback` a transport in memory, both around `Peer`, the
service's side of one session; `VirtualSession` is one whose time is the test's. A `Script`, or a
function of the `Context`, says what it answers, `Hearing` what it understands, `Behaviour` what
else may differ, and `Clock` lets time jump.
"""

from __future__ import annotations

from grok_rt.simulator.behaviour import DOCUMENTED, LIVE, Behaviour
from grok_rt.simulator.brain import Call, Context, Reply
from grok_rt.simulator.clock import Clock
from grok_rt.simulator.hearing import Hearing
from grok_rt.simulator.loopback import LoopbackTransport, loopback
from grok_rt.simulator.peer import Peer
from grok_rt.simulator.refusals import Refusal
from grok_rt.simulator.replay import recorded
from grok_rt.simulator.script import Script
from grok_rt.simulator.server import Simulator
from grok_rt.simulator.virtual import VirtualSession

__all__ = [
    "DOCUMENTED",
    "LIVE",
    "Behaviour",
    "Call",
    "Clock",
    "Context",
    "Hearing",
    "LoopbackTransport",
    "Peer",
    "Refusal",
    "Reply",
    "Script",
    "Simulator",
    "VirtualSession",
    "loopback",
    "recorded",
]
