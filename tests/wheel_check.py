"""Run by `nox -s wheel`, with the wheel and its core dependencies and nothing else installed."""

from __future__ import annotations

import sys
from importlib import resources, util

import grok_rt

EXTRAS = ("numpy", "rich", "sounddevice", "soundfile", "soxr", "trustme", "websockets")
LATE = ("cattrs", "websocket")

assert "site-packages" in grok_rt.__file__, grok_rt.__file__
assert [name for name in EXTRAS if util.find_spec(name)] == [], "an extra is installed"

files = resources.files(grok_rt)
assert files.joinpath("py.typed").is_file()
assert any(entry.name.endswith(".wav") for entry in files.joinpath("data").iterdir())

for name in grok_rt.__all__:
    getattr(grok_rt, name)
assert [name for name in LATE if name in sys.modules] == [], "the import is not light"

assert files.joinpath("data", "dashboard", "index.html").is_file()

# A whole turn with the simulator, in memory and on a socket, which needs no extra at all.
from grok_rt.simulator import Script, Simulator, loopback  # noqa: E402

with grok_rt.GrokClient("test", transport=loopback(Script().says("Hello."))) as grok:
    assert grok.ask("Hi.", timeout=10).text == "Hello."
with Simulator() as server, grok_rt.GrokClient("test", url=server.url, proxy=None) as grok:
    assert grok.ask("Hi.", timeout=10).text == "You said: Hi."

print("the wheel works with the core alone")
