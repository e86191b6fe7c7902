"""A spoken conversation, by microphone and speaker. Put headphones on; say goodbye to hang up."""

from __future__ import annotations

from grok_rt import GrokClient
from grok_rt.devices import talk

for turn in talk(GrokClient(), headphones=True):
    print(f"{turn.role}: {turn.text}")
    if "goodbye" in turn.text.lower():
        break
