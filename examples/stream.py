"""An answer in parts, as they come. Needs XAI_API_KEY, or GROK_RT_URL of a simulator."""

from __future__ import annotations

from grok_rt import GrokClient, parts

with GrokClient() as grok:
    for part in grok.stream("Tell me a joke.", timeout=30):
        if isinstance(part, parts.Text):
            print(part.text, end="", flush=True)
