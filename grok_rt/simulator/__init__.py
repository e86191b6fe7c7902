"""xAI's realtime service in this process: for tests, demonstrations and work without a key.

`Simulator` is a WebSocket server, `loopback` a transport in memory, both around `Peer`, the
service's side of one session; a `Script` says what it hears and answers.
"""

from __future__ import annotations

from grok_rt.simulator.behaviour import DOCUMENTED, LIVE, Behaviour
from grok_rt.simulator.clock import Clock
from grok_rt.simulator.loopback import LoopbackTransport, loopback
from grok_rt.simulator.peer import Peer
from grok_rt.simulator.refusals import Refusal
from grok_rt.simulator.script import Script
from grok_rt.simulator.server import Simulator

__all__ = [
    "DOCUMENTED",
    "LIVE",
    "Behaviour",
    "Clock",
    "LoopbackTransport",
    "Peer",
    "Refusal",
    "Script",
    "Simulator",
    "loopback",
]
